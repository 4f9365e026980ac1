/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Putting aside what a former job has left, see former.h.  Lower half and tools.
 *
 * DIR/moving is written first and removed last, so whoever finds it does what is left of
 * the renames between.  Each of them is atomic, and nothing is made in DIR before they are
 * done: so no file is in two places or in none, and none is taken for another job's.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/fault.h"
#include "base/log.h"
#include "storage/directory.h"
#include "storage/file.h"
#include "storage/former.h"
#include "storage/note.h"

#define MOVING_NAME "moving"
#define ENDED_NAME "ended"
#define DISCARDED_NAME "discarded"
#define UNKNOWN_NAME "unknown" /* of a job none of whose lines can be read */
#define PLACES_MAX 1000        /* for what jobs of one name have left */
#define TO_BYTES 128

static enum crmpi_status failed(const char *what, const char *path)
{
    int error = errno;

    crmpi_error("cannot %s %s: %s", what, path, strerror(error));
    return crmpi_file_status(error);
}

static enum crmpi_status path_make(char path[CRMPI_PATH_BYTES], const char *dir,
                                   const char *name, const char *inner)
{
    if (snprintf(path, CRMPI_PATH_BYTES, "%s/%s%s%s", dir, name, *inner ? "/" : "",
                 inner) < CRMPI_PATH_BYTES)
        return CRMPI_OK;
    crmpi_error("the path of the checkpoint directory is too long: %s", dir);
    return CRMPI_ERR_USAGE;
}

/* ---- the end of a job ---- */

void crmpi_ended_write(const char *dir, const struct crmpi_job *job)
{
    char text[256];

    snprintf(text, sizeof text, "crmpi ended 1\njob %s\nincarnation %" PRIu64 "\n",
             job->job_id, job->incarnation);
    crmpi_note_put(dir, ENDED_NAME, text);
}

enum crmpi_status crmpi_ended_read(const char *dir, struct crmpi_ended *ended_out)
{
    struct crmpi_ended ended = {0};
    char text[256];
    enum crmpi_status status = crmpi_note_get(dir, ENDED_NAME, text, sizeof text);

    if (status != CRMPI_OK)
        return status;
    if (sscanf(text, "crmpi ended 1 job %63s incarnation %" SCNu64, ended.job_id,
               &ended.incarnation) != 2)
        return CRMPI_ERR_FORMAT;
    *ended_out = ended;
    return CRMPI_OK;
}

void crmpi_ended_remove(const char *dir)
{
    crmpi_note_remove(dir, ENDED_NAME);
}

/* ---- looking ---- */

static int is_there(const char *dir, const char *name, const char *inner)
{
    char path[CRMPI_PATH_BYTES];

    return path_make(path, dir, name, inner) == CRMPI_OK && access(path, F_OK) == 0;
}

enum crmpi_status crmpi_former_look(const char *dir, struct crmpi_former *former_out)
{
    struct crmpi_former former = {0};
    struct crmpi_ended ended;
    struct crmpi_line line;
    uint64_t *numbers = NULL;
    enum crmpi_status status = CRMPI_OK;

    if (is_there(dir, "lines", ""))
        status = crmpi_lines_list(dir, &numbers, &former.n_lines);
    if (status != CRMPI_OK)
        return status;
    if (former.n_lines > 0)
        former.highest = numbers[former.n_lines - 1];
    for (size_t i = former.n_lines; i-- > 0 && former.job.job_id[0] == '\0';)
        if (crmpi_line_read(dir, numbers[i], &line) == CRMPI_OK) {
            former.job = line.job;
            crmpi_line_free(&line);
        }
    free(numbers);
    former.has_files = is_there(dir, "lines", "") || is_there(dir, "ranks", "");
    former.has_ended = former.job.job_id[0] != '\0' &&
                       crmpi_ended_read(dir, &ended) == CRMPI_OK &&
                       strcmp(ended.job_id, former.job.job_id) == 0;
    *former_out = former;
    return CRMPI_OK;
}

/* ---- moving ---- */

/* Rename one name, if it is still there. */
static enum crmpi_status name_move(const char *dir, const char *name, const char *to)
{
    char from_path[CRMPI_PATH_BYTES], to_path[CRMPI_PATH_BYTES];
    enum crmpi_status status = path_make(from_path, dir, name, "");

    if (status == CRMPI_OK)
        status = path_make(to_path, dir, to, name);
    if (status != CRMPI_OK)
        return status;
    errno = crmpi_fault("storage.move");
    if (errno == 0 && (rename(from_path, to_path) == 0 || errno == ENOENT))
        return CRMPI_OK;
    return failed("put aside", from_path);
}

/* What DIR/moving says: a folder of ours, or it is not followed. */
static enum crmpi_status moving_read(const char *dir, char to_out[TO_BYTES])
{
    static const char jobs[] = CRMPI_JOBS_NAME "/";
    char text[256], to[TO_BYTES] = "";
    const char *name = to + strlen(jobs);
    enum crmpi_status status = crmpi_note_get(dir, MOVING_NAME, text, sizeof text);

    if (status != CRMPI_OK)
        return status;
    if (sscanf(text, "crmpi moving 1 to %127s", to) != 1 ||
        (strcmp(to, DISCARDED_NAME) != 0 &&
         (strncmp(to, jobs, strlen(jobs)) != 0 || *name == '\0' || *name == '.' ||
          strchr(name, '/') != NULL))) {
        crmpi_error("%s/" MOVING_NAME " is damaged", dir);
        return CRMPI_ERR_CORRUPT;
    }
    memcpy(to_out, to, sizeof to);
    return CRMPI_OK;
}

