/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Contents in a container, see content.h.  Lower half and tools.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "storage/codec.h"
#include "storage/content.h"
#include "storage/hdf.h"
#include "storage/layout.h"

enum { NAME_BYTES = 128 };

static enum crmpi_status no_memory(const char *path)
{
    crmpi_error("%s: no memory for its tables", path);
    return CRMPI_ERR_NOMEM;
}

/* ---- checks ---- */

/* Ranges that may begin and end anywhere: to be sorted. */
static int range_compare(const void *a, const void *b)
{
    const struct crmpi_extent *x = a, *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

/* Whether ranges, which are sorted by this, are apart and within [start, end). */
static int ranges_are_apart(struct crmpi_extent *ranges, size_t n, uint64_t start,
                            uint64_t end)
{
    if (n)
        qsort(ranges, n, sizeof *ranges, range_compare);
    for (size_t i = 0; i < n; i++) {
        if (ranges[i].start < start || ranges[i].start > end ||
            ranges[i].bytes > end - ranges[i].start)
            return 0;
        start = ranges[i].start + ranges[i].bytes;
    }
    return 1;
}

/* What is wrong with the blocks; NULL if nothing. */
static const char *blocks_fault(const struct crmpi_content *content)
{
    uint64_t offset = 0;
    for (size_t i = 0; i < content->n_blocks; i++) {
        const struct crmpi_block *block = &content->blocks[i];
        if (block->offset != offset || block->bytes == 0 ||
            block->bytes > CRMPI_BLOCK_BYTES ||
            block->bytes > content->raw_bytes - offset)
            return "do not follow one another";
        if (block->stored_bytes == 0 || block->stored_bytes > block->bytes)
            return "have impossible sizes";
        if (content->compression != CRMPI_COMPRESSION_NONE &&
            block->bytes != CRMPI_BLOCK_BYTES)
            return "are too short to be compressed";
        if (content->compression == CRMPI_COMPRESSION_NONE &&
            (block->stored_bytes != block->bytes ||
             block->file_offset - content->blocks[0].file_offset != offset))
            return "do not lie one behind the other";
        offset += block->bytes;
    }
    return offset == content->raw_bytes ? NULL : "do not have all bytes";
}

/* Whether stored extents are apart in memory, and within it. */
static int stored_are_apart(const struct crmpi_content *content)
{
    struct crmpi_extent *places = malloc((content->n_stored + 1) * sizeof *places);
    if (!places)
        return -1;
    for (size_t i = 0; i < content->n_stored; i++)
        places[i] =
            (struct crmpi_extent){content->stored[i].offset, content->stored[i].bytes};
    int apart = ranges_are_apart(places, content->n_stored, 0, content->raw_bytes);
    free(places);
    return apart;
}

/* Merge the extents by their starts; 0 if they are not ascending and apart. */
static int data_merge(const struct crmpi_content *content, struct crmpi_extent *data,
                      size_t *n_out)
{
    const struct crmpi_stored_extent *stored = content->stored;
    const struct crmpi_extent *kept = content->kept;
    size_t s = 0, k = 0, n = 0;
    uint64_t end = 0;

    while (s < content->n_stored || k < content->n_kept) {
        int take_stored = k == content->n_kept ||
                          (s < content->n_stored && stored[s].start < kept[k].start);
        struct crmpi_extent next =
            take_stored ? (struct crmpi_extent){stored[s].start, stored[s].bytes}
                        : kept[k];
        if (next.bytes == 0 || next.start < end || next.bytes > UINT64_MAX - next.start)
            return 0;
        data[n++] = next;
        end = next.start + next.bytes;
        s += (size_t)take_stored;
        k += (size_t)!take_stored;
    }
    *n_out = n;
    return 1;
}

enum crmpi_status crmpi_content_check(const char *path, const char *group,
                                      const struct crmpi_content *content,
                                      struct crmpi_extent **data_out, size_t *n_data_out)
{
    const char *fault = blocks_fault(content);
    struct crmpi_extent *data = NULL;

    if (fault) {
        crmpi_error("%s: blocks of %s %s", path, group, fault);
        return CRMPI_ERR_CORRUPT;
    }
    if (content->n_stored > CRMPI_EXTENTS_MAX || content->n_kept > CRMPI_EXTENTS_MAX) {
        crmpi_error("%s: %zu and %zu extents of %s are more than %zu", path,
                    content->n_stored, content->n_kept, group, CRMPI_EXTENTS_MAX);
        return CRMPI_ERR_CORRUPT;
    }
    int apart = stored_are_apart(content);
    if (apart < 0 ||
        !(data = malloc((content->n_stored + content->n_kept + 1) * sizeof *data)))
        return no_memory(path);
    if (!apart || !data_merge(content, data, n_data_out)) {
        crmpi_error("%s: extents of %s overlap, or are not where its memory is", path,
                    group);
        free(data);
        return CRMPI_ERR_CORRUPT;
    }
    *data_out = data;
    return CRMPI_OK;
}

enum crmpi_status crmpi_content_check_places(const char *path,
                                             const struct crmpi_content *const *contents,
                                             size_t n, uint64_t data_end)
{
    size_t n_places = 0, at = 0;
    for (size_t i = 0; i < n; i++)
        n_places += contents[i]->n_blocks;
    struct crmpi_extent *places = malloc((n_places + 1) * sizeof *places);
    if (!places)
        return no_memory(path);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < contents[i]->n_blocks; k++) {
            const struct crmpi_block *block = &contents[i]->blocks[k];
            places[at++] = (struct crmpi_extent){block->file_offset, block->stored_bytes};
        }
    int apart = ranges_are_apart(places, n_places, CRMPI_DATA_OFFSET, data_end);
    free(places);
    if (apart)
        return CRMPI_OK;
    crmpi_error("%s: blocks of its memory overlap, or lie outside of the data area",
                path);
    return CRMPI_ERR_CORRUPT;
}

