/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages that have been taken out of the MPI library's queue and not been received yet:
 * by a drain, because no receive was waiting for them, or by a probe of the application
 * that matched them.  They are the state of the channels at the cut.  They lie in the
 * upper heap; receives and probes look here before they ask the library.  Lower half; no
 * MPI.
 *
 * A message is
 *   held      the library has matched it, and has its data, or its sender still has:
 *             `real`, no `data`.  Its send is not complete if it is synchronous
 *   arriving  being received into `data`: `request` is the library's
 *   saved     `data` has it
 * At a cut each is saved, but for synchronous ones: these stay held, and after a restart
 * are sent again, as nobody has begun to receive them.
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
    int32_t peer;    /* its world rank */
    uint64_t bytes;
    uint64_t order;  /* of a probe that has matched it: among the posting of receives */
    uint64_t later;  /* so many of its stream were matched after that */
    uint64_t serial; /* it is synchronous: its sender's number of it; 0: it is not, or that
                        is not known yet */
    void *real;      /* the library's message; of this process only */
    void *request;   /* likewise */
    unsigned char *data; /* as the MPI library packs it */
};

/* In order of arrival, which for messages of one source on one communicator is the order
 * in which they were sent. */
struct crmpi_saved_queue {
    struct crmpi_saved_message *first, *last;
    uint64_t n;
    uint64_t arrivals;
    int32_t lock;
};

static inline int crmpi_saved_is_held(const struct crmpi_saved_message *message)
{
    return message->data == NULL;
}

/** Tell without a lock whether there is nothing: nearly always so. */
static inline int crmpi_saved_is_empty(const struct crmpi_saved_queue *queue)
{
    return __atomic_load_n(&queue->n, __ATOMIC_RELAXED) == 0;
}

/** A message of @p bytes, held, in no queue; NULL if there is no memory. */
struct crmpi_saved_message *crmpi_saved_create(uint64_t comm_id, int source, int tag,
                                               uint64_t bytes);
/** Make room for its data; 0: there is no memory. */
int crmpi_saved_make_room(struct crmpi_saved_message *message);
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

/** How many of a message's stream are in the queue that count.  Thread safe. */
int crmpi_saved_count(struct crmpi_saved_queue *queue,
                      const struct crmpi_saved_message *stream,
                      int (*counts)(const struct crmpi_saved_message *));

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
