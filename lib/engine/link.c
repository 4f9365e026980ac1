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
#include "engine/link.h"

#define PAYLOAD_MAX_BYTES ((uint64_t)1 << 31)
#define READ_BYTES ((size_t)65536)
#define SEND_LIMIT_MS 60000

struct frame {
    uint64_t payload_bytes;
    struct crmpi_message message;
};

void crmpi_link_init(struct crmpi_link *link, int fd, uint32_t world_rank)
{
    *link = (struct crmpi_link){.fd = fd, .world_rank = world_rank};
}

void crmpi_link_fini(struct crmpi_link *link)
{
    if (link->fd >= 0)
        close(link->fd);
    free(link->bytes);
    *link = (struct crmpi_link){.fd = -1};
}

/* Nonblocking with a wait between, so that a peer that has stopped reading is noticed. */
static enum crmpi_status send_some(int fd, struct iovec *vector, int n)
{
    struct msghdr header = {.msg_iov = vector, .msg_iovlen = (size_t)n};
    struct pollfd entry = {.fd = fd, .events = POLLOUT};
    ssize_t sent;

    while (header.msg_iovlen > 0) {
        sent = sendmsg(fd, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && (errno != EAGAIN || poll(&entry, 1, SEND_LIMIT_MS) == 0))
            return CRMPI_ERR_IO;
        if (sent < 0)
            continue;
        while (header.msg_iovlen > 0 && (size_t)sent >= header.msg_iov->iov_len) {
            sent -= (ssize_t)header.msg_iov->iov_len;
            header.msg_iov++;
            header.msg_iovlen--;
        }
        if (header.msg_iovlen > 0) {
            header.msg_iov->iov_base = (char *)header.msg_iov->iov_base + sent;
            header.msg_iov->iov_len -= (size_t)sent;
        }
    }
    return CRMPI_OK;
}

enum crmpi_status crmpi_link_send(struct crmpi_link *link,
                                  const struct crmpi_message *message,
                                  const void *payload, size_t payload_bytes)
{
    struct frame frame = {.payload_bytes = payload_bytes, .message = *message};
    struct iovec vector[2] = {
        {.iov_base = &frame, .iov_len = sizeof frame},
        {.iov_base = (void *)payload, .iov_len = payload_bytes},
    };

    if (link->fd < 0)
        return CRMPI_ERR_IO;
    return send_some(link->fd, vector, payload_bytes > 0 ? 2 : 1);
}

static enum crmpi_status make_room(struct crmpi_link *link)
{
    size_t capacity = link->capacity ? 2 * link->capacity : READ_BYTES;
    unsigned char *bytes;

    if (link->taken > 0) {
        memmove(link->bytes, link->bytes + link->taken, link->filled - link->taken);
        link->filled -= link->taken;
        link->taken = 0;
    }
    if (link->capacity - link->filled >= READ_BYTES / 2)
        return CRMPI_OK;
    bytes = realloc(link->bytes, capacity);
    if (bytes == NULL)
        return CRMPI_ERR_NOMEM;
    link->bytes = bytes;
    link->capacity = capacity;
    return CRMPI_OK;
}

enum crmpi_status crmpi_link_receive(struct crmpi_link *link)
{
    ssize_t bytes;

    for (;;) {
        if (make_room(link) != CRMPI_OK)
            return CRMPI_ERR_NOMEM;
        bytes = recv(link->fd, link->bytes + link->filled, link->capacity - link->filled,
                     MSG_DONTWAIT);
        if (bytes < 0 && errno == EINTR)
            continue;
        if (bytes < 0 && errno == EAGAIN)
            return CRMPI_OK;
        if (bytes <= 0)
            return CRMPI_ERR_IO;
        link->filled += (size_t)bytes;
    }
}

int crmpi_link_next(struct crmpi_link *link, struct crmpi_message *message_out,
                    const void **payload_out, size_t *payload_bytes_out)
{
    size_t waiting = link->filled - link->taken;
    struct frame frame;

    if (waiting < sizeof frame)
        return 0;
    memcpy(&frame, link->bytes + link->taken, sizeof frame);
    if (frame.message.kind == 0 || frame.message.kind >= CRMPI_MESSAGE_KINDS ||
        frame.payload_bytes > PAYLOAD_MAX_BYTES)
        return -1;
    if (waiting < sizeof frame + frame.payload_bytes)
        return 0;
    *message_out = frame.message;
    *payload_out = link->bytes + link->taken + sizeof frame;
    *payload_bytes_out = (size_t)frame.payload_bytes;
    link->taken += sizeof frame + frame.payload_bytes;
    return 1;
}
