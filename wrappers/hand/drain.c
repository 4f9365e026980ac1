/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The drain (lower half; run by the protocol thread of every rank at once, while all
 * application threads are parked): the ranks tell each other how many messages they have
 * sent, and each receives until it has as many.  All ranks do so by one collective; those
 * of a group by messages to whom they have sent to.
 *
 * Receives that were posted before the cut go on taking their messages, in the library,
 * by MPI's own rules.  What they leave is taken by probing for any source and any tag,
 * and saved in order of arrival.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "interaction/cut.h"
#include "wrappers/hand/window.h"

/* What one rank tells another. */
struct bookmark {
    uint64_t drain; /* which: the same in all who take part */
    uint64_t sent;
    uint64_t digest;   /* of the messages in each stream */
    uint64_t is_exact; /* the digest is */
};

enum { TAG_BOOKMARK = 1, TAG_ARRIVED };

/* A rank of the group to which messages were sent, or which has told of its own. */
struct peer {
    struct bookmark told, tells;
    MPI_Request telling, answering;
    int asked;    /* `tells` waits for an answer: that all has arrived here */
    int answered; /* all that `told` says has arrived there */
};

static MPI_Comm world = MPI_COMM_NULL; /* for the bookmarks alone */
static int n_ranks;
static struct bookmark *to_others, *to_me; /* of a drain of all */
static struct peer *peers;                 /* of a group's */
static struct crmpi_traffic *traffic;
static int counted; /* a message has been received since it was summed up */
static MPI_Request exchange = MPI_REQUEST_NULL;
static uint64_t n_drains, drain; /* of all; the number of this one */
static int of_group;             /* this drain is not of all ranks */
static uint8_t *in_group;
static int failed; /* this drain cannot end */
static int drained;
static int n_pending; /* requests that have to complete before the cut */
static unsigned n_settling; /* steps */
static double settle_until; /* of the monotonic clock */

/* How long a rank that is saved alone waits for what is half done. */
#define SETTLE_SECONDS 0.5

enum crmpi_status crmpi_drain_start(void)
{
    if (PMPI_Comm_dup(MPI_COMM_WORLD, &world) != MPI_SUCCESS ||
        PMPI_Comm_set_errhandler(world, MPI_ERRORS_RETURN) != MPI_SUCCESS ||
        PMPI_Comm_size(world, &n_ranks) != MPI_SUCCESS)
        return CRMPI_ERR_MPI;
    to_others = calloc(n_ranks, sizeof *to_others);
    to_me = calloc(n_ranks, sizeof *to_me);
    traffic = calloc(n_ranks, sizeof *traffic);
    in_group = calloc(n_ranks, 1);
    return to_others && to_me && traffic && in_group ? CRMPI_OK : CRMPI_ERR_NOMEM;
}

static struct bookmark bookmark_for(int rank)
{
    const struct crmpi_traffic *t = &traffic[rank];

    return (struct bookmark){drain, t->sent, t->sent_digest, t->is_exact};
}

static enum crmpi_status exchange_begin(void)
{
    /* of a drain that was given up: every rank has begun it */
    if (crmpi_wait_real(&exchange, MPI_STATUS_IGNORE) != MPI_SUCCESS)
        return CRMPI_ERR_MPI;
    drain = ++n_drains;
    for (int i = 0; i < n_ranks; i++)
        to_others[i] = bookmark_for(i);
    if (PMPI_Ialltoall(to_others, 4, MPI_UINT64_T, to_me, 4, MPI_UINT64_T, world,
                       &exchange) == MPI_SUCCESS)
        return CRMPI_OK;
    crmpi_error("cannot exchange message counts");
    return CRMPI_ERR_MPI;
}

/*
 * Bookmarks of a group: to each rank that messages were sent to, which answers when it has
 * them all.  So a rank need not know who has sent to it.
 */

static enum crmpi_status tell_begin(uint64_t attempt)
{
    if (!peers && !(peers = calloc(n_ranks, sizeof *peers)))
        return CRMPI_ERR_NOMEM;
    drain = attempt;
    for (int i = 0; i < n_ranks; i++) {
        struct peer *p = &peers[i];

        /* small messages: they have left, even if nobody took them */
        if ((p->telling && crmpi_wait_real(&p->telling, MPI_STATUS_IGNORE)) ||
            (p->answering && crmpi_wait_real(&p->answering, MPI_STATUS_IGNORE)))
            return CRMPI_ERR_MPI;
        *p = (struct peer){.told = bookmark_for(i),
                           .telling = MPI_REQUEST_NULL,
                           .answering = MPI_REQUEST_NULL,
                           .answered = 1};
        if (!in_group[i] || p->told.sent == 0)
            continue;
        p->answered = 0;
        if (PMPI_Isend(&p->told, 4, MPI_UINT64_T, i, TAG_BOOKMARK, world, &p->telling) !=
            MPI_SUCCESS) {
            crmpi_error("cannot tell message counts");
            return CRMPI_ERR_MPI;
        }
    }
    return CRMPI_OK;
}

