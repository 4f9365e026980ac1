/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What checkpoints are measured against: every rank writes BYTES to a new file of its own
 * with plain write(2), or reads them with plain read(2) into memory not used before, as a
 * restart does.  Prints the seconds from the first rank's start to the last one's end.
 * Run without crmpi.
 *
 *   bench-io write|read FOLDER BYTES
 *
 * What is timed is done once before, because on virtual machines the first touch of
 * memory given back to the host is several times slower.  No files are left.
 */
#include <errno.h>
#include <fcntl.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PIECE ((size_t)8 << 20)

static char path[4096];
static size_t bytes;
static char *data;

static void fail(const char *what)
{
    fprintf(stderr, "bench-io: cannot %s %s: %s\n", what, path, strerror(errno));
    MPI_Abort(MPI_COMM_WORLD, 1);
}

static char *fresh_memory(void)
{
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        fail("get memory for");
    return memory;
}

static void write_file(void)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (fd < 0)
        fail("create");
    for (size_t at = 0; at < bytes;) {
        ssize_t n = write(fd, data + at, bytes - at < PIECE ? bytes - at : PIECE);
        if (n <= 0)
            fail("write");
        at += (size_t)n;
    }
    close(fd);
}

static void read_file(void)
{
    char *memory = fresh_memory();
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        fail("open");
    for (size_t at = 0; at < bytes;) {
        ssize_t n = read(fd, memory + at, bytes - at < PIECE ? bytes - at : PIECE);
        if (n <= 0)
            fail("read");
        at += (size_t)n;
    }
    close(fd);
    munmap(memory, bytes);
}

/* Seconds until every rank has done it. */
static double timed(void (*transfer)(void))
{
    MPI_Barrier(MPI_COMM_WORLD);
    double start = MPI_Wtime();
    transfer();
    MPI_Barrier(MPI_COMM_WORLD);
    return MPI_Wtime() - start;
}

int main(int argc, char **argv)
{
    int world_rank;
    double seconds;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &world_rank);
    if (argc != 4 || (strcmp(argv[1], "write") != 0 && strcmp(argv[1], "read") != 0)) {
        fprintf(stderr, "usage: bench-io write|read FOLDER BYTES\n");
        MPI_Abort(MPI_COMM_WORLD, 2);
    }
    bytes = strtoul(argv[3], NULL, 10);
    snprintf(path, sizeof path, "%s/plain.%d", argv[2], world_rank);
    data = fresh_memory();
    for (size_t i = 0; i < bytes; i++)
        data[i] = (char)(i * 2654435761u >> 13);

    write_file();
    if (strcmp(argv[1], "write") == 0) {
        unlink(path);
        seconds = timed(write_file);
    } else {
        timed(read_file);
        seconds = timed(read_file);
    }
    unlink(path);
    if (world_rank == 0)
        printf("%.6f\n", seconds);
    MPI_Finalize();
    return 0;
}
