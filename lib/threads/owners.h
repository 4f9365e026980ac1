/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Locks whose owner the kernel looks for by the thread id in their word, after a restart: there
 * these are ids that the program knows (ids.h), and the kernel would look for another thread,
 * perhaps of another process.  So what the kernel does for such locks is done here.  Lower
 * half; in the trap: no libc, any TLS base.
 */
#ifndef CRMPI_THREADS_OWNERS_H
#define CRMPI_THREADS_OWNERS_H

#include <ucontext.h>

/**
 * A trapped operation of futex(2).  On a lock with priority inheritance it excludes, waits and
 * wakes as the kernel does, and tells the same errors; but nobody inherits a priority.
 * @return as crmpi_gate_call() does, or the result; -ENOSYS of what is not done here
 */
long crmpi_owners_futex(greg_t *r);

/** The calling thread ends: what is on its list of robust locks gets the mark that its owner has
 * died. */
void crmpi_owners_thread_ends(void);

#endif
