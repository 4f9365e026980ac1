/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Probes and matched messages (lower half).
 *
 * Probes poll, since a probe waiting inside the library would take a message away from
 * the drain.  A matched message counts as received.
 */
#include <stdlib.h>

#include "wrappers/hand/p2p.h"

/* What a probe tells of a saved message. */
static void saved_status(const struct crmpi_saved_message *message, MPI_Status *status)
{
    *status = crmpi_status_empty;
    PMPI_Status_set_elements_x(status, MPI_BYTE, (MPI_Count)message->bytes);
    status->MPI_SOURCE = message->source;
    status->MPI_TAG = message->tag;
}

/*
 * Probes
 */

static int probe_once(int source, int tag, MPI_Comm comm, int *flag, MPI_Status *status)
{
    const struct crmpi_comm *c = crmpi_comm_of(comm);
    struct crmpi_saved_message envelope;
    MPI_Status found = crmpi_status_empty;
    int error;

    if (c && !crmpi_saved_is_empty(&crmpi_p2p->saved) &&
        crmpi_saved_peek(&crmpi_p2p->saved, c->id, source, tag, &envelope)) {
        saved_status(&envelope, &found);
        crmpi_status_give(status, &found);
        *flag = 1;
        return MPI_SUCCESS;
    }
    crmpi_whole_begin();
    error = PMPI_Iprobe(source, tag, CRMPI_REAL(MPI_Comm, comm), flag, &found);
    if (error == MPI_SUCCESS && *flag) {
        crmpi_count_probed(comm, found.MPI_SOURCE, found.MPI_TAG);
        crmpi_status_give(status, &found);
    }
    crmpi_whole_end();
    return error;
}

int crmpi_lower_MPI_Iprobe(int source, int tag, MPI_Comm comm, int *flag,
                           MPI_Status *status)
{
    crmpi_call_resumed();
    crmpi_poll_point(); /* of who probes in a loop */
    return crmpi_comm_result(comm, probe_once(source, tag, comm, flag, status),
                             "MPI_Iprobe");
}

int crmpi_lower_MPI_Probe(int source, int tag, MPI_Comm comm, MPI_Status *status)
{
    int flag = 0, error;

    crmpi_call_resumed();
    while ((error = probe_once(source, tag, comm, &flag, status)) == MPI_SUCCESS && !flag)
        crmpi_poll_point();
    return crmpi_comm_result(comm, error, "MPI_Probe");
}

static MPI_Message message_create(MPI_Comm comm, struct crmpi_saved_message *message)
{
    struct crmpi_handle *handle =
        crmpi_handle_create(CRMPI_MESSAGE, NULL, sizeof(struct crmpi_matched));
    struct crmpi_matched *matched = handle->extra;

    matched->message = message;
    matched->comm = crmpi_hold(comm);
    return (MPI_Message)(void *)handle;
}

static void message_destroy(struct crmpi_handle *handle)
{
    struct crmpi_matched *matched = handle->extra;

    __atomic_sub_fetch(&crmpi_p2p->n_matched, 1, __ATOMIC_RELAXED);
    crmpi_saved_destroy(matched->message);
    crmpi_drop(matched->comm);
}

void crmpi_message_start(void)
{
    crmpi_handle_set_destroy(CRMPI_MESSAGE, message_destroy);
}

/* The application's handle of what the library has matched. */
static MPI_Message message_adopt(MPI_Comm comm, MPI_Message real, const MPI_Status *found)
{
    struct crmpi_saved_message *message;

    if (real == MPI_MESSAGE_NO_PROC)
        return CRMPI_UPPER(MPI_Message, ompi_message_no_proc);
    message = crmpi_saved_describe(found, crmpi_comm_of(comm));
    if (!message)
        abort();
    message->real = real;
    message->order = crmpi_add(&crmpi_p2p->order, 1);
    crmpi_count_received(comm, found->MPI_SOURCE, found->MPI_TAG, message->order);
    __atomic_add_fetch(&crmpi_p2p->n_matched, 1, __ATOMIC_RELAXED);
    return message_create(comm, message); /* later ones count in it */
}

