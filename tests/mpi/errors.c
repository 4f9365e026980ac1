/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Error handlers: MPI_ERRORS_RETURN, and functions of the program that are called with
 * the right communicator and class; error classes, codes and strings of its own; no error
 * disturbs what is under way.
 */
#include "check.h"

static MPI_Comm world, handled;
static long n_called;
static int last_class;
static MPI_Comm last_comm;

static void handler(MPI_Comm *comm, int *code, ...)
{
    n_called++;
    last_comm = *comm;
    MPI_Error_class(*code, &last_class);
}

static void other_handler(MPI_Comm *comm, int *code, ...)
{
    (void)comm;
    (void)code;
    CHECK(0, "the handler that was replaced is called");
}

#define EXPECT_CLASS(call, expected)                                                     \
    do {                                                                                 \
        int class_ = -1;                                                                 \
        MPI_Error_class(call, &class_);                                                  \
        CHECK_EQ(class_, expected);                                                      \
    } while (0)

/* What is wrong with arguments is returned, with its class. */
static void returned(void)
{
    int x = 0, n;
    MPI_Request request = MPI_REQUEST_NULL;
    MPI_Datatype uncommitted;
    MPI_Comm comm;

    EXPECT_CLASS(MPI_Send(&x, 1, MPI_INT, check_size, 0, world), MPI_ERR_RANK);
    EXPECT_CLASS(MPI_Send(&x, -1, MPI_INT, 0, 0, world), MPI_ERR_COUNT);
    EXPECT_CLASS(MPI_Send(&x, 1, MPI_INT, 0, -5, world), MPI_ERR_TAG);
    EXPECT_CLASS(MPI_Send(&x, 1, MPI_DATATYPE_NULL, 0, 0, world), MPI_ERR_TYPE);
    EXPECT_CLASS(MPI_Irecv(&x, 1, MPI_INT, -7, 0, world, &request), MPI_ERR_RANK);
    EXPECT_CLASS(MPI_Bcast(&x, 1, MPI_INT, check_size + 3, world), MPI_ERR_ROOT);
    EXPECT_CLASS(MPI_Allreduce(&x, &n, 1, MPI_INT, MPI_OP_NULL, world), MPI_ERR_OP);
    CHECK(request == MPI_REQUEST_NULL, "a request of a failed call");
    MPI_Type_contiguous(2, MPI_INT, &uncommitted);
    EXPECT_CLASS(MPI_Send(&x, 1, uncommitted, 0, 0, world), MPI_ERR_TYPE);
    MPI_Type_free(&uncommitted);
    EXPECT_CLASS(MPI_Comm_split(world, -3, 0, &comm), MPI_ERR_ARG);
}

/* A message that is too long for its receive; Open MPI 4.1 overlooks it in one to
 * oneself. */
static void truncated(void)
{
    int out[4] = {1, 2, 3, 4}, in[5] = {0, 0, -9, -9, -9}, class, result;
    int right = (check_rank + 1) % check_size,
        left = (check_rank + check_size - 1) % check_size;
    MPI_Request request;
    MPI_Status status;

    CHECK_MPI(MPI_Irecv(in, 2, MPI_INT, left, 5, world, &request));
    CHECK_MPI(MPI_Send(out, 4, MPI_INT, right, 5, world));
    result = MPI_Wait(&request, &status);
    MPI_Error_class(result, &class);
    CHECK_EQ(class, MPI_ERR_TRUNCATE);
    CHECK_EQ(in[2], -9);
}

static void called(long step)
{
    int x = 0;
    long before = n_called;
    MPI_Comm dup;

    EXPECT_CLASS(MPI_Send(&x, 1, MPI_INT, check_size + 9, 0, handled), MPI_ERR_RANK);
    CHECK_EQ(n_called, before + 1);
    CHECK_EQ(last_class, MPI_ERR_RANK);
    CHECK(last_comm == handled, "the handler got another communicator");
    EXPECT_CLASS(MPI_Recv(&x, -2, MPI_INT, 0, 0, handled, MPI_STATUS_IGNORE),
                 MPI_ERR_COUNT);
    CHECK_EQ(n_called, before + 2);
    CHECK_EQ(last_class, MPI_ERR_COUNT);
    if (step % 10)
        return;
    CHECK_MPI(MPI_Comm_dup(handled, &dup)); /* inherits it */
    EXPECT_CLASS(MPI_Send(&x, 1, MPI_INT, 0, -3, dup), MPI_ERR_TAG);
    CHECK_EQ(n_called, before + 3);
    CHECK(last_comm == dup, "the handler got another communicator");
    CHECK_MPI(MPI_Comm_free(&dup));
    CHECK_MPI(MPI_Comm_call_errhandler(handled, MPI_ERR_OTHER));
    CHECK_EQ(n_called, before + 4);
    CHECK_EQ(last_class, MPI_ERR_OTHER);
}

