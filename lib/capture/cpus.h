/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sets of processors that threads are bound to.  Lower half.
 */
#ifndef CRMPI_CAPTURE_CPUS_H
#define CRMPI_CAPTURE_CPUS_H

#include <stdint.h>

#define CRMPI_CPUS_MAX 4096 /* a set has bits of that many */

/**
 * Processors that a thread was bound to, on another node: what the launcher gave the process
 * there and gives it here counts.  Each of those becomes the one at the same place; others keep
 * their numbers.
 */
void crmpi_cpus_translate(const uint64_t *cpus, const uint64_t *from, const uint64_t *to,
                          uint64_t *translated_out);

#endif
