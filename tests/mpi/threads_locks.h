/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The threads of threads_many that take turns, each the same number of times: mutexes of
 * all kinds, a read-write lock, a spin lock, a semaphore, a condition and a barrier.
 * Others end while they have a robust mutex.
 */
#ifndef TESTS_MPI_THREADS_LOCKS_H
#define TESTS_MPI_THREADS_LOCKS_H

#include "threads_sleeps.h"

#define N_LOCKERS 6
#define N_PLACES 2
#define LOCK_MS 30 /* limit of a lock that is tried again */
#define DEATH_MS 60
#define ROUNDS_OF_DEATH 4 /* one in so many */
#define N_DEPTH 3
#define N_SPINS 20

enum { NORMAL, RECURSIVE, ERRORCHECK, ROBUST, INHERIT, ROBUST_INHERIT, N_GUARDS };

/* A mutex, who has it, and what it guards. */
static struct guard {
    const char *name;
    int type, robust, protocol;
    pthread_mutex_t mutex;
    pid_t owner, dead; /* who ended with it, until the next one is told */
    long n_visits, n_deaths, n_told;
} guards[N_GUARDS] = {
    [NORMAL] = {.name = "normal mutex", .type = PTHREAD_MUTEX_NORMAL},
    [RECURSIVE] = {.name = "recursive mutex", .type = PTHREAD_MUTEX_RECURSIVE},
    [ERRORCHECK] = {.name = "error-checking mutex", .type = PTHREAD_MUTEX_ERRORCHECK},
    [ROBUST] = {.name = "robust mutex",
                .type = PTHREAD_MUTEX_NORMAL,
                .robust = PTHREAD_MUTEX_ROBUST},
    [INHERIT] = {.name = "inheriting mutex",
                 .type = PTHREAD_MUTEX_NORMAL,
                 .protocol = PTHREAD_PRIO_INHERIT},
    [ROBUST_INHERIT] = {.name = "robust inheriting mutex",
                        .type = PTHREAD_MUTEX_RECURSIVE,
                        .robust = PTHREAD_MUTEX_ROBUST,
                        .protocol = PTHREAD_PRIO_INHERIT},
};

static long n_rounds;          /* of each locker */
static bool inherit_monotonic; /* C library and kernel know it for such mutexes */
static pthread_barrier_t barrier;
static atomic_long n_serial;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static long written[2], n_written;
static atomic_int n_readers, n_writers, n_inside;
static pthread_spinlock_t spin;
static long n_spins;
static sem_t places;
static pthread_mutex_t ring_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ring_changed = PTHREAD_COND_INITIALIZER;
static long ring_turn;

static void locks_begin(long rounds)
{
    struct timespec until = in_ms(CLOCK_MONOTONIC, 1000);
    int error;

    n_rounds = rounds;
    for (int i = 0; i < N_GUARDS; i++)
        mutex_make(&guards[i].mutex, guards[i].type, guards[i].robust,
                   guards[i].protocol);
    error = pthread_mutex_clocklock(&guards[INHERIT].mutex, CLOCK_MONOTONIC, &until);
    inherit_monotonic = error == 0;
    CHECK(error == 0 || error == EINVAL, "error %d of clocklock", error);
    if (error == 0)
        CHECK_EQ(pthread_mutex_unlock(&guards[INHERIT].mutex), 0);
    CHECK_EQ(pthread_barrier_init(&barrier, NULL, N_LOCKERS), 0);
    CHECK_EQ(pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE), 0);
    CHECK_SYS(sem_init(&places, 0, N_PLACES));
}

/* Until it has the lock, or the time is over; in any of four ways. */
static int guard_try(struct guard *guard, int how)
{
    clockid_t clock = how == 2 || (guard->protocol && !inherit_monotonic)
                          ? CLOCK_REALTIME
                          : CLOCK_MONOTONIC;
    struct timespec until = in_ms(clock, LOCK_MS);
    int error;

    if (how == 0)
        return pthread_mutex_lock(&guard->mutex);
    if (how == 1) {
        error = pthread_mutex_trylock(&guard->mutex);
        if (error == EBUSY)
            check_sleep_ms(1);
        return error;
    }
    error = how == 2 ? pthread_mutex_timedlock(&guard->mutex, &until)
                     : pthread_mutex_clocklock(&guard->mutex, clock, &until);
    if (error == ETIMEDOUT)
        check_reached(clock, until);
    return error;
}

