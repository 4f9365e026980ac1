/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Libraries that put functions of their own in front of MPI's (upper half): tools that define
 * MPI_X, do something, and call PMPI_X.
 *
 * libcrmpi.so comes before all libraries, so the program calls its MPI_X, which is nothing but
 * a jump.  It goes to PMPI_X here or, where the dynamic linker would find MPI_X in a library
 * before it came to the MPI library, there.  A tool that looks for PMPI_X itself, behind itself
 * (dlsym() with RTLD_NEXT), finds the MPI library's: so where there is a tool the first
 * instructions of those become a jump, too.
 */
#include <errno.h>
#include <link.h>
#include <stdio.h>
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

static void library_redirect(const struct link_map *map, const struct crmpi_symbols *symbols)
{
    unsigned char *code, *first = NULL, *end = NULL;

    for (int i = 0; crmpi_call_names[i]; i++)
        if ((code = code_of(map, symbols, i))) {
            first = !first || code < first ? code : first;
            end = code + CRMPI_JUMP_BYTES > end ? code + CRMPI_JUMP_BYTES : end;
        }
    if (crmpi_code_open(first, end) != 0) {
        fprintf(stderr,
                "crmpi: the code of %s cannot be changed (mprotect: %s): a tool that looks for "
                "MPI's functions by dlsym() will call that library\n",
                map->l_name, strerror(errno));
        return;
    }
    for (int i = 0; crmpi_call_names[i]; i++)
        if ((code = code_of(map, symbols, i)))
            crmpi_jump_make(code, crmpi_here[i]);
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
            return;
        }
        n += tool_take(map, &symbols);
    }
}
