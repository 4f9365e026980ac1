/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a restart gets each file, see plan.h.  Lower half and tests.
 */
#include <string.h>
#include "levels/plan.h"

#define NODE_ANY UINT32_MAX
#define LOCAL_KINDS (1u << CRMPI_COPY_OWN | 1u << CRMPI_COPY_PARTNER)

static int is_of(const struct crmpi_copy *copy, uint64_t digest)
{
    return copy->kind != CRMPI_COPY_SHARE && copy->digest == digest;
}

size_t crmpi_plan_copy(const struct crmpi_inventory *inventory, uint32_t world_rank,
                       uint64_t sn, uint64_t digest, unsigned kinds, uint32_t node)
{
    size_t n, first = crmpi_inventory_find(inventory, world_rank, sn, &n);

    for (size_t i = first; i < first + n; i++) {
        const struct crmpi_copy *copy = &inventory->copies[i];
        if (is_of(copy, digest) && copy->state == CRMPI_COPY_GOOD &&
            (kinds >> copy->kind & 1) && (node == NODE_ANY || copy->node == node))
            return i;
    }
    return SIZE_MAX;
}

/* Whether two headers tell of the same group and files; these have digests. */
static int is_same_group(const struct crmpi_share *a, const struct crmpi_share *b)
{
    if (a->k != b->k || a->m != b->m)
        return 0;
    for (unsigned i = 0; i < a->k + a->m; i++)
        if (a->members[i].world_rank != b->members[i].world_rank ||
            a->members[i].sn != b->members[i].sn ||
            a->members[i].file_bytes != b->members[i].file_bytes ||
            a->members[i].digest != b->members[i].digest)
            return 0;
    return 1;
}

size_t crmpi_plan_share(const struct crmpi_inventory *inventory,
                        const struct crmpi_share *group, unsigned holder, uint32_t node)
{
    size_t n, first = crmpi_inventory_find(inventory, group->members[holder].world_rank,
                                           crmpi_share_number(group), &n);

    for (size_t i = first; i < first + n; i++) {
        const struct crmpi_copy *copy = &inventory->copies[i];
        if (copy->kind == CRMPI_COPY_SHARE && copy->state == CRMPI_COPY_GOOD &&
            (node == NODE_ANY || copy->node == node) &&
            inventory->shares[copy->share].holder == holder &&
            is_same_group(&inventory->shares[copy->share], group))
            return i;
    }
    return SIZE_MAX;
}

/* ---- what has to be looked at ---- */

static int is_wanted(const struct crmpi_wants *wants, uint32_t world_rank, uint64_t sn,
                     uint64_t digest)
{
    return sn != 0 && world_rank < wants->n_ranks && wants->list[world_rank].sn == sn &&
           wants->list[world_rank].digest == digest;
}

static void mark_file(const struct crmpi_inventory *inventory, uint32_t world_rank,
                      uint64_t sn, uint64_t digest, unsigned char *marks)
{
    size_t n, first = crmpi_inventory_find(inventory, world_rank, sn, &n);

    for (size_t i = first; i < first + n; i++)
        if (is_of(&inventory->copies[i], digest))
            marks[i] = 1;
}

/* Which member of a share's group has a file; -1: none. */
static int member_of(const struct crmpi_share *share, uint32_t world_rank, uint64_t sn,
                     uint64_t digest)
{
    for (unsigned i = 0; i < share->k + share->m; i++)
        if (share->members[i].world_rank == world_rank && share->members[i].sn == sn &&
            share->members[i].digest == digest)
            return (int)i;
    return -1;
}

static int share_is_wanted(const struct crmpi_share *share,
                           const struct crmpi_wants *wants)
{
    for (unsigned i = 0; i < share->k + share->m; i++)
        if (is_wanted(wants, share->members[i].world_rank, share->members[i].sn,
                      share->members[i].digest))
            return 1;
    return 0;
}

void crmpi_plan_mark(const struct crmpi_inventory *inventory,
                     const struct crmpi_wants *wants, unsigned char *marks)
{
    for (size_t i = 0; i < inventory->n_copies; i++) {
        const struct crmpi_copy *copy = &inventory->copies[i];
        if (copy->kind != CRMPI_COPY_SHARE) {
            if (is_wanted(wants, copy->world_rank, copy->sn, copy->digest))
                marks[i] = 1;
            continue;
        }
        const struct crmpi_share *share = &inventory->shares[copy->share];
        if (!share_is_wanted(share, wants))
            continue;
        marks[i] = 1;
        for (unsigned j = 0; j < share->k + share->m; j++)
            if (share->members[j].sn)
                mark_file(inventory, share->members[j].world_rank, share->members[j].sn,
                          share->members[j].digest, marks);
    }
}

/* ---- ways ---- */

