/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The service of touches (see touch.h).  Lower half; all but crmpi_engine_touch() on the
 * protocol thread.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "engine/state.h"
#include "engine/touch.h"
#include "interaction/cut.h"

/* On the wire, and back as the answer. */
struct touch {
    uint64_t window;
    uint64_t interval; /* of who asks */
    uint32_t how;
    uint32_t rank; /* whom it is asked of, or who asks */
};

struct touches {
    struct touch *items;
    size_t n, capacity;
};

static struct crmpi_engine *const engine = &crmpi_engine;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of what threads ask for */
static int serving;
static struct touches wanted; /* by threads of this rank, not yet sent */
static struct touches sent;   /* and not yet answered */
static struct touches asked;  /* by other ranks, not yet answered */

static int add(struct touches *touches, const struct touch *touch)
{
    size_t capacity = touches->capacity ? 2 * touches->capacity : 16;
    struct touch *items;

    if (touches->n == touches->capacity) {
        items = realloc(touches->items, capacity * sizeof *items);
        if (items == NULL)
            return 0;
        touches->items = items;
        touches->capacity = capacity;
    }
    touches->items[touches->n++] = *touch;
    return 1;
}

static void drop_all(struct touches *touches)
{
    free(touches->items);
    *touches = (struct touches){0};
}

static void no_memory(void)
{
    crmpi_error("no memory for accesses to windows: no more checkpoints");
    engine->broken = 1;
}

void crmpi_touch_start(void)
{
    pthread_mutex_lock(&lock);
    serving = engine->tracks;
    pthread_mutex_unlock(&lock);
}

int crmpi_engine_touch(uint32_t owner, uint64_t window, uint32_t how)
{
    struct touch touch = {.window = window, .how = how, .rank = owner};
    int taken;

    pthread_mutex_lock(&lock);
    taken = serving && owner < engine->job.n_ranks && add(&wanted, &touch);
    pthread_mutex_unlock(&lock);
    if (!taken)
        return -1;
    crmpi_engine_wake();
    return 0;
}

void crmpi_touch_send(void)
{
    struct touches now;

    pthread_mutex_lock(&lock);
    now = wanted;
    wanted = (struct touches){0};
    pthread_mutex_unlock(&lock);
    for (size_t i = 0; i < now.n; i++) {
        now.items[i].interval = crmpi_cut.interval();
        if (!add(&sent, &now.items[i]))
            no_memory();
        crmpi_post_send(now.items[i].rank, CRMPI_CHANNEL_TOUCH, &now.items[i],
                        sizeof now.items[i], NULL, 0);
    }
    free(now.items);
}

static int read_touch(const struct crmpi_letter *letter, struct touch *touch_out)
{
    if (letter->envelope.bytes != sizeof *touch_out) {
        crmpi_error("the control message from rank %u makes no sense",
                    letter->envelope.from);
        engine->broken = 1;
        return 0;
    }
    memcpy(touch_out, letter->bytes, sizeof *touch_out);
    return 1;
}

void crmpi_touch_take(const struct crmpi_letter *letter)
{
    struct touch touch;

    if (!read_touch(letter, &touch))
        return;
    touch.rank = letter->envelope.from;
    if (!add(&asked, &touch))
        no_memory();
}

void crmpi_touch_take_grant(const struct crmpi_letter *letter)
{
    struct touch touch;

    if (!read_touch(letter, &touch))
        return;
    for (size_t i = 0; i < sent.n; i++) {
        const struct touch *own = &sent.items[i];
        if (own->rank != letter->envelope.from || own->window != touch.window ||
            own->interval != touch.interval || own->how != touch.how)
            continue;
        sent.items[i] = sent.items[--sent.n];
        crmpi_cut.touch_granted(letter->envelope.from, touch.interval, touch.window,
                                touch.how);
        return;
    }
}

void crmpi_touch_answer(void)
{
    const struct crmpi_policy_ops *ops = engine->policy_ops;

    if (asked.n == 0 || (ops->is_closed != NULL && ops->is_closed(engine->policy)))
        return;
    for (size_t i = 0; i < asked.n; i++) {
        struct touch *touch = &asked.items[i];
        crmpi_cut.touched(touch->rank, touch->interval, touch->window, touch->how);
        crmpi_post_send(touch->rank, CRMPI_CHANNEL_GRANT, touch, sizeof *touch, NULL, 0);
    }
    asked.n = 0;
}

static void grant_all(const struct touches *touches)
{
    for (size_t i = 0; i < touches->n; i++)
        crmpi_cut.touch_granted(touches->items[i].rank, crmpi_cut.interval(),
                                touches->items[i].window, touches->items[i].how);
}

void crmpi_touch_stop(void)
{
    pthread_mutex_lock(&lock);
    serving = 0;
    pthread_mutex_unlock(&lock);
    grant_all(&sent);
    grant_all(&wanted);
    drop_all(&sent);
    drop_all(&wanted);
    drop_all(&asked);
}
