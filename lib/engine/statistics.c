/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an application may ask about its checkpoints (see statistics.h).  Lower half.
 */
#include <pthread.h>
#include <sys/stat.h>
#include "boundary/control.h"
#include "engine/state.h"
#include "levels/levels.h"
#include "engine/statistics.h"

static struct crmpi_engine *const engine = &crmpi_engine;

/* Application's threads read what the protocol thread writes. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int is_due; /* atomic */

static struct crmpi_statistics *numbers(void)
{
    struct crmpi_engine_saved *saved = crmpi_control->engine;

    return saved ? &saved->statistics : NULL;
}

static uint64_t file_bytes(uint64_t sn)
{
    char path[4600];
    struct stat about;

    if (crmpi_rank_path(crmpi_levels_home(), engine->job.world_rank, sn, 0, path,
                        sizeof path) != CRMPI_OK ||
        stat(path, &about) != 0)
        return 0;
    return (uint64_t)about.st_size;
}

void crmpi_statistics_note(const struct crmpi_action *action, double blocked)
{
    struct crmpi_statistics *n = numbers();

    pthread_mutex_lock(&lock);
    n->last_blocked = blocked;
    n->blocked += blocked;
    if (action->committed) {
        n->checkpoints++;
        n->line = engine->committed;
        n->last_bytes = engine->saved_bytes;
        n->bytes += engine->saved_bytes;
        n->last_time = engine->job.time;
    } else {
        n->failures += !action->retried && !action->alone;
    }
    pthread_mutex_unlock(&lock);
}

void crmpi_statistics_restored(const struct crmpi_job *job)
{
    struct crmpi_statistics *n = numbers();

    n->checkpoints++;
    n->line = job->restored;
    n->restarts = job->incarnation;
    n->last_bytes = file_bytes(job->sn);
    n->bytes += n->last_bytes;
    n->last_time = job->time;
}

struct crmpi_statistics crmpi_statistics_read(void)
{
    struct crmpi_statistics copy = {0};

    pthread_mutex_lock(&lock);
    if (numbers())
        copy = *numbers();
    pthread_mutex_unlock(&lock);
    return copy;
}

void crmpi_statistics_due(int due)
{
    __atomic_store_n(&is_due, due, __ATOMIC_RELAXED);
}

int crmpi_statistics_is_due(void)
{
    return __atomic_load_n(&is_due, __ATOMIC_RELAXED);
}