/* Take what the others tell; what is left of a drain that was given up does not count. */
static void tell_listen(void)
{
    MPI_Status status;
    int flag = 1;

    while (!failed && flag) {
        struct bookmark bookmark;

        flag = 0;
        if (PMPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, world, &flag, &status) !=
            MPI_SUCCESS) {
            failed = 1;
        } else if (flag) {
            struct peer *p = &peers[status.MPI_SOURCE];

            if (PMPI_Recv(&bookmark, 4, MPI_UINT64_T, status.MPI_SOURCE, status.MPI_TAG,
                          world, MPI_STATUS_IGNORE) != MPI_SUCCESS)
                failed = 1;
            else if (bookmark.drain == drain && status.MPI_TAG == TAG_ARRIVED)
                p->answered = 1;
            else if (bookmark.drain == drain) {
                p->tells = bookmark;
                p->asked = 1;
            }
        }
    }
}

/*
 * The application's functions in operations of nonblocking collectives may be called by
 * this thread's progress.  They need an upper TLS base: that of a thread which is parked,
 * best in an MPI call, where libc is at rest.
 */
static struct {
    struct crmpi_thread self; /* this thread, as crmpi_upcall() sees it */
    struct crmpi_thread *lender;
    struct crmpi_frame frame; /* the lender's, which calls of such a function overwrite */
} stand_in;

static void stand_in_begin(void)
{
    struct crmpi_thread *lender = NULL;

    for (struct crmpi_thread *t = crmpi_control->threads; t; t = t->next)
        if (t->lower_fs && (!lender || t->state == CRMPI_THREAD_PARKED_BELOW))
            lender = t;
    stand_in.lender = lender;
    if (!lender)
        return;
    stand_in.frame = lender->frame;
    lender->nest++;
    __asm__("mov %%fs:0, %0" : "=r"(stand_in.self.lower_fs));
    stand_in.self.upper_fs = lender->upper_fs;
    stand_in.self.nest = 1;
    crmpi_thread = &stand_in.self;
}

static void stand_in_end(void)
{
    if (!stand_in.lender)
        return;
    crmpi_thread = NULL;
    stand_in.lender->nest--;
    stand_in.lender->frame = stand_in.frame;
}

/*
 * Messages
 */

/* Room is made before the message is taken, so that without memory it is not lost. */
static int save_one(const struct crmpi_handle *comm, const MPI_Status *found)
{
    const struct crmpi_comm *c = comm->extra;
    struct crmpi_saved_message *saved = crmpi_saved_room(found, c->id);
    MPI_Message real;
    int flag = 0, error;

    if (!saved)
        return 0;
    error = PMPI_Improbe(found->MPI_SOURCE, found->MPI_TAG, comm->real, &flag, &real,
                         MPI_STATUS_IGNORE);
    if (error == MPI_SUCCESS && flag)
        error = crmpi_saved_receive(&real, saved);
    if (error != MPI_SUCCESS || !flag) {
        crmpi_error("cannot receive a message that is in flight");
        crmpi_saved_destroy(saved);
        return 0;
    }
    crmpi_saved_append(&crmpi_p2p->saved, saved);
    crmpi_count_received((MPI_Comm)(void *)comm, saved->source, saved->tag, 0);
    counted = 1;
    return 1;
}

/* Save what has come from a rank of the communicator, or from any. */
static void save_from(const struct crmpi_handle *comm, int source)
{
    MPI_Status found;
    int flag = 1;

    while (flag && !failed) {
        flag = 0;
        if (PMPI_Iprobe(source, MPI_ANY_TAG, comm->real, &flag, &found) != MPI_SUCCESS)
            failed = 1;
        else if (flag && !save_one(comm, &found))
            failed = 1;
    }
}

/* What ranks outside of the group have sent stays in the library: before their own
 * checkpoints they had not sent it. */
static void save_comm(const struct crmpi_handle *comm)
{
    const struct crmpi_comm *c = comm->extra;
    int n;

    if (!c || !comm->real || comm->real == MPI_COMM_NULL || c->making)
        return; /* it is being made */
    if (!of_group) {
        save_from(comm, MPI_ANY_SOURCE);
        return;
    }
    n = c->remote_size ? c->remote_size : c->size;
    for (int i = 0; i < n; i++)
        if (c->peers[i] >= 0 && peers[c->peers[i]].asked)
            save_from(comm, i);
}

