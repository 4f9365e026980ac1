/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hints of communicators, windows and files: what MPI tells of them, with keys that it knows
 * and that it does not, given when they are made and later.  And the types that a file's view
 * tells, which are used to send.
 */
#include "check.h"

#define N 9

static MPI_Comm comms[5];
static MPI_Win wins[2];
static MPI_File file;
static MPI_Datatype etype, filetype;
static uint64_t told[N];
static int n_called;

static MPI_Info hints(const char *value)
{
    MPI_Info info;

    CHECK_MPI(MPI_Info_create(&info));
    CHECK_MPI(MPI_Info_set(info, "a_key_of_our_own", value));
    CHECK_MPI(MPI_Info_set(info, "mpi_assert_allow_overtaking", value));
    CHECK_MPI(MPI_Info_set(info, "no_locks", "false"));
    CHECK_MPI(MPI_Info_set(info, "same_size", value));
    return info;
}

/* Of all keys and values, but one that Open MPI reads before another rank sets it. */
static uint64_t hash(MPI_Info info)
{
    char key[MPI_MAX_INFO_KEY + 1], value[200] = "";
    uint64_t sum = 7;
    int n, flag;

    CHECK_MPI(MPI_Info_get_nkeys(info, &n));
    for (int i = 0; i < n; i++) {
        CHECK_MPI(MPI_Info_get_nthkey(info, i, key));
        if (strcmp(key, "blocking_fence") == 0)
            continue;
        CHECK_MPI(MPI_Info_get(info, key, sizeof value - 1, value, &flag));
        for (const char *p = key; *p; p++)
            sum = check_hash(sum, (uint64_t)*p);
        for (const char *p = value; *p; p++)
            sum = check_hash(sum, (uint64_t)*p);
    }
    CHECK_MPI(MPI_Info_free(&info));
    return sum;
}

static uint64_t ask(int i)
{
    MPI_Info info;

    if (i < 5)
        CHECK_MPI(MPI_Comm_get_info(comms[i], &info));
    else if (i < 7)
        CHECK_MPI(MPI_Win_get_info(wins[i - 5], &info));
    else if (i < 8)
        CHECK_MPI(MPI_File_get_info(file, &info));
    else
        CHECK_MPI(MPI_Comm_get_info(MPI_COMM_WORLD, &info));
    return hash(info);
}

static void make(const char *name)
{
    MPI_Info info = hints("true");
    int neighbour = check_rank, weight = 3;
    MPI_Datatype vector, hole;
    void *base;

    CHECK_MPI(MPI_Comm_dup_with_info(MPI_COMM_WORLD, info, &comms[0]));
    CHECK_MPI(MPI_Comm_dup(comms[0], &comms[1]));
    CHECK_MPI(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, info, &comms[2]));
    CHECK_MPI(MPI_Dist_graph_create_adjacent(MPI_COMM_WORLD, 1, &neighbour, &weight, 1,
                                             &neighbour, &weight, info, 0, &comms[3]));
    CHECK_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &comms[4]));
    CHECK_MPI(MPI_Win_allocate(64, 1, info, MPI_COMM_WORLD, &base, &wins[0]));
    CHECK_MPI(MPI_Win_allocate_shared(64, 1, info, MPI_COMM_WORLD, &base, &wins[1]));
    CHECK_MPI(MPI_File_open(MPI_COMM_WORLD, name,
                            MPI_MODE_CREATE | MPI_MODE_RDWR | MPI_MODE_DELETE_ON_CLOSE,
                            info, &file));
    CHECK_MPI(MPI_Info_free(&info));
    CHECK_MPI(MPI_Type_vector(2, 1, 2, MPI_INT, &vector));
    CHECK_MPI(MPI_Type_create_resized(vector, 0, 16, &hole));
    CHECK_MPI(MPI_Type_commit(&hole));
    CHECK_MPI(MPI_File_set_view(file, 0, MPI_INT, hole, "native", MPI_INFO_NULL));
    CHECK_MPI(MPI_Type_free(&vector));
    CHECK_MPI(MPI_Type_free(&hole));
}

