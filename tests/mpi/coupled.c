/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * coupled NAME: one of several programs of a job (mpirun -np 1 coupled a : -np 2 coupled b).
 * What MPI and the environment tell of the job stays the same, and so do the parts that it is
 * split into by it, till the file "end" is there.  coupled.sh runs it.
 */
#include "check.h"

#define N_ATTRIBUTES 6

static const int keyvals[N_ATTRIBUTES] = {MPI_TAG_UB,           MPI_HOST,   MPI_IO,
                                          MPI_WTIME_IS_GLOBAL,  MPI_APPNUM,
                                          MPI_UNIVERSE_SIZE};
static const char *const variables[] = {
    "OMPI_COMM_WORLD_SIZE",    "OMPI_COMM_WORLD_RANK",      "OMPI_COMM_WORLD_LOCAL_RANK",
    "OMPI_UNIVERSE_SIZE",      "OMPI_COMM_WORLD_LOCAL_SIZE", "OMPI_COMM_WORLD_NODE_RANK",
    "OMPI_APP_CTX_NUM_PROCS",  "OMPI_FIRST_RANKS",          "OMPI_NUM_APP_CTX",
    "OMPI_COMMAND",            "OMPI_ARGV",                 NULL};
static const char *const infos[] = {"command", "argv", "maxprocs",     "soft", "host",
                                    "arch",    "wdir", "thread_level", NULL};

/* All of it in one text. */
static void tell(char *text, size_t bytes)
{
    size_t n = 0;

    for (int i = 0; i < N_ATTRIBUTES; i++) {
        int *value, flag;
        CHECK_MPI(MPI_Comm_get_attr(MPI_COMM_WORLD, keyvals[i], &value, &flag));
        n += (size_t)snprintf(text + n, bytes - n, "%d:%d ", flag, flag ? *value : 0);
    }
    for (int i = 0; variables[i]; i++) {
        const char *value = getenv(variables[i]);
        n += (size_t)snprintf(text + n, bytes - n, "%s=%s ", variables[i],
                              value ? value : "-");
    }
    for (int i = 0; infos[i]; i++) {
        char value[MPI_MAX_INFO_VAL + 1] = "-";
        int flag;
        CHECK_MPI(MPI_Info_get(MPI_INFO_ENV, infos[i], MPI_MAX_INFO_VAL, value, &flag));
        n += (size_t)snprintf(text + n, bytes - n, "%s=%s ", infos[i], value);
    }
    CHECK(n < bytes, "too long");
}

/* The part that this program is, whose size the environment tells. */
static void split(const char *name)
{
    MPI_Comm part;
    int *number, flag, size, rank, sizes[2] = {0};
    char all[8][32], mine[32] = "";

    CHECK_MPI(MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_APPNUM, &number, &flag));
    CHECK_EQ(flag, 1);
    CHECK_EQ(*number, name[0] - 'a');
    CHECK_MPI(MPI_Comm_split(MPI_COMM_WORLD, *number, 0, &part));
    CHECK_MPI(MPI_Comm_size(part, &size));
    CHECK_MPI(MPI_Comm_rank(part, &rank));
    CHECK(sscanf(getenv("OMPI_APP_CTX_NUM_PROCS"), "%d %d", &sizes[0], &sizes[1]) == 2,
          "OMPI_APP_CTX_NUM_PROCS is %s", getenv("OMPI_APP_CTX_NUM_PROCS"));
    CHECK_EQ(size, sizes[*number]);
    snprintf(mine, sizeof mine, "%s %d", name, rank);
    CHECK_MPI(MPI_Allgather(mine, 32, MPI_CHAR, all, 32, MPI_CHAR, part));
    for (int i = 0; i < size; i++) {
        char expected[32] = "";
        snprintf(expected, sizeof expected, "%s %d", name, i);
        CHECK(strcmp(all[i], expected) == 0, "rank %d of %s is '%s'", i, name, all[i]);
    }
    CHECK_MPI(MPI_Comm_free(&part));
}

int main(int argc, char **argv)
{
    static char first[16384], now[16384];
    int end = 0, *address, *before, flag;

    MPI_Init(&argc, &argv);
    CHECK(argc == 2, "a name is needed");
    check_begin("coupled", 1, argv, 1);
    tell(first, sizeof first);
    CHECK_MPI(MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_APPNUM, &before, &flag));
    while (!end) {
        split(argv[1]);
        tell(now, sizeof now);
        CHECK(strcmp(first, now) == 0, "it was\n%s\nand is\n%s", first, now);
        CHECK_MPI(MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_APPNUM, &address, &flag));
        CHECK(address == before, "the value has moved");
        check_sleep_ms(10);
        end = check_rank == 0 && access("end", F_OK) == 0;
        CHECK_MPI(MPI_Bcast(&end, 1, MPI_INT, 0, MPI_COMM_WORLD));
    }
    check_end(1);
    MPI_Finalize();
    return 0;
}
