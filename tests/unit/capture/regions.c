/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of lists of regions and segments: views of windows are no regions, and memory that
 * cannot be saved is told.  The tests' memory lies in the upper range, in which nothing else
 * of this process is.
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
#include "capture/attributes.h"
#include "capture/regions.h"
#include "capture/segments.h"
#include "../main.h"

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

static void memory_end(struct crmpi_memory *memory)
{
    crmpi_memory_release(memory);
    crmpi_memory_fini(memory);
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
    memory_end(&memory);
    ck_assert_int_eq(crmpi_memory_survey(NULL, 0, &memory, why, sizeof why),
                     CRMPI_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(why, "/dev/shm/crmpi-test"));
    /* a view that is shorter than the mapping does not hide the rest of it */
    window.view_bytes -= PAGE;
    ck_assert_int_eq(crmpi_memory_survey(&window, 1, &memory, why, sizeof why),
                     CRMPI_ERR_UNSUPPORTED);
}
END_TEST

/* A page of another kind between two that the kernel shows apart. */
START_TEST(neighbours_of_one_kind_are_one_region)
{
    struct crmpi_memory memory;
    private_map(MEMORY, 8 * PAGE);
    madvise((void *)(MEMORY + 2 * PAGE), PAGE, MADV_DONTFORK);
    mprotect((void *)(MEMORY + 5 * PAGE), PAGE, PROT_NONE);
    ck_assert_int_eq(crmpi_memory_survey(NULL, 0, &memory, why, sizeof why), CRMPI_OK);
    const uint64_t parts[5][2] = {{0, 2}, {2, 1}, {3, 2}, {5, 1}, {6, 2}};
    ck_assert_uint_eq(memory.n_regions, 5);
    for (int i = 0; i < 5; i++) {
        ck_assert_uint_eq(memory.regions[i].start, MEMORY + parts[i][0] * PAGE);
        ck_assert_uint_eq(memory.regions[i].bytes, parts[i][1] * PAGE);
        ck_assert_uint_eq(memory.regions[i].attributes,
                          CRMPI_REGION_MAY_WRITE | (i == 1 ? CRMPI_REGION_DONTFORK : 0));
    }
    ck_assert_uint_eq(memory.mappings.n, 5);
    ck_assert_int_eq(*(volatile char *)(MEMORY + 5 * PAGE), 0); /* until it is released */
    memory_end(&memory);
    ck_assert_int_eq(crmpi_memory_survey(NULL, 0, &memory, why, sizeof why), CRMPI_OK);
    ck_assert_uint_eq(memory.regions[3].prot, PROT_NONE);
    memory_end(&memory);
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
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_eq(memory.regions[i].start, MEMORY + parts[i][0] * PAGE);
        ck_assert_uint_eq(memory.regions[i].bytes, parts[i][1] * PAGE);
        ck_assert_uint_eq(memory.regions[i].file_offset, 0);
    }
    memory_end(&memory);
    /* at both ends, and all of it */
    windows[2].view_start = MEMORY;
    windows[2].view_bytes = 8 * PAGE;
    windows[0].view_bytes = 9 * PAGE; /* reaches over the end */
    ck_assert_int_eq(crmpi_memory_survey(windows, 3, &memory, why, sizeof why), CRMPI_OK);
    ck_assert_uint_eq(memory.n_regions, 0);
    memory_end(&memory);
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
    free(segments);
    ck_assert_int_eq(crmpi_segments_survey(NULL, 0, &segments, why, sizeof why),
                     CRMPI_OK);
    free(segments);
    ck_assert_int_eq(crmpi_segments_survey(windows, CRMPI_SEGMENTS_MAX + 1, &segments,
                                           why, sizeof why),
                     CRMPI_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(why, "65537 windows"));
}
END_TEST

/* Pages behind the end of the file, or of a full file system: no signal. */
START_TEST(memory_that_cannot_be_read_is_told)
{
    const uint64_t start = VIEW + 5;
    shared_map(VIEW, VIEW_PAGES * PAGE, 800 * PAGE);
    ck_assert_int_eq(crmpi_segment_check(5, start, 900 * PAGE, why, sizeof why),
                     CRMPI_ERR_SYSTEM);
    ck_assert_ptr_nonnull(strstr(why, "memory of window 5 "));
    ck_assert_int_eq(crmpi_segment_check(5, start, 800 * PAGE - 5, why, sizeof why),
                     CRMPI_OK);
}
END_TEST

static int is_page_5(uint64_t start, uint64_t bytes)
{
    return start == MEMORY + 5 * PAGE && bytes == PAGE;
}

