/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The application's open files: what each descriptor refers to, and how it comes back (see
 * files.h).  Lower half.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "boundary/control.h"
#include "capture/files.h"
#include "capture/socket.h"
#include "lower/descriptors.h"

#define MAX_DATA (4ul << 30)   /* of all unlinked files and pipes together */

/* What the process was started with: stdin, stdout, stderr, and others. */
#define MAX_INHERITED 1024
static struct {
    dev_t device;
    ino_t inode; /* 0: none, or a regular file */
} standard[3], inherited[MAX_INHERITED];
static int n_inherited;

void crmpi_files_start(void)
{
    struct stat about;

    for (int fd = 0; fd < MAX_INHERITED; fd++) {
        if (fstat(fd, &about) != 0 || S_ISREG(about.st_mode) || S_ISDIR(about.st_mode))
            continue;
        if (fd < 3) {
            standard[fd].device = about.st_dev;
            standard[fd].inode = about.st_ino;
        } else if (S_ISFIFO(about.st_mode) || S_ISSOCK(about.st_mode)) {
            inherited[n_inherited].device = about.st_dev;
            inherited[n_inherited++].inode = about.st_ino;
        }
    }
}

static int is_inherited(const struct stat *about)
{
    for (int i = 0; i < n_inherited; i++)
        if (inherited[i].device == about->st_dev && inherited[i].inode == about->st_ino)
            return 1;
    return 0;
}

/* Which of the launcher's three a descriptor is; its own number first, as all three may be
 * one terminal; else -1. */
static int standard_of(int fd, const struct stat *about)
{
    for (int i = -1; i < 3; i++) {
        int k = i < 0 ? fd : i;

        if (k < 3 && standard[k].inode && standard[k].device == about->st_dev &&
            standard[k].inode == about->st_ino)
            return k;
    }
    return -1;
}

/* A growing record: the structures, then the data behind them. */
struct save {
    struct crmpi_file *files;
    size_t n_files, room;
    char *data;
    size_t data_bytes;
    char *why;
    size_t why_bytes;
};

static enum crmpi_status data_append(struct save *save, const void *data, size_t bytes)
{
    char *more = NULL;

    if (bytes <= MAX_DATA && save->data_bytes + bytes <= MAX_DATA)
        more = realloc(save->data, save->data_bytes + bytes + 1);
    if (!more)
        return CRMPI_ERR_NOMEM;
    save->data = more;
    memcpy(more + save->data_bytes, data, bytes);
    save->data_bytes += bytes;
    return CRMPI_OK;
}

static enum crmpi_status refuse(struct save *save, const struct crmpi_file *file,
                                const char *what)
{
    snprintf(save->why, save->why_bytes, "file descriptor %d is %s (%s)", file->fd, what,
             file->path);
    return CRMPI_ERR_UNSUPPORTED;
}

/* The number behind "name:" in /proc/self/fdinfo/FD; -1 if it has none. */
static uint64_t fdinfo(int fd, const char *name, int base)
{
    char path[64], line[512];
    uint64_t value = -1;
    FILE *info;

    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    if (!(info = fopen(path, "re")))
        return -1;
    while (fgets(line, sizeof line, info))
        if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
            value = strtoull(line + strlen(name) + 1, NULL, base);
    fclose(info);
    return value;
}

static enum crmpi_status save_unlinked(struct save *save, struct crmpi_file *file)
{
    char piece[65536];
    ssize_t n;

    file->kind = CRMPI_FILE_UNLINKED;
    if (file->size > MAX_DATA)
        return refuse(save, file, "a deleted file of more than 4 GiB");
    /* opened again through /proc: the descriptor may be for writing only */
    snprintf(piece, sizeof piece, "/proc/self/fd/%d", file->fd);
    int fd = open(piece, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return refuse(save, file, "a deleted file that cannot be read");
    enum crmpi_status status = CRMPI_OK;

    while (status == CRMPI_OK && (n = read(fd, piece, sizeof piece)) > 0) {
        status = data_append(save, piece, n);
        file->data_bytes += n;
    }
    close(fd);
    return status;
}

/* Read what is in a pipe, and put it back. */
static enum crmpi_status save_pipe(struct save *save, struct crmpi_file *file)
{
    int waiting = 0;

