/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Recovery lines: the search, and what may be dropped.  Pure; lower half, tools and
 * tests.
 *
 * The search begins at the newest states.  Whenever a node has gone back, the arrows that
 * are filed under the states it has left are looked at: whoever is at such an arrow's
 * start or later goes back to before that.  As an arrow holds for all later states, where
 * to go back to needs no search; and since nodes only go back, each arrow is looked at
 * once.
 */
#include <stdlib.h>
#include <string.h>
#include "recovery/graph.h"

struct search {
    const struct crmpi_graph *graph;
    uint32_t *at;   /* the state each node is at; as many as it has: its running state */
    uint32_t *done; /* arrows filed under this and later states have been looked at */
    uint32_t *work; /* nodes that have gone back: a ring */
    uint32_t n_work, first_work;
    char *is_working;
    struct crmpi_step *why;  /* why each group went back the last time */
    struct crmpi_arrow *now; /* of the running states, by `to` */
    size_t *now_first;
    size_t room_steps;
    struct crmpi_recovery_line line;
};

static uint64_t number_at(const struct search *s, uint32_t node)
{
    const struct crmpi_graph *graph = s->graph;
    return s->at[node] == crmpi_graph_n_states(graph, node)
               ? CRMPI_SN_NOW
               : graph->numbers[graph->first[node] + s->at[node]];
}

static void work_push(struct search *s, uint32_t node)
{
    if (s->is_working[node])
        return;
    s->is_working[node] = 1;
    s->work[(s->first_work + s->n_work++) % s->graph->n_nodes] = node;
}

static uint32_t work_pop(struct search *s)
{
    uint32_t node = s->work[s->first_work];
    s->first_work = (s->first_work + 1) % s->graph->n_nodes;
    s->n_work--;
    s->is_working[node] = 0;
    return node;
}

static int step_add(struct search *s, const struct crmpi_step *step)
{
    if (s->line.n_steps == s->room_steps) {
        size_t room = s->room_steps ? 2 * s->room_steps : 64;
        struct crmpi_step *more = realloc(s->line.steps, room * sizeof *more);
        if (more == NULL)
            return 0;
        s->line.steps = more;
        s->room_steps = room;
    }
    s->line.steps[s->line.n_steps++] = *step;
    return 1;
}

/* A node goes back to the newest state before @p state that is not lost. */
static int go_back(struct search *s, uint32_t node, uint32_t state,
                   struct crmpi_step step)
{
    const struct crmpi_graph *graph = s->graph;

    step.entity = node;
    step.from = number_at(s, node);
    s->at[node] = graph->usable[graph->first[node] + state - 1];
    step.to = number_at(s, node);
    work_push(s, node);
    if (node < graph->n_entities)
        return step_add(s, &step);
    s->why[node - graph->n_entities] = step;
    return 1;
}

/* Go back because of an arrow to a node that has done so. */
static int follow(struct search *s, const struct crmpi_arrow *a)
{
    if (s->at[a->from] < a->state)
        return 1;
    struct crmpi_step step = {
        .cause = a->to,
        .cause_sn = number_at(s, a->to),
        .sn = a->state == crmpi_graph_n_states(s->graph, a->from)
                  ? CRMPI_SN_NOW
                  : s->graph->numbers[s->graph->first[a->from] + a->state],
        .edge = {.entity = a->to, .how = a->how, .interval = a->interval}};
    if (a->to >= s->graph->n_entities) { /* who was behind it */
        const struct crmpi_step *why = &s->why[a->to - s->graph->n_entities];
        step.cause = why->cause;
        step.cause_sn = why->cause_sn;
        step.edge.entity = why->cause;
        step.edge.interval = why->edge.interval;
    }
    return go_back(s, a->from, a->state, step);
}

static int search_run(struct search *s)
{
    while (s->n_work > 0) {
        uint32_t node = work_pop(s);
        while (s->done[node] > s->at[node] + 1) {
            size_t n;
            const struct crmpi_arrow *a =
                crmpi_graph_filed(s->graph, node, --s->done[node], &n);
            for (size_t i = 0; i < n; i++)
                if (!follow(s, &a[i]))
                    return 0;
        }
        if (s->now_first == NULL || node >= s->graph->n_entities)
            continue;
        for (size_t i = s->now_first[node]; i < s->now_first[node + 1]; i++)
            if (s->now[i].interval > number_at(s, node) && !follow(s, &s->now[i]))
                return 0;
    }
    return 1;
}

/* Where each node begins. */
static int search_begin(struct search *s, const int *failed)
{
    const struct crmpi_graph *graph = s->graph;

    for (uint32_t i = 0; i < graph->n_nodes; i++) {
        uint32_t n = crmpi_graph_n_states(graph, i), last = n - 1;
        s->at[i] = n;
        s->done[i] = n + 1;
        if (i < graph->n_entities && failed && !failed[i])
            continue;
        struct crmpi_step step = {.cause = i, .sn = CRMPI_SN_NOW};
        if (i < graph->n_entities && graph->usable[graph->first[i] + last] != last) {
            step.sn = graph->numbers[graph->first[i] + last];
            if (!failed)
                s->at[i] = last;
        } else if (!failed || i >= graph->n_entities) {
            s->at[i] = last;
            work_push(s, i);
            continue;
        }
        step.cause_sn = CRMPI_SN_NOW;
        if (!go_back(s, i, n, step))
            return 0;
    }
    return 1;
}

