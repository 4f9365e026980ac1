/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The second half of a checkpoint in one member of a group: saving, and the end, see
 * group.h.  Pure: runs in the lower half and in the simulator.
 *
 * A member saves itself while its threads stand still, or takes its memory first and
 * completes its file when they go on.  They go on when all members have their memory: who
 * went on earlier could change what another one has not taken yet, by a put.
 *
 * Files travel up the tree when all from a rank downwards have theirs: with the report of
 * SAVING, or else with that of COMPLETING.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "policy/group_steps.h"

#define OWN CRMPI_GROUP_OWN

/* ---- saving ---- */

/* The number of the checkpoint names the interval of each member that it ends. */
void crmpi_group_save(struct crmpi_group *g, int64_t now_ms)
{
    struct crmpi_message message = crmpi_group_message(g, CRMPI_MESSAGE_SAVE);
    struct crmpi_action action = {
        .kind = CRMPI_ACTION_SAVE, .sn = g->sn, .foreground = g->foreground};
    struct crmpi_member *cohort = NULL;

    crmpi_group_enter(g, CRMPI_GROUP_SAVING);
    crmpi_ranks_fini(&g->outside);
    g->pending = 0;
    message.stop = (uint32_t)g->foreground;
    crmpi_group_send_down(g, &message, NULL, 0);
    if (g->used_sn < g->sn)
        g->used_sn = g->sn;
    if (!g->members.all) {
        cohort = calloc(g->members.n, sizeof *cohort);
        if (cohort == NULL) {
            crmpi_group_fail(g, "out of memory", now_ms);
            return;
        }
        for (uint32_t i = 0; i < g->members.n; i++)
            cohort[i] = (struct crmpi_member){.rank = g->members.listed.items[i],
                                              .interval = g->sn};
        action.cohort = cohort;
        action.n_cohort = g->members.n;
    }
    crmpi_group_act(g, &action);
    free(cohort);
}

static enum crmpi_status add_saved(struct crmpi_group *g, const void *items, size_t n)
{
    struct crmpi_saved *saved;

    if (n > g->members.n - g->n_saved)
        return CRMPI_ERR_CORRUPT;
    saved = realloc(g->saved, (g->n_saved + n + 1) * sizeof *saved);
    if (saved == NULL)
        return CRMPI_ERR_NOMEM;
    if (n > 0)
        memcpy(saved + g->n_saved, items, n * sizeof *saved);
    g->saved = saved;
    g->n_saved += n;
    return CRMPI_OK;
}

void crmpi_group_own_captured(struct crmpi_group *g, int64_t now_ms)
{
    if (g->phase != CRMPI_GROUP_SAVING)
        return;
    g->pending |= OWN;
    crmpi_group_own_done(g, CRMPI_GROUP_SAVING, now_ms);
}

void crmpi_group_own_saved(struct crmpi_group *g, const struct crmpi_event *event)
{
    struct crmpi_saved own = {.world_rank = g->world_rank,
                              .file_bytes = event->file_bytes,
                              .digest = event->digest,
                              .sn = g->sn,
                              .figures = event->figures};

    if (g->phase != CRMPI_GROUP_SAVING && g->phase != CRMPI_GROUP_COMPLETING)
        return;
    if (add_saved(g, &own, 1) != CRMPI_OK)
        crmpi_group_fail(g, "out of memory", event->now_ms);
    crmpi_group_own_done(g, g->phase, event->now_ms);
}

enum crmpi_status crmpi_group_take_saved(struct crmpi_group *g, unsigned child,
                                         const struct crmpi_event *event)
{
    if (event->message->kind == CRMPI_MESSAGE_SAVED)
        return add_saved(g, event->payload,
                         event->payload_bytes / sizeof(struct crmpi_saved));
    g->pending |= 1u << child;
    return CRMPI_OK;
}

void crmpi_group_report_saved(struct crmpi_group *g)
{
    int captured = g->phase == CRMPI_GROUP_SAVING && g->pending != 0;
    struct crmpi_message message =
        crmpi_group_message(g, captured ? CRMPI_MESSAGE_CAPTURED : CRMPI_MESSAGE_SAVED);

    if (captured)
        crmpi_group_send_up(g, &message, NULL, 0);
    else
        crmpi_group_send_up(g, &message, g->saved, g->n_saved * sizeof *g->saved);
}

/* What is asked for from here on is not in this checkpoint. */
void crmpi_group_resume(struct crmpi_group *g, uint64_t ordinal)
{
    struct crmpi_message message = crmpi_group_message(g, CRMPI_MESSAGE_RESUME);

    crmpi_group_enter(g, CRMPI_GROUP_COMPLETING);
    g->missing = g->pending;
    g->cut_ordinal = message.ordinal = ordinal;
    crmpi_group_send_down(g, &message, NULL, 0);
    crmpi_group_act(g, &(struct crmpi_action){.kind = CRMPI_ACTION_RESUME,
                                              .sn = g->sn,
                                              .ordinal = ordinal});
    if (g->pending & OWN)
        crmpi_group_act(
            g, &(struct crmpi_action){.kind = CRMPI_ACTION_COMPLETE, .sn = g->sn});
    if (g->ops->resumed != NULL)
        g->ops->resumed(g);
}

