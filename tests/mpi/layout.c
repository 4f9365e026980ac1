/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the layout of addresses comes from is what the user has set, whatever crmpi needs:
 * the limit of the stack and the personality, of the program and of those it starts by
 * system() and posix_spawn().  layout.sh says what it should be by LAYOUT_STACK (in KiB, or
 * "unlimited") and LAYOUT_PERSONALITY (hexadecimal).
 */
#include "check.h"
#include <spawn.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/wait.h>

extern char **environ;
static rlim_t stack;
static unsigned long wanted;

static void expectations(void)
{
    const char *text = getenv("LAYOUT_STACK"), *number = getenv("LAYOUT_PERSONALITY");
    struct rlimit limit;

    CHECK_SYS(getrlimit(RLIMIT_STACK, &limit));
    stack = limit.rlim_cur;
    if (text)
        stack = strcmp(text, "unlimited") == 0 ? RLIM_INFINITY
                                               : (rlim_t)strtoul(text, NULL, 10) * 1024;
    wanted = number ? strtoul(number, NULL, 16) : (unsigned long)personality(0xffffffff);
}

static void own(void)
{
    struct rlimit limit;

    CHECK_SYS(getrlimit(RLIMIT_STACK, &limit));
    CHECK_EQ(limit.rlim_cur, stack);
    CHECK_EQ(personality(0xffffffff), wanted);
}

/* A shell says the same. */
static void of_children(void)
{
    char command[128], limit[32] = "unlimited";
    char *words[] = {(char *)"sh", (char *)"-c", command, NULL};
    int child, status;

    if (stack != RLIM_INFINITY)
        snprintf(limit, sizeof limit, "%lu", (unsigned long)stack / 1024);
    snprintf(command, sizeof command,
             "test `ulimit -s` = %s && test `cat /proc/self/personality` = %08lx", limit,
             wanted);
    CHECK_EQ(system(command), 0);
    CHECK_EQ(posix_spawn(&child, "/bin/sh", NULL, NULL, words, environ), 0);
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
}

int main(int argc, char **argv)
{
    long steps, step;
    int value;

    expectations();
    own();
    MPI_Init(&argc, &argv);
    steps = check_begin("layout", argc, argv, 60);
    for (step = 0; step < steps; step++) {
        own();
        if (step % 10 == 0)
            of_children();
        value = (int)step;
        CHECK_MPI(MPI_Bcast(&value, 1, MPI_INT, 0, MPI_COMM_WORLD));
        CHECK_EQ(value, step);
        usleep(30000);
        check_note((uint64_t)value);
    }
    check_end(steps);
    MPI_Finalize();
    return 0;
}
