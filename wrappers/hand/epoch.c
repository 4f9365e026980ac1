/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Synchronisation of windows (lower half; see window.h).
 *
 * Calls that wait for no application code, only for the library's progress in other
 * processes (which goes on while their threads are parked), are not interrupted by a
 * checkpoint: it finds their work done or not begun.  The others wait in a barrier, for
 * messages, or for a lock, and can be made again.
 */
#include <stdlib.h>

#include "threads/wait.h"
#include "wrappers/hand/window.h"

/* On the window's own communicator. */
enum { TAG_POST = 1, TAG_COMPLETE };

static int fail(MPI_Win win, int error, const char *function)
{
    return crmpi_win_error(win, error, function);
}

/*
 * crmpi's own epoch in the lower window
 */

static int own_open(struct crmpi_win *w, MPI_Win real)
{
    int error = w->is_open ? MPI_SUCCESS : PMPI_Win_lock_all(MPI_MODE_NOCHECK, real);

    w->is_open |= error == MPI_SUCCESS;
    return error;
}

int crmpi_win_close(struct crmpi_win *w, MPI_Win real)
{
    int error = MPI_SUCCESS;

    crmpi_whole_begin();
    if (w->is_open) {
        error = PMPI_Win_unlock_all(real);
        w->flushed = w->begun;
        w->is_open = 0;
    }
    crmpi_whole_end();
    return error;
}

/* All that was begun is done, here and at the targets. */
static int flush_all(struct crmpi_win *w, MPI_Win real)
{
    uint64_t begun = __atomic_load_n(&w->begun, __ATOMIC_ACQUIRE);
    int error = PMPI_Win_flush_all(real);

    if (error == MPI_SUCCESS)
        __atomic_store_n(&w->flushed, begun, __ATOMIC_RELEASE);
    return error;
}

static int own_complete(struct crmpi_win *w, MPI_Win real)
{
    int error = w->is_open && (!w->targets || w->begun != w->flushed)
                    ? flush_all(w, real)
                    : MPI_SUCCESS;

    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return error;
}

/*
 * Fence
 */

int crmpi_lower_MPI_Win_fence(int assert, MPI_Win win)
{
    struct crmpi_win *w = crmpi_win_of(win);
    MPI_Win real = CRMPI_REAL(MPI_Win, win);
    int error = MPI_SUCCESS;

    if (!w || w->epoch > CRMPI_EPOCH_FENCE)
        return fail(win, w ? MPI_ERR_RMA_SYNC : MPI_ERR_WIN, "MPI_Win_fence");
    if (assert & ~(MPI_MODE_NOSTORE | MPI_MODE_NOPUT | MPI_MODE_NOPRECEDE |
                   MPI_MODE_NOSUCCEED))
        return fail(win, MPI_ERR_ASSERT, "MPI_Win_fence");
    crmpi_whole_begin();
    if (!(assert & MPI_MODE_NOPRECEDE))
        error = own_complete(w, real);
    crmpi_whole_end();
    if (error == MPI_SUCCESS)
        error = crmpi_lower_MPI_Barrier(w->comm);
    if (error != MPI_SUCCESS)
        return fail(win, error, "MPI_Win_fence");
    crmpi_log_clear(&w->puts);
    if (assert & MPI_MODE_NOSUCCEED) {
        w->epoch = CRMPI_EPOCH_NONE;
        return crmpi_win_result(win, crmpi_win_close(w, real), "MPI_Win_fence");
    }
    crmpi_whole_begin();
    error = own_open(w, real);
    w->epoch = CRMPI_EPOCH_FENCE;
    crmpi_whole_end();
    return crmpi_win_result(win, error, "MPI_Win_fence");
}

/*
 * Post, start, complete, wait
 */

void crmpi_win_group_fini(struct crmpi_win_group *group)
{
    crmpi_heap_free(group->ranks);
    crmpi_heap_free(group->requests);
    *group = (struct crmpi_win_group){0};
}

