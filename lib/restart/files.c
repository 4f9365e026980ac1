/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Opening the application's files again (see capture/files.h).  Lower half, at a restart.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "capture/files.h"
#include "lower/descriptors.h"
#include "restart/socket.h"

#ifndef TFD_IOC_SET_TICKS /* of linux/timerfd.h, which does not go with sys/timerfd.h */
#define TFD_IOC_SET_TICKS _IOW('T', 0, uint64_t)
#endif
#define MAX_FILES (1ul << 20)

/* The record, taken apart and checked; 0 if it is whole. */
static int record_parse(const void *data, size_t bytes, const struct crmpi_file **files_out,
                        size_t *n_out, const char **contents_out)
{
    const uint64_t *n = data;
    uint64_t contents = 0;

    if (bytes < 8 || *n > MAX_FILES || bytes < 8 + *n * sizeof(struct crmpi_file))
        return -1;
    const struct crmpi_file *files = (const struct crmpi_file *)(n + 1);

    for (size_t i = 0; i < *n; i++) {
        if (files[i].fd < 0 || (uint64_t)files[i].fd > MAX_FILES ||
            files[i].data_bytes > bytes ||
            memchr(files[i].path, 0, sizeof files[i].path) == NULL)
            return -1;
        contents += files[i].data_bytes;
    }
    if (bytes != 8 + *n * sizeof *files + contents)
        return -1;
    *files_out = files;
    *n_out = *n;
    *contents_out = (const char *)(files + *n);
    return 0;
}

static enum crmpi_status corrupt(void)
{
    crmpi_error("the checkpoint's list of open files is damaged");
    return CRMPI_ERR_CORRUPT;
}

enum crmpi_status crmpi_files_reserve(const void *data, size_t bytes)
{
    const struct crmpi_file *files;
    const char *contents;
    size_t n;

    if (record_parse(data, bytes, &files, &n, &contents) != 0)
        return corrupt();
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    for (size_t i = 0; i < n; i++)
        if (files[i].fd > 2 && files[i].fd != null && fcntl(files[i].fd, F_GETFD) < 0 &&
            dup3(null, files[i].fd, O_CLOEXEC) < 0) {
            crmpi_error("cannot use file descriptor %d: %s: raise the limit on open files "
                        "(ulimit -n)",
                        files[i].fd, strerror(errno));
            return CRMPI_ERR_SYSTEM;
        }
    for (size_t i = 0; i < n; i++)
        if (files[i].fd == null)
            return CRMPI_OK;
    close(null);
    return CRMPI_OK;
}

static enum crmpi_status cannot(const struct crmpi_file *file, const char *what)
{
    crmpi_error("cannot restore file descriptor %d, %s: %s", file->fd, file->path, what);
    return CRMPI_ERR_SYSTEM;
}

/* Put @p fd under the file's own number. */
static enum crmpi_status place(const struct crmpi_file *file, int fd)
{
    if (fd < 0)
        return cannot(file, strerror(errno));
    if (fd != file->fd) {
        if (dup2(fd, file->fd) < 0)
            return cannot(file, strerror(errno));
        close(fd);
    }
    crmpi_descriptor_give(file->fd);
    return CRMPI_OK;
}

static enum crmpi_status open_regular(const struct crmpi_file *file, int truncate)
{
    int writes = (file->flags & O_ACCMODE) != O_RDONLY;
    int fd = open(file->path, file->flags & ~(O_CREAT | O_EXCL | O_TRUNC));
    struct stat about;

    if (fd < 0)
        return cannot(file, strerror(errno));
    if (fstat(fd, &about) != 0 || (!S_ISREG(about.st_mode) && !S_ISDIR(about.st_mode))) {
        close(fd);
        return cannot(file, "it is no longer a file");
    }
    if (writes && (uint64_t)about.st_size < file->size) {
        close(fd);
        return cannot(file, "it is shorter than it was at the checkpoint: put the file back "
                            "as it was then, or a later state of it");
    }
    if (writes && truncate && (uint64_t)about.st_size > file->size &&
        ftruncate(fd, file->size) != 0) {
        close(fd);
        return cannot(file, strerror(errno));
    }
    lseek(fd, file->offset, SEEK_SET);
    return place(file, fd);
}

static enum crmpi_status write_all(int fd, const char *data, size_t bytes)
{
    while (bytes > 0) {
        ssize_t n = write(fd, data, bytes);

        if (n < 0 && errno != EINTR)
            return CRMPI_ERR_SYSTEM;
        if (n > 0) {
            data += n;
            bytes -= n;
        }
    }
    return CRMPI_OK;
}

/* A file without a name comes back as another one, where temporary files go. */
static enum crmpi_status open_unlinked(const struct crmpi_file *file, const char *contents)
{
    const char *directory = getenv("TMPDIR");
    char path[4096];

