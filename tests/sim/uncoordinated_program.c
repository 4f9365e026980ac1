/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The programs that simulated ranks run under the uncoordinated policy, and how their messages
 * and accesses to windows travel: see uncoordinated.h.  Test.
 */
#include "sim/uncoordinated.h"

/* ---- the application's network ---- */

static void bring(uint32_t from, struct sim_item item)
{
    sim_at(sim_arrival(&job.ranks[from].path_free[item.rank],
                       sim_delay(10 * job.setup->latency_us)),
           item);
}

/* With what it brings. */
static void bring_with(uint32_t from, struct sim_item item, const void *bytes, size_t n)
{
    item.payload = sim_copy(bytes, n);
    item.payload_bytes = n;
    bring(from, item);
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
    bring_with(r, (struct sim_item){.kind = SIM_ARRIVED, .rank = message.to}, &message,
               sizeof message);
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
        sim_check(++rank->app.streams[message.from][message.tag].received ==
                          message.index ||
                      job.in_vain,
                  "a message comes that is not the next of its stream");
    }
    sim_check(traffic_received(&rank->app, &message) == 0,
              "a message is lost or doubled");
    return 1;
}

/* ---- the program of a rank ---- */

static int has_reached_targets(uint32_t r)
{
    const struct sim_rank *rank = &sim.ranks[r];

    for (size_t i = 0; i < rank->n_targets; i++)
        if (job.ranks[r].app.counts[rank->targets[i].comm_id - TRAFFIC_COMM_ID(0)] <
            rank->targets[i].count)
            return 0;
    return 1;
}

static int may_enter(uint32_t r, unsigned comm)
{
    const struct sim_rank *rank = &sim.ranks[r];

    if (!job.ranks[r].running_on)
        return 1;
    for (size_t i = 0; i < rank->n_targets; i++)
        if (rank->targets[i].comm_id == TRAFFIC_COMM_ID(comm) &&
            job.ranks[r].app.counts[comm] >= rank->targets[i].count)
            return !has_reached_targets(r);
    return 1;
}

void program_again(uint32_t r)
{
    sim_later(0, (struct sim_item){.kind = SIM_PROGRAM, .rank = r});
}

void program_compute(uint32_t r)
{
    struct rank *rank = &job.ranks[r];

    rank->state = COMPUTES;
    rank->stamp = ++job.stamp;
    sim_later(sim_delay(job.setup->compute_us),
              (struct sim_item){.kind = SIM_COMPUTED, .rank = r, .stamp = rank->stamp});
}

static void enter(uint32_t r, struct traffic_operation *operation)
{
    job.ranks[r].state = WAITS;
    operation->n_entered++;
    operation->sum += draw();
    if (operation->n_entered < traffic_n_members(&job.program, operation->comm))
        return;
    for (uint32_t m = 0; m < sim.n_ranks; m++)
        if (traffic_is_member(&job.program, m, operation))
            program_again(m);
}

void program_open_gate(uint32_t r)
{
    struct rank *rank = &job.ranks[r];

    if (rank->state != AT_GATE || rank->parked || rank->n_puts_out > 0)
        return;
    enter(r, traffic_next(&job.program, r, &rank->app));
    program_again(r);
}

/* Returns 1 when it is done. */
static int collective(uint32_t r, struct traffic_operation *operation)
{
    struct rank *rank = &job.ranks[r];

    if (operation->kind == TRAFFIC_FENCE && rank->n_puts_out > 0)
        return 0;
    if (rank->state != WAITS) {
        rank->state = AT_GATE;
        if (!may_enter(r, operation->comm))
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
    struct traffic_put made;

    if (rank->state == TOUCHES || (rank->state == READY && sim_chance(0.5)))
        return rank->state != TOUCHES; /* waits, or makes none */
    if (rank->app.touched_at[target] != interval) {
        rank->state = TOUCHES;
        bring(r, (struct sim_item){
                     .kind = SIM_TOUCH, .rank = target, .from = r, .stamp = interval});
        return 0;
    }
    rank->n_puts_out++;
    made = traffic_put(&rank->app, operation, draw());
    bring_with(r, (struct sim_item){.kind = SIM_PUT, .rank = target, .from = r}, &made,
               sizeof made);
    return 1;
}

static void tell_if_at_targets(uint32_t r)
{
    struct rank *rank = &job.ranks[r];

    if (!rank->running_on || rank->at_targets_told || sim.ranks[r].busy ||
        !has_reached_targets(r))
        return;
    rank->at_targets_told = 1;
    sim_give(r, (struct crmpi_event){.kind = CRMPI_EVENT_AT_TARGETS});
}

void program_tell(uint32_t r)
{
    if (job.ranks[r].state == ENDED && !sim.ranks[r].busy)
        sim_give(r, (struct crmpi_event){.kind = CRMPI_EVENT_FINISHING});
    tell_if_at_targets(r);
}

static void end_program(uint32_t r)
{
    job.ranks[r].state = ENDED;
    job.n_ended++;
    if (!sim.ranks[r].busy)
        sim_give(r, (struct crmpi_event){.kind = CRMPI_EVENT_FINISHING});
}

static void go_on(uint32_t r)
{
    struct rank *rank = &job.ranks[r];
    struct traffic_operation *operation = traffic_next(&job.program, r, &rank->app);
    int done = 0;

    if (rank->parked || rank->state == COMPUTES || rank->state == ENDED ||
        (rank->state == CALLS && !(rank->running_on && !has_reached_targets(r))))
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
    program_compute(r);
    tell_if_at_targets(r);
}

/* The rank comes to its next operation; or calls CRMPI_Checkpoint() first. */
static void computed(uint32_t r)
{
    struct rank *rank = &job.ranks[r];

    rank->state = READY;
    if (!sim.ranks[r].busy && !rank->parked && !rank->running_on &&
        sim_chance(job.setup->call_chance)) {
        rank->state = CALLS;
        rank->calls_late = rank->resumed;
        sim_give(r, (struct crmpi_event){.kind = CRMPI_EVENT_REQUEST,
                                         .ordinal = ++rank->ordinal});
    }
    go_on(r);
}

/* ---- windows ---- */

static void touched(const struct sim_item *item)
{
    struct rank *owner = &job.ranks[item->rank];

    if (sim.hooks->policy->is_closed(sim.ranks[item->rank].policy)) {
        sim_later(50, *item);
        return;
    }
    if (owner->app.origins[item->from] < item->stamp)
        owner->app.origins[item->from] = item->stamp;
    bring(item->rank, (struct sim_item){.kind = SIM_GRANTED,
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
    go_on(item->rank);
}

/* ---- what comes ---- */

static void arrived(const struct sim_item *item)
{
    job.ranks[item->rank].n_in_flight--;
    traffic_queue_add(&job.ranks[item->rank].arrived, item->payload);
    go_on(item->rank);
}

static void put_arrived(const struct sim_item *item)
{
    traffic_put_arrived(&job.ranks[item->rank].app, item->from, item->payload);
    job.ranks[item->from].n_puts_out--;
    go_on(item->from);
}

void program_come(const struct sim_item *item)
{
    uint32_t r = item->rank;

    switch (item->kind) {
    case SIM_LOOK:
        tell_if_at_targets(r);
        break;
    case SIM_COMPUTED:
        if (job.ranks[r].state == COMPUTES && job.ranks[r].stamp == item->stamp)
            computed(r);
        break;
    case SIM_PROGRAM:
        go_on(r);
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
    }
}
