/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The file of this rank, for a restart.  Lower half.
 */
#include <stdio.h>

#include "base/config.h"
#include "base/log.h"
#include "levels/levels.h"
#include "levels/topology.h"
#include "storage/container.h"
#include "storage/directory.h"

/* Where the files of this rank are: in DIR, or on its node. */
static enum crmpi_status home_of(const char *dir, const struct crmpi_line *line,
                                 uint32_t world_rank, char home_out[CRMPI_PATH_BYTES])
{
    char node[CRMPI_NODE_BYTES];
    enum crmpi_status status;

    if (!crmpi_levels_are_local()) {
        snprintf(home_out, CRMPI_PATH_BYTES, "%s", dir);
        return CRMPI_OK;
    }
    status = crmpi_node_name(crmpi_config.nodes, world_rank, line->job.n_ranks, node);
    return status == CRMPI_OK
               ? crmpi_levels_home_of(node, line->job.job_id, home_out, CRMPI_PATH_BYTES)
               : status;
}

enum crmpi_status crmpi_levels_open(const char *dir, uint32_t world_rank,
                                    uint64_t line_number,
                                    struct crmpi_reader **reader_out,
                                    uint64_t *incarnation_out, int *in_transit_out)
{
    char home[CRMPI_PATH_BYTES];
    struct crmpi_line line;
    enum crmpi_status status = crmpi_line_read(dir, line_number, &line);

    if (status != CRMPI_OK)
        return status;
    if (world_rank >= line.job.n_ranks) {
        crmpi_error("the job had %u ranks: there is no rank %u", line.job.n_ranks,
                    world_rank);
        status = CRMPI_ERR_MISMATCH;
    } else {
        *incarnation_out = line.job.incarnation;
        *in_transit_out = (int)line.in_transit;
        status = home_of(dir, &line, world_rank, home);
        if (status == CRMPI_OK)
            status = crmpi_line_open_rank(home, &line, world_rank, reader_out);
    }
    crmpi_line_free(&line);
    return status;
}
