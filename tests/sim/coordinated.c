/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The coordinated policy in simulated jobs: thousands of ranks in one process, under a
 * scheduler whose choices come from a seed.  The ranks run made-up programs of
 * collectives, messages, and communicators that come and go; checkpoints are asked for at
 * any moment, and any step of one may fail.  Checked are
 *
 *   safety    a rank saves only when all ranks are parked, have equal counts on every
 *             communicator, and are drained and quiet; threads go on while files are
 *             being written only when all ranks have their memory; a line is committed
 *             only if all have saved; all ranks learn the same outcome
 *   liveness  every request ends, with a line unless something was made to fail; the
 *             programs end, and with them the engine; or, if it was asked for, all ranks
 *             end after a line, each after those below it in the tree
 *   cost      a rank sends a few messages per round, whatever the number of ranks, and
 *             the time grows with the depth of the tree
 *
 * Usage: sim-coordinated [SEED [JOBS]]   a failing seed is printed; it repeats exactly
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "policy/policy.h"
#include "sim/ranks.h"
#include "sim/sim.h"

#define LIMIT_MS 60000

/* What happens, besides what happens in all simulated jobs. */
enum own_kind {
    SIM_DRAINED = SIM_OWN, /* stamp: the attempt */
    SIM_COMPLETED,         /* the file is written, in the background; likewise */
    SIM_LOOK,              /* whether the targets are reached */
    SIM_COMPUTED, /* the program comes to its next operation; stamp: its position */
    SIM_PROGRAM,  /* the program may be able to go on */
    SIM_REQUEST,
    SIM_CLOSED, /* the connection to a child has ended */
};

enum step_state { COMPUTES, READY, AT_GATE, WAITS, ENDED };

struct rank {
    uint64_t n_sent;

    int parked, running_on, at_targets_told, drained, quiet, saved;
    int captured, resumed; /* the memory is taken; and the threads have gone on */
    int foreground; /* of the newest SAVE */

    size_t position; /* in its program */
    enum step_state state;
};

static struct job {
    const struct sim_setup *setup;
    struct rank *ranks;
    struct sim_program program;
    uint32_t n_saved, n_captured, n_parked, n_drain_begun, n_ended;
    int outcome; /* of the attempt: 0 open, 1 committed, -1 given up */
    int cut_checked;
    int awaited; /* rank 0 was asked, and there is no outcome yet */
    int awaited_next; /* when threads had gone on: the outcome after this one */
    int faulted; /* something was made to fail in this attempt */
    unsigned n_reports, n_committed, n_rounds, n_background, n_background_lost;
    double begun_us, took_us; /* the newest attempt, and how long it took */
} job;

/* A message, or the end of a connection. */
static void send_on(uint32_t by, struct sim_item item)
{
    job.ranks[by].n_sent += item.kind == SIM_MESSAGE;
    sim_pass_on(by, item, sim_delay(job.setup->latency_us));
}

/* ---- the program of a rank ---- */

static int operation_is_complete(const struct sim_operation *operation, uint32_t r)
{
    switch (operation->kind) {
    case SIM_COLLECTIVE:
        return operation->n_entered == operation->n_members;
    case SIM_BROADCAST: /* the first member is the root */
        return operation->root_entered;
    case SIM_EAGER:
        return operation->members[0] == r || operation->root_entered;
    case SIM_RENDEZVOUS:
        return operation->n_entered == 2;
    case SIM_CREATE:
    case SIM_FREE:
        return 1;
    }
    return 0;
}

static int has_reached_targets(uint32_t r)
{
    const struct sim_rank *rank = &sim.ranks[r];

    for (size_t i = 0; i < rank->n_targets; i++) {
        const struct sim_membership *of =
            sim_membership(&job.program, r, rank->targets[i].comm_id);
        if (of != NULL && of->exists && of->count < rank->targets[i].count)
            return 0;
    }
    return 1;
}

