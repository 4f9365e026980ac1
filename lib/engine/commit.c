/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rank 0's part in a checkpoint: the recovery line, the times, what people are told.
 * Lower half, protocol thread: writing a line is short, all of it is metadata.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/config.h"
#include "base/fault.h"
#include "base/log.h"
#include "engine/requests.h"
#include "engine/state.h"
#include "policy/daly.h"

/* What a checkpoint is thought to cost before the first one. */
#define FIRST_COST_SECONDS 10.0

static struct crmpi_engine *const engine = &crmpi_engine;
static char why[512]; /* the reason of the newest failure; a result points to it */

static struct crmpi_event failure(const char *what, const char *reason)
{
    snprintf(why, sizeof why, "%s: %s", what, reason);
    return (struct crmpi_event){.kind = CRMPI_EVENT_FAILED, .why = why};
}

/* ---- commit ---- */

static void note_saved(const struct crmpi_action *action)
{
    engine->line.job = engine->job;
    engine->line.job.sn = action->sn;
    engine->line.ranks = calloc(engine->job.n_ranks, sizeof *engine->line.ranks);
    for (size_t i = 0; i < action->n_saved && engine->line.ranks != NULL; i++) {
        const struct crmpi_saved *saved = &action->saved[i];
        if (saved->world_rank >= engine->job.n_ranks)
            continue;
        engine->line.ranks[saved->world_rank] =
            (struct crmpi_line_rank){.sn = action->sn,
                                     .file_bytes = saved->file_bytes,
                                     .digest = saved->digest,
                                     .incarnation = engine->job.incarnation};
    }
}

static int all_ranks_saved(void)
{
    if (engine->line.ranks == NULL)
        return 0;
    for (uint32_t i = 0; i < engine->job.n_ranks; i++)
        if (engine->line.ranks[i].sn == 0)
            return 0;
    return 1;
}

struct crmpi_event crmpi_commit_do(const struct crmpi_action *action)
{
    enum crmpi_status status = CRMPI_ERR_INTERNAL;
    struct crmpi_event result = {.kind = CRMPI_EVENT_COMMITTED};
    uint64_t *kept = NULL;
    int error;

    note_saved(action);
    engine->line.save_seconds = crmpi_clock_seconds() - engine->times.begun;
    engine->line.launcher = engine->launcher;
    engine->line.launcher_bytes = engine->launcher_bytes;
    error = crmpi_fault("engine.commit");
    if (error != 0)
        return failure("engine.commit", strerror(error));
    if (all_ranks_saved())
        status = crmpi_line_write(crmpi_config.dir, &engine->line);
    if (status != CRMPI_OK)
        return failure("writing the recovery line", crmpi_status_text(status));
    /* from here on it is committed: old lines that cannot be dropped stay */
    if (crmpi_lines_drop(crmpi_config.dir, crmpi_config.keep) == CRMPI_OK)
        crmpi_lines_list(crmpi_config.dir, &kept, &result.n_kept);
    result.kept = kept;
    return result;
}

void crmpi_phase_set_interval(void)
{
    double seconds = crmpi_config.interval_seconds;

    if (seconds == CRMPI_INTERVAL_AUTO)
        seconds = crmpi_daly_interval(engine->n_costs ? engine->cost_seconds
                                                      : FIRST_COST_SECONDS,
                                      crmpi_config.mtbf_seconds);
    engine->interval_ms = seconds > 0 && engine->job.world_rank == 0
                              ? crmpi_clock_ms() + (int64_t)(1000 * seconds)
                              : INT64_MAX;
}

static void note_cost(double seconds)
{
    engine->n_costs++;
    engine->cost_seconds += (seconds - engine->cost_seconds) / engine->n_costs;
}

void crmpi_commit_report(const struct crmpi_action *action)
{
    const struct crmpi_engine_times *times = &engine->times;
    char text[600];
    double bytes = 0;

    if (action->committed) {
        note_cost(crmpi_clock_seconds() - times->begun);
        for (uint32_t i = 0; i < engine->job.n_ranks; i++)
            bytes += (double)engine->line.ranks[i].file_bytes;
        crmpi_info("line %llu: %u ranks, quiesced in %.1f ms, drained in %.1f ms, saved "
                   "%.1f MB in %.3f s, committed in %.1f ms",
                   (unsigned long long)action->sn, engine->job.n_ranks,
                   1e3 * (times->parked - times->begun),
                   1e3 * (times->quiet - times->parked), bytes / 1e6,
                   times->saved - times->quiet,
                   1e3 * (crmpi_clock_seconds() - times->saved));
        crmpi_requests_report(action->sn, NULL);
    } else {
        snprintf(text, sizeof text, "rank %u: %s", action->world_rank, action->why);
        crmpi_warn("no checkpoint was taken: %s", text);
        crmpi_requests_report(0, text);
    }
    free(engine->line.ranks);
    engine->line.ranks = NULL;
    engine->times.begun = 0;
    crmpi_phase_set_interval();
}

void crmpi_times_note(enum crmpi_action_kind kind)
{
    double now = crmpi_clock_seconds();

    if (kind == CRMPI_ACTION_PARK && engine->times.begun == 0)
        engine->times.begun = now;
    else if (kind == CRMPI_ACTION_DRAIN)
        engine->times.parked = now;
    else if (kind == CRMPI_ACTION_SAVE)
        engine->times.quiet = now;
    else if (kind == CRMPI_ACTION_COMMIT)
        engine->times.saved = now;
}

