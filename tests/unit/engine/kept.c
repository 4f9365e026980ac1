/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Unit tests of a rank's memory of its files.
 */
#include <check.h>
#include <sys/mman.h>
#include "engine/kept.h"
#include "../main.h"
#include "threads/boundary.h"

static struct crmpi_kept kept;

static void map_control(void)
{
    void *page = mmap(crmpi_control, CRMPI_CONTROL_BYTES, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    ck_assert_ptr_eq(page, crmpi_control);
    kept = (struct crmpi_kept){0};
}

static int has(uint64_t sn)
{
    for (uint64_t i = 0; i < kept.n; i++)
        if (kept.files[i].sn == sn)
            return 1;
    return 0;
}

#define FORGET(...)                                                                      \
    do {                                                                                 \
        const uint64_t lines[] = {__VA_ARGS__};                                          \
        crmpi_kept_forget(&kept, lines, sizeof lines / sizeof lines[0]);                 \
    } while (0)

/* Lines 6 to 8 were made by other ranks, and have file 4 of this one. */
START_TEST(test_lines_of_others)
{
    crmpi_kept_committed(&kept, 2, 3, 0);
    crmpi_kept_committed(&kept, 4, 5, 0);
    crmpi_kept_committed(&kept, 9, 9, 0);
    FORGET(7, 9);
    ck_assert(!has(2) && has(4) && has(9));
    ck_assert(crmpi_kept_knows(&kept, 8) && !crmpi_kept_knows(&kept, 4));
    FORGET(9, 12);
    ck_assert(!has(4) && has(9));
}
END_TEST

/* File 4 was written before its line had a number: the lines up to 7 may have file 2. */
START_TEST(test_restart)
{
    crmpi_kept_committed(&kept, 2, 3, 0);
    crmpi_kept_restored(&kept, 4, 7);
    ck_assert(crmpi_kept_knows(&kept, 3) && crmpi_kept_knows(&kept, 7));
    FORGET(6, 7);
    ck_assert(has(2) && has(4));
    crmpi_kept_committed(&kept, 8, 10, 0);
    FORGET(9, 10);
    ck_assert(has(2) && has(4) && has(8)); /* 4 may be an increment */
    /* back to 4: 8 is of a time that was given up */
    crmpi_kept_restored(&kept, 4, 9);
    ck_assert(has(4) && !has(8));
    ck_assert_uint_eq(kept.n, 2);
}
END_TEST

START_TEST(test_alone)
{
    crmpi_kept_committed(&kept, 3, 3, 0);
    for (uint64_t sn = 4; sn < 40; sn++)
        crmpi_kept_saved(&kept, sn, 0);
    ck_assert_uint_eq(crmpi_kept_take_alone(&kept, 6), 4);
    ck_assert_uint_eq(crmpi_kept_take_alone(&kept, 6), 5);
    ck_assert_uint_eq(crmpi_kept_take_alone(&kept, 6), 0);
    ck_assert(has(3) && !has(5) && has(6) && has(39));
    FORGET(3); /* as long as there is no newer line they count */
    ck_assert(has(3) && has(6) && has(39));
    crmpi_kept_committed(&kept, 40, 40, 0);
    FORGET(3, 40);
    ck_assert(has(3) && has(40));
    ck_assert_uint_eq(kept.n, 2);
}
END_TEST

/* 1 is full, 2 and 3 are increments, 4 is full. */
START_TEST(test_chain)
{
    crmpi_kept_committed(&kept, 1, 1, 0);
    crmpi_kept_committed(&kept, 2, 2, 1);
    crmpi_kept_committed(&kept, 3, 3, 1);
    FORGET(3);
    ck_assert(has(1) && has(2) && has(3));
    crmpi_kept_committed(&kept, 4, 4, 0);
    FORGET(3, 4);
    ck_assert(has(1) && has(2) && has(3) && has(4));
    FORGET(4);
    ck_assert_uint_eq(kept.n, 1);
}
END_TEST

START_TEST(test_chain_alone)
{
    crmpi_kept_committed(&kept, 1, 1, 0);
    crmpi_kept_saved(&kept, 2, 0);
    crmpi_kept_saved(&kept, 3, 1);
    crmpi_kept_saved(&kept, 4, 1);
    ck_assert_uint_eq(crmpi_kept_take_alone(&kept, 4), 0);
    crmpi_kept_saved(&kept, 5, 0);
    ck_assert_uint_eq(crmpi_kept_take_alone(&kept, 5), 4);
    ck_assert_uint_eq(crmpi_kept_take_alone(&kept, 5), 3);
    ck_assert_uint_eq(crmpi_kept_take_alone(&kept, 5), 2);
    ck_assert_uint_eq(crmpi_kept_take_alone(&kept, 5), 0);
}
END_TEST

UNIT_TESTS("kept")
{
    CASE("kept", .setup = map_control);
    TEST(test_lines_of_others);
    TEST(test_restart);
    TEST(test_alone);
    TEST(test_chain);
    TEST(test_chain_alone);
}
