/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of lines and of the checkpoint directory: a line is there or it is not, and
 * pruning removes what it may and nothing else.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>
#include "base/fault.h"
#include "storage/attempt.h"
#include "storage/former.h"
#include "../main.h"
#include "storage-fixture.h"

#define N_RANKS 3

static char dir[512];

static void setup(void)
{
    folder_make();
    memory_map();
    snprintf(dir, sizeof dir, "%s/checkpoints", folder);
    ck_assert_int_eq(crmpi_directory_create(dir), CRMPI_OK);
}

static char *in_dir(const char *name)
{
    static char paths[4][768];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

static void touch(const char *name)
{
    file_put(in_dir(name), "x", 1);
}

static struct crmpi_line_rank line_ranks[N_RANKS];
static char launcher[] = "mpirun\0-np\0003";

static struct crmpi_line line_make(uint64_t number)
{
    struct crmpi_line line = {.job = job_make(0, number),
                              .ranks = line_ranks,
                              .in_transit = 1,
                              .save_seconds = 1.5,
                              .launcher = launcher,
                              .launcher_bytes = sizeof launcher};
    line.job.n_ranks = N_RANKS;
    for (int rank = 0; rank < N_RANKS; rank++) {
        line_ranks[rank].sn = number;
        line_ranks[rank].file_bytes = number * 1000 + (uint64_t)rank;
        line_ranks[rank].digest = number * 0x9e3779b97f4a7c15 + (uint64_t)rank;
        line_ranks[rank].incarnation = (uint64_t)rank;
    }
    return line;
}

static enum crmpi_status line_save(uint64_t number)
{
    struct crmpi_line line = line_make(number);
    return crmpi_line_write(dir, &line, 0);
}

START_TEST(a_rank_file_of_another_line_or_job_is_refused)
{
    struct crmpi_line line = line_make(7);
    struct crmpi_reader *reader;
    struct stat info;
    char path[1024];
    line.job.n_ranks = 4; /* as small_save() has it, for rank 3 */
    struct crmpi_line_rank four[4] = {{.sn = 7}, {.sn = 7}, {.sn = 7}, {.sn = 7}};
    line.ranks = four;
    ck_assert_int_eq(crmpi_rank_path(dir, 3, 7, 1, path, sizeof path), CRMPI_OK);
    ck_assert_int_eq(small_save(path, 7), CRMPI_OK);
    ck_assert_int_eq(stat(path, &info), 0);
    ck_assert_int_eq(crmpi_line_open_rank(dir, &line, 3, &reader), CRMPI_ERR_MISMATCH);
    ck_assert_uint_eq(log_lines, 1);
    ck_assert_int_eq(crmpi_reader_open(path, &reader), CRMPI_OK);
    four[3] = (struct crmpi_line_rank){
        7, (uint64_t)info.st_size, crmpi_reader_digest(reader), 2, {0}};
    crmpi_reader_close(reader);
    ck_assert_int_eq(crmpi_line_open_rank(dir, &line, 3, &reader), CRMPI_OK);
    crmpi_reader_close(reader);
    four[3].digest ^= 1;
    ck_assert_int_eq(crmpi_line_open_rank(dir, &line, 3, &reader), CRMPI_ERR_MISMATCH);
    four[3].digest ^= 1;
    four[3].incarnation = 1;
    ck_assert_int_eq(crmpi_line_open_rank(dir, &line, 3, &reader), CRMPI_ERR_MISMATCH);
    four[3].incarnation = 2;
    line.job.job_id[0] ^= 1;
    ck_assert_int_eq(crmpi_line_open_rank(dir, &line, 3, &reader), CRMPI_ERR_MISMATCH);
    line.job.job_id[0] ^= 1;
    line.job.n_ranks = 5;
    ck_assert_int_eq(crmpi_line_open_rank(dir, &line, 3, &reader), CRMPI_ERR_MISMATCH);
    line.job.n_ranks = 4;
    ck_assert_int_eq(small_save(path, 8),
                     CRMPI_OK); /* of the same size, with another sn */
    ck_assert_int_eq(crmpi_line_open_rank(dir, &line, 3, &reader), CRMPI_ERR_MISMATCH);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(crmpi_line_open_rank(dir, &line, 3, &reader), CRMPI_ERR_NOTFOUND);
}
END_TEST

static void checkpoint_save(uint64_t number)
{
    char path[1024];
    for (uint32_t rank = 0; rank < N_RANKS; rank++) {
        ck_assert_int_eq(crmpi_rank_path(dir, rank, number, 1, path, sizeof path),
                         CRMPI_OK);
        ck_assert_int_eq(small_save(path, (unsigned)number), CRMPI_OK);
    }
    ck_assert_int_eq(line_save(number), CRMPI_OK);
}

START_TEST(a_line_comes_back)
{
    struct crmpi_line line, made = line_make(12);
    ck_assert_int_eq(crmpi_line_write(dir, &made, 0), CRMPI_OK);
    ck_assert_int_eq(crmpi_line_read(dir, 12, &line), CRMPI_OK);
    ck_assert_mem_eq(&line.job, &made.job, sizeof made.job);
    ck_assert_mem_eq(line.ranks, made.ranks, sizeof line_ranks);
    ck_assert_double_eq(line.save_seconds, 1.5);
    ck_assert_uint_eq(line.in_transit, 1);
    ck_assert_uint_eq(line.launcher_bytes, sizeof launcher);
    ck_assert_mem_eq(line.launcher, launcher, sizeof launcher);
    crmpi_line_free(&line);
    made.launcher = NULL;
    ck_assert_int_eq(crmpi_line_write(dir, &made, 0), CRMPI_OK);
    ck_assert_int_eq(crmpi_line_read(dir, 12, &line), CRMPI_OK);
    ck_assert_ptr_null(line.launcher);
    crmpi_line_free(&line);
    ck_assert(folder_has(in_dir("lines"), "000012.h5"));
    ck_assert_uint_eq(log_lines, 0);
    ck_assert_int_eq(crmpi_line_read(dir, 13, &line), CRMPI_ERR_NOTFOUND);
    ck_assert_uint_eq(log_lines, 1);
}
END_TEST

START_TEST(a_line_of_many_ranks)
{
    enum { N = 20000 };
    struct crmpi_line_rank *many = calloc(N, sizeof *many);
    struct crmpi_line line = {.job = job_make(0, 2000000), .ranks = many}, back;
    line.job.n_ranks = N;
    for (uint32_t i = 0; i < N; i++)
        many[i].sn = i + 1000000;
    ck_assert_int_eq(crmpi_line_write(dir, &line, 0), CRMPI_OK);
    ck_assert_int_eq(crmpi_line_read(dir, 2000000, &back), CRMPI_OK);
    ck_assert_mem_eq(back.ranks, many, N * sizeof *many);
    crmpi_line_free(&back);
    free(many);
}
END_TEST

START_TEST(every_damaged_byte_of_a_line_is_noticed)
{
    struct crmpi_line line;
    size_t bytes;
    ck_assert_int_eq(line_save(1), CRMPI_OK);
    unsigned char *data = file_get(in_dir("lines/000001.h5"), &bytes);
    for (size_t i = 0; i < bytes; i += i >= 48 && i < 4000 ? 61 : 1) {
        data[i] ^= 0x10;
        file_put(in_dir("lines/000001.h5"), data, bytes);
        data[i] ^= 0x10;
        log_reset();
        ck_assert_int_ne(crmpi_line_read(dir, 1, &line), CRMPI_OK);
        ck_assert_uint_eq(log_lines, 1);
        if (i % 8 == 0) {
            file_put(in_dir("lines/000001.h5"), data, i);
            ck_assert_int_ne(crmpi_line_read(dir, 1, &line), CRMPI_OK);
        }
    }
    /* a line under another's name is not taken for it */
    file_put(in_dir("lines/000002.h5"), data, bytes);
    ck_assert_int_eq(crmpi_line_read(dir, 2, &line), CRMPI_ERR_CORRUPT);
    free(data);
}
END_TEST

START_TEST(a_line_is_whole_or_not_there)
{
    static const char *const points[] = {"storage.create", "storage.write",
                                         "storage.close", "storage.rename"};
    for (size_t p = 0; p < sizeof points / sizeof *points; p++)
        for (int killed = 0; killed < 2; killed++) {
            char text[64];
            uint64_t *numbers;
            size_t n;
            int how;
            unlink(in_dir("lines/000001.h5"));
            snprintf(text, sizeof text, "%s:1=%s", points[p], killed ? "kill" : "ENOSPC");
            pid_t child = fork();
            if (child == 0) {
                crmpi_fault_configure(text);
                _exit(line_save(1) == CRMPI_OK ? 1 : log_lines == 1 ? 0 : 2);
            }
            ck_assert_int_eq(waitpid(child, &how, 0), child);
            if (killed)
                ck_assert(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
            else
                ck_assert(WIFEXITED(how) && WEXITSTATUS(how) == 0);
            ck_assert_int_eq(crmpi_lines_list(dir, &numbers, &n), CRMPI_OK);
            ck_assert_uint_eq(n, 0);
            free(numbers);
            ck_assert_int_eq(line_save(1), CRMPI_OK);
            ck_assert(folder_has(in_dir("lines"), "000001.h5"));
        }
}
END_TEST

START_TEST(lines_are_listed_in_order)
{
    static const char *const others[] = {
        "lines/12.h5",      "lines/000012.h5.tmp",
        "lines/0000013.h5", "lines/x",
        "lines/-00001.h5",  "lines/000014.h5x",
        "lines/.h5",        "lines/99999999999999999999.h5"};
    const uint64_t expected[] = {2, 7, 1000000, 12345678901234567890u};
    uint64_t *numbers;
    size_t n;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        touch(others[i]);
    touch("lines/12345678901234567890.h5");
    touch("lines/1000000.h5");
    touch("lines/000002.h5");
    touch("lines/000007.h5");
    ck_assert_int_eq(crmpi_lines_list(dir, &numbers, &n), CRMPI_OK);
    ck_assert_uint_eq(n, 4);
    ck_assert_mem_eq(numbers, expected, sizeof expected);
    free(numbers);
    ck_assert_int_eq(crmpi_lines_list(in_folder("none"), &numbers, &n),
                     CRMPI_ERR_NOTFOUND);
    ck_assert_uint_eq(log_lines, 1);
}
END_TEST

START_TEST(directories_are_private)
{
    static const char *const names[] = {"", "ranks", "lines", "ranks/000003"};
    char path[1024], expected[1024];
    struct stat info;
    ck_assert_int_eq(crmpi_rank_path(dir, 3, 12, 1, path, sizeof path), CRMPI_OK);
    snprintf(expected, sizeof expected, "%s/ranks/000003/000012.h5", dir);
    ck_assert_str_eq(path, expected);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        ck_assert_int_eq(stat(in_dir(names[i]), &info), 0);
        ck_assert_int_eq(info.st_mode & 07777, 0700);
    }
    ck_assert_int_eq(crmpi_directory_create(dir), CRMPI_OK); /* it may be there */
    ck_assert_int_eq(crmpi_rank_path(dir, 4, 12, 0, path, sizeof path), CRMPI_OK);
    ck_assert_int_ne(stat(in_dir("ranks/000004"), &info), 0);
    ck_assert_int_eq(crmpi_rank_path(dir, 4, 12, 0, path, 20), CRMPI_ERR_USAGE);
    ck_assert_int_eq(crmpi_directory_create(in_folder("a/b")), CRMPI_ERR_NOTFOUND);
}
END_TEST

START_TEST(directories_others_may_write_are_refused)
{
    static const char *const names[] = {"", "ranks", "lines"};
    char path[1024];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        ck_assert_int_eq(chmod(in_dir(names[i]), 0770), 0);
        log_reset();
        ck_assert_int_eq(crmpi_directory_create(dir), CRMPI_ERR_PERMISSION);
        ck_assert_uint_eq(log_lines, 1);
        ck_assert_int_eq(chmod(in_dir(names[i]), 0755), 0);
        ck_assert_int_eq(crmpi_directory_create(dir), CRMPI_OK);
    }
    ck_assert_int_eq(crmpi_rank_path(dir, 0, 1, 1, path, sizeof path), CRMPI_OK);
    ck_assert_int_eq(chmod(in_dir("ranks/000000"), 0707), 0);
    ck_assert_int_eq(crmpi_rank_path(dir, 0, 1, 1, path, sizeof path),
                     CRMPI_ERR_PERMISSION);
    if (geteuid() == 0) {
        ck_assert_int_eq(chown(dir, 12345, 12345), 0);
        ck_assert_int_eq(crmpi_directory_create(dir), CRMPI_ERR_PERMISSION);
    }
}
END_TEST

