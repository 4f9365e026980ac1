/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the application's threads ask of the engine (see engine.h).  Lower half; any thread.
 */
#include <mpi.h>
#include <time.h>

#include "base/log.h"
#include "engine/limit.h"
#include "engine/state.h"
#include "interaction/cut.h"
#include "lower/progress.h"
#include "threads/boundary.h"

static struct crmpi_engine *const engine = &crmpi_engine;

void crmpi_engine_request(void)
{
    if (!crmpi_engine_is_alive())
        return;
    __atomic_store_n(&engine->wanted, 1, __ATOMIC_RELEASE);
    crmpi_engine_wake();
}

void crmpi_engine_request_from_signal(void)
{
    if (!crmpi_engine_is_alive())
        return;
    __atomic_store_n(&engine->wanted_by_signal, 1, __ATOMIC_RELEASE);
    crmpi_engine_wake();
}

int crmpi_engine_stop_from_signal(void)
{
    if (!crmpi_engine_is_alive())
        return 0;
    __atomic_store_n(&engine->stop_by_signal, 1, __ATOMIC_RELEASE);
    crmpi_engine_wake();
    return 1;
}

int crmpi_engine_should_stop(void)
{
    return crmpi_engine_is_alive() &&
           (crmpi_limit_is_near() ||
            __atomic_load_n(&engine->stop, __ATOMIC_RELAXED) != CRMPI_STOP_NONE);
}

/* While a thread waits here, peers may need what MPI does in it. */
void crmpi_engine_wait(unsigned *turn)
{
    struct timespec pause = {.tv_nsec = 50000};

    crmpi_park_point();
    crmpi_progress();
    if (++*turn > 200)
        nanosleep(&pause, NULL);
}

/* This rank has to go on for others to get to the common point. */
static int has_to_run_on(uint64_t n_opened)
{
    if (__atomic_load_n(&crmpi_control->phase, __ATOMIC_ACQUIRE) != CRMPI_PHASE_RUNON)
        return 0;
    return __atomic_load_n(&engine->n_opened, __ATOMIC_ACQUIRE) != n_opened ||
           !crmpi_cut.at_targets();
}

/* A checkpoint is being written that serves the same call in other ranks, which came to it
 * earlier. */
static int is_being_served(uint64_t ordinal)
{
    return ordinal <= __atomic_load_n(&engine->completed_ordinal, __ATOMIC_RELAXED) &&
           __atomic_load_n(&engine->n_ended, __ATOMIC_ACQUIRE) <
               __atomic_load_n(&engine->n_gone_on, __ATOMIC_ACQUIRE) &&
           crmpi_engine_just_committed();
}

/*
 * For CRMPI_Checkpoint(): waits, parking, until the checkpoint is over.
 * If all ranks of a program call it, those who come when it is over have had theirs: the
 * n-th call in each rank is taken for the same, if it comes soon after.
 */
int crmpi_engine_checkpoint(void)
{
    struct crmpi_engine_saved *saved = crmpi_control->engine;
    uint64_t ordinal, current, n_opened;
    unsigned turn = 0;

    if (crmpi_call_resumed())
        return MPI_SUCCESS; /* restored from the very checkpoint, or a later one */
    if (!crmpi_engine_is_alive()) {
        crmpi_warn("CRMPI_Checkpoint(): no checkpoints can be taken in this job");
        return MPI_ERR_OTHER;
    }
    ordinal = __atomic_add_fetch(&saved->ordinal, 1, __ATOMIC_RELAXED);
    current = __atomic_load_n(&engine->n_gone_on, __ATOMIC_ACQUIRE);
    n_opened = __atomic_load_n(&engine->n_opened, __ATOMIC_ACQUIRE);
    if (ordinal <= __atomic_load_n(&engine->served, __ATOMIC_RELAXED) &&
        crmpi_engine_just_committed())
        return MPI_SUCCESS;
    if (is_being_served(ordinal)) {
        current = __atomic_load_n(&engine->n_gone_on, __ATOMIC_ACQUIRE) - 1;
    } else {
        __atomic_store_n(&engine->wanted_ordinal, ordinal, __ATOMIC_RELEASE);
        crmpi_engine_wake();
    }
    if (crmpi_thread->nest > 0 || crmpi_thread->critical > 0)
        return MPI_SUCCESS; /* it cannot park now: it will come later */
    while (crmpi_engine_is_alive() &&
           __atomic_load_n(&engine->n_ended, __ATOMIC_ACQUIRE) <= current) {
        if (has_to_run_on(n_opened))
            return MPI_SUCCESS;
        crmpi_engine_wait(&turn);
    }
    return __atomic_load_n(&engine->last_failed, __ATOMIC_RELAXED) ? MPI_ERR_OTHER
                                                                   : MPI_SUCCESS;
}

/*
 * The same where only named regions are saved: all ranks call it, and none goes on before it
 * is over.
 */
int crmpi_engine_checkpoint_together(int (*meet)(void))
{
    struct crmpi_engine_saved *saved = crmpi_control->engine;
    uint64_t before = __atomic_load_n(&engine->n_gone_on, __ATOMIC_ACQUIRE);
    unsigned turn = 0;
    int error;

    if (!crmpi_engine_is_alive() || crmpi_thread->nest > 0 ||
        crmpi_thread->critical > 0) {
        crmpi_warn("CRMPI_Checkpoint(): %s",
                   crmpi_engine_is_alive() ? "called in a critical section"
                                           : "no checkpoints can be taken in this job");
        return MPI_ERR_OTHER;
    }
    error = meet();
    if (error != MPI_SUCCESS)
        return error;
    if (engine->job.world_rank == 0) {
        __atomic_store_n(&engine->wanted_ordinal, ++saved->ordinal, __ATOMIC_RELEASE);
        crmpi_engine_wake();
    }
    while (crmpi_engine_is_alive() &&
           __atomic_load_n(&engine->n_ended, __ATOMIC_ACQUIRE) <= before)
        crmpi_engine_wait(&turn);
    return __atomic_load_n(&engine->last_failed, __ATOMIC_RELAXED) ? MPI_ERR_OTHER
                                                                   : MPI_SUCCESS;
}
