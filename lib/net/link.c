/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages over the TCP connections of the control tree.  Lower half.  All ranks are of
 * one architecture, so a message travels as it lies in memory.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include "net/link.h"

#define READ_BYTES ((size_t)65536)
#define PARTS 3 /* of a message: envelope, head, body */

void crmpi_link_init(struct crmpi_link *link, int fd, uint32_t world_rank)
{
    *link = (struct crmpi_link){.fd = fd, .world_rank = world_rank};
}

void crmpi_link_fini(struct crmpi_link *link)
{
    if (link->fd >= 0)
        close(link->fd);
    free(link->in.bytes);
    free(link->out.bytes);
    *link = (struct crmpi_link){.fd = -1};
}

/* Make room for @p bytes more at the end. */
static enum crmpi_status make_room(struct crmpi_buffer *buffer, size_t bytes)
{
    size_t waiting = buffer->filled - buffer->taken;
    size_t capacity = buffer->capacity ? buffer->capacity : READ_BYTES;
    unsigned char *moved;

    if (buffer->capacity - buffer->filled >= bytes)
        return CRMPI_OK;
    if (buffer->taken > 0) {
        memmove(buffer->bytes, buffer->bytes + buffer->taken, waiting);
        buffer->taken = 0;
        buffer->filled = waiting;
    }
    while (capacity - waiting < bytes)
        capacity *= 2;
    if (capacity == buffer->capacity)
        return CRMPI_OK;
    moved = realloc(buffer->bytes, capacity);
    if (moved == NULL)
        return CRMPI_ERR_NOMEM;
    buffer->bytes = moved;
    buffer->capacity = capacity;
    return CRMPI_OK;
}

static enum crmpi_status append(struct crmpi_buffer *buffer, const void *bytes, size_t n)
{
    enum crmpi_status status = make_room(buffer, n);

    if (status == CRMPI_OK && n > 0)
        memcpy(buffer->bytes + buffer->filled, bytes, n);
    buffer->filled += status == CRMPI_OK ? n : 0;
    return status;
}

/* Returns how much the socket has taken, or -1. */
static ssize_t send_some(int fd, struct iovec *parts, size_t n)
{
    struct msghdr header = {.msg_iov = parts, .msg_iovlen = n};
    ssize_t sent;

    do
        sent = sendmsg(fd, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    return sent < 0 && errno == EAGAIN ? 0 : sent;
}

enum crmpi_status crmpi_link_send(struct crmpi_link *link,
                                  const struct crmpi_envelope *envelope, const void *head,
                                  size_t head_bytes, const void *body, size_t body_bytes)
{
    struct iovec parts[PARTS] = {
        {.iov_base = (void *)envelope, .iov_len = sizeof *envelope},
        {.iov_base = (void *)head, .iov_len = head_bytes},
        {.iov_base = (void *)body, .iov_len = body_bytes},
    };
    enum crmpi_status status = CRMPI_OK;
    ssize_t sent = 0;

    if (link->fd < 0)
        return CRMPI_ERR_IO;
    if (!crmpi_link_waits(link))
        sent = send_some(link->fd, parts, PARTS);
    if (sent < 0)
        return CRMPI_ERR_IO;
    for (size_t i = 0, skip = (size_t)sent; i < PARTS && status == CRMPI_OK; i++) {
        size_t done = skip < parts[i].iov_len ? skip : parts[i].iov_len;
        skip -= done;
        status =
            append(&link->out, (char *)parts[i].iov_base + done, parts[i].iov_len - done);
    }
    return status;
}

int crmpi_link_waits(const struct crmpi_link *link)
{
    return link->out.filled > link->out.taken;
}

enum crmpi_status crmpi_link_flush(struct crmpi_link *link)
{
    struct crmpi_buffer *out = &link->out;

    while (crmpi_link_waits(link)) {
        struct iovec part = {.iov_base = out->bytes + out->taken,
                             .iov_len = out->filled - out->taken};
        ssize_t sent = send_some(link->fd, &part, 1);
        if (sent <= 0)
            return sent < 0 ? CRMPI_ERR_IO : CRMPI_OK;
        out->taken += (size_t)sent;
    }
    out->taken = out->filled = 0;
    return CRMPI_OK;
}

void crmpi_link_finish(struct crmpi_link *link, int limit_ms)
{
    struct pollfd entry = {.fd = link->fd, .events = POLLOUT};
    int ready = 1;

    while (link->fd >= 0 && crmpi_link_flush(link) == CRMPI_OK &&
           crmpi_link_waits(link) && (ready > 0 || (ready < 0 && errno == EINTR)))
        ready = poll(&entry, 1, limit_ms);
    if (link->fd >= 0)
        shutdown(link->fd, SHUT_WR);
}

void crmpi_link_await_end(struct crmpi_link *link, int limit_ms)
{
    struct pollfd entry = {.fd = link->fd, .events = POLLIN};
    char unread[4096];
    ssize_t bytes = 1;

    while (link->fd >= 0 && bytes > 0 && poll(&entry, 1, limit_ms) == 1)
        bytes = recv(link->fd, unread, sizeof unread, MSG_DONTWAIT);
}

enum crmpi_status crmpi_link_receive(struct crmpi_link *link)
{
    struct crmpi_buffer *in = &link->in;
    ssize_t bytes;

    for (;;) {
        if (make_room(in, READ_BYTES / 2) != CRMPI_OK)
            return CRMPI_ERR_NOMEM;
        bytes = recv(link->fd, in->bytes + in->filled, in->capacity - in->filled,
                     MSG_DONTWAIT);
        if (bytes < 0 && errno == EINTR)
            continue;
        if (bytes < 0 && errno == EAGAIN)
            return CRMPI_OK;
        if (bytes <= 0)
            return CRMPI_ERR_IO;
        in->filled += (size_t)bytes;
    }
}

int crmpi_link_next(struct crmpi_link *link, uint32_t self, uint32_t n_ranks,
                    struct crmpi_envelope *envelope_out, const void **bytes_out)
{
    struct crmpi_buffer *in = &link->in;
    size_t waiting = in->filled - in->taken;
    struct crmpi_envelope envelope;

    if (waiting < sizeof envelope)
        return 0;
    memcpy(&envelope, in->bytes + in->taken, sizeof envelope);
    if (!crmpi_envelope_is_sound(&envelope, self, n_ranks, link->world_rank))
        return -1;
    if (waiting - sizeof envelope < envelope.bytes)
        return 0;
    *envelope_out = envelope;
    *bytes_out = in->bytes + in->taken + sizeof envelope;
    in->taken += sizeof envelope + envelope.bytes;
    return 1;
}
