/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The upper half's memory: which regions there are.  Lower half.
 */
#ifndef CRMPI_CAPTURE_REGIONS_H
#define CRMPI_CAPTURE_REGIONS_H

#include "capture/extents.h"
#include "interaction/segments.h"
#include "storage/container.h"

struct crmpi_memory {
    struct crmpi_region *regions;
    size_t n_regions;
    struct crmpi_extents mappings; /* private anonymous ones, each apart as in the kernel */
    struct crmpi_extents guards;   /* pages that must not be touched; for the survey */
    int lock_future; /* flags of mlockall(2) for what is mapped later */
};

/**
 * List the upper half's regions, without the views of windows.  Regions that cannot be read
 * are made readable until crmpi_memory_release().  All application threads are parked.
 * @param[out] why  on CRMPI_ERR_UNSUPPORTED: a mapping that cannot be saved, by name
 */
enum crmpi_status crmpi_memory_survey(const struct crmpi_window_segment *windows,
                                      size_t n_windows, struct crmpi_memory *memory_out,
                                      char *why, size_t why_bytes);

/** Give regions their protection back. */
void crmpi_memory_release(const struct crmpi_memory *memory);

/** Free the list. */
void crmpi_memory_fini(struct crmpi_memory *memory);

/** Whether a region is a file's mapping through which nothing can be written: it shows the
 * file, and has no data of its own. */
int crmpi_region_is_only_read(const struct crmpi_region *region);

/** Whether what a region shows is saved with the memory: not that of a mapping that is only
 * read, nor that of a file whose contents are saved. */
int crmpi_region_has_data(const struct crmpi_region *region);

/** Bytes of a region that can be read: of a file mapping, pages behind the file's end
 * cannot. */
uint64_t crmpi_region_readable(const struct crmpi_region *region);

/**
 * Map the regions of a container, writable, in a process that has no upper half yet: zeroed,
 * or as their file is; and, when they are filled, give them their protections.
 */
enum crmpi_status crmpi_memory_map(const struct crmpi_region *regions, size_t n_regions,
                                   const struct crmpi_extent *extents, size_t n_extents);
/** Whether pages are none of the checkpoint's, so that nothing is known of them. */
typedef int (*crmpi_pages_spared_fn)(uint64_t start, uint64_t bytes);
/** Clear what is not in the extents, and so was zero, of the mappings of files, which may
 * have got something else there since. */
enum crmpi_status crmpi_memory_clear(const struct crmpi_region *regions, size_t n_regions,
                                     const struct crmpi_extent *extents,
                                     size_t n_extents, crmpi_pages_spared_fn is_spared);
enum crmpi_status crmpi_memory_protect(const struct crmpi_region *regions, size_t n_regions);

#endif
