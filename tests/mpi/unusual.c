/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * unusual KIND [STEPS]: one descriptor of a kind that a checkpoint is refused for, or one
 * that comes close to it and comes back; unusual.sh says what should happen.
 * "no KIND here" says that the machine does not have it.
 */
#include "check.h"
#include <fcntl.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#ifndef MFD_HUGETLB
#define MFD_HUGETLB 4U
#endif
#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif

static int fd = -1, second = -1;
static pid_t child;
static pthread_t thread;
static _Atomic pid_t thread_id;

/* ---- of file systems that keep nothing ---- */

static int mqueue_begin(void)
{
    char name[64];

    snprintf(name, sizeof name, "crmpi-unusual-%d", getpid());
    fd = (int)syscall(SYS_mq_open, name, O_RDWR | O_CREAT | O_EXCL, 0600, NULL);
    if (fd >= 0)
        syscall(SYS_mq_unlink, name);
    return fd >= 0;
}

static int namespace_begin(void)
{
    return (fd = open("/proc/self/ns/net", O_RDONLY)) >= 0;
}

static int hugememfd_begin(void)
{
    return (fd = memfd_create("huge", MFD_HUGETLB)) >= 0;
}

static int secret_begin(void)
{
    return (fd = (int)syscall(SYS_memfd_secret, 0)) >= 0;
}

static int othersproc_begin(void)
{
    return (fd = open("/proc/1/status", O_RDONLY)) >= 0;
}

static int goneproc_begin(void)
{
    char path[64];

    CHECK_SYS(child = fork());
    if (child == 0) {
        pause();
        _exit(0);
    }
    snprintf(path, sizeof path, "/proc/%d/status", child);
    CHECK_SYS(fd = open(path, O_RDONLY));
    CHECK_SYS(kill(child, SIGKILL));
    CHECK_EQ(waitpid(child, NULL, 0), child);
    child = 0;
    return 1;
}

static void *wait_for_ever(void *unused)
{
    thread_id = (pid_t)syscall(SYS_gettid);
    for (;;)
        pause();
    return unused;
}

static void thread_start(void)
{
    CHECK_EQ(pthread_create(&thread, NULL, wait_for_ever, NULL), 0);
    while (!thread_id)
        check_sleep_ms(1);
}

static int threadsproc_begin(void)
{
    char path[64];

    thread_start();
    snprintf(path, sizeof path, "/proc/self/task/%d/status", thread_id);
    return (fd = open(path, O_RDONLY)) >= 0;
}

/* ---- without a name ---- */

static int nofolder_begin(void)
{
    CHECK_SYS(mkdir("unusual.folder", 0700));
    CHECK_SYS(fd = open("unusual.folder", O_RDONLY | O_DIRECTORY));
    return rmdir("unusual.folder") == 0;
}

static int nopath_begin(void)
{
    CHECK_SYS(close(open("unusual.path", O_RDWR | O_CREAT, 0600)));
    CHECK_SYS(fd = open("unusual.path", O_PATH));
    return unlink("unusual.path") == 0;
}

static int toolarge_begin(void)
{
    CHECK_SYS(fd = open("unusual.large", O_RDWR | O_CREAT, 0600));
    CHECK_SYS(unlink("unusual.large"));
    return ftruncate(fd, 5l << 30) == 0;
}

/* ---- whose other end is elsewhere ---- */

static int fifo_begin(void)
{
    CHECK_SYS(mkfifo("unusual.fifo", 0600));
    return (fd = open("unusual.fifo", O_RDWR)) >= 0;
}

static int ptmx_begin(void)
{
    return (fd = open("/dev/ptmx", O_RDWR | O_NOCTTY)) >= 0;
}

/* Another process keeps what is at @p there; it is nobody's child, as a checkpoint is refused
 * for children, too. */
