/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the engine tells DIR/history.csv (storage/journal.h).  Lower half.  That a row
 * cannot be written was logged, and concerns nobody else.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "base/config.h"
#include "engine/chronicle.h"
#include "engine/state.h"
#include "storage/journal.h"

static struct crmpi_engine *const engine = &crmpi_engine;

/* Where files go first, and what else keeps them. */
static void describe_levels(struct crmpi_journal_row *row)
{
    const struct crmpi_levels *levels = &crmpi_config.levels;
    int is_local = (levels->set & CRMPI_LEVEL_LOCAL) != 0;
    char erasure[32] = "";

    if (levels->set & CRMPI_LEVEL_ERASURE)
        snprintf(erasure, sizeof erasure, "/erasure=%u+%u", levels->k, levels->m);
    snprintf(row->level, sizeof row->level, "%s%s%s%s", is_local ? "local" : "",
             levels->set & CRMPI_LEVEL_PARTNER ? "/partner" : "", erasure,
             !(levels->set & CRMPI_LEVEL_GLOBAL) ? ""
             : is_local                          ? "/global"
                                                 : "global");
    crmpi_journal_target(is_local ? crmpi_config.local : crmpi_config.dir, row->target,
                         sizeof row->target);
}

/* Fill in what all rows have, and append it. */
static void put(struct crmpi_journal_row *row)
{
    const struct crmpi_job *job = &engine->job;
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    row->time = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    memcpy(row->job_id, job->job_id, sizeof row->job_id);
    row->incarnation = job->incarnation;
    row->n_ranks = job->n_ranks;
    memcpy(row->policy, job->policy, sizeof row->policy);
    describe_levels(row);
    crmpi_journal_append(crmpi_config.dir, row, job->world_rank == 0);
}

void crmpi_chronicle_started(void)
{
    struct crmpi_journal_row row = {.event = CRMPI_JOURNAL_START,
                                    .line = engine->job.restored};
    put(&row);
}

void crmpi_chronicle_line(const struct crmpi_action *action,
                          const struct crmpi_line *line)
{
    struct crmpi_journal_row row = {.event = CRMPI_JOURNAL_LINE,
                                    .line = line->job.sn,
                                    .total_seconds = line->save_seconds};

    if (action->leader == engine->job.world_rank)
        row.quiet_seconds = engine->times.quiet - engine->times.begun;
    for (size_t i = 0; i < action->n_saved; i++) {
        const struct crmpi_saved *saved = &action->saved[i];
        crmpi_journal_add_rank(&row, (uint32_t)saved->world_rank, saved->file_bytes,
                               &saved->figures);
    }
    put(&row);
}

void crmpi_chronicle_alone(uint64_t sn)
{
    struct crmpi_journal_row row = {.event = CRMPI_JOURNAL_ALONE, .line = sn};

    crmpi_journal_add_rank(&row, engine->job.world_rank, engine->saved_bytes,
                           &engine->saved_figures);
    put(&row);
}

void crmpi_chronicle_given_up(const char *why)
{
    struct crmpi_journal_row row = {.event = CRMPI_JOURNAL_GIVEN_UP};
    snprintf(row.reason, sizeof row.reason, "%s", why);
    put(&row);
}

void crmpi_chronicle_ended(void)
{
    struct crmpi_journal_row row = {.event = CRMPI_JOURNAL_END,
                                    .line = crmpi_engine_committed()};
    put(&row);
}
