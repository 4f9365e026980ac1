/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One-sided communication: windows of every kind, all synchronisations, requests, error
 * handlers and attributes.  Most of the time there is a window, sometimes there is none.
 */
#include "check.h"

#define N 64

static int n_handled, n_deleted;

static void handler(MPI_Win *win, int *error, ...)
{
    int class;

    CHECK(*win != MPI_WIN_NULL, "the window of the error");
    MPI_Error_class(*error, &class);
    CHECK_EQ(class, MPI_ERR_RANK);
    n_handled++;
}

static int deleted(MPI_Win win, int keyval, void *value, void *extra)
{
    (void)win;
    (void)keyval;
    CHECK_EQ((intptr_t)value, 5);
    CHECK_EQ((intptr_t)extra, 77);
    n_deleted++;
    return MPI_SUCCESS;
}

static int right(void)
{
    return (check_rank + 1) % check_size;
}

static void fences(MPI_Win win, const int *base, long step)
{
    int got = -1;

    CHECK_MPI(MPI_Win_fence(0, win));
    CHECK_MPI(MPI_Get(&got, 1, MPI_INT, right(), 5, 1, MPI_INT, win));
    CHECK_MPI(MPI_Win_fence(0, win));
    CHECK_EQ(got, right() * 1000 + 5 + step);
    check_note((uint64_t)(got + base[0]));
}

static void locks(MPI_Win win, int *base, long step)
{
    int one = 1, old, got, sum;
    MPI_Request request;

    CHECK_MPI(MPI_Win_lock_all(0, win));
    CHECK_MPI(MPI_Accumulate(&one, 1, MPI_INT, 0, 7, 1, MPI_INT, MPI_SUM, win));
    CHECK_MPI(MPI_Fetch_and_op(&one, &old, MPI_INT, 0, 8, MPI_SUM, win));
    CHECK_MPI(MPI_Rget(&got, 1, MPI_INT, right(), 9, 1, MPI_INT, win, &request));
    CHECK_MPI(MPI_Wait(&request, MPI_STATUS_IGNORE));
    CHECK_EQ(got, right() * 1000 + 9 + step);
    CHECK_MPI(MPI_Win_unlock_all(win));
    CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
    CHECK_MPI(MPI_Win_lock(MPI_LOCK_EXCLUSIVE, 0, 0, win));
    CHECK_MPI(MPI_Get(&sum, 1, MPI_INT, 0, 8, 1, MPI_INT, win));
    CHECK_MPI(MPI_Win_unlock(0, win));
    CHECK_EQ(sum, 8 + step + check_size);
    CHECK(base != NULL, "the window's memory");
}

/* Post, start, complete, wait with all ranks. */
static void epochs(MPI_Win win, const int *base)
{
    MPI_Group group;
    int size, value = check_rank;

    CHECK_MPI(MPI_Win_get_group(win, &group));
    CHECK_MPI(MPI_Group_size(group, &size));
    CHECK_EQ(size, check_size);
    CHECK_MPI(MPI_Win_post(group, 0, win));
    CHECK_MPI(MPI_Win_start(group, 0, win));
    for (int i = 0; i < check_size; i++)
        CHECK_MPI(MPI_Put(&value, 1, MPI_INT, i, 20 + check_rank, 1, MPI_INT, win));
    CHECK_MPI(MPI_Win_complete(win));
    CHECK_MPI(MPI_Win_wait(win));
    CHECK_MPI(MPI_Group_free(&group));
    for (int i = 0; i < check_size; i++)
        CHECK_EQ(base[20 + i], i);
}

static void described(MPI_Win win, const int *base)
{
    char name[MPI_MAX_OBJECT_NAME];
    int length, flag, keyval, before = n_handled, x = 0;
    void *value;
    MPI_Errhandler errhandler;

    CHECK_MPI(MPI_Win_set_name(win, "grid"));
    CHECK_MPI(MPI_Win_get_name(win, name, &length));
    CHECK(strcmp(name, "grid") == 0, "%s", name);
    CHECK_MPI(MPI_Win_get_attr(win, MPI_WIN_BASE, &value, &flag));
    CHECK(flag && value == base, "the base");
    CHECK_MPI(MPI_Win_get_attr(win, MPI_WIN_DISP_UNIT, &value, &flag));
    CHECK_EQ(*(int *)value, sizeof(int));
    CHECK_MPI(MPI_Win_create_keyval(MPI_WIN_NULL_COPY_FN, deleted, &keyval, (void *)77));
    CHECK_MPI(MPI_Win_set_attr(win, keyval, (void *)5));
    CHECK_MPI(MPI_Win_free_keyval(&keyval));
    CHECK_MPI(MPI_Win_create_errhandler(handler, &errhandler));
    CHECK_MPI(MPI_Win_set_errhandler(win, errhandler));
    CHECK_MPI(MPI_Errhandler_free(&errhandler));
    CHECK(MPI_Put(&x, 1, MPI_INT, check_size + 5, 0, 1, MPI_INT, win) != MPI_SUCCESS,
          "an error");
    CHECK_EQ(n_handled, before + 1);
}

static void use(MPI_Win win, int *base, long step)
{
    for (int i = 0; i < N; i++)
        base[i] = (int)(check_rank * 1000 + i + step);
    described(win, base);
    fences(win, base, step);
    locks(win, base, step);
    epochs(win, base);
    CHECK_MPI(MPI_Win_free(&win));
    CHECK(win == MPI_WIN_NULL, "a freed window's handle");
    CHECK_EQ(n_deleted, n_handled);
}

int main(int argc, char **argv)
{
    static int memory[N];
    int *base;
    long steps;
    MPI_Win win;
    MPI_Info info;

    MPI_Init(&argc, &argv);
    steps = check_begin("windows", argc, argv, 150);
    for (long step = 0; step < steps; step++) {
        CHECK_MPI(MPI_Info_create(&info));
        CHECK_MPI(MPI_Info_set(info, "no_locks", "false"));
        CHECK_MPI(MPI_Win_allocate(N * sizeof(int), sizeof(int), info, MPI_COMM_WORLD,
                                   &base, &win));
        CHECK_MPI(MPI_Info_free(&info));
        use(win, base, step);
        CHECK_MPI(MPI_Win_create(memory, sizeof memory, sizeof(int), MPI_INFO_NULL,
                                 MPI_COMM_WORLD, &win));
        use(win, memory, step);
        if (step % 10 == 9) /* a chance for a checkpoint */
            check_sleep_ms(100);
    }
    check_end(steps);
    MPI_Finalize();
    return 0;
}
