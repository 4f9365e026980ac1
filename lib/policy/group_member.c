/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a member of a group sends, and has done, in both halves of a checkpoint; see group.h.
 * Pure: runs in the lower half and in the simulator.
 */
#include "policy/group_steps.h"

int crmpi_group_leads(const struct crmpi_group *g)
{
    return g->phase != CRMPI_GROUP_IDLE && g->leader == g->world_rank;
}

static unsigned everyone(const struct crmpi_group *g)
{
    return CRMPI_GROUP_OWN | ((1u << g->n_children) - 1);
}

struct crmpi_message crmpi_group_message(const struct crmpi_group *g,
                                         enum crmpi_message_kind kind)
{
    return (struct crmpi_message){
        .kind = kind,
        .attempt = g->attempt,
        .leader = g->leader,
        .world_rank = g->world_rank,
        .all = (uint32_t)g->members.all,
        .sn = g->sn,
        .ordinal = g->ordinal,
    };
}

void crmpi_group_send_up(struct crmpi_group *g, const struct crmpi_message *message,
                         const void *payload, size_t payload_bytes)
{
    g->env.send(g->env.context, g->parent, message, payload, payload_bytes);
}

void crmpi_group_send_down(struct crmpi_group *g, const struct crmpi_message *message,
                           const void *payload, size_t payload_bytes)
{
    for (unsigned i = 0; i < g->n_children; i++)
        g->env.send(g->env.context, g->children[i], message, payload, payload_bytes);
}

void crmpi_group_act(struct crmpi_group *g, struct crmpi_action *action)
{
    action->leader = g->leader;
    action->all = g->members.all;
    if (!g->members.all) {
        action->group = g->members.listed.items;
        action->n_group = g->members.listed.n;
    }
    g->env.act(g->env.context, action);
}

void crmpi_group_enter(struct crmpi_group *g, enum crmpi_group_phase phase)
{
    g->phase = phase;
    g->missing = everyone(g);
    g->alarm_ms = phase < CRMPI_GROUP_SAVING ? g->deadline_ms
                                             : INT64_MAX; /* saving takes its time */
}

void crmpi_group_own_done(struct crmpi_group *g, enum crmpi_group_phase phase,
                          int64_t now_ms)
{
    if (g->phase != phase || !(g->missing & CRMPI_GROUP_OWN) || g->failed)
        return;
    g->missing &= ~CRMPI_GROUP_OWN;
    g->gathered(g, now_ms);
}
