/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine's beginning and end.  Lower half.
 */
#include <errno.h>
#include <fcntl.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#include "base/config.h"
#include "base/log.h"
#include "boundary/heap.h"
#include "engine/chronicle.h"
#include "engine/limit.h"
#include "engine/requests.h"
#include "engine/state.h"
#include "engine/touch.h"
#include "engine/worker.h"
#include "interaction/cut.h"
#include "job/launcher.h"
#include "levels/levels.h"
#include "program/host.h"
#include "storage/directory.h"
#include "storage/former.h"
#include "threads/boundary.h"

static struct crmpi_engine *const engine = &crmpi_engine;

/* What rank 0 decides for all. */
struct birth {
    char job_id[64];
    unsigned char key[CRMPI_KEY_BYTES]; /* of the tree */
    uint64_t next_sn;
    uint64_t incarnation;
    int32_t usable; /* the checkpoint directory */
    int32_t discards; /* what a former job left in it */
    char discarded[64]; /* that job, if it may have files on nodes */
    char policy[32];
};

/* ---- identity ---- */

static enum crmpi_status fill_random(void *bytes, size_t n)
{
    if (getrandom(bytes, n, 0) == (ssize_t)n)
        return CRMPI_OK;
    crmpi_warn("no random numbers: %s", strerror(errno));
    return CRMPI_ERR_SYSTEM;
}

static void describe_job(const struct crmpi_job *restored, int world_rank, int n_ranks)
{
    struct crmpi_job *job = &engine->job;
    char version[MPI_MAX_LIBRARY_VERSION_STRING];
    int length;

    memset(job, 0, sizeof *job);
    if (restored != NULL)
        *job = *restored;
    job->world_rank = (uint32_t)world_rank;
    job->n_ranks = (uint32_t)n_ranks;
    gethostname(job->host, sizeof job->host - 1);
    snprintf(job->program, sizeof job->program, "%s", crmpi_control->program);
    snprintf(job->cpu, sizeof job->cpu, "%s", crmpi_cpu_features());
    PMPI_Get_library_version(version, &length);
    snprintf(job->mpi_version, sizeof job->mpi_version, "%.255s", version);
    engine->committed = job->restored;
}

static enum crmpi_status make_job_id(char *job_id, size_t bytes)
{
    unsigned char random[16];

    if (fill_random(random, sizeof random) != CRMPI_OK)
        return CRMPI_ERR_SYSTEM;
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(job_id + 2 * i, bytes - 2 * i, "%02x", random[i]);
    return CRMPI_OK;
}

/* ---- the directory, in rank 0 ---- */

/* After a restart from an older line: the lines behind it tell of incarnations that are
 * over, and whose checkpoints must not be taken for those of this one. */
static void find_incarnation(const uint64_t *numbers, size_t n)
{
    struct crmpi_line line;

    for (size_t i = 0; i < n; i++) {
        if (engine->job.restored == 0 || numbers[i] <= engine->job.restored ||
            crmpi_line_read(crmpi_config.dir, numbers[i], &line) != CRMPI_OK)
            continue;
        if (strcmp(line.job.job_id, engine->job.job_id) == 0 &&
            line.job.incarnation >= engine->job.incarnation)
            engine->job.incarnation = line.job.incarnation + 1;
        crmpi_line_free(&line);
    }
}

/* New checkpoints are numbered after all lines there are, and were of another job. */
static enum crmpi_status find_next_sn(uint64_t *next_sn)
{
    uint64_t *numbers;
    size_t n;
    enum crmpi_status status = crmpi_lines_list(crmpi_config.dir, &numbers, &n);

    if (status != CRMPI_OK)
        return status;
    if (*next_sn <= engine->job.restored)
        *next_sn = engine->job.restored + 1;
    if (n > 0 && numbers[n - 1] >= *next_sn)
        *next_sn = numbers[n - 1] + 1;
    find_incarnation(numbers, n);
    free(numbers);
    return CRMPI_OK;
}

/* A program that is not started by crmpi-run cannot ask what is to become of the lines that
 * another job has left: they are kept, unless that has ended well. */
