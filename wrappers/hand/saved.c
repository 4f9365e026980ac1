/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The delivery of messages that were taken out of the library (lower half).
 */
#include "wrappers/hand/p2p.h"

/* Open MPI 4.1 does not say that a short message to oneself was too long for a receive
 * posted before it; a saved one came before its receive, and then it does. */
int crmpi_saved_deliver(const struct crmpi_saved_message *message, void *buffer,
                        int count, MPI_Datatype type, MPI_Status *status)
{
    MPI_Count element_bytes;
    MPI_Datatype bytes_type;
    uint64_t bytes = message->bytes, room;
    int n, error;

    if (count < 0 || crmpi_no_type(type))
        return count < 0 ? MPI_ERR_COUNT : MPI_ERR_TYPE;
    error = PMPI_Type_size_x(type, &element_bytes);
    if (error != MPI_SUCCESS)
        return error;
    room = count > 0 ? (uint64_t)count * element_bytes : 0;
    error = crmpi_bytes_type(bytes < room ? bytes : room, &n, &bytes_type);
    if (error != MPI_SUCCESS)
        return error;
    error = crmpi_typed_copy(message->data, n, bytes_type, buffer, count, type, status);
    crmpi_bytes_type_free(&bytes_type);
    status->MPI_SOURCE = message->source;
    status->MPI_TAG = message->tag;
    if (bytes > room && status->MPI_ERROR == MPI_SUCCESS) {
        PMPI_Status_set_elements_x(status, MPI_BYTE, (MPI_Count)bytes);
        status->MPI_ERROR = MPI_ERR_TRUNCATE;
    }
    return error;
}

static uint64_t status_bytes(const MPI_Status *status)
{
    MPI_Count bytes = 0;

    PMPI_Get_elements_x(status, MPI_BYTE, &bytes);
    return bytes > 0 ? (uint64_t)bytes : 0;
}

struct crmpi_saved_message *crmpi_saved_describe(const MPI_Status *status,
                                                 const struct crmpi_comm *c)
{
    struct crmpi_saved_message *message = crmpi_saved_create(
        c->id, status->MPI_SOURCE, status->MPI_TAG, status_bytes(status));

    if (message)
        message->peer = c->peers[status->MPI_SOURCE];
    else
        crmpi_error("no memory to keep a message that is in flight");
    return message;
}

/* The lower receive of a message that was matched before, or of one on its way into ours,
 * stands for the request. */
static int begin_matched(struct crmpi_saved_message *message, struct crmpi_request *r)
{
    MPI_Request request = message->request;
    MPI_Message real = message->real;
    int error = MPI_SUCCESS;

    if (crmpi_saved_is_held(message)) {
        error = PMPI_Imrecv(r->buffer, r->count, CRMPI_REAL(MPI_Datatype, r->type), &real,
                            &request);
        if (error != MPI_SUCCESS)
            return error;
        if (message->serial) /* its sender hears of it, perhaps in another interval */
            crmpi_count(r->comm, message->source, message->tag, 0, 0, 0);
        crmpi_saved_destroy(message);
    } else {
        r->arriving = message;
    }
    r->idle = r->handle.real;
    r->handle.real = request;
    r->operation = CRMPI_RECEIVE_MATCHED;
    return error;
}

int crmpi_saved_begin(struct crmpi_saved_message *message, struct crmpi_request *r)
{
    int error;

    if (crmpi_saved_is_held(message) || message->request)
        return begin_matched(message, r);
    error = crmpi_saved_deliver(message, r->buffer, r->count,
                                CRMPI_REAL(MPI_Datatype, r->type), &r->status);
    if (error != MPI_SUCCESS)
        return error;
    crmpi_saved_destroy(message);
    r->complete = 1;
    return error;
}
