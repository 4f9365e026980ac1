/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What simulated ranks do with each other while checkpoints are taken: programs whose
 * states can be saved and restored, what each has interacted with since its last
 * checkpoint, and whether the newest checkpoints of all are a line.  Test.
 */
#ifndef CRMPI_TESTS_SIM_WORLD_H
#define CRMPI_TESTS_SIM_WORLD_H

#include <stddef.h>
#include <stdint.h>
#include "interaction/cut.h"

#define SIM_WORLD_RANKS 16

struct sim_world_setup {
    uint64_t seed;
    uint32_t n_ranks;
    unsigned n_communicators, n_operations, n_requests;
    double far_share;  /* of operations that have to do with any rank, not one nearby */
    double world_share; /* of operations that are collectives of all */
    double message_share, put_share;
    int stops;
    double latency_us, compute_us, park_us, save_us, span_us;
    double fault_chance, kill_chance;
    double background_chance, write_us; /* as in sim.h */
    int64_t limit_ms; /* until all is quiet */
};

void sim_world_setup_random(struct sim_world_setup *setup, uint64_t seed);
void sim_world_begin(const struct sim_world_setup *setup);
void sim_world_end(void);

/** Links of the control tree between two ranks. */
unsigned sim_hops(uint32_t from, uint32_t to);

/* ---- programs ---- */

enum sim_step { SIM_STEP_DONE, SIM_STEP_WAIT, SIM_STEP_TOUCH, SIM_STEP_END };

/** Let a rank go on.
 * @param[out] wake_out   bits: ranks that may be able to go on now
 * @param[out] owner_out  TOUCH: whose leave it needs first */
enum sim_step sim_world_step(uint32_t r, uint64_t *wake_out, uint32_t *owner_out);
int sim_world_all_ended(void);
/** An origin is about to access the owner's memory. */
void sim_world_touched(uint32_t owner, uint32_t origin);
/** It may: if @p interval is still its own. */
void sim_world_granted(uint32_t origin, uint32_t owner, uint64_t interval);

/* ---- checkpoints: what lib/interaction/cut.h has, groups being bits ---- */

void sim_world_park(uint32_t r);
int sim_world_is_parked(uint32_t r);
void sim_world_release(uint32_t r);
void sim_world_run_on(uint32_t r, const struct crmpi_collective_count *targets, size_t n);
int sim_world_running_on(uint32_t r);
int sim_world_at_targets(uint32_t r);
void sim_world_open_gate(uint32_t r);
void sim_world_drain(uint32_t r, uint64_t group);
struct crmpi_collective_count *sim_world_counts(uint32_t r, uint64_t group,
                                                size_t *n_out);
uint32_t *sim_world_neighbours(uint32_t r, uint64_t group, size_t *n_out);
uint64_t sim_world_interval(uint32_t r);

void sim_world_save(uint32_t r, uint64_t sn);
/** What it was at the newest save. */
uint64_t sim_world_cut_interval(uint32_t r);
uint32_t *sim_world_cut_neighbours(uint32_t r, size_t *n_out);
/** Go on before there is a line: a new interval, or not. */
void sim_world_resume(uint32_t r);
void sim_world_resumed_in_vain(uint32_t r);
/** The line has this checkpoint of the rank now; then the rank learns of it. */
void sim_world_commit(uint32_t r, uint64_t sn);
void sim_world_committed(uint32_t r, uint64_t group);
uint64_t sim_world_newest(uint32_t r);

/** All that a rank has interacted with, and those with whom, and so on. */
uint64_t sim_world_closure(uint32_t r);
int sim_world_newest_is_consistent(void);
/** Begin again from the newest checkpoints; @p line is the highest number there is. */
void sim_world_restore(uint64_t line);

#endif
