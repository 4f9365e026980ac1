/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls of threads_many that wait, without a limit, for what a partner does, or for a
 * signal that it sends.
 */
#ifndef TESTS_MPI_THREADS_WAITS_H
#define TESTS_MPI_THREADS_WAITS_H

#include "threads_sleeps.h"
#include "threads_transfers.h"
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/sem.h>

#define LONG_S 36000

static int lock_files[2]; /* one file, opened twice */
static pthread_mutex_t flock_turn = PTHREAD_MUTEX_INITIALIZER;
static int woken[N_WORKERS]; /* words for futex, which nothing else wakes */
static int semaphores = -1;  /* System V: two for each worker, one is never raised */

static void semaphores_remove(void)
{
    if (semaphores != -1)
        semctl(semaphores, 0, IPC_RMID);
    semaphores = -1;
}

static void waits_begin(bool sysv)
{
    file_open(2, lock_files);
    if (!sysv)
        return;
    CHECK_SYS(semaphores = semget(IPC_PRIVATE, 2 * N_WORKERS, 0600 | IPC_CREAT));
    CHECK_EQ(atexit(semaphores_remove), 0);
}

static void waits_end(void)
{
    CHECK_SYS(close(lock_files[0]));
    CHECK_SYS(close(lock_files[1]));
    semaphores_remove();
}

/* For a pipe that can be read. */
static void pipe_begin(struct call *call)
{
    pipe_open(call, 0);
    partner_begin(call, write_seed);
}

static void pipe_end(struct call *call)
{
    CHECK(call->acted, "%s: returned before it could", call->name);
    read_seed(call);
    partner_end(call);
    ends_close(call);
}

static void by_poll_forever(struct call *call)
{
    struct pollfd fd = {.events = POLLIN};

    pipe_begin(call);
    fd.fd = call->ends[0];
    RETURNS(poll(&fd, 1, -1), 1);
    CHECK_EQ(fd.revents, POLLIN);
    pipe_end(call);
}

static void by_ppoll_forever(struct call *call)
{
    struct pollfd fd = {.events = POLLIN};

    pipe_begin(call);
    fd.fd = call->ends[0];
    RETURNS(ppoll(&fd, 1, NULL, NULL), 1);
    CHECK_EQ(fd.revents, POLLIN);
    pipe_end(call);
}

static void by_select_forever(struct call *call)
{
    fd_set set;

    pipe_begin(call);
    set_of(&set, call->ends[0]);
    RETURNS(select(call->ends[0] + 1, &set, NULL, NULL, NULL), 1);
    CHECK(FD_ISSET(call->ends[0], &set), "%s: of another descriptor", call->name);
    pipe_end(call);
}

static void by_pselect_forever(struct call *call)
{
    fd_set set;

    pipe_begin(call);
    set_of(&set, call->ends[0]);
    RETURNS(pselect(call->ends[0] + 1, &set, NULL, NULL, NULL, NULL), 1);
    CHECK(FD_ISSET(call->ends[0], &set), "%s: of another descriptor", call->name);
    pipe_end(call);
}

static void epoll_forever(struct call *call, const sigset_t *set)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = call->seed};
    int fd;

    pipe_begin(call);
    CHECK_SYS(fd = epoll_create1(EPOLL_CLOEXEC));
    CHECK_SYS(epoll_ctl(fd, EPOLL_CTL_ADD, call->ends[0], &event));
    memset(&event, 0, sizeof event);
    if (set == NULL)
        RETURNS(epoll_wait(fd, &event, 1, -1), 1);
    else
        RETURNS(epoll_pwait(fd, &event, 1, -1, set), 1);
    CHECK(event.events == EPOLLIN && event.data.u64 == call->seed, "%s: event %#x",
          call->name, event.events);
    CHECK_SYS(close(fd));
    pipe_end(call);
}

static void by_epoll_wait_forever(struct call *call)
{
    epoll_forever(call, NULL);
}

static void by_epoll_pwait_forever(struct call *call)
{
    sigset_t set;

    CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &set), 0);
    epoll_forever(call, &set);
}

/* For a lock, a word, another thread. */
static void wake(struct call *call)
{
    long n;

    rest(call);
    do { /* until it waits */
        CHECK_SYS(n = syscall(SYS_futex, &woken[call->worker], FUTEX_WAKE_PRIVATE, 1));
        if (n == 0)
            check_sleep_ms(1);
    } while (n == 0);
    CHECK_EQ(n, 1);
}

static void by_futex_forever(struct call *call)
{
    partner_begin(call, wake);
    RETURNS(syscall(SYS_futex, &woken[call->worker], FUTEX_WAIT_PRIVATE, 0, NULL), 0);
    partner_end(call);
}

static void post(struct call *call)
{
    rest(call);
    CHECK_SYS(sem_post(&call->ready));
}

static void by_sem_wait(struct call *call)
{
    partner_begin(call, post);
    RETURNS(sem_wait(&call->ready), 0);
    partner_end(call);
}