/* The gate in front of collectives. */
static int may_enter(uint32_t r, const struct sim_operation *operation)
{
    const struct sim_rank *rank = &sim.ranks[r];
    const struct sim_membership *of;

    if (!job.ranks[r].running_on ||
        (operation->kind != SIM_COLLECTIVE && operation->kind != SIM_BROADCAST))
        return 1;
    of = sim_membership(&job.program, r, operation->comm_id);
    for (size_t i = 0; i < rank->n_targets; i++)
        if (rank->targets[i].comm_id == operation->comm_id &&
            of->count >= rank->targets[i].count)
            return !has_reached_targets(r);
    return 1;
}

static void wake_members(const struct sim_operation *operation)
{
    for (uint32_t i = 0; i < operation->n_members; i++)
        sim_later(0,
                  (struct sim_item){.kind = SIM_PROGRAM, .rank = operation->members[i]});
}

static void enter(uint32_t r, struct sim_operation *operation)
{
    job.ranks[r].state = WAITS;
    operation->n_entered++;
    if (operation->members[0] == r)
        operation->root_entered = 1;
    if (operation->n_entered == operation->n_members || operation->members[0] == r)
        wake_members(operation);
}

static void compute(uint32_t r)
{
    struct rank *rank = &job.ranks[r];
    double time_us = sim_delay(job.setup->compute_us);

    if (r == job.setup->slow_rank && rank->position == 20)
        time_us = 3 * LIMIT_MS * 1e3;
    rank->state = COMPUTES;
    sim_later(time_us, (struct sim_item){
                           .kind = SIM_COMPUTED, .rank = r, .stamp = rank->position});
}

static void tell_if_at_targets(uint32_t r);

static void complete(uint32_t r, const struct sim_operation *operation)
{
    struct sim_membership *of = sim_membership(&job.program, r, operation->comm_id);

    if (operation->kind == SIM_COLLECTIVE || operation->kind == SIM_BROADCAST)
        of->count++;
    else if (operation->kind == SIM_CREATE)
        of->exists = 1;
    else if (operation->kind == SIM_FREE)
        of->exists = 0;
    job.ranks[r].position++;
    compute(r);
    tell_if_at_targets(r);
}

/* The rank's thread has the processor: go on as far as it can. */
static void program_go_on(uint32_t r)
{
    struct rank *rank = &job.ranks[r];
    struct sim_operation *operation = sim_operation(&job.program, r, rank->position);

    if (rank->parked || rank->state == COMPUTES || rank->state == ENDED)
        return;
    if (operation == NULL) {
        rank->state = ENDED;
        job.n_ended++;
        if (!sim.ranks[r].busy)
            sim_give(r, (struct crmpi_event){.kind = CRMPI_EVENT_FINISHING});
        return;
    }
    if (rank->state != WAITS) {
        rank->state = AT_GATE;
        if (!may_enter(r, operation))
            return;
        enter(r, operation);
    }
    if (operation_is_complete(operation, r))
        complete(r, operation);
}

/* ---- actions ---- */

/* Unless the attempt is given up, and this rank does not know yet.  All ranks stay
 * parked, so the rest holds for all of them if it does for the first. */
static void check_cut(void)
{
    if (job.outcome != 0)
        return;
    sim_check(job.n_parked == sim.n_ranks, "saving, and not all ranks are parked");
    if (job.cut_checked)
        return;
    job.cut_checked = 1;
    sim_check(sim_counts_agree(&job.program), "saving, and the counts do not agree");
    for (uint32_t i = 0; i < sim.n_ranks; i++)
        sim_check(job.ranks[i].drained && job.ranks[i].quiet,
                  "saving, and not all ranks are drained and quiet");
}

static void unpark(struct rank *rank)
{
    sim_check(!rank->parked || !job.cut_checked || job.outcome != 0 || rank->resumed,
              "a rank runs after the cut");
    job.n_parked -= (uint32_t)rank->parked;
    rank->parked = 0;
    rank->drained = rank->quiet = 0;
}

