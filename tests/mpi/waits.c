/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Waits that are longer than the time between two checkpoints: each has to end, after its
 * own time, not to begin again with every checkpoint.  See waits.sh.
 */
#include "check.h"
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/select.h>

static int never[2], epoll_fd; /* a pipe nobody writes to */
static sem_t nobody_posts;

static void by_usleep(int ms)
{
    CHECK_EQ(usleep((unsigned)ms * 1000), 0);
}

static void by_nanosleep(int ms)
{
    struct timespec length = {ms / 1000, ms % 1000 * 1000000L};
    CHECK_EQ(nanosleep(&length, NULL), 0);
}

static void by_poll(int ms)
{
    struct pollfd fd = {never[0], POLLIN, 0};
    CHECK_EQ(poll(&fd, 1, ms), 0);
}

static void by_select(int ms)
{
    struct timeval limit = {ms / 1000, ms % 1000 * 1000L};
    fd_set set;

    FD_ZERO(&set);
    FD_SET(never[0], &set);
    CHECK_EQ(select(never[0] + 1, &set, NULL, NULL, &limit), 0);
}

static void by_epoll(int ms)
{
    struct epoll_event event;
    CHECK_EQ(epoll_wait(epoll_fd, &event, 1, ms), 0);
}

static void by_semaphore(int ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    CHECK(sem_clockwait(&nobody_posts, CLOCK_MONOTONIC, &until) == -1 && errno == ETIMEDOUT,
          "errno %d", errno);
}

static void by_semaphore_date(int ms) /* the clock of this one does not stand still */
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    CHECK(sem_timedwait(&nobody_posts, &until) == -1 && errno == ETIMEDOUT, "errno %d",
          errno);
}

static const struct way {
    const char *name;
    void (*wait)(int);
    int by_date;
} ways[] = {
    {"usleep", by_usleep, 0},         {"nanosleep", by_nanosleep, 0},
    {"poll", by_poll, 0},             {"select", by_select, 0},
    {"epoll_wait", by_epoll, 0},      {"sem_clockwait", by_semaphore, 0},
    {"sem_timedwait", by_semaphore_date, 1},
};
#define N_WAYS ((int)(sizeof ways / sizeof ways[0]))

static int wait_ms;

/* All of them at once, each in a thread. */
static void *wait_once(void *data)
{
    const struct way *way = data;
    double begin = check_seconds(), took;

    way->wait(wait_ms);
    took = check_seconds() - begin;
    CHECK((way->by_date || took >= wait_ms * 1e-3 - 1e-3) && took < wait_ms * 1e-3 + 10,
          "%s took %g s for %d ms", way->name, took, wait_ms);
    return NULL;
}

int main(int argc, char **argv)
{
    struct epoll_event event = {.events = EPOLLIN};
    pthread_t threads[N_WAYS];
    int provided;

    MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided);
    wait_ms = (int)check_begin("waits", argc, argv, 1500);
    CHECK_SYS(pipe(never));
    CHECK_SYS(epoll_fd = epoll_create1(0));
    CHECK_SYS(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, never[0], &event));
    CHECK_SYS(sem_init(&nobody_posts, 0, 0));
    for (int i = 0; i < N_WAYS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, wait_once, (void *)&ways[i]), 0);
    for (int i = 0; i < N_WAYS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    check_end(wait_ms);
    MPI_Finalize();
    return 0;
}
