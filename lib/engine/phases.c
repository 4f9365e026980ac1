/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a rank does when the policy wants something done: the phases of a checkpoint.
 * Lower half, protocol thread.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/config.h"
#include "base/fault.h"
#include "base/log.h"
#include "capture/capture.h"
#include "engine/requests.h"
#include "engine/state.h"
#include "interaction/cut.h"
#include "levels/levels.h"
#include "threads/boundary.h"

#define LINK_LIMIT_MS 10000 /* for the last messages before the end */

static struct crmpi_engine *const engine = &crmpi_engine;
static char why[512]; /* the reason of the newest failure; results point to it */

static struct crmpi_event failure(void)
{
    return (struct crmpi_event){.kind = CRMPI_EVENT_FAILED, .why = why};
}

static struct crmpi_event failure_of(const char *what, enum crmpi_status status)
{
    snprintf(why, sizeof why, "%s: %s", what, crmpi_status_text(status));
    return failure();
}

/* A fault a test has asked for, at the beginning of a phase. */
static int fault(const char *point)
{
    int error = crmpi_fault(point);
    if (error != 0)
        snprintf(why, sizeof why, "%s: %s", point, strerror(error));
    return error;
}

static struct crmpi_group_list group_of(const struct crmpi_action *action)
{
    return (struct crmpi_group_list){.ranks = action->group, .n = action->n_group};
}

/* ---- park and run on ---- */

static int is_stopped(void)
{
    return crmpi_rank_is_parked(&engine->rank) &&
           engine->rank.phase != CRMPI_RANK_RUNS_ON &&
           engine->rank.phase != CRMPI_RANK_AT_TARGETS;
}

static int stop_threads(const struct crmpi_action *action)
{
    int is_parked = crmpi_rank_is_parked(&engine->rank);
    struct timespec now;

    if (fault("engine.park"))
        return 0;
    if (is_stopped())
        return 1; /* by a smaller group */
    if (!is_parked && crmpi_cut.connected(why, sizeof why))
        return 0; /* what waits for another job may not be to be stopped, either */
    if (!is_parked &&
        crmpi_engine_callbacks.before((int)action->limit_ms, why, sizeof why) != CRMPI_OK)
        return 0;
    clock_gettime(CLOCK_REALTIME, &now);
    engine->job.time = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    if (crmpi_park_all((int)action->limit_ms, why, sizeof why) != CRMPI_OK) {
        crmpi_engine_enter(CRMPI_RANK_RUNS);
        return 0;
    }
    crmpi_debug("its threads are stopped");
    crmpi_cut.dependencies_put_back();
    return 1;
}

/* What the leader has to know of a rank that has parked. */
static struct crmpi_event look_around(const struct crmpi_action *action)
{
    struct crmpi_group_list group = group_of(action);
    struct crmpi_event result = {.kind = CRMPI_EVENT_PARKED,
                                 .interval = crmpi_cut.interval()};
    struct crmpi_collective_count *counts = NULL;
    uint32_t *neighbours = NULL;
    enum crmpi_status status;

    if (action->alone)
        return result;
    status = group.n == 0 ? crmpi_cut.counts(&counts, &result.n_counts)
                          : crmpi_cut.group_counts(&group, &counts, &result.n_counts);
    if (status != CRMPI_OK)
        return failure_of("the counts of collectives", status);
    if (group.n != 0)
        status = crmpi_cut.neighbours(&group, &neighbours, &result.n_neighbours);
    if (status != CRMPI_OK) {
        free(counts);
        return failure_of("the ranks it has communicated with", status);
    }
    result.counts = counts;
    result.neighbours = neighbours;
    return result;
}

static struct crmpi_event park(const struct crmpi_action *action)
{
    why[0] = '\0';
    if (engine->rank.phase == CRMPI_RANK_RUNS_ON)
        crmpi_engine_enter(CRMPI_RANK_AT_TARGETS); /* nobody waits for that any more */
    else if (is_stopped())
        crmpi_engine_enter(CRMPI_RANK_STOPPED);
    if (!stop_threads(action)) {
        crmpi_connection_refused(why);
        return failure();
    }
    crmpi_engine_enter(CRMPI_RANK_STOPPED);
    if (crmpi_config.save == CRMPI_SAVE_NAMED) /* all ranks are at the same place */
        return (struct crmpi_event){.kind = CRMPI_EVENT_PARKED,
                                    .interval = crmpi_cut.interval()};
    if (crmpi_cut.refusal(why, sizeof why) || crmpi_capture_refusal(why, sizeof why)) {
        crmpi_connection_refused(why);
        return failure();
    }
    return look_around(action);
}