/* Take the members of a group, as ranks of the window. */
static int group_take(struct crmpi_win_group *to, const struct crmpi_win *w,
                      MPI_Group group)
{
    MPI_Group all, real = CRMPI_REAL(MPI_Group, group);
    int n, error, *ranks;

    if (!real || real == MPI_GROUP_NULL)
        return MPI_ERR_GROUP;
    error = PMPI_Group_size(real, &n);
    if (error == MPI_SUCCESS)
        error = PMPI_Comm_group(CRMPI_REAL(MPI_Comm, w->comm), &all);
    if (error != MPI_SUCCESS)
        return error;
    ranks = malloc((n + 1) * sizeof *ranks);
    for (int i = 0; ranks && i < n; i++)
        ranks[i] = i;
    to->ranks = crmpi_upper_alloc((n + 1) * sizeof *to->ranks);
    to->requests = crmpi_upper_alloc((n + 1) * sizeof(MPI_Request));
    to->n = n;
    error = ranks ? PMPI_Group_translate_ranks(real, n, ranks, all, to->ranks)
                  : MPI_ERR_NO_MEM;
    for (int i = 0; error == MPI_SUCCESS && i < n; i++)
        if (to->ranks[i] < 0)
            error = MPI_ERR_GROUP;
    free(ranks);
    PMPI_Group_free(&all);
    if (error != MPI_SUCCESS)
        crmpi_win_group_fini(to);
    return error;
}

/* An empty message to each; they are sent when they are handed over. */
static int notify(const struct crmpi_win *w, const struct crmpi_win_group *group, int tag)
{
    int error = MPI_SUCCESS;

    for (int i = 0; i < group->n && error == MPI_SUCCESS; i++) {
        MPI_Request request;
        error = crmpi_lower_MPI_Isend(NULL, 0, CRMPI_UPPER(MPI_Datatype, ompi_mpi_byte),
                                      group->ranks[i], tag, w->comm, &request);
        if (error == MPI_SUCCESS)
            error = crmpi_lower_MPI_Request_free(&request);
    }
    return error;
}

static int expect(const struct crmpi_win *w, struct crmpi_win_group *group, int tag)
{
    int error = MPI_SUCCESS;

    for (int i = 0; i < group->n && error == MPI_SUCCESS; i++) {
        error = crmpi_lower_MPI_Irecv(NULL, 0, CRMPI_UPPER(MPI_Datatype, ompi_mpi_byte),
                                      group->ranks[i], tag, w->comm, &group->requests[i]);
        group->n_requests += error == MPI_SUCCESS;
    }
    return error;
}

int crmpi_lower_MPI_Win_post(MPI_Group group, int assert, MPI_Win win)
{
    struct crmpi_win *w = crmpi_win_of(win);
    int error;

    if (!w || w->posted.is_open)
        return fail(win, w ? MPI_ERR_RMA_SYNC : MPI_ERR_WIN, "MPI_Win_post");
    if (assert & ~(MPI_MODE_NOCHECK | MPI_MODE_NOSTORE | MPI_MODE_NOPUT))
        return fail(win, MPI_ERR_ASSERT, "MPI_Win_post");
    crmpi_whole_begin();
    error = group_take(&w->posted, w, group);
    if (error == MPI_SUCCESS) {
        w->posted.is_open = 1;
        w->used |= CRMPI_HOW_SYNC;
        error = expect(w, &w->posted, TAG_COMPLETE);
    }
    if (error == MPI_SUCCESS && !(assert & MPI_MODE_NOCHECK))
        error = notify(w, &w->posted, TAG_POST);
    crmpi_whole_end();
    return crmpi_win_result(win, error, "MPI_Win_post");
}