static void save_all(void)
{
    save_comm((void *)CRMPI_UPPER(MPI_Comm, ompi_mpi_comm_world));
    save_comm((void *)CRMPI_UPPER(MPI_Comm, ompi_mpi_comm_self));
    for (struct crmpi_handle *comm = crmpi_handle_first(CRMPI_COMM); comm;
         comm = comm->next)
        save_comm(comm);
}

/* Messages that the application has matched but not received: counted before. */
static void save_matched(void)
{
    for (struct crmpi_handle *handle = crmpi_handle_first(CRMPI_MESSAGE);
         handle && !failed; handle = handle->next) {
        struct crmpi_matched *matched = handle->extra;
        MPI_Message real = handle->real;

        if (matched->saved)
            continue;
        matched->saved = crmpi_saved_room(&matched->status, matched->comm_id);
        if (!matched->saved) {
            failed = 1;
        } else if (crmpi_saved_receive(&real, matched->saved) != MPI_SUCCESS) {
            crmpi_error("cannot receive a message that was matched by a probe");
            failed = 1;
        }
        handle->real = real;
    }
}

/*
 * Requests
 */

/* MPI_Request_get_status gives no error; the only one a receive can have is that the
 * message was longer than its room. */
static void note_error(struct crmpi_request *r)
{
    MPI_Count element_bytes = 0, bytes = 0;

    r->status.MPI_ERROR = MPI_SUCCESS;
    if (r->operation == CRMPI_COLLECTIVE)
        return;
    PMPI_Type_size_x(CRMPI_REAL(MPI_Datatype, r->type), &element_bytes);
    PMPI_Get_elements_x(&r->status, MPI_BYTE, &bytes);
    if (bytes > r->count * element_bytes)
        r->status.MPI_ERROR = MPI_ERR_TRUNCATE;
}

/* Note what is complete; count what has to complete still.  Sends have been done. */
static void note(struct crmpi_request *r, void *context)
{
    int flag = 0;

    (void)context;
    if (!r->active || r->complete || r->noted)
        return;
    if (r->operation == CRMPI_ACCESS) {
        n_pending += !crmpi_request_poll(r);
        return;
    }
    if (r->operation != CRMPI_RECEIVE && r->operation != CRMPI_RECEIVE_MATCHED &&
        r->operation != CRMPI_COLLECTIVE)
        return;
    if (PMPI_Request_get_status(r->handle.real, &flag, &r->status) != MPI_SUCCESS)
        failed = 1;
    if (flag) {
        note_error(r);
        r->noted = 1;
        crmpi_request_count(r);
        counted = 1;
    } else {
        n_pending += r->operation != CRMPI_RECEIVE;
    }
}

static void note_all(void)
{
    n_pending = 0;
    crmpi_request_visit(note, NULL);
    for (struct crmpi_thread *t = crmpi_control->threads; t; t = t->next) {
        struct crmpi_call *call = t->mpi;

        if (call)
            note(&call->receive, NULL);
    }
}

/* Compare what has come from a rank with its bookmark. */
static int has_all(int rank, const struct bookmark *bookmark)
{
    const struct crmpi_traffic *t = &traffic[rank];

    if (t->received < bookmark->sent)
        return 0;
    if (t->received > bookmark->sent || bookmark->drain != drain) {
        crmpi_error("message counts are wrong: %llu received from rank %d, which sent %llu",
                    (unsigned long long)t->received, rank,
                    (unsigned long long)bookmark->sent);
        failed = 1;
    } else if (t->is_exact && bookmark->is_exact &&
               t->received_digest != bookmark->digest) {
        crmpi_error("message counts are wrong: the %llu messages from rank %d did not come "
                    "on the communicators and with the tags that it sent them",
                    (unsigned long long)t->received, rank);
        failed = 1;
    }
    return !failed;
}

static int is_balanced(void)
{
    int balanced = 1;

    if (counted) {
        crmpi_ledger_traffic(traffic, n_ranks);
        counted = 0;
    }
    for (int i = 0; !of_group && i < n_ranks && !failed; i++)
        balanced &= has_all(i, &to_me[i]);
    for (int i = 0; of_group && i < n_ranks && !failed; i++) {
        struct peer *p = &peers[i];

        if (p->asked && has_all(i, &p->tells)) {
            p->asked = 0;
            if (PMPI_Isend(&p->tells, 4, MPI_UINT64_T, i, TAG_ARRIVED, world,
                           &p->answering) != MPI_SUCCESS)
                failed = 1;
        }
        balanced &= p->answered && !p->asked;
    }
    return balanced && !failed;
}

