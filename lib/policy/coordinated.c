/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The coordinated policy: Chandy and Lamport's cut made blocking.  Rank 0 asks, all ranks
 * park, run on to a common collective count, drain the channels, save, commit, go on.
 * Pure: runs in the lower half and in the simulator.
 *
 * A checkpoint is a chain of phases.  Rank 0 starts each by a message down the tree; each
 * rank does its part, and reports up the tree when it and its children have done theirs:
 *
 *   PARKING -> RUNNING_ON -> PARKING ... -> DRAINING -> QUIETING -> SAVING -> ENDING
 *
 * The first failure in any rank makes rank 0 send ABORT, from any phase to ENDING.  The
 * next attempt begins when every rank has reported the end of the last, so messages of
 * two attempts do not mix.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "policy/policy.h"
#include "policy/tally.h"

enum phase { IDLE, PARKING, RUNNING_ON, DRAINING, QUIETING, SAVING, ENDING, PHASES };

/* What a rank sends up when a phase is done from it downwards. */
static const enum crmpi_message_kind report_of[PHASES] = {
    [PARKING] = CRMPI_MESSAGE_PARKED,     [RUNNING_ON] = CRMPI_MESSAGE_AT_TARGETS,
    [DRAINING] = CRMPI_MESSAGE_DRAINED,   [QUIETING] = CRMPI_MESSAGE_QUIESCED,
    [SAVING] = CRMPI_MESSAGE_SAVED,       [ENDING] = CRMPI_MESSAGE_DONE,
};

static const char *const phase_words[PHASES] = {
    [PARKING] = "stopping the ranks",     [RUNNING_ON] = "bringing all to one point",
    [DRAINING] = "draining the messages", [QUIETING] = "draining the messages",
    [SAVING] = "saving",                  [ENDING] = "ending",
};

/* Bits of `missing`: children 0 and 1, and this rank itself. */
#define OWN (1u << CRMPI_TREE_CHILDREN)

/* How long rank 0 looks on while ranks wait at the gate and others do not arrive. */
#define GATE_FIRST_MS 5
#define GATE_LAST_MS 1000
/* How much longer than its limit rank 0 waits for ranks that do not even say why. */
#define SILENCE_MS 5000

struct crmpi_policy {
    struct crmpi_policy_env env;
    uint32_t world_rank, n_ranks;
    unsigned n_children;
    int64_t limit_ms;

    enum phase phase;
    unsigned missing; /* who has not done the phase yet */
    uint32_t attempt;
    uint64_t sn;      /* of the attempt */
    int sn_used;      /* rank 0: there may be files of this number */
    int64_t deadline_ms; /* until when all has to be quiet */
    int64_t alarm_ms;    /* when to look whether it is past */
    int failed; /* this rank has reported a failure in this attempt */
    int stop;   /* the job ends after this checkpoint */

    uint64_t requested; /* highest ordinal asked for */
    int request_sent;   /* the parent knows that a checkpoint is wanted */
    int request_waits;  /* rank 0: begin the next one when this has ended */
    int request_stop;
    unsigned finishing; /* bits as in `missing`: who is in MPI_Finalize */
    int finished;

    /* PARKING */
    struct crmpi_census census;

    /* RUNNING_ON in rank 0 */
    int64_t gate_ms; /* when the gates are opened, or after a stir all are parked again */
    int64_t gate_gap_ms;
    int stir; /* all agree, but the members of some communicator are not complete: let the
                 ranks run for a moment.  Counts the times */
    int stir_open; /* the gates have to be opened in this stir */

    /* SAVING */
    struct crmpi_saved *saved;
    size_t n_saved;
};

static int is_root(const struct crmpi_policy *p)
{
    return p->world_rank == 0;
}

static unsigned everyone(const struct crmpi_policy *p)
{
    return OWN | ((1u << p->n_children) - 1);
}

/* ---- sending and acting ---- */

static struct crmpi_message message_of(const struct crmpi_policy *p,
                                       enum crmpi_message_kind kind)
{
    return (struct crmpi_message){
        .kind = kind,
        .attempt = p->attempt,
        .world_rank = p->world_rank,
        .sn = p->sn,
        .ordinal = p->requested,
    };
}