/* What was zero in the mapping of a file is zero again, whatever the file has got since. */
START_TEST(mappings_of_files_are_cleared)
{
    struct crmpi_region region = {.start = MEMORY,
                                  .bytes = 8 * PAGE,
                                  .prot = PROT_READ | PROT_WRITE,
                                  .flags = MAP_SHARED,
                                  .attributes = CRMPI_REGION_MAY_WRITE,
                                  .file_offset = PAGE};
    const struct crmpi_extent data = {MEMORY + PAGE, PAGE};
    char page[PAGE];
    int fd;
    strcpy(region.name, "regions-XXXXXX");
    ck_assert_int_ge(fd = mkstemp(region.name), 0);
    memset(page, 7, PAGE);
    for (int i = 0; i < 7; i++) /* 3 stays a hole */
        if (i != 3)
            ck_assert_int_eq(pwrite(fd, page, PAGE, i * (off_t)PAGE), PAGE);
    ck_assert_int_eq(pwrite(fd, page, 5, 7 * PAGE), 5); /* ends in the mapping */
    ck_assert_int_eq(crmpi_memory_map(&region, 1, &data, 1), CRMPI_OK);
    ck_assert_int_eq(crmpi_memory_clear(&region, 1, &data, 1, is_page_5), CRMPI_OK);
    for (int i = 0; i < 8; i++) {
        ck_assert_int_eq(pread(fd, page, 5, i * (off_t)PAGE), 5);
        ck_assert_int_eq(page[4], i == 0 || i == 2 || i == 6 ? 7 : 0);
    }
    close(fd);
    unlink(region.name);
}
END_TEST

/* What the kernel says of mappings: kept, refused with words, or not known. */
START_TEST(attributes_are_kept_or_refused)
{
    struct crmpi_region region = {
        .start = MEMORY, .bytes = PAGE, .flags = MAP_PRIVATE | MAP_ANONYMOUS};
    static const char *const refused[][2] = {
        {"rd zq wr", "the attribute \"zq\" (VmFlags), which this crmpi does not know"},
        {"??", "\"??\""},
        {"rd um", "a userfaultfd of the program"},
        {"io pf", "memory of a device"},
        {"rd wr ss", "a shadow stack"},
        {"ht", "hugetlbfs"},
    };
    ck_assert_int_eq(
        crmpi_attributes_parse(" rd wr mr mw me ac sd uw\n", &region, why, sizeof why),
        CRMPI_OK);
    ck_assert_uint_eq(region.attributes, CRMPI_REGION_MAY_WRITE);
    ck_assert_int_eq(
        crmpi_attributes_parse("rd lo lf hg nh dc dd wf mg sr rr gd nr dp sl", &region,
                               why, sizeof why),
        CRMPI_OK);
    ck_assert_uint_eq(
        region.attributes,
        CRMPI_REGION_ATTRIBUTES &
            ~(CRMPI_REGION_MAY_WRITE | CRMPI_REGION_HUGETLB | CRMPI_REGION_IN_FILE));
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        ck_assert_int_eq(crmpi_attributes_parse(refused[i][0], &region, why, sizeof why),
                         CRMPI_ERR_UNSUPPORTED);
        ck_assert_ptr_nonnull(strstr(why, refused[i][1]));
    }
}
END_TEST

/* Two mappings of one memory are one again, and apart from another one's. */
START_TEST(shared_memory_is_shared_again)
{
    struct crmpi_region regions[4] = {{0}};
    for (int i = 0; i < 4; i++) {
        regions[i].start = MEMORY + (uint64_t)i * 8 * PAGE;
        regions[i].bytes = 4 * PAGE;
        regions[i].prot = PROT_READ | PROT_WRITE;
        regions[i].flags = MAP_SHARED | MAP_ANONYMOUS;
        regions[i].inode = i == 1 ? 8 : 7;
        regions[i].file_offset = i == 2 ? 2 * PAGE : i == 3 ? 6 * PAGE : 0;
    }
    ck_assert_int_eq(crmpi_memory_map(regions, 4, NULL, 0), CRMPI_OK);
    volatile char *first = (char *)regions[0].start, *second = (char *)regions[2].start;
    first[2 * PAGE] = 3;
    ck_assert_int_eq(second[0], 3);
    second[PAGE] = 4;
    ck_assert_int_eq(first[3 * PAGE], 4);
    ck_assert_int_eq(*(volatile char *)(regions[1].start + 2 * PAGE), 0);
    ck_assert_int_eq(*(volatile char *)regions[3].start, 0);
}
END_TEST

UNIT_TESTS("regions")
{
    CASE("all", .seconds = 60, .setup = remove_all, .teardown = remove_all);
    TEST(a_view_is_no_region_and_other_shared_memory_is_refused);
    TEST(neighbours_of_one_kind_are_one_region);
    TEST(views_are_cut_out_of_their_neighbours);
    TEST(what_the_window_says_is_handed_on);
    TEST(memory_that_cannot_be_read_is_told);
    TEST(mappings_of_files_are_cleared);
    TEST(attributes_are_kept_or_refused);
    TEST(shared_memory_is_shared_again);
}
