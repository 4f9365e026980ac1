/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One-sided communication that libcrmpi.so cannot do alone (lower half).  No thread parks
 * within: an operation has been handed to the library, which a flush completes at the cut,
 * or it has not begun.  One with much data, for which the library may need minutes, is made
 * in parts, and a thread parks between them.
 *
 * Where libcrmpi.so does accumulates (crmpi_win.is_near), those done here are completed
 * under the target's lock: so all of them are atomic to each other, and in order.
 */
#include "wrappers/hand/slice.h"
#include "wrappers/hand/window.h"

static int32_t *lock_of(MPI_Win win, int rank, enum crmpi_how how)
{
    const struct crmpi_win *w = crmpi_win_of(win);

    return how == CRMPI_HOW_ATOMIC && w && w->is_near && rank >= 0 && rank < w->n_members
               ? w->targets[rank].lock
               : NULL;
}

static void begin(MPI_Win win, int rank, enum crmpi_how how)
{
    int32_t *lock;

    crmpi_call_resumed();
    crmpi_park_point(); /* a loop of accesses is hardly ever found above */
    crmpi_win_access_begin(crmpi_win_of(win), rank, how);
    lock = lock_of(win, rank, how);
    if (lock)
        crmpi_win_lock_take(lock);
}

/* Counted when it has been handed over: a flush by another thread meanwhile may miss it.
 * @param real  the lower request, if the operation has one */
static int end(MPI_Win win, int rank, enum crmpi_how how, int error, const MPI_Request *real,
               MPI_Request *request, const char *function)
{
    struct crmpi_win *w = crmpi_win_of(win);
    int32_t *lock = lock_of(win, rank, how);

    if (w && w->targets)
        __atomic_fetch_add(&w->begun, 1, __ATOMIC_ACQ_REL);
    if (lock) {
        if (error == MPI_SUCCESS)
            error = PMPI_Win_flush(rank, CRMPI_REAL(MPI_Win, win));
        crmpi_win_lock_drop(lock);
    }
    if (error == MPI_SUCCESS && real)
        *request = crmpi_request_wrap(*real, CRMPI_WRAP_ACCESS, (void *)win);
    crmpi_whole_end();
    return crmpi_win_result(win, error, function);
}

/*
 * In parts
 */

/* Data of an operation, at the origin or the target. */
struct side {
    const void *address;
    int count;
    MPI_Datatype type; /* the application's */
};

struct access {
    const char *function;
    enum crmpi_how how;
    struct side origin, result, target; /* result: of MPI_Get_accumulate alone */
    int rank;
    MPI_Aint disp;
    MPI_Op op;
    /* the lower call; @p result is NULL where there is none */
    int (*call)(const struct access *a, const struct crmpi_slice *origin,
                const struct crmpi_slice *result, const struct crmpi_slice *target,
                MPI_Aint disp, MPI_Win real);
};

static void *place(const struct side *side, const struct crmpi_slice *slice)
{
    return (char *)(uintptr_t)side->address + slice->offset;
}

static int call_put(const struct access *a, const struct crmpi_slice *origin,
                    const struct crmpi_slice *result, const struct crmpi_slice *target,
                    MPI_Aint disp, MPI_Win real)
{
    (void)result;
    return PMPI_Put(place(&a->origin, origin), origin->count, origin->type, a->rank, disp,
                    target->count, target->type, real);
}

static int call_get(const struct access *a, const struct crmpi_slice *origin,
                    const struct crmpi_slice *result, const struct crmpi_slice *target,
                    MPI_Aint disp, MPI_Win real)
{
    (void)result;
    return PMPI_Get(place(&a->origin, origin), origin->count, origin->type, a->rank, disp,
                    target->count, target->type, real);
}

static int call_accumulate(const struct access *a, const struct crmpi_slice *origin,
                           const struct crmpi_slice *result,
                           const struct crmpi_slice *target, MPI_Aint disp, MPI_Win real)
{
    (void)result;
    return PMPI_Accumulate(place(&a->origin, origin), origin->count, origin->type, a->rank,
                           disp, target->count, target->type, CRMPI_REAL(MPI_Op, a->op),
                           real);
}

