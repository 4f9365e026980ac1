/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bringing lines to CRMPI_DIR (see flush.h).  Lower half, rank 0.
 *
 * While one is on its way others are passed over; the newest that was is the next.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/config.h"
#include "base/log.h"
#include "levels/exchange.h"
#include "levels/flush.h"
#include "levels/levels.h"
#include "lower/thread.h"
#include "policy/daly.h"
#include "storage/container.h"

#define WAVE 64 /* ranks that copy at the same time */

static struct {
    uint32_t n_ranks;
    int running, stop;
    uint64_t n_lines;           /* committed by this process */
    pthread_mutex_t lines_lock; /* of DIR/lines */
    pthread_mutex_t lock;       /* of what follows */
    pthread_cond_t changed;
    uint64_t line, next, newest; /* on its way; to be brought; 0: none */
    uint64_t *sn, *next_sn;      /* of each rank, in `line` and in `newest` */
    uint64_t last;               /* that is there */
    struct crmpi_fill fill;      /* what bringing them takes */
    int is_gone;
} flush = {.lines_lock = PTHREAD_MUTEX_INITIALIZER,
           .lock = PTHREAD_MUTEX_INITIALIZER,
           .changed = PTHREAD_COND_INITIALIZER};

void crmpi_levels_lock(void)
{
    pthread_mutex_lock(&flush.lines_lock);
}

void crmpi_levels_unlock(void)
{
    pthread_mutex_unlock(&flush.lines_lock);
}

static int is_stopped(void)
{
    return __atomic_load_n(&flush.stop, __ATOMIC_ACQUIRE);
}

/* ---- one line ---- */

/* Tell a few ranks, and wait for them. */
static enum crmpi_status send_wave(uint32_t first, uint32_t n)
{
    struct crmpi_exchange_peers peers = crmpi_levels_peers();
    struct crmpi_sending sendings[WAVE];
    enum crmpi_status status;

    for (uint32_t i = 0; i < n; i++)
        sendings[i] = (struct crmpi_sending){
            .to = first + i,
            .head = {.kind = CRMPI_EXCHANGE_FLUSH, .sn = flush.sn[first + i]}};
    status = crmpi_exchange_send(&peers, sendings, n, is_stopped);
    for (uint32_t i = 0; i < n && status != CRMPI_OK && !is_stopped(); i++)
        if (sendings[i].status != CRMPI_OK)
            crmpi_warn("rank %u cannot copy its files of line %llu to %s: %s", first + i,
                       (unsigned long long)flush.line, crmpi_config.dir,
                       crmpi_status_text(sendings[i].status));
    return status;
}

/* Say in the line that all of its files are there; unless it was dropped. */
static enum crmpi_status mark(uint64_t number)
{
    struct crmpi_line line;
    enum crmpi_status status;

    crmpi_levels_lock();
    status = crmpi_line_read(crmpi_config.dir, number, &line);
    if (status == CRMPI_OK) {
        for (uint32_t i = 0; i < line.job.n_ranks; i++)
            line.ranks[i].figures.level |= CRMPI_LEVEL_GLOBAL;
        status = crmpi_line_write(crmpi_config.dir, &line, crmpi_config.sync);
        crmpi_line_free(&line);
    }
    crmpi_levels_unlock();
    return status;
}

static int bring(void)
{
    enum crmpi_status status = CRMPI_OK;

    for (uint32_t first = 0; status == CRMPI_OK && first < flush.n_ranks; first += WAVE)
        status =
            send_wave(first, flush.n_ranks - first < WAVE ? flush.n_ranks - first : WAVE);
    if (status == CRMPI_OK)
        status = mark(flush.line);
    if (status == CRMPI_OK)
        crmpi_info("line %llu is in %s", (unsigned long long)flush.line,
                   crmpi_config.dir);
    return status == CRMPI_OK;
}

static double clock_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* After a failure the next line shows what it takes. */
static void note_end(int is_there, double begun)
{
    if (is_there)
        flush.last = flush.line;
    if (is_there)
        crmpi_fill_note(&flush.fill, clock_seconds() - begun);
    else
        flush.fill = (struct crmpi_fill){0};
    flush.line = 0;
    pthread_cond_broadcast(&flush.changed);
}

/* ---- the thread ---- */

