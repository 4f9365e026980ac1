/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lay out the picture of a history: which ranks have rows of their own and which are
 * drawn as bands, where the columns are, and what is linked.  Tools.
 */
#include <stdlib.h>
#include <string.h>
#include "tools/graph.h"
#include "tools/text.h"
#include "tools/tool.h"

enum {
    RANKS_SINGLE = 12, /* so many are drawn one by one in any case */
    ROWS_MAX = 72,     /* rows of ranks, but for those that are wanted */
    INVOLVED_MAX = 12, /* ranks with rows of their own because something befell them */
    COLUMNS_MAX = 32,
    WINDOWS_MAX = 3, /* rows of segments below a row */
};

static uint32_t group_of(const struct graph *graph, uint32_t entity, size_t index)
{
    return graph->group_of[graph->first_of[entity] + index];
}

/* ---- groups ---- */

struct place_key {
    uint64_t sn;
    uint32_t first;
    struct graph_place place;
};

static int place_compare(const void *a, const void *b)
{
    const struct place_key *x = a, *y = b;
    if (x->sn != y->sn)
        return x->sn < y->sn ? -1 : 1;
    if (x->first != y->first)
        return x->first < y->first ? -1 : 1;
    if (x->place.entity != y->place.entity)
        return x->place.entity < y->place.entity ? -1 : 1;
    return x->place.index < y->place.index ? -1 : x->place.index > y->place.index;
}

/* Add a checkpoint to its group. */
static void group_add(struct graph *graph, struct graph_place place)
{
    const struct crmpi_entity *entity = &graph->subject->history->entities[place.entity];
    const struct crmpi_checkpoint *checkpoint = &entity->checkpoints[place.index];
    uint32_t number = (uint32_t)graph->n_groups - 1;
    struct graph_group *group = &graph->groups[number];

    graph->group_of[graph->first_of[place.entity] + place.index] = number;
    group->n_places++;
    group->n_ranks += entity->kind == CRMPI_ENTITY_TASK;
    group->bytes += entity->kind == CRMPI_ENTITY_TASK ? checkpoint->bytes : 0;
    if (text_time_is_known(checkpoint->time) &&
        (group->time <= 0 || checkpoint->time < group->time))
        group->time = checkpoint->time;
    if (checkpoint->incarnation > group->incarnation)
        group->incarnation = checkpoint->incarnation;
}

/* Who took a checkpoint together has the same number of it and the same lowest rank.
 * Numbers ascend in every entity, so the groups are in an order in which they may have
 * been taken. */
static void groups_make(struct graph *graph)
{
    const struct crmpi_history *history = graph->subject->history;
    size_t n = 0;
    graph->first_of = tool_alloc(history->n_entities, sizeof *graph->first_of);
    for (size_t i = 0; i < history->n_entities; i++) {
        graph->first_of[i] = n;
        n += history->entities[i].n_checkpoints;
    }
    struct place_key *keys = tool_alloc(n, sizeof *keys), *key = keys;
    for (uint32_t i = 0; i < history->n_entities; i++)
        for (uint32_t k = 0; k < history->entities[i].n_checkpoints; k++) {
            const struct crmpi_checkpoint *one = &history->entities[i].checkpoints[k];
            *key++ = (struct place_key){one->sn, one->sn ? one->first : 0, {i, k}};
        }
    qsort(keys, n, sizeof *keys, place_compare);

    graph->group_of = tool_alloc(n, sizeof *graph->group_of);
    graph->places = tool_alloc(n, sizeof *graph->places);
    graph->groups = tool_alloc(n, sizeof *graph->groups);
    for (size_t i = 0; i < n; i++) {
        /* one of whom nobody tells who took part goes with the others of its number */
        if (i == 0 || keys[i].sn != keys[i - 1].sn ||
            (keys[i].first != keys[i - 1].first && keys[i].first != CRMPI_FIRST_UNKNOWN))
            graph->groups[graph->n_groups++] =
                (struct graph_group){.sn = keys[i].sn, .first_place = i};
        graph->places[i] = keys[i].place;
        group_add(graph, keys[i].place);
    }
    free(keys);
}

/* Clocks of nodes differ and times may be unknown: no checkpoint was taken before the one
 * before it. */