static void handlers(void)
{
    MPI_Errhandler mine, got;
    int x = 0;
    long before = n_called;
    MPI_Comm comm;

    CHECK_MPI(MPI_Comm_get_errhandler(world, &got));
    CHECK(got == MPI_ERRORS_RETURN, "not MPI_ERRORS_RETURN");
    MPI_Errhandler_free(&got);
    CHECK_MPI(MPI_Comm_dup(world, &comm));
    CHECK_MPI(MPI_Comm_create_errhandler(other_handler, &mine));
    CHECK_MPI(MPI_Comm_set_errhandler(comm, mine));
    CHECK_MPI(MPI_Comm_get_errhandler(comm, &got));
    CHECK(got == mine, "another error handler");
    CHECK_MPI(MPI_Errhandler_free(&got));
    CHECK_MPI(MPI_Errhandler_free(&mine));
    CHECK_MPI(MPI_Comm_create_errhandler(handler, &mine));
    CHECK_MPI(MPI_Comm_set_errhandler(comm, mine));
    CHECK_MPI(MPI_Errhandler_free(&mine)); /* stays as long as it is used */
    EXPECT_CLASS(MPI_Send(&x, 1, MPI_INT, 0, -3, comm), MPI_ERR_TAG);
    CHECK_EQ(n_called, before + 1);
    CHECK_MPI(MPI_Comm_free(&comm));
}

/* What is wrong with a type is told the communicator of the call, also where crmpi has to
 * know the type before. */
static void own_object(long step)
{
    int x[2] = {0, 0}, right = (check_rank + 1) % check_size,
        left = (check_rank + check_size - 1) % check_size;
    MPI_Errhandler fatal;
    MPI_Request request;

    CHECK_MPI(MPI_Comm_create_errhandler(other_handler, &fatal));
    CHECK_MPI(MPI_Comm_set_errhandler(MPI_COMM_WORLD, fatal));
    EXPECT_CLASS(MPI_Send(x, 1, MPI_DATATYPE_NULL, right, 0, world), MPI_ERR_TYPE);
    EXPECT_CLASS(MPI_Sendrecv_replace(x, 1, MPI_DATATYPE_NULL, right, 0, left, 0, world,
                                      MPI_STATUS_IGNORE),
                 MPI_ERR_TYPE);
    EXPECT_CLASS(MPI_Allreduce(MPI_IN_PLACE, x, 1, MPI_DATATYPE_NULL, MPI_SUM, world),
                 MPI_ERR_OP);
    /* a message for it may have come, and have been taken out by a checkpoint */
    CHECK_MPI(MPI_Isend(x, 1, MPI_INT, right, 9, world, &request));
    CHECK_MPI(MPI_Barrier(world));
    if (step % 50 == 0)
        check_sleep_ms(20);
    EXPECT_CLASS(MPI_Recv(x, 1, MPI_DATATYPE_NULL, left, 9, world, MPI_STATUS_IGNORE),
                 MPI_ERR_TYPE);
    EXPECT_CLASS(MPI_Recv(x, -1, MPI_INT, left, 9, world, MPI_STATUS_IGNORE),
                 MPI_ERR_COUNT);
    CHECK_MPI(MPI_Recv(x, 1, MPI_INT, left, 9, world, MPI_STATUS_IGNORE));
    CHECK_MPI(MPI_Wait(&request, MPI_STATUS_IGNORE));
    CHECK_MPI(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN));
    CHECK_MPI(MPI_Errhandler_free(&fatal));
}

/* Assertions and locks that are wrong change nothing, and an access is an error where no
 * epoch is open.  Of memory that is not allocated by MPI: else Open MPI does not look. */
