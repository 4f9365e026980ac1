/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Neighbourhood collectives, blocking and not, on cartesian, graph and distributed graph
 * communicators, with kept and with short-lived topologies.
 *
 * Open MPI 4.1 hangs now and then in MPI_Dist_graph_create on a communicator of which many
 * have been made (see dist_graph.c), crmpi does not: without it a new one is the parent.
 */
#include "check.h"
#include <dlfcn.h>

#define MAX_NEIGHBORS 16
#define MAX_COUNT 300

/* Sources and destinations of this process, in MPI's order. */
struct neighbors {
    int n_in, n_out, in[MAX_NEIGHBORS], out[MAX_NEIGHBORS];
};

/* Element i of what `source` sends as its block k. */
static int value(long step, int source, int k, int i)
{
    return (int)((step * 17 + source * 101 + k * 37 + i) % 100003);
}

static MPI_Comm make_cart(int periodic)
{
    int dims[2] = {0, 0}, periods[2] = {periodic, periodic};
    MPI_Comm comm;

    CHECK_MPI(MPI_Dims_create(check_size, 2, dims));
    CHECK_MPI(MPI_Cart_create(MPI_COMM_WORLD, 2, dims, periods, 0, &comm));
    return comm;
}

static void cart_neighbors(MPI_Comm comm, struct neighbors *nb)
{
    int d;

    nb->n_in = nb->n_out = 4;
    for (d = 0; d < 2; d++)
        CHECK_MPI(MPI_Cart_shift(comm, d, 1, &nb->in[2 * d], &nb->in[2 * d + 1]));
    memcpy(nb->out, nb->in, sizeof nb->out);
}

/* A ring with both directions; with one or two processes, edges are doubled. */
static MPI_Comm make_graph(void)
{
    int *index = check_alloc((size_t)check_size * sizeof(int)), i;
    int *edges = check_alloc(2 * (size_t)check_size * sizeof(int));
    MPI_Comm comm;

    for (i = 0; i < check_size; i++) {
        index[i] = 2 * (i + 1);
        edges[2 * i] = (i + check_size - 1) % check_size;
        edges[2 * i + 1] = (i + 1) % check_size;
    }
    CHECK_MPI(MPI_Graph_create(MPI_COMM_WORLD, check_size, index, edges, 0, &comm));
    free(index);
    free(edges);
    return comm;
}

static void graph_neighbors(struct neighbors *nb)
{
    nb->n_in = nb->n_out = 2;
    nb->in[0] = nb->out[0] = (check_rank + check_size - 1) % check_size;
    nb->in[1] = nb->out[1] = (check_rank + 1) % check_size;
}

/* Directed: rank sends to rank+1, rank+2, rank+3 (modulo the size). */
static void dist_neighbors(struct neighbors *nb)
{
    nb->n_in = nb->n_out = 3;
    for (int k = 0; k < 3; k++) {
        nb->in[k] = (check_rank + 3 * check_size - k - 1) % check_size;
        nb->out[k] = (check_rank + k + 1) % check_size;
    }
}

static MPI_Comm make_dist(int adjacent)
{
    struct neighbors nb;
    int weights[3] = {1, 2, 3}, degree = 3;
    MPI_Comm comm, parent = MPI_COMM_WORLD;

    dist_neighbors(&nb);
    if (adjacent) {
        CHECK_MPI(MPI_Dist_graph_create_adjacent(MPI_COMM_WORLD, 3, nb.in, weights, 3,
                                                 nb.out, weights, MPI_INFO_NULL, 0,
                                                 &comm));
        return comm;
    }
    if (!dlsym(RTLD_DEFAULT, "CRMPI_Checkpoint"))
        CHECK_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &parent));
    CHECK_MPI(MPI_Dist_graph_create(parent, 1, &check_rank, &degree, nb.out, weights,
                                    MPI_INFO_NULL, 0, &comm));
    if (parent != MPI_COMM_WORLD)
        CHECK_MPI(MPI_Comm_free(&parent));
    return comm;
}

static void finish(MPI_Request *request)
{
    if (request)
        CHECK_MPI(MPI_Wait(request, MPI_STATUS_IGNORE));
}

/* The same block from each process to all its neighbours. */
static void allgather(MPI_Comm comm, const struct neighbors *nb, long step,
                      int nonblocking)
{
    int send[MAX_COUNT], receive[MAX_NEIGHBORS * MAX_COUNT], n = (int)(step % MAX_COUNT),
                                                             i, k;
    int counts[MAX_NEIGHBORS], displs[MAX_NEIGHBORS], v = (int)(step / 2 % 2);
    MPI_Request request, *r = nonblocking ? &request : NULL;

    for (i = 0; i < n; i++)
        send[i] = value(step, check_rank, 0, i);
    for (i = 0; i < MAX_NEIGHBORS * MAX_COUNT; i++)
        receive[i] = -1;
    for (k = 0; k < MAX_NEIGHBORS; k++) {
        counts[k] = n;
        displs[k] = v ? k * MAX_COUNT : k * n;
    }
    if (v)
        CHECK_MPI(r ? MPI_Ineighbor_allgatherv(send, n, MPI_INT, receive, counts, displs,
                                               MPI_INT, comm, r)
                    : MPI_Neighbor_allgatherv(send, n, MPI_INT, receive, counts, displs,
                                              MPI_INT, comm));
    else
        CHECK_MPI(
            r ? MPI_Ineighbor_allgather(send, n, MPI_INT, receive, n, MPI_INT, comm, r)
              : MPI_Neighbor_allgather(send, n, MPI_INT, receive, n, MPI_INT, comm));
    finish(r);
    for (k = 0; k < nb->n_in; k++)
        for (i = 0; i < n; i++)
            CHECK_EQ(receive[displs[k] + i],
                     nb->in[k] == MPI_PROC_NULL ? -1 : value(step, nb->in[k], 0, i));
}

