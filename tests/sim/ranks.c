/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See ranks.h.  Test.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sim/phase.h"
#include "sim/ranks.h"

struct sim_ranks sim;

void sim_check(int holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "sim: %s: seed %llu, %u ranks, at %.3f ms\n", what,
            (unsigned long long)sim.seed, sim.n_ranks, sim.now_us / 1000);
    exit(1);
}

void *sim_copy(const void *bytes, size_t n)
{
    void *copy = NULL;

    if (n > 0) {
        copy = malloc(n);
        sim_check(copy != NULL, "out of memory");
        memcpy(copy, bytes, n);
    }
    return copy;
}

void sim_at(double time_us, struct sim_item item)
{
    sim_queue_add(time_us, sim_copy(&item, sizeof item));
}

void sim_later(double delay_us, struct sim_item item)
{
    sim_at(sim.now_us + delay_us, item);
}

void sim_free_item(struct sim_item *item)
{
    free(item->payload);
    free(item);
}

/* ---- the network ---- */

double sim_arrival(double *newest_us, double delay_us)
{
    double at_us = sim.now_us + delay_us;

    if (at_us < *newest_us)
        at_us = *newest_us;
    *newest_us = at_us;
    return at_us;
}

static uint32_t next_hop(uint32_t by, uint32_t to)
{
    while (to > by) {
        if (CRMPI_TREE_PARENT(to) == by)
            return to;
        to = CRMPI_TREE_PARENT(to);
    }
    return CRMPI_TREE_PARENT(by);
}

void sim_pass_on(uint32_t by, struct sim_item item, double delay_us)
{
    uint32_t to = next_hop(by, item.to);
    unsigned link = by > 0 && to == CRMPI_TREE_PARENT(by) ? 0 : 1 + (to - 1) % 2;

    item.rank = to;
    sim_at(sim_arrival(&sim.ranks[by].link_free[link], delay_us), item);
}

static void send_message(void *context, uint32_t to, const struct crmpi_message *message,
                         const void *payload, size_t payload_bytes)
{
    uint32_t from = (uint32_t)((struct sim_rank *)context - sim.ranks);

    sim_check(to < sim.n_ranks && to != from && message->kind < CRMPI_MESSAGE_KINDS,
              "a message to nobody");
    sim.hooks->send(from, (struct sim_item){.kind = SIM_MESSAGE,
                                            .from = from,
                                            .to = to,
                                            .message = *message,
                                            .payload = sim_copy(payload, payload_bytes),
                                            .payload_bytes = payload_bytes});
}

/* ---- actions ---- */

/* With what those that have to wait point to. */
static struct crmpi_action *copy_action(const struct crmpi_action *action)
{
    struct crmpi_action *copy = sim_copy(action, sizeof *action);

    copy->group = sim_copy(action->group, action->n_group * sizeof *action->group);
    copy->saved = sim_copy(action->saved, action->n_saved * sizeof *action->saved);
    copy->cohort = NULL;
    copy->arrived = NULL;
    copy->targets = NULL;
    copy->kept = NULL;
    return copy;
}

static void free_action(struct crmpi_action *action)
{
    free((void *)action->group);
    free((void *)action->saved);
    free(action);
}

static void act(void *context, const struct crmpi_action *action)
{
    struct sim_rank *rank = context;

    sim_check(sim_phase_act(&rank->does, action->kind),
              "an action that this phase cannot have");
    if (sim.hooks->act((uint32_t)(rank - sim.ranks), action))
        return;
    sim_check(rank->n_todo < SIM_TODO, "too many actions at once");
    rank->todo[rank->n_todo++] = copy_action(action);
}

void sim_set_targets(uint32_t r, const struct crmpi_action *action)
{
    struct sim_rank *rank = &sim.ranks[r];

    free(rank->targets);
    rank->n_targets = action->n_targets;
    rank->targets =
        sim_copy(action->targets, action->n_targets * sizeof *action->targets);
}

void sim_finish(uint32_t r)
{
    sim.ranks[r].finished = 1;
    sim.n_finished++;
}

void sim_stop(uint32_t r)
{
    for (unsigned i = 0; i < CRMPI_TREE_CHILDREN; i++)
        sim_check(CRMPI_TREE_CHILD(r, i) >= sim.n_ranks ||
                      sim.ranks[CRMPI_TREE_CHILD(r, i)].stopped,
                  "a rank ends before those below it");
    sim.ranks[r].stopped = 1;
    sim.n_stopped++;
}

static void begin_todo(uint32_t r)
{
    struct sim_rank *rank = &sim.ranks[r];

    if (rank->busy || rank->n_todo == 0)
        return;
    rank->busy = 1;
    sim_later(sim.hooks->duration_us(r, rank->todo[0]),
              (struct sim_item){.kind = SIM_RESULT, .rank = r});
}

/* ---- giving events to the policy ---- */

