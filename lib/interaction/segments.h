/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * This rank's segments of windows, which are saved apart from the memory of the task.
 * The wrappers (wrappers/hand/window.c) know them, and tell by cut.h; capture saves them.  Lower half.
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
    uint64_t window;       /* its id: the same in all members, unique in the job */
    uint64_t start, bytes; /* this rank's segment, as the application sees it */
    uint64_t view_start, view_bytes; /* 0, 0: the memory is the application's own, and is
                                        saved with the task's; dynamic: nothing attached
                                        is listed */
    uint32_t flavor;                 /* MPI_WIN_FLAVOR_* */
    uint32_t disp_unit;
    uint32_t n_members, rank;      /* of the window's group */
    char name[64];                 /* MPI_MAX_OBJECT_NAME */
    struct crmpi_written *written; /* NULL: nobody notes that */
};

/* Which pages of a segment have been written since its owner saved it last.  Lies in memory
 * that the owner shares with all processes of the node that can write to the segment. */
struct crmpi_written {
    uint32_t is_whole; /* set by the owner: all of them note here what they have written;
                          cleared by one whose children may write, too */
    uint32_t is_unknown; /* one of them could not */
    uint64_t unused[7];
    uint64_t pages[]; /* a bit for each that a byte of the segment lies in */
};

static inline uint64_t crmpi_written_pages(uint64_t start, uint64_t bytes)
{
    return bytes ? (start + bytes - 1) / 4096 - start / 4096 + 1 : 0;
}

/** Room for a segment of some bytes, wherever in a page it begins. */
static inline uint64_t crmpi_written_bytes(uint64_t bytes)
{
    return sizeof(struct crmpi_written) + (bytes / 4096 + 2 + 511) / 512 * 64;
}

/* A segment, of whatever rank, in memory that is mapped here. */
struct crmpi_mapped_segment {
    uint64_t start, bytes;
    struct crmpi_written *written;
};

#endif
