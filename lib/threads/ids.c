/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ids of the process and of its threads, after a restart (see ids.h).  Lower half.
 *
 * Calls that are translated are trapped in restarted processes only (filter.c).  In a
 * forked child the table is its parent's: of use for getppid(), and for nothing else, since
 * none of the threads is there.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <unistd.h>

#include "base/log.h"
#include "boundary/control.h"
#include "lower/raw.h"
#include "lower/text.h"
#include "lower/thread.h"
#include "threads/ids.h"

static struct id {
    int32_t known, kernel; /* 0: it has ended */
    int32_t is_reserved;   /* a thread of ours has the known one */
} *ids;
static size_t n_ids;
static int pid_max = 32768;

enum crmpi_status crmpi_ids_start(size_t n)
{
    FILE *file = fopen("/proc/sys/kernel/pid_max", "re");

    if (file && fscanf(file, "%d", &pid_max) != 1)
        pid_max = 32768;
    if (file)
        fclose(file);
    ids = calloc(n, sizeof *ids);
    return ids ? CRMPI_OK : CRMPI_ERR_NOMEM;
}

void crmpi_ids_add(int known, int kernel)
{
    ids[n_ids] = (struct id){.known = known, .kernel = kernel};
    __atomic_store_n(&n_ids, n_ids + 1, __ATOMIC_RELEASE);
}

int crmpi_ids_known(int kernel)
{
    size_t n = __atomic_load_n(&n_ids, __ATOMIC_ACQUIRE);

    for (size_t i = 0; i < n && kernel > 0; i++)
        if (__atomic_load_n(&ids[i].kernel, __ATOMIC_RELAXED) == kernel)
            return ids[i].known;
    return kernel;
}

static struct id *find_known(int known)
{
    size_t n = __atomic_load_n(&n_ids, __ATOMIC_ACQUIRE);

    for (size_t i = 0; i < n && known > 0; i++)
        if (ids[i].known == known && __atomic_load_n(&ids[i].kernel, __ATOMIC_RELAXED))
            return &ids[i];
    return NULL;
}

int crmpi_ids_kernel(int known)
{
    const struct id *id = find_known(known);

    return id ? id->kernel : known;
}

/* A clock of CPU time is ~id << 3, and which of its clocks. */
clockid_t crmpi_ids_clock(clockid_t clock)
{
    int known = (int)~((unsigned)clock >> 3 | 7u << 29);

    if (clock >= 0 || (clock & 3) == 3) /* one of a descriptor */
        return clock;
    return (clockid_t)((~(unsigned)crmpi_ids_kernel(known) << 3) | ((unsigned)clock & 7));
}

/* ---- new ids ---- */

#define NEAR 256        /* ids that others may take between a look and a call */
#define FIRST_AGAIN 300 /* the kernel begins there again behind pid_max */
#define EXIT 1
#define STAY 2

/* A thread that does nothing, but has an id: it waits for the verdict, and ends or stays.
 * It has no stack, and all signals blocked, as its maker has. */
static struct {
    int32_t verdict; /* 0: none yet */
    int32_t tid;
    int32_t heard; /* 0: it has taken the verdict, or has ended */
    int32_t lock;  /* a pid: a forked child has no thread that holds its parent's */
} blank;

