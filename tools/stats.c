/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What checkpoints cost over whole runs: the rows of histories, by run and by the way they
 * were saved.  Tool.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "tools/stats.h"
#include "tools/text.h"
#include "tools/tool.h"

/* ---- one checkpoint ---- */

int stats_is_checkpoint(const struct crmpi_journal_row *row)
{
    return row->event == CRMPI_JOURNAL_LINE || row->event == CRMPI_JOURNAL_ALONE;
}

const char *stats_mode(const struct crmpi_journal_row *row)
{
    static char text[64];
    snprintf(text, sizeof text, "%s%s%s%s%s%s",
             row->event == CRMPI_JOURNAL_ALONE ? "alone, " : "",
             row->n_increments == 0              ? "full"
             : row->n_increments == row->n_saved ? "incremental"
                                                 : "partly incremental",
             row->n_increments == 0         ? ""
             : row->how & CRMPI_HOW_PAGEMAP ? " (pagemap)"
             : row->how & CRMPI_HOW_HASH    ? " (hash)"
                                            : "",
             row->how & CRMPI_HOW_BACKGROUND ? ", background" : "",
             row->how & CRMPI_HOW_LZ4 ? ", lz4" : "",
             row->how & CRMPI_HOW_ZSTD ? ", zstd" : "");
    return text;
}

const char *stats_destination(const struct crmpi_journal_row *row)
{
    static char text[80];
    if (row->level[0] == '\0' || strcmp(row->level, "global") == 0)
        snprintf(text, sizeof text, "%s", text_clean(row->target));
    else
        snprintf(text, sizeof text, "%s, %s", text_clean(row->target),
                 text_clean(row->level));
    return text;
}

double stats_seconds(const struct crmpi_journal_row *row)
{
    return row->total_seconds > row->save_seconds ? row->total_seconds
                                                  : row->save_seconds;
}

/* ---- runs ---- */

/* Keep the rows of the newest job only, in their order. */
static void run_select(struct stats_run *run)
{
    char job_id[sizeof run->rows->job_id];
    size_t n = 0;
    if (run->n_rows == 0)
        return;
    memcpy(job_id, run->rows[run->n_rows - 1].job_id, sizeof job_id);
    for (size_t i = 0; i < run->n_rows; i++)
        if (strcmp(run->rows[i].job_id, job_id) == 0)
            run->rows[n++] = run->rows[i];
    run->n_rows = n;
}

/* Rows of old checkpoints can be gone: the time counts from the first that is there. */
static void run_measure(struct stats_run *run)
{
    for (size_t i = 0; i < run->n_rows; i++) {
        const struct crmpi_journal_row *row = &run->rows[i];
        run->n_lines += stats_is_checkpoint(row);
        run->n_given_up += row->event == CRMPI_JOURNAL_GIVEN_UP;
        run->n_restarts += row->event == CRMPI_JOURNAL_START && i > 0;
        run->is_ended = row->event == CRMPI_JOURNAL_END;
        if (row->event == CRMPI_JOURNAL_LINE)
            run->blocked_seconds += row->blocked_seconds;
        if (i == 0)
            run->begin = row->time;
        else if (row->event != CRMPI_JOURNAL_START && row->time > row[-1].time)
            run->seconds += row->time - row[-1].time;
    }
}

void stats_add(struct stats *stats, const char *dir, struct crmpi_journal_row *rows,
               size_t n)
{
    struct stats_run *runs = realloc(stats->runs, (stats->n_runs + 1) * sizeof *runs);
    if (!runs) {
        crmpi_error("out of memory");
        exit(TOOL_FAILED);
    }
    stats->runs = runs;
    runs += stats->n_runs++;
    *runs = (struct stats_run){.dir = dir, .rows = rows, .n_rows = n};
    run_select(runs);
    run_measure(runs);
}

/* ---- groups ---- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t n)
{
    qsort(values, n, sizeof *values, compare);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/* One number of a row; for medians. */
static double value(const struct crmpi_journal_row *row, int which)
{
    const double values[] = {(double)row->memory_bytes, (double)row->raw_bytes,
                             (double)row->file_bytes, row->blocked_seconds,
                             stats_seconds(row)};
    return values[which];
}

