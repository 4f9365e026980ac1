/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * special KIND [STEPS]: one mapping of a kind that a checkpoint is refused for, or that a
 * restart needs something for; special.sh says what should happen.  What comes back is
 * looked at in each step.  "no KIND here" says that the machine does not have it.
 */
#include "check.h"
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define PAGE 4096ul
#define HUGE_BYTES (2ul << 20)
#define FILE_PAGES 3

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 8
#endif

static const char *kind;
static char *memory;
static int descriptor = -1;

static char *map(size_t bytes, int flags)
{
    char *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | flags, -1, 0);

    return at == MAP_FAILED ? NULL : at;
}

static int nothing(void)
{
    return 1;
}

/* ---- what is refused ---- */

static int uffd_begin(void)
{
    struct uffdio_api api = {.api = UFFD_API};
    struct uffdio_register region = {.mode = UFFDIO_REGISTER_MODE_MISSING};

    memory = map(4 * PAGE, MAP_PRIVATE);
    region.range.start = (unsigned long)memory;
    region.range.len = 4 * PAGE;
    descriptor = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
    if (descriptor < 0 || ioctl(descriptor, UFFDIO_API, &api) != 0)
        return 0;
    return ioctl(descriptor, UFFDIO_REGISTER, &region) == 0;
}

static int uring_begin(void)
{
    struct io_uring_params parameters = {0};
    int fd = (int)syscall(SYS_io_uring_setup, 4, &parameters);

    if (fd < 0)
        return 0;
    memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQ_RING);
    close(fd);
    return memory != MAP_FAILED;
}

static int perf_begin(void)
{
    struct perf_event_attr about = {.type = PERF_TYPE_SOFTWARE,
                                    .size = sizeof about,
                                    .config = PERF_COUNT_SW_TASK_CLOCK,
                                    .exclude_kernel = 1};
    int fd = (int)syscall(SYS_perf_event_open, &about, 0, -1, -1, 0);

    if (fd < 0)
        return 0;
    memory = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return memory != MAP_FAILED;
}

static int aio_begin(void)
{
    aio_context_t context = 0;

    return syscall(SYS_io_setup, 4, &context) == 0;
}

static int hugeshared_begin(void)
{
    return (memory = map(HUGE_BYTES, MAP_SHARED | MAP_HUGETLB)) != NULL;
}

static int pkey_begin(void)
{
    int key = pkey_alloc(0, 0);

    memory = map(PAGE, MAP_PRIVATE);
    return key >= 0 && pkey_mprotect(memory, PAGE, PROT_READ | PROT_WRITE, key) == 0;
}

static int file_open(const char *name)
{
    static char bytes[FILE_PAGES * PAGE];
    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);

    check_fill(bytes, sizeof bytes, 6);
    CHECK(fd >= 0 && write(fd, bytes, sizeof bytes) == sizeof bytes, "%s", name);
    return fd;
}

static int fileguard_begin(void)
{
    int fd = file_open("special.guards");

    memory = mmap(NULL, FILE_PAGES * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    return memory != MAP_FAILED && madvise(memory + PAGE, PAGE, MADV_GUARD_INSTALL) == 0;
}

/* ---- what comes back ---- */

static int locked_begin(void)
{
    errno = EPERM; /* a limit would be soon reached */
    return geteuid() == 0 && mlockall(MCL_FUTURE | MCL_ONFAULT) == 0;
}

/* Of locked memory nothing can be invalidated: the kernel says so. */
static int locked_check(void)
{
    char *at = map(PAGE, MAP_PRIVATE);
    int locked = msync(at, PAGE, MS_INVALIDATE) != 0 && errno == EBUSY;

    munmap(at, PAGE);
    return locked;
}

static int manylocked_begin(void)
{
    memory = map(128 * PAGE, MAP_PRIVATE);
    return mlock(memory, 128 * PAGE) == 0;
}

static int manylocked_check(void)
{
    return msync(memory, PAGE, MS_INVALIDATE) != 0 && errno == EBUSY;
}

static int huge_begin(void)
{
    memory = map(2 * HUGE_BYTES, MAP_PRIVATE | MAP_HUGETLB);
    if (memory)
        check_fill(memory + HUGE_BYTES, 1000, 4);
    return memory != NULL;
}

static int huge_check(void)
{
    CHECK_FILLED(memory + HUGE_BYTES, 1000, 4);
    CHECK_BYTES(memory, 1000, 0);
    return 1;
}

static int droppable_begin(void)
{
    return (memory = map(4 * PAGE, MAP_DROPPABLE)) != NULL;
}

/* A child has none of it. */
static int droppable_check(void)
{
    int child, status;

    memory[0] = 1;
    CHECK_SYS(child = fork());
    if (child == 0)
        _exit(memory[0]);
    CHECK_EQ(waitpid(child, &status, 0), child);
    return status == 0;
}

/* A private mapping; special.sh puts another file in its place, or takes it away. */
static int file_begin(void)
{
    int fd = file_open("special.file");

    memory = mmap(NULL, FILE_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    close(fd);
    return memory != MAP_FAILED;
}

static int file_check(void)
{
    CHECK_FILLED(memory, FILE_PAGES * PAGE, 6);
    return 1;
}

static const struct {
    const char *name;
    int (*begin)(void), (*check)(void);
} kinds[] = {
    {"userfaultfd", uffd_begin, nothing},
    {"io_uring", uring_begin, nothing},
    {"perf_event", perf_begin, nothing},
    {"aio", aio_begin, nothing},
    {"huge_shared", hugeshared_begin, nothing},
    {"pkey", pkey_begin, nothing},
    {"file_guards", fileguard_begin, nothing},
    {"mlockall", locked_begin, locked_check},
    {"mlock", manylocked_begin, manylocked_check},
    {"huge", huge_begin, huge_check},
    {"droppable", droppable_begin, droppable_check},
    {"file", file_begin, file_check},
};

int main(int argc, char **argv)
{
    size_t k = 0, n = sizeof kinds / sizeof *kinds;
    int value;
    long steps;

    MPI_Init(&argc, &argv);
    kind = argc > 1 ? argv[1] : "";
    while (k < n && strcmp(kinds[k].name, kind) != 0)
        k++;
    CHECK(k < n, "there is no kind %s", kind);
    if (!kinds[k].begin()) {
        printf("no %s here: %s\n", kind, strerror(errno));
        MPI_Finalize();
        return 0;
    }
    argv[1] = argv[0];
    steps = check_begin("special", argc - 1, argv + 1, 80);
    for (long step = 0; step < steps; step++) {
        CHECK(kinds[k].check(), "%s is not as it was", kind);
        value = (int)step;
        CHECK_MPI(MPI_Bcast(&value, 1, MPI_INT, 0, MPI_COMM_WORLD));
        CHECK_EQ(value, step);
        check_sleep_ms(20);
        check_note((uint64_t)value);
    }
    check_end(steps);
    MPI_Finalize();
    return 0;
}
