/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Collective communication (lower half).
 *
 * A blocking collective in which a thread is parked has not happened: a restart makes the
 * call again, in all members.  So what it overwrites although it is input too
 * (MPI_IN_PLACE) is kept in the upper heap until it has completed.  Where threads may
 * wait at the same time the nonblocking collective is used, and polled.
 *
 * A nonblocking collective counts when it is initiated: all members initiate it before a
 * cut, and the drain completes it.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "wrappers/hand/reduction.h"

/*
 * Inputs that are overwritten
 */

#define ROOM_BYTES (64ul << 20) /* so much is held for the next */

/* Where they lie: n pieces, one behind the other or at displacements. */
struct input {
    int n; /* 0: the collective keeps its input */
    char *base;
    int count; /* of every piece, unless */
    const int *counts;
    const int *displacements; /* in extents or, with types, in bytes; NULL: none */
    MPI_Datatype type;        /* the application's; of every piece, unless */
    const MPI_Datatype *types;
};

struct shape {
    MPI_Count bytes; /* of the data of one element */
    MPI_Aint extent;
    int dense; /* elements are bytes without gaps */
};

static int shape_get(MPI_Datatype type, struct shape *shape_out)
{
    MPI_Aint lb, true_lb, true_extent;
    MPI_Datatype real = CRMPI_REAL(MPI_Datatype, type);

    if (crmpi_no_type(real) ||
        PMPI_Type_size_x(real, &shape_out->bytes) != MPI_SUCCESS ||
        PMPI_Type_get_extent(real, &lb, &shape_out->extent) != MPI_SUCCESS ||
        PMPI_Type_get_true_extent(real, &true_lb, &true_extent) != MPI_SUCCESS)
        return MPI_ERR_TYPE;
    shape_out->dense = lb == 0 && true_lb == 0 && shape_out->bytes == shape_out->extent &&
                       true_extent == shape_out->extent;
    return MPI_SUCCESS;
}

struct piece {
    char *at;
    int count;
    MPI_Datatype type;
    struct shape shape;
};

/* Step to piece @p i; @p piece holds the one before. */
static int piece_get(const struct input *input, int i, struct piece *piece)
{
    MPI_Datatype type = input->types ? input->types[i] : input->type;
    int error;

    if (i == 0)
        piece->at = input->base;
    else if (!input->displacements)
        piece->at += piece->count * piece->shape.extent;
    if (i == 0 || input->types) {
        error = shape_get(type, &piece->shape);
        if (error != MPI_SUCCESS)
            return error;
    }
    if (input->displacements)
        piece->at = input->base + (MPI_Aint)input->displacements[i] *
                                      (input->types ? 1 : piece->shape.extent);
    piece->type = type;
    piece->count = input->counts ? input->counts[i] : input->count;
    return piece->count < 0 ? MPI_ERR_COUNT : MPI_SUCCESS;
}

static int piece_copy(const struct piece *piece, void *kept, int restore)
{
    MPI_Datatype type = CRMPI_REAL(MPI_Datatype, piece->type), bytes_type;
    uint64_t bytes = (uint64_t)piece->count * piece->shape.bytes;
    int n, error;

    if (bytes == 0)
        return MPI_SUCCESS;
    if (piece->shape.dense) {
        memcpy(restore ? piece->at : kept, restore ? kept : piece->at, bytes);
        return MPI_SUCCESS;
    }
    error = crmpi_bytes_type(bytes, &n, &bytes_type);
    if (error != MPI_SUCCESS)
        return error;
    error =
        restore
            ? crmpi_typed_copy(kept, n, bytes_type, piece->at, piece->count, type, NULL)
            : crmpi_typed_copy(piece->at, piece->count, type, kept, n, bytes_type, NULL);
    crmpi_bytes_type_free(&bytes_type);
    return error;
}

static int input_room(struct crmpi_call *call, uint64_t bytes)
{
    if (bytes <= call->input_room)
        return MPI_SUCCESS;
    crmpi_heap_free(call->input);
    call->input_room = 0;
    call->input = crmpi_heap_alloc(bytes);
    if (!call->input)
        return MPI_ERR_NO_MEM;
    call->input_room = bytes;
    return MPI_SUCCESS;
}