static void windows(void)
{
    static int memory[2];
    int one = 1;
    MPI_Group group;
    MPI_Win win;

    CHECK_MPI(MPI_Win_create(memory, sizeof memory, sizeof *memory, MPI_INFO_NULL, world,
                             &win));
    CHECK_MPI(MPI_Win_set_errhandler(win, MPI_ERRORS_RETURN));
    CHECK_MPI(MPI_Win_get_group(win, &group));
    EXPECT_CLASS(MPI_Win_post(group, 1 << 20, win), MPI_ERR_ASSERT);
    CHECK_MPI(MPI_Win_post(group, 0, win));
    EXPECT_CLASS(MPI_Win_start(group, 1 << 20, win), MPI_ERR_ASSERT);
    CHECK_MPI(MPI_Win_start(group, 0, win));
    CHECK_MPI(MPI_Put(&one, 1, MPI_INT, check_rank, 1, 1, MPI_INT, win));
    CHECK_MPI(MPI_Win_complete(win));
    EXPECT_CLASS(MPI_Put(&one, 1, MPI_INT, check_rank, 0, 1, MPI_INT, win),
                 MPI_ERR_RMA_SYNC);
    CHECK_MPI(MPI_Win_wait(win));
    EXPECT_CLASS(MPI_Win_fence(1 << 20, win), MPI_ERR_ASSERT);
    CHECK_MPI(MPI_Win_fence(0, win));
    EXPECT_CLASS(MPI_Win_lock(9, 0, 0, win), MPI_ERR_LOCKTYPE);
    EXPECT_CLASS(MPI_Win_lock(MPI_LOCK_SHARED, check_size, 0, win), MPI_ERR_RANK);
    EXPECT_CLASS(MPI_Win_lock(MPI_LOCK_SHARED, 0, 1 << 20, win), MPI_ERR_ASSERT);
    CHECK_MPI(MPI_Put(&one, 1, MPI_INT, check_rank, 0, 1, MPI_INT, win));
    CHECK_MPI(MPI_Win_fence(MPI_MODE_NOSUCCEED, win));
    EXPECT_CLASS(MPI_Win_lock_all(1 << 20, win), MPI_ERR_ASSERT);
    CHECK_EQ(memory[0], 1);
    CHECK_EQ(memory[1], 1);
    memset(memory, 0, sizeof memory);
    CHECK_MPI(MPI_Group_free(&group));
    CHECK_MPI(MPI_Win_free(&win));
}

static int own_class, own_code;

static void own_errors(void)
{
    char text[MPI_MAX_ERROR_STRING];
    int length, class, *last, flag;

    CHECK_MPI(MPI_Error_string(own_code, text, &length));
    CHECK(strcmp(text, "a code of our own") == 0, "error string '%s'", text);
    CHECK_MPI(MPI_Error_class(own_code, &class));
    CHECK_EQ(class, own_class);
    CHECK_MPI(MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_LASTUSEDCODE, &last, &flag));
    CHECK(flag && *last >= own_code, "MPI_LASTUSEDCODE %d", flag ? *last : -1);
    CHECK_MPI(MPI_Error_string(MPI_ERR_TRUNCATE, text, &length));
    CHECK(strstr(text, "TRUNCATE") != NULL, "error string '%s'", text);
}

/* What crmpi finds itself ends the job, too. */
static void fatal(const char *name)
{
    MPI_File file;
    int x[2];

    CHECK_MPI(MPI_File_open(MPI_COMM_WORLD, name,
                            MPI_MODE_CREATE | MPI_MODE_RDWR | MPI_MODE_DELETE_ON_CLOSE,
                            MPI_INFO_NULL, &file));
    CHECK_MPI(MPI_File_read_all_begin(file, &x[0], 1, MPI_INT));
    CHECK_MPI(MPI_File_set_errhandler(file, MPI_ERRORS_ARE_FATAL));
    MPI_File_read_all_begin(file, &x[1], 1, MPI_INT);
    printf("a file has two split collectives\n");
}

int main(int argc, char **argv)
{
    MPI_Errhandler mine;
    long step, steps;
    int value, sum;

    MPI_Init(&argc, &argv);
    steps = check_begin("errors", argc, argv, 4000);
    CHECK_MPI(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN));
    CHECK_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &world));
    CHECK_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &handled));
    CHECK_MPI(MPI_Comm_create_errhandler(handler, &mine));
    CHECK_MPI(MPI_Comm_set_errhandler(handled, mine));
    CHECK_MPI(MPI_Errhandler_free(&mine));
    CHECK_MPI(MPI_Add_error_class(&own_class));
    CHECK_MPI(MPI_Add_error_code(own_class, &own_code));
    CHECK_MPI(MPI_Add_error_string(own_code, "a code of our own"));
    for (step = 0; step < steps; step++) {
        returned();
        if (check_size > 1)
            truncated();
        called(step);
        if (step % 20 == 0)
            handlers();
        own_object(step);
        if (check_size > 1 && step % 100 == 0) /* Open MPI has none for one */
            windows();
        own_errors();
        value = check_rank + (int)step;
        CHECK_MPI(MPI_Allreduce(&value, &sum, 1, MPI_INT, MPI_SUM, handled));
        CHECK_EQ(sum, check_size * step + check_size * (check_size - 1) / 2);
        check_note((uint64_t)sum + (uint64_t)n_called);
    }
    MPI_Comm_free(&world);
    MPI_Comm_free(&handled);
    check_end(steps);
    if (argc > 2)
        fatal(argv[2]);
    MPI_Finalize();
    return 0;
}
