/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls that make an object, and fail: which class of error, which handler is told, with
 * which object, and what is left in the variable that was to get the object.  All of that
 * goes into the digest, which has to be that of a native run.  With 1 as second
 * argument rank 0 tells it, one line a call, with 2 rank 1: diff(1) finds what differs.
 */
#define OMPI_OMIT_MPI1_COMPAT_DECLS 0 /* declare what MPI-3 removed, too */
#include "failures.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#pragma GCC diagnostic ignored "-Wstringop-overread" /* MPI_UNWEIGHTED is no array */

static MPI_Comm inter = MPI_COMM_NULL, cart, no_comm = MPI_COMM_NULL;
static MPI_Datatype uncommitted, no_type = MPI_DATATYPE_NULL;
static MPI_Group all_group, no_group = MPI_GROUP_NULL;
static MPI_File file;
static MPI_Win win, dynamic;
static MPI_Info no_info = MPI_INFO_NULL;
#define NO_KEYVAL 123456789

/*
 * Handlers
 */

static void comm_handler(MPI_Comm *comm, int *code, ...)
{
    note(*comm == MPI_COMM_WORLD  ? "world"
         : *comm == MPI_COMM_SELF ? "self"
         : *comm == inter         ? "inter"
         : *comm == cart          ? "cart"
         : *comm == MPI_COMM_NULL ? "comm null"
                                  : "comm",
         *code);
}

static void win_handler(MPI_Win *w, int *code, ...)
{
    note(*w == win ? "win" : *w == dynamic ? "dynamic" : "another win", *code);
}

static void file_handler(MPI_File *f, int *code, ...)
{
    note(*f == file ? "file" : *f == MPI_FILE_NULL ? "file null" : "another file", *code);
}

static void handlers_set(void)
{
    MPI_Errhandler mine;

    CHECK_MPI(MPI_Comm_create_errhandler(comm_handler, &mine));
    CHECK_MPI(MPI_Comm_set_errhandler(MPI_COMM_WORLD, mine));
    CHECK_MPI(MPI_Comm_set_errhandler(MPI_COMM_SELF, mine));
    CHECK_MPI(MPI_Comm_set_errhandler(cart, mine));
    if (inter != MPI_COMM_NULL)
        CHECK_MPI(MPI_Comm_set_errhandler(inter, mine));
    CHECK_MPI(MPI_Errhandler_free(&mine));
    CHECK_MPI(MPI_Win_create_errhandler(win_handler, &mine));
    CHECK_MPI(MPI_Win_set_errhandler(win, mine));
    CHECK_MPI(MPI_Win_set_errhandler(dynamic, mine));
    CHECK_MPI(MPI_Errhandler_free(&mine));
    CHECK_MPI(MPI_File_create_errhandler(file_handler, &mine));
    CHECK_MPI(MPI_File_set_errhandler(file, mine));
    CHECK_MPI(MPI_File_set_errhandler(MPI_FILE_NULL, mine));
    CHECK_MPI(MPI_Errhandler_free(&mine));
}

/*
 * Types
 */