/* File the edges of the running states by the entity they point to. */
static int now_file(struct search *s, const struct crmpi_edge *const *now,
                    const size_t *n_now)
{
    uint32_t n_entities = s->graph->n_entities;
    size_t n = 0;

    for (uint32_t e = 0; e < n_entities; e++)
        n += n_now[e];
    s->now = malloc((n + 1) * sizeof *s->now);
    s->now_first = calloc((size_t)n_entities + 2, sizeof *s->now_first);
    if (s->now == NULL || s->now_first == NULL)
        return 0;
    for (uint32_t e = 0; e < n_entities; e++)
        for (size_t i = 0; i < n_now[e]; i++)
            s->now_first[now[e][i].entity + 2]++;
    for (uint32_t e = 1; e <= n_entities; e++)
        s->now_first[e + 1] += s->now_first[e];
    for (uint32_t e = 0; e < n_entities; e++)
        for (size_t i = 0; i < n_now[e]; i++)
            s->now[s->now_first[now[e][i].entity + 1]++] =
                (struct crmpi_arrow){.from = e,
                                     .state = crmpi_graph_n_states(s->graph, e),
                                     .to = now[e][i].entity,
                                     .how = now[e][i].how,
                                     .interval = now[e][i].interval};
    return 1;
}

static void search_free(struct search *s)
{
    free(s->at);
    free(s->done);
    free(s->work);
    free(s->is_working);
    free(s->why);
    free(s->now);
    free(s->now_first);
}

static enum crmpi_status search(const struct crmpi_graph *graph, const int *failed,
                                const struct crmpi_edge *const *now, const size_t *n_now,
                                struct crmpi_recovery_line *line_out)
{
    size_t n = graph->n_nodes;
    struct search s = {.graph = graph,
                       .at = malloc(n * sizeof *s.at),
                       .done = malloc(n * sizeof *s.done),
                       .work = malloc(n * sizeof *s.work),
                       .is_working = calloc(n, 1),
                       .why = calloc(n - graph->n_entities + 1, sizeof *s.why)};
    int is_done = s.at && s.done && s.work && s.is_working && s.why &&
                  (s.line.sn = malloc(graph->n_entities * sizeof *s.line.sn)) &&
                  (!now || now_file(&s, now, n_now)) && search_begin(&s, failed) &&
                  search_run(&s);
    for (uint32_t e = 0; is_done && e < graph->n_entities; e++)
        s.line.sn[e] = number_at(&s, e);
    if (is_done)
        *line_out = s.line;
    else
        crmpi_recovery_line_fini(&s.line);
    search_free(&s);
    return is_done ? CRMPI_OK : CRMPI_ERR_NOMEM;
}

/* The graph of a history whose edges were made by hand. */
static enum crmpi_status graph_of_edges(const struct crmpi_history *history,
                                        struct crmpi_graph **graph_out)
{
    struct crmpi_graph *graph = crmpi_graph_create(history);

    for (uint32_t e = 0; graph && e < history->n_entities; e++)
        for (uint32_t k = 0; k < history->entities[e].n_checkpoints; k++) {
            const struct crmpi_checkpoint *one = &history->entities[e].checkpoints[k];
            for (size_t i = 0; i < one->n_edges; i++) {
                const struct crmpi_arrow arrow = {.from = e,
                                                  .state = k,
                                                  .to = one->edges[i].entity,
                                                  .how = one->edges[i].how,
                                                  .interval = one->edges[i].interval};
                crmpi_graph_arrow(graph, &arrow);
            }
        }
    if (graph == NULL || crmpi_graph_finish(graph) != CRMPI_OK) {
        crmpi_graph_destroy(graph);
        return CRMPI_ERR_NOMEM;
    }
    *graph_out = graph;
    return CRMPI_OK;
}

enum crmpi_status crmpi_recovery_line(const struct crmpi_history *history,
                                      const int *failed,
                                      const struct crmpi_edge *const *now,
                                      const size_t *n_now,
                                      struct crmpi_recovery_line *line_out)
{
    if (history->graph)
        return search(history->graph, failed, now, n_now, line_out);
    struct crmpi_graph *graph;
    enum crmpi_status status = graph_of_edges(history, &graph);
    if (status == CRMPI_OK) {
        status = search(graph, failed, now, n_now, line_out);
        crmpi_graph_destroy(graph);
    }
    return status;
}

void crmpi_recovery_line_fini(struct crmpi_recovery_line *line)
{
    free(line->sn);
    free(line->steps);
    *line = (struct crmpi_recovery_line){0};
}

enum crmpi_status crmpi_recovery_garbage(const struct crmpi_history *history,
                                         uint64_t *sn_out)
{
    struct crmpi_recovery_line line;
    enum crmpi_status status = crmpi_recovery_line(history, NULL, NULL, NULL, &line);

    if (status != CRMPI_OK)
        return status;
    memcpy(sn_out, line.sn, history->n_entities * sizeof *sn_out);
    crmpi_recovery_line_fini(&line);
    return CRMPI_OK;
}
