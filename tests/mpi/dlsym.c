/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program that is not linked with MPI: it loads the library and looks each function up there, as
 * Python's ctypes or a plugin does.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef void *handle;

static void *library;

static void *look(const char *name)
{
    void *found = dlsym(library, name);

    if (!found) {
        fprintf(stderr, "dlsym: %s\n", dlerror());
        exit(1);
    }
    return found;
}

int main(int argc, char **argv)
{
    const struct timespec pause = {.tv_nsec = 4000000};
    uint64_t digest = 7;
    long steps = 500;
    int rank, size;

    if (argc > 1)
        steps = strchr(argv[1], '%') ? steps * atol(argv[1]) / 100 : atol(argv[1]);
    if (!(library = dlopen("libmpi.so", RTLD_NOW | RTLD_GLOBAL)) &&
        !(library = dlopen("libmpi.so.40", RTLD_NOW | RTLD_GLOBAL))) {
        fprintf(stderr, "dlsym: %s\n", dlerror());
        return 1;
    }
    int (*init)(int *, char ***) = (int (*)(int *, char ***))look("MPI_Init");
    int (*comm_rank)(handle, int *) = (int (*)(handle, int *))look("MPI_Comm_rank");
    int (*comm_size)(handle, int *) = (int (*)(handle, int *))look("MPI_Comm_size");
    int (*allreduce)(const void *, void *, int, handle, handle, handle) =
        (int (*)(const void *, void *, int, handle, handle, handle))look("MPI_Allreduce");
    int (*sendrecv)(const void *, int, handle, int, int, void *, int, handle, int, int,
                    handle, void *) =
        (int (*)(const void *, int, handle, int, int, void *, int, handle, int, int,
                 handle, void *))look("PMPI_Sendrecv");
    int (*finalize)(void) = (int (*)(void))look("MPI_Finalize");
    handle world = look("ompi_mpi_comm_world"), type = look("ompi_mpi_uint64_t"),
           sum = look("ompi_mpi_op_sum");

    init(&argc, &argv);
    comm_rank(world, &rank);
    comm_size(world, &size);
    for (long step = 0; step < steps; step++) {
        uint64_t mine = (uint64_t)(step * (rank + 1)), theirs = 0, all = 0;
        int left = (rank + size - 1) % size, right = (rank + 1) % size;

        sendrecv(&mine, 1, type, right, 3, &theirs, 1, type, left, 3, world, NULL);
        allreduce(&theirs, &all, 1, type, sum, world);
        if (theirs != (uint64_t)(step * (left + 1)) ||
            all != (uint64_t)step * (uint64_t)(size * (size + 1) / 2)) {
            fprintf(stderr, "dlsym: rank %d: step %ld: %" PRIu64 ", %" PRIu64 "\n", rank,
                    step, theirs, all);
            return 1;
        }
        digest = digest * 31 + all;
        nanosleep(&pause, NULL);
    }
    if (rank == 0)
        printf("digest dlsym np=%d steps=%ld %016" PRIx64 "\n", size, steps, digest);
    finalize();
    return 0;
}
