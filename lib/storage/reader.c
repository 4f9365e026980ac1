/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading a rank's container.  Everything but the memory and the segments of windows is
 * read and checked when it is opened; those go from the file to their addresses.  Lower
 * half and tools.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
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

/* Extents and where their bytes are: those of the task, or of a segment. */
struct stored {
    char group[CRMPI_SEGMENT_NAME_BYTES];
    struct crmpi_extent *extents;
    size_t n_extents;
    uint64_t offset, bytes;
    uint64_t *checksums;
};

struct crmpi_reader {
    char *path;
    int fd;
    struct crmpi_image *image;
    struct crmpi_job job;
    struct crmpi_region *regions;
    size_t n_regions;
    struct crmpi_segment *segments;
    size_t n_segments;
    struct stored *stored; /* the task, and each segment */
    size_t n_stored;
};

static enum crmpi_status table_read(struct crmpi_reader *reader, const char *name,
                                    hid_t type, size_t n_max, void *data_out,
                                    size_t *n_out)
{
    void *data;
    enum crmpi_status status = crmpi_hdf_table_read(
        crmpi_image_file(reader->image), reader->path, name, type, n_max, &data, n_out);
    H5Tclose(type);
    if (status == CRMPI_OK)
        memcpy(data_out, &data, sizeof data);
    return status;
}

/* Read the extents; their offsets have to be the sums of the sizes. */
static enum crmpi_status extents_read(struct crmpi_reader *reader, struct stored *stored)
{
    struct crmpi_stored_extent *table;
    uint64_t offset = 0;
    char name[64];
    size_t n;
    snprintf(name, sizeof name, "%s/extents", stored->group);
    enum crmpi_status status =
        table_read(reader, name, crmpi_hdf_extent_type(), CRMPI_EXTENTS_MAX, &table, &n);
    if (status != CRMPI_OK)
        return status;
    stored->extents = calloc(n ? n : 1, sizeof *stored->extents);
    if (!stored->extents) {
        crmpi_error("no memory to read %s", reader->path);
        status = CRMPI_ERR_NOMEM;
    }
    for (size_t i = 0; status == CRMPI_OK && i < n; i++) {
        if (table[i].offset != offset) {
            crmpi_error("%s is damaged: extent %zu of %s is not where it should be",
                        reader->path, i, stored->group);
            status = CRMPI_ERR_CORRUPT;
        }
        stored->extents[i].start = table[i].start;
        stored->extents[i].bytes = table[i].bytes;
        offset += table[i].bytes;
    }
    stored->n_extents = n;
    free(table);
    return status;
}

/* Find the bytes of the extents, which were checked, and read the checksums. */
static enum crmpi_status bytes_find(struct crmpi_reader *reader, struct stored *stored,
                                    uint64_t bytes)
{
    char name[64];
    size_t n_blocks;
    snprintf(name, sizeof name, "%s/memory", stored->group);
    enum crmpi_status status = crmpi_image_take_memory(reader->image, reader->path, name,
                                                       &stored->offset, &stored->bytes);
    if (status != CRMPI_OK)
        return status;
    if (bytes != stored->bytes) {
        crmpi_error("%s is damaged: the extents of %s have %" PRIu64
                    " bytes, its memory %" PRIu64,
                    reader->path, stored->group, bytes, stored->bytes);
        return CRMPI_ERR_CORRUPT;
    }
    snprintf(name, sizeof name, "%s/checksums", stored->group);
    status = table_read(reader, name, crmpi_hdf_number_type(), crmpi_blocks_of(bytes),
                        &stored->checksums, &n_blocks);
    if (status == CRMPI_OK && n_blocks != crmpi_blocks_of(bytes)) {
        crmpi_error("%s is damaged: %s has %zu checksums for %" PRIu64 " bytes",
                    reader->path, stored->group, n_blocks, bytes);
        status = CRMPI_ERR_CORRUPT;
    }
    return status;
}

static enum crmpi_status task_read(struct crmpi_reader *reader,
                                   struct crmpi_ranges *taken)
{
    struct stored *task = &reader->stored[0];
    enum crmpi_status status;
    uint64_t bytes;