/** Get the lock; who gets it after one that has ended is told so, once. */
static void guard_enter(struct guard *guard, int how)
{
    int error;

    doing(guard->name);
    do
        error = guard_try(guard, how);
    while ((how == 1 && error == EBUSY) || (how > 1 && error == ETIMEDOUT));
    if (guard->dead != 0) {
        RETURNS(error, EOWNERDEAD);
        CHECK_EQ(guard->owner, guard->dead);
        guard->owner = guard->dead = 0;
        guard->n_told++;
        RETURNS(pthread_mutex_consistent(&guard->mutex), 0);
    } else {
        RETURNS(error, 0);
    }
    CHECK(guard->owner == 0, "%s: thread %d has it, and thread %d got it", guard->name,
          guard->owner, gettid());
    guard->owner = gettid();
}

static void guard_leave(struct guard *guard)
{
    CHECK(guard->owner == gettid(), "%s: thread %d got it from thread %d", guard->name,
          guard->owner, gettid());
    guard->owner = 0;
    RETURNS(pthread_mutex_unlock(&guard->mutex), 0);
}

/* What the mutex says to its owner. */
static void guard_own(struct guard *guard)
{
    struct timespec until = in_ms(CLOCK_REALTIME, 1000);

    if (guard->type == PTHREAD_MUTEX_ERRORCHECK) {
        RETURNS(pthread_mutex_lock(&guard->mutex), EDEADLK);
        RETURNS(pthread_mutex_timedlock(&guard->mutex, &until), EDEADLK);
        RETURNS(pthread_mutex_trylock(&guard->mutex), EBUSY);
    }
    if (guard->type != PTHREAD_MUTEX_RECURSIVE)
        return;
    for (int i = 0; i < N_DEPTH; i++) {
        RETURNS(pthread_mutex_lock(&guard->mutex), 0);
        RETURNS(pthread_mutex_trylock(&guard->mutex), 0);
    }
    for (int i = 0; i < 2 * N_DEPTH; i++)
        RETURNS(pthread_mutex_unlock(&guard->mutex), 0);
}

static int hold_ms(uint64_t *state)
{
    int n = check_below(state, 200);

    return n == 0 ? 200 : n < 8 ? 30 : n < 100 ? 0 : n % 5;
}

static void guard_visit(struct guard *guard, uint64_t *state)
{
    long n;

    doing(guard->name);
    if (guard->type != PTHREAD_MUTEX_NORMAL || guard->robust) /* it knows its owner */
        RETURNS(pthread_mutex_unlock(&guard->mutex), EPERM);
    guard_enter(guard, check_below(state, 4));
    n = guard->n_visits;
    guard_own(guard);
    check_sleep_ms(hold_ms(state));
    guard_own(guard);
    CHECK(guard->n_visits == n, "%s: others were there", guard->name);
    guard->n_visits = n + 1;
    guard_leave(guard);
}

/* A thread that ends with a mutex: it returns, exits, or is cancelled. */
struct death {
    struct guard *guard;
    int how;
    sem_t has_it;
};

static void death_leave(void *unused)
{
    (void)unused;
    thread_end();
}

static void *death_run(void *data)
{
    struct death *death = data;

    thread_begin("death");
    pthread_cleanup_push(death_leave, NULL);
    guard_enter(death->guard, 0);
    death->guard->dead = gettid();
    death->guard->n_deaths++;
    CHECK_SYS(sem_post(&death->has_it));
    check_sleep_ms(death->how == 2 ? 0 : DEATH_MS);
    if (death->how == 1)
        pthread_exit(data);
    while (death->how == 2)
        pause();
    pthread_cleanup_pop(1);
    return data;
}

