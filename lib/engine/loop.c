/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The protocol thread: it waits for messages, requests and time, gives them to the policy
 * as events, and does what the policy wants done.  Lower half.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/config.h"
#include "base/log.h"
#include "capture/capture.h"
#include "engine/limit.h"
#include "engine/post.h"
#include "engine/requests.h"
#include "engine/state.h"
#include "engine/touch.h"
#include "engine/worker.h"
#include "interaction/cut.h"
#include "job/contact.h"
#include "lower/raw.h"

#define OUTCOME_BYTES 640 /* of the words */
#define LOOK_NS 200000    /* how often to look whether the targets are reached */
#define PROGRESS_MS 250   /* how often to tell how far saving is */

static struct crmpi_engine *const engine = &crmpi_engine;

static void send_message(void *context, uint32_t to, const struct crmpi_message *message,
                         const void *payload, size_t payload_bytes)
{
    (void)context;
    if (message->kind == CRMPI_MESSAGE_REGISTER)
        crmpi_engine_all_saved();
    crmpi_post_send(to, CRMPI_CHANNEL_POLICY, message, sizeof *message, payload,
                    payload_bytes);
}

const struct crmpi_policy_env crmpi_loop_env = {
    .send = send_message,
    .act = crmpi_phase_act,
};

static void take_result(struct crmpi_event *result)
{
    result->now_ms = crmpi_clock_ms();
    engine->policy_ops->event(engine->policy, result);
    crmpi_event_fini(result);
}

/* The end of a checkpoint waits for the worker to let go of the file. */
static int has_to_wait(enum crmpi_action_kind kind)
{
    return crmpi_worker_is_busy() &&
           (crmpi_phase_takes_time(kind) || kind == CRMPI_ACTION_RELEASE);
}

/* Do what the policy wants done; what takes time is only begun. */
static void do_noted(void)
{
    while (engine->n_todo > 0 && !engine->broken) {
        struct crmpi_action action = engine->todo[0];
        struct crmpi_event result = {0};
        int has_result;

        if (has_to_wait(action.kind))
            return;
        engine->n_todo--;
        memmove(&engine->todo[0], &engine->todo[1], engine->n_todo * sizeof action);
        if (crmpi_phase_takes_time(action.kind)) {
            if (action.kind == CRMPI_ACTION_COMPLETE)
                crmpi_engine_write(CRMPI_RANK_COMPLETES);
            crmpi_worker_do(&action);
            continue;
        }
        has_result = crmpi_phase_do(&action, &result);
        crmpi_action_fini(&action);
        if (has_result)
            take_result(&result);
    }
}

/* Give the policy an event, then do what it wants, and so on until nothing is left. */
static void feed(struct crmpi_event event)
{
    event.now_ms = crmpi_clock_ms();
    engine->policy_ops->event(engine->policy, &event);
    do_noted();
}

/* The worker is at a file, and nothing else waits for that. */
static int is_completing(void)
{
    return engine->rank.writing == CRMPI_RANK_COMPLETES ||
           engine->rank.writing == CRMPI_RANK_ABANDONED;
}

/* No event may come to the policy, and nothing may touch the MPI layer. */
static int is_busy(void)
{
    return engine->broken || engine->finished ||
           (crmpi_worker_is_busy() && !is_completing()) ||
           engine->n_todo > 0; /* waits for the worker */
}

static void demand_of_all(enum crmpi_stop stop)
{
    if (stop > engine->stop)
        engine->stop = stop;
    if (crmpi_config.save == CRMPI_SAVE_NAMED) {
        crmpi_statistics_due(1); /* when all ranks are in CRMPI_Checkpoint() */
        return;
    }
    feed((struct crmpi_event){
        .kind = CRMPI_EVENT_REQUEST, .all = 1, .stop = stop != CRMPI_STOP_NONE});
}

