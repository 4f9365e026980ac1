/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pairs of ranks that have nothing to do with each other: within a pair messages of many
 * tags and sizes, blocking and not, received in another order than sent.  A rank without
 * a partner talks to itself.  For a test that watches (hold.h) each writes down how many
 * exchanges it has made, and the last pair has much memory, so saving it takes long.
 */
#include "hold.h"

#define MESSAGES 6
#define BYTES_MAX 20000
#define MANY (64 << 20)

static char *out[MESSAGES], *in[MESSAGES];

static int size_of(long step, int i, int from)
{
    uint64_t state = check_hash4((uint64_t)step, (uint64_t)i, (uint64_t)from, 1);
    return check_below(&state, 4) ? check_below(&state, 200)
                                  : check_below(&state, BYTES_MAX);
}

static uint64_t seed_of(long step, int i, int from)
{
    return check_hash4((uint64_t)step, (uint64_t)i, (uint64_t)from, 2);
}

static int tag_of(long step, int i)
{
    return (int)((step * 7 + i) % 40);
}

static void take(long step, int i, int partner)
{
    int n_bytes = size_of(step, i, partner);

    CHECK_FILLED(in[i], (size_t)n_bytes, seed_of(step, i, partner));
    check_note(seed_of(step, i, partner));
}

/* All are in flight at once, and the last is waited for first. */
static void exchange(long step, int partner)
{
    MPI_Request sends[MESSAGES], receives[MESSAGES];

    for (int i = 0; i < MESSAGES; i++) {
        int n_bytes = size_of(step, i, check_rank);
        check_fill(out[i], (size_t)n_bytes, seed_of(step, i, check_rank));
        CHECK_MPI(MPI_Isend(out[i], n_bytes, MPI_BYTE, partner, tag_of(step, i),
                            MPI_COMM_WORLD, &sends[i]));
    }
    for (int i = 0; i < MESSAGES; i++)
        CHECK_MPI(MPI_Irecv(in[i], size_of(step, i, partner), MPI_BYTE, partner,
                            tag_of(step, i), MPI_COMM_WORLD, &receives[i]));
    for (int i = MESSAGES; i-- > 0;) {
        CHECK_MPI(MPI_Wait(&receives[i], MPI_STATUS_IGNORE));
        take(step, i, partner);
    }
    CHECK_MPI(MPI_Waitall(MESSAGES, sends, MPI_STATUSES_IGNORE));
}

/* One speaks, the other answers. */
static void talk(long step, int partner)
{
    int first = check_rank < partner, n_bytes = size_of(step, 0, check_rank);

    check_fill(out[0], (size_t)n_bytes, seed_of(step, 0, check_rank));
    if (first)
        CHECK_MPI(MPI_Send(out[0], n_bytes, MPI_BYTE, partner, 50, MPI_COMM_WORLD));
    CHECK_MPI(MPI_Recv(in[0], BYTES_MAX, MPI_BYTE, partner, 50, MPI_COMM_WORLD,
                       MPI_STATUS_IGNORE));
    take(step, 0, partner);
    if (!first)
        CHECK_MPI(MPI_Send(out[0], n_bytes, MPI_BYTE, partner, 50, MPI_COMM_WORLD));
}

static void tell(long step)
{
    const char *path = hold_path("exchanges", 0);
    char text[32];
    int fd, n = snprintf(text, sizeof text, "%ld\n", step);

    if (path == NULL)
        return;
    CHECK_SYS(fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    CHECK_EQ(pwrite(fd, text, (size_t)n, 0), n);
    CHECK_SYS(close(fd));
}

int main(int argc, char **argv)
{
    char *many = NULL;
    long steps;
    int partner;

    CHECK_MPI(MPI_Init(&argc, &argv));
    steps = check_begin("pairs", argc, argv, 3000);
    partner = check_rank ^ 1;
    if (partner >= check_size)
        partner = check_rank;
    for (int i = 0; i < MESSAGES; i++) {
        out[i] = check_alloc(BYTES_MAX);
        in[i] = check_alloc(BYTES_MAX);
    }
    if (getenv("TEST_HOLD") && check_rank / 2 == (check_size - 1) / 2) {
        many = check_alloc(MANY);
        check_fill(many, MANY, 5);
    }
    for (long step = 0; step < steps; step++) {
        exchange(step, partner);
        tell(step);
        if (steps >= 4 && (step + 1) % (steps / 4) == 0)
            hold((step + 1) / (steps / 4));
        if (partner != check_rank)
            talk(step, partner);
        if (step % 16 == check_rank)
            check_compute(1, (uint64_t)step);
    }
    if (many != NULL)
        CHECK_FILLED(many, MANY, 5);
    free(many);
    check_end(steps);
    MPI_Finalize();
    return 0;
}