START_TEST(directories_that_cannot_be_made_are_told)
{
    char path[1024];
    ck_assert_int_eq(crmpi_fault_configure("storage.mkdir:2=EDQUOT"), 0);
    ck_assert_int_eq(crmpi_directory_create(in_folder("new")), CRMPI_ERR_NOSPACE);
    ck_assert_uint_eq(log_lines, 1);
    ck_assert_int_eq(crmpi_fault_configure("storage.mkdir:1=EROFS"), 0);
    ck_assert_int_eq(crmpi_rank_path(dir, 0, 1, 1, path, sizeof path),
                     CRMPI_ERR_PERMISSION);
}
END_TEST

START_TEST(pruning_keeps_the_newest_lines_and_their_files)
{
    for (uint64_t number = 1; number <= 4; number++)
        checkpoint_save(number);
    touch("ranks/000001/000002.h5.tmp"); /* what killed runs left */
    touch("lines/000003.h5.tmp");
    ck_assert_int_eq(small_save(in_dir("ranks/000001/000005.h5"), 5),
                     CRMPI_OK); /* a checkpoint in the making */
    touch("ranks/000001/000005.h5.tmp");
    touch("lines/000005.h5.tmp");
    touch("ranks/000002/notes.txt"); /* not ours */
    touch("ranks/000002/1.h5");
    touch("ranks/000002/000001.h5.bak");
    touch("lines/README");
    ck_assert_int_eq(crmpi_lines_prune(dir, 2), CRMPI_OK);
    ck_assert_uint_eq(log_lines, 0);
    ck_assert(folder_has(in_dir("lines"), "000003.h5 000004.h5 000005.h5.tmp README"));
    ck_assert(folder_has(in_dir("ranks/000000"), "000003.h5 000004.h5 spare.tmp"));
    ck_assert(folder_has(in_dir("ranks/000001"),
                         "000003.h5 000004.h5 000005.h5 000005.h5.tmp spare.tmp"));
    ck_assert(folder_has(in_dir("ranks/000002"),
                         "000001.h5.bak 000003.h5 000004.h5 1.h5 notes.txt spare.tmp"));
    for (unsigned number = 3; number <= 4; number++) {
        char name[64];
        snprintf(name, sizeof name, "ranks/000000/%06u.h5", number);
        ck_assert(small_is(in_dir(name), number));
    }
    ck_assert_int_eq(crmpi_lines_prune(dir, 7), CRMPI_OK); /* there are fewer */
    ck_assert(folder_has(in_dir("lines"), "000003.h5 000004.h5 000005.h5.tmp README"));
}
END_TEST

