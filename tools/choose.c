/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Choosing the line that a job goes on from: an old one that is whole, or one computed
 * from the checkpoints there are.  Tools.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/config.h"
#include "base/log.h"
#include "storage/former.h"
#include "tools/restart.h"
#include "tools/timeline.h"

#define STEPS_MAX 12

/* ---- lines there are ---- */

/* A rank's file is there, of the size that the line says, and can be opened. */
static enum crmpi_status check_rank(const char *dir, const struct crmpi_line *line,
                                    uint32_t world_rank, int glance)
{
    const struct crmpi_line_rank *rank = &line->ranks[world_rank];
    struct crmpi_reader *reader;
    struct stat found;
    char path[4600];
    enum crmpi_status status =
        crmpi_rank_path(dir, world_rank, rank->sn, 0, path, sizeof path);

    if (status != CRMPI_OK)
        return status;
    if (stat(path, &found) != 0) {
        crmpi_warn("%s: %s", path, strerror(errno));
        return CRMPI_ERR_NOTFOUND;
    }
    if ((uint64_t)found.st_size != rank->file_bytes) {
        crmpi_warn("%s: has %llu bytes instead of %llu", path,
                   (unsigned long long)found.st_size,
                   (unsigned long long)rank->file_bytes);
        return CRMPI_ERR_CORRUPT;
    }
    if (glance)
        return CRMPI_OK;
    status = crmpi_line_open_rank(dir, line, world_rank, &reader);
    if (status == CRMPI_OK)
        crmpi_reader_close(reader);
    return status;
}

static enum crmpi_status check_line(const char *dir, const struct crmpi_line *line,
                                    int glance)
{
    enum crmpi_status status = CRMPI_OK;

    for (uint32_t i = 0; i < line->job.n_ranks && status == CRMPI_OK; i++)
        status = check_rank(dir, line, i, glance);
    return status;
}

int tool_line_is_whole(const char *dir, const struct crmpi_line *line)
{
    return check_line(dir, line, 0) == CRMPI_OK;
}

static enum crmpi_status read_whole(const char *dir, uint64_t number, int glance,
                                    struct crmpi_line *line_out)
{
    struct crmpi_line line;
    enum crmpi_status status = crmpi_line_read(dir, number, &line);

    if (status != CRMPI_OK)
        return status;
    status = check_line(dir, &line, glance);
    if (status == CRMPI_OK)
        *line_out = line;
    else
        crmpi_line_free(&line);
    return status;
}

static void cannot_be_used(uint64_t number, enum crmpi_status status)
{
    crmpi_warn("line %" PRIu64 " cannot be used: %s", number, crmpi_status_text(status));
}

static int is_same_job(const struct crmpi_line *a, const struct crmpi_line *b)
{
    return strcmp(a->job.job_id, b->job.job_id) == 0 && a->job.n_ranks == b->job.n_ranks;
}

/* ---- lines that are computed ---- */

/* Files whose memory is known to be damaged. */
struct damage {
    struct crmpi_rank_file *files;
    size_t n;
};

static enum crmpi_status damage_note(struct damage *damage, uint32_t rank, uint64_t sn)
{
    struct crmpi_rank_file *more = realloc(damage->files, (damage->n + 1) * sizeof *more);

    if (more == NULL) {
        crmpi_error("no memory to look for damage");
        return CRMPI_ERR_NOMEM;
    }
    more[damage->n++] = (struct crmpi_rank_file){.world_rank = rank, .sn = sn};
    damage->files = more;
    return CRMPI_OK;
}

/* Read all of a line's files, and note those that are not what they were. */
static enum crmpi_status damage_find(const char *dir, const struct crmpi_line *line,
                                     struct damage *damage)
{
    enum crmpi_status status = CRMPI_OK;

    for (uint32_t i = 0; i < line->job.n_ranks && status == CRMPI_OK; i++) {
        struct crmpi_reader *reader;
        enum crmpi_status found = crmpi_line_open_rank(dir, line, i, &reader);

        if (found == CRMPI_OK) {
            found = crmpi_reader_verify(reader, NULL, NULL);
            crmpi_reader_close(reader);
        }
        if (found != CRMPI_OK && found != CRMPI_ERR_UNSUPPORTED) /* that may be right */
            status = damage_note(damage, i, line->ranks[i].sn);
    }
    return status;
}

int tool_line_is_damaged(const char *dir, const struct crmpi_line *line)
{
    struct damage damage = {0};
    int result = damage_find(dir, line, &damage) == CRMPI_OK && damage.n > 0;

    free(damage.files);
    return result;
}

