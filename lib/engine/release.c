/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The end of a checkpoint in one rank, and its files that are of no use any more.  Lower
 * half, protocol thread.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/log.h"
#include "capture/capture.h"
#include "engine/chronicle.h"
#include "engine/post.h"
#include "engine/requests.h"
#include "engine/state.h"
#include "engine/worker.h"
#include "interaction/cut.h"
#include "levels/levels.h"
#include "threads/boundary.h"

#define NEEDED_MAX 1024 /* files that are on their way to CRMPI_DIR, or needed by others */

static struct crmpi_engine *const engine = &crmpi_engine;

static struct crmpi_kept *files(void)
{
    return &((struct crmpi_engine_saved *)crmpi_control->engine)->kept;
}

static int has_file(uint64_t sn)
{
    char path[4600];

    return crmpi_rank_path(crmpi_levels_home(), engine->job.world_rank, sn, 0, path,
                           sizeof path) == CRMPI_OK &&
           access(path, F_OK) == 0;
}

static void remove_file(uint64_t sn)
{
    char path[4600];

    if (crmpi_rank_path(crmpi_levels_home(), engine->job.world_rank, sn, 0, path,
                        sizeof path) == CRMPI_OK &&
        unlink(path) != 0 && errno != ENOENT)
        crmpi_warn("%s: cannot be removed: %s", path, strerror(errno));
}

/*
 * Drop the files that none of the lines has.  What a line of another job, or of one that
 * was lost with a restart, has of this rank is not known, unless it is the file that has
 * the line's number: then nothing is dropped until that line is gone.
 */
static void prune(const uint64_t *lines, size_t n)
{
    struct crmpi_kept *kept = files();
    uint64_t *keep;
    size_t n_keep = 0;

    crmpi_kept_forget(kept, lines, n);
    for (size_t i = 0; i < n; i++)
        if (!crmpi_kept_knows(kept, lines[i]) && !has_file(lines[i]))
            return;
    keep = malloc((n + kept->n + 2 * NEEDED_MAX) * sizeof *keep);
    if (keep == NULL || n == 0)
        return (void)free(keep); /* next time */
    for (size_t i = 0; i < n; i++)
        keep[n_keep++] = lines[i];
    for (size_t i = 0; i < kept->n; i++)
        keep[n_keep++] = kept->files[i].sn;
    crmpi_levels_kept(keep, n_keep);
    n_keep += crmpi_levels_needed(keep + n_keep, NEEDED_MAX);
    n_keep += crmpi_levels_group_needs(crmpi_levels_home(), engine->job.world_rank, keep,
                                       n_keep, NEEDED_MAX);
    crmpi_rank_prune(crmpi_levels_home(), engine->job.world_rank, keep, n_keep);
    free(keep);
}

void crmpi_release_restored(const struct crmpi_job *job)
{
    crmpi_kept_restored(files(), job->sn, job->sn);
    crmpi_statistics_restored(job);
}

/* ---- threads go on ---- */

static void threads_release(enum crmpi_rank_phase phase)
{
    int is_parked = crmpi_rank_is_parked(&engine->rank);

    crmpi_engine_enter(phase);
    crmpi_cut.set_targets(NULL, 0);
    crmpi_cut.drain_forget();
    if (is_parked)
        crmpi_release_all(CRMPI_PHASE_RUN);
}

void crmpi_release_let_go(void)
{
    __atomic_store_n(&engine->last_failed, 1, __ATOMIC_RELAXED);
    crmpi_engine_gone_on();
    __atomic_store_n(&engine->n_ended, engine->n_gone_on, __ATOMIC_RELEASE);
    crmpi_engine_callbacks.after(0);
    threads_release(CRMPI_RANK_RUNS);
}

/* What application threads ask for from here on is not in this checkpoint. */
void crmpi_release_resume(const struct crmpi_action *action)
{
    crmpi_cut.dependencies_resumed();
    crmpi_times_resumed();
    if (action->n_group == 0 || action->n_group == engine->job.n_ranks)
        crmpi_requests_resumed();
    __atomic_store_n(&engine->completed_ordinal, action->ordinal, __ATOMIC_RELAXED);
    __atomic_store_n(&engine->committed_ms, crmpi_clock_ms(), __ATOMIC_RELAXED);
    crmpi_engine_gone_on();
    crmpi_statistics_due(0);
    threads_release(CRMPI_RANK_GOES_ON);
}

/* ---- the end of a checkpoint ---- */