/* Demands from outside: those for one rank go there. */
static void take_demands(void)
{
    uint32_t of;
    enum crmpi_stop stop;

    while (!is_busy() && crmpi_requests_take(&stop, &of)) {
        if (of == CRMPI_DEMAND_OF_ALL && stop == CRMPI_STOP_TIME)
            crmpi_limit_stop();
        else if (of == CRMPI_DEMAND_OF_ALL)
            demand_of_all(stop);
        else if (crmpi_config.save == CRMPI_SAVE_NAMED)
            crmpi_requests_report(of, "failed ranks are saved together (CRMPI_SAVE=named)");
        else if (of < engine->job.n_ranks)
            crmpi_post_send(of, CRMPI_CHANNEL_DEMAND, NULL, 0, NULL, 0);
        else
            crmpi_requests_report(of, "failed there is no such rank");
    }
}

static void look_at_limit(void)
{
    enum crmpi_stop stop;

    if (!is_busy() && crmpi_limit_due(&stop))
        demand_of_all(stop);
}

/* Only named regions are saved, and where all ranks are in CRMPI_Checkpoint(), which rank 0
 * tells by the ordinal: what is wanted before waits for that. */
static void take_own_names(int wanted, uint64_t ordinal)
{
    if (wanted)
        crmpi_statistics_due(1);
    if (ordinal > 0)
        feed((struct crmpi_event){.kind = CRMPI_EVENT_REQUEST,
                                  .ordinal = ordinal,
                                  .all = 1,
                                  .stop = engine->stop != CRMPI_STOP_NONE});
}

/* What this process itself has to say: its threads, the clock, the outside. */
static void take_own(void)
{
    uint64_t ordinal = __atomic_exchange_n(&engine->wanted_ordinal, 0, __ATOMIC_ACQ_REL);
    int wanted = __atomic_exchange_n(&engine->wanted, 0, __ATOMIC_ACQ_REL);

    if (__atomic_exchange_n(&engine->wanted_by_signal, 0, __ATOMIC_ACQ_REL) &&
        !crmpi_engine_just_committed())
        wanted = 1;
    if (crmpi_clock_ms() >= engine->interval_ms) {
        engine->interval_ms = INT64_MAX; /* set again when it is over */
        wanted |= crmpi_limit_has_room();
    }
    if (__atomic_exchange_n(&engine->stop_by_signal, 0, __ATOMIC_ACQ_REL))
        crmpi_limit_stop();
    if (crmpi_config.save == CRMPI_SAVE_NAMED)
        take_own_names(wanted, ordinal);
    else if (wanted || ordinal > 0)
        feed((struct crmpi_event){.kind = CRMPI_EVENT_REQUEST, .ordinal = ordinal});
    if (engine->job.world_rank == 0) {
        take_demands();
        look_at_limit();
    }
    if (!is_busy() && __atomic_load_n(&engine->finishing, __ATOMIC_ACQUIRE) == 1) {
        engine->finishing = 2;
        feed((struct crmpi_event){.kind = CRMPI_EVENT_FINISHING});
    }
}

/* The phases that last while messages are waited for. */
static void go_on(void)
{
    struct crmpi_event result;

    if (engine->rank.phase == CRMPI_RANK_DRAINS) {
        if (crmpi_phase_drain_on(&result))
            feed(result);
    } else if (engine->rank.phase == CRMPI_RANK_SETTLES) {
        if (crmpi_phase_settle_on(&result))
            feed(result);
    } else if (crmpi_rank_serves(&engine->rank)) {
        crmpi_cut.progress(); /* the other ranks may need it */
        sched_yield();        /* or the processor */
    } else if (engine->rank.phase == CRMPI_RANK_RUNS_ON && crmpi_cut.at_targets()) {
        crmpi_engine_enter(CRMPI_RANK_AT_TARGETS);
        feed((struct crmpi_event){.kind = CRMPI_EVENT_AT_TARGETS});
    }
    if (engine->job.world_rank == 0 && !is_completing() &&
        engine->policy_ops->phase(engine->policy) != NULL)
        crmpi_requests_progress(engine->policy_ops->phase(engine->policy));
}

static void take_policy_letter(const struct crmpi_letter *letter)
{
    struct crmpi_message message;
    struct crmpi_event event = {.kind = CRMPI_EVENT_MESSAGE,
                                .from = letter->envelope.from,
                                .message = &message,
                                .payload = letter->bytes + sizeof message,
                                .payload_bytes = letter->envelope.bytes - sizeof message};

    if (letter->envelope.bytes >= sizeof message)
        memcpy(&message, letter->bytes, sizeof message);
    if (letter->envelope.bytes < sizeof message || message.kind == 0 ||
        message.kind >= CRMPI_MESSAGE_KINDS) {
        crmpi_error("the control message from rank %u makes no sense", event.from);
        engine->broken = 1;
        return;
    }
    feed(event);
}

