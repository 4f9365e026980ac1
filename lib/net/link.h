/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A connection of the control tree: whole messages over a TCP socket.  Neither direction
 * blocks, so that two ranks with much to say never wait for each other.  Lower half; not
 * thread safe.
 */
#ifndef CRMPI_NET_LINK_H
#define CRMPI_NET_LINK_H

#include <stdint.h>
#include <stddef.h>
#include "base/status.h"
#include "net/route.h"

/* Bytes that wait: from `taken` to `filled`. */
struct crmpi_buffer {
    unsigned char *bytes;
    size_t taken, filled, capacity;
};

struct crmpi_link {
    int fd; /* -1: closed */
    uint32_t world_rank;
    int ended;                   /* the other side has closed it: nothing more comes */
    struct crmpi_buffer in, out; /* not yet looked at; not yet sent */
};

/** Take over the connected socket @p fd to rank @p world_rank. */
void crmpi_link_init(struct crmpi_link *link, int fd, uint32_t world_rank);
void crmpi_link_fini(struct crmpi_link *link);

/** Send a message of two parts, which together have envelope->bytes; what the socket does
 * not take now is sent by crmpi_link_flush(). */
enum crmpi_status crmpi_link_send(struct crmpi_link *link,
                                  const struct crmpi_envelope *envelope, const void *head,
                                  size_t head_bytes, const void *body, size_t body_bytes);

/** Send what waits, as far as the socket takes it; CRMPI_ERR_IO: the connection has
 * ended. */
enum crmpi_status crmpi_link_flush(struct crmpi_link *link);
/** Tell whether there is something to flush when the socket can be written. */
int crmpi_link_waits(const struct crmpi_link *link);
/** Send all that waits, within a limit, and say that nothing more comes. */
void crmpi_link_finish(struct crmpi_link *link, int limit_ms);
/** Wait until the other side has said so, too, within a limit: a connection that is
 * closed before takes along what the other side has not read yet. */
void crmpi_link_await_end(struct crmpi_link *link, int limit_ms);

/** Read what has arrived, without blocking; CRMPI_ERR_IO: the connection has ended. */
enum crmpi_status crmpi_link_receive(struct crmpi_link *link);

/**
 * Take the next whole message.
 * @param self, n_ranks  of the receiver, to see whether it makes sense
 * @param[out] bytes_out  envelope->bytes, valid until the next call for this link
 * @return 1, or 0 if there is none, or -1 if what has arrived makes no sense
 */
int crmpi_link_next(struct crmpi_link *link, uint32_t self, uint32_t n_ranks,
                    struct crmpi_envelope *envelope_out, const void **bytes_out);

#endif
