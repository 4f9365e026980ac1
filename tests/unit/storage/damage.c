/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of a rank's container that is damaged, and of saving or reading that fails: it is told,
 * and the old file stays.
 */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/fault.h"
#include "boundary/control.h"
#include "../main.h"
#include "storage-fixture.h"

#define PATH (in_folder("000012.h5"))
#define MIB ((uint64_t)1 << 20)

static void setup(void)
{
    folder_make();
    memory_map();
}

static void large_save(const char *path)
{
    static struct saving saving;
    struct crmpi_job job = job_make(0, 1);
    memory_fill(large_extents, 5);
    ck_assert_int_eq(saving_begin(&saving, path, &job), CRMPI_OK);
    ck_assert_int_eq(saving_memory(&saving, regions, N_REGIONS, large_extents, N_EXTENTS),
                     CRMPI_OK);
    ck_assert_int_eq(segments_save(&saving), CRMPI_OK);
    ck_assert_int_eq(saving_close(&saving, NULL, NULL), CRMPI_OK);
}

/* What reading all of a damaged file says; CRMPI_OK only if all is as it was. */
static enum crmpi_status read_all(const char *path, unsigned seed)
{
    struct crmpi_reader *reader;
    void *record;
    size_t bytes;
    log_reset();
    enum crmpi_status status = crmpi_reader_open(path, &reader);
    if (status != CRMPI_OK)
        return status;
    if ((status = crmpi_reader_verify(reader, NULL, NULL)) == CRMPI_OK &&
        (status = crmpi_reader_record(reader, "/channel/state", &record, &bytes)) ==
            CRMPI_OK)
        free(record);
    crmpi_reader_close(reader);
    if (status == CRMPI_OK)
        ck_assert(small_is(path, seed));
    return status;
}

static void byte_put(const char *path, size_t at, unsigned char byte)
{
    int fd = open(path, O_WRONLY);
    ck_assert_int_eq(pwrite(fd, &byte, 1, (off_t)at), 1);
    close(fd);
}

/* The next byte to damage: all where structures are, fewer in zeros and in memory. */
static size_t next_of(const unsigned char *data, size_t i)
{
    if (i >= 56 && i < 4096 - 61)
        return i + 61;
    return i + 61 < hole_end(data, i) ? i + 61 : i + 1;
}

START_TEST(every_damaged_byte_is_noticed)
{
    size_t bytes;
    ck_assert_int_eq(small_save(PATH, 3), CRMPI_OK);
    unsigned char *data = file_get(PATH, &bytes);
    ck_assert_uint_gt(bytes, 4096 + 4 * 4096);
    for (size_t i = 0; i < bytes; i = next_of(data, i)) {
        byte_put(PATH, i, data[i] ^ (unsigned char)(1u << (i % 8)));
        enum crmpi_status status = read_all(PATH, 3);
        ck_assert_msg(status == CRMPI_ERR_CORRUPT || status == CRMPI_ERR_FORMAT,
                      "byte %zu: status %d", i, (int)status);
        ck_assert_uint_eq(log_lines, 1);
        byte_put(PATH, i, data[i]);
    }
    ck_assert_int_eq(read_all(PATH, 3), CRMPI_OK);
    free(data);
}
END_TEST

/* With the digest right the damage reaches HDF5 and the checks behind it. */
START_TEST(damage_with_a_right_digest_is_noticed_or_harmless)
{
    size_t bytes, noticed = 0;
    ck_assert_int_eq(small_save(PATH, 3), CRMPI_OK);
    unsigned char *data = file_get(PATH, &bytes);
    for (size_t i = 4096; i < bytes; i++) {
        i = hole_end(data, i); /* blocks have their own checksums */
        unsigned char was = data[i];
        data[i] = i % 3 == 0   ? 0xff
                  : i % 3 == 1 ? was + 1
                               : was ^ (unsigned char)(1u << (i % 8));
        file_seal(data, bytes);
        byte_put(PATH, i, data[i]);
        for (size_t k = 48; k < 56; k++)
            byte_put(PATH, k, data[k]);
        noticed += read_all(PATH, 3) != CRMPI_OK;
        data[i] = was;
        byte_put(PATH, i, was);
    }
    ck_assert_uint_gt(noticed, 1000);
    free(data);
}
END_TEST

