/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Virtual handles.  What the application holds as MPI_Comm, MPI_Datatype, ... is a pointer
 * to one of these descriptors in the upper half: at the start of the upper libmpi's own
 * predefined objects (ompi_mpi_comm_world, ...: at least 256 bytes each, never initialised
 * there), or in crmpi's heap.  One dereference translates a handle.  `real` is renewed at a
 * restart; everything else is the recipe that rebuilds the object, and is saved.
 */
#ifndef CRMPI_HANDLE_HANDLE_H
#define CRMPI_HANDLE_HANDLE_H

#include <stdint.h>

enum crmpi_kind {
    CRMPI_COMM = 1, CRMPI_GROUP, CRMPI_TYPE, CRMPI_OP, CRMPI_REQUEST, CRMPI_MESSAGE,
    CRMPI_ERRHANDLER, CRMPI_INFO, CRMPI_WIN, CRMPI_FILE, CRMPI_KINDS
};

/* At most 128 bytes with what a kind adds, for predefined objects; larger data hangs off
 * `extra`. */
struct crmpi_handle {
    void *real;        /* the lower MPI's handle; first, so that one load translates */
    uint32_t magic;    /* CRMPI_HANDLE_MAGIC; 0 once freed */
    uint16_t kind;     /* enum crmpi_kind */
    uint16_t flags;    /* CRMPI_HANDLE_* */
    int32_t fortran;   /* MPI_Fint of this handle, -1 until asked for */
    int32_t refs;      /* the application's handle, and every recipe or request using it */
    struct crmpi_handle *next, *prev; /* list of all non-predefined ones of this kind */
    uint64_t serial;   /* order of creation in this process */
    void *extra;       /* kind's own: struct crmpi_comm, crmpi_type, ... in crmpi's heap */
};
#define CRMPI_HANDLE_MAGIC 0x6d706968u
#define CRMPI_HANDLE_PREDEFINED 1
#define CRMPI_HANDLE_FREED 2 /* the application freed it, a reference keeps it */

#endif
