/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lists of collective counts: merging, settling, and their encoding.  Pure: runs in the
 * lower half and in the simulator.
 */
#include <stdlib.h>
#include <string.h>
#include "policy/tally.h"
#include "policy/varint.h"

#define ITEM_MAX_BYTES (5 * CRMPI_VARINT_MAX_BYTES) /* five numbers an item */

void crmpi_tallies_fini(struct crmpi_tallies *tallies)
{
    free(tallies->items);
    tallies->items = NULL;
    tallies->n = 0;
}

static struct crmpi_tally *alloc_items(size_t n)
{
    return malloc((n ? n : 1) * sizeof(struct crmpi_tally));
}

enum crmpi_status crmpi_tallies_init(struct crmpi_tallies *tallies_out,
                                     const struct crmpi_collective_count *counts,
                                     size_t n)
{
    struct crmpi_tally *items = alloc_items(n);
    size_t used = 0;

    if (items == NULL)
        return CRMPI_ERR_NOMEM;
    for (size_t i = 0; i < n; i++) {
        if (counts[i].members == 1)
            continue;
        if (used > 0 && counts[i].comm_id <= items[used - 1].comm_id) {
            free(items);
            return CRMPI_ERR_INTERNAL;
        }
        items[used++] = (struct crmpi_tally){
            .comm_id = counts[i].comm_id,
            .low = counts[i].count,
            .high = counts[i].count + counts[i].under_way,
            .members = counts[i].members,
            .reported = 1,
        };
    }
    *tallies_out = (struct crmpi_tallies){.items = items, .n = used};
    return CRMPI_OK;
}

static struct crmpi_tally join(const struct crmpi_tally *a, const struct crmpi_tally *b)
{
    struct crmpi_tally both = *a;
    if (b->low < both.low)
        both.low = b->low;
    if (b->high > both.high)
        both.high = b->high;
    if (b->members > both.members)
        both.members = b->members;
    both.reported += b->reported;
    return both;
}

enum crmpi_status crmpi_tallies_merge(struct crmpi_tallies *tallies,
                                      const struct crmpi_tallies *more)
{
    struct crmpi_tally *items;
    size_t i = 0, j = 0, used = 0;

    if (more->n == 0)
        return CRMPI_OK;
    items = alloc_items(tallies->n + more->n);
    if (items == NULL)
        return CRMPI_ERR_NOMEM;
    while (i < tallies->n || j < more->n) {
        const struct crmpi_tally *a = i < tallies->n ? &tallies->items[i] : NULL;
        const struct crmpi_tally *b = j < more->n ? &more->items[j] : NULL;
        if (b == NULL || (a != NULL && a->comm_id < b->comm_id)) {
            items[used++] = *a;
            i++;
        } else if (a == NULL || b->comm_id < a->comm_id) {
            items[used++] = *b;
            j++;
        } else {
            items[used++] = join(a, b);
            i++;
            j++;
        }
    }
    free(tallies->items);
    tallies->items = items;
    tallies->n = used;
    return CRMPI_OK;
}

enum crmpi_status crmpi_tallies_settle(struct crmpi_tallies *tallies,
                                       struct crmpi_tallies *settled_out)
{
    struct crmpi_tally *settled = alloc_items(tallies->n);
    size_t left = 0, n_settled = 0;

    if (settled == NULL)
        return CRMPI_ERR_NOMEM;
    for (size_t i = 0; i < tallies->n; i++) {
        struct crmpi_tally *tally = &tallies->items[i];
        if (tally->members == 0 || tally->reported < tally->members)
            tallies->items[left++] = *tally;
        else if (tally->low != tally->high)
            settled[n_settled++] = *tally;
    }
    tallies->n = left;
    *settled_out = (struct crmpi_tallies){.items = settled, .n = n_settled};
    return CRMPI_OK;
}

enum crmpi_status crmpi_tallies_encode(const struct crmpi_tallies *tallies,
                                       void **bytes_out, size_t *n_bytes_out)
{
    unsigned char *bytes = malloc(tallies->n * ITEM_MAX_BYTES + 1), *at = bytes;
    uint64_t previous = 0;

    if (bytes == NULL)
        return CRMPI_ERR_NOMEM;
    for (size_t i = 0; i < tallies->n; i++) {
        const struct crmpi_tally *tally = &tallies->items[i];
        at = crmpi_varint_put(at, tally->comm_id - previous);
        at = crmpi_varint_put(at, tally->high);
        at = crmpi_varint_put(at, tally->high - tally->low);
        at = crmpi_varint_put(at, tally->members);
        at = crmpi_varint_put(at, tally->reported);
        previous = tally->comm_id;
    }
    *bytes_out = bytes;
    *n_bytes_out = (size_t)(at - bytes);
    return CRMPI_OK;
}

static const unsigned char *get_tally(const unsigned char *at, const unsigned char *end,
                                      struct crmpi_tally *tally_out)
{
    uint64_t gap, high, spread, members, reported;

