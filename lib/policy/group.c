/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The state machine of a checkpoint in one member of a group, see group.h; what begins
 * with saving is in group_save.c, what both need in group_member.c.  Pure: runs in the
 * lower half and in the simulator.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "policy/group_steps.h"

#define IDLE CRMPI_GROUP_IDLE
#define PARKING CRMPI_GROUP_PARKING
#define RUNNING_ON CRMPI_GROUP_RUNNING_ON
#define DRAINING CRMPI_GROUP_DRAINING
#define QUIETING CRMPI_GROUP_QUIETING
#define SAVING CRMPI_GROUP_SAVING
#define COMPLETING CRMPI_GROUP_COMPLETING
#define ENDING CRMPI_GROUP_ENDING

/* What a rank sends up when a phase is done from it downwards; that of SAVING is one of
 * two. */
static const enum crmpi_message_kind report_of[CRMPI_GROUP_PHASES] = {
    [PARKING] = CRMPI_MESSAGE_PARKED,     [RUNNING_ON] = CRMPI_MESSAGE_AT_TARGETS,
    [DRAINING] = CRMPI_MESSAGE_DRAINED,   [QUIETING] = CRMPI_MESSAGE_QUIESCED,
    [COMPLETING] = CRMPI_MESSAGE_SAVED,   [ENDING] = CRMPI_MESSAGE_DONE,
};

static const char *const phase_words[CRMPI_GROUP_PHASES] = {
    [PARKING] = "stopping the ranks",     [RUNNING_ON] = "bringing all to one point",
    [DRAINING] = "draining the messages", [QUIETING] = "draining the messages",
    [SAVING] = "saving",                  [COMPLETING] = "saving in the background",
    [ENDING] = "ending",
};

#define OWN CRMPI_GROUP_OWN

/* How long the leader looks on while ranks wait at the gate and others do not arrive. */
#define GATE_FIRST_MS 5
#define GATE_LAST_MS 1000
/* How much longer than its limit the leader waits for ranks that do not even say why. */
#define SILENCE_MS 5000

static void act_plain(struct crmpi_group *g, enum crmpi_action_kind kind)
{
    crmpi_group_act(g, &(struct crmpi_action){.kind = kind, .sn = g->sn});
}

/* ---- parking, and running on to common counts ---- */

/* What is outside of the group, then the counts if the ranks are being parked. */
static void report_outside(struct crmpi_group *g, int64_t now_ms)
{
    struct crmpi_message message = crmpi_group_message(g, report_of[g->phase]);
    void *ranks = NULL, *counts = NULL;
    unsigned char *both = NULL;
    size_t n_ranks, n_counts = 0;

    message.value = (uint64_t)g->census.disagree;
    if (crmpi_ranks_encode(g->outside.items, g->outside.n, &ranks, &n_ranks) ==
            CRMPI_OK &&
        (g->phase != PARKING ||
         crmpi_tallies_encode(&g->census.merged, &counts, &n_counts) == CRMPI_OK))
        both = malloc(n_ranks + n_counts);
    if (both != NULL) {
        memcpy(both, ranks, n_ranks);
        if (n_counts > 0)
            memcpy(both + n_ranks, counts, n_counts);
        crmpi_group_send_up(g, &message, both, n_ranks + n_counts);
    } else {
        crmpi_group_fail(g, "out of memory", now_ms);
    }
    free(ranks);
    free(counts);
    free(both);
}

static enum crmpi_status take_outside(struct crmpi_group *g, unsigned child,
                                      const struct crmpi_event *event)
{
    struct crmpi_ranks outside;
    size_t used;
    enum crmpi_status status = crmpi_ranks_decode(&outside, g->n_ranks, event->payload,
                                                  event->payload_bytes, &used);

    if (status != CRMPI_OK)
        return status;
    status = crmpi_ranks_add(&g->outside, outside.items, outside.n);
    crmpi_ranks_fini(&outside);
    if (status == CRMPI_OK && g->phase == PARKING)
        status = crmpi_tallies_decode(&g->census.reported[child],
                                      (const char *)event->payload + used,
                                      event->payload_bytes - used);
    return status;
}

