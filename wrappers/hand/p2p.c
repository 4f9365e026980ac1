/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Blocking point-to-point communication and the state behind all of it (lower half).
 *
 * A send is counted when it is handed to the library.  A thread that parks in a blocking
 * send has handed its message over: at the cut it has arrived or is saved, and the call
 * made again after a restart has nothing to do.  A blocking receive is a nonblocking one
 * that is noted in the thread's state, and waited for; so is a synchronous send.
 */
#include <stdlib.h>

#include "wrappers/hand/reduction.h"
#include "wrappers/objects.h"

/*
 * Sends
 */

typedef int (*send_fn)(const void *, int, MPI_Datatype, int, int, MPI_Comm);
typedef int (*isend_fn)(const void *, int, MPI_Datatype, int, int, MPI_Comm,
                        MPI_Request *);

/* Lower types and communicator. */
static inline __attribute__((always_inline)) int
send_counted(send_fn send, isend_fn isend, const void *buf, int count, MPI_Datatype type,
             int dest, int tag, MPI_Comm comm, struct crmpi_logged *logged)
{
    MPI_Comm real = CRMPI_REAL(MPI_Comm, comm);
    MPI_Request request;
    int error, ordered;

    if (__builtin_expect(!crmpi_thread_multiple, 1)) {
        crmpi_count_sent(comm, dest, tag, 1, logged);
        error = send(buf, count, type, dest, tag, real);
    } else {
        crmpi_whole_begin();
        ordered = crmpi_order_begin(crmpi_order_is_needed());
        crmpi_count_sent(comm, dest, tag, 1, logged);
        error = isend(buf, count, type, dest, tag, real, &request);
        crmpi_order_end(ordered);
        crmpi_whole_end();
        if (error == MPI_SUCCESS)
            error = crmpi_wait_real(&request, MPI_STATUS_IGNORE);
    }
    if (__builtin_expect(error != MPI_SUCCESS, 0))
        crmpi_count_sent(comm, dest, tag, -1, logged);
    return error;
}

static inline __attribute__((always_inline)) int
blocking_send(send_fn send, isend_fn isend, const char *function, const void *buf,
              int count, MPI_Datatype type, int dest, int tag, MPI_Comm comm)
{
    MPI_Datatype real_type = CRMPI_REAL(MPI_Datatype, type);
    struct crmpi_logged *logged;
    int error;

    if (crmpi_call_resumed())
        return MPI_SUCCESS;
    logged = crmpi_log_begin(buf, count, real_type, dest, comm);
    error = send_counted(send, isend, buf, count, real_type, dest, tag, comm, logged);
    return crmpi_comm_result(comm, error, function);
}

int crmpi_lower_MPI_Send(const void *buf, int count, MPI_Datatype datatype, int dest,
                         int tag, MPI_Comm comm)
{
    return blocking_send(PMPI_Send, PMPI_Isend, "MPI_Send", buf, count, datatype, dest,
                         tag, comm);
}

int crmpi_lower_MPI_Ssend(const void *buf, int count, MPI_Datatype datatype, int dest,
                          int tag, MPI_Comm comm)
{
    struct crmpi_request *r = &crmpi_call()->send;

    if (!crmpi_call_resumed()) {
        r->operation = CRMPI_SEND_SYNCHRONOUS;
        r->handle.real = MPI_REQUEST_NULL;
        r->comm = crmpi_hold(comm);
        r->type = crmpi_hold(datatype);
        crmpi_request_arguments(r, buf, count, dest, tag);
        r->status.MPI_ERROR = crmpi_send_post(r);
        if (r->status.MPI_ERROR != MPI_SUCCESS)
            return crmpi_blocking_end(r, "MPI_Ssend");
    }
    crmpi_request_wait(r);
    return crmpi_blocking_end(r, "MPI_Ssend");
}

/* See MPI_Irsend. */
int crmpi_lower_MPI_Rsend(const void *ibuf, int count, MPI_Datatype datatype, int dest,
                          int tag, MPI_Comm comm)
{
    return blocking_send(PMPI_Send, PMPI_Isend, "MPI_Rsend", ibuf, count, datatype, dest,
                         tag, comm);
}

int crmpi_lower_MPI_Bsend(const void *buf, int count, MPI_Datatype datatype, int dest,
                          int tag, MPI_Comm comm)
{
    return blocking_send(PMPI_Bsend, PMPI_Ibsend, "MPI_Bsend", buf, count, datatype, dest,
                         tag, comm);
}

/*
 * Receives
 */

/* Post the receive of a blocking call. */
static inline int receive_begin(struct crmpi_request *r, void *buf, int count,
                                MPI_Datatype type, int source, int tag, MPI_Comm comm,
                                const char *function)
{
    int error;

    r->operation = CRMPI_RECEIVE;
    r->handle.real = MPI_REQUEST_NULL;
    r->comm = crmpi_hold(comm);
    r->type = crmpi_hold(type);
    crmpi_request_arguments(r, buf, count, source, tag);
    error = crmpi_receive_post(r);
    if (__builtin_expect(error == MPI_SUCCESS, 1))
        return error;
    r->status = crmpi_status_empty;
    r->status.MPI_ERROR = error;
    return crmpi_receive_end(r, MPI_STATUS_IGNORE, function);
}

