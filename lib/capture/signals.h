/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Queued signals, with their values, and POSIX timers: record /task/signals.  They belong
 * together, since a timer that has expired is a signal.  Lower half.
 */
#ifndef CRMPI_CAPTURE_SIGNALS_H
#define CRMPI_CAPTURE_SIGNALS_H

#include "storage/container.h"
#include "threads/park.h"
#include "threads/queue.h"

#define CRMPI_RECORD_SIGNALS "/task/signals"

struct crmpi_timer {
    int32_t id, signal;
    int32_t notify; /* SIGEV_* */
    int32_t clock;
    int32_t known_tid;    /* SIGEV_THREAD_ID: whom */
    int32_t of_known_tid; /* a CPU-time clock: whose; 0: it is none, or the caller's */
    uint64_t value;       /* sigev_value */
    int64_t left_ns, interval_ns; /* 0: not armed; not repeated */
    int64_t date_ns; /* when it expires, of clocks that tell the date; 0: others */
};

struct crmpi_signals {
    uint32_t n_queued, n_timers; /* behind this, in this order */
    int32_t pid;                 /* of the process, in the siginfo of its own signals */
    int32_t padding;
};

/** Name a timer that cannot be made again. */
int crmpi_signals_refusal(char *why, size_t why_bytes);

/** Take the queued signals out of all parked threads, and save them with the timers. */
enum crmpi_status crmpi_signals_save(struct crmpi_writer *writer);

/** The pending ones, of those that are saved otherwise, that are no timer's.
 * @param whose  SigPnd or ShdPnd */
uint64_t crmpi_signals_left(int tid, const char *whose);

#endif
