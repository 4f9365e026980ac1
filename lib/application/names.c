/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory that the application has given a name (see application.h).  Lower half.
 */
#include <stdio.h>
#include <string.h>

#include "application/application.h"
#include "base/log.h"
#include "boundary/heap.h"

/* Bytes of the elements; 0 and why if the region cannot be. */
static uint64_t named_bytes(const char *name, int type, int n_dims, const size_t *dims,
                            const char **wrong_out)
{
    uint64_t bytes = crmpi_named_type_bytes((uint32_t)type);
    size_t length = name ? strnlen(name, sizeof((struct crmpi_named *)0)->name) : 0;

    if (length == 0 || length == sizeof((struct crmpi_named *)0)->name)
        *wrong_out = "a name has 1 to 63 characters";
    else if (strchr(name, '/') || strcmp(name, ".") == 0)
        *wrong_out = "a name has no slash, and is not a point";
    else if (bytes == 0)
        *wrong_out = "there is no such type";
    else if (n_dims < 0 || n_dims > 8 || (n_dims > 0 && !dims))
        *wrong_out = "it has 0 to 8 dimensions";
    for (int i = 0; !*wrong_out && i < n_dims; i++)
        if (dims[i] == 0)
            *wrong_out = "a dimension is 0";
        else if (__builtin_mul_overflow(bytes, dims[i], &bytes))
            *wrong_out = "it is larger than all memory";
    return *wrong_out ? 0 : bytes;
}

static struct crmpi_name **name_find(struct crmpi_application *application,
                                     const char *name)
{
    struct crmpi_name **at = &application->names;

    while (*at && strcmp((*at)->named.name, name) != 0)
        at = &(*at)->next;
    return at;
}

/* Whether other memory with a name, or none that is saved, lies there. */
static const char *name_is_wrong(const struct crmpi_application *application,
                                 const struct crmpi_named *named)
{
    const char *wrong = crmpi_memory_is_wrong(named->start, named->bytes);

    for (const struct crmpi_name *n = application->names; n && !wrong; n = n->next)
        if (strcmp(n->named.name, named->name) != 0 &&
            crmpi_memory_overlaps(named->start, named->bytes, n->named.start,
                                  n->named.bytes))
            wrong = "it overlaps one that has another name";
    for (const struct crmpi_excluded *e = application->excluded; e && !wrong; e = e->next)
        if (crmpi_memory_overlaps(named->start, named->bytes, e->start, e->bytes))
            wrong = "a part of it is excluded from checkpoints";
    return wrong;
}

static enum crmpi_status name_set(struct crmpi_application *application,
                                  const struct crmpi_named *named)
{
    struct crmpi_name **at = name_find(application, named->name);

    if (!*at && !(*at = crmpi_heap_alloc(sizeof **at)))
        return CRMPI_ERR_NOMEM;
    (*at)->named = *named;
    return CRMPI_OK;
}

enum crmpi_status crmpi_memory_name(const char *name, void *start, int type, int n_dims,
                                    const size_t *dims)
{
    struct crmpi_application *application = NULL;
    const char *wrong = NULL;
    struct crmpi_named named = {.start = (uint64_t)start,
                                .bytes = named_bytes(name, type, n_dims, dims, &wrong),
                                .type = (uint32_t)type,
                                .n_dims = (uint32_t)n_dims};
    enum crmpi_status status = CRMPI_ERR_USAGE;

    if (!wrong) {
        snprintf(named.name, sizeof named.name, "%s", name);
        for (int i = 0; i < n_dims; i++)
            named.dims[i] = dims[i];
        if (!(application = crmpi_application_open()))
            return CRMPI_ERR_NOMEM;
        wrong = name_is_wrong(application, &named);
        if (!wrong)
            status = name_set(application, &named);
        crmpi_application_close(application);
    }
    if (wrong)
        crmpi_warn("memory at %p cannot have the name %.80s: %s", start,
                   name ? name : "NULL", wrong);
    return status;
}

enum crmpi_status crmpi_memory_unname(const char *name)
{
    struct crmpi_application *application = name ? crmpi_application_open() : NULL;
    struct crmpi_name **at, *gone;

    if (!application)
        return name ? CRMPI_ERR_NOMEM : CRMPI_ERR_NOTFOUND;
    at = name_find(application, name);
    if ((gone = *at)) {
        *at = gone->next;
        crmpi_heap_free(gone);
    }
    crmpi_application_close(application);
    return gone ? CRMPI_OK : CRMPI_ERR_NOTFOUND;
}
