/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Unit tests of dependencies as plain data: what is packed comes back, and nothing that
 * makes no sense is let in.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include "interaction/dependencies.h"
#include "../main.h"

#define N(array) (sizeof array / sizeof array[0])

static struct crmpi_stream streams[] = {
    {.comm = 1, .peer = 0, .tag = CRMPI_TAG_ROOTED, .sent = 3, .received = 4},
    {.comm = 1, .peer = 0, .tag = 7, .sent = 9, .received = 1, .unlogged = 9},
    {.comm = 1, .peer = 2, .tag = 0, .sent = 1},
    {.comm = 2, .peer = 1, .tag = 5, .sent = 2, .received = 2},
    {.comm = 2, .peer = 1, .tag = 5, .sent = 1, .received = 1}, /* with itself */
};
static uint32_t members[] = {0, 1, 2, 1, 1};
static struct crmpi_collectives collectives[] = {
    {.comm = 1, .count = 12, .flow = CRMPI_FLOW_TO_ALL, .n_members = 3, .rank = 1},
    {.comm = 2, .count = 2, .n_members = 1, .members = 3},
    {.comm = 2, .count = 1, .n_members = 1, .members = 4, .is_freed = 1},
    {.comm = 9, .count = 5, .n_members = 0, .members = 5},
};
static struct crmpi_access accesses[] = {
    {.window = 5, .rank = 0, .how = CRMPI_HOW_READ},
    {.window = 5, .rank = 2, .how = CRMPI_HOW_WRITE, .interval = 4},
    {.window = 6, .rank = 0, .how = CRMPI_HOW_SYNC},
};
static uint64_t windows[] = {5, 6};
static struct crmpi_member cohort[] = {{.rank = 0, .interval = 9},
                                       {.rank = 1, .interval = 7}};

static struct crmpi_dependencies sample(void)
{
    return (struct crmpi_dependencies){.world_rank = 1,
                                       .n_ranks = 3,
                                       .sn = 9,
                                       .interval = 7,
                                       .base = 6,
                                       .streams = streams,
                                       .n_streams = N(streams),
                                       .collectives = collectives,
                                       .n_collectives = N(collectives),
                                       .members = members,
                                       .n_members = N(members),
                                       .accesses = accesses,
                                       .n_accesses = N(accesses),
                                       .origins = accesses,
                                       .n_origins = 2,
                                       .windows = windows,
                                       .n_windows = N(windows),
                                       .cohort = cohort,
                                       .n_cohort = N(cohort)};
}

