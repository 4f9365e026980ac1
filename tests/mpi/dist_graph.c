/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Distributed graphs whose edges one process tells for others, on communicators that have
 * seen all numbers of nonblocking collectives, of which one may be under way.
 *
 * Open MPI 4.1 takes messages of a communicator's 24th and 25th for edges, crmpi does not:
 * without it there are fewer.
 */
#include "check.h"
#include <dlfcn.h>

#define MAX_DEGREE 600

static long n_before; /* nonblocking collectives: fewer than this */

struct edges {
    int n_in, n_out;
    uint64_t in, out; /* of the other ends and the weights, in any order */
};

static uint64_t edge(int other, int weight)
{
    return check_hash((uint64_t)other, (uint64_t)weight);
}

/* The edges of the even ranks, to even ranks: odd ones have none, and wait for none. */
static int target(long step, int source, int k)
{
    int n_even = (check_size + 1) / 2;

    return 2 * (int)(check_hash4((uint64_t)step, (uint64_t)source, (uint64_t)k, 1) %
                     (uint64_t)n_even);
}

static int weight(long step, int source, int k)
{
    return 1 +
           (int)(check_hash4((uint64_t)step, (uint64_t)source, (uint64_t)k, 2) % 1000);
}

static struct edges expected(long step, int degree)
{
    struct edges e = {0};

    for (int source = 0; source < check_size; source += 2)
        for (int k = 0; k < degree; k++) {
            if (source == check_rank) {
                e.n_out++;
                e.out += edge(target(step, source, k), weight(step, source, k));
            }
            if (target(step, source, k) == check_rank) {
                e.n_in++;
                e.in += edge(source, weight(step, source, k));
            }
        }
    return e;
}

/* The last process tells all. */
static MPI_Comm make(MPI_Comm parent, long step, int degree)
{
    int n = check_rank == check_size - 1 ? (check_size + 1) / 2 : 0;
    int *nodes = check_alloc(((size_t)n + 1) * sizeof(int));
    int *degrees = check_alloc(((size_t)n + 1) * sizeof(int));
    int *targets = check_alloc(((size_t)n * (size_t)degree + 1) * sizeof(int));
    int *weights = check_alloc(((size_t)n * (size_t)degree + 1) * sizeof(int));
    MPI_Comm comm;

    for (int i = 0; i < n; i++) {
        nodes[i] = 2 * i;
        degrees[i] = degree;
        for (int k = 0; k < degree; k++) {
            targets[i * degree + k] = target(step, 2 * i, k);
            weights[i * degree + k] = weight(step, 2 * i, k);
        }
    }
    CHECK_MPI(MPI_Dist_graph_create(parent, n, nodes, degrees, targets, weights,
                                    MPI_INFO_NULL, 0, &comm));
    free(nodes);
    free(degrees);
    free(targets);
    free(weights);
    return comm;
}

static void inquire(MPI_Comm comm, const struct edges *e)
{
    int n_in, n_out, weighted;

    CHECK_MPI(MPI_Dist_graph_neighbors_count(comm, &n_in, &n_out, &weighted));
    CHECK_EQ(n_in, e->n_in);
    CHECK_EQ(n_out, e->n_out);
    CHECK_EQ(weighted != 0, 1);
    size_t room = ((size_t)n_in + (size_t)n_out + 1) * sizeof(int);
    int *others = check_alloc(room), *weights = check_alloc(room);
    uint64_t in = 0, out = 0;
    CHECK_MPI(MPI_Dist_graph_neighbors(comm, n_in, others, weights, n_out, others + n_in,
                                       weights + n_in));
    for (int i = 0; i < n_in; i++)
        in += edge(others[i], weights[i]);
    for (int i = n_in; i < n_in + n_out; i++)
        out += edge(others[i], weights[i]);
    CHECK(in == e->in, "not the edges told");
    CHECK(out == e->out, "not the edges told");
    free(others);
    free(weights);
    check_note(in + out);
}

static void one(long step)
{
    int degree = 1 + (int)(step * 37 % MAX_DEGREE), one = 1, sum = 0;
    struct edges e = expected(step, degree);
    MPI_Request request;
    MPI_Comm parent, comm;

    CHECK_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &parent));
    for (long i = step % n_before; i > 0; i--) {
        CHECK_MPI(MPI_Ibarrier(parent, &request));
        CHECK_MPI(MPI_Wait(&request, MPI_STATUS_IGNORE));
    }
    request = MPI_REQUEST_NULL;
    if (step / n_before % 2)
        CHECK_MPI(MPI_Iallreduce(&one, &sum, 1, MPI_INT, MPI_SUM, parent, &request));
    comm = make(parent, step, degree);
    CHECK_MPI(MPI_Wait(&request, MPI_STATUS_IGNORE));
    CHECK_EQ(sum, step / n_before % 2 ? check_size : 0);
    CHECK_MPI(MPI_Comm_free(&parent));
    inquire(comm, &e);
    CHECK_MPI(MPI_Comm_free(&comm));
}

int main(int argc, char **argv)
{
    long steps;

    MPI_Init(&argc, &argv);
    steps = check_begin("dist_graph", argc, argv, 300);
    n_before = dlsym(RTLD_DEFAULT, "CRMPI_Checkpoint") ? 30 : 15;
    for (long step = 0; step < steps; step++)
        one(step);
    check_end(steps);
    MPI_Finalize();
    return 0;
}
