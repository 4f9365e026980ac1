/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When a rank may be saved alone (lower half): it uses nothing that cannot be repeated, and
 * has received each message wholly or not at all.
 */
#include <stdio.h>
#include <time.h>

#include "wrappers/hand/cut.h"
#include "wrappers/hand/drain.h"
#include "wrappers/hand/window.h"

/* How long a rank waits for what is half done. */
#define SETTLE_SECONDS 0.5

static unsigned n_steps;
static double until; /* of the monotonic clock */
static int failed;

/* A receive that was posted before one that has completed, and could have had its message,
 * has an earlier one: it is complete when that has come wholly. */
static int is_half_done(const struct crmpi_request *r)
{
    const struct crmpi_comm *c = crmpi_comm_of(r->comm);

    for (size_t i = 0; c && i < crmpi_stream_room(&c->streams); i++) {
        const struct crmpi_stream_slot *slot = &c->streams.slots[i];

        if (slot->key && slot->order > r->order &&
            (r->peer == MPI_ANY_SOURCE || r->peer == crmpi_stream_peer(slot)) &&
            (r->tag == MPI_ANY_TAG || r->tag == crmpi_stream_tag(slot)))
            return 1;
    }
    return 0;
}

static void look(struct crmpi_request *r, void *n_half_done)
{
    if (r->active && !r->complete && !r->noted && r->operation == CRMPI_RECEIVE)
        *(int *)n_half_done += is_half_done(r);
}

static int n_half_done(void)
{
    int n = 0;

    crmpi_request_visit(look, &n);
    return n;
}

/* Puts between fences can be done again; nothing else can. */
static const char *window_refusal(const struct crmpi_win *w)
{
    uint32_t used = w->used;

    if (w->flavor == MPI_WIN_FLAVOR_SHARED)
        return "has shared memory, whose loads and stores cannot be seen";
    for (int i = 0; i < w->n_members; i++)
        used |= i == crmpi_comm_of(w->comm)->rank ? 0 : w->marks[i];
    if (w->epoch > CRMPI_EPOCH_FENCE || w->posted.is_open ||
        used & (CRMPI_HOW_SYNC | CRMPI_HOW_ATOMIC))
        return "is accessed otherwise than by puts and gets between fences";
    return NULL;
}

static int windows_refuse(char *why, size_t why_bytes)
{
    const char *reason;

    for (struct crmpi_handle *h = crmpi_handle_first(CRMPI_WIN); h; h = h->next) {
        const struct crmpi_win *w = h->extra;

        if (h->flags & CRMPI_HANDLE_FREED || !(reason = window_refusal(w)))
            continue;
        snprintf(why, why_bytes, "the window %s%s%s", w->name ? w->name : "",
                 w->name ? " " : "", reason);
        return 1;
    }
    for (const struct crmpi_origin *o = crmpi_ledger->origins; o; o = o->next)
        if (o->how & ~(uint32_t)(CRMPI_HOW_WRITE | CRMPI_HOW_READ)) {
            snprintf(why, why_bytes,
                     "rank %u accesses a window here otherwise than by puts and gets "
                     "between fences",
                     o->rank);
            return 1;
        }
    return 0;
}

/* A collective is under way that cannot be made again. */
static int something_is_made(void)
{
    for (struct crmpi_handle *h = crmpi_handle_first(CRMPI_COMM); h; h = h->next)
        if (h->extra && ((struct crmpi_comm *)h->extra)->under_way)
            return 1;
    return crmpi_comm_of(CRMPI_UPPER(MPI_Comm, ompi_mpi_comm_world))->under_way;
}

/* Why this rank cannot be saved alone; 0: it can. */
static int refusal(char *why, size_t why_bytes)
{
    if (!crmpi_ledger->logging)
        snprintf(why, why_bytes, "messages are not logged");
    else if (crmpi_ledger->log_failed == CRMPI_LOG_DROPPED)
        snprintf(why, why_bytes, "a checkpoint of all ranks failed after they had gone on");
    else if (crmpi_ledger->log_failed)
        snprintf(why, why_bytes, "there was no memory to log a message");
    else if (crmpi_log_bytes() > crmpi_ledger->log_limit)
        snprintf(why, why_bytes, "the log of messages has more than %llu MiB "
                 "(CRMPI_LOG_LIMIT)", (unsigned long long)crmpi_ledger->log_limit >> 20);
    else if (crmpi_ledger->other.n)
        snprintf(why, why_bytes, "there are too many pairs of tags and ranks to be counted "
                 "apart");
    else if (crmpi_p2p->held || crmpi_p2p->holds)
        snprintf(why, why_bytes, "a synchronous message was on its way at the last "
                 "checkpoint of all ranks");
    else if (something_is_made())
        snprintf(why, why_bytes, "a window or a file is being made");
    else if (crmpi_handle_first(CRMPI_FILE))
        snprintf(why, why_bytes, "an MPI file is open");
    else
        return windows_refuse(why, why_bytes);
    return 1;
}

/*
 * What a probe has found is known here, so the sender must not go back to before it.  The
 * counts of what has been received do not tell; but when it has been received they do.
 */
static int has_probed(const struct crmpi_handle *h)
{
    const struct crmpi_comm *c = h->extra;

    for (size_t i = 0; c && i < crmpi_stream_room(&c->streams); i++)
        if (c->streams.slots[i].key &&
            c->streams.slots[i].probed > c->streams.slots[i].order)
            return 1;
    return 0;
}

static int is_something_probed(void)
{
    int is = has_probed(CRMPI_UPPER(struct crmpi_handle *, ompi_mpi_comm_world)) ||
             has_probed(CRMPI_UPPER(struct crmpi_handle *, ompi_mpi_comm_self));

    for (struct crmpi_handle *h = crmpi_handle_first(CRMPI_COMM); h && !is; h = h->next)
        is = has_probed(h);
    return is;
}

static int is_settled(void)
{
    return n_half_done() == 0 && !is_something_probed() && !crmpi_held_is_matched() &&
           crmpi_held_is_settled(); /* a drain that was given up may have left something */
}

/* Others are not stopped, but they may take their time until they are in MPI again. */
int crmpi_settle_progress(char *why, size_t why_bytes)
{
    struct timespec now;
    double seconds;
    int n_pending = 0, n_counted;

    crmpi_drain_enter();
    clock_gettime(CLOCK_MONOTONIC, &now);
    seconds = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    if (n_steps++ == 0) {
        crmpi_errors_return(1);
        failed = 0;
        until = seconds + SETTLE_SECONDS;
        crmpi_alone_trim(); /* the log may be too long */
        if (refusal(why, why_bytes))
            return -1;
    }
    if (n_steps == 1 && crmpi_windows_flush() != CRMPI_OK)
        failed = 1;
    if (!crmpi_pending_note(&n_pending, &n_counted) || !crmpi_held_poll())
        failed = 1;
    if (!failed && n_pending == 0 && is_settled())
        return refusal(why, why_bytes) ? -1 : 1; /* an origin may be new */
    if (!failed && seconds < until)
        return 0;
    snprintf(why, why_bytes,
             failed      ? "a message cannot be received"
             : n_pending ? "nonblocking operations do not end"
                         : "a message has come only in part, or has been "
                           "probed and not received");
    return -1;
}

void crmpi_settle_forget(void)
{
    n_steps = 0;
}
