/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which pages of memory have been written, as the kernel knows it: userfaultfd with
 * asynchronous write protection, and the ioctl PAGEMAP_SCAN (Linux 6.7).  Lower half.
 *
 * Anonymous private memory is tracked, and memory that is shared, of which all who have
 * mapped it must be asked (writes.h).  Of a private mapping of a file, a page that is
 * given back (MADV_DONTNEED) leaves a mark behind as if it had not been written, and shows
 * the file's bytes from then on.
 */
#ifndef CRMPI_CAPTURE_TRACKING_H
#define CRMPI_CAPTURE_TRACKING_H

#include <stddef.h>
#include <stdint.h>
#include "base/status.h"

enum crmpi_page_kind {
    CRMPI_PAGES_WRITTEN,   /* may hold anything */
    CRMPI_PAGES_UNCHANGED, /* have not been written since they were looked at last */
    CRMPI_PAGES_GUARDS,    /* must not be touched (MADV_GUARD_INSTALL) */
};

/* Is called with pages that exist, ascending; those that are surely zero are left out. */
typedef enum crmpi_status (*crmpi_pages_fn)(void *context, uint64_t start, uint64_t bytes,
                                            enum crmpi_page_kind kind);

/** Open what tells of pages, for what follows; logs a failure. */
enum crmpi_status crmpi_pages_open(void);
void crmpi_pages_close(void);

/**
 * Whether memory can be tracked here.
 * @param[out] why  if not: the reason
 */
int crmpi_tracking_is_possible(char *why, size_t why_bytes);

/**
 * Look at a region, and track it from now on.  The first look at memory finds all its
 * pages written, and so does every look at memory that has been mapped or moved there
 * since the last one.  What is written meanwhile by other threads is found now or next
 * time, or both.  Memory that cannot be tracked is found written always.
 */
enum crmpi_status crmpi_tracking_look(uint64_t start, uint64_t bytes, crmpi_pages_fn call,
                                      void *context);

/**
 * The same for a shared mapping of memory (tmpfs, memfd): what this process may have
 * written through this mapping.  Calls with all its pages, existing or not.
 * @return CRMPI_ERR_UNSUPPORTED if it cannot be tracked
 */
enum crmpi_status crmpi_tracking_look_shared(uint64_t start, uint64_t bytes,
                                             crmpi_pages_fn call, void *context);

/** The pages that exist of private anonymous memory, all as written.  Works everywhere. */
enum crmpi_status crmpi_pages_list(uint64_t start, uint64_t bytes, crmpi_pages_fn call,
                                   void *context);

/** Whether the kernel tells which memory is guards: Linux 6.16 does, 6.13 has them. */
int crmpi_pages_tell_guards(void);
/** Whether some memory, of any kind, has guards that the kernel tells. */
int crmpi_pages_have_guards(uint64_t start, uint64_t bytes);

#endif
