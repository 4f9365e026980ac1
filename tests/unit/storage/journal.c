/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of DIR/history.csv.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/fault.h"
#include "../main.h"
#include "storage-fixture.h"
#include "storage/journal.h"

static struct crmpi_journal_row *rows;
static size_t n_rows;

static struct crmpi_journal_row row_make(uint64_t line)
{
    struct crmpi_journal_row row = {.event = CRMPI_JOURNAL_LINE,
                                    .time = 1767268800.25 + (double)line,
                                    .job_id = "0123456789abcdef",
                                    .incarnation = 2,
                                    .line = line,
                                    .n_ranks = 4,
                                    .policy = "coordinated",
                                    .target = "tmpfs",
                                    .level = "partner",
                                    .quiet_seconds = 0.125,
                                    .total_seconds = 0.75};
    struct crmpi_figures figures = {1000, 800, 600, 20000, 300000, 0, 0};
    crmpi_journal_add_rank(&row, 0, 700, &figures);
    figures = (struct crmpi_figures){
        2000, 100, 50, 40000, 500000, CRMPI_HOW_INCREMENT | CRMPI_HOW_ZSTD, 0};
    crmpi_journal_add_rank(&row, 1, 60, &figures);
    figures = (struct crmpi_figures){10, 10, 10, 10, 10, CRMPI_HOW_HASH, 0};
    crmpi_journal_add_rank(&row, 3, 20, &figures);
    return row;
}

static void append(const struct crmpi_journal_row *row)
{
    ck_assert_int_eq(crmpi_journal_append(folder, row, 1), CRMPI_OK);
}

static void read_again(void)
{
    free(rows);
    rows = NULL;
    ck_assert_int_eq(crmpi_journal_read(folder, &rows, &n_rows), CRMPI_OK);
}

START_TEST(what_was_written_is_read)
{
    struct crmpi_journal_row row = row_make(7);

    read_again();
    ck_assert_uint_eq(n_rows, 0);
    append(&row);
    row = (struct crmpi_journal_row){.event = CRMPI_JOURNAL_GIVEN_UP,
                                     .time = 5,
                                     .reason = "rank 3: \"a, b\"\nsaid it"};
    append(&row);
    read_again();
    ck_assert_uint_eq(n_rows, 2);
    row = row_make(7);
    ck_assert_mem_eq(&rows[0], &row, sizeof row);
    ck_assert_uint_eq(rows[0].n_saved, 3);
    ck_assert_uint_eq(rows[0].n_increments, 1);
    ck_assert_uint_eq(rows[0].slowest, 1);
    ck_assert_uint_eq(rows[0].memory_bytes, 3010);
    ck_assert_uint_eq(rows[0].file_bytes, 780);
    ck_assert_uint_eq(rows[0].how, CRMPI_HOW_INCREMENT | CRMPI_HOW_ZSTD | CRMPI_HOW_HASH);
    ck_assert(rows[0].blocked_seconds > 0.0399 && rows[0].save_seconds < 0.501);
    ck_assert_int_eq(rows[1].event, CRMPI_JOURNAL_GIVEN_UP);
    ck_assert_str_eq(rows[1].reason, "rank 3: 'a; b' said it");
}
END_TEST

/* A row that was cut off, or is something else, is passed over, and nothing after it is
 * lost. */
START_TEST(what_is_no_row_is_passed_over)
{
    static const char *const wrong[] = {
        "nonsense",
        "1,line",
        "",
        ",,,,,,,,,,,,,,,,,,,,,",
        "-1,line,job,0,1,1,1,p,t,l,,0,0,0,0,0,0,0,0,0,0,", /* a time before 1970 */
        "nan,line,job,0,1,1,1,p,t,l,,0,0,0,0,0,0,0,0,0,0,",
        "1,what,job,0,1,1,1,p,t,l,,0,0,0,0,0,0,0,0,0,0,",
        "1,line,job,0,-1,1,1,p,t,l,,0,0,0,0,0,0,0,0,0,0,",
        "1,line,job,0,1,4294967296,1,p,t,l,,0,0,0,0,0,0,0,0,0,0,",
        "1,line,job,0,1,1,1,p,t,l,,0,0,0,0,0,0,0,0,0,0,,more",
        "1,line,job,0,99999999999999999999,1,1,p,t,l,,0,0,0,0,0,0,0,0,0,0,"};
    struct crmpi_journal_row row = row_make(1);

    append(&row);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        FILE *file = fopen(in_folder(CRMPI_JOURNAL_NAME), "a");
        require(file != NULL && fputs(wrong[i], file) >= 0 && fclose(file) == 0);
        row = row_make(i + 2);
        append(&row);
        read_again();
        ck_assert_uint_eq(n_rows, i + 2);
        ck_assert_uint_eq(rows[i + 1].line, i + 2);
    }
    /* the row above them all is right, so those were wrong for what was meant */
    FILE *file = fopen(in_folder(CRMPI_JOURNAL_NAME), "a");
    require(file != NULL &&
            fputs("1,line,job,0,1,1,1,p,t,l,,0,0,0,0,0,0,0,0,0,0,\n2,line", file) >= 0 &&
            fclose(file) == 0);
    size_t before = n_rows;
    read_again();
    ck_assert_uint_eq(n_rows, before + 1);
}
END_TEST