static void other_keep(int here, int there)
{
    int told[2];
    pid_t between;

    CHECK_SYS(pipe(told));
    CHECK_SYS(between = fork());
    if (between == 0) {
        pid_t other = fork();

        if (other != 0)
            _exit(write(told[1], &other, sizeof other) != sizeof other);
        close(here);
        close(told[0]);
        close(told[1]);
        pause();
        _exit(0);
    }
    CHECK_EQ(read(told[0], &child, sizeof child), sizeof child);
    CHECK_EQ(waitpid(between, NULL, 0), between);
    CHECK_SYS(close(told[0]));
    CHECK_SYS(close(told[1]));
    CHECK_SYS(close(there));
}

static int terminal_begin(void)
{
    if (openpty(&second, &fd, NULL, NULL, NULL) != 0)
        return 0;
    other_keep(fd, second);
    return 1;
}

static int pipe_begin(void)
{
    int ends[2];

    CHECK_SYS(pipe(ends));
    other_keep(fd = ends[1], ends[0]);
    return 1;
}

static int socket_begin(void)
{
    int ends[2];

    CHECK_SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    other_keep(fd = ends[1], ends[0]);
    return 1;
}

static int listening_begin(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    CHECK_SYS(fd = socket(AF_INET, SOCK_STREAM, 0));
    CHECK_SYS(bind(fd, (struct sockaddr *)&address, sizeof address));
    return listen(fd, 1) == 0;
}

/* ---- of the kernel ---- */

static int device_begin(void)
{
    static const char *const devices[] = {"/dev/kmsg", "/dev/fuse", "/dev/net/tun",
                                          "/dev/loop-control", "/dev/mem", "/dev/rtc0"};

    for (size_t i = 0; fd < 0 && i < sizeof devices / sizeof *devices; i++)
        fd = open(devices[i], O_RDONLY | O_NOCTTY);
    return fd >= 0;
}

static int pidfd_begin(void)
{
    return (fd = (int)syscall(SYS_pidfd_open, getpid(), 0)) >= 0;
}

static int uring_begin(void)
{
    struct io_uring_params parameters = {0};

    return (fd = (int)syscall(SYS_io_uring_setup, 4, &parameters)) >= 0;
}

static int fanotify_begin(void)
{
    return (fd = fanotify_init(FAN_CLASS_NOTIF, O_RDONLY)) >= 0;
}

static int inotify_begin(void)
{
    CHECK_SYS(fd = inotify_init());
    CHECK_SYS(inotify_add_watch(fd, ".", IN_CREATE));
    CHECK_SYS(close(open("unusual.event", O_RDWR | O_CREAT, 0600)));
    return 1;
}

static int nowatch_begin(void)
{
    CHECK_SYS(close(open("unusual.watched", O_RDWR | O_CREAT, 0600)));
    CHECK_SYS(second = open("unusual.watched", O_RDONLY)); /* else it would be gone */
    CHECK_SYS(fd = inotify_init());
    CHECK_SYS(inotify_add_watch(fd, "unusual.watched", IN_MODIFY));
    return unlink("unusual.watched") == 0;
}

static int unread_begin(void)
{
    char echo[8];

    if (openpty(&fd, &second, NULL, NULL, NULL) != 0)
        return 0;
    CHECK_EQ(write(fd, "a\n", 2), 2);
    for (int n = 0; n < 3;)
        n += (int)read(fd, echo, 8);
    return 1;
}

static int closedwatch_begin(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    int watched = eventfd(0, 0);

    CHECK_SYS(watched);
    CHECK_SYS(fd = epoll_create1(0));
    CHECK_SYS(epoll_ctl(fd, EPOLL_CTL_ADD, watched, &event));
    CHECK_SYS(second = dup(watched));
    return close(watched) == 0;
}

/* ---- signals and leases ---- */

static int owner(int type, pid_t who)
{
    struct f_owner_ex about = {type, who};

    CHECK_SYS(fd = open("unusual.owned", O_RDWR | O_CREAT, 0600));
    return fcntl(fd, F_SETOWN_EX, &about) == 0;
}

static int parentowner_begin(void)
{
    return owner(F_OWNER_PID, getppid());
}

static int groupowner_begin(void)
{
    return owner(F_OWNER_PGRP, getpgrp());
}

static int threadowner_begin(void)
{
    thread_start();
    return owner(F_OWNER_TID, thread_id);
}

