/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The state of the engine in one rank (see state.h).  Lower half.
 */
#include "base/log.h"
#include "boundary/control.h"
#include "engine/state.h"
#include "lower/raw.h"

#define BURST_MS 1000

struct crmpi_engine_callbacks crmpi_engine_callbacks;
struct crmpi_engine crmpi_engine = {.wake = {-1, -1}, .lock = -1};
static struct crmpi_engine *const engine = &crmpi_engine;

void crmpi_engine_wake(void)
{
    /* a full pipe wakes, too */
    crmpi_raw(SYS_write, engine->wake[1], (long)"", 1, 0, 0, 0);
}

int crmpi_engine_just_committed(void)
{
    int64_t committed_ms = __atomic_load_n(&engine->committed_ms, __ATOMIC_RELAXED);
    return committed_ms != 0 && crmpi_clock_ms() - committed_ms < BURST_MS;
}

uint64_t crmpi_engine_committed(void)
{
    return __atomic_load_n(&engine->committed, __ATOMIC_RELAXED);
}

void crmpi_engine_gone_on(void)
{
    __atomic_add_fetch(&engine->n_gone_on, 1, __ATOMIC_RELEASE);
}

void crmpi_engine_all_saved(void)
{
    engine->times.saved = crmpi_clock_seconds();
}

struct crmpi_cost *crmpi_engine_cost(void)
{
    return &((struct crmpi_engine_saved *)crmpi_control->engine)->cost;
}

int crmpi_engine_is_alive(void)
{
    return __atomic_load_n(&engine->alive, __ATOMIC_ACQUIRE);
}

static void impossible(const char *what, const char *from, const char *to)
{
    crmpi_error(
        "%s of rank %u cannot go from '%s' to '%s': this is a fault of crmpi; no more "
        "checkpoints are taken",
        what, engine->job.world_rank, from, to);
    __atomic_store_n(&engine->broken, 1, __ATOMIC_RELAXED); /* perhaps in the worker */
}

void crmpi_engine_enter(enum crmpi_rank_phase phase)
{
    enum crmpi_rank_phase from = engine->rank.phase;

    if (!crmpi_rank_enter(&engine->rank, phase))
        impossible("the phase", crmpi_rank_phase_text(from),
                   crmpi_rank_phase_text(phase));
    else if (phase != from)
        crmpi_debug("phase: %s", crmpi_rank_phase_text(phase));
}

void crmpi_engine_write(enum crmpi_rank_writing writing)
{
    enum crmpi_rank_writing from = engine->rank.writing;

    if (!crmpi_rank_write(&engine->rank, writing))
        impossible("the file being written", crmpi_rank_writing_text(from),
                   crmpi_rank_writing_text(writing));
    else if (writing != from)
        crmpi_debug("file: %s", crmpi_rank_writing_text(writing));
}
