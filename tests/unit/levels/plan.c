/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Unit tests of how a restart gets its files: which copies are used in which order, what a
 * group can give, and that a thousand ranks are planned at once.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "levels/plan.h"
#include "../main.h"

#define SN 7

static struct crmpi_inventory inventory;
static struct crmpi_topology topology;
static struct crmpi_wants wants;

/* Rank r is on node r. */
static void begin(uint32_t n_ranks)
{
    char(*names)[CRMPI_NODE_BYTES] = calloc(n_ranks, sizeof *names);

    memset(&inventory, 0, sizeof inventory);
    for (uint32_t i = 0; i < n_ranks; i++)
        snprintf(names[i], sizeof names[i], "n%u", i);
    ck_assert_int_eq(
        crmpi_topology_init(&topology, (const char(*)[CRMPI_NODE_BYTES])names, n_ranks),
        CRMPI_OK);
    free(names);
    wants.n_ranks = n_ranks;
    wants.list = calloc(n_ranks, sizeof *wants.list);
    for (uint32_t i = 0; i < n_ranks; i++)
        wants.list[i] =
            (struct crmpi_want){.world_rank = i, .sn = SN, .digest = 1000 + i};
}

static void end(void)
{
    crmpi_inventory_fini(&inventory);
    crmpi_topology_fini(&topology);
    free(wants.list);
}

static void put(enum crmpi_copy_kind kind, uint32_t rank, uint32_t node,
                enum crmpi_copy_state state)
{
    struct crmpi_copy copy = {.kind = kind,
                              .world_rank = rank,
                              .sn = SN,
                              .bytes = 5000 + rank,
                              .digest = 1000 + rank,
                              .node = node,
                              .keeper = node,
                              .state = state};

    ck_assert_int_eq(crmpi_inventory_add(&inventory, &copy), CRMPI_OK);
}

/* The share of rank @p first + @p holder, of the group of ranks from @p first on. */
static void put_share(uint32_t first, unsigned k, unsigned m, unsigned holder)
{
    struct crmpi_share share = {.k = k, .m = m, .holder = holder};
    struct crmpi_copy copy = {.kind = CRMPI_COPY_SHARE,
                              .world_rank = first + holder,
                              .sn = SN,
                              .node = first + holder,
                              .keeper = first + holder,
                              .state = CRMPI_COPY_GOOD};

    for (uint32_t i = 0; i < k + m; i++)
        share.members[i] = (struct crmpi_share_member){.world_rank = first + i,
                                                       .sn = SN,
                                                       .file_bytes = 5000 + first + i,
                                                       .digest = 1000 + first + i};
    ck_assert_int_eq(crmpi_inventory_add_share(&inventory, &copy, &share), CRMPI_OK);
}

static uint32_t find(enum crmpi_copy_kind at_home)
{
    crmpi_inventory_sort(&inventory);
    return crmpi_plan_find(&inventory, &topology, at_home, &wants);
}

#define WAY(rank, which) ck_assert_int_eq(wants.list[rank].way, CRMPI_WAY_##which)
#define NODE(rank) (inventory.copies[wants.list[rank].copy].node)

START_TEST(test_cheapest)
{
    begin(6);
    for (uint32_t i = 0; i < 6; i++)
        put(CRMPI_COPY_GLOBAL, i, i, CRMPI_COPY_GOOD);
    put(CRMPI_COPY_OWN, 0, 0, CRMPI_COPY_GOOD);
    put(CRMPI_COPY_OWN, 0, 3, CRMPI_COPY_GOOD);
    put(CRMPI_COPY_OWN, 1, 1, CRMPI_COPY_DAMAGED);
    put(CRMPI_COPY_PARTNER, 1, 2, CRMPI_COPY_GOOD);
    put(CRMPI_COPY_OWN, 2, 4, CRMPI_COPY_GOOD);
    put(CRMPI_COPY_PARTNER, 2, 2, CRMPI_COPY_GOOD); /* here */
    put(CRMPI_COPY_OWN, 3, 5, CRMPI_COPY_GOOD);
    put(CRMPI_COPY_PARTNER, 3, 4, CRMPI_COPY_GOOD);
    put(CRMPI_COPY_OWN, 4, 4, CRMPI_COPY_UNSEEN);
    ck_assert_uint_eq(find(CRMPI_COPY_OWN), 0);
    WAY(0, THERE);
    ck_assert_uint_eq(NODE(0), 0);
    WAY(1, PARTNER);
    WAY(2, PARTNER);
    ck_assert_uint_eq(NODE(2), 2);
    WAY(3, MOVED);
    ck_assert_uint_eq(NODE(3), 5);
    WAY(4, GLOBAL);
    WAY(5, GLOBAL);
    ck_assert_uint_eq(wants.list[5].bytes, 5005);
    ck_assert_uint_eq(find(CRMPI_COPY_GLOBAL), 0);
    for (uint32_t i = 0; i < 6; i++)
        WAY(i, THERE);
    end();
}
END_TEST

