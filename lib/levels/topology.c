/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nodes, partners and groups (see topology.h).  Lower half and tests.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/config.h"
#include "base/log.h"
#include "levels/topology.h"

/* ---- names ---- */

int crmpi_node_name_is_sound(const char *name, size_t length)
{
    if (length == 0 || length >= CRMPI_NODE_BYTES || name[0] == '.')
        return 0;
    for (size_t i = 0; i < length; i++)
        if (name[i] <= ' ' || name[i] > '~' || name[i] == '/')
            return 0;
    return 1;
}

/* The word of that index in a list with commas. */
static const char *word_at(const char *list, uint64_t index, size_t *length_out)
{
    while (index-- > 0)
        list += strcspn(list, ",") + 1;
    *length_out = strcspn(list, ",");
    return list;
}

enum crmpi_status crmpi_node_name(const char *nodes, uint32_t world_rank,
                                  uint32_t n_ranks, char name_out[CRMPI_NODE_BYTES])
{
    char host[CRMPI_NODE_BYTES] = "";
    const char *name = host;
    uint64_t n = 1;
    size_t length;

    if (nodes[0] == '\0') {
        gethostname(host, sizeof host - 1);
        length = strlen(host);
    } else {
        for (const char *c = nodes; *c != '\0'; c++)
            n += *c == ',';
        name = word_at(nodes, world_rank * n / n_ranks, &length);
    }
    if (!crmpi_node_name_is_sound(name, length)) {
        crmpi_error("\"%.*s\" cannot be the name of a node's folder", (int)length, name);
        return CRMPI_ERR_USAGE;
    }
    memcpy(name_out, name, length);
    name_out[length] = '\0';
    return CRMPI_OK;
}

/* ---- who is where ---- */

struct named {
    const char *name;
    uint32_t rank;
};

static int by_name(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    int order = strcmp(x->name, y->name);

    return order ? order : (x->rank > y->rank) - (x->rank < y->rank);
}

/* Number the nodes in the order of their first ranks. */
static void number_nodes(struct crmpi_topology *topology, const struct named *sorted,
                         const char (*names)[CRMPI_NODE_BYTES])
{
    uint32_t *leader = topology->place_of; /* for now: each rank's node's first rank */

    for (uint32_t i = 0, begin = 0; i < topology->n_ranks; i++) {
        if (strcmp(sorted[i].name, sorted[begin].name) != 0)
            begin = i;
        leader[sorted[i].rank] = sorted[begin].rank;
    }
    for (uint32_t rank = 0; rank < topology->n_ranks; rank++) {
        if (leader[rank] != rank) {
            topology->node_of[rank] = topology->node_of[leader[rank]];
            continue;
        }
        memcpy(topology->names[topology->n_nodes], names[rank], CRMPI_NODE_BYTES);
        topology->node_of[rank] = topology->n_nodes++;
    }
}

/* Fill in each node's ranks, and their places. */
static void number_places(struct crmpi_topology *topology)
{
    uint32_t *first = topology->first;

    for (uint32_t rank = 0; rank < topology->n_ranks; rank++)
        topology->place_of[rank] = first[topology->node_of[rank] + 1]++;
    for (uint32_t node = 0; node < topology->n_nodes; node++)
        first[node + 1] += first[node];
    for (uint32_t rank = 0; rank < topology->n_ranks; rank++)
        topology->ranks[first[topology->node_of[rank]] + topology->place_of[rank]] = rank;
}

