/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * partitioned KIND [STEPS]: what MPI-4 has and a checkpoint is refused for, and what is left
 * when it is gone.  partitioned.sh says what should happen.
 */
#include "check.h"
#include <mpi-ext.h>

#define PARTS 8
#define COUNT 64

static int out[PARTS * COUNT], in[PARTS * COUNT];
static MPI_Request requests[2];

static void begin(void)
{
    CHECK_MPI(MPI_Psend_init(out, PARTS, COUNT, MPI_INT, check_rank, 3, MPI_COMM_WORLD,
                             MPI_INFO_NULL, &requests[0]));
    CHECK_MPI(MPI_Precv_init(in, PARTS, COUNT, MPI_INT, check_rank, 3, MPI_COMM_WORLD,
                             MPI_INFO_NULL, &requests[1]));
}

static void exchange(int step)
{
    int flag = 0, some[2] = {0, 1};

    memset(in, 0, sizeof in);
    CHECK_MPI(MPI_Startall(2, requests));
    for (int i = 0; i < PARTS * COUNT; i++)
        out[i] = step * 1000 + i;
    CHECK_MPI(MPI_Pready_list(2, some, requests[0]));
    CHECK_MPI(MPI_Pready(2, requests[0]));
    CHECK_MPI(MPI_Pready_range(3, PARTS - 1, requests[0]));
    while (!flag)
        CHECK_MPI(MPI_Parrived(requests[1], PARTS - 1, &flag));
    CHECK_MPI(MPI_Waitall(2, requests, MPI_STATUSES_IGNORE));
    for (int i = 0; i < PARTS * COUNT; i++)
        CHECK_EQ(in[i], step * 1000 + i);
}

static void end(void)
{
    CHECK_MPI(MPI_Request_free(&requests[0]));
    CHECK_MPI(MPI_Request_free(&requests[1]));
}

int main(int argc, char **argv)
{
    const char *kind = argc > 1 ? argv[1] : "";
    int freed = strcmp(kind, "freed") == 0, revoked = strcmp(kind, "revoked") == 0, is;
    long steps;

    MPI_Init(&argc, &argv);
    argv[1] = argv[0];
    steps = check_begin("partitioned", argc - 1, argv + 1, 60);
    if (revoked) {
#ifdef OMPI_HAVE_MPI_EXT_FTMPI
        MPI_Comm comm;
        CHECK_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &comm));
        CHECK_MPI(MPIX_Comm_is_revoked(comm, &is));
        CHECK_EQ(is, 0);
        CHECK_MPI(MPIX_Comm_revoke(comm));
#else
        (void)is;
        printf("no revoked here\n");
#endif
    } else {
        begin();
    }
    for (int step = 0; step < steps; step++) {
        if (!revoked && !(freed && step > 0))
            exchange(step);
        if (freed && step == 0)
            end();
        CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
        check_sleep_ms(20);
        check_note((uint64_t)step);
    }
    if (!freed && !revoked)
        end();
    check_end(steps);
    MPI_Finalize();
    return 0;
}
