/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * MPI_Isendrecv and MPI_Isendrecv_replace, of MPI-4 (lower half).
 *
 * What is sent is copied.  So the send is one that nobody will ask for, like one whose request
 * has been freed, and the request is that of the receive: to a cut and to a restart it is
 * nothing new.
 */
#include <stdlib.h>

#include "wrappers/hand/p2p.h"

#define LARGE (64 << 10) /* bytes: copies of so much do not wait for others to be given back */

/* Send a block from malloc(), which is freed when it has gone. */
static int copy_send(void *copy, int n, MPI_Datatype type, int dest, int tag,
                     MPI_Comm comm)
{
    struct crmpi_logged *logged = crmpi_log_begin(copy, n, type, dest, comm);
    struct crmpi_request *r;
    MPI_Request real;
    int ordered = crmpi_order_begin(crmpi_order_is_needed());
    int error = PMPI_Isend(copy, n, type, dest, tag, CRMPI_REAL(MPI_Comm, comm), &real);

    if (error == MPI_SUCCESS)
        crmpi_count_sent(comm, dest, tag, 1, logged);
    else
        crmpi_logged_destroy(logged);
    crmpi_order_end(ordered);
    if (error != MPI_SUCCESS || real == &ompi_request_empty) {
        free(copy);
        return error;
    }
    r = crmpi_request_take(CRMPI_SEND, comm, NULL);
    r->handle.real = real;
    r->lower = copy;
    r->active = 1;
    crmpi_request_leave(r);
    if (n > LARGE)
        crmpi_requests_reap();
    return error;
}

/* What would fail when the receive has been posted, and may have got its message. */
static int send_check(int dest, int tag, MPI_Comm comm)
{
    if (!crmpi_comm_of(comm))
        return MPI_ERR_COMM;
    if (dest != MPI_PROC_NULL && (dest < 0 || dest >= crmpi_comm_n_peers(comm)))
        return MPI_ERR_RANK;
    return tag < 0 ? MPI_ERR_TAG : MPI_SUCCESS;
}

static int isendrecv(const void *sendbuf, int sendcount, MPI_Datatype sendtype, int dest,
                     int sendtag, void *recvbuf, int recvcount, MPI_Datatype recvtype,
                     int source, int recvtag, MPI_Comm comm, MPI_Request *request,
                     const char *function)
{
    struct crmpi_request *r;
    MPI_Datatype bytes_type;
    void *copy;
    int n;
    int error = request ? send_check(dest, sendtag, comm) : MPI_ERR_REQUEST;

    if (error == MPI_SUCCESS)
        error = crmpi_typed_pack(sendbuf, sendcount, CRMPI_REAL(MPI_Datatype, sendtype),
                                 &copy, &n, &bytes_type);
    if (error != MPI_SUCCESS)
        return crmpi_comm_error(comm, error, function);
    crmpi_whole_begin(); /* both are under way at a cut, or none */
    r = crmpi_request_take(CRMPI_RECEIVE, comm, recvtype);
    crmpi_request_arguments(r, recvbuf, recvcount, source, recvtag);
    error = crmpi_receive_post(r);
    if (error == MPI_SUCCESS)
        error = copy_send(copy, n, bytes_type, dest, sendtag, comm);
    else
        free(copy);
    crmpi_bytes_type_free(&bytes_type);
    crmpi_whole_end();
    if (error != MPI_SUCCESS) {
        if (r->active)
            crmpi_receive_take_back(r);
        crmpi_request_drop(r);
        return crmpi_comm_error(comm, error, function);
    }
    *request = crmpi_request_handle(r);
    return error;
}

int crmpi_lower_MPI_Isendrecv(const void *sendbuf, int sendcount, MPI_Datatype sendtype,
                              int dest, int sendtag, void *recvbuf, int recvcount,
                              MPI_Datatype recvtype, int source, int recvtag,
                              MPI_Comm comm, MPI_Request *request)
{
    return isendrecv(sendbuf, sendcount, sendtype, dest, sendtag, recvbuf, recvcount,
                     recvtype, source, recvtag, comm, request, "MPI_Isendrecv");
}

int crmpi_lower_MPI_Isendrecv_replace(void *buf, int count, MPI_Datatype datatype,
                                      int dest, int sendtag, int source, int recvtag,
                                      MPI_Comm comm, MPI_Request *request)
{
    return isendrecv(buf, count, datatype, dest, sendtag, buf, count, datatype, source,
                     recvtag, comm, request, "MPI_Isendrecv_replace");
}
