/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of compressed blocks and of chains of increments: what comes back is what was in
 * memory, and from a chain that is not whole nothing does.
 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fault.h"
#include "storage/codec.h"
#include "increments.h"
#include "../main.h"

enum { CHAIN = 5 };
static struct crmpi_line_rank entries[CHAIN + 1];

static void setup(void)
{
    folder_make();
    memory_map();
    memory_fill(small_extents, 1);
    memset(page_at(0), 0, N_PAGES * PAGE);
}

static const char *file_of(uint64_t sn)
{
    char name[32];
    snprintf(name, sizeof name, "%06d.h5", (int)sn);
    return in_folder(name);
}

static void chain_save(struct increments *chain, uint64_t sn, unsigned one_in,
                       enum crmpi_compression compression, unsigned *seed)
{
    static unsigned char changed[N_PAGES];
    struct crmpi_job job = job_make(0, sn);
    pages_change(changed, one_in, seed);
    ck_assert_int_eq(increment_save(chain, file_of(sn), &job, changed, 1, compression,
                                    *seed, &entries[sn % CHAIN]),
                     CRMPI_OK);
}

/* Load into fresh memory, and compare. */
static void load_and_compare(const char *path, const unsigned char *pages, size_t n_files)
{
    struct crmpi_reader *reader;
    ck_assert_int_eq(crmpi_reader_open(path, &reader), CRMPI_OK);
    ck_assert_uint_eq(crmpi_reader_sizes(reader).n_files, n_files);
    ck_assert_int_eq(crmpi_reader_verify(reader, NULL, NULL), CRMPI_OK);
    memory_map();
    ck_assert_int_eq(crmpi_reader_load(reader, NULL, NULL), CRMPI_OK);
    ck_assert_int_eq(memcmp(page_at(0), pages, N_PAGES * PAGE), 0);
    double temperature[64][16];
    ck_assert_int_eq(crmpi_reader_named_read(reader, 0, temperature), CRMPI_OK);
    ck_assert_int_eq(memcmp(temperature, page_at(N_PAGES - 2), 2 * PAGE), 0);
    crmpi_reader_close(reader);
}

static void chains_come_back_with(enum crmpi_compression first,
                                  enum crmpi_compression second)
{
    unsigned char *was = malloc((size_t)CHAIN * N_PAGES * PAGE);
    unsigned seed = 7;
    for (int turn = 0; turn < 6; turn++) {
        struct increments chain = {0};
        for (uint64_t sn = 1; sn <= CHAIN; sn++) {
            chain_save(&chain, sn, sn == 1 ? 1 + (unsigned)turn : 4u << turn,
                       sn % 2 ? first : second, &seed);
            memcpy(was + (sn - 1) * N_PAGES * PAGE, page_at(0), N_PAGES * PAGE);
        }
        for (uint64_t sn = 1; sn <= CHAIN; sn++)
            load_and_compare(file_of(sn), was + (sn - 1) * N_PAGES * PAGE, sn);
        memcpy(page_at(0), was + (CHAIN - 1) * N_PAGES * PAGE, N_PAGES * PAGE);
    }
    free(was);
    ck_assert_uint_eq(log_lines, 0);
}

START_TEST(plain_chains_come_back)
{
    chains_come_back_with(CRMPI_COMPRESSION_NONE, CRMPI_COMPRESSION_NONE);
}
END_TEST

/* One that this build has, or none. */
static enum crmpi_compression built(enum crmpi_compression compression)
{
    return crmpi_codec_is_built(compression) ? compression : CRMPI_COMPRESSION_NONE;
}

START_TEST(compressed_chains_come_back)
{
    chains_come_back_with(built(CRMPI_COMPRESSION_LZ4), built(CRMPI_COMPRESSION_ZSTD));
    chains_come_back_with(CRMPI_COMPRESSION_NONE, built(CRMPI_COMPRESSION_LZ4));
}
END_TEST

