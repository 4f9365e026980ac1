/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What belongs to the process: working directory, environment, umask, limits, name,
 * pipes to itself, and /proc/self/exe.
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
    if (step)
        CHECK_EQ(limit.rlim_cur, 300 + (step - 1) % 10);
    limit.rlim_cur = (rlim_t)(300 + step % 10);
    CHECK_SYS(setrlimit(RLIMIT_NOFILE, &limit));
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
    long step, steps;

    MPI_Init(&argc, &argv);
    steps = check_begin("process", argc, argv, 1500);
    CHECK(getcwd(start, sizeof start) != NULL, "getcwd: %s", strerror(errno));
    CHECK_SYS(pipe2(pipe_fds, O_NONBLOCK | O_CLOEXEC));
    CHECK_SYS(prctl(PR_SET_NAME, "check_process"));
    umask(027);
    for (step = 0; step < steps; step++) {
        directories(step);
        environment(step);
        pipes(step);
        limits(step);
        identity();
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
