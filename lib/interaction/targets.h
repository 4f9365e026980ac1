/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The targets of phase RUNON: how many collectives this rank has to have behind it on
 * each communicator before it may stop.  Lower half; no MPI.
 */
#ifndef CRMPI_INTERACTION_TARGETS_H
#define CRMPI_INTERACTION_TARGETS_H

#include <stddef.h>
#include <stdint.h>
#include "base/status.h"
#include "interaction/cut.h"

struct crmpi_target {
    uint64_t comm_id;
    uint64_t target, count;
};

struct crmpi_targets {
    struct crmpi_target *items; /* sorted by comm_id */
    size_t n;
    size_t n_below; /* how many are not reached */
    size_t n_freed; /* of how many communicators this rank has freed and others have not */
};

/**
 * Set new targets in place of the old, where this rank stands at @p counts; both lists
 * are sorted by comm_id.  Communicators that are not in @p counts do not exist here:
 * reached.
 */
enum crmpi_status crmpi_targets_set(struct crmpi_targets *targets,
                                    const struct crmpi_collective_count *wanted, size_t n,
                                    const struct crmpi_collective_count *counts,
                                    size_t n_counts);

/** Note the new count of one communicator. */
void crmpi_targets_note(struct crmpi_targets *targets, uint64_t comm_id, uint64_t count);

/**
 * Tell whether one more collective on this communicator, which has @p count behind it, is
 * within the targets, or excused because the rank is below another target.
 */
int crmpi_targets_allow(const struct crmpi_targets *targets, uint64_t comm_id,
                        uint64_t count);

#endif