/* Who looks again and again for what has not come must not keep the threads out that would
 * answer it: the library gives way to others when it has found nothing, which is outside the
 * order. */
static int may_match(int source, int tag, MPI_Comm comm, int *flag, MPI_Status *found)
{
    *flag = 1;
    return crmpi_thread_multiple
               ? PMPI_Iprobe(source, tag, CRMPI_REAL(MPI_Comm, comm), flag, found)
               : MPI_SUCCESS;
}

/* The library parks only after it has found nothing. */
static int match(int source, int tag, MPI_Comm comm, int *flag, MPI_Message *message_out,
                 MPI_Status *found)
{
    MPI_Message real = MPI_MESSAGE_NULL;
    int error, ordered;

    crmpi_order_exactly();
    crmpi_whole_begin();
    error = may_match(source, tag, comm, flag, found);
    if (error == MPI_SUCCESS && *flag) {
        ordered = crmpi_order_begin(1);
        error = PMPI_Improbe(source, tag, CRMPI_REAL(MPI_Comm, comm), flag, &real, found);
        if (error == MPI_SUCCESS && *flag)
            *message_out = message_adopt(comm, real, found);
        crmpi_order_end(ordered);
    }
    if (error == MPI_SUCCESS && !*flag)
        *message_out = CRMPI_UPPER(MPI_Message, ompi_message_null);
    crmpi_whole_end();
    return error;
}

/* Of those that were taken out before.  In the order, as who takes the next of its stream must
 * find it. */
static int match_saved(int source, int tag, MPI_Comm comm, MPI_Message *message_out,
                       MPI_Status *status)
{
    const struct crmpi_comm *c = crmpi_comm_of(comm);
    struct crmpi_saved_message *found;
    int ordered;

    if (__builtin_expect(crmpi_saved_is_empty(&crmpi_p2p->saved), 1) || !c)
        return 0;
    crmpi_order_exactly();
    ordered = crmpi_order_begin(1);
    found = crmpi_saved_take(&crmpi_p2p->saved, c->id, source, tag);
    if (found) {
        saved_status(found, status);
        crmpi_held_matched(found);
        *message_out = message_create(comm, found);
        __atomic_add_fetch(&crmpi_p2p->n_matched, 1, __ATOMIC_RELAXED);
    }
    crmpi_order_end(ordered);
    return found != NULL;
}

static int mprobe_once(int source, int tag, MPI_Comm comm, int *flag,
                       MPI_Message *message, MPI_Status *status)
{
    MPI_Status envelope = crmpi_status_empty;
    int error = MPI_SUCCESS;

    *flag = match_saved(source, tag, comm, message, &envelope);
    if (!*flag)
        error = match(source, tag, comm, flag, message, &envelope);
    if (error != MPI_SUCCESS || !*flag)
        return error;
    crmpi_status_give(status, &envelope);
    return MPI_SUCCESS;
}

int crmpi_lower_MPI_Improbe(int source, int tag, MPI_Comm comm, int *flag,
                            MPI_Message *message, MPI_Status *status)
{
    crmpi_call_resumed();
    crmpi_poll_point(); /* of who probes in a loop */
    return crmpi_comm_result(comm, mprobe_once(source, tag, comm, flag, message, status),
                             "MPI_Improbe");
}

int crmpi_lower_MPI_Mprobe(int source, int tag, MPI_Comm comm, MPI_Message *message,
                           MPI_Status *status)
{
    int flag = 0, error;

    crmpi_call_resumed();
    while ((error = mprobe_once(source, tag, comm, &flag, message, status)) ==
               MPI_SUCCESS &&
           !flag)
        crmpi_poll_point();
    return crmpi_comm_result(comm, error, "MPI_Mprobe");
}

