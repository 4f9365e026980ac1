/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The uncoordinated policy in simulated jobs that are killed at any moment, lose files,
 * and are restarted from the line that what is left on disk allows.  The application
 * (traffic.c) ends as a legal run only if every restart lost, doubled and made up nothing.
 * Checked are, besides,
 *
 *   the line     equals the largest of all consistent choices, where trying them is
 *                possible; no file and no logged message that it needs was dropped
 *   rank 0       gives up no checkpoint that a line can still need
 *   counting     begins anew where threads went on while files were being written, or goes
 *                on if that was in vain: at a cut what is counted balances
 *   the bound    the line stays near the newest checkpoints; files and logs stay small
 *   liveness     programs end; who waits in CRMPI_Checkpoint() is served
 *
 * Usage: sim-uncoordinated [SEED [JOBS]]   a failing seed is printed; it repeats exactly
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "policy/policy.h"
#include "sim/disk.h"
#include "sim/phase.h"
#include "sim/sim.h"
#include "sim/traffic.h"

#define LIMIT_MS 60000
#define TODO 4
/* Checkpoints that a rank may take while one of all is asked for, but has not come. */
#define UNDER_WAY 6
/* Where some are busy writing in the background first, others can take more. */
#define UNDER_WAY_BACKGROUND 20

static const struct crmpi_policy_ops *const ops = &crmpi_policy_uncoordinated;

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

enum sim_kind {
    SIM_MESSAGE, /* of the control tree */
    SIM_TICK,
    SIM_RESULT, /* of an action that keeps the protocol thread busy */
    SIM_DRAIN,
    SIM_SETTLE,
    SIM_COMPLETED, /* a file is written, in the background */
    SIM_LOOK, /* whether the targets are reached */
    SIM_COMPUTED,
    SIM_PROGRAM,
    SIM_REQUEST,
    SIM_ARRIVED, /* a message of the application */
    SIM_PUT,     /* arrives */
    SIM_TOUCH,   /* is asked of the owner */
    SIM_GRANTED,
    SIM_KILL,
};

struct sim_item {
    enum sim_kind kind;
    uint32_t rank, from, to; /* MESSAGE: at the moment, first, in the end */
    struct crmpi_message message;
    void *payload;
    size_t payload_bytes;
    struct crmpi_action action;
    struct traffic_message traffic;
    struct traffic_put put;
    uint64_t stamp;
    struct sim_item *next;
};

enum step_state { COMPUTES, READY, TOUCHES, TOUCHED, AT_GATE, WAITS, CALLS, ENDED };

struct rank {
    struct crmpi_policy *policy;
    struct crmpi_rank does;
    int busy;
    struct sim_item *inbox, **inbox_end;
    struct crmpi_action todo[TODO];
    unsigned n_todo;
    int64_t tick_ms;
    double link_free[1 + CRMPI_TREE_CHILDREN];
    double path_free[TRAFFIC_RANKS]; /* of the application's messages and puts */

