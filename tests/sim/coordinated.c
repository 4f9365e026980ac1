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
#include "sim/phase.h"
#include "sim/sim.h"

#define LIMIT_MS 60000

/* ---- what happens to a message, an action, a program ---- */

enum sim_kind {
    SIM_MESSAGE,  /* arrives */
    SIM_TICK,     /* the policy wanted to be woken */
    SIM_RESULT,   /* an action that keeps the protocol thread busy is done */
    SIM_DRAINED,
    SIM_COMPLETED, /* the file is written, in the background */
    SIM_LOOK,     /* whether the targets are reached */
    SIM_COMPUTED, /* the program comes to its next operation */
    SIM_PROGRAM,  /* the program may be able to go on */
    SIM_REQUEST,
    SIM_CLOSED, /* the connection to a child has ended */
};

struct sim_item {
    enum sim_kind kind;
    uint32_t rank, from;
    struct crmpi_message message;
    void *payload;
    size_t payload_bytes;
    enum crmpi_action_kind action; /* RESULT: of what */
    uint64_t stamp;                /* COMPUTED: position; DRAINED, COMPLETED: attempt */
    struct sim_item *next;         /* in a rank's inbox */
};

enum step_state { COMPUTES, READY, AT_GATE, WAITS, ENDED };

struct rank {
    struct crmpi_policy *policy;
    struct crmpi_rank does;
    int busy; /* in an action that blocks the protocol thread */
    struct sim_item *inbox, **inbox_end;
    enum crmpi_action_kind todo[4];
    unsigned n_todo;
    int64_t tick_ms;
    double link_free[1 + CRMPI_TREE_CHILDREN]; /* when the last message on it arrives */
    uint64_t n_sent;

    int parked, running_on, at_targets_told, drained, quiet, saved, finished, stopped;
    int captured, resumed; /* the memory is taken; and the threads have gone on */
    int foreground; /* of the newest SAVE */

    size_t position; /* in its program */
    enum step_state state;
    struct crmpi_collective_count *targets;
    size_t n_targets;
};

static struct job {
    const struct sim_setup *setup;
    uint32_t n_ranks;
    struct rank *ranks;
    struct sim_program program;
    double now_us;
    uint32_t n_saved, n_captured, n_parked, n_drain_begun, n_ended, n_finished, n_stopped;
    int outcome; /* of the attempt: 0 open, 1 committed, -1 given up */
    int cut_checked;
    int awaited; /* rank 0 was asked, and there is no outcome yet */
    int awaited_next; /* when threads had gone on: the outcome after this one */
    int faulted; /* something was made to fail in this attempt */
    unsigned n_reports, n_committed, n_rounds, n_background, n_background_lost;
    double begun_us, took_us; /* the newest attempt, and how long it took */
} job;

static int64_t now_ms(void)
{
    return (int64_t)(job.now_us / 1000);
}

static void check(int holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "sim: %s: seed %llu, %u ranks, at %.3f ms\n", what,
            (unsigned long long)job.setup->seed, job.n_ranks, job.now_us / 1000);
    exit(1);
}

static void later(double delay_us, struct sim_item item)
{
    struct sim_item *copy = malloc(sizeof *copy);
    check(copy != NULL, "out of memory");
    *copy = item;
    sim_queue_add(job.now_us + delay_us, copy);
}

/* ---- the network ---- */

/* When something sent now arrives; in order on each link. */
static double arrival(struct rank *rank, uint32_t to)
{
    uint32_t from = (uint32_t)(rank - job.ranks);
    unsigned link = from > 0 && to == CRMPI_TREE_PARENT(from) ? 0 : 1 + (to - 1) % 2;
    double at = job.now_us + sim_delay(job.setup->latency_us);

    if (at < rank->link_free[link])
        at = rank->link_free[link];
    rank->link_free[link] = at;
    return at;
}

