/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Error handlers of the application, called when an MPI call that failed has come back above
 * (upper half).
 */
#include <string.h>

#include "upper/upper.h"

typedef void handler_fn(void **object, int *error, ...);
typedef void fortran_handler_fn(int *object, int *error);

/* Of the C++ bindings, which may throw, or set MPI::mpi_errno and say so. */
extern void ompi_mpi_cxx_throw_exception(int *error) __attribute__((weak));

static void call(const struct crmpi_after *after, const char *name)
{
    void *object = after->object;
    int number = (int)(intptr_t)object, error = after->error;

    if (!after->function) { /* MPI::ERRORS_THROW_EXCEPTIONS */
        if (ompi_mpi_cxx_throw_exception)
            ompi_mpi_cxx_throw_exception(&error);
    } else if (after->is_fortran) {
        ((fortran_handler_fn *)after->function)(&number, &error);
    } else {
        ((handler_fn *)after->function)(&object, &error, name, NULL);
    }
}

/* A handler may call MPI itself, and need not return. */
uint64_t crmpi_after(struct crmpi_thread *thread, uint64_t result)
{
    const char *name = crmpi_call_names[thread->frame.call];
    struct crmpi_after list[CRMPI_AFTER_MAX];
    int n = thread->n_after;

    memcpy(list, thread->after, sizeof list);
    thread->n_after = 0;
    for (int i = 0; i < n; i++)
        call(&list[i], name);
    return result;
}