static void groups_order(struct graph *graph)
{
    for (uint32_t g = 1; g < graph->n_groups; g++) {
        struct graph_group *group = &graph->groups[g];
        for (size_t i = 0; i < group->n_places; i++) {
            struct graph_place place = graph->places[group->first_place + i];
            if (place.index == 0)
                continue;
            uint32_t before = group_of(graph, place.entity, place.index - 1);
            if (group->time < graph->groups[before].time)
                group->time = graph->groups[before].time;
        }
    }
}

/* ---- rows ---- */

/* What is drawn of an entity, in one number: who has the same shares a band. */
static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 29;
}

static int line_is_at(const struct graph_subject *subject, uint32_t entity, size_t index)
{
    const struct crmpi_entity *one = &subject->history->entities[entity];
    return subject->line->sn[entity] == one->checkpoints[index].sn;
}

static uint64_t entity_hash(const struct graph *graph, uint32_t entity, int coarse)
{
    const struct graph_subject *subject = graph->subject;
    const struct crmpi_entity *one = &subject->history->entities[entity];
    uint64_t hash = mix(one->window + 1, subject->line->sn[entity] == CRMPI_SN_NOW);
    if (subject->failed)
        hash = mix(hash, subject->failed[entity] != 0);
    for (size_t k = 0; k < one->n_checkpoints; k++) {
        int line = line_is_at(subject, entity, k), lost = one->checkpoints[k].lost;
        if (!coarse || line)
            hash = mix(hash, group_of(graph, entity, k) * 4 + (line ? 2 : 0) + (lost != 0));
    }
    return hash;
}

struct rank_key {
    uint64_t hash;
    uint32_t rank;
};

static int rank_compare(const void *a, const void *b)
{
    const struct rank_key *x = a, *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return x->rank < y->rank ? -1 : x->rank > y->rank;
}

/* Mark the ranks that are to have rows of their own. */
static unsigned char *ranks_single(const struct graph_subject *subject)
{
    const struct crmpi_history *history = subject->history;
    unsigned char *single = tool_alloc(history->n_ranks, 1);
    size_t involved = 0;
    if (subject->wanted)
        memcpy(single, subject->wanted, history->n_ranks);
    if (history->n_ranks <= RANKS_SINGLE)
        memset(single, 1, history->n_ranks);
    for (size_t i = 0; i < history->n_entities && involved < INVOLVED_MAX; i++) {
        const struct crmpi_entity *one = &history->entities[i];
        int found = subject->failed && subject->failed[i];
        for (size_t k = 0; k < one->n_checkpoints; k++)
            found |= one->checkpoints[k].lost;
        involved += found && !single[one->rank];
        single[one->rank] |= found != 0;
    }
    for (size_t i = 0; i < subject->line->n_steps; i++) {
        const struct crmpi_step *step = &subject->line->steps[i];
        const uint32_t ranks[] = {history->entities[step->entity].rank,
                                  history->entities[step->cause].rank};
        for (size_t k = 0; k < 2 && involved < INVOLVED_MAX; k++) {
            involved += !single[ranks[k]];
            single[ranks[k]] = 1;
        }
    }
    return single;
}

/* Give each rank the number of its band, the lowest rank in it; tell how many there are. */
static size_t bands_make(const struct graph *graph, const unsigned char *single, int coarse,
                         uint32_t *band_out)
{
    const struct crmpi_history *history = graph->subject->history;
    struct rank_key *keys = tool_alloc(history->n_ranks, sizeof *keys);
    size_t n = 0;
    for (uint32_t i = 0; i < history->n_entities; i++) {
        struct rank_key *key = &keys[history->entities[i].rank];
        key->rank = history->entities[i].rank;
        key->hash = mix(key->hash, entity_hash(graph, i, coarse));
        if (single[key->rank])
            key->hash = mix(0, key->rank);
    }
    qsort(keys, history->n_ranks, sizeof *keys, rank_compare);
    for (size_t i = 0; i < history->n_ranks; i++) {
        int is_new = i == 0 || keys[i].hash != keys[i - 1].hash || single[keys[i].rank];
        band_out[keys[i].rank] = is_new ? keys[i].rank : band_out[keys[i - 1].rank];
        n += (size_t)is_new;
    }
    free(keys);
    return n;
}

