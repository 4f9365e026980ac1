/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libcrmpi.so's own C code (upper half): how a process becomes a split one.
 *
 * The constructor runs before all others (-z initfirst).  In a process that an MPI launcher
 * started, or that was linked with crmpi, it executes crmpi-host with the same arguments;
 * the host brings the program up again as the upper half, where the constructor finds the
 * control page and introduces itself.  Any other process is left alone: its MPI calls go to
 * the MPI library it would have used anyway.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/rseq.h>
#include <unistd.h>

#include "base/own.h"
#include "base/ucx.h"
#include "boundary/control.h"
#include "upper/upper.h"
#include "wrappers/inner.h"

static uint64_t fs_base(void)
{
    return __builtin_ia32_rdfsbase64();
}

/* Called on the upper TLS base when the application's MPI_Init has succeeded. */
static void initialized(void)
{
    /* programs started by this one are no ranks of the job: see wants_host() */
    setenv("CRMPI_ACTIVE", "1", 1);
}

/*
 * AddressSanitizer's settings where the program has none of its own: it objects to any
 * library that comes before it (LD_PRELOAD), and does not mind this one.
 */
const char *__asan_default_options(void) __attribute__((visibility("default")));
const char *__asan_default_options(void)
{
    return "verify_asan_link_order=0";
}

static int is_mapped(uint64_t address)
{
    unsigned char present;

    return mincore((void *)address, 4096, &present) == 0;
}

/* Whether this process should be split: it is a rank, or will be one. */
static int wants_host(void)
{
    const char *preload = getenv("LD_PRELOAD");

    if (getauxval(AT_SECURE) || getenv("CRMPI_ACTIVE"))
        return 0;
    if (!preload || !strstr(preload, "libcrmpi"))
        return 1; /* linked with crmpi: certainly an MPI program */
    return getenv("OMPI_COMM_WORLD_RANK") || getenv("PMIX_RANK") || getenv("PMI_RANK");
}

/* A copy of the environment with @p preload instead of LD_PRELOAD, and three more. */
static char **environment_make(char **envp, char *preload, char *program, char *name)
{
    static const char from[] = "LD_PRELOAD=", events[] = CRMPI_UCX_VARIABLE "=";
    size_t n = 0, copied = 0;

    while (envp[n])
        n++;
    char **copy = calloc(n + 4, sizeof *copy);
    if (!copy)
        return NULL;
    for (size_t i = 0; i < n; i++)
        if (strncmp(envp[i], events, strlen(events)) != 0)
            copy[copied++] =
                strncmp(envp[i], from, strlen(from)) == 0 ? preload : envp[i];
    copy[copied++] = program;
    copy[copied++] = name;
    copy[copied] = CRMPI_UCX_SETTING;
    return copy;
}

static void execute_host(char **argv, char **envp)
{
    static char program[4096 + 16] = "CRMPI_EXE=", name[32] = "CRMPI_COMM=";
    const char *preload = getenv("LD_PRELOAD");
    char *renamed = NULL, host[4096];
    Dl_info self = {0};
    ssize_t n = readlink("/proc/self/exe", program + 10, 4095);

    dladdr(program, &self);
    crmpi_own_find("CRMPI_HOST", CRMPI_HOST_NAME, self.dli_fname ? self.dli_fname : "",
                   CRMPI_LIBDIR, CRMPI_LIBEXECDIR, host, sizeof host);
    if (n <= 0 || asprintf(&renamed, "CRMPI_LD_PRELOAD=%s", preload ? preload : "") < 0)
        return;
    prctl(PR_GET_NAME, name + strlen(name)); /* a script's or a link's, perhaps */
    char **environment = environment_make(envp, renamed, program, name);
    if (!environment)
        return;
    execve(host, argv, environment);
    fprintf(stderr,
            "crmpi: cannot execute %s: %s: the program runs without checkpoints; install "
            "crmpi completely or set CRMPI_HOST\n",
            host, strerror(errno));
    free(environment);
    free(renamed);
}

/* Before there is a child. */
static void forking(void)
{
    crmpi_control->has_forked = 1;
}

/* A forked child has the control page to itself; one of vfork or posix_spawn has not. */
static void forked(void)
{
    crmpi_control->owner = getpid();
    crmpi_control->outside_lock = 0; /* of a thread that this process has not */
}

static void introduce(void)
{
    struct crmpi_control_page *control = crmpi_control;

    if (control->version != crmpi_calls_hash) {
        fprintf(stderr, "crmpi: libcrmpi.so and crmpi-host are of different versions; install "
                        "crmpi again, or check CRMPI_LIB and CRMPI_HOST\n");
        _exit(1);
    }
    pthread_atfork(forking, NULL, forked);
    control->self_offset = (int64_t)((uint64_t)&crmpi_self - fs_base());
    control->rseq_offset = __rseq_offset;
    control->rseq_bytes = __rseq_size;
    control->stub_begin = (uint64_t)crmpi_stub_begin;
    control->stub_end = (uint64_t)crmpi_stub_end;
    control->signal_entry = crmpi_signal_entry;
    control->transfer_entry = (uint64_t)crmpi_transfer_entry;
    control->transfer_behind = (uint64_t)crmpi_transfer_behind_call;
    control->resume = crmpi_resume;
    control->initialized = initialized;
    control->environ = &environ;
    control->predefined = crmpi_predefined_upper;
    crmpi_is_split = 1;
    crmpi_transfer_places_find();
    crmpi_redirect_start();
    crmpi_tools_find();
    crmpi_idle_libraries();
}

__attribute__((destructor)) static void end(void)
{
    if (crmpi_is_split && crmpi_control->wants_end)
        CRMPI_End();
}

__attribute__((constructor)) static void start(int argc, char **argv, char **envp)
{
    (void)argc;
    environ = envp; /* for getenv(): libc's own constructor runs after this one */
    if (is_mapped(CRMPI_U0) && crmpi_control->magic == CRMPI_CONTROL_MAGIC)
        introduce();
    else if (wants_host())
        execute_host(argv, envp);
    if (!crmpi_is_split)
        crmpi_tools_find();
}
