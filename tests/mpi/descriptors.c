/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Descriptors that are no files: sockets whose two ends are in the process, with what
 * waits in them, timerfd, signalfd, and an epoll set of them.
 */
#include "check.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#define MAX_WAITING 9 /* messages: the kernel takes no more than ten */
#define FORGOTTEN_SECONDS 120
#define N_NUMBERS 40

/* Two directions of a pair: how many bytes or messages were sent and received. */
static struct pair {
    int ends[2];
    int type;
    long sent[2], received[2];
} stream = {.type = SOCK_STREAM}, datagrams = {.type = SOCK_DGRAM},
  packets = {.type = SOCK_SEQPACKET};
static int twin, epoll_fd, unconnected, buffer_bytes;
static int periodic, once, signals;
static int taken[N_NUMBERS], n_taken;

static unsigned char byte_of(long i, int direction)
{
    return (unsigned char)check_hash((uint64_t)i, (uint64_t)direction);
}

static void open_pair(struct pair *pair, int flags)
{
    CHECK_SYS(socketpair(AF_UNIX, pair->type | flags, 0, pair->ends));
}

/* A stream: any number of bytes, of which some stay. */
static void stream_step(struct pair *pair, int direction, uint64_t *state)
{
    unsigned char bytes[3000];
    long n = check_below(state, sizeof bytes), waiting;
    int from = pair->ends[direction], to = pair->ends[1 - direction];

    waiting = pair->sent[direction] - pair->received[direction];
    for (long i = 0; i < n; i++)
        bytes[i] = byte_of(pair->sent[direction] + i, direction);
    if (waiting < 50000) {
        CHECK_EQ(send(from, bytes, (size_t)n, 0), n);
        pair->sent[direction] += n;
    }
    n = check_below(state, sizeof bytes);
    ssize_t got = recv(to, bytes, (size_t)n, MSG_DONTWAIT);
    waiting = pair->sent[direction] - pair->received[direction];
    CHECK_EQ(n && !waiting ? -1 : got, n && !waiting ? got : n < waiting ? n : waiting);
    for (long i = 0; i < got; i++)
        CHECK_EQ(bytes[i], byte_of(pair->received[direction] + i, direction));
    pair->received[direction] += got > 0 ? got : 0;
}

static long message_bytes(const struct pair *pair, long i, int direction)
{
    uint64_t state = check_hash((uint64_t)i, (uint64_t)(pair->type * 2 + direction));

    return check_below(&state, 100) ? check_below(&state, 2000) : 0;
}

/* Messages keep their order and their lengths. */
static void message_step(struct pair *pair, int direction, uint64_t *state)
{
    unsigned char bytes[2000];
    long waiting = pair->sent[direction] - pair->received[direction];
    int from = pair->ends[direction], to = pair->ends[1 - direction];

    for (int n = check_below(state, 4); n > 0 && waiting < MAX_WAITING; n--, waiting++) {
        long i = pair->sent[direction]++, length = message_bytes(pair, i, direction);

        check_fill(bytes, (size_t)length, (uint64_t)i);
        CHECK_EQ(send(from, bytes, (size_t)length, 0), length);
    }
    for (int n = check_below(state, 4); n > 0 && waiting > 0; n--, waiting--) {
        long i = pair->received[direction]++, length = message_bytes(pair, i, direction);

        CHECK_EQ(recv(to, bytes, sizeof bytes, MSG_DONTWAIT), length);
        CHECK_FILLED(bytes, (size_t)length, (uint64_t)i);
    }
}