START_TEST(a_dropped_file_is_written_over_by_the_next)
{
    struct stat dropped, next;
    checkpoint_save(1);
    checkpoint_save(2);
    ck_assert_int_eq(stat(in_dir("ranks/000000/000001.h5"), &dropped), 0);
    ck_assert_int_eq(crmpi_lines_prune(dir, 1), CRMPI_OK);
    checkpoint_save(3);
    ck_assert_int_eq(stat(in_dir("ranks/000000/000003.h5"), &next), 0);
    ck_assert_uint_eq(dropped.st_ino, next.st_ino);
    ck_assert(folder_has(in_dir("ranks/000000"), "000002.h5 000003.h5"));
    ck_assert(small_is(in_dir("ranks/000000/000002.h5"), 2));
    ck_assert(small_is(in_dir("ranks/000000/000003.h5"), 3));
}
END_TEST

START_TEST(a_line_that_cannot_be_read_does_not_count)
{
    for (uint64_t number = 1; number <= 4; number++)
        checkpoint_save(number);
    ck_assert_int_eq(truncate(in_dir("lines/000004.h5"), 5000), 0);
    ck_assert_int_eq(crmpi_lines_prune(dir, 2), CRMPI_ERR_CORRUPT);
    ck_assert(folder_has(in_dir("lines"), "000002.h5 000003.h5 000004.h5"));
    ck_assert(
        folder_has(in_dir("ranks/000000"), "000001.h5 000002.h5 000003.h5 000004.h5"));
    checkpoint_save(5);
    checkpoint_save(6);
    ck_assert_int_eq(crmpi_lines_prune(dir, 2), CRMPI_OK);
    ck_assert(folder_has(in_dir("lines"), "000005.h5 000006.h5"));
    ck_assert(folder_has(in_dir("ranks/000000"), "000005.h5 000006.h5 spare.tmp"));
}
END_TEST

