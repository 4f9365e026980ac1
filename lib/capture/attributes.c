/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Attributes of mappings, see attributes.h.  Lower half.
 *
 * One table has every word that Linux writes into VmFlags.  A word that is not there is of
 * a kernel that is newer than crmpi, and what it stands for would be lost: so it is refused.
 */
#include <errno.h>
#include <linux/capability.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "capture/attributes.h"
#include "capture/tracking.h"

/* The system's headers may be older than its kernel. */
#ifndef SYS_mseal
#define SYS_mseal 462
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
#define MAX_NODES 1024 /* that a kernel can have */

enum what {
    HARMLESS, /* told by the protection, the kernel's own, or crmpi's */
    RESTORED, /* as this attribute */
    REFUSED,
};

static const struct flag {
    char letters[3];
    enum what what;
    uint32_t attribute;
    const char *text; /* why it is harmless; or what the mapping is, in a refusal */
} flags[] = {
    {"rd", HARMLESS, 0, "readable"},
    {"wr", HARMLESS, 0, "writable"},
    {"ex", HARMLESS, 0, "executable"},
    {"sh", HARMLESS, 0, "shared"},
    {"mr", HARMLESS, 0, "may be made readable"},
    {"mw", RESTORED, CRMPI_REGION_MAY_WRITE, "may be made writable"},
    {"me", HARMLESS, 0, "may be made executable"},
    {"ms", HARMLESS, 0, "may be shared"},
    {"gd", RESTORED, CRMPI_REGION_GROWSDOWN, "MAP_GROWSDOWN"},
    {"pf", REFUSED, 0, "is memory of a device"},
    {"dw", HARMLESS, 0, "of Linux before 5.16: its file cannot be written"},
    {"lo", RESTORED, CRMPI_REGION_LOCKED, "mlock"},
    {"lf", RESTORED, CRMPI_REGION_LOCKED_ON_FAULT, "mlock2(MLOCK_ONFAULT)"},
    {"io", REFUSED, 0, "is memory of a device"},
    {"sr", RESTORED, CRMPI_REGION_SEQUENTIAL, "MADV_SEQUENTIAL"},
    {"rr", RESTORED, CRMPI_REGION_RANDOM, "MADV_RANDOM"},
    {"dc", RESTORED, CRMPI_REGION_DONTFORK, "MADV_DONTFORK"},
    {"de", HARMLESS, 0, "of huge pages, and of devices, which have others"},
    {"ac", HARMLESS, 0, "counted as reserved: the kernel's own"},
    {"nr", RESTORED, CRMPI_REGION_NORESERVE, "MAP_NORESERVE"},
    {"ht", RESTORED, CRMPI_REGION_HUGETLB, "MAP_HUGETLB"},
    {"sf", REFUSED, 0, "is mapped with MAP_SYNC"},
    {"nl", REFUSED, 0, "has been rearranged by remap_file_pages"},
    {"ar", HARMLESS, 0, "of one processor"},
    {"wf", RESTORED, CRMPI_REGION_WIPEONFORK, "MADV_WIPEONFORK"},
    {"dd", RESTORED, CRMPI_REGION_DONTDUMP, "MADV_DONTDUMP"},
    {"sd", HARMLESS, 0, "written since somebody cleared this: the kernel's own"},
    {"mm", REFUSED, 0, "is memory of a device"},
    {"hg", RESTORED, CRMPI_REGION_HUGEPAGE, "MADV_HUGEPAGE"},
    {"nh", RESTORED, CRMPI_REGION_NOHUGEPAGE, "MADV_NOHUGEPAGE"},
    {"mg", RESTORED, CRMPI_REGION_MERGEABLE, "MADV_MERGEABLE"},
    {"mp", HARMLESS, 0, "of Linux before 5.6: bounds of MPX"},
    {"bt", HARMLESS, 0, "of another processor"},
    {"mt", HARMLESS, 0, "of another processor"},
    {"um", REFUSED, 0, "is watched by a userfaultfd of the program"},
    {"uw", HARMLESS, 0, "crmpi's tracking of writes; a program's descriptor is refused"},
    {"ui", REFUSED, 0, "is watched by a userfaultfd of the program"},
    {"ss", REFUSED, 0,
     "is a shadow stack: start the program without "
     "GLIBC_TUNABLES=glibc.cpu.hwcaps=SHSTK"},
    {"dp", RESTORED, CRMPI_REGION_DROPPABLE, "MAP_DROPPABLE"},
    {"sl", RESTORED, CRMPI_REGION_SEALED, "mseal"},
    {"gu", HARMLESS, 0, "has or had guards (MADV_GUARD_INSTALL), which are looked for"},
};