/* What there is of a share's group. */
static void group_look(const struct crmpi_inventory *inventory,
                       const struct crmpi_share *group, uint64_t *files, uint64_t *shares)
{
    *files = *shares = 0;
    for (unsigned i = 0; i < group->k + group->m; i++) {
        const struct crmpi_share_member *member = &group->members[i];
        unsigned kinds = LOCAL_KINDS | 1u << CRMPI_COPY_GLOBAL;
        /* who has no file has one of zeros */
        if (!member->sn || crmpi_plan_copy(inventory, member->world_rank, member->sn,
                                           member->digest, kinds, NODE_ANY) != SIZE_MAX)
            *files |= (uint64_t)1 << i;
        if (crmpi_plan_share(inventory, group, i, NODE_ANY) != SIZE_MAX)
            *shares |= (uint64_t)1 << i;
    }
}

/* Whether a share's group can give the file of one of its members. */
static void group_try(const struct crmpi_inventory *inventory, size_t index, int member,
                      struct crmpi_want *want)
{
    const struct crmpi_share *group = &inventory->shares[index];
    struct crmpi_erasure code;
    uint64_t files, shares;
    unsigned excess;

    if (crmpi_erasure_init(&code, group->k, group->m) != CRMPI_OK)
        return;
    group_look(inventory, group, &files, &shares);
    excess = crmpi_erasure_excess(&code, (unsigned)member, files, shares);
    if ((want->files | want->shares) && excess >= want->excess)
        return; /* no better than another one */
    want->share = index;
    want->member = (unsigned)member;
    want->files = files;
    want->shares = shares;
    want->excess = excess;
    if (excess > 0)
        return;
    want->way = CRMPI_WAY_REBUILT;
    want->bytes = group->members[member].file_bytes;
    want->parent_sn = group->members[member].parent_sn;
    want->parent_digest = group->members[member].parent_digest;
}

static void find_group(const struct crmpi_inventory *inventory, struct crmpi_want *want)
{
    for (size_t i = 0; i < inventory->n_copies && want->way == CRMPI_WAY_LOST; i++) {
        const struct crmpi_copy *copy = &inventory->copies[i];
        int member;

        if (copy->kind != CRMPI_COPY_SHARE || copy->state != CRMPI_COPY_GOOD)
            continue;
        member = member_of(&inventory->shares[copy->share], want->world_rank, want->sn,
                           want->digest);
        if (member >= 0)
            group_try(inventory, copy->share, member, want);
    }
}

static void take(const struct crmpi_inventory *inventory, size_t copy, enum crmpi_way way,
                 struct crmpi_want *want)
{
    if (copy == SIZE_MAX || want->way != CRMPI_WAY_LOST)
        return;
    want->way = way;
    want->copy = copy;
    want->bytes = inventory->copies[copy].bytes;
    want->parent_sn = inventory->copies[copy].parent_sn;
    want->parent_digest = inventory->copies[copy].parent_digest;
}

static void want_find(const struct crmpi_inventory *inventory,
                      const struct crmpi_topology *topology, enum crmpi_copy_kind at_home,
                      struct crmpi_want *want)
{
    uint32_t node = topology->node_of[want->world_rank];
#define FIND(kind, where)                                                                \
    crmpi_plan_copy(inventory, want->world_rank, want->sn, want->digest, 1u << (kind),   \
                    where)

    *want = (struct crmpi_want){.world_rank = want->world_rank,
                                .sn = want->sn,
                                .digest = want->digest,
                                .incarnation = want->incarnation,
                                .way = CRMPI_WAY_LOST};
    take(inventory, FIND(at_home, node), CRMPI_WAY_THERE, want);
    take(inventory, FIND(CRMPI_COPY_OWN, node), CRMPI_WAY_MOVED, want);
    take(inventory, FIND(CRMPI_COPY_PARTNER, node), CRMPI_WAY_PARTNER, want);
    take(inventory, FIND(CRMPI_COPY_OWN, NODE_ANY), CRMPI_WAY_MOVED, want);
    take(inventory, FIND(CRMPI_COPY_PARTNER, NODE_ANY), CRMPI_WAY_PARTNER, want);
    if (want->way == CRMPI_WAY_LOST)
        find_group(inventory, want);
    take(inventory, FIND(CRMPI_COPY_GLOBAL, NODE_ANY), CRMPI_WAY_GLOBAL, want);
#undef FIND
}

uint32_t crmpi_plan_find(const struct crmpi_inventory *inventory,
                         const struct crmpi_topology *topology,
                         enum crmpi_copy_kind at_home, struct crmpi_wants *wants)
{
    uint32_t n_lost = 0;

    for (uint32_t rank = 0; rank < wants->n_ranks; rank++) {
        if (wants->list[rank].sn == 0)
            continue;
        want_find(inventory, topology, at_home, &wants->list[rank]);
        n_lost += wants->list[rank].way == CRMPI_WAY_LOST;
    }
    return n_lost;
}