enum crmpi_status crmpi_topology_init(struct crmpi_topology *topology_out,
                                      const char (*names)[CRMPI_NODE_BYTES],
                                      uint32_t n_ranks)
{
    struct crmpi_topology topology = {.n_ranks = n_ranks};
    struct named *sorted = malloc(n_ranks * sizeof *sorted);

    topology.names = calloc(n_ranks, sizeof *topology.names);
    topology.node_of = calloc(n_ranks, sizeof *topology.node_of);
    topology.place_of = calloc(n_ranks, sizeof *topology.place_of);
    topology.first = calloc((size_t)n_ranks + 1, sizeof *topology.first);
    topology.ranks = calloc(n_ranks, sizeof *topology.ranks);
    if (!sorted || !topology.names || !topology.node_of || !topology.place_of ||
        !topology.first || !topology.ranks) {
        crmpi_error("no memory for the list of nodes");
        free(sorted);
        crmpi_topology_fini(&topology);
        return CRMPI_ERR_NOMEM;
    }
    for (uint32_t rank = 0; rank < n_ranks; rank++)
        sorted[rank] = (struct named){names[rank], rank};
    qsort(sorted, n_ranks, sizeof *sorted, by_name);
    number_nodes(&topology, sorted, names);
    number_places(&topology);
    free(sorted);
    *topology_out = topology;
    return CRMPI_OK;
}

void crmpi_topology_fini(struct crmpi_topology *topology)
{
    free(topology->names);
    free(topology->node_of);
    free(topology->place_of);
    free(topology->first);
    free(topology->ranks);
    *topology = (struct crmpi_topology){0};
}

static uint32_t ranks_on(const struct crmpi_topology *topology, uint32_t node)
{
    return topology->first[node + 1] - topology->first[node];
}

/* ---- who keeps what ---- */

uint32_t crmpi_topology_partner(const struct crmpi_topology *topology,
                                uint32_t world_rank)
{
    uint32_t node = (topology->node_of[world_rank] + 1) % topology->n_nodes;
    uint32_t place = topology->place_of[world_rank] % ranks_on(topology, node);

    return topology->ranks[topology->first[node] + place];
}

/* Divide the nodes evenly: n / least groups of at least so many nodes. */
static uint32_t first_node(const struct crmpi_topology *topology, uint32_t group,
                           uint32_t n_groups)
{
    return (uint32_t)((uint64_t)group * topology->n_nodes / n_groups);
}

unsigned crmpi_topology_group(const struct crmpi_topology *topology, uint32_t world_rank,
                              unsigned k, unsigned m,
                              uint32_t members_out[CRMPI_GROUP_MAX])
{
    uint32_t node = topology->node_of[world_rank], place = topology->place_of[world_rank];
    uint32_t n_groups = topology->n_nodes / (k + m), group = 0;
    unsigned n = 0;

    if (n_groups == 0)
        return 0;
    while (first_node(topology, group + 1, n_groups) <= node)
        group++;
    for (uint32_t i = first_node(topology, group, n_groups);
         i < first_node(topology, group + 1, n_groups) && n < CRMPI_GROUP_MAX; i++)
        if (ranks_on(topology, i) > place)
            members_out[n++] = topology->ranks[topology->first[i] + place];
    return n;
}

int crmpi_topology_refusal(const struct crmpi_topology *topology, unsigned levels,
                           unsigned k, unsigned m, char *why, size_t why_bytes)
{
    uint32_t members[CRMPI_GROUP_MAX];

    if (levels & CRMPI_LEVEL_PARTNER && topology->n_nodes < 2) {
        snprintf(why, why_bytes,
                 "CRMPI_LEVELS=partner needs 2 nodes, and all ranks are on %s",
                 topology->names[0]);
        return 1;
    }
    if (!(levels & CRMPI_LEVEL_ERASURE))
        return 0;
    if (topology->n_nodes < k + m) {
        snprintf(why, why_bytes,
                 "CRMPI_LEVELS=erasure=%u+%u needs %u nodes, there are %u", k, m, k + m,
                 topology->n_nodes);
        return 1;
    }
    for (uint32_t rank = 0; rank < topology->n_ranks; rank++)
        if (crmpi_topology_group(topology, rank, k, m, members) <= m) {
            snprintf(why, why_bytes,
                     "CRMPI_LEVELS=erasure=%u+%u: rank %u has no counterpart on enough "
                     "other nodes; place as many ranks on each node",
                     k, m, rank);
            return 1;
        }
    return 0;
}