START_TEST(a_rank_prunes_for_itself)
{
    const uint64_t keep[] = {4, 2};
    for (uint64_t number = 1; number <= 5; number++)
        checkpoint_save(number);
    ck_assert_int_eq(crmpi_rank_prune(dir, 1, keep, 0), CRMPI_OK);
    ck_assert(folder_has(in_dir("ranks/000001"),
                         "000001.h5 000002.h5 000003.h5 000004.h5 000005.h5"));
    ck_assert_int_eq(crmpi_rank_prune(dir, 1, keep, 2), CRMPI_OK);
    ck_assert(
        folder_has(in_dir("ranks/000001"), "000002.h5 000004.h5 000005.h5 spare.tmp"));
    ck_assert(folder_has(in_dir("ranks/000000"),
                         "000001.h5 000002.h5 000003.h5 000004.h5 000005.h5"));
    ck_assert_int_eq(crmpi_lines_drop(dir, 1, 0), CRMPI_OK);
    ck_assert(folder_has(in_dir("lines"), "000005.h5"));
    ck_assert_int_eq(crmpi_rank_prune(dir, 77, keep, 2), CRMPI_ERR_NOTFOUND);
}
END_TEST

/* A line of one execution: the checkpoints of ranks 0, 1, 2. */
static void mixed_save(uint64_t number, uint64_t incarnation, uint64_t restored,
                       uint64_t sn0, uint64_t sn1, uint64_t sn2)
{
    struct crmpi_line_rank ranks[N_RANKS] = {{.sn = sn0}, {.sn = sn1}, {.sn = sn2}};
    struct crmpi_line line = line_make(number);
    line.ranks = ranks;
    line.job.incarnation = incarnation;
    line.job.restored = restored;
    ck_assert_int_eq(crmpi_line_write(dir, &line, 0), CRMPI_OK);
}

