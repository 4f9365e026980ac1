/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Attributes and checked datasets by HDF5, see hdf.h.  Lower half and tools.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "base/checksum.h"
#include "base/log.h"
#include "storage/container.h"
#include "storage/hdf.h"

#define CHECKSUM_ATTRIBUTE "xxh3_64"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int initialised;

void crmpi_hdf_lock(void)
{
    pthread_mutex_lock(&mutex);
    if (initialised)
        H5Eset_auto2(H5E_DEFAULT, NULL, NULL); /* of this thread */
}

void crmpi_hdf_unlock(void)
{
    pthread_mutex_unlock(&mutex);
}

enum crmpi_status crmpi_hdf_init(void)
{
    if (initialised)
        return CRMPI_OK;
    /* Files are always closed before anybody leaves; at exit other threads may be
     * inside. */
    H5dont_atexit();
    if (H5open() < 0 || H5Eset_auto2(H5E_DEFAULT, NULL, NULL) < 0 ||
        H5PLset_loading_state(0) < 0) {
        crmpi_error("cannot initialise HDF5");
        return CRMPI_ERR_INTERNAL;
    }
    initialised = 1;
    return CRMPI_OK;
}

static herr_t take_innermost(unsigned n, const H5E_error2_t *error, void *text_out)
{
    if (n == 0 && error->desc)
        *(const char **)text_out = error->desc;
    return 0;
}

enum crmpi_status crmpi_hdf_failed(const char *path, const char *what,
                                   enum crmpi_status status)
{
    const char *text = NULL;
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take_innermost, &text);
    crmpi_error("%s: %s%s%s%s", path, what, text ? " (HDF5: " : "", text ? text : "",
                text ? ")" : "");
    H5Eclear2(H5E_DEFAULT);
    return status;
}

hid_t crmpi_hdf_byte_type(void)
{
    return H5Tcopy(H5T_STD_U8LE);
}

hid_t crmpi_hdf_number_type(void)
{
    return H5Tcopy(H5T_STD_U64LE);
}

hid_t crmpi_hdf_region_type(void)
{
    hid_t type = H5Tcreate(H5T_COMPOUND, sizeof(struct crmpi_region));
    hid_t name = H5Tcopy(H5T_C_S1);
    const hsize_t n_words = CRMPI_POLICY_NODES / 64;
    hid_t nodes = H5Tarray_create2(H5T_STD_U64LE, 1, &n_words);

    H5Tset_size(name, sizeof((struct crmpi_region *)NULL)->name);
    H5Tinsert(type, "start", HOFFSET(struct crmpi_region, start), H5T_STD_U64LE);
    H5Tinsert(type, "bytes", HOFFSET(struct crmpi_region, bytes), H5T_STD_U64LE);
    H5Tinsert(type, "prot", HOFFSET(struct crmpi_region, prot), H5T_STD_U32LE);
    H5Tinsert(type, "flags", HOFFSET(struct crmpi_region, flags), H5T_STD_U32LE);
    H5Tinsert(type, "file_offset", HOFFSET(struct crmpi_region, file_offset),
              H5T_STD_U64LE);
    H5Tinsert(type, "device", HOFFSET(struct crmpi_region, device), H5T_STD_U64LE);
    H5Tinsert(type, "inode", HOFFSET(struct crmpi_region, inode), H5T_STD_U64LE);
    H5Tinsert(type, "file_bytes", HOFFSET(struct crmpi_region, file_bytes),
              H5T_STD_U64LE);
    H5Tinsert(type, "file_mtime_ns", HOFFSET(struct crmpi_region, file_mtime_ns),
              H5T_STD_I64LE);
    H5Tinsert(type, "attributes", HOFFSET(struct crmpi_region, attributes),
              H5T_STD_U32LE);
    H5Tinsert(type, "huge_page_kib", HOFFSET(struct crmpi_region, huge_page_kib),
              H5T_STD_U32LE);
    H5Tinsert(type, "policy", HOFFSET(struct crmpi_region, policy), H5T_STD_U64LE);
    H5Tinsert(type, "nodes", HOFFSET(struct crmpi_region, nodes), nodes);
    H5Tinsert(type, "name", HOFFSET(struct crmpi_region, name), name);
    H5Tclose(name);
    H5Tclose(nodes);
    return type;
}

