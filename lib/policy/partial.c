/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The partial policy: a rank is saved together with those that it has interacted with
 * since its last checkpoint, and those with theirs; the other ranks do not notice.  So
 * the newest checkpoints of all ranks are always a consistent line with nothing in
 * transit.  Pure: runs in the lower half and in the simulator.
 *
 * Any rank may lead, and several groups may be at work at once; but a rank is in one at a
 * time.  When a group wants a rank that is in another one, the group whose leader has the
 * smaller rank goes on, and the other is given up and tried again later, unless the wish
 * of its leader has been served by then:
 *
 *   the wanted rank sends BUSY to the one that wants it, and forgets about it; or YIELD
 *   to the one that has it, and holds the other's PARK until it is free
 *
 * So only groups of smaller leaders wait, for those that give way: never in a circle.  A
 * rank that is being saved while its threads run sends BUSY to all.
 *
 * Rank 0 writes the lines: a leader REGISTERs what its group has saved.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "policy/finish.h"
#include "policy/group.h"

/* How long a leader waits before it tries again; doubled each time. */
#define RETRY_FIRST_MS 4
#define RETRY_DOUBLINGS_MAX 7

struct crmpi_policy {
    struct crmpi_group group;
    struct crmpi_finish finish;
    uint64_t next_sn;

    /* what this rank wants */
    int wanted, wanted_all;
    int late, late_all; /* asked for when the attempt under way could not serve it */
    int stop;           /* rank 0: the job is to end after it; it is wanted_all then */
    int late_stop;
    unsigned n_retries;
    int64_t retry_ms; /* not before */
    int finishing;    /* this rank is in MPI_Finalize */
    int told;         /* and has said so: it does not lead any more */

    /* a PARK that waits until this rank is free: kind 0 if there is none */
    struct crmpi_message held;
    uint32_t held_from;
    void *held_payload;
    size_t held_bytes;

    /* rank 0: whose line is being written */
    struct crmpi_message registering;
};

static int is_root(const struct crmpi_policy *p)
{
    return p->group.world_rank == 0;
}

static void send_message(struct crmpi_policy *p, uint32_t to,
                         const struct crmpi_message *message, const void *payload,
                         size_t payload_bytes)
{
    p->group.env.send(p->group.env.context, to, message, payload, payload_bytes);
}

static void act(struct crmpi_policy *p, const struct crmpi_action *action)
{
    p->group.env.act(p->group.env.context, action);
}

/* ---- what this rank wants ---- */

static void wait_to_retry(struct crmpi_policy *p, int64_t now_ms)
{
    unsigned doublings =
        p->n_retries < RETRY_DOUBLINGS_MAX ? p->n_retries : RETRY_DOUBLINGS_MAX;
    int64_t delay_ms = (int64_t)RETRY_FIRST_MS << doublings;
    uint32_t mixed = p->group.world_rank * 2654435761u;

    p->retry_ms = now_ms + delay_ms + delay_ms * (mixed >> 24) / 256;
}

static void go_on(struct crmpi_policy *p, int64_t now_ms)
{
    struct crmpi_group *group = &p->group;

    if (group->phase != CRMPI_GROUP_IDLE || p->finish.finished || group->stop)
        return; /* if the job is stopped this rank ends now, and others may be gone */
    if (p->wanted && now_ms >= p->retry_ms) {
        if (crmpi_group_begin(group, p->wanted_all, p->next_sn, now_ms))
            group->foreground = p->stop; /* saving comes later */
        else
            wait_to_retry(p, now_ms);
    } else if (p->finishing && !p->wanted && !p->told) {
        p->told = 1;
        crmpi_finish_own(&p->finish);
    }
    if (group->phase == CRMPI_GROUP_IDLE && !p->wanted)
        crmpi_finish_all(&p->finish);
}

