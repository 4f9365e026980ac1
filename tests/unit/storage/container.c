/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of a rank's container: what is written is read, and nothing else is.
 */
#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
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

static uint64_t progress_last, progress_calls, progress_task;

static void progress(void *context, uint64_t done, uint64_t total)
{
    ck_assert_ptr_eq(context, &progress_last);
    ck_assert_uint_gt(done, progress_last);
    ck_assert_uint_le(done, total);
    progress_last = done;
    progress_calls++;
}

static void large_save(const char *path)
{
    static struct saving saving;
    struct crmpi_job job = job_make(0, 1);
    uint64_t bytes;
    struct stat info;
    memory_fill(large_extents, 5);
    ck_assert_int_eq(saving_begin(&saving, path, &job), CRMPI_OK);
    saving.progress = progress;
    saving.context = &progress_last;
    progress_last = 0;
    ck_assert_int_eq(saving_memory(&saving, regions, N_REGIONS, large_extents, N_EXTENTS),
                     CRMPI_OK);
    progress_task = progress_last;
    progress_last = 0;
    for (int i = 0; i < N_SEGMENTS; i++)
        ck_assert_int_eq(saving_segment(&saving, &segments[i]), CRMPI_OK);
    ck_assert_int_eq(saving_close(&saving, &bytes, NULL), CRMPI_OK);
    ck_assert_int_eq(stat(path, &info), 0);
    ck_assert_uint_eq((uint64_t)info.st_size, bytes);
    ck_assert_int_eq(info.st_mode & 07777, 0600);
}

static void segments_compare(const struct crmpi_reader *reader)
{
    const struct crmpi_segment *read;
    size_t n;
    crmpi_reader_segments(reader, &read, &n);
    ck_assert_uint_eq(n, N_SEGMENTS);
    for (size_t i = 0; i < n; i++) {
        struct crmpi_segment one = read[i];
        ck_assert_uint_eq(one.n_extents, segments[i].n_extents);
        for (size_t k = 0; k < one.n_extents; k++)
            ck_assert_mem_eq(&one.extents[k], &segments[i].extents[k],
                             sizeof *one.extents);
        one.extents = segments[i].extents;
        ck_assert_mem_eq(&one, &segments[i], sizeof one);
    }
}

START_TEST(everything_comes_back)
{
    const struct crmpi_region *regions_read;
    const struct crmpi_extent *extents_read;
    size_t n_regions, n_extents;
    struct crmpi_reader *reader;
    struct crmpi_job job = job_make(0, 1);

    large_save(PATH);
    uint64_t total = progress_task + progress_last;
    ck_assert_int_eq(crmpi_reader_open(PATH, &reader), CRMPI_OK);
    ck_assert_mem_eq(crmpi_reader_job(reader), &job, sizeof job);
    crmpi_reader_memory(reader, &regions_read, &n_regions, &extents_read, &n_extents);
    ck_assert_uint_eq(n_regions, N_REGIONS);
    ck_assert_uint_eq(n_extents, N_EXTENTS);
    ck_assert_mem_eq(regions_read, regions, sizeof regions);
    ck_assert_mem_eq(extents_read, large_extents, sizeof large_extents);
    segments_compare(reader);
    progress_last = progress_calls = 0;
    ck_assert_int_eq(crmpi_reader_verify(reader, progress, &progress_last), CRMPI_OK);
    ck_assert_uint_eq(progress_last, total);
    memory_fill(large_extents, 6);
    ck_assert_int_eq(crmpi_reader_load(reader, NULL, NULL), CRMPI_OK);
    ck_assert(memory_is(large_extents, 5));
    crmpi_reader_close(reader);
    ck_assert(folder_has(folder, "000012.h5"));
    ck_assert_uint_eq(log_lines, 0);
}
END_TEST

