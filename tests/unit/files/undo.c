/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of the journal of files: what is noted of a name and what is not, and that what
 * became of files is undone, also by notes that a crash has cut off, and twice.  One rank.
 */
#include <check.h>
#include <fcntl.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/config.h"
#include "files/inodes.h"
#include "files/journal.h"
#include "files/undo.h"
#include "files/undone.h"
#include "net/gather.h"
#include "../main.h"
#include "../storage/storage-fixture.h"

#define SN 3

/* One rank is all. */
void *crmpi_gather(const void *mine, size_t n, size_t element_bytes, size_t *n_out)
{
    void *all = calloc(n + 1, element_bytes);

    if (n)
        memcpy(all, mine, n * element_bytes);
    *n_out = n;
    return all;
}

enum crmpi_status crmpi_agree(enum crmpi_status mine)
{
    return mine;
}

static void put(const char *name, const char *text)
{
    FILE *file = fopen(name, "w");

    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

static void holds(const char *name, const char *text)
{
    char found[64] = "";
    int fd = open(name, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, found, sizeof found - 1);

    ck_assert_msg(n >= 0, "%s is not there", name);
    close(fd);
    ck_assert_str_eq(found, text);
}

static int exists(const char *name)
{
    struct stat about;

    return lstat(name, &about) == 0;
}

static void touch(const char *name, enum crmpi_touch how, long flags)
{
    crmpi_journal_touch(AT_FDCWD, name, how, flags);
}

static void begin(uint64_t sn)
{
    const struct crmpi_inodes none = {0};

    crmpi_journal_begin(NULL, 0, sn, &none);
}

static void setup(void)
{
    folder_make();
    ck_assert_int_eq(chdir(in_folder(".")), 0);
    ck_assert_int_eq(mkdir("checkpoints", 0700), 0);
    snprintf(crmpi_config.dir, sizeof crmpi_config.dir, "%s", in_folder("checkpoints"));
    crmpi_config.file_journal = 1;
    crmpi_config.file_limit_mib = 1;
    begin(SN);
}

static void teardown(void)
{
    ck_assert_int_eq(chdir("/"), 0);
    folder_remove();
}

static enum crmpi_status undo_taken_in(uint64_t epoch, uint64_t sn, int accept)
{
    struct crmpi_undo *undo = NULL;
    enum crmpi_status status = crmpi_undo_read(0, sn, epoch, accept, &undo);

    if (status == CRMPI_OK)
        status = crmpi_undo_apply(undo);
    if (status == CRMPI_OK)
        status = crmpi_undo_end(undo);
    crmpi_undo_destroy(undo);
    return status;
}

static enum crmpi_status undo_from(uint64_t sn, int accept)
{
    return undo_taken_in(1, sn, accept);
}

static void undone(void)
{
    ck_assert_int_eq(undo_from(SN, 0), CRMPI_OK);
}

/* The kinds of all notes in the log of this checkpoint. */
static const char *log_path(void)
{
    static char path[4096];

    ck_assert_int_eq(crmpi_journal_path(path, sizeof path, 0, SN, 1, ".log"), 0);
    return path;
}

static size_t notes(uint32_t *kinds, size_t room)
{
    static char log[65536];
    int fd = open(log_path(), O_RDONLY);
    ssize_t bytes = fd < 0 ? 0 : read(fd, log, sizeof log);
    size_t n = 0;

    for (ssize_t at = 0; at < bytes && n < room; n++) {
        const struct crmpi_note *note = (const struct crmpi_note *)(log + at);

        ck_assert_uint_eq(note->magic, CRMPI_NOTE_MAGIC);
        ck_assert_uint_gt(note->bytes, sizeof *note);
        kinds[n] = note->kind;
        at += note->bytes;
    }
    if (fd >= 0)
        close(fd);
    return n;
}

static void noted(size_t n, uint32_t first, uint32_t second)
{
    uint32_t kinds[16] = {0};

    ck_assert_uint_eq(notes(kinds, 16), n);
    if (n > 0)
        ck_assert_uint_eq(kinds[0], first);
    if (n > 1)
        ck_assert_uint_eq(kinds[1], second);
}

START_TEST(what_is_only_read)
{
    put("a", "old");
    touch("a", CRMPI_TOUCH_OPEN, O_RDONLY);
    touch("b", CRMPI_TOUCH_OPEN, O_RDONLY);
    touch("b", CRMPI_TOUCH_OPEN, O_WRONLY); /* and fails */
    touch("b", CRMPI_TOUCH_REMOVE, 0);
    touch("", CRMPI_TOUCH_OPEN, O_WRONLY | O_CREAT);
    touch(NULL, CRMPI_TOUCH_OPEN, O_WRONLY | O_CREAT);
    touch((const char *)1, CRMPI_TOUCH_OPEN, O_WRONLY | O_CREAT);
    touch("nowhere/b", CRMPI_TOUCH_OPEN, O_WRONLY | O_CREAT);
    touch(".", CRMPI_TOUCH_OPEN, O_RDONLY);
    noted(0, 0, 0);
    undone();
    holds("a", "old");
}
END_TEST

/* A job may write where its checkpoints are: only what it does itself comes here. */
START_TEST(beside_checkpoints)
{
    touch("checkpoints/x", CRMPI_TOUCH_OPEN, O_WRONLY | O_CREAT);
    put("checkpoints/x", "new");
    noted(1, CRMPI_NOTE_ABSENT, 0);
    undone();
    ck_assert(!exists("checkpoints/x"));
}
END_TEST

START_TEST(first_touch_only)
{
    for (int i = 0; i < 3; i++) {
        touch("new", CRMPI_TOUCH_OPEN, O_WRONLY | O_CREAT);
        put("new", "something");
    }
    touch("./new", CRMPI_TOUCH_REMOVE, 0);
    touch("checkpoints/../new", CRMPI_TOUCH_REMOVE, 0);
    noted(1, CRMPI_NOTE_ABSENT, 0);
    undone();
    ck_assert(!exists("new"));
}
END_TEST

START_TEST(overwritten)
{
    put("a", "old");
    touch("a", CRMPI_TOUCH_OPEN, O_WRONLY | O_TRUNC);
    put("a", "new one");
    touch("a", CRMPI_TOUCH_REMOVE, 0);
    unlink("a");
    noted(1, CRMPI_NOTE_COPIED, 0);
    undone();
    holds("a", "old");
}
END_TEST

START_TEST(replaced_and_removed)
{
    struct stat before, after;

    put("a", "old");
    put("b", "other");
    ck_assert_int_eq(chmod("a", 0751), 0);
    ck_assert_int_eq(stat("a", &before), 0);
    touch("a", CRMPI_TOUCH_REMOVE, CRMPI_TOUCH_MOVES);
    touch("c", CRMPI_TOUCH_REPLACE, 0);
    rename("a", "c");
    touch("b", CRMPI_TOUCH_REMOVE, 0);
    unlink("b");
    touch("c", CRMPI_TOUCH_OPEN, O_WRONLY); /* what is kept becomes a copy first */
    put("c", "written");
    noted(3, CRMPI_NOTE_KEPT, CRMPI_NOTE_ABSENT);
    undone();
    holds("a", "old");
    holds("b", "other");
    ck_assert(!exists("c"));
    ck_assert_int_eq(stat("a", &after), 0);
    ck_assert_uint_eq(after.st_size, before.st_size);
}
END_TEST

START_TEST(second_name)
{
    put("a", "old");
    touch("a", CRMPI_TOUCH_REMOVE, 0); /* as link() is noted */
    touch("b", CRMPI_TOUCH_REPLACE, 0);
    ck_assert_int_eq(link("a", "b"), 0);
    touch("b", CRMPI_TOUCH_OPEN, O_WRONLY | O_TRUNC);
    put("b", "new");
    undone();
    holds("a", "old");
    ck_assert(!exists("b"));
}
END_TEST

START_TEST(appended)
{
    put("a", "old");
    touch("a", CRMPI_TOUCH_OPEN, O_WRONLY | O_APPEND);
    put("a", "old and");
    touch("a", CRMPI_TOUCH_OPEN, O_WRONLY | O_APPEND | O_CREAT);
    put("a", "old and new");
    noted(1, CRMPI_NOTE_LENGTH, 0);
    undone();
    holds("a", "old");
}
END_TEST

/* A length holds as long as the file is only appended to: then it is kept, and cut. */
START_TEST(appended_and_renamed)
{
    put("a", "old");
    touch("a", CRMPI_TOUCH_OPEN, O_WRONLY | O_APPEND);
    put("a", "old and new");
    touch("a", CRMPI_TOUCH_REMOVE, CRMPI_TOUCH_MOVES);
    touch("b", CRMPI_TOUCH_REPLACE, 0);
    rename("a", "b");
    touch("b", CRMPI_TOUCH_OPEN, O_WRONLY | O_APPEND);
    put("b", "old and new and more");
    noted(3, CRMPI_NOTE_LENGTH, CRMPI_NOTE_KEPT);
    undone();
    holds("a", "old");
    ck_assert(!exists("b"));
}
END_TEST

START_TEST(appended_and_overwritten)
{
    put("a", "old");
    touch("a", CRMPI_TOUCH_OPEN, O_WRONLY | O_APPEND);
    put("a", "old and new");
    touch("a", CRMPI_TOUCH_TRUNCATE, 0);
    put("a", "x");
    noted(2, CRMPI_NOTE_LENGTH, CRMPI_NOTE_COPIED);
    undone();
    holds("a", "old");
}
END_TEST

START_TEST(empty_and_removed)
{
    put("a", "");
    touch("a", CRMPI_TOUCH_OPEN, O_WRONLY);
    put("a", "new");
    touch("a", CRMPI_TOUCH_REMOVE, 0);
    unlink("a");
    noted(1, CRMPI_NOTE_LENGTH, 0);
    undone();
    holds("a", "");
}
END_TEST

START_TEST(folders_and_links)
{
    char target[16] = "";

    ck_assert_int_eq(mkdir("folder", 0750), 0);
    ck_assert_int_eq(symlink("a", "link"), 0);
    touch("folder", CRMPI_TOUCH_REMOVE, 0);
    rmdir("folder");
    touch("link", CRMPI_TOUCH_REMOVE, 0);
    unlink("link");
    touch("made", CRMPI_TOUCH_REPLACE, 0);
    mkdir("made", 0700);
    touch("made/inside", CRMPI_TOUCH_OPEN, O_WRONLY | O_CREAT);
    put("made/inside", "x");
    noted(4, CRMPI_NOTE_DIRECTORY, CRMPI_NOTE_LINK);
    undone();
    ck_assert(exists("folder"));
    ck_assert(!exists("made"));
    ck_assert_int_eq(readlink("link", target, sizeof target), 1);
}
END_TEST

/* Through a symbolic link that leads nowhere yet. */
START_TEST(through_links)
{
    put("a", "old");
    ck_assert_int_eq(symlink("a", "one"), 0);
    ck_assert_int_eq(symlink("b", "two"), 0);
    ck_assert_int_eq(symlink("round", "round"), 0);
    touch("one", CRMPI_TOUCH_OPEN, O_WRONLY);
    put("one", "new");
    touch("two", CRMPI_TOUCH_OPEN, O_WRONLY | O_CREAT);
    put("two", "new");
    touch("round", CRMPI_TOUCH_OPEN, O_WRONLY | O_CREAT);
    noted(2, CRMPI_NOTE_COPIED, CRMPI_NOTE_ABSENT);
    undone();
    holds("one", "old");
    ck_assert(!exists("b"));
    ck_assert(exists("two"));
}
END_TEST

static void big(const char *name, char byte)
{
    int fd = open(name, O_WRONLY | O_CREAT, 0600);

    ck_assert_int_eq(pwrite(fd, &byte, 1, 2 << 20), 1);
    close(fd);
}

START_TEST(too_large)
{
    struct stat about;

    big("a", 1);
    big("b", 1);
    touch("b", CRMPI_TOUCH_REMOVE, 0); /* which costs nothing */
    unlink("b");
    touch("a", CRMPI_TOUCH_OPEN, O_WRONLY);
    noted(2, CRMPI_NOTE_KEPT, CRMPI_NOTE_LOST);
    ck_assert_int_eq(undo_from(SN, 0), CRMPI_OK); /* it was opened, but not written */
    begin(SN);
    touch("b", CRMPI_TOUCH_REMOVE, 0);
    unlink("b");
    touch("a", CRMPI_TOUCH_OPEN, O_WRONLY);
    big("a", 2);
    log_reset();
    ck_assert_int_eq(undo_from(SN, 0), CRMPI_ERR_UNFIT);
    ck_assert_uint_eq(log_lines, 1);
    ck_assert_ptr_nonnull(strstr(log_last, "/a was changed after the checkpoint"));
    ck_assert_ptr_nonnull(strstr(log_last, "CRMPI_FILE_LIMIT"));
    ck_assert(!exists("b")); /* nothing has been done */
    ck_assert_int_eq(undo_from(SN, 1), CRMPI_OK);
    ck_assert_int_eq(stat("b", &about), 0);
    ck_assert_int_eq(about.st_size, (2 << 20) + 1);
}
END_TEST

/* ---- the log ---- */

START_TEST(torn)
{
    struct stat about;
    int fd;

    put("a", "old");
    put("b", "old");
    touch("a", CRMPI_TOUCH_OPEN, O_WRONLY);
    put("a", "new");
    ck_assert_int_eq(stat(log_path(), &about), 0);
    touch("b", CRMPI_TOUCH_OPEN, O_WRONLY); /* and then the machine stops */
    fd = open(log_path(), O_RDWR);
    ck_assert_int_eq(ftruncate(fd, about.st_size + 1 + 8 * _i), 0);
    if (_i == 5) /* a whole head, and nothing behind it */
        ck_assert_int_eq(pwrite(fd, "\377\377\377\377", 4, about.st_size + 16), 4);
    close(fd);
    undone();
    holds("a", "old");
    holds("b", "old");
}
END_TEST

START_TEST(flipped)
{
    struct stat about;
    char byte;
    int fd;

    put("a", "old");
    put("b", "old");
    touch("a", CRMPI_TOUCH_OPEN, O_WRONLY);
    ck_assert_int_eq(stat(log_path(), &about), 0);
    touch("b", CRMPI_TOUCH_OPEN, O_WRONLY);
    put("a", "new");
    put("b", "new");
    fd = open(log_path(), O_RDWR);
    ck_assert_int_eq(pread(fd, &byte, 1, about.st_size + _i), 1);
    byte ^= 4;
    ck_assert_int_eq(pwrite(fd, &byte, 1, about.st_size + _i), 1);
    close(fd);
    undone();
    holds("a", "old");
    holds("b", "new"); /* its note is none */
}
END_TEST

/* What was done is done again, as a restart may be killed before it says so. */
START_TEST(twice)
{
    struct crmpi_undo *undo;

    put("a", "old");
    put("b", "old");
    put("c", "old");
    touch("a", CRMPI_TOUCH_REMOVE, 0);
    unlink("a");
    touch("b", CRMPI_TOUCH_OPEN, O_WRONLY);
    put("b", "new");
    touch("c", CRMPI_TOUCH_OPEN, O_WRONLY | O_APPEND);
    put("c", "old and new");
    touch("d", CRMPI_TOUCH_OPEN, O_WRONLY | O_CREAT);
    put("d", "new");
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(crmpi_undo_read(0, SN, 1, 0, &undo), CRMPI_OK);
        ck_assert_int_eq(crmpi_undo_apply(undo), CRMPI_OK);
        if (i == 2)
            ck_assert_int_eq(crmpi_undo_end(undo), CRMPI_OK);
        crmpi_undo_destroy(undo);
        holds("a", "old");
        holds("b", "old");
        holds("c", "old");
        ck_assert(!exists("d"));
    }
    ck_assert(!exists(log_path()));
}
END_TEST

