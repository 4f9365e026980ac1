/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the segments of shared windows lie, of which some have no bytes: one behind the
 * other, or on pages of their own.  What MPI_Win_shared_query and the attributes tell, as
 * sizes, distances, and whether there is an address at all, goes into the digest, which
 * has to be that of a native run.  All bytes that are told of are used.
 */
#include "rma.h"

#define N_PATTERNS 6
#define N_KEPT (2 * N_PATTERNS)
#define UNTOUCHED ((unsigned char *)8)

struct window {
    MPI_Win win;
    int n, rank, pattern;
    unsigned char *base;
};

static struct window kept[N_KEPT], alone;

static MPI_Aint size_of(int pattern, int rank, int n)
{
    switch (pattern) {
    case 0:
        return 0;
    case 1:
        return rank % 2 ? 0 : 64;
    case 2:
        return rank % 2 ? 100 : 0;
    case 3:
        return rank == n - 1 ? 0 : 5000;
    case 4:
        return 4096;
    default:
        return 17 * rank + 1;
    }
}

static void make(struct window *w, MPI_Comm comm, int pattern, const char *apart)
{
    MPI_Info info;

    MPI_Comm_size(comm, &w->n);
    MPI_Comm_rank(comm, &w->rank);
    w->pattern = pattern;
    CHECK_MPI(MPI_Info_create(&info));
    CHECK_MPI(MPI_Info_set(info, "alloc_shared_noncontig", apart));
    CHECK_MPI(MPI_Win_allocate_shared(size_of(pattern, w->rank, w->n), 1 + w->rank % 3,
                                      info, comm, &w->base, &w->win));
    CHECK_MPI(MPI_Info_free(&info));
    CHECK_MPI(MPI_Win_set_errhandler(w->win, MPI_ERRORS_RETURN));
    CHECK_MPI(MPI_Win_lock_all(0, w->win));
}

static void end(struct window *w)
{
    CHECK_MPI(MPI_Win_unlock_all(w->win));
    CHECK_MPI(MPI_Win_free(&w->win));
}

/* What is told of a rank; returns the size. */
static MPI_Aint look(const struct window *w, int rank, unsigned char **base_out)
{
    MPI_Aint size = -7;
    int unit = -7, class = -7;
    unsigned char *base = UNTOUCHED;

    MPI_Error_class(MPI_Win_shared_query(w->win, rank, &size, &unit, &base), &class);
    check_note(check_hash4((uint64_t)size, (uint64_t)unit, (uint64_t) class,
                           base == UNTOUCHED ? 2 : base != NULL));
    *base_out = base;
    return size;
}

static void attributes(const struct window *w)
{
    void *value;
    int flag;

    CHECK_MPI(MPI_Win_get_attr(w->win, MPI_WIN_BASE, &value, &flag));
    CHECK(flag && value == w->base, "the base is %p, not %p", value, (void *)w->base);
    CHECK_MPI(MPI_Win_get_attr(w->win, MPI_WIN_SIZE, &value, &flag));
    CHECK_EQ(*(MPI_Aint *)value, size_of(w->pattern, w->rank, w->n));
    check_note(w->base != NULL);
}

/* Look at all segments; what step before has written is there, also in what the library
 * has added to a segment that lies apart. */
static void step_of(const struct window *w, long step)
{
    unsigned char *base, *first = NULL;
    MPI_Aint size;

    attributes(w);
    for (int i = 0; i < w->n; i++) {
        size = look(w, i, &base);
        if (i == w->rank)
            CHECK(base == w->base, "the own base is %p, not %p", (void *)base,
                  (void *)w->base);
        if (!first)
            first = base;
        if (base)
            check_note((uint64_t)(base - first));
        if (step > 0)
            CHECK_FILLED(base, (size_t)size, check_hash((uint64_t)step - 1, (uint64_t)i));
    }
    look(w, MPI_PROC_NULL, &base);
    look(w, -1, &base);
    look(w, w->n, &base);
}

static void fill(const struct window *w, long step)
{
    MPI_Aint size;
    unsigned char *base;
    int unit;

    CHECK_MPI(MPI_Win_shared_query(w->win, w->rank, &size, &unit, &base));
    check_fill(base, (size_t)size, check_hash((uint64_t)step, (uint64_t)w->rank));
    CHECK_MPI(MPI_Win_sync(w->win));
}

/* Windows that live for one step. */
static void others(long step)
{
    struct window w;

    make(&w, MPI_COMM_WORLD, (int)(step % N_PATTERNS), step % 4 < 2 ? "true" : "false");
    step_of(&w, 0);
    end(&w);
    make(&w, MPI_COMM_SELF, 0, step % 2 ? "yes" : "no");
    step_of(&w, 0);
    end(&w);
}

int main(int argc, char **argv)
{
    long step, steps;
    int i;

    MPI_Init(&argc, &argv);
    steps = check_begin("rma_segments", argc, argv, 1000);
    for (i = 0; i < N_KEPT; i++)
        make(&kept[i], MPI_COMM_WORLD, i % N_PATTERNS, i < N_PATTERNS ? "false" : "true");
    make(&alone, MPI_COMM_SELF, 1, "true");
    for (step = 0; step < steps; step++) {
        for (i = 0; i < N_KEPT; i++)
            step_of(&kept[i], step);
        step_of(&alone, 0);
        MPI_Barrier(MPI_COMM_WORLD);
        for (i = 0; i < N_KEPT; i++)
            fill(&kept[i], step);
        if (step % 4 == 0)
            others(step);
        MPI_Barrier(MPI_COMM_WORLD);
    }
    for (i = 0; i < N_KEPT; i++)
        end(&kept[i]);
    end(&alone);
    check_end(steps);
    MPI_Finalize();
    return 0;
}
