/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Many kinds of descriptors and file mappings at once, with what the kernel keeps of each:
 * checked in every step against a model in memory.
 */
#include "check.h"
#include <fcntl.h>
#include <linux/kcmp.h>
#include <pty.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define PIPE_BYTES 300000
#define SHARED_BYTES 16384

static char name[8][64];

static const char *path(const char *what)
{
    static int next;

    next = (next + 1) % 8;
    snprintf(name[next], sizeof name[next], "%s.%d", what, check_rank);
    return name[next];
}

static int same_open_file(int a, int b)
{
    return syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, a, b) == 0;
}

/*
 * Counters
 */

static int semaphore, counter;
static uint64_t semaphore_count, counter_count = 0xfffffffff0000000; /* above 32 bits */

static void counters_open(void)
{
    CHECK_SYS(semaphore = eventfd(0, EFD_SEMAPHORE | EFD_NONBLOCK));
    CHECK_SYS(counter = eventfd(0, EFD_NONBLOCK));
    CHECK_EQ(write(counter, &counter_count, 8), 8);
}

static void counters_use(long step)
{
    uint64_t n = (uint64_t)(step % 3), got = 0;

    if (n)
        CHECK_EQ(write(semaphore, &n, 8), 8);
    semaphore_count += n;
    if (semaphore_count) {
        CHECK_EQ(read(semaphore, &got, 8), 8);
        CHECK_EQ(got, 1);
        semaphore_count--;
    }
    if (step % 50 == 49) {
        CHECK_EQ(read(counter, &got, 8), 8);
        CHECK(got == counter_count, "the counter has %" PRIx64, got);
        counter_count = 0xfffffffff0000000 + (uint64_t)step;
        CHECK_EQ(write(counter, &counter_count, 8), 8);
    }
}

/*
 * Pipes: a large one, and one of packets; some of which one end has been closed
 */

static int big[2], packets[2];
static int left[3] = {-1, -1, -1}; /* ends of such: two to be read, one to be written */
static int alone = -1;             /* the same of a single packet */
static long big_written, big_read, packets_sent, packets_got, left_step;

static void pipes_open(void)
{
    CHECK_SYS(pipe2(big, O_NONBLOCK));
    CHECK_SYS(fcntl(big[0], F_SETPIPE_SZ, 1 << 20));
    CHECK_SYS(pipe2(packets, O_NONBLOCK | O_DIRECT));
}

/* What was written before is read, and then the end is. */
static void pipes_end(void)
{
    char bytes[64];

    for (int i = 0; i < 2; i++) {
        for (long k = 0; k < 3; k++)
            if (i == 1 || k == 0)
                CHECK_EQ(read(left[i], bytes, sizeof bytes),
                         i == 1 ? 1 + k : 6 + left_step % 9);
        CHECK_EQ(bytes[0], (char)left_step);
        CHECK_EQ(read(left[i], bytes, sizeof bytes), 0);
        CHECK_EQ(fcntl(left[i], F_GETPIPE_SZ), 16384);
    }
    CHECK_EQ(write(left[2], bytes, 1), -1);
    CHECK_EQ(errno, EPIPE);
    CHECK_EQ(read(alone, bytes, 10), 10);
    CHECK_EQ(read(alone, bytes, 10), 0); /* the rest of the packet is gone */
    close(alone);
    for (int i = 0; i < 3; i++)
        close(left[i]);
    left[0] = -1;
}

static void pipes_close(long step)
{
    char bytes[64];
    int ends[2];

    memset(bytes, (int)step, sizeof bytes);
    left_step = step;
    for (int i = 0; i < 3; i++) {
        CHECK_SYS(pipe2(ends, i == 1 ? O_DIRECT : 0));
        CHECK_SYS(fcntl(ends[0], F_SETPIPE_SZ, 16384));
        for (long k = 0; k < 3; k++)
            CHECK_SYS(
                write(ends[1], bytes, (size_t)(k < 2 ? 1 + k : 3 + (i ? 0 : step % 9))));
        left[i] = ends[i == 2];
        close(ends[i != 2]);
    }
    CHECK_SYS(pipe2(ends, O_DIRECT));
    CHECK_EQ(write(ends[1], bytes, 60), 60);
    close(ends[1]);
    alone = ends[0];
}

