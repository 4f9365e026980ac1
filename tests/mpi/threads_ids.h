/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The threads of threads_many: a table of those that live, in which each enters itself
 * with the id, name and priorities it has at its start.  All of it has to stay so,
 * whoever asks: the thread itself, or one that watches all, and now and then changes
 * something of one of them.
 */
#ifndef TESTS_MPI_THREADS_IDS_H
#define TESTS_MPI_THREADS_IDS_H

#include "check.h"
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define MAX_THREADS 128
#define STACK_BYTES (256 << 10)
#define IOPRIO_BE(level) (2 << 13 | (level))
#define MAX_NICER 3
#define TICK_MS 20
#define TICKS_PER_WAIT 3000 /* a thread that waits longer hangs */

struct thread {
    pthread_t handle;
    pid_t id;
    char name[16];
    clockid_t clock; /* its CPU time */
    int nice, policy, ioprio;
    int cpu; /* the only one it may run on, -1 if it was not told */
    int n_nicer;
    bool lives, may_change;
    const char *_Atomic doing; /* what it waits in, since when */
    atomic_long since_tick;
};

static struct thread threads[MAX_THREADS];
/* while it is locked none of them ends */
static pthread_mutex_t threads_mutex = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local struct thread *self;
static pthread_attr_t attributes;
static pid_t process;
static cpu_set_t cpus;
static atomic_long n_ticks;
static atomic_bool watch_ends;

static pthread_t spawn(void *(*run)(void *), void *data)
{
    pthread_t thread;

    CHECK_EQ(pthread_create(&thread, &attributes, run, data), 0);
    return thread;
}

/** Say what this thread waits in from now on. */
static void doing(const char *what)
{
    self->since_tick = n_ticks;
    self->doing = what;
}

/* A call that must return what it does when nothing interrupts it. */
#define RETURNS(call, expected)                                                          \
    do {                                                                                 \
        errno = 0;                                                                       \
        long long found_ = (long long)(call), expected_ = (long long)(expected);         \
        int errno_ = errno;                                                              \
        if (found_ != expected_)                                                         \
            check_fail(__FILE__, __LINE__, #call,                                        \
                       "%s: returned %lld, not %lld, errno %d, %s", self->doing, found_, \
                       expected_, errno_, strerror(errno_));                             \
    } while (0)

#define FAILS(call, error)                                                               \
    do {                                                                                 \
        errno = 0;                                                                       \
        long long found_ = (long long)(call);                                            \
        int errno_ = errno;                                                              \
        if (found_ != -1 || errno_ != (error))                                           \
            check_fail(__FILE__, __LINE__, #call,                                        \
                       "%s: returned %lld, errno %d, %s, not errno %d, %s", self->doing, \
                       found_, errno_, strerror(errno_), (error), strerror(error));      \
    } while (0)

/** Check that this thread is who it was. */
static void thread_check(void)
{
    CHECK_EQ(gettid(), self->id);
    CHECK_EQ(syscall(SYS_gettid), self->id);
    CHECK_EQ(getpid(), process);
    CHECK_EQ(syscall(SYS_getpid), process);
    CHECK(pthread_equal(pthread_self(), self->handle), "%s is another thread",
          self->name);
}

/** Enter this thread into the table; it is named, unless it is the first. */
static void thread_begin(const char *name)
{
    struct thread *own = NULL;
    pid_t id = gettid();

    CHECK_EQ(pthread_mutex_lock(&threads_mutex), 0);
    for (struct thread *other = threads; other < threads + MAX_THREADS; other++) {
        if (!other->lives) {
            own = own ? own : other;
            continue;
        }
        CHECK(other->id != id, "thread %s has the id %d of %s, which lives",
              name ? name : "?", id, other->name);
        CHECK(!pthread_equal(other->handle, pthread_self()), "two threads are one");
    }
    CHECK(own != NULL, "more than %d threads", MAX_THREADS);
    self = own;
    own->handle = pthread_self();
    own->id = id;
    if (name != NULL)
        CHECK_EQ(pthread_setname_np(own->handle, name), 0);
    CHECK_EQ(pthread_getname_np(own->handle, own->name, sizeof own->name), 0);
    CHECK_EQ(pthread_getcpuclockid(own->handle, &own->clock), 0);
    own->nice = getpriority(PRIO_PROCESS, 0);
    CHECK_SYS(own->policy = sched_getscheduler(0));
    CHECK_SYS(own->ioprio = (int)syscall(SYS_ioprio_get, 1, 0));
    own->cpu = -1;
    own->n_nicer = 0;
    own->may_change = false;
    own->doing = NULL;
    own->lives = true;
    CHECK_EQ(pthread_mutex_unlock(&threads_mutex), 0);
    thread_check();
}

/** Leave the table; the thread ends. */
static void thread_end(void)
{
    thread_check();
    CHECK_EQ(pthread_mutex_lock(&threads_mutex), 0);
    self->lives = false;
    CHECK_EQ(pthread_mutex_unlock(&threads_mutex), 0);
}

static int threads_living(void)
{
    int n = 0;

    CHECK_EQ(pthread_mutex_lock(&threads_mutex), 0);
    for (int i = 0; i < MAX_THREADS; i++)
        n += threads[i].lives;
    CHECK_EQ(pthread_mutex_unlock(&threads_mutex), 0);
    return n;
}

