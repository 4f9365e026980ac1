/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The application's monotonic clocks (see clock.h).  Lower half.
 *
 * The upper libc asks crmpi's vdso, which after a restart leads here instead of to the
 * kernel's; absolute deadlines in system calls are corrected on their way (gate.c, trap.c).
 */
#include <mpi.h>
#include <time.h>

#include "boundary/control.h"
#include "threads/clock.h"
#include "threads/ids.h"

#define SECOND 1000000000l

static int (*kernel_clock_gettime)(clockid_t, struct timespec *);
static int (*kernel_clock_getres)(clockid_t, struct timespec *);

static int is_shifted(clockid_t clock)
{
    return clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_RAW ||
           clock == CLOCK_MONOTONIC_COARSE || clock == CLOCK_BOOTTIME;
}

/* On the upper TLS base: no libc. */
static int shifted_clock_gettime(clockid_t clock, struct timespec *time_out)
{
    int result = kernel_clock_gettime(crmpi_ids_clock(clock), time_out);

    if (result == 0 && is_shifted(clock)) {
        long ns = time_out->tv_sec * SECOND + time_out->tv_nsec +
                  crmpi_control->clock_offset_ns;

        time_out->tv_sec = ns / SECOND;
        time_out->tv_nsec = ns % SECOND;
    }
    return result;
}

static int known_clock_getres(clockid_t clock, struct timespec *resolution_out)
{
    return kernel_clock_getres(crmpi_ids_clock(clock), resolution_out);
}

static long monotonic_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND + now.tv_nsec;
}

void crmpi_clock_read(int64_t *monotonic_ns_out, double *wtime_out)
{
    *monotonic_ns_out = monotonic_ns() + crmpi_control->clock_offset_ns;
    *wtime_out = PMPI_Wtime() + crmpi_control->wtime_offset;
}

void crmpi_clock_renew(int64_t saved_ns, double saved_wtime)
{
    crmpi_control->clock_offset_ns = saved_ns - monotonic_ns();
    crmpi_control->wtime_offset = saved_wtime - PMPI_Wtime();
    kernel_clock_gettime = (int (*)(clockid_t, struct timespec *))crmpi_control->vdso[0];
    crmpi_control->vdso[0] = (uint64_t)shifted_clock_gettime;
    kernel_clock_getres = (int (*)(clockid_t, struct timespec *))crmpi_control->vdso[3];
    crmpi_control->vdso[3] = (uint64_t)known_clock_getres;
}

void crmpi_clock_correct(int shifted, const struct timespec *given,
                         struct timespec *corrected_out)
{
    long ns = given->tv_sec * SECOND + given->tv_nsec -
              (shifted ? crmpi_control->clock_offset_ns : 0);

    corrected_out->tv_sec = ns < 0 ? 0 : ns / SECOND;
    corrected_out->tv_nsec = ns < 0 ? 0 : ns % SECOND;
}
