/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cartesian, graph and distributed graph topologies: all inquiries about kept ones, at
 * all times, and sub-grids with traffic; Dims_create and the map functions.
 */
#include "check.h"

#define N_DIMS 3

static int dims[N_DIMS], periods[N_DIMS] = {1, 0, 1};

static void coords_of(int rank, int coords[N_DIMS])
{
    for (int d = N_DIMS - 1; d >= 0; d--) {
        coords[d] = rank % dims[d];
        rank /= dims[d];
    }
}

static int rank_of(const int coords[N_DIMS])
{
    int rank = 0;

    for (int d = 0; d < N_DIMS; d++) {
        int c = coords[d];
        if (periods[d])
            c = (c % dims[d] + dims[d]) % dims[d];
        else if (c < 0 || c >= dims[d])
            return MPI_PROC_NULL;
        rank = rank * dims[d] + c;
    }
    return rank;
}

static void cart_inquiries(MPI_Comm cart)
{
    int n, got_dims[N_DIMS], got_periods[N_DIMS], coords[N_DIMS], own[N_DIMS], d, rank;

    CHECK_MPI(MPI_Cartdim_get(cart, &n));
    CHECK_EQ(n, N_DIMS);
    CHECK_MPI(MPI_Cart_get(cart, N_DIMS, got_dims, got_periods, coords));
    coords_of(check_rank, own);
    for (d = 0; d < N_DIMS; d++) {
        CHECK_EQ(got_dims[d], dims[d]);
        CHECK_EQ(got_periods[d], periods[d]);
        CHECK_EQ(coords[d], own[d]);
    }
    for (rank = 0; rank < check_size; rank++) {
        int expected[N_DIMS], back;
        CHECK_MPI(MPI_Cart_coords(cart, rank, N_DIMS, coords));
        coords_of(rank, expected);
        CHECK_EQ(memcmp(coords, expected, sizeof coords), 0);
        CHECK_MPI(MPI_Cart_rank(cart, coords, &back));
        CHECK_EQ(back, rank);
    }
}

static void shifts(MPI_Comm cart, long step)
{
    int d, amount = (int)(step % 3), own[N_DIMS], source, dest, value, got;

    coords_of(check_rank, own);
    for (d = 0; d < N_DIMS; d++) {
        int up[N_DIMS], down[N_DIMS];
        memcpy(up, own, sizeof up);
        memcpy(down, own, sizeof down);
        up[d] += amount;
        down[d] -= amount;
        CHECK_MPI(MPI_Cart_shift(cart, d, amount, &source, &dest));
        CHECK_EQ(source, rank_of(down));
        CHECK_EQ(dest, rank_of(up));
        value = check_rank + (int)(step % 100000) * 64;
        got = -1;
        CHECK_MPI(MPI_Sendrecv(&value, 1, MPI_INT, dest, d, &got, 1, MPI_INT, source, d,
                               cart, MPI_STATUS_IGNORE));
        CHECK_EQ(got, source == MPI_PROC_NULL ? -1 : value - check_rank + source);
    }
}

/* All processes with my coordinates in the dropped dimensions. */
static void subgrids(MPI_Comm cart, long step)
{
    int remain[N_DIMS], own[N_DIMS], other[N_DIMS], d, rank, sum, expected = 0, n_dims,
                                                                  kept = 0;
    MPI_Comm sub;

    for (d = 0; d < N_DIMS; d++)
        kept += remain[d] = (int)(step >> d & 1);
    CHECK_MPI(MPI_Cart_sub(cart, remain, &sub));
    coords_of(check_rank, own);
    for (rank = 0; rank < check_size; rank++) {
        int same = 1;
        coords_of(rank, other);
        for (d = 0; d < N_DIMS; d++)
            same = same && (remain[d] || other[d] == own[d]);
        expected += same ? rank + 1 : 0;
    }
    rank = check_rank + 1;
    CHECK_MPI(MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, sub));
    CHECK_EQ(sum, expected);
    CHECK_MPI(MPI_Cartdim_get(sub, &n_dims));
    CHECK_EQ(n_dims, kept);
    CHECK_MPI(MPI_Comm_free(&sub));
    check_note((uint64_t)sum);
}

