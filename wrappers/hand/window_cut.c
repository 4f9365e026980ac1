/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Windows at a cut and after a restart (lower half).
 *
 * At the cut every rank flushes what it has begun.  When all have, memory holds the effect
 * of every operation, and no epoch has anything pending; epochs and locks stay as they are.
 * A restart makes the windows again in the order of their job-wide ids and enters the
 * epochs; locks that were held at one moment can all be had at once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "interaction/segments.h"
#include "wrappers/hand/window.h"

static uint64_t id_of(const struct crmpi_win *w)
{
    return crmpi_comm_of(w->comm)->id;
}

static int by_id(const void *a, const void *b)
{
    uint64_t x = id_of((*(struct crmpi_handle *const *)a)->extra);
    uint64_t y = id_of((*(struct crmpi_handle *const *)b)->extra);

    return (x > y) - (x < y);
}

/* All windows that are not freed, by ascending id, from malloc(). */
static struct crmpi_handle **windows(size_t *n_out)
{
    struct crmpi_handle **list, *h;
    size_t n = 0;

    for (h = crmpi_handle_first(CRMPI_WIN); h; h = h->next)
        n++;
    list = malloc((n + 1) * sizeof(*list));
    *n_out = 0;
    if (!list)
        return NULL;
    n = 0;
    for (h = crmpi_handle_first(CRMPI_WIN); h; h = h->next)
        if (!(h->flags & CRMPI_HANDLE_FREED))
            list[n++] = h;
    *n_out = n;
    qsort(list, n, sizeof *list, by_id);
    return list;
}

/*
 * The cut
 */

static int flush(const struct crmpi_handle *handle)
{
    struct crmpi_win *w = handle->extra;
    int error;

    w->flushed = w->begun;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (!w->is_open && w->epoch < CRMPI_EPOCH_LOCK)
        return MPI_SUCCESS; /* in no epoch, in which calls might be made */
    error = PMPI_Win_flush_all(handle->real);
    return error == MPI_SUCCESS ? PMPI_Win_sync(handle->real) : error;
}

enum crmpi_status crmpi_windows_flush(void)
{
    for (struct crmpi_handle *h = crmpi_handle_first(CRMPI_WIN); h; h = h->next)
        if (!(h->flags & CRMPI_HANDLE_FREED) && flush(h) != MPI_SUCCESS) {
            crmpi_error("the operations on a window cannot be completed");
            return CRMPI_ERR_MPI;
        }
    return CRMPI_OK;
}

static struct crmpi_window_segment segment_of(const struct crmpi_win *w)
{
    const struct crmpi_comm *c = crmpi_comm_of(w->comm);
    struct crmpi_window_segment segment = {
        .window = c->id,
        .start = (uint64_t)w->base,
        .bytes = w->segment_bytes,
        .view_start = w->view_start,
        .view_bytes = w->view_bytes,
        .flavor = w->flavor,
        .disp_unit = w->disp_unit,
        .n_members = c->size,
        .rank = c->rank,
    };

    if (w->targets && w->targets[c->rank].at && w->size > 0)
        segment.written = crmpi_win_written(w, c->rank);
    if (w->name)
        strncpy(segment.name, w->name, sizeof segment.name - 1);
    return segment;
}

/* Nobody notes what a child writes that has been forked with the mapping. */
static struct crmpi_written *written_of(const struct crmpi_win *w, int rank)
{
    struct crmpi_written *written = crmpi_win_written(w, rank);

    if (crmpi_control->has_forked)
        __atomic_store_n(&written->is_whole, 0, __ATOMIC_RELAXED);
    return written;
}

/* Of windows that are mapped here, all segments that are. */
static size_t mapped_of(const struct crmpi_win *w, struct crmpi_mapped_segment *list)
{
    size_t n = 0;

    for (int i = 0; w->targets && i < w->n_members; i++)
        if (w->targets[i].at && w->targets[i].bytes > 0)
            list[n++] = (struct crmpi_mapped_segment){
                (uint64_t)w->targets[i].at, w->targets[i].bytes, written_of(w, i)};
    return n;
}

