/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bringing the application's threads back.  Lower half, at a restart.
 */
#ifndef CRMPI_RESTART_RESUME_H
#define CRMPI_RESTART_RESUME_H

#include <stddef.h>
#include "base/status.h"
#include "threads/park.h"

/** Give the saved threads that call MPI what they need below: TLS blocks, new ids.  Forgets
 * the structures of threads that had ended. */
enum crmpi_status crmpi_threads_renew(const struct crmpi_parked *threads, size_t n_threads);

/** Create all threads but the first; they wait.  All signals are blocked. */
enum crmpi_status crmpi_threads_make(struct crmpi_parked *threads, size_t n_threads);

/** Let all go on where they were; the caller becomes the first.
 * @param pending  signals to send to the process again, those to threads are in @p threads */
void crmpi_threads_resume(struct crmpi_parked *threads, size_t n_threads, uint64_t pending)
    __attribute__((noreturn));

#endif
