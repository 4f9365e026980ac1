/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Running a launcher as a child and waiting for it.  Tools.
 */
#ifndef CRMPI_TOOLS_LAUNCH_H
#define CRMPI_TOOLS_LAUNCH_H

#include "job/launcher.h"

/**
 * Run the command and wait until it has ended.  At the first SIGTERM or SIGUSR1 the job
 * is asked to end with a checkpoint; other signals that are sent to this process, and
 * later ones of these, are passed on.
 * @param show  NULL, or called every second with @p context, to show progress on stderr
 * Returns what waitpid() says of it; ends the process if it cannot be started.
 */
int tool_launch(const struct crmpi_words *words, void (*show)(void *), void *context);

/** From now on call @p watch every second while a launcher runs, until it returns 0. */
void tool_launch_watch(int (*watch)(void *context), void *context);

/** The exit status to pass on: the command's, or 128 and the signal that ended it, or
 * TOOL_UNFINISHED; logs that the job is not finished. */
int tool_launch_exit_status(int wait_status);

/** Tell whether a signal that ends programs was sent to this one while it waited. */
int tool_launch_told_to_end(void);

#endif
