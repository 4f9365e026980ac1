/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bringing lines to CRMPI_DIR: rank 0 tells all couriers of one line at a time, waits for
 * them, and then says in the line that it is there.  Lower half, a thread of rank 0.
 */
#ifndef CRMPI_LEVELS_FLUSH_H
#define CRMPI_LEVELS_FLUSH_H

#include <stdint.h>
#include "base/status.h"

enum crmpi_status crmpi_flush_start(uint32_t n_ranks);
void crmpi_flush_stop(void);

#endif