/* Where there are too many bands still: blocks of neighbours, whatever they do. */
static size_t blocks_make(const struct graph_subject *subject, const unsigned char *single,
                          uint32_t *band_out)
{
    uint32_t n_ranks = subject->history->n_ranks, others = 0, seen = 0, start = 0;
    size_t n = 0;
    for (uint32_t rank = 0; rank < n_ranks; rank++)
        others += !single[rank];
    uint32_t blocks = others < ROWS_MAX - INVOLVED_MAX ? others : ROWS_MAX - INVOLVED_MAX;
    uint32_t length = blocks ? (others + blocks - 1) / blocks : 1;
    for (uint32_t rank = 0; rank < n_ranks; rank++) {
        if (!single[rank] && seen++ % length == 0)
            start = rank;
        band_out[rank] = single[rank] ? rank : start;
        n += band_out[rank] == rank;
    }
    return n;
}

static uint32_t *bands_choose(const struct graph *graph, int *is_mixed_out)
{
    const struct graph_subject *subject = graph->subject;
    uint32_t *bands = tool_alloc(subject->history->n_ranks, sizeof *bands);
    unsigned char *single = ranks_single(subject);
    size_t wanted = 0;
    for (uint32_t i = 0; subject->wanted && i < subject->history->n_ranks; i++)
        wanted += subject->wanted[i];
    *is_mixed_out = 0;
    if (bands_make(graph, single, 0, bands) > ROWS_MAX + wanted) {
        *is_mixed_out = 1;
        if (bands_make(graph, single, 1, bands) > ROWS_MAX + wanted)
            blocks_make(subject, single, bands);
    }
    free(single);
    return bands;
}

static void row_add(struct graph_row *row, uint32_t entity)
{
    if ((row->n_entities & (row->n_entities - 1)) == 0) { /* full at powers of two */
        size_t room = row->n_entities ? row->n_entities * 2 : 1;
        uint32_t *entities = tool_alloc(room, sizeof *entities);
        if (row->n_entities)
            memcpy(entities, row->entities, row->n_entities * sizeof *entities);
        free(row->entities);
        row->entities = entities;
    }
    row->entities[row->n_entities++] = entity;
}

/* The row of a segment below that of its band: of the same window, or of all the others
 * if there are many. */
static size_t segment_row(struct graph *graph, size_t parent, uint32_t entity)
{
    uint64_t window = graph->subject->history->entities[entity].window;
    const struct crmpi_entity *entities = graph->subject->history->entities;
    size_t i = parent + 1;
    for (; i < parent + 1 + WINDOWS_MAX && graph->rows[i].n_entities; i++)
        if (entities[graph->rows[i].entities[0]].window == window)
            return i;
    return i < parent + 1 + WINDOWS_MAX ? i : i - 1;
}

static void row_label(const struct graph *graph, struct graph_row *row)
{
    const struct crmpi_entity *entities = graph->subject->history->entities;
    const struct crmpi_entity *first = &entities[row->entities[0]];
    size_t room = sizeof row->label;
    int several = 0;
    for (size_t i = 1; i < row->n_entities; i++)
        several |= entities[row->entities[i]].window != first->window;
    if (row->is_segment && several) {
        snprintf(row->label, room, "other windows");
    } else if (row->is_segment) {
        snprintf(row->label, room, "window %llu", (unsigned long long)first->window);
    } else if (row->n_entities == 1) {
        snprintf(row->label, room, "rank %u", first->rank);
    } else { /* the entities of a row of ranks are the ranks */
        const char *text = text_ranks(row->entities, row->n_entities);
        if (strlen(text) < 18)
            snprintf(row->label, room, "%s", text);
        else
            snprintf(row->label, room, "%zu ranks, %u-%u", row->n_entities, first->rank,
                     row->entities[row->n_entities - 1]);
    }
}