/* Send a child the part of the list that it has to know: what it reported. */
static enum crmpi_status send_targets(struct crmpi_group *g, unsigned child,
                                      const struct crmpi_tallies *list)
{
    struct crmpi_message message = crmpi_group_message(g, CRMPI_MESSAGE_RUN_ON);
    struct crmpi_tallies part;
    void *bytes;
    size_t n_bytes;
    enum crmpi_status status =
        crmpi_tallies_select(list, &g->census.reported[child], &part);

    if (status != CRMPI_OK)
        return status;
    status = crmpi_tallies_encode(&part, &bytes, &n_bytes);
    crmpi_tallies_fini(&part);
    if (status != CRMPI_OK)
        return status;
    g->env.send(g->env.context, g->children[child], &message, bytes, n_bytes);
    free(bytes);
    return CRMPI_OK;
}

/* Let this rank and those below it run on; @p list comes from above and is taken over. */
static void run_on(struct crmpi_group *g, struct crmpi_tallies *list, int64_t now_ms)
{
    enum crmpi_status status = crmpi_tallies_merge(list, &g->census.settled);
    struct crmpi_collective_count *targets;
    size_t n_targets;

    crmpi_group_enter(g, RUNNING_ON);
    for (unsigned i = 0; i < g->n_children && status == CRMPI_OK; i++)
        status = send_targets(g, i, list);
    if (status == CRMPI_OK)
        status = crmpi_tallies_targets(list, g->census.own, g->census.n_own, &targets,
                                       &n_targets);
    crmpi_tallies_fini(list);
    if (status != CRMPI_OK) {
        crmpi_group_fail(g, "out of memory", now_ms);
        return;
    }
    crmpi_group_act(g, &(struct crmpi_action){
               .kind = CRMPI_ACTION_RUN_ON, .targets = targets, .n_targets = n_targets});
    free(targets);
}

static void widen_gap(struct crmpi_group *g)
{
    g->gate_gap_ms += g->gate_gap_ms / 4 + 1;
    if (g->gate_gap_ms > GATE_LAST_MS)
        g->gate_gap_ms = GATE_LAST_MS;
}

static void park(struct crmpi_group *g, int64_t limit_ms, int64_t now_ms)
{
    struct crmpi_message message = crmpi_group_message(g, CRMPI_MESSAGE_PARK);
    void *list;
    size_t list_bytes;

    message.value = (uint64_t)(limit_ms > 0 ? limit_ms : 0);
    g->n_children =
        crmpi_members_relatives(&g->members, g->world_rank, &g->parent, g->children);
    crmpi_group_enter(g, PARKING);
    crmpi_census_fini(&g->census);
    crmpi_ranks_fini(&g->outside);
    if (crmpi_ranks_encode(g->members.order, g->members.listed.n, &list, &list_bytes) !=
        CRMPI_OK) {
        crmpi_group_fail(g, "out of memory", now_ms);
        return;
    }
    crmpi_group_send_down(g, &message, list, list_bytes);
    free(list);
    crmpi_group_act(g, &(struct crmpi_action){.kind = CRMPI_ACTION_PARK, .limit_ms = limit_ms});
}

/* How often a group may grow before it takes all: as a checkpoint of all costs, then. */
static unsigned growths_max(const struct crmpi_group *g)
{
    unsigned depth = 0;
    while ((g->n_ranks - 1) >> depth > 0)
        depth++;
    return 2 * depth + 2;
}

/* The leader takes in the ranks outside that the members depend on; 0: there are none. */
static int grow(struct crmpi_group *g, int64_t now_ms)
{
    uint32_t n = g->members.n;

    if (!g->grows || g->outside.n == 0)
        return 0;
    if (crmpi_members_grow(&g->members, &g->outside) != CRMPI_OK) {
        crmpi_group_fail(g, "out of memory", now_ms);
        return 1;
    }
    if (g->members.n == n)
        return 0;
    if (++g->n_grown > growths_max(g) || g->members.n > g->n_ranks / 2)
        crmpi_members_take_all(&g->members);
    park(g, g->deadline_ms - now_ms, now_ms);
    return 1;
}

static void begin_drain(struct crmpi_group *g, uint64_t name)
{
    struct crmpi_message message = crmpi_group_message(g, CRMPI_MESSAGE_DRAIN);

    message.value = name;
    crmpi_group_enter(g, DRAINING);
    crmpi_group_send_down(g, &message, NULL, 0);
    crmpi_group_act(g, &(struct crmpi_action){
               .kind = CRMPI_ACTION_DRAIN, .sn = g->sn, .attempt = name});
}

