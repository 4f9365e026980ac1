/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Durations as text (see duration.h).  Lower half and tools.
 */
#include <stdlib.h>
#include <string.h>
#include "base/duration.h"

#define PARTS_MAX 3
#define CENTURY 3155760000.0

/* Whole numbers with ":" between them; returns how many, or 0. */
static unsigned read_parts(const char *text, double *parts)
{
    unsigned n = 0;

    for (;;) {
        size_t digits = strspn(text, "0123456789");
        if (digits == 0 || digits > 10 || n == PARTS_MAX)
            return 0;
        parts[n++] = strtod(text, NULL);
        text += digits;
        if (*text == '\0')
            return n;
        if (*text++ != ':')
            return 0;
    }
}

enum crmpi_status crmpi_duration_parse(const char *text, double *seconds_out)
{
    const char *dash = strchr(text, '-'), *rest = dash != NULL ? dash + 1 : text;
    double parts[PARTS_MAX] = {0}, days = 0, seconds;
    size_t fraction = strspn(text, "0123456789.");
    unsigned n;
    char *end;

    if (dash != NULL && ((size_t)(dash - text) != strspn(text, "0123456789") ||
                         dash == text || dash - text > 6))
        return CRMPI_ERR_FORMAT;
    if (dash != NULL)
        days = strtod(text, NULL);
    n = read_parts(rest, parts);
    if (dash != NULL && n > 0)
        seconds = 86400 * days + 3600 * parts[0] + 60 * parts[1] + parts[2];
    else if (n == 3)
        seconds = 3600 * parts[0] + 60 * parts[1] + parts[2];
    else if (n == 2)
        seconds = 60 * parts[0] + parts[1];
    else if (fraction == 0 || text[fraction] != '\0' ||
             (seconds = strtod(text, &end), *end != '\0'))
        return CRMPI_ERR_FORMAT;
    if (seconds > CENTURY)
        return CRMPI_ERR_FORMAT;
    *seconds_out = seconds;
    return CRMPI_OK;
}
