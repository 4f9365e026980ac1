/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The layout of addresses, see personality.h.  Lower half.
 *
 * The kernel derives it, when a program is executed, from the limit of the stack and from
 * the personality.  The application shall keep both; crmpi-host has its mappings from
 * CRMPI_LOWER_HOST on (boundary/control.h), whatever they are.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "program/personality.h"

#define USUAL_STACK ((rlim_t)8 << 20)
#define LARGE_STACK ((rlim_t)1 << 36) /* mappings begin that far below the top */

static unsigned personality_now(void)
{
    return (unsigned)personality(0xffffffff);
}

static void personality_set(unsigned wanted)
{
    if (personality(wanted) < 0)
        crmpi_warn("cannot set the personality %#x: %s", wanted, strerror(errno));
}

static int was_again; /* this process comes from crmpi_layout_again() */

/* In the program that was executed: everything as it was before. */
static int note_take(void)
{
    const char *note = getenv(CRMPI_LAYOUT_VARIABLE);
    unsigned had;
    unsigned long long soft;
    struct rlimit stack;
    int known = note && sscanf(note, "%x %llx %d", &had, &soft, &was_again) == 3;

    unsetenv(CRMPI_LAYOUT_VARIABLE);
    if (!known)
        return 0;
    if (getrlimit(RLIMIT_STACK, &stack) == 0) {
        stack.rlim_cur = soft;
        setrlimit(RLIMIT_STACK, &stack);
    }
    if (had != personality_now())
        personality_set(had);
    return 1;
}

/* Execute the program with another personality and limit of the stack; returns if that
 * cannot be done. */
static void execute(char **argv, unsigned wanted, const struct rlimit *stack, int again)
{
    unsigned had = personality_now();
    struct rlimit lowered = *stack;
    char note[64];

    if (stack->rlim_cur > LARGE_STACK)
        lowered.rlim_cur = USUAL_STACK;
    snprintf(note, sizeof note, "%x %llx %d", had, (unsigned long long)stack->rlim_cur,
             again);
    if (setenv(CRMPI_LAYOUT_VARIABLE, note, 1) == 0 &&
        setrlimit(RLIMIT_STACK, &lowered) == 0 &&
        (wanted == had || personality(wanted) >= 0))
        execv("/proc/self/exe", argv);
}

void crmpi_layout_again(char **argv)
{
    struct rlimit stack;

    if (was_again || getrlimit(RLIMIT_STACK, &stack) != 0)
        return;
    crmpi_info("addresses of the checkpoint are in use: once more, without randomness");
    execute(argv, (personality_now() & ~(unsigned)ADDR_COMPAT_LAYOUT) | ADDR_NO_RANDOMIZE,
            &stack, 1);
}

void crmpi_layout_settle(char **argv)
{
    unsigned had = personality_now(), usual = had & ~(unsigned)ADDR_COMPAT_LAYOUT;
    struct rlimit stack;

    if (note_take() || getrlimit(RLIMIT_STACK, &stack) != 0)
        return;
    if (usual == had && stack.rlim_cur <= LARGE_STACK)
        return;
    execute(argv, usual, &stack, 0);
    crmpi_error(
        "cannot have the ordinary layout of addresses: %s: start the program with a "
        "limited stack (ulimit -s 8192), and without setarch -L",
        strerror(errno));
    exit(1);
}