START_TEST(lines_are_kept_that_share_no_file)
{
    mixed_save(1, 0, 0, 1, 1, 1);
    mixed_save(2, 0, 0, 2, 1, 1); /* rank 0 with others, or alone */
    mixed_save(3, 0, 0, 3, 2, 1);
    ck_assert_int_eq(crmpi_lines_drop(dir, 2, 0), CRMPI_OK);
    ck_assert(folder_has(in_dir("lines"), "000001.h5 000003.h5"));
    mixed_save(4, 0, 0, 3, 4, 1);
    ck_assert_int_eq(crmpi_lines_drop(dir, 2, 0), CRMPI_OK);
    ck_assert(folder_has(in_dir("lines"), "000001.h5 000004.h5"));
    mixed_save(5, 0, 0, 3, 4, 5);
    ck_assert_int_eq(crmpi_lines_drop(dir, 2, 0), CRMPI_OK);
    ck_assert(folder_has(in_dir("lines"), "000001.h5 000005.h5"));
    mixed_save(6, 0, 0, 6, 6, 6);
    ck_assert_int_eq(crmpi_lines_drop(dir, 3, 0), CRMPI_OK);
    ck_assert(folder_has(in_dir("lines"), "000001.h5 000005.h5 000006.h5"));
    ck_assert_int_eq(crmpi_lines_drop(dir, 2, 0), CRMPI_OK);
    ck_assert(folder_has(in_dir("lines"), "000005.h5 000006.h5"));
    ck_assert_int_eq(crmpi_lines_drop(dir, 1, 0), CRMPI_OK);
    ck_assert(folder_has(in_dir("lines"), "000006.h5"));
    ck_assert_uint_eq(log_lines, 0);
}
END_TEST

START_TEST(lines_that_were_given_up_are_dropped_first)
{
    mixed_save(1, 0, 0, 1, 1, 1);
    mixed_save(2, 0, 0, 2, 2, 2);
    mixed_save(3, 0, 0, 3, 3, 3); /* from 2 there was a restart */
    ck_assert_int_eq(crmpi_lines_drop(dir, 3, 0), CRMPI_OK);
    mixed_save(4, 1, 2, 4, 4, 4);
    ck_assert_int_eq(crmpi_lines_drop(dir, 4, 0), CRMPI_OK); /* there is room for it */
    ck_assert(folder_has(in_dir("lines"), "000001.h5 000002.h5 000003.h5 000004.h5"));
    ck_assert_int_eq(crmpi_lines_drop(dir, 2, 0), CRMPI_OK);
    ck_assert(folder_has(in_dir("lines"), "000002.h5 000004.h5"));
    mixed_save(5, 1, 2, 5, 5, 5);
    /* computed: rank 1 had lost checkpoint 5 */
    mixed_save(6, 1, 2, 5, 4, 5);
    ck_assert_int_eq(crmpi_lines_drop(dir, 2, 0), CRMPI_OK);
    ck_assert(folder_has(in_dir("lines"), "000002.h5 000006.h5"));
}
END_TEST

