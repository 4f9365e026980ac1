/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The addresses of the upper half are kept free of what belongs to the lower, and its threads of
 * stacks that do.
 *
 * The kernel puts nothing there by itself.  But a library may choose an address, as PMIx does for
 * segments that have to be where another process has them: then its memory would be saved as the
 * application's, and be in the way of a restart.  So crmpi-host stands in for the libc functions
 * that take an address: a mere wish for one of the upper half is not granted, and a demand fails.
 * crmpi-host's own code calls crmpi_map() for what is the upper half's.
 *
 * An alternate stack for signals is the thread's that asks for one, which may be the application's
 * in a call of MPI: its signals would lie in memory that is not saved.  UCX asks for one; it gets
 * none.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "boundary/control.h"
#include "boundary/raw.h"

/* Whether some of it is the upper half's. */
static int is_upper(const void *address, size_t bytes)
{
    uint64_t start = (uint64_t)address;

    return start < CRMPI_UPPER_END && start + bytes > CRMPI_U0;
}

static long map(long address, long bytes, long prot, long flags, long fd, long offset)
{
    if (address && is_upper((void *)address, (size_t)bytes)) {
        if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE))
            return -EEXIST;
        address = 0;
    }
    return crmpi_raw(SYS_mmap, address, bytes, prot, flags, fd, offset);
}

static long remap(long old, long old_bytes, long new_bytes, long flags, long address)
{
    if (flags & MREMAP_FIXED && is_upper((void *)address, (size_t)new_bytes))
        return -EINVAL;
    return crmpi_raw(SYS_mremap, old, old_bytes, new_bytes, flags, address, 0);
}

/* How long the segment is does not matter: none that begins below is so long. */
static long attach(long id, long address, long flags)
{
    if (address && is_upper((void *)address, 1))
        return -EINVAL;
    return crmpi_raw(SYS_shmat, id, address, flags, 0, 0, 0);
}

void *mmap(void *address, size_t bytes, int prot, int flags, int fd, off_t offset)
{
    return (void *)crmpi_raw_result(map((long)address, (long)bytes, prot, flags, fd, offset));
}

void *mmap64(void *address, size_t bytes, int prot, int flags, int fd, off64_t offset)
{
    return (void *)crmpi_raw_result(map((long)address, (long)bytes, prot, flags, fd, offset));
}

void *mremap(void *old, size_t old_bytes, size_t new_bytes, int flags, ...)
{
    va_list arguments;
    long address = 0;

    va_start(arguments, flags);
    if (flags & MREMAP_FIXED)
        address = va_arg(arguments, long);
    va_end(arguments);
    return (void *)crmpi_raw_result(
        remap((long)old, (long)old_bytes, (long)new_bytes, flags, address));
}

void *shmat(int id, const void *address, int flags)
{
    return (void *)crmpi_raw_result(attach(id, (long)address, flags));
}

long syscall(long number, ...)
{
    va_list arguments;
    long a[6];

    va_start(arguments, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(arguments, long);
    va_end(arguments);
    if (number == SYS_mmap)
        return crmpi_raw_result(map(a[0], a[1], a[2], a[3], a[4], a[5]));
    if (number == SYS_mremap)
        return crmpi_raw_result(remap(a[0], a[1], a[2], a[3], a[4]));
    if (number == SYS_shmat)
        return crmpi_raw_result(attach(a[0], a[1], a[2]));
    return crmpi_raw_result(crmpi_raw(number, a[0], a[1], a[2], a[3], a[4], a[5]));
}

int sigaltstack(const stack_t *stack, stack_t *old)
{
    (void)stack;
    if (old)
        *old = (stack_t){.ss_flags = SS_DISABLE};
    return 0;
}
