/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program that is started anew from a checkpoint of named memory, and may name other
 * memory then, by the environment: NAMES=type, shape, more, less.  It says what restoring
 * returns.  Upper half.
 */
#include <crmpi.h>
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static double field[6][7];
static float other[6][7];
static int32_t step;
static uint8_t flags[3];

static void name_all(const char *how, int rank)
{
    size_t dims[] = {6, 7}, turned[] = {7, 6}, n = 3;

    if (strcmp(how, "type") == 0 && rank == 1)
        CRMPI_Name("field", other, CRMPI_FLOAT, 2, dims);
    else
        CRMPI_Name("field", field, CRMPI_DOUBLE, 2,
                   strcmp(how, "shape") == 0 && rank == 1 ? turned : dims);
    if (strcmp(how, "less") != 0)
        CRMPI_Name("step", &step, CRMPI_INT32, 0, NULL);
    if (strcmp(how, "more") == 0)
        CRMPI_Name("flags", flags, CRMPI_UINT8, 1, &n);
}

static int refused(void)
{
    size_t dims[] = {6, 7, 0};
    char longest[65];
    int n = 0;

    memset(longest, 'x', 64);
    longest[64] = '\0';
    n += CRMPI_Name(longest, flags, CRMPI_UINT8, 0, NULL) != 0;
    n += CRMPI_Name("", flags, CRMPI_UINT8, 0, NULL) != 0;
    n += CRMPI_Name("a/b", flags, CRMPI_UINT8, 0, NULL) != 0;
    n += CRMPI_Name(NULL, flags, CRMPI_UINT8, 0, NULL) != 0;
    n += CRMPI_Name("flags", flags, 0, 0, NULL) != 0;
    n += CRMPI_Name("flags", flags, 11, 0, NULL) != 0;
    n += CRMPI_Name("flags", flags, CRMPI_UINT8, 9, dims) != 0;
    n += CRMPI_Name("flags", flags, CRMPI_UINT8, -1, dims) != 0;
    n += CRMPI_Name("flags", flags, CRMPI_UINT8, 3, dims) != 0;
    n += CRMPI_Name("flags", flags, CRMPI_UINT8, 1, (size_t[]){(size_t)-1}) != 0;
    n += CRMPI_Name("flags", NULL, CRMPI_UINT8, 0, NULL) != 0;
    n += CRMPI_Name("flags", &field[2][3], CRMPI_UINT8, 0, NULL) != 0; /* it has a name */
    n += CRMPI_Exclude(field, sizeof field) != 0;
    n += CRMPI_Unname("flags") != 0;
    return n;
}

int main(int argc, char **argv)
{
    const char *how = getenv("NAMES") ? getenv("NAMES") : "";
    int rank, restarted, error;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    name_all(how, rank);
    CRMPI_Restarted(&restarted);
    if (restarted) {
        error = CRMPI_Checkpoint(); /* too early: it would be the end of the old one */
        if (rank == 0)
            printf("early: %d\n", error != 0);
    }
    error = CRMPI_Restore();
    printf("rank %d: restored %d, step %d, %g\n", rank, error == 0, step, field[5][6]);
    if (rank == 0)
        printf("%d refused\n", refused());
    fflush(stdout);
    while (step < 1000000 && strcmp(how, "") == 0) {
        step++;
        field[5][6] = 2 * step + rank;
        usleep(1000);
        CRMPI_Checkpoint_due(&error);
        if (error)
            CRMPI_Checkpoint();
    }
    MPI_Finalize();
    return 0;
}
