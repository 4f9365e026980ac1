/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Clocks and sleeps: no clock goes back, MPI_Wtime agrees with the system's clock, and no
 * sleep or timed wait ends early, or so late that it must have been forgotten.
 */
#include "check.h"
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/select.h>

/* Not a matter of scheduling any more; a checkpoint and a restart may lie within. */
#define FORGOTTEN_SECONDS 120

static int never[2]; /* a pipe nobody writes to */

static void sleep_by_poll(int ms)
{
    struct pollfd fd = {never[0], POLLIN, 0};
    CHECK_EQ(poll(&fd, 1, ms), 0);
}

static void sleep_by_ppoll(int ms)
{
    struct timespec limit = {0, ms * 1000000L};
    CHECK_EQ(ppoll(NULL, 0, &limit, NULL), 0);
}

static void sleep_by_select(int ms)
{
    struct timeval limit = {0, ms * 1000L};
    fd_set set;

    FD_ZERO(&set);
    FD_SET(never[0], &set);
    CHECK_EQ(select(never[0] + 1, &set, NULL, NULL, &limit), 0);
}

static void sleep_by_usleep(int ms)
{
    CHECK_EQ(usleep((unsigned)ms * 1000), 0);
}

static void sleep_by_nanosleep(int ms)
{
    struct timespec limit = {0, ms * 1000000L};
    CHECK_EQ(nanosleep(&limit, NULL), 0);
}

static void sleep_until(int ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += ms * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL), 0);
}

/* A POSIX timer that is set to a date, as a loop with a fixed pace does. */
static void sleep_by_timer(int ms)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 5};
    struct itimerspec date = {0};
    sigset_t set, old;
    timer_t timer;

    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 5);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, &old), 0);
    clock_gettime(CLOCK_MONOTONIC, &date.it_value);
    CHECK_SYS(timer_create(CLOCK_MONOTONIC, &event, &timer));
    date.it_value.tv_nsec += ms * 1000000L;
    date.it_value.tv_sec += date.it_value.tv_nsec / 1000000000;
    date.it_value.tv_nsec %= 1000000000;
    CHECK_SYS(timer_settime(timer, TIMER_ABSTIME, &date, NULL));
    CHECK_EQ(sigwaitinfo(&set, NULL), SIGRTMIN + 5);
    CHECK_SYS(timer_delete(timer));
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, &old, NULL), 0);
}

static void sleep_by_condition(int ms)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t condition;
    pthread_condattr_t attr;
    struct timespec until;
    int result = 0;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&condition, &attr);
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += ms * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&mutex);
    while (result == 0) /* may wake without reason */
        result = pthread_cond_timedwait(&condition, &mutex, &until);
    CHECK_EQ(result, ETIMEDOUT);
    pthread_mutex_unlock(&mutex);
    pthread_cond_destroy(&condition);
}

static void (*const sleeps[])(int) = {
    sleep_by_poll,      sleep_by_ppoll, sleep_by_select,   sleep_by_usleep,
    sleep_by_nanosleep, sleep_until,    sleep_by_condition, sleep_by_timer};
#define N_SLEEPS ((int)(sizeof sleeps / sizeof sleeps[0]))

static void not_cut_short(int which, int ms)
{
    double begin = check_seconds(), took;

    sleeps[which](ms);
    took = check_seconds() - begin;
    /* usleep and select count in other clock ticks than we do: allow one */
    CHECK(took >= ms * 1e-3 - 1e-4 && took < FORGOTTEN_SECONDS,
          "way %d slept %g s for %d ms", which, took, ms);
}

static void clocks(void)
{
    static double wtime, monotonic, real, first_wtime, first_monotonic;
    struct timespec now;
    double value, tick = MPI_Wtick();

    CHECK(tick > 0 && tick <= 1e-3, "MPI_Wtick %g", tick);
    value = MPI_Wtime();
    CHECK(value >= wtime, "MPI_Wtime went back from %.9f to %.9f", wtime, value);
    wtime = value;
    value = check_seconds();
    CHECK(value >= monotonic, "CLOCK_MONOTONIC went back from %.9f to %.9f", monotonic,
          value);
    monotonic = value;
    clock_gettime(CLOCK_REALTIME, &now);
    value = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    CHECK(value > 1.6e9 && value > real - 1, "CLOCK_REALTIME %.9f after %.9f", value,
          real);
    real = value;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    value = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    CHECK(value >= 0, "CPU time %g", value);
    if (first_wtime == 0) {
        first_wtime = wtime;
        first_monotonic = monotonic;
    }
    value = (wtime - first_wtime) - (monotonic - first_monotonic);
    CHECK(value < FORGOTTEN_SECONDS && value > -FORGOTTEN_SECONDS,
          "MPI_Wtime and the clock are %g s apart", value);
}

int main(int argc, char **argv)
{
    long step, steps;

    MPI_Init(&argc, &argv);
    steps = check_begin("timers", argc, argv, 350);
    CHECK_SYS(pipe(never));
    for (step = 0; step < steps; step++) {
        uint64_t state = check_hash((uint64_t)step, (uint64_t)check_rank);
        clocks();
        not_cut_short((int)(step % N_SLEEPS),
                      1 + check_below(&state, step % 50 ? 10 : 200));
        clocks();
        if (step % 20 == 0)
            MPI_Barrier(MPI_COMM_WORLD);
        check_note((uint64_t)step);
    }
    check_end(steps);
    MPI_Finalize();
    return 0;
}
