/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * crmpi-run: run a launcher such that its ranks are under crmpi, and restart the job if
 * it fails.  Tool.
 */
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "base/config.h"
#include "base/log.h"
#include "base/own.h"
#include "job/contact.h"
#include "restart/restart.h"
#include "storage/former.h"
#include "tools/attempts.h"
#include "tools/fetch.h"
#include "tools/launch.h"
#include "tools/restart.h"
#include "tools/stop.h"
#include "tools/tool.h"

#define TOOL "crmpi-run"
#define IDLE_RESTARTS_MAX 2 /* in a row without a new recovery line */
#define UP_SECONDS 60       /* until it is told that no rank has called MPI_Init */

struct options {
    unsigned long long max_restarts;
    int progress;
    int anew;    /* whatever another job has left: it is kept */
    int discard; /* likewise: it is removed */
    int first; /* argv index of the launcher */
};

/* What is known of the job while it runs. */
struct progress {
    time_t begun;
    struct timespec before; /* the directory had been changed last */
    unsigned restarts;
    uint64_t line; /* newest; 0: none yet */
    time_t line_seen;
    uint64_t first_line; /* newest when the job started: of another job */
    uint64_t last_line;  /* newest at the last failure, or made for the restart */
    uint64_t tried;      /* newest line when the job was restarted last */
    unsigned idle;       /* failures in a row without a new line, from the same one */
    uint64_t at;         /* an older line that was fallen back to; 0: the newest */
    struct tool_attempts attempts;
};

static void print_usage(char *text, size_t bytes)
{
    size_t used = (size_t)snprintf(
        text, bytes,
        "Usage: crmpi-run [options] LAUNCHER [its arguments] PROGRAM [its arguments]\n"
        "Run an MPI job under crmpi: crmpi-run mpirun -np 4 ./program\n"
        "\n"
        "  --max-restarts N  restart the job from its newest recovery line when it\n"
        "                    fails, at most N times; when it failed twice in a row\n"
        "                    without a new line, from the line before (default: 0)\n"
        "  --new             begin where another job has left recovery lines and has not\n"
        "                    ended: they are kept in DIR/jobs/JOB\n"
        "  --discard         likewise, and they are removed\n"
        "  --progress        show on the terminal how it goes\n"
        "  --config FILE     take settings from FILE, as CRMPI_CONFIG does\n"
        "  --help, --version\n"
        "\n"
        "Settings, each also an environment variable and a line NAME=VALUE of FILE:\n");
    for (size_t i = 0; i < crmpi_n_variables; i++) {
        const struct crmpi_variable *variable = &crmpi_variables[i];
        char option[64];
        crmpi_variable_option(variable, option, sizeof option);
        used += (size_t)snprintf(text + used, bytes - used,
                                 "  %s %s   (%s)\n      %s.\n"
                                 "      Default: %s\n",
                                 option, variable->argument, variable->name,
                                 variable->help, variable->fallback);
    }
    snprintf(text + used, bytes - used,
             "\nExit status: that of the launcher; 75 if the job has ended with a\n"
             "checkpoint because its time was up, and is not finished: crmpi-restart goes\n"
             "on with it; 1 if the launcher could not be run; 2 for a wrong option.\n"
             "At SIGTERM or SIGUSR1 the job is checkpointed and ends, with status 75.\n");
}

/* An option that sets a variable: put it into the environment. */
static int take_setting(int argc, char **argv, int *i)
{
    for (size_t v = 0; v < crmpi_n_variables; v++) {
        char option[64], why[1024];
        const char *value;
        crmpi_variable_option(&crmpi_variables[v], option, sizeof option);
        value = tool_option_value(TOOL, argc, argv, i, option);
        if (value == NULL)
            continue;
        if (crmpi_config_check(&crmpi_variables[v], value, why, sizeof why) != CRMPI_OK)
            tool_usage(TOOL, "%s", why);
        setenv(crmpi_variables[v].name, value, 1);
        return 1;
    }
    return 0;
}

