/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sockets that a restart can make again: both ends of a connection within the process, an
 * end whose other has been closed, and those nobody has bound or connected.  Lower half.
 */
#ifndef CRMPI_DESCRIPTORS_SOCKET_H
#define CRMPI_DESCRIPTORS_SOCKET_H

#include <stddef.h>
#include <stdint.h>
#include "base/status.h"

/* Packed, as they may lie anywhere in the record. */
struct __attribute__((packed)) crmpi_socket_option {
    int32_t level, name;
    uint32_t bytes; /* 0: this kind of socket has no such option */
    unsigned char value[16];
};

#define CRMPI_SOCKET_OPTIONS 24

/* The data of a socket's struct crmpi_descriptor begins with this; behind it are the messages
 * that wait in it, each as its length (u64) and its bytes.  The bytes of a stream count
 * as one message. */
struct __attribute__((packed)) crmpi_socket {
    int32_t domain, type, protocol;
    int32_t is_paired; /* has, or had, a peer */
    int32_t shutdown;  /* bits: 1 receives no more, 2 sends no more */
    int32_t is_reset;  /* the next receive reports that the peer left messages unread */
    uint32_t n_messages;
    uint32_t n_options;
    uint64_t peer; /* its inode; 0: none, or it was closed */
    struct crmpi_socket_option options[CRMPI_SOCKET_OPTIONS];
};

/**
 * Describe a socket, and the messages waiting in it without taking them.
 * @param[out] data_out  a struct crmpi_socket and the messages, from malloc()
 * @param[out] what      on CRMPI_ERR_UNSUPPORTED: what it is, and what to do
 */
enum crmpi_status crmpi_socket_save(int fd, void **data_out, size_t *bytes_out,
                                    char *what, size_t what_bytes);

/*
 * At a restart
 */

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
