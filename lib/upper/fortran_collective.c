/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fortran's collectives with arrays of numbers or of datatypes (upper half).  Open MPI's own
 * read the size out of the communicator, and since 5.0 write into the request which arrays are
 * to be freed when it is complete.
 */
#include <stdlib.h>

#include "upper/fortran.h"
#include <mpi-ext.h>

/* The arguments of an alltoallw in C. */
struct alltoallw {
    MPI_Comm comm;
    void *sendbuf, *recvbuf;
    MPI_Datatype *sendtypes, *recvtypes; /* one block, of sendtypes */
};

static void *buffer(void *fortran)
{
    if (fortran == &mpi_fortran_in_place_)
        return MPI_IN_PLACE;
    return fortran == &mpi_fortran_bottom_ ? MPI_BOTTOM : fortran;
}

static int alltoallw_begin(void *sendbuf, const MPI_Fint *sendtypes, void *recvbuf,
                           const MPI_Fint *recvtypes, MPI_Fint comm,
                           struct alltoallw *out)
{
    int is_inter = 0, n = 0;

    out->comm = PMPI_Comm_f2c(comm);
    out->sendbuf = buffer(sendbuf);
    out->recvbuf = buffer(recvbuf);
    int error = PMPI_Comm_test_inter(out->comm, &is_inter);
    if (error == MPI_SUCCESS)
        error = is_inter ? PMPI_Comm_remote_size(out->comm, &n)
                         : PMPI_Comm_size(out->comm, &n);
    if (error != MPI_SUCCESS)
        return error;
    out->sendtypes = malloc(2 * n * sizeof *out->sendtypes);
    if (!out->sendtypes)
        return crmpi_fortran_no_memory();
    out->recvtypes = out->sendtypes + n;
    for (int i = 0; i < n; i++) {
        /* with MPI_IN_PLACE the send arguments are not there to be read */
        out->sendtypes[i] = out->sendbuf == MPI_IN_PLACE ? MPI_DATATYPE_NULL
                                                         : PMPI_Type_f2c(sendtypes[i]);
        out->recvtypes[i] = PMPI_Type_f2c(recvtypes[i]);
    }
    return MPI_SUCCESS;
}

static void ompi_alltoallw_f(char *sendbuf, MPI_Fint *sendcounts, MPI_Fint *sdispls,
                             MPI_Fint *sendtypes, char *recvbuf, MPI_Fint *recvcounts,
                             MPI_Fint *rdispls, MPI_Fint *recvtypes, MPI_Fint *comm,
                             MPI_Fint *ierr)
{
    struct alltoallw c;
    int error = alltoallw_begin(sendbuf, sendtypes, recvbuf, recvtypes, *comm, &c);

    if (error == MPI_SUCCESS) {
        error = PMPI_Alltoallw(c.sendbuf, sendcounts, sdispls, c.sendtypes, c.recvbuf,
                               recvcounts, rdispls, c.recvtypes, c.comm);
        free(c.sendtypes);
    }
    crmpi_fortran_return(ierr, error);
}

static void ompi_ialltoallw_f(char *sendbuf, MPI_Fint *sendcounts, MPI_Fint *sdispls,
                              MPI_Fint *sendtypes, char *recvbuf, MPI_Fint *recvcounts,
                              MPI_Fint *rdispls, MPI_Fint *recvtypes, MPI_Fint *comm,
                              MPI_Fint *request, MPI_Fint *ierr)
{
    struct alltoallw c;
    MPI_Request c_request;
    int error = alltoallw_begin(sendbuf, sendtypes, recvbuf, recvtypes, *comm, &c);

    if (error == MPI_SUCCESS) {
        error = PMPI_Ialltoallw(c.sendbuf, sendcounts, sdispls, c.sendtypes, c.recvbuf,
                                recvcounts, rdispls, c.recvtypes, c.comm, &c_request);
        free(c.sendtypes);
        if (error == MPI_SUCCESS)
            *request = PMPI_Request_c2f(c_request);
    }
    crmpi_fortran_return(ierr, error);
}