    int parked, running_on, at_targets_told, drained, finished, stopped;
    uint64_t settling, draining; /* stamps; 0: not */
    struct crmpi_collective_count *targets;
    size_t n_targets;

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

static struct job {
    const struct setup *setup;
    struct traffic_program program;
    uint32_t n_ranks;
    struct rank ranks[TRAFFIC_RANKS];
    double now_us;
    uint64_t stamp;
    uint32_t n_ended, n_finished, n_stopped, n_parked;
    int killed;
    int is_smooth; /* nothing fails, but for kills */
    int in_vain;   /* some checkpoint has failed after threads went on */
} job;

static struct totals {
    unsigned n_jobs, n_restarts, n_alone, n_together, n_given_up, n_reasons, n_lost;
    unsigned n_background, n_background_lost;
    size_t lag, files; /* in jobs in which nothing fails; lag: beyond the bound */
    uint64_t messages[CRMPI_MESSAGE_KINDS], hops;
} totals;

static unsigned under_way_max(void)
{
    return job.setup->background_chance > 0 ? UNDER_WAY_BACKGROUND : UNDER_WAY;
}

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

static void at(double time_us, struct sim_item item)
{
    struct sim_item *copy = malloc(sizeof *copy);
    check(copy != NULL, "out of memory");
    *copy = item;
    sim_queue_add(time_us, copy);
}

static void later(double delay_us, struct sim_item item)
{
    at(job.now_us + delay_us, item);
}

static void run_again(uint32_t r)
{
    later(0, (struct sim_item){.kind = SIM_PROGRAM, .rank = r});
}

/* ---- the control tree: messages are passed on by the ranks between ---- */

static uint32_t next_hop(uint32_t by, uint32_t to)
{
    while (to > by) {
        if (CRMPI_TREE_PARENT(to) == by)
            return to;
        to = CRMPI_TREE_PARENT(to);
    }
    return CRMPI_TREE_PARENT(by);
}

static void pass_on(uint32_t by, struct sim_item item)
{
    uint32_t to = next_hop(by, item.to);
    struct rank *rank = &job.ranks[by];
    unsigned link = by > 0 && to == CRMPI_TREE_PARENT(by) ? 0 : 1 + (to - 1) % 2;
    double arrives = job.now_us + sim_delay(job.setup->latency_us);

    if (arrives < rank->link_free[link])
        arrives = rank->link_free[link];
    rank->link_free[link] = arrives;
    totals.hops++;
    item.rank = to;
    at(arrives, item);
}

static void send_message(void *context, uint32_t to, const struct crmpi_message *message,
                         const void *payload, size_t payload_bytes)
{
    struct rank *rank = context;
    uint32_t from = (uint32_t)(rank - job.ranks);
    struct sim_item item = {
        .kind = SIM_MESSAGE, .from = from, .to = to, .message = *message};

    check(to < job.n_ranks && to != from && message->kind < CRMPI_MESSAGE_KINDS,
          "a message to nobody");
    totals.messages[message->kind]++;
    if (payload_bytes > 0) {
        item.payload = malloc(payload_bytes);
        check(item.payload != NULL, "out of memory");
        memcpy(item.payload, payload, payload_bytes);
        item.payload_bytes = payload_bytes;
    }
    pass_on(from, item);
}

static void give(uint32_t r, struct crmpi_event event);

/* ---- the application's network ---- */

static double path_arrival(uint32_t from, uint32_t to)
{
    double arrives = job.now_us + sim_delay(10 * job.setup->latency_us);

    if (arrives < job.ranks[from].path_free[to])
        arrives = job.ranks[from].path_free[to];
    job.ranks[from].path_free[to] = arrives;
    return arrives;
}

static uint64_t draw(void)
{
    return (uint64_t)(sim_uniform() * 9007199254740992.0);
}

static int send_traffic(uint32_t r, const struct traffic_operation *operation)
{
    struct traffic_message message =
        traffic_send(&job.ranks[r].app, r, operation, draw());

    job.ranks[message.to].n_in_flight++;
    at(path_arrival(r, message.to),
       (struct sim_item){.kind = SIM_ARRIVED, .rank = message.to, .traffic = message});
    return 1;
}

/* Take a message that was drained or has arrived; 0: there is none yet. */
static int receive_traffic(uint32_t r, const struct traffic_operation *operation)
{
    struct rank *rank = &job.ranks[r];
    struct traffic_message message;
    uint32_t from = operation->tag == TRAFFIC_TAG_WILD ? UINT32_MAX : operation->from;

    if (!traffic_queue_take(&rank->app.saved, from, operation->tag, &message)) {
        if (!traffic_queue_take(&rank->arrived, from, operation->tag, &message))
            return 0;
        check(++rank->app.streams[message.from][message.tag].received == message.index ||
                  job.in_vain,
              "a message comes that is not the next of its stream");
    }
    check(traffic_received(&rank->app, &message) == 0, "a message is lost or doubled");
    return 1;
}

/* ---- the program of a rank ---- */

static int has_reached_targets(const struct rank *rank)
{
    for (size_t i = 0; i < rank->n_targets; i++)
        if (rank->app.counts[rank->targets[i].comm_id - TRAFFIC_COMM_ID(0)] <
            rank->targets[i].count)
            return 0;
    return 1;
}

static int may_enter(const struct rank *rank, unsigned comm)
{
    if (!rank->running_on)
        return 1;
    for (size_t i = 0; i < rank->n_targets; i++)
        if (rank->targets[i].comm_id == TRAFFIC_COMM_ID(comm) &&
            rank->app.counts[comm] >= rank->targets[i].count)
            return !has_reached_targets(rank);
    return 1;
}

static void compute(uint32_t r)
{
    struct rank *rank = &job.ranks[r];

    rank->state = COMPUTES;
    rank->stamp = ++job.stamp;
    later(sim_delay(job.setup->compute_us),
          (struct sim_item){.kind = SIM_COMPUTED, .rank = r, .stamp = rank->stamp});
}

static void enter(uint32_t r, struct traffic_operation *operation)
{
    job.ranks[r].state = WAITS;
    operation->n_entered++;
    operation->sum += draw();
    if (operation->n_entered < traffic_n_members(&job.program, operation->comm))
        return;
    for (uint32_t m = 0; m < job.n_ranks; m++)
        if (traffic_is_member(&job.program, m, operation))
            run_again(m);
}

/* Returns 1 when it is done. */
static int collective(uint32_t r, struct traffic_operation *operation)
{
    struct rank *rank = &job.ranks[r];

    if (operation->kind == TRAFFIC_FENCE && rank->n_puts_out > 0)
        return 0;
    if (rank->state != WAITS) {
        rank->state = AT_GATE;
        if (!may_enter(rank, operation->comm))
            return 0;
        enter(r, operation);
    }
    if (operation->n_entered < traffic_n_members(&job.program, operation->comm))
        return 0;
    traffic_collective(&rank->app, operation->comm, operation->sum);
    return 1;
}

/* The first one in an interval asks the owner's leave. */
static int put(uint32_t r, const struct traffic_operation *operation)
{
    struct rank *rank = &job.ranks[r];
    uint32_t target = operation->to;
    uint64_t interval = rank->app.last_sn + 1;

    if (rank->state == TOUCHES || (rank->state == READY && sim_chance(0.5)))
        return rank->state != TOUCHES; /* waits, or makes none */
    if (rank->app.touched_at[target] != interval) {
        rank->state = TOUCHES;
        at(path_arrival(r, target),
           (struct sim_item){
               .kind = SIM_TOUCH, .rank = target, .from = r, .stamp = interval});
        return 0;
    }
    rank->n_puts_out++;
    at(path_arrival(r, target),
       (struct sim_item){.kind = SIM_PUT,
                         .rank = target,
                         .from = r,
                         .put = traffic_put(&rank->app, operation, draw())});
    return 1;
}

static void tell_if_at_targets(uint32_t r)
{
    struct rank *rank = &job.ranks[r];

    if (!rank->running_on || rank->at_targets_told || rank->busy ||
        !has_reached_targets(rank))
        return;
    rank->at_targets_told = 1;
    give(r, (struct crmpi_event){.kind = CRMPI_EVENT_AT_TARGETS});
}

static void end_program(uint32_t r)
{
    job.ranks[r].state = ENDED;
    job.n_ended++;
    if (!job.ranks[r].busy)
        give(r, (struct crmpi_event){.kind = CRMPI_EVENT_FINISHING});
}

static void program_go_on(uint32_t r)
{
    struct rank *rank = &job.ranks[r];
    struct traffic_operation *operation = traffic_next(&job.program, r, &rank->app);
    int done = 0;

    if (rank->parked || rank->state == COMPUTES || rank->state == ENDED ||
        (rank->state == CALLS && !(rank->running_on && !has_reached_targets(rank))))
        return;
    if (operation == NULL) {
        end_program(r);
        return;
    }
    if (rank->state == CALLS)
        rank->state = READY;
    if (operation->kind == TRAFFIC_PUT)
        done = put(r, operation);
    else if (operation->kind != TRAFFIC_MESSAGE)
        done = collective(r, operation);
    else if (operation->from != r)
        done = receive_traffic(r, operation);
    else
        done = send_traffic(r, operation);
    if (!done)
        return;
    rank->app.position++;
    compute(r);
    tell_if_at_targets(r);
}

/* The rank comes to its next operation; or calls CRMPI_Checkpoint() first. */
static void computed(uint32_t r)
{
    struct rank *rank = &job.ranks[r];

    rank->state = READY;
    if (!rank->busy && !rank->parked && !rank->running_on &&
        sim_chance(job.setup->call_chance)) {
        rank->state = CALLS;
        rank->calls_late = rank->resumed;
        give(r, (struct crmpi_event){.kind = CRMPI_EVENT_REQUEST,
                                     .ordinal = ++rank->ordinal});
    }
    program_go_on(r);
}

/* ---- windows ---- */

static void touched(struct sim_item *item)
{
    struct rank *owner = &job.ranks[item->rank];

    if (ops->is_closed(owner->policy)) {
        later(50, *item);
        return;
    }
    if (owner->app.origins[item->from] < item->stamp)
        owner->app.origins[item->from] = item->stamp;
    at(path_arrival(item->rank, item->from), (struct sim_item){.kind = SIM_GRANTED,
                                                               .rank = item->from,
                                                               .from = item->rank,
                                                               .stamp = item->stamp});
}

static void granted(const struct sim_item *item)
{
    struct rank *rank = &job.ranks[item->rank];

    rank->app.touched_at[item->from] = item->stamp;
    if (rank->state == TOUCHES)
        rank->state = TOUCHED;
    program_go_on(item->rank);
}

/* ---- actions ---- */

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
    job.n_parked -= (uint32_t)rank->parked;
    rank->parked = rank->running_on = rank->drained = 0;
    rank->settling = rank->draining = 0;
    run_again((uint32_t)(rank - job.ranks));
}

