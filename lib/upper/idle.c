/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Libraries that the MPI library needs, and that are idle in the upper half (upper half).
 *
 * All of MPI's libraries are in the upper half again, for the names that the program refers to, and
 * do nothing there.  One of them measures the processor's clock before main(), which takes 0.1 s: as
 * this library comes before all others it can take that out of what the dynamic linker will call.
 */
#include <elf.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>

#include "upper/upper.h"

#define PAGE 4096ul

static int is_idle(const char *path)
{
    static const char *const names[] = {"libpsm2.so.2"};
    const char *slash = strrchr(path, '/');

    for (size_t i = 0; slash && i < sizeof names / sizeof *names; i++)
        if (strcmp(slash + 1, names[i]) == 0)
            return 1;
    return 0;
}

/* The dynamic linker reads the number of constructors there, when it comes to them. */
static void forget_constructors(Elf64_Dyn *entry, uintptr_t read_only, uintptr_t end)
{
    while (entry->d_tag != DT_NULL && entry->d_tag != DT_INIT_ARRAYSZ)
        entry++;
    uintptr_t start = (uintptr_t)entry & ~(PAGE - 1);
    size_t bytes = ((uintptr_t)(entry + 1) - start + PAGE - 1) & ~(PAGE - 1);

    if (entry->d_tag == DT_NULL ||
        mprotect((void *)start, bytes, PROT_READ | PROT_WRITE) != 0)
        return;
    entry->d_un.d_val = 0;
    if (start >= read_only && start + bytes <= end)
        mprotect((void *)start, bytes, PROT_READ);
}

static int look(struct dl_phdr_info *info, size_t bytes, void *nothing)
{
    Elf64_Dyn *entries = NULL;
    uintptr_t read_only = 0, end = 0; /* whole pages, since the library was relocated */

    (void)bytes;
    (void)nothing;
    if (!is_idle(info->dlpi_name))
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        uintptr_t start = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;

        if (info->dlpi_phdr[i].p_type == PT_DYNAMIC)
            entries = (void *)start;
        if (info->dlpi_phdr[i].p_type == PT_GNU_RELRO) {
            read_only = start & ~(PAGE - 1);
            end = (start + info->dlpi_phdr[i].p_memsz) & ~(PAGE - 1);
        }
    }
    if (entries)
        forget_constructors(entries, read_only, end);
    return 0;
}

void crmpi_idle_libraries(void)
{
    dl_iterate_phdr(look, NULL);
}
