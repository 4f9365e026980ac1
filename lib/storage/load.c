/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading the blocks of a chain: those that were stored as they are go straight to where
 * they belong, others by way of buffers; see chain.h.  Lower half and tools.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "base/checksum.h"
#include "base/log.h"
#include "storage/chain.h"
#include "storage/codec.h"
#include "storage/file.h"

#define IOV_AT_ONCE 256
#define PIECE_BYTES ((uint64_t)1 << 18) /* what fits in a core's cache, twice */
#define PROGRESS_BLOCKS 16

struct load {
    int to_memory;
    char *unwanted, *packed, *unpacked,
        *workspace;             /* CRMPI_BLOCK_BYTES of each; the first
                                                       takes bytes that go nowhere */
    crmpi_progress_fn progress; /* may be NULL */
    void *context;
    uint64_t done, total;
    unsigned n_blocks;
};

static enum crmpi_status load_init(struct load *load, const char *path)
{
    char *buffers = aligned_alloc(4096, 4 * CRMPI_BLOCK_BYTES);
    if (!buffers) {
        crmpi_error("no memory to read %s", path);
        return CRMPI_ERR_NOMEM;
    }
    load->unwanted = buffers;
    load->packed = buffers + CRMPI_BLOCK_BYTES;
    load->unpacked = load->packed + CRMPI_BLOCK_BYTES;
    load->workspace = load->unpacked + CRMPI_BLOCK_BYTES;
    return CRMPI_OK;
}

static int is_unwanted(const struct load *load, const void *to)
{
    return (const char *)to >= load->unwanted && (const char *)to < load->packed;
}

static void load_fini(struct load *load)
{
    free(load->unwanted);
}

/* Pieces of a part, from one of them on: those before end before what is read now. */
struct cursor {
    const struct crmpi_part *part;
    size_t next;
};

/*
 * Say where bytes of memory from offset to end, a block at most, belong, as far as the
 * elements suffice.  What belongs nowhere goes to `unwanted`, each byte to its own place:
 * the checksum needs it.
 * @return how many elements
 */
static size_t places_find(const struct load *load, struct cursor *cursor,
                          uint64_t *offset, uint64_t end, struct iovec *iov)
{
    const struct crmpi_part *part = cursor->part;
    const uint64_t first = *offset;
    size_t n = 0;

    if (!load->to_memory) {
        iov[0] = (struct iovec){load->unwanted, end - *offset};
        *offset = end;
        return 1;
    }
    for (uint64_t stop; *offset < end && n < IOV_AT_ONCE; *offset = stop) {
        const struct crmpi_piece *piece = &part->pieces[cursor->next];
        if (cursor->next < part->n_pieces && piece->offset + piece->bytes <= *offset) {
            cursor->next++;
            stop = *offset;
            continue;
        }
        void *to = load->unwanted + (*offset - first);
        stop = end;
        if (cursor->next < part->n_pieces && piece->offset <= *offset) {
            to = (void *)(uintptr_t)(piece->start + (*offset - piece->offset));
            if (piece->offset + piece->bytes < end)
                stop = piece->offset + piece->bytes;
        } else if (cursor->next < part->n_pieces && piece->offset < end) {
            stop = piece->offset;
        }
        iov[n++] = (struct iovec){to, stop - *offset};
    }
    return n;
}

/* Have the kernel make the pages at once: cheaper than a fault for each of them.  Where
 * it cannot (before Linux 5.14) they are made when they are written. */
static void pages_populate(const struct load *load, const struct iovec *iov, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uintptr_t start = (uintptr_t)iov[i].iov_base & ~(uintptr_t)4095;
        uintptr_t end = (uintptr_t)iov[i].iov_base + iov[i].iov_len;
        if (!is_unwanted(load, iov[i].iov_base))
            madvise((void *)start, end - start, MADV_POPULATE_WRITE);
    }
}

/* Read a block that was stored as it is, in pieces that the checksum finds in the
 * processor's cache. */
static enum crmpi_status plain_read(struct load *load, const struct crmpi_opened *file,
                                    struct cursor *cursor,
                                    const struct crmpi_block *block,
                                    uint64_t *checksum_out)
{
    struct crmpi_checksum_state state;
    struct iovec iov[IOV_AT_ONCE];
    uint64_t offset = block->offset, end = offset + block->bytes;

    crmpi_checksum_begin(&state);
    while (offset < end) {
        uint64_t from = offset;
        uint64_t stop = end - offset < PIECE_BYTES ? end : offset + PIECE_BYTES;
        size_t n = places_find(load, cursor, &offset, stop, iov);
        pages_populate(load, iov, n);
        enum crmpi_status status = crmpi_input_read(
            file->fd, file->path, iov, n, block->file_offset + (from - block->offset));
        if (status != CRMPI_OK)
            return status;
        for (size_t i = 0; i < n; i++)
            crmpi_checksum_add(&state, iov[i].iov_base, iov[i].iov_len);
    }
    *checksum_out = crmpi_checksum_end(&state);
    return CRMPI_OK;
}

/* Copy an unpacked block to where it belongs. */
static void unpacked_copy(const struct load *load, struct cursor *cursor,
                          const struct crmpi_block *block)
{
    struct iovec iov[IOV_AT_ONCE];
    uint64_t offset = block->offset, end = offset + block->bytes;
    const char *from = load->unpacked;

    while (load->to_memory && offset < end) {
        size_t n = places_find(load, cursor, &offset, end, iov);
        for (size_t i = 0; i < n; i++) {
            if (!is_unwanted(load, iov[i].iov_base))
                memcpy(iov[i].iov_base, from, iov[i].iov_len);
            from += iov[i].iov_len;
        }
    }
}

