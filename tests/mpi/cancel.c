/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cancelled receives, some pending for many steps before, and requests that are freed
 * while they are active.
 */
#include "message.h"

#define N_PENDING 7
#define TAG_NEVER 4000
#define TAG_DATA 10
#define TAG_GO 11

static MPI_Request pending[N_PENDING];
static int pending_buffer[N_PENDING];
static int left, right;

static void cancelled(MPI_Request *request, const int *buffer, int value)
{
    MPI_Status status;
    int flag = 0;

    CHECK_MPI(MPI_Cancel(request));
    CHECK(*request != MPI_REQUEST_NULL, "cancel alone does not free a request");
    CHECK_MPI(MPI_Wait(request, &status));
    CHECK_MPI(MPI_Test_cancelled(&status, &flag));
    CHECK_EQ(flag, 1);
    CHECK(*request == MPI_REQUEST_NULL, "a cancelled request is not null");
    CHECK_EQ(*buffer, value);
}

/* A receive nobody sends to: posted now, cancelled N_PENDING steps later. */
static void never_matched(long step)
{
    int k = (int)(step % N_PENDING), source = step & 1 ? left : MPI_ANY_SOURCE;

    if (pending[k] != MPI_REQUEST_NULL)
        cancelled(&pending[k], &pending_buffer[k], (int)step - N_PENDING);
    pending_buffer[k] = (int)step;
    CHECK_MPI(MPI_Irecv(&pending_buffer[k], 1, MPI_INT, source, TAG_NEVER + k,
                        MPI_COMM_WORLD, &pending[k]));
}

/* Too late: the message is there, and cancelling changes nothing. */
static void already_matched(long step)
{
    MPI_Request request;
    MPI_Status status;
    int value = (int)step * 3 + check_rank, got = -1, flag = 0;

    CHECK_MPI(MPI_Irecv(&got, 1, MPI_INT, left, TAG_DATA, MPI_COMM_WORLD, &request));
    CHECK_MPI(MPI_Send(&value, 1, MPI_INT, right, TAG_DATA, MPI_COMM_WORLD));
    while (!flag)
        CHECK_MPI(MPI_Request_get_status(request, &flag, MPI_STATUS_IGNORE));
    CHECK_MPI(MPI_Cancel(&request));
    CHECK_MPI(MPI_Wait(&request, &status));
    CHECK_MPI(MPI_Test_cancelled(&status, &flag));
    CHECK_EQ(flag, 0);
    CHECK_EQ(got, (int)step * 3 + left);
    check_note((uint64_t)got);
}

/* A freed send still arrives, a freed receive is still filled. */
static void freed_active(long step)
{
    int n_bytes = step % 3 ? 64 : 100000, filled = 0;
    char *out = check_alloc((size_t)n_bytes), *in = check_alloc((size_t)n_bytes);
    char expected[64];
    MPI_Request send, receive;

    message_make(out, n_bytes, check_rank, right, TAG_DATA, (uint64_t)step);
    message_make(expected, 64, left, check_rank, TAG_DATA, (uint64_t)step);
    memset(in, 0, (size_t)n_bytes);
    CHECK_MPI(MPI_Irecv(in, n_bytes, MPI_BYTE, left, TAG_DATA, MPI_COMM_WORLD, &receive));
    if (n_bytes == 64)
        CHECK_MPI(MPI_Request_free(&receive));
    CHECK_MPI(MPI_Isend(out, n_bytes, MPI_BYTE, right, TAG_DATA, MPI_COMM_WORLD, &send));
    CHECK_MPI(MPI_Request_free(&send));
    CHECK(send == MPI_REQUEST_NULL, "a freed request is not null");
    if (n_bytes == 64) {
        while (!filled) { /* a freed receive can only be watched */
            MPI_Iprobe(left, TAG_NEVER, MPI_COMM_WORLD, &filled, MPI_STATUS_IGNORE);
            CHECK_EQ(filled, 0);
            filled = memcmp(in, expected, 64) == 0;
        }
    } else {
        CHECK_MPI(MPI_Wait(&receive, MPI_STATUS_IGNORE));
        MESSAGE_CHECK(in, n_bytes, left, check_rank, TAG_DATA, (uint64_t)step);
    }
    /* the neighbour has all of it, too: the buffers are free */
    CHECK_MPI(MPI_Sendrecv(NULL, 0, MPI_BYTE, left, TAG_GO, NULL, 0, MPI_BYTE, right,
                           TAG_GO, MPI_COMM_WORLD, MPI_STATUS_IGNORE));
    free(out);
    free(in);
}

int main(int argc, char **argv)
{
    long step, steps;
    int k;

    MPI_Init(&argc, &argv);
    steps = check_begin("cancel", argc, argv, 8000);
    left = (check_rank + check_size - 1) % check_size;
    right = (check_rank + 1) % check_size;
    for (k = 0; k < N_PENDING; k++)
        pending[k] = MPI_REQUEST_NULL;
    for (step = 0; step < steps; step++) {
        never_matched(step);
        already_matched(step);
        freed_active(step);
    }
    for (k = 0; k < N_PENDING; k++)
        if (pending[k] != MPI_REQUEST_NULL)
            cancelled(&pending[k], &pending_buffer[k], pending_buffer[k]);
    check_end(steps);
    MPI_Finalize();
    return 0;
}
