/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests and messages in a restarted process (lower half; run by the host before any
 * application thread).  At the cut every channel was empty: all that was sent had been
 * received, or is saved.  So sends are complete, and receives that were not complete are
 * posted again, in their old order.
 *
 * A saved message matches one of them only if that had begun to receive another one, from
 * a rank outside of the group that was saved.  Now that one has not been sent, and may
 * never be; so the saved one is received.
 */
#include <stdio.h>
#include <stdlib.h>

#include "wrappers/hand/p2p.h"

/* Receives to post again. */
static struct {
    struct crmpi_request **items;
    size_t n, room;
} receives;

static int failed; /* an MPI error code, or MPI_SUCCESS */

static void receives_add(struct crmpi_request *r)
{
    if (receives.n == receives.room) {
        size_t room = receives.room ? 2 * receives.room : 256;
        struct crmpi_request **items = realloc(receives.items, room * sizeof(*items));

        if (!items) {
            failed = MPI_ERR_NO_MEM;
            return;
        }
        receives.items = items;
        receives.room = room;
    }
    receives.items[receives.n++] = r;
}

static int by_order(const void *a, const void *b)
{
    const struct crmpi_request *const *x = a, *const *y = b;

    return ((*x)->order > (*y)->order) - ((*x)->order < (*y)->order);
}

static void rebuild(struct crmpi_request *r, void *context)
{
    int error = MPI_SUCCESS;

    (void)context;
    r->lower = NULL;
    r->handle.real = MPI_REQUEST_NULL;
    if (r->persistent)
        error = crmpi_request_init(r);
    if (r->active && !r->complete) {
        if (crmpi_is_send(r)) {
            r->status = crmpi_status_empty;
            r->complete = 1;
        } else if (r->noted) {
            r->complete = 1;
        } else if (r->operation == CRMPI_RECEIVE) {
            receives_add(r);
        } else if (r->operation == CRMPI_GENERALIZED) {
            error = crmpi_generalized_create(r);
        } else {
            error = MPI_ERR_REQUEST; /* the cut would have refused or drained it */
        }
    }
    if (error != MPI_SUCCESS)
        failed = error;
}

static int repost(struct crmpi_request *r)
{
    MPI_Request real = r->handle.real;
    int error;

    if (!r->cancelled && crmpi_receive_saved(r, &error))
        return error;
    error = r->persistent
                ? PMPI_Start(&real)
                : PMPI_Irecv(r->buffer, r->count, CRMPI_REAL(MPI_Datatype, r->type),
                             r->peer, r->tag, CRMPI_REAL(MPI_Comm, r->comm), &real);
    if (error == MPI_SUCCESS && r->cancelled)
        error = PMPI_Cancel(&real);
    r->handle.real = real;
    return error;
}

static void rebuild_requests(void)
{
    crmpi_request_visit(rebuild, NULL);
    for (struct crmpi_thread *t = crmpi_control->threads; t; t = t->next) {
        struct crmpi_call *call = t->mpi;

        if (call && call->receive.active)
            rebuild(&call->receive, NULL);
    }
    if (receives.n)
        qsort(receives.items, receives.n, sizeof *receives.items, by_order);
    for (size_t i = 0; i < receives.n && failed == MPI_SUCCESS; i++)
        failed = repost(receives.items[i]);
    free(receives.items);
    receives.items = NULL;
    receives.n = receives.room = 0;
}

enum crmpi_status crmpi_p2p_rebuild(char *why, size_t why_bytes)
{
    enum crmpi_status status = crmpi_p2p_renew();
    int n;

    if (status != CRMPI_OK) {
        snprintf(why, why_bytes, "communicators for messages cannot be made");
        return status;
    }
    for (struct crmpi_handle *message = crmpi_handle_first(CRMPI_MESSAGE); message;
         message = message->next)
        message->real = MPI_MESSAGE_NULL;
    failed = MPI_SUCCESS;
    if (crmpi_p2p->buffer_attached)
        failed = PMPI_Buffer_attach(crmpi_p2p->buffer, crmpi_p2p->buffer_bytes);
    if (failed == MPI_SUCCESS)
        rebuild_requests();
    if (failed != MPI_SUCCESS) {
        char text[MPI_MAX_ERROR_STRING] = "";

        PMPI_Error_string(failed, text, &n);
        snprintf(why, why_bytes, "pending requests cannot be made again: %s", text);
        return CRMPI_ERR_MPI;
    }
    return CRMPI_OK;
}