    at = crmpi_varint_get(at, end, &gap);
    at = crmpi_varint_get(at, end, &high);
    at = crmpi_varint_get(at, end, &spread);
    at = crmpi_varint_get(at, end, &members);
    at = crmpi_varint_get(at, end, &reported);
    if (at == NULL || spread > high || members > UINT32_MAX || reported > UINT32_MAX)
        return NULL;
    *tally_out = (struct crmpi_tally){
        .comm_id = gap,
        .high = high,
        .low = high - spread,
        .members = (uint32_t)members,
        .reported = (uint32_t)reported,
    };
    return at;
}

enum crmpi_status crmpi_tallies_decode(struct crmpi_tallies *tallies_out,
                                       const void *bytes, size_t n_bytes)
{
    const unsigned char *at = bytes, *end = at + n_bytes;
    /* an item has five bytes or more */
    struct crmpi_tally *items = alloc_items(n_bytes / 5 + 1);
    uint64_t previous = 0;
    size_t n = 0;

    if (items == NULL)
        return CRMPI_ERR_NOMEM;
    while (at < end) {
        at = get_tally(at, end, &items[n]);
        if (at == NULL || (n > 0 && items[n].comm_id == 0) ||
            items[n].comm_id > UINT64_MAX - previous) {
            free(items);
            return CRMPI_ERR_CORRUPT;
        }
        items[n].comm_id += previous;
        previous = items[n++].comm_id;
    }
    *tallies_out = (struct crmpi_tallies){.items = items, .n = n};
    return CRMPI_OK;
}

const struct crmpi_tally *crmpi_tallies_find(const struct crmpi_tallies *tallies,
                                             uint64_t comm_id)
{
    size_t begin = 0, end = tallies->n;
    while (begin < end) {
        size_t middle = begin + (end - begin) / 2;
        if (tallies->items[middle].comm_id < comm_id)
            begin = middle + 1;
        else
            end = middle;
    }
    if (begin < tallies->n && tallies->items[begin].comm_id == comm_id)
        return &tallies->items[begin];
    return NULL;
}

enum crmpi_status crmpi_tallies_select(const struct crmpi_tallies *list,
                                       const struct crmpi_tallies *wanted,
                                       struct crmpi_tallies *part_out)
{
    struct crmpi_tally *items = alloc_items(wanted->n);
    size_t n = 0;

    if (items == NULL)
        return CRMPI_ERR_NOMEM;
    for (size_t i = 0; i < wanted->n; i++) {
        const struct crmpi_tally *tally =
            crmpi_tallies_find(list, wanted->items[i].comm_id);
        if (tally != NULL)
            items[n++] = *tally;
    }
    *part_out = (struct crmpi_tallies){.items = items, .n = n};
    return CRMPI_OK;
}

enum crmpi_status crmpi_tallies_targets(const struct crmpi_tallies *list,
                                        const struct crmpi_collective_count *counts,
                                        size_t n,
                                        struct crmpi_collective_count **targets_out,
                                        size_t *n_out)
{
    struct crmpi_collective_count *targets = malloc((n + 1) * sizeof *targets);
    size_t used = 0;

    if (targets == NULL)
        return CRMPI_ERR_NOMEM;
    for (size_t i = 0; i < n; i++) {
        const struct crmpi_tally *listed = crmpi_tallies_find(list, counts[i].comm_id);
        if (counts[i].members == 1 ||
            (listed != NULL && listed->high == CRMPI_TARGET_NONE))
            continue;
        targets[used] = counts[i];
        if (listed != NULL)
            targets[used].count = listed->high;
        used++;
    }
    *targets_out = targets;
    *n_out = used;
    return CRMPI_OK;
}

enum crmpi_status crmpi_census_own(struct crmpi_census *census,
                                   const struct crmpi_collective_count *counts, size_t n)
{
    struct crmpi_collective_count *own = malloc((n + 1) * sizeof *own);

    if (own == NULL)
        return CRMPI_ERR_NOMEM;
    if (n > 0)
        memcpy(own, counts, n * sizeof *own);
    free(census->own);
    census->own = own;
    census->n_own = n;
    return CRMPI_OK;
}

enum crmpi_status crmpi_census_merge(struct crmpi_census *census)
{
    enum crmpi_status status;

    crmpi_tallies_fini(&census->merged);
    crmpi_tallies_fini(&census->settled);
    status = crmpi_tallies_init(&census->merged, census->own, census->n_own);
    for (unsigned i = 0; i < CRMPI_MEMBER_CHILDREN && status == CRMPI_OK; i++)
        status = crmpi_tallies_merge(&census->merged, &census->reported[i]);
    if (status == CRMPI_OK)
        status = crmpi_tallies_settle(&census->merged, &census->settled);
    if (census->settled.n > 0)
        census->disagree = 1;
    return status;
}

void crmpi_census_fini(struct crmpi_census *census)
{
    for (unsigned i = 0; i < CRMPI_MEMBER_CHILDREN; i++)
        crmpi_tallies_fini(&census->reported[i]);
    crmpi_tallies_fini(&census->merged);
    crmpi_tallies_fini(&census->settled);
    free(census->own);
    *census = (struct crmpi_census){0};
}
