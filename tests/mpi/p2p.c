/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Blocking sends of all modes, 0 bytes to 4 MiB, and blocking receives: in rings of every
 * shift, and many-to-one with MPI_ANY_SOURCE and MPI_ANY_TAG, where the order of each
 * source's messages is checked.
 */
#include "message.h"

enum mode { MODE_SEND, MODE_BSEND, MODE_SSEND, MODE_RSEND, MODES };
#define TAG_READY 9999

static char *out, *in, *attached;
static MPI_Comm wild; /* for receives with MPI_ANY_TAG, which would take the ring's */

static void send_one(enum mode mode, MPI_Comm comm, int n_bytes, int dest, int tag,
                     uint64_t seq)
{
    message_make(out, n_bytes, check_rank, dest, tag, seq);
    switch (mode) {
    case MODE_SEND:
        CHECK_MPI(MPI_Send(out, n_bytes, MPI_BYTE, dest, tag, comm));
        break;
    case MODE_BSEND:
        CHECK_MPI(MPI_Bsend(out, n_bytes, MPI_BYTE, dest, tag, comm));
        memset(out, 0xee, (size_t)n_bytes); /* the buffer is ours again */
        break;
    case MODE_SSEND:
        CHECK_MPI(MPI_Ssend(out, n_bytes, MPI_BYTE, dest, tag, comm));
        break;
    default:
        if (dest != check_rank)
            CHECK_MPI(MPI_Recv(NULL, 0, MPI_BYTE, dest, TAG_READY, MPI_COMM_WORLD,
                               MPI_STATUS_IGNORE));
        CHECK_MPI(MPI_Rsend(out, n_bytes, MPI_BYTE, dest, tag, comm));
    }
}

static void receive_one(enum mode mode, int n_bytes, int source, int tag, uint64_t seq)
{
    MPI_Status status;

    memset(in, 0xdd, (size_t)n_bytes + 1);
    if (mode == MODE_RSEND) {
        MPI_Request request;
        CHECK_MPI(
            MPI_Irecv(in, n_bytes, MPI_BYTE, source, tag, MPI_COMM_WORLD, &request));
        CHECK_MPI(MPI_Send(NULL, 0, MPI_BYTE, source, TAG_READY, MPI_COMM_WORLD));
        CHECK_MPI(MPI_Wait(&request, &status));
    } else {
        CHECK_MPI(MPI_Recv(in, n_bytes, MPI_BYTE, source, tag, MPI_COMM_WORLD, &status));
    }
    MESSAGE_STATUS(&status, n_bytes, source, tag);
    MESSAGE_CHECK(in, n_bytes, source, check_rank, tag, seq);
    CHECK_EQ((unsigned char)in[n_bytes], 0xdd);
    check_note(
        message_seed(&(struct message_head){source, check_rank, tag, n_bytes, seq}));
}

/* To myself: the receive has to be there first. */
static void to_self(enum mode mode, int n_bytes, int tag, uint64_t seq)
{
    MPI_Request request;
    MPI_Status status;

    CHECK_MPI(
        MPI_Irecv(in, n_bytes, MPI_BYTE, check_rank, tag, MPI_COMM_WORLD, &request));
    send_one(mode, MPI_COMM_WORLD, n_bytes, check_rank, tag, seq);
    CHECK_MPI(MPI_Wait(&request, &status));
    MESSAGE_STATUS(&status, n_bytes, check_rank, tag);
    MESSAGE_CHECK(in, n_bytes, check_rank, check_rank, tag, seq);
    check_note((uint64_t)n_bytes);
}

/* Every rank sends to rank + shift; one rank of each cycle receives first. */
static void ring(long step)
{
    uint64_t state = check_hash(1, (uint64_t)step);
    int shift = (int)(step % check_size), a = shift ? shift : check_size, b = check_size;
    enum mode mode = (enum mode)check_below(&state, MODES);
    int n_bytes = message_size(&state), tag = check_below(&state, 1000);
    int dest = (check_rank + shift) % check_size;
    int source = (check_rank - shift + check_size) % check_size;

    while (b) { /* the greatest common divisor is the number of cycles */
        int rest = a % b;
        a = b;
        b = rest;
    }
    if (shift == 0) {
        to_self(mode, n_bytes, tag, (uint64_t)step);
    } else if (check_rank < a) {
        receive_one(mode, n_bytes, source, tag, (uint64_t)step);
        send_one(mode, MPI_COMM_WORLD, n_bytes, dest, tag, (uint64_t)step);
    } else {
        send_one(mode, MPI_COMM_WORLD, n_bytes, dest, tag, (uint64_t)step);
        receive_one(mode, n_bytes, source, tag, (uint64_t)step);
    }
}

/* All send n messages to one rank, which does not say from whom it wants the next. */
static void many_to_one(long step, int root)
{
    enum { N = 6 };
    uint64_t next[64] = {0}, state = check_hash(2, (uint64_t)step);
    int tag = 2000 + check_below(&state, 100), any_tag = check_below(&state, 2), i;

    if (check_rank != root) {
        for (i = 0; i < N; i++) {
            uint64_t own =
                check_hash4(3, (uint64_t)step, (uint64_t)check_rank, (uint64_t)i);
            int n_bytes = message_size(&own) / 8 + 24;
            send_one((enum mode)(own % 3), wild, n_bytes, root, any_tag ? tag + i : tag,
                     (uint64_t)i);
        }
        return;
    }
    for (i = 0; i < N * (check_size - 1); i++) {
        MPI_Status status;
        struct message_head head;
        int count, source;

        CHECK_MPI(MPI_Recv(in, MESSAGE_MAX, MPI_BYTE, MPI_ANY_SOURCE,
                           any_tag ? MPI_ANY_TAG : tag, wild, &status));
        MPI_Get_count(&status, MPI_BYTE, &count);
        source = status.MPI_SOURCE;
        memcpy(&head, in, sizeof head);
        MESSAGE_STATUS(&status, head.n_bytes, head.source, head.tag);
        MESSAGE_CHECK(in, count, source, root, any_tag ? tag + (int)next[source] : tag,
                      next[source]);
        next[source]++;
    }
    for (i = 0; i < check_size; i++)
        CHECK_EQ(next[i], i == root ? 0 : N);
}

int main(int argc, char **argv)
{
    /* many_to_one() leaves at most N messages per step unreceived */
    int n_attached = 16 * MESSAGE_MAX, n_detached;
    long step, steps;
    void *detached;

    MPI_Init(&argc, &argv);
    steps = check_begin("p2p", argc, argv, 2000);
    MPI_Comm_dup(MPI_COMM_WORLD, &wild);
    out = check_alloc(MESSAGE_MAX);
    in = check_alloc(MESSAGE_MAX + 1);
    attached = check_alloc((size_t)n_attached);
    CHECK_MPI(MPI_Buffer_attach(attached, n_attached));
    for (step = 0; step < steps; step++) {
        ring(step);
        if (step % 8 == 0)
            many_to_one(step, (int)(step / 8 % check_size));
        if (step % 100 == 99) { /* waits for all buffered messages */
            CHECK_MPI(MPI_Buffer_detach(&detached, &n_detached));
            CHECK(detached == attached, "%p, not %p", detached, (void *)attached);
            CHECK_EQ(n_detached, n_attached);
            CHECK_MPI(MPI_Buffer_attach(attached, n_attached));
        }
    }
    CHECK_MPI(MPI_Buffer_detach(&detached, &n_detached));
    MPI_Comm_free(&wild);
    check_end(steps);
    MPI_Finalize();
    free(out);
    free(in);
    free(attached);
    return 0;
}
