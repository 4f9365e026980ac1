/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What there is of a job's files, see inventory.h.  Lower half and tools.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/log.h"
#include "levels/inventory.h"
#include "levels/levels.h"
#include "storage/container.h"
#include "storage/directory.h"
#include "storage/single.h"

void crmpi_inventory_fini(struct crmpi_inventory *inventory)
{
    free(inventory->copies);
    free(inventory->shares);
    *inventory = (struct crmpi_inventory){0};
}

/* Make room for one more; CRMPI_ERR_NOMEM. */
static enum crmpi_status grow(void **list, size_t n, size_t *room, size_t bytes)
{
    size_t more = *room ? 2 * *room : 64;
    void *grown;

    if (n < *room)
        return CRMPI_OK;
    grown = realloc(*list, more * bytes);
    if (!grown) {
        crmpi_error("no memory for the list of files on nodes");
        return CRMPI_ERR_NOMEM;
    }
    *list = grown;
    *room = more;
    return CRMPI_OK;
}

enum crmpi_status crmpi_inventory_add(struct crmpi_inventory *inventory,
                                      const struct crmpi_copy *copy)
{
    enum crmpi_status status = grow((void **)&inventory->copies, inventory->n_copies,
                                    &inventory->room_copies, sizeof *copy);

    if (status == CRMPI_OK)
        inventory->copies[inventory->n_copies++] = *copy;
    return status;
}

enum crmpi_status crmpi_inventory_add_share(struct crmpi_inventory *inventory,
                                            const struct crmpi_copy *copy,
                                            const struct crmpi_share *share)
{
    struct crmpi_copy with = *copy;
    enum crmpi_status status = grow((void **)&inventory->shares, inventory->n_shares,
                                    &inventory->room_shares, sizeof *share);

    with.share = (uint32_t)inventory->n_shares;
    if (status == CRMPI_OK)
        status = crmpi_inventory_add(inventory, &with);
    if (status == CRMPI_OK)
        inventory->shares[inventory->n_shares++] = *share;
    return status;
}

#define COMPARE(field)                                                                   \
    if (x->field != y->field)                                                            \
    return x->field < y->field ? -1 : 1

static int in_order(const void *a, const void *b)
{
    const struct crmpi_copy *x = a, *y = b;

    COMPARE(world_rank);
    COMPARE(sn);
    COMPARE(kind);
    COMPARE(node);
    return 0;
}

void crmpi_inventory_sort(struct crmpi_inventory *inventory)
{
    if (inventory->n_copies)
        qsort(inventory->copies, inventory->n_copies, sizeof *inventory->copies,
              in_order);
}

size_t crmpi_inventory_find(const struct crmpi_inventory *inventory, uint32_t world_rank,
                            uint64_t sn, size_t *n_out)
{
    size_t low = 0, high = inventory->n_copies, end;
    const struct crmpi_copy *copies = inventory->copies;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (copies[middle].world_rank < world_rank ||
            (copies[middle].world_rank == world_rank && copies[middle].sn < sn))
            low = middle + 1;
        else
            high = middle;
    }
    for (end = low; end < inventory->n_copies && copies[end].world_rank == world_rank &&
                    copies[end].sn == sn;)
        end++;
    *n_out = end - low;
    return low;
}

enum crmpi_status crmpi_copy_path(const char *home, enum crmpi_copy_kind kind,
                                  uint32_t world_rank, uint64_t sn, int make,
                                  char *path_out, size_t path_bytes)
{
    if (kind == CRMPI_COPY_PARTNER)
        return crmpi_partner_path(home, world_rank, sn, make, path_out, path_bytes);
    if (kind == CRMPI_COPY_SHARE)
        return crmpi_share_path(home, world_rank, sn, make, path_out, path_bytes);
    return crmpi_rank_path(home, world_rank, sn, make, path_out, path_bytes);
}

/* ---- listing ---- */

struct listing {
    struct crmpi_inventory *inventory;
    const char *job_id;
    struct crmpi_copy about; /* of each file of a folder */
    uint32_t first, step;
};

