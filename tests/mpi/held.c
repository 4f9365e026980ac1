/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Synchronous messages in states that last over several checkpoints, one after the other (two
 * ranks).  Between its steps it waits, outside of MPI, until the job has been saved twice; natively not.
 */
#include <dirent.h>

#include "check.h"

enum { LARGE = 8 << 20, TAG = 1 };

static int lines(void)
{
    const char *dir = getenv("CRMPI_DIR");
    char path[4096];
    DIR *list;
    int newest = 0;

    snprintf(path, sizeof path, "%s/lines", dir ? dir : "");
    list = dir && getenv("CRMPI_INTERVAL") ? opendir(path) : NULL;
    if (!list)
        return -1;
    for (struct dirent *e; (e = readdir(list));)
        if (strstr(e->d_name, ".h5") && atoi(e->d_name) > newest)
            newest = atoi(e->d_name);
    closedir(list);
    return newest;
}

/* Until what is now so is in a checkpoint of all. */
static void await_lines(void)
{
    int before = lines();

    while (before >= 0 && lines() < before + 2)
        check_sleep_ms(20);
}

/* The receive of a held message has begun and not ended, and another message of its stream
 * comes. */
static void overtaken(int b_bytes)
{
    char *a = check_alloc(LARGE), *b = check_alloc(LARGE);
    MPI_Request requests[2];

    MPI_Barrier(MPI_COMM_WORLD);
    if (check_rank == 0) {
        check_fill(a, LARGE, 1);
        check_fill(b, (size_t)b_bytes, 2);
        MPI_Issend(a, LARGE, MPI_BYTE, 1, TAG, MPI_COMM_WORLD, &requests[0]);
        await_lines();
        MPI_Issend(b, b_bytes, MPI_BYTE, 1, TAG, MPI_COMM_WORLD, &requests[1]);
        await_lines();
        MPI_Waitall(2, requests, MPI_STATUSES_IGNORE);
    } else if (check_rank == 1) {
        await_lines();
        MPI_Irecv(a, LARGE, MPI_BYTE, 0, TAG, MPI_COMM_WORLD, &requests[0]);
        await_lines();
        await_lines();
        MPI_Wait(&requests[0], MPI_STATUS_IGNORE);
        CHECK_FILLED(a, LARGE, 1);
        MPI_Recv(b, LARGE, MPI_BYTE, 0, TAG, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        CHECK_FILLED(b, (size_t)b_bytes, 2);
    }
    free(a);
    free(b);
    check_note((uint64_t)b_bytes);
}

/* The request of a held message is freed. */
static void freed(void)
{
    int value = 77, got = -1;
    MPI_Request request;

    MPI_Barrier(MPI_COMM_WORLD);
    if (check_rank == 0) {
        MPI_Issend(&value, 1, MPI_INT, 1, TAG, MPI_COMM_WORLD, &request);
        await_lines();
        MPI_Request_free(&request);
        await_lines();
        MPI_Recv(&got, 1, MPI_INT, 1, TAG, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        CHECK_EQ(got, 78);
    } else if (check_rank == 1) {
        await_lines();
        await_lines();
        MPI_Recv(&got, 1, MPI_INT, 0, TAG, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        CHECK_EQ(got, 77);
        got++;
        MPI_Send(&got, 1, MPI_INT, 0, TAG, MPI_COMM_WORLD);
    }
    check_note(3);
}

/* To nobody, and waited for with another. */
static void to_nobody(void)
{
    int value = 5, got = -1, index, n = 0;
    MPI_Request requests[3];

    MPI_Barrier(MPI_COMM_WORLD);
    if (check_rank < 2) {
        MPI_Issend(&value, 1, MPI_INT, MPI_PROC_NULL, TAG, MPI_COMM_WORLD, &requests[0]);
        MPI_Irecv(&got, 1, MPI_INT, 1 - check_rank, TAG, MPI_COMM_WORLD, &requests[1]);
        MPI_Ssend_init(&value, 1, MPI_INT, MPI_PROC_NULL, TAG, MPI_COMM_WORLD, &requests[2]);
        MPI_Start(&requests[2]);
        await_lines();
        MPI_Send(&value, 1, MPI_INT, 1 - check_rank, TAG, MPI_COMM_WORLD);
        while (n < 3) {
            MPI_Waitany(3, requests, &index, MPI_STATUS_IGNORE);
            CHECK(index != MPI_UNDEFINED, "requests are gone");
            n++;
        }
        CHECK_EQ(got, 5);
        MPI_Request_free(&requests[2]);
    }
    check_note(4);
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    check_begin("held", argc, argv, 1);
    overtaken(100);
    overtaken(LARGE);
    freed();
    to_nobody();
    check_end(1);
    MPI_Finalize();
    return 0;
}
