/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What lower-half code may do at the boundary: know the calling thread, call back into
 * the application, park.  Lower half only.
 *
 * An MPI call of the application runs so: libcrmpi's stub stores the caller's registers
 * in the thread's frame, loads the lower TLS base and calls crmpi_control->calls[number],
 * a C function of the lower half with the MPI function's own signature, on the caller's
 * stack.  If a checkpoint is restored, a thread that was parked below makes its call again
 * with the same arguments, and crmpi_call_resumed() tells the function so.
 */
#ifndef CRMPI_THREADS_BOUNDARY_H
#define CRMPI_THREADS_BOUNDARY_H

#include "boundary/control.h"
#include "lower/thread.h"

/**
 * Tell, once, whether this call is made again after a restart, because the thread was
 * parked in it at the cut.  Clears the mark.
 */
static inline int crmpi_call_resumed(void)
{
    int resumed = crmpi_thread->resumed;
    crmpi_thread->resumed = 0;
    return resumed;
}

/**
 * Park here if all threads have to stop, and return when they may go on.  Called from the
 * progress callback inside blocking MPI calls, and by loops of crmpi's own that poll.  The
 * state of the MPI layer must be consistent, and no lock held.  The thread does not return
 * from here in a restarted process: its call is made again.
 */
void crmpi_park_point(void);

/** Tell cheaply whether a checkpoint is under way (any phase but RUN). */
static inline int crmpi_checkpoint_under_way(void)
{
    return __atomic_load_n(&crmpi_control->phase, __ATOMIC_ACQUIRE) != CRMPI_PHASE_RUN;
}

/** Forget callbacks that the calling thread has left without coming back (longjmp). */
void crmpi_upcalls_settle(void);

/**
 * Call a function of the application with up to six integer or pointer arguments, on the
 * upper TLS base; returns its rax.  The thread cannot park meanwhile.
 */
uint64_t crmpi_upcall(void *function, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                      uint64_t e, uint64_t f);

/*
 * Stopping the application's threads: called by the protocol thread (lib/engine).
 */

/**
 * Stop every thread of the application: set phase STOP, interrupt those above by the
 * checkpoint signal, wait for those below to reach a park point.
 *
 * @param limit_ms  how long to try
 * @param[out] why  on CRMPI_ERR_TIMEOUT or CRMPI_ERR_UNSUPPORTED, the thread and the call or
 *                  the reason that keeps it from parking (a child process, ...)
 * On failure the phase is RUN again and all threads go on.
 */
int crmpi_park_all(int limit_ms, char *why, size_t why_bytes);

/** Let parked threads go on, in phase RUN or RUNON. */
void crmpi_release_all(enum crmpi_phase phase);

#endif
