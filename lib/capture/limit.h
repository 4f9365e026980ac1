/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How much of the node is this rank's, while it is saved.  Lower half.
 */
#ifndef CRMPI_CAPTURE_LIMIT_H
#define CRMPI_CAPTURE_LIMIT_H

#include <stddef.h>
#include <stdint.h>

/** Bytes that this rank may have twice while they are being written: CRMPI_ASYNC_MEMORY, or
 * this rank's share of half of what is available on the node. */
uint64_t crmpi_limit_bytes(void);

/**
 * Bytes that the control groups of a process, and those they lie in, may still take, page
 * cache that can be dropped counted as free; UINT64_MAX: there is no limit.
 * @param list  /proc/self/cgroup
 * @param root  where groups are mounted: /sys/fs/cgroup
 */
uint64_t crmpi_limit_of_groups(const char *list, const char *root);

/** How many ranks there are on this node, as far as the launcher says. */
size_t crmpi_limit_local_ranks(void);

#endif
