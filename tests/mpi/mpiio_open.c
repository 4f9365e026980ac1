/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * MPI's files that are open all the time: individual and shared pointers, ordered and
 * split accesses, appending, views, hints, sizes, several opens of one file, requests
 * that are pending between the steps.  What is written at a place is written once, so
 * that a restart, which does not bring contents back, finds what it has to.
 */
#include "check.h"

#define N 64 /* integers each rank writes in a step */
#define BYTES (N * (MPI_Offset)sizeof(int))

static MPI_File table;   /* rank r has every size-th block of N integers, by a view */
static MPI_File other;   /* the same file, opened once more, to read it */
static MPI_File records; /* at the shared pointer */
static MPI_File lines;   /* at the end, in the order of ranks */
static MPI_File own;     /* of each rank alone */
static int n_handled;

static int value(long step, int rank, int i)
{
    return (int)(check_hash4((uint64_t)step, (uint64_t)rank, (uint64_t)i, 17) >> 33);
}

static void fill(int *out, long step, int rank)
{
    for (int i = 0; i < N; i++)
        out[i] = value(step, rank, i);
}

static void handler(MPI_File *file, int *error, ...)
{
    CHECK(*file == own, "the file of the error");
    CHECK(*error != MPI_SUCCESS, "an error");
    n_handled++;
}

/* Empty: after a restart from before it is opened the file may be there already. */
static MPI_File open_file(MPI_Comm comm, const char *name, int mode)
{
    MPI_File file;
    MPI_Info info;

    CHECK_MPI(MPI_Info_create(&info));
    CHECK_MPI(MPI_Info_set(info, "cb_buffer_size", "65536"));
    CHECK_MPI(MPI_File_open(comm, name, mode | MPI_MODE_CREATE, info, &file));
    CHECK_MPI(MPI_Info_free(&info));
    CHECK_MPI(MPI_File_set_size(file, 0));
    if (mode & MPI_MODE_APPEND)
        CHECK_MPI(MPI_File_seek_shared(file, 0, MPI_SEEK_SET));
    return file;
}

static void begin(void)
{
    char name[64];
    MPI_Comm comm;
    MPI_Datatype block, filetype;
    MPI_Errhandler errhandler;

    CHECK_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &comm));
    table = open_file(comm, "table.tmp", MPI_MODE_RDWR);
    lines = open_file(comm, "lines.tmp", MPI_MODE_WRONLY | MPI_MODE_APPEND);
    records = open_file(comm, "records.tmp", MPI_MODE_RDWR);
    CHECK_MPI(MPI_File_open(comm, "table.tmp", MPI_MODE_RDONLY, MPI_INFO_NULL, &other));
    CHECK_MPI(MPI_Comm_free(&comm)); /* the files keep what they need of it */
    CHECK_MPI(MPI_Type_contiguous(N, MPI_INT, &block));
    CHECK_MPI(MPI_Type_create_resized(block, 0, BYTES * check_size, &filetype));
    CHECK_MPI(MPI_Type_commit(&filetype));
    CHECK_MPI(MPI_File_set_view(table, 8 + BYTES * check_rank, MPI_INT, filetype,
                                "native", MPI_INFO_NULL));
    CHECK_MPI(MPI_Type_free(&filetype));
    CHECK_MPI(MPI_Type_free(&block));
    CHECK_MPI(MPI_File_set_view(records, 4, MPI_INT, MPI_INT, "native", MPI_INFO_NULL));
    snprintf(name, sizeof name, "own-%d.tmp", check_rank);
    own = open_file(MPI_COMM_SELF, name, MPI_MODE_RDWR);
    CHECK_MPI(MPI_File_set_atomicity(own, 1));
    CHECK_MPI(MPI_File_create_errhandler(handler, &errhandler));
    CHECK_MPI(MPI_File_set_errhandler(own, errhandler));
    CHECK_MPI(MPI_Errhandler_free(&errhandler));
}