    file->kind = CRMPI_FILE_PIPE;
    file->other = -1;
    if ((file->flags & O_ACCMODE) != O_RDONLY || ioctl(file->fd, FIONREAD, &waiting) != 0 ||
        waiting == 0)
        return CRMPI_OK;
    char path[64], *data = malloc(waiting);
    enum crmpi_status status = CRMPI_ERR_NOMEM;

    snprintf(path, sizeof path, "/proc/self/fd/%d", file->fd);
    int back = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

    if (data && back >= 0 && read(file->fd, data, waiting) == waiting) {
        status = data_append(save, data, waiting);
        file->data_bytes = waiting;
        if (write(back, data, waiting) != waiting)
            status = CRMPI_ERR_SYSTEM;
    }
    if (back >= 0)
        close(back);
    free(data);
    return status;
}

static enum crmpi_status save_epoll(struct save *save, struct crmpi_file *file)
{
    char path[64], line[512];
    enum crmpi_status status = CRMPI_OK;
    struct crmpi_watch watch = {0};
    FILE *info;

    file->kind = CRMPI_FILE_EPOLL;
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", file->fd);
    if (!(info = fopen(path, "re")))
        return CRMPI_ERR_SYSTEM;
    while (status == CRMPI_OK && fgets(line, sizeof line, info))
        if (sscanf(line, "tfd: %d events: %x data: %lx", &watch.fd, &watch.events,
                   &watch.data) == 3) {
            status = data_append(save, &watch, sizeof watch);
            file->data_bytes += sizeof watch;
        }
    fclose(info);
    return status;
}

static enum crmpi_status save_socket(struct save *save, struct crmpi_file *file)
{
    char what[256];
    void *data;
    size_t bytes;
    enum crmpi_status status;

