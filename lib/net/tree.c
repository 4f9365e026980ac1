/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connecting the control tree.  Lower half.  A rank first connects to its parent, then
 * takes its children; nobody who has not the key keeps it from that.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "net/tree.h"

#define CONNECT_LIMIT_MS 5000
#define TREE_LIMIT_MS 60000
#define FINISH_LIMIT_MS 10000
#define LOOK_MS 1000

static void hash_text(uint64_t *hash, const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        *hash = (*hash ^ (unsigned char)text[i]) * 0x100000001b3;
}

/* Processes with one kernel and one network namespace reach each other at 127.0.0.1. */
static uint64_t host_key(void)
{
    uint64_t hash = 0xcbf29ce484222325;
    char text[128];
    ssize_t bytes;
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

    if (fd >= 0) {
        bytes = read(fd, text, sizeof text);
        hash_text(&hash, text, bytes > 0 ? (size_t)bytes : 0);
        close(fd);
    }
    bytes = readlink("/proc/self/ns/net", text, sizeof text);
    hash_text(&hash, text, bytes > 0 ? (size_t)bytes : 0);
    return hash;
}

int crmpi_tree_listen(struct crmpi_address *address_out)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = INADDR_ANY};
    socklen_t bytes = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), saved_errno;

    memset(address_out, 0, sizeof *address_out);
    address_out->host_key = host_key();
    if (fd < 0)
        return -1;
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(fd, SOMAXCONN) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &bytes) != 0) {
        saved_errno = errno;
        close(fd);
        errno = saved_errno;
        return -1;
    }
    address_out->port = ntohs(address.sin_port);
    address_out->n_addresses =
        crmpi_addresses_list(address_out->addresses, CRMPI_ADDRESSES_MAX);
    return fd;
}

/* Try one address of a rank. */
static int connect_at(uint32_t address, uint32_t port, uint32_t self, uint32_t to,
                      const unsigned char *key, int64_t deadline_ms)
{
    int fd = crmpi_address_connect(address, (uint16_t)port, CONNECT_LIMIT_MS);
    int64_t left = deadline_ms - crmpi_clock_ms();
    int saved_errno;

    if (fd < 0 || crmpi_greet(fd, key, self, to, left > 0 ? (int)left : 0))
        return fd;
    saved_errno = errno;
    close(fd);
    errno = saved_errno;
    return -1;
}

/* How many leading bits two addresses share: the more, the likelier the same network. */
static int likeness(uint32_t a, uint32_t b)
{
    uint32_t differ = ntohl(a ^ b);
    return differ == 0 ? 32 : __builtin_clz(differ);
}

static int affinity(const struct crmpi_address *self, uint32_t address)
{
    int best = 0;
    for (uint32_t i = 0; i < self->n_addresses; i++)
        if (likeness(self->addresses[i], address) > best)
            best = likeness(self->addresses[i], address);
    return best;
}

/* A rank's addresses, those most like one of our own first. */
static void order_addresses(const struct crmpi_address *self,
                            const struct crmpi_address *to, uint32_t *ordered_out)
{
    for (uint32_t i = 0; i < to->n_addresses; i++) {
        uint32_t address = to->addresses[i], at = i;
        for (; at > 0 && affinity(self, ordered_out[at - 1]) < affinity(self, address);
             at--)
            ordered_out[at] = ordered_out[at - 1];
        ordered_out[at] = address;
    }
}

int crmpi_address_call(const struct crmpi_address *all, uint32_t self, uint32_t to,
                       const unsigned char *key, int limit_ms)
{
    uint32_t ordered[CRMPI_ADDRESSES_MAX], loopback = htonl(INADDR_LOOPBACK);
    int64_t deadline_ms = crmpi_clock_ms() + limit_ms;
    int fd = -1;

    order_addresses(&all[self], &all[to], ordered);
    while (fd < 0 && crmpi_clock_ms() < deadline_ms) {
        if (all[self].host_key == all[to].host_key)
            fd = connect_at(loopback, all[to].port, self, to, key, deadline_ms);
        for (uint32_t i = 0; i < all[to].n_addresses && fd < 0; i++)
            fd = connect_at(ordered[i], all[to].port, self, to, key, deadline_ms);
        if (fd < 0)
            poll(NULL, 0, 100);
    }
    if (fd < 0)
        crmpi_warn("cannot connect to rank %u over TCP: %s", to, strerror(errno));
    return fd;
}

