/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls of threads_many that end by themselves, after a time: never earlier, and with
 * nothing but what they return then.  That they last so long by the monotonic clock is
 * checked by who calls them.
 */
#ifndef TESTS_MPI_THREADS_SLEEPS_H
#define TESTS_MPI_THREADS_SLEEPS_H

#include "threads_call.h"
#include <linux/futex.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/select.h>
#include <sys/time.h>
#include <sys/timerfd.h>

#define COARSE_MS 20 /* a tick or two of the kernel, for what counts in ticks */
#define RANDOM_BYTES (1 << 20)

static int never[2], never_epoll;  /* a pipe nobody writes to */
static int never_woken[N_WORKERS]; /* words for futex */
/* the first thread has these, always */
static pthread_mutex_t held, held_inherit, held_robust;
static pthread_rwlock_t held_write, held_read;

static void mutex_make(pthread_mutex_t *mutex, int type, int robust, int protocol)
{
    pthread_mutexattr_t attr;

    CHECK_EQ(pthread_mutexattr_init(&attr), 0);
    CHECK_EQ(pthread_mutexattr_settype(&attr, type), 0);
    CHECK_EQ(pthread_mutexattr_setrobust(&attr, robust), 0);
    CHECK_EQ(pthread_mutexattr_setprotocol(&attr, protocol), 0);
    CHECK_EQ(pthread_mutex_init(mutex, &attr), 0);
    CHECK_EQ(pthread_mutexattr_destroy(&attr), 0);
}

static void sleeps_begin(void)
{
    struct epoll_event event = {.events = EPOLLIN};

    CHECK_SYS(pipe2(never, O_CLOEXEC));
    CHECK_SYS(never_epoll = epoll_create1(EPOLL_CLOEXEC));
    CHECK_SYS(epoll_ctl(never_epoll, EPOLL_CTL_ADD, never[0], &event));
    mutex_make(&held, PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_NONE);
    mutex_make(&held_inherit, PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_STALLED,
               PTHREAD_PRIO_INHERIT);
    mutex_make(&held_robust, PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST,
               PTHREAD_PRIO_NONE);
    CHECK_EQ(pthread_rwlock_init(&held_write, NULL), 0);
    CHECK_EQ(pthread_rwlock_init(&held_read, NULL), 0);
    CHECK_EQ(pthread_mutex_lock(&held), 0);
    CHECK_EQ(pthread_mutex_lock(&held_inherit), 0);
    CHECK_EQ(pthread_mutex_lock(&held_robust), 0);
    CHECK_EQ(pthread_rwlock_wrlock(&held_write), 0);
    CHECK_EQ(pthread_rwlock_rdlock(&held_read), 0);
}

static void sleeps_end(void)
{
    CHECK_EQ(pthread_mutex_unlock(&held), 0);
    CHECK_EQ(pthread_mutex_unlock(&held_inherit), 0);
    CHECK_EQ(pthread_mutex_unlock(&held_robust), 0);
    CHECK_EQ(pthread_rwlock_unlock(&held_write), 0);
    CHECK_EQ(pthread_rwlock_unlock(&held_read), 0);
    CHECK_EQ(pthread_mutex_destroy(&held_inherit), 0);
    CHECK_SYS(close(never_epoll));
    CHECK_SYS(close(never[0]));
    CHECK_SYS(close(never[1]));
}

static void by_nanosleep(struct call *call)
{
    struct timespec time = length(call->ms);
    RETURNS(nanosleep(&time, NULL), 0);
}

static void by_clock_nanosleep(struct call *call)
{
    struct timespec time = length(call->ms);
    RETURNS(clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL), 0);
}

static void by_clock_nanosleep_until(struct call *call)
{
    struct timespec until = in_ms(CLOCK_MONOTONIC, call->ms);
    RETURNS(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL), 0);
    check_reached(CLOCK_MONOTONIC, until);
}

static void by_clock_nanosleep_date(struct call *call)
{
    struct timespec until = in_ms(CLOCK_REALTIME, call->ms);
    RETURNS(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL), 0);
    check_reached(CLOCK_REALTIME, until);
}

static void by_usleep(struct call *call)
{
    RETURNS(usleep((unsigned)call->ms * 1000), 0);
}

