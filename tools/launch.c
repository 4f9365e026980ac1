/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Running a launcher as a child and waiting for it (see launch.h).  Tools.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/config.h"
#include "base/log.h"
#include "base/ucx.h"
#include "storage/former.h"
#include "tools/launch.h"
#include "tools/stop.h"
#include "tools/tool.h"

static volatile sig_atomic_t child;       /* the launcher's process id */
static volatile sig_atomic_t told_to_end; /* a signal that ends, which we were sent */
static volatile sig_atomic_t told_to_stop; /* the first SIGTERM or SIGUSR1 */

static struct {
    int (*call)(void *context); /* NULL: nobody wants to watch */
    void *context;
} watch;

/* What the terminal sends goes to the launcher, too: only signals sent to us are
 * passed. */
static void pass_on(int signal, siginfo_t *info, void *context)
{
    (void)context;
    if ((signal == SIGTERM || signal == SIGUSR1) && !told_to_stop) {
        told_to_stop = signal;
        return;
    }
    if (signal == SIGINT || signal == SIGTERM || signal == SIGHUP || signal == SIGQUIT)
        told_to_end = signal;
    if (child > 0 && info->si_code != SI_KERNEL)
        kill((pid_t)child, signal);
}

static void no_action(int signal)
{
    (void)signal;
}

static void install_signals(void)
{
    static const int passed[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
    struct sigaction action = {.sa_sigaction = pass_on,
                               .sa_flags = SA_SIGINFO};

    for (size_t i = 0; i < sizeof passed / sizeof passed[0]; i++)
        sigaction(passed[i], &action, NULL);
    signal(SIGCHLD, no_action); /* so that it cuts waiting short */
}

/* Go on with asking the job to end, if we were told; what to wait for comes out. */
static struct pollfd ask_to_stop(pid_t pid, int *wait_ms_out)
{
    struct pollfd entry = {.fd = -1, .events = POLLIN};
    int passed;

    *wait_ms_out = -1;
    if (!told_to_stop)
        return entry;
    passed = tool_stop_go_on(told_to_stop, &entry.fd, wait_ms_out);
    if (passed != 0) {
        told_to_end = passed;
        kill(pid, passed);
    }
    return entry;
}

/* Wait for the launcher; returns what waitpid() says of it.  Signals are blocked, but
 * while it waits, so that none is missed. */
static int await(pid_t pid, void (*show)(void *), void *context, const sigset_t *open)
{
    int status;

    for (;;) {
        int wait_ms;
        struct pollfd entry = ask_to_stop(pid, &wait_ms);
        pid_t ended = waitpid(pid, &status, WNOHANG);
        if (ended == pid)
            break;
        if (ended < 0) {
            crmpi_error("waiting for the launcher: %s", strerror(errno));
            exit(TOOL_FAILED);
        }
        if (show != NULL)
            show(context);
        if (watch.call != NULL && !watch.call(watch.context))
            watch.call = NULL;
        if ((show != NULL || watch.call != NULL) && wait_ms < 0)
            wait_ms = 1000;
        ppoll(&entry, 1,
              wait_ms < 0 ? NULL
                          : &(struct timespec){.tv_sec = wait_ms / 1000,
                                               .tv_nsec = wait_ms % 1000 * 1000000l},
              open);
    }
    if (show != NULL)
        fputs("\r\033[K", stderr);
    return status;
}

/* Which run of a job has ended in the directory; none: no job_id. */
static struct crmpi_ended ended_look(void)
{
    struct crmpi_ended ended;

    return crmpi_ended_read(crmpi_config.dir, &ended) == CRMPI_OK
               ? ended
               : (struct crmpi_ended){.incarnation = 0};
}

/* All ranks came to MPI_Finalize, but one has failed behind it: the job may be wanted again. */
static void take_back_end(const struct crmpi_ended *before)
{
    struct crmpi_ended ended = ended_look();

    if (ended.job_id[0] != '\0' && (strcmp(ended.job_id, before->job_id) != 0 ||
                                    ended.incarnation != before->incarnation))
        crmpi_ended_remove(crmpi_config.dir);
}

void tool_launch_watch(int (*call)(void *context), void *context)
{
    watch.call = call;
    watch.context = context;
}

/* What PMIx 5 keeps in shared memory has to be at one address in all processes of a node.  It
 * chooses one that is free in the launcher; if that is the upper half's, ranks do not start.
 * (In ranks alone it cannot be chosen: the launcher crashes when they spawn.) */
static void environment_choose(void)
{
    setenv(CRMPI_UCX_VARIABLE, CRMPI_UCX_VALUE, 1); /* or the host starts twice */
    if (CRMPI_MPI_MAJOR >= 5)
        setenv("PMIX_MCA_gds", "hash", 0);
}

int tool_launch(const struct crmpi_words *words, void (*show)(void *), void *context)
{
    struct crmpi_ended ended = ended_look();
    sigset_t blocked, before;
    pid_t pid;
    int status;

    tool_stop_watch();
    install_signals();
    sigfillset(&blocked);
    sigprocmask(SIG_BLOCK, &blocked, &before);
    pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM); /* no job outlives who restarts it */
        for (int i = 1; i < 32; i++)
            if (i == SIGCHLD || i == SIGINT || i == SIGTERM || i == SIGHUP ||
                i == SIGQUIT || i == SIGUSR1 || i == SIGUSR2)
                signal(i, SIG_DFL);
        sigprocmask(SIG_SETMASK, &before, NULL);
        environment_choose();
        execvp(words->items[0], words->items);
        crmpi_error("%s: %s", words->items[0], strerror(errno));
        _exit(TOOL_FAILED);
    }
    child = pid;
    if (pid < 0) {
        crmpi_error("cannot start the launcher: %s", strerror(errno));
        exit(TOOL_FAILED);
    }
    status = await(pid, show, context, &before);
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (status != 0)
        take_back_end(&ended);
    return status;
}

int tool_launch_exit_status(int status)
{
    return WIFEXITED(status) ? tool_stop_exit_status(WEXITSTATUS(status))
                             : 128 + WTERMSIG(status);
}

int tool_launch_told_to_end(void)
{
    return told_to_end != 0 || told_to_stop != 0;
}
