/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Containers made by somebody who knows the format and means harm: every checksum is
 * right, and some number is not.  All have to be refused with one line.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "boundary/control.h"
#include "base/checksum.h"
#include "storage/dependencies.h"
#include "storage/file.h"
#include "storage/hdf.h"
#include "storage/image.h"
#include "storage/job.h"
#include "storage/segment.h"
#include "storage-fixture.h"

#define PATH (in_folder("000001.h5"))
#define MIB ((uint64_t)1 << 20)
#define VIEW (CRMPI_MAP_ADDR + 4 * MIB)

static void setup(void)
{
    folder_make();
    memory_map();
}

/* What goes into a file, right as it is made by forgery_make(). */
struct forgery {
    struct crmpi_job job;
    struct crmpi_region regions[3];
    size_t n_regions;
    struct crmpi_stored_extent extents[3];
    size_t n_extents;
    uint64_t checksums[4];
    size_t n_checksums;
    uint64_t memory_bytes;
    struct {
        struct crmpi_segment segment;
        struct crmpi_stored_extent extents[2];
        size_t n_extents;
        size_t n_checksums;
        uint64_t memory_bytes;
    } windows[2];
    const char *other; /* if not NULL, there is this group, too */
    int alias;         /* the second window's group is the first one's */
    int same;          /* the second window has the task's memory */
    uint64_t nobodys;  /* bytes of memory that belongs to nothing */
    hid_t extent_type; /* 0: the right one */
    const char *link;  /* if not NULL, /task/regions is an external link to this file */
    int incomplete;    /* there is no /task/checksums */
};

static struct forgery forgery_make(void)
{
    struct forgery forgery = {
        .job = job_make(0, 1),
        .regions = {{CRMPI_MAP_ADDR, MIB, 3, MAP_PRIVATE, 0, "a"},
                    {CRMPI_MAP_ADDR + 2 * MIB, MIB, 3, MAP_PRIVATE, 0, "b"}},
        .n_regions = 2,
        .extents = {{CRMPI_MAP_ADDR, 4096, 0}, {CRMPI_MAP_ADDR + 2 * MIB, 8192, 4096}},
        .n_extents = 2,
        .n_checksums = 1,
        .memory_bytes = 12288,
        .windows = {{{7, VIEW + 100, 8000, VIEW, 8192, CRMPI_FLAVOR_SHARED, 1, 2, 1, "w",
                      NULL, 0},
                     {{VIEW + 100, 50, 0}, {VIEW + 8050, 50, 50}},
                     2,
                     1,
                     100},
                    {{8, VIEW + MIB, 4096, VIEW + MIB, 4096, CRMPI_FLAVOR_ALLOCATE, 8, 1,
                      0, "", NULL, 0},
                     {{VIEW + MIB, 4096, 0}},
                     1,
                     1,
                     4096}},
    };
    return forgery;
}

static void table(hid_t file, const char *name, hid_t type, const void *data, size_t n)
{
    ck_assert_int_eq(crmpi_hdf_table_write(file, PATH, name, type, data, n), CRMPI_OK);
}

static void memory(struct crmpi_image *image, const struct crmpi_output *output,
                   const char *name, uint64_t size)
{
    static char zeros[1 << 16];
    struct iovec iov = {zeros, size};
    uint64_t offset;
    ck_assert_int_eq(crmpi_image_add_memory(image, PATH, name, size, &offset), CRMPI_OK);
    if (size)
        ck_assert_int_eq(crmpi_output_write(output, &iov, 1, offset), CRMPI_OK);
}