/* Let the event at hand end first. */
static void run_again(uint32_t r)
{
    sim_later(0, (struct sim_item){.kind = SIM_PROGRAM, .rank = r});
}

static void resume(struct rank *rank)
{
    sim_check(rank->captured && rank->parked, "threads go on, and were not saved");
    sim_check(job.outcome != 0 || job.n_captured == sim.n_ranks,
              "threads go on, and not all ranks have their memory");
    sim_check(!rank->foreground, "threads go on, and are to stand still");
    rank->resumed = 1;
    unpark(rank);
    run_again((uint32_t)(rank - job.ranks));
}

static void release(struct rank *rank, const struct crmpi_action *action)
{
    sim_check(job.outcome == (action->committed ? 1 : -1),
              "ranks learn different outcomes");
    sim_check(!action->committed || rank->saved, "committed without this rank");
    job.n_background_lost += rank->resumed && !action->committed;
    job.n_background += rank->resumed && action->committed;
    rank->running_on = 0;
    job.n_saved -= (uint32_t)rank->saved;
    job.n_captured -= (uint32_t)rank->captured;
    rank->saved = rank->captured = 0;
    unpark(rank);
    rank->resumed = 0;
    run_again((uint32_t)(rank - job.ranks));
}

static void report(const struct crmpi_action *action)
{
    int may_fail = job.faulted || job.setup->slow_rank != UINT32_MAX ||
                   job.setup->silent_rank != UINT32_MAX;

    sim_check(job.outcome == 0, "two outcomes");
    if (action->committed)
        sim_check(job.n_saved == sim.n_ranks, "committed, and not all have saved");
    else
        sim_check(may_fail && action->why != NULL && action->why[0] != '\0',
                  "given up for no reason");
    job.awaited = job.awaited_next;
    job.awaited_next = 0;
    job.outcome = action->committed ? 1 : -1;
    job.n_reports++;
    job.n_committed += action->committed != 0;
    job.took_us = sim.now_us - job.begun_us;
    sim_check(job.took_us < (2 * LIMIT_MS) * 1e3, "a checkpoint is not given up in time");
}

/* The process ends, and with it its connections. */
static void stop(uint32_t r)
{
    const struct rank *rank = &job.ranks[r];

    sim_check(job.setup->stops && job.outcome == 1 && rank->saved,
              "a rank ends without a line");
    sim_check(rank->parked, "a rank ends, and its threads have gone on");
    sim_stop(r);
    if (r > 0)
        send_on(r, (struct sim_item){
                       .kind = SIM_CLOSED, .from = r, .to = CRMPI_TREE_PARENT(r)});
}

/* How long the protocol thread is in an action. */
static double duration_us(uint32_t r, const struct crmpi_action *action)
{
    switch (action->kind) {
    case CRMPI_ACTION_PARK:
        if (r == job.setup->silent_rank && job.n_reports == 0)
            return 3 * LIMIT_MS * 1e3;
        return sim_delay(job.setup->park_us);
    case CRMPI_ACTION_SAVE:
    case CRMPI_ACTION_COMMIT:
        return sim_delay(job.setup->save_us);
    default:
        return 0;
    }
}

static void begin_attempt(void)
{
    job.outcome = 0;
    job.faulted = 0;
    job.cut_checked = 0;
    job.n_drain_begun = 0;
    job.begun_us = sim.now_us;
}

static void check_line(const struct crmpi_action *action)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < sim.n_ranks; i++)
        sum += action->saved[i].world_rank + 1;
    sim_check(sum == (uint64_t)sim.n_ranks * (sim.n_ranks + 1) / 2 &&
                  job.n_saved == sim.n_ranks,
              "a line without all ranks");
}

