/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Unit tests of what threads are bound to on another node.
 */
#include <check.h>
#include <string.h>
#include "capture/cpus.h"
#include "../main.h"

#define WORDS (CRMPI_CPUS_MAX / 64)

/* The set of the first word. */
static uint64_t translated(uint64_t cpus, uint64_t from, uint64_t to)
{
    uint64_t a[WORDS] = {cpus}, b[WORDS] = {from}, c[WORDS] = {to}, result[WORDS];

    memset(result, 0xff, sizeof result);
    crmpi_cpus_translate(a, b, c, result);
    for (int i = 1; i < WORDS; i++)
        ck_assert_uint_eq(result[i], 0);
    return result[0];
}

START_TEST(test_translation)
{
    /* the same processors */
    ck_assert_uint_eq(translated(0x2, 0xf, 0xf), 0x2);
    ck_assert_uint_eq(translated(0xf0, 0xf, 0xf), 0xf0);
    /* others, as many: the one at the same place */
    ck_assert_uint_eq(translated(0x2, 0xf, 0xf0), 0x20);
    ck_assert_uint_eq(translated(0x9, 0xf, 0x5500), 0x4100);
    /* fewer: from the beginning again */
    ck_assert_uint_eq(translated(0x4, 0xf, 0x3), 0x1);
    ck_assert_uint_eq(translated(0xf, 0xf, 0x30), 0x30);
    /* more: as many as there were */
    ck_assert_uint_eq(translated(0x2, 0x3, 0xff00), 0x200);
    /* those that the launcher had not given */
    ck_assert_uint_eq(translated(0x81, 0x3, 0xc), 0x84);
}
END_TEST

START_TEST(test_large_numbers)
{
    uint64_t cpus[WORDS] = {0}, from[WORDS] = {0x3}, to[WORDS] = {0}, result[WORDS];

    cpus[0] = 0x2;
    to[WORDS - 1] = 3ul << 62;
    crmpi_cpus_translate(cpus, from, to, result);
    ck_assert_uint_eq(result[WORDS - 1], 1ul << 63);
    ck_assert_uint_eq(result[0], 0);
}
END_TEST

UNIT_TESTS("cpus")
{
    CASE("cpus");
    TEST(test_translation);
    TEST(test_large_numbers);
}