static void send_up(struct crmpi_policy *p, const struct crmpi_message *message,
                    const void *payload, size_t payload_bytes)
{
    p->env.send(p->env.context, CRMPI_TREE_PARENT(p->world_rank), message, payload,
                payload_bytes);
}

static void send_down_with(struct crmpi_policy *p, const struct crmpi_message *message,
                           const void *payload, size_t payload_bytes)
{
    for (unsigned i = 0; i < p->n_children; i++)
        p->env.send(p->env.context, CRMPI_TREE_CHILD(p->world_rank, i), message, payload,
                    payload_bytes);
}

static void send_down(struct crmpi_policy *p, const struct crmpi_message *message)
{
    send_down_with(p, message, NULL, 0);
}

static void act(struct crmpi_policy *p, const struct crmpi_action *action)
{
    p->env.act(p->env.context, action);
}

static void act_plain(struct crmpi_policy *p, enum crmpi_action_kind kind)
{
    act(p, &(struct crmpi_action){.kind = kind, .sn = p->sn});
}

static void begin(struct crmpi_policy *p, int64_t now_ms);
static void gathered(struct crmpi_policy *p, int64_t now_ms);

static void enter(struct crmpi_policy *p, enum phase phase)
{
    p->phase = phase;
    p->missing = everyone(p);
    p->alarm_ms = phase < SAVING ? p->deadline_ms : INT64_MAX; /* saving takes its time */
}

/* ---- the end of an attempt ---- */

/* This rank learns the outcome: pass it on, then act on it. */
static void end(struct crmpi_policy *p, const struct crmpi_message *outcome,
                const uint64_t *kept, size_t n_kept, int64_t now_ms)
{
    int committed = outcome->kind == CRMPI_MESSAGE_COMMITTED;

    enter(p, ENDING);
    crmpi_census_fini(&p->census);
    free(p->saved);
    p->saved = NULL;
    p->n_saved = 0;
    p->request_sent = 0;
    p->stop = committed && outcome->stop;
    p->gate_ms = INT64_MAX;
    send_down_with(p, outcome, kept, n_kept * sizeof *kept);
    if (!p->stop)
        act(p, &(struct crmpi_action){
                   .kind = CRMPI_ACTION_RELEASE,
                   .sn = p->sn,
                   .committed = committed,
                   .kept = kept,
                   .n_kept = n_kept,
                   .ordinal = outcome->ordinal,
               });
    p->missing &= ~OWN;
    gathered(p, now_ms);
}

static void abort_attempt(struct crmpi_policy *p, uint32_t world_rank, const char *why,
                          int64_t now_ms)
{
    struct crmpi_message outcome = message_of(p, CRMPI_MESSAGE_ABORT);

    act(p, &(struct crmpi_action){.kind = CRMPI_ACTION_REPORT,
                                  .sn = p->sn,
                                  .world_rank = world_rank,
                                  .why = why});
    p->request_stop = 0;
    end(p, &outcome, NULL, 0, now_ms);
}

/* This rank cannot go on; the first reason counts. */
static void fail(struct crmpi_policy *p, const char *why, int64_t now_ms)
{
    if (p->phase == IDLE || p->phase == ENDING || p->failed)
        return;
    p->failed = 1;
    if (is_root(p)) {
        abort_attempt(p, 0, why, now_ms);
    } else {
        struct crmpi_message message = message_of(p, CRMPI_MESSAGE_FAILED);
        send_up(p, &message, why, strlen(why));
    }
}

static void committed(struct crmpi_policy *p, const struct crmpi_event *event)
{
    struct crmpi_message outcome = message_of(p, CRMPI_MESSAGE_COMMITTED);

    outcome.stop = (uint32_t)p->request_stop;
    act(p,
        &(struct crmpi_action){.kind = CRMPI_ACTION_REPORT, .sn = p->sn, .committed = 1});
    end(p, &outcome, event->kept, event->n_kept, event->now_ms);
}

