/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of rules for folders that are elsewhere.  Rules stay, so each test is a process.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>
#include "base/pathmap.h"
#include "../main.h"

static void maps_to(const char *path, const char *expected)
{
    char text[64];

    snprintf(text, sizeof text, "%s", path);
    crmpi_path_map(text, sizeof text);
    ck_assert_str_eq(text, expected);
}

static void add(const char *rule)
{
    ck_assert_int_eq(crmpi_path_map_add(rule), CRMPI_OK);
}

START_TEST(without_rules)
{
    maps_to("/a/b", "/a/b");
    maps_to("", "");
}
END_TEST

START_TEST(whole_folders)
{
    add("/a/b=/new");
    maps_to("/a/b", "/new");
    maps_to("/a/b/", "/new/");
    maps_to("/a/b/c/d", "/new/c/d");
    maps_to("/a/bc", "/a/bc");
    maps_to("/a", "/a");
    maps_to("/x/a/b", "/x/a/b");
    maps_to("a/b", "a/b");
    maps_to("socket:[12]", "socket:[12]");
}
END_TEST

START_TEST(longest_first)
{
    add("/a=/one");
    add("/a/b/c=/three");
    add("/a/b=/two");
    add("/a=/never"); /* the first of two that are equal */
    maps_to("/a/x", "/one/x");
    maps_to("/a/b/x", "/two/x");
    maps_to("/a/b/c/x", "/three/x");
    maps_to("/one/x", "/one/x");
}
END_TEST

START_TEST(once_only)
{
    add("/a=/b");
    add("/b=/a");
    maps_to("/a/x", "/b/x");
    maps_to("/b/x", "/a/x");
}
END_TEST

START_TEST(slashes)
{
    add("/a/=/new/");
    maps_to("/a/x", "/new/x");
    maps_to("/a", "/new");
}
END_TEST

START_TEST(the_root)
{
    add("/=/inside");
    maps_to("/a/x", "/inside/a/x");
    maps_to("/", "/inside/");
    maps_to("pipe:[5]", "pipe:[5]");
    add("/inside=/");
    maps_to("/inside/a", "/a");
    maps_to("/inside", "/inside"); /* nothing would be left */
}
END_TEST

START_TEST(equals_in_a_name)
{
    add("/a=b=/c=d");
    maps_to("/a=b/x", "/c=d/x");
}
END_TEST

START_TEST(no_rules)
{
    static const char *const wrong[] = {"",     "/a",     "/a=",  "=/a",     "a=/b",
                                        "/a=b", "/a=./b", "/a/b", "= /a=/b", NULL};

    for (int i = 0; wrong[i]; i++)
        ck_assert_int_eq(crmpi_path_map_add(wrong[i]), CRMPI_ERR_USAGE);
    maps_to("/a", "/a");
}
END_TEST

START_TEST(too_many)
{
    char rule[32];

    for (int i = 0; i < 64; i++) {
        snprintf(rule, sizeof rule, "/a%d=/b%d", i, i);
        add(rule);
    }
    ck_assert_int_eq(crmpi_path_map_add("/x=/y"), CRMPI_ERR_USAGE);
    maps_to("/a63/x", "/b63/x");
}
END_TEST

START_TEST(what_does_not_fit_stays)
{
    char path[12] = "/a/12345678";

    add("/a=/abc");
    crmpi_path_map(path, sizeof path);
    ck_assert_str_eq(path, "/a/12345678");
    memcpy(path, "/a/123456", 10);
    crmpi_path_map(path, sizeof path);
    ck_assert_str_eq(path, "/abc/123456");
}
END_TEST

UNIT_TESTS("pathmap")
{
    CASE("all");
    TEST(without_rules);
    TEST(whole_folders);
    TEST(longest_first);
    TEST(once_only);
    TEST(slashes);
    TEST(the_root);
    TEST(equals_in_a_name);
    TEST(no_rules);
    TEST(too_many);
    TEST(what_does_not_fit_stays);
}
