/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What saving a line was like, in the tables of crmpi-inspect.  Tools.
 */
#ifndef CRMPI_TOOLS_FIGURES_H
#define CRMPI_TOOLS_FIGURES_H

#include "storage/container.h"

/** The names of the columns of figures_columns(). */
const char *figures_head(void);

/** What ranks of a line, those that are new in it, tell of it: the data in memory, how many
 * bytes of them a byte of the files stands for, how much of them had changed and is stored, how they were
 * saved, and for how long the program was stopped; in a static buffer. */
const char *figures_columns(const struct crmpi_line *line, const uint32_t *ranks,
                            size_t n);

/** The same in words, with the shortest, the median and the longest times of a rank. */
void figures_print(const struct crmpi_line *line, const uint32_t *ranks, size_t n);

#endif