/* Persistent: until Open MPI 4.1 an extension. */
#if OMPI_MAJOR_VERSION < 5
#define PMPI_Alltoallw_init PMPIX_Alltoallw_init
#define ompi_alltoallw_init_f ompix_alltoallw_init_f
#endif
static void ompi_alltoallw_init_f(char *sendbuf, MPI_Fint *sendcounts, MPI_Fint *sdispls,
                                  MPI_Fint *sendtypes, char *recvbuf,
                                  MPI_Fint *recvcounts, MPI_Fint *rdispls,
                                  MPI_Fint *recvtypes, MPI_Fint *comm, MPI_Fint *info,
                                  MPI_Fint *request, MPI_Fint *ierr)
{
    struct alltoallw c;
    MPI_Request c_request;
    int error = alltoallw_begin(sendbuf, sendtypes, recvbuf, recvtypes, *comm, &c);

    if (error == MPI_SUCCESS) {
        error = PMPI_Alltoallw_init(c.sendbuf, sendcounts, sdispls, c.sendtypes,
                                    c.recvbuf, recvcounts, rdispls, c.recvtypes, c.comm,
                                    PMPI_Info_f2c(*info), &c_request);
        free(c.sendtypes);
        if (error == MPI_SUCCESS)
            *request = PMPI_Request_c2f(c_request);
    }
    crmpi_fortran_return(ierr, error);
}

#if OMPI_MAJOR_VERSION < 5
CRMPI_FORTRAN(ompix_alltoallw_init_f)
#else
CRMPI_FORTRAN(ompi_alltoallw_init_f)
#endif
CRMPI_FORTRAN(ompi_alltoallw_f)
CRMPI_FORTRAN(ompi_ialltoallw_f)

#if OMPI_MAJOR_VERSION >= 5

static void request_return(int error, const MPI_Request *c_request, MPI_Fint *request,
                           MPI_Fint *ierr)
{
    if (error == MPI_SUCCESS)
        *request = PMPI_Request_c2f(*c_request);
    crmpi_fortran_return(ierr, error);
}

/* A nonblocking one and a persistent one; their arguments but for communicator, info, request
 * and error are the same. */
