/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A job to checkpoint: every rank holds MIB mebibytes of random data and does next to
 * nothing, until it is ended from outside.  Says "ready" when the data are there.  With
 * "pairs" each rank has to do with one other only from then on.
 */
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* With the neighbour; the last of an odd number has none. */
static void meet_partner(int world_rank, int n_ranks)
{
    int partner = world_rank ^ 1, mine = 1, theirs;

    if (partner < n_ranks)
        MPI_Sendrecv(&mine, 1, MPI_INT, partner, 0, &theirs, 1, MPI_INT, partner, 0,
                     MPI_COMM_WORLD, MPI_STATUS_IGNORE);
}

int main(int argc, char **argv)
{
    int world_rank, n_ranks, pairs = argc == 3 && strcmp(argv[2], "pairs") == 0;
    size_t words = argc >= 2 ? strtoul(argv[1], NULL, 10) * (1 << 20) / 8 : 0;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &world_rank);
    MPI_Comm_size(MPI_COMM_WORLD, &n_ranks);
    uint64_t *data = malloc(words * sizeof data[0] + 1);
    if (argc != 2 + pairs || data == NULL) {
        fprintf(stderr, "usage: bench-memory MIB [pairs]\n");
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
        if (pairs)
            meet_partner(world_rank, n_ranks);
        else
            MPI_Barrier(MPI_COMM_WORLD);
    }
}
