/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A fetch: moving the files (see fetching.h).  Every rank goes through all files in the
 * same order and has a part in few.  Lower half.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/config.h"
#include "base/log.h"
#include "levels/fetching.h"
#include "levels/gather.h"
#include "levels/transfer.h"
#include "storage/single.h"

enum crmpi_status crmpi_fetch_path(const struct crmpi_fetch *fetch,
                                   enum crmpi_copy_kind kind, uint32_t world_rank,
                                   uint64_t sn, int make, char path_out[CRMPI_PATH_BYTES])
{
    return crmpi_copy_path(kind == CRMPI_COPY_GLOBAL ? crmpi_config.dir : fetch->home,
                           kind, world_rank, sn, make, path_out, CRMPI_PATH_BYTES);
}

/* ---- files ---- */

/* A rebuilt file is what it was to the last byte, or it is none. */
static enum crmpi_status rebuilt_check(const char *path, const struct crmpi_want *want)
{
    struct crmpi_single single;
    enum crmpi_status status = crmpi_single_check(path);

    if (status == CRMPI_OK)
        status = crmpi_single_look(path, &single);
    if (status == CRMPI_OK && single.digest != want->digest)
        status = CRMPI_ERR_CORRUPT;
    if (status == CRMPI_OK)
        return CRMPI_OK;
    if (status != CRMPI_ERR_UNSUPPORTED) /* who knows, then */
        crmpi_error("%s was rebuilt and is not right: %s", path,
                    crmpi_status_text(status));
    unlink(path);
    return status;
}

/* The places of what there is of a group. */
static struct crmpi_transfer_group *group_of(const struct crmpi_fetch *fetch,
                                             const struct crmpi_want *want)
{
    const struct crmpi_inventory *inventory = &fetch->inventory;
    const struct crmpi_share *about = &inventory->shares[want->share];
    struct crmpi_transfer_group *group = calloc(1, sizeof *group);
    unsigned all =
        1u << CRMPI_COPY_OWN | 1u << CRMPI_COPY_PARTNER | 1u << CRMPI_COPY_GLOBAL;

    if (!group)
        return NULL;
    group->about = about;
    for (unsigned i = 0; i < about->k + about->m; i++) {
        const struct crmpi_share_member *member = &about->members[i];
        size_t copies[2] = {member->sn ? crmpi_plan_copy(inventory, member->world_rank,
                                                         member->sn, member->digest, all,
                                                         UINT32_MAX)
                                       : SIZE_MAX,
                            crmpi_plan_share(inventory, about, i, UINT32_MAX)};

        for (unsigned j = 0; j < 2; j++) {
            struct crmpi_transfer_place *place = j ? &group->shares[i] : &group->files[i];
            const struct crmpi_copy *copy = &inventory->copies[copies[j]];

            place->keeper = UINT32_MAX;
            if (copies[j] == SIZE_MAX)
                continue;
            place->keeper = copy->keeper;
            if (copy->keeper == fetch->world_rank)
                crmpi_fetch_path(fetch, copy->kind, copy->world_rank, copy->sn, 0,
                                 place->path);
        }
    }
    return group;
}

static enum crmpi_status rebuild(const struct crmpi_fetch *fetch,
                                 const struct crmpi_want *want, const char *to)
{
    struct crmpi_transfer_group *group = group_of(fetch, want);
    enum crmpi_status status;

    if (!group)
        return CRMPI_ERR_NOMEM;
    status = crmpi_transfer_rebuild(group, want->member, want->world_rank, to,
                                    fetch->world_rank);
    if (status == CRMPI_OK && want->world_rank == fetch->world_rank)
        status = rebuilt_check(to, want);
    free(group);
    return status;
}

static enum crmpi_status bring(const struct crmpi_fetch *fetch,
                               const struct crmpi_want *want)
{
    char from[CRMPI_PATH_BYTES] = "", to[CRMPI_PATH_BYTES] = "";
    enum crmpi_status status = CRMPI_OK;
    const struct crmpi_copy *copy;

    if (want->sn == 0 || want->way == CRMPI_WAY_THERE)
        return CRMPI_OK;
    if (want->world_rank == fetch->world_rank)
        status =
            crmpi_fetch_path(fetch, fetch->at_home, want->world_rank, want->sn, 1, to);
    if (status != CRMPI_OK)
        to[0] = '\0'; /* writing there will fail; others wait for this rank */
    if (want->way == CRMPI_WAY_REBUILT)
        return rebuild(fetch, want, to);
    copy = &fetch->inventory.copies[want->copy];
    if (copy->keeper == fetch->world_rank)
        crmpi_fetch_path(fetch, copy->kind, copy->world_rank, copy->sn, 0, from);
    struct crmpi_transfer transfer = {.source = copy->keeper,
                                      .target = want->world_rank,
                                      .from = from,
                                      .to = to,
                                      .bytes = copy->bytes};
    return crmpi_transfer_file(&transfer, fetch->world_rank);
}

