/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The partial policy in simulated jobs, under a scheduler whose choices come from a seed.
 * Ranks run made-up programs of collectives, messages and puts into each other's windows;
 * any of them asks for checkpoints at any moment, any step may fail, and the job is
 * killed and started again from the newest line.  Checked are
 *
 *   safety    after each commit, and when the job is killed, the newest checkpoints of
 *             all ranks are strongly consistent: no message, collective or put is in one
 *             of them without being in the other; they are the line that is computed from
 *             the history of all; no rank is in a group without need; threads go on
 *             while files are being written only when all members have their memory
 *   liveness  every wish is served, or fails by something that was made to fail; the
 *             programs end, and with them the engine
 *
 * Usage: sim-partial [SEED [JOBS]]   a failing seed is printed; it repeats exactly
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "policy/policy.h"
#include "recovery/history.h"
#include "sim/ranks.h"
#include "sim/sim.h"
#include "sim/world.h"

#define LIMIT_MS 60000 /* if it is less attempts of groups, and of all, are too slow */

/* What happens, besides what happens in all simulated jobs. */
enum own_kind {
    SIM_DRAINED = SIM_OWN, /* stamp: the drain */
    SIM_COMPLETED,         /* the file is written, in the background; stamp: its number */
    SIM_RUN,               /* the program may be able to go on */
    SIM_REQUEST,
    SIM_TOUCH,   /* arrives at the owner; stamp: the origin's interval */
    SIM_GRANTED, /* arrives at the origin; likewise */
    SIM_KILL,
};

struct rank {
    uint64_t group, drain; /* of the newest action; the group as bits */
    int at_targets_told, wish, wish_all, finish_told;
    int late, late_all;   /* wishes of those whose threads have gone on */
    uint64_t captured_sn; /* the newest */
    uint64_t completing;  /* its number; 0: not */
    int resumed;
    struct sim_item *touches; /* wait until the memory is open */
};

static struct job {
    struct sim_world_setup setup;
    struct rank *ranks;
    double (*link_free)[SIM_WORLD_RANKS];
    unsigned n_committed, n_partial, n_given_up, n_tried_again, n_kills, n_grown;
    unsigned n_background, n_background_lost, n_too_slow;
    uint64_t newest_sn, line, restored;
    uint64_t base; /* the newest checkpoint of all */
    struct crmpi_history history; /* of what is committed */
} job;

static uint64_t everybody(void)
{
    return sim.n_ranks == 64 ? ~(uint64_t)0 : ((uint64_t)1 << sim.n_ranks) - 1;
}

static uint64_t bits_of(const uint32_t *group, size_t n)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < n; i++) {
        sim_check(group[i] < sim.n_ranks && (i == 0 || group[i] > group[i - 1]),
                  "a group that is not in order");
        bits |= (uint64_t)1 << group[i];
    }
    return group != NULL ? bits : everybody();
}

/* ---- the network ---- */

/* Over a link that any two ranks have, in order. */
static void bring(uint32_t from, struct sim_item item)
{
    double delay_us = (1 + sim_hops(from, item.rank)) * sim_delay(job.setup.latency_us);

    sim_later(sim_arrival(&job.link_free[from][item.rank], delay_us) - sim.now_us, item);
}

static void send_on(uint32_t by, struct sim_item item)
{
    sim_check(!sim.ranks[by].stopped,
              "a rank that ends speaks, and the others may be gone");
    item.rank = item.to;
    bring(by, item);
}

/* ---- programs ---- */

static void run_later(uint32_t r, double mean_us)
{
    sim_later(sim_delay(mean_us), (struct sim_item){.kind = SIM_RUN, .rank = r});
}

