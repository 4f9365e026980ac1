/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages that are under way for long: sent many steps before their receive is posted,
 * received in another order; receives posted many steps before the send; rendezvous sends
 * nobody matches for long; a wildcard receive posted before a specific one; requests that
 * outlive their communicator.  At any instant some of each are pending.
 */
#include "message.h"

#define DEPTH 24
#define TAG_EARLY 100
#define TAG_POSTED 200
#define TAG_LARGE 300
#define TAG_WILD 400
#define TAG_ORPHAN 500
#define N_LARGE 300000
#define DEPTH_LARGE 4

static int left, right;
static long steps;
static MPI_Comm wild;

/* Unexpected: DEPTH small messages are sent, and only then received, last one first. */
static void unexpected(long step)
{
    static char out[DEPTH][3000], in[3000];
    static MPI_Request requests[DEPTH];
    int k = (int)(step % DEPTH), n = 24 + (int)(step * 37 % 2900);
    MPI_Status status;

    message_make(out[k], n, check_rank, right, TAG_EARLY + k, (uint64_t)step);
    CHECK_MPI(MPI_Isend(out[k], n, MPI_BYTE, right, TAG_EARLY + k, MPI_COMM_WORLD,
                        &requests[k]));
    if (k < DEPTH - 1)
        return;
    for (; k >= 0; k--, step--) {
        n = 24 + (int)(step * 37 % 2900);
        CHECK_MPI(MPI_Recv(in, sizeof in, MPI_BYTE, k % 2 ? left : MPI_ANY_SOURCE,
                           TAG_EARLY + k, MPI_COMM_WORLD, &status));
        MESSAGE_STATUS(&status, n, left, TAG_EARLY + k);
        MESSAGE_CHECK(in, n, left, check_rank, TAG_EARLY + k, (uint64_t)step);
        check_note((uint64_t)n);
    }
    CHECK_MPI(MPI_Waitall(DEPTH, requests, MPI_STATUSES_IGNORE));
}

/* Expected: DEPTH receives stand, the sends come DEPTH steps later. */
static void expected(long step)
{
    static char in[DEPTH][2000];
    static MPI_Request requests[DEPTH];
    char out[2000];
    int k = (int)(step % DEPTH), n = 24 + (int)(step * 53 % 1900);
    MPI_Status status;

    if (step >= DEPTH) {
        long old = step - DEPTH;
        int n_old = 24 + (int)(old * 53 % 1900);
        message_make(out, n_old, check_rank, left, TAG_POSTED, (uint64_t)old);
        CHECK_MPI(MPI_Send(out, n_old, MPI_BYTE, left, TAG_POSTED, MPI_COMM_WORLD));
        CHECK_MPI(MPI_Wait(&requests[k], &status));
        MESSAGE_STATUS(&status, n_old, right, TAG_POSTED);
        MESSAGE_CHECK(in[k], n_old, right, check_rank, TAG_POSTED, (uint64_t)old);
    }
    if (step < steps)
        CHECK_MPI(MPI_Irecv(in[k], n, MPI_BYTE, right, TAG_POSTED, MPI_COMM_WORLD,
                            &requests[k]));
}

/* Rendezvous sends that wait for their receive for DEPTH_LARGE * 8 steps. */
static void rendezvous(long step)
{
    static char *out[DEPTH_LARGE], *in;
    static MPI_Request requests[DEPTH_LARGE];
    long turn = step / 8;
    int k = (int)(turn % DEPTH_LARGE);
    MPI_Status status;

    if (step % 8 != 0)
        return;
    if (!in)
        in = check_alloc(N_LARGE);
    if (out[k] == NULL)
        out[k] = check_alloc(N_LARGE);
    if (turn >= DEPTH_LARGE) {
        CHECK_MPI(MPI_Recv(in, N_LARGE, MPI_BYTE, left, TAG_LARGE + k, MPI_COMM_WORLD,
                           &status));
        MESSAGE_STATUS(&status, N_LARGE, left, TAG_LARGE + k);
        MESSAGE_CHECK(in, N_LARGE, left, check_rank, TAG_LARGE + k,
                      (uint64_t)(turn - DEPTH_LARGE));
        CHECK_MPI(MPI_Wait(&requests[k], MPI_STATUS_IGNORE));
    }
    if (step >= steps)
        return;
    message_make(out[k], N_LARGE, check_rank, right, TAG_LARGE + k, (uint64_t)turn);
    CHECK_MPI((turn & 1 ? MPI_Isend : MPI_Issend)(
        out[k], N_LARGE, MPI_BYTE, right, TAG_LARGE + k, MPI_COMM_WORLD, &requests[k]));
}