static void types(void)
{
    int lengths[2] = {1, 2}, places[2] = {0, 3}, bad[2] = {1, -1}, sizes[2] = {4, 4},
        starts[2] = {0, 0}, far[2] = {9, 0}, zero[2] = {0, 4},
        distribs[2] = {MPI_DISTRIBUTE_BLOCK, MPI_DISTRIBUTE_BLOCK},
        dargs[2] = {MPI_DISTRIBUTE_DFLT_DARG, MPI_DISTRIBUTE_DFLT_DARG}, grid[2] = {1, 1};
    MPI_Aint offsets[2] = {0, 16};
    MPI_Datatype both[2] = {MPI_INT, MPI_DOUBLE}, one_bad[2] = {MPI_INT, no_type};

    TYPE(MPI_Type_contiguous(-1, MPI_INT, &out));
    TYPE(MPI_Type_contiguous(1, no_type, &out));
    TYPE(MPI_Type_contiguous(1, MPI_INT, NULL));
    TYPE(MPI_Type_vector(-1, 1, 1, MPI_INT, &out));
    TYPE(MPI_Type_vector(1, -1, 1, MPI_INT, &out));
    TYPE(MPI_Type_vector(1, 1, 1, no_type, &out));
    TYPE(MPI_Type_vector(1, 1, 1, MPI_INT, NULL));
    TYPE(MPI_Type_hvector(-1, 1, 1, MPI_INT, &out));
    TYPE(MPI_Type_hvector(1, 1, 1, no_type, &out));
    TYPE(MPI_Type_create_hvector(-1, 1, 1, MPI_INT, &out));
    TYPE(MPI_Type_create_hvector(1, -1, 1, MPI_INT, &out));
    TYPE(MPI_Type_create_hvector(1, 1, 1, no_type, &out));
    TYPE(MPI_Type_indexed(-1, lengths, places, MPI_INT, &out));
    TYPE(MPI_Type_indexed(2, bad, places, MPI_INT, &out));
    TYPE(MPI_Type_indexed(2, lengths, places, no_type, &out));
    TYPE(MPI_Type_indexed(2, NULL, places, MPI_INT, &out));
    TYPE(MPI_Type_hindexed(-1, lengths, offsets, MPI_INT, &out));
    TYPE(MPI_Type_create_hindexed(-1, lengths, offsets, MPI_INT, &out));
    TYPE(MPI_Type_create_hindexed(2, bad, offsets, MPI_INT, &out));
    TYPE(MPI_Type_create_hindexed(2, lengths, offsets, no_type, &out));
    TYPE(MPI_Type_create_indexed_block(-1, 1, places, MPI_INT, &out));
    TYPE(MPI_Type_create_indexed_block(2, -1, places, MPI_INT, &out));
    TYPE(MPI_Type_create_indexed_block(2, 1, places, no_type, &out));
    TYPE(MPI_Type_create_hindexed_block(-1, 1, offsets, MPI_INT, &out));
    TYPE(MPI_Type_create_hindexed_block(2, -1, offsets, MPI_INT, &out));
    TYPE(MPI_Type_create_hindexed_block(2, 1, offsets, no_type, &out));
    TYPE(MPI_Type_struct(-1, lengths, offsets, both, &out));
    TYPE(MPI_Type_create_struct(-1, lengths, offsets, both, &out));
    TYPE(MPI_Type_create_struct(2, bad, offsets, both, &out));
    TYPE(MPI_Type_create_struct(2, lengths, offsets, one_bad, &out));
    TYPE(MPI_Type_create_struct(2, NULL, offsets, both, &out));
    TYPE(MPI_Type_create_struct(2, lengths, offsets, NULL, &out));
    TYPE(
        MPI_Type_create_subarray(-1, sizes, lengths, starts, MPI_ORDER_C, MPI_INT, &out));
    TYPE(MPI_Type_create_subarray(2, zero, lengths, starts, MPI_ORDER_C, MPI_INT, &out));
    TYPE(MPI_Type_create_subarray(2, sizes, bad, starts, MPI_ORDER_C, MPI_INT, &out));
    TYPE(MPI_Type_create_subarray(2, sizes, lengths, far, MPI_ORDER_C, MPI_INT, &out));
    TYPE(MPI_Type_create_subarray(2, sizes, lengths, starts, 1234, MPI_INT, &out));
    TYPE(MPI_Type_create_subarray(2, sizes, lengths, starts, MPI_ORDER_C, no_type, &out));
    TYPE(MPI_Type_create_darray(1, 1, 2, sizes, distribs, dargs, grid, MPI_ORDER_C,
                                MPI_INT, &out));
    TYPE(MPI_Type_create_darray(1, 0, -1, sizes, distribs, dargs, grid, MPI_ORDER_C,
                                MPI_INT, &out));
    TYPE(MPI_Type_create_darray(1, 0, 2, sizes, sizes, dargs, grid, MPI_ORDER_C, MPI_INT,
                                &out));
    TYPE(MPI_Type_create_darray(1, 0, 2, sizes, distribs, bad, grid, MPI_ORDER_C, MPI_INT,
                                &out));
    TYPE(MPI_Type_create_darray(1, 0, 2, sizes, distribs, dargs, grid, 1234, MPI_INT,
                                &out));
    TYPE(MPI_Type_create_darray(1, 0, 2, sizes, distribs, dargs, grid, MPI_ORDER_C,
                                no_type, &out));
    TYPE(MPI_Type_create_darray(1, 0, 2, NULL, distribs, dargs, grid, MPI_ORDER_C,
                                MPI_INT, &out));
    TYPE(MPI_Type_create_resized(no_type, 0, 8, &out));
    TYPE(MPI_Type_create_resized(MPI_INT, 0, 8, NULL));
    TYPE(MPI_Type_dup(no_type, &out));
    TYPE(MPI_Type_dup(MPI_INT, NULL));
    TYPE(MPI_Type_create_f90_real(99, 9999, &out));
    TYPE(MPI_Type_create_f90_complex(99, 9999, &out));
    TYPE(MPI_Type_create_f90_integer(99, &out));
    TYPE(MPI_Type_match_size(MPI_TYPECLASS_REAL, 7, &out));
    TYPE(MPI_Type_match_size(1234, 8, &out));
    TYPE(MPI_Type_get_contents(uncommitted, 0, 0, 0, lengths, offsets, &out));
    TYPE(MPI_Type_get_contents(MPI_INT, 1, 1, 1, lengths, offsets, &out));
    TYPE(MPI_Type_get_contents(no_type, 1, 1, 1, lengths, offsets, &out));
    TRY_WITH(MPI_Datatype, MPI_INT, MPI_DATATYPE_NULL, MPI_Type_free(&out));
    TRY_WITH(MPI_Datatype, no_type, NULL, MPI_Type_free(&out));
    TRY_WITH(MPI_Datatype, no_type, NULL, MPI_Type_commit(&out));
    TYPE(MPI_Type_free(NULL));
    TYPE(MPI_Type_commit(NULL));
}

/*
 * Communicators
 */