static void run(uint32_t r)
{
    struct rank *rank = &job.ranks[r];
    uint64_t wake = 0;
    uint32_t owner;

    switch (sim_world_step(r, &wake, &owner)) {
    case SIM_STEP_DONE:
        run_later(r, job.setup.compute_us);
        break;
    case SIM_STEP_TOUCH:
        bring(r, (struct sim_item){.kind = SIM_TOUCH,
                                   .rank = owner,
                                   .from = r,
                                   .stamp = sim_world_interval(r)});
        break;
    case SIM_STEP_WAIT:
        break;
    case SIM_STEP_END:
        if (!rank->finish_told && !sim.ranks[r].busy) {
            rank->finish_told = 1;
            sim_give(r, (struct crmpi_event){.kind = CRMPI_EVENT_FINISHING});
        }
        break;
    }
    for (uint32_t other = 0; other < sim.n_ranks; other++)
        if (wake >> other & 1)
            run_later(other, job.setup.latency_us);
    if (sim_world_running_on(r) && !rank->at_targets_told && !sim.ranks[r].busy &&
        sim_world_at_targets(r)) {
        rank->at_targets_told = 1;
        sim_give(r, (struct crmpi_event){.kind = CRMPI_EVENT_AT_TARGETS});
    }
}

/* ---- touches ---- */

static int is_closed(uint32_t r)
{
    return sim.ranks[r].busy || sim.hooks->policy->is_closed(sim.ranks[r].policy);
}

/* Returns 1 if the item is kept. */
static int touch(struct sim_item *item)
{
    struct rank *owner = &job.ranks[item->rank];

    if (is_closed(item->rank)) {
        item->next = owner->touches;
        owner->touches = item;
        return 1;
    }
    sim_world_touched(item->rank, item->from);
    bring(item->rank, (struct sim_item){.kind = SIM_GRANTED,
                                        .rank = item->from,
                                        .from = item->rank,
                                        .stamp = item->stamp});
    return 0;
}

static void answer_touches(uint32_t r)
{
    struct sim_item *waiting = job.ranks[r].touches;

    if (is_closed(r))
        return;
    job.ranks[r].touches = NULL;
    while (waiting != NULL) {
        struct sim_item *item = waiting;
        waiting = waiting->next;
        if (!touch(item))
            sim_free_item(item);
    }
}

/* ---- actions ---- */

static double duration_us(uint32_t r, const struct crmpi_action *action)
{
    (void)r;
    switch (action->kind) {
    case CRMPI_ACTION_PARK:
        return sim_delay(job.setup.park_us);
    case CRMPI_ACTION_SAVE:
    case CRMPI_ACTION_COMMIT:
        return sim_delay(job.setup.save_us);
    default:
        return 0;
    }
}

static void resume(uint32_t r, const struct crmpi_action *action)
{
    struct rank *rank = &job.ranks[r];

    for (uint32_t other = 0; other < sim.n_ranks; other++)
        sim_check(!(rank->group >> other & 1) ||
                      job.ranks[other].captured_sn >= action->sn,
                  "threads go on, and not all members have their memory");
    rank->resumed = 1;
    sim_world_resume(r);
    run_later(r, 0);
}

static void end_resumed(uint32_t r, int committed)
{
    struct rank *rank = &job.ranks[r];

    if (rank->resumed && !committed)
        sim_world_resumed_in_vain(r);
    job.n_background += rank->resumed && committed;
    job.n_background_lost += rank->resumed && !committed;
    rank->resumed = 0;
    rank->completing = 0;
    rank->wish |= rank->late;
    rank->wish_all |= rank->late_all;
    rank->late = rank->late_all = 0;
}

static void release(uint32_t r, const struct crmpi_action *action)
{
    struct rank *rank = &job.ranks[r];

    if (action->committed) {
        sim_check(action->line > 0, "a commit without a line");
        sim_check(sim_world_newest(r) == action->sn,
                  "released before the line was written");
        sim_world_committed(r, rank->group);
        rank->wish = 0;
        rank->wish_all &= !action->all;
    } else if (!action->retried) {
        sim_check(job.setup.fault_chance > 0 || job.setup.limit_ms < LIMIT_MS,
                  "a wish fails for no reason");
        rank->wish = rank->wish_all = 0;
    } else {
        job.n_tried_again++;
    }
    end_resumed(r, action->committed);
    rank->drain = 0;
    sim_world_release(r);
    run_later(r, 0);
}

