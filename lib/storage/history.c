/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The history that a checkpoint directory holds.  Lower half and tools.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/log.h"
#include "storage/directory.h"
#include "storage/lineage.h"

/* A file of a rank alone, newer than the newest line. */
struct alone {
    uint32_t world_rank;
    struct crmpi_checkpoint about;
    struct crmpi_dependencies dependencies;
};

struct reading {
    const char *dir;
    const struct crmpi_rank_file *damaged;
    size_t n_damaged;
    struct crmpi_lineage lineage;
    const struct crmpi_line *newest;
    uint32_t world_rank; /* whose folder is looked at */
    struct alone *alone;
    size_t n_alone, room_alone;
};

static enum crmpi_status no_memory(const char *dir)
{
    crmpi_error("no memory to read the history of %s", dir);
    return CRMPI_ERR_NOMEM;
}

/* lib/recovery logs nothing. */
static enum crmpi_status told(const char *dir, enum crmpi_status status)
{
    if (status != CRMPI_OK)
        crmpi_error("cannot make out the history of %s: %s", dir,
                    crmpi_status_text(status));
    return status;
}

static int is_damaged(const struct reading *reading, uint32_t world_rank, uint64_t sn)
{
    for (size_t i = 0; i < reading->n_damaged; i++)
        if (reading->damaged[i].world_rank == world_rank && reading->damaged[i].sn == sn)
            return 1;
    return 0;
}

static void reading_fini(struct reading *reading)
{
    for (size_t i = 0; i < reading->n_alone; i++)
        crmpi_dependencies_fini(&reading->alone[i].dependencies);
    free(reading->alone);
    crmpi_lineage_fini(&reading->lineage);
}

static enum crmpi_status reading_begin(const char *dir, struct reading *reading_out)
{
    struct reading reading = {.dir = dir};
    enum crmpi_status status = crmpi_lineage_read(dir, &reading.lineage);

    if (status != CRMPI_OK)
        return status;
    if (reading.lineage.newest == reading.lineage.n) {
        crmpi_error("%s has no recovery line%s", dir,
                    reading.lineage.n ? " that can be read" : "");
        crmpi_lineage_fini(&reading.lineage);
        return CRMPI_ERR_NOTFOUND;
    }
    reading.newest = &reading.lineage.lines[reading.lineage.newest];
    *reading_out = reading;
    return CRMPI_OK;
}

/* ---- checkpoints of lines ---- */

/* A later line has the same checkpoint, so it was looked at before. */
static int is_in_later(const struct crmpi_lineage *lineage, size_t line, uint32_t rank)
{
    for (size_t i = line + 1; i <= lineage->newest; i++)
        if (lineage->lives[i] >= CRMPI_LIFE_PARTLY &&
            lineage->lines[i].ranks[rank].sn == lineage->lines[line].ranks[rank].sn)
            return 1;
    return 0;
}

/* What a rank's file of a line tells; without dependencies if it cannot be used. */
static enum crmpi_status file_look(const struct reading *reading,
                                   const struct crmpi_line *line, uint32_t rank,
                                   struct crmpi_checkpoint *about,
                                   struct crmpi_dependencies *dependencies)
{
    struct crmpi_reader *reader;
    enum crmpi_status status = crmpi_line_open_rank(reading->dir, line, rank, &reader);

    if (status != CRMPI_OK)
        return status;
    about->lost = is_damaged(reading, rank, about->sn);
    about->time = crmpi_reader_job(reader)->time;
    about->restored = crmpi_reader_job(reader)->restored;
    status = crmpi_reader_dependencies(reader, dependencies);
    crmpi_reader_close(reader);
    return status;
}

static enum crmpi_status checkpoint_add(const struct reading *reading,
                                        const struct crmpi_line *line, uint32_t rank,
                                        struct crmpi_history *history)
{
    const struct crmpi_line_rank *entry = &line->ranks[rank];
    struct crmpi_dependencies dependencies = {0};
    struct crmpi_checkpoint about = {.sn = entry->sn,
                                     .time = line->job.time,
                                     .incarnation = entry->incarnation,
                                     .bytes = entry->file_bytes};
    enum crmpi_status status = file_look(reading, line, rank, &about, &dependencies);

