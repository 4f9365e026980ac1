/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What there is to save, see survey.h.  Lower half.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "capture/survey.h"
#include "capture/tracking.h"
#include "capture/writes.h"
#include "interaction/cut.h"

#define PAGE CRMPI_CELL_BYTES

/* A survey in the making. */
struct making {
    struct crmpi_survey *survey;
    size_t hole; /* the first that may lie ahead */
    const struct crmpi_extents *copied;
    const struct crmpi_region *region;
    const struct crmpi_extents *holes_before; /* NULL: nothing can be left out */
};

static enum crmpi_status span_add(struct crmpi_survey *survey, struct crmpi_span span)
{
    uint64_t end = span.start + span.bytes;

    for (uint64_t at = span.start; at < end; at += span.bytes) {
        if (survey->n_spans == survey->span_room) {
            size_t room = survey->span_room ? survey->span_room * 2 : 1024;
            void *more = reallocarray(survey->spans, room, sizeof *survey->spans);

            if (!more)
                return CRMPI_ERR_NOMEM;
            survey->spans = more;
            survey->span_room = room;
        }
        span.start = span.source = at;
        span.bytes = end - at < CRMPI_UNIT_BYTES ? end - at : CRMPI_UNIT_BYTES;
        survey->spans[survey->n_spans++] = span;
    }
    return CRMPI_OK;
}

/*
 * Named regions and segments
 */

/* Whether some memory is all mapped, and has data of its own: regions that follow each
 * other count as one, for they may differ in nothing but an attribute. */
static int is_whole(const struct crmpi_memory *memory, uint64_t start, uint64_t bytes,
                    int *is_shared_out)
{
    uint64_t end = start + bytes;

    *is_shared_out = 0;
    for (size_t i = 0; i < memory->n_regions && start < end; i++) {
        const struct crmpi_region *region = &memory->regions[i];

        if (region->start + region->bytes <= start)
            continue;
        if (region->start > start || crmpi_region_is_only_read(region))
            return 0;
        start = region->start + crmpi_region_readable(region);
        if (start < end && start < region->start + region->bytes)
            return 0;
        if (region->flags & MAP_SHARED || !(region->flags & MAP_ANONYMOUS) ||
            region->attributes & (CRMPI_REGION_DONTFORK | CRMPI_REGION_WIPEONFORK))
            *is_shared_out = 1;
    }
    return start >= end;
}

/* Whether a process split off does not get some of it. */
static int is_copied(const struct crmpi_extents *copied, uint64_t start, uint64_t bytes)
{
    size_t i = 0;

    while (i < copied->n &&
           (start >= copied->list[i].start + copied->list[i].bytes ||
            copied->list[i].start >= start + bytes))
        i++;
    return i < copied->n;
}

static enum crmpi_status named_add(struct crmpi_survey *survey,
                                   const struct crmpi_extents *copied, char *why,
                                   size_t why_bytes)
{
    for (size_t i = 0; i < survey->wishes.n_named; i++) {
        const struct crmpi_named *named = &survey->wishes.named[i];
        int is_shared;
        struct crmpi_span span = {.start = named->start,
                                  .bytes = named->bytes,
                                  .content = (uint32_t)i,
                                  .flags = CRMPI_SPAN_WHOLE};

        if (!is_whole(&survey->memory, named->start, named->bytes, &is_shared)) {
            snprintf(why, why_bytes,
                     "the named region %.63s is not memory that is all mapped",
                     named->name);
            return CRMPI_ERR_UNSUPPORTED;
        }
        if (is_shared || is_copied(copied, named->start, named->bytes))
            span.flags |= CRMPI_SPAN_SHARED;
        if (span_add(survey, span) != CRMPI_OK)
            return CRMPI_ERR_NOMEM;
    }
    survey->n_contents = survey->wishes.n_named;
    return CRMPI_OK;
}

/* A segment's pages, as they have been written or not. */
struct parts {
    struct crmpi_survey *survey;
    const struct crmpi_segment *segment;
    char *why;
    size_t why_bytes;
};

static enum crmpi_status segment_part_add(void *context, uint64_t start, uint64_t bytes,
                                          enum crmpi_page_kind kind)
{
    const struct parts *parts = context;
    struct crmpi_survey *survey = parts->survey;

    if (kind == CRMPI_PAGES_UNCHANGED)
        return crmpi_extents_add(&survey->unchanged[survey->n_contents].extents, start,
                                 bytes, start);
    if (crmpi_segment_check(parts->segment->window, start, bytes, parts->why,
                            parts->why_bytes) != CRMPI_OK)
        return CRMPI_ERR_SYSTEM;
    return span_add(survey, (struct crmpi_span){.start = start,
                                                .bytes = bytes,
                                                .owner = parts->segment->window,
                                                .content = (uint32_t)survey->n_contents,
                                                .flags = CRMPI_SPAN_SHARED});
}

