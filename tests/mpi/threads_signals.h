/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Signals between threads of threads_many that last: queued with values for a thread and
 * for the process, by tgkill, and of an interval timer.  None is lost, or comes twice.
 */
#ifndef TESTS_MPI_THREADS_SIGNALS_H
#define TESTS_MPI_THREADS_SIGNALS_H

#include "threads_call.h"
#include <sys/time.h>

#define N_BURST 5

static long n_bursts;
static atomic_bool receives; /* its id is known */
static pthread_t receiver_thread;
static pid_t receiver_id;
static atomic_long n_taken;

static void signals_block(void)
{
    sigset_t set;

    sigemptyset(&set);
    for (int signal = SIGRTMIN + 3; signal <= SIGRTMIN + 12; signal++)
        sigaddset(&set, signal);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGALRM);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
}

/* Several of each kind; some wait for the receivers, which are slow now and then. */
static void *sender(void *unused)
{
    uint64_t state = check_hash((uint64_t)check_rank, 2000);
    int value = 0;

    thread_begin("sender");
    doing("start of the receiver");
    while (!receives)
        check_sleep_ms(1);
    for (long burst = 0; burst < n_bursts; burst++) {
        doing("pthread_sigqueue");
        for (int i = 0; i < N_BURST; i++, value++) {
            RETURNS(pthread_sigqueue(receiver_thread, TO_THREAD, (union sigval){value}),
                    0);
            RETURNS(sigqueue(getpid(), TO_PROCESS, (union sigval){value}), 0);
            RETURNS(syscall(SYS_tgkill, getpid(), receiver_id, BY_TGKILL), 0);
        }
        check_sleep_ms(check_below(&state, 120));
        thread_check();
    }
    thread_end();
    return unused;
}

static void value_check(const siginfo_t *info, int value)
{
    /* of tgkill the C library makes SI_USER here, handlers get SI_TKILL */
    int code = info->si_signo == BY_TGKILL ? SI_USER : SI_QUEUE;

    CHECK(info->si_code == code && info->si_pid == getpid() && info->si_uid == getuid(),
          "signal %d: code %d, process %d, user %d", info->si_signo, info->si_code,
          info->si_pid, info->si_uid);
    CHECK(code == SI_USER || info->si_value.sival_int == value,
          "signal %d: value %d, after %d others", info->si_signo,
          info->si_value.sival_int, value);
}

/* Take all of the set, each in its turn; some by waiting for a short time, repeatedly. */
static void take_all(sigset_t *set, uint64_t seed, int n)
{
    struct timespec limit = {0, 25000000};
    int n_of[3] = {0, 0, 0};
    siginfo_t info;

    for (int i = 0; i < n; i++, n_taken++) {
        bool waits = check_hash(seed, (uint64_t)i) % 2;
        int signal;

        doing(waits ? "sigwaitinfo" : "sigtimedwait");
        do {
            errno = 0;
            signal = waits ? sigwaitinfo(set, &info) : sigtimedwait(set, &info, &limit);
        } while (!waits && signal == -1 && errno == EAGAIN);
        CHECK(signal >= TO_THREAD && signal <= BY_TGKILL && sigismember(set, signal),
              "%s: returned %d, errno %d, %s", self->doing, signal, errno,
              strerror(errno));
        value_check(&info, n_of[signal - TO_THREAD]++);
        if (i % 40 == 39)
            check_sleep_ms(150);
    }
    limit.tv_nsec = 0;
    FAILS(sigtimedwait(set, &info, &limit), EAGAIN);
}

static void *receiver(void *unused)
{
    sigset_t set;

    thread_begin("receiver");
    receiver_thread = pthread_self();
    receiver_id = gettid();
    receives = true;
    sigemptyset(&set);
    sigaddset(&set, TO_THREAD);
    sigaddset(&set, BY_TGKILL);
    take_all(&set, 3000, (int)(2 * N_BURST * n_bursts));
    thread_end();
    return unused;
}

static void *process_receiver(void *unused)
{
    sigset_t set;

    thread_begin("process");
    sigemptyset(&set);
    sigaddset(&set, TO_PROCESS);
    take_all(&set, 4000, (int)(N_BURST * n_bursts));
    thread_end();
    return unused;
}

/* The interval timer, for one signal at a time. */
static void *alarmed(void *unused)
{
    uint64_t state = check_hash((uint64_t)check_rank, 5000);
    siginfo_t info;
    sigset_t set;

    thread_begin("alarm");
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    for (long i = 0; i < n_bursts; i++) {
        int ms = 1 + check_below(&state, 120);
        struct timespec until = in_ms(CLOCK_MONOTONIC, ms);
        struct itimerval timer = {.it_value = {0, ms * 1000}};

        doing("SIGALRM");
        CHECK_SYS(setitimer(ITIMER_REAL, &timer, NULL));
        RETURNS(sigwaitinfo(&set, &info), SIGALRM);
        CHECK_EQ(info.si_code, SI_KERNEL);
        check_reached(CLOCK_MONOTONIC, until);
        CHECK_SYS(getitimer(ITIMER_REAL, &timer));
        CHECK(timer.it_value.tv_sec == 0 && timer.it_value.tv_usec == 0,
              "the timer goes on for %ld.%06ld s", timer.it_value.tv_sec,
              timer.it_value.tv_usec);
        thread_check();
    }
    thread_end();
    return unused;
}

#endif
