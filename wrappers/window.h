/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What both halves know of windows.  Where the memory of a window's target is mapped in
 * this process, libcrmpi.so (lib/upper/rma.c) accesses it without going down; all else is
 * done below (wrappers/hand/).  The structures lie in the upper heap.
 */
#ifndef CRMPI_WRAPPERS_WINDOW_H
#define CRMPI_WRAPPERS_WINDOW_H

#include <mpi.h>
#include <sched.h>
#include <stdint.h>

#include "interaction/log.h"

/* Access epoch the application has open. */
enum crmpi_epoch {
    CRMPI_EPOCH_NONE,
    CRMPI_EPOCH_FENCE,
    CRMPI_EPOCH_START,
    CRMPI_EPOCH_LOCK, /* of some targets: crmpi_win.locks */
    CRMPI_EPOCH_LOCK_ALL,
};

/* A rank of a window whose memory was allocated by MPI. */
struct crmpi_win_target {
    char *at;      /* renewed: where its segment is mapped below; NULL: not here */
    int32_t *lock; /* renewed: shared by all, held during accumulates; NULL as above */
    MPI_Aint bytes;
    int32_t disp_unit;
    int32_t shift; /* renewed: of its segment in the lower window, in bytes */
};

/* Members of a group a post or start has named, and the messages awaited from them. */
struct crmpi_win_group {
    int32_t n;
    int32_t is_open;
    int32_t *ranks; /* of the window */
    int32_t n_requests;
    MPI_Request *requests; /* the upper half's */
};

struct crmpi_win_lock {
    uint8_t type; /* 0: none, MPI_LOCK_EXCLUSIVE, MPI_LOCK_SHARED */
    uint8_t nocheck;
};

/* Memory attached to a dynamic window. */
struct crmpi_win_piece {
    void *base;
    MPI_Aint bytes;
};

struct crmpi_win {
    int32_t epoch;     /* enum crmpi_epoch */
    int32_t n_members; /* of the window's group */
    struct crmpi_win_target *targets; /* NULL: displacements are the lower window's */
    struct crmpi_win_lock *locks;     /* of each member; NULL until the first */
    int32_t is_near; /* renewed: every target is mapped in every member: accumulates are
                        crmpi's own, under the target's lock */
    int32_t n_locks;
    uint64_t begun, flushed; /* with targets: operations handed to the library; how many
                                of them a flush of all has completed */

    int32_t logging; /* puts go down to be logged */
    uint32_t used;   /* kinds of accesses since the last checkpoint of all, without those
                        marked */
    struct crmpi_log puts; /* of the open fence epoch; number: displacement, dest: target */
    uint8_t *marks; /* for each member: accesses to its segment in this interval, for which
                       there is leave (enum crmpi_how) */
    MPI_Comm comm;  /* crmpi's own, of the group */
    int32_t flavor, model, disp_unit;
    MPI_Aint size;
    MPI_Aint segment_bytes; /* of this rank's segment: more than the size, if the segments
                               of a shared window lie apart, on whole pages */
    int32_t is_apart;
    void *base; /* as the application sees it */
    uint64_t view_start, view_bytes; /* see lib/interaction/segments.h */
    uint64_t view_real;              /* renewed: what the view shows, below */
    struct crmpi_handle *errhandler;
    struct crmpi_attribute *attributes;
    struct crmpi_handle *info;
    struct crmpi_handle *told; /* as of a communicator */
    char *name; /* NULL: MPI's own */

    int32_t is_open;       /* the lower window is in crmpi's own epoch */
    int32_t lock_all_assert;
    int32_t changing; /* a lock: threads may change locks and pieces at the same time */
    struct crmpi_win_group posted, started;
    int32_t n_pieces;
    struct crmpi_win_piece *pieces;
};

/* What the fast paths know of a predefined datatype: the beginning of its extra. */
enum crmpi_basic_class {
    CRMPI_BASIC_NONE, /* it has gaps, or is derived */
    CRMPI_BASIC_RAW,  /* bytes without arithmetic */
    CRMPI_BASIC_SIGNED,
    CRMPI_BASIC_UNSIGNED,
    CRMPI_BASIC_FLOATING,
};

struct crmpi_basic {
    int32_t class; /* enum crmpi_basic_class */
    int32_t bytes; /* size and extent */
};

/* Locks of accumulates: held for some instructions, or for one operation of the MPI
 * library, by threads that do not park meanwhile.  Ranks may outnumber processors. */
#define CRMPI_WIN_LOCK_SPINS 200
#define CRMPI_WIN_LOCK_BYTES 64 /* each has a cache line of its own */

static inline void crmpi_win_lock_take(int32_t *lock)
{
    for (int n = 0; __atomic_load_n(lock, __ATOMIC_RELAXED) ||
                    __atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE);
         n++)
        if (n < CRMPI_WIN_LOCK_SPINS)
            __builtin_ia32_pause();
        else
            sched_yield();
}

static inline void crmpi_win_lock_drop(int32_t *lock)
{
    __atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}

#endif
