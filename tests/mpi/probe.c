/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Probe, Iprobe, Mprobe, Improbe, Mrecv and Imrecv, with message handles that are kept
 * while many other messages pass.
 */
#include "message.h"

#define N_HELD 5
#define TAG_HELD 700

struct held {
    MPI_Message message;
    MPI_Request send; /* matched is not received: it may be active as long */
    char *out;
    int n_bytes, source, tag;
    uint64_t seq;
};

static struct held held[N_HELD];
static char *in;
static int left, right;

static int size_of(uint64_t seq)
{
    uint64_t state = seq;
    return message_size(&state);
}

static char *send_later(int n_bytes, int tag, uint64_t seq, MPI_Request *request)
{
    char *out = check_alloc((size_t)n_bytes);
    message_make(out, n_bytes, check_rank, right, tag, seq);
    CHECK_MPI(MPI_Isend(out, n_bytes, MPI_BYTE, right, tag, MPI_COMM_WORLD, request));
    return out;
}

/* Match one message now, to be received some steps later. */
static void hold(long step)
{
    struct held *h = &held[step % N_HELD];
    uint64_t seq = check_hash(7, (uint64_t)step);
    MPI_Status status;
    int tag = TAG_HELD + (int)(step % 3), flag = 0, n_bytes = size_of(seq);

    *h = (struct held){MPI_MESSAGE_NULL, MPI_REQUEST_NULL, NULL, n_bytes, left, tag, seq};
    h->out = send_later(n_bytes, tag, seq, &h->send);
    if (step & 1)
        CHECK_MPI(MPI_Mprobe(left, tag, MPI_COMM_WORLD, &h->message, &status));
    else
        while (!flag)
            CHECK_MPI(MPI_Improbe(MPI_ANY_SOURCE, tag, MPI_COMM_WORLD, &flag, &h->message,
                                  &status));
    MESSAGE_STATUS(&status, n_bytes, left, tag);
    CHECK(h->message != MPI_MESSAGE_NULL, "a matched message is null");
}

static void receive_held(long step)
{
    struct held *h = &held[step % N_HELD];
    MPI_Status status;

    if (h->n_bytes < 0)
        return;
    if (step & 1) {
        CHECK_MPI(MPI_Mrecv(in, MESSAGE_MAX, MPI_BYTE, &h->message, &status));
    } else {
        MPI_Request request;
        CHECK_MPI(MPI_Imrecv(in, MESSAGE_MAX, MPI_BYTE, &h->message, &request));
        CHECK_MPI(MPI_Wait(&request, &status));
    }
    CHECK(h->message == MPI_MESSAGE_NULL, "a received message is not null");
    MESSAGE_STATUS(&status, h->n_bytes, h->source, h->tag);
    MESSAGE_CHECK(in, h->n_bytes, h->source, check_rank, h->tag, h->seq);
    CHECK_MPI(MPI_Wait(&h->send, MPI_STATUS_IGNORE));
    free(h->out);
    check_note(h->seq);
    h->n_bytes = -1;
}

/* Probed several times, always the same message, then received. */
static void probe_twice(long step)
{
    uint64_t seq = check_hash(8, (uint64_t)step);
    int n_bytes = size_of(seq), flag = 0, tag = (int)(step % 100);
    MPI_Request request;
    MPI_Status status;
    char *out = send_later(n_bytes, tag, seq, &request);

    CHECK_MPI(MPI_Probe(left, tag, MPI_COMM_WORLD, &status));
    MESSAGE_STATUS(&status, n_bytes, left, tag);
    CHECK_MPI(MPI_Iprobe(MPI_ANY_SOURCE, tag, MPI_COMM_WORLD, &flag, &status));
    CHECK_EQ(flag, 1);
    MESSAGE_STATUS(&status, n_bytes, left, tag);
    CHECK_MPI(MPI_Recv(in, n_bytes, MPI_BYTE, left, tag, MPI_COMM_WORLD, &status));
    MESSAGE_STATUS(&status, n_bytes, left, tag);
    MESSAGE_CHECK(in, n_bytes, left, check_rank, tag, seq);
    CHECK_MPI(MPI_Wait(&request, MPI_STATUS_IGNORE));
    free(out);
    check_note(seq);
}