/*
 * The leader has all counts.  What is left in `merged` are communicators some of whose
 * members have not reported: they have not created it yet, or freed it already.  Or their
 * number is not known; then those that reported have to agree.
 */
static void decide(struct crmpi_group *g, int64_t now_ms)
{
    struct crmpi_tallies list = g->census.merged;
    int incomplete = 0;

    g->census.merged = (struct crmpi_tallies){0};
    for (size_t i = 0; i < list.n; i++) {
        if (list.items[i].low != list.items[i].high)
            g->census.disagree = 1;
        else if (list.items[i].members != 0)
            incomplete = 1;
    }
    if (!g->census.disagree && !incomplete) {
        crmpi_tallies_fini(&list);
        begin_drain(g, (uint64_t)g->leader << 32 | ++g->drains_led);
        return;
    }
    for (size_t i = 0; i < list.n && !g->census.disagree; i++)
        if (list.items[i].members != 0)
            list.items[i].high = CRMPI_TARGET_NONE;
    g->stir_open = !g->census.disagree && g->stir > 0;
    g->stir = g->census.disagree ? 0 : g->stir + 1;
    g->gate_ms = now_ms + g->gate_gap_ms;
    run_on(g, &list, now_ms);
}

static void open_gates(struct crmpi_group *g)
{
    struct crmpi_message message = crmpi_group_message(g, CRMPI_MESSAGE_OPEN_GATE);
    crmpi_group_send_down(g, &message, NULL, 0);
    act_plain(g, CRMPI_ACTION_OPEN_GATE);
}

/* The leader, while the ranks run on: everyone is at the targets, or it is time to
 * look. */
static void running_on(struct crmpi_group *g, int64_t now_ms)
{
    int due = now_ms >= g->gate_ms;

    if (g->missing == 0 && (g->stir == 0 || (due && !g->stir_open))) {
        g->gate_ms = INT64_MAX;
        park(g, g->deadline_ms - now_ms, now_ms);
    } else if (due) {
        g->stir_open = 0;
        widen_gap(g);
        g->gate_ms = now_ms + g->gate_gap_ms;
        open_gates(g);
    }
}

/* ---- going through the phases ---- */

int crmpi_group_begin(struct crmpi_group *g, int all, uint64_t least_sn, int64_t now_ms)
{
    struct crmpi_members members;

    if (crmpi_members_init(&members, g->n_ranks, g->world_rank, all) != CRMPI_OK)
        return 0;
    crmpi_members_fini(&g->members);
    g->members = members;
    g->leader = g->world_rank;
    g->attempt = ++g->attempts_led;
    g->sn = g->used_sn + 1 > least_sn ? g->used_sn + 1 : least_sn;
    g->failed = g->fails = g->has_to_be_all = 0;
    g->foreground = 0;
    g->stir = 0;
    g->n_grown = 0;
    g->gate_gap_ms = GATE_FIRST_MS;
    g->gate_ms = INT64_MAX;
    g->deadline_ms = now_ms + g->limit_ms;
    park(g, g->limit_ms, now_ms);
    return 1;
}

static void next_phase(struct crmpi_group *g, enum crmpi_group_phase phase,
                       enum crmpi_message_kind kind)
{
    struct crmpi_message message = crmpi_group_message(g, kind);

    crmpi_group_enter(g, phase);
    crmpi_ranks_fini(&g->outside);
    crmpi_group_send_down(g, &message, NULL, 0);
}

static void quiet(struct crmpi_group *g)
{
    next_phase(g, QUIETING, CRMPI_MESSAGE_QUIET);
    act_plain(g, CRMPI_ACTION_QUIET);
}

static void advance(struct crmpi_group *g, int64_t now_ms)
{
    switch (g->phase) {
    case PARKING:
        if (!grow(g, now_ms))
            decide(g, now_ms);
        break;
    case RUNNING_ON:
        running_on(g, now_ms);
        break;
    case DRAINING:
        quiet(g);
        break;
    case QUIETING:
        if (!grow(g, now_ms))
            crmpi_group_save(g, now_ms);
        break;
    case SAVING:
        if (g->pending != 0)
            crmpi_group_resume(g, g->ordinal);
        else
            g->ops->saved(g, now_ms);
        break;
    case COMPLETING:
        g->ops->saved(g, now_ms);
        break;
    default:
        break;
    }
}

