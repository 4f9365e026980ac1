/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From cells and blocks to contents of a container, see contents.h.  Lower half.
 */
#include <stdlib.h>

#include "capture/contents.h"
#include "capture/extents.h"

#define PAGE CRMPI_CELL_BYTES

/* A content in the making. */
struct making {
    struct crmpi_pump *pump;
    struct crmpi_contents *contents;
    const struct crmpi_unchanged *unchanged; /* of the content */
    size_t still;                            /* how far they are dealt with */
    size_t n_whole;                          /* contents that are stored whole */
    size_t span, block;                      /* how far the pump's are dealt with */
    struct crmpi_stored_extent *stored;
    size_t n_stored, stored_room;
    struct crmpi_extents kept;
    uint64_t raw_bytes; /* of blocks so far */
    uint64_t offset;    /* in memory, of the next stored cell */
};

static enum crmpi_status stored_add(struct making *making, uint64_t start, uint64_t bytes,
                                    uint64_t border)
{
    struct crmpi_stored_extent *last =
        making->n_stored ? &making->stored[making->n_stored - 1] : NULL;
    uint64_t offset = making->offset;

    making->offset += bytes;
    making->contents->stored_bytes += bytes;
    if (last && last->start + last->bytes == start && start != border &&
        last->offset + last->bytes == offset) {
        last->bytes += bytes;
        return CRMPI_OK;
    }
    if (making->n_stored == making->stored_room) {
        size_t room = making->stored_room ? making->stored_room * 2 : 1024;
        void *more = reallocarray(making->stored, room, sizeof *making->stored);

        if (!more)
            return CRMPI_ERR_NOMEM;
        making->stored = more;
        making->stored_room = room;
    }
    making->stored[making->n_stored++] =
        (struct crmpi_stored_extent){start, bytes, offset};
    return CRMPI_OK;
}

static enum crmpi_status kept_add(struct making *making, uint64_t start, uint64_t bytes,
                                  uint64_t border)
{
    making->contents->kept_bytes += bytes;
    return crmpi_extents_add(&making->kept, start, bytes, border);
}

/* A block that begins with a cell gets its place in memory. */
static void block_begin(struct making *making, uint64_t cell)
{
    struct crmpi_pump *pump = making->pump;

    if (making->block == pump->state->n_blocks ||
        pump->blocks[making->block].cell != cell)
        return;
    making->offset = making->raw_bytes;
    making->raw_bytes += pump->blocks[making->block++].bytes;
}

static enum crmpi_status span_take(struct making *making, const struct crmpi_span *span)
{
    struct crmpi_pump *pump = making->pump;
    uint64_t stop = span->start + span->bytes, number = span->cell;
    enum crmpi_status status = CRMPI_OK;

    for (uint64_t at = span->start, end; status == CRMPI_OK && at < stop;
         at = end, number++) {
        enum crmpi_cell cell = pump->cells[number];

        end = (at | (PAGE - 1)) + 1 < stop ? (at | (PAGE - 1)) + 1 : stop;
        if (cell == CRMPI_CELL_UNKNOWN)
            return CRMPI_ERR_INTERNAL;
        if (cell == CRMPI_CELL_STORED) {
            block_begin(making, number);
            status = stored_add(making, at, end - at, span->start);
        } else if (cell == CRMPI_CELL_KEPT) {
            status = kept_add(making, at, end - at, span->start);
        }
        if (status == CRMPI_OK && cell != CRMPI_CELL_ZERO && pump->hashing &&
            !(span->flags & CRMPI_SPAN_WHOLE))
            status = crmpi_datamap_add(&making->contents->map, span->owner,
                                       at / PAGE * PAGE, pump->hashes[number]);
    }
    return status;
}

/* A page that is as it was, or the part of it that is a segment's. */
static enum crmpi_status page_keep(struct making *making,
                                   const struct crmpi_extent *extent, uint64_t page,
                                   struct crmpi_hash hash)
{
    uint64_t end = extent->start + extent->bytes;
    uint64_t from = page > extent->start ? page : extent->start;
    uint64_t to = page + PAGE < end ? page + PAGE : end;
    enum crmpi_status status = kept_add(making, from, to - from, extent->start);

    return status == CRMPI_OK ? crmpi_datamap_add(&making->contents->map,
                                                  making->unchanged->owner, page, hash)
                              : status;
}

