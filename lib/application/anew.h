/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Restarts from checkpoints of named regions only (CRMPI_SAVE=named): the program is
 * started anew, names its regions again and has them filled.  Lower half.
 */
#ifndef CRMPI_APPLICATION_ANEW_H
#define CRMPI_APPLICATION_ANEW_H

#include "application/application.h"
#include "storage/container.h"

/**
 * Start this rank's program anew, as it was started: this process becomes it.  Returns if
 * that is not possible, after saying why.
 */
enum crmpi_status crmpi_anew_start(struct crmpi_reader *reader, const char *dir,
                                   uint64_t line);

/**
 * In MPI_Init: open the checkpoint that the program was started anew from.
 * @param[out] job_out    what the engine goes on with
 * @param[out] found_out  0: this is no restart
 */
enum crmpi_status crmpi_anew_open(uint32_t world_rank, struct crmpi_job *job_out,
                                  int *found_out);

/** Whether there is such a checkpoint; whether it has not been restored. */
int crmpi_anew_is(void);
int crmpi_anew_waits(void);

/** Compare the regions that have a name with those of the checkpoint: each has to be in
 * it, with the same type and shape.  Says what does not fit. */
enum crmpi_status crmpi_anew_check(void);

/** Fill them. */
enum crmpi_status crmpi_anew_restore(void);

#endif
