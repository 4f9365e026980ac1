/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Opening one rank file, see opened.h.  Lower half and tools.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/log.h"
#include "storage/content.h"
#include "storage/file.h"
#include "storage/hdf.h"
#include "storage/job.h"
#include "storage/layout.h"
#include "storage/opened.h"
#include "storage/segment.h"

static enum crmpi_status no_memory(const struct crmpi_opened *opened)
{
    crmpi_error("no memory to read %s", opened->path);
    return CRMPI_ERR_NOMEM;
}

/* Read and check a part's content. */
static enum crmpi_status part_read(struct crmpi_opened *opened, struct crmpi_part *part)
{
    enum crmpi_status status =
        crmpi_content_read(opened->image, opened->path, part->group, &part->content);
    if (status == CRMPI_OK && part->content.n_kept &&
        !crmpi_image_parent(opened->image).sn) {
        crmpi_error("%s is damaged: %s keeps something of no parent", opened->path,
                    part->group);
        status = CRMPI_ERR_CORRUPT;
    }
    if (status == CRMPI_OK)
        status = crmpi_content_check(opened->path, part->group, &part->content,
                                     &part->data, &part->n_data);
    return status;
}

/* Cut extents where regions end that touch each other: users look at one region. */
static enum crmpi_status data_cut(const struct crmpi_opened *opened,
                                  struct crmpi_part *task)
{
    struct crmpi_extent *cut =
        malloc((task->n_data + opened->n_regions + 1) * sizeof *cut);
    size_t n = 0, in = 0;

    if (!cut)
        return no_memory(opened);
    for (size_t i = 0; i < task->n_data; i++) {
        uint64_t at = task->data[i].start, end = at + task->data[i].bytes;
        while (at < end) {
            uint64_t stop = opened->regions[in].start + opened->regions[in].bytes;
            if (stop <= at) {
                in++;
                continue;
            }
            cut[n].start = at;
            cut[n++].bytes = (end < stop ? end : stop) - at;
            at = end < stop ? end : stop;
        }
    }
    free(task->data);
    task->data = cut;
    task->n_data = n;
    return CRMPI_OK;
}

static enum crmpi_status task_read(struct crmpi_opened *opened,
                                   struct crmpi_ranges *taken)
{
    struct crmpi_part *task = &opened->parts[0];
    hid_t type = crmpi_hdf_region_type();
    void *regions;
    enum crmpi_status status = crmpi_hdf_table_read(
        crmpi_image_file(opened->image), opened->path, "/task/regions", type,
        CRMPI_REGIONS_MAX, &regions, &opened->n_regions);
    H5Tclose(type);
    if (status != CRMPI_OK)
        return status;
    opened->regions = regions;
    strcpy(task->group, "/task");
    if ((status = part_read(opened, task)) != CRMPI_OK)
        return status;
    status = crmpi_layout_check(opened->path, opened->regions, opened->n_regions,
                                task->data, task->n_data, taken);
    return status == CRMPI_OK ? data_cut(opened, task) : status;
}

static enum crmpi_status segment_read(struct crmpi_opened *opened, uint64_t window,
                                      struct crmpi_segment *segment,
                                      struct crmpi_part *part, struct crmpi_ranges *taken)
{
    crmpi_segment_name(window, part->group);
    enum crmpi_status status =
        crmpi_segment_read(opened->image, opened->path, window, segment);
    if (status == CRMPI_OK && segment->view_bytes)
        status = part_read(opened, part);
    if (status != CRMPI_OK)
        return status;
    segment->extents = part->data;
    segment->n_extents = part->n_data;
    return crmpi_layout_check_segment(opened->path, segment, taken);
}

static enum crmpi_status named_read(struct crmpi_opened *opened,
                                    struct crmpi_named *named, struct crmpi_part *part)
{
    snprintf(part->group, sizeof part->group, "/task/named/%s", named->name);
    enum crmpi_status status =
        crmpi_named_read(opened->image, opened->path, named, &part->content);
    if (status == CRMPI_OK)
        status = crmpi_named_check(opened->path, named, &part->content);
    if (status == CRMPI_OK)
        status = crmpi_layout_check_named(opened->path, named, opened->regions,
                                          opened->n_regions);
    return status;
}

