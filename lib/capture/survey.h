/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All that is to be saved of this rank's memory: spans for the pump, and what need not be
 * looked at because it has not changed.  Lower half.
 */
#ifndef CRMPI_CAPTURE_SURVEY_H
#define CRMPI_CAPTURE_SURVEY_H

#include "capture/extents.h"
#include "capture/contents.h"
#include "capture/pump.h"
#include "capture/regions.h"
#include "capture/segments.h"
#include "capture/wishes.h"

struct crmpi_survey {
    struct crmpi_memory memory;
    struct crmpi_segment *segments;
    size_t n_segments;
    struct crmpi_wishes wishes;
    size_t n_contents; /* named regions, then segments with a view, then the task */
    struct crmpi_span *spans;
    size_t n_spans, span_room;
    struct crmpi_extents holes;        /* pages that are not saved with the task */
    struct crmpi_unchanged *unchanged; /* of each content */
    int is_tracked;                    /* the kernel tells what will have been written */
};

/**
 * Look at memory, with all threads parked and no rank accessing a window.
 * @param tracking   have the kernel track private memory, if it can be done
 * @param holes      those of the last survey, which was with tracking: leave out what has
 *                   not been written since; NULL: all is looked at
 * @param written    leave out what of windows has not been written since the last survey
 * @param copied     private memory that a process split off does not get
 * @param[out] survey_out  for crmpi_survey_fini(), after crmpi_memory_release()
 */
enum crmpi_status crmpi_survey_make(int tracking, const struct crmpi_extents *holes,
                                    int written, const struct crmpi_extents *copied,
                                    struct crmpi_survey *survey_out, char *why,
                                    size_t why_bytes);

void crmpi_survey_fini(struct crmpi_survey *survey);

#endif
