/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The sender's log (see log.h).  Runs in the lower half, on memory of the upper heap.
 */
#include "boundary/heap.h"
#include "interaction/log.h"

struct crmpi_logged *crmpi_logged_create(uint64_t bytes)
{
    struct crmpi_logged *logged = NULL;

    if (bytes <= SIZE_MAX / 2)
        logged = crmpi_heap_alloc(sizeof *logged + bytes);
    if (logged)
        logged->bytes = bytes;
    return logged;
}

void crmpi_logged_destroy(struct crmpi_logged *logged)
{
    crmpi_heap_free(logged);
}

void crmpi_log_append(struct crmpi_log *log, struct crmpi_logged *logged)
{
    logged->next = NULL;
    logged->prev = log->last;
    if (log->last)
        log->last->next = logged;
    else
        log->first = logged;
    log->last = logged;
    log->bytes += logged->bytes;
}

void crmpi_log_remove(struct crmpi_log *log, struct crmpi_logged *logged)
{
    if (logged->prev)
        logged->prev->next = logged->next;
    else
        log->first = logged->next;
    if (logged->next)
        logged->next->prev = logged->prev;
    else
        log->last = logged->prev;
    log->bytes -= logged->bytes;
    crmpi_logged_destroy(logged);
}

void crmpi_log_clear(struct crmpi_log *log)
{
    while (log->first)
        crmpi_log_remove(log, log->first);
}