static void guard_die(struct guard *guard, int how)
{
    struct death death = {.guard = guard, .how = how};
    pthread_t thread;
    void *result;

    CHECK_SYS(sem_init(&death.has_it, 0, 0));
    thread = spawn(death_run, &death);
    doing("sem_wait");
    RETURNS(sem_wait(&death.has_it), 0);
    doing("pthread_join");
    if (how == 2) {
        check_sleep_ms(DEATH_MS);
        CHECK_EQ(pthread_cancel(thread), 0);
    }
    RETURNS(pthread_join(thread, &result), 0);
    CHECK(result == (how == 2 ? PTHREAD_CANCELED : &death), "another result: %p", result);
    CHECK_SYS(sem_destroy(&death.has_it));
}

/* One that nobody makes consistent is lost. */
static void guard_give_up(void)
{
    struct guard guard = {.name = "robust mutex, given up",
                          .type = PTHREAD_MUTEX_ERRORCHECK,
                          .robust = PTHREAD_MUTEX_ROBUST};

    mutex_make(&guard.mutex, guard.type, guard.robust, guard.protocol);
    guard_die(&guard, 0);
    doing(guard.name);
    RETURNS(pthread_mutex_trylock(&guard.mutex), EOWNERDEAD);
    check_sleep_ms(20);
    RETURNS(pthread_mutex_unlock(&guard.mutex), 0);
    RETURNS(pthread_mutex_lock(&guard.mutex), ENOTRECOVERABLE);
    RETURNS(pthread_mutex_destroy(&guard.mutex), 0);
}

/* One writes, or several read what does not change. */
static void rwlock_visit(bool writes, int how, int ms)
{
    struct timespec until;
    int error;

    doing("read-write lock");
    do {
        until = in_ms(CLOCK_REALTIME, LOCK_MS);
        error = how == 0 ? writes ? pthread_rwlock_wrlock(&rwlock)
                                  : pthread_rwlock_rdlock(&rwlock)
                : writes ? pthread_rwlock_timedwrlock(&rwlock, &until)
                         : pthread_rwlock_timedrdlock(&rwlock, &until);
        if (error == ETIMEDOUT)
            check_reached(CLOCK_REALTIME, until);
    } while (how != 0 && error == ETIMEDOUT);
    RETURNS(error, 0);
    writes ? n_writers++ : n_readers++;
    CHECK_EQ(written[0], written[1]);
    written[0] += writes;
    check_sleep_ms(ms);
    written[1] += writes;
    CHECK_EQ(written[0], written[1]);
    n_written += writes;
    CHECK(writes ? n_writers == 1 && n_readers == 0 : n_writers == 0,
          "%d writers and %d readers", n_writers, n_readers);
    writes ? n_writers-- : n_readers--;
    RETURNS(pthread_rwlock_unlock(&rwlock), 0);
}

static void spin_visit(void)
{
    doing("spin lock");
    for (int i = 0; i < N_SPINS; i++) {
        RETURNS(pthread_spin_lock(&spin), 0);
        n_spins++;
        RETURNS(pthread_spin_unlock(&spin), 0);
    }
}

/* Not more of them than there are places. */
static void places_visit(int how, int ms)
{
    struct timespec until;
    int error;

    doing("semaphore");
    do {
        until = in_ms(how == 2 ? CLOCK_REALTIME : CLOCK_MONOTONIC, LOCK_MS);
        error = how == 0   ? sem_wait(&places)
                : how == 1 ? sem_trywait(&places)
                : how == 2 ? sem_timedwait(&places, &until)
                           : sem_clockwait(&places, CLOCK_MONOTONIC, &until);
        CHECK(error == 0 || errno == (how == 1 ? EAGAIN : ETIMEDOUT),
              "%s: way %d, errno %d, %s", self->doing, how, errno, strerror(errno));
        if (error == -1 && how == 1)
            check_sleep_ms(1);
        else if (error == -1)
            check_reached(how == 2 ? CLOCK_REALTIME : CLOCK_MONOTONIC, until);
    } while (how != 0 && error == -1);
    RETURNS(error, 0);
    CHECK(++n_inside <= N_PLACES, "%d threads at %d places", n_inside, N_PLACES);
    check_sleep_ms(ms);
    n_inside--;
    CHECK_SYS(sem_post(&places));
}

