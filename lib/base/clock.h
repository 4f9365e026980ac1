/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Time that only goes forward, for limits and pauses.  Both halves and tools; any thread,
 * signal safe.
 */
#ifndef CRMPI_BASE_CLOCK_H
#define CRMPI_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/** Milliseconds of CLOCK_MONOTONIC. */
static inline int64_t crmpi_clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/** Seconds of it, for what is measured. */
static inline double crmpi_clock_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

#endif