static int act(uint32_t r, const struct crmpi_action *action)
{
    struct rank *rank = &job.ranks[r];

    switch (action->kind) {
    case CRMPI_ACTION_RUN_ON:
        sim_set_targets(r, action);
        unpark(rank);
        rank->running_on = 1;
        rank->at_targets_told = 0;
        run_again(r);
        sim_later(0, (struct sim_item){.kind = SIM_LOOK, .rank = r});
        return 1;
    case CRMPI_ACTION_OPEN_GATE:
        if (rank->state == AT_GATE && !rank->parked) {
            enter(r, sim_operation(&job.program, r, rank->position));
            run_again(r);
        }
        return 1;
    case CRMPI_ACTION_REPORT:
        report(action);
        return 1;
    case CRMPI_ACTION_FINISH:
        sim_check(job.n_ended == sim.n_ranks && !rank->resumed,
                  "the engine ends before the programs, or a checkpoint");
        sim_finish(r);
        return 1;
    case CRMPI_ACTION_RELEASE:
        release(rank, action);
        return 1;
    case CRMPI_ACTION_END:
        stop(r);
        return 1;
    case CRMPI_ACTION_COMMIT:
        check_line(action);
        return 0;
    case CRMPI_ACTION_PARK:
        if (r == 0 && job.outcome != 0)
            begin_attempt();
        job.n_rounds += r == 0;
        return 0;
    case CRMPI_ACTION_SAVE:
        check_cut();
        rank->foreground = action->foreground;
        return 0;
    case CRMPI_ACTION_RESUME:
        resume(rank);
        return 1;
    case CRMPI_ACTION_COMPLETE:
        sim_later(
            sim_delay(job.setup->write_us),
            (struct sim_item){.kind = SIM_COMPLETED, .rank = r, .stamp = job.n_reports});
        return 1;
    default:
        return 0;
    }
}

static int made_to_fail(uint32_t r, enum crmpi_action_kind kind,
                        struct crmpi_event *result)
{
    if (!sim_chance(job.setup->fault_chance / sim.n_ranks))
        return 0;
    job.faulted = 1;
    *result = (struct crmpi_event){.kind = CRMPI_EVENT_FAILED, .why = "made to fail"};
    if (kind == CRMPI_ACTION_PARK) { /* all threads go on */
        job.ranks[r].running_on = 0;
        run_again(r);
    }
    return 1;
}

static struct crmpi_event park(uint32_t r)
{
    struct rank *rank = &job.ranks[r];
    struct crmpi_event result = {.kind = CRMPI_EVENT_PARKED};

    sim_check(!rank->parked, "parked twice");
    rank->parked = 1;
    rank->running_on = 0;
    job.n_parked++;
    result.counts = sim_counts(&job.program, r, &result.n_counts);
    return result;
}

static void drain(void)
{
    sim_check(job.n_parked == sim.n_ranks || job.outcome != 0,
              "draining, and not all ranks are parked");
    if (++job.n_drain_begun < sim.n_ranks)
        return;
    for (uint32_t r = 0; r < sim.n_ranks; r++)
        sim_later(
            sim_delay(job.setup->save_us),
            (struct sim_item){.kind = SIM_DRAINED, .rank = r, .stamp = job.n_reports});
}

static struct crmpi_event file_is_there(struct rank *rank)
{
    rank->saved = 1;
    job.n_saved++;
    return (struct crmpi_event){.kind = CRMPI_EVENT_SAVED};
}

/* The protocol thread has done an action; what is the result? */
static int result_of(uint32_t r, const struct crmpi_action *action,
                     struct crmpi_event *result)
{
    struct rank *rank = &job.ranks[r];

    if (action->kind != CRMPI_ACTION_DRAIN && made_to_fail(r, action->kind, result))
        return 1;
    switch (action->kind) {
    case CRMPI_ACTION_PARK:
        *result = park(r);
        return 1;
    case CRMPI_ACTION_DRAIN:
        drain();
        return 0;
    case CRMPI_ACTION_QUIET:
        sim_check(rank->drained, "quiet before it is drained");
        rank->quiet = 1;
        result->kind = CRMPI_EVENT_QUIESCED;
        return 1;
    case CRMPI_ACTION_SAVE:
        check_cut();
        rank->captured = 1;
        job.n_captured++;
        *result = rank->foreground || !sim_chance(job.setup->background_chance)
                      ? file_is_there(rank)
                      : (struct crmpi_event){.kind = CRMPI_EVENT_CAPTURED};
        return 1;
    case CRMPI_ACTION_COMMIT:
        result->kind = CRMPI_EVENT_COMMITTED;
        return 1;
    default:
        return 0;
    }
}

