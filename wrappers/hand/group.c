/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Groups (lower half).  The lower library computes them; their recipe is the list of their
 * world ranks.
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

MPI_Group crmpi_group_adopt(MPI_Group real)
{
    if (real == MPI_GROUP_EMPTY || real == MPI_GROUP_NULL)
        return (void *)crmpi_handle_of_real(CRMPI_GROUP, real);
    struct crmpi_handle *handle =
        crmpi_handle_create(CRMPI_GROUP, real, sizeof(struct crmpi_group));
    struct crmpi_group *group = handle->extra;
    int n = 0;

    PMPI_Group_size(real, &n);
    group->n = n;
    group->world_ranks = crmpi_upper_alloc(n * sizeof *group->world_ranks);
    group->is_dynamic = crmpi_group_world_ranks(real, n, group->world_ranks);
    return (void *)handle;
}

void crmpi_group_destroy(struct crmpi_handle *handle)
{
    struct crmpi_group *group = handle->extra;
    MPI_Group real = handle->real;

    PMPI_Group_free(&real);
    crmpi_heap_free(group->world_ranks);
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
            snprintf(why, why_bytes, "a group of %d processes cannot be made again", group->n);
            return CRMPI_ERR_MPI;
        }
        h->real = real;
    }
    PMPI_Group_free(&world);
    return CRMPI_OK;
}
