/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Unit tests of the configuration: defaults, where values come from, and that each wrong
 * value is named.
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/config.h"
#include "../main.h"

static char why[512];
static char file_path[64];

static void setup(void)
{
    for (size_t i = 0; i < crmpi_n_variables; i++)
        unsetenv(crmpi_variables[i].name);
    unsetenv("CRMPI_CONFIG");
    why[0] = '\0';
    snprintf(file_path, sizeof file_path, "/tmp/crmpi-config-%d", getpid());
}

static void teardown(void)
{
    unlink(file_path);
}

static void use_file(const char *text)
{
    FILE *file = fopen(file_path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    ck_assert_int_eq(fclose(file), 0);
    setenv("CRMPI_CONFIG", file_path, 1);
}

START_TEST(test_defaults)
{
    char here[4096];

    ck_assert_int_eq(crmpi_config_load(why, sizeof why), CRMPI_OK);
    ck_assert_ptr_nonnull(getcwd(here, sizeof here));
    strcat(here, "/crmpi.ckpt");
    ck_assert_str_eq(crmpi_config.dir, here);
    ck_assert(crmpi_config.interval_seconds == 0);
    ck_assert_str_eq(crmpi_config.policy, "coordinated");
    ck_assert_uint_eq(crmpi_config.log_limit_mib, 256);
    ck_assert_uint_eq(crmpi_config.domino, 3);
    ck_assert_uint_eq(crmpi_config.keep, 2);
    ck_assert_int_eq(crmpi_config.log, CRMPI_LOG_WARN);
    ck_assert_int_eq(crmpi_config.truncate, 1);
    ck_assert(crmpi_config.quiesce_limit_seconds == 60);
    ck_assert(crmpi_config.time_limit_seconds == 0);
    ck_assert(crmpi_config.time_margin_seconds == 10);
    ck_assert_int_eq(crmpi_config.stop_signal, 0);
}
END_TEST

START_TEST(test_environment)
{
    setenv("CRMPI_DIR", "/scratch/x", 1);
    setenv("CRMPI_INTERVAL", "0.5", 1);
    setenv("CRMPI_KEEP", "7", 1);
    setenv("CRMPI_LOG", "debug", 1);
    setenv("CRMPI_TRUNCATE", "0", 1);
    ck_assert_int_eq(crmpi_config_load(why, sizeof why), CRMPI_OK);
    ck_assert_str_eq(crmpi_config.dir, "/scratch/x");
    ck_assert(crmpi_config.interval_seconds == 0.5);
    ck_assert_uint_eq(crmpi_config.keep, 7);
    ck_assert_int_eq(crmpi_config.log, CRMPI_LOG_DEBUG);
    ck_assert_int_eq(crmpi_config.truncate, 0);
    setenv("CRMPI_INTERVAL", "auto", 1);
    ck_assert_int_eq(crmpi_config_load(why, sizeof why), CRMPI_OK);
    ck_assert(crmpi_config.interval_seconds == CRMPI_INTERVAL_AUTO);
}
END_TEST

static const struct {
    const char *text;
    double seconds;
} limits[] = {
    {"0", 0},         {"90", 90},           {"1.5", 1.5},
    {"10:30", 630},   {"2:00:01", 7201},    {"1-00:00:00", 86400},
    {"2-12", 216000}, {"30:00:00", 108000}, {"slurm", CRMPI_TIME_LIMIT_SLURM},
};

START_TEST(test_time_limit)
{
    setenv("CRMPI_TIME_LIMIT", limits[_i].text, 1);
    setenv("CRMPI_STOP_SIGNAL", "USR1", 1);
    ck_assert_int_eq(crmpi_config_load(why, sizeof why), CRMPI_OK);
    ck_assert(crmpi_config.time_limit_seconds == limits[_i].seconds);
    ck_assert_int_eq(crmpi_config.stop_signal, SIGUSR1);
}
END_TEST

START_TEST(test_file)
{
    use_file("# a comment\n\n CRMPI_KEEP = 5 \nCRMPI_DIR=/a b/c\nCRMPI_INTERVAL=9\n");
    setenv("CRMPI_INTERVAL", "3", 1);
    ck_assert_int_eq(crmpi_config_load(why, sizeof why), CRMPI_OK);
    ck_assert_uint_eq(crmpi_config.keep, 5);
    ck_assert_str_eq(crmpi_config.dir, "/a b/c");
    ck_assert(crmpi_config.interval_seconds == 3); /* the environment wins */
}
END_TEST

START_TEST(test_levels)
{
    ck_assert_int_eq(crmpi_config_load(why, sizeof why), CRMPI_OK);
    ck_assert_uint_eq(crmpi_config.levels.set, CRMPI_LEVEL_GLOBAL);
    setenv("CRMPI_LEVELS", "partner,erasure=4+2,global:10", 1);
    ck_assert_int_eq(crmpi_config_load(why, sizeof why), CRMPI_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(why, "CRMPI_LOCAL"));
    setenv("CRMPI_LOCAL", "/dev/shm/me", 1);
    setenv("CRMPI_NODES", "n1,n2", 1);
    if (!CRMPI_HAVE_ISAL) {
        ck_assert_int_eq(crmpi_config_load(why, sizeof why), CRMPI_ERR_USAGE);
        ck_assert_ptr_nonnull(strstr(why, "built without ISA-L"));
        return;
    }
    ck_assert_int_eq(crmpi_config_load(why, sizeof why), CRMPI_OK);
    ck_assert_uint_eq(crmpi_config.levels.set, CRMPI_LEVEL_LOCAL | CRMPI_LEVEL_PARTNER |
                                                   CRMPI_LEVEL_ERASURE |
                                                   CRMPI_LEVEL_GLOBAL);
    ck_assert_uint_eq(crmpi_config.levels.k, 4);
    ck_assert_uint_eq(crmpi_config.levels.m, 2);
    ck_assert_uint_eq(crmpi_config.levels.every, 10);
    ck_assert_str_eq(crmpi_config.local, "/dev/shm/me");
    ck_assert_str_eq(crmpi_config.nodes, "n1,n2");
    setenv("CRMPI_LEVELS", "partner,global:auto", 1);
    ck_assert_int_eq(crmpi_config_load(why, sizeof why), CRMPI_OK);
    ck_assert_uint_eq(crmpi_config.levels.set,
                      CRMPI_LEVEL_LOCAL | CRMPI_LEVEL_PARTNER | CRMPI_LEVEL_GLOBAL);
    ck_assert_uint_eq(crmpi_config.levels.every, CRMPI_LEVELS_AUTO);
}
END_TEST

static const struct {
    const char *name, *value;
} wrong[] = {
    {"CRMPI_DIR", ""},
    {"CRMPI_INTERVAL", "-1"},
    {"CRMPI_INTERVAL", "10s"},
    {"CRMPI_INTERVAL", "nan"},
    {"CRMPI_INTERVAL", "inf"},
    {"CRMPI_INTERVAL", ""},
    {"CRMPI_INTERVAL", "Auto"},
    {"CRMPI_MTBF", "0"},
    {"CRMPI_POLICY", "Partial"},
    {"CRMPI_POLICY", ""},
    {"CRMPI_KEEP", "0"},
    {"CRMPI_KEEP", "1.5"},
    {"CRMPI_KEEP", " 2"},
    {"CRMPI_KEEP", "1e30"},
    {"CRMPI_LOG", "verbose"},
    {"CRMPI_TRUNCATE", "yes"},
    {"CRMPI_QUIESCE_LIMIT", "0"},
    {"CRMPI_DOMINO", "0"},
    {"CRMPI_LOG_LIMIT", "1G"},
    {"CRMPI_LEVELS", ""},
    {"CRMPI_LEVELS", "partner,"},
    {"CRMPI_LEVELS", "erasure"},
    {"CRMPI_LEVELS", "erasure=2"},
    {"CRMPI_LEVELS", "erasure=0+1"},
    {"CRMPI_LEVELS", "erasure=2+0"},
    {"CRMPI_LEVELS", "erasure=30+3"},
    {"CRMPI_LEVELS", "erasure=-2+2"},
    {"CRMPI_LEVELS", "erasure=2+2x"},
    {"CRMPI_LEVELS", "global:0"},
    {"CRMPI_LEVELS", "global:-1"},
    {"CRMPI_LEVELS", "global:automatic"},
    {"CRMPI_NODES", "a,,b"},
    {"CRMPI_NODES", "a,b/c"},
    {"CRMPI_NODES", "a,.."},
    {"CRMPI_NODES", "a,"},
    {"CRMPI_TIME_LIMIT", "1h"},
    {"CRMPI_TIME_LIMIT", "-5"},
    {"CRMPI_TIME_LIMIT", ""},
    {"CRMPI_TIME_LIMIT", "1:2:3:4"},
    {"CRMPI_TIME_LIMIT", "UNLIMITED"},
    {"CRMPI_TIME_LIMIT", "1:"},
    {"CRMPI_TIME_LIMIT", "1-"},
    {"CRMPI_TIME_LIMIT", "1e9"},
    {"CRMPI_TIME_LIMIT", "1.2.3"},
    {"CRMPI_TIME_MARGIN", "-1"},
    {"CRMPI_STOP_SIGNAL", "SIGTERM"},
    {"CRMPI_STOP_SIGNAL", "INT"},
};

START_TEST(test_wrong_value)
{
    setenv("CRMPI_KEEP", "3", 1);
    ck_assert_int_eq(crmpi_config_load(why, sizeof why), CRMPI_OK);
    setenv(wrong[_i].name, wrong[_i].value, 1);
    ck_assert_int_eq(crmpi_config_load(why, sizeof why), CRMPI_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(why, wrong[_i].name));
    ck_assert_ptr_nonnull(strstr(why, wrong[_i].value));
    ck_assert_uint_eq(crmpi_config.keep, 3); /* what was loaded before still holds */
}
END_TEST

START_TEST(test_long_directory)
{
    static char path[5000];

    memset(path, 'x', sizeof path - 1);
    path[0] = '/';
    setenv("CRMPI_DIR", path, 1);
    ck_assert_int_eq(crmpi_config_load(why, sizeof why), CRMPI_ERR_USAGE);
}
END_TEST

START_TEST(test_wrong_file)
{
    static const char *const texts[] = {
        "CRMPI_KEEP=2\nCRMPI_KEP=3\n",
        "CRMPI_KEEP=2\nCRMPI_KEEP 3\n",
        "CRMPI_KEEP=2\nCRMPI_LOG=loud\n",
    };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        use_file(texts[i]);
        ck_assert_int_eq(crmpi_config_load(why, sizeof why), CRMPI_ERR_USAGE);
        ck_assert_ptr_nonnull(strstr(why, "line 2"));
    }
    setenv("CRMPI_CONFIG", "/nonexistent/file", 1);
    ck_assert_int_eq(crmpi_config_load(why, sizeof why), CRMPI_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(why, "/nonexistent/file"));
}
END_TEST

START_TEST(test_table)
{
    for (size_t i = 0; i < crmpi_n_variables; i++) {
        const struct crmpi_variable *variable = &crmpi_variables[i];
        char option[64];
        /* the default is a right value, and the option names the variable */
        ck_assert_int_eq(
            crmpi_config_check(variable, variable->fallback, why, sizeof why), CRMPI_OK);
        crmpi_variable_option(variable, option, sizeof option);
        ck_assert_ptr_eq(crmpi_variable_find(option), variable);
        ck_assert_ptr_eq(crmpi_variable_find(variable->name), variable);
    }
    ck_assert_ptr_nonnull(crmpi_variable_find("--quiesce-limit"));
    ck_assert_ptr_null(crmpi_variable_find("--quiesce_limit"));
}
END_TEST

UNIT_TESTS("config")
{
    CASE("config", .setup = setup, .teardown = teardown);
    TEST(test_defaults);
    TEST(test_environment);
    LOOP(test_time_limit, 0, sizeof limits / sizeof limits[0]);
    TEST(test_file);
    TEST(test_levels);
    LOOP(test_wrong_value, 0, sizeof wrong / sizeof wrong[0]);
    TEST(test_long_directory);
    TEST(test_wrong_file);
    TEST(test_table);
}