/* Threads run again, or the job was not to end after the checkpoint. */
static int is_late(const struct crmpi_group *group, int stop)
{
    return group->phase > CRMPI_GROUP_SAVING ||
           (group->phase == CRMPI_GROUP_SAVING && stop && !group->foreground);
}

static void want(struct crmpi_policy *p, int all, int stop, uint64_t ordinal)
{
    if (p->finish.finished || (p->told && !is_root(p)))
        return; /* its state does not change any more */
    if (ordinal > p->group.ordinal)
        p->group.ordinal = ordinal;
    if (is_late(&p->group, stop)) {
        p->late = 1;
        p->late_all |= all || stop;
        p->late_stop |= stop;
    } else {
        p->wanted = 1;
        p->wanted_all |= all || stop;
        p->stop |= stop;
        p->group.foreground |= stop;
    }
}

static void satisfied(struct crmpi_policy *p)
{
    p->wanted = p->wanted_all = p->stop = 0;
    p->n_retries = 0;
    p->retry_ms = 0;
}

/* ---- groups that want the same rank ---- */

static void forget_held(struct crmpi_policy *p)
{
    free(p->held_payload);
    p->held_payload = NULL;
    p->held_bytes = 0;
    p->held.kind = 0;
}

static void turn_away(struct crmpi_policy *p, const struct crmpi_message *park)
{
    struct crmpi_message busy = *park;

    busy.kind = CRMPI_MESSAGE_BUSY;
    busy.world_rank = p->group.world_rank;
    send_message(p, park->leader, &busy, NULL, 0);
}

/* Keep a PARK until this rank is free; of two that of the smaller leader.
 * Returns 0 if it was turned away. */
static int hold(struct crmpi_policy *p, const struct crmpi_event *event)
{
    const struct crmpi_message *park = event->message;
    void *payload = NULL;

    if (p->held.kind == 0 || park->leader < p->held.leader)
        payload = malloc(event->payload_bytes + 1);
    if (payload == NULL) {
        turn_away(p, park);
        return 0;
    }
    if (p->held.kind != 0)
        turn_away(p, &p->held);
    forget_held(p);
    if (event->payload_bytes > 0)
        memcpy(payload, event->payload, event->payload_bytes);
    p->held = *park;
    p->held_from = event->from;
    p->held_payload = payload;
    p->held_bytes = event->payload_bytes;
    return 1;
}

static void yield(struct crmpi_policy *p, int64_t now_ms)
{
    struct crmpi_group *group = &p->group;
    struct crmpi_message message = {.kind = CRMPI_MESSAGE_YIELD,
                                    .attempt = group->attempt,
                                    .leader = group->leader,
                                    .world_rank = group->world_rank};

    if (group->phase >= CRMPI_GROUP_SAVING)
        return; /* it will be over soon */
    if (crmpi_group_leads(group))
        crmpi_group_abort(group, group->world_rank, NULL, now_ms);
    else
        send_message(p, group->leader, &message, NULL, 0);
}

static void stray_park(struct crmpi_policy *p, const struct crmpi_event *event)
{
    struct crmpi_group *group = &p->group;

    if (group->phase == CRMPI_GROUP_ENDING)
        hold(p, event);
    else if (group->phase == CRMPI_GROUP_COMPLETING ||
             event->message->leader > group->leader)
        turn_away(p, event->message);
    else if (hold(p, event))
        yield(p, event->now_ms);
}

/* It can take long until this rank is free, and whoever waits for it stands still. */
static void resumed(struct crmpi_group *group)
{
    struct crmpi_policy *p = group->owner;

    if (p->held.kind != 0)
        turn_away(p, &p->held);
    forget_held(p);
}

/* Nobody below this rank has heard of the attempt, so it is over here. */
static void stray_abort(struct crmpi_policy *p, const struct crmpi_event *event)
{
    struct crmpi_message done = *event->message;

    if (p->held.kind != 0 && p->held.leader == done.leader &&
        p->held.attempt == done.attempt)
        forget_held(p);
    done.kind = CRMPI_MESSAGE_DONE;
    done.world_rank = p->group.world_rank;
    send_message(p, event->from, &done, NULL, 0);
}

