/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bringing files from rank to rank before a restart, by MPI.  All who have a part in a
 * transfer call for it, in the same order of all transfers: then none waits for ever.  A
 * failure is that of the rank it happens to, and of the one that writes; all go on with
 * the next transfer.  Lower half.
 */
#ifndef CRMPI_LEVELS_TRANSFER_H
#define CRMPI_LEVELS_TRANSFER_H

#include <stdint.h>
#include "base/status.h"
#include "levels/inventory.h"

/* A copy of a file, from one rank to another, which can be the same. */
struct crmpi_transfer {
    uint32_t source, target;
    const char *from; /* in the source: the path */
    const char *to;   /* in the target */
    uint64_t bytes;
};

/** @return of the target: whether the file is in its place */
enum crmpi_status crmpi_transfer_file(const struct crmpi_transfer *transfer,
                                      uint32_t world_rank);

/* Whom a member's file, or its share, is read by, and where; keeper UINT32_MAX: nobody. */
struct crmpi_transfer_place {
    uint32_t keeper;
    char path[4096]; /* in the keeper */
};
struct crmpi_transfer_group {
    const struct crmpi_share *about; /* k, m, members */
    struct crmpi_transfer_place files[CRMPI_ERASURE_MEMBERS_MAX];
    struct crmpi_transfer_place shares[CRMPI_ERASURE_MEMBERS_MAX];
};

/** Compute the file of @p member from what there is of its group, and write it to @p to in
 * rank @p target. */
enum crmpi_status crmpi_transfer_rebuild(const struct crmpi_transfer_group *group,
                                         unsigned member, uint32_t target, const char *to,
                                         uint32_t world_rank);

/** Make the share of @p holder anew, of all members' files, and write it to @p to in rank
 * @p target. */
enum crmpi_status crmpi_transfer_share(const struct crmpi_transfer_group *group,
                                       unsigned holder, uint32_t target, const char *to,
                                       uint32_t world_rank);

#endif
