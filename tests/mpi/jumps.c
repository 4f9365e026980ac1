/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Error handlers and callbacks that are left by longjmp(), allocate memory, call MPI
 * themselves, and fail in that; and what the program does after it, a checkpoint above all.
 */
#include <setjmp.h>

#include "check.h"

static jmp_buf out;
static int n_calls, last_error, depth, how;
static void *last_object;
static char last_name[64];

enum { RETURN, JUMP, CALL };

/* What a handler may do, and most do not. */
static void act(void *object, int error, const char *name)
{
    int rank;

    n_calls++;
    if (depth == 0) {
        last_object = object;
        last_error = error;
        snprintf(last_name, sizeof last_name, "%s", name);
    }
    free(check_alloc(100));
    if (how == CALL && depth == 0) {
        depth++;
        MPI_Comm_rank(MPI_COMM_WORLD, &rank);
        CHECK_EQ(rank, check_rank);
        CHECK(MPI_Send(NULL, -1, MPI_INT, 0, 0, MPI_COMM_SELF) != MPI_SUCCESS, "no error");
        depth--;
    }
    if (how == JUMP)
        longjmp(out, 1);
}

static void on_comm(MPI_Comm *comm, int *error, ...)
{
    va_list list;

    va_start(list, error);
    act(*comm, *error, va_arg(list, const char *));
    va_end(list);
}

static void on_win(MPI_Win *win, int *error, ...)
{
    act(*win, *error, "");
}

static void on_file(MPI_File *file, int *error, ...)
{
    act(*file, *error, "");
}

static int copy_fails(MPI_Comm comm, int keyval, void *extra, void *value, void *copy,
                      int *flag)
{
    (void)comm, (void)keyval, (void)extra, (void)value, (void)copy;
    *flag = 0;
    if (how == JUMP)
        longjmp(out, 1);
    return MPI_SUCCESS;
}

static void add(void *in, void *inout, int *n, MPI_Datatype *type)
{
    (void)type;
    for (int i = 0; i < *n; i++)
        ((int *)inout)[i] += ((int *)in)[i];
    if (how == JUMP)
        longjmp(out, 1);
}

/* Let time pass, above and below. */
static void pass(uint64_t *state)
{
    int left, right, got = -1;

    check_compute(1, check_random(state));
    if (check_below(state, 3) == 0)
        check_sleep_ms(check_below(state, 6));
    left = (check_rank + check_size - 1) % check_size;
    right = (check_rank + 1) % check_size;
    CHECK_MPI(MPI_Sendrecv(&check_rank, 1, MPI_INT, right, 5, &got, 1, MPI_INT, left, 5,
                           MPI_COMM_WORLD, MPI_STATUS_IGNORE));
    CHECK_EQ(got, left);
}

static void fail_comm(MPI_Comm comm, volatile int *error)
{
    int value = 0;

    if (setjmp(out) == 0)
        *error = MPI_Send(&value, 1, MPI_INT, check_size + 3, 0, comm);
}

static void fail_win(MPI_Win win, volatile int *error)
{
    int value = 0;

    if (setjmp(out) == 0)
        *error = MPI_Put(&value, 1, MPI_INT, check_size + 3, 0, 1, MPI_INT, win);
}

static void fail_file(MPI_File file, volatile int *error)
{
    if (setjmp(out) == 0)
        *error = MPI_File_seek(file, 0, 12345);
}

static void check_call(int before, int error, void *object, int error_class)
{
    int class = 0;

    CHECK(n_calls > before, "no handler was called, class %d", error_class);
    MPI_Error_class(last_error, &class);
    CHECK_EQ(class, error_class);
    CHECK(last_object == object, "the handler was given another object");
    if (how == RETURN)
        CHECK_EQ(error, last_error);
    check_note((uint64_t)class);
}

static MPI_Comm comm;
static MPI_Win win;
static MPI_File file;
static MPI_Op op;

static void begin(void)
{
    MPI_Errhandler comm_handler, win_handler, file_handler;
    char name[32];
    int keyval, *base;

    snprintf(name, sizeof name, "jumps-%d", check_rank);
    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    MPI_Win_allocate(sizeof(int), sizeof(int), MPI_INFO_NULL, comm, &base, &win);
    CHECK_MPI(MPI_File_open(MPI_COMM_SELF, name, MPI_MODE_CREATE | MPI_MODE_RDWR,
                            MPI_INFO_NULL, &file));
    MPI_Comm_create_errhandler(on_comm, &comm_handler);
    MPI_Win_create_errhandler(on_win, &win_handler);
    MPI_File_create_errhandler(on_file, &file_handler);
    MPI_Comm_set_errhandler(comm, comm_handler);
    MPI_Comm_set_errhandler(MPI_COMM_SELF, comm_handler);
    MPI_Win_set_errhandler(win, win_handler);
    MPI_File_set_errhandler(file, file_handler);
    MPI_Errhandler_free(&comm_handler);
    MPI_Errhandler_free(&win_handler);
    MPI_Errhandler_free(&file_handler);
    MPI_Comm_create_keyval(copy_fails, MPI_COMM_NULL_DELETE_FN, &keyval, NULL);
    MPI_Comm_set_attr(MPI_COMM_SELF, keyval, NULL);
    MPI_Op_create(add, 1, &op);
    MPI_Win_fence(0, win);
}

/* Where no rank waits for what another does with its result, all may leave it.  What is done
 * next in the same place has nothing of it. */
static void reduce(void)
{
    int values[2] = {1, 2}, next[3] = {check_rank, 3, 4};

    if (check_size != 2 && check_size != 4)
        return;
    if (setjmp(out) == 0) {
        CHECK_MPI(MPI_Allreduce(MPI_IN_PLACE, values, 2, MPI_INT, op, comm));
        CHECK_EQ(values[1], 2 * check_size);
    }
    CHECK_MPI(MPI_Allreduce(MPI_IN_PLACE, next, 3, MPI_INT, MPI_SUM, comm));
    CHECK_EQ(next[0], check_size * (check_size - 1) / 2);
    CHECK_EQ(next[2], 4 * check_size);
}

static void copy(void)
{
    MPI_Comm another;

    if (setjmp(out) == 0) {
        CHECK_MPI(MPI_Comm_dup(MPI_COMM_SELF, &another));
        CHECK_MPI(MPI_Comm_free(&another));
    }
}

static void step_do(long step)
{
    int before = n_calls;
    volatile int error = -1;

    how = (int)(step % 3);
    switch (check_hash((uint64_t)step, 1) % 5) {
    case 0:
        fail_comm(comm, &error);
        check_call(before, error, comm, MPI_ERR_RANK);
        CHECK(strcmp(last_name, "MPI_Send") == 0, "found %s", last_name);
        break;
    case 1:
        fail_win(win, &error);
        check_call(before, error, win, MPI_ERR_RANK);
        break;
    case 2:
        fail_file(file, &error);
        check_call(before, error, file, MPI_ERR_ARG);
        break;
    case 3:
        reduce();
        break;
    default:
        copy();
    }
    how = RETURN;
}

int main(int argc, char **argv)
{
    uint64_t state;
    long steps;

    MPI_Init(&argc, &argv);
    steps = check_begin("jumps", argc, argv, 200);
    state = check_hash((uint64_t)check_rank, 4);
    begin();
    for (long step = 0; step < steps; step++) {
        step_do(step);
        pass(&state);
    }
    MPI_Win_fence(0, win);
    MPI_Win_free(&win);
    MPI_File_close(&file);
    MPI_Op_free(&op);
    MPI_Comm_free(&comm);
    check_end(steps);
    MPI_Finalize();
    return 0;
}
