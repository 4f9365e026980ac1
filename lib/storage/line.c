/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Recovery lines: one small container that names the rank files that belong together.
 * Lower half and tools.
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
#include "storage/hdf.h"
#include "storage/image.h"
#include "storage/job.h"

#define ENTITIES_NAME "/entities"
#define LAUNCHER_NAME "/launcher"
#define LINKS_NAME "/ranks"
#define LAUNCHER_MAX ((size_t)1 << 24)

/* Links to all rank files, so that one sees all of the checkpoint from here. */
static enum crmpi_status links_write(hid_t file, const char *path,
                                     const struct crmpi_line *line)
{
    char name[16], target[64];
    herr_t result = 0;
    hid_t group = H5Gcreate2(file, LINKS_NAME, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    if (group < 0)
        return crmpi_hdf_failed(path, LINKS_NAME, CRMPI_ERR_INTERNAL);
    for (uint32_t rank = 0; rank < line->job.n_ranks && result >= 0; rank++) {
        snprintf(name, sizeof name, CRMPI_NUMBER_FORMAT, (uint64_t)rank);
        snprintf(target, sizeof target, "../ranks/%s/" CRMPI_NUMBER_FORMAT ".h5", name,
                 line->ranks[rank].sn);
        result = H5Lcreate_external(target, "/", group, name, H5P_DEFAULT, H5P_DEFAULT);
    }
    H5Gclose(group);
    return result < 0 ? crmpi_hdf_failed(path, LINKS_NAME, CRMPI_ERR_INTERNAL) : CRMPI_OK;
}

static enum crmpi_status line_fill(struct crmpi_image *image, const char *path,
                                   const struct crmpi_line *line)
{
    hid_t file = crmpi_image_file(image), entity = crmpi_hdf_line_rank_type();
    hid_t byte = crmpi_hdf_byte_type();
    enum crmpi_status status = crmpi_job_write(image, path, &line->job, line);
    if (status == CRMPI_OK)
        status = crmpi_hdf_table_write(file, path, ENTITIES_NAME, entity, line->ranks,
                                       line->job.n_ranks);
    if (status == CRMPI_OK)
        status = crmpi_hdf_table_write(file, path, LAUNCHER_NAME, byte, line->launcher,
                                       line->launcher ? line->launcher_bytes : 0);
    if (status == CRMPI_OK)
        status = links_write(file, path, line);
    H5Tclose(byte);
    H5Tclose(entity);
    return status;
}

static enum crmpi_status line_store(struct crmpi_image *image, const char *path,
                                    int sync)
{
    struct crmpi_output output;
    uint64_t bytes, digest;
    enum crmpi_status status = crmpi_output_open(path, &output);
    if (status != CRMPI_OK)
        return status;
    status = crmpi_image_store(image, &output, &bytes, &digest);
    if (status == CRMPI_OK)
        return crmpi_output_commit(&output, bytes, sync);
    crmpi_output_abandon(&output);
    return status;
}

enum crmpi_status crmpi_line_write(const char *dir, const struct crmpi_line *line,
                                   int sync)
{
    char path[CRMPI_PATH_BYTES];
    struct crmpi_image *image = NULL;
    enum crmpi_status status = crmpi_line_path(dir, line->job.sn, path, sizeof path);
    if (status != CRMPI_OK)
        return status;
    crmpi_hdf_lock();
    status = crmpi_image_create(CRMPI_CONTAINER_LINE, path, CRMPI_DATA_OFFSET, NULL, &image);
    if (status == CRMPI_OK)
        status = line_fill(image, path, line);
    if (status == CRMPI_OK)
        status = crmpi_image_finish(image, path);
    if (status == CRMPI_OK)
        status = line_store(image, path, sync);
    crmpi_image_destroy(image);
    crmpi_hdf_unlock();
    return status;
}

/* Launcher's words are printed and passed on as strings, so they have to end. */
static enum crmpi_status launcher_read(hid_t file, const char *path,
                                       struct crmpi_line *line)
{
    void *words;
    size_t bytes;
    hid_t byte = crmpi_hdf_byte_type();
    enum crmpi_status status = crmpi_hdf_table_read(file, path, LAUNCHER_NAME, byte,
                                                    LAUNCHER_MAX, &words, &bytes);
    H5Tclose(byte);
    if (status != CRMPI_OK)
        return status;
    if (bytes && ((char *)words)[bytes - 1] != '\0') {
        crmpi_error("%s is damaged: the launcher's words do not end", path);
        free(words);
        return CRMPI_ERR_CORRUPT;
    }
    if (bytes == 0) {
        free(words);
        words = NULL;
    }
    line->launcher = words;
    line->launcher_bytes = bytes;
    return CRMPI_OK;
}

static enum crmpi_status entities_read(hid_t file, const char *path,
                                       struct crmpi_line *line)
{
    void *ranks;
    size_t n;
    hid_t entity = crmpi_hdf_line_rank_type();
    enum crmpi_status status = crmpi_hdf_table_read(file, path, ENTITIES_NAME, entity,
                                                    line->job.n_ranks, &ranks, &n);
    H5Tclose(entity);
    if (status != CRMPI_OK)
        return status;
    line->ranks = ranks;
    if (n != line->job.n_ranks) {
        crmpi_error("%s is damaged: it has %zu entities for %u ranks", path, n,
                    line->job.n_ranks);
        return CRMPI_ERR_CORRUPT;
    }
    for (uint32_t i = 0; i < n; i++)
        if (line->ranks[i].sn > line->job.sn ||
            line->ranks[i].incarnation > line->job.incarnation) {
            crmpi_error("%s is damaged: checkpoint %" PRIu64
                        " of rank %u cannot be of that line",
                        path, line->ranks[i].sn, i);
            return CRMPI_ERR_CORRUPT;
        }
    return CRMPI_OK;
}

/* Everything in an opened file of a line. */
static enum crmpi_status line_load(struct crmpi_image *image, const char *path,
                                   uint64_t number, struct crmpi_line *line)
{
    hid_t file = crmpi_image_file(image);
    enum crmpi_status status = crmpi_job_read(image, path, &line->job, line);

    if (status == CRMPI_OK && line->job.sn != number) {
        crmpi_error("%s is damaged: it says it is line %" PRIu64, path, line->job.sn);
        status = CRMPI_ERR_CORRUPT;
    }
    if (status == CRMPI_OK)
        status = entities_read(file, path, line);
    if (status == CRMPI_OK)
        status = launcher_read(file, path, line);
    return status == CRMPI_ERR_NOTFOUND ? CRMPI_ERR_CORRUPT : status;
}

enum crmpi_status crmpi_line_read(const char *dir, uint64_t number,
                                  struct crmpi_line *line_out)
{
    char path[CRMPI_PATH_BYTES];
    struct crmpi_image *image = NULL;
    struct crmpi_line line = {0};
    uint64_t bytes;
    int fd;
    enum crmpi_status status = crmpi_line_path(dir, number, path, sizeof path);
    if (status != CRMPI_OK || (status = crmpi_input_open(path, &fd, &bytes)) != CRMPI_OK)
        return status;
    crmpi_hdf_lock();
    status = crmpi_image_load(CRMPI_CONTAINER_LINE, fd, path, bytes, &image);
    if (status == CRMPI_OK)
        status = line_load(image, path, number, &line);
    crmpi_image_destroy(image);
    crmpi_hdf_unlock();
    close(fd);
    if (status == CRMPI_OK)
        *line_out = line;
    else
        crmpi_line_free(&line);
    return status;
}

enum crmpi_status crmpi_line_open_rank(const char *dir, const struct crmpi_line *line,
                                       uint32_t world_rank,
                                       struct crmpi_reader **reader_out)
{
    const struct crmpi_line_rank *rank = &line->ranks[world_rank];
    struct crmpi_reader *reader;
    struct stat found;
    char path[CRMPI_PATH_BYTES];
    enum crmpi_status status =
        crmpi_rank_path(dir, world_rank, rank->sn, 0, path, sizeof path);
    if (status != CRMPI_OK || (status = crmpi_reader_open(path, &reader)) != CRMPI_OK)
        return status;
    const struct crmpi_job *job = crmpi_reader_job(reader);
    if (strcmp(job->job_id, line->job.job_id) != 0 || job->n_ranks != line->job.n_ranks ||
        job->world_rank != world_rank || job->sn != rank->sn ||
        job->incarnation != rank->incarnation ||
        crmpi_reader_digest(reader) != rank->digest || stat(path, &found) != 0 ||
        (uint64_t)found.st_size != rank->file_bytes) {
        crmpi_error("%s is not the file that line %" PRIu64 " was made of", path,
                    line->job.sn);
        crmpi_reader_close(reader);
        return CRMPI_ERR_MISMATCH;
    }
    *reader_out = reader;
    return CRMPI_OK;
}

void crmpi_line_free(struct crmpi_line *line)
{
    free(line->ranks);
    free(line->launcher);
    line->ranks = NULL;
    line->launcher = NULL;
}
