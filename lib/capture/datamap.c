/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Maps of data by page, see datamap.h.  Lower half.
 */
#include <stdlib.h>

#include "capture/datamap.h"

/* Make room for one more. */
static enum crmpi_status grow(void **list, size_t n, size_t *room, size_t bytes)
{
    size_t doubled = *room ? *room * 2 : 1024;
    void *more;

    if (n < *room)
        return CRMPI_OK;
    more = reallocarray(*list, doubled, bytes);
    if (!more)
        return CRMPI_ERR_NOMEM;
    *list = more;
    *room = doubled;
    return CRMPI_OK;
}

static uint64_t run_end(const struct crmpi_run *run)
{
    return run->page + run->n * CRMPI_CELL_BYTES;
}

enum crmpi_status crmpi_datamap_add(struct crmpi_datamap *map, uint64_t owner,
                                    uint64_t page, struct crmpi_hash hash)
{
    struct crmpi_run *last = map->n_runs ? &map->runs[map->n_runs - 1] : NULL;
    enum crmpi_status status =
        grow((void **)&map->hashes, map->n_hashes, &map->hash_room, sizeof *map->hashes);

    if (status != CRMPI_OK)
        return status;
    if (last && last->owner == owner && run_end(last) == page) {
        last->n++;
    } else {
        status =
            grow((void **)&map->runs, map->n_runs, &map->run_room, sizeof *map->runs);
        if (status != CRMPI_OK)
            return status;
        map->runs[map->n_runs++] = (struct crmpi_run){owner, page, 1, map->n_hashes};
    }
    map->hashes[map->n_hashes++] = hash;
    return CRMPI_OK;
}

size_t crmpi_datamap_behind(const struct crmpi_datamap *map, uint64_t owner,
                            uint64_t page)
{
    size_t low = 0, high = map->n_runs;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct crmpi_run *run = &map->runs[middle];

        if (run->owner < owner || (run->owner == owner && run_end(run) <= page))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int run_has(const struct crmpi_datamap *map, size_t i, uint64_t owner,
                   uint64_t page)
{
    return i < map->n_runs && map->runs[i].owner == owner && map->runs[i].page <= page &&
           page < run_end(&map->runs[i]);
}

const struct crmpi_hash *crmpi_datamap_find(const struct crmpi_datamap *map,
                                            uint64_t owner, uint64_t page, size_t *hint)
{
    if (!run_has(map, *hint, owner, page))
        *hint = crmpi_datamap_behind(map, owner, page);
    if (!run_has(map, *hint, owner, page))
        return NULL;
    const struct crmpi_run *run = &map->runs[*hint];

    return &map->hashes[run->first + (page - run->page) / CRMPI_CELL_BYTES];
}

void crmpi_datamap_fini(struct crmpi_datamap *map)
{
    free(map->runs);
    free(map->hashes);
    *map = (struct crmpi_datamap){0};
}