static void stray(struct crmpi_group *group, const struct crmpi_event *event)
{
    if (event->message->kind == CRMPI_MESSAGE_PARK)
        stray_park(group->owner, event);
    else
        stray_abort(group->owner, event);
}

/* BUSY or YIELD: another group goes first. */
static void give_way(struct crmpi_policy *p, const struct crmpi_event *event)
{
    struct crmpi_group *group = &p->group;

    if (crmpi_group_leads(group) && event->message->leader == group->world_rank &&
        event->message->attempt == group->attempt && group->phase < CRMPI_GROUP_SAVING)
        crmpi_group_abort(group, event->message->world_rank, NULL, event->now_ms);
}

/* ---- lines ---- */

static void commit(struct crmpi_policy *p, const struct crmpi_message *registering,
                   const struct crmpi_saved *saved, size_t n_saved)
{
    p->registering = *registering;
    act(p, &(struct crmpi_action){.kind = CRMPI_ACTION_COMMIT,
                                  .sn = registering->sn,
                                  .leader = registering->leader,
                                  .all = (int)registering->all,
                                  .saved = saved,
                                  .n_saved = n_saved});
}

static void all_saved(struct crmpi_group *group, int64_t now_ms)
{
    struct crmpi_policy *p = group->owner;
    struct crmpi_message message = {.kind = CRMPI_MESSAGE_REGISTER,
                                    .attempt = group->attempt,
                                    .leader = group->leader,
                                    .world_rank = group->world_rank,
                                    .all = (uint32_t)group->members.all,
                                    .sn = group->sn};

    (void)now_ms;
    if (is_root(p))
        commit(p, &message, group->saved, group->n_saved);
    else
        send_message(p, 0, &message, group->saved,
                     group->n_saved * sizeof *group->saved);
}

static void answer_registering(struct crmpi_policy *p, uint64_t line, const void *payload,
                               size_t payload_bytes)
{
    struct crmpi_message answer = p->registering;

    answer.kind = CRMPI_MESSAGE_REGISTERED;
    answer.value = line;
    p->registering.kind = 0;
    send_message(p, answer.leader, &answer, payload, payload_bytes);
}

static void take_registering(struct crmpi_policy *p, const struct crmpi_event *event)
{
    static const char why[] = "rank 0 cannot make sense of the list of ranks";
    size_t n = event->payload_bytes / sizeof(struct crmpi_saved);
    struct crmpi_saved *saved = malloc((n + 1) * sizeof *saved);
    int sensible = saved != NULL && n > 0 && n <= p->group.n_ranks &&
                   event->message->leader == event->from;

    if (sensible)
        memcpy(saved, event->payload, n * sizeof *saved); /* it need not be aligned */
    for (size_t i = 0; sensible && i < n; i++)
        sensible = saved[i].world_rank < p->group.n_ranks;
    p->registering = *event->message;
    if (sensible)
        commit(p, event->message, saved, n);
    else
        answer_registering(p, 0, why, sizeof why - 1);
    free(saved);
}

/* The job can end if all ranks are in, in the control tree: in that of a group that has
 * grown a rank could end before those whose messages it passes on. */
static int may_stop(const struct crmpi_policy *p)
{
    return p->stop && p->group.members.all && p->group.members.listed.n == 1;
}

static void committed(struct crmpi_policy *p, const struct crmpi_event *event)
{
    const struct crmpi_message *registering = &p->registering;
    int own = registering->leader == 0;

    act(p, &(struct crmpi_action){.kind = CRMPI_ACTION_REPORT,
                                  .sn = registering->sn,
                                  .line = event->line,
                                  .leader = registering->leader,
                                  .all = (int)registering->all,
                                  .committed = 1});
    if (!own) {
        answer_registering(p, event->line, event->kept,
                           event->n_kept * sizeof *event->kept);
        return;
    }
    p->registering.kind = 0;
    crmpi_group_committed(&p->group, event->line, may_stop(p), event->kept,
                          event->n_kept, event->now_ms);
}

