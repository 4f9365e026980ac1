/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checks of regions, segments and extents, see layout.h.  Lower half and tools.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "base/log.h"
#include "boundary/control.h"
#include "storage/layout.h"

#define PAGE_BYTES 4096

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
    if (!crmpi_may_be_application(region->start, end))
        return "it is where a program has no memory";
    if (region->prot & ~(uint32_t)(PROT_READ | PROT_WRITE | PROT_EXEC))
        return "its protection is impossible";
    if (region->attributes & ~CRMPI_REGION_ATTRIBUTES)
        return "its attributes are impossible";
    if (region->attributes & CRMPI_REGION_HUGETLB &&
        (region->huge_page_kib < 8 || region->huge_page_kib & (region->huge_page_kib - 1)))
        return "its huge pages are impossible";
    if (!memchr(region->name, '\0', sizeof region->name))
        return "its name has no end";
    return NULL;
}

/* The number of ranges that begin before an address. */
static size_t ranges_before(const struct crmpi_ranges *ranges, uint64_t address)
{
    size_t low = 0, high = ranges->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ranges->list[middle].start < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

enum crmpi_status crmpi_ranges_add(struct crmpi_ranges *ranges, uint64_t start,
                                   uint64_t bytes)
{
    size_t at = ranges_before(ranges, start + bytes);
    if (at > 0 && ranges->list[at - 1].start + ranges->list[at - 1].bytes > start)
        return CRMPI_ERR_CORRUPT;
    if (ranges->n == ranges->room) {
        size_t room = ranges->room ? 2 * ranges->room : 256;
        struct crmpi_extent *more = realloc(ranges->list, room * sizeof *more);
        if (!more)
            return CRMPI_ERR_NOMEM;
        ranges->list = more;
        ranges->room = room;
    }
    memmove(ranges->list + at + 1, ranges->list + at,
            (ranges->n - at) * sizeof *ranges->list);
    ranges->list[at] = (struct crmpi_extent){start, bytes};
    ranges->n++;
    return CRMPI_OK;
}

static enum crmpi_status regions_check(const char *path,
                                       const struct crmpi_region *regions, size_t n,
                                       struct crmpi_ranges *taken)
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
        if (crmpi_ranges_add(taken, regions[i].start, regions[i].bytes) != CRMPI_OK) {
            crmpi_error("%s: no memory for a list of %zu regions", path, n);
            return CRMPI_ERR_NOMEM;
        }
    }
    return CRMPI_OK;
}

/* Where the ranges end that touch each other from one of them on. */
static uint64_t touching_end(const struct crmpi_extent *ranges, size_t n, size_t i)
{
    while (i + 1 < n && ranges[i].start + ranges[i].bytes == ranges[i + 1].start)
        i++;
    return ranges[i].start + ranges[i].bytes;
}

/* Extents of what: ascending, apart and within the ranges. */
static enum crmpi_status extents_check(const char *path, const char *what,
                                       const struct crmpi_extent *ranges, size_t n_ranges,
                                       const struct crmpi_extent *extents,
                                       size_t n_extents)
{
    size_t in = 0; /* the range looked at */
    uint64_t after = 0;

    for (size_t i = 0; i < n_extents; i++) {
        uint64_t start = extents[i].start, end = start + extents[i].bytes;
        while (in < n_ranges && ranges[in].start + ranges[in].bytes <= start)
            in++;
        if (extents[i].bytes == 0 || end < start || start < after || in == n_ranges ||
            start < ranges[in].start ||
            (end > ranges[in].start + ranges[in].bytes &&
             end > touching_end(ranges, n_ranges, in))) {
            crmpi_error("%s: extent %zu (%#" PRIx64 ", %" PRIu64
                        " bytes) is not within %s, or not behind the one before",
                        path, i, start, extents[i].bytes, what);
            return CRMPI_ERR_CORRUPT;
        }
        after = end;
    }
    return CRMPI_OK;
}

enum crmpi_status crmpi_layout_check(const char *path, const struct crmpi_region *regions,
                                     size_t n_regions, const struct crmpi_extent *extents,
                                     size_t n_extents, struct crmpi_ranges *taken_out)
{
    enum crmpi_status status = regions_check(path, regions, n_regions, taken_out);
    return status != CRMPI_OK
               ? status
               : extents_check(path, "a memory region", taken_out->list, taken_out->n,
                               extents, n_extents);
}

enum crmpi_status crmpi_layout_check_named(const char *path,
                                           const struct crmpi_named *named,
                                           const struct crmpi_region *regions,
                                           size_t n_regions)
{
    uint64_t at = named->start, end = at + named->bytes;

    for (size_t i = 0; i < n_regions && end >= named->start; i++)
        if (at >= regions[i].start && at - regions[i].start < regions[i].bytes &&
            (at = regions[i].start + regions[i].bytes) >= end)
            return CRMPI_OK;
    if (n_regions == 0)
        return CRMPI_OK;
    crmpi_error("%s: the named region %s (%#" PRIx64 ", %" PRIu64
                " bytes) is not within memory regions",
                path, named->name, named->start, named->bytes);
    return CRMPI_ERR_CORRUPT;
}

/* What is wrong with a segment, its extents and its neighbours apart; NULL if nothing. */
static const char *segment_fault(const struct crmpi_segment *segment)
{
    struct crmpi_region view = {.start = segment->view_start,
                                .bytes = segment->view_bytes};
    uint64_t end = segment->start + segment->bytes;

    if (!crmpi_flavor_text(segment->flavor))
        return "its flavor is impossible";
    if (segment->rank >= segment->n_members)
        return "its rank is impossible";
    if (!memchr(segment->name, '\0', sizeof segment->name))
        return "its name has no end";
    if (end < segment->start)
        return "its size is impossible";
    if (segment->view_bytes == 0)
        return segment->view_start || segment->n_extents ? "it has no view" : NULL;
    if (region_fault(&view, 0))
        return "its view is impossible";
    if (segment->bytes && (segment->start < view.start || end > view.start + view.bytes))
        return "it is outside of its view";
    return NULL;
}

enum crmpi_status crmpi_layout_check_segment(const char *path,
                                             const struct crmpi_segment *segment,
                                             struct crmpi_ranges *taken)
{
    struct crmpi_extent range = {segment->start, segment->bytes};
    enum crmpi_status status = CRMPI_ERR_CORRUPT;
    const char *fault = segment_fault(segment);

    if (!fault && segment->view_bytes) {
        status = crmpi_ranges_add(taken, segment->view_start, segment->view_bytes);
        fault = status == CRMPI_OK          ? NULL
                : status == CRMPI_ERR_NOMEM ? "there is no memory to check it"
                                            : "its view overlaps other memory";
    }
    if (fault) {
        crmpi_error("%s: window %" PRIu64 " (%#" PRIx64 ", %" PRIu64 " bytes): %s", path,
                    segment->window, segment->start, segment->bytes, fault);
        return status;
    }
    return extents_check(path, "the segment of a window", &range, 1, segment->extents,
                         segment->n_extents);
}

uint64_t crmpi_extents_bytes(const struct crmpi_extent *extents, size_t n)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes += extents[i].bytes;
    return bytes;
}
