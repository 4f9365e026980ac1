/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The uncoordinated policy: each rank saves itself when it likes, without the others.
 * Messages are logged by their senders, and the line that a restart takes is computed
 * from what the checkpoints depend on.  Pure: runs in the lower half and in the simulator.
 *
 * A machine for checkpoints of all ranks is a part of this one.  It takes
 *   the first checkpoint of each incarnation, so that the counters of all ranks begin at
 *     one line (the base) and no logs of an earlier incarnation are needed;
 *   those asked for from outside, and the one that a job is stopped with;
 *   those that a rank asks for when it cannot be saved alone, as it says why;
 *   those that rank 0 asks for when the computed line falls too far behind (the domino
 *     effect).
 *
 * A rank alone goes  PARKING -> SETTLING -> SAVING (-> COMPLETING, while its threads run),
 * asks nobody, and then tells rank 0 what its checkpoint depends on.  What comes meanwhile
 * for the machine of all is kept until the end; and a rank does not begin alone before
 * that machine is idle.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "policy/keeper.h"
#include "policy/policy.h"

enum phase { IDLE, PARKING, SETTLING, SAVING, COMPLETING, PHASES };

static const char *const phase_words[PHASES] = {
    [PARKING] = "stopping a rank",
    [SETTLING] = "completing the messages that have begun",
    [SAVING] = "saving",
    [COMPLETING] = "saving in the background",
};

/* A rank that does not come to rest by itself soon will do so when all ranks do. */
#define SETTLE_LIMIT_MS 1000
#define PARK_LIMIT_SHARE 4
/* Reasons that are said, once each. */
#define REASONS_SAID 16
#define REASON_BYTES 512

static const struct crmpi_policy_ops *const together_ops = &crmpi_policy_coordinated;

/* An event for the machine of all that came while this rank saved itself. */
struct held {
    struct crmpi_event event;
    struct crmpi_message message;
    struct held *next;
    char payload[];
};

struct crmpi_policy {
    struct crmpi_policy_env env;
    struct crmpi_policy *together; /* takes checkpoints of all; opaque */
    uint32_t world_rank;
    int64_t limit_ms;
    unsigned domino;

    enum phase phase; /* of the checkpoint alone */
    int64_t deadline_ms;
    uint64_t next_sn;
    uint64_t base;    /* the newest checkpoint of all of this incarnation; 0: none yet */
    int wanted;       /* a checkpoint of this rank, whichever */
    int asking;       /* one of all has to be asked for, when the event is dealt with */
    uint64_t ordinal; /* the highest one asked for in this rank */
    uint64_t cut_ordinal; /* before its threads went on */
    int resumed; /* they have, and the checkpoint is not over */
    int finished;

    struct held *held, **held_end;
    int awaiting;        /* the machine of all has to be given a result next */
    int together_closed; /* it is about to have this rank's memory saved */

    char last_reason[REASON_BYTES]; /* that rank 0 was told */

    /* rank 0 */
    struct crmpi_keeper *keeper;
    int forced; /* a checkpoint of all has been asked for, as the line is behind */
    char *said[REASONS_SAID];
};

static void act(struct crmpi_policy *p, const struct crmpi_action *action)
{
    p->env.act(p->env.context, action);
}

/* ---- the machine of all ranks, and what stands around it ---- */

static void together_send(void *context, uint32_t to, const struct crmpi_message *message,
                          const void *payload, size_t payload_bytes)
{
    struct crmpi_policy *p = context;
    p->env.send(p->env.context, to, message, payload, payload_bytes);
}

/* The threads go on after a cut: a checkpoint serves what was wanted till now. */
static void let_go(struct crmpi_policy *p)
{
    p->wanted = p->asking = 0;
    p->cut_ordinal = p->ordinal;
}