    status = crmpi_socket_save(file->fd, &data, &bytes, what, sizeof what);
    if (status == CRMPI_ERR_UNSUPPORTED)
        return refuse(save, file, what);
    if (status != CRMPI_OK)
        return status;
    file->kind = CRMPI_FILE_SOCKET;
    file->size = ((struct crmpi_socket *)data)->peer;
    file->data_bytes = bytes;
    status = data_append(save, data, bytes);
    free(data);
    return status;
}

int64_t crmpi_timerfd_now(const struct crmpi_timerfd *timer)
{
    int is_by_date = crmpi_timerfd_is_by_date(timer);
    struct timespec now;

    clock_gettime(is_by_date ? CLOCK_REALTIME : CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000l + now.tv_nsec +
           (is_by_date ? 0 : crmpi_control->clock_offset_ns);
}

static enum crmpi_status save_timerfd(struct save *save, struct crmpi_file *file)
{
    struct crmpi_timerfd timer = {.clock = fdinfo(file->fd, "clockid", 10),
                                  .flags = fdinfo(file->fd, "settime flags", 8)};
    struct itimerspec left;

    do { /* each expiry is seen once */
        timer.expired = fdinfo(file->fd, "ticks", 10);
        timer.next_ns = crmpi_timerfd_now(&timer);
        if (timerfd_gettime(file->fd, &left) != 0)
            return CRMPI_ERR_SYSTEM;
    } while (fdinfo(file->fd, "ticks", 10) != timer.expired);
    int64_t left_ns = left.it_value.tv_sec * 1000000000l + left.it_value.tv_nsec;

    timer.next_ns = left_ns ? timer.next_ns + left_ns : 0;
    timer.period_ns = left.it_interval.tv_sec * 1000000000l + left.it_interval.tv_nsec;
    file->kind = CRMPI_FILE_TIMERFD;
    file->data_bytes = sizeof timer;
    return data_append(save, &timer, sizeof timer);
}

/* An earlier descriptor with the same open file, sharing its offset; or -1. */
static int shares_open_file(const struct save *save, int fd, const struct stat *about)
{
    for (size_t i = 0; i < save->n_files; i++)
        if (save->files[i].identity[0] == about->st_dev &&
            save->files[i].identity[1] == about->st_ino &&
            syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, save->files[i].fd, fd) == 0)
            return save->files[i].fd;
    return -1;
}

static enum crmpi_status save_regular(struct save *save, struct crmpi_file *file,
                                      const struct stat *about)
{
    struct stat named;

    file->kind = S_ISDIR(about->st_mode) ? CRMPI_FILE_DIRECTORY : CRMPI_FILE_REGULAR;
    file->offset = lseek(file->fd, 0, SEEK_CUR);
    file->size = about->st_size;
    file->mode = about->st_mode & 07777;
    if (stat(file->path, &named) == 0 && named.st_dev == about->st_dev &&
        named.st_ino == about->st_ino)
        return CRMPI_OK;
    return S_ISDIR(about->st_mode) ? refuse(save, file, "a deleted directory")
                                   : save_unlinked(save, file);
}

/* Descriptors that are neither files of a file system nor pipes. */
static enum crmpi_status save_special(struct save *save, struct crmpi_file *file,
                                      mode_t mode)
{
    if (S_ISSOCK(mode))
        return save_socket(save, file);
    if (strcmp(file->path, "anon_inode:[eventpoll]") == 0)
        return save_epoll(save, file);
    if (strcmp(file->path, "anon_inode:[timerfd]") == 0)
        return save_timerfd(save, file);
    if (strcmp(file->path, "anon_inode:[eventfd]") == 0) {
        file->kind = CRMPI_FILE_EVENTFD;
        file->size = fdinfo(file->fd, "eventfd-count", 16);
    } else if (strcmp(file->path, "anon_inode:[signalfd]") == 0) {
        file->kind = CRMPI_FILE_SIGNALFD;
        file->size = fdinfo(file->fd, "sigmask", 16);
    } else {
        return refuse(save, file,
                      S_ISFIFO(mode) ? "a named pipe, which cannot be restored"
                                     : "of a kind that cannot be restored");
    }
    return CRMPI_OK;
}

static enum crmpi_status save_one(struct save *save, int fd)
{
    struct crmpi_file *file = &save->files[save->n_files];
    struct stat about;
    char path[64];
    ssize_t n;

