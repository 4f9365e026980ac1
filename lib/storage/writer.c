/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writing a rank's container: memory goes to the file at once and straight from where it
 * is, all else at the close.  Lower half and tools (tests).
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/checksum.h"
#include "base/log.h"
#include "storage/file.h"
#include "storage/hdf.h"
#include "storage/image.h"
#include "storage/job.h"
#include "storage/layout.h"

#define SEGMENTS_AT_ONCE 256
#define PROGRESS_BLOCKS 16
#define RECORD_MAX ((size_t)1 << 31)

struct crmpi_writer {
    struct crmpi_output output;
    struct crmpi_image *image;
    int has_memory;
    int failed; /* only abort is left to do */
};

static void writer_free(struct crmpi_writer *writer)
{
    crmpi_image_destroy(writer->image);
    free(writer);
}

enum crmpi_status crmpi_writer_create(const char *path, const struct crmpi_job *job,
                                      struct crmpi_writer **writer_out)
{
    enum crmpi_status status;
    struct crmpi_writer *writer = calloc(1, sizeof *writer);
    if (!writer) {
        crmpi_error("no memory to write %s", path);
        return CRMPI_ERR_NOMEM;
    }
    if ((status = crmpi_image_create(CRMPI_CONTAINER_RANK, path, &writer->image)) !=
        CRMPI_OK)
        goto free_writer;
    if ((status = crmpi_job_write(writer->image, path, CRMPI_CONTAINER_RANK, job, 0)) !=
            CRMPI_OK ||
        (status = crmpi_output_open(path, &writer->output)) != CRMPI_OK)
        goto free_writer;
    *writer_out = writer;
    return CRMPI_OK;
free_writer:
    writer_free(writer);
    return status;
}

/* Write the extents' bytes to the file from offset on, and take the blocks' checksums. */
static enum crmpi_status memory_write(struct crmpi_writer *writer,
                                      const struct crmpi_extent *extents,
                                      size_t n_extents, uint64_t offset, uint64_t total,
                                      uint64_t *checksums, crmpi_progress_fn progress,
                                      void *context)
{
    struct crmpi_walk walk = {.extents = extents, .n_extents = n_extents};
    struct crmpi_checksum_state state;
    struct iovec segments[SEGMENTS_AT_ONCE];
    uint64_t block = 0;
    size_t n;

    crmpi_checksum_begin(&state);
    for (;;) {
        uint64_t at = offset + walk.offset;
        if ((n = crmpi_walk_next(&walk, segments, SEGMENTS_AT_ONCE)) == 0)
            return CRMPI_OK;
        /* In this order memory that cannot be read is an error and not a signal, and the
         * checksum finds it in the processor's cache. */
        enum crmpi_status status = crmpi_output_write(&writer->output, segments, n, at);
        if (status != CRMPI_OK)
            return status;
        for (size_t i = 0; i < n; i++)
            crmpi_checksum_add(&state, segments[i].iov_base, segments[i].iov_len);
        if (!crmpi_walk_at_block_end(&walk))
            continue;
        checksums[block++] = crmpi_checksum_end(&state);
        crmpi_checksum_begin(&state);
        if (progress && (block % PROGRESS_BLOCKS == 0 || walk.offset == total))
            progress(context, walk.offset, total);
    }
}

static enum crmpi_status table_write(struct crmpi_writer *writer, const char *name,
                                     hid_t type, const void *data, size_t n)
{
    enum crmpi_status status = crmpi_hdf_table_write(
        crmpi_image_file(writer->image), writer->output.path, name, type, data, n);
    H5Tclose(type);
    return status;
}

static enum crmpi_status extents_write(struct crmpi_writer *writer,
                                       const struct crmpi_extent *extents, size_t n)
{
    uint64_t offset = 0;
    struct crmpi_stored_extent *stored = calloc(n ? n : 1, sizeof *stored);
    if (!stored) {
        crmpi_error("no memory to write %s", writer->output.path);
        return CRMPI_ERR_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        stored[i].start = extents[i].start;
        stored[i].bytes = extents[i].bytes;
        stored[i].offset = offset;
        offset += extents[i].bytes;
    }
    enum crmpi_status status =
        table_write(writer, "/task/extents", crmpi_hdf_extent_type(), stored, n);
    free(stored);
    return status;
}

