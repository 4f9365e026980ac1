/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The drain (lower half; run by crmpi's threads in every rank of a group at once, while all
 * application threads are parked): each rank tells those it has sent messages to how many,
 * and who is told receives until it has as many, and answers.  So a rank need not know who
 * has sent to it, and nobody hears of those it has had nothing to do with.
 *
 * Receives that were posted before the cut go on taking their messages, in the library,
 * by MPI's own rules.  What they leave is held, and, when its sender has told which of it is
 * synchronous, the rest is saved (held.c).
 *
 * A rank is drained when all that it was told has come, and all it has told has been answered.
 * As others may begin later it goes on, until all ranks of the group are drained.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wrappers/hand/cut.h"
#include "wrappers/hand/drain.h"
#include "wrappers/hand/reduction.h"
#include "wrappers/hand/window.h"

/* What one rank tells another, in one or more parts: small enough to leave at once, whether
 * anybody takes it or not. */
enum { PART_MAX = 48 };
struct bookmark {
    uint64_t drain; /* which: the same in all who take part */
    uint64_t sent;
    uint64_t digest;   /* of the messages in each stream */
    uint32_t is_exact; /* the digest is */
    uint32_t n_all, first, n; /* synchronous sends: of all, those from the first on */
    struct crmpi_announced sends[PART_MAX];
};
/* All of it has arrived. */
struct answer {
    uint64_t drain;
    uint32_t first, n;
    uint8_t is_held[PART_MAX];
};
enum { TAG_BOOKMARK = 1, TAG_ARRIVED };

/* A rank of the group that was told of messages, or has told of its own. */
struct peer {
    struct peer *next;
    int rank;
    struct crmpi_request **sends; /* to it: synchronous ones that are not complete */
    size_t n_sends, n_answered;
    int told, answered;
    struct bookmark tells; /* but for the sends: */
    struct crmpi_announced *announced;
    size_t n_announced;
    uint8_t *is_held; /* of these: known as soon as all messages are here */
    int is_telling, done; /* it has begun to; it has been answered */
};

/* A message on its way, which nobody may take any more if the drain is given up. */
struct letter {
    struct letter *next;
    MPI_Request request;
    union {
        struct bookmark bookmark;
        struct answer answer;
    };
};

static MPI_Comm world = MPI_COMM_NULL; /* for all this alone */
static int n_ranks;
static struct crmpi_traffic *traffic;
static struct peer **peer_of, *peers; /* by rank; all */
static struct letter *letters;
static uint64_t drain;    /* the number of this one */
static int is_under_way;  /* until it has ended or was given up */
static int is_of_all;     /* ranks */
static uint8_t *in_group;
static int counted; /* a message has been received since it was summed up */
static int failed;  /* this drain cannot end */
static int drained;

enum crmpi_status crmpi_drain_start(void)
{
    if (PMPI_Comm_dup(MPI_COMM_WORLD, &world) != MPI_SUCCESS ||
        PMPI_Comm_set_errhandler(world, MPI_ERRORS_RETURN) != MPI_SUCCESS ||
        PMPI_Comm_size(world, &n_ranks) != MPI_SUCCESS)
        return CRMPI_ERR_MPI;
    traffic = calloc(n_ranks, sizeof *traffic);
    in_group = calloc(n_ranks, 1);
    peer_of = calloc(n_ranks, sizeof(*peer_of));
    return traffic && in_group && peer_of ? CRMPI_OK : CRMPI_ERR_NOMEM;
}

void crmpi_drain_enter(void)
{
    static __thread struct crmpi_thread self = {.nest = 1};

    if (!crmpi_thread)
        crmpi_thread = &self;
}

static void fail(const char *why)
{
    if (!failed)
        crmpi_error("%s", why);
    failed = 1;
}

/*
 * Peers
 */

static struct peer *peer_at(int rank)
{
    struct peer *p = peer_of[rank];

    if (p)
        return p;
    p = calloc(1, sizeof *p);
    if (!p) {
        fail("no memory for what ranks tell each other");
        return NULL;
    }
    p->rank = rank;
    p->next = peers;
    peers = peer_of[rank] = p;
    return p;
}