/* A checkpoint of all is over. */
static void together_released(struct crmpi_policy *p, const struct crmpi_action *action)
{
    struct crmpi_action release = *action;

    if (!p->resumed)
        let_go(p);
    p->resumed = p->forced = p->together_closed = 0;
    if (action->sn >= p->next_sn)
        p->next_sn = action->sn + 1;
    if (action->committed) {
        p->base = action->sn;
        if (release.ordinal < p->cut_ordinal)
            release.ordinal = p->cut_ordinal;
    }
    if (action->committed && p->keeper != NULL)
        crmpi_keeper_reset(p->keeper, p->base);
    act(p, &release);
}

static void together_act(void *context, const struct crmpi_action *action)
{
    struct crmpi_policy *p = context;

    switch (action->kind) {
    case CRMPI_ACTION_RELEASE:
        together_released(p, action);
        return;
    case CRMPI_ACTION_FINISH:
        p->finished = 1;
        break;
    case CRMPI_ACTION_QUIET:
        p->together_closed = 1;
        p->awaiting = 1;
        break;
    case CRMPI_ACTION_RESUME:
        let_go(p);
        p->resumed = 1;
        p->together_closed = 0;
        break;
    case CRMPI_ACTION_PARK: /* may come again */
        p->together_closed = 0;
        p->awaiting = 1;
        break;
    case CRMPI_ACTION_SAVE:
    case CRMPI_ACTION_COMMIT:
        p->awaiting = 1;
        break;
    default:
        break;
    }
    act(p, action);
}

static void give(struct crmpi_policy *p, const struct crmpi_event *event)
{
    together_ops->event(p->together, event);
}

static void hold(struct crmpi_policy *p, const struct crmpi_event *event)
{
    struct held *held = malloc(sizeof *held + event->payload_bytes);

    if (held == NULL)
        return; /* the others see no answer, and give up their attempt */
    *held = (struct held){.event = *event};
    if (event->message != NULL)
        held->message = *event->message;
    if (event->payload_bytes > 0)
        memcpy(held->payload, event->payload, event->payload_bytes);
    held->event.message = event->message != NULL ? &held->message : NULL;
    held->event.payload = held->payload;
    *p->held_end = held;
    p->held_end = &held->next;
}

/* For the machine of all, in the order in which it comes. */
static void give_or_hold(struct crmpi_policy *p, const struct crmpi_event *event)
{
    if (p->phase != IDLE || p->held != NULL)
        hold(p, event);
    else
        give(p, event);
}

static void give_held(struct crmpi_policy *p, int64_t now_ms)
{
    while (p->held != NULL && p->phase == IDLE && !p->awaiting) {
        struct held *first = p->held;

        p->held = first->next;
        if (p->held == NULL)
            p->held_end = &p->held;
        first->event.now_ms = now_ms;
        give(p, &first->event);
        free(first);
    }
}

static int together_is_idle(const struct crmpi_policy *p)
{
    return together_ops->phase(p->together) == NULL && p->held == NULL;
}

/* ---- rank 0: the reasons why ranks are not saved alone ---- */

static void say(struct crmpi_policy *p, uint32_t world_rank, const char *why)
{
    unsigned i = 0;

    while (i < REASONS_SAID && p->said[i] != NULL && strcmp(p->said[i], why) != 0)
        i++;
    if (i == REASONS_SAID || p->said[i] != NULL)
        return;
    p->said[i] = strdup(why);
    act(p, &(struct crmpi_action){.kind = CRMPI_ACTION_REPORT,
                                  .alone = 1,
                                  .world_rank = world_rank,
                                  .why = why});
}

static void take_reason(struct crmpi_policy *p, const struct crmpi_event *event)
{
    char why[REASON_BYTES];

    snprintf(why, sizeof why, "%.*s", (int)event->payload_bytes,
             event->payload_bytes ? (const char *)event->payload : "");
    say(p, event->message->world_rank, why);
}

/* ---- rank 0: the history ---- */

static void take_trim(struct crmpi_policy *p, uint64_t base, uint64_t sn,
                      const void *arrived, size_t n_bytes);

