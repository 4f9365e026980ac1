/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bringing a program up as the upper half (see loader.h): an ELF loader that checks every
 * number it reads, and the first stack as the System V ABI has it.
 */
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "boundary/control.h"
#include "boundary/entries.h"
#include "boundary/raw.h"
#include "lower/raw.h"
#include "program/loader.h"

#define PAGE 4096ul
#define PAGE_DOWN(n) ((n) & ~(PAGE - 1))
#define PAGE_UP(n) PAGE_DOWN((n) + PAGE - 1)
#define MAX_PHDRS 64
#define STACK_UNLIMITED (16ul << 30) /* address space for "unlimited"; costs no memory */

struct image {
    const char *path;
    int fd;
    uint64_t file_bytes;
    Elf64_Ehdr header;
    Elf64_Phdr phdrs[MAX_PHDRS];
    uint64_t bias;          /* added to the file's addresses */
    uint64_t end;           /* of the mapped image */
    uint64_t phdrs_address; /* in memory */
    char interpreter[4096];
};

enum crmpi_status crmpi_control_map(void)
{
    void *page = crmpi_map((void *)CRMPI_U0, CRMPI_CONTROL_BYTES, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

    if (page != (void *)CRMPI_U0) {
        crmpi_error("cannot map the upper half's control page: %s", strerror(errno));
        return CRMPI_ERR_SYSTEM;
    }
    crmpi_control->magic = CRMPI_CONTROL_MAGIC;
    crmpi_control->version = crmpi_calls_hash;
    crmpi_control->map_next = CRMPI_MAP_ADDR;
    return CRMPI_OK;
}

/*
 * ELF files
 */

static enum crmpi_status bad(const struct image *image, const char *what)
{
    crmpi_error("cannot load %s: %s", image->path, what);
    return CRMPI_ERR_FORMAT;
}

static int read_at(const struct image *image, void *data, size_t bytes, uint64_t offset)
{
    return pread(image->fd, data, bytes, offset) == (ssize_t)bytes ? 0 : -1;
}

/* Read and check the headers. */
static enum crmpi_status image_read(struct image *image)
{
    const Elf64_Ehdr *h = &image->header;
    struct stat about;

