/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Synchronous sends: none is complete before its receive has begun, each message comes once
 * and in its order, whatever kinds of sends and receives are mixed.
 *
 *   exchange  the sparse exchange of Hoefler et al.: MPI_Issend, MPI_Iprobe, MPI_Ibarrier.
 *             One that is complete too early ends a round before its message was received
 *   causal    what is sent after a synchronous send is complete must not be there before the
 *             receive has begun: by MPI_Ssend, Issend and Ssend_init, to a receiver that
 *             probes, computes, matches by MPI_Mprobe, or has sent something itself
 *   between   the same over an intercommunicator
 *   freed     on a communicator that is freed while the send is open
 *   order     streams of sends of all kinds, received by wildcards in all ways
 *   threads   with MPI_THREAD_MULTIPLE, each on its own tag
 */
#include <pthread.h>
#include <sched.h>

#include "message.h"

enum { TAG_ROUND = 10, TAG_FIRST = 20, TAG_AFTER = 30, TAG_STREAM = 40, N_TAGS = 3 };
enum { N_MAX = 24, LARGE = 100000 };

static uint64_t state;
static MPI_Comm comm;

/* Most are short; a checkpoint falls into any of them. */
static void pause_a_while(void)
{
    int how = check_below(&state, 8);

    if (how < 4)
        check_sleep_ms(how);
    else if (how < 6)
        check_compute(1, check_random(&state));
}

/*
 * exchange
 */

static int is_sent(long step, int from, int to)
{
    return check_hash4((uint64_t)step, (uint64_t)from, (uint64_t)to, 7) % 3 == 0;
}

static int exchange_bytes(long step, int from, int to)
{
    uint64_t hash = check_hash4((uint64_t)step, (uint64_t)from, (uint64_t)to, 8);

    return 32 + (int)(hash % 8 == 0 ? hash % LARGE : hash % 200);
}

static void exchange(long step)
{
    int n = 0, n_wanted = 0, n_found = 0, is_begun = 0, over = 0;
    MPI_Request *requests = check_alloc((size_t)check_size * sizeof *requests), barrier;
    char **out = check_alloc((size_t)check_size * sizeof *out);
    char *in = check_alloc(LARGE + 64);

    for (int to = 0; to < check_size; to++)
        if (is_sent(step, check_rank, to)) {
            int bytes = exchange_bytes(step, check_rank, to);

            out[n] = check_alloc((size_t)bytes);
            message_make(out[n], bytes, check_rank, to, TAG_ROUND, (uint64_t)step);
            CHECK_MPI(MPI_Issend(out[n], bytes, MPI_BYTE, to, TAG_ROUND, comm,
                                 &requests[n]));
            n++;
        }
    for (int from = 0; from < check_size; from++)
        n_wanted += is_sent(step, from, check_rank);
    pause_a_while();
    while (!over) {
        MPI_Status status;
        int flag;

        CHECK_MPI(MPI_Iprobe(MPI_ANY_SOURCE, TAG_ROUND, comm, &flag, &status));
        if (flag) {
            int from = status.MPI_SOURCE, bytes;

            MPI_Get_count(&status, MPI_BYTE, &bytes);
            CHECK_EQ(bytes, exchange_bytes(step, from, check_rank));
            if (check_below(&state, 4) == 0)
                pause_a_while();
            CHECK_MPI(MPI_Recv(in, LARGE + 64, MPI_BYTE, from, TAG_ROUND, comm, &status));
            MESSAGE_CHECK(in, bytes, from, check_rank, TAG_ROUND, (uint64_t)step);
            n_found++;
        }
        if (is_begun) {
            CHECK_MPI(MPI_Test(&barrier, &over, MPI_STATUS_IGNORE));
        } else {
            CHECK_MPI(MPI_Testall(n, requests, &is_begun, MPI_STATUSES_IGNORE));
            if (is_begun)
                CHECK_MPI(MPI_Ibarrier(comm, &barrier));
        }
        sched_yield();
    }
    CHECK_EQ(n_found, n_wanted);
    check_note((uint64_t)n_found);
    while (n > 0)
        free(out[--n]);
    free(out);
    free(in);
    free(requests);
}

/*
 * causal: from each rank to the next
 */

static void send_causal(int kind, int *value, int to, MPI_Request *persistent)
{
    MPI_Request request;

    switch (kind) {
    case 0:
        CHECK_MPI(MPI_Ssend(value, 1, MPI_INT, to, TAG_FIRST, comm));
        return;
    case 1:
        CHECK_MPI(MPI_Issend(value, 1, MPI_INT, to, TAG_FIRST, comm, &request));
        pause_a_while();
        CHECK_MPI(MPI_Wait(&request, MPI_STATUS_IGNORE));
        return;
    default:
        CHECK_MPI(MPI_Start(persistent));
        for (int flag = 0; !flag;) {
            pause_a_while();
            if (check_below(&state, 2))
                CHECK_MPI(MPI_Request_get_status(*persistent, &flag, MPI_STATUS_IGNORE));
            else
                CHECK_MPI(MPI_Test(persistent, &flag, MPI_STATUS_IGNORE));
        }
        CHECK_MPI(MPI_Wait(persistent, MPI_STATUS_IGNORE));
    }
}

