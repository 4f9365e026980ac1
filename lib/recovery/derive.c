/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The edges of a history, from the records of its checkpoints.  Pure; lower half, tools
 * and tests.
 *
 * What a checkpoint depends on, the later ones of the same task depend on too; so each
 * has to tell only what came since the one before.  Where that one is not known, because
 * it was dropped or lost, a line bounds what may be missing: it is consistent, so nothing
 * that its checkpoints depend on is newer than itself.
 *
 * Checkpoints with empty channels: who has exchanged something has been saved together,
 * so the cohort tells the intervals.  Checkpoints alone: the n-th message sent in a stream
 * is the n-th received, so the counts tell by which checkpoint it was sent.
 */
#include <stdlib.h>
#include <string.h>
#include "recovery/graph.h"
#include "recovery/records.h"

struct derivation {
    const struct crmpi_history *history;
    const struct crmpi_records *records;
    struct crmpi_graph *graph;
    uint32_t *line_groups;  /* the groups of the known lines; 0: not made */
    uint32_t *bound_groups; /* the same of `bounds` */
    uint64_t *bounds;
    size_t n_bounds;
    int is_any_alone; /* among the checkpoints */
};

/* A checkpoint that edges are derived for: a record and its place. */
struct place {
    uint32_t rank, state; /* in the task */
    const struct crmpi_dependencies *d;
};

static void depend(struct derivation *v, uint32_t from, uint32_t state, uint32_t to,
                   uint32_t how, uint64_t interval)
{
    const struct crmpi_arrow arrow = {
        .from = from, .state = state, .to = to, .how = how, .interval = interval};
    crmpi_graph_arrow(v->graph, &arrow);
}

/* An interval that no checkpoint of a rank has. */
static uint64_t beyond(const struct derivation *v, uint32_t rank)
{
    const struct crmpi_task_records *task = &v->records->tasks[rank];
    return task->n ? task->items[task->n - 1].about.sn + 1 : 1;
}

/* The interval of another rank that a checkpoint with empty channels ended. */
static uint64_t cohort_interval(const struct derivation *v,
                                const struct crmpi_dependencies *d, uint32_t rank)
{
    size_t low = 0, high = d->n_cohort;

    if (d->is_alone)
        return beyond(v, rank);
    if (d->n_cohort == 0)
        return d->interval;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (d->cohort[middle].rank < rank)
            low = middle + 1;
        else
            high = middle;
    }
    return low < d->n_cohort && d->cohort[low].rank == rank ? d->cohort[low].interval
                                                            : beyond(v, rank);
}

/* ---- messages ---- */

static void drained_streams(struct derivation *v, const struct place *p)
{
    for (size_t i = 0; i < p->d->n_streams; i++) {
        const struct crmpi_stream *s = &p->d->streams[i];
        uint32_t how =
            (s->received ? CRMPI_HOW_RECEIVED : 0u) | (s->sent ? CRMPI_HOW_SENT : 0u);
        if (how == 0 || s->peer == p->rank)
            continue;
        if (s->tag == CRMPI_TAG_ROOTED)
            how = CRMPI_HOW_COLLECTIVE;
        depend(v, p->rank, p->state, s->peer, how, cohort_interval(v, p->d, s->peer));
    }
}

/* Whether a checkpoint of a peer has so many messages of a stream behind it, counted from
 * a base.  A checkpoint of a newer base has them all: at the base nothing was in
 * transit. */
static int has_messages(const struct crmpi_record *record, uint64_t base,
                        const struct crmpi_stream *key, int is_sent, uint64_t count)
{
    const struct crmpi_dependencies *d = &record->dependencies;

    if (d->base == d->sn)
        return d->sn > base;
    if (d->base != base)
        return d->base > base;
    const struct crmpi_stream *s = crmpi_stream_find(d, key->comm, key->peer, key->tag);
    return s && (is_sent ? s->sent : s->received) >= count;
}

/* The first checkpoint of a rank that has so many messages of the stream with us.  Should
 * the records not ascend as they ought to, it is one that has them all the same. */