static void windows_write(const struct forgery *forgery, struct crmpi_image *image,
                          const struct crmpi_output *output)
{
    hid_t file = crmpi_image_file(image);
    uint64_t checksums[2];
    char zeros[4096] = "", group[CRMPI_SEGMENT_NAME_BYTES], name[64];

    for (int i = 0; i < 2; i++) {
        const struct crmpi_segment *segment = &forgery->windows[i].segment;
        crmpi_segment_name(segment->window, group);
        checksums[0] = crmpi_checksum(zeros, forgery->windows[i].memory_bytes);
        ck_assert_int_eq(crmpi_segment_write(image, PATH, segment), CRMPI_OK);
        snprintf(name, sizeof name, "%s/memory", group);
        if (i == 1 && forgery->same)
            ck_assert_int_ge(H5Lcreate_hard(file, "/task/memory", file, name, H5P_DEFAULT,
                                            H5P_DEFAULT),
                             0);
        else
            memory(image, output, name, forgery->windows[i].memory_bytes);
        snprintf(name, sizeof name, "%s/extents", group);
        table(file, name, crmpi_hdf_extent_type(), forgery->windows[i].extents,
              forgery->windows[i].n_extents);
        snprintf(name, sizeof name, "%s/checksums", group);
        table(file, name, crmpi_hdf_number_type(), checksums,
              forgery->windows[i].n_checksums);
    }
    if (forgery->alias)
        ck_assert_int_ge(H5Lcreate_hard(file, "/window/000007", file, "/window/000009",
                                        H5P_DEFAULT, H5P_DEFAULT),
                         0);
    if (forgery->other)
        ck_assert_int_ge(H5Gclose(crmpi_hdf_group_create(file, forgery->other)), 0);
    if (forgery->nobodys)
        memory(image, output, "/nobodys", forgery->nobodys);
}

static void forgery_write(const struct forgery *forgery)
{
    struct crmpi_image *image;
    struct crmpi_output output;
    uint64_t bytes, digest;
    ck_assert_int_eq(crmpi_image_create(CRMPI_CONTAINER_RANK, PATH, &image), CRMPI_OK);
    hid_t file = crmpi_image_file(image);
    hid_t extent = forgery->extent_type ? forgery->extent_type : crmpi_hdf_extent_type();
    crmpi_job_write(image, PATH, &forgery->job, NULL);
    ck_assert_int_eq(crmpi_output_open(PATH, &output), CRMPI_OK);
    memory(image, &output, "/task/memory", forgery->memory_bytes);
    if (forgery->link)
        ck_assert_int_ge(H5Lcreate_external(forgery->link, "/task/regions", file,
                                            "/task/regions", H5P_DEFAULT, H5P_DEFAULT),
                         0);
    else
        table(file, "/task/regions", crmpi_hdf_region_type(), forgery->regions,
              forgery->n_regions);
    table(file, "/task/extents", extent, forgery->extents, forgery->n_extents);
    if (!forgery->incomplete)
        table(file, "/task/checksums", crmpi_hdf_number_type(), forgery->checksums,
              forgery->n_checksums);
    windows_write(forgery, image, &output);
    ck_assert_int_eq(crmpi_image_finish(image, PATH), CRMPI_OK);
    ck_assert_int_eq(crmpi_image_store(image, &output, &bytes, &digest), CRMPI_OK);
    ck_assert_int_eq(crmpi_output_commit(&output, bytes), CRMPI_OK);
    crmpi_image_destroy(image);
    ck_assert_uint_eq(log_lines, 0);
}

static enum crmpi_status forgery_open(const struct forgery *forgery)
{
    struct crmpi_reader *reader;
    log_reset();
    forgery_write(forgery);
    enum crmpi_status status = crmpi_reader_open(PATH, &reader);
    if (status == CRMPI_OK)
        crmpi_reader_close(reader);
    else
        ck_assert_uint_eq(log_lines, 1);
    return status;
}

#define REFUSED(change)                                                                  \
    do {                                                                                 \
        struct forgery f = forgery_make();                                               \
        change;                                                                          \
        enum crmpi_status status = forgery_open(&f);                                     \
        ck_assert_msg(status == CRMPI_ERR_CORRUPT, "%s: %d %s", #change, (int)status,    \
                      log_last);                                                         \
    } while (0)

START_TEST(without_a_change_it_is_read)
{
    struct forgery forgery = forgery_make();
    ck_assert_int_eq(forgery_open(&forgery), CRMPI_OK);
}
END_TEST

START_TEST(regions_elsewhere_are_refused)
{
    REFUSED(f.regions[0].start = 0x7f0000000000);
    REFUSED(f.regions[0].start = 0x550000000000);
    REFUSED(f.regions[0].start = CRMPI_U0 - 4096);
    REFUSED(f.regions[0].start = CRMPI_LOW_END - 4096);
    REFUSED(f.regions[1].bytes = CRMPI_UPPER_END - f.regions[1].start + 4096);
    REFUSED(f.regions[1].bytes = UINT64_MAX - 4095);
    REFUSED(f.regions[1].bytes = -(f.regions[1].start & -(uint64_t)4096));
}
END_TEST

