/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Child processes before MPI_Init, between and after MPI_Finalize: fork, fork and exec,
 * system, popen, posix_spawn; their results, their exit statuses, and what they see of
 * the parent's memory.
 */
#include "check.h"
#include <spawn.h>
#include <sys/wait.h>

static uint64_t private_data[512];

/* The child sees the parent's memory as it was, and changes only its own. */
static void forked(long step)
{
    int status, n = (int)(step % 50);
    pid_t child;

    check_fill(private_data, sizeof private_data, (uint64_t)step);
    CHECK_SYS(child = fork());
    if (child == 0) {
        CHECK_FILLED(private_data, sizeof private_data, (uint64_t)step);
        memset(private_data, 0, sizeof private_data);
        _exit(n);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == n, "wait status %04x for %d",
          status, n);
    CHECK_FILLED(private_data, sizeof private_data, (uint64_t)step);
}

static void executed(long step)
{
    char text[64], script[64], expected[64];
    FILE *output;
    int status;

    snprintf(script, sizeof script, "exit %d", (int)(step % 200));
    status = system(script);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == step % 200, "system: status %04x",
          status);
    snprintf(script, sizeof script, "echo $((%ld * 3))", step);
    snprintf(expected, sizeof expected, "%ld\n", step * 3);
    output = popen(script, "r");
    CHECK(output != NULL, "popen: %s", strerror(errno));
    CHECK(fgets(text, sizeof text, output) && strcmp(text, expected) == 0, "read '%s'",
          text);
    CHECK_EQ(pclose(output), 0);
}

static void spawned(void)
{
    char *words[] = {"sh", "-c", "test -n \"$PATH\" && kill -TERM $$", NULL};
    int status;
    pid_t child;

    CHECK_EQ(posix_spawnp(&child, "sh", NULL, NULL, words, environ), 0);
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM, "wait status %04x", status);
}

int main(int argc, char **argv)
{
    long step, steps, sum;

    forked(1);
    executed(2);
    MPI_Init(&argc, &argv);
    steps = check_begin("children", argc, argv, 120);
    for (step = 0; step < steps; step++) {
        if (step % 4 == check_rank % 4) {
            forked(step);
            executed(step);
        }
        if (step % 16 == 0)
            spawned();
        check_sleep_ms(15); /* without a child */
        CHECK_MPI(MPI_Allreduce(&step, &sum, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD));
        CHECK_EQ(sum, step * check_size);
        check_note((uint64_t)sum);
    }
    check_end(steps);
    MPI_Finalize();
    forked(3);
    executed(4);
    return 0;
}
