/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rest of a transfer that a parking signal has cut short (see boundary/transfer.h).  Upper
 * half: the thread may be stopped and saved in here again, or be cancelled.
 *
 * It comes here from behind its system call, so nothing but what a call changes may be
 * changed: that is why no vector registers are used.  A message goes on part by part.
 */
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

#include "boundary/transfer.h"
#include "upper/upper.h"

#define PLAIN __attribute__((target("general-regs-only")))

/* In registers as system calls have them; a parking signal that ends it finds the transfer in
 * %rbx. */
int64_t crmpi_transfer_call(struct crmpi_transfer *transfer, int64_t number,
                            const int64_t arguments[6])
    __attribute__((visibility("hidden")));

__asm__(".text\n"
        ".globl crmpi_transfer_call\n"
        ".hidden crmpi_transfer_call\n"
        ".type crmpi_transfer_call, @function\n"
        "crmpi_transfer_call:\n"
        "  .cfi_startproc\n"
        "  pushq %rbx\n"
        "  .cfi_def_cfa_offset 16\n"
        "  .cfi_offset %rbx, -16\n"
        "  movq %rdi, %rbx\n"
        "  movq %rsi, %rax\n"
        "  movq %rdx, %rcx\n"
        "  movq (%rcx), %rdi\n"
        "  movq 8(%rcx), %rsi\n"
        "  movq 16(%rcx), %rdx\n"
        "  movq 24(%rcx), %r10\n"
        "  movq 32(%rcx), %r8\n"
        "  movq 40(%rcx), %r9\n"
        "  syscall\n"
        ".globl crmpi_transfer_behind_call\n"
        ".hidden crmpi_transfer_behind_call\n"
        "crmpi_transfer_behind_call:\n"
        "  popq %rbx\n"
        "  .cfi_def_cfa_offset 8\n"
        "  .cfi_restore %rbx\n"
        "  ret\n"
        "  .cfi_endproc\n"
        ".size crmpi_transfer_call, . - crmpi_transfer_call\n");

/* A call for a part of memory that some part of a message is. */
static PLAIN int64_t call_part(struct crmpi_transfer *t, char *memory, int64_t bytes)
{
    int64_t arguments[6] = {t->arguments[0], (int64_t)memory, bytes, 0, 0, 0};

    switch (t->number) {
    case SYS_sendmsg:
        arguments[3] = t->arguments[2];
        return crmpi_transfer_call(t, SYS_sendto, arguments);
    case SYS_recvmsg:
        arguments[3] = t->arguments[2];
        return crmpi_transfer_call(t, SYS_recvfrom, arguments);
    case SYS_readv:
        return crmpi_transfer_call(t, SYS_read, arguments);
    default: /* writev */
        return crmpi_transfer_call(t, SYS_write, arguments);
    }
}

/* On with the part of a vector where the transfer is. */
static PLAIN int64_t call_vector(struct crmpi_transfer *t, int64_t *wanted_out)
{
    const struct iovec *parts = (const struct iovec *)t->arguments[1];
    int64_t before = t->done;

    if (t->number == SYS_sendmsg || t->number == SYS_recvmsg)
        parts = ((const struct msghdr *)t->arguments[1])->msg_iov;
    for (; before >= (int64_t)parts->iov_len; parts++)
        before -= (int64_t)parts->iov_len;
    *wanted_out = (int64_t)parts->iov_len - before;
    return call_part(t, (char *)parts->iov_base + before, *wanted_out);
}

/* On with the whole rest, or with a call that has done nothing. */
static PLAIN int64_t call_rest(struct crmpi_transfer *t, int64_t *wanted_out)
{
    int64_t arguments[6], rest = t->bytes - t->done;

    for (int i = 0; i < 6; i++)
        arguments[i] = t->arguments[i];
    *wanted_out = t->bytes ? rest : INT64_MAX;
    switch (t->done ? t->number : -1) {
    case -1:
        break;
    case SYS_sendfile: /* the kernel moves offsets on */
        arguments[3] = rest;
        break;
    case SYS_splice:
        arguments[4] = rest;
        break;
    case SYS_getrandom:
        arguments[0] += t->done;
        arguments[1] = rest;
        break;
    default:
        arguments[1] += t->done;
        arguments[2] = rest;
    }
    return crmpi_transfer_call(t, t->number, arguments);
}

