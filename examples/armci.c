/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A product of matrices whose blocks are given out by a counter, as quantum chemistry does
 * with Global Arrays: whoever has nothing to do draws the next task, gets the blocks it
 * needs from wherever they are, and accumulates the result.  An ordinary program of ARMCI,
 * here the one made of MPI windows.  The matrices hold integers, so the sums are exact in
 * any order.
 *
 *     mpicc -O2 armci.c -o armci -larmci -lm
 *     crmpi-run mpirun -np 4 ./armci [ROUNDS]
 */
#include <armci.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIDE 48  /* of a block */
#define BLOCKS 6 /* in a row and in a column of the matrix */
#define BLOCK_BYTES (SIDE * SIDE * (int)sizeof(double))

static int world_rank, n_ranks;
static void **a, **c, **counters; /* what each rank has of them */

/* Where a block is: the blocks are dealt out like cards. */
static double *block(void **matrix, int row, int column)
{
    int number = row * BLOCKS + column;

    return (double *)matrix[number % n_ranks] + number / n_ranks * SIDE * SIDE;
}

static int owner(int row, int column)
{
    return (row * BLOCKS + column) % n_ranks;
}

static double element(int row, int column, long round)
{
    return (double)((row * 7 + column * 3 + round) % 11 - 5);
}

static void **matrix_create(void)
{
    void **matrix = malloc((size_t)n_ranks * sizeof *matrix);
    int n = (BLOCKS * BLOCKS + n_ranks - 1) / n_ranks;

    if (!matrix || ARMCI_Malloc(matrix, n * BLOCK_BYTES) != 0)
        ARMCI_Error("no memory for a matrix", 1);
    return matrix;
}

/* Every rank puts some rows of all blocks of A, wherever they are, and clears its C. */
static void fill(long round)
{
    double rows[SIDE][SIDE];

    for (int i = 0; i < BLOCKS; i++)
        for (int k = 0; k < BLOCKS; k++) {
            int first = (world_rank + i + k) % n_ranks, stride = BLOCK_BYTES / SIDE;
            int n = (SIDE - first + n_ranks - 1) / n_ranks, gap = n_ranks * stride;
            int count[2] = {stride, n};
            for (int r = 0; r < n; r++)
                for (int s = 0; s < SIDE; s++)
                    rows[r][s] =
                        element(i * SIDE + first + r * n_ranks, k * SIDE + s, round);
            if (n > 0)
                ARMCI_PutS(rows, &stride, block(a, i, k) + first * SIDE, &gap, count, 1,
                           owner(i, k));
            if (owner(i, k) == world_rank) {
                ARMCI_Access_begin(block(c, i, k));
                memset(block(c, i, k), 0, BLOCK_BYTES);
                ARMCI_Access_end(block(c, i, k));
            }
        }
}

/* C(i,j) += A(i,k) A(k,j) */
static void task_run(long task)
{
    static double left[SIDE][SIDE], right[SIDE][SIDE], product[SIDE][SIDE];
    int i = (int)(task % BLOCKS), j = (int)(task / BLOCKS % BLOCKS),
        k = (int)(task / BLOCKS / BLOCKS), count = BLOCK_BYTES;
    double scale = 1;

    ARMCI_Get(block(a, i, k), left, BLOCK_BYTES, owner(i, k));
    ARMCI_Get(block(a, k, j), right, BLOCK_BYTES, owner(k, j));
    memset(product, 0, sizeof product);
    for (int x = 0; x < SIDE; x++)
        for (int z = 0; z < SIDE; z++)
            for (int y = 0; y < SIDE; y++)
                product[x][y] += left[x][z] * right[z][y];
    ARMCI_AccS(ARMCI_ACC_DBL, &scale, product, NULL, block(c, i, j), NULL, &count, 0,
               owner(i, j));
}

/* Add up C, each element by itself or with a weight of its own; a rank gets blocks of all
 * ranks, or its own.  Exact, as all are small integers. */
static double sum_of(int from_all, int weighted)
{
    static double part[SIDE * SIDE];
    double sum = 0, total = 0;

    for (int i = 0; i < BLOCKS; i++)
        for (int j = 0; j < BLOCKS; j++) {
            if ((from_all ? (i + j) % n_ranks : owner(i, j)) != world_rank)
                continue;
            ARMCI_Get(block(c, i, j), part, BLOCK_BYTES, owner(i, j));
            for (int x = 0; x < SIDE * SIDE; x++)
                sum += part[x] * (weighted ? 1 + (x + i * 5 + j * 3) % 13 : 1);
        }
    MPI_Allreduce(&sum, &total, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    return total;
}

/* All elements add up to the sum over k of (a column's sum) times (a row's sum). */
static int is_right(long round, double total_of_c)
{
    double expected = 0;

    for (int k = 0; k < BLOCKS * SIDE; k++) {
        double column = 0, row = 0;
        for (int i = 0; i < BLOCKS * SIDE; i++) {
            column += element(i, k, round);
            row += element(k, i, round);
        }
        expected += column * row;
    }
    return total_of_c == expected;
}

int main(int argc, char **argv)
{
    const char *wanted = argc > 1 ? argv[1] : "100%";
    long rounds = strchr(wanted, '%') ? strtol(wanted, NULL, 10) * 150 / 100
                                      : strtol(wanted, NULL, 10);
    double digest = 0;

    MPI_Init(&argc, &argv);
    ARMCI_Init();
    MPI_Comm_rank(MPI_COMM_WORLD, &world_rank);
    MPI_Comm_size(MPI_COMM_WORLD, &n_ranks);
    a = matrix_create();
    c = matrix_create();
    counters = malloc((size_t)n_ranks * sizeof *counters);
    ARMCI_Malloc(counters, 2 * sizeof(long));
    ARMCI_Create_mutexes(1);
    for (long round = 0; round < rounds; round++) {
        long task = 0, done = 0;
        if (world_rank == 0)
            ARMCI_PutValueLong(0, counters[0], 0);
        fill(round);
        ARMCI_Barrier();
        while (ARMCI_Rmw(ARMCI_FETCH_AND_ADD_LONG, &task, counters[0], 1, 0),
               task < BLOCKS * BLOCKS * BLOCKS)
            task_run(task);
        ARMCI_AllFence();
        ARMCI_Lock(0, 0); /* a second counter, by a mutex: of those who are done */
        ARMCI_Get((long *)counters[0] + 1, &done, sizeof done, 0);
        ARMCI_PutValueLong(done + 1, (long *)counters[0] + 1, 0);
        ARMCI_Fence(0);
        ARMCI_Unlock(0, 0);
        ARMCI_Barrier();
        if (!is_right(round, sum_of(0, 0)))
            ARMCI_Error("the product is not right", 1);
        digest = digest * 0.5 + sum_of(1, 1);
        ARMCI_Barrier();
    }
    if (world_rank == 0) {
        long done = 0;
        ARMCI_Get((long *)counters[0] + 1, &done, sizeof done, 0);
        printf("digest armci np=%d rounds=%ld %ld %.17g\n", n_ranks, rounds, done,
               digest);
    }
    ARMCI_Barrier();
    ARMCI_Destroy_mutexes();
    ARMCI_Free(a[world_rank]);
    ARMCI_Free(c[world_rank]);
    ARMCI_Free(counters[world_rank]);
    ARMCI_Finalize();
    MPI_Finalize();
    return 0;
}
