/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The MPI layer's saved state: the predefined objects, its start and its return after a
 * restart, and what forbids a checkpoint.  Runs in the lower half.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "boundary/entries.h"
#include "wrappers/hand/cut.h"
#include "wrappers/hand/window.h"

MPI_Comm crmpi_private_world = MPI_COMM_NULL;
int crmpi_thread_multiple;

/* A half of the tags, from 0 on, is for making communicators. */
static int half_of_tags(void)
{
    static int half;
    int *most, flag = 0, n = 1 << 14;

    if (half)
        return half;
    PMPI_Comm_get_attr(MPI_COMM_WORLD, MPI_TAG_UB, &most, &flag);
    while (flag && n < 1 << 30 && n <= *most / 4)
        n *= 2;
    return half = n;
}

int crmpi_private_tag(enum crmpi_private_tag what, uint64_t hash)
{
    int half = half_of_tags();

    switch (what) {
    case CRMPI_TAG_MAKE:
        return (int)(hash % (uint64_t)half);
    case CRMPI_TAG_SIDES:
        return half + (int)(hash % (uint64_t)(half - 2));
    default:
        return half + (half - 1 - (what == CRMPI_TAG_FREED));
    }
}

static void out_of_memory(void)
{
    crmpi_error("no memory for MPI objects");
    abort();
}

void *crmpi_upper_alloc(size_t bytes)
{
    void *block = crmpi_heap_alloc(bytes);

    if (!block)
        out_of_memory();
    return block;
}

void *crmpi_upper_dup(const void *data, size_t bytes)
{
    void *block = crmpi_heap_dup(data, bytes);

    if (!block)
        out_of_memory();
    return block;
}

void *crmpi_upper_grow(void *old, size_t old_bytes, size_t bytes)
{
    void *block = crmpi_heap_grow(old, old_bytes, bytes);

    if (!block)
        out_of_memory();
    return block;
}

void *crmpi_reals(int n, void *const *handles)
{
    void **reals;

    if (!handles || n < 0)
        return NULL;
    reals = malloc((n + 1) * sizeof *reals);
    if (!reals)
        out_of_memory();
    for (int i = 0; i < n; i++)
        reals[i] = crmpi_handle_real(handles[i]);
    return reals;
}

/* As large as any object, in case that the library looks at it. */
char crmpi_nothing[1024] __attribute__((aligned(16)));

void crmpi_left_give(enum crmpi_kind kind, void *real, void *out)
{
    struct crmpi_handle *handle = NULL;

    if (!out || real == crmpi_nothing)
        return;
    if (real)
        handle = crmpi_handle_of_real(kind, real);
    if (!real || (handle && handle->flags & CRMPI_HANDLE_PREDEFINED))
        memcpy(out, &handle, sizeof handle);
}

static struct crmpi_handle *upper_object(int i)
{
    return crmpi_control->predefined[i];
}

static void destroys_set(void)
{
    crmpi_handle_set_destroy(CRMPI_COMM, crmpi_comm_destroy);
    crmpi_handle_set_destroy(CRMPI_GROUP, crmpi_group_destroy);
    crmpi_handle_set_destroy(CRMPI_TYPE, crmpi_type_destroy);
    crmpi_handle_set_destroy(CRMPI_OP, crmpi_op_destroy);
    crmpi_handle_set_destroy(CRMPI_INFO, crmpi_info_destroy);
    crmpi_handle_set_destroy(CRMPI_WIN, crmpi_win_destroy);
    crmpi_handle_set_destroy(CRMPI_FILE, crmpi_file_destroy);
}

enum crmpi_status crmpi_objects_start(void)
{
    struct crmpi_layer *root = crmpi_upper_alloc(sizeof *root);

    root->objects = crmpi_upper_alloc(sizeof *root->objects);
    root->objects->calls_hash = crmpi_calls_hash;
    root->handles = crmpi_handles_create();
    for (int i = 0; i < CRMPI_N_OBJECTS; i++)
        crmpi_handle_predefine(upper_object(i), crmpi_objects[i].kind,
                               crmpi_objects[i].real);
    destroys_set();
    crmpi_control->mpi = root;
    return CRMPI_OK;
}

int crmpi_lower_CRMPI_Start(void)
{
    return crmpi_control->mpi ? CRMPI_OK : crmpi_objects_start();
}

static int lower_fortran(int kind, void *real)
{
    switch (kind) {
    case CRMPI_COMM:
        return PMPI_Comm_c2f(real);
    case CRMPI_GROUP:
        return PMPI_Group_c2f(real);
    case CRMPI_TYPE:
        return PMPI_Type_c2f(real);
    case CRMPI_OP:
        return PMPI_Op_c2f(real);
    case CRMPI_REQUEST:
        return PMPI_Request_c2f(real);
    case CRMPI_MESSAGE:
        return PMPI_Message_c2f(real);
    case CRMPI_ERRHANDLER:
        return PMPI_Errhandler_c2f(real);
    case CRMPI_INFO:
        return PMPI_Info_c2f(real);
    case CRMPI_WIN:
        return PMPI_Win_c2f(real);
    default:
        return PMPI_File_c2f(real);
    }
}

enum crmpi_status crmpi_objects_ready(void)
{
    struct crmpi_handle *world = CRMPI_UPPER(void *, ompi_mpi_comm_world);
    struct crmpi_handle *self = CRMPI_UPPER(void *, ompi_mpi_comm_self);
    struct crmpi_handle *env = CRMPI_UPPER(void *, ompi_mpi_info_env);
    uint64_t seed[2] = {1, 0};

