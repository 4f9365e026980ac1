/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The checkpoint directory: making it, and the names in it.  Lower half and tools.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fault.h"
#include "base/log.h"
#include "storage/container.h"
#include "storage/directory.h"
#include "storage/file.h"

static enum crmpi_status failed(const char *what, const char *path, int error)
{
    crmpi_error("cannot %s %s: %s", what, path, strerror(error));
    return crmpi_file_status(error);
}

/* Open a directory that can be trusted. */
static enum crmpi_status folder_open(const char *path, int *fd_out)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return failed("open directory", path, errno);
    enum crmpi_status status = crmpi_directory_trust(fd, path);
    if (status != CRMPI_OK) {
        close(fd);
        return status;
    }
    *fd_out = fd;
    return CRMPI_OK;
}

enum crmpi_status crmpi_folder_make(const char *path)
{
    int fd, error = crmpi_fault("storage.mkdir");
    if (!error && mkdir(path, 0700) != 0 && errno != EEXIST)
        error = errno;
    if (error)
        return failed("make directory", path, error);
    enum crmpi_status status = folder_open(path, &fd);
    if (status == CRMPI_OK)
        close(fd);
    return status;
}

static enum crmpi_status path_fits(int length, size_t bytes, const char *dir)
{
    if (length >= 0 && (size_t)length < bytes)
        return CRMPI_OK;
    crmpi_error("the path of the checkpoint directory is too long: %s", dir);
    return CRMPI_ERR_USAGE;
}

enum crmpi_status crmpi_directory_create(const char *dir)
{
    static const char *const inner[] = {"", "/ranks", "/lines"};
    char path[CRMPI_PATH_BYTES];
    for (size_t i = 0; i < sizeof inner / sizeof *inner; i++) {
        int length = snprintf(path, sizeof path, "%s%s", dir, inner[i]);
        enum crmpi_status status = path_fits(length, sizeof path, dir);
        if (status != CRMPI_OK || (status = crmpi_folder_make(path)) != CRMPI_OK)
            return status;
    }
    return CRMPI_OK;
}

enum crmpi_status crmpi_rank_folder(const char *dir, uint32_t world_rank, char *path_out,
                                    size_t path_bytes)
{
    int length = snprintf(path_out, path_bytes, "%s/ranks/" CRMPI_NUMBER_FORMAT, dir,
                          (uint64_t)world_rank);
    return path_fits(length, path_bytes, dir);
}

enum crmpi_status crmpi_rank_path(const char *dir, uint32_t world_rank, uint64_t sn,
                                  int make, char *path_out, size_t path_bytes)
{
    char folder[CRMPI_PATH_BYTES];
    enum crmpi_status status = crmpi_rank_folder(dir, world_rank, folder, sizeof folder);
    if (status != CRMPI_OK || (make && (status = crmpi_folder_make(folder)) != CRMPI_OK))
        return status;
    return path_fits(snprintf(path_out, path_bytes,
                              "%s/" CRMPI_NUMBER_FORMAT CRMPI_FILE_SUFFIX, folder, sn),
                     path_bytes, dir);
}

enum crmpi_status crmpi_lines_folder(const char *dir, char *path_out, size_t path_bytes)
{
    return path_fits(snprintf(path_out, path_bytes, "%s/lines", dir), path_bytes, dir);
}

enum crmpi_status crmpi_line_path(const char *dir, uint64_t number, char *path_out,
                                  size_t path_bytes)
{
    return path_fits(snprintf(path_out, path_bytes,
                              "%s/lines/" CRMPI_NUMBER_FORMAT CRMPI_FILE_SUFFIX, dir,
                              number),
                     path_bytes, dir);
}

int crmpi_name_is(const char *name, const char *suffix, uint64_t *number_out)
{
    char again[64];
    uint64_t number;
    if (*name < '0' || *name > '9')
        return 0;
    errno = 0;
    number = strtoull(name, NULL, 10);
    snprintf(again, sizeof again, CRMPI_NUMBER_FORMAT "%s", number, suffix);
    if (errno || strcmp(name, again) != 0)
        return 0;
    *number_out = number;
    return 1;
}

int crmpi_name_is_note(const char *name)
{
    int end = 0;

    return sscanf(name, "%*[0-9]-%*[0-9].%n", &end) == 0 && end > 0 && name[end] != '\0' &&
           strchr(name, '/') == NULL;
}

enum crmpi_status crmpi_entries_visit(const char *folder, crmpi_entry_fn *call,
                                      void *context)
{
    enum crmpi_status result;
    struct dirent *entry;
    int fd;

    if ((result = folder_open(folder, &fd)) != CRMPI_OK)
        return result;
    DIR *stream = fdopendir(fd);
    if (!stream) {
        int error = errno;
        close(fd);
        return failed("read directory", folder, error);
    }
    while (errno = 0, (entry = readdir(stream)) != NULL) {
        enum crmpi_status status = call(fd, folder, entry->d_name, context);
        if (result == CRMPI_OK)
            result = status;
    }
    if (errno && result == CRMPI_OK)
        result = failed("read directory", folder, errno);
    closedir(stream);
    return result;
}

/* A growing list of numbers. */
struct numbers {
    uint64_t *list;
    size_t n, room;
};

static enum crmpi_status numbers_add(struct numbers *numbers, uint64_t number)
{
    if (numbers->n == numbers->room) {
        size_t room = numbers->room ? numbers->room * 2 : 16;
        uint64_t *grown = realloc(numbers->list, room * sizeof *grown);
        if (!grown) {
            crmpi_error("no memory to list checkpoints");
            return CRMPI_ERR_NOMEM;
        }
        numbers->list = grown;
        numbers->room = room;
    }
    numbers->list[numbers->n++] = number;
    return CRMPI_OK;
}

static int number_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void numbers_sort(struct numbers *numbers)
{
    if (numbers->n)
        qsort(numbers->list, numbers->n, sizeof *numbers->list, number_compare);
}

static enum crmpi_status list_entry(int fd, const char *folder, const char *name,
                                    void *context)
{
    uint64_t number;
    (void)fd;
    (void)folder;
    return crmpi_name_is(name, CRMPI_FILE_SUFFIX, &number) ? numbers_add(context, number)
                                                           : CRMPI_OK;
}

enum crmpi_status crmpi_lines_list(const char *dir, uint64_t **numbers_out, size_t *n_out)
{
    char folder[CRMPI_PATH_BYTES];
    struct numbers numbers = {0};
    enum crmpi_status status = crmpi_lines_folder(dir, folder, sizeof folder);
    if (status == CRMPI_OK)
        status = crmpi_entries_visit(folder, list_entry, &numbers);
    if (status != CRMPI_OK) {
        free(numbers.list);
        return status;
    }
    numbers_sort(&numbers);
    *numbers_out = numbers.list;
    *n_out = numbers.n;
    return CRMPI_OK;
}
