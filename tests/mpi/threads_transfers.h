/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls of threads_many that move data to or from a partner which is slow: all of it in
 * one call, where the kernel does so when nothing interrupts.
 */
#ifndef TESTS_MPI_THREADS_TRANSFERS_H
#define TESTS_MPI_THREADS_TRANSFERS_H

#include "threads_call.h"
#include <sys/eventfd.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define N_LARGE (1 << 20)
#define N_PIECES 16
#define PIECE (N_LARGE / N_PIECES)
#define SPLICED (PIECE / 2) /* goes into a pipe */
#define N_DATAGRAMS 3
#define FILE_SEED 99

static int large_file; /* has no name */
/* the last one has the rest */
static const size_t parts[] = {1, 300000, 4096, 500003, N_LARGE};
#define N_PARTS ((int)(sizeof parts / sizeof parts[0]))

/** Open a file that is removed at once, so many times. */
static void file_open(int n, int *fds)
{
    struct stat first, next;
    char name[64];

    snprintf(name, sizeof name, "threads_many.%d.%d", check_rank, (int)getpid());
    for (int i = 0; i < n; i++) {
        CHECK((fds[i] = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) != -1, "%s: %s",
              name, strerror(errno));
        CHECK_SYS(fstat(fds[0], &first));
        CHECK_SYS(fstat(fds[i], &next));
        CHECK_EQ(next.st_ino, first.st_ino);
    }
    CHECK_SYS(unlink(name));
}

static char *block_make(uint64_t seed)
{
    char *block = check_alloc(N_LARGE);

    check_fill(block, N_LARGE, seed);
    return block;
}

static void transfers_begin(void)
{
    char *block = block_make(FILE_SEED);

    file_open(1, &large_file);
    CHECK_EQ(write(large_file, block, N_LARGE), N_LARGE);
    free(block);
}

static void transfers_end(void)
{
    CHECK_SYS(close(large_file));
}

static void parts_of(char *block, struct iovec *list)
{
    size_t at = 0;

    for (int i = 0; i < N_PARTS; i++) {
        list[i].iov_base = block + at;
        list[i].iov_len = i < N_PARTS - 1 ? parts[i] : N_LARGE - at;
        at += list[i].iov_len;
    }
}

/* The partners. */
static void read_slowly(struct call *call)
{
    char *block = check_alloc(N_LARGE);
    size_t n = 0;

    for (int i = 0; n < N_LARGE; i++) {
        ssize_t got;

        if (i < N_PIECES)
            check_sleep_ms(call->ms / N_PIECES);
        call->acted = true;
        got = read(call->ends[1], block + n, N_LARGE - n < PIECE ? N_LARGE - n : PIECE);
        CHECK(got > 0, "%s: the reader got %zd after %zu bytes, %s", call->name, got, n,
              strerror(errno));
        n += (size_t)got;
    }
    CHECK_FILLED(block, N_LARGE, call->seed);
    free(block);
}

static void send_slowly(struct call *call)
{
    char *block = block_make(call->seed);

    for (int i = 0; i < N_PIECES; i++) {
        check_sleep_ms(call->ms / N_PIECES);
        call->acted = i == N_PIECES - 1;
        RETURNS(send(call->ends[1], block + i * PIECE, PIECE, 0), PIECE);
    }
    free(block);
}

static void send_datagrams(struct call *call)
{
    for (int i = 0; i < N_DATAGRAMS; i++) {
        uint64_t message[N_DATAGRAMS] = {call->seed, (uint64_t)i};

        check_sleep_ms(call->ms / N_DATAGRAMS);
        call->acted = true;
        RETURNS(send(call->ends[1], message, (size_t)(i + 1) * 8, 0), (i + 1) * 8);
    }
}

/* Small ones, for which the caller waits. */
static void by_read_pipe(struct call *call)
{
    pipe_open(call, 0);
    partner_begin(call, write_seed);
    read_seed(call);
    partner_end(call);
    ends_close(call);
}

static void by_read_socket(struct call *call)
{
    pair_open(call, SOCK_STREAM);
    partner_begin(call, write_seed);
    read_seed(call);
    partner_end(call);
    ends_close(call);
}

static void by_read_eventfd(struct call *call)
{
    CHECK_SYS(call->ends[0] = eventfd(0, EFD_CLOEXEC));
    CHECK_SYS(call->ends[1] = dup(call->ends[0]));
    partner_begin(call, write_seed);
    read_seed(call);
    partner_end(call);
    ends_close(call);
}

static void by_recv_datagrams(struct call *call)
{
    uint64_t message[N_DATAGRAMS + 1];

    pair_open(call, SOCK_DGRAM);
    partner_begin(call, send_datagrams);
    for (int i = 0; i < N_DATAGRAMS; i++) {
        RETURNS(recv(call->ends[0], message, sizeof message, MSG_WAITALL), (i + 1) * 8);
        CHECK(message[0] == call->seed && (i == 0 || message[1] == (uint64_t)i),
              "%s: another message", call->name);
    }
    partner_end(call);
    ends_close(call);
}