/* ---- the dataset of the bytes ---- */

/* What HDF5 is given for bytes that it must not look at. */
static const char unseen[CRMPI_BLOCK_BYTES];

static hid_t chunks_properties(enum crmpi_compression compression)
{
    const hsize_t elements = CRMPI_BLOCK_BYTES / CRMPI_CODEC_ELEMENT;
    const unsigned level = CRMPI_CODEC_ZSTD_LEVEL;
    hid_t how = H5Pcreate(H5P_DATASET_CREATE);
    int zstd = compression == CRMPI_COMPRESSION_ZSTD;

    /* Optional: blocks may have been left as they were, and HDF5 need not have them now */
    if (H5Pset_chunk(how, 1, &elements) < 0 || H5Pset_shuffle(how) < 0 ||
        H5Pset_filter(how, zstd ? CRMPI_FILTER_ZSTD : CRMPI_FILTER_LZ4, H5Z_FLAG_OPTIONAL,
                      zstd ? 1 : 0, &level) < 0) {
        H5Pclose(how);
        return -1;
    }
    return how;
}

/* Tell HDF5 where each block is. */
static int chunks_tell(struct crmpi_image *image, hid_t set,
                       const struct crmpi_content *content)
{
    for (size_t i = 0; i < content->n_blocks; i++) {
        const struct crmpi_block *block = &content->blocks[i];
        hsize_t element = block->offset / CRMPI_CODEC_ELEMENT;
        uint32_t skipped = block->stored_bytes == block->bytes ? 3 : 0;
        crmpi_image_place(image, block->file_offset);
        if (H5Dwrite_chunk(set, H5P_DEFAULT, skipped, &element, block->stored_bytes,
                           unseen) < 0)
            return -1;
    }
    return 0;
}

static enum crmpi_status compressed_write(struct crmpi_image *image, const char *path,
                                          const char *name,
                                          const struct crmpi_content *content)
{
    hsize_t elements = content->raw_bytes / CRMPI_CODEC_ELEMENT;
    hid_t how = chunks_properties(content->compression);
    hid_t set = how < 0 ? -1
                        : crmpi_hdf_dataset_shape(crmpi_image_file(image), name,
                                                  H5T_STD_U64LE, 1, &elements, how);
    int result = set < 0 ? -1 : chunks_tell(image, set, content);
    crmpi_image_place(image, 0);
    if (set >= 0)
        H5Dclose(set);
    return result < 0 ? crmpi_hdf_failed(path, name, CRMPI_ERR_INTERNAL) : CRMPI_OK;
}

