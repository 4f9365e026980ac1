/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The handler of trapped system calls (see trap.h).  Lower half; it runs on the upper TLS base
 * inside a system call of the application, so it uses no libc function and no thread-local
 * data.  All signals are blocked in it, so a thread never parks there: what may take long is
 * done at the gate (gate.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/timerfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "boundary/calls.h"
#include "boundary/control.h"
#include "lower/raw.h"
#include "lower/text.h"
#include "threads/addresses.h"
#include "threads/callbacks.h"
#include "threads/clock.h"
#include "threads/filter.h"
#include "threads/gate.h"
#include "threads/ids.h"
#include "threads/owners.h"
#include "threads/park.h"
#include "threads/trap.h"
#include "threads/xstate.h"

#define PAGE 4096ul
#define PAGE_UP(n) (((n) + PAGE - 1) & ~(PAGE - 1))
#define KERNEL_SA_RESTORER 0x04000000

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

    if (1ul << (signal - 1) & CRMPI_OUR_SIGNALS)
        return 0;
    if (crmpi_park_is_request(signal) && (uintptr_t)wanted->handler == (uintptr_t)SIG_DFL)
        action = crmpi_park_request_action();
    else if ((uintptr_t)wanted->handler > (uintptr_t)SIG_IGN &&
             crmpi_control->signal_entry) {
        action.handler = (void *)crmpi_control->signal_entry;
        action.flags |= SA_SIGINFO;
    }
    action.mask = crmpi_trap_mask(action.mask);
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
        *mask =
            wanted & ~(CRMPI_OUR_SIGNALS | 1ul << (SIGKILL - 1) | 1ul << (SIGSTOP - 1));
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

/* The application's /proc/self/exe is its own program, not the host; and /proc/self is the id
 * that it knows. */
static int link_known(const char *path, char text_out[32], const char **target_out)
{
    char own[2][32];
    int pid = (int)crmpi_raw(SYS_getpid, 0, 0, 0, 0, 0, 0);
    int tid = (int)crmpi_raw(SYS_gettid, 0, 0, 0, 0, 0, 0);

    for (int i = 0; i < 2; i++)
        crmpi_text_append(crmpi_text_put(crmpi_text_append(own[i], "/proc/"),
                                         (unsigned)(i ? crmpi_ids_known(pid) : pid)),
                          "/exe");
    *target_out = text_out;
    if (crmpi_text_is(path, "/proc/self/exe") || crmpi_text_is(path, own[0]) ||
        crmpi_text_is(path, own[1]) || crmpi_text_is(path, "/proc/thread-self/exe"))
        *target_out = crmpi_control->program;
    else if (crmpi_text_is(path, "/proc/self"))
        crmpi_text_put(text_out, (unsigned)crmpi_ids_known(pid));
    else if (crmpi_text_is(path, "/proc/thread-self"))
        crmpi_text_put(
            crmpi_text_append(crmpi_text_put(text_out, (unsigned)crmpi_ids_known(pid)),
                              "/task/"),
            (unsigned)crmpi_ids_known(tid));
    else
        return 0;
    return 1;
}

static long do_readlink(long number, const greg_t *r)
{
    int is_at = number == SYS_readlinkat;
    const char *path = (const char *)r[is_at ? REG_RSI : REG_RDI], *target;
    char *out = (char *)r[is_at ? REG_RDX : REG_RSI];
    long bytes = r[is_at ? REG_R10 : REG_RDX], n = 0;
    char text[32], kernel[CRMPI_IDS_PATH_BYTES];

    crmpi_ids_path_read(path, kernel, sizeof kernel);
    if (link_known(kernel, text, &target)) {
        if (bytes <= 0)
            return -EINVAL;
        for (; n < bytes && target[n]; n++)
            out[n] = target[n];
        return n;
    }
    if (crmpi_ids_path(path, kernel))
        path = kernel;
    return is_at ? crmpi_raw(number, r[REG_RDI], (long)path, (long)out, bytes, 0, 0)
                 : crmpi_raw(number, (long)path, (long)out, bytes, 0, 0, 0);
}

/*
 * Timers and signals that are read
 */

/* Whether a timerfd counts on a clock that is another one after a restart. */
static int is_monotonic_timerfd(long fd)
{
    static const char name[] = "clockid: ";
    char path[40], info[512];

    if (fd < 0)
        return 0;
    crmpi_text_put(crmpi_text_append(path, "/proc/self/fdinfo/"), (unsigned long)fd);
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

/* The same of a POSIX timer: /proc/self/timers has a line of its id, and one of its clock. */
static int is_monotonic_timer(long id)
{
    char text[512], line[64];
    unsigned length = 0;
    int is_it = 0, is_monotonic = 0;
    long file = crmpi_raw(SYS_open, (long)"/proc/self/timers", O_RDONLY | O_CLOEXEC, 0, 0,
                          0, 0),
         n;

    while ((n = crmpi_raw(SYS_read, file, (long)text, sizeof text, 0, 0, 0)) > 0)
        for (long i = 0; i < n; i++) {
            if (text[i] != '\n') {
                line[length] = text[i];
                length += length < sizeof line - 1;
                continue;
            }
            line[length] = '\0';
            length = 0;
            if (crmpi_text_begins(line, "ID: "))
                is_it = crmpi_text_number(line + 4, NULL) == id;
            else if (is_it && crmpi_text_begins(line, "ClockID: "))
                is_monotonic =
                    line[9] == '0' + CLOCK_MONOTONIC || line[9] == '0' + CLOCK_BOOTTIME;
        }
    if (file >= 0)
        crmpi_raw(SYS_close, file, 0, 0, 0, 0, 0);
    return is_monotonic;
}

/* An absolute time given to a timer. */
static long do_timer_settime(long number, long timer, long flags,
                             const struct itimerspec *given, long old)
{
    struct itimerspec copy;
    int is_fd = number == SYS_timerfd_settime;

    if (!(flags & (is_fd ? TFD_TIMER_ABSTIME : TIMER_ABSTIME)) ||
        !crmpi_control->clock_offset_ns ||
        crmpi_raw_read(&copy, given, sizeof copy) != 0 ||
        !(is_fd ? is_monotonic_timerfd(timer) : is_monotonic_timer(timer)))
        return crmpi_raw(number, timer, flags, (long)given, old, 0, 0);
    if (copy.it_value.tv_sec || copy.it_value.tv_nsec) {
        struct timespec given_value = copy.it_value;

        crmpi_clock_correct(1, &given_value, &copy.it_value);
        if (copy.it_value.tv_sec == 0 && copy.it_value.tv_nsec == 0)
            copy.it_value.tv_nsec = 1; /* 0 is never */
    }
    return crmpi_raw(number, timer, flags, (long)&copy, old, 0, 0);
}

/* Our signals are no news for the application. */
static long do_signalfd(long number, long fd, const uint64_t *set, long set_bytes,
                        long flags)
{
    uint64_t copy = 0;

    if (set && set_bytes == 8) {
        copy = crmpi_trap_mask(*set);
        set = &copy;
    }
    return crmpi_raw(number, fd, (long)set, set_bytes, flags, 0, 0);
}

/*
 * Files
 */

/* What is about to become of a file is noted, and then done at the gate: it may take long,
 * as opening a pipe does. */
static long do_file(long number, greg_t *r)
{
    const long arguments[] = {r[REG_RDI], r[REG_RSI], r[REG_RDX],
                              r[REG_R10], r[REG_R8],  r[REG_R9]};

    crmpi_thread_callbacks.name_call(number, arguments);
    return crmpi_gate_call(number, r);
}

/* A file that is looked at or opened: /proc has the kernel's ids. */
static long do_path(long number, greg_t *r, int is_at)
{
    char kernel[CRMPI_IDS_PATH_BYTES];
    greg_t path = r[is_at ? REG_RSI : REG_RDI];

    if (!crmpi_ids_path((const char *)path, kernel))
        return do_file(number, r);
    return is_at ? crmpi_raw(number, r[REG_RDI], (long)kernel, r[REG_RDX], r[REG_R10],
                             r[REG_R8], r[REG_R9])
                 : crmpi_raw(number, (long)kernel, r[REG_RSI], r[REG_RDX], r[REG_R10],
                             r[REG_R8], r[REG_R9]);
}

/*
 * Calls that wait
 */

/* To submit is done at once, to wait at the gate; the result tells what was submitted. */
static long do_uring_enter(greg_t *r)
{
    long submitted = 0, flags = r[REG_R10];

    if ((uint32_t)r[REG_RSI] != 0) {
        submitted = crmpi_raw(
            SYS_io_uring_enter, r[REG_RDI], r[REG_RSI], 0,
            flags & ~(long)(IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG), 0, 0);
        if (submitted < (long)(uint32_t)r[REG_RSI])
            return submitted;
    }
    return crmpi_gate_call_uring(SYS_io_uring_enter, r, submitted);
}

/*
 * The trap
 */

enum how { KERNEL, ITSELF, GATE, NAME, PATH, PATH_AT, IDS, BIRTH };
#define REG_NO CRMPI_NO_ID
#define BY_FILTER 1 /* SYS_SECCOMP */

static const struct {
    unsigned char how;
    signed char first, second; /* registers of ids */
} calls[] = {
#define CALL(name, at_first, restarted, how, first, second, interruption)                \
    [SYS_##name] = {how, REG_##first, REG_##second},
    CRMPI_CALLS(CALL)
#undef CALL
};

static long do_itself(long number, greg_t *r, ucontext_t *context)
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
    case SYS_madvise: /* as Linux 6.12, where guards could not be told from memory */
    case SYS_process_madvise:
        return crmpi_thread_callbacks.guards_are_told ? crmpi_raw(number, a, b, c, d, e, 0)
                                                      : -EINVAL;
    case SYS_rt_sigaction:
        return do_sigaction(a, (void *)b, (void *)c, d);
    case SYS_rt_sigprocmask:
        return do_sigprocmask(a, (void *)b, (void *)c, d, context);
    case SYS_futex:
        return crmpi_owners_futex(r);
    case SYS_io_uring_enter:
        return do_uring_enter(r);
    case SYS_timerfd_settime:
    case SYS_timer_settime:
        return do_timer_settime(number, a, b, (void *)c, d);
    case SYS_signalfd:
    case SYS_signalfd4:
        return do_signalfd(number, a, (void *)b, c, d);
    case SYS_readlink:
    case SYS_readlinkat:
        return do_readlink(number, r);
    case SYS_rt_sigreturn:
        crmpi_xstate_return((ucontext_t *)r[REG_RSP]);
    case SYS_exit:
        crmpi_owners_thread_ends();
        crmpi_ids_thread_ends();
        return crmpi_raw(number, a, 0, 0, 0, 0, 0);
    default:
        return -ENOSYS;
    }
}

#define CLEAR_SIGHAND 0x100000000ul /* CLONE_CLEAR_SIGHAND */

/* A child whose handlers the kernel resets, as posix_spawn() makes it since glibc 2.38, has none
 * for what is trapped.  Who is told that there is no such call does that in the child, by calls
 * that are trapped. */
static int clears_handlers(long number, const greg_t *r)
{
    uint64_t flags = 0;

    return number == SYS_clone3 &&
           crmpi_raw_read(&flags, (const void *)r[REG_RDI], sizeof flags) == 0 &&
           flags & CLEAR_SIGHAND;
}

static long emulate(long number, greg_t *r, ucontext_t *context)
{
    switch (calls[number].how) { /* the filter traps no other */
    case GATE:
        return crmpi_gate_call(number, r);
    case NAME:
        return do_file(number, r);
    case PATH:
        return do_path(number, r, 0);
    case PATH_AT:
        return do_path(number, r, 1);
    case IDS:
        return crmpi_ids_call(number, r, calls[number].first, calls[number].second);
    case BIRTH:
        if (clears_handlers(number, r))
            return -ENOSYS;
        crmpi_ids_guard();
        return crmpi_gate_birth(number, r);
    default:
        return do_itself(number, r, context);
    }
}

/* Frequent calls for which no frame of the gate is made. */
static int is_done_here(long number)
{
    return number == SYS_mmap || number == SYS_mremap || number == SYS_brk ||
           number == SYS_rt_sigprocmask || number == SYS_rt_sigaction ||
           number == SYS_rt_sigreturn || number == SYS_getpid || number == SYS_gettid;
}

static void handle_sigsys(int signal, siginfo_t *info, void *data)
{
    ucontext_t *context = data;
    greg_t *r = context->uc_mcontext.gregs;

    if (info->si_code != BY_FILTER || info->si_syscall < 0 ||
        (size_t)info->si_syscall >= sizeof calls / sizeof *calls) {
        crmpi_die_by(signal); /* somebody has sent it */
        return;
    }
    if (!is_done_here(info->si_syscall)) {
        unsigned char area[crmpi_xstate_bytes(context)] __attribute__((aligned(64)));

        crmpi_xstate_move(context, area);
        r[REG_RAX] = emulate(info->si_syscall, r, context);
        __asm__ volatile("" : : "r"(area) : "memory"); /* the kernel reads it */
        return;
    }
    r[REG_RAX] = emulate(info->si_syscall, r, context);
}

enum crmpi_status crmpi_trap_install(int restarted)
{
    struct sigaction action = {.sa_sigaction = handle_sigsys,
                               .sa_flags = SA_SIGINFO | SA_RESTART};

    memset(&action.sa_mask, 0xff, sizeof action.sa_mask); /* also libc's own */
    if (sigaction(SIGSYS, &action, NULL) != 0 || crmpi_park_install() != CRMPI_OK) {
        crmpi_error("cannot install signal handlers: %s", strerror(errno));
        return CRMPI_ERR_SYSTEM;
    }
    return crmpi_filter_install(restarted, crmpi_xstate_is_foreign());
}
