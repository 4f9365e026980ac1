/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A stencil in a shared window: each rank computes its part by plain loads and stores,
 * and loads its neighbours' edges from their memory.  Ranks keep in step by
 * MPI_Win_sync and barriers, or by counters in the shared memory that they spin on
 * without a call of MPI.  Children that are forked see the memory, and store into it.
 */
#include "rma.h"
#include <sched.h>
#include <stdatomic.h>
#include <sys/wait.h>

#define CELLS 20000

/* A rank's segment. */
struct part {
    _Atomic uint64_t generation; /* of the cells that neighbours may load */
    _Atomic uint64_t taken;      /* and that this rank has loaded of its neighbours */
    uint64_t from_child;
    uint64_t cells[2][CELLS];
};

static struct part **parts; /* of all ranks, in this rank's memory */
static uint64_t *expected[2];

static uint64_t next(uint64_t left, uint64_t here, uint64_t right)
{
    return left * 3 + here * 5 + (right ^ here >> 7);
}

/* The whole field, computed by every rank for itself. */
static void reference(long step)
{
    const uint64_t *from = expected[step % 2];
    uint64_t *to = expected[1 - step % 2];
    size_t n = (size_t)check_size * CELLS;

    for (size_t i = 0; i < n; i++)
        to[i] = next(from[(i + n - 1) % n], from[i], from[(i + 1) % n]);
}

static void compute(long step)
{
    int from = (int)(step % 2);
    const uint64_t *cells = parts[check_rank]->cells[from];
    uint64_t *to = parts[check_rank]->cells[1 - from];
    const struct part *left = parts[(check_rank + check_size - 1) % check_size],
                      *right = parts[(check_rank + 1) % check_size];

    for (int i = 0; i < CELLS; i++)
        to[i] = next(i > 0 ? cells[i - 1] : left->cells[from][CELLS - 1], cells[i],
                     i < CELLS - 1 ? cells[i + 1] : right->cells[from][0]);
}

/* Wait until both neighbours' counters have the value, without MPI. */
static void spin(long value, int taken)
{
    for (int side = 1; side <= 2; side++) {
        struct part *p =
            parts[(check_rank + (side == 1 ? 1 : check_size - 1)) % check_size];
        while (atomic_load(taken ? &p->taken : &p->generation) < (uint64_t)value)
            sched_yield();
    }
}

static void step_by_spinning(long step)
{
    atomic_store(&parts[check_rank]->generation, (uint64_t)step);
    spin(step, 0);
    compute(step);
    atomic_store(&parts[check_rank]->taken, (uint64_t)step + 1);
    spin(step + 1, 1);
}

static void step_by_barrier(MPI_Win win, long step)
{
    CHECK_MPI(MPI_Win_sync(win));
    CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
    CHECK_MPI(MPI_Win_sync(win));
    compute(step);
    CHECK_MPI(MPI_Win_sync(win));
    CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
    atomic_store(&parts[check_rank]->generation, (uint64_t)step);
    atomic_store(&parts[check_rank]->taken, (uint64_t)step + 1);
}

/* A child compares all parts with the reference, and stores a word. */
static void fork_child(long step)
{
    int status = -1, from = (int)(step % 2), wrong = 0;
    pid_t child;

    CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD)); /* the step is done everywhere */
    CHECK_SYS(child = fork());
    if (child == 0) {
        for (int i = 0; i < check_size; i++)
            wrong |= memcmp(parts[i]->cells[from], expected[from] + (size_t)i * CELLS,
                            sizeof parts[i]->cells[from]) != 0;
        parts[check_rank]->from_child = (uint64_t)step;
        _exit(wrong);
    }
    while (waitpid(child, &status, 0) == -1 && errno == EINTR)
        ;
    CHECK_EQ(status, 0);
    if (check_size > 1) /* Open MPI 4.1 has private memory for one rank */
        CHECK_EQ(parts[check_rank]->from_child, step);
    CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
}

int main(int argc, char **argv)
{
    struct rma_window w;
    long steps;
    MPI_Aint bytes;
    int unit;

    MPI_Init(&argc, &argv);
    steps = check_begin("rma_stencil", argc, argv, 600);
    rma_open(&w, RMA_SHARED, MPI_COMM_WORLD, sizeof(struct part), 1, MPI_INFO_NULL);
    parts = check_alloc((size_t)check_size * sizeof *parts);
    expected[0] = check_alloc((size_t)check_size * CELLS * 8);
    expected[1] = check_alloc((size_t)check_size * CELLS * 8);
    for (int i = 0; i < check_size; i++) {
        CHECK_MPI(MPI_Win_shared_query(w.win, i, &bytes, &unit, &parts[i]));
        CHECK_EQ(bytes, sizeof(struct part));
        check_fill(expected[0] + (size_t)i * CELLS, CELLS * 8, (uint64_t)i + 5);
    }
    check_fill(parts[check_rank]->cells[0], CELLS * 8, (uint64_t)check_rank + 5);
    CHECK_MPI(MPI_Win_lock_all(0, w.win));
    CHECK_MPI(MPI_Win_sync(w.win));
    CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
    for (long step = 0; step < steps; step++) {
        if (step / 50 % 2)
            step_by_spinning(step);
        else
            step_by_barrier(w.win, step);
        reference(step);
        CHECK(memcmp(parts[check_rank]->cells[1 - step % 2],
                     expected[1 - step % 2] + (size_t)check_rank * CELLS, CELLS * 8) == 0,
              "the cells after step %ld", step);
        if (step % 50 == 49)
            fork_child(step + 1);
    }
    check_note(parts[check_rank]->cells[steps % 2][CELLS / 3]);
    CHECK_MPI(MPI_Win_unlock_all(w.win));
    rma_close(&w);
    check_end(steps);
    MPI_Finalize();
    return 0;
}
