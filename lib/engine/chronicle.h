/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the engine tells DIR/history.csv.  Lower half.
 */
#ifndef CRMPI_ENGINE_CHRONICLE_H
#define CRMPI_ENGINE_CHRONICLE_H

#include "policy/policy.h"
#include "storage/container.h"

/** Rank 0: the job begins, or goes on after a restart. */
void crmpi_chronicle_started(void);
/** Rank 0: a line was committed. */
void crmpi_chronicle_line(const struct crmpi_action *action,
                          const struct crmpi_line *line);
/** A rank that was saved alone, as checkpoint @p sn. */
void crmpi_chronicle_alone(uint64_t sn);
/** The rank that led a checkpoint that was given up; @p why with the rank's number. */
void crmpi_chronicle_given_up(const char *why);
/** Rank 0: all ranks are in MPI_Finalize. */
void crmpi_chronicle_ended(void);

#endif
