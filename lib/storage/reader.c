/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading a rank's container.  Everything but the data area is read and checked when it is
 * opened (chain.c), of its parents, too; data go from the files to their addresses
 * (load.c).  Lower half and tools.
 */
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "storage/chain.h"
#include "storage/dependencies.h"
#include "storage/hdf.h"

struct crmpi_reader {
    struct crmpi_chain chain;
};

static const struct crmpi_opened *newest_of(const struct crmpi_reader *reader)
{
    return &reader->chain.files[0];
}

enum crmpi_status crmpi_reader_open(const char *path, struct crmpi_reader **reader_out)
{
    struct crmpi_reader *reader = calloc(1, sizeof *reader);

    if (!reader) {
        crmpi_error("no memory to read %s", path);
        return CRMPI_ERR_NOMEM;
    }
    crmpi_hdf_lock();
    enum crmpi_status status = crmpi_chain_open(path, &reader->chain);
    crmpi_hdf_unlock();
    if (status == CRMPI_OK)
        *reader_out = reader;
    else
        free(reader);
    return status;
}

const struct crmpi_job *crmpi_reader_job(const struct crmpi_reader *reader)
{
    return &newest_of(reader)->job;
}

enum crmpi_status crmpi_reader_memory(struct crmpi_reader *reader,
                                      const struct crmpi_region **regions_out,
                                      size_t *n_regions_out,
                                      const struct crmpi_extent **extents_out,
                                      size_t *n_extents_out)
{
    const struct crmpi_opened *newest = newest_of(reader);
    *regions_out = newest->regions;
    *n_regions_out = newest->n_regions;
    *extents_out = newest->parts[0].data;
    *n_extents_out = newest->parts[0].n_data;
    return CRMPI_OK;
}

void crmpi_reader_segments(const struct crmpi_reader *reader,
                           const struct crmpi_segment **segments_out, size_t *n_out)
{
    *segments_out = newest_of(reader)->segments;
    *n_out = newest_of(reader)->n_segments;
}

void crmpi_reader_named(const struct crmpi_reader *reader,
                        const struct crmpi_named **named_out, size_t *n_out)
{
    *named_out = newest_of(reader)->named;
    *n_out = newest_of(reader)->n_named;
}

struct crmpi_parent crmpi_reader_parent(const struct crmpi_reader *reader)
{
    return crmpi_image_parent(newest_of(reader)->image);
}

struct crmpi_sizes crmpi_reader_sizes(const struct crmpi_reader *reader)
{
    const struct crmpi_opened *newest = newest_of(reader);
    struct crmpi_sizes sizes = {.n_files = reader->chain.n,
                                .compression = newest->parts[0].content.compression};
    for (size_t i = 0; i < newest->n_parts; i++) {
        const struct crmpi_part *part = &newest->parts[i];
        sizes.data_bytes += crmpi_extents_bytes(part->data, part->n_data);
        sizes.raw_bytes += part->content.raw_bytes;
        for (size_t k = 0; k < part->content.n_blocks; k++)
            sizes.stored_bytes += part->content.blocks[k].stored_bytes;
    }
    return sizes;
}

enum crmpi_status crmpi_reader_verify(struct crmpi_reader *reader,
                                      crmpi_progress_fn progress, void *context)
{
    return crmpi_chain_read(&reader->chain, 0, 1, progress, context);
}

enum crmpi_status crmpi_reader_load(struct crmpi_reader *reader,
                                    crmpi_progress_fn progress, void *context)
{
    return crmpi_chain_read(&reader->chain, 1, newest_of(reader)->n_regions > 0, progress,
                            context);
}

enum crmpi_status crmpi_reader_named_read(struct crmpi_reader *reader, size_t index,
                                          void *to)
{
    const struct crmpi_opened *newest = newest_of(reader);
    return crmpi_part_read_to(newest, &newest->parts[1 + newest->n_segments + index], to);
}

enum crmpi_status crmpi_reader_record(struct crmpi_reader *reader, const char *name,
                                      void **data_out, size_t *bytes_out)
{
    const struct crmpi_opened *newest = newest_of(reader);
    crmpi_hdf_lock();
    hid_t type = crmpi_hdf_byte_type();
    enum crmpi_status status =
        crmpi_hdf_table_read(crmpi_image_file(newest->image), newest->path, name, type,
                             crmpi_image_bytes(newest->image), data_out, bytes_out);
    H5Tclose(type);
    crmpi_hdf_unlock();
    return status;
}

enum crmpi_status crmpi_reader_dependencies(struct crmpi_reader *reader,
                                            struct crmpi_dependencies *dependencies_out)
{
    const struct crmpi_opened *newest = newest_of(reader);
    crmpi_hdf_lock();
    enum crmpi_status status = crmpi_dependencies_read(newest->image, newest->path,
                                                       &newest->job, dependencies_out);
    crmpi_hdf_unlock();
    return status;
}

uint64_t crmpi_reader_digest(const struct crmpi_reader *reader)
{
    return crmpi_image_digest(newest_of(reader)->image);
}

struct record_visit {
    crmpi_record_fn call;
    void *context;
};

/* Records are the datasets of bytes, those of memory apart. */
#if H5_VERSION_GE(1, 12, 0)
typedef H5O_info2_t object_info;
#define OBJECT_VISIT H5Ovisit3
#else
typedef H5O_info_t object_info;
#define OBJECT_VISIT H5Ovisit2
#endif

static herr_t record_visit(hid_t root, const char *name, const object_info *info,
                           void *context)
{
    const struct record_visit *visit = context;
    char path[1024];
    int64_t bytes = -1;
    if (info->type != H5O_TYPE_DATASET || strcmp(name, "task/memory") == 0 ||
        strncmp(name, "window/", 7) == 0 || strncmp(name, "task/named/", 11) == 0 ||
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
    const struct crmpi_opened *newest = newest_of(reader);
    struct record_visit visit = {call, context};
    enum crmpi_status status = CRMPI_OK;
    crmpi_hdf_lock();
    if (OBJECT_VISIT(crmpi_image_file(newest->image), H5_INDEX_NAME, H5_ITER_INC,
                     record_visit, &visit, H5O_INFO_BASIC) < 0)
        status =
            crmpi_hdf_failed(newest->path, "cannot list its records", CRMPI_ERR_CORRUPT);
    crmpi_hdf_unlock();
    return status;
}

void crmpi_reader_close(struct crmpi_reader *reader)
{
    if (!reader)
        return;
    crmpi_hdf_lock();
    crmpi_chain_close(&reader->chain);
    crmpi_hdf_unlock();
    free(reader);
}
