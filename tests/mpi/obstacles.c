/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One after the other what a rank cannot be saved alone with: locks, accumulates, a shared
 * window, an MPI file.  And what it can be: puts between fences, and nothing special.
 */
#include "hold.h"

#define N 64

static long *memory;
static MPI_Win win;

static void open_window(void)
{
    CHECK_MPI(MPI_Win_allocate(N * sizeof *memory, sizeof *memory, MPI_INFO_NULL,
                               MPI_COMM_WORLD, &memory, &win));
    for (int i = 0; i < N; i++)
        memory[i] = -1;
    CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
}

static void close_window(long expected)
{
    CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
    for (int i = 0; i < N; i++)
        CHECK_EQ(memory[i], expected);
    check_note((uint64_t)memory[0]);
    CHECK_MPI(MPI_Win_free(&win));
}

static void locks(long step, int right, int left)
{
    long values[N];

    open_window();
    for (int i = 0; i < N; i++)
        values[i] = step * 100 + check_rank;
    CHECK_MPI(MPI_Win_lock(MPI_LOCK_EXCLUSIVE, right, 0, win));
    CHECK_MPI(MPI_Put(values, N, MPI_LONG, right, 0, N, MPI_LONG, win));
    CHECK_MPI(MPI_Win_unlock(right, win));
    hold(step);
    close_window(step * 100 + left);
}

static void accumulates(long step, int right, int left)
{
    long values[N];

    open_window();
    for (int i = 0; i < N; i++)
        values[i] = step * 100 + check_rank;
    CHECK_MPI(MPI_Win_fence(0, win));
    CHECK_MPI(MPI_Accumulate(values, N, MPI_LONG, right, 0, N, MPI_LONG, MPI_SUM, win));
    hold(step);
    CHECK_MPI(MPI_Win_fence(0, win));
    close_window(step * 100 + left - 1);
}

static void shared(long step, int right, int left)
{
    long *theirs;
    MPI_Aint n_bytes;
    int unit;

    CHECK_MPI(MPI_Win_allocate_shared(sizeof *memory, sizeof *memory, MPI_INFO_NULL,
                                      MPI_COMM_WORLD, &memory, &win));
    CHECK_MPI(MPI_Win_shared_query(win, right, &n_bytes, &unit, &theirs));
    CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
    *theirs = step * 100 + check_rank;
    hold(step);
    CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
    CHECK_EQ(*memory, step * 100 + left);
    check_note((uint64_t)*memory);
    CHECK_MPI(MPI_Win_free(&win));
}

static void file(long step)
{
    long value = step * 100 + check_rank, seen = 0;
    MPI_File fh;

    CHECK_MPI(MPI_File_open(MPI_COMM_WORLD, "obstacle", MPI_MODE_CREATE | MPI_MODE_RDWR,
                            MPI_INFO_NULL, &fh));
    CHECK_MPI(MPI_File_write_at(fh, 8 * check_rank, &value, 1, MPI_LONG,
                                MPI_STATUS_IGNORE));
    hold(step);
    CHECK_MPI(MPI_File_read_at(fh, 8 * check_rank, &seen, 1, MPI_LONG, MPI_STATUS_IGNORE));
    CHECK_EQ(seen, value);
    CHECK_MPI(MPI_File_close(&fh));
}

/* Several epochs; the test holds the ranks in the last one. */
static void puts_between_fences(long step, int right, int left)
{
    long values[N];

    open_window();
    hold(step);
    for (long epoch = 1; epoch <= 3; epoch++) {
        for (int i = 0; i < N; i++)
            values[i] = 1000 * epoch + check_rank;
        CHECK_MPI(MPI_Win_fence(0, win));
        CHECK_MPI(MPI_Put(values, N, MPI_LONG, right, 0, N, MPI_LONG, win));
        hold(step + epoch);
        CHECK_MPI(MPI_Win_fence(0, win));
        CHECK_EQ(memory[N - 1], 1000 * epoch + left);
    }
    close_window(3000 + left);
}

int main(int argc, char **argv)
{
    int right, left;

    CHECK_MPI(MPI_Init(&argc, &argv));
    check_begin("obstacles", argc, argv, 1);
    right = (check_rank + 1) % check_size;
    left = (check_rank + check_size - 1) % check_size;
    hold(0);
    locks(1, right, left);
    accumulates(2, right, left);
    shared(3, right, left);
    file(4);
    hold(5);
    puts_between_fences(6, right, left);
    check_end(1);
    MPI_Finalize();
    return 0;
}
