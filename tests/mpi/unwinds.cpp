/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads that are cancelled while they wait in a system call: whatever that was, and whether it
 * was interrupted before or not, they leave by way of destructors and cleanup handlers.
 */
#include "check.h"
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>

static int n_destroyed, n_cleaned;
static volatile int waits;

struct Guard {
    ~Guard() { n_destroyed++; }
};

static void on_cleanup(void *)
{
    n_cleaned++;
}

static timespec in_a_minute(clockid_t clock)
{
    timespec time;

    clock_gettime(clock, &time);
    time.tv_sec += 60;
    return time;
}

static void in_condition()
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
    timespec end = in_a_minute(CLOCK_REALTIME);

    pthread_mutex_lock(&mutex);
    pthread_cond_timedwait(&condition, &mutex, &end);
}

static void in_write()
{
    static char block[1 << 20];
    int ends[2];

    CHECK_SYS(pipe(ends)); /* they stay open: as many as there are rounds */
    if (write(ends[1], block, sizeof block) >= 0)
        pause(); /* since glibc 2.41 what has been written in part is no place to be cancelled at */
}

static void in_recv()
{
    timeval limit = {60, 0};
    char byte;
    int ends[2];

    CHECK_SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    CHECK_SYS(setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
    recv(ends[0], &byte, 1, 0);
}

static void (*const waiting[])() = {
    [] { sleep(60); },
    [] { pause(); },
    [] { poll(NULL, 0, -1); },
    [] { select(0, NULL, NULL, NULL, NULL); },
    [] {
        timespec end = in_a_minute(CLOCK_MONOTONIC);
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL);
    },
    in_condition,
    in_write,
    in_recv,
};
static const int n_kinds = sizeof waiting / sizeof *waiting;

static void *wait_in(void *kind)
{
    Guard guard;

    pthread_cleanup_push(on_cleanup, NULL);
    waits = 1;
    waiting[(intptr_t)kind]();
    pthread_cleanup_pop(0);
    return NULL;
}

int main(int argc, char **argv)
{
    long steps;

    MPI_Init(&argc, &argv);
    steps = check_begin("unwinds", argc, argv, 8 * n_kinds);
    for (long step = 0; step < steps; step++) {
        pthread_t thread;
        void *result;

        waits = 0;
        CHECK_EQ(pthread_create(&thread, NULL, wait_in, (void *)(step % n_kinds)), 0);
        while (!waits)
            check_sleep_ms(1);
        check_sleep_ms(step < steps / 2 ? 100 : 1);
        CHECK_EQ(pthread_cancel(thread), 0);
        CHECK_EQ(pthread_join(thread, &result), 0);
        CHECK(result == PTHREAD_CANCELED, "wait %ld ended", step % n_kinds);
        CHECK_EQ(n_destroyed, step + 1);
        CHECK_EQ(n_cleaned, step + 1);
        check_note((uint64_t)step);
        CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
    }
    check_end(steps);
    MPI_Finalize();
    return 0;
}