static enum crmpi_status block_damaged(const struct crmpi_opened *file,
                                       const struct cursor *cursor, size_t index)
{
    crmpi_error("%s is damaged: block %zu of %s/memory has a wrong checksum", file->path,
                index, cursor->part->group);
    return CRMPI_ERR_CORRUPT;
}

static enum crmpi_status block_read(struct load *load, const struct crmpi_opened *file,
                                    struct cursor *cursor, size_t index)
{
    const struct crmpi_content *content = &cursor->part->content;
    const struct crmpi_block *block = &content->blocks[index];
    struct iovec packed = {load->packed, block->stored_bytes};
    enum crmpi_status status;
    uint64_t checksum;

    if (block->stored_bytes == block->bytes) {
        status = plain_read(load, file, cursor, block, &checksum);
        return status == CRMPI_OK && checksum != block->checksum
                   ? block_damaged(file, cursor, index)
                   : status;
    }
    status = crmpi_input_read(file->fd, file->path, &packed, 1, block->file_offset);
    if (status != CRMPI_OK)
        return status;
    if (crmpi_codec_decode(content->compression, load->packed, block->stored_bytes,
                           load->workspace, load->unpacked) != 0 ||
        crmpi_checksum(load->unpacked, block->bytes) != block->checksum)
        return block_damaged(file, cursor, index);
    unpacked_copy(load, cursor, block);
    return CRMPI_OK;
}

/* Whether a block has something of the pieces; goes on to the first that has not ended. */
static int is_wanted(struct cursor *cursor, const struct crmpi_block *block)
{
    const struct crmpi_part *part = cursor->part;
    while (cursor->next < part->n_pieces &&
           part->pieces[cursor->next].offset + part->pieces[cursor->next].bytes <=
               block->offset)
        cursor->next++;
    return cursor->next < part->n_pieces &&
           part->pieces[cursor->next].offset < block->offset + block->bytes;
}

static uint64_t part_bytes(const struct crmpi_part *part)
{
    struct cursor cursor = {.part = part};
    uint64_t bytes = 0;
    for (size_t i = 0; i < part->content.n_blocks; i++)
        if (is_wanted(&cursor, &part->content.blocks[i]))
            bytes += part->content.blocks[i].bytes;
    return bytes;
}

/* Whether this build has what the part was compressed by. */
static enum crmpi_status part_look(const struct crmpi_opened *file,
                                   const struct crmpi_part *part)
{
    enum crmpi_compression compression = part->content.compression;
    if (compression == CRMPI_COMPRESSION_NONE || crmpi_codec_is_built(compression))
        return CRMPI_OK;
    crmpi_error("%s was compressed by %s, and this crmpi was built without it",
                file->path, compression == CRMPI_COMPRESSION_LZ4 ? "lz4" : "zstd");
    return CRMPI_ERR_UNSUPPORTED;
}

static enum crmpi_status part_read(struct load *load, const struct crmpi_opened *file,
                                   const struct crmpi_part *part)
{
    struct cursor cursor = {.part = part};
    for (size_t i = 0; i < part->content.n_blocks; i++) {
        if (!is_wanted(&cursor, &part->content.blocks[i]))
            continue;
        enum crmpi_status status = block_read(load, file, &cursor, i);
        if (status != CRMPI_OK)
            return status;
        load->done += part->content.blocks[i].bytes;
        if (load->progress &&
            (++load->n_blocks % PROGRESS_BLOCKS == 0 || load->done == load->total))
            load->progress(load->context, load->done, load->total);
    }
    return CRMPI_OK;
}

enum crmpi_status crmpi_chain_read(const struct crmpi_chain *chain, int to_memory,
                                   int with_named, crmpi_progress_fn progress,
                                   void *context)
{
    struct load load = {.to_memory = to_memory, .progress = progress, .context = context};
    enum crmpi_status status = load_init(&load, chain->files[0].path);

    if (status != CRMPI_OK)
        return status;
    for (int reading = 0; reading < 2; reading++)
        for (size_t i = chain->n; i-- > 0;) {
            const struct crmpi_opened *file = &chain->files[i];
            size_t n = file->n_parts - (with_named ? 0 : file->n_named);
            for (size_t k = 0; status == CRMPI_OK && k < n; k++)
                if (reading) {
                    status = part_read(&load, file, &file->parts[k]);
                } else {
                    status = part_look(file, &file->parts[k]);
                    load.total += part_bytes(&file->parts[k]);
                }
        }
    load_fini(&load);
    return status;
}

enum crmpi_status crmpi_part_read_to(const struct crmpi_opened *file,
                                     const struct crmpi_part *part, void *to)
{
    struct load load = {.to_memory = 1};
    struct crmpi_piece piece = *part->pieces;
    struct crmpi_part elsewhere = *part;
    enum crmpi_status status = part_look(file, part);

    if (status == CRMPI_OK)
        status = load_init(&load, file->path);
    if (status != CRMPI_OK)
        return status;
    piece.start = (uintptr_t)to;
    elsewhere.pieces = &piece;
    status = part_read(&load, file, &elsewhere);
    load_fini(&load);
    return status;
}
