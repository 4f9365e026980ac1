/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rank 0's part in a checkpoint: the recovery line.  Lower half, protocol thread: writing
 * a line is short, all of it is metadata.
 *
 * A line takes over from the line before what it has of the ranks that were not saved.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/config.h"
#include "base/fault.h"
#include "base/log.h"
#include "engine/chronicle.h"
#include "engine/state.h"
#include "levels/levels.h"

static struct crmpi_engine *const engine = &crmpi_engine;

static struct {
    struct crmpi_line_rank
        *newest;                  /* what the newest line has; sn 0: there is none yet */
    struct crmpi_line_rank *next; /* what one that is being committed has */
    uint64_t number;              /* highest that a line may have been written with */
    struct crmpi_figures figures; /* of the newest commit's files: sums; times: the longest */
} lines;
static char why[512]; /* the reason of the newest failure; a result points to it */

static struct crmpi_event failure(const char *what, const char *reason)
{
    snprintf(why, sizeof why, "%s: %s", what, reason);
    return (struct crmpi_event){.kind = CRMPI_EVENT_FAILED, .why = why};
}

/* ---- start ---- */

/* The line this process was restored from goes on. */
static enum crmpi_status take_restored(void)
{
    struct crmpi_line line;
    enum crmpi_status status =
        crmpi_line_read(crmpi_config.dir, engine->job.restored, &line);

    if (status != CRMPI_OK)
        return status;
    if (line.job.n_ranks == engine->job.n_ranks)
        memcpy(lines.newest, line.ranks, engine->job.n_ranks * sizeof *lines.newest);
    crmpi_line_free(&line);
    return CRMPI_OK;
}

enum crmpi_status crmpi_commit_start(uint64_t next_sn)
{
    lines.number = next_sn - 1;
    lines.newest = calloc(engine->job.n_ranks, sizeof *lines.newest);
    lines.next = calloc(engine->job.n_ranks, sizeof *lines.next);
    if (lines.newest == NULL || lines.next == NULL)
        return CRMPI_ERR_NOMEM;
    if (engine->job.restored != 0 && take_restored() != CRMPI_OK)
        crmpi_warn("only checkpoints of all ranks can be taken until there is one: the "
                   "line this job was restarted from cannot be read any more");
    return CRMPI_OK;
}

void crmpi_commit_stop(void)
{
    free(lines.newest);
    free(lines.next);
    lines.newest = lines.next = NULL;
}

/* ---- commit ---- */

/* What the line will have; returns a reason if that is not a line. */
static const char *make_next(const struct crmpi_action *action)
{
    uint32_t n_ranks = engine->job.n_ranks;

    memcpy(lines.next, lines.newest, n_ranks * sizeof *lines.next);
    for (size_t i = 0; i < action->n_saved; i++) {
        const struct crmpi_saved *saved = &action->saved[i];
        uint64_t sn = saved->sn != 0 ? saved->sn : action->sn;

        if (saved->world_rank >= n_ranks || sn <= lines.newest[saved->world_rank].sn)
            return "a rank's report makes no sense";
        lines.next[saved->world_rank] =
            (struct crmpi_line_rank){.sn = sn,
                                     .file_bytes = saved->file_bytes,
                                     .digest = saved->digest,
                                     .incarnation = engine->job.incarnation,
                                     .figures = saved->figures};
    }
    for (uint32_t i = 0; i < n_ranks; i++)
        if (lines.next[i].sn == 0)
            return "some ranks have no checkpoint yet";
    return NULL;
}

static uint32_t longer(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static void sum_up(const struct crmpi_action *action)
{
    struct crmpi_figures *sum = &lines.figures;

    *sum = (struct crmpi_figures){0};
    for (size_t i = 0; i < action->n_saved; i++) {
        const struct crmpi_figures *of = &action->saved[i].figures;
        sum->memory_bytes += of->memory_bytes;
        sum->changed_bytes += of->changed_bytes;
        sum->raw_bytes += of->raw_bytes;
        sum->blocked_us = longer(sum->blocked_us, of->blocked_us);
        sum->save_us = longer(sum->save_us, of->save_us);
        sum->how |= of->how;
    }
}

/* Above those of all lines, and of all that it has; never twice. */
static void take_number(void)
{
    uint64_t highest = 0;

    lines.number++;
    for (uint32_t i = 0; i < engine->job.n_ranks; i++)
        if (lines.next[i].sn > highest)
            highest = lines.next[i].sn;
    if (lines.number < highest)
        lines.number = highest;
}

static enum crmpi_status write_line(const struct crmpi_action *action)
{
    struct crmpi_line line = {.job = engine->job,
                              .ranks = lines.next,
                              .launcher = engine->launcher,
                              .launcher_bytes = engine->launcher_bytes};
    struct timespec now;

    line.job.sn = lines.number;
    if (action->leader == engine->job.world_rank) {
        crmpi_engine_all_saved();
        line.save_seconds = crmpi_clock_seconds() - engine->times.begun;
    } else { /* when it was begun is known elsewhere */
        clock_gettime(CLOCK_REALTIME, &now);
        line.job.time = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    }
    enum crmpi_status status = crmpi_line_write(crmpi_config.dir, &line, crmpi_config.sync);
    if (status == CRMPI_OK)
        crmpi_chronicle_line(action, &line);
    return status;
}

static void drop_lines(struct crmpi_event *result)
{
    uint64_t *kept = NULL;

    crmpi_levels_lock();
    if (crmpi_lines_drop(crmpi_config.dir, crmpi_config.keep, crmpi_levels_line()) ==
        CRMPI_OK)
        crmpi_lines_list(crmpi_config.dir, &kept, &result->n_kept);
    crmpi_levels_unlock();
    result->kept = kept;
}

struct crmpi_event crmpi_commit_do(const struct crmpi_action *action)
{
    struct crmpi_event result = {.kind = CRMPI_EVENT_COMMITTED};
    struct crmpi_line_rank *newest;
    enum crmpi_status status;
    int error = crmpi_fault("engine.commit");
    const char *reason = make_next(action);

    if (error != 0)
        return failure("engine.commit", strerror(error));
    if (reason != NULL)
        return failure("writing the recovery line", reason);
    take_number();
    status = write_line(action);
    if (status != CRMPI_OK)
        return failure("writing the recovery line", crmpi_status_text(status));
    /* from here on it is committed: old lines that cannot be dropped stay */
    newest = lines.next;
    lines.next = lines.newest;
    lines.newest = newest;
    result.line = lines.number;
    sum_up(action);
    crmpi_levels_committed(lines.number, lines.newest);
    drop_lines(&result);
    return result;
}

uint64_t crmpi_commit_newest(void)
{
    return lines.number;
}

const struct crmpi_figures *crmpi_commit_figures(void)
{
    return &lines.figures;
}

double crmpi_commit_bytes(void)
{
    double bytes = 0;

    for (uint32_t i = 0; i < engine->job.n_ranks; i++)
        bytes += (double)lines.newest[i].file_bytes;
    return bytes;
}
