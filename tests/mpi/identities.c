/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who is who: ids of the process and of its threads stay what they were, in all calls that
 * give or take one; a thread that comes later has an id that none has; and locks know their
 * owners, also those with priority inheritance and those whose owner ends while it has them.
 *
 * An argument "collide" has the kernel, where it lets itself be told, give ids next that the
 * program knows: of use in a namespace of process ids of its own.
 */
#include "check.h"
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define N_WORKERS 6
#define HELD_STEPS 5 /* for which a thread that is to end has a robust mutex */

static struct worker {
    pthread_t thread;
    pid_t id;
    char name[16];
    volatile int n_signals, value, sender;
} workers[N_WORKERS];
static pid_t process;
static volatile int is_over;
static int collides;
static __thread struct worker *self;

static void on_signal(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    self->value = info->si_value.sival_int;
    self->sender = info->si_pid;
    self->n_signals++;
}

static void *work(void *argument)
{
    self = argument;
    self->id = gettid();
    while (!is_over) {
        CHECK_EQ(gettid(), self->id);
        CHECK_EQ(getpid(), process);
        check_sleep_ms(2);
    }
    return NULL;
}

static int is_known(pid_t id)
{
    for (int i = 0; i < N_WORKERS; i++)
        if (workers[i].id == id)
            return 1;
    return id == process;
}

static void name_check(const char *path, const char *name)
{
    char text[32] = "";
    int fd = open(path, O_RDONLY);

    CHECK(fd >= 0, "%s: %s", path, strerror(errno));
    CHECK(read(fd, text, sizeof text - 1) > 0, "%s is empty", path);
    text[strcspn(text, "\n")] = 0;
    CHECK(strcmp(text, name) == 0, "%s: '%s' instead of '%s'", path, text, name);
    close(fd);
}

static void paths_check(const struct worker *worker)
{
    char path[64], target[64] = "";
    struct stat about;

    snprintf(path, sizeof path, "/proc/self/task/%d/comm", worker->id);
    name_check(path, worker->name);
    snprintf(path, sizeof path, "/proc/%d/task/%d/comm", process, worker->id);
    name_check(path, worker->name);
    CHECK_SYS(access(path, R_OK));
    CHECK_SYS(stat(path, &about));
    snprintf(path, sizeof path, "/proc/%d", process);
    CHECK_SYS(lstat(path, &about));
    CHECK_SYS(readlink("/proc/self", target, sizeof target - 1));
    CHECK_EQ(atoi(target), process);
    snprintf(path, sizeof path, "%d/task/%d", process, process);
    memset(target, 0, sizeof target);
    CHECK_SYS(readlink("/proc/thread-self", target, sizeof target - 1));
    CHECK(strcmp(path, target) == 0, "'%s' instead of '%s'", target, path);
}

static void await(struct worker *worker, int n, int sender)
{
    for (int i = 0; worker->n_signals < n; i++) {
        CHECK(i < 60000, "a signal does not come to the thread that it was sent to");
        check_sleep_ms(1);
    }
    CHECK_EQ(worker->n_signals, n);
    CHECK_EQ(worker->sender, sender);
}

static void signals_check(struct worker *worker, int step)
{
    union sigval value = {.sival_int = step};
    int n = worker->n_signals;

    CHECK_EQ(pthread_kill(worker->thread, SIGUSR2), 0);
    await(worker, n + 1, process);
    CHECK_EQ(pthread_sigqueue(worker->thread, SIGUSR2, value), 0);
    await(worker, n + 2, process);
    CHECK_EQ(worker->value, step);
    CHECK_SYS(syscall(SYS_tgkill, process, worker->id, SIGUSR2));
    await(worker, n + 3, process);
    CHECK_SYS(kill(process, 0));
    CHECK_EQ(syscall(SYS_tgkill, process, worker->id, 0), 0);
}

static void calls_check(struct worker *worker)
{
    char name[16] = "";
    clockid_t clock;
    struct timespec time;
    struct sched_param parameters;
    cpu_set_t cpus;
    int policy;

    CHECK_EQ(pthread_setname_np(worker->thread, worker->name), 0);
    CHECK_EQ(pthread_getname_np(worker->thread, name, sizeof name), 0);
    CHECK(strcmp(name, worker->name) == 0, "'%s' instead of '%s'", name, worker->name);
    CHECK_EQ(pthread_getcpuclockid(worker->thread, &clock), 0);
    CHECK_SYS(clock_gettime(clock, &time));
    CHECK_SYS(syscall(SYS_clock_gettime, clock, &time));
    CHECK_SYS(clock_getres(clock, &time));
    CHECK_EQ(pthread_getschedparam(worker->thread, &policy, &parameters), 0);
    CHECK_EQ(pthread_getaffinity_np(worker->thread, sizeof cpus, &cpus), 0);
    errno = 0;
    CHECK_EQ(getpriority(PRIO_PROCESS, (id_t)worker->id), 0);
    CHECK_EQ(errno, 0);
    CHECK_SYS(syscall(SYS_ioprio_get, 1, worker->id));
    CHECK_EQ(gettid(), process);
    CHECK_EQ(getpid(), process);
}