static enum crmpi_status keep_former(const struct crmpi_former *former)
{
    char path[CRMPI_PATH_BYTES];
    enum crmpi_status status =
        crmpi_former_keep(crmpi_config.dir, former, path, sizeof path);

    if (status == CRMPI_OK)
        crmpi_warn("%s had %zu recovery lines of another job, which has not ended (%s): "
                   "they are kept, 'crmpi-restart %s' goes on with it",
                   crmpi_config.dir, former->n_lines, former->job.program, path);
    return status;
}

/* A new job begins: see to what the directory has of another one. */
static enum crmpi_status set_former_aside(struct birth *birth)
{
    const char *unwanted = getenv("CRMPI_DISCARD");
    struct crmpi_former former;
    enum crmpi_status status = crmpi_former_settle(crmpi_config.dir);
    int is_unwanted;

    if (status == CRMPI_OK)
        status = crmpi_former_look(crmpi_config.dir, &former);
    if (status != CRMPI_OK)
        return status;
    birth->next_sn = former.highest + 1;
    is_unwanted = unwanted != NULL && former.n_lines > 0 &&
                  strcmp(unwanted, former.job.job_id) == 0;
    if (former.n_lines > 0 && !former.has_ended && !is_unwanted)
        return keep_former(&former);
    if (!former.has_files)
        return CRMPI_OK;
    birth->discards = 1;
    if (is_unwanted)
        memcpy(birth->discarded, former.job.job_id, sizeof birth->discarded);
    return crmpi_former_discard(crmpi_config.dir);
}

/* Mark the directory as that of this job. */
static enum crmpi_status lock_directory(const struct crmpi_address *self,
                                        struct crmpi_contact *contact)
{
    char why[5000];
    enum crmpi_status status = crmpi_folder_make(crmpi_config.dir);

    if (status != CRMPI_OK)
        return status; /* why was logged */
    contact->pid = getpid();
    contact->port = (uint16_t)self->port;
    contact->n_addresses = self->n_addresses;
    memcpy(contact->addresses, self->addresses, sizeof contact->addresses);
    snprintf(contact->host, sizeof contact->host, "%s", engine->job.host);
    snprintf(contact->job_id, sizeof contact->job_id, "%s", engine->job.job_id);
    if (fill_random(contact->key, sizeof contact->key) != CRMPI_OK)
        return CRMPI_ERR_SYSTEM;
    status =
        crmpi_contact_publish(crmpi_config.dir, contact, &engine->lock, why, sizeof why);
    if (status != CRMPI_OK)
        crmpi_error("%s: %s", crmpi_config.dir, why);
    return status;
}

static enum crmpi_status open_directory(struct birth *birth, int is_new,
                                        const struct crmpi_address *self,
                                        struct crmpi_contact *contact)
{
    enum crmpi_status status = lock_directory(self, contact);

    if (status == CRMPI_OK && is_new)
        status = set_former_aside(birth);
    if (status == CRMPI_OK)
        status = crmpi_directory_create(crmpi_config.dir);
    if (status == CRMPI_OK)
        status = find_next_sn(&birth->next_sn);
    if (status == CRMPI_OK) {
        crmpi_stopped_remove(crmpi_config.dir);
        crmpi_ended_remove(crmpi_config.dir);
        return CRMPI_OK;
    }
    crmpi_warn("the job runs, but no checkpoints can be taken"); /* why was logged */
    if (engine->lock >= 0)
        crmpi_contact_withdraw(crmpi_config.dir, engine->lock);
    engine->lock = -1;
    return status;
}

static void prepare_birth(struct birth *birth, const struct crmpi_address *self,
                          struct crmpi_contact *contact)
{
    int is_new = engine->job.job_id[0] == '\0';

    memset(birth, 0, sizeof *birth);
    if ((!is_new ||
         make_job_id(engine->job.job_id, sizeof engine->job.job_id) == CRMPI_OK) &&
        fill_random(birth->key, sizeof birth->key) == CRMPI_OK && self->port != 0 &&
        open_directory(birth, is_new, self, contact) == CRMPI_OK)
        birth->usable = 1;
    memcpy(birth->job_id, engine->job.job_id, sizeof birth->job_id);
    birth->incarnation = engine->job.incarnation;
    snprintf(birth->policy, sizeof birth->policy, "%s", crmpi_config.policy);
}