    strcpy(task->group, "/task");
    if ((status = table_read(reader, "/task/regions", crmpi_hdf_region_type(),
                             CRMPI_REGIONS_MAX, &reader->regions, &reader->n_regions)) !=
            CRMPI_OK ||
        (status = extents_read(reader, task)) != CRMPI_OK ||
        (status = crmpi_layout_check(reader->path, reader->regions, reader->n_regions,
                                     task->extents, task->n_extents, taken, &bytes)) !=
            CRMPI_OK)
        return status;
    return bytes_find(reader, task, bytes);
}

static enum crmpi_status segment_read(struct crmpi_reader *reader, uint64_t window,
                                      struct crmpi_segment *segment,
                                      struct stored *stored, struct crmpi_ranges *taken)
{
    enum crmpi_status status;
    uint64_t bytes;

    crmpi_segment_name(window, stored->group);
    status = crmpi_segment_read(reader->image, reader->path, window, segment);
    if (status == CRMPI_OK && segment->view_bytes)
        status = extents_read(reader, stored);
    if (status != CRMPI_OK)
        return status;
    segment->extents = stored->extents;
    segment->n_extents = stored->n_extents;
    status = crmpi_layout_check_segment(reader->path, segment, taken, &bytes);
    if (status == CRMPI_OK && segment->view_bytes)
        status = bytes_find(reader, stored, bytes);
    return status;
}

static enum crmpi_status all_read(struct crmpi_reader *reader, const uint64_t *windows,
                                  struct crmpi_ranges *taken)
{
    enum crmpi_status status = task_read(reader, taken);
    for (size_t i = 0; status == CRMPI_OK && i < reader->n_segments; i++)
        status = segment_read(reader, windows[i], &reader->segments[i],
                              &reader->stored[i + 1], taken);
    if (status == CRMPI_OK && !crmpi_image_all_taken(reader->image)) {
        crmpi_error("%s is damaged: it has memory that belongs to nothing", reader->path);
        status = CRMPI_ERR_CORRUPT;
    }
    return status;
}

static enum crmpi_status tables_read(struct crmpi_reader *reader)
{
    struct crmpi_ranges taken = {0};
    uint64_t *windows;
    size_t n;
    enum crmpi_status status =
        crmpi_segments_find(reader->image, reader->path, &windows, &n);

    if (status != CRMPI_OK)
        return status;
    reader->segments = calloc(n + 1, sizeof *reader->segments);
    reader->stored = calloc(n + 1, sizeof *reader->stored);
    if (reader->segments && reader->stored) {
        reader->n_segments = n;
        reader->n_stored = n + 1;
        status = all_read(reader, windows, &taken);
    } else {
        crmpi_error("no memory to read %s", reader->path);
        status = CRMPI_ERR_NOMEM;
    }
    free(taken.list);
    free(windows);
    return status;
}

enum crmpi_status crmpi_reader_open(const char *path, struct crmpi_reader **reader_out)
{
    enum crmpi_status status;
    uint64_t file_bytes;
    struct crmpi_reader *reader = calloc(1, sizeof *reader);

    if (!reader || !(reader->path = strdup(path))) {
        crmpi_error("no memory to read %s", path);
        free(reader);
        return CRMPI_ERR_NOMEM;
    }
    reader->fd = -1;
    crmpi_hdf_lock();
    if ((status = crmpi_input_open(path, &reader->fd, &file_bytes)) == CRMPI_OK &&
        (status = crmpi_image_load(CRMPI_CONTAINER_RANK, reader->fd, path, file_bytes,
                                   &reader->image)) == CRMPI_OK &&
        (status = crmpi_job_read(reader->image, path, &reader->job, NULL)) == CRMPI_OK)
        status = tables_read(reader);
    crmpi_hdf_unlock();
    if (status != CRMPI_OK) {
        int incomplete = status == CRMPI_ERR_NOTFOUND && reader->image;
        crmpi_reader_close(reader);
        return incomplete ? CRMPI_ERR_CORRUPT : status; /* not found is the file itself */
    }
    *reader_out = reader;
    return CRMPI_OK;
}

