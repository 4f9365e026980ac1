/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Unit tests of the control messages' way through the tree, and of a connection of it.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "net/link.h"
#include "policy/policy.h"
#include "../main.h"

static int are_neighbours(uint32_t a, uint32_t b)
{
    return (a > 0 && CRMPI_TREE_PARENT(a) == b) || (b > 0 && CRMPI_TREE_PARENT(b) == a);
}

/* Every step is to a neighbour, none goes back, and 2 log2 n of them are enough. */
START_TEST(test_all_pairs)
{
    const uint32_t n_ranks = 70;

    for (uint32_t from = 0; from < n_ranks; from++)
        for (uint32_t to = 0; to < n_ranks; to++) {
            uint32_t at = from, steps = 0;
            struct crmpi_envelope envelope = {
                .from = from, .to = to, .channel = CRMPI_CHANNEL_POLICY};
            while (at != to) {
                uint32_t next = crmpi_route_next(at, to);
                ck_assert(are_neighbours(at, next));
                ck_assert_uint_lt(next, n_ranks);
                ck_assert(crmpi_envelope_is_sound(&envelope, next, n_ranks, at));
                ck_assert_uint_le(++steps, 12);
                at = next;
            }
        }
    ck_assert_uint_eq(crmpi_route_next(5, 5), 5);
    ck_assert_uint_eq(crmpi_route_next(3000000000u, 0), (3000000000u - 1) / 2);
    ck_assert_uint_eq(crmpi_route_next(0, UINT32_MAX), 1);
}
END_TEST

START_TEST(test_nonsense)
{
    const struct crmpi_envelope good = {
        .from = 7, .to = 2, .channel = CRMPI_CHANNEL_POLICY, .bytes = 100};
    struct crmpi_envelope bad = good;

    /* 7 - 3 - 1 - 0 - 2 */
    ck_assert(crmpi_envelope_is_sound(&good, 1, 8, 3));
    ck_assert(!crmpi_envelope_is_sound(&good, 1, 8, 4)); /* 7 is not behind 4 */
    ck_assert(!crmpi_envelope_is_sound(&good, 1, 8, 0));
    ck_assert(!crmpi_envelope_is_sound(&good, 7, 8, 3)); /* its own, come back */
    ck_assert(!crmpi_envelope_is_sound(&good, 1, 7, 3)); /* there is no rank 7 */
    bad.to = 8;
    ck_assert(!crmpi_envelope_is_sound(&bad, 1, 8, 3));
    bad.to = 7; /* back to where it comes from */
    ck_assert(!crmpi_envelope_is_sound(&bad, 1, 8, 3));
    bad = good;
    bad.channel = 0;
    ck_assert(!crmpi_envelope_is_sound(&bad, 1, 8, 3));
    bad.channel = CRMPI_CHANNELS;
    ck_assert(!crmpi_envelope_is_sound(&bad, 1, 8, 3));
    bad = good;
    bad.bytes = ((uint64_t)1 << 31) + 1;
    ck_assert(!crmpi_envelope_is_sound(&bad, 1, 8, 3));
}
END_TEST

/* The ends of a connection between ranks 0 and 1. */
static struct crmpi_link zero, one;

static void connect_both(void)
{
    int fds[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    crmpi_link_init(&one, fds[0], 1); /* rank 0 has the link to 1 */
    crmpi_link_init(&zero, fds[1], 0);
}

static void disconnect_both(void)
{
    crmpi_link_fini(&zero);
    crmpi_link_fini(&one);
}

/* Far more than a socket takes, in messages of all sizes: none waits for the reader. */
START_TEST(test_much)
{
    const size_t n = 600;
    unsigned char *body = malloc(64 * n);
    struct crmpi_envelope envelope = {.to = 1, .channel = CRMPI_CHANNEL_POLICY};
    const void *bytes;
    size_t got = 0;

    ck_assert_ptr_nonnull(body);
    for (size_t i = 0; i < n; i++) {
        memset(body, (int)i, 64 * i);
        envelope.bytes = sizeof i + 64 * i;
        ck_assert_int_eq(crmpi_link_send(&one, &envelope, &i, sizeof i, body, 64 * i),
                         CRMPI_OK);
    }
    ck_assert(crmpi_link_waits(&one));
    for (int rounds = 0; got < n && rounds < 100000; rounds++) {
        ck_assert_int_eq(crmpi_link_flush(&one), CRMPI_OK);
        ck_assert_int_eq(crmpi_link_receive(&zero), CRMPI_OK);
        while (crmpi_link_next(&zero, 1, 2, &envelope, &bytes) == 1) {
            const unsigned char *at = bytes;
            ck_assert_uint_eq(envelope.bytes, sizeof got + 64 * got);
            ck_assert_mem_eq(at, &got, sizeof got);
            memset(body, (int)got, 64 * got);
            ck_assert(memcmp(at + sizeof got, body, 64 * got) == 0);
            got++;
        }
    }
    ck_assert_uint_eq(got, n);
    ck_assert(!crmpi_link_waits(&one));
    free(body);
}
END_TEST

START_TEST(test_nonsense_arrives)
{
    struct crmpi_envelope envelope = {
        .from = 0, .to = 5, .channel = CRMPI_CHANNEL_POLICY};
    const void *bytes;

    ck_assert_int_eq(crmpi_link_send(&one, &envelope, NULL, 0, NULL, 0), CRMPI_OK);
    ck_assert_int_eq(crmpi_link_receive(&zero), CRMPI_OK);
    ck_assert_int_eq(crmpi_link_next(&zero, 1, 2, &envelope, &bytes), -1);
}
END_TEST

/* What was sent before the end arrives, then the end. */
START_TEST(test_end)
{
    struct crmpi_envelope envelope = {
        .to = 1, .channel = CRMPI_CHANNEL_POLICY, .bytes = sizeof envelope};
    const void *bytes;

    ck_assert_int_eq(
        crmpi_link_send(&one, &envelope, &envelope, sizeof envelope, NULL, 0), CRMPI_OK);
    crmpi_link_finish(&one, 1000);
    ck_assert_int_eq(crmpi_link_receive(&zero), CRMPI_ERR_IO);
    ck_assert_int_eq(crmpi_link_next(&zero, 1, 2, &envelope, &bytes), 1);
    ck_assert_int_eq(crmpi_link_next(&zero, 1, 2, &envelope, &bytes), 0);
    crmpi_link_finish(&zero, 1000);
    crmpi_link_await_end(&one, 1000);
    crmpi_link_fini(&zero);
    ck_assert_int_eq(crmpi_link_send(&zero, &envelope, NULL, 0, NULL, 0), CRMPI_ERR_IO);
}
END_TEST

UNIT_TESTS("route")
{
    CASE("route");
    TEST(test_all_pairs);
    TEST(test_nonsense);
    CASE("link", .setup = connect_both, .teardown = disconnect_both);
    TEST(test_much);
    TEST(test_nonsense_arrives);
    TEST(test_end);
}