static void resume(uint32_t r, const struct crmpi_action *action)
{
    struct rank *rank = &job.ranks[r];

    for (uint32_t other = 0; other < job.n_ranks && !action->alone; other++)
        check(job.ranks[other].captured_sn >= action->sn,
              "threads go on, and not all ranks have their memory");
    rank->resumed = 1;
    rank->resumed_alone = action->alone;
    if (action->alone)
        rank->app.last_sn = action->sn;
    else
        traffic_committed(&rank->app, action->sn);
    unpark(rank);
}

static void forget_taken(struct rank *rank)
{
    traffic_rank_fini(&rank->taken);
    crmpi_dependencies_fini(&rank->noted);
    rank->completing = 0;
}

/* The end of a checkpoint whose threads have gone on. */
static void end_resumed(struct rank *rank, const struct crmpi_action *action)
{
    if (rank->resumed && !action->committed && !action->alone) {
        traffic_put_back(&rank->app, &rank->taken);
        rank->log_lost = job.in_vain = 1;
    } else if (action->committed && !action->alone) {
        rank->log_lost = 0;
    }
    totals.n_background += rank->resumed && action->committed;
    totals.n_background_lost += rank->resumed && !action->committed;
    rank->resumed = 0;
    forget_taken(rank);
}

static void release(uint32_t r, const struct crmpi_action *action)
{
    struct rank *rank = &job.ranks[r];
    int resumed = rank->resumed;

    check(!resumed || rank->resumed_alone == action->alone,
          "another checkpoint ends than threads went on after");
    end_resumed(rank, action);
    if (!resumed)
        unpark(rank);
    if (action->alone && action->committed) {
        check(disk_newest(r) == action->sn, "released, and not saved");
        check(rank->has_base, "saved alone before all have been");
        rank->app.last_sn = action->sn;
        totals.n_alone++;
        rank->n_owed += (unsigned)rank->owed;
        check(rank->n_owed <= under_way_max() || job.setup->stuck_chance > 0,
              "a checkpoint of all that was asked for does not come");
    } else if (action->alone) {
        rank->owed = 1;
    } else if (action->committed) {
        rank->has_base = 1;
        check(disk_line_number() == action->sn, "committed, and there is no line");
        if (!resumed)
            traffic_committed(&rank->app, action->sn);
        disk_drop_before(r, action->sn);
    }
    if (!action->alone) {
        rank->owed = 0;
        rank->n_owed = 0;
    }
    if (rank->calls_late) {
        rank->calls_late = 0; /* it waits for the next one */
    } else if (rank->state == CALLS && (!action->alone || action->committed)) {
        check(!action->committed || action->ordinal >= rank->ordinal,
              "a call of CRMPI_Checkpoint() is not served");
        rank->state = READY;
        run_again(r);
    }
}