static void report(uint32_t r, const struct crmpi_action *action)
{
    sim_check(r == 0 || action->alone, "a report elsewhere than in rank 0");
    if (action->alone) { /* tried again with all */
        sim_check(job.setup.limit_ms < LIMIT_MS, "there was time");
        job.n_too_slow++;
    } else if (action->committed) {
        job.n_committed++;
        job.n_partial += !action->all;
    } else {
        sim_check(action->why != NULL &&
                      (job.setup.fault_chance > 0 || job.setup.limit_ms < LIMIT_MS ||
                       strcmp(action->why, "it is in MPI_Finalize") == 0),
                  "given up for no reason");
        job.n_given_up++;
    }
}

static void end(uint32_t r)
{
    sim_check(job.setup.stops && sim_world_newest(r) == job.newest_sn &&
                  sim_world_is_parked(r),
              "a rank ends without a line, or its threads have gone on");
    sim_stop(r);
}

/* What is going to be done. */
static void note(uint32_t r, const struct crmpi_action *action)
{
    struct rank *rank = &job.ranks[r];
    uint64_t group = bits_of(action->group, action->n_group);

    if (action->kind == CRMPI_ACTION_COMMIT)
        return;
    sim_check(group >> r & 1, "an action for a group of others");
    if (action->kind != CRMPI_ACTION_PARK)
        sim_check(group == rank->group, "another group than was parked");
    if (action->kind == CRMPI_ACTION_SAVE)
        sim_check(action->cohort == NULL ? group == everybody()
                                         : action->n_cohort == action->n_group,
                  "another cohort than group");
    job.n_grown += action->kind == CRMPI_ACTION_PARK && sim_world_is_parked(r) &&
                   group != rank->group;
    rank->group = group;
}

static int act(uint32_t r, const struct crmpi_action *action)
{
    struct rank *rank = &job.ranks[r];

    switch (action->kind) {
    case CRMPI_ACTION_RUN_ON:
        rank->at_targets_told = 0;
        sim_world_run_on(r, action->targets, action->n_targets);
        run_later(r, 0);
        break;
    case CRMPI_ACTION_OPEN_GATE:
        sim_world_open_gate(r);
        run_later(r, 0);
        break;
    case CRMPI_ACTION_REPORT:
        report(r, action);
        break;
    case CRMPI_ACTION_FINISH:
        sim_check(sim_world_all_ended() && !rank->resumed,
                  "the engine ends before the programs, or a checkpoint");
        sim_finish(r);
        break;
    case CRMPI_ACTION_RELEASE:
        release(r, action);
        break;
    case CRMPI_ACTION_RESUME:
        resume(r, action);
        break;
    case CRMPI_ACTION_COMPLETE:
        rank->completing = action->sn;
        sim_later(sim_delay(job.setup.write_us),
                  (struct sim_item){
                      .kind = SIM_COMPLETED, .rank = r, .stamp = rank->completing});
        break;
    case CRMPI_ACTION_END:
        end(r);
        break;
    default:
        note(r, action);
        return 0;
    }
    return 1;
}

/* What a rank's file says: it has exchanged messages with each of its neighbours. */
static void add_to_history(uint32_t r, const struct crmpi_action *action)
{
    struct crmpi_checkpoint about = {
        .sn = action->sn, .incarnation = job.n_kills, .restored = job.restored};
    struct crmpi_dependencies d = {.world_rank = r,
                                   .n_ranks = sim.n_ranks,
                                   .sn = action->sn,
                                   .interval = sim_world_cut_interval(r),
                                   .base = job.base};
    uint32_t *peers = sim_world_cut_neighbours(r, &d.n_streams);

    d.streams = calloc(d.n_streams + 1, sizeof *d.streams);
    d.cohort = calloc(sim.n_ranks, sizeof *d.cohort);
    sim_check(d.streams != NULL && d.cohort != NULL, "out of memory");
    for (size_t i = 0; i < d.n_streams; i++)
        d.streams[i] =
            (struct crmpi_stream){.comm = 1, .peer = peers[i], .sent = 1, .received = 1};
    for (uint32_t i = 0; i < sim.n_ranks && !action->all; i++)
        for (size_t k = 0; k < action->n_saved; k++)
            if (action->saved[k].world_rank == i)
                d.cohort[d.n_cohort++] =
                    (struct crmpi_member){.rank = i, .interval = action->sn};
    sim_check(crmpi_history_add(&job.history, r, &about, &d) == CRMPI_OK,
              "a checkpoint does not fit into the history");
    crmpi_dependencies_fini(&d);
    free(peers);
}

