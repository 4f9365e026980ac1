/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random messages between all ranks on three communicators, in rounds: every kind of
 * send; receives that are exact, or take any tag, or anything, posted in random order,
 * also as persistent ones, matched probes, and with a type that has gaps; completed by
 * all functions that do.  Afterwards each message must have been received exactly once,
 * by a receive it matches, and none may have overtaken an older one of its sender that
 * matched as well.
 */
#include "message.h"

#define N_MESSAGES 48 /* most in a round */
#define N_COMMS 3
#define N_TAGS 3
#define N_MAX 40000 /* integers in a message */

struct message {
    int source, dest, tag, comm, n, kind;
    uint32_t id; /* also its order: a sender sends in this order */
};

struct receive {
    int source, tag, comm, kind, gaps;
    int *data;
    MPI_Request request;
    MPI_Message matched; /* MPI_MESSAGE_NULL: not probed, or received */
    int done;
    MPI_Status status;
    int got; /* index of the message */
};

static MPI_Comm comms[N_COMMS];
static MPI_Datatype gapped; /* an integer and a gap of its size */
static struct message messages[N_MESSAGES];
static struct receive receives[N_MESSAGES];
static MPI_Request sends[N_MESSAGES];
static int *sent[N_MESSAGES];
static int n_messages, n_receives, n_sends;
static uint64_t own; /* this rank's random state */

/* The last communicator has its ranks in reverse. */
static int comm_rank(int comm, int rank)
{
    return comm == N_COMMS - 1 && rank >= 0 ? check_size - 1 - rank : rank;
}

/* What is sent is the same in all ranks, and so is how freely it is received. */
static void round_make(uint64_t *common, uint32_t *next_id)
{
    static const int sizes[] = {1, 2, 100, 1023, 1500, 5000, N_MAX};
    int freedom = check_below(common, 3);

    n_messages = 1 + check_below(common, N_MESSAGES);
    n_receives = n_sends = 0;
    for (int i = 0; i < n_messages; i++) {
        struct message *m = &messages[i];
        *m = (struct message){.source = check_below(common, check_size),
                              .dest = check_below(common, check_size),
                              .tag = check_below(common, N_TAGS),
                              .comm = check_below(common, N_COMMS),
                              .n = sizes[check_below(common, 7)],
                              .kind = check_below(common, 4),
                              .id = (*next_id)++};
        if (m->dest != check_rank)
            continue;
        receives[n_receives++] =
            (struct receive){.source = freedom == 2 ? MPI_ANY_SOURCE : m->source,
                             .tag = freedom ? MPI_ANY_TAG : m->tag,
                             .comm = m->comm,
                             .kind = check_below(&own, 4),
                             .gaps = check_below(&own, 2),
                             .request = MPI_REQUEST_NULL,
                             .matched = MPI_MESSAGE_NULL};
    }
    for (int i = n_receives - 1; i > 0; i--) {
        int k = check_below(&own, i + 1);
        struct receive other = receives[i];
        receives[i] = receives[k];
        receives[k] = other;
    }
}

static void message_send(const struct message *m)
{
    int *data = check_alloc((size_t)m->n * sizeof *data),
        dest = comm_rank(m->comm, m->dest);
    MPI_Request *request = &sends[n_sends];

    sent[n_sends++] = data;
    data[0] = (int)m->id;
    for (int i = 1; i < m->n; i++)
        data[i] = (int)(m->id * 7919u) + i;
    switch (m->kind) {
    case 0:
        CHECK_MPI(MPI_Isend(data, m->n, MPI_INT, dest, m->tag, comms[m->comm], request));
        break;
    case 1:
        CHECK_MPI(MPI_Issend(data, m->n, MPI_INT, dest, m->tag, comms[m->comm], request));
        break;
    case 2:
        CHECK_MPI(MPI_Ibsend(data, m->n, MPI_INT, dest, m->tag, comms[m->comm], request));
        break;
    default:
        CHECK_MPI(
            MPI_Send_init(data, m->n, MPI_INT, dest, m->tag, comms[m->comm], request));
        CHECK_MPI(MPI_Start(request));
    }
}

static void receive_post(struct receive *r)
{
    MPI_Datatype type = r->gaps ? gapped : MPI_INT;
    int source = comm_rank(r->comm, r->source), found = 0;

    r->data = check_alloc((size_t)N_MAX * 2 * sizeof *r->data);
    if (r->kind == 0) {
        CHECK_MPI(MPI_Recv_init(r->data, N_MAX, type, source, r->tag, comms[r->comm],
                                &r->request));
        CHECK_MPI(MPI_Start(&r->request));
        return;
    }
    if (r->kind == 1)
        CHECK_MPI(
            MPI_Improbe(source, r->tag, comms[r->comm], &found, &r->matched, &r->status));
    if (!found)
        CHECK_MPI(
            MPI_Irecv(r->data, N_MAX, type, source, r->tag, comms[r->comm], &r->request));
    else if (check_below(&own, 2))
        CHECK_MPI(MPI_Imrecv(r->data, N_MAX, type, &r->matched, &r->request));
}

static void receive_done(struct receive *r, const MPI_Status *status)
{
    r->done = 1;
    r->status = *status;
}