static void report(const struct crmpi_action *action)
{
    if (action->alone)
        totals.n_reasons++;
    else if (action->committed)
        totals.n_together++;
    else
        totals.n_given_up++;
    check(action->committed || (action->why != NULL && action->why[0] != '\0'),
          "given up for no reason");
    check(action->committed || job.setup->fault_chance > 0 ||
              job.setup->refuse_chance > 0 || job.setup->stuck_chance > 0 ||
              action->alone,
          "given up, and nothing went wrong");
}

static void trim(uint32_t r, const struct crmpi_action *action)
{
    uint64_t line[TRAFFIC_RANKS];

    disk_line(line, DISK_ALL);
    check(action->sn <= line[r], "a checkpoint is given up that the line has");
    traffic_trim(&job.ranks[r].app, action->arrived, action->n_arrived);
    disk_trim(r, action->sn);
}

/* At once: what neither takes time nor has a result. */
static int do_at_once(uint32_t r, const struct crmpi_action *action)
{
    struct rank *rank = &job.ranks[r];

    switch (action->kind) {
    case CRMPI_ACTION_RUN_ON:
        set_targets(rank, action);
        unpark(rank);
        rank->running_on = 1;
        rank->at_targets_told = 0;
        later(0, (struct sim_item){.kind = SIM_LOOK, .rank = r});
        return 1;
    case CRMPI_ACTION_OPEN_GATE:
        if (rank->state == AT_GATE && !rank->parked && rank->n_puts_out == 0) {
            enter(r, traffic_next(&job.program, r, &rank->app));
            run_again(r);
        }
        return 1;
    case CRMPI_ACTION_REPORT:
        report(action);
        return 1;
    case CRMPI_ACTION_RELEASE:
        release(r, action);
        return 1;
    case CRMPI_ACTION_TRIM:
        trim(r, action);
        return 1;
    case CRMPI_ACTION_FINISH:
        check(job.n_ended == job.n_ranks, "the engine ends before the programs");
        check(!rank->resumed, "the engine ends before a checkpoint");
        rank->finished = 1;
        job.n_finished++;
        return 1;
    case CRMPI_ACTION_RESUME:
        resume(r, action);
        return 1;
    case CRMPI_ACTION_COMPLETE:
        rank->completing = ++job.stamp;
        later(sim_delay(job.setup->write_us), (struct sim_item){.kind = SIM_COMPLETED,
                                                                .rank = r,
                                                                .action = *action,
                                                                .stamp = rank->completing});
        return 1;
    case CRMPI_ACTION_END:
        check(rank->parked, "a rank ends, and its threads have gone on");
        rank->stopped = 1;
        job.killed = ++job.n_stopped == job.n_ranks;
        return 1;
    default:
        return 0;
    }
}

