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

#include "interaction/segments.h"
#include "wrappers/hand/p2p.h"
#include "wrappers/objects.h"
#include "wrappers/window.h"

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

/** Whether an access of this kind may be made in this interval: ask where the thread does
 * not park. */
static inline int crmpi_win_has_leave(const struct crmpi_win *w, int rank, uint32_t how)
{
    return (__atomic_load_n(&w->marks[rank], __ATOMIC_ACQUIRE) & how) == how;
}

/** Ask for it, and wait; a park point. */
void crmpi_win_ask(struct crmpi_win *w, int rank, uint32_t how);

/** Log a put, if it is one between fences.  @p origin_type is lower.  (alone.c) */
void crmpi_put_log(struct crmpi_win *w, int rank, MPI_Aint disp, const void *origin,
                   int origin_count, MPI_Datatype origin_type, MPI_Datatype type);

/** A new interval begins. */
void crmpi_win_marks_clear(struct crmpi_win *w);

/** As crmpi_whole_begin(), with leave for an access; ranks that are none are passed on. */
static inline void crmpi_win_access_begin(struct crmpi_win *w, int rank, uint32_t how)
{
    crmpi_whole_begin();
    while (w && rank >= 0 && rank < w->n_members &&
           __builtin_expect(!crmpi_win_has_leave(w, rank, how), 0)) {
        crmpi_whole_end();
        crmpi_win_ask(w, rank, how);
        crmpi_whole_begin();
    }
}

/** The lower displacement of the application's. */
static inline MPI_Aint crmpi_win_disp(const struct crmpi_win *w, int rank, MPI_Aint disp)
{
    const struct crmpi_win_target *target;

    if (!w || !w->targets || rank < 0 || rank >= w->n_members)
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

/** Give the library its own memory back, before PMPI_Win_free(). */
int crmpi_win_unmake(struct crmpi_win *w);

/** The lower info object for a window, of the application's or NULL: drop it after use. */
MPI_Info crmpi_win_info_make(MPI_Info info);

/** Leave the lower epoch of crmpi's own. */
int crmpi_win_close(struct crmpi_win *w, MPI_Win real);

/** Forget a group of post or start. */
void crmpi_win_group_fini(struct crmpi_win_group *group);

/** Let the lower window's error handler follow the application's.  (error.c) */
void crmpi_win_apply_errhandler(struct crmpi_handle *handle);

/** Where it is noted which pages of a segment have been written: behind the segment, or
 * behind the locks of a shared window.  Its memory is mapped here. */
struct crmpi_written *crmpi_win_written(const struct crmpi_win *w, int rank);

/** The drain: complete all operations this rank has begun.  Protocol thread. */
enum crmpi_status crmpi_windows_flush(void);

/** Make all windows again and enter the epochs they were in.  Collective. */
enum crmpi_status crmpi_windows_rebuild(char *why, size_t why_bytes);

#endif
