/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The gate (see gate.h).  Lower half.
 *
 * Its code is in lib/upper/vdso.S: one call as such, and a second one that is not the thread's
 * own, behind which it returns what the frame says, or makes its own call again.  Threads and
 * processes are made at places of their own, as no frame lies on the stack of a new thread,
 * and a child of vfork() would write over it:
 *
 *   CRMPI_BIRTHS_ADDR   syscall, jmp *place    for each place of the application from which
 *                       ...                    such calls are made
 *   second page         place, ...
 *
 * A thread parks at the gate like anywhere else, and goes on there after a restart.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/log.h"
#include "boundary/calls.h"
#include "boundary/control.h"
#include "boundary/raw.h"
#include "lower/raw.h"
#include "threads/clock.h"
#include "threads/gate.h"
#include "threads/ids.h"
#include "threads/trap.h"

#define PAGE 4096ul
#define BIRTH_BYTES 8 /* syscall, jmp *offset(%rip) */
#define N_BIRTHS 256
#define SECOND 1000000000l

#define FUTEX_OPERATION (~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME))
#define URING_EXTENDED 8 /* IORING_ENTER_EXT_ARG */

#define AT_CALL CRMPI_GATE_ADDR
#define AT_AGAIN (CRMPI_GATE_ADDR + CRMPI_GATE_AGAIN)

/* ---- a thread's frame ---- */

static const int saved_registers[] = {REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9};
#define N_REGISTERS 6

enum kind {
    NO_TIME,
    MS,      /* an int; not positive: no limit */
    LENGTH,  /* a timespec; the kernel does not tell what is left */
    SLEEP,   /* likewise, but it does, in the next argument */
    LEFT,    /* likewise, in the same place */
    LEFT_US, /* a timeval, likewise */
    DATE, /* a timespec on CLOCK_REALTIME, or one of the clocks that go on after a restart */
};

enum then {
    RETURN,
    RETURN_RESULT,
    CALL_AGAIN,
};

struct frame {
    uint64_t given[N_REGISTERS]; /* as the application gave them */
    uint64_t rax;                /* at the second place */
    uint64_t number;             /* of the call made here */
    int32_t kind, time;          /* enum kind, and the register */
    int32_t then, unused;
    int64_t end_ns;     /* of a wait, on the application's clock; 0: none */
    uint64_t length[2]; /* what an argument points to instead of the application's */
    uint64_t mask[4];
    uint64_t back; /* where to go on */
    uint64_t red_zone[16];
};

_Static_assert(offsetof(struct frame, rax) == CRMPI_F_RAX, "as the gate has it");
_Static_assert(offsetof(struct frame, back) == CRMPI_F_BACK, "as the gate has it");
_Static_assert(sizeof(struct frame) == CRMPI_F_BYTES, "as the gate has it");

/* ---- places where threads are made ---- */

static uint64_t *const births = (uint64_t *)(CRMPI_BIRTHS_ADDR + PAGE);

enum crmpi_status crmpi_births_map(void)
{
    unsigned char *code =
        crmpi_map((void *)CRMPI_BIRTHS_ADDR, CRMPI_BIRTHS_BYTES, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

    if (code != (void *)CRMPI_BIRTHS_ADDR) {
        crmpi_error("cannot map where the upper half makes threads: %s", strerror(errno));
        return CRMPI_ERR_SYSTEM;
    }
    for (int i = 0; i < N_BIRTHS; i++) {
        unsigned char *at = code + i * BIRTH_BYTES;
        int32_t distance = (int32_t)((unsigned char *)&births[i] - (at + BIRTH_BYTES));

        memcpy(at, (const unsigned char[]){0x0f, 0x05, 0xff, 0x25}, 4);
        memcpy(at + 4, &distance, sizeof distance);
    }
    mprotect(code, PAGE, PROT_READ | PROT_EXEC);
    return CRMPI_OK;
}

/* ---- arguments ---- */

/* What has to be seen to of a call that is made at the gate: registers of an argument that
 * points to a signal mask, or to a mask's address and size (a pair), and of one that is a time. */
#define NONE (-1)
static const struct gated {
    int number, mask, is_pair, time;
    enum kind kind;
} gated[] = {
    {SYS_nanosleep, NONE, 0, REG_RDI, SLEEP},
    {SYS_clock_nanosleep, NONE, 0, REG_RDX, SLEEP}, /* or DATE */
    {SYS_futex, NONE, 0, REG_R10, DATE},            /* or LENGTH */
    {SYS_futex_waitv, NONE, 0, REG_R10, DATE},
    {SYS_poll, NONE, 0, REG_RDX, MS},
    {SYS_epoll_wait, NONE, 0, REG_R10, MS},
    {SYS_epoll_pwait, REG_R8, 0, REG_R10, MS},
    {SYS_epoll_pwait2, REG_R8, 0, REG_R10, LENGTH},
    {SYS_ppoll, REG_R10, 0, REG_RDX, LEFT},
    {SYS_pselect6, REG_R9, 1, REG_R8, LEFT},
    {SYS_select, NONE, 0, REG_R8, LEFT_US},
    {SYS_rt_sigsuspend, REG_RDI, 0, NONE, NO_TIME},
    {SYS_rt_sigtimedwait, REG_RDI, 0, REG_RDX, LENGTH},
    {SYS_semtimedop, NONE, 0, REG_R10, LENGTH},
    {SYS_io_getevents, NONE, 0, REG_R8, LENGTH},
    {SYS_io_pgetevents, REG_R9, 1, REG_R8, LENGTH},
};

static struct gated gated_of(long number, const greg_t *r)
{
    struct gated found = {(int)number, NONE, 0, NONE, NO_TIME};

