/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Leave to access a segment of a window (lower half).  Before its first access in an
 * interval a rank tells the owner of the segment, by way of the protocol threads, so that
 * the owner's checkpoint knows whom it depends on, although its application takes no part;
 * and the answer waits while the segment is being saved.  Reads change nothing there and
 * are only noted here.
 *
 * The accesses for which there is leave are marked; a new interval clears the marks.  A
 * thread looks at the mark where it cannot park, so an access falls into the interval that
 * it has leave for.
 */
#include <sched.h>
#include <string.h>

#include "engine/engine.h"
#include "wrappers/hand/cut.h"
#include "wrappers/hand/window.h"

static void mark(struct crmpi_win *w, int rank, uint32_t how)
{
    __atomic_or_fetch(&w->marks[rank], (uint8_t)how, __ATOMIC_RELEASE);
}

void crmpi_win_marks_clear(struct crmpi_win *w)
{
    int own = crmpi_comm_of(w->comm)->rank;

    for (int i = 0; i < w->n_members; i++)
        w->used |= i != own ? w->marks[i] : 0;
    memset(w->marks, 0, w->n_members);
    w->marks[own] = 0xff;
}

static void wait(const struct crmpi_win *w, int rank, uint32_t how)
{
    int32_t generation =
        __atomic_load_n(&crmpi_control->park_generation, __ATOMIC_ACQUIRE);
    int flag;

    while (!crmpi_win_has_leave(w, rank, how) &&
           generation == __atomic_load_n(&crmpi_control->park_generation, __ATOMIC_ACQUIRE)) {
        PMPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, crmpi_private_self, &flag,
                    MPI_STATUS_IGNORE);
        sched_yield();
        crmpi_park_point();
    }
}

void crmpi_win_ask(struct crmpi_win *w, int rank, uint32_t how)
{
    const struct crmpi_comm *c = crmpi_comm_of(w->comm);

    if (how == CRMPI_HOW_READ) {
        mark(w, rank, how);
        return;
    }
    while (!crmpi_win_has_leave(w, rank, how)) {
        if (crmpi_engine_touch((uint32_t)c->members[rank], c->id, how) == 0)
            wait(w, rank, how);
        else
            mark(w, rank, how);
    }
}

struct grant {
    uint64_t window;
    uint32_t owner, how;
};

static void take(struct crmpi_handle *handle, void *context)
{
    const struct grant *grant = context;
    struct crmpi_win *w = handle->extra;
    const struct crmpi_comm *c =
        w && !(handle->flags & CRMPI_HANDLE_FREED) ? crmpi_comm_of(w->comm) : NULL;

    for (int i = 0; c && w->marks && c->id == grant->window && i < w->n_members; i++)
        if (c->members[i] == (int32_t)grant->owner)
            mark(w, i, grant->how);
}

void crmpi_touch_granted(uint32_t owner, uint64_t interval, uint64_t window, uint32_t how)
{
    struct grant grant = {.window = window, .owner = owner, .how = how};

    if (interval == crmpi_interval()) /* else the thread asks again */
        crmpi_handle_visit(CRMPI_WIN, take, &grant);
}
