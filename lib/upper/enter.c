/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The first MPI call of a thread (upper half).
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "upper/upper.h"
#include "wrappers/inner.h"

__thread struct crmpi_thread *crmpi_self;
int crmpi_is_split;

/*
 * What a thread's first MPI call finds: 0 once the thread may go down, or the function of
 * the ordinary MPI library in a process that is not split.
 */
void *crmpi_enter(int call)
{
    if (!crmpi_is_split) {
        void *function = crmpi_application_without(crmpi_call_names[call]);

        if (!function) {
            char name[64];

            snprintf(name, sizeof name, "P%s", crmpi_call_names[call]);
            function = dlsym(RTLD_NEXT, name);
        }
        if (!function) {
            fprintf(stderr, "crmpi: %s is not in the MPI library of this process\n",
                    crmpi_call_names[call]);
            abort();
        }
        return function;
    }
    crmpi_self = crmpi_control->attach(__builtin_ia32_rdfsbase64());
    if (!crmpi_control->mpi)
        CRMPI_Start();
    return NULL;
}
