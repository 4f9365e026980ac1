/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checks of regions and extents, and the walk over the extents' bytes, see layout.h.
 * Lower half and tools.
 */
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include "base/log.h"
#include "boundary/control.h"
#include "storage/layout.h"

#define PAGE_BYTES 4096

_Static_assert(CRMPI_BLOCK_BYTES % CRMPI_PIECE_BYTES == 0, "blocks are whole pieces");

/* What is wrong with a region behind address after; NULL if nothing. */
static const char *region_fault(const struct crmpi_region *region, uint64_t after)
{
    uint64_t end = region->start + region->bytes;

    if (region->bytes == 0 || end < region->start)
        return "its size is impossible";
    if (region->start % PAGE_BYTES || region->bytes % PAGE_BYTES)
        return "it is not whole pages";
    if (region->start < after)
        return "it is not behind the one before";
    if (end > CRMPI_LOW_END && (region->start < CRMPI_U0 || end > CRMPI_UPPER_END))
        return "it is outside the range that is saved";
    if (region->prot & ~(uint32_t)(PROT_READ | PROT_WRITE | PROT_EXEC))
        return "its protection is impossible";
    if (!memchr(region->name, '\0', sizeof region->name))
        return "its name has no end";
    return NULL;
}

static enum crmpi_status regions_check(const char *path,
                                       const struct crmpi_region *regions, size_t n)
{
    uint64_t after = 0;
    if (n > CRMPI_REGIONS_MAX) {
        crmpi_error("%s: %zu memory regions are more than %zu", path, n,
                    CRMPI_REGIONS_MAX);
        return CRMPI_ERR_CORRUPT;
    }
    for (size_t i = 0; i < n; i++) {
        const char *fault = region_fault(&regions[i], after);
        if (fault) {
            crmpi_error("%s: memory region %zu (%#" PRIx64 ", %" PRIu64 " bytes): %s",
                        path, i, regions[i].start, regions[i].bytes, fault);
            return CRMPI_ERR_CORRUPT;
        }
        after = regions[i].start + regions[i].bytes;
    }
    return CRMPI_OK;
}

enum crmpi_status crmpi_layout_check(const char *path, const struct crmpi_region *regions,
                                     size_t n_regions, const struct crmpi_extent *extents,
                                     size_t n_extents, uint64_t *bytes_out)
{
    size_t in = 0; /* the region looked at */
    uint64_t after = 0, bytes = 0;
    enum crmpi_status status = regions_check(path, regions, n_regions);

    if (status != CRMPI_OK)
        return status;
    if (n_extents > CRMPI_EXTENTS_MAX) {
        crmpi_error("%s: %zu extents are more than %zu", path, n_extents,
                    CRMPI_EXTENTS_MAX);
        return CRMPI_ERR_CORRUPT;
    }
    for (size_t i = 0; i < n_extents; i++) {
        uint64_t start = extents[i].start, end = start + extents[i].bytes;
        while (in < n_regions && regions[in].start + regions[in].bytes <= start)
            in++;
        if (extents[i].bytes == 0 || end < start || start < after || in == n_regions ||
            start < regions[in].start || end > regions[in].start + regions[in].bytes) {
            crmpi_error("%s: extent %zu (%#" PRIx64 ", %" PRIu64
                        " bytes) is not within a "
                        "memory region, or not behind the one before",
                        path, i, start, extents[i].bytes);
            return CRMPI_ERR_CORRUPT;
        }
        after = end;
        bytes += extents[i].bytes; /* no overflow: they are apart in an address space */
    }
    *bytes_out = bytes;
    return CRMPI_OK;
}

size_t crmpi_walk_next(struct crmpi_walk *walk, struct iovec *segments_out, size_t n_max)
{
    uint64_t room = CRMPI_PIECE_BYTES - walk->offset % CRMPI_PIECE_BYTES;
    size_t n = 0;

    while (n < n_max && room > 0 && walk->next < walk->n_extents) {
        const struct crmpi_extent *extent = &walk->extents[walk->next];
        uint64_t bytes = extent->bytes - walk->within;
        if (bytes > room)
            bytes = room;
        segments_out[n].iov_base = (void *)(uintptr_t)(extent->start + walk->within);
        segments_out[n++].iov_len = bytes;
        walk->within += bytes;
        walk->offset += bytes;
        room -= bytes;
        if (walk->within == extent->bytes) {
            walk->next++;
            walk->within = 0;
        }
    }
    return n;
}