static void pipes_use(long step)
{
    unsigned char bytes[5000];
    uint64_t state = check_hash((uint64_t)step, 3);
    long n = check_below(&state, sizeof bytes);

    CHECK_EQ(fcntl(big[1], F_GETPIPE_SZ), 1 << 20);
    for (long i = 0; i < n; i++)
        bytes[i] = (unsigned char)check_hash((uint64_t)(big_written + i), 8);
    if (big_written - big_read < PIPE_BYTES) {
        CHECK_EQ(write(big[1], bytes, (size_t)n), n);
        big_written += n;
    }
    if (big_written - big_read > PIPE_BYTES / 2) {
        n = check_below(&state, sizeof bytes);
        CHECK_EQ(read(big[0], bytes, (size_t)n), n);
        for (long i = 0; i < n; i++)
            CHECK_EQ(bytes[i], (unsigned char)check_hash((uint64_t)(big_read + i), 8));
        big_read += n;
    }
    CHECK(fcntl(packets[1], F_GETFL) & O_DIRECT, "the pipe has no packets any more");
    n = 1 + packets_sent % 100;
    CHECK_EQ(write(packets[1], bytes, (size_t)n), n);
    packets_sent++;
    if (packets_sent - packets_got > 5)
        CHECK_EQ(read(packets[0], bytes, sizeof bytes), 1 + packets_got++ % 100);
    if (step % 20 == 3)
        pipes_close(step);
    else if (step % 20 == 19 && left[0] >= 0)
        pipes_end();
}

/*
 * Files without a name
 */

static int memory, unlinked[2];
static uint64_t *memory_map;

