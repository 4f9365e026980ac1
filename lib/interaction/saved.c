/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The queue of saved messages (see saved.h).  Runs in the lower half, on memory of the
 * upper heap.
 *
 * Messages are only added while all application threads are parked, so a thread that
 * found none cannot miss one before it parks the next time.
 */
#include <sched.h>

#include "boundary/heap.h"
#include "interaction/saved.h"

static void queue_lock(struct crmpi_saved_queue *queue)
{
    while (__atomic_exchange_n(&queue->lock, 1, __ATOMIC_ACQUIRE))
        sched_yield();
}

static void queue_unlock(struct crmpi_saved_queue *queue)
{
    __atomic_store_n(&queue->lock, 0, __ATOMIC_RELEASE);
}

struct crmpi_saved_message *crmpi_saved_create(uint64_t comm_id, int source, int tag,
                                               uint64_t bytes)
{
    struct crmpi_saved_message *message = crmpi_heap_alloc(sizeof *message);

    if (message) {
        message->comm_id = comm_id;
        message->source = source;
        message->tag = tag;
        message->bytes = bytes;
    }
    return message;
}

int crmpi_saved_make_room(struct crmpi_saved_message *message)
{
    if (message->bytes <= SIZE_MAX / 2)
        message->data = crmpi_heap_alloc(message->bytes + 1);
    return message->data != NULL;
}

void crmpi_saved_destroy(struct crmpi_saved_message *message)
{
    if (message)
        crmpi_heap_free(message->data);
    crmpi_heap_free(message);
}

/* With the lock held: link @p message in behind @p before, or as the first. */
static void link_behind(struct crmpi_saved_queue *queue,
                        struct crmpi_saved_message *message,
                        struct crmpi_saved_message *before)
{
    struct crmpi_saved_message **from = before ? &before->next : &queue->first;

    message->prev = before;
    message->next = *from;
    *from = message;
    if (message->next)
        message->next->prev = message;
    else
        queue->last = message;
    __atomic_store_n(&queue->n, queue->n + 1, __ATOMIC_RELAXED);
}

static void unlink_message(struct crmpi_saved_queue *queue,
                           struct crmpi_saved_message *message)
{
    if (message->prev)
        message->prev->next = message->next;
    else
        queue->first = message->next;
    if (message->next)
        message->next->prev = message->prev;
    else
        queue->last = message->prev;
    __atomic_store_n(&queue->n, queue->n - 1, __ATOMIC_RELAXED);
}

static struct crmpi_saved_message *find(const struct crmpi_saved_queue *queue,
                                        uint64_t comm_id, int source, int tag)
{
    struct crmpi_saved_message *message = queue->first;

    while (message && !(message->comm_id == comm_id &&
                        (source == CRMPI_SAVED_ANY || message->source == source) &&
                        (tag == CRMPI_SAVED_ANY || message->tag == tag)))
        message = message->next;
    return message;
}

void crmpi_saved_append(struct crmpi_saved_queue *queue,
                        struct crmpi_saved_message *message)
{
    queue_lock(queue);
    message->arrival = queue->arrivals++;
    link_behind(queue, message, queue->last);
    queue_unlock(queue);
}

struct crmpi_saved_message *crmpi_saved_take(struct crmpi_saved_queue *queue,
                                             uint64_t comm_id, int source, int tag)
{
    queue_lock(queue);
    struct crmpi_saved_message *message = find(queue, comm_id, source, tag);
    if (message)
        unlink_message(queue, message);
    queue_unlock(queue);
    return message;
}

int crmpi_saved_count(struct crmpi_saved_queue *queue,
                      const struct crmpi_saved_message *stream,
                      int (*counts)(const struct crmpi_saved_message *))
{
    int n = 0;

    queue_lock(queue);
    for (const struct crmpi_saved_message *m = queue->first; m; m = m->next)
        n += m->comm_id == stream->comm_id && m->source == stream->source &&
             m->tag == stream->tag && counts(m);
    queue_unlock(queue);
    return n;
}

void crmpi_saved_return(struct crmpi_saved_queue *queue,
                        struct crmpi_saved_message *message)
{
    queue_lock(queue);
    struct crmpi_saved_message *before = queue->last;
    while (before && before->arrival > message->arrival)
        before = before->prev;
    link_behind(queue, message, before);
    queue_unlock(queue);
}

int crmpi_saved_peek(struct crmpi_saved_queue *queue, uint64_t comm_id, int source,
                     int tag, struct crmpi_saved_message *envelope_out)
{
    queue_lock(queue);
    const struct crmpi_saved_message *message = find(queue, comm_id, source, tag);
    if (message)
        *envelope_out = *message;
    queue_unlock(queue);
    return message != NULL;
}

void crmpi_saved_drop(struct crmpi_saved_queue *queue, uint64_t comm_id)
{
    struct crmpi_saved_message *message;

    while (!crmpi_saved_is_empty(queue) &&
           (message = crmpi_saved_take(queue, comm_id, CRMPI_SAVED_ANY, CRMPI_SAVED_ANY)))
        crmpi_saved_destroy(message);
}
