/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * MPI's files and MPI_THREAD_MULTIPLE: each thread writes and reads a file of its own,
 * together with the thread of that number in the other ranks, while the other threads do
 * the same at their own pace.  With atomic access a barrier is enough between writing and
 * reading: Open MPI's MPI_File_sync fails while another thread waits for its access.
 */
#include "check.h"
#include <pthread.h>

#define N_THREADS 3
#define N 128

static struct work {
    int number;
    long steps;
    MPI_Comm comm;
    MPI_File file;
    uint64_t digest;
} works[N_THREADS];

static void fill(int *out, const struct work *work, long step, int rank)
{
    for (int i = 0; i < N; i++)
        out[i] = (int)(check_hash4((uint64_t)work->number, (uint64_t)step, (uint64_t)rank,
                                   (uint64_t)i) >>
                       33);
}

/* A block of each rank by a collective, then one of each rank by itself. */
static void step_do(struct work *work, long step)
{
    MPI_Offset at = 2 * step * check_size * N, position;
    int out[N], in[N], next = (check_rank + 1) % check_size;

    fill(out, work, step, check_rank);
    CHECK_MPI(MPI_File_write_ordered(work->file, out, N, MPI_INT, MPI_STATUS_IGNORE));
    CHECK_MPI(MPI_File_write_at(work->file, at + (check_size + check_rank) * N, out, N,
                                MPI_INT, MPI_STATUS_IGNORE));
    if ((step + work->number) % 16 == check_rank)
        check_sleep_ms(5);
    CHECK_MPI(MPI_Barrier(work->comm));
    CHECK_MPI(MPI_File_seek(work->file, at + (check_size + next) * N, MPI_SEEK_SET));
    CHECK_MPI(MPI_File_read_all(work->file, in, N, MPI_INT, MPI_STATUS_IGNORE));
    fill(out, work, step, next);
    CHECK(memcmp(in, out, sizeof in) == 0, "thread %d, step %ld", work->number, step);
    CHECK_MPI(
        MPI_File_read_at(work->file, at + next * N, in, N, MPI_INT, MPI_STATUS_IGNORE));
    CHECK(memcmp(in, out, sizeof in) == 0, "ordered, thread %d, step %ld", work->number,
          step);
    CHECK_MPI(MPI_File_get_position(work->file, &position));
    CHECK_EQ(position, at + (check_size + next + 1) * N);
    CHECK_MPI(MPI_File_seek_shared(work->file, at + 2 * check_size * N, MPI_SEEK_SET));
    work->digest = check_hash(work->digest, (uint64_t)in[N - 1]);
}

static void *run(void *data)
{
    struct work *work = data;

    for (long step = 0; step < work->steps; step++)
        step_do(work, step);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[N_THREADS];
    long steps;
    int provided;

    MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided);
    steps = check_begin("mpiio_threads", argc, argv, 100);
    CHECK_EQ(provided, MPI_THREAD_MULTIPLE);
    for (int i = 0; i < N_THREADS; i++) {
        char name[64];

        works[i].number = i;
        works[i].steps = steps;
        snprintf(name, sizeof name, "thread-%d.tmp", i);
        CHECK_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &works[i].comm));
        CHECK_MPI(MPI_File_open(works[i].comm, name, MPI_MODE_RDWR | MPI_MODE_CREATE,
                                MPI_INFO_NULL, &works[i].file));
        CHECK_MPI(MPI_File_set_atomicity(works[i].file, 1));
        CHECK_MPI(MPI_File_set_view(works[i].file, 0, MPI_INT, MPI_INT, "native",
                                    MPI_INFO_NULL));
    }
    for (int i = 0; i < N_THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, run, &works[i]), 0);
    for (int i = 0; i < N_THREADS; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
        check_note(works[i].digest);
        CHECK_MPI(MPI_File_close(&works[i].file));
        CHECK_MPI(MPI_Comm_free(&works[i].comm));
    }
    check_end(steps);
    MPI_Finalize();
    return 0;
}
