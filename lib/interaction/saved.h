/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Saved messages: those that a drain took out of the MPI library, because no receive was
 * waiting for them.  They are the state of the channels at the cut.  They lie in the
 * upper heap; receives and probes look here before they ask the library.  Lower half; no
 * MPI.
 */
#ifndef CRMPI_INTERACTION_SAVED_H
#define CRMPI_INTERACTION_SAVED_H

#include <stdint.h>
#include <stddef.h>

#define CRMPI_SAVED_ANY (-1) /* any source, any tag */

struct crmpi_saved_message {
    struct crmpi_saved_message *next, *prev;
    uint64_t arrival; /* their order */
    uint64_t comm_id;
    int32_t source,
        tag; /* source: its rank in the communicator, or in the remote group */
    uint64_t bytes;
    unsigned char data[]; /* as the MPI library packs it */
};

/* In order of arrival, which for messages of one source on one communicator is the order
 * in which they were sent. */
struct crmpi_saved_queue {
    struct crmpi_saved_message *first, *last;
    uint64_t n;
    uint64_t arrivals;
    int32_t lock;
};

/** Tell without a lock whether there is nothing: nearly always so. */
static inline int crmpi_saved_is_empty(const struct crmpi_saved_queue *queue)
{
    return __atomic_load_n(&queue->n, __ATOMIC_RELAXED) == 0;
}

/** A message with room for @p bytes, in no queue; NULL if there is no memory. */
struct crmpi_saved_message *crmpi_saved_create(uint64_t comm_id, int source, int tag,
                                               uint64_t bytes);
void crmpi_saved_destroy(struct crmpi_saved_message *message);

/** Add a message that has just arrived. */
void crmpi_saved_append(struct crmpi_saved_queue *queue,
                        struct crmpi_saved_message *message);

/**
 * Take the first message that a receive with these arguments matches out of the queue;
 * NULL if there is none.  The caller owns it.  Thread safe.
 */
struct crmpi_saved_message *crmpi_saved_take(struct crmpi_saved_queue *queue,
                                             uint64_t comm_id, int source, int tag);

/** Put a message that was taken back to its place. */
void crmpi_saved_return(struct crmpi_saved_queue *queue,
                        struct crmpi_saved_message *message);

/**
 * Describe the first message that matches, leaving it where it is.
 * @param[out] envelope_out  a copy of it but for the data
 * @return 1 if there is one
 */
int crmpi_saved_peek(struct crmpi_saved_queue *queue, uint64_t comm_id, int source,
                     int tag, struct crmpi_saved_message *envelope_out);

/** Drop what nobody can receive any more: the communicator is gone. */
void crmpi_saved_drop(struct crmpi_saved_queue *queue, uint64_t comm_id);

#endif
