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
#include "sim/phase.h"
#include "sim/sim.h"
#include "sim/world.h"

#define LIMIT_MS 60000 /* if it is less attempts of groups, and of all, are too slow */

enum sim_kind {
    SIM_MESSAGE,
    SIM_TICK,
    SIM_RESULT,  /* an action that has a result is done */
    SIM_DRAINED,
    SIM_COMPLETED, /* the file is written, in the background */
    SIM_RUN,     /* the program may be able to go on */
    SIM_REQUEST,
    SIM_TOUCH,   /* arrives at the owner */
    SIM_GRANTED, /* arrives at the origin */
    SIM_KILL,
};

struct sim_item {
    enum sim_kind kind;
    uint32_t rank, from;
    struct crmpi_message message;
    void *payload;
    size_t payload_bytes;
    uint64_t stamp; /* DRAINED: the drain; COMPLETED: the checkpoint; TOUCH, GRANTED: the origin's interval */
    struct sim_item *next;
};

struct job_action {
    enum crmpi_action_kind kind;
    struct crmpi_action action;
    uint64_t group; /* as bits */
    struct crmpi_saved *saved;
};

struct rank {
    struct crmpi_policy *policy;
    struct crmpi_rank does;
    int busy;
    struct sim_item *inbox, **inbox_end;
    struct job_action todo[4];
    unsigned n_todo;
    int64_t tick_ms;
    uint64_t group, drain; /* of the newest action */
    int at_targets_told, wish, wish_all, finish_told, finished, stopped;
    int late, late_all;  /* wishes of those whose threads have gone on */
    uint64_t captured_sn; /* the newest */
    uint64_t completing;  /* its number; 0: not */
    int resumed;
    struct sim_item *touches; /* wait until the memory is open */
};

static struct job {
    struct sim_world_setup setup;
    uint32_t n_ranks;
    struct rank *ranks;
    double (*link_free)[SIM_WORLD_RANKS];
    double now_us;
    uint32_t n_finished, n_stopped;
    unsigned n_committed, n_partial, n_given_up, n_tried_again, n_kills, n_grown;
    unsigned n_background, n_background_lost, n_too_slow;
    uint64_t newest_sn, line, restored;
    uint64_t base; /* the newest checkpoint of all */
    struct crmpi_history history; /* of what is committed */
} job;

static const struct crmpi_policy_ops *const ops = &crmpi_policy_partial;

static void check(int holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "sim: %s: seed %llu, %u ranks, at %.3f ms\n", what,
            (unsigned long long)job.setup.seed, job.n_ranks, job.now_us / 1000);
    exit(1);
}

static void later(double delay_us, struct sim_item item)
{
    struct sim_item *copy = malloc(sizeof *copy);
    check(copy != NULL, "out of memory");
    *copy = item;
    sim_queue_add(job.now_us + delay_us, copy);
}

static void free_item(struct sim_item *item)
{
    free(item->payload);
    free(item);
}

static uint64_t everybody(void)
{
    return job.n_ranks == 64 ? ~(uint64_t)0 : ((uint64_t)1 << job.n_ranks) - 1;
}

static uint64_t bits_of(const uint32_t *group, size_t n)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < n; i++) {
        check(group[i] < job.n_ranks && (i == 0 || group[i] > group[i - 1]),
              "a group that is not in order");
        bits |= (uint64_t)1 << group[i];
    }
    return group != NULL ? bits : everybody();
}

/* ---- the network ---- */

static double arrival(uint32_t from, uint32_t to)
{
    double at = job.now_us + (1 + sim_hops(from, to)) * sim_delay(job.setup.latency_us);

    if (at < job.link_free[from][to])
        at = job.link_free[from][to];
    job.link_free[from][to] = at;
    return at;
}

static void send_message(void *context, uint32_t to, const struct crmpi_message *message,
                         const void *payload, size_t payload_bytes)
{
    struct rank *rank = context;
    uint32_t from = (uint32_t)(rank - job.ranks);
    struct sim_item item = {
        .kind = SIM_MESSAGE, .rank = to, .from = from, .message = *message};

    check(to < job.n_ranks && to != from && message->kind < CRMPI_MESSAGE_KINDS,
          "a message to nobody");
    check(!rank->stopped, "a rank that ends speaks, and the others may be gone");
    if (payload_bytes > 0) {
        item.payload = malloc(payload_bytes);
        check(item.payload != NULL, "out of memory");
        memcpy(item.payload, payload, payload_bytes);
        item.payload_bytes = payload_bytes;
    }
    later(arrival(from, to) - job.now_us, item);
}

