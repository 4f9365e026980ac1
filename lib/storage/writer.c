/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writing a rank's container.  Whoever has the bytes of memory writes them to the file's
 * data area; here it is noted what they are, and all else is written at the close.  Lower
 * half and tools (tests).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "storage/content.h"
#include "storage/dependencies.h"
#include "storage/file.h"
#include "storage/hdf.h"
#include "storage/image.h"
#include "storage/job.h"
#include "storage/layout.h"
#include "storage/segment.h"

#define RECORD_MAX ((size_t)1 << 31)

struct segment {
    struct crmpi_segment about;
    struct crmpi_content content;
};

struct named {
    struct crmpi_named about;
    struct crmpi_content content;
};

struct record {
    char *name;
    void *data;
    size_t bytes;
};

struct crmpi_writer {
    struct crmpi_output output;
    struct crmpi_job job;
    struct crmpi_parent parent;
    const struct crmpi_region *regions;
    size_t n_regions;
    struct crmpi_content task;
    struct segment *segments;
    struct named *named;
    struct record *records;
    size_t n_segments, n_named, n_records;
    void *dependencies; /* packed */
    size_t dependencies_bytes;
    struct crmpi_ranges taken; /* regions and views */
    int has_task;
    int failed; /* only abort is left to do */
};

static void writer_free(struct crmpi_writer *writer)
{
    for (size_t i = 0; i < writer->n_records; i++) {
        free(writer->records[i].name);
        free(writer->records[i].data);
    }
    free(writer->records);
    free(writer->segments);
    free(writer->named);
    free(writer->dependencies);
    free(writer->taken.list);
    free(writer);
}

enum crmpi_status crmpi_writer_create(const char *path, const struct crmpi_job *job,
                                      const struct crmpi_parent *parent,
                                      struct crmpi_writer **writer_out)
{
    struct crmpi_writer *writer = calloc(1, sizeof *writer);
    if (!writer) {
        crmpi_error("no memory to write %s", path);
        return CRMPI_ERR_NOMEM;
    }
    writer->job = *job;
    if (parent && parent->sn)
        writer->parent = *parent;
    enum crmpi_status status = crmpi_output_open(path, &writer->output);
    if (status == CRMPI_OK)
        *writer_out = writer;
    else
        writer_free(writer);
    return status;
}

int crmpi_writer_descriptor(const struct crmpi_writer *writer)
{
    return writer->output.fd;
}

enum crmpi_status crmpi_writer_reserve(struct crmpi_writer *writer, uint64_t bytes)
{
    enum crmpi_status status = crmpi_output_reserve(&writer->output, bytes);
    writer->failed |= status != CRMPI_OK;
    return status;
}

enum crmpi_status crmpi_writer_failed(struct crmpi_writer *writer, int error)
{
    writer->failed = 1;
    crmpi_error(error == EFAULT ? "memory to be saved in %s cannot be read: %s"
                                : "cannot write %s: %s",
                writer->output.tmp, strerror(error));
    return crmpi_file_status(error);
}

/* What a writer is given wrongly is no damage. */
static enum crmpi_status given(struct crmpi_writer *writer, enum crmpi_status status)
{
    writer->failed |= status != CRMPI_OK;
    return status == CRMPI_ERR_CORRUPT ? CRMPI_ERR_INTERNAL : status;
}

/* Whether the writer can take something: n of it are there already. */
static int is_ready(struct crmpi_writer *writer, const char *what, int in_order, size_t n,
                    size_t n_max)
{
    if (in_order && !writer->failed && n < n_max)
        return 1;
    crmpi_error("%s: %s cannot be written now", writer->output.path, what);
    writer->failed = 1;
    return 0;
}

static enum crmpi_status no_memory(struct crmpi_writer *writer)
{
    crmpi_error("no memory to write %s", writer->output.path);
    writer->failed = 1;
    return CRMPI_ERR_NOMEM;
}