/* Large ones. */
static void by_recv_all(struct call *call)
{
    char *block = check_alloc(N_LARGE);

    pair_open(call, SOCK_STREAM);
    partner_begin(call, send_slowly);
    RETURNS(recv(call->ends[0], block, N_LARGE, MSG_WAITALL), N_LARGE);
    partner_end(call);
    CHECK_FILLED(block, N_LARGE, call->seed);
    ends_close(call);
    free(block);
}

static void by_recvmsg_all(struct call *call)
{
    char *block = check_alloc(N_LARGE);
    struct iovec list[N_PARTS];
    struct msghdr message = {.msg_iov = list, .msg_iovlen = (size_t)N_PARTS};

    parts_of(block, list);
    pair_open(call, SOCK_STREAM);
    partner_begin(call, send_slowly);
    RETURNS(recvmsg(call->ends[0], &message, MSG_WAITALL), N_LARGE);
    partner_end(call);
    CHECK_FILLED(block, N_LARGE, call->seed);
    ends_close(call);
    free(block);
}

static void by_write_pipe(struct call *call)
{
    char *block = block_make(call->seed);

    pipe_open(call, 1);
    partner_begin(call, read_slowly);
    RETURNS(write(call->ends[0], block, N_LARGE), N_LARGE);
    partner_end(call);
    ends_close(call);
    free(block);
}

static void by_writev_pipe(struct call *call)
{
    char *block = block_make(call->seed);
    struct iovec list[N_PARTS];

    parts_of(block, list);
    pipe_open(call, 1);
    partner_begin(call, read_slowly);
    RETURNS(writev(call->ends[0], list, N_PARTS), N_LARGE);
    partner_end(call);
    ends_close(call);
    free(block);
}

static void by_send(struct call *call)
{
    char *block = block_make(call->seed);

    pair_open(call, SOCK_STREAM);
    partner_begin(call, read_slowly);
    RETURNS(send(call->ends[0], block, N_LARGE, 0), N_LARGE);
    partner_end(call);
    ends_close(call);
    free(block);
}

static void by_sendmsg(struct call *call)
{
    char *block = block_make(call->seed);
    struct iovec list[N_PARTS];
    struct msghdr message = {.msg_iov = list, .msg_iovlen = (size_t)N_PARTS};

    parts_of(block, list);
    pair_open(call, SOCK_STREAM);
    partner_begin(call, read_slowly);
    RETURNS(sendmsg(call->ends[0], &message, 0), N_LARGE);
    partner_end(call);
    ends_close(call);
    free(block);
}

static void by_sendfile(struct call *call)
{
    off_t offset = 0;

    call->seed = FILE_SEED;
    pair_open(call, SOCK_STREAM);
    partner_begin(call, read_slowly);
    RETURNS(sendfile(call->ends[0], large_file, &offset, N_LARGE), N_LARGE);
    CHECK_EQ(offset, N_LARGE);
    partner_end(call);
    ends_close(call);
}

/* What is in a pipe, to a socket that is full. */
static void by_splice_to_socket(struct call *call)
{
    char *block = block_make(call->seed);
    int fds[2];

    CHECK_SYS(pipe2(fds, O_CLOEXEC));
    pair_open(call, SOCK_STREAM);
    partner_begin(call, read_slowly);
    for (int i = 0; i < N_LARGE / SPLICED; i++) {
        RETURNS(write(fds[1], block + i * SPLICED, SPLICED), SPLICED);
        RETURNS(splice(fds[0], NULL, call->ends[0], NULL, SPLICED, 0), SPLICED);
    }
    partner_end(call);
    CHECK_SYS(close(fds[0]));
    CHECK_SYS(close(fds[1]));
    ends_close(call);
    free(block);
}

/* What comes from a socket, to a pipe: as much as there is. */
static void by_splice_from_socket(struct call *call)
{
    char *block = check_alloc(N_LARGE);
    size_t n = 0;
    int fds[2];

    CHECK_SYS(pipe2(fds, O_CLOEXEC));
    pair_open(call, SOCK_STREAM);
    partner_begin(call, send_slowly);
    while (n < N_LARGE) {
        ssize_t got = splice(call->ends[0], NULL, fds[1], NULL, SPLICED, 0);

        CHECK(got > 0 && got <= SPLICED && n + (size_t)got <= N_LARGE,
              "%s: returned %zd after %zu bytes, %s", call->name, got, n,
              strerror(errno));
        RETURNS(read(fds[0], block + n, (size_t)got), got);
        n += (size_t)got;
    }
    partner_end(call);
    CHECK_FILLED(block, N_LARGE, call->seed);
    CHECK_SYS(close(fds[0]));
    CHECK_SYS(close(fds[1]));
    ends_close(call);
    free(block);
}

#endif