START_TEST(impossible_regions_are_refused)
{
    REFUSED(f.regions[0].bytes = 0);
    REFUSED(f.regions[0].bytes = 4097);
    REFUSED(f.regions[0].start += 1);
    REFUSED(f.regions[0].bytes = 3 * MIB);
    REFUSED(f.regions[1].start = f.regions[0].start);
    REFUSED(f.regions[0].start = f.regions[1].start + MIB);
    REFUSED(f.regions[0].prot = 8);
    REFUSED(f.regions[0].prot = 0x10000000);
    REFUSED(f.n_regions = 1);
    REFUSED(f.n_regions = 0);
}
END_TEST

START_TEST(a_name_without_end_is_refused)
{
    struct forgery forgery = forgery_make();
    memset(forgery.regions[1].name, 'x', sizeof forgery.regions[1].name);
    ck_assert_int_eq(forgery_open(&forgery), CRMPI_ERR_CORRUPT);
}
END_TEST

START_TEST(impossible_extents_are_refused)
{
    REFUSED(f.extents[0].bytes = 0);
    REFUSED(f.extents[0].bytes = UINT64_MAX);
    REFUSED(f.extents[0].bytes = 2 * MIB);
    REFUSED(f.extents[0].start = 0x7f0000000000);
    REFUSED(f.extents[0].start -= 4096);
    REFUSED(f.extents[1].start = f.extents[0].start);
    REFUSED(f.extents[1].start += MIB - 4096);
    REFUSED(f.extents[1].start -= 4096);
    REFUSED(f.extents[1].bytes = 4096);
    REFUSED(f.extents[1].offset = 0);
    REFUSED(f.extents[1].offset = UINT64_MAX);
    REFUSED(f.extents[0].offset = 4096);
    REFUSED(f.n_extents = 1);
    REFUSED(f.n_extents = 0);
    REFUSED(f.memory_bytes = 8192);
    REFUSED(f.memory_bytes = 0);
}
END_TEST

START_TEST(a_wrong_number_of_checksums_is_refused)
{
    REFUSED(f.n_checksums = 0);
    REFUSED(f.n_checksums = 2);
    REFUSED(f.incomplete = 1);
}
END_TEST

#define W f.windows[0]
START_TEST(impossible_segments_are_refused)
{
    REFUSED(W.segment.start = VIEW - 1);
    REFUSED(W.segment.start = VIEW + 193);
    REFUSED(W.segment.bytes = 8093);
    REFUSED(W.segment.bytes = UINT64_MAX);
    REFUSED(W.segment.bytes = -W.segment.start);
    REFUSED(W.segment.bytes = 7999);
    REFUSED(W.segment.bytes = 0);
    REFUSED(W.segment.start += 1);
    REFUSED(W.segment.rank = 2);
    REFUSED(W.segment.n_members = 0);
    REFUSED(W.extents[0].start -= 1);
    REFUSED(W.extents[0].offset = 1);
    REFUSED(W.extents[0].bytes = 0);
    REFUSED(W.extents[0].bytes = UINT64_MAX);
    REFUSED(W.extents[1].start += 1);
    REFUSED(W.extents[1].bytes += 1);
    REFUSED(W.extents[1].start = VIEW + 149);
    REFUSED(W.extents[1].start = CRMPI_MAP_ADDR + 4096);
    REFUSED(W.n_extents = 1);
    REFUSED(W.n_extents = 0);
    REFUSED(W.n_checksums = 0);
    REFUSED(W.n_checksums = 2);
    REFUSED(W.memory_bytes = 99);
    REFUSED(W.memory_bytes = 101);
    REFUSED(W.memory_bytes = 0);
}
END_TEST

START_TEST(impossible_views_are_refused)
{
    REFUSED(W.segment.view_start += 1);
    REFUSED(W.segment.view_bytes = 8191);
    REFUSED(W.segment.view_bytes = 0);
    REFUSED(W.segment.view_bytes = 0; W.segment.view_start = 0);
    REFUSED(W.segment.view_bytes = 4096);
    REFUSED(W.segment.view_bytes = UINT64_MAX - 4095);
    REFUSED(W.segment.view_bytes = MIB + 4096);
    REFUSED(W.segment.view_start = f.regions[1].start + MIB - 4096;
            W.segment.view_bytes = VIEW + 8192 - W.segment.view_start);
    REFUSED(W.segment.view_start = f.regions[0].start - 4096;
            W.segment.view_bytes = VIEW + 8192 - W.segment.view_start);
    REFUSED(f.windows[1].segment.view_start = VIEW + 4096;
            f.windows[1].segment.view_bytes = MIB);
    REFUSED(f.windows[1].segment.start = f.windows[1].extents[0].start =
                f.windows[1].segment.view_start = VIEW + 4096);
    REFUSED(f.windows[1].segment.start = f.windows[1].extents[0].start =
                f.windows[1].segment.view_start = 0x7f0000000000);
    REFUSED(f.windows[1].segment.start = f.windows[1].extents[0].start =
                f.windows[1].segment.view_start = f.regions[1].start);
}
END_TEST

