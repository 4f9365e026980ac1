/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DIR/ranks/undone: what restarts have undone of what the job had done to files (undo.h).
 * A checkpoint that one of them has gone back behind finds files that are not as it needs
 * them.  Lower half.
 */
#ifndef CRMPI_FILES_UNDONE_H
#define CRMPI_FILES_UNDONE_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/** The number of the restart that will undo what becomes of files from now on, from 1. */
uint64_t crmpi_undone_epoch(void);

/**
 * What restarts have undone of this rank's: the one with number i + 1 all that had become of
 * files after its checkpoint from[i]; UINT64_MAX: that was nothing.
 */
struct crmpi_undone {
    uint64_t *from; /* [n], to be freed */
    uint64_t n, n_done; /* restarts that have begun to, and that are through with it */
};

/** CRMPI_ERR_CORRUPT, and none, if that is damaged; no restart before is no error. */
enum crmpi_status crmpi_undone_read(uint32_t world_rank, struct crmpi_undone *undone_out);

/** Add a restart, of all ranks: atomic.  It takes the place of one that was not done. */
enum crmpi_status crmpi_undone_write(const uint64_t *from, size_t n_ranks, int is_done);

#endif
