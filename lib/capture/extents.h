/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lists of extents, as the surveys of memory make them.  Lower half.
 */
#ifndef CRMPI_CAPTURE_EXTENTS_H
#define CRMPI_CAPTURE_EXTENTS_H

#include "storage/container.h"

struct crmpi_extents {
    struct crmpi_extent *list; /* from malloc() */
    size_t n, room;
};

/**
 * Add bytes that lie behind all others.  What continues the last extent is joined to it,
 * unless it begins at @p border, which none may reach over.
 */
enum crmpi_status crmpi_extents_add(struct crmpi_extents *extents, uint64_t start,
                                    uint64_t bytes, uint64_t border);

/** Whether all of some bytes, at least one, are zero. */
int crmpi_bytes_are_zero(const void *start, size_t bytes);

#endif
