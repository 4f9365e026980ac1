/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Queued signals and POSIX timers (see signals.h).  Lower half, with all threads parked.
 *
 * Timers go on while the threads stand still.  So they are read when no signal is pending,
 * and that is looked at again afterwards: each expiry is then either in the timer or among
 * the signals.  One that expires faster than that is periodic, and what it does meanwhile is
 * not missed.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "capture/signals.h"
#include "threads/ids.h"

#define ROUNDS 10
#define SECOND 1000000000ll
#define THREAD_CLOCK                                                                     \
    3 /* CLOCK_THREAD_CPUTIME_ID: of the thread that has made the timer */

static struct {
    struct crmpi_timer *list;
    size_t n, room;
} timers;

/* ---- timers ---- */

static int64_t ns_of(const struct timespec *time)
{
    return time->tv_sec * SECOND + time->tv_nsec;
}

static int tells_date(int clock)
{
    return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_ALARM || clock == CLOCK_TAI;
}

static void timer_times(struct crmpi_timer *timer)
{
    struct itimerspec times = {0};
    struct timespec now;

    if (syscall(SYS_timer_gettime, timer->id, &times) != 0)
        return;
    timer->left_ns = ns_of(&times.it_value);
    timer->interval_ns = ns_of(&times.it_interval);
    if (timer->left_ns && tells_date(timer->clock) &&
        clock_gettime(timer->clock == CLOCK_REALTIME_ALARM ? CLOCK_REALTIME
                                                           : timer->clock,
                      &now) == 0)
        timer->date_ns = ns_of(&now) + timer->left_ns;
}

static enum crmpi_status timer_add(const struct crmpi_timer *timer)
{
    if (timers.n == timers.room) {
        size_t room = timers.room ? 2 * timers.room : 16;
        struct crmpi_timer *more = realloc(timers.list, room * sizeof *more);

        if (!more)
            return CRMPI_ERR_NOMEM;
        timers.list = more;
        timers.room = room;
    }
    timers.list[timers.n++] = *timer;
    return CRMPI_OK;
}

/* One timer of /proc/self/timers; 0: there is none left. */
static int timer_read(FILE *file, struct crmpi_timer *timer)
{
    char how[16] = "", whom[8] = "";
    unsigned long long value;
    int tid;

    *timer = (struct crmpi_timer){0};
    if (fscanf(file, " ID: %d signal: %d/%llx notify: %15[^/]/%7[^.].%d ClockID: %d",
               &timer->id, &timer->signal, &value, how, whom, &tid, &timer->clock) != 7)
        return 0;
    timer->value = value;
    timer->notify = strcmp(how, "none") == 0     ? SIGEV_NONE
                    : strcmp(how, "thread") == 0 ? SIGEV_THREAD
                                                 : SIGEV_SIGNAL;
    if (strcmp(whom, "tid") == 0) {
        timer->notify |= SIGEV_THREAD_ID;
        timer->known_tid = crmpi_ids_known(tid);
    }
    if (timer->clock < 0) /* ~tid << 3, and which of its clocks */
        timer->of_known_tid = crmpi_ids_known(~(timer->clock >> 3));
    return 1;
}

static int timers_compare(const void *a, const void *b)
{
    const struct crmpi_timer *x = a, *y = b;

    return (x->id > y->id) - (x->id < y->id);
}

/* In the order of their ids: kernels that give those themselves give them in that order. */
static enum crmpi_status timers_read(void)
{
    FILE *file = fopen("/proc/self/timers", "re");
    enum crmpi_status status = CRMPI_OK;
    struct crmpi_timer timer;

    timers.n = 0;
    while (file && status == CRMPI_OK && timer_read(file, &timer)) {
        timer_times(&timer);
        status = timer_add(&timer);
    }
    if (file)
        fclose(file);
    if (timers.n > 0)
        qsort(timers.list, timers.n, sizeof *timers.list, timers_compare);
    return status;
}

