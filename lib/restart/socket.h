/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Making sockets again (see capture/socket.h).  Lower half, at a restart.
 */
#ifndef CRMPI_RESTART_SOCKET_H
#define CRMPI_RESTART_SOCKET_H

#include <stddef.h>
#include "capture/socket.h"

/** The structure at the beginning of a socket's data; NULL if that is damaged. */
const struct crmpi_socket *crmpi_socket_parse(const void *data, size_t bytes);

/**
 * Make a socket and, if it has or had a peer, the other end (else *other_out is -1).
 * @return the socket, or -1 and errno
 */
int crmpi_socket_make(const struct crmpi_socket *socket, int *other_out);

/** Send what waited in a socket through its other end.  Returns 0, or -1 and errno. */
int crmpi_socket_fill(const struct crmpi_socket *socket, int other);

/** Set its options, and shut it down as far as it was; when all that waits is in it and
 * its other end. */
void crmpi_socket_finish(const struct crmpi_socket *socket, int fd);

#endif