/* ---- start ---- */

static int all_agree(int fine)
{
    int all = 0;
    return PMPI_Allreduce(&fine, &all, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD) ==
               MPI_SUCCESS &&
           all;
}

static enum crmpi_status connect_tree(const struct birth *birth,
                                      const struct crmpi_address *self, int listener)
{
    uint32_t n_ranks = engine->job.n_ranks;
    struct crmpi_address *all = malloc(n_ranks * sizeof *all);
    enum crmpi_status status = CRMPI_ERR_NOMEM;

    if (all_agree(all != NULL && self->port != 0))
        status = PMPI_Allgather(self, sizeof *self, MPI_BYTE, all, sizeof *self, MPI_BYTE,
                                MPI_COMM_WORLD) == MPI_SUCCESS
                     ? CRMPI_OK
                     : CRMPI_ERR_MPI;
    if (status == CRMPI_OK)
        status = crmpi_tree_connect(&engine->tree, engine->job.world_rank, n_ranks, all,
                                    listener, birth->key);
    free(all);
    return status;
}

static const struct crmpi_policy_ops *find_policy(const char *name)
{
#define POLICY(name) &crmpi_policy_##name,
    static const struct crmpi_policy_ops *const policies[] = {CRMPI_POLICIES(POLICY)};

    for (size_t i = 0; i < sizeof policies / sizeof policies[0]; i++)
        if (strcmp(policies[i]->name, name) == 0)
            return policies[i];
    return NULL;
}

static enum crmpi_status prepare_own(const struct birth *birth)
{
    struct crmpi_engine_saved *saved = crmpi_control->engine;
    struct crmpi_policy_parameters parameters = {
        .next_sn = birth->next_sn,
        .limit_ms = (int64_t)(1000 * crmpi_config.quiesce_limit_seconds),
        .domino = crmpi_config.domino,
    };

    if (saved == NULL)
        crmpi_control->engine = saved = crmpi_heap_alloc(sizeof *saved);
    engine->policy_ops = find_policy(engine->job.policy);
    if (saved == NULL || engine->policy_ops == NULL)
        return CRMPI_ERR_INTERNAL;
    engine->tracks = engine->policy_ops != &crmpi_policy_coordinated;
    crmpi_cut.log_enable(engine->policy_ops == &crmpi_policy_uncoordinated,
                         (uint64_t)crmpi_config.log_limit_mib << 20);
    if (engine->job.restored != 0)
        crmpi_release_restored(&engine->job);
    engine->policy = engine->policy_ops->create(
        engine->job.world_rank, engine->job.n_ranks, &parameters, &crmpi_loop_env);
    if (engine->policy == NULL ||
        (engine->job.world_rank == 0 &&
         crmpi_commit_start(birth->next_sn) != CRMPI_OK))
        return CRMPI_ERR_NOMEM;
    if (pipe2(engine->wake, O_CLOEXEC | O_NONBLOCK) != 0 ||
        sem_init(&engine->gone, 0, 0) != 0)
        return CRMPI_ERR_SYSTEM;
    crmpi_limit_start();
    crmpi_times_start();
    return CRMPI_OK;
}

static void close_wake(void)
{
    for (int i = 0; i < 2; i++) {
        if (engine->wake[i] >= 0)
            close(engine->wake[i]);
        engine->wake[i] = -1;
    }
}

static void undo_start(void)
{
    crmpi_worker_stop();
    crmpi_requests_stop(engine->finished ? "the job has ended"
                                         : "no checkpoints can be taken");
    crmpi_tree_fini(&engine->tree);
    if (engine->policy != NULL)
        engine->policy_ops->destroy(engine->policy);
    crmpi_levels_stop(engine->finished);
    crmpi_commit_stop();
    engine->policy = NULL;
    close_wake();
    free(engine->launcher);
    engine->launcher = NULL;
    if (engine->lock >= 0)
        crmpi_contact_withdraw(crmpi_config.dir, engine->lock);
    engine->lock = -1;
}

