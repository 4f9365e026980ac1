/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checkpoints of one rank alone (lower half): what they need no more of the log, and after a
 * restart from such checkpoints the sending of what they have in transit.  settle.c has the
 * moment at which a rank may be saved.
 *
 * In a checkpoint of its own a rank has received each message wholly or not at all.  What
 * it has sent and the other has not received is sent again from the log, on the same
 * communicators, behind receives that were pending: the MPI library matches it as it would
 * have.  All ranks go back to the line, so any order that MPI allows is right.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wrappers/hand/cut.h"
#include "wrappers/hand/drain.h"
#include "wrappers/hand/window.h"

/*
 * What is being sent again.  The library reads it from the log.  With all threads parked.
 */

struct again {
    struct again *next;
    struct crmpi_logged *logged;
    MPI_Request request;
};
static struct again *all_again;

static void again_poll(int wait)
{
    struct again **at = &all_again;

    while (*at) {
        struct again *again = *at;
        int done = 0;

        if (wait)
            done = crmpi_wait_real(&again->request, MPI_STATUS_IGNORE) == MPI_SUCCESS;
        else
            PMPI_Test(&again->request, &done, MPI_STATUS_IGNORE);
        if (done || wait) {
            again->logged->in_use = 0;
            *at = again->next;
            free(again);
        } else {
            at = &again->next;
        }
    }
}

static int by_stream(const void *key, const void *row)
{
    return crmpi_stream_compare(key, row);
}

/*
 * What need not be sent again.  The protocol thread hears of it while threads of the
 * application send, and keeps it until they are parked.
 */

struct trim {
    struct trim *next;
    size_t n;
    struct crmpi_stream arrived[];
};
static struct trim *trims;

void crmpi_log_trim(const struct crmpi_stream *arrived, size_t n)
{
    struct trim *trim = n ? malloc(sizeof *trim + n * sizeof *arrived) : NULL;

    if (!trim)
        return; /* the log stays longer than it has to */
    trim->n = n;
    memcpy(trim->arrived, arrived, n * sizeof *arrived);
    trim->next = trims;
    trims = trim;
}

/* The counters of the stream that a message in the log was sent in; NULL: there are none
 * any more. */
static struct crmpi_stream_slot *slot_of(const struct crmpi_logged *logged)
{
    const struct crmpi_handle *h = crmpi_comm_find(logged->comm);
    struct crmpi_stream_table *table =
        h ? &((struct crmpi_comm *)h->extra)->streams : NULL;

    for (struct crmpi_departed *d = crmpi_ledger->departed; d && !table; d = d->next)
        if (d->id == logged->comm)
            table = &d->streams;
    return table ? crmpi_stream_at(table, crmpi_stream_key(logged->dest, logged->tag))
                 : NULL;
}

static void log_trim(const struct trim *trim)
{
    struct crmpi_logged *next;

    for (struct crmpi_logged *logged = crmpi_ledger->log.first; logged; logged = next) {
        struct crmpi_stream key = {
            .comm = logged->comm, .peer = (uint32_t)logged->peer, .tag = logged->tag};
        const struct crmpi_stream *row =
            bsearch(&key, trim->arrived, trim->n, sizeof key, by_stream);
        struct crmpi_stream_slot *slot;

        next = logged->next;
        if (!row || logged->number > row->sent || logged->in_use ||
            !(slot = slot_of(logged)))
            continue;
        if (slot->unlogged < logged->number)
            slot->unlogged = logged->number;
        crmpi_log_remove(&crmpi_ledger->log, logged);
    }
}

void crmpi_log_forget_trims(void)
{
    while (trims) {
        struct trim *next = trims->next;
        free(trims);
        trims = next;
    }
}

void crmpi_alone_trim(void)
{
    if (!trims)
        return;
    again_poll(0);
    for (const struct trim *trim = trims; trim; trim = trim->next)
        log_trim(trim);
    crmpi_log_forget_trims();
}