START_TEST(lines_of_another_job_are_not_counted_and_stay)
{
    struct crmpi_line line = line_make(1);
    line.job.job_id[0] = 'x';
    line.job.n_ranks = 2;
    ck_assert_int_eq(crmpi_line_write(dir, &line, 0), CRMPI_OK);
    for (uint64_t number = 2; number <= 4; number++)
        mixed_save(number, 0, 0, number, number, number);
    ck_assert_int_eq(crmpi_lines_drop(dir, 2, 0), CRMPI_OK);
    ck_assert(folder_has(in_dir("lines"), "000001.h5 000003.h5 000004.h5"));
    ck_assert_int_eq(crmpi_lines_drop(dir, 1, 0), CRMPI_OK);
    ck_assert(folder_has(in_dir("lines"), "000001.h5 000004.h5"));
}
END_TEST

START_TEST(what_cannot_be_removed_is_told)
{
    for (uint64_t number = 1; number <= 3; number++)
        checkpoint_save(number);
    ck_assert_int_eq(crmpi_fault_configure("storage.unlink:1=EACCES"), 0);
    ck_assert_int_eq(crmpi_lines_prune(dir, 1), CRMPI_ERR_PERMISSION);
    ck_assert_uint_eq(log_lines, 1);
    crmpi_fault_configure(NULL);
    ck_assert_int_eq(crmpi_lines_prune(dir, 1), CRMPI_OK);
    ck_assert(folder_has(in_dir("lines"), "000003.h5"));
    ck_assert(folder_has(in_dir("ranks/000002"), "000003.h5 spare.tmp"));
}
END_TEST

/* Killed between any two removals, no line is left that misses a file. */
START_TEST(killed_while_pruning_lines_stay_whole)
{
    for (unsigned k = 1;; k++) {
        char text[64];
        uint64_t *numbers;
        size_t n;
        int how;
        for (uint64_t number = 1; number <= 4; number++)
            checkpoint_save(number);
        snprintf(text, sizeof text, "storage.unlink:%u=kill", k);
        pid_t child = fork();
        if (child == 0) {
            crmpi_fault_configure(text);
            _exit(crmpi_lines_prune(dir, 2) != CRMPI_OK);
        }
        ck_assert_int_eq(waitpid(child, &how, 0), child);
        ck_assert_int_eq(crmpi_lines_list(dir, &numbers, &n), CRMPI_OK);
        ck_assert_uint_ge(n, 2);
        for (size_t i = 0; i < n; i++)
            for (uint32_t rank = 0; rank < N_RANKS; rank++) {
                char path[1024];
                crmpi_rank_path(dir, rank, numbers[i], 0, path, sizeof path);
                ck_assert(small_is(path, (unsigned)numbers[i]));
            }
        free(numbers);
        if (WIFEXITED(how)) {
            ck_assert_int_eq(WEXITSTATUS(how), 0);
            ck_assert_uint_gt(k, 2 * N_RANKS);
            break;
        }
    }
}
END_TEST

/* ---- former jobs ---- */

static void job_of(const char *folder, char job_id[64])
{
    struct crmpi_former former;
    ck_assert_int_eq(crmpi_former_look(folder, &former), CRMPI_OK);
    ck_assert_uint_eq(former.n_lines, 2);
    ck_assert_uint_eq(former.highest, 2);
    strcpy(job_id, former.job.job_id);
    for (unsigned number = 1; number <= 2; number++)
        for (uint32_t rank = 0; rank < N_RANKS; rank++) {
            char path[1024];
            crmpi_rank_path(folder, rank, number, 0, path, sizeof path);
            ck_assert(small_is(path, number));
        }
}