static int is_in_group(const struct stats_group *group,
                       const struct crmpi_journal_row *row)
{
    return stats_is_checkpoint(row) && strcmp(group->mode, stats_mode(row)) == 0 &&
           strcmp(group->destination, stats_destination(row)) == 0;
}

static void group_measure(struct stats_group *group)
{
    const struct stats_run *run = group->run;
    double *values = tool_alloc(run->n_rows, sizeof *values);
    double *const medians[] = {&group->memory_bytes, &group->changed_bytes,
                               &group->file_bytes, &group->blocked_seconds,
                               &group->seconds};
    for (int which = 0; which < (int)(sizeof medians / sizeof *medians); which++) {
        group->n = 0;
        for (size_t i = 0; i < run->n_rows; i++)
            if (is_in_group(group, &run->rows[i]))
                values[group->n++] = value(&run->rows[i], which);
        *medians[which] = median(values, group->n);
    }
    free(values);
}

static int is_grouped(const struct stats *stats, size_t from,
                      const struct crmpi_journal_row *row)
{
    for (size_t i = from; i < stats->n_groups; i++)
        if (is_in_group(&stats->groups[i], row))
            return 1;
    return 0;
}

static void run_group(struct stats *stats, const struct stats_run *run)
{
    size_t first = stats->n_groups;
    for (size_t i = 0; i < run->n_rows; i++) {
        const struct crmpi_journal_row *row = &run->rows[i];
        if (!stats_is_checkpoint(row) || is_grouped(stats, first, row))
            continue;
        struct stats_group *groups =
            realloc(stats->groups, (stats->n_groups + 1) * sizeof *groups);
        if (!groups) {
            crmpi_error("out of memory");
            exit(TOOL_FAILED);
        }
        stats->groups = groups;
        groups += stats->n_groups++;
        *groups = (struct stats_group){.run = run};
        snprintf(groups->mode, sizeof groups->mode, "%s", stats_mode(row));
        snprintf(groups->destination, sizeof groups->destination, "%s",
                 stats_destination(row));
        group_measure(groups);
    }
}

static int by_destination(const void *a, const void *b)
{
    const struct stats_group *x = a, *y = b;
    int order = strcmp(x->destination, y->destination);
    if (order == 0)
        order = strcmp(x->mode, y->mode);
    return order != 0 ? order : (x->run > y->run) - (x->run < y->run);
}

/* ---- labels ---- */

/* What most of the run's checkpoints, or the cheapest, were like: an incremental run has
 * full ones, too. */
static void run_label(struct stats_run *run)
{
    const struct crmpi_journal_row *found = NULL;
    for (size_t i = 0; i < run->n_rows; i++) {
        const struct crmpi_journal_row *row = &run->rows[i];
        if (stats_is_checkpoint(row) &&
            (!found || (found->n_increments == 0 && row->n_increments > 0)))
            found = row;
    }
    if (!found) {
        snprintf(run->label, sizeof run->label, "no checkpoints");
        return;
    }
    snprintf(run->label, sizeof run->label, "%s", stats_mode(found));
    size_t n = strlen(run->label);
    snprintf(run->label + n, sizeof run->label - n, ": %s", stats_destination(found));
}

static const char *last_name(const char *path)
{
    const char *end = path + strlen(path), *begin;
    while (end > path && end[-1] == '/')
        end--;
    for (begin = end; begin > path && begin[-1] != '/'; begin--)
        continue;
    return begin;
}

/* Runs that look alike get the names of their directories. */
static void labels_tell_apart(struct stats *stats)
{
    unsigned char *alike = tool_alloc(stats->n_runs, 1);
    for (size_t i = 0; i < stats->n_runs; i++)
        for (size_t k = 0; k < stats->n_runs; k++)
            if (k != i && strcmp(stats->runs[i].label, stats->runs[k].label) == 0)
                alike[i] = 1;
    for (size_t i = 0; i < stats->n_runs; i++) {
        struct stats_run *run = &stats->runs[i];
        size_t n = strlen(run->label);
        if (alike[i])
            snprintf(run->label + n, sizeof run->label - n, " (%s)",
                     text_clean(last_name(run->dir)));
    }
    free(alike);
}

void stats_finish(struct stats *stats)
{
    for (size_t i = 0; i < stats->n_runs; i++) {
        run_label(&stats->runs[i]);
        run_group(stats, &stats->runs[i]);
    }
    labels_tell_apart(stats);
    if (stats->n_groups > 0)
        qsort(stats->groups, stats->n_groups, sizeof *stats->groups, by_destination);
}

