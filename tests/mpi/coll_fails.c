/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Collectives that fail in one rank only, because more comes than it has asked for, and
 * collectives whose arguments are refused in one rank, which calls again with right ones.
 * After each a program goes on as after any error that is returned; and checkpoints are
 * taken as ever.  Ranks fail in pairs, as all that is sent is received then.
 */
#include "check.h"

#pragma GCC diagnostic ignored "-Wstringop-overread" /* MPI_UNWEIGHTED is no array */

#define SENT 10

static MPI_Comm pair, inter, graph;
static int me, other; /* in the pair; -1: there is none */
static int out[2 * SENT], in[2 * SENT + 1];

static int class_of(int error)
{
    int class = MPI_SUCCESS;

    if (error != MPI_SUCCESS)
        MPI_Error_class(error, &class);
    return class;
}

/* One of the pair fails. */
static void expect(int error, int fails)
{
    CHECK(fails == (error != MPI_SUCCESS), "class %d", class_of(error));
    CHECK_EQ(in[2 * SENT], -1);
    check_note((uint64_t)fails); /* the class depends on what comes first */
}

/* The collective that follows is right, and has the right data. */
static void follow(MPI_Comm comm, long step)
{
    int value = check_rank + (int)step, sum = 0, n = 0, is_inter;

    MPI_Comm_test_inter(comm, &is_inter);
    CHECK_MPI(MPI_Allreduce(&value, &sum, 1, MPI_INT, MPI_SUM, comm));
    MPI_Comm_size(comm, &n);
    CHECK_EQ(sum, is_inter ? check_rank + (check_rank % 2 ? -1 : 1) + step
                  : n == 1 ? value
                           : 2 * (check_rank & ~1) + 1 + 2 * step);
}

static void blocking(long step)
{
    int few[2] = {1, 1}, places[2] = {0, SENT}, counts[2] = {1, SENT};

    expect(MPI_Gather(me ? out : MPI_IN_PLACE, SENT, MPI_INT, in, 1, MPI_INT, 0, pair),
           !me);
    follow(pair, step);
    expect(MPI_Gatherv(me ? out : MPI_IN_PLACE, SENT, MPI_INT, in, few, places, MPI_INT,
                       0, pair),
           !me);
    follow(pair, step);
    expect(MPI_Scatter(out, SENT, MPI_INT, me ? in : MPI_IN_PLACE, 1, MPI_INT, 0, pair),
           me);
    follow(pair, step);
    expect(MPI_Bcast(me ? in : out, me ? 1 : SENT, MPI_INT, 0, pair), me);
    follow(pair, step);
    expect(MPI_Alltoallv(out, me ? few : counts, places, MPI_INT, in, few, places,
                         MPI_INT, pair),
           me);
    follow(pair, step);
    expect(MPI_Neighbor_allgather(out, SENT, MPI_INT, in, 1, MPI_INT, graph), me);
    follow(pair, step);
    expect(MPI_Gather(out, SENT, MPI_INT, in, 1, MPI_INT, me ? 0 : MPI_ROOT, inter), !me);
    follow(inter, step);
}

static void nonblocking(long step)
{
    MPI_Request request;

    CHECK_MPI(MPI_Igather(me ? out : MPI_IN_PLACE, SENT, MPI_INT, in, 1, MPI_INT, 0, pair,
                          &request));
    expect(MPI_Wait(&request, MPI_STATUS_IGNORE), !me);
    follow(pair, step);
    CHECK_MPI(MPI_Ibcast(me ? in : out, me ? 1 : SENT, MPI_INT, 0, pair, &request));
    expect(MPI_Wait(&request, MPI_STATUS_IGNORE), me);
    follow(pair, step);
}

#define REFUSED(call, expected)                                                          \
    do {                                                                                 \
        int class_ = class_of(call);                                                     \
        CHECK_EQ(class_, expected);                                                      \
        check_note((uint64_t)class_);                                                    \
    } while (0)

