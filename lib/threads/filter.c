/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The seccomp filter (see filter.h).  Lower half.
 *
 * It is plain BPF because libseccomp cannot compare the instruction pointer.  The kernel keeps
 * a bitmap of the system calls a filter always allows, so all but the listed ones cost
 * nothing extra.
 *
 * It is a list of system calls, each with the place in the tail to go on at, and the tail.
 * Jumps count instructions from the next one and only go forward.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/log.h"
#include "boundary/calls.h"
#include "boundary/control.h"
#include "threads/filter.h"

#ifndef FUTEX_LOCK_PI2
#define FUTEX_LOCK_PI2 13
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
#define RANDOM_AT_ONCE 256 /* bytes: no signal ends getrandom() before it has so many */

/* places of the tail */
enum {
    NEVER = 0,
    MMAP = 1,
    MREMAP = MMAP + 2,
    FUTEX_IDS = MREMAP + 8,
    FUTEX_TIME = FUTEX_IDS + 8,
    TIME_3 = FUTEX_TIME + 4,
    TIME_2 = TIME_3 + 2,
    RANDOM = TIME_2 + 2,
    URING = RANDOM + 2,
    ABSOLUTE = URING + 2,
    OPEN = ABSOLUTE + 2,
    OPENAT = OPEN + 2,
    NOT_EMPTY_3 = OPENAT + 2,
    NOT_EMPTY_2 = NOT_EMPTY_3 + 2,
    OWNER = NOT_EMPTY_2 + 2,
    CLOCK = OWNER + 6,
    GUARD_2 = CLOCK + 2,
    GUARD_3 = GUARD_2 + 2,
    ALWAYS = GUARD_3 + 2,
    ALLOW = ALWAYS + 7,
    TRAP = ALLOW + 1,
};

static const struct {
    int number;
    unsigned char at_first, restarted; /* places of the tail */
} calls[] = {
#define CALL(name, at_first, restarted, ...) {SYS_##name, at_first, restarted},
    CRMPI_CALLS(CALL)
#undef CALL
};
#define N_CALLS (sizeof calls / sizeof *calls)

#define LOAD(field)                                                                      \
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define LOAD_HIGH(field)                                                                 \
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field) + 4)
#define AND(mask) BPF_STMT(BPF_ALU | BPF_AND | BPF_K, mask)
/* at @p place: on to @p yes or @p no */
#define JUMP(place, test, value, yes, no)                                                \
    BPF_JUMP(BPF_JMP | test | BPF_K, value, (yes) - (place)-1, (no) - (place)-1)
