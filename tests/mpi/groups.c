/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Groups: every way to make one, kept for long, compared with sets computed here.
 */
#include "check.h"

#define MAX 64

/* A group and the world ranks that must be in it, in order. */
struct set {
    MPI_Group group;
    int n, ranks[MAX];
};

static struct set kept[6];
static MPI_Group world;

static void check_set(const struct set *s)
{
    int n, rank, own = MPI_UNDEFINED, i, ranks[MAX], translated[MAX];

    CHECK_MPI(MPI_Group_size(s->group, &n));
    CHECK_EQ(n, s->n);
    for (i = 0; i < n; i++) {
        ranks[i] = i;
        if (s->ranks[i] == check_rank)
            own = i;
    }
    CHECK_MPI(MPI_Group_rank(s->group, &rank));
    CHECK_EQ(rank, own);
    CHECK_MPI(MPI_Group_translate_ranks(s->group, n, ranks, world, translated));
    for (i = 0; i < n; i++)
        CHECK_EQ(translated[i], s->ranks[i]);
}

static int has(const struct set *s, int rank)
{
    for (int i = 0; i < s->n; i++)
        if (s->ranks[i] == rank)
            return 1;
    return 0;
}

/* Random members in random order. */
static struct set random_set(uint64_t *state)
{
    struct set s = {MPI_GROUP_NULL, 0, {0}};
    int i, j, n = check_below(state, check_size + 1), all[MAX];

    for (i = 0; i < check_size; i++)
        all[i] = i;
    for (i = 0; i < n; i++) {
        j = i + check_below(state, check_size - i);
        s.ranks[s.n++] = all[j];
        all[j] = all[i];
    }
    CHECK_MPI(MPI_Group_incl(world, s.n, s.ranks, &s.group));
    check_set(&s);
    return s;
}

/* The set operations have their order prescribed. */
static void operations(const struct set *a, const struct set *b)
{
    struct set s = {MPI_GROUP_NULL, 0, {0}};
    int i;

    s = *a;
    for (i = 0; i < b->n; i++)
        if (!has(a, b->ranks[i]))
            s.ranks[s.n++] = b->ranks[i];
    CHECK_MPI(MPI_Group_union(a->group, b->group, &s.group));
    check_set(&s);
    MPI_Group_free(&s.group);

    for (s.n = i = 0; i < a->n; i++)
        if (has(b, a->ranks[i]))
            s.ranks[s.n++] = a->ranks[i];
    CHECK_MPI(MPI_Group_intersection(a->group, b->group, &s.group));
    check_set(&s);
    if (s.group != MPI_GROUP_EMPTY)
        MPI_Group_free(&s.group);

    for (s.n = i = 0; i < a->n; i++)
        if (!has(b, a->ranks[i]))
            s.ranks[s.n++] = a->ranks[i];
    CHECK_MPI(MPI_Group_difference(a->group, b->group, &s.group));
    check_set(&s);
    if (s.group != MPI_GROUP_EMPTY)
        MPI_Group_free(&s.group);
}

static void excluded(const struct set *a)
{
    struct set s = {MPI_GROUP_NULL, 0, {0}};

    for (int i = 0; i < check_size; i++)
        if (!has(a, i))
            s.ranks[s.n++] = i;
    CHECK_MPI(MPI_Group_excl(world, a->n, a->ranks, &s.group));
    check_set(&s);
    if (s.group != MPI_GROUP_EMPTY)
        MPI_Group_free(&s.group);
}

static void ranges(void)
{
    int even[1][3] = {{0, check_size - 1, 2}}, down[1][3] = {{check_size - 1, 0, -1}};
    struct set s = {MPI_GROUP_NULL, 0, {0}};
    int i;

    for (i = 0; i < check_size; i += 2)
        s.ranks[s.n++] = i;
    CHECK_MPI(MPI_Group_range_incl(world, 1, even, &s.group));
    check_set(&s);
    MPI_Group_free(&s.group);
    for (s.n = 0, i = 1; i < check_size; i += 2)
        s.ranks[s.n++] = i;
    CHECK_MPI(MPI_Group_range_excl(world, 1, even, &s.group));
    check_set(&s);
    if (s.group != MPI_GROUP_EMPTY)
        MPI_Group_free(&s.group);
    for (s.n = 0, i = check_size - 1; i >= 0; i--)
        s.ranks[s.n++] = i;
    CHECK_MPI(MPI_Group_range_incl(world, 1, down, &s.group));
    check_set(&s);
    MPI_Group_free(&s.group);
}

static void relations(const struct set *a, const struct set *b)
{
    int result, same = a->n == b->n, same_members = same, i;

    for (i = 0; i < a->n && same_members; i++) {
        same = same && a->ranks[i] == b->ranks[i];
        same_members = has(b, a->ranks[i]);
    }
    CHECK_MPI(MPI_Group_compare(a->group, b->group, &result));
    CHECK_EQ(result, same && same_members ? MPI_IDENT
                     : same_members       ? MPI_SIMILAR
                                          : MPI_UNEQUAL);
}

int main(int argc, char **argv)
{
    uint64_t state;
    long step, steps;
    int k;

    MPI_Init(&argc, &argv);
    steps = check_begin("groups", argc, argv, 30000);
    state = 17 + (uint64_t)check_rank; /* groups are local */
    MPI_Comm_group(MPI_COMM_WORLD, &world);
    for (k = 0; k < 6; k++)
        kept[k] = random_set(&state);
    for (step = 0; step < steps; step++) {
        struct set *a = &kept[step % 6], *b = &kept[check_below(&state, 6)];
        check_set(a);
        operations(a, b);
        excluded(a);
        relations(a, b);
        ranges();
        check_note((uint64_t)(a->n * 100 + b->n));
        if (step % 7 == 0) {
            if (a->group != MPI_GROUP_EMPTY)
                MPI_Group_free(&a->group);
            *a = random_set(&state);
        }
        if (step % 5000 == 0)
            MPI_Barrier(MPI_COMM_WORLD);
    }
    for (k = 0; k < 6; k++)
        if (kept[k].group != MPI_GROUP_EMPTY)
            MPI_Group_free(&kept[k].group);
    MPI_Group_free(&world);
    check_end(steps);
    MPI_Finalize();
    return 0;
}