void crmpi_log_forget(void)
{
    crmpi_log_forget_trims();
    again_poll(1); /* it has arrived */
    crmpi_log_clear(&crmpi_ledger->log);
    crmpi_ledger->log_failed = 0;
    for (struct crmpi_handle *h = crmpi_handle_first(CRMPI_WIN); h; h = h->next)
        if (!(h->flags & CRMPI_HANDLE_FREED)) {
            struct crmpi_win *w = h->extra;
            crmpi_log_clear(&w->puts);
            w->used = 0;
        }
}

/*
 * Puts between fences
 */

void crmpi_put_log(struct crmpi_win *w, int rank, MPI_Aint disp, const void *origin,
                   int origin_count, MPI_Datatype origin_type, MPI_Datatype type)
{
    const struct crmpi_handle *h = (const void *)type;
    const struct crmpi_basic *basic =
        h && h->flags & CRMPI_HANDLE_PREDEFINED ? h->extra : NULL;
    struct crmpi_logged *logged = NULL;

    if (w->epoch != CRMPI_EPOCH_FENCE || rank < 0 || rank >= w->n_members)
        return;
    if (basic && basic->class != CRMPI_BASIC_NONE)
        logged = crmpi_log_packed(origin, origin_count, origin_type);
    if (!logged) {
        w->used |= CRMPI_HOW_ATOMIC; /* as if it could not be done again */
        return;
    }
    logged->dest = rank;
    logged->number = (uint64_t)disp;
    crmpi_lock(&crmpi_p2p->counting);
    crmpi_log_append(&w->puts, logged);
    crmpi_unlock(&crmpi_p2p->counting);
}

static int puts_do(const struct crmpi_handle *handle)
{
    const struct crmpi_win *w = handle->extra;
    int error = MPI_SUCCESS, n_puts = 0;

    for (struct crmpi_logged *put = w->puts.first; put && error == MPI_SUCCESS;
         put = put->next) {
        MPI_Aint disp = crmpi_win_disp(w, put->dest, (MPI_Aint)put->number);
        MPI_Datatype type = MPI_BYTE;
        int n;

        error = crmpi_bytes_type(put->bytes, &n, &type);
        if (error == MPI_SUCCESS)
            error = PMPI_Put(put->data, n, type, put->dest, disp, n, type, handle->real);
        if (type != MPI_BYTE)
            crmpi_bytes_type_free(&type);
        n_puts++;
    }
    if (n_puts)
        crmpi_info("%d puts of an open epoch are done again", n_puts);
    return error == MPI_SUCCESS && w->puts.first ? PMPI_Win_flush_all(handle->real) : error;
}

/*
 * After a restart
 */

/* What a rank has received of a stream; it tells the sender. */
struct row {
    uint64_t comm, received;
    int64_t source, tag; /* source: filled in by who is told */
};

struct rows {
    struct row *items;
    int *counts, *places; /* in bytes, for each rank */
    size_t n;
};

static void rows_fini(struct rows *rows)
{
    free(rows->items);
    free(rows->counts);
    free(rows->places);
}

static int rows_start(struct rows *rows, int n_ranks)
{
    *rows = (struct rows){0};
    rows->counts = calloc((size_t)n_ranks + 1, sizeof *rows->counts);
    rows->places = calloc((size_t)n_ranks + 1, sizeof *rows->places);
    return rows->counts && rows->places;
}

/* Set the places by the counts, and make room. */
static int rows_room(struct rows *rows, int n_ranks)
{
    int64_t bytes = 0;

    for (int i = 0; i < n_ranks && bytes <= INT32_MAX; i++) {
        rows->places[i] = (int)bytes;
        bytes += rows->counts[i];
    }
    if (bytes > INT32_MAX)
        return 0;
    rows->n = (size_t)bytes / sizeof *rows->items;
    rows->items = malloc((size_t)bytes + 1);
    return rows->items != NULL;
}

