/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Choosing a line whose files may be on nodes: these can be seen from there only, so the
 * ranks themselves find out, under the job's launcher, and bring them to where they will be
 * restarted (lib/levels/fetch.h).  Tools.
 */
#ifndef CRMPI_TOOLS_FETCH_H
#define CRMPI_TOOLS_FETCH_H

#include "tools/restart.h"

/** Whether files of the newest line are on nodes.  Takes over the settings of that line,
 * and loads the configuration. */
int tool_fetch_is_needed(const char *tool, const char *dir);

/** Make the command that fetches, under the launcher of @p line. */
void tool_fetch_command(const struct crmpi_line *line, const struct tool_choice *choice,
                        char *const *extra, struct crmpi_words *words_out);

/**
 * Choose a line as tool_line_choose() does, wherever its files are; if they are on nodes
 * they are brought to those that the ranks are on now.
 * @param extra  options for the launcher, or NULL
 * @param[out] fetched_out  whether files are on nodes
 */
enum crmpi_status tool_line_have(const char *tool, const char *dir,
                                 const struct tool_choice *choice, char *const *extra,
                                 struct crmpi_line *line_out, int *fetched_out);

#endif
