/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program that takes its time however fast the machine is: in every step of 20 ms or more
 * each rank works a little and passes a number on to the next one.  The results are printed.
 * Test.
 *
 *   paced STEPS [STATUS]
 */
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int rank, n_ranks, steps = argc > 1 ? atoi(argv[1]) : 0;
    uint64_t own, given, sum;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &n_ranks);
    own = (uint64_t)rank + 1;
    for (int i = 1; i <= steps; i++) {
        usleep(20000);
        own = own * 6364136223846793005u + (uint64_t)i;
        MPI_Sendrecv(&own, 1, MPI_UINT64_T, (rank + 1) % n_ranks, i, &given, 1,
                     MPI_UINT64_T, (rank + n_ranks - 1) % n_ranks, i, MPI_COMM_WORLD,
                     MPI_STATUS_IGNORE);
        own ^= given >> 7;
        MPI_Reduce(&own, &sum, 1, MPI_UINT64_T, MPI_BXOR, 0, MPI_COMM_WORLD);
        if (rank == 0) {
            printf("step %d: %016llx\n", i, (unsigned long long)sum);
            fflush(stdout);
        }
    }
    MPI_Finalize();
    return argc > 2 ? atoi(argv[2]) : 0;
}