static void send_trim(void *context, uint32_t world_rank, uint64_t sn,
                      const struct crmpi_stream *arrived, size_t n_arrived)
{
    struct crmpi_policy *p = context;
    struct crmpi_message message = {
        .kind = CRMPI_MESSAGE_TRIM, .world_rank = world_rank, .sn = sn, .value = p->base};

    if (world_rank == p->world_rank)
        take_trim(p, p->base, sn, arrived, n_arrived * sizeof *arrived);
    else
        p->env.send(p->env.context, world_rank, &message, arrived,
                    n_arrived * sizeof *arrived);
}

static void tell_of_domino(struct crmpi_policy *p)
{
    char why[REASON_BYTES];

    snprintf(why, sizeof why,
             "a fault would take some rank back by %zu of its checkpoints (CRMPI_DOMINO "
             "is %u)",
             crmpi_keeper_lag(p->keeper), p->domino);
    act(p, &(struct crmpi_action){
               .kind = CRMPI_ACTION_REPORT, .alone = 1, .all = 1, .why = why});
}

static void take_saved_alone(struct crmpi_policy *p, uint32_t world_rank,
                             const void *packed, size_t n_bytes)
{
    enum crmpi_status status = crmpi_keeper_add(p->keeper, world_rank, packed, n_bytes);

    if (status == CRMPI_OK)
        status = crmpi_keeper_advance(p->keeper, p->domino, send_trim, p);
    if (status != CRMPI_OK)
        say(p, world_rank,
            status == CRMPI_ERR_NOMEM ? "rank 0 has no memory for what it depends on"
                                      : "what it says to depend on makes no sense");
    if ((status != CRMPI_OK || crmpi_keeper_lag(p->keeper) > p->domino) && !p->forced) {
        p->forced = p->asking = 1;
        if (status == CRMPI_OK)
            tell_of_domino(p);
    }
}

/* ---- a checkpoint of this rank alone ---- */

static void take_trim(struct crmpi_policy *p, uint64_t base, uint64_t sn,
                      const void *arrived, size_t n_bytes)
{
    size_t n = n_bytes / sizeof(struct crmpi_stream);
    struct crmpi_stream *streams;

    if (base != p->base || n_bytes % sizeof *streams != 0)
        return;
    streams = malloc(n_bytes + 1); /* what came by a message need not be aligned */
    if (streams == NULL)
        return;
    if (n > 0)
        memcpy(streams, arrived, n_bytes);
    act(p, &(struct crmpi_action){
               .kind = CRMPI_ACTION_TRIM, .sn = sn, .arrived = streams, .n_arrived = n});
    free(streams);
}

static void begin_alone(struct crmpi_policy *p)
{
    p->wanted = 0;
    p->phase = PARKING;
    p->deadline_ms = INT64_MAX;
    act(p, &(struct crmpi_action){.kind = CRMPI_ACTION_PARK,
                                  .alone = 1,
                                  .limit_ms = p->limit_ms / PARK_LIMIT_SHARE});
}

static void release_alone(struct crmpi_policy *p, int committed)
{
    p->phase = IDLE;
    if (!p->resumed)
        let_go(p);
    p->resumed = 0;
    act(p, &(struct crmpi_action){.kind = CRMPI_ACTION_RELEASE,
                                  .alone = 1,
                                  .sn = p->next_sn,
                                  .committed = committed,
                                  .ordinal = committed ? p->cut_ordinal : 0});
    p->next_sn++;
}

/* This rank cannot be saved alone: say why, and have all of them saved. */
static void give_up_alone(struct crmpi_policy *p, const char *why)
{
    struct crmpi_message message = {.kind = CRMPI_MESSAGE_NOT_ALONE,
                                    .world_rank = p->world_rank};
    char reason[REASON_BYTES];

    snprintf(reason, sizeof reason, "%s", why);
    release_alone(p, 0);
    if (p->world_rank == 0)
        say(p, 0, reason);
    else if (strcmp(reason, p->last_reason) != 0)
        p->env.send(p->env.context, 0, &message, reason, strlen(reason));
    memcpy(p->last_reason, reason, sizeof reason);
    p->asking = 1;
}

