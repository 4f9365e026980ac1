/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of the list of files: what of it is packed comes back, and a record in which some
 * field is out of its range is refused.
 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/log.h"
#include "boundary/control.h"
#include "files/inodes.h"
#include "interaction/cut.h"
#include "../main.h"

#define BLOCK CRMPI_INODE_BLOCK
#define N 3

static enum crmpi_status no_segments(struct crmpi_window_segment **list_out,
                                     size_t *n_out)
{
    *list_out = NULL;
    *n_out = 0;
    return CRMPI_OK;
}
struct crmpi_cut crmpi_cut = {.segments_list = no_segments};

/* A file that is saved as a whole, one of which the ends are, and one that is only read. */
static struct crmpi_inode list[N];
static struct crmpi_hash blocks[5] = {{1, 2}, {3, 4}, {5, 6}, {7, 8}, {9, 10}};
static struct crmpi_hash *hashes[N] = {NULL, blocks, blocks + 3};
static struct crmpi_inode_source sources[N];
static char *record;
static size_t record_bytes;

static void setup(void)
{
    struct crmpi_inodes inodes = {N, N, list, sources, hashes};
    void *data;

    memset(list, 0, sizeof list);
    list[0] = (struct crmpi_inode){.kind = CRMPI_INODE_UNLINKED,
                                   .flags = CRMPI_INODE_WRITTEN | CRMPI_INODE_WHOLE,
                                   .bytes = 5000,
                                   .n_parts = 1,
                                   .parts = {{0, 5000, CRMPI_FILES_ADDR}},
                                   .path = "/a (deleted)"};
    list[1] =
        (struct crmpi_inode){.kind = CRMPI_INODE_NAMED,
                             .flags = CRMPI_INODE_WRITTEN,
                             .bytes = 2 * BLOCK + 7,
                             .n_blocks = 3,
                             .n_parts = 2,
                             .parts = {{0, BLOCK, CRMPI_FILES_ADDR + 64 * BLOCK},
                                       {2 * BLOCK, 7, CRMPI_FILES_ADDR + 65 * BLOCK}},
                             .path = "/b"};
    list[2] =
        (struct crmpi_inode){.kind = CRMPI_INODE_NAMED,
                             .flags = CRMPI_INODE_WHOLE,
                             .bytes = BLOCK + 1,
                             .n_blocks = 2,
                             .n_parts = 1,
                             .parts = {{0, BLOCK + 1, CRMPI_FILES_ADDR + 128 * BLOCK}},
                             .path = "/c"};
    ck_assert_int_eq(crmpi_inodes_pack(&inodes, &data, &record_bytes), CRMPI_OK);
    record = data;
}

static void teardown(void)
{
    free(record);
}

static enum crmpi_status unpack(const void *data, size_t bytes)
{
    struct crmpi_inodes inodes = {0};
    enum crmpi_status status = crmpi_inodes_unpack(data, bytes, &inodes);

    crmpi_inodes_fini(&inodes);
    return status;
}

static struct crmpi_inode *inode(int i)
{
    return (struct crmpi_inode *)(record + 8) + i;
}

START_TEST(comes_back)
{
    struct crmpi_inodes inodes = {0};

    ck_assert_int_eq(crmpi_inodes_unpack(record, record_bytes, &inodes), CRMPI_OK);
    ck_assert_uint_eq(inodes.n, N);
    ck_assert_int_eq(memcmp(inodes.list, list, sizeof list), 0);
    ck_assert_ptr_null(inodes.hashes[0]);
    ck_assert_int_eq(memcmp(inodes.hashes[1], blocks, 3 * sizeof *blocks), 0);
    ck_assert_int_eq(memcmp(inodes.hashes[2], blocks + 3, 2 * sizeof *blocks), 0);
    ck_assert_int_eq(inodes.sources[1].fd, -1);
    crmpi_inodes_fini(&inodes);
    *(uint64_t *)record = 0;
    ck_assert_int_eq(unpack(record, 8), CRMPI_OK);
}
END_TEST