static struct options parse(int argc, char **argv)
{
    struct options options = {.first = argc};
    const char *value;
    char usage[8192];
    int i, n = 1;

    while (n < argc && argv[n][0] == '-')
        n++; /* --help behind the launcher is the launcher's */
    print_usage(usage, sizeof usage);
    tool_common_options(n, argv, usage);
    for (i = 1; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "--") == 0) {
            i++;
            break;
        }
        if (take_setting(argc, argv, &i))
            continue;
        if ((value = tool_option_value(TOOL, argc, argv, &i, "--max-restarts")) != NULL)
            options.max_restarts = tool_number(TOOL, "--max-restarts", value);
        else if ((value = tool_option_value(TOOL, argc, argv, &i, "--config")) != NULL)
            setenv("CRMPI_CONFIG", value, 1);
        else if (strcmp(argv[i], "--progress") == 0)
            options.progress = 1;
        else if (strcmp(argv[i], "--new") == 0)
            options.anew = 1;
        else if (strcmp(argv[i], "--discard") == 0)
            options.discard = 1;
        else
            tool_usage(TOOL, "there is no option %s; the launcher's own come behind it",
                       argv[i]);
    }
    options.first = i;
    if (options.anew && options.discard)
        tool_usage(TOOL, "--new keeps what another job has left, --discard removes it");
    if (i >= argc)
        tool_usage(TOOL, "which launcher? For example: crmpi-run mpirun -np 4 ./program");
    return options;
}

/* ---- what another job has left ---- */

static void describe_former(const struct crmpi_former *former)
{
    const struct crmpi_job *job = &former->job;
    time_t taken = (time_t)job->time;
    char when[64] = "?";
    struct tm local;

    if (job->job_id[0] == '\0') {
        crmpi_error("%s has %zu recovery lines of another job, none of which can be read",
                    crmpi_config.dir, former->n_lines);
        return;
    }
    if (localtime_r(&taken, &local) != NULL)
        strftime(when, sizeof when, "%F %T", &local);
    crmpi_error("%s has the recovery lines of a job that has not ended:\n"
                "  job      %s\n"
                "  program  %s\n"
                "  ranks    %u\n"
                "  newest   line %llu of %s",
                crmpi_config.dir, job->job_id, job->program, job->n_ranks,
                (unsigned long long)job->sn, when);
}

/* Nobody's lines are lost because somebody forgets that they are there.  The job itself sees
 * to them, as it has the lock then. */
static void look_for_former(const struct options *options)
{
    struct crmpi_former former;
    char who[512];

    if (access(crmpi_config.dir, F_OK) != 0 ||
        crmpi_contact_alive(crmpi_config.dir, who, sizeof who) ||
        crmpi_former_look(crmpi_config.dir, &former) != CRMPI_OK ||
        former.n_lines == 0 || former.has_ended || options->anew)
        return;
    if (options->discard) {
        setenv("CRMPI_DISCARD", former.job.job_id, 1);
        return;
    }
    describe_former(&former);
    fprintf(stderr,
            "Go on with it:      crmpi-restart %s\n"
            "Or begin anew, and  crmpi-run --new ...      keep them,\n"
            "                    crmpi-run --discard ...  remove them,\n"
            "                    or use another directory: CRMPI_DIR, --dir\n",
            crmpi_config.dir);
    exit(TOOL_FAILED);
}

/* ---- the launcher's command line ---- */

/*
 * Settings the user gives to mpirun by -x are ours to pass on: take them into the
 * environment, and out of the words.  LD_PRELOAD is returned, to be kept.
 */
