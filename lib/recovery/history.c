/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Making a history (see history.h): what is added is kept as records, from which linking
 * makes entities and edges.  Pure; lower half, tools and tests.
 */
#include <stdlib.h>
#include <string.h>
#include "recovery/graph.h"
#include "recovery/records.h"

static void record_fini(struct crmpi_record *record)
{
    crmpi_dependencies_fini(&record->dependencies);
}

static void entities_free(struct crmpi_history *history)
{
    for (size_t e = 0; e < history->n_entities; e++) {
        struct crmpi_entity *entity = &history->entities[e];
        for (size_t k = 0; k < entity->n_checkpoints; k++)
            free(entity->checkpoints[k].edges);
        free(entity->checkpoints);
    }
    free(history->entities);
    history->entities = NULL;
    history->n_entities = 0;
    crmpi_graph_destroy(history->graph);
    history->graph = NULL;
}

enum crmpi_status crmpi_history_init(struct crmpi_history *history, uint32_t n_ranks)
{
    *history = (struct crmpi_history){.n_ranks = n_ranks};
    if (n_ranks == 0)
        return CRMPI_ERR_USAGE;
    history->records = calloc(1, sizeof *history->records);
    if (history->records)
        history->records->tasks = calloc(n_ranks, sizeof *history->records->tasks);
    if (history->records && history->records->tasks)
        return CRMPI_OK;
    crmpi_history_fini(history);
    return CRMPI_ERR_NOMEM;
}

void crmpi_history_fini(struct crmpi_history *history)
{
    struct crmpi_records *records = history->records;

    entities_free(history);
    for (uint32_t r = 0; records && records->tasks && r < history->n_ranks; r++) {
        for (size_t i = 0; i < records->tasks[r].n; i++)
            record_fini(&records->tasks[r].items[i]);
        free(records->tasks[r].items);
    }
    for (size_t i = 0; records && i < records->n_lines; i++)
        free(records->lines[i].sn);
    if (records) {
        free(records->tasks);
        free(records->lines);
    }
    free(records);
    *history = (struct crmpi_history){0};
}

/* ---- records ---- */

