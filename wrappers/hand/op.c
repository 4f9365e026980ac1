/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * User-defined operations (lower half).  The MPI library calls an operation's function
 * without telling which operation it is: so each gets one of a pool of thunks below,
 * which knows its number and calls the application's function with the application's
 * datatype.
 */
#include <pthread.h>
#include <stdio.h>

#include "base/fault.h"
#include "threads/wait.h"
#include "wrappers/objects.h"

#define N_THUNKS 1024
#define THUNK_BYTES 16

/* crmpi_op_thunks: N_THUNKS functions, each calls crmpi_op_run(..., its number). */
extern char crmpi_op_thunks[] __attribute__((visibility("hidden")));
__asm__(".text\n"
        ".globl crmpi_op_thunks\n"
        ".hidden crmpi_op_thunks\n"
        ".p2align 4\n"
        "crmpi_op_thunks:\n"
        "number = 0\n"
        ".rept 1024\n"
        ".p2align 4\n"
        "endbr64\n"
        "movl $number, %r8d\n"
        "jmp crmpi_op_run\n"
        "number = number + 1\n"
        ".endr\n"
        ".p2align 4\n");

static struct crmpi_handle *users[N_THUNKS]; /* by thunk */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void crmpi_op_run(void *in, void *inout, int *len, MPI_Datatype *real, int thunk)
    __attribute__((visibility("hidden"), used));

void crmpi_op_apply(const struct crmpi_handle *handle, void *in, void *inout, int n,
                    struct crmpi_handle *type)
{
    const struct crmpi_op *op = handle->extra;
    MPI_Fint number;

    if (op->is_fortran) {
        number = crmpi_handle_c2f(type);
        crmpi_upcall(op->function, (uintptr_t)in, (uintptr_t)inout, (uintptr_t)&n,
                     (uintptr_t)&number, 0, 0);
    } else {
        crmpi_upcall(op->function, (uintptr_t)in, (uintptr_t)inout, (uintptr_t)&n,
                     (uintptr_t)&type, (uintptr_t)op->cxx, 0);
    }
}

void crmpi_op_run(void *in, void *inout, int *len, MPI_Datatype *real, int thunk)
{
    crmpi_op_apply(users[thunk], in, inout, *len,
                   crmpi_handle_of_real(CRMPI_TYPE, *real));
}

/* A thunk for @p handle, -1 if there is none left. */
static int thunk_take(struct crmpi_handle *handle)
{
    int i = 0;

    pthread_mutex_lock(&lock);
    while (i < N_THUNKS && users[i])
        i++;
    if (i < N_THUNKS)
        users[i] = handle;
    pthread_mutex_unlock(&lock);
    return i < N_THUNKS ? i : -1;
}

static int lower_create(struct crmpi_handle *handle)
{
    struct crmpi_op *op = handle->extra;
    MPI_Op real = MPI_OP_NULL;

    op->thunk = thunk_take(handle);
    if (op->thunk < 0)
        return MPI_ERR_NO_MEM;
    int error = PMPI_Op_create(
        (MPI_User_function *)(uintptr_t)(crmpi_op_thunks + op->thunk * THUNK_BYTES),
        op->commute, &real);
    handle->real = real;
    return error;
}

void crmpi_op_destroy(struct crmpi_handle *handle)
{
    struct crmpi_op *op = handle->extra;
    MPI_Op real = handle->real;

    if (real && real != MPI_OP_NULL)
        PMPI_Op_free(&real);
    if (op->thunk >= 0)
        users[op->thunk] = NULL;
}

/* The lock of all handles is held. */
static void wait_locked(struct crmpi_handle *handle, void *is_first)
{
    (void)handle;
    if (*(int *)is_first)
        crmpi_wait_with_locks();
    *(int *)is_first = 0;
}

static int op_create(void *function, int commute, int is_fortran, MPI_Op *out)
{
    if (!function || !out)
        return crmpi_comm_error(NULL, out ? MPI_ERR_ARG : MPI_ERR_OP, "MPI_Op_create");
    struct crmpi_handle *handle =
        crmpi_handle_create(CRMPI_OP, NULL, sizeof(struct crmpi_op));
    struct crmpi_op *op = handle->extra;
    op->function = function;
    op->commute = commute;
    op->is_fortran = is_fortran;
    int error = lower_create(handle), is_first = 1;
    if (crmpi_fault("lower.wait"))
        crmpi_handle_visit(CRMPI_OP, wait_locked, &is_first);
    if (error != MPI_SUCCESS) {
        crmpi_handle_release(handle);
        return crmpi_comm_error(NULL, error, "MPI_Op_create");
    }
    *out = (void *)handle;
    return MPI_SUCCESS;
}

int crmpi_lower_MPI_Op_create(MPI_User_function *function, int commute, MPI_Op *op)
{
    return op_create((void *)function, commute, 0, op);
}

int crmpi_lower_CRMPI_Op_create_fortran(void *function, int commute, MPI_Op *op)
{
    return op_create(function, commute, 1, op);
}

int crmpi_lower_CRMPI_Op_set_cxx(MPI_Op op, void *function)
{
    struct crmpi_op *o = CRMPI_EXTRA(op, op);

    if (!o)
        return MPI_ERR_OP; /* it was not made: that error has been reported */
    o->cxx = function;
    return MPI_SUCCESS;
}

int crmpi_lower_MPI_Op_free(MPI_Op *op)
{
    if (!op || !CRMPI_EXTRA(op, *op))
        return crmpi_comm_error(NULL, MPI_ERR_OP, "MPI_Op_free");
    crmpi_handle_release((void *)*op);
    *op = CRMPI_UPPER(MPI_Op, ompi_mpi_op_null);
    return MPI_SUCCESS;
}

enum crmpi_status crmpi_ops_rebuild(char *why, size_t why_bytes)
{
    for (struct crmpi_handle *h = crmpi_handle_first(CRMPI_OP); h; h = h->next)
        if (lower_create(h) != MPI_SUCCESS) {
            snprintf(why, why_bytes, "a user-defined operation cannot be made again");
            return CRMPI_ERR_MPI;
        }
    return CRMPI_OK;
}