    for (size_t i = 0; i < sizeof gated / sizeof *gated; i++)
        if (gated[i].number == number)
            found = gated[i];
    if (number == SYS_clock_nanosleep && r[REG_RSI] & TIMER_ABSTIME)
        found.kind = DATE;
    if (number == SYS_futex && (r[REG_RSI] & FUTEX_OPERATION) == FUTEX_WAIT)
        found.kind = LENGTH;
    return found;
}

/* Of a SLEEP: where the kernel writes what is left. */
static int left_register(long number)
{
    return number == SYS_nanosleep ? REG_RSI : REG_R10;
}

int64_t crmpi_gate_clock_ns(void)
{
    struct timespec now;

    crmpi_raw(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&now, 0, 0, 0, 0);
    return now.tv_sec * SECOND + now.tv_nsec + crmpi_control->clock_offset_ns;
}

static int is_shifted_date(long number, const greg_t *r)
{
    greg_t clock = r[number == SYS_futex_waitv ? REG_R8 : REG_RDI];

    return number == SYS_futex ? !(r[REG_RSI] & FUTEX_CLOCK_REALTIME)
                               : clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME;
}

/* A limit far ahead is none. */
static int64_t end_of(int64_t seconds, int64_t ns)
{
    const int64_t longest = INT64_MAX / 4 / SECOND;

    return crmpi_gate_clock_ns() + (seconds < longest ? seconds : longest) * SECOND + ns;
}

/* Whether a sleep is over when the time is; else what it counts goes on only while it does. */
static int is_of_time(const struct frame *frame)
{
    clockid_t clock = (clockid_t)frame->given[0];

    return frame->number == SYS_nanosleep ||
           (clock >= 0 && clock != CLOCK_PROCESS_CPUTIME_ID &&
            clock != CLOCK_THREAD_CPUTIME_ID);
}

static void time_replace(struct frame *frame, greg_t *r)
{
    const uint64_t *given = (const uint64_t *)r[frame->time];
    int64_t copy[2];

    switch (frame->kind) {
    case MS:
        if ((int32_t)r[frame->time] > 0)
            frame->end_ns = end_of((int32_t)r[frame->time] / 1000,
                                   (int32_t)r[frame->time] % 1000 * 1000000l);
        return;
    case LENGTH:
    case SLEEP:
        if (!given)
            return;
        frame->length[0] = given[0];
        frame->length[1] = given[1];
        if (frame->kind == LENGTH || is_of_time(frame))
            frame->end_ns = end_of((int64_t)given[0], (int64_t)given[1]);
        if (frame->kind == SLEEP && !r[left_register((long)frame->number)])
            r[left_register((long)frame->number)] = (greg_t)frame->length;
        break;
    case LEFT:
    case LEFT_US:
        if (given && crmpi_raw_read(copy, given, sizeof copy) == 0)
            frame->end_ns =
                end_of(copy[0], frame->kind == LEFT ? copy[1] : 1000 * copy[1]);
        return;
    case DATE:
        if (!given)
            return;
        crmpi_clock_correct(is_shifted_date((long)frame->number, r),
                            (const struct timespec *)given,
                            (struct timespec *)frame->length);
        break;
    default:
        return;
    }
    r[frame->time] = (greg_t)frame->length;
}

static void mask_replace(const struct gated *call, struct frame *frame, greg_t *r)
{
    const uint64_t *given = call->mask == NONE ? NULL : (const uint64_t *)r[call->mask];

    if (!given)
        return;
    if (!call->is_pair) {
        frame->mask[0] = crmpi_trap_mask(*given);
    } else {
        frame->mask[1] = given[1];
        frame->mask[2] = given[0] ? crmpi_trap_mask(*(const uint64_t *)given[0]) : 0;
        frame->mask[0] = given[0] ? (uint64_t)&frame->mask[2] : 0;
    }
    r[call->mask] = (greg_t)frame->mask;
}

/* io_uring_enter() has a mask, or a structure of a mask, its size, and a time. */
static void uring_replace(struct frame *frame, greg_t *r)
{
    const uint64_t *given = (const uint64_t *)r[REG_R8];

    if (!given)
        return;
    if (!(r[REG_R10] & URING_EXTENDED)) {
        frame->mask[0] = crmpi_trap_mask(*given);
    } else {
        frame->mask[0] = given[0] ? (uint64_t)&frame->mask[3] : 0;
        frame->mask[1] = given[1];
        frame->mask[2] = given[2] ? (uint64_t)frame->length : 0;
        frame->mask[3] = given[0] ? crmpi_trap_mask(*(const uint64_t *)given[0]) : 0;
        if (given[2]) {
            const int64_t *length = (const int64_t *)given[2];

            frame->length[0] = (uint64_t)length[0];
            frame->length[1] = (uint64_t)length[1];
            frame->end_ns = end_of(length[0], length[1]);
        }
    }
    r[REG_R8] = (greg_t)frame->mask;
}

/* ---- on the way ---- */

static struct frame *frame_make(long number, greg_t *r)
{
    struct frame *frame = (struct frame *)(r[REG_RSP] - (greg_t)sizeof *frame);

