/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Gathers that the ranks are in MPI_Finalize, see finish.h.  Pure: runs in the lower half
 * and in the simulator.
 */
#include "policy/finish.h"

#define OWN (1u << CRMPI_TREE_CHILDREN)

void crmpi_finish_init(struct crmpi_finish *finish, uint32_t world_rank, uint32_t n_ranks,
                       const struct crmpi_policy_env *env)
{
    *finish =
        (struct crmpi_finish){.env = *env, .world_rank = world_rank, .missing = OWN};
    for (unsigned i = 0; i < CRMPI_TREE_CHILDREN; i++)
        if (CRMPI_TREE_CHILD((uint64_t)world_rank, i) < n_ranks)
            finish->missing |= 1u << finish->n_children++;
}

static void gather(struct crmpi_finish *finish, unsigned who)
{
    struct crmpi_message message = {.kind = CRMPI_MESSAGE_FINISHING};
    unsigned before = finish->missing;

    finish->missing &= ~who;
    if (finish->world_rank != 0 && before != 0 && finish->missing == 0)
        finish->env.send(finish->env.context, CRMPI_TREE_PARENT(finish->world_rank),
                         &message, NULL, 0);
}

static void end(struct crmpi_finish *finish)
{
    struct crmpi_message message = {.kind = CRMPI_MESSAGE_FINISH};

    finish->finished = 1;
    for (unsigned i = 0; i < finish->n_children; i++)
        finish->env.send(finish->env.context, CRMPI_TREE_CHILD(finish->world_rank, i),
                         &message, NULL, 0);
    finish->env.act(finish->env.context,
                    &(struct crmpi_action){.kind = CRMPI_ACTION_FINISH});
}

void crmpi_finish_own(struct crmpi_finish *finish)
{
    gather(finish, OWN);
}

void crmpi_finish_message(struct crmpi_finish *finish, const struct crmpi_event *event)
{
    if (event->message->kind == CRMPI_MESSAGE_FINISH && finish->world_rank != 0 &&
        event->from == CRMPI_TREE_PARENT(finish->world_rank))
        end(finish);
    for (unsigned i = 0; i < finish->n_children; i++)
        if (event->message->kind == CRMPI_MESSAGE_FINISHING &&
            event->from == CRMPI_TREE_CHILD(finish->world_rank, i))
            gather(finish, 1u << i);
}

void crmpi_finish_all(struct crmpi_finish *finish)
{
    if (finish->world_rank == 0 && !finish->finished && finish->missing == 0)
        end(finish);
}
