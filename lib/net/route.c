/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way of a control message (see route.h).  Pure; lower half.
 */
#include "base/tree.h"
#include "net/route.h"

#define BYTES_MAX ((uint64_t)1 << 31)

/* Numbers grow on the way down, so those below have higher ones. */
uint32_t crmpi_route_next(uint32_t self, uint32_t to)
{
    if (to == self)
        return self;
    while (to > self) {
        uint32_t parent = CRMPI_TREE_PARENT(to);
        if (parent == self)
            return to;
        to = parent;
    }
    return CRMPI_TREE_PARENT(self);
}

int crmpi_envelope_is_sound(const struct crmpi_envelope *envelope, uint32_t self,
                            uint32_t n_ranks, uint32_t from)
{
    return envelope->channel > 0 && envelope->channel < CRMPI_CHANNELS &&
           envelope->bytes <= BYTES_MAX && envelope->from < n_ranks &&
           envelope->to < n_ranks && envelope->from != self &&
           crmpi_route_next(self, envelope->from) == from &&
           crmpi_route_next(self, envelope->to) != from;
}
