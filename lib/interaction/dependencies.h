/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What one rank and its segments of windows depend on at a checkpoint: the direct
 * dependency vectors of Badrinath, Morin and Vallée (2003), and the counters they are made
 * from.  Plain data: it is noted by the wrappers, stored with the checkpoint, and read by
 * lib/recovery.
 *
 * An entity is a task (a rank) or a window segment.  Its checkpoints have ascending
 * numbers; an interval is named by a number above that of the checkpoint it begins with
 * and not above that of the checkpoint it ends with.  So a line that has checkpoint r of
 * an entity contains its intervals up to r.  A segment is saved with its task, under the
 * same number.
 */
#ifndef CRMPI_INTERACTION_DEPENDENCIES_H
#define CRMPI_INTERACTION_DEPENDENCIES_H

#include <stddef.h>
#include <stdint.h>

/* How an entity came to depend on another; bits. */
enum crmpi_how {
    CRMPI_HOW_RECEIVED = 1u << 0,   /* a message from it */
    CRMPI_HOW_SENT = 1u << 1,       /* a message to it, which is in no log: lost if it goes
                                       back behind the receipt */
    CRMPI_HOW_COLLECTIVE = 1u << 2, /* data that flowed from it, or to it */
    CRMPI_HOW_READ = 1u << 3,       /* of a segment */
    CRMPI_HOW_WRITE = 1u << 4,
    CRMPI_HOW_ATOMIC = 1u << 5,     /* accumulate, fetch and op, compare and swap */
    CRMPI_HOW_SYNC = 1u << 6,       /* locks; loads and stores in shared memory */
    CRMPI_HOW_HOME = 1u << 7,       /* a task and its own segment */
    CRMPI_HOW_LINE = 1u << 8,       /* of the same line; no more is known */
};

/* Messages of one stream, which MPI keeps in order: cumulative since `base`. */
struct crmpi_stream {
    uint64_t comm;
    uint32_t peer; /* world rank */
    int32_t tag;
    uint64_t sent, received; /* to the peer, from the peer */
    uint64_t unlogged;       /* of those sent, the first so many are not in the log that the
                                checkpoint has (any more): a line with it has to have them
                                received.  Only of checkpoints taken alone */
};

/* Tags of the pseudo-streams of rooted collectives; the root is the peer. */
#define CRMPI_TAG_ROOTED (-2) /* received: MPI_Bcast and its like; sent: MPI_Reduce ... */
/* Where a communicator had too many streams: all further tags of the peer together. */
#define CRMPI_TAG_OTHER (-3)

/* How data flowed in a communicator's collectives since the last checkpoint; bits. */
enum crmpi_flow {
    CRMPI_FLOW_FROM_ALL = 1u << 0, /* to this rank from all members */
    CRMPI_FLOW_TO_ALL = 1u << 1,
    CRMPI_FLOW_FROM_LOWER = 1u << 2, /* scans */
    CRMPI_FLOW_TO_HIGHER = 1u << 3,
};

struct crmpi_collectives {
    uint64_t comm;
    uint64_t count;     /* of the communicator's collectives since `base`, see
                           crmpi_collective_count */
    uint32_t flow;      /* enum crmpi_flow; 0: none since the last checkpoint */
    uint32_t n_members; /* world ranks, in the order of their ranks in the communicator; of
                           an inter-communicator both groups.  0: all ranks, in order */
    uint64_t members;   /* index of the first in crmpi_dependencies.members */
    uint32_t rank;      /* of this rank in it */
    uint32_t is_freed;  /* it is no more; count is its last */
};

/* An access to a segment of a window since the last checkpoint; of a checkpoint taken
 * alone: since `base`, and the newest of an origin. */
struct crmpi_access {
    uint64_t window;
    uint32_t rank; /* whose segment this task accessed; of an origin: who accessed ours */
    uint32_t how;
    uint64_t interval; /* of the other entity; 0: as `cohort` has it */
};

struct crmpi_member {
    uint32_t rank;
    uint32_t unused;
    uint64_t interval; /* the one that the checkpoint ended */
};

struct crmpi_dependencies {
    uint32_t world_rank, n_ranks;
    uint64_t sn;       /* number of the checkpoint */
    uint64_t interval; /* that it ends */
    uint64_t base;     /* the newest checkpoint before with empty channels: counters begin
                          there.  The same in all ranks whose counters belong together */
    uint32_t is_alone; /* taken without the others: messages may be in transit, and are in
                          logs.  0: channels between the members of the cohort were empty */
    uint32_t unused;
    struct crmpi_stream *streams; /* by comm, peer, tag */
    size_t n_streams;
    struct crmpi_collectives *collectives; /* by comm */
    size_t n_collectives;
    uint32_t *members;
    size_t n_members;
    struct crmpi_access *accesses; /* of this task to segments: by window, rank */
    size_t n_accesses;
    struct crmpi_access *origins; /* of others to this rank's segments: likewise */
    size_t n_origins;
    uint64_t *windows; /* this rank's segments, ascending */
    size_t n_windows;
    struct crmpi_member *cohort; /* who took the checkpoint together, by rank; none: all
                                    ranks, in intervals of the same number; or alone */
    size_t n_cohort;
};

/* Numbers of checkpoints lie in 1..CRMPI_SN_MAX. */
#define CRMPI_SN_MAX (UINT64_MAX / 2)

/** Free the arrays. */
void crmpi_dependencies_fini(struct crmpi_dependencies *dependencies);

/** Tell whether dependencies make sense: all is within its bounds and sorted as said
 * above, nothing twice; 0, or -1 if not.  Whoever got them from a file or another process
 * has to ask. */
int crmpi_dependencies_check(const struct crmpi_dependencies *dependencies);

/** The order of streams. */
int crmpi_stream_compare(const struct crmpi_stream *a, const struct crmpi_stream *b);

/** Pack into one block from malloc(), which says its own length and version; 0, or -1 if
 * they make no sense or there is no memory. */
int crmpi_dependencies_pack(const struct crmpi_dependencies *dependencies,
                            void **bytes_out, size_t *n_bytes_out);
/** Unpack what another process packed, checking every size; 0, or -1 if it makes no sense
 * or there is no memory. */
int crmpi_dependencies_unpack(struct crmpi_dependencies *dependencies_out,
                              const void *bytes, size_t n_bytes);

#endif
