/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writing this rank's checkpoint (see capture.h): a survey says what there is, a pump
 * writes it, here or in a process of its own, and the container is told what it was.
 * Lower half.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/config.h"
#include "base/log.h"
#include "capture/background.h"
#include "capture/capture.h"
#include "capture/contents.h"
#include "capture/limit.h"
#include "capture/records.h"
#include "capture/survey.h"
#include "capture/tracking.h"
#include "capture/writes.h"
#include "capture/workers.h"
#include "files/journal.h"

/* What is known of a checkpoint that later ones may be based on. */
struct base {
    struct crmpi_datamap map;
    struct crmpi_extents holes; /* of its survey */
    struct crmpi_parent self;
    uint64_t full_bytes;  /* that the full one it stands on has stored, */
    uint64_t chain_bytes; /* and the increments since, */
    uint64_t last_bytes;  /* and the newest of them */
    unsigned depth;       /* how many these are */
    int is_tracked;       /* the kernel knows what has been written since */
    int is_there;
};

/* The checkpoint that is under way. */
static struct capture {
    struct crmpi_capture_result result;
    struct timespec begin;
    char path[4600];
    struct crmpi_survey survey;
    struct crmpi_pump pump;
    struct crmpi_writer *writer;
    struct crmpi_records records;
    uint64_t sn;
    int is_increment;
    int pid; /* of the process that writes; 0: none */
} current;

static struct base base; /* committed */
static struct base next; /* saved, and it is not known yet whether it is committed */
static int is_quiet;     /* crmpi_capture_quiet() has been called for the next one */
static struct crmpi_extents copied; /* memory that a process split off does not get */
static struct {
    char *start;
    uint64_t bytes;
} copies; /* of what others may write; its pages are kept for the next time */

static double write_rate; /* bytes that the file system took per second, the last time */

/* For crmpi_capture_progress(): the pump's state goes away with it. */
static struct {
    pthread_mutex_t lock;
    const struct crmpi_pump *pump;
} progress = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void progress_of(const struct crmpi_pump *pump)
{
    pthread_mutex_lock(&progress.lock);
    progress.pump = pump;
    pthread_mutex_unlock(&progress.lock);
}

void crmpi_capture_progress(uint64_t *done_bytes_out, uint64_t *total_bytes_out)
{
    const struct crmpi_pump *pump;

    pthread_mutex_lock(&progress.lock);
    pump = progress.pump;
    *done_bytes_out =
        pump ? __atomic_load_n(&pump->state->done_bytes, __ATOMIC_RELAXED) : 0;
    *total_bytes_out = pump ? pump->bytes : 0;
    pthread_mutex_unlock(&progress.lock);
}

static uint32_t us_since(const struct timespec *begin)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t us =
        (now.tv_sec - begin->tv_sec) * 1000000ll + (now.tv_nsec - begin->tv_nsec) / 1000;
    return us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

static void base_drop(struct base *which)
{
    crmpi_datamap_fini(&which->map);
    free(which->holes.list);
    *which = (struct base){0};
}

/* The end of a checkpoint here, whether or not there is a file.  If there is none, what
 * has been written since the base is not known any more. */
static void capture_end(int saved)
{
    progress_of(NULL);
    crmpi_writer_abort(current.writer);
    crmpi_pump_fini(&current.pump);
    crmpi_survey_fini(&current.survey);
    crmpi_records_fini(&current.records);
    current = (struct capture){0};
    if (!saved)
        base_drop(&base);
}

static enum crmpi_status failed(enum crmpi_status status, char *why, size_t why_bytes)
{
    if (!why[0])
        snprintf(why, why_bytes, "writing %s failed: %s", current.path,
                 crmpi_status_text(status));
    capture_end(0);
    return status;
}

/*
 * The beginning
 */

