/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * System calls that a parking signal has cut short although nobody asked them to end: they are
 * begun again, or go on with what is left, so that a checkpoint changes nothing.  Lower half.
 *
 * The kernel begins many by itself; of calls at the gate it is known which they are.  Of the
 * others, which return EINTR or have transferred only a part, the kernel tells it while a
 * thread waits in one: in /proc/self/task/ID/syscall, which is read before the signal is sent.
 */
#ifndef CRMPI_THREADS_INTERRUPTED_H
#define CRMPI_THREADS_INTERRUPTED_H

#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

/* What a thread does, as the kernel tells. */
struct crmpi_look {
    int32_t tid;              /* 0: not noted */
    int32_t waits;            /* 0: it runs, or has ended */
    int32_t is_told, padding; /* 0: the kernel does not tell */
    int64_t number;           /* of the call it waits in; -1: in none, as for a page */
    uint64_t arguments[6];
    uint64_t stack, address;
    int64_t
        runs_since_ns; /* it was first seen to run when it had had so much CPU time; -1: it
                              was not */
    int64_t seen_ns;   /* when that was */
};

/** Look at a thread; `waits` is 0 where it is not told. */
void crmpi_look_at(int tid, struct crmpi_look *look_out);

/**
 * Note what a thread that is to be signalled was seen to do.
 * @param looks  one for each thread, zero at first; handlers read them meanwhile
 * @return 1 if the signal may come now; 0 if it may be in a call of which it is not known yet
 *         which it is: look again
 */
int crmpi_look_note(struct crmpi_look *looks, size_t n_looks,
                    const struct crmpi_look *now);

/**
 * In the handler of a signal of crmpi's: correct the registers of the application that it
 * interrupted.  Signal safe, any TLS base.
 * @param looks  what has been noted of threads before they got the signal
 */
void crmpi_interrupted(greg_t *r, const struct crmpi_look *looks, size_t n_looks);

#endif