/* Make the rows; first each with room for its windows, then without the empty ones. */
static void rows_make(struct graph *graph)
{
    const struct crmpi_history *history = graph->subject->history;
    const size_t step = 1 + WINDOWS_MAX;
    int is_mixed;
    uint32_t *bands = bands_choose(graph, &is_mixed);
    size_t *place = tool_alloc(history->n_ranks, sizeof *place), n = 0;
    for (uint32_t rank = 0; rank < history->n_ranks; rank++)
        if (bands[rank] == rank)
            place[rank] = step * n++;
    graph->rows = tool_alloc(n * step, sizeof *graph->rows);
    graph->row_of = tool_alloc(history->n_entities, sizeof *graph->row_of);
    for (uint32_t i = 0; i < history->n_entities; i++) {
        size_t row = place[bands[history->entities[i].rank]];
        if (history->entities[i].kind == CRMPI_ENTITY_SEGMENT) {
            row = segment_row(graph, row, i);
            graph->rows[row].is_segment = 1;
        }
        row_add(&graph->rows[row], i);
    }
    for (size_t i = 0; i < n * step; i++) {
        struct graph_row *row = &graph->rows[graph->n_rows];
        if (graph->rows[i].n_entities == 0)
            continue;
        if (row != &graph->rows[i])
            *row = graph->rows[i];
        for (size_t k = 0; k < row->n_entities; k++) {
            graph->row_of[row->entities[k]] = (uint32_t)graph->n_rows;
            row->is_failed |=
                !graph->subject->failed || graph->subject->failed[row->entities[k]];
        }
        row->is_mixed = is_mixed && row->n_entities > 1;
        row_label(graph, row);
        graph->n_rows++;
    }
    free(place);
    free(bands);
}

/* ---- columns ---- */

struct group_key {
    double time;
    uint32_t group;
};

static int group_compare(const void *a, const void *b)
{
    const struct group_key *x = a, *y = b;
    if (x->time < y->time || x->time > y->time)
        return x->time < y->time ? -1 : 1;
    return x->group < y->group ? -1 : x->group > y->group;
}

/* Whether a group cannot go into the column that others are in already. */
static int group_collides(const struct graph *graph, const struct graph_group *group,
                          const struct group_key *others, size_t n)
{
    if (n == 0)
        return 0;
    for (size_t i = 0; i < n; i++) {
        const struct graph_group *other = &graph->groups[others[i].group];
        int is_mixed = group->n_ranks == 1 && other->n_ranks == 1 &&
                       graph->rows[group->first_row].is_mixed;
        if (group->first_row <= other->last_row && other->first_row <= group->last_row &&
            !is_mixed)
            return 1;
    }
    return 0;
}

static struct group_key *groups_by_time(struct graph *graph)
{
    struct group_key *keys = tool_alloc(graph->n_groups, sizeof *keys);
    for (uint32_t g = 0; g < graph->n_groups; g++) {
        struct graph_group *group = &graph->groups[g];
        keys[g] = (struct group_key){group->time, g};
        group->first_row = UINT32_MAX;
        for (size_t i = 0; i < group->n_places; i++) {
            uint32_t row = graph->row_of[graph->places[group->first_place + i].entity];
            if (row < group->first_row)
                group->first_row = row;
            if (row > group->last_row)
                group->last_row = row;
        }
    }
    qsort(keys + 1, graph->n_groups - 1, sizeof *keys, group_compare);
    return keys;
}

static void columns_make(struct graph *graph)
{
    struct group_key *keys = groups_by_time(graph);
    size_t column = 0, start = 1, last = graph->n_groups - 1;
    double first_time = 0;
    for (size_t i = last; i >= 1; i--)
        if (keys[i].time > 0)
            first_time = keys[i].time;
    double apart = (keys[last].time - first_time) / COLUMNS_MAX;
    for (size_t i = 1; i <= last; i++) {
        struct graph_group *group = &graph->groups[keys[i].group];
        if (i == 1 || keys[i].time - keys[start].time > apart ||
            group_collides(graph, group, keys + start, i - start)) {
            start = i;
            column++;
        }
        group->column = column;
    }
    size_t n_old = column + 1 > COLUMNS_MAX ? column + 1 - COLUMNS_MAX : 0;
    graph->is_cut = n_old > 0;
    graph->n_columns = column + 1 - n_old;
    graph->columns = tool_alloc(graph->n_columns, sizeof *graph->columns);
    for (size_t i = last; i >= 1; i--) { /* the first of a column's groups tells its time */
        uint32_t g = keys[i].group;
        struct graph_group *group = &graph->groups[g];
        group->column = group->column > n_old ? group->column - n_old : 0;
        if (group->column == 0)
            continue;
        struct graph_column *one = &graph->columns[group->column];
        one->time = group->time;
        one->incarnation = group->incarnation;
        one->whole = group->n_ranks == graph->subject->history->n_ranks ? g : 0;
    }
    if (graph->n_columns > 1)
        graph->columns[0].incarnation = graph->columns[1].incarnation;
    free(keys);
}

