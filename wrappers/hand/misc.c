/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory, statuses for Fortran, and the part of the tools interface that makes handles
 * (lower half).
 */
#include <string.h>

#include "wrappers/objects.h"

/* Open MPI's Fortran status is the C one, as so many integers. */
_Static_assert(sizeof(MPI_Status) % sizeof(MPI_Fint) == 0, "status");

int crmpi_lower_MPI_Status_c2f(const MPI_Status *c_status, MPI_Fint *f_status)
{
    if (c_status == MPI_STATUS_IGNORE || !f_status)
        return crmpi_comm_error(NULL, MPI_ERR_IN_STATUS, "MPI_Status_c2f");
    memcpy(f_status, c_status, sizeof *c_status);
    return MPI_SUCCESS;
}

int crmpi_lower_MPI_Status_f2c(const MPI_Fint *f_status, MPI_Status *c_status)
{
    if (!f_status || c_status == MPI_STATUS_IGNORE)
        return crmpi_comm_error(NULL, MPI_ERR_IN_STATUS, "MPI_Status_f2c");
    memcpy(c_status, f_status, sizeof *c_status);
    return MPI_SUCCESS;
}

/* The application's memory: it must lie in the upper half. */
int crmpi_lower_MPI_Alloc_mem(MPI_Aint size, MPI_Info info, void *baseptr)
{
    (void)info;
    if (size < 0 || !baseptr)
        return crmpi_comm_error(NULL, MPI_ERR_ARG, "MPI_Alloc_mem");
    void *block = size ? crmpi_heap_alloc(size) : NULL;
    if (size && !block)
        return crmpi_comm_error(NULL, MPI_ERR_NO_MEM, "MPI_Alloc_mem");
    *(void **)baseptr = block;
    return MPI_SUCCESS;
}

int crmpi_lower_MPI_Free_mem(void *base)
{
    crmpi_heap_free(base);
    return MPI_SUCCESS;
}

/*
 * Tools.  Their handles are the lower library's and lost at a restart, so no checkpoint
 * is taken while there are some; that the interface is initialised is restored.
 */

int crmpi_n_tools_handles;

static int count(int error, int n)
{
    if (error == MPI_SUCCESS)
        __atomic_add_fetch(&crmpi_n_tools_handles, n, __ATOMIC_RELAXED);
    return error;
}

/* A variable may belong to an object, given by its handle's address.  The address of our
 * descriptor will do, for the lower handle is its first member. */
static void *tool_object(int bind, void *obj_handle)
{
    return bind == MPI_T_BIND_NO_OBJECT || !obj_handle ? obj_handle
                                                       : *(void **)obj_handle;
}

int crmpi_lower_MPI_T_init_thread(int required, int *provided)
{
    int error;

    crmpi_environment_take();
    error = PMPI_T_init_thread(required, provided);
    if (error == MPI_SUCCESS)
        crmpi_objects_root->n_tools_inits++;
    return error;
}

int crmpi_lower_MPI_T_finalize(void)
{
    int error = PMPI_T_finalize();

    if (error == MPI_SUCCESS)
        crmpi_objects_root->n_tools_inits--;
    return error;
}

int crmpi_lower_MPI_T_cvar_handle_alloc(int cvar_index, void *obj_handle,
                                        MPI_T_cvar_handle *handle, int *n)
{
    int bind = MPI_T_BIND_NO_OBJECT, verbosity, scope, name_bytes = 0, text_bytes = 0;
    MPI_Datatype type;
    MPI_T_enum values;
    int error = PMPI_T_cvar_get_info(cvar_index, NULL, &name_bytes, &verbosity, &type,
                                     &values, NULL, &text_bytes, &bind, &scope);

    if (error != MPI_SUCCESS)
        return error;
    return count(
        PMPI_T_cvar_handle_alloc(cvar_index, tool_object(bind, obj_handle), handle, n),
        1);
}

int crmpi_lower_MPI_T_cvar_handle_free(MPI_T_cvar_handle *handle)
{
    return count(PMPI_T_cvar_handle_free(handle), -1);
}

int crmpi_lower_MPI_T_pvar_session_create(MPI_T_pvar_session *session)
{
    return count(PMPI_T_pvar_session_create(session), 1);
}

int crmpi_lower_MPI_T_pvar_session_free(MPI_T_pvar_session *session)
{
    return count(PMPI_T_pvar_session_free(session), -1);
}

int crmpi_lower_MPI_T_pvar_handle_alloc(MPI_T_pvar_session session, int pvar_index,
                                        void *obj_handle, MPI_T_pvar_handle *handle,
                                        int *n)
{
    int bind = MPI_T_BIND_NO_OBJECT, verbosity, class, name_bytes = 0, text_bytes = 0;
    int readonly, continuous, atomic;
    MPI_Datatype type;
    MPI_T_enum values;
    int error = PMPI_T_pvar_get_info(pvar_index, NULL, &name_bytes, &verbosity, &class,
                                     &type, &values, NULL, &text_bytes, &bind, &readonly,
                                     &continuous, &atomic);

    if (error != MPI_SUCCESS)
        return error;
    return count(PMPI_T_pvar_handle_alloc(session, pvar_index,
                                          tool_object(bind, obj_handle), handle, n),
                 1);
}

int crmpi_lower_MPI_T_pvar_handle_free(MPI_T_pvar_session session,
                                       MPI_T_pvar_handle *handle)
{
    return count(PMPI_T_pvar_handle_free(session, handle), -1);
}

/* It goes on from the checkpoint (threads/clock.h). */
double crmpi_lower_MPI_Wtime(void)
{
    return PMPI_Wtime() + crmpi_control->wtime_offset;
}
