/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From a checkpoint directory to the command that restarts the job.  Tools.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/config.h"
#include "base/log.h"
#include "tools/restart.h"
#include "tools/tool.h"

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

static enum crmpi_status read_whole(const char *dir, uint64_t number, int glance,
                                    struct crmpi_line *line_out)
{
    struct crmpi_line line;
    enum crmpi_status status = crmpi_line_read(dir, number, &line);

    if (status != CRMPI_OK)
        return status;
    for (uint32_t i = 0; i < line.job.n_ranks && status == CRMPI_OK; i++)
        status = check_rank(dir, &line, i, glance);
    if (status == CRMPI_OK)
        *line_out = line;
    else
        crmpi_line_free(&line);
    return status;
}

static enum crmpi_status choose_newest(const char *dir, const uint64_t *numbers, size_t n,
                                       const struct tool_choice *choice,
                                       struct crmpi_line *line_out)
{
    enum crmpi_status status = CRMPI_ERR_NOTFOUND;
    size_t i = n;

    while (i > 0 && numbers[i - 1] > choice->after && status != CRMPI_OK) {
        if (choice->before != 0 && numbers[i - 1] >= choice->before) {
            i--;
            continue;
        }
        status = read_whole(dir, numbers[--i], choice->glance, line_out);
        if (status != CRMPI_OK)
            crmpi_warn("line %llu cannot be used: %s", (unsigned long long)numbers[i],
                       crmpi_status_text(status));
    }
    if (status == CRMPI_OK && i + 1 < n)
        crmpi_warn("falling back to line %llu", (unsigned long long)numbers[i]);
    return status;
}

enum crmpi_status tool_line_choose(const char *dir, const struct tool_choice *choice,
                                   struct crmpi_line *line_out)
{
    uint64_t *numbers;
    size_t n;
    enum crmpi_status status;

    if (access(dir, F_OK) != 0) {
        crmpi_error("there is no checkpoint directory %s: %s", dir, strerror(errno));
        return CRMPI_ERR_NOTFOUND;
    }
    status = crmpi_lines_list(dir, &numbers, &n);
    if (status != CRMPI_OK)
        return status;
    if (choice->at == 0) {
        status = choose_newest(dir, numbers, n, choice, line_out);
        if (status != CRMPI_OK)
            crmpi_error("%s has no recovery line to restart from%s", dir,
                        n == 0 ? "; was it this directory?" : "");
    } else {
        status = read_whole(dir, choice->at, choice->glance, line_out);
        if (status != CRMPI_OK)
            crmpi_error(
                "line %llu of %s cannot be used: %s; 'crmpi-inspect %s' lists those "
                "there are",
                (unsigned long long)choice->at, dir, crmpi_status_text(status), dir);
    }
    free(numbers);
    return status;
}

int tool_line_is_damaged(const char *dir, const struct crmpi_line *line)
{
    int damaged = 0;

    for (uint32_t i = 0; i < line->job.n_ranks; i++) {
        struct crmpi_reader *reader;

        if (crmpi_line_open_rank(dir, line, i, &reader) != CRMPI_OK) {
            damaged = 1;
            continue;
        }
        if (crmpi_reader_verify(reader, NULL, NULL) != CRMPI_OK)
            damaged = 1;
        crmpi_reader_close(reader);
    }
    return damaged;
}

/* ---- the command ---- */

static int has_word(const struct crmpi_words *words, const char *word)
{
    for (size_t i = 0; i < words->n; i++)
        if (strcmp(words->items[i], word) == 0)
            return 1;
    return 0;
}

void tool_line_settings(const struct crmpi_line *line)
{
    struct crmpi_words record = {0};

    if (line->launcher == NULL ||
        crmpi_words_split(&record, line->launcher, line->launcher_bytes) != CRMPI_OK)
        return;
    for (size_t i = 1; i + 1 < record.n; i++) {
        char *value = strchr(record.items[i + 1], '=');
        if (strcmp(record.items[i], "-x") != 0 || value == NULL)
            continue;
        *value++ = '\0';
        if (crmpi_variable_find(record.items[i + 1]) != NULL)
            setenv(record.items[i + 1], value, 0);
    }
    crmpi_words_fini(&record);
}

