/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages to stderr, a line and a write(2) each, so that the lines of many ranks do not
 * mix. Lower half and tools.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/log.h"

static enum crmpi_log_level shown_level = CRMPI_LOG_WARN;
static int shown_rank = -1;
static __thread char *held; /* where a thread's errors go instead; NULL: nowhere */
static __thread size_t held_bytes;

void crmpi_log_init(enum crmpi_log_level level, int world_rank)
{
    shown_level = level;
    shown_rank = world_rank;
}

int crmpi_log_enabled(enum crmpi_log_level level)
{
    return level <= shown_level;
}

static void write_all(const char *text, size_t bytes)
{
    while (bytes > 0) {
        ssize_t written = write(STDERR_FILENO, text, bytes);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return; /* nobody to tell */
        text += written;
        bytes -= (size_t)written;
    }
}

void crmpi_log_hold(char *text, size_t bytes)
{
    held = text;
    held_bytes = bytes;
    if (text != NULL)
        text[0] = '\0';
}

static void hold(const char *line)
{
    size_t used = strlen(held);

    snprintf(held + used, held_bytes - used, "%s%s", used > 0 ? "; " : "", line);
    for (char *c = held + used; *c != '\0'; c++)
        if (*c == '\n')
            *c = ' ';
}

void crmpi_log(enum crmpi_log_level level, const char *format, ...)
{
    char line[4096 + 512]; /* holds any path */
    int saved_errno = errno;
    int used, more;
    va_list arguments;

    if (!crmpi_log_enabled(level))
        return;
    if (level == CRMPI_LOG_ERROR && held != NULL)
        used = 0;
    else if (shown_rank >= 0)
        used = snprintf(line, sizeof line, "crmpi: rank %d: ", shown_rank);
    else
        used = snprintf(line, sizeof line, "crmpi: ");
    va_start(arguments, format);
    more = vsnprintf(line + used, sizeof line - (size_t)used - 1, format, arguments);
    va_end(arguments);
    if (more < 0)
        more = 0;
    if (level == CRMPI_LOG_ERROR && held != NULL) {
        hold(line);
        errno = saved_errno;
        return;
    }
    used += more;
    if (used > (int)sizeof line - 2)
        used = (int)sizeof line - 2; /* a cut line still ends with its newline */
    line[used++] = '\n';
    write_all(line, (size_t)used);
    errno = saved_errno;
}
