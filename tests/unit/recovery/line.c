/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Unit tests of the search for a recovery line, in thousands of small random histories of
 * tasks and segments with edges made by hand: it finds what trying all lines finds.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include "recovery/history.h"
#include "../main.h"
#include "draw.h"

#define CASES 6000
#define ENTITIES_MAX 5
#define CHECKPOINTS_MAX 4
#define EDGES_MAX 3

struct edges {
    struct crmpi_edge items[EDGES_MAX];
    size_t n;
};

static struct crmpi_history history;
static struct crmpi_entity entities[ENTITIES_MAX];
static struct crmpi_checkpoint checkpoints[ENTITIES_MAX][CHECKPOINTS_MAX + 1];
static struct edges edges[ENTITIES_MAX][CHECKPOINTS_MAX + 1];
static struct edges running[ENTITIES_MAX];
static int failed[ENTITIES_MAX];
static const struct crmpi_edge *now[ENTITIES_MAX];
static size_t n_now[ENTITIES_MAX];

static uint64_t newest(const struct crmpi_entity *entity)
{
    return entity->checkpoints[entity->n_checkpoints - 1].sn;
}

static void edges_make(struct edges *made)
{
    made->n = draw(EDGES_MAX + 1);
    for (size_t i = 0; i < made->n; i++) {
        uint32_t to = draw((unsigned)history.n_entities);
        made->items[i] = (struct crmpi_edge){
            .entity = to,
            .how = 1u << draw(8),
            .interval = draw((unsigned)newest(&entities[to]) + 2)}; /* one too many */
    }
}

static void history_make(void)
{
    history = (struct crmpi_history){.entities = entities};
    history.n_entities = 2 + draw(ENTITIES_MAX - 1);
    history.n_ranks = 1 + draw((unsigned)history.n_entities);
    for (uint32_t e = 0; e < history.n_entities; e++) {
        int is_segment = e >= history.n_ranks;
        entities[e] = (struct crmpi_entity){
            .kind = is_segment ? CRMPI_ENTITY_SEGMENT : CRMPI_ENTITY_TASK,
            .rank = is_segment ? 0 : e,
            .window = e,
            .checkpoints = checkpoints[e],
            .n_checkpoints = 1 + draw(CHECKPOINTS_MAX + 1)};
        for (size_t k = 0; k < entities[e].n_checkpoints; k++)
            checkpoints[e][k] = (struct crmpi_checkpoint){
                .sn = k ? checkpoints[e][k - 1].sn + 1 + draw(3) : 0,
                .lost = k > 0 && draw(6) == 0};
    }
    for (uint32_t e = 0; e < history.n_entities; e++) {
        for (size_t k = 1; k < entities[e].n_checkpoints; k++) {
            edges_make(&edges[e][k]);
            checkpoints[e][k].edges = edges[e][k].items;
            checkpoints[e][k].n_edges = edges[e][k].n;
        }
        edges_make(&running[e]);
        failed[e] = draw(3) == 0;
        now[e] = running[e].items;
        n_now[e] = running[e].n;
    }
}

static uint64_t number(uint32_t e, size_t state)
{
    return state < entities[e].n_checkpoints ? checkpoints[e][state].sn : CRMPI_SN_NOW;
}

static int holds(const struct crmpi_edge *edge, size_t n, const size_t *states)
{
    for (size_t i = 0; i < n; i++)
        if (number(edge[i].entity, states[edge[i].entity]) < edge[i].interval)
            return 0;
    return 1;
}

/* By the definition: all dependencies of all checkpoints up to the line's hold. */
static int is_consistent(const size_t *states)
{
    for (uint32_t e = 0; e < history.n_entities; e++) {
        size_t n = entities[e].n_checkpoints;
        if (states[e] == n && !holds(now[e], n_now[e], states))
            return 0;
        if (states[e] < n && checkpoints[e][states[e]].lost)
            return 0;
        for (size_t k = 1; k < n && k <= states[e]; k++)
            if (!holds(edges[e][k].items, edges[e][k].n, states))
                return 0;
    }
    return 1;
}

/* The highest state of each entity in any consistent line. */
static void try_all(const int *down, size_t *best)
{
    size_t states[ENTITIES_MAX] = {0};
    uint32_t e = 0;

    memset(best, 0, ENTITIES_MAX * sizeof *best);
    while (e < history.n_entities) {
        if (is_consistent(states))
            for (uint32_t i = 0; i < history.n_entities; i++)
                if (best[i] < states[i])
                    best[i] = states[i];
        for (e = 0; e < history.n_entities; e++) {
            size_t n = entities[e].n_checkpoints - (size_t)(down == NULL || down[e]);
            if (++states[e] <= n)
                break;
            states[e] = 0;
        }
    }
}

