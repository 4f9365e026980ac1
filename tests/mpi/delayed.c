/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls that wait for a time, over a checkpoint for which all stand still for long: they end when
 * the time is over, or at once if it is over meanwhile, and tell how much is left.
 *
 *   delayed 1 SECONDS    of the waits; the checkpoint stops the threads for less
 */
#include "check.h"
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define LATE 4.0 /* a machine is busy; the checkpoint takes ten seconds */
#define N_KINDS 12
#define N_THAT_TELL 6 /* how much is left; they come first */

static void on_signal(int signal)
{
    (void)signal;
}

static double left_of(const struct timespec *left)
{
    return (double)left->tv_sec + 1e-9 * (double)left->tv_nsec;
}

/* What is left, as far as it tells; -1: it does not. */
static double wait_in(long kind, double seconds)
{
    struct timespec time = {(time_t)seconds, (long)(1e9 * (seconds - (time_t)seconds))};
    struct timespec left = {0, 0};
    struct timeval time_us = {time.tv_sec, time.tv_nsec / 1000};
    struct sembuf operation = {0, -1, 0};
    struct epoll_event event;
    sigset_t usr2;
    int32_t word = 0;
    int id;

    switch (kind) {
    case 0:
        nanosleep(&time, &left);
        return left_of(&left);
    case 1:
        clock_nanosleep(CLOCK_REALTIME, 0, &time, &left);
        return left_of(&left);
    case 2:
        syscall(SYS_select, 0, NULL, NULL, NULL, &time_us);
        return (double)time_us.tv_sec + 1e-6 * (double)time_us.tv_usec;
    case 3:
        syscall(SYS_pselect6, 0, NULL, NULL, NULL, &time, NULL);
        return left_of(&time);
    case 4:
        syscall(SYS_ppoll, NULL, 0, &time, NULL, 8);
        return left_of(&time);
    case 5:
        select(0, NULL, NULL, NULL, &time_us);
        return (double)time_us.tv_sec + 1e-6 * (double)time_us.tv_usec;
    case 6:
        poll(NULL, 0, (int)(1000 * seconds));
        return -1;
    case 7:
        ppoll(NULL, 0, &time, NULL);
        return -1;
    case 8:
        syscall(SYS_futex, &word, FUTEX_WAIT, 0, &time, NULL, 0);
        return -1;
    case 9:
        sigemptyset(&usr2);
        sigaddset(&usr2, SIGUSR2);
        sigtimedwait(&usr2, NULL, &time);
        return -1;
    case 10:
        id = semget(IPC_PRIVATE, 1, 0600);
        semtimedop(id, &operation, 1, &time);
        semctl(id, 0, IPC_RMID);
        return -1;
    default:
        id = epoll_create1(0);
        epoll_wait(id, &event, 1, (int)(1000 * seconds));
        close(id);
        return -1;
    }
}

/*
 * Meanwhile, reads that give all that is wanted, unless something comes in between.
 */

static int is_over;

struct reader {
    pthread_t thread;
    const char *name;
    int is_vector;
    long n;
};

static void *run_reader(void *data)
{
    struct reader *reader = data;
    const size_t bytes = 16 << 20;
    int fd = open(reader->name, O_RDONLY);
    char *room = malloc(bytes);
    struct iovec parts[] = {{room, bytes / 4}, {room + bytes / 4, bytes - bytes / 4}};

    CHECK(fd >= 0 && room, "%s", reader->name);
    while (!__atomic_load_n(&is_over, __ATOMIC_ACQUIRE)) {
        ssize_t n = reader->is_vector ? readv(fd, parts, 2) : read(fd, room, bytes);

        CHECK(n == (ssize_t)bytes, "%s gave %zd of %zu bytes", reader->name, n, bytes);
        reader->n++;
    }
    free(room);
    close(fd);
    return NULL;
}

struct waiter {
    pthread_t thread;
    long kind;
    double seconds, took, left;
};

static void *run(void *data)
{
    struct waiter *waiter = data;
    double begin = check_seconds();

    waiter->left = wait_in(waiter->kind, waiter->seconds);
    waiter->took = check_seconds() - begin;
    return NULL;
}

static void start(struct waiter *waiters, long n, double seconds)
{
    for (long i = 0; i < n; i++) {
        waiters[i].kind = i;
        waiters[i].seconds = seconds;
        CHECK(pthread_create(&waiters[i].thread, NULL, run, &waiters[i]) == 0,
              "thread %ld", i);
    }
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_signal};
    struct waiter ended[N_KINDS], interrupted[N_THAT_TELL];
    struct reader readers[] = {{.name = "/dev/zero"},
                               {.name = "/dev/urandom"},
                               {.name = "/dev/zero", .is_vector = 1}};
    double seconds = argc > 2 ? atof(argv[2]) : 2;
    long steps;

    CHECK_MPI(MPI_Init(&argc, &argv));
    steps = check_begin("delayed", argc, argv, 1);
    sigaction(SIGALRM, &action, NULL);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&readers[i].thread, NULL, run_reader, &readers[i]) == 0,
              "reader %d", i);
    start(interrupted, N_THAT_TELL, seconds + 60);
    start(ended, N_KINDS, seconds);
    for (int i = 0; i < N_KINDS; i++) {
        pthread_join(ended[i].thread, NULL);
        CHECK(ended[i].took > seconds - 0.01 && ended[i].took < seconds + LATE,
              "kind %d took %.3f s instead of %.3f", i, ended[i].took, seconds);
    }
    for (int i = 0; i < N_THAT_TELL; i++) {
        double sum;

        pthread_kill(interrupted[i].thread, SIGALRM);
        pthread_join(interrupted[i].thread, NULL);
        sum = interrupted[i].took + interrupted[i].left;
        CHECK(interrupted[i].left > 30 && sum > seconds + 59.9 && sum < seconds + 61,
              "kind %d: %.3f s are left after %.3f, of %.3f", i, interrupted[i].left,
              interrupted[i].took, seconds + 60);
    }
    __atomic_store_n(&is_over, 1, __ATOMIC_RELEASE);
    for (int i = 0; i < 3; i++) {
        pthread_join(readers[i].thread, NULL);
        CHECK(readers[i].n > 0, "reader %d has read nothing", i);
    }
    check_end(steps);
    MPI_Finalize();
    return 0;
}
