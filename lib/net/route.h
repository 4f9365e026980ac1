/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way of a control message through the tree of connections.  Pure.
 *
 * Between any two ranks there is one way, and every rank on it passes on what it gets in
 * the order in which it comes: so messages from one rank to another keep their order.
 */
#ifndef CRMPI_NET_ROUTE_H
#define CRMPI_NET_ROUTE_H

#include <stdint.h>

/* Whom a message is for, within a rank. */
enum crmpi_channel {
    CRMPI_CHANNEL_POLICY = 1, /* struct crmpi_message, then its payload */
    CRMPI_CHANNEL_DEMAND,     /* from rank 0: a checkpoint of the receiver is wanted from
                                 outside; nothing follows */
    CRMPI_CHANNEL_TOUCH,      /* struct touch, see touch.c */
    CRMPI_CHANNEL_GRANT,      /* the same, back */
    CRMPI_CHANNEL_OUTCOME,    /* to rank 0: what has become of that, in words */
    CRMPI_CHANNEL_STOP,       /* to rank 0: the job's time is up; from the parent: the
                                 job is about to be stopped; nothing follows */
    CRMPI_CHANNEL_CONNECTED,  /* to rank 0: for what connection to another job the sender
                                has refused a checkpoint, in words; none: it is gone */
    CRMPI_CHANNELS,
};

/* What travels in front of every message, as it lies in memory. */
struct crmpi_envelope {
    uint32_t from, to; /* world ranks: who sent it at first, who gets it at last */
    uint32_t channel;  /* enum crmpi_channel */
    uint32_t unused;
    uint64_t bytes; /* that follow */
};

/** The neighbour of @p self in the tree, or itself, on the way to @p to. */
uint32_t crmpi_route_next(uint32_t self, uint32_t to);

/** Tell whether an envelope that came to @p self from its neighbour @p from makes
 * sense. */
int crmpi_envelope_is_sound(const struct crmpi_envelope *envelope, uint32_t self,
                            uint32_t n_ranks, uint32_t from);

#endif
