/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A window of all ranks.  Rank 1 works on the segment of rank 0, which makes no call
 * meanwhile: puts, gets, accumulates under locks.  Rank 2 reaches into it once, late.
 * The others have no part in it.  Rank 1 has much memory, so saving it takes long.
 */
#include "hold.h"

#define N 256
#define ROUNDS 40
#define MANY (64 << 20)

static long *memory;
static MPI_Win win;

/* Each round adds 1 to the first half and puts its number into the second. */
static void work(long first, long end)
{
    long ones[N / 2], rounds[N / 2], seen;

    for (long round = first; round < end; round++) {
        for (int i = 0; i < N / 2; i++) {
            ones[i] = 1;
            rounds[i] = round;
        }
        CHECK_MPI(MPI_Win_lock(MPI_LOCK_EXCLUSIVE, 0, 0, win));
        CHECK_MPI(MPI_Accumulate(ones, N / 2, MPI_LONG, 0, 0, N / 2, MPI_LONG, MPI_SUM, win));
        CHECK_MPI(MPI_Put(rounds, N / 2, MPI_LONG, 0, N / 2, N / 2, MPI_LONG, win));
        CHECK_MPI(MPI_Win_unlock(0, win));
        CHECK_MPI(MPI_Win_lock(MPI_LOCK_SHARED, 0, 0, win));
        CHECK_MPI(MPI_Get(&seen, 1, MPI_LONG, 0, round % (N / 2), 1, MPI_LONG, win));
        CHECK_MPI(MPI_Win_unlock(0, win));
        CHECK_EQ(seen, round + 1);
        check_note((uint64_t)seen);
    }
}

static void reach(void)
{
    long values[N];

    for (int i = 0; i < N; i++)
        values[i] = 7000 + i;
    hold_mark("reaches", 0);
    CHECK_MPI(MPI_Win_lock(MPI_LOCK_EXCLUSIVE, 0, 0, win));
    CHECK_MPI(MPI_Put(values, N, MPI_LONG, 0, N, N, MPI_LONG, win));
    CHECK_MPI(MPI_Win_unlock(0, win));
    hold_mark("reached", 0);
}

static void look(void)
{
    for (int i = 0; i < N / 2; i++) {
        CHECK_EQ(memory[i], 2 * ROUNDS);
        CHECK_EQ(memory[N / 2 + i], 2 * ROUNDS - 1);
    }
    for (int i = 0; i < N; i++)
        CHECK_EQ(memory[N + i], 7000 + i);
    check_note((uint64_t)memory[0]);
}

int main(int argc, char **argv)
{
    char *many = NULL;

    CHECK_MPI(MPI_Init(&argc, &argv));
    check_begin("reach", argc, argv, 1);
    if (check_rank == 1) {
        many = check_alloc(MANY);
        check_fill(many, MANY, 5);
    }
    CHECK_MPI(MPI_Win_allocate(2 * N * sizeof *memory, sizeof *memory, MPI_INFO_NULL,
                               MPI_COMM_WORLD, &memory, &win));
    memset(memory, 0, 2 * N * sizeof *memory);
    CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
    hold(0);
    if (check_rank == 1)
        work(0, ROUNDS);
    hold(1);
    if (check_rank == 1)
        work(ROUNDS, 2 * ROUNDS);
    if (check_rank == 2)
        reach();
    hold(2);
    CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
    if (check_rank == 0)
        look();
    if (many != NULL)
        CHECK_FILLED(many, MANY, 5);
    free(many);
    CHECK_MPI(MPI_Win_free(&win));
    check_end(1);
    MPI_Finalize();
    return 0;
}
