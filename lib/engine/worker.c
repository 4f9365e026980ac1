/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The thread for what takes time (see worker.h).  Lower half.
 */
#include <semaphore.h>
#include "engine/state.h"
#include "engine/worker.h"
#include "lower/thread.h"

enum state { IDLE = 0, BUSY, DONE };

static struct {
    sem_t go, gone;
    int (*work)(const struct crmpi_action *action, struct crmpi_event *result_out);
    int running;
    int stop;
    enum state
        state; /* atomic; action and result belong to the worker while it is BUSY */
    struct crmpi_action action;
    enum crmpi_action_kind kind; /* the protocol thread's: of the action */
    int64_t since_ms;
    struct crmpi_event result;
    int has_result;
} worker;

static void await(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0)
        ;
}

static void *run(void *unused)
{
    (void)unused;
    for (;;) {
        await(&worker.go);
        if (worker.stop)
            break;
        worker.result = (struct crmpi_event){0};
        worker.has_result = worker.work(&worker.action, &worker.result);
        crmpi_action_fini(&worker.action);
        __atomic_store_n(&worker.state, DONE, __ATOMIC_RELEASE);
        crmpi_engine_wake();
    }
    sem_post(&worker.gone);
    return NULL;
}

enum crmpi_status crmpi_worker_start(int (*work)(const struct crmpi_action *action,
                                                 struct crmpi_event *result_out))
{
    if (sem_init(&worker.go, 0, 0) != 0 || sem_init(&worker.gone, 0, 0) != 0)
        return CRMPI_ERR_SYSTEM;
    worker.stop = 0;
    worker.work = work;
    worker.running = crmpi_lower_thread_start(run, NULL, "crmpi-worker") == 0;
    return worker.running ? CRMPI_OK : CRMPI_ERR_SYSTEM;
}

void crmpi_worker_stop(void)
{
    struct crmpi_event result;
    int has_result;

    if (!worker.running)
        return;
    worker.stop = 1; /* seen behind what is under way */
    sem_post(&worker.go);
    await(&worker.gone);
    if (crmpi_worker_take(&result, &has_result) && has_result)
        crmpi_event_fini(&result);
    worker.running = 0;
}

void crmpi_worker_do(struct crmpi_action *action)
{
    worker.action = *action;
    worker.kind = action->kind;
    worker.since_ms = crmpi_clock_ms();
    __atomic_store_n(&worker.state, BUSY, __ATOMIC_RELEASE);
    sem_post(&worker.go);
}

int crmpi_worker_is_busy(void)
{
    return __atomic_load_n(&worker.state, __ATOMIC_ACQUIRE) != IDLE;
}

const char *crmpi_worker_hangs(int64_t limit_ms)
{
    if (__atomic_load_n(&worker.state, __ATOMIC_ACQUIRE) != BUSY ||
        crmpi_clock_ms() - worker.since_ms <= limit_ms)
        return NULL;
    worker.since_ms = crmpi_clock_ms();
    return worker.kind == CRMPI_ACTION_DRAIN   ? "completing operations on windows"
           : worker.kind == CRMPI_ACTION_QUIET ? "noting the pending requests"
                                               : NULL;
}

int crmpi_worker_take(struct crmpi_event *result_out, int *has_result_out)
{
    if (__atomic_load_n(&worker.state, __ATOMIC_ACQUIRE) != DONE)
        return 0;
    *has_result_out = worker.has_result;
    *result_out = worker.result;
    __atomic_store_n(&worker.state, IDLE, __ATOMIC_RELAXED);
    return 1;
}