static const char *take_exports(char **argv, struct crmpi_words *words)
{
    const char *preload = getenv("LD_PRELOAD");

    for (int i = 0; argv[i] != NULL; i++) {
        char *setting = argv[i + 1], *value;
        if (strcmp(argv[i], "-x") != 0 || setting == NULL) {
            tool_words_add(words, argv[i]);
            continue;
        }
        i++;
        value = strchr(setting, '=');
        if (strncmp(setting, "LD_PRELOAD=", 11) == 0) {
            preload = value + 1;
        } else if (strncmp(setting, "CRMPI_", 6) == 0 && value != NULL) {
            *value = '\0';
            setenv(setting, value + 1, 1);
        } else if (strcmp(setting, "LD_PRELOAD") != 0 &&
                   strncmp(setting, "CRMPI_", 6) != 0) {
            tool_words_add2(words, "-x", setting);
        }
    }
    return preload;
}

static char *make_preload(const char *library, const char *kept)
{
    char *text;
    int made = kept != NULL && kept[0] != '\0'
                   ? asprintf(&text, "LD_PRELOAD=%s:%s", library, kept)
                   : asprintf(&text, "LD_PRELOAD=%s", library);
    if (made < 0) {
        crmpi_error("out of memory");
        exit(TOOL_FAILED);
    }
    return text;
}

/* mpirun passes -x on to the ranks of one program; others come behind a ":". */
static void make_mpirun(const struct crmpi_words *given, const char *preload,
                        const char *host, struct crmpi_words *words)
{
    for (size_t i = 0; i < given->n; i++) {
        tool_words_add(words, given->items[i]);
        if (i > 0 && strcmp(given->items[i], ":") != 0)
            continue;
        tool_words_add2(words, "-x", preload);
        tool_words_add_setting(words, "CRMPI_HOST", host);
        tool_words_add_settings(words);
        tool_words_add_launcher(words, given);
    }
}

static void make_command(char **argv, const struct options *options,
                         struct crmpi_words *words)
{
    struct crmpi_words given = {0};
    char library[4096], host[4096], *preload;
    const char *kept, *refusal;
    int mpirun = crmpi_launcher_is_mpirun(argv[0]);

    if (mpirun) {
        kept = take_exports(argv, &given);
    } else {
        kept = getenv("LD_PRELOAD");
        for (; *argv != NULL; argv++)
            tool_words_add(&given, *argv);
    }
    tool_config_load(TOOL, NULL);
    unsetenv("CRMPI_DISCARD");
    look_for_former(options);
    if (tool_stop_plan() != 0)
        exit(TOOL_FAILED);
    tool_path_find("CRMPI_LIB", CRMPI_LIBRARY_NAME, CRMPI_LIBDIR, library, sizeof library);
    if ((refusal = crmpi_own_preload_refusal(library)) != NULL) {
        crmpi_error("%s: %s", library, refusal);
        exit(TOOL_FAILED);
    }
    tool_path_find("CRMPI_HOST", CRMPI_HOST_NAME, CRMPI_LIBEXECDIR, host, sizeof host);
    preload = make_preload(library, kept);
    if (mpirun) {
        make_mpirun(&given, preload, host, words);
    } else {
        char *launcher = crmpi_words_encode(&given);
        for (size_t i = 0; i < given.n; i++)
            tool_words_add(words, given.items[i]);
        setenv("CRMPI_DIR", crmpi_config.dir, 1);
        setenv("CRMPI_HOST", host, 1);
        if (launcher != NULL)
            setenv("CRMPI_LAUNCHER", launcher, 1);
        free(launcher);
        putenv(preload);
    }
    crmpi_words_fini(&given);
}

/* ---- running it ---- */

static void look_for_line(struct progress *progress)
{
    uint64_t *numbers;
    size_t n;

    if (access(crmpi_config.dir, R_OK) != 0 ||
        crmpi_lines_list(crmpi_config.dir, &numbers, &n) != CRMPI_OK)
        return;
    if (n > 0 && numbers[n - 1] > progress->line) {
        progress->line = numbers[n - 1];
        progress->line_seen = time(NULL);
    }
    free(numbers);
}