static void by_poll(struct call *call)
{
    struct pollfd fd = {never[0], POLLIN, 0};
    RETURNS(poll(&fd, 1, call->ms), 0);
}

static void by_ppoll(struct call *call)
{
    struct pollfd fd = {never[0], POLLIN, 0};
    struct timespec limit = length(call->ms);
    RETURNS(ppoll(&fd, 1, &limit, NULL), 0);
}

static fd_set *set_of(fd_set *set, int fd)
{
    FD_ZERO(set);
    FD_SET(fd, set);
    return set;
}

static void by_select(struct call *call)
{
    struct timeval limit = {call->ms / 1000, call->ms % 1000 * 1000L};
    fd_set set;

    RETURNS(select(never[0] + 1, set_of(&set, never[0]), NULL, NULL, &limit), 0);
    CHECK(limit.tv_sec == 0 && limit.tv_usec == 0, "%ld.%06ld s are left", limit.tv_sec,
          limit.tv_usec);
}

static void by_pselect(struct call *call)
{
    struct timespec limit = length(call->ms);
    fd_set set;
    RETURNS(pselect(never[0] + 1, set_of(&set, never[0]), NULL, NULL, &limit, NULL), 0);
}

static void by_raw_select(struct call *call)
{
#ifdef SYS_select
    struct timeval limit = {call->ms / 1000, call->ms % 1000 * 1000L};
    fd_set set;

    RETURNS(syscall(SYS_select, never[0] + 1, set_of(&set, never[0]), NULL, NULL, &limit),
            0);
    CHECK(limit.tv_sec == 0 && limit.tv_usec == 0, "%ld.%06ld s are left", limit.tv_sec,
          limit.tv_usec);
#else
    by_select(call);
#endif
}

static void by_epoll_wait(struct call *call)
{
    struct epoll_event event;
    RETURNS(epoll_wait(never_epoll, &event, 1, call->ms), 0);
}

static void by_epoll_pwait(struct call *call)
{
    struct epoll_event event;
    sigset_t set;

    CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &set), 0);
    RETURNS(epoll_pwait(never_epoll, &event, 1, call->ms, &set), 0);
}

static void by_futex(struct call *call)
{
    struct timespec time = length(call->ms);
    FAILS(syscall(SYS_futex, &never_woken[call->worker], FUTEX_WAIT_PRIVATE, 0, &time),
          ETIMEDOUT);
}

static void by_futex_until(struct call *call)
{
    struct timespec until = in_ms(CLOCK_MONOTONIC, call->ms);
    FAILS(syscall(SYS_futex, &never_woken[call->worker], FUTEX_WAIT_BITSET_PRIVATE, 0,
                  &until, NULL, FUTEX_BITSET_MATCH_ANY),
          ETIMEDOUT);
    check_reached(CLOCK_MONOTONIC, until);
}

static void by_futex_date(struct call *call)
{
    struct timespec until = in_ms(CLOCK_REALTIME, call->ms);
    FAILS(syscall(SYS_futex, &never_woken[call->worker],
                  FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, 0, &until, NULL,
                  FUTEX_BITSET_MATCH_ANY),
          ETIMEDOUT);
    check_reached(CLOCK_REALTIME, until);
}

static void by_timerfd(struct call *call)
{
    struct itimerspec time = {.it_value = length(call->ms)};
    uint64_t n = 0;
    int fd;

    CHECK_SYS(fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
    CHECK_SYS(timerfd_settime(fd, 0, &time, NULL));
    RETURNS(read(fd, &n, sizeof n), sizeof n);
    CHECK_EQ(n, 1);
    CHECK_SYS(close(fd));
}

static void by_sigtimedwait(struct call *call)
{
    struct timespec time = length(call->ms);
    siginfo_t info;
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, NEVER_SENT);
    FAILS(sigtimedwait(&set, &info, &time), EAGAIN);
}

static void by_sem_timedwait(struct call *call)
{
    struct timespec until = in_ms(CLOCK_REALTIME, call->ms);
    FAILS(sem_timedwait(&call->ready, &until), ETIMEDOUT);
    check_reached(CLOCK_REALTIME, until);
}

static void by_sem_clockwait(struct call *call)
{
    struct timespec until = in_ms(CLOCK_MONOTONIC, call->ms);
    FAILS(sem_clockwait(&call->ready, CLOCK_MONOTONIC, &until), ETIMEDOUT);
    check_reached(CLOCK_MONOTONIC, until);
}