static uint64_t interval_of_messages(const struct derivation *v, uint32_t rank,
                                     uint64_t base, const struct crmpi_stream *key,
                                     int is_sent, uint64_t count)
{
    const struct crmpi_task_records *task = &v->records->tasks[rank];
    size_t low = 0, high = task->n, found = task->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2, known = middle;
        while (known < high && !task->items[known].is_known)
            known++;
        if (known < high &&
            !has_messages(&task->items[known], base, key, is_sent, count)) {
            low = known + 1;
            continue;
        }
        if (known < high)
            found = known;
        high = middle;
    }
    return found < task->n ? task->items[found].about.sn : beyond(v, rank);
}

static void alone_streams(struct derivation *v, const struct place *p)
{
    for (size_t i = 0; i < p->d->n_streams; i++) {
        const struct crmpi_stream *s = &p->d->streams[i];
        const struct crmpi_stream key = {.comm = s->comm, .peer = p->rank, .tag = s->tag};
        if (s->tag == CRMPI_TAG_ROOTED)
            continue; /* the counts of the collectives tell */
        if (s->tag == CRMPI_TAG_OTHER) {
            if (s->sent || s->received) /* nobody knows which of them are in transit */
                depend(v, p->rank, p->state, s->peer, CRMPI_HOW_RECEIVED | CRMPI_HOW_SENT,
                       beyond(v, s->peer));
            continue;
        }
        if (s->peer == p->rank)
            continue;
        if (s->received)
            depend(v, p->rank, p->state, s->peer, CRMPI_HOW_RECEIVED,
                   interval_of_messages(v, s->peer, p->d->base, &key, 1, s->received));
        if (s->unlogged)
            depend(v, p->rank, p->state, s->peer, CRMPI_HOW_SENT,
                   interval_of_messages(v, s->peer, p->d->base, &key, 0, s->unlogged));
    }
}

/* ---- windows ---- */

/* The entity of a segment if its checkpoint of this number exists, else its task: the
 * window is gone, or nothing is known of that checkpoint. */
static uint32_t home_at(const struct derivation *v, uint64_t window, uint32_t rank,
                        uint64_t sn, uint32_t *state_out)
{
    const struct crmpi_history *history = v->history;
    size_t low = history->n_ranks, high = history->n_entities;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct crmpi_entity *e = &history->entities[middle];
        if (e->window < window || (e->window == window && e->rank < rank))
            low = middle + 1;
        else
            high = middle;
    }
    for (int is_task = 0; is_task < 2; is_task++) {
        uint32_t node = is_task ? rank : (uint32_t)low;
        if (!is_task &&
            (low == history->n_entities || history->entities[low].window != window ||
             history->entities[low].rank != rank))
            continue;
        uint32_t state = crmpi_graph_state(v->graph, node, sn);
        if (state < crmpi_graph_n_states(v->graph, node) &&
            history->entities[node].checkpoints[state].sn == sn) {
            *state_out = state;
            return node;
        }
    }
    *state_out = 0;
    return rank;
}

/* The task has accessed a segment.  What it has written alone is in its log. */
static void access_depend(struct derivation *v, const struct place *p,
                          const struct crmpi_access *a)
{
    uint32_t how = a->how &
                   (CRMPI_HOW_READ | CRMPI_HOW_WRITE | CRMPI_HOW_ATOMIC | CRMPI_HOW_SYNC),
             unused;
    if (p->d->is_alone) {
        how &= ~CRMPI_HOW_WRITE;
        /* in an epoch of a fence, whose collectives tell */
        if (a->interval == 0)
            how &= ~CRMPI_HOW_READ;
    }
    if (how == 0)
        return;
    uint64_t interval = a->interval ? a->interval : cohort_interval(v, p->d, a->rank);
    uint32_t task_state = crmpi_graph_state(v->graph, a->rank, interval), to = a->rank;
    if (task_state < crmpi_graph_n_states(v->graph, a->rank))
        to = home_at(v, a->window, a->rank,
                     v->history->entities[a->rank].checkpoints[task_state].sn, &unused);
    depend(v, p->rank, p->state, to, how, interval);
}