/* It may wait for the targets' posts: made again, it goes on with that. */
int crmpi_lower_MPI_Win_start(MPI_Group group, int assert, MPI_Win win)
{
    struct crmpi_win *w = crmpi_win_of(win);
    int resumed = crmpi_call_resumed(), error = MPI_SUCCESS;

    if (!w || w->epoch > CRMPI_EPOCH_FENCE || (w->started.is_open && !resumed))
        return fail(win, w ? MPI_ERR_RMA_SYNC : MPI_ERR_WIN, "MPI_Win_start");
    if (assert & ~MPI_MODE_NOCHECK)
        return fail(win, MPI_ERR_ASSERT, "MPI_Win_start");
    crmpi_whole_begin();
    if (!w->started.is_open) {
        error = group_take(&w->started, w, group);
        w->started.is_open = error == MPI_SUCCESS;
        if (error == MPI_SUCCESS && !(assert & MPI_MODE_NOCHECK))
            error = expect(w, &w->started, TAG_POST);
    }
    crmpi_whole_end();
    if (error == MPI_SUCCESS)
        error = crmpi_lower_MPI_Waitall(w->started.n_requests, w->started.requests,
                                        MPI_STATUSES_IGNORE);
    if (error != MPI_SUCCESS) {
        crmpi_win_group_fini(&w->started);
        return fail(win, error, "MPI_Win_start");
    }
    crmpi_whole_begin();
    error = own_open(w, CRMPI_REAL(MPI_Win, win));
    w->started.n_requests = 0;
    w->epoch = CRMPI_EPOCH_START;
    w->used |= CRMPI_HOW_SYNC;
    crmpi_whole_end();
    return crmpi_win_result(win, error, "MPI_Win_start");
}

int crmpi_lower_MPI_Win_complete(MPI_Win win)
{
    struct crmpi_win *w = crmpi_win_of(win);
    int error;

    if (!w || w->epoch != CRMPI_EPOCH_START)
        return fail(win, w ? MPI_ERR_RMA_SYNC : MPI_ERR_WIN, "MPI_Win_complete");
    crmpi_whole_begin();
    error = crmpi_win_close(w, CRMPI_REAL(MPI_Win, win)); /* an access now is an error */
    if (error == MPI_SUCCESS)
        error = notify(w, &w->started, TAG_COMPLETE);
    crmpi_win_group_fini(&w->started);
    w->epoch = CRMPI_EPOCH_NONE;
    crmpi_whole_end();
    return crmpi_win_result(win, error, "MPI_Win_complete");
}

int crmpi_lower_MPI_Win_wait(MPI_Win win)
{
    struct crmpi_win *w = crmpi_win_of(win);
    int error;

    if (!w || !w->posted.is_open)
        return fail(win, w ? MPI_ERR_RMA_SYNC : MPI_ERR_WIN, "MPI_Win_wait");
    error = crmpi_lower_MPI_Waitall(w->posted.n_requests, w->posted.requests,
                                    MPI_STATUSES_IGNORE);
    crmpi_win_group_fini(&w->posted);
    return crmpi_win_result(win, error, "MPI_Win_wait");
}

int crmpi_lower_MPI_Win_test(MPI_Win win, int *flag)
{
    struct crmpi_win *w = crmpi_win_of(win);
    int error;

    if (!w || !w->posted.is_open)
        return fail(win, w ? MPI_ERR_RMA_SYNC : MPI_ERR_WIN, "MPI_Win_test");
    error = crmpi_lower_MPI_Testall(w->posted.n_requests, w->posted.requests, flag,
                                    MPI_STATUSES_IGNORE);
    if (error == MPI_SUCCESS && *flag)
        crmpi_win_group_fini(&w->posted);
    return crmpi_win_result(win, error, "MPI_Win_test");
}

/*
 * Locks
 */

/* Between these no other thread changes the window's epoch and locks. */
static void change_begin(struct crmpi_win *w)
{
    crmpi_whole_begin();
    crmpi_lock(&w->changing);
}

static void change_end(struct crmpi_win *w)
{
    crmpi_unlock(&w->changing);
    crmpi_whole_end();
}

/* Leave a fence's epoch, which a lock ends. */
static int lock_begin(struct crmpi_win *w, MPI_Win real)
{
    int error;

    change_begin(w);
    error = crmpi_win_close(w, real);
    if (w->epoch == CRMPI_EPOCH_FENCE)
        w->epoch = CRMPI_EPOCH_NONE;
    change_end(w);
    return error;
}