static void *work(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&flush.lock);
    while (!is_stopped()) {
        if (flush.next == 0) {
            pthread_cond_wait(&flush.changed, &flush.lock);
            continue;
        }
        flush.line = flush.next;
        memcpy(flush.sn, flush.next_sn, flush.n_ranks * sizeof *flush.sn);
        flush.next = 0;
        pthread_mutex_unlock(&flush.lock);
        double begun = clock_seconds();
        int is_there = bring();
        pthread_mutex_lock(&flush.lock);
        note_end(is_there, begun);
    }
    flush.is_gone = 1;
    pthread_cond_broadcast(&flush.changed);
    pthread_mutex_unlock(&flush.lock);
    return NULL;
}

/* ---- what rank 0's other threads say ---- */

/* Without copies on other nodes each loss of a node needs what is in CRMPI_DIR. */
static int is_due(void)
{
    const struct crmpi_levels *levels = &crmpi_config.levels;
    int copies = (levels->set & (CRMPI_LEVEL_PARTNER | CRMPI_LEVEL_ERASURE)) != 0;

    if (levels->every != CRMPI_LEVELS_AUTO)
        return flush.n_lines % levels->every == 0;
    return crmpi_fill_due(&flush.fill, clock_seconds(),
                          crmpi_config.mtbf_seconds /
                              (copies ? CRMPI_DALY_GLOBAL_SHARE : 1));
}

void crmpi_levels_committed(uint64_t line, const struct crmpi_line_rank *ranks)
{
    if (!flush.running)
        return;
    pthread_mutex_lock(&flush.lock);
    for (uint32_t i = 0; i < flush.n_ranks; i++)
        flush.next_sn[i] = ranks[i].sn;
    flush.newest = line;
    flush.n_lines++;
    if (is_due() || flush.next != 0)
        flush.next = line;
    pthread_cond_broadcast(&flush.changed);
    pthread_mutex_unlock(&flush.lock);
}

void crmpi_levels_settle(void)
{
    if (!flush.running)
        return;
    pthread_mutex_lock(&flush.lock);
    if (flush.line != flush.newest && flush.last != flush.newest)
        flush.next = flush.newest;
    pthread_cond_broadcast(&flush.changed);
    while (flush.line != 0 || flush.next != 0)
        pthread_cond_wait(&flush.changed, &flush.lock);
    if (flush.newest != 0 && flush.last != flush.newest)
        crmpi_warn("line %llu is on the nodes only", (unsigned long long)flush.newest);
    pthread_mutex_unlock(&flush.lock);
}

double crmpi_levels_fill_seconds(void)
{
    double seconds;

    pthread_mutex_lock(&flush.lock);
    seconds = flush.fill.seconds;
    pthread_mutex_unlock(&flush.lock);
    return seconds;
}

uint64_t crmpi_levels_line(void)
{
    uint64_t line;

    pthread_mutex_lock(&flush.lock);
    line = flush.line != 0 ? flush.line : flush.next;
    pthread_mutex_unlock(&flush.lock);
    return line;
}

enum crmpi_status crmpi_flush_start(uint32_t n_ranks)
{
    flush.n_ranks = n_ranks;
    flush.n_lines = flush.line = flush.next = flush.newest = flush.last = 0;
    flush.stop = flush.is_gone = 0;
    flush.fill = (struct crmpi_fill){0};
    flush.sn = calloc(n_ranks, sizeof *flush.sn);
    flush.next_sn = calloc(n_ranks, sizeof *flush.next_sn);
    if (flush.sn == NULL || flush.next_sn == NULL)
        return CRMPI_ERR_NOMEM;
    flush.running = crmpi_lower_thread_start(work, NULL, "crmpi-flush") == 0;
    return flush.running ? CRMPI_OK : CRMPI_ERR_SYSTEM;
}

void crmpi_flush_stop(void)
{
    if (flush.running) {
        pthread_mutex_lock(&flush.lock);
        __atomic_store_n(&flush.stop, 1, __ATOMIC_RELEASE);
        pthread_cond_broadcast(&flush.changed);
        while (!flush.is_gone)
            pthread_cond_wait(&flush.changed, &flush.lock);
        pthread_mutex_unlock(&flush.lock);
    }
    flush.running = 0;
    free(flush.sn);
    free(flush.next_sn);
    flush.sn = flush.next_sn = NULL;
}
