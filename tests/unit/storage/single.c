/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of rank files by themselves: an increment is checked without its parent, and every
 * flipped bit is found.
 */
#include <check.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/checksum.h"
#include "../main.h"
#include "storage-fixture.h"
#include "storage/single.h"

#define PAGES 6
#define PAGE ((uint64_t)4096)
#define START ((uint64_t)0x110000000000)

/* Save pages; those of an increment's parent are kept but for the second and third. */
static void save(const char *path, uint64_t sn, const struct crmpi_parent *parent,
                 uint64_t *digest_out)
{
    struct crmpi_region region = {.start = START,
                                  .bytes = PAGES * PAGE,
                                  .prot = PROT_READ | PROT_WRITE,
                                  .flags = MAP_PRIVATE | MAP_ANONYMOUS};
    struct crmpi_stored_extent stored = {START, PAGES * PAGE, 0};
    struct crmpi_extent kept[2] = {{START, PAGE}, {START + 3 * PAGE, 3 * PAGE}};
    struct crmpi_job job = job_make(0, sn);
    struct crmpi_block block = {.file_offset = CRMPI_DATA_OFFSET};
    static unsigned char data[PAGES * PAGE];
    struct crmpi_content content = {
        .stored = &stored, .n_stored = 1, .blocks = &block, .n_blocks = 1};
    struct crmpi_writer *writer;
    uint64_t bytes;

    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)(i * 7 + sn);
    if (parent) {
        stored = (struct crmpi_stored_extent){START + PAGE, 2 * PAGE, 0};
        content.kept = kept;
        content.n_kept = 2;
    }
    content.raw_bytes = block.bytes = block.stored_bytes = stored.bytes;
    block.checksum = crmpi_checksum(data, block.bytes);
    require(crmpi_writer_create(path, &job, parent, &writer) == CRMPI_OK);
    require(crmpi_file_write(crmpi_writer_descriptor(writer),
                             &(struct iovec){data, block.bytes}, 1,
                             CRMPI_DATA_OFFSET) == 0);
    require(crmpi_writer_task(writer, &region, 1, &content) == CRMPI_OK);
    require(crmpi_writer_close(writer, CRMPI_DATA_OFFSET + block.bytes, 0, &bytes,
                               digest_out) == CRMPI_OK);
}

START_TEST(an_increment_is_checked_alone)
{
    struct crmpi_parent parent = {.sn = 11};
    struct crmpi_single single;
    struct crmpi_reader *reader;
    uint64_t digest;

    save(in_folder("000011.h5"), 11, NULL, &parent.digest);
    save(in_folder("000012.h5"), 12, &parent, &digest);
    ck_assert_int_eq(crmpi_single_look(in_folder("000011.h5"), &single), CRMPI_OK);
    ck_assert_uint_eq(single.digest, parent.digest);
    ck_assert_uint_eq(single.parent_sn, 0);
    ck_assert_int_eq(crmpi_single_look(in_folder("000012.h5"), &single), CRMPI_OK);
    ck_assert_uint_eq(single.digest, digest);
    ck_assert_uint_eq(single.parent_sn, 11);
    ck_assert_uint_eq(single.parent_digest, parent.digest);
    ck_assert_int_eq(crmpi_reader_open(in_folder("000012.h5"), &reader), CRMPI_OK);
    crmpi_reader_close(reader);
    unlink(in_folder("000011.h5"));
    ck_assert_int_ne(crmpi_reader_open(in_folder("000012.h5"), &reader), CRMPI_OK);
    ck_assert_int_eq(crmpi_single_check(in_folder("000012.h5")), CRMPI_OK);
    ck_assert_int_eq(crmpi_single_check(in_folder("000011.h5")), CRMPI_ERR_NOTFOUND);
}
END_TEST

START_TEST(every_flipped_bit_is_found)
{
    struct crmpi_parent parent = {.sn = 11, .digest = 5};
    uint64_t digest;
    size_t bytes;

    save(in_folder("000012.h5"), 12, &parent, &digest);
    unsigned char *data = file_get(in_folder("000012.h5"), &bytes);
    ck_assert_int_eq(crmpi_single_check(in_folder("000012.h5")), CRMPI_OK);
    for (size_t at = 0; at < bytes; at += at < 64 ? 1 : 61) {
        unsigned char bit = (unsigned char)(1 << at % 8);
        data[at] ^= bit;
        file_put(in_folder("000012.h5"), data, bytes);
        ck_assert_int_ne(crmpi_single_check(in_folder("000012.h5")), CRMPI_OK);
        data[at] ^= bit;
    }
    for (size_t length = 0; length < bytes; length += 997) {
        struct crmpi_single single;
        file_put(in_folder("000012.h5"), data, length);
        ck_assert_int_ne(crmpi_single_look(in_folder("000012.h5"), &single), CRMPI_OK);
        ck_assert_int_ne(crmpi_single_check(in_folder("000012.h5")), CRMPI_OK);
    }
    free(data);
}
END_TEST

UNIT_TESTS("single")
{
    CASE("all", .seconds = 60, .setup = folder_make, .teardown = folder_remove);
    TEST(an_increment_is_checked_alone);
    TEST(every_flipped_bit_is_found);
}
