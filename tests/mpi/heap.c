/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A heap checker: thousands of blocks from malloc, calloc, realloc and aligned_alloc, of
 * all sizes, in two threads with arenas of their own; each block's contents are known.
 */
#include "check.h"
#include <pthread.h>

#define N_BLOCKS 2000

struct block {
    char *data;
    size_t n_bytes;
    uint64_t seed;
};

struct heap {
    struct block blocks[N_BLOCKS];
    uint64_t state, total;
};

static struct heap heaps[2];
static long steps;
static volatile long goal; /* steps the second thread may do */

static size_t random_size(uint64_t *state)
{
    int kind = check_below(state, 100);
    return (size_t)check_below(state, kind == 0 ? 1000000 : kind < 20 ? 20000 : 300);
}

static void renew(struct heap *heap, struct block *b)
{
    size_t n = random_size(&heap->state), kept = n < b->n_bytes ? n : b->n_bytes;
    int way = check_below(&heap->state, 4);

    CHECK_FILLED(b->data, b->n_bytes, b->seed);
    heap->total -= b->n_bytes;
    if (way == 0) {
        b->data = realloc(b->data, n ? n : 1);
        CHECK(b->data != NULL, "realloc to %zu", n);
        CHECK_FILLED(b->data, kept / 8 * 8, b->seed);
    } else {
        free(b->data);
        b->data = way == 1   ? malloc(n)
                  : way == 2 ? calloc(1, n ? n : 1)
                             : aligned_alloc(256, (n + 255) / 256 * 256);
        CHECK(b->data != NULL || n == 0, "no memory for %zu", n);
        if (way == 2)
            CHECK_BYTES(b->data, n, 0);
        if (way == 3)
            CHECK_EQ((uintptr_t)b->data % 256, 0);
    }
    b->n_bytes = n;
    b->seed = check_random(&heap->state);
    check_fill(b->data, n, b->seed);
    heap->total += n;
}

static void churn(struct heap *heap, long step)
{
    int i;

    for (i = 0; i < 60; i++)
        renew(heap, &heap->blocks[check_below(&heap->state, N_BLOCKS)]);
    if (step % 50 == 0) {
        uint64_t total = 0;
        for (i = 0; i < N_BLOCKS; i++) {
            CHECK_FILLED(heap->blocks[i].data, heap->blocks[i].n_bytes,
                         heap->blocks[i].seed);
            total += heap->blocks[i].n_bytes;
        }
        CHECK_EQ(total, heap->total);
    }
}

static void *second(void *argument)
{
    for (long step = 0; step < steps; step++) {
        while (step >= goal)
            check_sleep_ms(1);
        churn(argument, step);
    }
    return argument;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    long step;
    int k, i;

    MPI_Init(&argc, &argv);
    steps = check_begin("heap", argc, argv, 500);
    for (k = 0; k < 2; k++) {
        heaps[k].state = (uint64_t)(2 * check_rank + k);
        for (i = 0; i < N_BLOCKS; i++)
            heaps[k].blocks[i].data = check_alloc(1);
    }
    CHECK_EQ(pthread_create(&thread, NULL, second, &heaps[1]), 0);
    for (step = 0; step < steps; step++) {
        goal = step + 1;
        churn(&heaps[0], step);
        if (step % 5 == 0)
            CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
    }
    CHECK_EQ(pthread_join(thread, NULL), 0);
    for (k = 0; k < 2; k++)
        check_note(heaps[k].total + heaps[k].state);
    check_end(steps);
    MPI_Finalize();
    return 0;
}
