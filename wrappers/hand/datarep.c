/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Data representations of MPI files (lower half): the application's functions, called
 * through these.  The extra state of the lower registration is the record of the
 * application's.
 */
#include <stdio.h>
#include <string.h>

#include "wrappers/objects.h"

struct crmpi_datarep {
    struct crmpi_datarep *next;
    char *name;
    void *read, *write, *extent; /* the application's; NULL: MPI_CONVERSION_FN_NULL */
    void *extra_state;
};

static int convert(void *function, void *userbuf, MPI_Datatype real, int count,
                   void *filebuf, MPI_Offset position, void *extra_state)
{
    return (int)crmpi_upcall(function, (uintptr_t)userbuf,
                             (uintptr_t)crmpi_handle_of_real(CRMPI_TYPE, real), count,
                             (uintptr_t)filebuf, position, (uintptr_t)extra_state);
}

static int read_convert(void *userbuf, MPI_Datatype type, int count, void *filebuf,
                        MPI_Offset position, void *record)
{
    struct crmpi_datarep *rep = record;

    return convert(rep->read, userbuf, type, count, filebuf, position, rep->extra_state);
}

static int write_convert(void *userbuf, MPI_Datatype type, int count, void *filebuf,
                         MPI_Offset position, void *record)
{
    struct crmpi_datarep *rep = record;

    return convert(rep->write, userbuf, type, count, filebuf, position, rep->extra_state);
}

static int extent(MPI_Datatype real, MPI_Aint *extent_out, void *record)
{
    struct crmpi_datarep *rep = record;

    return (int)crmpi_upcall(rep->extent,
                             (uintptr_t)crmpi_handle_of_real(CRMPI_TYPE, real),
                             (uintptr_t)extent_out, (uintptr_t)rep->extra_state, 0, 0, 0);
}

static int datarep_register(struct crmpi_datarep *rep)
{
    return PMPI_Register_datarep(rep->name, rep->read ? read_convert : NULL,
                                 rep->write ? write_convert : NULL,
                                 rep->extent ? extent : NULL, rep);
}

int crmpi_lower_MPI_Register_datarep(const char *datarep,
                                     MPI_Datarep_conversion_function *read_conversion_fn,
                                     MPI_Datarep_conversion_function *write_conversion_fn,
                                     MPI_Datarep_extent_function *dtype_file_extent_fn,
                                     void *extra_state)
{
    struct crmpi_datarep *rep = crmpi_upper_alloc(sizeof *rep);

    rep->name = datarep ? crmpi_upper_dup(datarep, strlen(datarep) + 1) : NULL;
    rep->read = (void *)read_conversion_fn;
    rep->write = (void *)write_conversion_fn;
    rep->extent = (void *)dtype_file_extent_fn;
    rep->extra_state = extra_state;
    int error = datarep_register(rep);
    if (error != MPI_SUCCESS) {
        crmpi_heap_free(rep->name);
        crmpi_heap_free(rep);
        return crmpi_file_error(CRMPI_UPPER(MPI_File, ompi_mpi_file_null), error,
                                "MPI_Register_datarep");
    }
    rep->next = crmpi_objects_root->datareps;
    crmpi_objects_root->datareps = rep;
    return MPI_SUCCESS;
}

enum crmpi_status crmpi_datareps_rebuild(char *why, size_t why_bytes)
{
    for (struct crmpi_datarep *rep = crmpi_objects_root->datareps; rep; rep = rep->next)
        if (datarep_register(rep) != MPI_SUCCESS) {
            snprintf(why, why_bytes,
                     "the data representation %s cannot be registered again", rep->name);
            return CRMPI_ERR_MPI;
        }
    return CRMPI_OK;
}
