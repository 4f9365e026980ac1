/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Partitioned communication, of MPI-4 (lower half).  The MPI library does it all; while there is
 * such a request no checkpoint is taken.
 */
#include <string.h>

#include "base/config.h"
#include "wrappers/hand/p2p.h"
#include "wrappers/objects.h"

static const char in_use[] =
    "partitioned communication (MPI_Psend_init, MPI_Precv_init) is in "
    "use: there are requests of it that have not been freed";

static int created(MPI_Comm comm, MPI_Datatype type, int error, MPI_Request real,
                   MPI_Request *request, const char *function)
{
    struct crmpi_request *r;

    if (error != MPI_SUCCESS)
        return crmpi_comm_error(comm, error, function);
    r = crmpi_request_take(CRMPI_UNSAVED, comm, type);
    r->persistent = 1;
    r->lower = NULL;
    r->handle.real = real;
    r->object = (void *)(uintptr_t)in_use;
    crmpi_unsaved_begin(in_use);
    if (strcmp(crmpi_config.policy, "coordinated") != 0)
        crmpi_unsaved_begin(in_use); /* for ever: what it does with whom is not seen */
    *request = crmpi_request_handle(r);
    return error;
}

int crmpi_lower_MPI_Psend_init(const void *buf, int partitions, MPI_Count count,
                               MPI_Datatype datatype, int dest, int tag, MPI_Comm comm,
                               MPI_Info info, MPI_Request *request)
{
    MPI_Info info_real = crmpi_info_make(info);
    MPI_Request real = MPI_REQUEST_NULL;
    int error = PMPI_Psend_init(
        buf, partitions, count, CRMPI_REAL(MPI_Datatype, datatype), dest, tag,
        CRMPI_REAL(MPI_Comm, comm), info_real, request ? &real : NULL);

    crmpi_info_drop(info_real);
    return created(comm, datatype, error, real, request, "MPI_Psend_init");
}

int crmpi_lower_MPI_Precv_init(void *buf, int partitions, MPI_Count count,
                               MPI_Datatype datatype, int source, int tag, MPI_Comm comm,
                               MPI_Info info, MPI_Request *request)
{
    MPI_Info info_real = crmpi_info_make(info);
    MPI_Request real = MPI_REQUEST_NULL;
    int error = PMPI_Precv_init(
        buf, partitions, count, CRMPI_REAL(MPI_Datatype, datatype), source, tag,
        CRMPI_REAL(MPI_Comm, comm), info_real, request ? &real : NULL);

    crmpi_info_drop(info_real);
    return created(comm, datatype, error, real, request, "MPI_Precv_init");
}

/* The lower request of one of these; the library says what is wrong with any other. */
static MPI_Request real_of(MPI_Request request)
{
    struct crmpi_request *r = crmpi_request_of(request);

    return crmpi_request_is_valid(request) && r->operation == CRMPI_UNSAVED
               ? (MPI_Request)r->handle.real
               : MPI_REQUEST_NULL;
}

static int told(int error, const char *function)
{
    return error == MPI_SUCCESS ? error : crmpi_comm_error(NULL, error, function);
}

int crmpi_lower_MPI_Pready(int partition, MPI_Request request)
{
    return told(real_of(request) != MPI_REQUEST_NULL
                    ? PMPI_Pready(partition, real_of(request))
                    : MPI_ERR_REQUEST,
                "MPI_Pready");
}

int crmpi_lower_MPI_Pready_range(int partition_low, int partition_high,
                                 MPI_Request request)
{
    return told(real_of(request) != MPI_REQUEST_NULL
                    ? PMPI_Pready_range(partition_low, partition_high, real_of(request))
                    : MPI_ERR_REQUEST,
                "MPI_Pready_range");
}

int crmpi_lower_MPI_Pready_list(int length, int partition_list[], MPI_Request request)
{
    return told(real_of(request) != MPI_REQUEST_NULL
                    ? PMPI_Pready_list(length, partition_list, real_of(request))
                    : MPI_ERR_REQUEST,
                "MPI_Pready_list");
}

int crmpi_lower_MPI_Parrived(MPI_Request request, int partition, int *flag)
{
    crmpi_poll_point(); /* of who looks in a loop */
    return told(real_of(request) != MPI_REQUEST_NULL
                    ? PMPI_Parrived(real_of(request), partition, flag)
                    : MPI_ERR_REQUEST,
                "MPI_Parrived");
}