static void send_message(void *context, uint32_t to, const struct crmpi_message *message,
                         const void *payload, size_t payload_bytes)
{
    struct rank *rank = context;
    uint32_t from = (uint32_t)(rank - job.ranks);
    struct sim_item item = {
        .kind = SIM_MESSAGE, .rank = to, .from = from, .message = *message};

    check(to < job.n_ranks && message->kind < CRMPI_MESSAGE_KINDS, "a message to nobody");
    rank->n_sent++;
    if (payload_bytes > 0) {
        item.payload = malloc(payload_bytes);
        check(item.payload != NULL, "out of memory");
        memcpy(item.payload, payload, payload_bytes);
        item.payload_bytes = payload_bytes;
    }
    later(arrival(rank, to) - job.now_us, item);
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

static int has_reached_targets(const struct rank *rank, uint32_t r)
{
    for (size_t i = 0; i < rank->n_targets; i++) {
        const struct sim_membership *of =
            sim_membership(&job.program, r, rank->targets[i].comm_id);
        if (of != NULL && of->exists && of->count < rank->targets[i].count)
            return 0;
    }
    return 1;
}

/* The gate in front of collectives. */
static int may_enter(const struct rank *rank, uint32_t r,
                     const struct sim_operation *operation)
{
    const struct sim_membership *of;

    if (!rank->running_on ||
        (operation->kind != SIM_COLLECTIVE && operation->kind != SIM_BROADCAST))
        return 1;
    of = sim_membership(&job.program, r, operation->comm_id);
    for (size_t i = 0; i < rank->n_targets; i++)
        if (rank->targets[i].comm_id == operation->comm_id &&
            of->count >= rank->targets[i].count)
            return !has_reached_targets(rank, r);
    return 1;
}

static void wake_members(const struct sim_operation *operation)
{
    for (uint32_t i = 0; i < operation->n_members; i++)
        later(0, (struct sim_item){.kind = SIM_PROGRAM, .rank = operation->members[i]});
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
    later(time_us, (struct sim_item){
                       .kind = SIM_COMPUTED, .rank = r, .stamp = rank->position});
}

static void give(uint32_t r, struct crmpi_event event);
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
        if (!rank->busy)
            give(r, (struct crmpi_event){.kind = CRMPI_EVENT_FINISHING});
        return;
    }
    if (rank->state != WAITS) {
        rank->state = AT_GATE;
        if (!may_enter(rank, r, operation))
            return;
        enter(r, operation);
    }
    if (operation_is_complete(operation, r))
        complete(r, operation);
}

/* ---- actions ---- */

static const struct crmpi_policy_ops *const ops = &crmpi_policy_coordinated;

/* Unless the attempt is given up, and this rank does not know yet.  All ranks stay
 * parked, so the rest holds for all of them if it does for the first. */
static void check_cut(void)
{
    if (job.outcome != 0)
        return;
    check(job.n_parked == job.n_ranks, "saving, and not all ranks are parked");
    if (job.cut_checked)
        return;
    job.cut_checked = 1;
    check(sim_counts_agree(&job.program), "saving, and the counts do not agree");
    for (uint32_t i = 0; i < job.n_ranks; i++)
        check(job.ranks[i].drained && job.ranks[i].quiet,
              "saving, and not all ranks are drained and quiet");
}

static void set_targets(struct rank *rank, const struct crmpi_action *action)
{
    free(rank->targets);
    rank->targets = malloc((action->n_targets + 1) * sizeof *rank->targets);
    check(rank->targets != NULL, "out of memory");
    if (action->n_targets > 0)
        memcpy(rank->targets, action->targets, action->n_targets * sizeof *rank->targets);
    rank->n_targets = action->n_targets;
}

static void unpark(struct rank *rank)
{
    check(!rank->parked || !job.cut_checked || job.outcome != 0 || rank->resumed,
          "a rank runs after the cut");
    job.n_parked -= (uint32_t)rank->parked;
    rank->parked = 0;
    rank->drained = rank->quiet = 0;
}

/* Let the event at hand end first. */
static void run_again(uint32_t r)
{
    later(0, (struct sim_item){.kind = SIM_PROGRAM, .rank = r});
}

static void resume(struct rank *rank)
{
    check(rank->captured && rank->parked, "threads go on, and were not saved");
    check(job.outcome != 0 || job.n_captured == job.n_ranks,
          "threads go on, and not all ranks have their memory");
    check(!rank->foreground, "threads go on, and are to stand still");
    rank->resumed = 1;
    unpark(rank);
    run_again((uint32_t)(rank - job.ranks));
}

static void release(struct rank *rank, const struct crmpi_action *action)
{
    check(job.outcome == (action->committed ? 1 : -1), "ranks learn different outcomes");
    check(!action->committed || rank->saved, "committed without this rank");
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

    check(job.outcome == 0, "two outcomes");
    if (action->committed)
        check(job.n_saved == job.n_ranks, "committed, and not all have saved");
    else
        check(may_fail && action->why != NULL && action->why[0] != '\0',
              "given up for no reason");
    job.awaited = job.awaited_next;
    job.awaited_next = 0;
    job.outcome = action->committed ? 1 : -1;
    job.n_reports++;
    job.n_committed += action->committed != 0;
    job.took_us = job.now_us - job.begun_us;
    check(job.took_us < (2 * LIMIT_MS) * 1e3, "a checkpoint is not given up in time");
}