/* Complete what is complete, in one of several ways. */
static void receives_test(int n_posted)
{
    struct receive *open[N_MESSAGES];
    MPI_Request requests[N_MESSAGES];
    MPI_Status statuses[N_MESSAGES];
    int n = 0, n_done = 0, indices[N_MESSAGES], flag, way = check_below(&own, 3);

    for (int i = 0; i < n_posted; i++)
        if (!receives[i].done && receives[i].matched == MPI_MESSAGE_NULL) {
            open[n] = &receives[i];
            requests[n++] = receives[i].request;
        }
    if (n == 0)
        return;
    if (way == 0) {
        CHECK_MPI(MPI_Testsome(n, requests, &n_done, indices, statuses));
    } else if (way == 1) {
        CHECK_MPI(MPI_Testany(n, requests, indices, &flag, statuses));
        n_done = flag;
    } else {
        indices[0] = check_below(&own, n);
        CHECK_MPI(MPI_Test(&requests[indices[0]], &n_done, statuses));
    }
    for (int i = 0; i < n_done; i++) {
        open[indices[i]]->request = requests[indices[i]];
        receive_done(open[indices[i]], &statuses[i]);
    }
}

static void round_run(void)
{
    int next_send = 0, next_receive = 0;

    for (;;) {
        while (next_send < n_messages && messages[next_send].source != check_rank)
            next_send++;
        int can_send = next_send < n_messages, can_receive = next_receive < n_receives;
        if (!can_send && !can_receive)
            break;
        if (can_send && (!can_receive || check_below(&own, 2)))
            message_send(&messages[next_send++]);
        else
            receive_post(&receives[next_receive++]);
        if (check_below(&own, 4) == 0)
            receives_test(next_receive);
    }
}

static void round_complete(void)
{
    MPI_Status status;

    for (int i = 0; i < n_receives; i++) {
        struct receive *r = &receives[i];
        if (r->done)
            continue;
        if (r->matched != MPI_MESSAGE_NULL)
            CHECK_MPI(MPI_Mrecv(r->data, N_MAX, r->gaps ? gapped : MPI_INT, &r->matched,
                                &status));
        else
            CHECK_MPI(MPI_Wait(&r->request, &status));
        receive_done(r, &status);
    }
    CHECK_MPI(MPI_Waitall(n_sends, sends, MPI_STATUSES_IGNORE));
    for (int i = 0; i < n_sends; i++) {
        if (sends[i] != MPI_REQUEST_NULL)
            CHECK_MPI(MPI_Request_free(&sends[i]));
        free(sent[i]);
    }
}

/* The order of messages[] is the order in which each sender sent. */
static void round_check(void)
{
    int seen[N_MESSAGES] = {0};

    for (int i = 0; i < n_receives; i++) {
        struct receive *r = &receives[i];
        int n, step = r->gaps ? 2 : 1;
        uint32_t id = (uint32_t)r->data[0] - messages[0].id;

        CHECK(id < (uint32_t)n_messages && !seen[id], "receive %d got message %u", i, id);
        const struct message *m = &messages[r->got = (int)id];
        seen[id] = 1;
        CHECK_MPI(MPI_Get_count(&r->status, MPI_INT, &n));
        CHECK_EQ(n, m->n);
        CHECK_EQ(m->dest, check_rank);
        CHECK_EQ(m->comm, r->comm);
        CHECK_EQ(r->status.MPI_TAG, m->tag);
        CHECK_EQ(comm_rank(r->comm, r->status.MPI_SOURCE), m->source);
        CHECK(r->source == MPI_ANY_SOURCE || r->source == m->source, "wrong source");
        CHECK(r->tag == MPI_ANY_TAG || r->tag == m->tag, "wrong tag");
        for (int k = 1; k < n; k++)
            CHECK_EQ(r->data[k * step], (int)(m->id * 7919u) + k);
        for (int k = 0; k < i; k++) { /* receives[k] was posted before */
            const struct message *first = &messages[receives[k].got];
            CHECK(first->source != m->source || first->comm != m->comm ||
                      first->id < m->id ||
                      (receives[k].tag != MPI_ANY_TAG && receives[k].tag != m->tag),
                  "message %u has overtaken %u", first->id, m->id);
        }
    }
    for (int i = 0; i < n_receives; i++) {
        if (receives[i].request != MPI_REQUEST_NULL)
            CHECK_MPI(MPI_Request_free(&receives[i].request));
        free(receives[i].data);
    }
}

int main(int argc, char **argv)
{
    static char buffer[N_MESSAGES * (N_MAX * sizeof(int) + MPI_BSEND_OVERHEAD)];
    uint64_t common = 1;
    uint32_t next_id = 1;
    long steps;

    MPI_Init(&argc, &argv);
    steps = check_begin("traffic", argc, argv, 300);
    own = (uint64_t)check_rank + 17;
    comms[0] = MPI_COMM_WORLD;
    MPI_Comm_dup(MPI_COMM_WORLD, &comms[1]);
    MPI_Comm_split(MPI_COMM_WORLD, 0, check_size - check_rank, &comms[2]);
    for (int i = 0; i < N_COMMS; i++)
        MPI_Comm_set_errhandler(comms[i], MPI_ERRORS_RETURN);
    MPI_Type_create_resized(MPI_INT, 0, 2 * sizeof(int), &gapped);
    MPI_Type_commit(&gapped);
    MPI_Buffer_attach(buffer, sizeof buffer);
    for (long step = 0; step < steps; step++) {
        round_make(&common, &next_id);
        round_run();
        round_complete();
        round_check();
        check_note((uint64_t)n_messages);
        MPI_Barrier(comms[1]); /* so that nobody takes a message of the next round */
    }
    check_end(steps);
    MPI_Finalize();
    return 0;
}
