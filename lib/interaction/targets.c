/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bookkeeping of targets (see targets.h).  Runs in the lower half; the caller locks.
 */
#include <stdlib.h>

#include "interaction/targets.h"

static struct crmpi_target *find(const struct crmpi_targets *targets, uint64_t comm_id)
{
    size_t begin = 0, end = targets->n;

    while (begin < end) {
        size_t middle = begin + (end - begin) / 2;
        if (targets->items[middle].comm_id < comm_id)
            begin = middle + 1;
        else
            end = middle;
    }
    if (begin < targets->n && targets->items[begin].comm_id == comm_id)
        return &targets->items[begin];
    return NULL;
}

enum crmpi_status crmpi_targets_set(struct crmpi_targets *targets,
                                    const struct crmpi_collective_count *wanted, size_t n,
                                    const struct crmpi_collective_count *counts,
                                    size_t n_counts)
{
    struct crmpi_target *items = malloc((n ? n : 1) * sizeof *items);
    size_t at = 0;

    if (!items)
        return CRMPI_ERR_NOMEM;
    free(targets->items);
    *targets = (struct crmpi_targets){.items = items, .n = n};
    for (size_t i = 0; i < n; i++) {
        while (at < n_counts && counts[at].comm_id < wanted[i].comm_id)
            at++;
        int exists = at < n_counts && counts[at].comm_id == wanted[i].comm_id;
        items[i].comm_id = wanted[i].comm_id;
        items[i].target = wanted[i].count;
        items[i].count = exists ? counts[at].count : wanted[i].count;
        targets->n_below += items[i].count < items[i].target;
        targets->n_freed += exists && counts[at].members == 0;
    }
    return CRMPI_OK;
}

void crmpi_targets_note(struct crmpi_targets *targets, uint64_t comm_id, uint64_t count)
{
    struct crmpi_target *target = find(targets, comm_id);

    if (!target)
        return;
    targets->n_below -= target->count < target->target;
    target->count = count;
    targets->n_below += target->count < target->target;
}

int crmpi_targets_allow(const struct crmpi_targets *targets, uint64_t comm_id,
                        uint64_t count)
{
    const struct crmpi_target *target = find(targets, comm_id);

    return targets->n_below > 0 || !target || count < target->target;
}
