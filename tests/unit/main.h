/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The main() of a program of tests with Check, which lists them by cases:
 *
 *     UNIT_TESTS("route")
 *     {
 *         CASE("link", .seconds = 60, .setup = connect_both, .teardown = disconnect_both);
 *         TEST(test_much);
 *         LOOP(test_all_pairs, 0, 4);
 *     }
 */
#ifndef CRMPI_TESTS_UNIT_MAIN_H
#define CRMPI_TESTS_UNIT_MAIN_H

#include <check.h>

struct unit_case {
    const char *name;
    int seconds;          /* for each test; 0: what Check allows */
    SFun setup, teardown; /* in the process of each test; may be NULL */
};

static Suite *unit_suite;
static TCase *unit_newest;

static void unit_case(const struct unit_case *made)
{
    unit_newest = tcase_create(made->name);
    suite_add_tcase(unit_suite, unit_newest);
    tcase_add_checked_fixture(unit_newest, made->setup, made->teardown);
    if (made->seconds > 0)
        tcase_set_timeout(unit_newest, made->seconds);
}

static int unit_main(const char *name, void (*list)(void))
{
    SRunner *runner;
    int n_failed;

    unit_suite = suite_create(name);
    list();
    runner = srunner_create(unit_suite);
    srunner_run_all(runner, CK_ENV);
    n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed != 0;
}

#define UNIT_TESTS(name)                                                                 \
    static void unit_tests(void);                                                        \
    int main(void)                                                                       \
    {                                                                                    \
        return unit_main(name, unit_tests);                                              \
    }                                                                                    \
    static void unit_tests(void)
#define CASE(...) unit_case(&(struct unit_case){.name = __VA_ARGS__})
#define TEST(test) tcase_add_test(unit_newest, test)
#define LOOP(test, first, end) tcase_add_loop_test(unit_newest, test, first, end)

#endif
