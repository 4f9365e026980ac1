/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The courier copies this rank's files to CRMPI_DIR while the job goes on; rank 0 says which
 * (flush.h).  Lower half.
 */
#ifndef CRMPI_LEVELS_COURIER_H
#define CRMPI_LEVELS_COURIER_H

#include <stdint.h>
#include "base/status.h"
#include "levels/exchange.h"

/** @param home  where this rank's files are; kept */
enum crmpi_status crmpi_courier_start(const char *home, uint32_t world_rank);
void crmpi_courier_stop(void);

/** Have checkpoint @p sn copied; crmpi_serve_flushed() is told the end.  0 if there is no
 * courier, or it is busy. */
int crmpi_courier_take(uint64_t sn);

#endif