static void peers_forget(void)
{
    while (peers) {
        struct peer *next = peers->next;

        peer_of[peers->rank] = NULL;
        free(peers->sends);
        free(peers->announced);
        free(peers->is_held);
        free(peers);
        peers = next;
    }
}

/*
 * Letters
 */

static void letters_reap(void)
{
    for (struct letter **at = &letters, *l; (l = *at);) {
        int done = 0;

        if (PMPI_Test(&l->request, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS)
            failed = 1;
        if (done) {
            *at = l->next;
            free(l);
        } else {
            at = &l->next;
        }
    }
}

static struct letter *letter_create(void)
{
    struct letter *letter = calloc(1, sizeof *letter);

    if (!letter)
        fail("no memory for what ranks tell each other");
    return letter;
}

static void letter_send(struct letter *letter, const void *data, size_t bytes, int rank,
                        int tag)
{
    if (PMPI_Isend(data, (int)bytes, MPI_BYTE, rank, tag, world, &letter->request) !=
        MPI_SUCCESS) {
        fail("cannot tell message counts");
        free(letter);
        return;
    }
    letter->next = letters;
    letters = letter;
}

/*
 * Telling
 */

/* Those handed over before the last checkpoint, to ranks that are not in this group, stay
 * as they are: also if the receive has just begun, which the other's checkpoint does not
 * know. */
static int add_send(struct crmpi_request *r, int rank)
{
    struct peer *p;
    int flag = 0;

    if (rank < 0 || !in_group[rank]) {
        if (!r->held)
            fail("a synchronous send to a rank that is not saved with this one");
        return !failed;
    }
    if (PMPI_Request_get_status(r->handle.real, &flag, MPI_STATUS_IGNORE) != MPI_SUCCESS)
        failed = 1;
    if (flag) {
        r->noted = 1;
        return !failed;
    }
    p = peer_at(rank);
    if (p && (p->n_sends & (p->n_sends - 1)) == 0) {
        size_t room = p->n_sends ? 2 * p->n_sends : 1;
        struct crmpi_request **sends = realloc(p->sends, room * sizeof *sends);

        if (sends)
            p->sends = sends;
        else
            fail("no memory for synchronous sends");
    }
    if (p && !failed)
        p->sends[p->n_sends++] = r;
    return !failed;
}

/* Returns how many of the sends are in it. */
static size_t tell_part(struct peer *p, size_t first)
{
    const struct crmpi_traffic *t = &traffic[p->rank];
    struct letter *letter = letter_create();
    struct bookmark *b;
    size_t n = p->n_sends - first < PART_MAX ? p->n_sends - first : PART_MAX;

    if (!letter)
        return n;
    b = &letter->bookmark;
    *b = (struct bookmark){.drain = drain,
                           .sent = t->sent,
                           .digest = t->sent_digest,
                           .is_exact = (uint32_t)t->is_exact,
                           .n_all = (uint32_t)p->n_sends,
                           .first = (uint32_t)first,
                           .n = (uint32_t)n};
    for (size_t i = 0; i < n; i++)
        if (!crmpi_pending_describe(p->sends[first + i], &b->sends[i]))
            fail("a synchronous send cannot be told from others: there are too many pairs of "
                 "tags and ranks on its communicator");
    letter_send(letter, b, offsetof(struct bookmark, sends) + n * sizeof b->sends[0],
                p->rank, TAG_BOOKMARK);
    return n;
}

static void tell_all(void)
{
    for (int i = 0; i < n_ranks && !failed; i++)
        if (in_group[i] && traffic[i].sent > 0)
            peer_at(i);
    for (struct peer *p = peers; p && !failed; p = p->next) {
        size_t first = 0;

        p->told = 1;
        do
            first += tell_part(p, first);
        while (first < p->n_sends && !failed);
    }
}

/*
 * Listening.  What is left of a drain that was given up does not count.
 */

static void take_bookmark(int rank, const struct bookmark *b)
{
    struct peer *p = peer_at(rank);

    if (!p)
        return;
    if (!p->is_telling) {
        memcpy(&p->tells, b, offsetof(struct bookmark, sends));
        p->announced = calloc(b->n_all + 1, sizeof *p->announced);
        p->is_telling = 1;
        if (!p->announced)
            fail("no memory for synchronous sends");
    }
    if (failed || b->n > PART_MAX || b->first + b->n > p->tells.n_all)
        return fail("a rank has told nonsense");
    memcpy(p->announced + b->first, b->sends, b->n * sizeof *p->announced);
    p->n_announced += b->n;
}

static void take_answer(int rank, const struct answer *a)
{
    struct peer *p = peer_of[rank];

    if (!p || a->n > PART_MAX || a->first + a->n > p->n_sends)
        return fail("a rank has answered nonsense");
    for (uint32_t i = 0; i < a->n; i++) {
        struct crmpi_request *r = p->sends[a->first + i];

        r->held = a->is_held[i];
        r->noted = !r->held;
        if (r->held)
            crmpi_p2p->holds = 1; /* also if this drain does not end */
    }
    p->n_answered += a->n;
    p->answered = p->n_answered == p->n_sends;
}

static void listen(void)
{
    MPI_Status status;
    int flag = 1;

    while (!failed && flag) {
        struct letter letter = {0};

        flag = 0;
        if (PMPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, world, &flag, &status) !=
            MPI_SUCCESS)
            return fail("cannot hear of message counts");
        if (!flag)
            return;
        if (PMPI_Recv(&letter.bookmark, sizeof letter.bookmark, MPI_BYTE,
                      status.MPI_SOURCE, status.MPI_TAG, world,
                      MPI_STATUS_IGNORE) != MPI_SUCCESS)
            return fail("cannot hear of message counts");
        if (letter.bookmark.drain != drain)
            continue;
        if (status.MPI_TAG == TAG_BOOKMARK)
            take_bookmark(status.MPI_SOURCE, &letter.bookmark);
        else
            take_answer(status.MPI_SOURCE, &letter.answer);
    }
}