/** Read a file of /proc/self/task about a thread. */
static void thread_file(pid_t id, const char *file, char *text, size_t n_bytes)
{
    char path[64];
    ssize_t n;
    int fd;

    snprintf(path, sizeof path, "/proc/self/task/%d/%s", id, file);
    CHECK((fd = open(path, O_RDONLY | O_CLOEXEC)) != -1, "%s: %s", path, strerror(errno));
    CHECK((n = read(fd, text, n_bytes - 1)) > 0, "%s: %zd, %s", path, n, strerror(errno));
    CHECK_SYS(close(fd));
    text[n] = '\0';
}

static void look_at_scheduling(const struct thread *thread)
{
    cpu_set_t set;

    CHECK_EQ(getpriority(PRIO_PROCESS, (id_t)thread->id), thread->nice);
    CHECK_EQ(sched_getscheduler(thread->id), thread->policy);
    CHECK_EQ(syscall(SYS_ioprio_get, 1, thread->id), thread->ioprio);
    CHECK_SYS(sched_getaffinity(thread->id, sizeof set, &set));
    CHECK(CPU_COUNT(&set) > 0, "no processor for %s", thread->name);
    CHECK(thread->cpu == -1 || (CPU_COUNT(&set) == 1 && CPU_ISSET(thread->cpu, &set)),
          "%s has %d processors, not number %d alone", thread->name, CPU_COUNT(&set),
          thread->cpu);
    CHECK_EQ(pthread_getaffinity_np(thread->handle, sizeof set, &set), 0);
}

static void look_at(const struct thread *thread)
{
    const char *what = thread->doing;
    struct timespec time;
    char text[32];
    clockid_t clock;

    CHECK_SYS(syscall(SYS_tgkill, getpid(), thread->id, 0));
    CHECK_EQ(pthread_kill(thread->handle, 0), 0);
    CHECK_EQ(pthread_getname_np(thread->handle, text, sizeof text), 0);
    CHECK(strcmp(text, thread->name) == 0, "thread %d is named %s, not %s", thread->id,
          text, thread->name);
    thread_file(thread->id, "comm", text, sizeof text);
    text[strcspn(text, "\n")] = '\0';
    CHECK(strcmp(text, thread->name) == 0, "in /proc thread %d is named %s, not %s",
          thread->id, text, thread->name);
    CHECK_EQ(pthread_getcpuclockid(thread->handle, &clock), 0);
    CHECK_EQ(clock, thread->clock);
    CHECK_SYS(clock_gettime(thread->clock, &time));
    CHECK(time.tv_sec >= 0 && time.tv_nsec >= 0, "%ld s of CPU time", time.tv_sec);
    look_at_scheduling(thread);
    CHECK(what == NULL || n_ticks - thread->since_tick < TICKS_PER_WAIT,
          "%s: does not end in thread %s, %d", what, thread->name, thread->id);
}

/* Something of one thread, by its id; the others must not get it. */
static void change(struct thread *thread, long turn)
{
    struct sched_param none = {0};
    cpu_set_t set = cpus;

    switch (turn % 5) {
    case 0:
        snprintf(thread->name, sizeof thread->name, "named.%d", (int)(turn % 100000));
        CHECK_EQ(pthread_setname_np(thread->handle, thread->name), 0);
        break;
    case 1:
        thread->nice += thread->n_nicer < MAX_NICER && thread->nice < 19;
        thread->n_nicer++;
        CHECK_SYS(setpriority(PRIO_PROCESS, (id_t)thread->id, thread->nice));
        break;
    case 2:
        thread->ioprio = IOPRIO_BE((int)(turn / 5 % 8));
        CHECK_SYS(syscall(SYS_ioprio_set, 1, thread->id, thread->ioprio));
        break;
    case 3:
        if (thread->policy != SCHED_BATCH && thread->policy != SCHED_OTHER)
            break;
        thread->policy = thread->policy == SCHED_BATCH ? SCHED_OTHER : SCHED_BATCH;
        CHECK_SYS(sched_setscheduler(thread->id, thread->policy, &none));
        break;
    default:
        thread->cpu = thread->cpu == -1 ? (int)(turn / 5) % CPU_SETSIZE : -1;
        while (thread->cpu != -1 && !CPU_ISSET(thread->cpu, &cpus))
            thread->cpu = (thread->cpu + 1) % CPU_SETSIZE;
        if (thread->cpu != -1) {
            CPU_ZERO(&set);
            CPU_SET(thread->cpu, &set);
        }
        CHECK_SYS(sched_setaffinity(thread->id, sizeof set, &set));
    }
}

/* All threads, a few at a time, until the others have ended. */
static void *watch(void *unused)
{
    int next = 0;

    thread_begin("watch");
    for (long turn = 0; !watch_ends; n_ticks++) {
        CHECK_SYS(kill(getpid(), 0));
        CHECK_EQ(pthread_mutex_lock(&threads_mutex), 0);
        for (int i = 0; i < 12; i++, next = (next + 1) % MAX_THREADS) {
            if (!threads[next].lives)
                continue;
            look_at(&threads[next]);
            if (i % 4 != 0 || !threads[next].may_change)
                continue;
            change(&threads[next], turn++);
            look_at(&threads[next]);
        }
        CHECK_EQ(pthread_mutex_unlock(&threads_mutex), 0);
        thread_check();
        check_sleep_ms(TICK_MS);
    }
    thread_end();
    return unused;
}

#endif
