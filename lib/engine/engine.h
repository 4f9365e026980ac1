/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine: a protocol thread in every rank, joined in a binary tree of TCP connections
 * of its own, takes checkpoints by the policy.  Lower half.
 */
#ifndef CRMPI_ENGINE_ENGINE_H
#define CRMPI_ENGINE_ENGINE_H

#include "base/status.h"
#include "storage/container.h"

/**
 * Start the protocol thread.  Called once per process below, inside the application's
 * MPI_Init or at the end of a restart; collective over all ranks (addresses are exchanged
 * with PMPI_Allgather).
 * @param job  identity of the job, with incarnation and the newest line (0 at first start)
 */
enum crmpi_status crmpi_engine_start(const struct crmpi_job *job);

/** Ask for a checkpoint and return at once; from any rank and thread below. */
void crmpi_engine_request(void);

/** Number of the newest committed line; 0 if none. */
uint64_t crmpi_engine_committed(void);

/** End the protocol thread: inside MPI_Finalize, collective.  A checkpoint under way ends
 * or is given up first. */
void crmpi_engine_stop(void);

#endif
