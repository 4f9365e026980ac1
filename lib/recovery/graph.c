/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Arrows between states, filed by where they point (see graph.h).  Pure; lower half, tools
 * and tests.
 */
#include <stdlib.h>
#include <string.h>
#include "recovery/graph.h"

/* Make room for @p n more items; 0 if there is no memory. */
static int reserve(void **items, size_t used, size_t n, size_t *room, size_t item_bytes)
{
    if (used + n <= *room)
        return 1;
    size_t more = 2 * *room > used + n ? 2 * *room : used + n + 64;
    void *moved = realloc(*items, more * item_bytes);
    if (moved == NULL)
        return 0;
    *items = moved;
    *room = more;
    return 1;
}

static int node_reserve(struct crmpi_graph *graph, size_t n_states)
{
    size_t n = graph->n_nodes ? graph->first[graph->n_nodes] : 0;
    size_t room = graph->room_states, room_nodes = graph->room_nodes;
    int is_done =
        reserve((void **)&graph->numbers, n, n_states, &room, sizeof *graph->numbers);
    room = graph->room_states;
    is_done = is_done &&
              reserve((void **)&graph->usable, n, n_states, &room, sizeof *graph->usable);
    is_done = is_done && reserve((void **)&graph->first, graph->n_nodes, 2, &room_nodes,
                                 sizeof *graph->first);
    if (!is_done) {
        graph->is_out_of_memory = 1;
        return 0;
    }
    graph->room_states = room;
    graph->room_nodes = room_nodes;
    return 1;
}

/* Add a node with room for its states, which come at the index returned. */
static size_t node_add(struct crmpi_graph *graph, size_t n_states)
{
    size_t first = graph->n_nodes ? graph->first[graph->n_nodes] : 0;
    graph->first[graph->n_nodes++] = first;
    graph->first[graph->n_nodes] = first + n_states;
    return first;
}

struct crmpi_graph *crmpi_graph_create(const struct crmpi_history *history)
{
    struct crmpi_graph *graph = calloc(1, sizeof *graph);
    if (graph == NULL)
        return NULL;
    for (size_t e = 0; e < history->n_entities; e++) {
        const struct crmpi_entity *entity = &history->entities[e];
        if (!node_reserve(graph, entity->n_checkpoints)) {
            crmpi_graph_destroy(graph);
            return NULL;
        }
        size_t at = node_add(graph, entity->n_checkpoints);
        uint32_t usable = 0;
        for (uint32_t k = 0; k < entity->n_checkpoints; k++) {
            if (!entity->checkpoints[k].lost)
                usable = k;
            graph->numbers[at + k] = entity->checkpoints[k].sn;
            graph->usable[at + k] = usable;
        }
    }
    graph->n_entities = graph->n_nodes;
    return graph;
}

void crmpi_graph_destroy(struct crmpi_graph *graph)
{
    if (graph == NULL)
        return;
    free(graph->first);
    free(graph->numbers);
    free(graph->usable);
    free(graph->arrows);
    free(graph->filed);
    free(graph);
}

uint32_t crmpi_graph_group(struct crmpi_graph *graph, const uint64_t *numbers, size_t n)
{
    if (!node_reserve(graph, n + 1))
        return 0;
    size_t at = node_add(graph, n + 1);
    graph->numbers[at] = 0;
    memcpy(&graph->numbers[at + 1], numbers, n * sizeof *numbers);
    for (uint32_t k = 0; k <= n; k++)
        graph->usable[at + k] = k;
    return graph->n_nodes - 1;
}

void crmpi_graph_arrow(struct crmpi_graph *graph, const struct crmpi_arrow *arrow)
{
    if (reserve((void **)&graph->arrows, graph->n_arrows, 1, &graph->room_arrows,
                sizeof *graph->arrows))
        graph->arrows[graph->n_arrows++] = *arrow;
    else
        graph->is_out_of_memory = 1;
}

uint32_t crmpi_graph_n_states(const struct crmpi_graph *graph, uint32_t node)
{
    return (uint32_t)(graph->first[node + 1] - graph->first[node]);
}

uint32_t crmpi_graph_state(const struct crmpi_graph *graph, uint32_t node,
                           uint64_t interval)
{
    const uint64_t *numbers = &graph->numbers[graph->first[node]];
    uint32_t low = 0, high = crmpi_graph_n_states(graph, node);
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (numbers[middle] < interval)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Where the arrows to a state are filed: each node has one place more than states. */
static size_t place(const struct crmpi_graph *graph, uint32_t node, uint32_t state)
{
    return graph->first[node] + node + state;
}

/* A counting sort. */
enum crmpi_status crmpi_graph_finish(struct crmpi_graph *graph)
{
    size_t n_places = graph->first[graph->n_nodes] + graph->n_nodes;
    size_t *filed = calloc(n_places + 1, sizeof *filed);
    size_t *places = malloc((graph->n_arrows + 1) * sizeof *places);
    struct crmpi_arrow *sorted = malloc((graph->n_arrows + 1) * sizeof *sorted);

    if (graph->is_out_of_memory || filed == NULL || places == NULL || sorted == NULL) {
        free(filed);
        free(places);
        free(sorted);
        return CRMPI_ERR_NOMEM;
    }
    for (size_t i = 0; i < graph->n_arrows; i++) {
        const struct crmpi_arrow *a = &graph->arrows[i];
        places[i] = place(graph, a->to, crmpi_graph_state(graph, a->to, a->interval));
        filed[places[i]]++;
    }
    size_t sum = 0;
    for (size_t i = 0; i <= n_places; i++) {
        sum += filed[i];
        filed[i] = sum;
    }
    for (size_t i = graph->n_arrows; i-- > 0;)
        sorted[--filed[places[i]]] = graph->arrows[i];
    free(places);
    free(graph->arrows);
    graph->arrows = sorted;
    graph->filed = filed;
    return CRMPI_OK;
}

const struct crmpi_arrow *crmpi_graph_filed(const struct crmpi_graph *graph,
                                            uint32_t node, uint32_t state, size_t *n_out)
{
    const size_t *filed = &graph->filed[place(graph, node, state)];
    *n_out = filed[1] - filed[0];
    return &graph->arrows[filed[0]];
}
