/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the parts of a fetch (fetch.h) share.  Lower half.
 */
#ifndef CRMPI_LEVELS_FETCHING_H
#define CRMPI_LEVELS_FETCHING_H

#include "levels/inventory.h"
#include "levels/plan.h"
#include "levels/topology.h"
#include "storage/directory.h"

struct crmpi_fetch {
    uint32_t world_rank, n_ranks;
    struct crmpi_topology topology;
    enum crmpi_copy_kind at_home; /* where the restart looks for files */
    char job_id[64];
    char home[CRMPI_PATH_BYTES]; /* of this rank's node; "": CRMPI_LOCAL is not set */
    struct crmpi_inventory inventory;
    struct crmpi_wants *generations; /* of the line being looked at */
    size_t n_generations;
    unsigned n_copies_made, n_shares_made; /* by this rank, to protect what was fetched */
};

/** The path of one of this rank's copies. */
enum crmpi_status crmpi_fetch_path(const struct crmpi_fetch *fetch,
                                   enum crmpi_copy_kind kind, uint32_t world_rank,
                                   uint64_t sn, int make,
                                   char path_out[CRMPI_PATH_BYTES]);

/** Bring all files to where their ranks look for them.  Collective. */
enum crmpi_status crmpi_fetch_bring(const struct crmpi_fetch *fetch);

/** Make the copies and shares that the levels want and that are not there.  What fails is
 * said; the files are there nevertheless.  Collective. */
enum crmpi_status crmpi_fetch_protect(struct crmpi_fetch *fetch);

/** Remove copies of what was fetched from where nobody looks for them any more. */
void crmpi_fetch_tidy(const struct crmpi_fetch *fetch);

/** Say how the files were had, and what was made, if that is news.  Rank 0.
 * @param is_older  newer lines cannot be had
 * @param n_copies, n_shares  made by all ranks */
void crmpi_fetch_report(const struct crmpi_fetch *fetch, uint64_t number, int is_older,
                        unsigned n_copies, unsigned n_shares);

/** Say what is lost of the newest generation looked at.  Rank 0. */
void crmpi_fetch_report_lost(const struct crmpi_fetch *fetch, uint64_t number);

#endif
