/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See gather.h.  Lower half, at a restart.
 */
#include <mpi.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/log.h"
#include "net/gather.h"

void *crmpi_gather(const void *mine, size_t n, size_t element_bytes, size_t *n_out)
{
    int n_ranks, *counts, *places, total = 0, bytes = (int)(n * element_bytes);
    char *all = NULL;

    PMPI_Comm_size(MPI_COMM_WORLD, &n_ranks);
    counts = malloc((size_t)n_ranks * sizeof *counts);
    places = malloc((size_t)n_ranks * sizeof *places);
    if (n * element_bytes > INT32_MAX)
        bytes = -1;
    if (counts && places &&
        PMPI_Allgather(&bytes, 1, MPI_INT, counts, 1, MPI_INT, MPI_COMM_WORLD) ==
            MPI_SUCCESS) {
        for (int i = 0; i < n_ranks && total >= 0; i++) {
            places[i] = total;
            total =
                counts[i] >= 0 && counts[i] <= INT32_MAX - total ? total + counts[i] : -1;
        }
        all = total >= 0 ? malloc((size_t)total + 1) : NULL;
        if (all && PMPI_Allgatherv(mine, bytes, MPI_BYTE, all, counts, places, MPI_BYTE,
                                   MPI_COMM_WORLD) != MPI_SUCCESS) {
            free(all);
            all = NULL;
        }
    }
    free(counts);
    free(places);
    if (!all)
        crmpi_error("the ranks cannot tell each other what they know of files");
    *n_out = (size_t)(total > 0 ? total : 0) / element_bytes;
    return all;
}

enum crmpi_status crmpi_agree(enum crmpi_status mine)
{
    int failed = mine != CRMPI_OK, any = 1;

    if (PMPI_Allreduce(&failed, &any, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD) != MPI_SUCCESS)
        return CRMPI_ERR_MPI;
    return failed || !any ? mine : CRMPI_ERR_UNFIT;
}