static const struct flag *flag_find(const char *letters)
{
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (memcmp(flags[i].letters, letters, 3) == 0)
            return &flags[i];
    return NULL;
}

static enum crmpi_status refuse(const struct crmpi_region *region, const char *text,
                                char *why, size_t why_bytes)
{
    snprintf(why, why_bytes, "the mapping at %#lx%s%.200s %s", region->start,
             region->name[0] ? " of " : "", region->name, text);
    return CRMPI_ERR_UNSUPPORTED;
}

enum crmpi_status crmpi_attributes_parse(const char *letters, struct crmpi_region *region,
                                         char *why, size_t why_bytes)
{
    char word[3], text[96];
    int n;

    region->attributes = 0;
    for (; sscanf(letters, " %2s%n", word, &n) == 1; letters += n) {
        const struct flag *flag = flag_find(word);

        if (!flag) {
            snprintf(text, sizeof text,
                     "has the attribute \"%s\" (VmFlags), which this crmpi does not know",
                     word);
            return refuse(region, text, why, why_bytes);
        }
        if (flag->what == REFUSED)
            return refuse(region, flag->text, why, why_bytes);
        region->attributes |= flag->attribute;
    }
    if (region->attributes & CRMPI_REGION_HUGETLB &&
        strcmp(region->name, "/anon_hugepage (deleted)") != 0)
        return refuse(region, "is a file of hugetlbfs", why, why_bytes);
    if (region->attributes & CRMPI_REGION_HUGETLB && region->flags & MAP_SHARED)
        return refuse(region, "is shared memory in huge pages (MAP_HUGETLB)", why,
                      why_bytes);
    return CRMPI_OK;
}

enum crmpi_status crmpi_attributes_policy(struct crmpi_region *region, char *why,
                                          size_t why_bytes)
{
    uint64_t nodes[MAX_NODES / 64] = {0};
    int policy = 0;

    if (syscall(SYS_get_mempolicy, &policy, nodes, MAX_NODES, region->start,
                MPOL_F_ADDR) != 0)
        return CRMPI_OK; /* a kernel without NUMA */
    for (size_t i = CRMPI_POLICY_NODES / 64; i < MAX_NODES / 64; i++)
        if (nodes[i])
            return refuse(region, "is bound to a NUMA node above 255", why, why_bytes);
    region->policy = (uint64_t)policy;
    memcpy(region->nodes, nodes, sizeof region->nodes);
    return CRMPI_OK;
}

/*
 * At a restart
 */

int crmpi_attributes_mmap_flags(const struct crmpi_region *region)
{
    uint32_t attributes = region->attributes;
    int result = attributes & CRMPI_REGION_GROWSDOWN ? MAP_GROWSDOWN : 0;

    /* What is not writable has not been counted; it is made writable to be filled. */
    if (attributes & CRMPI_REGION_NORESERVE || !(region->prot & PROT_WRITE))
        result |= MAP_NORESERVE;
    if (attributes & CRMPI_REGION_HUGETLB)
        result |= MAP_HUGETLB | __builtin_ctzl(region->huge_page_kib * 1024ul)
                                    << MAP_HUGE_SHIFT;
    return result;
}

static const struct {
    uint32_t attribute;
    int advice;
    int matters; /* to what the program computes */
    const char *name;
} advices[] = {
    {CRMPI_REGION_HUGEPAGE, MADV_HUGEPAGE, 0, "MADV_HUGEPAGE"},
    {CRMPI_REGION_NOHUGEPAGE, MADV_NOHUGEPAGE, 0, "MADV_NOHUGEPAGE"},
    {CRMPI_REGION_DONTFORK, MADV_DONTFORK, 1, "MADV_DONTFORK"},
    {CRMPI_REGION_DONTDUMP, MADV_DONTDUMP, 0, "MADV_DONTDUMP"},
    {CRMPI_REGION_WIPEONFORK, MADV_WIPEONFORK, 1, "MADV_WIPEONFORK"},
    {CRMPI_REGION_MERGEABLE, MADV_MERGEABLE, 0, "MADV_MERGEABLE"},
    {CRMPI_REGION_SEQUENTIAL, MADV_SEQUENTIAL, 0, "MADV_SEQUENTIAL"},
    {CRMPI_REGION_RANDOM, MADV_RANDOM, 0, "MADV_RANDOM"},
};

enum crmpi_status crmpi_attributes_advise(const struct crmpi_region *region)
{
    uint32_t attributes = region->attributes;