/* What can be computed from all checkpoints there are has to be the newest of each. */
static void check_history(void)
{
    struct crmpi_recovery_line line;
    uint64_t sn[SIM_WORLD_RANKS];

    for (uint32_t r = 0; r < sim.n_ranks; r++)
        sn[r] = sim_world_newest(r);
    sim_check(crmpi_history_add_line(&job.history, job.line, sn) == CRMPI_OK,
              "a line does not fit into the history");
    sim_check(crmpi_history_link(&job.history) == CRMPI_OK &&
                  crmpi_recovery_line(&job.history, NULL, NULL, NULL, &line) == CRMPI_OK,
              "the history has no line");
    for (uint32_t r = 0; r < sim.n_ranks; r++)
        sim_check(line.sn[r] == sim_world_newest(r), "the line computed is another one");
    crmpi_recovery_line_fini(&line);
}

static void commit(const struct crmpi_action *action, struct crmpi_event *result)
{
    uint64_t group = 0;

    for (size_t i = 0; i < action->n_saved; i++) {
        const struct crmpi_saved *saved = &action->saved[i];
        sim_check(!(group >> saved->world_rank & 1), "a rank is saved twice");
        group |= (uint64_t)1 << saved->world_rank;
        sim_check(saved->sn == action->sn, "numbers differ in a group");
        add_to_history((uint32_t)saved->world_rank, action);
        sim_world_commit((uint32_t)saved->world_rank, saved->sn);
    }
    sim_check(action->all == (group == everybody()), "a line of all without all");
    sim_check(group == everybody() || (group & ~sim_world_closure(action->leader)) == 0,
              "a rank was saved without need");
    sim_check(sim_world_newest_is_consistent(), "the newest checkpoints are no line");
    if (action->sn > job.newest_sn)
        job.newest_sn = action->sn;
    job.line = job.line + 1 > job.newest_sn ? job.line + 1 : job.newest_sn;
    check_history();
    if (action->all)
        job.base = action->sn;
    result->kind = CRMPI_EVENT_COMMITTED;
    result->line = job.line;
}

/* The protocol thread has done an action; returns whether there is a result now. */
static int result_of(uint32_t r, const struct crmpi_action *action,
                     struct crmpi_event *result)
{
    uint64_t group = bits_of(action->group, action->n_group);

    if (action->kind == CRMPI_ACTION_DRAIN &&
        sim.ranks[r].does.phase != CRMPI_RANK_DRAINS)
        return 0; /* released before it began */
    if (action->kind == CRMPI_ACTION_DRAIN) {
        job.ranks[r].drain = action->attempt;
        sim_later(
            sim_delay(job.setup.save_us),
            (struct sim_item){.kind = SIM_DRAINED, .rank = r, .stamp = action->attempt});
        return 0;
    }
    if (sim_chance(job.setup.fault_chance / sim.n_ranks)) {
        *result = (struct crmpi_event){.kind = CRMPI_EVENT_FAILED, .why = "made to fail"};
        return 1;
    }
    switch (action->kind) {
    case CRMPI_ACTION_PARK:
        sim_world_park(r);
        result->kind = CRMPI_EVENT_PARKED;
        result->counts = sim_world_counts(r, group, &result->n_counts);
        result->neighbours = sim_world_neighbours(r, group, &result->n_neighbours);
        result->interval = sim_world_interval(r);
        break;
    case CRMPI_ACTION_QUIET:
        result->kind = CRMPI_EVENT_QUIESCED;
        result->neighbours = sim_world_neighbours(r, group, &result->n_neighbours);
        break;
    case CRMPI_ACTION_SAVE:
        sim_check(sim.hooks->policy->is_closed(sim.ranks[r].policy),
                  "saving what is open to others");
        sim_world_save(r, action->sn);
        job.ranks[r].captured_sn = action->sn;
        result->kind = !action->foreground && sim_chance(job.setup.background_chance)
                           ? CRMPI_EVENT_CAPTURED
                           : CRMPI_EVENT_SAVED;
        break;
    default:
        commit(action, result);
        break;
    }
    return 1;
}

