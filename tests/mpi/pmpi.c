/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program that puts functions of its own in front of MPI's, as tools do, and calls the
 * PMPI names below; and Pcontrol.
 */
#include "message.h"

static long n_sends, n_receives, n_reductions;

int MPI_Send(const void *buffer, int n, MPI_Datatype type, int dest, int tag,
             MPI_Comm comm)
{
    n_sends++;
    return PMPI_Send(buffer, n, type, dest, tag, comm);
}

int MPI_Recv(void *buffer, int n, MPI_Datatype type, int source, int tag, MPI_Comm comm,
             MPI_Status *status)
{
    MPI_Request request;
    int result;

    n_receives++; /* made of other calls, as a tool might do */
    result = PMPI_Irecv(buffer, n, type, source, tag, comm, &request);
    return result == MPI_SUCCESS ? PMPI_Wait(&request, status) : result;
}

int MPI_Allreduce(const void *in, void *out, int n, MPI_Datatype type, MPI_Op op,
                  MPI_Comm comm)
{
    n_reductions++;
    return PMPI_Allreduce(in, out, n, type, op, comm);
}

int main(int argc, char **argv)
{
    char out[1500], in[1500];
    int left, right, turn;
    long step, steps, sum;
    MPI_Status status;

    MPI_Init(&argc, &argv);
    steps = check_begin("pmpi", argc, argv, 20000);
    left = (check_rank + check_size - 1) % check_size;
    right = (check_rank + 1) % check_size;
    for (step = 0; step < steps; step++) {
        int n = 24 + (int)(step % 1400);
        message_make(out, n, check_rank, right, 1, (uint64_t)step);
        for (turn = 0; turn < 2 && check_size > 1; turn++) {
            if (turn ==
                (check_rank > 0)) { /* the first sends first, the others receive */
                CHECK_MPI(MPI_Send(out, n, MPI_BYTE, right, 1, MPI_COMM_WORLD));
                continue;
            }
            CHECK_MPI(MPI_Recv(in, n, MPI_BYTE, left, 1, MPI_COMM_WORLD, &status));
            MESSAGE_STATUS(&status, n, left, 1);
            MESSAGE_CHECK(in, n, left, check_rank, 1, (uint64_t)step);
        }
        if (step % 10 == 0) {
            CHECK_MPI(MPI_Allreduce(&step, &sum, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD));
            CHECK_EQ(sum, step * check_size);
            CHECK_MPI(MPI_Pcontrol(1));
        }
    }
    CHECK_EQ(n_sends, check_size > 1 ? steps : 0);
    CHECK_EQ(n_receives, check_size > 1 ? steps : 0);
    CHECK_EQ(n_reductions, (steps + 9) / 10);
    check_note((uint64_t)n_sends);
    check_end(steps);
    MPI_Finalize();
    return 0;
}
