/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Communicators and groups with processes of other jobs, which forbid checkpoints as long as there
 * are any (lower half).
 */
#include <stdio.h>

#include "engine/engine.h"
#include "wrappers/hand/cut.h"
#include "wrappers/objects.h"

static int n_dynamic; /* communicators and groups */
static int n_once;    /* calls under way */
static const char *once_function;

/* The last one is gone. */
static void look_for_end(void)
{
    if (__atomic_load_n(&n_dynamic, __ATOMIC_ACQUIRE) == 0 &&
        __atomic_load_n(&n_once, __ATOMIC_ACQUIRE) == 0)
        crmpi_engine_unconnected();
}

void crmpi_dynamic_add(void)
{
    __atomic_add_fetch(&n_dynamic, 1, __ATOMIC_ACQ_REL);
}

void crmpi_dynamic_remove(void)
{
    __atomic_sub_fetch(&n_dynamic, 1, __ATOMIC_ACQ_REL);
    look_for_end();
}

void crmpi_once_begin(const char *function)
{
    __atomic_store_n(&once_function, function, __ATOMIC_RELEASE);
    __atomic_add_fetch(&n_once, 1, __ATOMIC_ACQ_REL);
}

void crmpi_once_end(void)
{
    if (__atomic_sub_fetch(&n_once, 1, __ATOMIC_ACQ_REL) == 0)
        look_for_end();
}

struct text {
    char *bytes;
    size_t n;
};

static int describe(struct crmpi_handle *handle, void *context)
{
    const struct crmpi_comm *c = handle->extra;
    const char *kind = c->remote_size ? "intercommunicator" : "communicator";
    const char *maker = c->maker ? c->maker : "MPI_Comm_get_parent";
    const struct text *text = context;

    if (!c->is_dynamic)
        return 0;
    if (c->name && c->name[0])
        snprintf(text->bytes, text->n,
                 CRMPI_CONNECTED
                 "the %s \"%s\" with processes of another job (made by %s)",
                 kind, c->name, maker);
    else
        snprintf(text->bytes, text->n,
                 CRMPI_CONNECTED "%s %s with processes of another job (made by %s)",
                 c->remote_size ? "an" : "a", kind, maker);
    return 1;
}

int crmpi_cut_connected(char *why, size_t why_bytes)
{
    struct text text = {why, why_bytes};

    if (__atomic_load_n(&n_once, __ATOMIC_ACQUIRE) > 0)
        snprintf(why, why_bytes, CRMPI_CONNECTED "a call of %s under way",
                 __atomic_load_n(&once_function, __ATOMIC_ACQUIRE));
    else if (__atomic_load_n(&n_dynamic, __ATOMIC_ACQUIRE) == 0)
        return 0;
    else if (!crmpi_handle_find(CRMPI_COMM, describe, &text))
        snprintf(why, why_bytes,
                 CRMPI_CONNECTED "a group (MPI_Group) with processes of another job");
    return 1;
}
