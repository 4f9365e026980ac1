/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How the benchmarks of MPI calls measure: prints "name microseconds" lines, each the
 * median of many short blocks, of which other processes disturb only some.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

#define BLOCKS 151

static int world_rank, n_ranks;

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/** Print the median, over blocks, of one operation's time; @p per_call operations each. */
static void measure(const char *name, void (*run)(int, int), int bytes, int n,
                    int per_call)
{
    double us[BLOCKS];

    run(bytes, n);
    for (int b = 0; b < BLOCKS; b++) {
        MPI_Barrier(MPI_COMM_WORLD);
        double start = MPI_Wtime();
        run(bytes, n);
        us[b] = (MPI_Wtime() - start) * 1e6 / n / per_call;
    }
    qsort(us, BLOCKS, sizeof us[0], compare);
    if (world_rank == 0)
        printf("%s %.6f\n", name, us[BLOCKS / 2]);
}

static void measure_begin(int *argc, char ***argv, const char *program)
{
    MPI_Init(argc, argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &world_rank);
    MPI_Comm_size(MPI_COMM_WORLD, &n_ranks);
    if (n_ranks < 2) {
        fprintf(stderr, "%s: needs at least 2 ranks\n", program);
        MPI_Abort(MPI_COMM_WORLD, 2);
    }
}

#endif
