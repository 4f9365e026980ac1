/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The few things crmpi stores by HDF5: attributes, and one-dimensional datasets of bytes
 * or records that carry their checksum.  Lower half and tools; not thread safe, as HDF5
 * is not.
 *
 * Every function logs its failure with @p path and what HDF5 says, in one line.
 */
#ifndef CRMPI_STORAGE_HDF_H
#define CRMPI_STORAGE_HDF_H

#include <hdf5.h>
#if H5_VERSION_GE(1, 13, 0)
#include <H5FDdevelop.h>
#endif
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"

void crmpi_hdf_lock(void);
void crmpi_hdf_unlock(void);

/** Prepare HDF5: no error stacks on stderr, no plug-ins, nothing at exit. */
enum crmpi_status crmpi_hdf_init(void);

/** Log "PATH: WHAT", and what HDF5's last call said, and return @p status. */
enum crmpi_status crmpi_hdf_failed(const char *path, const char *what,
                                   enum crmpi_status status);

/* Types of dataset elements; the caller closes them with H5Tclose(). */
hid_t crmpi_hdf_byte_type(void);
hid_t crmpi_hdf_number_type(void); /* uint64_t */
hid_t crmpi_hdf_region_type(void);
hid_t crmpi_hdf_extent_type(void); /* struct crmpi_stored_extent */
hid_t crmpi_hdf_range_type(void);  /* struct crmpi_extent */
hid_t crmpi_hdf_block_type(void);
hid_t crmpi_hdf_line_rank_type(void);

/** Create a group for attributes, with the groups in its name. */
hid_t crmpi_hdf_group_create(hid_t file, const char *name);

/** Create a dataset with the groups in its name; its space is allocated, and never
 * filled. */
hid_t crmpi_hdf_dataset_create(hid_t file, const char *name, hid_t type, size_t n);

/** The same of any shape.
 * @param how  properties for its creation, which are closed; also on failure */
hid_t crmpi_hdf_dataset_shape(hid_t file, const char *name, hid_t type, int n_dims,
                              const hsize_t *dims, hid_t how);

/** The number of elements of a dataset such as we write: of one dimension, contiguous,
 * within this file, of exactly @p type; -1 if it is another. */
int64_t crmpi_hdf_dataset_elements(hid_t set, hid_t type);

/** Write dataset @p name of @p n elements, its checksum, and the groups in the name. */
enum crmpi_status crmpi_hdf_table_write(hid_t file, const char *path, const char *name,
                                        hid_t type, const void *data, size_t n);

/**
 * Read a dataset of elements of exactly @p type, checked by its checksum.
 * @param n_max  more elements than that are taken as damage
 * @param[out] data_out  from malloc(), not NULL even if empty
 */
enum crmpi_status crmpi_hdf_table_read(hid_t file, const char *path, const char *name,
                                       hid_t type, size_t n_max, void **data_out,
                                       size_t *n_out);

/* An attribute of a group: a number or a short text, at a place in a structure. */
struct crmpi_hdf_field {
    const char *name;
    enum { CRMPI_HDF_U32, CRMPI_HDF_U64, CRMPI_HDF_DOUBLE, CRMPI_HDF_TEXT } kind;
    size_t offset, bytes; /* of the member; of a text with its NUL */
};

enum crmpi_status crmpi_hdf_fields_write(hid_t group, const char *path,
                                         const struct crmpi_hdf_field *fields, size_t n,
                                         const void *structure);
enum crmpi_status crmpi_hdf_fields_read(hid_t group, const char *path,
                                        const struct crmpi_hdf_field *fields, size_t n,
                                        void *structure_out);

#endif
