/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Running a launcher as a child and waiting for it (see launch.h).  Tools.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/log.h"
#include "tools/launch.h"
#include "tools/tool.h"

static volatile sig_atomic_t child;       /* the launcher's process id */
static volatile sig_atomic_t told_to_end; /* a signal that ends, which we were sent */

/* What the terminal sends goes to the launcher, too: only signals sent to us are
 * passed. */
static void pass_on(int signal, siginfo_t *info, void *context)
{
    (void)context;
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
                               .sa_flags = SA_SIGINFO | SA_RESTART};

    for (size_t i = 0; i < sizeof passed / sizeof passed[0]; i++)
        sigaction(passed[i], &action, NULL);
    signal(SIGCHLD, no_action); /* so that it cuts sleep() short */
}

/* Wait for the launcher; returns what waitpid() says of it. */
static int await(pid_t pid, void (*show)(void *), void *context)
{
    int status;

    for (;;) {
        pid_t ended = waitpid(pid, &status, show != NULL ? WNOHANG : 0);
        if (ended == pid)
            break;
        if (ended < 0 && errno != EINTR) {
            crmpi_error("waiting for the launcher: %s", strerror(errno));
            exit(TOOL_FAILED);
        }
        if (show != NULL) {
            show(context);
            sleep(1); /* the end of the launcher cuts it short: SIGCHLD */
        }
    }
    if (show != NULL)
        fputs("\r\033[K", stderr);
    return status;
}

int tool_launch(const struct crmpi_words *words, void (*show)(void *), void *context)
{
    sigset_t blocked, before;
    pid_t pid;

    install_signals();
    sigfillset(&blocked);
    sigprocmask(SIG_BLOCK, &blocked, &before); /* until `child` is known */
    pid = fork();
    if (pid == 0) {
        for (int i = 1; i < 32; i++)
            if (i == SIGCHLD || i == SIGINT || i == SIGTERM || i == SIGHUP ||
                i == SIGQUIT || i == SIGUSR1 || i == SIGUSR2)
                signal(i, SIG_DFL);
        sigprocmask(SIG_SETMASK, &before, NULL);
        execvp(words->items[0], words->items);
        crmpi_error("%s: %s", words->items[0], strerror(errno));
        _exit(TOOL_FAILED);
    }
    child = pid;
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (pid < 0) {
        crmpi_error("cannot start the launcher: %s", strerror(errno));
        exit(TOOL_FAILED);
    }
    return await(pid, show, context);
}

int tool_launch_exit_status(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int tool_launch_told_to_end(void)
{
    return told_to_end;
}
