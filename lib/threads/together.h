/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * After a restart no thread goes on, and looks at others, or signals them, before all are as
 * they were.  Lower half; no libc, any TLS base.
 */
#ifndef CRMPI_THREADS_TOGETHER_H
#define CRMPI_THREADS_TOGETHER_H

#include <stddef.h>

/** So many threads are to come back; before any of them does. */
void crmpi_threads_expect(size_t n);
/** The calling thread is as it was. */
void crmpi_thread_is_there(void);

/** Wait until crmpi_threads_go() says that all go on. */
void crmpi_threads_await(void);
/** When all are there, all go on. */
void crmpi_threads_go(void);

#endif