START_TEST(a_former_job_is_kept_as_a_whole)
{
    struct crmpi_former former;
    char id[64], again[64], path[1024];

    checkpoint_save(1);
    checkpoint_save(2);
    touch("stopped");
    job_of(dir, id);
    ck_assert_int_eq(crmpi_former_look(dir, &former), CRMPI_OK);
    ck_assert(!former.has_ended && former.has_files);
    ck_assert_int_eq(crmpi_former_keep(dir, &former, path, sizeof path), CRMPI_OK);
    ck_assert_str_eq(strrchr(path, '/') + 1, id);
    job_of(path, again);
    ck_assert_str_eq(id, again);
    ck_assert(folder_has(dir, "jobs"));
    ck_assert(folder_has(path, "lines ranks stopped"));
    ck_assert_int_eq(crmpi_former_look(dir, &former), CRMPI_OK);
    ck_assert(former.n_lines == 0 && !former.has_files);

    /* if somebody has copied it back there are two */
    ck_assert_int_eq(crmpi_directory_create(dir), CRMPI_OK);
    checkpoint_save(1);
    checkpoint_save(2);
    ck_assert_int_eq(crmpi_former_look(dir, &former), CRMPI_OK);
    ck_assert_int_eq(crmpi_former_keep(dir, &former, path, sizeof path), CRMPI_OK);
    ck_assert_str_eq(strrchr(path, '.'), ".2");
    job_of(path, again);
    ck_assert_uint_eq(log_lines, 0);
}
END_TEST

START_TEST(a_job_that_has_ended_says_so)
{
    struct crmpi_job job = job_make(0, 1);
    struct crmpi_former former;
    struct crmpi_ended ended;

    checkpoint_save(1);
    ck_assert_int_eq(crmpi_ended_read(dir, &ended), CRMPI_ERR_NOTFOUND);
    crmpi_ended_write(dir, &job);
    ck_assert_int_eq(crmpi_ended_read(dir, &ended), CRMPI_OK);
    ck_assert_str_eq(ended.job_id, job.job_id);
    ck_assert_uint_eq(ended.incarnation, job.incarnation);
    ck_assert_int_eq(crmpi_former_look(dir, &former), CRMPI_OK);
    ck_assert(former.has_ended);
    job.job_id[0] ^= 1; /* it was another one */
    crmpi_ended_write(dir, &job);
    ck_assert_int_eq(crmpi_former_look(dir, &former), CRMPI_OK);
    ck_assert(!former.has_ended);
    crmpi_ended_remove(dir);
    ck_assert(folder_has(dir, "lines ranks"));
    ck_assert_uint_eq(log_lines, 0);
}
END_TEST

START_TEST(what_is_discarded_is_removed_by_all_ranks)
{
    struct crmpi_former former;

    checkpoint_save(1);
    ck_assert_int_eq(crmpi_former_discard(dir), CRMPI_OK);
    ck_assert(folder_has(dir, "discarded"));
    crmpi_discarded_remove(dir, 1, 2); /* rank 0 is killed: the next job does it */
    ck_assert_int_eq(crmpi_directory_create(dir), CRMPI_OK);
    checkpoint_save(2);
    file_put(in_dir("ranks/000001/somebody's"), "x", 1);
    ck_assert_int_eq(crmpi_former_discard(dir), CRMPI_OK);
    crmpi_discarded_remove(dir, 1, 2);
    crmpi_discarded_remove(dir, 0, 2);
    ck_assert(folder_has(in_dir("discarded"), "ranks"));
    ck_assert(folder_has(in_dir("discarded/ranks"), "000001"));
    ck_assert(folder_has(in_dir("discarded/ranks/000001"), "somebody's"));
    ck_assert_int_eq(crmpi_former_look(dir, &former), CRMPI_OK);
    ck_assert(!former.has_files);
    ck_assert_uint_eq(log_lines, 0);
}
END_TEST

/* Killed, or failing, between any two steps: nothing is lost, and whoever comes next
 * finishes it. */
static void remove_tree(const char *path)
{
    char command[1100];
    snprintf(command, sizeof command, "rm -r '%s'", path);
    ck_assert_int_eq(system(command), 0);
}