/* The result of COMMIT, if there is one to come, or of another action. */
static void failed(struct crmpi_policy *p, const struct crmpi_event *event)
{
    if (p->registering.kind != 0 && p->registering.leader != 0) {
        answer_registering(p, 0, event->why, strlen(event->why));
    } else {
        p->registering.kind = 0;
        crmpi_group_fail(&p->group, event->why, event->now_ms);
    }
}

static void registered(struct crmpi_policy *p, const struct crmpi_event *event)
{
    struct crmpi_group *group = &p->group;
    const struct crmpi_message *message = event->message;
    char why[512];

    if (event->from != 0 || !crmpi_group_leads(group) ||
        message->attempt != group->attempt || !crmpi_group_is_saved(group))
        return;
    if (message->value != 0) {
        crmpi_group_committed(group, message->value, 0, event->payload,
                              event->payload_bytes / sizeof(uint64_t), event->now_ms);
        return;
    }
    snprintf(why, sizeof why, "%.*s", (int)event->payload_bytes,
             event->payload_bytes ? (const char *)event->payload : "");
    crmpi_group_abort(group, 0, why, event->now_ms);
}

static void report_given_up(struct crmpi_policy *p, const struct crmpi_event *event)
{
    char why[512];

    snprintf(why, sizeof why, "%.*s", (int)event->payload_bytes,
             event->payload_bytes ? (const char *)event->payload : "");
    act(p, &(struct crmpi_action){.kind = CRMPI_ACTION_REPORT,
                                  .sn = event->message->sn,
                                  .leader = event->message->leader,
                                  .all = (int)event->message->all,
                                  .world_rank = event->message->world_rank,
                                  .why = why});
}

/* ---- the end of an attempt ---- */

static void take_held(struct crmpi_policy *p, int64_t now_ms)
{
    struct crmpi_message message = p->held;
    void *payload = p->held_payload;
    struct crmpi_event event = {.kind = CRMPI_EVENT_MESSAGE,
                                .now_ms = now_ms,
                                .from = p->held_from,
                                .message = &message,
                                .payload = payload,
                                .payload_bytes = p->held_bytes};

    p->held_payload = NULL;
    forget_held(p);
    crmpi_group_event(&p->group, &event);
    free(payload);
}

static void ended(struct crmpi_group *group, int64_t now_ms)
{
    struct crmpi_policy *p = group->owner;
    int led = group->leader == group->world_rank;

    if (group->stop) {
        act(p, &(struct crmpi_action){.kind = CRMPI_ACTION_END, .sn = group->sn});
        return;
    }
    if (group->committed && (!p->wanted_all || (group->members.all && !p->stop))) {
        satisfied(p);
    } else if (led && group->fails) {
        satisfied(p); /* by the reason */
    } else if (p->wanted && !group->committed) {
        p->wanted_all |= group->has_to_be_all;
        p->n_retries += (unsigned)led;
        wait_to_retry(p, now_ms);
    }
    p->wanted |= p->late;
    p->wanted_all |= p->late_all;
    p->stop |= p->late_stop;
    p->late = p->late_all = p->late_stop = 0;
    if (p->held.kind != 0)
        take_held(p, now_ms);
}

static const struct crmpi_group_ops group_ops = {
    .saved = all_saved,
    .resumed = resumed,
    .ended = ended,
    .stray = stray,
};

/* ---- events ---- */

/* What the outside wants of another rank. */
static void pass_on(struct crmpi_policy *p, uint32_t world_rank)
{
    struct crmpi_message message = {.kind = CRMPI_MESSAGE_REQUEST};
    send_message(p, world_rank, &message, NULL, 0);
}

