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
#include "boundary/boundary.h"
#include "capture/capture.h"
#include "engine/requests.h"
#include "engine/state.h"
#include "interaction/cut.h"
#include "policy/daly.h"

/* What a checkpoint is thought to cost before the first one. */
#define FIRST_COST_SECONDS 10.0

static struct crmpi_engine *const engine = &crmpi_engine;
static char why[512]; /* the reason of the newest failure; results point to it */

int64_t crmpi_clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

double crmpi_clock_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

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

/* ---- park and run on ---- */

static struct crmpi_event park(const struct crmpi_action *action)
{
    struct timespec now;
    struct crmpi_collective_count *counts;
    size_t n_counts;
    enum crmpi_status status;

    clock_gettime(CLOCK_REALTIME, &now);
    engine->job.time = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    engine->running_on = 0;
    why[0] = '\0';
    engine->parked = !fault("engine.park") &&
                     crmpi_park_all((int)action->limit_ms, why, sizeof why) == CRMPI_OK;
    engine->stopped = engine->parked;
    if (!engine->parked || crmpi_cut_refusal(why, sizeof why) ||
        crmpi_capture_refusal(why, sizeof why))
        return failure();
    status = crmpi_cut_counts(&counts, &n_counts);
    if (status != CRMPI_OK)
        return failure_of("the counts of collectives", status);
    return (struct crmpi_event){
        .kind = CRMPI_EVENT_PARKED, .counts = counts, .n_counts = n_counts};
}

static void run_on(const struct crmpi_action *action)
{
    crmpi_cut_set_targets(action->targets, action->n_targets);
    engine->running_on = 1;
    engine->stopped = 0;
    crmpi_release_all(CRMPI_PHASE_RUNON);
}

static void open_gate(void)
{
    __atomic_add_fetch(&engine->n_opened, 1, __ATOMIC_RELEASE);
    crmpi_cut_open_gate();
}

static void let_threads_go(void)
{
    engine->draining = 0;
    engine->running_on = 0;
    engine->stopped = 0;
    crmpi_cut_set_targets(NULL, 0);
    if (engine->parked)
        crmpi_release_all(CRMPI_PHASE_RUN);
    engine->parked = 0;
}

