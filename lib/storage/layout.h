/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The memory of a rank, and of a window's segment, as a container has it: regions, the
 * extents in them, and the extents' bytes one after the other, cut into blocks that each
 * have a checksum.
 *
 *   memory      | region        |      | region      |
 *                 ext.   ext.            extent
 *   dataset     | ext. | ext. | extent |                  offset of an extent: the sum of
 *   blocks      |    0    |    1    |2 |                  the bytes of those before it
 *
 * Lower half and tools.
 */
#ifndef CRMPI_STORAGE_LAYOUT_H
#define CRMPI_STORAGE_LAYOUT_H

#include <sys/uio.h>
#include "storage/container.h"

#define CRMPI_BLOCK_BYTES ((uint64_t)1 << 20)
#define CRMPI_PIECE_BYTES ((uint64_t)1 << 18) /* what fits in a core's cache, twice */
#define CRMPI_REGIONS_MAX ((size_t)1 << 20)
#define CRMPI_EXTENTS_MAX ((size_t)1 << 27)

/* Address ranges, ascending and apart. */
struct crmpi_ranges {
    struct crmpi_extent *list;
    size_t n, room;
};

/** Add a range; CRMPI_ERR_CORRUPT if it overlaps another, CRMPI_ERR_NOMEM; logs
 * nothing. */
enum crmpi_status crmpi_ranges_add(struct crmpi_ranges *ranges, uint64_t start,
                                   uint64_t bytes);

/**
 * Check that regions are whole pages in the upper range, ascending and apart, and that
 * the extents are ascending, apart and each within one region.
 * @param[out] taken_out  the regions; freed by the caller, also on failure
 * @param[out] bytes_out  of all extents
 * @param path  for the one line that says what is wrong; CRMPI_ERR_CORRUPT then
 */
enum crmpi_status crmpi_layout_check(const char *path, const struct crmpi_region *regions,
                                     size_t n_regions, const struct crmpi_extent *extents,
                                     size_t n_extents, struct crmpi_ranges *taken_out,
                                     uint64_t *bytes_out);

/**
 * Check that a segment is possible: its view whole pages in the upper range and apart
 * from all that is taken, which it is added to, the segment within its view, and its
 * extents ascending, apart and within the segment.
 * @param[out] bytes_out  of all its extents
 */
enum crmpi_status crmpi_layout_check_segment(const char *path,
                                             const struct crmpi_segment *segment,
                                             struct crmpi_ranges *taken,
                                             uint64_t *bytes_out);

/* A walk over the extents' bytes, piece by piece. */
struct crmpi_walk {
    const struct crmpi_extent *extents;
    size_t n_extents;
    size_t next;     /* the extent the next piece begins in */
    uint64_t within; /* bytes of it that were walked */
    uint64_t offset; /* bytes of all that were walked */
};

/**
 * Take the next piece: at most CRMPI_PIECE_BYTES of one block, and at most what
 * @p n_max elements can hold.
 * @return the number of elements, 0 at the end
 */
size_t crmpi_walk_next(struct crmpi_walk *walk, struct iovec *iov_out, size_t n_max);

/** Whether the walk is at the end of a block, or of all. */
static inline int crmpi_walk_at_block_end(const struct crmpi_walk *walk)
{
    return walk->offset % CRMPI_BLOCK_BYTES == 0 || walk->next == walk->n_extents;
}

/** How many blocks hold so many bytes. */
static inline uint64_t crmpi_blocks_of(uint64_t bytes)
{
    return bytes / CRMPI_BLOCK_BYTES + (bytes % CRMPI_BLOCK_BYTES != 0);
}

#endif