#define COLLECTIVE(Mixed, inonblocking, persistent, PARAMETERS, ...)                     \
    static void ompi_##inonblocking##_f(PARAMETERS, MPI_Fint *comm, MPI_Fint *request,   \
                                        MPI_Fint *ierr)                                  \
    {                                                                                    \
        MPI_Request c_request;                                                           \
        int error = PMPI_I##Mixed(__VA_ARGS__, PMPI_Comm_f2c(*comm), &c_request);        \
        request_return(error, &c_request, request, ierr);                                \
    }                                                                                    \
    static void ompi_##persistent##_init_f(PARAMETERS, MPI_Fint *comm, MPI_Fint *info,   \
                                           MPI_Fint *request, MPI_Fint *ierr)            \
    {                                                                                    \
        MPI_Request c_request;                                                           \
        int error = PMPI_##persistent##_INIT(__VA_ARGS__, PMPI_Comm_f2c(*comm),          \
                                             PMPI_Info_f2c(*info), &c_request);          \
        request_return(error, &c_request, request, ierr);                                \
    }                                                                                    \
    CRMPI_FORTRAN(ompi_##inonblocking##_f)                                               \
    CRMPI_FORTRAN(ompi_##persistent##_init_f)
#define PMPI_allgatherv_INIT PMPI_Allgatherv_init
#define PMPI_alltoallv_INIT PMPI_Alltoallv_init
#define PMPI_gatherv_INIT PMPI_Gatherv_init
#define PMPI_scatterv_INIT PMPI_Scatterv_init
#define PMPI_reduce_scatter_INIT PMPI_Reduce_scatter_init
#define PMPI_neighbor_allgatherv_INIT PMPI_Neighbor_allgatherv_init
#define PMPI_neighbor_alltoallv_INIT PMPI_Neighbor_alltoallv_init

#define PARAMETERS(...) __VA_ARGS__
#define TYPE(type) PMPI_Type_f2c(*type)

COLLECTIVE(allgatherv, iallgatherv, allgatherv,
           PARAMETERS(char *sendbuf, MPI_Fint *sendcount, MPI_Fint *sendtype,
                      char *recvbuf, MPI_Fint *recvcounts, MPI_Fint *displs,
                      MPI_Fint *recvtype),
           buffer(sendbuf), *sendcount, TYPE(sendtype), buffer(recvbuf), recvcounts,
           displs, TYPE(recvtype))
COLLECTIVE(gatherv, igatherv, gatherv,
           PARAMETERS(char *sendbuf, MPI_Fint *sendcount, MPI_Fint *sendtype,
                      char *recvbuf, MPI_Fint *recvcounts, MPI_Fint *displs,
                      MPI_Fint *recvtype, MPI_Fint *root),
           buffer(sendbuf), *sendcount, TYPE(sendtype), buffer(recvbuf), recvcounts,
           displs, TYPE(recvtype), *root)
COLLECTIVE(scatterv, iscatterv, scatterv,
           PARAMETERS(char *sendbuf, MPI_Fint *sendcounts, MPI_Fint *displs,
                      MPI_Fint *sendtype, char *recvbuf, MPI_Fint *recvcount,
                      MPI_Fint *recvtype, MPI_Fint *root),
           buffer(sendbuf), sendcounts, displs, TYPE(sendtype), buffer(recvbuf),
           *recvcount, TYPE(recvtype), *root)
COLLECTIVE(alltoallv, ialltoallv, alltoallv,
           PARAMETERS(char *sendbuf, MPI_Fint *sendcounts, MPI_Fint *sdispls,
                      MPI_Fint *sendtype, char *recvbuf, MPI_Fint *recvcounts,
                      MPI_Fint *rdispls, MPI_Fint *recvtype),
           buffer(sendbuf), sendcounts, sdispls, TYPE(sendtype), buffer(recvbuf),
           recvcounts, rdispls, TYPE(recvtype))
COLLECTIVE(reduce_scatter, ireduce_scatter, reduce_scatter,
           PARAMETERS(char *sendbuf, char *recvbuf, MPI_Fint *recvcounts,
                      MPI_Fint *datatype, MPI_Fint *op),
           buffer(sendbuf), buffer(recvbuf), recvcounts, TYPE(datatype), PMPI_Op_f2c(*op))
COLLECTIVE(neighbor_allgatherv, ineighbor_allgatherv, neighbor_allgatherv,
           PARAMETERS(char *sendbuf, MPI_Fint *sendcount, MPI_Fint *sendtype,
                      char *recvbuf, MPI_Fint *recvcounts, MPI_Fint *displs,
                      MPI_Fint *recvtype),
           buffer(sendbuf), *sendcount, TYPE(sendtype), buffer(recvbuf), recvcounts,
           displs, TYPE(recvtype))
COLLECTIVE(neighbor_alltoallv, ineighbor_alltoallv, neighbor_alltoallv,
           PARAMETERS(char *sendbuf, MPI_Fint *sendcounts, MPI_Fint *sdispls,
                      MPI_Fint *sendtype, char *recvbuf, MPI_Fint *recvcounts,
                      MPI_Fint *rdispls, MPI_Fint *recvtype),
           buffer(sendbuf), sendcounts, sdispls, TYPE(sendtype), buffer(recvbuf),
           recvcounts, rdispls, TYPE(recvtype))

/* How many neighbours a rank has: in, out. */
static int neighbours(MPI_Comm comm, int n[2])
{
    int kind, rank, weighted, error = PMPI_Topo_test(comm, &kind);

    if (error == MPI_SUCCESS && kind == MPI_CART) {
        error = PMPI_Cartdim_get(comm, &n[0]);
        n[0] = n[1] = 2 * n[0];
    } else if (error == MPI_SUCCESS && kind == MPI_GRAPH) {
        PMPI_Comm_rank(comm, &rank);
        error = PMPI_Graph_neighbors_count(comm, rank, &n[0]);
        n[1] = n[0];
    } else if (error == MPI_SUCCESS) { /* or says what is wrong */
        error = PMPI_Dist_graph_neighbors_count(comm, &n[0], &n[1], &weighted);
    }
    return error;
}

/* A block of the types for all neighbours, those that are sent first. */
static int neighbour_types(MPI_Comm comm, const MPI_Fint *sendtypes,
                           const MPI_Fint *recvtypes, MPI_Datatype **types_out, int n[2])
{
    int error = neighbours(comm, n);

    if (error != MPI_SUCCESS)
        return error;
    *types_out = malloc((size_t)(n[0] + n[1] + 1) * sizeof **types_out);
    if (!*types_out)
        return crmpi_fortran_no_memory();
    for (int i = 0; i < n[1]; i++)
        (*types_out)[i] = PMPI_Type_f2c(sendtypes[i]);
    for (int i = 0; i < n[0]; i++)
        (*types_out)[n[1] + i] = PMPI_Type_f2c(recvtypes[i]);
    return MPI_SUCCESS;
}

static void ompi_ineighbor_alltoallw_f(char *sendbuf, MPI_Fint *sendcounts,
                                       MPI_Aint *sdispls, MPI_Fint *sendtypes,
                                       char *recvbuf, MPI_Fint *recvcounts,
                                       MPI_Aint *rdispls, MPI_Fint *recvtypes,
                                       MPI_Fint *comm, MPI_Fint *request, MPI_Fint *ierr)
{
    MPI_Comm c_comm = PMPI_Comm_f2c(*comm);
    MPI_Datatype *types;
    MPI_Request c_request;
    int n[2], error = neighbour_types(c_comm, sendtypes, recvtypes, &types, n);

    if (error == MPI_SUCCESS) {
        error = PMPI_Ineighbor_alltoallw(buffer(sendbuf), sendcounts, sdispls, types,
                                         buffer(recvbuf), recvcounts, rdispls,
                                         types + n[1], c_comm, &c_request);
        free(types);
    }
    request_return(error, &c_request, request, ierr);
}

static void ompi_neighbor_alltoallw_init_f(char *sendbuf, MPI_Fint *sendcounts,
                                           MPI_Aint *sdispls, MPI_Fint *sendtypes,
                                           char *recvbuf, MPI_Fint *recvcounts,
                                           MPI_Aint *rdispls, MPI_Fint *recvtypes,
                                           MPI_Fint *comm, MPI_Fint *info,
                                           MPI_Fint *request, MPI_Fint *ierr)
{
    MPI_Comm c_comm = PMPI_Comm_f2c(*comm);
    MPI_Datatype *types;
    MPI_Request c_request;
    int n[2], error = neighbour_types(c_comm, sendtypes, recvtypes, &types, n);

    if (error == MPI_SUCCESS) {
        error = PMPI_Neighbor_alltoallw_init(
            buffer(sendbuf), sendcounts, sdispls, types, buffer(recvbuf), recvcounts,
            rdispls, types + n[1], c_comm, PMPI_Info_f2c(*info), &c_request);
        free(types);
    }
    request_return(error, &c_request, request, ierr);
}
CRMPI_FORTRAN(ompi_ineighbor_alltoallw_f)
CRMPI_FORTRAN(ompi_neighbor_alltoallw_init_f)

/* Open MPI's own reads the request's number out of it. */
static void ompi_parrived_f(MPI_Fint *request, MPI_Fint *partition, MPI_Fint *flag,
                            MPI_Fint *ierr)
{
    crmpi_fortran_return(ierr,
                         PMPI_Parrived(PMPI_Request_f2c(*request), *partition, flag));
}
CRMPI_FORTRAN(ompi_parrived_f)

#endif
