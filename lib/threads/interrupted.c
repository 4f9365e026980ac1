/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupted system calls (see interrupted.h).  Lower half.
 *
 * Of libc's functions for transfers it is known which call they make (lib/upper/transfer.c).
 * Else what a thread was seen to wait in is the call that was interrupted if it was made from
 * the same instruction, with the same stack and the same arguments: it may be a later one, but is
 * the same call.
 *
 * A thread that is in a call, and has been woken, but has no processor, is told to run.  It is
 * not signalled before it has used some: by then it waits again, or is not in a call.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <time.h>

#include "boundary/calls.h"
#include "boundary/control.h"
#include "boundary/transfer.h"
#include "lower/raw.h"
#include "threads/gate.h"
#include "threads/interrupted.h"

void crmpi_look_at(int tid, struct crmpi_look *look)
{
    char path[64], line[256];
    FILE *file;

    *look = (struct crmpi_look){.tid = tid, .number = -1};
    snprintf(path, sizeof path, "/proc/self/task/%d/syscall", tid);
    if (!(file = fopen(path, "re")))
        return;
    if (fgets(line, sizeof line, file)) {
        look->is_told = 1;
        look->waits =
            sscanf(line, "-1 %lx %lx", &look->stack, &look->address) == 2 ||
            sscanf(line, "%ld %lx %lx %lx %lx %lx %lx %lx %lx", &look->number,
                   &look->arguments[0], &look->arguments[1], &look->arguments[2],
                   &look->arguments[3], &look->arguments[4], &look->arguments[5],
                   &look->stack, &look->address) == 9;
    }
    fclose(file);
}

/* ---- before the signal ---- */

#define RUN_NS 100000 /* no call is in the kernel for longer before it waits, or ends */
#define PATIENCE_NS 200000000 /* then it is signalled anyway */

static int64_t cpu_ns(int tid)
{
    struct timespec used;

    /* CLOCK_THREAD_CPUTIME_ID of another thread */
    return clock_gettime((clockid_t)(~(unsigned)tid << 3 | 6), &used) == 0
               ? used.tv_sec * 1000000000l + used.tv_nsec
               : INT64_MAX / 2;
}

int crmpi_look_note(struct crmpi_look *looks, size_t n_looks,
                    const struct crmpi_look *now)
{
    struct crmpi_look *noted = looks;
    int64_t used;

    while (noted < looks + n_looks && noted->tid != 0 && noted->tid != now->tid)
        noted++;
    if (noted == looks + n_looks)
        return 1; /* threads come and go: there is no room to note more */
    if (now->waits) {
        __atomic_store_n(&noted->tid, -1, __ATOMIC_RELEASE); /* it may be reading it */
        *noted = *now;
        noted->tid = -1;
        noted->runs_since_ns = -1;
        __atomic_store_n(&noted->tid, now->tid, __ATOMIC_RELEASE);
        return 1;
    }
    used = cpu_ns(now->tid);
    if (noted->tid == 0 || noted->runs_since_ns < 0) {
        noted->runs_since_ns = used;
        noted->seen_ns = crmpi_gate_clock_ns();
        __atomic_store_n(&noted->tid, now->tid, __ATOMIC_RELEASE);
    }
    return !now->is_told || used - noted->runs_since_ns >= RUN_NS ||
           crmpi_gate_clock_ns() - noted->seen_ns >= PATIENCE_NS;
}

/* ---- which call it was ---- */

static const int registers[] = {REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9};

static int is_same(const struct crmpi_look *look, const greg_t *r)
{
    for (int i = 0; i < 6; i++)
        if (look->arguments[i] != (uint64_t)r[registers[i]])
            return 0;
    return look->stack == (uint64_t)r[REG_RSP] && look->address == (uint64_t)r[REG_RIP];
}

static long number_of_libc(const greg_t *r)
{
    for (uint32_t i = 0; i < crmpi_control->n_places; i++)
        if (crmpi_control->places[i].address == (uint64_t)r[REG_RIP])
            return crmpi_control->places[i].stack < 0
                       ? crmpi_control->places[i].number
                       : *(const long *)(r[REG_RSP] + crmpi_control->places[i].stack);
    return -1;
}

static long number_told(const greg_t *r, const struct crmpi_look *looks, size_t n)
{
    int tid = (int)crmpi_raw(SYS_gettid, 0, 0, 0, 0, 0, 0);

    for (size_t i = 0; i < n; i++)
        if (__atomic_load_n(&looks[i].tid, __ATOMIC_ACQUIRE) == tid && looks[i].waits &&
            is_same(&looks[i], r))
            return looks[i].number;
    return -1;
}

