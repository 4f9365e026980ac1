/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Containers made by somebody who knows the format and means harm: every checksum is
 * right, and some number is not.  All have to be refused with one line.
 */
#include <check.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include "boundary/control.h"
#include "storage/content.h"
#include "storage/dependencies.h"
#include "storage/file.h"
#include "storage/hdf.h"
#include "storage/image.h"
#include "storage/job.h"
#include "storage/segment.h"
#include "../main.h"
#include "storage-fixture.h"

#define PATH (in_folder("000001.h5"))
#define MIB ((uint64_t)1 << 20)
#define VIEW (CRMPI_MAP_ADDR + 4 * MIB)

static void setup(void)
{
    folder_make();
    memory_map();
}

/* A content, with blocks that need not be those that HDF5 has. */
struct forged {
    struct crmpi_stored_extent extents[3];
    size_t n_extents;
    struct crmpi_extent kept[2];
    size_t n_kept;
    struct crmpi_block blocks[3];
    size_t n_blocks;
    uint64_t raw_bytes;
    enum crmpi_compression compression;
    uint64_t place; /* that HDF5 has */
};

/* What goes into a file, right as it is made by forgery_make(). */
struct forgery {
    struct crmpi_job job;
    struct crmpi_parent parent;
    uint64_t data_end;
    struct crmpi_region regions[3];
    size_t n_regions;
    struct forged task;
    struct {
        struct crmpi_segment segment;
        struct forged content;
    } windows[2];
    struct crmpi_named named;
    struct forged named_content;
    const char *other; /* if not NULL, there is this group, too */
    int alias;         /* the second window's group is the first one's */
    hid_t extent_type; /* 0: the right one */
    const char *link;  /* if not NULL, /task/regions is an external link to this file */
    const char *lacks; /* if not NULL, this is missing */
};

static struct forgery forgery_make(void)
{
    struct forgery forgery = {
        .job = job_make(0, 1),
        .data_end = 32768,
        .regions = {{CRMPI_MAP_ADDR, MIB, 3, MAP_PRIVATE, 0, .name = "a"},
                    {CRMPI_MAP_ADDR + 2 * MIB, MIB, 3, MAP_PRIVATE, 0, .name = "b"}},
        .n_regions = 2,
        .task = {.extents = {{CRMPI_MAP_ADDR, 4096, 0},
                             {CRMPI_MAP_ADDR + 2 * MIB, 8192, 4096}},
                 .n_extents = 2,
                 .blocks = {{0, 12000, 8192, 12000, 0}, {12000, 288, 20192, 288, 0}},
                 .n_blocks = 2,
                 .raw_bytes = 12288,
                 .place = 8192},
        .windows = {{{7, VIEW + 100, 8000, VIEW, 8192, CRMPI_FLAVOR_SHARED, 1, 2, 1, "w",
                      NULL, 0},
                     {.extents = {{VIEW + 100, 50, 0}, {VIEW + 8050, 50, 50}},
                      .n_extents = 2,
                      .blocks = {{0, 100, 20480, 100, 0}},
                      .n_blocks = 1,
                      .raw_bytes = 100,
                      .place = 20480}},
                    {{8, VIEW + MIB, 4096, VIEW + MIB, 4096, CRMPI_FLAVOR_ALLOCATE, 8, 1,
                      0, "", NULL, 0},
                     {.extents = {{VIEW + MIB, 4096, 0}},
                      .n_extents = 1,
                      .blocks = {{0, 4096, 24576, 4096, 0}},
                      .n_blocks = 1,
                      .raw_bytes = 4096,
                      .place = 24576}}},
        .named = {"x", CRMPI_MAP_ADDR + 17, 96, CRMPI_NAMED_DOUBLE, 2, {3, 4}},
        .named_content = {.extents = {{CRMPI_MAP_ADDR + 17, 96, 0}},
                          .n_extents = 1,
                          .blocks = {{0, 96, 28672, 96, 0}},
                          .n_blocks = 1,
                          .raw_bytes = 96,
                          .place = 28672},
    };
    return forgery;
}

static void table(hid_t file, const char *name, hid_t type, const void *data, size_t n)
{
    ck_assert_int_eq(crmpi_hdf_table_write(file, PATH, name, type, data, n), CRMPI_OK);
}

static void table_replace(hid_t file, const char *group, const char *what, hid_t type,
                          const void *data, size_t n)
{
    char name[64];
    snprintf(name, sizeof name, "%s/%s", group, what);
    ck_assert_int_ge(H5Ldelete(file, name, H5P_DEFAULT), 0);
    table(file, name, type, data, n);
}