/* Another block to each neighbour; it carries the destination and its index. */
static void alltoall(MPI_Comm comm, const struct neighbors *nb, long step,
                     int nonblocking)
{
    enum { BLOCK = 4 };
    int send[MAX_NEIGHBORS * BLOCK], receive[MAX_NEIGHBORS * BLOCK], k,
        kind = (int)(step % 3);
    int counts[MAX_NEIGHBORS], displs[MAX_NEIGHBORS], n_from[64] = {0}, n_to[64] = {0};
    MPI_Aint bytes[MAX_NEIGHBORS];
    MPI_Datatype types[MAX_NEIGHBORS];
    MPI_Request request, *r = nonblocking ? &request : NULL;

    for (k = 0; k < MAX_NEIGHBORS * BLOCK; k++)
        send[k] = receive[k] = -1;
    for (k = 0; k < MAX_NEIGHBORS; k++) {
        counts[k] = BLOCK;
        displs[k] = k * BLOCK;
        bytes[k] = k * BLOCK * (MPI_Aint)sizeof(int);
        types[k] = MPI_INT;
    }
    for (k = 0; k < nb->n_out; k++) {
        send[BLOCK * k] = (int)step;
        send[BLOCK * k + 1] = check_rank;
        send[BLOCK * k + 2] = nb->out[k];
        send[BLOCK * k + 3] = nb->out[k] == MPI_PROC_NULL ? 0 : n_to[nb->out[k]]++;
    }
    if (kind == 0)
        CHECK_MPI(r ? MPI_Ineighbor_alltoall(send, BLOCK, MPI_INT, receive, BLOCK,
                                             MPI_INT, comm, r)
                    : MPI_Neighbor_alltoall(send, BLOCK, MPI_INT, receive, BLOCK, MPI_INT,
                                            comm));
    else if (kind == 1)
        CHECK_MPI(r ? MPI_Ineighbor_alltoallv(send, counts, displs, MPI_INT, receive,
                                              counts, displs, MPI_INT, comm, r)
                    : MPI_Neighbor_alltoallv(send, counts, displs, MPI_INT, receive,
                                             counts, displs, MPI_INT, comm));
    else
        CHECK_MPI(r ? MPI_Ineighbor_alltoallw(send, counts, bytes, types, receive, counts,
                                              bytes, types, comm, r)
                    : MPI_Neighbor_alltoallw(send, counts, bytes, types, receive, counts,
                                             bytes, types, comm));
    finish(r);
    for (k = 0; k < nb->n_in; k++) {
        const int *block = receive + BLOCK * k;
        if (nb->in[k] == MPI_PROC_NULL) {
            CHECK_EQ(block[1], -1);
            continue;
        }
        CHECK_EQ(block[0], step);
        CHECK_EQ(block[1], nb->in[k]);
        CHECK_EQ(block[2], check_rank);
        /* all blocks between two processes, each once, however MPI pairs them */
        CHECK((n_from[nb->in[k]] & 1 << block[3]) == 0, "block %d came twice", block[3]);
        n_from[nb->in[k]] |= 1 << block[3];
    }
}

static void use(MPI_Comm comm, const struct neighbors *nb, long step)
{
    allgather(comm, nb, step, (int)(step & 1));
    alltoall(comm, nb, step, (int)(step / 2 & 1));
    check_note((uint64_t)(nb->n_in * 10 + nb->n_out) + (uint64_t)step);
}

int main(int argc, char **argv)
{
    enum { N = 5 };
    MPI_Comm comms[N];
    struct neighbors nb[N];
    int weights[2][3], k, topology; /* the order of comms[4] is MPI's own */
    long step, steps;

    MPI_Init(&argc, &argv);
    steps = check_begin("neighbor", argc, argv, 3000);
    comms[0] = make_cart(1);
    comms[1] = make_cart(0);
    comms[2] = make_graph();
    comms[3] = make_dist(1);
    comms[4] = make_dist(0);
    cart_neighbors(comms[0], &nb[0]);
    cart_neighbors(comms[1], &nb[1]);
    graph_neighbors(&nb[2]);
    dist_neighbors(&nb[3]);
    dist_neighbors(&nb[4]);
    for (step = 0; step < steps; step++) {
        k = (int)(step % N);
        if (step % 50 == 49) {
            CHECK_MPI(MPI_Comm_free(&comms[k]));
            comms[k] = k < 2    ? make_cart(k == 0)
                       : k == 2 ? make_graph()
                                : make_dist(k == 3);
        }
        if (k == 4)
            CHECK_MPI(MPI_Dist_graph_neighbors(comms[k], 3, nb[k].in, weights[0], 3,
                                               nb[k].out, weights[1]));
        CHECK_MPI(MPI_Topo_test(comms[k], &topology));
        CHECK_EQ(topology, k < 2 ? MPI_CART : k == 2 ? MPI_GRAPH : MPI_DIST_GRAPH);
        use(comms[k], &nb[k], step);
    }
    for (k = 0; k < N; k++)
        MPI_Comm_free(&comms[k]);
    check_end(steps);
    MPI_Finalize();
    return 0;
}
