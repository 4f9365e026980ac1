/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which pages of windows have been written.  Lower half.
 *
 * The kernel can tell a process what it has written through its own mappings, by loads and
 * stores, by copies of crmpi or the MPI library, in system calls, or what another process
 * has written into its memory.  All writes to a segment on its node go through the mappings
 * of some process; so each looks at all of its own, and notes what it finds beside the
 * segment, where the owner finds it when it saves.
 */
#ifndef CRMPI_CAPTURE_WRITES_H
#define CRMPI_CAPTURE_WRITES_H

#include "capture/tracking.h"
#include "interaction/segments.h"

/**
 * Note what this process has written since the last time to segments that it has mapped.
 * @param tracking  0: it is not known
 */
enum crmpi_status crmpi_writes_note(int tracking);

/**
 * List the pages of a segment of this rank, as they have been written or not since the last
 * time, and begin anew.  The first and the last reach as far as the segment.
 * @param wanted  0: all as written
 */
enum crmpi_status crmpi_writes_take(const struct crmpi_window_segment *segment,
                                    int wanted, crmpi_pages_fn call, void *context);

#endif