/* Create a contiguous dataset whose bytes are where the blocks are. */
static hid_t plain_create(struct crmpi_image *image, const char *name, hid_t type,
                          int n_dims, const hsize_t *dims,
                          const struct crmpi_content *content)
{
    hid_t how = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_alloc_time(how, H5D_ALLOC_TIME_EARLY);
    crmpi_image_place(image, content->n_blocks ? content->blocks[0].file_offset : 0);
    hid_t set =
        crmpi_hdf_dataset_shape(crmpi_image_file(image), name, type, n_dims, dims, how);
    crmpi_image_place(image, 0);
    if (set >= 0 && content->n_blocks &&
        H5Dget_offset(set) != content->blocks[0].file_offset) {
        H5Dclose(set);
        return -1;
    }
    return set;
}

static enum crmpi_status plain_write(struct crmpi_image *image, const char *path,
                                     const char *name,
                                     const struct crmpi_content *content)
{
    hsize_t elements = content->raw_bytes;
    hid_t set = plain_create(image, name, H5T_STD_U8LE, 1, &elements, content);
    if (set < 0)
        return crmpi_hdf_failed(path, name, CRMPI_ERR_INTERNAL);
    H5Dclose(set);
    return CRMPI_OK;
}

/* The filter of a dataset such as compressed_write() makes; 0 if it is another. */
static H5Z_filter_t filter_of(hid_t how)
{
    unsigned flags, config, values[1];
    size_t n = 1;
    hsize_t elements = 0;
    if (H5Pget_layout(how) != H5D_CHUNKED || H5Pget_chunk(how, 1, &elements) != 1 ||
        elements != CRMPI_BLOCK_BYTES / CRMPI_CODEC_ELEMENT ||
        H5Pget_external_count(how) != 0 || H5Pget_nfilters(how) != 2 ||
        H5Pget_filter2(how, 0, &flags, &n, values, 0, NULL, &config) !=
            H5Z_FILTER_SHUFFLE ||
        n != 1 || values[0] != CRMPI_CODEC_ELEMENT)
        return 0;
    n = 0;
    return H5Pget_filter2(how, 1, &flags, &n, NULL, 0, NULL, &config);
}

/* Take raw_bytes and compression from a chunked dataset. */
static int chunked_look(hid_t set, struct crmpi_content *content)
{
    hid_t how = H5Dget_create_plist(set), type = H5Dget_type(set);
    hid_t space = H5Dget_space(set);
    H5Z_filter_t filter = filter_of(how);
    hssize_t n = -1;

    if (H5Tequal(type, H5T_STD_U64LE) > 0 && H5Sget_simple_extent_ndims(space) == 1)
        n = H5Sget_simple_extent_npoints(space);
    H5Sclose(space);
    H5Tclose(type);
    H5Pclose(how);
    if (n < 0 || n > INT64_MAX / CRMPI_CODEC_ELEMENT ||
        (filter != CRMPI_FILTER_LZ4 && filter != CRMPI_FILTER_ZSTD))
        return -1;
    content->raw_bytes = (uint64_t)n * CRMPI_CODEC_ELEMENT;
    content->compression =
        filter == CRMPI_FILTER_LZ4 ? CRMPI_COMPRESSION_LZ4 : CRMPI_COMPRESSION_ZSTD;
    return 0;
}

/* Whether HDF5's users see the bytes that the blocks have: of chunks that there are as
 * many, and of as many bytes. */
static int places_agree(hid_t set, const struct crmpi_content *content)
{
    uint64_t stored = 0;
    if (content->n_blocks == 0)
        return content->raw_bytes == 0;
    if (content->compression == CRMPI_COMPRESSION_NONE)
        return H5Dget_offset(set) == content->blocks[0].file_offset;
    for (size_t i = 0; i < content->n_blocks; i++)
        stored += content->blocks[i].stored_bytes;
    return H5Dget_storage_size(set) == stored;
}