void crmpi_phase_let_go(void)
{
    __atomic_store_n(&engine->last_failed, 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(&engine->n_ended, 1, __ATOMIC_RELEASE);
    let_threads_go();
}

/* ---- drain and save ---- */

static int drain(struct crmpi_event *result_out)
{
    enum crmpi_status status = crmpi_drain_begin();

    if (status != CRMPI_OK || fault("engine.drain")) {
        *result_out = status == CRMPI_OK ? failure()
                                         : failure_of("exchanging the bookmarks", status);
        return 1;
    }
    engine->draining = 1; /* the loop goes on with it */
    return 0;
}

static struct crmpi_event quiet(void)
{
    enum crmpi_status status;

    engine->draining = 0;
    status = crmpi_drain_end();
    if (status != CRMPI_OK)
        return failure_of("noting the pending requests", status);
    return (struct crmpi_event){.kind = CRMPI_EVENT_QUIESCED};
}

static void show_progress(void *context, uint64_t done_bytes, uint64_t total_bytes)
{
    char text[64];

    (void)context;
    snprintf(text, sizeof text, "saving %u%%",
             total_bytes
                 ? (unsigned)(100 * (done_bytes / 1024) / (total_bytes / 1024 + 1))
                 : 0);
    crmpi_requests_progress(text);
}

static struct crmpi_event save(const struct crmpi_action *action)
{
    char path[4600];
    uint64_t file_bytes = 0;
    enum crmpi_status status;

    engine->job.sn = action->sn;
    why[0] = '\0';
    if (fault("engine.save"))
        return failure();
    status = crmpi_rank_path(crmpi_config.dir, engine->job.world_rank, action->sn, 1,
                             path, sizeof path);
    if (status != CRMPI_OK)
        return failure_of("its folder in the checkpoint directory", status);
    status = crmpi_capture(path, &engine->job,
                           engine->job.world_rank == 0 ? show_progress : NULL, NULL,
                           &file_bytes, why, sizeof why);
    if (status != CRMPI_OK)
        return why[0] != '\0' ? failure() : failure_of("saving", status);
    engine->saved_sn = action->sn;
    return (struct crmpi_event){.kind = CRMPI_EVENT_SAVED, .file_bytes = file_bytes};
}

/* ---- commit, in rank 0 ---- */

/* The sizes of all rank files, while the action that has them is at hand. */
static void note_saved(const struct crmpi_action *action)
{
    engine->line.job = engine->job;
    engine->line.job.sn = action->sn;
    engine->line.ranks = calloc(engine->job.n_ranks, sizeof *engine->line.ranks);
    for (uint32_t i = 0; i < engine->job.n_ranks && engine->line.ranks != NULL; i++) {
        const struct crmpi_saved *saved = &action->saved[i];
        if (saved->world_rank >= engine->job.n_ranks)
            continue;
        engine->line.ranks[saved->world_rank] =
            (struct crmpi_line_rank){.sn = action->sn, .file_bytes = saved->file_bytes};
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

static struct crmpi_event commit(void)
{
    enum crmpi_status status = CRMPI_ERR_INTERNAL;
    struct crmpi_event result = {.kind = CRMPI_EVENT_COMMITTED};
    uint64_t *kept = NULL;

    engine->line.save_seconds = crmpi_clock_seconds() - engine->times.begun;
    engine->line.launcher = engine->launcher;
    engine->line.launcher_bytes = engine->launcher_bytes;
    why[0] = '\0';
    if (fault("engine.commit"))
        return failure();
    if (all_ranks_saved())
        status = crmpi_line_write(crmpi_config.dir, &engine->line);
    if (status != CRMPI_OK)
        return failure_of("writing the recovery line", status);
    /* from here on it is committed: old lines that cannot be dropped stay */
    if (crmpi_lines_drop(crmpi_config.dir, crmpi_config.keep) == CRMPI_OK)
        crmpi_lines_list(crmpi_config.dir, &kept, &result.n_kept);
    result.kept = kept;
    return result;
}

/* ---- the end ---- */

static void note_release(const struct crmpi_action *action)
{
    free(engine->kept);
    engine->kept = malloc((action->n_kept + 1) * sizeof *engine->kept);
    engine->n_kept = engine->kept != NULL ? action->n_kept : 0;
    for (size_t i = 0; i < engine->n_kept; i++)
        memcpy(&engine->kept[i], (const char *)action->kept + i * sizeof *engine->kept,
               sizeof *engine->kept); /* a message's payload need not be aligned */
}

static void release(const struct crmpi_action *action)
{
    char path[4600];

    if (action->committed) {
        __atomic_store_n(&engine->served, action->ordinal, __ATOMIC_RELAXED);
        __atomic_store_n(&engine->committed, action->sn, __ATOMIC_RELAXED);
        __atomic_store_n(&engine->committed_ms, crmpi_clock_ms(), __ATOMIC_RELAXED);
    }
    __atomic_store_n(&engine->last_failed, !action->committed, __ATOMIC_RELAXED);
    __atomic_add_fetch(&engine->n_ended, 1, __ATOMIC_RELEASE);
    let_threads_go();
    if (action->committed)
        crmpi_rank_prune(crmpi_config.dir, engine->job.world_rank, engine->kept,
                         engine->n_kept);
    else if (engine->saved_sn != 0 &&
             crmpi_rank_path(crmpi_config.dir, engine->job.world_rank, engine->saved_sn,
                             0, path, sizeof path) == CRMPI_OK &&
             unlink(path) != 0)
        crmpi_warn("%s: cannot be removed: %s", path, strerror(errno));
    engine->saved_sn = 0;
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

static void report(const struct crmpi_action *action)
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

/* What the MPI library would remove in MPI_Finalize: the segments that it shares with the
 * other ranks, all of which end, too. */
static void remove_segments(void)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[4400], path[4200];
    unsigned long start;

    while (maps != NULL && fgets(line, sizeof line, maps) != NULL)
        if (sscanf(line, "%lx-%*x %*s %*s %*s %*s %4199[^\n]", &start, path) == 2 &&
            strncmp(path, "/dev/shm/", 9) == 0 && !crmpi_is_upper(start))
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

/*
 * The job was to be stopped after its checkpoint: this process ends, with status 0.  Its
 * threads stay parked.
 */
static void end_process(void)
{
    if (engine->job.world_rank == 0) {
        crmpi_requests_stop("the job has ended");
        crmpi_contact_withdraw(crmpi_config.dir, engine->lock);
    }
    remove_segments();
    leave_launcher();
    _exit(0);
}

/* ---- the table ---- */

static void note_times(enum crmpi_action_kind kind)
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

void crmpi_phase_act(void *context, const struct crmpi_action *action)
{
    (void)context;
    note_times(action->kind);
    switch (action->kind) {
    case CRMPI_ACTION_RUN_ON:
        run_on(action);
        return;
    case CRMPI_ACTION_OPEN_GATE:
        open_gate();
        return;
    case CRMPI_ACTION_REPORT:
        report(action);
        return;
    case CRMPI_ACTION_FINISH:
        engine->finished = 1;
        return;
    case CRMPI_ACTION_COMMIT:
        note_saved(action);
        break;
    case CRMPI_ACTION_RELEASE:
        note_release(action);
        break;
    default:
        break;
    }
    engine->todo[engine->n_todo++] = *action;
}

int crmpi_phase_do(const struct crmpi_action *action, struct crmpi_event *result_out)
{
    switch (action->kind) {
    case CRMPI_ACTION_PARK:
        *result_out = park(action);
        return 1;
    case CRMPI_ACTION_DRAIN:
        return drain(result_out);
    case CRMPI_ACTION_QUIET:
        *result_out = quiet();
        return 1;
    case CRMPI_ACTION_SAVE:
        *result_out = save(action);
        return 1;
    case CRMPI_ACTION_COMMIT:
        *result_out = commit();
        return 1;
    case CRMPI_ACTION_RELEASE:
        release(action);
        return 0;
    case CRMPI_ACTION_END:
        end_process();
        return 0;
    default:
        return 0;
    }
}

void crmpi_phase_result_fini(struct crmpi_event *result)
{
    free((void *)result->counts);
    free((void *)result->kept);
    result->counts = NULL;
    result->kept = NULL;
}