static void act(void *context, const struct crmpi_action *action)
{
    struct rank *rank = context;
    uint32_t r = (uint32_t)(rank - job.ranks);

    check(sim_phase_act(&rank->does, action->kind),
          "an action that this phase cannot have");
    if (do_at_once(r, action))
        return;
    if (action->kind == CRMPI_ACTION_SAVE)
        traffic_dependencies(&job.program, r, &rank->app, action->sn, action->alone,
                             &rank->noted);
    check(rank->n_todo < TODO, "too many actions at once");
    rank->todo[rank->n_todo++] = *action;
}

static struct crmpi_event failure(const char *why)
{
    return (struct crmpi_event){.kind = CRMPI_EVENT_FAILED, .why = why};
}

static struct crmpi_event park(uint32_t r)
{
    struct rank *rank = &job.ranks[r];
    struct crmpi_event result = {.kind = CRMPI_EVENT_PARKED,
                                 .interval = rank->app.last_sn + 1};

    check(!rank->parked, "parked twice");
    rank->parked = 1;
    rank->running_on = 0;
    job.n_parked++;
    result.counts = traffic_counts(&job.program, r, &rank->app, &result.n_counts);
    return result;
}

/* Sender and receiver have counted the same, whatever became of checkpoints before. */
static int is_balanced(uint32_t r)
{
    for (uint32_t to = 0; to < job.n_ranks; to++)
        for (unsigned tag = 0; tag < TRAFFIC_TAGS; tag++)
            if (job.ranks[r].app.streams[to][tag].sent !=
                job.ranks[to].app.streams[r][tag].received)
                return 0;
    return 1;
}

static int are_all_drained(void)
{
    int drained = job.n_parked == job.n_ranks;

    for (uint32_t r = 0; r < job.n_ranks; r++)
        drained &= job.ranks[r].drained;
    return drained;
}

/* The memory is taken. */
static void take(uint32_t r, const struct crmpi_action *action)
{
    struct rank *rank = &job.ranks[r];

    check(rank->parked, "saving, and the rank runs");
    if (!action->alone) {
        check(job.setup->fault_chance > 0 || /* it may have been given up */
                  (are_all_drained() && rank->n_in_flight == 0),
              "saving, and the ranks are not drained");
        check(!are_all_drained() || is_balanced(r),
              "saving, and messages do not balance");
    }
    check(!action->alone || rank->n_puts_out == 0,
          "saving, and accesses are not complete");
    check(!action->alone || action->sn > rank->app.last_sn, "a number is used twice");
    traffic_rank_copy(&rank->taken, &rank->app);
    rank->captured_sn = action->sn;
}

/* It is written. */
static struct crmpi_event write_file(uint32_t r, const struct crmpi_action *action)
{
    struct rank *rank = &job.ranks[r];
    struct crmpi_event result = {.kind = CRMPI_EVENT_SAVED};
    void *packed = NULL;

    if (!action->alone) {
        disk_write_together(r, &rank->taken, &rank->noted);
        return result;
    }
    if (crmpi_dependencies_pack(&rank->noted, &packed, &result.dependencies_bytes) != 0)
        check(0, "dependencies cannot be packed");
    result.dependencies = packed;
    disk_write_alone(r, &rank->taken, &rank->noted);
    if (job.is_smooth && totals.files < disk_n_files(r))
        totals.files = disk_n_files(r);
    return result;
}

/* What a protocol thread has done; returns 0 if it has no result yet. */
static int result_of(uint32_t r, const struct crmpi_action *action,
                     struct crmpi_event *result)
{
    struct rank *rank = &job.ranks[r];
    int fails = action->kind != CRMPI_ACTION_DRAIN &&
                action->kind != CRMPI_ACTION_SETTLE &&
                sim_chance(job.setup->fault_chance);

    *result = failure("made to fail");
    if (fails)
        return 1;
    switch (action->kind) {
    case CRMPI_ACTION_PARK:
        *result = park(r);
        return 1;
    case CRMPI_ACTION_SETTLE:
        rank->settling = ++job.stamp;
        later(sim_delay(job.setup->settle_us),
              (struct sim_item){.kind = SIM_SETTLE, .rank = r, .stamp = rank->settling});
        return 0;
    case CRMPI_ACTION_DRAIN:
        rank->draining = ++job.stamp;
        later(0,
              (struct sim_item){.kind = SIM_DRAIN, .rank = r, .stamp = rank->draining});
        return 0;
    case CRMPI_ACTION_QUIET:
        result->kind = CRMPI_EVENT_QUIESCED;
        return 1;
    case CRMPI_ACTION_SAVE:
        take(r, action);
        *result = !action->foreground && sim_chance(job.setup->background_chance)
                      ? (struct crmpi_event){.kind = CRMPI_EVENT_CAPTURED}
                      : write_file(r, action);
        return 1;
    case CRMPI_ACTION_COMMIT:
        check(disk_commit(action->sn) == 0, "a line without all ranks, or a number that "
                                            "is not above all others");
        result->kind = CRMPI_EVENT_COMMITTED;
        result->line = action->sn;
        return 1;
    default:
        return 0;
    }
}

/* ---- giving events to the policy ---- */

