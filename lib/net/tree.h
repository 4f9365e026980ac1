/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control tree: how the ranks find and connect to each other.  Lower half.
 */
#ifndef CRMPI_NET_TREE_H
#define CRMPI_NET_TREE_H

#include "base/tree.h"
#include "net/address.h"
#include "net/greeting.h"
#include "net/link.h"

/* Where a rank listens; exchanged among all ranks as it lies in memory. */
struct crmpi_address {
    uint64_t host_key; /* the same for ranks that share a host and its network */
    uint32_t port;     /* 0: this rank cannot take part */
    uint32_t n_addresses;
    uint32_t addresses[CRMPI_ADDRESSES_MAX]; /* IPv4, network byte order */
};

struct crmpi_tree {
    uint32_t world_rank, n_ranks;
    unsigned n_links; /* the parent, if any, comes first; then the children */
    struct crmpi_link links[1 + CRMPI_TREE_CHILDREN];
};

/** Listen on a port of the kernel's choice; a socket, or -1 with errno. */
int crmpi_tree_listen(struct crmpi_address *address_out);

/**
 * Connect to a rank, and greet each other (greeting.h), within a limit; a blocking socket, or -1 after
 * logging why.
 * @param all  where each rank listens
 */
int crmpi_address_call(const struct crmpi_address *all, uint32_t self, uint32_t to,
                       const unsigned char *key, int limit_ms);

/**
 * Connect to the parent and let the children connect; all ranks call it at the same time.
 * @param all       where each rank listens
 * @param listener  this rank's socket; it stays open
 * @param key       the same random bytes in all ranks: others are turned away
 * Logs the cause of a failure.
 */
enum crmpi_status crmpi_tree_connect(struct crmpi_tree *tree, uint32_t world_rank,
                                     uint32_t n_ranks, const struct crmpi_address *all,
                                     int listener, const unsigned char *key);

/** All ranks end: send what waits still, and let the neighbours do so, within limits. */
void crmpi_tree_finish(struct crmpi_tree *tree);
void crmpi_tree_fini(struct crmpi_tree *tree);

/** The link to a rank; NULL if it is no neighbour. */
struct crmpi_link *crmpi_tree_link(struct crmpi_tree *tree, uint32_t world_rank);

#endif