/* Keep the input, or, in a call made again, put it back. */
static int input_keep(const struct input *input)
{
    struct crmpi_call *call = crmpi_call();
    int restore = call->input_kept, error = MPI_SUCCESS;
    struct piece piece = {0};
    uint64_t bytes = 0;

    for (int i = 0; i < input->n; i++) {
        if (piece_get(input, i, &piece) != MPI_SUCCESS)
            return MPI_SUCCESS; /* wrong: the collective will say so */
        bytes += (uint64_t)piece.count * piece.shape.bytes;
    }
    if (!restore)
        error = input_room(call, bytes);
    bytes = 0;
    for (int i = 0; i < input->n && error == MPI_SUCCESS; i++) {
        piece_get(input, i, &piece);
        error = piece_copy(&piece, (char *)call->input + bytes, restore);
        bytes += (uint64_t)piece.count * piece.shape.bytes;
    }
    call->input_kept = error == MPI_SUCCESS;
    return error;
}

static void input_forget(struct crmpi_call *call)
{
    call->input_kept = 0;
    if (call->input_room > ROOM_BYTES) {
        crmpi_heap_free(call->input);
        call->input = NULL;
        call->input_room = 0;
    }
}

void crmpi_input_trim(struct crmpi_call *call)
{
    uintptr_t begin = ((uintptr_t)call->input + 4095) & ~4095ul;
    uintptr_t end = ((uintptr_t)call->input + call->input_room) & ~4095ul;

    if (!call->input_kept && begin < end)
        madvise((void *)begin, end - begin, MADV_DONTNEED);
}

static const struct input none;

static int is_in_place(const void *sendbuf, MPI_Comm comm)
{
    const struct crmpi_comm *c;

    return __builtin_expect(sendbuf == MPI_IN_PLACE, 0) && (c = crmpi_comm_of(comm)) &&
           c->remote_size == 0;
}

/* One vector of everyone's: allreduce, scans. */
static struct input vector_input(const void *sendbuf, void *recvbuf, int count,
                                 MPI_Datatype type, MPI_Comm comm)
{
    return is_in_place(sendbuf, comm)
               ? (struct input){.n = 1, .base = recvbuf, .count = count, .type = type}
               : none;
}

static struct input root_input(const void *sendbuf, void *recvbuf, int count,
                               MPI_Datatype type, int root, MPI_Comm comm)
{
    return is_in_place(sendbuf, comm) && crmpi_comm_of(comm)->rank == root
               ? vector_input(sendbuf, recvbuf, count, type, comm)
               : none;
}

/* One piece for each member. */
static struct input pieces_input(const void *sendbuf, void *recvbuf, int count,
                                 const int *counts, const int *displacements,
                                 MPI_Datatype type, const MPI_Datatype *types,
                                 MPI_Comm comm)
{
    return is_in_place(sendbuf, comm) ? (struct input){.n = crmpi_comm_of(comm)->size,
                                                       .base = recvbuf,
                                                       .count = count,
                                                       .counts = counts,
                                                       .displacements = displacements,
                                                       .type = type,
                                                       .types = types}
                                      : none;
}

/* This member's own piece, which some algorithms move: allgather. */
static struct input own_input(const void *sendbuf, void *recvbuf, int count,
                              const int *counts, const int *displacements,
                              MPI_Datatype type, MPI_Comm comm)
{
    struct shape shape;
    int rank, n;

    if (!is_in_place(sendbuf, comm) || shape_get(type, &shape) != MPI_SUCCESS)
        return none;
    rank = crmpi_comm_of(comm)->rank;
    n = counts ? counts[rank] : count;
    return (struct input){
        .n = 1,
        .base = (char *)recvbuf + shape.extent * (displacements ? displacements[rank]
                                                                : (MPI_Aint)rank * count),
        .count = n,
        .type = type,
    };
}

/*
 * Begin and end
 */

/* How the data of a collective flow: enum crmpi_flow or crmpi_flow_rooted. */
struct flow {
    uint32_t bits;
    int root;
};
#define FLOW_ALL ((struct flow){CRMPI_FLOW_FROM_ALL | CRMPI_FLOW_TO_ALL, 0})
#define FLOW_SCAN ((struct flow){CRMPI_FLOW_FROM_LOWER | CRMPI_FLOW_TO_HIGHER, 0})
#define FLOW_DOWN ((struct flow){CRMPI_FLOW_FROM_ROOT, root})
#define FLOW_UP ((struct flow){CRMPI_FLOW_TO_ROOT, root})

