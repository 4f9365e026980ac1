/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What stands in for libc's locks in the lower half (see locks.h).
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "lower/locks.h"

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
GIVES(pthread_rwlock_unlock, (pthread_rwlock_t * lock), lock)