static void receive_causal(int from, int expected, MPI_Request *persistent)
{
    int value = -1, flag, turns = check_below(&state, 6), how = check_below(&state, 5);
    MPI_Message message = MPI_MESSAGE_NULL;
    MPI_Request request;

    if (how >= 3)
        CHECK_MPI(MPI_Mprobe(from, TAG_FIRST, comm, &message, MPI_STATUS_IGNORE));
    for (int i = 0; i < turns; i++) {
        pause_a_while();
        CHECK_MPI(MPI_Iprobe(from, TAG_AFTER, comm, &flag, MPI_STATUS_IGNORE));
        CHECK(!flag, "a synchronous send was complete before its receive had begun");
    }
    switch (how) {
    case 0:
        CHECK_MPI(MPI_Recv(&value, 1, MPI_INT, MPI_ANY_SOURCE, TAG_FIRST, comm,
                           MPI_STATUS_IGNORE));
        break;
    case 1:
        CHECK_MPI(MPI_Irecv(&value, 1, MPI_INT, from, TAG_FIRST, comm, &request));
        CHECK_MPI(MPI_Wait(&request, MPI_STATUS_IGNORE));
        break;
    case 2:
        CHECK_MPI(MPI_Start(persistent));
        CHECK_MPI(MPI_Wait(persistent, MPI_STATUS_IGNORE));
        value = expected; /* it has its own buffer, looked at by who calls */
        break;
    case 3:
        CHECK_MPI(MPI_Mrecv(&value, 1, MPI_INT, &message, MPI_STATUS_IGNORE));
        break;
    default:
        CHECK_MPI(MPI_Imrecv(&value, 1, MPI_INT, &message, &request));
        CHECK_MPI(MPI_Wait(&request, MPI_STATUS_IGNORE));
    }
    CHECK_EQ(value, expected);
    CHECK_MPI(MPI_Recv(&value, 1, MPI_INT, from, TAG_AFTER, comm, MPI_STATUS_IGNORE));
    CHECK_EQ(value, expected + 1);
    check_note((uint64_t)expected);
}

static void causal(long step)
{
    int to = (check_rank + 1) % check_size, value = (int)step * 1000 + check_rank;
    int from = (check_rank + check_size - 1) % check_size, after = value + 1;
    int expected = (int)step * 1000 + from, landing = -1, odd = check_rank % 2;
    MPI_Request sender, receiver;

    if (check_size == 1)
        return;
    CHECK_MPI(MPI_Ssend_init(&value, 1, MPI_INT, to, TAG_FIRST, comm, &sender));
    CHECK_MPI(MPI_Recv_init(&landing, 1, MPI_INT, from, TAG_FIRST, comm, &receiver));
    for (int turn = 0; turn < 2; turn++) /* not a ring of who waits for each other */
        if ((turn == odd) != (check_rank == check_size - 1 && check_size % 2)) {
            send_causal(check_below(&state, 3), &value, to, &sender);
            CHECK_MPI(MPI_Send(&after, 1, MPI_INT, to, TAG_AFTER, comm));
        } else {
            receive_causal(from, expected, &receiver);
        }
    CHECK(landing == -1 || landing == expected, "found %d", landing);
    CHECK_MPI(MPI_Request_free(&sender));
    CHECK_MPI(MPI_Request_free(&receiver));
    CHECK_MPI(MPI_Barrier(comm));
}

/*
 * between
 */

static void between(long step, MPI_Comm inter, int n_low)
{
    MPI_Comm before = comm;
    MPI_Request persistent;
    int value, after, landing = -1, is_low = check_rank < n_low;
    int partner = is_low ? check_rank : check_rank - n_low;

    if (inter == MPI_COMM_NULL || partner >= check_size - n_low)
        return;
    comm = inter;
    value = (int)step * 1000 + 500 + partner;
    after = value + 1;
    if (is_low) {
        CHECK_MPI(MPI_Ssend_init(&value, 1, MPI_INT, partner, TAG_FIRST, comm, &persistent));
        send_causal(check_below(&state, 3), &value, partner, &persistent);
        CHECK_MPI(MPI_Send(&after, 1, MPI_INT, partner, TAG_AFTER, comm));
    } else {
        CHECK_MPI(MPI_Recv_init(&landing, 1, MPI_INT, partner, TAG_FIRST, comm, &persistent));
        receive_causal(partner, value, &persistent);
        CHECK(landing == -1 || landing == value, "found %d", landing);
    }
    CHECK_MPI(MPI_Request_free(&persistent));
    comm = before;
}