/* The index of the first record of this or a higher number. */
static size_t record_index(const struct crmpi_task_records *task, uint64_t sn)
{
    size_t low = 0, high = task->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (task->items[middle].about.sn < sn)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct crmpi_record *crmpi_record_find(const struct crmpi_task_records *task, uint64_t sn)
{
    size_t i = record_index(task, sn);
    return i < task->n && task->items[i].about.sn == sn ? &task->items[i] : NULL;
}

/* An empty record in its place; NULL if there is no memory. */
static struct crmpi_record *record_insert(struct crmpi_task_records *task, uint64_t sn)
{
    size_t i = record_index(task, sn);
    if (task->n == task->room) {
        size_t room = task->room ? 2 * task->room : 8;
        struct crmpi_record *more = realloc(task->items, room * sizeof *more);
        if (more == NULL)
            return NULL;
        task->items = more;
        task->room = room;
    }
    memmove(&task->items[i + 1], &task->items[i], (task->n - i) * sizeof *task->items);
    task->n++;
    task->items[i] = (struct crmpi_record){
        .about = {.sn = sn, .lost = 1, .first = CRMPI_FIRST_UNKNOWN}};
    return &task->items[i];
}

/* The lowest of those who took a checkpoint together. */
static uint32_t first_of(const struct crmpi_dependencies *d)
{
    if (d->is_alone)
        return d->world_rank;
    return d->n_cohort ? d->cohort[0].rank : 0;
}

enum crmpi_status crmpi_history_add(struct crmpi_history *history, uint32_t world_rank,
                                    const struct crmpi_checkpoint *about,
                                    struct crmpi_dependencies *dependencies)
{
    if (world_rank >= history->n_ranks || about->sn == 0 || about->sn > CRMPI_SN_MAX ||
        (dependencies &&
         (dependencies->world_rank != world_rank || dependencies->sn != about->sn ||
          dependencies->n_ranks != history->n_ranks ||
          crmpi_dependencies_check(dependencies) != 0)))
        return CRMPI_ERR_MISMATCH;

    struct crmpi_task_records *task = &history->records->tasks[world_rank];
    struct crmpi_record *record = crmpi_record_find(task, about->sn);
    if (record == NULL)
        record = record_insert(task, about->sn);
    if (record == NULL)
        return CRMPI_ERR_NOMEM;
    if (record->is_known) {
        if (dependencies)
            crmpi_dependencies_fini(dependencies);
        return CRMPI_OK;
    }
    record->about = *about;
    record->about.edges = NULL;
    record->about.n_edges = 0;
    record->about.lost = about->lost || dependencies == NULL;
    record->about.first = CRMPI_FIRST_UNKNOWN;
    if (dependencies) {
        record->is_known = 1;
        record->about.first = first_of(dependencies);
        record->dependencies = *dependencies;
        memset(dependencies, 0, sizeof *dependencies);
    }
    return CRMPI_OK;
}

static size_t line_index(const struct crmpi_records *records, uint64_t number)
{
    size_t i = 0;
    while (i < records->n_lines && records->lines[i].number < number)
        i++;
    return i;
}

const struct crmpi_known_line *crmpi_known_line(const struct crmpi_records *records,
                                                uint64_t number)
{
    size_t i = line_index(records, number);
    return i < records->n_lines && records->lines[i].number == number ? &records->lines[i]
                                                                      : NULL;
}

enum crmpi_status crmpi_history_add_line(struct crmpi_history *history, uint64_t number,
                                         const uint64_t *sn)
{
    struct crmpi_records *records = history->records;
    size_t i = line_index(records, number);

    if (number == 0 || crmpi_known_line(records, number))
        return number == 0 ? CRMPI_ERR_MISMATCH : CRMPI_OK;
    for (uint32_t r = 0; r < history->n_ranks; r++)
        if (sn[r] == 0 || sn[r] > number || sn[r] > CRMPI_SN_MAX)
            return CRMPI_ERR_MISMATCH;
    for (uint32_t r = 0; r < history->n_ranks; r++)
        if (!crmpi_record_find(&records->tasks[r], sn[r]) &&
            !record_insert(&records->tasks[r], sn[r]))
            return CRMPI_ERR_NOMEM;
    struct crmpi_known_line *more =
        realloc(records->lines, (records->n_lines + 1) * sizeof *more);
    if (more == NULL)
        return CRMPI_ERR_NOMEM;
    records->lines = more;
    uint64_t *copy = malloc(history->n_ranks * sizeof *copy);
    if (copy == NULL)
        return CRMPI_ERR_NOMEM;
    memcpy(copy, sn, history->n_ranks * sizeof *copy);
    memmove(&more[i + 1], &more[i], (records->n_lines - i) * sizeof *more);
    more[i] = (struct crmpi_known_line){.number = number, .sn = copy};
    records->n_lines++;
    return CRMPI_OK;
}

/* Whether a line may still bound something: it has a checkpoint that is there, or is the
 * base of one. */
static int line_matters(const struct crmpi_history *history,
                        const struct crmpi_known_line *line)
{
    for (uint32_t r = 0; r < history->n_ranks; r++) {
        const struct crmpi_task_records *task = &history->records->tasks[r];
        if (crmpi_record_find(task, line->sn[r]))
            return 1;
        for (size_t i = 0; i < task->n; i++)
            if (task->items[i].is_known &&
                task->items[i].dependencies.base == line->number)
                return 1;
    }
    return 0;
}

void crmpi_history_forget(struct crmpi_history *history, const uint64_t *sn)
{
    struct crmpi_records *records = history->records;

    for (uint32_t r = 0; r < history->n_ranks; r++) {
        struct crmpi_task_records *task = &records->tasks[r];
        size_t n = record_index(task, sn[r]);
        for (size_t i = 0; i < n; i++)
            record_fini(&task->items[i]);
        if (n > 0)
            memmove(task->items, task->items + n, (task->n - n) * sizeof *task->items);
        task->n -= n;
    }
    size_t n_left = 0;
    for (size_t i = 0; i < records->n_lines; i++) {
        if (line_matters(history, &records->lines[i]))
            records->lines[n_left++] = records->lines[i];
        else
            free(records->lines[i].sn);
    }
    records->n_lines = n_left;
}

const struct crmpi_stream *
crmpi_stream_find(const struct crmpi_dependencies *dependencies, uint64_t comm,
                  uint32_t peer, int32_t tag)
{
    const struct crmpi_stream key = {.comm = comm, .peer = peer, .tag = tag};
    size_t low = 0, high = dependencies->n_streams;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = crmpi_stream_compare(&dependencies->streams[middle], &key);
        if (order == 0)
            return &dependencies->streams[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* ---- entities ---- */

/* Who took a checkpoint of which nothing is known together may be told by the others: by
 * the lowest of them of whom something is known. */
static void tell_first(struct crmpi_records *records, const struct crmpi_record *record,
                       uint32_t n_ranks)
{
    const struct crmpi_dependencies *d = &record->dependencies;
    uint32_t n = d->n_cohort ? (uint32_t)d->n_cohort : n_ranks;
    uint64_t sn = record->about.sn;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t rank = d->n_cohort ? d->cohort[i].rank : i;
        const struct crmpi_record *one = crmpi_record_find(&records->tasks[rank], sn);
        if (one == record)
            break;
        if (one && one->is_known)
            return;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t rank = d->n_cohort ? d->cohort[i].rank : i;
        struct crmpi_record *one = crmpi_record_find(&records->tasks[rank], sn);
        if (one && !one->is_known)
            one->about.first = record->about.first;
    }
}

static void tell_firsts(struct crmpi_history *history)
{
    struct crmpi_records *records = history->records;
    int is_any = 0;

    for (uint32_t r = 0; r < history->n_ranks; r++)
        for (size_t i = 0; i < records->tasks[r].n; i++)
            is_any |= !records->tasks[r].items[i].is_known;
    for (uint32_t r = 0; is_any && r < history->n_ranks; r++)
        for (size_t i = 0; i < records->tasks[r].n; i++) {
            const struct crmpi_record *record = &records->tasks[r].items[i];
            if (record->is_known && !record->dependencies.is_alone)
                tell_first(records, record, history->n_ranks);
        }
}

struct home {
    uint64_t window;
    uint32_t rank;
};

static int home_compare(const void *a, const void *b)
{
    const struct home *x = a, *y = b;
    if (x->window != y->window)
        return x->window < y->window ? -1 : 1;
    return (x->rank > y->rank) - (x->rank < y->rank);
}

/* All segments that are in some checkpoint, sorted, each once; from malloc(). */
static enum crmpi_status homes_list(const struct crmpi_history *history,
                                    struct home **homes_out, size_t *n_out)
{
    const struct crmpi_records *records = history->records;
    size_t n = 0, n_different = 0;

    for (uint32_t r = 0; r < history->n_ranks; r++)
        for (size_t i = 0; i < records->tasks[r].n; i++)
            n += records->tasks[r].items[i].dependencies.n_windows;
    struct home *homes = malloc((n + 1) * sizeof *homes), *at = homes;
    if (homes == NULL)
        return CRMPI_ERR_NOMEM;
    for (uint32_t r = 0; r < history->n_ranks; r++)
        for (size_t i = 0; i < records->tasks[r].n; i++) {
            const struct crmpi_dependencies *d = &records->tasks[r].items[i].dependencies;
            for (size_t w = 0; w < d->n_windows; w++)
                *at++ = (struct home){.window = d->windows[w], .rank = r};
        }
    qsort(homes, n, sizeof *homes, home_compare);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || home_compare(&homes[i - 1], &homes[i]) != 0)
            homes[n_different++] = homes[i];
    *homes_out = homes;
    *n_out = n_different;
    return CRMPI_OK;
}

static int has_window(const struct crmpi_dependencies *d, uint64_t window)
{
    for (size_t i = 0; i < d->n_windows; i++)
        if (d->windows[i] == window)
            return 1;
    return 0;
}

/* The checkpoints of a task, or those of them which have the entity's segment. */
static enum crmpi_status entity_fill(struct crmpi_entity *entity,
                                     const struct crmpi_task_records *task)
{
    entity->checkpoints = calloc(task->n + 1, sizeof *entity->checkpoints);
    if (entity->checkpoints == NULL)
        return CRMPI_ERR_NOMEM;
    entity->checkpoints[0].first = entity->rank;
    entity->n_checkpoints = 1;
    for (size_t i = 0; i < task->n; i++) {
        int is_segment = entity->kind == CRMPI_ENTITY_SEGMENT;
        if (is_segment && !has_window(&task->items[i].dependencies, entity->window))
            continue;
        struct crmpi_checkpoint *one = &entity->checkpoints[entity->n_checkpoints++];
        *one = task->items[i].about;
        if (is_segment)
            one->bytes = 0; /* they are among the task's */
    }
    return CRMPI_OK;
}

static enum crmpi_status entities_make(struct crmpi_history *history)
{
    struct home *homes;
    size_t n_homes;
    enum crmpi_status status = homes_list(history, &homes, &n_homes);

    if (status != CRMPI_OK)
        return status;
    size_t n = history->n_ranks + n_homes;
    history->entities = n < UINT32_MAX ? calloc(n, sizeof *history->entities) : NULL;
    if (history->entities == NULL)
        status = CRMPI_ERR_NOMEM;
    for (size_t e = 0; e < n && status == CRMPI_OK; e++) {
        struct crmpi_entity *entity = &history->entities[e];
        entity->rank = (uint32_t)e;
        if (e >= history->n_ranks)
            *entity = (struct crmpi_entity){.kind = CRMPI_ENTITY_SEGMENT,
                                            .rank = homes[e - history->n_ranks].rank,
                                            .window = homes[e - history->n_ranks].window};
        history->n_entities++;
        status = entity_fill(entity, &history->records->tasks[entity->rank]);
    }
    free(homes);
    return status;
}

/* ---- edges ---- */

static int edge_compare(const void *a, const void *b)
{
    const struct crmpi_edge *x = a, *y = b;
    return (x->entity > y->entity) - (x->entity < y->entity);
}

/* Sort edges by entity and make one of those to the same. */
static size_t edges_merge(struct crmpi_edge *edges, size_t n)
{
    size_t n_merged = 0;

    qsort(edges, n, sizeof *edges, edge_compare);
    for (size_t i = 0; i < n; i++) {
        struct crmpi_edge *last = n_merged ? &edges[n_merged - 1] : NULL;
        if (last == NULL || last->entity != edges[i].entity) {
            edges[n_merged++] = edges[i];
            continue;
        }
        last->how |= edges[i].how;
        if (last->interval < edges[i].interval)
            last->interval = edges[i].interval;
    }
    return n_merged;
}

/* Give the checkpoints the arrows among entities as their edges. */
static enum crmpi_status edges_give(struct crmpi_history *history)
{
    const struct crmpi_graph *graph = history->graph;

    for (int pass = 0; pass < 2; pass++) { /* count, then store */
        for (size_t i = 0; i < graph->n_arrows; i++) {
            const struct crmpi_arrow *a = &graph->arrows[i];
            if (a->from >= graph->n_entities || a->to >= graph->n_entities)
                continue;
            struct crmpi_checkpoint *one =
                &history->entities[a->from].checkpoints[a->state];
            if (pass == 1)
                one->edges[one->n_edges] = (struct crmpi_edge){
                    .entity = a->to, .how = a->how, .interval = a->interval};
            one->n_edges++;
        }
        for (size_t e = 0; e < history->n_entities; e++)
            for (size_t k = 0; k < history->entities[e].n_checkpoints; k++) {
                struct crmpi_checkpoint *one = &history->entities[e].checkpoints[k];
                if (pass == 1 && one->n_edges > 0) {
                    one->n_edges = edges_merge(one->edges, one->n_edges);
                } else if (one->n_edges > 0) {
                    one->edges = malloc(one->n_edges * sizeof *one->edges);
                    if (one->edges == NULL)
                        return CRMPI_ERR_NOMEM;
                    one->n_edges = 0;
                }
            }
    }
    return CRMPI_OK;
}

enum crmpi_status crmpi_history_link(struct crmpi_history *history)
{
    entities_free(history);
    tell_firsts(history);
    enum crmpi_status status = entities_make(history);
    if (status == CRMPI_OK) {
        history->graph = crmpi_graph_create(history);
        status = history->graph ? crmpi_history_derive(history, history->graph)
                                : CRMPI_ERR_NOMEM;
    }
    if (status == CRMPI_OK)
        status = crmpi_graph_finish(history->graph);
    if (status == CRMPI_OK)
        status = edges_give(history);
    if (status != CRMPI_OK)
        entities_free(history);
    return status;
}

const struct crmpi_dependencies *
crmpi_history_dependencies(const struct crmpi_history *history, uint32_t world_rank,
                           uint64_t sn)
{
    const struct crmpi_record *record =
        history->records ? crmpi_record_find(&history->records->tasks[world_rank], sn) : NULL;
    return record && record->is_known ? &record->dependencies : NULL;
}
