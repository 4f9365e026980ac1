/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The next interval of the ledger: where counting begins anew (lower half).
 *
 * It begins at the cut, and what was counted before is put aside: it is dropped at the
 * commit, for which threads need not be stopped; or, if there is none, put back, at once
 * or when they are parked next.  So the counts of two ranks balance whatever becomes of a
 * checkpoint, and nobody with whom this rank has had to do is forgotten.
 */
#include <stdlib.h>
#include <string.h>

#include "wrappers/hand/drain.h"
#include "wrappers/hand/window.h"

/* The leave that this rank had for a window's segments. */
struct marks {
    struct marks *next;
    uint64_t window;
    uint32_t used;
    int32_t n;
    uint8_t bits[];
};

struct crmpi_aside {
    uint64_t sn, base;
    int32_t alone, resumed, given_up;
    struct crmpi_departed *living;   /* communicators that there were at the cut: id, streams
                                        and flow; count: of collectives since the base */
    struct crmpi_departed *departed; /* that there were not any more */
    uint64_t n_departed;
    struct crmpi_stream_table other;
    struct crmpi_origin *origins;
    struct marks *marks;
};

static void begin_interval(uint64_t interval)
{
    __atomic_store_n(&crmpi_ledger->interval, interval, __ATOMIC_RELEASE);
}

static void begin_windows(void)
{
    for (struct crmpi_handle *h = crmpi_handle_first(CRMPI_WIN); h; h = h->next)
        if (!(h->flags & CRMPI_HANDLE_FREED))
            crmpi_win_marks_clear(h->extra);
}

/*
 * Putting aside
 */

static void free_departed(struct crmpi_departed *departed)
{
    while (departed) {
        struct crmpi_departed *next = departed->next;
        crmpi_departed_free(departed);
        departed = next;
    }
}

static void free_origins(struct crmpi_origin *origins)
{
    while (origins) {
        struct crmpi_origin *next = origins->next;
        crmpi_heap_free(origins);
        origins = next;
    }
}

static void free_marks(struct marks *marks)
{
    while (marks) {
        struct marks *next = marks->next;
        crmpi_heap_free(marks);
        marks = next;
    }
}

static void aside_free(struct crmpi_aside *aside)
{
    free_departed(aside->living);
    free_departed(aside->departed);
    crmpi_streams_fini(&aside->other);
    free_origins(aside->origins);
    free_marks(aside->marks);
    crmpi_heap_free(aside);
}

struct taking {
    struct crmpi_aside *aside;
    int failed;
};

/* The tables belong to both until all is taken. */
static void take_comm(struct crmpi_comm *c, void *context)
{
    struct taking *taking = context;
    struct crmpi_departed *d;

    if (!c->flow && !c->streams.n && c->base_count == c->collective_count)
        return;
    d = crmpi_heap_alloc(sizeof *d);
    if (!d) {
        taking->failed = 1;
        return;
    }
    *d = (struct crmpi_departed){.next = taking->aside->living,
                                 .id = c->id,
                                 .count = c->collective_count - c->base_count,
                                 .streams = c->streams,
                                 .flow = c->flow};
    taking->aside->living = d;
}

static void take_marks(struct taking *taking)
{
    for (struct crmpi_handle *h = crmpi_handle_first(CRMPI_WIN); h; h = h->next) {
        const struct crmpi_win *w = h->extra;
        struct marks *marks;

        if (h->flags & CRMPI_HANDLE_FREED)
            continue;
        marks = crmpi_heap_alloc(sizeof *marks + (size_t)w->n_members);
        if (!marks) {
            taking->failed = 1;
            return;
        }
        *marks = (struct marks){.next = taking->aside->marks,
                                .window = crmpi_comm_of(w->comm)->id,
                                .used = w->used,
                                .n = w->n_members};
        memcpy(marks->bits, w->marks, (size_t)w->n_members);
        taking->aside->marks = marks;
    }
}

static void begin_comm(struct crmpi_comm *c, void *context)
{
    (void)context;
    c->streams = (struct crmpi_stream_table){0};
    c->flow = 0;
    c->base_count = c->collective_count;
}

static struct crmpi_aside *put_aside(uint64_t sn, int alone)
{
    struct taking taking = {.aside = crmpi_heap_alloc(sizeof *taking.aside)};
    struct crmpi_aside *aside = taking.aside;