#define SAME(a, b, array)                                                                \
    do {                                                                                 \
        ck_assert_uint_eq((a).n_##array, (b).n_##array);                                 \
        ck_assert_mem_eq((a).array, (b).array, (a).n_##array * sizeof *(a).array);       \
    } while (0)

START_TEST(test_pack)
{
    struct crmpi_dependencies in = sample(), out;
    void *bytes;
    size_t n;

    ck_assert_int_eq(crmpi_dependencies_pack(&in, &bytes, &n), 0);
    ck_assert_int_eq(crmpi_dependencies_unpack(&out, bytes, n), 0);
    ck_assert_uint_eq(out.world_rank, 1);
    ck_assert_uint_eq(out.n_ranks, 3);
    ck_assert_uint_eq(out.sn, 9);
    ck_assert_uint_eq(out.interval, 7);
    ck_assert_uint_eq(out.base, 6);
    ck_assert_uint_eq(out.is_alone, 0);
    SAME(in, out, streams);
    SAME(in, out, collectives);
    SAME(in, out, members);
    SAME(in, out, accesses);
    SAME(in, out, origins);
    SAME(in, out, windows);
    SAME(in, out, cohort);
    crmpi_dependencies_fini(&out);
    ck_assert_ptr_null(out.streams);
    crmpi_dependencies_fini(&out);
    free(bytes);
}
END_TEST

START_TEST(test_pack_nothing)
{
    struct crmpi_dependencies in = {.n_ranks = 1, .sn = 1, .interval = 1, .is_alone = 1};
    struct crmpi_dependencies out;
    void *bytes;
    size_t n;

    ck_assert_int_eq(crmpi_dependencies_pack(&in, &bytes, &n), 0);
    ck_assert_int_eq(crmpi_dependencies_unpack(&out, bytes, n), 0);
    ck_assert_uint_eq(out.is_alone, 1);
    ck_assert_ptr_null(out.streams);
    free(bytes);
}
END_TEST

#define REFUSED(change)                                                                  \
    do {                                                                                 \
        struct crmpi_dependencies d = sample();                                          \
        void *bytes = NULL;                                                              \
        size_t n = 0;                                                                    \
        ck_assert_int_eq(crmpi_dependencies_check(&d), 0);                               \
        change;                                                                          \
        ck_assert_int_eq(crmpi_dependencies_check(&d), -1);                              \
        ck_assert_int_eq(crmpi_dependencies_pack(&d, &bytes, &n), -1);                   \
        ck_assert_ptr_null(bytes);                                                       \
    } while (0)
/* Changes to the arrays are undone. */
#define REFUSED_VALUE(member, value)                                                     \
    do {                                                                                 \
        __typeof__(member) before = member;                                              \
        REFUSED(member = (value));                                                       \
        member = before;                                                                 \
    } while (0)

START_TEST(test_nonsense)
{
    REFUSED(d.world_rank = 3);
    REFUSED(d.n_ranks = 2);
    REFUSED(d.sn = 0);
    REFUSED(d.sn = CRMPI_SN_MAX + 1);
    REFUSED(d.interval = 0);
    REFUSED(d.interval = 10);
    REFUSED(d.base = 10);
    REFUSED(d.is_alone = 2);
    REFUSED(d.is_alone = 1); /* with a cohort of two */
    REFUSED(d.n_members = 4);
    REFUSED_VALUE(streams[0].tag, 7);
    REFUSED_VALUE(streams[1].peer, 3);
    REFUSED_VALUE(streams[1].unlogged, 10);
    REFUSED_VALUE(streams[3].comm, 0);
    REFUSED_VALUE(members[2], 3);
    REFUSED_VALUE(collectives[0].n_members, 6);
    REFUSED_VALUE(collectives[0].members, 3);
    REFUSED_VALUE(collectives[0].members, UINT64_MAX);
    REFUSED_VALUE(collectives[0].rank, 3);
    REFUSED_VALUE(collectives[0].comm, 2);
    REFUSED_VALUE(collectives[2].is_freed, 2);
    REFUSED_VALUE(accesses[1].rank, 0);
    REFUSED_VALUE(accesses[1].rank, 3);
    REFUSED_VALUE(accesses[0].window, 7);
    REFUSED_VALUE(windows[1], 5);
    REFUSED_VALUE(cohort[1].rank, 0);
    REFUSED_VALUE(cohort[1].rank, 3);
    REFUSED_VALUE(cohort[1].interval, 0);
    REFUSED_VALUE(cohort[1].interval, 10);
}
END_TEST

/* Every length, and every byte of it changed: it is refused, or what comes out makes
 * sense.  With sanitizers this shows reads out of bounds, too. */
START_TEST(test_hostile)
{
    struct crmpi_dependencies in = sample(), out;
    void *packed;
    size_t n, n_accepted = 0;

    ck_assert_int_eq(crmpi_dependencies_pack(&in, &packed, &n), 0);
    for (size_t length = 0; length < n; length++) {
        void *part = malloc(length ? length : 1);
        memcpy(part, packed, length);
        ck_assert_int_eq(crmpi_dependencies_unpack(&out, part, length), -1);
        free(part);
    }
    unsigned char *bytes = malloc(n + 8);
    memcpy(bytes, packed, n);
    ck_assert_int_eq(crmpi_dependencies_unpack(&out, bytes, n + 8), -1);
    for (size_t i = 0; i < n; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            bytes[i] ^= (unsigned char)(1u << bit);
            if (crmpi_dependencies_unpack(&out, bytes, n) == 0) {
                n_accepted++;
                ck_assert_int_eq(crmpi_dependencies_check(&out), 0);
                crmpi_dependencies_fini(&out);
            }
            bytes[i] ^= (unsigned char)(1u << bit);
        }
    ck_assert_uint_gt(n_accepted, 0); /* counts may be anything */
    ck_assert_uint_lt(n_accepted, n * 8 / 2);
    free(bytes);
    free(packed);
}
END_TEST

UNIT_TESTS("dependencies")
{
    CASE("dependencies");
    TEST(test_pack);
    TEST(test_pack_nothing);
    TEST(test_nonsense);
    TEST(test_hostile);
}
