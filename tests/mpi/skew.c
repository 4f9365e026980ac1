/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One rank computes for long without a call of MPI while the others wait for it, in a
 * receive, a barrier, an allreduce, a probe or a test loop; the floating-point state of
 * the computing rank is watched.
 */
#include "check.h"
#include <fenv.h>
#include <math.h>

/* A sum whose rounding depends on the mode: it shows when the control words change. */
static double rounded_sum(int mode, int n)
{
    volatile double sum = 0, third = 3;

    CHECK_EQ(fesetround(mode), 0);
    for (int i = 1; i <= n; i++)
        sum += 1 / (third * i);
    CHECK_EQ(fegetround(), mode);
    return sum;
}

/* Extended precision lives in the x87 registers. */
static long double extended(int n)
{
    long double x = 1;

    for (int i = 1; i <= n; i++)
        x = x * 1.0000000000000000001L + 1.0L / i;
    return x;
}

static void compute_rounded(int work)
{
    int n = work * 20000;
    double up = rounded_sum(FE_UPWARD, n), down = rounded_sum(FE_DOWNWARD, n);
    double nearest = rounded_sum(FE_TONEAREST, n);
    long double first = extended(n), second = extended(n);

    CHECK(down < nearest && nearest < up && up - down < 1e-6, "%.17g %.17g %.17g", down,
          nearest, up);
    CHECK(first == second, "%.21Lg, then %.21Lg", first, second);
    CHECK(feclearexcept(FE_ALL_EXCEPT) == 0 && sqrt(2.0) * sqrt(2.0) > 1.99,
          "floating point");
}

/* What the others do meanwhile; the late one has the value. */
static int wait_for(int late, long step, int how)
{
    int value = check_rank == late ? (int)step : 0, flag = 0, i;
    MPI_Request request;
    MPI_Status status;

    switch (how) {
    case 0:
        CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
        return (int)step;
    case 1:
        CHECK_MPI(
            MPI_Allreduce(MPI_IN_PLACE, &value, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD));
        return value;
    case 2:
        CHECK_MPI(MPI_Bcast(&value, 1, MPI_INT, late, MPI_COMM_WORLD));
        return value;
    default:
        break;
    }
    if (check_rank == late) {
        for (i = 0; i < check_size; i++)
            if (i != late)
                CHECK_MPI(MPI_Ssend(&value, 1, MPI_INT, i, how, MPI_COMM_WORLD));
        return value;
    }
    if (how == 4)
        CHECK_MPI(MPI_Probe(MPI_ANY_SOURCE, how, MPI_COMM_WORLD, &status));
    if (how == 5) {
        CHECK_MPI(MPI_Irecv(&value, 1, MPI_INT, late, how, MPI_COMM_WORLD, &request));
        while (!flag)
            CHECK_MPI(MPI_Test(&request, &flag, &status));
        return value;
    }
    if (how == 6)
        while (!flag)
            CHECK_MPI(MPI_Iprobe(late, how, MPI_COMM_WORLD, &flag, &status));
    CHECK_MPI(MPI_Recv(&value, 1, MPI_INT, late, how, MPI_COMM_WORLD, &status));
    return value;
}

int main(int argc, char **argv)
{
    long step, steps;

    MPI_Init(&argc, &argv);
    steps = check_begin("skew", argc, argv, 14);
    for (step = 0; step < steps; step++) {
        int late = (int)(step % check_size), how = (int)(step % 7);
        if (check_rank == late) {
            check_compute(60, (uint64_t)step);
            compute_rounded(40);
        }
        CHECK_EQ(wait_for(late, step, how), step);
        check_note((uint64_t)how);
    }
    check_end(steps);
    MPI_Finalize();
    return 0;
}
