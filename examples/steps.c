/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A rod that is hot at one end, spread over the ranks: a program that names what it goes
 * on from, so that its checkpoints are small, and can be looked at with h5py:
 *
 *   mpicc -O2 steps.c -lcrmpi -o steps
 *   crmpi-run --save named mpirun -np 4 ./steps [CELLS [STEPS]]
 *   crmpi-checkpoint --wait; kill -9 ...; crmpi-restart
 *
 * crmpi-restart starts it anew, also after it has been compiled again, and on other
 * nodes; it finds out that it was, and has its data filled in.  Without --save named,
 * checkpoints have the whole process and can be taken anywhere, and the data under their
 * names, too.
 */
#include <crmpi.h>
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct rod {
    size_t n;     /* cells of this rank */
    double *now;  /* n + 2 of them: the neighbours' come first and last */
    double *next; /* need not be saved */
    int64_t step; /* steps that have been done */
    int rank, n_ranks;
};

static void name_data(struct rod *rod)
{
    size_t n = rod->n + 2;

    if (CRMPI_Name("temperature", rod->now, CRMPI_DOUBLE, 1, &n) > 0 ||
        CRMPI_Name("step", &rod->step, CRMPI_INT64, 0, NULL) > 0)
        MPI_Abort(MPI_COMM_WORLD, 1); /* why was said */
    CRMPI_Exclude(rod->next, n * sizeof *rod->next);
}

/* From the checkpoint, or from the beginning. */
static void begin(struct rod *rod)
{
    int restarted;

    CRMPI_Restarted(&restarted);
    if (restarted && CRMPI_Restore() != 0)
        MPI_Abort(MPI_COMM_WORLD, 1);
    if (!restarted && rod->rank == 0)
        rod->now[0] = 100;
    if (restarted && rod->rank == 0)
        printf("goes on behind step %lld\n", (long long)rod->step);
}

static void do_step(struct rod *rod)
{
    int left = rod->rank == 0 ? MPI_PROC_NULL : rod->rank - 1;
    int right = rod->rank == rod->n_ranks - 1 ? MPI_PROC_NULL : rod->rank + 1;
    size_t n = rod->n;

    MPI_Sendrecv(&rod->now[1], 1, MPI_DOUBLE, left, 0, &rod->now[n + 1], 1, MPI_DOUBLE,
                 right, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    MPI_Sendrecv(&rod->now[n], 1, MPI_DOUBLE, right, 1, &rod->now[0], 1, MPI_DOUBLE, left,
                 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    /* begins and ends here, so a checkpoint between two steps needs `now` only */
    CRMPI_Critical_begin();
    for (size_t i = 1; i <= n; i++)
        rod->next[i] =
            0.25 * rod->now[i - 1] + 0.5 * rod->now[i] + 0.25 * rod->now[i + 1];
    for (size_t i = 1; i <= n; i++)
        rod->now[i] = rod->next[i];
    rod->step++;
    CRMPI_Critical_end();
}

static double total_heat(const struct rod *rod)
{
    double mine = 0, all;

    for (size_t i = 1; i <= rod->n; i++)
        mine += rod->now[i];
    MPI_Reduce(&mine, &all, 1, MPI_DOUBLE, MPI_SUM, 0, MPI_COMM_WORLD);
    return all;
}

int main(int argc, char **argv)
{
    long cells = argc > 1 ? atol(argv[1]) : 4000,
         steps = argc > 2 ? atol(argv[2]) : 20000;
    struct rod rod = {0};
    int due, stop, told = 0;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rod.rank);
    MPI_Comm_size(MPI_COMM_WORLD, &rod.n_ranks);
    rod.n = (size_t)(cells / rod.n_ranks + 1);
    rod.now = calloc(rod.n + 2, sizeof *rod.now);
    rod.next = calloc(rod.n + 2, sizeof *rod.next);
    if (rod.now == NULL || rod.next == NULL)
        MPI_Abort(MPI_COMM_WORLD, 1);
    name_data(&rod);
    begin(&rod);

    while (rod.step < steps) {
        do_step(&rod);
        if (rod.step % 100 != 0)
            continue;
        if (rod.rank == 0)
            printf("step %lld\n", (long long)rod.step);
        fflush(stdout);
        CRMPI_Should_stop(&stop);
        if (stop && !told++ && rod.rank == 0)
            printf("about to be stopped\n"); /* time to write what should be written */
        CRMPI_Checkpoint_due(&due);
        if (due)
            CRMPI_Checkpoint(); /* if the job is to be stopped, it ends here */
    }
    double heat = total_heat(&rod);
    if (rod.rank == 0)
        printf("result: step %lld, heat %.12f\n", (long long)rod.step, heat);

    CRMPI_Unname("temperature"); /* before they are freed */
    CRMPI_Include(rod.next);
    free(rod.now);
    free(rod.next);
    MPI_Finalize();
    return 0;
}
