/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Operations of blocking reductions that all ranks leave by longjmp(), in a close loop: a cut
 * falls where some have left one and others are still in it, and none may be in the next one
 * then.
 */
#include <setjmp.h>

#include "check.h"

static jmp_buf out;

static void add(void *in, void *inout, int *n, MPI_Datatype *type)
{
    (void)type;
    for (int i = 0; i < *n; i++)
        ((int *)inout)[i] += ((int *)in)[i];
    longjmp(out, 1);
}

int main(int argc, char **argv)
{
    MPI_Comm comm;
    MPI_Op op;
    long steps;

    MPI_Init(&argc, &argv);
    steps = check_begin("leaves", argc, argv, 200000);
    CHECK_MPI(MPI_Op_create(add, 1, &op));
    CHECK_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &comm));
    for (volatile long step = 0; step < steps; step++) {
        int values[2] = {1, 2}, next[3] = {check_rank, 3, 4};

        if (setjmp(out) == 0)
            CHECK_MPI(MPI_Allreduce(MPI_IN_PLACE, values, 2, MPI_INT, op, comm));
        CHECK_MPI(MPI_Allreduce(MPI_IN_PLACE, next, 3, MPI_INT, MPI_SUM, comm));
        CHECK_EQ(next[0], check_size * (check_size - 1) / 2);
    }
    CHECK_MPI(MPI_Op_free(&op));
    CHECK_MPI(MPI_Comm_free(&comm));
    check_end(steps);
    MPI_Finalize();
    return 0;
}