static int broken_begin(void)
{
    int status;

    signal(SIGIO, SIG_IGN);
    CHECK_SYS(fd = open("unusual.leased", O_RDONLY | O_CREAT, 0600));
    if (fcntl(fd, F_SETLEASE, F_RDLCK) != 0)
        return 0;
    CHECK_SYS(child = fork());
    if (child == 0)
        _exit(open("unusual.leased", O_WRONLY | O_NONBLOCK) >= 0);
    CHECK_EQ(waitpid(child, &status, 0), child);
    child = 0;
    CHECK_EQ(status, 0);
    return 1;
}

/* ---- what comes back ---- */

static int nothing(void)
{
    return 1;
}

static int selfowner_begin(void)
{
    return owner(F_OWNER_PID, getpid());
}

static int selfowner_check(void)
{
    return fcntl(fd, F_GETOWN) == getpid();
}

/* A descriptor that was closed and opened again as something else is no longer watched. */
static int reused_begin(void)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 5};

    CHECK_SYS(second = eventfd(3, 0));
    CHECK_SYS(fd = epoll_create1(0));
    CHECK_SYS(epoll_ctl(fd, EPOLL_CTL_ADD, second, &event));
    CHECK_SYS(close(second));
    CHECK_EQ(eventfd(0, EFD_NONBLOCK), second);
    return 1;
}

static int reused_check(void)
{
    const uint64_t one = 1;
    struct epoll_event event;
    uint64_t got;

    CHECK_EQ(write(second, &one, 8), 8);
    CHECK_EQ(epoll_wait(fd, &event, 1, 0), 0);
    return read(second, &got, 8) == 8 && got == 1;
}

/* Sets within sets, and one thing twice in a set. */
static int nested_begin(void)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 6};

    CHECK_SYS(fd = epoll_create1(EPOLL_CLOEXEC));
    CHECK_SYS(second = epoll_create1(0));
    CHECK_SYS(epoll_ctl(fd, EPOLL_CTL_ADD, second, &event));
    int counter = eventfd(1, 0), again = dup(counter);

    CHECK_SYS(epoll_ctl(second, EPOLL_CTL_ADD, counter, &event));
    event.events = EPOLLOUT | EPOLLET;
    event.data.u64 = 7;
    CHECK_SYS(epoll_ctl(second, EPOLL_CTL_ADD, again, &event));
    CHECK_EQ(epoll_wait(second, &event, 1, 0), 1);
    return 1;
}

static int nested_check(void)
{
    struct epoll_event events[4];
    int n = epoll_wait(second, events, 4, 0), found = 0;

    for (int i = 0; i < n; i++)
        found |= events[i].data.u64 == 6 && events[i].events & EPOLLIN;
    CHECK(found, "%d others", n);
    return epoll_wait(fd, events, 4, 0) == 1 && events[0].data.u64 == 6 &&
           fcntl(fd, F_GETFD) == FD_CLOEXEC;
}

/* A signal that is blocked, and seen by signalfd only. */
static int signalfd_begin(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CHECK_SYS(sigprocmask(SIG_BLOCK, &set, NULL));
    return (fd = signalfd(-1, &set, SFD_NONBLOCK)) >= 0;
}

static int signalfd_check(void)
{
    struct signalfd_siginfo info;

    CHECK(read(fd, &info, sizeof info) == -1 && errno == EAGAIN, "a signal, or not %d",
          EAGAIN);
    CHECK_EQ(raise(SIGUSR1), 0);
    return read(fd, &info, sizeof info) == sizeof info && info.ssi_signo == SIGUSR1;
}

/* The largest count: one more would wait. */
static int eventfd_begin(void)
{
    const uint64_t most = UINT64_MAX - 1;

    CHECK_SYS(fd = eventfd(0, EFD_NONBLOCK));
    return write(fd, &most, 8) == 8;
}

static int eventfd_check(void)
{
    const uint64_t one = 1;

    return write(fd, &one, 8) == -1 && errno == EAGAIN;
}

static int closed_begin(void)
{
    CHECK_SYS(close(0));
    return 1;
}

