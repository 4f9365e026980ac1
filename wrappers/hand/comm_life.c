/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Communicators: their names, hints and end, and their return after a restart (lower
 * half).
 *
 * MPI_Comm_free is the last collective of a communicator, but does not wait for the
 * others; so a rank that has freed it keeps it listed, with that count, until it hears that
 * all have (comm_freed.c).  A checkpoint is thus taken before any member
 * has freed a communicator or after all have, and restart rebuilds it in all of them or
 * in none.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wrappers/objects.h"

/* With processes of other jobs the MPI library must free it now: it may have to wait. */
static int free_natively(struct crmpi_handle *handle, int disconnect)
{
    MPI_Comm real = handle->real;

    crmpi_once_begin(disconnect ? "MPI_Comm_disconnect" : "MPI_Comm_free");
    int error = disconnect ? PMPI_Comm_disconnect(&real) : PMPI_Comm_free(&real);
    crmpi_once_end();
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
    crmpi_idup_settle(*comm);
    if (!c->is_dynamic) {
        crmpi_comm_reap();
        crmpi_collective_begin(*comm);
        crmpi_call_resumed();
        if (disconnect)
            crmpi_meet(handle->real);
    }
    error = crmpi_settings_delete(CRMPI_COMM, handle, &c->attributes);
    if (error == MPI_SUCCESS && c->is_dynamic) {
        error = free_natively(handle, disconnect);
    } else if (error == MPI_SUCCESS) {
        crmpi_collective_end(*comm);
        crmpi_comm_leave(handle);
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
        return error == MPI_SUCCESS ? error
                                    : crmpi_comm_error(comm, error, "MPI_Comm_rank");
    }
    *rank = c->rank;
    return MPI_SUCCESS;
}

