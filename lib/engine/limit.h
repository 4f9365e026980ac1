/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The end of the time that a job has.  Rank 0 sees to it that there is a checkpoint
 * before, with which the job ends.  Lower half, protocol thread.
 *
 *   begin                  measure               stop        margin      end
 *     |------------------------|-------------------|-----------|----------|
 *                              one is taken, if    twice what a
 *                              none was measured   checkpoint takes
 *
 * Stopping goes on until it has worked.  The times before the end are cut such that half
 * of the job's time is its own: so a job goes on, however short its limit.
 */
#ifndef CRMPI_ENGINE_LIMIT_H
#define CRMPI_ENGINE_LIMIT_H

#include <stdint.h>
#include "job/stopped.h"

/** Find out when the time ends: CRMPI_END_TIME, which the tools set (in seconds of the
 * calendar), or else CRMPI_TIME_LIMIT from now on.  In all ranks. */
void crmpi_limit_start(void);

/** What a checkpoint costs has been measured. */
void crmpi_limit_measured(void);

/** Stop the job as soon as possible; in rank 0, others pass that on to it. */
void crmpi_limit_stop(void);

/** Rank 0 has said that the job is about to stop. */
void crmpi_limit_heard(void);

/** Look whether a checkpoint is to be taken because of the time; rank 0.  1: yes, and
 * @p stop_out tells whether the job ends with it. */
int crmpi_limit_due(enum crmpi_stop *stop_out);

/** When to look again; INT64_MAX: never. */
int64_t crmpi_limit_wakeup_ms(void);

/** Tell whether another checkpoint fits in before the one that the job ends with. */
int crmpi_limit_has_room(void);

/** Tell whether the job is about to stop, or should end by itself before it has to; from
 * any thread. */
int crmpi_limit_is_near(void);

#endif
