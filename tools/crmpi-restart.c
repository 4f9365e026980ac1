/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * crmpi-restart: let a job go on from a recovery line.  Tool.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/config.h"
#include "base/log.h"
#include "base/pathmap.h"
#include "job/contact.h"
#include "restart/restart.h"
#include "storage/former.h"
#include "tools/attempts.h"
#include "tools/fetch.h"
#include "tools/launch.h"
#include "tools/restart.h"
#include "tools/restoring.h"
#include "tools/stop.h"
#include "tools/tool.h"

#define TOOL "crmpi-restart"
#define GONE_LIMIT_MS 10000 /* how long a job that was killed may take to vanish */

static const char usage[] =
    "Usage: crmpi-restart [DIR] [--at N] [--fallback] [--no-truncate] [--dry-run]\n"
    "                     [-- MPIRUN-OPTIONS]\n"
    "       mpirun -np RANKS crmpi-restart DIR [--at N] [--no-truncate]\n"
    "Go on with the job whose checkpoint directory is DIR (default: CRMPI_DIR, or\n"
    "else ./crmpi.ckpt) from its newest complete recovery line, with the launcher\n"
    "and options it was started with, instead of which MPIRUN-OPTIONS are taken that\n"
    "say the same.  Under a launcher: restart this rank.\n"
    "\n"
    "  --at N         use recovery line N ('crmpi-inspect DIR' lists them)\n"
    "  --fallback     if a line cannot be restored here go on with the one before it,\n"
    "                 and so on\n"
    "  --no-truncate  leave files that have grown since the checkpoint as they are\n"
    "  --accept-files go on also with files that are not what they were, as they are\n"
    "  --map OLD=NEW  the folder OLD of the checkpoint's files is NEW now (may be repeated)\n"
    "  --dry-run      print the command, do not run it\n"
    "  --help, --version\n"
    "\n"
    "Exit status: that of the job; 75 if it has ended with a checkpoint because its\n"
    "time was up, and is not finished; 1 if it could not be restarted; 2 for a wrong\n"
    "option.  At SIGTERM or SIGUSR1 the job is checkpointed and ends, with status 75.\n";

struct options {
    const char *dir;
    unsigned long long at;
    int no_truncate, dry_run, fallback;
    char *const *extra; /* for the launcher */
};

static struct options parse(int argc, char **argv)
{
    struct options options = {0};

    tool_common_options(argc, argv, usage);
    for (int i = 1; i < argc; i++) {
        const char *value;
        if (strcmp(argv[i], "--") == 0) {
            options.extra = &argv[i + 1];
            break;
        }
        value = tool_option_value(TOOL, argc, argv, &i, "--at");
        if (value != NULL) {
            options.at = tool_number(TOOL, "--at", value);
            if (options.at == 0)
                tool_usage(TOOL, "--at 0: recovery lines are numbered from 1");
        } else if (strcmp(argv[i], "--no-truncate") == 0) {
            options.no_truncate = 1;
        } else if (strcmp(argv[i], "--accept-files") == 0) {
            tool_host_option("--accept-files", NULL);
        } else if ((value = tool_option_value(TOOL, argc, argv, &i, "--map")) != NULL) {
            if (crmpi_path_map_add(value) != CRMPI_OK)
                tool_usage(TOOL, "--map %s: has to be OLD=NEW, both absolute", value);
            tool_host_option("--map", value);
        } else if (strcmp(argv[i], "--fallback") == 0) {
            options.fallback = 1;
        } else if (strcmp(argv[i], "--dry-run") == 0) {
            options.dry_run = 1;
        } else if (argv[i][0] == '-') {
            tool_usage(TOOL, "there is no option %s", argv[i]);
        } else if (options.dir != NULL) {
            tool_usage(TOOL, "more than one directory: %s and %s", options.dir, argv[i]);
        } else {
            options.dir = argv[i];
        }
    }
    return options;
}