/* Wait until the call would not, or its time is over: then what it returns. */
static PLAIN int64_t wait_ready(struct crmpi_transfer *t)
{
    struct timespec now, left;
    struct pollfd polled = {(int)t->arguments[0], (short)t->events, 0};
    const int64_t ask[6] = {CLOCK_MONOTONIC, (int64_t)&now};
    const int64_t wait[6] = {(int64_t)&polled, 1, (int64_t)&left};
    int64_t left_ns, result;

    crmpi_transfer_call(t, SYS_clock_gettime, ask);
    left_ns = t->end_ns - now.tv_sec * 1000000000l - now.tv_nsec;
    left_ns = left_ns > 0 ? left_ns : 0;
    left.tv_sec = left_ns / 1000000000l;
    left.tv_nsec = left_ns % 1000000000l;
    result = crmpi_transfer_call(t, SYS_ppoll, wait); /* at the gate */
    return result ? result : t->number == SYS_connect ? -EINPROGRESS : -EAGAIN;
}

static PLAIN int is_vector(int64_t number)
{
    return number == SYS_readv || number == SYS_writev || number == SYS_sendmsg ||
           number == SYS_recvmsg;
}

/* What the call returns. */
static PLAIN __attribute__((used)) int64_t transfer_go(struct crmpi_transfer *t)
{
    int64_t wanted, result;

    do {
        result = -EINTR;
        if (t->is_over)
            break;
        if (t->end_ns && (result = wait_ready(t)) < 0)
            break;
        t->interrupted = 0;
        result = t->done && is_vector(t->number) ? call_vector(t, &wanted)
                                                  : call_rest(t, &wanted);
        if (result > 0)
            t->done += result;
    } while ((result == -EINTR && t->interrupted) ||
             (result > 0 && t->done < t->bytes && (result == wanted || t->interrupted)));
    return t->done ? t->done : result;
}

/*
 * Where libc makes such calls
 */

static const struct {
    const char *name;
    int64_t number;
} functions[] = {
    {"write", SYS_write},       {"writev", SYS_writev},   {"send", SYS_sendto},
    {"sendto", SYS_sendto},     {"sendmsg", SYS_sendmsg}, {"recv", SYS_recvfrom},
    {"recvfrom", SYS_recvfrom}, {"recvmsg", SYS_recvmsg}, {"sendfile", SYS_sendfile},
    {"splice", SYS_splice},     {"accept", SYS_accept},   {"accept4", SYS_accept4},
    {"connect", SYS_connect},   {"read", SYS_read},       {"readv", SYS_readv},
    {"pread64", SYS_pread64},
};

/* @p stack  how far from the top of the stack the number lies; -1: it is @p number */
static void place_add(const unsigned char *behind, int64_t number, int32_t stack)
{
    uint32_t n = crmpi_control->n_places;

    if (n == CRMPI_PLACES_MAX)
        return;
    crmpi_control->places[n].address = (uint64_t)behind;
    crmpi_control->places[n].number = (int32_t)number;
    crmpi_control->places[n].stack = stack;
    crmpi_control->n_places = n + 1;
}

/* The number that is loaded there, "mov $number, %eax"; -1 if it is no such instruction. */
static int64_t number_at(const unsigned char *code)
{
    int32_t number;

    memcpy(&number, code + 1, sizeof number);
    return *code == 0xb8 && number >= 0 && number < 512 ? number : -1;
}

/* "xor %eax, %eax" */
static int is_zero_at(const unsigned char *code)
{
    return code[0] == 0x31 && code[1] == 0xc0;
}

/* A function that makes the call of its name, and loads no other number than that. */
static void function_look(const unsigned char *begin, const unsigned char *end,
                          int64_t number)
{
    int is_loaded = 0;

    for (const unsigned char *at = begin; at + 5 <= end; at++) {
        int64_t loaded = number_at(at);

        is_loaded |= loaded == number || (number == 0 && is_zero_at(at));
        if (loaded >= 0 && loaded != number)
            return;
    }
    for (const unsigned char *at = begin; is_loaded && at + 2 <= end; at++)
        if (at[0] == 0x0f && at[1] == 0x05)
            place_add(at + 2, number, -1);
}

/*
 * Since glibc 2.41 all calls that can be cancelled are made in two places, which are given the
 * number as an argument on the stack, and load it from there:
 *
 *     __syscall_cancel:            call __internal_syscall_cancel
 *     __internal_syscall_cancel:   mov N(%rsp), %rsi      in a thread that may be cancelled
 *                                  ...
 *                                  call __syscall_cancel_arch, which has no frame
 *                                  mov N(%rsp), %rax      else
 *                                  syscall
 *
 * None of them is in a table of symbols; they are found from a function that calls the first.
 */