/* Memory that is as it was: what of it was data still is. */
static enum crmpi_status unchanged_take(struct making *making,
                                        const struct crmpi_extent *extent)
{
    const struct crmpi_datamap *base = making->pump->base;
    uint64_t owner = making->unchanged->owner;
    uint64_t first = extent->start / PAGE * PAGE, end = extent->start + extent->bytes;
    enum crmpi_status status = CRMPI_OK;

    for (size_t i = crmpi_datamap_behind(base, owner, first);
         i < base->n_runs && base->runs[i].owner == owner && base->runs[i].page < end;
         i++) {
        const struct crmpi_run *run = &base->runs[i];
        uint64_t at = run->page > first ? run->page : first;

        for (; status == CRMPI_OK && at < end && at < run->page + run->n * PAGE;
             at += PAGE)
            status = page_keep(making, extent, at,
                               base->hashes[run->first + (at - run->page) / PAGE]);
    }
    return status;
}

static enum crmpi_status cells_take(struct making *making, size_t content)
{
    const struct crmpi_extents *unchanged = &making->unchanged->extents;
    struct crmpi_pump *pump = making->pump;
    enum crmpi_status status = CRMPI_OK;

    while (status == CRMPI_OK) {
        const struct crmpi_span *span =
            making->span < pump->n_spans && pump->spans[making->span].content == content
                ? &pump->spans[making->span]
                : NULL;
        const struct crmpi_extent *still =
            making->still < unchanged->n ? &unchanged->list[making->still] : NULL;

        if (still && (!span || still->start < span->start)) {
            status = unchanged_take(making, still);
            making->still++;
        } else if (span) {
            status = span_take(making, span);
            making->span++;
        } else {
            break;
        }
    }
    return status;
}

static enum crmpi_status blocks_take(struct making *making, size_t first,
                                     struct crmpi_content *content)
{
    size_t n = making->block - first;
    struct crmpi_block *blocks = calloc(n ? n : 1, sizeof *blocks);
    uint64_t offset = 0;

    if (!blocks)
        return CRMPI_ERR_NOMEM;
    for (size_t i = 0; i < n; i++) {
        const struct crmpi_pumped *pumped = &making->pump->blocks[first + i];

        blocks[i] = (struct crmpi_block){offset, pumped->bytes, pumped->file_offset,
                                         pumped->stored_bytes, pumped->checksum};
        offset += pumped->bytes;
    }
    content->blocks = blocks;
    content->n_blocks = n;
    return CRMPI_OK;
}

static enum crmpi_status content_make(struct making *making, size_t number)
{
    struct crmpi_content *content = &making->contents->list[number];
    size_t first_block = making->block;
    enum crmpi_status status;

    making->stored = NULL;
    making->n_stored = making->stored_room = 0;
    making->kept = (struct crmpi_extents){0};
    making->raw_bytes = 0;
    making->still = 0;
    status = cells_take(making, number);
    content->stored = making->stored;
    content->n_stored = making->n_stored;
    content->kept = making->kept.list;
    content->n_kept = making->kept.n;
    content->raw_bytes = making->raw_bytes;
    if (number >= making->n_whole)
        content->compression = making->pump->compression;
    return status == CRMPI_OK ? blocks_take(making, first_block, content) : status;
}

static int block_compare(const void *a, const void *b)
{
    const struct crmpi_pumped *first = a, *second = b;

    return first->cell < second->cell ? -1 : first->cell > second->cell;
}

enum crmpi_status crmpi_contents_make(struct crmpi_pump *pump, size_t n, size_t n_whole,
                                      const struct crmpi_unchanged *unchanged,
                                      struct crmpi_contents *contents_out)
{
    struct crmpi_contents contents = {.n = n};
    struct making making = {
        .pump = pump, .contents = &contents, .n_whole = n_whole, .unchanged = unchanged};
    enum crmpi_status status = CRMPI_OK;

    contents.list = calloc(n ? n : 1, sizeof *contents.list);
    if (!contents.list)
        return CRMPI_ERR_NOMEM;
    qsort(pump->blocks, pump->state->n_blocks, sizeof *pump->blocks, block_compare);
    for (size_t i = 0; status == CRMPI_OK && i < n; i++, making.unchanged++)
        status = content_make(&making, i);
    if (status == CRMPI_OK &&
        (making.block != pump->state->n_blocks || making.span != pump->n_spans))
        status = CRMPI_ERR_INTERNAL;
    if (status == CRMPI_OK)
        *contents_out = contents;
    else
        crmpi_contents_fini(&contents);
    return status;
}

void crmpi_contents_fini(struct crmpi_contents *contents)
{
    for (size_t i = 0; i < contents->n; i++) {
        free((void *)contents->list[i].stored);
        free((void *)contents->list[i].kept);
        free((void *)contents->list[i].blocks);
    }
    free(contents->list);
    crmpi_datamap_fini(&contents->map);
    *contents = (struct crmpi_contents){0};
}
