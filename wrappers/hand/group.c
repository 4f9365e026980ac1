/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Groups (lower half).  The lower library computes them; their recipe is the list of
 * their world ranks.
 */
#include <stdio.h>
#include <stdlib.h>

#include "wrappers/objects.h"

int crmpi_group_world_ranks(MPI_Group real, int n, int32_t *world_ranks_out)
{
    MPI_Group world;
    int is_dynamic = 0;
    int *ranks = malloc((n + 1) * sizeof *ranks);

    if (!ranks)
        return -1;
    for (int i = 0; i < n; i++)
        ranks[i] = i;
    PMPI_Comm_group(MPI_COMM_WORLD, &world);
    PMPI_Group_translate_ranks(real, n, ranks, world, (int *)world_ranks_out);
    PMPI_Group_free(&world);
    for (int i = 0; i < n; i++)
        if (world_ranks_out[i] < 0) {
            world_ranks_out[i] = -1;
            is_dynamic = 1;
        }
    free(ranks);
    return is_dynamic;
}

static MPI_Group adopt(MPI_Group real, int n, int32_t *world_ranks, int is_dynamic)
{
    struct crmpi_handle *handle =
        crmpi_handle_create(CRMPI_GROUP, real, sizeof(struct crmpi_group));
    struct crmpi_group *group = handle->extra;

    group->n = n;
    group->world_ranks = world_ranks;
    group->is_dynamic = is_dynamic;
    if (is_dynamic)
        crmpi_dynamic_add();
    return (void *)handle;
}

MPI_Group crmpi_group_adopt(MPI_Group real)
{
    int32_t *world_ranks;
    int n = 0, is_dynamic;

    if (real == MPI_GROUP_EMPTY || real == MPI_GROUP_NULL)
        return (void *)crmpi_handle_of_real(CRMPI_GROUP, real);
    PMPI_Group_size(real, &n);
    world_ranks = crmpi_upper_alloc(n * sizeof *world_ranks);
    is_dynamic = crmpi_group_world_ranks(real, n, world_ranks);
    return adopt(real, n, world_ranks, is_dynamic);
}

/* The commonest two need no search for world ranks. */
int crmpi_lower_MPI_Comm_group(MPI_Comm comm, MPI_Group *group)
{
    const struct crmpi_comm *c = crmpi_comm_of(comm);
    MPI_Group real = CRMPI_NOTHING(MPI_Group);
    int error = PMPI_Comm_group(CRMPI_REAL(MPI_Comm, comm), group ? &real : NULL);

    if (error != MPI_SUCCESS) {
        crmpi_left_give(CRMPI_GROUP, real, group);
        return crmpi_comm_error(comm, error, "MPI_Comm_group");
    }
    int is_dynamic = 0;
    for (int i = 0; c->is_dynamic && i < c->size; i++)
        is_dynamic |= c->members[i] < 0;
    *group =
        adopt(real, c->size, crmpi_upper_dup(c->members, c->size * sizeof *c->members),
              is_dynamic);
    return MPI_SUCCESS;
}

int crmpi_lower_MPI_Group_incl(MPI_Group group, int n, const int ranks[],
                               MPI_Group *newgroup)
{
    const struct crmpi_group *from = CRMPI_EXTRA(group, group);
    MPI_Group real = CRMPI_NOTHING(MPI_Group);
    int error =
        PMPI_Group_incl(CRMPI_REAL(MPI_Group, group), n, ranks, newgroup ? &real : NULL);

    if (error != MPI_SUCCESS) {
        crmpi_left_give(CRMPI_GROUP, real, newgroup);
        return crmpi_comm_error(NULL, error, "MPI_Group_incl");
    }
    if (!from || real == MPI_GROUP_EMPTY) {
        *newgroup = crmpi_group_adopt(real);
        return MPI_SUCCESS;
    }
    int32_t *world_ranks = crmpi_upper_alloc(n * sizeof *world_ranks);
    int is_dynamic = 0;
    for (int i = 0; i < n; i++) {
        world_ranks[i] = from->world_ranks[ranks[i]];
        is_dynamic |= world_ranks[i] < 0;
    }
    *newgroup = adopt(real, n, world_ranks, is_dynamic);
    return MPI_SUCCESS;
}

void crmpi_group_destroy(struct crmpi_handle *handle)
{
    struct crmpi_group *group = handle->extra;
    MPI_Group real = handle->real;

    PMPI_Group_free(&real);
    crmpi_heap_free(group->world_ranks);
    if (group->is_dynamic)
        crmpi_dynamic_remove();
}

int crmpi_lower_MPI_Group_free(MPI_Group *group)
{
    if (!group || !CRMPI_EXTRA(group, *group)) {
        MPI_Group real = group ? CRMPI_REAL(MPI_Group, *group) : NULL;
        if (group && real == MPI_GROUP_EMPTY) {
            *group = CRMPI_UPPER(MPI_Group, ompi_mpi_group_null);
            return MPI_SUCCESS;
        }
        return crmpi_comm_error(NULL, MPI_ERR_GROUP, "MPI_Group_free");
    }
    crmpi_handle_release((void *)*group);
    *group = CRMPI_UPPER(MPI_Group, ompi_mpi_group_null);
    return MPI_SUCCESS;
}

enum crmpi_status crmpi_groups_rebuild(char *why, size_t why_bytes)
{
    MPI_Group world;

    PMPI_Comm_group(MPI_COMM_WORLD, &world);
    for (struct crmpi_handle *h = crmpi_handle_first(CRMPI_GROUP); h; h = h->next) {
        const struct crmpi_group *group = h->extra;
        MPI_Group real;

        if (PMPI_Group_incl(world, group->n, (int *)group->world_ranks, &real) !=
            MPI_SUCCESS) {
            snprintf(why, why_bytes, "a group of %d processes cannot be made again",
                     group->n);
            return CRMPI_ERR_MPI;
        }
        h->real = real;
    }
    PMPI_Group_free(&world);
    return CRMPI_OK;
}
