/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Small text files, see note.h.  Lower half and tools.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/log.h"
#include "storage/directory.h"
#include "storage/file.h"
#include "storage/note.h"

static enum crmpi_status failed(const char *what, const char *path)
{
    int error = errno;

    crmpi_error("cannot %s %s: %s", what, path, strerror(error));
    return crmpi_file_status(error);
}

static enum crmpi_status path_make(char path[CRMPI_PATH_BYTES], const char *dir,
                                   const char *name, const char *suffix)
{
    if (snprintf(path, CRMPI_PATH_BYTES, "%s/%s%s", dir, name, suffix) < CRMPI_PATH_BYTES)
        return CRMPI_OK;
    crmpi_error("the path of the checkpoint directory is too long: %s", dir);
    return CRMPI_ERR_USAGE;
}

static enum crmpi_status new_write(const char *path, const char *text)
{
    size_t bytes = strlen(text);
    enum crmpi_status status;
    int fd, written;

    unlink(path);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return failed("make", path);
    written = write(fd, text, bytes) == (ssize_t)bytes && fsync(fd) == 0;
    if (close(fd) == 0 && written)
        return CRMPI_OK;
    status = failed("write", path);
    unlink(path);
    return status;
}

enum crmpi_status crmpi_note_put(const char *dir, const char *name, const char *text)
{
    char path[CRMPI_PATH_BYTES], new_path[CRMPI_PATH_BYTES];
    enum crmpi_status status = path_make(path, dir, name, "");

    if (status == CRMPI_OK)
        status = path_make(new_path, dir, name, CRMPI_TMP_SUFFIX);
    if (status == CRMPI_OK)
        status = new_write(new_path, text);
    if (status != CRMPI_OK || rename(new_path, path) == 0)
        return status;
    status = failed("write", path);
    unlink(new_path);
    return status;
}

enum crmpi_status crmpi_note_put_first(const char *dir, const char *name,
                                       const char *text, unsigned long self)
{
    char path[CRMPI_PATH_BYTES], new_path[CRMPI_PATH_BYTES], suffix[40];
    enum crmpi_status status = path_make(path, dir, name, "");

    snprintf(suffix, sizeof suffix, ".%lu" CRMPI_TMP_SUFFIX, self);
    if (status == CRMPI_OK && access(path, F_OK) == 0)
        return CRMPI_ERR_PERMISSION;
    if (status == CRMPI_OK)
        status = path_make(new_path, dir, name, suffix);
    if (status == CRMPI_OK)
        status = new_write(new_path, text);
    if (status != CRMPI_OK)
        return status;
    if (link(new_path, path) != 0)
        status = errno == EEXIST ? CRMPI_ERR_PERMISSION : failed("write", path);
    unlink(new_path);
    return status;
}

enum crmpi_status crmpi_note_get(const char *dir, const char *name, char *text_out,
                                 size_t bytes)
{
    char path[CRMPI_PATH_BYTES];
    uint64_t size;
    ssize_t got;
    int fd;
    enum crmpi_status status = path_make(path, dir, name, "");

    if (status == CRMPI_OK && access(path, F_OK) != 0)
        return errno == ENOENT || errno == ENOTDIR ? CRMPI_ERR_NOTFOUND
                                                   : failed("read", path);
    if (status != CRMPI_OK || (status = crmpi_input_open(path, &fd, &size)) != CRMPI_OK)
        return status;
    got = read(fd, text_out, bytes - 1);
    close(fd);
    if (got < 0)
        return failed("read", path);
    text_out[got] = '\0';
    return CRMPI_OK;
}

void crmpi_note_remove(const char *dir, const char *name)
{
    char path[CRMPI_PATH_BYTES];

    if (path_make(path, dir, name, "") == CRMPI_OK && unlink(path) != 0 &&
        errno != ENOENT)
        crmpi_warn("cannot remove %s: %s", path, strerror(errno));
}

static enum crmpi_status sweep_one(int fd, const char *folder, const char *entry,
                                   void *context)
{
    size_t n = strlen(entry), suffix = strlen(CRMPI_TMP_SUFFIX), name = strlen(context);

    if (n >= name + suffix && strncmp(entry, context, name) == 0 && entry[name] == '.' &&
        strcmp(entry + n - suffix, CRMPI_TMP_SUFFIX) == 0 && unlinkat(fd, entry, 0) != 0)
        crmpi_warn("cannot remove %s/%s: %s", folder, entry, strerror(errno));
    return CRMPI_OK;
}

void crmpi_note_sweep(const char *dir, const char *name)
{
    crmpi_entries_visit(dir, sweep_one, (void *)(uintptr_t)name);
}