/* The process ends, and with it its connections. */
static void stop(struct rank *rank)
{
    uint32_t r = (uint32_t)(rank - job.ranks);

    check(job.setup->stops && job.outcome == 1 && rank->saved,
          "a rank ends without a line");
    check(rank->parked, "a rank ends, and its threads have gone on");
    for (unsigned i = 0; i < CRMPI_TREE_CHILDREN; i++)
        check(CRMPI_TREE_CHILD(r, i) >= job.n_ranks ||
                  job.ranks[CRMPI_TREE_CHILD(r, i)].stopped,
              "a rank ends before those below it");
    rank->stopped = 1;
    job.n_stopped++;
    if (r > 0)
        later(arrival(rank, CRMPI_TREE_PARENT(r)) - job.now_us,
              (struct sim_item){
                  .kind = SIM_CLOSED, .rank = CRMPI_TREE_PARENT(r), .from = r});
}

/* How long the protocol thread is in an action. */
static double duration(uint32_t r, enum crmpi_action_kind kind)
{
    switch (kind) {
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
    job.begun_us = job.now_us;
}

/* As in the engine: what neither takes time nor has a result is done at once. */
static void act(void *context, const struct crmpi_action *action)
{
    struct rank *rank = context;
    uint32_t r = (uint32_t)(rank - job.ranks);

    check(sim_phase_act(&rank->does, action->kind),
          "an action that this phase cannot have");
    switch (action->kind) {
    case CRMPI_ACTION_RUN_ON:
        set_targets(rank, action);
        unpark(rank);
        rank->running_on = 1;
        rank->at_targets_told = 0;
        run_again(r);
        later(0, (struct sim_item){.kind = SIM_LOOK, .rank = r});
        return;
    case CRMPI_ACTION_OPEN_GATE:
        if (rank->state == AT_GATE && !rank->parked) {
            enter(r, sim_operation(&job.program, r, rank->position));
            run_again(r);
        }
        return;
    case CRMPI_ACTION_REPORT:
        report(action);
        return;
    case CRMPI_ACTION_FINISH:
        check(job.n_ended == job.n_ranks && !rank->resumed,
              "the engine ends before the programs, or a checkpoint");
        rank->finished = 1;
        job.n_finished++;
        return;
    case CRMPI_ACTION_RELEASE:
        release(rank, action);
        return;
    case CRMPI_ACTION_END:
        stop(rank);
        return;
    case CRMPI_ACTION_COMMIT: {
        uint64_t sum = 0;
        for (uint32_t i = 0; i < job.n_ranks; i++)
            sum += action->saved[i].world_rank + 1;
        check(sum == (uint64_t)job.n_ranks * (job.n_ranks + 1) / 2 &&
                  job.n_saved == job.n_ranks, "a line without all ranks");
        break;
    }
    case CRMPI_ACTION_PARK:
        if (r == 0 && job.outcome != 0)
            begin_attempt();
        job.n_rounds += r == 0;
        break;
    case CRMPI_ACTION_SAVE:
        check_cut();
        rank->foreground = action->foreground;
        break;
    case CRMPI_ACTION_RESUME:
        resume(rank);
        return;
    case CRMPI_ACTION_COMPLETE:
        later(sim_delay(job.setup->write_us),
              (struct sim_item){
                  .kind = SIM_COMPLETED, .rank = r, .stamp = job.n_reports});
        return;
    default:
        break;
    }
    check(rank->n_todo < 4, "too many actions at once");
    rank->todo[rank->n_todo++] = action->kind;
}

static int made_to_fail(uint32_t r, enum crmpi_action_kind kind,
                        struct crmpi_event *result)
{
    if (!sim_chance(job.setup->fault_chance / job.n_ranks))
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

    check(!rank->parked, "parked twice");
    rank->parked = 1;
    rank->running_on = 0;
    job.n_parked++;
    result.counts = sim_counts(&job.program, r, &result.n_counts);
    return result;
}

static void drain(void)
{
    check(job.n_parked == job.n_ranks || job.outcome != 0,
          "draining, and not all ranks are parked");
    if (++job.n_drain_begun < job.n_ranks)
        return;
    for (uint32_t r = 0; r < job.n_ranks; r++)
        later(sim_delay(job.setup->save_us),
              (struct sim_item){.kind = SIM_DRAINED, .rank = r, .stamp = job.n_reports});
}

static struct crmpi_event file_is_there(struct rank *rank)
{
    rank->saved = 1;
    job.n_saved++;
    return (struct crmpi_event){.kind = CRMPI_EVENT_SAVED};
}

/* The protocol thread has done an action; what is the result? */
static int result_of(uint32_t r, enum crmpi_action_kind kind, struct crmpi_event *result)
{
    struct rank *rank = &job.ranks[r];

    *result = (struct crmpi_event){0};
    if (kind != CRMPI_ACTION_DRAIN && made_to_fail(r, kind, result))
        return 1;
    switch (kind) {
    case CRMPI_ACTION_PARK:
        *result = park(r);
        return 1;
    case CRMPI_ACTION_DRAIN:
        drain();
        return 0;
    case CRMPI_ACTION_QUIET:
        check(rank->drained, "quiet before it is drained");
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

static void begin_todo(uint32_t r)
{
    struct rank *rank = &job.ranks[r];
    enum crmpi_action_kind kind;

    if (rank->busy || rank->n_todo == 0)
        return;
    kind = rank->todo[0];
    rank->n_todo--;
    memmove(&rank->todo[0], &rank->todo[1], rank->n_todo * sizeof rank->todo[0]);
    rank->busy = 1;
    later(duration(r, kind),
          (struct sim_item){.kind = SIM_RESULT, .rank = r, .action = kind});
}

static void give(uint32_t r, struct crmpi_event event)
{
    struct rank *rank = &job.ranks[r];
    int64_t wakeup;

    event.now_ms = now_ms();
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
}

static void tell_if_at_targets(uint32_t r)
{
    struct rank *rank = &job.ranks[r];
    if (!rank->running_on || rank->at_targets_told || rank->busy ||
        !has_reached_targets(rank, r))
        return;
    rank->at_targets_told = 1;
    give(r, (struct crmpi_event){.kind = CRMPI_EVENT_AT_TARGETS});
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
    give(item->rank, (struct crmpi_event){
                         .kind = CRMPI_EVENT_MESSAGE,
                         .from = item->from,
                         .message = &item->message,
                         .payload = item->payload,
                         .payload_bytes = item->payload_bytes,
                     });
    free(item->payload);
    free(item);
}

static void empty_inbox(uint32_t r)
{
    struct rank *rank = &job.ranks[r];

    while (!rank->busy && rank->inbox != NULL) {
        struct sim_item *item = rank->inbox;
        rank->inbox = item->next;
        if (rank->inbox == NULL)
            rank->inbox_end = &rank->inbox;
        deliver(item);
    }
}

static void take_result(uint32_t r, enum crmpi_action_kind kind)
{
    struct rank *rank = &job.ranks[r];
    struct crmpi_event result;

    rank->busy = 0;
    if (result_of(r, kind, &result)) {
        give(r, result);
        free((void *)result.counts);
    }
    begin_todo(r);
    empty_inbox(r);
    if (rank->state == ENDED && !rank->busy)
        give(r, (struct crmpi_event){.kind = CRMPI_EVENT_FINISHING});
    tell_if_at_targets(r);
}

static void drained(uint32_t r, uint64_t attempt)
{
    struct crmpi_event event = {.kind = CRMPI_EVENT_DRAINED};

    if (attempt != job.n_reports || job.outcome != 0)
        return; /* given up meanwhile */
    if (!made_to_fail(r, CRMPI_ACTION_DRAIN, &event))
        job.ranks[r].drained = 1;
    give(r, event);
}

/* The file is written; messages and all else came meanwhile. */
static void completed(uint32_t r, uint64_t attempt)
{
    struct crmpi_event event;

    if (attempt != job.n_reports || job.outcome != 0)
        return;
    if (!made_to_fail(r, CRMPI_ACTION_COMPLETE, &event))
        event = file_is_there(&job.ranks[r]);
    give(r, event);
}

static void step(struct sim_item *item)
{
    uint32_t r = item->rank;
    struct rank *rank = &job.ranks[r];

    if (rank->stopped) { /* the process is gone */
        free(item->payload);
        free(item);
        return;
    }
    switch (item->kind) {
    case SIM_MESSAGE:
        deliver(item);
        return;
    case SIM_RESULT:
        take_result(r, item->action);
        break;
    case SIM_DRAINED:
        drained(r, item->stamp);
        break;
    case SIM_COMPLETED:
        completed(r, item->stamp);
        break;
    case SIM_LOOK:
        tell_if_at_targets(r);
        break;
    case SIM_TICK:
        rank->tick_ms = 0;
        if (!rank->busy)
            give(r, (struct crmpi_event){.kind = CRMPI_EVENT_TICK});
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
        if (rank->busy || (job.outcome == 0 && !rank->resumed))
            break;
        if (job.outcome == 0)
            job.awaited_next |= r == 0;
        else
            job.awaited |= r == 0 && !rank->finished;
        give(r, (struct crmpi_event){.kind = CRMPI_EVENT_REQUEST,
                                     .stop = r == 0 && job.setup->stops});
        break;
    case SIM_CLOSED:
        check(ops->may_leave(rank->policy, item->from),
              "a rank leaves, and its parent does not expect it");
        break;
    }
    free(item);
}

/* ---- a job from beginning to end ---- */

static void job_begin(const struct sim_setup *setup)
{
    struct crmpi_policy_parameters parameters = {.next_sn = 1, .limit_ms = LIMIT_MS};

    memset(&job, 0, sizeof job);
    job.setup = setup;
    job.n_ranks = setup->n_ranks;
    job.outcome = -1;
    job.ranks = calloc(setup->n_ranks, sizeof *job.ranks);
    check(job.ranks != NULL, "out of memory");
    sim_program_init(&job.program, setup);
    for (uint32_t r = 0; r < setup->n_ranks; r++) {
        struct rank *rank = &job.ranks[r];
        struct crmpi_policy_env env = {.context = rank, .send = send_message, .act = act};
        rank->inbox_end = &rank->inbox;
        rank->policy = ops->create(r, setup->n_ranks, &parameters, &env);
        check(rank->policy != NULL, "out of memory");
        compute(r);
    }
    for (unsigned i = 0; i < setup->n_requests; i++)
        later(sim_delay(setup->span_us),
              (struct sim_item){.kind = SIM_REQUEST,
                                .rank = sim_chance(0.5) ? 0 : sim_pick(setup->n_ranks)});
}

static void job_end(void)
{
    for (uint32_t r = 0; r < job.n_ranks; r++) {
        ops->destroy(job.ranks[r].policy);
        free(job.ranks[r].targets);
    }
    free(job.ranks);
    sim_program_fini(&job.program);
}

static void job_run(const struct sim_setup *setup)
{
    struct sim_item *item;

    job_begin(setup);
    while ((item = sim_queue_take(&job.now_us)) != NULL) {
        check(job.now_us < 3.6e9, "the job does not end");
        step(item);
    }
    if (job.n_stopped > 0) {
        check(job.n_stopped == job.n_ranks, "some ranks are stopped, and some are not");
        return;
    }
    check(!job.awaited, "a request is forgotten");
    check(job.n_ended == job.n_ranks, "a program does not end");
    check(job.n_finished == job.n_ranks, "the engine does not end");
    for (uint32_t r = 0; r < job.n_ranks; r++)
        check(ops->phase(job.ranks[r].policy) == NULL, "a checkpoint does not end");
}

static void job_check_cost(void)
{
    const struct sim_setup *setup = job.setup;
    unsigned depth = 0;
    uint64_t most = 0;
    double bound_us;

    while ((job.n_ranks - 1) >> depth > 0)
        depth++;
    for (uint32_t r = 0; r < job.n_ranks; r++)
        if (job.ranks[r].n_sent > most)
            most = job.ranks[r].n_sent;
    printf("%6u ranks: %u rounds, at most %llu messages from a rank, %.1f ms\n",
           job.n_ranks, job.n_rounds, (unsigned long long)most, job.took_us / 1000);
    check(job.n_committed == 1, "the one checkpoint was not taken");
    /* a round: park, run on, open the gates; then drain, quiet, save, end; the request,
     * and the end of the job; each over three links at most */
    check(most <= 3 * (3 * (uint64_t)job.n_rounds + 4 + 2), "too many messages");
    /* each way down and up again takes at most two latencies per level */
    bound_us =
        (2 * job.n_rounds + 4) * (4 * depth * setup->latency_us + 2 * setup->park_us) +
        6 * setup->save_us + setup->n_operations * 2 * setup->compute_us;
    check(job.took_us < bound_us, "the time does not grow with the depth only");
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
        n_stopped += job.n_stopped > 0;
        n_background += job.n_background;
        n_background_lost += job.n_background_lost;
        job_end();
    }
    printf("%u jobs: %u lines, %u given up, %u rounds, %u jobs stopped; ranks saved in "
           "the background: %u times, %u times in vain\n",
           n_jobs, n_committed, n_given_up, n_rounds, n_stopped, n_background,
           n_background_lost);
    check(n_jobs < 100 || (n_committed > n_jobs / 4 && n_given_up > n_jobs / 20 &&
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