static double duration(enum crmpi_action_kind kind)
{
    switch (kind) {
    case CRMPI_ACTION_PARK:
        return sim_delay(20);
    case CRMPI_ACTION_SAVE:
    case CRMPI_ACTION_COMMIT:
        return sim_delay(job.setup->save_us);
    default:
        return 0;
    }
}

static void begin_todo(uint32_t r)
{
    struct rank *rank = &job.ranks[r];
    struct crmpi_action action;

    if (rank->busy || rank->n_todo == 0)
        return;
    action = rank->todo[0];
    rank->n_todo--;
    memmove(&rank->todo[0], &rank->todo[1], rank->n_todo * sizeof rank->todo[0]);
    rank->busy = 1;
    later(duration(action.kind),
          (struct sim_item){.kind = SIM_RESULT, .rank = r, .action = action});
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

static void free_item(struct sim_item *item)
{
    free(item->payload);
    free(item);
}

static void deliver(struct sim_item *item)
{
    struct rank *rank = &job.ranks[item->rank];

    if (rank->busy) {
        item->next = NULL;
        *rank->inbox_end = item;
        rank->inbox_end = &item->next;
    } else if (item->to != item->rank) {
        pass_on(item->rank, *item);
        free(item);
    } else {
        give(item->rank, (struct crmpi_event){.kind = CRMPI_EVENT_MESSAGE,
                                              .from = item->from,
                                              .message = &item->message,
                                              .payload = item->payload,
                                              .payload_bytes = item->payload_bytes});
        free_item(item);
    }
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

static void take_result(uint32_t r, const struct crmpi_action *action)
{
    struct rank *rank = &job.ranks[r];
    struct crmpi_event result;

    rank->busy = 0;
    if (result_of(r, action, &result)) {
        give(r, result);
        free((void *)result.counts);
        free((void *)result.dependencies);
    }
    begin_todo(r);
    empty_inbox(r);
    if (rank->state == ENDED && !rank->busy)
        give(r, (struct crmpi_event){.kind = CRMPI_EVENT_FINISHING});
    tell_if_at_targets(r);
}

static void completed(const struct sim_item *item)
{
    struct rank *rank = &job.ranks[item->rank];
    struct crmpi_event result = failure("made to fail");

    if (rank->completing != item->stamp)
        return; /* given up meanwhile */
    rank->completing = 0;
    if (!sim_chance(job.setup->fault_chance))
        result = write_file(item->rank, &item->action);
    give(item->rank, result);
    free((void *)result.dependencies);
}

/* Until all that was sent to this rank is in its saved queue, and its puts are done. */
static void drain(const struct sim_item *item)
{
    struct rank *rank = &job.ranks[item->rank];
    struct traffic_message message;

    if (rank->draining != item->stamp)
        return;
    while (traffic_queue_take(&rank->arrived, UINT32_MAX, -1, &message)) {
        rank->app.streams[message.from][message.tag].received++;
        traffic_queue_add(&rank->app.saved, &message);
    }
    if (job.n_parked < job.n_ranks || rank->n_in_flight > 0 || rank->n_puts_out > 0) {
        later(50, *item);
        return;
    }
    rank->draining = 0;
    rank->drained = 1;
    give(item->rank, (struct crmpi_event){.kind = CRMPI_EVENT_DRAINED});
}

static void settle(const struct sim_item *item)
{
    struct rank *rank = &job.ranks[item->rank];

    if (rank->settling != item->stamp || sim_chance(job.setup->stuck_chance))
        return;
    if (rank->n_puts_out > 0) {
        later(50, *item);
        return;
    }
    rank->settling = 0;
    if (sim_chance(job.setup->refuse_chance))
        give(item->rank, failure("it holds a lock of a window"));
    else if (rank->log_lost)
        give(item->rank, failure("a checkpoint of all failed after threads went on"));
    else if (rank->app.log.n > job.setup->log_limit)
        give(item->rank, failure("its log is over the limit (CRMPI_LOG_LIMIT)"));
    else
        give(item->rank, (struct crmpi_event){.kind = CRMPI_EVENT_SETTLED});
}

static void ask(uint32_t r)
{
    struct crmpi_event event = {.kind = CRMPI_EVENT_REQUEST};

    later(sim_delay(job.setup->request_us),
          (struct sim_item){.kind = SIM_REQUEST, .rank = r});
    if (job.ranks[r].busy)
        return;
    if (r == 0) {
        event.all = sim_chance(job.setup->together_chance);
        event.stop = event.all && sim_chance(job.setup->stop_chance);
    }
    give(r, event);
}

static void arrived(struct sim_item *item)
{
    job.ranks[item->rank].n_in_flight--;
    traffic_queue_add(&job.ranks[item->rank].arrived, &item->traffic);
    program_go_on(item->rank);
}

static void put_arrived(const struct sim_item *item)
{
    traffic_put_arrived(&job.ranks[item->rank].app, item->from, &item->put);
    job.ranks[item->from].n_puts_out--;
    program_go_on(item->from);
}

/* Returns 1 if the item is kept. */
static int step(struct sim_item *item)
{
    uint32_t r = item->rank;
    struct rank *rank = &job.ranks[r];

    if (rank->stopped || (rank->finished && item->kind == SIM_REQUEST))
        return 0;
    switch (item->kind) {
    case SIM_MESSAGE:
        deliver(item);
        return 1;
    case SIM_RESULT:
        take_result(r, &item->action);
        break;
    case SIM_DRAIN:
        drain(item);
        break;
    case SIM_SETTLE:
        settle(item);
        break;
    case SIM_COMPLETED:
        completed(item);
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
        if (rank->state == COMPUTES && rank->stamp == item->stamp)
            computed(r);
        break;
    case SIM_PROGRAM:
        program_go_on(r);
        break;
    case SIM_REQUEST:
        ask(r);
        break;
    case SIM_ARRIVED:
        arrived(item);
        break;
    case SIM_PUT:
        put_arrived(item);
        break;
    case SIM_TOUCH:
        touched(item);
        break;
    case SIM_GRANTED:
        granted(item);
        break;
    case SIM_KILL:
        job.killed = 1;
        break;
    }
    return 0;
}

/* ---- a job: incarnations until its programs end ---- */

/* What the senders remember to have sent, and the receivers do not know of. */
static void replay(void)
{
    for (uint32_t i = 0; i < job.n_ranks; i++) {
        struct traffic_rank *sender = &job.ranks[i].app;
        for (size_t k = 0; k < sender->log.n; k++) {
            const struct traffic_message *item = &sender->log.items[k];
            if (item->index > job.ranks[item->to].app.streams[i][item->tag].received)
                traffic_queue_add(&job.ranks[item->to].arrived, item);
        }
        for (size_t k = 0; k < sender->n_put_log; k++)
            traffic_put_arrived(&job.ranks[sender->put_log[k].target].app, i,
                                &sender->put_log[k]);
    }
}

static void begin_incarnation(unsigned kills_left)
{
    struct crmpi_policy_parameters parameters = {.next_sn = disk_line_number() + 1,
                                                 .limit_ms = LIMIT_MS,
                                                 .domino = job.setup->domino};

    job.killed = job.in_vain = 0;
    job.n_ended = job.n_finished = job.n_stopped = job.n_parked = 0;
    traffic_program_restart(&job.program);
    for (uint32_t r = 0; r < job.n_ranks; r++) {
        struct rank *rank = &job.ranks[r];
        struct crmpi_policy_env env = {.context = rank, .send = send_message, .act = act};

        *rank = (struct rank){.inbox_end = &rank->inbox};
        disk_load(r, &rank->app);
        rank->app.last_sn = disk_line_number();
        rank->policy = ops->create(r, job.n_ranks, &parameters, &env);
        check(rank->policy != NULL, "out of memory");
    }
    replay();
    for (uint32_t r = 0; r < job.n_ranks; r++) {
        compute(r);
        later(sim_delay(job.setup->request_us),
              (struct sim_item){.kind = SIM_REQUEST, .rank = r});
    }
    if (kills_left > 0)
        later(sim_delay(job.setup->compute_us * (double)job.setup->traffic.n_operations /
                        job.n_ranks * 2),
              (struct sim_item){.kind = SIM_KILL});
}

static void end_incarnation(void)
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
        ops->destroy(rank->policy);
        free(rank->targets);
        free(rank->arrived.items);
        crmpi_dependencies_fini(&rank->noted);
        traffic_rank_fini(&rank->taken);
        traffic_rank_fini(&rank->app);
    }
}

