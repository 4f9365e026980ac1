/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Signals that are queued for parked threads: the kernel tells only which are pending, not
 * how many of them, nor with what values.  So each parked thread takes its own out, when it
 * is asked to, and puts them back before it goes on; the first thread does so with those of
 * the process, too.  Lower half; what runs in the threads uses no libc, on any TLS base.
 */
#ifndef CRMPI_THREADS_QUEUE_H
#define CRMPI_THREADS_QUEUE_H

#include <stdint.h>

#define CRMPI_SIGINFO_BYTES 128

struct crmpi_queued {
    int32_t known_tid; /* of the thread; 0: of the process */
    int32_t signal;
    unsigned char info[CRMPI_SIGINFO_BYTES]; /* the kernel's siginfo */
};

/* What a thread has taken out. */
struct crmpi_queue {
    struct crmpi_queued *items; /* of the lower half; NULL: nothing yet */
    int32_t n, room;
};

/** The signals that are looked at: all but those that crmpi has for itself. */
uint64_t crmpi_queue_signals(void);

/** Take the calling thread's signals out, which blocks all of them. */
void crmpi_queue_take(struct crmpi_queue *queue, int32_t known_tid, int is_first);

/** Put them back, behind none that has come meanwhile. */
void crmpi_queue_give(struct crmpi_queue *queue, int32_t known_tid, int is_first);

/** Send one to the calling thread, or, if it is of the process, from the first thread. */
void crmpi_queue_send(const struct crmpi_queued *queued);

#endif