/* Whether all blocks lie in the data area, apart. */
static enum crmpi_status places_check(const struct crmpi_opened *opened)
{
    const struct crmpi_content **all = malloc(opened->n_parts * sizeof *all);
    if (!all)
        return no_memory(opened);
    for (size_t i = 0; i < opened->n_parts; i++)
        all[i] = &opened->parts[i].content;
    enum crmpi_status status = crmpi_content_check_places(
        opened->path, all, opened->n_parts, crmpi_image_data_end(opened->image));
    free(all);
    return status;
}

static enum crmpi_status parts_read(struct crmpi_opened *opened, const uint64_t *windows)
{
    struct crmpi_ranges taken = {0};
    struct crmpi_part *part = opened->parts + 1;
    enum crmpi_status status = task_read(opened, &taken);
    for (size_t i = 0; status == CRMPI_OK && i < opened->n_segments; i++)
        status = segment_read(opened, windows[i], &opened->segments[i], part++, &taken);
    for (size_t i = 0; status == CRMPI_OK && i < opened->n_named; i++)
        status = named_read(opened, &opened->named[i], part++);
    if (status == CRMPI_OK)
        status = places_check(opened);
    free(taken.list);
    return status;
}

static enum crmpi_status tables_read(struct crmpi_opened *opened)
{
    uint64_t *windows = NULL;
    size_t n, n_named;
    enum crmpi_status status =
        crmpi_segments_find(opened->image, opened->path, &windows, &n);

    if (status == CRMPI_OK)
        status = crmpi_named_find(opened->image, opened->path, &opened->named, &n_named);
    if (status == CRMPI_OK) {
        opened->segments = calloc(n + 1, sizeof *opened->segments);
        opened->parts = calloc(1 + n + n_named, sizeof *opened->parts);
        if (!opened->segments || !opened->parts)
            status = no_memory(opened);
    }
    if (status == CRMPI_OK) {
        opened->n_segments = n;
        opened->n_named = n_named;
        opened->n_parts = 1 + n + n_named;
        status = parts_read(opened, windows);
    }
    free(windows);
    return status;
}

enum crmpi_status crmpi_opened_open(const char *path, const char *name,
                                    struct crmpi_opened *opened_out)
{
    struct crmpi_opened opened = {.path = strdup(name), .fd = -1};
    enum crmpi_status status;
    uint64_t file_bytes;

    if (!opened.path) {
        crmpi_error("no memory to read %s", name);
        return CRMPI_ERR_NOMEM;
    }
    if ((status = crmpi_input_open(path, &opened.fd, &file_bytes)) == CRMPI_OK &&
        (status = crmpi_image_load(CRMPI_CONTAINER_RANK, opened.fd, name, file_bytes,
                                   &opened.image)) == CRMPI_OK &&
        (status = crmpi_job_read(opened.image, name, &opened.job, NULL)) == CRMPI_OK)
        status = tables_read(&opened);
    if (status != CRMPI_OK) {
        int incomplete = status == CRMPI_ERR_NOTFOUND && opened.image;
        crmpi_opened_close(&opened);
        return incomplete ? CRMPI_ERR_CORRUPT : status; /* not found is the file itself */
    }
    *opened_out = opened;
    return CRMPI_OK;
}

void crmpi_opened_close(struct crmpi_opened *opened)
{
    crmpi_image_destroy(opened->image);
    if (opened->fd >= 0)
        close(opened->fd);
    for (size_t i = 0; i < opened->n_parts; i++) {
        crmpi_content_fini(&opened->parts[i].content);
        free(opened->parts[i].data);
        free(opened->parts[i].pieces);
    }
    free(opened->parts);
    free(opened->named);
    free(opened->segments);
    free(opened->regions);
    free(opened->path);
}
