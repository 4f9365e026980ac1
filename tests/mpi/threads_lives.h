/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads of threads_many that live for a short time: they are joined, or detached, or
 * cancelled in a call that would not end.
 */
#ifndef TESTS_MPI_THREADS_LIVES_H
#define TESTS_MPI_THREADS_LIVES_H

#include "threads_waits.h"

/* Joined, with a value. */
static void *brief(void *data)
{
    thread_begin("brief");
    check_sleep_ms(2);
    thread_check();
    thread_end();
    return (void *)(uintptr_t)check_mix((uintptr_t)data);
}

static void brief_live(uintptr_t seed)
{
    pthread_t thread = spawn(brief, (void *)seed);
    void *value;

    doing("pthread_join");
    RETURNS(pthread_join(thread, &value), 0);
    CHECK((uintptr_t)value == (uintptr_t)check_mix(seed), "value %p of a thread", value);
}

/* Detached, by itself or by who made it. */
static atomic_long n_detached, n_detached_ended;

static void *detached(void *data)
{
    thread_begin("detached");
    if ((intptr_t)data % 2)
        CHECK_EQ(pthread_detach(pthread_self()), 0);
    check_sleep_ms((int)((intptr_t)data % 40));
    thread_end();
    n_detached_ended++;
    return NULL;
}

static void detached_live(long number)
{
    pthread_t thread = spawn(detached, (void *)(intptr_t)number);

    n_detached++;
    if (number % 2 == 0)
        CHECK_EQ(pthread_detach(thread), 0);
}

/* Cancelled. */
struct victim {
    int way, fds[2];
    sem_t begun, nobody_posts;
    pthread_mutex_t mutex;
    pthread_cond_t nobody_signals;
    char *block;
    int n_handlers;
    bool slept;
};

static pthread_key_t victims_key;
static long n_victims;
static atomic_long n_cancelled;

static void in_read(struct victim *victim)
{
    ssize_t n = read(victim->fds[0], victim->block, 1);
    (void)n;
}

static void in_recv(struct victim *victim)
{
    recv(victim->fds[0], victim->block, 1, 0);
}

/* Since glibc 2.41 one that has sent a part returns, and the next call is cancelled. */
static void in_send(struct victim *victim)
{
    send(victim->fds[0], victim->block, N_LARGE, 0);
#if __GLIBC_PREREQ(2, 41)
    pthread_testcancel();
#endif
}

static void in_pause(struct victim *victim)
{
    (void)victim;
    pause();
}

static void in_nanosleep(struct victim *victim)
{
    struct timespec time = {LONG_S, 0};
    (void)victim;
    nanosleep(&time, NULL);
}

static void in_clock_nanosleep(struct victim *victim)
{
    struct timespec until = in_ms(CLOCK_MONOTONIC, 0);
    (void)victim;
    until.tv_sec += LONG_S;
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

static void in_poll(struct victim *victim)
{
    struct pollfd fd = {victim->fds[0], POLLIN, 0};
    poll(&fd, 1, -1);
}

static void in_select(struct victim *victim)
{
    fd_set set;
    select(victim->fds[0] + 1, set_of(&set, victim->fds[0]), NULL, NULL, NULL);
}

static void in_epoll_wait(struct victim *victim)
{
    struct epoll_event event;
    (void)victim;
    epoll_wait(never_epoll, &event, 1, -1);
}

static void in_sem_wait(struct victim *victim)
{
    sem_wait(&victim->nobody_posts);
}

static void in_sigwaitinfo(struct victim *victim)
{
    sigset_t set;
    (void)victim;
    sigemptyset(&set);
    sigaddset(&set, NEVER_SENT);
    sigwaitinfo(&set, NULL);
}

static void in_sigsuspend(struct victim *victim)
{
    sigset_t set;
    (void)victim;
    sigfillset(&set);
    sigsuspend(&set);
}

static void unlock(void *mutex)
{
    CHECK_EQ(pthread_mutex_trylock(mutex), EBUSY);
    CHECK_EQ(pthread_mutex_unlock(mutex), 0);
}

static void in_cond_wait(struct victim *victim)
{
    CHECK_EQ(pthread_mutex_lock(&victim->mutex), 0);
    pthread_cleanup_push(unlock, &victim->mutex);
    for (;;) /* it may wake up for nothing */
        pthread_cond_wait(&victim->nobody_signals, &victim->mutex);
    pthread_cleanup_pop(1);
}

/* Only when it lets itself be cancelled; what it waits in before goes on. */
static void when_enabled(struct victim *victim)
{
    struct timespec time = {0, 150000000}, until = in_ms(CLOCK_MONOTONIC, 150);
    int old;

    CHECK_EQ(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old), 0);
    CHECK_SYS(sem_post(&victim->begun));
    RETURNS(nanosleep(&time, NULL), 0);
    check_reached(CLOCK_MONOTONIC, until);
    victim->slept = true;
    CHECK_EQ(pthread_setcancelstate(old, NULL), 0);
    for (;;)
        pthread_testcancel();
}

