/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of the fault points themselves, and of the checksum.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/checksum.h"
#include "base/fault.h"
#include "../main.h"
#include "../storage/storage-fixture.h"

START_TEST(the_nth_occurrence_is_struck)
{
    ck_assert_int_eq(crmpi_fault_configure("a.b:2=ENOSPC,c.d:1=EIO"), 0);
    ck_assert_int_eq(crmpi_fault("a.b"), 0);
    ck_assert_int_eq(crmpi_fault("other"), 0);
    ck_assert_int_eq(crmpi_fault("a.b"), ENOSPC);
    ck_assert_int_eq(crmpi_fault("a.b"), 0);
    ck_assert_uint_eq(crmpi_fault_struck(), 1);
    ck_assert_int_eq(crmpi_fault("c.d"), EIO);
    ck_assert_uint_eq(crmpi_fault_struck(), 2);
}
END_TEST

START_TEST(with_plus_every_later_one_is)
{
    ck_assert_int_eq(crmpi_fault_configure("a.b:2+=short"), 0);
    ck_assert_int_eq(crmpi_fault("a.b"), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(crmpi_fault("a.b"), CRMPI_FAULT_SHORT);
}
END_TEST

START_TEST(a_rank_has_its_own)
{
    setenv("OMPI_COMM_WORLD_RANK", "12", 1);
    ck_assert_int_eq(crmpi_fault_configure("a@12:1=EIO,b@1:1=EIO,b@2:1=EIO"), 0);
    ck_assert_int_eq(crmpi_fault("a"), EIO);
    ck_assert_int_eq(crmpi_fault("b"), 0);
}
END_TEST

START_TEST(nothing_is_armed_without_faults)
{
    ck_assert_int_eq(crmpi_fault_configure("a:1=EIO"), 0);
    ck_assert_int_ne(crmpi_fault_armed, 0);
    ck_assert_int_eq(crmpi_fault_configure(NULL), 0);
    ck_assert_int_eq(crmpi_fault_armed, 0);
    ck_assert_int_eq(crmpi_fault("a"), 0);
}
END_TEST

START_TEST(the_environment_is_read_at_the_first_point)
{
    setenv("CRMPI_FAULT", "a:1=EDQUOT", 1);
    ck_assert_int_eq(crmpi_fault("a"), EDQUOT);
    ck_assert_int_eq(crmpi_fault("a"), 0);
}
END_TEST

START_TEST(wrong_texts_are_told)
{
    static const char *const wrong[] = {
        "a",        "a:1",       "a=EIO",   "a:0=EIO",  ":1=EIO",      "a:x=EIO",
        "a:1=",     "a:1=EWHAT", "a:1+",    "a:-1=EIO", "a:1=EIO,",    ",a:1=EIO",
        "a:1x=EIO", "a:1++=EIO", "=a:1EIO", "a@1=EIO",  "a:1=EIO,b:1",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        log_reset();
        ck_assert_msg(crmpi_fault_configure(wrong[i]) == -1, "%s", wrong[i]);
        ck_assert_uint_eq(log_lines, 1);
        ck_assert_int_eq(crmpi_fault("a"), 0);
    }
}
END_TEST

START_TEST(a_checksum_in_pieces_is_that_of_the_whole)
{
    enum { N = 100000 };
    static unsigned char data[N];
    for (int i = 0; i < N; i++)
        data[i] = (unsigned char)(i * 7);
    struct crmpi_checksum_state state;
    crmpi_checksum_begin(&state);
    for (size_t at = 0, piece = 1; at < N; at += piece, piece = piece * 3 % 1009 + 1)
        crmpi_checksum_add(&state, data + at, at + piece < N ? piece : N - at);
    ck_assert_uint_eq(crmpi_checksum_end(&state), crmpi_checksum(data, N));
    /* known values: the format must not change with the library */
    ck_assert_uint_eq(crmpi_checksum("", 0), 0x2d06800538d394c2u);
    ck_assert_uint_eq(crmpi_checksum("abc", 3), 0x78af5f94892f3950u);
}
END_TEST

UNIT_TESTS("fault")
{
    CASE("all");
    TEST(the_nth_occurrence_is_struck);
    TEST(with_plus_every_later_one_is);
    TEST(a_rank_has_its_own);
    TEST(nothing_is_armed_without_faults);
    TEST(the_environment_is_read_at_the_first_point);
    TEST(wrong_texts_are_told);
    TEST(a_checksum_in_pieces_is_that_of_the_whole);
}