    for (int i = 0; i < CRMPI_N_OBJECTS; i++) {
        struct crmpi_handle *h = upper_object(i);
        crmpi_handle_set_fortran(h, lower_fortran(h->kind, h->real));
        if (h->kind == CRMPI_TYPE && h->real != MPI_DATATYPE_NULL)
            crmpi_type_predefine(h);
    }
    crmpi_file_start();
    crmpi_objects_root->file_null_errhandler =
        CRMPI_UPPER(void *, ompi_mpi_errors_return);
    crmpi_comm_predefine(world, crmpi_checksum(seed, sizeof seed));
    ((struct crmpi_comm *)world->extra)->inherits = 1;
    seed[1] = 1 + ((struct crmpi_comm *)world->extra)->rank;
    crmpi_comm_predefine(self, crmpi_checksum(seed, sizeof seed));
    crmpi_attributes_start();
    env->extra = crmpi_upper_alloc(sizeof(struct crmpi_info));
    crmpi_info_read(MPI_INFO_ENV, env->extra);
    if (PMPI_Comm_dup(MPI_COMM_WORLD, &crmpi_private_world) != MPI_SUCCESS)
        return CRMPI_ERR_MPI;
    return CRMPI_OK;
}

/* The predefined handles' lower objects, and all that needs no other handle. */
static enum crmpi_status predefined_renew(char *why, size_t why_bytes)
{
    struct crmpi_handle *world = CRMPI_UPPER(void *, ompi_mpi_comm_world);
    int size;

    if (crmpi_objects_root->calls_hash != crmpi_calls_hash) {
        snprintf(
            why, why_bytes,
            "the checkpoint was taken by another version of crmpi, whose table of MPI "
            "calls differs");
        return CRMPI_ERR_MISMATCH;
    }
    PMPI_Comm_size(MPI_COMM_WORLD, &size);
    if (size != ((struct crmpi_comm *)world->extra)->size) {
        snprintf(why, why_bytes, "the job had %d ranks, now it has %d",
                 ((struct crmpi_comm *)world->extra)->size, size);
        return CRMPI_ERR_MISMATCH;
    }
    for (int i = 0; i < CRMPI_N_OBJECTS; i++)
        crmpi_handle_set_real(upper_object(i), crmpi_objects[i].real);
    for (struct crmpi_handle *h = crmpi_handle_first(CRMPI_ERRHANDLER); h; h = h->next)
        h->real = MPI_ERRORS_RETURN;
    for (int i = 0; i < crmpi_objects_root->n_tools_inits; i++)
        PMPI_T_init_thread(MPI_THREAD_SINGLE, &size);
    return CRMPI_OK;
}

enum crmpi_status crmpi_objects_rebuild(char *why, size_t why_bytes)
{
    enum crmpi_status status;

    crmpi_handles_attach(crmpi_root->handles);
    destroys_set();
    crmpi_thread_multiple = crmpi_objects_root->thread_provided == MPI_THREAD_MULTIPLE;
    status = predefined_renew(why, why_bytes);
    if (status != CRMPI_OK)
        return status;
    if (PMPI_Comm_dup(MPI_COMM_WORLD, &crmpi_private_world) != MPI_SUCCESS) {
        snprintf(why, why_bytes, "MPI_COMM_WORLD cannot be duplicated");
        return CRMPI_ERR_MPI;
    }
    status = crmpi_errors_rebuild(why, why_bytes);
    if (status == CRMPI_OK)
        status = crmpi_groups_rebuild(why, why_bytes);
    if (status == CRMPI_OK)
        status = crmpi_types_rebuild(why, why_bytes);
    if (status == CRMPI_OK)
        status = crmpi_ops_rebuild(why, why_bytes);
    if (status == CRMPI_OK)
        status = crmpi_datareps_rebuild(why, why_bytes);
    if (status == CRMPI_OK)
        status = crmpi_comms_rebuild(why, why_bytes);
    if (status == CRMPI_OK)
        status = crmpi_files_rebuild(why, why_bytes);
    return status;
}

enum crmpi_status crmpi_mpi_layer_start(void)
{
    enum crmpi_status status = crmpi_objects_ready();

    return status == CRMPI_OK ? crmpi_p2p_start() : status;
}

enum crmpi_status crmpi_mpi_layer_rebuild(char *why, size_t why_bytes)
{
    enum crmpi_status status = crmpi_objects_rebuild(why, why_bytes);

    if (status == CRMPI_OK)
        status = crmpi_p2p_rebuild(why, why_bytes);
    if (status == CRMPI_OK)
        status = crmpi_persistent_rebuild(why, why_bytes);
    return status == CRMPI_OK ? crmpi_windows_rebuild(why, why_bytes) : status;
}

/*
 * What forbids a checkpoint
 */

int crmpi_cut_refusal(char *why, size_t why_bytes)
{
    if (crmpi_finalize_begun) {
        snprintf(why, why_bytes, "MPI_Finalize has begun");
    } else if (crmpi_cut_connected(why, why_bytes) ||
               crmpi_file_refusal(why, why_bytes)) {
        return 1;
    } else if (crmpi_n_tools_handles > 0) {
        snprintf(why, why_bytes,
                 "handles or sessions of the MPI tools interface are in use");
    } else {
        return crmpi_request_refusal(why, why_bytes);
    }
    return 1;
}
