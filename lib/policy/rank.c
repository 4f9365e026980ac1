/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tables of what a rank may do next (see rank.h).  Pure.
 */
#include "policy/rank.h"

#define BIT(value) (1u << CRMPI_RANK_##value)

/* All but RUNS_ON and AT_TARGETS come of STOPPED, to which a larger group, or other targets, lead
 * back; RELEASE leads from any to RUNS. */
static const struct {
    const char *text;
    unsigned next;
} phases[CRMPI_RANK_PHASES] = {
    [CRMPI_RANK_RUNS] = {"runs", BIT(RUNS) | BIT(STOPPED)},
    [CRMPI_RANK_STOPPED] = {"stopped", BIT(RUNS) | BIT(STOPPED) | BIT(RUNS_ON) |
                                           BIT(DRAINS) | BIT(DRAINED) | BIT(SETTLES)},
    [CRMPI_RANK_RUNS_ON] = {"runs on",
                            BIT(RUNS) | BIT(STOPPED) | BIT(RUNS_ON) | BIT(AT_TARGETS)},
    [CRMPI_RANK_AT_TARGETS] = {"at its targets", BIT(RUNS) | BIT(STOPPED) | BIT(RUNS_ON)},
    [CRMPI_RANK_DRAINS] = {"drains", BIT(RUNS) | BIT(STOPPED) | BIT(DRAINED)},
    [CRMPI_RANK_DRAINED] = {"drained", BIT(RUNS) | BIT(STOPPED) | BIT(QUIET)},
    [CRMPI_RANK_SETTLES] = {"settles", BIT(RUNS) | BIT(STOPPED) | BIT(QUIET)},
    [CRMPI_RANK_QUIET] = {"quiet", BIT(RUNS) | BIT(STOPPED) | BIT(GOES_ON)},
    [CRMPI_RANK_GOES_ON] = {"goes on", BIT(RUNS)},
};

static const struct {
    const char *text;
    unsigned next;
} writings[CRMPI_RANK_WRITINGS] = {
    [CRMPI_RANK_NO_FILE] = {"none", BIT(NO_FILE) | BIT(TAKEN) | BIT(COMPLETES)},
    [CRMPI_RANK_TAKEN] = {"taken", BIT(COMPLETES) | BIT(ABANDONED)},
    [CRMPI_RANK_COMPLETES] = {"completes", BIT(NO_FILE)},
    [CRMPI_RANK_ABANDONED] = {"abandoned", BIT(NO_FILE)},
};

int crmpi_rank_enter(struct crmpi_rank *rank, enum crmpi_rank_phase phase)
{
    if (!(phases[rank->phase].next & 1u << phase))
        return 0;
    rank->phase = phase;
    return 1;
}

int crmpi_rank_write(struct crmpi_rank *rank, enum crmpi_rank_writing writing)
{
    if (!(writings[rank->writing].next & 1u << writing))
        return 0;
    rank->writing = writing;
    return 1;
}

int crmpi_rank_is_parked(const struct crmpi_rank *rank)
{
    return rank->phase != CRMPI_RANK_RUNS && rank->phase != CRMPI_RANK_GOES_ON;
}

int crmpi_rank_serves(const struct crmpi_rank *rank)
{
    return 1u << rank->phase & (BIT(STOPPED) | BIT(DRAINS) | BIT(DRAINED) | BIT(SETTLES));
}

const char *crmpi_rank_phase_text(enum crmpi_rank_phase phase)
{
    return phases[phase].text;
}

const char *crmpi_rank_writing_text(enum crmpi_rank_writing writing)
{
    return writings[writing].text;
}
