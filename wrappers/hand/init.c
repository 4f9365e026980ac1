/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The beginning and the end of MPI (lower half).
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "application/anew.h"
#include "base/config.h"
#include "capture/settings.h"
#include "engine/engine.h"
#include "net/presence.h"
#include "storage/attempt.h"
#include "threads/park.h"
#include "wrappers/hand/cut.h"
#include "wrappers/objects.h"

/* The threads that the MPI library starts must not take the application's signals. */
static int lower_init(int required, int *provided)
{
    sigset_t all, old;

    crmpi_settings_mpi_begin();
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int error = PMPI_Init_thread(NULL, NULL, required, provided);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    crmpi_settings_mpi_end();
    return error;
}

/* Of a job that MPI_Comm_spawn has started: it is not checkpointed, as its parents, who are,
 * cannot start it again; and the directory is theirs. */
static void spawned_tell(void)
{
    const char *port = getenv("OMPI_PARENT_PORT"); /* begins with the parent's job */
    unsigned long job = port ? strtoul(port, NULL, 10) : 0;

    if (job > 0)
        crmpi_warn("spawned by job [%lu,%lu]: not checkpointed", job >> 16, job & 0xffff);
    else
        crmpi_warn("spawned by another job: not checkpointed");
}

static int is_fault_tolerant(void)
{
#ifdef OMPI_HAVE_MPI_EXT_FTMPI
    int *on, has = 0;

    return PMPI_Comm_get_attr(MPI_COMM_WORLD, MPI_FT, &on, &has) == MPI_SUCCESS && has &&
           *on;
#else
    return 0;
#endif
}

/* A program that was started anew from a checkpoint goes on with its job. */
static enum crmpi_status engine_start(void)
{
    struct crmpi_job job;
    int world_rank, found;
    enum crmpi_status status;
    MPI_Comm parent = MPI_COMM_NULL;

    PMPI_Comm_rank(MPI_COMM_WORLD, &world_rank);
    if (PMPI_Comm_get_parent(&parent) == MPI_SUCCESS && parent != MPI_COMM_NULL) {
        if (world_rank == 0)
            spawned_tell();
        return CRMPI_OK;
    }
    if (is_fault_tolerant()) {
        if (world_rank == 0)
            crmpi_warn(
                "MPI is fault tolerant (--with-ft ulfm), and goes on without ranks that "
                "have failed: not checkpointed");
        return CRMPI_OK;
    }
    status = crmpi_anew_open((uint32_t)world_rank, &job, &found);
    if (status == CRMPI_OK)
        status = crmpi_engine_start(found ? &job : NULL);
    if (status == CRMPI_OK && found && world_rank == 0)
        crmpi_attempt_succeed(crmpi_config.dir);
    return status;
}

static int init(int required, int *provided_out)
{
    struct crmpi_objects *o = crmpi_objects_root;
    int provided = MPI_THREAD_SINGLE, done = 0;

    PMPI_Initialized(&done);
    if (done && o->only_sessions) {
        o->only_sessions = 0;
        o->main_thread = crmpi_thread;
        if (provided_out)
            *provided_out = o->thread_provided;
        return MPI_SUCCESS;
    }
    if (done)
        return PMPI_Init_thread(NULL, NULL, required,
                                provided_out); /* says so, and aborts */
    crmpi_thread->nest++;
    int error = lower_init(required, &provided);
    if (error != MPI_SUCCESS) {
        crmpi_thread->nest--;
        return error;
    }
    crmpi_presence_check();
    o->main_thread = crmpi_thread;
    o->thread_provided = provided;
    crmpi_thread_multiple = provided == MPI_THREAD_MULTIPLE;
    if (crmpi_mpi_layer_start() != CRMPI_OK ||
        crmpi_park_progress_register() != CRMPI_OK ||
        engine_start() != CRMPI_OK) {
        crmpi_error("MPI_Init: crmpi cannot start");
        PMPI_Abort(MPI_COMM_WORLD, 1);
    }
    crmpi_upcall((void *)crmpi_control->initialized, 0, 0, 0, 0, 0, 0);
    crmpi_thread->nest--;
    if (provided_out)
        *provided_out = provided;
    return MPI_SUCCESS;
}

int crmpi_lower_MPI_Init(int *argc, char ***argv)
{
    int level = MPI_THREAD_SINGLE;
    const char *wanted;

    (void)argc;
    (void)argv;
    crmpi_environment_take();
    wanted = getenv("OMPI_MPI_THREAD_LEVEL"); /* Open MPI's MPI_Init looks at it */
    if (wanted) {
        level = atoi(wanted);
        if (level < MPI_THREAD_SINGLE || level > MPI_THREAD_MULTIPLE)
            level = MPI_THREAD_MULTIPLE;
    }
    return init(level, NULL);
}

