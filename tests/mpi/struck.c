/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls that a timer's signal ends: each once, whenever it comes, also while the thread stands
 * still for a checkpoint.  The handler has no SA_RESTART; nothing else ends these calls.  A
 * thread that gets no processor may not be in its call yet when the signal comes, and is sent
 * another one later; but not often.
 */
#include "check.h"
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>

#define LARGE (1 << 20)
#define AGAIN_S 2
#define MAX_MISSED 4

static volatile long n_signals;
static int never[2], pair[2];
static sem_t semaphore;
static char large[LARGE];

static void on_alarm(int signal)
{
    (void)signal;
    n_signals++;
}

static void drain(int fd, ssize_t bytes)
{
    while (bytes > 0) {
        ssize_t got = read(fd, large, (size_t)bytes);

        CHECK(got > 0, "%zd of %zd bytes", got, bytes);
        bytes -= got;
    }
}

/* 1 if it ended for the signal. */
static int wait_in(long kind)
{
    struct timespec minute = {60, 0};
    char byte;
    ssize_t n;

    switch (kind) {
    case 0:
        return pause() == -1;
    case 1:
        return read(never[0], &byte, 1) == -1;
    case 2:
        return poll(NULL, 0, -1) == -1;
    case 3:
        return select(0, NULL, NULL, NULL, NULL) == -1;
    case 4:
        return sem_wait(&semaphore) == -1;
    case 5:
        return nanosleep(&minute, NULL) == -1;
    case 6:
        return recv(pair[0], &byte, 1, 0) == -1;
    default: /* a part of it is done */
        n = write(never[1], large, LARGE);
        drain(never[0], n);
        errno = EINTR;
        return n > 0 && n < LARGE;
    }
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_alarm};
    uint64_t state;
    long steps, n_missed = 0;

    MPI_Init(&argc, &argv);
    steps = check_begin("struck", argc, argv, 400);
    state = check_hash((uint64_t)check_rank, 1);
    CHECK_SYS(sigaction(SIGALRM, &action, NULL));
    CHECK_SYS(pipe(never));
    CHECK_SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    CHECK_SYS(sem_init(&semaphore, 0, 0));
    for (long step = 0; step < steps; step++) {
        struct itimerval timer = {.it_value = {0, 3000 + check_below(&state, 20000)},
                                  .it_interval = {AGAIN_S, 0}};
        long before = n_signals;

        CHECK_SYS(setitimer(ITIMER_REAL, &timer, NULL));
        errno = 0;
        CHECK(wait_in(step % 8), "call %ld did not end for a signal", step % 8);
        CHECK_EQ(errno, EINTR);
        timer = (struct itimerval){{0, 0}, {0, 0}};
        CHECK_SYS(setitimer(ITIMER_REAL, &timer, NULL));
        CHECK(n_signals > before, "call %ld ended before the signal", step % 8);
        n_missed += n_signals - before - 1;
        CHECK(n_missed <= MAX_MISSED, "call %ld goes on after its signal", step % 8);
        check_note((uint64_t)step);
        if (step % 16 == 15)
            CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
    }
    check_end(steps);
    MPI_Finalize();
    return 0;
}
