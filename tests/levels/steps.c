/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program that takes checkpoints and stops after each, for a test to look around.  Test.
 *
 *     steps N MIB FOLDER
 *
 * After checkpoint I rank 0 makes FOLDER/done.I, which says whether it was taken, and waits
 * for FOLDER/go.I.  Every rank has another amount of data, and changes it.
 */
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "crmpi.h"

static int world_rank;

static void fill(uint64_t *data, size_t n, uint64_t seed)
{
    for (size_t i = 0; i < n; i++)
        data[i] = (i + 1) * (seed * 0x9e3779b97f4a7c15 + 1);
}

static int is_right(const uint64_t *data, size_t n, uint64_t seed)
{
    for (size_t i = 0; i < n; i++)
        if (data[i] != (i + 1) * (seed * 0x9e3779b97f4a7c15 + 1))
            return 0;
    return 1;
}

static void say_and_wait(const char *folder, int step, int is_taken)
{
    char path[4096], unfinished[4200];
    FILE *file;

    snprintf(path, sizeof path, "%s/done.%d", folder, step);
    snprintf(unfinished, sizeof unfinished, "%s.new", path);
    file = fopen(unfinished, "w");
    if (file == NULL || fputs(is_taken ? "taken\n" : "failed\n", file) < 0 ||
        fclose(file) != 0 || rename(unfinished, path) != 0)
        MPI_Abort(MPI_COMM_WORLD, 3);
    snprintf(path, sizeof path, "%s/go.%d", folder, step);
    while (access(path, F_OK) != 0)
        usleep(10000);
}

int main(int argc, char **argv)
{
    int n_steps = argc == 4 ? atoi(argv[1]) : 0;
    size_t n;
    uint64_t *data;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &world_rank);
    n = argc == 4 ? ((size_t)atoi(argv[2]) << 17) + (size_t)world_rank * 50000 : 0;
    data = malloc(n * sizeof *data);
    if (n == 0 || data == NULL)
        MPI_Abort(MPI_COMM_WORLD, 2);
    for (int step = 1; step <= n_steps; step++) {
        uint64_t seed = (uint64_t)step * 100 + (uint64_t)world_rank;
        int is_taken = 0;

        fill(data, n, seed);
        if (world_rank == 0) /* one request, with one outcome */
            is_taken = CRMPI_Checkpoint() == MPI_SUCCESS;
        MPI_Barrier(MPI_COMM_WORLD);
        if (!is_right(data, n, seed)) {
            fprintf(stderr, "rank %d: its data have changed\n", world_rank);
            MPI_Abort(MPI_COMM_WORLD, 1);
        }
        if (world_rank == 0)
            say_and_wait(argv[3], step, is_taken);
        MPI_Barrier(MPI_COMM_WORLD);
    }
    MPI_Finalize();
    free(data);
    return 0;
}
