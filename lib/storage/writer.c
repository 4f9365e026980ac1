/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writing a rank's container: memory and segments go to the file at once and straight
 * from where they are, all else at the close.  Lower half and tools (tests).
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/checksum.h"
#include "base/log.h"
#include "storage/dependencies.h"
#include "storage/file.h"
#include "storage/hdf.h"
#include "storage/image.h"
#include "storage/job.h"
#include "storage/layout.h"
#include "storage/segment.h"

#define IOV_AT_ONCE 256
#define PROGRESS_BLOCKS 16
#define RECORD_MAX ((size_t)1 << 31)

struct crmpi_writer {
    struct crmpi_output output;
    struct crmpi_image *image;
    struct crmpi_job job;
    struct crmpi_ranges taken; /* regions and views */
    size_t n_segments;
    int has_memory, has_dependencies;
    int failed; /* only abort is left to do */
};

static void writer_free(struct crmpi_writer *writer)
{
    crmpi_hdf_lock();
    crmpi_image_destroy(writer->image);
    crmpi_hdf_unlock();
    free(writer->taken.list);
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
    writer->job = *job;
    crmpi_hdf_lock();
    status = crmpi_image_create(CRMPI_CONTAINER_RANK, path, &writer->image);
    if (status == CRMPI_OK)
        status = crmpi_job_write(writer->image, path, job, NULL);
    crmpi_hdf_unlock();
    if (status == CRMPI_OK)
        status = crmpi_output_open(path, &writer->output);
    if (status == CRMPI_OK)
        *writer_out = writer;
    else
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
    struct iovec iov[IOV_AT_ONCE];
    uint64_t block = 0;
    size_t n;

    crmpi_checksum_begin(&state);
    for (;;) {
        uint64_t at = offset + walk.offset;
        if ((n = crmpi_walk_next(&walk, iov, IOV_AT_ONCE)) == 0)
            return CRMPI_OK;
        /* In this order memory that cannot be read is an error and not a signal, and the
         * checksum finds it in the processor's cache. */
        enum crmpi_status status = crmpi_output_write(&writer->output, iov, n, at);
        if (status != CRMPI_OK)
            return status;
        for (size_t i = 0; i < n; i++)
            crmpi_checksum_add(&state, iov[i].iov_base, iov[i].iov_len);
        if (!crmpi_walk_at_block_end(&walk))
            continue;
        checksums[block++] = crmpi_checksum_end(&state);
        crmpi_checksum_begin(&state);
        if (progress && (block % PROGRESS_BLOCKS == 0 || walk.offset == total))
            progress(context, walk.offset, total);
    }
}

/* With HDF5 locked, as all that follows. */
static enum crmpi_status table_write(struct crmpi_writer *writer, const char *name,
                                     hid_t type, const void *data, size_t n)
{
    enum crmpi_status status = crmpi_hdf_table_write(
        crmpi_image_file(writer->image), writer->output.path, name, type, data, n);
    H5Tclose(type);
    return status;
}

static enum crmpi_status extents_write(struct crmpi_writer *writer, const char *name,
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
        table_write(writer, name, crmpi_hdf_extent_type(), stored, n);
    free(stored);
    return status;
}

/* Store extents of total bytes as GROUP/memory, /extents and /checksums.  Others may use
 * HDF5 while the bytes are written. */
static enum crmpi_status bytes_store(struct crmpi_writer *writer, const char *group,
                                     const struct crmpi_extent *extents, size_t n_extents,
                                     uint64_t total, crmpi_progress_fn progress,
                                     void *context)
{
    const char *path = writer->output.path;
    uint64_t offset, n_blocks = crmpi_blocks_of(total);
    char memory[64], table[64], sums[64];
    enum crmpi_status status;
    uint64_t *checksums = calloc(n_blocks ? n_blocks : 1, sizeof *checksums);
    if (!checksums) {
        crmpi_error("no memory to write %s", path);
        return CRMPI_ERR_NOMEM;
    }
    snprintf(memory, sizeof memory, "%s/memory", group);
    snprintf(table, sizeof table, "%s/extents", group);
    snprintf(sums, sizeof sums, "%s/checksums", group);
    status = crmpi_image_add_memory(writer->image, path, memory, total, &offset);
    crmpi_hdf_unlock();
    if (status == CRMPI_OK)
        status = crmpi_output_reserve(&writer->output, offset + total);
    if (status == CRMPI_OK)
        status = memory_write(writer, extents, n_extents, offset, total, checksums,
                              progress, context);
    crmpi_hdf_lock();
    if (status == CRMPI_OK)
        status = extents_write(writer, table, extents, n_extents);
    if (status == CRMPI_OK)
        status = table_write(writer, sums, crmpi_hdf_number_type(), checksums, n_blocks);
    free(checksums);
    return status;
}