static enum crmpi_status memory_look(struct crmpi_image *image, const char *path,
                                     const char *name, struct crmpi_content *content)
{
    hid_t set = H5Dopen2(crmpi_image_file(image), name, H5P_DEFAULT);
    if (set < 0)
        return crmpi_hdf_failed(path, name, CRMPI_ERR_CORRUPT);
    int64_t n = crmpi_hdf_dataset_elements(set, H5T_STD_U8LE);
    int possible = n >= 0 || chunked_look(set, content) == 0;
    if (n >= 0)
        content->raw_bytes = (uint64_t)n;
    possible = possible && places_agree(set, content);
    H5Dclose(set);
    if (possible)
        return CRMPI_OK;
    crmpi_error("%s is damaged: %s is not what its blocks are", path, name);
    return CRMPI_ERR_CORRUPT;
}

/* ---- with its tables ---- */

static enum crmpi_status table_write(struct crmpi_image *image, const char *path,
                                     const char *group, const char *what, hid_t type,
                                     const void *data, size_t n)
{
    char name[NAME_BYTES];
    snprintf(name, sizeof name, "%s/%s", group, what);
    enum crmpi_status status =
        crmpi_hdf_table_write(crmpi_image_file(image), path, name, type, data, n);
    H5Tclose(type);
    return status;
}

static enum crmpi_status table_read(struct crmpi_image *image, const char *path,
                                    const char *group, const char *what, hid_t type,
                                    void *data_out, size_t *n_out)
{
    char name[NAME_BYTES];
    void *data;
    snprintf(name, sizeof name, "%s/%s", group, what);
    enum crmpi_status status =
        crmpi_hdf_table_read(crmpi_image_file(image), path, name, type,
                             crmpi_image_bytes(image) / H5Tget_size(type), &data, n_out);
    H5Tclose(type);
    if (status == CRMPI_OK)
        memcpy(data_out, &data, sizeof data);
    return status;
}

enum crmpi_status crmpi_content_write(struct crmpi_image *image, const char *path,
                                      const char *group,
                                      const struct crmpi_content *content)
{
    char memory[NAME_BYTES];
    enum crmpi_status status;
    snprintf(memory, sizeof memory, "%s/memory", group);
    status = content->compression == CRMPI_COMPRESSION_NONE
                 ? plain_write(image, path, memory, content)
                 : compressed_write(image, path, memory, content);
    if (status == CRMPI_OK)
        status = table_write(image, path, group, "extents", crmpi_hdf_extent_type(),
                             content->stored, content->n_stored);
    if (status == CRMPI_OK)
        status = table_write(image, path, group, "kept", crmpi_hdf_range_type(),
                             content->kept, content->n_kept);
    if (status == CRMPI_OK)
        status = table_write(image, path, group, "blocks", crmpi_hdf_block_type(),
                             content->blocks, content->n_blocks);
    return status;
}

enum crmpi_status crmpi_content_read(struct crmpi_image *image, const char *path,
                                     const char *group, struct crmpi_content *content_out)
{
    struct crmpi_content content = {0};
    char memory[NAME_BYTES];
    enum crmpi_status status =
        table_read(image, path, group, "extents", crmpi_hdf_extent_type(),
                   &content.stored, &content.n_stored);
    if (status == CRMPI_OK)
        status = table_read(image, path, group, "kept", crmpi_hdf_range_type(),
                            &content.kept, &content.n_kept);
    if (status == CRMPI_OK)
        status = table_read(image, path, group, "blocks", crmpi_hdf_block_type(),
                            &content.blocks, &content.n_blocks);
    snprintf(memory, sizeof memory, "%s/memory", group);
    if (status == CRMPI_OK)
        status = memory_look(image, path, memory, &content);
    if (status == CRMPI_OK)
        *content_out = content;
    else
        crmpi_content_fini(&content);
    return status;
}

void crmpi_content_fini(struct crmpi_content *content)
{
    free((void *)content->stored);
    free((void *)content->kept);
    free((void *)content->blocks);
    *content = (struct crmpi_content){0};
}

/* ---- named regions ---- */

#define NAMED_GROUP "/task/named"
#define NAMED_BLOCKS "/task/named_blocks"

