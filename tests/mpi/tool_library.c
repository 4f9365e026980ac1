/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A tool as a library, linked before MPI or preloaded: it counts calls, and makes them by
 * MPI's profiling names, which it has been linked with or looks for itself.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <mpi.h>
#include <stdlib.h>

/* For the program, if it is there. */
extern long tool_calls[3];
long tool_calls[3];

int MPI_Send(const void *buffer, int n, MPI_Datatype type, int dest, int tag, MPI_Comm comm)
{
    tool_calls[0]++;
    return PMPI_Send(buffer, n, type, dest, tag, comm);
}

int MPI_Recv(void *buffer, int n, MPI_Datatype type, int source, int tag, MPI_Comm comm,
             MPI_Status *status)
{
    __typeof__(&MPI_Recv) next = (__typeof__(&MPI_Recv))dlsym(RTLD_NEXT, "PMPI_Recv");

    if (!next)
        abort();
    tool_calls[1]++;
    return next(buffer, n, type, source, tag, comm, status);
}

int MPI_Put(const void *origin, int n, MPI_Datatype type, int target, MPI_Aint displacement,
            int target_n, MPI_Datatype target_type, MPI_Win win)
{
    tool_calls[2]++;
    return PMPI_Put(origin, n, type, target, displacement, target_n, target_type, win);
}