static void ended(struct crmpi_policy *p, int64_t now_ms)
{
    p->phase = IDLE;
    if (p->stop) {
        act_plain(p, CRMPI_ACTION_END);
    } else if (p->request_waits) {
        begin(p, now_ms);
    }
}

/* ---- parking, and running on to common counts ---- */

static void report_parked(struct crmpi_policy *p, int64_t now_ms)
{
    struct crmpi_message message = message_of(p, CRMPI_MESSAGE_PARKED);
    void *bytes;
    size_t n_bytes;

    message.value = (uint64_t)p->census.disagree;
    if (crmpi_tallies_encode(&p->census.merged, &bytes, &n_bytes) != CRMPI_OK) {
        fail(p, "out of memory", now_ms);
        return;
    }
    send_up(p, &message, bytes, n_bytes);
    free(bytes);
}

/* Send a child the part of the list that it has to know: what it reported. */
static enum crmpi_status send_targets(struct crmpi_policy *p, unsigned child,
                                      const struct crmpi_tallies *list)
{
    struct crmpi_message message = message_of(p, CRMPI_MESSAGE_RUN_ON);
    struct crmpi_tallies part;
    void *bytes;
    size_t n_bytes;
    enum crmpi_status status =
        crmpi_tallies_select(list, &p->census.reported[child], &part);

    if (status != CRMPI_OK)
        return status;
    status = crmpi_tallies_encode(&part, &bytes, &n_bytes);
    crmpi_tallies_fini(&part);
    if (status != CRMPI_OK)
        return status;
    p->env.send(p->env.context, CRMPI_TREE_CHILD(p->world_rank, child), &message, bytes,
                n_bytes);
    free(bytes);
    return CRMPI_OK;
}

/* Let this rank and those below it run on; @p list comes from above and is taken over. */
static void run_on(struct crmpi_policy *p, struct crmpi_tallies *list, int64_t now_ms)
{
    enum crmpi_status status = crmpi_tallies_merge(list, &p->census.settled);
    struct crmpi_collective_count *targets;
    size_t n_targets;

    enter(p, RUNNING_ON);
    for (unsigned i = 0; i < p->n_children && status == CRMPI_OK; i++)
        status = send_targets(p, i, list);
    if (status == CRMPI_OK)
        status = crmpi_tallies_targets(list, p->census.own, p->census.n_own, &targets,
                                       &n_targets);
    crmpi_tallies_fini(list);
    if (status != CRMPI_OK) {
        fail(p, "out of memory", now_ms);
        return;
    }
    act(p, &(struct crmpi_action){
               .kind = CRMPI_ACTION_RUN_ON, .targets = targets, .n_targets = n_targets});
    free(targets);
}

static void widen_gap(struct crmpi_policy *p)
{
    p->gate_gap_ms += p->gate_gap_ms / 4 + 1;
    if (p->gate_gap_ms > GATE_LAST_MS)
        p->gate_gap_ms = GATE_LAST_MS;
}

static void park(struct crmpi_policy *p, int64_t limit_ms)
{
    struct crmpi_message message = message_of(p, CRMPI_MESSAGE_PARK);

    message.value = (uint64_t)(limit_ms > 0 ? limit_ms : 0);
    enter(p, PARKING);
    crmpi_census_fini(&p->census);
    send_down(p, &message);
    act(p, &(struct crmpi_action){.kind = CRMPI_ACTION_PARK, .limit_ms = limit_ms});
}

/*
 * Rank 0 has all counts.  What is left in `merged` are communicators some of whose
 * members have not reported: they have not created it yet, or freed it already.  Or their
 * number is not known; then those that reported have to agree.
 */