/* ---- marks ---- */

static void row_marks(struct graph *graph, struct graph_row *row)
{
    const struct graph_subject *subject = graph->subject;
    row->marks = tool_alloc(graph->n_columns, sizeof *row->marks);
    row->line = graph->n_columns;
    for (size_t i = 0; i < row->n_entities; i++) {
        uint32_t e = row->entities[i];
        const struct crmpi_entity *entity = &subject->history->entities[e];
        for (size_t k = 0; k < entity->n_checkpoints; k++) {
            const struct crmpi_checkpoint *checkpoint = &entity->checkpoints[k];
            uint32_t group = group_of(graph, e, k);
            size_t column = graph->groups[group].column;
            struct graph_mark *mark = &row->marks[column];
            int on_line = line_is_at(subject, e, k);
            mark->n++;
            mark->n_lost += checkpoint->lost != 0;
            mark->n_line += (uint32_t)on_line;
            mark->bytes += checkpoint->bytes;
            if (checkpoint->sn >= mark->sn) {
                mark->sn = checkpoint->sn;
                mark->time = checkpoint->time;
                mark->group = group;
            }
            if (on_line && column < row->line)
                row->line = column;
        }
    }
    for (size_t column = 0; column < graph->n_columns; column++)
        if (row->marks[column].n > 0) {
            row->marks[row->n_marks] = row->marks[column];
            row->marks[row->n_marks++].column = column;
        }
}

size_t graph_interval_begin(const struct graph_row *row, size_t column)
{
    size_t begin = 0;
    for (size_t i = 0; i < row->n_marks && row->marks[i].column < column; i++)
        begin = row->marks[i].column;
    return begin;
}

size_t graph_interval_column(const struct graph *graph, uint32_t entity, uint64_t interval)
{
    const struct crmpi_entity *one = &graph->subject->history->entities[entity];
    size_t low = 0, high = one->n_checkpoints;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (one->checkpoints[middle].sn < interval)
            low = middle + 1;
        else
            high = middle;
    }
    return low < one->n_checkpoints ? graph->groups[group_of(graph, entity, low)].column
                                    : graph->n_columns;
}

/* ---- links ---- */

/* Links by what they link; open addressing. */
struct link_table {
    struct graph_link *slots;
    size_t n, room;
};

static uint64_t link_hash(const struct graph_link *link)
{
    uint64_t hash = mix(link->kind, link->row[0] | (uint64_t)link->row[1] << 32);
    return mix(mix(hash, link->column[0]), link->column[1]);
}

static struct graph_link *link_find(struct link_table *table, const struct graph_link *link)
{
    size_t i = link_hash(link) & (table->room - 1);
    for (; table->slots[i].n; i = (i + 1) & (table->room - 1)) {
        const struct graph_link *slot = &table->slots[i];
        if (slot->kind == link->kind && memcmp(slot->row, link->row, sizeof slot->row) == 0 &&
            memcmp(slot->column, link->column, sizeof slot->column) == 0)
            break;
    }
    return &table->slots[i];
}

static struct graph_link *link_add(struct link_table *table, const struct graph_link *link)
{
    if (table->n * 2 >= table->room) {
        struct link_table larger = {.room = table->room ? table->room * 2 : 1024};
        larger.slots = tool_alloc(larger.room, sizeof *larger.slots);
        for (size_t i = 0; i < table->room; i++)
            if (table->slots[i].n) {
                *link_find(&larger, &table->slots[i]) = table->slots[i];
                larger.n++;
            }
        free(table->slots);
        *table = larger;
    }
    struct graph_link *slot = link_find(table, link);
    if (slot->n == 0) {
        *slot = *link;
        table->n++;
    } else {
        slot->flow |= link->flow;
        slot->n += link->n;
    }
    return slot;
}

static const uint32_t kind_hows[] = {
    CRMPI_HOW_RECEIVED | CRMPI_HOW_SENT, CRMPI_HOW_COLLECTIVE,
    CRMPI_HOW_READ | CRMPI_HOW_WRITE | CRMPI_HOW_ATOMIC | CRMPI_HOW_SYNC,
    CRMPI_HOW_HOME | CRMPI_HOW_LINE};

