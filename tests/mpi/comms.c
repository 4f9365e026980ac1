/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Communicators of every constructor: many kept for long, many created and freed all the
 * time, each checked by its members' ranks, a reduction and a message, with names.
 */
#include "check.h"
#include <dlfcn.h>

#define N_KEPT 12
#define N_KINDS 9

/* What this process must see of a communicator: the world ranks of its members. */
struct kept {
    MPI_Comm comm; /* MPI_COMM_NULL: this process is not in it */
    int size, members[64];
    long step;
};

static struct kept kept[N_KEPT];

static void keep_all(struct kept *k)
{
    k->size = check_size;
    for (int i = 0; i < check_size; i++)
        k->members[i] = i;
}

/* The members of my colour: rank % n_colours, in this or in reverse order. */
static void keep_colour(struct kept *k, int n_colours, int reverse)
{
    k->size = 0;
    for (int i = 0; i < check_size; i++) {
        int rank = reverse ? check_size - 1 - i : i;
        if (rank % n_colours == check_rank % n_colours)
            k->members[k->size++] = rank;
    }
}

/* The even ranks, as a group. */
static MPI_Group even_group(struct kept *k)
{
    MPI_Group world, group;

    k->size = 0;
    for (int i = 0; i < check_size; i += 2)
        k->members[k->size++] = i;
    CHECK_MPI(MPI_Comm_group(MPI_COMM_WORLD, &world));
    CHECK_MPI(MPI_Group_incl(world, k->size, k->members, &group));
    CHECK_MPI(MPI_Group_free(&world));
    return group;
}

static void create_from_group(struct kept *k, int by_members)
{
    MPI_Group group = even_group(k);

    k->comm = MPI_COMM_NULL;
    if (!by_members)
        CHECK_MPI(MPI_Comm_create(MPI_COMM_WORLD, group, &k->comm));
    else if (check_rank % 2 == 0)
        CHECK_MPI(MPI_Comm_create_group(MPI_COMM_WORLD, group, 77, &k->comm));
    CHECK_MPI(MPI_Group_free(&group));
}

static void idup(struct kept *k)
{
    MPI_Request requests[2] = {MPI_REQUEST_NULL, MPI_REQUEST_NULL};
    int sum = 0, more = check_size - 1, one = 1;

    CHECK_MPI(MPI_Comm_idup(MPI_COMM_WORLD, &k->comm, &requests[0]));
    CHECK_MPI(MPI_Allreduce(&one, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD));
    CHECK_EQ(sum, check_size);
    if (dlsym(RTLD_DEFAULT, "CRMPI_Checkpoint")) { /* Open MPI alone mixes them up */
        more = -1;
        CHECK_MPI(MPI_Iallreduce(&check_rank, &more, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD,
                                 &requests[1]));
    }
    CHECK_MPI(MPI_Waitall(2, requests, MPI_STATUSES_IGNORE));
    CHECK_EQ(more, check_size - 1);
    keep_all(k);
}

static void create(struct kept *k, long step)
{
    char name[MPI_MAX_OBJECT_NAME];
    MPI_Info info;

    k->step = step;
    switch (step % N_KINDS) {
    case 0:
        CHECK_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &k->comm));
        keep_all(k);
        break;
    case 1:
        CHECK_MPI(MPI_Info_create(&info));
        CHECK_MPI(MPI_Info_set(info, "crmpi_test", "1"));
        CHECK_MPI(MPI_Comm_dup_with_info(MPI_COMM_WORLD, info, &k->comm));
        CHECK_MPI(MPI_Info_free(&info));
        keep_all(k);
        break;
    case 2:
        idup(k);
        break;
    case 3:
        CHECK_MPI(MPI_Comm_split(MPI_COMM_WORLD, check_rank % 2, check_rank, &k->comm));
        keep_colour(k, 2, 0);
        break;
    case 4:
        CHECK_MPI(MPI_Comm_split(MPI_COMM_WORLD, check_rank % 3, -check_rank, &k->comm));
        keep_colour(k, 3, 1);
        break;
    case 5: /* all ranks of a test are on one machine */
        CHECK_MPI(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0,
                                      MPI_INFO_NULL, &k->comm));
        keep_all(k);
        break;
    case 6:
        create_from_group(k, 0);
        break;
    case 7:
        create_from_group(k, 1);
        break;
    default:
        CHECK_MPI(MPI_Comm_split(MPI_COMM_WORLD, check_rank % 2 ? MPI_UNDEFINED : 0, 0,
                                 &k->comm));
        k->size = 0;
        for (int i = 0; i < check_size; i += 2)
            k->members[k->size++] = i;
    }
    if (k->comm != MPI_COMM_NULL) {
        snprintf(name, sizeof name, "communicator of step %ld", step);
        CHECK_MPI(MPI_Comm_set_name(k->comm, name));
    }
}