    if (!aside)
        return NULL;
    *aside = (struct crmpi_aside){.sn = sn, .alone = alone, .base = crmpi_ledger->base};
    take_marks(&taking);
    if (!alone)
        crmpi_ledger_visit(take_comm, &taking);
    if (taking.failed) {
        for (struct crmpi_departed *d = aside->living; d; d = d->next)
            d->streams = (struct crmpi_stream_table){0};
        aside_free(aside);
        return NULL;
    }
    if (!alone) {
        crmpi_ledger_visit(begin_comm, NULL);
        aside->departed = crmpi_ledger->departed;
        aside->n_departed = crmpi_ledger->n_departed;
        aside->other = crmpi_ledger->other;
        aside->origins = crmpi_ledger->origins;
        crmpi_ledger->departed = NULL;
        crmpi_ledger->n_departed = 0;
        crmpi_ledger->other = (struct crmpi_stream_table){0};
        crmpi_ledger->origins = NULL;
    }
    begin_windows();
    return aside;
}

enum crmpi_status crmpi_dependencies_cut(uint64_t sn, int alone)
{
    struct crmpi_aside *aside = put_aside(sn, alone);

    if (!aside)
        return CRMPI_ERR_NOMEM;
    crmpi_ledger->aside = aside;
    if (!alone)
        crmpi_ledger->base = sn;
    begin_interval(sn + 1);
    return CRMPI_OK;
}

/* The log goes with the threads: put back it would have to be joined with a new one. */
void crmpi_dependencies_resumed(void)
{
    crmpi_ledger->aside->resumed = 1;
    if (!crmpi_ledger->aside->alone)
        crmpi_log_forget();
}

/*
 * Putting back
 */

static void add_streams(struct crmpi_stream_table *to,
                        const struct crmpi_stream_table *from, const int32_t *peers)
{
    for (size_t i = 0; i < crmpi_stream_room(from); i++) {
        const struct crmpi_stream_slot *before = &from->slots[i];
        int peer = crmpi_stream_peer(before);
        struct crmpi_stream_slot *slot;

        if (before->key == 0)
            continue;
        slot = crmpi_stream_make(to, before->key);
        if (!slot)
            slot = crmpi_stream_make(
                &crmpi_ledger->other,
                crmpi_stream_key(peers ? peers[peer] : peer, CRMPI_TAG_OTHER));
        if (!slot) {
            crmpi_error("no memory to count messages");
            abort();
        }
        slot->unlogged =
            slot->unlogged ? before->sent + slot->unlogged : before->unlogged;
        slot->sent += before->sent;
        slot->received += before->received;
        slot->order = before->order > slot->order ? before->order : slot->order;
        slot->probed = before->probed > slot->probed ? before->probed : slot->probed;
    }
}

struct search {
    const struct crmpi_departed *before;
    int found;
};

static void add_living(struct crmpi_comm *c, void *context)
{
    struct search *search = context;

    if (c->id != search->before->id || search->found)
        return;
    search->found = 1;
    add_streams(&c->streams, &search->before->streams, c->peers);
    c->flow |= search->before->flow;
    c->base_count -= search->before->count;
}

/* It may have departed since: then it has a record, however little it was used. */
static void add_comm(const struct crmpi_departed *before)
{
    struct search search = {.before = before};

    crmpi_ledger_visit(add_living, &search);
    for (struct crmpi_departed *d = crmpi_ledger->departed; d && !search.found;
         d = d->next) {
        if (d->id != before->id)
            continue;
        search.found = 1;
        add_streams(&d->streams, &before->streams, d->peers);
        d->flow |= before->flow;
        d->count += before->count;
    }
    if (!search.found) {
        crmpi_error("a communicator is gone that was counted");
        abort();
    }
}

static void add_departed(struct crmpi_aside *aside)
{
    struct crmpi_departed **end = &aside->departed;

    while (*end)
        end = &(*end)->next;
    *end = crmpi_ledger->departed;
    crmpi_ledger->departed = aside->departed;
    crmpi_ledger->n_departed += aside->n_departed;
    aside->departed = NULL;
}

static void add_marks(const struct marks *marks)
{
    for (struct crmpi_handle *h = crmpi_handle_first(CRMPI_WIN); h; h = h->next) {
        struct crmpi_win *w = h->extra;

        if (h->flags & CRMPI_HANDLE_FREED || crmpi_comm_of(w->comm)->id != marks->window)
            continue;
        for (int i = 0; i < marks->n && i < w->n_members; i++)
            w->marks[i] |= marks->bits[i];
        w->used |= marks->used;
    }
}