/* ---- programs ---- */

static void give(uint32_t r, struct crmpi_event event);

static void run_later(uint32_t r, double mean_us)
{
    later(sim_delay(mean_us), (struct sim_item){.kind = SIM_RUN, .rank = r});
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
        later(arrival(r, owner) - job.now_us,
              (struct sim_item){.kind = SIM_TOUCH, .rank = owner, .from = r,
                                .stamp = sim_world_interval(r)});
        break;
    case SIM_STEP_WAIT:
        break;
    case SIM_STEP_END:
        if (!rank->finish_told && !rank->busy) {
            rank->finish_told = 1;
            give(r, (struct crmpi_event){.kind = CRMPI_EVENT_FINISHING});
        }
        break;
    }
    for (uint32_t other = 0; other < job.n_ranks; other++)
        if (wake >> other & 1)
            run_later(other, job.setup.latency_us);
    if (sim_world_running_on(r) && !rank->at_targets_told && !rank->busy &&
        sim_world_at_targets(r)) {
        rank->at_targets_told = 1;
        give(r, (struct crmpi_event){.kind = CRMPI_EVENT_AT_TARGETS});
    }
}

/* ---- touches ---- */

static void touch(struct sim_item *item)
{
    struct rank *owner = &job.ranks[item->rank];

    if (owner->busy || ops->is_closed(owner->policy)) {
        item->next = owner->touches;
        owner->touches = item;
        return;
    }
    sim_world_touched(item->rank, item->from);
    later(arrival(item->rank, item->from) - job.now_us,
          (struct sim_item){.kind = SIM_GRANTED, .rank = item->from, .from = item->rank,
                            .stamp = item->stamp});
    free_item(item);
}

static void answer_touches(uint32_t r)
{
    struct sim_item *waiting = job.ranks[r].touches;

    job.ranks[r].touches = NULL;
    while (waiting != NULL) {
        struct sim_item *item = waiting;
        waiting = waiting->next;
        touch(item);
    }
}

/* ---- actions ---- */

static double duration(enum crmpi_action_kind kind)
{
    return kind == CRMPI_ACTION_SAVE || kind == CRMPI_ACTION_COMMIT
               ? sim_delay(job.setup.save_us)
           : kind == CRMPI_ACTION_PARK ? sim_delay(job.setup.park_us)
                                       : 0;
}