const struct crmpi_job *crmpi_reader_job(const struct crmpi_reader *reader)
{
    return &reader->job;
}

enum crmpi_status crmpi_reader_memory(struct crmpi_reader *reader,
                                      const struct crmpi_region **regions_out,
                                      size_t *n_regions_out,
                                      const struct crmpi_extent **extents_out,
                                      size_t *n_extents_out)
{
    *regions_out = reader->regions;
    *n_regions_out = reader->n_regions;
    *extents_out = reader->stored[0].extents;
    *n_extents_out = reader->stored[0].n_extents;
    return CRMPI_OK;
}

void crmpi_reader_segments(const struct crmpi_reader *reader,
                           const struct crmpi_segment **segments_out, size_t *n_out)
{
    *segments_out = reader->segments;
    *n_out = reader->n_segments;
}

static enum crmpi_status block_damaged(const struct crmpi_reader *reader,
                                       const struct stored *stored, uint64_t block,
                                       const struct iovec *last)
{
    crmpi_error("%s is damaged: block %" PRIu64
                " of %s/memory (before address %p) has a wrong checksum",
                reader->path, block, stored->group,
                (void *)((char *)last->iov_base + last->iov_len));
    return CRMPI_ERR_CORRUPT;
}

/* Have the kernel make the pages at once: cheaper than a fault for each of them.  Where
 * it cannot (before Linux 5.14) they are made when they are written. */
static void pages_populate(const struct iovec *iov, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uintptr_t start = (uintptr_t)iov[i].iov_base & ~(uintptr_t)4095;
        uintptr_t end = (uintptr_t)iov[i].iov_base + iov[i].iov_len;
        madvise((void *)start, end - start, MADV_POPULATE_WRITE);
    }
}

struct progress {
    crmpi_progress_fn call; /* may be NULL */
    void *context;
    uint64_t before, total; /* bytes of what was read before, and of all */
};

/*
 * Read the bytes of extents, piece by piece, and check every block: to where it belongs,
 * or, if there is a buffer of the size of a block, all pieces into that.
 */
static enum crmpi_status stored_read(struct crmpi_reader *reader,
                                     const struct stored *stored, void *buffer,
                                     const struct progress *progress)
{
    struct crmpi_walk walk = {.extents = stored->extents, .n_extents = stored->n_extents};
    struct crmpi_checksum_state state;
    struct iovec iov[IOV_AT_ONCE], *to = iov;
    struct iovec whole = {buffer, 0};
    uint64_t block = 0;
    size_t n;

    crmpi_checksum_begin(&state);
    for (;;) {
        uint64_t before = walk.offset;
        if ((n = crmpi_walk_next(&walk, iov, IOV_AT_ONCE)) == 0)
            return CRMPI_OK;
        struct iovec last = iov[n - 1];
        if (buffer) {
            whole.iov_len = walk.offset - before;
            to = &whole;
            n = 1;
        } else {
            pages_populate(iov, n);
        }
        enum crmpi_status status =
            crmpi_input_read(reader->fd, reader->path, to, n, stored->offset + before);
        if (status != CRMPI_OK)
            return status;
        for (size_t i = 0; i < n; i++)
            crmpi_checksum_add(&state, to[i].iov_base, to[i].iov_len);
        if (!crmpi_walk_at_block_end(&walk))
            continue;
        if (crmpi_checksum_end(&state) != stored->checksums[block])
            return block_damaged(reader, stored, block, &last);
        crmpi_checksum_begin(&state);
        block++;
        if (progress->call &&
            (block % PROGRESS_BLOCKS == 0 || walk.offset == stored->bytes))
            progress->call(progress->context, progress->before + walk.offset,
                           progress->total);
    }
}

