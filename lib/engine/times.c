/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How long checkpoints take, when the next one is due, and what people are told of them.
 * Lower half, protocol thread.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "base/config.h"
#include "base/log.h"
#include "boundary/control.h"
#include "engine/chronicle.h"
#include "engine/limit.h"
#include "engine/requests.h"
#include "engine/state.h"

static struct crmpi_engine *const engine = &crmpi_engine;

/* ---- the next one ---- */

/* Neighbouring numbers lie far apart: the digits behind the point are the rank's, in
 * base 2 and in reverse. */
static double spread(uint32_t world_rank)
{
    double part = 0.5, place = 0;

    for (; world_rank != 0; world_rank >>= 1, part /= 2)
        place += world_rank & 1 ? part : 0;
    return place;
}

static double interval_seconds(void)
{
    if (engine->job.world_rank != 0 && !engine->policy_ops->timer_everywhere)
        return 0;
    if (crmpi_config.interval_seconds != CRMPI_INTERVAL_AUTO)
        return crmpi_config.interval_seconds;
    return crmpi_cost_interval(crmpi_engine_cost(), crmpi_config.mtbf_seconds);
}

/* From the moment that the application works again; 0: from now. */
static void set_interval(double intervals, double resumed)
{
    double seconds = interval_seconds();
    double from = resumed > 0 ? resumed : crmpi_clock_seconds();

    engine->interval_ms =
        seconds > 0 ? (int64_t)(1000 * (from + seconds * intervals)) : INT64_MAX;
}

void crmpi_times_start(void)
{
    set_interval(
        engine->policy_ops->timer_everywhere ? 0.5 + spread(engine->job.world_rank) : 1,
        0);
}

/* ---- this one ---- */

/* The times of what is over; the next one may be noted before the threads are released. */
static void put_away(int alone)
{
    engine->over = (struct crmpi_engine_times){0};
    if (engine->times.alone != alone)
        return; /* the next has begun already */
    engine->over = engine->times;
    engine->times = (struct crmpi_engine_times){0};
}

void crmpi_times_note(const struct crmpi_action *action)
{
    struct crmpi_engine_times *times = &engine->times;
    double now = crmpi_clock_seconds();

    if (action->kind == CRMPI_ACTION_PARK &&
        (times->begun == 0 || times->alone != action->alone))
        *times = (struct crmpi_engine_times){.begun = now, .alone = action->alone};
    else if (action->kind == CRMPI_ACTION_DRAIN || action->kind == CRMPI_ACTION_SETTLE)
        times->parked = now;
    else if (action->kind == CRMPI_ACTION_SAVE)
        times->quiet = now;
    else if (action->kind == CRMPI_ACTION_RELEASE)
        put_away(action->alone);
}

void crmpi_times_resumed(void)
{
    engine->times.resumed = crmpi_clock_seconds();
    engine->interval_ms = INT64_MAX; /* set again when it is over */
}

static int is_of_all(const struct crmpi_action *action)
{
    return action->n_group == 0 || action->n_group == engine->job.n_ranks;
}

/* How the files were saved; rank 0 knows. */
static void describe(char *text, size_t bytes)
{
    static const struct {
        uint32_t how;
        const char *words;
    } ways[] = {{CRMPI_HOW_INCREMENT, ", increments"},
                {CRMPI_HOW_LZ4, ", compressed by lz4"},
                {CRMPI_HOW_ZSTD, ", compressed by zstd"},
                {CRMPI_HOW_BACKGROUND, ", in the background"}};
    const struct crmpi_figures *figures = crmpi_commit_figures();
    size_t n = (size_t)snprintf(text, bytes, "; %.1f MB in memory, threads stopped for "
                                "%.1f ms", 1e-6 * (double)figures->memory_bytes,
                                1e-3 * figures->blocked_us);

    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++)
        if (figures->how & ways[i].how && n < bytes)
            n += (size_t)snprintf(text + n, bytes - n, "%s", ways[i].words);
}

