/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Unit test of the progress of a restart: ranks tell it over the network, as in the host
 * program, and it is shown on a terminal, as by crmpi-restart.
 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "restart/telling.h"
#include "tools/restoring.h"
#include "../main.h"

#define GB 1000000000ull

static int terminal, old_stderr;

static void setup(void)
{
    int slave;

    terminal = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
    ck_assert_int_ge(terminal, 0);
    ck_assert(grantpt(terminal) == 0 && unlockpt(terminal) == 0);
    slave = open(ptsname(terminal), O_RDWR | O_NOCTTY);
    ck_assert_int_ge(slave, 0);
    old_stderr = dup(STDERR_FILENO);
    dup2(slave, STDERR_FILENO);
    close(slave);
}

static void teardown(void)
{
    dup2(old_stderr, STDERR_FILENO);
    close(old_stderr);
    close(terminal);
    tool_restoring_close();
}

/* What has been shown since the last call. */
static const char *shown(void (*show)(void *))
{
    static char text[1024];
    ssize_t got;

    show(NULL);
    got = read(terminal, text, sizeof text - 1);
    text[got > 0 ? got : 0] = '\0';
    return text;
}

/* A rank loads its memory, so far; what it says is there when it has ended. */
static void rank_loads(uint32_t world_rank, uint64_t done, uint64_t total)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        crmpi_telling_begin(world_rank);
        crmpi_telling_progress(NULL, done, total);
        if (done == total)
            crmpi_telling_end();
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}

START_TEST(test_progress)
{
    struct crmpi_line_rank ranks[2] = {{.file_bytes = 3 * GB}, {.file_bytes = 2 * GB}};
    struct crmpi_line line = {.job.n_ranks = 2, .ranks = ranks};
    void (*show)(void *);

    tool_restoring_open();
    show = tool_restoring_expect(&line);
    ck_assert_ptr_nonnull(show);
    ck_assert_str_eq(shown(show), ""); /* nothing is known yet */
    rank_loads(1, GB, 2 * GB);
    ck_assert_ptr_nonnull(strstr(shown(show), "restoring 20 %, 1.00 of 5.00 GB, 0 of 2"));
    rank_loads(0, 2 * GB, 2 * GB); /* less than thought */
    ck_assert_ptr_nonnull(strstr(shown(show), "restoring 75 %, 3.00 of 4.00 GB, 1 of 2"));
    rank_loads(7, GB, GB); /* there is none such */
    ck_assert_ptr_nonnull(strstr(shown(show), "restoring 75 %, 3.00 of 4.00 GB, 1 of 2"));
    rank_loads(1, 2 * GB, 2 * GB);
    ck_assert_str_eq(shown(show), "\r\033[K"); /* the terminal is the job's again */
    ck_assert_str_eq(shown(show), "");
}
END_TEST

START_TEST(test_lost_word)
{
    struct crmpi_line_rank rank = {.file_bytes = GB};
    struct crmpi_line line = {.job.n_ranks = 1, .ranks = &rank};
    void (*show)(void *);
    int calls = 0;

    tool_restoring_open();
    show = tool_restoring_expect(&line);
    rank_loads(0, GB / 2, GB);
    ck_assert_ptr_nonnull(strstr(shown(show), "restoring 50 %"));
    while (strcmp(shown(show), "\r\033[K") != 0)
        ck_assert_int_lt(calls++, 100);
}
END_TEST

START_TEST(test_strangers)
{
    struct crmpi_line_rank rank = {.file_bytes = GB};
    struct crmpi_line line = {.job.n_ranks = 1, .ranks = &rank};
    void (*show)(void *);
    char *text, *key;

    tool_restoring_open();
    show = tool_restoring_expect(&line);
    text = getenv("CRMPI_RESTORING");
    ck_assert_ptr_nonnull(text);
    key = strchr(text, ' ') + 1;
    *key = *key == '0' ? '1' : '0';
    rank_loads(0, GB / 2, GB);
    ck_assert_str_eq(shown(show), "");
    *key = 'x';
    rank_loads(0, GB / 2, GB);
    ck_assert_str_eq(shown(show), "");
}
END_TEST

UNIT_TESTS("restoring")
{
    CASE("restoring", .setup = setup, .teardown = teardown);
    TEST(test_progress);
    TEST(test_lost_word);
    TEST(test_strangers);
}