    for (int i = 0; i < N_REGISTERS; i++)
        frame->given[i] = (uint64_t)r[saved_registers[i]];
    frame->number = (uint64_t)number;
    frame->back = (uint64_t)r[REG_RIP];
    frame->kind = NO_TIME;
    frame->time = NONE;
    frame->then = RETURN;
    frame->end_ns = 0;
    r[REG_RSP] = (greg_t)frame;
    r[REG_RIP] = AT_CALL;
    return frame;
}

/* Have the thread correct a siginfo before it goes on behind its call. */
static void info_corrected(greg_t *r)
{
    struct {
        uint64_t info, back, red_zone[16];
    } *then = (void *)(r[REG_RSP] - (greg_t)sizeof *then);

    then->info = (uint64_t)r[REG_RSI];
    then->back = (uint64_t)r[REG_RIP];
    r[REG_RSP] = (greg_t)then;
    r[REG_RIP] = CRMPI_GATE_ADDR + CRMPI_GATE_INFO;
}

long crmpi_gate_call(long number, greg_t *r)
{
    struct gated call = gated_of(number, r);
    struct frame *frame;

    if (number == SYS_rt_sigtimedwait && r[REG_RSI])
        info_corrected(r); /* there may be a restart meanwhile */
    frame = frame_make(number, r);

    frame->kind = call.kind;
    frame->time = call.time;
    if (number == SYS_clock_nanosleep)
        r[REG_RDI] = crmpi_ids_clock((clockid_t)r[REG_RDI]);
    mask_replace(&call, frame, r);
    time_replace(frame, r);
    return number;
}

long crmpi_gate_call_uring(long number, greg_t *r, long submitted)
{
    struct frame *frame = frame_make(number, r);

    r[REG_RSI] = 0;
    uring_replace(frame, r);
    frame->then = RETURN_RESULT;
    frame->rax = (uint64_t)submitted;
    if (submitted)
        r[REG_RIP] = AT_AGAIN;
    return number;
}

long crmpi_gate_call_before(long number, greg_t *r, long other, const long arguments[6],
                            const struct timespec *end)
{
    struct frame *frame = frame_make(other, r);

    for (int i = 0; i < N_REGISTERS; i++)
        r[saved_registers[i]] = arguments[i];
    if (end) {
        memcpy(frame->length, end, sizeof *end);
        r[REG_R10] = (greg_t)frame->length;
    }
    frame->then = CALL_AGAIN;
    frame->rax = (uint64_t)number;
    frame->back -= 2; /* syscall */
    r[REG_RIP] = AT_AGAIN;
    return other;
}

long crmpi_gate_birth(long number, greg_t *r)
{
    for (int i = 0; i < N_BIRTHS; i++) {
        uint64_t none = 0;

        if (__atomic_load_n(&births[i], __ATOMIC_ACQUIRE) == (uint64_t)r[REG_RIP] ||
            __atomic_compare_exchange_n(&births[i], &none, (uint64_t)r[REG_RIP], 0,
                                        __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE) ||
            none == (uint64_t)r[REG_RIP]) {
            r[REG_RIP] = CRMPI_BIRTHS_ADDR + i * BIRTH_BYTES;
            return number;
        }
    }
    return -EAGAIN;
}

/* ---- a signal ---- */

/* In front of the call, where it has not begun; or behind it. */
static int birth_leave(greg_t *r)
{
    uint64_t offset = (uint64_t)r[REG_RIP] - CRMPI_BIRTHS_ADDR;
    uint64_t i = offset / BIRTH_BYTES;

    if (i >= N_BIRTHS || (offset % BIRTH_BYTES != 0 && offset % BIRTH_BYTES != 2))
        return 0;
    r[REG_RIP] = (greg_t)births[i] - (offset % BIRTH_BYTES == 0 ? 2 : 0);
    return 1;
}

/* The kernel tells what is left of a sleep that it has been woken from; of time there may be less by
 * now. */
static void sleep_renew(struct frame *frame, const greg_t *r, int is_behind,
                        const uint64_t length[2])
{
    uint64_t *told = (uint64_t *)r[left_register((long)frame->number)];

    if (!frame->end_ns && is_behind) {
        crmpi_raw_read(frame->length, told, sizeof frame->length);
        return;
    }
    if (frame->end_ns)
        memcpy(frame->length, length, sizeof frame->length);
    crmpi_raw_write(told, frame->length, sizeof frame->length);
}

/* What is left of a wait: for the call that is made again, and where it is told. */
static void time_renew(struct frame *frame, greg_t *r, int is_behind)
{
    int64_t left = frame->end_ns - crmpi_gate_clock_ns();

    left = left > 0 ? left : 0;
    const uint64_t length[2] = {(uint64_t)(left / SECOND), (uint64_t)(left % SECOND)};
    const uint64_t length_us[2] = {(uint64_t)((left + 999) / 1000) / 1000000,
                                   (uint64_t)((left + 999) / 1000) % 1000000};

    if (frame->kind == SLEEP && r[frame->time])
        sleep_renew(frame, r, is_behind, length);
    else if (!frame->end_ns)
        return;
    else if (frame->kind == MS)
        r[frame->time] = (left + 999999) / 1000000;
    else if (frame->kind == LEFT)
        crmpi_raw_write((void *)r[frame->time], length, sizeof length);
    else if (frame->kind == LEFT_US)
        crmpi_raw_write((void *)r[frame->time], length_us, sizeof length_us);
    else
        memcpy(frame->length, length, sizeof length);
}

/* As syscall leaves it: so it is known that the call has been made. */
static void call_mark(greg_t *r, int bytes)
{
    r[REG_RCX] = r[REG_RIP] + bytes;
    r[REG_R11] = r[REG_EFL];
}

/* Back to the application's own place: in front of its call, or behind it. */
static void frame_leave(greg_t *r, int is_behind)
{
    const struct frame *frame = (const struct frame *)r[REG_RSP];

    for (int i = 0; i < N_REGISTERS; i++)
        r[saved_registers[i]] = (greg_t)frame->given[i];
    r[REG_RIP] = (greg_t)frame->back - (is_behind || frame->then == CALL_AGAIN ? 0 : 2);
    r[REG_RSP] += (greg_t)sizeof *frame;
}

int crmpi_gate_leave(greg_t *r, long *number)
{
    struct frame *frame = (struct frame *)r[REG_RSP];
    uint64_t at = (uint64_t)r[REG_RIP];
    int is_before = at == AT_CALL || at == AT_AGAIN;
    int was_in = !is_before || crmpi_is_before_call_again((int64_t)at, r[REG_RCX],
                                                          r[REG_R11], r[REG_EFL]);

    *number = -1;
    if (birth_leave(r))
        return 1;
    if (!is_before &&
        ((at != AT_CALL + 2 && at != AT_AGAIN + 2) ||
         !crmpi_is_behind_call((int64_t)at, r[REG_RCX], r[REG_R11], r[REG_EFL])))
        return 0;
    if (!is_before && r[REG_RAX] != -EINTR) {
        if (frame->then == RETURN && frame->number == SYS_getrandom) {
            *number = (long)frame->number;
            frame_leave(r, 1);
            call_mark(r, 0);
        }
        return 0;
    }
    if (frame->then == RETURN_RESULT || (frame->kind >= MS && frame->kind <= LEFT_US)) {
        /* on with what is left */
        time_renew(frame, r, !is_before);
        r[REG_RAX] = (greg_t)frame->number;
        r[REG_RIP] = is_before ? (greg_t)at : (greg_t)at - 2;
        call_mark(r, 2);
        return 1;
    }
    /* from the trap on: deadlines are corrected anew, and what is about to become of a file is
     * noted anew, as the checkpoint has begun another journal */
    r[REG_RAX] = (greg_t)(frame->then == CALL_AGAIN ? frame->rax : frame->number);
    was_in |= crmpi_interruption_of((int64_t)frame->number) == CRMPI_ENDS;
    frame_leave(r, 0);
    if (was_in)
        call_mark(r, 2);
    return 1;
}

void crmpi_gate_renew(greg_t *r)
{
    uint64_t at = (uint64_t)r[REG_RIP];
    struct frame *frame = (struct frame *)r[REG_RSP];

    if ((at == AT_CALL || at == AT_AGAIN) && frame->end_ns)
        time_renew(frame, r, 0);
}
