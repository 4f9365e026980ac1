/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tracking of written pages, see tracking.h.  Lower half.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/log.h"
#include "capture/tracking.h"

#define PAGE 4096ul
#define RANGES 512
#define BATCH 4096 /* entries of /proc/self/pagemap */

/* What a page's entry in /proc/self/pagemap says. */
#define PAGEMAP_PRESENT (1ul << 63)
#define PAGEMAP_SWAPPED (1ul << 62)

/* The system's headers may be older than its kernel. */
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#ifndef UFFD_FEATURE_WP_HUGETLBFS_SHMEM
#define UFFD_FEATURE_WP_HUGETLBFS_SHMEM (1 << 12)
#endif
#ifndef UFFD_FEATURE_WP_UNPOPULATED
#define UFFD_FEATURE_WP_UNPOPULATED (1 << 13)
#endif
#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC (1 << 15)
#endif
#ifndef PAGEMAP_SCAN
#define PAGE_IS_WPALLOWED (1 << 0)
#define PAGE_IS_WRITTEN (1 << 1)
#define PAGE_IS_PRESENT (1 << 3)
#define PAGE_IS_SWAPPED (1 << 4)
#define PAGE_IS_PFNZERO (1 << 5)
#define PM_SCAN_WP_MATCHING (1 << 0)
struct page_region {
    uint64_t start, end, categories;
};
struct pm_scan_arg {
    uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
    uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
#define PAGEMAP_SCAN _IOWR('f', 16, struct pm_scan_arg)
#endif

#ifndef PAGE_IS_GUARD
#define PAGE_IS_GUARD (1 << 8)
#endif

/* The first stays open.  An application that closes it ends the tracking of all memory,
 * which is found to be so at the next look. */
static int faults = -1;
static int pagemap = -1;

enum crmpi_status crmpi_pages_open(void)
{
    pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    if (pagemap >= 0)
        return CRMPI_OK;
    crmpi_error("cannot open /proc/self/pagemap: %s", strerror(errno));
    return CRMPI_ERR_SYSTEM;
}

void crmpi_pages_close(void)
{
    if (pagemap >= 0)
        close(pagemap);
    pagemap = -1;
}

/* Memory that is written behind the page tables' back would be taken for unchanged: by
 * devices that were given it before, and by other processes that have mapped it. */
static int writer_is_there(char *why, size_t why_bytes)
{
    static const char *const names[] = {"/dev/infiniband", "/dev/hfi1_0", "/dev/xpmem",
                                        "/dev/knem"};
    DIR *cards = opendir("/sys/class/infiniband");
    int found = 0;

    for (struct dirent *card; cards && !found && (card = readdir(cards));)
        found = card->d_name[0] != '.';
    if (cards)
        closedir(cards);
    if (found)
        snprintf(why, why_bytes, "there is an RDMA device");
    for (size_t i = 0; !found && i < sizeof names / sizeof names[0]; i++)
        if ((found = access(names[i], F_OK) == 0))
            snprintf(why, why_bytes, "there is %s", names[i]);
    return found;
}

static int faults_open(void)
{
    struct uffdio_api api = {.api = UFFD_API,
                             .features = UFFD_FEATURE_WP_ASYNC |
                                         UFFD_FEATURE_WP_UNPOPULATED |
                                         UFFD_FEATURE_WP_HUGETLBFS_SHMEM};
    int fd;

    if (faults >= 0)
        return 1;
    fd = -1;
    errno = crmpi_fault("kernel.userfault");
    if (errno == 0)
        fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
    if (fd >= 0 && ioctl(fd, UFFDIO_API, &api) == 0)
        faults = dup(fd); /* a descriptor that is known not to be the application's */
    if (faults >= 0)
        fcntl(faults, F_SETFD, FD_CLOEXEC);
    if (fd >= 0)
        close(fd);
    return faults >= 0;
}

/* One ioctl; the number of ranges, or -1. */
static int scan(struct pm_scan_arg *argument, struct page_region *ranges, size_t room)
{
    int error = crmpi_fault("kernel.scan");

    if (error) {
        errno = error;
        return -1;
    }
    argument->size = sizeof *argument;
    argument->vec = (uint64_t)ranges;
    argument->vec_len = room;
    return ioctl(pagemap, PAGEMAP_SCAN, argument);
}

/* The category of guards where the kernel has it, else 0. */
static uint64_t guards_category(void)
{
    static int known, exists;
    struct page_region range;
    struct pm_scan_arg nothing = {.return_mask = PAGE_IS_GUARD};

    if (!known)
        exists = scan(&nothing, &range, 1) == 0;
    known = 1;
    return exists ? PAGE_IS_GUARD : 0;
}

int crmpi_pages_tell_guards(void)
{
    int told;

    if (crmpi_pages_open() != CRMPI_OK)
        return 0;
    told = guards_category() != 0;
    crmpi_pages_close();
    return told;
}

int crmpi_pages_have_guards(uint64_t start, uint64_t bytes)
{
    struct page_region range;
    struct pm_scan_arg argument = {.start = start,
                                   .end = start + bytes,
                                   .category_mask = PAGE_IS_GUARD,
                                   .return_mask = PAGE_IS_GUARD};

    return guards_category() && scan(&argument, &range, 1) > 0;
}

int crmpi_tracking_is_possible(char *why, size_t why_bytes)
{
    struct page_region range;
    struct pm_scan_arg argument = {.start = (uint64_t)&range / PAGE * PAGE,
                                   .category_mask = PAGE_IS_PRESENT,
                                   .return_mask = PAGE_IS_PRESENT};

    int possible;

    if (writer_is_there(why, why_bytes) || crmpi_pages_open() != CRMPI_OK)
        return 0;
    argument.end = argument.start + PAGE;
    possible = scan(&argument, &range, 1) >= 0 && faults_open();
    if (!possible)
        snprintf(why, why_bytes, "the kernel does not track writes: %s", strerror(errno));
    crmpi_pages_close();
    return possible;
}

/* The first part of some memory that is not tracked since it was looked at last; 0 if all
 * of it is. */
static int find_untracked(uint64_t start, uint64_t end, struct page_region *part_out)
{
    struct pm_scan_arg argument = {.start = start,
                                   .end = end,
                                   .category_inverted = PAGE_IS_WPALLOWED,
                                   .category_mask = PAGE_IS_WPALLOWED,
                                   .return_mask = PAGE_IS_WPALLOWED};

    return scan(&argument, part_out, 1);
}

static int track(uint64_t start, uint64_t bytes)
{
    struct uffdio_register region = {.range = {start, bytes},
                                     .mode = UFFDIO_REGISTER_MODE_WP};

    return ioctl(faults, UFFDIO_REGISTER, &region) == 0;
}

/* Some memory to look at. */
struct look {
    int is_shared;
    int is_plain; /* what exists is listed, and not tracked */
    int known;    /* it has been tracked since the last time */
    crmpi_pages_fn call;
    void *context;
};

/* What a look makes of pages of these categories.  A page that has been written can be
 * dropped from the page table of a process that shares it with others; one that is
 * protected leaves a mark there. */
static enum crmpi_status range_tell(const struct look *look,
                                    const struct page_region *range)
{
    int exists = (range->categories & (PAGE_IS_PRESENT | PAGE_IS_SWAPPED)) != 0;
    int unchanged = look->known && exists && !(range->categories & PAGE_IS_WRITTEN);

    if (range->categories & PAGE_IS_GUARD && !look->is_shared)
        return look->call(look->context, range->start, range->end - range->start,
                          CRMPI_PAGES_GUARDS);
    if (range->categories & PAGE_IS_PFNZERO && !look->is_shared)
        return CRMPI_OK;
    return look->call(look->context, range->start, range->end - range->start,
                      unchanged ? CRMPI_PAGES_UNCHANGED : CRMPI_PAGES_WRITTEN);
}

/* List pages, of private memory those that exist, and write-protect them on the way if
 * they are tracked. */
static enum crmpi_status pages_scan(uint64_t start, uint64_t bytes,
                                    const struct look *look)
{
    struct page_region ranges[RANGES];
    struct pm_scan_arg argument = {
        .flags = look->is_plain ? 0 : PM_SCAN_WP_MATCHING,
        .end = start + bytes,
        .category_mask = look->is_plain ? 0 : PAGE_IS_WPALLOWED,
        .category_anyof_mask = look->is_shared ? 0 : PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
        .return_mask =
            PAGE_IS_PRESENT | PAGE_IS_SWAPPED | PAGE_IS_WRITTEN | PAGE_IS_PFNZERO |
            guards_category(),
    };
    enum crmpi_status status = CRMPI_OK;

    for (uint64_t at = start; status == CRMPI_OK && at < argument.end;
         at = argument.walk_end) {
        argument.start = at;
        int n = scan(&argument, ranges, RANGES);

        if (n < 0 || argument.walk_end <= at) {
            crmpi_error("cannot scan memory at %#lx: %s", at, strerror(errno));
            return CRMPI_ERR_SYSTEM;
        }
        for (int i = 0; status == CRMPI_OK && i < n; i++)
            status = range_tell(look, &ranges[i]);
    }
    return status;
}

static enum crmpi_status part_look(uint64_t start, uint64_t end, struct look look,
                                   int known)
{
    look.known = known;
    if (start == end)
        return CRMPI_OK;
    if (track(start, end - start))
        return pages_scan(start, end - start, &look);
    /* perhaps the application tracks it itself */
    return look.is_shared ? CRMPI_ERR_UNSUPPORTED
                          : crmpi_pages_list(start, end - start, look.call, look.context);
}

/*
 * What has been mapped or moved there is not tracked any more; but its pages may have
 * kept their protection, so what they say counts only if it still is.
 */
static enum crmpi_status memory_look(uint64_t start, uint64_t bytes,
                                     const struct look *look)
{
    struct page_region untracked;
    uint64_t end = start + bytes;
    enum crmpi_status status = CRMPI_OK;

    while (status == CRMPI_OK && start < end) {
        int n = find_untracked(start, end, &untracked);

        if (n < 0) {
            crmpi_error("cannot scan memory at %#lx: %s", start, strerror(errno));
            return CRMPI_ERR_SYSTEM;
        }
        if (n == 0)
            untracked.start = untracked.end = end;
        status = part_look(start, untracked.start, *look, 1);
        if (status == CRMPI_OK)
            status = part_look(untracked.start, untracked.end, *look, 0);
        start = untracked.end;
    }
    return status;
}

enum crmpi_status crmpi_tracking_look(uint64_t start, uint64_t bytes, crmpi_pages_fn call,
                                      void *context)
{
    const struct look look = {.call = call, .context = context};

    return memory_look(start, bytes, &look);
}

enum crmpi_status crmpi_tracking_look_shared(uint64_t start, uint64_t bytes,
                                             crmpi_pages_fn call, void *context)
{
    const struct look look = {.is_shared = 1, .call = call, .context = context};

    return memory_look(start, bytes, &look);
}

/* The same as PAGEMAP_SCAN finds, where there is none: some ten times slower. */
static enum crmpi_status entries_read(uint64_t start, uint64_t bytes,
                                      crmpi_pages_fn call, void *context)
{
    uint64_t entries[BATCH];
    enum crmpi_status status = CRMPI_OK;

    for (uint64_t at = 0, n; at < bytes; at += n * PAGE) {
        n = (bytes - at) / PAGE < BATCH ? (bytes - at) / PAGE : BATCH;
        if (pread(pagemap, entries, n * 8, (start + at) / PAGE * 8) != (ssize_t)(n * 8)) {
            crmpi_error("cannot read /proc/self/pagemap: %s", strerror(errno));
            return CRMPI_ERR_SYSTEM;
        }
        for (uint64_t i = 0, run; status == CRMPI_OK && i < n; i += run + 1) {
            run = 0;
            while (i + run < n && entries[i + run] & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED))
                run++;
            if (run > 0)
                status =
                    call(context, start + at + i * PAGE, run * PAGE, CRMPI_PAGES_WRITTEN);
        }
    }
    return status;
}

enum crmpi_status crmpi_pages_list(uint64_t start, uint64_t bytes, crmpi_pages_fn call,
                                   void *context)
{
    const struct look look = {.is_plain = 1, .call = call, .context = context};
    struct page_region range;
    struct pm_scan_arg nothing = {.start = start, .end = start};

    return scan(&nothing, &range, 1) == 0 ? pages_scan(start, bytes, &look)
                                          : entries_read(start, bytes, call, context);
}