/* What is behind -x is crmpi's own, or names a variable that is not set: mpirun would
 * complain. */
static int setting_is_stale(const char *setting)
{
    return strncmp(setting, "CRMPI_", 6) == 0 ||
           (strchr(setting, '=') == NULL && getenv(setting) == NULL);
}

static void add_recorded(const struct crmpi_words *record, struct crmpi_words *words)
{
    for (size_t i = 1; i < record->n; i++) {
        if (strcmp(record->items[i], "-x") == 0 && i + 1 < record->n &&
            setting_is_stale(record->items[i + 1])) {
            i++;
            continue;
        }
        tool_words_add(words, record->items[i]);
    }
}

static void make_mpirun(const struct crmpi_line *line, const struct crmpi_words *record,
                        struct crmpi_words *words)
{
    char n_ranks[16];

    snprintf(n_ranks, sizeof n_ranks, "%u", line->job.n_ranks);
    tool_words_add(words, record->n > 0 ? record->items[0] : "mpirun");
    tool_words_add_settings(words);
    if (record->n > 0)
        add_recorded(record, words);
    else
        tool_words_add(words, "--oversubscribe");
    if (geteuid() == 0 && !has_word(words, "--allow-run-as-root"))
        tool_words_add(words, "--allow-run-as-root");
    tool_words_add2(words, "-np", n_ranks);
}

void tool_host_command(uint64_t sn, int truncate, struct crmpi_words *words)
{
    char host[4096], number[32];

    tool_path_find("CRMPI_HOST", "crmpi-host", CRMPI_LIBEXECDIR, host, sizeof host);
    snprintf(number, sizeof number, "%llu", (unsigned long long)sn);
    tool_words_add(words, host);
    tool_words_add2(words, "--restore", crmpi_config.dir);
    tool_words_add2(words, "--at", number);
    if (!truncate)
        tool_words_add(words, "--no-truncate");
}

void tool_restart_command(const struct crmpi_line *line, char *const *extra, int truncate,
                          struct crmpi_words *words_out)
{
    struct crmpi_words record = {0}, launcher = {0};

    if (line->launcher != NULL &&
        crmpi_words_split(&record, line->launcher, line->launcher_bytes) != CRMPI_OK)
        crmpi_warn("the line does not tell how the job was launched: using mpirun");
    if (record.n > 0 && !crmpi_launcher_is_mpirun(record.items[0])) {
        for (size_t i = 0; i < record.n; i++)
            tool_words_add(&launcher, record.items[i]);
    } else {
        make_mpirun(line, &record, &launcher);
    }
    for (; extra != NULL && *extra != NULL; extra++)
        tool_words_add(&launcher, *extra);
    tool_host_command(line->job.sn, truncate, &launcher);
    *words_out = launcher;
    crmpi_words_fini(&record);
}

void tool_preload_clean(void)
{
    const char *preload = getenv("LD_PRELOAD");
    char *copy = preload != NULL ? strdup(preload) : NULL, *rest = copy, *item;
    char kept[8192] = "";

    while ((item = strsep(&rest, ": ")) != NULL) {
        const char *slash = strrchr(item, '/');
        size_t used = strlen(kept);
        if (item[0] != '\0' &&
            strcmp(slash != NULL ? slash + 1 : item, "libcrmpi.so") != 0)
            snprintf(kept + used, sizeof kept - used, "%s%s", used ? ":" : "", item);
    }
    free(copy);
    if (preload != NULL && kept[0] == '\0')
        unsetenv("LD_PRELOAD");
    else if (preload != NULL)
        setenv("LD_PRELOAD", kept, 1);
}