static void take_demand(void)
{
    static const char refusal[] = "failed it is in MPI_Finalize";

    if (engine->policy_ops->timer_everywhere && /* else others may ask still */
        __atomic_load_n(&engine->finishing, __ATOMIC_ACQUIRE)) {
        crmpi_post_send(0, CRMPI_CHANNEL_OUTCOME, refusal, sizeof refusal - 1, NULL, 0);
        return;
    }
    if (engine->rank.phase == CRMPI_RANK_GOES_ON)
        engine->demanded_late = 1;
    else
        engine->demanded = 1;
    feed((struct crmpi_event){.kind = CRMPI_EVENT_REQUEST, .of = engine->job.world_rank});
}

static void take_outcome(const struct crmpi_letter *letter)
{
    char text[OUTCOME_BYTES];

    snprintf(text, sizeof text, "%.*s",
             (int)(letter->envelope.bytes < sizeof text ? letter->envelope.bytes
                                                        : sizeof text - 1),
             (const char *)letter->bytes);
    if (engine->job.world_rank == 0)
        crmpi_requests_report(letter->envelope.from, text);
}

static void take_letter(const struct crmpi_letter *letter)
{
    switch (letter->envelope.channel) {
    case CRMPI_CHANNEL_POLICY:
        take_policy_letter(letter);
        break;
    case CRMPI_CHANNEL_TOUCH:
        crmpi_touch_take(letter);
        break;
    case CRMPI_CHANNEL_GRANT:
        crmpi_touch_take_grant(letter);
        break;
    case CRMPI_CHANNEL_DEMAND:
        take_demand();
        break;
    case CRMPI_CHANNEL_OUTCOME:
        take_outcome(letter);
        break;
    case CRMPI_CHANNEL_CONNECTED:
        if (engine->job.world_rank == 0)
            crmpi_connection_take(letter);
        break;
    case CRMPI_CHANNEL_STOP:
        if (engine->job.world_rank == 0)
            crmpi_limit_stop();
        else
            crmpi_limit_heard();
        break;
    }
}

static void take_letters(void)
{
    while (crmpi_post_waits() && !is_busy()) {
        struct crmpi_letter *letter = crmpi_post_next();
        take_letter(letter);
        free(letter);
    }
}

/* Those that have left: when all that they said has been taken. */
static void look_at_links(void)
{
    for (unsigned i = 0; i < engine->tree.n_links; i++) {
        struct crmpi_link *link = &engine->tree.links[i];
        if (!link->ended || link->fd < 0 || is_busy())
            continue;
        if (engine->policy_ops->may_leave(engine->policy, link->world_rank))
            crmpi_link_fini(link);
        else
            crmpi_post_break_off(link);
    }
}

/* Whoever waits for a checkpoint is told by rank 0 how far it is with its own. */
static int shows_progress(void)
{
    return engine->job.world_rank == 0 && crmpi_worker_is_busy();
}

static void show_progress(void)
{
    uint64_t done, total;
    char text[96];

    crmpi_capture_progress(&done, &total);
    if (total == 0)
        return;
    snprintf(text, sizeof text, "saving %u%%, %llu MiB left",
             (unsigned)(100 * (done / 1024) / (total / 1024 + 1)),
             (unsigned long long)(total > done ? total - done : 0) >> 20);
    crmpi_requests_progress(text);
}

static int64_t first_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static struct timespec wait_time(void)
{
    int64_t until = engine->policy_ops->wakeup_ms(engine->policy), now = crmpi_clock_ms();
    int64_t left;

    if (shows_progress())
        until = first_of(until, now + PROGRESS_MS);
    if (is_busy()) /* it wakes us */
        until = shows_progress() ? now + PROGRESS_MS : INT64_MAX;
    else if (crmpi_rank_serves(&engine->rank) || crmpi_post_waits())
        return (struct timespec){0};
    else if (engine->rank.phase == CRMPI_RANK_RUNS_ON)
        return (struct timespec){.tv_nsec = LOOK_NS};
    else
        until = first_of(until, first_of(engine->interval_ms, crmpi_limit_wakeup_ms()));
    left = until == INT64_MAX ? 3600 * 1000 : until > now ? until - now : 0;
    return (struct timespec){.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000};
}

