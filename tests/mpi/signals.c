/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Signals: handlers with and without SA_SIGINFO, on an alternate stack, masks, blocked
 * and pending ones, an interval timer, sigtimedwait, and handlers that run while MPI
 * waits.  Every signal sent is counted in, exactly.
 */
#include "check.h"
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>

#define ALT_BYTES 65536

static volatile sig_atomic_t n_plain, n_info, n_alarm, n_thread;
static volatile int info_value, on_alternate;
static char alternate[ALT_BYTES];
static sigjmp_buf back;

static void plain(int number)
{
    CHECK_EQ(number, SIGUSR2);
    n_plain++;
}

static void with_info(int number, siginfo_t *info, void *context)
{
    char here;

    CHECK_EQ(number, SIGRTMIN + 3);
    CHECK_EQ(info->si_code, SI_QUEUE);
    CHECK(context != NULL, "no context");
    info_value = info->si_value.sival_int;
    on_alternate = &here >= alternate && &here < alternate + ALT_BYTES;
    n_info++;
}

static void alarmed(int number)
{
    (void)number;
    n_alarm++;
}

static void interrupted_thread(int number)
{
    (void)number;
    n_thread++;
}

static void faulted(int number)
{
    siglongjmp(back, number);
}

static void install(int number, void (*handler)(int), int flags)
{
    struct sigaction action, old;

    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = flags;
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGWINCH);
    CHECK_SYS(sigaction(number, &action, NULL));
    CHECK_SYS(sigaction(number, NULL, &old));
    CHECK(old.sa_handler == handler && sigismember(&old.sa_mask, SIGWINCH) == 1 &&
              (old.sa_flags & flags) == flags,
          "signal %d: another action than was set", number);
}

static void install_info(void)
{
    stack_t stack = {.ss_sp = alternate, .ss_size = ALT_BYTES};
    struct sigaction action;

    CHECK_SYS(sigaltstack(&stack, NULL));
    memset(&action, 0, sizeof action);
    action.sa_sigaction = with_info;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    CHECK_SYS(sigaction(SIGRTMIN + 3, &action, NULL));
}

static void delivered(long step)
{
    sig_atomic_t before = n_plain, before_info = n_info;
    union sigval value = {.sival_int = (int)step};

    CHECK_EQ(raise(SIGUSR2), 0);
    CHECK_EQ(n_plain, before + 1);
    CHECK_SYS(kill(getpid(), SIGUSR2));
    CHECK_EQ(n_plain, before + 2);
    CHECK_SYS(sigqueue(getpid(), SIGRTMIN + 3, value));
    CHECK_EQ(n_info, before_info + 1);
    CHECK_EQ(info_value, step);
    CHECK_EQ(on_alternate, 1);
}

/* Blocked for some time, during which the rank works and waits. */
static void blocked(long step)
{
    sigset_t set, old, pending, now;
    sig_atomic_t before = n_plain;
    long value = step, sum;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    CHECK_SYS(sigprocmask(SIG_BLOCK, &set, &old));
    CHECK_SYS(raise(SIGUSR2));
    CHECK_MPI(MPI_Allreduce(&value, &sum, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD));
    check_sleep_ms(1);
    CHECK_EQ(n_plain, before);
    CHECK_SYS(sigpending(&pending));
    CHECK_EQ(sigismember(&pending, SIGUSR2), 1);
    CHECK_SYS(sigprocmask(SIG_BLOCK, NULL, &now));
    CHECK_EQ(sigismember(&now, SIGUSR2), 1);
    CHECK_EQ(sigismember(&now, SIGWINCH), 0);
    CHECK_SYS(sigprocmask(SIG_SETMASK, &old, NULL));
    CHECK_EQ(n_plain, before + 1);
}

/* Taken without a handler. */
static void waited_for(void)
{
    sigset_t set;
    siginfo_t info;
    struct timespec limit = {30, 0}, short_limit = {0, 2000000};
    double begin;
    int got;

    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 4);
    CHECK_SYS(kill(getpid(), SIGRTMIN + 4)); /* blocked in all threads, see main() */
    while ((got = sigtimedwait(&set, &info, &limit)) == -1 && errno == EINTR)
        ; /* the interval timer's signal */
    CHECK_EQ(got, SIGRTMIN + 4);
    CHECK_EQ(info.si_pid, getpid());
    begin = check_seconds();
    CHECK_EQ(sigtimedwait(&set, &info, &short_limit), -1);
    CHECK(errno == EINTR || check_seconds() - begin >= 0.0019, "waited %g s, errno %d",
          check_seconds() - begin, errno);
}

/* A fault in the program is its own matter. */
static void fault(void)
{
    int *volatile nowhere = (int *)16; /* the compiler must not know */

    install(SIGSEGV, faulted, SA_NODEFER);
    if (sigsetjmp(back, 1) == 0) {
        *nowhere = 1;
        CHECK(0, "wrote to address 16");
    }
    CHECK(signal(SIGSEGV, SIG_DFL) == faulted, "another handler");
}

/* The interval timer goes on, through MPI's waiting and through checkpoints. */
static void timer_runs(void)
{
    sig_atomic_t before = n_alarm;
    double begin = check_seconds();

    while (n_alarm < before + 2) {
        CHECK_MPI(MPI_Barrier(MPI_COMM_SELF));
        CHECK(check_seconds() - begin < 120, "the timer is dead since %g s",
              check_seconds() - begin);
    }
}

static void *waiting_thread(void *argument)
{
    sigset_t all;

    sigfillset(&all);
    sigdelset(&all, SIGRTMIN + 5);
    while (n_thread < *(long *)argument)
        sigsuspend(&all);
    return NULL;
}

int main(int argc, char **argv)
{
    struct itimerval every = {{0, 10000}, {0, 10000}}, off = {{0, 0}, {0, 0}}, now;
    sigset_t set, before;
    pthread_t thread;
    long step, steps;

    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 4);
    CHECK_SYS(sigprocmask(SIG_BLOCK, &set, NULL)); /* MPI's threads inherit it */
    MPI_Init(&argc, &argv);
    steps = check_begin("signals", argc, argv, 120);
    install(SIGUSR2, plain, 0);
    install(SIGALRM, alarmed, SA_RESTART);
    install(SIGRTMIN + 5, interrupted_thread, 0);
    install_info();
    /* the thread takes one signal only: what the process sends itself is for the first */
    sigfillset(&set);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, &before), 0);
    CHECK_EQ(pthread_create(&thread, NULL, waiting_thread, &steps), 0);
    sigaddset(&before, SIGRTMIN + 5);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
    CHECK_SYS(setitimer(ITIMER_REAL, &every, NULL));
    for (step = 0; step < steps; step++) {
        sig_atomic_t n_before = n_thread;
        delivered(step);
        blocked(step);
        waited_for();
        fault();
        timer_runs();
        CHECK_EQ(pthread_kill(thread, SIGRTMIN + 5), 0);
        while (n_thread == n_before) /* one at a time: it is not queued */
            sched_yield();
        check_note((uint64_t)n_plain + (uint64_t)n_info);
    }
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_SYS(getitimer(ITIMER_REAL, &now));
    CHECK_EQ(now.it_interval.tv_usec, 10000);
    CHECK_SYS(setitimer(ITIMER_REAL, &off, NULL));
    CHECK_EQ(n_plain, 3 * steps);
    CHECK_EQ(n_info, steps);
    CHECK_EQ(n_thread, steps);
    check_end(steps);
    MPI_Finalize();
    return 0;
}
