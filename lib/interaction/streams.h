/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Counters of message streams: a communicator's messages to and from one of its ranks
 * with one tag, which MPI delivers in order.  One table for each communicator, in the
 * upper heap; it grows with the streams that are used.  Lower half; no MPI; not thread
 * safe.
 */
#ifndef CRMPI_INTERACTION_STREAMS_H
#define CRMPI_INTERACTION_STREAMS_H

#include <stddef.h>
#include <stdint.h>

struct crmpi_stream_slot {
    uint64_t key; /* 0: empty */
    uint64_t sent, received;
    uint64_t order; /* of the receives that have completed, the one posted last */
    uint64_t probed; /* the order of the last probe that found a message; below that of a
                        receive that has completed since */
    uint64_t unlogged; /* of those sent, the first so many are not in the log any more */
};

/* All zero: empty. */
struct crmpi_stream_table {
    struct crmpi_stream_slot *slots; /* a power of two of them, open addressing */
    uint64_t n;
    uint32_t bits; /* log2 of the number of slots */
    uint32_t unused;
};

#define CRMPI_STREAMS_MAX (1u << 16) /* of one communicator */

static inline uint64_t crmpi_stream_key(int peer, int tag)
{
    return ((uint64_t)peer + 1) << 32 | (uint32_t)tag;
}

static inline int crmpi_stream_peer(const struct crmpi_stream_slot *slot)
{
    return (int)(slot->key >> 32) - 1;
}

static inline int crmpi_stream_tag(const struct crmpi_stream_slot *slot)
{
    return (int)(uint32_t)slot->key;
}

static inline uint64_t crmpi_stream_hash(uint64_t key, uint32_t bits)
{
    return (key ^ key >> 32) * 0x9e3779b97f4a7c15ul >> (64 - bits);
}

/** The counters of a stream, made if there are none yet; NULL: the table is full, or there
 * is no memory. */
struct crmpi_stream_slot *crmpi_stream_make(struct crmpi_stream_table *table,
                                            uint64_t key);

/** The same, fast where the stream has been used before. */
static inline struct crmpi_stream_slot *
crmpi_stream_at(struct crmpi_stream_table *table, uint64_t key)
{
    struct crmpi_stream_slot *slot;

    if (__builtin_expect(table->slots != NULL, 1)) {
        slot = &table->slots[crmpi_stream_hash(key, table->bits)];
        if (__builtin_expect(slot->key == key, 1))
            return slot;
    }
    return crmpi_stream_make(table, key);
}

/** The number of slots, of which those with a key are streams. */
static inline size_t crmpi_stream_room(const struct crmpi_stream_table *table)
{
    return table->slots ? (size_t)1 << table->bits : 0;
}

/** Forget all streams, and give the memory back. */
void crmpi_streams_fini(struct crmpi_stream_table *table);

#endif
