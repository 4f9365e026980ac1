/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * MPI's files, each for a short time: views, collective and independent access,
 * nonblocking access, info, error handlers.  What has been written stays as it is, and no
 * file is removed, for a restart finds the files as they were at the end.
 */
#include "check.h"

#define N 256

static int n_handled;

static void handler(MPI_File *file, int *error, ...)
{
    int class;

    CHECK(*file == MPI_FILE_NULL, "the file of the error");
    MPI_Error_class(*error, &class);
    CHECK_EQ(class, MPI_ERR_NO_SUCH_FILE);
    n_handled++;
}

/* An error of opening goes to the handler of MPI_FILE_NULL. */
static void not_there(void)
{
    MPI_Errhandler errhandler;
    MPI_File file;
    int before = n_handled;

    CHECK_MPI(MPI_File_create_errhandler(handler, &errhandler));
    CHECK_MPI(MPI_File_set_errhandler(MPI_FILE_NULL, errhandler));
    CHECK_MPI(MPI_Errhandler_free(&errhandler));
    CHECK(MPI_File_open(MPI_COMM_WORLD, "no/such/file", MPI_MODE_RDONLY, MPI_INFO_NULL,
                        &file) != MPI_SUCCESS,
          "an error");
    CHECK_EQ(n_handled, before + 1);
    CHECK_MPI(MPI_File_set_errhandler(MPI_FILE_NULL, MPI_ERRORS_RETURN));
}

/* Each rank has every n-th integer. */
static void views(MPI_File file, long step)
{
    MPI_Datatype type, etype, filetype;
    MPI_Offset displacement;
    MPI_Request request;
    MPI_Status status;
    char representation[MPI_MAX_DATAREP_STRING];
    int out[N], in[N] = {0}, n;

    CHECK_MPI(MPI_Type_vector(N, 1, check_size, MPI_INT, &type));
    CHECK_MPI(MPI_Type_commit(&type));
    CHECK_MPI(MPI_File_set_view(file, check_rank * (MPI_Offset)sizeof(int), MPI_INT, type,
                                "native", MPI_INFO_NULL));
    CHECK_MPI(MPI_Type_free(&type));
    for (int i = 0; i < N; i++)
        out[i] = (int)(step * 1000 + i * check_size + check_rank);
    CHECK_MPI(MPI_File_write_all(file, out, N, MPI_INT, &status));
    CHECK_MPI(MPI_Get_count(&status, MPI_INT, &n));
    CHECK_EQ(n, N);
    /* Open MPI returns from write_all where another rank may still be writing this one's
     * data */
    CHECK_MPI(MPI_File_sync(file));
    CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
    CHECK_MPI(MPI_File_iread_at(file, 0, in, N, MPI_INT, &request));
    CHECK_MPI(MPI_Wait(&request, &status));
    CHECK_MPI(MPI_Get_count(&status, MPI_INT, &n));
    CHECK_EQ(n, N);
    CHECK(memcmp(in, out, sizeof in) == 0, "what was written");
    CHECK_MPI(MPI_File_get_view(file, &displacement, &etype, &filetype, representation));
    CHECK_EQ(displacement, check_rank * (int)sizeof(int));
    CHECK(etype == MPI_INT, "the elementary type");
    CHECK_MPI(MPI_Type_size(filetype, &n));
    CHECK_EQ(n, N * (int)sizeof(int));
    CHECK_MPI(MPI_Type_free(&filetype));
}

static void whole(MPI_File file, long step)
{
    MPI_Offset size;
    MPI_Info info;
    int *all = check_alloc((size_t)N * (size_t)check_size * sizeof(int)), mode;

    CHECK_MPI(MPI_File_sync(file));
    CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
    CHECK_MPI(MPI_File_set_view(file, 0, MPI_BYTE, MPI_BYTE, "native", MPI_INFO_NULL));
    CHECK_MPI(MPI_File_get_size(file, &size));
    CHECK_EQ(size, (long long)N * check_size * (long long)sizeof(int));
    CHECK_MPI(
        MPI_File_read_at_all(file, 0, all, N * check_size, MPI_INT, MPI_STATUS_IGNORE));
    for (int i = 0; i < N * check_size; i++)
        CHECK_EQ(all[i], step * 1000 + i);
    check_note((uint64_t)all[N - 1]);
    CHECK_MPI(MPI_File_get_info(file, &info));
    CHECK_MPI(MPI_Info_free(&info));
    CHECK_MPI(MPI_File_get_amode(file, &mode));
    CHECK_EQ(mode & MPI_MODE_RDWR, MPI_MODE_RDWR);
    free(all);
}

/* After a restart the file may be there already. */
static void open_new(const char *name, MPI_File *file)
{
    int mode = MPI_MODE_RDWR | MPI_MODE_CREATE | MPI_MODE_EXCL, error, class, found;

    while ((error = MPI_File_open(MPI_COMM_WORLD, name, mode, MPI_INFO_NULL, file)) !=
           MPI_SUCCESS) {
        MPI_Error_class(error, &class);
        CHECK_EQ(class, MPI_ERR_FILE_EXISTS);
        if (check_rank == 0)
            CHECK_MPI(MPI_File_delete(name, MPI_INFO_NULL));
        CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
    }
    CHECK_MPI(MPI_File_get_amode(*file, &found));
    CHECK_EQ(found, mode);
}

int main(int argc, char **argv)
{
    char name[64];
    long steps;
    MPI_File file;

    MPI_Init(&argc, &argv);
    steps = check_begin("mpiio", argc, argv, 100);
    for (long step = 0; step < steps; step++) {
        snprintf(name, sizeof name, "mpiio-%ld.tmp", step);
        not_there();
        open_new(name, &file);
        views(file, step);
        whole(file, step);
        CHECK_MPI(MPI_File_close(&file));
        CHECK(file == MPI_FILE_NULL, "a closed file's handle");
        if (step % 10 == 9) /* a chance for a checkpoint */
            check_sleep_ms(100);
    }
    check_end(steps);
    MPI_Finalize();
    return 0;
}
