/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How much memory a checkpoint in the background may take.  Lower half.
 */
#ifndef CRMPI_CAPTURE_LIMIT_H
#define CRMPI_CAPTURE_LIMIT_H

#include <stdint.h>

/** Bytes that this rank may have twice while they are being written: CRMPI_ASYNC_MEMORY, or
 * this rank's share of half of what is available on the node. */
uint64_t crmpi_limit_bytes(void);

#endif