static int call_get_accumulate(const struct access *a, const struct crmpi_slice *origin,
                               const struct crmpi_slice *result,
                               const struct crmpi_slice *target, MPI_Aint disp, MPI_Win real)
{
    return PMPI_Get_accumulate(place(&a->origin, origin), origin->count, origin->type,
                               place(&a->result, result), result->count, result->type,
                               a->rank, disp, target->count, target->type,
                               CRMPI_REAL(MPI_Op, a->op), real);
}

/* MPI_NO_OP has no origin. */
static int has_origin(const struct access *a)
{
    return a->how != CRMPI_HOW_ATOMIC ||
           a->op != CRMPI_UPPER(MPI_Op, ompi_mpi_op_no_op);
}

/* Whether the data are in the target's segment, as far as is known. */
static int is_in_segment(const struct access *a, const struct crmpi_win *w)
{
    const struct crmpi_win_target *target;
    MPI_Datatype real = CRMPI_REAL(MPI_Datatype, a->target.type);
    MPI_Aint lb, extent, true_lb, true_extent, at;

    if (!w->targets)
        return 1;
    target = &w->targets[a->rank];
    PMPI_Type_get_extent(real, &lb, &extent);
    PMPI_Type_get_true_extent(real, &true_lb, &true_extent);
    return extent >= 0 && a->disp >= 0 &&
           !__builtin_mul_overflow(a->disp, (MPI_Aint)target->disp_unit, &at) &&
           at + true_lb >= 0 && at <= target->bytes &&
           at + true_lb + (a->target.count - 1) * extent + true_extent <= target->bytes;
}

/* How many bytes a part has at most; 0: the operation is not to be made in parts.  One that
 * may be wrong is left to the library, which says so. */
static int64_t limit_of(const struct access *a, const struct crmpi_win *w, int64_t *all_out)
{
    const struct side *const sides[] = {&a->target, &a->origin, &a->result};
    int64_t all = crmpi_slice_bytes(a->target.count, a->target.type), limit = all;

    if (all <= CRMPI_SLICE_PIECES || !w || a->rank < 0 || a->rank >= w->n_members)
        return 0;
    for (int i = 0; i < 3; i++) {
        const struct side *s = sides[i];
        int64_t least;

        if ((s == &a->origin && !has_origin(a)) || (s == &a->result && !s->type))
            continue;
        if (crmpi_slice_bytes(s->count, s->type) != all)
            return 0;
        least = crmpi_slice_limit(s->count, s->type);
        limit = least < limit ? least : limit;
    }
    *all_out = all;
    return limit < all && is_in_segment(a, w) ? limit : 0;
}

/* The first position not before @p at where all sides can be cut. */
static int64_t cut_all(const struct access *a, int64_t at)
{
    int64_t before;

    do {
        before = at;
        at = crmpi_slice_cut(a->target.count, a->target.type, at);
        if (has_origin(a))
            at = crmpi_slice_cut(a->origin.count, a->origin.type, at);
        if (a->result.type)
            at = crmpi_slice_cut(a->result.count, a->result.type, at);
    } while (at != before);
    return at;
}

/* Displacements that are no bytes here may not be able to say where the part begins. */
static int target_make(const struct access *a, const struct crmpi_win *w, int64_t from,
                       int64_t to, struct crmpi_slice *out)
{
    int error = crmpi_slice_make(a->target.type, from, to, out);

    return error == MPI_SUCCESS && !w->targets ? crmpi_slice_place(out) : error;
}

static int part(const struct access *a, const struct crmpi_win *w, int64_t from, int64_t to,
                MPI_Win win)
{
    struct crmpi_slice origin = {.count = a->origin.count,
                                 .type = CRMPI_REAL(MPI_Datatype, a->origin.type)},
                       result = {0}, target = {0};
    int error = target_make(a, w, from, to, &target);

    if (error == MPI_SUCCESS && has_origin(a))
        error = crmpi_slice_make(a->origin.type, from, to, &origin);
    if (error == MPI_SUCCESS && a->result.type)
        error = crmpi_slice_make(a->result.type, from, to, &result);
    if (error == MPI_SUCCESS)
        error = a->call(a, &origin, &result, &target,
                        crmpi_win_disp(w, a->rank, a->disp) + target.offset,
                        CRMPI_REAL(MPI_Win, win));
    crmpi_slice_free(&origin);
    crmpi_slice_free(&result);
    crmpi_slice_free(&target);
    return error;
}