/* ---- giving events to the policy ---- */

static void go_on(uint32_t r)
{
    if (!sim.ranks[r].busy)
        run_later(r, 0);
}

static void drained(uint32_t r, uint64_t drain)
{
    if (job.ranks[r].drain != drain)
        return; /* given up meanwhile */
    if (sim.ranks[r].busy) { /* writing another group's line */
        sim_later(job.setup.latency_us,
                  (struct sim_item){.kind = SIM_DRAINED, .rank = r, .stamp = drain});
        return;
    }
    job.ranks[r].drain = 0;
    sim_world_drain(r, job.ranks[r].group);
    sim_give(r, (struct crmpi_event){.kind = CRMPI_EVENT_DRAINED});
}

static void completed(uint32_t r, uint64_t sn)
{
    struct crmpi_event event = {.kind = CRMPI_EVENT_SAVED};

    if (job.ranks[r].completing != sn)
        return; /* given up meanwhile */
    if (sim.ranks[r].busy) { /* writing another group's line */
        sim_later(job.setup.latency_us,
                  (struct sim_item){.kind = SIM_COMPLETED, .rank = r, .stamp = sn});
        return;
    }
    job.ranks[r].completing = 0;
    if (sim_chance(job.setup.fault_chance / sim.n_ranks))
        event = (struct crmpi_event){.kind = CRMPI_EVENT_FAILED, .why = "made to fail"};
    sim_give(r, event);
}

static void request(struct sim_item *item)
{
    uint32_t r = item->rank;
    struct rank *rank = &job.ranks[r];
    int all = r == 0 && sim_chance(0.3), stop = all && job.setup.stops;

    if (rank->finish_told || sim.ranks[r].finished)
        return;
    if (sim.ranks[r].busy) {
        sim_later(job.setup.latency_us, *item);
        return;
    }
    if (r == 0 && !all && sim_chance(0.3)) { /* for another rank */
        sim_give(0, (struct crmpi_event){.kind = CRMPI_EVENT_REQUEST,
                                         .of = 1 + sim_pick(sim.n_ranks - 1)});
        return;
    }
    if (rank->resumed) {
        rank->late = 1;
        rank->late_all |= all;
    } else {
        rank->wish = 1;
        rank->wish_all |= all;
    }
    sim_give(r,
             (struct crmpi_event){.kind = CRMPI_EVENT_REQUEST, .all = all, .stop = stop});
}

/* ---- a job from beginning to end ---- */

static void start_ranks(void)
{
    sim_ranks_start(&(struct crmpi_policy_parameters){.next_sn = job.newest_sn + 1,
                                                      .limit_ms = job.setup.limit_ms});
    for (uint32_t r = 0; r < sim.n_ranks; r++) {
        job.ranks[r] = (struct rank){0};
        run_later(r, job.setup.compute_us);
    }
    for (unsigned i = 0; i < 3 * job.setup.n_requests; i++)
        sim_later(sim_delay(job.setup.span_us),
                  (struct sim_item){.kind = SIM_REQUEST, .rank = sim_pick(sim.n_ranks)});
    if (sim_chance(job.setup.kill_chance))
        sim_later(sim_delay(job.setup.span_us), (struct sim_item){.kind = SIM_KILL});
}

static void end_ranks(void)
{
    sim_ranks_end();
    for (uint32_t r = 0; r < sim.n_ranks; r++) {
        struct sim_item *item;
        while ((item = job.ranks[r].touches) != NULL) {
            job.ranks[r].touches = item->next;
            sim_free_item(item);
        }
    }
}

static void kill_and_restart(void)
{
    sim_check(sim_world_newest_is_consistent(), "a line is not consistent when needed");
    end_ranks();
    memset(job.link_free, 0, sim.n_ranks * sizeof *job.link_free);
    sim_world_restore(job.line > job.newest_sn ? job.line : job.newest_sn);
    job.newest_sn = job.line > job.newest_sn ? job.line : job.newest_sn;
    job.restored = job.line;
    job.n_kills++;
    start_ranks();
}

