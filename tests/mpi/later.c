/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program in C that has nothing to do with Fortran loads a library that has
 * (later_library.f90) while MPI runs, and with it Open MPI's Fortran library.  So it comes
 * after all checkpoints of the first half.
 */
#include "check.h"
#include <dlfcn.h>
#include <libgen.h>
#include <limits.h>

static void (*work)(int comm, int step, int *results);

static void load(const char *program)
{
    char folder[PATH_MAX], library[PATH_MAX + 32];
    void *handle;

    strncpy(folder, program, sizeof folder - 1);
    folder[sizeof folder - 1] = 0;
    snprintf(library, sizeof library, "%s/later_library.so", dirname(folder));
    CHECK(dlsym(RTLD_DEFAULT, "mpi_wait_") == NULL,
          "Fortran is there from the beginning");
    handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    CHECK(handle != NULL, "%s", dlerror());
    *(void **)&work = dlsym(handle, "later_work");
    CHECK(work != NULL, "%s", dlerror());
}

int main(int argc, char **argv)
{
    int results[6], i, sum, value;
    long step, steps;

    MPI_Init(&argc, &argv);
    steps = check_begin("later", argc, argv, 20000);
    for (step = 0; step < steps; step++) {
        if (step == steps / 2)
            load(argv[0]);
        value = check_rank + (int)step;
        CHECK_MPI(MPI_Allreduce(&value, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD));
        CHECK_EQ(sum, check_size * step + check_size * (check_size - 1) / 2);
        if (!work)
            continue;
        work(MPI_Comm_c2f(MPI_COMM_WORLD), (int)step, results);
        CHECK_EQ(results[0], 0);
        CHECK_EQ(results[1], 0);
        CHECK_EQ(results[2], 1);
        for (i = 3; i < 6; i++)
            check_note((uint64_t)results[i]);
    }
    check_end(steps);
    MPI_Finalize();
    return 0;
}
