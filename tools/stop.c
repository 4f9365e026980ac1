/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The end of jobs that are not finished (see stop.h).  Tools.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "base/config.h"
#include "base/duration.h"
#include "base/log.h"
#include "job/contact.h"
#include "job/stopped.h"
#include "tools/stop.h"
#include "tools/tool.h"

#define ASK_LIMIT_MS 5000
#define SQUEUE_LIMIT_MS 30000
#define LOOK_MS 200         /* for a job that is just starting */
#define TERM_LIMIT_MS 10000 /* until SIGTERM is passed on if there is no job to ask */

/* ---- when the time ends ---- */

/* Run "squeue -h -j JOB -o %L", which prints the time left; 0 if it cannot be read. */
static int ask_squeue(const char *job, char *text, size_t bytes)
{
    struct pollfd entry = {.events = POLLIN};
    size_t n = 0;
    ssize_t got = 0;
    int ends[2];
    pid_t pid;

    if (pipe(ends) != 0)
        return 0;
    pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execlp("squeue", "squeue", "-h", "-j", job, "-o", "%L", (char *)NULL);
        _exit(TOOL_FAILED);
    }
    close(ends[1]);
    entry.fd = ends[0];
    while (pid > 0 && n + 1 < bytes && poll(&entry, 1, SQUEUE_LIMIT_MS) == 1 &&
           (got = read(ends[0], text + n, bytes - n - 1)) > 0)
        n += (size_t)got;
    text[n] = '\0';
    text[strcspn(text, " \n")] = '\0';
    close(ends[0]);
    if (pid > 0) {
        kill(pid, SIGKILL); /* it has ended, or does not answer */
        waitpid(pid, NULL, 0);
    }
    return text[0] != '\0';
}

/* 1: there is an end; 0: there is none; -1: not known. */
static int find_slurm_end(double now, double *end_out)
{
    const char *job = getenv("SLURM_JOB_ID"), *told = getenv("SLURM_JOB_END_TIME");
    char text[64], *rest;
    double left;

    if (told != NULL) {
        *end_out = strtod(told, &rest);
        if (rest != told && *rest == '\0' && *end_out > 0)
            return 1;
    }
    if (job == NULL || !ask_squeue(job, text, sizeof text)) {
        crmpi_error("CRMPI_TIME_LIMIT=slurm: there is no SLURM_JOB_END_TIME, and %s",
                    job == NULL ? "no SLURM_JOB_ID either: is this a Slurm job?"
                                : "squeue does not tell the job's time");
        return -1;
    }
    if (strcmp(text, "UNLIMITED") == 0)
        return 0;
    if (crmpi_duration_parse(text, &left) != CRMPI_OK) {
        crmpi_error("CRMPI_TIME_LIMIT=slurm: squeue says %s instead of the time left",
                    text);
        return -1;
    }
    *end_out = now + left;
    return 1;
}

int tool_stop_plan(void)
{
    double limit = crmpi_config.time_limit_seconds, end = 0;
    struct timespec now;
    char text[64];
    int known = 1;

    if (limit == 0)
        return 0;
    clock_gettime(CLOCK_REALTIME, &now);
    if (limit == CRMPI_TIME_LIMIT_SLURM)
        known = find_slurm_end((double)now.tv_sec, &end);
    else
        end = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec + limit;
    if (known <= 0)
        return known;
    snprintf(text, sizeof text, "%.3f", end);
    return setenv("CRMPI_END_TIME", text, 1);
}

int tool_stop_is_late(void)
{
    const char *end = getenv("CRMPI_END_TIME");

    return end != NULL && strtod(end, NULL) <= (double)time(NULL);
}

/* ---- asking the job to end ---- */

static struct {
    uint64_t line_before; /* of DIR/stopped when the job began; 0: there was none */
    int64_t begun_ms;     /* the signal came; 0: not yet */
    int fd;               /* of the conversation with rank 0; -1: none */
    int over;             /* nothing more is to be done here */
    char text[1024];      /* what rank 0 says, as far as it has come */
    size_t n;
} stop = {.fd = -1};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + 1;
}

void tool_stop_watch(void)
{
    struct crmpi_stopped stopped;

    if (crmpi_stopped_read(crmpi_config.dir, &stopped) == CRMPI_OK)
        stop.line_before = stopped.line;
}

static void call(int signal)
{
    struct crmpi_demand demand = {.magic = CRMPI_DEMAND_MAGIC,
                                  .kind = CRMPI_DEMAND_CHECKPOINT,
                                  .stop = CRMPI_STOP_TIME,
                                  .of = CRMPI_DEMAND_OF_ALL};
    char why[5000];

    if (crmpi_contact_call(crmpi_config.dir, &demand, ASK_LIMIT_MS, &stop.fd, why,
                           sizeof why) != CRMPI_OK)
        return;
    crmpi_warn("signal %d: the job is checkpointed and ends; a second one goes to the "
               "launcher",
               signal);
}

/* Take what rank 0 says; 1 if there will be no checkpoint. */
static int listen_to_rank0(void)
{
    ssize_t got =
        recv(stop.fd, stop.text + stop.n, sizeof stop.text - 1 - stop.n, MSG_DONTWAIT);
    char *end;
    int failed = 0;

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (got > 0)
        stop.n += (size_t)got;
    stop.text[stop.n] = '\0';
    while ((end = strchr(stop.text, '\n')) != NULL) {
        failed |= strncmp(stop.text, "failed ", 7) == 0;
        stop.n -= (size_t)(end + 1 - stop.text);
        memmove(stop.text, end + 1, stop.n + 1);
    }
    if (got > 0 && !failed && stop.n + 1 < sizeof stop.text)
        return 0;
    close(stop.fd); /* the end of it: the outcome shows in DIR/stopped */
    stop.fd = -1;
    stop.over = 1;
    return failed;
}

int tool_stop_go_on(int signal, int *fd_out, int *wait_ms_out)
{
    int failed = 0;

    if (stop.begun_ms == 0)
        stop.begun_ms = now_ms();
    if (stop.fd < 0 && !stop.over)
        call(signal);
    else if (stop.fd >= 0)
        failed = listen_to_rank0();
    *fd_out = stop.fd;
    *wait_ms_out = stop.fd < 0 && !stop.over ? LOOK_MS : -1;
    if (signal != SIGTERM || stop.fd >= 0)
        return 0; /* the job itself goes on trying */
    if (failed || (!stop.over && now_ms() - stop.begun_ms > TERM_LIMIT_MS)) {
        crmpi_warn("%s: SIGTERM goes to the launcher",
                   failed ? "no checkpoint was taken" : "the job does not answer");
        stop.over = 1;
        *wait_ms_out = -1;
        return SIGTERM;
    }
    return 0;
}

int tool_stop_exit_status(int launcher_status)
{
    struct crmpi_stopped stopped;

    if (launcher_status != 0 ||
        crmpi_stopped_read(crmpi_config.dir, &stopped) != CRMPI_OK ||
        stopped.reason != CRMPI_STOP_TIME || stopped.line == stop.line_before)
        return launcher_status;
    crmpi_warn("the job's time is up, and it is not finished: 'crmpi-restart %s' goes on "
               "with it from line %llu",
               crmpi_config.dir, (unsigned long long)stopped.line);
    return TOOL_UNFINISHED;
}
