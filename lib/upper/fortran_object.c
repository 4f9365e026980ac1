/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fortran's group constructors and MPI_TYPE_MATCH_SIZE (upper half).  Open MPI's own read a new
 * group's Fortran number out of the group, and the datatypes' table of a library that is
 * initialised.
 */
#include "upper/fortran.h"

static void group_return(int error, MPI_Group group, MPI_Fint *newgroup, MPI_Fint *ierr)
{
    if (error == MPI_SUCCESS)
        *newgroup = PMPI_Group_c2f(group);
    crmpi_fortran_return(ierr, error);
}

#define GROUP_OF_TWO(lower, UPPER)                                                       \
    static void ompi_group_##lower##_f(MPI_Fint *group1, MPI_Fint *group2,               \
                                       MPI_Fint *newgroup, MPI_Fint *ierr)               \
    {                                                                                    \
        MPI_Group group;                                                                 \
        int error = PMPI_Group_##lower(PMPI_Group_f2c(*group1), PMPI_Group_f2c(*group2), \
                                       &group);                                          \
        group_return(error, group, newgroup, ierr);                                      \
    }                                                                                    \
    CRMPI_FORTRAN(ompi_group_##lower##_f)

#define GROUP_OF_RANKS(lower, UPPER, ranks_type)                                         \
    static void ompi_group_##lower##_f(MPI_Fint *oldgroup, MPI_Fint *n,                  \
                                       ranks_type ranks, MPI_Fint *newgroup,             \
                                       MPI_Fint *ierr)                                   \
    {                                                                                    \
        MPI_Group group;                                                                 \
        int error = PMPI_Group_##lower(PMPI_Group_f2c(*oldgroup), *n, ranks, &group);    \
        group_return(error, group, newgroup, ierr);                                      \
    }                                                                                    \
    CRMPI_FORTRAN(ompi_group_##lower##_f)

typedef MPI_Fint range[3];

GROUP_OF_TWO(union, UNION)
GROUP_OF_TWO(intersection, INTERSECTION)
GROUP_OF_TWO(difference, DIFFERENCE)
GROUP_OF_RANKS(incl, INCL, MPI_Fint *)
GROUP_OF_RANKS(excl, EXCL, MPI_Fint *)
GROUP_OF_RANKS(range_incl, RANGE_INCL, range *)
GROUP_OF_RANKS(range_excl, RANGE_EXCL, range *)

/* A type of Fortran's in each class; as Open MPI gives it for each size. */
static void ompi_type_match_size_f(MPI_Fint *typeclass, MPI_Fint *size, MPI_Fint *type,
                                   MPI_Fint *ierr)
{
    const MPI_Datatype types[][4] = {
        {MPI_INTEGER1, MPI_INTEGER2, MPI_INTEGER, MPI_INTEGER8},
        {MPI_REAL, MPI_REAL8, MPI_REAL16, MPI_DATATYPE_NULL},
        {MPI_COMPLEX, MPI_COMPLEX16, MPI_COMPLEX32, MPI_DATATYPE_NULL},
    };
    int class = *typeclass == MPI_TYPECLASS_INTEGER   ? 0
                : *typeclass == MPI_TYPECLASS_REAL    ? 1
                : *typeclass == MPI_TYPECLASS_COMPLEX ? 2
                                                      : -1;
    int error = MPI_ERR_ARG, type_size;

    *type = PMPI_Type_c2f(MPI_DATATYPE_NULL);
    for (int i = 0; class >= 0 && i < 4 && error != MPI_SUCCESS; i++) {
        MPI_Datatype candidate = types[class][i];
        if (candidate != MPI_DATATYPE_NULL &&
            PMPI_Type_size(candidate, &type_size) == MPI_SUCCESS && type_size == *size) {
            *type = PMPI_Type_c2f(candidate);
            error = MPI_SUCCESS;
        }
    }
    if (error != MPI_SUCCESS)
        PMPI_Comm_call_errhandler(MPI_COMM_WORLD, error);
    crmpi_fortran_return(ierr, error);
}

CRMPI_FORTRAN(ompi_type_match_size_f)