START_TEST(every_length_but_its_own)
{
    char *more = malloc(record_bytes + 64);

    memcpy(more, record, record_bytes);
    memset(more + record_bytes, 0, 64);
    for (size_t bytes = 0; bytes < record_bytes + 64; bytes += bytes < 64 ? 1 : 7) {
        char *exact =
            malloc(bytes + !bytes); /* so that a sanitizer sees reads behind it */

        memcpy(exact, more, bytes);
        if (bytes != record_bytes)
            ck_assert_int_eq(unpack(exact, bytes), CRMPI_ERR_CORRUPT);
        free(exact);
    }
    free(more);
}
END_TEST

/* What is wrong with a record. */
static const struct forgery {
    int file;
    size_t offset, size;
    uint64_t value;
} forgeries[] = {
#define FORGE(file, field, value)                                                        \
    {                                                                                    \
        file, offsetof(struct crmpi_inode, field),                                       \
            sizeof(((struct crmpi_inode *)NULL)->field), value                           \
    }
    FORGE(0, kind, 0),
    FORGE(0, kind, CRMPI_INODE_MEMFD + 1),
    FORGE(0, kind, (uint32_t)-1),
    FORGE(0, flags, 64), /* there is no such flag */
    FORGE(0, bytes, UINT64_MAX),
    FORGE(0, bytes, (uint64_t)INT64_MAX + 1),
    FORGE(0, bytes, 4999), /* less than is saved of it */
    FORGE(0, bytes, 5001), /* not all of it is saved, though it says so */
    FORGE(0, n_parts, 0),
    FORGE(0, n_parts, 2), /* the second has no address */
    FORGE(0, n_parts, 3),
    FORGE(0, n_parts, UINT32_MAX),
    FORGE(0, parts[0].offset, 1),
    FORGE(0, parts[0].offset, UINT64_MAX),
    FORGE(0, parts[0].bytes, 5001),
    FORGE(0, parts[0].bytes, UINT64_MAX),
    FORGE(0, parts[0].address, 0),
    FORGE(0, parts[0].address, CRMPI_FILES_ADDR - 4096),
    FORGE(0, parts[0].address, CRMPI_FILES_ADDR + 1), /* no page */
    FORGE(0, parts[0].address, CRMPI_U1 - 4096),      /* reaches over the end */
    FORGE(0, parts[0].address, CRMPI_U1),
    FORGE(0, parts[0].address, UINT64_MAX - 4095),
    FORGE(1, n_blocks, 0), /* then there are more hashes than blocks */
    FORGE(1, n_blocks, 2),
    FORGE(1, n_blocks, 4),
    FORGE(1, n_blocks, UINT64_MAX),
    FORGE(1, n_blocks, UINT64_MAX / sizeof(struct crmpi_hash) + 4),
    FORGE(1, bytes, 3 * BLOCK + 1),
    FORGE(1, bytes, BLOCK),
    FORGE(1, parts[1].offset, 2 * BLOCK + 1),
    FORGE(1, parts[1].bytes, 8),
};

START_TEST(forged)
{
    const struct forgery *forgery = &forgeries[_i];

    memcpy((char *)inode(forgery->file) + forgery->offset, &forgery->value,
           forgery->size);
    ck_assert_msg(unpack(record, record_bytes) == CRMPI_ERR_CORRUPT, "forgery %d", _i);
}
END_TEST

START_TEST(numbers_of_files)
{
    static const uint64_t wrong[] = {
        0,          1,
        2,          4,
        1 << 20,    (1 << 20) + 1,
        UINT64_MAX, UINT64_MAX / sizeof(struct crmpi_inode) + 4};

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        *(uint64_t *)record = wrong[i];
        ck_assert_int_eq(unpack(record, record_bytes), CRMPI_ERR_CORRUPT);
    }
}
END_TEST

START_TEST(names)
{
    char *path = inode(2)->path;

    memset(path, 'x', sizeof inode(2)->path); /* without an end */
    path[0] = '/';
    ck_assert_int_eq(unpack(record, record_bytes), CRMPI_ERR_CORRUPT);
    path[sizeof inode(2)->path - 1] = 0;
    ck_assert_int_eq(unpack(record, record_bytes), CRMPI_OK);
    path[0] = 'x'; /* one that has a name has an absolute one */
    ck_assert_int_eq(unpack(record, record_bytes), CRMPI_ERR_CORRUPT);
    path[0] = 0;
    ck_assert_int_eq(unpack(record, record_bytes), CRMPI_ERR_CORRUPT);
}
END_TEST