/*
 * Receiving a matched message
 */

/* What the handle has; and let it have another. */
static struct crmpi_saved_message *message_of(struct crmpi_matched *matched,
                                              struct crmpi_saved_message *another)
{
    struct crmpi_saved_message *message;

    crmpi_lock(&crmpi_p2p->matching);
    message = matched->message;
    matched->message = another;
    crmpi_unlock(&crmpi_p2p->matching);
    return message;
}

/* Begin to receive; @p r, which holds the type, then stands for it, and the message
 * handle is gone. */
static int message_receive(struct crmpi_request *r, void *buf, int count,
                           MPI_Message *message)
{
    struct crmpi_handle *handle = (struct crmpi_handle *)(void *)*message;
    struct crmpi_saved_message *found;
    struct crmpi_matched *matched;
    int error;

    if (!handle || handle->magic != CRMPI_HANDLE_MAGIC || handle->kind != CRMPI_MESSAGE ||
        *message == CRMPI_UPPER(MPI_Message, ompi_message_null))
        return MPI_ERR_REQUEST;
    crmpi_request_arguments(r, buf, count, MPI_ANY_SOURCE, MPI_ANY_TAG);
    r->noted = r->complete = r->cancelled = 0;
    crmpi_whole_begin();
    if (handle->flags & CRMPI_HANDLE_PREDEFINED) {
        MPI_Message real = handle->real;
        MPI_Request request = MPI_REQUEST_NULL;

        error = PMPI_Imrecv(buf, count, CRMPI_REAL(MPI_Datatype, r->type), &real, &request);
        r->handle.real = request;
    } else {
        matched = handle->extra;
        found = message_of(matched, NULL);
        error = crmpi_saved_begin(found, r);
        if (error != MPI_SUCCESS)
            message_of(matched, found);
    }
    r->active = error == MPI_SUCCESS;
    if (error == MPI_SUCCESS) {
        crmpi_handle_release(handle);
        *message = CRMPI_UPPER(MPI_Message, ompi_message_null);
    }
    crmpi_whole_end();
    return error;
}

static MPI_Comm message_comm(MPI_Message message)
{
    const struct crmpi_handle *handle = (const void *)message;
    const struct crmpi_matched *matched;

    if (!handle || handle->magic != CRMPI_HANDLE_MAGIC || handle->kind != CRMPI_MESSAGE ||
        handle->flags & CRMPI_HANDLE_PREDEFINED)
        return NULL;
    matched = handle->extra;
    return matched->comm;
}

int crmpi_lower_MPI_Imrecv(void *buf, int count, MPI_Datatype type, MPI_Message *message,
                           MPI_Request *request)
{
    MPI_Comm comm = message_comm(*message);
    struct crmpi_request *r = crmpi_request_take(CRMPI_RECEIVE_MATCHED, comm, type);
    int error = message_receive(r, buf, count, message);

    if (error == MPI_SUCCESS) {
        *request = crmpi_request_handle(r);
        return error;
    }
    crmpi_request_drop(r);
    return crmpi_comm_error(comm, error, "MPI_Imrecv");
}

int crmpi_lower_MPI_Mrecv(void *buf, int count, MPI_Datatype type, MPI_Message *message,
                          MPI_Status *status)
{
    struct crmpi_request *r = &crmpi_call()->receive;
    int error;

    if (!crmpi_call_resumed()) {
        MPI_Comm comm = message_comm(*message);

        r->operation = CRMPI_RECEIVE_MATCHED;
        r->comm = crmpi_hold(comm);
        r->type = crmpi_hold(type);
        error = message_receive(r, buf, count, message);
        if (error != MPI_SUCCESS) {
            crmpi_drop(r->comm);
            crmpi_drop(r->type);
            return crmpi_comm_error(comm, error, "MPI_Mrecv");
        }
    }
    crmpi_request_wait(r);
    return crmpi_receive_end(r, status, "MPI_Mrecv");
}
