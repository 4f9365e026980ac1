/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What has been written to windows, see writes.h.  Lower half.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>

#include "base/log.h"
#include "capture/writes.h"
#include "interaction/cut.h"

#define PAGE 4096ul

/*
 * Noting
 */

/* A shared mapping of a file. */
struct mapping {
    uint64_t start, end, device, inode, offset;
};

struct mappings {
    struct mapping *list;
    size_t n, room;
};

/* A segment, by its place in the file that is mapped. */
struct place {
    uint64_t device, inode, offset, bytes;
    struct crmpi_written *written;
};

/* What one mapping shows. */
struct shown {
    const struct mapping *mapping;
    const struct place *places; /* of its file, by their offsets */
    size_t n;
};

static int mapping_parse(const char *line, struct mapping *mapping_out)
{
    unsigned long start, end, offset, inode;
    unsigned major, minor;
    char shared;

    if (sscanf(line, "%lx-%lx %*c%*c%*c%c %lx %x:%x %lu", &start, &end, &shared, &offset,
               &major, &minor, &inode) != 7 ||
        shared != 's' || inode == 0)
        return 0;
    *mapping_out = (struct mapping){start, end, makedev(major, minor), inode, offset};
    return 1;
}

static enum crmpi_status mapping_add(struct mappings *mappings,
                                     const struct mapping *mapping)
{
    if (mappings->n == mappings->room) {
        size_t room = mappings->room ? mappings->room * 2 : 64;
        void *more = reallocarray(mappings->list, room, sizeof *mappings->list);

        if (!more)
            return CRMPI_ERR_NOMEM;
        mappings->list = more;
        mappings->room = room;
    }
    mappings->list[mappings->n++] = *mapping;
    return CRMPI_OK;
}

static enum crmpi_status mappings_list(struct mappings *mappings)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    enum crmpi_status status = CRMPI_OK;
    struct mapping mapping;
    char *line = NULL;
    size_t room = 0;

    if (!maps) {
        crmpi_error("cannot open /proc/self/maps");
        return CRMPI_ERR_SYSTEM;
    }
    while (status == CRMPI_OK && getline(&line, &room, maps) > 0)
        if (mapping_parse(line, &mapping))
            status = mapping_add(mappings, &mapping);
    if (ferror(maps))
        status = CRMPI_ERR_SYSTEM;
    free(line);
    fclose(maps);
    return status;
}

static void be_unknown(struct crmpi_written *written)
{
    __atomic_store_n(&written->is_unknown, 1, __ATOMIC_RELEASE);
}

/* Where a segment lies in its file; 0: it is in no shared mapping. */
static int place_find(const struct mappings *mappings,
                      const struct crmpi_mapped_segment *segment, struct place *place_out)
{
    for (size_t i = 0; i < mappings->n; i++) {
        const struct mapping *m = &mappings->list[i];

        if (m->start <= segment->start && segment->start < m->end) {
            *place_out = (struct place){m->device, m->inode,
                                        m->offset + (segment->start - m->start),
                                        segment->bytes, segment->written};
            return 1;
        }
    }
    return 0;
}

/* By their files, whatever the segment. */
static int file_compare(const struct place *place, uint64_t device, uint64_t inode)
{
    if (place->device != device)
        return place->device < device ? -1 : 1;
    return place->inode < inode ? -1 : place->inode > inode;
}

static int place_compare(const void *a, const void *b)
{
    const struct place *first = a, *second = b;
    int order = file_compare(first, second->device, second->inode);

    return order ? order
                 : (first->offset > second->offset) - (first->offset < second->offset);
}

static void bits_set(uint64_t *bits, uint64_t first, uint64_t end)
{
    for (uint64_t i = first; i < end; i = i / 64 * 64 + 64) {
        uint64_t above = ~(uint64_t)0 << i % 64;
        uint64_t below =
            end - i / 64 * 64 < 64 ? ~(~(uint64_t)0 << end % 64) : ~(uint64_t)0;

        __atomic_fetch_or(&bits[i / 64], above & below, __ATOMIC_RELAXED);
    }
}

/* Segments may have parts of the same page. */
static enum crmpi_status pages_note(void *context, uint64_t start, uint64_t bytes,
                                    enum crmpi_page_kind kind)
{
    struct shown *shown = context;
    uint64_t from = shown->mapping->offset + (start - shown->mapping->start);
    uint64_t to = from + bytes;