static enum crmpi_status memory_read(struct crmpi_reader *reader, void *buffer,
                                     crmpi_progress_fn call, void *context)
{
    struct progress progress = {.call = call, .context = context};
    enum crmpi_status status = CRMPI_OK;

    for (size_t i = 0; i < reader->n_stored; i++)
        progress.total += reader->stored[i].bytes;
    for (size_t i = 0; status == CRMPI_OK && i < reader->n_stored; i++) {
        status = stored_read(reader, &reader->stored[i], buffer, &progress);
        progress.before += reader->stored[i].bytes;
    }
    return status;
}

enum crmpi_status crmpi_reader_verify(struct crmpi_reader *reader,
                                      crmpi_progress_fn progress, void *context)
{
    void *buffer = aligned_alloc(4096, CRMPI_BLOCK_BYTES);
    if (!buffer) {
        crmpi_error("no memory to verify %s", reader->path);
        return CRMPI_ERR_NOMEM;
    }
    enum crmpi_status status = memory_read(reader, buffer, progress, context);
    free(buffer);
    return status;
}

enum crmpi_status crmpi_reader_load(struct crmpi_reader *reader,
                                    crmpi_progress_fn progress, void *context)
{
    return memory_read(reader, NULL, progress, context);
}

enum crmpi_status crmpi_reader_record(struct crmpi_reader *reader, const char *name,
                                      void **data_out, size_t *bytes_out)
{
    crmpi_hdf_lock();
    enum crmpi_status status =
        table_read(reader, name, crmpi_hdf_byte_type(), crmpi_image_bytes(reader->image),
                   data_out, bytes_out);
    crmpi_hdf_unlock();
    return status;
}

enum crmpi_status crmpi_reader_dependencies(struct crmpi_reader *reader,
                                            struct crmpi_dependencies *dependencies_out)
{
    crmpi_hdf_lock();
    enum crmpi_status status = crmpi_dependencies_read(reader->image, reader->path,
                                                       &reader->job, dependencies_out);
    crmpi_hdf_unlock();
    return status;
}

uint64_t crmpi_reader_digest(const struct crmpi_reader *reader)
{
    return crmpi_image_digest(reader->image);
}

struct record_visit {
    crmpi_record_fn call;
    void *context;
};

/* Records are the datasets of bytes, those of memory apart. */
static herr_t record_visit(hid_t root, const char *name, const H5O_info_t *info,
                           void *context)
{
    const struct record_visit *visit = context;
    char path[1024];
    int64_t bytes = -1;
    if (info->type != H5O_TYPE_DATASET || strcmp(name, "task/memory") == 0 ||
        strncmp(name, "window/", 7) == 0 ||
        snprintf(path, sizeof path, "/%s", name) >= (int)sizeof path)
        return 0;
    hid_t set = H5Dopen2(root, name, H5P_DEFAULT);
    if (set < 0)
        return -1;
    bytes = crmpi_hdf_dataset_elements(set, H5T_STD_U8LE);
    H5Dclose(set);
    if (bytes >= 0)
        visit->call(visit->context, path, (uint64_t)bytes);
    return 0;
}

enum crmpi_status crmpi_reader_records(struct crmpi_reader *reader, crmpi_record_fn call,
                                       void *context)
{
    struct record_visit visit = {call, context};
    enum crmpi_status status = CRMPI_OK;
    crmpi_hdf_lock();
    if (H5Ovisit2(crmpi_image_file(reader->image), H5_INDEX_NAME, H5_ITER_INC,
                  record_visit, &visit, H5O_INFO_BASIC) < 0)
        status =
            crmpi_hdf_failed(reader->path, "cannot list its records", CRMPI_ERR_CORRUPT);
    crmpi_hdf_unlock();
    return status;
}

void crmpi_reader_close(struct crmpi_reader *reader)
{
    if (!reader)
        return;
    crmpi_hdf_lock();
    crmpi_image_destroy(reader->image);
    crmpi_hdf_unlock();
    if (reader->fd >= 0)
        close(reader->fd);
    for (size_t i = 0; i < reader->n_stored; i++) {
        free(reader->stored[i].extents);
        free(reader->stored[i].checksums);
    }
    free(reader->stored);
    free(reader->segments);
    free(reader->regions);
    free(reader->path);
    free(reader);
}