    image->fd = open(image->path, O_RDONLY | O_CLOEXEC);
    if (image->fd < 0 || fstat(image->fd, &about) != 0)
        return bad(image, strerror(errno));
    image->file_bytes = about.st_size;
    if (read_at(image, &image->header, sizeof image->header, 0) != 0 ||
        memcmp(h->e_ident, ELFMAG, SELFMAG) != 0 || h->e_ident[EI_CLASS] != ELFCLASS64 ||
        h->e_machine != EM_X86_64 || (h->e_type != ET_EXEC && h->e_type != ET_DYN))
        return bad(image, "not a program for x86-64");
    if (h->e_phentsize != sizeof(Elf64_Phdr) || h->e_phnum == 0 ||
        h->e_phnum > MAX_PHDRS ||
        read_at(image, image->phdrs, h->e_phnum * sizeof(Elf64_Phdr), h->e_phoff) != 0)
        return bad(image, "damaged program headers");
    for (int i = 0; i < h->e_phnum; i++) {
        const Elf64_Phdr *p = &image->phdrs[i];

        if (p->p_type == PT_LOAD &&
            (p->p_filesz > p->p_memsz || p->p_offset + p->p_filesz < p->p_offset ||
             p->p_offset + p->p_filesz > image->file_bytes ||
             p->p_vaddr + p->p_memsz < p->p_vaddr ||
             p->p_vaddr + p->p_memsz > 1ul << 46 ||
             (p->p_vaddr ^ p->p_offset) & (PAGE - 1)))
            return bad(image, "damaged segment");
        if (p->p_type == PT_INTERP &&
            (p->p_filesz == 0 || p->p_filesz >= sizeof image->interpreter ||
             read_at(image, image->interpreter, p->p_filesz, p->p_offset) != 0))
            return bad(image, "damaged interpreter name");
    }
    return CRMPI_OK;
}

static int segment_prot(const Elf64_Phdr *p)
{
    return (p->p_flags & PF_R ? PROT_READ : 0) | (p->p_flags & PF_W ? PROT_WRITE : 0) |
           (p->p_flags & PF_X ? PROT_EXEC : 0);
}

/* Map one segment: its pages of the file, then zeroed memory. */
static int segment_map(const struct image *image, const Elf64_Phdr *p)
{
    uint64_t start = image->bias + p->p_vaddr, file_end = start + p->p_filesz;
    uint64_t end = PAGE_UP(start + p->p_memsz), zero = PAGE_UP(file_end);
    int prot = segment_prot(p);

    if (p->p_filesz && crmpi_map((void *)PAGE_DOWN(start), file_end - PAGE_DOWN(start),
                                 prot, MAP_PRIVATE | MAP_FIXED, image->fd,
                                 PAGE_DOWN(p->p_offset)) == MAP_FAILED)
        return -1;
    if (p->p_memsz > p->p_filesz) {
        if (zero > file_end && p->p_filesz && p->p_flags & PF_W)
            memset((void *)file_end, 0, zero - file_end);
        if (end > zero &&
            crmpi_map((void *)zero, end - zero, prot,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
            return -1;
    }
    return 0;
}

/* Map the image, a position-independent one at @p base. */
static enum crmpi_status image_map(struct image *image, uint64_t base)
{
    const Elf64_Ehdr *h = &image->header;
    uint64_t low = UINT64_MAX, high = 0;

    for (int i = 0; i < h->e_phnum; i++) {
        const Elf64_Phdr *p = &image->phdrs[i];

        if (p->p_type != PT_LOAD)
            continue;
        low = PAGE_DOWN(p->p_vaddr) < low ? PAGE_DOWN(p->p_vaddr) : low;
        high = p->p_vaddr + p->p_memsz > high ? p->p_vaddr + p->p_memsz : high;
        if (h->e_phoff >= p->p_offset && h->e_phoff < p->p_offset + p->p_filesz)
            image->phdrs_address = h->e_phoff - p->p_offset + p->p_vaddr;
    }
    if (low >= high)
        return bad(image, "nothing to load");
    image->bias = h->e_type == ET_DYN ? base - low : 0;
    image->end = PAGE_UP(image->bias + high);
    image->phdrs_address += image->bias;
    if (!crmpi_is_upper(image->bias + low) || !crmpi_is_upper(image->end))
        return bad(image, "it is linked for an address that crmpi cannot use");
    if (crmpi_map((void *)(image->bias + low), high - low, PROT_NONE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1,
                  0) == MAP_FAILED)
        return bad(image, "its addresses are in use");
    for (int i = 0; i < h->e_phnum; i++)
        if (image->phdrs[i].p_type == PT_LOAD &&
            segment_map(image, &image->phdrs[i]) != 0)
            return bad(image, strerror(errno));
    return CRMPI_OK;
}

/*
 * The vdso
 */

/* vdso.S, linked: embedded by the assembler. */
extern const unsigned char crmpi_vdso_file[], crmpi_vdso_file_end[];
__asm__(".section .rodata\n"
        ".globl crmpi_vdso_file\n"
        ".globl crmpi_vdso_file_end\n"
        ".p2align 4\n"
        "crmpi_vdso_file: .incbin \"" CRMPI_VDSO_FILE "\"\n"
        "crmpi_vdso_file_end:\n"
        ".previous\n");

enum crmpi_status crmpi_vdso_map(void)
{
    size_t bytes = crmpi_vdso_file_end - crmpi_vdso_file;
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)crmpi_vdso_file;
    const Elf64_Phdr *p = (const Elf64_Phdr *)(crmpi_vdso_file + header->e_phoff);
    char *at =
        crmpi_map((void *)CRMPI_VDSO_ADDR, CRMPI_VDSO_BYTES, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

    if (at != (char *)CRMPI_VDSO_ADDR) {
        crmpi_error("cannot map the upper half's vdso: %s", strerror(errno));
        return CRMPI_ERR_SYSTEM;
    }
    for (int i = 0; i < header->e_phnum; i++)
        if (p[i].p_type == PT_LOAD && p[i].p_vaddr + p[i].p_memsz <= CRMPI_VDSO_BYTES &&
            p[i].p_offset + p[i].p_filesz <= bytes)
            memcpy(at + p[i].p_vaddr, crmpi_vdso_file + p[i].p_offset, p[i].p_filesz);
    mprotect(at, CRMPI_VDSO_BYTES, PROT_READ | PROT_EXEC);
    return CRMPI_OK;
}

/* For a kernel whose vdso lacks a function. */
static long fallback_clock_gettime(long clock, struct timespec *time_out)
{
    return crmpi_raw(SYS_clock_gettime, clock, (long)time_out, 0, 0, 0, 0);
}

static long fallback_gettimeofday(void *time_out, void *zone_out)
{
    return crmpi_raw(SYS_gettimeofday, (long)time_out, (long)zone_out, 0, 0, 0, 0);
}

static long fallback_time(long *time_out)
{
    return crmpi_raw(SYS_time, (long)time_out, 0, 0, 0, 0, 0);
}

static long fallback_clock_getres(long clock, struct timespec *time_out)
{
    return crmpi_raw(SYS_clock_getres, clock, (long)time_out, 0, 0, 0, 0);
}

static long fallback_getcpu(unsigned *cpu_out, unsigned *node_out)
{
    return crmpi_raw(SYS_getcpu, (long)cpu_out, (long)node_out, 0, 0, 0, 0);
}

void crmpi_vdso_renew(void)
{
    static const struct {
        const char *name;
        void *fallback;
    } functions[] = {
        {"__vdso_clock_gettime", (void *)fallback_clock_gettime},
        {"__vdso_gettimeofday", (void *)fallback_gettimeofday},
        {"__vdso_time", (void *)fallback_time},
        {"__vdso_clock_getres", (void *)fallback_clock_getres},
        {"__vdso_getcpu", (void *)fallback_getcpu},
    };
    void *vdso = dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_NOLOAD);

    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        void *function = vdso ? dlsym(vdso, functions[i].name) : NULL;

        crmpi_control->vdso[i] = (uint64_t)(function ? function : functions[i].fallback);
    }
    if (vdso)
        dlclose(vdso); /* it stays: it is the kernel's */
}

/*
 * The first stack
 */

static uint64_t push_bytes(uint64_t *sp, const void *data, size_t bytes)
{
    *sp -= bytes;
    memcpy((void *)*sp, data, bytes);
    return *sp;
}

static uint64_t stack_map(void)
{
    struct rlimit limit;
    uint64_t bytes = 8ul << 20;

    if (getrlimit(RLIMIT_STACK, &limit) == 0)
        bytes =
            limit.rlim_cur > STACK_UNLIMITED ? STACK_UNLIMITED : PAGE_UP(limit.rlim_cur);
    if (bytes < 1ul << 20)
        bytes = 1ul << 20;
    void *at = crmpi_map((void *)(CRMPI_STACK_END - bytes), bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK |
                             MAP_FIXED_NOREPLACE,
                         -1, 0);

    return at == MAP_FAILED ? 0 : CRMPI_STACK_END;
}

/* The auxiliary vector of this process, with the entries that differ above. */
static size_t auxv_make(Elf64_auxv_t *out, const struct image *program,
                        const struct image *interpreter, uint64_t name, uint64_t random)
{
    static const unsigned long copied[] = {
        AT_HWCAP, AT_HWCAP2, AT_PAGESZ, AT_CLKTCK,      AT_UID, AT_EUID, AT_GID,
        AT_EGID,  AT_FLAGS,  AT_SECURE, AT_MINSIGSTKSZ, 27,     28};
    static const char platform[] = "x86_64";
    size_t n = 0;

    for (size_t i = 0; i < sizeof copied / sizeof *copied; i++) {
        errno = 0;
        unsigned long value = getauxval(copied[i]);

        if (errno == 0)
            out[n++] = (Elf64_auxv_t){copied[i], {value}};
    }
    out[n++] = (Elf64_auxv_t){AT_PHDR, {program->phdrs_address}};
    out[n++] = (Elf64_auxv_t){AT_PHENT, {sizeof(Elf64_Phdr)}};
    out[n++] = (Elf64_auxv_t){AT_PHNUM, {program->header.e_phnum}};
    out[n++] = (Elf64_auxv_t){AT_BASE, {interpreter->bias}};
    out[n++] = (Elf64_auxv_t){AT_ENTRY, {program->bias + program->header.e_entry}};
    out[n++] = (Elf64_auxv_t){AT_EXECFN, {name}};
    out[n++] = (Elf64_auxv_t){AT_RANDOM, {random}};
    out[n++] = (Elf64_auxv_t){AT_PLATFORM, {random + 16}};
    memcpy((void *)(random + 16), platform, sizeof platform);
    out[n++] = (Elf64_auxv_t){AT_SYSINFO_EHDR, {CRMPI_VDSO_ADDR}};
    out[n++] = (Elf64_auxv_t){AT_NULL, {0}};
    return n;
}

static uint64_t stack_build(uint64_t sp, const struct image *program,
                            const struct image *interpreter, int argc, char **argv,
                            char **envp)
{
    Elf64_auxv_t auxv[48];
    size_t n_env = 0, n_words, n_auxv;
    unsigned char random[32] = {0};

    while (envp[n_env])
        n_env++;
    getrandom(random, 16, 0);
    uint64_t random_at = push_bytes(&sp, random, sizeof random);
    uint64_t name = push_bytes(&sp, program->path, strlen(program->path) + 1);
    uint64_t strings_end = sp;

    for (size_t i = n_env; i > 0; i--)
        push_bytes(&sp, envp[i - 1], strlen(envp[i - 1]) + 1);
    crmpi_control->environment_end = strings_end;
    crmpi_control->environment = sp;
    for (int i = argc; i > 0; i--)
        push_bytes(&sp, argv[i - 1], strlen(argv[i - 1]) + 1);
    crmpi_control->arguments = sp;
    const char *string = (const char *)sp;

    n_auxv = auxv_make(auxv, program, interpreter, name, random_at);
    n_words = 1 + argc + 1 + n_env + 1;
    sp = (sp - n_words * 8 - n_auxv * sizeof *auxv) & ~15ul;
    uint64_t *word = (uint64_t *)sp;

    *word++ = argc;
    for (size_t i = 0; i < argc + n_env; i++) { /* the strings lie in this order */
        if (i == (size_t)argc)
            *word++ = 0;
        *word++ = (uint64_t)string;
        string += strlen(string) + 1;
    }
    if (n_env == 0)
        *word++ = 0;
    *word++ = 0;
    memcpy(word, auxv, n_auxv * sizeof *auxv);
    return (uint64_t)string == strings_end ? sp : 0;
}

static uint64_t strings_bytes(char **strings)
{
    uint64_t bytes = 0;

    for (; *strings; strings++)
        bytes += strlen(*strings) + 9;
    return bytes;
}

enum crmpi_status crmpi_program_load(const char *path, int argc, char **argv, char **envp,
                                     struct crmpi_start *start_out)
{
    struct image program = {.path = path, .fd = -1};
    struct image interpreter = {.path = program.interpreter, .fd = -1};
    enum crmpi_status status = image_read(&program);
    uint64_t sp;