    snprintf(path, sizeof path, "%s/crmpi-XXXXXX", directory ? directory : "/tmp");
    int first = mkstemp(path);

    if (first < 0 || write_all(first, contents, file->data_bytes) != CRMPI_OK ||
        ftruncate(first, file->size) != 0) {
        if (first >= 0) {
            unlink(path);
            close(first);
        }
        return cannot(file, strerror(errno));
    }
    int fd = open(path, file->flags & ~(O_CREAT | O_EXCL | O_TRUNC | __O_TMPFILE));

    unlink(path);
    close(first);
    if (fd >= 0)
        lseek(fd, file->offset, SEEK_SET);
    return place(file, fd);
}

static const struct crmpi_file *find(const struct crmpi_file *files, size_t n, int fd)
{
    for (size_t i = 0; i < n; i++)
        if (files[i].fd == fd)
            return &files[i];
    return NULL;
}

/* Both ends at once, when the first of them is met; a further descriptor of the same pipe
 * opens it through /proc. */
static enum crmpi_status open_pipe(const struct crmpi_file *files, size_t n,
                                   const struct crmpi_file *file)
{
    for (const struct crmpi_file *made = files; made < file; made++)
        if (made->kind == CRMPI_FILE_PIPE && made->identity[1] == file->identity[1]) {
            char path[64];

            if (made->other == file->fd)
                return CRMPI_OK; /* placed with its other end */
            snprintf(path, sizeof path, "/proc/self/fd/%d", made->fd);
            return place(file, open(path, file->flags & (O_ACCMODE | O_NONBLOCK)));
        }
    int ends[2];
    const struct crmpi_file *other = find(files, n, file->other);

    if (!other || pipe(ends) != 0)
        return cannot(file, other ? strerror(errno) : "its other end is missing");
    int is_reader = (file->flags & O_ACCMODE) == O_RDONLY;

    enum crmpi_status status = place(file, ends[is_reader ? 0 : 1]);

    if (status == CRMPI_OK)
        status = place(other, ends[is_reader ? 1 : 0]);
    if (status == CRMPI_OK) {
        fcntl(file->fd, F_SETFL, file->flags);
        fcntl(other->fd, F_SETFL, other->flags);
    }
    return status;
}

/* Both ends at once, as of a pipe; or one whose other end was closed after what waits in
 * it had been sent. */
