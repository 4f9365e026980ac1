/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Dropping old checkpoints.  Nothing is ever removed but files named as crmpi names its
 * own, and never one that is newer than the newest line: it may be in the making.  A
 * rank's folder keeps one dropped file for the next checkpoint to write over (file.h).
 * Lower half and tools.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/config.h"
#include "base/fault.h"
#include "base/log.h"
#include "storage/container.h"
#include "storage/directory.h"
#include "storage/file.h"
#include "storage/image.h"
#include "storage/lineage.h"

/* Which files of a folder go: those older than the newest to be kept, but these. */
struct dropping {
    const uint64_t *keep;
    size_t n;
    uint64_t newest;
    int spare; /* whether to keep one of them to be written over */
};

static int is_kept(const struct dropping *dropping, uint64_t number)
{
    for (size_t i = 0; i < dropping->n; i++)
        if (dropping->keep[i] == number)
            return 1;
    return 0;
}

static enum crmpi_status drop_entry(int fd, const char *folder, const char *name,
                                    void *context)
{
    const struct dropping *dropping = context;
    int spare = 0, error;
    uint64_t number;

    if (crmpi_name_is(name, CRMPI_FILE_SUFFIX, &number)) {
        if (number > dropping->newest || is_kept(dropping, number))
            return CRMPI_OK;
        spare = dropping->spare;
    } else if (!crmpi_name_is(name, CRMPI_FILE_SUFFIX CRMPI_TMP_SUFFIX, &number) ||
               number > dropping->newest) {
        return CRMPI_OK;
    }
    error = crmpi_fault("storage.unlink");
    if (!error &&
        (spare ? renameat(fd, name, fd, CRMPI_SPARE_NAME) : unlinkat(fd, name, 0)))
        error = errno == ENOENT ? 0 : errno;
    if (!error)
        return CRMPI_OK;
    crmpi_error("cannot remove %s/%s: %s", folder, name, strerror(error));
    return crmpi_file_status(error);
}

/* Drop what is not newer than the newest, and not kept. */
static enum crmpi_status folder_drop(const char *folder, const uint64_t *keep, size_t n,
                                     uint64_t newest, int spare)
{
    struct dropping dropping = {keep, n, newest, spare};
    if (n == 0)
        return CRMPI_OK;
    return crmpi_entries_visit(folder, drop_entry, &dropping);
}

/* Numbers of files to be kept, each once, in the end with those of their parents. */
struct needed {
    uint64_t *list;
    size_t n;
    uint64_t newest; /* of those that were asked for */
};

static enum crmpi_status needed_add(struct needed *needed, uint64_t number)
{
    for (size_t i = 0; i < needed->n; i++)
        if (needed->list[i] == number)
            return CRMPI_OK;
    uint64_t *more = realloc(needed->list, (needed->n + 1) * sizeof *more);
    if (!more) {
        crmpi_error("no memory to drop old checkpoints");
        return CRMPI_ERR_NOMEM;
    }
    needed->list = more;
    needed->list[needed->n++] = number;
    return CRMPI_OK;
}

/* A file that is newer than all that are asked for stays, and so has its parent to. */
static enum crmpi_status newer_add(int fd, const char *folder, const char *name,
                                   void *context)
{
    struct needed *needed = context;
    uint64_t number;
    (void)fd;
    (void)folder;
    return crmpi_name_is(name, CRMPI_FILE_SUFFIX, &number) && number > needed->newest
               ? needed_add(needed, number)
               : CRMPI_OK;
}

/* Add the parents of all, their parents and so on.  A file that is not there needs none;
 * if one cannot be read nobody knows what it needs. */
static enum crmpi_status parents_add(const char *folder, struct needed *needed)
{
    char path[CRMPI_PATH_BYTES + 32];
    enum crmpi_status status = CRMPI_OK;
    for (size_t i = 0; status == CRMPI_OK && i < needed->n; i++) {
        struct crmpi_parent parent = {0};
        snprintf(path, sizeof path, "%s/" CRMPI_NUMBER_FORMAT CRMPI_FILE_SUFFIX, folder,
                 needed->list[i]);
        status = crmpi_seal_parent(path, &parent);
        if (status == CRMPI_ERR_NOTFOUND)
            status = CRMPI_OK;
        else if (status == CRMPI_OK && parent.sn)
            status = needed_add(needed, parent.sn);
    }
    return status;
}

enum crmpi_status crmpi_rank_prune(const char *dir, uint32_t world_rank,
                                   const uint64_t *keep, size_t n)
{
    char folder[CRMPI_PATH_BYTES];
    struct needed needed = {0};
    enum crmpi_status status = crmpi_rank_folder(dir, world_rank, folder, sizeof folder);

    for (size_t i = 0; i < n && status == CRMPI_OK; i++) {
        status = needed_add(&needed, keep[i]);
        if (keep[i] > needed.newest)
            needed.newest = keep[i];
    }
    if (status == CRMPI_OK && n)
        status = crmpi_entries_visit(folder, newer_add, &needed);
    if (status == CRMPI_OK)
        status = parents_add(folder, &needed);
    if (status == CRMPI_OK)
        status = folder_drop(folder, needed.list, needed.n, needed.newest, 1);
    free(needed.list);
    return status;
}

/* Whether every rank has an older checkpoint in a line than in another. */
static int is_older_everywhere(const struct crmpi_line *line,
                               const struct crmpi_line *than)
{
    for (uint32_t rank = 0; rank < line->job.n_ranks; rank++)
        if (line->ranks[rank].sn >= than->ranks[rank].sn)
            return 0;
    return 1;
}

