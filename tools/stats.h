/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * crmpi-inspect stats: what checkpoints cost over whole runs, in words and drawn.  Tools.
 */
#ifndef CRMPI_TOOLS_STATS_H
#define CRMPI_TOOLS_STATS_H

#include <stdio.h>
#include "storage/journal.h"

/* What the history in a directory tells of its newest job. */
struct stats_run {
    const char *dir;
    struct crmpi_journal_row *rows; /* of that job */
    size_t n_rows;
    size_t n_lines, n_given_up, n_restarts;
    int is_ended;
    double begin;           /* seconds since 1970 */
    double seconds;         /* that it has run, over all restarts */
    double blocked_seconds; /* of these, all checkpoints together */
    char label[128];        /* how and where to, unlike those of other runs */
};

/* Checkpoints of a run that were saved in the same way to the same place: medians. */
struct stats_group {
    const struct stats_run *run;
    char mode[64];        /* "full", "incremental, background, lz4" */
    char destination[80]; /* "tmpfs", "ext4, partner" */
    size_t n;
    double memory_bytes, file_bytes;
    double changed_bytes;            /* that are stored, before compression */
    double blocked_seconds, seconds; /* seconds: until committed */
};

struct stats {
    struct stats_run *runs;
    size_t n_runs;
    struct stats_group *groups; /* by destination, then by mode */
    size_t n_groups;
};

/** Whether a row is a checkpoint that was taken. */
int stats_is_checkpoint(const struct crmpi_journal_row *row);

/** How, and to where, the checkpoint of a row was saved; in static buffers. */
const char *stats_mode(const struct crmpi_journal_row *row);
const char *stats_destination(const struct crmpi_journal_row *row);

/** The time until a line was committed. */
double stats_seconds(const struct crmpi_journal_row *row);

/** Take over the rows of a directory, which came from malloc(): at most one call for each
 * directory. */
void stats_add(struct stats *stats, const char *dir, struct crmpi_journal_row *rows,
               size_t n);
/** When all have been added. */
void stats_finish(struct stats *stats);
void stats_fini(struct stats *stats);

void stats_table(const struct stats *stats, FILE *out);
/** Nothing is drawn if there is nothing to draw. */
void stats_svg(const struct stats *stats, FILE *out);

/** The command; @p svg is the file to draw into, NULL for none. */
int stats_show(const char *const *dirs, size_t n, const char *svg);

#endif
