/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The coordinated policy: all ranks take each checkpoint together, led by rank 0.  Pure:
 * runs in the lower half and in the simulator.
 *
 * Rank 0 asks by the clock and for the outside; what is asked for elsewhere goes up the
 * control tree, which is the tree of the group too.  A request while a checkpoint is
 * under way is served by it, unless the threads have gone on since they were saved.
 */
#include <stdlib.h>
#include "policy/finish.h"
#include "policy/group.h"

struct crmpi_policy {
    struct crmpi_group group;
    struct crmpi_finish finish;
    uint64_t next_sn;
    int sent;       /* the parent knows that a checkpoint is wanted */
    int waits;      /* rank 0: begin the next one when this has ended */
    int stop;       /* rank 0: the job is to end after this one */
    int stop_waits; /* after the next one */
};

static int is_root(const struct crmpi_policy *p)
{
    return p->group.world_rank == 0;
}

static void act(struct crmpi_policy *p, const struct crmpi_action *action)
{
    p->group.env.act(p->group.env.context, action);
}

/* ---- what the group asks for ---- */

static void all_saved(struct crmpi_group *group, int64_t now_ms)
{
    (void)now_ms;
    act(group->owner, &(struct crmpi_action){.kind = CRMPI_ACTION_COMMIT,
                                             .sn = group->sn,
                                             .leader = 0,
                                             .all = 1,
                                             .saved = group->saved,
                                             .n_saved = group->n_saved});
}

static void begin(struct crmpi_policy *p, int64_t now_ms)
{
    p->waits = 0;
    p->stop = p->stop_waits;
    p->stop_waits = 0;
    if (crmpi_group_begin(&p->group, 1, p->next_sn, now_ms))
        p->group.foreground = p->stop; /* saving comes later */
    else
        act(p, &(struct crmpi_action){.kind = CRMPI_ACTION_REPORT,
                                      .all = 1,
                                      .why = "out of memory"});
}

/* What this rank asks for from here on is for the next one. */
static void resumed(struct crmpi_group *group)
{
    struct crmpi_policy *p = group->owner;

    p->sent = 0;
}

static void ended(struct crmpi_group *group, int64_t now_ms)
{
    struct crmpi_policy *p = group->owner;

    p->sent = 0;
    if (group->stop)
        act(p, &(struct crmpi_action){.kind = CRMPI_ACTION_END, .sn = group->sn});
    else if (p->waits)
        begin(p, now_ms);
}

/* There is one leader, who has one attempt at a time. */
static void stray(struct crmpi_group *group, const struct crmpi_event *event)
{
    (void)group;
    (void)event;
}

static const struct crmpi_group_ops group_ops = {
    .saved = all_saved,
    .resumed = resumed,
    .ended = ended,
    .stray = stray,
};

/* ---- requests, and the line ---- */

/* Whether the checkpoint under way serves a request that comes now: the threads have not
 * gone on, and if the job is to end after it they will not. */
static int is_served(const struct crmpi_policy *p, int stop)
{
    return p->group.phase < CRMPI_GROUP_SAVING ||
           (p->group.phase == CRMPI_GROUP_SAVING && (!stop || p->group.foreground));
}

static void request(struct crmpi_policy *p, uint64_t ordinal, int stop, int64_t now_ms)
{
    struct crmpi_message message = {.kind = CRMPI_MESSAGE_REQUEST};
    int news = !p->sent || ordinal > p->group.ordinal;

    if (p->finish.finished)
        return;
    if (ordinal > p->group.ordinal)
        p->group.ordinal = ordinal;
    if (!is_root(p)) {
        if (!news)
            return;
        p->sent = 1;
        message.ordinal = p->group.ordinal;
        p->group.env.send(p->group.env.context, CRMPI_TREE_PARENT(p->group.world_rank),
                          &message, NULL, 0);
    } else if (p->group.phase == CRMPI_GROUP_IDLE) {
        p->stop_waits |= stop;
        begin(p, now_ms);
    } else if (is_served(p, stop)) {
        p->stop |= stop;
        p->group.foreground |= stop;
    } else {
        p->stop_waits |= stop;
        p->waits = 1;
    }
}

static void committed(struct crmpi_policy *p, const struct crmpi_event *event)
{
    act(p, &(struct crmpi_action){.kind = CRMPI_ACTION_REPORT,
                                  .sn = p->group.sn,
                                  .line = event->line,
                                  .all = 1,
                                  .committed = 1});
    crmpi_group_committed(&p->group, event->line, p->stop, event->kept, event->n_kept,
                          event->now_ms);
}

static void take_event(struct crmpi_policy *p, const struct crmpi_event *event)
{
    switch (event->kind) {
    case CRMPI_EVENT_MESSAGE:
        crmpi_finish_message(&p->finish, event);
        if (event->message->kind == CRMPI_MESSAGE_REQUEST)
            request(p, event->message->ordinal, 0, event->now_ms);
        break;
    case CRMPI_EVENT_REQUEST:
        request(p, event->ordinal, event->stop, event->now_ms);
        break;
    case CRMPI_EVENT_COMMITTED:
        committed(p, event);
        break;
    case CRMPI_EVENT_FAILED:
        crmpi_group_fail(&p->group, event->why, event->now_ms);
        break;
    case CRMPI_EVENT_FINISHING:
        crmpi_finish_own(&p->finish);
        break;
    default:
        break;
    }
    crmpi_group_event(&p->group, event);
    if (p->group.phase == CRMPI_GROUP_IDLE)
        crmpi_finish_all(&p->finish);
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
    crmpi_finish_init(&p->finish, world_rank, n_ranks, env);
    p->next_sn = parameters->next_sn;
    return p;
}

static void destroy(struct crmpi_policy *p)
{
    crmpi_group_fini(&p->group);
    free(p);
}

static int64_t wakeup_ms(const struct crmpi_policy *p)
{
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

const struct crmpi_policy_ops crmpi_policy_coordinated = {
    .name = "coordinated",
    .create = create,
    .destroy = destroy,
    .event = take_event,
    .wakeup_ms = wakeup_ms,
    .may_leave = may_leave,
    .phase = phase,
};