int crmpi_group_is_saved(const struct crmpi_group *g)
{
    return g->missing == 0 && ((g->phase == CRMPI_GROUP_SAVING && g->pending == 0) ||
                               g->phase == CRMPI_GROUP_COMPLETING);
}

/* ---- the end of an attempt ---- */

void crmpi_group_end(struct crmpi_group *g, const struct crmpi_message *outcome,
                     const void *payload, size_t payload_bytes, int64_t now_ms)
{
    int committed = outcome->kind == CRMPI_MESSAGE_COMMITTED;

    crmpi_group_enter(g, CRMPI_GROUP_ENDING);
    crmpi_census_fini(&g->census);
    crmpi_ranks_fini(&g->outside);
    free(g->saved);
    g->saved = NULL;
    g->n_saved = 0;
    g->committed = committed;
    g->stop = committed && outcome->stop;
    g->gate_ms = INT64_MAX;
    crmpi_group_send_down(g, outcome, payload, payload_bytes);
    if (!g->stop)
        crmpi_group_act(
            g, &(struct crmpi_action){
                   .kind = CRMPI_ACTION_RELEASE,
                   .sn = g->sn,
                   .line = outcome->value,
                   .committed = committed,
                   .retried = !committed && g->grows && !g->fails,
                   .kept = committed ? payload : NULL,
                   .n_kept = committed ? payload_bytes / sizeof(uint64_t) : 0,
                   .ordinal = outcome->ordinal,
               });
    g->missing &= ~OWN;
    g->gathered(g, now_ms);
}

void crmpi_group_abort(struct crmpi_group *g, uint32_t world_rank, const char *why,
                       int64_t now_ms)
{
    struct crmpi_message outcome = crmpi_group_message(g, CRMPI_MESSAGE_ABORT);
    struct crmpi_message given_up = crmpi_group_message(g, CRMPI_MESSAGE_GIVEN_UP);

    given_up.world_rank = world_rank;
    if (why != NULL && g->world_rank != 0)
        g->env.send(g->env.context, 0, &given_up, why, strlen(why));
    else if (why != NULL)
        crmpi_group_act(g, &(struct crmpi_action){.kind = CRMPI_ACTION_REPORT,
                                                  .sn = g->sn,
                                                  .world_rank = world_rank,
                                                  .why = why});
    g->fails = why != NULL;
    crmpi_group_end(g, &outcome, NULL, 0, now_ms);
}

void crmpi_group_member_failed(struct crmpi_group *g, const struct crmpi_message *message,
                               const char *why, int64_t now_ms)
{
    char text[600];

    g->has_to_be_all = message->value != 0 && g->grows && !g->members.all;
    if (g->has_to_be_all) {
        snprintf(text, sizeof text, "rank %u %s", message->world_rank, why);
        g->env.act(g->env.context, &(struct crmpi_action){.kind = CRMPI_ACTION_REPORT,
                                                          .alone = 1,
                                                          .all = 1,
                                                          .why = text});
    }
    crmpi_group_abort(g, message->world_rank, g->has_to_be_all ? NULL : why, now_ms);
}

static void fail(struct crmpi_group *g, int in_time, const char *why, int64_t now_ms)
{
    struct crmpi_message message = crmpi_group_message(g, CRMPI_MESSAGE_FAILED);

    if (g->phase == CRMPI_GROUP_IDLE || g->phase == CRMPI_GROUP_ENDING || g->failed)
        return;
    g->failed = 1;
    message.value = (uint64_t)in_time;
    if (crmpi_group_leads(g))
        crmpi_group_member_failed(g, &message, why, now_ms);
    else
        crmpi_group_send_up(g, &message, why, strlen(why));
}

void crmpi_group_fail(struct crmpi_group *g, const char *why, int64_t now_ms)
{
    fail(g, 0, why, now_ms);
}

void crmpi_group_fail_in_time(struct crmpi_group *g, const char *why, int64_t now_ms)
{
    fail(g, 1, why, now_ms);
}

void crmpi_group_committed(struct crmpi_group *g, uint64_t line, int stop,
                           const uint64_t *kept, size_t n_kept, int64_t now_ms)
{
    struct crmpi_message outcome = crmpi_group_message(g, CRMPI_MESSAGE_COMMITTED);

    outcome.stop = (uint32_t)stop;
    outcome.value = line;
    if (g->phase == CRMPI_GROUP_COMPLETING)
        outcome.ordinal = g->cut_ordinal;
    crmpi_group_end(g, &outcome, kept, n_kept * sizeof *kept, now_ms);
}
