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
    uint64_t restored; /* the line that its incarnation was started from; 0: none, or not
                          known */
    uint64_t bytes;
    int lost; /* known from a line or from others, but it cannot be used */
    uint32_t first; /* the lowest rank of those who took it together: so 0 if all did, the
                       entity's own if it was taken alone; of a lost one that nobody tells
                       of: CRMPI_FIRST_UNKNOWN */
    struct crmpi_edge *edges; /* by entity: what came since the checkpoint before, which
                                 it depends on, too.  Collectives of linked histories
                                 are not among them */
    size_t n_edges;
};

struct crmpi_history {
    uint32_t n_ranks;
    struct crmpi_entity *entities; /* the tasks first, by rank; then segments by window and
                                      rank */
    size_t n_entities;
    struct crmpi_records *records; /* what was added; recovery/records.h */
    struct crmpi_graph *graph;     /* made by crmpi_history_link(); recovery/graph.h */
};

/*
 * Making a history: init, then checkpoints and lines in any order, then link.
 */
enum crmpi_status crmpi_history_init(struct crmpi_history *history, uint32_t n_ranks);
void crmpi_history_fini(struct crmpi_history *history);

/**
 * Add a checkpoint of a rank.  One that is there already stays as it is, unless nothing
 * was known of what it depends on.
 * @param about  sn, time, incarnation, restored, bytes, lost
 * @param dependencies  taken over (left empty) on success, also when it was there already;
 *                      NULL: not known, the checkpoint counts as lost
 * @return CRMPI_ERR_MISMATCH: not of this rank, job size or number, or they do not make
 *         sense
 */
enum crmpi_status crmpi_history_add(struct crmpi_history *history, uint32_t world_rank,
                                    const struct crmpi_checkpoint *about,
                                    struct crmpi_dependencies *dependencies);

/**
 * Add a line of this history that was committed, or restarted from: its number, and that
 * of the checkpoint of each rank.  Those that are not added are lost.  Lines bound what
 * checkpoints depend on of which the one before is not there any more: so add all that
 * are known.
 */
enum crmpi_status crmpi_history_add_line(struct crmpi_history *history, uint64_t number,
                                         const uint64_t *sn);

/** Derive the edges; again after something was added or forgotten. */
enum crmpi_status crmpi_history_link(struct crmpi_history *history);

/** Forget the checkpoints of each rank with a lower number than @p sn (n_ranks of them) as
 * crmpi_recovery_garbage() has it, and lines that matter no more.  Link again. */
void crmpi_history_forget(struct crmpi_history *history, const uint64_t *sn);

/** What was added of a checkpoint; NULL if nothing was: the history was made by hand, or
 * it is not known. */
const struct crmpi_dependencies *
crmpi_history_dependencies(const struct crmpi_history *history, uint32_t world_rank,
                           uint64_t sn);

/* What moved an entity back in the search for a line. */
struct crmpi_step {
    uint32_t entity; /* it went back */
    uint32_t cause;  /* because this one had; its own index: it lost a checkpoint */
    uint64_t from, to; /* numbers; CRMPI_SN_NOW: the running state */
    uint64_t sn;       /* whose edge it was: `from` or one before; of one that lost its
                          newest, that */
    uint64_t cause_sn; /* where the cause was at that time */
    struct crmpi_edge edge; /* what `sn` depended on.  how = 0: that is lost */
};
#define CRMPI_SN_NOW UINT64_MAX

struct crmpi_recovery_line {
    uint64_t *sn; /* for each entity; CRMPI_SN_NOW: it need not go back */
    struct crmpi_step *steps; /* in the order in which they were found */
    size_t n_steps;
};

/**
 * Compute the maximum consistent line: the newest checkpoint of every entity such that
 * none depends on an interval that the line does not contain.  Unique.  Lost checkpoints
 * are never on it.
 * Algorithm: reachability over direct dependencies with a work list, as in Badrinath,
 * Morin and Vallée (2003); each dependency is looked at once.
 * @param history  linked, or with edges made by hand
 * @param failed  for each entity whether its running state is lost; NULL: all are.  Those
 *                that have not failed start from CRMPI_SN_NOW with the edges in @p now
 * @param now     for each entity its edges since its last checkpoint; NULL: none
 */
enum crmpi_status crmpi_recovery_line(const struct crmpi_history *history,
                                      const int *failed, const struct crmpi_edge *const *now,
                                      const size_t *n_now,
                                      struct crmpi_recovery_line *line_out);
void crmpi_recovery_line_fini(struct crmpi_recovery_line *line);

/** Say in a sentence why a step was made; as snprintf() does. */
int crmpi_recovery_explain(const struct crmpi_history *history,
                           const struct crmpi_recovery_line *line, size_t step,
                           char *text, size_t text_bytes);

/**
 * Tell the oldest checkpoint of each entity that has to be kept: that of the line if all
 * failed.  No line falls behind it later, whoever fails.
 * @param sn_out  n_entities numbers
 */
enum crmpi_status crmpi_recovery_garbage(const struct crmpi_history *history,
                                         uint64_t *sn_out);

/* Messages of a stream that a line has sent but not received: the sender's log has them. */
struct crmpi_late {
    uint32_t sender, receiver;
    uint64_t comm;
    int32_t tag;
    uint64_t received, sent; /* numbers of messages since the base: those in
                                (received, sent] are late */
};

/**
 * List what has to be sent again at a restart from a line, by sender and its streams.
 * @param sn  of each rank
 * @param late_out  from malloc(), the caller frees it
 * @return CRMPI_ERR_MISMATCH: this is no consistent line of the history, or a message that
 *         is needed is in no log
 */
enum crmpi_status crmpi_recovery_late(const struct crmpi_history *history,
                                      const uint64_t *sn, struct crmpi_late **late_out,
                                      size_t *n_out);

#endif