static enum crmpi_status start_threads(int *listener, const struct crmpi_contact *contact)
{
    enum crmpi_status status = CRMPI_OK;

    if (engine->job.world_rank == 0) {
        crmpi_launcher_record(&engine->launcher, &engine->launcher_bytes);
        status = crmpi_requests_start(*listener, contact->key, crmpi_engine_wake);
        *listener = -1; /* the server's now */
    }
    return status == CRMPI_OK ? crmpi_worker_start(crmpi_phase_do) : status;
}

/* What a former job has left; each rank does its part. */
static void remove_discarded(const struct birth *birth)
{
    crmpi_discarded_remove(crmpi_config.dir, engine->job.world_rank, engine->job.n_ranks);
    if (birth->discarded[0] != '\0')
        crmpi_levels_discard(birth->discarded);
}

enum crmpi_status crmpi_engine_start(const struct crmpi_job *job)
{
    struct crmpi_contact contact = {0};
    struct crmpi_address self;
    struct birth birth;
    int world_rank, n_ranks, listener, fine;

    if (PMPI_Comm_rank(MPI_COMM_WORLD, &world_rank) != MPI_SUCCESS ||
        PMPI_Comm_size(MPI_COMM_WORLD, &n_ranks) != MPI_SUCCESS)
        return CRMPI_ERR_MPI;
    describe_job(job, world_rank, n_ranks);
    listener = crmpi_tree_listen(&self);
    if (listener < 0)
        crmpi_warn("cannot listen on a TCP port: %s", strerror(errno));
    if (world_rank == 0)
        prepare_birth(&birth, &self, &contact);
    if (PMPI_Bcast(&birth, sizeof birth, MPI_BYTE, 0, MPI_COMM_WORLD) != MPI_SUCCESS)
        return CRMPI_ERR_MPI;
    memcpy(engine->job.job_id, birth.job_id, sizeof engine->job.job_id);
    engine->job.incarnation = birth.incarnation;
    memcpy(engine->job.policy, birth.policy, sizeof engine->job.policy);
    fine = birth.usable;
    if (fine) {
        fine = all_agree(crmpi_levels_start(&engine->job, birth.key) == CRMPI_OK);
        if (!fine && world_rank == 0)
            crmpi_warn("the job runs, but no checkpoints can be taken: not with these "
                       "CRMPI_LEVELS");
    }
    if (fine) {
        fine = connect_tree(&birth, &self, listener) == CRMPI_OK &&
               prepare_own(&birth) == CRMPI_OK &&
               start_threads(&listener, &contact) == CRMPI_OK;
        fine = all_agree(fine);
        if (!fine && world_rank == 0)
            crmpi_warn("the job runs, but no checkpoints can be taken: the ranks cannot "
                       "connect their control tree");
    }
    if (listener >= 0)
        close(listener);
    if (birth.discards)
        remove_discarded(&birth);
    if (fine) {
        engine->alive = 1;
        crmpi_touch_start();
        if (world_rank == 0)
            crmpi_chronicle_started();
        if (crmpi_lower_thread_start(crmpi_loop_run, NULL, "crmpi-protocol") == 0)
            return CRMPI_OK;
        crmpi_touch_stop();
        engine->alive = 0; /* the others see the connections end */
    }
    undo_start();
    return CRMPI_OK;
}

/* ---- the end ---- */

void crmpi_engine_stop(void)
{
    unsigned turn = 0;

    if (engine->policy == NULL)
        return;
    __atomic_store_n(&engine->finishing, 1, __ATOMIC_RELEASE);
    crmpi_engine_wake();
    while (crmpi_engine_is_alive())
        crmpi_engine_wait(&turn);
    while (sem_wait(&engine->gone) != 0)
        ;
    sem_destroy(&engine->gone);
    if (engine->finished && engine->job.world_rank == 0) {
        crmpi_chronicle_ended();
        crmpi_ended_write(crmpi_config.dir, &engine->job);
    }
    undo_start();
}
