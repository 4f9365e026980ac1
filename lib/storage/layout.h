/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checks of the memory of a rank, and of its windows' segments, as a container has it:
 * regions and views, which are apart, and extents in them.  Lower half and tools.
 */
#ifndef CRMPI_STORAGE_LAYOUT_H
#define CRMPI_STORAGE_LAYOUT_H

#include "storage/container.h"

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
 * the extents are ascending, apart and within regions.
 * @param[out] taken_out  the regions; freed by the caller, also on failure
 * @param path  for the one line that says what is wrong; CRMPI_ERR_CORRUPT then
 */
enum crmpi_status crmpi_layout_check(const char *path, const struct crmpi_region *regions,
                                     size_t n_regions, const struct crmpi_extent *extents,
                                     size_t n_extents, struct crmpi_ranges *taken_out);

/**
 * Check that a segment is possible: its view whole pages in the upper range and apart
 * from all that is taken, which it is added to, the segment within its view, and its
 * extents ascending, apart and within the segment.
 */
enum crmpi_status crmpi_layout_check_segment(const char *path,
                                             const struct crmpi_segment *segment,
                                             struct crmpi_ranges *taken);

/** Check that a named region lies within a region, if there are any. */
enum crmpi_status crmpi_layout_check_named(const char *path,
                                           const struct crmpi_named *named,
                                           const struct crmpi_region *regions,
                                           size_t n_regions);

#endif