/* What a restart of this rank has undone, as it is told. */
static void restart_was(uint64_t i, uint64_t n, uint64_t from)
{
    struct crmpi_undone told;

    ck_assert_int_eq(crmpi_undone_read(0, &told), CRMPI_OK);
    ck_assert_uint_eq(told.n_done, n);
    ck_assert_uint_eq(told.n, n);
    ck_assert_uint_eq(told.from[i], from);
    free(told.from);
}

/* From the line before, after a restart from the newer one. */
START_TEST(older_lines)
{
    put("a", "one");
    touch("a", CRMPI_TOUCH_OPEN, O_WRONLY);
    put("a", "two");
    begin(SN + 1);
    touch("a", CRMPI_TOUCH_OPEN, O_WRONLY);
    put("a", "three");
    ck_assert_int_eq(undo_from(SN + 1, 0), CRMPI_OK);
    holds("a", "two");
    restart_was(0, 1, SN + 1);
    ck_assert_uint_eq(crmpi_undone_epoch(), 2);
    begin(SN + 1);
    touch("a", CRMPI_TOUCH_OPEN, O_WRONLY);
    put("a", "three again");
    ck_assert_int_eq(undo_from(SN, 0), CRMPI_OK);
    holds("a", "one");
    restart_was(1, 2, SN);
    restart_was(0, 2, SN + 1);
}
END_TEST

