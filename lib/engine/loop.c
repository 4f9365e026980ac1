/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The protocol thread: it waits for messages, requests and time, gives them to the policy
 * as events, and does what the policy wants done.  Lower half.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/log.h"
#include "engine/requests.h"
#include "engine/state.h"
#include "interaction/cut.h"
#include "lower/raw.h"

#define LOOK_NS 200000 /* how often to look whether the targets are reached */

static struct crmpi_engine *const engine = &crmpi_engine;

void crmpi_loop_wake(void)
{
    /* a full pipe wakes, too */
    crmpi_raw(SYS_write, engine->wake[1], (long)"", 1, 0, 0, 0);
}

static void break_off(const struct crmpi_link *link)
{
    crmpi_info("the connection to rank %u has ended: no more checkpoints",
               link->world_rank);
    engine->broken = 1;
}

static void send_message(void *context, uint32_t to, const struct crmpi_message *message,
                         const void *payload, size_t payload_bytes)
{
    struct crmpi_link *link = crmpi_tree_link(&engine->tree, to);

    (void)context;
    if (!engine->broken &&
        crmpi_link_send(link, message, payload, payload_bytes) != CRMPI_OK)
        break_off(link);
}

const struct crmpi_policy_env crmpi_loop_env = {
    .send = send_message,
    .act = crmpi_phase_act,
};

/* Give the policy an event, then do what it wants, and so on until nothing is left. */
static void feed(struct crmpi_event event)
{
    event.now_ms = crmpi_clock_ms();
    engine->policy_ops->event(engine->policy, &event);
    while (engine->n_todo > 0 && !engine->broken) {
        struct crmpi_action action = engine->todo[0];
        struct crmpi_event result = {0};

        engine->n_todo--;
        memmove(&engine->todo[0], &engine->todo[1], engine->n_todo * sizeof action);
        if (!crmpi_phase_do(&action, &result))
            continue;
        result.now_ms = crmpi_clock_ms();
        engine->policy_ops->event(engine->policy, &result);
        crmpi_phase_result_fini(&result);
    }
}

/* What this process itself has to say: its threads, the clock, the outside. */
static void take_own(void)
{
    uint64_t ordinal = __atomic_exchange_n(&engine->wanted_ordinal, 0, __ATOMIC_ACQ_REL);
    int wanted = __atomic_exchange_n(&engine->wanted, 0, __ATOMIC_ACQ_REL), stop = 0;

    if (__atomic_exchange_n(&engine->wanted_by_signal, 0, __ATOMIC_ACQ_REL) &&
        !crmpi_engine_just_committed())
        wanted = 1;
    if (engine->job.world_rank == 0) {
        if (crmpi_clock_ms() >= engine->interval_ms) {
            engine->interval_ms = INT64_MAX; /* set again when it is over */
            wanted = 1;
        }
        wanted |= crmpi_requests_take(&stop) > 0;
    }
    if (wanted || ordinal > 0)
        feed((struct crmpi_event){
            .kind = CRMPI_EVENT_REQUEST, .ordinal = ordinal, .stop = stop});
    if (__atomic_load_n(&engine->finishing, __ATOMIC_ACQUIRE) == 1) {
        engine->finishing = 2;
        feed((struct crmpi_event){.kind = CRMPI_EVENT_FINISHING});
    }
}

/* The phases that last while messages are waited for. */
static void go_on(void)
{
    if (engine->draining) {
        if (crmpi_drain_progress()) {
            engine->draining = 0;
            feed((struct crmpi_event){.kind = CRMPI_EVENT_DRAINED});
        }
    } else if (engine->stopped) {
        crmpi_cut_progress(); /* the other ranks may need it */
        sched_yield();        /* or the processor */
    } else if (engine->running_on && crmpi_cut_at_targets()) {
        engine->running_on = 0;
        feed((struct crmpi_event){.kind = CRMPI_EVENT_AT_TARGETS});
    }
    if (engine->job.world_rank == 0 && engine->policy_ops->phase(engine->policy) != NULL)
        crmpi_requests_progress(engine->policy_ops->phase(engine->policy));
}

static void take_messages(struct crmpi_link *link)
{
    enum crmpi_status status = crmpi_link_receive(link);
    struct crmpi_message message;
    struct crmpi_event event = {.kind = CRMPI_EVENT_MESSAGE, .from = link->world_rank};
    int taken;

    event.message = &message;
    while (!engine->broken && !engine->finished &&
           (taken = crmpi_link_next(link, &message, &event.payload,
                                    &event.payload_bytes))) {
        if (taken < 0) {
            crmpi_error("the control message from rank %u makes no sense",
                        link->world_rank);
            engine->broken = 1;
        } else {
            feed(event);
        }
    }
    if (status == CRMPI_OK || engine->finished)
        return;
    if (engine->policy_ops->may_leave(engine->policy, link->world_rank))
        crmpi_link_fini(link);
    else
        break_off(link);
}

static struct timespec wait_time(void)
{
    int64_t until = engine->policy_ops->wakeup_ms(engine->policy), now = crmpi_clock_ms();
    int64_t left;

    if (engine->stopped)
        return (struct timespec){0};
    if (engine->running_on)
        return (struct timespec){.tv_nsec = LOOK_NS};
    if (engine->interval_ms < until)
        until = engine->interval_ms;
    left = until == INT64_MAX ? 3600 * 1000 : until > now ? until - now : 0;
    return (struct timespec){.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000};
}

static void wait_for_something(void)
{
    struct pollfd entries[2 + CRMPI_TREE_CHILDREN];
    struct timespec limit = wait_time();
    unsigned n_links = engine->tree.n_links;
    char drained[256];

    for (unsigned i = 0; i < n_links; i++)
        entries[i] = (struct pollfd){.fd = engine->tree.links[i].fd, .events = POLLIN};
    entries[n_links] = (struct pollfd){.fd = engine->wake[0], .events = POLLIN};
    if (ppoll(entries, n_links + 1, &limit, NULL) <= 0)
        return;
    if (entries[n_links].revents)
        while (read(engine->wake[0], drained, sizeof drained) == sizeof drained)
            ;
    for (unsigned i = 0; i < n_links && !engine->broken && !engine->finished; i++)
        if (entries[i].revents)
            take_messages(&engine->tree.links[i]);
}

void *crmpi_loop_run(void *unused)
{
    (void)unused;
    while (!engine->broken && !engine->finished) {
        wait_for_something();
        if (engine->broken || engine->finished)
            break;
        take_own();
        go_on();
        if (crmpi_clock_ms() >= engine->policy_ops->wakeup_ms(engine->policy))
            feed((struct crmpi_event){.kind = CRMPI_EVENT_TICK});
    }
    __atomic_store_n(&engine->alive, 0, __ATOMIC_RELEASE);
    if (engine->broken)
        crmpi_phase_let_go();
    crmpi_tree_fini(&engine->tree);
    sem_post(&engine->gone);
    return NULL;
}