START_TEST(every_truncation_is_noticed)
{
    size_t bytes;
    ck_assert_int_eq(small_save(PATH, 3), CRMPI_OK);
    unsigned char *data = file_get(PATH, &bytes);
    for (size_t i = 0; i < bytes; i += i < 64 || i > bytes - 64 ? 1 : 97) {
        file_put(PATH, data, i);
        enum crmpi_status status = read_all(PATH, 3);
        ck_assert_msg(status == CRMPI_ERR_CORRUPT || status == CRMPI_ERR_FORMAT,
                      "%zu bytes: status %d", i, (int)status);
        ck_assert_uint_eq(log_lines, 1);
    }
    data[bytes] = 0; /* file_get has room for one more */
    file_put(PATH, data, bytes + 1);
    ck_assert_int_eq(read_all(PATH, 3), CRMPI_ERR_CORRUPT);
    free(data);
}
END_TEST

START_TEST(a_file_cut_after_it_was_opened_is_noticed)
{
    struct crmpi_reader *reader;
    large_save(PATH);
    ck_assert_int_eq(crmpi_reader_open(PATH, &reader), CRMPI_OK);
    ck_assert_int_eq(truncate(PATH, 1 << 20), 0);
    ck_assert_int_eq(crmpi_reader_load(reader, NULL, NULL), CRMPI_ERR_CORRUPT);
    ck_assert_uint_eq(log_lines, 1);
    crmpi_reader_close(reader);
}
END_TEST

/* Replace a number in the seal, with the digest right, and read. */
static enum crmpi_status seal_with(const unsigned char *data, size_t bytes, size_t at,
                                   const void *value, size_t value_bytes)
{
    unsigned char *copy = malloc(bytes);
    memcpy(copy, data, bytes);
    memcpy(copy + at, value, value_bytes);
    file_seal(copy, bytes);
    file_put(PATH, copy, bytes);
    free(copy);
    return read_all(PATH, 3);
}

START_TEST(impossible_sizes_in_the_seal_are_refused)
{
    size_t bytes;
    ck_assert_int_eq(small_save(PATH, 3), CRMPI_OK);
    unsigned char *data = file_get(PATH, &bytes);
    const uint64_t bad[] = {0,
                            1,
                            4095,
                            bytes - 1,
                            bytes + 1,
                            UINT64_MAX,
                            UINT64_MAX - 4096,
                            (uint64_t)1 << 63,
                            (uint64_t)1 << 40};
    const uint32_t version = 1, line = 2, strange = 77;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        /* the size, and the end of the data */
        for (int field = 0; field < 2; field++) {
            const size_t at[] = {16, 24};
            ck_assert_int_eq(seal_with(data, bytes, at[field], &bad[i], 8),
                             CRMPI_ERR_CORRUPT);
        }
    ck_assert_int_eq(seal_with(data, bytes, 8, &version, 4), CRMPI_ERR_FORMAT);
    ck_assert_int_eq(seal_with(data, bytes, 12, &line, 4), CRMPI_ERR_FORMAT);
    ck_assert_int_eq(seal_with(data, bytes, 12, &strange, 4), CRMPI_ERR_FORMAT);
    ck_assert_int_eq(seal_with(data, bytes, 12, &data[12], 4), CRMPI_OK);
    free(data);
}
END_TEST

/* Call save() with a fault at the nth occurrence of a point: 1 if the fault struck. */
static int save_with(const char *point, unsigned n, const char *effect,
                     enum crmpi_status *status_out)
{
    char text[128];
    snprintf(text, sizeof text, "%s:%u=%s", point, n, effect);
    ck_assert_int_eq(crmpi_fault_configure(text), 0);
    log_reset();
    *status_out = small_save(PATH, 8);
    int struck = crmpi_fault_struck() > 0;
    crmpi_fault_configure(NULL);
    return struck;
}

static const char *const write_points[] = {"storage.create", "storage.write",
                                           "storage.close", "storage.rename"};
#define N_WRITE_POINTS (sizeof write_points / sizeof *write_points)

