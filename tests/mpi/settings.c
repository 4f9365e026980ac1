/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the kernel keeps for a process and for a thread: priorities, scheduling, processors,
 * settings of prctl(2) and of /proc, registrations, a working directory that is removed.
 * All of it is set by the program to something it was not started with, and looked at in
 * each step, in two threads that have it differently.
 */
#include "check.h"
#include <fcntl.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define IOPRIO(class, data) ((class) << 13 | (data))
#define MEMBARRIER_REGISTRATIONS (1 << 9)

/* How a thread is; what it may not or cannot set stays as it is. */
struct thread {
    int nice, policy, ioprio, death_signal;
    unsigned long slack_ns;
    cpu_set_t cpus;
};

static struct thread first = {.nice = 3,
                              .policy = SCHED_BATCH,
                              .ioprio = IOPRIO(2, 6),
                              .death_signal = SIGHUP,
                              .slack_ns = 70000};
static struct thread second = {.nice = 5,
                               .policy = SCHED_IDLE,
                               .ioprio = IOPRIO(3, 0),
                               .death_signal = 0,
                               .slack_ns = 90000};
static atomic_long steps_done, is_over;
static int registrations;

static void cpus_choose(struct thread *thread, int which)
{
    cpu_set_t all;

    CHECK_SYS(sched_getaffinity(0, sizeof all, &all));
    CPU_ZERO(&thread->cpus);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &all) && which-- == 0)
            CPU_SET(cpu, &thread->cpus);
    if (CPU_COUNT(&thread->cpus) == 0)
        thread->cpus = all;
}

static void thread_set(struct thread *thread, int which)
{
    struct sched_param none = {0};

    cpus_choose(thread, which);
    CHECK_SYS(sched_setaffinity(0, sizeof thread->cpus, &thread->cpus));
    CHECK_SYS(setpriority(PRIO_PROCESS, 0, thread->nice));
    CHECK_EQ(pthread_setschedparam(pthread_self(), thread->policy, &none), 0);
    CHECK_SYS(syscall(SYS_ioprio_set, 1, 0, thread->ioprio));
    CHECK_SYS(prctl(PR_SET_TIMERSLACK, thread->slack_ns));
    CHECK_SYS(prctl(PR_SET_PDEATHSIG, thread->death_signal));
}

static void thread_check(const struct thread *thread)
{
    struct sched_param parameters;
    cpu_set_t cpus;
    int policy, signal;

    CHECK_EQ(getpriority(PRIO_PROCESS, 0), thread->nice);
    CHECK_EQ(pthread_getschedparam(pthread_self(), &policy, &parameters), 0);
    CHECK_EQ(policy, thread->policy);
    CHECK_EQ(syscall(SYS_ioprio_get, 1, 0), thread->ioprio);
    CHECK_EQ(prctl(PR_GET_TIMERSLACK), thread->slack_ns);
    CHECK_SYS(prctl(PR_GET_PDEATHSIG, &signal));
    CHECK_EQ(signal, thread->death_signal);
    CHECK_SYS(sched_getaffinity(0, sizeof cpus, &cpus));
    CHECK(CPU_EQUAL(&cpus, &thread->cpus), "bound to %d processors, not to %d or others",
          CPU_COUNT(&cpus), CPU_COUNT(&thread->cpus));
}

static void *second_run(void *unused)
{
    (void)unused;
    thread_set(&second, 1);
    while (!is_over) {
        thread_check(&second);
        steps_done++;
        usleep(2000);
    }
    return NULL;
}

static void file_set(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY);

    CHECK_SYS(fd);
    CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void file_check(const char *path, const char *expected)
{
    char text[64] = "";
    int fd = open(path, O_RDONLY);

    CHECK_SYS(fd);
    CHECK(read(fd, text, sizeof text - 1) > 0, "%s: %s", path, strerror(errno));
    close(fd);
    text[strcspn(text, "\n")] = '\0';
    CHECK(strcmp(text, expected) == 0, "%s has %s, not %s", path, text, expected);
}

static void process_set(void)
{
    char name[64];

    file_set("/proc/self/oom_score_adj", "321");
    file_set("/proc/self/coredump_filter", "0x7");
    CHECK_SYS(prctl(PR_SET_CHILD_SUBREAPER, 1));
    CHECK_SYS(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
    CHECK_SYS(personality(UNAME26 | (unsigned long)personality(0xffffffff)));
    CHECK_SYS(prctl(PR_SET_KEEPCAPS, 1));
    CHECK_SYS(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    CHECK_SYS(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
    CHECK_SYS(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0));
    registrations = (int)syscall(SYS_membarrier, MEMBARRIER_REGISTRATIONS, 0, 0);
    snprintf(name, sizeof name, "removed.%d", check_rank);
    CHECK(mkdir(name, 0700) == 0 || errno == EEXIST, "%s: %s", name, strerror(errno));
    CHECK_SYS(chdir(name));
    snprintf(name, sizeof name, "../removed.%d", check_rank);
    CHECK_SYS(rmdir(name));
}

static void process_check(void)
{
    char path[4096];
    struct stat here;
    int value;

    file_check("/proc/self/oom_score_adj", "321");
    file_check("/proc/self/coredump_filter", "00000007");
    CHECK_SYS(prctl(PR_GET_CHILD_SUBREAPER, &value));
    CHECK_EQ(value, 1);
    CHECK_EQ(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0), 1);
    CHECK(personality(0xffffffff) & UNAME26, "personality %#x", personality(0xffffffff));
    CHECK_EQ(prctl(PR_GET_KEEPCAPS), 1);
    CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
    CHECK_EQ(prctl(PR_GET_DUMPABLE), 1);
    if (registrations > 0) /* else the kernel does not tell, and crmpi cannot know */
        CHECK_SYS(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
    CHECK_EQ(syscall(SYS_membarrier, MEMBARRIER_REGISTRATIONS, 0, 0), registrations);
    CHECK(getcwd(path, sizeof path) == NULL && errno == ENOENT, "in %s", path);
    CHECK_SYS(stat(".", &here));
    CHECK_EQ(here.st_nlink, 0);
}

int main(int argc, char **argv)
{
    pthread_t thread;
    long steps;
    int provided;

    MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided);
    steps = check_begin("settings", argc, argv, 600);
    process_set();
    CHECK_EQ(pthread_create(&thread, NULL, second_run, NULL), 0);
    while (steps_done == 0) /* it was not to have the settings of the first */
        usleep(1000);
    thread_set(&first, 0);
    for (long step = 0; step < steps; step++) {
        process_check();
        thread_check(&first);
        if (step % 10 == 0)
            MPI_Barrier(MPI_COMM_WORLD);
        check_sleep_ms(3);
        check_note((uint64_t)step);
    }
    is_over = 1;
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_SYS(chdir("/"));
    check_end(steps);
    MPI_Finalize();
    return 0;
}
