/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The application's monotonic clocks and MPI_Wtime.  They go on from the checkpoint after a
 * restart, also on a machine whose own clock shows less, so that deadlines and measured
 * times stay right.  CLOCK_REALTIME is the machine's.  Lower half.
 */
#ifndef CRMPI_THREADS_CLOCK_H
#define CRMPI_THREADS_CLOCK_H

#include <stdint.h>
#include <time.h>

/** What the monotonic clock and MPI_Wtime show to the application. */
void crmpi_clock_read(int64_t *monotonic_ns_out, double *wtime_out);

/** Let them go on from there: after crmpi_host_renew(), with MPI initialised. */
void crmpi_clock_renew(int64_t monotonic_ns, double wtime);

/** A deadline of the application's on the kernel's clock.  No libc, any TLS base.
 * @param shifted  it is on a clock that goes on from the checkpoint */
void crmpi_clock_correct(int shifted, const struct timespec *given,
                         struct timespec *corrected_out);

#endif
