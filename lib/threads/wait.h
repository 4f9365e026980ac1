/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Waiting in libraries of the lower half.
 */
#ifndef CRMPI_THREADS_WAIT_H
#define CRMPI_THREADS_WAIT_H

/** For tests: wait below, as libraries do, with what locks the caller holds, for ten seconds
 * at most until a checkpoint is under way, and half a second more. */
void crmpi_wait_with_locks(void);

/** Between these the calling thread may wait in a loop in which the library makes progress by
 * UCX alone, and may park there. */
void crmpi_spin_begin(void);
void crmpi_spin_end(void);

#endif
