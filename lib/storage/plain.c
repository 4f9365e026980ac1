/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Plain contents of extents, see plain.h.  Lower half and tools.
 */
#include <stdlib.h>
#include "base/checksum.h"
#include "base/log.h"
#include "storage/plain.h"

#define IOV_AT_ONCE 256
#define PIECE_BYTES ((uint64_t)1 << 18) /* what fits in a core's cache, twice */
#define PROGRESS_BLOCKS 16

/* A walk over the extents' bytes. */
struct walk {
    const struct crmpi_extent *extents;
    size_t next;     /* the extent the next bytes are in */
    uint64_t within; /* bytes of it that were walked */
};

/* Take the next bytes, as many as asked for or as IOV_AT_ONCE elements hold; returns the
 * number of elements. */
static size_t walk_take(struct walk *walk, uint64_t *bytes, struct iovec *iov)
{
    uint64_t left = *bytes;
    size_t n = 0;
    while (left > 0 && n < IOV_AT_ONCE) {
        const struct crmpi_extent *extent = &walk->extents[walk->next];
        uint64_t some = extent->bytes - walk->within;
        if (some > left)
            some = left;
        iov[n++] =
            (struct iovec){(void *)(uintptr_t)(extent->start + walk->within), some};
        walk->within += some;
        left -= some;
        if (walk->within == extent->bytes) {
            walk->next++;
            walk->within = 0;
        }
    }
    *bytes -= left;
    return n;
}

static int block_write(int fd, struct walk *walk, struct crmpi_block *block)
{
    struct crmpi_checksum_state state;
    struct iovec iov[IOV_AT_ONCE];

    crmpi_checksum_begin(&state);
    for (uint64_t done = 0, some; done < block->bytes; done += some) {
        some = block->bytes - done < PIECE_BYTES ? block->bytes - done : PIECE_BYTES;
        size_t n = walk_take(walk, &some, iov);
        /* In this order memory that cannot be read is an error and not a signal, and the
         * checksum finds it in the processor's cache. */
        int error = crmpi_file_write(fd, iov, n, block->file_offset + done);
        if (error)
            return error;
        for (size_t i = 0; i < n; i++)
            crmpi_checksum_add(&state, iov[i].iov_base, iov[i].iov_len);
    }
    block->checksum = crmpi_checksum_end(&state);
    return 0;
}

enum crmpi_status crmpi_plain_write(struct crmpi_writer *writer,
                                    const struct crmpi_extent *extents, size_t n,
                                    uint64_t *data_end, crmpi_progress_fn progress,
                                    void *context, struct crmpi_content *content_out)
{
    const uint64_t total = crmpi_extents_bytes(extents, n);
    const size_t n_blocks = (total + CRMPI_BLOCK_BYTES - 1) / CRMPI_BLOCK_BYTES;
    struct crmpi_stored_extent *stored = calloc(n + 1, sizeof *stored);
    struct crmpi_block *blocks = calloc(n_blocks + 1, sizeof *blocks);
    struct walk walk = {.extents = extents};
    enum crmpi_status status = CRMPI_ERR_NOMEM;
    uint64_t offset = 0;

    *content_out = (struct crmpi_content){.stored = stored,
                                          .n_stored = n,
                                          .blocks = blocks,
                                          .n_blocks = n_blocks,
                                          .raw_bytes = total};
    if (!stored || !blocks)
        crmpi_error("no memory to save %zu extents", n);
    else
        status = crmpi_writer_reserve(writer, *data_end + total);
    for (size_t i = 0; status == CRMPI_OK && i < n; i++) {
        stored[i] =
            (struct crmpi_stored_extent){extents[i].start, extents[i].bytes, offset};
        offset += extents[i].bytes;
    }
    for (size_t i = 0; status == CRMPI_OK && i < n_blocks; i++) {
        struct crmpi_block *block = &blocks[i];
        block->offset = i * CRMPI_BLOCK_BYTES;
        block->bytes = block->stored_bytes = total - block->offset < CRMPI_BLOCK_BYTES
                                                 ? total - block->offset
                                                 : CRMPI_BLOCK_BYTES;
        block->file_offset = *data_end + block->offset;
        int error = block_write(crmpi_writer_descriptor(writer), &walk, block);
        if (error)
            status = crmpi_writer_failed(writer, error);
        else if (progress && ((i + 1) % PROGRESS_BLOCKS == 0 || i + 1 == n_blocks))
            progress(context, block->offset + block->bytes, total);
    }
    if (status == CRMPI_OK)
        *data_end += total;
    else
        crmpi_plain_free(content_out);
    return status;
}

void crmpi_plain_free(struct crmpi_content *content)
{
    free((void *)content->stored);
    free((void *)content->blocks);
    *content = (struct crmpi_content){0};
}
