/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * crmpi-host: the lower half.  It starts a program as its upper half, or brings one back
 * from a checkpoint.
 *
 *   crmpi-host PROGRAM'S-ARGV              executed by libcrmpi.so's constructor, with the
 *                                          program's path in CRMPI_EXE, its LD_PRELOAD in
 *                                          CRMPI_LD_PRELOAD, the process's name in CRMPI_COMM
 *   crmpi-host --restore DIR --at N [--no-truncate] [--accept-files] [--map OLD=NEW]...
 *                                          executed by a launcher for crmpi-restart
 *   crmpi-host --fetch DIR [--at N] [--after N]
 *                                          likewise, before that, if ranks have their files
 *                                          on their nodes
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "application/hooks.h"
#include "base/config.h"
#include "base/log.h"
#include "base/ucx.h"
#include "boundary/entries.h"
#include "capture/settings.h"
#include "capture/tracking.h"
#include "capture/wishes.h"
#include "descriptors/descriptors.h"
#include "descriptors/inotify.h"
#include "engine/engine.h"
#include "files/journal.h"
#include "interaction/cut.h"
#include "levels/fetch.h"
#include "lower/raw.h"
#include "lower/thread.h"
#include "program/host.h"
#include "program/loader.h"
#include "program/personality.h"
#include "program/sanitizer.h"
#include "restart/restart.h"
#include "threads/callbacks.h"
#include "threads/gate.h"
#include "threads/trap.h"
#include "wrappers/hand/cut.h"
#include "wrappers/lower.h"

/* What was ignored before exec still is; nothing else can be inherited. */
static void signals_inherit(void)
{
    for (int signal = 1; signal <= 64; signal++) {
        struct crmpi_sigaction action = {0};

        if (crmpi_raw(SYS_rt_sigaction, signal, 0, (long)&action, 8, 0, 0) == 0 &&
            action.handler == (void *)SIG_IGN)
            crmpi_control->sigactions[signal].handler = action.handler;
    }
}

/* The environment as the program had it: libcrmpi's variables taken out. */
static char **upper_environment(char **envp)
{
    static const char preload[] = "CRMPI_LD_PRELOAD=", program[] = "CRMPI_EXE=",
                      name[] = "CRMPI_COMM=", anew[] = "CRMPI_ANEW=",
                      layout[] = CRMPI_LAYOUT_VARIABLE "=";
    size_t n = 0, kept = 0;

    while (envp[n])
        n++;
    char **copy = calloc(n + 1, sizeof *copy);
    if (!copy)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        if (strncmp(envp[i], program, strlen(program)) == 0 ||
            strncmp(envp[i], name, strlen(name)) == 0 ||
            strncmp(envp[i], anew, strlen(anew)) == 0 ||
            strncmp(envp[i], layout, strlen(layout)) == 0)
            continue;
        if (strncmp(envp[i], preload, strlen(preload)) != 0)
            copy[kept++] = envp[i];
        else if (envp[i][strlen(preload)])
            copy[kept++] = envp[i] + strlen("CRMPI_");
    }
    return copy;
}

/* Files made from now on may be the job's. */
static int64_t date_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * 1000000000l + now.tv_nsec;
}

static int start_program(const char *program, int argc, char **argv, char **envp)
{
    struct crmpi_start start;
    const char *base = strrchr(program, '/'), *name = getenv("CRMPI_COMM");
    char **environment = upper_environment(envp);

    if (!environment || crmpi_host_check() != CRMPI_OK ||
        crmpi_sanitizer_check(program) != CRMPI_OK || crmpi_control_map() != CRMPI_OK)
        return 1;
    crmpi_host_renew();
    crmpi_control->known_pid = getpid();
    crmpi_descriptors_start();
    crmpi_journal_start();
    crmpi_control->files_since_ns = date_ns();
    crmpi_settings_start();
    signals_inherit();
    if (crmpi_vdso_map() != CRMPI_OK || crmpi_births_map() != CRMPI_OK ||
        crmpi_program_load(program, argc, argv, environment, &start) != CRMPI_OK ||
        crmpi_lender_start() != CRMPI_OK || crmpi_trap_install(0) != CRMPI_OK)
        return 1;
    crmpi_settings_filtered();
    crmpi_trap_signals_restore();
    prctl(PR_SET_NAME, name ? name : base ? base + 1 : program);
    crmpi_program_show();
    crmpi_host_environment();
    crmpi_host_rseq_release();
    crmpi_program_enter(&start);
}

/* Rooms ask those above them by tables, which are filled in here. */
static void name_call(long number, const long *arguments)
{
    if (number == SYS_inotify_add_watch)
        crmpi_inotify_note((const char *)arguments[1]);
    else
        crmpi_journal_call(number, arguments);
}

static void wire(void)
{
    crmpi_calls = crmpi_mpi_calls;
    crmpi_cut = crmpi_mpi_cut;
    crmpi_wishes_list = crmpi_application_wishes;
    crmpi_thread_callbacks =
        (struct crmpi_thread_callbacks){.run_hooks = crmpi_hooks_run,
                                        .request = crmpi_engine_request_from_signal,
                                        .stop = crmpi_engine_stop_from_signal,
                                        .name_call = name_call};
    crmpi_engine_callbacks = (struct crmpi_engine_callbacks){.before = crmpi_hooks_before,
                                                             .after = crmpi_hooks_after};
}

/* UCX looks at it before main(): once more, if it was something else. */
static void ucx_settle(char **argv)
{
    const char *value = getenv(CRMPI_UCX_VARIABLE);

    if (value && strcmp(value, CRMPI_UCX_VALUE) == 0)
        return;
    if (setenv(CRMPI_UCX_VARIABLE, CRMPI_UCX_VALUE, 1) == 0)
        execv("/proc/self/exe", argv);
    crmpi_error("cannot start with " CRMPI_UCX_SETTING ": %s", strerror(errno));
    exit(1);
}

/* The library that was loaded is of the version that this program was built for: the files of
 * all versions from 4.0 to 5.0 are called the same. */
static int mpi_fits(void)
{
    char version[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int length, major, minor;

    PMPI_Get_library_version(version, &length);
    if (sscanf(version, "Open MPI v%d.%d", &major, &minor) == 2 &&
        major == OMPI_MAJOR_VERSION && minor == OMPI_MINOR_VERSION)
        return 1;
    crmpi_error("crmpi was built for Open MPI %d.%d, and libmpi.so is \"%.*s\"; put the one "
                "it was built for into LD_LIBRARY_PATH, or build crmpi for this one",
                OMPI_MAJOR_VERSION, OMPI_MINOR_VERSION, (int)strcspn(version, ","),
                version);
    return 0;
}

int main(int argc, char **argv, char **envp)
{
    const char *program = getenv("CRMPI_EXE");

    ucx_settle(argv);
    wire();
    crmpi_layout_settle(argv);
    if (crmpi_host_configure() != 0)
        return 2;
    crmpi_thread_callbacks.guards_are_told = crmpi_pages_tell_guards();
    if (!mpi_fits())
        return 1;
    if (program)
        return start_program(program, argc, argv, envp);
    if (argc > 1 && strcmp(argv[1], "--fetch") == 0)
        return crmpi_fetch_main(argc, argv);
    return crmpi_restart_main(argc, argv);
}