static void serve_link(struct crmpi_link *link, short events)
{
    if (events & POLLOUT)
        crmpi_post_flush(link);
    if (events & ~POLLOUT && !engine->broken)
        crmpi_post_receive(link);
}

static void wait_for_something(void)
{
    struct pollfd entries[2 + CRMPI_TREE_CHILDREN];
    struct timespec limit = wait_time();
    unsigned n_links = engine->tree.n_links;
    char drained[256];

    for (unsigned i = 0; i < n_links; i++) {
        const struct crmpi_link *link = &engine->tree.links[i];
        entries[i] = (struct pollfd){.fd = link->ended ? -1 : link->fd, .events = POLLIN};
        if (crmpi_link_waits(link))
            entries[i].events |= POLLOUT;
    }
    entries[n_links] = (struct pollfd){.fd = engine->wake[0], .events = POLLIN};
    if (ppoll(entries, n_links + 1, &limit, NULL) <= 0)
        return;
    if (entries[n_links].revents)
        while (read(engine->wake[0], drained, sizeof drained) == sizeof drained)
            ;
    for (unsigned i = 0; i < n_links && !engine->broken; i++)
        if (entries[i].revents)
            serve_link(&engine->tree.links[i], entries[i].revents);
}

static void take_what_is_done(void)
{
    struct crmpi_event result;
    int has_result, is_abandoned;

    if (!crmpi_worker_take(&result, &has_result))
        return;
    is_abandoned = engine->rank.writing == CRMPI_RANK_ABANDONED;
    if (is_completing())
        crmpi_engine_write(CRMPI_RANK_NO_FILE);
    else if (has_result && result.kind == CRMPI_EVENT_CAPTURED && crmpi_saving_is_taken())
        crmpi_engine_write(CRMPI_RANK_TAKEN);
    if (is_abandoned)
        crmpi_release_abandoned();
    else if (has_result && engine->n_todo > 0 &&
             engine->todo[0].kind == CRMPI_ACTION_RELEASE)
        crmpi_event_fini(&result); /* given up meanwhile */
    else if (has_result)
        take_result(&result);
    do_noted();
}

/* Not while the worker is at the MPI layer, as in COMPLETE it is not. */
static void serve_touches(void)
{
    crmpi_touch_send();
    crmpi_touch_answer();
}

/* The library does not return: nothing can be done about that, as no other thread may call
 * it meanwhile, but to say it. */
static void look_at_worker(void)
{
    const char *what =
        crmpi_worker_hangs((int64_t)(2000 * crmpi_config.quiesce_limit_seconds));

    if (what != NULL)
        crmpi_warn("rank %u has been %s for longer than CRMPI_QUIESCE_LIMIT: it stands still "
                   "until the MPI library returns, perhaps for a rank that does not answer",
                   engine->job.world_rank, what);
}

static void turn(void)
{
    wait_for_something();
    look_at_worker();
    if (shows_progress())
        show_progress();
    take_what_is_done();
    take_letters();
    look_at_links();
    if (!is_busy())
        take_own();
    if (!is_busy())
        go_on();
    if (!is_busy())
        serve_touches();
    if (!is_busy())
        crmpi_connection_tell();
    if (!is_busy() && crmpi_clock_ms() >= engine->policy_ops->wakeup_ms(engine->policy))
        feed((struct crmpi_event){.kind = CRMPI_EVENT_TICK});
}

void *crmpi_loop_run(void *unused)
{
    (void)unused;
    while (!engine->broken && !engine->finished)
        turn();
    __atomic_store_n(&engine->alive, 0, __ATOMIC_RELEASE);
    crmpi_worker_stop();
    crmpi_touch_stop();
    if (engine->broken)
        crmpi_release_let_go();
    else
        crmpi_tree_finish(&engine->tree);
    crmpi_tree_fini(&engine->tree);
    crmpi_post_fini();
    sem_post(&engine->gone);
    return NULL;
}
