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
#include "wrappers/hand/ledger.h"
#include "wrappers/hand/persistent.h"
#include "wrappers/hand/reduction.h"
#include "wrappers/hand/window.h"

static struct crmpi_handle *upper_object(int i)
{
    return crmpi_control->predefined[i];
}

#define MPI_VERSION_HERE (OMPI_MAJOR_VERSION * 100 + OMPI_MINOR_VERSION)

/* In the place of a call that this library does not have: of a job that began over another. */
void crmpi_call_missing(void);
void crmpi_call_missing(void)
{
    crmpi_error("the program calls %s, which the MPI library here does not have: restart with "
                "the one that the job began with",
                crmpi_call_names[crmpi_thread->frame.call]);
    PMPI_Abort(MPI_COMM_WORLD, 1);
}

/* What files below ask of those above them. */
static void wire(void)
{
    crmpi_request_kinds =
        (struct crmpi_request_kinds){.reductions_advance = crmpi_reductions_advance,
                                     .persistent_start = crmpi_persistent_start,
                                     .persistent_drop = crmpi_persistent_drop};
    crmpi_handle_set_destroy(CRMPI_COMM, crmpi_comm_destroy);
    crmpi_handle_set_destroy(CRMPI_GROUP, crmpi_group_destroy);
    crmpi_handle_set_destroy(CRMPI_TYPE, crmpi_type_destroy);
    crmpi_handle_set_destroy(CRMPI_OP, crmpi_op_destroy);
    crmpi_handle_set_destroy(CRMPI_INFO, crmpi_info_destroy);
    crmpi_handle_set_destroy(CRMPI_WIN, crmpi_win_destroy);
    crmpi_handle_set_destroy(CRMPI_FILE, crmpi_file_destroy);
#if OMPI_MAJOR_VERSION >= 5
    crmpi_handle_set_destroy(CRMPI_SESSION, crmpi_session_destroy);
#endif
}

enum crmpi_status crmpi_objects_start(void)
{
    struct crmpi_layer *root = crmpi_upper_alloc(sizeof *root);

    root->objects = crmpi_upper_alloc(sizeof *root->objects);
    root->objects->calls_hash = crmpi_calls_hash;
    root->objects->mpi_version = MPI_VERSION_HERE;
    root->handles = crmpi_handles_create();
    for (int i = 0; i < CRMPI_N_OBJECTS; i++)
        if (upper_object(i))
            crmpi_handle_predefine(upper_object(i), crmpi_objects[i].kind,
                                   crmpi_objects[i].real);
    wire();
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
#if OMPI_MAJOR_VERSION >= 5
    case CRMPI_SESSION:
        return PMPI_Session_c2f(real);
#endif
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
        if (!h)
            continue;
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
    if (crmpi_objects_root->mpi_version > MPI_VERSION_HERE) {
        snprintf(why, why_bytes,
                 "the job began with Open MPI %d.%d, and may call what %d.%d has not",
                 crmpi_objects_root->mpi_version / 100,
                 crmpi_objects_root->mpi_version % 100, OMPI_MAJOR_VERSION,
                 OMPI_MINOR_VERSION);
        return CRMPI_ERR_MISMATCH;
    }
    PMPI_Comm_size(MPI_COMM_WORLD, &size);
    if (size != ((struct crmpi_comm *)world->extra)->size) {
        snprintf(why, why_bytes, "the job had %d ranks, now it has %d",
                 ((struct crmpi_comm *)world->extra)->size, size);
        return CRMPI_ERR_MISMATCH;
    }
    for (int i = 0; i < CRMPI_N_OBJECTS; i++)
        if (upper_object(i)) /* of another version, perhaps: NULL below */
            crmpi_handle_set_real(upper_object(i), crmpi_objects[i].real);
    for (struct crmpi_handle *h = crmpi_handle_first(CRMPI_ERRHANDLER); h; h = h->next)
        h->real = MPI_ERRORS_RETURN;
    for (int i = 0; i < CRMPI_N_OBJECTS; i++)
        if (upper_object(i) && !upper_object(i)->real &&
            upper_object(i)->kind == CRMPI_ERRHANDLER)
            upper_object(i)->real = MPI_ERRORS_RETURN; /* it is called above */
    for (int i = 0; i < crmpi_objects_root->n_tools_inits; i++)
        PMPI_T_init_thread(MPI_THREAD_SINGLE, &size);
    return CRMPI_OK;
}

enum crmpi_status crmpi_objects_rebuild(char *why, size_t why_bytes)
{
    enum crmpi_status status;

    crmpi_handles_attach(crmpi_root->handles);
    wire();
    crmpi_thread_multiple = crmpi_objects_root->thread_provided == MPI_THREAD_MULTIPLE;
    status = predefined_renew(why, why_bytes);
    if (status != CRMPI_OK)
        return status;
    crmpi_errors_restart();
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

/*
 * Point-to-point communication
 */

static enum crmpi_status p2p_renew(void)
{
    MPI_Request none = MPI_REQUEST_NULL;

    crmpi_p2p = crmpi_root->p2p;
    crmpi_message_start();
    if (PMPI_Wait(&none, &crmpi_status_empty) != MPI_SUCCESS ||
        PMPI_Comm_dup(MPI_COMM_SELF, &crmpi_private_self) != MPI_SUCCESS ||
        PMPI_Comm_set_errhandler(crmpi_private_self, MPI_ERRORS_RETURN) != MPI_SUCCESS)
        return CRMPI_ERR_MPI;
    return crmpi_drain_start();
}

static enum crmpi_status p2p_start(void)
{
    struct crmpi_p2p *p2p = crmpi_heap_alloc(sizeof *p2p);

    if (!p2p)
        return CRMPI_ERR_NOMEM;
    crmpi_root->p2p = p2p;
    enum crmpi_status status = crmpi_ledger_start();
    if (status == CRMPI_OK)
        status = p2p_renew();
    if (status != CRMPI_OK)
        return status;
    p2p->sent_request = crmpi_request_take(CRMPI_SEND, NULL, NULL);
    p2p->sent_request->status = crmpi_status_empty;
    p2p->sent_request->active = p2p->sent_request->complete = 1;
    return crmpi_reductions_start();
}

/*
 * All of it
 */

enum crmpi_status crmpi_mpi_layer_start(void)
{
    enum crmpi_status status = crmpi_objects_ready();

    return status == CRMPI_OK ? p2p_start() : status;
}

enum crmpi_status crmpi_mpi_layer_rebuild(char *why, size_t why_bytes)
{
    enum crmpi_status status = crmpi_objects_rebuild(why, why_bytes);

    if (status == CRMPI_OK && (status = p2p_renew()) != CRMPI_OK)
        snprintf(why, why_bytes, "communicators for messages cannot be made");
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
               crmpi_file_refusal(why, why_bytes) ||
               crmpi_unsaved_refusal(why, why_bytes)) {
        return 1;
    } else if (crmpi_n_tools_handles > 0) {
        snprintf(why, why_bytes,
                 "handles or sessions of the MPI tools interface are in use");
    } else {
        return crmpi_request_refusal(why, why_bytes);
    }
    return 1;
}
