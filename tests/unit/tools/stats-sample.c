/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stats-sample NAME svg|table: what crmpi-inspect stats makes of made-up histories.  Tests
 * only.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/stats.h"
#include "tools/tool.h"

enum { ROWS_MAX = 4000 };

/* A history that grows. */
struct sample {
    struct crmpi_journal_row *rows;
    size_t n;
    double time;
    const char *target, *level, *job_id;
};

static struct crmpi_journal_row *row(struct sample *sample,
                                     enum crmpi_journal_event event)
{
    if (sample->n == ROWS_MAX)
        abort();
    if (!sample->rows)
        sample->rows = tool_alloc(ROWS_MAX, sizeof *sample->rows);
    struct crmpi_journal_row *row = &sample->rows[sample->n++];
    *row = (struct crmpi_journal_row){.event = event, .time = sample->time, .n_ranks = 4};
    snprintf(row->job_id, sizeof row->job_id, "%s",
             sample->job_id ? sample->job_id : "0123456789abcdef");
    snprintf(row->policy, sizeof row->policy, "coordinated");
    snprintf(row->target, sizeof row->target, "%s", sample->target);
    snprintf(row->level, sizeof row->level, "%s", sample->level);
    return row;
}

/* Between 0.9 and 1.1, always the same. */
static double noise(size_t i)
{
    return 0.9 + 0.2 * (double)((i * 2654435761u >> 7) % 1000) / 1000;
}

/* A line of 4 ranks with 256 MiB each; stopped and saving in seconds. */
static void line(struct sample *sample, uint32_t how, double part, double stopped,
                 double saving)
{
    struct crmpi_journal_row *one = row(sample, CRMPI_JOURNAL_LINE);
    for (uint32_t rank = 0; rank < 4; rank++) {
        struct crmpi_figures figures = {
            .memory_bytes = 256 << 20,
            .how = how,
            .blocked_us = (uint32_t)(1e6 * stopped * noise(sample->n + rank)),
            .save_us = (uint32_t)(1e6 * saving * noise(sample->n + rank)),
        };
        figures.raw_bytes = (uint64_t)((double)figures.memory_bytes * part);
        figures.changed_bytes = figures.raw_bytes;
        crmpi_journal_add_rank(one, rank, figures.raw_bytes + 40960, &figures);
    }
    one->total_seconds = one->save_seconds + 0.004;
}

/* A run of a minute with a checkpoint each 5 seconds. */
static void run(struct stats *stats, const char *dir, const char *target,
                const char *level, uint32_t how, double stopped, double saving)
{
    struct sample sample = {.time = 1767268800, .target = target, .level = level};
    row(&sample, CRMPI_JOURNAL_START);
    for (int i = 0; i < 11; i++) {
        int is_full = !(how & CRMPI_HOW_INCREMENT) || i % 5 == 0;
        sample.time += 5;
        line(&sample, is_full ? how & ~(uint32_t)CRMPI_HOW_INCREMENT : how,
             is_full ? 1 : 0.05, is_full ? stopped : stopped / 6,
             is_full ? saving : saving / 8);
    }
    sample.time += 5 + 11 * stopped;
    row(&sample, CRMPI_JOURNAL_END);
    stats_add(stats, dir, sample.rows, sample.n);
}

static void without(struct stats *stats, const char *dir)
{
    struct sample sample = {.time = 1767268800, .target = "tmpfs", .level = "global"};
    row(&sample, CRMPI_JOURNAL_START);
    sample.time += 59.5;
    row(&sample, CRMPI_JOURNAL_END);
    stats_add(stats, dir, sample.rows, sample.n);
}