static void resume(uint32_t r, const struct crmpi_action *action)
{
    struct rank *rank = &job.ranks[r];

    for (uint32_t other = 0; other < job.n_ranks; other++)
        check(!(rank->group >> other & 1) || job.ranks[other].captured_sn >= action->sn,
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
        check(action->line > 0, "a commit without a line");
        check(sim_world_newest(r) == action->sn, "released before the line was written");
        sim_world_committed(r, rank->group);
        rank->wish = 0;
        rank->wish_all &= !action->all;
    } else if (!action->retried) {
        check(job.setup.fault_chance > 0 || job.setup.limit_ms < LIMIT_MS,
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
    check(r == 0 || action->alone, "a report elsewhere than in rank 0");
    if (action->alone) { /* tried again with all */
        check(job.setup.limit_ms < LIMIT_MS, "there was time");
        job.n_too_slow++;
    } else if (action->committed) {
        job.n_committed++;
        job.n_partial += !action->all;
    } else {
        check(action->why != NULL &&
                  (job.setup.fault_chance > 0 || job.setup.limit_ms < LIMIT_MS ||
                   strcmp(action->why, "it is in MPI_Finalize") == 0),
              "given up for no reason");
        job.n_given_up++;
    }
}

static void end(uint32_t r)
{
    check(job.setup.stops && sim_world_newest(r) == job.newest_sn &&
              sim_world_is_parked(r),
          "a rank ends without a line, or its threads have gone on");
    for (unsigned i = 0; i < CRMPI_TREE_CHILDREN; i++)
        check(CRMPI_TREE_CHILD(r, i) >= job.n_ranks ||
                  job.ranks[CRMPI_TREE_CHILD(r, i)].stopped,
              "a rank ends before those below it");
    job.ranks[r].stopped = 1;
    job.n_stopped++;
}

static void note(uint32_t r, const struct crmpi_action *action)
{
    struct rank *rank = &job.ranks[r];
    struct job_action *noted = &rank->todo[rank->n_todo];

    check(rank->n_todo < 4, "too many actions at once");
    rank->n_todo++;
    *noted = (struct job_action){.kind = action->kind, .action = *action};
    noted->group = bits_of(action->group, action->n_group);
    if (action->kind == CRMPI_ACTION_COMMIT) {
        noted->saved = malloc(action->n_saved * sizeof *noted->saved);
        check(noted->saved != NULL, "out of memory");
        memcpy(noted->saved, action->saved, action->n_saved * sizeof *noted->saved);
        return;
    }
    check(noted->group >> r & 1, "an action for a group of others");
    if (action->kind != CRMPI_ACTION_PARK)
        check(noted->group == rank->group, "another group than was parked");
    if (action->kind == CRMPI_ACTION_SAVE)
        check(action->cohort == NULL ? noted->group == everybody()
                                     : action->n_cohort == action->n_group,
              "another cohort than group");
    job.n_grown += action->kind == CRMPI_ACTION_PARK && sim_world_is_parked(r) &&
                   noted->group != rank->group;
    rank->group = noted->group;
}

static void act(void *context, const struct crmpi_action *action)
{
    struct rank *rank = context;
    uint32_t r = (uint32_t)(rank - job.ranks);

    check(sim_phase_act(&rank->does, action->kind),
          "an action that this phase cannot have");
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
        check(sim_world_all_ended() && !rank->resumed,
              "the engine ends before the programs, or a checkpoint");
        rank->finished = 1;
        job.n_finished++;
        break;
    case CRMPI_ACTION_RELEASE:
        release(r, action);
        break;
    case CRMPI_ACTION_RESUME:
        resume(r, action);
        break;
    case CRMPI_ACTION_COMPLETE:
        rank->completing = action->sn;
        later(sim_delay(job.setup.write_us),
              (struct sim_item){
                  .kind = SIM_COMPLETED, .rank = r, .stamp = rank->completing});
        break;
    case CRMPI_ACTION_END:
        end(r);
        break;
    default:
        note(r, action);
        break;
    }
}

/* What a rank's file says: it has exchanged messages with each of its neighbours. */
static void add_to_history(uint32_t r, const struct job_action *noted)
{
    struct crmpi_checkpoint about = {.sn = noted->action.sn,
                                     .incarnation = job.n_kills,
                                     .restored = job.restored};
    struct crmpi_dependencies d = {.world_rank = r,
                                   .n_ranks = job.n_ranks,
                                   .sn = noted->action.sn,
                                   .interval = sim_world_cut_interval(r),
                                   .base = job.base};
    uint32_t *peers = sim_world_cut_neighbours(r, &d.n_streams);

    d.streams = calloc(d.n_streams + 1, sizeof *d.streams);
    d.cohort = calloc(job.n_ranks, sizeof *d.cohort);
    check(d.streams != NULL && d.cohort != NULL, "out of memory");
    for (size_t i = 0; i < d.n_streams; i++)
        d.streams[i] =
            (struct crmpi_stream){.comm = 1, .peer = peers[i], .sent = 1, .received = 1};
    for (uint32_t i = 0; i < job.n_ranks && !noted->action.all; i++)
        for (size_t k = 0; k < noted->action.n_saved; k++)
            if (noted->saved[k].world_rank == i)
                d.cohort[d.n_cohort++] =
                    (struct crmpi_member){.rank = i, .interval = noted->action.sn};
    check(crmpi_history_add(&job.history, r, &about, &d) == CRMPI_OK,
          "a checkpoint does not fit into the history");
    crmpi_dependencies_fini(&d);
    free(peers);
}

/* What can be computed from all checkpoints there are has to be the newest of each. */
static void check_history(void)
{
    struct crmpi_recovery_line line;
    uint64_t sn[SIM_WORLD_RANKS];

    for (uint32_t r = 0; r < job.n_ranks; r++)
        sn[r] = sim_world_newest(r);
    check(crmpi_history_add_line(&job.history, job.line, sn) == CRMPI_OK,
          "a line does not fit into the history");
    check(crmpi_history_link(&job.history) == CRMPI_OK &&
              crmpi_recovery_line(&job.history, NULL, NULL, NULL, &line) == CRMPI_OK,
          "the history has no line");
    for (uint32_t r = 0; r < job.n_ranks; r++)
        check(line.sn[r] == sim_world_newest(r), "the line computed is another one");
    crmpi_recovery_line_fini(&line);
}

static void commit(const struct job_action *noted, struct crmpi_event *result)
{
    uint64_t group = 0;

    for (size_t i = 0; i < noted->action.n_saved; i++) {
        const struct crmpi_saved *saved = &noted->saved[i];
        check(!(group >> saved->world_rank & 1), "a rank is saved twice");
        group |= (uint64_t)1 << saved->world_rank;
        check(saved->sn == noted->action.sn, "numbers differ in a group");
        add_to_history((uint32_t)saved->world_rank, noted);
        sim_world_commit((uint32_t)saved->world_rank, saved->sn);
    }
    check(noted->action.all == (group == everybody()), "a line of all without all");
    check(group == everybody() || (group & ~sim_world_closure(noted->action.leader)) == 0,
          "a rank was saved without need");
    check(sim_world_newest_is_consistent(), "the newest checkpoints are no line");
    if (noted->action.sn > job.newest_sn)
        job.newest_sn = noted->action.sn;
    job.line = job.line + 1 > job.newest_sn ? job.line + 1 : job.newest_sn;
    check_history();
    if (noted->action.all)
        job.base = noted->action.sn;
    result->kind = CRMPI_EVENT_COMMITTED;
    result->line = job.line;
}

/* The protocol thread has done an action; returns whether there is a result now. */
static int result_of(uint32_t r, struct job_action *noted, struct crmpi_event *result)
{
    *result = (struct crmpi_event){0};
    if (noted->kind == CRMPI_ACTION_DRAIN && job.ranks[r].does.phase != CRMPI_RANK_DRAINS)
        return 0; /* released before it began */
    if (noted->kind == CRMPI_ACTION_DRAIN) {
        job.ranks[r].drain = noted->action.attempt;
        later(sim_delay(job.setup.save_us),
              (struct sim_item){
                  .kind = SIM_DRAINED, .rank = r, .stamp = noted->action.attempt});
        return 0;
    }
    if (sim_chance(job.setup.fault_chance / job.n_ranks)) {
        *result = (struct crmpi_event){.kind = CRMPI_EVENT_FAILED, .why = "made to fail"};
        return 1;
    }
    switch (noted->kind) {
    case CRMPI_ACTION_PARK:
        sim_world_park(r);
        result->kind = CRMPI_EVENT_PARKED;
        result->counts = sim_world_counts(r, noted->group, &result->n_counts);
        result->neighbours =
            sim_world_neighbours(r, noted->group, &result->n_neighbours);
        result->interval = sim_world_interval(r);
        break;
    case CRMPI_ACTION_QUIET:
        result->kind = CRMPI_EVENT_QUIESCED;
        result->neighbours =
            sim_world_neighbours(r, noted->group, &result->n_neighbours);
        break;
    case CRMPI_ACTION_SAVE:
        check(ops->is_closed(job.ranks[r].policy), "saving what is open to others");
        sim_world_save(r, noted->action.sn);
        job.ranks[r].captured_sn = noted->action.sn;
        result->kind =
            !noted->action.foreground && sim_chance(job.setup.background_chance)
                ? CRMPI_EVENT_CAPTURED
                : CRMPI_EVENT_SAVED;
        break;
    default:
        commit(noted, result);
        break;
    }
    return 1;
}

/* ---- giving events to the policy ---- */

static void begin_todo(uint32_t r)
{
    struct rank *rank = &job.ranks[r];

    if (rank->busy || rank->n_todo == 0)
        return;
    rank->busy = 1;
    later(duration(rank->todo[0].kind), (struct sim_item){.kind = SIM_RESULT, .rank = r});
}

static void give(uint32_t r, struct crmpi_event event)
{
    struct rank *rank = &job.ranks[r];
    int64_t wakeup;

    event.now_ms = (int64_t)(job.now_us / 1000);
    check(sim_phase_event(&rank->does, event.kind),
          "a result that this phase cannot have");
    ops->event(rank->policy, &event);
    begin_todo(r);
    wakeup = ops->wakeup_ms(rank->policy);
    if (wakeup != INT64_MAX && wakeup != rank->tick_ms) {
        double wait_us = (double)(wakeup + 1) * 1000 - job.now_us;
        rank->tick_ms = wakeup;
        later(wait_us > 0 ? wait_us : 0, (struct sim_item){.kind = SIM_TICK, .rank = r});
    }
    if (!rank->busy && !ops->is_closed(rank->policy))
        answer_touches(r);
}

static void deliver(struct sim_item *item)
{
    struct rank *rank = &job.ranks[item->rank];

    if (rank->busy) {
        item->next = NULL;
        *rank->inbox_end = item;
        rank->inbox_end = &item->next;
        return;
    }
    if (!rank->finished)
        give(item->rank, (struct crmpi_event){.kind = CRMPI_EVENT_MESSAGE,
                                              .from = item->from,
                                              .message = &item->message,
                                              .payload = item->payload,
                                              .payload_bytes = item->payload_bytes});
    free_item(item);
}

static void take_result(uint32_t r)
{
    struct rank *rank = &job.ranks[r];
    struct job_action noted = rank->todo[0];
    struct crmpi_event result;

    rank->n_todo--;
    memmove(&rank->todo[0], &rank->todo[1], rank->n_todo * sizeof noted);
    rank->busy = 0;
    if (result_of(r, &noted, &result)) {
        check(rank->n_todo == 0, "another action before the result of one");
        give(r, result);
        free((void *)result.counts);
        free((void *)result.neighbours);
    }
    free(noted.saved);
    begin_todo(r);
    while (!rank->busy && rank->inbox != NULL) {
        struct sim_item *item = rank->inbox;
        rank->inbox = item->next;
        if (rank->inbox == NULL)
            rank->inbox_end = &rank->inbox;
        deliver(item);
    }
    if (!rank->busy)
        run_later(r, 0);
}

static void drained(uint32_t r, uint64_t drain)
{
    if (job.ranks[r].drain != drain)
        return; /* given up meanwhile */
    if (job.ranks[r].busy) { /* writing another group's line */
        later(job.setup.latency_us,
              (struct sim_item){.kind = SIM_DRAINED, .rank = r, .stamp = drain});
        return;
    }
    job.ranks[r].drain = 0;
    sim_world_drain(r, job.ranks[r].group);
    give(r, (struct crmpi_event){.kind = CRMPI_EVENT_DRAINED});
}

static void completed(uint32_t r, uint64_t sn)
{
    struct crmpi_event event = {.kind = CRMPI_EVENT_SAVED};

    if (job.ranks[r].completing != sn)
        return; /* given up meanwhile */
    if (job.ranks[r].busy) { /* writing another group's line */
        later(job.setup.latency_us,
              (struct sim_item){.kind = SIM_COMPLETED, .rank = r, .stamp = sn});
        return;
    }
    job.ranks[r].completing = 0;
    if (sim_chance(job.setup.fault_chance / job.n_ranks))
        event = (struct crmpi_event){.kind = CRMPI_EVENT_FAILED, .why = "made to fail"};
    give(r, event);
}

static void request(struct sim_item *item)
{
    struct rank *rank = &job.ranks[item->rank];
    int all = item->rank == 0 && sim_chance(0.3), stop = all && job.setup.stops;

    if (rank->finish_told || rank->finished)
        return;
    if (rank->busy) {
        later(job.setup.latency_us, *item);
        return;
    }
    if (item->rank == 0 && !all && sim_chance(0.3)) { /* for another rank */
        give(0, (struct crmpi_event){.kind = CRMPI_EVENT_REQUEST,
                                     .of = 1 + sim_pick(job.n_ranks - 1)});
        return;
    }
    if (rank->resumed) {
        rank->late = 1;
        rank->late_all |= all;
    } else {
        rank->wish = 1;
        rank->wish_all |= all;
    }
    give(item->rank,
         (struct crmpi_event){.kind = CRMPI_EVENT_REQUEST, .all = all, .stop = stop});
}

/* ---- a job from beginning to end ---- */

static void start_ranks(void)
{
    struct crmpi_policy_parameters parameters = {.next_sn = job.newest_sn + 1,
                                                 .limit_ms = job.setup.limit_ms};

    for (uint32_t r = 0; r < job.n_ranks; r++) {
        struct rank *rank = &job.ranks[r];
        struct crmpi_policy_env env = {.context = rank, .send = send_message, .act = act};
        *rank = (struct rank){.policy = ops->create(r, job.n_ranks, &parameters, &env)};
        rank->inbox_end = &rank->inbox;
        check(rank->policy != NULL, "out of memory");
        run_later(r, job.setup.compute_us);
    }
    for (unsigned i = 0; i < 3 * job.setup.n_requests; i++)
        later(sim_delay(job.setup.span_us),
              (struct sim_item){.kind = SIM_REQUEST, .rank = sim_pick(job.n_ranks)});
    if (sim_chance(job.setup.kill_chance))
        later(sim_delay(job.setup.span_us), (struct sim_item){.kind = SIM_KILL});
}

static void end_ranks(void)
{
    struct sim_item *item;
    double at_us;

    while ((item = sim_queue_take(&at_us)) != NULL)
        free_item(item);
    for (uint32_t r = 0; r < job.n_ranks; r++) {
        struct rank *rank = &job.ranks[r];
        while ((item = rank->inbox) != NULL) {
            rank->inbox = item->next;
            free_item(item);
        }
        while ((item = rank->touches) != NULL) {
            rank->touches = item->next;
            free_item(item);
        }
        for (unsigned i = 0; i < rank->n_todo; i++)
            free(rank->todo[i].saved);
        ops->destroy(rank->policy);
    }
}

static void kill_and_restart(void)
{
    check(sim_world_newest_is_consistent(), "a line is not consistent when needed");
    end_ranks();
    memset(job.link_free, 0, job.n_ranks * sizeof *job.link_free);
    sim_world_restore(job.line > job.newest_sn ? job.line : job.newest_sn);
    job.newest_sn = job.line > job.newest_sn ? job.line : job.newest_sn;
    job.restored = job.line;
    job.n_kills++;
    start_ranks();
}

static void step(struct sim_item *item)
{
    uint32_t r = item->rank;
    struct rank *rank = &job.ranks[r];

    if (rank->stopped) {
        free_item(item);
        return;
    }
    switch (item->kind) {
    case SIM_MESSAGE:
        deliver(item);
        return;
    case SIM_TOUCH:
        touch(item);
        return;
    case SIM_RESULT:
        take_result(r);
        break;
    case SIM_DRAINED:
        drained(r, item->stamp);
        break;
    case SIM_COMPLETED:
        completed(r, item->stamp);
        break;
    case SIM_TICK:
        rank->tick_ms = 0;
        if (!rank->busy && !rank->finished)
            give(r, (struct crmpi_event){.kind = CRMPI_EVENT_TICK});
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
        free_item(item);
        if (job.n_finished == 0 && job.n_stopped == 0)
            kill_and_restart();
        return;
    }
    free_item(item);
}

static void job_run(uint64_t seed)
{
    struct sim_item *item;

    sim_seed(seed);
    memset(&job, 0, sizeof job);
    sim_world_setup_random(&job.setup, seed);
    job.n_ranks = job.setup.n_ranks;
    sim_world_begin(&job.setup);
    job.ranks = calloc(job.n_ranks, sizeof *job.ranks);
    job.link_free = calloc(job.n_ranks, sizeof *job.link_free);
    check(job.ranks != NULL && job.link_free != NULL &&
              crmpi_history_init(&job.history, job.n_ranks) == CRMPI_OK,
          "out of memory");
    start_ranks();
    while ((item = sim_queue_take(&job.now_us)) != NULL) {
        check(job.now_us < 3.6e9, "the job does not end");
        step(item);
    }
    if (job.n_stopped > 0)
        check(job.n_stopped == job.n_ranks, "some ranks are stopped, and some are not");
    else
        check(sim_world_all_ended(), "a program does not end");
    for (uint32_t r = 0; r < job.n_ranks && job.n_stopped == 0; r++) {
        check(!job.ranks[r].wish && !job.ranks[r].wish_all, "a wish is forgotten");
        check(job.ranks[r].finished, "the engine does not end");
        check(ops->phase(job.ranks[r].policy) == NULL, "a checkpoint does not end");
    }
    end_ranks();
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
        n_stopped += job.n_stopped > 0;
        n_background += job.n_background;
        n_background_lost += job.n_background_lost;
        n_too_slow += job.n_too_slow;
    }
    printf("%u jobs: %u commits, %u of them partial, %u given up, ranks let go to try "
           "again %u times, groups grown %u times, %u kills, %u jobs stopped; ranks saved "
           "in the background: %u times, %u times in vain; %u groups too slow\n",
           n_jobs, n_committed, n_partial, n_given_up, n_again, n_grown, n_kills,
           n_stopped, n_background, n_background_lost, n_too_slow);
    check(n_jobs < 500 || (n_partial > n_jobs / 8 && n_given_up > n_jobs / 20 &&
                           n_again > n_jobs / 4 && n_kills > n_jobs / 4 &&
                           n_grown > n_jobs / 4 && n_stopped > n_jobs / 50 &&
                           n_background > n_jobs && n_background_lost > n_jobs / 50 &&
                           (n_jobs < 3000 || n_too_slow > 0)),
          "the jobs do not try what they should");
    return 0;
}