/* From a newer line, after a restart from one before it. */
START_TEST(abandoned_lines)
{
    put("a", "one");
    touch("a", CRMPI_TOUCH_OPEN, O_WRONLY);
    put("a", "two");
    begin(SN + 1);
    ck_assert_int_eq(undo_from(SN, 0), CRMPI_OK);
    holds("a", "one");
    ck_assert_int_eq(undo_from(SN + 1, 0), CRMPI_ERR_UNFIT);
    ck_assert_ptr_nonnull(strstr(log_last, "went back to checkpoint 3"));
    ck_assert_int_eq(undo_from(SN, 0), CRMPI_OK);
    begin(SN);
    touch("a", CRMPI_TOUCH_OPEN, O_WRONLY);
    put("a", "two again");
    begin(SN + 1); /* another one of that number */
    touch("a", CRMPI_TOUCH_OPEN, O_WRONLY);
    put("a", "three");
    ck_assert_int_eq(undo_taken_in(3, SN + 1, 0), CRMPI_OK);
    holds("a", "two again");
    ck_assert_int_eq(undo_from(SN + 1, 0), CRMPI_ERR_UNFIT);
    ck_assert_int_eq(undo_from(SN + 1, 1), CRMPI_OK); /* accepted */
}
END_TEST

/* A restart that fails once it has begun to undo has gone back, too. */
START_TEST(begun_only)
{
    struct crmpi_undo *undo;

    put("a", "one");
    touch("a", CRMPI_TOUCH_OPEN, O_WRONLY);
    put("a", "two");
    begin(SN + 1);
    ck_assert_int_eq(crmpi_undo_read(0, SN, 1, 0, &undo), CRMPI_OK);
    ck_assert_int_eq(crmpi_undo_apply(undo), CRMPI_OK);
    crmpi_undo_destroy(undo);
    ck_assert_int_eq(undo_from(SN + 1, 0), CRMPI_ERR_UNFIT);
    ck_assert_int_eq(undo_from(SN, 0), CRMPI_OK);
    restart_was(0, 1, SN);
}
END_TEST

