/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A job to checkpoint: every rank holds MIB mebibytes of random data and does next to
 * nothing, until it is ended from outside.  Says "ready" when the data are there.
 */
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int world_rank;
    size_t words = argc == 2 ? strtoul(argv[1], NULL, 10) * (1 << 20) / 8 : 0;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &world_rank);
    uint64_t *data = malloc(words * sizeof data[0] + 1);
    if (argc != 2 || data == NULL) {
        fprintf(stderr, "usage: bench-memory MIB\n");
        MPI_Abort(MPI_COMM_WORLD, 2);
    }
    uint64_t x = 88172645463325252u + (uint64_t)world_rank;
    for (size_t i = 0; i < words; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        data[i] = x;
    }
    MPI_Barrier(MPI_COMM_WORLD);
    if (world_rank == 0) {
        puts("ready");
        fflush(stdout);
    }
    for (;;) {
        usleep(20000);
        MPI_Barrier(MPI_COMM_WORLD);
    }
}