hid_t crmpi_hdf_extent_type(void)
{
    hid_t type = H5Tcreate(H5T_COMPOUND, sizeof(struct crmpi_stored_extent));
    H5Tinsert(type, "start", HOFFSET(struct crmpi_stored_extent, start), H5T_STD_U64LE);
    H5Tinsert(type, "bytes", HOFFSET(struct crmpi_stored_extent, bytes), H5T_STD_U64LE);
    H5Tinsert(type, "offset", HOFFSET(struct crmpi_stored_extent, offset), H5T_STD_U64LE);
    return type;
}

hid_t crmpi_hdf_range_type(void)
{
    hid_t type = H5Tcreate(H5T_COMPOUND, sizeof(struct crmpi_extent));
    H5Tinsert(type, "start", HOFFSET(struct crmpi_extent, start), H5T_STD_U64LE);
    H5Tinsert(type, "bytes", HOFFSET(struct crmpi_extent, bytes), H5T_STD_U64LE);
    return type;
}

hid_t crmpi_hdf_block_type(void)
{
    hid_t type = H5Tcreate(H5T_COMPOUND, sizeof(struct crmpi_block));
    H5Tinsert(type, "offset", HOFFSET(struct crmpi_block, offset), H5T_STD_U64LE);
    H5Tinsert(type, "bytes", HOFFSET(struct crmpi_block, bytes), H5T_STD_U64LE);
    H5Tinsert(type, "file_offset", HOFFSET(struct crmpi_block, file_offset),
              H5T_STD_U64LE);
    H5Tinsert(type, "stored_bytes", HOFFSET(struct crmpi_block, stored_bytes),
              H5T_STD_U64LE);
    H5Tinsert(type, "checksum", HOFFSET(struct crmpi_block, checksum), H5T_STD_U64LE);
    return type;
}

#define FIGURE(member) HOFFSET(struct crmpi_line_rank, figures.member)
static void figures_insert(hid_t type)
{
    H5Tinsert(type, "memory_bytes", FIGURE(memory_bytes), H5T_STD_U64LE);
    H5Tinsert(type, "changed_bytes", FIGURE(changed_bytes), H5T_STD_U64LE);
    H5Tinsert(type, "raw_bytes", FIGURE(raw_bytes), H5T_STD_U64LE);
    H5Tinsert(type, "blocked_us", FIGURE(blocked_us), H5T_STD_U32LE);
    H5Tinsert(type, "save_us", FIGURE(save_us), H5T_STD_U32LE);
    H5Tinsert(type, "how", FIGURE(how), H5T_STD_U32LE);
    H5Tinsert(type, "level", FIGURE(level), H5T_STD_U32LE);
}

hid_t crmpi_hdf_line_rank_type(void)
{
    hid_t type = H5Tcreate(H5T_COMPOUND, sizeof(struct crmpi_line_rank));
    H5Tinsert(type, "sn", HOFFSET(struct crmpi_line_rank, sn), H5T_STD_U64LE);
    H5Tinsert(type, "file_bytes", HOFFSET(struct crmpi_line_rank, file_bytes),
              H5T_STD_U64LE);
    H5Tinsert(type, "digest", HOFFSET(struct crmpi_line_rank, digest), H5T_STD_U64LE);
    H5Tinsert(type, "incarnation", HOFFSET(struct crmpi_line_rank, incarnation),
              H5T_STD_U64LE);
    figures_insert(type);
    return type;
}

static herr_t attribute_write(hid_t object, const char *name, hid_t type,
                              const void *value)
{
    herr_t result = -1;
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    if (attribute >= 0) {
        result = H5Awrite(attribute, type, value);
        H5Aclose(attribute);
    }
    H5Sclose(space);
    return result;
}

/* Read a scalar attribute of exactly this type. */
static herr_t attribute_read(hid_t object, const char *name, hid_t type, void *value_out)
{
    herr_t result = -1;
    hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
    if (attribute < 0)
        return -1;
    hid_t stored = H5Aget_type(attribute), space = H5Aget_space(attribute);
    if (stored >= 0 && space >= 0 && H5Tequal(stored, type) > 0 &&
        H5Sget_simple_extent_npoints(space) == 1)
        result = H5Aread(attribute, type, value_out);
    H5Sclose(space);
    H5Tclose(stored);
    H5Aclose(attribute);
    return result;
}