static void comms(void)
{
    int dims[2] = {check_size + 1, 2}, periods[2] = {0, 0}, bad_dims[2] = {-1, 2},
        index[1] = {0}, edges[1] = {5}, low[1] = {-3}, far[1] = {check_size + 7},
        degrees[1] = {1}, bad_degrees[1] = {-1}, remain[1] = {1};
    MPI_Comm world = MPI_COMM_WORLD;
    MPI_Request request;

    COMM(MPI_Comm_dup(no_comm, &out));
    COMM(MPI_Comm_dup(world, NULL));
    COMM(MPI_Comm_dup_with_info(no_comm, MPI_INFO_NULL, &out));
    COMM(MPI_Comm_dup_with_info(world, NULL, &out));
    COMM(MPI_Comm_idup(no_comm, &out, &request));
    COMM(MPI_Comm_idup(world, NULL, &request));
    COMM(MPI_Comm_create(no_comm, all_group, &out));
    COMM(MPI_Comm_create(world, no_group, &out));
    COMM(MPI_Comm_create(world, all_group, NULL));
    COMM(MPI_Comm_create_group(no_comm, all_group, 1, &out));
    COMM(MPI_Comm_create_group(world, no_group, 1, &out));
    COMM(MPI_Comm_create_group(world, all_group, -1, &out));
    COMM(MPI_Comm_create_group(world, all_group, 1, NULL));
    COMM(MPI_Comm_split(no_comm, 0, 0, &out));
    COMM(MPI_Comm_split(world, -3, 0, &out));
    COMM(MPI_Comm_split(world, 0, 0, NULL));
    COMM(MPI_Comm_split_type(no_comm, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &out));
    COMM(MPI_Comm_split_type(world, -77, 0, MPI_INFO_NULL, &out));
    COMM(MPI_Comm_split_type(world, MPI_COMM_TYPE_SHARED, 0, NULL, &out));
    COMM(MPI_Comm_split_type(world, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, NULL));
    COMM(MPI_Cart_create(no_comm, 1, dims, periods, 0, &out));
    COMM(MPI_Cart_create(world, 1, dims, periods, 0, &out));
    COMM(MPI_Cart_create(world, 2, bad_dims, periods, 0, &out));
    COMM(MPI_Cart_create(world, -1, dims, periods, 0, &out));
    COMM(MPI_Cart_create(world, 1, NULL, periods, 0, &out));
    COMM(MPI_Cart_create(world, 1, dims, periods, 7, &out));
    COMM(MPI_Cart_sub(no_comm, remain, &out));
    COMM(MPI_Cart_sub(world, remain, &out));
    COMM(MPI_Graph_create(no_comm, 1, index, edges, 0, &out));
    COMM(MPI_Graph_create(world, -1, index, edges, 0, &out));
    COMM(MPI_Graph_create(world, check_size + 4, index, edges, 0, &out));
    COMM(MPI_Graph_create(world, 1, NULL, edges, 0, &out));
    COMM(MPI_Dist_graph_create(no_comm, 0, NULL, NULL, NULL, NULL, MPI_INFO_NULL, 0,
                               &out));
    COMM(MPI_Dist_graph_create(world, -1, far, degrees, edges, MPI_UNWEIGHTED,
                               MPI_INFO_NULL, 0, &out));
    COMM(MPI_Dist_graph_create(world, 1, far, degrees, edges, MPI_UNWEIGHTED,
                               MPI_INFO_NULL, 0, &out));
    COMM(MPI_Dist_graph_create(world, 1, index, bad_degrees, edges, MPI_UNWEIGHTED,
                               MPI_INFO_NULL, 0, &out));
    COMM(MPI_Dist_graph_create(world, 1, index, degrees, far, MPI_UNWEIGHTED,
                               MPI_INFO_NULL, 0, &out));
    COMM(MPI_Dist_graph_create_adjacent(no_comm, 0, NULL, NULL, 0, NULL, NULL,
                                        MPI_INFO_NULL, 0, &out));
    COMM(MPI_Dist_graph_create_adjacent(world, -1, NULL, NULL, 0, NULL, NULL,
                                        MPI_INFO_NULL, 0, &out));
    COMM(MPI_Dist_graph_create_adjacent(world, 1, low, MPI_UNWEIGHTED, 0, NULL,
                                        MPI_UNWEIGHTED, MPI_INFO_NULL, 0, &out));
    COMM(MPI_Dist_graph_create_adjacent(world, 1, far, MPI_UNWEIGHTED, 0, NULL,
                                        MPI_UNWEIGHTED, MPI_INFO_NULL, 0, &out));
    COMM(MPI_Dist_graph_create_adjacent(world, 0, NULL, MPI_UNWEIGHTED, 1, far,
                                        MPI_UNWEIGHTED, MPI_INFO_NULL, 0, &out));
    COMM(MPI_Intercomm_create(no_comm, 0, world, 0, 1, &out));
    COMM(MPI_Intercomm_create(world, -1, world, 0, 1, &out));
    COMM(MPI_Intercomm_create(world, check_size, world, 0, 1, &out));
    COMM(MPI_Intercomm_create(world, 0, world, 0, -1, &out));
    COMM(MPI_Intercomm_create(MPI_COMM_SELF, 0, no_comm, 0, 1, &out));
    COMM(MPI_Intercomm_create(MPI_COMM_SELF, 0, world, check_size, 1, &out));
    COMM(MPI_Intercomm_create(MPI_COMM_SELF, 0, world, -1, 1, &out));
    COMM(MPI_Intercomm_create(MPI_COMM_SELF, 0, world, 0, 1, NULL));
    COMM(MPI_Intercomm_merge(no_comm, 0, &out));
    COMM(MPI_Intercomm_merge(world, 0, &out));
    COMM(MPI_Comm_get_parent(NULL));
    COMM(MPI_Comm_accept("x", MPI_INFO_NULL, 0, no_comm, &out));
    COMM(MPI_Comm_accept("x", MPI_INFO_NULL, -1, world, &out));
    COMM(MPI_Comm_connect("x", MPI_INFO_NULL, 0, no_comm, &out));
    COMM(MPI_Comm_connect("x", MPI_INFO_NULL, check_size, world, &out));
    COMM(MPI_Comm_spawn("x", MPI_ARGV_NULL, 1, MPI_INFO_NULL, 0, no_comm, &out,
                        MPI_ERRCODES_IGNORE));
    COMM(MPI_Comm_spawn("x", MPI_ARGV_NULL, 1, MPI_INFO_NULL, -1, world, &out,
                        MPI_ERRCODES_IGNORE));
    COMM(MPI_Comm_spawn("x", MPI_ARGV_NULL, -1, MPI_INFO_NULL, 0, MPI_COMM_SELF, &out,
                        MPI_ERRCODES_IGNORE));
    COMM(MPI_Comm_spawn(NULL, MPI_ARGV_NULL, 1, MPI_INFO_NULL, 0, MPI_COMM_SELF, &out,
                        MPI_ERRCODES_IGNORE));
    TRY_WITH(MPI_Comm, no_comm, NULL, MPI_Comm_free(&out));
    TRY_WITH(MPI_Comm, world, MPI_COMM_NULL, MPI_Comm_free(&out));
    TRY_WITH(MPI_Comm, no_comm, NULL, MPI_Comm_disconnect(&out));
    TRY_WITH(MPI_Comm, world, MPI_COMM_NULL, MPI_Comm_disconnect(&out));
    if (inter == MPI_COMM_NULL)
        return;
    COMM(MPI_Cart_create(inter, 1, degrees, periods, 0, &out));
    COMM(MPI_Graph_create(inter, 1, index, edges, 0, &out));
    COMM(MPI_Dist_graph_create_adjacent(inter, 0, NULL, MPI_UNWEIGHTED, 0, NULL,
                                        MPI_UNWEIGHTED, MPI_INFO_NULL, 0, &out));
    COMM(MPI_Intercomm_create(inter, 0, world, 0, 1, &out));
    COMM(MPI_Intercomm_merge(inter, 0, NULL));
    WIN(MPI_Win_create(NULL, 0, 1, MPI_INFO_NULL, inter, &out));
    OPEN(MPI_File_open(inter, "failures.none", MPI_MODE_RDONLY, MPI_INFO_NULL, &out));
}