/* Whether the kernel is to tell what has been written. */
static int wants_tracking(void)
{
    static int known, possible;
    char why[256];

    if (crmpi_config.incremental == 0 || crmpi_config.changes == CRMPI_CHANGES_HASH)
        return 0;
    if (known)
        return possible;
    possible = crmpi_tracking_is_possible(why, sizeof why);
    known = 1;
    if (!possible && crmpi_config.changes == CRMPI_CHANGES_PAGEMAP)
        crmpi_warn("CRMPI_CHANGES=pagemap: %s: changes are found by hashing", why);
    else if (!possible)
        crmpi_info("%s: changes are found by hashing", why);
    return possible;
}

/* A chain that has as much to read as a full checkpoint would cost more to restore than it
 * saves. */
static int wants_increment(void)
{
    return base.is_there && base.depth < crmpi_config.incremental &&
           base.chain_bytes + base.last_bytes <= base.full_bytes;
}

enum crmpi_status crmpi_capture_quiet(void)
{
    enum crmpi_status status = crmpi_writes_note(wants_tracking());

    is_quiet = status == CRMPI_OK;
    return status;
}

/*
 * What of windows has been written is known if all who have written to them since the base
 * have noted it.  Those are members of this checkpoint: under partial a rank that has
 * accessed a segment is taken into its owner's group, and what it noted in another group
 * stays noted until the owner saves.
 */
static enum crmpi_status look(int alone, char *why, size_t why_bytes)
{
    int written = is_quiet && !alone;
    enum crmpi_status status;

    is_quiet = 0;

    if (next.is_there) { /* it has not been heard of again */
        base_drop(&next);
        base_drop(&base);
    }
    current.is_increment = wants_increment();
    if (!current.is_increment)
        base_drop(&base);
    status = crmpi_survey_make(
        wants_tracking(), current.is_increment && base.is_tracked ? &base.holes : NULL,
        current.is_increment && written, &copied, &current.survey, why, why_bytes);
    if (status != CRMPI_OK)
        return status;
    status = crmpi_pump_init(&current.pump, current.survey.spans, current.survey.n_spans,
                             crmpi_config.incremental > 0);
    if (status != CRMPI_OK)
        return status;
    current.survey.spans = NULL; /* the pump's */
    current.pump.base = current.is_increment ? &base.map : NULL;
    crmpi_workers_prepare(&current.pump, write_rate);
    progress_of(&current.pump);
    return CRMPI_OK;
}

static enum crmpi_status file_begin(const struct crmpi_capture_request *request)
{
    enum crmpi_status status =
        crmpi_writer_create(request->path, request->job,
                            current.is_increment ? &base.self : NULL, &current.writer);

    if (status == CRMPI_OK && !current.is_increment)
        status =
            crmpi_writer_reserve(current.writer, CRMPI_DATA_OFFSET + current.pump.bytes);
    if (status == CRMPI_OK)
        status = crmpi_records_save(current.writer, &current.records,
                                    &current.survey.memory);
    if (status == CRMPI_OK && request->dependencies)
        status = crmpi_writer_dependencies(current.writer, request->dependencies);
    if (status == CRMPI_OK)
        current.pump.fd = crmpi_writer_descriptor(current.writer);
    return status;
}

/* What becomes of files from now on is undone by a restart from this checkpoint; if there
 * will be none, by one from the checkpoint before. */
static void journal_begin(const struct crmpi_capture_request *request)
{
    char home[sizeof current.path], *slash;

    snprintf(home, sizeof home, "%s", request->path);
    for (int i = 0; i < 3; i++) /* HOME/ranks/RRRRRR/NNNNNN.h5 */
        if ((slash = strrchr(home, '/')))
            *slash = 0;
    crmpi_journal_begin(home, request->job->world_rank, request->job->sn,
                        &current.records.inodes);
}

/* What is beyond the bound of memory is written before the threads go on: the first unit
 * that need not be. */
static size_t first_behind_limit(const struct crmpi_pump *pump)
{
    uint64_t limit = crmpi_limit_bytes(), bytes = 0;
    size_t first = pump->n_units;

    while (first > 0 && bytes + pump->units[first - 1].bytes <= limit)
        bytes += pump->units[--first].bytes;
    return first;
}

