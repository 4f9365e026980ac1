/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Several pumps at once, and the choice of compression.  Lower half.
 */
#ifndef CRMPI_CAPTURE_WORKERS_H
#define CRMPI_CAPTURE_WORKERS_H

#include "capture/pump.h"

/**
 * Have the blocks of a checkpoint compressed as CRMPI_COMPRESS says, by workers on this
 * rank's share of the node's cores that no rank needs.
 * @param write_rate  bytes that the target took per second the last time; 0: not known.
 *                    With "auto" it is compared with what compression does to a sample
 */
void crmpi_workers_prepare(struct crmpi_pump *pump, double write_rate);

/** Deal with the units before number @p end, in threads of this process. */
int crmpi_workers_run(struct crmpi_pump *pump, size_t end);

/** Deal with all units, in a process that was split off (background.h): its threads share
 * the thread data of the caller, and end with the process. */
int crmpi_workers_run_apart(struct crmpi_pump *pump);

#endif
