/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The policy that takes no checkpoints: whoever asks for one is told so.  Pure: runs in
 * the lower half and in the simulator.
 */
#include <stdlib.h>
#include "policy/finish.h"

struct crmpi_policy {
    struct crmpi_finish finish;
};

static struct crmpi_policy *create(uint32_t world_rank, uint32_t n_ranks,
                                   const struct crmpi_policy_parameters *parameters,
                                   const struct crmpi_policy_env *env)
{
    struct crmpi_policy *p = calloc(1, sizeof *p);

    (void)parameters;
    if (p != NULL)
        crmpi_finish_init(&p->finish, world_rank, n_ranks, env);
    return p;
}

static void destroy(struct crmpi_policy *p)
{
    free(p);
}

/* Say why, and let those go that wait for it. */
static void refuse(struct crmpi_policy *p)
{
    const struct crmpi_policy_env *env = &p->finish.env;

    env->act(env->context,
             &(struct crmpi_action){.kind = CRMPI_ACTION_REPORT,
                                    .world_rank = p->finish.world_rank,
                                    .why = "CRMPI_POLICY=none takes no checkpoints"});
    env->act(env->context, &(struct crmpi_action){.kind = CRMPI_ACTION_RELEASE});
}

static void take_event(struct crmpi_policy *p, const struct crmpi_event *event)
{
    if (event->kind == CRMPI_EVENT_MESSAGE)
        crmpi_finish_message(&p->finish, event);
    else if (event->kind == CRMPI_EVENT_FINISHING)
        crmpi_finish_own(&p->finish);
    else if (event->kind == CRMPI_EVENT_REQUEST && !p->finish.finished)
        refuse(p);
    crmpi_finish_all(&p->finish);
}

static int64_t wakeup_ms(const struct crmpi_policy *p)
{
    (void)p;
    return INT64_MAX;
}

static int may_leave(const struct crmpi_policy *p, uint32_t world_rank)
{
    (void)p;
    (void)world_rank;
    return 0;
}

static const char *phase(const struct crmpi_policy *p)
{
    (void)p;
    return NULL;
}

const struct crmpi_policy_ops crmpi_policy_none = {
    .name = "none",
    .create = create,
    .destroy = destroy,
    .event = take_event,
    .wakeup_ms = wakeup_ms,
    .may_leave = may_leave,
    .phase = phase,
};