START_TEST(what_is_not_built_is_refused)
{
    for (int kind = CRMPI_COMPRESSION_LZ4; kind <= CRMPI_COMPRESSION_ZSTD; kind++) {
        struct increments chain = {0};
        struct crmpi_reader *reader;
        unsigned seed = 1;
        if (crmpi_codec_is_built((enum crmpi_compression)kind))
            continue;
        chain_save(&chain, 1, 1, (enum crmpi_compression)kind, &seed);
        ck_assert_int_eq(crmpi_reader_open(file_of(1), &reader), CRMPI_OK);
        memory_map();
        ck_assert_int_eq(crmpi_reader_load(reader, NULL, NULL), CRMPI_ERR_UNSUPPORTED);
        ck_assert_uint_eq(log_lines, 1);
        ck_assert_int_eq(page_at(0)[0], 0); /* before anything was changed */
        crmpi_reader_close(reader);
        log_lines = 0;
    }
}
END_TEST

START_TEST(blocks_come_back_as_they_were)
{
    static const enum crmpi_compression kinds[] = {CRMPI_COMPRESSION_LZ4,
                                                   CRMPI_COMPRESSION_ZSTD};
    uint64_t *raw = malloc(CRMPI_BLOCK_BYTES), *back = malloc(CRMPI_BLOCK_BYTES);
    char *packed = malloc(CRMPI_BLOCK_BYTES), *unpacking = malloc(CRMPI_BLOCK_BYTES);
    uint64_t x = 88172645463325252u;
    for (size_t k = 0; k < 2; k++) {
        if (!crmpi_codec_is_built(kinds[k]))
            continue;
        void *workspace =
            aligned_alloc(64, (crmpi_codec_workspace_bytes(kinds[k]) + 63) / 64 * 64);
        for (int what = 0; what < 4; what++) {
            for (size_t i = 0; i < CRMPI_BLOCK_BYTES / 8; i++) {
                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                raw[i] = what == 0   ? 0
                         : what == 1 ? i * 3
                         : what == 2 ? x & 0xff0000ff00ff
                                     : x;
            }
            size_t bytes = crmpi_codec_encode(kinds[k], raw, workspace, packed);
            ck_assert_uint_lt(bytes, CRMPI_BLOCK_BYTES);
            ck_assert_int_eq(bytes == 0, what == 3); /* noise does not shrink */
            if (bytes == 0)
                continue;
            ck_assert_int_eq(crmpi_codec_decode(kinds[k], packed, bytes, unpacking, back),
                             0);
            ck_assert_mem_eq(raw, back, CRMPI_BLOCK_BYTES);
            /* whatever is changed or cut, nothing is written elsewhere */
            for (size_t i = 0; i < bytes; i += 1 + bytes / 200) {
                packed[i] ^= (char)(1 << i % 8);
                crmpi_codec_decode(kinds[k], packed, bytes, unpacking, back);
                packed[i] ^= (char)(1 << i % 8);
                ck_assert_int_ne(crmpi_codec_decode(kinds[k], packed, i, unpacking, back),
                                 0);
            }
        }
        free(workspace);
    }
    free(raw);
    free(back);
    free(packed);
    free(unpacking);
}
END_TEST

static void chain_make(enum crmpi_compression compression)
{
    struct increments chain = {0};
    unsigned seed = 3;
    for (uint64_t sn = 1; sn <= 3; sn++)
        chain_save(&chain, sn, sn == 1 ? 2 : 100, compression, &seed);
}

static enum crmpi_status all_read(const char *path)
{
    struct crmpi_reader *reader;
    log_reset();
    enum crmpi_status status = crmpi_reader_open(path, &reader);
    if (status != CRMPI_OK)
        return status;
    status = crmpi_reader_verify(reader, NULL, NULL);
    enum crmpi_status loaded = crmpi_reader_load(reader, NULL, NULL);
    ck_assert_int_eq(status, loaded);
    crmpi_reader_close(reader);
    log_lines -= status != CRMPI_OK; /* both say it */
    return status;
}

#define FOUND_WITH(sn, text)                                                             \
    do {                                                                                 \
        ck_assert_int_eq(all_read(file_of(sn)), CRMPI_ERR_CORRUPT);                      \
        ck_assert_uint_eq(log_lines, 1);                                                 \
        ck_assert_msg(strstr(log_last, text) != NULL, "%s", log_last);                   \
        ck_assert_msg(strstr(log_last, file_of(sn)) != NULL, "%s", log_last);            \
    } while (0)

