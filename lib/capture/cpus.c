/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sets of processors (see cpus.h).  Lower half.
 */
#include <string.h>

#include "capture/cpus.h"

static int has_cpu(const uint64_t *cpus, unsigned cpu)
{
    return cpus[cpu / 64] >> cpu % 64 & 1;
}

/* The one of @p cpus that stands at place @p n, from the beginning again behind the last. */
static unsigned cpu_at(const uint64_t *cpus, unsigned n)
{
    unsigned all = 0, cpu = 0;

    for (unsigned i = 0; i < CRMPI_CPUS_MAX / 64; i++)
        all += (unsigned)__builtin_popcountl(cpus[i]);
    for (n %= all ? all : 1; cpu < CRMPI_CPUS_MAX - 1 && (!has_cpu(cpus, cpu) || n-- > 0); cpu++)
        ;
    return cpu;
}

void crmpi_cpus_translate(const uint64_t *cpus, const uint64_t *from, const uint64_t *to,
                          uint64_t *translated_out)
{
    unsigned place = 0;

    memset(translated_out, 0, CRMPI_CPUS_MAX / 8);
    for (unsigned cpu = 0; cpu < CRMPI_CPUS_MAX; cpu++) {
        unsigned here = has_cpu(from, cpu) ? cpu_at(to, place++) : cpu;

        if (has_cpu(cpus, cpu))
            translated_out[here / 64] |= 1ul << here % 64;
    }
}
