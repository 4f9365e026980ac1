/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Persistent requests of all modes, started one by one and together, inactive ones among
 * those that are waited for, and renewed from time to time.
 */
#include "message.h"
#include <dlfcn.h>

#define N_MODES 3 /* standard, buffered, synchronous; ready ones are in ready() */
#define N_LARGE 50000

struct channel {
    char *out, *in;
    int n_bytes, left, right, tag;
};

static struct channel channels[N_MODES + 1];
static MPI_Request sends[N_MODES + 1], receives[N_MODES + 1];

static void create(int k, long step)
{
    struct channel *c = &channels[k];
    uint64_t state = check_hash((uint64_t)k, (uint64_t)step);
    int shift = 1 + k;

    /* Open MPI 4.1 alone sends wrong data in larger buffered ones that are started again */
    c->n_bytes = k == 2 ? N_LARGE : check_below(&state, k == 1 ? 1000 : 6000);
    c->right = (check_rank + shift) % check_size;
    c->left = (check_rank + (shift / check_size + 1) * check_size - shift) % check_size;
    c->tag = 10 + k;
    c->out = check_alloc((size_t)c->n_bytes);
    c->in = check_alloc((size_t)c->n_bytes);
    CHECK_MPI(MPI_Recv_init(c->in, c->n_bytes, MPI_BYTE, c->left, c->tag, MPI_COMM_WORLD,
                            &receives[k]));
    CHECK_MPI((k == 0   ? MPI_Send_init
               : k == 1 ? MPI_Bsend_init
               : k == 2 ? MPI_Ssend_init
                        : MPI_Rsend_init)(c->out, c->n_bytes, MPI_BYTE, c->right, c->tag,
                                          MPI_COMM_WORLD, &sends[k]));
}

static void destroy(int k)
{
    CHECK_MPI(MPI_Request_free(&sends[k]));
    CHECK_MPI(MPI_Request_free(&receives[k]));
    CHECK(sends[k] == MPI_REQUEST_NULL, "a freed request is not null");
    free(channels[k].out);
    free(channels[k].in);
}

static void prepare(int k, long step)
{
    struct channel *c = &channels[k];
    message_make(c->out, c->n_bytes, check_rank, c->right, c->tag, (uint64_t)step);
    memset(c->in, 0xdd, (size_t)c->n_bytes);
}

static void verify(int k, long step, const MPI_Status *status)
{
    struct channel *c = &channels[k];
    MESSAGE_STATUS(status, c->n_bytes, c->left, c->tag);
    MESSAGE_CHECK(c->in, c->n_bytes, c->left, check_rank, c->tag, (uint64_t)step);
    CHECK(receives[k] != MPI_REQUEST_NULL, "a persistent request became null");
    check_note((uint64_t)c->n_bytes);
}

/* An inactive request is complete with an empty status, and stays usable. */
static void touch_inactive(void)
{
    MPI_Status status;
    int flag = 0;

    CHECK_MPI(MPI_Wait(&receives[0], &status));
    CHECK_EQ(status.MPI_SOURCE, MPI_ANY_SOURCE);
    CHECK_MPI(MPI_Test(&sends[0], &flag, &status));
    CHECK_EQ(flag, 1);
}

/* A ready send may start when the receive is known to be there. */
static void ready(long step)
{
    MPI_Status status;

    prepare(N_MODES, step);
    CHECK_MPI(MPI_Start(&receives[N_MODES]));
    CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
    CHECK_MPI(MPI_Start(&sends[N_MODES]));
    CHECK_MPI(MPI_Wait(&sends[N_MODES], MPI_STATUS_IGNORE));
    CHECK_MPI(MPI_Wait(&receives[N_MODES], &status));
    verify(N_MODES, step, &status);
}

