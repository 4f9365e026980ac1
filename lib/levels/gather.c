/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the ranks of a fetch tell each other, see gather.h.  Lower half.
 */
#include <mpi.h>
#include <stdlib.h>
#include <string.h>
#include "base/config.h"
#include "base/log.h"
#include "levels/gather.h"

enum crmpi_status crmpi_gather_status(enum crmpi_status status)
{
    int mine = (int)status, worst;

    if (PMPI_Allreduce(&mine, &worst, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD) != MPI_SUCCESS)
        return CRMPI_ERR_MPI;
    return (enum crmpi_status)worst;
}

enum crmpi_status crmpi_gather_topology(uint32_t world_rank, uint32_t n_ranks,
                                        struct crmpi_topology *topology_out)
{
    char mine[CRMPI_NODE_BYTES] = "";
    char(*names)[CRMPI_NODE_BYTES] = calloc(n_ranks, sizeof *names);
    enum crmpi_status status =
        names ? crmpi_node_name(crmpi_config.nodes, world_rank, n_ranks, mine)
              : CRMPI_ERR_NOMEM;

    status = crmpi_gather_status(status);
    if (status == CRMPI_OK &&
        PMPI_Allgather(mine, sizeof mine, MPI_CHAR, names, sizeof mine, MPI_CHAR,
                       MPI_COMM_WORLD) != MPI_SUCCESS)
        status = CRMPI_ERR_MPI;
    if (status == CRMPI_OK)
        status = crmpi_topology_init(topology_out, (const char(*)[CRMPI_NODE_BYTES])names,
                                     n_ranks);
    free(names);
    return status;
}

/* The blocks of all ranks one after the other, from malloc(); places_out, where each
 * begins, likewise. */
static enum crmpi_status gather(const void *mine, size_t bytes, void **all_out,
                                int **places_out, size_t *bytes_out)
{
    int n_ranks, own = bytes <= INT32_MAX ? (int)bytes : -1;
    int64_t total = 0;
    int *counts, *places;
    void *all = NULL;

    PMPI_Comm_size(MPI_COMM_WORLD, &n_ranks);
    counts = malloc((size_t)n_ranks * sizeof *counts);
    places = malloc((size_t)n_ranks * sizeof *places);
    if (!counts || !places)
        PMPI_Abort(MPI_COMM_WORLD, 1);
    if (PMPI_Allgather(&own, 1, MPI_INT, counts, 1, MPI_INT, MPI_COMM_WORLD) !=
        MPI_SUCCESS)
        total = -1;
    for (int i = 0; i < n_ranks && total >= 0; i++) {
        places[i] = (int)total;
        total = counts[i] >= 0 && total + counts[i] <= INT32_MAX ? total + counts[i] : -1;
    }
    if (total >= 0 && !(all = malloc((size_t)total + 1)))
        PMPI_Abort(MPI_COMM_WORLD, 1);
    if (all && PMPI_Allgatherv(mine, own, MPI_BYTE, all, counts, places, MPI_BYTE,
                               MPI_COMM_WORLD) != MPI_SUCCESS) {
        free(all);
        all = NULL;
    }
    free(counts);
    if (!all) {
        crmpi_error("the list of files on all nodes is too long");
        free(places);
        return CRMPI_ERR_MPI;
    }
    *all_out = all;
    *places_out = places;
    *bytes_out = (size_t)total;
    return CRMPI_OK;
}

/* The ranks' copies number their own headers. */
static void renumber(struct crmpi_inventory *all, const int *copies, const int *shares,
                     int n_ranks)
{
    for (int rank = 0; rank < n_ranks; rank++) {
        size_t end = rank + 1 < n_ranks ? (size_t)copies[rank + 1] / sizeof *all->copies
                                        : all->n_copies;
        for (size_t i = (size_t)copies[rank] / sizeof *all->copies; i < end; i++)
            all->copies[i].share +=
                (uint32_t)((size_t)shares[rank] / sizeof *all->shares);
    }
}

enum crmpi_status crmpi_gather_inventory(struct crmpi_inventory *inventory)
{
    struct crmpi_inventory all = {0};
    int n_ranks, *copies = NULL, *shares = NULL;
    void *list;
    size_t bytes;
    enum crmpi_status status =
        gather(inventory->copies, inventory->n_copies * sizeof *inventory->copies, &list,
               &copies, &bytes);

    if (status != CRMPI_OK)
        return status;
    all.copies = list;
    all.n_copies = all.room_copies = bytes / sizeof *all.copies;
    status = gather(inventory->shares, inventory->n_shares * sizeof *inventory->shares,
                    &list, &shares, &bytes);
    if (status == CRMPI_OK) {
        all.shares = list;
        all.n_shares = all.room_shares = bytes / sizeof *all.shares;
        PMPI_Comm_size(MPI_COMM_WORLD, &n_ranks);
        renumber(&all, copies, shares, n_ranks);
        crmpi_inventory_sort(&all);
        crmpi_inventory_fini(inventory);
        *inventory = all;
    } else {
        free(all.copies);
    }
    free(copies);
    free(shares);
    return status;
}

enum crmpi_status crmpi_gather_states(struct crmpi_inventory *inventory,
                                      uint32_t world_rank)
{
    size_t n = inventory->n_copies;
    unsigned char *states = calloc(n + 1, 1);
    enum crmpi_status status = CRMPI_OK;

    if (!states)
        PMPI_Abort(MPI_COMM_WORLD, 1);
    for (size_t i = 0; i < n; i++)
        if (inventory->copies[i].keeper == world_rank)
            states[i] = (unsigned char)inventory->copies[i].state;
    if (PMPI_Allreduce(MPI_IN_PLACE, states, (int)n, MPI_UNSIGNED_CHAR, MPI_MAX,
                       MPI_COMM_WORLD) != MPI_SUCCESS)
        status = CRMPI_ERR_MPI;
    for (size_t i = 0; status == CRMPI_OK && i < n; i++)
        inventory->copies[i].state = states[i];
    free(states);
    return status;
}
