/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests and messages in a restarted process (lower half; run by the host before any
 * application thread).  At the cut every channel was empty: all that was sent had been
 * received, is saved, or, if it is synchronous, was held.  So sends are complete, but for
 * those of held messages: these are sent again, and held again.  Then receives that were not
 * complete are posted again, in their old order.
 *
 * A saved or held message matches one of them only if that had begun to receive another one,
 * from a rank outside of the group that was saved.  Now that one has not been sent, and may
 * never be; so the saved one is received.
 *
 * In a checkpoint of a rank alone synchronous sends may be open that no receiver has held:
 * they wait for what the line says (alone.c).
 */
#include <stdio.h>
#include <stdlib.h>

#include "wrappers/hand/drain.h"

static struct list {
    struct crmpi_request **items;
    size_t n, room;
} receives, sends; /* to post again */

static int failed; /* an MPI error code, or MPI_SUCCESS */

static void list_add(struct list *list, struct crmpi_request *r)
{
    if (list->n == list->room) {
        size_t room = list->room ? 2 * list->room : 256;
        struct crmpi_request **items = realloc(list->items, room * sizeof(*items));

        if (!items) {
            failed = MPI_ERR_NO_MEM;
            return;
        }
        list->items = items;
        list->room = room;
    }
    list->items[list->n++] = r;
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
    if (r->persistent && r->operation == CRMPI_RECEIVE_MATCHED)
        r->operation = CRMPI_RECEIVE; /* its message has come */
    if (r->persistent && !r->recipe)
        error = crmpi_request_init(r);
    if (r->active && !r->complete) {
        if (r->operation == CRMPI_SEND_SYNCHRONOUS && !r->noted && r->peer >= 0) {
            if (r->held)
                list_add(&sends, r);
        } else if (crmpi_is_send(r)) {
            r->status = crmpi_status_empty;
            r->complete = 1;
        } else if (r->noted) {
            r->complete = 1;
        } else if (r->operation == CRMPI_RECEIVE) {
            list_add(&receives, r);
        } else if (r->operation == CRMPI_GENERALIZED) {
            error = crmpi_generalized_create(r);
        } else if (r->operation == CRMPI_REDUCTION) {
            error = crmpi_reduction_rebuild(r);
        } else {
            error = MPI_ERR_REQUEST; /* the cut would have refused or drained it */
        }
    }
    if (error != MPI_SUCCESS)
        failed = error;
}

/* Held messages whose receive has begun here: of that there is no trace when counting has
 * begun anew. */
static struct met {
    struct met *next;
    MPI_Comm comm;
    int source, tag;
} *all_met;

static void meet(const struct crmpi_request *r)
{
    const struct crmpi_comm *c = crmpi_comm_of(r->comm);
    struct crmpi_saved_message m;
    struct met *met;

    if (!c || !crmpi_saved_peek(&crmpi_p2p->saved, c->id, r->peer, r->tag, &m) || !m.serial)
        return;
    met = malloc(sizeof *met);
    if (met)
        *met = (struct met){all_met, r->comm, m.source, m.tag};
    else
        failed = MPI_ERR_NO_MEM;
    all_met = met ? met : all_met;
}

void crmpi_repost_count(void)
{
    while (all_met) {
        struct met *next = all_met->next;

        crmpi_count(all_met->comm, all_met->source, all_met->tag, 0, 0, 0);
        free(all_met);
        all_met = next;
    }
}

static int repost(struct crmpi_request *r)
{
    MPI_Request real = r->handle.real;
    int error;

    if (!r->cancelled) {
        meet(r);
        if (crmpi_receive_saved(r, &error))
            return error;
    }
    error = r->persistent
                ? PMPI_Start(&real)
                : PMPI_Irecv(r->buffer, r->count, CRMPI_REAL(MPI_Datatype, r->type),
                             r->peer, r->tag, CRMPI_REAL(MPI_Comm, r->comm), &real);
    if (error == MPI_SUCCESS && r->cancelled)
        error = PMPI_Cancel(&real);
    r->handle.real = real;
    return error;
}

int crmpi_send_again(struct crmpi_request *r)
{
    MPI_Request real = r->handle.real;
    int error = r->persistent
                    ? PMPI_Start(&real)
                    : PMPI_Issend(r->buffer, r->count, CRMPI_REAL(MPI_Datatype, r->type),
                                  r->peer, r->tag, CRMPI_REAL(MPI_Comm, r->comm), &real);

    r->handle.real = real;
    return error;
}

static void post_all(struct list *list, int (*post)(struct crmpi_request *))
{
    if (list->n)
        qsort(list->items, list->n, sizeof *list->items, by_order);
    for (size_t i = 0; i < list->n && failed == MPI_SUCCESS; i++)
        failed = post(list->items[i]);
    free(list->items);
    *list = (struct list){0};
}

static void rebuild_requests(void)
{
    crmpi_request_visit(rebuild, NULL);
    post_all(&sends, crmpi_send_again);
    if (failed == MPI_SUCCESS)
        failed = crmpi_held_again();
    post_all(&receives, repost);
}

enum crmpi_status crmpi_p2p_rebuild(char *why, size_t why_bytes)
{
    int n;

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
