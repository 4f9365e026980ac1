/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of the survey of memory: views of windows are no regions, and of their segments
 * just the bytes are found that are theirs and not zero.  The tests' memory lies in the
 * upper range, in which nothing else of this process is.
 */
#include <check.h>
#include <fcntl.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "boundary/control.h"
#include "capture/regions.h"
#include "capture/segments.h"
#include "storage/plain.h"

#define PAGE 4096ul
#define MEMORY (CRMPI_MAP_ADDR)
#define VIEW (CRMPI_MAP_ADDR + 64 * PAGE)
#define VIEW_PAGES 1024ul

static char why[512];

/* Map an object of /dev/shm without a name, as MPI libraries do. */
static void shared_map(uint64_t start, uint64_t bytes, uint64_t file_bytes)
{
    char name[] = "/dev/shm/crmpi-test-XXXXXX";
    int fd = mkstemp(name);
    ck_assert_int_ge(fd, 0);
    unlink(name);
    ck_assert_int_eq(ftruncate(fd, (off_t)file_bytes), 0);
    void *at = mmap((void *)start, bytes, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
    ck_assert_ptr_eq(at, (void *)start);
    close(fd);
}

static void private_map(uint64_t start, uint64_t bytes)
{
    void *at = mmap((void *)start, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    ck_assert_ptr_eq(at, (void *)start);
}

/* A segment so many bytes behind the start of the view. */
static struct crmpi_window_segment window_at(uint64_t offset, uint64_t bytes)
{
    struct crmpi_window_segment window = {.window = 5,
                                          .start = VIEW + offset,
                                          .bytes = bytes,
                                          .view_start = VIEW,
                                          .view_bytes = VIEW_PAGES * PAGE,
                                          .flavor = MPI_WIN_FLAVOR_SHARED,
                                          .disp_unit = 4,
                                          .n_members = 3,
                                          .rank = 1,
                                          .name = "a name"};
    return window;
}

static void remove_all(void)
{
    munmap((void *)MEMORY, VIEW + VIEW_PAGES * PAGE + 64 * PAGE - MEMORY);
    why[0] = 0;
}

START_TEST(a_view_is_no_region_and_other_shared_memory_is_refused)
{
    struct crmpi_window_segment window = window_at(0, PAGE);
    struct crmpi_memory memory;
    private_map(MEMORY, 2 * PAGE);
    *(char *)(MEMORY + PAGE) = 1;
    shared_map(VIEW, VIEW_PAGES * PAGE, VIEW_PAGES * PAGE);
    *(char *)VIEW = 1;
    ck_assert_int_eq(crmpi_memory_survey(&window, 1, &memory, why, sizeof why), CRMPI_OK);
    ck_assert_uint_eq(memory.n_regions, 1);
    ck_assert_uint_eq(memory.regions[0].start, MEMORY);
    ck_assert_uint_eq(memory.regions[0].bytes, 2 * PAGE);
    ck_assert_uint_eq(memory.n_extents, 1);
    ck_assert_uint_eq(memory.extents[0].start, MEMORY + PAGE);
    crmpi_memory_release(&memory);
    ck_assert_int_eq(crmpi_memory_survey(NULL, 0, &memory, why, sizeof why),
                     CRMPI_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(why, "/dev/shm/crmpi-test"));
    /* a view that is shorter than the mapping does not hide the rest of it */
    window.view_bytes -= PAGE;
    ck_assert_int_eq(crmpi_memory_survey(&window, 1, &memory, why, sizeof why),
                     CRMPI_ERR_UNSUPPORTED);
}
END_TEST

START_TEST(views_are_cut_out_of_their_neighbours)
{
    struct crmpi_window_segment windows[3] = {window_at(0, 1), window_at(0, 1),
                                              window_at(0, 1)};
    struct crmpi_memory memory;
    private_map(MEMORY, 16 * PAGE);
    memset((void *)MEMORY, 1, 16 * PAGE);
    windows[0].view_start = MEMORY + 8 * PAGE;
    windows[0].view_bytes = 2 * PAGE;
    windows[1].view_start = windows[1].view_bytes = 0;
    windows[2].view_start = MEMORY + 3 * PAGE;
    windows[2].view_bytes = PAGE;
    ck_assert_int_eq(crmpi_memory_survey(windows, 3, &memory, why, sizeof why), CRMPI_OK);
    const uint64_t parts[3][2] = {{0, 3}, {4, 4}, {10, 6}};
    ck_assert_uint_eq(memory.n_regions, 3);
    ck_assert_uint_eq(memory.n_extents, 3);
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_eq(memory.regions[i].start, MEMORY + parts[i][0] * PAGE);
        ck_assert_uint_eq(memory.regions[i].bytes, parts[i][1] * PAGE);
        ck_assert_uint_eq(memory.regions[i].file_offset, 0);
        ck_assert_mem_eq(&memory.extents[i], &memory.regions[i],
                         sizeof memory.extents[i]);
    }
    crmpi_memory_release(&memory);
    /* at both ends, and all of it */
    windows[2].view_start = MEMORY;
    windows[2].view_bytes = 8 * PAGE;
    windows[0].view_bytes = 9 * PAGE; /* reaches over the end */
    ck_assert_int_eq(crmpi_memory_survey(windows, 3, &memory, why, sizeof why), CRMPI_OK);
    ck_assert_uint_eq(memory.n_regions, 0);
    crmpi_memory_release(&memory);
}
END_TEST

/* What is found of a segment, of which one byte after the other is not zero. */
START_TEST(exactly_what_is_not_zero_and_in_the_segment_is_found)
{
    const uint64_t starts[] = {0, 1, 100, 4095, 4096};
    const uint64_t sizes[] = {1, 96, 4095, 4096, 4097, 3 * 4096, 600 * 4096 + 5};
    for (size_t s = 0; s < sizeof starts / sizeof *starts; s++)
        for (size_t b = 0; b < sizeof sizes / sizeof *sizes; b++) {
            struct crmpi_window_segment window = window_at(starts[s], sizes[b]);
            struct crmpi_segment *segments;
            uint64_t end = window.start + window.bytes;
            shared_map(VIEW, VIEW_PAGES * PAGE, VIEW_PAGES * PAGE);
            memset((void *)VIEW, 0xff, VIEW_PAGES * PAGE); /* other ranks' */
            memset((void *)window.start, 0, window.bytes);
            ck_assert_int_eq(
                crmpi_segments_survey(&window, 1, &segments, why, sizeof why), CRMPI_OK);
            ck_assert_uint_eq(segments[0].n_extents, 0);
            crmpi_segments_release(segments, 1);

            *(char *)window.start = 1;
            *(char *)(end - 1) = 1;
            ck_assert_int_eq(
                crmpi_segments_survey(&window, 1, &segments, why, sizeof why), CRMPI_OK);
            uint64_t first_end = (window.start | (PAGE - 1)) + 1;
            uint64_t last = (end - 1) & ~(PAGE - 1);
            const struct crmpi_extent *extents = segments[0].extents;
            size_t n = segments[0].n_extents;
            ck_assert_uint_eq(n, last > first_end ? 2 : 1);
            ck_assert_uint_eq(extents[0].start, window.start);
            ck_assert_uint_eq(extents[n - 1].start + extents[n - 1].bytes, end);
            if (n == 2) {
                ck_assert_uint_eq(extents[0].bytes, first_end - window.start);
                ck_assert_uint_eq(extents[1].start, last);
            }
            crmpi_segments_release(segments, 1);
            munmap((void *)VIEW, VIEW_PAGES * PAGE);
        }
}
END_TEST

START_TEST(what_the_window_says_is_handed_on)
{
    struct crmpi_window_segment windows[2] = {window_at(100, 50), window_at(0, 0)};
    struct crmpi_segment *segments;
    shared_map(VIEW, VIEW_PAGES * PAGE, VIEW_PAGES * PAGE);
    windows[1].window = 6;
    windows[1].view_start = windows[1].view_bytes = windows[1].start = 0;
    windows[1].bytes = 1 << 20; /* is not looked at: the application's own */
    windows[1].flavor = MPI_WIN_FLAVOR_CREATE;
    ck_assert_int_eq(crmpi_segments_survey(windows, 2, &segments, why, sizeof why),
                     CRMPI_OK);
    const struct crmpi_segment expected[2] = {
        {5, VIEW + 100, 50, VIEW, VIEW_PAGES * PAGE, CRMPI_FLAVOR_SHARED, 4, 3, 1,
         "a name", NULL, 0},
        {6, 0, 1 << 20, 0, 0, CRMPI_FLAVOR_CREATE, 4, 3, 1, "a name", NULL, 0}};
    ck_assert_mem_eq(segments, expected, sizeof expected);
    crmpi_segments_release(segments, 2);
    ck_assert_int_eq(crmpi_segments_survey(NULL, 0, &segments, why, sizeof why),
                     CRMPI_OK);
    crmpi_segments_release(segments, 0);
    ck_assert_int_eq(crmpi_segments_survey(windows, CRMPI_SEGMENTS_MAX + 1, &segments,
                                           why, sizeof why),
                     CRMPI_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(why, "65537 windows"));
}
END_TEST

/* Pages behind the end of the file, or of a full file system: no signal. */
START_TEST(memory_that_cannot_be_read_is_told)
{
    struct crmpi_window_segment window = window_at(5, 900 * PAGE);
    struct crmpi_segment *segments;
    shared_map(VIEW, VIEW_PAGES * PAGE, 800 * PAGE);
    ck_assert_int_eq(crmpi_segments_survey(&window, 1, &segments, why, sizeof why),
                     CRMPI_ERR_SYSTEM);
    ck_assert_ptr_nonnull(strstr(why, "memory of window 5 "));
    window.bytes = 800 * PAGE - 5;
    ck_assert_int_eq(crmpi_segments_survey(&window, 1, &segments, why, sizeof why),
                     CRMPI_OK);
    crmpi_segments_release(segments, 1);
}
END_TEST

/* From the survey to the file and back into private memory, as a restart does it. */
START_TEST(a_segment_goes_into_a_file_and_comes_back)
{
    struct crmpi_window_segment window = window_at(1001, 700 * PAGE);
    struct crmpi_region view = {.start = VIEW,
                                .bytes = VIEW_PAGES * PAGE,
                                .prot = PROT_READ | PROT_WRITE,
                                .flags = MAP_PRIVATE | MAP_ANONYMOUS};
    struct crmpi_job job = {.n_ranks = 1, .job_id = "test"};
    char folder[] = "/tmp/crmpi-test-XXXXXX", path[64];
    char *is = malloc(VIEW_PAGES * PAGE);
    struct crmpi_segment *segments;
    const struct crmpi_segment *read;
    struct crmpi_memory memory;
    struct crmpi_content task, content;
    struct crmpi_writer *writer;
    uint64_t end = CRMPI_DATA_OFFSET;
    struct crmpi_reader *reader;
    size_t n;

    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/000001.h5", folder);
    private_map(MEMORY, PAGE);
    shared_map(VIEW, VIEW_PAGES * PAGE, VIEW_PAGES * PAGE);
    memset((void *)VIEW, 0xee, VIEW_PAGES * PAGE);
    memset((void *)window.start, 0, window.bytes);
    for (uint64_t i = 0; i < window.bytes; i += i % 7 ? 1 : 9000)
        ((char *)window.start)[i] = (char)(i % 251 + 1);
    memset(is, 0, VIEW_PAGES * PAGE); /* other ranks' bytes come from their files */
    memcpy(is + 1001, (char *)window.start, window.bytes);

    ck_assert_int_eq(crmpi_segments_survey(&window, 1, &segments, why, sizeof why),
                     CRMPI_OK);
    ck_assert_int_eq(crmpi_memory_survey(&window, 1, &memory, why, sizeof why), CRMPI_OK);
    ck_assert_int_eq(crmpi_writer_create(path, &job, NULL, &writer), CRMPI_OK);
    ck_assert_int_eq(crmpi_plain_write(writer, memory.extents, memory.n_extents, &end, NULL,
                                       NULL, &task),
                     CRMPI_OK);
    ck_assert_int_eq(
        crmpi_writer_task(writer, memory.regions, memory.n_regions, &task), CRMPI_OK);
    ck_assert_int_eq(crmpi_plain_write(writer, segments->extents, segments->n_extents, &end,
                                       NULL, NULL, &content),
                     CRMPI_OK);
    ck_assert_int_eq(crmpi_writer_segment(writer, segments, &content), CRMPI_OK);
    ck_assert_int_eq(crmpi_writer_close(writer, end, 0, NULL, NULL), CRMPI_OK);
    crmpi_plain_free(&task);
    crmpi_plain_free(&content);
    crmpi_memory_release(&memory);
    crmpi_segments_release(segments, 1);
    munmap((void *)VIEW, VIEW_PAGES * PAGE);

    ck_assert_int_eq(crmpi_reader_open(path, &reader), CRMPI_OK);
    crmpi_reader_segments(reader, &read, &n);
    ck_assert_uint_eq(n, 1);
    ck_assert_uint_eq(read->view_start, view.start);
    ck_assert_uint_eq(read->view_bytes, view.bytes);
    ck_assert_int_eq(crmpi_memory_map(&view, 1, NULL, 0), CRMPI_OK);
    ck_assert_int_eq(crmpi_reader_load(reader, NULL, NULL), CRMPI_OK);
    ck_assert_int_eq(memcmp((void *)VIEW, is, VIEW_PAGES * PAGE), 0);
    crmpi_reader_close(reader);
    unlink(path);
    rmdir(folder);
    free(is);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("regions");
    TCase *tests = tcase_create("all");
    tcase_add_checked_fixture(tests, remove_all, remove_all);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_view_is_no_region_and_other_shared_memory_is_refused);
    tcase_add_test(tests, views_are_cut_out_of_their_neighbours);
    tcase_add_test(tests, exactly_what_is_not_zero_and_in_the_segment_is_found);
    tcase_add_test(tests, what_the_window_says_is_handed_on);
    tcase_add_test(tests, memory_that_cannot_be_read_is_told);
    tcase_add_test(tests, a_segment_goes_into_a_file_and_comes_back);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