/* By the peer: rows for the streams it sends to this rank. */
static int rows_fill(struct rows *rows, int n_ranks)
{
    struct crmpi_dependencies d;
    int *used = calloc((size_t)n_ranks + 1, sizeof *used), fine = used != NULL;

    if (crmpi_dependencies_note(crmpi_ledger->interval, 1, NULL, 0, &d) != CRMPI_OK) {
        free(used);
        return 0;
    }
    for (size_t i = 0; fine && i < d.n_streams; i++)
        if (d.streams[i].tag >= 0 && d.streams[i].received)
            rows->counts[d.streams[i].peer] += (int)sizeof(struct row);
    fine = fine && rows_room(rows, n_ranks);
    for (size_t i = 0; fine && i < d.n_streams; i++) {
        const struct crmpi_stream *s = &d.streams[i];
        size_t at = (size_t)rows->places[s->peer] / sizeof(struct row);

        if (s->tag >= 0 && s->received)
            rows->items[at + (size_t)used[s->peer]++] =
                (struct row){s->comm, s->received, 0, s->tag};
    }
    free(used);
    crmpi_dependencies_fini(&d);
    return fine;
}

static int by_row(const void *a, const void *b)
{
    const struct row *x = a, *y = b;

    if (x->source != y->source)
        return x->source < y->source ? -1 : 1;
    if (x->comm != y->comm)
        return x->comm < y->comm ? -1 : 1;
    return (x->tag > y->tag) - (x->tag < y->tag);
}

/* Learn what the others have received of this rank's messages.  Collective. */
static int rows_exchange(const struct rows *mine, struct rows *theirs, int n_ranks)
{
    if (PMPI_Alltoall(mine->counts, 1, MPI_INT, theirs->counts, 1, MPI_INT,
                      crmpi_private_world) != MPI_SUCCESS ||
        !rows_room(theirs, n_ranks) ||
        PMPI_Alltoallv(mine->items, mine->counts, mine->places, MPI_BYTE, theirs->items,
                       theirs->counts, theirs->places, MPI_BYTE,
                       crmpi_private_world) != MPI_SUCCESS)
        return 0;
    for (int i = 0; i < n_ranks; i++)
        for (int k = 0; k < theirs->counts[i] / (int)sizeof(struct row); k++)
            theirs->items[theirs->places[i] / (int)sizeof(struct row) + k].source = i;
    if (theirs->n > 1)
        qsort(theirs->items, theirs->n, sizeof *theirs->items, by_row);
    return 1;
}

static int send_again(struct crmpi_logged *logged)
{
    MPI_Comm comm = crmpi_comm_lower(logged->comm);
    struct again *again;
    MPI_Datatype type;
    int n, error;

    if (comm == MPI_COMM_NULL) /* freed by all, and no request to receive it is left */
        return MPI_SUCCESS;
    again = calloc(1, sizeof *again);
    if (!again)
        return MPI_ERR_NO_MEM;
    error = crmpi_bytes_type(logged->bytes, &n, &type);
    if (error == MPI_SUCCESS) {
        error = PMPI_Isend(logged->data, n, type, logged->dest, logged->tag, comm,
                           &again->request);
        crmpi_bytes_type_free(&type);
    }
    if (error != MPI_SUCCESS) {
        free(again);
        return error;
    }
    logged->in_use = 1;
    again->logged = logged;
    again->next = all_again;
    all_again = again;
    return MPI_SUCCESS;
}

/* Synchronous sends that are not complete in this rank's checkpoint: either the line has
 * the receive, or they are sent again. */
struct open_send {
    uint64_t comm, number;
    int32_t peer, tag;
    struct crmpi_request *r;
};
static struct open_send *open_sends;
static size_t n_open, open_room;

