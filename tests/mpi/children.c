/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Child processes before MPI_Init, between and after MPI_Finalize: fork, fork and exec,
 * system, popen, posix_spawn; their results, their exit statuses, and what they see of
 * the parent's memory, and write to memory that it shares with other ranks.
 */
#include "check.h"
#include <spawn.h>
#include <sys/wait.h>

#define SHARED_BYTES (1 << 20)

static uint64_t private_data[512];
static MPI_Win window;
static unsigned char *shared; /* of this rank; NULL: there is nobody to share it with */

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

static void window_begin(void)
{
    MPI_Comm node;
    int n;

    CHECK_MPI(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL,
                                  &node));
    CHECK_MPI(MPI_Comm_size(node, &n));
    CHECK_MPI(MPI_Win_allocate_shared(SHARED_BYTES, 1, MPI_INFO_NULL, node, &shared,
                                      &window));
    CHECK_MPI(MPI_Comm_free(&node));
    if (n > 1)
        memset(shared, 0, SHARED_BYTES);
    else
        shared = NULL;
}

/* Where a child writes in a step, each time to other pages, and what. */
static unsigned char *written_at(long step)
{
    return shared + step * 7919 % SHARED_BYTES;
}

static void child_writes(long step)
{
    int status;
    pid_t child;

    CHECK_SYS(child = fork());
    if (child == 0) {
        *written_at(step) = (unsigned char)(step % 255 + 1);
        _exit(0);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
}

/* What children have written in all steps so far. */
static void check_shared(long steps)
{
    for (long step = check_rank % 4; step < steps; step += 4)
        CHECK_EQ(*written_at(step), step % 255 + 1);
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
    window_begin();
    for (step = 0; step < steps; step++) {
        if (step % 4 == check_rank % 4) {
            forked(step);
            executed(step);
            if (shared)
                child_writes(step);
        }
        if (step % 16 == 0)
            spawned();
        check_sleep_ms(15); /* without a child */
        CHECK_MPI(MPI_Allreduce(&step, &sum, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD));
        CHECK_EQ(sum, step * check_size);
        check_note((uint64_t)sum);
        if (shared)
            check_shared(step + 1);
    }
    CHECK_MPI(MPI_Win_free(&window));
    check_end(steps);
    MPI_Finalize();
    forked(3);
    executed(4);
    return 0;
}
