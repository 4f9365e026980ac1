/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sets of ranks and groups of them, see members.h.  Pure: runs in the lower half and in
 * the simulator.
 */
#include <stdlib.h>
#include <string.h>
#include "policy/members.h"
#include "policy/policy.h"
#include "policy/varint.h"

static uint32_t *alloc_ranks(size_t n)
{
    return malloc((n ? n : 1) * sizeof(uint32_t));
}

/* ---- sets ---- */

void crmpi_ranks_fini(struct crmpi_ranks *set)
{
    free(set->items);
    *set = (struct crmpi_ranks){0};
}

/* How many are smaller than @p rank. */
static size_t count_below(const struct crmpi_ranks *set, uint32_t rank)
{
    size_t begin = 0, end = set->n;
    while (begin < end) {
        size_t middle = begin + (end - begin) / 2;
        if (set->items[middle] < rank)
            begin = middle + 1;
        else
            end = middle;
    }
    return begin;
}

int crmpi_ranks_have(const struct crmpi_ranks *set, uint32_t rank)
{
    size_t i = count_below(set, rank);
    return i < set->n && set->items[i] == rank;
}

enum crmpi_status crmpi_ranks_add(struct crmpi_ranks *set, const uint32_t *ranks,
                                  size_t n)
{
    uint32_t *items;
    size_t i = 0, j = 0, used = 0;

    if (n == 0)
        return CRMPI_OK;
    items = alloc_ranks(set->n + n);
    if (items == NULL)
        return CRMPI_ERR_NOMEM;
    while (i < set->n || j < n) {
        if (j == n || (i < set->n && set->items[i] < ranks[j])) {
            items[used++] = set->items[i++];
        } else {
            if (i < set->n && set->items[i] == ranks[j])
                i++;
            items[used++] = ranks[j++];
        }
    }
    free(set->items);
    *set = (struct crmpi_ranks){.items = items, .n = used};
    return CRMPI_OK;
}

/* ---- groups ---- */

void crmpi_members_fini(struct crmpi_members *members)
{
    crmpi_ranks_fini(&members->listed);
    free(members->order);
    *members = (struct crmpi_members){0};
}

enum crmpi_status crmpi_members_init(struct crmpi_members *members, uint32_t n_ranks,
                                     uint32_t leader, int all)
{
    *members = (struct crmpi_members){.n_ranks = n_ranks, .n = all ? n_ranks : 1};
    members->all = all || n_ranks == 1;
    members->order = alloc_ranks(1);
    if (members->order == NULL ||
        crmpi_ranks_add(&members->listed, &leader, 1) != CRMPI_OK) {
        crmpi_members_fini(members);
        return CRMPI_ERR_NOMEM;
    }
    members->order[0] = leader;
    return CRMPI_OK;
}

enum crmpi_status crmpi_members_grow(struct crmpi_members *members,
                                     const struct crmpi_ranks *more)
{
    size_t n = members->listed.n;
    uint32_t *order = realloc(members->order, (n + more->n + 1) * sizeof *order);

    if (order == NULL)
        return CRMPI_ERR_NOMEM;
    members->order = order;
    for (size_t i = 0; i < more->n; i++)
        if (!crmpi_ranks_have(&members->listed, more->items[i]))
            order[n++] = more->items[i];
    if (crmpi_ranks_add(&members->listed, more->items, more->n) != CRMPI_OK)
        return CRMPI_ERR_NOMEM;
    if (!members->all)
        members->n = (uint32_t)n;
    members->all |= n == members->n_ranks;
    return CRMPI_OK;
}

void crmpi_members_take_all(struct crmpi_members *members)
{
    members->all = 1;
    members->n = members->n_ranks;
}

int crmpi_members_have(const struct crmpi_members *members, uint32_t rank)
{
    return rank < members->n_ranks &&
           (members->all || crmpi_ranks_have(&members->listed, rank));
}

unsigned crmpi_members_relatives(const struct crmpi_members *members, uint32_t rank,
                                 uint32_t *parent_out,
                                 uint32_t children_out[CRMPI_MEMBER_CHILDREN])
{
    const struct crmpi_ranks *listed = &members->listed;
    uint32_t leader = members->order[0];
    unsigned n = 0;
    size_t index = 0;

    while (index < listed->n && members->order[index] != rank)
        index++;
    if (index == listed->n)
        *parent_out = rank == 0 ? leader : CRMPI_TREE_PARENT(rank);
    else
        *parent_out = index == 0 ? leader : members->order[CRMPI_TREE_PARENT(index)];
    for (unsigned i = 0; i < CRMPI_TREE_CHILDREN; i++) {
        size_t child = 2 * index + 1 + i;
        uint64_t below = 2 * (uint64_t)rank + 1 + i;
        if (child < listed->n)
            children_out[n++] = members->order[child];
        if (members->all && below < members->n_ranks &&
            !crmpi_ranks_have(listed, (uint32_t)below))
            children_out[n++] = (uint32_t)below;
    }
    if (members->all && index == 0 && !crmpi_ranks_have(listed, 0))
        children_out[n++] = 0;
    return n;
}

int crmpi_members_extend(const struct crmpi_members *larger,
                         const struct crmpi_members *members)
{
    return larger->n >= members->n && larger->listed.n >= members->listed.n &&
           memcmp(larger->order, members->order,
                  members->listed.n * sizeof *members->order) == 0;
}

