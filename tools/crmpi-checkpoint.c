/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * crmpi-checkpoint: ask a running job for a checkpoint.  Tool.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "job/contact.h"
#include "tools/tool.h"

#define TOOL "crmpi-checkpoint"
#define START_LIMIT_MS 30000 /* how long --wait waits for a job that is just starting */

static const char usage[] =
    "Usage: crmpi-checkpoint [DIR] [--wait] [--stop] [--rank N] [--timeout SECONDS]\n"
    "Ask the running job whose checkpoint directory is DIR (default: CRMPI_DIR, or\n"
    "else ./crmpi.ckpt) for a checkpoint.\n"
    "\n"
    "  --wait             return when the recovery line is complete; wait for a job\n"
    "                     that is just starting\n"
    "  --stop             end the job after it, with exit status 0\n"
    "  --rank N           of rank N and of whom it has to be saved with by the job's\n"
    "                     CRMPI_POLICY\n"
    "  --timeout SECONDS  with --wait: give up waiting after this time; the\n"
    "                     checkpoint is taken nevertheless\n"
    "  --help, --version\n"
    "\n"
    "Exit status: 0; 1 if there is no such job or no checkpoint was taken; 2 for a\n"
    "wrong option.\n";

struct options {
    const char *dir;
    int wait, stop;
    uint32_t of; /* a rank, or CRMPI_DEMAND_OF_ALL */
    int64_t deadline_ms;
};

static int64_t parse_timeout(const char *value)
{
    unsigned long long seconds = tool_number(TOOL, "--timeout", value);

    if (seconds > 1000000000)
        tool_usage(TOOL, "--timeout %s: too long", value);
    return crmpi_clock_ms() + (int64_t)seconds * 1000;
}

static uint32_t parse_rank(const char *value)
{
    unsigned long long rank = tool_number(TOOL, "--rank", value);

    if (rank >= CRMPI_DEMAND_OF_ALL)
        tool_usage(TOOL, "--rank %s: there is no such rank", value);
    return (uint32_t)rank;
}

static struct options parse(int argc, char **argv)
{
    struct options options = {.deadline_ms = INT64_MAX, .of = CRMPI_DEMAND_OF_ALL};
    const char *value;

    tool_common_options(argc, argv, usage);
    for (int i = 1; i < argc; i++) {
        if ((value = tool_option_value(TOOL, argc, argv, &i, "--timeout")) != NULL) {
            options.deadline_ms = parse_timeout(value);
        } else if ((value = tool_option_value(TOOL, argc, argv, &i, "--rank")) != NULL) {
            options.of = parse_rank(value);
        } else if (strcmp(argv[i], "--wait") == 0) {
            options.wait = 1;
        } else if (strcmp(argv[i], "--stop") == 0) {
            options.stop = 1;
        } else if (argv[i][0] == '-') {
            tool_usage(TOOL, "there is no option %s", argv[i]);
        } else if (options.dir != NULL) {
            tool_usage(TOOL, "more than one directory: %s and %s", options.dir, argv[i]);
        } else {
            options.dir = argv[i];
        }
    }
    if (options.stop && options.of != CRMPI_DEMAND_OF_ALL)
        tool_usage(TOOL, "--stop needs a checkpoint of all ranks, not --rank");
    return options;
}

/* Call the job; if need be, wait for it to come up. */
static int call(const struct options *options)
{
    struct crmpi_demand demand = {.magic = CRMPI_DEMAND_MAGIC,
                                  .kind = CRMPI_DEMAND_CHECKPOINT,
                                  .stop = (uint32_t)options->stop,
                                  .of = options->of};
    int64_t until = options->wait ? crmpi_clock_ms() + START_LIMIT_MS : 0;
    char why[5000];
    enum crmpi_status status;
    int fd;

    if (until > options->deadline_ms)
        until = options->deadline_ms;
    for (;;) {
        int64_t left = options->deadline_ms - crmpi_clock_ms();

        status = crmpi_contact_call(crmpi_config.dir, &demand,
                                    left < 0         ? 0
                                    : left < INT_MAX ? (int)left
                                                     : INT_MAX,
                                    &fd, why, sizeof why);
        if (status == CRMPI_OK)
            return fd;
        if (status == CRMPI_ERR_PERMISSION || crmpi_clock_ms() >= until)
            break;
        poll(NULL, 0, 50);
    }
    if (status == CRMPI_ERR_NOTFOUND)
        crmpi_error(
            "no running job has %s as its checkpoint directory (%s); is it another "
            "directory, or has the job ended or not yet begun?",
            crmpi_config.dir, why);
    else
        crmpi_error("%s", why);
    return -1;
}

/* Read one line of the answer; 0 at the end of it, -1 when the time is up. */
static int read_line(int fd, int64_t deadline_ms, char *line, size_t bytes)
{
    size_t n = 0;

    while (n + 1 < bytes) {
        struct pollfd entry = {.fd = fd, .events = POLLIN};
        int64_t left = deadline_ms == INT64_MAX ? -1 : deadline_ms - crmpi_clock_ms();
        ssize_t got;
        if (deadline_ms != INT64_MAX && left <= 0)
            return -1;
        if (poll(&entry, 1, (int)(left > 1000000 ? 1000000 : left)) <= 0)
            continue;
        got = recv(fd, line + n, 1, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return 0;
        if (line[n] == '\n')
            break;
        n++;
    }
    line[n] = '\0';
    return 1;
}

static void show(const char *text)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K%s", text);
}

static int follow(int fd, const struct options *options)
{
    char line[1024];
    int got;

    while ((got = read_line(fd, options->deadline_ms, line, sizeof line)) > 0) {
        if (strcmp(line, "accepted") == 0) {
            if (!options->wait)
                return 0;
        } else if (strncmp(line, "progress ", 9) == 0) {
            show(line + 9);
        } else if (strncmp(line, "committed ", 10) == 0) {
            show("");
            printf("%s\n", line);
            return fflush(stdout) == 0 ? 0 : TOOL_FAILED;
        } else if (strncmp(line, "failed ", 7) == 0) {
            show("");
            crmpi_error("no checkpoint was taken: %s", line + 7);
            return TOOL_FAILED;
        }
    }
    show("");
    if (got < 0)
        crmpi_error("no checkpoint within the time limit; the request stands");
    else
        crmpi_error(
            "the job has ended, or lost its rank 0, before the checkpoint was complete");
    return TOOL_FAILED;
}

int main(int argc, char **argv)
{
    struct options options = parse(argc, argv);
    int fd;

    tool_config_load(TOOL, options.dir);
    fd = call(&options);
    return fd < 0 ? TOOL_FAILED : follow(fd, &options);
}