static enum crmpi_status open_socket(const struct crmpi_file *files, size_t n,
                                     const struct crmpi_file *file, const char *contents)
{
    const struct crmpi_socket *saved = crmpi_socket_parse(contents, file->data_bytes);
    const struct crmpi_file *other = find(files, n, file->other);
    enum crmpi_status status;
    int other_fd;

    if (!saved || (saved->peer != 0) != (other != NULL) ||
        (other && (other->kind != CRMPI_FILE_SOCKET || other->other != file->fd)))
        return corrupt();
    if (other && other->fd < file->fd)
        return CRMPI_OK; /* placed with its other end */
    int fd = crmpi_socket_make(saved, &other_fd);

    if (fd < 0)
        return cannot(file, strerror(errno));
    fcntl(fd, F_SETFL, file->flags);
    if (other) {
        fcntl(other_fd, F_SETFL, other->flags);
        status = place(other, other_fd);
        return status == CRMPI_OK ? place(file, fd) : status;
    }
    if (saved->is_paired) {
        if (crmpi_socket_fill(saved, other_fd) != 0)
            return cannot(file, strerror(errno));
        if (saved->is_reset)
            send(fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        close(other_fd);
    }
    return place(file, fd);
}

/* On the machine's clock, in the form the kernel takes it: not 0, which is never. */
static struct timespec time_of(int64_t ns)
{
    if (ns <= 0)
        ns = 1;
    return (struct timespec){ns / 1000000000, ns % 1000000000};
}

static enum crmpi_status open_timerfd(const struct crmpi_file *file, const char *contents)
{
    struct crmpi_timerfd timer;
    struct itimerspec value = {0};

    if (file->data_bytes != sizeof timer)
        return corrupt();
    memcpy(&timer, contents, sizeof timer);
    int is_by_date = crmpi_timerfd_is_by_date(&timer);
    int64_t now_ns = crmpi_timerfd_now(&timer);
    int fd = timerfd_create(timer.clock, file->flags & O_NONBLOCK ? TFD_NONBLOCK : 0);

    if (fd < 0)
        return cannot(file, strerror(errno));
    if (timer.period_ns && timer.next_ns && timer.next_ns <= now_ns) {
        int64_t n = (now_ns - timer.next_ns) / timer.period_ns + 1;

        timer.next_ns += n * timer.period_ns;
        timer.expired += n;
    }
    if (timer.period_ns)
        value.it_interval = time_of(timer.period_ns);
    if (timer.next_ns)
        value.it_value = time_of(timer.next_ns - (is_by_date ? 0 : now_ns));
    if (timerfd_settime(fd, is_by_date ? timer.flags : 0, &value, NULL) != 0) {
        close(fd);
        return cannot(file, strerror(errno));
    }
    if (timer.expired && ioctl(fd, TFD_IOC_SET_TICKS, &timer.expired) != 0) {
        /* a kernel without CONFIG_CHECKPOINT_RESTORE: it expires once more, now */
        value.it_value = time_of(1);
        timerfd_settime(fd, 0, &value, NULL);
    }
    return place(file, fd);
}

static enum crmpi_status restore_one(const struct crmpi_file *files, size_t n,
                                     const struct crmpi_file *file, const char *contents,
                                     int truncate)
{
    switch (file->kind) {
    case CRMPI_FILE_REGULAR:
    case CRMPI_FILE_DIRECTORY:
        return open_regular(file, truncate);
    case CRMPI_FILE_UNLINKED:
        return open_unlinked(file, contents);
    case CRMPI_FILE_DEVICE:
        return place(file, open(file->path, file->flags | O_NOCTTY));
    case CRMPI_FILE_STANDARD:
        return file->fd == file->other ? CRMPI_OK : place(file, dup(file->other));
    case CRMPI_FILE_INHERITED:
        return place(file, open("/dev/null", O_RDWR));
    case CRMPI_FILE_EVENTFD:
        return place(file, eventfd(file->size, file->flags & O_NONBLOCK ? EFD_NONBLOCK : 0));
    case CRMPI_FILE_EPOLL:
        return place(file, epoll_create1(0));
    case CRMPI_FILE_SOCKET:
        return open_socket(files, n, file, contents);
    case CRMPI_FILE_TIMERFD:
        return open_timerfd(file, contents);
    case CRMPI_FILE_SIGNALFD:
        return place(file, syscall(SYS_signalfd4, -1, &file->size, sizeof file->size,
                                   file->flags & O_NONBLOCK));
    case CRMPI_FILE_DUPLICATE:
        return place(file, dup(file->other));
    case CRMPI_FILE_PIPE:
        return open_pipe(files, n, file);
    default:
        return corrupt();
    }
}

/* What needs all descriptors in place: epoll sets, the contents of pipes and sockets. */
static enum crmpi_status restore_contents(const struct crmpi_file *file, const char *contents)
{
    if (file->kind == CRMPI_FILE_EPOLL)
        for (size_t at = 0; at + sizeof(struct crmpi_watch) <= file->data_bytes;
             at += sizeof(struct crmpi_watch)) {
            struct crmpi_watch watch;

            memcpy(&watch, contents + at, sizeof watch);
            struct epoll_event event = {.events = watch.events, .data.u64 = watch.data};

            if (epoll_ctl(file->fd, EPOLL_CTL_ADD, watch.fd, &event) != 0 && errno != EEXIST)
                return cannot(file, strerror(errno));
        }
    if (file->kind == CRMPI_FILE_PIPE && file->data_bytes &&
        write_all(file->other, contents, file->data_bytes) != CRMPI_OK)
        return cannot(file, strerror(errno));
    if (file->kind == CRMPI_FILE_SOCKET && file->other >= 0 &&
        crmpi_socket_fill((const struct crmpi_socket *)contents, file->other) != 0)
        return cannot(file, strerror(errno));
    if (file->close_on_exec)
        fcntl(file->fd, F_SETFD, FD_CLOEXEC);
    return CRMPI_OK;
}

enum crmpi_status crmpi_files_restore(void *data, size_t bytes, int truncate)
{
    const struct crmpi_file *files;
    const char *contents, *at;
    enum crmpi_status status = CRMPI_OK;
    size_t n;

    if (record_parse(data, bytes, &files, &n, &contents) != 0)
        return corrupt();
    status = crmpi_files_agree((struct crmpi_file *)((uint64_t *)data + 1), n);
    at = contents;
    for (size_t i = 0; status == CRMPI_OK && i < n; at += files[i++].data_bytes)
        status = restore_one(files, n, &files[i], at, truncate);
    at = contents;
    for (size_t i = 0; status == CRMPI_OK && i < n; at += files[i++].data_bytes)
        status = restore_contents(&files[i], at);
    at = contents;
    for (size_t i = 0; status == CRMPI_OK && i < n; at += files[i++].data_bytes)
        if (files[i].kind == CRMPI_FILE_SOCKET)
            crmpi_socket_finish((const struct crmpi_socket *)at, files[i].fd);
    return status;
}
