/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * crmpi's own heap in the upper half (see heap.h).  Runs in the lower half; blocks and the
 * heap's state lie in the upper half.
 *
 * A block is a header of 16 bytes and the caller's bytes, in all a power of two from 32
 * bytes on.  Classes up to CHUNK_BYTES are cut from chunks; larger blocks are mapped one by
 * one.  The address range is never given back, free blocks are: large ones by
 * MADV_DONTNEED, so they cost neither memory nor space in a checkpoint.
 */
#include <string.h>
#include <sys/mman.h>

#include "boundary/control.h"
#include "boundary/heap.h"
#include "boundary/raw.h"

#define MIN_CLASS 5 /* 32 bytes */
#define N_CLASSES 48
#define CHUNK_BYTES (1ul << 18)

struct header {
    uint64_t class;
    uint64_t magic;
};
#define HEADER_MAGIC 0x70616568696d7263ul

struct free_block {
    struct header header;
    struct free_block *next;
};

static void heap_lock(void)
{
    while (__atomic_exchange_n(&crmpi_control->heap_lock, 1, __ATOMIC_ACQUIRE))
        __builtin_ia32_pause();
}

static void heap_unlock(void)
{
    __atomic_store_n(&crmpi_control->heap_lock, 0, __ATOMIC_RELEASE);
}

static int class_of(size_t bytes)
{
    size_t all = bytes + sizeof(struct header);

    if (all <= 1ul << MIN_CLASS)
        return MIN_CLASS;
    return 64 - __builtin_clzl(all - 1);
}

/* Map fresh zeroed memory at the end of what the heap uses. */
static void *heap_extend(size_t bytes)
{
    uint64_t start = crmpi_control->heap_next;

    if (start == 0)
        start = CRMPI_HEAP_ADDR;
    if (bytes > CRMPI_HEAP_ADDR + CRMPI_TIB - start)
        return NULL;
    void *map = crmpi_map(
        (void *)start, bytes, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (map == MAP_FAILED)
        return NULL;
    crmpi_control->heap_next = start + bytes;
    return map;
}

/* Take a block of the class off its free list, filling the list if need be. */
static struct free_block *class_take(int class)
{
    void **list = &crmpi_control->heap_free[class];
    size_t bytes = 1ul << class;
    struct free_block *block = *list;

    if (!block && bytes >= CHUNK_BYTES)
        return heap_extend(bytes);
    if (!block) {
        char *chunk = heap_extend(CHUNK_BYTES);

        if (!chunk)
            return NULL;
        for (size_t at = CHUNK_BYTES; at > 0; at -= bytes) {
            block = (struct free_block *)(chunk + at - bytes);
            block->next = *list;
            *list = block;
        }
    }
    *list = block->next;
    return block;
}

void *crmpi_heap_alloc(size_t bytes)
{
    int class = class_of(bytes);

    if (bytes > 1ul << 46 || class >= N_CLASSES)
        return NULL;
    heap_lock();
    struct free_block *block = class_take(class);
    heap_unlock();
    if (!block)
        return NULL;
    block->header.class = class;
    block->header.magic = HEADER_MAGIC;
    void *data = &block->header + 1;
    /* large blocks come fresh from the kernel or were given back to it: zero already,
     * but for the link of the free list */
    memset(data, 0, 1ul << class >= CHUNK_BYTES ? sizeof block->next : bytes);
    return data;
}

void crmpi_heap_free(void *data)
{
    if (!data)
        return;
    struct header *header = (struct header *)data - 1;
    struct free_block *block = (struct free_block *)header;
    int class = header->class;

    if (header->magic != HEADER_MAGIC)
        __builtin_trap();
    if (1ul << class >= CHUNK_BYTES)
        madvise(block, 1ul << class, MADV_DONTNEED);
    header->magic = 0;
    heap_lock();
    block->next = crmpi_control->heap_free[class];
    crmpi_control->heap_free[class] = block;
    heap_unlock();
}

void *crmpi_heap_grow(void *old, size_t old_bytes, size_t bytes)
{
    void *data = crmpi_heap_alloc(bytes);

    if (!data)
        return NULL;
    if (old)
        memcpy(data, old, old_bytes < bytes ? old_bytes : bytes);
    crmpi_heap_free(old);
    return data;
}

void *crmpi_heap_dup(const void *source, size_t bytes)
{
    void *data = crmpi_heap_alloc(bytes);

    if (data && bytes)
        memcpy(data, source, bytes);
    return data;
}

char *crmpi_heap_strdup(const char *text)
{
    return crmpi_heap_dup(text, strlen(text) + 1);
}
