/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every collective operation with its expected result, blocking, nonblocking or persistent:
 * start one, complete it, and verify what it left in the buffers, gaps between blocks
 * included.
 */
#ifndef TESTS_MPI_COLLECTIVE_H
#define TESTS_MPI_COLLECTIVE_H

#include "check.h"
#include "persistent.h"

enum collective_kind {
    COLLECTIVE_BARRIER,
    COLLECTIVE_BCAST,
    COLLECTIVE_GATHER,
    COLLECTIVE_GATHERV,
    COLLECTIVE_SCATTER,
    COLLECTIVE_SCATTERV,
    COLLECTIVE_ALLGATHER,
    COLLECTIVE_ALLGATHERV,
    COLLECTIVE_ALLTOALL,
    COLLECTIVE_ALLTOALLV,
    COLLECTIVE_ALLTOALLW,
    COLLECTIVE_REDUCE,
    COLLECTIVE_ALLREDUCE,
    COLLECTIVE_REDUCE_SCATTER,
    COLLECTIVE_REDUCE_SCATTER_BLOCK,
    COLLECTIVE_SCAN,
    COLLECTIVE_EXSCAN,
    COLLECTIVE_KINDS
};

#define COLLECTIVE_GAP (-123456)

/* What collective_start() and its like do. */
enum collective_stage {
    COLLECTIVE_BLOCKING,
    COLLECTIVE_NONBLOCKING,
    COLLECTIVE_PERSISTENT, /* make an inactive request; then, again and again: */
    COLLECTIVE_FILL,       /* only set the input, for MPI_Start */
};

/* One operation on one communicator, with the buffers it may use until it is complete. */
struct collective {
    enum collective_kind kind;
    MPI_Comm comm;
    MPI_Request request; /* MPI_REQUEST_NULL: blocking */
    uint64_t seed;
    int rank, size, root, count, in_place;
    MPI_Op op;
    int *send, *receive; /* blocks of `stride` ints, one per rank */
    int *send_counts, *send_displs, *receive_counts, *receive_displs;
    MPI_Datatype *types;
};

/* What rank `source` gives as element `i`. */
static inline int collective_value(const struct collective *c, int source, int i)
{
    return (int)((c->seed * 7 + (uint64_t)source * 31 + (uint64_t)i * 13) % 1009);
}

/* Elements in the block that goes from one rank to another, in the v and w variants. */
static inline int collective_block(const struct collective *c, int source, int dest)
{
    return (c->count + 5 * source + 3 * dest) % (c->count + 1);
}

static inline int collective_combine(MPI_Op op, int a, int b)
{
    return op == MPI_SUM   ? a + b
           : op == MPI_MAX ? (a > b ? a : b)
           : op == MPI_MIN ? (a < b ? a : b)
                           : a ^ b;
}

/* Element i combined over ranks 0..last. */
static inline int collective_reduced(const struct collective *c, int last, int i)
{
    int value = collective_value(c, 0, i), rank;
    for (rank = 1; rank <= last; rank++)
        value = collective_combine(c->op, value, collective_value(c, rank, i));
    return value;
}

/** Prepare an operation; the same arguments in all ranks. */
static inline void collective_create(struct collective *c, enum collective_kind kind,
                                     MPI_Comm comm, uint64_t seed)
{
    static const int counts[] = {0, 1, 2, 17, 100, 1000, 1025, 5000, 9000};
    MPI_Op ops[] = {MPI_SUM, MPI_MAX, MPI_MIN, MPI_BXOR};
    uint64_t state = seed;
    size_t n;
    int i, stride;

    memset(c, 0, sizeof *c);
    c->kind = kind;
    c->comm = comm;
    c->request = MPI_REQUEST_NULL;
    c->seed = check_random(&state) % 100003;
    MPI_Comm_rank(comm, &c->rank);
    MPI_Comm_size(comm, &c->size);
    c->root = check_below(&state, c->size);
    c->count = counts[check_below(&state, 9)];
    if (c->size > 4)
        c->count /= 4;
    c->in_place = check_below(&state, 2);
    c->op = ops[check_below(&state, 4)];
    stride = c->count + 2;
    n = (size_t)c->size * (size_t)stride;
    c->send = (int *)check_alloc(n * sizeof(int));
    c->receive = (int *)check_alloc(n * sizeof(int));
    c->send_counts = (int *)check_alloc(4 * (size_t)c->size * sizeof(int));
    c->send_displs = c->send_counts + c->size;
    c->receive_counts = c->send_displs + c->size;
    c->receive_displs = c->receive_counts + c->size;
    c->types = (MPI_Datatype *)check_alloc((size_t)c->size * sizeof *c->types);
    for (i = 0; i < (int)n; i++)
        c->send[i] = c->receive[i] = COLLECTIVE_GAP;
    for (i = 0; i < c->size; i++) {
        c->send_displs[i] = c->receive_displs[i] = i * stride;
        c->types[i] = MPI_INT;
    }
}

