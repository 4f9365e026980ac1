/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What stands in for libc's locks in the lower half (see locks.h), and for waiting.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "boundary/boundary.h"
#include "lower/locks.h"

#define WAKE_NS 5000000 /* so long a thread of the application waits at a time */

__thread int crmpi_locks_held;

/* The function of libc behind NAME; looked up once, by whoever comes first. */
#define NEXT(NAME, ...)                                                                  \
    ({                                                                                   \
        static __typeof__(NAME) *next_;                                                  \
        if (__builtin_expect(!next_, 0))                                                 \
            *(void **)&next_ = dlsym(RTLD_NEXT, #NAME);                                  \
        next_ ? next_(__VA_ARGS__) : EINVAL;                                             \
    })

#define TAKES(NAME, PARAMETERS, ...)                                                     \
    int NAME PARAMETERS                                                                  \
    {                                                                                    \
        int result = NEXT(NAME, __VA_ARGS__);                                            \
                                                                                         \
        if (result == 0 || result == EOWNERDEAD)                                         \
            crmpi_locks_held++;                                                          \
        return result;                                                                   \
    }

#define GIVES(NAME, PARAMETERS, ...)                                                     \
    int NAME PARAMETERS                                                                  \
    {                                                                                    \
        int result = NEXT(NAME, __VA_ARGS__);                                            \
                                                                                         \
        if (result == 0)                                                                 \
            crmpi_locks_held--;                                                          \
        return result;                                                                   \
    }

TAKES(pthread_mutex_lock, (pthread_mutex_t *mutex), mutex)
TAKES(pthread_mutex_trylock, (pthread_mutex_t *mutex), mutex)
TAKES(pthread_mutex_timedlock, (pthread_mutex_t *mutex, const struct timespec *limit),
      mutex, limit)
TAKES(pthread_mutex_clocklock,
      (pthread_mutex_t *mutex, clockid_t clock, const struct timespec *limit), mutex, clock,
      limit)
GIVES(pthread_mutex_unlock, (pthread_mutex_t *mutex), mutex)

TAKES(pthread_spin_lock, (pthread_spinlock_t *lock), lock)
TAKES(pthread_spin_trylock, (pthread_spinlock_t *lock), lock)
GIVES(pthread_spin_unlock, (pthread_spinlock_t *lock), lock)

TAKES(pthread_rwlock_rdlock, (pthread_rwlock_t *lock), lock)
TAKES(pthread_rwlock_tryrdlock, (pthread_rwlock_t *lock), lock)
TAKES(pthread_rwlock_wrlock, (pthread_rwlock_t *lock), lock)
TAKES(pthread_rwlock_trywrlock, (pthread_rwlock_t *lock), lock)
GIVES(pthread_rwlock_unlock, (pthread_rwlock_t *lock), lock)

void crmpi_locks_wait(void)
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
        return NEXT(pthread_cond_wait, condition, mutex);
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