START_TEST(a_parent_that_is_missing_or_another_is_told)
{
    size_t bytes;
    chain_make(CRMPI_COMPRESSION_NONE);
    unsigned char *first = file_get(file_of(1), &bytes);
    ck_assert_int_eq(rename(file_of(1), in_folder("away")), 0);
    FOUND_WITH(3, "000001.h5 is missing, and ");
    FOUND_WITH(2, "000001.h5 is missing, and ");
    file_put(file_of(1), first, bytes - 1);
    FOUND_WITH(3, "000001.h5 (needed by ");
    ck_assert_int_eq(small_save(file_of(1), 1), CRMPI_OK); /* of another rank */
    FOUND_WITH(3, "000001.h5 (needed by ");
    memory_map();
    struct increments chain = {0};
    unsigned seed = 99;
    chain_save(&chain, 1, 2, CRMPI_COMPRESSION_NONE, &seed); /* with another digest */
    FOUND_WITH(3, "is not the checkpoint that ");
    ck_assert_int_eq(all_read(file_of(1)), CRMPI_OK);
    file_put(file_of(1), first, bytes);
    ck_assert_int_eq(all_read(file_of(3)), CRMPI_OK);
    free(first);
}
END_TEST

/* Damage of every kind of byte in any file of the chain is found, or it lies in a block
 * that is not needed. */
static void damage_is_found(enum crmpi_compression compression)
{
    unsigned found[3] = {0};
    chain_make(compression);
    unsigned char *right = malloc(N_PAGES * PAGE);
    struct crmpi_reader *reader;
    memory_map();
    ck_assert_int_eq(crmpi_reader_open(file_of(3), &reader), CRMPI_OK);
    ck_assert_int_eq(crmpi_reader_load(reader, NULL, NULL), CRMPI_OK);
    crmpi_reader_close(reader);
    memcpy(right, page_at(0), N_PAGES * PAGE);
    for (uint64_t sn = 1; sn <= 3; sn++) {
        size_t bytes;
        unsigned char *data = file_get(file_of(sn), &bytes);
        for (size_t i = 0; i < bytes; i += i < 56 ? 1 : 1 + bytes / 150) {
            int fd = open(file_of(sn), O_WRONLY);
            unsigned char byte = data[i] ^ (unsigned char)(1u << i % 8);
            ck_assert_int_eq(pwrite(fd, &byte, 1, (off_t)i), 1);
            memory_map();
            enum crmpi_status status = all_read(file_of(3));
            ck_assert(status == CRMPI_OK || status == CRMPI_ERR_CORRUPT ||
                      (sn == 3 && status == CRMPI_ERR_FORMAT));
            found[sn - 1] += status != CRMPI_OK;
            if (status == CRMPI_OK) {
                ck_assert_uint_ne(sn, 3);
                ck_assert_uint_gt(hole_end(data, i), i);
                ck_assert_int_eq(memcmp(page_at(0), right, N_PAGES * PAGE), 0);
            }
            ck_assert_int_eq(pwrite(fd, &data[i], 1, (off_t)i), 1);
            close(fd);
        }
        free(data);
    }
    ck_assert_uint_gt(found[0], 100);
    ck_assert_uint_gt(found[1], 60);
    ck_assert_uint_gt(found[2], 100);
    free(right);
}

START_TEST(damage_in_a_plain_chain_is_found)
{
    damage_is_found(CRMPI_COMPRESSION_NONE);
}
END_TEST

START_TEST(damage_in_a_compressed_chain_is_found)
{
    damage_is_found(built(CRMPI_COMPRESSION_LZ4));
}
END_TEST

/* A seal can say anything, with the digest right. */
static void seal_put(uint64_t sn, size_t at, uint64_t value)
{
    size_t bytes;
    unsigned char *data = file_get(file_of(sn), &bytes);
    memcpy(data + at, &value, sizeof value);
    file_seal(data, bytes);
    file_put(file_of(sn), data, bytes);
    free(data);
}