/* Which way data flowed: bit 0: from the one depended on; bit 1: to it. */
static unsigned edge_flow(const struct crmpi_entity *dependent, uint32_t how)
{
    const uint32_t both = CRMPI_HOW_ATOMIC | CRMPI_HOW_SYNC | CRMPI_HOW_COLLECTIVE;
    unsigned flow = how & both ? 3 : 0;
    if (how & (CRMPI_HOW_RECEIVED | CRMPI_HOW_READ))
        flow |= 1;
    if (how & CRMPI_HOW_SENT)
        flow |= 2;
    if (how & CRMPI_HOW_WRITE)
        flow |= dependent->kind == CRMPI_ENTITY_TASK ? 2 : 1;
    return flow;
}

/* An edge may be of several kinds; each is a link. */
static struct graph_link edge_link(const struct graph *graph, uint32_t entity, size_t column,
                                   const struct crmpi_edge *edge, enum graph_kind kind)
{
    const struct crmpi_entity *entities = graph->subject->history->entities;
    uint32_t rows[2] = {graph->row_of[edge->entity], graph->row_of[entity]};
    uint32_t columns[2] = {
        (uint32_t)graph_interval_column(graph, edge->entity, edge->interval),
        (uint32_t)column};
    unsigned flow = edge_flow(&entities[entity], edge->how & kind_hows[kind]);
    int swap = rows[0] > rows[1] || (rows[0] == rows[1] && columns[0] > columns[1]);
    return (struct graph_link){.row = {rows[swap], rows[!swap]},
                               .column = {columns[swap], columns[!swap]},
                               .kind = kind,
                               .flow = swap ? (flow & 1) << 1 | flow >> 1 : flow,
                               .n = 1};
}

/* The interval of another rank that a collective before a checkpoint was in: in the same
 * checkpoint if they took it together, else the first that counts as many. */
static uint64_t collective_interval(const struct graph *graph,
                                    const struct crmpi_dependencies *all,
                                    const struct crmpi_collectives *one, uint32_t rank)
{
    const struct crmpi_history *history = graph->subject->history;
    const struct crmpi_entity *other = &history->entities[rank];
    if (!all->is_alone && all->n_cohort == 0)
        return all->interval;
    for (size_t i = 0; i < all->n_cohort && !all->is_alone; i++)
        if (all->cohort[i].rank == rank)
            return all->cohort[i].interval;
    for (size_t k = 1; k < other->n_checkpoints; k++) {
        const struct crmpi_dependencies *its =
            crmpi_history_dependencies(history, rank, other->checkpoints[k].sn);
        for (size_t i = 0; its && i < its->n_collectives; i++)
            if (its->collectives[i].comm == one->comm &&
                its->collectives[i].count >= one->count)
                return other->checkpoints[k].sn;
    }
    return CRMPI_SN_NOW;
}

static void collective_links(const struct graph *graph, uint32_t rank, uint64_t sn,
                             size_t column, struct link_table *table)
{
    const struct crmpi_history *history = graph->subject->history;
    const struct crmpi_dependencies *all = crmpi_history_dependencies(history, rank, sn);
    for (size_t i = 0; all && i < all->n_collectives; i++) {
        const struct crmpi_collectives *one = &all->collectives[i];
        for (size_t k = 0; one->flow && k < one->n_members; k++) {
            struct crmpi_edge edge = {.entity = all->members[one->members + k],
                                      .how = CRMPI_HOW_COLLECTIVE};
            if (edge.entity == rank || edge.entity >= history->n_ranks ||
                graph->rows[graph->row_of[edge.entity]].is_mixed)
                continue;
            edge.interval = collective_interval(graph, all, one, edge.entity);
            struct graph_link link = edge_link(graph, rank, column, &edge, GRAPH_COLLECTIVE);
            if (link.column[0] > 0 && link.column[1] > 0)
                link_add(table, &link);
        }
    }
}