/* Where files were not touched a job may go back and forth, until they are. */
START_TEST(untouched)
{
    begin(SN + 1);
    ck_assert_int_eq(undo_from(SN, 0), CRMPI_OK);
    restart_was(0, 1, UINT64_MAX);
    ck_assert_int_eq(undo_from(SN + 1, 0), CRMPI_OK);
    ck_assert_int_eq(undo_from(SN, 0), CRMPI_OK);
    begin(SN);
    put("a", "one");
    touch("a", CRMPI_TOUCH_OPEN, O_WRONLY);
    ck_assert_int_eq(undo_from(SN + 1, 0), CRMPI_ERR_UNFIT);
    ck_assert_int_eq(undo_from(SN, 0), CRMPI_OK);
}
END_TEST

/* A directory that was there may not be taken for one that the job has made. */
START_TEST(directory_renamed)
{
    ck_assert_int_eq(mkdir("old", 0700), 0);
    put("old/file", "precious");
    touch("old", CRMPI_TOUCH_REMOVE, 0); /* in vain */
    crmpi_journal_rename(AT_FDCWD, "old", AT_FDCWD, "moved");
    ck_assert_int_eq(rename("old", "moved"), 0);
    touch("fresh", CRMPI_TOUCH_REPLACE, 0);
    ck_assert_int_eq(mkdir("fresh", 0700), 0);
    put("fresh/file", "new");
    crmpi_journal_rename(AT_FDCWD, "fresh", AT_FDCWD, "ready");
    ck_assert_int_eq(rename("fresh", "ready"), 0);
    ck_assert_int_eq(undo_from(SN, 0), CRMPI_ERR_UNFIT);
    ck_assert_ptr_nonnull(strstr(log_last, "it is a directory that was renamed"));
    ck_assert_int_eq(undo_from(SN, 1), CRMPI_OK);
    holds("moved/file", "precious");
    ck_assert(!exists("ready"));
}
END_TEST

