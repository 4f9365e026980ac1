/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Virtual handles.  What the application holds as MPI_Comm, MPI_Datatype, ... is a
 * pointer to one of these descriptors in the upper half: at the start of the upper
 * libmpi's own predefined objects (ompi_mpi_comm_world, ...: at least 256 bytes each,
 * never initialised there), or in crmpi's heap.  One dereference translates a handle.
 * `real` is renewed at a restart; everything else is the recipe that rebuilds the object,
 * and is saved.
 */
#ifndef CRMPI_HANDLE_HANDLE_H
#define CRMPI_HANDLE_HANDLE_H

#include <stddef.h>
#include <stdint.h>

enum crmpi_kind {
    CRMPI_COMM = 1,
    CRMPI_GROUP,
    CRMPI_TYPE,
    CRMPI_OP,
    CRMPI_REQUEST,
    CRMPI_MESSAGE,
    CRMPI_ERRHANDLER,
    CRMPI_INFO,
    CRMPI_WIN,
    CRMPI_FILE,
    CRMPI_SESSION,
    CRMPI_KINDS
};

/* At most 128 bytes with what a kind adds, for predefined objects; larger data hangs off
 * `extra`. */
struct crmpi_handle {
    void *real;      /* the lower MPI's handle; first, so that one load translates */
    uint32_t magic;  /* CRMPI_HANDLE_MAGIC; 0 once freed */
    uint16_t kind;   /* enum crmpi_kind */
    uint16_t flags;  /* CRMPI_HANDLE_* */
    int32_t fortran; /* MPI_Fint of this handle, -1 until asked for */
    int32_t refs;    /* the application's handle, and every recipe or request using it */
    struct crmpi_handle *next, *prev; /* list of all non-predefined ones of this kind */
    uint64_t serial; /* order of creation in this process */
    void *extra;     /* kind's own: struct crmpi_comm, crmpi_type, ... in crmpi's heap */
};
#define CRMPI_HANDLE_MAGIC 0x6d706968u
#define CRMPI_HANDLE_PREDEFINED 1
#define CRMPI_HANDLE_FREED 2 /* the application freed it, a reference keeps it */

/* Numbers of other than predefined handles begin here. */
#define CRMPI_HANDLE_FORTRAN_BASE 4096

/* The lower handle; NULL if @p handle is none of ours. */
static inline void *crmpi_handle_real(const void *handle)
{
    const struct crmpi_handle *h = handle;
    return h && h->magic == CRMPI_HANDLE_MAGIC ? h->real : NULL;
}

#define CRMPI_HANDLE_PREDEFINED_NUMBERS 256 /* Open MPI's own are below */

/* A kind's Fortran numbers.  Both halves look them up without a lock, so slots that were
 * too few stay where they are. */
struct crmpi_numbers {
    struct crmpi_handle *predefined[CRMPI_HANDLE_PREDEFINED_NUMBERS];
    uintptr_t *slots; /* a handle, or of a free slot 2 * (next free slot + 1) + 1 */
    uintptr_t free;   /* as in a free slot; 1: none */
    int32_t n;
};

/* Of a job, in the upper heap. */
struct crmpi_handles {
    struct crmpi_numbers numbers[CRMPI_KINDS];
    struct crmpi_handle *first[CRMPI_KINDS], *last[CRMPI_KINDS];
    uint64_t next_serial;
};

/** The handle that has a number; NULL if none has. */
static inline struct crmpi_handle *crmpi_numbers_find(const struct crmpi_numbers *numbers,
                                                      int32_t number)
{
    int32_t i = number - CRMPI_HANDLE_FORTRAN_BASE;

    if (number >= 0 && number < CRMPI_HANDLE_PREDEFINED_NUMBERS)
        return numbers->predefined[number];
    if (i < 0 || i >= __atomic_load_n(&numbers->n, __ATOMIC_ACQUIRE))
        return NULL;
    uintptr_t slot = __atomic_load_n(&numbers->slots, __ATOMIC_ACQUIRE)[i];
    return slot % 2 ? NULL : (struct crmpi_handle *)slot;
}

/** Lists of handles and Fortran numbers, in the upper heap: make empty ones, at the start
 * of a job, or take up those of the job after a restart.  All functions below use
 * them. */
struct crmpi_handles *crmpi_handles_create(void);
void crmpi_handles_attach(struct crmpi_handles *handles);

/** Make @p memory, the upper object, the handle of the predefined @p real. */
void crmpi_handle_predefine(struct crmpi_handle *memory, enum crmpi_kind kind,
                            void *real);

/** Create a handle of @p kind for @p real with an extra of @p extra_bytes, zeroed, and
 * one reference.  Ends the job if there is no memory. */
struct crmpi_handle *crmpi_handle_create(enum crmpi_kind kind, void *real,
                                         size_t extra_bytes);

/** Add a reference; drop one and, with the last, destroy handle and lower object.
 * Neither does anything to predefined ones, or NULL. */
void crmpi_handle_hold(struct crmpi_handle *handle);
void crmpi_handle_release(struct crmpi_handle *handle);

/** What the last release does beside freeing the handle: free the lower object and what
 * hangs off `extra`.  One for each kind, set once in each process. */
void crmpi_handle_set_destroy(enum crmpi_kind kind,
                              void (*destroy)(struct crmpi_handle *));

/** All non-predefined handles of a kind in order of creation; follow ->next, while no
 * other thread runs. */
struct crmpi_handle *crmpi_handle_first(enum crmpi_kind kind);

/** Visit them while threads may create and destroy some; @p visit must not. */
void crmpi_handle_visit(enum crmpi_kind kind,
                        void (*visit)(struct crmpi_handle *, void *), void *context);

/** The first for which @p fn returns nonzero, or NULL.  Safe while other threads make and
 * free handles, which @p fn must not do. */
struct crmpi_handle *crmpi_handle_find(enum crmpi_kind kind,
                                       int (*fn)(struct crmpi_handle *, void *),
                                       void *argument);

/** The application's handle for a lower one: predefined, or derived and living; else
 * NULL.  For results that are not new objects (envelopes, callbacks of operations).
 * Knows predefined objects, and what crmpi_handle_set_real() was told of. */
struct crmpi_handle *crmpi_handle_of_real(enum crmpi_kind kind, void *real);

/** Set the lower object, so that crmpi_handle_of_real() finds it (NULL: no more). */
void crmpi_handle_set_real(struct crmpi_handle *handle, void *real);

/** The Fortran number of a handle (-1: not a handle), and the handle of a number
 * (NULL). */
int32_t crmpi_handle_c2f(struct crmpi_handle *handle);
struct crmpi_handle *crmpi_handle_f2c(enum crmpi_kind kind, int32_t number);

/** Give the number back, for handles that are used again. */
void crmpi_handle_drop_number(struct crmpi_handle *handle);

/** Give a predefined handle the MPI library's own Fortran number. */
void crmpi_handle_set_fortran(struct crmpi_handle *handle, int32_t number);

#endif
