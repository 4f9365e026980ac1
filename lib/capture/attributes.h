/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What mappings have beyond addresses, protection and contents: the attributes that the
 * kernel shows as VmFlags, and policies of NUMA.  Lower half.
 */
#ifndef CRMPI_CAPTURE_ATTRIBUTES_H
#define CRMPI_CAPTURE_ATTRIBUTES_H

#include <stddef.h>
#include <stdint.h>
#include "base/status.h"
#include "storage/container.h"

/* The system's headers may be older than its kernel. */
#define CRMPI_MAP_DROPPABLE 8

/**
 * Note the attributes that @p letters tell, the words of a line VmFlags.
 * @param[out] why  on CRMPI_ERR_UNSUPPORTED: what a restart could not bring back
 */
enum crmpi_status crmpi_attributes_parse(const char *letters, struct crmpi_region *region,
                                         char *why, size_t why_bytes);

/** Note the NUMA policy of a region, likewise. */
enum crmpi_status crmpi_attributes_policy(struct crmpi_region *region, char *why,
                                          size_t why_bytes);

/** At a restart: flags for mmap. */
int crmpi_attributes_mmap_flags(const struct crmpi_region *region);

/** Advise the kernel of a mapped region before it is filled, and set its policy. */
enum crmpi_status crmpi_attributes_advise(const struct crmpi_region *region);

/** Whether @p n extents can be guards here: none, or the kernel tells such (tracking.h). */
enum crmpi_status crmpi_guards_check(size_t n);

/** Make pages guards again (MADV_GUARD_INSTALL). */
enum crmpi_status crmpi_guards_restore(const struct crmpi_extent *guards, size_t n);

/** Whether the locked memory of some regions is within the limit of this process. */
enum crmpi_status crmpi_attributes_check(const struct crmpi_region *regions,
                                         size_t n_regions);

/** Lock and seal regions that are all there.
 * @param lock_future  0 or flags of mlockall(2) for what is mapped later */
enum crmpi_status crmpi_attributes_restore(const struct crmpi_region *regions,
                                           size_t n_regions, int lock_future);

#endif