static void expect_line(const int *down, struct crmpi_recovery_line *line)
{
    size_t best[ENTITIES_MAX];

    try_all(down, best);
    ck_assert(is_consistent(best)); /* so it is the only one that is so high */
    ck_assert_int_eq(crmpi_recovery_line(&history, down, down ? now : NULL, n_now, line),
                     CRMPI_OK);
    for (uint32_t e = 0; e < history.n_entities; e++)
        ck_assert_uint_eq(line->sn[e], number(e, best[e]));
}

/* The steps lead from the beginning to the line, each for a reason that holds. */
static void expect_steps(const int *down, const struct crmpi_recovery_line *line)
{
    uint64_t at[ENTITIES_MAX];
    char text[512];

    for (uint32_t e = 0; e < history.n_entities; e++)
        at[e] = down ? CRMPI_SN_NOW : newest(&entities[e]);
    for (size_t i = 0; i < line->n_steps; i++) {
        const struct crmpi_step *step = &line->steps[i];
        ck_assert_uint_eq(step->from, at[step->entity]);
        ck_assert_uint_lt(step->to, step->from);
        ck_assert_uint_le(step->sn, step->from);
        if (step->edge.how == 0) {
            ck_assert_uint_eq(step->cause, step->entity);
        } else {
            ck_assert_uint_eq(step->edge.entity, step->cause);
            ck_assert_uint_le(at[step->cause], step->cause_sn);
            ck_assert_uint_lt(step->cause_sn, step->edge.interval);
            ck_assert_uint_lt(step->to, step->sn);
        }
        at[step->entity] = step->to;
        int n = crmpi_recovery_explain(&history, line, i, text, sizeof text);
        ck_assert_int_gt(n, 0);
        ck_assert_uint_eq(strlen(text), (size_t)n);
    }
    for (uint32_t e = 0; e < history.n_entities; e++)
        ck_assert_uint_eq(at[e], line->sn[e]);
}

START_TEST(test_all_failed)
{
    struct crmpi_recovery_line line;

    for (seed = 1; seed <= CASES;) {
        uint64_t this = seed;
        history_make();
        expect_line(NULL, &line);
        expect_steps(NULL, &line);
        crmpi_recovery_line_fini(&line);
        seed = this + 1;
    }
}
END_TEST

START_TEST(test_some_failed)
{
    struct crmpi_recovery_line line;

    for (seed = 1; seed <= CASES;) {
        uint64_t this = seed;
        history_make();
        expect_line(failed, &line);
        expect_steps(failed, &line);
        crmpi_recovery_line_fini(&line);
        seed = this + 1;
    }
}
END_TEST

/* What is not kept is needed by no line of any failure: with it lost they are the same. */
START_TEST(test_garbage)
{
    struct crmpi_recovery_line before, after;
    uint64_t keep[ENTITIES_MAX];
    unsigned n_dropped = 0;

    for (seed = 1; seed <= CASES;) {
        uint64_t this = seed;
        history_make();
        ck_assert_int_eq(crmpi_recovery_garbage(&history, keep), CRMPI_OK);
        for (uint32_t one = 0; one <= history.n_entities; one++) {
            for (uint32_t e = 0; one < history.n_entities && e < history.n_entities; e++)
                failed[e] = e == one; /* at last all */
            expect_line(one < history.n_entities ? failed : NULL, &before);
            struct crmpi_checkpoint copy[ENTITIES_MAX][CHECKPOINTS_MAX + 1];
            memcpy(copy, checkpoints, sizeof copy);
            for (uint32_t e = 0; e < history.n_entities; e++)
                for (size_t k = 1; k < entities[e].n_checkpoints; k++)
                    if (checkpoints[e][k].sn < keep[e] && !checkpoints[e][k].lost) {
                        checkpoints[e][k].lost = 1;
                        n_dropped++;
                    }
            expect_line(one < history.n_entities ? failed : NULL, &after);
            memcpy(checkpoints, copy, sizeof copy);
            for (uint32_t e = 0; e < history.n_entities; e++) {
                ck_assert_uint_ge(before.sn[e], keep[e]);
                ck_assert_uint_eq(before.sn[e], after.sn[e]);
            }
            crmpi_recovery_line_fini(&before);
            crmpi_recovery_line_fini(&after);
        }
        seed = this + 1;
    }
    ck_assert_uint_gt(n_dropped, CASES / 2);
}
END_TEST

UNIT_TESTS("line")
{
    CASE("line", .seconds = 120);
    TEST(test_all_failed);
    TEST(test_some_failed);
    TEST(test_garbage);
}
