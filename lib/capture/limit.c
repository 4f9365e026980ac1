/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The bound of memory of checkpoints in the background, see limit.h.  Lower half.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* The files of a control group: version 2's, or version 1's for memory. */
static const struct version {
    const char *controllers; /* in the lines of /proc/self/cgroup */
    const char *mount, *most, *taken, *cached;
} versions[] = {
    {"", "", "memory.max", "memory.current", "inactive_file %llu"},
    {"", "/unified", "memory.max", "memory.current", "inactive_file %llu"},
    {"memory", "/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
     "total_inactive_file %llu"},
};

/* What a group may still take, with what the kernel gives back of files it has cached. */
static uint64_t group_bytes(const struct version *version, const char *folder)
{
    char path[4600];
    uint64_t most, taken, cached;

    snprintf(path, sizeof path, "%s/%s", folder, version->most);
    most = number_in(path, "%llu");
    snprintf(path, sizeof path, "%s/%s", folder, version->taken);
    taken = number_in(path, "%llu");
    snprintf(path, sizeof path, "%s/memory.stat", folder);
    cached = number_in(path, version->cached);
    if (most == UINT64_MAX || taken == UINT64_MAX)
        return UINT64_MAX;
    if (cached != UINT64_MAX)
        taken = taken > cached ? taken - cached : 0;
    return most > taken ? most - taken : 0;
}

/* The least that the group of a path and those it lies in may still take. */
static uint64_t groups_bytes(const struct version *version, const char *root,
                             const char *path)
{
    uint64_t least = UINT64_MAX, bytes;
    char folder[4400];
    size_t stem = (size_t)snprintf(folder, sizeof folder, "%s%s", root, version->mount);

    if (stem + strlen(path) >= sizeof folder)
        return least;
    strcpy(folder + stem, path);
    for (;;) {
        char *slash = strrchr(folder + stem, '/');

        if (slash && slash[1] == '\0')
            *slash = '\0'; /* of the root */
        bytes = group_bytes(version, folder);
        least = bytes < least ? bytes : least;
        if (!(slash = strrchr(folder + stem, '/')))
            return least;
        *slash = '\0';
    }
}

uint64_t crmpi_limit_of_groups(const char *list, const char *root)
{
    FILE *file = fopen(list, "re");
    uint64_t least = UINT64_MAX, bytes;
    char line[4300], controllers[256], path[4096];

    while (file && fgets(line, sizeof line, file)) {
        controllers[0] = '\0';
        if (sscanf(line, "%*u::%4095[^\n]", path) != 1 &&
            sscanf(line, "%*u:%255[^:]:%4095[^\n]", controllers, path) != 2)
            continue;
        for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
            if (strcmp(controllers, versions[i].controllers) != 0)
                continue;
            bytes = groups_bytes(&versions[i], root, path);
            least = bytes < least ? bytes : least;
        }
    }
    if (file)
        fclose(file);
    return least;
}

/* What the node has, and what the control groups may still take where there are some. */
static uint64_t available_bytes(void)
{
    uint64_t kib = number_in("/proc/meminfo", "MemAvailable: %llu");
    uint64_t most = crmpi_limit_of_groups("/proc/self/cgroup", "/sys/fs/cgroup");
    uint64_t bytes = kib == UINT64_MAX ? 0 : kib * 1024;

    return most < bytes ? most : bytes;
}

uint64_t crmpi_limit_bytes(void)
{
    if (crmpi_config.async_memory_mib > 0)
        return (uint64_t)crmpi_config.async_memory_mib << 20;
    return available_bytes() / 2 / crmpi_limit_local_ranks();
}
