/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory that the application has excluded from checkpoints (see application.h).  Lower
 * half.
 */
#include <string.h>
#include <sys/mman.h>

#include "application/application.h"
#include "application/hooks.h"
#include "base/log.h"
#include "boundary/heap.h"

#define PAGE 4096ul

int crmpi_memory_overlaps(uint64_t start, uint64_t bytes, uint64_t other,
                          uint64_t other_bytes)
{
    return start < other + other_bytes && other < start + bytes;
}

int crmpi_memory_has_name(const struct crmpi_application *application, uint64_t start,
                          uint64_t bytes)
{
    const struct crmpi_name *n = application->names;

    while (n && !crmpi_memory_overlaps(start, bytes, n->named.start, n->named.bytes))
        n = n->next;
    return n != NULL;
}

const char *crmpi_memory_is_wrong(uint64_t start, uint64_t bytes)
{
    uint64_t end = start + bytes;
    int is_outside = (start < CRMPI_U0 || start >= CRMPI_UPPER_END) &&
                     crmpi_is_application(start) && crmpi_is_application(end - 1);

    if (bytes == 0)
        return "it is empty";
    if (end < start || start == 0 ||
        !(is_outside || (start >= CRMPI_IMAGE_ADDR && end <= CRMPI_U1)))
        return "it is not the program's memory";
    return NULL;
}

void crmpi_memory_excluded_remove(struct crmpi_excluded **at)
{
    struct crmpi_excluded *gone = *at;

    crmpi_hook_refill_forget(gone);
    *at = gone->next;
    crmpi_heap_free(gone);
}

/* Why they cannot be excluded; NULL if they can. */
static const char *exclusion_is_wrong(const struct crmpi_application *application,
                                      uint64_t start, uint64_t bytes)
{
    const char *wrong = crmpi_memory_is_wrong(start, bytes);
    uint64_t stack = (uint64_t)__builtin_frame_address(0); /* below runs on it, too */

    if (wrong)
        return wrong;
    if (start <= stack && stack < start + bytes)
        return "the stack lies in it";
    return crmpi_memory_has_name(application, start, bytes) ? "a part of it has a name"
                                                            : NULL;
}

static enum crmpi_status excluded_add(struct crmpi_application *application,
                                      uint64_t start, uint64_t bytes)
{
    struct crmpi_excluded *made = crmpi_heap_alloc(sizeof *made);

    if (!made)
        return CRMPI_ERR_NOMEM;
    /* memory that was given back, and is used anew, may have been excluded before */
    for (struct crmpi_excluded **e = &application->excluded; *e;)
        if (crmpi_memory_overlaps(start, bytes, (*e)->start, (*e)->bytes))
            crmpi_memory_excluded_remove(e);
        else
            e = &(*e)->next;
    *made = (struct crmpi_excluded){
        .next = application->excluded, .start = start, .bytes = bytes};
    application->excluded = made;
    return CRMPI_OK;
}

enum crmpi_status crmpi_memory_exclude(void *start, size_t bytes)
{
    struct crmpi_application *application = crmpi_application_open();
    enum crmpi_status status = CRMPI_ERR_USAGE;
    const char *wrong;

    if (!application)
        return CRMPI_ERR_NOMEM;
    wrong = exclusion_is_wrong(application, (uint64_t)start, bytes);
    if (!wrong)
        status = excluded_add(application, (uint64_t)start, bytes);
    crmpi_application_close(application);
    if (wrong)
        crmpi_warn("%zu bytes at %p cannot be excluded from checkpoints: %s", bytes,
                   start, wrong);
    return status;
}

enum crmpi_status crmpi_memory_include(void *start)
{
    struct crmpi_application *application = crmpi_application_open();
    enum crmpi_status status = application ? CRMPI_ERR_NOTFOUND : CRMPI_ERR_NOMEM;

    if (!application)
        return status;
    for (struct crmpi_excluded **e = &application->excluded; *e; e = &(*e)->next)
        if ((*e)->start == (uint64_t)start) {
            crmpi_memory_excluded_remove(e);
            status = CRMPI_OK;
            break;
        }
    crmpi_application_close(application);
    return status;
}

/* The kernel asks for no more of this call. */
int crmpi_memory_is_mapped(uint64_t start, uint64_t bytes)
{
    uint64_t page = start & ~(PAGE - 1);

    return msync((void *)page, start + bytes - page, MS_ASYNC) == 0;
}

static int is_within(uint64_t start, uint64_t bytes, uint64_t of, uint64_t of_bytes)
{
    return start >= of && start + bytes <= of + of_bytes;
}

int crmpi_memory_is_left_out(uint64_t start, uint64_t bytes)
{
    const struct crmpi_application *application = crmpi_control->application;
    const struct crmpi_excluded *e = application ? application->excluded : NULL;
    const struct crmpi_name *n = application ? application->names : NULL;

    while (e && !is_within(start, bytes, e->start, e->bytes))
        e = e->next;
    while (n && !is_within(start, bytes, n->named.start, n->named.bytes))
        n = n->next;
    return e || n;
}

void crmpi_memory_excluded_prune(void)
{
    struct crmpi_application *application = crmpi_control->application;

    for (struct crmpi_excluded **e = &application->excluded; *e;)
        if (crmpi_memory_is_mapped((*e)->start, (*e)->bytes))
            e = &(*e)->next;
        else
            crmpi_memory_excluded_remove(e);
}

/* Pages wholly within are given back: a file may have them for the sake of an exclusion
 * that came later. */
static void clear(uint64_t start, uint64_t end)
{
    uint64_t first = (start + PAGE - 1) & ~(PAGE - 1), last = end & ~(PAGE - 1);

    if (first >= last) {
        memset((void *)start, 0, end - start);
        return;
    }
    memset((void *)start, 0, first - start);
    madvise((void *)first, last - first, MADV_DONTNEED);
    memset((void *)last, 0, end - last);
}

void crmpi_memory_excluded_clear(void)
{
    const struct crmpi_application *application = crmpi_control->application;

    for (const struct crmpi_excluded *e = application ? application->excluded : NULL; e;
         e = e->next)
        clear(e->start, e->start + e->bytes);
}
