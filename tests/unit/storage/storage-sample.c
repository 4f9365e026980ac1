/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * storage-sample DIR: make a checkpoint directory with two lines of two ranks, for the
 * tests that look at it from outside; with a second argument N, three lines of a full
 * checkpoint and two increments of each, rank 0 without and rank 1 with compression, for
 * which one in N pages was changed at first.  Tests only.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "storage/codec.h"
#include "increments.h"

static void require_ok(enum crmpi_status status)
{
    if (status != CRMPI_OK)
        fprintf(stderr, "%s\n", log_last);
    require(status == CRMPI_OK);
}

static void rank_save(const char *path, uint32_t rank, uint64_t sn,
                      struct crmpi_line_rank *entity)
{
    struct crmpi_job job = job_make(rank, sn);
    static struct saving saving;
    job.n_ranks = 2;
    memory_fill(large_extents, (unsigned)sn * 2 + rank);
    require_ok(saving_begin(&saving, path, &job));
    require_ok(saving_memory(&saving, regions, N_REGIONS, large_extents, N_EXTENTS));
    require_ok(segments_save(&saving));
    require_ok(dependencies_save(&saving, &job));
    require_ok(crmpi_writer_record(saving.writer, "/task/threads", "some threads", 12));
    require_ok(crmpi_writer_record(saving.writer, "/channel/state", "", 0));
    entity->figures = (struct crmpi_figures){
        .memory_bytes = 8 << 20,
        .changed_bytes = (8 << 20) / (rank + 1),
        .raw_bytes = 6 << 20,
        .blocked_us = 20000 + 10000 * rank,
        .save_us = 400000 - 50000 * rank,
        .how = rank == 0 ? 0 : CRMPI_HOW_BACKGROUND | CRMPI_HOW_LZ4,
    };
    entity->sn = sn;
    entity->incarnation = job.incarnation;
    require_ok(saving_close(&saving, &entity->file_bytes, &entity->digest));
}

static void line_write(const char *dir, uint64_t sn, struct crmpi_line_rank *ranks)
{
    static char launcher[] = "mpirun\0-np\0two\nlines";
    struct crmpi_line line = {.job = job_make(0, sn),
                              .ranks = ranks,
                              .save_seconds = 0.5,
                              .launcher = launcher,
                              .launcher_bytes = sizeof launcher};
    line.job.n_ranks = 2;
    require_ok(crmpi_line_write(dir, &line, 0));
}

static void line_save(const char *dir, uint64_t sn)
{
    struct crmpi_line_rank ranks[2] = {0};
    char path[4096];
    for (uint32_t rank = 0; rank < 2; rank++) {
        require_ok(crmpi_rank_path(dir, rank, sn, 1, path, sizeof path));
        rank_save(path, rank, sn, &ranks[rank]);
    }
    line_write(dir, sn, ranks);
}

/* Lines 21 to 23; what two ranks would have is in one memory, which comes back as zeros. */
static void chains_save(const char *dir, unsigned one_in)
{
    static const enum crmpi_compression compressions[2][3] = {
        {CRMPI_COMPRESSION_NONE, CRMPI_COMPRESSION_NONE, CRMPI_COMPRESSION_NONE},
        {CRMPI_COMPRESSION_LZ4, CRMPI_COMPRESSION_ZSTD, CRMPI_COMPRESSION_LZ4}};
    static struct crmpi_line_rank ranks[3][2];
    unsigned char changed[N_PAGES];
    unsigned seed = 3;
    char path[4096];
    for (uint32_t rank = 0; rank < 2; rank++) {
        struct increments chain = {0};
        memory_fill(small_extents, rank);
        memset(page_at(0), 0, N_PAGES * PAGE);
        for (uint64_t i = 0; i < 3; i++) {
            struct crmpi_job job = job_make(rank, 21 + i);
            job.n_ranks = 2;
            pages_change(changed, i ? 25 * one_in : one_in, &seed);
            require_ok(crmpi_rank_path(dir, rank, job.sn, 1, path, sizeof path));
            enum crmpi_compression compression = compressions[rank][i];
            require_ok(increment_save(
                &chain, path, &job, changed, 1,
                crmpi_codec_is_built(compression) ? compression : CRMPI_COMPRESSION_NONE,
                seed, &ranks[i][rank]));
        }
    }
    for (uint64_t i = 0; i < 3; i++)
        line_write(dir, 21 + i, ranks[i]);
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: storage-sample DIR [N]\n");
        return 2;
    }
    memory_map();
    require_ok(crmpi_directory_create(argv[1]));
    if (argc == 3) {
        chains_save(argv[1], (unsigned)atoi(argv[2]));
        return 0;
    }
    line_save(argv[1], 11);
    line_save(argv[1], 12);
    return 0;
}
