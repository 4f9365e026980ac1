/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fortran numbers of handles and back (upper half): MPI_Comm_f2c and its like, which every
 * Fortran call makes several of.  The tables lie in the upper half; what they do not tell
 * is asked for below.
 */
#include <mpi.h>

#include "boundary/control.h"
#include "handle/handle.h"
#include "upper/fortran.h"
#include "upper/upper.h"

static inline void *handle_of(enum crmpi_kind kind, MPI_Fint number)
{
    struct crmpi_handles *const *root = crmpi_is_split ? crmpi_control->mpi : NULL;

    return root ? crmpi_numbers_find(&(*root)->numbers[kind], number) : NULL;
}

static inline MPI_Fint number_of(const void *handle)
{
    const struct crmpi_handle *h = handle;

    return crmpi_is_split && h && h->magic == CRMPI_HANDLE_MAGIC ? h->fortran : -1;
}

#define NUMBERS(Mixed, KIND, Type)                                                       \
    MPI_Fint crmpi_down_MPI_##Mixed##_c2f(Type) __attribute__((visibility("hidden")));   \
    Type crmpi_down_MPI_##Mixed##_f2c(MPI_Fint) __attribute__((visibility("hidden")));   \
    CRMPI_EXPORT MPI_Fint PMPI_##Mixed##_c2f(Type handle)                                \
    {                                                                                    \
        MPI_Fint number = number_of(handle);                                             \
        return number >= 0 ? number : crmpi_down_MPI_##Mixed##_c2f(handle);              \
    }                                                                                    \
    CRMPI_EXPORT Type PMPI_##Mixed##_f2c(MPI_Fint number)                                \
    {                                                                                    \
        Type handle = handle_of(KIND, number);                                           \
        return handle ? handle : crmpi_down_MPI_##Mixed##_f2c(number);                   \
    }                                                                                    \
    extern CRMPI_EXPORT __typeof__(PMPI_##Mixed##_c2f) MPI_##Mixed##_c2f                 \
        __attribute__((weak, alias("PMPI_" #Mixed "_c2f")));                             \
    extern CRMPI_EXPORT __typeof__(PMPI_##Mixed##_f2c) MPI_##Mixed##_f2c                 \
        __attribute__((weak, alias("PMPI_" #Mixed "_f2c")));

NUMBERS(Comm, CRMPI_COMM, MPI_Comm)
NUMBERS(Group, CRMPI_GROUP, MPI_Group)
NUMBERS(Type, CRMPI_TYPE, MPI_Datatype)
NUMBERS(Op, CRMPI_OP, MPI_Op)
NUMBERS(Request, CRMPI_REQUEST, MPI_Request)
NUMBERS(Message, CRMPI_MESSAGE, MPI_Message)
NUMBERS(Errhandler, CRMPI_ERRHANDLER, MPI_Errhandler)
NUMBERS(Info, CRMPI_INFO, MPI_Info)
NUMBERS(Win, CRMPI_WIN, MPI_Win)
NUMBERS(File, CRMPI_FILE, MPI_File)
#if OMPI_MAJOR_VERSION >= 5
NUMBERS(Session, CRMPI_SESSION, MPI_Session)
#endif