static void parked_alone(struct crmpi_policy *p, int64_t now_ms)
{
    p->phase = SETTLING;
    p->deadline_ms = now_ms + SETTLE_LIMIT_MS;
    act(p, &(struct crmpi_action){.kind = CRMPI_ACTION_SETTLE, .alone = 1});
}

static void settled(struct crmpi_policy *p)
{
    p->phase = SAVING;
    p->deadline_ms = INT64_MAX;
    act(p,
        &(struct crmpi_action){.kind = CRMPI_ACTION_SAVE, .alone = 1, .sn = p->next_sn});
}

static void captured_alone(struct crmpi_policy *p)
{
    p->phase = COMPLETING;
    let_go(p);
    p->resumed = 1;
    act(p, &(struct crmpi_action){.kind = CRMPI_ACTION_RESUME,
                                  .alone = 1,
                                  .sn = p->next_sn,
                                  .ordinal = p->cut_ordinal});
    act(p, &(struct crmpi_action){
               .kind = CRMPI_ACTION_COMPLETE, .alone = 1, .sn = p->next_sn});
}

static void saved_alone(struct crmpi_policy *p, const struct crmpi_event *event)
{
    struct crmpi_message message = {
        .kind = CRMPI_MESSAGE_SAVED_ALONE, .world_rank = p->world_rank, .sn = p->next_sn};

    release_alone(p, 1);
    if (p->world_rank == 0)
        take_saved_alone(p, 0, event->dependencies, event->dependencies_bytes);
    else
        p->env.send(p->env.context, 0, &message, event->dependencies,
                    event->dependencies_bytes);
}

/* ---- events ---- */

/* The results of what this machine, or the other one, had done. */
static void take_result(struct crmpi_policy *p, const struct crmpi_event *event)
{
    if (p->phase == IDLE) {
        p->awaiting = 0;
        give(p, event);
    } else if (event->kind == CRMPI_EVENT_FAILED) {
        give_up_alone(p, event->why);
    } else if (event->kind == CRMPI_EVENT_PARKED && p->phase == PARKING) {
        parked_alone(p, event->now_ms);
    } else if (event->kind == CRMPI_EVENT_SETTLED && p->phase == SETTLING) {
        settled(p);
    } else if (event->kind == CRMPI_EVENT_CAPTURED && p->phase == SAVING) {
        captured_alone(p);
    } else if (event->kind == CRMPI_EVENT_SAVED &&
               (p->phase == SAVING || p->phase == COMPLETING)) {
        saved_alone(p, event);
    }
}

static void take_message(struct crmpi_policy *p, const struct crmpi_event *event)
{
    const struct crmpi_message *message = event->message;

    switch (message->kind) {
    case CRMPI_MESSAGE_SAVED_ALONE:
        if (p->keeper != NULL && message->world_rank == event->from)
            take_saved_alone(p, event->from, event->payload, event->payload_bytes);
        break;
    case CRMPI_MESSAGE_NOT_ALONE:
        if (p->keeper != NULL)
            take_reason(p, event);
        break;
    case CRMPI_MESSAGE_TRIM:
        if (event->from == 0)
            take_trim(p, message->value, message->sn, event->payload,
                      event->payload_bytes);
        break;
    default:
        give_or_hold(p, event);
        break;
    }
}

static void request(struct crmpi_policy *p, const struct crmpi_event *event)
{
    if (event->ordinal > p->ordinal)
        p->ordinal = event->ordinal;
    if (event->stop || event->all || (p->world_rank == 0 && event->of != 0))
        give_or_hold(p, event);
    else
        p->wanted = 1;
}

