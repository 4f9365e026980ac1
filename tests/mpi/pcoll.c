/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Persistent collectives (an extension of Open MPI 4.1), of all kinds: started again and
 * again, one by one and together, overlapped with messages and nonblocking collectives, made
 * and freed at different times in different ranks, with types and operations that have been
 * freed, on several communicators, with neighbours, between groups, and wrong ones.
 *
 * Open MPI 4.1 crashes where a type or an operation has been freed, crmpi does not: without
 * it they are freed at the end.
 */
#include "collective.h"
#include <dlfcn.h>

#include "message.h"

#define N_SLOTS 9
#define N_TRASH 64

struct trash {
    struct collective c;
    long until;
};

static struct collective slots[N_SLOTS];
static struct trash trash[N_TRASH];
static int n_trash;
static MPI_Comm comms[3], ring, between;

static void create(int k, uint64_t *state)
{
    enum collective_kind kind = (enum collective_kind)check_below(state, COLLECTIVE_KINDS);
    int which = check_below(state, 3);

    collective_create(&slots[k], kind, comms[which], check_random(state));
    collective_do(&slots[k], COLLECTIVE_PERSISTENT);
    CHECK(slots[k].request != MPI_REQUEST_NULL, "no request was made");
}

static void discard(struct collective *c)
{
    CHECK_MPI(MPI_Request_free(&c->request));
    CHECK(c->request == MPI_REQUEST_NULL, "a freed request is not null");
    collective_destroy(c);
}

/* Each rank frees it when it likes. */
static void throw(int k, long step)
{
    CHECK(n_trash < N_TRASH, "there is too much");
    trash[n_trash++] = (struct trash){slots[k], step + 7 * (check_rank % 3)};
}

static void sweep(long step)
{
    for (int i = 0; i < n_trash;) {
        if (trash[i].until > step) {
            i++;
            continue;
        }
        discard(&trash[i].c);
        trash[i] = trash[--n_trash];
    }
}

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

static void start(long step, int n)
{
    MPI_Request requests[N_SLOTS];

    for (int k = 0; k < n; k++)
        collective_fill(&slots[k], check_hash((uint64_t)step, (uint64_t)k));
    for (int k = 0; k < n; k++) {
        requests[k] = slots[k].request;
        if (step % 2)
            CHECK_MPI(MPI_Start(&slots[k].request));
    }
    if (step % 2 == 0)
        CHECK_MPI(MPI_Startall(n, requests));
}

/* Inactive ones are among them. */
static void complete(long step)
{
    MPI_Request requests[N_SLOTS];
    int indices[N_SLOTS], index, n = 0, flag = 0, k;

    for (k = 0; k < N_SLOTS; k++)
        requests[k] = slots[k].request;
    switch (step / 2 % 5) {
    case 0:
        CHECK_MPI(MPI_Waitall(N_SLOTS, requests, MPI_STATUSES_IGNORE));
        break;
    case 1:
        while (!flag)
            CHECK_MPI(MPI_Testall(N_SLOTS, requests, &flag, MPI_STATUSES_IGNORE));
        break;
    case 2:
        for (k = N_SLOTS - 1; k >= 0; k--) {
            flag = 0;
            while (!flag)
                CHECK_MPI(MPI_Request_get_status(requests[k], &flag, MPI_STATUS_IGNORE));
            CHECK_MPI(MPI_Wait(&requests[k], MPI_STATUS_IGNORE));
        }
        break;
    case 3:
        for (index = 0; index != MPI_UNDEFINED;)
            CHECK_MPI(MPI_Waitany(N_SLOTS, requests, &index, MPI_STATUS_IGNORE));
        break;
    default:
        while (n != MPI_UNDEFINED)
            CHECK_MPI(
                MPI_Testsome(N_SLOTS, requests, &n, indices, MPI_STATUSES_IGNORE));
    }
    for (k = 0; k < N_SLOTS; k++)
        CHECK(requests[k] == slots[k].request, "a persistent request has changed");
}

/*
 * Types and an operation of the program's own, freed when the requests are made
 */

static int own_out[3], own_in[3], own_sums[3];
static int pair_out[64], pair_in[64];
static MPI_Request own, pairs;
static MPI_Datatype triple, pair;
static MPI_Op op;

static void own_free(void)
{
    CHECK_MPI(MPI_Op_free(&op));
    CHECK_MPI(MPI_Type_free(&triple));
    CHECK_MPI(MPI_Type_free(&pair));
}

static void multiply(void *in, void *inout, int *n, MPI_Datatype *type)
{
    (void)type;
    for (int i = 0; i < 3 * *n; i++)
        ((int *)inout)[i] *= ((int *)in)[i];
}

