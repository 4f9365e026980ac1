/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Many threads make communicators at the same time by MPI_Comm_create_group, each from a
 * parent of its own: of all ranks, or of every second one.
 */
#include "check.h"
#include <pthread.h>

#define N_THREADS 24

static MPI_Comm parents[N_THREADS];
static int sums[N_THREADS];
static long now;

/* Messages are counted, also of communicators that are freed at the same time. */
static void exchange(MPI_Comm comm)
{
    int rank, size, got = -1;

    CHECK_MPI(MPI_Comm_rank(comm, &rank));
    CHECK_MPI(MPI_Comm_size(comm, &size));
    CHECK_MPI(MPI_Sendrecv(&rank, 1, MPI_INT, (rank + 1) % size, 3, &got, 1, MPI_INT,
                           (rank + size - 1) % size, 3, comm, MPI_STATUS_IGNORE));
    CHECK_EQ(got, (rank + size - 1) % size);
}

static void *make(void *argument)
{
    int t = (int)(intptr_t)argument, step = 1 + t % 2, value = check_rank + (int)now;
    int range[1][3] = {{0, check_size - 1, step}};
    MPI_Group all, some;
    MPI_Comm comm;

    CHECK_MPI(MPI_Comm_group(parents[t], &all));
    CHECK_MPI(MPI_Group_range_incl(all, 1, range, &some));
    sums[t] = 0;
    if (check_rank % step == 0) {
        CHECK_MPI(MPI_Comm_create_group(parents[t], some, 5, &comm));
        CHECK_MPI(MPI_Allreduce(&value, &sums[t], 1, MPI_INT, MPI_SUM, comm));
        exchange(comm);
        CHECK_MPI(MPI_Comm_free(&comm));
    }
    CHECK_MPI(MPI_Group_free(&all));
    CHECK_MPI(MPI_Group_free(&some));
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[N_THREADS];
    long steps;
    int provided, t;

    MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided);
    steps = check_begin("threads_groups", argc, argv, 40);
    CHECK_EQ(provided, MPI_THREAD_MULTIPLE);
    for (t = 0; t < N_THREADS; t++)
        CHECK_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &parents[t]));
    for (now = 0; now < steps; now++) {
        for (t = 0; t < N_THREADS; t++)
            CHECK_EQ(pthread_create(&threads[t], NULL, make, (void *)(intptr_t)t), 0);
        for (t = 0; t < N_THREADS; t++)
            CHECK_EQ(pthread_join(threads[t], NULL), 0);
        for (t = 0; t < N_THREADS; t++)
            check_note((uint64_t)sums[t]);
    }
    for (t = 0; t < N_THREADS; t++)
        CHECK_MPI(MPI_Comm_free(&parents[t]));
    check_end(steps);
    MPI_Finalize();
    return 0;
}