static void show_progress(void *context)
{
    struct progress *progress = context;
    long seconds = time(NULL) - progress->begun;
    uint64_t before = progress->line;

    look_for_line(progress);
    fprintf(stderr, "\r\033[Kcrmpi: running %ld:%02ld:%02ld", seconds / 3600,
            seconds / 60 % 60, seconds % 60);
    if (progress->line_seen != 0 || progress->line > before)
        fprintf(stderr, ", line %llu %ld s ago", (unsigned long long)progress->line,
                (long)(time(NULL) - progress->line_seen));
    if (progress->restarts > 0)
        fprintf(stderr, ", restarted %u times", progress->restarts);
}

/* ---- whether it is under crmpi ---- */

/* What changes in the directory when rank 0 begins: its file DIR/control is made. */
static struct timespec directory_time(void)
{
    struct timespec none = {0};
    struct stat found;
    int fd = open(crmpi_config.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* asks NFS */

    if (fd < 0)
        return none;
    if (fstat(fd, &found) != 0)
        found.st_mtim = none;
    close(fd);
    return found.st_mtim;
}

/* Whether that could be seen: else the job says by itself what is wrong. */
static int directory_is_usable(void)
{
    char parent[4200];

    snprintf(parent, sizeof parent, "%s/..", crmpi_config.dir);
    if (access(crmpi_config.dir, F_OK) == 0)
        return access(parent, F_OK) == 0 && access(crmpi_config.dir, W_OK) == 0;
    snprintf(parent, sizeof parent, "%s", crmpi_config.dir);
    return access(dirname(parent), W_OK) == 0;
}

static int has_come_up(const struct progress *progress)
{
    struct timespec now = directory_time();

    return now.tv_sec != progress->before.tv_sec ||
           now.tv_nsec != progress->before.tv_nsec || !directory_is_usable();
}

static const char without[] =
    "it is linked statically, set-user-id, not an MPI program, or LD_PRELOAD was changed "
    "on the way to it";

/* 0: there is nothing more to be seen. */
static int look_whether_up(void *context)
{
    struct progress *progress = context;

    if (has_come_up(progress))
        return 0;
    if (time(NULL) - progress->begun < UP_SECONDS)
        return 1;
    crmpi_warn("no rank of the program has called MPI_Init under crmpi for %d s, and no "
               "checkpoint can be taken before: perhaps %s",
               UP_SECONDS, without);
    return 0;
}

static void describe_end(int status, char *text, size_t bytes)
{
    if (WIFEXITED(status))
        snprintf(text, bytes, "the job failed with status %d", WEXITSTATUS(status));
    else
        snprintf(text, bytes, "the launcher was ended by signal %d", WTERMSIG(status));
}

/* ---- restarting ---- */

/* A line that was computed for the restart is no progress of the job, unless ranks have
 * saved themselves alone since the last. */
static void note_restart(struct progress *progress, const struct crmpi_line *line)
{
    for (uint32_t i = 0; i < line->job.n_ranks && progress->tried > 0; i++)
        if (line->ranks[i].sn > progress->tried)
            progress->idle = 0;
    if (line->job.sn > progress->line)
        progress->line = line->job.sn;
    progress->last_line = progress->line;
    progress->tried = progress->line;
}

static int is_elsewhere(void)
{
    return (crmpi_config.levels.set & CRMPI_LEVEL_LOCAL) != 0;
}

/* The line that was tried is not tried again: choose the one before it. */
static int fall_back(struct progress *progress, const char *reason)
{
    uint64_t older = tool_attempts_older(&progress->attempts, progress->first_line,
                                         is_elsewhere());

    if (older == 0) {
        if (progress->attempts.n_given_up > 0)
            tool_attempts_sum_up(&progress->attempts);
        crmpi_error("%s, and had no new recovery line in %u restarts: it is given up",
                    reason, progress->restarts);
        return 0;
    }
    crmpi_warn("falling back to %s", tool_line_text(older));
    progress->at = older;
    progress->idle = 0;
    return 1;
}

/* Whether there is to be another try, and from which line: the newest; or, if the job has
 * not got from it to a new one in a few tries, or cannot, the one before. */
static int decide(struct progress *progress, const struct options *options,
                  enum tool_outcome outcome, const char *reason)
{
    int is_new;

