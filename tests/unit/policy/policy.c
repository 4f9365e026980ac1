/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Unit tests of what the policy is made of: tallies, Daly's formula, a rank's phases.  The policy
 * itself is tested in simulated jobs (tests/sim).
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include "policy/daly.h"
#include "policy/rank.h"
#include "policy/tally.h"
#include "../main.h"

#define COUNT(id, n, size)                                                               \
    {                                                                                    \
        .comm_id = (id), .count = (n), .members = (size)                                 \
    }
#define N(array) (sizeof array / sizeof array[0])

static struct crmpi_tallies make(const struct crmpi_collective_count *counts, size_t n)
{
    struct crmpi_tallies tallies;
    ck_assert_int_eq(crmpi_tallies_init(&tallies, counts, n), CRMPI_OK);
    return tallies;
}

START_TEST(test_own_communicators_stay_out)
{
    const struct crmpi_collective_count counts[] = {COUNT(1, 5, 4), COUNT(2, 9, 1),
                                                    COUNT(2, 8, 1), COUNT(3, 7, 0)};
    const struct crmpi_collective_count unsorted[] = {COUNT(3, 5, 4), COUNT(1, 9, 2)};
    struct crmpi_tallies tallies = make(counts, N(counts));

    ck_assert_uint_eq(tallies.n, 2);
    ck_assert_uint_eq(tallies.items[1].comm_id, 3);
    crmpi_tallies_fini(&tallies);
    ck_assert_int_eq(crmpi_tallies_init(&tallies, unsorted, 2), CRMPI_ERR_INTERNAL);
}
END_TEST

START_TEST(test_settling)
{
    /* 1: complete here and equal; 2: complete, not equal; 3: a member is elsewhere;
     * 4: of unknown size */
    const struct crmpi_collective_count left[] = {COUNT(1, 5, 2), COUNT(2, 5, 2),
                                                  COUNT(3, 5, 3), COUNT(4, 1, 0)};
    const struct crmpi_collective_count right[] = {COUNT(1, 5, 2), COUNT(2, 8, 2),
                                                   COUNT(3, 4, 3), COUNT(4, 1, 0)};
    struct crmpi_tallies all = make(left, N(left)), more = make(right, N(right)), settled;

    ck_assert_int_eq(crmpi_tallies_merge(&all, &more), CRMPI_OK);
    ck_assert_int_eq(crmpi_tallies_settle(&all, &settled), CRMPI_OK);
    ck_assert_uint_eq(settled.n, 1);
    ck_assert_uint_eq(settled.items[0].comm_id, 2);
    ck_assert_uint_eq(settled.items[0].high, 8);
    ck_assert_uint_eq(all.n, 2);
    ck_assert_uint_eq(all.items[0].comm_id, 3);
    ck_assert_uint_eq(all.items[0].low, 4);
    ck_assert_uint_eq(all.items[0].high, 5);
    ck_assert_uint_eq(all.items[0].reported, 2);
    ck_assert_uint_eq(all.items[1].comm_id, 4);
    crmpi_tallies_fini(&all);
    crmpi_tallies_fini(&more);
    crmpi_tallies_fini(&settled);
}
END_TEST

/* Two members are within a collective that cannot be made again: it has to end. */
START_TEST(test_under_way)
{
    struct crmpi_collective_count within = COUNT(1, 5, 2);
    struct crmpi_tallies all, more, settled;

    within.under_way = 1;
    all = make(&within, 1);
    more = make(&within, 1);
    ck_assert_int_eq(crmpi_tallies_merge(&all, &more), CRMPI_OK);
    ck_assert_int_eq(crmpi_tallies_settle(&all, &settled), CRMPI_OK);
    ck_assert_uint_eq(settled.n, 1);
    ck_assert_uint_eq(settled.items[0].high, 6);
    crmpi_tallies_fini(&all);
    crmpi_tallies_fini(&more);
    crmpi_tallies_fini(&settled);
}
END_TEST

START_TEST(test_targets)
{
    const struct crmpi_collective_count counts[] = {COUNT(1, 5, 4), COUNT(2, 9, 1),
                                                    COUNT(3, 7, 2), COUNT(4, 2, 3)};
    const struct crmpi_tally items[] = {{.comm_id = 3, .high = 10},
                                        {.comm_id = 4, .high = CRMPI_TARGET_NONE},
                                        {.comm_id = 6, .high = 1}};
    const struct crmpi_tallies list = {.items = (struct crmpi_tally *)items,
                                       .n = N(items)};
    struct crmpi_collective_count *targets;
    size_t n;

    ck_assert_int_eq(crmpi_tallies_targets(&list, counts, N(counts), &targets, &n),
                     CRMPI_OK);
    ck_assert_uint_eq(n, 2); /* 2 is this rank's own, 4 has no limit */
    ck_assert_uint_eq(targets[0].comm_id, 1);
    ck_assert_uint_eq(targets[0].count, 5);
    ck_assert_uint_eq(targets[1].comm_id, 3);
    ck_assert_uint_eq(targets[1].count, 10);
    free(targets);
}
END_TEST

