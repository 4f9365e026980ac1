/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How long recovery lines take in a large history: prints the medians, in milliseconds, of
 * linking it and of the search for the line.  Half of the ranks have lost their newest
 * checkpoint.  Ranks exchange messages with neighbours and do collectives of all; they
 * save themselves alone, each at times of its own.  Run without MPI.
 *
 *     bench-recovery [RANKS [CHECKPOINTS [ROUNDS]]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "recovery/history.h"

#define PEERS 8
#define ROUNDS_MAX 101

static uint32_t n_ranks = 1000, n_checkpoints = 100;
static uint64_t seed = 1;

static uint32_t draw(uint32_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % n;
}

static void die(const char *what)
{
    fprintf(stderr, "bench-recovery: %s\n", what);
    exit(1);
}

static double now_ms(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec * 1e-6;
}

static void *alloc(size_t n, size_t bytes)
{
    void *memory = calloc(n, bytes);
    if (memory == NULL)
        die("no memory");
    return memory;
}

static int stream_order(const void *a, const void *b)
{
    return crmpi_stream_compare(a, b);
}

/* A checkpoint at a time: all ranks have sent as many messages to each neighbour as time
 * has passed, and received those sent a little before. */
static void add(struct crmpi_history *history, uint32_t rank, uint32_t k)
{
    uint64_t when = 100 * (uint64_t)k + draw(100);
    struct crmpi_checkpoint about = {.sn = k, .lost = k == n_checkpoints && rank % 2};
    struct crmpi_dependencies d = {
        .world_rank = rank, .n_ranks = n_ranks, .sn = k, .interval = k, .is_alone = 1};

    d.streams = alloc(PEERS, sizeof *d.streams);
    d.n_streams = PEERS;
    for (uint32_t i = 0; i < PEERS; i++) {
        uint32_t peer = (rank + (i % 2 ? 1 + i / 2 : n_ranks - 1 - i / 2)) % n_ranks;
        d.streams[i] = (struct crmpi_stream){.comm = 1,
                                             .peer = peer,
                                             .tag = (int32_t)i / 2,
                                             .sent = when,
                                             .received = when - 1 - draw(3)};
    }
    qsort(d.streams, d.n_streams, sizeof *d.streams, stream_order);
    d.collectives = alloc(1, sizeof *d.collectives);
    d.n_collectives = 1;
    *d.collectives =
        (struct crmpi_collectives){.comm = 1, .count = when / 500, .rank = rank};
    if (crmpi_history_add(history, rank, &about, &d) != CRMPI_OK)
        die("a checkpoint was not taken");
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, unsigned n)
{
    qsort(values, n, sizeof *values, compare);
    return values[n / 2];
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 3 ? (unsigned)atoi(argv[3]) : 11;
    double link_ms[ROUNDS_MAX], line_ms[ROUNDS_MAX];
    struct crmpi_history history;
    struct crmpi_recovery_line line;
    size_t n_steps = 0;

    if (argc > 1)
        n_ranks = (uint32_t)atoi(argv[1]);
    if (argc > 2)
        n_checkpoints = (uint32_t)atoi(argv[2]);
    if (n_ranks < PEERS + 2 || n_checkpoints < 1 || rounds < 1 || rounds > ROUNDS_MAX)
        die("usage: bench-recovery [RANKS [CHECKPOINTS [ROUNDS]]]");
    if (crmpi_history_init(&history, n_ranks) != CRMPI_OK)
        die("no memory");
    for (uint32_t rank = 0; rank < n_ranks; rank++)
        for (uint32_t k = 1; k <= n_checkpoints; k++)
            add(&history, rank, k);
    for (unsigned i = 0; i < rounds; i++) {
        double begin = now_ms();
        if (crmpi_history_link(&history) != CRMPI_OK)
            die("no memory");
        double linked = now_ms();
        if (crmpi_recovery_line(&history, NULL, NULL, NULL, &line) != CRMPI_OK)
            die("no memory");
        line_ms[i] = now_ms() - linked;
        link_ms[i] = linked - begin;
        n_steps = line.n_steps;
        crmpi_recovery_line_fini(&line);
    }
    printf("link %.3f\nline %.3f\nsteps %zu\n", median(link_ms, rounds),
           median(line_ms, rounds), n_steps);
    crmpi_history_fini(&history);
    return 0;
}