START_TEST(strange_things_among_windows_are_refused)
{
    REFUSED(f.other = "/window/7");
    REFUSED(f.other = "/window/0000010");
    REFUSED(f.other = "/window/00001x");
    REFUSED(f.other = "/window/-00001");
    REFUSED(f.other = "/window/18446744073709551616");
    REFUSED(f.other = "/window/000010"); /* without attributes */
    REFUSED(f.alias = 1);
    REFUSED(f.nobodys = 1);
    REFUSED(f.same = 1; f.memory_bytes = 4096; f.n_extents = 1);
}
END_TEST

START_TEST(a_flavor_or_name_that_cannot_be_is_refused)
{
    struct crmpi_hdf_field fields[] = {{"flavor", CRMPI_HDF_TEXT, 0, 100},
                                       {"name", CRMPI_HDF_TEXT, 0, 100},
                                       {"rank", CRMPI_HDF_U64, 0, 8}};
    static const char *const values[] = {
        "creates", "a name of sixty-four characters, which with its end are one too many",
        "1234567"};
    for (int i = 0; i < 3; i++) {
        struct crmpi_image *image;
        struct crmpi_output output;
        struct crmpi_reader *reader;
        uint64_t bytes, digest;
        char value[100];
        const struct crmpi_segment *segment = &segments[1];
        struct crmpi_job job = job_make(0, 1);
        log_reset();
        strcpy(value, values[i]);
        ck_assert_int_eq(crmpi_image_create(CRMPI_CONTAINER_RANK, PATH, &image),
                         CRMPI_OK);
        ck_assert_int_eq(crmpi_output_open(PATH, &output), CRMPI_OK);
        crmpi_job_write(image, PATH, &job, NULL);
        memory(image, &output, "/task/memory", 0);
        hid_t file = crmpi_image_file(image);
        table(file, "/task/regions", crmpi_hdf_region_type(), NULL, 0);
        table(file, "/task/extents", crmpi_hdf_extent_type(), NULL, 0);
        table(file, "/task/checksums", crmpi_hdf_number_type(), NULL, 0);
        ck_assert_int_eq(crmpi_segment_write(image, PATH, segment), CRMPI_OK);
        hid_t group = H5Gopen2(file, "/window/000008", H5P_DEFAULT);
        ck_assert_int_ge(H5Adelete(group, fields[i].name), 0);
        ck_assert_int_eq(crmpi_hdf_fields_write(group, PATH, &fields[i], 1, value),
                         CRMPI_OK);
        H5Gclose(group);
        ck_assert_int_eq(crmpi_image_finish(image, PATH), CRMPI_OK);
        ck_assert_int_eq(crmpi_image_store(image, &output, &bytes, &digest), CRMPI_OK);
        ck_assert_int_eq(crmpi_output_commit(&output, bytes), CRMPI_OK);
        crmpi_image_destroy(image);
        ck_assert_int_eq(crmpi_reader_open(PATH, &reader), CRMPI_ERR_CORRUPT);
        ck_assert_uint_eq(log_lines, 1);
    }
}
END_TEST

START_TEST(impossible_ranks_are_refused)
{
    REFUSED(f.job.n_ranks = 0);
    REFUSED(f.job.n_ranks = UINT32_MAX);
    REFUSED(f.job.world_rank = f.job.n_ranks);
    REFUSED(f.job.time = (double)INFINITY);
}
END_TEST

START_TEST(other_types_are_refused)
{
    struct forgery forgery = forgery_make();
    forgery.extent_type = crmpi_hdf_number_type();
    ck_assert_int_eq(forgery_open(&forgery), CRMPI_ERR_CORRUPT);
}
END_TEST