/* Whether the number is loaded right in front of the call: "mov $number, %eax; syscall".  Through
 * syscall() two calls with the same arguments look the same. */
static int is_loaded(const greg_t *r, long number)
{
    unsigned char code[7];
    int32_t loaded = (int32_t)number;

    return crmpi_raw_read(code, (const void *)(r[REG_RIP] - (greg_t)sizeof code),
                          sizeof code) == 0 &&
           code[0] == 0xb8 && memcmp(code + 1, &loaded, sizeof loaded) == 0;
}

/* ---- EINTR ---- */

/* Calls that have done nothing then, and that end so though a signal's handler wants them to be
 * begun again: those on sockets with a time limit, and what some file systems do.  Those that
 * always do are made at the gate. */
static int is_begun_again(long number)
{
    return crmpi_interruption_of(number) == CRMPI_RESTARTS;
}

/* ---- parts ---- */

static int64_t vector_bytes(const struct iovec *parts, uint64_t n)
{
    int64_t bytes = 0;

    for (uint64_t i = 0; i < n; i++)
        bytes += (int64_t)parts[i].iov_len;
    return bytes;
}

/* What a descriptor is of; a socket only if it is a stream; memory: /dev/zero and its like, which
 * give all that is wanted unless there is a signal. */
enum carrier { OTHER, PIPE, SOCKET, MEMORY };

static int is_memory(dev_t device)
{
    unsigned minor_number = minor(device);

    return major(device) == 1 &&
           (minor_number == 5 /* zero */ || minor_number == 7 /* full */ ||
            minor_number == 8 /* random */ || minor_number == 9);
}

static enum carrier carrier_of(int fd)
{
    struct stat about;
    int type = 0;
    uint32_t bytes = sizeof type;

    if (crmpi_raw(SYS_fstat, fd, (long)&about, 0, 0, 0, 0) != 0)
        return OTHER;
    if (S_ISFIFO(about.st_mode))
        return PIPE;
    if (S_ISCHR(about.st_mode))
        return is_memory(about.st_rdev) ? MEMORY : OTHER;
    return S_ISSOCK(about.st_mode) &&
                   crmpi_raw(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, (long)&type,
                             (long)&bytes, 0) == 0 &&
                   type == SOCK_STREAM
               ? SOCKET
               : OTHER;
}

/* A call that does not wait ends with a part by itself; so does one that an error has ended, which
 * the next call is to be told. */
static int may_wait(int fd)
{
    struct pollfd polled = {.fd = fd};

    return !(crmpi_raw(SYS_fcntl, fd, F_GETFL, 0, 0, 0, 0) & O_NONBLOCK) &&
           crmpi_raw(SYS_poll, (long)&polled, 1, 0, 0, 0, 0) >= 0 &&
           !(polled.revents & POLLERR);
}

/* splice() to a socket ends with a part when the pipe that it reads is empty. */
static int is_left_in_pipe(const greg_t *r)
{
    int left = 0;

    return !(r[REG_R9] & SPLICE_F_NONBLOCK) && carrier_of((int)r[REG_RDI]) == PIPE &&
           carrier_of((int)r[REG_RDX]) == SOCKET && may_wait((int)r[REG_RDI]) &&
           may_wait((int)r[REG_RDX]) &&
           crmpi_raw(SYS_ioctl, r[REG_RDI], FIONREAD, (long)&left, 0, 0, 0) == 0 &&
           left > 0;
}

static int waits_for_all(greg_t flags)
{
    return flags & MSG_WAITALL &&
           !(flags & (MSG_PEEK | MSG_ERRQUEUE | MSG_OOB | MSG_DONTWAIT));
}

/* How many bytes a call was to transfer that has ended with fewer for a signal; 0: it may have by
 * itself, or what is left cannot be done apart. */