static void round_trip(long step)
{
    MPI_Request all[2 * N_MODES];
    MPI_Status statuses[2 * N_MODES];
    int k, active = 1 + (int)(step % N_MODES);

    touch_inactive();
    for (k = 0; k < active; k++)
        prepare(k, step);
    if (step & 1) {
        CHECK_MPI(MPI_Startall(active, receives));
        CHECK_MPI(MPI_Startall(active, sends));
    } else {
        for (k = 0; k < active; k++) {
            CHECK_MPI(MPI_Start(&sends[k]));
            CHECK_MPI(MPI_Start(&receives[k]));
        }
    }
    for (k = 0; k < N_MODES; k++) {
        all[2 * k] = sends[k];
        all[2 * k + 1] = receives[k];
    }
    CHECK_MPI(MPI_Waitall(2 * N_MODES, all, statuses)); /* inactive ones among them */
    for (k = 0; k < active; k++)
        verify(k, step, &statuses[2 * k + 1]);
}

/* Started, freed while active: it completes nevertheless. */
static void freed_active(long step)
{
    char *out = check_alloc(100), in[100];
    MPI_Request send;
    int right = (check_rank + 1) % check_size,
        left = (check_rank + check_size - 1) % check_size;

    message_make(out, 100, check_rank, right, 5, (uint64_t)step);
    CHECK_MPI(MPI_Send_init(out, 100, MPI_BYTE, right, 5, MPI_COMM_WORLD, &send));
    CHECK_MPI(MPI_Start(&send));
    CHECK_MPI(MPI_Request_free(&send));
    CHECK_MPI(MPI_Recv(in, 100, MPI_BYTE, left, 5, MPI_COMM_WORLD, MPI_STATUS_IGNORE));
    MESSAGE_CHECK(in, 100, left, check_rank, 5, (uint64_t)step);
    CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD)); /* received by all: the buffer is free */
    free(out);
}

/* A larger buffered one, started again when its message has gone: under crmpi alone. */
static void buffered_again(long step)
{
    int right = (check_rank + 1) % check_size,
        left = (check_rank + check_size - 1) % check_size, n = 6000;
    char *out = check_alloc((size_t)n), *in = check_alloc((size_t)n);
    MPI_Request send;

    CHECK_MPI(MPI_Bsend_init(out, n, MPI_BYTE, right, 6, MPI_COMM_WORLD, &send));
    for (int i = 0; i < 3; i++) {
        message_make(out, n, check_rank, right, 6, (uint64_t)(3 * step + i));
        CHECK_MPI(MPI_Start(&send));
        CHECK_MPI(MPI_Wait(&send, MPI_STATUS_IGNORE));
        CHECK_MPI(MPI_Recv(in, n, MPI_BYTE, left, 6, MPI_COMM_WORLD, MPI_STATUS_IGNORE));
        MESSAGE_CHECK(in, n, left, check_rank, 6, (uint64_t)(3 * step + i));
        CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
    }
    CHECK_MPI(MPI_Request_free(&send));
    free(out);
    free(in);
}

int main(int argc, char **argv)
{
    char attached[4 * N_LARGE];
    void *detached;
    int k, n;
    long step, steps;

    MPI_Init(&argc, &argv);
    steps = check_begin("persistent", argc, argv, 3000);
    CHECK_MPI(MPI_Buffer_attach(attached, sizeof attached));
    for (k = 0; k <= N_MODES; k++)
        create(k, 0);
    for (step = 1; step <= steps; step++) {
        round_trip(step);
        if (step % 16 == 0)
            ready(step);
        if (step % 50 == 0)
            freed_active(step);
        if (step % 50 == 1 && dlsym(RTLD_DEFAULT, "CRMPI_Checkpoint"))
            buffered_again(step);
        if (step % 200 == 0) {
            k = (int)(step / 200 % (N_MODES + 1));
            destroy(k);
            create(k, step);
        }
    }
    for (k = 0; k <= N_MODES; k++)
        destroy(k);
    CHECK_MPI(MPI_Buffer_detach(&detached, &n));
    check_end(steps);
    MPI_Finalize();
    return 0;
}
