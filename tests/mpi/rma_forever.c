/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Windows that are locked from the first step to the last, as the libraries do that build
 * on one-sided communication: messages go round a ring as puts, noticed by polling the
 * own memory; requests stay pending over many steps and are completed in other orders
 * than they were made; a rank at times does nothing but compute.
 */
#include "rma.h"
#include <sched.h>
#include <stddef.h>

#define PAYLOAD 500 /* words of a message */
#define SLOTS 4     /* messages that may be on their way */
#define PENDING 12  /* requests */

struct slot {
    uint64_t number; /* written after the payload: of the message, from 1 */
    uint64_t payload[PAYLOAD];
};

/* A rank's memory. */
struct mailbox {
    struct slot slots[SLOTS];
    uint64_t taken; /* messages that the rank behind has taken out of its slots */
    uint64_t sum;   /* all accumulate into it */
    uint64_t blobs[PENDING][32], constant[64];
};

struct pending {
    MPI_Request request;
    uint64_t out[32], in[64];
    int is_get, target;
};

static struct rma_window box;
static struct pending pending[PENDING];
static int left, right;

static struct mailbox *mine(void)
{
    return (struct mailbox *)(void *)box.base;
}

static MPI_Aint at(int target, size_t offset)
{
    return rma_disp(&box, target, offset);
}

/* Replace a word elsewhere, undivided. */
static void word_put(uint64_t value, int target, size_t offset)
{
    CHECK_MPI(MPI_Accumulate(&value, 1, MPI_UINT64_T, target, at(target, offset), 1,
                             MPI_UINT64_T, MPI_REPLACE, box.win));
    CHECK_MPI(MPI_Win_flush(target, box.win));
}

/* Wait for a word of the own memory that another rank writes: by fetching it, or with
 * plain loads and anything that lets MPI progress. */
static void word_wait(size_t offset, uint64_t wanted, int by_loads)
{
    uint64_t found = 0, none = 0;
    int flag;

    for (;;) {
        if (by_loads) {
            CHECK_MPI(MPI_Win_sync(box.win));
            found = *(volatile uint64_t *)(box.base + offset);
            CHECK_MPI(
                MPI_Iprobe(MPI_ANY_SOURCE, 99, MPI_COMM_WORLD, &flag, MPI_STATUS_IGNORE));
        } else {
            CHECK_MPI(MPI_Fetch_and_op(&none, &found, MPI_UINT64_T, check_rank,
                                       at(check_rank, offset), MPI_NO_OP, box.win));
            CHECK_MPI(MPI_Win_flush(check_rank, box.win));
        }
        if (found >= wanted)
            return;
        sched_yield();
    }
}

static void message_send(long step)
{
    uint64_t payload[PAYLOAD];
    size_t slot = (size_t)(step % SLOTS) * sizeof(struct slot);

    if (step >= SLOTS)
        word_wait(offsetof(struct mailbox, taken), (uint64_t)(step - SLOTS + 1),
                  step % 2);
    check_fill(payload, sizeof payload, check_hash((uint64_t)check_rank, (uint64_t)step));
    CHECK_MPI(MPI_Put(payload, PAYLOAD, MPI_UINT64_T, right,
                      at(right, slot + offsetof(struct slot, payload)), PAYLOAD,
                      MPI_UINT64_T, box.win));
    CHECK_MPI(MPI_Win_flush(right, box.win));
    rma_dwell(check_hash((uint64_t)step, (uint64_t)check_rank));
    word_put((uint64_t)step + 1, right, slot);
}

static void message_take(long step)
{
    size_t slot = (size_t)(step % SLOTS) * sizeof(struct slot);

    word_wait(slot, (uint64_t)step + 1, step % 3 > 0);
    CHECK_MPI(MPI_Win_sync(box.win));
    CHECK_FILLED(mine()->slots[step % SLOTS].payload, 8 * PAYLOAD,
                 check_hash((uint64_t)left, (uint64_t)step));
    word_put((uint64_t)step + 1, left, offsetof(struct mailbox, taken));
}

