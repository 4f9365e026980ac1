/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mappings that are more than memory: at fixed addresses, of files, shared twice, locked,
 * advised, bound to NUMA nodes, guarded, sealed.  All are used at once and looked at again
 * and again; what the kernel says of each (VmFlags) is what it said at the beginning.
 */
#include "check.h"
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define PAGE 4096ul
#define FILE_PAGES 6

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
#ifndef SYS_mseal
#define SYS_mseal 462
#endif

static sigjmp_buf back;
static const char file[] = "mappings.data";

static char *map_at(unsigned long address, size_t n_pages, int flags)
{
    char *base = mmap((void *)address, n_pages * PAGE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

    CHECK(base != MAP_FAILED, "mmap: %s", strerror(errno));
    return base;
}

static char *map(size_t n_pages)
{
    return map_at(0, n_pages, 0);
}

static void on_fault(int number)
{
    siglongjmp(back, number);
}

/* The signal that reading a byte ends with; 0: none. */
static int fault_at(const volatile char *byte)
{
    int number;

    CHECK(signal(SIGSEGV, on_fault) != SIG_ERR, "signal");
    CHECK(signal(SIGBUS, on_fault) != SIG_ERR, "signal");
    if ((number = sigsetjmp(back, 1)) == 0)
        (void)*byte;
    signal(SIGSEGV, SIG_DFL);
    signal(SIGBUS, SIG_DFL);
    return number;
}

/*
 * At fixed addresses
 */

static char *fixed[4];

static void fixed_begin(void)
{
    fixed[0] = map_at(0x300000000000, 4, MAP_FIXED_NOREPLACE);
    fixed[1] = map_at(0x300000004000, 4, MAP_FIXED); /* right behind it */
    fixed[2] = map_at(0x0f0000000000, 4, MAP_FIXED);
    fixed[3] = map(4);
    check_fill(fixed[3], 4 * PAGE, 33);
    fixed[3] = mremap(fixed[3], 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
                      (void *)0x400000000000);
    CHECK_EQ((unsigned long)fixed[3], 0x400000000000);
    CHECK_FILLED(fixed[3], 4 * PAGE, 33);
}

static void fixed_check(long step)
{
    for (int i = 0; i < 4; i++) {
        if (step > 0)
            CHECK_FILLED(fixed[i], 4 * PAGE, (uint64_t)(step - 1) * 4 + i);
        check_fill(fixed[i], 4 * PAGE, (uint64_t)step * 4 + i);
    }
    CHECK(mmap(fixed[0], PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
               -1, 0) == MAP_FAILED && errno == EEXIST,
          "it is there");
    if ((unsigned long)&step >> 40 < 0x16 || (unsigned long)&step >> 40 >= 0x26)
        return; /* not split: such addresses are in use, or free */
    CHECK(mmap((void *)0x7f0000000000, PAGE, PROT_READ,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED &&
              errno == ENOMEM,
          "where crmpi has its own");
}

/*
 * Files
 */

static char name[64];
static const char *shown;  /* shared, of a file opened for reading */
static char *own, *beyond; /* private; and behind the file's end */
static uint64_t *counter;  /* in a file that changes, shared, for reading */

static void files_begin(void)
{
    static char bytes[FILE_PAGES * PAGE];
    int fd;

    snprintf(name, sizeof name, "%s.%d", file, check_rank);
    check_fill(bytes, sizeof bytes, 5);
    CHECK_SYS(fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600));
    CHECK_EQ(write(fd, bytes, sizeof bytes), sizeof bytes);
    own = mmap(NULL, (FILE_PAGES + 4) * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    CHECK(own != MAP_FAILED, "mmap");
    beyond = own + FILE_PAGES * PAGE;
    close(fd);
    CHECK_SYS(fd = open(name, O_RDONLY));
    shown = mmap(NULL, FILE_PAGES * PAGE, PROT_READ, MAP_SHARED, fd, 0);
    CHECK(shown != MAP_FAILED, "mmap");
    close(fd);
    strcat(name, ".counter");
    CHECK_SYS(fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600));
    CHECK_SYS(ftruncate(fd, PAGE));
    close(fd);
    CHECK_SYS(fd = open(name, O_RDONLY));
    counter = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
    CHECK(counter != MAP_FAILED, "mmap");
    close(fd);
}

static void files_check(long step)
{
    uint64_t value = (uint64_t)step + 1000;
    int fd;

    CHECK_FILLED(shown, FILE_PAGES * PAGE, 5);
    if (step > 0)
        CHECK_FILLED(own + PAGE, PAGE - 8, (uint64_t)step - 1);
    CHECK_EQ(memcmp(own + 2 * PAGE, shown + 2 * PAGE, (FILE_PAGES - 2) * PAGE), 0);
    memset(own, (int)step, PAGE); /* and dropped: it is the file again */
    CHECK_SYS(madvise(own, PAGE, MADV_DONTNEED));
    CHECK_EQ(memcmp(own, shown, PAGE), 0);
    check_fill(own + PAGE, PAGE - 8, (uint64_t)step);
    CHECK_EQ(fault_at(beyond + PAGE), SIGBUS);
    CHECK_SYS(fd = open(name, O_WRONLY));
    CHECK_EQ(pwrite(fd, &value, sizeof value, 64), sizeof value);
    close(fd);
    CHECK_EQ(counter[8], value);
}

/*
 * Moved, and shared twice
 */

static char *here, *there, *whole, *part;

static void moves_begin(void)
{
    here = map(6);
    whole = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(whole != MAP_FAILED, "mmap");
    check_fill(whole, 8 * PAGE, 0);
    part = mremap(whole + 2 * PAGE, 0, 3 * PAGE, MREMAP_MAYMOVE);
    CHECK(part != MAP_FAILED, "a second mapping: %s", strerror(errno));
}

static void moves_check(long step)
{
    int child, status;

    check_fill(here, 6 * PAGE, (uint64_t)step);
    there = (char *)syscall(SYS_mremap, here, 6 * PAGE, 6 * PAGE,
                            MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0);
    CHECK(there != MAP_FAILED && there != here, "mremap: %s", strerror(errno));
    CHECK_FILLED(there, 6 * PAGE, (uint64_t)step);
    CHECK_BYTES(here, 6 * PAGE, 0);
    CHECK_SYS(munmap(there, 6 * PAGE));
    CHECK_EQ(memcmp(whole + 2 * PAGE, part, 3 * PAGE), 0);
    check_fill(part, 3 * PAGE, (uint64_t)step);
    CHECK_FILLED(whole + 2 * PAGE, 3 * PAGE, (uint64_t)step);
    whole[4 * PAGE] = (char)step;
    CHECK_EQ(part[2 * PAGE], (char)step);
    if (step % 20 != 7) /* no checkpoint is taken while there is a child */
        return;
    CHECK_SYS(child = fork());
    if (child == 0) {
        whole[3 * PAGE] = 77;
        _exit(0);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(part[PAGE], 77);
}

/*
 * Attributes
 */

#define N_SPECIAL 16
static struct special {
    char *base;
    const char *what;
    char flags[128]; /* those that are the program's, at the beginning */
} specials[N_SPECIAL];
static int n_specials;

/* What smaps says of each special mapping; a child fills it. */
static char (*found)[128];

static void flags_look(void)
{
    unsigned long start = 0, end = 0, a, b;
    char line[4400];

    snprintf(line, sizeof line, "/proc/%d/smaps", (int)getppid());
    FILE *smaps = fopen(line, "r");
    CHECK(smaps != NULL, "smaps");
    while (fgets(line, sizeof line, smaps)) {
        if (strncmp(line, "VmFlags:", 8) != 0) {
            if (sscanf(line, "%lx-%lx ", &a, &b) == 2)
                start = a, end = b;
            continue;
        }
        for (int i = 0; i < n_specials; i++) {
            if ((unsigned long)specials[i].base < start ||
                (unsigned long)specials[i].base >= end)
                continue;
            found[i][0] = '\0';
            for (char *word = strtok(line + 8, " \n"); word; word = strtok(NULL, " \n"))
                if (!strstr("uw sd ac gu", word)) /* the kernel's, or crmpi's */
                    strcat(strcat(found[i], word), " ");
            break;
        }
    }
    fclose(smaps);
}

/* A child has no memory that it shall not have; it reads smaps, too: no checkpoint is taken
 * meanwhile, and none can be that would have half of it read. */
static void child_looks(void)
{
    int child, status;

    CHECK_SYS(child = fork());
    if (child == 0) {
        CHECK_EQ(fault_at(specials[7].base), SIGSEGV);
        flags_look();
        _exit(specials[9].base[0] == 0 ? 0 : 1);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
}

/* The ends of a special mapping are its own: its neighbours are others. */
static char *special(const char *what, size_t n_pages, int flags)
{
    struct special *s = &specials[n_specials++];
    char *guarded = mmap(NULL, (n_pages + 2) * PAGE, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    CHECK(guarded != MAP_FAILED && n_specials < N_SPECIAL, "mmap");
    s->what = what;
    s->base = map_at((unsigned long)guarded + PAGE, n_pages, MAP_FIXED | flags);
    check_fill(s->base, PAGE, (uint64_t)n_specials);
    return s->base;
}

static void advised(const char *what, int advice)
{
    if (madvise(special(what, 4, 0), 4 * PAGE, advice) != 0)
        specials[n_specials - 1].what = "this kernel does not have it";
}

static char *guard, *sealed;
static int has_guards, is_sealed, policy_is_set;

static void attributes_begin(void)
{
    unsigned long node = 1;
    char *base;

    special("nothing", 4, 0);
    CHECK_SYS(mlock(special("mlock", 4, 0), 4 * PAGE));
    CHECK_SYS(syscall(SYS_mlock2, special("mlock2", 4, 0), 4 * PAGE, MLOCK_ONFAULT));
    special("MAP_GROWSDOWN", 4, MAP_GROWSDOWN);
    special("MAP_NORESERVE", 4, MAP_NORESERVE);
    advised("MADV_HUGEPAGE", MADV_HUGEPAGE);
    advised("MADV_NOHUGEPAGE", MADV_NOHUGEPAGE);
    advised("MADV_DONTFORK", MADV_DONTFORK);
    advised("MADV_DONTDUMP", MADV_DONTDUMP);
    advised("MADV_WIPEONFORK", MADV_WIPEONFORK);
    advised("MADV_MERGEABLE", MADV_MERGEABLE);
    advised("MADV_SEQUENTIAL", MADV_SEQUENTIAL);
    advised("MADV_RANDOM", MADV_RANDOM);
    base = special("mbind", 4, 0);
    policy_is_set = syscall(SYS_mbind, base, 4 * PAGE, MPOL_BIND, &node, 64, 0) == 0 &&
                    syscall(SYS_set_mempolicy, MPOL_PREFERRED, &node, 64) == 0;
    sealed = special("mseal", 2, 0);
    is_sealed = syscall(SYS_mseal, sealed, 2 * PAGE, 0) == 0;
    guard = map(3);
    has_guards = madvise(guard + PAGE, PAGE, MADV_GUARD_INSTALL) == 0;
    found = mmap(NULL, sizeof *found * N_SPECIAL, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(found != MAP_FAILED, "mmap");
    child_looks();
    for (int i = 0; i < n_specials; i++)
        strcpy(specials[i].flags, found[i]);
}

static void policies_check(void)
{
    unsigned long nodes[16] = {0};
    int policy = -1;

    CHECK_SYS(syscall(SYS_get_mempolicy, &policy, nodes, 1024,
                      specials[n_specials - 2].base, MPOL_F_ADDR));
    CHECK(policy == MPOL_BIND && nodes[0] == 1, "policy %d, nodes %lx", policy, nodes[0]);
    CHECK_SYS(syscall(SYS_get_mempolicy, &policy, nodes, 1024, NULL, 0));
    CHECK(policy == MPOL_PREFERRED && nodes[0] == 1, "the thread's policy %d, nodes %lx",
          policy, nodes[0]);
}

static void attributes_check(void)
{
    child_looks();
    for (int i = 0; i < n_specials; i++) {
        CHECK(strcmp(found[i], specials[i].flags) == 0, "%s: \"%s\" is not \"%s\"",
              specials[i].what, found[i], specials[i].flags);
        CHECK_FILLED(specials[i].base, PAGE, (uint64_t)i + 1);
    }
    if (policy_is_set)
        policies_check();
    if (has_guards)
        CHECK_EQ(fault_at(guard + PAGE), SIGSEGV);
    CHECK_EQ(fault_at(guard + 2 * PAGE), 0);
    if (is_sealed)
        CHECK(munmap(sealed, PAGE) != 0 && errno == EPERM, "it was sealed");
}

int main(int argc, char **argv)
{
    long steps, step;
    int value;

    MPI_Init(&argc, &argv);
    steps = check_begin("mappings", argc, argv, 150);
    fixed_begin();
    files_begin();
    moves_begin();
    attributes_begin();
    for (step = 0; step < steps; step++) {
        fixed_check(step);
        files_check(step);
        moves_check(step);
        if (step % 20 == 0)
            attributes_check();
        value = (int)step;
        CHECK_MPI(MPI_Bcast(&value, 1, MPI_INT, 0, MPI_COMM_WORLD));
        CHECK_EQ(value, step);
        check_note((uint64_t)value);
        check_sleep_ms(8);
    }
    attributes_check();
    check_end(steps);
    MPI_Finalize();
    return 0;
}
