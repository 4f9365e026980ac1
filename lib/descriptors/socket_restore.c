/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Making sockets again (see socket.h).  Lower half, at a restart.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "descriptors/socket.h"

const struct crmpi_socket *crmpi_socket_parse(const void *data, size_t bytes)
{
    const struct crmpi_socket *socket = data;
    size_t at = sizeof *socket;

    if (bytes < at || socket->n_options > CRMPI_SOCKET_OPTIONS)
        return NULL;
    for (uint32_t i = 0; i < socket->n_options; i++)
        if (socket->options[i].bytes > sizeof socket->options[i].value)
            return NULL;
    for (uint32_t i = 0; i < socket->n_messages; i++) {
        uint64_t length;

        if (bytes - at < sizeof length)
            return NULL;
        memcpy(&length, (const char *)data + at, sizeof length);
        at += sizeof length;
        if (bytes - at < length)
            return NULL;
        at += length;
    }
    return at == bytes ? socket : NULL;
}

int crmpi_socket_make(const struct crmpi_socket *saved, int *other_out)
{
    int pair[2] = {-1, -1}, largest = 1 << 30;

    if (!saved->is_paired)
        pair[0] = socket(saved->domain, saved->type, saved->protocol);
    else if (socketpair(saved->domain, saved->type, saved->protocol, pair) == 0)
        for (int i = 0; i < 2; i++) /* what was sent before the buffer became smaller */
            setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &largest, sizeof largest);
    *other_out = pair[1];
    return pair[0];
}

int crmpi_socket_fill(const struct crmpi_socket *saved, int other)
{
    const char *at = (const char *)(saved + 1);

    for (uint32_t i = 0; i < saved->n_messages; i++) {
        uint64_t length;

        memcpy(&length, at, sizeof length);
        at += sizeof length;
        for (uint64_t done = 0; done < length || length == 0;) {
            ssize_t n =
                send(other, at + done, length - done, MSG_DONTWAIT | MSG_NOSIGNAL);

            if (n < 0)
                return -1;
            done += n;
            if (length == 0)
                break;
        }
        at += length;
    }
    return 0;
}

static void option_set(const struct crmpi_socket_option *option, int fd)
{
    int is_buffer = option->level == SOL_SOCKET &&
                    (option->name == SO_SNDBUF || option->name == SO_RCVBUF);
    unsigned char now[sizeof option->value];
    socklen_t bytes = sizeof now;
    int size = 0;

    if (getsockopt(fd, option->level, option->name, now, &bytes) == 0 &&
        bytes == option->bytes && memcmp(now, option->value, bytes) == 0)
        return;
    memcpy(&size, option->value, sizeof size);
    size /= 2; /* the kernel doubles it */
    if (setsockopt(fd, option->level, option->name,
                   is_buffer ? (const void *)&size : option->value, option->bytes) != 0)
        crmpi_warn("cannot set option %d of the socket at file descriptor %d again: %s",
                   option->name, fd, strerror(errno));
}

void crmpi_socket_finish(const struct crmpi_socket *saved, int fd)
{
    for (uint32_t i = 0; i < saved->n_options; i++)
        option_set(&saved->options[i], fd);
    if (saved->shutdown && saved->is_paired && saved->peer)
        shutdown(fd, saved->shutdown == 3   ? SHUT_RDWR
                     : saved->shutdown == 1 ? SHUT_RD
                                            : SHUT_WR);
}
