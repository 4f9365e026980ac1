/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Heat in a square plate whose upper edge is hot: the rows are spread over the ranks,
 * which exchange their border rows in every step.  An ordinary MPI program that knows
 * nothing of checkpoints; README in this folder shows how it gets them.
 *
 *   heat [SIZE [STEPS]]
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

/* One rank's rows, with a border row above and one below. */
struct plate {
    int size, rows;
    double *now, *next;
};

static double *row(const struct plate *plate, double *field, int i)
{
    return field + (size_t)i * (size_t)(plate->size + 2);
}

static void exchange_borders(struct plate *plate, int above, int below)
{
    MPI_Request requests[4];
    int n = plate->size + 2;

    MPI_Irecv(row(plate, plate->now, 0), n, MPI_DOUBLE, above, 0, MPI_COMM_WORLD,
              &requests[0]);
    MPI_Irecv(row(plate, plate->now, plate->rows + 1), n, MPI_DOUBLE, below, 1,
              MPI_COMM_WORLD, &requests[1]);
    MPI_Isend(row(plate, plate->now, 1), n, MPI_DOUBLE, above, 1, MPI_COMM_WORLD,
              &requests[2]);
    MPI_Isend(row(plate, plate->now, plate->rows), n, MPI_DOUBLE, below, 0,
              MPI_COMM_WORLD, &requests[3]);
    MPI_Waitall(4, requests, MPI_STATUSES_IGNORE);
}

static void step(struct plate *plate)
{
    for (int i = 1; i <= plate->rows; i++) {
        const double *up = row(plate, plate->now, i - 1);
        const double *here = row(plate, plate->now, i);
        const double *down = row(plate, plate->now, i + 1);
        double *next = row(plate, plate->next, i);
        for (int k = 1; k <= plate->size; k++)
            next[k] = 0.25 * (up[k] + down[k] + here[k - 1] + here[k + 1]);
    }
    double *swap = plate->now;
    plate->now = plate->next;
    plate->next = swap;
}

static double mean(struct plate *plate)
{
    double sum = 0, total;

    for (int i = 1; i <= plate->rows; i++)
        for (int k = 1; k <= plate->size; k++)
            sum += row(plate, plate->now, i)[k];
    MPI_Allreduce(&sum, &total, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    return total / plate->size / plate->size;
}

/* Keep the hot edge: it is the border row above the first rank's rows. */
static void heat_edge(struct plate *plate)
{
    for (int k = 1; k <= plate->size; k++) {
        row(plate, plate->now, 0)[k] = 100;
        row(plate, plate->next, 0)[k] = 100;
    }
}

int main(int argc, char **argv)
{
    int rank, n_ranks;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &n_ranks);
    int size = argc > 1 ? atoi(argv[1]) : 1000;
    int steps = argc > 2 ? atoi(argv[2]) : 20000;
    if (size < n_ranks || steps < 1) {
        if (rank == 0)
            fprintf(stderr, "usage: heat [SIZE [STEPS]]; SIZE >= the number of ranks\n");
        MPI_Abort(MPI_COMM_WORLD, 2);
    }

    int rows = size / n_ranks + (rank < size % n_ranks);
    size_t cells = (size_t)(rows + 2) * (size_t)(size + 2);
    struct plate plate = {size, rows, calloc(cells, sizeof(double)),
                          calloc(cells, sizeof(double))};
    if (plate.now == NULL || plate.next == NULL) {
        fprintf(stderr, "heat: no memory for a plate of size %d\n", size);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    int above = rank == 0 ? MPI_PROC_NULL : rank - 1;
    int below = rank == n_ranks - 1 ? MPI_PROC_NULL : rank + 1;
    if (rank == 0)
        heat_edge(&plate);

    for (int i = 1; i <= steps; i++) {
        exchange_borders(&plate, above, below);
        step(&plate);
        if (i % 500 == 0 || i == steps) {
            double value = mean(&plate);
            if (rank == 0) {
                printf("step %6d  mean %.12f\n", i, value);
                fflush(stdout);
            }
        }
    }
    free(plate.now);
    free(plate.next);
    MPI_Finalize();
    return 0;
}