static const struct sock_filter tail[] = {
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    /* MMAP, where the kernel would choose the address, or outside of the range */
    LOAD(args[3]),
    JUMP(MMAP + 1, BPF_JSET, MAP_FIXED, MREMAP + 3, ALWAYS),
    /* MREMAP, likewise */
    LOAD(args[3]),
    JUMP(MREMAP + 1, BPF_JSET, MREMAP_FIXED, MREMAP + 5, MREMAP + 2),
    JUMP(MREMAP + 2, BPF_JSET, MREMAP_MAYMOVE, ALWAYS, ALLOW),
    LOAD_HIGH(args[0]),
    JUMP(MREMAP + 4, BPF_JEQ, 0, ALWAYS, MREMAP + 6),
    LOAD_HIGH(args[4]),
    JUMP(MREMAP + 6, BPF_JGE, CRMPI_U0 >> 32, MREMAP + 7, ALWAYS),
    JUMP(MREMAP + 7, BPF_JGE, CRMPI_U1 >> 32, ALWAYS, ALLOW),
    /* FUTEX_IDS: locks whose owner the kernel looks for by its id */
    LOAD(args[1]),
    AND(~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME)),
    JUMP(FUTEX_IDS + 2, BPF_JEQ, FUTEX_LOCK_PI, ALWAYS, FUTEX_IDS + 3),
    JUMP(FUTEX_IDS + 3, BPF_JEQ, FUTEX_UNLOCK_PI, ALWAYS, FUTEX_IDS + 4),
    JUMP(FUTEX_IDS + 4, BPF_JEQ, FUTEX_TRYLOCK_PI, ALWAYS, FUTEX_IDS + 5),
    JUMP(FUTEX_IDS + 5, BPF_JEQ, FUTEX_WAIT_REQUEUE_PI, ALWAYS, FUTEX_IDS + 6),
    JUMP(FUTEX_IDS + 6, BPF_JEQ, FUTEX_CMP_REQUEUE_PI, ALWAYS, FUTEX_IDS + 7),
    JUMP(FUTEX_IDS + 7, BPF_JEQ, FUTEX_LOCK_PI2, ALWAYS, FUTEX_TIME),
    /* FUTEX_TIME: waiting for, or until, a time */
    LOAD(args[1]),
    AND(~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME)),
    JUMP(FUTEX_TIME + 2, BPF_JEQ, FUTEX_WAIT, TIME_3, FUTEX_TIME + 3),
    JUMP(FUTEX_TIME + 3, BPF_JEQ, FUTEX_WAIT_BITSET, TIME_3, ALLOW),
    /* TIME_3, TIME_2: this argument is not 0 */
    LOAD(args[3]),
    JUMP(TIME_3 + 1, BPF_JEQ, 0, ALLOW, ALWAYS),
    LOAD(args[2]),
    JUMP(TIME_2 + 1, BPF_JEQ, 0, ALLOW, ALWAYS),
    /* RANDOM */
    LOAD(args[1]),
    JUMP(RANDOM + 1, BPF_JGT, RANDOM_AT_ONCE, ALWAYS, ALLOW),
    /* URING, waiting for something */
    LOAD(args[3]),
    JUMP(URING + 1, BPF_JSET, IORING_ENTER_GETEVENTS, ALWAYS, ALLOW),
    /* ABSOLUTE: a timer that is set to an absolute time */
    LOAD(args[1]),
    JUMP(ABSOLUTE + 1, BPF_JSET, TFD_TIMER_ABSTIME, ALWAYS, ALLOW),
    /* OPEN, OPENAT, for anything but reading what is there */
    LOAD(args[1]),
    JUMP(OPEN + 1, BPF_JSET, CRMPI_OPEN_CHANGES, ALWAYS, ALLOW),
    LOAD(args[2]),
    JUMP(OPENAT + 1, BPF_JSET, CRMPI_OPEN_CHANGES, ALWAYS, ALLOW),
    /* NOT_EMPTY_3, NOT_EMPTY_2: of a path, not of a descriptor */
    LOAD(args[3]),
    JUMP(NOT_EMPTY_3 + 1, BPF_JSET, AT_EMPTY_PATH, ALLOW, ALWAYS),
    LOAD(args[2]),
    JUMP(NOT_EMPTY_2 + 1, BPF_JSET, AT_EMPTY_PATH, ALLOW, ALWAYS),
    /* OWNER: the commands of fcntl with an id */
    LOAD(args[1]),
    JUMP(OWNER + 1, BPF_JEQ, F_SETOWN, ALWAYS, OWNER + 2),
    JUMP(OWNER + 2, BPF_JEQ, F_GETOWN, ALWAYS, OWNER + 3),
    JUMP(OWNER + 3, BPF_JEQ, F_SETOWN_EX, ALWAYS, OWNER + 4),
    JUMP(OWNER + 4, BPF_JEQ, F_GETOWN_EX, ALWAYS, OWNER + 5),
    JUMP(OWNER + 5, BPF_JEQ, F_GETLK, ALWAYS, ALLOW),
    /* CLOCK: any but the time of day */
    LOAD(args[0]),
    JUMP(CLOCK + 1, BPF_JEQ, 0, ALLOW, ALWAYS),
    /* GUARD_2, GUARD_3: advice that makes guards of memory */
    LOAD(args[2]),
    JUMP(GUARD_2 + 1, BPF_JEQ, MADV_GUARD_INSTALL, ALWAYS, ALLOW),
    LOAD(args[3]),
    JUMP(GUARD_3 + 1, BPF_JEQ, MADV_GUARD_INSTALL, ALWAYS, ALLOW),
    /* ALWAYS: the call was made in the upper range if its address's high half says so */
    LOAD_HIGH(instruction_pointer),
    JUMP(ALWAYS + 1, BPF_JGE, CRMPI_U0 >> 32, ALWAYS + 2, ALLOW),
    JUMP(ALWAYS + 2, BPF_JGE, CRMPI_U1 >> 32, ALLOW, ALWAYS + 3),
    JUMP(ALWAYS + 3, BPF_JEQ, CRMPI_GATE_ADDR >> 32, ALWAYS + 4, TRAP),
    LOAD(instruction_pointer), /* perhaps at the gate */
    JUMP(ALWAYS + 5, BPF_JGE, (uint32_t)CRMPI_GATE_ADDR, ALWAYS + 6, TRAP),
    JUMP(ALWAYS + 6, BPF_JGE, (uint32_t)(CRMPI_GATE_ADDR + CRMPI_GATE_BYTES), TRAP,
         ALLOW),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
};
#define N_TAIL (sizeof tail / sizeof *tail)
_Static_assert(N_TAIL == TRAP + 1, "the places of the tail");
#define N_HEAD 3
_Static_assert(N_CALLS + N_TAIL < 255, "jumps have a byte");

static unsigned place_of(size_t i, int restarted, int foreign)
{
    if (calls[i].number == SYS_rt_sigreturn && !foreign)
        return NEVER;
    return restarted ? calls[i].restarted : calls[i].at_first;
}

/* Behind the list is the tail's first statement, NEVER: all else is allowed. */
enum crmpi_status crmpi_filter_install(int restarted, int foreign)
{
    struct sock_filter filter[N_HEAD + N_CALLS + N_TAIL] = {LOAD(arch), {0}, LOAD(nr)};
    struct sock_fprog program = {.filter = filter};
    size_t n = 0, at = N_HEAD;

    for (size_t i = 0; i < N_CALLS; i++)
        n += place_of(i, restarted, foreign) != NEVER;
    filter[1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64,
                                             0, (unsigned char)(n + 1));
    for (size_t i = 0; i < N_CALLS; i++) {
        unsigned place = place_of(i, restarted, foreign);

        if (place != NEVER) {
            size_t behind = N_HEAD + n - at - 1;

            filter[at++] = (struct sock_filter)BPF_JUMP(
                BPF_JMP | BPF_JEQ | BPF_K, (unsigned)calls[i].number,
                (unsigned char)(behind + place), 0);
        }
    }
    memcpy(filter + at, tail, sizeof tail);
    program.len = (unsigned short)(at + N_TAIL);
    /* without CAP_SYS_ADMIN the kernel wants this first */
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0 &&
        (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
         syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)) {
        crmpi_error(
            "cannot install the seccomp filter: %s: crmpi needs a Linux kernel with "
            "seccomp filters",
            strerror(errno));
        return CRMPI_ERR_SYSTEM;
    }
    return CRMPI_OK;
}