void stats_fini(struct stats *stats)
{
    for (size_t i = 0; i < stats->n_runs; i++)
        free(stats->runs[i].rows);
    free(stats->runs);
    free(stats->groups);
    *stats = (struct stats){0};
}

/* ---- in words ---- */

static void run_print(const struct stats_run *run, FILE *out)
{
    if (run->n_rows == 0)
        return;
    const struct crmpi_journal_row *row = &run->rows[run->n_rows - 1];
    fprintf(out, "%s: job %s, %u ranks, policy %s\n", text_clean(run->dir),
            text_clean(row->job_id), row->n_ranks, text_clean(row->policy));
    fprintf(out, "  %s %s since %s; %zu checkpoint%s, %zu given up, %zu restart%s",
            run->is_ended ? "ran" : "is known for", text_duration(run->seconds),
            text_time(run->begin), run->n_lines, run->n_lines == 1 ? "" : "s",
            run->n_given_up, run->n_restarts, run->n_restarts == 1 ? "" : "s");
    if (run->n_lines > 0 && run->seconds > 0)
        fprintf(out, "; stopped for %s, %.2g %%", text_duration(run->blocked_seconds),
                100 * run->blocked_seconds / run->seconds);
    fprintf(out, "\n");
}

static const char *percent(double part, double whole)
{
    static char text[32];
    if (whole <= 0)
        return "-";
    snprintf(text, sizeof text, "%.*f %%", part < 0.1 * whole ? 1 : 0,
             100 * part / whole);
    return text;
}

static void group_print(const struct stats_group *group, FILE *out)
{
    char rate[40] = "-";
    if (group->seconds > 0)
        snprintf(rate, sizeof rate, "%s/s",
                 text_size(group->file_bytes / group->seconds));
    fprintf(out, "  %-18s %-38s %5zu %11s %8s %11s %9.3f s %9.3f s %13s\n",
            group->destination, group->mode, group->n, text_size(group->memory_bytes),
            percent(group->changed_bytes, group->memory_bytes),
            text_size(group->file_bytes), group->blocked_seconds, group->seconds, rate);
}

void stats_table(const struct stats *stats, FILE *out)
{
    for (size_t i = 0; i < stats->n_runs; i++) {
        const struct stats_run *run = &stats->runs[i];
        run_print(run, out);
        if (run->n_lines > 0)
            fprintf(out, "  %-18s %-38s %5s %11s %8s %11s %11s %11s %13s\n",
                    "destination", "medians of", "count", "memory", "changed",
                    "file size", "stopped", "saved in", "bandwidth");
        for (size_t k = 0; k < stats->n_groups; k++)
            if (stats->groups[k].run == run)
                group_print(&stats->groups[k], out);
    }
}

/* ---- the command ---- */

static int svg_write(const struct stats *stats, const char *path)
{
    FILE *out = fopen(path, "w");
    if (!out) {
        crmpi_error("cannot write %s: %s", path, strerror(errno));
        return TOOL_FAILED;
    }
    stats_svg(stats, out);
    int wrong = ferror(out) != 0;
    if (fclose(out) == 0 && !wrong)
        return 0;
    crmpi_error("cannot write %s: %s", path, strerror(errno));
    return TOOL_FAILED;
}

int stats_show(const char *const *dirs, size_t n, const char *svg)
{
    struct stats stats = {0};
    int result = 0, has_rows = 0;
    for (size_t i = 0; i < n; i++) {
        struct crmpi_journal_row *rows;
        size_t n_rows;
        if (crmpi_journal_read(dirs[i], &rows, &n_rows) != CRMPI_OK) {
            stats_fini(&stats);
            return TOOL_FAILED;
        }
        has_rows |= n_rows > 0;
        if (n_rows == 0)
            crmpi_error("%s has no history of checkpoints", dirs[i]);
        result |= n_rows == 0 ? TOOL_FAILED : 0;
        stats_add(&stats, dirs[i], rows, n_rows);
    }
    stats_finish(&stats);
    if (has_rows) {
        stats_table(&stats, stdout);
        if (svg)
            result |= svg_write(&stats, svg);
    }
    stats_fini(&stats);
    return result;
}
