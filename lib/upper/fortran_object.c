/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fortran's group constructors, the collectives with an array of datatypes, and
 * MPI_TYPE_MATCH_SIZE (upper half).  Open MPI's own read a new group's Fortran number out
 * of the group, the size out of the communicator, and the datatypes' table of a library
 * that is initialised.
 */
#include <stdlib.h>

#include "upper/fortran.h"
#include <mpi-ext.h>

static void group_return(int error, MPI_Group group, MPI_Fint *newgroup, MPI_Fint *ierr)
{
    if (error == MPI_SUCCESS)
        *newgroup = PMPI_Group_c2f(group);
    crmpi_fortran_return(ierr, error);
}

#define GROUP_OF_TWO(lower, UPPER)                                                       \
    static void ompi_group_##lower##_f(MPI_Fint *group1, MPI_Fint *group2,               \
                                       MPI_Fint *newgroup, MPI_Fint *ierr)               \
    {                                                                                    \
        MPI_Group group;                                                                 \
        int error = PMPI_Group_##lower(PMPI_Group_f2c(*group1), PMPI_Group_f2c(*group2), \
                                       &group);                                          \
        group_return(error, group, newgroup, ierr);                                      \
    }                                                                                    \
    CRMPI_FORTRAN(ompi_group_##lower##_f)

#define GROUP_OF_RANKS(lower, UPPER, ranks_type)                                         \
    static void ompi_group_##lower##_f(MPI_Fint *oldgroup, MPI_Fint *n,                  \
                                       ranks_type ranks, MPI_Fint *newgroup,             \
                                       MPI_Fint *ierr)                                   \
    {                                                                                    \
        MPI_Group group;                                                                 \
        int error = PMPI_Group_##lower(PMPI_Group_f2c(*oldgroup), *n, ranks, &group);    \
        group_return(error, group, newgroup, ierr);                                      \
    }                                                                                    \
    CRMPI_FORTRAN(ompi_group_##lower##_f)

typedef MPI_Fint range[3];

GROUP_OF_TWO(union, UNION)
GROUP_OF_TWO(intersection, INTERSECTION)
GROUP_OF_TWO(difference, DIFFERENCE)
GROUP_OF_RANKS(incl, INCL, MPI_Fint *)
GROUP_OF_RANKS(excl, EXCL, MPI_Fint *)
GROUP_OF_RANKS(range_incl, RANGE_INCL, range *)
GROUP_OF_RANKS(range_excl, RANGE_EXCL, range *)

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

/* Persistent: an extension of Open MPI. */
static void ompix_alltoallw_init_f(char *sendbuf, MPI_Fint *sendcounts, MPI_Fint *sdispls,
                                   MPI_Fint *sendtypes, char *recvbuf,
                                   MPI_Fint *recvcounts, MPI_Fint *rdispls,
                                   MPI_Fint *recvtypes, MPI_Fint *comm, MPI_Fint *info,
                                   MPI_Fint *request, MPI_Fint *ierr)
{
    struct alltoallw c;
    MPI_Request c_request;
    int error = alltoallw_begin(sendbuf, sendtypes, recvbuf, recvtypes, *comm, &c);

    if (error == MPI_SUCCESS) {
        error = PMPIX_Alltoallw_init(c.sendbuf, sendcounts, sdispls, c.sendtypes,
                                     c.recvbuf, recvcounts, rdispls, c.recvtypes, c.comm,
                                     PMPI_Info_f2c(*info), &c_request);
        free(c.sendtypes);
        if (error == MPI_SUCCESS)
            *request = PMPI_Request_c2f(c_request);
    }
    crmpi_fortran_return(ierr, error);
}

/* A type of Fortran's in each class; as Open MPI gives it for each size. */
static void ompi_type_match_size_f(MPI_Fint *typeclass, MPI_Fint *size, MPI_Fint *type,
                                   MPI_Fint *ierr)
{
    const MPI_Datatype types[][4] = {
        {MPI_INTEGER1, MPI_INTEGER2, MPI_INTEGER, MPI_INTEGER8},
        {MPI_REAL, MPI_REAL8, MPI_REAL16, MPI_DATATYPE_NULL},
        {MPI_COMPLEX, MPI_COMPLEX16, MPI_COMPLEX32, MPI_DATATYPE_NULL},
    };
    int class = *typeclass == MPI_TYPECLASS_INTEGER   ? 0
                : *typeclass == MPI_TYPECLASS_REAL    ? 1
                : *typeclass == MPI_TYPECLASS_COMPLEX ? 2
                                                      : -1;
    int error = MPI_ERR_ARG, type_size;

    *type = PMPI_Type_c2f(MPI_DATATYPE_NULL);
    for (int i = 0; class >= 0 && i < 4 && error != MPI_SUCCESS; i++) {
        MPI_Datatype candidate = types[class][i];
        if (candidate != MPI_DATATYPE_NULL &&
            PMPI_Type_size(candidate, &type_size) == MPI_SUCCESS && type_size == *size) {
            *type = PMPI_Type_c2f(candidate);
            error = MPI_SUCCESS;
        }
    }
    if (error != MPI_SUCCESS)
        PMPI_Comm_call_errhandler(MPI_COMM_WORLD, error);
    crmpi_fortran_return(ierr, error);
}

CRMPI_FORTRAN(ompix_alltoallw_init_f)
CRMPI_FORTRAN(ompi_alltoallw_f)
CRMPI_FORTRAN(ompi_ialltoallw_f)
CRMPI_FORTRAN(ompi_type_match_size_f)
