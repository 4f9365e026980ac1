/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files that several ranks have open for writing.  In a line whose checkpoints are of
 * different times they know them with different lengths, and none may cut what another has
 * written before its checkpoint.  So all agree on the largest.  Lower half, at a restart.
 */
#include <fcntl.h>
#include <mpi.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/log.h"
#include "capture/files.h"

struct length {
    uint64_t file; /* a digest of what tells it from others */
    uint64_t bytes;
};

static int is_written(const struct crmpi_file *file)
{
    return file->kind == CRMPI_FILE_REGULAR && (file->flags & O_ACCMODE) != O_RDONLY;
}

static uint64_t digest_of(const struct crmpi_file *file)
{
    struct crmpi_checksum_state state;

    crmpi_checksum_begin(&state);
    crmpi_checksum_add(&state, file->identity, sizeof file->identity);
    crmpi_checksum_add(&state, file->path, strlen(file->path));
    return crmpi_checksum_end(&state);
}

/* What all ranks know, from malloc(); *n_out of them. */
static struct length *gather(const struct length *mine, int n, size_t *n_out)
{
    struct length *all = NULL;
    int n_ranks, *counts, *places, total = 0, bytes = n * (int)sizeof *mine;

    PMPI_Comm_size(MPI_COMM_WORLD, &n_ranks);
    counts = malloc((size_t)n_ranks * sizeof *counts);
    places = malloc((size_t)n_ranks * sizeof *places);
    if (counts && places &&
        PMPI_Allgather(&bytes, 1, MPI_INT, counts, 1, MPI_INT, MPI_COMM_WORLD) ==
            MPI_SUCCESS) {
        for (int i = 0; i < n_ranks && total >= 0; i++) {
            places[i] = total;
            total = counts[i] <= INT32_MAX - total ? total + counts[i] : -1;
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
    *n_out = (size_t)(total > 0 ? total : 0) / sizeof *all;
    return all;
}

static int by_file(const void *a, const void *b)
{
    const struct length *x = a, *y = b;

    if (x->file != y->file)
        return x->file < y->file ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

/* The largest length of a file in the list, which is sorted. */
static uint64_t largest(const struct length *all, size_t n, uint64_t file)
{
    size_t low = 0, high = n;

    while (low < high) { /* to behind the last of the file */
        size_t middle = low + (high - low) / 2;
        if (all[middle].file <= file)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && all[low - 1].file == file ? all[low - 1].bytes : 0;
}

enum crmpi_status crmpi_files_agree(struct crmpi_file *files, size_t n_files)
{
    struct length *mine = malloc((n_files + 1) * sizeof *mine), *all = NULL;
    size_t n = 0, n_all = 0;

    for (size_t i = 0; mine && i < n_files; i++)
        if (is_written(&files[i]))
            mine[n++] = (struct length){digest_of(&files[i]), files[i].size};
    if (mine)
        all = gather(mine, (int)n, &n_all);
    free(mine);
    if (!all) {
        crmpi_error("the ranks cannot agree on the lengths of files");
        return CRMPI_ERR_NOMEM;
    }
    if (n_all > 1)
        qsort(all, n_all, sizeof *all, by_file);
    for (size_t i = 0; i < n_files; i++)
        if (is_written(&files[i])) {
            uint64_t bytes = largest(all, n_all, digest_of(&files[i]));

            if (bytes > files[i].size)
                files[i].size = bytes;
        }
    free(all);
    return CRMPI_OK;
}
