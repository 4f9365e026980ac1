/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Unit tests of erasure codes and of the files of shares: any m members can be lost, m + 1
 * cannot; every flipped bit is found; headers that make no sense are refused.
 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/checksum.h"
#include "levels/erasure.h"
#include "levels/levels.h"
#include "levels/share.h"
#include "../main.h"

#define BLOCK CRMPI_ERASURE_BLOCK_BYTES

/* A group with its files and shares. */
static struct {
    struct crmpi_erasure code;
    unsigned n;
    uint64_t bytes[CRMPI_ERASURE_MEMBERS_MAX];
    unsigned char *files[CRMPI_ERASURE_MEMBERS_MAX];
    unsigned char *shares[CRMPI_ERASURE_MEMBERS_MAX]; /* whole files of shares */
    struct crmpi_share about;
    uint64_t n_blocks;
} group;

static char path[128];

static uint64_t draw(uint64_t below)
{
    static uint64_t state = 20031122;

    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 20) % below;
}

static void describe(void)
{
    group.about = (struct crmpi_share){.k = group.code.k, .m = group.code.m};
    strcpy(group.about.job_id, "1b7c9d");
    for (unsigned i = 0; i < group.n; i++) {
        struct crmpi_share_member *member = &group.about.members[i];

        member->world_rank = 3 * i + 1;
        if (group.bytes[i] == 0)
            continue; /* it has no file */
        member->sn = 12;
        member->file_bytes = group.bytes[i];
        member->digest = draw(1u << 30);
        member->parent_sn = 11;
    }
}

/* The pieces come in any order: holders begin at another member each. */
static void share_make(unsigned holder)
{
    uint64_t bytes = crmpi_share_file_bytes(group.n_blocks);
    unsigned char *touched = calloc(group.n_blocks, 1), *memory = malloc(bytes);

    memset(memory, 0xa5, bytes); /* as in a file that is written over */
    for (unsigned i = 0; i < group.n; i++) {
        unsigned member = (holder + i) % group.n;
        struct crmpi_erasure_piece piece;
        uint64_t cursor = 0, last = 0;

        while (crmpi_erasure_next(&group.code, member, holder, group.bytes[member],
                                  &cursor, &piece)) {
            ck_assert_uint_ne(member, holder);
            ck_assert_uint_lt(piece.block, group.n_blocks);
            ck_assert(piece.offset >= last && piece.bytes > 0);
            last = piece.offset + piece.bytes;
            ck_assert_uint_le(last, group.bytes[member]);
            crmpi_erasure_add(&group.code, &piece, group.files[member] + piece.offset,
                              !touched[piece.block],
                              memory + crmpi_share_block_offset(piece.block));
            touched[piece.block] = 1;
        }
    }
    group.about.holder = holder;
    ck_assert_int_eq(crmpi_share_seal(&group.about, touched, memory, bytes), CRMPI_OK);
    group.shares[holder] = memory;
    free(touched);
}

static void group_make(unsigned k, unsigned m, uint64_t largest)
{
    uint64_t most = 0;

    ck_assert_int_eq(crmpi_erasure_init(&group.code, k, m), CRMPI_OK);
    group.n = k + m;
    for (unsigned i = 0; i < group.n; i++) {
        group.bytes[i] = i == 1 && draw(2) ? 0 : draw(largest) + 1;
        if (group.bytes[i] > most)
            most = group.bytes[i];
        group.files[i] = malloc(group.bytes[i] + 1);
        for (uint64_t j = 0; j < group.bytes[i]; j++)
            group.files[i][j] = (unsigned char)draw(256);
    }
    group.n_blocks = crmpi_erasure_blocks(&group.code, most);
    describe();
    for (unsigned i = 0; i < group.n; i++)
        share_make(i);
}

static void group_free(void)
{
    for (unsigned i = 0; i < group.n; i++) {
        free(group.files[i]);
        free(group.shares[i]);
    }
}

/* The bytes of a source's block, zeros behind a file's end. */
static void block_read(const struct crmpi_erasure_source *source, uint64_t row,
                       unsigned char *out)
{
    uint64_t at = crmpi_erasure_offset(&group.code, source, row), bytes;

    memset(out, 0, BLOCK);
    if (source->is_share) {
        memcpy(out, group.shares[source->member] + CRMPI_SHARE_DATA_OFFSET + at, BLOCK);
    } else if (at < group.bytes[source->member]) {
        bytes = group.bytes[source->member] - at;
        memcpy(out, group.files[source->member] + at, bytes < BLOCK ? bytes : BLOCK);
    }
}

