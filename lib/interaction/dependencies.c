/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Dependencies as plain data (see dependencies.h): free, check, pack, unpack.  Lower half,
 * tools and tests.
 *
 * Packed: a header, then the arrays one after the other as they lie in memory.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "interaction/dependencies.h"

#define PACKED_MAGIC 0x7065442d49504d43 /* "CMPI-Dep" */
#define PACKED_VERSION 1
#define N_ARRAYS 7

struct header {
    uint64_t magic, version, bytes; /* in all */
    uint32_t world_rank, n_ranks;
    uint64_t sn, interval, base;
    uint64_t is_alone;
    uint64_t n[N_ARRAYS];
};

/* The arrays, in the order in which they are packed.  Nothing in them is padding. */
struct array {
    size_t pointer, n, item_bytes;
};
#define ARRAY(member, type)                                                              \
    {                                                                                    \
        offsetof(struct crmpi_dependencies, member),                                     \
            offsetof(struct crmpi_dependencies, n_##member), sizeof(type)                \
    }
static const struct array arrays[N_ARRAYS] = {
    ARRAY(streams, struct crmpi_stream),
    ARRAY(collectives, struct crmpi_collectives),
    ARRAY(members, uint32_t),
    ARRAY(accesses, struct crmpi_access),
    ARRAY(origins, struct crmpi_access),
    ARRAY(windows, uint64_t),
    ARRAY(cohort, struct crmpi_member),
};
static_assert(sizeof(struct crmpi_stream) == 40 &&
                  sizeof(struct crmpi_collectives) == 40 &&
                  sizeof(struct crmpi_access) == 24 && sizeof(struct crmpi_member) == 16,
              "raise PACKED_VERSION when what is packed changes");

static void **pointer_of(const struct crmpi_dependencies *d, const struct array *array)
{
    return (void **)((char *)d + array->pointer);
}

static size_t *n_of(const struct crmpi_dependencies *d, const struct array *array)
{
    return (size_t *)((char *)d + array->n);
}

void crmpi_dependencies_fini(struct crmpi_dependencies *dependencies)
{
    for (size_t i = 0; i < N_ARRAYS; i++) {
        void **pointer = pointer_of(dependencies, &arrays[i]);
        free(*pointer);
        *pointer = NULL;
        *n_of(dependencies, &arrays[i]) = 0;
    }
}

/* ---- what makes sense ---- */

static int compare(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

/* Streams of a rank with itself may be there twice: MPI_COMM_SELF and its duplicates may
 * have the same number. */
static int streams_make_sense(const struct crmpi_dependencies *d)
{
    for (size_t i = 0; i < d->n_streams; i++) {
        const struct crmpi_stream *s = &d->streams[i];
        if (s->peer >= d->n_ranks || s->unlogged > s->sent)
            return 0;
        if (i > 0) {
            int order = crmpi_stream_compare(s - 1, s);
            if (order > 0 || (order == 0 && s->peer != d->world_rank))
                return 0;
        }
    }
    return 1;
}

static int collectives_make_sense(const struct crmpi_dependencies *d)
{
    for (size_t i = 0; i < d->n_members; i++)
        if (d->members[i] >= d->n_ranks)
            return 0;
    for (size_t i = 0; i < d->n_collectives; i++) {
        const struct crmpi_collectives *c = &d->collectives[i];
        if (c->n_members > d->n_members || c->members > d->n_members - c->n_members ||
            (c->n_members > 0 && c->rank >= c->n_members) || c->is_freed > 1)
            return 0;
        if (i > 0 &&
            (c[-1].comm > c->comm ||
             (c[-1].comm == c->comm && (c->n_members > 1 || c[-1].n_members > 1))))
            return 0;
    }
    return 1;
}

static int accesses_make_sense(const struct crmpi_access *a, size_t n, uint32_t n_ranks)
{
    for (size_t i = 0; i < n; i++) {
        int order = i > 0 ? compare(a[i - 1].window, a[i].window) : -1;
        if (order == 0)
            order = compare(a[i - 1].rank, a[i].rank);
        if (order >= 0 || a[i].rank >= n_ranks)
            return 0;
    }
    return 1;
}

int crmpi_dependencies_check(const struct crmpi_dependencies *d)
{
    if (d->world_rank >= d->n_ranks || d->sn == 0 || d->sn > CRMPI_SN_MAX ||
        d->interval == 0 || d->interval > d->sn || d->base > d->sn || d->is_alone > 1 ||
        (d->is_alone && d->n_cohort > 1))
        return -1;
    for (size_t i = 0; i < d->n_windows; i++)
        if (i > 0 && d->windows[i - 1] >= d->windows[i])
            return -1;
    for (size_t i = 0; i < d->n_cohort; i++) {
        const struct crmpi_member *m = &d->cohort[i];
        if (m->rank >= d->n_ranks || (i > 0 && m[-1].rank >= m->rank) ||
            m->interval == 0 || m->interval > d->sn)
            return -1;
    }
    return streams_make_sense(d) && collectives_make_sense(d) &&
                   accesses_make_sense(d->accesses, d->n_accesses, d->n_ranks) &&
                   accesses_make_sense(d->origins, d->n_origins, d->n_ranks)
               ? 0
               : -1;
}

int crmpi_stream_compare(const struct crmpi_stream *a, const struct crmpi_stream *b)
{
    int order = compare(a->comm, b->comm);
    if (order == 0)
        order = compare(a->peer, b->peer);
    return order ? order : (a->tag > b->tag) - (a->tag < b->tag);
}

/* ---- packing ---- */

int crmpi_dependencies_pack(const struct crmpi_dependencies *dependencies,
                            void **bytes_out, size_t *n_bytes_out)
{
    const struct crmpi_dependencies *d = dependencies;
    struct header header = {.magic = PACKED_MAGIC,
                            .version = PACKED_VERSION,
                            .bytes = sizeof header,
                            .world_rank = d->world_rank,
                            .n_ranks = d->n_ranks,
                            .sn = d->sn,
                            .interval = d->interval,
                            .base = d->base,
                            .is_alone = d->is_alone};
    if (crmpi_dependencies_check(d) != 0)
        return -1;
    for (size_t i = 0; i < N_ARRAYS; i++) {
        header.n[i] = *n_of(d, &arrays[i]);
        header.bytes += header.n[i] * arrays[i].item_bytes;
    }
    char *bytes = malloc(header.bytes), *at = bytes;
    if (bytes == NULL)
        return -1;
    at = mempcpy(at, &header, sizeof header);
    for (size_t i = 0; i < N_ARRAYS; i++)
        if (header.n[i] > 0)
            at = mempcpy(at, *pointer_of(d, &arrays[i]),
                         header.n[i] * arrays[i].item_bytes);
    *bytes_out = bytes;
    *n_bytes_out = header.bytes;
    return 0;
}

int crmpi_dependencies_unpack(struct crmpi_dependencies *dependencies_out,
                              const void *bytes, size_t n_bytes)
{
    struct header header;
    const char *at = (const char *)bytes + sizeof header;
    size_t left = n_bytes - sizeof header;

    if (n_bytes < sizeof header)
        return -1;
    memcpy(&header, bytes, sizeof header);
    if (header.magic != PACKED_MAGIC || header.version != PACKED_VERSION ||
        header.bytes != n_bytes || header.is_alone > 1)
        return -1;
    struct crmpi_dependencies d = {.world_rank = header.world_rank,
                                   .n_ranks = header.n_ranks,
                                   .sn = header.sn,
                                   .interval = header.interval,
                                   .base = header.base,
                                   .is_alone = (uint32_t)header.is_alone};
    for (size_t i = 0; i < N_ARRAYS; i++) {
        if (header.n[i] > left / arrays[i].item_bytes)
            goto fini;
        size_t array_bytes = header.n[i] * arrays[i].item_bytes;
        if (array_bytes > 0) {
            void *copy = malloc(array_bytes);
            if (copy == NULL)
                goto fini;
            *pointer_of(&d, &arrays[i]) = memcpy(copy, at, array_bytes);
            *n_of(&d, &arrays[i]) = header.n[i];
        }
        at += array_bytes;
        left -= array_bytes;
    }
    if (left > 0 || crmpi_dependencies_check(&d) != 0)
        goto fini;
    *dependencies_out = d;
    return 0;
fini:
    crmpi_dependencies_fini(&d);
    return -1;
}