START_TEST(impossible_parents_are_refused)
{
    static const uint64_t numbers[] = {3, 4, 7, UINT64_MAX};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        chain_make(CRMPI_COMPRESSION_NONE);
        seal_put(3, 32, numbers[i]); /* itself, newer ones */
        ck_assert_int_eq(all_read(file_of(3)), CRMPI_ERR_CORRUPT);
        ck_assert_uint_eq(log_lines, 1);
    }
    chain_make(CRMPI_COMPRESSION_NONE);
    seal_put(3, 32, 1); /* one is left out */
    seal_put(3, 40, entries[1].digest);
    enum crmpi_status status = all_read(file_of(3));
    ck_assert_int_eq(status, CRMPI_ERR_CORRUPT);
    chain_make(CRMPI_COMPRESSION_NONE);
    seal_put(3, 32, 0); /* nothing was kept of nothing */
    seal_put(3, 40, 0);
    ck_assert_int_eq(all_read(file_of(3)), CRMPI_ERR_CORRUPT);
}
END_TEST

START_TEST(what_was_zero_in_a_parent_is_not_taken_from_before_it)
{
    static unsigned char changed[N_PAGES];
    struct increments chain = {0};
    struct crmpi_job job = job_make(0, 1);
    memset(page_at(0), 1, PAGE);
    ck_assert_int_eq(increment_save(&chain, file_of(1), &job, changed, 0,
                                    CRMPI_COMPRESSION_NONE, 0, &entries[1]),
                     CRMPI_OK);
    memset(page_at(0), 0, PAGE);
    changed[0] = 1;
    job.sn = 2;
    ck_assert_int_eq(increment_save(&chain, file_of(2), &job, changed, 0,
                                    CRMPI_COMPRESSION_NONE, 0, &entries[2]),
                     CRMPI_OK);
    changed[0] = 0;
    chain.is_data[0] = 1; /* said wrongly */
    job.sn = 3;
    ck_assert_int_eq(increment_save(&chain, file_of(3), &job, changed, 0,
                                    CRMPI_COMPRESSION_NONE, 0, &entries[3]),
                     CRMPI_OK);
    FOUND_WITH(3, "000002.h5 (needed by ");
}
END_TEST

START_TEST(a_window_that_a_parent_has_not_is_damage)
{
    static unsigned char changed[N_PAGES];
    struct increments chain = {0};
    struct crmpi_job job = job_make(0, 1);
    ck_assert_int_eq(increment_save(&chain, file_of(1), &job, changed, 0,
                                    CRMPI_COMPRESSION_NONE, 0, &entries[1]),
                     CRMPI_OK);
    chain.has_window = 1; /* said wrongly */
    job.sn = 2;
    ck_assert_int_eq(increment_save(&chain, file_of(2), &job, changed, 1,
                                    CRMPI_COMPRESSION_NONE, 0, &entries[2]),
                     CRMPI_OK);
    FOUND_WITH(2, "it has no /window/000007");
}
END_TEST

START_TEST(chains_have_an_end)
{
    static unsigned char changed[N_PAGES];
    struct increments chain = {0};
    for (uint64_t sn = 1; sn <= CRMPI_CHAIN_MAX + 1; sn++) {
        struct crmpi_job job = job_make(0, sn);
        changed[0] = 1;
        memset(page_at(0), (int)sn % 255 + 1, PAGE);
        ck_assert_int_eq(increment_save(&chain, file_of(sn), &job, changed, 0,
                                        CRMPI_COMPRESSION_NONE, 0, &entries[0]),
                         CRMPI_OK);
    }
    ck_assert_int_eq(all_read(file_of(CRMPI_CHAIN_MAX)), CRMPI_OK);
    ck_assert_int_eq(all_read(file_of(CRMPI_CHAIN_MAX + 1)), CRMPI_ERR_CORRUPT);
    ck_assert_uint_eq(log_lines, 1);
}
END_TEST