START_TEST(a_write_that_fails_is_no_row)
{
    struct crmpi_journal_row row = row_make(1);

    append(&row);
    for (int i = 0; i < 2; i++) {
        require(crmpi_fault_configure(i ? "storage.history:1=short"
                                        : "storage.history:1=ENOSPC") == 0);
        log_reset();
        ck_assert_int_eq(crmpi_journal_append(folder, &row, 1), CRMPI_ERR_NOSPACE);
        ck_assert_uint_eq(log_lines, 1);
        ck_assert_ptr_nonnull(strstr(log_last, CRMPI_JOURNAL_NAME));
        require(crmpi_fault_configure(NULL) == 0);
        read_again();
        ck_assert_uint_eq(n_rows, 1 + (size_t)i);
        row = row_make(2 + (uint64_t)i);
        append(&row);
        read_again();
        ck_assert_uint_eq(n_rows, 2 + (size_t)i);
        ck_assert_uint_eq(rows[n_rows - 1].line, 2 + (uint64_t)i);
    }
}
END_TEST

START_TEST(it_stays_small)
{
    struct crmpi_journal_row row = row_make(1);
    struct stat info;
    uint64_t n = 3 * CRMPI_JOURNAL_BYTES_MAX / 150;

    for (uint64_t i = 1; i <= n; i++) {
        row.line = i;
        append(&row);
    }
    for (int old = 0; old < 2; old++) {
        require(stat(in_folder(old ? CRMPI_JOURNAL_OLD_NAME : CRMPI_JOURNAL_NAME),
                     &info) == 0);
        ck_assert_uint_lt((uint64_t)info.st_size, CRMPI_JOURNAL_BYTES_MAX + 4096);
    }
    read_again();
    ck_assert_uint_gt(n_rows, 2000);
    ck_assert_uint_lt(n_rows, n);
    for (size_t i = 0; i < n_rows; i++) /* the newest, all of them */
        ck_assert_uint_eq(rows[i].line, n - n_rows + 1 + i);
}
END_TEST

/* Columns of other versions: those that are the same are read. */
START_TEST(columns_have_names)
{
    static const char other[] = "time,colour,line,event\n12.5,blue,3,line\n";
    struct crmpi_journal_row row = row_make(4);

    file_put(in_folder(CRMPI_JOURNAL_NAME), other, sizeof other - 1);
    append(&row);
    read_again();
    ck_assert_uint_eq(n_rows, 2);
    ck_assert_uint_eq(rows[0].line, 3);
    ck_assert_int_eq(rows[0].event, CRMPI_JOURNAL_LINE);
    ck_assert_uint_eq(rows[1].line, 4);
    ck_assert_int_eq(access(in_folder(CRMPI_JOURNAL_OLD_NAME), F_OK), 0);
}
END_TEST

START_TEST(rows_of_several_processes_do_not_mix)
{
    enum { PROCESSES = 4, EACH = 100 };
    struct crmpi_journal_row row = row_make(0);
    uint64_t seen[PROCESSES] = {0};

    for (uint64_t i = 0; i < PROCESSES; i++)
        if (fork() == 0) {
            for (row.line = i * EACH; row.line < (i + 1) * EACH; row.line++)
                if (crmpi_journal_append(folder, &row, 0) != CRMPI_OK)
                    _exit(1);
            _exit(0);
        }
    for (int status; wait(&status) > 0;)
        ck_assert_int_eq(status, 0);
    read_again();
    ck_assert_uint_eq(n_rows, PROCESSES * EACH);
    for (size_t i = 0; i < n_rows; i++) {
        require(rows[i].line < PROCESSES * EACH);
        ck_assert_uint_eq(rows[i].line % EACH, seen[rows[i].line / EACH]++);
    }
}
END_TEST

START_TEST(others_may_not_have_written_it)
{
    struct crmpi_journal_row row = row_make(1);

    append(&row);
    require(chmod(in_folder(CRMPI_JOURNAL_NAME), 0666) == 0);
    ck_assert_int_eq(crmpi_journal_read(folder, &rows, &n_rows), CRMPI_ERR_PERMISSION);
    require(unlink(in_folder(CRMPI_JOURNAL_NAME)) == 0 &&
            symlink("elsewhere", in_folder(CRMPI_JOURNAL_NAME)) == 0);
    log_reset();
    ck_assert_int_ne(crmpi_journal_append(folder, &row, 1), CRMPI_OK);
    ck_assert_int_ne(access(in_folder("elsewhere"), F_OK), 0);
}
END_TEST

START_TEST(a_target_has_a_name)
{
    char name[32];

    crmpi_journal_target("/proc/no/such", name, sizeof name);
    ck_assert_str_eq(name, "?");
    crmpi_journal_target("/proc", name, sizeof name);
    ck_assert_str_eq(name, "0x9fa0");
}
END_TEST

UNIT_TESTS("journal")
{
    CASE("all", .seconds = 60, .setup = folder_make, .teardown = folder_remove);
    TEST(what_was_written_is_read);
    TEST(what_is_no_row_is_passed_over);
    TEST(a_write_that_fails_is_no_row);
    TEST(it_stays_small);
    TEST(columns_have_names);
    TEST(rows_of_several_processes_do_not_mix);
    TEST(others_may_not_have_written_it);
    TEST(a_target_has_a_name);
}