static void groups(void)
{
    int ranks[2] = {0, 0}, far[1] = {check_size + 3}, low[1] = {-2};
    int ranges[1][3] = {{0, check_size + 3, 1}}, still[1][3] = {{0, 0, 0}};

    GROUP(MPI_Comm_group(no_comm, &out));
    GROUP(MPI_Comm_group(MPI_COMM_WORLD, NULL));
    GROUP(MPI_Comm_remote_group(no_comm, &out));
    GROUP(MPI_Comm_remote_group(MPI_COMM_WORLD, &out));
    GROUP(MPI_Group_union(no_group, all_group, &out));
    GROUP(MPI_Group_union(all_group, no_group, &out));
    GROUP(MPI_Group_intersection(no_group, all_group, &out));
    GROUP(MPI_Group_difference(all_group, no_group, &out));
    GROUP(MPI_Group_difference(all_group, all_group, NULL));
    GROUP(MPI_Group_incl(no_group, 1, ranks, &out));
    GROUP(MPI_Group_incl(all_group, -1, ranks, &out));
    GROUP(MPI_Group_incl(all_group, 1, far, &out));
    GROUP(MPI_Group_incl(all_group, 1, low, &out));
    GROUP(MPI_Group_incl(all_group, 1, NULL, &out));
    GROUP(MPI_Group_incl(all_group, 1, ranks, NULL));
    GROUP(MPI_Group_excl(no_group, 1, ranks, &out));
    GROUP(MPI_Group_excl(all_group, 1, far, &out));
    GROUP(MPI_Group_range_incl(no_group, 1, ranges, &out));
    GROUP(MPI_Group_range_incl(all_group, 1, ranges, &out));
    GROUP(MPI_Group_range_incl(all_group, 1, still, &out));
    GROUP(MPI_Group_range_excl(all_group, 1, ranges, &out));
    GROUP(MPI_Group_range_excl(all_group, 1, still, &out));
    GROUP(MPI_Win_get_group(MPI_WIN_NULL, &out));
    GROUP(MPI_Win_get_group(win, NULL));
    GROUP(MPI_File_get_group(MPI_FILE_NULL, &out));
    GROUP(MPI_File_get_group(file, NULL));
    TRY_WITH(MPI_Group, no_group, NULL, MPI_Group_free(&out));
    GROUP(MPI_Group_free(NULL));
}

/*
 * Requests
 */

static int query(void *state, MPI_Status *status)
{
    (void)state;
    (void)status;
    return MPI_SUCCESS;
}

static int gone(void *state)
{
    (void)state;
    return MPI_SUCCESS;
}

static int cancelled(void *state, int complete)
{
    (void)state;
    (void)complete;
    return MPI_SUCCESS;
}

#define EACH_SEND(...)                                                                   \
    REQUEST(MPI_Isend(__VA_ARGS__, &out));                                               \
    REQUEST(MPI_Issend(__VA_ARGS__, &out));                                              \
    REQUEST(MPI_Ibsend(__VA_ARGS__, &out));                                              \
    REQUEST(MPI_Irsend(__VA_ARGS__, &out))
#define EACH_INIT(...)                                                                   \
    REQUEST(MPI_Send_init(__VA_ARGS__, &out));                                           \
    REQUEST(MPI_Ssend_init(__VA_ARGS__, &out));                                          \
    REQUEST(MPI_Bsend_init(__VA_ARGS__, &out));                                          \
    REQUEST(MPI_Rsend_init(__VA_ARGS__, &out));                                          \
    REQUEST(MPI_Recv_init(__VA_ARGS__, &out))
#define EACH(...)                                                                        \
    EACH_SEND(__VA_ARGS__);                                                              \
    REQUEST(MPI_Irecv(__VA_ARGS__, &out));                                               \
    EACH_INIT(__VA_ARGS__)

static void requests(void)
{
    int x[8] = {0}, flag = 0;
    MPI_Comm world = MPI_COMM_WORLD;
    MPI_Status status;

    EACH(x, -1, MPI_INT, 0, 1, world);
    EACH(x, 1, no_type, 0, 1, world);
    /* Open MPI does not look at the type and the buffer of some that are persistent */
    EACH_SEND(x, 1, uncommitted, 0, 1, world);
    REQUEST(MPI_Irecv(x, 1, uncommitted, 0, 1, world, &out));
    EACH(x, 1, MPI_INT, check_size, 1, world);
    EACH(x, 1, MPI_INT, -77, 1, world);
    EACH(x, 1, MPI_INT, 0, -77, world);
    EACH(x, 1, MPI_INT, 0, 1, no_comm);
    EACH_SEND(NULL, 1, MPI_INT, 0, 1, world);
    REQUEST(MPI_Irecv(NULL, 1, MPI_INT, 0, 1, world, &out));
    REQUEST(MPI_Isend(x, 1, MPI_INT, 0, 1, world, NULL));
    REQUEST(MPI_Irecv(x, 1, MPI_INT, 0, 1, world, NULL));
    REQUEST(MPI_Recv_init(x, 1, MPI_INT, 0, 1, world, NULL));
    MESSAGE(MPI_Mprobe(check_size, 1, world, &out, &status));
    MESSAGE(MPI_Mprobe(0, -77, world, &out, &status));
    MESSAGE(MPI_Improbe(check_size, 1, world, &flag, &out, &status));
    REQUEST(MPI_Grequest_start(NULL, NULL, NULL, NULL, NULL));
    REQUEST(MPI_Grequest_start(query, gone, cancelled, NULL, NULL));
    TRY_WITH(MPI_Request, MPI_REQUEST_NULL, NULL, MPI_Request_free(&out));
    TRY_WITH(MPI_Request, MPI_REQUEST_NULL, NULL, MPI_Cancel(&out));
    TRY_WITH(MPI_Request, MPI_REQUEST_NULL, NULL, MPI_Start(&out));
    TRY_WITH(MPI_Request, MPI_REQUEST_NULL, NULL, MPI_Startall(1, &out));
    TRY_WITH(MPI_Request, MPI_REQUEST_NULL, NULL, MPI_Startall(-1, &out));
    TRY_WITH(MPI_Request, MPI_REQUEST_NULL, NULL, MPI_Grequest_complete(out));
    TRY_WITH(MPI_Request, MPI_REQUEST_NULL, NULL, MPI_Wait(&out, NULL));
    TRY_WITH(MPI_Request, MPI_REQUEST_NULL, NULL, MPI_Test(&out, NULL, &status));
    TRY_WITH(MPI_Request, MPI_REQUEST_NULL, NULL,
             MPI_Request_get_status(out, NULL, &status));
    REQUEST(MPI_Request_free(NULL));
    REQUEST(MPI_Wait(NULL, &status));
    REQUEST(MPI_Test(NULL, &flag, &status));
    REQUEST(MPI_Waitall(1, NULL, MPI_STATUSES_IGNORE));
    REQUEST(MPI_Waitall(-1, &out, MPI_STATUSES_IGNORE));
    REQUEST(MPI_Waitany(-1, &out, &flag, &status));
    REQUEST(MPI_Waitsome(-1, &out, &flag, x, MPI_STATUSES_IGNORE));
    REQUEST(MPI_Testall(-1, &out, &flag, MPI_STATUSES_IGNORE));
}