/* Make room for one more in a list of n. */
static int list_grow(void *list_pointer, size_t n, size_t element_bytes)
{
    void *list, *larger;

    memcpy(&list, list_pointer, sizeof list);
    if (n & (n - 1)) /* there is room up to the next power of two */
        return 1;
    larger = realloc(list, (n ? 2 * n : 1) * element_bytes);
    if (larger)
        memcpy(list_pointer, &larger, sizeof larger);
    return larger != NULL;
}

/* Check a content as it will be checked when it is read. */
static enum crmpi_status content_check(const struct crmpi_writer *writer,
                                       const char *group,
                                       const struct crmpi_content *content,
                                       struct crmpi_extent **data_out, size_t *n_out)
{
    if (content->n_kept && !writer->parent.sn) {
        crmpi_error("%s: %s keeps something of no parent", writer->output.path, group);
        return CRMPI_ERR_INTERNAL;
    }
    return crmpi_content_check(writer->output.path, group, content, data_out, n_out);
}

enum crmpi_status crmpi_writer_task(struct crmpi_writer *writer,
                                    const struct crmpi_region *regions, size_t n_regions,
                                    const struct crmpi_content *content)
{
    struct crmpi_extent *data;
    size_t n_data;
    if (!is_ready(writer, "memory", !writer->has_task, 0, 1))
        return CRMPI_ERR_INTERNAL;
    enum crmpi_status status = content_check(writer, "/task", content, &data, &n_data);
    if (status == CRMPI_OK) {
        status = crmpi_layout_check(writer->output.path, regions, n_regions, data, n_data,
                                    &writer->taken);
        free(data);
    }
    writer->regions = regions;
    writer->n_regions = n_regions;
    writer->task = *content;
    writer->has_task = 1;
    return given(writer, status);
}

/* A file has a window once. */
static int has_window(const struct crmpi_writer *writer, uint64_t window)
{
    size_t i = 0;
    while (i < writer->n_segments && writer->segments[i].about.window != window)
        i++;
    return i < writer->n_segments;
}

enum crmpi_status crmpi_writer_segment(struct crmpi_writer *writer,
                                       const struct crmpi_segment *segment,
                                       const struct crmpi_content *content)
{
    struct segment added = {.about = *segment};
    struct crmpi_extent *data = NULL;
    char group[CRMPI_SEGMENT_NAME_BYTES];
    enum crmpi_status status = CRMPI_OK;

    crmpi_segment_name(segment->window, group);
    if (!is_ready(writer, group,
                  writer->has_task && !has_window(writer, segment->window) &&
                      !segment->view_bytes == !content,
                  writer->n_segments, CRMPI_SEGMENTS_MAX))
        return CRMPI_ERR_INTERNAL;
    added.about.extents = NULL;
    added.about.n_extents = 0;
    if (content) {
        added.content = *content;
        status = content_check(writer, group, content, &data, &added.about.n_extents);
        added.about.extents = data;
    }
    if (status == CRMPI_OK)
        status =
            crmpi_layout_check_segment(writer->output.path, &added.about, &writer->taken);
    free(data);
    if (status != CRMPI_OK)
        return given(writer, status);
    if (!list_grow(&writer->segments, writer->n_segments, sizeof added))
        return no_memory(writer);
    writer->segments[writer->n_segments++] = added;
    return CRMPI_OK;
}

static int has_name(const struct crmpi_writer *writer, const char *name)
{
    size_t i = 0;
    while (i < writer->n_named && strcmp(writer->named[i].about.name, name) != 0)
        i++;
    return i < writer->n_named;
}

enum crmpi_status crmpi_writer_named(struct crmpi_writer *writer,
                                     const struct crmpi_named *named,
                                     const struct crmpi_content *content)
{
    const char *path = writer->output.path;
    if (!is_ready(writer, "a named region", writer->has_task, writer->n_named,
                  CRMPI_NAMED_MAX))
        return CRMPI_ERR_INTERNAL;
    enum crmpi_status status = crmpi_named_check(path, named, content);
    if (status == CRMPI_OK &&
        !is_ready(writer, named->name, !has_name(writer, named->name), 0, 1))
        return CRMPI_ERR_INTERNAL;
    if (status == CRMPI_OK)
        status =
            crmpi_layout_check_named(path, named, writer->regions, writer->n_regions);
    if (status != CRMPI_OK)
        return given(writer, status);
    if (!list_grow(&writer->named, writer->n_named, sizeof *writer->named))
        return no_memory(writer);
    writer->named[writer->n_named++] = (struct named){*named, *content};
    return CRMPI_OK;
}