/* Two messages with one tag: Mprobe takes the first, then comes the second. */
static void in_order(long step)
{
    MPI_Request requests[2];
    MPI_Message message;
    MPI_Status status;
    int sizes[2] = {(int)(step % 4000), (int)(step % 3000) + 1}, tag = 300, k;
    char *out[2];

    for (k = 0; k < 2; k++)
        out[k] = send_later(sizes[k], tag, (uint64_t)(2 * step + k), &requests[k]);
    CHECK_MPI(MPI_Mprobe(left, tag, MPI_COMM_WORLD, &message, &status));
    MESSAGE_STATUS(&status, sizes[0], left, tag);
    CHECK_MPI(MPI_Recv(in, MESSAGE_MAX, MPI_BYTE, left, tag, MPI_COMM_WORLD, &status));
    MESSAGE_STATUS(&status, sizes[1], left, tag);
    MESSAGE_CHECK(in, sizes[1], left, check_rank, tag, (uint64_t)(2 * step + 1));
    CHECK_MPI(MPI_Mrecv(in, sizes[0], MPI_BYTE, &message, &status));
    MESSAGE_STATUS(&status, sizes[0], left, tag);
    MESSAGE_CHECK(in, sizes[0], left, check_rank, tag, (uint64_t)(2 * step));
    CHECK_MPI(MPI_Waitall(2, requests, MPI_STATUSES_IGNORE));
    free(out[0]);
    free(out[1]);
}

/* What is not there is not found, and MPI_PROC_NULL always is. */
static void nothing(void)
{
    MPI_Message message = MPI_MESSAGE_NO_PROC;
    MPI_Status status;
    int flag = 1;

    CHECK_MPI(MPI_Iprobe(MPI_ANY_SOURCE, 9876, MPI_COMM_WORLD, &flag, &status));
    CHECK_EQ(flag, 0);
    CHECK_MPI(MPI_Improbe(left, 9876, MPI_COMM_WORLD, &flag, &message, &status));
    CHECK_EQ(flag, 0);
    CHECK(message == MPI_MESSAGE_NULL, "not MPI_MESSAGE_NULL");
    CHECK_MPI(MPI_Mprobe(MPI_PROC_NULL, 1, MPI_COMM_WORLD, &message, &status));
    CHECK_EQ(status.MPI_SOURCE, MPI_PROC_NULL);
    CHECK(message == MPI_MESSAGE_NO_PROC, "not MPI_MESSAGE_NO_PROC");
    CHECK_MPI(MPI_Mrecv(in, 1, MPI_BYTE, &message, &status));
    MESSAGE_STATUS(&status, 0, MPI_PROC_NULL, MPI_ANY_TAG);
    CHECK(message == MPI_MESSAGE_NULL, "not MPI_MESSAGE_NULL");
}

int main(int argc, char **argv)
{
    long step, steps;
    int k;

    MPI_Init(&argc, &argv);
    steps = check_begin("probe", argc, argv, 1800);
    in = check_alloc(MESSAGE_MAX);
    left = (check_rank + check_size - 1) % check_size;
    right = (check_rank + 1) % check_size;
    for (k = 0; k < N_HELD; k++)
        held[k].n_bytes = -1;
    for (step = 0; step < steps; step++) {
        receive_held(step);
        hold(step);
        probe_twice(step);
        in_order(step);
        nothing();
    }
    for (k = 0; k < N_HELD; k++)
        receive_held(step + k);
    check_end(steps);
    MPI_Finalize();
    free(in);
    return 0;
}