/* Requests of collectives, of windows and files. */
static void collectives(void)
{
    int x[64] = {0}, y[64] = {0}, counts[64], places[64] = {0};
    MPI_Comm world = MPI_COMM_WORLD, none = no_comm;

    for (int i = 0; i < 64; i++)
        counts[i] = -1;
    REQUEST(MPI_Ibarrier(none, &out));
    REQUEST(MPI_Ibcast(x, -1, MPI_INT, 0, world, &out));
    REQUEST(MPI_Ibcast(x, 1, MPI_INT, check_size, world, &out));
    REQUEST(MPI_Ibcast(x, 1, no_type, 0, world, &out));
    REQUEST(MPI_Ibcast(x, 1, MPI_INT, 0, none, &out));
    REQUEST(MPI_Iallreduce(x, y, 1, MPI_INT, MPI_OP_NULL, world, &out));
    REQUEST(MPI_Iallreduce(x, y, -1, MPI_INT, MPI_SUM, world, &out));
    REQUEST(MPI_Iallreduce(x, y, 1, no_type, MPI_SUM, world, &out));
    REQUEST(MPI_Iallreduce(x, y, 1, uncommitted, MPI_SUM, world, &out));
    REQUEST(MPI_Ireduce(x, y, 1, MPI_INT, MPI_SUM, -1, world, &out));
    REQUEST(MPI_Iscan(x, y, -1, MPI_INT, MPI_SUM, world, &out));
    REQUEST(MPI_Iexscan(x, y, 1, no_type, MPI_SUM, world, &out));
    REQUEST(MPI_Igather(x, -1, MPI_INT, y, 1, MPI_INT, 0, world, &out));
    REQUEST(MPI_Iscatter(x, 1, MPI_INT, y, -1, MPI_INT, 0, world, &out));
    REQUEST(MPI_Iallgather(x, -1, MPI_INT, y, 1, MPI_INT, world, &out));
    REQUEST(MPI_Ialltoall(x, 1, MPI_INT, y, -1, MPI_INT, world, &out));
    REQUEST(MPI_Ialltoallv(x, counts, places, MPI_INT, y, counts, places, MPI_INT, world,
                           &out));
    REQUEST(MPI_Ireduce_scatter(x, y, counts, MPI_INT, MPI_SUM, world, &out));
    REQUEST(MPI_Ireduce_scatter_block(x, y, -1, MPI_INT, MPI_SUM, world, &out));
    REQUEST(MPI_Ineighbor_allgather(x, 1, MPI_INT, y, 1, MPI_INT, world, &out));
    REQUEST(MPI_Ineighbor_alltoall(x, 1, MPI_INT, y, -1, MPI_INT, cart, &out));
    REQUEST(MPI_Rput(x, -1, MPI_INT, 0, 0, 1, MPI_INT, win, &out));
    REQUEST(MPI_Rput(x, 1, MPI_INT, check_size, 0, 1, MPI_INT, win, &out));
    REQUEST(MPI_Rput(x, 1, MPI_INT, 0, 0, 1, MPI_INT, MPI_WIN_NULL, &out));
    REQUEST(MPI_Rget(x, 1, no_type, 0, 0, 1, MPI_INT, win, &out));
    REQUEST(MPI_Rget(x, 1, MPI_INT, 0, 0, 1, MPI_INT, win, &out)); /* no epoch */
    REQUEST(MPI_Raccumulate(x, 1, MPI_INT, 0, 0, 1, MPI_INT, MPI_OP_NULL, win, &out));
    REQUEST(MPI_Rget_accumulate(x, 1, MPI_INT, y, 1, MPI_INT, -5, 0, 1, MPI_INT, MPI_SUM,
                                win, &out));
    REQUEST(MPI_File_iread(MPI_FILE_NULL, x, 1, MPI_INT, &out));
    REQUEST(MPI_File_iread(file, x, -1, MPI_INT, &out));
    REQUEST(MPI_File_iwrite(file, x, 1, no_type, &out));
    REQUEST(MPI_File_iwrite_at(MPI_FILE_NULL, 0, x, 1, MPI_INT, &out));
    REQUEST(MPI_File_iwrite_shared(MPI_FILE_NULL, x, 1, MPI_INT, &out));
}

/*
 * All else
 */

static void user(void *in, void *inout, int *n, MPI_Datatype *type)
{
    (void)in;
    (void)inout;
    (void)n;
    (void)type;
}