/* Another task has accessed our segment. */
static void origin_depend(struct derivation *v, const struct place *p,
                          const struct crmpi_access *a)
{
    uint32_t how = a->how & (CRMPI_HOW_WRITE | CRMPI_HOW_ATOMIC | CRMPI_HOW_SYNC), state;

    if (how == 0)
        return;
    uint32_t from = home_at(v, a->window, p->rank, p->d->sn, &state);
    depend(v, from, state, a->rank, how,
           a->interval ? a->interval : cohort_interval(v, p->d, a->rank));
}

static void window_depend(struct derivation *v, const struct place *p, uint64_t window)
{
    uint32_t state, home = home_at(v, window, p->rank, p->d->sn, &state);

    depend(v, p->rank, p->state, home, CRMPI_HOW_HOME, p->d->sn);
    depend(v, home, state, p->rank, CRMPI_HOW_HOME, p->d->sn);
}

/* ---- lines, and what is not known ---- */

/* The group of a line: who depends on it depends on all its checkpoints. */
static uint32_t line_group(struct derivation *v, const struct crmpi_known_line *line)
{
    static const uint64_t number = 1;
    uint32_t *group = &v->line_groups[line - v->records->lines];

    if (*group == 0) {
        *group = crmpi_graph_group(v->graph, &number, 1);
        for (uint32_t r = 0; r < v->history->n_ranks; r++)
            depend(v, *group, 1, r, CRMPI_HOW_LINE, line->sn[r]);
    }
    return *group;
}

/* The same where no line is known, but all ranks have a checkpoint that ends an interval
 * of this number. */
static uint32_t bound_group(struct derivation *v, uint64_t bound)
{
    static const uint64_t number = 1;

    for (size_t i = 0; i < v->n_bounds; i++)
        if (v->bounds[i] == bound)
            return v->bound_groups[i];
    uint64_t *bounds = realloc(v->bounds, (v->n_bounds + 1) * sizeof *bounds);
    if (bounds)
        v->bounds = bounds;
    uint32_t *groups = realloc(v->bound_groups, (v->n_bounds + 1) * sizeof *groups);
    if (groups)
        v->bound_groups = groups;
    if (bounds == NULL || groups == NULL) {
        v->graph->is_out_of_memory = 1;
        return 0;
    }
    uint32_t group = crmpi_graph_group(v->graph, &number, 1);
    for (uint32_t r = 0; r < v->history->n_ranks; r++)
        depend(v, group, 1, r, CRMPI_HOW_LINE, bound);
    bounds[v->n_bounds] = bound;
    groups[v->n_bounds++] = group;
    return group;
}

/* The oldest line that has this or a later checkpoint of the rank: its checkpoints bound
 * what that depends on. */
static const struct crmpi_known_line *line_above(const struct derivation *v,
                                                 uint32_t rank, uint64_t sn)
{
    for (size_t i = 0; i < v->records->n_lines; i++)
        if (v->records->lines[i].sn[rank] >= sn)
            return &v->records->lines[i];
    return NULL;
}

/* Whether the line of this number has this checkpoint of the rank. */
static int is_on_line(const struct derivation *v, uint64_t number, uint32_t rank,
                      uint64_t sn)
{
    const struct crmpi_known_line *line = crmpi_known_line(v->records, number);
    return line && line->sn[rank] == sn;
}

/* Whether it is known, or a line tells, what the checkpoint of a record depends on. */
static int is_bounded(const struct derivation *v, uint32_t rank,
                      const struct crmpi_record *record)
{
    return record->is_known || line_above(v, rank, record->about.sn) != NULL;
}

/* Checkpoints alone count from their base, and so has all the line to do: one before that
 * counts from there has told the rest. */
static int is_linked_alone(const struct derivation *v, const struct place *p)
{
    const struct crmpi_record *before =
        p->state > 1 ? &v->records->tasks[p->rank].items[p->state - 2] : NULL;
    return p->d->base == 0 ||
           (before && before->is_known && before->dependencies.is_alone &&
            before->dependencies.base == p->d->base);
}

/* Others count from the checkpoint before, which their interval begins at; after a restart
 * it begins at the number of the line.  If ranks have been saved alone, too, it is a base,
 * and all the line has to be there. */
