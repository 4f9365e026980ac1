/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Showing on the terminal how far a restart is with loading the memory of all ranks, who
 * tell it (lib/restart/telling.h).  Tools.
 */
#ifndef CRMPI_TOOLS_RESTORING_H
#define CRMPI_TOOLS_RESTORING_H

#include "storage/container.h"

/** If standard error is a terminal: make ready, and tell the ranks by the environment.  Before
 * the command is made. */
void tool_restoring_open(void);

/** The job is about to be restarted from @p line.  Returns what tool_launch() is to call every
 * second, with NULL; or NULL. */
void (*tool_restoring_expect(const struct crmpi_line *line))(void *);

/** It has ended. */
void tool_restoring_close(void);

#endif