/* Read a text of at most bytes - 1 characters; the type's size is that of the text. */
static herr_t text_read(hid_t object, const char *name, char *text_out, size_t bytes)
{
    herr_t result = -1;
    hid_t type = -1, attribute = H5Aopen(object, name, H5P_DEFAULT);
    if (attribute < 0)
        return -1;
    type = H5Aget_type(attribute);
    H5Aclose(attribute);
    if (type < 0)
        return -1;
    if (H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) == 0 &&
        H5Tget_size(type) <= bytes)
        result = attribute_read(object, name, type, text_out);
    H5Tclose(type);
    if (result >= 0 && !memchr(text_out, '\0', bytes))
        result = -1;
    return result;
}

static herr_t text_write(hid_t object, const char *name, const char *text, size_t bytes)
{
    size_t length = strnlen(text, bytes);
    if (length == bytes)
        return -1;
    hid_t type = H5Tcopy(H5T_C_S1);
    herr_t result = H5Tset_size(type, length + 1);
    if (result >= 0)
        result = attribute_write(object, name, type, text);
    H5Tclose(type);
    return result;
}

static hid_t field_type(const struct crmpi_hdf_field *field)
{
    return field->kind == CRMPI_HDF_U32   ? H5T_STD_U32LE
           : field->kind == CRMPI_HDF_U64 ? H5T_STD_U64LE
                                          : H5T_IEEE_F64LE;
}

enum crmpi_status crmpi_hdf_fields_write(hid_t group, const char *path,
                                         const struct crmpi_hdf_field *fields, size_t n,
                                         const void *structure)
{
    for (size_t i = 0; i < n; i++) {
        const char *member = (const char *)structure + fields[i].offset;
        herr_t result =
            fields[i].kind == CRMPI_HDF_TEXT
                ? text_write(group, fields[i].name, member, fields[i].bytes)
                : attribute_write(group, fields[i].name, field_type(&fields[i]), member);
        if (result < 0)
            return crmpi_hdf_failed(path, fields[i].name, CRMPI_ERR_INTERNAL);
    }
    return CRMPI_OK;
}

enum crmpi_status crmpi_hdf_fields_read(hid_t group, const char *path,
                                        const struct crmpi_hdf_field *fields, size_t n,
                                        void *structure_out)
{
    for (size_t i = 0; i < n; i++) {
        char *member = (char *)structure_out + fields[i].offset;
        herr_t result =
            fields[i].kind == CRMPI_HDF_TEXT
                ? text_read(group, fields[i].name, member, fields[i].bytes)
                : attribute_read(group, fields[i].name, field_type(&fields[i]), member);
        if (result < 0) {
            char what[96];
            snprintf(what, sizeof what, "attribute %s is missing or wrong",
                     fields[i].name);
            return crmpi_hdf_failed(path, what, CRMPI_ERR_CORRUPT);
        }
    }
    return CRMPI_OK;
}

hid_t crmpi_hdf_group_create(hid_t file, const char *name)
{
    hid_t links = H5Pcreate(H5P_LINK_CREATE), how = H5Pcreate(H5P_GROUP_CREATE);
    hid_t group = -1;
    /* All attributes of a group stay in its header. */
    if (H5Pset_create_intermediate_group(links, 1) >= 0 &&
        H5Pset_attr_phase_change(how, 64, 32) >= 0 && H5Pset_obj_track_times(how, 0) >= 0)
        group = H5Gcreate2(file, name, links, how, H5P_DEFAULT);
    H5Pclose(how);
    H5Pclose(links);
    return group;
}