START_TEST(links_to_other_files_are_not_followed)
{
    struct forgery forgery = forgery_make();
    struct crmpi_reader *reader;
    ck_assert_int_eq(small_save(in_folder("other.h5"), 1), CRMPI_OK);
    forgery.link = in_folder("other.h5");
    forgery_write(&forgery);
    ck_assert_int_eq(crmpi_reader_open(PATH, &reader), CRMPI_ERR_CORRUPT);
    ck_assert_uint_eq(log_lines, 1);
}
END_TEST

/* A writer is told before it makes what no reader takes. */
START_TEST(the_writer_refuses_the_same)
{
    struct crmpi_job job = job_make(0, 1);
    struct crmpi_region region = regions[1];
    struct crmpi_extent extent = {regions[1].start - 4096, 8192};
    struct crmpi_writer *writer;
    ck_assert_int_eq(crmpi_writer_create(PATH, &job, &writer), CRMPI_OK);
    ck_assert_int_eq(crmpi_writer_memory(writer, &region, 1, &extent, 1, NULL, NULL),
                     CRMPI_ERR_INTERNAL);
    ck_assert_uint_eq(log_lines, 1);
    crmpi_writer_abort(writer);
}
END_TEST

START_TEST(the_writer_refuses_segments_that_overlap)
{
    struct crmpi_job job = job_make(0, 1);
    for (int i = 0; i < 4; i++) {
        struct crmpi_segment segment = segments[0];
        struct crmpi_writer *writer;
        log_reset();
        segment.window = 9;
        ck_assert_int_eq(crmpi_writer_create(PATH, &job, &writer), CRMPI_OK);
        ck_assert_int_eq(
            crmpi_writer_memory(writer, regions, N_REGIONS, NULL, 0, NULL, NULL),
            CRMPI_OK);
        if (i == 0) /* with another view */
            ck_assert_int_eq(crmpi_writer_segment(writer, &segments[0], NULL, NULL),
                             CRMPI_OK);
        else if (i == 1) /* with a region */
            segment.view_start = regions[2].start + regions[2].bytes - 4096;
        else if (i == 2) /* its extents with other ranks' segments */
            segment.bytes -= 1;
        else
            memset(segment.name, 'x', sizeof segment.name);
        ck_assert_int_eq(crmpi_writer_segment(writer, &segment, NULL, NULL),
                         CRMPI_ERR_INTERNAL);
        ck_assert_uint_eq(log_lines, 1);
        crmpi_writer_abort(writer);
    }
}
END_TEST

