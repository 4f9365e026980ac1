/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writing and reading of files by plain system calls, see file.h.  Lower half and tools.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>
#include "base/fault.h"
#include "base/log.h"
#include "storage/file.h"

#define SEGMENTS_AT_ONCE 256

enum crmpi_status crmpi_file_status(int error)
{
    switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return CRMPI_ERR_NOSPACE;
    case EACCES:
    case EPERM:
    case EROFS:
    case ELOOP:
        return CRMPI_ERR_PERMISSION;
    case ENOENT:
    case ENOTDIR:
        return CRMPI_ERR_NOTFOUND;
    case ENOMEM:
        return CRMPI_ERR_NOMEM;
    case EFAULT:
        return CRMPI_ERR_SYSTEM;
    default:
        return CRMPI_ERR_IO;
    }
}

static enum crmpi_status failed(const char *what, const char *path, int error)
{
    crmpi_error("cannot %s %s: %s", what, path, strerror(error));
    return crmpi_file_status(error);
}

/* Whether a file may be written over: an ordinary one, ours, and under no other name. */
static int is_spare(int fd)
{
    struct stat info;
    return fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_uid == geteuid() &&
           info.st_nlink == 1;
}

/* Make the spare file in the folder of tmp into tmp, and open it; -1 if there is none. */
static int spare_take(const char *tmp)
{
    const char *slash = strrchr(tmp, '/');
    char *spare;
    int fd = -1;
    if (asprintf(&spare, "%.*s" CRMPI_SPARE_NAME, slash ? (int)(slash - tmp + 1) : 0,
                 tmp) < 0)
        return -1;
    if (rename(spare, tmp) == 0)
        fd = open(tmp, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    free(spare);
    if (fd >= 0 && !is_spare(fd)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Whether a descriptor is the output's. */
static int is_output(const struct crmpi_output *output, int fd)
{
    struct stat info;
    return fd >= 0 && fstat(fd, &info) == 0 && info.st_dev == output->device &&
           info.st_ino == output->inode;
}

static int identity_note(struct crmpi_output *output)
{
    struct stat info;
    if (fstat(output->fd, &info) != 0)
        return errno;
    output->device = info.st_dev;
    output->inode = info.st_ino;
    return 0;
}

/* Open PATH.tmp; returns 0 or an errno. */
static int tmp_open(struct crmpi_output *output)
{
    int error = crmpi_fault("storage.create");
    if (error)
        return error;
    output->fd = spare_take(output->tmp);
    if (output->fd < 0) {
        unlink(output->tmp);
        output->fd = open(output->tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    }
    if (output->fd < 0)
        return errno;
    fchmod(output->fd, 0600); /* whatever the umask */
    return identity_note(output);
}

enum crmpi_status crmpi_output_reclaim(struct crmpi_output *output)
{
    if (is_output(output, output->fd))
        return CRMPI_OK;
    crmpi_info("the program has closed the descriptor of %s", output->tmp);
    output->fd = open(output->tmp, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (is_output(output, output->fd))
        return CRMPI_OK;
    if (output->fd >= 0)
        close(output->fd);
    output->fd = -1;
    crmpi_error("cannot write %s: it is another file now", output->tmp);
    return CRMPI_ERR_IO;
}

enum crmpi_status crmpi_output_open(const char *path, struct crmpi_output *output_out)
{
    struct crmpi_output output = {.fd = -1};
    int error;

    output.path = strdup(path);
    if (!output.path || asprintf(&output.tmp, "%s" CRMPI_TMP_SUFFIX, path) < 0) {
        free(output.path);
        crmpi_error("no memory to create %s", path);
        return CRMPI_ERR_NOMEM;
    }
    if ((error = tmp_open(&output)) != 0) {
        enum crmpi_status status = failed("create", output.tmp, error);
        if (output.fd >= 0)
            close(output.fd);
        free(output.path);
        free(output.tmp);
        return status;
    }
    *output_out = output;
    return CRMPI_OK;
}

enum crmpi_status crmpi_output_reserve(const struct crmpi_output *output, uint64_t bytes)
{
    struct statfs system;
    int error = crmpi_fault("storage.reserve");
    /* In memory it would mean to clear pages that are going to be written. */
    if (!error && (fstatfs(output->fd, &system) != 0 || system.f_type == TMPFS_MAGIC))
        return CRMPI_OK;
    while (!error && fallocate(output->fd, 0, 0, (off_t)bytes) != 0)
        if (errno != EINTR)
            error = errno;
    /* Whatever else is wrong, the writes will tell; many systems just cannot do it. */
    return error && crmpi_file_status(error) == CRMPI_ERR_NOSPACE
               ? failed("write", output->tmp, error)
               : CRMPI_OK;
}

/* The part of iov behind the first done bytes, at most SEGMENTS_AT_ONCE pieces of it. */
static int rest_of(const struct iovec *iov, size_t n_iov, size_t done,
                   struct iovec *rest_out)
{
    int n = 0;
    for (size_t i = 0; i < n_iov && n < SEGMENTS_AT_ONCE; i++) {
        if (done >= iov[i].iov_len) {
            done -= iov[i].iov_len;
            continue;
        }
        rest_out[n].iov_base = (char *)iov[i].iov_base + done;
        rest_out[n++].iov_len = iov[i].iov_len - done;
        done = 0;
    }
    return n;
}

/* Where a fault asks for a short transfer: half of the first segment. */
static int shorten(struct iovec *iov)
{
    if (iov[0].iov_len > 1)
        iov[0].iov_len /= 2;
    return 1;
}

static size_t bytes_in(const struct iovec *iov, size_t n_iov)
{
    size_t bytes = 0;
    for (size_t i = 0; i < n_iov; i++)
        bytes += iov[i].iov_len;
    return bytes;
}

typedef ssize_t transfer_fn(int fd, const struct iovec *iov, int n_iov, off_t offset);

/*
 * Repeat pwritev() or preadv() until all is transferred.
 * Returns 0, an errno, or -1 if there is no more to read.
 */
static int transfer(transfer_fn *call, const char *point, int fd, const struct iovec *iov,
                    size_t n_iov, uint64_t offset)
{
    struct iovec rest[SEGMENTS_AT_ONCE];
    size_t done = 0, bytes = bytes_in(iov, n_iov);

    while (done < bytes) {
        int n = rest_of(iov, n_iov, done, rest);
        int fault = crmpi_fault(point);
        ssize_t moved = -1;
        if (fault == CRMPI_FAULT_SHORT)
            n = shorten(rest);
        if (fault > 0)
            errno = fault;
        else
            moved = call(fd, rest, n, (off_t)(offset + done));
        if (moved < 0 && errno == EINTR)
            continue;
        if (moved < 0)
            return errno;
        if (moved == 0)
            return -1;
        done += (size_t)moved;
    }
    return 0;
}

int crmpi_file_write(int fd, const struct iovec *iov, size_t n, uint64_t offset)
{
    int error = transfer(pwritev, "storage.write", fd, iov, n, offset);
    return error < 0 ? EIO : error;
}

enum crmpi_status crmpi_output_write(const struct crmpi_output *output,
                                     const struct iovec *iov, size_t n_iov,
                                     uint64_t offset)
{
    int error = crmpi_file_write(output->fd, iov, n_iov, offset);
    return error ? failed("write", output->tmp, error) : CRMPI_OK;
}

/* Bring the file to its size, which it has or exceeds; returns 0 or an errno. */
static int size_set(int fd, uint64_t bytes)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return errno;
    if ((uint64_t)info.st_size < bytes)
        return EIO; /* somebody else has cut it */
    return (uint64_t)info.st_size > bytes && ftruncate(fd, (off_t)bytes) != 0 ? errno : 0;
}

static int sync_fault(int fd)
{
    int error = crmpi_fault("storage.fsync");
    return !error && fsync(fd) != 0 ? errno : error;
}

/* Have the names in the folder of a file on the disk, and the folder's own: it may be new.
 * Returns 0 or an errno. */
static int names_sync(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder;
    int error = 0;
    if (asprintf(&folder, "%.*s", slash ? (int)(slash - path) + 1 : 1,
                 slash ? path : ".") < 0)
        return ENOMEM;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int above = fd < 0 ? -1 : openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || above < 0)
        error = errno;
    if (!error)
        error = sync_fault(fd);
    if (!error)
        error = sync_fault(above);
    if (above >= 0)
        close(above);
    if (fd >= 0)
        close(fd);
    free(folder);
    return error;
}

enum crmpi_status crmpi_output_commit(struct crmpi_output *output, uint64_t bytes,
                                      int sync)
{
    enum crmpi_status status = CRMPI_OK;
    int error = is_output(output, output->fd) ? size_set(output->fd, bytes) : EBADF;

    if (!error && sync)
        error = sync_fault(output->fd);
    if (!error)
        error = crmpi_fault("storage.close");
    if (is_output(output, output->fd) && close(output->fd) != 0 && !error)
        error = errno; /* a network file system may tell only now */
    output->fd = -1;
    if (error) {
        status = failed("write", output->tmp, error);
    } else {
        int replaces = access(output->path, F_OK) == 0;
        error = crmpi_fault("storage.rename");
        if (!error && rename(output->tmp, output->path) != 0)
            error = errno;
        if (!error && sync && (error = names_sync(output->path)) != 0 && !replaces)
            unlink(output->path);
        if (error)
            status = failed("put into place", output->path, error);
    }
    if (status != CRMPI_OK) {
        crmpi_output_abandon(output);
        return status;
    }
    free(output->path);
    free(output->tmp);
    return CRMPI_OK;
}

void crmpi_output_abandon(struct crmpi_output *output)
{
    if (is_output(output, output->fd))
        close(output->fd);
    if (unlink(output->tmp) != 0 && errno != ENOENT)
        crmpi_warn("cannot remove %s: %s", output->tmp, strerror(errno));
    free(output->path);
    free(output->tmp);
}

/* Whether a file or directory is ours or root's alone to write. */
static enum crmpi_status trust(const struct stat *info, const char *path)
{
    if (info->st_uid != geteuid() && info->st_uid != 0) {
        crmpi_error("%s is not used: it belongs to user %u, not to you (user %u) or root",
                    path, (unsigned)info->st_uid, (unsigned)geteuid());
        return CRMPI_ERR_PERMISSION;
    }
    if (info->st_mode & (S_IWGRP | S_IWOTH)) {
        crmpi_error(
            "%s is not used: others may write it (mode %03o); chmod go-w it if you "
            "know that nobody did",
            path, (unsigned)info->st_mode & 0777);
        return CRMPI_ERR_PERMISSION;
    }
    return CRMPI_OK;
}

enum crmpi_status crmpi_input_open(const char *path, int *fd_out, uint64_t *bytes_out)
{
    enum crmpi_status status;
    struct stat info;
    int error = crmpi_fault("storage.open"), fd = -1;

    if (!error && (fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)) < 0)
        error = errno;
    if (!error && fstat(fd, &info) != 0)
        error = errno;
    if (error) {
        if (fd >= 0)
            close(fd);
        return failed("open", path, error);
    }
    status = trust(&info, path);
    if (status == CRMPI_OK && !S_ISREG(info.st_mode)) {
        crmpi_error("%s is not a regular file", path);
        status = CRMPI_ERR_FORMAT;
    }
    if (status != CRMPI_OK) {
        close(fd);
        return status;
    }
    *fd_out = fd;
    *bytes_out = (uint64_t)info.st_size;
    return CRMPI_OK;
}

enum crmpi_status crmpi_input_read(int fd, const char *path, const struct iovec *iov,
                                   size_t n_iov, uint64_t offset)
{
    int error = transfer(preadv, "storage.read", fd, iov, n_iov, offset);
    if (error < 0) {
        crmpi_error("%s is damaged: it ends too early", path);
        return CRMPI_ERR_CORRUPT;
    }
    return error ? failed("read", path, error) : CRMPI_OK;
}

enum crmpi_status crmpi_directory_trust(int fd, const char *path)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return failed("look at", path, errno);
    return trust(&info, path);
}
