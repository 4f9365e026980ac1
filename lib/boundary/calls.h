/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is known of system calls: the table; and how Linux ends those that wait when a signal is
 * handled meanwhile: signal(7), "Interruption of system calls and library functions by signal
 * handlers".
 *
 * A parking signal ends calls, too, which are made again; but a signal of the program that comes
 * while its thread is parked has to end the call as if it had come in it.  A thread that is to make
 * its call again is known by its registers: crmpi_is_before_call_again().
 */
#ifndef CRMPI_BOUNDARY_CALLS_H
#define CRMPI_BOUNDARY_CALLS_H

#include <stdint.h>
#include <sys/syscall.h>

enum crmpi_interruption {
    CRMPI_GOES_ON,   /* or is not known to wait */
    CRMPI_RESTARTS,  /* if the handler has SA_RESTART, else EINTR */
    CRMPI_ENDS,      /* EINTR */
};

/*
 * The table of system calls.  In the filter, for a process at first and a restarted one
 * (threads/filter.c): NEVER trapped, ALWAYS, or by its arguments.  How a trapped one is done
 * (threads/trap.c): at the GATE; as a NAME that may change, a PATH in its first argument, or
 * PATH_AT in its second; with IDS translated (threads/ids.c), those in two registers or in its
 * own way; as a BIRTH; by a function for ITSELF.  Of those at the gate threads/gate.c knows where
 * times and signal masks are.  And what ends it, for those that wait.
 */