/* Where a thread parks between parts is noted: the call made again goes on from there, and
 * what was handed over before has been completed at the cut. */
static int in_parts(const struct access *a, MPI_Win win, int64_t limit, int64_t all)
{
    struct crmpi_win *w = crmpi_win_of(win);
    struct crmpi_call *call = crmpi_call();
    int64_t done = crmpi_call_resumed() ? call->n_done : 0, to;
    int32_t generation = 0;
    int error, is_logged = 0;

    do {
        call->n_done = done;
        begin(win, a->rank, a->how);
        call->n_done = 0;
        if (generation != crmpi_control->park_generation)
            is_logged = 0; /* perhaps the log has begun anew */
        generation = crmpi_control->park_generation;
        if (w->logging && a->how == CRMPI_HOW_WRITE && !is_logged)
            crmpi_put_log(w, a->rank, a->disp, a->origin.address, a->origin.count,
                          CRMPI_REAL(MPI_Datatype, a->origin.type), a->target.type);
        is_logged = w->logging;
        to = done + limit < all ? cut_all(a, done + limit) : all;
        if (all - to < limit / 4)
            to = all; /* Open MPI treats small ones otherwise */
        error = part(a, w, done, to, win);
        error = end(win, a->rank, a->how, error, NULL, NULL, a->function);
        done = to;
    } while (error == MPI_SUCCESS && done < all);
    return error;
}

/* Returns 1 if the operation has been made. */
static int long_access(const struct access *a, MPI_Win win, int *result)
{
    int64_t all, limit = limit_of(a, crmpi_win_of(win), &all);

    if (limit)
        *result = in_parts(a, win, limit, all);
    return limit > 0;
}

/*
 * The calls
 */

#define TYPE(type) CRMPI_REAL(MPI_Datatype, type)
#define DISP crmpi_win_disp(crmpi_win_of(win), target_rank, target_disp)
#define ARGS(...) __VA_ARGS__

/* An access with much data.  ...: what else than the origin and the target it has. */
#define IN_PARTS(NAME, HOW, CALL, ...)                                                   \
    if (__builtin_expect(crmpi_is_much(target_count, target_datatype), 0)) {             \
        const struct access access = {                                                   \
            .function = "MPI_" #NAME, .how = HOW, .call = CALL,                          \
            .origin = {origin_addr, origin_count, origin_datatype},                      \
            .target = {NULL, target_count, target_datatype}, .rank = target_rank,        \
            .disp = target_disp, __VA_ARGS__};                                           \
                                                                                         \
        if (long_access(&access, win, &error))                                           \
            return error;                                                                \
    }

/* NAME: the MPI function's; PARAMS: as in mpi.h, without the window; REALS: the lower
 * arguments; PARTS: how it is made in parts, or nothing. */
