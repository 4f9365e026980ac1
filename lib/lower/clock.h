/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The application's monotonic clocks and MPI_Wtime.  They go on from the checkpoint after a
 * restart, also on a machine whose own clock shows less, so that deadlines and measured
 * times stay right.  CLOCK_REALTIME is the machine's.  Lower half.
 */
#ifndef CRMPI_LOWER_CLOCK_H
#define CRMPI_LOWER_CLOCK_H

/** Note in the control page what the clocks show; with all threads parked. */
void crmpi_clock_note(void);

/** Let the clocks go on from there: after crmpi_host_renew(), with MPI initialised. */
void crmpi_clock_renew(void);

#endif