/* Give what others may write a place for a copy; 0 if there is no room. */
static int copies_place(struct crmpi_pump *pump, size_t first)
{
    uint64_t bytes = 0;

    for (size_t i = pump->units[first].first; i < pump->n_spans; i++)
        if (pump->spans[i].flags & CRMPI_SPAN_SHARED)
            bytes += crmpi_cells_of(pump->spans[i].start, pump->spans[i].bytes) *
                     CRMPI_CELL_BYTES;
    if (bytes > copies.bytes) {
        void *start = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        if (start == MAP_FAILED)
            return 0;
        if (copies.start)
            munmap(copies.start, copies.bytes);
        copies.start = start;
        copies.bytes = bytes;
    }
    bytes = 0;
    for (size_t i = pump->units[first].first; i < pump->n_spans; i++) {
        struct crmpi_span *span = &pump->spans[i];

        if (!(span->flags & CRMPI_SPAN_SHARED))
            continue;
        span->copy = (uint64_t)copies.start + bytes + span->start % CRMPI_CELL_BYTES;
        bytes += crmpi_cells_of(span->start, span->bytes) * CRMPI_CELL_BYTES;
    }
    return 1;
}

/* Have another process write what is within the bound, if that can be. */
static void split_off(void)
{
    struct crmpi_pump *pump = &current.pump;
    size_t first = first_behind_limit(pump);
    struct crmpi_extent missing;
    enum crmpi_status status;

    if (first == pump->n_units)
        return;
    if (crmpi_workers_run(pump, first) != 0)
        return;
    if (!copies_place(pump, first)) {
        crmpi_info("no memory for a copy of windows: the checkpoint is written at once");
        return;
    }
    crmpi_pump_copy(pump, first);
    status = crmpi_background_start(pump, &current.survey, &current.pid, &missing);
    if (status == CRMPI_ERR_UNSUPPORTED) {
        crmpi_info("memory at %#lx is not inherited by a process: this checkpoint is "
                   "written at once",
                   missing.start);
        /* it is copied the next time */
        crmpi_extents_add(&copied, missing.start, missing.bytes, missing.start);
    } else if (status != CRMPI_OK) {
        crmpi_info("no process to write the checkpoint: it is written at once");
    }
}

/*
 * The end
 */

static enum crmpi_status contents_tell(const struct crmpi_contents *contents)
{
    const struct crmpi_survey *survey = &current.survey;
    const struct crmpi_content *content = contents->list + survey->wishes.n_named;
    enum crmpi_status status =
        crmpi_writer_task(current.writer, survey->memory.regions,
                          survey->memory.n_regions, &contents->list[contents->n - 1]);

    for (size_t i = 0; status == CRMPI_OK && i < survey->n_segments; i++) {
        const struct crmpi_segment *segment = &survey->segments[i];

        status = crmpi_writer_segment(current.writer, segment,
                                      segment->view_bytes ? content++ : NULL);
    }
    for (size_t i = 0; status == CRMPI_OK && i < survey->wishes.n_named; i++)
        status = crmpi_writer_named(current.writer, &survey->wishes.named[i],
                                    &contents->list[i]);
    return status;
}

/* What the next checkpoint can be based on, if this one is committed. */
static void next_note(struct crmpi_contents *contents)
{
    next = (struct base){.map = contents->map,
                         .holes = current.survey.holes,
                         .self = {current.sn, current.result.digest},
                         .full_bytes = contents->stored_bytes,
                         .is_tracked = current.survey.is_tracked,
                         .is_there = 1};
    if (current.is_increment) {
        next.full_bytes = base.full_bytes;
        next.last_bytes = contents->stored_bytes;
        next.chain_bytes = base.chain_bytes + contents->stored_bytes;
        next.depth = base.depth + 1;
    }
    contents->map = (struct crmpi_datamap){0};
    current.survey.holes = (struct crmpi_extents){0};
}

