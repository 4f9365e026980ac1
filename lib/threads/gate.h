/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The gate: where system calls are made that were trapped and may take long.
 *
 * They cannot be made in the trap's handler, where all signals are blocked: a thread has to
 * be stopped in them, and some wait under a signal mask of the application's.  So the
 * handler sends the thread on to the gate, code of the upper half whose system calls are
 * not trapped.  Of a call that is made there it is known which one it is, so it can be begun
 * again, for the rest of its time, when a parking signal has cut it short.  Lower half; no libc, any TLS base.
 */
#ifndef CRMPI_THREADS_GATE_H
#define CRMPI_THREADS_GATE_H

#include <stdint.h>
#include <time.h>
#include <ucontext.h>
#include "base/status.h"

/** Map where threads are made; of a fresh upper half, a restored one has it. */
enum crmpi_status crmpi_births_map(void);

/** Of a trapped call: have the thread make it at the gate, with what has to be corrected in
 * its arguments replaced by copies, which lie on its stack.  What it returns is the call's
 * result; behind the call all its registers are as they were.
 * @return what has to be in rax, as for those below */
long crmpi_gate_call(long number, greg_t *r);

/** Likewise, but have it make another call, with arguments of the caller's, and then its own
 * again, which is trapped again.
 * @param end  of a wait, on the kernel's clock: the address of a copy is the fourth argument; or
 *             NULL */
long crmpi_gate_call_before(long number, greg_t *r, long other, const long arguments[6],
                            const struct timespec *end);

/** Likewise io_uring_enter(2), which only waits any more; it returns @p submitted instead of what
 * it would, unless that is 0. */
long crmpi_gate_call_uring(long number, greg_t *r, long submitted);

/** Have the thread make a call that makes a thread or a process: one that may have another
 * stack, or use this one.
 * @return -EAGAIN if there is no room for calls from so many places */
long crmpi_gate_birth(long number, greg_t *r);

/** CLOCK_MONOTONIC as the application sees it. */
int64_t crmpi_gate_clock_ns(void);

/**
 * If a thread with registers @p r is about to make its system call at the gate, or the
 * parking signal has just cut it short there, see that it begins again: for what is left of its
 * time, or from the trap on, with clocks and masks corrected afresh.  Signal safe.
 * @param[out] number  if not, and a call there has ended with a part: which it was, its registers
 *                     as if it had been made in its own place; else -1
 * @return 1 if so
 */
int crmpi_gate_leave(greg_t *r, long *number);

/** After crmpi_gate_leave(), and a while in which the thread stood still: what is left of its
 * time is less.  Signal safe. */
void crmpi_gate_renew(greg_t *r);

#endif
