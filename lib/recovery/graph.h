/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Dependencies as the search for a line needs them: who depends on a state.  Private to
 * lib/recovery.
 *
 * Nodes are the entities of a history and, behind them, groups: the collectives of a
 * communicator, and lines.  They stand between those who depend on each other all alike:
 * n members make 2 n arrows so, not n * n.  A node has states of ascending numbers: of an
 * entity its checkpoints, of a communicator how many collectives were done.
 *
 * An arrow starts at a state and holds for all later ones, too.  It is filed under the
 * lowest state of the other node that has the interval: if that node goes back to before
 * it, who is at the arrow's start or later goes back to before that.
 */
#ifndef CRMPI_RECOVERY_GRAPH_H
#define CRMPI_RECOVERY_GRAPH_H

#include "recovery/history.h"

struct crmpi_arrow {
    uint32_t from, state; /* index of the state in its node */
    uint32_t to, how;
    uint64_t interval;
};

struct crmpi_graph {
    uint32_t n_nodes, n_entities;
    size_t *first;       /* of each node the index of its first state; and the end */
    uint64_t *numbers;   /* of each state */
    uint32_t *usable;    /* of each state the last not later that is not lost, within the
                            node */
    size_t room_nodes, room_states;
    struct crmpi_arrow *arrows; /* finished: by `to` and the lowest state that will do */
    size_t n_arrows, room_arrows;
    size_t *filed; /* crmpi_graph_filed() */
    int is_out_of_memory;
};

/** Begin with the entities; NULL if there is no memory. */
struct crmpi_graph *crmpi_graph_create(const struct crmpi_history *history);
void crmpi_graph_destroy(struct crmpi_graph *graph);

/** Add a group of these states, 0 before them; returns its node.  What fails for want of
 * memory is told by crmpi_graph_finish(). */
uint32_t crmpi_graph_group(struct crmpi_graph *graph, const uint64_t *numbers, size_t n);
void crmpi_graph_arrow(struct crmpi_graph *graph, const struct crmpi_arrow *arrow);

/** How many states a node has: the states are 0 ... n - 1. */
uint32_t crmpi_graph_n_states(const struct crmpi_graph *graph, uint32_t node);
/** The lowest state that has an interval; as many as there are: none has. */
uint32_t crmpi_graph_state(const struct crmpi_graph *graph, uint32_t node,
                           uint64_t interval);

/** Sort the arrows; then nothing can be added. */
enum crmpi_status crmpi_graph_finish(struct crmpi_graph *graph);

/** The arrows to a node that only @p state and later ones satisfy; in a finished graph.
 * A state of n is that of arrows which no state satisfies. */
const struct crmpi_arrow *crmpi_graph_filed(const struct crmpi_graph *graph, uint32_t node,
                                            uint32_t state, size_t *n_out);

#endif
