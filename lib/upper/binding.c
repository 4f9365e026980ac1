/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way past libcrmpi.so's Fortran and C++ entry points (upper half), for a process
 * that is not split.
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