START_TEST(test_encoding)
{
    struct crmpi_tally items[] = {
        {.comm_id = 0, .low = 0, .high = 0, .members = 0, .reported = 1},
        {.comm_id = 1, .low = 127, .high = 128, .members = UINT32_MAX, .reported = 2},
        {.comm_id = UINT64_MAX,
         .low = 0,
         .high = UINT64_MAX,
         .members = 3,
         .reported = 3}};
    struct crmpi_tallies list = {.items = items, .n = N(items)}, back;
    void *bytes;
    size_t n;

    ck_assert_int_eq(crmpi_tallies_encode(&list, &bytes, &n), CRMPI_OK);
    ck_assert_int_eq(crmpi_tallies_decode(&back, bytes, n), CRMPI_OK);
    ck_assert_uint_eq(back.n, N(items));
    for (size_t i = 0; i < N(items); i++) {
        ck_assert_uint_eq(back.items[i].comm_id, items[i].comm_id);
        ck_assert_uint_eq(back.items[i].low, items[i].low);
        ck_assert_uint_eq(back.items[i].high, items[i].high);
        ck_assert_uint_eq(back.items[i].members, items[i].members);
        ck_assert_uint_eq(back.items[i].reported, items[i].reported);
    }
    crmpi_tallies_fini(&back);
    for (size_t cut = 1; cut < n;
         cut++) { /* a torn one is refused, or is the beginning */
        if (crmpi_tallies_decode(&back, bytes, cut) == CRMPI_OK) {
            ck_assert_uint_lt(back.n, N(items));
            crmpi_tallies_fini(&back);
        }
    }
    free(bytes);
}
END_TEST

START_TEST(test_decoding_nonsense)
{
    static const unsigned char twice[] = {5, 1, 0, 2, 1, 0, 1, 0, 2, 1};
    static const unsigned char spread[] = {5, 1, 2, 2, 1};
    static const unsigned char too_long[] = {255, 255, 255, 255, 255, 255, 255,
                                             255, 255, 2,   1,   0,   1,   1};
    static const unsigned char wraps[] = {2,   1,   0,   1,   1, 255, 255, 255, 255, 255,
                                          255, 255, 255, 255, 1, 1,   0,   1,   1};
    struct crmpi_tallies back;

    ck_assert_int_eq(crmpi_tallies_decode(&back, twice, sizeof twice), CRMPI_ERR_CORRUPT);
    ck_assert_int_eq(crmpi_tallies_decode(&back, spread, sizeof spread),
                     CRMPI_ERR_CORRUPT);
    ck_assert_int_eq(crmpi_tallies_decode(&back, too_long, sizeof too_long),
                     CRMPI_ERR_CORRUPT);
    ck_assert_int_eq(crmpi_tallies_decode(&back, wraps, sizeof wraps), CRMPI_ERR_CORRUPT);
}
END_TEST

/* The published examples: a checkpoint of 5 minutes, failures every 24 h, 6 h, 15 min. */
START_TEST(test_daly)
{
    ck_assert_double_eq_tol(crmpi_daly_interval(5, 24 * 60), 116.69, 0.005);
    ck_assert_double_eq_tol(crmpi_daly_interval(5, 6 * 60), 56.71, 0.005);
    ck_assert_double_eq_tol(crmpi_daly_interval(5, 15), 9.14, 0.005);
    ck_assert_double_eq(crmpi_daly_interval(40, 15), 15);
}
END_TEST

START_TEST(test_every)
{
    ck_assert_uint_eq(crmpi_daly_every(100, 100, 20000, 0), 20); /* 2000 / 100 */
    ck_assert_uint_eq(crmpi_daly_every(5000, 100, 20000, 0), 1);
    ck_assert_uint_eq(crmpi_daly_every(100, 0, 20000, 0), 1);
    ck_assert_uint_eq(crmpi_daly_every(100, 0, 20000, 350), 4); /* it takes that long */
    ck_assert_uint_eq(crmpi_daly_every(1e-9, 1000, 1e9, 0), 1000000);
}
END_TEST

START_TEST(test_fill)
{
    struct crmpi_fill fill = {0};
    double mtbf = 20000; /* and checkpoints every 10 s */

    ck_assert(crmpi_fill_due(&fill, 5, mtbf)); /* to see what it takes */
    for (int i = 1; i < 9; i++)
        ck_assert(!crmpi_fill_due(&fill, 5 + 10 * i, mtbf)); /* it is not there yet */
    crmpi_fill_note(&fill, 80);
    ck_assert_double_eq_tol(fill.interval, 10, 1e-9);
    /* it costs 8 s: every sqrt(2 * 8 * 20000) = 566 s, and 8 have passed */
    for (int i = 9; i < 57; i++)
        ck_assert(!crmpi_fill_due(&fill, 5 + 10 * i, mtbf));
    ck_assert(crmpi_fill_due(&fill, 5 + 10 * 57, mtbf));
    ck_assert(!crmpi_fill_due(&fill, 5 + 10 * 58, mtbf));
    crmpi_fill_note(&fill, 40);
    ck_assert_double_eq(fill.seconds, 70);
}
END_TEST