static void decide(struct crmpi_policy *p, int64_t now_ms)
{
    struct crmpi_tallies list = p->census.merged;
    struct crmpi_message drain = message_of(p, CRMPI_MESSAGE_DRAIN);
    int incomplete = 0;

    p->census.merged = (struct crmpi_tallies){0};
    for (size_t i = 0; i < list.n; i++) {
        if (list.items[i].low != list.items[i].high)
            p->census.disagree = 1;
        else if (list.items[i].members != 0)
            incomplete = 1;
    }
    if (!p->census.disagree && !incomplete) {
        crmpi_tallies_fini(&list);
        enter(p, DRAINING);
        send_down(p, &drain);
        act_plain(p, CRMPI_ACTION_DRAIN);
        return;
    }
    for (size_t i = 0; i < list.n && !p->census.disagree; i++)
        if (list.items[i].members != 0)
            list.items[i].high = CRMPI_TARGET_NONE;
    p->stir_open = !p->census.disagree && p->stir > 0;
    p->stir = p->census.disagree ? 0 : p->stir + 1;
    p->gate_ms = now_ms + p->gate_gap_ms;
    run_on(p, &list, now_ms);
}

static void open_gates(struct crmpi_policy *p)
{
    struct crmpi_message message = message_of(p, CRMPI_MESSAGE_OPEN_GATE);
    send_down(p, &message);
    act_plain(p, CRMPI_ACTION_OPEN_GATE);
}

/* Rank 0, while the ranks run on: everyone is at the targets, or it is time to look. */
static void running_on(struct crmpi_policy *p, int64_t now_ms)
{
    int due = now_ms >= p->gate_ms;

    if (p->missing == 0 && (p->stir == 0 || (due && !p->stir_open))) {
        p->gate_ms = INT64_MAX;
        park(p, p->deadline_ms - now_ms);
    } else if (due) {
        p->stir_open = 0;
        widen_gap(p);
        p->gate_ms = now_ms + p->gate_gap_ms;
        open_gates(p);
    }
}

/* ---- going through the phases ---- */

static void begin(struct crmpi_policy *p, int64_t now_ms)
{
    p->request_waits = 0;
    p->attempt++;
    p->sn += (uint64_t)p->sn_used;
    p->sn_used = 0;
    p->failed = 0;
    p->stir = 0;
    p->gate_gap_ms = GATE_FIRST_MS;
    p->gate_ms = INT64_MAX;
    p->deadline_ms = now_ms + p->limit_ms;
    park(p, p->limit_ms);
}

static void next_phase(struct crmpi_policy *p, enum phase phase,
                       enum crmpi_message_kind kind, enum crmpi_action_kind action)
{
    struct crmpi_message message = message_of(p, kind);
    enter(p, phase);
    p->sn_used = phase == SAVING;
    send_down(p, &message);
    act_plain(p, action);
}

static void advance(struct crmpi_policy *p, int64_t now_ms)
{
    switch (p->phase) {
    case PARKING:
        decide(p, now_ms);
        break;
    case RUNNING_ON:
        running_on(p, now_ms);
        break;
    case DRAINING:
        next_phase(p, QUIETING, CRMPI_MESSAGE_QUIET, CRMPI_ACTION_QUIET);
        break;
    case QUIETING:
        next_phase(p, SAVING, CRMPI_MESSAGE_SAVE, CRMPI_ACTION_SAVE);
        break;
    case SAVING:
        act(p, &(struct crmpi_action){.kind = CRMPI_ACTION_COMMIT,
                                      .sn = p->sn,
                                      .saved = p->saved,
                                      .n_saved = p->n_saved});
        break;
    default:
        break;
    }
}

/* If all have done the phase: go on (rank 0), or report. */
static void gathered(struct crmpi_policy *p, int64_t now_ms)
{
    struct crmpi_message message;

    if (p->missing != 0)
        return;
    if (p->phase == PARKING && crmpi_census_merge(&p->census) != CRMPI_OK) {
        fail(p, "out of memory, or the counts of collectives are not in order", now_ms);
        return;
    }
    if (!is_root(p)) {
        message = message_of(p, report_of[p->phase]);
        if (p->phase == PARKING)
            report_parked(p, now_ms);
        else if (p->phase == SAVING)
            send_up(p, &message, p->saved, p->n_saved * sizeof *p->saved);
        else
            send_up(p, &message, NULL, 0);
    }
    if (p->phase == ENDING)
        ended(p, now_ms);
    else if (is_root(p))
        advance(p, now_ms);
}

