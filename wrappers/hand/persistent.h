/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Persistent collectives: what the functions that wrappers/generate.py makes for the class
 * "persistent" need (wrappers/hand/persistent.c).  Lower half.
 */
#ifndef CRMPI_WRAPPERS_HAND_PERSISTENT_H
#define CRMPI_WRAPPERS_HAND_PERSISTENT_H

#include "wrappers/hand/reduction.h"
#include "wrappers/objects.h"

#define CRMPI_PERSISTENT_ARGUMENTS 12 /* without the info object and the request */

/* An argument as the application gave it. */
struct crmpi_persistent_argument {
    enum {
        CRMPI_ARGUMENT_VALUE,  /* a number, or the address of a buffer */
        CRMPI_ARGUMENT_HANDLE, /* of a type, an operation or the communicator: held */
        CRMPI_ARGUMENT_INTS,   /* n of them: copied */
        CRMPI_ARGUMENT_AINTS,
        CRMPI_ARGUMENT_TYPES, /* copied, each held */
    } kind;
    int32_t n;
    uint64_t value; /* of arrays, the address */
};

/* The call of the MPI library, with the arguments' values; those of handles are the
 * application's, of TYPES the array has lower ones. */
typedef int crmpi_persistent_make(const uint64_t *a, MPI_Info info, MPI_Request *request);

/** By their numbers in the table of calls; NULL for all others. */
extern crmpi_persistent_make *const crmpi_persistent_makers[];

/**
 * Make such a request, inactive.
 * @param call  number of the function
 * @param reduction  what it reduces; NULL: it is none
 * @param is_empty  it gets no tag: see persistent.c
 * @param flow  of the data of each start, from @p root or to it if it is rooted
 */
int crmpi_persistent_create(int call, const struct crmpi_persistent_argument *arguments,
                            int n, const struct crmpi_reduction_call *reduction,
                            int is_empty, MPI_Comm comm, MPI_Info info, uint32_t flow,
                            int root, MPI_Request *request, const char *function);

int crmpi_counts_are_zero(const int *counts, int n);

/** How many elements an array has that only the root gives; one for each member of the
 * local group. */
int crmpi_comm_n_rooted(MPI_Comm comm, int root);
int crmpi_comm_n_local(MPI_Comm comm);

/** Start one; forget its recipe (struct crmpi_request_kinds). */
int crmpi_persistent_start(struct crmpi_request *r);
void crmpi_persistent_drop(struct crmpi_request *r);

#endif