static void keep_interrupted(const char *how, unsigned *n_out)
{
    for (unsigned k = 1;; k++) {
        struct crmpi_former former;
        char text[64], path[1024], id[64], again[64];
        int status;

        ck_assert_int_eq(crmpi_directory_create(dir), CRMPI_OK);
        checkpoint_save(1);
        checkpoint_save(2);
        job_of(dir, id);
        snprintf(text, sizeof text, "storage.move:%u=%s", k, how);
        pid_t child = fork();
        if (child == 0) {
            crmpi_fault_configure(text);
            crmpi_former_look(dir, &former);
            _exit(crmpi_former_keep(dir, &former, path, sizeof path) != CRMPI_OK);
        }
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_int_eq(crmpi_former_settle(dir), CRMPI_OK);
        ck_assert_int_eq(crmpi_former_look(dir, &former), CRMPI_OK);
        if (former.n_lines > 0) { /* not begun */
            ck_assert_uint_eq(k, 1);
            ck_assert_int_eq(crmpi_former_keep(dir, &former, path, sizeof path),
                             CRMPI_OK);
        }
        snprintf(path, sizeof path, "%s/jobs/%s", dir, id);
        job_of(path, again);
        ck_assert_str_eq(id, again);
        ck_assert(folder_has(dir, "jobs"));
        ck_assert_int_eq(rename(path, in_dir("gone")), 0);
        remove_tree(in_dir("gone"));
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
            *n_out = k;
            return;
        }
    }
}

START_TEST(keeping_can_be_interrupted_anywhere)
{
    unsigned n;
    keep_interrupted("kill", &n);
    ck_assert_uint_gt(n, 6);
    keep_interrupted("EIO", &n);
    ck_assert_uint_gt(n, 6);
}
END_TEST

START_TEST(an_odd_record_of_moving_is_not_followed)
{
    static const char *const odd[] = {"",
                                      "x",
                                      "crmpi moving 1\nto ..\n",
                                      "crmpi moving 1\nto jobs/..\n",
                                      "crmpi moving 1\nto jobs/a/b\n",
                                      "crmpi moving 1\nto /tmp\n"};
    checkpoint_save(1);
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        file_put(in_dir("moving"), odd[i], strlen(odd[i]));
        ck_assert_int_eq(crmpi_former_settle(dir), CRMPI_ERR_CORRUPT);
    }
    ck_assert(folder_has(dir, "lines moving ranks"));
}
END_TEST

START_TEST(an_attempt_that_was_killed_leaves_nothing)
{
    struct crmpi_refusal refusal = {
        .exit_status = 3, .world_rank = 1, .host = "h", .reason = "why"};
    struct crmpi_refusal found;

    crmpi_attempt_begin(dir);
    crmpi_attempt_refuse(dir, &refusal);
    touch("refused.2.tmp"); /* of a rank that was refusing, too, when it was killed */
    touch("refused.txt");   /* not ours */
    ck_assert_int_eq(crmpi_attempt_end(dir, &found), CRMPI_ATTEMPT_REFUSED);
    ck_assert_uint_eq(found.world_rank, 1);
    ck_assert(folder_has(dir, "lines ranks refused.txt"));
}
END_TEST

UNIT_TESTS("directory")
{
    CASE("all", .seconds = 60, .setup = setup, .teardown = folder_remove);
    TEST(a_line_comes_back);
    TEST(a_line_of_many_ranks);
    TEST(every_damaged_byte_of_a_line_is_noticed);
    TEST(a_line_is_whole_or_not_there);
    TEST(a_rank_file_of_another_line_or_job_is_refused);
    TEST(lines_are_listed_in_order);
    TEST(directories_are_private);
    TEST(directories_others_may_write_are_refused);
    TEST(directories_that_cannot_be_made_are_told);
    TEST(pruning_keeps_the_newest_lines_and_their_files);
    TEST(a_dropped_file_is_written_over_by_the_next);
    TEST(a_line_that_cannot_be_read_does_not_count);
    TEST(a_rank_prunes_for_itself);
    TEST(lines_are_kept_that_share_no_file);
    TEST(lines_that_were_given_up_are_dropped_first);
    TEST(lines_of_another_job_are_not_counted_and_stay);
    TEST(what_cannot_be_removed_is_told);
    TEST(a_former_job_is_kept_as_a_whole);
    TEST(a_job_that_has_ended_says_so);
    TEST(what_is_discarded_is_removed_by_all_ranks);
    TEST(keeping_can_be_interrupted_anywhere);
    TEST(an_odd_record_of_moving_is_not_followed);
    TEST(killed_while_pruning_lines_stay_whole);
    TEST(an_attempt_that_was_killed_leaves_nothing);
}
