/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The seccomp filter: which system calls of the upper half are trapped.  Lower half.
 */
#ifndef CRMPI_THREADS_FILTER_H
#define CRMPI_THREADS_FILTER_H

#include <fcntl.h>
#include "base/status.h"

/* Flags of open(2) by which a file may become another: such a call is always trapped. */
#define CRMPI_OPEN_CHANGES (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)

/**
 * Install the filter, for the whole process and all it executes later: it is keyed to the upper
 * address range, which no ordinary process uses.
 * @param foreign    frames of signals may be of another layout (xstate.h): trap rt_sigreturn
 * @param restarted  also trap calls that give or take ids of the process and its threads, which
 *                   after a restart are others than the program knows (ids.h)
 */
enum crmpi_status crmpi_filter_install(int restarted, int foreign);

#endif