/* One end has been closed, or does not send any more; some bytes wait in the other. */
static void half_step(long step)
{
    static struct pair half = {.type = SOCK_STREAM};
    static int how;
    char text[8];
    int fd;

    if (step % 8 == 0) {
        how = (int)(step / 8 % 4);
        half.type = how == 3 ? SOCK_SEQPACKET : SOCK_STREAM;
        open_pair(&half, 0);
        CHECK_EQ(send(half.ends[1], "abcdef", 6, 0), 6);
        if (how == 1)
            CHECK_EQ(send(half.ends[0], "x", 1, 0), 1); /* never read */
        if (how == 2)
            CHECK_SYS(shutdown(half.ends[1], SHUT_WR));
        else
            CHECK_SYS(close(half.ends[1]));
    }
    fd = half.ends[0];
    if (step % 8 == 3) {
        CHECK_EQ(recv(fd, text, how == 3 ? 6 : 2, 0), how == 3 ? 6 : 2);
        CHECK(memcmp(text, "abcdef", how == 3 ? 6 : 2) == 0, "another text");
    }
    if (step % 8 == 7) {
        if (how != 3)
            CHECK_EQ(recv(fd, text, 8, 0), 4);
        if (how == 1)
            CHECK(recv(fd, text, 8, 0) == -1 && errno == ECONNRESET, "errno %d", errno);
        CHECK_EQ(recv(fd, text, 8, 0), 0);
        if (how == 2)
            CHECK_EQ(send(fd, text, 1, 0), 1); /* the other direction is open */
        else
            CHECK(send(fd, text, 1, MSG_NOSIGNAL) == -1 && errno == EPIPE, "errno %d",
                  errno);
        CHECK_SYS(close(fd));
        if (how == 2)
            CHECK_SYS(close(half.ends[1]));
    }
}

static int option(int fd, int level, int name)
{
    int value = -1;
    socklen_t bytes = sizeof value;

    CHECK_SYS(getsockopt(fd, level, name, &value, &bytes));
    return value;
}