/* Hints that are given later, some of them unknown, change some. */
static void change(long step)
{
    MPI_Info info = hints(step % 2 ? "true" : "false");
    int i = (int)(step % 4);

    CHECK_MPI(MPI_Info_set(info, "no_locks", step % 3 ? "true" : "false"));
    if (i < 2)
        CHECK_MPI(MPI_Comm_set_info(comms[i ? 0 : 4], info));
    else
        CHECK_MPI(MPI_Win_set_info(wins[i - 2], info));
    if (step % 5 == 4)
        CHECK_MPI(MPI_File_set_info(file, info));
    CHECK_MPI(MPI_Info_free(&info));
    for (int k = 0; k < N; k++) {
        told[k] = ask(k);
        check_note(told[k]);
    }
}

static void types(long step)
{
    int out[4] = {(int)step, -1, (int)step + 1, -1}, in[4] = {-2, -2, -2, -2};
    int right = (check_rank + 1) % check_size, left = (check_rank + check_size - 1) % check_size;

    CHECK_MPI(MPI_Sendrecv(out, 1, filetype, right, 3, in, 1, filetype, left, 3,
                           MPI_COMM_WORLD, MPI_STATUS_IGNORE));
    CHECK(in[0] == step && in[1] == -2 && in[2] == step + 1, "%d %d %d", in[0], in[1], in[2]);
    CHECK_MPI(MPI_Sendrecv(out, 1, etype, right, 4, in, 1, etype, left, 4, MPI_COMM_WORLD,
                           MPI_STATUS_IGNORE));
}

static void on_error(MPI_File *of, int *code, ...)
{
    (void)code;
    CHECK(*of == MPI_FILE_NULL, "another file");
    n_called++;
}

/* The handler is for errors. */
static void delete (void)
{
    MPI_Errhandler handler;
    MPI_File made;
    char name[64];

    snprintf(name, sizeof name, "hints.%d", check_rank);
    CHECK_MPI(MPI_File_create_errhandler(on_error, &handler));
    CHECK_MPI(MPI_File_set_errhandler(MPI_FILE_NULL, handler));
    CHECK_MPI(MPI_Errhandler_free(&handler));
    CHECK_MPI(MPI_File_open(MPI_COMM_SELF, name, MPI_MODE_CREATE | MPI_MODE_WRONLY,
                            MPI_INFO_NULL, &made));
    CHECK_MPI(MPI_File_close(&made));
    CHECK_MPI(MPI_File_delete(name, MPI_INFO_NULL));
    CHECK_EQ(n_called, 0);
    CHECK(MPI_File_delete(name, MPI_INFO_NULL) != MPI_SUCCESS, "no error");
    CHECK_EQ(n_called, 1);
    CHECK_MPI(MPI_File_set_errhandler(MPI_FILE_NULL, MPI_ERRORS_RETURN));
}

int main(int argc, char **argv)
{
    MPI_Offset displacement;
    char text[MPI_MAX_DATAREP_STRING];
    long steps;

    MPI_Init(&argc, &argv);
    steps = check_begin("hints", argc, argv, 400);
    make("hints.file");
    CHECK_MPI(MPI_File_get_view(file, &displacement, &etype, &filetype, text));
    for (int i = 0; i < N; i++) {
        told[i] = ask(i);
        check_note(told[i]);
    }
    delete ();
    for (long step = 0; step < steps; step++) {
        for (int i = 0; i < N; i++)
            CHECK(ask(i) == told[i], "of object %d something else is told", i);
        types(step);
        check_sleep_ms(5);
        if (step % 20 == 19)
            change(step / 20);
    }
    CHECK_MPI(MPI_Type_free(&filetype));
    CHECK_MPI(MPI_File_close(&file));
    for (int i = 0; i < 2; i++)
        CHECK_MPI(MPI_Win_free(&wins[i]));
    for (int i = 0; i < 5; i++)
        CHECK_MPI(MPI_Comm_free(&comms[i]));
    check_end(steps);
    MPI_Finalize();
    return 0;
}