/* Parents first: a file whose parent is missing is of no use to anybody. */
enum crmpi_status crmpi_fetch_bring(const struct crmpi_fetch *fetch)
{
    enum crmpi_status result = CRMPI_OK;

    for (size_t i = fetch->n_generations; i-- > 0;)
        for (uint32_t rank = 0; rank < fetch->n_ranks; rank++) {
            enum crmpi_status status = bring(fetch, &fetch->generations[i].list[rank]);
            if (result == CRMPI_OK)
                result = status;
        }
    return crmpi_gather_status(result);
}

/* ---- copies and shares ---- */

static enum crmpi_status partner_make(struct crmpi_fetch *fetch,
                                      const struct crmpi_want *want)
{
    uint32_t holder = crmpi_topology_partner(&fetch->topology, want->world_rank);
    uint32_t node = fetch->topology.node_of[holder];
    char from[CRMPI_PATH_BYTES] = "", to[CRMPI_PATH_BYTES] = "";
    struct crmpi_transfer transfer = {want->world_rank, holder, from, to, want->bytes};
    enum crmpi_status status = CRMPI_OK;

    if (node == fetch->topology.node_of[want->world_rank] ||
        crmpi_plan_copy(&fetch->inventory, want->world_rank, want->sn, want->digest,
                        1u << CRMPI_COPY_PARTNER, node) != SIZE_MAX)
        return CRMPI_OK;
    if (want->world_rank == fetch->world_rank)
        crmpi_fetch_path(fetch, CRMPI_COPY_OWN, want->world_rank, want->sn, 0, from);
    if (holder == fetch->world_rank &&
        crmpi_fetch_path(fetch, CRMPI_COPY_PARTNER, want->world_rank, want->sn, 1, to) !=
            CRMPI_OK)
        to[0] = '\0';
    status = crmpi_transfer_file(&transfer, fetch->world_rank);
    if (holder == fetch->world_rank && status == CRMPI_OK)
        fetch->n_copies_made++;
    return status;
}

/* What a rank has with a number, in whichever generation; NULL: nothing. */
static const struct crmpi_want *want_of(const struct crmpi_fetch *fetch,
                                        uint32_t world_rank, uint64_t sn)
{
    for (size_t i = 0; i < fetch->n_generations; i++)
        if (fetch->generations[i].list[world_rank].sn == sn)
            return &fetch->generations[i].list[world_rank];
    return NULL;
}

static void describe(const struct crmpi_fetch *fetch, const uint32_t *members, unsigned n,
                     uint64_t sn, struct crmpi_share *about_out)
{
    struct crmpi_share about = {.k = n - crmpi_config.levels.m,
                                .m = crmpi_config.levels.m};

    memcpy(about.job_id, fetch->job_id, sizeof about.job_id);
    for (unsigned i = 0; i < n; i++) {
        const struct crmpi_want *want = want_of(fetch, members[i], sn);

        about.members[i].world_rank = members[i];
        if (!want)
            continue;
        about.members[i].sn = sn;
        about.members[i].incarnation = want->incarnation;
        about.members[i].file_bytes = want->bytes;
        about.members[i].digest = want->digest;
        about.members[i].parent_sn = want->parent_sn;
        about.members[i].parent_digest = want->parent_digest;
    }
    *about_out = about;
}

/* The shares of one group and one number. */
static enum crmpi_status group_protect(struct crmpi_fetch *fetch, const uint32_t *members,
                                       unsigned n, uint64_t sn)
{
    struct crmpi_transfer_group *group = calloc(1, sizeof *group);
    char to[CRMPI_PATH_BYTES] = "";
    enum crmpi_status result = CRMPI_OK;
    struct crmpi_share about;

    if (!group)
        return CRMPI_ERR_NOMEM;
    describe(fetch, members, n, sn, &about);
    group->about = &about;
    for (unsigned i = 0; i < n; i++) {
        group->shares[i].keeper = UINT32_MAX;
        group->files[i].keeper = about.members[i].sn ? members[i] : UINT32_MAX;
        if (members[i] == fetch->world_rank)
            crmpi_fetch_path(fetch, CRMPI_COPY_OWN, members[i], sn, 0,
                             group->files[i].path);
    }
    for (unsigned i = 0; i < n; i++) {
        enum crmpi_status status;

        if (crmpi_plan_share(&fetch->inventory, &about, i,
                             fetch->topology.node_of[members[i]]) != SIZE_MAX)
            continue;
        if (members[i] == fetch->world_rank &&
            crmpi_fetch_path(fetch, CRMPI_COPY_SHARE, members[i], sn, 1, to) != CRMPI_OK)
            to[0] = '\0';
        status = crmpi_transfer_share(group, i, members[i], to, fetch->world_rank);
        if (members[i] == fetch->world_rank && status == CRMPI_OK)
            fetch->n_shares_made++;
        if (result == CRMPI_OK)
            result = status;
    }
    free(group);
    return result;
}

