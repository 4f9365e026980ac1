/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The sender's log: copies of messages it has sent since the last checkpoint at which all
 * channels were empty.  Where ranks take checkpoints each at its own time, a message may
 * have left before the checkpoint of its sender and not arrived before that of its
 * receiver; after a restart from these it is sent again.  In the upper heap, so the log is
 * saved with the rank.  Lower half; no MPI; the caller sees to locking.
 */
#ifndef CRMPI_INTERACTION_LOG_H
#define CRMPI_INTERACTION_LOG_H

#include <stdint.h>

struct crmpi_logged {
    struct crmpi_logged *next, *prev;
    uint64_t comm;
    int32_t dest; /* rank in the communicator, or in the remote group */
    int32_t peer; /* its world rank */
    int32_t tag;
    int32_t in_use; /* it is being sent again */
    uint64_t number; /* in its stream, from 1 */
    uint64_t bytes;
    unsigned char data[]; /* as the MPI library packs it */
};

/* In the order of sending. */
struct crmpi_log {
    struct crmpi_logged *first, *last;
    uint64_t bytes; /* of all data */
};

/** A message with room for @p bytes of data, in no log; NULL if there is no memory. */
struct crmpi_logged *crmpi_logged_create(uint64_t bytes);
void crmpi_logged_destroy(struct crmpi_logged *logged);

void crmpi_log_append(struct crmpi_log *log, struct crmpi_logged *logged);
/** Take it out and destroy it. */
void crmpi_log_remove(struct crmpi_log *log, struct crmpi_logged *logged);
void crmpi_log_clear(struct crmpi_log *log);

#endif
