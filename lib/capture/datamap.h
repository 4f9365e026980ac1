/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which memory had data when a checkpoint was taken, and the hash of each cell of it.  A
 * cell is a page, or the part of one that belongs to a segment.  Lower half; finding
 * allocates nothing.
 */
#ifndef CRMPI_CAPTURE_DATAMAP_H
#define CRMPI_CAPTURE_DATAMAP_H

#include <stddef.h>
#include <stdint.h>
#include "base/checksum.h"
#include "base/status.h"

#define CRMPI_CELL_BYTES 4096ul

/* Cells one behind the other that belong to one thing. */
struct crmpi_run {
    uint64_t owner; /* the id of a window, or CRMPI_OWNER_TASK */
    uint64_t page;  /* of the first */
    uint64_t n;
    uint64_t first; /* where its hash is */
};
#define CRMPI_OWNER_TASK UINT64_MAX

struct crmpi_datamap {
    struct crmpi_run *runs; /* ascending by owner and page */
    size_t n_runs, run_room;
    struct crmpi_hash *hashes;
    size_t n_hashes, hash_room;
};

/** Add a cell behind all others. */
enum crmpi_status crmpi_datamap_add(struct crmpi_datamap *map, uint64_t owner,
                                    uint64_t page, struct crmpi_hash hash);

/** The number of the first run that ends behind a page of an owner; n_runs if there is
 * none. */
size_t crmpi_datamap_behind(const struct crmpi_datamap *map, uint64_t owner,
                            uint64_t page);

/**
 * The hash of a cell; NULL if it had no data.
 * @param hint  where to look first, updated: cells are asked for in order
 */
const struct crmpi_hash *crmpi_datamap_find(const struct crmpi_datamap *map,
                                            uint64_t owner, uint64_t page, size_t *hint);

void crmpi_datamap_fini(struct crmpi_datamap *map);

#endif
