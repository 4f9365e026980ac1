/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How the memory of a rank's dependency data grows with the job: the tables of streams of
 * ranks that exchange messages with all neighbours of a three-dimensional grid, with a
 * logarithm of the ranks, or with all, in jobs of 1,000 to 100,000.  Prints bytes, and checks
 * that they follow what a rank uses and not the size of the job.  Test.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "boundary/control.h"
#include "interaction/streams.h"

#define N_TAGS 4
#define N_GRID 26

/* Bytes of the table after messages with so many ranks, spread over the job. */
static size_t table_bytes(uint32_t n_ranks, uint32_t n_peers)
{
    struct crmpi_stream_table table = {0};
    size_t bytes;

    for (uint32_t i = 0; i < n_peers; i++)
        for (int tag = 0; tag < N_TAGS; tag++) {
            uint32_t peer = (uint32_t)((uint64_t)i * n_ranks / n_peers);
            struct crmpi_stream_slot *slot =
                crmpi_stream_at(&table, crmpi_stream_key((int)peer, tag));

            if (slot)
                slot->sent++; /* else all further ones are counted together, by rank */
        }
    bytes = crmpi_stream_room(&table) * sizeof *table.slots;
    crmpi_streams_fini(&table);
    return bytes;
}

static uint32_t log2_of(uint32_t n)
{
    return n > 1 ? 1 + log2_of((n + 1) / 2) : 0;
}

static int check(int fine, const char *what)
{
    if (!fine)
        printf("FAILED: %s\n", what);
    return !fine;
}

int main(void)
{
    const size_t slot = sizeof(struct crmpi_stream_slot);
    size_t grid_before = 0;
    int failures = 0;

    if (mmap((void *)CRMPI_U0, CRMPI_CONTROL_BYTES, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
             0) != (void *)CRMPI_U0)
        return EXIT_FAILURE;
    printf("streams with %d tags, bytes in a rank:\n%10s %12s %12s %12s\n", N_TAGS, "ranks",
           "grid", "log2", "all");
    for (uint32_t n_ranks = 1000; n_ranks <= 100000; n_ranks *= 10) {
        size_t grid = table_bytes(n_ranks, N_GRID);
        size_t logarithm = table_bytes(n_ranks, log2_of(n_ranks));
        size_t all = table_bytes(n_ranks, n_ranks);

        printf("%10u %12zu %12zu %12zu\n", n_ranks, grid, logarithm, all);
        failures += check(grid_before == 0 || grid == grid_before,
                          "a grid's bytes do not depend on the size of the job");
        failures += check(logarithm <= 4 * slot * N_TAGS * log2_of(n_ranks) + 16 * slot,
                          "at most four slots for each stream");
        failures += check(all <= 2 * slot * CRMPI_STREAMS_MAX &&
                              all <= 4 * slot * N_TAGS * n_ranks,
                          "at most the bound of a table");
        grid_before = grid;
    }
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