static const struct {
    const hid_t *hdf; /* known when HDF5 has been opened */
    size_t bytes;
} types[] = {
    [CRMPI_NAMED_INT8] = {&H5T_STD_I8LE_g, 1},
    [CRMPI_NAMED_UINT8] = {&H5T_STD_U8LE_g, 1},
    [CRMPI_NAMED_INT16] = {&H5T_STD_I16LE_g, 2},
    [CRMPI_NAMED_UINT16] = {&H5T_STD_U16LE_g, 2},
    [CRMPI_NAMED_INT32] = {&H5T_STD_I32LE_g, 4},
    [CRMPI_NAMED_UINT32] = {&H5T_STD_U32LE_g, 4},
    [CRMPI_NAMED_INT64] = {&H5T_STD_I64LE_g, 8},
    [CRMPI_NAMED_UINT64] = {&H5T_STD_U64LE_g, 8},
    [CRMPI_NAMED_FLOAT] = {&H5T_IEEE_F32LE_g, 4},
    [CRMPI_NAMED_DOUBLE] = {&H5T_IEEE_F64LE_g, 8},
};
#define N_TYPES (sizeof types / sizeof *types)
#define DIMS_MAX (sizeof((struct crmpi_named *)NULL)->dims / sizeof(uint64_t))

static const struct crmpi_hdf_field named_fields[] = {
    {"address", CRMPI_HDF_U64, offsetof(struct crmpi_named, start), 8},
};

size_t crmpi_named_type_bytes(uint32_t type)
{
    return type < N_TYPES ? types[type].bytes : 0;
}

/* The bytes that type and shape make; 0 if they are impossible. */
static uint64_t named_bytes(const struct crmpi_named *named)
{
    uint64_t bytes = crmpi_named_type_bytes(named->type);
    if (named->n_dims > DIMS_MAX)
        return 0;
    for (uint32_t i = 0; i < named->n_dims; i++) {
        if (named->dims[i] == 0 || bytes > INT64_MAX / named->dims[i])
            return 0;
        bytes *= named->dims[i];
    }
    return bytes;
}

static int name_is_possible(const struct crmpi_named *named)
{
    return memchr(named->name, '\0', sizeof named->name) && named->name[0] &&
           strcmp(named->name, ".") != 0 && !strchr(named->name, '/');
}

enum crmpi_status crmpi_named_check(const char *path, const struct crmpi_named *named,
                                    const struct crmpi_content *content)
{
    const struct crmpi_stored_extent *stored = content->stored;
    int possible = name_is_possible(named) && named->bytes &&
                   named->bytes == named_bytes(named) &&
                   named->start <= UINT64_MAX - named->bytes;

    if (possible && content->compression == CRMPI_COMPRESSION_NONE &&
        content->n_stored == 1 && content->n_kept == 0 && stored->start == named->start &&
        stored->bytes == named->bytes && stored->offset == 0 &&
        content->raw_bytes == named->bytes && !blocks_fault(content))
        return CRMPI_OK;
    crmpi_error("%s: the named region %.*s is impossible", path,
                (int)sizeof named->name - 1, named->name);
    return CRMPI_ERR_CORRUPT;
}

enum crmpi_status crmpi_named_write(struct crmpi_image *image, const char *path,
                                    const struct crmpi_named *named,
                                    const struct crmpi_content *content)
{
    char name[NAME_BYTES];
    hsize_t dims[DIMS_MAX];

    for (uint32_t i = 0; i < named->n_dims; i++)
        dims[i] = named->dims[i];
    snprintf(name, sizeof name, NAMED_GROUP "/%s", named->name);
    hid_t set = plain_create(image, name, *types[named->type].hdf, (int)named->n_dims,
                             dims, content);
    if (set < 0)
        return crmpi_hdf_failed(path, name, CRMPI_ERR_INTERNAL);
    enum crmpi_status status = crmpi_hdf_fields_write(set, path, named_fields, 1, named);
    H5Dclose(set);
    if (status == CRMPI_OK)
        status = table_write(image, path, NAMED_BLOCKS, named->name,
                             crmpi_hdf_block_type(), content->blocks, content->n_blocks);
    return status;
}

struct found {
    struct crmpi_named *list;
    size_t n;
    enum crmpi_status status;
};