/* Complete a pending request, if there is one, and make another. */
static void request_renew(long step)
{
    int i = (int)(check_mix((uint64_t)step) % PENDING);
    struct pending *p = &pending[i];

    if (p->request != MPI_REQUEST_NULL) {
        CHECK_MPI(MPI_Wait(&p->request, MPI_STATUS_IGNORE));
        if (p->is_get)
            CHECK_FILLED(p->in, sizeof p->in, (uint64_t)p->target + 1000);
    }
    p->is_get = check_mix((uint64_t)step + 5) % 2 == 0;
    p->target = (int)(check_mix((uint64_t)(step + check_rank)) % (uint64_t)check_size);
    if (p->is_get) {
        memset(p->in, 0, sizeof p->in);
        CHECK_MPI(MPI_Rget(p->in, 64, MPI_UINT64_T, p->target,
                           at(p->target, offsetof(struct mailbox, constant)), 64,
                           MPI_UINT64_T, box.win, &p->request));
    } else {
        p->target = right; /* its blobs are this rank's to write */
        check_fill(p->out, sizeof p->out, (uint64_t)step);
        CHECK_MPI(MPI_Rput(
            p->out, 32, MPI_UINT64_T, right,
            at(right, offsetof(struct mailbox, blobs) + sizeof p->out * (size_t)i), 32,
            MPI_UINT64_T, box.win, &p->request));
    }
}

/* All that is pending becomes complete, though not freed, by a flush. */
static void requests_flush(long step)
{
    uint64_t back[32];

    CHECK_MPI(MPI_Win_flush_all(box.win));
    rma_dwell(check_hash((uint64_t)step, (uint64_t)check_rank + 50) & ~(uint64_t)7);
    for (int i = 0; i < PENDING; i++) {
        struct pending *p = &pending[i];
        if (p->request == MPI_REQUEST_NULL || p->is_get)
            continue;
        CHECK_MPI(
            MPI_Get(back, 32, MPI_UINT64_T, right,
                    at(right, offsetof(struct mailbox, blobs) + sizeof back * (size_t)i),
                    32, MPI_UINT64_T, box.win));
        CHECK_MPI(MPI_Win_flush_local(right, box.win));
        CHECK(memcmp(back, p->out, sizeof back) == 0, "what request %d has put", i);
    }
}

static void requests_end(void)
{
    MPI_Request requests[PENDING];
    int n = PENDING, index;

    for (int i = 0; i < PENDING; i++)
        requests[i] = pending[i].request;
    for (; n > 0; n--) {
        CHECK_MPI(MPI_Waitany(PENDING, requests, &index, MPI_STATUS_IGNORE));
        if (index == MPI_UNDEFINED)
            break;
    }
}

static void run(enum rma_flavour flavour, long first, long steps)
{
    uint64_t one = 1, sum = 0, none = 0;

    rma_open(&box, flavour, MPI_COMM_WORLD, sizeof(struct mailbox), 1, MPI_INFO_NULL);
    check_fill(mine()->constant, sizeof mine()->constant, (uint64_t)check_rank + 1000);
    for (int i = 0; i < PENDING; i++)
        pending[i].request = MPI_REQUEST_NULL;
    CHECK_MPI(MPI_Win_lock_all(MPI_MODE_NOCHECK, box.win));
    CHECK_MPI(MPI_Win_sync(box.win));
    CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
    for (long step = 0; step < steps; step++) {
        message_send(step);
        CHECK_MPI(MPI_Accumulate(&one, 1, MPI_UINT64_T, 0,
                                 at(0, offsetof(struct mailbox, sum)), 1, MPI_UINT64_T,
                                 MPI_SUM, box.win));
        request_renew(first + step);
        message_take(step);
        if (step % 20 == 19)
            requests_flush(step);
        if (step % 64 == 5 * (check_rank + 1))
            check_compute(100, (uint64_t)step);
    }
    requests_end();
    CHECK_MPI(MPI_Win_flush_all(box.win));
    CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
    CHECK_MPI(MPI_Fetch_and_op(&none, &sum, MPI_UINT64_T, 0,
                               at(0, offsetof(struct mailbox, sum)), MPI_NO_OP, box.win));
    CHECK_MPI(MPI_Win_unlock_all(box.win));
    CHECK_EQ(sum, steps * check_size);
    check_note(sum);
    rma_close(&box);
}

int main(int argc, char **argv)
{
    long steps;

    MPI_Init(&argc, &argv);
    steps = check_begin("rma_forever", argc, argv, 240);
    left = (check_rank + check_size - 1) % check_size;
    right = (check_rank + 1) % check_size;
    run(RMA_ALLOCATE, 0, steps / 2);
    run(RMA_CREATE, steps, steps - steps / 2);
    check_end(steps);
    MPI_Finalize();
    return 0;
}
