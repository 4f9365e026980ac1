/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program that has a file open, in each phase another one: FOLDER/phase.1, .2, ...  A phase
 * ends when FOLDER/next.N is there.  Behind the last one rank 0 prints "done".  Test.
 *
 *   phases N FOLDER [STATUS]    with a status the program ends with it, after phase N, until
 *                               FOLDER/mended is there
 */
#include <fcntl.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int is_there(const char *folder, const char *name, int number)
{
    char path[512];

    snprintf(path, sizeof path, number ? "%s/%s.%d" : "%s/%s", folder, name, number);
    return access(path, F_OK) == 0;
}

/* All ranks go through it together. */
static void phase(const char *folder, int rank, int number)
{
    char path[512];
    int over = 0, fd;

    snprintf(path, sizeof path, "%s/phase.%d", folder, number);
    fd = open(path, O_RDWR | O_CREAT, 0600);
    while (!over) {
        usleep(10000);
        over = rank == 0 && is_there(folder, "next", number);
        MPI_Bcast(&over, 1, MPI_INT, 0, MPI_COMM_WORLD);
    }
    close(fd);
}

int main(int argc, char **argv)
{
    int rank, n = argc > 2 ? atoi(argv[1]) : 0;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    for (int i = 1; i <= n; i++)
        phase(argv[2], rank, i);
    if (argc > 3 && !is_there(argv[2], "mended", 0))
        _exit(atoi(argv[3]));
    if (rank == 0)
        puts("done");
    MPI_Finalize();
    return 0;
}
