/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Times a few MPI calls between the first two ranks, and one collective over all.  An
 * ordinary MPI program: bench/run starts it with and without crmpi.
 */
#include "measure.h"

#define WINDOW 64
#define LARGE 65536

static char buffer[LARGE];

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

int main(int argc, char **argv)
{
    measure_begin(&argc, &argv, "bench-mpi");
    measure("latency_8", ping_pong, 8, 1000, 2);
    measure("latency_64k", ping_pong, LARGE, 100, 2);
    measure("message", message_windows, 8, 30, WINDOW);
    measure("allreduce", allreduce, 8, 500, 1);
    MPI_Finalize();
    return 0;
}