/* A file of the same number from before a restart is another one. */
START_TEST(test_other_digest)
{
    begin(2);
    put(CRMPI_COPY_OWN, 0, 0, CRMPI_COPY_GOOD);
    put(CRMPI_COPY_OWN, 1, 1, CRMPI_COPY_GOOD);
    wants.list[1].digest++;
    ck_assert_uint_eq(find(CRMPI_COPY_OWN), 1);
    WAY(0, THERE);
    WAY(1, LOST);
    ck_assert_uint_eq(wants.list[1].excess, 0);
    end();
}
END_TEST

START_TEST(test_group)
{
    begin(4);
    put(CRMPI_COPY_OWN, 0, 0, CRMPI_COPY_GOOD);
    put(CRMPI_COPY_OWN, 2, 2, CRMPI_COPY_GOOD);
    put_share(0, 2, 2, 0);
    put_share(0, 2, 2, 2);
    ck_assert_uint_eq(find(CRMPI_COPY_OWN), 0);
    WAY(1, REBUILT);
    WAY(3, REBUILT);
    ck_assert_uint_eq(wants.list[3].files, 5);
    ck_assert_uint_eq(wants.list[3].shares, 5);
    ck_assert_uint_eq(wants.list[3].bytes, 5003);
    for (size_t i = 0; i < inventory.n_copies; i++)
        if (inventory.copies[i].world_rank == 2)
            inventory.copies[i].state = CRMPI_COPY_DAMAGED;
    ck_assert_uint_eq(find(CRMPI_COPY_OWN), 3);
    WAY(1, LOST);
    ck_assert_uint_eq(wants.list[1].excess, 1);
    end();
}
END_TEST

START_TEST(test_marks)
{
    unsigned char marks[8] = {0};

    begin(4);
    put(CRMPI_COPY_OWN, 0, 0, CRMPI_COPY_UNSEEN);
    put(CRMPI_COPY_OWN, 1, 1, CRMPI_COPY_UNSEEN);
    put_share(0, 2, 2, 3);
    inventory.copies[2].state = CRMPI_COPY_UNSEEN;
    for (uint32_t i = 0; i < 4; i++)
        wants.list[i].sn = i == 2 ? SN : 0; /* the others are older checkpoints */
    crmpi_inventory_sort(&inventory);
    crmpi_plan_mark(&inventory, &wants, marks);
    ck_assert(marks[0] && marks[1] && marks[2]);
    wants.list[2].digest++;
    memset(marks, 0, sizeof marks);
    crmpi_plan_mark(&inventory, &wants, marks);
    ck_assert(!marks[0] && !marks[1] && !marks[2]);
    end();
}
END_TEST

/* A thousand ranks with shares, a quarter of the nodes lost. */
START_TEST(test_many)
{
    struct timespec from, to;

    begin(1024);
    for (uint32_t i = 0; i < 1024; i++) {
        if (i % 4 == 1)
            continue;
        put(CRMPI_COPY_OWN, i, i, CRMPI_COPY_GOOD);
        put_share(i / 8 * 8, 6, 2, i % 8);
    }
    clock_gettime(CLOCK_MONOTONIC, &from);
    ck_assert_uint_eq(find(CRMPI_COPY_OWN), 0);
    clock_gettime(CLOCK_MONOTONIC, &to);
    for (uint32_t i = 0; i < 1024; i++)
        ck_assert_int_eq(wants.list[i].way,
                         i % 4 == 1 ? CRMPI_WAY_REBUILT : CRMPI_WAY_THERE);
    ck_assert_int_lt(to.tv_sec - from.tv_sec, 5);
    end();
}
END_TEST

UNIT_TESTS("plan")
{
    CASE("all");
    TEST(test_cheapest);
    TEST(test_other_digest);
    TEST(test_group);
    TEST(test_marks);
    TEST(test_many);
}
