/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads of the lower half: those it starts itself, among them the lenders whose TLS
 * blocks the application's threads use below.
 */
#ifndef CRMPI_LOWER_THREAD_H
#define CRMPI_LOWER_THREAD_H

#include "base/status.h"
#include "boundary/control.h"

/** The application thread that runs here below; NULL in the lower half's own threads. */
extern __thread struct crmpi_thread *crmpi_thread;

/** Start a thread of the lower half: all signals blocked, known as not the application's. */
int crmpi_lower_thread_start(void *(*run)(void *), void *argument, const char *name);

/** Tell whether the kernel's thread @p tid belongs to the lower half. */
int crmpi_lower_thread_is(int tid);

/** Say that it does.  No libc, any TLS base.  0: there is no room for so many. */
int crmpi_lower_thread_note(int tid);

/** Start the thread that lends TLS blocks, and make the first thread's structure unless a
 * restored image has it.  Called by the host's main before the upper half runs. */
enum crmpi_status crmpi_lender_start(void);

/** Give @p thread of a restored image a TLS block: the caller's own (is_main) or a
 * lender's. */
enum crmpi_status crmpi_lender_renew(struct crmpi_thread *thread, int is_main);

/** crmpi_control->attach: give the calling thread, on upper TLS base @p upper_fs, its
 * structure.  Runs on the upper TLS base. */
struct crmpi_thread *crmpi_thread_attach(uint64_t upper_fs);

#endif