/* Messages sent since have their places in the streams behind those before. */
static uint64_t sent_before(void *context, int peer, int tag)
{
    const struct crmpi_departed *before = context;

    for (size_t i = 0; i < crmpi_stream_room(&before->streams); i++)
        if (before->streams.slots[i].key == crmpi_stream_key(peer, tag))
            return before->streams.slots[i].sent;
    return 0;
}

static void shift_sends(struct crmpi_departed *before)
{
    for (; before; before = before->next)
        crmpi_pending_shift(before->id, sent_before, before);
}

void crmpi_dependencies_given_up(void)
{
    struct crmpi_aside *aside = crmpi_ledger->aside;

    if (!aside)
        return; /* it did not get so far */
    aside->given_up = 1;
    if (!aside->resumed)
        crmpi_dependencies_put_back();
}

void crmpi_dependencies_put_back(void)
{
    struct crmpi_aside *aside = crmpi_ledger->aside;

    if (!aside || !aside->given_up)
        return;
    shift_sends(aside->living);
    shift_sends(aside->departed);
    for (const struct crmpi_departed *d = aside->living; d; d = d->next)
        add_comm(d);
    add_departed(aside);
    add_streams(&crmpi_ledger->other, &aside->other, NULL);
    for (const struct crmpi_origin *o = aside->origins; o; o = o->next)
        crmpi_touched(o->rank, o->interval, o->window, o->how);
    for (const struct marks *m = aside->marks; m; m = m->next)
        add_marks(m);
    crmpi_ledger->base = aside->base;
    if (!aside->alone && aside->resumed)
        crmpi_ledger->log_failed = CRMPI_LOG_DROPPED;
    crmpi_ledger->aside = NULL;
    aside_free(aside);
}

/*
 * The end of a checkpoint
 */

/* What was put aside is of no use any more; threads may run. */
static void drop_aside(void)
{
    struct crmpi_aside *aside = crmpi_ledger->aside;

    __atomic_store_n(&crmpi_ledger->aside, NULL, __ATOMIC_RELEASE);
    aside_free(aside);
}

/* Whoever this rank has had to do with has taken the same checkpoint. */
void crmpi_dependencies_committed(void)
{
    crmpi_p2p->held = crmpi_p2p->holds;
    if (crmpi_ledger->aside->resumed)
        crmpi_log_forget_trims();
    else
        crmpi_log_forget();
    drop_aside();
}

void crmpi_dependencies_saved(void)
{
    drop_aside();
}

static void forget_comm(struct crmpi_comm *c, void *context)
{
    crmpi_streams_fini(&c->streams);
    begin_comm(c, context);
}

static void begin_all(uint64_t base)
{
    crmpi_ledger_visit(forget_comm, NULL);
    free_departed(crmpi_ledger->departed);
    crmpi_ledger->departed = NULL;
    crmpi_ledger->n_departed = 0;
    crmpi_streams_fini(&crmpi_ledger->other);
    free_origins(crmpi_ledger->origins);
    crmpi_ledger->origins = NULL;
    begin_windows();
    crmpi_log_forget();
    crmpi_ledger->base = base;
}

/* Else the checkpoint was not taken with its receiver. */
static int is_held(struct crmpi_request *r, int peer)
{
    if (!r->held)
        crmpi_error("a synchronous send to rank %d was not settled at the checkpoint", peer);
    return r->held;
}

enum crmpi_status crmpi_dependencies_restored(uint64_t line, int in_transit)
{
    /* of a checkpoint that was not taken alone, what it counts had just been settled */
    if (!crmpi_ledger->noted_alone)
        crmpi_p2p->held = crmpi_p2p->holds;
    if (!in_transit || !crmpi_ledger->noted_alone)
        begin_all(in_transit ? crmpi_ledger->noted : line);
    crmpi_repost_count();
    if (!in_transit && !crmpi_pending_sends(is_held))
        return CRMPI_ERR_MPI;
    if (in_transit && crmpi_alone_replay() != MPI_SUCCESS)
        return CRMPI_ERR_MPI;
    begin_windows();
    begin_interval(line + 1);
    return CRMPI_OK;
}