/* The newest line that is whole; of the job that another is of, unless that is NULL. */
static enum crmpi_status newest_whole(const char *dir, const uint64_t *numbers, size_t n,
                                      const struct tool_choice *choice,
                                      const struct crmpi_line *like,
                                      struct crmpi_line *line_out)
{
    enum crmpi_status status = CRMPI_ERR_NOTFOUND;

    for (size_t i = n; i-- > 0 && numbers[i] > choice->after;) {
        struct crmpi_line line = {0};

        status = read_whole(dir, numbers[i], choice->glance, &line);
        if (status == CRMPI_OK && like && !is_same_job(&line, like))
            status = CRMPI_ERR_MISMATCH;
        if (status == CRMPI_OK && choice->verify && tool_line_is_damaged(dir, &line))
            status = CRMPI_ERR_CORRUPT;
        if (status == CRMPI_OK) {
            *line_out = line;
            break;
        }
        cannot_be_used(numbers[i], status);
        crmpi_line_free(&line);
    }
    return status;
}

/* Say why the line is where it is: what was lost, and whom that forced back. */
static void explain(const struct crmpi_history *history,
                    const struct crmpi_recovery_line *found)
{
    char text[512];

    for (size_t i = 0; i < found->n_steps && i < STEPS_MAX; i++) {
        crmpi_recovery_explain(history, found, i, text, sizeof text);
        crmpi_warn("%s", text);
    }
    if (found->n_steps > STEPS_MAX)
        crmpi_warn("and %zu more such steps", found->n_steps - STEPS_MAX);
    timeline_draw(history, found, stderr);
}

static int is_beginning(const struct crmpi_history *history,
                        const struct crmpi_recovery_line *found)
{
    for (uint32_t rank = 0; rank < history->n_ranks; rank++)
        if (found->sn[rank] == 0)
            return 1;
    return 0;
}

/* A line there is that has just these checkpoints, and is whole. */
static enum crmpi_status find_equal(const char *dir, const uint64_t *numbers, size_t n,
                                    const struct crmpi_line *newest, const uint64_t *sn,
                                    struct crmpi_line *line_out)
{
    for (size_t i = n; i-- > 0;) {
        struct crmpi_line line;
        uint32_t rank = 0;

        if (crmpi_line_read(dir, numbers[i], &line) != CRMPI_OK)
            continue;
        if (is_same_job(&line, newest))
            while (rank < line.job.n_ranks && line.ranks[rank].sn == sn[rank])
                rank++;
        if (rank == line.job.n_ranks && check_line(dir, &line, 0) == CRMPI_OK) {
            *line_out = line;
            return CRMPI_OK;
        }
        crmpi_line_free(&line);
    }
    return CRMPI_ERR_NOTFOUND;
}

/* What is computed is proved once more, by what it leaves in transit: all of that has to
 * be in logs. */
static enum crmpi_status check_transit(const struct crmpi_history *history,
                                       const uint64_t *sn)
{
    struct crmpi_late *late;
    size_t n;
    uint64_t n_messages = 0;
    enum crmpi_status status = crmpi_recovery_late(history, sn, &late, &n);

    if (status != CRMPI_OK) {
        crmpi_error("the computed line would lose messages: it is not used");
        return status;
    }
    for (size_t i = 0; i < n; i++)
        n_messages += late[i].sent - late[i].received;
    free(late);
    if (n_messages)
        crmpi_info("%" PRIu64 " messages in transit are sent again from logs",
                   n_messages);
    return CRMPI_OK;
}

struct search {
    const char *dir;
    const struct tool_choice *choice;
    const uint64_t *numbers;
    size_t n;
    const struct crmpi_line *newest;
    int has_alone; /* there are files above the newest line: number above them, too */
};

/* Make the line of the newest checkpoints that go together; not written.
 * @param[out] is_new_out  it is none of those there are */
static enum crmpi_status compute(const struct search *search, const struct damage *damage,
                                 struct crmpi_line *line_out, int *is_new_out)
{
    struct crmpi_recovery_line found;
    struct crmpi_history history;
    enum crmpi_status status =
        crmpi_history_read_without(search->dir, damage->files, damage->n, &history);

