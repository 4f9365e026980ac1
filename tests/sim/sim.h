/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The parts of the simulator that know no policy: chance, the queue of events, and the
 * made-up programs that the simulated ranks run.
 */
#ifndef CRMPI_TESTS_SIM_SIM_H
#define CRMPI_TESTS_SIM_SIM_H

#include <stdint.h>
#include <stddef.h>
#include "interaction/cut.h"

/* ---- chance ---- */

void sim_seed(uint64_t seed);
double sim_uniform(void);          /* in [0, 1) */
uint32_t sim_pick(uint32_t n);     /* in 0 .. n-1 */
int sim_chance(double probability);
double sim_delay(double mean);     /* in [0, 2 * mean) */

/* ---- the queue: items by time, and in order among equal times ---- */

struct sim_item;
void sim_queue_add(double at_us, struct sim_item *item);
struct sim_item *sim_queue_take(double *at_us_out); /* NULL: empty */

/* ---- a job ---- */

struct sim_setup {
    uint64_t seed;
    uint32_t n_ranks;
    unsigned n_communicators, n_operations, n_requests;
    unsigned n_busy;                  /* communicators that the operations use */
    double message_share;             /* of the operations; the others are collectives */
    int communicators_change;         /* some are created and freed on the way */
    int stops;                        /* requests at rank 0 are to end the job, too */
    int sizes_known;                  /* counts come with the size of the communicator */
    double latency_us, compute_us, park_us, save_us;
    double span_us;                   /* about how long the programs run */
    double fault_chance;              /* of each round of actions */
    double background_chance;         /* that a rank takes its memory, and writes it when
                                         its threads go on */
    double write_us;                  /* how long that takes it */
    uint32_t slow_rank, silent_rank;  /* UINT32_MAX: none.  Computes very long; does not
                                         answer for very long when it is to park */
};

/** A small job with a bit of everything. */
void sim_setup_random(struct sim_setup *setup, uint64_t seed);
/** A large one for the cost: one checkpoint, no faults. */
void sim_setup_large(struct sim_setup *setup, uint64_t seed, uint32_t n_ranks);

/* ---- programs: one list of operations, of which each rank does those it is a member of,
 * in order; so no program blocks for ever ---- */

enum sim_operation_kind {
    SIM_COLLECTIVE, /* complete when all members have entered */
    SIM_BROADCAST,  /* the first member does not wait for the others */
    SIM_EAGER,      /* a message: the second member waits for the first */
    SIM_RENDEZVOUS, /* both wait for each other */
    SIM_CREATE,     /* a communicator; without waiting */
    SIM_FREE,
};

struct sim_operation {
    enum sim_operation_kind kind;
    uint64_t comm_id; /* of collectives, create and free */
    const uint32_t *members;
    uint32_t n_members;
    uint32_t pair[2]; /* the members of a message */
    uint32_t n_entered;
    int root_entered;
};

/* What a rank knows of a communicator. */
struct sim_membership {
    uint64_t comm_id, count;
    uint32_t size;
    int exists;
};

struct sim_communicator {
    uint32_t *members;
    uint32_t n_members;
};

struct sim_program {
    const struct sim_setup *setup;
    struct sim_operation *operations;
    size_t n_operations;
    struct sim_communicator *communicators; /* number i has id SIM_COMM_ID(i) */
    unsigned n_communicators;
    struct sim_rank_program {
        uint32_t *operations; /* by number */
        size_t n_operations;
        struct sim_membership *memberships; /* sorted by comm_id */
        size_t n_memberships;
    } *ranks;
};
#define SIM_SELF_ID 1
#define SIM_COMM_ID(i) (2 + 7 * (uint64_t)(i))

void sim_program_init(struct sim_program *program, const struct sim_setup *setup);
void sim_program_fini(struct sim_program *program);

/** The operation at a position of a rank's program; NULL at its end. */
struct sim_operation *sim_operation(struct sim_program *program, uint32_t rank,
                                    size_t position);
/** NULL if the rank never has it. */
struct sim_membership *sim_membership(struct sim_program *program, uint32_t rank,
                                      uint64_t comm_id);
/** As crmpi_cut_counts(): from malloc(). */
struct crmpi_collective_count *sim_counts(struct sim_program *program, uint32_t rank,
                                          size_t *n_out);
/** Whether of every communicator all members have it, with equal counts, or none has. */
int sim_counts_agree(struct sim_program *program);

#endif
