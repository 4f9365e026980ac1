/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the application has said of its memory, for the capture.  Lower half.
 */
#include <stdlib.h>

#include "application/hooks.h"
#include "base/log.h"
#include "capture/wishes.h"

static int by_start(const void *a, const void *b)
{
    const struct crmpi_extent *x = a, *y = b;

    return (x->start > y->start) - (x->start < y->start);
}

static enum crmpi_status list_excluded(const struct crmpi_excluded *first,
                                       struct crmpi_wishes *wishes)
{
    size_t n = 0;

    for (const struct crmpi_excluded *e = first; e; e = e->next)
        n++;
    wishes->excluded = malloc((n + 1) * sizeof *wishes->excluded);
    if (!wishes->excluded)
        return CRMPI_ERR_NOMEM;
    for (const struct crmpi_excluded *e = first; e; e = e->next)
        wishes->excluded[wishes->n_excluded++] =
            (struct crmpi_extent){e->start, e->bytes};
    qsort(wishes->excluded, n, sizeof *wishes->excluded, by_start);
    return CRMPI_OK;
}

/* Memory with a name was meant to be saved: to leave it out without a word would be
 * wrong. */
static enum crmpi_status list_named(const struct crmpi_name *first,
                                    struct crmpi_wishes *wishes)
{
    size_t n = 0;

    for (const struct crmpi_name *name = first; name; name = name->next) {
        n++;
        if (!crmpi_memory_is_mapped(name->named.start, name->named.bytes)) {
            crmpi_warn("the memory named %s has been given back (CRMPI_Unname)",
                       name->named.name);
            return CRMPI_ERR_UNSUPPORTED;
        }
    }
    wishes->named = malloc((n + 1) * sizeof *wishes->named);
    if (!wishes->named)
        return CRMPI_ERR_NOMEM;
    for (const struct crmpi_name *name = first; name; name = name->next)
        wishes->named[wishes->n_named++] = name->named;
    return CRMPI_OK;
}

enum crmpi_status crmpi_application_wishes(struct crmpi_wishes *wishes_out)
{
    const struct crmpi_application *application = crmpi_control->application;
    enum crmpi_status status;

    *wishes_out = (struct crmpi_wishes){0};
    if (!application)
        return CRMPI_OK;
    crmpi_hooks_prune();
    crmpi_memory_excluded_prune();
    status = list_excluded(application->excluded, wishes_out);
    if (status == CRMPI_OK)
        status = list_named(application->names, wishes_out);
    if (status != CRMPI_OK)
        crmpi_wishes_fini(wishes_out);
    return status;
}