#define NEAR 192 /* bytes that are looked at of a function whose end is not known */

/* What is called by the first call in a piece of code, NULL if there is none; near: it is not the
 * library's that calls. */
static const unsigned char *called_in(const unsigned char *begin, const unsigned char *end)
{
    const unsigned char *target;
    int32_t distance;

    for (const unsigned char *at = begin; at + 5 <= end; at++) {
        if (*at != 0xe8)
            continue;
        memcpy(&distance, at + 1, sizeof distance);
        target = at + 5 + distance;
        if (distance > -(4 << 20) && distance < 4 << 20)
            return target;
    }
    return NULL;
}

static const unsigned char *syscall_in(const unsigned char *begin, const unsigned char *end)
{
    for (const unsigned char *at = begin; at + 2 <= end; at++)
        if (at[0] == 0x0f && at[1] == 0x05)
            return at + 2;
    return NULL;
}

static void cancellable_look(const unsigned char *begin, const unsigned char *end)
{
    static const unsigned char to_rax[] = {0x48, 0x8b, 0x44, 0x24},
                               to_rsi[] = {0x48, 0x8b, 0x74, 0x24};
    const unsigned char *first = called_in(begin, end), *inner, *arch, *behind;

    if (!first || !(inner = called_in(first, first + NEAR)))
        return;
    for (const unsigned char *at = inner; at < inner + NEAR; at++) {
        if (memcmp(at, to_rax, sizeof to_rax) == 0 && at[5] == 0x0f && at[6] == 0x05)
            place_add(at + 7, 0, at[4]);
        if (memcmp(at, to_rsi, sizeof to_rsi) == 0 && (arch = called_in(at, at + 32)) &&
            (behind = syscall_in(arch, arch + NEAR)))
            place_add(behind, 0, at[4] + 8); /* the address to return to is before it */
    }
}

void crmpi_transfer_places_find(void)
{
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        const unsigned char *at = dlsym(RTLD_DEFAULT, functions[i].name);
        const ElfW(Sym) *symbol = NULL;
        Dl_info about;

        if (!at || !dladdr1(at, &about, (void **)&symbol, RTLD_DL_SYMENT) || !symbol)
            continue;
        uint32_t n = crmpi_control->n_places;
        function_look(at, at + symbol->st_size, functions[i].number);
        if (functions[i].number == SYS_read && crmpi_control->n_places == n)
            cancellable_look(at, at + symbol->st_size);
    }
}

#define TEXT(x) #x
#define NUMBER(x) TEXT(x)
__asm__(".text\n"
        ".globl crmpi_transfer_entry\n"
        ".hidden crmpi_transfer_entry\n"
        ".type crmpi_transfer_entry, @function\n"
        "crmpi_transfer_entry:\n"
        "  .cfi_startproc\n"
        "  .cfi_def_cfa_offset " NUMBER(CRMPI_F_BYTES) "\n"
        "  .cfi_offset %rip, " NUMBER(CRMPI_F_BACK) "-" NUMBER(CRMPI_F_BYTES) "\n"
        "  movq %rsp, %rdi\n"
        "  pushq %rbx\n"
        "  .cfi_adjust_cfa_offset 8\n"
        "  .cfi_rel_offset %rbx, 0\n"
        "  movq %rdi, %rbx\n"
        "  .cfi_def_cfa %rbx, " NUMBER(CRMPI_F_BYTES) "\n"
        "  andq $-16, %rsp\n"
        "  call transfer_go\n"
        "  leaq -8(%rbx), %rsp\n"
        "  .cfi_def_cfa %rsp, " NUMBER(CRMPI_F_BYTES) "+8\n"
        "  popq %rbx\n"
        "  .cfi_adjust_cfa_offset -8\n"
        "  .cfi_restore %rbx\n"
        "  pushq 48(%rsp)\n"
        "  popfq\n"
        "  movq (%rsp), %rdi\n"
        "  movq 8(%rsp), %rsi\n"
        "  movq 16(%rsp), %rdx\n"
        "  movq 24(%rsp), %r10\n"
        "  movq 32(%rsp), %r8\n"
        "  movq 40(%rsp), %r9\n"
        "  leaq " NUMBER(CRMPI_F_BACK) "(%rsp), %rsp\n"
        "  .cfi_def_cfa_offset " NUMBER(CRMPI_F_BYTES) "-" NUMBER(CRMPI_F_BACK) "\n"
        "  ret $128\n"
        "  .cfi_endproc\n"
        ".size crmpi_transfer_entry, . - crmpi_transfer_entry\n");
