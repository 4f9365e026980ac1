/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the MPI layer (wrappers/) does for the rooms below it, so that all ranks come to one
 * consistent cut; crmpi-host fills the table in.  Lower half.  Unless said otherwise these are
 * called by the protocol thread while every application thread of this rank is parked.
 */
#ifndef CRMPI_INTERACTION_CUT_H
#define CRMPI_INTERACTION_CUT_H

#include <stddef.h>
#include <stdint.h>
#include "base/status.h"
#include "interaction/dependencies.h"
#include "interaction/segments.h"

/* How many collectives this rank has behind it on one communicator: blocking ones when
 * completed, nonblocking ones when initiated. */
struct crmpi_collective_count {
    uint64_t comm_id; /* the same in all members, unique in the job (MPI_COMM_SELF: may
                         repeat, with members = 1) */
    uint64_t count;
    uint32_t members; /* of the communicator, both groups of an inter-communicator; where
                         all of them agree the count travels no further.  0: not known, as
                         this rank has freed it.  Not used in targets */
    uint32_t under_way; /* 1: the next one has begun and cannot be made again: all have to
                           do it before the cut.  Not used in targets */
};

/* How the reason begins if it is that a program is connected to another job: it may last,
 * so it is told once, and when it is over. */
#define CRMPI_CONNECTED "connections to other jobs: "

/* A group of ranks that takes a checkpoint together: world ranks, ascending; n = 0: all. */
struct crmpi_group_list {
    const uint32_t *ranks;
    size_t n;
};

struct crmpi_cut {
    /** Call for each open MPI file of which this rank is the first, with its absolute name and
     * whether it is open for writing. */
    void (*files)(void (*call)(void *context, const char *path, int is_written),
                  void *context);

    /**
     * List the collective counts of all living communicators of this rank; may also be called
     * while threads run (the values are then a snapshot).
     * @param[out] counts_out  a block from malloc(), the caller frees it; sorted by comm_id
     */
    enum crmpi_status (*counts)(struct crmpi_collective_count **counts_out,
                                size_t *n_out);

    /**
     * Set the targets for phase RUNON: calls that would go beyond the target of their
     * communicator wait at the gate, unless the rank is below some other target.
     * Communicators not listed have no limit; targets of communicators that do not exist (any
     * more) count as reached.  Threads run after this.
     */
    void (*set_targets)(const struct crmpi_collective_count *targets, size_t n);

    /** Tell whether this rank has reached all its targets.  While threads run. */
    int (*at_targets)(void);

    /** Let a thread that waits at the gate pass (targets will be raised).  While threads
     * run. */
    void (*open_gate)(void);

    /**
     * Say why this rank cannot be checkpointed now (a window, an open MPI file, a connection
     * to another job, MPI_Finalize has begun, ...), in words with the object's name; returns
     * 0 if it can.
     */
    int (*refusal)(char *why, size_t why_bytes);

    /** Only whether it is connected to another job; may also be called while threads run. */
    int (*connected)(char *why, size_t why_bytes);

    /** Make progress for the other ranks, some of whose threads cannot stop before this rank
     * has served them.  While all threads of this rank are stopped. */
    void (*progress)(void);

    /**
     * In a restarted process, after the lower MPI was initialised and memory was restored,
     * before any application thread runs: rebuild every MPI object from its recipe, post the
     * pending receives again.  Collective over all ranks.
     * @param[out] why  what could not be rebuilt
     */
    enum crmpi_status (*rebuild)(char *why, size_t why_bytes);

    /** In a restarted process: the threads of the application are about to go on. */
    void (*resume)(void);

    /*
     * Dependencies.  What this rank has done with others since its last checkpoint.
     */

    /** The same as counts() for a group: `members` then counts the members of the
     * communicator that are in it. */
    enum crmpi_status (*group_counts)(const struct crmpi_group_list *group,
                                      struct crmpi_collective_count **counts_out,
                                      size_t *n_out);

    /**
     * List the ranks outside of @p group that this rank has interacted with since its last
     * checkpoint: their states and this rank's have to be saved together.
     * @param[out] ranks_out  ascending; from malloc(), the caller frees it
     */
    enum crmpi_status (*neighbours)(const struct crmpi_group_list *group,
                                    uint32_t **ranks_out, size_t *n_out);