static int has_record(const struct crmpi_writer *writer, const char *name)
{
    size_t i = 0;
    while (i < writer->n_records && strcmp(writer->records[i].name, name) != 0)
        i++;
    return i < writer->n_records;
}

/* Whether a record may have a name: groups of ours are not its place. */
static int name_is_free(const char *name)
{
    static const char *const ours[] = {"/window",      "/dependencies", "/task/named",
                                       "/task/memory", "/task/extents", "/task/kept",
                                       "/task/blocks", "/task/regions", "/job"};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (strncmp(name, ours[i], strlen(ours[i])) == 0)
            return 0;
    return name[0] == '/';
}

enum crmpi_status crmpi_writer_record(struct crmpi_writer *writer, const char *name,
                                      const void *data, size_t bytes)
{
    struct record record = {.bytes = bytes};

    if (!is_ready(writer, name,
                  name_is_free(name) && !has_record(writer, name) && bytes <= RECORD_MAX,
                  0, 1))
        return CRMPI_ERR_INTERNAL;
    record.name = strdup(name);
    record.data = malloc(bytes ? bytes : 1);
    if (!record.name || !record.data ||
        !list_grow(&writer->records, writer->n_records, sizeof record)) {
        free(record.name);
        free(record.data);
        return no_memory(writer);
    }
    if (bytes)
        memcpy(record.data, data, bytes);
    writer->records[writer->n_records++] = record;
    return CRMPI_OK;
}

enum crmpi_status crmpi_writer_dependencies(struct crmpi_writer *writer,
                                            const struct crmpi_dependencies *dependencies)
{
    if (!is_ready(writer, "/dependencies", !writer->dependencies, 0, 1))
        return CRMPI_ERR_INTERNAL;
    enum crmpi_status status =
        crmpi_dependencies_fit(writer->output.path, &writer->job, dependencies);
    if (status == CRMPI_OK && crmpi_dependencies_pack(dependencies, &writer->dependencies,
                                                      &writer->dependencies_bytes) != 0)
        return no_memory(writer);
    return given(writer, status);
}

/* ---- the close ---- */

static enum crmpi_status segments_write(struct crmpi_writer *writer,
                                        struct crmpi_image *image)
{
    enum crmpi_status status = CRMPI_OK;
    char group[CRMPI_SEGMENT_NAME_BYTES];
    for (size_t i = 0; status == CRMPI_OK && i < writer->n_segments; i++) {
        const struct segment *segment = &writer->segments[i];
        crmpi_segment_name(segment->about.window, group);
        status = crmpi_segment_write(image, writer->output.path, &segment->about);
        if (status == CRMPI_OK && segment->about.view_bytes)
            status =
                crmpi_content_write(image, writer->output.path, group, &segment->content);
    }
    return status;
}

/* Each copy is given up when it is in the image. */
static enum crmpi_status records_write(struct crmpi_writer *writer,
                                       struct crmpi_image *image)
{
    enum crmpi_status status = CRMPI_OK;
    hid_t type = crmpi_hdf_byte_type();
    for (size_t i = 0; status == CRMPI_OK && i < writer->n_records; i++) {
        struct record *record = &writer->records[i];
        status = crmpi_hdf_table_write(crmpi_image_file(image), writer->output.path,
                                       record->name, type, record->data, record->bytes);
        free(record->data);
        record->data = NULL;
    }
    H5Tclose(type);
    return status;
}

static enum crmpi_status dependencies_write(struct crmpi_writer *writer,
                                            struct crmpi_image *image)
{
    struct crmpi_dependencies all;
    if (!writer->dependencies)
        return CRMPI_OK;
    if (crmpi_dependencies_unpack(&all, writer->dependencies,
                                  writer->dependencies_bytes) != 0)
        return no_memory(writer);
    enum crmpi_status status =
        crmpi_dependencies_write(image, writer->output.path, &writer->job, &all);
    crmpi_dependencies_fini(&all);
    return status;
}