    int known = status == CRMPI_OK;
    if (known || status != CRMPI_ERR_NOMEM) /* if not known it is lost */
        status = told(reading->dir, crmpi_history_add(history, rank, &about,
                                                      known ? &dependencies : NULL));
    crmpi_dependencies_fini(&dependencies);
    return status;
}

static enum crmpi_status line_add(const char *dir, const struct crmpi_line *line,
                                  struct crmpi_history *history)
{
    uint64_t *sn = malloc(line->job.n_ranks * sizeof *sn);
    enum crmpi_status status = CRMPI_ERR_NOMEM;

    for (uint32_t rank = 0; sn && rank < line->job.n_ranks; rank++)
        sn[rank] = line->ranks[rank].sn;
    if (sn)
        status = crmpi_history_add_line(history, line->job.sn, sn);
    free(sn);
    return told(dir, status);
}

static enum crmpi_status lines_add(const struct reading *reading,
                                   struct crmpi_history *history)
{
    const struct crmpi_lineage *all = &reading->lineage;
    enum crmpi_status status = CRMPI_OK;

    for (size_t i = all->newest + 1; i-- > 0 && status == CRMPI_OK;) {
        if (all->lives[i] < CRMPI_LIFE_PARTLY)
            continue;
        for (uint32_t rank = 0; rank < history->n_ranks && status == CRMPI_OK; rank++)
            if (!is_in_later(all, i, rank) && !crmpi_lineage_is_given_up(all, i, rank))
                status = checkpoint_add(reading, &all->lines[i], rank, history);
        if (status == CRMPI_OK && all->lives[i] == CRMPI_LIFE_ALIVE &&
            !all->lines[i].in_transit)
            status = line_add(reading->dir, &all->lines[i], history);
    }
    return status;
}

/* ---- checkpoints that ranks took alone ---- */

/* Whether a file may be of the job, and of the run that made the newest line or one that
 * was restarted from just that line. */
static int is_of_newest(const struct reading *reading, const struct crmpi_job *job,
                        uint64_t sn)
{
    const struct crmpi_job *newest = &reading->newest->job;
    return strcmp(job->job_id, newest->job_id) == 0 && job->n_ranks == newest->n_ranks &&
           job->world_rank == reading->world_rank && job->sn == sn &&
           ((job->incarnation == newest->incarnation &&
             job->restored == newest->restored) ||
            (job->incarnation > newest->incarnation && job->restored == newest->sn));
}

static enum crmpi_status alone_note(struct reading *reading, const struct crmpi_job *job,
                                    uint64_t bytes,
                                    struct crmpi_dependencies *dependencies)
{
    if (reading->n_alone == reading->room_alone) {
        size_t room = reading->room_alone ? 2 * reading->room_alone : 16;
        struct alone *more = realloc(reading->alone, room * sizeof *more);
        if (!more)
            return no_memory(reading->dir);
        reading->alone = more;
        reading->room_alone = room;
    }
    reading->alone[reading->n_alone++] =
        (struct alone){.world_rank = job->world_rank,
                       .about = {.sn = job->sn,
                                 .time = job->time,
                                 .incarnation = job->incarnation,
                                 .restored = job->restored,
                                 .bytes = bytes,
                                 .lost = is_damaged(reading, job->world_rank, job->sn)},
                       .dependencies = *dependencies};
    *dependencies = (struct crmpi_dependencies){0};
    return CRMPI_OK;
}

