/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Choosing a line whose files may be on nodes, see fetch.h.  Tools.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/config.h"
#include "base/log.h"
#include "base/own.h"
#include "levels/fetch.h"
#include "storage/directory.h"
#include "storage/file.h"
#include "storage/lineage.h"
#include "tools/fetch.h"
#include "tools/launch.h"
#include "tools/tool.h"

/* The line that all others are judged by: the newest that can be read, or that which is
 * asked for. */
static enum crmpi_status line_find(const char *dir, uint64_t at,
                                   struct crmpi_line *line_out)
{
    enum crmpi_status status = CRMPI_ERR_NOTFOUND;
    uint64_t *numbers;
    size_t n;

    if (at)
        return crmpi_line_read(dir, at, line_out);
    if (access(dir, F_OK) != 0 || crmpi_lines_list(dir, &numbers, &n) != CRMPI_OK)
        return CRMPI_ERR_NOTFOUND;
    while (n > 0 && status != CRMPI_OK)
        status = crmpi_line_read(dir, numbers[--n], line_out);
    free(numbers);
    return status;
}

/* Whether a line has files that were kept on nodes, and are not in the directory that all
 * nodes share. */
static int is_on_nodes(const char *dir, const struct crmpi_line *line)
{
    char path[CRMPI_PATH_BYTES];

    for (uint32_t rank = 0; rank < line->job.n_ranks; rank++)
        if (line->ranks[rank].figures.level & CRMPI_LEVEL_LOCAL &&
            (crmpi_rank_path(dir, rank, line->ranks[rank].sn, 0, path, sizeof path) !=
                 CRMPI_OK ||
             access(path, F_OK) != 0))
            return 1;
    return 0;
}

int tool_fetch_is_needed(const char *tool, const char *dir)
{
    struct crmpi_line line;
    int needed;

    if (line_find(dir, 0, &line) != CRMPI_OK)
        return 0; /* choosing will tell */
    tool_line_settings(&line);
    tool_config_load(tool, dir);
    needed =
        (crmpi_config.levels.set & CRMPI_LEVEL_LOCAL) != 0 || is_on_nodes(dir, &line);
    crmpi_line_free(&line);
    return needed;
}

void tool_fetch_command(const struct crmpi_line *line, const struct tool_choice *choice,
                        char *const *extra, struct crmpi_words *words_out)
{
    struct crmpi_words words = {0};
    char host[4096], number[32];

    tool_launcher_command(line, extra, &words);
    tool_path_find("CRMPI_HOST", CRMPI_HOST_NAME, CRMPI_LIBEXECDIR, host, sizeof host);
    tool_words_add(&words, host);
    tool_words_add2(&words, "--fetch", crmpi_config.dir);
    if (choice->at) {
        snprintf(number, sizeof number, "%llu", (unsigned long long)choice->at);
        tool_words_add2(&words, "--at", number);
    }
    if (choice->after) {
        snprintf(number, sizeof number, "%llu", (unsigned long long)choice->after);
        tool_words_add2(&words, "--after", number);
    }
    *words_out = words;
}

/* Read which line was fetched; 0: none. */
static uint64_t result_read(const char *path)
{
    char text[32] = "", *end;
    struct iovec iov = {text, 0};
    unsigned long long number;
    uint64_t bytes;
    int fd;

    if (access(path, F_OK) != 0 || crmpi_input_open(path, &fd, &bytes) != CRMPI_OK)
        return 0;
    iov.iov_len = bytes < sizeof text ? bytes : sizeof text - 1;
    if (crmpi_input_read(fd, path, &iov, 1, 0) != CRMPI_OK)
        text[0] = '\0';
    close(fd);
    number = strtoull(text, &end, 10);
    return end > text && *end == '\n' ? number : 0;
}

static enum crmpi_status fetch(const char *dir, const struct tool_choice *choice,
                               char *const *extra, struct crmpi_line *line_out)
{
    enum crmpi_status status = CRMPI_ERR_NOTFOUND;
    char path[CRMPI_PATH_BYTES];
    struct crmpi_words words;
    struct crmpi_line line;
    uint64_t number = 0;

    if (snprintf(path, sizeof path, "%s/" CRMPI_FETCHED_NAME, dir) >= (int)sizeof path ||
        line_find(dir, choice->at, &line) != CRMPI_OK) {
        crmpi_error("%s has no recovery line to restart from", dir);
        return CRMPI_ERR_NOTFOUND;
    }
    if (choice->dry) {
        *line_out = line;
        return CRMPI_OK;
    }
    if (unlink(path) != 0 && errno != ENOENT) {
        crmpi_error("cannot remove %s: %s", path, strerror(errno));
        crmpi_line_free(&line);
        return crmpi_file_status(errno);
    }
    tool_fetch_command(&line, choice, extra, &words);
    tool_preload_clean();
    if (tool_launch_exit_status(tool_launch(&words, NULL, NULL)) == 0 &&
        !tool_launch_told_to_end())
        number = result_read(path);
    if (number != 0) {
        unlink(path);
        status = crmpi_line_read(dir, number, line_out);
    } else {
        crmpi_error("the job is not restarted: its files could not be fetched");
    }
    crmpi_words_fini(&words);
    crmpi_line_free(&line);
    return status;
}

enum crmpi_status tool_line_have(const char *tool, const char *dir,
                                 const struct tool_choice *choice, char *const *extra,
                                 struct crmpi_line *line_out, int *fetched_out)
{
    *fetched_out = tool_fetch_is_needed(tool, dir);
    if (!*fetched_out)
        return tool_line_choose(dir, choice, line_out);
    if (!crmpi_config.local[0]) {
        crmpi_error("the job's files are on its nodes: set CRMPI_LOCAL, CRMPI_LEVELS and "
                    "CRMPI_NODES as they were");
        return CRMPI_ERR_USAGE;
    }
    if (choice->glance) {
        crmpi_error("the job's files are on its nodes: 'crmpi-restart %s', without a "
                    "launcher, brings them to its ranks and starts these",
                    dir);
        return CRMPI_ERR_UNSUPPORTED;
    }
    return fetch(dir, choice, extra, line_out);
}