static inline void collective_destroy(struct collective *c)
{
    free(c->send);
    free(c->receive);
    free(c->send_counts);
    free(c->types);
}

static inline void collective_put(const struct collective *c, int *buffer, int n)
{
    for (int i = 0; i < n; i++)
        buffer[i] = collective_value(c, c->rank, i);
}

#define COLLECTIVE_CALL(name, iname, stage, ...)                                         \
    do {                                                                                 \
        if (stage == COLLECTIVE_BLOCKING)                                                \
            CHECK_MPI(MPI_##name(__VA_ARGS__));                                          \
        else if (stage == COLLECTIVE_NONBLOCKING)                                        \
            CHECK_MPI(MPI_##iname(__VA_ARGS__, &c->request));                            \
        else if (stage == COLLECTIVE_PERSISTENT)                                         \
            CHECK_MPI(MPI_##name##_init(__VA_ARGS__, MPI_INFO_NULL, &c->request));       \
    } while (0)

static inline void collective_start_one_to_all(struct collective *c, enum collective_stage stage)
{
    int is_root = c->rank == c->root, in_place = c->in_place && is_root, i, n = c->count;
    void *receive = in_place ? MPI_IN_PLACE : (void *)c->receive;

    if (c->kind == COLLECTIVE_BCAST) {
        if (is_root)
            collective_put(c, c->receive, n);
        COLLECTIVE_CALL(Bcast, Ibcast, stage, c->receive, n, MPI_INT, c->root,
                        c->comm);
    } else if (c->kind == COLLECTIVE_SCATTER) {
        if (is_root)
            collective_put(c, c->send, c->size * n);
        COLLECTIVE_CALL(Scatter, Iscatter, stage, c->send, n, MPI_INT, receive,
                        n, MPI_INT, c->root, c->comm);
    } else {
        for (i = 0; i < c->size; i++) {
            c->send_counts[i] = collective_block(c, c->root, i);
            if (is_root)
                collective_put(c, c->send + c->send_displs[i], c->send_counts[i]);
        }
        COLLECTIVE_CALL(Scatterv, Iscatterv, stage, c->send, c->send_counts,
                        c->send_displs, MPI_INT, receive, c->send_counts[c->rank],
                        MPI_INT, c->root, c->comm);
    }
}

static inline void collective_start_to_one(struct collective *c, enum collective_stage stage)
{
    int in_place = c->in_place && c->rank == c->root, i, n = c->count, *own = c->send;
    const void *send = in_place ? MPI_IN_PLACE : (void *)c->send;

    if (c->kind == COLLECTIVE_GATHER) {
        if (in_place)
            own = c->receive + c->rank * n;
        collective_put(c, own, n);
        COLLECTIVE_CALL(Gather, Igather, stage, send, n, MPI_INT, c->receive, n,
                        MPI_INT, c->root, c->comm);
    } else if (c->kind == COLLECTIVE_GATHERV) {
        for (i = 0; i < c->size; i++)
            c->receive_counts[i] = collective_block(c, i, c->root);
        if (in_place)
            own = c->receive + c->receive_displs[c->rank];
        collective_put(c, own, c->receive_counts[c->rank]);
        COLLECTIVE_CALL(Gatherv, Igatherv, stage, send,
                        c->receive_counts[c->rank], MPI_INT, c->receive,
                        c->receive_counts, c->receive_displs, MPI_INT, c->root, c->comm);
    } else {
        collective_put(c, in_place ? c->receive : c->send, n);
        COLLECTIVE_CALL(Reduce, Ireduce, stage, send, c->receive, n, MPI_INT,
                        c->op, c->root, c->comm);
    }
}

static inline void collective_start_alltoall(struct collective *c, enum collective_stage stage)
{
    int i, n = c->count, v = c->kind != COLLECTIVE_ALLTOALL;
    int scale = c->kind == COLLECTIVE_ALLTOALLW ? (int)sizeof(int) : 1;
    int *own = c->in_place ? c->receive : c->send;
    const void *send = c->in_place ? MPI_IN_PLACE : (void *)c->send;

    for (i = 0; i < c->size; i++) {
        /* in place, what goes there must be as long as what comes back */
        int low = i < c->rank ? i : c->rank, high = i < c->rank ? c->rank : i;
        c->send_counts[i] = c->in_place ? collective_block(c, low, high)
                                        : collective_block(c, c->rank, i);
        c->receive_counts[i] =
            c->in_place ? c->send_counts[i] : collective_block(c, i, c->rank);
        if (v)
            collective_put(c, own + i * (c->count + 2), c->send_counts[i]);
        else
            collective_put(c, own + i * n, n);
    }
    for (i = 0; i < c->size && stage != COLLECTIVE_FILL; i++) {
        c->send_displs[i] *= scale;
        c->receive_displs[i] *= scale;
    }
    if (c->kind == COLLECTIVE_ALLTOALL)
        COLLECTIVE_CALL(Alltoall, Ialltoall, stage, send, n, MPI_INT,
                        c->receive, n, MPI_INT, c->comm);
    else if (c->kind == COLLECTIVE_ALLTOALLV)
        COLLECTIVE_CALL(Alltoallv, Ialltoallv, stage, send, c->send_counts,
                        c->send_displs, MPI_INT, c->receive, c->receive_counts,
                        c->receive_displs, MPI_INT, c->comm);
    else
        COLLECTIVE_CALL(Alltoallw, Ialltoallw, stage, send, c->send_counts,
                        c->send_displs, c->types, c->receive, c->receive_counts,
                        c->receive_displs, c->types, c->comm);
}

static inline void collective_start_all(struct collective *c, enum collective_stage stage)
{
    const void *send = c->in_place ? MPI_IN_PLACE : (void *)c->send;
    int *own = c->in_place ? c->receive : c->send, i, n = c->count;

    switch (c->kind) {
    case COLLECTIVE_ALLGATHER:
        collective_put(c, c->in_place ? c->receive + c->rank * n : c->send, n);
        COLLECTIVE_CALL(Allgather, Iallgather, stage, send, n, MPI_INT,
                        c->receive, n, MPI_INT, c->comm);
        break;
    case COLLECTIVE_ALLGATHERV:
        for (i = 0; i < c->size; i++)
            c->receive_counts[i] = collective_block(c, i, 0);
        collective_put(c, c->in_place ? c->receive + c->receive_displs[c->rank] : c->send,
                       c->receive_counts[c->rank]);
        COLLECTIVE_CALL(Allgatherv, Iallgatherv, stage, send,
                        c->receive_counts[c->rank], MPI_INT, c->receive,
                        c->receive_counts, c->receive_displs, MPI_INT, c->comm);
        break;
    case COLLECTIVE_REDUCE_SCATTER:
        for (i = 0; i < c->size; i++)
            c->receive_counts[i] = collective_block(c, 0, i);
        collective_put(c, own, c->size * n);
        COLLECTIVE_CALL(Reduce_scatter, Ireduce_scatter, stage, send,
                        c->receive, c->receive_counts, MPI_INT, c->op, c->comm);
        break;
    case COLLECTIVE_REDUCE_SCATTER_BLOCK:
        collective_put(c, own, c->size * n);
        COLLECTIVE_CALL(Reduce_scatter_block, Ireduce_scatter_block, stage,
                        send, c->receive, n, MPI_INT, c->op, c->comm);
        break;
    case COLLECTIVE_SCAN:
        collective_put(c, own, n);
        COLLECTIVE_CALL(Scan, Iscan, stage, send, c->receive, n, MPI_INT, c->op,
                        c->comm);
        break;
    case COLLECTIVE_EXSCAN:
        collective_put(c, own, n);
        COLLECTIVE_CALL(Exscan, Iexscan, stage, send, c->receive, n, MPI_INT,
                        c->op, c->comm);
        break;
    default:
        collective_put(c, own, n);
        COLLECTIVE_CALL(Allreduce, Iallreduce, stage, send, c->receive, n,
                        MPI_INT, c->op, c->comm);
    }
}

static inline void collective_do(struct collective *c, enum collective_stage stage)
{
    switch (c->kind) {
    case COLLECTIVE_BARRIER:
        COLLECTIVE_CALL(Barrier, Ibarrier, stage, c->comm);
        break;
    case COLLECTIVE_BCAST:
    case COLLECTIVE_SCATTER:
    case COLLECTIVE_SCATTERV:
        collective_start_one_to_all(c, stage);
        break;
    case COLLECTIVE_GATHER:
    case COLLECTIVE_GATHERV:
    case COLLECTIVE_REDUCE:
        collective_start_to_one(c, stage);
        break;
    case COLLECTIVE_ALLTOALL:
    case COLLECTIVE_ALLTOALLV:
    case COLLECTIVE_ALLTOALLW:
        collective_start_alltoall(c, stage);
        break;
    default:
        collective_start_all(c, stage);
    }
}

/** Start an operation; with `nonblocking` 0 it is complete on return. */
static inline void collective_start(struct collective *c, int nonblocking)
{
    collective_do(c, nonblocking ? COLLECTIVE_NONBLOCKING : COLLECTIVE_BLOCKING);
}

/** Set the buffers of a persistent one for the next start, with other values. */
static inline void collective_fill(struct collective *c, uint64_t seed)
{
    size_t n = (size_t)c->size * (size_t)(c->count + 2);

    c->seed = seed % 100003;
    for (size_t i = 0; i < n; i++)
        c->send[i] = c->receive[i] = COLLECTIVE_GAP;
    collective_do(c, COLLECTIVE_FILL);
}

/* A block of values of one rank. */
static inline void collective_expect(const struct collective *c, const int *block, int n,
                                     int source, int first)
{
    for (int i = 0; i < n; i++)
        CHECK(
            block[i] == collective_value(c, source, first + i),
            "kind %d count %d root %d in place %d: element %d from rank %d is %d, not %d",
            c->kind, c->count, c->root, c->in_place, first + i, source, block[i],
            collective_value(c, source, first + i));
}

/* Elements combined over ranks 0..last. */
static inline void collective_expect_reduced(const struct collective *c, int n, int last,
                                             int first)
{
    for (int i = 0; i < n; i++)
        CHECK(c->receive[i] == collective_reduced(c, last, first + i),
              "kind %d count %d root %d in place %d: element %d is %d, not %d", c->kind,
              c->count, c->root, c->in_place, first + i, c->receive[i],
              collective_reduced(c, last, first + i));
}

static inline void collective_expect_gap(const struct collective *c, const int *end)
{
    CHECK(*end == COLLECTIVE_GAP,
          "kind %d count %d root %d: written behind the block: %d", c->kind, c->count,
          c->root, *end);
}

static inline void collective_verify_blocks(const struct collective *c)
{
    int scale = c->kind == COLLECTIVE_ALLTOALLW ? (int)sizeof(int) : 1, i, n = c->count;

    for (i = 0; i < c->size; i++) {
        if (c->kind == COLLECTIVE_GATHER || c->kind == COLLECTIVE_ALLGATHER) {
            collective_expect(c, c->receive + i * n, n, i, 0);
        } else if (c->kind == COLLECTIVE_ALLTOALL) {
            /* rank i wrote consecutive values into each of its blocks */
            collective_expect(c, c->receive + i * n, n, i, 0);
        } else {
            const int *block = c->receive + c->receive_displs[i] / scale;
            collective_expect(c, block, c->receive_counts[i], i, 0);
            collective_expect_gap(c, block + c->receive_counts[i]);
        }
    }
}

/** Check the result of a completed operation. */
static inline void collective_verify(const struct collective *c)
{
    int is_root = c->rank == c->root, n = c->count, first = 0, i;

    switch (c->kind) {
    case COLLECTIVE_BARRIER:
        break;
    case COLLECTIVE_BCAST:
        collective_expect(c, c->receive, n, c->root, 0);
        break;
    case COLLECTIVE_SCATTER:
        if (!(is_root && c->in_place))
            collective_expect(c, c->receive, n, c->root, c->rank * n);
        break;
    case COLLECTIVE_SCATTERV:
        if (!(is_root && c->in_place)) {
            collective_expect(c, c->receive, c->send_counts[c->rank], c->root, 0);
            collective_expect_gap(c, c->receive + c->send_counts[c->rank]);
        }
        break;
    case COLLECTIVE_GATHER:
    case COLLECTIVE_GATHERV:
        if (is_root)
            collective_verify_blocks(c);
        break;
    case COLLECTIVE_REDUCE:
        if (is_root)
            collective_expect_reduced(c, n, c->size - 1, 0);
        break;
    case COLLECTIVE_ALLREDUCE:
        collective_expect_reduced(c, n, c->size - 1, 0);
        break;
    case COLLECTIVE_REDUCE_SCATTER:
        for (i = 0; i < c->rank; i++)
            first += c->receive_counts[i];
        collective_expect_reduced(c, c->receive_counts[c->rank], c->size - 1, first);
        break;
    case COLLECTIVE_REDUCE_SCATTER_BLOCK:
        collective_expect_reduced(c, n, c->size - 1, c->rank * n);
        break;
    case COLLECTIVE_SCAN:
        collective_expect_reduced(c, n, c->rank, 0);
        break;
    case COLLECTIVE_EXSCAN:
        if (c->rank > 0)
            collective_expect_reduced(c, n, c->rank - 1, 0);
        break;
    default:
        collective_verify_blocks(c);
    }
}

#endif
