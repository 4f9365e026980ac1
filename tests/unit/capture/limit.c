/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Unit tests of what control groups leave to a process.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "capture/limit.h"
#include "../main.h"

static char root[] = "/tmp/crmpi-test-XXXXXX";

static void make_root(void)
{
    snprintf(root, sizeof root, "/tmp/crmpi-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
}

static void remove_root(void)
{
    char command[64];

    snprintf(command, sizeof command, "rm -rf %s", root);
    ck_assert_int_eq(system(command), 0);
}

static void folder(const char *name)
{
    char path[128];

    snprintf(path, sizeof path, "%s/%s", root, name);
    ck_assert_int_eq(mkdir(path, 0700), 0);
}

static void file(const char *name, const char *text)
{
    char path[128];

    snprintf(path, sizeof path, "%s/%s", root, name);
    FILE *out = fopen(path, "w");
    ck_assert_ptr_nonnull(out);
    fputs(text, out);
    ck_assert_int_eq(fclose(out), 0);
}

static uint64_t limit(const char *list)
{
    char path[128];

    file("list", list);
    snprintf(path, sizeof path, "%s/list", root);
    return crmpi_limit_of_groups(path, root);
}

/* A job's step has no limit of its own, but the job it belongs to has. */
START_TEST(test_nested)
{
    folder("job");
    folder("job/step");
    ck_assert_uint_eq(limit("0::/job/step\n"), UINT64_MAX);
    file("job/memory.max", "1000\n");
    file("job/memory.current", "900\n");
    file("job/step/memory.max", "max\n");
    file("job/step/memory.current", "800\n");
    ck_assert_uint_eq(limit("0::/job/step\n"), 100);
    ck_assert_uint_eq(limit("0::/\n"), UINT64_MAX);
    file("job/memory.stat", "file 500\ninactive_file 400\n");
    ck_assert_uint_eq(limit("0::/job/step\n"), 500);
    file("job/step/memory.max", "850\n");
    ck_assert_uint_eq(limit("0::/job/step\n"), 50);
    file("job/step/memory.current", "900\n");
    ck_assert_uint_eq(limit("0::/job/step\n"), 0);
}
END_TEST

START_TEST(test_version_1)
{
    folder("memory");
    folder("memory/job");
    file("memory/job/memory.limit_in_bytes", "1000\n");
    file("memory/job/memory.usage_in_bytes", "300\n");
    ck_assert_uint_eq(limit("5:cpu:/job\n4:memory:/job\n0::/\n"), 700);
    ck_assert_uint_eq(limit("5:cpu:/job\n4:memory:/other\n"), UINT64_MAX);
    ck_assert_uint_eq(limit("nonsense\n"), UINT64_MAX);
}
END_TEST

UNIT_TESTS("limit")
{
    CASE("limit", .setup = make_root, .teardown = remove_root);
    TEST(test_nested);
    TEST(test_version_1);
}
