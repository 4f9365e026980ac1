/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Copying this rank's files to CRMPI_DIR (see courier.h).  Lower half, a thread of its own.
 *
 * A file comes after those that it is an increment of, so what is there is whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/config.h"
#include "base/fault.h"
#include "base/log.h"
#include "levels/courier.h"
#include "levels/files.h"
#include "levels/levels.h"
#include "levels/serve.h"
#include "lower/thread.h"
#include "storage/directory.h"
#include "storage/file.h"
#include "storage/image.h"

#define CHAIN_MAX 1024 /* files that one file may need, and those it keeps */
#define PIECE_BYTES ((size_t)1 << 20)

static struct {
    const char *home;
    uint32_t world_rank;
    int running, stop;
    sem_t go, gone;
    pthread_mutex_t lock; /* of what follows */
    uint64_t sn;          /* that it is copying; 0: it is idle */
    uint64_t needed[CHAIN_MAX];
    size_t n_needed;
    uint64_t kept[CHAIN_MAX];
    size_t n_kept;
} courier = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- one file ---- */

static int copy_bytes(int from, const struct crmpi_output *to, uint64_t *bytes_out)
{
    unsigned char *piece = malloc(PIECE_BYTES);
    int error = piece == NULL ? ENOMEM : 0;
    uint64_t done = 0;
    ssize_t got = 1;

    while (error == 0 && got > 0) {
        got = pread(from, piece, PIECE_BYTES, (off_t)done);
        if (got < 0 && errno == EINTR)
            got = 1;
        else if (got < 0)
            error = errno;
        else if (__atomic_load_n(&courier.stop, __ATOMIC_ACQUIRE))
            error = ECANCELED;
        else if (got > 0 && (error = crmpi_fault("levels.flush")) == 0)
            error =
                crmpi_file_write(to->fd, &(struct iovec){piece, (size_t)got}, 1, done);
        done += got > 0 && error == 0 ? (uint64_t)got : 0;
    }
    free(piece);
    *bytes_out = done;
    return error;
}

static enum crmpi_status copy_file(const char *from, const char *to)
{
    struct crmpi_output output;
    uint64_t bytes, done;
    int fd, error;
    enum crmpi_status status = crmpi_input_open(from, &fd, &bytes);

    if (status != CRMPI_OK)
        return status;
    status = crmpi_output_open(to, &output);
    if (status == CRMPI_OK) {
        error = copy_bytes(fd, &output, &done);
        if (error == 0 && done != bytes)
            error = EIO;
        if (error == 0) {
            status = crmpi_output_commit(&output, bytes, crmpi_config.sync);
        } else {
            if (error != ECANCELED)
                crmpi_warn("cannot copy %s to %s: %s", from, to, strerror(error));
            crmpi_output_abandon(&output);
            status = crmpi_file_status(error);
        }
    }
    close(fd);
    return status;
}

/* ---- a file and its parents ---- */

/* The files that a checkpoint needs, the newest first. */
static enum crmpi_status find_chain(uint64_t sn, uint64_t *chain, size_t *n_out)
{
    char path[CRMPI_PATH_BYTES];
    struct crmpi_parent parent = {.sn = sn};
    enum crmpi_status status = CRMPI_OK;
    size_t n = 0;

    while (status == CRMPI_OK && parent.sn != 0 && n < CHAIN_MAX) {
        chain[n++] = parent.sn;
        status = crmpi_rank_path(courier.home, courier.world_rank, parent.sn, 0, path,
                                 sizeof path);
        if (status == CRMPI_OK)
            status = crmpi_seal_parent(path, &parent);
    }
    *n_out = n;
    return status == CRMPI_OK && parent.sn != 0 ? CRMPI_ERR_CORRUPT : status;
}

static enum crmpi_status copy_chain(const uint64_t *chain, size_t n)
{
    char from[CRMPI_PATH_BYTES], to[CRMPI_PATH_BYTES];
    enum crmpi_status status = CRMPI_OK;