static enum crmpi_status
memory_store(struct crmpi_writer *writer, const struct crmpi_region *regions,
             size_t n_regions, const struct crmpi_extent *extents, size_t n_extents,
             crmpi_progress_fn progress, void *context)
{
    const char *path = writer->output.path;
    uint64_t total, offset;
    enum crmpi_status status =
        crmpi_layout_check(path, regions, n_regions, extents, n_extents, &total);
    if (status != CRMPI_OK)
        return CRMPI_ERR_INTERNAL;
    uint64_t n_blocks = crmpi_blocks_of(total);
    uint64_t *checksums = calloc(n_blocks ? n_blocks : 1, sizeof *checksums);
    if (!checksums) {
        crmpi_error("no memory to write %s", path);
        return CRMPI_ERR_NOMEM;
    }
    if ((status = crmpi_image_add_memory(writer->image, path, total, &offset)) ==
            CRMPI_OK &&
        (status = crmpi_output_reserve(&writer->output, offset + total)) == CRMPI_OK &&
        (status = memory_write(writer, extents, n_extents, offset, total, checksums,
                               progress, context)) == CRMPI_OK &&
        (status = table_write(writer, "/task/regions", crmpi_hdf_region_type(), regions,
                              n_regions)) == CRMPI_OK &&
        (status = extents_write(writer, extents, n_extents)) == CRMPI_OK)
        status = table_write(writer, "/task/checksums", crmpi_hdf_number_type(),
                             checksums, n_blocks);
    free(checksums);
    return status;
}

enum crmpi_status
crmpi_writer_memory(struct crmpi_writer *writer, const struct crmpi_region *regions,
                    size_t n_regions, const struct crmpi_extent *extents,
                    size_t n_extents, crmpi_progress_fn progress, void *context)
{
    enum crmpi_status status = CRMPI_ERR_INTERNAL;
    if (writer->has_memory || writer->failed)
        crmpi_error("%s: memory cannot be written now", writer->output.path);
    else
        status = memory_store(writer, regions, n_regions, extents, n_extents, progress,
                              context);
    writer->has_memory = 1;
    writer->failed |= status != CRMPI_OK;
    return status;
}

enum crmpi_status crmpi_writer_record(struct crmpi_writer *writer, const char *name,
                                      const void *data, size_t bytes)
{
    enum crmpi_status status = CRMPI_ERR_INTERNAL;
    if (writer->failed || name[0] != '/' || bytes > RECORD_MAX)
        crmpi_error("%s: record %s of %zu bytes cannot be written", writer->output.path,
                    name, bytes);
    else
        status = table_write(writer, name, crmpi_hdf_byte_type(), data, bytes);
    writer->failed |= status != CRMPI_OK;
    return status;
}

enum crmpi_status crmpi_writer_close(struct crmpi_writer *writer,
                                     uint64_t *file_bytes_out)
{
    enum crmpi_status status = CRMPI_ERR_INTERNAL;
    uint64_t bytes = 0;

    if (!writer->has_memory || writer->failed)
        crmpi_error("%s is not complete and cannot be closed", writer->output.path);
    else
        status = crmpi_image_store(writer->image, &writer->output, &bytes);
    if (status != CRMPI_OK) {
        crmpi_writer_abort(writer);
        return status;
    }
    status = crmpi_output_commit(&writer->output, bytes);
    writer_free(writer);
    if (status == CRMPI_OK && file_bytes_out)
        *file_bytes_out = bytes;
    return status;
}

void crmpi_writer_abort(struct crmpi_writer *writer)
{
    if (!writer)
        return;
    crmpi_output_abandon(&writer->output);
    writer_free(writer);
}