/*
 * freed
 */

static void freed(long step)
{
    MPI_Comm another;
    MPI_Request requests[2];
    int to = (check_rank + 1) % check_size, from = (check_rank + check_size - 1) % check_size;
    int out = (int)step * 1000 + check_rank, in = -1;

    MPI_Comm_dup(comm, &another);
    CHECK_MPI(MPI_Issend(&out, 1, MPI_INT, to, TAG_FIRST, another, &requests[0]));
    pause_a_while();
    CHECK_MPI(MPI_Irecv(&in, 1, MPI_INT, from, TAG_FIRST, another, &requests[1]));
    CHECK_MPI(MPI_Comm_free(&another));
    pause_a_while();
    CHECK_MPI(MPI_Waitall(2, requests, MPI_STATUSES_IGNORE));
    CHECK_EQ(in, (int)step * 1000 + from);
}

/*
 * order: each rank sends to all, itself too, and receives from all
 */

static int stream_tag(long step, int from, int to, int i)
{
    uint64_t hash = check_hash4((uint64_t)step, (uint64_t)from, (uint64_t)to, (uint64_t)i);

    return TAG_STREAM + (int)(hash % N_TAGS);
}

static int stream_bytes(long step, int from, int to, int i)
{
    uint64_t hash =
        check_hash4((uint64_t)step, (uint64_t)from, (uint64_t)to, (uint64_t)i + 1000);

    return 32 + (int)(hash % 10 == 0 ? hash % LARGE : hash % 300);
}

struct receiver {
    int n_left;
    int next[N_TAGS]; /* of each tag, which message is the next */
};

static int next_of(long step, int from, int tag, int after, int n)
{
    while (after < n && stream_tag(step, from, check_rank, after) != tag)
        after++;
    return after;
}

static void take(long step, struct receiver *receivers, const char *in,
                 const MPI_Status *status, int n)
{
    int from = status->MPI_SOURCE, tag = status->MPI_TAG, bytes;
    struct receiver *r = &receivers[from];
    int *next = &r->next[tag - TAG_STREAM];

    *next = next_of(step, from, tag, *next, n);
    MPI_Get_count(status, MPI_BYTE, &bytes);
    CHECK(*next < n, "too many messages with tag %d from %d", tag, from);
    CHECK_EQ(bytes, stream_bytes(step, from, check_rank, *next));
    MESSAGE_CHECK(in, bytes, from, check_rank, tag, (uint64_t)*next);
    (*next)++;
    r->n_left--;
}

static void receive_one(long step, struct receiver *receivers, char *in, int n)
{
    MPI_Message message;
    MPI_Request request;
    MPI_Status status;
    int flag = 0, max = LARGE + 64;

    switch (check_below(&state, 5)) {
    case 0:
        CHECK_MPI(MPI_Recv(in, max, MPI_BYTE, MPI_ANY_SOURCE, MPI_ANY_TAG, comm, &status));
        break;
    case 1:
        CHECK_MPI(MPI_Irecv(in, max, MPI_BYTE, MPI_ANY_SOURCE, MPI_ANY_TAG, comm,
                            &request));
        pause_a_while();
        CHECK_MPI(MPI_Wait(&request, &status));
        break;
    case 2:
        CHECK_MPI(MPI_Mprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, comm, &message, &status));
        pause_a_while();
        CHECK_MPI(MPI_Mrecv(in, max, MPI_BYTE, &message, &status));
        break;
    case 3:
        CHECK_MPI(MPI_Improbe(MPI_ANY_SOURCE, MPI_ANY_TAG, comm, &flag, &message,
                              &status));
        if (!flag)
            return;
        CHECK_MPI(MPI_Imrecv(in, max, MPI_BYTE, &message, &request));
        pause_a_while();
        CHECK_MPI(MPI_Wait(&request, &status));
        break;
    default:
        CHECK_MPI(MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, comm, &flag, &status));
        if (!flag)
            return;
        pause_a_while();
        CHECK_MPI(MPI_Recv(in, max, MPI_BYTE, status.MPI_SOURCE, status.MPI_TAG, comm,
                           &status));
    }
    take(step, receivers, in, &status, n);
}

static void send_one(int kind, const char *out, int bytes, int to, int tag,
                     MPI_Request *request)
{
    switch (kind) {
    case 0:
        CHECK_MPI(MPI_Isend(out, bytes, MPI_BYTE, to, tag, comm, request));
        return;
    case 1:
        CHECK_MPI(MPI_Ssend_init(out, bytes, MPI_BYTE, to, tag, comm, request));
        CHECK_MPI(MPI_Start(request));
        return;
    case 2:
        CHECK_MPI(MPI_Issend(out, bytes, MPI_BYTE, to, tag, comm, request));
        CHECK_MPI(MPI_Request_free(request));
        return;
    default:
        CHECK_MPI(MPI_Issend(out, bytes, MPI_BYTE, to, tag, comm, request));
    }
}

