/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Communicators: their names, hints and end, and their return after a restart (lower half).
 *
 * MPI_Comm_free is the last collective of a communicator, but does not wait for the others;
 * so a rank that has freed it keeps it listed, with that count, until a nonblocking
 * barrier tells that all have.  A checkpoint is thus taken before any member has freed a
 * communicator or after all have, and restart rebuilds it in all of them or in none.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wrappers/objects.h"

/* A communicator this rank has freed, and the barrier of all that do. */
struct freed {
    struct freed *next;
    struct crmpi_handle *handle;
    MPI_Request barrier;
};

static struct freed *all_freed;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the list; never while testing */

static void freed_add(struct freed *first, struct freed *last)
{
    pthread_mutex_lock(&lock);
    last->next = all_freed;
    all_freed = first;
    pthread_mutex_unlock(&lock);
}

void crmpi_comm_reap(void)
{
    pthread_mutex_lock(&lock);
    struct freed *freed = all_freed;
    all_freed = NULL;
    pthread_mutex_unlock(&lock);
    while (freed) {
        struct freed *next = freed->next;
        int done = 0;

        PMPI_Test(&freed->barrier, &done, MPI_STATUS_IGNORE);
        if (done) {
            crmpi_handle_release(freed->handle);
            free(freed);
        } else {
            freed_add(freed, freed);
        }
        freed = next;
    }
}

/* The collective is counted: no thread may park before MPI_Comm_free has returned. */
static void free_begin(struct crmpi_handle *handle)
{
    const struct crmpi_comm *c = handle->extra;

    handle->flags |= CRMPI_HANDLE_FREED;
    if (c->size == 1 && c->remote_size == 0) {
        crmpi_handle_release(handle);
        return;
    }
    struct freed *freed = malloc(sizeof *freed);
    if (!freed) {
        crmpi_error("no memory to free a communicator");
        abort();
    }
    crmpi_thread->nest++;
    PMPI_Ibarrier(handle->real, &freed->barrier);
    crmpi_thread->nest--;
    freed->handle = handle;
    freed_add(freed, freed);
}

/* With processes of other jobs the MPI library must free it now: it may have to wait. */
static int free_natively(struct crmpi_handle *handle, int disconnect)
{
    MPI_Comm real = handle->real;

    crmpi_thread->nest++;
    int error = disconnect ? PMPI_Comm_disconnect(&real) : PMPI_Comm_free(&real);
    crmpi_thread->nest--;
    if (error != MPI_SUCCESS)
        return error;
    handle->real = NULL;
    if (crmpi_objects_root->parent == handle)
        crmpi_objects_root->parent = NULL;
    crmpi_handle_release(handle);
    return MPI_SUCCESS;
}

static int comm_free(MPI_Comm *comm, int disconnect, const char *function)
{
    struct crmpi_handle *handle = comm ? (void *)*comm : NULL;
    struct crmpi_comm *c = handle ? crmpi_comm_of(*comm) : NULL;
    int error;

    if (!c || handle->flags & CRMPI_HANDLE_PREDEFINED)
        return crmpi_comm_error(NULL, MPI_ERR_COMM, function);
    if (!c->is_dynamic) {
        crmpi_comm_reap();
        crmpi_collective_begin(*comm);
        crmpi_call_resumed();
        if (disconnect)
            crmpi_meet(handle->real);
    }
    error = crmpi_attributes_delete(CRMPI_COMM, handle, &c->attributes);
    if (error == MPI_SUCCESS && c->is_dynamic) {
        error = free_natively(handle, disconnect);
    } else if (error == MPI_SUCCESS) {
        crmpi_collective_end(*comm);
        free_begin(handle);
    }
    if (error != MPI_SUCCESS)
        return crmpi_comm_error(*comm, error, function);
    *comm = CRMPI_UPPER(MPI_Comm, ompi_mpi_comm_null);
    return MPI_SUCCESS;
}

int crmpi_lower_MPI_Comm_free(MPI_Comm *comm)
{
    return comm_free(comm, 0, "MPI_Comm_free");
}

int crmpi_lower_MPI_Comm_disconnect(MPI_Comm *comm)
{
    return comm_free(comm, 1, "MPI_Comm_disconnect");
}

/*
 * Names, hints, ranks
 */

int crmpi_lower_MPI_Comm_rank(MPI_Comm comm, int *rank)
{
    const struct crmpi_comm *c = crmpi_comm_of(comm);

    if (!c || !rank) {
        int error = PMPI_Comm_rank(CRMPI_REAL(MPI_Comm, comm), rank);
        return error == MPI_SUCCESS ? error : crmpi_comm_error(comm, error, "MPI_Comm_rank");
    }
    *rank = c->rank;
    return MPI_SUCCESS;
}

int crmpi_lower_MPI_Comm_size(MPI_Comm comm, int *size)
{
    const struct crmpi_comm *c = crmpi_comm_of(comm);

    if (!c || !size) {
        int error = PMPI_Comm_size(CRMPI_REAL(MPI_Comm, comm), size);
        return error == MPI_SUCCESS ? error : crmpi_comm_error(comm, error, "MPI_Comm_size");
    }
    *size = c->size;
    return MPI_SUCCESS;
}

/* A name once told stays, also one the MPI library made up. */
int crmpi_lower_MPI_Comm_get_name(MPI_Comm comm, char *comm_name, int *resultlen)
{
    struct crmpi_comm *c = crmpi_comm_of(comm);
    int error = PMPI_Comm_get_name(CRMPI_REAL(MPI_Comm, comm), comm_name, resultlen);

    if (error != MPI_SUCCESS)
        return crmpi_comm_error(comm, error, "MPI_Comm_get_name");
    if (c && !c->name)
        c->name = crmpi_upper_dup(comm_name, strlen(comm_name) + 1);
    return MPI_SUCCESS;
}

