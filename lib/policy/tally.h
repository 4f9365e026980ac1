/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Collective counts on their way up the control tree, and targets on their way down.
 * Pure.
 *
 * A node merges the tallies of its children and its own.  Where all members of a
 * communicator lie below the node, the tally is settled there: it is dropped if all agree
 * (each member's target is its own count), and otherwise kept at the node as a target for
 * the members below it.  So only what can still change travels on.
 */
#ifndef CRMPI_POLICY_TALLY_H
#define CRMPI_POLICY_TALLY_H

#include <stdint.h>
#include <stddef.h>
#include "base/status.h"
#include "interaction/cut.h"
#include "policy/members.h"
#include "policy/policy.h"

/* What is known of one communicator in a part of the tree. */
struct crmpi_tally {
    uint64_t comm_id;
    uint64_t low, high; /* smallest and largest count reported */
    uint32_t members;   /* of the communicator; 0: unknown */
    uint32_t reported;  /* members that the counts come from */
};

/* Sorted by comm_id, each once. */
struct crmpi_tallies {
    struct crmpi_tally *items;
    size_t n;
};

/* What a rank knows while all are parked: its own counts, what its children have
 * reported, and what it makes of them.  All zero: nothing yet. */
struct crmpi_census {
    struct crmpi_collective_count *own;
    size_t n_own;
    struct crmpi_tallies reported[CRMPI_MEMBER_CHILDREN];
    struct crmpi_tallies merged;  /* not settled: for the parent */
    struct crmpi_tallies settled; /* disagreements of ranks all below this one */
    int disagree;                 /* here or below */
};

/* The target that stands for: no limit, some members of the communicator are not yet, or
 * no longer, members. */
#define CRMPI_TARGET_NONE UINT64_MAX

/** Free the items and leave an empty list. */
void crmpi_tallies_fini(struct crmpi_tallies *tallies);

/** Make the list of one rank's counts, leaving out communicators that are this rank's
 * own;
 * @p counts has to be sorted by comm_id. */
enum crmpi_status crmpi_tallies_init(struct crmpi_tallies *tallies_out,
                                     const struct crmpi_collective_count *counts,
                                     size_t n);

/** Merge @p more into @p tallies, which is unchanged on failure. */
enum crmpi_status crmpi_tallies_merge(struct crmpi_tallies *tallies,
                                      const struct crmpi_tallies *more);

/**
 * Take the settled ones out of @p tallies.
 * @param[out] settled_out  those whose members disagree; a new list
 */
enum crmpi_status crmpi_tallies_settle(struct crmpi_tallies *tallies,
                                       struct crmpi_tallies *settled_out);

/** Encode compactly: from malloc(), the caller frees it. */
enum crmpi_status crmpi_tallies_encode(const struct crmpi_tallies *tallies,
                                       void **bytes_out, size_t *n_bytes_out);
/** Decode what another rank sent, checking it. */
enum crmpi_status crmpi_tallies_decode(struct crmpi_tallies *tallies_out,
                                       const void *bytes, size_t n_bytes);

/** Pick from @p list the communicators that @p wanted lists; a new list. */
enum crmpi_status crmpi_tallies_select(const struct crmpi_tallies *list,
                                       const struct crmpi_tallies *wanted,
                                       struct crmpi_tallies *part_out);

/**
 * Make the targets of one rank: what @p list says of a communicator (its high count, or
 * CRMPI_TARGET_NONE) or else, as all its members agree, the rank's own count.
 * @param[out] targets_out  from malloc(), the caller frees it
 */
enum crmpi_status crmpi_tallies_targets(const struct crmpi_tallies *list,
                                        const struct crmpi_collective_count *counts,
                                        size_t n,
                                        struct crmpi_collective_count **targets_out,
                                        size_t *n_out);

/** Take a copy of this rank's own counts. */
enum crmpi_status crmpi_census_own(struct crmpi_census *census,
                                   const struct crmpi_collective_count *counts, size_t n);

/** Bring together what this rank and its children have reported. */
enum crmpi_status crmpi_census_merge(struct crmpi_census *census);

/** Free all, and know nothing again. */
void crmpi_census_fini(struct crmpi_census *census);

/** Look a communicator up; NULL if it is not listed. */
const struct crmpi_tally *crmpi_tallies_find(const struct crmpi_tallies *tallies,
                                             uint64_t comm_id);

#endif
