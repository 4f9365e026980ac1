/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What sockets refer to and what waits in them (see socket.h).  Lower half, with all
 * application threads parked.
 *
 * The other end of a local socket is found by asking the kernel (unix_diag); what waits
 * is read by MSG_PEEK, so nothing can get lost.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <linux/unix_diag.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "descriptors/socket.h"

#define MAX_MESSAGES 100000
#define AUTOBOUND_BYTES 6 /* a name the kernel has chosen: 0 and five digits */

/* What the kernel tells of a local socket. */
struct diagnosis {
    uint32_t peer, waiting_bytes,
        sent_bytes; /* sent and not yet received, as allocated */
    int has_peer, is_named;
    uint8_t shutdown;
};

static const struct {
    int level, name;
} options[] = {
    {SOL_SOCKET, SO_SNDBUF},    {SOL_SOCKET, SO_RCVBUF},    {SOL_SOCKET, SO_PASSCRED},
    {SOL_SOCKET, SO_RCVTIMEO},  {SOL_SOCKET, SO_SNDTIMEO},  {SOL_SOCKET, SO_RCVLOWAT},
    {SOL_SOCKET, SO_PEEK_OFF},  {SOL_SOCKET, SO_REUSEADDR}, {SOL_SOCKET, SO_REUSEPORT},
    {SOL_SOCKET, SO_KEEPALIVE}, {SOL_SOCKET, SO_BROADCAST}, {SOL_SOCKET, SO_OOBINLINE},
    {SOL_SOCKET, SO_DONTROUTE}, {SOL_SOCKET, SO_PRIORITY},  {SOL_SOCKET, SO_LINGER},
    {SOL_SOCKET, SO_TIMESTAMP}, {IPPROTO_TCP, TCP_NODELAY}, {IPPROTO_IPV6, IPV6_V6ONLY},
};
#define N_OPTIONS (sizeof options / sizeof *options)
_Static_assert(N_OPTIONS <= CRMPI_SOCKET_OPTIONS, "room for the options");

/* A growing block of bytes. */
struct buffer {
    char *data;
    size_t bytes;
};

/* Room for more bytes at the end; NULL without memory. */
static void *buffer_add(struct buffer *buffer, size_t bytes)
{
    char *more = realloc(buffer->data, buffer->bytes + bytes + 1);

    if (!more)
        return NULL;
    buffer->data = more;
    buffer->bytes += bytes;
    return more + buffer->bytes - bytes;
}

static void attribute_read(const struct nlattr *attribute, struct diagnosis *diagnosis)
{
    const void *value = attribute + 1;
    size_t bytes = attribute->nla_len - sizeof *attribute;
    uint32_t words[SK_MEMINFO_WMEM_ALLOC + 1] = {0};

    memcpy(words, value, bytes < sizeof words ? bytes : sizeof words);
    switch (attribute->nla_type) {
    case UNIX_DIAG_PEER:
        diagnosis->has_peer = 1;
        diagnosis->peer = words[0];
        break;
    case UNIX_DIAG_RQLEN:
        diagnosis->waiting_bytes = words[0];
        break;
    case UNIX_DIAG_SHUTDOWN:
        diagnosis->shutdown = *(const uint8_t *)value;
        break;
    case UNIX_DIAG_MEMINFO:
        diagnosis->sent_bytes = words[SK_MEMINFO_WMEM_ALLOC];
        break;
    case UNIX_DIAG_NAME:
        diagnosis->is_named = bytes != AUTOBOUND_BYTES || *(const char *)value != 0;
        break;
    default:
        break;
    }
}

/* Ask for the local socket with an inode; 0 or an errno. */
static int diagnose(uint32_t inode, struct diagnosis *diagnosis_out)
{
    struct {
        struct nlmsghdr header;
        struct unix_diag_req request;
    } question = {
        .header = {.nlmsg_len = sizeof question,
                   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                   .nlmsg_flags = NLM_F_REQUEST},
        .request = {.sdiag_family = AF_UNIX,
                    .udiag_states = -1,
                    .udiag_ino = inode,
                    .udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER | UDIAG_SHOW_RQLEN |
                                  UDIAG_SHOW_MEMINFO,
                    .udiag_cookie = {-1, -1}},
    };
    union {
        struct nlmsghdr header;
        char bytes[4096];
    } answer;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    ssize_t n = -1;

    if (fd >= 0 && send(fd, &question, sizeof question, 0) == sizeof question)
        n = recv(fd, &answer, sizeof answer, 0);
    int error = n < 0 ? errno : 0;

    if (fd >= 0)
        close(fd);
    if (error)
        return error;
    if (n < (ssize_t)NLMSG_SPACE(sizeof(struct unix_diag_msg)) ||
        answer.header.nlmsg_type != SOCK_DIAG_BY_FAMILY)
        return ENOENT;
    memset(diagnosis_out, 0, sizeof *diagnosis_out);
    for (ssize_t at = NLMSG_SPACE(sizeof(struct unix_diag_msg));
         at + (ssize_t)sizeof(struct nlattr) <= n;) {
        const struct nlattr *attribute = (const struct nlattr *)(answer.bytes + at);

        if (attribute->nla_len < sizeof *attribute || at + attribute->nla_len > n)
            break;
        attribute_read(attribute, diagnosis_out);
        at += NLA_ALIGN(attribute->nla_len);
    }
    return 0;
}

