/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Unit tests of nodes, partners and groups.  Test.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include "base/config.h"
#include "levels/topology.h"
#include "../main.h"

static struct crmpi_topology topology;

/* Ranks on nodes named by the letters of a word. */
static void place(const char *nodes)
{
    uint32_t n = (uint32_t)strlen(nodes);
    char(*names)[CRMPI_NODE_BYTES] = calloc(n, sizeof *names);

    for (uint32_t i = 0; i < n; i++)
        names[i][0] = nodes[i];
    crmpi_topology_fini(&topology);
    ck_assert_int_eq(
        crmpi_topology_init(&topology, (const char(*)[CRMPI_NODE_BYTES])names, n),
        CRMPI_OK);
    free(names);
}

static void teardown(void)
{
    crmpi_topology_fini(&topology);
}

START_TEST(test_names)
{
    char name[CRMPI_NODE_BYTES], expected[] = "aabbccdd";

    for (uint32_t i = 0; i < 8; i++) {
        ck_assert_int_eq(crmpi_node_name("a,b,c,d", i, 8, name), CRMPI_OK);
        ck_assert_int_eq(name[0], expected[i]);
        ck_assert_int_eq(name[1], '\0');
    }
    ck_assert_int_eq(crmpi_node_name("a,b,long", 2, 3, name), CRMPI_OK);
    ck_assert_str_eq(name, "long");
    ck_assert_int_eq(crmpi_node_name("", 2, 3, name), CRMPI_OK);
    ck_assert(crmpi_node_name_is_sound(name, strlen(name)));
    ck_assert_int_eq(crmpi_node_name("a,../x", 1, 2, name), CRMPI_ERR_USAGE);
    ck_assert(!crmpi_node_name_is_sound("", 0));
    ck_assert(!crmpi_node_name_is_sound("a/b", 3));
    ck_assert(!crmpi_node_name_is_sound("..", 2));
}
END_TEST

START_TEST(test_places)
{
    place("bbaabc");
    ck_assert_uint_eq(topology.n_nodes, 3);
    ck_assert_str_eq(topology.names[0], "b");
    ck_assert_str_eq(topology.names[2], "c");
    ck_assert_uint_eq(topology.node_of[3], 1);
    ck_assert_uint_eq(topology.place_of[3], 1);
    ck_assert_uint_eq(topology.place_of[4], 2);
    ck_assert_uint_eq(topology.ranks[topology.first[0] + 2], 4);
    ck_assert_uint_eq(topology.ranks[topology.first[2]], 5);
}
END_TEST

START_TEST(test_partners)
{
    place("aabbc");
    ck_assert_uint_eq(crmpi_topology_partner(&topology, 0), 2);
    ck_assert_uint_eq(crmpi_topology_partner(&topology, 1), 3);
    ck_assert_uint_eq(crmpi_topology_partner(&topology, 2), 4);
    ck_assert_uint_eq(crmpi_topology_partner(&topology, 3), 4);
    ck_assert_uint_eq(crmpi_topology_partner(&topology, 4), 0);
}
END_TEST

/* Random placements: partners are on other nodes, groups are the same for all members,
 * with no two on a node, and large enough. */
START_TEST(test_random)
{
    uint32_t members[CRMPI_GROUP_MAX], again[CRMPI_GROUP_MAX];
    char nodes[200] = "";

    srandom(1);
    for (int turn = 0; turn < 300; turn++) {
        unsigned n_nodes = 2 + random() % 25, each = 1 + random() % 4;
        unsigned k = 1 + random() % 4, m = 1 + random() % 3;

        memset(nodes, 0, sizeof nodes);
        for (unsigned i = 0; i < n_nodes * each; i++)
            nodes[i] = (char)('A' + i / each);
        place(nodes);
        for (uint32_t rank = 0; rank < topology.n_ranks; rank++) {
            uint32_t holder = crmpi_topology_partner(&topology, rank);
            unsigned n = crmpi_topology_group(&topology, rank, k, m, members), self = 0;

            ck_assert_uint_ne(topology.node_of[holder], topology.node_of[rank]);
            ck_assert_int_eq(n == 0, n_nodes < k + m);
            ck_assert(n == 0 || (n >= k + m && n < 2 * (k + m)));
            for (unsigned i = 0; i < n; i++) {
                ck_assert_uint_eq(
                    crmpi_topology_group(&topology, members[i], k, m, again), n);
                ck_assert_mem_eq(again, members, n * sizeof *members);
                ck_assert(i == 0 || topology.node_of[members[i]] >
                                        topology.node_of[members[i - 1]]);
                self += members[i] == rank;
            }
            ck_assert_uint_eq(self, n > 0);
        }
    }
}
END_TEST

START_TEST(test_refusals)
{
    const unsigned partner = CRMPI_LEVEL_LOCAL | CRMPI_LEVEL_PARTNER;
    const unsigned erasure = CRMPI_LEVEL_LOCAL | CRMPI_LEVEL_ERASURE;
    char why[256];

    place("aaa");
    ck_assert(!crmpi_topology_refusal(&topology, CRMPI_LEVEL_LOCAL, 0, 0, why, 256));
    ck_assert(crmpi_topology_refusal(&topology, partner, 0, 0, why, 256));
    ck_assert_ptr_nonnull(strstr(why, "needs 2 nodes"));
    place("aabbcc");
    ck_assert(!crmpi_topology_refusal(&topology, partner, 0, 0, why, 256));
    ck_assert(!crmpi_topology_refusal(&topology, erasure, 2, 1, why, 256));
    ck_assert(crmpi_topology_refusal(&topology, erasure, 2, 2, why, 256));
    ck_assert_ptr_nonnull(strstr(why, "needs 4 nodes, there are 3"));
    place("aaabbcc"); /* rank 2 has nobody */
    ck_assert(crmpi_topology_refusal(&topology, erasure, 2, 1, why, 256));
    ck_assert_ptr_nonnull(strstr(why, "rank 2"));
}
END_TEST

UNIT_TESTS("topology")
{
    CASE("topology", .teardown = teardown);
    TEST(test_names);
    TEST(test_places);
    TEST(test_partners);
    TEST(test_random);
    TEST(test_refusals);
}