static int is_linked_drained(const struct derivation *v, const struct place *p)
{
    if (v->is_any_alone)
        return 0;
    if (p->state == 1)
        return p->d->interval == 1;
    const struct crmpi_record *one = &v->records->tasks[p->rank].items[p->state - 1];
    const struct crmpi_record *before = one - 1;
    uint64_t begin = p->d->interval - 1;
    return (before->about.sn == begin ||
            (one->about.restored == begin &&
             is_on_line(v, begin, p->rank, before->about.sn))) &&
           is_bounded(v, p->rank, before);
}

static void gap_depend(struct derivation *v, const struct place *p)
{
    const struct crmpi_known_line *line;
    uint64_t bound = p->d->is_alone ? p->d->base : p->d->interval;

    if (p->d->is_alone ? is_linked_alone(v, p) : is_linked_drained(v, p))
        return;
    if (p->d->is_alone) {
        line = crmpi_known_line(v->records, bound);
        if (line == NULL) {
            line = line_above(v, p->rank, bound);
            if (line && line->sn[p->rank] != bound)
                line = NULL;
        }
    } else {
        line = line_above(v, p->rank, p->d->sn);
    }
    if (line)
        depend(v, p->rank, p->state, line_group(v, line), CRMPI_HOW_LINE, 1);
    else if (p->d->n_cohort == 0 || p->d->is_alone)
        depend(v, p->rank, p->state, bound_group(v, bound), CRMPI_HOW_LINE, 1);
    else /* of a group, on no line: nothing tells what is missing */
        depend(v, p->rank, p->state, p->rank, CRMPI_HOW_LINE, beyond(v, p->rank));
}

/* ---- collectives ---- */

/* How many collectives of a communicator a checkpoint has behind it since its base. */
struct tally {
    uint64_t comm;
    int is_cut;     /* taken with the cohort, of which all members are */
    uint64_t key;   /* base; of a cut the number of the checkpoint */
    uint32_t first; /* of a cut: of the cohort */
    uint32_t rank, state;
    const struct crmpi_collectives *from;
    const struct crmpi_dependencies *d;
};

/* Whether two belong together; otherwise their order. */
static int group_compare(const struct tally *x, const struct tally *y)
{
    if (x->comm != y->comm)
        return x->comm < y->comm ? -1 : 1;
    if (x->is_cut != y->is_cut)
        return x->is_cut - y->is_cut;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return (x->first > y->first) - (x->first < y->first);
}

static int tally_compare(const void *a, const void *b)
{
    const struct tally *x = a, *y = b;
    int order = group_compare(x, y);
    if (order == 0)
        order = (x->rank > y->rank) - (x->rank < y->rank);
    return order ? order : (x->state > y->state) - (x->state < y->state);
}

static int number_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Store the tallies of a record from @p at on; returns where they end.  MPI_COMM_SELF and
 * the like concern nobody else. */
static struct tally *tallies_note(const struct derivation *v, uint32_t rank,
                                  uint32_t state, struct tally *at)
{
    const struct crmpi_record *record = &v->records->tasks[rank].items[state - 1];
    const struct crmpi_dependencies *d = &record->dependencies;

    for (size_t i = 0; i < d->n_collectives; i++) {
        const struct crmpi_collectives *c = &d->collectives[i];
        struct tally tally = {.comm = c->comm,
                              .rank = rank,
                              .state = state,
                              .from = c,
                              .d = d,
                              .key = d->base};
        if (c->n_members == 1)
            continue;
        if (v->is_any_alone && d->base != d->sn)
            *at++ = tally;
        if (!d->is_alone && (c->count || c->flow)) {
            tally.is_cut = 1;
            tally.key = d->sn;
            tally.first = record->about.first;
            *at++ = tally;
        }
    }
    return at;
}

/* All tallies, sorted so that those which belong together do so; from malloc(). */
static struct tally *tallies_list(const struct derivation *v, size_t *n_out)
{
    size_t n = 0;

