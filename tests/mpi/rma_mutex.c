/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Exclusive locks that all ranks want: a balance is read, changed and put back under the
 * lock of rank 0, which is held for long at times, over computing, sleeping and messages
 * to a rank that waits for none of it; a lock without an operation until much later, and
 * one without any.  A second window has a record at each rank whose parts must always
 * agree, seen by readers with shared locks.
 */
#include "rma.h"

#define PARTS 64

struct state {
    struct rma_window account, records;
    long changes; /* made by this rank */
};

static uint64_t amount(int rank, long step)
{
    return check_hash((uint64_t)rank + 1, (uint64_t)step) % 1000;
}

/* The last rank answers whoever holds the lock; it takes none itself while it does. */
static void serve(int n_questions)
{
    for (int i = 0; i < n_questions; i++) {
        MPI_Status status;
        long question;
        CHECK_MPI(
            MPI_Recv(&question, 1, MPI_LONG, MPI_ANY_SOURCE, 5, MPI_COMM_WORLD, &status));
        question = question * 2 + 1;
        CHECK_MPI(MPI_Send(&question, 1, MPI_LONG, status.MPI_SOURCE, 6, MPI_COMM_WORLD));
    }
}

static void ask(long step)
{
    long question = step * check_size + check_rank, answer = -1;

    CHECK_MPI(MPI_Send(&question, 1, MPI_LONG, check_size - 1, 5, MPI_COMM_WORLD));
    CHECK_MPI(MPI_Recv(&answer, 1, MPI_LONG, check_size - 1, 6, MPI_COMM_WORLD,
                       MPI_STATUS_IGNORE));
    CHECK_EQ(answer, question * 2 + 1);
}

/* Read, think, write: lost if anybody else gets the lock in between. */
static void change(struct state *s, long step)
{
    MPI_Win win = s->account.win;
    MPI_Aint at = rma_disp(&s->account, 0, 0);
    uint64_t values[2] = {0, 0};
    int serves = check_size > 2 && check_rank == check_size - 1;

    if (serves) {
        serve(check_size - 1);
        return;
    }
    CHECK_MPI(MPI_Win_lock(MPI_LOCK_EXCLUSIVE, 0, 0, win));
    if (step % 4 == 1)
        rma_dwell(
            check_hash((uint64_t)step, (uint64_t)check_rank)); /* no operation yet */
    CHECK_MPI(MPI_Get(values, 2, MPI_UINT64_T, 0, at, 2, MPI_UINT64_T, win));
    CHECK_MPI(MPI_Win_flush(0, win));
    CHECK_EQ(values[0], values[1]);
    if (check_size > 2)
        ask(step);
    if (step % 8 == check_rank % 8)
        check_sleep_ms(20);
    rma_dwell(check_hash((uint64_t)step + 7, (uint64_t)check_rank));
    values[0] += amount(check_rank, step);
    CHECK_MPI(MPI_Put(&values[0], 1, MPI_UINT64_T, 0, at, 1, MPI_UINT64_T, win));
    if (step % 3 == 0) {
        CHECK_MPI(MPI_Win_flush(0, win));
        rma_dwell(check_hash((uint64_t)step + 13, (uint64_t)check_rank));
    }
    values[1] += amount(check_rank, step);
    CHECK_MPI(MPI_Put(&values[1], 1, MPI_UINT64_T, 0,
                      rma_disp(&s->account, 0, sizeof values[0]), 1, MPI_UINT64_T, win));
    CHECK_MPI(MPI_Win_unlock(0, win));
    s->changes++;
}

/* A lock is taken and given back, nothing else. */
static void nothing(struct state *s, long step)
{
    int target = (int)((step + check_rank) % check_size);

    CHECK_MPI(MPI_Win_lock(MPI_LOCK_EXCLUSIVE, target, 0, s->records.win));
    rma_dwell(check_hash((uint64_t)step + 17, (uint64_t)check_rank));
    CHECK_MPI(MPI_Win_unlock(target, s->records.win));
}

/* All parts of a record are equal, whoever wrote it last. */
static void records(struct state *s, long step)
{
    uint64_t parts[PARTS], state = check_hash((uint64_t)step, (uint64_t)check_rank + 99);
    int target = check_below(&state, check_size), writes = check_below(&state, 2), i;
    MPI_Win win = s->records.win;

    CHECK_MPI(
        MPI_Win_lock(writes ? MPI_LOCK_EXCLUSIVE : MPI_LOCK_SHARED, target, 0, win));
    CHECK_MPI(MPI_Get(parts, PARTS, MPI_UINT64_T, target,
                      rma_disp(&s->records, target, 0), PARTS, MPI_UINT64_T, win));
    CHECK_MPI(MPI_Win_flush_local(target, win));
    for (i = 1; i < PARTS; i++)
        CHECK_EQ(parts[i], parts[0]);
    rma_dwell(check_random(&state));
    for (i = 0; writes && i < PARTS; i++) {
        parts[i]++;
        CHECK_MPI(MPI_Put(&parts[i], 1, MPI_UINT64_T, target,
                          rma_disp(&s->records, target, 8 * (size_t)i), 1, MPI_UINT64_T,
                          win));
        if (i == PARTS / 2)
            rma_dwell(check_random(&state));
    }
    CHECK_MPI(MPI_Win_unlock(target, win));
}

static uint64_t balance(const struct state *s)
{
    uint64_t values[2];

    CHECK_MPI(MPI_Win_lock(MPI_LOCK_SHARED, 0, 0, s->account.win));
    CHECK_MPI(MPI_Get(values, 2, MPI_UINT64_T, 0, rma_disp(&s->account, 0, 0), 2,
                      MPI_UINT64_T, s->account.win));
    CHECK_MPI(MPI_Win_unlock(0, s->account.win));
    CHECK_EQ(values[0], values[1]);
    return values[0];
}

int main(int argc, char **argv)
{
    struct state s = {0};
    uint64_t expected = 0;
    long steps;

    MPI_Init(&argc, &argv);
    steps = check_begin("rma_mutex", argc, argv, 120);
    rma_open(&s.account, RMA_CREATE, MPI_COMM_WORLD, 64, 8, MPI_INFO_NULL);
    rma_open(&s.records, RMA_ALLOCATE, MPI_COMM_WORLD, 8 * PARTS, 8, MPI_INFO_NULL);
    for (long step = 0; step < steps; step++) {
        change(&s, step);
        nothing(&s, step);
        records(&s, step);
        for (int i = 0; i < check_size; i++)
            if (check_size <= 2 || i != check_size - 1)
                expected += amount(i, step);
        if (step % 10 == 9) {
            CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
            CHECK_EQ(balance(&s), expected);
            check_note(expected);
            CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
        }
    }
    CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
    CHECK_EQ(balance(&s), expected);
    check_note((uint64_t)s.changes);
    rma_close(&s.account);
    rma_close(&s.records);
    check_end(steps);
    MPI_Finalize();
    return 0;
}
