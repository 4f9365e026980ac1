/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Windows that are gone while requests of theirs are not: freed by MPI_Request_free, or
 * waited for later.  And a wrong unlock, which must not harm the epoch that is open.
 */
#include "check.h"

#define N 16

static void hold(long step, MPI_Request *late)
{
    long *base, value = step * 100 + check_rank, seen;
    int right = (check_rank + 1) % check_size;
    int left = (check_rank + check_size - 1) % check_size;
    MPI_Win win;
    MPI_Request request;

    CHECK_MPI(MPI_Win_allocate(N * sizeof *base, sizeof *base, MPI_INFO_NULL,
                               MPI_COMM_WORLD, &base, &win));
    CHECK_MPI(MPI_Win_lock_all(0, win));
    for (int i = 0; i < N - 1; i++) {
        CHECK_MPI(MPI_Rput(&value, 1, MPI_LONG, right, i, 1, MPI_LONG, win, &request));
        CHECK_MPI(MPI_Request_free(&request));
    }
    CHECK_MPI(MPI_Rput(&value, 1, MPI_LONG, right, N - 1, 1, MPI_LONG, win, late));
    CHECK_MPI(MPI_Win_unlock_all(win));
    CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
    seen = base[step % N];
    CHECK_EQ(seen, step * 100 + left);
    check_note((uint64_t)seen);
    CHECK_MPI(MPI_Win_free(&win));
}

static void unlock_wrongly(MPI_Win win, long *base, long step)
{
    int right = (check_rank + 1) % check_size, class;
    long value = step + check_rank;

    CHECK_MPI(MPI_Win_fence(0, win));
    MPI_Error_class(MPI_Win_unlock(right, win), &class);
    CHECK_EQ(class, MPI_ERR_RMA_SYNC);
    CHECK_MPI(MPI_Put(&value, 1, MPI_LONG, right, 0, 1, MPI_LONG, win));
    CHECK_MPI(MPI_Win_fence(0, win));
    check_note((uint64_t)base[0]);
}

int main(int argc, char **argv)
{
    MPI_Win shared;
    long steps, *base;

    MPI_Init(&argc, &argv);
    steps = check_begin("rma_held", argc, argv, 300);
    CHECK_MPI(MPI_Win_allocate_shared(sizeof *base, sizeof *base, MPI_INFO_NULL,
                                      MPI_COMM_WORLD, &base, &shared));
    CHECK_MPI(MPI_Win_set_errhandler(shared, MPI_ERRORS_RETURN));
    for (long step = 0; step < steps; step++) {
        MPI_Request late;
        hold(step, &late);
        check_sleep_ms(5);
        unlock_wrongly(shared, base, step);
        CHECK_MPI(MPI_Wait(&late, MPI_STATUS_IGNORE));
    }
    CHECK_MPI(MPI_Win_free(&shared));
    check_end(steps);
    MPI_Finalize();
    return 0;
}
