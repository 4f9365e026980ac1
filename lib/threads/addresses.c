/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the application's mappings lie, see addresses.h.  Lower half; used in the handler
 * of SIGSYS, so no libc.
 *
 * The kernel must not choose: it would put a mapping among those of the lower half.  Fixed
 * addresses in the upper range are the application's business and never come here.  Those
 * outside of the ranges are allowed where the lower half has nothing, and will have nothing
 * in the process of a restart; the control page notes them, because there /proc/self/maps
 * alone does not tell whose a mapping is:
 *
 *   wanted       |       start ................ end        |
 *   noted        |  [#####]      [####]                    |  replaced, as MAP_FIXED means
 *   claimed      |         [    ]      [       ]           |  nothing may be there
 */
#include <errno.h>
#include <sys/mman.h>

#include "boundary/control.h"
#include "lower/raw.h"
#include "threads/addresses.h"
#include "threads/trap.h"

#define PAGE 4096ul
#define PAGE_UP(n) (((n) + PAGE - 1) & ~(PAGE - 1))
#define HUGE_PAGE (2ul << 20)

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

/* Whether a descriptor is one of io_uring: the kernel maps its rings where it likes only. */
static int is_uring(long fd)
{
    static const char wanted[] = "anon_inode:[io_uring]";
    char path[32] = "/proc/self/fd/", name[sizeof wanted], *end = path + 14;
    unsigned long digits = 1, i = 0;

    for (long n = fd; n >= 10; n /= 10)
        digits *= 10;
    for (; digits && fd >= 0; digits /= 10)
        *end++ = (char)('0' + fd / (long)digits % 10);
    *end = 0;
    if (crmpi_raw(SYS_readlink, (long)path, (long)name, sizeof name, 0, 0, 0) !=
        sizeof wanted - 1)
        return 0;
    while (i < sizeof wanted - 1 && name[i] == wanted[i])
        i++;
    return i == sizeof wanted - 1;
}

/* Next-fit: try at the running pointer, skip what is in use, wrap round at the end. */
long crmpi_trap_map(unsigned long hint, unsigned long bytes, long prot, long flags,
                    long fd, long offset)
{
    unsigned long want = PAGE_UP(bytes), skip = HUGE_PAGE;
    long result;

    if (want == 0 || want < bytes)
        return bytes == 0 ? -EINVAL : -ENOMEM;
    if (want > CRMPI_FILES_ADDR - CRMPI_MAP_ADDR)
        return -ENOMEM;
    hint &= ~(PAGE - 1);
    flags |= MAP_FIXED_NOREPLACE;
    if (crmpi_is_upper(hint) && hint && crmpi_is_upper(hint + want)) {
        result = crmpi_raw(SYS_mmap, hint, want, prot, flags, fd, offset);
        if (result != -EEXIST)
            return result;
    }
    for (int tries = 0; tries < 10000; tries++) {
        /* large mappings start where huge pages can, with a page of distance */
        unsigned long align = want >= HUGE_PAGE ? HUGE_PAGE : PAGE;
        unsigned long at = __atomic_fetch_add(&crmpi_control->map_next,
                                              want + align + PAGE, __ATOMIC_RELAXED);

        at = (at + align - 1) & ~(align - 1);
        if (at + want > CRMPI_FILES_ADDR) {
            __atomic_store_n(&crmpi_control->map_next, CRMPI_MAP_ADDR, __ATOMIC_RELAXED);
            continue;
        }
        result = crmpi_raw(SYS_mmap, at, want, prot, flags, fd, offset);
        if (result != -EEXIST)
            return result;
        __atomic_fetch_add(&crmpi_control->map_next, skip, __ATOMIC_RELAXED);
        skip = skip < 1ul << 38 ? skip * 2 : skip;
    }
    return -ENOMEM;
}

/*
 * Outside of the ranges
 */

static void outside_lock(void)
{
    while (__atomic_exchange_n(&crmpi_control->outside_lock, 1, __ATOMIC_ACQUIRE))
        crmpi_raw(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
}

static void outside_unlock(void)
{
    __atomic_store_n(&crmpi_control->outside_lock, 0, __ATOMIC_RELEASE);
}

/* The end of what is the application's from an address on, or where that begins, if it is
 * before @p end. */
static unsigned long border_behind(unsigned long at, unsigned long end, int *is_ours_out)
{
    unsigned long border = end;

    *is_ours_out = 0;
    if (at < CRMPI_LOW_END) {
        *is_ours_out = 1;
        return CRMPI_LOW_END < end ? CRMPI_LOW_END : end;
    }
    for (uint32_t i = 0; i < crmpi_control->n_outside; i++) {
        unsigned long start = crmpi_control->outside[i].start;
        unsigned long stop = crmpi_control->outside[i].end;

        if (start <= at && at < stop) {
            *is_ours_out = 1;
            return stop < end ? stop : end;
        }
        if (start > at && start < border)
            border = start;
    }
    return border;
}

/* Give back what has been claimed before an address. */
static void unclaim(unsigned long start, unsigned long end)
{
    int is_ours;

    for (unsigned long at = start, stop; at < end; at = stop) {
        stop = border_behind(at, end, &is_ours);
        if (!is_ours)
            crmpi_raw(SYS_munmap, at, stop - at, 0, 0, 0, 0);
    }
}

/* Occupy what has not been the application's: 0, or -EEXIST if it is in use. */
static long claim(unsigned long start, unsigned long end)
{
    int is_ours;

    for (unsigned long at = start, stop; at < end; at = stop) {
        stop = border_behind(at, end, &is_ours);
        if (is_ours)
            continue;
        long result = crmpi_raw(
            SYS_mmap, at, stop - at, PROT_NONE,
            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

        if (result < 0) {
            unclaim(start, at);
            return result;
        }
    }
    return 0;
}

/* Add an extent to the table, joined with those it touches; 0 if there is no room.  Who
 * reads meanwhile (crmpi_is_application) finds every address that was there. */
static int outside_note(unsigned long start, unsigned long end)
{
    struct crmpi_control_page *control = crmpi_control;
    uint32_t n = control->n_outside, joined = UINT32_MAX;

    for (uint32_t i = 0; i < n; i++) {
        if (start > control->outside[i].end || end < control->outside[i].start)
            continue;
        joined = i;
        start = start < control->outside[i].start ? start : control->outside[i].start;
        end = end > control->outside[i].end ? end : control->outside[i].end;
    }
    if (joined == UINT32_MAX && n == CRMPI_OUTSIDE_MAX)
        return 0;
    if (joined == UINT32_MAX)
        joined = n++;
    control->outside[joined].start = start;
    control->outside[joined].end = end;
    __atomic_store_n(&control->n_outside, n, __ATOMIC_RELEASE);
    for (uint32_t i = 0; i < control->n_outside; i++) /* now part of it */
        if (i != joined && control->outside[i].start >= start &&
            control->outside[i].end <= end) {
            control->outside[i] = control->outside[control->n_outside - 1];
            joined = joined == control->n_outside - 1 ? i : joined;
            i--;
            __atomic_store_n(&control->n_outside, control->n_outside - 1,
                             __ATOMIC_RELEASE);
        }
    return 1;
}

/* Make an extent the application's: 0, -ENOMEM or -EEXIST. */
static long outside_take(unsigned long start, unsigned long end)
{
    long result = crmpi_may_be_application(start, end) ? claim(start, end) : -EEXIST;

    if (result == 0 && !outside_note(start, end)) {
        unclaim(start, end);
        result = -ENOMEM;
    }
    return result;
}

static int is_inside(unsigned long start, unsigned long end)
{
    return end >= start &&
           (end <= CRMPI_LOW_END || (start >= CRMPI_U0 && end <= CRMPI_U1));
}

/* At a fixed address. */
static long map_fixed(unsigned long start, unsigned long bytes, long prot, long flags,
                      long fd, long offset)
{
    unsigned long end = start + PAGE_UP(bytes);
    long result;

    if (bytes == 0 || start % PAGE || end <= start || is_inside(start, end))
        return crmpi_raw(SYS_mmap, start, bytes, prot, flags, fd, offset);
    if (!crmpi_may_be_application(start, end))
        return flags & MAP_FIXED_NOREPLACE ? -EEXIST : -ENOMEM;
    outside_lock();
    if (flags & MAP_FIXED_NOREPLACE) {
        result = crmpi_raw(SYS_mmap, start, bytes, prot, flags, fd, offset);
        if (result > 0 && !outside_note(start, end)) {
            crmpi_raw(SYS_munmap, start, bytes, 0, 0, 0, 0);
            result = -ENOMEM;
        }
    } else {
        result = outside_take(start, end) == 0
                     ? crmpi_raw(SYS_mmap, start, bytes, prot, flags, fd, offset)
                     : -ENOMEM;
    }
    outside_unlock();
    return result;
}

long crmpi_addresses_mmap(unsigned long address, unsigned long bytes, long prot,
                          long flags, long fd, long offset)
{
    if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE))
        return map_fixed(address, bytes, prot, flags, fd, offset);
    if (flags & MAP_32BIT)
        return crmpi_raw(SYS_mmap, address, bytes, prot, flags, fd, offset);
    long result = crmpi_trap_map(address, bytes, prot, flags, fd, offset);

    /* it is among the lower half's then, and no checkpoint is taken while it is there */
    return result == -EINVAL && !(flags & MAP_ANONYMOUS) && is_uring(fd)
               ? crmpi_raw(SYS_mmap, 0, bytes, prot, flags, fd, offset)
               : result;
}

static long remap_fixed(unsigned long old, unsigned long old_bytes,
                        unsigned long new_bytes, long flags, unsigned long address)
{
    unsigned long end = address + PAGE_UP(new_bytes);
    long result = 0;

    if (new_bytes != 0 && address % PAGE == 0 && end > address &&
        !is_inside(address, end)) {
        outside_lock();
        result = outside_take(address, end);
        outside_unlock();
    }
    return result < 0
               ? -ENOMEM
               : crmpi_raw(SYS_mremap, old, old_bytes, new_bytes, flags, address, 0);
}

long crmpi_addresses_mremap(unsigned long old, unsigned long old_bytes,
                            unsigned long new_bytes, long flags, unsigned long address)
{
    long result = -ENOMEM;

    if (flags & MREMAP_FIXED)
        return remap_fixed(old, old_bytes, new_bytes, flags, address);
    /* a second mapping, and what leaves its old place mapped, lie elsewhere for sure */
    if (old_bytes != 0 && !(flags & MREMAP_DONTUNMAP))
        result = crmpi_raw(SYS_mremap, old, old_bytes, new_bytes, 0, 0, 0);
    if (result != -ENOMEM)
        return result;
    long at = crmpi_trap_map(0, new_bytes, PROT_NONE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at < 0)
        return at;
    result =
        crmpi_raw(SYS_mremap, old, old_bytes, new_bytes, flags | MREMAP_FIXED, at, 0);
    if (result < 0)
        crmpi_raw(SYS_munmap, at, new_bytes, 0, 0, 0, 0);
    return result;
}
