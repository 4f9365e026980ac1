/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which file descriptors belong to the lower half (see descriptors.h).
 *
 * crmpi-host defines the libc functions that make descriptors, so those that the libraries
 * below open (sockets of the MPI library, containers, ...) come through here and are noted
 * with the identity of what they refer to.  The identity settles what happens if a
 * descriptor was closed in a way that does not come through here and its number was used
 * again by the application.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "lower/descriptors.h"

#define MAX_NOTED 65536

static struct {
    dev_t device;
    ino_t inode; /* 0: not noted */
} noted[MAX_NOTED];

static int note(int fd)
{
    struct stat about;
    int saved = errno;

    if (fd >= 0 && fd < MAX_NOTED && fstat(fd, &about) == 0) {
        noted[fd].device = about.st_dev;
        noted[fd].inode = about.st_ino;
    }
    errno = saved;
    return fd;
}

/* The numbers of stdin, stdout and stderr are left to an application that has closed them:
 * it may put a file there by dup2(), which would close what is below.  For a moment the
 * number is in use: the kernel gives the lowest one. */
static int note_new(int fd)
{
    int flags, saved = errno, moved;

    if (fd < 0 || fd > 2 || (flags = fcntl(fd, F_GETFD)) < 0)
        return note(fd);
    moved = fcntl(fd, flags & FD_CLOEXEC ? F_DUPFD_CLOEXEC : F_DUPFD, 3);
    if (moved < 0) {
        errno = saved;
        return note(fd);
    }
    /* unless the application has put a file there meanwhile */
    if (syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, fd, moved) <= 0)
        close(fd);
    errno = saved;
    return note(moved);
}

/* 1: noted; 0: not; -1: there is no such descriptor. */
static int is_noted(int fd)
{
    struct stat about;

    if (fstat(fd, &about) != 0)
        return -1;
    return fd >= 0 && fd < MAX_NOTED && noted[fd].inode != 0 &&
           about.st_dev == noted[fd].device && about.st_ino == noted[fd].inode;
}

/* How many of the functions below are between making, or closing, a descriptor and noting
 * that. */
static int n_busy;
#define SETTLE_MS 100 /* longer than that takes who waits for something */

static void settle(void)
{
    const struct timespec pause = {.tv_nsec = 100000};
    static time_t given_up; /* one that waits is waited for once, not for each descriptor */
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    for (int i = 0; __atomic_load_n(&n_busy, __ATOMIC_SEQ_CST) &&
                    now.tv_sec > given_up + 1;
         i++) {
        if (i == SETTLE_MS * 10)
            given_up = now.tv_sec;
        else
            nanosleep(&pause, NULL);
    }
}

static void busy_begin(void)
{
    __atomic_fetch_add(&n_busy, 1, __ATOMIC_SEQ_CST);
}

static void busy_end(void)
{
    __atomic_fetch_sub(&n_busy, 1, __ATOMIC_SEQ_CST);
}

int crmpi_descriptor_is_lower(int fd)
{
    if (is_noted(fd) > 0)
        return 1;
    settle(); /* it may just have come, or go */
    return is_noted(fd) != 0;
}

void crmpi_descriptor_take(int fd)
{
    note(fd);
}

void crmpi_descriptor_give(int fd)
{
    if (fd >= 0 && fd < MAX_NOTED)
        noted[fd].inode = 0;
}