static void own_create(void)
{
    int counts[16], displs[16];
    MPI_Datatype types[16];

    CHECK_MPI(MPI_Type_contiguous(3, MPI_INT, &triple));
    CHECK_MPI(MPI_Type_commit(&triple));
    CHECK_MPI(MPI_Op_create(multiply, 1, &op));
    CHECK_MPI(MPI_Allreduce_init(own_out, own_in, 1, triple, op, MPI_COMM_WORLD,
                                 MPI_INFO_NULL, &own));
    CHECK_MPI(MPI_Type_vector(2, 1, 2, MPI_INT, &pair)); /* with a gap */
    CHECK_MPI(MPI_Type_commit(&pair));
    for (int i = 0; i < check_size; i++) {
        counts[i] = 1;
        displs[i] = i * 4 * (int)sizeof(int);
        types[i] = pair;
    }
    CHECK_MPI(MPI_Alltoallw_init(pair_out, counts, displs, types, pair_in, counts, displs,
                                 types, MPI_COMM_WORLD, MPI_INFO_NULL, &pairs));
    if (dlsym(RTLD_DEFAULT, "CRMPI_Checkpoint"))
        own_free();
}

static void own_check(long step)
{
    for (int i = 0; i < 3; i++) {
        own_out[i] = 1 + (int)((step + i + check_rank) % 3);
        own_sums[i] = 1;
        for (int r = 0; r < check_size; r++)
            own_sums[i] *= 1 + (int)((step + i + r) % 3);
    }
    for (int i = 0; i < 4 * check_size; i++) {
        pair_out[i] = (int)(step + 1000 * check_rank + i);
        pair_in[i] = -1;
    }
    CHECK_MPI(MPI_Start(&own));
    CHECK_MPI(MPI_Start(&pairs));
    CHECK_MPI(MPI_Wait(&pairs, MPI_STATUS_IGNORE));
    CHECK_MPI(MPI_Wait(&own, MPI_STATUS_IGNORE));
    for (int i = 0; i < 3; i++)
        CHECK_EQ(own_in[i], own_sums[i]);
    for (int r = 0; r < check_size; r++)
        for (int i = 0; i < 4; i++)
            CHECK_EQ(pair_in[4 * r + i],
                     i == 0 || i == 2 ? (int)(step + 1000 * r + 4 * check_rank + i) : -1);
}

/*
 * Neighbours in a ring, and the other group of an intercommunicator
 */

#define N_RING 5
#define N_BETWEEN 3

static MPI_Request around[N_RING], across[N_BETWEEN];
static int ring_out[N_RING][6], ring_in[N_RING][6], across_out, across_sum, across_root;

/* What comes from the left lies in the first three of six, from the right in the others. */
static void ring_create(void)
{
    int counts[2] = {3, 3}, displs[2] = {0, 3};
    MPI_Aint bytes[2] = {0, 3 * sizeof(int)};
    MPI_Datatype types[2] = {MPI_INT, MPI_INT};

    CHECK_MPI(MPI_Neighbor_allgather_init(ring_out[0], 3, MPI_INT, ring_in[0], 3, MPI_INT,
                                          ring, MPI_INFO_NULL, &around[0]));
    CHECK_MPI(MPI_Neighbor_allgatherv_init(ring_out[1], 3, MPI_INT, ring_in[1], counts,
                                           displs, MPI_INT, ring, MPI_INFO_NULL,
                                           &around[1]));
    CHECK_MPI(MPI_Neighbor_alltoall_init(ring_out[2], 3, MPI_INT, ring_in[2], 3, MPI_INT,
                                         ring, MPI_INFO_NULL, &around[2]));
    CHECK_MPI(MPI_Neighbor_alltoallv_init(ring_out[3], counts, displs, MPI_INT,
                                          ring_in[3], counts, displs, MPI_INT, ring,
                                          MPI_INFO_NULL, &around[3]));
    CHECK_MPI(MPI_Neighbor_alltoallw_init(ring_out[4], counts, bytes, types, ring_in[4],
                                          counts, bytes, types, ring, MPI_INFO_NULL,
                                          &around[4]));
    memset(counts, 0xff, sizeof counts);
    memset(displs, 0xff, sizeof displs);
    memset(types, 0, sizeof types);
}

static int ring_value(long step, int kind, int rank, int i)
{
    return (int)(step * 7 + kind * 100 + rank * 1000 + i) % 1000003;
}

static void ring_check(long step)
{
    int left = (check_rank + check_size - 1) % check_size;
    int right = (check_rank + 1) % check_size;

    if (check_size < 3)
        return; /* with one or two both neighbours are the same */
    for (int k = 0; k < N_RING; k++)
        for (int i = 0; i < 6; i++) {
            ring_out[k][i] = ring_value(step, k, check_rank, i);
            ring_in[k][i] = -1;
        }
    CHECK_MPI(MPI_Startall(N_RING, around));
    CHECK_MPI(MPI_Waitall(N_RING, around, MPI_STATUSES_IGNORE));
    for (int k = 0; k < N_RING; k++)
        for (int i = 0; i < 3; i++) {
            /* to the left goes the first half, to the right the second */
            CHECK_EQ(ring_in[k][i], ring_value(step, k, left, k < 2 ? i : i + 3));
            CHECK_EQ(ring_in[k][i + 3], ring_value(step, k, right, i));
        }
}

