/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The entry of the application's signal handlers (upper half): the kernel calls it instead of
 * them, as they need the upper TLS base, and the thread may be below.  It lies in the upper half
 * because the handler returns here, perhaps after a restart.
 */
#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <ucontext.h>

#include "boundary/calls.h"
#include "boundary/transfer.h"
#include "upper/upper.h"

#define FUTEX_OPERATION (~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME))

/* A wait that is no other: for a time it ends, else it may be made again. */
static enum crmpi_interruption futex_interruption(const greg_t *r)
{
    int operation = (int)r[REG_RSI] & FUTEX_OPERATION;

    if (operation != FUTEX_WAIT && operation != FUTEX_WAIT_BITSET)
        return CRMPI_GOES_ON;
    return r[REG_R10] ? CRMPI_ENDS : CRMPI_RESTARTS;
}

/* The call that a thread was in, and is to make again for crmpi's sake, ends for this signal, as
 * it would have if there had been no checkpoint. */
static void call_interrupt(greg_t *r, uint64_t flags)
{
    enum crmpi_interruption how = r[REG_RAX] == SYS_futex ? futex_interruption(r)
                                                          : crmpi_interruption_of(r[REG_RAX]);

    if (how == CRMPI_ENDS || (how == CRMPI_RESTARTS && !(flags & SA_RESTART))) {
        r[REG_RAX] = -EINTR;
        r[REG_RIP] += 2;
    }
}

/* What a signal interrupts is the application's from here on: a call of which it has seen the
 * end, or has been told by the handler that it goes on, is not made again for crmpi's sake.  The
 * mark is a register that no call keeps. */
static void context_interrupt(greg_t *r, uint64_t flags)
{
    if ((uint64_t)r[REG_RIP] == crmpi_control->transfer_entry) {
        ((struct crmpi_transfer *)r[REG_RSP])->is_over = 1;
        return;
    }
    if (crmpi_is_before_call_again(r[REG_RIP], r[REG_RCX], r[REG_R11], r[REG_EFL])) {
        if ((uint64_t)r[REG_RIP] + 2 == crmpi_control->transfer_behind) {
            ((struct crmpi_transfer *)r[REG_RBX])->is_over = 1;
            flags &= ~(uint64_t)SA_RESTART; /* a part has been done */
        }
        call_interrupt(r, flags);
    } else if (r[REG_RIP] == CRMPI_GATE_ADDR) {
        /* it has been trapped and is about to wait, perhaps for a date that a restart during the
         * handler makes another one: as if it had begun */
        call_interrupt(r, SA_RESTART);
    } else if (!crmpi_is_behind_call(r[REG_RIP], r[REG_RCX], r[REG_R11], r[REG_EFL])) {
        return;
    } else if ((uint64_t)r[REG_RIP] == crmpi_control->transfer_behind) {
        ((struct crmpi_transfer *)r[REG_RBX])->is_over = 1;
    }
    r[REG_RCX] = 0;
}

/* Signals of this process are from the one that the application knows. */
static void info_correct(siginfo_t *info)
{
    if ((info->si_code == SI_USER || info->si_code == SI_TKILL) &&
        info->si_pid == (int)crmpi_control->pid)
        info->si_pid = crmpi_control->known_pid;
}

void crmpi_signal_entry(int signal, void *info, void *data)
{
    ucontext_t *context = data;
    struct crmpi_sigaction *action = &crmpi_control->sigactions[signal];
    void (*handler)(int, void *, void *) = (void (*)(int, void *, void *))action->handler;
    uint64_t fs = __builtin_ia32_rdfsbase64();

    if ((uintptr_t)handler <= (uintptr_t)SIG_IGN)
        return;
    info_correct(info);
    context_interrupt(context->uc_mcontext.gregs, action->flags);
    if (action->flags & SA_RESETHAND)
        action->handler = SIG_DFL;
    if (crmpi_is_upper(fs)) {
        handler(signal, info, context);
        return;
    }
    struct crmpi_thread *thread =
        *(struct crmpi_thread **)(fs + crmpi_control->lower_self_offset);
    if (!thread)
        return; /* a thread of the lower half itself: not the application's business */
    thread->nest++;
    __builtin_ia32_wrfsbase64(thread->upper_fs);
    handler(signal, info, context);
    __builtin_ia32_wrfsbase64(fs);
    thread->nest--;
}