static void report(struct crmpi_group *g, int64_t now_ms)
{
    struct crmpi_message message = crmpi_group_message(g, report_of[g->phase]);

    if (g->phase == PARKING || g->phase == QUIETING)
        report_outside(g, now_ms);
    else if (g->phase == SAVING || g->phase == COMPLETING)
        crmpi_group_report_saved(g);
    else
        crmpi_group_send_up(g, &message, NULL, 0);
}

static void gathered(struct crmpi_group *g, int64_t now_ms)
{
    if (g->missing != 0)
        return;
    if (g->phase == PARKING && crmpi_census_merge(&g->census) != CRMPI_OK) {
        crmpi_group_fail(g,
                         "out of memory, or the counts of collectives are not in order",
                         now_ms);
        return;
    }
    if (!crmpi_group_leads(g))
        report(g, now_ms);
    else
        advance(g, now_ms);
    if (g->phase == ENDING && g->missing == 0) {
        g->phase = IDLE;
        g->ops->ended(g, now_ms);
    }
}

static void own_parked(struct crmpi_group *g, const struct crmpi_event *event)
{
    if (g->phase != PARKING)
        return;
    if (crmpi_census_own(&g->census, event->counts, event->n_counts) != CRMPI_OK ||
        crmpi_ranks_add(&g->outside, event->neighbours, event->n_neighbours) != CRMPI_OK)
        crmpi_group_fail(g, "out of memory", event->now_ms);
    if (g->sn < event->interval)
        g->sn = event->interval;
    crmpi_group_own_done(g, PARKING, event->now_ms);
}

static void own_quiet(struct crmpi_group *g, const struct crmpi_event *event)
{
    if (g->phase != QUIETING)
        return;
    if (crmpi_ranks_add(&g->outside, event->neighbours, event->n_neighbours) != CRMPI_OK)
        crmpi_group_fail(g, "out of memory", event->now_ms);
    crmpi_group_own_done(g, QUIETING, event->now_ms);
}

/* ---- messages ---- */

/* PARK, of an attempt that is new to this rank or of the one it is in; 0 if there is no
 * memory or the list makes no sense, and then the leader learns of it. */
static int take_members(struct crmpi_group *g, const struct crmpi_event *event)
{
    const struct crmpi_message *message = event->message;
    struct crmpi_message failure = {.kind = CRMPI_MESSAGE_FAILED,
                                    .attempt = message->attempt,
                                    .leader = message->leader,
                                    .world_rank = g->world_rank};
    static const char why[] = "out of memory, or a list of ranks that makes no sense";
    struct crmpi_members members = {0};

    if (crmpi_members_decode(&members, g->n_ranks, message->all != 0, event->payload,
                             event->payload_bytes) != CRMPI_OK ||
        members.order[0] != message->leader ||
        !crmpi_members_have(&members, g->world_rank) ||
        (g->phase != IDLE && !crmpi_members_extend(&members, &g->members))) {
        crmpi_members_fini(&members);
        g->env.send(g->env.context, event->from, &failure, why, sizeof why - 1);
        return 0;
    }
    crmpi_members_fini(&g->members);
    g->members = members;
    return 1;
}

static void parked_from_above(struct crmpi_group *g, const struct crmpi_event *event)
{
    const struct crmpi_message *message = event->message;

    if (!take_members(g, event))
        return;
    if (g->phase == IDLE) {
        g->leader = message->leader;
        g->attempt = message->attempt;
        g->sn = 0;
        g->failed = g->fails = g->has_to_be_all = 0;
        g->stop = 0;
        g->deadline_ms = event->now_ms + (int64_t)message->value;
    }
    if (g->sn < message->sn)
        g->sn = message->sn;
    park(g, (int64_t)message->value, event->now_ms);
}

