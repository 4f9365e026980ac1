/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Levels: where the files of ranks are, and what is done that they survive the loss of
 * nodes (CRMPI_LEVELS).  With no level but the global one they are in CRMPI_DIR.  Else the
 * files of a rank are on its node:
 *
 *   LOCAL/NODE/JOB_ID/ranks/RRRRRR/NNNNNN.h5          its own: laid out as CRMPI_DIR is
 *   LOCAL/NODE/JOB_ID/partner/RRRRRR/NNNNNN.h5        copies of files of rank RRRRRR, which
 *                                                     is on another node
 *   LOCAL/NODE/JOB_ID/erasure/RRRRRR/NNNNNN.share     the share that rank RRRRRR, on this
 *                                                     node, keeps for its group (erasure.h)
 *
 * and a courier copies those of every so many-th line to CRMPI_DIR/ranks.  Lines are in
 * CRMPI_DIR/lines always.  Lower half; the names, tools too.
 */
#ifndef CRMPI_LEVELS_LEVELS_H
#define CRMPI_LEVELS_LEVELS_H

#include <stddef.h>
#include <stdint.h>
#include "base/config.h"
#include "base/status.h"
#include "levels/topology.h"

#define CRMPI_SHARE_SUFFIX ".share"

/** Whether ranks keep their files on their nodes. */
int crmpi_levels_are_local(void);

/** "LOCAL/NODE/JOB_ID" */
enum crmpi_status crmpi_levels_home_of(const char *node, const char *job_id,
                                       char *path_out, size_t path_bytes);
/** Make it, with all above and ranks, partner and erasure below; refuse what others may
 * write. */
enum crmpi_status crmpi_levels_home_create(const char *node, const char *job_id);
/** "HOME/partner/000003/000012.h5"; makes the folder if @p make. */
enum crmpi_status crmpi_partner_path(const char *home, uint32_t owner, uint64_t sn,
                                     int make, char *path_out, size_t path_bytes);
/** "HOME/erasure/000003/000012.share" */
enum crmpi_status crmpi_share_path(const char *home, uint32_t holder, uint64_t sn,
                                   int make, char *path_out, size_t path_bytes);

#endif