/* A star: 0 is joined with all, all with 0. */
static MPI_Comm make_graph(int *index, int *edges)
{
    MPI_Comm graph;
    int i;

    for (i = 0; i < check_size; i++)
        index[i] = check_size - 1 + i;
    for (i = 0; i < check_size - 1; i++) {
        edges[i] = i + 1;
        edges[check_size - 1 + i] = 0;
    }
    CHECK_MPI(MPI_Graph_create(MPI_COMM_WORLD, check_size, index, edges, 0, &graph));
    return graph;
}

static void graph_inquiries(MPI_Comm graph, const int *index, const int *edges)
{
    int n_nodes, n_edges, got_index[64], got_edges[128], n, i, neighbors[64];

    CHECK_MPI(MPI_Graphdims_get(graph, &n_nodes, &n_edges));
    CHECK_EQ(n_nodes, check_size);
    CHECK_EQ(n_edges, 2 * (check_size - 1));
    CHECK_MPI(MPI_Graph_get(graph, 64, 128, got_index, got_edges));
    CHECK_EQ(memcmp(got_index, index, (size_t)n_nodes * sizeof(int)), 0);
    CHECK_EQ(memcmp(got_edges, edges, (size_t)n_edges * sizeof(int)), 0);
    CHECK_MPI(MPI_Graph_neighbors_count(graph, check_rank, &n));
    CHECK_EQ(n, check_rank == 0 ? check_size - 1 : 1);
    CHECK_MPI(MPI_Graph_neighbors(graph, check_rank, n, neighbors));
    for (i = 0; i < n; i++)
        CHECK_EQ(neighbors[i], check_rank == 0 ? i + 1 : 0);
}

/* Directed and weighted: to the next, from the one before. */
static MPI_Comm make_dist(void)
{
    int left = (check_rank + check_size - 1) % check_size, in_weight = 10 + left;
    int right = (check_rank + 1) % check_size, out_weight = 10 + check_rank;
    MPI_Comm dist;

    CHECK_MPI(MPI_Dist_graph_create_adjacent(MPI_COMM_WORLD, 1, &left, &in_weight, 1,
                                             &right, &out_weight, MPI_INFO_NULL, 0,
                                             &dist));
    return dist;
}

static void dist_inquiries(MPI_Comm dist)
{
    int n_in, n_out, weighted, in, out, in_weight, out_weight;
    int left = (check_rank + check_size - 1) % check_size;

    CHECK_MPI(MPI_Dist_graph_neighbors_count(dist, &n_in, &n_out, &weighted));
    CHECK_EQ(n_in, 1);
    CHECK_EQ(n_out, 1);
    CHECK(weighted, "not weighted");
    CHECK_MPI(MPI_Dist_graph_neighbors(dist, 1, &in, &in_weight, 1, &out, &out_weight));
    CHECK_EQ(in, left);
    CHECK_EQ(out, (check_rank + 1) % check_size);
    CHECK_EQ(in_weight, 10 + left);
    CHECK_EQ(out_weight, 10 + check_rank);
}

int main(int argc, char **argv)
{
    int *index, *edges, mapped;
    MPI_Comm cart, graph, dist;
    long step, steps;

    MPI_Init(&argc, &argv);
    steps = check_begin("topologies", argc, argv, 1500);
    index = check_alloc((size_t)check_size * sizeof(int));
    edges = check_alloc(2 * (size_t)check_size * sizeof(int));
    CHECK_MPI(MPI_Dims_create(check_size, N_DIMS, dims));
    CHECK_EQ(dims[0] * dims[1] * dims[2], check_size);
    CHECK_MPI(MPI_Cart_create(MPI_COMM_WORLD, N_DIMS, dims, periods, 0, &cart));
    graph = make_graph(index, edges);
    dist = make_dist();
    for (step = 0; step < steps; step++) {
        cart_inquiries(cart);
        shifts(cart, step);
        subgrids(cart, step);
        graph_inquiries(graph, index, edges);
        dist_inquiries(dist);
        CHECK_MPI(MPI_Cart_map(MPI_COMM_WORLD, N_DIMS, dims, periods, &mapped));
        CHECK_EQ(mapped, check_rank);
    }
    MPI_Comm_free(&cart);
    MPI_Comm_free(&graph);
    MPI_Comm_free(&dist);
    free(index);
    free(edges);
    check_end(steps);
    MPI_Finalize();
    return 0;
}