enum crmpi_status
crmpi_writer_memory(struct crmpi_writer *writer, const struct crmpi_region *regions,
                    size_t n_regions, const struct crmpi_extent *extents,
                    size_t n_extents, crmpi_progress_fn progress, void *context)
{
    enum crmpi_status status = CRMPI_ERR_INTERNAL;
    uint64_t total;
    crmpi_hdf_lock();
    if (writer->has_memory || writer->failed)
        crmpi_error("%s: memory cannot be written now", writer->output.path);
    else if (crmpi_layout_check(writer->output.path, regions, n_regions, extents,
                                n_extents, &writer->taken, &total) == CRMPI_OK &&
             (status = bytes_store(writer, "/task", extents, n_extents, total, progress,
                                   context)) == CRMPI_OK)
        status = table_write(writer, "/task/regions", crmpi_hdf_region_type(), regions,
                             n_regions);
    crmpi_hdf_unlock();
    writer->has_memory = 1;
    writer->failed |= status != CRMPI_OK;
    return status;
}

enum crmpi_status crmpi_writer_segment(struct crmpi_writer *writer,
                                       const struct crmpi_segment *segment,
                                       crmpi_progress_fn progress, void *context)
{
    enum crmpi_status status = CRMPI_ERR_INTERNAL;
    char group[CRMPI_SEGMENT_NAME_BYTES];
    uint64_t total;

    crmpi_segment_name(segment->window, group);
    crmpi_hdf_lock();
    if (!writer->has_memory || writer->failed || writer->n_segments == CRMPI_SEGMENTS_MAX)
        crmpi_error("%s: %s cannot be written now", writer->output.path, group);
    else if (crmpi_layout_check_segment(writer->output.path, segment, &writer->taken,
                                        &total) == CRMPI_OK &&
             (status = crmpi_segment_write(writer->image, writer->output.path,
                                           segment)) == CRMPI_OK &&
             segment->view_bytes)
        status = bytes_store(writer, group, segment->extents, segment->n_extents, total,
                             progress, context);
    crmpi_hdf_unlock();
    writer->n_segments++;
    writer->failed |= status != CRMPI_OK;
    return status;
}

enum crmpi_status crmpi_writer_record(struct crmpi_writer *writer, const char *name,
                                      const void *data, size_t bytes)
{
    enum crmpi_status status = CRMPI_ERR_INTERNAL;
    crmpi_hdf_lock();
    if (writer->failed || name[0] != '/' || strncmp(name, "/window", 7) == 0 ||
        strncmp(name, "/dependencies", 13) == 0 || bytes > RECORD_MAX)
        crmpi_error("%s: record %s of %zu bytes cannot be written", writer->output.path,
                    name, bytes);
    else
        status = table_write(writer, name, crmpi_hdf_byte_type(), data, bytes);
    crmpi_hdf_unlock();
    writer->failed |= status != CRMPI_OK;
    return status;
}

enum crmpi_status crmpi_writer_dependencies(struct crmpi_writer *writer,
                                            const struct crmpi_dependencies *dependencies)
{
    enum crmpi_status status = CRMPI_ERR_INTERNAL;
    crmpi_hdf_lock();
    if (writer->failed || writer->has_dependencies)
        crmpi_error("%s: dependencies cannot be written now", writer->output.path);
    else
        status = crmpi_dependencies_write(writer->image, writer->output.path,
                                          &writer->job, dependencies);
    crmpi_hdf_unlock();
    writer->has_dependencies = 1;
    writer->failed |= status != CRMPI_OK;
    return status;
}

enum crmpi_status crmpi_writer_close(struct crmpi_writer *writer,
                                     uint64_t *file_bytes_out, uint64_t *digest_out)
{
    enum crmpi_status status = CRMPI_ERR_INTERNAL;
    uint64_t bytes = 0, digest = 0;

    if (!writer->has_memory || writer->failed) {
        crmpi_error("%s is not complete and cannot be closed", writer->output.path);
    } else {
        crmpi_hdf_lock();
        status = crmpi_image_finish(writer->image, writer->output.path);
        crmpi_hdf_unlock();
    }
    if (status == CRMPI_OK)
        status = crmpi_image_store(writer->image, &writer->output, &bytes, &digest);
    if (status != CRMPI_OK) {
        crmpi_writer_abort(writer);
        return status;
    }
    status = crmpi_output_commit(&writer->output, bytes);
    writer_free(writer);
    if (status == CRMPI_OK && file_bytes_out)
        *file_bytes_out = bytes;
    if (status == CRMPI_OK && digest_out)
        *digest_out = digest;
    return status;
}

void crmpi_writer_abort(struct crmpi_writer *writer)
{
    if (!writer)
        return;
    crmpi_output_abandon(&writer->output);
    writer_free(writer);
}