/* Rank 0 knows how much was saved, if all were. */
static void tell_line(const struct crmpi_action *action,
                      const struct crmpi_engine_times *times)
{
    uint32_t n_ranks = engine->job.n_ranks;
    uint64_t line = action->line != 0 ? action->line : action->sn;
    char of[32] = "", saved[32] = "", how[160] = "";

    if (!is_of_all(action))
        snprintf(of, sizeof of, "%zu of ", action->n_group);
    else if (engine->job.world_rank == 0)
        snprintf(saved, sizeof saved, "%.1f MB ", crmpi_commit_bytes() / 1e6);
    if (engine->job.world_rank == 0)
        describe(how, sizeof how);
    crmpi_info("line %llu: %s%u ranks, quiesced in %.1f ms, drained in %.1f ms, saved "
               "%sin %.3f s, committed in %.1f ms%s",
               (unsigned long long)line, of, n_ranks,
               1e3 * (times->parked - times->begun), 1e3 * (times->quiet - times->parked),
               saved, times->saved - times->quiet,
               1e3 * (crmpi_clock_seconds() - times->saved), how);
}

static void report_committed(const struct crmpi_action *action)
{
    char text[64];

    if (!action->all || engine->job.world_rank != 0)
        return; /* the leader of a group tells of it */
    if (action->leader == 0)
        tell_line(action, &engine->times);
    snprintf(text, sizeof text, "committed line %llu",
             (unsigned long long)(action->line != 0 ? action->line : action->sn));
    crmpi_requests_report(CRMPI_DEMAND_OF_ALL, text);
}

static void report_given_up(const struct crmpi_action *action)
{
    uint32_t self = engine->job.world_rank;
    char text[600];

    if (action->leader != self && action->world_rank != self)
        return; /* the leader tells of it */
    snprintf(text, sizeof text, "failed rank %u: %.500s", action->world_rank,
             action->why);
    if (crmpi_connection_is_why(action->why))
        crmpi_info("no checkpoint was taken: %s", text + strlen("failed ")); /* as was told */
    else
        crmpi_warn("no checkpoint was taken: %s", text + strlen("failed "));
    snprintf(engine->given_up, sizeof engine->given_up, "%.500s",
             text + strlen("failed "));
    if (action->leader == self)
        crmpi_chronicle_given_up(text + strlen("failed "));
    if (is_of_all(action) && self == 0)
        crmpi_requests_report(CRMPI_DEMAND_OF_ALL, text);
}

void crmpi_times_report(const struct crmpi_action *action)
{
    if (action->alone && action->all)
        crmpi_info("all ranks are saved: %s", action->why);
    else if (action->alone)
        crmpi_info("rank %u cannot be saved alone: %s; all ranks are", action->world_rank,
                   action->why);
    else if (action->committed)
        report_committed(action);
    else
        report_given_up(action);
}

/* Those of some ranks do not tell how long one of all takes. */
static void note_cost(const struct crmpi_action *action)
{
    const struct crmpi_engine_times *times = &engine->over;
    double now = crmpi_clock_seconds(), whole = now - times->begun;

    if (times->begun == 0)
        return;
    crmpi_cost_note(crmpi_engine_cost(),
                    times->resumed > 0 ? times->resumed - times->begun : whole,
                    is_of_all(action) && !action->alone ? whole : 0);
    crmpi_limit_measured();
}

void crmpi_times_released(const struct crmpi_action *action)
{
    double resumed = engine->over.resumed, begun = engine->over.begun;

    if (begun > 0)
        crmpi_statistics_note(action,
                              (resumed > 0 ? resumed : crmpi_clock_seconds()) - begun);
    if (action->committed) {
        note_cost(action);
        if (!action->alone && action->leader == engine->job.world_rank &&
            !(action->leader == 0 && is_of_all(action))) /* told before */
            tell_line(action, &engine->over);
    }
    set_interval(1, action->committed ? resumed : 0);
}