START_TEST(a_rank_without_memory_and_records_of_all_sizes)
{
    struct crmpi_job job = job_make(0, 1);
    static struct saving saving;
    struct crmpi_reader *reader;
    void *data;
    size_t bytes;
    char *big = calloc(1, 300000);
    big[299999] = 7;
    ck_assert_int_eq(saving_begin(&saving, PATH, &job), CRMPI_OK);
    ck_assert_int_eq(saving_memory(&saving, NULL, 0, NULL, 0), CRMPI_OK);
    ck_assert_int_eq(crmpi_writer_record(saving.writer, "/a/b/empty", NULL, 0), CRMPI_OK);
    ck_assert_int_eq(crmpi_writer_record(saving.writer, "/big", big, 300000), CRMPI_OK);
    ck_assert_int_eq(saving_close(&saving, NULL, NULL), CRMPI_OK);
    ck_assert_int_eq(crmpi_reader_open(PATH, &reader), CRMPI_OK);
    ck_assert_int_eq(crmpi_reader_load(reader, NULL, NULL), CRMPI_OK);
    ck_assert_int_eq(crmpi_reader_record(reader, "/a/b/empty", &data, &bytes), CRMPI_OK);
    ck_assert_uint_eq(bytes, 0);
    free(data);
    ck_assert_int_eq(crmpi_reader_record(reader, "/big", &data, &bytes), CRMPI_OK);
    ck_assert_uint_eq(bytes, 300000);
    ck_assert_mem_eq(data, big, bytes);
    free(data);
    ck_assert_uint_eq(log_lines, 0);
    ck_assert_int_eq(crmpi_reader_record(reader, "/none", &data, &bytes),
                     CRMPI_ERR_NOTFOUND);
    ck_assert_uint_eq(log_lines, 1);
    crmpi_reader_close(reader);
    free(big);
}
END_TEST

static void name_add(void *context, const char *name, uint64_t bytes)
{
    char *all = context;
    sprintf(all + strlen(all), "%s:%d ", name, (int)bytes);
}

START_TEST(records_are_listed)
{
    struct crmpi_reader *reader;
    char all[256] = "";
    ck_assert_int_eq(small_save(PATH, 9), CRMPI_OK);
    ck_assert_int_eq(crmpi_reader_open(PATH, &reader), CRMPI_OK);
    ck_assert_int_eq(crmpi_reader_records(reader, name_add, all), CRMPI_OK);
    ck_assert_str_eq(all, "/channel/state:4 /task/threads:7 ");
    crmpi_reader_close(reader);
}
END_TEST

/* Every fourth page of a region, so that a piece has more segments than one call
 * takes. */
START_TEST(scattered_pages_come_back)
{
    enum { N = 1024 };
    static struct crmpi_extent extents[N];
    struct crmpi_job job = job_make(0, 1);
    static struct saving saving;
    struct crmpi_reader *reader;
    for (int i = 0; i < N; i++) {
        extents[i].start = regions[1].start + (uint64_t)i * 8192 + 17;
        extents[i].bytes = i % 2 ? 700 : 3;
        memset((void *)extents[i].start, i, extents[i].bytes);
    }
    ck_assert_int_eq(saving_begin(&saving, PATH, &job), CRMPI_OK);
    ck_assert_int_eq(saving_memory(&saving, regions, N_REGIONS, extents, N), CRMPI_OK);
    ck_assert_int_eq(saving_close(&saving, NULL, NULL), CRMPI_OK);
    memset((void *)regions[1].start, 255, regions[1].bytes);
    ck_assert_int_eq(crmpi_reader_open(PATH, &reader), CRMPI_OK);
    ck_assert_int_eq(crmpi_reader_load(reader, NULL, NULL), CRMPI_OK);
    crmpi_reader_close(reader);
    for (int i = 0; i < N; i++) {
        unsigned char *at = (void *)extents[i].start;
        ck_assert_uint_eq(at[-1], 255);
        for (uint64_t k = 0; k < extents[i].bytes; k++)
            ck_assert_uint_eq(at[k], (unsigned char)i);
        ck_assert_uint_eq(at[extents[i].bytes], 255);
    }
}
END_TEST

