/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Seccomp filter and SIGSYS handler (see trap.h).  Lower half; the handler runs on the
 * upper TLS base inside a system call of the application, so it uses no libc function
 * and no thread-local data.  All signals are blocked in it, so a thread never parks there.
 *
 * The filter is plain BPF because libseccomp cannot compare the instruction pointer.  The
 * kernel keeps a bitmap of the system calls a filter always allows, so all but the listed
 * ones cost nothing extra.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/timerfd.h>
#include <ucontext.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "boundary/control.h"
#include "descriptors/inotify.h"
#include "engine/engine.h"
#include "files/journal.h"
#include "lower/addresses.h"
#include "lower/park.h"
#include "lower/raw.h"
#include "lower/trap.h"

#define PAGE 4096ul
#define PAGE_UP(n) (((n) + PAGE - 1) & ~(PAGE - 1))
#define KERNEL_SA_RESTORER 0x04000000

/* Signals the application may neither block nor handle itself. */
#define OUR_SIGNALS (1ul << (SIGSYS - 1) | 1ul << (CRMPI_SIGNAL_PARK - 1))

static struct {
    int known, kernel;
} thread_map[1024];
static int n_thread_map;

/*
 * Addresses (see also addresses.c)
 */

/* The break lies in an area of its own, mapped as far as it is in use. */
static long do_brk(unsigned long wanted)
{
    unsigned long now = crmpi_control->brk_now;
    unsigned long mapped = PAGE_UP(now), target = PAGE_UP(wanted);

    if (wanted < crmpi_control->brk_start || wanted > CRMPI_BRK_ADDR + CRMPI_TIB)
        return now;
    if (target > mapped &&
        crmpi_raw(SYS_mmap, mapped, target - mapped, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) < 0)
        return now;
    if (target < mapped)
        crmpi_raw(SYS_munmap, target, mapped - target, 0, 0, 0, 0);
    crmpi_control->brk_now = wanted;
    return wanted;
}

