/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the engine does for the uncoordinated policy, in simulated jobs: see uncoordinated.h.
 * Test.
 */
#include <stdlib.h>
#include "sim/disk.h"
#include "sim/uncoordinated.h"

static void unpark(struct rank *rank)
{
    job.n_parked -= (uint32_t)rank->parked;
    rank->parked = rank->running_on = rank->drained = 0;
    rank->settling = rank->draining = 0;
    program_again((uint32_t)(rank - job.ranks));
}

static void resume(uint32_t r, const struct crmpi_action *action)
{
    struct rank *rank = &job.ranks[r];

    for (uint32_t other = 0; other < sim.n_ranks && !action->alone; other++)
        sim_check(job.ranks[other].captured_sn >= action->sn,
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

    sim_check(!resumed || rank->resumed_alone == action->alone,
              "another checkpoint ends than threads went on after");
    end_resumed(rank, action);
    if (!resumed)
        unpark(rank);
    if (action->alone && action->committed) {
        sim_check(disk_newest(r) == action->sn, "released, and not saved");
        sim_check(rank->has_base, "saved alone before all have been");
        rank->app.last_sn = action->sn;
        totals.n_alone++;
        rank->n_owed += (unsigned)rank->owed;
        sim_check(rank->n_owed <= job_under_way_max() || job.setup->stuck_chance > 0,
                  "a checkpoint of all that was asked for does not come");
    } else if (action->alone) {
        rank->owed = 1;
    } else if (action->committed) {
        rank->has_base = 1;
        sim_check(disk_line_number() == action->sn, "committed, and there is no line");
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
        sim_check(!action->committed || action->ordinal >= rank->ordinal,
                  "a call of CRMPI_Checkpoint() is not served");
        rank->state = READY;
        program_again(r);
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
    sim_check(action->committed || (action->why != NULL && action->why[0] != '\0'),
              "given up for no reason");
    sim_check(action->committed || job.setup->fault_chance > 0 ||
                  job.setup->refuse_chance > 0 || job.setup->stuck_chance > 0 ||
                  action->alone,
              "given up, and nothing went wrong");
}

static void trim(uint32_t r, const struct crmpi_action *action)
{
    uint64_t line[TRAFFIC_RANKS];

    disk_line(line, DISK_ALL);
    sim_check(action->sn <= line[r], "a checkpoint is given up that the line has");
    traffic_trim(&job.ranks[r].app, action->arrived, action->n_arrived);
    disk_trim(r, action->sn);
}

int actions_act(uint32_t r, const struct crmpi_action *action)
{
    struct rank *rank = &job.ranks[r];

    switch (action->kind) {
    case CRMPI_ACTION_RUN_ON:
        sim_set_targets(r, action);
        unpark(rank);
        rank->running_on = 1;
        rank->at_targets_told = 0;
        sim_later(0, (struct sim_item){.kind = SIM_LOOK, .rank = r});
        return 1;
    case CRMPI_ACTION_OPEN_GATE:
        program_open_gate(r);
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
        sim_check(job.n_ended == sim.n_ranks, "the engine ends before the programs");
        sim_check(!rank->resumed, "the engine ends before a checkpoint");
        sim_finish(r);
        return 1;
    case CRMPI_ACTION_RESUME:
        resume(r, action);
        return 1;
    case CRMPI_ACTION_COMPLETE:
        sim_check(rank->resumed_alone == action->alone,
                  "another checkpoint is completed than threads went on after");
        rank->completing = ++job.stamp;
        sim_later(sim_delay(job.setup->write_us),
                  (struct sim_item){
                      .kind = SIM_COMPLETED, .rank = r, .stamp = rank->completing});
        return 1;
    case CRMPI_ACTION_END:
        sim_check(rank->parked, "a rank ends, and its threads have gone on");
        sim_stop(r);
        job.killed = sim.n_stopped == sim.n_ranks;
        return 1;
    case CRMPI_ACTION_SAVE:
        traffic_dependencies(&job.program, r, &rank->app, action->sn, action->alone,
                             &rank->noted);
        return 0;
    default:
        return 0;
    }
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

    sim_check(!rank->parked, "parked twice");
    rank->parked = 1;
    rank->running_on = 0;
    job.n_parked++;
    result.counts = traffic_counts(&job.program, r, &rank->app, &result.n_counts);
    return result;
}

/* Sender and receiver have counted the same, whatever became of checkpoints before. */
static int is_balanced(uint32_t r)
{
    for (uint32_t to = 0; to < sim.n_ranks; to++)
        for (unsigned tag = 0; tag < TRAFFIC_TAGS; tag++)
            if (job.ranks[r].app.streams[to][tag].sent !=
                job.ranks[to].app.streams[r][tag].received)
                return 0;
    return 1;
}

static int are_all_drained(void)
{
    int drained = job.n_parked == sim.n_ranks;

    for (uint32_t r = 0; r < sim.n_ranks; r++)
        drained &= job.ranks[r].drained;
    return drained;
}

/* The memory is taken. */
static void take(uint32_t r, const struct crmpi_action *action)
{
    struct rank *rank = &job.ranks[r];

    sim_check(rank->parked, "saving, and the rank runs");
    if (!action->alone) {
        sim_check(job.setup->fault_chance > 0 || /* it may have been given up */
                      (are_all_drained() && rank->n_in_flight == 0),
                  "saving, and the ranks are not drained");
        sim_check(!are_all_drained() || is_balanced(r),
                  "saving, and messages do not balance");
    }
    sim_check(!action->alone || rank->n_puts_out == 0,
              "saving, and accesses are not complete");
    sim_check(!action->alone || action->sn > rank->app.last_sn, "a number is used twice");
    traffic_rank_copy(&rank->taken, &rank->app);
    rank->captured_sn = action->sn;
}

/* It is written. */
static struct crmpi_event write_file(uint32_t r, int alone)
{
    struct rank *rank = &job.ranks[r];
    struct crmpi_event result = {.kind = CRMPI_EVENT_SAVED};
    void *packed = NULL;

    if (!alone) {
        disk_write_together(r, &rank->taken, &rank->noted);
        return result;
    }
    if (crmpi_dependencies_pack(&rank->noted, &packed, &result.dependencies_bytes) != 0)
        sim_check(0, "dependencies cannot be packed");
    result.dependencies = packed;
    disk_write_alone(r, &rank->taken, &rank->noted);
    if (job.is_smooth && totals.files < disk_n_files(r))
        totals.files = disk_n_files(r);
    return result;
}

int actions_result(uint32_t r, const struct crmpi_action *action,
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
        sim_later(
            sim_delay(job.setup->settle_us),
            (struct sim_item){.kind = SIM_SETTLE, .rank = r, .stamp = rank->settling});
        return 0;
    case CRMPI_ACTION_DRAIN:
        rank->draining = ++job.stamp;
        sim_later(
            0, (struct sim_item){.kind = SIM_DRAIN, .rank = r, .stamp = rank->draining});
        return 0;
    case CRMPI_ACTION_QUIET:
        result->kind = CRMPI_EVENT_QUIESCED;
        return 1;
    case CRMPI_ACTION_SAVE:
        take(r, action);
        *result = !action->foreground && sim_chance(job.setup->background_chance)
                      ? (struct crmpi_event){.kind = CRMPI_EVENT_CAPTURED}
                      : write_file(r, action->alone);
        return 1;
    case CRMPI_ACTION_COMMIT:
        sim_check(disk_commit(action->sn) == 0,
                  "a line without all ranks, or a number that "
                  "is not above all others");
        result->kind = CRMPI_EVENT_COMMITTED;
        result->line = action->sn;
        return 1;
    default:
        return 0;
    }
}

double actions_duration_us(uint32_t r, const struct crmpi_action *action)
{
    (void)r;
    switch (action->kind) {
    case CRMPI_ACTION_PARK:
        return sim_delay(20);
    case CRMPI_ACTION_SAVE:
    case CRMPI_ACTION_COMMIT:
        return sim_delay(job.setup->save_us);
    default:
        return 0;
    }
}

/* ---- what takes its time ---- */

static void completed(const struct sim_item *item)
{
    struct rank *rank = &job.ranks[item->rank];
    struct crmpi_event result = failure("made to fail");

    if (rank->completing != item->stamp)
        return; /* given up meanwhile */
    rank->completing = 0;
    if (!sim_chance(job.setup->fault_chance))
        result = write_file(item->rank, rank->resumed_alone);
    sim_give_result(item->rank, result);
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
    if (job.n_parked < sim.n_ranks || rank->n_in_flight > 0 || rank->n_puts_out > 0) {
        sim_later(50, *item);
        return;
    }
    rank->draining = 0;
    rank->drained = 1;
    sim_give(item->rank, (struct crmpi_event){.kind = CRMPI_EVENT_DRAINED});
}

static void settle(const struct sim_item *item)
{
    struct rank *rank = &job.ranks[item->rank];

    if (rank->settling != item->stamp || sim_chance(job.setup->stuck_chance))
        return;
    if (rank->n_puts_out > 0) {
        sim_later(50, *item);
        return;
    }
    rank->settling = 0;
    if (sim_chance(job.setup->refuse_chance))
        sim_give(item->rank, failure("it holds a lock of a window"));
    else if (rank->log_lost)
        sim_give(item->rank, failure("a checkpoint of all failed after threads went on"));
    else if (rank->app.log.n > job.setup->log_limit)
        sim_give(item->rank, failure("its log is over the limit (CRMPI_LOG_LIMIT)"));
    else
        sim_give(item->rank, (struct crmpi_event){.kind = CRMPI_EVENT_SETTLED});
}

void actions_come(const struct sim_item *item)
{
    switch (item->kind) {
    case SIM_DRAIN:
        drain(item);
        break;
    case SIM_SETTLE:
        settle(item);
        break;
    case SIM_COMPLETED:
        completed(item);
        break;
    }
}