    if (status != CRMPI_OK)
        return status;
    status = crmpi_recovery_line(&history, NULL, NULL, NULL, &found);
    if (status != CRMPI_OK) {
        crmpi_error("no line can be computed: %s", crmpi_status_text(status));
        crmpi_history_fini(&history);
        return status;
    }
    if (found.n_steps > 0)
        explain(&history, &found);
    *is_new_out = 0;
    if (is_beginning(&history, &found))
        status = CRMPI_ERR_NOTFOUND;
    else
        status = check_transit(&history, found.sn);
    if (status == CRMPI_OK &&
        (search->has_alone ||
         find_equal(search->dir, search->numbers, search->n, search->newest, found.sn,
                    line_out) != CRMPI_OK)) {
        *is_new_out = 1;
        status = crmpi_line_compose(search->dir, &history, found.sn, line_out);
    }
    crmpi_recovery_line_fini(&found);
    crmpi_history_fini(&history);
    return status;
}

/* Compute until nothing in the line is damaged, as far as is to be looked. */
static enum crmpi_status compute_whole(const struct search *search,
                                       struct crmpi_line *line_out, int *is_new_out)
{
    struct damage damage = {0};
    enum crmpi_status status = CRMPI_OK;
    size_t n_before;

    if (search->choice->verify)
        status = damage_find(search->dir, search->newest, &damage);
    while (status == CRMPI_OK) {
        n_before = damage.n;
        status = compute(search, &damage, line_out, is_new_out);
        if (status != CRMPI_OK || !search->choice->verify)
            break;
        status = damage_find(search->dir, line_out, &damage);
        if (status == CRMPI_OK && damage.n == n_before)
            break;
        crmpi_line_free(line_out);
    }
    free(damage.files);
    return status;
}

static enum crmpi_status write_new(const char *dir, const struct tool_choice *choice,
                                   const struct crmpi_line *line)
{
    enum crmpi_status status = CRMPI_OK;

    if (!choice->dry)
        status = crmpi_line_write(dir, line, crmpi_config.sync);
    if (status == CRMPI_OK)
        crmpi_warn("line %" PRIu64 " %s of the checkpoints that go together",
                   line->job.sn, choice->dry ? "would be made" : "was made");
    return status;
}

static enum crmpi_status choose_computed(const struct search *search,
                                         struct crmpi_line *line_out)
{
    int is_new;
    enum crmpi_status status = compute_whole(search, line_out, &is_new);

    if (status == CRMPI_OK && is_new) {
        status = write_new(search->dir, search->choice, line_out);
        if (status != CRMPI_OK)
            crmpi_line_free(line_out);
        return status;
    }
    if (status == CRMPI_OK) {
        if (line_out->job.sn != search->newest->job.sn)
            crmpi_warn("falling back to line %" PRIu64, line_out->job.sn);
        return CRMPI_OK;
    }
    if (status != CRMPI_ERR_NOTFOUND)
        return status;
    /* lines that the newest one does not follow from are each consistent in themselves */
    size_t n_older = 0;
    while (n_older < search->n && search->numbers[n_older] < search->newest->job.sn)
        n_older++;
    status = newest_whole(search->dir, search->numbers, n_older, search->choice,
                          search->newest, line_out);
    if (status == CRMPI_OK)
        crmpi_warn("falling back to line %" PRIu64, line_out->job.sn);
    return status;
}

/* ---- choosing ---- */

static enum crmpi_status choose_newest(const char *dir, const uint64_t *numbers, size_t n,
                                       const struct tool_choice *choice,
                                       struct crmpi_line *line_out)
{
    struct search search = {.dir = dir, .choice = choice, .numbers = numbers, .n = n};
    struct crmpi_line newest;
    enum crmpi_status status = CRMPI_ERR_NOTFOUND;
    size_t i = n;

    while (i > 0 && numbers[i - 1] > choice->after && status != CRMPI_OK) {
        status = crmpi_line_read(dir, numbers[--i], &newest);
        if (status != CRMPI_OK)
            cannot_be_used(numbers[i], status);
    }
    if (status != CRMPI_OK)
        return status;
    search.newest = &newest;
    status = crmpi_history_has_alone(dir, UINT32_MAX, &search.has_alone);
    if (status == CRMPI_OK && !search.has_alone && !choice->verify) {
        status = check_line(dir, &newest, 0);
        if (status == CRMPI_OK) {
            if (i + 1 < n)
                crmpi_warn("falling back to line %" PRIu64, newest.job.sn);
            *line_out = newest;
            return CRMPI_OK;
        }
        cannot_be_used(newest.job.sn, status);
        status = CRMPI_OK;
    }
    if (status == CRMPI_OK)
        status = choose_computed(&search, line_out);
    crmpi_line_free(&newest);
    return status;
}

