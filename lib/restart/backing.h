/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The files behind private mappings.  Lower half.
 */
#ifndef CRMPI_RESTART_BACKING_H
#define CRMPI_RESTART_BACKING_H

#include <stddef.h>
#include "base/status.h"
#include "storage/container.h"

/**
 * Have private mappings of files that are mapped as anonymous memory, writable, and filled,
 * show their files again where these are the same as they were.
 */
enum crmpi_status crmpi_backing_restore(const struct crmpi_region *regions, size_t n_regions);

#endif