/* Whatever has been changed, what is accepted is within its bounds. */
START_TEST(mutated)
{
    char *changed = malloc(record_bytes);
    uint64_t state = 88172645463325252u + (uint64_t)_i;

    for (int round = 0; round < 20000; round++) {
        struct crmpi_inodes inodes = {0};

        memcpy(changed, record, record_bytes);
        for (int n = 1 + round % 3; n > 0; n--) {
            state ^= state << 13, state ^= state >> 7, state ^= state << 17;
            size_t file = state % N, at = (state >> 8) % 192; /* in front of the name */

            if (round % 10 == 0)
                changed[(state >> 8) % record_bytes] = (char)(state >> 40);
            else
                changed[8 + file * sizeof *list + at] ^= (char)(1 << (state >> 50) % 8);
        }
        if (crmpi_inodes_unpack(changed, record_bytes, &inodes) != CRMPI_OK)
            continue;
        for (size_t i = 0; i < inodes.n; i++)
            for (uint32_t k = 0; k < inodes.list[i].n_parts; k++) {
                ck_assert(crmpi_is_file_part(inodes.list[i].parts[k].address));
                ck_assert_uint_le(inodes.list[i].parts[k].offset +
                                      inodes.list[i].parts[k].bytes,
                                  inodes.list[i].bytes);
            }
        crmpi_inodes_fini(&inodes);
    }
    free(changed);
}
END_TEST

/* ---- what is taken in ---- */

static enum crmpi_status take(struct crmpi_inodes *inodes, int fd, uint32_t flags,
                              size_t *index, char *what)
{
    char link[64], path[4096] = "";
    struct stat about;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ck_assert_int_eq(fstat(fd, &about), 0);
    ck_assert_int_gt(readlink(link, path, sizeof path - 1), 0);
    return crmpi_inodes_add(inodes, fd, &about, path, flags, index, what, 128);
}

START_TEST(kinds)
{
    char name[] = "/tmp/crmpi-inodes-XXXXXX", what[128] = "";
    struct crmpi_inodes inodes = {0};
    int fd = mkstemp(name), again = open(name, O_RDONLY), memory = memfd_create("m", 0);
    size_t first, second, third;

    ck_assert_int_eq(take(&inodes, again, 0, &first, what), CRMPI_OK);
    ck_assert_int_eq(inodes.list[first].kind, CRMPI_INODE_NAMED);
    ck_assert_int_eq(take(&inodes, fd, CRMPI_INODE_WRITTEN, &second, what), CRMPI_OK);
    ck_assert_uint_eq(first, second); /* one inode */
    ck_assert_uint_eq(inodes.n, 1);
    ck_assert_uint_eq(inodes.list[0].flags, CRMPI_INODE_WRITTEN);
    ck_assert_int_eq(take(&inodes, memory, 0, &third, what), CRMPI_OK);
    ck_assert_int_eq(inodes.list[third].kind, CRMPI_INODE_MEMFD);
    crmpi_inodes_fini(&inodes);
    unlink(name);
    ck_assert_int_eq(take(&inodes, fd, 0, &first, what), CRMPI_OK);
    ck_assert_int_eq(inodes.list[first].kind, CRMPI_INODE_UNLINKED);
    close(again);
    again = open("/proc/self/status", O_RDONLY);
    ck_assert_int_eq(take(&inodes, again, 0, &second, what), CRMPI_ERR_UNSUPPORTED);
    ck_assert_str_eq(what, "of a kind that cannot be restored: procfs");
    ck_assert_uint_eq(inodes.n, 1);
    crmpi_inodes_fini(&inodes);
    close(fd);
    close(again);
    close(memory);
}
END_TEST

UNIT_TESTS("inodes")
{
    CASE("all", .seconds = 60, .setup = setup, .teardown = teardown);
    TEST(comes_back);
    TEST(every_length_but_its_own);
    LOOP(forged, 0, (int)(sizeof forgeries / sizeof *forgeries));
    TEST(numbers_of_files);
    TEST(names);
    LOOP(mutated, 0, 5);
    TEST(kinds);
}