static void order(long step)
{
    int n = 1 + (int)(check_hash((uint64_t)step, 3) % (N_MAX / (unsigned)check_size + 1));
    int n_all = n * check_size, n_left = n_all;
    struct receiver *receivers = calloc((size_t)check_size, sizeof *receivers);
    MPI_Request *requests = check_alloc((size_t)n_all * sizeof *requests);
    char **out = check_alloc((size_t)n_all * sizeof *out), *in = check_alloc(LARGE + 64);

    for (int i = 0; i < n; i++)
        for (int to = 0; to < check_size; to++) {
            int k = i * check_size + to, tag = stream_tag(step, check_rank, to, i);
            int bytes = stream_bytes(step, check_rank, to, i);

            out[k] = check_alloc((size_t)bytes);
            message_make(out[k], bytes, check_rank, to, tag, (uint64_t)i);
            send_one(check_below(&state, 5), out[k], bytes, to, tag, &requests[k]);
        }
    for (int i = 0; i < check_size; i++)
        receivers[i].n_left = n;
    while (n_left > 0) {
        n_left = 0;
        receive_one(step, receivers, in, n);
        for (int i = 0; i < check_size; i++)
            n_left += receivers[i].n_left;
    }
    CHECK_MPI(MPI_Waitall(n_all, requests, MPI_STATUSES_IGNORE));
    CHECK_MPI(MPI_Barrier(comm)); /* those that were freed have been received, too */
    for (int k = 0; k < n_all; k++) {
        if (requests[k] != MPI_REQUEST_NULL)
            CHECK_MPI(MPI_Request_free(&requests[k]));
        free(out[k]);
    }
    check_note((uint64_t)n_all);
    free(out);
    free(in);
    free(requests);
    free(receivers);
}

/*
 * threads
 */

struct partner {
    int tag, to, from, value;
    uint64_t state;
};

static void *run_thread(void *data)
{
    struct partner *p = data;
    MPI_Request request;
    int value = -1;

    for (int i = 0; i < 4; i++) {
        int sent = p->value + i;

        CHECK_MPI(MPI_Issend(&sent, 1, MPI_INT, p->to, p->tag, comm, &request));
        if (check_below(&p->state, 2))
            check_sleep_ms(check_below(&p->state, 3));
        CHECK_MPI(MPI_Recv(&value, 1, MPI_INT, p->from, p->tag, comm, MPI_STATUS_IGNORE));
        CHECK_EQ(value, p->value - check_rank + p->from + i);
        CHECK_MPI(MPI_Wait(&request, MPI_STATUS_IGNORE));
    }
    return NULL;
}

static void threads(long step)
{
    pthread_t ids[3];
    struct partner partners[3];

    for (int i = 0; i < 3; i++) {
        partners[i] = (struct partner){.tag = 100 + i,
                                       .to = (check_rank + 1 + i) % check_size,
                                       .from = (check_rank + 2 * check_size - 1 - i) %
                                               check_size,
                                       .value = (int)step * 1000 + 100 * i + check_rank,
                                       .state = check_random(&state)};
        if (check_size < 3)
            partners[i].from = (check_rank + 4 * check_size - 1 - i) % check_size;
        CHECK_EQ(pthread_create(&ids[i], NULL, run_thread, &partners[i]), 0);
    }
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_join(ids[i], NULL), 0);
}

int main(int argc, char **argv)
{
    int provided, is_multiple = argc > 2 && strcmp(argv[2], "threads") == 0, n_low;
    MPI_Comm half, inter = MPI_COMM_NULL;
    long steps;

    MPI_Init_thread(&argc, &argv, is_multiple ? MPI_THREAD_MULTIPLE : MPI_THREAD_SINGLE,
                    &provided);
    steps = check_begin("synchronous", argc, argv, 40);
    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
    n_low = (check_size + 1) / 2;
    MPI_Comm_split(comm, check_rank >= n_low, check_rank, &half);
    if (check_size > 1)
        MPI_Intercomm_create(half, 0, comm, check_rank >= n_low ? 0 : n_low, 3, &inter);
    state = check_hash((uint64_t)check_rank, 99);
    for (long step = 0; step < steps; step++) {
        exchange(step);
        causal(step);
        order(step);
        between(step, inter, n_low);
        freed(step);
        if (is_multiple)
            threads(step);
    }
    if (inter != MPI_COMM_NULL)
        MPI_Comm_free(&inter);
    MPI_Comm_free(&half);
    MPI_Comm_free(&comm);
    check_end(steps);
    MPI_Finalize();
    return 0;
}
