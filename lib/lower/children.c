/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Child processes of the lower half (see children.h): crmpi-host stands in for fork(), so
 * those that a library below starts are noted.
 */
#include <dlfcn.h>
#include <errno.h>
#include <unistd.h>

#include "lower/children.h"

#define MAX_CHILDREN 256
static int children[MAX_CHILDREN];
static int n_children;

pid_t fork(void)
{
    static pid_t (*next)(void);

    if (!next)
        next = (pid_t(*)(void))dlsym(RTLD_NEXT, "fork");
    if (!next) {
        errno = ENOSYS;
        return -1;
    }
    pid_t pid = next();

    if (pid > 0) {
        int i = __atomic_fetch_add(&n_children, 1, __ATOMIC_ACQ_REL);

        children[i % MAX_CHILDREN] = pid;
    }
    return pid;
}

int crmpi_child_is_lower(int pid)
{
    for (int i = 0; i < MAX_CHILDREN; i++)
        if (children[i] == pid)
            return 1;
    return 0;
}
