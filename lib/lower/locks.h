/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Locks of libraries in the lower half.  crmpi-host stands in for libc's functions, so it
 * is known how many a thread holds: with any it must not stop, as others would wait for
 * them, also those who take the checkpoint.
 */
#ifndef CRMPI_LOWER_LOCKS_H
#define CRMPI_LOWER_LOCKS_H

/** Of the calling thread: mutexes, spin locks and read-write locks. */
extern __thread int crmpi_locks_held;

#endif
