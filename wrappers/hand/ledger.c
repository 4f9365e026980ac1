/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ledger (see ledger.h): who this rank has had to do with (lower half).
 */
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "wrappers/hand/p2p.h"
#include "wrappers/hand/window.h"

#define DEPARTED_MAX 4096 /* beyond that only sums are kept */

enum crmpi_status crmpi_ledger_start(void)
{
    crmpi_ledger = crmpi_heap_alloc(sizeof *crmpi_ledger);
    if (!crmpi_ledger)
        return CRMPI_ERR_NOMEM;
    crmpi_ledger->interval = 1;
    /* MPI_Init */
    crmpi_comm_of(CRMPI_UPPER(MPI_Comm, ompi_mpi_comm_world))->flow =
        CRMPI_FLOW_FROM_ALL | CRMPI_FLOW_TO_ALL;
    return CRMPI_OK;
}

uint64_t crmpi_interval(void)
{
    return __atomic_load_n(&crmpi_ledger->interval, __ATOMIC_ACQUIRE);
}

/*
 * Counting messages
 */

struct crmpi_stream_slot *crmpi_stream_of(struct crmpi_comm *c, int peer, int tag)
{
    struct crmpi_stream_slot *slot;

    if (c->is_dynamic)
        return NULL; /* it forbids checkpoints: no cut has to find its messages balanced */
    slot = crmpi_stream_make(&c->streams, crmpi_stream_key(peer, tag));
    if (!slot)
        slot = crmpi_stream_make(&crmpi_ledger->other,
                                 crmpi_stream_key(c->peers[peer], CRMPI_TAG_OTHER));
    if (!slot) {
        crmpi_error("no memory to count messages");
        abort();
    }
    return slot;
}

/* All communicators that there are, unborn ones left out. */
void crmpi_ledger_visit(void (*visit)(struct crmpi_comm *, void *), void *context)
{
    visit(CRMPI_UPPER(struct crmpi_handle *, ompi_mpi_comm_world)->extra, context);
    visit(CRMPI_UPPER(struct crmpi_handle *, ompi_mpi_comm_self)->extra, context);
    for (struct crmpi_handle *h = crmpi_handle_first(CRMPI_COMM); h; h = h->next)
        if (h->extra && ((struct crmpi_comm *)h->extra)->peers)
            visit(h->extra, context);
}

static uint64_t mix(uint64_t comm, int tag)
{
    const uint64_t words[2] = {comm, (uint32_t)tag};

    return crmpi_checksum(words, sizeof words);
}

static void add_slots(const struct crmpi_stream_table *table, uint64_t comm,
                      const int32_t *peers, struct crmpi_traffic *traffic)
{
    for (size_t i = 0; i < crmpi_stream_room(table); i++) {
        const struct crmpi_stream_slot *slot = &table->slots[i];
        int tag = crmpi_stream_tag(slot), peer = crmpi_stream_peer(slot);
        struct crmpi_traffic *t;

        if (slot->key == 0 || tag == CRMPI_TAG_ROOTED)
            continue;
        t = &traffic[peers ? peers[peer] : peer];
        t->sent += slot->sent;
        t->received += slot->received;
        t->is_exact &= tag != CRMPI_TAG_OTHER;
        t->sent_digest += mix(comm, tag) * slot->sent;
        t->received_digest += mix(comm, tag) * slot->received;
    }
}

static void add_comm(struct crmpi_comm *c, void *context)
{
    add_slots(&c->streams, c->id, c->peers, context);
}

void crmpi_ledger_traffic(struct crmpi_traffic *traffic, int n_ranks)
{
    for (int i = 0; i < n_ranks; i++)
        traffic[i] = (struct crmpi_traffic){.is_exact = 1};
    crmpi_ledger_visit(add_comm, traffic);
    for (const struct crmpi_departed *d = crmpi_ledger->departed; d; d = d->next)
        add_slots(&d->streams, d->id, d->peers, traffic);
    add_slots(&crmpi_ledger->other, 0, NULL, traffic);
}

/*
 * Communicators that are no more
 */

void crmpi_departed_free(struct crmpi_departed *d)
{
    if (d->peers != d->members)
        crmpi_heap_free(d->peers);
    crmpi_heap_free(d->members);
    crmpi_streams_fini(&d->streams);
    crmpi_heap_free(d);
}

