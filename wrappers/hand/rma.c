/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One-sided communication (lower half).  No thread parks within: an operation has been
 * handed to the library, which a flush completes at the cut, or it has not begun.
 */
#include "wrappers/hand/window.h"

#define TYPE(type) CRMPI_REAL(MPI_Datatype, type)
#define DISP crmpi_win_disp(crmpi_win_of(win), target_rank, target_disp)
#define ARGS(...) __VA_ARGS__

/* NAME: the MPI function's; PARAMS: as in mpi.h, without the window; REALS: the lower
 * arguments. */
#define OPERATION(NAME, PARAMS, REALS)                                                   \
    int crmpi_lower_MPI_##NAME(PARAMS, MPI_Win win)                                      \
    {                                                                                    \
        int error;                                                                       \
                                                                                         \
        crmpi_whole_begin();                                                             \
        error = PMPI_##NAME(REALS, CRMPI_REAL(MPI_Win, win));                            \
        crmpi_whole_end();                                                               \
        return crmpi_win_result(win, error, "MPI_" #NAME);                               \
    }

#define REQUEST_OPERATION(NAME, PARAMS, REALS)                                           \
    int crmpi_lower_MPI_##NAME(PARAMS, MPI_Win win, MPI_Request *request)                \
    {                                                                                    \
        MPI_Request real;                                                                \
        int error;                                                                       \
                                                                                         \
        crmpi_whole_begin();                                                             \
        error =                                                                          \
            PMPI_##NAME(REALS, CRMPI_REAL(MPI_Win, win), request ? &real : NULL);        \
        if (error == MPI_SUCCESS)                                                        \
            *request = crmpi_request_wrap(real, CRMPI_WRAP_ACCESS, (void *)win);         \
        crmpi_whole_end();                                                               \
        return crmpi_win_result(win, error, "MPI_" #NAME);                               \
    }

/* Put, get and accumulate, and the same with a request. */
#define BOTH(NAME, R_NAME, PARAMS, REALS)                                                \
    OPERATION(NAME, ARGS(PARAMS), ARGS(REALS))                                           \
    REQUEST_OPERATION(R_NAME, ARGS(PARAMS), ARGS(REALS))

#define ORIGIN_PARAMS(...)                                                               \
    __VA_ARGS__ void *origin_addr, int origin_count, MPI_Datatype origin_datatype
#define TARGET_PARAMS                                                                    \
    int target_rank, MPI_Aint target_disp, int target_count, MPI_Datatype target_datatype
#define ORIGIN_REALS origin_addr, origin_count, TYPE(origin_datatype)
#define TARGET_REALS target_rank, DISP, target_count, TYPE(target_datatype)

BOTH(Put, Rput, ARGS(ORIGIN_PARAMS(const), TARGET_PARAMS),
     ARGS(ORIGIN_REALS, TARGET_REALS))
BOTH(Get, Rget, ARGS(ORIGIN_PARAMS(), TARGET_PARAMS), ARGS(ORIGIN_REALS, TARGET_REALS))
BOTH(Accumulate, Raccumulate, ARGS(ORIGIN_PARAMS(const), TARGET_PARAMS, MPI_Op op),
     ARGS(ORIGIN_REALS, TARGET_REALS, CRMPI_REAL(MPI_Op, op)))
BOTH(Get_accumulate, Rget_accumulate,
     ARGS(ORIGIN_PARAMS(const), void *result_addr, int result_count,
          MPI_Datatype result_datatype, TARGET_PARAMS, MPI_Op op),
     ARGS(ORIGIN_REALS, result_addr, result_count, TYPE(result_datatype), TARGET_REALS,
          CRMPI_REAL(MPI_Op, op)))
OPERATION(Fetch_and_op,
          ARGS(const void *origin_addr, void *result_addr, MPI_Datatype datatype,
               int target_rank, MPI_Aint target_disp, MPI_Op op),
          ARGS(origin_addr, result_addr, TYPE(datatype), target_rank, DISP,
               CRMPI_REAL(MPI_Op, op)))
OPERATION(Compare_and_swap,
          ARGS(const void *origin_addr, const void *compare_addr, void *result_addr,
               MPI_Datatype datatype, int target_rank, MPI_Aint target_disp),
          ARGS(origin_addr, compare_addr, result_addr, TYPE(datatype), target_rank, DISP))
