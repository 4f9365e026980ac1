/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A small picture of a recovery line for a terminal.  Tools.
 */
#ifndef CRMPI_TOOLS_TIMELINE_H
#define CRMPI_TOOLS_TIMELINE_H

#include <stdio.h>
#include "recovery/history.h"

/** Draw the newest checkpoints of the ranks and where the line is: of all, or if they are
 * many of those that lost something or go back. */
void timeline_draw(const struct crmpi_history *history,
                   const struct crmpi_recovery_line *line, FILE *out);

#endif
