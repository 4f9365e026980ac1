/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Durations as people and batch systems write them.  Lower half and tools.
 */
#ifndef CRMPI_BASE_DURATION_H
#define CRMPI_BASE_DURATION_H

#include "base/status.h"

/**
 * Read a number of seconds, or [[D-]H:]M:S, as Slurm's squeue writes it, or D-H[:M].
 * CRMPI_ERR_FORMAT if it is something else, or more than a century.
 */
enum crmpi_status crmpi_duration_parse(const char *text, double *seconds_out);

#endif
