/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lines that were tried (see attempts.h).  Tools.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/config.h"
#include "base/log.h"
#include "restart/restart.h"
#include "storage/attempt.h"
#include "storage/container.h"
#include "tools/attempts.h"
#include "tools/launch.h"
#include "tools/restart.h"

void tool_attempt_begin(struct tool_attempts *attempts, uint64_t line)
{
    if (attempts->line != line)
        attempts->n_cuts = 0;
    attempts->line = line;
    crmpi_attempt_begin(crmpi_config.dir);
}

static void note(struct tool_attempts *attempts, const char *reason)
{
    size_t i = 0;

    while (i < attempts->n_given_up && attempts->given_up[i].line != attempts->line)
        i++;
    if (i == TOOL_ATTEMPTS_MAX)
        return;
    attempts->given_up[i].line = attempts->line;
    snprintf(attempts->given_up[i].reason, sizeof attempts->given_up[i].reason, "%s",
             reason);
    if (i == attempts->n_given_up)
        attempts->n_given_up++;
}

void tool_attempts_give_up(struct tool_attempts *attempts, const char *reason)
{
    note(attempts, reason);
    crmpi_warn("line %llu cannot be restored: %s", (unsigned long long)attempts->line,
               reason);
}

/* By the launcher's status alone, which may be another rank's, or the program's own. */
static enum tool_outcome outcome_of(int exit_status, enum tool_outcome otherwise)
{
    switch (exit_status) {
    case CRMPI_EXIT_DAMAGED:
        return TOOL_DAMAGED;
    case CRMPI_EXIT_UNFIT:
        return TOOL_UNFIT;
    case CRMPI_EXIT_WRONG:
        return TOOL_WRONG;
    default:
        return otherwise;
    }
}

enum tool_outcome tool_attempt_end(struct tool_attempts *attempts, int exit_status)
{
    int is_watched = crmpi_attempt_is_watched();
    struct crmpi_refusal refusal;
    enum crmpi_attempt_outcome outcome = crmpi_attempt_end(crmpi_config.dir, &refusal);
    char reason[CRMPI_REASON_BYTES + 400];

    if (exit_status == 0 || tool_launch_told_to_end())
        return TOOL_RAN;
    if (!is_watched) /* the directory cannot be written: the ranks have told all */
        return outcome_of(exit_status, TOOL_RAN);
    if (outcome == CRMPI_ATTEMPT_REFUSED) {
        snprintf(reason, sizeof reason, "rank %u on %s: %s", refusal.world_rank,
                 refusal.host, refusal.reason);
        tool_attempts_give_up(attempts, reason);
        return outcome_of(refusal.exit_status, TOOL_UNFIT);
    }
    if (outcome == CRMPI_ATTEMPT_RESTORED)
        return TOOL_RAN;
    attempts->n_cuts++;
    snprintf(reason, sizeof reason,
             "the job ended with status %d before all its ranks were restored",
             exit_status);
    tool_attempts_give_up(attempts, reason);
    return outcome_of(exit_status, TOOL_CUT);
}

/* A line with all its files, of the job that another one is of. */
static int may_do(uint64_t number, const struct crmpi_line *like, int elsewhere)
{
    struct crmpi_line line;
    int result;

    if (crmpi_line_read(crmpi_config.dir, number, &line) != CRMPI_OK)
        return 0;
    result = strcmp(line.job.job_id, like->job.job_id) == 0 &&
             line.job.n_ranks == like->job.n_ranks &&
             (elsewhere || tool_line_is_whole(crmpi_config.dir, &line));
    crmpi_line_free(&line);
    return result;
}

uint64_t tool_attempts_older(const struct tool_attempts *attempts, uint64_t after,
                             int elsewhere)
{
    struct crmpi_line tried;
    uint64_t *numbers, found = 0;
    size_t n;

    if (crmpi_line_read(crmpi_config.dir, attempts->line, &tried) != CRMPI_OK)
        return 0;
    if (crmpi_lines_list(crmpi_config.dir, &numbers, &n) == CRMPI_OK) {
        while (n-- > 0 && found == 0)
            if (numbers[n] < attempts->line && numbers[n] > after &&
                may_do(numbers[n], &tried, elsewhere))
                found = numbers[n];
        free(numbers);
    }
    crmpi_line_free(&tried);
    return found;
}

void tool_attempts_sum_up(const struct tool_attempts *attempts)
{
    if (attempts->n_given_up < 2)
        return;
    crmpi_error("none of the lines in %s can be restored:", crmpi_config.dir);
    for (size_t i = 0; i < attempts->n_given_up; i++)
        crmpi_error("  line %llu: %s", (unsigned long long)attempts->given_up[i].line,
                    attempts->given_up[i].reason);
}

const char *tool_line_text(uint64_t number)
{
    static char text[96];
    struct crmpi_line line;
    struct tm local;
    time_t taken;
    char when[64] = "";

    if (crmpi_line_read(crmpi_config.dir, number, &line) == CRMPI_OK) {
        taken = (time_t)line.job.time;
        if (localtime_r(&taken, &local) != NULL)
            strftime(when, sizeof when, " of %F %T", &local);
        crmpi_line_free(&line);
    }
    snprintf(text, sizeof text, "line %llu%s", (unsigned long long)number, when);
    return text;
}
