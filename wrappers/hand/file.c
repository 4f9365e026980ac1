/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * MPI files (lower half).  They are the MPI library's own; while one lives no checkpoint is
 * taken.  Their handles are virtual so that those given to the application are all of one
 * kind, with error handlers like a communicator's.
 */
#include <stdio.h>
#include <string.h>

#include "wrappers/objects.h"

MPI_File crmpi_file_adopt(MPI_File real, MPI_Comm comm, const char *label)
{
    struct crmpi_handle *handle =
        crmpi_handle_create(CRMPI_FILE, real, sizeof(struct crmpi_file));
    struct crmpi_file *file = handle->extra;

    file->comm = comm;
    crmpi_handle_hold((void *)comm);
    file->name = crmpi_upper_dup(label, strlen(label) + 1);
    file->errhandler = crmpi_objects_root->file_null_errhandler;
    crmpi_handle_hold(file->errhandler);
    return (void *)handle;
}

void crmpi_file_destroy(struct crmpi_handle *handle)
{
    struct crmpi_file *file = handle->extra;

    crmpi_handle_release(file->errhandler);
    crmpi_handle_release((void *)file->comm);
    crmpi_heap_free(file->name);
}

int crmpi_lower_MPI_File_close(MPI_File *handle)
{
    MPI_File real = handle ? CRMPI_REAL(MPI_File, *handle) : NULL;
    int error = PMPI_File_close(handle ? &real : NULL);

    if (error != MPI_SUCCESS)
        return crmpi_file_error(handle ? *handle : NULL, error, "MPI_File_close");
    crmpi_handle_release((void *)*handle);
    *handle = CRMPI_UPPER(MPI_File, ompi_mpi_file_null);
    return MPI_SUCCESS;
}

/*
 * Data representations: the application's functions, called through these.  The extra
 * state of the lower registration is the record of the application's.
 */

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