/* Names, ranks, groups and relation to the world are what they were at the creation. */
static void check_identity(const struct kept *k)
{
    char name[MPI_MAX_OBJECT_NAME], expected[MPI_MAX_OBJECT_NAME];
    int size, rank, length, relation, translated[64], ranks[64], i, inter;
    int in_order = k->size == check_size;
    MPI_Group world, group;

    CHECK_MPI(MPI_Comm_size(k->comm, &size));
    CHECK_MPI(MPI_Comm_rank(k->comm, &rank));
    CHECK_EQ(size, k->size);
    CHECK_EQ(k->members[rank], check_rank);
    CHECK_MPI(MPI_Comm_get_name(k->comm, name, &length));
    snprintf(expected, sizeof expected, "communicator of step %ld", k->step);
    CHECK(strcmp(name, expected) == 0, "name '%s', not '%s'", name, expected);
    CHECK_EQ(length, strlen(expected));
    CHECK_MPI(MPI_Comm_test_inter(k->comm, &inter));
    CHECK_EQ(inter, 0);
    for (i = 0; i < size; i++) {
        ranks[i] = i;
        in_order = in_order && k->members[i] == i;
    }
    CHECK_MPI(MPI_Comm_compare(k->comm, MPI_COMM_WORLD, &relation));
    CHECK_EQ(relation, in_order             ? MPI_CONGRUENT
                       : size == check_size ? MPI_SIMILAR
                                            : MPI_UNEQUAL);
    CHECK_MPI(MPI_Comm_group(MPI_COMM_WORLD, &world));
    CHECK_MPI(MPI_Comm_group(k->comm, &group));
    CHECK_MPI(MPI_Group_translate_ranks(group, size, ranks, world, translated));
    for (i = 0; i < size; i++)
        CHECK_EQ(translated[i], k->members[i]);
    CHECK_MPI(MPI_Group_free(&world));
    CHECK_MPI(MPI_Group_free(&group));
}

/* It carries collectives and messages of its own. */
static void check_traffic(const struct kept *k, long step)
{
    int rank, sum, expected = 0, i, value, got = -1, left, right;
    MPI_Status status;

    MPI_Comm_rank(k->comm, &rank);
    for (i = 0; i < k->size; i++)
        expected += k->members[i];
    CHECK_MPI(MPI_Allreduce(&check_rank, &sum, 1, MPI_INT, MPI_SUM, k->comm));
    CHECK_EQ(sum, expected);
    left = (rank + k->size - 1) % k->size;
    right = (rank + 1) % k->size;
    value = check_rank * 1000 + (int)(step % 1000);
    CHECK_MPI(MPI_Sendrecv(&value, 1, MPI_INT, right, 3, &got, 1, MPI_INT, left, 3,
                           k->comm, &status));
    CHECK_EQ(got, k->members[left] * 1000 + (int)(step % 1000));
    CHECK_EQ(status.MPI_SOURCE, left);
    check_note((uint64_t)got);
}

/* Short-lived ones, several at a time, freed in another order. */
static void churn(long step)
{
    struct kept some[3];
    int order = (int)(step % 3), i;

    for (i = 0; i < 3; i++)
        create(&some[i], step + i);
    for (i = 0; i < 3; i++) {
        struct kept *k = &some[(i + order) % 3];
        if (k->comm == MPI_COMM_NULL)
            continue;
        check_traffic(k, step);
        CHECK_MPI(MPI_Comm_free(&k->comm));
        CHECK(k->comm == MPI_COMM_NULL, "a freed communicator is not null");
    }
}

int main(int argc, char **argv)
{
    long step, steps;
    int i;

    MPI_Init(&argc, &argv);
    steps = check_begin("comms", argc, argv, 500);
    for (i = 0; i < N_KEPT; i++)
        create(&kept[i], i);
    for (step = 0; step < steps; step++) {
        struct kept *k = &kept[step % N_KEPT];
        for (i = 0; i < N_KEPT; i++) {
            if (kept[i].comm != MPI_COMM_NULL) {
                check_identity(&kept[i]);
                if (i % 4 == step % 4)
                    check_traffic(&kept[i], step);
            }
        }
        churn(step);
        if (step % 5 == 4) {
            if (k->comm != MPI_COMM_NULL)
                CHECK_MPI(MPI_Comm_free(&k->comm));
            create(k, step);
        }
    }
    for (i = 0; i < N_KEPT; i++)
        if (kept[i].comm != MPI_COMM_NULL)
            CHECK_MPI(MPI_Comm_free(&kept[i].comm));
    check_end(steps);
    MPI_Finalize();
    return 0;
}