/* Into the sums: that two ranks met is kept, too. */
static void departed_fold(struct crmpi_departed *d)
{
    struct crmpi_stream_table *other = &crmpi_ledger->other;

    for (int i = 0; d->flow && i < d->size + d->remote_size; i++) {
        int rank = i < d->size ? d->members[i] : d->peers[i - d->size];
        crmpi_stream_at(other, crmpi_stream_key(rank, CRMPI_TAG_OTHER));
    }
    for (size_t i = 0; i < crmpi_stream_room(&d->streams); i++) {
        const struct crmpi_stream_slot *from = &d->streams.slots[i];
        struct crmpi_stream_slot *to;

        if (from->key == 0)
            continue;
        to = crmpi_stream_at(other, crmpi_stream_key(d->peers[crmpi_stream_peer(from)],
                                                     CRMPI_TAG_OTHER));
        if (!to) {
            crmpi_error("no memory to count messages");
            abort();
        }
        if (crmpi_stream_tag(from) != CRMPI_TAG_ROOTED) {
            to->sent += from->sent;
            to->received += from->received;
        }
    }
    crmpi_departed_free(d);
}

static void departed_fold_all(void)
{
    while (crmpi_ledger->departed) {
        struct crmpi_departed *next = crmpi_ledger->departed->next;
        departed_fold(crmpi_ledger->departed);
        crmpi_ledger->departed = next;
    }
    crmpi_ledger->n_departed = 0;
}

/* A dynamic one came and went between two checkpoints, both after its members had met in a
 * collective of another communicator, or have been noted: see crmpi_ledger_meet(). */
void crmpi_ledger_depart(struct crmpi_comm *c)
{
    int32_t *counting = &crmpi_root->p2p->counting; /* at a restart crmpi_p2p is not set yet */
    struct crmpi_departed *d;

    if (c->is_dynamic)
        return;
    if (!c->flow && !c->streams.n && !crmpi_ledger->aside)
        return;
    d = crmpi_heap_alloc(sizeof *d);
    if (!d) {
        crmpi_error("no memory to count messages");
        abort();
    }
    *d = (struct crmpi_departed){
        .id = c->id,
        .count = c->collective_count - c->base_count,
        .size = c->size,
        .rank = c->rank,
        .remote_size = c->remote_size,
        .members = c->members,
        .peers = c->peers,
        .streams = c->streams,
        .flow = c->flow,
    };
    c->members = c->peers = NULL;
    c->streams = (struct crmpi_stream_table){0};
    crmpi_lock(counting); /* threads free communicators at the same time */
    if (crmpi_ledger->n_departed >= DEPARTED_MAX && !crmpi_ledger->aside)
        departed_fold_all();
    d->next = crmpi_ledger->departed;
    crmpi_ledger->departed = d;
    crmpi_ledger->n_departed++;
    crmpi_unlock(counting);
}

void crmpi_ledger_meet(const struct crmpi_comm *c)
{
    crmpi_lock(&crmpi_p2p->counting);
    for (int i = 0; i < c->remote_size; i++)
        if (c->peers[i] >= 0 &&
            !crmpi_stream_at(&crmpi_ledger->other,
                             crmpi_stream_key(c->peers[i], CRMPI_TAG_OTHER))) {
            crmpi_error("no memory to count messages");
            abort();
        }
    crmpi_unlock(&crmpi_p2p->counting);
}

/*
 * Neighbours
 */

struct ranks {
    uint8_t *has; /* for each world rank */
    int n;
};

static void add_rank(struct ranks *ranks, int rank)
{
    if (rank >= 0 && rank < ranks->n)
        ranks->has[rank] = 1;
}

static void add_table(struct ranks *ranks, const struct crmpi_stream_table *table,
                      const int32_t *peers)
{
    for (size_t i = 0; i < crmpi_stream_room(table); i++)
        if (table->slots[i].key) {
            int peer = crmpi_stream_peer(&table->slots[i]);
            add_rank(ranks, peers ? peers[peer] : peer);
        }
}

static void add_members(struct ranks *ranks, const int32_t *members, int size,
                        const int32_t *peers, int remote_size)
{
    for (int i = 0; i < size; i++)
        add_rank(ranks, members[i]);
    for (int i = 0; i < remote_size; i++)
        add_rank(ranks, peers[i]);
}

