/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The calls of crmpi.h but CRMPI_Checkpoint(), which is lib/engine's (lower half).
 */
#include "application/hooks.h"
#include "wrappers/layer.h"

/* What these calls return; the message has been written. */
static int result_of(enum crmpi_status status)
{
    switch (status) {
    case CRMPI_OK:
        return MPI_SUCCESS;
    case CRMPI_ERR_USAGE:
    case CRMPI_ERR_NOTFOUND:
        return MPI_ERR_ARG;
    case CRMPI_ERR_NOMEM:
        return MPI_ERR_NO_MEM;
    default:
        return MPI_ERR_OTHER;
    }
}

/*
 * Memory
 */

int crmpi_lower_CRMPI_Exclude(void *start, size_t bytes)
{
    return result_of(crmpi_memory_exclude(start, bytes));
}

int crmpi_lower_CRMPI_Include(void *start)
{
    return result_of(crmpi_memory_include(start));
}

/*
 * Functions of the application
 */

int crmpi_lower_CRMPI_Hook_add(int events, void *hook, void *extra_state)
{
    return result_of(crmpi_hook_add(events, (int (*)(int, void *))hook, extra_state));
}

int crmpi_lower_CRMPI_Hook_remove(void *hook, void *extra_state)
{
    return result_of(crmpi_hook_remove((int (*)(int, void *))hook, extra_state));
}

int crmpi_lower_CRMPI_Refill(void *start, void *refill, void *extra_state)
{
    return result_of(crmpi_hook_refill(start, (int (*)(void *, size_t, void *))refill,
                                       extra_state));
}

/*
 * Critical sections.  Threads that go through one after the other could always be in one
 * when they are looked at: so they park before it, and after it.
 */

int crmpi_lower_CRMPI_Critical_begin(void)
{
    crmpi_park_point();
    crmpi_call_resumed();
    crmpi_thread->critical++;
    return MPI_SUCCESS;
}

int crmpi_lower_CRMPI_Critical_end(void)
{
    if (crmpi_call_resumed())
        return MPI_SUCCESS; /* it had ended */
    if (crmpi_thread->critical == 0) {
        crmpi_warn("CRMPI_Critical_end() without CRMPI_Critical_begin() in this thread");
        return MPI_ERR_ARG;
    }
    crmpi_thread->critical--;
    crmpi_park_point();
    return MPI_SUCCESS;
}