int crmpi_lower_MPI_Comm_set_name(MPI_Comm comm, const char *comm_name)
{
    struct crmpi_comm *c = crmpi_comm_of(comm);
    int error = PMPI_Comm_set_name(CRMPI_REAL(MPI_Comm, comm), comm_name);

    if (error != MPI_SUCCESS)
        return crmpi_comm_error(comm, error, "MPI_Comm_set_name");
    crmpi_heap_free(c->name);
    c->name = crmpi_upper_dup(comm_name, strlen(comm_name) + 1);
    return MPI_SUCCESS;
}

int crmpi_lower_MPI_Comm_set_info(MPI_Comm comm, MPI_Info info)
{
    MPI_Info info_real = crmpi_info_make(info);
    int error = PMPI_Comm_set_info(CRMPI_REAL(MPI_Comm, comm), info_real);

    crmpi_info_drop(info_real);
    if (error != MPI_SUCCESS)
        return crmpi_comm_error(comm, error, "MPI_Comm_set_info");
    crmpi_info_merge(&crmpi_comm_of(comm)->info, info);
    return MPI_SUCCESS;
}

/*
 * Restart
 */

static int members_create(MPI_Group world, int n, const int32_t *members, int tag,
                          MPI_Comm *real)
{
    MPI_Group group;
    int error = PMPI_Group_incl(world, n, (const int *)members, &group);

    if (error == MPI_SUCCESS) {
        error = PMPI_Comm_create_group(crmpi_private_world, group, tag, real);
        PMPI_Group_free(&group);
    }
    return error;
}

/* Bring back a communicator in the same moment as its other members. */
static int comm_rebuild(struct crmpi_handle *handle, MPI_Group world)
{
    const struct crmpi_comm *c = handle->extra;
    int tag = c->id & 0x3fff;
    MPI_Comm part, real;
    int error = members_create(world, c->size, c->members, tag, &real);

    if (error == MPI_SUCCESS && c->remote_size) {
        part = real;
        error = PMPI_Intercomm_create(part, 0, crmpi_private_world, c->peers[0], tag, &real);
        PMPI_Comm_free(&part);
    }
    if (error == MPI_SUCCESS && c->topology) {
        part = real;
        error = crmpi_topology_apply(c->topology, part, &real);
        PMPI_Comm_free(&part);
    }
    if (error == MPI_SUCCESS)
        handle->real = real;
    return error;
}

static void settings_rebuild(struct crmpi_handle *handle)
{
    const struct crmpi_comm *c = handle->extra;

    crmpi_comm_apply_errhandler(handle);
    if (c->name)
        PMPI_Comm_set_name(handle->real, c->name);
    if (c->info) {
        MPI_Info info = crmpi_info_make((void *)c->info);
        PMPI_Comm_set_info(handle->real, info);
        crmpi_info_drop(info);
    }
}

static int by_id(const void *a, const void *b)
{
    const struct crmpi_comm *x = (*(struct crmpi_handle *const *)a)->extra;
    const struct crmpi_comm *y = (*(struct crmpi_handle *const *)b)->extra;

    return x->id < y->id ? -1 : x->id > y->id;
}

/* Those to rebuild, in the same order in all members; *n_out of them. */
static struct crmpi_handle **living(size_t *n_out)
{
    struct crmpi_handle **list, *h;
    size_t n = 0;

    for (h = crmpi_handle_first(CRMPI_COMM); h; h = h->next)
        n++;
    list = malloc((n + 1) * sizeof *list);
    if (!list)
        return NULL;
    n = 0;
    for (h = crmpi_handle_first(CRMPI_COMM); h; h = h->next)
        if (!(h->flags & CRMPI_HANDLE_FREED) && !((struct crmpi_comm *)h->extra)->unborn)
            list[n++] = h;
    qsort(list, n, sizeof *list, by_id);
    *n_out = n;
    return list;
}

/* All members have freed these: what is left is kept by requests that can no longer run. */
static void freed_drop(void)
{
    struct crmpi_handle *next;

    for (struct crmpi_handle *h = crmpi_handle_first(CRMPI_COMM); h; h = next) {
        next = h->next;
        if (h->flags & CRMPI_HANDLE_FREED) {
            h->real = MPI_COMM_NULL;
            crmpi_handle_release(h);
        }
    }
}

enum crmpi_status crmpi_comms_rebuild(char *why, size_t why_bytes)
{
    enum crmpi_status status = CRMPI_OK;
    size_t n;
    MPI_Group world;

    freed_drop();
    struct crmpi_handle **list = living(&n);
    if (!list) {
        snprintf(why, why_bytes, "no memory");
        return CRMPI_ERR_NOMEM;
    }
    PMPI_Comm_group(MPI_COMM_WORLD, &world);
    for (size_t i = 0; i < n && status == CRMPI_OK; i++) {
        const struct crmpi_comm *c = list[i]->extra;
        if (comm_rebuild(list[i], world) == MPI_SUCCESS) {
            settings_rebuild(list[i]);
        } else {
            snprintf(why, why_bytes, "the communicator %s of %d processes cannot be made again",
                     c->name ? c->name : "", c->size);
            status = CRMPI_ERR_MPI;
        }
    }
    settings_rebuild(CRMPI_UPPER(struct crmpi_handle *, ompi_mpi_comm_world));
    settings_rebuild(CRMPI_UPPER(struct crmpi_handle *, ompi_mpi_comm_self));
    PMPI_Group_free(&world);
    free(list);
    return status;
}
