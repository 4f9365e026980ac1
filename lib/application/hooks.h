/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Functions of the application that are called before a checkpoint, after it, and after a
 * restart.  Lower half.
 *
 * Each belongs to the thread that has named it, which calls it when it makes a call of
 * MPI or crmpi, or waits in one: only there may it allocate memory or print.  So such a
 * thread parks nowhere else; and after a restart it calls its functions before its call
 * is made again, while all other threads still wait.  As that may be in the middle of a
 * call of MPI, the functions may not communicate.
 */
#ifndef CRMPI_APPLICATION_HOOKS_H
#define CRMPI_APPLICATION_HOOKS_H

#include "application/application.h"

enum crmpi_hook_event { /* as in crmpi.h */
                        CRMPI_HOOK_BEFORE = 1,
                        CRMPI_HOOK_COMMITTED = 2,
                        CRMPI_HOOK_GIVEN_UP = 4,
                        CRMPI_HOOK_RESTART = 8,
                        CRMPI_HOOK_ALL = 15,
};

/*
 * For the calling thread
 */

enum crmpi_status crmpi_hook_add(int events, int (*function)(int, void *),
                                 void *extra_state);
enum crmpi_status crmpi_hook_remove(int (*function)(int, void *), void *extra_state);

/** Have a function fill excluded memory at a restart; NULL: no more. */
enum crmpi_status crmpi_hook_refill(void *start, int (*function)(void *, size_t, void *),
                                    void *extra_state);

/** Call what is due, in a thread below that may park. */
void crmpi_hooks_run(void);

/** In the open application: the memory is not filled any more. */
void crmpi_hook_refill_forget(struct crmpi_excluded *excluded);

/*
 * For the engine
 */

/**
 * A checkpoint is about to stop the threads: have the functions for that called, and wait
 * for their end.
 * @param[out] why  on failure: which thread does not, or what a function has returned
 */
enum crmpi_status crmpi_hooks_before(int limit_ms, char *why, size_t why_bytes);

/** At the cut: forget the functions of threads that have ended, and save again what they
 * were to fill. */
void crmpi_hooks_prune(void);

/** It is over; nothing if crmpi_hooks_before() was not called since the last time. */
void crmpi_hooks_after(int committed);

/*
 * For the restart
 */

/** Have the functions for it called; behind crmpi_threads_renew(). */
enum crmpi_status crmpi_hooks_restored(void);

#endif
