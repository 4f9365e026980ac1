/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inter-communicators: messages and collectives across, merging, and their duplicates;
 * with one process there is nothing to be between.
 */
#include "check.h"

static int side, own_size, remote_size, own_rank;

static MPI_Comm make(MPI_Comm *own, int tag)
{
    MPI_Comm inter;

    CHECK_MPI(MPI_Comm_split(MPI_COMM_WORLD, side, check_rank, own));
    CHECK_MPI(MPI_Intercomm_create(*own, 0, MPI_COMM_WORLD, side == 0, tag, &inter));
    return inter;
}

/* World rank of a rank of the other side: 0, 2, 4, ... or 1, 3, ... */
static int world_of(int remote_rank)
{
    return 2 * remote_rank + (side == 0);
}

static void messages(MPI_Comm inter, long step)
{
    int peer = own_rank % remote_size, value = check_rank + 100 * (int)(step % 1000), got,
        i;
    int n_expected = 0;
    MPI_Request request;
    MPI_Status status;

    for (i = 0; i < remote_size; i++)
        n_expected += i % own_size == own_rank;
    CHECK_MPI(MPI_Isend(&value, 1, MPI_INT, peer, 9, inter, &request));
    for (i = 0; i < n_expected; i++) {
        CHECK_MPI(MPI_Recv(&got, 1, MPI_INT, MPI_ANY_SOURCE, 9, inter, &status));
        CHECK_EQ(got, world_of(status.MPI_SOURCE) + 100 * (int)(step % 1000));
        CHECK_EQ(status.MPI_SOURCE % own_size, own_rank);
    }
    CHECK_MPI(MPI_Wait(&request, MPI_STATUS_IGNORE));
    CHECK_MPI(MPI_Barrier(inter)); /* ANY_SOURCE must not take the next step's */
}

static void collectives(MPI_Comm inter, long step)
{
    int value = check_rank + 1, sum, expected = 0, i, *all, root_step = (int)(step % 777);
    int root = side == 0 ? (own_rank == 0 ? MPI_ROOT : MPI_PROC_NULL) : 0;
    int data = root == MPI_ROOT ? root_step : -5;

    for (i = 0; i < remote_size; i++)
        expected += world_of(i) + 1;
    CHECK_MPI(MPI_Allreduce(&value, &sum, 1, MPI_INT, MPI_SUM, inter));
    CHECK_EQ(sum, expected); /* of the other side */
    CHECK_MPI(MPI_Bcast(&data, 1, MPI_INT, root, inter));
    CHECK_EQ(data, side == 1 || own_rank == 0 ? root_step : -5);
    all = check_alloc((size_t)remote_size * sizeof(int));
    CHECK_MPI(MPI_Allgather(&value, 1, MPI_INT, all, 1, MPI_INT, inter));
    for (i = 0; i < remote_size; i++)
        CHECK_EQ(all[i], world_of(i) + 1);
    free(all);
    check_note((uint64_t)sum);
}

static void identity(MPI_Comm inter)
{
    int inter_flag, size, remote, rank;
    MPI_Group group;

    CHECK_MPI(MPI_Comm_test_inter(inter, &inter_flag));
    CHECK_EQ(inter_flag, 1);
    CHECK_MPI(MPI_Comm_size(inter, &size));
    CHECK_EQ(size, own_size);
    CHECK_MPI(MPI_Comm_remote_size(inter, &remote));
    CHECK_EQ(remote, remote_size);
    CHECK_MPI(MPI_Comm_rank(inter, &rank));
    CHECK_EQ(rank, own_rank);
    CHECK_MPI(MPI_Comm_remote_group(inter, &group));
    CHECK_MPI(MPI_Group_size(group, &size));
    CHECK_EQ(size, remote_size);
    CHECK_MPI(MPI_Group_free(&group));
}

/* Merged with the upper side last: evens then odds. */
static void merge(MPI_Comm inter)
{
    MPI_Comm all;
    int rank, size, got;

    CHECK_MPI(MPI_Intercomm_merge(inter, side, &all));
    CHECK_MPI(MPI_Comm_rank(all, &rank));
    CHECK_MPI(MPI_Comm_size(all, &size));
    CHECK_EQ(size, check_size);
    CHECK_EQ(rank, side == 0 ? own_rank : remote_size + own_rank);
    CHECK_MPI(MPI_Exscan(&check_rank, &got, 1, MPI_INT, MPI_MAX, all));
    CHECK_MPI(MPI_Comm_free(&all));
}

int main(int argc, char **argv)
{
    MPI_Comm own, inter, copy, kept_own, kept;
    long step, steps;

    MPI_Init(&argc, &argv);
    steps = check_begin("intercomm", argc, argv, 700);
    side = check_rank % 2;
    own_rank = check_rank / 2;
    own_size = (check_size + (side == 0)) / 2;
    remote_size = check_size - own_size;
    if (check_size > 1)
        kept = make(&kept_own, 1);
    for (step = 0; step < steps && check_size > 1; step++) {
        identity(kept);
        messages(kept, step);
        collectives(kept, step);
        if (step % 3)
            continue;
        inter = make(&own, 2);
        CHECK_MPI(MPI_Comm_dup(inter, &copy));
        CHECK_MPI(MPI_Comm_free(&inter));
        CHECK_MPI(MPI_Comm_free(&own));
        identity(copy);
        messages(copy, step);
        merge(copy);
        CHECK_MPI(MPI_Comm_free(&copy));
    }
    if (check_size > 1) {
        MPI_Comm_free(&kept);
        MPI_Comm_free(&kept_own);
    }
    check_end(steps);
    MPI_Finalize();
    return 0;
}