static void ask_all(struct crmpi_policy *p, int64_t now_ms)
{
    p->asking = 0;
    give_or_hold(p, &(struct crmpi_event){.kind = CRMPI_EVENT_REQUEST,
                                          .now_ms = now_ms,
                                          .ordinal = p->ordinal});
}

/* After any event: time, what was kept, and what is wanted. */
static void go_on(struct crmpi_policy *p, int64_t now_ms)
{
    if (p->phase == SETTLING && now_ms >= p->deadline_ms)
        give_up_alone(p, "messages that it had begun to receive, nonblocking collectives "
                         "or accesses to windows did not end by themselves");
    give_held(p, now_ms);
    if (p->asking)
        ask_all(p, now_ms);
    if (!p->wanted || p->finished || p->phase != IDLE || !together_is_idle(p))
        return;
    p->wanted = 0;
    if (p->base == 0)
        ask_all(p, now_ms);
    else
        begin_alone(p);
}

static void take_event(struct crmpi_policy *p, const struct crmpi_event *event)
{
    switch (event->kind) {
    case CRMPI_EVENT_TICK:
        if (p->phase == IDLE && p->held == NULL)
            give(p, event);
        break;
    case CRMPI_EVENT_MESSAGE:
        take_message(p, event);
        break;
    case CRMPI_EVENT_REQUEST:
        request(p, event);
        break;
    case CRMPI_EVENT_FINISHING:
        give_or_hold(p, event);
        break;
    default:
        take_result(p, event);
        break;
    }
    go_on(p, event->now_ms);
}

/* ---- the table ---- */

static void destroy(struct crmpi_policy *p)
{
    while (p->held != NULL) {
        struct held *next = p->held->next;
        free(p->held);
        p->held = next;
    }
    for (unsigned i = 0; i < REASONS_SAID; i++)
        free(p->said[i]);
    if (p->keeper != NULL)
        crmpi_keeper_destroy(p->keeper);
    if (p->together != NULL)
        together_ops->destroy(p->together);
    free(p);
}

static struct crmpi_policy *create(uint32_t world_rank, uint32_t n_ranks,
                                   const struct crmpi_policy_parameters *parameters,
                                   const struct crmpi_policy_env *env)
{
    struct crmpi_policy *p = calloc(1, sizeof *p);
    struct crmpi_policy_env inner = {
        .context = p, .send = together_send, .act = together_act};

    if (p == NULL)
        return NULL;
    p->env = *env;
    p->world_rank = world_rank;
    p->limit_ms = parameters->limit_ms;
    p->domino = parameters->domino;
    p->next_sn = parameters->next_sn;
    p->held_end = &p->held;
    p->together = together_ops->create(world_rank, n_ranks, parameters, &inner);
    if (world_rank == 0)
        p->keeper = crmpi_keeper_create(n_ranks);
    if (p->together == NULL || (world_rank == 0 && p->keeper == NULL)) {
        destroy(p);
        return NULL;
    }
    return p;
}

static int64_t wakeup_ms(const struct crmpi_policy *p)
{
    return p->phase == IDLE ? together_ops->wakeup_ms(p->together) : p->deadline_ms;
}

static const char *phase(const struct crmpi_policy *p)
{
    return p->phase != IDLE ? phase_words[p->phase] : together_ops->phase(p->together);
}

static int may_leave(const struct crmpi_policy *p, uint32_t world_rank)
{
    return together_ops->may_leave(p->together, world_rank);
}

static int is_closed(const struct crmpi_policy *p)
{
    return p->phase == SAVING || p->together_closed;
}

const struct crmpi_policy_ops crmpi_policy_uncoordinated = {
    .name = "uncoordinated",
    .timer_everywhere = 1,
    .create = create,
    .destroy = destroy,
    .event = take_event,
    .wakeup_ms = wakeup_ms,
    .may_leave = may_leave,
    .phase = phase,
    .is_closed = is_closed,
};
