/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Programs that cannot be split, see sanitizer.h.  Lower half.
 *
 * ThreadSanitizer and MemorySanitizer have shadow memory where the upper half would be, and
 * accept memory of the program in a few places only, none of which a split process has.
 * (AddressSanitizer's does not disturb.)  A program with one of them names its library, or
 * a function of it, among the strings of its dynamic symbols.
 */
#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "program/sanitizer.h"

static const struct {
    const char *sign, *name, *option;
} sanitizers[] = {
    {"libtsan.so", "ThreadSanitizer", "thread"},
    {"__tsan_init", "ThreadSanitizer", "thread"},
    {"__msan_init", "MemorySanitizer", "memory"},
};

/* A table within a file, or NULL. */
static const void *within(const char *file, uint64_t file_bytes, uint64_t offset,
                          uint64_t bytes)
{
    return offset < file_bytes && bytes <= file_bytes - offset ? file + offset : NULL;
}

/* The strings of the dynamic symbols; the loader checks the program, this only looks. */
static const char *strings_find(const char *file, uint64_t file_bytes,
                                uint64_t *bytes_out)
{
    const Elf64_Ehdr *header = within(file, file_bytes, 0, sizeof *header);
    const Elf64_Phdr *p =
        header ? within(file, file_bytes, header->e_phoff, header->e_phnum * sizeof *p)
               : NULL;
    const Elf64_Dyn *dynamic = NULL;
    uint64_t n = 0, address = 0;

    for (int i = 0; p && i < header->e_phnum; i++)
        if (p[i].p_type == PT_DYNAMIC) {
            dynamic = within(file, file_bytes, p[i].p_offset, p[i].p_filesz);
            n = p[i].p_filesz / sizeof *dynamic;
        }
    *bytes_out = 0;
    for (uint64_t i = 0; dynamic && i < n; i++) {
        if (dynamic[i].d_tag == DT_STRTAB)
            address = dynamic[i].d_un.d_ptr;
        if (dynamic[i].d_tag == DT_STRSZ)
            *bytes_out = dynamic[i].d_un.d_val;
    }
    for (int i = 0; p && i < header->e_phnum; i++)
        if (p[i].p_type == PT_LOAD && address >= p[i].p_vaddr &&
            address - p[i].p_vaddr < p[i].p_filesz)
            return within(file, file_bytes, p[i].p_offset + (address - p[i].p_vaddr),
                          *bytes_out);
    return NULL;
}

enum crmpi_status crmpi_sanitizer_check(const char *program)
{
    int fd = open(program, O_RDONLY | O_CLOEXEC);
    enum crmpi_status status = CRMPI_OK;
    const char *file = MAP_FAILED, *strings = NULL;
    struct stat about = {0};
    uint64_t bytes;

    if (fd >= 0 && fstat(fd, &about) == 0)
        file = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (file != MAP_FAILED)
        strings = strings_find(file, (uint64_t)about.st_size, &bytes);
    for (size_t i = 0; strings && i < sizeof sanitizers / sizeof *sanitizers; i++)
        if (memmem(strings, bytes, sanitizers[i].sign, strlen(sanitizers[i].sign))) {
            crmpi_error("%s is built with %s, which needs the addresses that crmpi has: "
                        "build it without -fsanitize=%s, or run it without crmpi "
                        "(AddressSanitizer works)",
                        program, sanitizers[i].name, sanitizers[i].option);
            status = CRMPI_ERR_UNSUPPORTED;
            break;
        }
    if (file != MAP_FAILED)
        munmap((void *)file, (size_t)about.st_size);
    if (fd >= 0)
        close(fd);
    return status;
}
