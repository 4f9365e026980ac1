/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The root of what the application has told crmpi (see application.h).  Lower half.
 */
#include <sched.h>

#include "application/application.h"
#include "boundary/heap.h"

static struct crmpi_application *root(void)
{
    struct crmpi_application *made, *found = NULL;

    if (crmpi_control->application)
        return crmpi_control->application;
    made = crmpi_heap_alloc(sizeof *made);
    if (made && !__atomic_compare_exchange_n(&crmpi_control->application, &found, made, 0,
                                             __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        crmpi_heap_free(made);
        return found;
    }
    return made;
}

struct crmpi_application *crmpi_application_open(void)
{
    struct crmpi_application *application = root();

    while (application && __atomic_exchange_n(&application->lock, 1, __ATOMIC_ACQUIRE))
        sched_yield();
    return application;
}

void crmpi_application_close(struct crmpi_application *application)
{
    __atomic_store_n(&application->lock, 0, __ATOMIC_RELEASE);
}
