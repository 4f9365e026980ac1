/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * storage-sample DIR: make a checkpoint directory with two lines of two ranks, for the
 * tests that look at it from outside.  Tests only.
 */
#include <stdio.h>
#include <stdlib.h>
#include "storage-fixture.h"

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
        .raw_bytes = 7882609,
        .blocked_us = 20000 + 10000 * rank,
        .save_us = 400000 - 50000 * rank,
        .how = rank == 0 ? 0 : CRMPI_HOW_BACKGROUND | CRMPI_HOW_LZ4,
    };
    entity->sn = sn;
    entity->incarnation = job.incarnation;
    require_ok(saving_close(&saving, &entity->file_bytes, &entity->digest));
}

static void line_save(const char *dir, uint64_t sn)
{
    static char launcher[] = "mpirun\0-np\0two\nlines";
    struct crmpi_line_rank ranks[2];
    struct crmpi_line line = {.job = job_make(0, sn),
                              .ranks = ranks,
                              .save_seconds = 0.5,
                              .launcher = launcher,
                              .launcher_bytes = sizeof launcher};
    char path[4096];
    line.job.n_ranks = 2;
    for (uint32_t rank = 0; rank < 2; rank++) {
        require_ok(crmpi_rank_path(dir, rank, sn, 1, path, sizeof path));
        rank_save(path, rank, sn, &ranks[rank]);
    }
    require_ok(crmpi_line_write(dir, &line, 0));
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: storage-sample DIR\n");
        return 2;
    }
    memory_map();
    require_ok(crmpi_directory_create(argv[1]));
    line_save(argv[1], 11);
    line_save(argv[1], 12);
    return 0;
}
