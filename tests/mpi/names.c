/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A library and the program have functions of their own with the names of MPI's in
 * Fortran, which they do not use: mpi_wait() and its like.  Those are called, and nothing
 * else; MPI works.
 */
#include "check.h"
#include <dlfcn.h>
#include <libgen.h>
#include <limits.h>

int mpi_testall_(int *value);
int mpi_waitany(int *value);

/* The program's own. */
int mpi_testall_(int *value)
{
    return *value += 100;
}

int mpi_waitany(int *value)
{
    return *value += 200;
}

static int (*volatile own)(int *) = mpi_waitany;

static long library_call(const char *path, int mode)
{
    void *handle = dlopen(path, mode);
    int (*call)(int, int *), result, value = 0, which;
    long sum = 0;

    CHECK(handle != NULL, "%s", dlerror());
    *(void **)&call = dlsym(handle, "own_call");
    CHECK(call != NULL, "%s", dlerror());
    for (which = 0; (result = call(which, &value)) != -1; which++) {
        CHECK_EQ(result, value);
        sum = sum * 7 + value;
    }
    CHECK(which > 20, "%d functions", which);
    CHECK_EQ(dlclose(handle), 0);
    return sum;
}

static void ring(long step)
{
    int out = check_rank + (int)step, in = -1, right = (check_rank + 1) % check_size,
        left = (check_rank + check_size - 1) % check_size;
    MPI_Request requests[2];

    CHECK_MPI(MPI_Irecv(&in, 1, MPI_INT, left, 3, MPI_COMM_WORLD, &requests[0]));
    CHECK_MPI(MPI_Isend(&out, 1, MPI_INT, right, 3, MPI_COMM_WORLD, &requests[1]));
    CHECK_MPI(MPI_Waitall(2, requests, MPI_STATUSES_IGNORE));
    CHECK_EQ(in, left + step);
}

int main(int argc, char **argv)
{
    char library[PATH_MAX + 32], folder[PATH_MAX];
    long step, steps, sum = 0;
    int value;

    MPI_Init(&argc, &argv);
    steps = check_begin("names", argc, argv, 2000);
    strncpy(folder, argv[0], sizeof folder - 1);
    folder[sizeof folder - 1] = 0;
    snprintf(library, sizeof library, "%s/names_library.so", dirname(folder));
    for (step = 0; step < steps; step++) {
        sum = library_call(library,
                           step % 2 ? RTLD_NOW | RTLD_LOCAL : RTLD_LAZY | RTLD_LOCAL);
        value = 1;
        CHECK_EQ(mpi_testall_(&value), 101);
        CHECK_EQ(own(&value), 301);
        ring(step);
        check_note((uint64_t)sum);
    }
    check_end(steps);
    MPI_Finalize();
    return 0;
}
