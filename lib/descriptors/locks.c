/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Locks and leases that the process has on files: record /task/locks.  Lower half.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/log.h"
#include "descriptors/locks.h"

enum lock_kind { LOCK_FLOCK = 1, LOCK_POSIX, LOCK_OPEN_FILE, LOCK_LEASE };

/* The record is an array of these. */
struct lock {
    int32_t fd;
    int32_t kind;
    int32_t type; /* F_RDLCK, F_WRLCK */
    int32_t unused;
    int64_t start, length; /* 0: to the end of the file, however far */
    char path[256];
};

struct locks {
    struct lock *list;
    size_t n;
};

/* "lock:  1: POSIX  ADVISORY  WRITE 1234 fe:00:5678 0 EOF" of /proc/self/fdinfo/FD */
static int lock_parse(const char *line, struct lock *lock)
{
    char kind[16], mode[16], type[16], end[32];
    long long start;

    if (sscanf(line, "lock: %*d: %15s %15s %15s %*d %*s %lld %31s", kind, mode, type, &start,
               end) != 5)
        return 0;
    lock->kind = strcmp(kind, "FLOCK") == 0    ? LOCK_FLOCK
                 : strcmp(kind, "POSIX") == 0  ? LOCK_POSIX
                 : strcmp(kind, "OFDLCK") == 0 ? LOCK_OPEN_FILE
                 : strcmp(kind, "LEASE") == 0  ? LOCK_LEASE
                                               : 0;
    lock->type = strcmp(type, "READ") == 0 ? F_RDLCK : F_WRLCK;
    lock->start = start;
    lock->length = strcmp(end, "EOF") == 0 ? 0 : atoll(end) - start + 1;
    if (lock->kind == LOCK_LEASE && strcmp(mode, "ACTIVE") != 0)
        lock->kind = -1; /* it is being broken */
    return 1;
}

static enum crmpi_status locks_of(struct locks *locks,
                                  const struct crmpi_descriptor *descriptor, char *why,
                                  size_t why_bytes)
{
    char path[64], line[512];
    enum crmpi_status status = CRMPI_OK;
    FILE *info;

    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", descriptor->fd);
    if (!(info = fopen(path, "re")))
        return CRMPI_ERR_SYSTEM;
    while (status == CRMPI_OK && fgets(line, sizeof line, info)) {
        struct lock lock = {.fd = descriptor->fd}, *more;

        if (!lock_parse(line, &lock))
            continue;
        snprintf(lock.path, sizeof lock.path, "%.255s", descriptor->path);
        if (lock.kind <= 0) {
            snprintf(why, why_bytes, "file descriptor %d has a %s (%s)", descriptor->fd,
                     lock.kind ? "lease that is being broken"
                               : "lock of a kind that cannot be restored",
                     descriptor->path);
            status = CRMPI_ERR_UNSUPPORTED;
        } else if ((more = reallocarray(locks->list, locks->n + 1, sizeof *more))) {
            locks->list = more;
            locks->list[locks->n++] = lock;
        } else {
            status = CRMPI_ERR_NOMEM;
        }
    }
    fclose(info);
    return status;
}

enum crmpi_status crmpi_locks_save(const struct crmpi_descriptor *list, size_t n,
                                   void **data_out, size_t *bytes_out, char *why,
                                   size_t why_bytes)
{
    struct locks locks = {0};
    enum crmpi_status status = CRMPI_OK;

    for (size_t i = 0; status == CRMPI_OK && i < n; i++)
        if (list[i].number == CRMPI_DESCRIPTOR_REGULAR ||
            list[i].number == CRMPI_DESCRIPTOR_DIRECTORY)
            status = locks_of(&locks, &list[i], why, why_bytes);
    if (status != CRMPI_OK) {
        free(locks.list);
        return status;
    }
    *data_out = locks.list;
    *bytes_out = locks.n * sizeof *locks.list;
    return CRMPI_OK;
}

/* 0 if it was taken. */
static int lock_take(const struct lock *lock)
{
    struct flock range = {.l_type = (short)lock->type,
                          .l_whence = SEEK_SET,
                          .l_start = lock->start,
                          .l_len = lock->length};

    switch (lock->kind) {
    case LOCK_FLOCK:
        return flock(lock->fd, (lock->type == F_RDLCK ? LOCK_SH : LOCK_EX) | LOCK_NB);
    case LOCK_POSIX:
        return fcntl(lock->fd, F_SETLK, &range);
    case LOCK_OPEN_FILE:
        return fcntl(lock->fd, F_OFD_SETLK, &range);
    case LOCK_LEASE:
        return fcntl(lock->fd, F_SETLEASE, lock->type);
    default:
        errno = EINVAL;
        return -1;
    }
}

/* Who else has it, for the message. */
static void holder_find(const struct lock *lock, char *text, size_t bytes)
{
    struct flock range = {.l_type = (short)lock->type,
                          .l_whence = SEEK_SET,
                          .l_start = lock->start,
                          .l_len = lock->length};

    text[0] = 0;
    if (lock->kind == LOCK_POSIX && fcntl(lock->fd, F_GETLK, &range) == 0 &&
        range.l_type != F_UNLCK)
        snprintf(text, bytes, ", process %d has it", (int)range.l_pid);
}

enum crmpi_status crmpi_locks_restore(const void *data, size_t bytes)
{
    const struct lock *locks = data;

    if (bytes % sizeof *locks) {
        crmpi_error("the checkpoint's list of locks is damaged");
        return CRMPI_ERR_CORRUPT;
    }
    for (size_t i = 0; i < bytes / sizeof *locks; i++) {
        char holder[64];

        if (lock_take(&locks[i]) == 0)
            continue;
        int error = errno;

        holder_find(&locks[i], holder, sizeof holder);
        crmpi_error("the lock on %.255s that the program had cannot be taken again: %s%s",
                    locks[i].path, strerror(error), holder);
        return CRMPI_ERR_UNFIT;
    }
    return CRMPI_OK;
}
