/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How Open MPI's Fortran functions become those of this library (upper half).
 *
 * Not by their names: mpi_wait and its like are also names that other libraries give to
 * functions of their own.  So where Open MPI's Fortran library is in the process, the
 * first instructions of the functions themselves become a jump.  It may be there from the
 * beginning, or be loaded later, with dlopen(): the dynamic linker calls an empty function
 * whenever it has mapped libraries, for debuggers, before anything can call them; that is
 * made to jump here, too.  The changed code is part of the process's memory, and so of a
 * checkpoint.
 */
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "upper/fortran.h"
#include "upper/upper.h"

#define PAGE 4096ul

/* By CRMPI_FORTRAN(); the linker gives the bounds. */
extern const struct crmpi_fortran_function __start_crmpi_fortran[]
    __attribute__((visibility("hidden")));
extern const struct crmpi_fortran_function __stop_crmpi_fortran[]
    __attribute__((visibility("hidden")));

/* movabs $to, %rax; jmp *%rax: no argument is in that register */
void crmpi_jump_make(unsigned char *code, const void *to)
{
    code[0] = 0x48;
    code[1] = 0xb8;
    memcpy(code + 2, &to, sizeof to);
    code[10] = 0xff;
    code[11] = 0xe0;
}

static int code_protect(const unsigned char *first, const unsigned char *end, int prot)
{
    uintptr_t start = (uintptr_t)first & ~(PAGE - 1);

    return mprotect((void *)start, ((uintptr_t)end - start + PAGE - 1) & ~(PAGE - 1),
                    prot);
}

/* Nobody runs the code meanwhile. */
int crmpi_code_open(const unsigned char *first, const unsigned char *end)
{
    return code_protect(first, end, PROT_READ | PROT_WRITE | PROT_EXEC);
}

void crmpi_code_close(const unsigned char *first, const unsigned char *end)
{
    code_protect(first, end, PROT_READ | PROT_EXEC);
}

/*
 * The symbols of a library that is mapped, and may not be relocated yet
 */

static const void *table_of(const struct link_map *map, const Elf64_Dyn *entry)
{
    uintptr_t at = entry->d_un.d_ptr;

    return (const void *)(at < map->l_addr ? at + map->l_addr : at);
}

int crmpi_symbols_get(const struct link_map *map, struct crmpi_symbols *symbols_out)
{
    struct crmpi_symbols s = {0};

    for (const Elf64_Dyn *entry = map->l_ld; entry && entry->d_tag != DT_NULL; entry++)
        if (entry->d_tag == DT_SYMTAB)
            s.symbols = table_of(map, entry);
        else if (entry->d_tag == DT_STRTAB)
            s.names = table_of(map, entry);
        else if (entry->d_tag == DT_GNU_HASH)
            s.hashes = table_of(map, entry);
    *symbols_out = s;
    return s.symbols && s.names && s.hashes;
}

static uint32_t name_hash(const char *name)
{
    uint32_t hash = 5381;

    while (*name)
        hash = hash * 33 + (unsigned char)*name++;
    return hash;
}

/* The address of a function that the library defines, NULL if it does not. */
unsigned char *crmpi_symbol_find(const struct link_map *map, const struct crmpi_symbols *s,
                                  const char *name)
{
    uint32_t n_buckets = s->hashes[0], first = s->hashes[1], n_words = s->hashes[2],
             shift = s->hashes[3], hash = name_hash(name);
    const uint64_t *filter = (const uint64_t *)(const void *)(s->hashes + 4);
    const uint32_t *buckets = (const uint32_t *)(const void *)(filter + n_words),
                   *chains = buckets + n_buckets;
    uint64_t bits = 1ul << hash % 64 | 1ul << (hash >> shift) % 64;

    if (!n_buckets || (filter[hash / 64 % n_words] & bits) != bits)
        return NULL;
    uint32_t i = buckets[hash % n_buckets];
    if (i < first)
        return NULL;
    for (;; i++) {
        const Elf64_Sym *symbol = (const Elf64_Sym *)s->symbols + i;
        uint32_t its_hash = chains[i - first];

        if ((its_hash | 1) == (hash | 1) && strcmp(s->names + symbol->st_name, name) == 0)
            return symbol->st_shndx != SHN_UNDEF &&
                           ELF64_ST_TYPE(symbol->st_info) == STT_FUNC
                       ? (unsigned char *)map->l_addr + symbol->st_value
                       : NULL;
        if (its_hash & 1)
            return NULL;
    }
}

/*
 * Open MPI's Fortran library
 */

static void library_redirect(const struct link_map *map, const struct crmpi_symbols *symbols)
{
    const struct crmpi_fortran_function *function;
    unsigned char *code, *first = NULL, *end = NULL;
    long n = 0;

    for (function = __start_crmpi_fortran; function < __stop_crmpi_fortran; function++) {
        code = crmpi_symbol_find(map, symbols, function->name);
        if (code && (!first || code < first))
            first = code;
        if (code && code + CRMPI_JUMP_BYTES > end)
            end = code + CRMPI_JUMP_BYTES;
        n += code != NULL;
    }
    if (n <= (__stop_crmpi_fortran - __start_crmpi_fortran) / 2)
        return; /* one that has a function of the same name */
    if (crmpi_code_open(first, end) != 0) {
        fprintf(
            stderr,
            "crmpi: the code of %s cannot be changed (mprotect: %s): Fortran programs "
            "need that; is there a security policy against it?\n",
            map->l_name, strerror(errno));
        abort();
    }
    for (function = __start_crmpi_fortran; function < __stop_crmpi_fortran; function++)
        if ((code = crmpi_symbol_find(map, symbols, function->name)))
            crmpi_jump_make(code, function->function);
    crmpi_code_close(first, end);
}

/* All libraries that have it and have not been seen to. */
static void libraries_redirect(void)
{
    const struct crmpi_fortran_function *any = __start_crmpi_fortran;
    unsigned char jump[CRMPI_JUMP_BYTES], *code;
    struct crmpi_symbols symbols;

    crmpi_jump_make(jump, any->function);
    for (const struct link_map *map = _r_debug.r_map; map; map = map->l_next)
        if (crmpi_symbols_get(map, &symbols) &&
            (code = crmpi_symbol_find(map, &symbols, any->name)) &&
            memcmp(code, jump, CRMPI_JUMP_BYTES) != 0)
            library_redirect(map, &symbols);
}

/* What the dynamic linker calls: libraries are about to be mapped or removed, or have been. */
static void linker_tells(void)
{
    int saved = errno;

    if (_r_debug.r_state == RT_CONSISTENT)
        libraries_redirect();
    errno = saved;
}

/* Whether there is nothing but a return, and room for a jump behind it. */
static int is_empty(const unsigned char *code)
{
    static const unsigned char endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
    size_t i = memcmp(code, endbr64, sizeof endbr64) == 0 ? sizeof endbr64 : 0;

    return code[i] == 0xc3 && (uintptr_t)code % 16 == 0;
}

void crmpi_redirect_start(void)
{
    unsigned char *code = (unsigned char *)_r_debug.r_brk;

    libraries_redirect();
    if (code && is_empty(code) && crmpi_code_open(code, code + CRMPI_JUMP_BYTES) == 0) {
        crmpi_jump_make(code, (const void *)linker_tells);
        crmpi_code_close(code, code + CRMPI_JUMP_BYTES);
    } else {
        fprintf(stderr, "crmpi: the dynamic linker does not tell of libraries that are "
                        "loaded later: a Fortran library among them must not call MPI\n");
    }
}
