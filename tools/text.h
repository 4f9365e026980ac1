/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sizes, times, ranks and texts from files, for people.  Each function has a few buffers
 * that take turns.  Tools.
 */
#ifndef CRMPI_TOOLS_TEXT_H
#define CRMPI_TOOLS_TEXT_H

#include <stddef.h>
#include <stdint.h>

/** A text from a file, without what could confuse a terminal. */
const char *text_clean(const char *text);

/** "15.1 MiB". */
const char *text_size(double bytes);

/** Whether a time from a file is one. */
int text_time_is_known(double time);

/** "2026-01-01 12:00:00" and "12:00:00", local time; "?" if it is not known. */
const char *text_time(double time);
const char *text_clock(double time);

/** "4.2 s", "3 min 20 s", "2 h 5 min". */
const char *text_duration(double seconds);

/** "rank 3", "ranks 0-7, 12, 14 and 30 more"; ascending ranks. */
const char *text_ranks(const uint32_t *ranks, size_t n);

#endif