START_TEST(test_cost)
{
    struct crmpi_cost cost = {0};

    /* a guess, which does not outlast a failure */
    ck_assert_double_gt(crmpi_cost_interval(&cost, 86400), 60);
    ck_assert_double_le(crmpi_cost_interval(&cost, 2), 2);
    crmpi_cost_note(&cost, 2, 2);
    ck_assert_double_eq(crmpi_cost_interval(&cost, 86400), crmpi_daly_interval(2, 86400));
    ck_assert_double_eq(crmpi_cost_interval(&cost, 10),
                        40); /* no more than a twentieth */
    crmpi_cost_note(&cost, 6, 90);
    ck_assert_double_eq(cost.blocked, 3);
    ck_assert_double_eq(cost.whole, 90);
    ck_assert_double_eq(crmpi_cost_interval(&cost, 10), 180); /* half of the time */
    crmpi_cost_note(&cost, 3, 26);
    ck_assert_double_eq(cost.whole, 88);
    crmpi_cost_note(&cost, 3, 0);
    ck_assert_double_eq(cost.whole, 88);
    ck_assert_uint_eq(cost.n, 4);
}
END_TEST

START_TEST(test_rank)
{
    struct crmpi_rank rank = {0};

    /* a group grows, drains, is quiet, goes on while its file is completed */
    ck_assert(crmpi_rank_enter(&rank, CRMPI_RANK_STOPPED));
    ck_assert(crmpi_rank_enter(&rank, CRMPI_RANK_RUNS_ON));
    ck_assert(!crmpi_rank_serves(&rank));
    ck_assert(crmpi_rank_enter(&rank, CRMPI_RANK_AT_TARGETS));
    ck_assert(crmpi_rank_enter(&rank, CRMPI_RANK_STOPPED));
    ck_assert(crmpi_rank_enter(&rank, CRMPI_RANK_DRAINS));
    ck_assert(!crmpi_rank_enter(&rank, CRMPI_RANK_QUIET)); /* messages are on their way */
    ck_assert_int_eq(rank.phase, CRMPI_RANK_DRAINS);
    ck_assert(crmpi_rank_serves(&rank));
    ck_assert(crmpi_rank_enter(&rank, CRMPI_RANK_DRAINED));
    ck_assert(!crmpi_rank_enter(&rank, CRMPI_RANK_GOES_ON)); /* nothing is saved */
    ck_assert(crmpi_rank_enter(&rank, CRMPI_RANK_QUIET));
    ck_assert(!crmpi_rank_serves(&rank));
    ck_assert(crmpi_rank_write(&rank, CRMPI_RANK_TAKEN));
    ck_assert(crmpi_rank_is_parked(&rank));
    ck_assert(crmpi_rank_enter(&rank, CRMPI_RANK_GOES_ON));
    ck_assert(!crmpi_rank_is_parked(&rank));
    ck_assert(
        !crmpi_rank_enter(&rank, CRMPI_RANK_STOPPED)); /* one checkpoint at a time */
    ck_assert(!crmpi_rank_write(&rank, CRMPI_RANK_NO_FILE)); /* it has to be completed */
    ck_assert(crmpi_rank_write(&rank, CRMPI_RANK_COMPLETES));
    ck_assert(!crmpi_rank_write(&rank, CRMPI_RANK_ABANDONED));
    ck_assert(crmpi_rank_write(&rank, CRMPI_RANK_NO_FILE));
    ck_assert(crmpi_rank_enter(&rank, CRMPI_RANK_RUNS));
    /* nothing is drained, or settles, while threads run */
    ck_assert(!crmpi_rank_enter(&rank, CRMPI_RANK_DRAINS));
    ck_assert(!crmpi_rank_enter(&rank, CRMPI_RANK_SETTLES));
    ck_assert(!crmpi_rank_enter(&rank, CRMPI_RANK_RUNS_ON));
    for (int i = 0; i < CRMPI_RANK_PHASES; i++) { /* whatever it does is given up */
        rank.phase = i;
        ck_assert_str_ne(crmpi_rank_phase_text(i), "");
        ck_assert(crmpi_rank_enter(&rank, CRMPI_RANK_RUNS));
    }
}
END_TEST

UNIT_TESTS("policy")
{
    CASE("policy");
    TEST(test_own_communicators_stay_out);
    TEST(test_settling);
    TEST(test_under_way);
    TEST(test_targets);
    TEST(test_encoding);
    TEST(test_decoding_nonsense);
    TEST(test_daly);
    TEST(test_every);
    TEST(test_fill);
    TEST(test_cost);
    TEST(test_rank);
}