/* Each rank's next block, in one of six ways. */
static void table_write(long step)
{
    MPI_Offset position;
    MPI_Request request;
    MPI_Status status;
    int out[N], n;

    fill(out, step, check_rank);
    switch (step % 6) {
    case 0:
        CHECK_MPI(MPI_File_write_all(table, out, N, MPI_INT, &status));
        break;
    case 1:
        CHECK_MPI(MPI_File_write(table, out, N, MPI_INT, &status));
        break;
    case 2:
        CHECK_MPI(MPI_File_iwrite(table, out, N, MPI_INT, &request));
        CHECK_MPI(MPI_Wait(&request, &status));
        break;
    case 3:
        CHECK_MPI(MPI_File_write_all_begin(table, out, N, MPI_INT));
        if (check_rank == step % check_size)
            check_sleep_ms(1);
        CHECK_MPI(MPI_File_write_all_end(table, out, &status));
        break;
    case 4:
        CHECK_MPI(MPI_File_iwrite_all(table, out, N, MPI_INT, &request));
        CHECK_MPI(MPI_Waitall(1, &request, &status));
        break;
    default:
        CHECK_MPI(MPI_File_write_at_all(table, step * N, out, N, MPI_INT, &status));
        CHECK_MPI(MPI_File_seek(table, N, MPI_SEEK_CUR));
    }
    CHECK_MPI(MPI_Get_count(&status, MPI_INT, &n));
    CHECK_EQ(n, N);
    CHECK_MPI(MPI_File_get_position(table, &position));
    CHECK_EQ(position, (step + 1) * N);
}

/* A block of some step before, by the pointer and back, and of some rank, by the other
 * handle. */
static void table_read(long step, uint64_t *random)
{
    long old = check_below(random, (int)step + 1);
    int rank = check_below(random, check_size), in[N], expected[N];
    MPI_Status status;

    CHECK_MPI(MPI_File_sync(table));
    CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
    fill(expected, old, check_rank);
    CHECK_MPI(MPI_File_seek(table, old * N, MPI_SEEK_SET));
    CHECK_MPI(MPI_File_read_all(table, in, N, MPI_INT, &status));
    CHECK(memcmp(in, expected, sizeof in) == 0, "step %ld, in step %ld", old, step);
    CHECK_MPI(MPI_File_seek(table, (step + 1) * N, MPI_SEEK_SET));
    fill(expected, old, rank);
    CHECK_MPI(MPI_File_read_at(other, 8 + BYTES * (old * check_size + rank), in,
                               (int)sizeof in, MPI_BYTE, &status));
    CHECK(memcmp(in, expected, sizeof in) == 0, "rank %d, step %ld", rank, old);
    check_note((uint64_t)in[0]);
}

/* All ranks write the same record, and two steps later each reads one of them. */
static void records_do(long step)
{
    MPI_Offset position, expected = 2L * step * check_size * 2;
    int record[2] = {value(step, 0, 1), value(step, 0, 2)}, in[2];

    CHECK_MPI(MPI_File_get_position_shared(records, &position));
    CHECK_EQ(position, expected);
    CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
    CHECK_MPI(MPI_File_write_shared(records, record, 2, MPI_INT, MPI_STATUS_IGNORE));
    if (check_rank == (step + 1) % check_size)
        check_sleep_ms(2);
    CHECK_MPI(MPI_File_write_ordered(records, record, 2, MPI_INT, MPI_STATUS_IGNORE));
    if (step < 2 || step % 5)
        return;
    CHECK_MPI(MPI_File_sync(records));
    CHECK_MPI(
        MPI_File_seek_shared(records, 2L * (step - 2) * check_size * 2, MPI_SEEK_SET));
    CHECK_MPI(MPI_File_read_shared(records, in, 2, MPI_INT, MPI_STATUS_IGNORE));
    CHECK_EQ(in[0], value(step - 2, 0, 1));
    CHECK_MPI(MPI_File_read_ordered_begin(records, in, 2, MPI_INT));
    CHECK_MPI(MPI_File_read_ordered_end(records, in, MPI_STATUS_IGNORE));
    CHECK_EQ(in[1], value(step - 2, 0, 2));
    CHECK_MPI(
        MPI_File_seek_shared(records, 2L * (step + 1) * check_size * 2, MPI_SEEK_SET));
}

static void lines_write(long step)
{
    char line[64];
    int n = snprintf(line, sizeof line, "step %ld rank %d of %d\n", step, check_rank,
                     check_size);

    if (step % 2)
        CHECK_MPI(MPI_File_write_ordered(lines, line, n, MPI_CHAR, MPI_STATUS_IGNORE));
    else {
        CHECK_MPI(MPI_File_write_ordered_begin(lines, line, n, MPI_CHAR));
        CHECK_MPI(MPI_File_write_ordered_end(lines, line, MPI_STATUS_IGNORE));
    }
}

/* Requests that were begun in the step before: a write, and a read of every second
 * integer's place of what had been written. */
static struct {
    MPI_Request requests[2];
    MPI_Datatype gaps;
    int out[N], in[2 * N];
} pending;

