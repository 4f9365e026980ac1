/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an application may ask about its checkpoints (crmpi.h).  Lower half.
 */
#ifndef CRMPI_ENGINE_STATISTICS_H
#define CRMPI_ENGINE_STATISTICS_H

#include <stdint.h>

struct crmpi_action;
struct crmpi_job;

/* Of this rank, since the job first started; in the engine's saved memory. */
struct crmpi_statistics {
    uint64_t checkpoints, failures, restarts;
    uint64_t line;                /* newest that is committed */
    uint64_t bytes, last_bytes;   /* of this rank's files */
    double blocked, last_blocked; /* seconds its threads were stopped */
    double last_time;             /* seconds since 1970 when the newest was begun */
};

/** A checkpoint is over.  Protocol thread. */
void crmpi_statistics_note(const struct crmpi_action *action, double blocked);

/** The process was restarted from a checkpoint: that was committed after its memory had
 * been saved. */
void crmpi_statistics_restored(const struct crmpi_job *job);

/** A checkpoint is under way here, or is over. */
void crmpi_statistics_due(int due);

/** From any thread; all zero before MPI_Init. */
struct crmpi_statistics crmpi_statistics_read(void);

/** Tell whether a checkpoint was asked for, or is due by the clock, and has not been
 * taken; known in rank 0.  From any thread. */
int crmpi_statistics_is_due(void);

#endif