int crmpi_lower_MPI_Comm_size(MPI_Comm comm, int *size)
{
    const struct crmpi_comm *c = crmpi_comm_of(comm);

    if (!c || !size) {
        int error = PMPI_Comm_size(CRMPI_REAL(MPI_Comm, comm), size);
        return error == MPI_SUCCESS ? error
                                    : crmpi_comm_error(comm, error, "MPI_Comm_size");
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
    crmpi_comm_hint(comm, info);
    return MPI_SUCCESS;
}

void crmpi_comm_hint(MPI_Comm comm, MPI_Info info)
{
    struct crmpi_comm *c = crmpi_comm_of(comm);
    MPI_Info real = MPI_INFO_NULL;

    if (!c)
        return; /* MPI_COMM_NULL was made */
    crmpi_info_merge(&c->info, info);
    PMPI_Comm_get_info(CRMPI_REAL(MPI_Comm, comm), &real);
    crmpi_info_tell(&c->told, info, real, NULL);
}

#ifdef OMPI_HAVE_MPI_EXT_FTMPI
int crmpi_lower_MPIX_Comm_revoke(MPI_Comm comm)
{
    int error = PMPIX_Comm_revoke(CRMPI_REAL(MPI_Comm, comm));

    if (error != MPI_SUCCESS)
        return crmpi_comm_error(comm, error, "MPIX_Comm_revoke");
    crmpi_unsaved_begin("MPIX_Comm_revoke was called");
    return error;
}
#endif

int crmpi_lower_MPI_Comm_get_info(MPI_Comm comm, MPI_Info *info_used)
{
    struct crmpi_comm *c = crmpi_comm_of(comm);
    MPI_Info real = CRMPI_NOTHING(MPI_Info);
    int error = PMPI_Comm_get_info(CRMPI_REAL(MPI_Comm, comm), info_used ? &real : NULL);

    error = crmpi_info_used(c ? &c->told : NULL, error, real, info_used);
    return error == MPI_SUCCESS ? error
                                : crmpi_comm_error(comm, error, "MPI_Comm_get_info");
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

/* Make a communicator in the same moment as its other members. */
static int comm_make(const struct crmpi_comm *c, MPI_Group world, MPI_Comm *real_out)
{
    int tag = crmpi_private_tag(CRMPI_TAG_MAKE, c->id);
    MPI_Comm part;
    int error = members_create(world, c->size, c->members, tag, real_out);

    if (error == MPI_SUCCESS && c->remote_size) {
        part = *real_out;
        error = PMPI_Intercomm_create(part, 0, crmpi_private_world, c->peers[0], tag,
                                      real_out);
        PMPI_Comm_free(&part);
    }
    if (error == MPI_SUCCESS && c->topology) {
        part = *real_out;
        error = crmpi_topology_apply(c->topology, part, real_out);
        PMPI_Comm_free(&part);
    }
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

/*
 * Communicators that all members have freed, but that requests of some members keep:
 * pending receives, persistent ones.  All members have to make them again, also those
 * that know nothing of them any more.  So every rank tells all others what it has: for
 * each the id in two integers, the sizes, the members, the remote members.
 */
#define N_HEAD 4

/* What is left of them is kept by requests. */
static void freed_drop(void)
{
    struct crmpi_handle *next;

    for (struct crmpi_handle *h = crmpi_handle_first(CRMPI_COMM); h; h = next) {
        struct crmpi_comm *c = h->extra;

        next = h->next;
        if (!(h->flags & CRMPI_HANDLE_FREED))
            continue;
        h->real = NULL;
        if (!c->reaped) {
            c->reaped = 1;
            crmpi_handle_release(h);
        }
    }
}

/* What this rank tells, from malloc(). */
static int32_t *kept_tell(int *n_out)
{
    int32_t *all, *at;
    int n = 0;

    for (struct crmpi_handle *h = crmpi_handle_first(CRMPI_COMM); h; h = h->next) {
        const struct crmpi_comm *c = h->extra;
        if (h->flags & CRMPI_HANDLE_FREED)
            n += N_HEAD + c->size + c->remote_size;
    }
    all = at = malloc((n + 1) * sizeof *all);
    if (!all)
        return NULL;
    for (struct crmpi_handle *h = crmpi_handle_first(CRMPI_COMM); h; h = h->next) {
        const struct crmpi_comm *c = h->extra;
        if (!(h->flags & CRMPI_HANDLE_FREED))
            continue;
        memcpy(at, &c->id, sizeof c->id);
        at[2] = c->size;
        at[3] = c->remote_size;
        memcpy(at + N_HEAD, c->members, c->size * sizeof *at);
        memcpy(at + N_HEAD + c->size, c->peers, c->remote_size * sizeof *at);
        at += N_HEAD + c->size + c->remote_size;
    }
    *n_out = n;
    return all;
}

/* What all ranks told, from malloc(); NULL with *n_out 0: nothing. */
static int32_t *kept_gather(int *n_out)
{
    int n_ranks, n = 0, sum = 0, *counts, *places;
    int32_t *mine = kept_tell(&n), *all = NULL;

    PMPI_Comm_size(crmpi_private_world, &n_ranks);
    counts = calloc(n_ranks, sizeof *counts);
    places = calloc(n_ranks, sizeof *places);
    *n_out = -1;
    if (!mine || !counts || !places)
        goto out;
    PMPI_Allgather(&n, 1, MPI_INT, counts, 1, MPI_INT, crmpi_private_world);
    for (int i = 0; i < n_ranks; i++) {
        places[i] = sum;
        sum += counts[i];
    }
    *n_out = sum;
    if (sum == 0)
        goto out;
    all = malloc(sum * sizeof *all);
    if (!all || PMPI_Allgatherv(mine, n, MPI_INT32_T, all, counts, places, MPI_INT32_T,
                                crmpi_private_world) != MPI_SUCCESS)
        *n_out = -1;
out:
    free(mine);
    free(counts);
    free(places);
    return all;
}

static int by_told_id(const void *a, const void *b)
{
    uint64_t x, y;

    memcpy(&x, *(int32_t *const *)a, sizeof x);
    memcpy(&y, *(int32_t *const *)b, sizeof y);
    return x < y ? -1 : x > y;
}

static int has_rank(const int32_t *ranks, int n, int world_rank)
{
    for (int i = 0; i < n; i++)
        if (ranks[i] == world_rank)
            return 1;
    return 0;
}

/* Make one, if this rank is a member; its requests keep it. */
static int kept_make(int32_t *told, MPI_Group world, int world_rank)
{
    int32_t *members = told + N_HEAD, *peers = members + told[2];
    struct crmpi_comm c = {
        .size = told[2], .members = members, .remote_size = told[3], .peers = peers};
    MPI_Comm real;
    int error;

    memcpy(&c.id, told, sizeof c.id);
    if (has_rank(peers, told[3], world_rank)) {
        c.size = told[3];
        c.members = peers;
        c.remote_size = told[2];
        c.peers = members;
    } else if (!has_rank(members, told[2], world_rank)) {
        return MPI_SUCCESS;
    }
    error = comm_make(&c, world, &real);
    if (error != MPI_SUCCESS)
        return error;
    for (struct crmpi_handle *h = crmpi_handle_first(CRMPI_COMM); h; h = h->next)
        if (h->flags & CRMPI_HANDLE_FREED &&
            ((struct crmpi_comm *)h->extra)->id == c.id) {
            h->real = real;
            settings_rebuild(h);
            return MPI_SUCCESS;
        }
    return crmpi_comm_keep(c.id, real);
}

static int kept_rebuild(MPI_Group world)
{
    int n, n_told = 0, world_rank, error = MPI_SUCCESS;
    int32_t *all = kept_gather(&n), **told = malloc((n / N_HEAD + 1) * sizeof *told);

    if (n < 0 || !told)
        error = MPI_ERR_NO_MEM;
    for (int32_t *at = all; error == MPI_SUCCESS && at < all + n;
         at += N_HEAD + at[2] + at[3])
        told[n_told++] = at;
    qsort(told, n_told, sizeof *told, by_told_id);
    PMPI_Comm_rank(MPI_COMM_WORLD, &world_rank);
    for (int i = 0; i < n_told && error == MPI_SUCCESS; i++)
        if (i == 0 || by_told_id(&told[i - 1], &told[i]) != 0)
            error = kept_make(told[i], world, world_rank);
    free(told);
    free(all);
    return error;
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
        MPI_Comm real;
        if (comm_make(c, world, &real) == MPI_SUCCESS) {
            list[i]->real = real;
            settings_rebuild(list[i]);
        } else {
            snprintf(why, why_bytes,
                     "the communicator %s of %d processes cannot be made again",
                     c->name ? c->name : "", c->size);
            status = CRMPI_ERR_MPI;
        }
    }
    if (status == CRMPI_OK && kept_rebuild(world) != MPI_SUCCESS) {
        snprintf(why, why_bytes,
                 "a communicator of pending requests cannot be made again");
        status = CRMPI_ERR_MPI;
    }
    settings_rebuild(CRMPI_UPPER(struct crmpi_handle *, ompi_mpi_comm_world));
    settings_rebuild(CRMPI_UPPER(struct crmpi_handle *, ompi_mpi_comm_self));
    PMPI_Group_free(&world);
    free(list);
    return status;
}
