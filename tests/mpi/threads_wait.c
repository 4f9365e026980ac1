/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads beside a rank that uses MPI from its first thread only: they wait on mutexes,
 * conditions, semaphores, barriers, read-write locks and pipes, hold robust and recursive
 * mutexes, use thread-specific data and cancellation points, come and go.
 */
#include "check.h"
#include <pthread.h>
#include <semaphore.h>

#define N_STAGES 4

static long steps;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static sem_t tokens[2];
static int pipes[2][2];
static long stage_of_token; /* who may go on: 0..N_STAGES-1, in turn */
static pthread_key_t key;
static long n_destroyed;

static void destroy(void *value)
{
    CHECK(*(long *)value == 4711, "thread-specific value %ld", *(long *)value);
    free(value);
    __atomic_add_fetch(&n_destroyed, 1, __ATOMIC_SEQ_CST);
}

/* Threads that hand on a token under a condition variable. */
static void *stage(void *argument)
{
    long own = (intptr_t)argument, n = 0;

    for (; n < steps; n++) {
        pthread_mutex_lock(&mutex);
        while (stage_of_token != own)
            pthread_cond_wait(&changed, &mutex);
        stage_of_token = (own + 1) % N_STAGES;
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&mutex);
    }
    return (void *)n;
}

/* An echo over two pipes, blocked in read() nearly all the time. */
static void *echo(void *argument)
{
    long value, n = 0;

    (void)argument;
    while (read(pipes[0][0], &value, sizeof value) == sizeof value) {
        value = value * 3 + 1;
        CHECK_EQ(write(pipes[1][1], &value, sizeof value), sizeof value);
        n++;
    }
    return (void *)n;
}

/* Semaphores, back and forth. */
static void *pong(void *argument)
{
    for (long n = 0; n < steps; n++) {
        CHECK_SYS(sem_wait(&tokens[0]));
        CHECK_SYS(sem_post(&tokens[1]));
    }
    return argument;
}

/* Waits for ever, until it is cancelled. */
static void *cancelled(void *argument)
{
    for (;;)
        pause();
    return argument;
}

static void *short_lived(void *argument)
{
    long *value = check_alloc(sizeof *value);

    *value = 4711;
    pthread_setspecific(key, value);
    pthread_rwlock_rdlock(&rwlock);
    check_sleep_ms(1);
    CHECK(pthread_getspecific(key) == value, "thread-specific data is lost");
    pthread_rwlock_unlock(&rwlock);
    return argument;
}

static void mutexes(void)
{
    pthread_mutexattr_t attr;
    pthread_mutex_t own;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&own, &attr);
    CHECK_EQ(pthread_mutex_lock(&own), 0);
    CHECK_EQ(pthread_mutex_lock(&own), 0); /* recognises its owner */
    check_sleep_ms(1);
    CHECK_EQ(pthread_mutex_unlock(&own), 0);
    CHECK_EQ(pthread_mutex_unlock(&own), 0);
    CHECK_EQ(pthread_mutex_unlock(&own), EPERM);
    pthread_mutex_destroy(&own);
}

static void one_step(long step)
{
    long value = step, sum;
    pthread_t thread;
    void *result;

    CHECK_EQ(write(pipes[0][1], &value, sizeof value), sizeof value);
    CHECK_SYS(sem_post(&tokens[0]));
    value = check_rank + step;
    CHECK_MPI(MPI_Allreduce(&value, &sum, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD));
    CHECK_EQ(sum, step * check_size + check_size * (check_size - 1) / 2);
    CHECK_SYS(sem_wait(&tokens[1]));
    CHECK_EQ(read(pipes[1][0], &value, sizeof value), sizeof value);
    CHECK_EQ(value, step * 3 + 1);
    if (step % 10 == 0) {
        CHECK_EQ(pthread_create(&thread, NULL, short_lived, &sum), 0);
        pthread_rwlock_wrlock(&rwlock);
        pthread_rwlock_unlock(&rwlock);
        mutexes();
        CHECK_EQ(pthread_join(thread, &result), 0);
        CHECK(result == &sum, "another result");
    }
    check_note((uint64_t)value);
}

int main(int argc, char **argv)
{
    pthread_t stages[N_STAGES], echoing, ponging, lasting;
    void *result;
    long step;
    int i;

    MPI_Init(&argc, &argv);
    steps = check_begin("threads_wait", argc, argv, 4000);
    CHECK_SYS(pipe(pipes[0]));
    CHECK_SYS(pipe(pipes[1]));
    sem_init(&tokens[0], 0, 0);
    sem_init(&tokens[1], 0, 0);
    CHECK_EQ(pthread_key_create(&key, destroy), 0);
    for (i = 0; i < N_STAGES; i++)
        CHECK_EQ(pthread_create(&stages[i], NULL, stage, (void *)(intptr_t)i), 0);
    CHECK_EQ(pthread_create(&echoing, NULL, echo, NULL), 0);
    CHECK_EQ(pthread_create(&ponging, NULL, pong, NULL), 0);
    CHECK_EQ(pthread_create(&lasting, NULL, cancelled, NULL), 0);
    for (step = 0; step < steps; step++)
        one_step(step);
    for (i = 0; i < N_STAGES; i++) {
        CHECK_EQ(pthread_join(stages[i], &result), 0);
        CHECK_EQ((intptr_t)result, steps);
    }
    CHECK_SYS(close(pipes[0][1]));
    CHECK_EQ(pthread_join(echoing, &result), 0);
    CHECK_EQ((intptr_t)result, steps);
    CHECK_EQ(pthread_join(ponging, NULL), 0);
    CHECK_EQ(pthread_cancel(lasting), 0);
    CHECK_EQ(pthread_join(lasting, &result), 0);
    CHECK(result == PTHREAD_CANCELED, "not cancelled");
    CHECK_EQ(n_destroyed, (steps + 9) / 10);
    check_end(steps);
    MPI_Finalize();
    return 0;
}
