/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Times one-sided communication of rank 0 with the memory of rank 1, which waits in MPI
 * meanwhile, in a window of each kind; and loads and stores in shared memory.  An ordinary
 * MPI program: bench/run starts it with and without crmpi.
 */
#include "measure.h"

#define LARGE (1 << 20)

static MPI_Win win;
static char *memory; /* of the window, in this rank; for shared ones rank 1's */
static char buffer[LARGE];

/* Calls of rank 0, each complete at the target when the next begins. */
#define COMPLETED(NAME, ...)                                                             \
    static void NAME(int bytes, int n)                                                   \
    {                                                                                    \
        (void)bytes;                                                                     \
        for (int i = 0; world_rank == 0 && i < n; i++) {                                 \
            __VA_ARGS__;                                                                 \
            MPI_Win_flush(1, win);                                                       \
        }                                                                                \
    }

static const long one = 1;
static long before;

COMPLETED(put, MPI_Put(buffer, bytes, MPI_CHAR, 1, 0, bytes, MPI_CHAR, win))
COMPLETED(get, MPI_Get(buffer, bytes, MPI_CHAR, 1, 0, bytes, MPI_CHAR, win))
COMPLETED(accumulate, MPI_Accumulate(&one, 1, MPI_LONG, 1, 0, 1, MPI_LONG, MPI_SUM, win))
COMPLETED(fetch, MPI_Fetch_and_op(&one, &before, MPI_LONG, 1, 0, MPI_SUM, win))

static void fence(int bytes, int n)
{
    (void)bytes;
    for (int i = 0; i < n; i++)
        MPI_Win_fence(0, win);
}

/* Shared, as taking exclusive ones again and again may hang in Open MPI 4.1 (osc/rdma). */
static void lock(int bytes, int n)
{
    (void)bytes;
    for (int i = 0; world_rank == 0 && i < n; i++) {
        MPI_Win_lock(MPI_LOCK_SHARED, 1, 0, win);
        MPI_Win_unlock(1, win);
    }
}

/* Add up and change all words of rank 1's segment. */
static void touch(int bytes, int n)
{
    volatile long *words = (volatile long *)(void *)memory;

    for (int i = 0; world_rank == 0 && i < n; i++)
        for (size_t k = 0; k < (size_t)bytes / sizeof *words; k++)
            words[k] += 1;
}

static void measure_as(const char *kind, const char *what, void (*run)(int, int),
                       int bytes, int n)
{
    char name[64];

    snprintf(name, sizeof name, "%s_%s", kind, what);
    measure(name, run, bytes, n, 1);
}

static void measure_window(const char *kind)
{
    measure_as(kind, "fence", fence, 0, 100);
    MPI_Win_fence(MPI_MODE_NOSUCCEED, win);
    measure_as(kind, "lock", lock, 0, 100);
    MPI_Win_lock_all(0, win);
    measure_as(kind, "put_8", put, 8, 500);
    measure_as(kind, "get_8", get, 8, 500);
    measure_as(kind, "accumulate_8", accumulate, 8, 200);
    measure_as(kind, "fetch_8", fetch, 8, 200);
    measure_as(kind, "put_1m", put, LARGE, 4);
    measure_as(kind, "get_1m", get, LARGE, 4);
    MPI_Win_unlock_all(win);
    MPI_Win_free(&win);
}

int main(int argc, char **argv)
{
    MPI_Aint bytes;
    int disp_unit;

    measure_begin(&argc, &argv, "bench-rma");
    MPI_Alloc_mem(LARGE, MPI_INFO_NULL, &memory);
    MPI_Win_create(memory, LARGE, 1, MPI_INFO_NULL, MPI_COMM_WORLD, &win);
    measure_window("create");
    MPI_Free_mem(memory);
    MPI_Win_allocate(LARGE, 1, MPI_INFO_NULL, MPI_COMM_WORLD, &memory, &win);
    measure_window("allocate");
    MPI_Win_allocate_shared(LARGE, 1, MPI_INFO_NULL, MPI_COMM_WORLD, &memory, &win);
    MPI_Win_shared_query(win, 1, &bytes, &disp_unit, &memory);
    measure("shared_touch", touch, LARGE, 4, 1);
    MPI_Win_free(&win);
    MPI_Finalize();
    return 0;
}
