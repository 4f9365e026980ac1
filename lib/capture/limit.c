/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The bound of memory of checkpoints in the background, see limit.h.  Lower half.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/config.h"
#include "capture/limit.h"

size_t crmpi_limit_local_ranks(void)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS",
                                        "SLURM_NTASKS_PER_NODE"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *text = getenv(names[i]);
        unsigned long n = text ? strtoul(text, NULL, 10) : 0;

        if (n > 0)
            return n;
    }
    return 1;
}

/* A number in a file, behind a word at the beginning of a line if there is one. */
static uint64_t number_in(const char *path, const char *format)
{
    FILE *file = fopen(path, "re");
    unsigned long long number = UINT64_MAX;
    char line[256];

    while (file && fgets(line, sizeof line, file) && sscanf(line, format, &number) != 1)
        number = UINT64_MAX;
    if (file)
        fclose(file);
    return number;
}

/* What the node has, and what the control group may still take where there is one. */
static uint64_t available_bytes(void)
{
    uint64_t kib = number_in("/proc/meminfo", "MemAvailable: %llu");
    uint64_t most = number_in("/sys/fs/cgroup/memory.max", "%llu");
    uint64_t taken = number_in("/sys/fs/cgroup/memory.current", "%llu");
    uint64_t bytes = kib == UINT64_MAX ? 0 : kib * 1024;

    if (most == UINT64_MAX || taken == UINT64_MAX)
        return bytes;
    most = most > taken ? most - taken : 0;
    return most < bytes ? most : bytes;
}

uint64_t crmpi_limit_bytes(void)
{
    if (crmpi_config.async_memory_mib > 0)
        return (uint64_t)crmpi_config.async_memory_mib << 20;
    return available_bytes() / 2 / crmpi_limit_local_ranks();
}