static void own_end(long step)
{
    MPI_Status statuses[2];
    int n;

    if (step == 0)
        return;
    CHECK_MPI(MPI_Waitall(2, pending.requests, statuses));
    CHECK_MPI(MPI_Get_count(&statuses[0], MPI_INT, &n));
    CHECK_EQ(n, N);
    for (int i = 0; i < N && step > 1; i++) {
        CHECK_EQ(pending.in[2 * i], value(step - 2, check_rank, i));
        CHECK_EQ(pending.in[2 * i + 1], -1);
    }
}

static void own_begin(long step)
{
    if (step == 0) {
        CHECK_MPI(MPI_Type_vector(N, 1, 2, MPI_INT, &pending.gaps));
        CHECK_MPI(MPI_Type_commit(&pending.gaps));
        CHECK_MPI(MPI_File_preallocate(own, BYTES));
    }
    memset(pending.in, -1, sizeof pending.in);
    fill(pending.out, step, check_rank);
    CHECK_MPI(MPI_File_iwrite(own, pending.out, N, MPI_INT, &pending.requests[0]));
    CHECK_MPI(MPI_File_iread_at(own, (step - (step > 0)) * BYTES, pending.in,
                                step > 0 ? 1 : 0, pending.gaps, &pending.requests[1]));
}

/* What a restart has to bring back beside pointers. */
static void ask(long step)
{
    MPI_Offset displacement, size;
    MPI_Datatype etype, filetype;
    MPI_Group group, world;
    MPI_Aint lb, extent;
    MPI_Info info;
    char text[MPI_MAX_INFO_VAL];
    int flag, result;

    CHECK_MPI(MPI_File_get_view(table, &displacement, &etype, &filetype, text));
    CHECK_EQ(displacement, 8 + BYTES * check_rank);
    CHECK(etype == MPI_INT, "the elementary type");
    CHECK_MPI(MPI_Type_get_extent(filetype, &lb, &extent));
    CHECK_EQ(extent, BYTES * check_size);
    CHECK_MPI(MPI_Type_free(&filetype));
    CHECK_MPI(MPI_File_get_atomicity(own, &flag));
    CHECK_EQ(flag, 1);
    CHECK_MPI(MPI_File_get_atomicity(table, &flag));
    CHECK_EQ(flag, 0);
    CHECK_MPI(MPI_File_get_amode(lines, &flag));
    CHECK_EQ(flag, MPI_MODE_WRONLY | MPI_MODE_APPEND | MPI_MODE_CREATE);
    CHECK_MPI(MPI_File_get_info(table, &info));
    CHECK_MPI(MPI_Info_get(info, "cb_buffer_size", sizeof text - 1, text, &flag));
    CHECK(flag && strcmp(text, "65536") == 0, "the hint that was given");
    CHECK_MPI(MPI_Info_free(&info));
    CHECK_MPI(MPI_File_get_group(other, &group));
    CHECK_MPI(MPI_Comm_group(MPI_COMM_WORLD, &world));
    CHECK_MPI(MPI_Group_compare(group, world, &result));
    CHECK_EQ(result, MPI_IDENT);
    CHECK_MPI(MPI_Group_free(&group));
    CHECK_MPI(MPI_Group_free(&world));
    CHECK(MPI_File_seek(own, -1, MPI_SEEK_SET) != MPI_SUCCESS, "an error");
    CHECK_EQ(n_handled, step + 1);
    CHECK_MPI(MPI_File_get_size(own, &size));
    CHECK_EQ(size, BYTES * step);
}

int main(int argc, char **argv)
{
    uint64_t random = 5;
    long steps;

    MPI_Init(&argc, &argv);
    steps = check_begin("mpiio_open", argc, argv, 150);
    begin();
    for (long step = 0; step < steps; step++) {
        table_write(step);
        lines_write(step);
        own_end(step); /* Open MPI's MPI_File_sync fails while any request is pending */
        records_do(step);
        table_read(step, &random);
        ask(step);
        own_begin(step);
        if (step % 10 == 9)
            check_sleep_ms(50);
    }
    own_end(steps);
    CHECK_MPI(MPI_File_set_size(own, steps * BYTES + 1000));
    CHECK_MPI(MPI_Type_free(&pending.gaps));
    CHECK_MPI(MPI_File_close(&own));
    CHECK_MPI(MPI_File_close(&other));
    CHECK_MPI(MPI_File_close(&records));
    CHECK_MPI(MPI_File_close(&lines));
    CHECK_MPI(MPI_File_close(&table));
    check_end(steps);
    MPI_Finalize();
    return 0;
}
