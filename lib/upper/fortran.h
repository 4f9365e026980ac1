/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the Fortran entry points of libcrmpi.so (upper half) share.
 *
 * Open MPI's Fortran libraries lie in the upper half and call PMPI_ functions, which are
 * crmpi's stubs; nearly all of them work unchanged.  Some, however, look into the handle
 * (a request's Fortran number, a communicator's attributes) as only Open MPI may, or use
 * the upper libmpi, which is never initialised.  Those are replaced here, written for the C
 * interface alone, under every name a Fortran compiler or the mpi_f08 module may call.
 */
#ifndef CRMPI_UPPER_FORTRAN_H
#define CRMPI_UPPER_FORTRAN_H

#include <mpi.h>

#define CRMPI_EXPORT __attribute__((visibility("default")))
#define CRMPI_FORTRAN_NAME(target, name)                                                 \
    extern CRMPI_EXPORT __typeof__(target) name __attribute__((alias(#target)));

/* Give the function o<mpi>_<lower>_f its other names; mpi and MPI are that, or mpix and
 * MPIX. */
#define CRMPI_FORTRAN_NAMES_OF(mpi, MPI, lower, UPPER, Mixed)                            \
    CRMPI_FORTRAN_NAME(o##mpi##_##lower##_f, mpi##_##lower)                              \
    CRMPI_FORTRAN_NAME(o##mpi##_##lower##_f, mpi##_##lower##_)                           \
    CRMPI_FORTRAN_NAME(o##mpi##_##lower##_f, mpi##_##lower##__)                          \
    CRMPI_FORTRAN_NAME(o##mpi##_##lower##_f, MPI##_##UPPER)                              \
    CRMPI_FORTRAN_NAME(o##mpi##_##lower##_f, MPI##_##Mixed##_f)                          \
    CRMPI_FORTRAN_NAME(o##mpi##_##lower##_f, MPI##_##Mixed##_f08)                        \
    CRMPI_FORTRAN_NAME(o##mpi##_##lower##_f, p##mpi##_##lower)                           \
    CRMPI_FORTRAN_NAME(o##mpi##_##lower##_f, p##mpi##_##lower##_)                        \
    CRMPI_FORTRAN_NAME(o##mpi##_##lower##_f, p##mpi##_##lower##__)                       \
    CRMPI_FORTRAN_NAME(o##mpi##_##lower##_f, P##MPI##_##UPPER)                           \
    CRMPI_FORTRAN_NAME(o##mpi##_##lower##_f, P##MPI##_##Mixed##_f)                       \
    CRMPI_FORTRAN_NAME(o##mpi##_##lower##_f, P##MPI##_##Mixed##_f08)
#define CRMPI_FORTRAN_NAMES(lower, UPPER, Mixed)                                         \
    CRMPI_FORTRAN_NAMES_OF(mpi, MPI, lower, UPPER, Mixed)

/* The addresses that stand for MPI_IN_PLACE, ... in a Fortran call; a program's common
 * blocks of these names take the place of libmpi's. */
extern int mpi_fortran_in_place_, mpi_fortran_bottom_;
extern int mpi_fortran_status_ignore_, mpi_fortran_statuses_ignore_;

/**
 * The function of a library of the MPI installation itself, in a process that is not
 * split; NULL in one that is.  For what cannot be said in terms of the C interface.
 */
void *crmpi_binding_next(const char *library, const char *function)
    __attribute__((visibility("hidden")));
#define CRMPI_FORTRAN_NEXT(function)                                                     \
    ((__typeof__(&function))crmpi_binding_next("libmpi_mpifh.so.40", #function))

/** Set the ierror argument, which the mpi_f08 module may have left out. */
static inline void crmpi_fortran_return(MPI_Fint *ierr, int error)
{
    if (ierr)
        *ierr = error;
}

/** Report that there is no memory, as the MPI functions do; returns the error. */
static inline int crmpi_fortran_no_memory(void)
{
    PMPI_Comm_call_errhandler(MPI_COMM_WORLD, MPI_ERR_NO_MEM);
    return MPI_ERR_NO_MEM;
}

#endif
