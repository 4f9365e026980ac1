/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One line to stderr for each message, prefixed "crmpi: " and, once the world rank is
 * known, "crmpi: rank 3: ".  The level comes from CRMPI_LOG.
 */
#ifndef CRMPI_BASE_LOG_H
#define CRMPI_BASE_LOG_H

#include <stddef.h>

enum crmpi_log_level { CRMPI_LOG_ERROR, CRMPI_LOG_WARN, CRMPI_LOG_INFO, CRMPI_LOG_DEBUG };

/** Set the level below which messages are dropped, and the rank shown (-1: none). */
void crmpi_log_init(enum crmpi_log_level level, int world_rank);

/** Tell whether messages of @p level are shown (to skip costly preparations). */
int crmpi_log_enabled(enum crmpi_log_level level);

/**
 * Write one line with a single write(2).  No allocation, so it may be called while the
 * process is quiesced; thread safe; not for signal handlers.
 */
void crmpi_log(enum crmpi_log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/**
 * From now on put errors of this thread into @p text, as far as there is room, all in one
 * line, instead of writing them; NULL: write them again.
 */
void crmpi_log_hold(char *text, size_t bytes);

#define crmpi_error(...) crmpi_log(CRMPI_LOG_ERROR, __VA_ARGS__)
#define crmpi_warn(...) crmpi_log(CRMPI_LOG_WARN, __VA_ARGS__)
#define crmpi_info(...) crmpi_log(CRMPI_LOG_INFO, __VA_ARGS__)
#define crmpi_debug(...) crmpi_log(CRMPI_LOG_DEBUG, __VA_ARGS__)

#endif