/* One rank of the pair has wrong arguments first.  Then it calls again. */
static void refused(long step)
{
    MPI_Request request = MPI_REQUEST_NULL;
    int sum[2] = {0, 0}, value = 3;

    if (me == (int)(step % 2)) {
        REFUSED(MPI_Allreduce(&value, sum, -1, MPI_INT, MPI_SUM, pair), MPI_ERR_COUNT);
        REFUSED(MPI_Allreduce(&value, sum, 1, MPI_DATATYPE_NULL, MPI_SUM, pair),
                MPI_ERR_OP);
        REFUSED(MPI_Allreduce(&value, sum, 1, MPI_INT, MPI_OP_NULL, pair), MPI_ERR_OP);
        REFUSED(MPI_Bcast(sum, 1, MPI_INT, 5, pair), MPI_ERR_ROOT);
        REFUSED(MPI_Ibcast(sum, 1, MPI_INT, 5, pair, &request), MPI_ERR_ROOT);
        REFUSED(MPI_Alltoall(out, 2, MPI_INT, in, 1, MPI_INT, pair), MPI_ERR_TRUNCATE);
        REFUSED(MPI_Ialltoall(out, 2, MPI_INT, in, 1, MPI_INT, pair, &request),
                MPI_ERR_TRUNCATE);
        REFUSED(MPI_Neighbor_alltoall(out, 2, MPI_INT, in, 1, MPI_INT, graph),
                MPI_ERR_TRUNCATE);
        REFUSED(MPI_Barrier(MPI_COMM_NULL), MPI_ERR_COMM);
    }
    CHECK_MPI(MPI_Allreduce(&value, sum, 1, MPI_INT, MPI_SUM, pair));
    CHECK_EQ(sum[0], 6);
    CHECK_MPI(MPI_Alltoall(out, 1, MPI_INT, in, 1, MPI_INT, pair));
    CHECK_MPI(MPI_Neighbor_alltoall(out, 1, MPI_INT, in, 1, MPI_INT, graph));
}

static void setup(void)
{
    int self = 0, one = 1, zero = 0;
    MPI_Comm alone;

    CHECK_MPI(MPI_Comm_split(MPI_COMM_WORLD, check_rank / 2, check_rank, &pair));
    MPI_Comm_size(pair, &other);
    MPI_Comm_rank(pair, &me);
    other = other == 1 ? -1 : !me;
    CHECK_MPI(MPI_Comm_set_errhandler(pair, MPI_ERRORS_RETURN));
    CHECK_MPI(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN));
    if (other < 0)
        return;
    CHECK_MPI(MPI_Comm_split(pair, me, 0, &alone));
    CHECK_MPI(MPI_Intercomm_create(alone, 0, pair, other, 4, &inter));
    CHECK_MPI(MPI_Comm_set_errhandler(inter, MPI_ERRORS_RETURN));
    CHECK_MPI(MPI_Comm_free(&alone));
    /* an edge from 0 to 1 */
    CHECK_MPI(MPI_Dist_graph_create_adjacent(pair, me, me ? &zero : &self, MPI_UNWEIGHTED,
                                             !me, &one, MPI_UNWEIGHTED, MPI_INFO_NULL, 0,
                                             &graph));
    CHECK_MPI(MPI_Comm_set_errhandler(graph, MPI_ERRORS_RETURN));
}

int main(int argc, char **argv)
{
    long step, steps;
    int value, sum;

    MPI_Init(&argc, &argv);
    steps = check_begin("coll_fails", argc, argv, 4000);
    setup();
    in[2 * SENT] = -1;
    for (step = 0; step < steps; step++) {
        if (other >= 0) {
            blocking(step);
            if (step % 200 == 0) /* Open MPI prints every such error */
                nonblocking(step);
            refused(step);
        }
        value = 1;
        CHECK_MPI(MPI_Allreduce(&value, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD));
        CHECK_EQ(sum, check_size);
    }
    CHECK_MPI(MPI_Comm_free(&pair));
    if (other >= 0) {
        CHECK_MPI(MPI_Comm_free(&inter));
        CHECK_MPI(MPI_Comm_free(&graph));
    }
    check_end(steps);
    MPI_Finalize();
    return 0;
}
