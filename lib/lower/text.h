/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Text without libc, for code of the lower half that runs in signal handlers on whichever TLS
 * base is loaded.
 */
#ifndef CRMPI_LOWER_TEXT_H
#define CRMPI_LOWER_TEXT_H

/** The decimal number that @p text begins with, of nine digits at most; @p behind_out, unless
 * NULL, is @p text itself if there is none. */
static inline int crmpi_text_number(const char *text, const char **behind_out)
{
    int number = 0, i = 0;

    for (; i < 9 && text[i] >= '0' && text[i] <= '9'; i++)
        number = number * 10 + (text[i] - '0');
    if (behind_out)
        *behind_out = text + i;
    return number;
}

/** Write a number; returns the place behind it, where there is a 0 then. */
static inline char *crmpi_text_put(char *to, unsigned long number)
{
    unsigned long digits = 1;

    for (unsigned long n = number; n >= 10; n /= 10)
        digits *= 10;
    for (; digits; digits /= 10)
        *to++ = (char)('0' + number / digits % 10);
    *to = '\0';
    return to;
}

/** Append a text; likewise. */
static inline char *crmpi_text_append(char *to, const char *text)
{
    while (*text)
        *to++ = *text++;
    *to = '\0';
    return to;
}

static inline int crmpi_text_begins(const char *text, const char *beginning)
{
    while (*beginning && *text == *beginning)
        text++, beginning++;
    return *beginning == '\0';
}

static inline int crmpi_text_is(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

#endif