/* What is opened below has the lowest free number for some microseconds; nothing keeps it. */
static int closed_check(void)
{
    char path[256] = "";

    for (int looks = 0; fcntl(0, F_GETFD) != -1; looks++) {
        CHECK(readlink("/proc/self/fd/0", path, sizeof path - 1) == -1 || looks < 100,
              "stdin is %s", path);
        usleep(1000);
    }
    return errno == EBADF;
}

static const struct {
    const char *name;
    int (*begin)(void), (*check)(void);
} kinds[] = {
    {"mqueue", mqueue_begin, nothing},
    {"namespace", namespace_begin, nothing},
    {"huge_memfd", hugememfd_begin, nothing},
    {"secret", secret_begin, nothing},
    {"others_proc", othersproc_begin, nothing},
    {"gone_proc", goneproc_begin, nothing},
    {"threads_proc", threadsproc_begin, nothing},
    {"no_folder", nofolder_begin, nothing},
    {"no_path", nopath_begin, nothing},
    {"too_large", toolarge_begin, nothing},
    {"fifo", fifo_begin, nothing},
    {"ptmx", ptmx_begin, nothing},
    {"terminal", terminal_begin, nothing},
    {"pipe", pipe_begin, nothing},
    {"socket", socket_begin, nothing},
    {"listening", listening_begin, nothing},
    {"device", device_begin, nothing},
    {"pidfd", pidfd_begin, nothing},
    {"io_uring", uring_begin, nothing},
    {"fanotify", fanotify_begin, nothing},
    {"inotify_events", inotify_begin, nothing},
    {"inotify_nameless", nowatch_begin, nothing},
    {"unread", unread_begin, nothing},
    {"epoll_closed", closedwatch_begin, nothing},
    {"parent_owner", parentowner_begin, nothing},
    {"group_owner", groupowner_begin, nothing},
    {"thread_owner", threadowner_begin, nothing},
    {"broken_lease", broken_begin, nothing},
    {"first_thread", nothing, nothing},
    {"self_owner", selfowner_begin, selfowner_check},
    {"epoll_reused", reused_begin, reused_check},
    {"epoll_nested", nested_begin, nested_check},
    {"signalfd", signalfd_begin, signalfd_check},
    {"eventfd", eventfd_begin, eventfd_check},
    {"closed_stdin", closed_begin, closed_check},
};

static int run(int argc, char **argv)
{
    size_t k = 0, n = sizeof kinds / sizeof *kinds;
    const char *kind = argc > 1 ? argv[1] : "";
    int value;
    long steps;

    while (k < n && strcmp(kinds[k].name, kind) != 0)
        k++;
    CHECK(k < n, "there is no kind %s", kind);
    if (!kinds[k].begin()) {
        printf("no %s here: %s\n", kind, strerror(errno));
        MPI_Finalize();
        return 0;
    }
    argv[1] = argv[0];
    steps = check_begin("unusual", argc - 1, argv + 1, 60);
    for (long step = 0; step < steps; step++) {
        CHECK(kinds[k].check(), "%s is not as it was", kind);
        value = (int)step;
        CHECK_MPI(MPI_Bcast(&value, 1, MPI_INT, 0, MPI_COMM_WORLD));
        CHECK_EQ(value, step);
        check_sleep_ms(20);
        check_note((uint64_t)value);
    }
    if (child > 0)
        kill(child, SIGKILL);
    check_end(steps);
    MPI_Finalize();
    return 0;
}

static struct {
    int n;
    char **words;
} arguments;

static void *run_in_thread(void *unused)
{
    (void)unused;
    exit(run(arguments.n, arguments.words));
}

int main(int argc, char **argv)
{
    int ends = argc > 1 && strcmp(argv[1], "first_thread") == 0, provided;
    pthread_t thread;

    MPI_Init_thread(&argc, &argv, ends ? MPI_THREAD_MULTIPLE : MPI_THREAD_SINGLE, &provided);
    if (!ends)
        return run(argc, argv);
    arguments.n = argc;
    arguments.words = argv;
    CHECK_EQ(pthread_create(&thread, NULL, run_in_thread, NULL), 0);
    pthread_exit(NULL);
}