static int integer_option(int fd, int name)
{
    int value = -1;
    socklen_t bytes = sizeof value;

    return getsockopt(fd, SOL_SOCKET, name, &value, &bytes) == 0 ? value : -1;
}

static void options_read(int fd, struct crmpi_socket *socket)
{
    for (size_t i = 0; i < N_OPTIONS; i++) {
        struct crmpi_socket_option *option = &socket->options[socket->n_options];
        socklen_t bytes = sizeof option->value;

        if (getsockopt(fd, options[i].level, options[i].name, option->value, &bytes) != 0)
            continue;
        option->level = options[i].level;
        option->name = options[i].name;
        option->bytes = bytes;
        socket->n_options++;
    }
}

/* The length of the next message at the peek offset: 0 is one, too; -1 if there is
 * none. */
static ssize_t next_message(int fd, const struct diagnosis *diagnosis, int type,
                            size_t done)
{
    if (type == SOCK_STREAM)
        return diagnosis->waiting_bytes > done
                   ? (ssize_t)(diagnosis->waiting_bytes - done)
                   : -1;
    ssize_t bytes = recv(fd, NULL, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);

    return bytes == 0 && diagnosis->shutdown & 1 && type == SOCK_SEQPACKET ? -1 : bytes;
}

/* Append what waits in a socket; returns the number of messages, -1 without memory. */
static int messages_peek(int fd, const struct diagnosis *diagnosis, int type,
                         struct buffer *buffer)
{
    int before = integer_option(fd, SO_PEEK_OFF), begin = 0, n = 0;
    size_t done = 0;
    ssize_t bytes;

    setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &begin, sizeof begin);
    while (n < MAX_MESSAGES && (bytes = next_message(fd, diagnosis, type, done)) >= 0) {
        uint64_t length = bytes;
        char *room = buffer_add(buffer, sizeof length + bytes);

        if (!room) {
            n = -1;
            break;
        }
        if (bytes > 0)
            bytes = recv(fd, room + sizeof length, bytes, MSG_PEEK | MSG_DONTWAIT);
        if (bytes < 0 || (bytes == 0 && length > 0)) {
            buffer->bytes -= sizeof length + length;
            break;
        }
        buffer->bytes -= length - bytes; /* of a stream a part may have come */
        length = bytes;
        memcpy(room, &length, sizeof length);
        done += bytes;
        n++;
    }
    setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &before, sizeof before);
    return n;
}

/* Whether these messages, sent anew, take the memory that the peer's do: one without
 * bytes that somebody has peeked at before is passed over by the kernel. */
static int are_all(const struct crmpi_socket *socket, const char *messages)
{
    struct diagnosis peer;
    int pair[2], sent = -1;

    if (socket->type == SOCK_STREAM || !socket->peer)
        return 1;
    if (diagnose(socket->peer, &peer) != 0 ||
        socketpair(socket->domain, socket->type | SOCK_CLOEXEC, 0, pair) != 0)
        return 0;
    for (uint32_t i = 0; i < socket->n_messages; i++) {
        uint64_t length;

        memcpy(&length, messages, sizeof length);
        messages += sizeof length;
        if (send(pair[0], messages, length, MSG_DONTWAIT) < 0)
            break;
        messages += length;
    }
    ioctl(pair[0], SIOCOUTQ, &sent);
    close(pair[0]);
    close(pair[1]);
    return sent >= 0 && (uint32_t)sent == peer.sent_bytes;
}

/* Descriptors on their way in messages (SCM_RIGHTS). */
static int carries_descriptors(int fd)
{
    char path[64], line[256];
    int n = 0;
    FILE *info;

    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    if (!(info = fopen(path, "re")))
        return 0;
    while (fgets(line, sizeof line, info))
        if (sscanf(line, "scm_fds: %d", &n) == 1)
            break;
    fclose(info);
    return n > 0;
}

static enum crmpi_status refuse(const char *text, char *what, size_t what_bytes)
{
    snprintf(what, what_bytes, "%s", text);
    return CRMPI_ERR_UNSUPPORTED;
}

