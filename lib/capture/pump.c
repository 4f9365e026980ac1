/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From memory to blocks in a file, see pump.h.  Lower half.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>

#include "capture/extents.h"
#include "capture/pump.h"
#include "storage/codec.h"

#define PAGE CRMPI_CELL_BYTES
#define PIECES (CRMPI_BLOCK_BYTES / PAGE)
#define SLICE_BYTES ((size_t)128 << 10) /* fits in a core's cache with its copy */
#define STACK_BYTES ((size_t)512 << 10)
#define GIVE_UP_BYTES ((uint64_t)8 << 20) /* at once: huge pages are not split for less */

uint64_t crmpi_cells_of(uint64_t start, uint64_t bytes)
{
    return bytes ? (start + bytes - 1) / PAGE - start / PAGE + 1 : 0;
}

/*
 * Units and the shared memory
 */

static enum crmpi_status units_make(struct crmpi_pump *pump)
{
    struct crmpi_unit *unit = NULL;

    pump->units = calloc(pump->n_spans ? pump->n_spans : 1, sizeof *pump->units);
    if (!pump->units)
        return CRMPI_ERR_NOMEM;
    for (size_t i = 0; i < pump->n_spans; i++) {
        struct crmpi_span *span = &pump->spans[i];
        uint64_t n = crmpi_cells_of(span->start, span->bytes);

        if (!unit || pump->spans[unit->first].content != span->content ||
            unit->bytes + span->bytes > CRMPI_UNIT_BYTES) {
            unit = &pump->units[pump->n_units++];
            unit->first = i;
        }
        span->cell = pump->n_cells;
        unit->n++;
        unit->bytes += span->bytes;
        unit->cells += n;
        pump->bytes += span->bytes;
        pump->n_cells += n;
    }
    /* All blocks of a unit but the last one have at least so many cells. */
    for (size_t i = 0; i < pump->n_units; i++)
        pump->block_room += pump->units[i].cells / PIECES + 1;
    return CRMPI_OK;
}

enum crmpi_status crmpi_pump_init(struct crmpi_pump *pump, struct crmpi_span *spans,
                                  size_t n_spans, int hashing)
{
    *pump = (struct crmpi_pump){
        .fd = -1, .hashing = hashing, .spans = spans, .n_spans = n_spans};
    if (units_make(pump) != CRMPI_OK)
        return CRMPI_ERR_NOMEM;
    size_t hash_bytes = hashing ? pump->n_cells * sizeof *pump->hashes : 0;
    size_t block_bytes = pump->block_room * sizeof *pump->blocks;

    pump->area_bytes = sizeof *pump->state + hash_bytes + block_bytes + pump->n_cells;
    pump->area = mmap(NULL, pump->area_bytes, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pump->area == MAP_FAILED) {
        free(pump->units);
        return CRMPI_ERR_NOMEM;
    }
    pump->state = pump->area;
    pump->hashes = hashing ? (struct crmpi_hash *)(pump->state + 1) : NULL;
    pump->blocks =
        (struct crmpi_pumped *)((char *)pump->area + sizeof *pump->state + hash_bytes);
    pump->cells = (uint8_t *)(pump->blocks + pump->block_room);
    pump->state->file_end = CRMPI_DATA_OFFSET;
    return CRMPI_OK;
}