static const char *rank_text(void)
{
    const char *text = getenv("OMPI_COMM_WORLD_RANK");
    return text != NULL ? text : getenv("PMIX_RANK");
}

static int is_rank(void)
{
    return rank_text() != NULL;
}

static uint32_t own_rank(void)
{
    return is_rank() ? (uint32_t)strtoul(rank_text(), NULL, 10) : 0;
}

/* The ranks of a job that was killed a moment ago may not all be gone yet. */
static int job_is_gone(void)
{
    char who[512];

    for (int waited = 0; crmpi_contact_alive(crmpi_config.dir, who, sizeof who);
         waited += 100) {
        if (waited >= GONE_LIMIT_MS) {
            crmpi_error("the job is still running (%s): end it before you restart it",
                        who);
            return 0;
        }
        poll(NULL, 0, 100);
    }
    return 1;
}

static void print_words(const struct crmpi_words *words)
{
    for (size_t i = 0; i < words->n; i++) {
        const char *word = words->items[i];
        int plain =
            word[0] != '\0' &&
            word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              "0123456789-_./=:,+@%")] == '\0';
        if (i > 0)
            putchar(' ');
        if (plain) {
            fputs(word, stdout);
            continue;
        }
        putchar('\'');
        for (; *word != '\0'; word++) {
            if (*word == '\'')
                fputs("'\\''", stdout);
            else
                putchar(*word);
        }
        putchar('\'');
    }
    putchar('\n');
}

/* Choose a line, and make the command that restarts from it.
 * @param attempts  to note that it is tried, or NULL */
static enum crmpi_status prepare(const struct options *options,
                                 const struct tool_choice *choice,
                                 struct tool_attempts *attempts,
                                 struct crmpi_line *line_out,
                                 struct crmpi_words *words_out, int *fetched_out)
{
    enum crmpi_status status = tool_line_have(TOOL, crmpi_config.dir, choice,
                                              options->extra, line_out, fetched_out);
    int truncate;

    if (status != CRMPI_OK)
        return status;
    tool_line_settings(line_out);
    tool_config_load(TOOL, crmpi_config.dir);
    if (!is_rank() && !options->dry_run)
        tool_stop_plan(); /* it has told if the time is not known */
    if (attempts != NULL) /* the ranks are told of it by the command */
        tool_attempt_begin(attempts, choice->at ? choice->at : line_out->job.sn);
    truncate = crmpi_config.truncate && !options->no_truncate;
    *words_out = (struct crmpi_words){0};
    if (is_rank())
        tool_host_command(line_out->job.sn, truncate, words_out);
    else
        tool_restart_command(line_out, options->extra, truncate, words_out);
    return CRMPI_OK;
}

/* Whether a restart that found damage is to be tried again.  What was fetched was read
 * just before: if it is damaged again that has another cause. */
static int is_worth_a_try(const struct options *options, const struct crmpi_line *line,
                          int fetched, uint64_t *tried)
{
    uint64_t before = *tried;

    *tried = line->job.sn;
    if (options->at || tool_launch_told_to_end())
        return 0;
    return fetched ? line->job.sn != before
                   : tool_line_is_damaged(crmpi_config.dir, line);
}

#define CUTS_MAX 2 /* of attempts at one line that end without a reason */

/* The line that was tried cannot be restored: choose the one before it, if that is wanted,
 * or say that there is one. */
static int fall_back(const struct options *options, struct tool_choice *choice,
                     const struct tool_attempts *attempts, enum tool_outcome outcome,
                     int fetched)
{
    uint64_t older;

    if (options->fallback && outcome == TOOL_CUT && attempts->n_cuts < CUTS_MAX) {
        crmpi_warn("line %llu is tried once more", (unsigned long long)attempts->line);
        return 1;
    }
    older = tool_attempts_older(attempts, 0, fetched);
    if (older == 0) {
        tool_attempts_sum_up(attempts);
        return 0;
    }
    if (!options->fallback) {
        crmpi_error("%s could be tried: 'crmpi-restart %s --at %llu', or --fallback, with "
                    "which that is done by itself",
                    tool_line_text(older), crmpi_config.dir, (unsigned long long)older);
        return 0;
    }
    crmpi_warn("falling back to %s", tool_line_text(older));
    choice->at = older;
    choice->verify = 0;
    return 1;
}