int crmpi_lower_MPI_Recv(void *buf, int count, MPI_Datatype datatype, int source, int tag,
                         MPI_Comm comm, MPI_Status *status)
{
    struct crmpi_request *r = &crmpi_call()->receive;

    if (!crmpi_call_resumed()) {
        int error = receive_begin(r, buf, count, datatype, source, tag, comm, "MPI_Recv");
        if (error != MPI_SUCCESS || !r->active)
            return error;
    }
    crmpi_request_wait(r);
    return crmpi_receive_end(r, status, "MPI_Recv");
}

/* A receive whose call fails before it has come is taken back.  If its message has come
 * nevertheless, the message is lost with the call. */
static void receive_take_back(struct crmpi_request *r)
{
    crmpi_receive_take_back(r);
    r->status.MPI_ERROR = MPI_SUCCESS;
    crmpi_receive_end(r, MPI_STATUS_IGNORE, "");
}

/* Sends and receives at once.  The receive is posted first; the thread parks when both
 * are under way, in the send or in the wait. */
static int send_and_receive(const void *sendbuf, int sendcount, MPI_Datatype sendtype,
                            int dest, int sendtag, void *recvbuf, int recvcount,
                            MPI_Datatype recvtype, int source, int recvtag, MPI_Comm comm,
                            const char *function)
{
    struct crmpi_request *r = &crmpi_call()->receive;
    struct crmpi_logged *logged = crmpi_log_begin(sendbuf, sendcount, sendtype, dest, comm);
    int error =
        receive_begin(r, recvbuf, recvcount, recvtype, source, recvtag, comm, function);

    if (error != MPI_SUCCESS || !r->active) {
        crmpi_logged_destroy(logged);
        return error;
    }
    error = send_counted(PMPI_Send, PMPI_Isend, sendbuf, sendcount, sendtype, dest,
                         sendtag, comm, logged);
    if (__builtin_expect(error == MPI_SUCCESS, 1)) {
        crmpi_request_wait(r);
        return error;
    }
    receive_take_back(r);
    return crmpi_comm_error(comm, error, function);
}

int crmpi_lower_MPI_Sendrecv(const void *sendbuf, int sendcount, MPI_Datatype sendtype,
                             int dest, int sendtag, void *recvbuf, int recvcount,
                             MPI_Datatype recvtype, int source, int recvtag,
                             MPI_Comm comm, MPI_Status *status)
{
    struct crmpi_request *r = &crmpi_call()->receive;

    if (crmpi_call_resumed()) {
        crmpi_request_wait(r);
    } else {
        int error = send_and_receive(
            sendbuf, sendcount, CRMPI_REAL(MPI_Datatype, sendtype), dest, sendtag,
            recvbuf, recvcount, recvtype, source, recvtag, comm, "MPI_Sendrecv");
        if (error != MPI_SUCCESS || !r->active)
            return error;
    }
    return crmpi_receive_end(r, status, "MPI_Sendrecv");
}

/* The copy that is sent lies below: after a restart it has been received. */
int crmpi_lower_MPI_Sendrecv_replace(void *buf, int count, MPI_Datatype datatype,
                                     int dest, int sendtag, int source, int recvtag,
                                     MPI_Comm comm, MPI_Status *status)
{
    struct crmpi_request *r = &crmpi_call()->receive;
    MPI_Datatype bytes_type;
    void *copy;
    int n;

    if (crmpi_call_resumed()) {
        crmpi_request_wait(r);
    } else {
        int error = crmpi_typed_pack(buf, count, CRMPI_REAL(MPI_Datatype, datatype),
                                     &copy, &n, &bytes_type);

        if (error != MPI_SUCCESS)
            return crmpi_comm_error(comm, error, "MPI_Sendrecv_replace");
        error = send_and_receive(copy, n, bytes_type, dest, sendtag, buf, count, datatype,
                                 source, recvtag, comm, "MPI_Sendrecv_replace");
        free(copy);
        crmpi_bytes_type_free(&bytes_type);
        if (error != MPI_SUCCESS || !r->active)
            return error;
    }
    return crmpi_receive_end(r, status, "MPI_Sendrecv_replace");
}

/*
 * The buffer of buffered sends: a restart attaches it again.
 */

int crmpi_lower_MPI_Buffer_attach(void *buffer, int size)
{
    int error = PMPI_Buffer_attach(buffer, size);

    if (error != MPI_SUCCESS)
        return crmpi_comm_error(NULL, error, "MPI_Buffer_attach");
    crmpi_p2p->buffer = buffer;
    crmpi_p2p->buffer_bytes = size;
    crmpi_p2p->buffer_attached = 1;
    return MPI_SUCCESS;
}

int crmpi_lower_MPI_Buffer_detach(void *buffer, int *size)
{
    int error;

    crmpi_call_resumed();
    error = PMPI_Buffer_detach(buffer, size);
    if (error != MPI_SUCCESS)
        return crmpi_comm_error(NULL, error, "MPI_Buffer_detach");
    crmpi_p2p->buffer_attached = 0;
    return MPI_SUCCESS;
}
