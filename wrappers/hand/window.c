/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Windows (lower half).  They are the MPI library's own; while one lives no checkpoint is
 * taken.  Their handles are virtual so that those given to the application are all of one
 * kind, with attributes and error handlers like a communicator's.
 */
#include "wrappers/objects.h"

MPI_Win crmpi_win_adopt(MPI_Win real, MPI_Comm comm, const char *label)
{
    struct crmpi_handle *handle =
        crmpi_handle_create(CRMPI_WIN, real, sizeof(struct crmpi_win));
    struct crmpi_win *win = handle->extra;

    (void)label;
    win->comm = comm;
    crmpi_handle_hold((void *)comm);
    win->errhandler = CRMPI_UPPER(void *, ompi_mpi_errors_are_fatal);
    return (void *)handle;
}

void crmpi_win_destroy(struct crmpi_handle *handle)
{
    struct crmpi_win *win = handle->extra;

    crmpi_handle_release(win->errhandler);
    crmpi_handle_release((void *)win->comm);
}

int crmpi_lower_MPI_Win_free(MPI_Win *handle)
{
    struct crmpi_win *win = handle ? CRMPI_EXTRA(win, *handle) : NULL;
    MPI_Win real = handle ? CRMPI_REAL(MPI_Win, *handle) : NULL;

    int error =
        win ? crmpi_attributes_delete(CRMPI_WIN, *handle, &win->attributes) : MPI_SUCCESS;
    if (error == MPI_SUCCESS)
        error = PMPI_Win_free(handle ? &real : NULL);
    if (error != MPI_SUCCESS)
        return crmpi_win_error(handle ? *handle : NULL, error, "MPI_Win_free");
    crmpi_handle_release((void *)*handle);
    *handle = CRMPI_UPPER(MPI_Win, ompi_mpi_win_null);
    return MPI_SUCCESS;
}