    if (attributes & CRMPI_REGION_DROPPABLE) /* these are part of it */
        attributes &= ~(uint32_t)(CRMPI_REGION_WIPEONFORK | CRMPI_REGION_DONTDUMP);
    for (size_t i = 0; i < sizeof advices / sizeof *advices; i++) {
        if (!(attributes & advices[i].attribute) ||
            madvise((void *)region->start, region->bytes, advices[i].advice) == 0)
            continue;
        if (advices[i].matters) {
            crmpi_error("memory at %#lx cannot be given %s: %s", region->start,
                        advices[i].name, strerror(errno));
            return CRMPI_ERR_SYSTEM;
        }
        crmpi_info("memory at %#lx cannot be given %s: %s", region->start,
                   advices[i].name, strerror(errno));
    }
    if (region->policy &&
        syscall(SYS_mbind, region->start, region->bytes, region->policy, region->nodes,
                CRMPI_POLICY_NODES + 1, 0) != 0) /* the kernel counts so */
        crmpi_warn("memory at %#lx cannot have the NUMA policy here that it had: %s",
                   region->start, strerror(errno));
    return CRMPI_OK;
}

/* Let as much be locked as may be; the program's own limit is set later. */
static uint64_t lock_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0)
        return UINT64_MAX;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_MEMLOCK, &limit);
    return limit.rlim_max;
}

/* CAP_IPC_LOCK. */
static int may_lock_all(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};

    return syscall(SYS_capget, &header, data) == 0 &&
           data[0].effective & 1u << CAP_IPC_LOCK;
}

enum crmpi_status crmpi_attributes_check(const struct crmpi_region *regions,
                                         size_t n_regions)
{
    uint64_t bytes = 0, limit;

    for (size_t i = 0; i < n_regions; i++)
        if (regions[i].attributes & CRMPI_REGION_LOCKED)
            bytes += regions[i].bytes;
    if (bytes == 0 || bytes <= (limit = lock_limit()) || may_lock_all())
        return CRMPI_OK;
    crmpi_error(
        "the program has locked %lu KiB of memory, and only %lu KiB may be locked "
        "here: raise the limit (ulimit -l)",
        bytes / 1024, limit / 1024);
    return CRMPI_ERR_MISMATCH;
}

enum crmpi_status crmpi_guards_check(size_t n)
{
    if (n == 0 || crmpi_pages_tell_guards())
        return CRMPI_OK;
    crmpi_error("the program has made guards of memory (MADV_GUARD_INSTALL), which this "
                "kernel does not tell: Linux 6.16 does");
    return CRMPI_ERR_MISMATCH;
}

enum crmpi_status crmpi_guards_restore(const struct crmpi_extent *guards, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (madvise((void *)guards[i].start, guards[i].bytes, MADV_GUARD_INSTALL) != 0) {
            crmpi_error("cannot guard memory at %#lx: %s", guards[i].start,
                        strerror(errno));
            return CRMPI_ERR_SYSTEM;
        }
    return CRMPI_OK;
}

/* Pages that cannot be touched, as those behind a file's end, are an error to the kernel
 * when all others are locked. */
static int region_lock(const struct crmpi_region *region)
{
    int on_fault = region->attributes & CRMPI_REGION_LOCKED_ON_FAULT;

    return syscall(SYS_mlock2, region->start, region->bytes,
                   on_fault ? MLOCK_ONFAULT : 0) == 0 ||
           (errno == ENOMEM &&
            (!(region->prot & PROT_READ) || !(region->flags & MAP_ANONYMOUS)));
}

enum crmpi_status crmpi_attributes_restore(const struct crmpi_region *regions,
                                           size_t n_regions, int lock_future)
{
    for (size_t i = 0; i < n_regions; i++)
        if (regions[i].attributes & CRMPI_REGION_LOCKED && !region_lock(&regions[i])) {
            crmpi_error("cannot lock memory at %#lx: %s: raise the limit (ulimit -l)",
                        regions[i].start, strerror(errno));
            return CRMPI_ERR_SYSTEM;
        }
    if (lock_future && mlockall(lock_future) != 0)
        crmpi_warn("what the program maps from now on cannot be locked: %s",
                   strerror(errno));
    for (size_t i = 0; i < n_regions; i++)
        if (regions[i].attributes & CRMPI_REGION_SEALED &&
            syscall(SYS_mseal, regions[i].start, regions[i].bytes, 0) != 0)
            crmpi_warn("memory at %#lx cannot be sealed: %s", regions[i].start,
                       strerror(errno));
    return CRMPI_OK;
}
