/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A system call without libc, and memory of the upper half, which libc's functions do not give
 * in crmpi-host (lib/lower/mappings.c).
 */
#ifndef CRMPI_BOUNDARY_RAW_H
#define CRMPI_BOUNDARY_RAW_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

/** The kernel's result: -errno on failure. */
static inline long crmpi_raw(long number, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

/** That result as libc has it: -1 and errno on failure (MAP_FAILED, for an address). */
static inline long crmpi_raw_result(long result)
{
    if (result > -4096 && result < 0) {
        errno = (int)-result;
        return -1;
    }
    return result;
}

/** As mmap() and mremap() to a new address, at any address. */
static inline void *crmpi_map(void *address, size_t bytes, int prot, int flags, int fd,
                              int64_t offset)
{
    return (void *)crmpi_raw_result(
        crmpi_raw(SYS_mmap, (long)address, (long)bytes, prot, flags, fd, offset));
}

static inline void *crmpi_remap(void *old, size_t old_bytes, size_t new_bytes,
                                void *address)
{
    return (void *)crmpi_raw_result(
        crmpi_raw(SYS_mremap, (long)old, (long)old_bytes, (long)new_bytes,
                  MREMAP_MAYMOVE | MREMAP_FIXED, (long)address, 0));
}

#endif
