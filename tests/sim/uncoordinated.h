/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The parts of the simulator of the uncoordinated policy: see uncoordinated.c.  Test.
 */
#ifndef CRMPI_TESTS_SIM_UNCOORDINATED_H
#define CRMPI_TESTS_SIM_UNCOORDINATED_H

#include <stddef.h>
#include <stdint.h>
#include "policy/policy.h"
#include "sim/ranks.h"
#include "sim/traffic.h"

struct setup {
    uint64_t seed;
    uint32_t n_ranks;
    struct traffic_setup traffic;
    unsigned domino, n_kills;
    size_t log_limit; /* messages */
    double latency_us, compute_us, save_us, settle_us;
    double request_us;      /* mean time between the requests of a rank */
    double together_chance; /* of a request to be for all */
    double stop_chance;     /* of such a one to end the job, too */
    double call_chance;     /* of the application to call CRMPI_Checkpoint() */
    double fault_chance, refuse_chance, stuck_chance, loss_chance;
    double background_chance, write_us; /* as in sim.h */
};

/* What happens, besides what happens in all simulated jobs. */
enum own_kind {
    SIM_DRAIN = SIM_OWN,
    SIM_SETTLE,
    SIM_COMPLETED, /* a file is written, in the background */
    SIM_LOOK,      /* whether the targets are reached */
    SIM_COMPUTED,
    SIM_PROGRAM,
    SIM_REQUEST,
    SIM_ARRIVED, /* a message of the application, which is the payload */
    SIM_PUT,     /* likewise */
    SIM_TOUCH,   /* is asked of the owner */
    SIM_GRANTED,
    SIM_KILL,
};

enum step_state { COMPUTES, READY, TOUCHES, TOUCHED, AT_GATE, WAITS, CALLS, ENDED };

struct rank {
    double path_free[TRAFFIC_RANKS]; /* of the application's messages and puts */

    int parked, running_on, at_targets_told, drained;
    uint64_t settling, draining; /* stamps; 0: not */

    int has_base;    /* has taken a checkpoint of all since the restart */
    unsigned n_owed; /* taken alone since it has asked for one of all */
    int owed;

    enum step_state state;
    uint64_t ordinal, stamp;
    struct traffic_rank app;
    struct traffic_queue arrived; /* in the MPI library */
    unsigned n_in_flight, n_puts_out;
    struct crmpi_dependencies noted; /* by SAVE, until the file is there */
    struct traffic_rank taken;       /* likewise; in the background also until the end */
    uint64_t captured_sn;            /* the newest */
    uint64_t completing;             /* a stamp; 0: not */
    int resumed, resumed_alone;      /* threads have gone on, and it is not over */
    int calls_late;                  /* CRMPI_Checkpoint() was called after that */
    int log_lost;                    /* no checkpoint alone until there is one of all */
};

extern struct job {
    const struct setup *setup;
    struct traffic_program program;
    struct rank ranks[TRAFFIC_RANKS];
    uint64_t stamp;
    uint32_t n_ended, n_parked;
    int killed;
    int is_smooth; /* nothing fails, but for kills */
    int in_vain;   /* some checkpoint has failed after threads went on */
} job;

extern struct totals {
    unsigned n_jobs, n_restarts, n_alone, n_together, n_given_up, n_reasons, n_lost;
    unsigned n_background, n_background_lost;
    size_t lag, files; /* in jobs in which nothing fails; lag: beyond the bound */
    uint64_t messages[CRMPI_MESSAGE_KINDS], hops;
} totals;

/** How many checkpoints a rank may take while one of all is asked for, but has not come. */
unsigned job_under_way_max(void);

/* ---- the program of a rank, and its network ---- */

/** It comes to its next operation, after a while. */
void program_compute(uint32_t r);
/** It may be able to go on, when the event at hand has ended. */
void program_again(uint32_t r);
void program_open_gate(uint32_t r);
/** Tell the policy what it could not be told while the rank was busy. */
void program_tell(uint32_t r);
void program_come(const struct sim_item *item);

/* ---- actions ---- */

int actions_act(uint32_t r, const struct crmpi_action *action);
double actions_duration_us(uint32_t r, const struct crmpi_action *action);
int actions_result(uint32_t r, const struct crmpi_action *action,
                   struct crmpi_event *result_out);
void actions_come(const struct sim_item *item);

#endif
