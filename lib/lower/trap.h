/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The system calls of the upper half that may not go to the kernel as they are: those that
 * choose an address (it has to lie in the upper range), those that change what happens on
 * signals, and the few that name the program or a thread.  Lower half.
 */
#ifndef CRMPI_LOWER_TRAP_H
#define CRMPI_LOWER_TRAP_H

#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>
#include "base/status.h"

#define CRMPI_SIGNAL_PARK 64 /* SIGRTMAX: delivered after all others */

/**
 * Install the seccomp filter and the handlers of SIGSYS, of the signal that parks threads
 * and of SIGUSR1.  For the whole process and all it executes later: the filter is keyed to
 * the upper address range, which no ordinary process uses.
 */
enum crmpi_status crmpi_trap_install(void);

/** Set the kernel's signal dispositions again from what the application asked for. */
void crmpi_trap_signals_restore(void);

/** Translate thread ids the application knows from before a restart into the kernel's. */
void crmpi_trap_thread_map(int known_tid, int kernel_tid);

/** The id the application knows a thread by. */
int crmpi_trap_known_tid(int kernel_tid);

/** Map the gate page; of a fresh upper half, a restored one has it. */
enum crmpi_status crmpi_trap_gate_map(void);

/**
 * If a thread with registers @p r is about to make its system call at the gate, or a signal
 * cut it short there, put it back in front of the call, so that it is trapped and corrected
 * afresh; 1 if so.  Signal safe.
 */
int crmpi_trap_gate_leave(greg_t *r);

/** Choose an address for @p bytes in the upper range and map there as mmap(2) does;
 * signal safe.  Returns the address or -errno. */
long crmpi_trap_map(unsigned long hint, unsigned long bytes, long prot, long flags, long fd,
                    long offset);

#endif