/* Whether no member before, in this or a newer generation, has this number. */
static int is_first(const struct crmpi_fetch *fetch, const uint32_t *members, unsigned n,
                    size_t generation, unsigned member)
{
    uint64_t sn = fetch->generations[generation].list[members[member]].sn;

    for (size_t i = 0; i <= generation; i++)
        for (unsigned j = 0; j < (i < generation ? n : member); j++)
            if (fetch->generations[i].list[members[j]].sn == sn)
                return 0;
    return 1;
}

static enum crmpi_status shares_protect(struct crmpi_fetch *fetch, uint32_t world_rank)
{
    uint32_t members[CRMPI_GROUP_MAX];
    unsigned n = crmpi_topology_group(&fetch->topology, world_rank, crmpi_config.levels.k,
                                      crmpi_config.levels.m, members);
    enum crmpi_status result = CRMPI_OK;

    if (n <= crmpi_config.levels.m || members[0] != world_rank)
        return CRMPI_OK; /* the first one's turn is that of all */
    for (size_t i = 0; i < fetch->n_generations; i++)
        for (unsigned j = 0; j < n; j++) {
            uint64_t sn = fetch->generations[i].list[members[j]].sn;
            enum crmpi_status status;

            if (sn == 0 || !is_first(fetch, members, n, i, j))
                continue;
            status = group_protect(fetch, members, n, sn);
            if (result == CRMPI_OK)
                result = status;
        }
    return result;
}

enum crmpi_status crmpi_fetch_protect(struct crmpi_fetch *fetch)
{
    unsigned set = crmpi_config.levels.set;
    enum crmpi_status result = CRMPI_OK, status;

    for (uint32_t rank = 0; rank < fetch->n_ranks; rank++) {
        for (size_t i = 0; set & CRMPI_LEVEL_PARTNER && i < fetch->n_generations; i++) {
            const struct crmpi_want *want = &fetch->generations[i].list[rank];
            status = want->sn ? partner_make(fetch, want) : CRMPI_OK;
            if (result == CRMPI_OK)
                result = status;
        }
        status = set & CRMPI_LEVEL_ERASURE ? shares_protect(fetch, rank) : CRMPI_OK;
        if (result == CRMPI_OK)
            result = status;
    }
    return crmpi_gather_status(result);
}

/* ---- tidying up ---- */

static int is_needed(const struct crmpi_fetch *fetch, uint32_t world_rank, uint64_t sn,
                     uint64_t digest)
{
    const struct crmpi_want *want = want_of(fetch, world_rank, sn);

    return sn != 0 && want && want->digest == digest;
}

/* Whether the levels have a copy of what was fetched elsewhere now. */
static int is_left_over(const struct crmpi_fetch *fetch, const struct crmpi_copy *copy)
{
    const struct crmpi_topology *topology = &fetch->topology;
    const struct crmpi_share *share;
    uint32_t partner;

    if (copy->kind == CRMPI_COPY_GLOBAL || copy->world_rank >= fetch->n_ranks)
        return 0;
    if (copy->kind == CRMPI_COPY_SHARE) {
        share = &fetch->inventory.shares[copy->share];
        for (unsigned i = 0; i < share->k + share->m; i++)
            if (share->members[i].sn &&
                (share->members[i].world_rank >= fetch->n_ranks ||
                 !is_needed(fetch, share->members[i].world_rank, share->members[i].sn,
                            share->members[i].digest)))
                return 0;
        return !(crmpi_config.levels.set & CRMPI_LEVEL_ERASURE) ||
               topology->node_of[copy->world_rank] != copy->node;
    }
    if (!is_needed(fetch, copy->world_rank, copy->sn, copy->digest))
        return 0;
    partner = crmpi_topology_partner(topology, copy->world_rank);
    if (copy->kind == CRMPI_COPY_PARTNER)
        return !(crmpi_config.levels.set & CRMPI_LEVEL_PARTNER) ||
               topology->node_of[partner] != copy->node;
    return fetch->at_home != CRMPI_COPY_OWN ||
           topology->node_of[copy->world_rank] != copy->node;
}

void crmpi_fetch_tidy(const struct crmpi_fetch *fetch)
{
    char path[CRMPI_PATH_BYTES];

    for (size_t i = 0; i < fetch->inventory.n_copies; i++) {
        const struct crmpi_copy *copy = &fetch->inventory.copies[i];

        if (copy->keeper != fetch->world_rank || !is_left_over(fetch, copy) ||
            crmpi_fetch_path(fetch, copy->kind, copy->world_rank, copy->sn, 0, path) !=
                CRMPI_OK)
            continue;
        if (unlink(path) != 0 && errno != ENOENT)
            crmpi_warn("cannot remove %s: %s", path, strerror(errno));
    }
}