static void run_on(const struct crmpi_action *action)
{
    crmpi_cut.set_targets(action->targets, action->n_targets);
    crmpi_engine_enter(CRMPI_RANK_RUNS_ON);
    crmpi_release_all(CRMPI_PHASE_RUNON);
}

static void open_gate(void)
{
    __atomic_add_fetch(&engine->n_opened, 1, __ATOMIC_RELEASE);
    crmpi_cut.open_gate();
}

/* ---- drain and save ---- */

static int drain(const struct crmpi_action *action, struct crmpi_event *result_out)
{
    struct crmpi_group_list group = group_of(action);
    enum crmpi_status status;

    if (crmpi_config.save == CRMPI_SAVE_NAMED) { /* messages stay where they are */
        crmpi_engine_enter(CRMPI_RANK_DRAINED);
        *result_out = (struct crmpi_event){.kind = CRMPI_EVENT_DRAINED};
        return 1;
    }
    status = crmpi_cut.drain_begin(&group, action->attempt);
    if (status != CRMPI_OK || fault("engine.drain")) {
        *result_out = status == CRMPI_OK ? failure()
                                         : failure_of("exchanging the bookmarks", status);
        return 1;
    }
    engine->attempt = action->attempt;
    crmpi_engine_enter(CRMPI_RANK_DRAINS); /* the loop goes on with it */
    return 0;
}

/* One step; returns 1 and fills in the result if it is drained, or cannot be. */
int crmpi_phase_drain_on(struct crmpi_event *result_out)
{
    int drained = crmpi_cut.drain_progress();

    if (drained == 0)
        return 0;
    if (drained < 0)
        snprintf(why, sizeof why,
                 "its messages do not balance, or one cannot be received");
    else if (fault("engine.balance"))
        drained = -1;
    crmpi_engine_enter(drained > 0 ? CRMPI_RANK_DRAINED : CRMPI_RANK_STOPPED);
    *result_out =
        drained > 0 ? (struct crmpi_event){.kind = CRMPI_EVENT_DRAINED} : failure();
    return 1;
}

/* Messages from outside of the group may have come until now. */
static struct crmpi_event quiet(const struct crmpi_action *action)
{
    struct crmpi_group_list group = group_of(action);
    struct crmpi_event result = {.kind = CRMPI_EVENT_QUIESCED};
    uint32_t *neighbours = NULL;
    enum crmpi_status status;

    crmpi_engine_enter(CRMPI_RANK_QUIET);
    if (fault("engine.quiet"))
        return failure();
    if (crmpi_config.save == CRMPI_SAVE_NAMED)
        return result;
    status = crmpi_cut.drain_end();
    if (status != CRMPI_OK)
        return failure_of("noting the pending requests", status);
    status = crmpi_capture_quiet();
    if (status != CRMPI_OK)
        return failure_of("noting what has been written to windows", status);
    if (group.n != 0)
        status = crmpi_cut.neighbours(&group, &neighbours, &result.n_neighbours);
    if (status != CRMPI_OK)
        return failure_of("the ranks it has communicated with", status);
    result.neighbours = neighbours;
    return result;
}

static void settle(void)
{
    crmpi_engine_enter(CRMPI_RANK_SETTLES); /* the loop goes on with it */
}

/* One step; returns 1 and fills in the result if it is settled, or cannot be. */
int crmpi_phase_settle_on(struct crmpi_event *result_out)
{
    int settled =
        fault("engine.settle") ? -1 : crmpi_cut.settle_progress(why, sizeof why);

    if (settled == 0)
        return 0;
    crmpi_engine_enter(settled > 0 ? CRMPI_RANK_QUIET : CRMPI_RANK_STOPPED);
    *result_out =
        settled > 0 ? (struct crmpi_event){.kind = CRMPI_EVENT_SETTLED} : failure();
    return 1;
}

/* ---- the end ---- */

/* What the MPI library would remove in MPI_Finalize: the segments that it shares with the
 * other ranks, all of which end, too. */
static void remove_segments(void)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[4400], path[4200];
    unsigned long start;

    while (maps != NULL && fgets(line, sizeof line, maps) != NULL)
        if (sscanf(line, "%lx-%*x %*s %*s %*s %*s %4199[^\n]", &start, path) == 2 &&
            strncmp(path, "/dev/shm/", 9) == 0 && !crmpi_is_application(start))
            unlink(path); /* another rank may have been faster */
    if (maps != NULL)
        fclose(maps);
}

