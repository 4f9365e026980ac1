/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether all ranks are under crmpi (see presence.h).  Lower half.
 *
 * A rank that is not (a static program, a set-user-id one, LD_PRELOAD gone) takes no part in
 * collectives that crmpi has of its own, from MPI_Init on: the others would wait for ever.
 * So this goes another way: what MPI_Init exchanges between all ranks by PMIx is added to,
 * by standing in for PMIx_Commit(), as crmpi-host does for functions of libc.  Each rank
 * looks for its neighbours in the control tree: if a rank is missing another one notices.
 *
 * Where there is no libpmix.so.2 (an Open MPI that has PMIx inside, another launcher)
 * nothing can be told, and nothing is said.
 */
#include <dlfcn.h>
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/log.h"
#include "net/presence.h"
#include "net/tree.h"

/* Of PMIx, whose headers need not be installed: its interface is stable since version 2. */
#define KEY "crmpi.here"
#define PMIX_GLOBAL 3
#define PMIX_BOOL 1
#define PMIX_INT 6
#define PMIX_ERR_NOT_FOUND (-46)
struct pmix_proc {
    char nspace[256];
    uint32_t rank;
};
struct pmix_value {
    uint16_t type;
    union {
        _Bool flag;
        int integer;
        char room[24];
    } data;
};
struct pmix_info {
    char key[512];
    uint32_t flags;
    struct pmix_value value;
};

#define LOOKS 3 /* before a rank is said to be missing; each takes two seconds then */
#define MISSING_MAX 4 /* that are looked for and told */
#define END_SECONDS 10

int PMIx_Commit(void);

static void *function_of(const char *name)
{
    void *library = dlopen("libpmix.so.2", RTLD_LAZY | RTLD_NOLOAD);

    return library != NULL ? dlsym(library, name) : NULL;
}

/* The library below calls it in MPI_Init, before the ranks exchange what they have put. */
int PMIx_Commit(void)
{
    struct pmix_value here = {.type = PMIX_INT, .data.integer = 1};
    int (*put)(int, const char *, struct pmix_value *), (*commit)(void);

    *(void **)&put = function_of("PMIx_Put");
    *(void **)&commit = function_of("PMIx_Commit");
    if (put != NULL)
        put(PMIX_GLOBAL, KEY, &here);
    return commit != NULL ? commit() : PMIX_ERR_NOT_FOUND;
}

/* Whether it is known that a rank is under crmpi. */
static int is_here(uint32_t world_rank)
{
    const char *job = getenv("PMIX_NAMESPACE");
    struct pmix_info now = {.key = "pmix.immediate",
                            .value = {.type = PMIX_BOOL, .data.flag = 1}};
    struct pmix_proc proc = {.rank = world_rank};
    struct pmix_value *found = NULL;
    int (*get)(const struct pmix_proc *, const char *, const struct pmix_info *, size_t,
               struct pmix_value **);

    *(void **)&get = function_of("PMIx_Get");
    if (get == NULL || job == NULL)
        return 0;
    snprintf(proc.nspace, sizeof proc.nspace, "%s", job);
    if (get(&proc, KEY, &now, 1, &found) != 0 || found == NULL)
        return 0;
    free(found);
    return 1;
}

/* They have met in MPI_Init; but who serves what they have put may be behind. */
static int is_missing(uint32_t world_rank)
{
    for (int i = 0; i < LOOKS; i++)
        if (is_here(world_rank))
            return 0;
    return 1;
}

static int misses_a_neighbour(const char *here, uint32_t rank, uint32_t n_ranks)
{
    if (rank > 0 && !here[CRMPI_TREE_PARENT(rank)])
        return 1;
    for (unsigned i = 0; i < CRMPI_TREE_CHILDREN; i++)
        if (CRMPI_TREE_CHILD((uint64_t)rank, i) < n_ranks &&
            !here[CRMPI_TREE_CHILD(rank, i)])
            return 1;
    return 0;
}

static void list(const char *here, uint32_t n_ranks, char *text, size_t bytes)
{
    size_t used = 0;

    for (uint32_t rank = 0; rank < n_ranks && used + 32 < bytes; rank++) {
        uint32_t last = rank;
        if (here[rank])
            continue;
        while (last + 1 < n_ranks && !here[last + 1])
            last++;
        used +=
            (size_t)snprintf(text + used, bytes - used, last > rank ? "%s%u-%u" : "%s%u",
                             used > 0 ? ", " : "", rank, last);
        rank = last;
    }
}

/* Somebody is missing: see who, and end the job; the first who notices tells. */
static void end_job(uint32_t world_rank, uint32_t n_ranks)
{
    char *here = calloc(n_ranks, 1), missing[256] = "";
    uint32_t first = 0, n_missing = 0;

    for (uint32_t rank = 0; here != NULL && rank < n_ranks; rank++) {
        here[rank] = n_missing == MISSING_MAX || is_here(rank);
        n_missing += !here[rank];
    }
    while (here != NULL && first < n_ranks &&
           (!here[first] || !misses_a_neighbour(here, first, n_ranks)))
        first++;
    if (here != NULL && first != world_rank && first < n_ranks)
        sleep(END_SECONDS); /* it does */
    if (here != NULL)
        list(here, n_ranks, missing, sizeof missing);
    crmpi_error(
        "rank%s %s%s run%s without crmpi, which the others cannot do with: linked "
        "statically, set-user-id, or LD_PRELOAD was changed on the way to it",
        strpbrk(missing, ",-") != NULL ? "s" : "", missing,
        n_missing == MISSING_MAX ? ", and perhaps others," : "",
        strpbrk(missing, ",-") != NULL ? "" : "s");
    free(here);
    PMPI_Abort(MPI_COMM_WORLD, 1);
}

void crmpi_presence_check(void)
{
    int world_rank, n_ranks;

    if (PMPI_Comm_rank(MPI_COMM_WORLD, &world_rank) != MPI_SUCCESS ||
        PMPI_Comm_size(MPI_COMM_WORLD, &n_ranks) != MPI_SUCCESS || n_ranks < 2 ||
        !is_here((uint32_t)world_rank))
        return;
    if (world_rank > 0 && is_missing(CRMPI_TREE_PARENT((uint32_t)world_rank)))
        end_job((uint32_t)world_rank, (uint32_t)n_ranks);
    for (unsigned i = 0; i < CRMPI_TREE_CHILDREN; i++) {
        uint64_t child = CRMPI_TREE_CHILD((uint64_t)world_rank, i);
        if (child < (uint64_t)n_ranks && is_missing((uint32_t)child))
            end_job((uint32_t)world_rank, (uint32_t)n_ranks);
    }
}