/*
 * Run the job.  Damage inside the data is found when a rank loads it, before any rank
 * goes on: then a line of what is not damaged is looked for.
 */
static int restart(const struct options *options, struct tool_choice *choice)
{
    struct tool_attempts attempts = {0};
    uint64_t tried = 0;

    for (;;) {
        struct crmpi_words words;
        struct crmpi_line line;
        enum tool_outcome outcome = TOOL_UNFIT;
        int fetched = 0, status = TOOL_FAILED;

        if (prepare(options, choice, &attempts, &line, &words, &fetched) == CRMPI_OK) {
            tool_preload_clean();
            status = tool_launch_exit_status(
                tool_launch(&words, tool_restoring_expect(&line), NULL));
            outcome = tool_attempt_end(&attempts, status);
            if (outcome == TOOL_RAN)
                return status;
            crmpi_words_fini(&words);
            if (outcome == TOOL_DAMAGED && !choice->at &&
                is_worth_a_try(options, &line, fetched, &tried)) {
                crmpi_warn("line %llu is damaged: looking for what is not",
                           (unsigned long long)line.job.sn);
                choice->verify = 1;
                crmpi_line_free(&line);
                continue;
            }
            crmpi_line_free(&line);
        } else if (choice->at == options->at) {
            return TOOL_FAILED; /* why was told */
        } else { /* one that was fallen back to */
            attempts.line = choice->at;
            tool_attempts_give_up(&attempts, "its files cannot be had");
        }
        if (outcome == TOOL_WRONG || tool_launch_told_to_end() ||
            !fall_back(options, choice, &attempts, outcome, fetched))
            return TOOL_FAILED;
    }
}

/* Print the commands, do not run them. */
static int print_commands(const struct options *options, const struct tool_choice *choice,
                          const struct crmpi_line *line, const struct crmpi_words *words,
                          int fetched)
{
    struct crmpi_words before;

    if (fetched) {
        tool_fetch_command(line, choice, options->extra, &before);
        print_words(&before);
        crmpi_words_fini(&before);
    }
    print_words(words);
    return fflush(stdout) == 0 ? 0 : TOOL_FAILED;
}

int main(int argc, char **argv)
{
    struct options options = parse(argc, argv);
    struct tool_choice choice = {.at = options.at,
                                 .dry = options.dry_run,
                                 .glance = is_rank(),
                                 .world_rank = own_rank()};
    struct crmpi_words words;
    struct crmpi_line line;
    int fetched;

    tool_config_load(TOOL, options.dir);
    if (is_rank() && options.extra != NULL)
        tool_usage(TOOL, "options for mpirun belong to the mpirun that starts it");
    if (!is_rank() && !options.dry_run &&
        (!job_is_gone() || crmpi_former_settle(crmpi_config.dir) != CRMPI_OK))
        return TOOL_FAILED;
    if (!is_rank() && !options.dry_run) {
        int status;
        tool_restoring_open();
        status = restart(&options, &choice);
        tool_restoring_close();
        return status;
    }
    if (prepare(&options, &choice, NULL, &line, &words, &fetched) != CRMPI_OK)
        return TOOL_FAILED;
    if (options.dry_run)
        return print_commands(&options, &choice, &line, &words, fetched);
    tool_preload_clean();
    execvp(words.items[0], words.items);
    crmpi_error("%s: %s", words.items[0], strerror(errno));
    return TOOL_FAILED;
}
