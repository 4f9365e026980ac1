/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Addresses of hosts (see address.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/address.h"

unsigned crmpi_addresses_list(uint32_t *addresses_out, unsigned max)
{
    struct ifaddrs *all, *one;
    unsigned n = 0;

    if (getifaddrs(&all) != 0)
        return 0;
    for (one = all; one != NULL && n < max; one = one->ifa_next) {
        struct sockaddr_in address;
        if (one->ifa_addr == NULL || one->ifa_addr->sa_family != AF_INET ||
            !(one->ifa_flags & IFF_UP) || (one->ifa_flags & IFF_LOOPBACK))
            continue;
        memcpy(&address, one->ifa_addr, sizeof address);
        addresses_out[n++] = address.sin_addr.s_addr;
    }
    freeifaddrs(all);
    return n;
}

static int await_connection(int fd, int limit_ms)
{
    struct pollfd entry = {.fd = fd, .events = POLLOUT};
    socklen_t bytes = sizeof errno;
    int ready, error = 0;

    do
        ready = poll(&entry, 1, limit_ms);
    while (ready < 0 && errno == EINTR);
    if (ready == 0)
        error = ETIMEDOUT;
    else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes) != 0)
        error = errno;
    errno = error;
    return error == 0 ? 0 : -1;
}

int crmpi_address_connect(uint32_t address, uint16_t port, int limit_ms)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = address};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int one = 1, saved_errno;

    if (fd < 0)
        return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if ((connect(fd, (struct sockaddr *)&to, sizeof to) == 0 ||
         (errno == EINPROGRESS && await_connection(fd, limit_ms) == 0)) &&
        fcntl(fd, F_SETFL, 0) == 0)
        return fd;
    saved_errno = errno;
    close(fd);
    errno = saved_errno;
    return -1;
}
