/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A row per rank, a column per number of a checkpoint, see timeline.h.  Tools.
 *
 *               11     12     13
 *   rank 0  ----o-----[o]     o
 *   rank 1  ---[o]            x
 */
#include <inttypes.h>
#include <string.h>
#include "tools/timeline.h"

enum { COLUMNS_MAX = 8, ROWS_MAX = 16 };

/* The highest numbers, descending; returns how many. */
static size_t columns_find(const struct crmpi_history *history, uint64_t *columns)
{
    uint64_t below = UINT64_MAX;
    size_t n = 0;

    while (n < COLUMNS_MAX && below > 1) {
        uint64_t highest = 0;
        for (uint32_t rank = 0; rank < history->n_ranks; rank++) {
            const struct crmpi_entity *task = &history->entities[rank];
            for (size_t i = task->n_checkpoints; i-- > 0;)
                if (task->checkpoints[i].sn < below) {
                    if (task->checkpoints[i].sn > highest)
                        highest = task->checkpoints[i].sn;
                    break;
                }
        }
        if (highest == 0)
            break;
        columns[n++] = below = highest;
    }
    return n;
}

static const struct crmpi_checkpoint *checkpoint_of(const struct crmpi_entity *task,
                                                    uint64_t sn)
{
    for (size_t i = 0; i < task->n_checkpoints; i++)
        if (task->checkpoints[i].sn == sn)
            return &task->checkpoints[i];
    return NULL;
}

static int goes_back(const struct crmpi_entity *task, uint64_t sn)
{
    return task->checkpoints[task->n_checkpoints - 1].sn != sn;
}

static void row_draw(const struct crmpi_entity *task, uint64_t sn,
                     const uint64_t *columns, size_t n, FILE *out)
{
    fprintf(out, "  rank %-6" PRIu32, task->rank);
    for (size_t i = n; i-- > 0;) {
        const struct crmpi_checkpoint *one = checkpoint_of(task, columns[i]);
        int before = columns[i] <= sn, behind = columns[i] < sn;
        fprintf(out, "%s%c%c%c%s", before ? "--" : "  ",
                columns[i] == sn ? '['
                : before         ? '-'
                                 : ' ',
                !one        ? before ? '-' : ' '
                : one->lost ? 'x'
                            : 'o',
                columns[i] == sn ? ']'
                : behind         ? '-'
                                 : ' ',
                behind ? "---" : "   ");
    }
    fputc('\n', out);
}

void timeline_draw(const struct crmpi_history *history,
                   const struct crmpi_recovery_line *line, FILE *out)
{
    uint64_t columns[COLUMNS_MAX];
    size_t n = columns_find(history, columns);
    uint32_t n_rows = 0, n_more = 0;
    int all = history->n_ranks <= ROWS_MAX;

    fprintf(out, "  %11s", "");
    for (size_t i = n; i-- > 0;)
        fprintf(out, "%5" PRIu64 "   ", columns[i]);
    fputc('\n', out);
    for (uint32_t rank = 0; rank < history->n_ranks; rank++) {
        const struct crmpi_entity *task = &history->entities[rank];
        if (!all && (n_rows == ROWS_MAX || !goes_back(task, line->sn[rank]))) {
            n_more++;
            continue;
        }
        row_draw(task, line->sn[rank], columns, n, out);
        n_rows++;
    }
    if (n_more)
        fprintf(out, "  and %" PRIu32 " more ranks\n", n_more);
    fprintf(out, "  [o] the line   o checkpoint   x lost\n");
}