START_TEST(whatever_fails_the_old_file_stays)
{
    static const struct {
        const char *name;
        enum crmpi_status status;
    } effects[] = {{"ENOSPC", CRMPI_ERR_NOSPACE},
                   {"EDQUOT", CRMPI_ERR_NOSPACE},
                   {"EIO", CRMPI_ERR_IO},
                   {"EACCES", CRMPI_ERR_PERMISSION}};
    for (size_t p = 0; p < N_WRITE_POINTS; p++)
        for (size_t e = 0; e < sizeof effects / sizeof *effects; e++) {
            unsigned n = 1;
            enum crmpi_status status;
            ck_assert_int_eq(small_save(PATH, 7), CRMPI_OK);
            for (; save_with(write_points[p], n, effects[e].name, &status); n++) {
                ck_assert_int_eq(status, effects[e].status);
                ck_assert_uint_eq(log_lines, 1);
                ck_assert(folder_has(folder, "000012.h5"));
                ck_assert(small_is(PATH, 7));
            }
            ck_assert_uint_gt(n, 1);
            ck_assert_int_eq(status, CRMPI_OK);
            ck_assert(small_is(PATH, 8));
        }
}
END_TEST

/* The disk does not take the file (1), or its name (2, 3). */
START_TEST(what_the_disk_does_not_take_is_not_there)
{
    static const char *const effects[] = {"ENOSPC", "EIO", "EDQUOT"};
    enum crmpi_status status;
    saving_sync = 1;
    for (int e = 0; e < 3; e++) {
        unlink(PATH);
        for (unsigned n = 1; n <= 3; n++) {
            ck_assert(save_with("storage.fsync", n, effects[e], &status));
            ck_assert_int_eq(status, e == 1 ? CRMPI_ERR_IO : CRMPI_ERR_NOSPACE);
            ck_assert_uint_eq(log_lines, 1);
            ck_assert(folder_has(folder, ""));
        }
        ck_assert(!save_with("storage.fsync", 4, effects[e], &status));
        ck_assert_int_eq(small_save(PATH, 7), CRMPI_OK);
        ck_assert(save_with("storage.fsync", 1, effects[e], &status));
        ck_assert(small_is(PATH, 7));
        ck_assert(save_with("storage.fsync", 2, effects[e], &status));
        ck_assert_int_ne(status, CRMPI_OK);
        ck_assert(small_is(PATH, 8)); /* whole, and what was there before is gone */
    }
    saving_sync = 0;
    ck_assert(!save_with("storage.fsync", 1, "EIO", &status));
    ck_assert_int_eq(status, CRMPI_OK);
}
END_TEST

START_TEST(only_a_full_disk_matters_when_space_is_reserved)
{
    enum crmpi_status status;
    ck_assert_int_eq(small_save(PATH, 7), CRMPI_OK);
    ck_assert(save_with("storage.reserve", 1, "EDQUOT", &status));
    ck_assert_int_eq(status, CRMPI_ERR_NOSPACE);
    ck_assert_uint_eq(log_lines, 1);
    ck_assert(folder_has(folder, "000012.h5"));
    ck_assert(small_is(PATH, 7));
    ck_assert(save_with("storage.reserve", 1, "EOPNOTSUPP", &status));
    ck_assert_int_eq(status, CRMPI_OK);
    ck_assert(small_is(PATH, 8));
}
END_TEST

START_TEST(interrupted_and_short_writes_go_on)
{
    static const char *const effects[] = {"EINTR", "short"};
    for (int e = 0; e < 2; e++) {
        unsigned n = 1;
        enum crmpi_status status;
        for (; save_with("storage.write", n, effects[e], &status); n++) {
            ck_assert_int_eq(status, CRMPI_OK);
            ck_assert(small_is(PATH, 8));
        }
        ck_assert_uint_gt(n, 2);
    }
}
END_TEST

START_TEST(interrupted_and_short_reads_go_on_and_errors_do_not)
{
    static const char *const effects[] = {"EINTR", "short", "EIO"};
    ck_assert_int_eq(small_save(PATH, 8), CRMPI_OK);
    for (int e = 0; e < 3; e++) {
        unsigned n = 1, struck = 1;
        for (; struck; n++) {
            char text[64];
            snprintf(text, sizeof text, "storage.read:%u=%s", n, effects[e]);
            ck_assert_int_eq(crmpi_fault_configure(text), 0);
            int right = small_is(PATH, 8);
            struck = crmpi_fault_struck();
            ck_assert_int_eq(right, e < 2 || !struck);
        }
        ck_assert_uint_gt(n, 4);
    }
    ck_assert_int_eq(crmpi_fault_configure("storage.open:1=EIO"), 0);
    ck_assert(!small_is(PATH, 8));
    crmpi_fault_configure(NULL);
}
END_TEST

