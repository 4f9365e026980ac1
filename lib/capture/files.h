/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The application's open files.  Lower half.
 */
#ifndef CRMPI_CAPTURE_FILES_H
#define CRMPI_CAPTURE_FILES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/timerfd.h>
#include <time.h>
#include "base/status.h"

enum crmpi_file_kind {
    CRMPI_FILE_REGULAR = 1, /* opened again by its path */
    CRMPI_FILE_UNLINKED,    /* a regular file without a name: its contents are saved */
    CRMPI_FILE_DIRECTORY,
    CRMPI_FILE_DEVICE,      /* a character device, by its path */
    CRMPI_FILE_STANDARD,    /* the launcher's stdin, stdout or stderr: the new one's */
    CRMPI_FILE_PIPE,        /* both ends in this process */
    CRMPI_FILE_EVENTFD,
    CRMPI_FILE_EPOLL,
    CRMPI_FILE_DUPLICATE,   /* shares the open file of another descriptor */
    CRMPI_FILE_INHERITED,   /* a pipe or socket the process was started with, such as a make
                               job server's: nothing comes of it any more */
    CRMPI_FILE_SOCKET,      /* see capture/socket.h */
    CRMPI_FILE_TIMERFD,
    CRMPI_FILE_SIGNALFD,
};

/* A descriptor; record /task/files is an array of these, then the files' data. */
struct crmpi_file {
    int32_t fd;
    int32_t kind;         /* enum crmpi_file_kind */
    int32_t flags;        /* O_* as fcntl(F_GETFL) gives them */
    int32_t close_on_exec;
    int32_t other;        /* duplicate: the descriptor whose open file it shares; standard:
                             0, 1 or 2; pipe, socket: a descriptor of the other end, or -1 */
    uint32_t mode;        /* of a regular file, to create it again */
    uint64_t offset;
    uint64_t size;        /* regular: to cut it to; eventfd: its count;
                             signalfd: its mask; socket: the inode of the other end, or 0 */
    uint64_t identity[2]; /* device and inode: which descriptors belong together */
    uint64_t data_bytes;  /* contents of an unlinked file or a pipe; epoll: entries;
                             socket, timerfd: their structures */
    char path[4096];
};

/* An entry of an epoll set, in its data. */
struct crmpi_watch {
    int32_t fd;
    uint32_t events;
    uint64_t data;
};

/* A timerfd, in its data. */
struct crmpi_timerfd {
    int32_t clock;
    int32_t flags;     /* of timerfd_settime() */
    int64_t next_ns;   /* when it expires next; 0: not at all.  On the application's
                          monotonic clock, or the time of day if it was set to that */
    int64_t period_ns; /* 0: once */
    uint64_t expired;  /* how often, since it was read */
};

/** Whether it was set to a time of day. */
static inline int crmpi_timerfd_is_by_date(const struct crmpi_timerfd *timer)
{
    return timer->flags & TFD_TIMER_ABSTIME &&
           (timer->clock == CLOCK_REALTIME || timer->clock == CLOCK_REALTIME_ALARM);
}

/** The application's clock (boundary/control.h), or the time of day, in nanoseconds. */
int64_t crmpi_timerfd_now(const struct crmpi_timerfd *timer);

/** Note what the process was started with: the launcher's stdin, stdout and stderr, and
 * other pipes and sockets; at the host's start and restart. */
void crmpi_files_start(void);

/**
 * Describe all open files of the application.
 * @param[out] data_out  the record, from malloc()
 * @param[out] why       on CRMPI_ERR_UNSUPPORTED: the descriptor that cannot be saved
 */
enum crmpi_status crmpi_files_save(void **data_out, size_t *bytes_out, char *why,
                                   size_t why_bytes);

/** Say why the open files cannot be saved now; 0 if they can. */
int crmpi_files_refusal(char *why, size_t why_bytes);

/** Occupy the numbers of the saved descriptors, so that no library below takes them. */
enum crmpi_status crmpi_files_reserve(const void *data, size_t bytes);

/** Agree with the other ranks on the lengths of files that several of them write.
 * Collective.  (restart/agree.c) */
enum crmpi_status crmpi_files_agree(struct crmpi_file *files, size_t n_files);

/** Open the files again under their numbers; collective.  @p data is changed.
 * @param truncate  cut files that were open for writing to the size they had */
enum crmpi_status crmpi_files_restore(void *data, size_t bytes, int truncate);

#endif
