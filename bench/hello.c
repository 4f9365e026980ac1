/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program that does nothing: what it costs to start.
 */
#include <mpi.h>

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    MPI_Finalize();
    return 0;
}
