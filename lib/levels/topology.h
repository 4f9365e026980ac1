/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which ranks fail together, and who keeps what for whom.  A node is a host, or what
 * CRMPI_NODES says.  Pure: every rank computes the same from the names of all.  Lower half
 * and tests.
 *
 * The copy of a rank's file goes to the next node, there to the rank of the same place
 * among its node's ranks.  For erasure codes the nodes are divided, in the order in which
 * they come, into groups of at least K + M; the ranks of the same place on the nodes of a
 * group are a group of ranks: no two of them fail together, and any M may be lost.  Where a
 * group has n members the code is n - M of n.
 */
#ifndef CRMPI_LEVELS_TOPOLOGY_H
#define CRMPI_LEVELS_TOPOLOGY_H

#include <stddef.h>
#include <stdint.h>
#include "base/config.h"
#include "base/status.h"

#define CRMPI_NODE_BYTES 256
#define CRMPI_GROUP_MAX 64 /* ranks of a group */

struct crmpi_topology {
    uint32_t n_ranks, n_nodes;
    char (*names)[CRMPI_NODE_BYTES]; /* of each node */
    uint32_t *node_of;               /* of each rank: the node's index */
    uint32_t *place_of;              /* of each rank: among its node's, ascending */
    uint32_t *first; /* of each node, and of one more: where its ranks are in `ranks` */
    uint32_t *ranks; /* by node, then ascending */
};

/**
 * The name of the node that a rank is on: of the list @p nodes ("a,b,c": rank r is on node
 * r * 3 / n_ranks), or this host's if the list is empty.  For the name of a folder.
 */
enum crmpi_status crmpi_node_name(const char *nodes, uint32_t world_rank,
                                  uint32_t n_ranks, char name_out[CRMPI_NODE_BYTES]);

/** Whether a word can be a node's name: it becomes a folder's. */
int crmpi_node_name_is_sound(const char *name, size_t length);

/** @param names  of each rank's node */
enum crmpi_status crmpi_topology_init(struct crmpi_topology *topology_out,
                                      const char (*names)[CRMPI_NODE_BYTES],
                                      uint32_t n_ranks);
void crmpi_topology_fini(struct crmpi_topology *topology);

/** The rank that keeps a copy of @p world_rank's file; with one node, itself. */
uint32_t crmpi_topology_partner(const struct crmpi_topology *topology,
                                uint32_t world_rank);

/**
 * The group of ranks that @p world_rank belongs to, in the order of their nodes; the same
 * list for each of them.
 * @param k, m  of K + M
 * @return how many members; 0: the nodes are fewer than K + M
 */
unsigned crmpi_topology_group(const struct crmpi_topology *topology, uint32_t world_rank,
                              unsigned k, unsigned m,
                              uint32_t members_out[CRMPI_GROUP_MAX]);

/** Say why these nodes cannot give the redundancy that is asked for (levels: of enum
 * crmpi_level); 0 if they can. */
int crmpi_topology_refusal(const struct crmpi_topology *topology, unsigned levels,
                           unsigned k, unsigned m, char *why, size_t why_bytes);

#endif
