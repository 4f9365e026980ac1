/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What saving a line was like, in the tables of crmpi-inspect.  Tools.
 */
#include <stdio.h>
#include <stdlib.h>
#include "storage/journal.h"
#include "tools/figures.h"
#include "tools/stats.h"
#include "tools/text.h"
#include "tools/tool.h"

static struct crmpi_journal_row row_of(const struct crmpi_line *line,
                                       const uint32_t *ranks, size_t n)
{
    struct crmpi_journal_row row = {.event = CRMPI_JOURNAL_LINE};
    for (size_t i = 0; i < n; i++) {
        const struct crmpi_line_rank *one = &line->ranks[ranks[i]];
        crmpi_journal_add_rank(&row, ranks[i], one->file_bytes, &one->figures);
    }
    return row;
}

const char *figures_head(void)
{
    static char text[96];
    snprintf(text, sizeof text, "%11s %7s %8s  %-12s %11s", "memory", "ratio", "changed",
             "how", "stopped");
    return text;
}

/* In few letters. */
static const char *how_text(const struct crmpi_journal_row *row)
{
    static char text[48];
    snprintf(text, sizeof text, "%s%s%s%s",
             row->n_increments == 0              ? "full"
             : row->n_increments == row->n_saved ? "incr"
                                                 : "part",
             row->how & CRMPI_HOW_BACKGROUND ? " bg" : "",
             row->how & CRMPI_HOW_LZ4 ? " lz4" : "",
             row->how & CRMPI_HOW_ZSTD ? " zstd" : "");
    return text;
}

const char *figures_columns(const struct crmpi_line *line, const uint32_t *ranks,
                            size_t n)
{
    static char text[160];
    struct crmpi_journal_row row = row_of(line, ranks, n);
    if (row.memory_bytes == 0)
        snprintf(text, sizeof text, "%11s %7s %8s  %-12s %11s", "-", "-", "-", "-", "-");
    else
        snprintf(text, sizeof text, "%11s %7.2f %6.1f %%  %-12s %9.3f s",
                 text_size((double)row.memory_bytes),
                 row.file_bytes > 0 ? (double)row.memory_bytes / (double)row.file_bytes
                                    : 0,
                 100 * (double)row.raw_bytes / (double)row.memory_bytes, how_text(&row),
                 row.blocked_seconds);
    return text;
}

/* ---- in words ---- */

struct time {
    uint32_t us, rank;
};

static int compare(const void *a, const void *b)
{
    const struct time *x = a, *y = b;
    return x->us != y->us ? (x->us > y->us) - (x->us < y->us)
                          : (x->rank > y->rank) - (x->rank < y->rank);
}

/* One line of times, sorted; of many ranks that is all one wants to see. */
static void times_print(const char *name, struct time *times, size_t n)
{
    qsort(times, n, sizeof *times, compare);
    printf("%-12s %.3f s", name, 1e-6 * times[n - 1].us);
    if (n > 1)
        printf(" at most, in rank %u; median %.3f s, least %.3f s in rank %u",
               times[n - 1].rank, 1e-6 * times[n / 2].us, 1e-6 * times[0].us,
               times[0].rank);
    printf("\n");
}

void figures_print(const struct crmpi_line *line, const uint32_t *ranks, size_t n)
{
    struct crmpi_journal_row row = row_of(line, ranks, n);
    struct time *times;
    if (row.memory_bytes == 0)
        return;
    printf("saved        %s: %s in memory, of which %s were looked at and %s (%.1f %%) "
           "stored, "
           "in files of %s\n",
           stats_mode(&row), text_size((double)row.memory_bytes),
           text_size((double)row.changed_bytes), text_size((double)row.raw_bytes),
           100 * (double)row.raw_bytes / (double)row.memory_bytes,
           text_size((double)row.file_bytes));
    times = tool_alloc(n, sizeof *times);
    for (size_t i = 0; i < n; i++)
        times[i] = (struct time){line->ranks[ranks[i]].figures.blocked_us, ranks[i]};
    times_print("stopped", times, n);
    for (size_t i = 0; i < n; i++)
        times[i] = (struct time){line->ranks[ranks[i]].figures.save_us, ranks[i]};
    times_print("written", times, n);
    free(times);
}
