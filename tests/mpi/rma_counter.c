/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Exactly once: tickets are drawn by fetch-and-op from a counter until a number is
 * reached, each by one rank, and cells of a hash table spread over the ranks are claimed
 * by compare-and-swap.  An operation that a restart did again, or lost, is found: by the
 * sum of the tickets, by a ticket that was drawn twice, by a key that is in the table
 * twice or not at all.
 */
#include "rma.h"

#define TICKETS 200 /* in a step, and keys */
#define CELLS 512   /* of the table, in each rank */

/* Draw tickets up to the end of this step's, and mark each as drawn. */
static void tickets(const struct rma_window *w, long step)
{
    const uint64_t one = 1, end = (uint64_t)(step + 1) * TICKETS;
    uint64_t ticket = 0, before = 0;
    int home = (int)(step % check_size);

    for (;;) {
        CHECK_MPI(MPI_Fetch_and_op(&one, &ticket, MPI_UINT64_T, 0, rma_disp(w, 0, 0),
                                   MPI_SUM, w->win));
        CHECK_MPI(MPI_Win_flush(0, w->win));
        if (ticket >= end)
            break;
        CHECK_MPI(MPI_Fetch_and_op(&one, &before, MPI_UINT64_T, home,
                                   rma_disp(w, home, 8 * (1 + ticket % TICKETS)), MPI_SUM,
                                   w->win));
        CHECK_MPI(MPI_Win_flush(home, w->win));
        CHECK(before % 2 == 0, "ticket %" PRIu64 " was drawn twice", ticket);
        rma_dwell(check_hash((uint64_t)check_rank, ticket) | 1);
    }
    CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
    for (size_t i = 1; check_rank == home && i <= TICKETS; i++) {
        uint64_t drawn;
        MPI_Win_sync(w->win);
        memcpy(&drawn, w->base + 8 * i, 8);
        CHECK_EQ(drawn % 2, 1);
        drawn++;
        memcpy(w->base + 8 * i, &drawn, 8);
    }
    /* the draws beyond the end, one by each rank, are taken back */
    if (check_rank == 0) {
        CHECK_MPI(MPI_Fetch_and_op(&end, &ticket, MPI_UINT64_T, 0, rma_disp(w, 0, 0),
                                   MPI_REPLACE, w->win));
        CHECK_MPI(MPI_Win_flush(0, w->win));
        CHECK_EQ(ticket, end + (uint64_t)check_size);
    }
    CHECK_MPI(MPI_Win_sync(w->win));
    CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
}

static uint64_t key_of(long step, int rank, int i)
{
    return check_hash4(77, (uint64_t)step, (uint64_t)rank, (uint64_t)i) | 1;
}

/* Put a key into the first free cell from its place on: only one rank gets that. */
static void insert(const struct rma_window *w, uint64_t key, int target)
{
    const uint64_t empty = 0;
    uint64_t found = 1;
    size_t cell = key / 64 % CELLS;

    for (int i = 0; i < CELLS && found != empty; i++, cell = (cell + 1) % CELLS) {
        CHECK_MPI(MPI_Compare_and_swap(&key, &empty, &found, MPI_UINT64_T, target,
                                       rma_disp(w, target, 8 * cell), w->win));
        CHECK_MPI(MPI_Win_flush(target, w->win));
        CHECK(found != key, "key %" PRIx64 " was there already", key);
    }
    CHECK(found == empty, "no cell for a key");
}

/* A window whose flavour cannot swap at the own rank gives keys to others only. */
static int target_of(const struct rma_window *w, uint64_t key, int rank)
{
    if (w->flavour == RMA_SHARED)
        return (int)(key / 2 % (uint64_t)check_size);
    return (rank + 1 + (int)(key / 2 % (uint64_t)(check_size - 1))) % check_size;
}

static void table(const struct rma_window *w, long step)
{
    const int n = CELLS / 2 / check_size;
    uint64_t expected = 0, found = 0, cell;

    for (int i = 0; i < n; i++) {
        uint64_t key = key_of(step, check_rank, i);
        insert(w, key, target_of(w, key, check_rank));
        rma_dwell(key | 1);
    }
    CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
    CHECK_MPI(MPI_Win_sync(w->win));
    for (int rank = 0; rank < check_size; rank++)
        for (int i = 0; i < n; i++) {
            uint64_t key = key_of(step, rank, i);
            if (target_of(w, key, rank) == check_rank)
                expected += check_mix(key);
        }
    for (size_t i = 0; i < CELLS; i++) {
        memcpy(&cell, w->base + 8 * i, 8);
        found += cell ? check_mix(cell) : 0;
    }
    CHECK_EQ(found, expected);
    check_note(found);
    memset(w->base, 0, 8 * CELLS);
    CHECK_MPI(MPI_Win_sync(w->win));
    CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
}

int main(int argc, char **argv)
{
    struct rma_window windows[RMA_FLAVOURS], tables[2];
    long steps;

    MPI_Init(&argc, &argv);
    steps = check_begin("rma_counter", argc, argv, 8);
    for (int i = 0; i < RMA_FLAVOURS; i++) {
        rma_open(&windows[i], (enum rma_flavour)i, MPI_COMM_WORLD, 8 * (TICKETS + 1), 8,
                 MPI_INFO_NULL);
        CHECK_MPI(MPI_Win_lock_all(0, windows[i].win));
    }
    rma_open(&tables[0], RMA_SHARED, MPI_COMM_WORLD, 8 * CELLS, 8, MPI_INFO_NULL);
    rma_open(&tables[1], check_size > 1 ? RMA_CREATE : RMA_SHARED, MPI_COMM_WORLD,
             8 * CELLS, 8, MPI_INFO_NULL);
    CHECK_MPI(MPI_Win_lock_all(0, tables[0].win));
    CHECK_MPI(MPI_Win_lock_all(MPI_MODE_NOCHECK, tables[1].win));
    for (long step = 0; step < steps; step++) {
        const struct rma_window *w = &windows[step % RMA_FLAVOURS];
        tickets(w, step / RMA_FLAVOURS);
        table(&tables[step % 2], step);
    }
    for (int i = 0; i < RMA_FLAVOURS; i++) {
        CHECK_MPI(MPI_Win_unlock_all(windows[i].win));
        rma_close(&windows[i]);
    }
    for (int i = 0; i < 2; i++) {
        CHECK_MPI(MPI_Win_unlock_all(tables[i].win));
        rma_close(&tables[i]);
    }
    check_end(steps);
    MPI_Finalize();
    return 0;
}