/*
 * Steps
 */

/* Whether all messages of a rank that has told of them have come. */
static int has_all(const struct peer *p)
{
    const struct crmpi_traffic *t = &traffic[p->rank];
    const struct bookmark *b = &p->tells;

    if (!p->is_telling || p->n_announced < b->n_all || t->received < b->sent)
        return 0;
    if (t->received > b->sent) {
        crmpi_error("message counts are wrong: %llu received from rank %d, which sent %llu",
                    (unsigned long long)t->received, p->rank, (unsigned long long)b->sent);
        failed = 1;
    } else if (t->is_exact && b->is_exact && t->received_digest != b->digest) {
        crmpi_error("message counts are wrong: the %llu messages from rank %d did not come "
                    "on the communicators and with the tags that it sent them",
                    (unsigned long long)t->received, p->rank);
        failed = 1;
    }
    return !failed;
}

/* All its messages are here: those that are not synchronous are received. */
static void resolve(struct peer *p)
{
    p->is_held = calloc(p->n_announced + 1, 1);
    if (!p->is_held)
        return fail("no memory for synchronous sends");
    crmpi_held_resolve(p->announced, p->n_announced, p->is_held);
    if (!crmpi_held_receive(p->rank))
        fail("no memory to receive messages in flight");
}

/* Who has an answer to all may be drained: so there is none before all is received. */
static void answer(struct peer *p)
{
    size_t first = 0;

    do {
        size_t left = p->n_announced - first, n = left < PART_MAX ? left : PART_MAX;
        struct letter *letter = letter_create();

        if (letter) {
            struct answer *a = &letter->answer;

            *a = (struct answer){.drain = drain, .first = (uint32_t)first,
                                 .n = (uint32_t)n};
            memcpy(a->is_held, p->is_held + first, n);
            letter_send(letter, a, sizeof *a, p->rank, TAG_ARRIVED);
        }
        first += n;
    } while (first < p->n_announced && !failed);
    p->done = 1;
}

/* Whether there is nothing more to wait for. */
static int is_balanced(void)
{
    int balanced = 1, n_arriving;

    if (counted) {
        crmpi_ledger_traffic(traffic, n_ranks);
        counted = 0;
    }
    for (struct peer *p = peers; p && !failed; p = p->next)
        if (p->is_telling && !p->is_held && has_all(p))
            resolve(p);
    n_arriving = failed ? -1 : crmpi_held_progress();
    if (n_arriving < 0)
        fail("a message that is in flight cannot be received");
    for (struct peer *p = peers; p && !failed; p = p->next) {
        if (p->is_held && !p->done && n_arriving == 0)
            answer(p);
        balanced &= (!p->told || p->answered) && (!p->is_telling || p->done);
    }
    return balanced && !failed;
}

