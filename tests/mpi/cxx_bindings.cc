/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The C++ bindings of MPI-2, which Open MPI 4.1 still has: communicators as objects, virtual
 * topologies, operations, attributes, error handlers and generalized requests with C++
 * functions, windows.  What is made before the loop is used in every step.
 */
#include "check.h"

static int copies, deletes, errors, frees, win_errors;

static void product(const void *in, void *inout, int n, const MPI::Datatype &type)
{
    const int *a = static_cast<const int *>(in);
    int *b = static_cast<int *>(inout);

    CHECK_EQ(type.Get_size(), 4);
    for (int i = 0; i < n; i++)
        b[i] = a[i] * b[i] % 32003;
}

static int on_copy(const MPI::Comm &comm, int, void *extra, void *in, void *out,
                   bool &flag)
{
    CHECK_EQ(comm.Get_size(), check_size);
    CHECK_EQ(*static_cast<int *>(extra), 99);
    *static_cast<void **>(out) = static_cast<char *>(in) + 1;
    flag = true;
    copies++;
    return MPI_SUCCESS;
}

static int on_delete(MPI::Comm &comm, int, void *, void *)
{
    CHECK_EQ(comm.Get_size(), check_size);
    deletes++;
    return MPI_SUCCESS;
}

static void on_error(MPI::Comm &comm, int *error, ...)
{
    CHECK_EQ(comm.Get_size(), check_size);
    CHECK_EQ(MPI::Get_error_class(*error), MPI_ERR_RANK);
    errors++;
}

static int on_query(void *extra, MPI::Status &status)
{
    status.Set_elements(MPI::INT, *static_cast<int *>(extra));
    status.Set_cancelled(false);
    return MPI_SUCCESS;
}

static int on_free(void *)
{
    frees++;
    return MPI_SUCCESS;
}

static int on_cancel(void *, bool)
{
    return MPI_SUCCESS;
}

static void messages(const MPI::Cartcomm &ring, long step)
{
    int left, right, dimensions[1], coordinates[1];
    bool periods[1] = {false};
    long in = -1, out = step * 100 + check_rank;

    ring.Shift(0, 1, left, right);
    ring.Get_topo(1, dimensions, periods, coordinates);
    CHECK_EQ(dimensions[0], check_size);
    CHECK_EQ(periods[0], true);
    MPI::Request requests[2] = {ring.Irecv(&in, 1, MPI::LONG, left, 3),
                                ring.Isend(&out, 1, MPI::LONG, right, 3)};
    MPI::Request::Waitall(2, requests);
    CHECK_EQ(in, step * 100 + left);
    CHECK_EQ(requests[0] == MPI::REQUEST_NULL, true);
    check_note((uint64_t)in);
}

static void reduce(const MPI::Op &op, long step)
{
    int in = (check_rank + (int)step) % 32003, out = 0, want = 1;

    for (int i = 0; i < check_size; i++)
        want = want * ((i + (int)step) % 32003) % 32003;
    MPI::COMM_WORLD.Allreduce(&in, &out, 1, MPI::INT, op);
    CHECK_EQ(out, want);
    check_note((uint64_t)out);
}

static void attributes(MPI::Intracomm &comm, int keyval, long step)
{
    static char place[2];
    void *value = NULL;

    comm.Set_attr(keyval, place);
    MPI::Intracomm second = comm.Dup();
    CHECK_EQ(second.Get_attr(keyval, &value), true);
    CHECK_EQ((uintptr_t)value, (uintptr_t)(place + 1));
    second.Free();
    comm.Delete_attr(keyval);
    CHECK_EQ(comm.Get_attr(keyval, &value), false);
    CHECK_EQ(copies, step);
    CHECK_EQ(deletes, 2 * step);
}

static void generalized(long step)
{
    int n = (int)(step % 7);
    MPI::Status status;
    MPI::Grequest request = MPI::Grequest::Start(on_query, on_free, on_cancel, &n);

    CHECK_EQ(request.Test(), false);
    request.Complete();
    request.Wait(status);
    CHECK_EQ(status.Get_elements(MPI::INT), n);
    CHECK_EQ(frees, step);
}

static void on_win_error(MPI::Win &win, int *error, ...)
{
    CHECK_EQ(win != MPI::WIN_NULL, true);
    CHECK_EQ(MPI::Get_error_class(*error), MPI_ERR_RANK);
    win_errors++;
}