/*
 * A wildcard receive stands before two specific ones; the messages come some steps later.
 * The first must go to the wildcard, though the second receive would match it as well.
 */
static void wildcard_first(long step)
{
    static char in[3][64];
    static MPI_Request requests[3];
    char out[64];
    MPI_Status status;
    int k, source[3] = {MPI_ANY_SOURCE, left, left}, phase = (int)(step % 10);
    int tag = TAG_WILD + (int)(step / 10 % 50);

    for (k = 0; phase == 0 && k < 3; k++)
        CHECK_MPI(MPI_Irecv(in[k], 64, MPI_BYTE, source[k], k == 0 ? MPI_ANY_TAG : tag,
                            wild, &requests[k]));
    if (phase == 4 || phase == 6 || phase == 9) {
        k = phase == 4 ? 0 : phase == 6 ? 1 : 2;
        message_make(out, 64, check_rank, right, tag, (uint64_t)(step / 10 * 3 + k));
        CHECK_MPI(MPI_Send(out, 64, MPI_BYTE, right, tag, wild));
    }
    for (k = 2; phase == 9 && k >= 0; k--) {
        CHECK_MPI(MPI_Wait(&requests[k], &status));
        MESSAGE_STATUS(&status, 64, left, tag);
        MESSAGE_CHECK(in[k], 64, left, check_rank, tag, (uint64_t)(step / 10 * 3 + k));
    }
}

/* The communicator is freed while messages on it are under way; they arrive. */
static void orphans(long step)
{
    static char out[2][64], in[2][64];
    static MPI_Request requests[4];
    MPI_Comm comm;
    MPI_Status statuses[4];
    int k, phase = (int)(step % 20);
    uint64_t seq = (uint64_t)(step - phase);

    if (phase == 3) {
        CHECK_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &comm));
        for (k = 0; k < 2; k++)
            CHECK_MPI(
                MPI_Irecv(in[k], 64, MPI_BYTE, left, TAG_ORPHAN + k, comm, &requests[k]));
        for (k = 0; k < 2; k++) {
            message_make(out[k], 64, check_rank, right, TAG_ORPHAN + k, seq);
            CHECK_MPI(MPI_Issend(out[k], 64, MPI_BYTE, right, TAG_ORPHAN + k, comm,
                                 &requests[2 + k]));
        }
        CHECK_MPI(MPI_Comm_free(&comm));
    }
    if (phase != 15)
        return;
    CHECK_MPI(MPI_Waitall(4, requests, statuses));
    for (k = 0; k < 2; k++) {
        MESSAGE_STATUS(&statuses[k], 64, left, TAG_ORPHAN + k);
        MESSAGE_CHECK(in[k], 64, left, check_rank, TAG_ORPHAN + k, seq);
    }
}

int main(int argc, char **argv)
{
    long step;

    MPI_Init(&argc, &argv);
    steps = check_begin("inflight", argc, argv, 1440);
    steps = (steps + 239) / 240 * 240; /* whole rounds of all parts */
    left = (check_rank + check_size - 1) % check_size;
    right = (check_rank + 1) % check_size;
    MPI_Comm_dup(MPI_COMM_WORLD, &wild);
    for (step = 0; step < steps; step++) {
        unexpected(step);
        expected(step);
        rendezvous(step);
        wildcard_first(step);
        orphans(step);
        if (step % 4 == check_rank % 4)
            check_sleep_ms(3); /* the others run ahead */
    }
    for (; step < steps + 8 * DEPTH_LARGE; step++) { /* what is still under way */
        if (step < steps + DEPTH)
            expected(step);
        rendezvous(step);
    }
    MPI_Comm_free(&wild);
    check_end(steps);
    MPI_Finalize();
    return 0;
}
