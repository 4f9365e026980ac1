/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Error handlers that throw: through MPI's frames to who called it, past the destructors of
 * what lies between; and checkpoints after that.
 */
#include <stdexcept>
#include <string>

#include "check.h"

static int n_alive;

struct Guard {
    Guard() { n_alive++; }
    ~Guard() { n_alive--; }
};

struct Failed : std::runtime_error {
    MPI_Comm comm;
    int error;
    Failed(MPI_Comm c, int e) : std::runtime_error("failed"), comm(c), error(e) {}
};

static void on_error(MPI_Comm *comm, int *error, ...)
{
    Guard guard;
    throw Failed(*comm, *error);
}

static void send(MPI_Comm comm, int n)
{
    Guard guard;
    std::string text(100, 'x');

    MPI_Send(&text[0], n, MPI_CHAR, MPI_PROC_NULL, 0, comm);
}

int main(int argc, char **argv)
{
    MPI_Errhandler handler;
    MPI_Comm comm;
    uint64_t state;
    long steps;

    MPI_Init(&argc, &argv);
    steps = check_begin("throws", argc, argv, 200);
    state = check_hash((uint64_t)check_rank, 6);
    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    MPI_Comm_create_errhandler(on_error, &handler);
    MPI_Comm_set_errhandler(comm, handler);
    for (long step = 0; step < steps; step++) {
        int left = (check_rank + check_size - 1) % check_size, got = -1;
        int right = (check_rank + 1) % check_size, error_class = 0;

        send(comm, 3);
        try {
            send(comm, -1);
            CHECK(0, "nothing was thrown");
        } catch (const Failed &failed) {
            MPI_Error_class(failed.error, &error_class);
            CHECK(failed.comm == comm, "another communicator was told");
        }
        CHECK_EQ(error_class, MPI_ERR_COUNT);
        CHECK_EQ(n_alive, 0);
        check_compute(1, check_random(&state));
        if (check_below(&state, 3) == 0)
            check_sleep_ms(check_below(&state, 6));
        CHECK_MPI(MPI_Sendrecv(&check_rank, 1, MPI_INT, right, 5, &got, 1, MPI_INT, left, 5,
                               comm, MPI_STATUS_IGNORE));
        CHECK_EQ(got, left);
        check_note((uint64_t)(step + error_class));
    }
    MPI_Errhandler_free(&handler);
    MPI_Comm_free(&comm);
    check_end(steps);
    MPI_Finalize();
    return 0;
}
