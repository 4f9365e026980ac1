/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ledger: what this rank has had to do with other ranks since its last checkpoint, so
 * that a checkpoint knows what it depends on, and a group of ranks who belongs to it.  It
 * lies in the upper heap, and most of it with the communicators and windows.  Lower half.
 */
#ifndef CRMPI_WRAPPERS_HAND_LEDGER_H
#define CRMPI_WRAPPERS_HAND_LEDGER_H

#include "interaction/log.h"
#include "wrappers/hand/cut.h"
#include "wrappers/layer.h"

/* What a communicator leaves behind that was used since the last checkpoint. */
struct crmpi_departed {
    struct crmpi_departed *next;
    uint64_t id, count;
    int32_t size, rank, remote_size;
    int32_t *members, *peers;
    struct crmpi_stream_table streams;
    uint32_t flow;
};

/* An origin that has accessed, or may access, a segment of this rank. */
struct crmpi_origin {
    struct crmpi_origin *next;
    uint64_t window, interval;
    uint32_t rank, how;
};

struct crmpi_aside; /* ledger_cut.c */

/* crmpi_root->ledger */
struct crmpi_ledger {
    uint64_t interval; /* the open one */
    uint64_t base;     /* the newest checkpoint at which all channels were empty */
    uint64_t noted;    /* the checkpoint that is being taken; in one, that itself */
    int32_t noted_alone;
    int32_t lock;      /* of origins */
    struct crmpi_departed *departed;
    uint64_t n_departed;
    struct crmpi_stream_table other; /* by world rank: all that found no other room */
    struct crmpi_origin *origins;    /* by window and rank */
    struct crmpi_log log;
    int32_t logging;
    uint64_t log_limit; /* in bytes */
    int32_t log_failed; /* something is not in the log: no checkpoint of this rank alone
                           before one of all.  enum crmpi_log_failure */
    struct crmpi_aside *aside; /* what was counted before the cut of a checkpoint that is
                                  being written; or was given up, and threads have not been
                                  parked since */
};
#define crmpi_ledger (crmpi_root->ledger)

enum crmpi_log_failure { CRMPI_LOG_NO_MEMORY = 1, CRMPI_LOG_DROPPED };

/* Messages to and from one rank, in sum. */
struct crmpi_traffic {
    uint64_t sent, received;
    uint64_t sent_digest, received_digest; /* of the counts of each stream */
    int is_exact; /* each stream has been counted by itself */
};

/** At the start: create it. */
enum crmpi_status crmpi_ledger_start(void);

/** Visit all communicators that there are, unborn ones left out. */
void crmpi_ledger_visit(void (*visit)(struct crmpi_comm *, void *), void *context);
void crmpi_departed_free(struct crmpi_departed *departed);

/** A communicator is no more: keep what the next checkpoint has to know of it; what is
 * taken over is set to NULL. */
void crmpi_ledger_depart(struct crmpi_comm *comm);

/** This rank has been connected to ranks of its own job on the other side of @p comm by a
 * call for other jobs: no counts of @p comm tell of what they do. */
void crmpi_ledger_meet(const struct crmpi_comm *comm);

/** All channels are empty: nothing has to be sent again any more.  (alone.c) */
void crmpi_log_forget(void);
/** What crmpi_log_trim() has told counts from an old base. */
void crmpi_log_forget_trims(void);

/** Take out of the log what crmpi_log_trim() has told.  With all threads parked. */
void crmpi_alone_trim(void);

/** Send again what a restored line has in transit.  Collective; an MPI error code. */
int crmpi_alone_replay(void);

/** Sum up the messages with each of @p n_ranks world ranks.  With all threads parked. */
void crmpi_ledger_traffic(struct crmpi_traffic *traffic_out, int n_ranks);

#endif
