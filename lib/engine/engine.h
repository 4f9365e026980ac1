/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine: a protocol thread in every rank, joined in a binary tree of TCP connections
 * of its own, takes checkpoints by the policy.  Lower half.  crmpi_config has to be
 * loaded before.
 *
 * For each line rank 0 logs, at level info, what bench/run reads:
 *
 *   line 12: 4 ranks, quiesced in 2.1 ms, drained in 1.0 ms, saved 104.9 MB in 0.085 s,
 *   committed in 1.2 ms; 103.1 MB in memory, threads stopped for 90.2 ms
 *
 * and behind that how the files were saved: increments, compressed by what, in the
 * background.
 */
#ifndef CRMPI_ENGINE_ENGINE_H
#define CRMPI_ENGINE_ENGINE_H

#include <stddef.h>
#include "base/status.h"
#include "storage/container.h"

/* What the engine asks of lib/application; crmpi-host fills it in before it starts.  Protocol
 * thread. */
struct crmpi_engine_callbacks {
    /** A checkpoint is about to stop the threads: have the application's functions for that
     * called, and wait for their end.
     * @param[out] why  on failure: which thread does not end, or what a function has
     *                  returned */
    enum crmpi_status (*before)(int limit_ms, char *why, size_t why_bytes);
    /** It is over; nothing if that was not called since the last time. */
    void (*after)(int committed);
};
extern struct crmpi_engine_callbacks crmpi_engine_callbacks;

/**
 * Start the protocol thread.  Called once per process below, inside the application's
 * MPI_Init or at the end of a restart; collective over all ranks (addresses are exchanged
 * with PMPI_Allgather).
 * @param job  NULL when the job first starts; after a restart what the rank file says,
 *             with `restored` the number of the line and incarnation already counted up
 * If no checkpoints can be taken (no connection, no directory) it warns once, the job
 * runs, and requests fail with the reason.
 */
enum crmpi_status crmpi_engine_start(const struct crmpi_job *job);

/** The last communicator or group with processes of another job is gone: if a checkpoint
 * was refused for one, this is told.  From any thread below. */
void crmpi_engine_unconnected(void);

/** Ask for a checkpoint and return at once; from any rank and thread below. */
void crmpi_engine_request(void);

/** The same from a signal handler, on any thread and TLS base; the requests of one burst
 * (every rank gets the signal from mpirun) lead to one checkpoint. */
void crmpi_engine_request_from_signal(void);

/**
 * Take a checkpoint and end the job with it: its time is up.  From a signal handler, as
 * above; goes on until it has worked.
 * @return 0 if there are no checkpoints: the signal should do what it does otherwise
 */
int crmpi_engine_stop_from_signal(void);

/**
 * Tell whether the program should come to an end: the job is about to be stopped, or its
 * time limit is so near that it soon will be.  From any thread below.  The ranks hear of
 * it at different times.
 */
int crmpi_engine_should_stop(void);

/** CRMPI_Checkpoint(), by CRMPI_SAVE: of the image; or of named regions, collective, where
 * @p meet returns MPI_SUCCESS when all ranks have come. */
int crmpi_engine_checkpoint(void);
int crmpi_engine_checkpoint_together(int (*meet)(void));

/** Number of the newest committed line of this job; 0 if none. */
uint64_t crmpi_engine_committed(void);

/**
 * End the protocol thread: the first thing in MPI_Finalize; collective, though
 * checkpoints are still taken while a rank waits here for the others (it parks here, and
 * makes its call of MPI_Finalize again after a restart).
 */
void crmpi_engine_stop(void);

/**
 * Tell the owner of a window's segment that this rank is about to access it; the answer is
 * crmpi_cut.touch_granted, and comes when the owner is not being saved.  From any thread
 * below; does not wait.
 * @return 0, or -1 if there is no engine to ask: the access needs no leave then
 */
int crmpi_engine_touch(uint32_t owner, uint64_t window, uint32_t how);

#endif
