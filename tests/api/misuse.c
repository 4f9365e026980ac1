/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a program may do wrong with crmpi.h, by its first argument, in rank 1; the other
 * ranks do as one should.  It says when it is ready for a checkpoint, and goes on until
 * one has been taken or given up.  Upper half.
 */
#include <crmpi.h>
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static volatile int n_ended; /* checkpoints, as the hook is told */
static char memory[100000];

static int hook(int event, void *wrong)
{
    int one = 1;

    if (event == CRMPI_COMMITTED || event == CRMPI_GIVEN_UP)
        n_ended++;
    if (event == CRMPI_BEFORE && strcmp(wrong, "veto") == 0 && n_ended == 0)
        return 17;
    if (event == CRMPI_BEFORE && strcmp(wrong, "send") == 0)
        MPI_Send(&one, 1, MPI_INT, 0, 0, MPI_COMM_WORLD);
    return 0;
}

/* No call of MPI, until the others have waited long enough. */
static void compute(void)
{
    struct timespec begin, now;

    clock_gettime(CLOCK_MONOTONIC, &begin);
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while (now.tv_sec - begin.tv_sec < 4);
}

/* Rank 1 waits for rank 0, which waits for the end of a checkpoint. */
static void wait_for_first(int rank)
{
    int one = 1;

    while (rank == 0 && n_ended == 0) {
        usleep(1000);
        MPI_Wtime(); /* hooks are called in calls */
    }
    if (rank == 0)
        MPI_Send(&one, 1, MPI_INT, 1, 0, MPI_COMM_WORLD);
    if (rank == 1)
        MPI_Recv(&one, 1, MPI_INT, 0, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
}

/* All of these are refused. */
static void be_wrong(void)
{
    int local = 0, refused = 0;
    void *stack = (void *)((uintptr_t)&local - 32768);

    refused += CRMPI_Exclude(memory, 0) != 0;
    refused += CRMPI_Exclude(stack, 65536) != 0;
    refused += CRMPI_Exclude((void *)0x100000000000, 4096) != 0;
    refused += CRMPI_Exclude(memory, (size_t)-1) != 0;
    refused += CRMPI_Include(memory) != 0;
    refused += CRMPI_Refill(memory, NULL, NULL) != 0;
    refused += CRMPI_Hook_add(0, hook, NULL) != 0;
    refused += CRMPI_Hook_add(16, hook, NULL) != 0;
    refused += CRMPI_Hook_add(1, NULL, NULL) != 0;
    refused += CRMPI_Hook_remove(hook, NULL) != 0;
    refused += CRMPI_Critical_end() != 0;
    printf("%d refused\n", refused);
}

int main(int argc, char **argv)
{
    char *wrong = argc > 1 ? argv[1] : "nothing", *mine = "nothing";
    int rank, ended;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (rank == 1) {
        be_wrong();
        mine = wrong;
    }
    CRMPI_Hook_add(CRMPI_BEFORE | CRMPI_COMMITTED | CRMPI_GIVEN_UP, hook, mine);
    int is_critical = strcmp(mine, "critical") == 0 || strcmp(mine, "wait") == 0;

    if (is_critical)
        CRMPI_Critical_begin();
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0)
        printf("ready\n");
    fflush(stdout);
    if (strcmp(mine, "critical") == 0 || strcmp(mine, "compute") == 0)
        compute();
    if (strcmp(wrong, "wait") == 0)
        wait_for_first(rank);
    if (is_critical)
        CRMPI_Critical_end();
    do {
        usleep(1000);
        MPI_Allreduce((int[]){n_ended}, &ended, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
    } while (ended < 2); /* one that is given up, and one that is committed */
    if (rank == 0)
        printf("result: done\n");
    MPI_Finalize();
    return 0;
}