static int step(void)
{
    int flag = 0;

    if (failed) {
        PMPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, crmpi_private_self, &flag,
                    MPI_STATUS_IGNORE);
        return -1;
    }
    if (of_group)
        tell_listen();
    else if (exchange != MPI_REQUEST_NULL &&
             (PMPI_Test(&exchange, &flag, MPI_STATUS_IGNORE) != MPI_SUCCESS || !flag))
        return 0;
    save_matched();
    note_all();
    if (!failed && !is_balanced())
        save_all();
    drained = !failed && n_pending == 0 && is_balanced();
    return drained;
}

/* In a group, a rank that is drained may have to take messages still, of one that begins
 * later. */
void crmpi_cut_progress(void)
{
    int flag;

    if (crmpi_finalize_begun)
        return;
    stand_in_begin();
    if (of_group)
        step();
    else
        PMPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, crmpi_private_self, &flag,
                    MPI_STATUS_IGNORE);
    stand_in_end();
}

static void begin(const struct crmpi_group_list *group)
{
    of_group = group->n != 0;
    memset(in_group, 0, n_ranks);
    for (size_t i = 0; i < group->n; i++)
        in_group[group->ranks[i]] = 1;
    failed = drained = counted = 0;
    crmpi_ledger_traffic(traffic, n_ranks);
}

enum crmpi_status crmpi_drain_begin_group(const struct crmpi_group_list *group,
                                          uint64_t attempt)
{
    enum crmpi_status status;

    stand_in_begin();
    begin(group);
    status = of_group ? tell_begin(attempt) : exchange_begin(); /* all do, also if a */
    if (status == CRMPI_OK)                                     /* flush fails */
        status = crmpi_windows_flush();
    stand_in_end();
    return status;
}

void crmpi_drain_forget(void)
{
    of_group = 0;
    n_settling = 0;
}

/* Others are not stopped, but they may take their time until they are in MPI again. */
int crmpi_settle_progress(char *why, size_t why_bytes)
{
    struct timespec now;
    double seconds;

    clock_gettime(CLOCK_MONOTONIC, &now);
    seconds = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    if (n_settling++ == 0) {
        failed = 0;
        settle_until = seconds + SETTLE_SECONDS;
        stand_in_begin();
        crmpi_alone_trim(); /* the log may be too long */
        stand_in_end();
        if (crmpi_alone_refusal(why, why_bytes))
            return -1;
    }
    stand_in_begin();
    if (n_settling == 1 && crmpi_windows_flush() != CRMPI_OK)
        failed = 1;
    save_matched();
    note_all();
    stand_in_end();
    if (!failed && n_pending == 0 && crmpi_alone_is_settled())
        return crmpi_alone_refusal(why, why_bytes) ? -1 : 1; /* an origin may be new */
    if (!failed && seconds < settle_until)
        return 0;
    snprintf(why, why_bytes,
             failed      ? "a message cannot be received"
             : n_pending ? "nonblocking operations do not end"
                         : "a message has come only in part, or has been "
                           "probed and not received");
    return -1;
}

enum crmpi_status crmpi_drain_begin(void)
{
    const struct crmpi_group_list all = {0};

    return crmpi_drain_begin_group(&all, 0);
}

int crmpi_drain_progress(void)
{
    int done;

    stand_in_begin();
    done = step();
    stand_in_end();
    return done;
}

/* In a group, a rank that has told nothing has sent nothing. */
static int group_is_balanced(void)
{
    crmpi_ledger_traffic(traffic, n_ranks);
    for (int i = 0; i < n_ranks; i++)
        if (in_group[i] && traffic[i].received !=
                               (peers[i].tells.drain == drain ? peers[i].tells.sent : 0)) {
            crmpi_error("message counts are wrong: %llu received from rank %d, which sent "
                        "%llu",
                        (unsigned long long)traffic[i].received, i,
                        (unsigned long long)peers[i].tells.sent);
            return 0;
        }
    return 1;
}

enum crmpi_status crmpi_drain_end(void)
{
    if (!drained || (of_group && !group_is_balanced()))
        return CRMPI_ERR_INTERNAL;
    crmpi_drain_forget();
    for (struct crmpi_thread *t = crmpi_control->threads; t; t = t->next)
        if (t->mpi)
            crmpi_input_trim(t->mpi);
    return crmpi_file_note();
}