/* A condition may wake up for nothing, but goes on until then. */
static void cond_until(struct call *call, clockid_t clock, bool by_attribute)
{
    struct timespec until = in_ms(clock, call->ms);
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_condattr_t attr;
    pthread_cond_t cond;
    int error = 0;

    CHECK_EQ(pthread_condattr_init(&attr), 0);
    if (by_attribute)
        CHECK_EQ(pthread_condattr_setclock(&attr, clock), 0);
    CHECK_EQ(pthread_cond_init(&cond, &attr), 0);
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    while (error == 0)
        error = by_attribute ? pthread_cond_timedwait(&cond, &mutex, &until)
                             : pthread_cond_clockwait(&cond, &mutex, clock, &until);
    RETURNS(error, ETIMEDOUT);
    check_reached(clock, until);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    CHECK_EQ(pthread_cond_destroy(&cond), 0);
    CHECK_EQ(pthread_condattr_destroy(&attr), 0);
}

static void by_cond_timedwait(struct call *call)
{
    cond_until(call, CLOCK_REALTIME, true);
}

static void by_cond_timedwait_monotonic(struct call *call)
{
    cond_until(call, CLOCK_MONOTONIC, true);
}

static void by_cond_clockwait(struct call *call)
{
    cond_until(call, CLOCK_MONOTONIC, false);
}

static void by_recv_timeout(struct call *call)
{
    int ms = call->ms + COARSE_MS;
    struct timeval limit = {ms / 1000, ms % 1000 * 1000L};
    char byte;

    pair_open(call, SOCK_STREAM);
    CHECK_SYS(setsockopt(call->ends[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
    FAILS(recv(call->ends[0], &byte, 1, 0), EAGAIN);
    ends_close(call);
}

static void by_mutex_timedlock(struct call *call)
{
    struct timespec until = in_ms(CLOCK_REALTIME, call->ms);
    RETURNS(pthread_mutex_timedlock(&held, &until), ETIMEDOUT);
    check_reached(CLOCK_REALTIME, until);
}

static void by_mutex_timedlock_inherit(struct call *call)
{
    struct timespec until = in_ms(CLOCK_REALTIME, call->ms);
    RETURNS(pthread_mutex_timedlock(&held_inherit, &until), ETIMEDOUT);
    check_reached(CLOCK_REALTIME, until);
}

static void by_mutex_clocklock(struct call *call)
{
    struct timespec until = in_ms(CLOCK_MONOTONIC, call->ms);
    RETURNS(pthread_mutex_clocklock(&held_robust, CLOCK_MONOTONIC, &until), ETIMEDOUT);
    check_reached(CLOCK_MONOTONIC, until);
}

static void by_rwlock_timedrdlock(struct call *call)
{
    struct timespec until = in_ms(CLOCK_REALTIME, call->ms);
    RETURNS(pthread_rwlock_timedrdlock(&held_write, &until), ETIMEDOUT);
    check_reached(CLOCK_REALTIME, until);
}

static void by_rwlock_clockwrlock(struct call *call)
{
    struct timespec until = in_ms(CLOCK_MONOTONIC, call->ms);
    RETURNS(pthread_rwlock_clockwrlock(&held_read, CLOCK_MONOTONIC, &until), ETIMEDOUT);
    check_reached(CLOCK_MONOTONIC, until);
}

static void wait_ready(struct call *call)
{
    RETURNS(sem_wait(&call->ready), 0);
}

static void by_clockjoin(struct call *call)
{
    struct timespec until = in_ms(CLOCK_MONOTONIC, call->ms);
    void *value;

    partner_begin(call, wait_ready);
    RETURNS(pthread_clockjoin_np(call->partner, &value, CLOCK_MONOTONIC, &until),
            ETIMEDOUT);
    check_reached(CLOCK_MONOTONIC, until);
    call->acted = true;
    CHECK_SYS(sem_post(&call->ready));
    partner_end(call);
}

/* Not for a time, but for many bytes. */
static void by_getrandom(struct call *call)
{
    char *block = check_alloc(RANDOM_BYTES);

    (void)call;
    for (int i = 0; i < 4; i++)
        RETURNS(getrandom(block, RANDOM_BYTES, 0), RANDOM_BYTES);
    free(block);
}

#endif
