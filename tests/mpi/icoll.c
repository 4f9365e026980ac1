/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nonblocking collectives: several at a time on several communicators, overlapped with
 * messages and blocking collectives, completed in another order than they were started.
 */
#include "collective.h"
#include "message.h"

#define N_ACTIVE 6

static struct collective active[N_ACTIVE];
static MPI_Comm comms[3];

/* A message to the right, which must pass while collectives are pending. */
static void exchange(long step)
{
    char out[500], in[500];
    int left = (check_rank + check_size - 1) % check_size, tag = (int)(step % 90);
    int right = (check_rank + 1) % check_size;
    MPI_Request request;

    message_make(out, 500, check_rank, right, tag, (uint64_t)step);
    CHECK_MPI(MPI_Isend(out, 500, MPI_BYTE, right, tag, MPI_COMM_WORLD, &request));
    CHECK_MPI(MPI_Recv(in, 500, MPI_BYTE, left, tag, MPI_COMM_WORLD, MPI_STATUS_IGNORE));
    MESSAGE_CHECK(in, 500, left, check_rank, tag, (uint64_t)step);
    CHECK_MPI(MPI_Wait(&request, MPI_STATUS_IGNORE));
}

static void finish(int k)
{
    collective_verify(&active[k]);
    CHECK(active[k].request == MPI_REQUEST_NULL, "a completed request is not null");
    check_note((uint64_t)active[k].receive[0] + (uint64_t)k);
    collective_destroy(&active[k]);
}

/* Complete all: in order, backwards by tests, or all at once. */
static void complete(long step)
{
    MPI_Request requests[N_ACTIVE];
    int k, flag, n_left = N_ACTIVE, done[N_ACTIVE] = {0};

    if (step % 3 == 0) {
        for (k = 0; k < N_ACTIVE; k++)
            requests[k] = active[k].request;
        CHECK_MPI(MPI_Waitall(N_ACTIVE, requests, MPI_STATUSES_IGNORE));
        for (k = 0; k < N_ACTIVE; k++) {
            active[k].request = requests[k];
            finish(k);
        }
        return;
    }
    for (k = N_ACTIVE - 1; n_left > 0; k = (k + N_ACTIVE - 1) % N_ACTIVE) {
        if (done[k])
            continue;
        flag = 1;
        if (step % 3 == 1)
            CHECK_MPI(MPI_Wait(&active[k].request, MPI_STATUS_IGNORE));
        else
            CHECK_MPI(MPI_Test(&active[k].request, &flag, MPI_STATUS_IGNORE));
        if (flag) {
            done[k] = 1;
            n_left--;
        }
    }
    for (k = 0; k < N_ACTIVE; k++)
        finish(k);
}

int main(int argc, char **argv)
{
    uint64_t state = 6;
    long step, steps;
    int k;

    MPI_Init(&argc, &argv);
    steps = check_begin("icoll", argc, argv, 1000);
    comms[0] = MPI_COMM_WORLD;
    MPI_Comm_dup(MPI_COMM_WORLD, &comms[1]);
    MPI_Comm_split(MPI_COMM_WORLD, check_rank % 2, -check_rank, &comms[2]);
    for (step = 0; step < steps; step++) {
        for (k = 0; k < N_ACTIVE; k++) {
            enum collective_kind kind =
                (enum collective_kind)((step * N_ACTIVE + k) % COLLECTIVE_KINDS);
            collective_create(&active[k], kind, comms[k % 3], check_random(&state));
            collective_start(&active[k], 1);
            if (k == N_ACTIVE / 2)
                exchange(step);
        }
        if (step % 10 == check_rank)
            check_sleep_ms(3);
        if (step % 4 == 0) { /* a blocking one on another communicator in between */
            struct collective c;
            collective_create(&c, COLLECTIVE_ALLREDUCE, MPI_COMM_WORLD, state);
            collective_start(&c, 0);
            collective_verify(&c);
            collective_destroy(&c);
        }
        complete(step);
    }
    MPI_Comm_free(&comms[1]);
    MPI_Comm_free(&comms[2]);
    check_end(steps);
    MPI_Finalize();
    return 0;
}
