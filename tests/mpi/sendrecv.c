/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sendrecv and Sendrecv_replace around rings of all shifts, with different sizes there
 * and back, wildcards and MPI_PROC_NULL.
 */
#include "message.h"

static char *out, *in;
static MPI_Comm wild; /* for both(), whose wildcards would take other messages */

static int size_of(long step, int source)
{
    uint64_t state = check_hash((uint64_t)step, (uint64_t)source);
    return message_size(&state);
}

static void both(long step, int source, int dest)
{
    int n_out = size_of(step, check_rank), n_in = size_of(step, source),
        tag = (int)(step % 30000);
    MPI_Status status;

    message_make(out, n_out, check_rank, dest, tag, (uint64_t)step);
    memset(in, 0xdd, (size_t)n_in + 1);
    CHECK_MPI(MPI_Sendrecv(out, n_out, MPI_BYTE, dest, tag, in, n_in, MPI_BYTE,
                           step % 3 == 0 ? MPI_ANY_SOURCE : source,
                           step % 3 == 1 ? MPI_ANY_TAG : tag, wild, &status));
    MESSAGE_STATUS(&status, n_in, source, tag);
    MESSAGE_CHECK(in, n_in, source, check_rank, tag, (uint64_t)step);
    CHECK_EQ((unsigned char)in[n_in], 0xdd);
    check_note((uint64_t)n_in);
}

static void replace(long step, int source, int dest)
{
    int n_bytes = size_of(step, -1), tag = (int)(step % 55);
    MPI_Status status;

    message_make(out, n_bytes, check_rank, dest, tag, (uint64_t)step);
    CHECK_MPI(MPI_Sendrecv_replace(out, n_bytes, MPI_BYTE, dest, tag, source, tag,
                                   MPI_COMM_WORLD, &status));
    MESSAGE_STATUS(&status, n_bytes, source, tag);
    MESSAGE_CHECK(out, n_bytes, source, check_rank, tag, (uint64_t)step);
}

/* A line, not a ring: the ends have MPI_PROC_NULL, whose buffers stay as they are. */
static void line(long step)
{
    int left = check_rank ? check_rank - 1 : MPI_PROC_NULL;
    int right = check_rank < check_size - 1 ? check_rank + 1 : MPI_PROC_NULL;
    int value = (int)step * 100 + check_rank, got = -7;
    MPI_Status status;

    CHECK_MPI(MPI_Sendrecv(&value, 1, MPI_INT, right, 1, &got, 1, MPI_INT, left, 1,
                           MPI_COMM_WORLD, &status));
    CHECK_EQ(got, left == MPI_PROC_NULL ? -7 : value - 1);
    CHECK_EQ(status.MPI_SOURCE, left);
    CHECK_MPI(MPI_Sendrecv_replace(&value, 1, MPI_INT, left, 2, right, 2, MPI_COMM_WORLD,
                                   MPI_STATUS_IGNORE));
    CHECK_EQ(value, (int)step * 100 + check_rank + (right != MPI_PROC_NULL));
}

int main(int argc, char **argv)
{
    long step, steps;

    MPI_Init(&argc, &argv);
    steps = check_begin("sendrecv", argc, argv, 3500);
    MPI_Comm_dup(MPI_COMM_WORLD, &wild);
    out = check_alloc(MESSAGE_MAX);
    in = check_alloc(MESSAGE_MAX + 1);
    for (step = 0; step < steps; step++) {
        int shift = (int)(step % check_size);
        int source = (check_rank + check_size - shift) % check_size;
        int dest = (check_rank + shift) % check_size;
        both(step, source, dest);
        replace(step, source, dest);
        line(step);
    }
    MPI_Comm_free(&wild);
    check_end(steps);
    MPI_Finalize();
    free(out);
    free(in);
    return 0;
}
