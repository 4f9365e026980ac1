/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * MPI_THREAD_FUNNELED and MPI_THREAD_SERIALIZED: a team of threads computes between
 * barriers of its own, and the first (or, serialized, each in turn) communicates.
 * Second argument: "serialized", or nothing.
 */
#include "message.h"
#include <pthread.h>

#define N_THREADS 3
#define N_CELLS 999

static pthread_barrier_t team;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t passed = PTHREAD_COND_INITIALIZER;
static int turn; /* the thread that may communicate: the same order in all ranks */
static long steps;
static int serialized, left, right;
static uint64_t cells[N_CELLS], expected[N_CELLS];
static __thread uint64_t thread_sum; /* thread-local data have to come back, too */

/* The ghost value from the left neighbour, mixed into all cells by the team. */
static uint64_t ghost_of(long step, int rank)
{
    return check_hash((uint64_t)step, (uint64_t)rank);
}

static void communicate(long step, int thread)
{
    char out[2000], in[2000];
    int n = 24 + (int)(step * 31 % 1900), tag = thread;
    MPI_Request request;
    MPI_Status status;

    message_make(out, n, check_rank, right, tag, (uint64_t)step);
    CHECK_MPI(MPI_Irecv(in, 2000, MPI_BYTE, left, tag, MPI_COMM_WORLD, &request));
    CHECK_MPI(MPI_Send(out, n, MPI_BYTE, right, tag, MPI_COMM_WORLD));
    CHECK_MPI(MPI_Wait(&request, &status));
    MESSAGE_STATUS(&status, n, left, tag);
    MESSAGE_CHECK(in, n, left, check_rank, tag, (uint64_t)step);
}

static void wait_turn(int thread)
{
    pthread_mutex_lock(&mutex);
    while (turn != thread)
        pthread_cond_wait(&passed, &mutex);
    pthread_mutex_unlock(&mutex);
}

static void pass_turn(int thread)
{
    pthread_mutex_lock(&mutex);
    turn = (thread + 1) % N_THREADS;
    pthread_cond_broadcast(&passed);
    pthread_mutex_unlock(&mutex);
}

/* The team's share of the work: cells first..end-1. */
static void compute(long step, int thread)
{
    int first = thread * N_CELLS / N_THREADS, end = (thread + 1) * N_CELLS / N_THREADS;

    for (int i = first; i < end; i++)
        cells[i] = check_hash(cells[i], ghost_of(step, left));
    thread_sum += cells[first];
}

static void *work(void *argument)
{
    int thread = (int)(intptr_t)argument, is_main;
    uint64_t sum = 0;

    CHECK_MPI(MPI_Is_thread_main(&is_main));
    CHECK_EQ(is_main, thread == 0);
    for (long step = 0; step < steps; step++) {
        pthread_barrier_wait(&team);
        if (serialized) {
            wait_turn(thread);
            communicate(step, thread);
            pass_turn(thread);
        } else if (thread == 0) {
            communicate(step, 0);
        }
        pthread_barrier_wait(&team);
        compute(step, thread);
        sum += cells[thread * N_CELLS / N_THREADS];
        CHECK(sum == thread_sum, "thread %d: the thread-local sum is wrong", thread);
    }
    return (void *)(uintptr_t)sum;
}

int main(int argc, char **argv)
{
    pthread_t threads[N_THREADS];
    int provided, i;
    void *result;

    serialized = argc > 2 && strcmp(argv[2], "serialized") == 0;
    MPI_Init_thread(&argc, &argv,
                    serialized ? MPI_THREAD_SERIALIZED : MPI_THREAD_FUNNELED, &provided);
    steps = check_begin(serialized ? "threads_serialized" : "threads_funneled", argc,
                        argv, 4000);
    CHECK(provided >= (serialized ? MPI_THREAD_SERIALIZED : MPI_THREAD_FUNNELED),
          "only thread level %d", provided);
    left = (check_rank + check_size - 1) % check_size;
    right = (check_rank + 1) % check_size;
    for (i = 0; i < N_CELLS; i++)
        expected[i] = cells[i] = (uint64_t)i;
    pthread_barrier_init(&team, NULL, N_THREADS);
    for (i = 1; i < N_THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, work, (void *)(intptr_t)i), 0);
    work(NULL);
    for (i = 1; i < N_THREADS; i++) {
        CHECK_EQ(pthread_join(threads[i], &result), 0);
        check_note((uint64_t)(uintptr_t)result);
    }
    for (long step = 0; step < steps; step++)
        for (i = 0; i < N_CELLS; i++)
            expected[i] = check_hash(expected[i], ghost_of(step, left));
    for (i = 0; i < N_CELLS; i++)
        CHECK(cells[i] == expected[i], "cell %d is wrong", i);
    check_note(cells[0]);
    check_end(steps);
    MPI_Finalize();
    return 0;
}