static void from_parent(struct crmpi_group *g, const struct crmpi_event *event)
{
    const struct crmpi_message *message = event->message;
    struct crmpi_tallies list;

    if (message->kind != CRMPI_MESSAGE_OPEN_GATE)
        g->sn = message->sn;
    switch (message->kind) {
    case CRMPI_MESSAGE_RUN_ON:
        if (crmpi_tallies_decode(&list, event->payload, event->payload_bytes) != CRMPI_OK)
            crmpi_group_fail(g, "out of memory, or targets that make no sense",
                             event->now_ms);
        else
            run_on(g, &list, event->now_ms);
        break;
    case CRMPI_MESSAGE_OPEN_GATE:
        if (g->phase == RUNNING_ON)
            open_gates(g);
        break;
    case CRMPI_MESSAGE_DRAIN:
        begin_drain(g, message->value);
        break;
    case CRMPI_MESSAGE_QUIET:
        quiet(g);
        break;
    case CRMPI_MESSAGE_SAVE:
        g->foreground = message->stop != 0;
        crmpi_group_save(g, event->now_ms);
        break;
    case CRMPI_MESSAGE_RESUME:
        crmpi_group_resume(g, message->ordinal);
        break;
    default: /* COMMITTED, ABORT */
        crmpi_group_end(g, message, event->payload, event->payload_bytes, event->now_ms);
        break;
    }
}

static void child_failed(struct crmpi_group *g, const struct crmpi_event *event)
{
    char why[512];

    if (g->phase == ENDING || crmpi_group_is_saved(g))
        return;
    if (crmpi_group_leads(g)) {
        snprintf(why, sizeof why, "%.*s", (int)event->payload_bytes,
                 event->payload_bytes ? (const char *)event->payload : "");
        crmpi_group_member_failed(g, event->message, why, event->now_ms);
    } else {
        crmpi_group_send_up(g, event->message, event->payload, event->payload_bytes);
    }
}

static int is_report(const struct crmpi_group *g, uint32_t kind)
{
    if (g->phase == SAVING)
        return kind == CRMPI_MESSAGE_SAVED || kind == CRMPI_MESSAGE_CAPTURED;
    return kind == report_of[g->phase];
}

static void from_child(struct crmpi_group *g, unsigned child,
                       const struct crmpi_event *event)
{
    const struct crmpi_message *message = event->message;
    enum crmpi_status status = CRMPI_OK;

    if (!is_report(g, message->kind) || !(g->missing & 1u << child))
        return;
    if (g->phase == PARKING || g->phase == QUIETING) {
        status = take_outside(g, child, event);
        if (message->value)
            g->census.disagree = 1;
        if (g->sn < message->sn)
            g->sn = message->sn;
        if (g->ordinal < message->ordinal)
            g->ordinal = message->ordinal;
    } else if (g->phase == SAVING || g->phase == COMPLETING) {
        status = crmpi_group_take_saved(g, child, event);
    }
    if (status != CRMPI_OK) {
        crmpi_group_fail(g, "out of memory, or a report that makes no sense",
                         event->now_ms);
        return;
    }
    g->missing &= ~(1u << child);
    gathered(g, event->now_ms);
}

static int is_own(const struct crmpi_group *g, const struct crmpi_message *message)
{
    return g->phase != IDLE && message->leader == g->leader &&
           message->attempt == g->attempt;
}

static void take_message(struct crmpi_group *g, const struct crmpi_event *event)
{
    const struct crmpi_message *message = event->message;
    int own = is_own(g, message);

    switch (message->kind) {
    case CRMPI_MESSAGE_PARK:
        if (own || g->phase == IDLE)
            parked_from_above(g, event);
        else
            g->ops->stray(g, event);
        break;
    case CRMPI_MESSAGE_RUN_ON:
    case CRMPI_MESSAGE_OPEN_GATE:
    case CRMPI_MESSAGE_DRAIN:
    case CRMPI_MESSAGE_QUIET:
    case CRMPI_MESSAGE_SAVE:
    case CRMPI_MESSAGE_RESUME:
    case CRMPI_MESSAGE_COMMITTED:
    case CRMPI_MESSAGE_ABORT:
        if (own && !crmpi_group_leads(g) && event->from == g->parent)
            from_parent(g, event);
        else if (message->kind == CRMPI_MESSAGE_ABORT)
            g->ops->stray(g, event);
        break;
    case CRMPI_MESSAGE_FAILED:
        if (own)
            child_failed(g, event);
        break;
    default:
        for (unsigned i = 0; own && i < g->n_children; i++) {
            if (event->from == g->children[i]) {
                from_child(g, i, event);
                break;
            }
        }
        break;
    }
}

/* ---- time ---- */