/* Have the kernel give an id next that is known. */
static void id_force(int step)
{
    char text[16];
    int fd = collides ? open("/proc/sys/kernel/ns_last_pid", O_WRONLY) : -1, n;

    if (fd < 0)
        return;
    n = snprintf(text, sizeof text, "%d",
                 step % 2 ? process - 1 : workers[step / 2 % N_WORKERS].id - 1);
    CHECK_EQ(write(fd, text, (size_t)n), n);
    close(fd);
}

static void *id_tell(void *argument)
{
    *(pid_t *)argument = gettid();
    return NULL;
}

static void newcomers_check(int step)
{
    pthread_t thread;
    pid_t id = 0, child;
    int status;

    id_force(step);
    CHECK_EQ(pthread_create(&thread, NULL, id_tell, &id), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK(!is_known(id), "a new thread has the id %d of an old one", id);
    if (step % 16 != 5)
        return;
    id_force(step);
    child = fork();
    if (child == 0)
        _exit(getppid() == process && !is_known(getpid()) && getpid() == gettid() ? 0 : 1);
    CHECK_SYS(child);
    CHECK(!is_known(child), "a child has the id %d of this process or of a thread", child);
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
}

/* Who has a lock, or has used what the System V calls make. */
static void users_check(int step)
{
    struct flock lock = {.l_type = F_WRLCK, .l_len = 1};
    struct sembuf operation = {0, 1, 0};
    struct msqid_ds queue;
    struct shmid_ds segment;
    struct {
        long type;
        char text[8];
    } message = {1, ""};
    int fd, id, status;
    pid_t child;

    if (step % 16 != 9)
        return;
    CHECK_SYS(fd = memfd_create("locked", 0));
    CHECK_SYS(fcntl(fd, F_SETLK, &lock));
    child = fork();
    if (child == 0) {
        CHECK_SYS(fcntl(fd, F_GETLK, &lock));
        _exit(lock.l_type == F_WRLCK && lock.l_pid == getppid() ? 0 : 1);
    }
    CHECK_SYS(child);
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(status == 0, "a child sees another process's lock");
    close(fd);
    CHECK_SYS(id = semget(IPC_PRIVATE, 1, 0600));
    CHECK_SYS(semop(id, &operation, 1));
    CHECK_EQ(semctl(id, 0, GETPID), process);
    CHECK_SYS(semctl(id, 0, IPC_RMID));
    CHECK_SYS(id = msgget(IPC_PRIVATE, 0600));
    CHECK_SYS(msgsnd(id, &message, 8, 0));
    CHECK_EQ(msgrcv(id, &message, 8, 0, 0), 8);
    CHECK_SYS(msgctl(id, IPC_STAT, &queue));
    CHECK_SYS(msgctl(id, IPC_RMID, NULL));
    CHECK(queue.msg_lspid == process && queue.msg_lrpid == process, "sent by %d to %d",
          queue.msg_lspid, queue.msg_lrpid);
    CHECK_SYS(id = shmget(IPC_PRIVATE, 4096, 0600));
    CHECK_SYS(shmctl(id, IPC_STAT, &segment));
    CHECK_SYS(shmctl(id, IPC_RMID, NULL));
    CHECK_EQ(segment.shm_cpid, process);
}

/* A signal that crmpi uses ends a process that sends it to itself, as ever. */
static void end_check(int step)
{
    const struct rlimit no_core = {0};
    int status;
    pid_t child;

    if (step % 16 != 13)
        return;
    child = fork();
    if (child == 0) {
        CHECK_SYS(setrlimit(RLIMIT_CORE, &no_core));
        CHECK_SYS(sigqueue(getpid(), SIGSYS, (union sigval){.sival_int = 1 << 30}));
        _exit(0);
    }
    CHECK_SYS(child);
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "it ended with %x", status);
}

/*
 * Locks
 */

static pthread_mutex_t inheriting, recursive;
static long n_inside, n_turns;

static void mutex_make(pthread_mutex_t *mutex, int type, int protocol, int robust)
{
    pthread_mutexattr_t attributes;

    CHECK_EQ(pthread_mutexattr_init(&attributes), 0);
    CHECK_EQ(pthread_mutexattr_settype(&attributes, type), 0);
    CHECK_EQ(pthread_mutexattr_setprotocol(&attributes, protocol), 0);
    CHECK_EQ(pthread_mutexattr_setrobust(&attributes, robust), 0);
    CHECK_EQ(pthread_mutex_init(mutex, &attributes), 0);
}

