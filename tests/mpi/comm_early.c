/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One rank frees many communicators long before the others, who do so in another order,
 * and has receives pending on some: that takes no longer than it ought to, and neither do
 * messages and new communicators meanwhile.  Intercommunicators and windows are among
 * them.  Argument: how many new ones.
 */
#include "check.h"

#define MOST 4000
#define LIMIT 20 /* seconds, for what takes some milliseconds */

static MPI_Comm comms[MOST];

/* Half of the duplicates are of the world, others of parts of it. */
static void make(int n, MPI_Comm part)
{
    int i;

    for (i = 0; i < n; i++)
        CHECK_MPI(MPI_Comm_dup(i % 4 == 3 ? part : MPI_COMM_WORLD, &comms[i]));
}

static void end(int n, int backwards)
{
    int i;

    for (i = 0; i < n; i++)
        CHECK_MPI(MPI_Comm_free(&comms[backwards ? n - 1 - i : i]));
}

static void ring(long step)
{
    int out = check_rank + (int)step, in = -1, right = (check_rank + 1) % check_size,
        left = (check_rank + check_size - 1) % check_size, i;

    for (i = 0; i < 20; i++) {
        CHECK_MPI(MPI_Sendrecv(&out, 1, MPI_INT, right, 3, &in, 1, MPI_INT, left, 3,
                               MPI_COMM_WORLD, MPI_STATUS_IGNORE));
        CHECK_EQ(in, left + step);
    }
}

static int n_more = 20; /* argument */

static void step_of(long step, int n, MPI_Comm part)
{
    int early = (int)(step % check_size), value = (int)step, got = -1, i;
    double begin = check_seconds();
    MPI_Request request = MPI_REQUEST_NULL;
    MPI_Comm kept, one, more[MOST];

    make(n, part);
    CHECK_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &kept));
    if (check_rank == early)
        CHECK_MPI(
            MPI_Irecv(&got, 1, MPI_INT, (early + 1) % check_size, 4, kept, &request));
    if (check_rank == (early + 1) % check_size)
        CHECK_MPI(MPI_Send(&value, 1, MPI_INT, early, 4, kept));
    CHECK_MPI(MPI_Comm_free(&kept));
    if (check_rank == early)
        end(n, 0);
    ring(step);
    for (i = 0; i < n_more; i++)
        CHECK_MPI(MPI_Comm_split(MPI_COMM_WORLD, check_rank % 2, 0, &more[i]));
    if (check_rank != early)
        end(n, check_rank % 2);
    for (i = 0; i < n_more; i++)
        CHECK_MPI(MPI_Comm_free(&more[i]));
    CHECK_MPI(MPI_Wait(&request, MPI_STATUS_IGNORE));
    if (check_rank == early)
        CHECK_EQ(got, step);
    CHECK_MPI(MPI_Comm_dup(part, &one));
    CHECK_MPI(MPI_Allreduce(MPI_IN_PLACE, &value, 1, MPI_INT, MPI_SUM, one));
    check_note((uint64_t)value);
    CHECK_MPI(MPI_Comm_free(&one));
    begin = check_seconds() - begin;
    CHECK(step > 0 || begin < LIMIT, "%d communicators took %.1f s", n, begin);
}

/* An intercommunicator and a window, freed by one side first. */
static void others(long step)
{
    MPI_Comm half, inter;
    int value = 1, sum = 0;
    MPI_Win win;

    if (check_size == 1)
        return;
    CHECK_MPI(MPI_Comm_split(MPI_COMM_WORLD, check_rank > 0, check_rank, &half));
    CHECK_MPI(MPI_Intercomm_create(half, 0, MPI_COMM_WORLD, check_rank == 0, 7, &inter));
    CHECK_MPI(MPI_Allreduce(&value, &sum, 1, MPI_INT, MPI_SUM, inter));
    CHECK_EQ(sum, check_rank > 0 ? 1 : check_size - 1);
    if (check_rank == (int)(step % check_size))
        CHECK_MPI(MPI_Comm_free(&inter));
    ring(step);
    if (inter != MPI_COMM_NULL)
        CHECK_MPI(MPI_Comm_free(&inter));
    CHECK_MPI(MPI_Comm_free(&half));
    CHECK_MPI(
        MPI_Win_create(&value, sizeof value, 1, MPI_INFO_NULL, MPI_COMM_WORLD, &win));
    CHECK_MPI(MPI_Win_free(&win));
}

int main(int argc, char **argv)
{
    MPI_Comm part;
    long step, steps;

    MPI_Init(&argc, &argv);
    steps = check_begin("comm_early", argc, argv, 100);
    if (argc > 2)
        n_more = atoi(argv[2]);
    CHECK(n_more > 0 && n_more <= MOST, "%d", n_more);
    CHECK_MPI(MPI_Comm_split(MPI_COMM_WORLD, check_rank % 2, -check_rank, &part));
    for (step = 0; step < steps; step++) {
        step_of(step, step == 0 ? MOST : 100, part);
        others(step);
    }
    CHECK_MPI(MPI_Comm_free(&part));
    check_end(steps);
    MPI_Finalize();
    return 0;
}
