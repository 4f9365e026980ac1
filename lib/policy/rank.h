/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a rank is doing, as one value; and what becomes of a file that is completed while its threads
 * run, as another.  Which value may follow which is a table.  Pure.
 *
 *               PARK                RUN_ON                  all targets
 *      RUNS ----------> STOPPED ------------> RUNS_ON -----------------> AT_TARGETS
 *       ^                |  |  ^                 |                          |
 *       |      DRAIN     |  |  '-----------------+------- PARK -------------'
 *       |        .-------'  '--------.  SETTLE
 *       |        v                   v
 *       |     DRAINS              SETTLES
 *       |        |                   |          PARK, from any but RUNS and GOES_ON: again
 *       |        v                   |          STOPPED, with a larger group or other targets
 *       |     DRAINED                |
 *       |        |  QUIET            |          RELEASE, from any: RUNS
 *       |        v                   |
 *       |      QUIET <---------------'
 *       |        |    (SAVE)
 *       |        |  RESUME
 *       |        v
 *       '----- GOES_ON
 *
 *   writing:  NO_FILE -> TAKEN (its memory is, in SAVE) -> COMPLETES (COMPLETE) -> NO_FILE
 *                           '--> ABANDONED (given up before COMPLETE) ------------> NO_FILE
 */
#ifndef CRMPI_POLICY_RANK_H
#define CRMPI_POLICY_RANK_H

enum crmpi_rank_phase {
    CRMPI_RANK_RUNS,       /* no checkpoint has stopped its threads */
    CRMPI_RANK_STOPPED,    /* they are stopped; it serves others in the MPI library */
    CRMPI_RANK_RUNS_ON,    /* they run up to their targets */
    CRMPI_RANK_AT_TARGETS, /* it has told that they are there */
    CRMPI_RANK_DRAINS,     /* messages to it are on their way */
    CRMPI_RANK_DRAINED,    /* none is; others still drain, and are served */
    CRMPI_RANK_SETTLES,    /* until it can be saved alone */
    CRMPI_RANK_QUIET,      /* nothing may change: the memory is about to be saved */
    CRMPI_RANK_GOES_ON,    /* threads run, and the checkpoint is not over */
    CRMPI_RANK_PHASES
};

enum crmpi_rank_writing {
    CRMPI_RANK_NO_FILE,
    CRMPI_RANK_TAKEN,     /* the memory is, and the file has to be completed */
    CRMPI_RANK_COMPLETES, /* the worker is at it; all else goes on */
    CRMPI_RANK_ABANDONED, /* and nobody waits for it any more */
    CRMPI_RANK_WRITINGS
};

/* All zero: it runs. */
struct crmpi_rank {
    enum crmpi_rank_phase phase;
    enum crmpi_rank_writing writing;
};

/** Go over to another phase; 0, with nothing changed, if it cannot follow this one. */
int crmpi_rank_enter(struct crmpi_rank *rank, enum crmpi_rank_phase phase);

/** Likewise. */
int crmpi_rank_write(struct crmpi_rank *rank, enum crmpi_rank_writing writing);

/** Threads are stopped, or run on to be. */
int crmpi_rank_is_parked(const struct crmpi_rank *rank);

/** They are stopped, and other ranks may need what the MPI library does in this one. */
int crmpi_rank_serves(const struct crmpi_rank *rank);

/** "runs", "stopped", ... */
const char *crmpi_rank_phase_text(enum crmpi_rank_phase phase);
const char *crmpi_rank_writing_text(enum crmpi_rank_writing writing);

#endif