static void own_done(struct crmpi_policy *p, enum phase phase, int64_t now_ms)
{
    if (p->phase != phase || !(p->missing & OWN) || p->failed)
        return;
    p->missing &= ~OWN;
    gathered(p, now_ms);
}

static enum crmpi_status add_saved(struct crmpi_policy *p, const void *items, size_t n)
{
    struct crmpi_saved *saved;

    if (n > p->n_ranks - p->n_saved)
        return CRMPI_ERR_CORRUPT;
    saved = realloc(p->saved, (p->n_saved + n + 1) * sizeof *saved);
    if (saved == NULL)
        return CRMPI_ERR_NOMEM;
    if (n > 0)
        memcpy(saved + p->n_saved, items, n * sizeof *saved);
    p->saved = saved;
    p->n_saved += n;
    return CRMPI_OK;
}

static void own_parked(struct crmpi_policy *p, const struct crmpi_event *event)
{
    if (p->phase != PARKING)
        return;
    if (crmpi_census_own(&p->census, event->counts, event->n_counts) != CRMPI_OK)
        fail(p, "out of memory", event->now_ms);
    own_done(p, PARKING, event->now_ms);
}

static void own_saved(struct crmpi_policy *p, const struct crmpi_event *event)
{
    struct crmpi_saved own = {.world_rank = p->world_rank,
                              .file_bytes = event->file_bytes};

    if (p->phase != SAVING)
        return;
    if (add_saved(p, &own, 1) != CRMPI_OK)
        fail(p, "out of memory", event->now_ms);
    own_done(p, SAVING, event->now_ms);
}

/* ---- requests, and the end of the job ---- */

static void request(struct crmpi_policy *p, uint64_t ordinal, int stop, int64_t now_ms)
{
    struct crmpi_message message;
    int news = !p->request_sent || ordinal > p->requested;

    if (p->finished)
        return;
    if (ordinal > p->requested)
        p->requested = ordinal;
    if (is_root(p)) {
        p->request_stop |= stop;
        if (p->phase == IDLE)
            begin(p, now_ms);
        else if (p->phase == ENDING)
            p->request_waits = 1; /* else the one under way serves it */
    } else if (news) {
        p->request_sent = 1;
        message = message_of(p, CRMPI_MESSAGE_REQUEST);
        send_up(p, &message, NULL, 0);
    }
}

static void finish(struct crmpi_policy *p)
{
    struct crmpi_message message = message_of(p, CRMPI_MESSAGE_FINISH);
    p->finished = 1;
    send_down(p, &message);
    act_plain(p, CRMPI_ACTION_FINISH);
}

static void finishing(struct crmpi_policy *p, unsigned who)
{
    struct crmpi_message message = message_of(p, CRMPI_MESSAGE_FINISHING);
    unsigned before = p->finishing;

    p->finishing |= who;
    if (!is_root(p) && p->finishing == everyone(p) && before != p->finishing)
        send_up(p, &message, NULL, 0);
}

/* ---- messages ---- */