static enum crmpi_status segments_add(struct crmpi_survey *survey,
                                      const struct crmpi_window_segment *windows,
                                      int written, char *why, size_t why_bytes)
{
    enum crmpi_status status = CRMPI_OK;

    for (size_t i = 0; status == CRMPI_OK && i < survey->n_segments; i++) {
        const struct crmpi_segment *segment = &survey->segments[i];
        struct parts parts = {survey, segment, why, why_bytes};

        if (segment->view_bytes == 0)
            continue;
        survey->unchanged[survey->n_contents].owner = segment->window;
        status = crmpi_writes_take(&windows[i], written, segment_part_add, &parts);
        survey->n_contents++;
    }
    return status;
}

/*
 * The task's memory
 */

static enum crmpi_status hole_add(struct making *making, uint64_t start, uint64_t bytes)
{
    uint64_t first = (start + PAGE - 1) / PAGE * PAGE,
             end = (start + bytes) / PAGE * PAGE;

    return end > first
               ? crmpi_extents_add(&making->survey->holes, first, end - first, first)
               : CRMPI_OK;
}

static int hole_compare(const void *a, const void *b)
{
    const struct crmpi_extent *first = a, *second = b;

    return first->start < second->start ? -1 : first->start > second->start;
}

/* Pages wholly within memory that is not saved with the task, by their starts. */
static enum crmpi_status holes_make(struct making *making)
{
    const struct crmpi_wishes *wishes = &making->survey->wishes;
    enum crmpi_status status = CRMPI_OK;

    for (size_t i = 0; status == CRMPI_OK && i < wishes->n_excluded; i++)
        status = hole_add(making, wishes->excluded[i].start, wishes->excluded[i].bytes);
    for (size_t i = 0; status == CRMPI_OK && i < wishes->n_named; i++)
        status = hole_add(making, wishes->named[i].start, wishes->named[i].bytes);
    if (making->survey->holes.n > 0)
        qsort(making->survey->holes.list, making->survey->holes.n,
              sizeof *making->survey->holes.list, hole_compare);
    return status;
}

static enum crmpi_status part_add(struct making *making, uint64_t start, uint64_t bytes,
                                  enum crmpi_page_kind kind)
{
    const struct crmpi_region *region = making->region;
    struct crmpi_span span = {.start = start,
                              .bytes = bytes,
                              .owner = CRMPI_OWNER_TASK,
                              .content = (uint32_t)making->survey->n_contents};

    if (kind == CRMPI_PAGES_GUARDS)
        return crmpi_extents_add(&making->survey->memory.guards, start, bytes, 0);
    if (kind == CRMPI_PAGES_UNCHANGED && making->holes_before)
        return crmpi_extents_add(
            &making->survey->unchanged[making->survey->n_contents].extents, start, bytes,
            region->start);
    /* The file of a private mapping may be written, too: pages that have not been show it. */
    span.flags = region->flags & MAP_SHARED || !(region->flags & MAP_ANONYMOUS)
                     ? CRMPI_SPAN_SHARED
                     : CRMPI_SPAN_PRESENT;
    /* what a process split off does not get, or not as it is */
    if (region->attributes & (CRMPI_REGION_DONTFORK | CRMPI_REGION_WIPEONFORK) ||
        is_copied(making->copied, start, bytes))
        span.flags = CRMPI_SPAN_SHARED;
    return span_add(making->survey, span);
}

/* Take pages, but for those in holes. */
static enum crmpi_status pages_take(void *context, uint64_t start, uint64_t bytes,
                                    enum crmpi_page_kind kind)
{
    struct making *making = context;
    uint64_t end = start + bytes;
    enum crmpi_status status = CRMPI_OK;

    while (status == CRMPI_OK && start < end) {
        const struct crmpi_extent *hole = making->hole < making->survey->holes.n
                                              ? &making->survey->holes.list[making->hole]
                                              : NULL;

        if (hole && hole->start + hole->bytes <= start) {
            making->hole++;
        } else if (hole && hole->start <= start) {
            start = hole->start + hole->bytes;
        } else {
            uint64_t stop = hole && hole->start < end ? hole->start : end;

            status = part_add(making, start, stop - start, kind);
            start = stop;
        }
    }
    return status;
}

static enum crmpi_status region_take(struct making *making)
{
    const struct crmpi_region *region = making->region;

    if (!crmpi_region_has_data(region))
        return CRMPI_OK;
    /* What is not in the page table of private anonymous memory was never written. */
    if (!(region->flags & MAP_ANONYMOUS) || region->flags & MAP_SHARED)
        return pages_take(making, region->start, crmpi_region_readable(region),
                          CRMPI_PAGES_WRITTEN);
    return making->survey->is_tracked && !(region->attributes & CRMPI_REGION_HUGETLB)
               ? crmpi_tracking_look(region->start, region->bytes, pages_take, making)
               : crmpi_pages_list(region->start, region->bytes, pages_take, making);
}

