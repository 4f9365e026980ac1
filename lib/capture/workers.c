/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pumps on spare cores, see workers.h.  Lower half.
 */
#include <hwloc.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/config.h"
#include "base/log.h"
#include "capture/limit.h"
#include "capture/workers.h"
#include "storage/codec.h"

#define WORKERS_MAX 16
#define SAMPLES 4      /* blocks to try compression with */
#define WORTH 0.9      /* of the time without, at most */
#define LOOK_NS 500000 /* how often to look whether the others are done */

struct worker {
    struct crmpi_pump *pump;
    size_t number, end;
};

/* Cores of the node, as many as this process may use at all. */
static size_t n_cores(void)
{
    static size_t known;
    hwloc_topology_t topology;
    int n = 0;

    if (known)
        return known;
    if (hwloc_topology_init(&topology) == 0) {
        if (hwloc_topology_load(topology) == 0)
            n = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_CORE);
        hwloc_topology_destroy(topology);
    }
    known = n > 0 ? (size_t)n : 1;
    return known;
}

/* The one that saves, and this rank's share of the cores beyond one for each rank. */
static size_t n_workers(void)
{
    size_t ranks = crmpi_limit_local_ranks(), cores = n_cores();
    size_t n = 1 + (cores > ranks ? (cores - ranks) / ranks : 0);

    return n < WORKERS_MAX ? n : WORKERS_MAX;
}

/*
 * Whether to compress
 */

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* How long a codec takes for some blocks of memory, and how much is left of them. */
static double sample(const struct crmpi_pump *pump, enum crmpi_compression compression,
                     double *ratio_out)
{
    char *packed = pump->buffers, *workspace = packed + 2 * CRMPI_BLOCK_BYTES;
    double begin = seconds_now();
    uint64_t raw = 0, left = 0;

    for (size_t i = 0; i < SAMPLES && pump->n_spans > 0; i++) {
        const struct crmpi_span *span = &pump->spans[i * pump->n_spans / SAMPLES];

        if (span->bytes < CRMPI_BLOCK_BYTES)
            continue;
        size_t n =
            crmpi_codec_encode(compression, (void *)span->source, workspace, packed);

        raw += CRMPI_BLOCK_BYTES;
        left += n ? n : CRMPI_BLOCK_BYTES;
    }
    *ratio_out = raw ? (double)left / (double)raw : 1;
    return raw ? (seconds_now() - begin) / (double)raw : 1;
}

/* Which one makes the save fastest, if any. */
static enum crmpi_compression choose(struct crmpi_pump *pump, size_t workers, double rate)
{
    enum crmpi_compression best = CRMPI_COMPRESSION_NONE;
    double least = rate > 0 ? WORTH / rate : 0; /* seconds for a byte */

    for (int c = CRMPI_COMPRESSION_LZ4; rate > 0 && c <= CRMPI_COMPRESSION_ZSTD; c++) {
        struct crmpi_pump trial = {.spans = pump->spans, .n_spans = pump->n_spans};
        double ratio, seconds;

        if (!crmpi_codec_is_built((enum crmpi_compression)c))
            continue;
        if (crmpi_pump_compress(&trial, (enum crmpi_compression)c, 1) != CRMPI_OK)
            return CRMPI_COMPRESSION_NONE;
        seconds = sample(&trial, (enum crmpi_compression)c, &ratio) / (double)workers;
        seconds += ratio / rate;
        crmpi_pump_uncompress(&trial);
        if (seconds < least) {
            least = seconds;
            best = (enum crmpi_compression)c;
        }
    }
    return best;
}

void crmpi_workers_prepare(struct crmpi_pump *pump, double write_rate)
{
    size_t workers = n_workers();
    enum crmpi_compression compression =
        crmpi_config.compress == CRMPI_COMPRESS_LZ4    ? CRMPI_COMPRESSION_LZ4
        : crmpi_config.compress == CRMPI_COMPRESS_ZSTD ? CRMPI_COMPRESSION_ZSTD
        : crmpi_config.compress == CRMPI_COMPRESS_AUTO ? choose(pump, workers, write_rate)
                                                       : CRMPI_COMPRESSION_NONE;

    if (compression != CRMPI_COMPRESSION_NONE &&
        crmpi_pump_compress(pump, compression, workers) != CRMPI_OK)
        crmpi_info("no memory to compress the checkpoint");
}

/*
 * Threads
 */

static void *work(void *argument)
{
    struct worker *worker = argument;
    cpu_set_t all;

    memset(&all, 0xff, sizeof all);
    sched_setaffinity(0, sizeof all,
                      &all); /* away from a rank that is bound to its core */
    crmpi_pump_run(worker->pump, worker->number, worker->end);
    return NULL;
}

static int work_apart(void *argument)
{
    work(argument);
    return 0;
}

int crmpi_workers_run(struct crmpi_pump *pump, size_t end)
{
    struct worker workers[WORKERS_MAX];
    pthread_t threads[WORKERS_MAX];
    size_t ordered = crmpi_pump_ordered(pump), n = 1;
    int error = crmpi_pump_run(pump, 0, end < ordered ? end : ordered);

    if (error || end <= ordered)
        return error;
    for (; n < pump->n_workers; n++) {
        workers[n] = (struct worker){pump, n, end};
        if (pthread_create(&threads[n], NULL, work, &workers[n]) != 0)
            break;
    }
    crmpi_pump_run(pump, 0, end);
    while (n-- > 1)
        pthread_join(threads[n], NULL);
    return __atomic_load_n(&pump->state->error, __ATOMIC_ACQUIRE);
}

int crmpi_workers_run_apart(struct crmpi_pump *pump)
{
    const int flags =
        CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
    const struct timespec look = {.tv_nsec = LOOK_NS};
    struct worker workers[WORKERS_MAX];
    int error = crmpi_pump_run(pump, 0, crmpi_pump_ordered(pump));

    for (size_t n = 1; !error && n < pump->n_workers; n++) {
        workers[n] = (struct worker){pump, n, pump->n_units};
        clone(work_apart, pump->buffers + (n + 1) * pump->worker_bytes, flags,
              &workers[n]); /* where it cannot be, the others do its work */
    }
    if (!error)
        error = crmpi_pump_run(pump, 0, pump->n_units);
    while (__atomic_load_n(&pump->state->done_units, __ATOMIC_ACQUIRE) < pump->n_units &&
           !__atomic_load_n(&pump->state->error, __ATOMIC_ACQUIRE))
        nanosleep(&look, NULL);
    return error;
}