static void from_parent(struct crmpi_policy *p, const struct crmpi_event *event)
{
    const struct crmpi_message *message = event->message;
    struct crmpi_tallies list;

    if (message->kind == CRMPI_MESSAGE_FINISH) {
        finish(p);
        return;
    }
    if (message->kind == CRMPI_MESSAGE_PARK && p->phase == IDLE) {
        p->attempt = message->attempt;
        p->sn = message->sn;
        p->failed = 0;
        p->deadline_ms = event->now_ms + (int64_t)message->value;
    }
    if (message->attempt != p->attempt)
        return;
    switch (message->kind) {
    case CRMPI_MESSAGE_PARK:
        park(p, (int64_t)message->value);
        break;
    case CRMPI_MESSAGE_RUN_ON:
        if (crmpi_tallies_decode(&list, event->payload, event->payload_bytes) != CRMPI_OK)
            fail(p, "out of memory, or targets that make no sense", event->now_ms);
        else
            run_on(p, &list, event->now_ms);
        break;
    case CRMPI_MESSAGE_OPEN_GATE:
        if (p->phase == RUNNING_ON)
            open_gates(p);
        break;
    case CRMPI_MESSAGE_DRAIN:
        next_phase(p, DRAINING, CRMPI_MESSAGE_DRAIN, CRMPI_ACTION_DRAIN);
        break;
    case CRMPI_MESSAGE_QUIET:
        next_phase(p, QUIETING, CRMPI_MESSAGE_QUIET, CRMPI_ACTION_QUIET);
        break;
    case CRMPI_MESSAGE_SAVE:
        next_phase(p, SAVING, CRMPI_MESSAGE_SAVE, CRMPI_ACTION_SAVE);
        break;
    case CRMPI_MESSAGE_COMMITTED:
    case CRMPI_MESSAGE_ABORT:
        end(p, message, event->payload, event->payload_bytes / sizeof(uint64_t),
            event->now_ms);
        break;
    }
}

static void child_failed(struct crmpi_policy *p, const struct crmpi_event *event)
{
    char why[512];

    if (p->phase == IDLE || p->phase == ENDING)
        return;
    if (is_root(p)) {
        snprintf(why, sizeof why, "%.*s", (int)event->payload_bytes,
                 event->payload_bytes ? (const char *)event->payload : "");
        abort_attempt(p, event->message->world_rank, why, event->now_ms);
    } else {
        send_up(p, event->message, event->payload, event->payload_bytes);
    }
}

static void child_report(struct crmpi_policy *p, unsigned child,
                         const struct crmpi_event *event)
{
    const struct crmpi_message *message = event->message;
    enum crmpi_status status = CRMPI_OK;

    if (message->kind != report_of[p->phase] || !(p->missing & 1u << child))
        return;
    if (p->phase == PARKING) {
        status = crmpi_tallies_decode(&p->census.reported[child], event->payload,
                                      event->payload_bytes);
        if (message->value)
            p->census.disagree = 1;
    } else if (p->phase == SAVING) {
        status = add_saved(p, event->payload,
                           event->payload_bytes / sizeof(struct crmpi_saved));
    }
    if (status != CRMPI_OK) {
        fail(p, "out of memory, or a report that makes no sense", event->now_ms);
        return;
    }
    p->missing &= ~(1u << child);
    gathered(p, event->now_ms);
}

static void from_child(struct crmpi_policy *p, unsigned child,
                       const struct crmpi_event *event)
{
    const struct crmpi_message *message = event->message;

    switch (message->kind) {
    case CRMPI_MESSAGE_REQUEST:
        request(p, message->ordinal, 0, event->now_ms);
        break;
    case CRMPI_MESSAGE_FINISHING:
        finishing(p, 1u << child);
        break;
    case CRMPI_MESSAGE_FAILED:
        if (message->attempt == p->attempt)
            child_failed(p, event);
        break;
    default:
        if (message->attempt == p->attempt)
            child_report(p, child, event);
        break;
    }
}

static void take_message(struct crmpi_policy *p, const struct crmpi_event *event)
{
    for (unsigned i = 0; i < p->n_children; i++)
        if (event->from == CRMPI_TREE_CHILD(p->world_rank, i))
            from_child(p, i, event);
    if (!is_root(p) && event->from == CRMPI_TREE_PARENT(p->world_rank))
        from_parent(p, event);
}

/* ---- time ---- */

static void limit_passed(struct crmpi_policy *p, int64_t now_ms)
{
    int silence = is_root(p) && now_ms >= p->deadline_ms + SILENCE_MS;
    char why[160];

    p->alarm_ms = is_root(p) ? p->deadline_ms + SILENCE_MS : INT64_MAX;
    if ((p->missing & OWN) && p->phase == RUNNING_ON) {
        fail(p, "has not reached the collective operations that other ranks have behind "
                "them in time (CRMPI_QUIESCE_LIMIT)", now_ms);
    } else if ((p->missing & OWN) && p->phase == DRAINING) {
        fail(p,
             "messages to it or nonblocking operations did not end in time "
             "(CRMPI_QUIESCE_LIMIT)",
             now_ms);
    } else if (silence) {
        snprintf(why, sizeof why,
                 "no answer in time while %s, from it or a rank behind it "
                 "in the control tree",
                 phase_words[p->phase]);
        abort_attempt(p, p->missing & 1 ? 1 : 2, why, now_ms);
    }
}

