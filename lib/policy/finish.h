/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The end of the job: which ranks are in MPI_Finalize, gathered up the control tree.
 * Pure: runs in the lower half and in the simulator.
 */
#ifndef CRMPI_POLICY_FINISH_H
#define CRMPI_POLICY_FINISH_H

#include "policy/policy.h"

struct crmpi_finish {
    struct crmpi_policy_env env;
    uint32_t world_rank;
    unsigned n_children;
    unsigned missing; /* bits: children 0 and 1, and this rank itself */
    int finished;     /* the engine ends */
};

void crmpi_finish_init(struct crmpi_finish *finish, uint32_t world_rank, uint32_t n_ranks,
                       const struct crmpi_policy_env *env);
/** This rank will not lead a checkpoint any more. */
void crmpi_finish_own(struct crmpi_finish *finish);
/** Take a message, whatever it is. */
void crmpi_finish_message(struct crmpi_finish *finish, const struct crmpi_event *event);
/** Rank 0: end the engine in all ranks, if all are in MPI_Finalize. */
void crmpi_finish_all(struct crmpi_finish *finish);

#endif
