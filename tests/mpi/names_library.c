/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A library, loaded by "names", whose own functions have the names of MPI's in Fortran.
 * They are called by name, and through a table, as R calls its packages'.
 */
int own_call(int which, int *value);

#define OWN(name, n)                                                                     \
    int name(int *value);                                                                \
    int name(int *value)                                                                 \
    {                                                                                    \
        return *value += n;                                                              \
    }

OWN(mpi_wait, 1)
OWN(mpi_wait_, 2)
OWN(mpi_wait__, 3)
OWN(MPI_WAIT, 4)
OWN(pmpi_wait_, 5)
OWN(mpi_waitall, 6)
OWN(mpi_test, 7)
OWN(mpi_waitsome_, 8)
OWN(mpi_request_free, 9)
OWN(mpi_op_create, 10)
OWN(mpi_group_incl_, 11)
OWN(mpi_comm_get_attr, 12)
OWN(mpi_alltoallw, 13)
OWN(mpi_grequest_start, 14)
OWN(ompi_waitany_f, 15)

static int (*const table[])(int *) = {
    mpi_wait,         mpi_wait_,     MPI_WAIT,        mpi_waitall,       mpi_test,
    mpi_request_free, mpi_op_create, mpi_group_incl_, mpi_comm_get_attr, ompi_waitany_f,
};
#define N_TABLE (int)(sizeof table / sizeof table[0])

int own_call(int which, int *value)
{
    if (which < N_TABLE)
        return table[which](value);
    switch (which - N_TABLE) {
    case 0:
        return mpi_wait(value);
    case 1:
        return mpi_wait_(value);
    case 2:
        return mpi_wait__(value);
    case 3:
        return MPI_WAIT(value);
    case 4:
        return pmpi_wait_(value);
    case 5:
        return mpi_waitall(value);
    case 6:
        return mpi_test(value);
    case 7:
        return mpi_waitsome_(value);
    case 8:
        return mpi_request_free(value);
    case 9:
        return mpi_op_create(value);
    case 10:
        return mpi_group_incl_(value);
    case 11:
        return mpi_comm_get_attr(value);
    case 12:
        return mpi_alltoallw(value);
    case 13:
        return mpi_grequest_start(value);
    case 14:
        return ompi_waitany_f(value);
    default:
        return -1;
    }
}