/* A segment of more than a block, and many that HDF5 finds place for anywhere. */
START_TEST(segments_of_all_sizes_come_back)
{
    enum { N = 200 };
    const uint64_t view = CRMPI_MAP_ADDR + 64 * MIB, big = 3 * MIB + 77;
    struct crmpi_job job = job_make(0, 1);
    static struct saving saving;
    struct crmpi_reader *reader;
    unsigned char *at = (void *)view;
    ck_assert_ptr_eq(mmap(at, N * 4 * MIB, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
                     at);
    ck_assert_int_eq(saving_begin(&saving, PATH, &job), CRMPI_OK);
    ck_assert_int_eq(saving_memory(&saving, NULL, 0, NULL, 0), CRMPI_OK);
    for (uint64_t i = 0; i < N; i++) {
        const uint64_t start = view + i * 4 * MIB + i;
        struct crmpi_extent extent = {start, i % 50 == 49 ? big : i * i * i % 9001 + 1};
        struct crmpi_segment segment = {
            N - i, start, extent.bytes, start - i, 4 * MIB, CRMPI_FLAVOR_ALLOCATE, 1,
            1,     0,     "",           &extent,   1};
        memset((void *)start, (int)i + 1, extent.bytes);
        ck_assert_int_eq(saving_segment(&saving, &segment), CRMPI_OK);
        /* what else is written lies between them */
        char record[32];
        snprintf(record, sizeof record, "/record/%d", (int)i);
        ck_assert_int_eq(crmpi_writer_record(saving.writer, record, at, i * 97),
                         CRMPI_OK);
    }
    ck_assert_int_eq(saving_close(&saving, NULL, NULL), CRMPI_OK);
    memset(at, 0, N * 4 * MIB);
    ck_assert_int_eq(crmpi_reader_open(PATH, &reader), CRMPI_OK);
    ck_assert_int_eq(crmpi_reader_load(reader, NULL, NULL), CRMPI_OK);
    crmpi_reader_close(reader);
    for (uint64_t i = 0; i < N; i++) {
        unsigned char *start = at + i * 4 * MIB + i;
        uint64_t bytes = i % 50 == 49 ? big : i * i * i % 9001 + 1;
        for (uint64_t k = 0; k < bytes; k++)
            ck_assert_uint_eq(start[k], (unsigned char)(i + 1));
        ck_assert(i == 0 || start[-1] == 0);
        ck_assert_uint_eq(start[bytes], 0);
    }
    munmap(at, N * 4 * MIB);
}
END_TEST

START_TEST(unreadable_memory_is_an_error)
{
    struct crmpi_job job = job_make(0, 1);
    static struct saving saving;
    ck_assert_int_eq(mprotect((void *)small_extents[2].start, 4096, PROT_NONE), 0);
    ck_assert_int_eq(saving_begin(&saving, PATH, &job), CRMPI_OK);
    ck_assert_int_eq(saving_memory(&saving, regions, N_REGIONS, small_extents, N_EXTENTS),
                     CRMPI_ERR_SYSTEM);
    ck_assert_uint_eq(log_lines, 1);
    saving_abort(&saving);
    ck_assert(folder_has(folder, ""));
}
END_TEST

START_TEST(an_unreadable_segment_is_an_error)
{
    struct crmpi_job job = job_make(0, 1);
    static struct saving saving;
    ck_assert_int_eq(mprotect((void *)segments[0].view_start, 8192, PROT_NONE), 0);
    ck_assert_int_eq(saving_begin(&saving, PATH, &job), CRMPI_OK);
    ck_assert_int_eq(saving_memory(&saving, NULL, 0, NULL, 0), CRMPI_OK);
    ck_assert_int_eq(segments_save(&saving), CRMPI_ERR_SYSTEM);
    ck_assert_uint_eq(log_lines, 1);
    ck_assert_int_eq(saving_close(&saving, NULL, NULL), CRMPI_ERR_INTERNAL);
    ck_assert(folder_has(folder, ""));
}
END_TEST

START_TEST(wrong_order_of_calls_is_refused)
{
    struct crmpi_job job = job_make(0, 1);
    static struct saving saving;
    ck_assert_int_eq(saving_begin(&saving, PATH, &job), CRMPI_OK);
    ck_assert_int_eq(saving_close(&saving, NULL, NULL),
                     CRMPI_ERR_INTERNAL); /* no memory yet */
    ck_assert(folder_has(folder, ""));

    ck_assert_int_eq(saving_begin(&saving, PATH, &job), CRMPI_OK);
    ck_assert_int_eq(saving_memory(&saving, NULL, 0, NULL, 0), CRMPI_OK);
    ck_assert_int_eq(saving_memory(&saving, NULL, 0, NULL, 0), CRMPI_ERR_INTERNAL);
    ck_assert_int_eq(saving_close(&saving, NULL, NULL), CRMPI_ERR_INTERNAL);

    ck_assert_int_eq(saving_begin(&saving, PATH, &job), CRMPI_OK);
    ck_assert_int_eq(saving_segment(&saving, &segments[1]),
                     CRMPI_ERR_INTERNAL); /* no memory yet */
    saving_abort(&saving);

    ck_assert_int_eq(saving_begin(&saving, PATH, &job), CRMPI_OK);
    ck_assert_int_eq(saving_memory(&saving, NULL, 0, NULL, 0), CRMPI_OK);
    ck_assert_int_eq(saving_segment(&saving, &segments[1]), CRMPI_OK);
    ck_assert_int_eq(saving_segment(&saving, &segments[1]),
                     CRMPI_ERR_INTERNAL); /* the same window again */
    saving_abort(&saving);

    ck_assert_int_eq(saving_begin(&saving, PATH, &job), CRMPI_OK);
    ck_assert_int_eq(crmpi_writer_record(saving.writer, "/window/000001", "1", 1),
                     CRMPI_ERR_INTERNAL);
    saving_abort(&saving);

    ck_assert_int_eq(saving_begin(&saving, PATH, &job), CRMPI_OK);
    ck_assert_int_eq(crmpi_writer_record(saving.writer, "/x", "1", 1), CRMPI_OK);
    ck_assert_int_eq(crmpi_writer_record(saving.writer, "/x", "1", 1),
                     CRMPI_ERR_INTERNAL);
    saving_abort(&saving);
    ck_assert(folder_has(folder, ""));
}
END_TEST

START_TEST(the_same_bytes_give_the_same_file)
{
    size_t a_bytes, b_bytes;
    ck_assert_int_eq(small_save(PATH, 3), CRMPI_OK);
    unsigned char *a = file_get(PATH, &a_bytes);
    /* and so does writing over a spare file that is longer, or shorter */
    for (int longer = 0; longer < 2; longer++) {
        char *old = malloc(100000);
        memset(old, 0xa5, 100000);
        file_put(in_folder("spare.tmp"), old, longer ? 100000 : 5000);
        free(old);
        ck_assert_int_eq(small_save(PATH, 3), CRMPI_OK);
        unsigned char *b = file_get(PATH, &b_bytes);
        ck_assert_uint_eq(a_bytes, b_bytes);
        ck_assert_mem_eq(a, b, a_bytes);
        free(b);
        ck_assert(folder_has(folder, "000012.h5"));
    }
    free(a);
}
END_TEST

START_TEST(a_spare_file_with_another_name_is_not_written_over)
{
    size_t bytes;
    file_put(in_folder("other"), "precious", 8);
    ck_assert_int_eq(link(in_folder("other"), in_folder("spare.tmp")), 0);
    ck_assert_int_eq(small_save(PATH, 3), CRMPI_OK);
    unsigned char *other = file_get(in_folder("other"), &bytes);
    ck_assert_uint_eq(bytes, 8);
    ck_assert_mem_eq(other, "precious", 8);
    free(other);
    ck_assert_int_eq(unlink(in_folder("other")), 0);

    file_put(in_folder("other"), "precious", 8);
    ck_assert_int_eq(symlink("other", in_folder("spare.tmp")), 0);
    ck_assert_int_eq(small_save(PATH, 3), CRMPI_OK);
    other = file_get(in_folder("other"), &bytes);
    ck_assert_mem_eq(other, "precious", 8);
    free(other);
    ck_assert(small_is(PATH, 3));
    ck_assert(folder_has(folder, "000012.h5 other"));
}
END_TEST

/* While the file is being written threads of the program run, which may close any
 * descriptor, or give its number to a file of their own. */
START_TEST(a_descriptor_that_is_taken_away_is_no_harm)
{
    struct crmpi_job job = job_make(3, 3);
    static struct saving saving;
    const unsigned seed = 3;
    size_t bytes;
    for (int how = 0; how < 3; how++) {
        file_put(in_folder("other"), "precious", 8);
        int other = open(in_folder("other"), O_RDWR);
        memory_fill(small_extents, 3);
        ck_assert_int_eq(saving_begin(&saving, PATH, &job), CRMPI_OK);
        ck_assert_int_eq(
            saving_memory(&saving, regions, N_REGIONS, small_extents, N_EXTENTS),
            CRMPI_OK);
        ck_assert_int_eq(segments_save(&saving), CRMPI_OK);
        ck_assert_int_eq(
            crmpi_writer_record(saving.writer, "/channel/state", &seed, sizeof seed),
            CRMPI_OK);
        int fd = crmpi_writer_descriptor(saving.writer);
        if (how == 0)
            close(fd);
        else
            ck_assert_int_eq(dup2(other, fd), fd);
        if (how == 2)
            saving_abort(&saving);
        else
            ck_assert_int_eq(saving_close(&saving, NULL, NULL), CRMPI_OK);
        ck_assert(small_is(PATH, 3));
        ck_assert_int_eq(how == 0 || fcntl(fd, F_GETFD) >= 0, 1);
        if (how > 0)
            close(fd);
        close(other);
        unsigned char *is = file_get(in_folder("other"), &bytes);
        ck_assert_uint_eq(bytes, 8);
        ck_assert_mem_eq(is, "precious", 8);
        free(is);
    }
    /* nor is a file that is not the one that was written */
    ck_assert_int_eq(saving_begin(&saving, PATH, &job), CRMPI_OK);
    ck_assert_int_eq(saving_memory(&saving, regions, N_REGIONS, small_extents, N_EXTENTS),
                     CRMPI_OK);
    int written = dup(crmpi_writer_descriptor(saving.writer)); /* it is another file */
    close(crmpi_writer_descriptor(saving.writer));
    unlink(in_folder("000012.h5.tmp"));
    file_put(in_folder("000012.h5.tmp"), "another", 7);
    ck_assert_int_eq(saving_close(&saving, NULL, NULL), CRMPI_ERR_IO);
    close(written);
    ck_assert(small_is(PATH, 3));
    ck_assert(folder_has(folder, "000012.h5 other"));
}
END_TEST

START_TEST(a_link_instead_of_the_file_is_refused)
{
    struct crmpi_reader *reader;
    ck_assert_int_eq(small_save(in_folder("real.h5"), 3), CRMPI_OK);
    ck_assert_int_eq(symlink("real.h5", PATH), 0);
    ck_assert_int_eq(crmpi_reader_open(PATH, &reader), CRMPI_ERR_PERMISSION);
    ck_assert_int_eq(crmpi_reader_open(folder, &reader), CRMPI_ERR_FORMAT);
    ck_assert_int_eq(crmpi_reader_open(in_folder("none"), &reader), CRMPI_ERR_NOTFOUND);
    ck_assert_uint_eq(log_lines, 3);
}
END_TEST

START_TEST(files_others_may_write_are_refused)
{
    static const mode_t bad[] = {0620, 0602, 0666, 0660};
    struct crmpi_reader *reader;
    ck_assert_int_eq(small_save(PATH, 3), CRMPI_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_int_eq(chmod(PATH, bad[i]), 0);
        log_reset();
        ck_assert_int_eq(crmpi_reader_open(PATH, &reader), CRMPI_ERR_PERMISSION);
        ck_assert_uint_eq(log_lines, 1);
    }
    ck_assert_int_eq(chmod(PATH, 0644), 0);
    ck_assert(small_is(PATH, 3));
    if (geteuid() == 0) { /* only root can give a file away */
        ck_assert_int_eq(chown(PATH, 12345, 12345), 0);
        ck_assert_int_eq(crmpi_reader_open(PATH, &reader), CRMPI_ERR_PERMISSION);
    }
}
END_TEST

static int list_is(const void *list, size_t n, const void *expected, size_t n_expected,
                   size_t bytes)
{
    return n == n_expected && memcmp(list, expected, n * bytes) == 0;
}
#define LIST_IS(name)                                                                    \
    list_is(got.name, got.n_##name, made.name, made.n_##name, sizeof *made.name)

START_TEST(dependencies_come_back)
{
    struct crmpi_job job = job_make(3, 5);
    struct crmpi_dependencies made = dependencies_make(&job), got;
    struct crmpi_reader *reader;
    ck_assert_int_eq(small_save(PATH, 5), CRMPI_OK);
    ck_assert_int_eq(crmpi_reader_open(PATH, &reader), CRMPI_OK);
    ck_assert_int_eq(crmpi_reader_dependencies(reader, &got), CRMPI_OK);
    crmpi_reader_close(reader);
    ck_assert(got.world_rank == 3 && got.n_ranks == 4 && got.sn == 5 &&
              got.interval == 5 && got.base == 4 && got.is_alone == 0);
    ck_assert(LIST_IS(streams) && LIST_IS(collectives) && LIST_IS(members) &&
              LIST_IS(accesses) && LIST_IS(origins) && LIST_IS(windows) &&
              LIST_IS(cohort));
    crmpi_dependencies_fini(&got);
}
END_TEST

START_TEST(without_dependencies_all_ranks_belong_together)
{
    struct crmpi_job job = job_make(3, 5);
    struct crmpi_dependencies got;
    static struct saving saving;
    struct crmpi_reader *reader;
    ck_assert_int_eq(saving_begin(&saving, PATH, &job), CRMPI_OK);
    ck_assert_int_eq(saving_memory(&saving, NULL, 0, NULL, 0), CRMPI_OK);
    ck_assert_int_eq(saving_close(&saving, NULL, NULL), CRMPI_OK);
    ck_assert_int_eq(crmpi_reader_open(PATH, &reader), CRMPI_OK);
    ck_assert_int_eq(crmpi_reader_dependencies(reader, &got), CRMPI_OK);
    crmpi_reader_close(reader);
    ck_assert(got.sn == 5 && got.interval == 5 && got.is_alone == 0 &&
              got.n_cohort == 0 && got.n_streams == 0 && got.n_ranks == 4);
    ck_assert(got.n_collectives == 1 && got.collectives->count == 5 &&
              got.collectives->n_members == 4 && got.n_members == 4 &&
              got.members[3] == 3);
    ck_assert_int_eq(crmpi_dependencies_check(&got), 0);
    crmpi_dependencies_fini(&got);
}
END_TEST

START_TEST(the_digest_is_the_files_own)
{
    struct crmpi_job job = job_make(3, 5);
    static struct saving saving;
    struct crmpi_reader *reader;
    uint64_t digests[2];
    for (int i = 0; i < 2; i++) {
        char record = (char)i;
        ck_assert_int_eq(saving_begin(&saving, PATH, &job), CRMPI_OK);
        ck_assert_int_eq(saving_memory(&saving, NULL, 0, NULL, 0), CRMPI_OK);
        ck_assert_int_eq(crmpi_writer_record(saving.writer, "/task/one", &record, 1),
                         CRMPI_OK);
        ck_assert_int_eq(saving_close(&saving, NULL, &digests[i]), CRMPI_OK);
        ck_assert_int_eq(crmpi_reader_open(PATH, &reader), CRMPI_OK);
        ck_assert_uint_eq(crmpi_reader_digest(reader), digests[i]);
        crmpi_reader_close(reader);
    }
    ck_assert_uint_ne(digests[0], digests[1]);
}
END_TEST

/* Threads that save and read files of their own at the same time; failures among them
 * are told by crmpi alone, not by HDF5. */
static void *many_saved(void *context)
{
    const char *path = context;
    struct crmpi_job job = job_make(1, 2);
    struct crmpi_reader *reader;
    struct saving saving; /* of this thread */
    struct crmpi_dependencies all;
    void *record;
    size_t bytes;
    for (int i = 0; i < 50; i++) {
        require(saving_begin(&saving, path, &job) == CRMPI_OK);
        require(saving_memory(&saving, regions, N_REGIONS, small_extents, N_EXTENTS) ==
                CRMPI_OK);
        require(crmpi_writer_record(saving.writer, "/task/path", path, strlen(path)) ==
                CRMPI_OK);
        require(dependencies_save(&saving, &job) == CRMPI_OK);
        require(saving_close(&saving, NULL, NULL) == CRMPI_OK);
        require(crmpi_reader_open(path, &reader) == CRMPI_OK);
        require(crmpi_reader_record(reader, "/task/none", &record, &bytes) ==
                CRMPI_ERR_NOTFOUND);
        require(crmpi_reader_record(reader, "/task/path", &record, &bytes) == CRMPI_OK);
        require(bytes == strlen(path) && memcmp(record, path, bytes) == 0);
        free(record);
        require(crmpi_reader_dependencies(reader, &all) == CRMPI_OK);
        crmpi_dependencies_fini(&all);
        require(crmpi_reader_verify(reader, NULL, NULL) == CRMPI_OK);
        crmpi_reader_close(reader);
    }
    return NULL;
}

START_TEST(threads_save_at_the_same_time)
{
    enum { N = 4 };
    pthread_t threads[N];
    char paths[N][512], told[64];
    FILE *err = tmpfile();
    int kept = dup(STDERR_FILENO);
    memory_fill(small_extents, 1);
    require(err != NULL && kept >= 0 && dup2(fileno(err), STDERR_FILENO) >= 0);
    for (int i = 0; i < N; i++) {
        snprintf(paths[i], sizeof paths[i], "%s/%06d.h5", folder, i);
        require(pthread_create(&threads[i], NULL, many_saved, paths[i]) == 0);
    }
    for (int i = 0; i < N; i++)
        pthread_join(threads[i], NULL);
    require(dup2(kept, STDERR_FILENO) >= 0);
    close(kept);
    rewind(err);
    ck_assert_uint_eq(fread(told, 1, sizeof told, err), 0);
    fclose(err);
}
END_TEST

UNIT_TESTS("container")
{
    CASE("all", .seconds = 120, .setup = setup, .teardown = folder_remove);
    TEST(everything_comes_back);
    TEST(a_rank_without_memory_and_records_of_all_sizes);
    TEST(records_are_listed);
    TEST(scattered_pages_come_back);
    TEST(segments_of_all_sizes_come_back);
    TEST(unreadable_memory_is_an_error);
    TEST(an_unreadable_segment_is_an_error);
    TEST(wrong_order_of_calls_is_refused);
    TEST(the_same_bytes_give_the_same_file);
    TEST(a_spare_file_with_another_name_is_not_written_over);
    TEST(a_descriptor_that_is_taken_away_is_no_harm);
    TEST(a_link_instead_of_the_file_is_refused);
    TEST(files_others_may_write_are_refused);
    TEST(dependencies_come_back);
    TEST(without_dependencies_all_ranks_belong_together);
    TEST(the_digest_is_the_files_own);
    TEST(threads_save_at_the_same_time);
}