/* Of each worker: a block, the same compressed, the codec's workspace, and a stack. */
enum crmpi_status crmpi_pump_compress(struct crmpi_pump *pump,
                                      enum crmpi_compression compression,
                                      size_t n_workers)
{
    size_t workspace = crmpi_codec_workspace_bytes(compression);
    size_t bytes =
        2 * CRMPI_BLOCK_BYTES + (workspace + PAGE - 1) / PAGE * PAGE + STACK_BYTES;
    void *buffers = mmap(NULL, n_workers * bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (buffers == MAP_FAILED)
        return CRMPI_ERR_NOMEM;
    pump->buffers = buffers;
    pump->worker_bytes = bytes;
    pump->compression = compression;
    pump->n_workers = n_workers;
    return CRMPI_OK;
}

void crmpi_pump_uncompress(struct crmpi_pump *pump)
{
    if (pump->buffers)
        munmap(pump->buffers, pump->n_workers * pump->worker_bytes);
    pump->buffers = NULL;
    pump->n_workers = 0;
    pump->compression = CRMPI_COMPRESSION_NONE;
}

size_t crmpi_pump_ordered(const struct crmpi_pump *pump)
{
    size_t n = 0;

    if (pump->compression == CRMPI_COMPRESSION_NONE)
        return pump->n_units;
    while (n < pump->n_units &&
           pump->spans[pump->units[n].first].flags & CRMPI_SPAN_WHOLE)
        n++;
    return n;
}

void crmpi_pump_fini(struct crmpi_pump *pump)
{
    crmpi_pump_uncompress(pump);
    if (pump->area)
        munmap(pump->area, pump->area_bytes);
    free(pump->units);
    free(pump->spans);
    *pump = (struct crmpi_pump){.fd = -1};
}

/*
 * Looking at cells
 */

/* The next cell of a span behind an address. */
static uint64_t cell_end(const struct crmpi_span *span, uint64_t at)
{
    uint64_t page_end = (at | (PAGE - 1)) + 1, end = span->start + span->bytes;

    return page_end < end ? page_end : end;
}

static enum crmpi_cell cell_look(struct crmpi_pump *pump, const struct crmpi_span *span,
                                 uint64_t number, uint64_t at, uint64_t end, size_t *hint)
{
    const char *bytes = (const char *)(span->source + (at - span->start));
    const struct crmpi_hash *before = NULL;

    if (span->flags & CRMPI_SPAN_WHOLE)
        return CRMPI_CELL_STORED;
    if (crmpi_bytes_are_zero(bytes, end - at))
        return CRMPI_CELL_ZERO;
    if (!pump->hashing)
        return CRMPI_CELL_STORED;
    pump->hashes[number] = crmpi_hash(bytes, end - at);
    if (pump->base)
        before = crmpi_datamap_find(pump->base, span->owner, at / PAGE * PAGE, hint);
    return before && crmpi_hash_is_equal(*before, pump->hashes[number])
               ? CRMPI_CELL_KEPT
               : CRMPI_CELL_STORED;
}

/*
 * Blocks
 */

struct block {
    struct crmpi_pump *pump;
    struct iovec pieces[PIECES];
    size_t n_pieces;
    uint64_t bytes, cell;
    uint32_t content;
    uint32_t is_whole;
    size_t worker;
    uint64_t n_written; /* bytes since memory was given up */
    size_t up_span;     /* memory of the unit has been given up to here */
    uint64_t up_to;
};

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Take room at the end of the file. */
static uint64_t room_take(struct crmpi_pump *pump, uint64_t bytes)
{
    return __atomic_fetch_add(&pump->state->file_end, bytes, __ATOMIC_RELAXED);
}

static int pieces_write(struct crmpi_pump *pump, const struct iovec *pieces, size_t n,
                        uint64_t bytes, uint64_t offset)
{
    struct crmpi_pump_state *state = pump->state;
    uint64_t begin = now_ns();
    int error = crmpi_file_write(pump->fd, pieces, n, offset);

    __atomic_fetch_add(&state->write_bytes, bytes, __ATOMIC_RELAXED);
    __atomic_fetch_add(&state->write_ns, now_ns() - begin, __ATOMIC_RELAXED);
    return error;
}

/* Slice by slice, so that the checksum finds what was written in the processor's cache;
 * and memory that cannot be read is an error, not a signal. */
static int plain_write(struct block *block, struct crmpi_pumped *pumped)
{
    struct crmpi_checksum_state sum;
    uint64_t offset = room_take(block->pump, block->bytes);
    int error = 0;

    pumped->file_offset = offset;
    pumped->bytes = pumped->stored_bytes = block->bytes;
    crmpi_checksum_begin(&sum);
    for (size_t i = 0, n; !error && i < block->n_pieces; i += n) {
        const struct iovec *pieces = block->pieces + i;
        uint64_t bytes = pieces[0].iov_len;

        for (n = 1; i + n < block->n_pieces && bytes + pieces[n].iov_len <= SLICE_BYTES;
             n++)
            bytes += pieces[n].iov_len;
        error = pieces_write(block->pump, pieces, n, bytes, offset);
        offset += bytes;
        for (size_t p = 0; !error && p < n; p++)
            crmpi_checksum_add(&sum, pieces[p].iov_base, pieces[p].iov_len);
    }
    pumped->checksum = crmpi_checksum_end(&sum);
    return error;
}

/* Filters work on whole blocks: a short one is filled with zeros. */
static int packed_write(struct block *block, struct crmpi_pumped *pumped)
{
    char *raw = block->pump->buffers + block->worker * block->pump->worker_bytes;
    char *packed = raw + CRMPI_BLOCK_BYTES;
    uint64_t at = 0;

    for (size_t i = 0; i < block->n_pieces; at += block->pieces[i++].iov_len)
        memcpy(raw + at, block->pieces[i].iov_base, block->pieces[i].iov_len);
    memset(raw + at, 0, CRMPI_BLOCK_BYTES - at);
    pumped->checksum = crmpi_checksum(raw, CRMPI_BLOCK_BYTES);
    pumped->bytes = CRMPI_BLOCK_BYTES;
    pumped->stored_bytes = crmpi_codec_encode(block->pump->compression, raw,
                                              packed + CRMPI_BLOCK_BYTES, packed);
    struct iovec piece = {packed, pumped->stored_bytes};

    if (pumped->stored_bytes == 0) { /* it does not shrink */
        pumped->stored_bytes = CRMPI_BLOCK_BYTES;
        piece = (struct iovec){raw, CRMPI_BLOCK_BYTES};
    }
    pumped->file_offset = room_take(block->pump, pumped->stored_bytes);
    return pieces_write(block->pump, &piece, 1, pumped->stored_bytes,
                        pumped->file_offset);
}

static int block_write(struct block *block)
{
    struct crmpi_pump *pump = block->pump;
    struct crmpi_pumped pumped = {.cell = block->cell, .content = block->content};
    int error;

    if (block->n_pieces == 0)
        return 0;
    error = pump->compression == CRMPI_COMPRESSION_NONE || block->is_whole
                ? plain_write(block, &pumped)
                : packed_write(block, &pumped);
    if (error)
        return error;
    pump->blocks[__atomic_fetch_add(&pump->state->n_blocks, 1, __ATOMIC_RELAXED)] =
        pumped;
    block->n_written += block->bytes;
    block->n_pieces = 0;
    block->bytes = 0;
    return 0;
}

/* Give the memory before an address of a span back, which is written: whoever writes to
 * it then needs no copy. */
static void give_up(struct block *block, size_t span, uint64_t at)
{
    const struct crmpi_pump *pump = block->pump;

    for (; block->up_span <= span; block->up_span++, block->up_to = 0) {
        const struct crmpi_span *from = &pump->spans[block->up_span];
        uint64_t start = block->up_to > from->start ? block->up_to : from->start;
        uint64_t end = from->start + from->bytes;

        if (block->up_span == span && at < end)
            end = at;
        start = (start + PAGE - 1) / PAGE * PAGE;
        end = end / PAGE * PAGE;
        if (from->source == from->start && end > start)
            madvise((void *)start, end - start, MADV_DONTNEED);
        if (block->up_span == span)
            break;
    }
    block->up_to = at;
    block->n_written = 0;
}

static int cell_store(struct block *block, const struct crmpi_span *span, size_t number,
                      uint64_t at, uint64_t end)
{
    char *source = (char *)(span->source + (at - span->start));
    struct iovec *last = block->pieces + block->n_pieces;

    if (block->n_pieces == PIECES || block->bytes + (end - at) > CRMPI_BLOCK_BYTES) {
        int error = block_write(block);

        if (error)
            return error;
        if (block->pump->giving_up && block->n_written >= GIVE_UP_BYTES)
            give_up(block, (size_t)(span - block->pump->spans), at);
        last = block->pieces;
    }
    if (block->n_pieces == 0) {
        block->cell = number;
        block->content = span->content;
        block->is_whole = span->flags & CRMPI_SPAN_WHOLE;
    }
    block->bytes += end - at;
    if (block->n_pieces > 0 && (char *)last[-1].iov_base + last[-1].iov_len == source &&
        last[-1].iov_len + (end - at) <= SLICE_BYTES) {
        last[-1].iov_len += end - at;
        return 0;
    }
    *last = (struct iovec){source, end - at};
    block->n_pieces++;
    return 0;
}

static int span_pump(struct block *block, const struct crmpi_span *span, size_t *hint)
{
    struct crmpi_pump *pump = block->pump;
    uint64_t number = span->cell;
    int error = 0;

    for (uint64_t at = span->start, end; !error && at < span->start + span->bytes;
         at = end, number++) {
        end = cell_end(span, at);
        if (pump->cells[number] == CRMPI_CELL_UNKNOWN)
            pump->cells[number] = cell_look(pump, span, number, at, end, hint);
        if (pump->cells[number] == CRMPI_CELL_STORED)
            error = cell_store(block, span, number, at, end);
    }
    __atomic_add_fetch(&pump->state->done_bytes, span->bytes, __ATOMIC_RELAXED);
    return error;
}

/* Take the next unit before number @p end; 0 if there is none. */
static int unit_take(struct crmpi_pump *pump, size_t end, size_t *number_out)
{
    uint64_t number = __atomic_load_n(&pump->state->next_unit, __ATOMIC_RELAXED);

    do
        if (number >= end)
            return 0;
    while (!__atomic_compare_exchange_n(&pump->state->next_unit, &number, number + 1, 0,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    *number_out = number;
    return 1;
}

static int unit_pump(struct block *block, const struct crmpi_unit *unit, size_t *hint)
{
    const struct crmpi_pump *pump = block->pump;
    int error = 0;

    block->up_span = unit->first;
    block->up_to = 0;
    for (size_t i = unit->first; !error && i < unit->first + unit->n; i++)
        error = span_pump(block, &pump->spans[i], hint);
    if (!error)
        error = block_write(block);
    if (!error && pump->giving_up)
        give_up(block, unit->first + unit->n - 1, UINT64_MAX);
    return error;
}

int crmpi_pump_run(struct crmpi_pump *pump, size_t worker, size_t end)
{
    struct block block = {.pump = pump, .worker = worker};
    size_t hint = 0, number;
    int error = 0;

    while (!error && !__atomic_load_n(&pump->state->error, __ATOMIC_RELAXED) &&
           unit_take(pump, end, &number)) {
        error = unit_pump(&block, &pump->units[number], &hint);
        if (!error)
            __atomic_add_fetch(&pump->state->done_units, 1, __ATOMIC_RELEASE);
    }
    if (error)
        __atomic_store_n(&pump->state->error, error, __ATOMIC_RELEASE);
    return error;
}

void crmpi_pump_copy(struct crmpi_pump *pump, size_t first)
{
    size_t hint = 0;

    for (size_t i = first < pump->n_units ? pump->units[first].first : pump->n_spans;
         i < pump->n_spans; i++) {
        struct crmpi_span *span = &pump->spans[i];
        uint64_t number = span->cell;

        if (!span->copy)
            continue;
        for (uint64_t at = span->start, end; at < span->start + span->bytes;
             at = end, number++) {
            end = cell_end(span, at);
            pump->cells[number] = cell_look(pump, span, number, at, end, &hint);
            if (pump->cells[number] == CRMPI_CELL_STORED)
                memcpy((char *)(span->copy + (at - span->start)), (void *)at, end - at);
        }
        span->source = span->copy;
    }
}
