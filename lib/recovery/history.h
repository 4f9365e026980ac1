/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The history of a job as far as its checkpoints tell it: entities, their checkpoints and
 * what each depends on; and the recovery lines in it.  Pure: no files, no MPI; for the
 * tools, the policies and the simulator.
 */
#ifndef CRMPI_RECOVERY_HISTORY_H
#define CRMPI_RECOVERY_HISTORY_H

#include <stddef.h>
#include <stdint.h>
#include "base/status.h"
#include "interaction/dependencies.h"

enum crmpi_entity_kind { CRMPI_ENTITY_TASK, CRMPI_ENTITY_SEGMENT };

struct crmpi_entity {
    enum crmpi_entity_kind kind;
    uint32_t rank;   /* world rank; of a segment: its owner's */
    uint64_t window; /* SEGMENT */
    struct crmpi_checkpoint *checkpoints; /* by ascending number; there is always the
                                             beginning of the program, number 0 */
    size_t n_checkpoints;
};

/* An entry of a direct dependency vector. */
struct crmpi_edge {
    uint32_t entity;   /* index of the entity depended on */
    uint32_t how;      /* enum crmpi_how */
    uint64_t interval; /* of it, the highest: a line with this checkpoint has to have one of
                          that entity with this or a higher number */
};

#define CRMPI_FIRST_UNKNOWN UINT32_MAX

struct crmpi_checkpoint {
    uint64_t sn;
    double time;
    uint64_t incarnation;
    uint64_t bytes;
    int lost; /* known from a line or from others, but it cannot be used */
    uint32_t first; /* the lowest rank of those who took it together: so 0 if all did, the
                       entity's own if it was taken alone; of a lost one that nobody tells
                       of: CRMPI_FIRST_UNKNOWN */
    struct crmpi_edge *edges; /* by entity */
    size_t n_edges;
};

struct crmpi_history {
    uint32_t n_ranks;
    struct crmpi_entity *entities; /* the tasks first, by rank; then segments by window and
                                      rank */
    size_t n_entities;
};

/* What moved an entity back in the search for a line. */
struct crmpi_step {
    uint32_t entity; /* it went back */
    uint32_t cause;  /* because this one had; its own index: it lost a checkpoint */
    uint64_t from, to; /* numbers; CRMPI_SN_NOW: the running state */
    struct crmpi_edge edge; /* what `from` depended on */
};
#define CRMPI_SN_NOW UINT64_MAX

struct crmpi_recovery_line {
    uint64_t *sn; /* for each entity; CRMPI_SN_NOW: it need not go back */
    struct crmpi_step *steps; /* in the order in which they were found */
    size_t n_steps;
};

/**
 * Compute the maximum consistent line: the newest checkpoint of every entity such that
 * none depends on an interval that the line does not contain.  Unique.
 * Algorithm: reachability over direct dependencies with a work list, as in Badrinath,
 * Morin and Vallée (2003).
 * @param failed  for each entity whether its running state is lost; NULL: all are.  Those
 *                that have not failed start from CRMPI_SN_NOW with the edges in @p now
 * @param now     for each entity its edges since its last checkpoint; NULL if all failed
 */
enum crmpi_status crmpi_recovery_line(const struct crmpi_history *history,
                                      const int *failed, const struct crmpi_edge *const *now,
                                      const size_t *n_now,
                                      struct crmpi_recovery_line *line_out);
void crmpi_recovery_line_fini(struct crmpi_recovery_line *line);

#endif
