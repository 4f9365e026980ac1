/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * System calls without libc, for code of the lower half that runs in signal handlers on
 * whichever TLS base is loaded: errno is thread-local, so libc's wrappers may not be used
 * there.  Results are the kernel's: -errno on failure.
 */
#ifndef CRMPI_LOWER_RAW_H
#define CRMPI_LOWER_RAW_H

#include <linux/futex.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

#include "boundary/raw.h"

static inline long crmpi_raw_futex_wait(const int32_t *word, int32_t value,
                                        const struct timespec *timeout)
{
    return crmpi_raw(SYS_futex, (long)word, FUTEX_WAIT, value, (long)timeout, 0, 0);
}

static inline long crmpi_raw_futex_wake(const int32_t *word, int n)
{
    return crmpi_raw(SYS_futex, (long)word, FUTEX_WAKE, n, 0, 0, 0);
}

/** What a signal does that nobody handles; in its handler, which blocks it until it returns. */
static inline void crmpi_die_by(int signal)
{
    const uint64_t action[4] = {0}; /* SIG_DFL */

    crmpi_raw(SYS_rt_sigaction, signal, (long)action, 0, 8, 0, 0);
    crmpi_raw(SYS_kill, crmpi_raw(SYS_getpid, 0, 0, 0, 0, 0, 0), signal, 0, 0, 0, 0);
}

/** Copy memory that may not be there; 0 if it all was. */
static inline int crmpi_raw_read(void *to, const void *from, unsigned long bytes)
{
    struct iovec here = {to, bytes}, there = {(void *)from, bytes};

    return crmpi_raw(SYS_process_vm_readv, crmpi_raw(SYS_getpid, 0, 0, 0, 0, 0, 0),
                     (long)&here, 1, (long)&there, 1, 0) == (long)bytes
               ? 0
               : -1;
}

/** Write to such memory; likewise. */
static inline int crmpi_raw_write(void *to, const void *from, unsigned long bytes)
{
    struct iovec here = {(void *)from, bytes}, there = {to, bytes};

    return crmpi_raw(SYS_process_vm_writev, crmpi_raw(SYS_getpid, 0, 0, 0, 0, 0, 0),
                     (long)&here, 1, (long)&there, 1, 0) == (long)bytes
               ? 0
               : -1;
}

#endif