/* One after the other. */
static void ring_visit(long own, int how)
{
    clockid_t clock = how == 1 ? CLOCK_REALTIME : CLOCK_MONOTONIC;

    doing("condition");
    CHECK_EQ(pthread_mutex_lock(&ring_mutex), 0);
    while (ring_turn % N_LOCKERS != own) {
        struct timespec until = in_ms(clock, LOCK_MS);
        int error =
            how == 0 ? pthread_cond_wait(&ring_changed, &ring_mutex)
            : how == 1
                ? pthread_cond_timedwait(&ring_changed, &ring_mutex, &until)
                : pthread_cond_clockwait(&ring_changed, &ring_mutex, clock, &until);

        if (error == ETIMEDOUT && how != 0)
            check_reached(clock, until);
        else
            RETURNS(error, 0);
    }
    ring_turn++;
    CHECK_EQ(pthread_cond_broadcast(&ring_changed), 0);
    CHECK_EQ(pthread_mutex_unlock(&ring_mutex), 0);
}

/* All wait for each other, and one of them looks at what all have done. */
static void meet(long round)
{
    int error;

    doing("barrier");
    error = pthread_barrier_wait(&barrier);
    if (error == PTHREAD_BARRIER_SERIAL_THREAD) {
        n_serial++;
        for (int i = 0; i < N_GUARDS; i++)
            CHECK(guards[i].n_visits == N_LOCKERS * (round + 1),
                  "%s: %ld visits in %ld rounds", guards[i].name, guards[i].n_visits,
                  round + 1);
        CHECK_EQ(n_spins, N_SPINS * N_LOCKERS * (round + 1));
        CHECK_EQ(ring_turn, N_LOCKERS * (round + 1));
        CHECK_EQ(n_written, N_LOCKERS / 3 * (round + 1));
        CHECK_EQ(n_serial, round + 1);
        error = 0;
    }
    RETURNS(error, 0);
    error = pthread_barrier_wait(&barrier);
    RETURNS(error == PTHREAD_BARRIER_SERIAL_THREAD ? 0 : error, 0);
}

static void *locker(void *number)
{
    long own = (intptr_t)number;
    uint64_t state = check_hash((uint64_t)check_rank, (uint64_t)own + 1000);
    char name[16];

    snprintf(name, sizeof name, "locker %ld", own);
    thread_begin(name);
    for (long round = 0; round < n_rounds; round++) {
        for (int i = 0; i < N_GUARDS; i++)
            guard_visit(&guards[(own + i) % N_GUARDS], &state);
        if (round % ROUNDS_OF_DEATH == 1 && own < 2)
            guard_die(&guards[own ? ROBUST_INHERIT : ROBUST],
                      (int)(round / ROUNDS_OF_DEATH % 3));
        if (round % ROUNDS_OF_DEATH == 1 && own == 2)
            guard_give_up();
        rwlock_visit((own + round) % 3 == 0, check_below(&state, 2), hold_ms(&state));
        spin_visit();
        places_visit(check_below(&state, 4), hold_ms(&state));
        ring_visit(own, check_below(&state, 3));
        meet(round);
        thread_check();
    }
    thread_end();
    return (void *)n_rounds;
}

static long deaths(void)
{
    return (n_rounds + ROUNDS_OF_DEATH - 2) / ROUNDS_OF_DEATH;
}

/** Check what they have done, when they have ended. */
static void locks_end(void)
{
    for (int i = 0; i < N_GUARDS; i++) {
        struct guard *guard = &guards[i];
        bool dies = i == ROBUST || i == ROBUST_INHERIT;

        guard_enter(guard, 0); /* it may be the first to know */
        guard_leave(guard);
        CHECK_EQ(guard->n_visits, N_LOCKERS * n_rounds);
        CHECK_EQ(guard->n_deaths, dies ? deaths() : 0);
        CHECK_EQ(guard->n_told, guard->n_deaths);
        CHECK_EQ(pthread_mutex_destroy(&guard->mutex), 0);
        check_note((uint64_t)(guard->n_visits * 100 + guard->n_told));
    }
    CHECK_EQ(n_serial, n_rounds);
    CHECK_EQ(pthread_barrier_destroy(&barrier), 0);
    CHECK_EQ(pthread_spin_destroy(&spin), 0);
    CHECK_SYS(sem_destroy(&places));
    check_note((uint64_t)(n_written + n_spins + ring_turn));
}

#endif