static long do_shmat(long id, long address, long flags)
{
    struct shmid_ds about;
    long result;

    if (address == 0) {
        result = crmpi_raw(SYS_shmctl, id, IPC_STAT, (long)&about, 0, 0, 0);
        if (result < 0)
            return result;
        address = crmpi_trap_map(0, about.shm_segsz, PROT_NONE,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (address < 0)
            return address;
        flags |= SHM_REMAP;
    }
    return crmpi_raw(SYS_shmat, id, address, flags, 0, 0, 0);
}

/*
 * Signals
 */

/* Tell the kernel what the application wants to happen on a signal. */
static long kernel_sigaction(int signal, const struct crmpi_sigaction *wanted)
{
    struct crmpi_sigaction action = *wanted;

    if (1ul << (signal - 1) & OUR_SIGNALS)
        return 0;
    if (crmpi_park_is_request(signal) &&
        (uintptr_t)wanted->handler == (uintptr_t)SIG_DFL)
        action = crmpi_park_request_action();
    else if ((uintptr_t)wanted->handler > (uintptr_t)SIG_IGN &&
             crmpi_control->signal_entry) {
        action.handler = (void *)crmpi_control->signal_entry;
        action.flags |= SA_SIGINFO;
    }
    action.mask &= ~OUR_SIGNALS;
    return crmpi_raw(SYS_rt_sigaction, signal, (long)&action, 0, 8, 0, 0);
}

static long do_sigaction(long signal, const struct crmpi_sigaction *action,
                         struct crmpi_sigaction *old_out, unsigned long set_bytes)
{
    if (signal < 1 || signal > 64 || set_bytes != 8 ||
        (action && (signal == SIGKILL || signal == SIGSTOP)))
        return -EINVAL;
    struct crmpi_sigaction *known = &crmpi_control->sigactions[signal];
    struct crmpi_sigaction old = *known;

    if (action && crmpi_raw(SYS_getpid, 0, 0, 0, 0, 0, 0) != crmpi_control->owner) {
        /* between vfork and exec: the table is the parent's, the dispositions are not */
        long result = kernel_sigaction(signal, action);

        if (result < 0)
            return result;
    } else if (action) {
        struct crmpi_sigaction wanted = *action;

        *known = wanted; /* before the kernel knows: the handler's entry reads it */
        long result = kernel_sigaction(signal, &wanted);

        if (result < 0) {
            *known = old;
            return result;
        }
    }
    if (old_out)
        *old_out = old;
    return 0;
}

static long do_sigprocmask(long how, const uint64_t *set, uint64_t *old_out,
                           unsigned long set_bytes, ucontext_t *context)
{
    uint64_t *mask = (uint64_t *)&context->uc_sigmask;
    uint64_t old = *mask;

    if (set_bytes != 8)
        return -EINVAL;
    if (set) {
        uint64_t wanted = *set;

        if (how == SIG_BLOCK)
            wanted |= old;
        else if (how == SIG_UNBLOCK)
            wanted = old & ~wanted;
        else if (how != SIG_SETMASK)
            return -EINVAL;
        /* in force when the handler returns */
        *mask = wanted & ~(OUR_SIGNALS | 1ul << (SIGKILL - 1) | 1ul << (SIGSTOP - 1));
    }
    if (old_out)
        *old_out = old;
    return 0;
}

void crmpi_trap_signals_restore(void)
{
    for (int signal = 1; signal <= 64; signal++)
        if (signal != SIGKILL && signal != SIGSTOP)
            kernel_sigaction(signal, &crmpi_control->sigactions[signal]);
}

/*
 * Names
 */

static int same_text(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

/* The application's /proc/self/exe is its own program, not the host. */
static long do_readlink(long number, long dir, const char *path, char *out, long bytes)
{
    char own[32] = "/proc/", *end = own + 6;
    unsigned pid = crmpi_raw(SYS_getpid, 0, 0, 0, 0, 0, 0), digits = 1;

    for (unsigned n = pid; n >= 10; n /= 10)
        digits *= 10;
    for (; digits; digits /= 10)
        *end++ = '0' + pid / digits % 10;
    for (const char *rest = "/exe"; *rest;)
        *end++ = *rest++;
    *end = 0;
    if (same_text(path, "/proc/self/exe") || same_text(path, own) ||
        same_text(path, "/proc/thread-self/exe")) {
        const char *program = crmpi_control->program;
        long n = 0;

        if (bytes <= 0)
            return -EINVAL;
        for (; program[n] && n < bytes; n++)
            out[n] = program[n];
        return n;
    }
    if (number == SYS_readlink)
        return crmpi_raw(SYS_readlink, (long)path, (long)out, bytes, 0, 0, 0);
    return crmpi_raw(SYS_readlinkat, dir, (long)path, (long)out, bytes, 0, 0);
}

void crmpi_trap_thread_map(int known_tid, int kernel_tid)
{
    if (n_thread_map < (int)(sizeof thread_map / sizeof *thread_map)) {
        thread_map[n_thread_map].known = known_tid;
        thread_map[n_thread_map].kernel = kernel_tid;
        n_thread_map++;
    }
}

int crmpi_trap_known_tid(int tid)
{
    for (int i = 0; i < n_thread_map; i++)
        if (thread_map[i].kernel == tid)
            return thread_map[i].known;
    return tid;
}

static long kernel_tid(long tid)
{
    for (int i = 0; i < n_thread_map; i++)
        if (thread_map[i].known == tid)
            return thread_map[i].kernel;
    return tid;
}

/*
 * The gate
 *
 * System calls that wait under a signal mask of the application's must not wait with our
 * signals blocked (or, of sigwait, take them); deadlines on a monotonic clock are different
 * ones for the kernel after a restart; and of a wait for a time that the parking signal cuts
 * short it has to be known what is left.  Such calls cannot be made in the handler,
 * where all signals are blocked.  So the handler sends the thread on to the gate, a page
 * outside the filter's range but saved with the upper half, with the argument corrected in
 * a copy on the thread's own stack:
 *
 *      gate:  syscall
 *             ret $GATE_FRAME      back behind the call; drops the copy and the red zone
 */
struct gate_frame {
    uint64_t back;    /* where to go on */
    uint64_t number;  /* of the system call */
    int64_t reg;      /* the register whose argument was replaced, */
    uint64_t given;   /* by the application's own */
    uint64_t copy[3]; /* what it points to instead */
    int64_t end_ns;   /* of a timeout; 0: none */
    uint64_t red_zone[16];
};
#define GATE_FRAME (sizeof(struct gate_frame) - 8)

enum crmpi_status crmpi_trap_gate_map(void)
{
    const unsigned char code[] = {0x0f, 0x05, 0xc2, GATE_FRAME & 0xff, GATE_FRAME >> 8};
    void *gate = mmap((void *)CRMPI_GATE_ADDR, PAGE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

    if (gate != (void *)CRMPI_GATE_ADDR) {
        crmpi_error("cannot map the upper half's gate: %s", strerror(errno));
        return CRMPI_ERR_SYSTEM;
    }
    memcpy(gate, code, sizeof code);
    mprotect(gate, PAGE, PROT_READ | PROT_EXEC);
    return CRMPI_OK;
}

static uint64_t corrected(const uint64_t *set)
{
    return *set & ~OUR_SIGNALS;
}

/* A deadline on the application's clock, on the kernel's. */
static void correct_deadline(int is_monotonic, const struct timespec *given, uint64_t *copy)
{
    long ns = given->tv_sec * 1000000000l + given->tv_nsec -
              (is_monotonic ? crmpi_control->clock_offset_ns : 0);

    copy[0] = ns < 0 ? 0 : ns / 1000000000l;
    copy[1] = ns < 0 ? 0 : ns % 1000000000l;
}

/* Whether a timerfd counts on a clock that is another one after a restart. */
static int is_monotonic_timerfd(long fd)
{
    static const char name[] = "clockid: ";
    char path[32] = "/proc/self/fdinfo/", info[512], *end = path + 18;
    unsigned digits = 1;

    for (long n = fd; n >= 10; n /= 10)
        digits *= 10;
    for (; digits && fd >= 0; digits /= 10)
        *end++ = '0' + fd / digits % 10;
    *end = 0;
    long file = crmpi_raw(SYS_open, (long)path, O_RDONLY | O_CLOEXEC, 0, 0, 0, 0);
    long n = crmpi_raw(SYS_read, file, (long)info, sizeof info, 0, 0, 0);

    crmpi_raw(SYS_close, file, 0, 0, 0, 0, 0);
    for (long i = 0, k = 0; i < n; i++) {
        k = info[i] == name[k] ? k + 1 : info[i] == name[0];
        if (!name[k])
            return i + 1 < n && info[i + 1] != '0' + CLOCK_REALTIME &&
                   info[i + 1] != '0' + CLOCK_REALTIME_ALARM;
    }
    return 0;
}

/* An absolute time given to a timer. */
static long do_timerfd_settime(long fd, long flags, const struct itimerspec *given,
                               long old)
{
    struct itimerspec copy;
    uint64_t at[2];

    if (!(flags & TFD_TIMER_ABSTIME) || !crmpi_control->clock_offset_ns || !given ||
        !is_monotonic_timerfd(fd))
        return crmpi_raw(SYS_timerfd_settime, fd, flags, (long)given, old, 0, 0);
    copy = *given;
    if (copy.it_value.tv_sec || copy.it_value.tv_nsec) {
        correct_deadline(1, &given->it_value, at);
        copy.it_value.tv_sec = at[0];
        copy.it_value.tv_nsec = at[0] || at[1] ? at[1] : 1; /* 0 is never */
    }
    return crmpi_raw(SYS_timerfd_settime, fd, flags, (long)&copy, old, 0, 0);
}

/* Our signals are no news for the application. */
static long do_signalfd(long number, long fd, const uint64_t *set, long set_bytes,
                        long flags)
{
    uint64_t copy = 0;

    if (set && set_bytes == 8) {
        copy = corrected(set);
        set = &copy;
    }
    return crmpi_raw(number, fd, (long)set, set_bytes, flags, 0, 0);
}

/* The argument that is replaced by a copy; -1: none. */
static int gate_register(long number, const greg_t *r)
{
    switch (number) {
    case SYS_rt_sigsuspend:
    case SYS_rt_sigtimedwait:
        return REG_RDI;
    case SYS_clock_nanosleep:
        return r[REG_RSI] & TIMER_ABSTIME ? REG_RDX : -1;
    case SYS_ppoll:
    case SYS_futex:
        return REG_R10;
    case SYS_pselect6:
        return REG_R9;
    case SYS_epoll_pwait:
    case SYS_epoll_pwait2:
        return REG_R8;
    default:
        return -1;
    }
}

/* The argument that is a timeout in milliseconds; -1: none. */
static int timeout_register(long number)
{
    return number == SYS_poll                                           ? REG_RDX
           : number == SYS_epoll_wait || number == SYS_epoll_pwait ? REG_R10
                                                                   : -1;
}

static int64_t monotonic_ns(void)
{
    struct timespec now;

    crmpi_raw(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&now, 0, 0, 0, 0);
    return now.tv_sec * 1000000000l + now.tv_nsec;
}

/* Replace the argument in @p reg by a corrected copy. */
static void replace_argument(long number, greg_t *r, int reg, struct gate_frame *frame)
{
    const uint64_t *given = (const uint64_t *)r[reg];

    if (!given)
        return;
    if (number == SYS_futex || number == SYS_clock_nanosleep) {
        int is_monotonic = number == SYS_futex || r[REG_RDI] == CLOCK_MONOTONIC ||
                           r[REG_RDI] == CLOCK_BOOTTIME;

        correct_deadline(is_monotonic, (const struct timespec *)given, frame->copy);
    } else if (number == SYS_pselect6) { /* a set's address and its size */
        if (given[0])
            frame->copy[2] = corrected((const uint64_t *)given[0]);
        frame->copy[0] = given[0] ? (uint64_t)&frame->copy[2] : 0;
        frame->copy[1] = given[1];
    } else {
        frame->copy[0] = corrected(given);
    }
    r[reg] = (greg_t)frame->copy;
}

/* A sleep of a given length: let the kernel say in a copy of it what is left. */
static void replace_length(greg_t *r, int length, int left, struct gate_frame *frame)
{
    const uint64_t *given = (const uint64_t *)r[length];

    if (!given)
        return;
    frame->copy[0] = given[0];
    frame->copy[1] = given[1];
    r[length] = r[left] = (greg_t)frame->copy;
}

/* Arrange that the thread makes its call at the gate, with a corrected argument. */
static long through_gate(long number, greg_t *r)
{
    struct gate_frame *frame = (struct gate_frame *)(r[REG_RSP] - sizeof *frame);
    int reg = gate_register(number, r), timeout = timeout_register(number);

    frame->back = r[REG_RIP];
    frame->number = number;
    frame->reg = reg;
    frame->end_ns = timeout >= 0 && (int32_t)r[timeout] > 0
                        ? monotonic_ns() + (int32_t)r[timeout] * 1000000l
                        : 0;
    if (reg >= 0) {
        frame->given = r[reg];
        replace_argument(number, r, reg, frame);
    } else if (number == SYS_nanosleep) {
        replace_length(r, REG_RDI, REG_RSI, frame);
    } else if (number == SYS_clock_nanosleep) {
        replace_length(r, REG_RDX, REG_R10, frame);
    }
    r[REG_RSP] = (greg_t)frame;
    r[REG_RIP] = CRMPI_GATE_ADDR;
    return number; /* in rax, for the call at the gate */
}

int crmpi_trap_gate_leave(greg_t *r)
{
    const struct gate_frame *frame = (const struct gate_frame *)r[REG_RSP];

    if (r[REG_RIP] != CRMPI_GATE_ADDR &&
        (r[REG_RIP] != CRMPI_GATE_ADDR + 2 || r[REG_RAX] != -EINTR))
        return 0;
    r[REG_RAX] = frame->number;
    /* A sleep: on with what is left.  What is about to become of a file is noted anew, as the
     * checkpoint has begun another journal. */
    if (frame->reg < 0 &&
        (frame->number == SYS_nanosleep || frame->number == SYS_clock_nanosleep)) {
        r[REG_RIP] = CRMPI_GATE_ADDR;
        return 1;
    }
    if (frame->end_ns) {
        int64_t left_ms = (frame->end_ns - monotonic_ns() + 999999) / 1000000;

        r[timeout_register(frame->number)] = left_ms > 0 ? left_ms : 0;
    }
    if (frame->reg >= 0)
        r[frame->reg] = frame->given;
    r[REG_RIP] = frame->back - 2;
    r[REG_RSP] += sizeof *frame;
    return 1;
}

/*
 * Files
 */

/* A file that has only been appended to, so that only its length is noted, is cut. */
static void note_ftruncate(long fd, long bytes)
{
    char path[40] = "/proc/self/fd/";
    struct stat about;
    int n = (int)sizeof "/proc/self/fd/" - 1, digits = 1;

    if (fd < 0 || crmpi_raw(SYS_fstat, fd, (long)&about, 0, 0, 0, 0) != 0 ||
        about.st_size <= bytes)
        return;
    for (long rest = fd; rest >= 10; rest /= 10)
        digits++;
    for (int i = digits - 1; i >= 0; i--, fd /= 10)
        path[n + i] = (char)('0' + fd % 10);
    crmpi_journal_touch(AT_FDCWD, path, CRMPI_TOUCH_TRUNCATE, 0);
}

/* What is about to become of a file is noted, and then done at the gate: it may take long,
 * as opening a pipe does. */
static long do_file(long number, greg_t *r)
{
    long a = r[REG_RDI], b = r[REG_RSI], c = r[REG_RDX], d = r[REG_R10];
    uint64_t how;

    switch (number) {
    case SYS_open:
        crmpi_journal_touch(AT_FDCWD, (char *)a, CRMPI_TOUCH_OPEN, b);
        break;
    case SYS_creat:
        crmpi_journal_touch(AT_FDCWD, (char *)a, CRMPI_TOUCH_OPEN,
                            O_CREAT | O_WRONLY | O_TRUNC);
        break;
    case SYS_openat:
        crmpi_journal_touch(a, (char *)b, CRMPI_TOUCH_OPEN, c);
        break;
    case SYS_openat2: /* a structure that begins with the flags */
        if (crmpi_raw_read(&how, (void *)c, sizeof how) == 0)
            crmpi_journal_touch(a, (char *)b, CRMPI_TOUCH_OPEN, (long)how);
        break;
    case SYS_truncate:
        crmpi_journal_touch(AT_FDCWD, (char *)a, CRMPI_TOUCH_TRUNCATE, 0);
        break;
    case SYS_ftruncate:
        note_ftruncate(a, b);
        break;
    case SYS_unlink:
    case SYS_rmdir:
        crmpi_journal_touch(AT_FDCWD, (char *)a, CRMPI_TOUCH_REMOVE, 0);
        break;
    case SYS_unlinkat:
        crmpi_journal_touch(a, (char *)b, CRMPI_TOUCH_REMOVE, 0);
        break;
    case SYS_rename:
        crmpi_journal_rename(AT_FDCWD, (char *)a, AT_FDCWD, (char *)b);
        break;
    case SYS_renameat:
    case SYS_renameat2:
        crmpi_journal_rename(a, (char *)b, c, (char *)d);
        break;
    case SYS_mkdir:
    case SYS_mknod:
        crmpi_journal_touch(AT_FDCWD, (char *)a, CRMPI_TOUCH_REPLACE, 0);
        break;
    case SYS_mkdirat:
    case SYS_mknodat:
        crmpi_journal_touch(a, (char *)b, CRMPI_TOUCH_REPLACE, 0);
        break;
    case SYS_link: /* the file may be written by its new name: what it holds is kept */
        crmpi_journal_touch(AT_FDCWD, (char *)a, CRMPI_TOUCH_REMOVE, 0);
        crmpi_journal_touch(AT_FDCWD, (char *)b, CRMPI_TOUCH_REPLACE, 0);
        break;
    case SYS_symlink:
        crmpi_journal_touch(AT_FDCWD, (char *)b, CRMPI_TOUCH_REPLACE, 0);
        break;
    case SYS_linkat:
        if (r[REG_R8] & AT_SYMLINK_FOLLOW)
            crmpi_journal_touch(a, (char *)b, CRMPI_TOUCH_OPEN, O_WRONLY);
        else
            crmpi_journal_touch(a, (char *)b, CRMPI_TOUCH_REMOVE, 0);
        crmpi_journal_touch(c, (char *)d, CRMPI_TOUCH_REPLACE, 0);
        break;
    case SYS_symlinkat:
        crmpi_journal_touch(b, (char *)c, CRMPI_TOUCH_REPLACE, 0);
        break;
    default: /* inotify_add_watch */
        crmpi_inotify_note((char *)b);
    }
    return through_gate(number, r);
}

/*
 * The trap
 */

static long emulate(long number, greg_t *r, ucontext_t *context)
{
    long a = r[REG_RDI], b = r[REG_RSI], c = r[REG_RDX], d = r[REG_R10], e = r[REG_R8];

    switch (number) {
    case SYS_mmap:
        return crmpi_addresses_mmap(a, b, c, d, e, r[REG_R9]);
    case SYS_mremap:
        return crmpi_addresses_mremap(a, b, c, d, e);
    case SYS_brk:
        return do_brk(a);
    case SYS_shmat:
        return do_shmat(a, b, c);
    case SYS_rt_sigaction:
        return do_sigaction(a, (void *)b, (void *)c, d);
    case SYS_rt_sigprocmask:
        return do_sigprocmask(a, (void *)b, (void *)c, d, context);
    case SYS_rt_sigsuspend:
    case SYS_rt_sigtimedwait:
    case SYS_ppoll:
    case SYS_pselect6:
    case SYS_epoll_pwait:
    case SYS_epoll_pwait2:
    case SYS_futex:
    case SYS_clock_nanosleep:
    case SYS_nanosleep:
    case SYS_poll:
    case SYS_epoll_wait:
        return through_gate(number, r);
    case SYS_timerfd_settime:
        return do_timerfd_settime(a, b, (void *)c, d);
    case SYS_signalfd:
    case SYS_signalfd4:
        return do_signalfd(number, a, (void *)b, c, d);
    case SYS_readlink:
        return do_readlink(number, 0, (void *)a, (void *)b, c);
    case SYS_readlinkat:
        return do_readlink(number, a, (void *)b, (void *)c, d);
    case SYS_open:
    case SYS_creat:
    case SYS_openat:
    case SYS_openat2:
    case SYS_truncate:
    case SYS_ftruncate:
    case SYS_unlink:
    case SYS_unlinkat:
    case SYS_rmdir:
    case SYS_rename:
    case SYS_renameat:
    case SYS_renameat2:
    case SYS_mkdir:
    case SYS_mkdirat:
    case SYS_mknod:
    case SYS_mknodat:
    case SYS_link:
    case SYS_linkat:
    case SYS_symlink:
    case SYS_symlinkat:
    case SYS_inotify_add_watch:
        return do_file(number, r);
    case SYS_tgkill:
        return crmpi_raw(number, a, kernel_tid(b), c, 0, 0, 0);
    case SYS_sched_setaffinity:
    case SYS_sched_getaffinity:
    case SYS_sched_setscheduler:
    case SYS_sched_setparam:
    case SYS_sched_getparam:
    case SYS_sched_getscheduler:
        return crmpi_raw(number, kernel_tid(a), b, c, 0, 0, 0);
    default:
        return -ENOSYS;
    }
}

static void handle_sigsys(int signal, siginfo_t *info, void *data)
{
    ucontext_t *context = data;
    greg_t *r = context->uc_mcontext.gregs;

    (void)signal;
    r[REG_RAX] = emulate(info->si_syscall, r, context);
}


/*
 * The filter: a list of system calls, each with the place in the tail to go on at, and the
 * tail.  Jumps count instructions from the next one and only go forward.
 */
enum {
    TAIL_MMAP = 1,
    TAIL_MREMAP = 3,
    TAIL_FUTEX = 11,
    TAIL_CLOCK_NANOSLEEP = 16,
    TAIL_NANOSLEEP = 20,
    TAIL_POLL = 22,
    TAIL_EPOLL = 24,
    TAIL_ABSOLUTE = 27,
    TAIL_OPEN = 29,
    TAIL_OPENAT = 31,
    TAIL_ADDRESS = 33,
    TAIL_ALLOW = 36,
    TAIL_TRAP = 37,
};

static const struct {
    int number, tail;
} trapped[] = {
    {SYS_mmap, TAIL_MMAP},
    {SYS_mremap, TAIL_MREMAP},
    {SYS_brk, TAIL_ADDRESS},
    {SYS_shmat, TAIL_ADDRESS},
    {SYS_rt_sigaction, TAIL_ADDRESS},
    {SYS_rt_sigprocmask, TAIL_ADDRESS},
    {SYS_futex, TAIL_FUTEX},
    {SYS_clock_nanosleep, TAIL_CLOCK_NANOSLEEP},
    {SYS_nanosleep, TAIL_NANOSLEEP},
    {SYS_poll, TAIL_POLL},
    {SYS_epoll_wait, TAIL_EPOLL},
    {SYS_rt_sigsuspend, TAIL_ADDRESS},
    {SYS_rt_sigtimedwait, TAIL_ADDRESS},
    {SYS_ppoll, TAIL_ADDRESS},
    {SYS_pselect6, TAIL_ADDRESS},
    {SYS_epoll_pwait, TAIL_ADDRESS},
    {SYS_epoll_pwait2, TAIL_ADDRESS},
    {SYS_timerfd_settime, TAIL_ABSOLUTE},
    {SYS_signalfd, TAIL_ADDRESS},
    {SYS_signalfd4, TAIL_ADDRESS},
    {SYS_readlink, TAIL_ADDRESS},
    {SYS_readlinkat, TAIL_ADDRESS},
    {SYS_tgkill, TAIL_ADDRESS},
    {SYS_sched_setaffinity, TAIL_ADDRESS},
    {SYS_sched_getaffinity, TAIL_ADDRESS},
    {SYS_sched_setscheduler, TAIL_ADDRESS},
    {SYS_sched_setparam, TAIL_ADDRESS},
    {SYS_sched_getparam, TAIL_ADDRESS},
    {SYS_sched_getscheduler, TAIL_ADDRESS},
    {SYS_open, TAIL_OPEN},
    {SYS_openat, TAIL_OPENAT},
    {SYS_creat, TAIL_ADDRESS},
    {SYS_openat2, TAIL_ADDRESS},
    {SYS_truncate, TAIL_ADDRESS},
    {SYS_ftruncate, TAIL_ADDRESS},
    {SYS_unlink, TAIL_ADDRESS},
    {SYS_unlinkat, TAIL_ADDRESS},
    {SYS_rmdir, TAIL_ADDRESS},
    {SYS_rename, TAIL_ADDRESS},
    {SYS_renameat, TAIL_ADDRESS},
    {SYS_renameat2, TAIL_ADDRESS},
    {SYS_mkdir, TAIL_ADDRESS},
    {SYS_mkdirat, TAIL_ADDRESS},
    {SYS_mknod, TAIL_ADDRESS},
    {SYS_mknodat, TAIL_ADDRESS},
    {SYS_link, TAIL_ADDRESS},
    {SYS_linkat, TAIL_ADDRESS},
    {SYS_symlink, TAIL_ADDRESS},
    {SYS_symlinkat, TAIL_ADDRESS},
    {SYS_inotify_add_watch, TAIL_ADDRESS},
};
#define OPEN_CHANGES (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)
#define N_TRAPPED (sizeof trapped / sizeof *trapped)

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define LOAD_HIGH(field)                                                                   \
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field) + 4)
/* at @p place: on to @p yes or @p no */
#define JUMP(place, test, value, yes, no)                                                  \
    BPF_JUMP(BPF_JMP | test | BPF_K, value, (yes) - (place)-1, (no) - (place)-1)
static const struct sock_filter tail[] = {
    /* 0 */ BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    /* 1: mmap, where the kernel would choose the address, or outside of the range */
    LOAD(args[3]),
    JUMP(2, BPF_JSET, MAP_FIXED, 6, TAIL_ADDRESS),
    /* 3: mremap, likewise */
    LOAD(args[3]),
    JUMP(4, BPF_JSET, MREMAP_FIXED, 8, 5),
    JUMP(5, BPF_JSET, MREMAP_MAYMOVE, TAIL_ADDRESS, TAIL_ALLOW),
    LOAD_HIGH(args[0]),
    JUMP(7, BPF_JEQ, 0, TAIL_ADDRESS, 9),
    LOAD_HIGH(args[4]),
    JUMP(9, BPF_JGE, CRMPI_U0 >> 32, 10, TAIL_ADDRESS),
    JUMP(10, BPF_JGE, CRMPI_U1 >> 32, TAIL_ADDRESS, TAIL_ALLOW),
    /* 11: futex, waiting until a time on the monotonic clock */
    LOAD(args[1]),
    JUMP(12, BPF_JEQ, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, 14, 13),
    JUMP(13, BPF_JEQ, FUTEX_WAIT_BITSET, 14, TAIL_ALLOW),
    LOAD(args[3]),
    JUMP(15, BPF_JEQ, 0, TAIL_ALLOW, TAIL_ADDRESS),
    /* 16: clock_nanosleep until a time, or without asking for what is left */
    LOAD(args[1]),
    JUMP(17, BPF_JSET, TIMER_ABSTIME, TAIL_ADDRESS, 18),
    LOAD(args[3]),
    JUMP(19, BPF_JEQ, 0, TAIL_ADDRESS, TAIL_ALLOW),
    /* 20: nanosleep without asking for what is left */
    LOAD(args[1]),
    JUMP(21, BPF_JEQ, 0, TAIL_ADDRESS, TAIL_ALLOW),
    /* 22: poll, 24: epoll_wait, for a time */
    LOAD(args[2]),
    JUMP(23, BPF_JEQ, 0, TAIL_ALLOW, 25),
    LOAD(args[3]),
    JUMP(25, BPF_JSET, 0x80000000, TAIL_ALLOW, 26),
    JUMP(26, BPF_JEQ, 0, TAIL_ALLOW, TAIL_ADDRESS),
    /* 27: a timer that is set to an absolute time */
    LOAD(args[1]),
    JUMP(28, BPF_JSET, TFD_TIMER_ABSTIME, TAIL_ADDRESS, TAIL_ALLOW),
    /* 29: open, 31: openat, for anything but reading what is there */
    LOAD(args[1]),
    JUMP(30, BPF_JSET, OPEN_CHANGES, TAIL_ADDRESS, TAIL_ALLOW),
    LOAD(args[2]),
    JUMP(32, BPF_JSET, OPEN_CHANGES, TAIL_ADDRESS, TAIL_ALLOW),
    /* 33: the call was made in the upper range if its address's high half says so */
    LOAD_HIGH(instruction_pointer),
    JUMP(34, BPF_JGE, CRMPI_U0 >> 32, 35, TAIL_ALLOW),
    JUMP(35, BPF_JGE, CRMPI_U1 >> 32, TAIL_ALLOW, TAIL_TRAP),
    /* 36 */ BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    /* 37 */ BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
};
#define N_TAIL (sizeof tail / sizeof *tail)
#define N_HEAD 3

static enum crmpi_status filter_install(void)
{
    struct sock_filter filter[N_HEAD + N_TRAPPED + N_TAIL] = {
        LOAD(arch),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, N_TRAPPED + 1),
        LOAD(nr),
    };
    struct sock_fprog program = {.len = N_HEAD + N_TRAPPED + N_TAIL, .filter = filter};

    for (size_t i = 0; i < N_TRAPPED; i++)
        filter[N_HEAD + i] = (struct sock_filter)BPF_JUMP(
            BPF_JMP | BPF_JEQ | BPF_K, trapped[i].number, N_TRAPPED - i - 1 + trapped[i].tail,
            0);
    memcpy(filter + N_HEAD + N_TRAPPED, tail, sizeof tail);
    /* without CAP_SYS_ADMIN the kernel wants this first */
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0 &&
        (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
         syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)) {
        crmpi_error("cannot install the seccomp filter: %s: crmpi needs a Linux kernel with "
                    "seccomp filters",
                    strerror(errno));
        return CRMPI_ERR_SYSTEM;
    }
    return CRMPI_OK;
}

enum crmpi_status crmpi_trap_install(void)
{
    struct sigaction action = {.sa_sigaction = handle_sigsys,
                               .sa_flags = SA_SIGINFO | SA_RESTART};

    sigfillset(&action.sa_mask);
    if (sigaction(SIGSYS, &action, NULL) != 0 || crmpi_park_install() != CRMPI_OK) {
        crmpi_error("cannot install signal handlers: %s", strerror(errno));
        return CRMPI_ERR_SYSTEM;
    }
    return filter_install();
}
