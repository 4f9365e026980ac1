/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * This rank's segments of windows, as the container takes them.  Lower half.
 */
#ifndef CRMPI_CAPTURE_SEGMENTS_H
#define CRMPI_CAPTURE_SEGMENTS_H

#include "interaction/segments.h"
#include "storage/container.h"

/**
 * Describe the segments.  All application threads are parked, and no rank accesses a
 * window.
 * @param[out] segments_out  as many as there are windows; from malloc()
 * @param[out] why  which cannot be saved, and the reason
 */
enum crmpi_status crmpi_segments_survey(const struct crmpi_window_segment *windows,
                                        size_t n, struct crmpi_segment **segments_out,
                                        char *why, size_t why_bytes);

/**
 * Make sure that a part of a segment can be read.
 * @param[out] why  which memory cannot be, and the reason
 */
enum crmpi_status crmpi_segment_check(uint64_t window, uint64_t start, uint64_t bytes,
                                      char *why, size_t why_bytes);

#endif
