/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fortran procedures as operations, error handlers and generalized requests (upper half).
 * For the first two the lower half knows Fortran's way to be called; the last get C
 * functions between, with the procedures in their extra state.
 */
#include <stdlib.h>
#include <string.h>

#include "handle/handle.h"
#include "wrappers/inner.h"
#include "upper/fortran.h"

typedef void callback(void);

static void ompi_op_create_f(callback *function, MPI_Fint *commute, MPI_Fint *op,
                             MPI_Fint *ierr)
{
    MPI_Op c_op;
    int error = CRMPI_Op_create_fortran((void *)function, *commute != 0, &c_op);

    if (error == MPI_SUCCESS)
        *op = PMPI_Op_c2f(c_op);
    crmpi_fortran_return(ierr, error);
}

static void errhandler_create(int kind, callback *function, MPI_Fint *errhandler,
                              MPI_Fint *ierr)
{
    MPI_Errhandler c_errhandler;
    int error = CRMPI_Errhandler_create_fortran(kind, (void *)function, &c_errhandler);

    if (error == MPI_SUCCESS)
        *errhandler = PMPI_Errhandler_c2f(c_errhandler);
    crmpi_fortran_return(ierr, error);
}

#define ERRHANDLER_CREATE(lower, UPPER, Mixed)                                           \
    static void ompi_##lower##_create_errhandler_f(callback *function,                   \
                                                   MPI_Fint *errhandler, MPI_Fint *ierr) \
    {                                                                                    \
        errhandler_create(CRMPI_##UPPER, function, errhandler, ierr);                    \
    }                                                                                    \
    CRMPI_FORTRAN(ompi_##lower##_create_errhandler_f)

/* The extra state is the program's own variable, as with Open MPI. */
struct grequest {
    void (*query)(MPI_Aint *extra_state, MPI_Fint *status, MPI_Fint *ierr);
    void (*free)(MPI_Aint *extra_state, MPI_Fint *ierr);
    void (*cancel)(MPI_Aint *extra_state, MPI_Fint *complete, MPI_Fint *ierr);
    MPI_Aint *extra_state;
};

static int grequest_query(void *state, MPI_Status *status)
{
    struct grequest *grequest = state;
    MPI_Fint fortran[sizeof *status / sizeof(MPI_Fint)], error = MPI_SUCCESS;

    memcpy(fortran, status, sizeof *status);
    grequest->query(grequest->extra_state, fortran, &error);
    memcpy(status, fortran, sizeof *status);
    return error;
}

static int grequest_free(void *state)
{
    struct grequest *grequest = state;
    MPI_Fint error = MPI_SUCCESS;

    grequest->free(grequest->extra_state, &error);
    free(grequest);
    return error;
}

static int grequest_cancel(void *state, int complete)
{
    struct grequest *grequest = state;
    MPI_Fint flag = complete != 0, error = MPI_SUCCESS;

    grequest->cancel(grequest->extra_state, &flag, &error);
    return error;
}

static void ompi_grequest_start_f(__typeof__(((struct grequest *)0)->query) query,
                                  __typeof__(((struct grequest *)0)->free) free_fn,
                                  __typeof__(((struct grequest *)0)->cancel) cancel,
                                  MPI_Aint *extra_state, MPI_Fint *request,
                                  MPI_Fint *ierr)
{
    struct grequest *grequest = malloc(sizeof *grequest);
    MPI_Request c_request;
    int error = grequest ? MPI_SUCCESS : crmpi_fortran_no_memory();

    if (error == MPI_SUCCESS) {
        *grequest = (struct grequest){query, free_fn, cancel, extra_state};
        error = PMPI_Grequest_start(grequest_query, grequest_free, grequest_cancel,
                                    grequest, &c_request);
        if (error == MPI_SUCCESS)
            *request = PMPI_Request_c2f(c_request);
        else
            free(grequest);
    }
    crmpi_fortran_return(ierr, error);
}

/* Open MPI 4.1 accepts no data representation; its Fortran function crashes in a library
 * that is not initialised before it can say so. */
static void ompi_register_datarep_f(char *name, callback *read, callback *write,
                                    callback *extent, MPI_Aint *extra_state,
                                    MPI_Fint *ierr, int name_length)
{
    (void)name, (void)name_length, (void)read, (void)write, (void)extent,
        (void)extra_state;
    crmpi_fortran_return(ierr, MPI_ERR_UNSUPPORTED_DATAREP);
}

ERRHANDLER_CREATE(comm, COMM, Comm)
ERRHANDLER_CREATE(win, WIN, Win)
ERRHANDLER_CREATE(file, FILE, File)
#if OMPI_MAJOR_VERSION >= 5
ERRHANDLER_CREATE(session, SESSION, Session)
#endif
CRMPI_FORTRAN(ompi_op_create_f)
CRMPI_FORTRAN(ompi_grequest_start_f)
CRMPI_FORTRAN(ompi_register_datarep_f)
