/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lines that live and lines that were given up, see lineage.h.  Lower half and tools.
 */
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "storage/lineage.h"

static int is_same_job(const struct crmpi_line *a, const struct crmpi_line *b)
{
    return strcmp(a->job.job_id, b->job.job_id) == 0 && a->job.n_ranks == b->job.n_ranks;
}

int crmpi_lineage_is_given_up(const struct crmpi_lineage *lineage, size_t line,
                              uint32_t world_rank)
{
    for (size_t i = line + 1; i <= lineage->newest; i++)
        if (lineage->lives[i] == CRMPI_LIFE_ALIVE &&
            lineage->lines[i].ranks[world_rank].sn <
                lineage->lines[line].ranks[world_rank].sn)
            return 1;
    return 0;
}

/* Checkpoints of a rank ascend while it goes on.  So where a later line has an older one,
 * the rank went back in between: that line was computed when files had been lost. */
static enum crmpi_life life_of(const struct crmpi_lineage *lineage, size_t line)
{
    for (uint32_t rank = 0; rank < lineage->lines[line].job.n_ranks; rank++)
        if (crmpi_lineage_is_given_up(lineage, line, rank))
            return CRMPI_LIFE_PARTLY;
    return CRMPI_LIFE_ALIVE;
}

/* From the newest line back: lines of its incarnation, the line that was restarted from,
 * those of that line's incarnation, ... until such a line is not there. */
static void lives_find(struct crmpi_lineage *lineage)
{
    const struct crmpi_line *newest = &lineage->lines[lineage->newest];
    uint64_t incarnation = newest->job.incarnation, restored = newest->job.restored;

    for (size_t i = lineage->newest + 1; i-- > 0;) {
        const struct crmpi_line *line = &lineage->lines[i];
        if (lineage->lives[i] == CRMPI_LIFE_UNREADABLE)
            continue;
        if (!is_same_job(line, newest)) {
            lineage->lives[i] = CRMPI_LIFE_FOREIGN;
            continue;
        }
        if (restored != 0 && line->job.sn == restored &&
            line->job.incarnation < incarnation) {
            incarnation = line->job.incarnation;
            restored = line->job.restored;
        }
        if (line->job.incarnation == incarnation && line->job.restored == restored)
            lineage->lives[i] = life_of(lineage, i);
    }
}

enum crmpi_status crmpi_lineage_read(const char *dir, struct crmpi_lineage *lineage_out)
{
    struct crmpi_lineage lineage = {0};
    enum crmpi_status status = crmpi_lines_list(dir, &lineage.numbers, &lineage.n);

    if (status != CRMPI_OK)
        return status;
    lineage.lines = calloc(lineage.n + 1, sizeof *lineage.lines);
    lineage.lives = calloc(lineage.n + 1, sizeof *lineage.lives);
    if (!lineage.lines || !lineage.lives) {
        crmpi_error("no memory to read the lines of %s", dir);
        crmpi_lineage_fini(&lineage);
        return CRMPI_ERR_NOMEM;
    }
    lineage.newest = lineage.n;
    for (size_t i = 0; i < lineage.n; i++)
        if (crmpi_line_read(dir, lineage.numbers[i], &lineage.lines[i]) == CRMPI_OK) {
            lineage.lives[i] = CRMPI_LIFE_OTHER;
            lineage.newest = i;
        }
    if (lineage.newest < lineage.n)
        lives_find(&lineage);
    *lineage_out = lineage;
    return CRMPI_OK;
}

void crmpi_lineage_fini(struct crmpi_lineage *lineage)
{
    for (size_t i = 0; lineage->lines && i < lineage->n; i++)
        crmpi_line_free(&lineage->lines[i]);
    free(lineage->lines);
    free(lineage->numbers);
    free(lineage->lives);
    *lineage = (struct crmpi_lineage){0};
}
