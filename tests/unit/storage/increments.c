/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Chains of increments, see increments.h.  Tests only.
 */
#include <stdlib.h>
#include <string.h>
#include "base/checksum.h"
#include "storage/codec.h"
#include "increments.h"
#include "storage/plain.h"

#define MIB ((uint64_t)1 << 20)

unsigned char *page_at(size_t page)
{
    return (unsigned char *)(uintptr_t)(regions[1].start + page * PAGE);
}

static int is_zero(const unsigned char *page)
{
    static const unsigned char zero[PAGE];
    return memcmp(page, zero, PAGE) == 0;
}

/* The pages to store, shuffled in groups of eight; returns how many. */
static size_t pages_choose(const struct increments *chain, const unsigned char *changed,
                           size_t *pages, unsigned seed)
{
    size_t n = 0;
    for (size_t i = 0; i < N_PAGES / 8; i++) {
        size_t group = (i * 37 + seed) % (N_PAGES / 8);
        for (size_t page = 8 * group; page < 8 * group + 8; page++)
            if (!is_zero(page_at(page)) && (changed[page] || !chain->parent.sn))
                pages[n++] = page;
    }
    return n;
}

static int stored_compare(const void *a, const void *b)
{
    const struct crmpi_stored_extent *x = a, *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

/* Write one block of the pages, which lie in memory as `raw`. */
static uint64_t block_write(int fd, struct crmpi_block *block, const void *raw,
                            enum crmpi_compression compression)
{
    static char packed[CRMPI_BLOCK_BYTES];
    struct iovec iov = {(void *)(uintptr_t)raw, block->bytes};
    block->stored_bytes = block->bytes;
    block->checksum = crmpi_checksum(raw, block->bytes);
    if (crmpi_codec_is_built(compression)) {
        void *workspace = malloc(crmpi_codec_workspace_bytes(compression));
        size_t bytes = crmpi_codec_encode(compression, raw, workspace, packed);
        free(workspace);
        if (bytes) {
            iov = (struct iovec){packed, bytes};
            block->stored_bytes = bytes;
        }
    }
    require(crmpi_file_write(fd, &iov, 1, block->file_offset) == 0);
    return block->file_offset + block->stored_bytes;
}

/* Store pages; the arrays of the content are static. */
static struct crmpi_content pages_store(int fd, const size_t *pages, size_t n,
                                        enum crmpi_compression compression,
                                        uint64_t *data_end)
{
    static struct crmpi_stored_extent stored[N_PAGES];
    static struct crmpi_block blocks[N_PAGES * PAGE / CRMPI_BLOCK_BYTES + 1];
    const size_t in_block = CRMPI_BLOCK_BYTES / PAGE;
    struct crmpi_content content = {.stored = stored,
                                    .n_stored = n,
                                    .blocks = blocks,
                                    .n_blocks = (n + in_block - 1) / in_block,
                                    .compression = compression};
    unsigned char *raw = malloc(CRMPI_BLOCK_BYTES);
    for (size_t k = 0; k < content.n_blocks; k++) {
        size_t first = k * in_block, some = n - first < in_block ? n - first : in_block;
        memset(raw, 0, CRMPI_BLOCK_BYTES);
        for (size_t i = 0; i < some; i++) {
            memcpy(raw + i * PAGE, page_at(pages[first + i]), PAGE);
            stored[first + i] = (struct crmpi_stored_extent){
                (uintptr_t)page_at(pages[first + i]), PAGE, (first + i) * PAGE};
        }
        blocks[k] = (struct crmpi_block){
            .offset = k * CRMPI_BLOCK_BYTES,
            .bytes = compression == CRMPI_COMPRESSION_NONE ? some * PAGE : MIB,
            .file_offset = *data_end};
        *data_end = block_write(fd, &blocks[k], raw, compression);
        content.raw_bytes += blocks[k].bytes;
    }
    if (n)
        qsort(stored, n, sizeof *stored, stored_compare);
    free(raw);
    return content;
}

static size_t kept_list(const struct increments *chain, const unsigned char *changed,
                        struct crmpi_extent *kept)
{
    size_t n = 0;
    for (size_t page = 0; chain->parent.sn && page < N_PAGES; page++)
        if (chain->is_data[page] && !changed[page])
            kept[n++] = (struct crmpi_extent){(uintptr_t)page_at(page), PAGE};
    return n;
}

enum crmpi_status increment_save(struct increments *chain, const char *path,
                                 const struct crmpi_job *job,
                                 const unsigned char changed[N_PAGES], int has_window,
                                 enum crmpi_compression compression, unsigned seed,
                                 struct crmpi_line_rank *entry_out)
{
    static struct crmpi_extent kept[N_PAGES];
    static size_t pages[N_PAGES];
    struct crmpi_named named = {"temperature",
                                regions[1].start + (N_PAGES - 2) * PAGE,
                                2 * PAGE,
                                CRMPI_NAMED_DOUBLE,
                                2,
                                {64, 16}};
    struct crmpi_extent temperature = {named.start, named.bytes};
    struct crmpi_content task, window = {0}, of_named;
    struct crmpi_writer *writer;
    uint64_t end = CRMPI_DATA_OFFSET;
    size_t n = pages_choose(chain, changed, pages, seed);
    int keeps_window = chain->parent.sn && chain->has_window;
    enum crmpi_status status = crmpi_writer_create(path, job, &chain->parent, &writer);

    if (status != CRMPI_OK)
        return status;
    task = pages_store(crmpi_writer_descriptor(writer), pages, n, compression, &end);
    task.kept = kept;
    task.n_kept = kept_list(chain, changed, kept);
    status = crmpi_writer_task(writer, regions, N_REGIONS, &task);
    if (keeps_window) {
        window.kept = segments[0].extents;
        window.n_kept = segments[0].n_extents;
    } else if (has_window && status == CRMPI_OK) {
        status = crmpi_plain_write(writer, segments[0].extents, segments[0].n_extents,
                                   &end, NULL, NULL, &window);
    }
    if (has_window && status == CRMPI_OK)
        status = crmpi_writer_segment(writer, &segments[0], &window);
    if (status == CRMPI_OK)
        status = crmpi_plain_write(writer, &temperature, 1, &end, NULL, NULL, &of_named);
    require(status == CRMPI_OK);
    status = crmpi_writer_named(writer, &named, &of_named);
    if (status == CRMPI_OK)
        status = crmpi_writer_close(writer, end, 0, &entry_out->file_bytes,
                                    &entry_out->digest);
    crmpi_plain_free(&of_named);
    if (!keeps_window)
        crmpi_plain_free(&window);
    entry_out->sn = job->sn;
    entry_out->incarnation = job->incarnation;
    chain->parent = (struct crmpi_parent){job->sn, entry_out->digest};
    chain->has_window = has_window;
    for (size_t page = 0; page < N_PAGES; page++)
        chain->is_data[page] = !is_zero(page_at(page));
    return status;
}

void pages_change(unsigned char changed_out[N_PAGES], unsigned one_in, unsigned *seed)
{
    for (size_t page = 0; page < N_PAGES; page++) {
        unsigned random = *seed = *seed * 1664525u + 1013904223u;
        changed_out[page] = (random >> 8) % one_in == 0;
        if (!changed_out[page])
            continue;
        memset(page_at(page), 0, PAGE);
        if ((random >> 20) % 3)
            for (size_t i = 0; i < PAGE; i += 4) {
                /* small numbers, so that there is something to compress */
                unsigned value = (random >> 28) ? (unsigned)(page + i) & 0xff
                                                : random * (unsigned)(i + 1);
                memcpy(page_at(page) + i, &value, sizeof value);
            }
    }
}
