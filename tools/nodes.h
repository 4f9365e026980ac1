/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files of lines that are kept on nodes (CRMPI_LEVELS), as far as they can be seen from
 * this one.  Tools.
 */
#ifndef CRMPI_TOOLS_NODES_H
#define CRMPI_TOOLS_NODES_H

#include "storage/container.h"

/** The levels that all files of a line have reached: "partner, global" for one. */
const char *nodes_levels(const struct crmpi_line *line);

/** Whether a line's files are on nodes. */
int nodes_has_files(const struct crmpi_line *line);

/** The folder that has the file of a rank below ranks/: DIR, or that of a node; NULL:
 * there is none on this one.  The next call overwrites it. */
const char *nodes_home(const char *dir, const struct crmpi_line *line,
                       uint32_t world_rank);

/** Print what of a line is on this node. */
void nodes_print(const struct crmpi_line *line);

#endif
