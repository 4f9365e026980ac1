/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Times a few MPI calls between the first two ranks, and one collective over all; prints
 * "name microseconds" lines, each the median of many short blocks, of which other
 * processes disturb only some.  An ordinary MPI program: bench/run starts it with and
 * without crmpi.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

#define BLOCKS 151
#define WINDOW 64
#define LARGE 65536

static int world_rank;
static char buffer[LARGE];

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void ping_pong(int bytes, int n)
{
    for (int i = 0; i < n; i++) {
        if (world_rank == 0) {
            MPI_Send(buffer, bytes, MPI_CHAR, 1, 0, MPI_COMM_WORLD);
            MPI_Recv(buffer, bytes, MPI_CHAR, 1, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        } else if (world_rank == 1) {
            MPI_Recv(buffer, bytes, MPI_CHAR, 0, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
            MPI_Send(buffer, bytes, MPI_CHAR, 0, 0, MPI_COMM_WORLD);
        }
    }
}

/* Windows of messages from rank 0 to rank 1, each answered by an empty message. */
static void message_windows(int bytes, int n)
{
    MPI_Request requests[WINDOW];

    if (world_rank > 1)
        return;
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < WINDOW; k++) {
            char *slot = buffer + k * bytes;
            if (world_rank == 0)
                MPI_Isend(slot, bytes, MPI_CHAR, 1, 0, MPI_COMM_WORLD, &requests[k]);
            else
                MPI_Irecv(slot, bytes, MPI_CHAR, 0, 0, MPI_COMM_WORLD, &requests[k]);
        }
        MPI_Waitall(WINDOW, requests, MPI_STATUSES_IGNORE);
        if (world_rank == 0)
            MPI_Recv(NULL, 0, MPI_CHAR, 1, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        else
            MPI_Send(NULL, 0, MPI_CHAR, 0, 1, MPI_COMM_WORLD);
    }
}

static void allreduce(int bytes, int n)
{
    double value = world_rank, sum;

    (void)bytes;
    for (int i = 0; i < n; i++)
        MPI_Allreduce(&value, &sum, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
}

/* Print the median, over blocks, of one operation's time; @p per_call operations each. */
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

int main(int argc, char **argv)
{
    int n_ranks;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &world_rank);
    MPI_Comm_size(MPI_COMM_WORLD, &n_ranks);
    if (n_ranks < 2) {
        fprintf(stderr, "bench-mpi: needs at least 2 ranks\n");
        MPI_Abort(MPI_COMM_WORLD, 2);
    }
    measure("latency_8", ping_pong, 8, 1000, 2);
    measure("latency_64k", ping_pong, LARGE, 100, 2);
    measure("message", message_windows, 8, 30, WINDOW);
    measure("allreduce", allreduce, 8, 500, 1);
    MPI_Finalize();
    return 0;
}
