/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One rank computes, or sleeps, for long without a call of MPI, and the others wait for
 * it in every call of one-sided communication that waits: a fence, a lock it holds, a
 * start before its post, a wait before its complete, a flush of what needs its help, the
 * end of its epochs, and making and freeing windows.
 */
#include "rma.h"

static struct rma_window create, allocate;
static long turn;
static int busy; /* the rank that computes */

static void be_busy(void)
{
    if (check_rank != busy)
        return;
    if (turn % 2)
        check_sleep_ms(250);
    else
        check_compute(200, (uint64_t)turn);
}

static struct rma_window *window(void)
{
    return turn / 2 % 2 ? &create : &allocate;
}

/* Add one to a word of the busy rank; returns what it had. */
static void add(struct rma_window *w)
{
    static const uint64_t one = 1;

    CHECK_MPI(MPI_Accumulate(&one, 1, MPI_UINT64_T, busy, rma_disp(w, busy, 0), 1,
                             MPI_UINT64_T, MPI_SUM, w->win));
}

static void wait_fence(void)
{
    struct rma_window *w = window();

    CHECK_MPI(MPI_Win_fence(0, w->win));
    add(w);
    be_busy();
    CHECK_MPI(MPI_Win_fence(MPI_MODE_NOSUCCEED, w->win));
}

static void wait_lock(void)
{
    struct rma_window *w = window();

    if (check_rank == busy)
        CHECK_MPI(MPI_Win_lock(MPI_LOCK_EXCLUSIVE, busy, 0, w->win));
    CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
    be_busy();
    if (check_rank != busy)
        CHECK_MPI(MPI_Win_lock(turn % 3 ? MPI_LOCK_EXCLUSIVE : MPI_LOCK_SHARED, busy, 0,
                               w->win));
    add(w);
    CHECK_MPI(MPI_Win_unlock(busy, w->win));
}

static void wait_start(void)
{
    struct rma_window *w = window();
    MPI_Group group;

    CHECK_MPI(MPI_Win_get_group(w->win, &group));
    be_busy();
    CHECK_MPI(MPI_Win_post(group, 0, w->win));
    CHECK_MPI(MPI_Win_start(group, 0, w->win));
    add(w);
    CHECK_MPI(MPI_Win_complete(w->win));
    CHECK_MPI(MPI_Win_wait(w->win));
    CHECK_MPI(MPI_Group_free(&group));
}

static void wait_wait(void)
{
    struct rma_window *w = window();
    MPI_Group group;
    int done = 0;

    CHECK_MPI(MPI_Win_get_group(w->win, &group));
    CHECK_MPI(MPI_Win_post(group, 0, w->win));
    CHECK_MPI(MPI_Win_start(group, 0, w->win));
    CHECK_MPI(MPI_Group_free(&group));
    add(w);
    be_busy();
    CHECK_MPI(MPI_Win_complete(w->win));
    while (turn % 3 == 0 && !done)
        CHECK_MPI(MPI_Win_test(w->win, &done));
    if (!done)
        CHECK_MPI(MPI_Win_wait(w->win));
}

static void wait_flush(void)
{
    struct rma_window *w = window();

    CHECK_MPI(MPI_Win_lock_all(0, w->win));
    be_busy();
    add(w);
    CHECK_MPI(MPI_Win_flush(busy, w->win));
    CHECK_MPI(MPI_Win_unlock_all(w->win));
}

static void wait_unlock(void)
{
    struct rma_window *w = window();

    CHECK_MPI(MPI_Win_lock_all(0, w->win));
    add(w);
    be_busy();
    CHECK_MPI(MPI_Win_unlock_all(w->win));
}

/* Another window is made and freed; the two that live are used as well. */
static void wait_collective(void)
{
    struct rma_window w;

    rma_open(&w, (enum rma_flavour)(turn % RMA_FLAVOURS), MPI_COMM_WORLD, 64, 8,
             MPI_INFO_NULL);
    CHECK_MPI(MPI_Win_lock(MPI_LOCK_SHARED, busy, 0, window()->win));
    add(window());
    CHECK_MPI(MPI_Win_unlock(busy, window()->win));
    be_busy();
    rma_close(&w);
    be_busy();
    rma_open(&w, (enum rma_flavour)((turn + 1) % RMA_FLAVOURS), MPI_COMM_WORLD, 8, 1,
             MPI_INFO_NULL);
    rma_close(&w);
}

static void (*const waits[])(void) = {wait_fence, wait_lock,   wait_start,     wait_wait,
                                      wait_flush, wait_unlock, wait_collective};

int main(int argc, char **argv)
{
    uint64_t *expected[2], found;
    long steps;

    MPI_Init(&argc, &argv);
    steps = check_begin("rma_waits", argc, argv, 21);
    rma_open(&create, RMA_CREATE, MPI_COMM_WORLD, 64, 8, MPI_INFO_NULL);
    rma_open(&allocate, RMA_ALLOCATE, MPI_COMM_WORLD, 64, 8, MPI_INFO_NULL);
    for (int i = 0; i < 2; i++)
        expected[i] = calloc((size_t)check_size, sizeof *expected[i]);
    for (turn = 0; turn < steps; turn++) {
        busy = (int)(turn % check_size);
        waits[turn % 7]();
        expected[window() == &create][busy] += (uint64_t)check_size;
        CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
        CHECK_MPI(MPI_Win_lock(MPI_LOCK_SHARED, check_rank, 0, window()->win));
        memcpy(&found, window()->base, 8);
        CHECK_MPI(MPI_Win_unlock(check_rank, window()->win));
        CHECK_EQ(found, expected[window() == &create][check_rank]);
        check_note(found);
        CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
    }
    rma_close(&create);
    rma_close(&allocate);
    check_end(steps);
    MPI_Finalize();
    return 0;
}