/* What HDF5 is told of a content: blocks that are right for its place. */
static struct crmpi_content content_told(const struct forged *forged,
                                         struct crmpi_block *blocks)
{
    struct crmpi_content content = {.stored = forged->extents,
                                    .n_stored = forged->n_extents,
                                    .kept = forged->kept,
                                    .n_kept = forged->n_kept,
                                    .blocks = blocks,
                                    .raw_bytes = forged->raw_bytes,
                                    .compression = forged->compression};
    const int plain = forged->compression == CRMPI_COMPRESSION_NONE;
    uint64_t size = plain ? forged->raw_bytes : MIB;
    for (uint64_t at = 0; size && at < forged->raw_bytes; at += size)
        blocks[content.n_blocks++] =
            plain ? (struct crmpi_block){0, size, forged->place, size, 0}
                  : (struct crmpi_block){at, MIB, forged->place + at / MIB * 100, 100, 0};
    return content;
}

static void content_forge(struct crmpi_image *image, const char *group,
                          const struct forged *forged)
{
    struct crmpi_block blocks[3];
    struct crmpi_content content = content_told(forged, blocks);
    ck_assert_int_eq(crmpi_content_write(image, PATH, group, &content), CRMPI_OK);
    table_replace(crmpi_image_file(image), group, "blocks", crmpi_hdf_block_type(),
                  forged->blocks, forged->n_blocks);
}

static void windows_write(const struct forgery *forgery, struct crmpi_image *image)
{
    hid_t file = crmpi_image_file(image);
    char group[CRMPI_SEGMENT_NAME_BYTES];

    for (int i = 0; i < 2; i++) {
        const struct crmpi_segment *segment = &forgery->windows[i].segment;
        crmpi_segment_name(segment->window, group);
        ck_assert_int_eq(crmpi_segment_write(image, PATH, segment), CRMPI_OK);
        content_forge(image, group, &forgery->windows[i].content);
    }
    if (forgery->alias)
        ck_assert_int_ge(H5Lcreate_hard(file, "/window/000007", file, "/window/000009",
                                        H5P_DEFAULT, H5P_DEFAULT),
                         0);
    if (forgery->other)
        ck_assert_int_ge(H5Gclose(crmpi_hdf_group_create(file, forgery->other)), 0);
}

static void named_write(const struct forgery *forgery, struct crmpi_image *image)
{
    struct crmpi_block blocks[3];
    struct crmpi_content content = content_told(&forgery->named_content, blocks);
    ck_assert_int_eq(crmpi_named_write(image, PATH, &forgery->named, &content), CRMPI_OK);
    table_replace(crmpi_image_file(image), "/task/named_blocks", forgery->named.name,
                  crmpi_hdf_block_type(), forgery->named_content.blocks,
                  forgery->named_content.n_blocks);
}