hid_t crmpi_hdf_dataset_shape(hid_t file, const char *name, hid_t type, int n_dims,
                              const hsize_t *dims, hid_t how)
{
    hid_t space =
        n_dims ? H5Screate_simple(n_dims, dims, NULL) : H5Screate(H5S_SCALAR);
    hid_t links = H5Pcreate(H5P_LINK_CREATE);
    hid_t set = -1;
    if (space >= 0 && H5Pset_create_intermediate_group(links, 1) >= 0 &&
        H5Pset_fill_time(how, H5D_FILL_TIME_NEVER) >= 0 &&
        H5Pset_obj_track_times(how, 0) >= 0)
        set = H5Dcreate2(file, name, type, space, links, how, H5P_DEFAULT);
    H5Pclose(how);
    H5Pclose(links);
    H5Sclose(space);
    return set;
}

hid_t crmpi_hdf_dataset_create(hid_t file, const char *name, hid_t type, size_t n)
{
    hsize_t dims = n;
    hid_t how = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_alloc_time(how, H5D_ALLOC_TIME_EARLY);
    return crmpi_hdf_dataset_shape(file, name, type, 1, &dims, how);
}

enum crmpi_status crmpi_hdf_table_write(hid_t file, const char *path, const char *name,
                                        hid_t type, const void *data, size_t n)
{
    uint64_t checksum = crmpi_checksum(data, n * H5Tget_size(type));
    hid_t set = crmpi_hdf_dataset_create(file, name, type, n);
    if (set < 0)
        return crmpi_hdf_failed(path, name, CRMPI_ERR_INTERNAL);
    herr_t result = n ? H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) : 0;
    if (result >= 0)
        result = attribute_write(set, CHECKSUM_ATTRIBUTE, H5T_STD_U64LE, &checksum);
    H5Dclose(set);
    return result < 0 ? crmpi_hdf_failed(path, name, CRMPI_ERR_INTERNAL) : CRMPI_OK;
}

int64_t crmpi_hdf_dataset_elements(hid_t set, hid_t type)
{
    int64_t n = -1;
    hid_t stored = H5Dget_type(set), space = H5Dget_space(set);
    hid_t how = H5Dget_create_plist(set);
    if (stored >= 0 && space >= 0 && how >= 0 && H5Tequal(stored, type) > 0 &&
        H5Sget_simple_extent_ndims(space) == 1 && H5Pget_layout(how) == H5D_CONTIGUOUS &&
        H5Pget_nfilters(how) == 0 && H5Pget_external_count(how) == 0)
        n = H5Sget_simple_extent_npoints(space);
    H5Pclose(how);
    H5Sclose(space);
    H5Tclose(stored);
    return n;
}

static enum crmpi_status table_damaged(const char *path, const char *name,
                                       const char *how)
{
    crmpi_error("%s is damaged: %s %s", path, name, how);
    return CRMPI_ERR_CORRUPT;
}

enum crmpi_status crmpi_hdf_table_read(hid_t file, const char *path, const char *name,
                                       hid_t type, size_t n_max, void **data_out,
                                       size_t *n_out)
{
    enum crmpi_status status = CRMPI_OK;
    uint64_t checksum;
    void *data = NULL;
    hid_t set = H5Dopen2(file, name, H5P_DEFAULT);
    if (set < 0)
        return crmpi_hdf_failed(path, name, CRMPI_ERR_NOTFOUND);
    int64_t n = crmpi_hdf_dataset_elements(set, type);
    size_t bytes = 0;
    if (n < 0 || (uint64_t)n > n_max) {
        status = table_damaged(path, name, "is not of the form it should have");
        goto out;
    }
    bytes = (size_t)n * H5Tget_size(type);
    data = malloc(bytes ? bytes : 1);
    if (!data) {
        crmpi_error("%s: no memory for %zu bytes of %s", path, bytes, name);
        status = CRMPI_ERR_NOMEM;
    } else if ((n && H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0) ||
               attribute_read(set, CHECKSUM_ATTRIBUTE, H5T_STD_U64LE, &checksum) < 0) {
        status = crmpi_hdf_failed(path, name, CRMPI_ERR_CORRUPT);
    } else if (crmpi_checksum(data, bytes) != checksum) {
        status = table_damaged(path, name, "has a wrong checksum");
    }
out:
    H5Dclose(set);
    if (status != CRMPI_OK) {
        free(data);
        return status;
    }
    *data_out = data;
    *n_out = (size_t)n;
    return CRMPI_OK;
}
