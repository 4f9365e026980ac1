/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * This rank's segments of windows, as the container takes them.  Lower half.
 */
#ifndef CRMPI_CAPTURE_SEGMENTS_H
#define CRMPI_CAPTURE_SEGMENTS_H

#include "interaction/segments.h"
#include "storage/container.h"

/**
 * Find the bytes of the segments that are not zero.  Only segments with a view are looked
 * at, and nothing outside of them is.  All application threads are parked, and no rank
 * accesses a window.
 * @param[out] segments_out  as many as there are windows; for crmpi_segments_release()
 * @param[out] why  which memory cannot be saved, and the reason
 */
enum crmpi_status crmpi_segments_survey(const struct crmpi_window_segment *windows,
                                        size_t n, struct crmpi_segment **segments_out,
                                        char *why, size_t why_bytes);

/** Free a list, which may be NULL. */
void crmpi_segments_release(struct crmpi_segment *segments, size_t n);

#endif