/* Folders of two chains, 1-3 and 4-6, of rank 0 in DIR. */
static void ranks_make(const char *dir, char folder_out[600])
{
    struct increments chain = {0};
    unsigned char changed[N_PAGES];
    unsigned seed = 5;
    char path[4096];
    ck_assert_int_eq(crmpi_directory_create(dir), CRMPI_OK);
    snprintf(folder_out, 600, "%s/ranks/000000", dir);
    for (uint64_t sn = 1; sn <= 6; sn++) {
        struct crmpi_job job = job_make(0, sn);
        if (sn == 4)
            chain = (struct increments){0};
        pages_change(changed, 50, &seed);
        ck_assert_int_eq(crmpi_rank_path(dir, 0, sn, 1, path, sizeof path), CRMPI_OK);
        ck_assert_int_eq(increment_save(&chain, path, &job, changed, 1,
                                        CRMPI_COMPRESSION_NONE, 0, &entries[0]),
                         CRMPI_OK);
    }
}

START_TEST(parents_are_not_dropped)
{
    const char *dir = in_folder("dir");
    char ranks[600], path[700];
    const uint64_t two[] = {2, 3}, five = 5, six = 6, gone[] = {6, 99};
    ranks_make(dir, ranks);
    ck_assert_int_eq(crmpi_rank_prune(dir, 0, two, 2), CRMPI_OK);
    ck_assert(folder_has(ranks, "000001.h5 000002.h5 000003.h5 000004.h5 000005.h5 "
                                "000006.h5"));
    ck_assert_int_eq(crmpi_rank_prune(dir, 0, &five, 1), CRMPI_OK); /* 6 is newer */
    ck_assert(folder_has(ranks, "000004.h5 000005.h5 000006.h5 spare.tmp"));
    snprintf(path, sizeof path, "%s/000006.h5", ranks);
    ck_assert_int_eq(all_read(path), CRMPI_OK);
    ck_assert_int_eq(crmpi_rank_prune(dir, 0, gone, 2), CRMPI_OK); /* 99 is missing */
    ck_assert_int_eq(crmpi_rank_prune(dir, 0, &six, 1), CRMPI_OK);
    ck_assert_int_eq(all_read(path), CRMPI_OK);
}
END_TEST

START_TEST(nothing_is_dropped_where_a_seal_cannot_be_read)
{
    static const char all[] =
        "000001.h5 000002.h5 000003.h5 000004.h5 000005.h5 000006.h5";
    const char *dir = in_folder("dir");
    char ranks[600], path[700];
    const uint64_t six = 6;
    ranks_make(dir, ranks);
    snprintf(path, sizeof path, "%s/000005.h5", ranks); /* in the chain, not asked for */
    ck_assert_int_eq(crmpi_fault_configure("storage.read:1=EIO"), 0);
    ck_assert_int_eq(crmpi_rank_prune(dir, 0, &six, 1), CRMPI_ERR_IO);
    ck_assert(folder_has(ranks, all));
    ck_assert_int_eq(crmpi_fault_configure("storage.read:2=EIO"), 0);
    ck_assert_int_eq(crmpi_rank_prune(dir, 0, &six, 1), CRMPI_ERR_IO);
    ck_assert(folder_has(ranks, all));
    crmpi_fault_configure(NULL);
    ck_assert_int_eq(truncate(path, 100), 0);
    ck_assert_int_eq(crmpi_rank_prune(dir, 0, &six, 1), CRMPI_ERR_CORRUPT);
    ck_assert(folder_has(ranks, all));
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(crmpi_rank_prune(dir, 0, &six, 1), CRMPI_OK);
    ck_assert(folder_has(ranks, "000006.h5 spare.tmp"));
}
END_TEST

UNIT_TESTS("chain")
{
    CASE("all", .seconds = 120, .setup = setup, .teardown = folder_remove);
    TEST(blocks_come_back_as_they_were);
    TEST(plain_chains_come_back);
    TEST(compressed_chains_come_back);
    TEST(what_is_not_built_is_refused);
    TEST(a_parent_that_is_missing_or_another_is_told);
    TEST(damage_in_a_plain_chain_is_found);
    TEST(damage_in_a_compressed_chain_is_found);
    TEST(impossible_parents_are_refused);
    TEST(what_was_zero_in_a_parent_is_not_taken_from_before_it);
    TEST(a_window_that_a_parent_has_not_is_damage);
    TEST(chains_have_an_end);
    TEST(parents_are_not_dropped);
    TEST(nothing_is_dropped_where_a_seal_cannot_be_read);
}