    /**
     * Drain: tell the ranks of a group that messages were sent to how many, and receive what is
     * in flight from them until, for this rank, received equals sent on every channel; pending
     * nonblocking collectives are completed.  Messages no posted receive matches go into the
     * saved queue; one from a rank outside of the group stays where it is.  Collective over the
     * group.
     * @param attempt  the same in all of them, and no other drain's
     */
    enum crmpi_status (*drain_begin)(const struct crmpi_group_list *group,
                                     uint64_t attempt);
    /** One step; 1: this rank is drained; -1: it cannot be, for a reason that was logged. */
    int (*drain_progress)(void);
    /** Annotate requests and pending calls with what a restart has to know; local. */
    enum crmpi_status (*drain_end)(void);
    /** It has ended or was given up. */
    void (*drain_forget)(void);

    /**
     * Instead of the drain, for a checkpoint of this rank alone: one step towards a state in
     * which every message has been received wholly or not at all.
     * @return 1: it is there; 0: not yet; -1: this rank cannot be saved alone now, @p why says
     *         for what reason, and a checkpoint of all is needed
     */
    int (*settle_progress)(char *why, size_t why_bytes);

    /** The interval that is open in this rank. */
    uint64_t (*interval)(void);

    /** Note all that checkpoint @p sn depends on; for crmpi_dependencies_fini(). */
    enum crmpi_status (*dependencies_note)(uint64_t sn, int alone,
                                           const struct crmpi_member *cohort,
                                           size_t n_cohort,
                                           struct crmpi_dependencies *dependencies_out);

    /**
     * The memory of checkpoint @p sn is taken: all counting begins anew, or with @p alone the
     * next interval does; what has been counted is put aside until it is known how the
     * checkpoint ends.  Nothing has changed on failure.  One of committed, saved or given_up
     * follows, and before it resumed if threads go on before that is known.
     */
    enum crmpi_status (*dependencies_cut)(uint64_t sn, int alone);
    /** The threads are about to go on. */
    void (*dependencies_resumed)(void);
    /** It is given up, if there was a cut: what is put aside counts again.  If threads have
     * gone on, it does when they are parked next, and no checkpoint of this rank alone can be
     * taken before one of all. */
    void (*dependencies_given_up)(void);
    /** The threads are parked. */
    void (*dependencies_put_back)(void);
    /** It is committed, and was taken with all that this rank has had to do with; threads may
     * have gone on. */
    void (*dependencies_committed)(void);
    /** It is saved, of this rank alone; likewise. */
    void (*dependencies_saved)(void);

    /** This process was restored from a line: counting begins anew, unless messages between
     * its checkpoints were @p in_transit: these are sent again.  After
     * rebuild(); collective. */
    enum crmpi_status (*dependencies_restored)(uint64_t line, int in_transit);

    /** Log what is sent from now on, or no longer, for checkpoints of ranks alone.  When there
     * is more than @p limit_bytes the rank asks for a checkpoint, and refuses to be saved
     * alone. */
    void (*log_enable)(int enable, uint64_t limit_bytes);
    /** Note that logged messages have been received in states that are never given up: of each
     * stream to a peer, by comm, peer and tag, the first `sent`.  They are dropped when the
     * threads are parked next. */
    void (*log_trim)(const struct crmpi_stream *arrived, size_t n);
    /** Bytes of messages in the log. */
    uint64_t (*log_bytes)(void);

    /**
     * A rank is about to access this rank's segments of a window for the first time in its
     * interval; it waits for the answer.  Protocol thread, while threads run or are stopped.
     * @param interval  of the origin
     */
    void (*touched)(uint32_t origin, uint64_t interval, uint64_t window, uint32_t how);
    /** The answer to this rank's own, asked in @p interval: it may access. */
    void (*touch_granted)(uint32_t owner, uint64_t interval, uint64_t window,
                          uint32_t how);

    /*
     * Segments of windows.
     */

    /** List the segments of windows that threads of this rank can write to without another's
     * help. */
    enum crmpi_status (*segments_mapped)(struct crmpi_mapped_segment **list_out,
                                         size_t *n_out);

    /**
     * List the segments of this rank by ascending window id.  With all application threads parked.
     * @param[out] list_out  from malloc(), the caller frees it
     */
    enum crmpi_status (*segments_list)(struct crmpi_window_segment **list_out,
                                       size_t *n_out);
};

extern struct crmpi_cut crmpi_cut;

#endif
