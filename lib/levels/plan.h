/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a restart gets each file: the cheapest way that is left.  Pure: all ranks compute the
 * same from the same inventory.  Lower half and tests.
 */
#ifndef CRMPI_LEVELS_PLAN_H
#define CRMPI_LEVELS_PLAN_H

#include <stddef.h>
#include <stdint.h>
#include "base/status.h"
#include "levels/inventory.h"
#include "levels/topology.h"

/* How a file is had, the cheapest first. */
enum crmpi_way {
    CRMPI_WAY_THERE,   /* where the restart wants it */
    CRMPI_WAY_MOVED,   /* from the node where it was saved */
    CRMPI_WAY_PARTNER, /* from a partner's copy */
    CRMPI_WAY_REBUILT, /* from shares */
    CRMPI_WAY_GLOBAL,  /* from CRMPI_DIR */
    CRMPI_WAY_LOST,
};
#define CRMPI_N_WAYS 6

/* A file that is needed, and how it is had. */
struct crmpi_want {
    uint32_t world_rank;
    uint64_t sn; /* 0: nothing is needed */
    uint64_t digest;
    uint64_t incarnation; /* 0: not known */
    enum crmpi_way way;
    size_t copy;                              /* index, unless REBUILT or LOST */
    uint64_t bytes, parent_sn, parent_digest; /* unless LOST */
    size_t share;    /* REBUILT: index of a header that tells the group */
    unsigned member; /* REBUILT: which of the group */
    uint64_t files,
        shares;      /* of the group: a bit for each that is there; REBUILT, or LOST
                               with a group */
    unsigned excess; /* LOST: how many members more are gone than can be; without a
                        group 0 */
};

/* The files of one generation: of each rank its checkpoint of the line, or the parent of
 * that, and so on. */
struct crmpi_wants {
    struct crmpi_want *list; /* by rank */
    uint32_t n_ranks;
};

/**
 * Tell which copies have to be looked at: all of what is needed, shares that can give it,
 * and the files that go with these.
 * @param marks  for each copy: set to 1 if so, else left
 */
void crmpi_plan_mark(const struct crmpi_inventory *inventory,
                     const struct crmpi_wants *wants, unsigned char *marks);

/**
 * Find the way for each file, out of copies that are GOOD.
 * @param at_home  the kind of copies that are where the restart looks: OWN or GLOBAL
 * @return how many are LOST
 */
uint32_t crmpi_plan_find(const struct crmpi_inventory *inventory,
                         const struct crmpi_topology *topology,
                         enum crmpi_copy_kind at_home, struct crmpi_wants *wants);

/** The good copy of a file that is the cheapest on node @p node; SIZE_MAX: there is none.
 * @param kinds  a bit for each kind to be used */
size_t crmpi_plan_copy(const struct crmpi_inventory *inventory, uint32_t world_rank,
                       uint64_t sn, uint64_t digest, unsigned kinds, uint32_t node);

/** The good share of member @p holder of a group that one header tells; SIZE_MAX: there
 * is none.  @param node  UINT32_MAX: any */
size_t crmpi_plan_share(const struct crmpi_inventory *inventory,
                        const struct crmpi_share *group, unsigned holder, uint32_t node);

#endif