    look_for_line(progress);
    if (progress->line <= progress->first_line) {
        crmpi_error("%s before its first recovery line: it is not restarted", reason);
        return 0;
    }
    is_new = progress->line > progress->last_line;
    progress->idle = is_new ? 0 : progress->idle + 1;
    progress->at = is_new ? 0 : progress->at;
    progress->last_line = progress->line;
    if (progress->restarts >= options->max_restarts) {
        crmpi_error(
            "%s, and has been restarted %u times: it is given up; 'crmpi-restart %s' "
            "goes on with it",
            reason, progress->restarts, crmpi_config.dir);
        return 0;
    }
    if (outcome == TOOL_WRONG)
        return 0;
    if (progress->restarts > 0 && !is_new &&
        (outcome == TOOL_UNFIT || progress->idle >= IDLE_RESTARTS_MAX))
        return fall_back(progress, reason);
    return 1;
}

/* Make the command for the next try; 0 if there is to be none. */
static int prepare_restart(struct progress *progress, const struct options *options,
                           enum tool_outcome outcome, const char *reason,
                           struct crmpi_words *words)
{
    struct tool_choice choice = {.after = progress->first_line};
    struct crmpi_line line;
    int fetched;

    if (!decide(progress, options, outcome, reason))
        return 0;
    choice.at = progress->at;
    if (outcome == TOOL_DAMAGED && progress->line == progress->tried)
        choice.verify = 1;
    if (tool_line_have(TOOL, crmpi_config.dir, &choice, NULL, &line, &fetched) !=
        CRMPI_OK)
        return 0;
    progress->restarts++;
    note_restart(progress, &line);
    crmpi_warn("%s: restarting it from line %llu (%u of %llu)", reason,
               (unsigned long long)line.job.sn, progress->restarts,
               options->max_restarts);
    tool_attempt_begin(&progress->attempts, choice.at ? choice.at : line.job.sn);
    crmpi_words_fini(words);
    tool_restart_command(&line, NULL, crmpi_config.truncate, words);
    crmpi_line_free(&line);
    return 1;
}

static int supervise(struct crmpi_words *words, const struct options *options)
{
    struct progress progress = {.begun = time(NULL)};
    struct progress *shown =
        options->progress && isatty(STDERR_FILENO) ? &progress : NULL;
    char reason[128];

    look_for_line(&progress);
    progress.first_line = progress.line;
    progress.line_seen = 0;
    progress.before = directory_time();
    tool_launch_watch(look_whether_up, &progress);
    for (;;) {
        int status = tool_launch(words, shown ? show_progress : NULL, shown);
        int exit_status = tool_launch_exit_status(status);
        enum tool_outcome outcome = TOOL_RAN;

        if (status == 0 && !has_come_up(&progress))
            crmpi_warn("the program ran without crmpi, no checkpoint could be taken: %s",
                       without);
        if (progress.restarts > 0)
            outcome = tool_attempt_end(&progress.attempts, exit_status);
        if (status == 0 || options->max_restarts == 0 || tool_launch_told_to_end() ||
            tool_stop_is_late())
            return exit_status;
        describe_end(status, reason, sizeof reason);
        if (!prepare_restart(&progress, options, outcome, reason, words))
            return exit_status;
        tool_preload_clean();
    }
}

int main(int argc, char **argv)
{
    struct options options = parse(argc, argv);
    struct crmpi_words words = {0};

    make_command(argv + options.first, &options, &words);
    return supervise(&words, &options);
}