/* What a restart does before the job runs again. */
static void choose_line(void)
{
    uint64_t all[TRAFFIC_RANKS], left[TRAFFIC_RANKS];
    const char *wrong;

    disk_line(all, DISK_ALL);
    disk_line(left, DISK_LEFT);
    for (uint32_t r = 0; r < job.n_ranks; r++)
        check(all[r] == left[r], "a file was dropped that the line needs");
    if (sim_chance(job.setup->loss_chance))
        totals.n_lost += disk_lose_some();
    disk_line(left, DISK_LEFT);
    wrong = disk_check_line(left);
    check(wrong == NULL, wrong);
    disk_make_line(left);
    totals.n_restarts++;
}

static void run_incarnation(void)
{
    struct sim_item *item;
    size_t lag;

    while (!job.killed && job.n_finished < job.n_ranks &&
           (item = sim_queue_take(&job.now_us)) != NULL) {
        check(job.now_us < 3.6e9, "the job does not end");
        if (!step(item))
            free_item(item);
        if (!job.is_smooth || disk_lag() <= job.setup->domino)
            continue;
        lag = disk_lag() - job.setup->domino;
        check(lag <= under_way_max(), "the line is far behind");
        totals.lag = lag > totals.lag ? lag : totals.lag;
    }
    check(job.killed || job.n_finished == job.n_ranks, "a program does not end");
}

