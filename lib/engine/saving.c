/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Saving this rank: SAVE, in which threads stand still until the memory is written; or it
 * is only taken, and COMPLETE, after they have gone on, puts the file in its place.  What
 * other nodes keep of the file is sent to them in COMPLETE, too: all ranks do it then, as
 * they wait for each other.  Lower half, the worker.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/fault.h"
#include "capture/capture.h"
#include "capture/names.h"
#include "engine/state.h"
#include "interaction/cut.h"
#include "levels/levels.h"

static struct crmpi_engine *const engine = &crmpi_engine;
static char why[512]; /* the reason of the newest failure; results point to it */

/* What the policy is told of a rank saved alone, until its file is complete. */
static struct {
    void *bytes;
    size_t n_bytes;
} packed;

/* A file that is complete but for what other nodes keep of it. */
static struct {
    int is_there;
    struct crmpi_capture_result captured;
} unprotected;
static int is_taken; /* the memory, and the file has to be completed */
static int is_sent;  /* to other nodes, or has been tried to */

static struct crmpi_event failure(const char *what, enum crmpi_status status)
{
    if (why[0] == '\0')
        snprintf(why, sizeof why, "%s: %s", what, crmpi_status_text(status));
    free(packed.bytes);
    packed.bytes = NULL;
    return (struct crmpi_event){.kind = CRMPI_EVENT_FAILED, .why = why};
}

/* A fault a test has asked for. */
static int fault(const char *point)
{
    int error = crmpi_fault(point);

    why[0] = '\0';
    if (error != 0)
        snprintf(why, sizeof why, "%s: %s", point, strerror(error));
    return error;
}

static uint32_t us_between(double from, double to)
{
    double us = 1e6 * (to - from);
    return us < 0 ? 0 : us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

static struct crmpi_event saved(const struct crmpi_capture_result *captured)
{
    const struct crmpi_engine_times *times = &engine->times;
    double now = crmpi_clock_seconds();
    struct crmpi_event result = {.kind = CRMPI_EVENT_SAVED,
                                 .file_bytes = captured->file_bytes,
                                 .digest = captured->digest,
                                 .figures = captured->figures,
                                 .dependencies = packed.bytes,
                                 .dependencies_bytes = packed.n_bytes};

    result.figures.level = crmpi_levels_reached();
    result.figures.save_us = us_between(times->begun, now);
    result.figures.blocked_us =
        us_between(times->begun, times->resumed > 0 ? times->resumed : now);
    engine->saved_digest = captured->digest;
    engine->saved_bytes = captured->file_bytes;
    engine->saved_figures = result.figures;
    packed.bytes = NULL;
    return result;
}

/* Nobody hears of this rank's part any more. */
static int is_cut_off(void)
{
    return __atomic_load_n(&engine->broken, __ATOMIC_RELAXED);
}

/* This rank is saved when other nodes keep what they are to keep. */
static struct crmpi_event protect(const struct crmpi_capture_result *captured)
{
    const struct crmpi_protected file = {.attempt = engine->attempt,
                                         .sn = engine->saved_sn,
                                         .file_bytes = captured->file_bytes,
                                         .digest = captured->digest};
    enum crmpi_status status;

    is_sent = 1;
    status = crmpi_levels_protect(&file, is_cut_off, why, sizeof why);
    return status == CRMPI_OK ? saved(captured)
                              : failure("saving at other nodes", status);
}

/* Others may wait for this rank's file to protect theirs with it. */
static struct crmpi_event tell_others(struct crmpi_event result)
{
    if (result.kind == CRMPI_EVENT_FAILED && !is_sent)
        crmpi_levels_missing(engine->attempt, engine->job.sn);
    return result;
}

static enum crmpi_status capture(const struct crmpi_action *action,
                                 const struct crmpi_dependencies *dependencies,
                                 int *pending_out,
                                 struct crmpi_capture_result *result_out)
{
    char path[4600];
    const struct crmpi_capture_request request = {.path = path,
                                                  .job = &engine->job,
                                                  .dependencies = dependencies,
                                                  .alone = action->alone,
                                                  .background = !action->foreground};
    enum crmpi_status status = crmpi_rank_path(
        crmpi_levels_home(), engine->job.world_rank, action->sn, 1, path, sizeof path);

    if (status != CRMPI_OK)
        return status;
    if (crmpi_config.save == CRMPI_SAVE_NAMED)
        status = crmpi_names_capture(&request, result_out, why, sizeof why);
    else
        status = crmpi_capture_begin(&request, pending_out, result_out, why, sizeof why);
    if (status == CRMPI_OK)
        engine->saved_sn = action->sn;
    return status;
}

static struct crmpi_event save(const struct crmpi_action *action)
{
    struct crmpi_dependencies dependencies = {0};
    struct crmpi_capture_result captured;
    enum crmpi_status status;
    int pending = 0;

    if (fault("engine.save"))
        return failure("saving", CRMPI_OK);
    status = crmpi_cut.dependencies_note(action->sn, action->alone, action->cohort,
                                         action->n_cohort, &dependencies);
    if (status == CRMPI_OK && action->alone &&
        crmpi_dependencies_pack(&dependencies, &packed.bytes, &packed.n_bytes) != 0)
        status = CRMPI_ERR_NOMEM;
    if (status == CRMPI_OK)
        status = capture(action, &dependencies, &pending, &captured);
    crmpi_dependencies_fini(&dependencies);
    if (status != CRMPI_OK)
        return failure("saving", status);
    status = crmpi_cut.dependencies_cut(action->sn, action->alone);
    if (status != CRMPI_OK && pending)
        crmpi_capture_complete(&captured, why, sizeof why); /* it is removed at the end */
    if (status != CRMPI_OK)
        return failure("counting messages", status);
    is_taken = pending;
    if (pending)
        return (struct crmpi_event){.kind = CRMPI_EVENT_CAPTURED};
    if (action->foreground || !crmpi_levels_send())
        return protect(&captured);
    unprotected.is_there = 1;
    unprotected.captured = captured;
    return (struct crmpi_event){.kind = CRMPI_EVENT_CAPTURED};
}

struct crmpi_event crmpi_saving_do(const struct crmpi_action *action)
{
    engine->job.sn = action->sn;
    unprotected.is_there = 0;
    is_taken = is_sent = 0;
    return tell_others(save(action));
}

static struct crmpi_event complete(void)
{
    struct crmpi_capture_result captured = unprotected.captured;
    int faulty = fault("engine.complete");
    enum crmpi_status status = CRMPI_OK;

    if (!unprotected.is_there)
        status = crmpi_capture_complete(&captured, why, sizeof why);
    unprotected.is_there = 0;
    if (status != CRMPI_OK || faulty)
        return failure("saving in the background", status);
    return protect(&captured);
}

int crmpi_saving_is_taken(void)
{
    return is_taken;
}

struct crmpi_event crmpi_saving_complete(void)
{
    return tell_others(complete());
}

void crmpi_saving_abandon(void)
{
    struct crmpi_capture_result captured;

    crmpi_capture_complete(&captured, why, sizeof why);
}