static int64_t bytes_wanted(long number, const greg_t *r)
{
    const struct msghdr *message = (const struct msghdr *)r[REG_RSI];
    int64_t bytes = 0;

    switch (number) {
    case SYS_sendto:
        bytes = r[REG_R10] & MSG_DONTWAIT ? 0 : r[REG_RDX];
        break;
    case SYS_write:
        bytes = r[REG_RDX];
        break;
    case SYS_read:
    case SYS_pread64:
        bytes = carrier_of((int)r[REG_RDI]) == MEMORY ? r[REG_RDX] : 0;
        break;
    case SYS_readv:
        if (carrier_of((int)r[REG_RDI]) == MEMORY)
            bytes = vector_bytes((const struct iovec *)r[REG_RSI], (uint64_t)r[REG_RDX]);
        break;
    case SYS_recvfrom:
        bytes = waits_for_all(r[REG_R10]) ? r[REG_RDX] : 0;
        break;
    case SYS_writev:
        bytes = vector_bytes((const struct iovec *)r[REG_RSI], (uint64_t)r[REG_RDX]);
        break;
    case SYS_sendmsg:
        if (!(r[REG_RDX] & MSG_DONTWAIT))
            bytes = vector_bytes(message->msg_iov, message->msg_iovlen);
        break;
    case SYS_recvmsg: /* descriptors may come with any part */
        if (waits_for_all(r[REG_RDX]) && !message->msg_control)
            bytes = vector_bytes(message->msg_iov, message->msg_iovlen);
        break;
    case SYS_sendfile: /* to a pipe it takes what there is room for */
        bytes = carrier_of((int)r[REG_RDI]) == SOCKET ? r[REG_R10] : 0;
        break;
    case SYS_splice:
        return is_left_in_pipe(r) ? r[REG_R8] : 0;
    case SYS_getrandom:
        return r[REG_RDX] & GRND_RANDOM ? 0 : r[REG_RSI];
    default:
        return 0;
    }
    return bytes > 0 && carrier_of((int)r[REG_RDI]) != OTHER && may_wait((int)r[REG_RDI])
               ? bytes
               : 0;
}

/* ---- the rest ---- */

static int is_for_input(long number)
{
    switch (number) {
    case SYS_read:
    case SYS_readv:
    case SYS_recvfrom:
    case SYS_recvmsg:
    case SYS_accept:
    case SYS_accept4:
        return 1;
    default:
        return 0;
    }
}

/* When a call on a socket has to end.  When it began is not known, so the first time that it is
 * interrupted its limit begins again. */
static int64_t end_of(long number, const greg_t *r)
{
    struct timeval limit = {0};
    uint32_t bytes = sizeof limit;

    if (number == SYS_sendfile || number == SYS_splice || number == SYS_getrandom ||
        crmpi_raw(SYS_getsockopt, r[REG_RDI], SOL_SOCKET,
                  is_for_input(number) ? SO_RCVTIMEO : SO_SNDTIMEO, (long)&limit,
                  (long)&bytes, 0) != 0 ||
        (limit.tv_sec == 0 && limit.tv_usec == 0))
        return 0;
    return crmpi_gate_clock_ns() + limit.tv_sec * 1000000000l + limit.tv_usec * 1000l;
}

/* Have the thread do it. */
static void transfer_rest(long number, greg_t *r, int64_t bytes, int64_t end_ns)
{
    struct crmpi_transfer *transfer =
        (struct crmpi_transfer *)(r[REG_RSP] - (greg_t)sizeof *transfer);

    for (int i = 0; i < 6; i++)
        transfer->arguments[i] = r[registers[i]];
    transfer->flags = (uint64_t)r[REG_EFL];
    transfer->number = number;
    transfer->done = r[REG_RAX] > 0 ? r[REG_RAX] : 0;
    transfer->end_ns = end_ns;
    transfer->is_over = 0;
    transfer->events = is_for_input(number) ? POLLIN : POLLOUT;
    transfer->bytes = bytes;
    transfer->back = (uint64_t)r[REG_RIP];
    r[REG_RSP] = (greg_t)transfer;
    r[REG_RIP] = (greg_t)crmpi_control->transfer_entry;
}

void crmpi_interrupted(greg_t *r, const struct crmpi_look *looks, size_t n_looks)
{
    int64_t bytes, end_ns;
    int is_certain;
    long number;

    if (crmpi_gate_leave(r, &number) ||
        !crmpi_is_behind_call(r[REG_RIP], r[REG_RCX], r[REG_R11], r[REG_EFL]))
        return;
    if ((uint64_t)r[REG_RIP] == crmpi_control->transfer_behind) {
        ((struct crmpi_transfer *)r[REG_RBX])->interrupted = 1;
        return;
    }
    if (number < 0)
        number = number_of_libc(r);
    is_certain = number >= 0;
    if (!is_certain)
        number = number_told(r, looks, n_looks);
    if (number < 0)
        return;
    if (r[REG_RAX] == -EINTR && is_begun_again(number)) {
        if ((end_ns = end_of(number, r)) != 0) {
            transfer_rest(number, r, bytes_wanted(number, r), end_ns);
        } else {
            r[REG_RAX] = number;
            r[REG_RIP] -= 2;
        }
    } else if (r[REG_RAX] > 0 && (is_certain || is_loaded(r, number)) &&
               (bytes = bytes_wanted(number, r)) > r[REG_RAX]) {
        transfer_rest(number, r, bytes, end_of(number, r));
    }
}