/* Everything but the data area, by HDF5. */
static enum crmpi_status image_make(struct crmpi_writer *writer, uint64_t data_end,
                                    struct crmpi_image **image_out)
{
    const char *path = writer->output.path;
    struct crmpi_image *image;
    enum crmpi_status status =
        crmpi_image_create(CRMPI_CONTAINER_RANK, path, data_end, &writer->parent, &image);
    if (status != CRMPI_OK)
        return status;
    status = crmpi_job_write(image, path, &writer->job, NULL);
    if (status == CRMPI_OK)
        status = crmpi_content_write(image, path, "/task", &writer->task);
    hid_t type = crmpi_hdf_region_type();
    if (status == CRMPI_OK)
        status = crmpi_hdf_table_write(crmpi_image_file(image), path, "/task/regions",
                                       type, writer->regions, writer->n_regions);
    H5Tclose(type);
    if (status == CRMPI_OK)
        status = segments_write(writer, image);
    for (size_t i = 0; status == CRMPI_OK && i < writer->n_named; i++)
        status = crmpi_named_write(image, path, &writer->named[i].about,
                                   &writer->named[i].content);
    if (status == CRMPI_OK)
        status = records_write(writer, image);
    if (status == CRMPI_OK)
        status = dependencies_write(writer, image);
    if (status == CRMPI_OK)
        status = crmpi_image_finish(image, path);
    if (status == CRMPI_OK)
        *image_out = image;
    else
        crmpi_image_destroy(image);
    return status;
}

/* Whether all blocks lie where there is data. */
static enum crmpi_status places_check(const struct crmpi_writer *writer,
                                      uint64_t data_end)
{
    size_t n = 0;
    const struct crmpi_content **all =
        malloc((1 + writer->n_segments + writer->n_named) * sizeof *all);
    if (!all) {
        crmpi_error("no memory to write %s", writer->output.path);
        return CRMPI_ERR_NOMEM;
    }
    all[n++] = &writer->task;
    for (size_t i = 0; i < writer->n_segments; i++)
        all[n++] = &writer->segments[i].content;
    for (size_t i = 0; i < writer->n_named; i++)
        all[n++] = &writer->named[i].content;
    enum crmpi_status status =
        crmpi_content_check_places(writer->output.path, all, n, data_end);
    free(all);
    return status;
}

static enum crmpi_status writer_finish(struct crmpi_writer *writer, uint64_t data_end,
                                       uint64_t *bytes_out, uint64_t *digest_out)
{
    struct crmpi_image *image = NULL;
    if (!writer->has_task || writer->failed || data_end < CRMPI_DATA_OFFSET) {
        crmpi_error("%s is not complete and cannot be closed", writer->output.path);
        return CRMPI_ERR_INTERNAL;
    }
    enum crmpi_status status = places_check(writer, data_end);
    if (status != CRMPI_OK)
        return status;
    crmpi_hdf_lock();
    status = image_make(writer, data_end, &image);
    crmpi_hdf_unlock();
    if (status == CRMPI_OK)
        status = crmpi_image_store(image, &writer->output, bytes_out, digest_out);
    crmpi_hdf_lock();
    crmpi_image_destroy(image);
    crmpi_hdf_unlock();
    return status;
}

enum crmpi_status crmpi_writer_close(struct crmpi_writer *writer, uint64_t data_end,
                                     int sync, uint64_t *file_bytes_out,
                                     uint64_t *digest_out)
{
    uint64_t bytes, digest;
    enum crmpi_status status = crmpi_output_reclaim(&writer->output);

    if (status == CRMPI_OK)
        status = writer_finish(writer, data_end, &bytes, &digest);
    if (status != CRMPI_OK) {
        crmpi_writer_abort(writer);
        return status;
    }
    status = crmpi_output_commit(&writer->output, bytes, sync);
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