static void element_check(unsigned member, const struct crmpi_erasure_recipe *recipe,
                          uint64_t row, unsigned element)
{
    static unsigned char space[CRMPI_ERASURE_MEMBERS_MAX][1 << 18], out[1 << 18];
    const unsigned char *blocks[CRMPI_ERASURE_MEMBERS_MAX];
    uint64_t at = (row * group.code.k + element) * BLOCK;
    uint64_t bytes = group.bytes[member] - at < BLOCK ? group.bytes[member] - at : BLOCK;

    for (unsigned i = 0; i < recipe->n; i++) {
        block_read(&recipe->sources[i], row, space[i]);
        blocks[i] = space[i];
    }
    crmpi_erasure_rebuild(recipe, blocks, bytes, out);
    ck_assert_mem_eq(out, group.files[member] + at, bytes);
}

/* Rebuild a file from what is left. */
static void file_check(unsigned member, uint64_t files, uint64_t shares)
{
    ck_assert_uint_eq(crmpi_erasure_excess(&group.code, member, files, shares), 0);
    for (unsigned element = 0; element < group.code.k; element++) {
        struct crmpi_erasure_recipe recipe;

        ck_assert_int_eq(
            crmpi_erasure_recipe(&group.code, member, element, files, shares, &recipe),
            CRMPI_OK);
        for (unsigned i = 0; i < recipe.n; i++) {
            uint64_t there = recipe.sources[i].is_share ? shares : files;
            ck_assert(there >> recipe.sources[i].member & 1);
            ck_assert(recipe.sources[i].is_share || recipe.sources[i].member != member);
        }
        for (uint64_t row = 0;
             (row * group.code.k + element) * BLOCK < group.bytes[member]; row++)
            element_check(member, &recipe, row, element);
    }
}

static void refused(unsigned member, uint64_t files, uint64_t shares)
{
    unsigned n_refused = 0;

    ck_assert_uint_gt(crmpi_erasure_excess(&group.code, member, files, shares), 0);
    for (unsigned element = 0; element < group.code.k; element++) {
        struct crmpi_erasure_recipe recipe;
        n_refused += crmpi_erasure_recipe(&group.code, member, element, files, shares,
                                          &recipe) == CRMPI_ERR_NOTFOUND;
    }
    ck_assert_uint_gt(n_refused, 0);
}

/* Lose every set of members there is. */
static void lose_all(void)
{
    uint64_t all = ((uint64_t)1 << group.n) - 1;

    for (uint64_t lost = 1; lost <= all; lost++)
        for (unsigned member = 0; member < group.n; member++) {
            unsigned n = (unsigned)__builtin_popcountll(lost);
            if (!(lost >> member & 1))
                continue;
            if (n <= group.code.m)
                file_check(member, all & ~lost, all & ~lost);
            else if (n < group.n)
                refused(member, all & ~lost, all & ~lost);
        }
}

START_TEST(test_losses)
{
    static const unsigned sizes[][2] = {{1, 1}, {2, 1}, {2, 2}, {1, 3}, {3, 2}, {4, 1}};

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (unsigned round = 0; round < 3; round++) {
            group_make(sizes[i][0], sizes[i][1], round == 0 ? 900 : round * 3 * BLOCK);
            lose_all();
            group_free();
        }
}
END_TEST

/* Files lost in some places and shares in others: what is possible is right. */
START_TEST(test_mixed_losses)
{
    unsigned n_possible = 0, n_refused = 0;

    group_make(2, 2, 5 * BLOCK);
    for (uint64_t files = 0; files < 16; files++)
        for (uint64_t shares = 0; shares < 16; shares++) {
            if (files & 1)
                continue;
            if (crmpi_erasure_excess(&group.code, 0, files, shares) == 0) {
                file_check(0, files, shares);
                n_possible++;
            } else {
                refused(0, files, shares);
                n_refused++;
            }
        }
    ck_assert(n_possible > 20 && n_refused > 20);
    group_free();
}
END_TEST

/* Lose some more, until they are so many. */
static void lose(uint64_t *lost, unsigned n)
{
    while ((unsigned)__builtin_popcountll(*lost) < n)
        *lost |= (uint64_t)1 << draw(group.n);
}

