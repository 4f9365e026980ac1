/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who takes part in a checkpoint, and the tree they form.  Pure.
 *
 * Members that are listed have indices in the order in which they came in: the leader
 * first, then by rank those that it took in next, and so on; the parent of index i is
 * (i - 1) / 2.  If all ranks are in, those that are not listed stay below their parents
 * in the control tree, and rank 0 below the leader: so that few messages travel far.
 *
 * When a group grows nobody gets another parent, and whoever comes in has only newcomers
 * below: if it cannot take part, none of them has heard of the group.
 */
#ifndef CRMPI_POLICY_MEMBERS_H
#define CRMPI_POLICY_MEMBERS_H

#include <stddef.h>
#include <stdint.h>
#include "base/status.h"

/* A set of world ranks, ascending. */
struct crmpi_ranks {
    uint32_t *items;
    size_t n;
};

void crmpi_ranks_fini(struct crmpi_ranks *set);
int crmpi_ranks_have(const struct crmpi_ranks *set, uint32_t rank);
/** Add @p n ranks, ascending; the set is unchanged on failure. */
enum crmpi_status crmpi_ranks_add(struct crmpi_ranks *set, const uint32_t *ranks,
                                  size_t n);

/* Two of those listed, two of the control tree, and rank 0. */
#define CRMPI_MEMBER_CHILDREN 5

struct crmpi_members {
    uint32_t n;       /* how many */
    uint32_t n_ranks; /* in the job */
    int all;          /* every rank of the job, listed or not */
    struct crmpi_ranks listed;
    uint32_t *order;  /* listed.n of them */
};

void crmpi_members_fini(struct crmpi_members *members);
/** Make a group of one rank; with @p all of all ranks, led by it. */
enum crmpi_status crmpi_members_init(struct crmpi_members *members, uint32_t n_ranks,
                                     uint32_t leader, int all);
/** Take in the ranks of @p more, ascending, that are not in yet. */
enum crmpi_status crmpi_members_grow(struct crmpi_members *members,
                                     const struct crmpi_ranks *more);
void crmpi_members_take_all(struct crmpi_members *members);

int crmpi_members_have(const struct crmpi_members *members, uint32_t rank);
/** Tell the parent (the leader's is itself) and the children of a rank that is in.
 * @return how many children */
unsigned crmpi_members_relatives(const struct crmpi_members *members, uint32_t rank,
                                 uint32_t *parent_out,
                                 uint32_t children_out[CRMPI_MEMBER_CHILDREN]);
/** Tell whether the one is the other, grown, so that nobody has another index. */
int crmpi_members_extend(const struct crmpi_members *larger,
                         const struct crmpi_members *members);

/** Encode sets and lists: from malloc(), the caller frees it. */
enum crmpi_status crmpi_ranks_encode(const uint32_t *ranks, size_t n, void **bytes_out,
                                     size_t *n_bytes_out);
/** Decode what another process sent, a set, checking it.
 * @param[out] used_out  how many of the bytes it took */
enum crmpi_status crmpi_ranks_decode(struct crmpi_ranks *set_out, uint32_t n_ranks,
                                     const void *bytes, size_t n_bytes, size_t *used_out);
enum crmpi_status crmpi_members_decode(struct crmpi_members *members_out,
                                       uint32_t n_ranks, int all, const void *bytes,
                                       size_t n_bytes);

#endif