static void job_run(const struct setup *setup)
{
    unsigned n_kills = setup->n_kills;
    int ended = 0;

    memset(&job, 0, sizeof job);
    job.setup = setup;
    job.n_ranks = setup->n_ranks;
    job.is_smooth = setup->fault_chance + setup->refuse_chance + setup->stuck_chance == 0;
    traffic_program_init(&job.program, &setup->traffic);
    disk_init(&job.program);
    while (!ended) {
        struct traffic_rank states[TRAFFIC_RANKS];

        begin_incarnation(n_kills);
        run_incarnation();
        ended = !job.killed;
        for (uint32_t r = 0; r < job.n_ranks && ended; r++) {
            check(job.ranks[r].arrived.n + job.ranks[r].app.saved.n == 0,
                  "there are more messages than were sent");
            states[r] = job.ranks[r].app;
        }
        if (ended) {
            const char *wrong = traffic_wrong(&job.program, states);
            check(wrong == NULL, wrong);
        }
        end_incarnation();
        if (!ended)
            choose_line();
        n_kills -= n_kills > 0;
    }
    disk_fini();
    traffic_program_fini(&job.program);
    totals.n_jobs++;
}

/* ---- the setups ---- */

static void setup_random(struct setup *setup, uint64_t seed)
{
    int is_rough = seed % 3 == 0;

    sim_seed(seed);
    *setup = (struct setup){
        .seed = seed,
        .n_ranks = 2 + sim_pick(sim_chance(0.3) ? TRAFFIC_RANKS - 1 : 5),
        .domino = 1 + sim_pick(4),
        .n_kills = sim_pick(5),
        .log_limit = sim_chance(0.2) ? 20 : SIZE_MAX,
        .latency_us = 5 + 50 * sim_uniform(),
        .compute_us = 10 + 100 * sim_uniform(),
        .save_us = sim_chance(0.5) ? 100 : 3000,
        .settle_us = 50,
        .together_chance = sim_chance(0.5) ? 0.2 : 0,
        .stop_chance = 0.2,
        .call_chance = sim_chance(0.3) ? 0.02 : 0,
        .loss_chance = sim_chance(0.5) ? 0.7 : 0,
        .fault_chance = is_rough ? 0.02 : 0,
        .refuse_chance = is_rough ? 0.1 : 0,
        .stuck_chance = seed % 6 == 0 ? 0.05 : 0,
        .background_chance = !sim_chance(0.6)  ? 0
                             : sim_chance(0.6) ? 1
                                               : sim_uniform(),
        .write_us = sim_chance(0.5) ? 100 : 5000,
    };
    setup->request_us = (1 + 20 * sim_uniform()) * setup->save_us + 500;
    setup->traffic = (struct traffic_setup){
        .n_ranks = setup->n_ranks,
        .n_operations = 100 + sim_pick(120 * setup->n_ranks),
        .collectives = sim_chance(0.5) ? 0.005 : 0,
        .fences = sim_chance(0.5) ? 0.01 : 0,
        .puts = sim_chance(0.5) ? 0.2 : 0,
    };
}

static void print_totals(void)
{
    const uint64_t *n = totals.messages;
    uint64_t all = 0, alone = n[CRMPI_MESSAGE_SAVED_ALONE] + n[CRMPI_MESSAGE_NOT_ALONE] +
                              n[CRMPI_MESSAGE_TRIM];

    for (unsigned kind = 0; kind < CRMPI_MESSAGE_KINDS; kind++)
        all += n[kind];
    printf("%u jobs, %u restarts (%u files lost): %u checkpoints of ranks alone, %u of "
           "all, %u given up, %u reasons; line at most %zu checkpoints behind its bound, "
           "%zu files of a rank\n",
           totals.n_jobs, totals.n_restarts, totals.n_lost, totals.n_alone,
           totals.n_together, totals.n_given_up, totals.n_reasons, totals.lag,
           totals.files);
    printf("saved in the background: %u times, %u times in vain\n", totals.n_background,
           totals.n_background_lost);
    check(totals.n_jobs < 100 || (totals.n_background > 10 * totals.n_jobs &&
                                  totals.n_background_lost > totals.n_jobs / 10),
          "the jobs do not try what they should");
    printf("control messages: %llu for checkpoints alone (%llu saved, %llu trim, %llu "
           "reasons), %llu for those of all; %llu with hops\n",
           (unsigned long long)alone, (unsigned long long)n[CRMPI_MESSAGE_SAVED_ALONE],
           (unsigned long long)n[CRMPI_MESSAGE_TRIM],
           (unsigned long long)n[CRMPI_MESSAGE_NOT_ALONE],
           (unsigned long long)(all - alone), (unsigned long long)totals.hops);
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    unsigned n_jobs = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1000;

    for (unsigned i = 0; i < n_jobs; i++) {
        struct setup setup;
        setup_random(&setup, seed + i);
        job_run(&setup);
    }
    print_totals();
    return 0;
}