START_TEST(test_large_groups)
{
    static const unsigned sizes[][2] = {{32, 32}, {8, 3}, {63, 1}, {1, 63}, {20, 11}};

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint64_t lost = 1, all;

        group_make(sizes[i][0], sizes[i][1], 2 * BLOCK);
        all = group.n == 64 ? ~(uint64_t)0 : ((uint64_t)1 << group.n) - 1;
        lose(&lost, group.code.m);
        file_check(0, all & ~lost, all & ~lost);
        lose(&lost, group.code.m + 1);
        refused(0, all & ~lost, all & ~lost);
        group_free();
    }
}
END_TEST

START_TEST(test_parameters)
{
    struct crmpi_erasure code;

    ck_assert_int_eq(crmpi_erasure_init(&code, 0, 1), CRMPI_ERR_USAGE);
    ck_assert_int_eq(crmpi_erasure_init(&code, 1, 0), CRMPI_ERR_USAGE);
    ck_assert_int_eq(crmpi_erasure_init(&code, 64, 1), CRMPI_ERR_USAGE);
    ck_assert_int_eq(crmpi_erasure_init(&code, ~0u, 2), CRMPI_ERR_USAGE);
    ck_assert_int_eq(crmpi_erasure_init(&code, 2, ~0u), CRMPI_ERR_USAGE);
}
END_TEST

/* ---- files ---- */

static void file_write(const unsigned char *data, uint64_t bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, data, bytes), (ssize_t)bytes);
    close(fd);
}

static enum crmpi_status look(void)
{
    struct crmpi_share share;
    uint64_t *checksums;
    int fd;
    enum crmpi_status status = crmpi_share_open(path, &share, &checksums, &fd);

    if (status != CRMPI_OK)
        return status;
    status = crmpi_share_verify(path, &share, checksums, fd);
    if (status == CRMPI_OK) {
        ck_assert_uint_eq(share.n_blocks, group.n_blocks);
        ck_assert_mem_eq(share.members, group.about.members, sizeof share.members);
    }
    free(checksums);
    close(fd);
    return status;
}

START_TEST(test_share_file)
{
    uint64_t bytes;

    group_make(3, 2, 4 * BLOCK);
    bytes = crmpi_share_file_bytes(group.n_blocks);
    file_write(group.shares[2], bytes);
    ck_assert_int_eq(look(), CRMPI_OK);
    for (unsigned i = 0; i < 3000; i++) {
        /* half of them in the header and the checksums */
        uint64_t at = i % 4 == 0   ? draw(sizeof(struct crmpi_share))
                      : i % 4 == 1 ? bytes - 1 - draw(8 * group.n_blocks)
                                   : draw(bytes);
        unsigned char *byte = &group.shares[2][at], before = *byte, flipped;
        int fd = open(path, O_WRONLY);

        flipped = before ^ (unsigned char)(1u << draw(8));
        ck_assert_int_eq(pwrite(fd, &flipped, 1, (off_t)at), 1);
        ck_assert_int_ne(look(), CRMPI_OK);
        ck_assert_int_eq(pwrite(fd, &before, 1, (off_t)at), 1);
        close(fd);
    }
    ck_assert_int_eq(look(), CRMPI_OK);
    for (unsigned i = 0; i < 40; i++) {
        file_write(group.shares[2], i == 0 ? 0 : draw(bytes));
        ck_assert_int_ne(look(), CRMPI_OK);
    }
    file_write(group.shares[2], bytes);
    ck_assert_int_eq(chmod(path, 0620), 0);
    ck_assert_int_eq(look(), CRMPI_ERR_PERMISSION);
    unlink(path);
    ck_assert_int_eq(look(), CRMPI_ERR_NOTFOUND);
    group_free();
}
END_TEST

/* Seal what somebody made up, so that only the checks of the numbers are left. */
static void forge(const struct crmpi_share *share)
{
    static unsigned char page[CRMPI_SHARE_DATA_OFFSET];
    uint64_t bytes = crmpi_share_file_bytes(group.n_blocks);
    unsigned char *copy = malloc(bytes);
    struct crmpi_share sealed = *share;
    struct crmpi_checksum_state state;
    size_t at = offsetof(struct crmpi_share, digest);

    memcpy(copy, group.shares[0], bytes);
    memset(page, 0, sizeof page);
    memcpy(page, share, sizeof *share);
    crmpi_checksum_begin(&state);
    crmpi_checksum_add(&state, page, at);
    crmpi_checksum_add(&state, page + at + 8, sizeof page - at - 8);
    crmpi_checksum_add(&state, copy + crmpi_share_block_offset(group.n_blocks),
                       8 * group.n_blocks);
    sealed.digest = crmpi_checksum_end(&state);
    memcpy(copy, page, sizeof page);
    memcpy(copy, &sealed, sizeof sealed);
    file_write(copy, bytes);
    free(copy);
}