static void add_comm_ranks(struct crmpi_comm *c, void *context)
{
    add_table(context, &c->streams, c->peers);
    if (c->flow || c->under_way)
        add_members(context, c->members, c->size, c->peers, c->remote_size);
}

/* Loads and stores in shared memory are not seen: its ranks always belong together. */
static void add_window_ranks(struct ranks *ranks, const struct crmpi_win *w)
{
    const struct crmpi_comm *c = crmpi_comm_of(w->comm);

    for (int i = 0; i < c->size; i++)
        if (i != c->rank && (w->marks[i] || w->flavor == MPI_WIN_FLAVOR_SHARED))
            add_rank(ranks, c->members[i]);
}

/* Nor is it seen who has moved a shared file pointer. */
static void add_file_ranks(struct ranks *ranks, const struct crmpi_file *file)
{
    const struct crmpi_comm *c = crmpi_comm_of(file->comm);

    if (file->uses_shared && c)
        add_members(ranks, c->members, c->size, NULL, 0);
}

static void ranks_find(struct ranks *ranks)
{
    crmpi_ledger_visit(add_comm_ranks, ranks);
    for (const struct crmpi_departed *d = crmpi_ledger->departed; d; d = d->next) {
        add_table(ranks, &d->streams, d->peers);
        if (d->flow)
            add_members(ranks, d->members, d->size, d->peers, d->remote_size);
    }
    add_table(ranks, &crmpi_ledger->other, NULL);
    for (struct crmpi_handle *h = crmpi_handle_first(CRMPI_WIN); h; h = h->next)
        if (!(h->flags & CRMPI_HANDLE_FREED))
            add_window_ranks(ranks, h->extra);
    for (struct crmpi_handle *h = crmpi_handle_first(CRMPI_FILE); h; h = h->next)
        if (!(h->flags & CRMPI_HANDLE_FREED) && h->extra)
            add_file_ranks(ranks, h->extra);
    for (const struct crmpi_origin *o = crmpi_ledger->origins; o; o = o->next)
        add_rank(ranks, (int)o->rank);
}

enum crmpi_status crmpi_cut_neighbours(const struct crmpi_group_list *group,
                                       uint32_t **ranks_out, size_t *n_out)
{
    const struct crmpi_comm *world =
        crmpi_comm_of(CRMPI_UPPER(MPI_Comm, ompi_mpi_comm_world));
    struct ranks ranks = {calloc(world->size + 1, 1), world->size};
    uint32_t *list = malloc((world->size + 1) * sizeof *list);
    size_t n = 0;

    *ranks_out = list;
    *n_out = 0;
    if (!ranks.has || !list) {
        free(ranks.has);
        free(list);
        *ranks_out = NULL;
        return CRMPI_ERR_NOMEM;
    }
    if (group->n) {
        ranks_find(&ranks);
        for (size_t i = 0; i < group->n; i++)
            ranks.has[group->ranks[i]] = 0;
        ranks.has[world->rank] = 0;
        for (int i = 0; i < world->size; i++)
            if (ranks.has[i])
                list[n++] = (uint32_t)i;
    }
    free(ranks.has);
    *n_out = n;
    return CRMPI_OK;
}

/*
 * Origins: ranks that access this rank's segments
 */

static void origins_lock(void)
{
    while (__atomic_exchange_n(&crmpi_ledger->lock, 1, __ATOMIC_ACQUIRE))
        sched_yield();
}

static void origins_unlock(void)
{
    __atomic_store_n(&crmpi_ledger->lock, 0, __ATOMIC_RELEASE);
}

void crmpi_touched(uint32_t origin, uint64_t interval, uint64_t window, uint32_t how)
{
    struct crmpi_origin **at = &crmpi_ledger->origins, *o;

    origins_lock();
    while (*at && ((*at)->window < window ||
                   ((*at)->window == window && (*at)->rank < origin)))
        at = &(*at)->next;
    o = *at;
    if (!o || o->window != window || o->rank != origin) {
        o = crmpi_heap_alloc(sizeof *o);
        if (!o) {
            crmpi_error("no memory to note an access to a window");
            abort();
        }
        *o = (struct crmpi_origin){.next = *at, .window = window, .rank = origin};
        *at = o;
    }
    o->how |= how;
    if (interval > o->interval)
        o->interval = interval;
    origins_unlock();
}

