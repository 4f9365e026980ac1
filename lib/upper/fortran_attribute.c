/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fortran's keyvals and attributes (upper half).  In Fortran an attribute is an integer
 * value: of the default kind with the functions of MPI-1, address-sized with those of
 * MPI-2.  Values of both sizes, and how C sees them, are kept by the lower half.
 */
#include "handle/handle.h"
#include "wrappers/inner.h"
#include "upper/fortran.h"

enum { INTEGER = 1, ADDRESS = 2 }; /* "how" of the inner calls */
typedef void callback(void);

static void keyval_create(int kind, int how, callback *copy, callback *delete,
                          MPI_Fint *keyval, MPI_Aint extra_state, MPI_Fint *ierr)
{
    int c_keyval;
    int error = CRMPI_Keyval_create_fortran(kind, how, (void *)copy, (void *)delete,
                                            &c_keyval, extra_state);

    if (error == MPI_SUCCESS)
        *keyval = c_keyval;
    crmpi_fortran_return(ierr, error);
}

CRMPI_EXPORT void ompi_keyval_create_f(callback *copy, callback *delete, MPI_Fint *keyval,
                                       MPI_Fint *extra_state, MPI_Fint *ierr)
{
    __typeof__(&ompi_keyval_create_f) next = CRMPI_FORTRAN_NEXT(ompi_keyval_create_f);

    if (next)
        next(copy, delete, keyval, extra_state, ierr);
    else
        keyval_create(CRMPI_COMM, INTEGER, copy, delete, keyval, *extra_state, ierr);
}

CRMPI_EXPORT void ompi_attr_put_f(MPI_Fint *comm, MPI_Fint *keyval, MPI_Fint *value,
                                  MPI_Fint *ierr)
{
    __typeof__(&ompi_attr_put_f) next = CRMPI_FORTRAN_NEXT(ompi_attr_put_f);

    if (next)
        next(comm, keyval, value, ierr);
    else
        crmpi_fortran_return(ierr, CRMPI_Attr_set_fortran(CRMPI_COMM, INTEGER,
                                                          PMPI_Comm_f2c(*comm), *keyval,
                                                          *value));
}

static void attribute_get(int kind, void *object, MPI_Fint keyval, MPI_Aint *value,
                          MPI_Fint *flag, MPI_Fint *ierr)
{
    MPI_Aint found = 0;
    int is_set = 0;
    int error = CRMPI_Attr_get_fortran(kind, object, keyval, &found, &is_set);

    if (error == MPI_SUCCESS) {
        *flag = is_set != 0;
        if (is_set)
            *value = found;
    }
    crmpi_fortran_return(ierr, error);
}

CRMPI_EXPORT void ompi_attr_get_f(MPI_Fint *comm, MPI_Fint *keyval, MPI_Fint *value,
                                  MPI_Fint *flag, MPI_Fint *ierr)
{
    __typeof__(&ompi_attr_get_f) next = CRMPI_FORTRAN_NEXT(ompi_attr_get_f);

    if (next) {
        next(comm, keyval, value, flag, ierr);
        return;
    }
    MPI_Aint found = *value;
    attribute_get(CRMPI_COMM, PMPI_Comm_f2c(*comm), *keyval, &found, flag, ierr);
    *value = (MPI_Fint)found;
}

/* The three functions of MPI-2 for each kind of object that has attributes. */
#define ATTRIBUTES(lower, UPPER, Mixed)                                                  \
    CRMPI_EXPORT void ompi_##lower##_create_keyval_f(                                    \
        callback *copy, callback *delete, MPI_Fint *keyval, MPI_Aint *extra_state,       \
        MPI_Fint *ierr)                                                                  \
    {                                                                                    \
        __typeof__(&ompi_##lower##_create_keyval_f) next =                               \
            CRMPI_FORTRAN_NEXT(ompi_##lower##_create_keyval_f);                          \
        if (next)                                                                        \
            next(copy, delete, keyval, extra_state, ierr);                               \
        else                                                                             \
            keyval_create(CRMPI_##UPPER, ADDRESS, copy, delete, keyval, *extra_state,    \
                          ierr);                                                         \
    }                                                                                    \
    CRMPI_EXPORT void ompi_##lower##_set_attr_f(MPI_Fint *object, MPI_Fint *keyval,      \
                                                MPI_Aint *value, MPI_Fint *ierr)         \
    {                                                                                    \
        __typeof__(&ompi_##lower##_set_attr_f) next =                                    \
            CRMPI_FORTRAN_NEXT(ompi_##lower##_set_attr_f);                               \
        if (next)                                                                        \
            next(object, keyval, value, ierr);                                           \
        else                                                                             \
            crmpi_fortran_return(ierr,                                                   \
                                 CRMPI_Attr_set_fortran(CRMPI_##UPPER, ADDRESS,          \
                                                        PMPI_##Mixed##_f2c(*object),     \
                                                        *keyval, *value));               \
    }                                                                                    \
    CRMPI_EXPORT void ompi_##lower##_get_attr_f(MPI_Fint *object, MPI_Fint *keyval,      \
                                                MPI_Aint *value, MPI_Fint *flag,         \
                                                MPI_Fint *ierr)                          \
    {                                                                                    \
        __typeof__(&ompi_##lower##_get_attr_f) next =                                    \
            CRMPI_FORTRAN_NEXT(ompi_##lower##_get_attr_f);                               \
        if (next)                                                                        \
            next(object, keyval, value, flag, ierr);                                     \
        else                                                                             \
            attribute_get(CRMPI_##UPPER, PMPI_##Mixed##_f2c(*object), *keyval, value,    \
                          flag, ierr);                                                   \
    }                                                                                    \
    CRMPI_FORTRAN_NAMES(lower##_create_keyval, UPPER##_CREATE_KEYVAL,                    \
                        Mixed##_create_keyval)                                           \
    CRMPI_FORTRAN_NAMES(lower##_set_attr, UPPER##_SET_ATTR, Mixed##_set_attr)            \
    CRMPI_FORTRAN_NAMES(lower##_get_attr, UPPER##_GET_ATTR, Mixed##_get_attr)

ATTRIBUTES(comm, COMM, Comm)
ATTRIBUTES(type, TYPE, Type)
ATTRIBUTES(win, WIN, Win)
CRMPI_FORTRAN_NAMES(keyval_create, KEYVAL_CREATE, Keyval_create)
CRMPI_FORTRAN_NAMES(attr_put, ATTR_PUT, Attr_put)
CRMPI_FORTRAN_NAMES(attr_get, ATTR_GET, Attr_get)