static void check_time(struct crmpi_policy *p, int64_t now_ms)
{
    if (p->phase == IDLE)
        return;
    if (now_ms >= p->alarm_ms)
        limit_passed(p, now_ms);
    if (is_root(p) && p->phase == RUNNING_ON)
        running_on(p, now_ms);
}

/* ---- the table ---- */

static struct crmpi_policy *create(uint32_t world_rank, uint32_t n_ranks,
                                   const struct crmpi_policy_parameters *parameters,
                                   const struct crmpi_policy_env *env)
{
    struct crmpi_policy *p = calloc(1, sizeof *p);

    if (p == NULL)
        return NULL;
    p->env = *env;
    p->world_rank = world_rank;
    p->n_ranks = n_ranks;
    p->sn = parameters->next_sn;
    p->limit_ms = parameters->limit_ms;
    p->gate_ms = INT64_MAX;
    for (unsigned i = 0; i < CRMPI_TREE_CHILDREN; i++)
        if (CRMPI_TREE_CHILD((uint64_t)world_rank, i) < n_ranks)
            p->n_children++;
    return p;
}

static void destroy(struct crmpi_policy *p)
{
    crmpi_census_fini(&p->census);
    free(p->saved);
    free(p);
}

static void take_event(struct crmpi_policy *p, const struct crmpi_event *event)
{
    switch (event->kind) {
    case CRMPI_EVENT_TICK:
        break;
    case CRMPI_EVENT_MESSAGE:
        take_message(p, event);
        break;
    case CRMPI_EVENT_REQUEST:
        request(p, event->ordinal, event->stop, event->now_ms);
        break;
    case CRMPI_EVENT_PARKED:
        own_parked(p, event);
        break;
    case CRMPI_EVENT_AT_TARGETS:
        own_done(p, RUNNING_ON, event->now_ms);
        break;
    case CRMPI_EVENT_DRAINED:
        own_done(p, DRAINING, event->now_ms);
        break;
    case CRMPI_EVENT_QUIESCED:
        own_done(p, QUIETING, event->now_ms);
        break;
    case CRMPI_EVENT_SAVED:
        own_saved(p, event);
        break;
    case CRMPI_EVENT_COMMITTED:
        if (p->phase == SAVING)
            committed(p, event);
        break;
    case CRMPI_EVENT_FAILED:
        fail(p, event->why, event->now_ms);
        break;
    case CRMPI_EVENT_FINISHING:
        finishing(p, OWN);
        break;
    case CRMPI_EVENT_SETTLED: /* of a rank alone */
        break;
    }
    check_time(p, event->now_ms);
    if (is_root(p) && p->phase == IDLE && !p->finished && p->finishing == everyone(p))
        finish(p);
}

static int64_t wakeup_ms(const struct crmpi_policy *p)
{
    if (p->phase == IDLE)
        return INT64_MAX;
    return p->gate_ms < p->alarm_ms ? p->gate_ms : p->alarm_ms;
}

static const char *phase(const struct crmpi_policy *p)
{
    return phase_words[p->phase];
}

static int may_leave(const struct crmpi_policy *p, uint32_t world_rank)
{
    for (unsigned i = 0; i < p->n_children; i++)
        if (CRMPI_TREE_CHILD(p->world_rank, i) == world_rank)
            return p->stop && p->phase == ENDING && (p->missing & 1u << i) == 0;
    return 0;
}

const struct crmpi_policy_ops crmpi_policy_coordinated = {
    .name = "coordinated",
    .create = create,
    .destroy = destroy,
    .event = take_event,
    .wakeup_ms = wakeup_ms,
    .may_leave = may_leave,
    .phase = phase,
};
