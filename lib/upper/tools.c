/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Libraries that put functions of their own in front of MPI's (upper half): tools that define
 * MPI_X, do something, and call PMPI_X.
 *
 * libcrmpi.so comes before all libraries, so the program calls its MPI_X, which is nothing but
 * a jump.  It goes to PMPI_X here or, where the dynamic linker would find MPI_X in a library
 * before it came to the MPI library, there.  A tool that looks for PMPI_X itself, behind itself
 * (dlsym() with RTLD_NEXT), finds the MPI library's: so where there is a tool the first
 * instructions of those become a jump, too.  And so they do in a program that calls the MPI
 * library's MPI_Init, which it has found by dlsym().
 */
#include <errno.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "upper/upper.h"

static const struct link_map *map_of_this(void)
{
    const struct link_map *map = _r_debug.r_map;

    while (map && map->l_ld != _DYNAMIC)
        map = map->l_next;
    return map;
}

static int tool_take(const struct link_map *map, const struct crmpi_symbols *symbols)
{
    int n = 0;

    for (int i = 0; crmpi_call_names[i]; i++) {
        void *function = crmpi_here[i] && crmpi_next[i] == crmpi_here[i]
                             ? crmpi_symbol_find(map, symbols, crmpi_call_names[i])
                             : NULL;

        if (function)
            crmpi_next[i] = function;
        n += function != NULL;
    }
    return n;
}

static unsigned char *code_of(const struct link_map *map, const struct crmpi_symbols *symbols,
                              int call)
{
    char name[64];

    snprintf(name, sizeof name, "P%s", crmpi_call_names[call]);
    return crmpi_here[call] ? crmpi_symbol_find(map, symbols, name) : NULL;
}

static int library_redirect(const struct link_map *map,
                            const struct crmpi_symbols *symbols)
{
    unsigned char *code, *first = NULL, *end = NULL;

    for (int i = 0; crmpi_call_names[i]; i++)
        if ((code = code_of(map, symbols, i))) {
            first = !first || code < first ? code : first;
            end = code + CRMPI_JUMP_BYTES > end ? code + CRMPI_JUMP_BYTES : end;
        }
    if (crmpi_code_open(first, end) != 0) {
        fprintf(stderr,
                "crmpi: the code of %s cannot be changed (mprotect: %s): what looks for "
                "MPI's "
                "functions by dlsym() will call that library\n",
                map->l_name, strerror(errno));
        return 0;
    }
    for (int i = 0; crmpi_call_names[i]; i++)
        if ((code = code_of(map, symbols, i)))
            crmpi_jump_make(code, crmpi_here[i]);
    crmpi_code_close(first, end);
    return 1;
}

/*
 * Programs that find MPI's functions in the MPI library itself, by dlsym(): one of these is the
 * first that they call, and leads to all.
 */

static const struct link_map *mpi_library;

static int call_of(const char *name)
{
    int i = 0;

    while (crmpi_call_names[i] && strcmp(crmpi_call_names[i], name) != 0)
        i++;
    return i;
}

static void *found(const char *name)
{
    struct crmpi_symbols symbols;

    if (!crmpi_symbols_get(mpi_library, &symbols) ||
        !library_redirect(mpi_library, &symbols))
        abort(); /* only MPI_Init would be ours; it has been said */
    return crmpi_here[call_of(name)];
}

static int found_init(int *argc, char ***argv)
{
    return ((int (*)(int *, char ***))found("MPI_Init"))(argc, argv);
}

static int found_init_thread(int *argc, char ***argv, int required, int *provided)
{
    return ((int (*)(int *, char ***, int, int *))found("MPI_Init_thread"))(
        argc, argv, required, provided);
}

static void init_redirect(const struct link_map *map, const struct crmpi_symbols *symbols)
{
    unsigned char *init = crmpi_symbol_find(map, symbols, "PMPI_Init");
    unsigned char *init_thread = crmpi_symbol_find(map, symbols, "PMPI_Init_thread");
    unsigned char *first = init < init_thread ? init : init_thread;
    unsigned char *end = (init < init_thread ? init_thread : init) + CRMPI_JUMP_BYTES;

    mpi_library = map;
    if (!init || !init_thread || crmpi_code_open(first, end) != 0)
        return;
    crmpi_jump_make(init, (const void *)found_init);
    crmpi_jump_make(init_thread, (const void *)found_init_thread);
    crmpi_code_close(first, end);
}

/* In the order in which the dynamic linker looks.  An MPI library is one that has PMPI_Init:
 * it ends the search. */
void crmpi_tools_find(void)
{
    const struct link_map *map = map_of_this();
    struct crmpi_symbols symbols;
    int n = 0;

    while (map && (map = map->l_next)) {
        if (!crmpi_symbols_get(map, &symbols))
            continue;
        if (crmpi_symbol_find(map, &symbols, "PMPI_Init")) {
            if (n > 0 && crmpi_is_split)
                library_redirect(map, &symbols);
            else if (crmpi_is_split)
                init_redirect(map, &symbols);
            return;
        }
        n += tool_take(map, &symbols);
    }
}
