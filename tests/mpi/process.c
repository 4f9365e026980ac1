/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What belongs to the process: working directory, environment, umask, limits, name,
 * pipes to itself, and what /proc says of it.
 */
#include "check.h"
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

static int pipe_fds[2];
static char directory[PATH_MAX], start[PATH_MAX];
static int n_in_pipe;
static char first_environment[65536]; /* as the process was given it */
static size_t first_bytes;

static void directories(long step)
{
    char now[PATH_MAX], name[PATH_MAX + 64];

    if (step % 20 == 0) {
        CHECK(getcwd(now, sizeof now) != NULL, "getcwd: %s", strerror(errno));
        CHECK(strcmp(now, step ? directory : start) == 0, "in %s, not in %s", now,
              step ? directory : start);
        snprintf(name, sizeof name, "%s/d%d.%d", start, check_rank, (int)(step / 20 % 3));
        CHECK(mkdir(name, 0755) == 0 || errno == EEXIST, "%s: %s", name, strerror(errno));
        CHECK_SYS(chdir(name));
        CHECK(getcwd(directory, sizeof directory) != NULL, "getcwd: %s", strerror(errno));
    }
    CHECK(getcwd(now, sizeof now) != NULL && strcmp(now, directory) == 0,
          "in %s, not in %s", now, directory);
    CHECK_EQ(umask(027), 027);
}

static void environment(long step)
{
    char text[32], *got = getenv("CHECK_STEP");

    if (step)
        CHECK(got && atol(got) == step - 1, "CHECK_STEP is %s", got ? got : "not set");
    snprintf(text, sizeof text, "%ld", step);
    CHECK_SYS(setenv("CHECK_STEP", text, 1));
    CHECK(getenv("PATH") != NULL, "no PATH");
    got = getenv("OMPI_COMM_WORLD_RANK");
    CHECK(got == NULL || atoi(got) == check_rank, "OMPI_COMM_WORLD_RANK is %s", got);
}

/* Some bytes stay in the pipe all the time. */
static void pipes(long step)
{
    long value = step, got;

    CHECK_EQ(write(pipe_fds[1], &value, sizeof value), sizeof value);
    if (++n_in_pipe == 9) {
        CHECK_EQ(read(pipe_fds[0], &got, sizeof got), sizeof got);
        CHECK_EQ(got, step - 8);
        n_in_pipe--;
    }
    CHECK_EQ(fcntl(pipe_fds[0], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
}

static void limits(long step)
{
    struct rlimit limit;

    CHECK_SYS(getrlimit(RLIMIT_NOFILE, &limit));
    if (step) {
        CHECK_EQ(limit.rlim_cur, 300 + (step - 1) % 10);
        CHECK_EQ(limit.rlim_max, 900);
    }
    limit.rlim_cur = (rlim_t)(300 + step % 10);
    limit.rlim_max = 900;
    CHECK_SYS(setrlimit(RLIMIT_NOFILE, &limit));
    CHECK_SYS(getrlimit(RLIMIT_CORE, &limit));
    if (step)
        CHECK(limit.rlim_cur == 0 && limit.rlim_max == 0, "cores of %ld bytes",
              (long)limit.rlim_max);
    limit.rlim_cur = limit.rlim_max = 0;
    CHECK_SYS(setrlimit(RLIMIT_CORE, &limit));
}

/* The program is itself, whatever carries it. */
static void identity(void)
{
    char exe[PATH_MAX], name[17] = "";
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);

    CHECK(n > 0, "readlink: %s", strerror(errno));
    exe[n] = 0;
    CHECK(strstr(exe, "/process") != NULL, "/proc/self/exe is %s", exe);
    CHECK(strcmp(program_invocation_short_name, "process") == 0, "invoked as %s",
          program_invocation_short_name);
    CHECK_SYS(prctl(PR_GET_NAME, name));
    CHECK(strcmp(name, "check_process") == 0, "named %s", name);
}

/* What others see of it, ps for one; the first argument is written to, as some do. */
static void appearance(int argc, char **argv, long step)
{
    char text[65536], *at = text;
    size_t n = 0;
    FILE *file = fopen("/proc/self/cmdline", "r");

    argv[0][0] = (char)('a' + step % 26);
    if (file)
        n = fread(text, 1, sizeof text, file);
    for (int i = 0; i < argc; i++, at += strlen(at) + 1)
        CHECK(at < text + n && strcmp(at, argv[i]) == 0, "argument %d is %s, not %s", i, at,
              argv[i]);
    CHECK_EQ(at - text, n);
    CHECK(file && freopen("/proc/self/comm", "r", file), "%s", strerror(errno));
    CHECK(fgets(text, sizeof text, file) && strcmp(text, "check_process\n") == 0,
          "the name is %s", text);
    CHECK(freopen("/proc/self/environ", "r", file) != NULL, "%s", strerror(errno));
    n = fread(text, 1, sizeof text, file);
    fclose(file);
    CHECK_EQ(n, first_bytes);
    CHECK(memcmp(text, first_environment, n) == 0, "/proc/self/environ has changed");
}

static int count_object(struct dl_phdr_info *info, size_t size, void *argument)
{
    (void)size;
    if (strstr(info->dlpi_name, "libmpi.so"))
        ++*(int *)argument;
    return 0;
}

static void loaded(void)
{
    int n = 0;

    dl_iterate_phdr(count_object, &n);
    CHECK_EQ(n, 1);
}

int main(int argc, char **argv)
{
    char name[17] = "", *at = first_environment;
    long step, steps;

    for (char **variable = environ; *variable; variable++)
        at = stpcpy(at, *variable) + 1;
    first_bytes = (size_t)(at - first_environment);

    MPI_Init(&argc, &argv);
    steps = check_begin("process", argc, argv, 1500);
    CHECK(getcwd(start, sizeof start) != NULL, "getcwd: %s", strerror(errno));
    CHECK_SYS(pipe2(pipe_fds, O_NONBLOCK | O_CLOEXEC));
    CHECK_SYS(prctl(PR_GET_NAME, name));
    CHECK(strncmp(name, program_invocation_short_name, 15) == 0, "named %s", name);
    CHECK_SYS(prctl(PR_SET_NAME, "check_process"));
    umask(027);
    for (step = 0; step < steps; step++) {
        directories(step);
        environment(step);
        pipes(step);
        limits(step);
        identity();
        if (step % 10 == 0)
            appearance(argc, argv, step);
        if (step % 100 == 0)
            loaded();
        if (step % 10 == 0)
            MPI_Barrier(MPI_COMM_WORLD);
        if (step % 4 == check_rank % 4)
            check_sleep_ms(3);
        check_note((uint64_t)step);
    }
    CHECK_SYS(chdir(start));
    check_end(steps);
    MPI_Finalize();
    return 0;
}
