/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The HDF5 side of a container, in memory.  HDF5 never touches a file: it works, by a
 * driver of ours, on an image of everything in the file but the memory of the rank,
 * which is a hole in the image.  So HDF5 cannot fail for want of disk space, and when
 * reading it sees no byte whose digest was not checked before:
 *
 *   file   | seal   | HDF5: superblock, .. | memory of a rank | HDF5: tables, .. |
 *          0        4096                   memory_offset      + memory_bytes   file_bytes
 *   image  | low --------------------------| hole             | high ------------|
 *
 * The seal stands in HDF5's user block and holds sizes and the digest (doc/format.md).
 * Lower half and tools; not thread safe, as HDF5 is not.
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
 * Create the dataset /task/memory, of bytes that are not in the image.
 * @param[out] offset_out  where they are in the file, a multiple of 4096
 */
enum crmpi_status crmpi_image_add_memory(struct crmpi_image *image, const char *path,
                                         uint64_t bytes, uint64_t *offset_out);

/**
 * Write all but the memory to the file, with the seal.  Nothing can be added afterwards.
 * @param[out] bytes_out  of the whole file
 */
enum crmpi_status crmpi_image_store(struct crmpi_image *image,
                                    const struct crmpi_output *output,
                                    uint64_t *bytes_out);

/** Read all but the memory from a file of @p file_bytes, check the seal and open it by
 * HDF5. */
enum crmpi_status crmpi_image_load(enum crmpi_container_kind kind, int fd,
                                   const char *path, uint64_t file_bytes,
                                   struct crmpi_image **image_out);

/** Where a loaded file has /task/memory; the dataset was checked to say the same. */
void crmpi_image_memory(const struct crmpi_image *image, uint64_t *offset_out,
                        uint64_t *bytes_out);

/** Bytes of everything else: no dataset can have more. */
uint64_t crmpi_image_bytes(const struct crmpi_image *image);

void crmpi_image_destroy(struct crmpi_image *image);

#endif
