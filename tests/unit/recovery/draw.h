/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random cases, each of which its number repeats: the linear congruential generator of
 * MMIX (Knuth, The Art of Computer Programming 2, 3.3.4), without its low bits.
 */
#ifndef CRMPI_TESTS_UNIT_RECOVERY_DRAW_H
#define CRMPI_TESTS_UNIT_RECOVERY_DRAW_H

#include <stdint.h>

static uint64_t seed; /* the case's number, before its first draw */

/** A number below @p n. */
static inline unsigned draw(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % n;
}

#endif