/* Choose @p keep lines: the newest, and before each the newest of the same execution that
 * shares no file with it, so that no file is the only one of its rank.  While there is
 * none the oldest line has to do; then lines of other executions.  Other jobs' lines are not
 * counted and stay. */
static void lines_choose(const struct crmpi_lineage *all, unsigned keep, char *kept)
{
    size_t last = all->newest, oldest = last;
    unsigned n = 1;

    kept[last] = 1;
    for (size_t i = last; i-- > 0;) {
        if (all->lives[i] != CRMPI_LIFE_ALIVE)
            continue;
        oldest = i;
        if (n < keep && is_older_everywhere(&all->lines[i], &all->lines[last])) {
            kept[i] = 1;
            last = i;
            n++;
        }
    }
    if (n < keep && !kept[oldest]) {
        kept[oldest] = 1;
        n++;
    }
    for (size_t i = all->newest; n < keep && i-- > 0;)
        if (all->lives[i] == CRMPI_LIFE_OTHER || all->lives[i] == CRMPI_LIFE_PARTLY) {
            kept[i] = 1;
            n++;
        }
    for (size_t i = 0; i < all->n; i++)
        kept[i] |= all->lives[i] == CRMPI_LIFE_FOREIGN;
}

/* A line that cannot be read stays until there are so many newer ones. */
static void unreadable_keep(const struct crmpi_lineage *all, unsigned keep, char *kept)
{
    unsigned n = 0;
    for (size_t i = all->n; i-- > 0 && n < keep;) {
        n += kept[i] != 0 && all->lives[i] != CRMPI_LIFE_FOREIGN;
        if (all->lives[i] == CRMPI_LIFE_UNREADABLE)
            kept[i] = 1;
    }
}

unsigned crmpi_line_levels(const struct crmpi_line *line)
{
    unsigned levels = ~0u;

    for (uint32_t rank = 0; rank < line->job.n_ranks; rank++)
        levels &= line->ranks[rank].figures.level;
    return levels;
}

/* Of lines whose files are on nodes the newest stays that is in the directory, too: if too
 * many nodes are lost it is all there is. */
static void global_keep(const struct crmpi_lineage *all, char *kept)
{
    for (size_t i = all->newest + 1; i-- > 0;)
        if (all->lives[i] == CRMPI_LIFE_ALIVE &&
            crmpi_line_levels(&all->lines[i]) & CRMPI_LEVEL_GLOBAL) {
            kept[i] = 1;
            return;
        }
}

enum crmpi_status crmpi_lines_drop(const char *dir, unsigned keep, uint64_t needed)
{
    char folder[CRMPI_PATH_BYTES];
    struct crmpi_lineage all;
    size_t n_kept = 0;
    enum crmpi_status status = crmpi_lines_folder(dir, folder, sizeof folder);
    if (status != CRMPI_OK || (status = crmpi_lineage_read(dir, &all)) != CRMPI_OK)
        return status;
    char *kept = calloc(all.n + 1, 1);
    if (!kept) {
        crmpi_error("no memory to drop old checkpoints");
        status = CRMPI_ERR_NOMEM;
    } else if (all.newest < all.n) {
        keep = keep ? keep : 1;
        lines_choose(&all, keep, kept);
        unreadable_keep(&all, keep, kept);
        global_keep(&all, kept);
        for (size_t i = 0; i < all.n; i++)
            if (kept[i] || all.numbers[i] == needed)
                all.numbers[n_kept++] = all.numbers[i];
        status = folder_drop(folder, all.numbers, n_kept,
                             n_kept ? all.numbers[n_kept - 1] : 0, 0);
    }
    free(kept);
    crmpi_lineage_fini(&all);
    return status;
}

/* Drop the rank files that none of these lines has. */
static enum crmpi_status ranks_drop(const char *dir, const struct crmpi_line *lines,
                                    size_t n)
{
    enum crmpi_status result = CRMPI_OK;
    uint32_t n_ranks = 0;
    uint64_t *keep = calloc(n ? n : 1, sizeof *keep);
    if (!keep) {
        crmpi_error("no memory to drop old checkpoints");
        return CRMPI_ERR_NOMEM;
    }
    for (size_t i = 0; i < n; i++)
        if (lines[i].job.n_ranks > n_ranks)
            n_ranks = lines[i].job.n_ranks;
    for (uint32_t rank = 0; rank < n_ranks; rank++) {
        size_t n_keep = 0;
        for (size_t i = 0; i < n; i++)
            if (rank < lines[i].job.n_ranks)
                keep[n_keep++] = lines[i].ranks[rank].sn;
        enum crmpi_status status = crmpi_rank_prune(dir, rank, keep, n_keep);
        if (result == CRMPI_OK)
            result = status;
    }
    free(keep);
    return result;
}

enum crmpi_status crmpi_lines_prune(const char *dir, unsigned keep)
{
    uint64_t *numbers;
    size_t n, n_read = 0;
    enum crmpi_status status = crmpi_lines_drop(dir, keep, 0);
    if (status != CRMPI_OK || (status = crmpi_lines_list(dir, &numbers, &n)) != CRMPI_OK)
        return status;
    struct crmpi_line *lines = calloc(n ? n : 1, sizeof *lines);
    if (!lines) {
        crmpi_error("no memory to drop old checkpoints");
        status = CRMPI_ERR_NOMEM;
    }
    while (status == CRMPI_OK && n_read < n) {
        status = crmpi_line_read(dir, numbers[n_read], &lines[n_read]);
        n_read += status == CRMPI_OK;
    }
    if (status == CRMPI_OK)
        status = ranks_drop(dir, lines, n);
    for (size_t i = 0; i < n_read; i++)
        crmpi_line_free(&lines[i]);
    free(lines);
    free(numbers);
    return status;
}