/* A line by its number.  What ranks have saved alone since the newest line is given up;
 * so that it stays so, the job gets a line of its own above it. */
static enum crmpi_status choose_at(const char *dir, const struct tool_choice *choice,
                                   struct crmpi_line *line_out)
{
    struct crmpi_history history;
    struct crmpi_line line;
    int has_alone = 0;
    enum crmpi_status status = read_whole(dir, choice->at, 0, &line);

    if (status != CRMPI_OK)
        return status;
    status = crmpi_history_has_alone(dir, UINT32_MAX, &has_alone);
    if (status == CRMPI_OK && has_alone &&
        (status = crmpi_history_read(dir, &history)) == CRMPI_OK) {
        status = crmpi_line_renew(dir, &history, &line);
        crmpi_history_fini(&history);
        if (status == CRMPI_OK && !choice->dry)
            status = crmpi_line_write(dir, &line, crmpi_config.sync);
        if (status == CRMPI_OK)
            crmpi_warn(
                "checkpoints that ranks took alone since the newest line are given "
                "up: line %" PRIu64 " goes on as line %" PRIu64,
                choice->at, line.job.sn);
    }
    if (status == CRMPI_OK)
        *line_out = line;
    else
        crmpi_line_free(&line);
    return status;
}

/* Under a launcher every rank chooses for itself, and none can write a line for all. */
static enum crmpi_status choose_glance(const char *dir, const uint64_t *numbers, size_t n,
                                       const struct tool_choice *choice,
                                       struct crmpi_line *line_out)
{
    int has_alone = 0;
    enum crmpi_status status =
        crmpi_history_has_alone(dir, choice->world_rank, &has_alone);

    if (status == CRMPI_OK && has_alone) {
        crmpi_error("rank %u has checkpoints newer than the newest line, taken alone: "
                    "'crmpi-restart %s', without a launcher, makes a line of them",
                    choice->world_rank, dir);
        return CRMPI_ERR_UNSUPPORTED;
    }
    if (status != CRMPI_OK)
        return status;
    if (choice->at != 0)
        return read_whole(dir, choice->at, 1, line_out);
    status = newest_whole(dir, numbers, n, choice, NULL, line_out);
    if (status == CRMPI_OK && line_out->job.sn != numbers[n - 1])
        crmpi_warn("falling back to line %" PRIu64
                   "; 'crmpi-restart %s', without a launcher, may find more",
                   line_out->job.sn, dir);
    return status;
}

static const char *hint(const char *dir, size_t n_lines)
{
    static char text[4200];

    if (n_lines > 0)
        return "";
    snprintf(text, sizeof text, "%s/" CRMPI_JOBS_NAME, dir);
    if (access(text, F_OK) != 0)
        return "; was it this directory?";
    snprintf(text, sizeof text, "; 'crmpi-inspect %s' lists what was kept of former jobs",
             dir);
    return text;
}

enum crmpi_status tool_line_choose(const char *dir, const struct tool_choice *choice,
                                   struct crmpi_line *line_out)
{
    char lines[4200];
    uint64_t *numbers;
    size_t n;
    enum crmpi_status status;

    if (access(dir, F_OK) != 0) {
        crmpi_error("there is no checkpoint directory %s: %s", dir, strerror(errno));
        return CRMPI_ERR_NOTFOUND;
    }
    n = 0;
    numbers = NULL;
    snprintf(lines, sizeof lines, "%s/lines", dir);
    status = access(lines, F_OK) == 0 ? crmpi_lines_list(dir, &numbers, &n) : CRMPI_OK;
    if (status != CRMPI_OK)
        return status;
    if (n == 0)
        status = CRMPI_ERR_NOTFOUND;
    else if (choice->glance)
        status = choose_glance(dir, numbers, n, choice, line_out);
    else if (choice->at != 0)
        status = choose_at(dir, choice, line_out);
    else
        status = choose_newest(dir, numbers, n, choice, line_out);
    if (status == CRMPI_ERR_UNSUPPORTED)
        ; /* what to do instead was said */
    else if (status != CRMPI_OK && choice->at != 0)
        crmpi_error("line %" PRIu64 " of %s cannot be used: %s; 'crmpi-inspect %s' lists "
                    "those there are",
                    choice->at, dir, crmpi_status_text(status), dir);
    else if (status != CRMPI_OK)
        crmpi_error("%s has no recovery line to restart from%s", dir, hint(dir, n));
    free(numbers);
    return status;
}
