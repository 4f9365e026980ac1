/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A connection of the control tree: whole messages over a TCP socket.  Lower half; not
 * thread safe.
 */
#ifndef CRMPI_ENGINE_LINK_H
#define CRMPI_ENGINE_LINK_H

#include <stdint.h>
#include <stddef.h>
#include "base/status.h"
#include "policy/policy.h"

struct crmpi_link {
    int fd; /* -1: closed */
    uint32_t world_rank;
    unsigned char *bytes; /* received: from `taken` to `filled` not yet looked at */
    size_t taken, filled, capacity;
};

/** Take over the connected socket @p fd to rank @p world_rank. */
void crmpi_link_init(struct crmpi_link *link, int fd, uint32_t world_rank);
void crmpi_link_fini(struct crmpi_link *link);

/** Send a message; blocks if the peer does not read. */
enum crmpi_status crmpi_link_send(struct crmpi_link *link,
                                  const struct crmpi_message *message,
                                  const void *payload, size_t payload_bytes);

/** Read what has arrived, without blocking; CRMPI_ERR_IO: the connection has ended. */
enum crmpi_status crmpi_link_receive(struct crmpi_link *link);

/**
 * Take the next whole message.
 * @param[out] payload_out  valid until the next call for this link
 * @return 1, or 0 if there is none, or -1 if what has arrived makes no sense
 */
int crmpi_link_next(struct crmpi_link *link, struct crmpi_message *message_out,
                    const void **payload_out, size_t *payload_bytes_out);

#endif