/* ---- giving events to the policy ---- */

static void tell_if_at_targets(uint32_t r)
{
    struct rank *rank = &job.ranks[r];
    if (!rank->running_on || rank->at_targets_told || sim.ranks[r].busy ||
        !has_reached_targets(r))
        return;
    rank->at_targets_told = 1;
    sim_give(r, (struct crmpi_event){.kind = CRMPI_EVENT_AT_TARGETS});
}

static void go_on(uint32_t r)
{
    if (job.ranks[r].state == ENDED && !sim.ranks[r].busy)
        sim_give(r, (struct crmpi_event){.kind = CRMPI_EVENT_FINISHING});
    tell_if_at_targets(r);
}

static void drained(uint32_t r, uint64_t attempt)
{
    struct crmpi_event event = {.kind = CRMPI_EVENT_DRAINED};

    if (attempt != job.n_reports || job.outcome != 0)
        return; /* given up meanwhile */
    if (!made_to_fail(r, CRMPI_ACTION_DRAIN, &event))
        job.ranks[r].drained = 1;
    sim_give(r, event);
}

/* The file is written; messages and all else came meanwhile. */
static void completed(uint32_t r, uint64_t attempt)
{
    struct crmpi_event event;

    if (attempt != job.n_reports || job.outcome != 0)
        return;
    if (!made_to_fail(r, CRMPI_ACTION_COMPLETE, &event))
        event = file_is_there(&job.ranks[r]);
    sim_give(r, event);
}

static void request(uint32_t r)
{
    const struct rank *rank = &job.ranks[r];

    if (sim.ranks[r].busy || (job.outcome == 0 && !rank->resumed))
        return;
    if (job.outcome == 0)
        job.awaited_next |= r == 0;
    else
        job.awaited |= r == 0 && !sim.ranks[r].finished;
    sim_give(r, (struct crmpi_event){.kind = CRMPI_EVENT_REQUEST,
                                     .stop = r == 0 && job.setup->stops});
}

static int come(struct sim_item *item)
{
    uint32_t r = item->rank;
    struct rank *rank = &job.ranks[r];

    switch ((enum own_kind)item->kind) {
    case SIM_DRAINED:
        drained(r, item->stamp);
        break;
    case SIM_COMPLETED:
        completed(r, item->stamp);
        break;
    case SIM_LOOK:
        tell_if_at_targets(r);
        break;
    case SIM_COMPUTED:
        if (rank->state == COMPUTES && rank->position == item->stamp)
            rank->state = READY;
        program_go_on(r);
        break;
    case SIM_PROGRAM:
        program_go_on(r);
        break;
    case SIM_REQUEST:
        request(r);
        break;
    case SIM_CLOSED:
        sim_check(sim.hooks->policy->may_leave(sim.ranks[r].policy, item->from),
                  "a rank leaves, and its parent does not expect it");
        break;
    }
    return 0;
}

static const struct sim_hooks hooks = {
    .policy = &crmpi_policy_coordinated,
    .send = send_on,
    .act = act,
    .duration_us = duration_us,
    .result = result_of,
    .go_on = go_on,
    .come = come,
};

/* ---- a job from beginning to end ---- */

static void job_begin(const struct sim_setup *setup)
{
    sim_begin(&hooks, setup->seed, setup->n_ranks);
    job = (struct job){.setup = setup, .outcome = -1};
    job.ranks = calloc(setup->n_ranks, sizeof *job.ranks);
    sim_check(job.ranks != NULL, "out of memory");
    sim_program_init(&job.program, setup);
    sim_ranks_start(
        &(struct crmpi_policy_parameters){.next_sn = 1, .limit_ms = LIMIT_MS});
    for (uint32_t r = 0; r < setup->n_ranks; r++)
        compute(r);
    for (unsigned i = 0; i < setup->n_requests; i++)
        sim_later(
            sim_delay(setup->span_us),
            (struct sim_item){.kind = SIM_REQUEST,
                              .rank = sim_chance(0.5) ? 0 : sim_pick(setup->n_ranks)});
}

