/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The HDF5 side of a container, in memory.  HDF5 never touches a file: it works, by a
 * driver of ours, on an image of everything in the file but the data area, which is a hole
 * in the image and is full before HDF5 begins.  So HDF5 cannot fail for want of disk
 * space, and when reading it sees no byte whose digest was not checked before:
 *
 *   file   | seal | HDF5: superblock | data area            | HDF5: all else |
 *          0      4096            8192                 data_end          file_bytes
 *   image  | head -------------------|                      | tail ----------|
 *
 * The seal stands in HDF5's user block and holds sizes, the parent and the digest
 * (doc/format.md).  Lower half and tools; see hdf.h about threads.
 */
#ifndef CRMPI_STORAGE_IMAGE_H
#define CRMPI_STORAGE_IMAGE_H

#include <hdf5.h>
#include <stdint.h>
#include "base/status.h"
#include "storage/container.h"
#include "storage/file.h"

enum crmpi_container_kind { CRMPI_CONTAINER_RANK = 1, CRMPI_CONTAINER_LINE = 2 };

struct crmpi_image;

/**
 * Create an empty image; @p path is for messages, in all functions here.
 * @param data_end  of the data area
 * @param parent  for the seal; NULL: none
 */
enum crmpi_status crmpi_image_create(enum crmpi_container_kind kind, const char *path,
                                     uint64_t data_end, const struct crmpi_parent *parent,
                                     struct crmpi_image **image_out);

/** The HDF5 file in the image. */
hid_t crmpi_image_file(const struct crmpi_image *image);

/** Have what HDF5 makes room for next, the elements of a dataset or a chunk of them, lie
 * at @p offset in the data area; what it writes there is ignored.  0: behind the area, as
 * all else. */
void crmpi_image_place(struct crmpi_image *image, uint64_t offset);

/** Let HDF5 finish its file.  Nothing can be added afterwards. */
enum crmpi_status crmpi_image_finish(struct crmpi_image *image, const char *path);

/**
 * Seal a finished image and write all but the data area to the file.  Without HDF5.
 * @param[out] bytes_out  of the whole file
 * @param[out] digest_out  that the seal has
 */
enum crmpi_status crmpi_image_store(struct crmpi_image *image,
                                    const struct crmpi_output *output,
                                    uint64_t *bytes_out, uint64_t *digest_out);

/** Read all but the data area from a file of @p file_bytes, check the seal and open it by
 * HDF5. */
enum crmpi_status crmpi_image_load(enum crmpi_container_kind kind, int fd,
                                   const char *path, uint64_t file_bytes,
                                   struct crmpi_image **image_out);

/** The bytes of the file that are its data area: CRMPI_DATA_OFFSET to this. */
uint64_t crmpi_image_data_end(const struct crmpi_image *image);

/** The parent that a loaded file's seal names. */
struct crmpi_parent crmpi_image_parent(const struct crmpi_image *image);

/** The digest of a loaded file's seal. */
uint64_t crmpi_image_digest(const struct crmpi_image *image);

/** Bytes of everything else: no dataset can have more. */
uint64_t crmpi_image_bytes(const struct crmpi_image *image);

void crmpi_image_destroy(struct crmpi_image *image);

/**
 * Read the parent that a rank file's seal names, without checking the file otherwise.
 * @param[out] parent_out  unless CRMPI_ERR_NOTFOUND, which is not logged
 */
enum crmpi_status crmpi_seal_parent(const char *path, struct crmpi_parent *parent_out);

#endif
