/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What checkpoints are measured against: every rank writes BYTES to a new file of its own
 * with plain write(2), or reads them back with plain read(2).  Prints the seconds from the
 * first rank's start to the last one's end.  Run without crmpi.
 *
 *   bench-io write|read FOLDER BYTES
 *
 * Before what is timed the same is done once, because on virtual machines the first touch
 * of page cache given back to the host is several times slower.  Files are left to be read,
 * and are the caller's to remove.
 */
#include <errno.h>
#include <fcntl.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE ((size_t)8 << 20)

static void fail(const char *what, const char *path)
{
    fprintf(stderr, "bench-io: %s %s: %s\n", what, path, strerror(errno));
    MPI_Abort(MPI_COMM_WORLD, 1);
}

static void write_file(const char *path, char *data, size_t bytes)
{
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (fd < 0)
        fail("cannot create", path);
    for (size_t at = 0; at < bytes;) {
        ssize_t n = write(fd, data + at, bytes - at < PIECE ? bytes - at : PIECE);
        if (n <= 0)
            fail("cannot write", path);
        at += (size_t)n;
    }
    close(fd);
}

static void read_file(const char *path, char *data, size_t bytes)
{
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        fail("cannot open", path);
    for (size_t at = 0; at < bytes;) {
        ssize_t n = read(fd, data + at, bytes - at < PIECE ? bytes - at : PIECE);
        if (n <= 0)
            fail("cannot read", path);
        at += (size_t)n;
    }
    close(fd);
}

int main(int argc, char **argv)
{
    int world_rank;
    char path[4096];

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &world_rank);
    if (argc != 4) {
        fprintf(stderr, "usage: bench-io write|read FOLDER BYTES\n");
        MPI_Abort(MPI_COMM_WORLD, 2);
    }
    void (*transfer)(const char *, char *, size_t) =
        strcmp(argv[1], "write") == 0 ? write_file : read_file;
    size_t bytes = strtoul(argv[3], NULL, 10);
    snprintf(path, sizeof path, "%s/plain.%d", argv[2], world_rank);
    char *data = malloc(bytes);
    if (data == NULL)
        fail("no memory for", path);
    for (size_t i = 0; i < bytes; i++)
        data[i] = (char)(i * 2654435761u >> 13);

    transfer(path, data, bytes);
    MPI_Barrier(MPI_COMM_WORLD);
    double start = MPI_Wtime();
    transfer(path, data, bytes);
    MPI_Barrier(MPI_COMM_WORLD);
    if (world_rank == 0)
        printf("%.6f\n", MPI_Wtime() - start);
    MPI_Finalize();
    return 0;
}