static void note_outcome(const struct crmpi_action *action, uint64_t line)
{
    if (action->committed) {
        if (action->ordinal > __atomic_load_n(&engine->served, __ATOMIC_RELAXED))
            __atomic_store_n(&engine->served, action->ordinal, __ATOMIC_RELAXED);
        if (!action->alone)
            __atomic_store_n(&engine->committed, line, __ATOMIC_RELAXED);
        if (engine->rank.phase != CRMPI_RANK_GOES_ON)
            __atomic_store_n(&engine->committed_ms, crmpi_clock_ms(), __ATOMIC_RELAXED);
    } else if (action->alone || action->retried) {
        return; /* whoever waits goes on waiting */
    }
    __atomic_store_n(&engine->last_failed, !action->committed, __ATOMIC_RELAXED);
    __atomic_store_n(&engine->n_ended, engine->n_gone_on, __ATOMIC_RELEASE);
}

/* Tell rank 0, where the one who demanded it waits. */
static void tell_outcome(const struct crmpi_action *action, uint64_t line)
{
    uint32_t n_ranks = engine->job.n_ranks, self = engine->job.world_rank;
    size_t n = action->n_group ? action->n_group : n_ranks;
    char text[600];

    if (!action->committed && (action->alone || action->retried))
        return;
    if (!action->committed)
        snprintf(text, sizeof text, "failed %.500s",
                 engine->given_up[0] != '\0' ? engine->given_up
                                             : "a rank it has to be saved with gave up");
    else if (action->alone)
        snprintf(text, sizeof text, "committed checkpoint %llu of rank %u alone",
                 (unsigned long long)action->sn, self);
    else
        snprintf(text, sizeof text, "committed line %llu with %zu of %u ranks",
                 (unsigned long long)line, n, n_ranks);
    crmpi_post_send(0, CRMPI_CHANNEL_OUTCOME, text, strlen(text), NULL, 0);
    engine->demanded = 0;
}

/* Given up before threads went on: writing that has begun comes to its end first.  Only
 * the next checkpoint waits for that. */
static void abandon(void)
{
    struct crmpi_action complete = {.kind = CRMPI_ACTION_COMPLETE};

    crmpi_engine_write(CRMPI_RANK_ABANDONED);
    crmpi_worker_do(&complete);
}

void crmpi_release(const struct crmpi_action *action)
{
    uint64_t line = action->line != 0 ? action->line : action->sn;
    int is_increment = (engine->saved_figures.how & CRMPI_HOW_INCREMENT) != 0;
    int have_gone_on = engine->rank.phase == CRMPI_RANK_GOES_ON;
    int is_taken = engine->rank.writing == CRMPI_RANK_TAKEN; /* and not complete */

    if (!action->committed) {
        crmpi_cut.dependencies_given_up();
    } else if (action->alone) {
        crmpi_cut.dependencies_saved();
        crmpi_kept_saved(files(), action->sn, is_increment);
        crmpi_chronicle_alone(action->sn);
    } else {
        crmpi_cut.dependencies_committed();
        crmpi_kept_committed(files(), action->sn, line, is_increment);
    }
    if (!is_taken)
        crmpi_capture_over(action->committed, action->sn, engine->saved_digest);
    if (!have_gone_on)
        crmpi_engine_gone_on();
    note_outcome(action, line);
    crmpi_statistics_due(0);
    crmpi_engine_callbacks.after(action->committed);
    if (have_gone_on)
        crmpi_engine_enter(CRMPI_RANK_RUNS);
    else
        threads_release(CRMPI_RANK_RUNS);
    crmpi_times_released(action);
    if (engine->job.world_rank == 0)
        crmpi_requests_ended();
    if (engine->demanded)
        tell_outcome(action, line);
    engine->demanded |= engine->demanded_late;
    engine->demanded_late = 0;
    engine->given_up[0] = '\0';
    if (is_taken) {
        abandon();
        return;
    }
    if (!action->committed && engine->saved_sn != 0)
        remove_file(engine->saved_sn);
    else if (action->committed && !action->alone)
        prune(action->kept, action->n_kept);
    engine->saved_sn = 0;
}

void crmpi_release_abandoned(void)
{
    crmpi_capture_over(0, engine->saved_sn, engine->saved_digest);
    remove_file(engine->saved_sn);
    engine->saved_sn = 0;
}

void crmpi_release_trim(const struct crmpi_action *action)
{
    uint64_t sn;

    crmpi_cut.log_trim(action->arrived, action->n_arrived);
    while ((sn = crmpi_kept_take_alone(files(), action->sn)) != 0)
        remove_file(sn);
}
