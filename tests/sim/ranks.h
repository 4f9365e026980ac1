/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ranks of a simulated job as a policy sees them: it is given events as by the engine, one
 * at a time and none during an action that has a result; its messages take their time, in order
 * on each link.  What actions do, and all else that happens, is the simulator's own.  Test.
 */
#ifndef CRMPI_TESTS_SIM_RANKS_H
#define CRMPI_TESTS_SIM_RANKS_H

#include <stddef.h>
#include <stdint.h>
#include "policy/policy.h"
#include "policy/rank.h"
#include "sim/sim.h"

#define SIM_TODO 4

enum sim_kind {
    SIM_MESSAGE, /* arrives, or comes to a rank on the way */
    SIM_TICK,    /* the policy wanted to be woken */
    SIM_RESULT,  /* the first action of a rank's list is done */
    SIM_OWN,     /* this and more are the simulator's own */
};

struct sim_item {
    int kind;
    uint32_t rank, from, to; /* MESSAGE: at the moment, first, in the end */
    uint64_t stamp;          /* of the simulator's own */
    struct crmpi_message message;
    void *payload; /* of a message, or of the simulator's own; from malloc() */
    size_t payload_bytes;
    struct sim_item *next; /* in a rank's inbox, or of the simulator's own */
};

struct sim_rank {
    struct crmpi_policy *policy;
    struct crmpi_rank does;
    int busy; /* in an action that blocks the protocol thread, the first of the list */
    int finished, stopped;
    struct sim_item *inbox, **inbox_end;
    struct crmpi_action *todo[SIM_TODO];
    unsigned n_todo;
    int64_t tick_ms;
    double link_free[1 + CRMPI_TREE_CHILDREN]; /* when the last message on it arrives */
    struct crmpi_collective_count *targets;
    size_t n_targets;
};

/* What a simulator does. */
struct sim_hooks {
    const struct crmpi_policy_ops *policy;
    int until_finish; /* no messages or ticks after FINISH */
    /** Bring a message from one rank to the next on its way to item.to. */
    void (*send)(uint32_t by, struct sim_item item);
    /** Do an action that neither takes time nor has a result; 0: it is not such a one. */
    int (*act)(uint32_t r, const struct crmpi_action *action);
    double (*duration_us)(uint32_t r, const struct crmpi_action *action);
    /** An action is done; 0: there is no result yet, or none.  What the result points to is
     * freed as by sim_give_result(). */
    int (*result)(uint32_t r, const struct crmpi_action *action,
                  struct crmpi_event *result_out);
    /** After that; messages that waited have been given, unless the rank is busy again. */
    void (*go_on)(uint32_t r);
    /** After each event; or NULL. */
    void (*given)(uint32_t r);
    /** An item of the simulator's own has come; 1: it is kept. */
    int (*come)(struct sim_item *item);
};

extern struct sim_ranks {
    const struct sim_hooks *hooks;
    uint64_t seed;
    uint32_t n_ranks;
    struct sim_rank *ranks;
    double now_us;
    uint32_t n_finished, n_stopped;
} sim;

/** End the program, and say what has failed, unless it holds. */
void sim_check(int holds, const char *what);

/** A job; and its ranks, which end with all that is under way, and can be started again. */
void sim_begin(const struct sim_hooks *hooks, uint64_t seed, uint32_t n_ranks);
void sim_end(void);
void sim_ranks_start(const struct crmpi_policy_parameters *parameters);
void sim_ranks_end(void);

/** Let what is next in the queue happen; 0: there is nothing. */
int sim_step(void);

void sim_at(double time_us, struct sim_item item);
void sim_later(double delay_us, struct sim_item item);
/** A copy, from malloc(); NULL if there are no bytes. */
void *sim_copy(const void *bytes, size_t n);
void sim_free_item(struct sim_item *item);

/** When what is sent now arrives, after what has been sent before. */
double sim_arrival(double *newest_us, double delay_us);
/** As of the hook send: over the control tree. */
void sim_pass_on(uint32_t by, struct sim_item item, double delay_us);

void sim_give(uint32_t r, struct crmpi_event event);
/** And free what it points to, but for `why`. */
void sim_give_result(uint32_t r, struct crmpi_event result);

/** Parts of actions. */
void sim_set_targets(uint32_t r, const struct crmpi_action *action);
void sim_finish(uint32_t r);
void sim_stop(uint32_t r);

#endif
