/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Queued signals and POSIX timers at a restart (capture/signals.h).  Lower half.
 */
#ifndef CRMPI_RESTART_SIGNALS_H
#define CRMPI_RESTART_SIGNALS_H

#include "base/status.h"
#include "threads/park.h"

/** Take the record, which has to stay; CRMPI_ERR_CORRUPT if it is none. */
enum crmpi_status crmpi_signals_open(const void *record, size_t bytes);

/** Send the calling thread the signals that were queued for it, those of the process if it is
 * the first.  No libc, any TLS base; all signals are blocked. */
void crmpi_signals_queue(const struct crmpi_parked *parked);

/** Make the timers again under their ids, and set them; in the first thread, when all have
 * been made.  What cannot be is told. */
void crmpi_timers_restore(const struct crmpi_parked *threads, size_t n_threads);

/** Whether a signal will be delivered to a thread's handler, or waits: one that is neither
 * blocked nor handled was about to end the first process, and should not end this one. */
int crmpi_signal_is_welcome(const struct crmpi_parked *parked, int signal);

#endif