static void directory_sync(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

enum crmpi_status crmpi_former_settle(const char *dir)
{
    static const char *const names[] = {"ranks", "lines", "stopped", ENDED_NAME,
                                        "fetched"};
    char to[TO_BYTES], path[CRMPI_PATH_BYTES];
    enum crmpi_status status = moving_read(dir, to);

    if (status != CRMPI_OK)
        return status == CRMPI_ERR_NOTFOUND ? CRMPI_OK : status;
    directory_sync(dir);
    if (strcmp(to, DISCARDED_NAME) != 0 &&
        ((status = path_make(path, dir, CRMPI_JOBS_NAME, "")) != CRMPI_OK ||
         (status = crmpi_folder_make(path)) != CRMPI_OK))
        return status;
    if ((status = path_make(path, dir, to, "")) != CRMPI_OK ||
        (status = crmpi_folder_make(path)) != CRMPI_OK)
        return status;
    for (size_t i = 0; i < sizeof names / sizeof *names && status == CRMPI_OK; i++)
        status = name_move(dir, names[i], to);
    if (status != CRMPI_OK)
        return status;
    directory_sync(path);
    errno = crmpi_fault("storage.move");
    if (errno != 0)
        return failed("put aside", dir);
    crmpi_note_remove(dir, MOVING_NAME);
    return CRMPI_OK;
}

static enum crmpi_status move_to(const char *dir, const char *to)
{
    char text[256];
    enum crmpi_status status = CRMPI_OK;

    snprintf(text, sizeof text, "crmpi moving 1\nto %s\n", to);
    errno = crmpi_fault("storage.move");
    if (errno != 0)
        status = failed("put aside", dir);
    if (status == CRMPI_OK)
        status = crmpi_note_put(dir, MOVING_NAME, text);
    return status == CRMPI_OK ? crmpi_former_settle(dir) : status;
}

enum crmpi_status crmpi_former_keep(const char *dir, const struct crmpi_former *former,
                                    char *path_out, size_t path_bytes)
{
    const char *id = former->job.job_id[0] != '\0' ? former->job.job_id : UNKNOWN_NAME;
    char to[TO_BYTES];
    int place = 1;

    /* the same job may be there already, if somebody has copied it back */
    snprintf(to, sizeof to, CRMPI_JOBS_NAME "/%s", id);
    while (is_there(dir, to, "") && ++place <= PLACES_MAX)
        snprintf(to, sizeof to, CRMPI_JOBS_NAME "/%s.%d", id, place);
    if (strchr(id, '/') != NULL || id[0] == '.' || place > PLACES_MAX) {
        crmpi_error("%s: no name for the folder of job %s", dir, id);
        return CRMPI_ERR_UNSUPPORTED;
    }
    snprintf(path_out, path_bytes, "%s/%s", dir, to);
    return move_to(dir, to);
}

/* ---- removing ---- */

static enum crmpi_status remove_one(int fd, const char *folder, const char *name,
                                    void *context)
{
    uint64_t number;

    (void)context;
    if ((crmpi_name_is(name, CRMPI_FILE_SUFFIX, &number) ||
         crmpi_name_is(name, CRMPI_FILE_SUFFIX CRMPI_TMP_SUFFIX, &number) ||
         crmpi_name_is_note(name) || strcmp(name, CRMPI_SPARE_NAME) == 0) &&
        unlinkat(fd, name, 0) != 0 && errno != ENOENT)
        crmpi_warn("cannot remove %s/%s: %s", folder, name, strerror(errno));
    return CRMPI_OK;
}

/* Remove a folder with the files in it that crmpi names so; 0: it was not there. */
static int folder_remove(const char *path)
{
    if (access(path, F_OK) != 0)
        return 0;
    crmpi_entries_visit(path, remove_one, NULL);
    rmdir(path); /* what others have put there stays */
    return 1;
}

void crmpi_discarded_remove(const char *dir, uint32_t first, uint32_t step)
{
    static const char *const texts[] = {"stopped", ENDED_NAME, "fetched"};
    char discarded[CRMPI_PATH_BYTES], path[CRMPI_PATH_BYTES];

    if (path_make(discarded, dir, DISCARDED_NAME, "") != CRMPI_OK ||
        access(discarded, F_OK) != 0)
        return;
    if (first == 0 && path_make(path, discarded, "lines", "") == CRMPI_OK)
        folder_remove(path);
    for (size_t i = 0; first == 0 && i < sizeof texts / sizeof *texts; i++)
        crmpi_note_remove(discarded, texts[i]);
    for (uint64_t rank = first;
         crmpi_rank_folder(discarded, (uint32_t)rank, path, sizeof path) == CRMPI_OK &&
         folder_remove(path);
         rank += step)
        ;
    if (path_make(path, discarded, "ranks", "") == CRMPI_OK && access(path, F_OK) == 0) {
        crmpi_note_remove(path, CRMPI_UNDONE_NAME);
        rmdir(path); /* others may not be done yet: the last one does it */
    }
    rmdir(discarded);
}

static enum crmpi_status rank_remove(int fd, const char *folder, const char *name,
                                     void *context)
{
    char path[CRMPI_PATH_BYTES];
    uint64_t rank;

    (void)fd;
    (void)context;
    if (crmpi_name_is(name, "", &rank) && path_make(path, folder, name, "") == CRMPI_OK)
        folder_remove(path);
    return CRMPI_OK;
}

enum crmpi_status crmpi_former_discard(const char *dir)
{
    char path[CRMPI_PATH_BYTES];

    /* of an earlier job, if that was cut short */
    if (is_there(dir, DISCARDED_NAME, "ranks") &&
        path_make(path, dir, DISCARDED_NAME, "ranks") == CRMPI_OK)
        crmpi_entries_visit(path, rank_remove, NULL);
    crmpi_discarded_remove(dir, 0, 1);
    return move_to(dir, DISCARDED_NAME);
}