static void child_take(struct crmpi_tree *tree, int fd, uint32_t from, unsigned *missing)
{
    int one = 1;

    for (unsigned i = 0; i < CRMPI_TREE_CHILDREN; i++) {
        if (from != CRMPI_TREE_CHILD(tree->world_rank, i) || !(*missing & 1u << i))
            continue;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        crmpi_link_init(&tree->links[tree->n_links++], fd, from);
        *missing &= ~(1u << i);
        return;
    }
    close(fd);
}

static void children_await(struct crmpi_tree *tree, int listener,
                           const unsigned char *key, unsigned *missing,
                           int64_t deadline_ms)
{
    struct crmpi_door door = {0};
    struct pollfd entries[1 + CRMPI_DOOR_MAX];

    while (*missing != 0 && crmpi_clock_ms() < deadline_ms) {
        nfds_t n = 1 + crmpi_door_poll(&door, entries + 1);
        uint32_t from;
        int fd;

        entries[0] = (struct pollfd){.fd = listener, .events = POLLIN};
        if (poll(entries, n, LOOK_MS) > 0 && entries[0].revents)
            crmpi_door_accept(&door, listener);
        while ((fd = crmpi_door_open(&door, key, tree->world_rank, &from)) >= 0)
            child_take(tree, fd, from, missing);
    }
    crmpi_door_close(&door);
}

enum crmpi_status crmpi_tree_connect(struct crmpi_tree *tree, uint32_t world_rank,
                                     uint32_t n_ranks, const struct crmpi_address *all,
                                     int listener, const unsigned char *key)
{
    int64_t deadline_ms = crmpi_clock_ms() + TREE_LIMIT_MS;
    unsigned missing = 0;
    int fd;

    *tree = (struct crmpi_tree){.world_rank = world_rank, .n_ranks = n_ranks};
    for (unsigned i = 0; i < CRMPI_TREE_CHILDREN; i++)
        if (CRMPI_TREE_CHILD((uint64_t)world_rank, i) < n_ranks)
            missing |= 1u << i;
    if (world_rank > 0) {
        fd = crmpi_address_call(all, world_rank, CRMPI_TREE_PARENT(world_rank), key,
                                TREE_LIMIT_MS);
        if (fd < 0)
            return CRMPI_ERR_IO;
        crmpi_link_init(&tree->links[tree->n_links++], fd, CRMPI_TREE_PARENT(world_rank));
    }
    children_await(tree, listener, key, &missing, deadline_ms);
    if (missing == 0)
        return CRMPI_OK;
    crmpi_warn("rank %u does not connect over TCP",
               CRMPI_TREE_CHILD(world_rank, missing & 1 ? 0 : 1));
    crmpi_tree_fini(tree);
    return CRMPI_ERR_TIMEOUT;
}

void crmpi_tree_finish(struct crmpi_tree *tree)
{
    for (unsigned i = 0; i < tree->n_links; i++)
        crmpi_link_finish(&tree->links[i], FINISH_LIMIT_MS);
    for (unsigned i = 0; i < tree->n_links; i++)
        crmpi_link_await_end(&tree->links[i], FINISH_LIMIT_MS);
}

void crmpi_tree_fini(struct crmpi_tree *tree)
{
    for (unsigned i = 0; i < tree->n_links; i++)
        crmpi_link_fini(&tree->links[i]);
    tree->n_links = 0;
}

struct crmpi_link *crmpi_tree_link(struct crmpi_tree *tree, uint32_t world_rank)
{
    for (unsigned i = 0; i < tree->n_links; i++)
        if (tree->links[i].world_rank == world_rank)
            return &tree->links[i];
    return NULL;
}