int crmpi_signals_refusal(char *why, size_t why_bytes)
{
    size_t n;

    crmpi_parked_list(&n);
    if (timers_read() != CRMPI_OK) {
        snprintf(why, why_bytes, "no memory to look at timers");
        return 1;
    }
    for (size_t i = 0; i < timers.n; i++)
        if (n > 1 && timers.list[i].clock == THREAD_CLOCK) {
            snprintf(
                why, why_bytes,
                "the POSIX timer %d is of a thread's CPU time, and the kernel does not "
                "tell which thread's (CLOCK_THREAD_CPUTIME_ID)",
                timers.list[i].id);
            return 1;
        }
    return 0;
}

/* ---- signals ---- */

static uint64_t pending(int tid, const char *whose)
{
    char path[64], line[4096], format[16];
    unsigned long mask = 0;
    FILE *status;

    snprintf(path, sizeof path, "/proc/self/task/%d/status", tid);
    snprintf(format, sizeof format, "%s: %%lx", whose);
    if (!(status = fopen(path, "re")))
        return 0;
    while (fgets(line, sizeof line, status))
        if (sscanf(line, format, &mask) == 1)
            break;
    fclose(status);
    return mask & crmpi_queue_signals();
}

uint64_t crmpi_signals_left(int tid, const char *whose)
{
    uint64_t mask = pending(tid, whose);

    for (size_t i = 0; i < timers.n; i++)
        if (timers.list[i].signal > 0)
            mask &= ~(1ul << (timers.list[i].signal - 1));
    return mask;
}

static int is_any_pending(void)
{
    size_t n;
    const struct crmpi_parked *parked = crmpi_parked_list(&n);

    for (size_t i = 0; i < n; i++)
        if (pending(parked[i].kernel_tid, "SigPnd"))
            return 1;
    return pending(getpid(), "ShdPnd") != 0;
}

static enum crmpi_status collect(void)
{
    enum crmpi_status status = timers_read();

    for (int i = 0; i < ROUNDS && status == CRMPI_OK && is_any_pending(); i++) {
        if (!crmpi_parked_take_signals()) {
            crmpi_error("a thread that is stopped does not give its queued signals");
            return CRMPI_ERR_TIMEOUT;
        }
        status = timers_read();
    }
    return status;
}

static const struct crmpi_queue *queue_of(const struct crmpi_parked *parked)
{
    return (const struct crmpi_queue *)parked->queue;
}

enum crmpi_status crmpi_signals_save(struct crmpi_writer *writer)
{
    enum crmpi_status status = collect();
    struct crmpi_signals head = {.pid = getpid()};
    size_t n, n_parked, bytes;
    const struct crmpi_parked *parked = crmpi_parked_list(&n_parked);
    char *record, *at;

    if (status != CRMPI_OK)
        return status;
    for (size_t i = 0; i < n_parked; i++)
        head.n_queued += queue_of(&parked[i]) ? (uint32_t)queue_of(&parked[i])->n : 0;
    head.n_timers = (uint32_t)timers.n;
    bytes = sizeof head + head.n_queued * sizeof(struct crmpi_queued) +
            timers.n * sizeof *timers.list;
    record = at = malloc(bytes);
    if (!record)
        return CRMPI_ERR_NOMEM;
    at = mempcpy(at, &head, sizeof head);
    for (size_t i = 0; i < n_parked; i++)
        if (queue_of(&parked[i])) {
            n = (size_t)queue_of(&parked[i])->n;
            at =
                mempcpy(at, queue_of(&parked[i])->items, n * sizeof(struct crmpi_queued));
        }
    if (timers.n)
        memcpy(at, timers.list, timers.n * sizeof *timers.list);
    status = crmpi_writer_record(writer, CRMPI_RECORD_SIGNALS, record, bytes);
    free(record);
    return status;
}