static pthread_mutex_t waited_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t waited_cond = PTHREAD_COND_INITIALIZER;

static void broadcast(struct call *call)
{
    check_sleep_ms(call->ms);
    CHECK_EQ(pthread_mutex_lock(&waited_mutex), 0);
    call->acted = true;
    CHECK_EQ(pthread_cond_broadcast(&waited_cond), 0);
    CHECK_EQ(pthread_mutex_unlock(&waited_mutex), 0);
}

static void by_cond_wait(struct call *call)
{
    partner_begin(call, broadcast);
    CHECK_EQ(pthread_mutex_lock(&waited_mutex), 0);
    while (!call->acted)
        RETURNS(pthread_cond_wait(&waited_cond, &waited_mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(&waited_mutex), 0);
    partner_end(call);
}

static pthread_mutex_t lock_mutexes[N_WORKERS];

static void hold_mutex(struct call *call)
{
    CHECK_EQ(pthread_mutex_lock(&lock_mutexes[call->worker]), 0);
    CHECK_SYS(sem_post(&call->ready));
    rest(call);
    CHECK_EQ(pthread_mutex_unlock(&lock_mutexes[call->worker]), 0);
}

static void mutex_wait(struct call *call, int protocol)
{
    pthread_mutex_t *mutex = &lock_mutexes[call->worker];

    mutex_make(mutex, PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_STALLED, protocol);
    partner_begin(call, hold_mutex);
    RETURNS(sem_wait(&call->ready), 0);
    RETURNS(pthread_mutex_lock(mutex), 0);
    CHECK(call->acted, "%s: returned before it could", call->name);
    RETURNS(pthread_mutex_lock(mutex), EDEADLK);
    RETURNS(pthread_mutex_unlock(mutex), 0);
    RETURNS(pthread_mutex_unlock(mutex), EPERM);
    partner_end(call);
    CHECK_EQ(pthread_mutex_destroy(mutex), 0);
}

static void by_mutex_lock(struct call *call)
{
    mutex_wait(call, PTHREAD_PRIO_NONE);
}

static void by_mutex_lock_inherit(struct call *call)
{
    mutex_wait(call, PTHREAD_PRIO_INHERIT);
}

static void by_join(struct call *call)
{
    void *value;

    partner_begin(call, rest);
    RETURNS(pthread_join(call->partner, &value), 0);
    CHECK(call->acted && (uintptr_t)value == (uintptr_t)call->seed, "%s: value %p",
          call->name, value);
}

static void unlock_file(struct call *call)
{
    rest(call);
    RETURNS(flock(lock_files[0], LOCK_UN), 0);
}

static void by_flock(struct call *call)
{
    CHECK_EQ(pthread_mutex_lock(&flock_turn), 0);
    RETURNS(flock(lock_files[0], LOCK_EX), 0);
    partner_begin(call, unlock_file);
    RETURNS(flock(lock_files[1], LOCK_EX), 0);
    partner_end(call);
    RETURNS(flock(lock_files[1], LOCK_UN), 0);
    CHECK_EQ(pthread_mutex_unlock(&flock_turn), 0);
}

static int range_lock(struct call *call, int which, int command, short type)
{
    struct flock range = {.l_type = type, .l_start = call->worker, .l_len = 1};

    return fcntl(lock_files[which], command, &range);
}

static void unlock_range(struct call *call)
{
    rest(call);
    RETURNS(range_lock(call, 0, F_OFD_SETLK, F_UNLCK), 0);
}

static void by_range_lock(struct call *call)
{
    RETURNS(range_lock(call, 0, F_OFD_SETLKW, F_WRLCK), 0);
    partner_begin(call, unlock_range);
    RETURNS(range_lock(call, 1, F_OFD_SETLKW, F_WRLCK), 0);
    partner_end(call);
    RETURNS(range_lock(call, 1, F_OFD_SETLK, F_UNLCK), 0);
}

static int semaphore_do(struct call *call, int which, short n, struct timespec *limit)
{
    struct sembuf one = {.sem_num = (unsigned short)(2 * call->worker + which),
                         .sem_op = n};

    return limit ? semtimedop(semaphores, &one, 1, limit) : semop(semaphores, &one, 1);
}

static void raise_semaphore(struct call *call)
{
    rest(call);
    RETURNS(semaphore_do(call, 0, 1, NULL), 0);
}

static void by_semop(struct call *call)
{
    partner_begin(call, raise_semaphore);
    RETURNS(semaphore_do(call, 0, -1, NULL), 0);
    partner_end(call);
}

static void by_semtimedop(struct call *call)
{
    struct timespec limit = length(call->ms + COARSE_MS);

    FAILS(semaphore_do(call, 1, -1, &limit), EAGAIN);
}

/* A call that a signal interrupts, once, and that nothing else does. */
#define STRUCK(call, statement)                                                          \
    do {                                                                                 \
        signal_open(call, STRIKES);                                                      \
        partner_begin(call, strike);                                                     \
        (call)->is_in = true;                                                            \
        statement;                                                                       \
        (call)->is_back = true;                                                          \
        partner_end(call);                                                               \
        signal_close(call);                                                              \
    } while (0)

static void by_pause(struct call *call)
{
    STRUCK(call, FAILS(pause(), EINTR));
}

static void by_raw_pause(struct call *call)
{
#ifdef SYS_pause
    STRUCK(call, FAILS(syscall(SYS_pause), EINTR));
#else
    by_pause(call);
#endif
}

static void by_nanosleep_struck(struct call *call)
{
    struct timespec time = {LONG_S, 0}, left = {0, 0};
    double begin = check_seconds(), took;

    STRUCK(call, FAILS(nanosleep(&time, &left), EINTR));
    took = check_seconds() - begin + (double)left.tv_sec + 1e-9 * (double)left.tv_nsec;
    CHECK(took > LONG_S - 1e-3 && left.tv_sec < LONG_S,
          "%s: of %d s %ld are left, with those that passed %g", call->name, LONG_S,
          left.tv_sec, took);
}

static void by_read_struck(struct call *call)
{
    char byte;

    STRUCK(call, FAILS(read(never[0], &byte, 1), EINTR));
}

static void by_semaphore_struck(struct call *call)
{
    STRUCK(call, FAILS(sem_wait(&call->ready), EINTR));
}

/* Calls that let a signal come only while they wait: each takes one. */
static void each_value(struct call *call, int (*wait)(const sigset_t *))
{
    sigset_t set = signal_let(call, INTERRUPTS);

    partner_begin(call, send_values);
    for (int i = 0; i < N_VALUES; i++) {
        FAILS(wait(&set), EINTR);
        CHECK(call->acted && call->n_handled == i + 1,
              "%s: returned %d times by %d signals", call->name, i + 1, call->n_handled);
    }
    partner_end(call);
    signal_close(call);
}

static int wait_ppoll(const sigset_t *set)
{
    struct pollfd fd = {never[0], POLLIN, 0};
    return ppoll(&fd, 1, NULL, set);
}

static int wait_pselect(const sigset_t *set)
{
    struct timespec limit = {LONG_S, 0};
    fd_set fds;
    return pselect(never[0] + 1, set_of(&fds, never[0]), NULL, NULL, &limit, set);
}

static int wait_epoll_pwait(const sigset_t *set)
{
    struct epoll_event event;
    return epoll_pwait(never_epoll, &event, 1, -1, set);
}

static void by_sigsuspend(struct call *call)
{
    each_value(call, sigsuspend);
}

static void by_ppoll_struck(struct call *call)
{
    each_value(call, wait_ppoll);
}

static void by_pselect_struck(struct call *call)
{
    each_value(call, wait_pselect);
}

static void by_epoll_pwait_struck(struct call *call)
{
    each_value(call, wait_epoll_pwait);
}

static void by_sigwaitinfo(struct call *call)
{
    siginfo_t info;
    sigset_t set;

    call->signal = TAKEN;
    sigemptyset(&set);
    sigaddset(&set, TAKEN);
    partner_begin(call, send_values);
    for (int i = 0; i < N_VALUES; i++) {
        RETURNS(sigwaitinfo(&set, &info), TAKEN);
        CHECK(info.si_code == SI_QUEUE && info.si_pid == getpid() &&
                  info.si_uid == getuid() && info.si_value.sival_int == i,
              "%s: number %d has code %d, process %d, value %d", call->name, i,
              info.si_code, info.si_pid, info.si_value.sival_int);
    }
    partner_end(call);
}

/* Calls that go on after handlers with SA_RESTART. */
static void values_and_write(struct call *call)
{
    send_values(call);
    call->acted = false;
    write_seed(call);
}

static void values_and_post(struct call *call)
{
    send_values(call);
    call->acted = false;
    post(call);
}

static void values_and_wake(struct call *call)
{
    send_values(call);
    call->acted = false;
    wake(call);
}

static void by_read_restarted(struct call *call)
{
    signal_open(call, RESTARTS);
    pipe_open(call, 0);
    partner_begin(call, values_and_write);
    read_seed(call);
    partner_end(call);
    ends_close(call);
    signal_close(call);
}

static void by_sem_wait_restarted(struct call *call)
{
    signal_open(call, RESTARTS);
    partner_begin(call, values_and_post);
    RETURNS(sem_wait(&call->ready), 0);
    partner_end(call);
    signal_close(call);
}

static void by_futex_restarted(struct call *call)
{
    signal_open(call, RESTARTS);
    partner_begin(call, values_and_wake);
    RETURNS(syscall(SYS_futex, &woken[call->worker], FUTEX_WAIT_PRIVATE, 0, NULL), 0);
    partner_end(call);
    signal_close(call);
}

#endif