#define CRMPI_CALLS(X)                                                                   \
    /* name, at first, restarted, how, first id, second id, interruption */              \
    X(mmap, MMAP, MMAP, ITSELF, NO, NO, GOES_ON)                                         \
    X(futex, FUTEX_TIME, FUTEX_IDS, ITSELF, NO, NO, RESTARTS)                            \
    X(rt_sigprocmask, ALWAYS, ALWAYS, ITSELF, NO, NO, GOES_ON)                           \
    X(poll, TIME_2, TIME_2, GATE, NO, NO, ENDS)                                          \
    X(epoll_wait, TIME_3, TIME_3, GATE, NO, NO, ENDS)                                    \
    X(openat, OPENAT, ALWAYS, PATH_AT, NO, NO, RESTARTS)                                 \
    X(mremap, MREMAP, MREMAP, ITSELF, NO, NO, GOES_ON)                                   \
    X(brk, ALWAYS, ALWAYS, ITSELF, NO, NO, GOES_ON)                                      \
    X(shmat, ALWAYS, ALWAYS, ITSELF, NO, NO, GOES_ON)                                    \
    X(madvise, GUARD_2, GUARD_2, ITSELF, NO, NO, GOES_ON)                                \
    X(process_madvise, GUARD_3, GUARD_3, ITSELF, NO, NO, GOES_ON)                        \
    X(rt_sigaction, ALWAYS, ALWAYS, ITSELF, NO, NO, GOES_ON)                             \
    /* calls that wait: so it is known which one a parking signal has interrupted */     \
    X(nanosleep, ALWAYS, ALWAYS, GATE, NO, NO, ENDS)                                     \
    X(clock_nanosleep, ALWAYS, ALWAYS, GATE, NO, NO, ENDS)                               \
    X(pause, ALWAYS, ALWAYS, GATE, NO, NO, ENDS)                                         \
    X(select, ALWAYS, ALWAYS, GATE, NO, NO, ENDS)                                        \
    X(pselect6, ALWAYS, ALWAYS, GATE, NO, NO, ENDS)                                      \
    X(ppoll, ALWAYS, ALWAYS, GATE, NO, NO, ENDS)                                         \
    X(epoll_pwait, ALWAYS, ALWAYS, GATE, NO, NO, ENDS)                                   \
    X(epoll_pwait2, ALWAYS, ALWAYS, GATE, NO, NO, ENDS)                                  \
    X(rt_sigsuspend, ALWAYS, ALWAYS, GATE, NO, NO, ENDS)                                 \
    X(rt_sigtimedwait, ALWAYS, ALWAYS, GATE, NO, NO, ENDS)                               \
    X(semop, ALWAYS, ALWAYS, GATE, NO, NO, ENDS)                                         \
    X(semtimedop, ALWAYS, ALWAYS, GATE, NO, NO, ENDS)                                    \
    X(msgsnd, ALWAYS, ALWAYS, GATE, NO, NO, ENDS)                                        \
    X(msgrcv, ALWAYS, ALWAYS, GATE, NO, NO, ENDS)                                        \
    X(futex_waitv, TIME_3, TIME_3, GATE, NO, NO, GOES_ON)                                \
    X(io_getevents, ALWAYS, ALWAYS, GATE, NO, NO, ENDS)                                  \
    X(io_pgetevents, ALWAYS, ALWAYS, GATE, NO, NO, ENDS)                                 \
    X(io_uring_enter, URING, URING, ITSELF, NO, NO, ENDS)                                \
    X(getrandom, RANDOM, RANDOM, GATE, NO, NO, GOES_ON)                                  \
    X(fallocate, ALWAYS, ALWAYS, GATE, NO, NO, GOES_ON)                                  \
    /* clocks and signals */                                                             \
    X(timerfd_settime, ABSOLUTE, ABSOLUTE, ITSELF, NO, NO, GOES_ON)                      \
    X(timer_settime, ABSOLUTE, ABSOLUTE, ITSELF, NO, NO, GOES_ON)                        \
    X(signalfd, ALWAYS, ALWAYS, ITSELF, NO, NO, GOES_ON)                                 \
    X(signalfd4, ALWAYS, ALWAYS, ITSELF, NO, NO, GOES_ON)                                \
    /* files: what is about to become of them is noted */                                \
    X(open, OPEN, ALWAYS, PATH, NO, NO, RESTARTS)                                        \
    X(creat, ALWAYS, ALWAYS, NAME, NO, NO, GOES_ON)                                      \
    X(openat2, ALWAYS, ALWAYS, PATH_AT, NO, NO, GOES_ON)                                 \
    X(truncate, ALWAYS, ALWAYS, NAME, NO, NO, GOES_ON)                                   \
    X(ftruncate, ALWAYS, ALWAYS, NAME, NO, NO, GOES_ON)                                  \
    X(unlink, ALWAYS, ALWAYS, NAME, NO, NO, GOES_ON)                                     \
    X(unlinkat, ALWAYS, ALWAYS, NAME, NO, NO, GOES_ON)                                   \
    X(rmdir, ALWAYS, ALWAYS, NAME, NO, NO, GOES_ON)                                      \
    X(rename, ALWAYS, ALWAYS, NAME, NO, NO, GOES_ON)                                     \
    X(renameat, ALWAYS, ALWAYS, NAME, NO, NO, GOES_ON)                                   \
    X(renameat2, ALWAYS, ALWAYS, NAME, NO, NO, GOES_ON)                                  \
    X(mkdir, ALWAYS, ALWAYS, NAME, NO, NO, GOES_ON)                                      \
    X(mkdirat, ALWAYS, ALWAYS, NAME, NO, NO, GOES_ON)                                    \
    X(mknod, ALWAYS, ALWAYS, NAME, NO, NO, GOES_ON)                                      \
    X(mknodat, ALWAYS, ALWAYS, NAME, NO, NO, GOES_ON)                                    \
    X(link, ALWAYS, ALWAYS, NAME, NO, NO, GOES_ON)                                       \
    X(linkat, ALWAYS, ALWAYS, NAME, NO, NO, GOES_ON)                                     \
    X(symlink, ALWAYS, ALWAYS, NAME, NO, NO, GOES_ON)                                    \
    X(symlinkat, ALWAYS, ALWAYS, NAME, NO, NO, GOES_ON)                                  \
    X(inotify_add_watch, ALWAYS, ALWAYS, NAME, NO, NO, GOES_ON)                          \
    X(readlink, ALWAYS, ALWAYS, ITSELF, NO, NO, GOES_ON)                                 \
    X(readlinkat, ALWAYS, ALWAYS, ITSELF, NO, NO, GOES_ON)                               \
    /* what gives or takes ids: in paths, */                                             \
    X(stat, NEVER, ALWAYS, PATH, NO, NO, GOES_ON)                                        \
    X(lstat, NEVER, ALWAYS, PATH, NO, NO, GOES_ON)                                       \
    X(newfstatat, NEVER, NOT_EMPTY_3, PATH_AT, NO, NO, GOES_ON)                          \
    X(statx, NEVER, NOT_EMPTY_2, PATH_AT, NO, NO, GOES_ON)                               \
    X(access, NEVER, ALWAYS, PATH, NO, NO, GOES_ON)                                      \
    X(faccessat, NEVER, ALWAYS, PATH_AT, NO, NO, GOES_ON)                                \
    X(faccessat2, NEVER, ALWAYS, PATH_AT, NO, NO, GOES_ON)                               \
    X(chdir, NEVER, ALWAYS, PATH, NO, NO, GOES_ON)                                       \
    /* of threads that are made, and end (clone3: see threads/trap.c), */                \
    X(clone, NEVER, ALWAYS, BIRTH, NO, NO, GOES_ON)                                      \
    X(clone3, ALWAYS, ALWAYS, BIRTH, NO, NO, GOES_ON)                                    \
    X(fork, NEVER, ALWAYS, BIRTH, NO, NO, GOES_ON)                                       \
    X(vfork, NEVER, ALWAYS, BIRTH, NO, NO, GOES_ON)                                      \
    X(exit, NEVER, ALWAYS, ITSELF, NO, NO, GOES_ON)                                      \
    /* and as such */                                                                    \
    X(getpid, NEVER, ALWAYS, IDS, NO, NO, GOES_ON)                                       \
    X(gettid, NEVER, ALWAYS, IDS, NO, NO, GOES_ON)                                       \
    X(getppid, NEVER, ALWAYS, IDS, NO, NO, GOES_ON)                                      \
    X(set_tid_address, NEVER, ALWAYS, IDS, NO, NO, GOES_ON)                              \
    X(kill, NEVER, ALWAYS, IDS, RDI, NO, GOES_ON)                                        \
    X(tkill, NEVER, ALWAYS, IDS, RDI, NO, GOES_ON)                                       \
    X(tgkill, NEVER, ALWAYS, IDS, RDI, RSI, GOES_ON)                                     \
    X(rt_sigqueueinfo, NEVER, ALWAYS, IDS, RDI, NO, GOES_ON)                             \
    X(rt_tgsigqueueinfo, NEVER, ALWAYS, IDS, RDI, RSI, GOES_ON)                          \
    X(sched_setaffinity, NEVER, ALWAYS, IDS, RDI, NO, GOES_ON)                           \
    X(sched_getaffinity, NEVER, ALWAYS, IDS, RDI, NO, GOES_ON)                           \
    X(sched_setscheduler, NEVER, ALWAYS, IDS, RDI, NO, GOES_ON)                          \
    X(sched_getscheduler, NEVER, ALWAYS, IDS, RDI, NO, GOES_ON)                          \
    X(sched_setparam, NEVER, ALWAYS, IDS, RDI, NO, GOES_ON)                              \
    X(sched_getparam, NEVER, ALWAYS, IDS, RDI, NO, GOES_ON)                              \
    X(sched_setattr, NEVER, ALWAYS, IDS, RDI, NO, GOES_ON)                               \
    X(sched_getattr, NEVER, ALWAYS, IDS, RDI, NO, GOES_ON)                               \
    X(sched_rr_get_interval, NEVER, ALWAYS, IDS, RDI, NO, GOES_ON)                       \
    X(getpriority, NEVER, ALWAYS, IDS, NO, NO, GOES_ON)                                  \
    X(setpriority, NEVER, ALWAYS, IDS, NO, NO, GOES_ON)                                  \
    X(ioprio_get, NEVER, ALWAYS, IDS, NO, NO, GOES_ON)                                   \
    X(ioprio_set, NEVER, ALWAYS, IDS, NO, NO, GOES_ON)                                   \
    X(getpgid, NEVER, ALWAYS, IDS, RDI, NO, GOES_ON)                                     \
    X(setpgid, NEVER, ALWAYS, IDS, RDI, NO, GOES_ON)                                     \
    X(getsid, NEVER, ALWAYS, IDS, RDI, NO, GOES_ON)                                      \
    X(prlimit64, NEVER, ALWAYS, IDS, RDI, NO, GOES_ON)                                   \
    X(get_robust_list, NEVER, ALWAYS, IDS, RDI, NO, GOES_ON)                             \
    X(process_vm_readv, NEVER, ALWAYS, IDS, RDI, NO, GOES_ON)                            \
    X(process_vm_writev, NEVER, ALWAYS, IDS, RDI, NO, GOES_ON)                           \
    X(move_pages, NEVER, ALWAYS, IDS, RDI, NO, GOES_ON)                                  \
    X(migrate_pages, NEVER, ALWAYS, IDS, RDI, NO, GOES_ON)                               \
    X(pidfd_open, NEVER, ALWAYS, IDS, RDI, NO, GOES_ON)                                  \
    X(kcmp, NEVER, ALWAYS, IDS, RDI, RSI, GOES_ON)                                       \
    X(capget, NEVER, ALWAYS, IDS, NO, NO, GOES_ON)                                       \
    X(capset, NEVER, ALWAYS, IDS, NO, NO, GOES_ON)                                       \
    X(fcntl, NEVER, OWNER, IDS, NO, NO, RESTARTS)                                        \
    X(timer_create, NEVER, ALWAYS, IDS, NO, NO, GOES_ON)                                 \
    X(semctl, NEVER, ALWAYS, IDS, NO, NO, GOES_ON)                                       \
    X(msgctl, NEVER, ALWAYS, IDS, NO, NO, GOES_ON)                                       \
    X(shmctl, NEVER, ALWAYS, IDS, NO, NO, GOES_ON)                                       \
    X(clock_gettime, NEVER, CLOCK, IDS, NO, NO, GOES_ON)                                 \
    X(clock_getres, NEVER, CLOCK, IDS, NO, NO, GOES_ON)                                  \
    X(rt_sigreturn, NEVER, ALWAYS, ITSELF, NO, NO, GOES_ON)                              \
    /* calls that only a signal of the program ends */                                   \
    X(read, NEVER, NEVER, KERNEL, NO, NO, RESTARTS)                                      \
    X(readv, NEVER, NEVER, KERNEL, NO, NO, RESTARTS)                                     \
    X(pread64, NEVER, NEVER, KERNEL, NO, NO, RESTARTS)                                   \
    X(preadv, NEVER, NEVER, KERNEL, NO, NO, RESTARTS)                                    \
    X(preadv2, NEVER, NEVER, KERNEL, NO, NO, RESTARTS)                                   \
    X(write, NEVER, NEVER, KERNEL, NO, NO, RESTARTS)                                     \
    X(writev, NEVER, NEVER, KERNEL, NO, NO, RESTARTS)                                    \
    X(pwrite64, NEVER, NEVER, KERNEL, NO, NO, RESTARTS)                                  \
    X(pwritev, NEVER, NEVER, KERNEL, NO, NO, RESTARTS)                                   \
    X(pwritev2, NEVER, NEVER, KERNEL, NO, NO, RESTARTS)                                  \
    X(recvfrom, NEVER, NEVER, KERNEL, NO, NO, RESTARTS)                                  \
    X(recvmsg, NEVER, NEVER, KERNEL, NO, NO, RESTARTS)                                   \
    X(recvmmsg, NEVER, NEVER, KERNEL, NO, NO, RESTARTS)                                  \
    X(sendto, NEVER, NEVER, KERNEL, NO, NO, RESTARTS)                                    \
    X(sendmsg, NEVER, NEVER, KERNEL, NO, NO, RESTARTS)                                   \
    X(sendmmsg, NEVER, NEVER, KERNEL, NO, NO, RESTARTS)                                  \
    X(accept, NEVER, NEVER, KERNEL, NO, NO, RESTARTS)                                    \
    X(accept4, NEVER, NEVER, KERNEL, NO, NO, RESTARTS)                                   \
    X(connect, NEVER, NEVER, KERNEL, NO, NO, RESTARTS)                                   \
    X(sendfile, NEVER, NEVER, KERNEL, NO, NO, RESTARTS)                                  \
    X(splice, NEVER, NEVER, KERNEL, NO, NO, RESTARTS)                                    \
    X(tee, NEVER, NEVER, KERNEL, NO, NO, RESTARTS)                                       \
    X(vmsplice, NEVER, NEVER, KERNEL, NO, NO, RESTARTS)                                  \
    X(copy_file_range, NEVER, NEVER, KERNEL, NO, NO, RESTARTS)                           \
    X(flock, NEVER, NEVER, KERNEL, NO, NO, RESTARTS)                                     \
    X(wait4, NEVER, NEVER, KERNEL, NO, NO, RESTARTS)                                     \
    X(waitid, NEVER, NEVER, KERNEL, NO, NO, RESTARTS)                                    \
    X(mq_timedsend, NEVER, NEVER, KERNEL, NO, NO, RESTARTS)                              \
    X(mq_timedreceive, NEVER, NEVER, KERNEL, NO, NO, RESTARTS)

static inline enum crmpi_interruption crmpi_interruption_of(int64_t number)
{
#define CRMPI_CALL_CASE(name, at_first, restarted, how, first, second, interruption)     \
    case SYS_##name:                                                                     \
        return CRMPI_##interruption;
    switch (number) {
        CRMPI_CALLS(CRMPI_CALL_CASE)
    default:
        return CRMPI_GOES_ON;
    }
#undef CRMPI_CALL_CASE
}

/* Whether a thread with these registers has made a system call, and nothing since: syscall
 * leaves the address behind it in rcx, and the flags in r11. */
static inline int crmpi_is_behind_call(int64_t rip, int64_t rcx, int64_t r11, int64_t flags)
{
    const unsigned char *code = (const unsigned char *)rip;

    return rcx == rip && r11 == flags && code[-2] == 0x0f && code[-1] == 0x05;
}

/* Whether it has been put back in front of the call that it had made. */
static inline int crmpi_is_before_call_again(int64_t rip, int64_t rcx, int64_t r11,
                                             int64_t flags)
{
    return crmpi_is_behind_call(rip + 2, rcx, r11, flags);
}

#endif