START_TEST(what_was_kept_is_gone)
{
    char path[4096];

    put("a", "old");
    touch("a", CRMPI_TOUCH_OPEN, O_WRONLY);
    put("a", "new");
    ck_assert_int_eq(crmpi_journal_path(path, sizeof path, 0, SN, 1, ".000001"), 0);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(undo_from(SN, 0), CRMPI_ERR_UNFIT);
    ck_assert_ptr_nonnull(strstr(log_last, "what was kept of it is gone"));
    holds("a", "new");
}
END_TEST

START_TEST(done_is_damaged)
{
    const uint64_t from = SN;
    struct crmpi_undone told;

    put("checkpoints/ranks/undone", "nonsense, and more of it than a head has");
    ck_assert_uint_eq(crmpi_undone_epoch(), 1);
    put("checkpoints/ranks/undone", "");
    ck_assert_uint_eq(crmpi_undone_epoch(), 1);
    ck_assert_int_eq(crmpi_undone_write(&from, 1, 1), CRMPI_OK);
    ck_assert_uint_eq(crmpi_undone_epoch(), 2);
    /* of a rank that it does not tell of */
    ck_assert_int_eq(crmpi_undone_read(1, &told), CRMPI_ERR_CORRUPT);
    restart_was(0, 1, SN);
    ck_assert_int_eq(truncate("checkpoints/ranks/undone", 32), 0);
    ck_assert_int_eq(crmpi_undone_read(0, &told), CRMPI_ERR_CORRUPT);
    ck_assert_uint_eq(told.n, 0);
    ck_assert_int_eq(undo_from(SN, 0), CRMPI_ERR_UNFIT); /* nothing is undone twice */
    ck_assert_ptr_nonnull(strstr(log_last, "undone is damaged"));
    ck_assert_int_eq(undo_from(SN, 1), CRMPI_OK);
}
END_TEST

UNIT_TESTS("undo")
{
    CASE("all", .seconds = 60, .setup = setup, .teardown = teardown);
    TEST(what_is_only_read);
    TEST(beside_checkpoints);
    TEST(first_touch_only);
    TEST(overwritten);
    TEST(replaced_and_removed);
    TEST(second_name);
    TEST(appended);
    TEST(appended_and_renamed);
    TEST(appended_and_overwritten);
    TEST(empty_and_removed);
    TEST(folders_and_links);
    TEST(through_links);
    TEST(too_large);
    LOOP(torn, 0, 12);
    LOOP(flipped, 0, (int)sizeof(struct crmpi_note));
    TEST(twice);
    TEST(older_lines);
    TEST(abandoned_lines);
    TEST(begun_only);
    TEST(untouched);
    TEST(directory_renamed);
    TEST(what_was_kept_is_gone);
    TEST(done_is_damaged);
}