static void across_create(void)
{
    int is_upper = check_rank >= check_size / 2, first = check_rank % (check_size / 2) == 0;
    int root = is_upper ? 0 : check_rank == 0 && first ? MPI_ROOT : MPI_PROC_NULL;

    CHECK_MPI(MPI_Allreduce_init(&across_out, &across_sum, 1, MPI_INT, MPI_SUM, between,
                                 MPI_INFO_NULL, &across[0]));
    CHECK_MPI(MPI_Barrier_init(between, MPI_INFO_NULL, &across[1]));
    CHECK_MPI(MPI_Bcast_init(&across_root, 1, MPI_INT, root, between, MPI_INFO_NULL,
                             &across[2]));
}

static void across_check(long step)
{
    int is_upper = check_rank >= check_size / 2, sum = 0;
    int from = is_upper ? 0 : check_size / 2, to = is_upper ? check_size / 2 : check_size;

    for (int r = from; r < to; r++)
        sum += r + (int)step;
    across_out = check_rank + (int)step;
    across_root = check_rank == 0 ? (int)step : -1;
    for (int i = 0; i < N_BETWEEN; i++) {
        CHECK_MPI(MPI_Start(&across[i]));
        CHECK_MPI(MPI_Wait(&across[i], MPI_STATUS_IGNORE));
    }
    CHECK_EQ(across_sum, sum);
    if (is_upper)
        CHECK_EQ(across_root, step);
}

static void wrong(void)
{
    MPI_Request request = MPI_REQUEST_NULL;
    int x = 0;

    CHECK_MPI(MPI_Comm_set_errhandler(comms[1], MPI_ERRORS_RETURN));
    CHECK(MPI_Bcast_init(&x, 1, MPI_INT, check_size, comms[1], MPI_INFO_NULL, &request) !=
              MPI_SUCCESS,
          "there is no such root");
    CHECK(MPI_Bcast_init(&x, -1, MPI_INT, 0, comms[1], MPI_INFO_NULL, &request) !=
              MPI_SUCCESS,
          "there is no such number");
    CHECK_MPI(MPI_Comm_set_errhandler(comms[1], MPI_ERRORS_ARE_FATAL));
}

int main(int argc, char **argv)
{
    uint64_t state = 11;
    long step, steps;
    int n, periodic = 1;

    MPI_Init(&argc, &argv);
    steps = check_begin("pcoll", argc, argv, 2000);
    CHECK(check_size <= 16, "too many ranks");
    comms[0] = MPI_COMM_WORLD;
    MPI_Comm_dup(MPI_COMM_WORLD, &comms[1]);
    MPI_Comm_split(MPI_COMM_WORLD, check_rank % 2, -check_rank, &comms[2]);
    MPI_Cart_create(MPI_COMM_WORLD, 1, &check_size, &periodic, 0, &ring);
    if (check_size > 1) {
        MPI_Comm half;
        int upper = check_rank >= check_size / 2;
        MPI_Comm_split(MPI_COMM_WORLD, upper, 0, &half);
        MPI_Intercomm_create(half, 0, MPI_COMM_WORLD, upper ? 0 : check_size / 2, 5,
                             &between);
        MPI_Comm_free(&half);
        across_create();
    }
    wrong();
    own_create();
    ring_create();
    for (int k = 0; k < N_SLOTS; k++)
        create(k, &state);
    for (step = 0; step < steps; step++) {
        struct collective c;

        n = 1 + check_below(&state, N_SLOTS);
        start(step, n);
        exchange(step);
        collective_create(&c, COLLECTIVE_ALLREDUCE, MPI_COMM_WORLD, check_random(&state));
        collective_start(&c, (int)(step % 2));
        if (step % 10 == check_rank)
            check_sleep_ms(3);
        complete(step);
        CHECK_MPI(MPI_Wait(&c.request, MPI_STATUS_IGNORE));
        collective_verify(&c);
        collective_destroy(&c);
        for (int k = 0; k < n; k++) {
            collective_verify(&slots[k]);
            check_note((uint64_t)slots[k].receive[0] + (uint64_t)k);
        }
        own_check(step);
        ring_check(step);
        if (check_size > 1)
            across_check(step);
        if (step % 3 == 2) {
            n = check_below(&state, N_SLOTS);
            throw(n, step);
            create(n, &state);
        }
        sweep(step);
    }
    sweep(step + 100);
    for (int k = 0; k < N_SLOTS; k++)
        discard(&slots[k]);
    CHECK_MPI(MPI_Request_free(&own));
    CHECK_MPI(MPI_Request_free(&pairs));
    if (!dlsym(RTLD_DEFAULT, "CRMPI_Checkpoint"))
        own_free();
    for (int k = 0; k < N_RING; k++)
        CHECK_MPI(MPI_Request_free(&around[k]));
    for (int k = 0; k < N_BETWEEN && check_size > 1; k++)
        CHECK_MPI(MPI_Request_free(&across[k]));
    if (check_size > 1)
        MPI_Comm_free(&between);
    MPI_Comm_free(&ring);
    MPI_Comm_free(&comms[1]);
    MPI_Comm_free(&comms[2]);
    check_end(steps);
    MPI_Finalize();
    return 0;
}