static void unnamed_open(void)
{
    CHECK_SYS(memory = memfd_create("kinds", MFD_ALLOW_SEALING));
    CHECK_SYS(ftruncate(memory, SHARED_BYTES));
    memory_map = mmap(NULL, SHARED_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    CHECK(memory_map != MAP_FAILED, "mmap: %s", strerror(errno));
    CHECK_SYS(fcntl(memory, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK));
    CHECK_SYS(unlinked[0] = open(path("unlinked"), O_RDWR | O_CREAT | O_TRUNC, 0640));
    CHECK_SYS(unlinked[1] = open(path("unlinked"), O_RDONLY));
    CHECK_SYS(unlink(path("unlinked")));
}

static void unnamed_use(long step)
{
    uint64_t value = check_hash((uint64_t)step, 4), found = 0;
    long place = step % (SHARED_BYTES / 8);
    struct stat st;

    memory_map[place] = value;
    CHECK_EQ(pread(memory, &found, 8, 8 * place), 8);
    CHECK(found == value, "the memfd does not show what was stored");
    CHECK_EQ(fcntl(memory, F_GET_SEALS), F_SEAL_GROW | F_SEAL_SHRINK);
    if (step >= 2) {
        CHECK_EQ(pread(memory, &found, 8, 8 * ((step - 2) % (SHARED_BYTES / 8))), 8);
        CHECK(found == check_hash((uint64_t)step - 2, 4), "the memfd has forgotten");
    }
    /* one writes, the other reads: two open files of one inode */
    CHECK_EQ(write(unlinked[0], &value, 8), 8);
    if (step % 2 == 1)
        for (long i = step - 1; i <= step; i++) {
            CHECK_EQ(read(unlinked[1], &found, 8), 8);
            CHECK(found == check_hash((uint64_t)i, 4), "value %ld of the unlinked file", i);
        }
    CHECK_SYS(fstat(unlinked[1], &st));
    CHECK_EQ(st.st_size, 8 * (step + 1));
    CHECK_EQ(st.st_nlink, 0);
    CHECK_EQ(st.st_mode & 0777, 0640);
}

/*
 * Standard ones, devices, /proc, a terminal
 */

static int saved_out, null_fd, own_statm, own_task, path_fd, master, slave, folder;

static void others_open(void)
{
    int fd;

    CHECK_SYS(saved_out = dup(1)); /* stdout is put away, and a file takes its place */
    CHECK_SYS(fd = open(path("out"), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644));
    CHECK_SYS(dup2(fd, 1));
    CHECK_SYS(close(fd));
    CHECK_SYS(null_fd = open("/dev/null", O_RDWR));
    CHECK_SYS(own_statm = open("/proc/self/statm", O_RDONLY));
    CHECK_SYS(own_task = open("/proc/thread-self/comm", O_RDONLY));
    CHECK_SYS(path_fd = open(path("out"), O_PATH));
    CHECK_SYS(folder = open(".", O_RDONLY | O_DIRECTORY));
    CHECK_EQ(openpty(&master, &slave, NULL, NULL, NULL), 0);
}

static void others_use(long step)
{
    struct winsize size = {.ws_row = (unsigned short)(step % 100), .ws_col = 7}, found;
    char text[64] = "", own[64] = "";
    struct stat st, out;

    CHECK_EQ(write(null_fd, "x", 1), 1);
    CHECK(pread(own_statm, text, sizeof text, 0) > 0, "/proc/self/statm");
    FILE *now = fopen("/proc/self/comm", "r");
    CHECK(now && fgets(own, sizeof own, now), "/proc/self/comm");
    CHECK_EQ(fclose(now), 0);
    memset(text, 0, sizeof text);
    CHECK(pread(own_task, text, sizeof text - 1, 0) > 0, "the thread's comm");
    CHECK(strcmp(text, own) == 0, "another thread's: %s", text);
    CHECK_EQ(write(1, "line\n", 5), 5);
    CHECK_SYS(fstat(path_fd, &st));
    CHECK_SYS(fstatat(folder, path("out"), &out, 0));
    CHECK_EQ(st.st_ino, out.st_ino);
    CHECK_EQ(out.st_size, 5 * (step + 1));
    CHECK(!same_open_file(saved_out, 1), "stdout is the file twice");
    if (step > 0) {
        CHECK_SYS(ioctl(slave, TIOCGWINSZ, &found));
        CHECK_EQ(found.ws_row, (step - 1) % 100);
    }
    CHECK_SYS(ioctl(slave, TIOCSWINSZ, &size));
    CHECK_EQ(write(master, "a\n", 2), 2);
    CHECK_EQ(read(slave, text, sizeof text), 2);
    for (long n = 0; n < 3;) /* its echo comes when it likes */
        n += read(master, text, (size_t)(3 - n));
}

/*
 * Locks, leases, owners, inotify, epoll
 */

static int flocked, posix, own_file, leased, notify, watches[2], epoll, ready;

static void locks_open(void)
{
    struct flock range = {.l_type = F_WRLCK, .l_start = 10, .l_len = 20};
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.u64 = 77};

    CHECK_SYS(flocked = open(path("flocked"), O_RDWR | O_CREAT, 0644));
    CHECK_SYS(flock(flocked, LOCK_EX));
    CHECK_SYS(posix = open(path("posix"), O_RDWR | O_CREAT, 0644));
    CHECK_SYS(fcntl(posix, F_SETLK, &range));
    CHECK_SYS(own_file = open(path("ofd"), O_RDWR | O_CREAT, 0644));
    CHECK_SYS(fcntl(own_file, F_OFD_SETLK, &range));
    CHECK_SYS(leased = open(path("leased"), O_RDONLY | O_CREAT, 0644));
    CHECK_SYS(fcntl(leased, F_SETLEASE, F_RDLCK));
    CHECK_SYS(fcntl(flocked, F_SETOWN, getpid()));
    CHECK_SYS(fcntl(flocked, F_SETSIG, SIGRTMIN + 5));
    CHECK_SYS(mkdir(path("watched"), 0700));
    CHECK_SYS(notify = inotify_init1(IN_NONBLOCK));
    CHECK_SYS(watches[0] = inotify_add_watch(notify, path("posix"), IN_OPEN));
    CHECK_SYS(inotify_rm_watch(notify, watches[0])); /* numbers have gaps */
    CHECK_SYS(watches[1] = inotify_add_watch(notify, path("watched"), IN_CREATE));
    char events[256];
    CHECK(read(notify, events, sizeof events) > 0, "no event of the removal");
    CHECK_SYS(ready = eventfd(1, 0));
    CHECK_SYS(epoll = epoll_create1(0));
    CHECK_SYS(epoll_ctl(epoll, EPOLL_CTL_ADD, ready, &event));
}