START_TEST(killed_anywhere_the_old_file_stays)
{
    for (size_t p = 0; p < N_WRITE_POINTS; p++)
        for (unsigned n = 1;; n++) {
            int how;
            ck_assert_int_eq(small_save(PATH, 7), CRMPI_OK);
            pid_t child = fork();
            if (child == 0) {
                enum crmpi_status status;
                save_with(write_points[p], n, "kill", &status);
                _exit(0);
            }
            ck_assert_int_eq(waitpid(child, &how, 0), child);
            if (WIFEXITED(how)) {
                ck_assert_uint_gt(n, 1);
                ck_assert(small_is(PATH, 8));
                break;
            }
            ck_assert_int_eq(WTERMSIG(how), SIGKILL);
            ck_assert(small_is(PATH, 7));
        }
    /* what the killed ones left is no obstacle */
    ck_assert_int_eq(small_save(PATH, 9), CRMPI_OK);
    ck_assert(folder_has(folder, "000012.h5"));
    ck_assert(small_is(PATH, 9));
}
END_TEST

START_TEST(a_full_disk_is_told)
{
    struct rlimit limit = {1 << 20, 1 << 20};
    struct crmpi_job job = job_make(0, 1);
    static struct saving saving;
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_int_eq(saving_begin(&saving, PATH, &job), CRMPI_OK);
    ck_assert_int_eq(saving_memory(&saving, regions, N_REGIONS, large_extents, N_EXTENTS),
                     CRMPI_ERR_NOSPACE);
    ck_assert_uint_eq(log_lines, 1);
    ck_assert_int_eq(saving_close(&saving, NULL, NULL), CRMPI_ERR_INTERNAL);
    ck_assert(folder_has(folder, ""));
}
END_TEST

/* The disk is full in the middle of a segment: what was there before stays. */
START_TEST(a_disk_full_in_a_segment_loses_nothing)
{
    const uint64_t view = CRMPI_MAP_ADDR + 64 * MIB;
    const struct crmpi_extent extent = {view + 17, 4 * MIB};
    const struct crmpi_segment segment = {
        1, view + 17, 4 * MIB, view, 5 * MIB, CRMPI_FLAVOR_ALLOCATE,
        1, 1,         0,       "",   &extent, 1};
    struct rlimit limit = {2 * MIB, RLIM_INFINITY};
    struct crmpi_job job = job_make(0, 1);
    static struct saving saving;
    ck_assert_ptr_eq(mmap((void *)view, segment.view_bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
                     (void *)view);
    memset((void *)extent.start, 1, extent.bytes);
    ck_assert_int_eq(small_save(PATH, 7), CRMPI_OK);
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    /* fallocate() may tell at once; without it the writes do, after some of them */
    for (int reserves = 0; reserves < 2; reserves++) {
        log_reset();
        ck_assert_int_eq(
            crmpi_fault_configure(reserves ? NULL : "storage.reserve:1+=EOPNOTSUPP"), 0);
        ck_assert_int_eq(saving_begin(&saving, PATH, &job), CRMPI_OK);
        ck_assert_int_eq(
            saving_memory(&saving, regions, N_REGIONS, small_extents, N_EXTENTS),
            CRMPI_OK);
        ck_assert_int_eq(saving_segment(&saving, &segment), CRMPI_ERR_NOSPACE);
        ck_assert_uint_eq(log_lines, 1);
        saving_abort(&saving);
        ck_assert(folder_has(folder, "000012.h5"));
        ck_assert(small_is(PATH, 7));
    }
    crmpi_fault_configure(NULL);
}
END_TEST

UNIT_TESTS("damage")
{
    CASE("all", .seconds = 120, .setup = setup, .teardown = folder_remove);
    TEST(every_damaged_byte_is_noticed);
    TEST(damage_with_a_right_digest_is_noticed_or_harmless);
    TEST(every_truncation_is_noticed);
    TEST(a_file_cut_after_it_was_opened_is_noticed);
    TEST(impossible_sizes_in_the_seal_are_refused);
    TEST(whatever_fails_the_old_file_stays);
    TEST(what_the_disk_does_not_take_is_not_there);
    TEST(only_a_full_disk_matters_when_space_is_reserved);
    TEST(interrupted_and_short_writes_go_on);
    TEST(interrupted_and_short_reads_go_on_and_errors_do_not);
    TEST(killed_anywhere_the_old_file_stays);
    TEST(a_full_disk_is_told);
    TEST(a_disk_full_in_a_segment_loses_nothing);
}
