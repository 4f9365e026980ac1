/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the ranks of a fetch (fetch.h) tell each other.  All collective.  Lower half.
 */
#ifndef CRMPI_LEVELS_GATHER_H
#define CRMPI_LEVELS_GATHER_H

#include "base/status.h"
#include "levels/inventory.h"
#include "levels/topology.h"

/** Whether all ranks are well: CRMPI_OK, or what one of them has. */
enum crmpi_status crmpi_gather_status(enum crmpi_status status);

/** Learn which nodes the ranks are on. */
enum crmpi_status crmpi_gather_topology(uint32_t world_rank, uint32_t n_ranks,
                                        struct crmpi_topology *topology_out);

/** Put together what each rank has listed, in order; @p inventory is replaced. */
enum crmpi_status crmpi_gather_inventory(struct crmpi_inventory *inventory);

/** Let all know the states that copies' keepers have found. */
enum crmpi_status crmpi_gather_states(struct crmpi_inventory *inventory,
                                      uint32_t world_rank);

#endif