/*
 * Tell mpirun, by the end of PMIx, that the end is meant to be.  PMIx_Finalize waits for
 * its answer for two seconds only, too short for a machine under load; so all ranks meet
 * first, which takes as long as it takes.
 */
static void leave_launcher(void)
{
    void *library = dlopen("libpmix.so.2", RTLD_LAZY | RTLD_NOLOAD);
    int (*fence)(const void *, size_t, const void *, size_t);
    int (*finalize)(const void *, size_t);

    if (library == NULL)
        return;
    *(void **)&fence = dlsym(library, "PMIx_Fence");
    *(void **)&finalize = dlsym(library, "PMIx_Finalize");
    if (fence != NULL)
        fence(NULL, 0, NULL, 0);
    if (finalize != NULL)
        finalize(NULL, 0);
}

/* For those who start it again. */
static void note_stop(void)
{
    struct crmpi_stopped stopped = {.line = crmpi_commit_newest(),
                                    .reason = engine->stop};

    memcpy(stopped.job_id, engine->job.job_id, sizeof stopped.job_id);
    crmpi_stopped_write(crmpi_config.dir, &stopped);
}

/*
 * The job was to be stopped after its checkpoint: this process ends, with status 0.  Its
 * threads stay parked.
 */
static void end_process(void)
{
    if (engine->job.world_rank == 0) {
        crmpi_levels_settle(); /* the others wait at the fence below */
        note_stop();
        crmpi_requests_stop("the job has ended");
        crmpi_contact_withdraw(crmpi_config.dir, engine->lock);
    }
    for (unsigned i = 0; i < engine->tree.n_links; i++)
        crmpi_link_finish(&engine->tree.links[i], LINK_LIMIT_MS);
    remove_segments();
    leave_launcher();
    _exit(0);
}

/* ---- the table ---- */

void crmpi_phase_act(void *context, const struct crmpi_action *action)
{
    (void)context;
    crmpi_times_note(action);
    if (action->kind == CRMPI_ACTION_PARK)
        crmpi_statistics_due(1);
    switch (action->kind) {
    case CRMPI_ACTION_RUN_ON:
        run_on(action);
        return;
    case CRMPI_ACTION_OPEN_GATE:
        open_gate();
        return;
    case CRMPI_ACTION_REPORT:
        crmpi_times_report(action);
        return;
    default:
        break;
    }
    if (engine->n_todo == CRMPI_TODO_MAX ||
        crmpi_action_copy(&engine->todo[engine->n_todo], action) != CRMPI_OK) {
        crmpi_error("no memory for what a checkpoint needs: no more checkpoints");
        engine->broken = 1;
        return;
    }
    engine->n_todo++;
}

int crmpi_phase_takes_time(enum crmpi_action_kind kind)
{
    return kind == CRMPI_ACTION_PARK || kind == CRMPI_ACTION_DRAIN ||
           kind == CRMPI_ACTION_QUIET || kind == CRMPI_ACTION_SAVE ||
           kind == CRMPI_ACTION_COMPLETE;
}

int crmpi_phase_do(const struct crmpi_action *action, struct crmpi_event *result_out)
{
    switch (action->kind) {
    case CRMPI_ACTION_PARK:
        *result_out = park(action);
        return 1;
    case CRMPI_ACTION_DRAIN:
        return drain(action, result_out);
    case CRMPI_ACTION_QUIET:
        *result_out = quiet(action);
        return 1;
    case CRMPI_ACTION_SAVE:
        *result_out = crmpi_saving_do(action);
        return 1;
    case CRMPI_ACTION_RESUME:
        crmpi_release_resume(action);
        return 0;
    case CRMPI_ACTION_COMPLETE:
        if (engine->rank.writing == CRMPI_RANK_ABANDONED) {
            crmpi_saving_abandon();
            return 0;
        }
        *result_out = crmpi_saving_complete();
        return 1;
    case CRMPI_ACTION_COMMIT:
        *result_out = crmpi_commit_do(action);
        return 1;
    case CRMPI_ACTION_SETTLE:
        settle();
        return 0;
    case CRMPI_ACTION_RELEASE:
        crmpi_release(action);
        return 0;
    case CRMPI_ACTION_TRIM:
        crmpi_release_trim(action);
        return 0;
    case CRMPI_ACTION_FINISH:
        engine->finished = 1;
        return 0;
    case CRMPI_ACTION_END:
        end_process();
        return 0;
    default:
        return 0;
    }
}
