/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Standard input of rank 0, read to its end at the beginning, and standard output and
 * error of all ranks, used all along.
 */
#include "check.h"

int main(int argc, char **argv)
{
    char line[100], expected[100];
    uint64_t hash = 0;
    long n = 0, step, steps;

    MPI_Init(&argc, &argv);
    steps = check_begin("stdin", argc, argv, 400);
    while (check_rank == 0 && fgets(line, sizeof line, stdin)) {
        snprintf(expected, sizeof expected, "line %ld\n", n);
        CHECK(strcmp(line, expected) == 0, "read '%s', not '%s'", line, expected);
        hash = check_hash(hash, (uint64_t)n++);
    }
    CHECK_MPI(MPI_Bcast(&n, 1, MPI_LONG, 0, MPI_COMM_WORLD));
    CHECK(n > 0, "nothing to read");
    for (step = 0; step < steps; step++) {
        if (check_rank == 0)
            CHECK(fgets(line, sizeof line, stdin) == NULL, "there is more to read: %s",
                  line);
        CHECK(printf("rank %d step %ld\n", check_rank, step) > 0, "stdout: %s",
              strerror(errno));
        CHECK_EQ(fflush(stdout), 0);
        CHECK(step % 100 ||
                  fprintf(stderr, "rank %d at step %ld\n", check_rank, step) > 0,
              "stderr: %s", strerror(errno));
        CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
        check_sleep_ms(3);
        check_note(hash + (uint64_t)step);
    }
    check_end(steps);
    MPI_Finalize();
    return 0;
}