static void modes(struct stats *stats)
{
    const uint32_t some = CRMPI_HOW_INCREMENT | CRMPI_HOW_PAGEMAP;
    without(stats, "native/");
    run(stats, "full", "tmpfs", "global", 0, 0.6, 0.6);
    run(stats, "incremental", "tmpfs", "global", some, 0.6, 0.6);
    run(stats, "background", "tmpfs", "global", CRMPI_HOW_BACKGROUND, 0.03, 0.8);
    run(stats, "both", "tmpfs", "global", some | CRMPI_HOW_BACKGROUND, 0.03, 0.8);
    run(stats, "lz4", "ext4", "global", CRMPI_HOW_LZ4, 1.3, 1.3);
    run(stats, "disk", "ext4", "global", 0, 1.9, 1.9);
    run(stats, "partner", "tmpfs", "partner", 0, 0.9, 0.9);
    run(stats, "erasure", "tmpfs", "erasure=2+2", 0, 1.4, 1.4);
    run(stats, "again", "tmpfs", "global", 0, 0.62, 0.62);
}

/* One job: killed and restarted, with a checkpoint that was given up. */
static void one(struct stats *stats)
{
    struct sample sample = {.time = 1767268800, .target = "nfs", .level = "global"};
    sample.job_id = "fedcba9876543210";
    row(&sample, CRMPI_JOURNAL_START); /* another job before */
    sample.job_id = NULL;
    sample.time += 1000;
    row(&sample, CRMPI_JOURNAL_START);
    for (int i = 0; i < 40; i++) {
        sample.time += 600;
        if (i == 17)
            snprintf(row(&sample, CRMPI_JOURNAL_GIVEN_UP)->reason, 64, "no space");
        else if (i == 23)
            row(&sample, CRMPI_JOURNAL_START);
        else if (i % 6 == 0)
            line(&sample, CRMPI_HOW_BACKGROUND, 1, 0.05, 4);
        else
            line(&sample, CRMPI_HOW_BACKGROUND | CRMPI_HOW_INCREMENT | CRMPI_HOW_HASH,
                 0.02 + 0.005 * i, 0.02, 0.5);
    }
    stats_add(stats, "one", sample.rows, sample.n);
}

static void many(struct stats *stats)
{
    struct sample sample = {.time = 1767268800, .target = "lustre", .level = "global"};
    row(&sample, CRMPI_JOURNAL_START);
    for (int i = 0; i < ROWS_MAX - 1; i++) {
        sample.time += 60;
        line(&sample, 0, 1, 0.5, 0.5);
    }
    stats_add(stats, "many", sample.rows, sample.n);
}

/* Of an older version, that did not tell; with what no file should have. */
static void strange(struct stats *stats)
{
    struct sample sample = {.time = 5,
                            .target = "<script>&\001",
                            .level = "\xff\xfe",
                            .job_id = "]]>\x1b[1m"};
    struct crmpi_journal_row *one = row(&sample, CRMPI_JOURNAL_LINE);
    one->n_saved = 4;
    one->file_bytes = UINT64_MAX;
    one->total_seconds = 1e11;
    sample.time = 1;
    one = row(&sample, CRMPI_JOURNAL_LINE);
    one->n_increments = 7;
    one->blocked_seconds = 1e-9;
    stats_add(stats, "strange\001<dir>", sample.rows, sample.n);
}

static void nothing(struct stats *stats)
{
    struct sample sample = {.time = 1767268800, .target = "ext4", .level = "global"};
    row(&sample, CRMPI_JOURNAL_START);
    stats_add(stats, ".", sample.rows, sample.n);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*make)(struct stats *);
    } samples[] = {{"modes", modes},
                   {"one", one},
                   {"many", many},
                   {"strange", strange},
                   {"nothing", nothing}};
    struct stats stats = {0};
    for (size_t i = 0; argc == 3 && i < sizeof samples / sizeof *samples; i++)
        if (strcmp(argv[1], samples[i].name) == 0) {
            samples[i].make(&stats);
            stats_finish(&stats);
            (strcmp(argv[2], "svg") == 0 ? stats_svg : stats_table)(&stats, stdout);
            stats_fini(&stats);
            return 0;
        }
    fprintf(stderr, "usage: stats-sample modes|one|many|strange|nothing svg|table\n");
    return 2;
}