static void asked_by_root(struct crmpi_policy *p)
{
    static const char why[] = "it is in MPI_Finalize";
    struct crmpi_message message = {.kind = CRMPI_MESSAGE_GIVEN_UP,
                                    .leader = p->group.world_rank,
                                    .world_rank = p->group.world_rank};

    if (p->told)
        send_message(p, 0, &message, why, sizeof why - 1);
    else
        want(p, 0, 0, 0);
}

static void take_message(struct crmpi_policy *p, const struct crmpi_event *event)
{
    crmpi_finish_message(&p->finish, event);
    switch (event->message->kind) {
    case CRMPI_MESSAGE_REQUEST:
        if (event->from == 0)
            asked_by_root(p);
        break;
    case CRMPI_MESSAGE_BUSY:
    case CRMPI_MESSAGE_YIELD:
        give_way(p, event);
        break;
    case CRMPI_MESSAGE_REGISTER:
        if (is_root(p))
            take_registering(p, event);
        break;
    case CRMPI_MESSAGE_REGISTERED:
        registered(p, event);
        break;
    case CRMPI_MESSAGE_GIVEN_UP:
        if (is_root(p))
            report_given_up(p, event);
        break;
    }
}

static void take_event(struct crmpi_policy *p, const struct crmpi_event *event)
{
    switch (event->kind) {
    case CRMPI_EVENT_MESSAGE:
        take_message(p, event);
        break;
    case CRMPI_EVENT_REQUEST:
        if (is_root(p) && !event->all && event->of > 0 && event->of < p->group.n_ranks)
            pass_on(p, event->of);
        else
            want(p, event->all, event->stop, event->ordinal);
        break;
    case CRMPI_EVENT_COMMITTED:
        committed(p, event);
        break;
    case CRMPI_EVENT_FAILED:
        failed(p, event);
        break;
    case CRMPI_EVENT_FINISHING:
        p->finishing = 1;
        break;
    default:
        break;
    }
    if (p->registering.kind != 0)
        return; /* the next event is the result of COMMIT */
    crmpi_group_event(&p->group, event);
    if (p->registering.kind == 0)
        go_on(p, event->now_ms);
}

/* ---- the table ---- */

static struct crmpi_policy *create(uint32_t world_rank, uint32_t n_ranks,
                                   const struct crmpi_policy_parameters *parameters,
                                   const struct crmpi_policy_env *env)
{
    struct crmpi_policy *p = calloc(1, sizeof *p);

    if (p == NULL)
        return NULL;
    crmpi_group_init(&p->group, &group_ops, p, world_rank, n_ranks, parameters->limit_ms,
                     env);
    p->group.grows = 1;
    crmpi_finish_init(&p->finish, world_rank, n_ranks, env);
    p->next_sn = parameters->next_sn;
    return p;
}

static void destroy(struct crmpi_policy *p)
{
    crmpi_group_fini(&p->group);
    free(p->held_payload);
    free(p);
}

static int64_t wakeup_ms(const struct crmpi_policy *p)
{
    if (p->group.phase == CRMPI_GROUP_IDLE && p->wanted && !p->finish.finished)
        return p->retry_ms;
    return crmpi_group_wakeup_ms(&p->group);
}

static const char *phase(const struct crmpi_policy *p)
{
    return crmpi_group_words(&p->group);
}

static int may_leave(const struct crmpi_policy *p, uint32_t world_rank)
{
    return crmpi_group_may_leave(&p->group, world_rank);
}

static int is_closed(const struct crmpi_policy *p)
{
    return crmpi_group_is_closed(&p->group);
}

const struct crmpi_policy_ops crmpi_policy_partial = {
    .name = "partial",
    .timer_everywhere = 1,
    .create = create,
    .destroy = destroy,
    .event = take_event,
    .wakeup_ms = wakeup_ms,
    .may_leave = may_leave,
    .phase = phase,
    .is_closed = is_closed,
};
