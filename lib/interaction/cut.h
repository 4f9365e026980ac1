/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the MPI layer (wrappers/) offers to the engine, which brings all ranks to one
 * consistent cut.  Lower half.  Unless said otherwise these are called by the protocol
 * thread while every application thread of this rank is parked.
 */
#ifndef CRMPI_INTERACTION_CUT_H
#define CRMPI_INTERACTION_CUT_H

#include <stdint.h>
#include <stddef.h>
#include "base/status.h"

/* How many collectives this rank has behind it on one communicator: blocking ones when
 * completed, nonblocking ones when initiated. */
struct crmpi_collective_count {
    uint64_t comm_id; /* the same in all members, unique in the job (MPI_COMM_SELF: may
                         repeat, with members = 1) */
    uint64_t count;
    uint32_t members; /* of the communicator, both groups of an inter-communicator; where
                         all of them agree the count travels no further.  0: unknown.  Not
                         used in targets */
    uint32_t under_way; /* 1: the next one has begun and cannot be made again: all have to
                           do it before the cut.  Not used in targets */
};

/**
 * List the collective counts of all living communicators of this rank; may also be called
 * while threads run (the values are then a snapshot).
 * @param[out] counts_out  a block from malloc(), the caller frees it; sorted by comm_id
 */
enum crmpi_status crmpi_cut_counts(struct crmpi_collective_count **counts_out,
                                   size_t *n_out);

/**
 * Set the targets for phase RUNON: calls that would go beyond the target of their
 * communicator wait at the gate, unless the rank is below some other target.
 * Communicators not listed have no limit; targets of communicators that do not exist (any
 * more) count as reached.
 */
void crmpi_cut_set_targets(const struct crmpi_collective_count *targets, size_t n);

/** Tell whether this rank has reached all its targets.  While threads run. */
int crmpi_cut_at_targets(void);

/** Let a thread that waits at the gate pass (targets will be raised).  While threads
 * run. */
void crmpi_cut_open_gate(void);

/**
 * Say why this rank cannot be checkpointed now (a window, an open MPI file, a connection
 * to another job, MPI_Finalize has begun, ...), in words with the object's name; returns
 * 0 if it can.
 */
int crmpi_cut_refusal(char *why, size_t why_bytes);

/** Make progress for the other ranks, some of whose threads cannot stop before this rank
 * has served them.  While all threads of this rank are stopped. */
void crmpi_cut_progress(void);

/**
 * Drain: exchange bookmarks with all ranks and receive what is in flight until, for this
 * rank, received equals sent on every channel; pending nonblocking collectives are
 * completed.  Messages no posted receive matches go into the saved queue.  Collective
 * over all ranks.
 */
enum crmpi_status crmpi_drain_begin(void); /* exchanges the bookmarks; collective */
int crmpi_drain_progress(void);            /* one step; 1 when this rank is drained */
enum crmpi_status crmpi_drain_end(void);   /* annotates requests and pending calls with
                                                what a restart has to know; local */

/** Create the layer's state after MPI_Init (the application's own thread, below). */
enum crmpi_status crmpi_mpi_layer_start(void);

/**
 * In a restarted process, after the lower MPI was initialised and memory was restored,
 * before any application thread runs: rebuild every MPI object from its recipe, post the
 * pending receives again.  Collective over all ranks.
 * @param[out] why  what could not be rebuilt
 */
enum crmpi_status crmpi_mpi_layer_rebuild(char *why, size_t why_bytes);

#endif