    while (status == CRMPI_OK && n-- > 0) {
        status = crmpi_rank_path(courier.home, courier.world_rank, chain[n], 0, from,
                                 sizeof from);
        if (status == CRMPI_OK)
            status = crmpi_rank_path(crmpi_config.dir, courier.world_rank, chain[n], 1,
                                     to, sizeof to);
        if (status == CRMPI_OK && !crmpi_seals_agree(from, to))
            status = copy_file(from, to);
    }
    return status;
}

/* What no line has any more can be written over. */
static void prune(void)
{
    uint64_t kept[CHAIN_MAX];
    size_t n;

    pthread_mutex_lock(&courier.lock);
    n = courier.n_kept;
    memcpy(kept, courier.kept, n * sizeof *kept);
    pthread_mutex_unlock(&courier.lock);
    crmpi_rank_prune(crmpi_config.dir, courier.world_rank, kept, n);
}

static enum crmpi_status copy_checkpoint(uint64_t sn)
{
    uint64_t chain[CHAIN_MAX];
    char path[CRMPI_PATH_BYTES];
    size_t n;
    enum crmpi_status status =
        crmpi_rank_path(crmpi_config.dir, courier.world_rank, sn, 1, path, sizeof path);

    if (status == CRMPI_OK)
        status = find_chain(sn, chain, &n);
    if (status != CRMPI_OK)
        return status;
    pthread_mutex_lock(&courier.lock);
    memcpy(courier.needed, chain, n * sizeof *chain);
    courier.n_needed = n;
    pthread_mutex_unlock(&courier.lock);
    prune();
    return copy_chain(chain, n);
}

/* ---- the thread ---- */

static void *work(void *unused)
{
    (void)unused;
    for (;;) {
        enum crmpi_status status;
        uint64_t sn;

        while (sem_wait(&courier.go) != 0)
            ;
        if (__atomic_load_n(&courier.stop, __ATOMIC_ACQUIRE))
            break;
        sn = courier.sn;
        status = copy_checkpoint(sn);
        pthread_mutex_lock(&courier.lock);
        courier.sn = 0;
        courier.n_needed = 0;
        pthread_mutex_unlock(&courier.lock);
        crmpi_serve_flushed(sn, status);
    }
    sem_post(&courier.gone);
    return NULL;
}

int crmpi_courier_take(uint64_t sn)
{
    int is_idle;

    if (!courier.running)
        return 0;
    pthread_mutex_lock(&courier.lock);
    is_idle = courier.sn == 0;
    if (is_idle) {
        courier.sn = sn;
        courier.needed[0] = sn;
        courier.n_needed = 1;
    }
    pthread_mutex_unlock(&courier.lock);
    if (is_idle)
        sem_post(&courier.go);
    return is_idle;
}

void crmpi_levels_kept(const uint64_t *sn, size_t n)
{
    if (n > CHAIN_MAX)
        n = 0; /* nothing is dropped, then */
    pthread_mutex_lock(&courier.lock);
    memcpy(courier.kept, sn, n * sizeof *sn);
    courier.n_kept = n;
    pthread_mutex_unlock(&courier.lock);
}

size_t crmpi_levels_needed(uint64_t *sn_out, size_t max)
{
    size_t n;

    pthread_mutex_lock(&courier.lock);
    n = courier.n_needed < max ? courier.n_needed : max;
    memcpy(sn_out, courier.needed, n * sizeof *sn_out);
    pthread_mutex_unlock(&courier.lock);
    return n;
}

enum crmpi_status crmpi_courier_start(const char *home, uint32_t world_rank)
{
    courier.home = home;
    courier.world_rank = world_rank;
    courier.sn = 0;
    courier.n_needed = courier.n_kept = 0;
    courier.stop = 0;
    if (sem_init(&courier.go, 0, 0) != 0 || sem_init(&courier.gone, 0, 0) != 0)
        return CRMPI_ERR_SYSTEM;
    courier.running = crmpi_lower_thread_start(work, NULL, "crmpi-courier") == 0;
    return courier.running ? CRMPI_OK : CRMPI_ERR_SYSTEM;
}

void crmpi_courier_stop(void)
{
    if (!courier.running)
        return;
    __atomic_store_n(&courier.stop, 1, __ATOMIC_RELEASE);
    sem_post(&courier.go);
    while (sem_wait(&courier.gone) != 0)
        ;
    courier.running = 0;
}