static void forgery_write(const struct forgery *forgery)
{
    struct crmpi_image *image;
    struct crmpi_output output;
    uint64_t bytes, digest;
    ck_assert_int_eq(crmpi_image_create(CRMPI_CONTAINER_RANK, PATH, forgery->data_end,
                                        &forgery->parent, &image),
                     CRMPI_OK);
    hid_t file = crmpi_image_file(image);
    crmpi_job_write(image, PATH, &forgery->job, NULL);
    ck_assert_int_eq(crmpi_output_open(PATH, &output), CRMPI_OK);
    content_forge(image, "/task", &forgery->task);
    if (forgery->link)
        ck_assert_int_ge(H5Lcreate_external(forgery->link, "/task/regions", file,
                                            "/task/regions", H5P_DEFAULT, H5P_DEFAULT),
                         0);
    else
        table(file, "/task/regions", crmpi_hdf_region_type(), forgery->regions,
              forgery->n_regions);
    if (forgery->extent_type)
        table_replace(file, "/task", "extents", forgery->extent_type,
                      forgery->task.extents, forgery->task.n_extents);
    windows_write(forgery, image);
    named_write(forgery, image);
    if (forgery->lacks)
        ck_assert_int_ge(H5Ldelete(file, forgery->lacks, H5P_DEFAULT), 0);
    ck_assert_int_eq(crmpi_image_finish(image, PATH), CRMPI_OK);
    ck_assert_int_eq(crmpi_image_store(image, &output, &bytes, &digest), CRMPI_OK);
    ck_assert_int_eq(crmpi_output_commit(&output, bytes, 0), CRMPI_OK);
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

#define REFUSED(...)                                                                     \
    do {                                                                                 \
        struct forgery f = forgery_make();                                               \
        __VA_ARGS__;                                                                     \
        enum crmpi_status status = forgery_open(&f);                                     \
        ck_assert_msg(status == CRMPI_ERR_CORRUPT, "%s: %d %s", #__VA_ARGS__,            \
                      (int)status, log_last);                                            \
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
    REFUSED(f.regions[0].start = CRMPI_LOWER_HOST - 4096);
    REFUSED(f.regions[0].start = CRMPI_LOWER_MAP - 4096);
    REFUSED(f.regions[0].start = 0x2000; f.regions[0].bytes = CRMPI_U1);
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
    REFUSED(f.regions[0].attributes = CRMPI_REGION_ATTRIBUTES + 1);
    REFUSED(f.regions[0].attributes = CRMPI_REGION_HUGETLB);
    REFUSED(f.regions[0].attributes = CRMPI_REGION_HUGETLB;
            f.regions[0].huge_page_kib = 2049);
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
    REFUSED(f.task.extents[0].bytes = 0);
    REFUSED(f.task.extents[0].bytes = UINT64_MAX);
    REFUSED(f.task.extents[0].bytes = 2 * MIB);
    REFUSED(f.task.extents[0].start = 0x7f0000000000);
    REFUSED(f.task.extents[0].start -= 4096);
    REFUSED(f.task.extents[1].start = f.task.extents[0].start);
    REFUSED(f.task.extents[1].start += MIB - 4096);
    REFUSED(f.task.extents[1].start -= 4096);
    REFUSED(f.task.extents[1].offset = 0);
    REFUSED(f.task.extents[1].offset = 4095);
    REFUSED(f.task.extents[1].offset = 4097);
    REFUSED(f.task.extents[1].offset = UINT64_MAX);
    REFUSED(f.task.extents[0].offset = 4096);
    REFUSED(f.task.raw_bytes = 8192);
    REFUSED(f.task.raw_bytes = 0);
    REFUSED(f.task.raw_bytes = 12289);
}
END_TEST

START_TEST(what_is_kept_of_nothing_is_refused)
{
    REFUSED(f.task.kept[0] = (struct crmpi_extent){CRMPI_MAP_ADDR + 8192, 4096};
            f.task.n_kept = 1);
    REFUSED(f.windows[1].content.n_extents = 0;
            f.windows[1].content.kept[0] = (struct crmpi_extent){VIEW + MIB, 4096};
            f.windows[1].content.n_kept = 1);
    REFUSED(f.parent.digest = 1);
    REFUSED(f.parent.sn = 1);
    REFUSED(f.parent.sn = 2);
    REFUSED(f.parent.sn = UINT64_MAX);
}
END_TEST

START_TEST(impossible_blocks_are_refused)
{
    REFUSED(f.task.n_blocks = 0);
    REFUSED(f.task.n_blocks = 1);
    REFUSED(f.task.n_blocks = 3);
    REFUSED(f.task.blocks[0].bytes = 0);
    REFUSED(f.task.blocks[0].bytes += 1);
    REFUSED(f.task.blocks[0].bytes = UINT64_MAX);
    REFUSED(f.task.blocks[0].stored_bytes = 0);
    REFUSED(f.task.blocks[0].stored_bytes -= 1);
    REFUSED(f.task.blocks[0].stored_bytes += 1);
    REFUSED(f.task.blocks[0].stored_bytes = UINT64_MAX);
    REFUSED(f.task.blocks[0].file_offset -= 1);
    REFUSED(f.task.blocks[0].file_offset = UINT64_MAX);
    REFUSED(f.task.blocks[0].offset = 1);
    REFUSED(f.task.blocks[1].offset -= 1);
    REFUSED(f.task.blocks[1].file_offset += 1);
    REFUSED(f.task.blocks[1].bytes -= 1);
    REFUSED(f.task.blocks[1].bytes = UINT64_MAX - 12000);
    /* of the seal, of the tail, of others */
    REFUSED(f.task.blocks[0].file_offset = 0; f.task.blocks[1].file_offset = 12000);
    REFUSED(f.windows[0].content.blocks[0].file_offset = 32767);
    REFUSED(f.windows[0].content.blocks[0].file_offset = 20479);
    REFUSED(f.windows[0].content.place = f.windows[0].content.blocks[0].file_offset =
                20479);
    REFUSED(f.windows[1].content.place = f.windows[1].content.blocks[0].file_offset =
                8192);
    REFUSED(f.lacks = "/task/blocks");
    REFUSED(f.lacks = "/task/kept");
    REFUSED(f.lacks = "/task/extents");
    REFUSED(f.lacks = "/task/memory");
    REFUSED(f.lacks = "/window/000007/blocks");
}
END_TEST

/* Blocks of 1 MiB that are stored as 100 bytes each. */
static struct forgery compressed_make(void)
{
    struct forgery forgery = forgery_make();
    forgery.task.compression = CRMPI_COMPRESSION_LZ4;
    forgery.task.raw_bytes = 2 * MIB;
    forgery.task.blocks[0] = (struct crmpi_block){0, MIB, 8192, 100, 0};
    forgery.task.blocks[1] = (struct crmpi_block){MIB, MIB, 8292, 100, 0};
    return forgery;
}

START_TEST(impossible_compressed_blocks_are_refused)
{
    struct forgery right = compressed_make();
    ck_assert_int_eq(forgery_open(&right), CRMPI_OK);
    right.task.compression = CRMPI_COMPRESSION_ZSTD;
    ck_assert_int_eq(forgery_open(&right), CRMPI_OK);
#define COMPRESSED(...) REFUSED(f = compressed_make(); __VA_ARGS__)
    COMPRESSED(f.task.blocks[0].bytes = MIB - 1);
    COMPRESSED(f.task.blocks[0].bytes = MIB + 1);
    COMPRESSED(f.task.blocks[0].stored_bytes = 99);
    COMPRESSED(f.task.blocks[0].stored_bytes = 101);
    COMPRESSED(f.task.blocks[0].stored_bytes = MIB + 1);
    COMPRESSED(f.task.blocks[0].stored_bytes = 0; f.task.blocks[1].stored_bytes = 200);
    COMPRESSED(f.task.blocks[0].file_offset = 8191);
    COMPRESSED(f.task.blocks[0].file_offset = 8193);
    COMPRESSED(f.task.blocks[0].file_offset = 32669);
    COMPRESSED(f.task.blocks[1].offset = 0);
    COMPRESSED(f.task.n_blocks = 1);
    COMPRESSED(f.task.raw_bytes = MIB);
    COMPRESSED(f.task.raw_bytes = 2 * MIB - 8);
}
END_TEST

START_TEST(impossible_named_regions_are_refused)
{
    REFUSED(f.named.start = CRMPI_MAP_ADDR - 1);
    REFUSED(f.named.start = CRMPI_MAP_ADDR + MIB - 95);
    REFUSED(f.named.start = UINT64_MAX - 10);
    REFUSED(f.named.start = VIEW);
    REFUSED(f.named.type = CRMPI_NAMED_FLOAT);
    REFUSED(f.named_content.n_blocks = 0);
    REFUSED(f.named_content.blocks[0].bytes = 95);
    REFUSED(f.named_content.blocks[0].stored_bytes = 95);
    REFUSED(f.named_content.blocks[0].file_offset = 28673);
    REFUSED(f.named_content.place = f.named_content.blocks[0].file_offset = 24577);
    REFUSED(f.lacks = "/task/named_blocks/x");
    REFUSED(f.other = "/task/named/y");
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
    REFUSED(W.content.extents[0].start -= 1);
    REFUSED(W.content.extents[0].offset = 1);
    REFUSED(W.content.extents[1].offset = 49);
    REFUSED(W.content.extents[0].bytes = 0);
    REFUSED(W.content.extents[0].bytes = UINT64_MAX);
    REFUSED(W.content.extents[1].start += 1);
    REFUSED(W.content.extents[1].bytes += 1);
    REFUSED(W.content.extents[1].start = VIEW + 149);
    REFUSED(W.content.extents[1].start = CRMPI_MAP_ADDR + 4096);
    REFUSED(W.content.n_blocks = 0);
    REFUSED(W.content.n_blocks = 2);
    REFUSED(W.content.raw_bytes = 99);
    REFUSED(W.content.raw_bytes = 101);
    REFUSED(W.content.raw_bytes = 0);
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
    REFUSED(f.windows[1].segment.start = f.windows[1].content.extents[0].start =
                f.windows[1].segment.view_start = VIEW + 4096);
    REFUSED(f.windows[1].segment.start = f.windows[1].content.extents[0].start =
                f.windows[1].segment.view_start = 0x7f0000000000);
    REFUSED(f.windows[1].segment.start = f.windows[1].content.extents[0].start =
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
        const struct crmpi_content nothing = {0};
        ck_assert_int_eq(crmpi_image_create(CRMPI_CONTAINER_RANK, PATH, CRMPI_DATA_OFFSET,
                                            NULL, &image),
                         CRMPI_OK);
        ck_assert_int_eq(crmpi_output_open(PATH, &output), CRMPI_OK);
        crmpi_job_write(image, PATH, &job, NULL);
        hid_t file = crmpi_image_file(image);
        table(file, "/task/regions", crmpi_hdf_region_type(), NULL, 0);
        ck_assert_int_eq(crmpi_content_write(image, PATH, "/task", &nothing), CRMPI_OK);
        ck_assert_int_eq(crmpi_segment_write(image, PATH, segment), CRMPI_OK);
        hid_t group = H5Gopen2(file, "/window/000008", H5P_DEFAULT);
        ck_assert_int_ge(H5Adelete(group, fields[i].name), 0);
        ck_assert_int_eq(crmpi_hdf_fields_write(group, PATH, &fields[i], 1, value),
                         CRMPI_OK);
        H5Gclose(group);
        ck_assert_int_eq(crmpi_image_finish(image, PATH), CRMPI_OK);
        ck_assert_int_eq(crmpi_image_store(image, &output, &bytes, &digest), CRMPI_OK);
        ck_assert_int_eq(crmpi_output_commit(&output, bytes, 0), CRMPI_OK);
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
    struct crmpi_extent extent = {region.start, 8192};
    region.start += 4096;
    region.bytes -= 4096;
    static struct saving saving;
    ck_assert_int_eq(saving_begin(&saving, PATH, &job), CRMPI_OK);
    ck_assert_int_eq(saving_memory(&saving, &region, 1, &extent, 1), CRMPI_ERR_INTERNAL);
    ck_assert_uint_eq(log_lines, 1);
    saving_abort(&saving);
}
END_TEST

START_TEST(the_writer_refuses_segments_that_overlap)
{
    struct crmpi_job job = job_make(0, 1);
    for (int i = 0; i < 4; i++) {
        struct crmpi_segment segment = segments[0];
        static struct saving saving;
        log_reset();
        segment.window = 9;
        ck_assert_int_eq(saving_begin(&saving, PATH, &job), CRMPI_OK);
        ck_assert_int_eq(saving_memory(&saving, regions, N_REGIONS, NULL, 0), CRMPI_OK);
        if (i == 0) /* with another view */
            ck_assert_int_eq(saving_segment(&saving, &segments[0]), CRMPI_OK);
        else if (i == 1) /* with a region */
            segment.view_start = regions[2].start + regions[2].bytes - 4096;
        else if (i == 2) /* its extents with other ranks' segments */
            segment.bytes -= 1;
        else
            memset(segment.name, 'x', sizeof segment.name);
        ck_assert_int_eq(saving_segment(&saving, &segment), CRMPI_ERR_INTERNAL);
        ck_assert_uint_eq(log_lines, 1);
        saving_abort(&saving);
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
        ck_assert_int_eq(saving_begin(&saving, PATH, &job), CRMPI_OK);                   \
        ck_assert_msg(crmpi_writer_dependencies(saving.writer, &d) ==                    \
                          CRMPI_ERR_INTERNAL,                                            \
                      "%s", #change);                                                    \
        ck_assert_uint_eq(log_lines, 1);                                                 \
        saving_abort(&saving);                                                           \
    } while (0)

START_TEST(impossible_dependencies_are_refused)
{
    struct crmpi_job job = job_make(3, 5);
    static struct saving saving;
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
    ck_assert_int_eq(
        crmpi_image_create(CRMPI_CONTAINER_RANK, PATH, CRMPI_DATA_OFFSET, NULL, &image),
        CRMPI_OK);
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

UNIT_TESTS("forged")
{
    CASE("all", .seconds = 60, .setup = setup, .teardown = folder_remove);
    TEST(without_a_change_it_is_read);
    TEST(regions_elsewhere_are_refused);
    TEST(impossible_regions_are_refused);
    TEST(a_name_without_end_is_refused);
    TEST(impossible_extents_are_refused);
    TEST(what_is_kept_of_nothing_is_refused);
    TEST(impossible_blocks_are_refused);
    TEST(impossible_compressed_blocks_are_refused);
    TEST(impossible_named_regions_are_refused);
    TEST(impossible_segments_are_refused);
    TEST(impossible_views_are_refused);
    TEST(strange_things_among_windows_are_refused);
    TEST(a_flavor_or_name_that_cannot_be_is_refused);
    TEST(impossible_ranks_are_refused);
    TEST(other_types_are_refused);
    TEST(links_to_other_files_are_not_followed);
    TEST(the_writer_refuses_the_same);
    TEST(the_writer_refuses_segments_that_overlap);
    TEST(impossible_dependencies_are_refused);
    TEST(dependencies_of_another_job_are_refused);
    TEST(impossible_incarnations_are_refused);
}