    if (kind == CRMPI_PAGES_UNCHANGED)
        return CRMPI_OK;
    for (size_t i = 0; i < shown->n; i++) {
        const struct place *place = &shown->places[i];
        uint64_t first = place->offset / PAGE;
        uint64_t end = first + crmpi_written_pages(place->offset, place->bytes);
        uint64_t low = from / PAGE > first ? from / PAGE : first;
        uint64_t high = to / PAGE < end ? to / PAGE : end;

        if (low < high)
            bits_set(place->written->pages, low - first, high - first);
    }
    return CRMPI_OK;
}

/* Look at a mapping, if there are segments in its file. */
static void mapping_look(const struct mapping *mapping, const struct place *places,
                         size_t n)
{
    struct shown shown = {.mapping = mapping};

    while (n > 0 && file_compare(places, mapping->device, mapping->inode) < 0) {
        places++;
        n--;
    }
    shown.places = places;
    while (shown.n < n &&
           file_compare(&places[shown.n], mapping->device, mapping->inode) == 0)
        shown.n++;
    if (shown.n > 0 &&
        crmpi_tracking_look_shared(mapping->start, mapping->end - mapping->start,
                                   pages_note, &shown) != CRMPI_OK)
        for (size_t i = 0; i < shown.n; i++)
            be_unknown(shown.places[i].written);
}

static enum crmpi_status segments_look(const struct crmpi_mapped_segment *segments,
                                       size_t n)
{
    struct place *places = calloc(n, sizeof *places);
    struct mappings mappings = {0};
    enum crmpi_status status = places ? mappings_list(&mappings) : CRMPI_ERR_NOMEM;
    size_t n_places = 0;

    for (size_t i = 0; status == CRMPI_OK && i < n; i++)
        if (place_find(&mappings, &segments[i], &places[n_places]))
            n_places++;
        else
            be_unknown(segments[i].written);
    if (status == CRMPI_OK) {
        qsort(places, n_places, sizeof *places, place_compare);
        for (size_t i = 0; i < mappings.n; i++)
            mapping_look(&mappings.list[i], places, n_places);
    }
    free(mappings.list);
    free(places);
    return status;
}

enum crmpi_status crmpi_writes_note(int tracking)
{
    struct crmpi_mapped_segment *segments;
    size_t n;
    enum crmpi_status status = crmpi_cut.segments_mapped(&segments, &n);

    if (status != CRMPI_OK)
        return status;
    for (size_t i = 0; !tracking && i < n; i++)
        be_unknown(segments[i].written);
    if (tracking && n > 0) {
        status = crmpi_pages_open();
        if (status == CRMPI_OK)
            status = segments_look(segments, n);
        crmpi_pages_close();
    }
    free(segments);
    return status;
}

/*
 * Taking
 */

/* Pages @p first to @p end - 1 of a segment. */
static enum crmpi_status pages_tell(const struct crmpi_window_segment *segment,
                                    uint64_t first, uint64_t end, int is_written,
                                    crmpi_pages_fn call, void *context)
{
    uint64_t page = segment->start / PAGE;
    uint64_t from = (page + first) * PAGE, to = (page + end) * PAGE;

    if (from < segment->start)
        from = segment->start;
    if (to > segment->start + segment->bytes)
        to = segment->start + segment->bytes;
    return call(context, from, to - from,
                is_written ? CRMPI_PAGES_WRITTEN : CRMPI_PAGES_UNCHANGED);
}

/* What is noted is cleared whether or not it is wanted: the base of the next time is the
 * checkpoint that is being saved now. */
enum crmpi_status crmpi_writes_take(const struct crmpi_window_segment *segment,
                                    int wanted, crmpi_pages_fn call, void *context)
{
    struct crmpi_written *written = segment->written;
    uint64_t n = crmpi_written_pages(segment->start, segment->bytes), begin = 0;
    int known = written &&
                !__atomic_exchange_n(&written->is_unknown, 0, __ATOMIC_ACQUIRE) &&
                wanted && __atomic_load_n(&written->is_whole, __ATOMIC_RELAXED);
    enum crmpi_status status = CRMPI_OK;
    int run = 1; /* whether the pages from `begin` on have been written */

    for (uint64_t i = 0, word = 0; written && i < n; i++) {
        if (i % 64 == 0)
            word = __atomic_exchange_n(&written->pages[i / 64], 0, __ATOMIC_ACQUIRE);
        int is_written = !known || word >> i % 64 & 1;

        if (is_written == run)
            continue;
        if (status == CRMPI_OK && i > begin)
            status = pages_tell(segment, begin, i, run, call, context);
        begin = i;
        run = is_written;
    }
    return status == CRMPI_OK && n > begin
               ? pages_tell(segment, begin, n, run, call, context)
               : status;
}