    if (status == CRMPI_OK && !program.interpreter[0])
        status = bad(&program, "it is statically linked; crmpi needs a dynamic program");
    if (status == CRMPI_OK)
        status = image_map(&program, CRMPI_IMAGE_ADDR);
    if (status == CRMPI_OK)
        status = image_read(&interpreter);
    if (status == CRMPI_OK)
        status = image_map(&interpreter, CRMPI_IMAGE_ADDR +
                                             (CRMPI_TIB >> 1)); /* far from the program */
    if (program.fd >= 0)
        close(program.fd);
    if (interpreter.fd >= 0)
        close(interpreter.fd);
    if (status != CRMPI_OK)
        return status;
    if (!(sp = stack_map()))
        return bad(&program, "no address space for its stack");
    if (strings_bytes(argv) + strings_bytes(envp) > 768ul << 10)
        return bad(&program, "arguments and environment are larger than 768 KiB");
    crmpi_control->brk_start = crmpi_control->brk_now = CRMPI_BRK_ADDR;
    strncpy(crmpi_control->program, path, sizeof crmpi_control->program - 1);
    start_out->stack = stack_build(sp, &program, &interpreter, argc, argv, envp);
    start_out->entry = interpreter.bias + interpreter.header.e_entry;
    return start_out->stack ? CRMPI_OK : bad(&program, "cannot build its stack");
}

/* Fields of /proc/self/stat by their numbers in proc(5). */
enum {
    STAT_FIRST = 3, /* behind the name */
    STAT_START_CODE = 26,
    STAT_END_CODE = 27,
    STAT_START_STACK = 28,
    STAT_START_DATA = 45,
    STAT_END_DATA = 46,
    STAT_START_BRK = 47,
    STAT_FIELDS
};

/* 0 if all could be read. */
static int stat_read(uint64_t *fields_out)
{
    char line[2048] = "", *at;
    FILE *stat = fopen("/proc/self/stat", "re");

    if (stat && !fgets(line, sizeof line, stat))
        line[0] = 0;
    if (stat)
        fclose(stat);
    if (!(at = strrchr(line, ')')) || strlen(at) < 4)
        return -1;
    at += 3; /* the state is a letter */
    for (int i = STAT_FIRST + 1; i < STAT_FIELDS; i++)
        fields_out[i] = strtoull(at, &at, 10);
    return 0;
}

/* All addresses are set at once, which needs no privilege: the others to what they
 * are. */
void crmpi_program_show(void)
{
    uint64_t fields[STAT_FIELDS];

    if (stat_read(fields) != 0)
        return;
    struct prctl_mm_map map = {
        .start_code = fields[STAT_START_CODE],
        .end_code = fields[STAT_END_CODE],
        .start_data = fields[STAT_START_DATA],
        .end_data = fields[STAT_END_DATA],
        .start_brk = fields[STAT_START_BRK],
        .brk = syscall(SYS_brk, 0),
        .start_stack = fields[STAT_START_STACK],
        .arg_start = crmpi_control->arguments,
        .arg_end = crmpi_control->environment,
        .env_start = crmpi_control->environment,
        .env_end = crmpi_control->environment_end,
        .exe_fd = -1,
    };

    if (prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof map, 0) != 0)
        crmpi_debug("/proc shows the host's arguments: %s", strerror(errno));
}

void crmpi_program_enter(const struct crmpi_start *start)
{
    __asm__ volatile("movq %%rsi, %%rsp\n\t"
                     "xorl %%edx, %%edx\n\t" /* no function to register with atexit */
                     "xorl %%ebp, %%ebp\n\t"
                     "jmpq *%%rdi"
                     :
                     : "S"(start->stack), "D"(start->entry)
                     : "memory");
    __builtin_unreachable();
}
