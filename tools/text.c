/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sizes, times, ranks and texts from files, for people.  Tools.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include "tools/text.h"

enum { TURNS = 4 };

const char *text_clean(const char *text)
{
    static char copies[TURNS][4096];
    static unsigned turn;
    char *copy = copies[turn++ % TURNS];
    size_t i = 0;
    for (; i < sizeof copies[0] - 1 && text[i]; i++)
        copy[i] = iscntrl((unsigned char)text[i]) ? '?' : text[i];
    copy[i] = '\0';
    return copy;
}

const char *text_size(double bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    static char texts[TURNS][32];
    static unsigned turn;
    char *text = texts[turn++ % TURNS];
    size_t unit = 0;
    for (; bytes >= 1024 && unit < sizeof units / sizeof *units - 1; unit++)
        bytes /= 1024;
    snprintf(text, sizeof texts[0], "%.*f %s", unit == 0 ? 0 : 1, bytes, units[unit]);
    return text;
}

int text_time_is_known(double time)
{
    return time > 0 && time < 1e11; /* false for a NaN */
}

static const char *time_format(double seconds, const char *format)
{
    static char texts[TURNS][64];
    static unsigned turn;
    char *text = texts[turn++ % TURNS];
    struct tm parts;
    if (!text_time_is_known(seconds))
        return "?";
    time_t time = (time_t)seconds;
    if (!localtime_r(&time, &parts) || strftime(text, sizeof texts[0], format, &parts) == 0)
        return "?";
    return text;
}

const char *text_time(double time)
{
    return time_format(time, "%Y-%m-%d %H:%M:%S");
}

const char *text_clock(double time)
{
    return time_format(time, "%H:%M:%S");
}

const char *text_duration(double seconds)
{
    static char texts[TURNS][48];
    static unsigned turn;
    char *text = texts[turn++ % TURNS];
    double rest = seconds < 0 || seconds > 1e11 ? 0 : seconds;
    if (rest < 60)
        snprintf(text, sizeof texts[0], "%.1f s", rest);
    else if (rest < 3600)
        snprintf(text, sizeof texts[0], "%d min %d s", (int)rest / 60, (int)rest % 60);
    else
        snprintf(text, sizeof texts[0], "%ld h %d min", (long)rest / 3600,
                 (int)((long)rest / 60 % 60));
    return text;
}

/* Append to a text, as far as there is room; the length that would have been needed. */
static size_t append(char *text, size_t room, size_t at, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(at < room ? text + at : NULL, at < room ? room - at : 0, format,
                      arguments);
    va_end(arguments);
    return at + (size_t)(n > 0 ? n : 0);
}

const char *text_ranks(const uint32_t *ranks, size_t n)
{
    static char texts[TURNS][160];
    static unsigned turn;
    char *text = texts[turn++ % TURNS];
    size_t at = append(text, sizeof texts[0], 0, n == 1 ? "rank " : "ranks ");
    for (size_t i = 0, end; i < n; i = end) {
        if (at > sizeof texts[0] - 56) {
            append(text, sizeof texts[0], at, " and %zu more", n - i);
            break;
        }
        for (end = i + 1; end < n && ranks[end] == ranks[end - 1] + 1; end++)
            continue;
        at = append(text, sizeof texts[0], at, "%s%u", i ? ", " : "", ranks[i]);
        if (end > i + 1)
            at = append(text, sizeof texts[0], at, "%s%u", end > i + 2 ? "-" : ", ",
                        ranks[end - 1]);
    }
    return text;
}