void sim_give(uint32_t r, struct crmpi_event event)
{
    const struct crmpi_policy_ops *ops = sim.hooks->policy;
    struct sim_rank *rank = &sim.ranks[r];
    int64_t wakeup;

    event.now_ms = (int64_t)(sim.now_us / 1000);
    sim_check(sim_phase_event(&rank->does, event.kind),
              "a result that this phase cannot have");
    ops->event(rank->policy, &event);
    begin_todo(r);
    wakeup = ops->wakeup_ms(rank->policy);
    if (wakeup != INT64_MAX && wakeup != rank->tick_ms) {
        double wait_us = (double)(wakeup + 1) * 1000 - sim.now_us;
        rank->tick_ms = wakeup;
        sim_later(wait_us > 0 ? wait_us : 0,
                  (struct sim_item){.kind = SIM_TICK, .rank = r});
    }
    if (sim.hooks->given != NULL)
        sim.hooks->given(r);
}

void sim_give_result(uint32_t r, struct crmpi_event result)
{
    sim_give(r, result);
    free((void *)result.counts);
    free((void *)result.neighbours);
    free((void *)result.dependencies);
}

static int hears(const struct sim_rank *rank)
{
    return !rank->finished || !sim.hooks->until_finish;
}

static void deliver(struct sim_item *item)
{
    struct sim_rank *rank = &sim.ranks[item->rank];

    if (rank->busy) {
        item->next = NULL;
        *rank->inbox_end = item;
        rank->inbox_end = &item->next;
        return;
    }
    if (item->to != item->rank) {
        sim.hooks->send(item->rank, *item);
        free(item);
        return;
    }
    if (hears(rank))
        sim_give(item->rank, (struct crmpi_event){.kind = CRMPI_EVENT_MESSAGE,
                                                  .from = item->from,
                                                  .message = &item->message,
                                                  .payload = item->payload,
                                                  .payload_bytes = item->payload_bytes});
    sim_free_item(item);
}

static struct sim_item *take_from_inbox(struct sim_rank *rank)
{
    struct sim_item *item = rank->inbox;

    if (item != NULL && (rank->inbox = item->next) == NULL)
        rank->inbox_end = &rank->inbox;
    return item;
}

static void take_result(uint32_t r)
{
    struct sim_rank *rank = &sim.ranks[r];
    struct crmpi_action *action = rank->todo[0];
    struct crmpi_event result = {0};

    rank->n_todo--;
    memmove(&rank->todo[0], &rank->todo[1], rank->n_todo * sizeof rank->todo[0]);
    rank->busy = 0;
    if (sim.hooks->result(r, action, &result)) {
        sim_check(rank->n_todo == 0, "another action before the result of one");
        sim_give_result(r, result);
    }
    free_action(action);
    begin_todo(r);
    while (!rank->busy && rank->inbox != NULL)
        deliver(take_from_inbox(rank));
    sim.hooks->go_on(r);
}

int sim_step(void)
{
    struct sim_item *item = sim_queue_take(&sim.now_us);
    struct sim_rank *rank;
    int kept = 0;

    if (item == NULL)
        return 0;
    sim_check(sim.now_us < 3.6e9, "the job does not end");
    rank = &sim.ranks[item->rank];
    if (rank->stopped) { /* the process is gone */
        sim_free_item(item);
        return 1;
    }
    switch (item->kind) {
    case SIM_MESSAGE:
        deliver(item);
        kept = 1;
        break;
    case SIM_TICK:
        rank->tick_ms = 0;
        if (!rank->busy && hears(rank))
            sim_give(item->rank, (struct crmpi_event){.kind = CRMPI_EVENT_TICK});
        break;
    case SIM_RESULT:
        take_result(item->rank);
        break;
    default:
        kept = sim.hooks->come(item);
        break;
    }
    if (!kept)
        sim_free_item(item);
    return 1;
}

/* ---- a job from beginning to end ---- */

void sim_begin(const struct sim_hooks *hooks, uint64_t seed, uint32_t n_ranks)
{
    sim = (struct sim_ranks){.hooks = hooks, .seed = seed, .n_ranks = n_ranks};
    sim.ranks = calloc(n_ranks, sizeof *sim.ranks);
    sim_check(sim.ranks != NULL, "out of memory");
}

void sim_end(void)
{
    free(sim.ranks);
    sim.ranks = NULL;
}

void sim_ranks_start(const struct crmpi_policy_parameters *parameters)
{
    sim.n_finished = sim.n_stopped = 0;
    for (uint32_t r = 0; r < sim.n_ranks; r++) {
        struct sim_rank *rank = &sim.ranks[r];
        struct crmpi_policy_env env = {.context = rank, .send = send_message, .act = act};
        *rank = (struct sim_rank){.inbox_end = &rank->inbox};
        rank->policy = sim.hooks->policy->create(r, sim.n_ranks, parameters, &env);
        sim_check(rank->policy != NULL, "out of memory");
    }
}

void sim_ranks_end(void)
{
    struct sim_item *item;
    double at_us;

    while ((item = sim_queue_take(&at_us)) != NULL)
        sim_free_item(item);
    for (uint32_t r = 0; r < sim.n_ranks; r++) {
        struct sim_rank *rank = &sim.ranks[r];
        while ((item = take_from_inbox(rank)) != NULL)
            sim_free_item(item);
        for (unsigned i = 0; i < rank->n_todo; i++)
            free_action(rank->todo[i]);
        sim.hooks->policy->destroy(rank->policy);
        free(rank->targets);
    }
}