static void turn(void)
{
    struct timespec end;

    CHECK_SYS(clock_gettime(CLOCK_REALTIME, &end));
    end.tv_sec += 120;
    CHECK_EQ(pthread_mutex_timedlock(&inheriting, &end), 0);
    CHECK_EQ(__atomic_fetch_add(&n_inside, 1, __ATOMIC_SEQ_CST), 0);
    CHECK_EQ(pthread_mutex_lock(&recursive), 0);
    CHECK_EQ(pthread_mutex_lock(&recursive), 0);
    check_sleep_ms(1);
    n_turns++;
    CHECK_EQ(pthread_mutex_unlock(&recursive), 0);
    CHECK_EQ(pthread_mutex_unlock(&recursive), 0);
    CHECK_EQ(__atomic_fetch_sub(&n_inside, 1, __ATOMIC_SEQ_CST), 1);
    CHECK_EQ(pthread_mutex_unlock(&inheriting), 0);
}

static void *take_turns(void *argument)
{
    long n = 0;

    (void)argument;
    for (; !is_over; n++)
        turn();
    return (void *)n;
}

/* A thread that has two robust mutexes for some steps, and ends with them. */
static struct owner {
    pthread_t thread;
    pthread_mutex_t mutexes[2];
    volatile int has_them, may_end;
} owner;

static void *own(void *argument)
{
    (void)argument;
    for (int i = 0; i < 2; i++)
        CHECK_EQ(pthread_mutex_lock(&owner.mutexes[i]), 0);
    owner.has_them = 1;
    while (!owner.may_end)
        check_sleep_ms(1);
    return NULL;
}

static void *await_owner(void *argument)
{
    int result = pthread_mutex_lock(argument);

    CHECK_EQ(result, EOWNERDEAD);
    CHECK_EQ(pthread_mutex_consistent(argument), 0);
    CHECK_EQ(pthread_mutex_unlock(argument), 0);
    return NULL;
}

static pthread_t heirs[2];

static void owner_begin(void)
{
    owner.has_them = owner.may_end = 0;
    for (int i = 0; i < 2; i++)
        mutex_make(&owner.mutexes[i], PTHREAD_MUTEX_NORMAL,
                   i ? PTHREAD_PRIO_INHERIT : PTHREAD_PRIO_NONE, PTHREAD_MUTEX_ROBUST);
    CHECK_EQ(pthread_create(&owner.thread, NULL, own, NULL), 0);
    while (!owner.has_them)
        check_sleep_ms(1);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(pthread_mutex_trylock(&owner.mutexes[i]), EBUSY);
        CHECK_EQ(pthread_create(&heirs[i], NULL, await_owner, &owner.mutexes[i]), 0);
    }
}

static void owner_end(void)
{
    owner.may_end = 1;
    CHECK_EQ(pthread_join(owner.thread, NULL), 0);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(pthread_join(heirs[i], NULL), 0);
        CHECK_EQ(pthread_mutex_trylock(&owner.mutexes[i]), 0);
        CHECK_EQ(pthread_mutex_unlock(&owner.mutexes[i]), 0);
        CHECK_EQ(pthread_mutex_destroy(&owner.mutexes[i]), 0);
    }
}

int main(int argc, char **argv)
{
    long steps, turns = 0;
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    pthread_t others[2];
    void *n;

    MPI_Init(&argc, &argv);
    steps = check_begin("identities", argc, argv, 150);
    collides = argc > 2 && strcmp(argv[2], "collide") == 0;
    process = getpid();
    CHECK_SYS(sigaction(SIGUSR2, &action, NULL));
    mutex_make(&inheriting, PTHREAD_MUTEX_ERRORCHECK, PTHREAD_PRIO_INHERIT,
               PTHREAD_MUTEX_STALLED);
    mutex_make(&recursive, PTHREAD_MUTEX_RECURSIVE, PTHREAD_PRIO_INHERIT,
               PTHREAD_MUTEX_STALLED);
    for (int i = 0; i < N_WORKERS; i++) {
        snprintf(workers[i].name, sizeof workers[i].name, "worker %d", i);
        CHECK_EQ(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
        while (!*(volatile pid_t *)&workers[i].id)
            check_sleep_ms(1);
        CHECK_EQ(pthread_setname_np(workers[i].thread, workers[i].name), 0);
    }
    for (int i = 0; i < 2; i++)
        CHECK_EQ(pthread_create(&others[i], NULL, take_turns, NULL), 0);
    for (long step = 0; step < steps; step++) {
        struct worker *worker = &workers[step % N_WORKERS];

        if (step % HELD_STEPS == 0)
            owner_begin();
        calls_check(worker);
        paths_check(worker);
        signals_check(worker, (int)step);
        newcomers_check((int)step);
        users_check((int)step);
        end_check((int)step);
        turn();
        turns++;
        if (step % HELD_STEPS == HELD_STEPS - 1 || step == steps - 1)
            owner_end();
        check_note((uint64_t)step);
        CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
    }
    is_over = 1;
    for (int i = 0; i < N_WORKERS; i++)
        CHECK_EQ(pthread_join(workers[i].thread, NULL), 0);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(pthread_join(others[i], &n), 0);
        turns += (long)n;
    }
    CHECK_EQ(n_turns, turns);
    check_end(steps);
    MPI_Finalize();
    return 0;
}