static int come(struct sim_item *item)
{
    uint32_t r = item->rank;

    switch ((enum own_kind)item->kind) {
    case SIM_TOUCH:
        return touch(item);
    case SIM_DRAINED:
        drained(r, item->stamp);
        break;
    case SIM_COMPLETED:
        completed(r, item->stamp);
        break;
    case SIM_RUN:
        run(r);
        break;
    case SIM_REQUEST:
        request(item);
        break;
    case SIM_GRANTED:
        sim_world_granted(r, item->from, item->stamp);
        run_later(r, 0);
        break;
    case SIM_KILL:
        if (sim.n_finished == 0 && sim.n_stopped == 0)
            kill_and_restart();
        break;
    }
    return 0;
}

static const struct sim_hooks hooks = {
    .policy = &crmpi_policy_partial,
    .until_finish = 1,
    .send = send_on,
    .act = act,
    .duration_us = duration_us,
    .result = result_of,
    .go_on = go_on,
    .given = answer_touches,
    .come = come,
};

static void job_run(uint64_t seed)
{
    sim_seed(seed);
    memset(&job, 0, sizeof job);
    sim_world_setup_random(&job.setup, seed);
    sim_begin(&hooks, seed, job.setup.n_ranks);
    sim_world_begin(&job.setup);
    job.ranks = calloc(sim.n_ranks, sizeof *job.ranks);
    job.link_free = calloc(sim.n_ranks, sizeof *job.link_free);
    sim_check(job.ranks != NULL && job.link_free != NULL &&
                  crmpi_history_init(&job.history, sim.n_ranks) == CRMPI_OK,
              "out of memory");
    start_ranks();
    while (sim_step())
        ;
    if (sim.n_stopped > 0)
        sim_check(sim.n_stopped == sim.n_ranks,
                  "some ranks are stopped, and some are not");
    else
        sim_check(sim_world_all_ended(), "a program does not end");
    for (uint32_t r = 0; r < sim.n_ranks && sim.n_stopped == 0; r++) {
        sim_check(!job.ranks[r].wish && !job.ranks[r].wish_all, "a wish is forgotten");
        sim_check(sim.ranks[r].finished, "the engine does not end");
        sim_check(sim.hooks->policy->phase(sim.ranks[r].policy) == NULL,
                  "a checkpoint does not end");
    }
    end_ranks();
    sim_end();
    sim_world_end();
    crmpi_history_fini(&job.history);
    free(job.ranks);
    free(job.link_free);
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    unsigned n_jobs = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 3000;
    unsigned n_committed = 0, n_partial = 0, n_given_up = 0, n_again = 0, n_kills = 0;
    unsigned n_grown = 0, n_stopped = 0, n_background = 0, n_background_lost = 0;
    unsigned n_too_slow = 0;

    for (unsigned i = 0; i < n_jobs; i++) {
        job_run(seed + i);
        n_committed += job.n_committed;
        n_partial += job.n_partial;
        n_given_up += job.n_given_up;
        n_again += job.n_tried_again;
        n_kills += job.n_kills;
        n_grown += job.n_grown;
        n_stopped += sim.n_stopped > 0;
        n_background += job.n_background;
        n_background_lost += job.n_background_lost;
        n_too_slow += job.n_too_slow;
    }
    printf("%u jobs: %u commits, %u of them partial, %u given up, ranks let go to try "
           "again %u times, groups grown %u times, %u kills, %u jobs stopped; ranks saved "
           "in the background: %u times, %u times in vain; %u groups too slow\n",
           n_jobs, n_committed, n_partial, n_given_up, n_again, n_grown, n_kills,
           n_stopped, n_background, n_background_lost, n_too_slow);
    sim_check(n_jobs < 500 ||
                  (n_partial > n_jobs / 8 && n_given_up > n_jobs / 20 &&
                   n_again > n_jobs / 4 && n_kills > n_jobs / 4 && n_grown > n_jobs / 4 &&
                   n_stopped > n_jobs / 50 && n_background > n_jobs &&
                   n_background_lost > n_jobs / 50 && (n_jobs < 3000 || n_too_slow > 0)),
              "the jobs do not try what they should");
    return 0;
}
