/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See phase.h.
 */
#include "sim/phase.h"

static int release(struct crmpi_rank *rank)
{
    if (rank->writing ==
        CRMPI_RANK_TAKEN) /* written in vain, before the next is parked */
        return crmpi_rank_write(rank, CRMPI_RANK_ABANDONED) &&
               crmpi_rank_write(rank, CRMPI_RANK_NO_FILE) &&
               crmpi_rank_enter(rank, CRMPI_RANK_RUNS);
    if (rank->writing == CRMPI_RANK_COMPLETES) /* the engine waits for the worker */
        crmpi_rank_write(rank, CRMPI_RANK_NO_FILE);
    return crmpi_rank_enter(rank, CRMPI_RANK_RUNS);
}

int sim_phase_act(struct crmpi_rank *rank, enum crmpi_action_kind kind)
{
    switch (kind) {
    case CRMPI_ACTION_PARK:
        return rank->phase != CRMPI_RANK_GOES_ON && rank->writing == CRMPI_RANK_NO_FILE;
    case CRMPI_ACTION_RUN_ON:
        return crmpi_rank_enter(rank, CRMPI_RANK_RUNS_ON);
    case CRMPI_ACTION_DRAIN:
        return crmpi_rank_enter(rank, CRMPI_RANK_DRAINS);
    case CRMPI_ACTION_SETTLE:
        return crmpi_rank_enter(rank, CRMPI_RANK_SETTLES);
    case CRMPI_ACTION_QUIET:
        return rank->phase == CRMPI_RANK_DRAINED;
    case CRMPI_ACTION_SAVE:
        return rank->phase == CRMPI_RANK_QUIET && rank->writing == CRMPI_RANK_NO_FILE;
    case CRMPI_ACTION_RESUME:
        return crmpi_rank_enter(rank, CRMPI_RANK_GOES_ON);
    case CRMPI_ACTION_COMPLETE:
        return rank->phase == CRMPI_RANK_GOES_ON &&
               crmpi_rank_write(rank, CRMPI_RANK_COMPLETES);
    case CRMPI_ACTION_RELEASE:
        return release(rank);
    default:
        return 1;
    }
}

int sim_phase_event(struct crmpi_rank *rank, enum crmpi_event_kind kind)
{
    switch (kind) {
    case CRMPI_EVENT_PARKED:
        return crmpi_rank_enter(rank, CRMPI_RANK_STOPPED);
    case CRMPI_EVENT_AT_TARGETS:
        return crmpi_rank_enter(rank, CRMPI_RANK_AT_TARGETS);
    case CRMPI_EVENT_DRAINED:
        return crmpi_rank_enter(rank, CRMPI_RANK_DRAINED);
    case CRMPI_EVENT_QUIESCED:
    case CRMPI_EVENT_SETTLED:
        return crmpi_rank_enter(rank, CRMPI_RANK_QUIET);
    case CRMPI_EVENT_CAPTURED:
        return crmpi_rank_write(rank, CRMPI_RANK_TAKEN);
    case CRMPI_EVENT_SAVED:
    case CRMPI_EVENT_FAILED:
        if (rank->phase == CRMPI_RANK_DRAINS || rank->phase == CRMPI_RANK_SETTLES)
            crmpi_rank_enter(rank, CRMPI_RANK_STOPPED);
        return rank->writing != CRMPI_RANK_COMPLETES ||
               crmpi_rank_write(rank, CRMPI_RANK_NO_FILE);
    default:
        return 1;
    }
}