static int blocking_begin(MPI_Comm comm, const struct input *input)
{
    /* an earlier one may have been left by a jump */
    if (crmpi_call_resumed())
        crmpi_call()->reducing = NULL; /* it is this one */
    else
        crmpi_call()->input_kept = 0;
    crmpi_collective_begin(comm);
    if (crmpi_thread_multiple)
        crmpi_idup_settle(comm);
    return __builtin_expect(input->n == 0, 1) ? MPI_SUCCESS : input_keep(input);
}

static void reducing_begin(MPI_Comm comm)
{
    crmpi_call()->reducing = comm;
    crmpi_call()->reducing_call = crmpi_thread->frame.call;
}

static int blocking_wait(int error, MPI_Request *real)
{
    return error == MPI_SUCCESS ? crmpi_wait_real(real, MPI_STATUS_IGNORE) : error;
}

/*
 * A collective that failed in this rank has taken place for the others, and counts, unless
 * the library has refused the arguments: then it has not begun, and may be called again
 * with right ones.
 */
static int has_begun(int error, int is_refused)
{
    int class = MPI_ERR_UNKNOWN;

    if (error == MPI_SUCCESS || is_refused)
        return error == MPI_SUCCESS;
    PMPI_Error_class(error, &class);
    switch (class) {
    case MPI_ERR_COMM:
    case MPI_ERR_COUNT:
    case MPI_ERR_TYPE:
    case MPI_ERR_BUFFER:
    case MPI_ERR_ROOT:
    case MPI_ERR_OP:
    case MPI_ERR_ARG:
    case MPI_ERR_SIZE:
    case MPI_ERR_TOPOLOGY:
    case MPI_ERR_REQUEST:
    case MPI_ERR_UNSUPPORTED_OPERATION:
    case MPI_ERR_NO_MEM: /* also crmpi's own, before the call */
        return 0;
    default:
        return 1;
    }
}

static int blocking_end(MPI_Comm comm, const struct input *input, int error,
                        int is_refused, struct flow flow, const char *function)
{
    if (__builtin_expect(input->n != 0, 0))
        input_forget(crmpi_call());
    if (__builtin_expect(error == MPI_SUCCESS, 1) || has_begun(error, is_refused))
        crmpi_collective_end_flow(comm, flow.bits, flow.root);
    return __builtin_expect(error == MPI_SUCCESS, 1)
               ? error
               : crmpi_comm_error(comm, error, function);
}

/* Initiated and counted as one. */
static void nonblocking_begin(MPI_Comm comm)
{
    crmpi_call_resumed();
    crmpi_collective_begin(comm);
    crmpi_idup_settle(comm);
    crmpi_whole_begin();
}

/* Holds what the library, or the application's function it calls, still needs: the
 * operation and its type, the array of types in @p lower. */
static int nonblocking_end(int error, int is_refused, const MPI_Request *real,
                           MPI_Comm comm, MPI_Datatype type, MPI_Op op, void *lower,
                           struct flow flow, MPI_Request *request, const char *function)
{
    if (__builtin_expect(error == MPI_SUCCESS, 1)) {
        struct crmpi_request *r = crmpi_request_take(CRMPI_COLLECTIVE, comm, type);

        r->op = crmpi_hold(op);
        r->lower = lower;
        if (crmpi_op_is_user_defined(op)) {
            r->runs_op = 1;
            crmpi_reduction_count_lower(1);
        }
        r->handle.real = *real;
        r->active = 1;
        *request = crmpi_request_handle(r);
    }
    if (__builtin_expect(error == MPI_SUCCESS, 1) || has_begun(error, is_refused))
        crmpi_collective_end_flow(comm, flow.bits, flow.root);
    crmpi_whole_end();
    if (__builtin_expect(error == MPI_SUCCESS, 1))
        return error;
    free(lower);
    return crmpi_comm_error(comm, error, function);
}

