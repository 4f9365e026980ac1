/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How Linux ends system calls that wait when a signal is handled meanwhile: signal(7),
 * "Interruption of system calls and library functions by signal handlers".
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

static inline enum crmpi_interruption crmpi_interruption_of(int64_t number)
{
    switch (number) {
    case SYS_nanosleep:
    case SYS_clock_nanosleep:
    case SYS_pause:
    case SYS_poll:
    case SYS_ppoll:
    case SYS_select:
    case SYS_pselect6:
    case SYS_epoll_wait:
    case SYS_epoll_pwait:
    case SYS_epoll_pwait2:
    case SYS_rt_sigsuspend:
    case SYS_rt_sigtimedwait:
    case SYS_semop:
    case SYS_semtimedop:
    case SYS_msgsnd:
    case SYS_msgrcv:
    case SYS_io_getevents:
    case SYS_io_pgetevents:
    case SYS_io_uring_enter:
        return CRMPI_ENDS;
    case SYS_read:
    case SYS_readv:
    case SYS_pread64:
    case SYS_preadv:
    case SYS_preadv2:
    case SYS_write:
    case SYS_writev:
    case SYS_pwrite64:
    case SYS_pwritev:
    case SYS_pwritev2:
    case SYS_recvfrom:
    case SYS_recvmsg:
    case SYS_recvmmsg:
    case SYS_sendto:
    case SYS_sendmsg:
    case SYS_sendmmsg:
    case SYS_accept:
    case SYS_accept4:
    case SYS_connect:
    case SYS_sendfile:
    case SYS_splice:
    case SYS_tee:
    case SYS_vmsplice:
    case SYS_copy_file_range:
    case SYS_open:
    case SYS_openat:
    case SYS_flock:
    case SYS_fcntl:
    case SYS_wait4:
    case SYS_waitid:
    case SYS_mq_timedsend:
    case SYS_mq_timedreceive:
    case SYS_futex: /* with a time it ends; locks with priority inheritance go on */
        return CRMPI_RESTARTS;
    default:
        return CRMPI_GOES_ON;
    }
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