    memset(file, 0, sizeof *file);
    file->fd = fd;
    file->other = -1;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (fstat(fd, &about) != 0 || (n = readlink(path, file->path, sizeof file->path - 1)) < 0)
        return CRMPI_OK; /* closed meanwhile, by a thread below */
    file->flags = fcntl(fd, F_GETFL);
    file->close_on_exec = fcntl(fd, F_GETFD) & FD_CLOEXEC;
    file->identity[0] = about.st_dev;
    file->identity[1] = about.st_ino;
    if ((file->other = standard_of(fd, &about)) >= 0) {
        file->kind = CRMPI_FILE_STANDARD;
    } else if (is_inherited(&about)) {
        file->kind = CRMPI_FILE_INHERITED;
    } else if ((file->other = shares_open_file(save, fd, &about)) >= 0) {
        file->kind = CRMPI_FILE_DUPLICATE;
    } else {
        enum crmpi_status status;

        if (S_ISREG(about.st_mode) || S_ISDIR(about.st_mode))
            status = save_regular(save, file, &about);
        else if (S_ISCHR(about.st_mode))
            file->kind = CRMPI_FILE_DEVICE, status = CRMPI_OK;
        else if (S_ISFIFO(about.st_mode) && file->path[0] != '/')
            status = save_pipe(save, file);
        else
            status = save_special(save, file, about.st_mode);
        if (status != CRMPI_OK)
            return status;
    }
    save->n_files++;
    return CRMPI_OK;
}

static int is_other_end(const struct crmpi_file *file, const struct crmpi_file *other)
{
    if (file->kind != other->kind || file->identity[0] != other->identity[0])
        return 0;
    if (file->kind == CRMPI_FILE_SOCKET)
        return file->size == other->identity[1];
    return file->identity[1] == other->identity[1] &&
           (file->flags & O_ACCMODE) != (other->flags & O_ACCMODE);
}

/* Both ends of a pipe or a connection have to be here: whoever has the other would not
 * come back.  Of a connection the other may have been closed. */
static enum crmpi_status pair_ends(struct save *save)
{
    for (size_t i = 0; i < save->n_files; i++) {
        struct crmpi_file *file = &save->files[i];

        if (file->kind != CRMPI_FILE_PIPE && file->kind != CRMPI_FILE_SOCKET)
            continue;
        for (size_t k = 0; k < save->n_files; k++)
            if (is_other_end(file, &save->files[k]))
                file->other = save->files[k].fd;
        if (file->other < 0 && (file->kind == CRMPI_FILE_PIPE || file->size))
            return refuse(save, file,
                          file->kind == CRMPI_FILE_PIPE ? "a pipe to another process"
                                                        : "a socket to another process");
    }
    return CRMPI_OK;
}

static int by_number(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* The application's descriptors in ascending order, from malloc(). */
static int *descriptors_list(size_t *n_out)
{
    DIR *all = opendir("/proc/self/fd");
    size_t n = 0, room = 256;
    int *list = malloc(room * sizeof *list);

    for (struct dirent *entry; all && list && (entry = readdir(all));) {
        int fd = atoi(entry->d_name);

        if (!isdigit((unsigned char)entry->d_name[0]) || fd == dirfd(all) ||
            crmpi_descriptor_is_lower(fd))
            continue;
        if (n == room) {
            int *more = realloc(list, (room *= 2) * sizeof *list);

            if (!more)
                free(list);
            list = more;
        }
        if (list)
            list[n++] = fd;
    }
    if (list)
        qsort(list, n, sizeof *list, by_number);
    if (all)
        closedir(all);
    *n_out = n;
    return list;
}

enum crmpi_status crmpi_files_save(void **data_out, size_t *bytes_out, char *why,
                                   size_t why_bytes)
{
    struct save save = {.why = why, .why_bytes = why_bytes};
    size_t n = 0;
    int *list = descriptors_list(&n);
    enum crmpi_status status = list ? CRMPI_OK : CRMPI_ERR_NOMEM;

    if (list && !(save.files = calloc(n + 1, sizeof *save.files)))
        status = CRMPI_ERR_NOMEM;
    for (size_t i = 0; status == CRMPI_OK && i < n; i++)
        status = save_one(&save, list[i]);
    if (status == CRMPI_OK)
        status = pair_ends(&save);
    size_t files_bytes = save.n_files * sizeof *save.files;
    uint64_t *record = NULL;

    if (status == CRMPI_OK && !(record = malloc(8 + files_bytes + save.data_bytes)))
        status = CRMPI_ERR_NOMEM;
    if (status == CRMPI_OK) {
        record[0] = save.n_files;
        memcpy(record + 1, save.files, files_bytes);
        memcpy((char *)(record + 1) + files_bytes, save.data, save.data_bytes);
        *data_out = record;
        *bytes_out = 8 + files_bytes + save.data_bytes;
    } else if (status != CRMPI_ERR_UNSUPPORTED) {
        snprintf(why, why_bytes, "cannot describe the open files: %s",
                 crmpi_status_text(status));
    }
    free(list);
    free(save.files);
    free(save.data);
    return status;
}

int crmpi_files_refusal(char *why, size_t why_bytes)
{
    void *data = NULL;
    size_t bytes;
    enum crmpi_status status = crmpi_files_save(&data, &bytes, why, why_bytes);

    free(data);
    return status == CRMPI_OK ? 0 : status;
}
