/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What there is of a job's files: on nodes, and in the directory all nodes share.  A
 * restart lists what each node has, and all ranks have the whole list.  Lower half and
 * tools.
 */
#ifndef CRMPI_LEVELS_INVENTORY_H
#define CRMPI_LEVELS_INVENTORY_H

#include <stddef.h>
#include <stdint.h>
#include "base/status.h"
#include "levels/share.h"
#include "levels/topology.h"

enum crmpi_copy_kind {
    CRMPI_COPY_OWN,     /* on a node, where a rank's own files are */
    CRMPI_COPY_PARTNER, /* on a node, for a rank of another one */
    CRMPI_COPY_GLOBAL,  /* in CRMPI_DIR */
    CRMPI_COPY_SHARE,
};

enum crmpi_copy_state {
    CRMPI_COPY_UNSEEN, /* but for its first bytes */
    CRMPI_COPY_GOOD,   /* every byte is right */
    CRMPI_COPY_DAMAGED,
};

/* A file; sent from rank to rank as it is. */
struct crmpi_copy {
    uint32_t kind;
    uint32_t world_rank; /* whose file it is; of a share: the holder's */
    uint64_t sn;
    uint64_t bytes;
    uint64_t digest;
    uint64_t parent_sn, parent_digest; /* sn 0: none */
    uint32_t node;                     /* of the topology; GLOBAL: of the keeper */
    uint32_t keeper;                   /* the rank that reads it */
    uint32_t share;                    /* SHARE: index of its header */
    uint32_t state;
};

struct crmpi_inventory {
    struct crmpi_copy *copies; /* by world_rank, sn, kind, node */
    size_t n_copies, room_copies;
    struct crmpi_share *shares; /* headers, in no order */
    size_t n_shares, room_shares;
};

void crmpi_inventory_fini(struct crmpi_inventory *inventory);

enum crmpi_status crmpi_inventory_add(struct crmpi_inventory *inventory,
                                      const struct crmpi_copy *copy);
enum crmpi_status crmpi_inventory_add_share(struct crmpi_inventory *inventory,
                                            const struct crmpi_copy *copy,
                                            const struct crmpi_share *share);
/** Put all in order, before anything is looked for. */
void crmpi_inventory_sort(struct crmpi_inventory *inventory);

/**
 * Add what there is of ranks @p first, @p first + @p step, ... in a folder of files.  What
 * has no right beginning is left out; of damaged shares that is said.  A folder that does
 * not exist is an empty one.
 * @param about  kind, keeper and node, to be noted
 * @param home  of the node and job; GLOBAL: CRMPI_DIR
 */
enum crmpi_status crmpi_inventory_list(struct crmpi_inventory *inventory,
                                       const struct crmpi_copy *about, const char *home,
                                       const char *job_id, uint32_t first, uint32_t step);

/** The same of one rank, which @p about says. */
enum crmpi_status crmpi_inventory_list_rank(struct crmpi_inventory *inventory,
                                            const struct crmpi_copy *about,
                                            const char *home, const char *job_id);

/** The path of a copy.  @param home  of its node; GLOBAL: CRMPI_DIR */
enum crmpi_status crmpi_copy_path(const char *home, enum crmpi_copy_kind kind,
                                  uint32_t world_rank, uint64_t sn, int make,
                                  char *path_out, size_t path_bytes);

/** The first copy of a rank's checkpoint, and how many there are behind one another. */
size_t crmpi_inventory_find(const struct crmpi_inventory *inventory, uint32_t world_rank,
                            uint64_t sn, size_t *n_out);

#endif