static int lengths_differ(int n_sent, MPI_Datatype sent, int n_received,
                          MPI_Datatype received)
{
    MPI_Count bytes[2] = {0, 0};

    PMPI_Type_size_x(CRMPI_REAL(MPI_Datatype, sent), &bytes[0]);
    PMPI_Type_size_x(CRMPI_REAL(MPI_Datatype, received), &bytes[1]);
    return n_sent * bytes[0] != n_received * bytes[1];
}

/* Whether the library has compared what a rank sends to itself, with arrays of counts, and
 * perhaps of types instead of one. */
static int own_differ(const void *sendbuf, const int *sendcounts, MPI_Datatype sendtype,
                      const MPI_Datatype *sendtypes, const int *recvcounts,
                      MPI_Datatype recvtype, const MPI_Datatype *recvtypes, MPI_Comm comm)
{
    const struct crmpi_comm *c = crmpi_comm_of(comm);

    return c && !c->remote_size && sendbuf != MPI_IN_PLACE &&
           lengths_differ(sendcounts[c->rank], sendtypes ? sendtypes[c->rank] : sendtype,
                          recvcounts[c->rank], recvtypes ? recvtypes[c->rank] : recvtype);
}

static int is_truncated(int error)
{
    int class = MPI_SUCCESS;

    if (__builtin_expect(error != MPI_SUCCESS, 0))
        PMPI_Error_class(error, &class);
    return class == MPI_ERR_TRUNCATE;
}

/*
 * The two functions of a collective.  PARAMS: as in mpi.h; REALS: the lower arguments;
 * INPUT: what has to be kept; TYPE, OP: of a reduction; FLOW: of the data.
 */
#define ARGS(...) __VA_ARGS__
#define COLLECTIVE(NAME, INAME, FLOW, PARAMS, REALS, INPUT, TYPE, OP)                    \
    COLLECTIVE_CHECKED(NAME, INAME, FLOW, ARGS(PARAMS), ARGS(REALS), INPUT, TYPE, OP, 0)
