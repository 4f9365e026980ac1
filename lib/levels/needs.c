/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files that are kept for the sake of others (see levels.h).  With increments a rank may
 * have begun with a full file where another of its group has not: what that one builds on
 * can be rebuilt from files of the same checkpoint only.  The shares tell.  Lower half.
 */
#include <unistd.h>
#include "levels/levels.h"
#include "levels/share.h"
#include "storage/directory.h"

static int is_in(const uint64_t *list, size_t n, uint64_t sn)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == sn)
            return 1;
    return 0;
}

size_t crmpi_levels_group_needs(const char *home, uint32_t world_rank, uint64_t *keep,
                                size_t n, size_t max)
{
    size_t n_all = n;

    for (size_t i = 0; i < n_all; i++) {
        char path[CRMPI_PATH_BYTES];
        struct crmpi_share share;
        int fd;

        if (crmpi_share_path(home, world_rank, keep[i], 0, path, sizeof path) !=
                CRMPI_OK ||
            access(path, F_OK) != 0 ||
            crmpi_share_open(path, &share, NULL, &fd) != CRMPI_OK)
            continue;
        close(fd);
        for (unsigned j = 0; j < share.k + share.m; j++)
            if (share.members[j].parent_sn != 0 && n_all < n + max &&
                !is_in(keep, n_all, share.members[j].parent_sn))
                keep[n_all++] = share.members[j].parent_sn;
    }
    return n_all - n;
}