static void others(void)
{
    char key[MPI_MAX_INFO_KEY + 9], value[4];
    MPI_Info info;
    void *base, *attribute;
    int flag;

    memset(key, 'k', sizeof key - 1);
    key[sizeof key - 1] = 0;
    CHECK_MPI(MPI_Info_create(&info));
    INFO(MPI_Info_create(NULL));
    INFO(MPI_Info_dup(no_info, &out));
    INFO(MPI_Info_dup(info, NULL));
    INFO(MPI_Comm_get_info(no_comm, &out));
    INFO(MPI_Comm_get_info(MPI_COMM_WORLD, NULL));
    INFO(MPI_Win_get_info(MPI_WIN_NULL, &out));
    INFO(MPI_Win_get_info(win, NULL));
    INFO(MPI_File_get_info(MPI_FILE_NULL, &out));
    INFO(MPI_File_get_info(file, NULL));
    INFO(MPI_Info_set(no_info, "a", "b"));
    INFO(MPI_Info_set(info, key, "b"));
    key[MPI_MAX_INFO_KEY + 1] = 0;
    INFO(MPI_Info_set(info, key, "b"));
    key[MPI_MAX_INFO_KEY] = 0;
    INFO(MPI_Info_set(info, key, "b"));
    INFO(MPI_Info_set(info, "", "b"));
    INFO(MPI_Info_set(info, NULL, "b"));
    INFO(MPI_Info_set(info, "a", NULL));
    INFO(MPI_Info_set(info, "a", ""));
    INFO(MPI_Info_get(no_info, "a", 3, value, &flag));
    INFO(MPI_Info_get(info, "a", -1, value, &flag));
    INFO(MPI_Info_get(info, "a", 3, NULL, &flag));
    INFO(MPI_Info_delete(info, "none"));
    INFO(MPI_Info_delete(no_info, "none"));
    INFO(MPI_Info_get_nkeys(no_info, &flag));
    INFO(MPI_Info_get_nkeys(info, NULL));
    INFO(MPI_Info_get_nthkey(info, 0, key));
    INFO(MPI_Info_get_nthkey(info, -1, key));
    INFO(MPI_Info_get_valuelen(info, "a", NULL, &flag));
    INFO(MPI_Comm_set_info(no_comm, info));
    INFO(MPI_Comm_set_info(MPI_COMM_WORLD, NULL));
    INFO(MPI_Comm_set_info(MPI_COMM_WORLD, no_info));
    INFO(MPI_Win_set_info(MPI_WIN_NULL, info));
    INFO(MPI_Win_set_info(win, no_info));
    INFO(MPI_File_set_info(MPI_FILE_NULL, info));
    TRY_WITH(MPI_Info, no_info, NULL, MPI_Info_free(&out));
    INFO(MPI_Info_free(NULL));
    CHECK_MPI(MPI_Info_free(&info));

    WIN(MPI_Win_create(mark, -1, 1, MPI_INFO_NULL, MPI_COMM_WORLD, &out));
    WIN(MPI_Win_create(mark, 8, 0, MPI_INFO_NULL, MPI_COMM_WORLD, &out));
    WIN(MPI_Win_create(mark, 8, -1, MPI_INFO_NULL, MPI_COMM_WORLD, &out));
    WIN(MPI_Win_create(mark, 8, 1, NULL, MPI_COMM_WORLD, &out));
    WIN(MPI_Win_create(mark, 8, 1, MPI_INFO_NULL, no_comm, &out));
    WIN(MPI_Win_create(mark, 8, 1, MPI_INFO_NULL, MPI_COMM_WORLD, NULL));
    WIN(MPI_Win_allocate(-1, 1, MPI_INFO_NULL, MPI_COMM_WORLD, &base, &out));
    WIN(MPI_Win_allocate(8, 0, MPI_INFO_NULL, MPI_COMM_WORLD, &base, &out));
    WIN(MPI_Win_allocate(8, 1, NULL, MPI_COMM_WORLD, &base, &out));
    WIN(MPI_Win_allocate(8, 1, MPI_INFO_NULL, no_comm, &base, &out));
    WIN(MPI_Win_allocate(8, 1, MPI_INFO_NULL, MPI_COMM_WORLD, &base, NULL));
    WIN(MPI_Win_allocate_shared(-1, 1, MPI_INFO_NULL, MPI_COMM_WORLD, &base, &out));
    WIN(MPI_Win_allocate_shared(8, 1, NULL, MPI_COMM_WORLD, &base, &out));
    WIN(MPI_Win_allocate_shared(8, 1, MPI_INFO_NULL, no_comm, &base, &out));
    WIN(MPI_Win_create_dynamic(MPI_INFO_NULL, no_comm, &out));
    WIN(MPI_Win_create_dynamic(NULL, MPI_COMM_WORLD, &out));
    WIN(MPI_Win_create_dynamic(MPI_INFO_NULL, MPI_COMM_WORLD, NULL));
    WIN(MPI_Win_attach(win, mark, 8));
    WIN(MPI_Win_attach(MPI_WIN_NULL, mark, 8));
    WIN(MPI_Win_detach(dynamic, mark + 4));
    TRY_WITH(MPI_Win, MPI_WIN_NULL, NULL, MPI_Win_free(&out));

    OPEN(MPI_File_open(MPI_COMM_SELF, "failures.none", MPI_MODE_RDONLY, MPI_INFO_NULL,
                       &out));
    OPEN(MPI_File_open(MPI_COMM_SELF, "none/failures", MPI_MODE_RDWR | MPI_MODE_CREATE,
                       MPI_INFO_NULL, &out));
    OPEN(MPI_File_open(MPI_COMM_SELF, "failures.none", MPI_MODE_RDONLY | MPI_MODE_RDWR,
                       MPI_INFO_NULL, &out));
    OPEN(MPI_File_open(MPI_COMM_SELF, "failures.none", 0, MPI_INFO_NULL, &out));
    OPEN(MPI_File_open(MPI_COMM_SELF, "failures.none", MPI_MODE_RDONLY, NULL, &out));
    OPEN(MPI_File_open(no_comm, "failures.none", MPI_MODE_RDONLY, MPI_INFO_NULL, &out));
    OPEN(MPI_File_delete("failures.none", MPI_INFO_NULL));
    OPEN(MPI_File_delete(NULL, MPI_INFO_NULL));
    TRY_WITH(MPI_File, MPI_FILE_NULL, NULL, MPI_File_close(&out));
    OPEN(MPI_File_close(NULL));

    OP(MPI_Op_create(NULL, 0, &out));
    OP(MPI_Op_create(user, 0, NULL));
    TRY_WITH(MPI_Op, MPI_SUM, MPI_OP_NULL, MPI_Op_free(&out));
    TRY_WITH(MPI_Op, MPI_OP_NULL, NULL, MPI_Op_free(&out));
    OP(MPI_Op_free(NULL));
    OP(MPI_Op_commutative(MPI_OP_NULL, &flag));
    OP(MPI_Op_commutative(MPI_SUM, NULL));
    OP(MPI_Reduce_local(mark, mark + 9, 1, MPI_INT, MPI_OP_NULL));
    OP(MPI_Reduce_local(mark, mark + 9, 1, no_type, MPI_SUM));

    HANDLER(MPI_Comm_create_errhandler(NULL, &out));
    HANDLER(MPI_Comm_create_errhandler(comm_handler, NULL));
    HANDLER(MPI_Win_create_errhandler(NULL, &out));
    HANDLER(MPI_Win_create_errhandler(win_handler, NULL));
    HANDLER(MPI_File_create_errhandler(NULL, &out));
    HANDLER(MPI_File_create_errhandler(file_handler, NULL));
    HANDLER(MPI_Comm_get_errhandler(no_comm, &out));
    HANDLER(MPI_Comm_get_errhandler(MPI_COMM_WORLD, NULL));
    HANDLER(MPI_Win_get_errhandler(MPI_WIN_NULL, &out));
    HANDLER(MPI_Win_get_errhandler(win, NULL));
    HANDLER(MPI_File_get_errhandler(NULL, &out));
    HANDLER(MPI_File_get_errhandler(file, NULL));
    HANDLER(MPI_Comm_set_errhandler(no_comm, MPI_ERRORS_RETURN));
    HANDLER(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRHANDLER_NULL));
    HANDLER(MPI_Comm_set_errhandler(MPI_COMM_WORLD, NULL));
    HANDLER(MPI_Win_set_errhandler(MPI_WIN_NULL, MPI_ERRORS_RETURN));
    HANDLER(MPI_Win_set_errhandler(win, MPI_ERRHANDLER_NULL));
    HANDLER(MPI_File_set_errhandler(NULL, MPI_ERRORS_RETURN));
    HANDLER(MPI_File_set_errhandler(file, MPI_ERRHANDLER_NULL));
    HANDLER(MPI_Comm_call_errhandler(no_comm, MPI_ERR_OTHER));
    HANDLER(MPI_Comm_call_errhandler(cart, MPI_ERR_OTHER));
    HANDLER(MPI_Win_call_errhandler(MPI_WIN_NULL, MPI_ERR_OTHER));
    HANDLER(MPI_Win_call_errhandler(win, MPI_ERR_OTHER));
    HANDLER(MPI_File_call_errhandler(file, MPI_ERR_OTHER));
    HANDLER(MPI_File_call_errhandler(NULL, MPI_ERR_OTHER));
    TRY_WITH(MPI_Errhandler, MPI_ERRHANDLER_NULL, NULL, MPI_Errhandler_free(&out));
    HANDLER(MPI_Errhandler_free(NULL));

    TRY_INT(77, MPI_Comm_create_keyval(NULL, MPI_COMM_NULL_DELETE_FN, &out, NULL));
    TRY_INT(77, MPI_Comm_create_keyval(MPI_COMM_DUP_FN, NULL, &out, NULL));
    TRY_INT(77,
            MPI_Comm_create_keyval(MPI_COMM_DUP_FN, MPI_COMM_NULL_DELETE_FN, NULL, NULL));
    TRY_INT(77, MPI_Type_create_keyval(NULL, MPI_TYPE_NULL_DELETE_FN, &out, NULL));
    TRY_INT(77, MPI_Win_create_keyval(NULL, MPI_WIN_NULL_DELETE_FN, &out, NULL));
    TRY_INT(77, MPI_Keyval_create(NULL, NULL, &out, NULL));
    TRY_INT(NO_KEYVAL, MPI_Comm_free_keyval(&out));
    TRY_INT(NO_KEYVAL, MPI_Type_free_keyval(&out));
    TRY_INT(NO_KEYVAL, MPI_Win_free_keyval(&out));
    TRY_INT(NO_KEYVAL, MPI_Keyval_free(&out));
    TRY_INT(MPI_KEYVAL_INVALID, MPI_Comm_free_keyval(&out));
    TRY_INT(MPI_TAG_UB, MPI_Comm_free_keyval(&out));
    TRY_INT(MPI_WIN_BASE, MPI_Win_free_keyval(&out));
    TRY_INT(0, MPI_Comm_free_keyval(NULL));
    TRY_INT(77, MPI_Comm_get_attr(MPI_COMM_WORLD, NO_KEYVAL, &attribute, &out));
    TRY_INT(77, MPI_Comm_get_attr(no_comm, MPI_TAG_UB, &attribute, &out));
    TRY_INT(77, MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_TAG_UB, NULL, &out));
    TRY_INT(77, MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_KEYVAL_INVALID, &attribute, &out));
    TRY_INT(77, MPI_Type_get_attr(MPI_INT, NO_KEYVAL, &attribute, &out));
    TRY_INT(77, MPI_Type_get_attr(no_type, NO_KEYVAL, &attribute, &out));
    TRY_INT(77, MPI_Win_get_attr(win, NO_KEYVAL, &attribute, &out));
    TRY_INT(77, MPI_Win_get_attr(MPI_WIN_NULL, MPI_WIN_BASE, &attribute, &out));
    TRY_INT(0, MPI_Comm_set_attr(MPI_COMM_WORLD, NO_KEYVAL, NULL));
    TRY_INT(0, MPI_Comm_set_attr(no_comm, NO_KEYVAL, NULL));
    TRY_INT(0, MPI_Comm_set_attr(MPI_COMM_WORLD, MPI_TAG_UB, NULL));
    TRY_INT(0, MPI_Type_set_attr(no_type, NO_KEYVAL, NULL));
    TRY_INT(0, MPI_Type_set_attr(MPI_INT, NO_KEYVAL, NULL));
    TRY_INT(0, MPI_Win_set_attr(win, NO_KEYVAL, NULL));
    TRY_INT(0, MPI_Win_set_attr(win, MPI_WIN_BASE, NULL));
    TRY_INT(0, MPI_Comm_delete_attr(MPI_COMM_WORLD, NO_KEYVAL));
    TRY_INT(0, MPI_Comm_delete_attr(MPI_COMM_WORLD, MPI_TAG_UB));
    TRY_INT(0, MPI_Type_delete_attr(MPI_INT, NO_KEYVAL));
    TRY_INT(0, MPI_Win_delete_attr(win, NO_KEYVAL));
    TRY_INT(0, MPI_Win_delete_attr(win, MPI_WIN_SIZE));
}

