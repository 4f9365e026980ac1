/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Programs that a test stops where it wants to: if TEST_HOLD names a folder, a rank that comes
 * to step S makes a file at.RANK.S there, and waits while there is a file hold.RANK.S.
 * It waits in no MPI call, unless it is to make progress.
 */
#ifndef TESTS_MPI_HOLD_H
#define TESTS_MPI_HOLD_H

#include <fcntl.h>
#include "check.h"

/** The path of a file for the test; NULL if there is none. */
static inline const char *hold_path(const char *what, long step)
{
    static char path[4096];
    const char *folder = getenv("TEST_HOLD");

    if (folder == NULL)
        return NULL;
    snprintf(path, sizeof path, "%s/%s.%d.%ld", folder, what, check_rank, step);
    return path;
}

/** Tell the test that this rank was here. */
static inline void hold_mark(const char *what, long step)
{
    const char *path = hold_path(what, step);
    int fd;

    if (path == NULL)
        return;
    CHECK_SYS(fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    CHECK_SYS(close(fd));
}

/** Wait until the test lets this rank go on. */
static inline void hold(long step)
{
    const char *path;

    hold_mark("at", step);
    path = hold_path("hold", step);
    while (path != NULL && access(path, F_OK) == 0)
        check_sleep_ms(2);
}

/** The same, with progress of what is under way. */
static inline void hold_in_progress(long step)
{
    const char *path;
    int found;

    hold_mark("at", step);
    path = hold_path("hold", step);
    while (path != NULL && access(path, F_OK) == 0) {
        CHECK_MPI(MPI_Iprobe(0, 0, MPI_COMM_SELF, &found, MPI_STATUS_IGNORE));
        check_sleep_ms(2);
    }
}

#endif