static int open_add(struct crmpi_request *r, int peer)
{
    if (r->held)
        return 1; /* sent again already */
    if (n_open == open_room) {
        size_t room = open_room ? 2 * open_room : 64;
        struct open_send *more = realloc(open_sends, room * sizeof *more);

        if (!more)
            return 0;
        open_sends = more;
        open_room = room;
    }
    open_sends[n_open++] = (struct open_send){.comm = crmpi_comm_of(r->comm)->id,
                                              .number = r->number,
                                              .peer = peer,
                                              .tag = r->tag,
                                              .r = r};
    return 1;
}

#define COMPARE(a, b) (((a) > (b)) - ((a) < (b)))

static int by_message(const void *a, const void *b)
{
    const struct open_send *x = a, *y = b;
    int order = COMPARE(x->comm, y->comm);

    if (order == 0)
        order = COMPARE(x->peer, y->peer);
    if (order == 0)
        order = COMPARE(x->tag, y->tag);
    return order ? order : COMPARE(x->number, y->number);
}

static uint64_t received_of(const struct rows *theirs, uint64_t comm, int peer, int tag)
{
    struct row key = {.comm = comm, .source = peer, .tag = tag};
    const struct row *row =
        theirs->n ? bsearch(&key, theirs->items, theirs->n, sizeof key, by_row) : NULL;

    return row ? row->received : 0;
}

static struct crmpi_request *open_find(const struct crmpi_logged *l)
{
    const struct open_send key = {
        .comm = l->comm, .number = l->number, .peer = l->peer, .tag = l->tag};
    const struct open_send *found =
        n_open ? bsearch(&key, open_sends, n_open, sizeof key, by_message) : NULL;

    return found ? found->r : NULL;
}

/* In the order of the log, which is that of sending. */
static int send_all_again(const struct rows *theirs)
{
    int error = MPI_SUCCESS, n = 0;

    for (struct crmpi_logged *l = crmpi_ledger->log.first; l; l = l->next) {
        struct crmpi_request *r = open_find(l);

        l->in_use = 0;
        if (error != MPI_SUCCESS ||
            l->number <= received_of(theirs, l->comm, l->peer, l->tag))
            continue;
        error = r ? crmpi_send_again(r) : send_again(l);
        n++;
    }
    if (n)
        crmpi_info("%d messages in transit are sent again", n);
    return error;
}

static int open_end(const struct rows *theirs)
{
    for (size_t i = 0; i < n_open; i++) {
        const struct open_send *o = &open_sends[i];

        if (o->number == 0 ||
            o->number > received_of(theirs, o->comm, o->peer, o->tag)) {
            if (o->r->handle.real == MPI_REQUEST_NULL)
                return MPI_ERR_INTERN; /* it is in no log */
            continue;
        }
        o->r->status = crmpi_status_empty;
        o->r->complete = 1;
    }
    return MPI_SUCCESS;
}

static int replay_messages(const struct rows *theirs)
{
    int error = MPI_ERR_NO_MEM;

    if (crmpi_pending_sends(open_add)) {
        if (n_open > 1)
            qsort(open_sends, n_open, sizeof *open_sends, by_message);
        error = send_all_again(theirs);
    }
    if (error == MPI_SUCCESS)
        error = open_end(theirs);
    free(open_sends);
    open_sends = NULL;
    n_open = open_room = 0;
    return error;
}

int crmpi_alone_replay(void)
{
    struct rows mine, theirs;
    int n_ranks, error = MPI_ERR_NO_MEM;

    PMPI_Comm_size(MPI_COMM_WORLD, &n_ranks);
    if (rows_start(&mine, n_ranks) & rows_start(&theirs, n_ranks) &&
        rows_fill(&mine, n_ranks) && rows_exchange(&mine, &theirs, n_ranks))
        error = replay_messages(&theirs);
    rows_fini(&mine);
    rows_fini(&theirs);
    for (struct crmpi_handle *h = crmpi_handle_first(CRMPI_WIN);
         h && error == MPI_SUCCESS; h = h->next)
        if (!(h->flags & CRMPI_HANDLE_FREED))
            error = puts_do(h);
    return error;
}