static int extents_are_equal(const struct crmpi_extents *a, const struct crmpi_extents *b)
{
    return a->n == b->n &&
           (a->n == 0 || memcmp(a->list, b->list, a->n * sizeof *a->list) == 0);
}

static enum crmpi_status task_add(struct making *making)
{
    struct crmpi_survey *survey = making->survey;
    enum crmpi_status status = holes_make(making);

    survey->unchanged[survey->n_contents].owner = CRMPI_OWNER_TASK;
    /* What was in a hole has not been saved, though it has not been written since. */
    if (status == CRMPI_OK && making->holes_before &&
        !extents_are_equal(making->holes_before, &survey->holes))
        making->holes_before = NULL;
    for (size_t i = 0; status == CRMPI_OK && i < survey->memory.n_regions; i++) {
        making->region = &survey->memory.regions[i];
        status = region_take(making);
    }
    survey->n_contents++;
    return status;
}

/* Guards are found on the way through private memory; elsewhere they would be in it. */
static enum crmpi_status guards_check(const struct crmpi_memory *memory, char *why,
                                      size_t why_bytes)
{
    for (size_t i = 0; i < memory->n_regions; i++) {
        const struct crmpi_region *region = &memory->regions[i];

        if ((region->flags & (MAP_SHARED | MAP_ANONYMOUS)) == MAP_ANONYMOUS ||
            !crmpi_pages_have_guards(region->start, region->bytes))
            continue;
        snprintf(why, why_bytes, "the mapping at %#lx of %.200s has guards "
                                 "(MADV_GUARD_INSTALL)",
                 region->start, region->name);
        return CRMPI_ERR_UNSUPPORTED;
    }
    return CRMPI_OK;
}

static enum crmpi_status memory_look(struct crmpi_survey *survey,
                                     const struct crmpi_extents *holes, int written,
                                     const struct crmpi_extents *copied, char *why,
                                     size_t why_bytes)
{
    struct making making = {.survey = survey, .holes_before = holes, .copied = copied};
    struct crmpi_window_segment *windows = NULL;
    size_t n = 0;
    enum crmpi_status status = crmpi_cut.segments_list(&windows, &n);

    if (status == CRMPI_OK)
        status = crmpi_segments_survey(windows, n, &survey->segments, why, why_bytes);
    if (status == CRMPI_OK) {
        survey->n_segments = n;
        status = crmpi_memory_survey(windows, n, &survey->memory, why, why_bytes);
    }
    if (status == CRMPI_OK)
        status = guards_check(&survey->memory, why, why_bytes);
    if (status == CRMPI_OK)
        status = crmpi_wishes_list(&survey->wishes);
    if (status == CRMPI_OK) {
        survey->unchanged =
            calloc(survey->wishes.n_named + n + 1, sizeof *survey->unchanged);
        if (!survey->unchanged)
            status = CRMPI_ERR_NOMEM;
    }
    if (status == CRMPI_OK)
        status = named_add(survey, copied, why, why_bytes);
    if (status == CRMPI_OK)
        status = segments_add(survey, windows, written, why, why_bytes);
    if (status == CRMPI_OK)
        status = task_add(&making);
    free(windows);
    return status;
}

enum crmpi_status crmpi_survey_make(int tracking, const struct crmpi_extents *holes,
                                    int written, const struct crmpi_extents *copied,
                                    struct crmpi_survey *survey_out, char *why,
                                    size_t why_bytes)
{
    struct crmpi_survey survey = {.is_tracked = tracking};
    enum crmpi_status status = crmpi_pages_open();

    why[0] = 0;
    if (status == CRMPI_OK)
        status = memory_look(&survey, holes, written, copied, why, why_bytes);
    crmpi_pages_close();
    if (status == CRMPI_OK) {
        *survey_out = survey;
        return status;
    }
    if (!why[0])
        snprintf(why, why_bytes, "cannot survey the memory: %s",
                 crmpi_status_text(status));
    crmpi_memory_release(&survey.memory);
    crmpi_survey_fini(&survey);
    return status;
}

void crmpi_survey_fini(struct crmpi_survey *survey)
{
    for (size_t i = 0; survey->unchanged && i < survey->n_contents; i++)
        free(survey->unchanged[i].extents.list);
    crmpi_memory_fini(&survey->memory);
    crmpi_wishes_fini(&survey->wishes);
    free(survey->segments);
    free(survey->spans);
    free(survey->holes.list);
    free(survey->unchanged);
    *survey = (struct crmpi_survey){0};
}