/*
 * What a checkpoint depends on
 */

struct note {
    struct crmpi_dependencies *out;
    size_t stream_room, collective_room, member_room, access_room, origin_room;
    int alone, failed;
};

/* Room for @p more items; the array, perhaps moved. */
static void *room_for(struct note *note, void *items, size_t n, size_t more, size_t *room,
                      size_t item_bytes)
{
    size_t wanted = n + more;
    void *larger = items;

    if (wanted > *room) {
        wanted = 2 * wanted + 16;
        larger = realloc(items, wanted * item_bytes);
        if (!larger) {
            note->failed = 1;
            return items;
        }
        *room = wanted;
    }
    return larger;
}

#define ROOM(note, array, n_array, more, room)                                           \
    ((array) = room_for(note, array, n_array, more, &(note)->room, sizeof *(array)),     \
     !(note)->failed)

static void note_streams(struct note *note, const struct crmpi_stream_table *table,
                         uint64_t comm, const int32_t *peers)
{
    struct crmpi_dependencies *d = note->out;

    if (!ROOM(note, d->streams, d->n_streams, table->n, stream_room))
        return;
    for (size_t i = 0; i < crmpi_stream_room(table); i++) {
        const struct crmpi_stream_slot *slot = &table->slots[i];
        int peer = crmpi_stream_peer(slot);

        if (slot->key)
            d->streams[d->n_streams++] = (struct crmpi_stream){
                .comm = comm,
                .peer = (uint32_t)(peers ? peers[peer] : peer),
                .tag = crmpi_stream_tag(slot),
                .sent = slot->sent,
                .received = slot->received,
                .unlogged = slot->unlogged,
            };
    }
}

static int are_all(const int32_t *members, int n, uint32_t n_ranks)
{
    for (int i = 0; i < n; i++)
        if (members[i] != i)
            return 0;
    return (uint32_t)n == n_ranks;
}

static void note_collectives(struct note *note, const struct crmpi_collectives *from,
                             const int32_t *members, int size, const int32_t *peers,
                             int remote_size)
{
    struct crmpi_dependencies *d = note->out;
    struct crmpi_collectives *to;
    int all = remote_size == 0 && are_all(members, size, d->n_ranks);
    int n = all ? 0 : size + remote_size;

    if ((!from->flow && !note->alone) || size + remote_size == 1 ||
        !ROOM(note, d->collectives, d->n_collectives, 1, collective_room) ||
        !ROOM(note, d->members, d->n_members, (size_t)n, member_room))
        return;
    to = &d->collectives[d->n_collectives++];
    *to = *from;
    to->n_members = (uint32_t)n;
    to->members = d->n_members;
    for (int i = 0; i < n; i++)
        d->members[d->n_members++] = (uint32_t)(i < size ? members[i] : peers[i - size]);
}

static void note_comm(struct crmpi_comm *c, void *context)
{
    const struct crmpi_collectives collectives = {
        .comm = c->id,
        .count = c->collective_count - c->base_count,
        .flow = c->flow,
        .rank = c->rank,
    };

    note_streams(context, &c->streams, c->id, c->peers);
    note_collectives(context, &collectives, c->members, c->size, c->peers,
                     c->remote_size);
}

static void note_departed(struct note *note, const struct crmpi_departed *d)
{
    const struct crmpi_collectives collectives = {
        .comm = d->id, .count = d->count, .flow = d->flow, .rank = d->rank, .is_freed = 1};

    note_streams(note, &d->streams, d->id, d->peers);
    note_collectives(note, &collectives, d->members, d->size, d->peers, d->remote_size);
}

static void note_window(struct note *note, const struct crmpi_win *w)
{
    struct crmpi_dependencies *d = note->out;
    const struct crmpi_comm *c = crmpi_comm_of(w->comm);
    int shared = w->flavor == MPI_WIN_FLAVOR_SHARED;

    if (!ROOM(note, d->accesses, d->n_accesses, (size_t)c->size, access_room))
        return;
    d->windows[d->n_windows++] = c->id;
    for (int i = 0; i < c->size; i++) {
        uint32_t how = w->marks[i] | (shared ? CRMPI_HOW_SYNC : 0);

        if (how && i != c->rank)
            d->accesses[d->n_accesses++] = (struct crmpi_access){
                .window = c->id, .rank = (uint32_t)c->members[i], .how = how};
    }
}

