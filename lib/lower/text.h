/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Text without libc, for code of the lower half that runs in signal handlers on whichever TLS
 * base is loaded.
 */
#ifndef CRMPI_LOWER_TEXT_H
#define CRMPI_LOWER_TEXT_H

#include <stddef.h>
#include <stdint.h>

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

/** As strlen(). */
static inline size_t crmpi_text_length(const char *text)
{
    size_t n = 0;

    while (text[n])
        n++;
    return n;
}

/** Append to a text in @p bytes; 0 if it fits. */
static inline int crmpi_text_add(char *text, size_t bytes, const char *more)
{
    size_t n = crmpi_text_length(text);

    while (*more && n + 1 < bytes)
        text[n++] = *more++;
    text[n] = 0;
    return *more ? -1 : 0;
}

/** Likewise a number, of so many digits at least. */
static inline void crmpi_text_add_number(char *text, size_t bytes, uint64_t number,
                                         int digits)
{
    char reversed[24], ordered[24];
    int n = 0, k = 0;

    while (number || n < digits) {
        reversed[n++] = (char)('0' + number % 10);
        number /= 10;
    }
    while (n > 0)
        ordered[k++] = reversed[--n];
    ordered[k] = 0;
    crmpi_text_add(text, bytes, ordered);
}

#endif