/* ---- encoding: how many runs; then of each how far it begins from the end of the last,
 * downwards if the lowest bit is set, and how many more ranks it has ---- */

static size_t run_length(const uint32_t *ranks, size_t n)
{
    size_t length = 1;
    while (length < n && ranks[length] == ranks[length - 1] + 1)
        length++;
    return length;
}

enum crmpi_status crmpi_ranks_encode(const uint32_t *ranks, size_t n, void **bytes_out,
                                     size_t *n_bytes_out)
{
    unsigned char *bytes, *at;
    size_t n_runs = 0;
    int64_t last = 0;

    for (size_t i = 0; i < n; i += run_length(ranks + i, n - i))
        n_runs++;
    bytes = at = malloc((2 * n_runs + 1) * CRMPI_VARINT_MAX_BYTES);
    if (bytes == NULL)
        return CRMPI_ERR_NOMEM;
    at = crmpi_varint_put(at, n_runs);
    for (size_t i = 0, length; i < n; i += length) {
        int64_t gap = (int64_t)ranks[i] - last;
        length = run_length(ranks + i, n - i);
        at = crmpi_varint_put(at, gap >= 0 ? 2 * (uint64_t)gap : 2 * (uint64_t)-gap + 1);
        at = crmpi_varint_put(at, length - 1);
        last = (int64_t)ranks[i] + (int64_t)length - 1;
    }
    *bytes_out = bytes;
    *n_bytes_out = (size_t)(at - bytes);
    return CRMPI_OK;
}

/* Ranks in the order in which they were encoded; at most n_ranks of them, each below. */
static enum crmpi_status decode(uint32_t **ranks_out, size_t *n_out, uint32_t n_ranks,
                                const void *bytes, size_t n_bytes, size_t *used_out)
{
    const unsigned char *at = bytes, *end = at + n_bytes;
    uint64_t n_runs = 0, gap, more, first, last = 0;
    uint32_t *ranks = NULL, *larger;
    size_t n = 0;

    at = crmpi_varint_get(at, end, &n_runs);
    for (uint64_t i = 0; at != NULL && i < n_runs; i++) {
        at = crmpi_varint_get(at, end, &gap);
        at = crmpi_varint_get(at, end, &more);
        if (at == NULL || gap / 2 > n_ranks || more >= n_ranks - n)
            goto corrupt;
        first = gap & 1 ? last - gap / 2 : last + gap / 2;
        if (first >= n_ranks || more >= n_ranks - first)
            goto corrupt;
        larger = realloc(ranks, (n + (size_t)more + 1) * sizeof *ranks);
        if (larger == NULL) {
            free(ranks);
            return CRMPI_ERR_NOMEM;
        }
        ranks = larger;
        last = first + more;
        for (uint64_t rank = first; rank <= last; rank++)
            ranks[n++] = (uint32_t)rank;
    }
    if (at == NULL)
        goto corrupt;
    *ranks_out = ranks;
    *n_out = n;
    *used_out = (size_t)(at - (const unsigned char *)bytes);
    return CRMPI_OK;
corrupt:
    free(ranks);
    return CRMPI_ERR_CORRUPT;
}

enum crmpi_status crmpi_ranks_decode(struct crmpi_ranks *set_out, uint32_t n_ranks,
                                     const void *bytes, size_t n_bytes, size_t *used_out)
{
    struct crmpi_ranks set;
    enum crmpi_status status =
        decode(&set.items, &set.n, n_ranks, bytes, n_bytes, used_out);

    if (status != CRMPI_OK)
        return status;
    for (size_t i = 1; i < set.n; i++) {
        if (set.items[i] <= set.items[i - 1]) {
            crmpi_ranks_fini(&set);
            return CRMPI_ERR_CORRUPT;
        }
    }
    *set_out = set;
    return CRMPI_OK;
}

static int by_rank(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

enum crmpi_status crmpi_members_decode(struct crmpi_members *members_out,
                                       uint32_t n_ranks, int all, const void *bytes,
                                       size_t n_bytes)
{
    struct crmpi_members members = {.n_ranks = n_ranks};
    size_t used;
    enum crmpi_status status = decode(&members.order, &members.listed.n, n_ranks, bytes,
                                      n_bytes, &used);

    if (status != CRMPI_OK)
        return status;
    members.listed.items = alloc_ranks(members.listed.n);
    if (members.listed.items == NULL || members.listed.n == 0 || used != n_bytes) {
        status = members.listed.items == NULL ? CRMPI_ERR_NOMEM : CRMPI_ERR_CORRUPT;
        crmpi_members_fini(&members);
        return status;
    }
    memcpy(members.listed.items, members.order, members.listed.n * sizeof(uint32_t));
    qsort(members.listed.items, members.listed.n, sizeof(uint32_t), by_rank);
    for (size_t i = 1; i < members.listed.n; i++) {
        if (members.listed.items[i] == members.listed.items[i - 1]) {
            crmpi_members_fini(&members);
            return CRMPI_ERR_CORRUPT;
        }
    }
    members.all = all || members.listed.n == n_ranks;
    members.n = members.all ? n_ranks : (uint32_t)members.listed.n;
    *members_out = members;
    return CRMPI_OK;
}
