/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tables of message streams (see streams.h).  Runs in the lower half, on memory of
 * the upper heap.
 */
#include "boundary/heap.h"
#include "interaction/streams.h"

#define BITS_MIN 4

static struct crmpi_stream_slot *find(const struct crmpi_stream_table *table,
                                      uint64_t key)
{
    uint64_t mask = ((uint64_t)1 << table->bits) - 1;
    uint64_t i = crmpi_stream_hash(key, table->bits);

    while (table->slots[i].key != 0 && table->slots[i].key != key)
        i = (i + 1) & mask;
    return &table->slots[i];
}

static int resize(struct crmpi_stream_table *table, uint32_t bits)
{
    struct crmpi_stream_table larger = {.bits = bits, .n = table->n};

    larger.slots = crmpi_heap_alloc(sizeof *larger.slots << bits);
    if (larger.slots == NULL)
        return 0;
    for (size_t i = 0; i < crmpi_stream_room(table); i++)
        if (table->slots[i].key != 0)
            *find(&larger, table->slots[i].key) = table->slots[i];
    crmpi_heap_free(table->slots);
    *table = larger;
    return 1;
}

struct crmpi_stream_slot *crmpi_stream_make(struct crmpi_stream_table *table,
                                            uint64_t key)
{
    struct crmpi_stream_slot *slot = table->slots != NULL ? find(table, key) : NULL;

    if (slot != NULL && slot->key == key)
        return slot;
    if (table->n >= CRMPI_STREAMS_MAX)
        return NULL;
    if (2 * (table->n + 1) > crmpi_stream_room(table) &&
        !resize(table, table->slots != NULL ? table->bits + 1 : BITS_MIN))
        return NULL;
    slot = find(table, key);
    slot->key = key;
    table->n++;
    return slot;
}

void crmpi_streams_fini(struct crmpi_stream_table *table)
{
    crmpi_heap_free(table->slots);
    *table = (struct crmpi_stream_table){0};
}
