/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program with a tool: a library that puts functions in front of some of MPI's, and that it
 * is linked with or that is preloaded.
 */
#include "check.h"
#include <dlfcn.h>

int main(int argc, char **argv)
{
    int left, right, out, in = -1, *memory;
    long step, steps, *calls;
    MPI_Win win;

    MPI_Init(&argc, &argv);
    steps = check_begin("tool", argc, argv, 1000);
    left = (check_rank + check_size - 1) % check_size;
    right = (check_rank + 1) % check_size;
    calls = dlsym(RTLD_DEFAULT, "tool_calls");
    CHECK(calls != NULL, "the tool is not there");
    CHECK_MPI(MPI_Win_allocate(sizeof *memory, 1, MPI_INFO_NULL, MPI_COMM_WORLD, &memory,
                               &win));
    for (step = 0; step < steps; step++) {
        MPI_Request request;

        out = (int)step + check_rank;
        CHECK_MPI(MPI_Win_fence(0, win));
        CHECK_MPI(MPI_Put(&out, 1, MPI_INT, right, 0, 1, MPI_INT, win));
        CHECK_MPI(MPI_Win_fence(0, win));
        CHECK_EQ(*memory, step + left);
        if (check_rank % 2) {
            CHECK_MPI(MPI_Recv(&in, 1, MPI_INT, left, 3, MPI_COMM_WORLD, MPI_STATUS_IGNORE));
            CHECK_MPI(MPI_Send(&out, 1, MPI_INT, right, 3, MPI_COMM_WORLD));
        } else {
            CHECK_MPI(MPI_Isend(&out, 1, MPI_INT, right, 3, MPI_COMM_WORLD, &request));
            CHECK_MPI(MPI_Recv(&in, 1, MPI_INT, left, 3, MPI_COMM_WORLD, MPI_STATUS_IGNORE));
            CHECK_MPI(MPI_Wait(&request, MPI_STATUS_IGNORE));
        }
        CHECK_EQ(in, step + left);
        CHECK_EQ(calls[0], check_rank % 2 ? step + 1 : 0);
        CHECK_EQ(calls[1], step + 1);
        CHECK_EQ(calls[2], step + 1);
        check_sleep_ms(2);
        check_note((uint64_t)in);
    }
    CHECK_MPI(MPI_Win_free(&win));
    check_end(steps);
    MPI_Finalize();
    return 0;
}