static long blank_make(void)
{
    const long flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
                       CLONE_SYSVSEM | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
    register long child_tid __asm__("r10") = (long)&blank.heard;
    register long tls __asm__("r8") = 0;
    register void *verdict __asm__("r12") = &blank.verdict;
    register void *heard __asm__("r13") = &blank.heard;
    long result;

    blank.verdict = 0;
    blank.heard = 1;
    __asm__ volatile("syscall\n\t"
                     "testq %%rax, %%rax\n\t"
                     "jnz 4f\n"
                     "1: movl $202, %%eax\n\t" /* futex, FUTEX_WAIT while it is 0 */
                     "movq %%r12, %%rdi\n\t"
                     "xorl %%esi, %%esi\n\t"
                     "xorl %%edx, %%edx\n\t"
                     "xorl %%r10d, %%r10d\n\t"
                     "syscall\n\t"
                     "movl (%%r12), %%eax\n\t"
                     "cmpl $2, %%eax\n\t"
                     "je 2f\n\t"
                     "cmpl $1, %%eax\n\t"
                     "jne 1b\n\t"
                     "movl $60, %%eax\n\t" /* exit, which clears heard */
                     "xorl %%edi, %%edi\n\t"
                     "syscall\n"
                     "2: movl $0, (%%r13)\n\t"
                     "movl $202, %%eax\n\t" /* FUTEX_WAKE, as exit does */
                     "movq %%r13, %%rdi\n\t"
                     "movl $1, %%esi\n\t"
                     "movl $1, %%edx\n\t"
                     "syscall\n"
                     "3: movl $34, %%eax\n\t" /* pause */
                     "syscall\n\t"
                     "jmp 3b\n"
                     "4:"
                     : "=a"(result), "+r"(child_tid)
                     : "a"(SYS_clone), "D"(flags), "S"(0l), "d"(&blank.tid), "r"(tls),
                       "r"(verdict), "r"(heard)
                     : "rcx", "r11", "memory");
    return result;
}

static void blank_judge(int32_t verdict)
{
    __atomic_store_n(&blank.verdict, verdict, __ATOMIC_RELEASE);
    crmpi_raw_futex_wake(&blank.verdict, 1);
    while (__atomic_load_n(&blank.heard, __ATOMIC_ACQUIRE))
        crmpi_raw_futex_wait(&blank.heard, 1, NULL);
}

