/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The making of the lower communicators of MPI_Comm_idup (lower half).
 *
 * Open MPI 4.1 agrees on the number of a new communicator by several nonblocking
 * collectives of the parent, which it initiates as it makes progress.  Whatever else of
 * that kind is initiated on the parent meanwhile, a second duplicate above all, comes
 * before them in one rank and between them in another: they are mixed up, and the job
 * hangs or gets wrong results.  So the duplicates of a communicator are made here one
 * after the other, each when all members have asked for it, and calls that use a
 * nonblocking collective of the library on the parent let them end first.  So such a call
 * waits until all members have asked for the duplicates before it (limits.md).
 *
 * The application's request stands on a generalized request of the library, the promise,
 * which is complete when the duplicate is: to all that waits or tests, and to the drain,
 * it is a request like others.  Before a cut all members have asked for the same
 * duplicates, and the drain waits for the promises: a restart finds none.
 */
#include <pthread.h>
#include <stdlib.h>

#include "lower/progress.h"
#include "wrappers/hand/p2p.h"
#include "wrappers/objects.h"

struct duplicate {
    struct duplicate *next;   /* of another communicator */
    struct duplicate *behind; /* of the same one, to be made after this */
    struct crmpi_handle *from, *copy;
    MPI_Info info; /* held; NULL: the hints of @p from */
    MPI_Request promise;
    MPI_Request lower; /* of a barrier of all members, then of the making */
    int is_making;
    int error;
};

static struct duplicate *all; /* the first of each communicator */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of all of it */

/*
 * The promise
 */

static int query(void *state, MPI_Status *status)
{
    const struct duplicate *d = state;

    (void)status; /* empty */
    return d->error;
}

static int free_state(void *state)
{
    struct duplicate *d = state;

    crmpi_drop(d->info);
    free(d);
    return MPI_SUCCESS;
}

static int cancel(void *state, int complete)
{
    (void)state;
    (void)complete;
    return MPI_SUCCESS;
}

/*
 * Progress
 */

/* Where processes of another job take part, which may run without crmpi, it is only made. */
static void begin(struct duplicate *d)
{
    if (((struct crmpi_comm *)d->from->extra)->is_dynamic)
        d->lower = MPI_REQUEST_NULL;
    else
        d->error = PMPI_Ibarrier(d->from->real, &d->lower);
}

static int idup(struct duplicate *d, MPI_Comm *real)
{
#if OMPI_MAJOR_VERSION >= 5
    if (d->info) {
        MPI_Info info = crmpi_info_make(d->info);
        int error = PMPI_Comm_idup_with_info(d->from->real, info, real, &d->lower);

        crmpi_info_drop(info);
        return error;
    }
#endif
    return PMPI_Comm_idup(d->from->real, real, &d->lower);
}

static void make(struct duplicate *d)
{
    MPI_Comm real = MPI_COMM_NULL;

    d->error = idup(d, &real);
    if (d->error != MPI_SUCCESS)
        return;
    d->is_making = 1;
    d->copy->real = real;
    crmpi_comm_apply_errhandler(d->copy);
}

/* Returns 1 at its end. */
static int step(struct duplicate *d)
{
    int done = 0;

    if (d->error == MPI_SUCCESS)
        d->error = PMPI_Test(&d->lower, &done, MPI_STATUS_IGNORE);
    if (d->error == MPI_SUCCESS && done && !d->is_making) {
        make(d);
        done = 0;
    }
    return done || d->error != MPI_SUCCESS;
}

/* Called whenever the library makes progress, also by what is called here: then the lock
 * is held.  A thread does not park with it. */
static int progress(void)
{
    int n = 0;

    if (__builtin_expect(!__atomic_load_n(&all, __ATOMIC_ACQUIRE), 1) ||
        pthread_mutex_trylock(&lock) != 0)
        return 0;
    if (crmpi_thread)
        crmpi_thread->nest++;
    for (struct duplicate **at = &all, *d; (d = *at);) {
        if (!step(d)) {
            at = &d->next;
            continue;
        }
        n++;
        *at = d->next;
        if (d->behind) {
            d->behind->next = d->next;
            *at = d->behind;
            begin(d->behind);
        }
        PMPI_Grequest_complete(d->promise); /* the application may free it now */
    }
    if (crmpi_thread)
        crmpi_thread->nest--;
    pthread_mutex_unlock(&lock);
    return n;
}

/*
 * For the wrappers
 */

/* Where the first duplicate of @p from stands, or the end. */
static struct duplicate **first_of(const struct crmpi_handle *from)
{
    struct duplicate **at = &all;

    while (*at && (*at)->from != from)
        at = &(*at)->next;
    return at;
}

MPI_Request crmpi_idup_begin(MPI_Comm comm, MPI_Info info, MPI_Comm copy)
{
    static int is_registered;
    struct duplicate *d = calloc(1, sizeof *d);

    if (!d || PMPI_Grequest_start(query, free_state, cancel, d, &d->promise) !=
                  MPI_SUCCESS) {
        crmpi_error("no memory to duplicate a communicator");
        abort();
    }
    MPI_Request promise = d->promise;
    d->from = (void *)comm;
    d->copy = (void *)copy;
    d->info = crmpi_hold(info);
    d->lower = MPI_REQUEST_NULL;
    crmpi_whole_begin();
    pthread_mutex_lock(&lock);
    if (!is_registered && crmpi_progress_register(progress) != 0) {
        crmpi_error("cannot follow the making of communicators");
        abort();
    }
    is_registered = 1;
    struct duplicate **at = first_of(d->from);
    if (!*at)
        begin(d);
    while (*at)
        at = &(*at)->behind;
    __atomic_store_n(at, d, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&lock);
    crmpi_whole_end();
    return promise;
}

static int is_duplicated(const struct crmpi_handle *comm)
{
    if (!__atomic_load_n(&all, __ATOMIC_ACQUIRE))
        return 0;
    crmpi_whole_begin();
    pthread_mutex_lock(&lock);
    int is = *first_of(comm) != NULL;
    pthread_mutex_unlock(&lock);
    crmpi_whole_end();
    return is;
}

void crmpi_idup_settle(MPI_Comm comm)
{
    int flag;

    while (is_duplicated((void *)comm)) {
        PMPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, crmpi_private_self, &flag,
                    MPI_STATUS_IGNORE);
        crmpi_park_point();
    }
}
