/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * MPI_THREAD_MULTIPLE: several threads communicate at the same time, each on its own
 * communicator, with messages, probes and collectives; another sleeps, one waits for a
 * condition, and short-lived ones come and go.
 */
#include "message.h"
#include <pthread.h>

#define N_THREADS 3

static MPI_Comm comms[N_THREADS];
static long steps;
static int left, right;
static volatile int finished;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ticked = PTHREAD_COND_INITIALIZER;
static long ticks;
static uint64_t digests[N_THREADS];

static void ring(MPI_Comm comm, long step, int thread, char *out, char *in)
{
    uint64_t state = check_hash4(1, (uint64_t)step, (uint64_t)thread, 0);
    int n = message_sizes[check_below(&state, 21)], tag = (int)(step % 100);
    MPI_Request request;
    MPI_Status status;

    message_make(out, n, check_rank, right, tag, (uint64_t)step);
    CHECK_MPI(MPI_Isend(out, n, MPI_BYTE, right, tag, comm, &request));
    if (step % 3 == 0) {
        MPI_Message message;
        CHECK_MPI(MPI_Mprobe(left, MPI_ANY_TAG, comm, &message, &status));
        MESSAGE_STATUS(&status, n, left, tag);
        CHECK_MPI(MPI_Mrecv(in, n, MPI_BYTE, &message, &status));
    } else {
        CHECK_MPI(MPI_Recv(in, n, MPI_BYTE, left, tag, comm, &status));
    }
    MESSAGE_STATUS(&status, n, left, tag);
    MESSAGE_CHECK(in, n, left, check_rank, tag, (uint64_t)step);
    CHECK_MPI(MPI_Wait(&request, MPI_STATUS_IGNORE));
}

static void reduce(MPI_Comm comm, long step, int thread)
{
    long value = check_rank + step * 1000 + thread, sum = 0;
    long expected =
        (step * 1000 + thread) * check_size + check_size * (check_size - 1) / 2;
    MPI_Request request;

    if (step % 2) {
        CHECK_MPI(MPI_Allreduce(&value, &sum, 1, MPI_LONG, MPI_SUM, comm));
    } else {
        CHECK_MPI(MPI_Iallreduce(&value, &sum, 1, MPI_LONG, MPI_SUM, comm, &request));
        CHECK_MPI(MPI_Wait(&request, MPI_STATUS_IGNORE));
    }
    CHECK_EQ(sum, expected);
    digests[thread] = check_hash(digests[thread], (uint64_t)sum);
}

static void *short_lived(void *argument)
{
    long *value = argument;
    int rank;

    MPI_Comm_rank(MPI_COMM_WORLD, &rank); /* a call of a thread MPI has not seen before */
    *value = *value * 2 + rank;
    return argument;
}

static void *communicate(void *argument)
{
    int thread = (int)(intptr_t)argument;
    char *out = check_alloc(MESSAGE_MAX), *in = check_alloc(MESSAGE_MAX);

    for (long step = 0; step < steps; step++) {
        ring(comms[thread], step, thread, out, in);
        if (step % 4 == 0)
            reduce(comms[thread], step, thread);
        if (step % 50 == 0) {
            pthread_t child;
            long value = step;
            void *result;
            CHECK_EQ(pthread_create(&child, NULL, short_lived, &value), 0);
            CHECK_EQ(pthread_join(child, &result), 0);
            CHECK(result == &value && value == 2 * step + check_rank, "value %ld", value);
        }
        if (thread == 0) {
            pthread_mutex_lock(&mutex);
            ticks++;
            pthread_cond_signal(&ticked);
            pthread_mutex_unlock(&mutex);
        }
    }
    free(out);
    free(in);
    return NULL;
}

static void *sleeper(void *argument)
{
    long *n = argument;

    while (!finished) {
        double begin = check_seconds();
        check_sleep_ms(7);
        CHECK(check_seconds() - begin >= 0.0069, "slept only %g s",
              check_seconds() - begin);
        ++*n;
    }
    return NULL;
}

static void *waiter(void *argument)
{
    long *seen = argument;

    pthread_mutex_lock(&mutex);
    while (ticks < steps) {
        pthread_cond_wait(&ticked, &mutex);
        CHECK(ticks >= *seen, "ticks went back from %ld to %ld", *seen, ticks);
        *seen = ticks;
    }
    pthread_mutex_unlock(&mutex);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[N_THREADS], sleeping, waiting;
    long n_slept = 0, seen = 0;
    int provided, i;

    MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided);
    steps = check_begin("threads_multiple", argc, argv, 1200);
    CHECK_EQ(provided, MPI_THREAD_MULTIPLE);
    CHECK_MPI(MPI_Query_thread(&provided));
    CHECK_EQ(provided, MPI_THREAD_MULTIPLE);
    left = (check_rank + check_size - 1) % check_size;
    right = (check_rank + 1) % check_size;
    for (i = 0; i < N_THREADS; i++)
        MPI_Comm_dup(MPI_COMM_WORLD, &comms[i]);
    CHECK_EQ(pthread_create(&sleeping, NULL, sleeper, &n_slept), 0);
    CHECK_EQ(pthread_create(&waiting, NULL, waiter, &seen), 0);
    for (i = 1; i < N_THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, communicate, (void *)(intptr_t)i), 0);
    communicate(NULL);
    for (i = 1; i < N_THREADS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    finished = 1;
    CHECK_EQ(pthread_join(sleeping, NULL), 0);
    CHECK_EQ(pthread_join(waiting, NULL), 0);
    CHECK(n_slept > 0, "never slept");
    CHECK_EQ(seen, steps);
    for (i = 0; i < N_THREADS; i++) {
        check_note(digests[i]);
        MPI_Comm_free(&comms[i]);
    }
    check_end(steps);
    MPI_Finalize();
    return 0;
}