static void lock(void)
{
    int32_t pid = (int32_t)crmpi_raw(SYS_getpid, 0, 0, 0, 0, 0, 0), held = 0;

    while (!__atomic_compare_exchange_n(&blank.lock, &held, pid, 0, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED)) {
        if (held == pid) {
            crmpi_raw(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
            held = 0;
        } /* else it is of the parent: taken over */
    }
}

static void unlock(void)
{
    __atomic_store_n(&blank.lock, 0, __ATOMIC_RELEASE);
}

/* The id that the kernel gave last, of all in this namespace; -1: it is not known. */
static int last_id(void)
{
    char text[128];
    long fd =
        crmpi_raw(SYS_open, (long)"/proc/loadavg", O_RDONLY | O_CLOEXEC, 0, 0, 0, 0);
    long n = crmpi_raw(SYS_read, fd, (long)text, sizeof text - 1, 0, 0, 0), i;

    if (fd >= 0)
        crmpi_raw(SYS_close, fd, 0, 0, 0, 0, 0);
    if (n <= 0)
        return -1;
    text[n] = '\0';
    for (i = n; i > 0 && text[i - 1] != ' '; i--)
        ;
    return crmpi_text_number(text + i, NULL);
}

/* Whether the kernel may soon give an id that is known. */
static int is_near(int last)
{
    size_t n = __atomic_load_n(&n_ids, __ATOMIC_ACQUIRE);

    for (size_t i = 0; i < n; i++) {
        int known = ids[i].known, ahead = known - last;

        if (!ids[i].kernel || ids[i].is_reserved || known == ids[i].kernel)
            continue;
        if (ahead <= 0)
            ahead = pid_max - last + (known > FIRST_AGAIN ? known - FIRST_AGAIN : 0);
        if (last < 0 || ahead <= NEAR)
            return 1;
    }
    return 0;
}

void crmpi_ids_guard(void)
{
    /* a child of vfork() has its parent's memory, and is about to execute something */
    if (n_ids == 0 || crmpi_raw(SYS_getpid, 0, 0, 0, 0, 0, 0) != crmpi_control->owner)
        return;
    lock();
    for (int i = 0, last = last_id(); i < 2 * NEAR + (int)n_ids && is_near(last); i++) {
        struct id *id;

        if (blank_make() < 0)
            break; /* nor will the caller make one */
        last = blank.tid;
        id = find_known(last);
        if (id && id->kernel != last && crmpi_lower_thread_note(last)) {
            id->is_reserved = 1;
            blank_judge(STAY);
        } else {
            blank_judge(EXIT);
        }
    }
    unlock();
}

void crmpi_ids_thread_ends(void)
{
    int32_t kernel = (int32_t)crmpi_raw(SYS_gettid, 0, 0, 0, 0, 0, 0);

    for (size_t i = 0; i < n_ids; i++)
        if (ids[i].kernel == kernel && kernel != (int32_t)crmpi_control->pid)
            __atomic_store_n(&ids[i].kernel, 0, __ATOMIC_RELEASE);
}

/* ---- paths ---- */

void crmpi_ids_path_read(const char *path, char *out, size_t bytes)
{
    size_t first = 4096 - ((uintptr_t)path & 4095);

    memset(out, 0, bytes);
    first = first < bytes ? first : bytes;
    if (crmpi_raw_read(out, path, first) == 0 && !memchr(out, '\0', first) &&
        first < bytes)
        crmpi_raw_read(out + first, path + first, bytes - first);
    out[bytes - 1] = '\0';
}

int crmpi_ids_path(const char *path, char kernel_out[CRMPI_IDS_PATH_BYTES])
{
    char given[CRMPI_IDS_PATH_BYTES - 16], *out = kernel_out; /* ids may be longer */
    const char *at = given, *behind;
    int changed = 0;

    crmpi_ids_path_read(path, given, sizeof "/proc/");
    if (!crmpi_text_begins(given, "/proc/"))
        return 0;
    crmpi_ids_path_read(path, given, sizeof given);
    if (strlen(given) == sizeof given - 1)
        return 0;
    for (int i = 0; i == 0 || (i == 1 && crmpi_text_begins(at, "/task/")); i++) {
        const char *name = i == 0 ? "/proc/" : "/task/";
        size_t length = strlen(name);
        int id;

        memcpy(out, name, length);
        out += length;
        at += length;
        id = crmpi_text_number(at, &behind);
        changed |= behind != at && crmpi_ids_kernel(id) != id;
        if (behind != at)
            out = crmpi_text_put(out, (unsigned)crmpi_ids_kernel(id));
        else /* self, thread-self, or no process at all */
            while (*behind && *behind != '/')
                *out++ = *behind++;
        at = behind;
    }
    memcpy(out, at, strlen(at) + 1);
    return changed;
}

/* ---- calls ---- */

#define IPC_64 0x100l /* a bit of commands that old programs lack */

static long call(long number, const greg_t *r)
{
    return crmpi_raw(number, r[REG_RDI], r[REG_RSI], r[REG_RDX], r[REG_R10], r[REG_R8],
                     r[REG_R9]);
}

/* With the ids in these registers translated. */
static long call_with(long number, const greg_t *r, int first, int second)
{
    greg_t mine[NGREG];

    memcpy(mine, r, sizeof mine);
    mine[first] = crmpi_ids_kernel((int)r[first]);
    if (second != CRMPI_NO_ID)
        mine[second] = crmpi_ids_kernel((int)r[second]);
    return call(number, mine);
}

/* fcntl: who gets the signals of a descriptor, or has a lock. */
static long call_owner(const greg_t *r)
{
    struct f_owner_ex owner, *theirs = (struct f_owner_ex *)r[REG_RDX];
    struct flock *lock = (struct flock *)r[REG_RDX];
    long result;

    switch (r[REG_RSI]) {
    case F_SETOWN: /* a group, if it is negative */
        return call_with(SYS_fcntl, r, REG_RDX, CRMPI_NO_ID);
    case F_GETLK:
        result = call(SYS_fcntl, r);
        if (result == 0 && lock->l_type != F_UNLCK && lock->l_pid > 0)
            lock->l_pid = crmpi_ids_known(lock->l_pid);
        return result;
    case F_GETOWN:
        result = call(SYS_fcntl, r);
        return result > 0 ? crmpi_ids_known((int)result) : result;
    case F_SETOWN_EX:
        if (crmpi_raw_read(&owner, theirs, sizeof owner) != 0)
            return -EFAULT;
        if (owner.type != F_OWNER_PGRP)
            owner.pid = crmpi_ids_kernel(owner.pid);
        return crmpi_raw(SYS_fcntl, r[REG_RDI], F_SETOWN_EX, (long)&owner, 0, 0, 0);
    default: /* F_GETOWN_EX */
        result = call(SYS_fcntl, r);
        if (result == 0 && theirs->type != F_OWNER_PGRP)
            theirs->pid = crmpi_ids_known(theirs->pid);
        return result;
    }
}

static long call_timer(const greg_t *r)
{
    struct sigevent event, *wanted = (struct sigevent *)r[REG_RSI];

    if (wanted) {
        if (crmpi_raw_read(&event, wanted, sizeof event) != 0)
            return -EFAULT;
        if (event.sigev_notify == SIGEV_THREAD_ID)
            event._sigev_un._tid = crmpi_ids_kernel(event._sigev_un._tid);
        wanted = &event;
    }
    return crmpi_raw(SYS_timer_create, crmpi_ids_clock((clockid_t)r[REG_RDI]),
                     (long)wanted, r[REG_RDX], 0, 0, 0);
}

/* System V: who has used one. */
static long call_ipc(long number, const greg_t *r)
{
    long command = r[number == SYS_semctl ? REG_RDX : REG_RSI] & ~IPC_64;
    long result = call(number, r);

    if (result < 0)
        return result;
    if (number == SYS_semctl)
        return command == GETPID ? crmpi_ids_known((int)result) : result;
    if (number == SYS_msgctl &&
        (command == IPC_STAT || command == MSG_STAT || command == MSG_STAT_ANY)) {
        struct msqid_ds *queue = (struct msqid_ds *)r[REG_RDX];

        queue->msg_lspid = crmpi_ids_known(queue->msg_lspid);
        queue->msg_lrpid = crmpi_ids_known(queue->msg_lrpid);
    } else if (number == SYS_shmctl &&
               (command == IPC_STAT || command == SHM_STAT || command == SHM_STAT_ANY)) {
        struct shmid_ds *segment = (struct shmid_ds *)r[REG_RDX];

        segment->shm_cpid = crmpi_ids_known(segment->shm_cpid);
        segment->shm_lpid = crmpi_ids_known(segment->shm_lpid);
    }
    return result;
}

static long call_capabilities(long number, const greg_t *r)
{
    struct __user_cap_header_struct header, *theirs = (void *)r[REG_RDI];
    long result;

    if (crmpi_raw_read(&header, theirs, sizeof header) != 0)
        return -EFAULT;
    header.pid = crmpi_ids_kernel(header.pid);
    result = crmpi_raw(number, (long)&header, r[REG_RSI], 0, 0, 0, 0);
    theirs->version = header.version; /* the kernel's, where it does not know theirs */
    return result;
}

long crmpi_ids_call(long number, const greg_t *r, int first, int second)
{
    if (first != CRMPI_NO_ID)
        return call_with(number, r, first, second);
    switch (number) {
    case SYS_gettid:
    case SYS_getpid:
    case SYS_getppid:
    case SYS_set_tid_address:
        return crmpi_ids_known((int)call(number, r));
    case SYS_getpriority:
    case SYS_setpriority:
        return r[REG_RDI] == PRIO_PROCESS ? call_with(number, r, REG_RSI, CRMPI_NO_ID)
                                          : call(number, r);
    case SYS_ioprio_get:
    case SYS_ioprio_set:
        return r[REG_RDI] == 1 /* IOPRIO_WHO_PROCESS */
                   ? call_with(number, r, REG_RSI, CRMPI_NO_ID)
                   : call(number, r);
    case SYS_fcntl:
        return call_owner(r);
    case SYS_timer_create:
        return call_timer(r);
    case SYS_semctl:
    case SYS_msgctl:
    case SYS_shmctl:
        return call_ipc(number, r);
    case SYS_capget:
    case SYS_capset:
        return call_capabilities(number, r);
    case SYS_clock_gettime: /* as by the vdso */
        return ((int (*)(clockid_t, struct timespec *))crmpi_control->vdso[0])(
            (clockid_t)r[REG_RDI], (struct timespec *)r[REG_RSI]);
    case SYS_clock_getres:
        return crmpi_raw(number, crmpi_ids_clock((clockid_t)r[REG_RDI]), r[REG_RSI], 0, 0,
                         0, 0);
    default:
        return -ENOSYS;
    }
}
