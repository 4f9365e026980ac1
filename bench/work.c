/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A job that works, whose checkpoints are measured: every rank holds MIB mebibytes, and in
 * each period does STEPS steps of the same work, in which it writes to PERCENT of the pages
 * of its memory, scattered; no page twice.  Between two periods
 *
 *   call    all ranks call CRMPI_Checkpoint()
 *   signal  rank 0 asks for a checkpoint, and the work goes on
 *   none    nothing is done
 *
 * after each has written a plain file of so many bytes to FOLDER and removed it: on virtual
 * machines the first touch of memory given back to the host is several times slower.
 *
 * Rank 0 prints "write SECONDS" of the plain files, "step END SECONDS" of each step with
 * "signal", and "elapsed SECONDS" at the end.  The data are random, or smooth: numbers as of
 * a field.
 *
 *   bench-work MIB PERCENT PERIODS STEPS call|signal|none random|smooth FOLDER
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <mpi.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "crmpi.h"

#pragma weak CRMPI_Checkpoint

#define PAGE_BYTES ((size_t)4096)
#define PIECE_BYTES ((size_t)8 << 20)
#define CELLS 4096  /* of the work, which fits in a core's cache */
#define SWEEPS 1500 /* of a step: some milliseconds */

static int world_rank;
static char *memory;
static size_t bytes;
static size_t next_page; /* how often a page was written to */

static void die(const char *what)
{
    fprintf(stderr, "bench-work: rank %d: %s: %s\n", world_rank, what, strerror(errno));
    MPI_Abort(MPI_COMM_WORLD, 1);
}

static double clock_now(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void memory_fill(int is_smooth)
{
    uint64_t x = 88172645463325252u + (uint64_t)world_rank;

    for (size_t i = 0; i < bytes / 8; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        memcpy(memory + 8 * i, &x, 8);
        if (is_smooth) {
            double value = 300 + 20 * sin(1e-4 * (double)i) + 1e-9 * (double)(x % 1000);
            memcpy(memory + 8 * i, &value, 8);
        }
    }
}

/* Write to so many pages.  Their distance is odd and no divisor of usual sizes, so all
 * pages have their turn before one comes again. */
static void pages_write(size_t n)
{
    size_t n_pages = bytes / PAGE_BYTES;

    for (size_t i = 0; i < n; i++, next_page++) {
        size_t page = (next_page * 2654435761u) % n_pages;
        double value = 300 + 1e-3 * (double)(next_page % 1000);
        memcpy(memory + page * PAGE_BYTES + 64, &value, sizeof value);
    }
}

/* The work of a step; its result depends on all before it. */
static double work(void)
{
    static double cells[CELLS];
    double sum;

    cells[0] += 1;
    for (int sweep = 0; sweep < SWEEPS; sweep++)
        for (int i = 1; i < CELLS; i++)
            cells[i] = 0.5 * (cells[i] + cells[i - 1]);
    MPI_Allreduce(&cells[CELLS - 1], &sum, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    return sum;
}

static void file_write(const char *folder)
{
    char path[4096];

    snprintf(path, sizeof path, "%s/plain.%d", folder, world_rank);
    MPI_Barrier(MPI_COMM_WORLD);
    double begin = clock_now(CLOCK_MONOTONIC);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (fd < 0)
        die(path);
    for (size_t at = 0; at < bytes;) {
        size_t piece = bytes - at < PIECE_BYTES ? bytes - at : PIECE_BYTES;
        ssize_t n = write(fd, memory + at, piece);
        if (n <= 0)
            die(path);
        at += (size_t)n;
    }
    close(fd);
    MPI_Barrier(MPI_COMM_WORLD);
    if (world_rank == 0)
        printf("write %.6f\n", clock_now(CLOCK_MONOTONIC) - begin);
    unlink(path);
}

static void period(size_t n_pages, int steps, int is_timed)
{
    for (int step = 0; step < steps; step++) {
        double begin = clock_now(CLOCK_MONOTONIC);
        pages_write(n_pages * (size_t)(step + 1) / (size_t)steps -
                    n_pages * (size_t)step / (size_t)steps);
        if (work() < 0)
            die("the work"); /* it cannot be: so the compiler does it */
        if (is_timed && world_rank == 0)
            printf("step %.6f %.6f\n", clock_now(CLOCK_REALTIME),
                   clock_now(CLOCK_MONOTONIC) - begin);
    }
}

static void checkpoint(const char *how, const char *folder)
{
    if (strcmp(how, "none") == 0)
        return;
    file_write(folder);
    if (strcmp(how, "signal") == 0 && world_rank == 0)
        raise(SIGUSR1);
    if (strcmp(how, "call") == 0 && (CRMPI_Checkpoint == NULL || CRMPI_Checkpoint() != 0))
        die("no checkpoint");
}

int main(int argc, char **argv)
{
    if (argc != 8) {
        fprintf(stderr, "usage: bench-work MIB PERCENT PERIODS STEPS call|signal|none "
                        "random|smooth FOLDER\n");
        return 2;
    }
    MPI_Init(&argc, &argv);
    double begin = clock_now(CLOCK_MONOTONIC);
    MPI_Comm_rank(MPI_COMM_WORLD, &world_rank);
    bytes = strtoul(argv[1], NULL, 10) << 20;
    memory = malloc(bytes);
    if (memory == NULL || bytes == 0)
        die("memory");
    memory_fill(strcmp(argv[6], "smooth") == 0);
    size_t n_pages = (size_t)(atof(argv[2]) / 100 * (double)(bytes / PAGE_BYTES));
    for (int i = 0; i < atoi(argv[3]); i++) {
        if (i > 0)
            checkpoint(argv[5], argv[7]);
        period(n_pages, atoi(argv[4]), strcmp(argv[5], "signal") == 0);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    if (world_rank == 0)
        printf("elapsed %.6f\n", clock_now(CLOCK_MONOTONIC) - begin);
    free(memory);
    MPI_Finalize();
    return 0;
}