static void job_end(void)
{
    sim_ranks_end();
    sim_end();
    free(job.ranks);
    sim_program_fini(&job.program);
}

static void job_run(const struct sim_setup *setup)
{
    job_begin(setup);
    while (sim_step())
        ;
    if (sim.n_stopped > 0) {
        sim_check(sim.n_stopped == sim.n_ranks,
                  "some ranks are stopped, and some are not");
        return;
    }
    sim_check(!job.awaited, "a request is forgotten");
    sim_check(job.n_ended == sim.n_ranks, "a program does not end");
    sim_check(sim.n_finished == sim.n_ranks, "the engine does not end");
    for (uint32_t r = 0; r < sim.n_ranks; r++)
        sim_check(sim.hooks->policy->phase(sim.ranks[r].policy) == NULL,
                  "a checkpoint does not end");
}

static void job_check_cost(void)
{
    const struct sim_setup *setup = job.setup;
    unsigned depth = 0;
    uint64_t most = 0;
    double bound_us;

    while ((sim.n_ranks - 1) >> depth > 0)
        depth++;
    for (uint32_t r = 0; r < sim.n_ranks; r++)
        if (job.ranks[r].n_sent > most)
            most = job.ranks[r].n_sent;
    printf("%6u ranks: %u rounds, at most %llu messages from a rank, %.1f ms\n",
           sim.n_ranks, job.n_rounds, (unsigned long long)most, job.took_us / 1000);
    sim_check(job.n_committed == 1, "the one checkpoint was not taken");
    /* a round: park, run on, open the gates; then drain, quiet, save, end; the request,
     * and the end of the job; each over three links at most */
    sim_check(most <= 3 * (3 * (uint64_t)job.n_rounds + 4 + 2), "too many messages");
    /* each way down and up again takes at most two latencies per level */
    bound_us =
        (2 * job.n_rounds + 4) * (4 * depth * setup->latency_us + 2 * setup->park_us) +
        6 * setup->save_us + setup->n_operations * 2 * setup->compute_us;
    sim_check(job.took_us < bound_us, "the time does not grow with the depth only");
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    unsigned n_jobs = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 400;
    static const uint32_t large[] = {1000, 10000, 100000};
    unsigned n_committed = 0, n_given_up = 0, n_rounds = 0, n_stopped = 0;
    unsigned n_background = 0, n_background_lost = 0;

    for (unsigned i = 0; i < n_jobs; i++) {
        struct sim_setup setup;
        sim_setup_random(&setup, seed + i);
        job_run(&setup);
        n_committed += job.n_committed;
        n_given_up += job.n_reports - job.n_committed;
        n_rounds += job.n_rounds;
        n_stopped += sim.n_stopped > 0;
        n_background += job.n_background;
        n_background_lost += job.n_background_lost;
        job_end();
    }
    printf("%u jobs: %u lines, %u given up, %u rounds, %u jobs stopped; ranks saved in "
           "the background: %u times, %u times in vain\n",
           n_jobs, n_committed, n_given_up, n_rounds, n_stopped, n_background,
           n_background_lost);
    sim_check(n_jobs < 100 || (n_committed > n_jobs / 4 && n_given_up > n_jobs / 20 &&
                               n_rounds > n_jobs / 2 && n_stopped > n_jobs / 50 &&
                               n_background > n_jobs && n_background_lost > n_jobs / 20),
              "the jobs do not try what they should");
    for (unsigned i = 0; i < 3; i++) {
        struct sim_setup setup;
        sim_setup_large(&setup, seed, large[i]);
        job_run(&setup);
        job_check_cost();
        job_end();
    }
    return 0;
}