/*
 * Functions of attributes that fail
 */

static int copy_error, delete_error;

static int comm_copy(MPI_Comm c, int k, void *e, void *in, void *out, int *flag)
{
    (void)c, (void)k, (void)e, (void)in, (void)out;
    *flag = 1;
    return copy_error;
}

static int comm_delete(MPI_Comm c, int k, void *value, void *e)
{
    (void)c, (void)k, (void)value, (void)e;
    return delete_error;
}

static int type_copy(MPI_Datatype t, int k, void *e, void *in, void *out, int *flag)
{
    (void)t, (void)k, (void)e, (void)in, (void)out;
    *flag = 1;
    return copy_error;
}

static int type_delete(MPI_Datatype t, int k, void *value, void *e)
{
    (void)t, (void)k, (void)value, (void)e;
    return delete_error;
}

static int win_delete(MPI_Win w, int k, void *value, void *e)
{
    (void)w, (void)k, (void)value, (void)e;
    return delete_error;
}

static void attributes_of_comm(int error)
{
    int keyval;
    MPI_Comm comm, copy;
    MPI_Request request;

    CHECK_MPI(MPI_Comm_create_keyval(comm_copy, comm_delete, &keyval, NULL));
    CHECK_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &comm));
    CHECK_MPI(MPI_Comm_set_attr(comm, keyval, mark));
    copy_error = error;
    COMM(MPI_Comm_dup(comm, &out));
    COMM(MPI_Comm_dup_with_info(comm, MPI_INFO_NULL, &out));
    COMM(MPI_Comm_idup(comm, &out, &request));
    REQUEST(MPI_Comm_idup(comm, &copy, &out));
    copy_error = MPI_SUCCESS;
    delete_error = error;
    TRY_INT(keyval, MPI_Comm_delete_attr(comm, out));
    TRY_INT(keyval, MPI_Comm_set_attr(comm, out, NULL));
    TRY_WITH(MPI_Comm, comm, MPI_COMM_NULL, MPI_Comm_free(&out));
    delete_error = MPI_SUCCESS;
    CHECK_MPI(MPI_Comm_free(&comm));
    CHECK_MPI(MPI_Comm_free_keyval(&keyval));
}