static herr_t named_add(hid_t all, const char *name, const H5L_info_t *info,
                        void *context)
{
    struct found *found = context;
    (void)all;
    found->status = CRMPI_ERR_CORRUPT;
    if (info->type != H5L_TYPE_HARD || found->n == CRMPI_NAMED_MAX ||
        strlen(name) >= sizeof found->list->name)
        return -1;
    struct crmpi_named *more = realloc(found->list, (found->n + 1) * sizeof *more);
    found->status = CRMPI_ERR_NOMEM;
    if (!more)
        return -1;
    found->list = more;
    memset(&more[found->n], 0, sizeof *more);
    strcpy(more[found->n++].name, name);
    return 0;
}

enum crmpi_status crmpi_named_find(struct crmpi_image *image, const char *path,
                                   struct crmpi_named **named_out, size_t *n_out)
{
    struct found found = {.status = CRMPI_ERR_CORRUPT};
    hid_t file = crmpi_image_file(image);
    htri_t exists = H5Lexists(file, NAMED_GROUP, H5P_DEFAULT);

    if (exists < 0 ||
        (exists && H5Literate_by_name(file, NAMED_GROUP, H5_INDEX_NAME, H5_ITER_INC, NULL,
                                      named_add, &found, H5P_DEFAULT) < 0)) {
        free(found.list);
        return crmpi_hdf_failed(path, "cannot list its named regions", found.status);
    }
    *named_out = found.list;
    *n_out = found.n;
    return CRMPI_OK;
}

/* Type and shape of a dataset; its type stays 0 if it is not one of ours. */
static void named_look(hid_t set, struct crmpi_named *named)
{
    hid_t type = H5Dget_type(set), space = H5Dget_space(set);
    hsize_t dims[H5S_MAX_RANK];
    int n = H5Sget_simple_extent_ndims(space);

    for (uint32_t i = 1; i < N_TYPES; i++)
        if (n >= 0 && n <= (int)DIMS_MAX && H5Tequal(type, *types[i].hdf) > 0)
            named->type = i;
    if (named->type && H5Sget_simple_extent_dims(space, dims, NULL) == n) {
        named->n_dims = (uint32_t)n;
        for (int i = 0; i < n; i++)
            named->dims[i] = dims[i];
    }
    H5Sclose(space);
    H5Tclose(type);
}

/* Whether a dataset has no layout but its own bytes in the file. */
static int is_contiguous(hid_t set)
{
    hid_t how = H5Dget_create_plist(set);
    int plain = H5Pget_layout(how) == H5D_CONTIGUOUS && H5Pget_nfilters(how) == 0 &&
                H5Pget_external_count(how) == 0;
    H5Pclose(how);
    return plain;
}

enum crmpi_status crmpi_named_read(struct crmpi_image *image, const char *path,
                                   struct crmpi_named *named,
                                   struct crmpi_content *content_out)
{
    struct crmpi_content content = {0};
    char name[NAME_BYTES];
    enum crmpi_status status =
        table_read(image, path, NAMED_BLOCKS, named->name, crmpi_hdf_block_type(),
                   &content.blocks, &content.n_blocks);
    if (status != CRMPI_OK)
        return status;
    snprintf(name, sizeof name, NAMED_GROUP "/%s", named->name);
    hid_t set = H5Dopen2(crmpi_image_file(image), name, H5P_DEFAULT);
    struct crmpi_stored_extent *stored = calloc(1, sizeof *stored);
    if (!stored)
        status = no_memory(path);
    else if (set < 0)
        status = crmpi_hdf_failed(path, name, CRMPI_ERR_CORRUPT);
    else
        status = crmpi_hdf_fields_read(set, path, named_fields, 1, named);
    if (status == CRMPI_OK) {
        named_look(set, named);
        named->bytes = content.raw_bytes = named_bytes(named);
        *stored = (struct crmpi_stored_extent){named->start, named->bytes, 0};
        content.n_stored = 1;
        if (!is_contiguous(set) || !places_agree(set, &content)) {
            crmpi_error("%s is damaged: %s is not what its blocks are", path, name);
            status = CRMPI_ERR_CORRUPT;
        }
    }
    content.stored = stored;
    if (set >= 0)
        H5Dclose(set);
    if (status == CRMPI_OK)
        *content_out = content;
    else
        crmpi_content_fini(&content);
    return status;
}
