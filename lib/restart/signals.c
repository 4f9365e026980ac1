/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Signals and timers again (see signals.h).  Lower half.
 */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/log.h"
#include "boundary/control.h"
#include "capture/signals.h"
#include "lower/raw.h"
#include "restart/signals.h"

#ifndef PR_TIMER_CREATE_RESTORE_IDS /* Linux 6.15: timer_create() takes the id from us */
#define PR_TIMER_CREATE_RESTORE_IDS 77
#endif
#define IDS_MAX 1000000 /* tried one after the other where there is no such thing */
#define SECOND 1000000000ll

static struct {
    const struct crmpi_signals *head;
    const struct crmpi_queued *queued;
    const struct crmpi_timer *timers;
} saved;

enum crmpi_status crmpi_signals_open(const void *record, size_t bytes)
{
    const struct crmpi_signals *head = record;

    if (bytes < sizeof *head || bytes != sizeof *head +
                                             head->n_queued * sizeof *saved.queued +
                                             head->n_timers * sizeof *saved.timers) {
        crmpi_error("the checkpoint's list of signals and timers is damaged");
        return CRMPI_ERR_CORRUPT;
    }
    saved.head = head;
    saved.queued = (const struct crmpi_queued *)(head + 1);
    saved.timers = (const struct crmpi_timer *)(saved.queued + head->n_queued);
    return CRMPI_OK;
}

/* ---- signals ---- */

int crmpi_signal_is_welcome(const struct crmpi_parked *parked, int signal)
{
    const ucontext_t *context = (const ucontext_t *)parked->context;
    uint64_t mask = parked->state == CRMPI_THREAD_PARKED_ABOVE
                        ? *(const uint64_t *)&context->uc_sigmask
                        : parked->signal_mask;

    return mask >> (signal - 1) & 1 ||
           (uintptr_t)crmpi_control->sigactions[signal].handler > (uintptr_t)SIG_IGN;
}

/* What this process sent itself is from the process that the program knows. */
static void pid_renew(struct crmpi_queued *queued)
{
    siginfo_t *info = (siginfo_t *)queued->info;

    if (info->si_code <= 0 && info->si_code != SI_TIMER && info->si_code != SI_SIGIO &&
        info->si_pid == saved.head->pid)
        info->si_pid = crmpi_control->known_pid;
}

void crmpi_signals_queue(const struct crmpi_parked *parked)
{
    for (uint32_t i = 0; saved.head && i < saved.head->n_queued; i++) {
        struct crmpi_queued queued;
        const unsigned char *from = (const unsigned char *)&saved.queued[i];

        if (saved.queued[i].known_tid != parked->known_tid &&
            (saved.queued[i].known_tid != 0 || !parked->is_main))
            continue;
        for (size_t k = 0; k < sizeof queued; k++)
            ((volatile unsigned char *)&queued)[k] = from[k];
        if (queued.signal < 1 || queued.signal > 64 ||
            !crmpi_signal_is_welcome(parked, queued.signal))
            continue;
        pid_renew(&queued);
        crmpi_queue_send(&queued);
    }
}

/* ---- timers ---- */

/* The kernel's id of a thread that has been made, or the same if there is no such one. */
static int kernel_tid(const struct crmpi_parked *threads, size_t n, int known_tid)
{
    for (size_t i = 0; i < n; i++)
        if (threads[i].known_tid == known_tid)
            return threads[i].is_main ? getpid() : threads[i].kernel_tid;
    return known_tid;
}

static int create(struct sigevent *event, int clock, int id, int takes_id)
{
    for (int i = 0; i < IDS_MAX; i++) {
        int made = id;

        if (syscall(SYS_timer_create, clock, event, &made) != 0)
            return -1;
        if (made == id)
            return 0;
        syscall(SYS_timer_delete, made);
        if (takes_id || made > id)
            break;
    }
    errno = EBUSY;
    return -1;
}

/* By date where the clock tells it, else what was left; one that was due is at once. */
static int set(const struct crmpi_timer *timer)
{
    int64_t left = timer->left_ns;
    struct itimerspec times = {
        .it_interval = {timer->interval_ns / SECOND, timer->interval_ns % SECOND}};
    struct timespec now;
    int clock = timer->clock == CLOCK_REALTIME_ALARM ? CLOCK_REALTIME : timer->clock;

    if (left == 0)
        return 0;
    if (timer->date_ns && clock_gettime(clock, &now) == 0)
        left = timer->date_ns - now.tv_sec * SECOND - now.tv_nsec;
    left = left > 0 ? left : 1;
    times.it_value = (struct timespec){left / SECOND, left % SECOND};
    return (int)syscall(SYS_timer_settime, timer->id, 0, &times, NULL);
}

void crmpi_timers_restore(const struct crmpi_parked *threads, size_t n_threads)
{
    int takes_id = saved.head && saved.head->n_timers &&
                   !crmpi_fault("kernel.timer_id") &&
                   prctl(PR_TIMER_CREATE_RESTORE_IDS, 1, 0, 0, 0) == 0;

    for (uint32_t i = 0; saved.head && i < saved.head->n_timers; i++) {
        const struct crmpi_timer *timer = &saved.timers[i];
        struct sigevent event = {.sigev_notify = timer->notify,
                                 .sigev_signo = timer->signal,
                                 .sigev_value.sival_ptr = (void *)timer->value};
        int clock = timer->clock;

        if (timer->known_tid)
            event._sigev_un._tid = kernel_tid(threads, n_threads, timer->known_tid);
        if (timer->of_known_tid)
            clock = (int)(~(unsigned)kernel_tid(threads, n_threads, timer->of_known_tid)
                              << 3 |
                          ((unsigned)clock & 7));
        if (create(&event, clock, timer->id, takes_id) != 0 || set(timer) != 0)
            crmpi_warn("the POSIX timer %d is not there again: %s", timer->id,
                       strerror(errno));
    }
    if (takes_id)
        prctl(PR_TIMER_CREATE_RESTORE_IDS, 0, 0, 0, 0);
}
