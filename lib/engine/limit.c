/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The end of the job's time (see limit.h).  Lower half, protocol thread.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "base/config.h"
#include "base/log.h"
#include "engine/limit.h"
#include "engine/post.h"
#include "engine/state.h"
#include "levels/levels.h"

#define FIRST_RETRY_MS 2000
#define LAST_RETRY_MS 30000

/* What a checkpoint is thought to take while none has been measured. */
#define UNMEASURED_SECONDS 10.0

static struct crmpi_engine *const engine = &crmpi_engine;

static struct {
    int64_t begin_ms, end_ms; /* of the monotonic clock; INT64_MAX: no limit */
    int64_t stop_ms;          /* when to take the last checkpoint */
    int64_t measure_ms;       /* when to take one to see what they cost */
    int64_t next_ms, gap_ms;  /* when to try to stop next, and after that */
    int late;                 /* it was said that the time is over */
    /* shared with the application's threads: atomics */
    int64_t near_ms; /* when the application should come to an end */
    int stopping;
} limit = {.end_ms = INT64_MAX,
           .stop_ms = INT64_MAX,
           .measure_ms = INT64_MAX,
           .next_ms = INT64_MAX,
           .near_ms = INT64_MAX};

/* ---- when ---- */

static double calendar_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Seconds left that a variable of the environment tells; 0 if it is not there. */
static int left_by(const char *name, double *left_out)
{
    const char *text = getenv(name);
    char *end;
    double when;

    if (text == NULL)
        return 0;
    when = strtod(text, &end);
    if (end == text || *end != '\0' || !(when > 0 && when < 1e12)) {
        crmpi_warn("%s=%s is no time: there is no time limit", name, text);
        return 0;
    }
    *left_out = when - calendar_seconds();
    return 1;
}

static int find_left(double *left_out)
{
    if (left_by("CRMPI_END_TIME", left_out))
        return 1;
    if (crmpi_config.time_limit_seconds > 0) {
        *left_out = crmpi_config.time_limit_seconds;
        return 1;
    }
    if (crmpi_config.time_limit_seconds != CRMPI_TIME_LIMIT_SLURM ||
        left_by("SLURM_JOB_END_TIME", left_out))
        return crmpi_config.time_limit_seconds != 0;
    if (engine->job.world_rank == 0)
        crmpi_warn(
            "CRMPI_TIME_LIMIT=slurm: Slurm does not tell when the job's time ends: "
            "there is no time limit; crmpi-run asks squeue, too");
    return 0;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void set_times(void)
{
    const struct crmpi_cost *cost = crmpi_engine_cost();
    double whole = (cost->n > 0 ? cost->whole : UNMEASURED_SECONDS) +
                   crmpi_levels_fill_seconds();
    double margin = crmpi_config.time_margin_seconds;
    int64_t all, before;

    if (limit.end_ms == INT64_MAX)
        return;
    all = limit.end_ms - limit.begin_ms;
    before = least((int64_t)(1000 * (2 * whole + margin)), all / 2);
    limit.stop_ms = limit.end_ms - before;
    __atomic_store_n(&limit.near_ms, limit.end_ms - least(2 * before, all * 3 / 4),
                     __ATOMIC_RELAXED);
    limit.measure_ms = INT64_MAX;
    if (cost->n == 0)
        limit.measure_ms =
            limit.end_ms -
            least(2 * before > all / 10 ? 2 * before : all / 10, all * 3 / 4);
}

void crmpi_limit_start(void)
{
    double left;

    if (!find_left(&left))
        return;
    if (engine->policy_ops == &crmpi_policy_none) {
        if (engine->job.world_rank == 0)
            crmpi_warn("CRMPI_POLICY=none takes no checkpoints: not before the time "
                       "limit either");
        return;
    }
    limit.begin_ms = crmpi_clock_ms();
    limit.end_ms = limit.begin_ms + (left > 0 ? (int64_t)(1000 * left) : 0);
    set_times();
    if (engine->job.world_rank == 0)
        crmpi_info("the job has %.0f s, the last %.0f s of them for its checkpoint", left,
                   1e-3 * (double)(limit.end_ms - limit.stop_ms));
}

void crmpi_limit_measured(void)
{
    set_times();
}

/* ---- stopping ---- */

/* All ranks hear of it, down the tree: programs may ask. */
void crmpi_limit_heard(void)
{
    uint32_t self = engine->job.world_rank;

    __atomic_store_n(&limit.stopping, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < CRMPI_TREE_CHILDREN; i++)
        if (CRMPI_TREE_CHILD(self, i) < engine->job.n_ranks)
            crmpi_post_send(CRMPI_TREE_CHILD(self, i), CRMPI_CHANNEL_STOP, NULL, 0, NULL,
                            0);
}

void crmpi_limit_stop(void)
{
    if (engine->job.world_rank != 0) {
        crmpi_post_send(0, CRMPI_CHANNEL_STOP, NULL, 0, NULL, 0);
        return;
    }
    if (limit.stopping)
        return;
    limit.next_ms = crmpi_clock_ms();
    limit.gap_ms = FIRST_RETRY_MS;
    crmpi_limit_heard();
}

static void say_late(int64_t now_ms)
{
    if (limit.late || limit.end_ms > now_ms)
        return;
    limit.late = 1;
    crmpi_warn(
        "the time limit is reached, and the job's last checkpoint is not complete: "
        "the job goes on until it is, or something else ends it");
}

/* One that is under way serves the first try; another one waits for its outcome. */
static int try_to_stop(int64_t now_ms, int idle)
{
    int first = limit.gap_ms == FIRST_RETRY_MS;

    say_late(now_ms);
    limit.next_ms = now_ms + limit.gap_ms;
    if (engine->policy_ops == &crmpi_policy_none)
        limit.next_ms = INT64_MAX; /* it says why not, once */
    limit.gap_ms = least(2 * limit.gap_ms, LAST_RETRY_MS);
    return first || idle;
}

int crmpi_limit_due(enum crmpi_stop *stop_out)
{
    int64_t now_ms = crmpi_clock_ms();
    int idle = engine->policy_ops->phase(engine->policy) == NULL;

    if (now_ms >= limit.stop_ms)
        crmpi_limit_stop();
    *stop_out = CRMPI_STOP_TIME;
    if (now_ms >= limit.next_ms)
        return try_to_stop(now_ms, idle);
    if (limit.stopping || now_ms < limit.measure_ms)
        return 0;
    limit.measure_ms = INT64_MAX; /* one that is under way will do */
    *stop_out = CRMPI_STOP_NONE;
    return idle;
}

int64_t crmpi_limit_wakeup_ms(void)
{
    if (engine->job.world_rank != 0)
        return INT64_MAX;
    return limit.stopping ? limit.next_ms : least(limit.stop_ms, limit.measure_ms);
}

int crmpi_limit_has_room(void)
{
    return limit.end_ms == INT64_MAX ||
           crmpi_clock_ms() + (int64_t)(1000 * crmpi_engine_cost()->whole) <
               limit.stop_ms;
}

int crmpi_limit_is_near(void)
{
    return __atomic_load_n(&limit.stopping, __ATOMIC_RELAXED) ||
           crmpi_clock_ms() >= __atomic_load_n(&limit.near_ms, __ATOMIC_RELAXED);
}
