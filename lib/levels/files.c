/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The job's files on a node, see files.h.  Lower half.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/log.h"
#include "levels/files.h"
#include "levels/levels.h"
#include "storage/container.h"
#include "storage/directory.h"
#include "storage/file.h"

#define SEAL_BYTES 4096

/* ---- which there are ---- */

struct numbers {
    uint64_t *list;
    size_t n;
};

static enum crmpi_status note_number(int fd, const char *folder, const char *name,
                                     void *context)
{
    struct numbers *numbers = context;
    uint64_t number, *grown;

    (void)fd;
    if (!crmpi_name_is(name, CRMPI_FILE_SUFFIX, &number))
        return CRMPI_OK;
    grown = realloc(numbers->list, (numbers->n + 1) * sizeof *grown);
    if (grown == NULL) {
        crmpi_error("no memory to list %s", folder);
        return CRMPI_ERR_NOMEM;
    }
    numbers->list = grown;
    numbers->list[numbers->n++] = number;
    return CRMPI_OK;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

enum crmpi_status crmpi_own_files(const char *home, uint32_t world_rank,
                                  uint64_t **numbers_out, size_t *n_out)
{
    char folder[CRMPI_PATH_BYTES];
    struct numbers numbers = {0};
    enum crmpi_status status = crmpi_rank_folder(home, world_rank, folder, sizeof folder);

    if (status == CRMPI_OK)
        status = crmpi_entries_visit(folder, note_number, &numbers);
    if (status != CRMPI_OK) {
        free(numbers.list);
        return status;
    }
    if (numbers.n > 0)
        qsort(numbers.list, numbers.n, sizeof *numbers.list, by_number);
    *numbers_out = numbers.list;
    *n_out = numbers.n;
    return CRMPI_OK;
}

/* The first page, where the seal is; 0 if the file is shorter. */
static int read_seal(const char *path, unsigned char *seal_out, off_t *bytes_out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), is_read;
    struct stat info;

    if (fd < 0)
        return 0;
    is_read = pread(fd, seal_out, SEAL_BYTES, 0) == SEAL_BYTES && fstat(fd, &info) == 0;
    close(fd);
    if (is_read)
        *bytes_out = info.st_size;
    return is_read;
}

int crmpi_seals_agree(const char *a, const char *b)
{
    unsigned char seal_a[SEAL_BYTES], seal_b[SEAL_BYTES];
    off_t bytes_a, bytes_b;

    return read_seal(a, seal_a, &bytes_a) && read_seal(b, seal_b, &bytes_b) &&
           bytes_a == bytes_b && memcmp(seal_a, seal_b, SEAL_BYTES) == 0;
}

/* ---- dropping ---- */

struct dropping {
    const char *suffix;
    uint64_t sn;
    const uint64_t *numbers;
    size_t n;
};

static enum crmpi_status drop_one(int fd, const char *folder, const char *name,
                                  void *context)
{
    const struct dropping *dropping = context;
    char unfinished[32];
    int is_whole, result;
    uint64_t number;

    snprintf(unfinished, sizeof unfinished, "%s" CRMPI_TMP_SUFFIX, dropping->suffix);
    is_whole = crmpi_name_is(name, dropping->suffix, &number);
    if ((!is_whole && !crmpi_name_is(name, unfinished, &number)) || number > dropping->sn)
        return CRMPI_OK;
    for (size_t i = 0; is_whole && i < dropping->n; i++)
        if (dropping->numbers[i] == number)
            return CRMPI_OK;
    result = is_whole ? renameat(fd, name, fd, CRMPI_SPARE_NAME) : unlinkat(fd, name, 0);
    if (result == 0 || errno == ENOENT)
        return CRMPI_OK;
    crmpi_error("cannot remove %s/%s: %s", folder, name, strerror(errno));
    return crmpi_file_status(errno);
}

enum crmpi_status crmpi_copies_drop(const char *path, const char *suffix, uint64_t sn,
                                    const uint64_t *numbers, size_t n)
{
    const char *slash = strrchr(path, '/');
    struct dropping dropping = {suffix, sn, numbers, n};
    char folder[CRMPI_PATH_BYTES];

    snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
    return crmpi_entries_visit(folder, drop_one, &dropping);
}

/* ---- the end of the job ---- */

static enum crmpi_status remove_one(int fd, const char *folder, const char *name,
                                    void *context)
{
    static const char *const suffixes[] = {
        CRMPI_FILE_SUFFIX, CRMPI_FILE_SUFFIX CRMPI_TMP_SUFFIX, CRMPI_SHARE_SUFFIX,
        CRMPI_SHARE_SUFFIX CRMPI_TMP_SUFFIX};
    int is_ours = strcmp(name, CRMPI_SPARE_NAME) == 0;
    uint64_t number;

    (void)context;
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
        is_ours |= crmpi_name_is(name, suffixes[i], &number);
    if (is_ours && unlinkat(fd, name, 0) != 0 && errno != ENOENT)
        crmpi_warn("cannot remove %s/%s: %s", folder, name, strerror(errno));
    return CRMPI_OK;
}

void crmpi_folder_remove(const char *home, const char *kind, uint32_t world_rank)
{
    char folder[CRMPI_PATH_BYTES];

    snprintf(folder, sizeof folder, "%s/%s/" CRMPI_NUMBER_FORMAT, home, kind,
             (uint64_t)world_rank);
    if (access(folder, F_OK) != 0)
        return;
    crmpi_entries_visit(folder, remove_one, NULL);
    rmdir(folder);
}

void crmpi_home_remove(const char *home)
{
    static const char *const inner[] = {"/ranks", "/partner", "/erasure", "", "/.."};
    char path[CRMPI_PATH_BYTES];

    for (size_t i = 0; i < sizeof inner / sizeof *inner - 1; i++) {
        snprintf(path, sizeof path, "%s%s", home, inner[i]);
        rmdir(
            path); /* other ranks of the node may have files there: the last one does it */
    }
}
