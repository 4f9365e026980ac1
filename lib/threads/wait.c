/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What stands in for functions in which threads wait in the lower half, and do not come to the
 * progress callback: libc's for conditions, and UCX's progress.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "lower/locks.h"
#include "threads/boundary.h"
#include "threads/wait.h"

#define WAKE_NS 5000000 /* so long a thread of the application waits at a time */

void crmpi_wait_with_locks(void)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;

    pthread_mutex_lock(&mutex);
    for (int i = 0; i < 2000 && !crmpi_checkpoint_under_way(); i++)
        pthread_cond_wait(&condition, &mutex);
    for (int i = 0; i < 100; i++)
        pthread_cond_wait(&condition, &mutex);
    pthread_mutex_unlock(&mutex);
}

static int next_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
    static int (*next)(pthread_cond_t *, pthread_mutex_t *);

    if (__builtin_expect(!next, 0)) /* looked up once, by whoever comes first */
        *(void **)&next = dlsym(RTLD_NEXT, "pthread_cond_wait");
    return next ? next(condition, mutex) : EINVAL;
}

/*
 * With MPI_THREAD_MULTIPLE only one of the threads that wait in the MPI library makes
 * progress and comes to a park point there; the others wait for a condition.  So a thread of
 * the application wakes up now and then, as all users of conditions have to expect, and may
 * park, if it holds no other lock than that of the condition.
 */
int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
    struct timespec limit;
    int result;

    if (!crmpi_thread || crmpi_thread->nest > 0 || crmpi_thread->critical > 0)
        return next_wait(condition, mutex);
    clock_gettime(CLOCK_MONOTONIC, &limit);
    limit.tv_nsec += WAKE_NS;
    limit.tv_sec += limit.tv_nsec / 1000000000;
    limit.tv_nsec %= 1000000000;
    result = pthread_cond_clockwait(condition, mutex, CLOCK_MONOTONIC, &limit);
    if (crmpi_checkpoint_under_way() && crmpi_locks_held <= 1) {
        pthread_mutex_unlock(mutex);
        crmpi_park_point();
        pthread_mutex_lock(mutex);
    }
    return result == ETIMEDOUT ? 0 : result;
}

/*
 * Open MPI's osc/ucx waits for the lock of a window in a loop that has UCX make progress, and
 * nothing else.
 */
static __thread int spins;

void crmpi_spin_begin(void)
{
    spins = 1;
}

void crmpi_spin_end(void)
{
    spins = 0;
}

unsigned ucp_worker_progress(void *worker);
unsigned ucp_worker_progress(void *worker)
{
    static unsigned (*next)(void *);

    if (__builtin_expect(!next, 0)) {
        void *library = dlopen("libucp.so.0", RTLD_LAZY | RTLD_NOLOAD);

        if (!library)
            return 0; /* nobody can have a worker */
        *(void **)&next = dlsym(library, "ucp_worker_progress");
    }
    if (spins)
        crmpi_park_point();
    return next(worker);
}