int crmpi_lower_MPI_Init_thread(int *argc, char ***argv, int required, int *provided)
{
    (void)argc;
    (void)argv;
    crmpi_environment_take();
    return init(required, provided);
}

/* The level is one for all of the process, and another session may want more. */
int crmpi_world_begin(int thread_level)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct crmpi_objects *o = crmpi_objects_root;
    int done = 0, error = MPI_SUCCESS;

    if (crmpi_finalize_begun) {
        crmpi_error("MPI has ended: no session can begin in this process any more");
        return MPI_ERR_OTHER;
    }
    crmpi_thread->nest++; /* no thread parks with the lock */
    pthread_mutex_lock(&lock);
    PMPI_Initialized(&done);
    if (!done) {
        crmpi_environment_take();
        error = init(MPI_THREAD_MULTIPLE, NULL);
        o->only_sessions = error == MPI_SUCCESS;
        crmpi_control->wants_end = o->only_sessions;
    } else if (o->thread_provided < thread_level) {
        crmpi_error("a session asks for MPI_THREAD_MULTIPLE, and MPI_Init has not: ask by "
                    "MPI_Init_thread()");
        error = MPI_ERR_OTHER;
    }
    pthread_mutex_unlock(&lock);
    crmpi_thread->nest--;
    return error;
}

/* What the application has done of it. */
int crmpi_lower_MPI_Initialized(int *flag)
{
    int error = PMPI_Initialized(flag);

    if (error == MPI_SUCCESS && crmpi_objects_root->only_sessions)
        *flag = 0;
    return error;
}

int crmpi_lower_MPI_Finalized(int *flag)
{
    int error = PMPI_Finalized(flag);

    if (error == MPI_SUCCESS && crmpi_objects_root->world_ended)
        *flag = 1;
    return error;
}

int crmpi_lower_MPI_Is_thread_main(int *flag)
{
    int error = PMPI_Is_thread_main(flag); /* for what it says before MPI_Init */

    if (error == MPI_SUCCESS)
        *flag = crmpi_thread == crmpi_objects_root->main_thread;
    return error;
}

/* First of all, when MPI is active still: other ranks may wait for what the functions do before
 * they come here.  Made again, the call finds no attributes. */
static void self_delete(struct crmpi_handle *self)
{
    struct crmpi_attribute **list = &((struct crmpi_comm *)self->extra)->attributes;

    if (crmpi_settings_delete(CRMPI_COMM, self, list) != MPI_SUCCESS)
        crmpi_settings_drop(CRMPI_COMM, list);
}

/* In a build for coverage (scripts/coverage): the process ends above, where nobody knows of what
 * is counted below. */
extern void __gcov_dump(void) __attribute__((weak));

int crmpi_world_end(void)
{
    struct crmpi_handle *world = CRMPI_UPPER(void *, ompi_mpi_comm_world);

    crmpi_engine_stop();
    crmpi_call_resumed();
    crmpi_thread->nest++;
    crmpi_finalize_begun = 1;
    crmpi_comm_reap();
    int error = PMPI_Finalize();
    /* as in Open MPI, where MPI_Finalized() is true by then */
    crmpi_settings_delete(CRMPI_COMM, world,
                            &((struct crmpi_comm *)world->extra)->attributes);
    crmpi_thread->nest--;
    if (__gcov_dump)
        __gcov_dump();
    return error;
}

/* For a call out of its place: the library says so, and aborts. */
static int out_of_place(const char *function)
{
    crmpi_error("%s is called before MPI_Init, or after MPI_Finalize", function);
    return PMPI_Abort(MPI_COMM_WORLD, 1);
}

int crmpi_lower_MPI_Finalize(void)
{
    struct crmpi_objects *o = crmpi_objects_root;
    struct crmpi_handle *self = CRMPI_UPPER(void *, ompi_mpi_comm_self);

    if (!self->extra)
        return PMPI_Finalize(); /* not initialised: says so, and aborts */
    if (o->only_sessions || o->world_ended)
        return out_of_place("MPI_Finalize");
    self_delete(self);
    if (o->n_sessions == 0)
        return crmpi_world_end();
    o->world_ended = 1; /* the last session ends it */
    return MPI_SUCCESS;
}

/* The process ends by exit(): MPI ends for who has had sessions only. */
int crmpi_lower_CRMPI_End(void)
{
    struct crmpi_objects *o = crmpi_root ? crmpi_objects_root : NULL;

    if (o && o->only_sessions && o->n_sessions == 0 &&
        crmpi_control->pid == (uint32_t)getpid())
        crmpi_world_end();
    return 0;
}

int crmpi_lower_MPI_Abort(MPI_Comm comm, int errorcode)
{
    MPI_Comm real = CRMPI_REAL(MPI_Comm, comm);

    return PMPI_Abort(real ? real : MPI_COMM_WORLD, errorcode);
}

int crmpi_lower_MPI_Pcontrol(const int level, ...)
{
    return PMPI_Pcontrol(level);
}