/* As the library does, before anything has happened: a call that fails leaves the epoch. */
static int lock_check(const struct crmpi_win *w, int lock_type, int rank, int assert)
{
    if (lock_type != MPI_LOCK_EXCLUSIVE && lock_type != MPI_LOCK_SHARED)
        return MPI_ERR_LOCKTYPE;
    if ((rank < 0 && rank != MPI_PROC_NULL) || rank >= w->n_members)
        return MPI_ERR_RANK;
    if (assert & ~MPI_MODE_NOCHECK)
        return MPI_ERR_ASSERT;
    return !w->locks || rank < 0 || !w->locks[rank].type ? MPI_SUCCESS
                                                         : MPI_ERR_RMA_SYNC;
}

/* The lock is held when the call returns: the component that would leave the asking to the
 * first operation is refused (window.c). */
int crmpi_lower_MPI_Win_lock(int lock_type, int rank, int assert, MPI_Win win)
{
    struct crmpi_win *w = crmpi_win_of(win);
    MPI_Win real = CRMPI_REAL(MPI_Win, win);
    int error;

    crmpi_call_resumed();
    if (!w || w->epoch == CRMPI_EPOCH_START || w->epoch == CRMPI_EPOCH_LOCK_ALL)
        return fail(win, w ? MPI_ERR_RMA_SYNC : MPI_ERR_WIN, "MPI_Win_lock");
    error = lock_check(w, lock_type, rank, assert);
    if (error != MPI_SUCCESS)
        return fail(win, error, "MPI_Win_lock");
    crmpi_win_access_begin(w, rank, CRMPI_HOW_SYNC);
    error = lock_begin(w, real);
    crmpi_whole_end();
    if (error == MPI_SUCCESS) {
        crmpi_spin_begin();
        error = PMPI_Win_lock(lock_type, rank, assert, real);
        crmpi_spin_end();
    }
    if (error != MPI_SUCCESS || rank == MPI_PROC_NULL)
        return crmpi_win_result(win, error, "MPI_Win_lock");
    /* while it waited another interval may have begun, to which the lock belongs */
    crmpi_win_access_begin(w, rank, CRMPI_HOW_SYNC);
    change_begin(w);
    if (!w->locks)
        w->locks = crmpi_upper_alloc(w->n_members * sizeof *w->locks);
    w->locks[rank] = (struct crmpi_win_lock){lock_type, !!(assert & MPI_MODE_NOCHECK)};
    w->n_locks++;
    w->epoch = CRMPI_EPOCH_LOCK;
    change_end(w);
    crmpi_whole_end();
    return crmpi_win_result(win, error, "MPI_Win_lock");
}

int crmpi_lower_MPI_Win_unlock(int rank, MPI_Win win)
{
    struct crmpi_win *w = crmpi_win_of(win);
    int error, is_rank = w && rank >= 0 && rank < w->n_members;

    if (!w || (is_rank && (w->epoch != CRMPI_EPOCH_LOCK || !w->locks[rank].type)))
        return fail(win, w ? MPI_ERR_RMA_SYNC : MPI_ERR_WIN, "MPI_Win_unlock");
    crmpi_call_resumed();
    crmpi_win_access_begin(w, rank, CRMPI_HOW_SYNC);
    error = PMPI_Win_unlock(rank, CRMPI_REAL(MPI_Win, win));
    if (error == MPI_SUCCESS && is_rank) {
        change_begin(w);
        w->locks[rank].type = 0;
        if (--w->n_locks == 0) {
            w->epoch = CRMPI_EPOCH_NONE;
            w->flushed = w->begun;
        }
        change_end(w);
    }
    crmpi_whole_end();
    return crmpi_win_result(win, error, "MPI_Win_unlock");
}

