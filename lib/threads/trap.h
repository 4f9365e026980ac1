/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The system calls of the upper half that may not go to the kernel as they are: those that
 * choose an address (it has to lie in the upper range), those that change what happens on
 * signals, and the few that name the program or a thread.  Lower half.
 */
#ifndef CRMPI_THREADS_TRAP_H
#define CRMPI_THREADS_TRAP_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"

#define CRMPI_SIGNAL_PARK 64 /* SIGRTMAX: delivered after all others */
#define CRMPI_OUR_SIGNALS (1ul << (SIGSYS - 1) | 1ul << (CRMPI_SIGNAL_PARK - 1))

/**
 * Install the handlers of SIGSYS, of the signal that parks threads and of SIGUSR1, and the
 * filter (filter.h): in a restarted process that of one.
 */
enum crmpi_status crmpi_trap_install(int restarted);

/** Set the kernel's signal dispositions again from what the application asked for. */
void crmpi_trap_signals_restore(void);

/** A signal mask of the application's without crmpi's signals, which are never blocked. */
static inline uint64_t crmpi_trap_mask(uint64_t mask)
{
    return mask & ~CRMPI_OUR_SIGNALS;
}

/** Choose an address for @p bytes in the upper range and map there as mmap(2) does;
 * signal safe.  Returns the address or -errno. */
long crmpi_trap_map(unsigned long hint, unsigned long bytes, long prot, long flags,
                    long fd, long offset);

#endif
