/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reductions by user-defined operations that do not block (lower half; reduction.c).
 */
#ifndef CRMPI_WRAPPERS_HAND_REDUCTION_H
#define CRMPI_WRAPPERS_HAND_REDUCTION_H

#include "wrappers/hand/p2p.h"

enum crmpi_reduction_kind {
    CRMPI_REDUCE,
    CRMPI_ALLREDUCE,
    CRMPI_REDUCE_SCATTER,
    CRMPI_SCAN,
    CRMPI_EXSCAN,
};

/* What MPI's functions are given, with the application's handles. */
struct crmpi_reduction_call {
    enum crmpi_reduction_kind kind;
    const void *sendbuf;
    void *recvbuf;
    int count;         /* of MPI_Reduce_scatter_block: of each piece */
    const int *counts; /* CRMPI_REDUCE_SCATTER: NULL: all are `count` */
    MPI_Datatype type;
    MPI_Op op;
    int root; /* CRMPI_REDUCE */
    MPI_Comm comm;
};

/** Whether it is done here: by a function of the application's, and with arguments that
 * are right.  Else the MPI library does it, or says what is wrong. */
int crmpi_reduction_is_ours(const struct crmpi_reduction_call *call);

/** Begin it; the caller is in a whole.  The application's request for it, or @p r, which is
 * inactive, and holds the objects.
 * @param number  in all members the same, and no other's on the communicator */
struct crmpi_request *crmpi_reduction_start(const struct crmpi_reduction_call *call);
void crmpi_reduction_post(struct crmpi_request *r, const struct crmpi_reduction_call *call,
                          uint64_t number);

static inline int crmpi_op_is_user_defined(MPI_Op op)
{
    const struct crmpi_handle *h = (const void *)op;

    return h && h->magic == CRMPI_HANDLE_MAGIC && !(h->flags & CRMPI_HANDLE_PREDEFINED);
}

/* crmpi_p2p->reductions */
struct crmpi_reductions {
    MPI_Comm comm;
    struct crmpi_reduction *active; /* in the order of their beginning */
    struct crmpi_parcel *inbox, *arriving, *sent;
    int32_t n_lower;
};

/** The library does one that it must not do in a thread of crmpi's: n = 1: begins, -1: has
 * ended.  While there is one checkpoints are refused. */
static inline void crmpi_reduction_count_lower(int n)
{
    __atomic_add_fetch(&crmpi_p2p->reductions->n_lower, n, __ATOMIC_RELAXED);
}

/** Whether it may call an operation whenever it makes progress. */
static inline int crmpi_reduction_is_lower(void)
{
    return crmpi_p2p->reductions &&
           __atomic_load_n(&crmpi_p2p->reductions->n_lower, __ATOMIC_RELAXED) != 0;
}

/** Go on with those under way (struct crmpi_request_kinds). */
int crmpi_reductions_advance(void);

/** At the start, collective: the communicator for its messages. */
enum crmpi_status crmpi_reductions_start(void);

#endif