/* The same where the library compares lengths first; REFUSED: they differ. */
#define COLLECTIVE_CHECKED(NAME, INAME, FLOW, PARAMS, REALS, INPUT, TYPE, OP, REFUSED)   \
    int crmpi_lower_MPI_##NAME(PARAMS)                                                   \
    {                                                                                    \
        struct input input = INPUT;                                                      \
        MPI_Request real;                                                                \
        int error = blocking_begin(comm, &input);                                        \
                                                                                         \
        if (error == MPI_SUCCESS)                                                        \
            error = crmpi_thread_multiple                                                \
                        ? blocking_wait(PMPI_##INAME(REALS, &real), &real)               \
                        : PMPI_##NAME(REALS);                                            \
        return blocking_end(comm, &input, error, is_truncated(error) && (REFUSED), FLOW, \
                            "MPI_" #NAME);                                               \
    }                                                                                    \
                                                                                         \
    int crmpi_lower_MPI_##INAME(PARAMS, MPI_Request *request)                            \
    {                                                                                    \
        MPI_Request real;                                                                \
        int error;                                                                       \
                                                                                         \
        nonblocking_begin(comm);                                                         \
        error = PMPI_##INAME(REALS, request ? &real : NULL);                             \
        return nonblocking_end(error, is_truncated(error) && (REFUSED), &real, comm,     \
                               TYPE, OP, NULL, FLOW, request, "MPI_" #INAME);            \
    }

#define COMM CRMPI_REAL(MPI_Comm, comm)
#define TYPE(type) CRMPI_REAL(MPI_Datatype, type)
#define OP CRMPI_REAL(MPI_Op, op)

#ifdef OMPI_HAVE_MPI_EXT_FTMPI
int crmpi_lower_MPIX_Comm_iagree(MPI_Comm comm, int *flag, MPI_Request *request)
{
    MPI_Request real;

    nonblocking_begin(comm);
    int error =
        PMPIX_Comm_iagree(CRMPI_REAL(MPI_Comm, comm), flag, request ? &real : NULL);
    return nonblocking_end(error, 0, &real, comm, NULL, NULL, NULL, FLOW_ALL, request,
                           "MPIX_Comm_iagree");
}
#endif

COLLECTIVE(Barrier, Ibarrier, FLOW_ALL, ARGS(MPI_Comm comm), ARGS(COMM), none, NULL, NULL)

COLLECTIVE(Bcast, Ibcast, FLOW_DOWN,
           ARGS(void *buffer, int count, MPI_Datatype datatype, int root, MPI_Comm comm),
           ARGS(buffer, count, TYPE(datatype), root, COMM), none, NULL, NULL)

COLLECTIVE(Gather, Igather, FLOW_UP,
           ARGS(const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf,
                int recvcount, MPI_Datatype recvtype, int root, MPI_Comm comm),
           ARGS(sendbuf, sendcount, TYPE(sendtype), recvbuf, recvcount, TYPE(recvtype),
                root, COMM),
           none, NULL, NULL)

COLLECTIVE(Gatherv, Igatherv, FLOW_UP,
           ARGS(const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf,
                const int recvcounts[], const int displs[], MPI_Datatype recvtype,
                int root, MPI_Comm comm),
           ARGS(sendbuf, sendcount, TYPE(sendtype), recvbuf, recvcounts, displs,
                TYPE(recvtype), root, COMM),
           none, NULL, NULL)

COLLECTIVE(Scatter, Iscatter, FLOW_DOWN,
           ARGS(const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf,
                int recvcount, MPI_Datatype recvtype, int root, MPI_Comm comm),
           ARGS(sendbuf, sendcount, TYPE(sendtype), recvbuf, recvcount, TYPE(recvtype),
                root, COMM),
           none, NULL, NULL)

COLLECTIVE(Scatterv, Iscatterv, FLOW_DOWN,
           ARGS(const void *sendbuf, const int sendcounts[], const int displs[],
                MPI_Datatype sendtype, void *recvbuf, int recvcount,
                MPI_Datatype recvtype, int root, MPI_Comm comm),
           ARGS(sendbuf, sendcounts, displs, TYPE(sendtype), recvbuf, recvcount,
                TYPE(recvtype), root, COMM),
           none, NULL, NULL)

COLLECTIVE(Allgather, Iallgather, FLOW_ALL,
           ARGS(const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf,
                int recvcount, MPI_Datatype recvtype, MPI_Comm comm),
           ARGS(sendbuf, sendcount, TYPE(sendtype), recvbuf, recvcount, TYPE(recvtype),
                COMM),
           own_input(sendbuf, recvbuf, recvcount, NULL, NULL, recvtype, comm), NULL, NULL)

COLLECTIVE(Allgatherv, Iallgatherv, FLOW_ALL,
           ARGS(const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf,
                const int recvcounts[], const int displs[], MPI_Datatype recvtype,
                MPI_Comm comm),
           ARGS(sendbuf, sendcount, TYPE(sendtype), recvbuf, recvcounts, displs,
                TYPE(recvtype), COMM),
           own_input(sendbuf, recvbuf, 0, recvcounts, displs, recvtype, comm), NULL, NULL)

COLLECTIVE_CHECKED(
    Alltoall, Ialltoall, FLOW_ALL,
    ARGS(const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf,
         int recvcount, MPI_Datatype recvtype, MPI_Comm comm),
    ARGS(sendbuf, sendcount, TYPE(sendtype), recvbuf, recvcount, TYPE(recvtype), COMM),
    pieces_input(sendbuf, recvbuf, recvcount, NULL, NULL, recvtype, NULL, comm), NULL,
    NULL,
    !crmpi_comm_of(comm)->remote_size && sendbuf != MPI_IN_PLACE &&
        lengths_differ(sendcount, sendtype, recvcount, recvtype))

COLLECTIVE_CHECKED(Alltoallv, Ialltoallv, FLOW_ALL,
                   ARGS(const void *sendbuf, const int sendcounts[], const int sdispls[],
                        MPI_Datatype sendtype, void *recvbuf, const int recvcounts[],
                        const int rdispls[], MPI_Datatype recvtype, MPI_Comm comm),
                   ARGS(sendbuf, sendcounts, sdispls, TYPE(sendtype), recvbuf, recvcounts,
                        rdispls, TYPE(recvtype), COMM),
                   pieces_input(sendbuf, recvbuf, 0, recvcounts, rdispls, recvtype, NULL,
                                comm),
                   NULL, NULL,
                   own_differ(sendbuf, sendcounts, sendtype, NULL, recvcounts, recvtype,
                              NULL, comm))

/*
 * Reductions.  By a function of the application's, and not blocking, or where threads may wait
 * at the same time, they are done in reduction.c: what the library does by itself it may do in
 * a thread of crmpi's.
 */

static struct crmpi_request *reduction_begin(const struct crmpi_reduction_call *call)
{
    struct crmpi_request *r;

    crmpi_order_exactly(); /* its messages are matched by probes, in a whole */
    nonblocking_begin(call->comm);
    r = crmpi_reduction_start(call);
    crmpi_collective_end_flow(call->comm, 0, 0); /* all flow is in messages */
    crmpi_whole_end();
    return r;
}

static int reduction_wait(const struct crmpi_reduction_call *call)
{
    struct crmpi_call *state = crmpi_call();

    if (!crmpi_call_resumed() || !state->reduction)
        state->reduction = reduction_begin(call);
    crmpi_request_wait(state->reduction);
    crmpi_request_drop(state->reduction);
    state->reduction = NULL;
    return MPI_SUCCESS;
}

#define REDUCTION(NAME, INAME, FLOW, PARAMS, REALS, INPUT, ...)                          \
    int crmpi_lower_MPI_##NAME(PARAMS)                                                   \
    {                                                                                    \
        const struct crmpi_reduction_call call = {__VA_ARGS__, .type = datatype,         \
                                                  .op = op, .comm = comm};               \
        int by_user = crmpi_thread_multiple && crmpi_op_is_user_defined(op);             \
        struct input input = INPUT;                                                      \
        MPI_Request real;                                                                \
        int error;                                                                       \
                                                                                         \
        if (by_user && crmpi_reduction_is_ours(&call))                                   \
            return reduction_wait(&call);                                                \
        error = blocking_begin(comm, &input);                                            \
        if (by_user)                                                                     \
            crmpi_reduction_count_lower(1);                                              \
        else if (crmpi_op_is_user_defined(op))                                           \
            reducing_begin(comm);                                                        \
        if (error == MPI_SUCCESS)                                                        \
            error = crmpi_thread_multiple                                                \
                        ? blocking_wait(PMPI_##INAME(REALS, &real), &real)               \
                        : PMPI_##NAME(REALS);                                            \
        if (by_user)                                                                     \
            crmpi_reduction_count_lower(-1);                                             \
        crmpi_call()->reducing = NULL;                                                   \
        return blocking_end(comm, &input, error, 0, FLOW, "MPI_" #NAME);                 \
    }                                                                                    \
                                                                                         \
    int crmpi_lower_MPI_##INAME(PARAMS, MPI_Request *request)                            \
    {                                                                                    \
        const struct crmpi_reduction_call call = {__VA_ARGS__, .type = datatype,         \
                                                  .op = op, .comm = comm};               \
        MPI_Request real;                                                                \
        int error;                                                                       \
                                                                                         \
        if (request && crmpi_op_is_user_defined(op) && crmpi_reduction_is_ours(&call)) { \
            *request = crmpi_request_handle(reduction_begin(&call));                     \
            return MPI_SUCCESS;                                                          \
        }                                                                                \
        nonblocking_begin(comm);                                                         \
        error = PMPI_##INAME(REALS, request ? &real : NULL);                             \
        return nonblocking_end(error, 0, &real, comm, datatype, op, NULL, FLOW, request, \
                               "MPI_" #INAME);                                           \
    }

REDUCTION(Reduce, Ireduce, FLOW_UP,
          ARGS(const void *sendbuf, void *recvbuf, int count, MPI_Datatype datatype,
               MPI_Op op, int root, MPI_Comm comm),
          ARGS(sendbuf, recvbuf, count, TYPE(datatype), OP, root, COMM),
          root_input(sendbuf, recvbuf, count, datatype, root, comm), .kind = CRMPI_REDUCE,
          .sendbuf = sendbuf, .recvbuf = recvbuf, .count = count, .root = root)

REDUCTION(Allreduce, Iallreduce, FLOW_ALL,
          ARGS(const void *sendbuf, void *recvbuf, int count, MPI_Datatype datatype,
               MPI_Op op, MPI_Comm comm),
          ARGS(sendbuf, recvbuf, count, TYPE(datatype), OP, COMM),
          vector_input(sendbuf, recvbuf, count, datatype, comm), .kind = CRMPI_ALLREDUCE,
          .sendbuf = sendbuf, .recvbuf = recvbuf, .count = count)

REDUCTION(Scan, Iscan, FLOW_SCAN,
          ARGS(const void *sendbuf, void *recvbuf, int count, MPI_Datatype datatype,
               MPI_Op op, MPI_Comm comm),
          ARGS(sendbuf, recvbuf, count, TYPE(datatype), OP, COMM),
          vector_input(sendbuf, recvbuf, count, datatype, comm), .kind = CRMPI_SCAN,
          .sendbuf = sendbuf, .recvbuf = recvbuf, .count = count)

REDUCTION(Exscan, Iexscan, FLOW_SCAN,
          ARGS(const void *sendbuf, void *recvbuf, int count, MPI_Datatype datatype,
               MPI_Op op, MPI_Comm comm),
          ARGS(sendbuf, recvbuf, count, TYPE(datatype), OP, COMM),
          vector_input(sendbuf, recvbuf, count, datatype, comm), .kind = CRMPI_EXSCAN,
          .sendbuf = sendbuf, .recvbuf = recvbuf, .count = count)

REDUCTION(Reduce_scatter, Ireduce_scatter, FLOW_ALL,
          ARGS(const void *sendbuf, void *recvbuf, const int recvcounts[],
               MPI_Datatype datatype, MPI_Op op, MPI_Comm comm),
          ARGS(sendbuf, recvbuf, recvcounts, TYPE(datatype), OP, COMM),
          pieces_input(sendbuf, recvbuf, 0, recvcounts, NULL, datatype, NULL, comm),
          .kind = CRMPI_REDUCE_SCATTER, .sendbuf = sendbuf, .recvbuf = recvbuf,
          .counts = recvcounts)

REDUCTION(Reduce_scatter_block, Ireduce_scatter_block, FLOW_ALL,
          ARGS(const void *sendbuf, void *recvbuf, int recvcount, MPI_Datatype datatype,
               MPI_Op op, MPI_Comm comm),
          ARGS(sendbuf, recvbuf, recvcount, TYPE(datatype), OP, COMM),
          pieces_input(sendbuf, recvbuf, recvcount, NULL, NULL, datatype, NULL, comm),
          .kind = CRMPI_REDUCE_SCATTER, .sendbuf = sendbuf, .recvbuf = recvbuf,
          .count = recvcount)

COLLECTIVE(Neighbor_allgather, Ineighbor_allgather, FLOW_ALL,
           ARGS(const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf,
                int recvcount, MPI_Datatype recvtype, MPI_Comm comm),
           ARGS(sendbuf, sendcount, TYPE(sendtype), recvbuf, recvcount, TYPE(recvtype),
                COMM),
           none, NULL, NULL)

COLLECTIVE(Neighbor_allgatherv, Ineighbor_allgatherv, FLOW_ALL,
           ARGS(const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf,
                const int recvcounts[], const int displs[], MPI_Datatype recvtype,
                MPI_Comm comm),
           ARGS(sendbuf, sendcount, TYPE(sendtype), recvbuf, recvcounts, displs,
                TYPE(recvtype), COMM),
           none, NULL, NULL)

COLLECTIVE_CHECKED(
    Neighbor_alltoall, Ineighbor_alltoall, FLOW_ALL,
    ARGS(const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf,
         int recvcount, MPI_Datatype recvtype, MPI_Comm comm),
    ARGS(sendbuf, sendcount, TYPE(sendtype), recvbuf, recvcount, TYPE(recvtype), COMM),
    none, NULL, NULL, lengths_differ(sendcount, sendtype, recvcount, recvtype))

COLLECTIVE(Neighbor_alltoallv, Ineighbor_alltoallv, FLOW_ALL,
           ARGS(const void *sendbuf, const int sendcounts[], const int sdispls[],
                MPI_Datatype sendtype, void *recvbuf, const int recvcounts[],
                const int rdispls[], MPI_Datatype recvtype, MPI_Comm comm),
           ARGS(sendbuf, sendcounts, sdispls, TYPE(sendtype), recvbuf, recvcounts,
                rdispls, TYPE(recvtype), COMM),
           none, NULL, NULL)

/*
 * With arrays of types, which a nonblocking one reads until it has completed.
 */

struct types {
    MPI_Datatype *send, *recv; /* lower; NULL where the application gave NULL */
    void *block;
};

static int types_begin(int n_send, const MPI_Datatype *send, int n_recv,
                       const MPI_Datatype *recv, struct types *types_out)
{
    MPI_Datatype *reals = malloc((n_send + n_recv + 1) * sizeof *reals);

    if (!reals)
        return MPI_ERR_NO_MEM;
    types_out->block = reals;
    types_out->send = send ? reals : NULL;
    types_out->recv = recv ? reals + n_send : NULL;
    for (int i = 0; send && i < n_send; i++)
        reals[i] = TYPE(send[i]);
    for (int i = 0; recv && i < n_recv; i++)
        reals[n_send + i] = TYPE(recv[i]);
    return MPI_SUCCESS;
}

#define COLLECTIVE_W(NAME, INAME, DISPLACEMENT, N_SEND, N_RECV, INPUT, REFUSED)          \
    int crmpi_lower_MPI_##NAME(                                                          \
        const void *sendbuf, const int sendcounts[], const DISPLACEMENT sdispls[],       \
        const MPI_Datatype sendtypes[], void *recvbuf, const int recvcounts[],           \
        const DISPLACEMENT rdispls[], const MPI_Datatype recvtypes[], MPI_Comm comm)     \
    {                                                                                    \
        struct input input = INPUT;                                                      \
        struct types types = {0};                                                        \
        MPI_Request real;                                                                \
        int error = blocking_begin(comm, &input);                                        \
                                                                                         \
        if (error == MPI_SUCCESS)                                                        \
            error =                                                                      \
                types_begin(N_SEND(comm), sendtypes, N_RECV(comm), recvtypes, &types);   \
        if (error == MPI_SUCCESS && !crmpi_thread_multiple)                              \
            error = PMPI_##NAME(sendbuf, sendcounts, sdispls, types.send, recvbuf,       \
                                recvcounts, rdispls, types.recv, COMM);                  \
        else if (error == MPI_SUCCESS)                                                   \
            error = blocking_wait(PMPI_##INAME(sendbuf, sendcounts, sdispls, types.send, \
                                               recvbuf, recvcounts, rdispls, types.recv, \
                                               COMM, &real),                             \
                                  &real);                                                \
        free(types.block);                                                               \
        return blocking_end(comm, &input, error, is_truncated(error) && (REFUSED),       \
                            FLOW_ALL, "MPI_" #NAME);                                     \
    }                                                                                    \
                                                                                         \
    int crmpi_lower_MPI_##INAME(                                                         \
        const void *sendbuf, const int sendcounts[], const DISPLACEMENT sdispls[],       \
        const MPI_Datatype sendtypes[], void *recvbuf, const int recvcounts[],           \
        const DISPLACEMENT rdispls[], const MPI_Datatype recvtypes[], MPI_Comm comm,     \
        MPI_Request *request)                                                            \
    {                                                                                    \
        struct types types = {0};                                                        \
        MPI_Request real = MPI_REQUEST_NULL;                                             \
        int error;                                                                       \
                                                                                         \
        nonblocking_begin(comm);                                                         \
        error = types_begin(N_SEND(comm), sendtypes, N_RECV(comm), recvtypes, &types);   \
        if (error == MPI_SUCCESS)                                                        \
            error = PMPI_##INAME(sendbuf, sendcounts, sdispls, types.send, recvbuf,      \
                                 recvcounts, rdispls, types.recv, COMM,                  \
                                 request ? &real : NULL);                                \
        return nonblocking_end(error, is_truncated(error) && (REFUSED), &real, comm,     \
                               NULL, NULL, types.block, FLOW_ALL, request,               \
                               "MPI_" #INAME);                                           \
    }

COLLECTIVE_W(Alltoallw, Ialltoallw, int, crmpi_comm_n_peers, crmpi_comm_n_peers,
             pieces_input(sendbuf, recvbuf, 0, recvcounts, rdispls, NULL, recvtypes,
                          comm),
             own_differ(sendbuf, sendcounts, NULL, sendtypes, recvcounts, NULL, recvtypes,
                        comm))

COLLECTIVE_W(Neighbor_alltoallw, Ineighbor_alltoallw, MPI_Aint, crmpi_comm_n_targets,
             crmpi_comm_n_sources, none, 0)