static void attributes(void)
{
    struct sockaddr_in address;
    socklen_t bytes = sizeof address;

    CHECK_EQ(fcntl(stream.ends[0], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    CHECK_EQ(fcntl(stream.ends[0], F_GETFD), FD_CLOEXEC);
    CHECK_EQ(fcntl(datagrams.ends[0], F_GETFL) & O_NONBLOCK, 0);
    CHECK_EQ(fcntl(datagrams.ends[1], F_GETFD), 0);
    CHECK_EQ(option(packets.ends[1], SOL_SOCKET, SO_TYPE), SOCK_SEQPACKET);
    CHECK_EQ(option(packets.ends[0], SOL_SOCKET, SO_SNDBUF), buffer_bytes);
    CHECK_EQ(option(packets.ends[1], SOL_SOCKET, SO_PASSCRED), 1);
    CHECK_EQ(option(unconnected, SOL_SOCKET, SO_KEEPALIVE), 1);
    CHECK_SYS(getsockname(unconnected, (struct sockaddr *)&address, &bytes));
    CHECK_EQ(address.sin_family, AF_INET);
    CHECK_EQ(address.sin_port, 0);
}

/* All small numbers are in use: the first by what was opened before MPI_Init. */
static void fill_numbers(void)
{
    for (int fd = 3; fd < N_NUMBERS; fd++)
        if (fcntl(fd, F_GETFD) == -1)
            CHECK_EQ(dup2(stream.ends[1], taken[n_taken++] = fd), fd);
}

static void numbers(void)
{
    for (int i = 0; i < n_taken; i++)
        CHECK(fcntl(taken[i], F_GETFL) != -1 &&
                  option(taken[i], SOL_SOCKET, SO_TYPE) == SOCK_STREAM,
              "descriptor %d is something else: %s", taken[i], strerror(errno));
}

/* A duplicate sends into the same stream; the epoll set tells of it. */
static void twin_step(struct pair *pair)
{
    unsigned char byte = byte_of(pair->sent[1], 1);
    struct epoll_event events[4];
    int n, found = 0;

    CHECK_EQ(send(twin, &byte, 1, 0), 1);
    pair->sent[1]++;
    CHECK_SYS(n = epoll_wait(epoll_fd, events, 4, 0));
    for (int i = 0; i < n; i++)
        found |= events[i].data.u64 == 0x1234567890 && events[i].events & EPOLLIN;
    CHECK(found, "epoll does not tell of a byte, but of %d others", n);
}

/* Never too early, and none is lost. */
static void periodic_step(void)
{
    static double begin;
    static uint64_t n_expired;
    const double period = 0.02;
    uint64_t n = 0;

    if (begin == 0) {
        struct itimerspec value = {{0, 20000000}, {0, 20000000}};
        begin = check_seconds();
        CHECK_SYS(timerfd_settime(periodic, 0, &value, NULL));
    }
    double before = check_seconds() - begin;
    if (read(periodic, &n, sizeof n) == -1)
        CHECK_EQ(errno, EAGAIN);
    n_expired += n;
    double after = check_seconds() - begin;
    CHECK((double)n_expired * period <= after + 1e-3 &&
              (double)(n_expired + 1) * period >= before - FORGOTTEN_SECONDS,
          "expired %" PRIu64 " times in %g s", n_expired, after);
}

/* Until a time on the clock, or for a time. */
static void once_step(long step)
{
    static double until;
    struct itimerspec value = {{0, 0}, {0, 0}};
    uint64_t n;

    if (step % 10 == 0) {
        double length = 0.001 * (double)(step / 10 % 30 + 1),
               at = check_seconds() + length;
        if (step % 20 == 0)
            value.it_value.tv_nsec = (long)(1e9 * length);
        else {
            value.it_value.tv_sec = (time_t)at;
            value.it_value.tv_nsec = (long)(1e9 * (at - (double)value.it_value.tv_sec));
        }
        CHECK_SYS(timerfd_settime(once, step % 20 ? TFD_TIMER_ABSTIME : 0, &value, NULL));
        until = at;
    }
    if (step % 10 == 9) {
        CHECK_EQ(read(once, &n, sizeof n), sizeof n);
        CHECK_EQ(n, 1);
        double late = check_seconds() - until;
        CHECK(late > -1e-3 && late < FORGOTTEN_SECONDS, "%g s late", late);
    }
}

static void signal_step(long step)
{
    struct signalfd_siginfo info;

    if (step % 4 == 0) {
        CHECK_EQ(raise(SIGUSR2), 0);
    } else if (step % 4 == 3) {
        CHECK_EQ(read(signals, &info, sizeof info), sizeof info);
        CHECK_EQ(info.ssi_signo, SIGUSR2);
    } else if (step % 4 == 1 && step % 3 == 0) { /* nothing else comes */
        CHECK_EQ(read(signals, &info, sizeof info), sizeof info);
        CHECK_EQ(info.ssi_signo, SIGUSR2);
        CHECK(read(signals, &info, sizeof info) == -1 && errno == EAGAIN, "signal %u",
              info.ssi_signo);
        CHECK_EQ(raise(SIGUSR2), 0);
    }
}

static void open_all(void)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0x1234567890};
    int on = 1, small = 40000;
    sigset_t set;

    open_pair(&stream, SOCK_NONBLOCK | SOCK_CLOEXEC);
    open_pair(&datagrams, 0);
    open_pair(&packets, 0);
    CHECK_SYS(twin = dup(stream.ends[1]));
    CHECK_SYS(setsockopt(packets.ends[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small));
    buffer_bytes = option(packets.ends[0], SOL_SOCKET, SO_SNDBUF);
    CHECK_SYS(setsockopt(packets.ends[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
    CHECK_SYS(unconnected = socket(AF_INET, SOCK_STREAM, 0));
    CHECK_SYS(setsockopt(unconnected, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on));
    CHECK_SYS(epoll_fd = epoll_create1(0));
    CHECK_SYS(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, stream.ends[0], &event));
    CHECK_SYS(periodic = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
    CHECK_SYS(once = timerfd_create(CLOCK_MONOTONIC, 0));
    sigfillset(&set);
    CHECK_SYS(signals = signalfd(-1, &set, SFD_NONBLOCK));
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    CHECK_SYS(sigprocmask(SIG_BLOCK, &set, NULL));
}

int main(int argc, char **argv)
{
    long step, steps;

    open_all();
    MPI_Init(&argc, &argv);
    steps = check_begin("descriptors", argc, argv, 1500);
    fill_numbers();
    for (step = 0; step < steps; step++) {
        uint64_t state = check_hash((uint64_t)step, (uint64_t)check_rank);
        for (int direction = 0; direction < 2; direction++) {
            stream_step(&stream, direction, &state);
            message_step(&datagrams, direction, &state);
            message_step(&packets, direction, &state);
        }
        half_step(step);
        attributes();
        numbers();
        twin_step(&stream);
        periodic_step();
        once_step(step);
        signal_step(step);
        if (step % 20 == 0)
            MPI_Barrier(MPI_COMM_WORLD);
        if (step % 4 == check_rank % 4)
            check_sleep_ms(2);
        check_note((uint64_t)(stream.sent[0] + stream.received[1] + packets.sent[1]));
    }
    check_end(steps);
    MPI_Finalize();
    return 0;
}