static enum crmpi_status share_look(struct listing *listing, const char *path,
                                    uint64_t number)
{
    struct crmpi_copy copy = listing->about;
    struct crmpi_share share;
    int fd;

    if (crmpi_share_open(path, &share, NULL, &fd) != CRMPI_OK)
        return CRMPI_OK; /* damaged, which was said */
    close(fd);
    if (strcmp(share.job_id, listing->job_id) != 0 ||
        share.members[share.holder].world_rank != copy.world_rank ||
        crmpi_share_number(&share) != number)
        return CRMPI_OK;
    copy.sn = number;
    copy.bytes = share.file_bytes;
    copy.digest = share.digest;
    return crmpi_inventory_add_share(listing->inventory, &copy, &share);
}

static enum crmpi_status file_look(int fd, const char *folder, const char *name,
                                   void *context)
{
    struct listing *listing = context;
    int is_share = listing->about.kind == CRMPI_COPY_SHARE;
    struct crmpi_single single;
    char path[CRMPI_PATH_BYTES];
    uint64_t number;

    (void)fd;
    if (!crmpi_name_is(name, is_share ? CRMPI_SHARE_SUFFIX : CRMPI_FILE_SUFFIX,
                       &number) ||
        number == 0 ||
        snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        return CRMPI_OK;
    if (is_share)
        return share_look(listing, path, number);
    if (crmpi_single_look(path, &single) != CRMPI_OK || single.parent_sn >= number)
        return CRMPI_OK;
    listing->about.sn = number;
    listing->about.bytes = single.bytes;
    listing->about.digest = single.digest;
    listing->about.parent_sn = single.parent_sn;
    listing->about.parent_digest = single.parent_digest;
    return crmpi_inventory_add(listing->inventory, &listing->about);
}

static enum crmpi_status folder_look(struct listing *listing, const char *folder,
                                     uint32_t world_rank)
{
    enum crmpi_status status;

    listing->about.world_rank = world_rank;
    status = crmpi_entries_visit(folder, file_look, listing);
    return status == CRMPI_ERR_NOMEM ? status : CRMPI_OK;
}

static enum crmpi_status rank_look(int fd, const char *folder, const char *name,
                                   void *context)
{
    struct listing *listing = context;
    char path[CRMPI_PATH_BYTES];
    uint64_t number;

    (void)fd;
    if (!crmpi_name_is(name, "", &number) || number >= CRMPI_RANKS_MAX ||
        number % listing->step != listing->first ||
        snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        return CRMPI_OK;
    return folder_look(listing, path, (uint32_t)number);
}

static const char *inner_of(enum crmpi_copy_kind kind)
{
    return kind == CRMPI_COPY_PARTNER ? "partner"
           : kind == CRMPI_COPY_SHARE ? "erasure"
                                      : "ranks";
}

/* Returns CRMPI_ERR_NOTFOUND if there is no such folder. */
static enum crmpi_status folder_find(int length, const char *path)
{
    if (length >= CRMPI_PATH_BYTES) {
        crmpi_error("%s...: the path is too long", path);
        return CRMPI_ERR_USAGE;
    }
    return access(path, F_OK) != 0 && errno == ENOENT ? CRMPI_ERR_NOTFOUND : CRMPI_OK;
}

/* What cannot be trusted or read is not there, which was said. */
enum crmpi_status crmpi_inventory_list(struct crmpi_inventory *inventory,
                                       const struct crmpi_copy *about, const char *home,
                                       const char *job_id, uint32_t first, uint32_t step)
{
    struct listing listing = {inventory, job_id, *about, first, step};
    char path[CRMPI_PATH_BYTES];
    int length = snprintf(path, sizeof path, "%s/%s", home, inner_of(about->kind));
    enum crmpi_status status = folder_find(length, path);

    if (status == CRMPI_OK)
        status = crmpi_entries_visit(path, rank_look, &listing);
    return status == CRMPI_ERR_NOMEM || status == CRMPI_ERR_USAGE ? status : CRMPI_OK;
}

enum crmpi_status crmpi_inventory_list_rank(struct crmpi_inventory *inventory,
                                            const struct crmpi_copy *about,
                                            const char *home, const char *job_id)
{
    struct listing listing = {inventory, job_id, *about, 0, 1};
    char path[CRMPI_PATH_BYTES];
    int length = snprintf(path, sizeof path, "%s/%s/" CRMPI_NUMBER_FORMAT, home,
                          inner_of(about->kind), (uint64_t)about->world_rank);
    enum crmpi_status status = folder_find(length, path);

    if (status == CRMPI_OK)
        status = folder_look(&listing, path, about->world_rank);
    return status == CRMPI_ERR_NOTFOUND ? CRMPI_OK : status;
}