START_TEST(test_forged)
{
    struct crmpi_share good, bad;

    group_make(2, 2, 3 * BLOCK);
    memcpy(&good, group.shares[0], sizeof good);
    forge(&good);
    ck_assert_int_eq(look(), CRMPI_OK);
#define REFUSED(field, value)                                                            \
    do {                                                                                 \
        bad = good;                                                                      \
        bad.field = value;                                                               \
        forge(&bad);                                                                     \
        ck_assert_int_ne(look(), CRMPI_OK);                                              \
    } while (0)
    REFUSED(version, 2);
    REFUSED(k, 0);
    REFUSED(k, 1);
    REFUSED(k, UINT32_MAX);
    REFUSED(m, 0);
    REFUSED(m, UINT32_MAX - 1);
    REFUSED(holder, 4);
    REFUSED(file_bytes, good.file_bytes + 1);
    REFUSED(block_bytes, 1);
    REFUSED(n_blocks, 0);
    REFUSED(n_blocks, UINT64_MAX / BLOCK);
    REFUSED(n_blocks, (uint64_t)1 << 61);
    REFUSED(job_id[0], '\0');
    REFUSED(members[1].world_rank, good.members[0].world_rank);
    REFUSED(members[1].world_rank, UINT32_MAX);
    REFUSED(members[0].sn, 0);
    REFUSED(members[0].parent_sn, good.members[0].sn);
    REFUSED(members[0].file_bytes, 0);
    REFUSED(members[0].unused, 1);
    REFUSED(members[1].file_bytes, UINT64_MAX);
    REFUSED(members[1].file_bytes, (uint64_t)1 << 50);
    bad = good;
    memset(bad.job_id, 'x', sizeof bad.job_id);
    forge(&bad);
    ck_assert_int_eq(look(), CRMPI_ERR_CORRUPT);
    unlink(path);
    group_free();
}
END_TEST

/* ---- what others build on ---- */

/* A share of rank 1, in which one other rank's file builds on another. */
static void share_put(const char *home, uint64_t sn, uint64_t parent_sn)
{
    char name[128];

    group_make(1, 1, 900);
    for (unsigned i = 0; i < 2; i++) {
        group.about.members[i].sn = sn;
        group.about.members[i].file_bytes = 10 + i;
        group.about.members[i].parent_sn = i ? parent_sn : 0;
    }
    free(group.shares[0]);
    group.bytes[0] = 10;
    group.bytes[1] = 11;
    share_make(0);
    ck_assert_int_eq(crmpi_share_path(home, 1, sn, 1, name, sizeof name), CRMPI_OK);
    snprintf(path, sizeof path, "%s", name);
    file_write(group.shares[0], crmpi_share_file_bytes(group.n_blocks));
    group_free();
}

START_TEST(test_needs)
{
    char home[32], inner[64], command[64];
    uint64_t keep[16] = {4, 9};

    snprintf(home, sizeof home, "erasure-%ld", (long)getpid());
    snprintf(inner, sizeof inner, "%s/erasure", home);
    ck_assert(mkdir(home, 0700) == 0 && mkdir(inner, 0700) == 0);
    share_put(home, 9, 8);
    share_put(home, 8, 6);
    share_put(home, 6, 0);
    share_put(home, 5, 3); /* nobody needs that */
    ck_assert_uint_eq(crmpi_levels_group_needs(home, 1, keep, 2, 14), 2);
    ck_assert_uint_eq(keep[2], 8);
    ck_assert_uint_eq(keep[3], 6);
    ck_assert_uint_eq(crmpi_levels_group_needs(home, 1, keep, 2, 1), 1);
    ck_assert_uint_eq(crmpi_levels_group_needs(home, 2, keep, 2, 14), 0);
    snprintf(command, sizeof command, "rm -r %s", home);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

UNIT_TESTS("erasure")
{
    dup2(open("/dev/null", O_WRONLY), STDERR_FILENO); /* every flipped bit is told of */
    snprintf(path, sizeof path, "erasure-%ld.share", (long)getpid());

    CASE("all", .seconds = 120);
    TEST(test_losses);
    TEST(test_mixed_losses);
    TEST(test_large_groups);
    TEST(test_parameters);
    TEST(test_share_file);
    TEST(test_forged);
    TEST(test_needs);
}
