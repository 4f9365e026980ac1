/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way past libcrmpi.so's C++ entry points (upper half), for a process that is not
 * split; and the errors that Open MPI's Fortran library finds itself.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "upper/fortran.h"
#include "upper/upper.h"

void *crmpi_binding_next(const char *library, const char *function)
{
    if (crmpi_is_split)
        return NULL;
    /* by the library's name: one that the program loaded itself is not in RTLD_NEXT's
     * search; the caller came through it, so it is there */
    void *handle = dlopen(library, RTLD_LAZY | RTLD_NOLOAD);
    void *next = handle ? dlsym(handle, function) : NULL;

    if (!next) {
        fprintf(stderr, "crmpi: %s is not in %s of this process\n", function, library);
        abort();
    }
    dlclose(handle);
    return next;
}

/* Wrong arguments (too long a string) and a lack of memory: they are reported on
 * MPI_COMM_WORLD, as Open MPI does. */
CRMPI_EXPORT int ompi_errhandler_invoke(void *errhandler, void *object, int type,
                                        int error, const char *function)
{
    __typeof__(&ompi_errhandler_invoke) next =
        crmpi_binding_next("libmpi.so.40", "ompi_errhandler_invoke");

    if (next)
        return next(errhandler, object, type, error, function);
    PMPI_Comm_call_errhandler(MPI_COMM_WORLD, error);
    return error;
}