/* A local socket: with a peer, or with none and no name. */
static enum crmpi_status local_save(int fd, uint32_t inode, struct crmpi_socket *socket,
                                    struct buffer *buffer, char *what, size_t what_bytes)
{
    struct diagnosis diagnosis;
    struct pollfd poll_fd = {.fd = fd};
    size_t begin = buffer->bytes;

    if (diagnose(inode, &diagnosis) != 0)
        return refuse("a local socket of which the kernel does not tell the other end "
                      "(unix_diag)",
                      what, what_bytes);
    if (diagnosis.is_named || integer_option(fd, SO_ACCEPTCONN) > 0)
        return refuse(
            "a local socket with a name, which cannot be restored: close it before "
            "a checkpoint, or use socketpair",
            what, what_bytes);
    if (carries_descriptors(fd))
        return refuse(
            "a socket with file descriptors on their way in it, which cannot be "
            "restored",
            what, what_bytes);
    socket->is_paired = diagnosis.has_peer;
    socket->peer = diagnosis.peer;
    socket->shutdown = diagnosis.shutdown;
    poll(&poll_fd, 1, 0);
    socket->is_reset = socket->is_paired && !socket->peer && poll_fd.revents & POLLERR;
    int n = messages_peek(fd, &diagnosis, socket->type, buffer);

    if (n < 0)
        return CRMPI_ERR_NOMEM;
    socket->n_messages = n;
    size_t bytes = buffer->bytes - begin - n * sizeof(uint64_t);

    if ((socket->type != SOCK_DGRAM && bytes != diagnosis.waiting_bytes) ||
        (n && !socket->is_paired) || !are_all(socket, buffer->data + begin))
        return refuse(
            "a socket with messages that cannot be read without taking them (out "
            "of band, or without bytes)",
            what, what_bytes);
    return CRMPI_OK;
}

/* An internet socket that nobody has bound or connected. */
static enum crmpi_status internet_save(int fd, const struct crmpi_socket *socket,
                                       char *what, size_t what_bytes)
{
    struct sockaddr_storage own = {0}, peer = {0};
    socklen_t own_bytes = sizeof own, peer_bytes = sizeof peer;
    const char *kind = socket->type == SOCK_STREAM ? "TCP" : "UDP";
    char host[128] = "?", port[32] = "0";

    if (getpeername(fd, (struct sockaddr *)&peer, &peer_bytes) == 0) {
        getnameinfo((struct sockaddr *)&peer, peer_bytes, host, sizeof host, port,
                    sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
        snprintf(
            what, what_bytes,
            "a %s connection to %s port %s, which cannot be restored: close it before a "
            "checkpoint",
            kind, host, port);
        return CRMPI_ERR_UNSUPPORTED;
    }
    if (getsockname(fd, (struct sockaddr *)&own, &own_bytes) == 0)
        getnameinfo((struct sockaddr *)&own, own_bytes, host, sizeof host, port,
                    sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
    if (strcmp(port, "0") == 0 && integer_option(fd, SO_ACCEPTCONN) <= 0)
        return CRMPI_OK;
    snprintf(what, what_bytes,
             "a %s socket at %s port %s, which cannot be restored: close it before a "
             "checkpoint",
             kind, host, port);
    return CRMPI_ERR_UNSUPPORTED;
}

enum crmpi_status crmpi_socket_save(int fd, void **data_out, size_t *bytes_out,
                                    char *what, size_t what_bytes)
{
    struct crmpi_socket socket = {.domain = integer_option(fd, SO_DOMAIN),
                                  .type = integer_option(fd, SO_TYPE),
                                  .protocol = integer_option(fd, SO_PROTOCOL)};
    struct buffer buffer = {0};
    struct stat about;
    enum crmpi_status status;

    if (fstat(fd, &about) != 0 || !buffer_add(&buffer, sizeof socket))
        return CRMPI_ERR_NOMEM;
    options_read(fd, &socket);
    if (socket.domain == AF_UNIX)
        status = local_save(fd, about.st_ino, &socket, &buffer, what, what_bytes);
    else if ((socket.domain == AF_INET || socket.domain == AF_INET6) &&
             (socket.type == SOCK_STREAM || socket.type == SOCK_DGRAM))
        status = internet_save(fd, &socket, what, what_bytes);
    else
        status = refuse("a socket of a kind that cannot be restored: close it before a "
                        "checkpoint",
                        what, what_bytes);
    if (status != CRMPI_OK) {
        free(buffer.data);
        return status;
    }
    memcpy(buffer.data, &socket, sizeof socket);
    *data_out = buffer.data;
    *bytes_out = buffer.bytes;
    return CRMPI_OK;
}