/* As crmpi_win_access_begin(), for the locks of all segments: who waited for one of them,
 * or was waited for, is concerned.  The leave of the first may be gone when that of the
 * last is there. */
static void all_begin(struct crmpi_win *w)
{
    int i = 0;

    crmpi_whole_begin();
    while (i < w->n_members) {
        if (crmpi_win_has_leave(w, i, CRMPI_HOW_SYNC)) {
            i++;
            continue;
        }
        crmpi_whole_end();
        crmpi_win_ask(w, i, CRMPI_HOW_SYNC);
        crmpi_whole_begin();
        i = 0;
    }
}

int crmpi_lower_MPI_Win_lock_all(int assert, MPI_Win win)
{
    struct crmpi_win *w = crmpi_win_of(win);
    MPI_Win real = CRMPI_REAL(MPI_Win, win);
    int error;

    crmpi_call_resumed();
    if (!w || w->epoch > CRMPI_EPOCH_FENCE)
        return fail(win, w ? MPI_ERR_RMA_SYNC : MPI_ERR_WIN, "MPI_Win_lock_all");
    if (assert & ~MPI_MODE_NOCHECK)
        return fail(win, MPI_ERR_ASSERT, "MPI_Win_lock_all");
    error = lock_begin(w, real);
    if (error == MPI_SUCCESS) {
        crmpi_spin_begin();
        error = PMPI_Win_lock_all(assert, real);
        crmpi_spin_end();
    }
    if (error != MPI_SUCCESS)
        return crmpi_win_result(win, error, "MPI_Win_lock_all");
    if (assert & MPI_MODE_NOCHECK)
        crmpi_whole_begin(); /* it has not waited for anybody */
    else
        all_begin(w);
    w->lock_all_assert = assert;
    w->epoch = CRMPI_EPOCH_LOCK_ALL;
    crmpi_whole_end();
    return MPI_SUCCESS;
}

int crmpi_lower_MPI_Win_unlock_all(MPI_Win win)
{
    struct crmpi_win *w = crmpi_win_of(win);
    int error;

    if (!w || w->epoch != CRMPI_EPOCH_LOCK_ALL)
        return fail(win, w ? MPI_ERR_RMA_SYNC : MPI_ERR_WIN, "MPI_Win_unlock_all");
    crmpi_call_resumed();
    all_begin(w);
    error = PMPI_Win_unlock_all(CRMPI_REAL(MPI_Win, win));
    if (error == MPI_SUCCESS) {
        w->epoch = CRMPI_EPOCH_NONE;
        w->flushed = w->begun;
    }
    crmpi_whole_end();
    return crmpi_win_result(win, error, "MPI_Win_unlock_all");
}

/* Flushes are for locks; in crmpi's own epoch the library would not mind. */
#define FLUSH(NAME, PARAMS, CALL)                                                        \
    int crmpi_lower_MPI_Win_##NAME PARAMS                                                \
    {                                                                                    \
        struct crmpi_win *w = crmpi_win_of(win);                                         \
        MPI_Win real = CRMPI_REAL(MPI_Win, win);                                         \
        int error = MPI_ERR_RMA_SYNC;                                                    \
                                                                                         \
        if (!w)                                                                          \
            return fail(win, MPI_ERR_WIN, "MPI_Win_" #NAME);                             \
        crmpi_call_resumed();                                                            \
        crmpi_park_point();                                                              \
        crmpi_whole_begin();                                                             \
        if (w->epoch >= CRMPI_EPOCH_LOCK)                                                \
            error = CALL;                                                                \
        crmpi_whole_end();                                                               \
        return crmpi_win_result(win, error, "MPI_Win_" #NAME);                           \
    }

FLUSH(flush, (int rank, MPI_Win win), PMPI_Win_flush(rank, real))
FLUSH(flush_all, (MPI_Win win), flush_all(w, real))
FLUSH(flush_local, (int rank, MPI_Win win), PMPI_Win_flush_local(rank, real))
FLUSH(flush_local_all, (MPI_Win win), PMPI_Win_flush_local_all(real))
