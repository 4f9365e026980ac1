/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * This rank's segments of windows, which are saved apart from the memory of the task.
 * The wrappers (wrappers/hand/window.c) know them; capture saves them.  Lower half.
 */
#ifndef CRMPI_INTERACTION_SEGMENTS_H
#define CRMPI_INTERACTION_SEGMENTS_H

#include <stddef.h>
#include <stdint.h>
#include "base/status.h"

/* Memory that MPI_Win_allocate or _allocate_shared gave is a mapping of the MPI library's
 * memory, made in the upper range by crmpi: the view.  It reaches over whole pages and,
 * for a shared window, over the segments of all ranks of the node; each saves its own. */
struct crmpi_window_segment {
    uint64_t window;             /* its id: the same in all members, unique in the job */
    uint64_t start, bytes;       /* this rank's segment, as the application sees it */
    uint64_t view_start, view_bytes; /* 0, 0: the memory is the application's own, and is
                                        saved with the task's; dynamic: nothing attached
                                        is listed */
    uint32_t flavor;             /* MPI_WIN_FLAVOR_* */
    uint32_t disp_unit;
    uint32_t n_members, rank;    /* of the window's group */
    char name[64];               /* MPI_MAX_OBJECT_NAME */
};

/**
 * List them by ascending window id.  With all application threads parked.
 * @param[out] list_out  from malloc(), the caller frees it
 */
enum crmpi_status crmpi_segments_list(struct crmpi_window_segment **list_out,
                                      size_t *n_out);

#endif