static void figures_note(const struct crmpi_contents *contents)
{
    struct crmpi_figures *figures = &current.result.figures;

    figures->memory_bytes = contents->stored_bytes + contents->kept_bytes;
    figures->changed_bytes = current.pump.bytes;
    figures->raw_bytes = contents->stored_bytes;
    figures->how |= current.pump.compression == CRMPI_COMPRESSION_LZ4    ? CRMPI_HOW_LZ4
                    : current.pump.compression == CRMPI_COMPRESSION_ZSTD ? CRMPI_HOW_ZSTD
                                                                         : 0;
    figures->save_us = us_since(&current.begin);
    if (current.pid)
        figures->how |= CRMPI_HOW_BACKGROUND;
    else
        figures->blocked_us = figures->save_us;
    if (current.is_increment)
        figures->how |= CRMPI_HOW_INCREMENT |
                        (current.survey.is_tracked ? CRMPI_HOW_PAGEMAP : CRMPI_HOW_HASH);
}

static enum crmpi_status file_end(void)
{
    const struct crmpi_survey *survey = &current.survey;
    struct crmpi_pump_state *state = current.pump.state;
    struct crmpi_contents contents = {0};
    enum crmpi_status status =
        state->error
            ? crmpi_writer_failed(current.writer, state->error)
            : crmpi_contents_make(&current.pump, survey->n_contents,
                                  survey->wishes.n_named, survey->unchanged, &contents);

    if (status == CRMPI_OK)
        status = contents_tell(&contents);
    if (status == CRMPI_OK) {
        status = crmpi_writer_close(current.writer, state->file_end, crmpi_config.sync,
                                    &current.result.file_bytes, &current.result.digest);
        current.writer = NULL;
    }
    if (status == CRMPI_OK) {
        if (state->write_ns > 0)
            write_rate = 1e9 * (double)state->write_bytes / (double)state->write_ns;
        figures_note(&contents);
        if (crmpi_config.incremental > 0)
            next_note(&contents);
    }
    crmpi_contents_fini(&contents);
    return status;
}

static enum crmpi_status finish(struct crmpi_capture_result *result_out, char *why,
                                size_t why_bytes)
{
    enum crmpi_status status = file_end();

    if (status != CRMPI_OK)
        return failed(status, why, why_bytes);
    *result_out = current.result;
    capture_end(1);
    return CRMPI_OK;
}

enum crmpi_status crmpi_capture_begin(const struct crmpi_capture_request *request,
                                      int *pending_out,
                                      struct crmpi_capture_result *result_out, char *why,
                                      size_t why_bytes)
{
    enum crmpi_status status;

    why[0] = 0;
    current.pump.fd = -1;
    current.sn = request->job->sn;
    snprintf(current.path, sizeof current.path, "%s", request->path);
    clock_gettime(CLOCK_MONOTONIC, &current.begin);
    status = crmpi_records_take(&current.records, why, why_bytes);
    if (status == CRMPI_OK)
        status = look(request->alone, why, why_bytes);
    if (status == CRMPI_OK)
        status = file_begin(request);
    if (status == CRMPI_OK)
        journal_begin(request);
    if (status == CRMPI_OK && request->background && crmpi_config.async)
        split_off();
    if (status == CRMPI_OK && !current.pid)
        crmpi_workers_run(&current.pump, current.pump.n_units);
    crmpi_memory_release(&current.survey.memory);
    if (status != CRMPI_OK)
        return failed(status, why, why_bytes);
    *pending_out = current.pid != 0;
    if (!current.pid)
        return finish(result_out, why, why_bytes);
    current.result.figures.blocked_us = us_since(&current.begin);
    return CRMPI_OK;
}

enum crmpi_status crmpi_capture_complete(struct crmpi_capture_result *result_out,
                                         char *why, size_t why_bytes)
{
    enum crmpi_status status;

    why[0] = 0;
    if (!current.pid) {
        snprintf(why, why_bytes, "no checkpoint is being saved");
        return CRMPI_ERR_INTERNAL;
    }
    status = crmpi_background_wait(&current.pump, current.pid, why, why_bytes);
    return status == CRMPI_OK ? finish(result_out, why, why_bytes)
                              : failed(status, why, why_bytes);
}

void crmpi_capture_over(int committed, uint64_t sn, uint64_t digest)
{
    if (!next.is_there)
        return;
    base_drop(&base);
    if (committed && sn == next.self.sn && digest == next.self.digest)
        base = next;
    else
        base_drop(&next);
    next = (struct base){0};
}
