/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the tests of one-sided communication share: windows of all flavours that are used
 * alike.  Positions in a window are offsets in bytes from its start at the target.  Shared
 * windows are among the flavours, unless CHECK_SPREAD is set: the ranks may be on several hosts
 * then, now or after a restart.  Upper half.
 */
#ifndef TESTS_MPI_RMA_H
#define TESTS_MPI_RMA_H

#include "check.h"

enum rma_flavour { RMA_CREATE, RMA_ALLOCATE, RMA_SHARED, RMA_DYNAMIC, RMA_FLAVOURS };

struct rma_window {
    MPI_Win win;
    MPI_Comm comm;
    enum rma_flavour flavour;
    unsigned char *base;
    size_t bytes;
    int disp_unit;    /* the same in all ranks */
    MPI_Aint *starts; /* dynamic: addresses in all ranks */
};

static inline int rma_is_spread(void)
{
    return getenv("CHECK_SPREAD") != NULL;
}

/** Whether Open MPI's osc/ucx is asked for. */
static inline int rma_is_ucx(void)
{
    const char *component = getenv("OMPI_MCA_osc");

    return component && strstr(component, "ucx");
}

/** The displacement of an offset that the disp_unit divides. */
static inline MPI_Aint rma_disp(const struct rma_window *w, int target, size_t offset)
{
    if (w->flavour == RMA_DYNAMIC)
        return MPI_Aint_add(w->starts[target], (MPI_Aint)offset);
    return (MPI_Aint)offset / w->disp_unit;
}

/** Make a window with @p bytes of zeros in this rank; collective.  Where Open MPI 4.1 has
 * no component for the flavour, with one process only, it is allocated.  osc/ucx crashes now and
 * then at what is attached to a dynamic one. */
static inline void rma_open(struct rma_window *w, enum rma_flavour flavour, MPI_Comm comm,
                            size_t bytes, int disp_unit, MPI_Info info)
{
    MPI_Aint size = (MPI_Aint)bytes, start;
    int n;

    *w = (struct rma_window){MPI_WIN_NULL, comm, flavour, NULL, bytes, disp_unit, NULL};
    MPI_Comm_size(comm, &n);
    if (flavour == RMA_SHARED && rma_is_spread())
        w->flavour = flavour = RMA_ALLOCATE;
    if (flavour == RMA_DYNAMIC && rma_is_ucx())
        w->flavour = flavour = RMA_CREATE;
    if (n == 1 && flavour != RMA_SHARED)
        w->flavour = flavour = RMA_ALLOCATE;
    if (flavour == RMA_CREATE) {
        CHECK_MPI(MPI_Alloc_mem(size, MPI_INFO_NULL, &w->base));
        CHECK_MPI(MPI_Win_create(w->base, size, disp_unit, info, comm, &w->win));
    } else if (flavour == RMA_ALLOCATE) {
        CHECK_MPI(MPI_Win_allocate(size, disp_unit, info, comm, &w->base, &w->win));
    } else if (flavour == RMA_SHARED) {
        CHECK_MPI(
            MPI_Win_allocate_shared(size, disp_unit, info, comm, &w->base, &w->win));
    } else {
        w->starts = check_alloc((size_t)n * sizeof *w->starts);
        w->base = check_alloc(bytes);
        CHECK_MPI(MPI_Win_create_dynamic(info, comm, &w->win));
        CHECK_MPI(MPI_Win_attach(w->win, w->base, size));
        CHECK_MPI(MPI_Get_address(w->base, &start));
        CHECK_MPI(MPI_Allgather(&start, 1, MPI_AINT, w->starts, 1, MPI_AINT, comm));
    }
    memset(w->base, 0, bytes);
    CHECK_MPI(MPI_Barrier(comm));
}

/** Free it; collective. */
static inline void rma_close(struct rma_window *w)
{
    if (w->flavour == RMA_DYNAMIC) {
        CHECK_MPI(MPI_Barrier(w->comm));
        CHECK_MPI(MPI_Win_detach(w->win, w->base));
    }
    CHECK_MPI(MPI_Win_free(&w->win));
    CHECK(w->win == MPI_WIN_NULL, "the handle of a freed window");
    if (w->flavour == RMA_CREATE)
        CHECK_MPI(MPI_Free_mem(w->base));
    else if (w->flavour == RMA_DYNAMIC)
        free(w->base);
    free(w->starts);
}

/** Messages around the ring, in the middle of whatever epoch is open. */
static inline void rma_chat(long step)
{
    long in = -1, out = step * 1000 + check_rank;
    int left = (check_rank + check_size - 1) % check_size;

    CHECK_MPI(MPI_Sendrecv(&out, 1, MPI_LONG, (check_rank + 1) % check_size, 90, &in, 1,
                           MPI_LONG, left, 90, MPI_COMM_WORLD, MPI_STATUS_IGNORE));
    CHECK_EQ(in, step * 1000 + left);
}

/** Spend time in the state the program is in: at times nothing, at times some
 * milliseconds without MPI; @p seed may differ between ranks. */
static inline void rma_dwell(uint64_t seed)
{
    switch (check_mix(seed) % 8) {
    case 0:
        check_sleep_ms(3 + (int)(seed % 8));
        break;
    case 1:
        check_compute(4, seed);
        break;
    default:
        break;
    }
}

#endif
