/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nonblocking sends and receives, completed in another order than they were started, by
 * each of the functions that wait or test.
 */
#include "message.h"

#define N_PER_PEER 3
#define MAX_REQUESTS (2 * N_PER_PEER * 64)

/* One message that has to come or go; `n_bytes` of a receive is what the sender sends. */
struct transfer {
    char *buffer;
    int n_bytes, peer, tag, is_receive, done;
    uint64_t seq;
};

static struct transfer transfers[MAX_REQUESTS];
static MPI_Request requests[MAX_REQUESTS];
static MPI_Status statuses[MAX_REQUESTS];
static int indices[MAX_REQUESTS];
static int n_transfers, n_done;

/* A request has completed: check the status and the message, once. */
static void complete(int i, const MPI_Status *status)
{
    struct transfer *t = &transfers[i];

    CHECK(i >= 0 && i < n_transfers, "index %d of %d", i, n_transfers);
    CHECK(requests[i] == MPI_REQUEST_NULL, "request %d is not null after completion", i);
    CHECK(!t->done, "request %d completed twice", i);
    t->done = 1;
    n_done++;
    if (!t->is_receive)
        return;
    MESSAGE_STATUS(status, t->n_bytes, t->peer, t->tag);
    MESSAGE_CHECK(t->buffer, t->n_bytes, t->peer, check_rank, t->tag, t->seq);
    CHECK_EQ((unsigned char)t->buffer[t->n_bytes], 0xdd);
    check_digest += check_hash(t->seq, (uint64_t)t->n_bytes); /* in any order */
}

static void start(int is_receive, int peer, int n_bytes, int tag, uint64_t seq)
{
    int i = n_transfers++;
    struct transfer *t = &transfers[i];

    *t = (struct transfer){
        check_alloc((size_t)n_bytes + 1), n_bytes, peer, tag, is_receive, 0, seq};
    if (is_receive) {
        memset(t->buffer, 0xdd, (size_t)n_bytes + 1);
        CHECK_MPI(MPI_Irecv(t->buffer, n_bytes, MPI_BYTE, peer, tag, MPI_COMM_WORLD,
                            &requests[i]));
        return;
    }
    message_make(t->buffer, n_bytes, check_rank, peer, tag, seq);
    CHECK_MPI((seq % 3 == 0   ? MPI_Issend
               : seq % 3 == 1 ? MPI_Isend
                              : MPI_Ibsend)(t->buffer, n_bytes, MPI_BYTE, peer, tag,
                                            MPI_COMM_WORLD, &requests[i]));
}

/* Both ends of a message know all about it. */
static void start_all(long step)
{
    int peer, k, direction;

    n_transfers = n_done = 0;
    for (direction = 0; direction < 2; direction++) {
        for (peer = 0; peer < check_size; peer++) {
            for (k = 0; k < N_PER_PEER; k++) {
                int is_receive = direction == (step & 1);
                int source = is_receive ? peer : check_rank;
                int dest = is_receive ? check_rank : peer;
                uint64_t state = check_hash4((uint64_t)step, (uint64_t)source,
                                             (uint64_t)dest, (uint64_t)k);
                int n_bytes = message_size(&state);
                start(is_receive, peer, n_bytes, k, state);
            }
        }
    }
}

static void one_by_one(uint64_t *state)
{
    while (n_done < n_transfers) {
        int i = check_below(state, n_transfers), flag = 1;
        MPI_Status status;

        if (transfers[i].done) {
            CHECK_MPI(MPI_Wait(&requests[i], &status)); /* null: an empty status */
            CHECK_EQ(status.MPI_SOURCE, MPI_ANY_SOURCE);
            continue;
        }
        if (check_below(state, 2)) {
            CHECK_MPI(MPI_Request_get_status(requests[i], &flag, &status));
            CHECK(requests[i] != MPI_REQUEST_NULL, "request %d was freed", i);
            if (flag && transfers[i].is_receive)
                MESSAGE_STATUS(&status, transfers[i].n_bytes, transfers[i].peer,
                               transfers[i].tag);
        }
        CHECK_MPI(MPI_Test(&requests[i], &flag, &status));
        if (flag)
            complete(i, &status);
    }
}

/* A receive by MPI_Wait cannot be stopped by our own sends: the others' receives are
 * all posted before they wait. */
static void wait_backwards(void)
{
    for (int i = n_transfers - 1; i >= 0; i--) {
        MPI_Status status;
        CHECK_MPI(MPI_Wait(&requests[i], &status));
        complete(i, &status);
    }
}

static void by_any(int test)
{
    MPI_Status status;
    int i, flag;

    while (n_done < n_transfers) {
        flag = 1;
        if (test)
            CHECK_MPI(MPI_Testany(n_transfers, requests, &i, &flag, &status));
        else
            CHECK_MPI(MPI_Waitany(n_transfers, requests, &i, &status));
        if (flag)
            complete(i, &status);
    }
    if (test)
        CHECK_MPI(MPI_Testany(n_transfers, requests, &i, &flag, &status));
    else
        CHECK_MPI(MPI_Waitany(n_transfers, requests, &i, &status));
    CHECK_EQ(i, MPI_UNDEFINED);
}

static void by_some(int test)
{
    int n, k;

    while (n_done < n_transfers) {
        CHECK_MPI((test ? MPI_Testsome : MPI_Waitsome)(n_transfers, requests, &n, indices,
                                                       statuses));
        CHECK(n >= !test && n <= n_transfers - n_done, "%d completed of %d", n,
              n_transfers - n_done);
        for (k = 0; k < n; k++)
            complete(indices[k], &statuses[k]);
    }
    CHECK_MPI((test ? MPI_Testsome : MPI_Waitsome)(n_transfers, requests, &n, indices,
                                                   statuses));
    CHECK_EQ(n, MPI_UNDEFINED);
}

static void by_all(int test)
{
    int flag = 0, i;

    if (!test)
        CHECK_MPI(MPI_Waitall(n_transfers, requests, statuses));
    while (test && !flag) {
        CHECK_MPI(MPI_Testall(n_transfers, requests, &flag, statuses));
        for (i = 0; !flag && i < n_transfers; i++)
            CHECK(requests[i] != MPI_REQUEST_NULL, "request %d freed by a failed test",
                  i);
    }
    for (i = 0; i < n_transfers; i++)
        complete(i, &statuses[i]);
}

int main(int argc, char **argv)
{
    long step, steps;
    int n_attached, i;
    void *attached;

    MPI_Init(&argc, &argv);
    steps = check_begin("nonblock", argc, argv, 600);
    n_attached = check_size * N_PER_PEER * (MESSAGE_MAX + MPI_BSEND_OVERHEAD) / 2;
    attached = check_alloc((size_t)n_attached);
    CHECK_MPI(MPI_Buffer_attach(attached, n_attached));
    for (step = 0; step < steps; step++) {
        uint64_t state = check_hash((uint64_t)step, (uint64_t)check_rank);
        start_all(step);
        switch (step % 8) {
        case 0:
            one_by_one(&state);
            break;
        case 1:
            wait_backwards();
            break;
        case 2:
            by_any(0);
            break;
        case 3:
            by_any(1);
            break;
        case 4:
            by_some(0);
            break;
        case 5:
            by_some(1);
            break;
        case 6:
            by_all(0);
            break;
        default:
            by_all(1);
        }
        for (i = 0; i < n_transfers; i++)
            free(transfers[i].buffer);
    }
    CHECK_MPI(MPI_Buffer_detach(&attached, &n_attached));
    free(attached);
    check_end(steps);
    MPI_Finalize();
    return 0;
}