#define OPERATION(NAME, HOW, PARAMS, REALS, PARTS)                                      \
    int crmpi_lower_MPI_##NAME(PARAMS, MPI_Win win)                                      \
    {                                                                                    \
        int error;                                                                       \
                                                                                         \
        PARTS                                                                            \
        begin(win, target_rank, HOW);                                                   \
        error = PMPI_##NAME(REALS, CRMPI_REAL(MPI_Win, win));                            \
        return end(win, target_rank, HOW, error, NULL, NULL, "MPI_" #NAME);             \
    }

#define REQUEST_OPERATION(NAME, HOW, PARAMS, REALS)                                     \
    int crmpi_lower_MPI_##NAME(PARAMS, MPI_Win win, MPI_Request *request)                \
    {                                                                                    \
        MPI_Request real;                                                                \
        int error;                                                                       \
                                                                                         \
        begin(win, target_rank, HOW);                                                   \
        error = PMPI_##NAME(REALS, CRMPI_REAL(MPI_Win, win), request ? &real : NULL);    \
        return end(win, target_rank, HOW, error, &real, request, "MPI_" #NAME);         \
    }

/* The two functions of an operation, without and with a request. */
#define BOTH(NAME, R_NAME, HOW, PARAMS, REALS, PARTS)                                   \
    OPERATION(NAME, HOW, ARGS(PARAMS), ARGS(REALS), ARGS(PARTS))                        \
    REQUEST_OPERATION(R_NAME, HOW, ARGS(PARAMS), ARGS(REALS))

#define ORIGIN_PARAMS(...)                                                               \
    __VA_ARGS__ void *origin_addr, int origin_count, MPI_Datatype origin_datatype
#define TARGET_PARAMS                                                                    \
    int target_rank, MPI_Aint target_disp, int target_count, MPI_Datatype target_datatype
#define ORIGIN_REALS origin_addr, origin_count, TYPE(origin_datatype)
#define TARGET_REALS target_rank, DISP, target_count, TYPE(target_datatype)

int crmpi_lower_MPI_Put(ORIGIN_PARAMS(const), TARGET_PARAMS, MPI_Win win)
{
    struct crmpi_win *w = crmpi_win_of(win);
    int error;

    IN_PARTS(Put, CRMPI_HOW_WRITE, call_put)
    begin(win, target_rank, CRMPI_HOW_WRITE);
    if (w && w->logging)
        crmpi_put_log(w, target_rank, target_disp, origin_addr, origin_count,
                      TYPE(origin_datatype), target_datatype);
    error = PMPI_Put(ORIGIN_REALS, TARGET_REALS, CRMPI_REAL(MPI_Win, win));
    return end(win, target_rank, CRMPI_HOW_WRITE, error, NULL, NULL, "MPI_Put");
}

REQUEST_OPERATION(Rput, CRMPI_HOW_WRITE, ARGS(ORIGIN_PARAMS(const), TARGET_PARAMS),
                  ARGS(ORIGIN_REALS, TARGET_REALS))
BOTH(Get, Rget, CRMPI_HOW_READ, ARGS(ORIGIN_PARAMS(), TARGET_PARAMS),
     ARGS(ORIGIN_REALS, TARGET_REALS), ARGS(IN_PARTS(Get, CRMPI_HOW_READ, call_get)))
BOTH(Accumulate, Raccumulate, CRMPI_HOW_ATOMIC,
     ARGS(ORIGIN_PARAMS(const), TARGET_PARAMS, MPI_Op op),
     ARGS(ORIGIN_REALS, TARGET_REALS, CRMPI_REAL(MPI_Op, op)),
     ARGS(IN_PARTS(Accumulate, CRMPI_HOW_ATOMIC, call_accumulate, .op = op)))
BOTH(Get_accumulate, Rget_accumulate, CRMPI_HOW_ATOMIC,
     ARGS(ORIGIN_PARAMS(const), void *result_addr, int result_count,
          MPI_Datatype result_datatype, TARGET_PARAMS, MPI_Op op),
     ARGS(ORIGIN_REALS, result_addr, result_count, TYPE(result_datatype), TARGET_REALS,
          CRMPI_REAL(MPI_Op, op)),
     ARGS(IN_PARTS(Get_accumulate, CRMPI_HOW_ATOMIC, call_get_accumulate, .op = op,
                   .result = {result_addr, result_count, result_datatype})))
OPERATION(Fetch_and_op, CRMPI_HOW_ATOMIC,
          ARGS(const void *origin_addr, void *result_addr, MPI_Datatype datatype,
               int target_rank, MPI_Aint target_disp, MPI_Op op),
          ARGS(origin_addr, result_addr, TYPE(datatype), target_rank, DISP,
               CRMPI_REAL(MPI_Op, op)), )
OPERATION(Compare_and_swap, CRMPI_HOW_ATOMIC,
          ARGS(const void *origin_addr, const void *compare_addr, void *result_addr,
               MPI_Datatype datatype, int target_rank, MPI_Aint target_disp),
          ARGS(origin_addr, compare_addr, result_addr, TYPE(datatype), target_rank, DISP), )
