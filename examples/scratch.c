/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program that has more in memory than a checkpoint needs: a table that can be computed
 * again, and scratch memory that holds nothing between two steps.  It says so to crmpi,
 * is told of checkpoints, and says in the end what they have cost.
 *
 *   mpicc -O2 scratch.c -lcrmpi -lm -o scratch
 *   crmpi-run mpirun -np 4 ./scratch [STEPS]
 *
 * Without crmpi-run it is an ordinary program: the calls of crmpi.h then do nothing.
 */
#include <crmpi.h>
#include <math.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

#define N_TABLE 4000000
#define N_SCRATCH 20000

static int rank;

/* Called at a restart, before the program goes on; else it is an ordinary function. */
static int fill_table(void *start, size_t bytes, void *unused)
{
    double *table = start;

    (void)unused;
    for (size_t i = 0; i < bytes / sizeof *table; i++)
        table[i] = sqrt((double)i);
    return 0;
}

/* Called around checkpoints.  It may print, but not communicate. */
static int tell(int event, void *unused)
{
    const char *what = event == CRMPI_BEFORE      ? "a checkpoint is about to be taken"
                       : event == CRMPI_COMMITTED ? "it is committed"
                       : event == CRMPI_GIVEN_UP  ? "it was given up"
                                                  : "the job was restarted from it";

    (void)unused;
    if (rank == 0)
        printf("hook: %s\n", what);
    fflush(stdout);
    return 0;
}

/* What is in scratch would be lost in a checkpoint: so none is taken here. */
static double work(const double *table, double *scratch, int step)
{
    double sum = 0;

    CRMPI_Critical_begin();
    for (int i = 0; i < N_SCRATCH; i++)
        scratch[i] = table[(i * 37 + step * 1001 + rank) % N_TABLE];
    for (int i = 0; i < N_SCRATCH; i++)
        sum += scratch[N_SCRATCH - 1 - i];
    CRMPI_Critical_end();
    return sum;
}

static void tell_cost(void)
{
    struct CRMPI_statistics s;

    if (CRMPI_Get_statistics(&s) == 0)
        printf("cost: %llu checkpoints, %llu failures, %llu restarts, %llu bytes, "
               "%.3f seconds\n",
               s.checkpoints, s.failures, s.restarts, s.bytes, s.blocked);
}

int main(int argc, char **argv)
{
    double *table = malloc(N_TABLE * sizeof *table);
    double *scratch = malloc(N_SCRATCH * sizeof *scratch);
    int steps = argc > 1 ? atoi(argv[1]) : 10000;
    double total = 0;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (table == NULL || scratch == NULL)
        MPI_Abort(MPI_COMM_WORLD, 1);
    fill_table(table, N_TABLE * sizeof *table, NULL);

    CRMPI_Exclude(table, N_TABLE * sizeof *table);
    CRMPI_Refill(table, fill_table, NULL);
    CRMPI_Exclude(scratch, N_SCRATCH * sizeof *scratch);
    CRMPI_Hook_add(CRMPI_BEFORE | CRMPI_COMMITTED | CRMPI_GIVEN_UP | CRMPI_RESTART, tell,
                   NULL);

    for (int step = 1; step <= steps; step++) {
        double mine = work(table, scratch, step), sum;

        MPI_Allreduce(&mine, &sum, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
        total += sum;
        if (rank == 0 && step % 100 == 0) {
            printf("step %d\n", step);
            fflush(stdout);
        }
    }
    if (rank == 0) {
        printf("result: %.6f\n", total);
        tell_cost();
    }

    CRMPI_Include(scratch); /* before it is freed */
    CRMPI_Include(table);
    free(scratch);
    free(table);
    MPI_Finalize();
    return 0;
}