/* 1 if another process cannot lock it. */
static int is_locked(const char *file, int whole)
{
    struct flock range = {.l_type = F_WRLCK, .l_start = 29, .l_len = 1};
    int status;
    pid_t child = fork();

    CHECK_SYS(child);
    if (child == 0) {
        int fd = open(file, O_RDWR);
        int free = whole ? flock(fd, LOCK_EX | LOCK_NB) == 0
                         : fcntl(fd, F_SETLK, &range) == 0;

        _exit(fd < 0 ? 9 : !free);
    }
    CHECK_SYS(waitpid(child, &status, 0));
    return WEXITSTATUS(status);
}

static void locks_use(long step)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT};
    char created[128], events[512];
    struct inotify_event head;

    CHECK_EQ(fcntl(leased, F_GETLEASE), F_RDLCK);
    CHECK_EQ(fcntl(flocked, F_GETOWN), getpid());
    CHECK_EQ(fcntl(flocked, F_GETSIG), SIGRTMIN + 5);
    if (step % 40 == 20) {
        CHECK_EQ(is_locked(path("flocked"), 1), 1);
        CHECK_EQ(is_locked(path("posix"), 0), 1);
        CHECK_EQ(is_locked(path("ofd"), 0), 1);
    }
    snprintf(created, sizeof created, "%s/file", path("watched"));
    int fd = open(created, O_WRONLY | O_CREAT | O_EXCL, 0600);
    CHECK_SYS(fd);
    CHECK(read(notify, events, sizeof events) > 0, "no event");
    memcpy(&head, events, sizeof head);
    CHECK_EQ(head.wd, watches[1]);
    CHECK_EQ(head.mask, IN_CREATE);
    CHECK_SYS(close(fd));
    CHECK_SYS(unlink(created));
    if (step > 0) /* it has told of it once */
        CHECK_EQ(epoll_wait(epoll, &event, 1, 0), 0);
    event.events = EPOLLIN | EPOLLONESHOT;
    event.data.u64 = 77;
    CHECK_SYS(epoll_ctl(epoll, EPOLL_CTL_MOD, ready, &event));
    CHECK_EQ(epoll_wait(epoll, &event, 1, 0), 1);
    CHECK_EQ(event.data.u64, 77);
}

/* Locks go when the open file that has them is closed, also while it is being saved. */
static void locks_renew(void)
{
    static int again = -1, own = -1;
    struct flock range = {.l_type = F_WRLCK};

    if (again >= 0) {
        CHECK_SYS(close(again));
        CHECK_SYS(close(own));
    }
    CHECK_SYS(again = open(path("again"), O_RDWR | O_CREAT, 0644));
    CHECK_SYS(flock(again, LOCK_EX | LOCK_NB));
    CHECK_SYS(own = open(path("own"), O_RDWR | O_CREAT, 0644));
    CHECK_SYS(fcntl(own, F_OFD_SETLK, &range));
    CHECK_EQ(pwrite(own, "x", 1, 0), 1);
}

int main(int argc, char **argv)
{
    long step, steps;

    MPI_Init(&argc, &argv);
    steps = check_begin("kinds", argc, argv, 800);
    counters_open();
    signal(SIGPIPE, SIG_IGN);
    pipes_open();
    unnamed_open();
    others_open();
    locks_open();
    for (step = 0; step < steps; step++) {
        counters_use(step);
        pipes_use(step);
        unnamed_use(step);
        others_use(step);
        locks_use(step);
        locks_renew();
        if (step % 10 == 0)
            MPI_Barrier(MPI_COMM_WORLD);
        check_sleep_ms(4);
        check_note(memory_map[step % 100] + (uint64_t)big_read);
    }
    CHECK_SYS(dup2(saved_out, 1)); /* where the launcher sees it */
    check_end(steps);
    MPI_Finalize();
    return 0;
}
