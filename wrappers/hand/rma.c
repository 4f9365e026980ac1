/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One-sided communication that libcrmpi.so cannot do alone (lower half).  No thread parks
 * within: an operation has been handed to the library, which a flush completes at the cut,
 * or it has not begun.
 *
 * Where libcrmpi.so does accumulates (crmpi_win.is_near), those done here are completed
 * under the target's lock: so all of them are atomic to each other, and in order.
 */
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

#define TYPE(type) CRMPI_REAL(MPI_Datatype, type)
#define DISP crmpi_win_disp(crmpi_win_of(win), target_rank, target_disp)
#define ARGS(...) __VA_ARGS__

/* NAME: the MPI function's; PARAMS: as in mpi.h, without the window; REALS: the lower
 * arguments. */
#define OPERATION(NAME, HOW, PARAMS, REALS)                                             \
    int crmpi_lower_MPI_##NAME(PARAMS, MPI_Win win)                                      \
    {                                                                                    \
        int error;                                                                       \
                                                                                         \
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
#define BOTH(NAME, R_NAME, HOW, PARAMS, REALS)                                          \
    OPERATION(NAME, HOW, ARGS(PARAMS), ARGS(REALS))                                     \
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
     ARGS(ORIGIN_REALS, TARGET_REALS))
BOTH(Accumulate, Raccumulate, CRMPI_HOW_ATOMIC,
     ARGS(ORIGIN_PARAMS(const), TARGET_PARAMS, MPI_Op op),
     ARGS(ORIGIN_REALS, TARGET_REALS, CRMPI_REAL(MPI_Op, op)))
BOTH(Get_accumulate, Rget_accumulate, CRMPI_HOW_ATOMIC,
     ARGS(ORIGIN_PARAMS(const), void *result_addr, int result_count,
          MPI_Datatype result_datatype, TARGET_PARAMS, MPI_Op op),
     ARGS(ORIGIN_REALS, result_addr, result_count, TYPE(result_datatype), TARGET_REALS,
          CRMPI_REAL(MPI_Op, op)))
OPERATION(Fetch_and_op, CRMPI_HOW_ATOMIC,
          ARGS(const void *origin_addr, void *result_addr, MPI_Datatype datatype,
               int target_rank, MPI_Aint target_disp, MPI_Op op),
          ARGS(origin_addr, result_addr, TYPE(datatype), target_rank, DISP,
               CRMPI_REAL(MPI_Op, op)))
OPERATION(Compare_and_swap, CRMPI_HOW_ATOMIC,
          ARGS(const void *origin_addr, const void *compare_addr, void *result_addr,
               MPI_Datatype datatype, int target_rank, MPI_Aint target_disp),
          ARGS(origin_addr, compare_addr, result_addr, TYPE(datatype), target_rank, DISP))
