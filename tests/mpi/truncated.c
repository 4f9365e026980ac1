/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages that are too long for their receives, and wait for them for a while: another
 * rank's and a rank's own, received in all ways.
 */
#include "check.h"

#define MAX_INTS 20000
#define ROOM 4 /* of a receive; more may be written behind it by the MPI library */

static int receive(int how, int *into, int from, int tag, MPI_Status *status)
{
    MPI_Request request;
    MPI_Message message;

    switch (how) {
    case 0:
        return MPI_Recv(into, ROOM, MPI_INT, from, tag, MPI_COMM_WORLD, status);
    case 1:
        CHECK_MPI(MPI_Irecv(into, ROOM, MPI_INT, from, tag, MPI_COMM_WORLD, &request));
        return MPI_Wait(&request, status);
    default:
        CHECK_MPI(MPI_Mprobe(from, tag, MPI_COMM_WORLD, &message, status));
        return MPI_Mrecv(into, ROOM, MPI_INT, &message, status);
    }
}

static void check_truncated(int how, int *into, int from, int tag, int n)
{
    MPI_Status status;
    int result, class, count;

    memset(into, 0, MAX_INTS * sizeof *into);
    result = receive(how, into, from, tag, &status);
    CHECK_MPI(MPI_Error_class(result, &class));
    CHECK_MPI(MPI_Get_count(&status, MPI_INT, &count));
    CHECK(class == (n > ROOM ? MPI_ERR_TRUNCATE : MPI_SUCCESS) && count == n,
          "way %d, from %d of %d: class %d, %d of %d", how, from, check_rank, class,
          count, n);
    CHECK_EQ(status.MPI_SOURCE, from);
    CHECK_EQ(status.MPI_TAG, tag);
    for (int i = 0; i < (n < ROOM ? n : ROOM); i++)
        CHECK_EQ(into[i], tag + i);
    check_note((uint64_t)count);
}

static void fill(int *data, int tag)
{
    for (int i = 0; i < MAX_INTS; i++)
        data[i] = tag + i;
}

int main(int argc, char **argv)
{
    static int to_next[MAX_INTS], to_self[MAX_INTS], into[MAX_INTS];
    long step, steps;
    int left, right;

    MPI_Init(&argc, &argv);
    steps = check_begin("truncated", argc, argv, 300);
    left = (check_rank + check_size - 1) % check_size;
    right = (check_rank + 1) % check_size;
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    for (step = 0; step < steps; step++) {
        static const int lengths[] = {3, 10, 900, MAX_INTS};
        int n = lengths[step % 4], how = (int)(step / 4 % 3);
        MPI_Request sends[2];

        fill(to_next, 1);
        fill(to_self, 2);
        CHECK_MPI(MPI_Isend(to_next, n, MPI_INT, right, 1, MPI_COMM_WORLD, &sends[0]));
        CHECK_MPI(
            MPI_Isend(to_self, n, MPI_INT, check_rank, 2, MPI_COMM_WORLD, &sends[1]));
        check_sleep_ms(4); /* a checkpoint may fall here */
        check_truncated(how, into, check_rank, 2, n);
        check_truncated(how, into, left, 1, n);
        CHECK_MPI(MPI_Waitall(2, sends, MPI_STATUSES_IGNORE));
    }
    check_end(steps);
    MPI_Finalize();
    return 0;
}