    for (uint32_t r = 0; r < v->history->n_ranks; r++)
        for (size_t i = 0; i < v->records->tasks[r].n; i++)
            n += 2 * v->records->tasks[r].items[i].dependencies.n_collectives;
    struct tally *tallies = malloc((n + 1) * sizeof *tallies), *at = tallies;
    if (tallies == NULL)
        return NULL;
    for (uint32_t r = 0; r < v->history->n_ranks; r++)
        for (uint32_t k = 1; k <= v->records->tasks[r].n; k++)
            at = tallies_note(v, r, k, at);
    *n_out = (size_t)(at - tallies);
    qsort(tallies, *n_out, sizeof *tallies, tally_compare);
    return tallies;
}

/* The tallies that belong together, and who is a member. */
struct communicator {
    const struct tally *tallies;
    size_t n;
    uint64_t *numbers; /* the different counts of ranks alone, ascending, without 0 */
    size_t n_numbers;
    uint32_t group;
    char *is_member; /* of each rank */
};

static void numbers_list(struct communicator *c)
{
    size_t n = 0;

    for (size_t i = 0; i < c->n; i++)
        if (c->tallies[i].d->is_alone && c->tallies[i].from->count > 0)
            c->numbers[n++] = c->tallies[i].from->count;
    qsort(c->numbers, n, sizeof *c->numbers, number_compare);
    c->n_numbers = 0;
    for (size_t i = 0; i < n; i++)
        if (i == 0 || c->numbers[i] != c->numbers[i - 1])
            c->numbers[c->n_numbers++] = c->numbers[i];
}

static void members_note(const struct derivation *v, const struct tally *tally,
                         char *is_member)
{
    const struct crmpi_collectives *c = tally->from;

    if (c->n_members == 0)
        memset(is_member, 1, v->history->n_ranks);
    for (uint32_t m = 0; m < c->n_members; m++)
        is_member[tally->d->members[c->members + m]] = 1;
}

/* The newest tally of each rank tells. */
static void members_list(const struct derivation *v, const struct communicator *c)
{
    memset(c->is_member, 0, v->history->n_ranks);
    for (size_t i = 0; i < c->n; i++)
        if (i + 1 == c->n || c->tallies[i + 1].rank != c->tallies[i].rank)
            members_note(v, &c->tallies[i], c->is_member);
}

/* The lowest state of the group above a count; 0 if there is none. */
static uint32_t state_above(const struct communicator *c, uint64_t count)
{
    size_t low = 0, high = c->n_numbers;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (c->numbers[middle] <= count)
            low = middle + 1;
        else
            high = middle;
    }
    return low < c->n_numbers ? (uint32_t)low + 1 : 0;
}

/* The first checkpoint of a rank that counts from a newer base: it has all. */
static uint64_t interval_of_newer_base(const struct derivation *v, uint32_t rank,
                                       uint64_t base)
{
    const struct crmpi_task_records *task = &v->records->tasks[rank];
    for (size_t i = 0; i < task->n; i++)
        if (task->items[i].is_known && task->items[i].dependencies.base > base)
            return task->items[i].about.sn;
    return beyond(v, rank);
}

/* The arrows between a member and the group: the member's checkpoints depend on what they
 * have done, what has been done on the first of the member's checkpoints that has it. */
static void member_depend(struct derivation *v, const struct communicator *c,
                          uint32_t rank, const struct tally *tallies, size_t n)
{
    uint64_t count = 0;
    uint32_t state;

    for (size_t i = 0; i < n; i++) {
        const struct tally *t = &tallies[i];
        if (t->from->count <= count)
            continue;
        if (t->d->is_alone)
            depend(v, rank, t->state, c->group, CRMPI_HOW_COLLECTIVE, t->from->count);
        state = state_above(c, count);
        if (state && c->numbers[state - 1] <= t->from->count)
            depend(v, c->group, state, rank, CRMPI_HOW_COLLECTIVE, t->d->sn);
        count = t->from->count;
    }
    state = state_above(c, count);
    if (state)
        depend(v, c->group, state, rank, CRMPI_HOW_COLLECTIVE,
               interval_of_newer_base(v, rank, c->tallies->key));
}