static void attributes_of_type(int error)
{
    int keyval, second;
    MPI_Datatype type;

    CHECK_MPI(MPI_Type_create_keyval(type_copy, type_delete, &keyval, NULL));
    CHECK_MPI(MPI_Type_create_keyval(type_copy, type_delete, &second, NULL));
    CHECK_MPI(MPI_Type_dup(MPI_DOUBLE, &type));
    CHECK_MPI(MPI_Type_set_attr(type, keyval, mark));
    CHECK_MPI(MPI_Type_set_attr(type, second, mark));
    copy_error = error;
    TYPE(MPI_Type_dup(type, &out));
    copy_error = MPI_SUCCESS;
    delete_error = error;
    TRY_INT(keyval, MPI_Type_delete_attr(type, out));
    TRY_INT(keyval, MPI_Type_set_attr(type, out, NULL));
    TRY_WITH(MPI_Datatype, type, MPI_DATATYPE_NULL, MPI_Type_free(&out)); /* succeeds */
    delete_error = MPI_SUCCESS;
    CHECK_MPI(MPI_Type_free_keyval(&keyval));
    CHECK_MPI(MPI_Type_free_keyval(&second));
}

static void attributes_of_win(int error)
{
    int keyval;
    MPI_Win other;

    CHECK_MPI(MPI_Win_create_keyval(MPI_WIN_NULL_COPY_FN, win_delete, &keyval, NULL));
    CHECK_MPI(MPI_Win_create(mark, 8, 1, MPI_INFO_NULL, MPI_COMM_WORLD, &other));
    CHECK_MPI(MPI_Win_set_attr(other, keyval, mark));
    CHECK_MPI(MPI_Win_set_errhandler(other, MPI_ERRORS_RETURN));
    delete_error = error;
    TRY_WITH(MPI_Win, other, MPI_WIN_NULL, MPI_Win_free(&out)); /* succeeds */
    delete_error = MPI_SUCCESS;
    CHECK_MPI(MPI_Win_set_attr(win, keyval, mark));
    delete_error = error;
    TRY_INT(keyval, MPI_Win_delete_attr(win, out));
    TRY_INT(keyval, MPI_Win_set_attr(win, out, NULL));
    delete_error = MPI_SUCCESS;
    CHECK_MPI(MPI_Win_delete_attr(win, keyval));
    CHECK_MPI(MPI_Win_free_keyval(&keyval));
}

static void setup(void)
{
    int dims[1] = {check_size}, periods[1] = {0};
    char name[64];
    MPI_Comm half;

    CHECK_MPI(MPI_Comm_group(MPI_COMM_WORLD, &all_group));
    CHECK_MPI(MPI_Type_contiguous(2, MPI_INT, &uncommitted));
    CHECK_MPI(MPI_Cart_create(MPI_COMM_WORLD, 1, dims, periods, 0, &cart));
    CHECK_MPI(MPI_Win_create(mark, sizeof mark, 1, MPI_INFO_NULL, MPI_COMM_WORLD, &win));
    CHECK_MPI(MPI_Win_create_dynamic(MPI_INFO_NULL, MPI_COMM_WORLD, &dynamic));
    snprintf(name, sizeof name, "failures.%d", check_rank);
    CHECK_MPI(MPI_File_open(MPI_COMM_SELF, name, MPI_MODE_CREATE | MPI_MODE_RDWR,
                            MPI_INFO_NULL, &file));
    if (check_size == 1)
        return;
    CHECK_MPI(MPI_Comm_split(MPI_COMM_WORLD, check_rank > 0, 0, &half));
    CHECK_MPI(MPI_Intercomm_create(half, 0, MPI_COMM_WORLD, check_rank == 0, 3, &inter));
    CHECK_MPI(MPI_Comm_free(&half));
}

/* One of the errors that end a job if nobody handles them: failures.sh compares the words. */
static void fatal(int which)
{
    int keyval = NO_KEYVAL, x[2];
    MPI_Aint address;
    MPI_Datatype type;
    MPI_Win none;

    if (check_rank > 0)
        MPI_Barrier(MPI_COMM_WORLD); /* until rank 0 ends the job */
    switch (which) {
    case 0:
        MPI_Win_create(mark, -1, 1, MPI_INFO_NULL, MPI_COMM_WORLD, &none);
        break;
    case 1:
        MPI_Info_set(no_info, "key", "value");
        break;
    case 2:
        MPI_Comm_free_keyval(&keyval);
        break;
    case 3:
        MPI_Wait(NULL, MPI_STATUS_IGNORE);
        break;
    case 4:
        MPI_Win_set_errhandler(win, MPI_ERRHANDLER_NULL);
        break;
    case 5:
        MPI_Type_get_contents(uncommitted, 0, 0, 0, x, &address, &type);
        break;
    default:
        MPI_Send(x, 1, MPI_INT, check_size, 0, cart);
        break;
    }
    CHECK(0, "%d is not fatal", which);
}

int main(int argc, char **argv)
{
    long step, steps;
    int value, sum;

    MPI_Init(&argc, &argv);
    steps = check_begin("failures", argc, argv, 400);
    tells = argc > 2 ? atoi(argv[2]) : 0;
    setup();
    if (argc > 3)
        fatal(atoi(argv[3]));
    handlers_set();
    for (step = 0; step < steps; step++) {
        types();
        comms();
        groups();
        requests();
        collectives();
        others();
        attributes_of_comm(step % 2 ? 77 : MPI_ERR_OTHER);
        attributes_of_type(step % 2 ? MPI_ERR_ARG : MPI_ERR_OTHER);
        attributes_of_win(step % 2 ? MPI_ERR_ARG : MPI_ERR_OTHER);
        value = check_rank + (int)step;
        CHECK_MPI(MPI_Allreduce(&value, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD));
        CHECK_EQ(sum, check_size * step + check_size * (check_size - 1) / 2);
    }
    CHECK_MPI(MPI_File_close(&file));
    CHECK_MPI(MPI_Win_free(&win));
    CHECK_MPI(MPI_Win_free(&dynamic));
    CHECK_MPI(MPI_Type_free(&uncommitted));
    CHECK_MPI(MPI_Group_free(&all_group));
    CHECK_MPI(MPI_Comm_free(&cart));
    if (inter != MPI_COMM_NULL)
        CHECK_MPI(MPI_Comm_free(&inter));
    check_end(steps);
    MPI_Finalize();
    return 0;
}
