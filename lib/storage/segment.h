/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The groups /window/NNNNNN of a rank's file: which there are, and their attributes.
 * Lower half and tools.
 */
#ifndef CRMPI_STORAGE_SEGMENT_H
#define CRMPI_STORAGE_SEGMENT_H

#include "storage/container.h"
#include "storage/image.h"

/* Room for the name of a window's group. */
enum { CRMPI_SEGMENT_NAME_BYTES = 32 };

/** Name the group of a window: decimal, with zeros in front up to six digits. */
void crmpi_segment_name(uint64_t window, char name_out[CRMPI_SEGMENT_NAME_BYTES]);

/** Create the group of a segment with its attributes. */
enum crmpi_status crmpi_segment_write(struct crmpi_image *image, const char *path,
                                      const struct crmpi_segment *segment);

/** Read the attributes of a segment; it comes without extents, and unchecked but for its
 * flavor. */
enum crmpi_status crmpi_segment_read(struct crmpi_image *image, const char *path,
                                     uint64_t window, struct crmpi_segment *segment_out);

/**
 * List the windows a file has, ascending; other things there are taken as damage.
 * @param[out] windows_out  from malloc(), NULL if there are none
 */
enum crmpi_status crmpi_segments_find(struct crmpi_image *image, const char *path,
                                      uint64_t **windows_out, size_t *n_out);

#endif