static int is_wanted(int rank)
{
    return peer_of[rank] && peer_of[rank]->is_telling && !peer_of[rank]->is_held;
}

static int is_anything_wanted(void)
{
    for (const struct peer *p = peers; p; p = p->next)
        if (is_wanted(p->rank))
            return 1;
    return 0;
}

/* What ranks outside of the group have sent stays in the library: before their own
 * checkpoints they had not sent it. */
static void take(void)
{
    int n = crmpi_held_take(is_of_all ? NULL : is_wanted);

    if (n < 0)
        failed = 1;
    counted |= n > 0;
}

static int step(void)
{
    int n_pending = 0, n_counted = 0, flag = 0;

    if (failed) {
        PMPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, crmpi_private_self, &flag,
                    MPI_STATUS_IGNORE);
        return -1;
    }
    letters_reap();
    listen();
    if (!crmpi_pending_note(&n_pending, &n_counted))
        failed = 1;
    counted |= n_counted > 0;
    drained = is_balanced() && n_pending == 0;
    if (!failed && is_anything_wanted())
        take();
    return failed ? -1 : drained;
}

/* A rank that is drained may have to take messages still, of one that begins later. */
void crmpi_cut_progress(void)
{
    int flag;

    if (crmpi_finalize_begun || crmpi_reduction_is_lower())
        return;
    crmpi_drain_enter();
    if (is_under_way)
        step();
    else
        PMPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, crmpi_private_self, &flag,
                    MPI_STATUS_IGNORE);
}

static void begin(const struct crmpi_group_list *group, uint64_t attempt)
{
    crmpi_drain_forget();
    drain = attempt;
    is_of_all = group->n == 0 || group->n == (size_t)n_ranks;
    memset(in_group, group->n == 0, n_ranks);
    for (size_t i = 0; i < group->n; i++)
        in_group[group->ranks[i]] = 1;
    failed = drained = counted = 0;
    is_under_way = 1;
    crmpi_ledger_traffic(traffic, n_ranks);
    letters_reap();
    if (crmpi_pending_sends(add_send))
        tell_all();
}

enum crmpi_status crmpi_drain_begin(const struct crmpi_group_list *group,
                                    uint64_t attempt)
{
    enum crmpi_status status;

    crmpi_errors_return(1);
    crmpi_drain_enter();
    begin(group, attempt);
    status = crmpi_windows_flush(); /* all ranks do */
    return failed ? CRMPI_ERR_MPI : status;
}

void crmpi_drain_forget(void)
{
    is_under_way = 0;
    peers_forget();
    if (crmpi_p2p)
        crmpi_held_forget();
    crmpi_settle_forget();
}

int crmpi_drain_progress(void)
{
    crmpi_drain_enter();
    return step();
}

/* Who has told nothing has sent nothing. */
static int all_is_balanced(void)
{
    crmpi_ledger_traffic(traffic, n_ranks);
    for (int i = 0; i < n_ranks; i++) {
        uint64_t sent = peer_of[i] && peer_of[i]->is_telling ? peer_of[i]->tells.sent : 0;

        if (in_group[i] && traffic[i].received != sent) {
            crmpi_error("message counts are wrong: %llu received from rank %d, which sent "
                        "%llu",
                        (unsigned long long)traffic[i].received, i,
                        (unsigned long long)sent);
            return 0;
        }
    }
    return 1;
}

static void note_handed_over(struct crmpi_request *r, void *context)
{
    (void)context;
    if (r->operation == CRMPI_SEND_SYNCHRONOUS && r->active && r->held)
        crmpi_p2p->holds = 1;
}

enum crmpi_status crmpi_drain_end(void)
{
    if (!drained || !all_is_balanced())
        return CRMPI_ERR_INTERNAL;
    crmpi_p2p->holds = 0;
    if (!crmpi_held_is_settled())
        return CRMPI_ERR_INTERNAL;
    crmpi_request_visit(note_handed_over, NULL);
    crmpi_drain_forget();
    for (struct crmpi_thread *t = crmpi_control->threads; t; t = t->next)
        if (t->mpi)
            crmpi_input_trim(t->mpi);
    return crmpi_file_note();
}