/* Who has not done the phase, or has such a rank below it. */
static uint32_t who_is_missing(const struct crmpi_group *g)
{
    for (unsigned i = 0; i < g->n_children; i++)
        if (g->missing & 1u << i)
            return g->children[i];
    return g->world_rank;
}

static void limit_passed(struct crmpi_group *g, int64_t now_ms)
{
    int leads = crmpi_group_leads(g);
    int silence = leads && now_ms >= g->deadline_ms + SILENCE_MS;
    char why[160];

    g->alarm_ms = leads ? g->deadline_ms + SILENCE_MS : INT64_MAX;
    if ((g->missing & OWN) && g->phase == RUNNING_ON) {
        crmpi_group_fail_in_time(g,
                                 "has not reached the collective operations that other "
                                 "ranks have behind them in time (CRMPI_QUIESCE_LIMIT)",
                                 now_ms);
    } else if ((g->missing & OWN) && g->phase == DRAINING) {
        crmpi_group_fail_in_time(g,
                                 "has messages to it, or nonblocking operations, that did "
                                 "not end in time (CRMPI_QUIESCE_LIMIT)",
                                 now_ms);
    } else if (silence) {
        snprintf(why, sizeof why,
                 "no answer in time while %s, from it or a rank behind it "
                 "in the tree",
                 phase_words[g->phase]);
        crmpi_group_abort(g, who_is_missing(g), why, now_ms);
    }
}

static void check_time(struct crmpi_group *g, int64_t now_ms)
{
    if (g->phase == IDLE)
        return;
    if (now_ms >= g->alarm_ms)
        limit_passed(g, now_ms);
    if (crmpi_group_leads(g) && g->phase == RUNNING_ON)
        running_on(g, now_ms);
}

/* ---- what the policies call ---- */

void crmpi_group_init(struct crmpi_group *g, const struct crmpi_group_ops *ops,
                      void *owner, uint32_t world_rank, uint32_t n_ranks,
                      int64_t limit_ms, const struct crmpi_policy_env *env)
{
    *g = (struct crmpi_group){
        .ops = ops,
        .gathered = gathered,
        .owner = owner,
        .env = *env,
        .world_rank = world_rank,
        .n_ranks = n_ranks,
        .limit_ms = limit_ms,
        .gate_ms = INT64_MAX,
    };
}

void crmpi_group_fini(struct crmpi_group *g)
{
    crmpi_members_fini(&g->members);
    crmpi_ranks_fini(&g->outside);
    crmpi_census_fini(&g->census);
    free(g->saved);
}

void crmpi_group_event(struct crmpi_group *g, const struct crmpi_event *event)
{
    switch (event->kind) {
    case CRMPI_EVENT_MESSAGE:
        take_message(g, event);
        break;
    case CRMPI_EVENT_PARKED:
        own_parked(g, event);
        break;
    case CRMPI_EVENT_AT_TARGETS:
        crmpi_group_own_done(g, RUNNING_ON, event->now_ms);
        break;
    case CRMPI_EVENT_DRAINED:
        crmpi_group_own_done(g, DRAINING, event->now_ms);
        break;
    case CRMPI_EVENT_QUIESCED:
        own_quiet(g, event);
        break;
    case CRMPI_EVENT_CAPTURED:
        crmpi_group_own_captured(g, event->now_ms);
        break;
    case CRMPI_EVENT_SAVED:
        crmpi_group_own_saved(g, event);
        break;
    default:
        break;
    }
    check_time(g, event->now_ms);
}

int64_t crmpi_group_wakeup_ms(const struct crmpi_group *g)
{
    if (g->phase == IDLE)
        return INT64_MAX;
    return g->gate_ms < g->alarm_ms ? g->gate_ms : g->alarm_ms;
}

int crmpi_group_may_leave(const struct crmpi_group *g, uint32_t world_rank)
{
    for (unsigned i = 0; i < g->n_children; i++)
        if (g->children[i] == world_rank)
            return g->stop && g->phase == ENDING && (g->missing & 1u << i) == 0;
    return 0;
}

const char *crmpi_group_words(const struct crmpi_group *g)
{
    return phase_words[g->phase];
}

int crmpi_group_is_closed(const struct crmpi_group *g)
{
    return g->phase == QUIETING || g->phase == SAVING;
}
