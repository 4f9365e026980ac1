/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * New lines made of checkpoints that are there.  Lower half and tools.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/log.h"
#include "storage/directory.h"
#include "storage/file.h"
#include "storage/lineage.h"

/* ---- numbers ---- */

static enum crmpi_status number_look(int fd, const char *folder, const char *name,
                                     void *context)
{
    uint64_t number, *highest = context;
    (void)fd;
    (void)folder;
    if ((crmpi_name_is(name, CRMPI_FILE_SUFFIX, &number) ||
         crmpi_name_is(name, CRMPI_FILE_SUFFIX CRMPI_TMP_SUFFIX, &number)) &&
        number > *highest)
        *highest = number;
    return CRMPI_OK;
}

static enum crmpi_status folder_look(int fd, const char *folder, const char *name,
                                     void *context)
{
    char path[CRMPI_PATH_BYTES];
    uint64_t rank;
    (void)fd;
    if (!crmpi_name_is(name, "", &rank) ||
        snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        return CRMPI_OK;
    return crmpi_entries_visit(path, number_look, context);
}

/* A number above those of all lines and files. */
static enum crmpi_status number_find(const char *dir, uint64_t *number_out)
{
    char lines[CRMPI_PATH_BYTES], ranks[CRMPI_PATH_BYTES];
    uint64_t highest = 0;
    enum crmpi_status status = crmpi_lines_folder(dir, lines, sizeof lines);

    if (status == CRMPI_OK)
        status = crmpi_entries_visit(lines, number_look, &highest);
    if (status != CRMPI_OK)
        return status;
    snprintf(ranks, sizeof ranks, "%s/ranks", dir);
    status = crmpi_entries_visit(ranks, folder_look, &highest);
    if (status == CRMPI_OK && highest >= CRMPI_SN_MAX) {
        crmpi_error("%s has a file with the impossible number %" PRIu64, dir, highest);
        status = CRMPI_ERR_CORRUPT;
    }
    if (status == CRMPI_OK)
        *number_out = highest + 1;
    return status;
}

static uint64_t newest_incarnation(const struct crmpi_history *history)
{
    uint64_t newest = 0;
    for (size_t e = 0; e < history->n_entities; e++)
        for (size_t i = 0; i < history->entities[e].n_checkpoints; i++)
            if (history->entities[e].checkpoints[i].incarnation > newest)
                newest = history->entities[e].checkpoints[i].incarnation;
    return newest;
}

/* ---- lines ---- */

/* Note the file of a rank, which has to be a checkpoint of the job. */
static enum crmpi_status rank_note(const char *dir, uint32_t rank, uint64_t sn,
                                   struct crmpi_line *line)
{
    struct crmpi_dependencies dependencies;
    struct crmpi_reader *reader;
    char path[CRMPI_PATH_BYTES];
    struct stat found;
    enum crmpi_status status = crmpi_rank_path(dir, rank, sn, 0, path, sizeof path);

    if (status != CRMPI_OK || (status = crmpi_reader_open(path, &reader)) != CRMPI_OK)
        return status;
    const struct crmpi_job *job = crmpi_reader_job(reader);
    if (strcmp(job->job_id, line->job.job_id) != 0 || job->n_ranks != line->job.n_ranks ||
        job->world_rank != rank || job->sn != sn || stat(path, &found) != 0) {
        crmpi_error("%s is not checkpoint %" PRIu64 " of rank %u of the job", path, sn,
                    rank);
        status = CRMPI_ERR_MISMATCH;
    }
    if (status == CRMPI_OK)
        status = crmpi_reader_dependencies(reader, &dependencies);
    if (status == CRMPI_OK) {
        line->ranks[rank] =
            (struct crmpi_line_rank){.sn = sn,
                                     .file_bytes = (uint64_t)found.st_size,
                                     .digest = crmpi_reader_digest(reader),
                                     .incarnation = job->incarnation};
        line->in_transit |= dependencies.is_alone;
        if (job->time > line->job.time)
            line->job.time = job->time;
        crmpi_dependencies_fini(&dependencies);
    }
    crmpi_reader_close(reader);
    return status;
}

enum crmpi_status crmpi_line_compose(const char *dir, const struct crmpi_history *history,
                                     const uint64_t *sn, struct crmpi_line *line_out)
{
    struct crmpi_lineage all;
    enum crmpi_status status = crmpi_lineage_read(dir, &all);

    if (status != CRMPI_OK)
        return status;
    if (all.newest == all.n || all.lines[all.newest].job.n_ranks != history->n_ranks) {
        crmpi_error("%s has no line of the history", dir);
        crmpi_lineage_fini(&all);
        return CRMPI_ERR_NOTFOUND;
    }
    struct crmpi_line line = all.lines[all.newest]; /* its arrays, too */
    uint64_t incarnation = newest_incarnation(history);
    all.lines[all.newest] = (struct crmpi_line){0};
    crmpi_lineage_fini(&all);
    if (incarnation > line.job.incarnation) { /* of a run since the newest line */
        line.job.incarnation = incarnation;
        line.job.restored = line.job.sn;
    }
    line.job.time = 0;
    line.in_transit = 0;
    line.save_seconds = 0;
    status = number_find(dir, &line.job.sn);
    for (uint32_t rank = 0; rank < history->n_ranks && status == CRMPI_OK; rank++)
        status = rank_note(dir, rank, sn[rank], &line);
    if (status == CRMPI_OK)
        *line_out = line;
    else
        crmpi_line_free(&line);
    return status;
}

enum crmpi_status crmpi_line_renew(const char *dir, const struct crmpi_history *history,
                                   struct crmpi_line *line)
{
    uint64_t number, incarnation = newest_incarnation(history);
    enum crmpi_status status = number_find(dir, &number);

    if (status != CRMPI_OK)
        return status;
    line->job.restored = line->job.sn;
    line->job.incarnation =
        (incarnation > line->job.incarnation ? incarnation : line->job.incarnation) + 1;
    line->job.sn = number;
    return CRMPI_OK;
}
