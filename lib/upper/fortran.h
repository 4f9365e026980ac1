/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the Fortran entry points of libcrmpi.so (upper half) share.
 *
 * Open MPI's Fortran libraries lie in the upper half and call PMPI_ functions, which are
 * crmpi's stubs; nearly all of them work unchanged.  Some, however, look into the handle
 * (a request's Fortran number, a communicator's attributes) as only Open MPI may, or use
 * the upper libmpi, which is never initialised.  Those are replaced here, written for the C
 * interface alone, in a process that is split.
 */
#ifndef CRMPI_UPPER_FORTRAN_H
#define CRMPI_UPPER_FORTRAN_H

#include <mpi.h>

#define CRMPI_EXPORT __attribute__((visibility("default")))

/* A function that takes the place of Open MPI's of the same name, under all names which that
 * has for compilers and the mpi_f08 module (redirect.c). */
struct crmpi_fortran_function {
    const char *name;
    const void *function;
};
#define CRMPI_FORTRAN(target)                                                            \
    static const struct crmpi_fortran_function crmpi_entry_##target                      \
        __attribute__((used, section("crmpi_fortran"))) = {#target,                      \
                                                           (const void *)target};

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
