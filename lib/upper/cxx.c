/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the C++ bindings (libmpi_cxx, class MPI::Comm and its like) call in Open MPI's
 * interior, said in terms of the C interface (upper half).  All else they do so
 * themselves.
 */
#include <pthread.h>
#include <stdlib.h>

#include "upper/fortran.h"
#include "wrappers/inner.h"

#define CXX_NEXT(function)                                                               \
    ((__typeof__(&function))crmpi_binding_next("libmpi_cxx.so.40", #function))

typedef void handler_fn(void);

/* A C++ error handler has to be called by a function of libmpi_cxx, which wraps the
 * object.  C has no room for it in the call of a handler, so it is looked up. */
struct handler {
    MPI_Errhandler handle;
    handler_fn *function;
    struct handler *next;
};

static struct handler
    *handlers; /* the newest first: a handle may be that of a freed one */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int handler_remember(MPI_Errhandler handle, handler_fn *function)
{
    struct handler *handler = malloc(sizeof *handler);

    if (!handler)
        return crmpi_fortran_no_memory();
    pthread_mutex_lock(&lock);
    *handler = (struct handler){handle, function, handlers};
    handlers = handler;
    pthread_mutex_unlock(&lock);
    return MPI_SUCCESS;
}

static void *handler_find(MPI_Errhandler *handle)
{
    struct handler *handler;

    pthread_mutex_lock(&lock);
    for (handler = handlers; handler && handler->handle != *handle;)
        handler = handler->next;
    pthread_mutex_unlock(&lock);
    PMPI_Errhandler_free(handle); /* the reference that asking for it has made */
    return handler ? (void *)handler->function : NULL;
}

/* Create a handler for a kind of object: MPI_<Mixed> objects, ompi_mpi_cxx_<lower>_... in
 * libmpi_cxx. */
#define HANDLERS(lower, Mixed)                                                           \
    extern void ompi_mpi_cxx_##lower##_errhandler_invoke(                                \
        MPI_##Mixed *, int *, const char *, void *) __attribute__((weak));               \
    static void lower##_error(MPI_##Mixed *object, int *error, ...)                      \
    {                                                                                    \
        MPI_Errhandler handle;                                                           \
        void *function = NULL;                                                           \
        if (PMPI_##Mixed##_get_errhandler(*object, &handle) == MPI_SUCCESS)              \
            function = handler_find(&handle);                                            \
        if (function)                                                                    \
            ompi_mpi_cxx_##lower##_errhandler_invoke(object, error, "MPI", function);    \
    }                                                                                    \
    CRMPI_EXPORT MPI_Errhandler ompi_cxx_errhandler_create_##lower(handler_fn *function) \
    {                                                                                    \
        __typeof__(&ompi_cxx_errhandler_create_##lower) next =                           \
            CXX_NEXT(ompi_cxx_errhandler_create_##lower);                                \
        MPI_Errhandler handle;                                                           \
        if (next)                                                                        \
            return next(function);                                                       \
        if (PMPI_##Mixed##_create_errhandler(lower##_error, &handle) != MPI_SUCCESS ||   \
            handler_remember(handle, function) != MPI_SUCCESS)                           \
            return MPI_ERRHANDLER_NULL;                                                  \
        return handle;                                                                   \
    }

HANDLERS(comm, Comm)
HANDLERS(win, Win)
HANDLERS(file, File)

CRMPI_EXPORT int ompi_cxx_errhandler_invoke_comm(MPI_Comm comm, int error,
                                                 const char *message)
{
    (void)message;
    PMPI_Comm_call_errhandler(comm, error);
    return error;
}

CRMPI_EXPORT int ompi_cxx_errhandler_invoke_file(MPI_File file, int error,
                                                 const char *message)
{
    (void)message;
    if (file != MPI_FILE_NULL) /* whose handler returns, and cannot be called so */
        PMPI_File_call_errhandler(file, error);
    return error;
}

/* A keyval's functions are C functions of libmpi_cxx, and the C++ ones in its extra
 * state, which stays for ever. */
#define KEYVALS(lower, Mixed)                                                            \
    CRMPI_EXPORT int ompi_cxx_attr_create_keyval_##lower(                                \
        MPI_##Mixed##_copy_attr_function *copy,                                          \
        MPI_##Mixed##_delete_attr_function *delete, int *keyval, void *extra_state,      \
        int flags, void *owned)                                                          \
    {                                                                                    \
        (void)flags;                                                                     \
        (void)owned;                                                                     \
        return PMPI_##Mixed##_create_keyval(copy, delete, keyval, extra_state);          \
    }

KEYVALS(comm, Comm)
KEYVALS(type, Type)
KEYVALS(win, Win)

enum comm_type { UNKNOWN, INTRACOMM, INTERCOMM, CART, GRAPH };

CRMPI_EXPORT enum comm_type ompi_cxx_comm_get_type(MPI_Comm comm)
{
    int topology = MPI_UNDEFINED, is_inter = 0;

    if (PMPI_Comm_test_inter(comm, &is_inter) != MPI_SUCCESS)
        return UNKNOWN;
    if (is_inter)
        return INTERCOMM;
    PMPI_Topo_test(comm, &topology);
    return topology == MPI_GRAPH ? GRAPH : topology == MPI_CART ? CART : INTRACOMM;
}

/* Open MPI 4.1 accepts no data representation; with NULL, MPI::Register_datarep fails. */
CRMPI_EXPORT void *ompi_cxx_new_intercept_state(void *read, void *write, void *extent,
                                                void *extra_state)
{
    __typeof__(&ompi_cxx_new_intercept_state) next =
        CXX_NEXT(ompi_cxx_new_intercept_state);

    return next ? next(read, write, extent, extra_state) : NULL;
}

/* MPI::Op::Init has made an operation of a function of libmpi_cxx that takes a fifth
 * argument, the C++ function. */
CRMPI_EXPORT void ompi_op_set_cxx_callback(MPI_Op op, MPI_User_function *function)
{
    __typeof__(&ompi_op_set_cxx_callback) next =
        crmpi_binding_next("libmpi.so.40", "ompi_op_set_cxx_callback");

    if (next)
        next(op, function);
    else
        CRMPI_Op_set_cxx(op, (void *)function);
}