/* The next definition of a function, which is libc's. */
#define NEXT(function)                                                                     \
    static __typeof__(&function) next;                                                     \
    if (!next)                                                                             \
    next = (__typeof__(&function))dlsym(RTLD_NEXT, #function)

static mode_t mode_argument(int flags, va_list arguments)
{
    return flags & (O_CREAT | __O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
}

#define DEFINE_OPEN(function)                                                              \
    int function(const char *path, int flags, ...)                                         \
    {                                                                                      \
        NEXT(function);                                                                    \
        va_list arguments;                                                                 \
                                                                                           \
        va_start(arguments, flags);                                                        \
        mode_t mode = mode_argument(flags, arguments);                                     \
        va_end(arguments);                                                                 \
        busy_begin();                                                                      \
        int fd = note_new(next(path, flags, mode));                                        \
        busy_end();                                                                        \
        return fd;                                                                         \
    }

#define DEFINE_OPENAT(function)                                                            \
    int function(int directory, const char *path, int flags, ...)                          \
    {                                                                                      \
        NEXT(function);                                                                    \
        va_list arguments;                                                                 \
                                                                                           \
        va_start(arguments, flags);                                                        \
        mode_t mode = mode_argument(flags, arguments);                                     \
        va_end(arguments);                                                                 \
        busy_begin();                                                                      \
        int fd = note_new(next(directory, path, flags, mode));                             \
        busy_end();                                                                        \
        return fd;                                                                         \
    }

/* DEFINE(name, (parameters), (arguments)): a function that returns one new descriptor;
 * DEFINE_PLACED: under a number that was asked for */
#define DEFINE_BY(noted_by, function, parameters, arguments)                               \
    int function parameters                                                                \
    {                                                                                      \
        NEXT(function);                                                                    \
        busy_begin();                                                                      \
        int result = noted_by(next arguments);                                             \
        busy_end();                                                                        \
        return result;                                                                     \
    }
#define DEFINE(function, parameters, arguments)                                            \
    DEFINE_BY(note_new, function, parameters, arguments)
#define DEFINE_PLACED(function, parameters, arguments)                                     \
    DEFINE_BY(note, function, parameters, arguments)

/* ... that fills an array of two */
#define DEFINE_PAIR(function, parameters, arguments, pair)                                 \
    int function parameters                                                                \
    {                                                                                      \
        NEXT(function);                                                                    \
        busy_begin();                                                                      \
        int result = next arguments;                                                       \
                                                                                           \
        if (result == 0) {                                                                 \
            pair[0] = note_new(pair[0]);                                                   \
            pair[1] = note_new(pair[1]);                                                   \
        }                                                                                  \
        busy_end();                                                                        \
        return result;                                                                     \
    }

DEFINE_OPEN(open)
DEFINE_OPEN(open64)
DEFINE_OPENAT(openat)
DEFINE_OPENAT(openat64)
DEFINE(creat, (const char *path, mode_t mode), (path, mode))
DEFINE(shm_open, (const char *name, int flags, mode_t mode), (name, flags, mode))
DEFINE(memfd_create, (const char *name, unsigned flags), (name, flags))
DEFINE(mkstemp, (char *pattern), (pattern))
DEFINE(socket, (int domain, int type, int protocol), (domain, type, protocol))
DEFINE(accept, (int fd, struct sockaddr *address, socklen_t *bytes), (fd, address, bytes))
DEFINE(accept4, (int fd, struct sockaddr *address, socklen_t *bytes, int flags),
       (fd, address, bytes, flags))
DEFINE(eventfd, (unsigned value, int flags), (value, flags))
DEFINE(epoll_create, (int size), (size))
DEFINE(epoll_create1, (int flags), (flags))
DEFINE(timerfd_create, (clockid_t clock, int flags), (clock, flags))
DEFINE_PLACED(signalfd, (int fd, const sigset_t *mask, int flags), (fd, mask, flags))
DEFINE(inotify_init, (void), ())
DEFINE(inotify_init1, (int flags), (flags))
DEFINE(dup, (int fd), (fd))
DEFINE_PLACED(dup2, (int fd, int wanted), (fd, wanted))
DEFINE_PLACED(dup3, (int fd, int wanted, int flags), (fd, wanted, flags))
DEFINE_PAIR(pipe, (int pair[2]), (pair), pair)
DEFINE_PAIR(pipe2, (int pair[2], int flags), (pair, flags), pair)
DEFINE_PAIR(socketpair, (int domain, int type, int protocol, int pair[2]),
            (domain, type, protocol, pair), pair)

int close(int fd)
{
    NEXT(close);
    busy_begin();
    if (fd >= 0 && fd < MAX_NOTED)
        noted[fd].inode = 0;
    int result = next(fd);
    busy_end();
    return result;
}

#define DEFINE_FOPEN(function)                                                             \
    FILE *function(const char *path, const char *mode)                                     \
    {                                                                                      \
        NEXT(function);                                                                    \
        busy_begin();                                                                      \
        FILE *file = next(path, mode);                                                     \
                                                                                           \
        if (file)                                                                          \
            note(fileno(file));                                                            \
        busy_end();                                                                        \
        return file;                                                                       \
    }
DEFINE_FOPEN(fopen)
DEFINE_FOPEN(fopen64)

int fclose(FILE *file)
{
    NEXT(fclose);
    int fd = fileno(file);

    busy_begin();
    if (fd >= 0 && fd < MAX_NOTED)
        noted[fd].inode = 0;
    int result = next(file);
    busy_end();
    return result;
}