/* What cannot be read is not needed: whoever depends on it will not be in the line. */
static enum crmpi_status alone_look(int fd, const char *folder, const char *name,
                                    void *context)
{
    struct reading *reading = context;
    struct crmpi_dependencies dependencies = {0};
    enum crmpi_status status = CRMPI_OK;
    struct crmpi_reader *reader;
    char path[CRMPI_PATH_BYTES];
    struct stat info;
    uint64_t number;

    if (!crmpi_name_is(name, CRMPI_FILE_SUFFIX, &number) ||
        number <= reading->newest->job.sn ||
        snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path ||
        fstatat(fd, name, &info, AT_SYMLINK_NOFOLLOW) != 0 ||
        (status = crmpi_reader_open(path, &reader)) != CRMPI_OK)
        return status == CRMPI_ERR_NOMEM ? status : CRMPI_OK;
    const struct crmpi_job *job = crmpi_reader_job(reader);
    if (is_of_newest(reading, job, number))
        status = crmpi_reader_dependencies(reader, &dependencies);
    if (status == CRMPI_OK && dependencies.is_alone)
        status = alone_note(reading, job, (uint64_t)info.st_size, &dependencies);
    crmpi_dependencies_fini(&dependencies);
    crmpi_reader_close(reader);
    return status == CRMPI_ERR_NOMEM ? status : CRMPI_OK;
}

static enum crmpi_status alone_find(struct reading *reading, uint32_t world_rank)
{
    char folder[CRMPI_PATH_BYTES];
    enum crmpi_status status =
        crmpi_rank_folder(reading->dir, world_rank, folder, sizeof folder);

    if (status != CRMPI_OK)
        return status;
    if (access(folder, F_OK) != 0 && errno == ENOENT)
        return CRMPI_OK;
    reading->world_rank = world_rank;
    return crmpi_entries_visit(folder, alone_look, reading);
}

/* Add those of the newest incarnation among them. */
static enum crmpi_status alone_add(struct reading *reading, struct crmpi_history *history)
{
    enum crmpi_status status = CRMPI_OK;
    uint64_t incarnation = 0;

    for (uint32_t rank = 0; rank < history->n_ranks && status == CRMPI_OK; rank++)
        status = alone_find(reading, rank);
    for (size_t i = 0; i < reading->n_alone; i++)
        if (reading->alone[i].about.incarnation > incarnation)
            incarnation = reading->alone[i].about.incarnation;
    for (size_t i = 0; i < reading->n_alone && status == CRMPI_OK; i++) {
        struct alone *one = &reading->alone[i];
        if (one->about.incarnation == incarnation)
            status =
                told(reading->dir, crmpi_history_add(history, one->world_rank,
                                                     &one->about, &one->dependencies));
    }
    return status;
}

enum crmpi_status crmpi_history_read_without(const char *dir,
                                             const struct crmpi_rank_file *damaged,
                                             size_t n_damaged,
                                             struct crmpi_history *history_out)
{
    struct reading reading;
    struct crmpi_history history;
    enum crmpi_status status = reading_begin(dir, &reading);

    if (status != CRMPI_OK)
        return status;
    reading.damaged = damaged;
    reading.n_damaged = n_damaged;
    status = told(dir, crmpi_history_init(&history, reading.newest->job.n_ranks));
    if (status == CRMPI_OK) {
        status = lines_add(&reading, &history);
        if (status == CRMPI_OK)
            status = alone_add(&reading, &history);
        if (status == CRMPI_OK)
            status = told(dir, crmpi_history_link(&history));
        if (status == CRMPI_OK)
            *history_out = history;
        else
            crmpi_history_fini(&history);
    }
    reading_fini(&reading);
    return status;
}

enum crmpi_status crmpi_history_read(const char *dir, struct crmpi_history *history_out)
{
    return crmpi_history_read_without(dir, NULL, 0, history_out);
}

enum crmpi_status crmpi_history_has_alone(const char *dir, uint32_t world_rank,
                                          int *has_out)
{
    struct reading reading;
    enum crmpi_status status = reading_begin(dir, &reading);
    uint32_t first = world_rank, last = world_rank;

    if (status != CRMPI_OK)
        return status;
    if (world_rank == UINT32_MAX) {
        first = 0;
        last = reading.newest->job.n_ranks - 1;
    }
    for (uint32_t rank = first;
         rank <= last && status == CRMPI_OK && reading.n_alone == 0; rank++)
        status = alone_find(&reading, rank);
    if (status == CRMPI_OK)
        *has_out = reading.n_alone > 0;
    reading_fini(&reading);
    return status;
}
