/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See undone.h: a head, and of each restart a row with a number for each rank.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/config.h"
#include "base/log.h"
#include "files/undone.h"
#include "storage/directory.h"
#include "storage/file.h"

#define DONE_MAGIC 0x656e6f646f646e75 /* "undodone" */

struct undone_head {
    uint64_t magic, n_ranks, n_done, n; /* restarts that have ended, and that have begun */
};

static int undone_open(struct undone_head *head)
{
    char path[CRMPI_PATH_BYTES + 32];

    snprintf(path, sizeof path, "%s/ranks/" CRMPI_UNDONE_NAME, crmpi_config.dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd >= 0 && (pread(fd, head, sizeof *head, 0) != sizeof *head ||
                    head->magic != DONE_MAGIC || head->n < head->n_done)) {
        close(fd);
        errno = EINVAL;
        fd = -1;
    }
    if (fd < 0)
        memset(head, 0, sizeof *head);
    return fd;
}

uint64_t crmpi_undone_epoch(void)
{
    struct undone_head head;
    int fd = undone_open(&head);

    if (fd >= 0)
        close(fd);
    return head.n_done + 1;
}

/* Rows that are there; all sizes are looked at before they are used. */
static int rows_are_there(int fd, const struct undone_head *head, uint32_t world_rank)
{
    struct stat about;
    uint64_t numbers;

    if (world_rank >= head->n_ranks || fstat(fd, &about) != 0 ||
        about.st_size < (off_t)sizeof *head)
        return 0;
    numbers = ((uint64_t)about.st_size - sizeof *head) / sizeof(uint64_t);
    return head->n <= numbers / head->n_ranks;
}

enum crmpi_status crmpi_undone_read(uint32_t world_rank, struct crmpi_undone *undone_out)
{
    struct undone_head head;
    int fd = undone_open(&head);

    *undone_out = (struct crmpi_undone){0};
    if (fd < 0 && errno == ENOENT)
        return CRMPI_OK; /* there was no restart */
    int is_sound = fd >= 0 && rows_are_there(fd, &head, world_rank) &&
                   (undone_out->from = calloc(head.n + 1, sizeof(uint64_t)));

    for (uint64_t i = 0; is_sound && i < head.n; i++)
        is_sound = pread(fd, &undone_out->from[i], sizeof(uint64_t),
                         (off_t)(sizeof head + (i * head.n_ranks + world_rank) *
                                                   sizeof(uint64_t))) == sizeof(uint64_t);
    if (fd >= 0)
        close(fd);
    if (is_sound) {
        undone_out->n = head.n;
        undone_out->n_done = head.n_done;
        return CRMPI_OK;
    }
    free(undone_out->from);
    undone_out->from = NULL;
    return CRMPI_ERR_CORRUPT;
}

/* The rows of restarts that have ended. */
static int rows_copy(int from, int to, uint64_t bytes)
{
    char piece[65536];

    for (uint64_t at = 0; at < bytes;) {
        size_t n = bytes - at < sizeof piece ? bytes - at : sizeof piece;

        if (pread(from, piece, n, (off_t)(sizeof(struct undone_head) + at)) != (ssize_t)n ||
            write(to, piece, n) != (ssize_t)n)
            return -1;
        at += n;
    }
    return 0;
}

enum crmpi_status crmpi_undone_write(const uint64_t *from, size_t n_ranks, int is_done)
{
    char path[CRMPI_PATH_BYTES + 32], fresh[CRMPI_PATH_BYTES + 32];
    struct undone_head head;
    int old = undone_open(&head);
    size_t row_bytes = n_ranks * sizeof *from;
    uint64_t old_bytes = head.n_done * row_bytes;

    if (head.n_ranks != n_ranks || !rows_are_there(old, &head, 0)) /* none, or damaged */
        head.n_done = old_bytes = 0;
    head = (struct undone_head){DONE_MAGIC, n_ranks, head.n_done + (is_done != 0),
                                head.n_done + 1};
    snprintf(path, sizeof path, "%s/ranks/" CRMPI_UNDONE_NAME, crmpi_config.dir);
    snprintf(fresh, sizeof fresh, "%s/ranks/" CRMPI_UNDONE_NAME CRMPI_TMP_SUFFIX,
             crmpi_config.dir);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int is_none = fd < 0 && errno == ENOENT; /* there are no notes at all */
    int whole = fd >= 0 && write(fd, &head, sizeof head) == sizeof head &&
                rows_copy(old, fd, old_bytes) == 0 &&
                write(fd, from, row_bytes) == (ssize_t)row_bytes &&
                (!crmpi_config.sync || fsync(fd) == 0);

    if (fd >= 0)
        close(fd);
    if (old >= 0)
        close(old);
    if (is_none || (whole && rename(fresh, path) == 0))
        return CRMPI_OK;
    crmpi_error("cannot write %s: %s", path, strerror(errno));
    return CRMPI_ERR_IO;
}