/* Ranks that do not behave alike have no intervals together that could be linked. */
static void entity_links(const struct graph *graph, uint32_t e, struct link_table *table)
{
    const struct crmpi_entity *entity = &graph->subject->history->entities[e];
    if (graph->rows[graph->row_of[e]].is_mixed)
        return;
    for (size_t k = 1; k < entity->n_checkpoints; k++) {
        const struct crmpi_checkpoint *one = &entity->checkpoints[k];
        size_t column = graph->groups[group_of(graph, e, k)].column;
        if (entity->kind == CRMPI_ENTITY_TASK && column > 0)
            collective_links(graph, e, one->sn, column, table);
        for (size_t i = 0; i < one->n_edges && column > 0; i++) {
            const struct crmpi_edge *edge = &one->edges[i];
            if (graph->rows[graph->row_of[edge->entity]].is_mixed)
                continue;
            for (enum graph_kind kind = GRAPH_MESSAGE; kind < GRAPH_HOME; kind++) {
                struct graph_link link = edge_link(graph, e, column, edge, kind);
                if (edge->how & kind_hows[kind] && link.column[0] > 0 && link.column[1] > 0)
                    link_add(table, &link);
            }
        }
    }
}

int graph_step_is_told(const struct crmpi_history *history, const struct crmpi_step *step)
{
    return history->entities[step->entity].kind == CRMPI_ENTITY_TASK ||
           (step->cause != step->entity && step->edge.how != CRMPI_HOW_HOME);
}

/* Mark what forced the steps: a link, or a lost checkpoint. */
static void steps_mark(struct graph *graph, struct link_table *table)
{
    const struct crmpi_recovery_line *line = graph->subject->line;
    uint32_t number = 0;
    for (size_t i = 0; i < line->n_steps; i++) {
        const struct crmpi_step *step = &line->steps[i];
        if (!graph_step_is_told(graph->subject->history, step))
            continue;
        number++;
        size_t column = graph_interval_column(graph, step->entity, step->sn);
        struct graph_row *row = &graph->rows[graph->row_of[step->entity]];
        if (column == graph->n_columns && step->cause == step->entity && !row->failed_step)
            row->failed_step = number;
        if (step->cause != step->entity) {
            enum graph_kind kind = GRAPH_MESSAGE;
            while (kind < GRAPH_HOME && !(step->edge.how & kind_hows[kind]))
                kind++;
            struct graph_link link =
                edge_link(graph, step->entity, column, &step->edge, kind);
            struct graph_link *slot = link_add(table, &link);
            slot->step = slot->n_steps++ ? slot->step : number;
            continue;
        }
        for (size_t k = 0; k < row->n_marks; k++)
            if (row->marks[k].column == column && row->marks[k].step == 0)
                row->marks[k].step = number;
    }
}

static int link_compare(const void *a, const void *b)
{
    const struct graph_link *x = a, *y = b;
    const uint32_t x_parts[] = {x->column[0], x->column[1], x->row[0], x->row[1], x->kind};
    const uint32_t y_parts[] = {y->column[0], y->column[1], y->row[0], y->row[1], y->kind};
    for (size_t i = 0; i < sizeof x_parts / sizeof *x_parts; i++)
        if (x_parts[i] != y_parts[i])
            return x_parts[i] < y_parts[i] ? -1 : 1;
    return 0;
}

static void links_make(struct graph *graph)
{
    struct link_table table = {0};
    for (uint32_t e = 0; e < graph->subject->history->n_entities; e++)
        entity_links(graph, e, &table);
    steps_mark(graph, &table);
    graph->links = tool_alloc(table.n, sizeof *graph->links);
    for (size_t i = 0; i < table.room; i++)
        if (table.slots[i].n)
            graph->links[graph->n_links++] = table.slots[i];
    free(table.slots);
    qsort(graph->links, graph->n_links, sizeof *graph->links, link_compare);
}

void graph_make(const struct graph_subject *subject, struct graph *graph_out)
{
    *graph_out = (struct graph){.subject = subject};
    groups_make(graph_out);
    groups_order(graph_out);
    rows_make(graph_out);
    columns_make(graph_out);
    for (size_t i = 0; i < graph_out->n_rows; i++)
        row_marks(graph_out, &graph_out->rows[i]);
    links_make(graph_out);
}

void graph_fini(struct graph *graph)
{
    for (size_t i = 0; i < graph->n_rows; i++) {
        free(graph->rows[i].entities);
        free(graph->rows[i].marks);
    }
    free(graph->rows);
    free(graph->row_of);
    free(graph->groups);
    free(graph->places);
    free(graph->first_of);
    free(graph->group_of);
    free(graph->columns);
    free(graph->links);
}
