/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Topologies of communicators: their recipes (lower half).  The MPI library makes them
 * and answers all questions; here is noted what makes them again, with reorder = 0, over
 * the same members in the same order.
 */
#include "wrappers/objects.h"

/*
 * Open MPI 4.1 tells edges by messages of the parent with tags that the parent's 24th and
 * 25th nonblocking collectives have, too, and receives them from any source.  Who has all
 * edges goes on to agree on the number of the new communicator, by such collectives; its
 * first message is taken for edges by a member that still waits for some.  Then the job
 * hangs, or the graph is wrong.  The same happens to nonblocking collectives under way.
 * So the edges are told on a fresh duplicate, whose first collective is that agreement.
 */
int crmpi_lower_MPI_Dist_graph_create(MPI_Comm comm_old, int n, const int nodes[],
                                      const int degrees[], const int targets[],
                                      const int weights[], MPI_Info info, int reorder,
                                      MPI_Comm *newcomm)
{
    MPI_Info info_real = crmpi_info_make(info);
    MPI_Comm fresh = MPI_COMM_NULL, real = CRMPI_NOTHING(MPI_Comm);

    crmpi_make_begin(comm_old);
    int error = PMPI_Comm_dup(CRMPI_REAL(MPI_Comm, comm_old), &fresh);
    if (error == MPI_SUCCESS) {
        error = PMPI_Dist_graph_create(fresh, n, nodes, degrees, targets, weights,
                                       info_real, reorder, newcomm ? &real : NULL);
        PMPI_Comm_free(&fresh);
    }
    crmpi_info_drop(info_real);
    return crmpi_make_end(comm_old, error, real, newcomm, "MPI_Dist_graph_create");
}

static struct crmpi_topology *topology_new(int kind, int n_first, int n_second)
{
    struct crmpi_topology *t = crmpi_upper_alloc(sizeof *t);

    t->kind = kind;
    t->n_first = n_first;
    t->n_second = n_second;
    t->first = crmpi_upper_alloc(n_first * sizeof *t->first);
    t->second = crmpi_upper_alloc(n_second * sizeof *t->second);
    return t;
}

static struct crmpi_topology *cart_read(MPI_Comm real)
{
    int n_dims = 0;

    PMPI_Cartdim_get(real, &n_dims);
    struct crmpi_topology *t = topology_new(MPI_CART, n_dims, n_dims);
    int *coords = crmpi_upper_alloc(n_dims * sizeof *coords);
    PMPI_Cart_get(real, n_dims, t->first, t->second, coords);
    crmpi_heap_free(coords);
    return t;
}

static struct crmpi_topology *graph_read(MPI_Comm real)
{
    int n_nodes = 0, n_edges = 0;

    PMPI_Graphdims_get(real, &n_nodes, &n_edges);
    struct crmpi_topology *t = topology_new(MPI_GRAPH, n_nodes, n_edges);
    PMPI_Graph_get(real, n_nodes, n_edges, t->first, t->second);
    return t;
}

static struct crmpi_topology *dist_graph_read(MPI_Comm real)
{
    int n_sources = 0, n_targets = 0, is_weighted = 0;

    PMPI_Dist_graph_neighbors_count(real, &n_sources, &n_targets, &is_weighted);
    struct crmpi_topology *t = topology_new(MPI_DIST_GRAPH, n_sources, n_targets);
    t->is_weighted = is_weighted;
    t->first_weights = crmpi_upper_alloc(n_sources * sizeof *t->first_weights);
    t->second_weights = crmpi_upper_alloc(n_targets * sizeof *t->second_weights);
    PMPI_Dist_graph_neighbors(
        real, n_sources, t->first, is_weighted ? t->first_weights : MPI_UNWEIGHTED,
        n_targets, t->second, is_weighted ? t->second_weights : MPI_UNWEIGHTED);
    return t;
}

struct crmpi_topology *crmpi_topology_read(MPI_Comm real)
{
    int kind = MPI_UNDEFINED;

    PMPI_Topo_test(real, &kind);
    switch (kind) {
    case MPI_CART:
        return cart_read(real);
    case MPI_GRAPH:
        return graph_read(real);
    case MPI_DIST_GRAPH:
        return dist_graph_read(real);
    default:
        return NULL;
    }
}

int crmpi_topology_apply(const struct crmpi_topology *t, MPI_Comm real, MPI_Comm *out)
{
    switch (t->kind) {
    case MPI_CART:
        return PMPI_Cart_create(real, t->n_first, t->first, t->second, 0, out);
    case MPI_GRAPH:
        return PMPI_Graph_create(real, t->n_first, t->first, t->second, 0, out);
    default:
        return PMPI_Dist_graph_create_adjacent(
            real, t->n_first, t->first,
            t->is_weighted ? t->first_weights : MPI_UNWEIGHTED, t->n_second, t->second,
            t->is_weighted ? t->second_weights : MPI_UNWEIGHTED, MPI_INFO_NULL, 0, out);
    }
}

void crmpi_topology_free(struct crmpi_topology *t)
{
    if (!t)
        return;
    crmpi_heap_free(t->first);
    crmpi_heap_free(t->second);
    crmpi_heap_free(t->first_weights);
    crmpi_heap_free(t->second_weights);
    crmpi_heap_free(t);
}

int crmpi_comm_n_peers(MPI_Comm comm)
{
    const struct crmpi_comm *c = crmpi_comm_of(comm);

    if (!c)
        return 0;
    return c->remote_size ? c->remote_size : c->size;
}

/* Neighbours of this rank in a graph: what lies between its index and the one before. */
static int graph_degree(const struct crmpi_comm *c)
{
    const int *index = c->topology->first;

    return index[c->rank] - (c->rank ? index[c->rank - 1] : 0);
}

static int n_neighbours(MPI_Comm comm, int is_target)
{
    const struct crmpi_comm *c = crmpi_comm_of(comm);

    if (!c || !c->topology)
        return 0;
    switch (c->topology->kind) {
    case MPI_CART:
        return 2 * c->topology->n_first;
    case MPI_GRAPH:
        return graph_degree(c);
    default:
        return is_target ? c->topology->n_second : c->topology->n_first;
    }
}

int crmpi_comm_n_sources(MPI_Comm comm)
{
    return n_neighbours(comm, 0);
}

int crmpi_comm_n_targets(MPI_Comm comm)
{
    return n_neighbours(comm, 1);
}
