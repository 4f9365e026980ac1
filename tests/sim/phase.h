/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a simulated rank is doing, by the engine's own machine (policy/rank.h).  Test.
 */
#ifndef CRMPI_TESTS_SIM_PHASE_H
#define CRMPI_TESTS_SIM_PHASE_H

#include "policy/policy.h"
#include "policy/rank.h"

/** The policy wants something done; 0 if the engine could not in this phase. */
int sim_phase_act(struct crmpi_rank *rank, enum crmpi_action_kind kind);

/** The policy is about to be given an event; likewise. */
int sim_phase_event(struct crmpi_rank *rank, enum crmpi_event_kind kind);

#endif