#define NOT_WRITTEN(change)                                                              \
    do {                                                                                 \
        struct crmpi_dependencies d = dependencies_make(&job);                           \
        struct crmpi_stream streams[4];                                                  \
        struct crmpi_collectives collectives[2];                                         \
        uint32_t members[4];                                                             \
        struct crmpi_access accesses[2];                                                 \
        uint64_t windows[2];                                                             \
        struct crmpi_member cohort[4];                                                   \
        d.streams = memcpy(streams, d.streams, sizeof streams);                          \
        d.collectives = memcpy(collectives, d.collectives, sizeof collectives);          \
        d.members = memcpy(members, d.members, sizeof members);                          \
        d.accesses = memcpy(accesses, d.accesses, sizeof accesses);                      \
        d.windows = memcpy(windows, d.windows, sizeof windows);                          \
        d.cohort = memcpy(cohort, d.cohort, sizeof cohort);                              \
        change;                                                                          \
        log_reset();                                                                     \
        ck_assert_int_eq(crmpi_writer_create(PATH, &job, &writer), CRMPI_OK);            \
        ck_assert_msg(crmpi_writer_dependencies(writer, &d) == CRMPI_ERR_INTERNAL, "%s", \
                      #change);                                                          \
        ck_assert_uint_eq(log_lines, 1);                                                 \
        crmpi_writer_abort(writer);                                                      \
    } while (0)

START_TEST(impossible_dependencies_are_refused)
{
    struct crmpi_job job = job_make(3, 5);
    struct crmpi_writer *writer;
    NOT_WRITTEN(d.sn = 6);
    NOT_WRITTEN(d.n_ranks = 5);
    NOT_WRITTEN(d.world_rank = 2);
    NOT_WRITTEN(d.interval = 6);
    NOT_WRITTEN(d.base = 6);
    NOT_WRITTEN(d.is_alone = 2);
    NOT_WRITTEN(streams[1].peer = 4);
    NOT_WRITTEN(streams[1].peer = 0);
    NOT_WRITTEN(streams[2] = streams[1]);
    NOT_WRITTEN(streams[0].comm = 2);
    NOT_WRITTEN(collectives[0].comm = 10);
    NOT_WRITTEN(collectives[0].rank = 2);
    NOT_WRITTEN(collectives[0].n_members = 5);
    NOT_WRITTEN(collectives[0].n_members = UINT32_MAX);
    NOT_WRITTEN(collectives[1].members = 3);
    NOT_WRITTEN(collectives[1].members = UINT64_MAX - 1);
    NOT_WRITTEN(collectives[1].is_freed = 2);
    NOT_WRITTEN(members[3] = 4);
    NOT_WRITTEN(accesses[1].rank = 4);
    NOT_WRITTEN(accesses[0].rank = 2);
    NOT_WRITTEN(accesses[0].window = 8);
    NOT_WRITTEN(accesses[0].rank = 1);
    NOT_WRITTEN(streams[0].unlogged = 4);
    NOT_WRITTEN(d.origins = accesses; accesses[0].rank = 4);
    NOT_WRITTEN(windows[1] = 7);
    NOT_WRITTEN(cohort[3].rank = 4);
    NOT_WRITTEN(cohort[1].rank = 0);
    NOT_WRITTEN(cohort[1].interval = 6);
    NOT_WRITTEN(cohort[1].interval = 0);
}
END_TEST

/* The dependencies are right in themselves, and wrong for the job in the file. */
static enum crmpi_status swapped_read(const struct crmpi_job *job,
                                      const struct crmpi_job *other)
{
    struct crmpi_dependencies all = dependencies_make(other);
    struct crmpi_image *image;
    log_reset();
    ck_assert_int_eq(crmpi_image_create(CRMPI_CONTAINER_RANK, PATH, &image), CRMPI_OK);
    ck_assert_int_eq(crmpi_dependencies_write(image, PATH, other, &all), CRMPI_OK);
    memset(&all, 0, sizeof all);
    enum crmpi_status status = crmpi_dependencies_read(image, PATH, job, &all);
    crmpi_image_destroy(image);
    if (status == CRMPI_OK) {
        ck_assert_uint_eq(all.n_cohort, job->n_ranks);
        crmpi_dependencies_fini(&all);
    } else {
        ck_assert_uint_eq(log_lines, 1);
        ck_assert_ptr_null(all.streams);
    }
    return status;
}

START_TEST(dependencies_of_another_job_are_refused)
{
    struct crmpi_job right = job_make(1, 5), other = right;
    ck_assert_int_eq(swapped_read(&right, &right), CRMPI_OK);
    other.n_ranks = 2;
    ck_assert_int_eq(swapped_read(&other, &right), CRMPI_ERR_CORRUPT);
    other = job_make(1, 4);
    ck_assert_int_eq(swapped_read(&other, &right), CRMPI_ERR_CORRUPT);
}
END_TEST

START_TEST(impossible_incarnations_are_refused)
{
    REFUSED(f.job.restored = 1);
    REFUSED(f.job.restored = UINT64_MAX);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("forged");
    TCase *tests = tcase_create("all");
    tcase_add_checked_fixture(tests, setup, folder_remove);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, without_a_change_it_is_read);
    tcase_add_test(tests, regions_elsewhere_are_refused);
    tcase_add_test(tests, impossible_regions_are_refused);
    tcase_add_test(tests, a_name_without_end_is_refused);
    tcase_add_test(tests, impossible_extents_are_refused);
    tcase_add_test(tests, a_wrong_number_of_checksums_is_refused);
    tcase_add_test(tests, impossible_segments_are_refused);
    tcase_add_test(tests, impossible_views_are_refused);
    tcase_add_test(tests, strange_things_among_windows_are_refused);
    tcase_add_test(tests, a_flavor_or_name_that_cannot_be_is_refused);
    tcase_add_test(tests, impossible_ranks_are_refused);
    tcase_add_test(tests, other_types_are_refused);
    tcase_add_test(tests, links_to_other_files_are_not_followed);
    tcase_add_test(tests, the_writer_refuses_the_same);
    tcase_add_test(tests, the_writer_refuses_segments_that_overlap);
    tcase_add_test(tests, impossible_dependencies_are_refused);
    tcase_add_test(tests, dependencies_of_another_job_are_refused);
    tcase_add_test(tests, impossible_incarnations_are_refused);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