static void note_windows(struct note *note)
{
    struct crmpi_dependencies *d = note->out;
    size_t n = 0;

    for (struct crmpi_handle *h = crmpi_handle_first(CRMPI_WIN); h; h = h->next)
        n++;
    d->windows = malloc((n + 1) * sizeof *d->windows);
    note->failed |= !d->windows;
    for (struct crmpi_handle *h = crmpi_handle_first(CRMPI_WIN); h && !note->failed;
         h = h->next)
        if (!(h->flags & CRMPI_HANDLE_FREED))
            note_window(note, h->extra);
    for (const struct crmpi_origin *o = crmpi_ledger->origins; o; o = o->next)
        if (ROOM(note, d->origins, d->n_origins, 1, origin_room))
            d->origins[d->n_origins++] = (struct crmpi_access){.window = o->window,
                                                               .rank = o->rank,
                                                               .how = o->how,
                                                               .interval = o->interval};
}

#define COMPARE(a, b) (((a) > (b)) - ((a) < (b)))

static int by_stream(const void *a, const void *b)
{
    const struct crmpi_stream *x = a, *y = b;
    int order = COMPARE(x->comm, y->comm);

    if (order == 0)
        order = COMPARE(x->peer, y->peer);
    return order ? order : COMPARE(x->tag, y->tag);
}

static int by_comm(const void *a, const void *b)
{
    const struct crmpi_collectives *x = a, *y = b;

    return COMPARE(x->comm, y->comm);
}

static int by_access(const void *a, const void *b)
{
    const struct crmpi_access *x = a, *y = b;
    int order = COMPARE(x->window, y->window);

    return order ? order : COMPARE(x->rank, y->rank);
}

static int by_number(const void *a, const void *b)
{
    return COMPARE(*(const uint64_t *)a, *(const uint64_t *)b);
}

static void sort(void *items, size_t n, size_t bytes,
                 int (*order)(const void *, const void *))
{
    if (n > 1)
        qsort(items, n, bytes, order);
}

static void note_sort(struct crmpi_dependencies *d)
{
    sort(d->streams, d->n_streams, sizeof *d->streams, by_stream);
    sort(d->collectives, d->n_collectives, sizeof *d->collectives, by_comm);
    sort(d->accesses, d->n_accesses, sizeof *d->accesses, by_access);
    sort(d->windows, d->n_windows, sizeof *d->windows, by_number);
}

enum crmpi_status crmpi_dependencies_note(uint64_t sn, int alone,
                                          const struct crmpi_member *cohort,
                                          size_t n_cohort,
                                          struct crmpi_dependencies *dependencies_out)
{
    const struct crmpi_comm *world =
        crmpi_comm_of(CRMPI_UPPER(MPI_Comm, ompi_mpi_comm_world));
    struct note note = {.out = dependencies_out, .alone = alone};

    *dependencies_out = (struct crmpi_dependencies){
        .world_rank = (uint32_t)world->rank,
        .n_ranks = (uint32_t)world->size,
        .sn = sn,
        .interval = crmpi_ledger->interval,
        .base = crmpi_ledger->base,
        .is_alone = (uint32_t)alone,
    };
    crmpi_ledger->noted = sn;
    crmpi_ledger->noted_alone = alone;
    crmpi_ledger_visit(note_comm, &note);
    for (const struct crmpi_departed *d = crmpi_ledger->departed; d; d = d->next)
        note_departed(&note, d);
    note_streams(&note, &crmpi_ledger->other, 0, NULL);
    note_windows(&note);
    dependencies_out->cohort = malloc((n_cohort + 1) * sizeof *cohort);
    if (note.failed || !dependencies_out->cohort) {
        crmpi_dependencies_fini(dependencies_out);
        return CRMPI_ERR_NOMEM;
    }
    if (n_cohort)
        memcpy(dependencies_out->cohort, cohort, n_cohort * sizeof *cohort);
    dependencies_out->n_cohort = n_cohort;
    note_sort(dependencies_out);
    return CRMPI_OK;
}
