/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The HDF5 side of a container, in memory.  HDF5 never touches a file: it works, by a
 * driver of ours, on an image of everything in the file but the memory of the rank and of
 * its windows, which are holes in the image.  So HDF5 cannot fail for want of disk space,
 * and when reading it sees no byte whose digest was not checked before:
 *
 *   file   | seal | HDF5: superblock | memory | HDF5: tables | memory | HDF5 | holes |
 *          0      4096                                                        file_bytes
 *   image  | part 0 -----------------| hole 0 | part 1 ------| hole 1 | part 2 ------|
 *
 * The seal stands in HDF5's user block and holds sizes and the digest; the table of the
 * holes stands behind HDF5's end (doc/format.md).
 * Lower half and tools; see hdf.h about threads.
 */
#ifndef CRMPI_STORAGE_IMAGE_H
#define CRMPI_STORAGE_IMAGE_H

#include <hdf5.h>
#include <stdint.h>
#include "base/status.h"
#include "storage/file.h"

enum crmpi_container_kind { CRMPI_CONTAINER_RANK = 1, CRMPI_CONTAINER_LINE = 2 };

struct crmpi_image;

/** Create an empty image; @p path is for messages, in all functions here. */
enum crmpi_status crmpi_image_create(enum crmpi_container_kind kind, const char *path,
                                     struct crmpi_image **image_out);

/** The HDF5 file in the image. */
hid_t crmpi_image_file(const struct crmpi_image *image);

/**
 * Create the dataset @p name, of bytes that are not in the image.
 * @param[out] offset_out  where they are in the file; a multiple of 4096 unless they are
 *                         fewer than that, 0 if there are none
 */
enum crmpi_status crmpi_image_add_memory(struct crmpi_image *image, const char *path,
                                         const char *name, uint64_t bytes,
                                         uint64_t *offset_out);

/** Let HDF5 finish its file.  Nothing can be added afterwards. */
enum crmpi_status crmpi_image_finish(struct crmpi_image *image, const char *path);

/**
 * Seal a finished image and write all but the memory to the file.  Without HDF5.
 * @param[out] bytes_out  of the whole file
 * @param[out] digest_out  that the seal has
 */
enum crmpi_status crmpi_image_store(struct crmpi_image *image,
                                    const struct crmpi_output *output,
                                    uint64_t *bytes_out, uint64_t *digest_out);

/** Read all but the memory from a file of @p file_bytes, check the seal and open it by
 * HDF5. */
enum crmpi_status crmpi_image_load(enum crmpi_container_kind kind, int fd,
                                   const char *path, uint64_t file_bytes,
                                   struct crmpi_image **image_out);

/**
 * Find the bytes of dataset @p name in a loaded file: they have to be just what one of
 * the holes has, which no other dataset may have; else CRMPI_ERR_CORRUPT.
 */
enum crmpi_status crmpi_image_take_memory(struct crmpi_image *image, const char *path,
                                          const char *name, uint64_t *offset_out,
                                          uint64_t *bytes_out);

/** Whether all holes were taken: what is left of a file is in nobody's checksum. */
int crmpi_image_all_taken(const struct crmpi_image *image);

/** The digest of a loaded file's seal. */
uint64_t crmpi_image_digest(const struct crmpi_image *image);

/** Bytes of everything else: no dataset can have more. */
uint64_t crmpi_image_bytes(const struct crmpi_image *image);

void crmpi_image_destroy(struct crmpi_image *image);

#endif
