/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Communicators that their members make and free at very different moments: groups and
 * intercommunicators that not all of a parent make, duplicates made without waiting, and
 * frees that some members do long before others, who still send messages.
 *
 * Open MPI 4.1 mixes up what is made of one communicator at the same time, crmpi does
 * not: without it a duplicate is waited for before the next call.  With "multiple" the
 * level of threads is MPI_THREAD_MULTIPLE.
 */
#include "check.h"
#include <dlfcn.h>

static uint64_t random_state; /* of this rank alone: only for delays */
static int at_once;           /* duplicates may be made at the same time */

/* Most often nothing, sometimes long. */
static void dawdle(void)
{
    int ms = check_below(&random_state, 40);

    if (ms < 10)
        check_sleep_ms(ms);
}

/* Let the MPI library make progress, in some ranks. */
static void stir(void)
{
    int flag, ms = check_below(&random_state, 8) - 4;
    double end = MPI_Wtime() + ms / 1000.0;

    while (MPI_Wtime() < end)
        CHECK_MPI(MPI_Iprobe(0, 9, MPI_COMM_SELF, &flag, MPI_STATUS_IGNORE));
}

static MPI_Group group_of(int first, int stride)
{
    MPI_Group world, group;
    int range[1][3] = {{first, check_size - 1, stride}};

    CHECK_MPI(MPI_Comm_group(MPI_COMM_WORLD, &world));
    CHECK_MPI(MPI_Group_range_incl(world, 1, range, &group));
    CHECK_MPI(MPI_Group_free(&world));
    return group;
}

/* Once around; the sender goes on at once. */
static void pass_on(MPI_Comm comm, int tag)
{
    int rank, size, got;

    CHECK_MPI(MPI_Comm_rank(comm, &rank));
    CHECK_MPI(MPI_Comm_size(comm, &size));
    CHECK_MPI(MPI_Send(&check_rank, 1, MPI_INT, (rank + 1) % size, tag, comm));
    dawdle();
    CHECK_MPI(MPI_Recv(&got, 1, MPI_INT, (rank + size - 1) % size, tag, comm,
                       MPI_STATUS_IGNORE));
    check_note((uint64_t)got);
}

static MPI_Comm side_make(int side, long step)
{
    MPI_Group group = group_of(side, 2);
    MPI_Comm comm;

    dawdle();
    CHECK_MPI(MPI_Comm_create_group(MPI_COMM_WORLD, group, (int)(step % 2), &comm));
    CHECK_MPI(MPI_Group_free(&group));
    return comm;
}

static void sides(long step)
{
    int side = check_rank % 2, sum = 0, one = 1;
    MPI_Comm own = side_make(side, step), inter;

    pass_on(own, 1);
    dawdle();
    CHECK_MPI(MPI_Intercomm_create(own, 0, MPI_COMM_WORLD, 1 - side, 7, &inter));
    dawdle();
    CHECK_MPI(MPI_Comm_free(&own));
    CHECK_MPI(MPI_Allreduce(&one, &sum, 1, MPI_INT, MPI_SUM, inter));
    CHECK_EQ(sum, (check_size + side) / 2);
    dawdle();
    if (step % 2)
        CHECK_MPI(MPI_Comm_disconnect(&inter));
    else
        CHECK_MPI(MPI_Comm_free(&inter));
    CHECK(inter == MPI_COMM_NULL, "a freed communicator's handle");
}

static void duplicate(MPI_Comm comm, MPI_Comm *copy, MPI_Request *request)
{
    CHECK_MPI(MPI_Comm_idup(comm, copy, request));
    if (!at_once)
        CHECK_MPI(MPI_Wait(request, MPI_STATUS_IGNORE));
    stir();
    dawdle();
}

/* Two at once, used in the other order, with other communication before they are made. */
static void duplicates(long step)
{
    MPI_Comm comms[2], part;
    MPI_Request requests[2];
    int relation, sum = -1;

    for (int i = 0; i < 2; i++)
        duplicate(MPI_COMM_WORLD, &comms[i], &requests[i]);
    if (step % 3 == 0) {
        CHECK_MPI(MPI_Allreduce(&check_rank, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD));
        CHECK_EQ(sum, check_size * (check_size - 1) / 2);
    } else if (step % 3 == 1) {
        CHECK_MPI(MPI_Comm_split(MPI_COMM_WORLD, check_rank % 2, 0, &part));
        CHECK_MPI(MPI_Comm_free(&part));
    }
    pass_on(MPI_COMM_WORLD, 2);
    CHECK_MPI(MPI_Waitall(2, requests, MPI_STATUSES_IGNORE));
    for (int i = 1; i >= 0; i--) {
        pass_on(comms[i], 3);
        dawdle();
        CHECK_MPI(MPI_Comm_compare(comms[i], MPI_COMM_WORLD, &relation));
        CHECK_EQ(relation, MPI_CONGRUENT);
        CHECK_MPI(MPI_Comm_free(&comms[i]));
    }
}

/* Duplicates that outlive what they are made from. */
static void orphans(void)
{
    MPI_Comm parent, comms[2];
    MPI_Request requests[2];

    CHECK_MPI(MPI_Comm_split(MPI_COMM_WORLD, 0, -check_rank, &parent));
    for (int i = 0; i < 2; i++)
        duplicate(parent, &comms[i], &requests[i]);
    CHECK_MPI(MPI_Comm_free(&parent));
    for (int i = 0; i < 2; i++) {
        CHECK_MPI(MPI_Wait(&requests[i], MPI_STATUS_IGNORE));
        pass_on(comms[i], 5);
        CHECK_MPI(MPI_Comm_free(&comms[i]));
    }
}

/* A receive that outlives the communicator's handle. */
static void outlived(void)
{
    MPI_Comm comm;
    MPI_Request request;
    int got = -1, left = (check_rank + check_size - 1) % check_size;

    CHECK_MPI(MPI_Comm_split(MPI_COMM_WORLD, 0, check_rank, &comm));
    CHECK_MPI(MPI_Irecv(&got, 1, MPI_INT, left, 4, comm, &request));
    dawdle();
    CHECK_MPI(MPI_Send(&check_rank, 1, MPI_INT, (check_rank + 1) % check_size, 4, comm));
    CHECK_MPI(MPI_Comm_free(&comm));
    dawdle();
    CHECK_MPI(MPI_Wait(&request, MPI_STATUS_IGNORE));
    CHECK_EQ(got, left);
}

int main(int argc, char **argv)
{
    int wanted = argc > 2 && strcmp(argv[2], "multiple") == 0 ? MPI_THREAD_MULTIPLE
                                                              : MPI_THREAD_SINGLE;
    int provided;
    long steps;

    MPI_Init_thread(&argc, &argv, wanted, &provided);
    steps = check_begin("comm_skew", argc, argv, 150);
    CHECK(provided >= wanted, "thread level %d", provided);
    random_state = (uint64_t)check_rank + 1;
    at_once = dlsym(RTLD_DEFAULT, "CRMPI_Checkpoint") != NULL;
    for (long step = 0; step < steps; step++) {
        if (check_size > 1)
            sides(step);
        duplicates(step);
        orphans();
        outlived();
    }
    check_end(steps);
    MPI_Finalize();
    return 0;
}
