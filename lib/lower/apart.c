/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See apart.h.  The process is made as vfork() makes one: it runs on this thread's stack,
 * below the frame of the function that has made it, while this thread waits in the kernel.
 * It has no exit signal, so the application does not see it when it waits for children.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

#include "lower/apart.h"
#include "lower/raw.h"

/* Not inlined: its frame has to lie above all that the new process uses. */
static long __attribute__((noinline)) split(long (*work)(void *), void *data,
                                            volatile long *result)
{
    long pid = crmpi_raw(SYS_clone, CLONE_VM | CLONE_VFORK, 0, 0, 0, 0, 0);

    if (pid == 0) {
        *result = work(data);
        crmpi_raw(SYS_exit, 0, 0, 0, 0, 0, 0);
    }
    return pid;
}

long crmpi_apart(long (*work)(void *), void *data)
{
    volatile long result = -ECHILD;
    const uint64_t all = ~0ul;
    uint64_t mask;

    /* no handler of the application may run in it */
    crmpi_raw(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)&mask, sizeof mask, 0, 0);
    long pid = split(work, data, &result);

    if (pid > 0)
        while (crmpi_raw(SYS_wait4, pid, 0, __WALL, 0, 0, 0) == -EINTR)
            ;
    crmpi_raw(SYS_rt_sigprocmask, SIG_SETMASK, (long)&mask, 0, sizeof mask, 0, 0);
    return pid < 0 ? pid : result;
}