/* All members have to have done the same collectives: none may be in transit. */
static void alone_collectives(struct derivation *v, struct communicator *c)
{
    size_t i = 0;

    numbers_list(c);
    if (c->n_numbers == 0)
        return;
    c->group = crmpi_graph_group(v->graph, c->numbers, c->n_numbers);
    members_list(v, c);
    for (uint32_t r = 0; r < v->history->n_ranks; r++) {
        size_t begin = i;
        while (i < c->n && c->tallies[i].rank == r)
            i++;
        if (i > begin || c->is_member[r])
            member_depend(v, c, r, &c->tallies[begin], i - begin);
    }
}

/* Who has done collectives has been saved together with all members. */
static void cut_collectives(struct derivation *v, struct communicator *c)
{
    static const uint64_t number = 1;

    c->group = crmpi_graph_group(v->graph, &number, 1);
    members_list(v, c);
    for (size_t i = 0; i < c->n; i++)
        depend(v, c->tallies[i].rank, c->tallies[i].state, c->group, CRMPI_HOW_COLLECTIVE,
               1);
    for (uint32_t r = 0; r < v->history->n_ranks; r++)
        if (c->is_member[r])
            depend(v, c->group, 1, r, CRMPI_HOW_COLLECTIVE,
                   cohort_interval(v, c->tallies->d, r));
}

static enum crmpi_status collectives_derive(struct derivation *v)
{
    size_t n = 0;
    struct tally *tallies = tallies_list(v, &n);
    struct communicator c = {.numbers = malloc((n + 1) * sizeof *c.numbers),
                             .is_member = malloc(v->history->n_ranks)};
    enum crmpi_status status =
        tallies && c.numbers && c.is_member ? CRMPI_OK : CRMPI_ERR_NOMEM;

    for (size_t i = 0; i < n && status == CRMPI_OK;) {
        size_t begin = i;
        while (i < n && group_compare(&tallies[i], &tallies[begin]) == 0)
            i++;
        c.tallies = &tallies[begin];
        c.n = i - begin;
        if (tallies[begin].is_cut)
            cut_collectives(v, &c);
        else
            alone_collectives(v, &c);
    }
    free(tallies);
    free(c.numbers);
    free(c.is_member);
    return status;
}

/* ---- all ---- */

static void checkpoint_derive(struct derivation *v, const struct place *p)
{
    const struct crmpi_dependencies *d = p->d;

    if (d->is_alone)
        alone_streams(v, p);
    else
        drained_streams(v, p);
    for (size_t i = 0; i < d->n_windows; i++)
        window_depend(v, p, d->windows[i]);
    for (size_t i = 0; i < d->n_accesses; i++)
        access_depend(v, p, &d->accesses[i]);
    for (size_t i = 0; i < d->n_origins; i++)
        origin_depend(v, p, &d->origins[i]);
    gap_depend(v, p);
}

enum crmpi_status crmpi_history_derive(const struct crmpi_history *history,
                                       struct crmpi_graph *graph)
{
    struct derivation v = {
        .history = history, .records = history->records, .graph = graph};

    v.line_groups = calloc(v.records->n_lines + 1, sizeof *v.line_groups);
    if (v.line_groups == NULL)
        return CRMPI_ERR_NOMEM;
    for (uint32_t r = 0; r < history->n_ranks; r++)
        for (size_t i = 0; i < v.records->tasks[r].n; i++)
            v.is_any_alone |= v.records->tasks[r].items[i].dependencies.is_alone != 0;
    for (uint32_t r = 0; r < history->n_ranks; r++) {
        const struct crmpi_task_records *task = &v.records->tasks[r];
        if (task->n > 0) /* nobody is anywhere before all have begun */
            depend(&v, r, 1, bound_group(&v, 1), CRMPI_HOW_LINE, 1);
        for (uint32_t k = 1; k <= task->n; k++) {
            const struct crmpi_record *record = &task->items[k - 1];
            const struct crmpi_known_line *line = NULL;
            struct place place = {.rank = r, .state = k, .d = &record->dependencies};
            if (record->is_known)
                checkpoint_derive(&v, &place);
            else
                line = line_above(&v, r, record->about.sn);
            if (line)
                depend(&v, r, k, line_group(&v, line), CRMPI_HOW_LINE, 1);
        }
    }
    enum crmpi_status status = collectives_derive(&v);
    free(v.line_groups);
    free(v.bounds);
    free(v.bound_groups);
    return status;
}
