/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One rank file, opened, read but for its data area, and checked in itself.  Lower half and
 * tools; see hdf.h about threads.
 */
#ifndef CRMPI_STORAGE_OPENED_H
#define CRMPI_STORAGE_OPENED_H

#include "storage/container.h"
#include "storage/image.h"

/* Bytes that a load takes from a file. */
struct crmpi_piece {
    uint64_t offset; /* in the part's memory */
    uint64_t start;  /* address */
    uint64_t bytes;
};

/* The content of the task, of a segment or of a named region. */
struct crmpi_part {
    char group[96];
    struct crmpi_content content;
    struct crmpi_extent *data; /* stored and kept extents, ascending */
    size_t n_data;
    struct crmpi_piece *pieces; /* by offset; lib/storage/chain.c says which */
    size_t n_pieces;
};

struct crmpi_opened {
    char *path; /* as messages name it */
    int fd;
    struct crmpi_image *image;
    struct crmpi_job job;
    struct crmpi_region *regions;
    size_t n_regions;
    struct crmpi_segment *segments;
    size_t n_segments;
    struct crmpi_named *named;
    size_t n_named;
    struct crmpi_part
        *parts; /* the task, each segment, each named region, in this order */
    size_t n_parts;
};

/** Open and read a file; @p name is for messages.  With HDF5 locked. */
enum crmpi_status crmpi_opened_open(const char *path, const char *name,
                                    struct crmpi_opened *opened_out);

void crmpi_opened_close(struct crmpi_opened *opened);

#endif