static const struct way {
    const char *name;
    void (*wait)(struct victim *);
} ways[] = {
    {"cancelled read", in_read},
    {"cancelled recv", in_recv},
    {"cancelled send", in_send},
    {"cancelled pause", in_pause},
    {"cancelled nanosleep", in_nanosleep},
    {"cancelled clock_nanosleep", in_clock_nanosleep},
    {"cancelled poll", in_poll},
    {"cancelled select", in_select},
    {"cancelled epoll_wait", in_epoll_wait},
    {"cancelled sem_wait", in_sem_wait},
    {"cancelled sigwaitinfo", in_sigwaitinfo},
    {"cancelled sigsuspend", in_sigsuspend},
    {"cancelled pthread_cond_wait", in_cond_wait},
    {"cancelled when enabled", when_enabled},
};
#define N_WAYS ((long)(sizeof ways / sizeof ways[0]))

/* The handlers run once, the last one first; then what belongs to the key. */
static void last_handler(void *data)
{
    CHECK_EQ(((struct victim *)data)->n_handlers++, 0);
}

static void first_handler(void *data)
{
    CHECK_EQ(((struct victim *)data)->n_handlers++, 1);
}

static void destructor(void *data)
{
    CHECK_EQ(((struct victim *)data)->n_handlers++, 2);
    thread_end();
    n_cancelled++;
}

static void *victim_run(void *data)
{
    struct victim *victim = data;

    thread_begin("victim");
    CHECK_EQ(pthread_setspecific(victims_key, victim), 0);
    doing(ways[victim->way].name);
    pthread_cleanup_push(first_handler, victim);
    pthread_cleanup_push(last_handler, victim);
    if (ways[victim->way].wait != when_enabled)
        CHECK_SYS(sem_post(&victim->begun));
    errno = 0;
    ways[victim->way].wait(victim);
    CHECK(0, "%s: returned, errno %d, %s", ways[victim->way].name, errno,
          strerror(errno));
    pthread_cleanup_pop(0);
    pthread_cleanup_pop(0);
    return NULL;
}

static void victim_live(long number)
{
    struct victim victim = {.way = (int)(number % N_WAYS),
                            .mutex = PTHREAD_MUTEX_INITIALIZER,
                            .nobody_signals = PTHREAD_COND_INITIALIZER};
    pthread_t thread;
    void *result;

    CHECK_SYS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, victim.fds));
    CHECK_SYS(sem_init(&victim.begun, 0, 0));
    CHECK_SYS(sem_init(&victim.nobody_posts, 0, 0));
    victim.block = check_alloc(N_LARGE);
    memset(victim.block, 1, N_LARGE);
    thread = spawn(victim_run, &victim);
    doing(ways[victim.way].name);
    RETURNS(sem_wait(&victim.begun), 0);
    check_sleep_ms((int)(number * 13 % 90));
    CHECK_EQ(pthread_cancel(thread), 0);
    RETURNS(pthread_join(thread, &result), 0);
    CHECK(result == PTHREAD_CANCELED, "%s: result %p", self->doing, result);
    CHECK_EQ(victim.n_handlers, 3);
    CHECK_EQ(victim.slept, ways[victim.way].wait == when_enabled);
    CHECK_EQ(pthread_mutex_trylock(&victim.mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(&victim.mutex), 0);
    CHECK_SYS(close(victim.fds[0]));
    CHECK_SYS(close(victim.fds[1]));
    CHECK_SYS(sem_destroy(&victim.begun));
    CHECK_SYS(sem_destroy(&victim.nobody_posts));
    free(victim.block);
}

static void *lives(void *unused)
{
    thread_begin("lives");
    for (long i = 0; i < n_victims; i++) {
        victim_live(i + check_rank);
        detached_live(i);
        thread_check();
    }
    thread_end();
    return unused;
}

static void lives_begin(long n)
{
    n_victims = n;
    CHECK_EQ(pthread_key_create(&victims_key, destructor), 0);
}

static void lives_end(void)
{
    doing("end of detached threads");
    while (n_detached_ended < n_detached)
        check_sleep_ms(1);
    CHECK_EQ(n_cancelled, n_victims);
    CHECK_EQ(pthread_key_delete(victims_key), 0);
    check_note((uint64_t)(n_cancelled * 1000 + n_detached_ended));
}

#endif