enum crmpi_status crmpi_segments_mapped(struct crmpi_mapped_segment **list_out,
                                        size_t *n_out)
{
    struct crmpi_mapped_segment *list;
    size_t room = 1, n = 0;

    for (struct crmpi_handle *h = crmpi_handle_first(CRMPI_WIN); h; h = h->next)
        if (!(h->flags & CRMPI_HANDLE_FREED))
            room += ((struct crmpi_win *)h->extra)->n_members;
    list = malloc(room * sizeof *list);
    if (!list)
        return CRMPI_ERR_NOMEM;
    for (struct crmpi_handle *h = crmpi_handle_first(CRMPI_WIN); h; h = h->next)
        if (!(h->flags & CRMPI_HANDLE_FREED))
            n += mapped_of(h->extra, list + n);
    *list_out = list;
    *n_out = n;
    return CRMPI_OK;
}

enum crmpi_status crmpi_segments_list(struct crmpi_window_segment **list_out,
                                      size_t *n_out)
{
    struct crmpi_handle **list = windows(n_out);
    struct crmpi_window_segment *segments = malloc((*n_out + 1) * sizeof *segments);

    for (size_t i = 0; list && segments && i < *n_out; i++)
        segments[i] = segment_of(list[i]->extra);
    *list_out = segments;
    if (list && segments) {
        free(list);
        return CRMPI_OK;
    }
    free(list);
    free(segments);
    *list_out = NULL;
    return CRMPI_ERR_NOMEM;
}

/*
 * Restart
 */

static int epochs_enter(const struct crmpi_handle *handle)
{
    const struct crmpi_win *w = handle->extra;
    int n = w->n_members, error = MPI_SUCCESS;

    if (w->epoch == CRMPI_EPOCH_LOCK_ALL)
        return PMPI_Win_lock_all(w->lock_all_assert, handle->real);
    if (w->is_open)
        return PMPI_Win_lock_all(MPI_MODE_NOCHECK, handle->real);
    for (int i = 0; w->n_locks && i < n && error == MPI_SUCCESS; i++)
        if (w->locks[i].type)
            error =
                PMPI_Win_lock(w->locks[i].type, i,
                              w->locks[i].nocheck ? MPI_MODE_NOCHECK : 0, handle->real);
    return error;
}

static int rebuild(struct crmpi_handle *handle, char *why, size_t why_bytes)
{
    struct crmpi_win *w = handle->extra;
    MPI_Comm comm = CRMPI_REAL(MPI_Comm, w->comm);
    MPI_Info info = crmpi_win_info_make((void *)w->info);
    int error = crmpi_win_make(handle, comm, info, why, why_bytes);

    crmpi_info_drop(info);
    if (error == MPI_SUCCESS)
        error = PMPI_Barrier(comm); /* every segment has its contents */
    return error == MPI_SUCCESS ? epochs_enter(handle) : error;
}

/* The lowest id that some rank has still to make; UINT64_MAX: none. */
static int next_turn(uint64_t mine, uint64_t *turn_out)
{
    return PMPI_Allreduce(&mine, turn_out, 1, MPI_UINT64_T, MPI_MIN, crmpi_private_world);
}

static void say(const struct crmpi_win *w, int error, char *why, size_t why_bytes)
{
    char text[MPI_MAX_ERROR_STRING] = "";
    int length;

    PMPI_Error_string(error, text, &length);
    snprintf(why, why_bytes, "the window %s%sof %d processes cannot be made again: %s",
             w->name ? w->name : "", w->name && w->name[0] ? " " : "", w->n_members,
             text);
}

/* One after the other in the whole job: Open MPI names files of its own by a number that
 * windows of different groups may share, and making both at once fails. */
enum crmpi_status crmpi_windows_rebuild(char *why, size_t why_bytes)
{
    struct crmpi_handle **list;
    size_t n, i = 0;
    uint64_t turn;
    int error;

    list = windows(&n);
    if (!list) {
        snprintf(why, why_bytes, "no memory");
        return CRMPI_ERR_NOMEM;
    }
    why[0] = 0;
    while ((error = next_turn(i < n ? id_of(list[i]->extra) : UINT64_MAX, &turn)) ==
               MPI_SUCCESS &&
           turn != UINT64_MAX) {
        if (i == n || id_of(list[i]->extra) != turn)
            continue;
        error = rebuild(list[i], why, why_bytes);
        if (error != MPI_SUCCESS) {
            if (!why[0])
                say(list[i]->extra, error, why, why_bytes);
            break;
        }
        i++;
    }
    if (error != MPI_SUCCESS && !why[0])
        snprintf(why, why_bytes, "windows cannot be made again");
    free(list);
    return error == MPI_SUCCESS ? CRMPI_OK : CRMPI_ERR_MPI;
}
