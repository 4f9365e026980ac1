/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The public interface, in a program linked with libcrmpi.so: says what
 * CRMPI_Checkpoint() returns, for interface.sh to judge.  Upper half.
 */
#include <crmpi.h>
#include <mpi.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    int world_rank, before = CRMPI_Checkpoint();

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &world_rank);
    int one = world_rank == 1 ? CRMPI_Checkpoint() : 0;
    MPI_Barrier(MPI_COMM_WORLD);
    int all = CRMPI_Checkpoint();
    MPI_Finalize();
    printf("before %d, one %d, all %d, after %d\n", before, one, all, CRMPI_Checkpoint());
    return 0;
}
