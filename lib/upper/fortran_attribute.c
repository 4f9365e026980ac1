/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fortran's keyvals and attributes (upper half).  In Fortran an attribute is an integer
 * value: of the default kind with the functions of MPI-1, address-sized with those of
 * MPI-2.  Values of both sizes, and how C sees them, are kept by the lower half; it calls
 * C functions of this file, with what they need to call the Fortran procedures.
 */
#include <stdlib.h>

#include "handle/handle.h"
#include "upper/fortran.h"
#include "wrappers/inner.h"

enum how { INTEGER = 1, ADDRESS = 2 }; /* of the inner calls */
typedef void callback(void);
typedef void copy_integer(MPI_Fint *object, MPI_Fint *keyval, MPI_Fint *extra_state,
                          MPI_Fint *in, MPI_Fint *out, MPI_Fint *flag, MPI_Fint *ierr);
typedef void copy_address(MPI_Fint *object, MPI_Fint *keyval, MPI_Aint *extra_state,
                          MPI_Aint *in, MPI_Aint *out, MPI_Fint *flag, MPI_Fint *ierr);
typedef void delete_integer(MPI_Fint *object, MPI_Fint *keyval, MPI_Fint *value,
                            MPI_Fint *extra_state, MPI_Fint *ierr);
typedef void delete_address(MPI_Fint *object, MPI_Fint *keyval, MPI_Aint *value,
                            MPI_Aint *extra_state, MPI_Fint *ierr);

/* A keyval's procedures, which may change its extra state.  Attributes may have it after it
 * was freed: it stays for ever. */
struct keyval {
    int kind;
    enum how how;
    callback *copy, *delete;
    MPI_Aint extra_state;
    MPI_Fint extra_integer; /* the same with INTEGER */
};

static MPI_Fint object_number(const struct keyval *keyval, void *object)
{
    if (keyval->kind == CRMPI_COMM)
        return PMPI_Comm_c2f(object);
    return keyval->kind == CRMPI_TYPE ? PMPI_Type_c2f(object) : PMPI_Win_c2f(object);
}

static int call_copy(void *object, int number, struct keyval *keyval, MPI_Aint in,
                     MPI_Aint *out, int *flag)
{
    MPI_Fint f_object = object_number(keyval, object), f_number = number;
    MPI_Fint f_flag = 0, error = MPI_SUCCESS;

    if (keyval->how == INTEGER) {
        MPI_Fint f_in = (MPI_Fint)in, f_out = 0;
        ((copy_integer *)keyval->copy)(&f_object, &f_number, &keyval->extra_integer,
                                       &f_in, &f_out, &f_flag, &error);
        *out = f_out;
    } else {
        ((copy_address *)keyval->copy)(&f_object, &f_number, &keyval->extra_state, &in,
                                       out, &f_flag, &error);
    }
    *flag = f_flag != 0;
    return error;
}

static int call_delete(void *object, int number, MPI_Aint value, struct keyval *keyval)
{
    MPI_Fint f_object = object_number(keyval, object), f_number = number;
    MPI_Fint error = MPI_SUCCESS;

    if (keyval->how == INTEGER) {
        MPI_Fint f_value = (MPI_Fint)value;
        ((delete_integer *)keyval->delete)(&f_object, &f_number, &f_value,
                                           &keyval->extra_integer, &error);
    } else {
        ((delete_address *)keyval->delete)(&f_object, &f_number, &value,
                                           &keyval->extra_state, &error);
    }
    return error;
}

static void keyval_create(int kind, enum how how, callback *copy, callback *delete,
                          MPI_Fint *number, MPI_Aint extra_state, MPI_Fint *ierr)
{
    struct keyval *keyval = malloc(sizeof *keyval);
    int error = keyval ? MPI_SUCCESS : crmpi_fortran_no_memory(), c_number;

    if (error == MPI_SUCCESS) {
        *keyval =
            (struct keyval){kind, how, copy, delete, extra_state, (MPI_Fint)extra_state};
        error =
            CRMPI_Keyval_create_fortran(kind, how, (void *)call_copy, (void *)call_delete,
                                        &c_number, (MPI_Aint)keyval);
        if (error == MPI_SUCCESS)
            *number = c_number;
        else
            free(keyval);
    }
    crmpi_fortran_return(ierr, error);
}

static void ompi_keyval_create_f(callback *copy, callback *delete, MPI_Fint *keyval,
                                 MPI_Fint *extra_state, MPI_Fint *ierr)
{
    keyval_create(CRMPI_COMM, INTEGER, copy, delete, keyval, *extra_state, ierr);
}

static void ompi_attr_put_f(MPI_Fint *comm, MPI_Fint *keyval, MPI_Fint *value,
                            MPI_Fint *ierr)
{
    crmpi_fortran_return(ierr,
                         CRMPI_Attr_set_fortran(CRMPI_COMM, INTEGER, PMPI_Comm_f2c(*comm),
                                                *keyval, *value));
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

static void ompi_attr_get_f(MPI_Fint *comm, MPI_Fint *keyval, MPI_Fint *value,
                            MPI_Fint *flag, MPI_Fint *ierr)
{
    MPI_Aint found = *value;
    attribute_get(CRMPI_COMM, PMPI_Comm_f2c(*comm), *keyval, &found, flag, ierr);
    *value = (MPI_Fint)found;
}

/* The three functions of MPI-2 for each kind of object that has attributes. */
#define ATTRIBUTES(lower, UPPER, Mixed)                                                  \
    static void ompi_##lower##_create_keyval_f(callback *copy, callback *delete,         \
                                               MPI_Fint *keyval, MPI_Aint *extra_state,  \
                                               MPI_Fint *ierr)                           \
    {                                                                                    \
        keyval_create(CRMPI_##UPPER, ADDRESS, copy, delete, keyval, *extra_state, ierr); \
    }                                                                                    \
    static void ompi_##lower##_set_attr_f(MPI_Fint *object, MPI_Fint *keyval,            \
                                          MPI_Aint *value, MPI_Fint *ierr)               \
    {                                                                                    \
        crmpi_fortran_return(ierr, CRMPI_Attr_set_fortran(CRMPI_##UPPER, ADDRESS,        \
                                                          PMPI_##Mixed##_f2c(*object),   \
                                                          *keyval, *value));             \
    }                                                                                    \
    static void ompi_##lower##_get_attr_f(MPI_Fint *object, MPI_Fint *keyval,            \
                                          MPI_Aint *value, MPI_Fint *flag,               \
                                          MPI_Fint *ierr)                                \
    {                                                                                    \
        attribute_get(CRMPI_##UPPER, PMPI_##Mixed##_f2c(*object), *keyval, value, flag,  \
                      ierr);                                                             \
    }                                                                                    \
    CRMPI_FORTRAN(ompi_##lower##_create_keyval_f)                                        \
    CRMPI_FORTRAN(ompi_##lower##_set_attr_f)                                             \
    CRMPI_FORTRAN(ompi_##lower##_get_attr_f)

ATTRIBUTES(comm, COMM, Comm)
ATTRIBUTES(type, TYPE, Type)
ATTRIBUTES(win, WIN, Win)
CRMPI_FORTRAN(ompi_keyval_create_f)
CRMPI_FORTRAN(ompi_attr_put_f)
CRMPI_FORTRAN(ompi_attr_get_f)