/* A window of MPI-2: fences, post and start, locks. */
static void window(MPI::Win &win, const long *memory, long step)
{
    int left = (check_rank + check_size - 1) % check_size,
        right = (check_rank + 1) % check_size;
    long value = step * 10 + check_rank, got = -1;
    MPI::Group all = win.Get_group(), from = all.Incl(1, &left), to = all.Incl(1, &right);

    win.Fence(0);
    win.Put(&value, 1, MPI::LONG, right, 0, 1, MPI::LONG);
    win.Fence(0);
    CHECK_EQ(memory[0], step * 10 + left);
    win.Post(from, 0);
    win.Start(to, 0);
    win.Get(&got, 1, MPI::LONG, right, 0, 1, MPI::LONG);
    win.Complete();
    win.Wait();
    CHECK_EQ(got, value);
    value = 1;
    win.Lock(MPI::LOCK_EXCLUSIVE, 0, 0);
    win.Accumulate(&value, 1, MPI::LONG, 0, 1, 1, MPI::LONG, MPI::SUM);
    win.Unlock(0);
    MPI::COMM_WORLD.Barrier();
    win.Lock(MPI::LOCK_SHARED, 0, 0);
    win.Get(&got, 1, MPI::LONG, 0, 1, 1, MPI::LONG);
    win.Unlock(0);
    CHECK_EQ(got, step * check_size);
    win.Put(&value, 1, MPI::LONG, check_size + 1, 0, 1, MPI::LONG);
    CHECK_EQ(win_errors, step);
    MPI::COMM_WORLD.Barrier();
    all.Free();
    from.Free();
    to.Free();
}

/* The C++ bindings' own handler: it throws or, where they are built without exceptions, as
 * Debian's, sets a variable and says so. */
static void throwing(MPI::Intracomm &comm, int *errors)
{
    int told = 0;

#if OMPI_HAVE_CXX_EXCEPTION_SUPPORT
    try {
        comm.Send(&told, 1, MPI::INT, check_size + 1, 1);
    } catch (MPI::Exception &exception) {
        told = exception.Get_error_class();
    }
#else
    MPI::mpi_errno = MPI::SUCCESS;
    comm.Send(&told, 1, MPI::INT, check_size + 1, 1);
    told = MPI::Get_error_class(MPI::mpi_errno);
#endif
    CHECK_EQ(told, MPI_ERR_RANK);
    ++*errors;
}

int main(int argc, char **argv)
{
    static long memory[2];
    int extra = 99, dimensions[1];
    bool periods[1] = {true};

    MPI::Init(argc, argv);
    long steps = check_begin("cxx_bindings", argc, argv, 6000);
    dimensions[0] = check_size;
    MPI::Cartcomm ring = MPI::COMM_WORLD.Create_cart(1, dimensions, periods, false);
    MPI::Intracomm dup = MPI::COMM_WORLD.Dup();
    MPI::Op op;
    op.Init(product, true);
    int keyval = MPI::Comm::Create_keyval(on_copy, on_delete, &extra);
    MPI::Errhandler handler = MPI::Comm::Create_errhandler(on_error);
    dup.Set_errhandler(handler);
    MPI::Intracomm thrower = MPI::COMM_WORLD.Dup();
    thrower.Set_errhandler(MPI::ERRORS_THROW_EXCEPTIONS);
    int thrown = 0;
    MPI::Errhandler win_handler = MPI::Win::Create_errhandler(on_win_error);
    MPI::Win win = MPI::WIN_NULL;
    if (check_size > 1) { /* Open MPI 4.1 has none of given memory for one process */
        win = MPI::Win::Create(memory, sizeof memory, 8, MPI::INFO_NULL, MPI::COMM_WORLD);
        win.Set_errhandler(win_handler);
    }

    for (long step = 1; step <= steps; step++) {
        messages(ring, step);
        reduce(op, step);
        attributes(dup, keyval, step);
        dup.Send(&extra, 1, MPI::INT, check_size + 1, 1);
        CHECK_EQ(errors, step);
        if (step % 1000 == 1)
            throwing(thrower, &thrown);
        generalized(step);
        if (check_size > 1)
            window(win, memory, step);
    }
    if (check_size > 1)
        win.Free();
    win_handler.Free();
    handler.Free();
    MPI::Comm::Free_keyval(keyval);
    op.Free();
    check_note((uint64_t)thrown);
    thrower.Free();
    dup.Free();
    ring.Free();
    check_end(steps);
    MPI::Finalize();
    return 0;
}
