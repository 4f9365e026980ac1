/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the wrappers of windows share (lower half).  The structures lie in the upper heap:
 * they are the recipes a restart makes the windows from.
 *
 * Synchronisation with all of a window's group (fence) or parts of it (post, start,
 * complete, wait) is done here, by a barrier and by messages on a communicator of the
 * window's own; the lower window is then in an epoch of MPI_Win_lock_all without check.
 * Locks are the library's.  So at a cut, which may fall anywhere, all that has to be
 * completed in the library can be: by a flush.
 */
#ifndef CRMPI_WRAPPERS_HAND_WINDOW_H
#define CRMPI_WRAPPERS_HAND_WINDOW_H

#include "wrappers/hand/p2p.h"
#include "wrappers/objects.h"

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
    char *at;          /* renewed: where its segment is mapped below; NULL: not here */
    MPI_Aint bytes;
    int32_t disp_unit;
    int32_t shift;     /* renewed: of its segment in the lower window, in bytes */
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
    MPI_Comm comm; /* crmpi's own, of the window's group */
    int32_t flavor, model, disp_unit;
    MPI_Aint size;
    void *base; /* as the application sees it */
    uint64_t view_start, view_bytes; /* see lib/interaction/segments.h */
    uint64_t view_real;              /* renewed: what the view shows, below */
    struct crmpi_win_target *targets; /* NULL: displacements are the lower window's */
    struct crmpi_handle *errhandler;
    struct crmpi_attribute *attributes;
    struct crmpi_handle *info;
    char *name; /* NULL: MPI's own */

    int32_t epoch;         /* enum crmpi_epoch */
    int32_t is_open;       /* the lower window is in crmpi's own epoch */
    int32_t lock_all_assert;
    int32_t n_locks;
    struct crmpi_win_lock *locks; /* of each rank; NULL until the first */
    struct crmpi_win_group posted, started;
    int32_t n_pieces;
    struct crmpi_win_piece *pieces;
};

static inline struct crmpi_win *crmpi_win_of(MPI_Win win)
{
    return CRMPI_EXTRA(win, win);
}

static inline int crmpi_win_result(MPI_Win win, int error, const char *function)
{
    return __builtin_expect(error == MPI_SUCCESS, 1)
               ? error
               : crmpi_win_error(win, error, function);
}

/** The lower displacement of the application's. */
static inline MPI_Aint crmpi_win_disp(const struct crmpi_win *w, int rank, MPI_Aint disp)
{
    const struct crmpi_win_target *target;

    if (!w || !w->targets || rank < 0 || rank >= crmpi_comm_of(w->comm)->size)
        return disp;
    target = &w->targets[rank];
    return disp * target->disp_unit + target->shift;
}

/**
 * Make the lower window, its memory and the view, of what @p handle says; collective over
 * the lower @p comm.  At a restart the view's addresses hold this rank's segment, which
 * moves into the new memory.  Does not park if the members are all here.
 * @param info  lower
 * @param[out] why  of an error that is not MPI's own, in words
 */
int crmpi_win_make(struct crmpi_handle *handle, MPI_Comm comm, MPI_Info info, char *why,
                   size_t why_bytes);

/** The lower info object for a window, of the application's or NULL: drop it after use. */
MPI_Info crmpi_win_info_make(MPI_Info info);

/** Leave the lower epoch of crmpi's own. */
int crmpi_win_close(struct crmpi_win *w, MPI_Win real);

/** Forget a group of post or start. */
void crmpi_win_group_fini(struct crmpi_win_group *group);

/** Let the lower window's error handler follow the application's.  (error.c) */
void crmpi_win_apply_errhandler(struct crmpi_handle *handle);

/** The drain: complete all operations this rank has begun.  Protocol thread. */
enum crmpi_status crmpi_windows_flush(void);

/** Make all windows again and enter the epochs they were in.  Collective. */
enum crmpi_status crmpi_windows_rebuild(char *why, size_t why_bytes);

#endif
