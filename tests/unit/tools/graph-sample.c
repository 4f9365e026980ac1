/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * graph-sample NAME svg|dot|words: draw one of some made-up histories.  Tests only.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/explain.h"
#include "tools/tool.h"

/* A history that grows: what happens between checkpoints waits in `open`. */
struct sample {
    struct crmpi_history history;
    struct crmpi_checkpoint *open; /* by entity */
    uint32_t windows;
    double time;
    uint64_t incarnation;
};

static void *again(void *old, size_t n, size_t bytes)
{
    void *memory = realloc(old, n * bytes);
    if (!memory)
        abort();
    return memory;
}

static void start(struct sample *sample, uint32_t n_ranks, uint32_t windows)
{
    struct crmpi_history *history = &sample->history;
    history->n_ranks = n_ranks;
    history->n_entities = n_ranks * (1 + windows);
    history->entities = tool_alloc(history->n_entities, sizeof *history->entities);
    sample->open = tool_alloc(history->n_entities, sizeof *sample->open);
    sample->windows = windows;
    sample->time = 1767268800; /* 2026-01-01 12:00 UTC */
    for (uint32_t i = 0; i < history->n_entities; i++) {
        struct crmpi_entity *entity = &history->entities[i];
        entity->kind = i < n_ranks ? CRMPI_ENTITY_TASK : CRMPI_ENTITY_SEGMENT;
        entity->rank = i % n_ranks;
        entity->window = i < n_ranks ? 0 : 6 + i / n_ranks;
        entity->checkpoints = tool_alloc(1, sizeof *entity->checkpoints);
        entity->n_checkpoints = 1;
    }
}

static void depend(struct sample *sample, uint32_t entity, uint32_t on, uint32_t how)
{
    const struct crmpi_entity *other = &sample->history.entities[on];
    struct crmpi_checkpoint *open = &sample->open[entity];
    uint64_t interval = other->checkpoints[other->n_checkpoints - 1].sn + 1;
    size_t i = 0;
    while (i < open->n_edges && open->edges[i].entity < on)
        i++;
    if (i == open->n_edges || open->edges[i].entity != on) {
        open->edges = again(open->edges, open->n_edges + 1, sizeof *open->edges);
        memmove(open->edges + i + 1, open->edges + i,
                (open->n_edges++ - i) * sizeof *open->edges);
        open->edges[i] = (struct crmpi_edge){.entity = on};
    }
    open->edges[i].how =
        open->edges[i].interval < interval ? how : open->edges[i].how | how;
    open->edges[i].interval = interval;
}

/* A message that is in no log, unless is_logged. */
static void message(struct sample *sample, uint32_t from, uint32_t to, int is_logged)
{
    depend(sample, to, from, CRMPI_HOW_RECEIVED);
    if (!is_logged)
        depend(sample, from, to, CRMPI_HOW_SENT);
}

static void collective(struct sample *sample, uint32_t from, uint32_t end)
{
    for (uint32_t i = from; i < end; i++)
        for (uint32_t j = from; j < end; j++)
            if (i != j)
                depend(sample, i, j, CRMPI_HOW_COLLECTIVE);
}

static void put(struct sample *sample, uint32_t from, uint32_t to, uint32_t window)
{
    uint32_t segment = sample->history.n_ranks * (1 + window) + to;
    depend(sample, from, segment, CRMPI_HOW_WRITE);
    depend(sample, segment, from, CRMPI_HOW_WRITE);
}

static void entity_save(struct sample *sample, uint32_t e, uint64_t sn, uint32_t first)
{
    struct crmpi_entity *entity = &sample->history.entities[e];
    struct crmpi_checkpoint one = sample->open[e];
    one.sn = sn;
    one.first = first;
    one.time = sample->time + 0.01 * entity->rank;
    one.incarnation = sample->incarnation;
    one.bytes = (entity->kind == CRMPI_ENTITY_TASK ? 1572864 : 65536) + 4096 * (sn % 7);
    entity->checkpoints =
        again(entity->checkpoints, entity->n_checkpoints + 1, sizeof one);
    entity->checkpoints[entity->n_checkpoints++] = one;
    sample->open[e] = (struct crmpi_checkpoint){0};
}

/* Ranks from..end-1, in steps, save themselves together after some seconds. */
static void save(struct sample *sample, uint32_t from, uint32_t end, uint32_t step,
                 uint64_t sn, double seconds)
{
    const uint32_t n = sample->history.n_ranks;
    sample->time += seconds;
    for (uint32_t rank = from; rank < end; rank += step)
        for (uint32_t w = 1; w <= sample->windows; w++) {
            depend(sample, rank, n * w + rank, CRMPI_HOW_HOME);
            depend(sample, n * w + rank, rank, CRMPI_HOW_HOME);
        }
    for (uint32_t rank = from; rank < end; rank += step)
        for (uint32_t w = 0; w <= sample->windows; w++)
            entity_save(sample, n * w + rank, sn, from);
}

static void lose(struct sample *sample, uint32_t rank, uint64_t sn)
{
    for (uint32_t w = 0; w <= sample->windows; w++) {
        struct crmpi_entity *entity =
            &sample->history.entities[sample->history.n_ranks * w + rank];
        for (size_t k = 0; k < entity->n_checkpoints; k++)
            entity->checkpoints[k].lost |= entity->checkpoints[k].sn == sn;
    }
}

/* Four ranks: all, two cohorts, all again, after a restart one more. */
static void four(struct sample *sample)
{
    start(sample, 4, 1);
    collective(sample, 0, 4);
    message(sample, 0, 1, 0);
    save(sample, 0, 4, 1, 1, 60);
    message(sample, 0, 1, 0);
    message(sample, 1, 0, 0);
    put(sample, 1, 0, 0);
    save(sample, 0, 2, 1, 2, 55);
    message(sample, 2, 3, 0);
    save(sample, 2, 4, 1, 3, 10);
    message(sample, 1, 2, 0);
    put(sample, 3, 2, 0);
    save(sample, 1, 4, 1, 4, 42);
    collective(sample, 0, 4);
    save(sample, 0, 4, 1, 5, 70);
    sample->incarnation++;
    message(sample, 3, 0, 0);
    put(sample, 0, 3, 0);
    save(sample, 0, 4, 3, 6, 90);
}

static void four_lost(struct sample *sample)
{
    four(sample);
    lose(sample, 3, 6);
    lose(sample, 2, 5);
}

/* Everybody saves alone, and every message crosses a checkpoint. */
static void domino(struct sample *sample)
{
    start(sample, 4, 0);
    save(sample, 0, 4, 1, 1, 60);
    for (uint64_t sn = 2; sn < 6; sn++)
        for (uint32_t rank = 0; rank < 4; rank++) {
            message(sample, (rank + 1) % 4, rank, 1);
            save(sample, rank, rank + 1, 1, sn, 9);
            message(sample, rank, (rank + 1) % 4, 1);
        }
    lose(sample, 2, 5);
}

static void cohorts(struct sample *sample, uint32_t n, uint32_t size)
{
    start(sample, n, 0);
    collective(sample, 0, n);
    save(sample, 0, n, 1, 1, 60);
    for (uint64_t sn = 2; sn < 5; sn++)
        for (uint32_t first = 0; first < n; first += size) {
            for (uint32_t rank = first; rank < first + size; rank++)
                message(sample, rank, first + (rank + 1 - first) % size, 0);
            save(sample, first, first + size, 1, sn, first ? 1 : 50);
        }
}

static void cohorts_64(struct sample *sample)
{
    cohorts(sample, 64, 16);
}

static void cohorts_64_lost(struct sample *sample)
{
    cohorts(sample, 64, 16);
    collective(sample, 0, 64);
    save(sample, 0, 64, 1, 5, 40);
    for (uint32_t rank = 0; rank < 64; rank++)
        message(sample, rank, (rank + 1) % 64, 0);
    save(sample, 0, 64, 1, 6, 40);
    lose(sample, 5, 6);
    lose(sample, 41, 5);
}

static unsigned seed;

static unsigned chance(unsigned below)
{
    seed = seed * 1103515245u + 12345u;
    return (seed >> 16) % below;
}

static void alone(struct sample *sample, uint32_t n)
{
    start(sample, n, 0);
    save(sample, 0, n, 1, 1, 60);
    for (uint64_t sn = 2; sn < 5; sn++)
        for (uint32_t i = 0; i < n; i++) {
            uint32_t rank = (i * 7 + (uint32_t)sn) % n;
            message(sample, rank, (rank + chance(3) + 1) % n, 1);
            save(sample, rank, rank + 1, 1, sn, 40.0 / n);
        }
}

static void alone_64(struct sample *sample)
{
    alone(sample, 64);
    lose(sample, 20, 4);
}

static void cohorts_1000(struct sample *sample)
{
    cohorts(sample, 1000, 250);
    lose(sample, 613, 4);
}

static void alone_1000(struct sample *sample)
{
    alone(sample, 1000);
    lose(sample, 20, 4);
    lose(sample, 900, 4);
}

/* One rank that has not saved anything. */
static void nothing(struct sample *sample)
{
    start(sample, 1, 0);
}

/* Numbers and times that make no sense. */
static void strange(struct sample *sample)
{
    start(sample, 3, 0);
    message(sample, 0, 1, 0);
    save(sample, 0, 3, 1, 1u << 31, -1e300);
    sample->time = 0.0 / 0.0;
    message(sample, 1, 2, 0);
    save(sample, 1, 3, 1, UINT64_MAX - 2, 0);
    sample->time = 1e300;
    save(sample, 0, 2, 1, UINT64_MAX - 1, 1);
    lose(sample, 0, UINT64_MAX - 1);
}

static const struct {
    const char *name;
    void (*make)(struct sample *sample);
    int failed; /* a rank; -1: all */
} samples[] = {
    {"four", four, -1},
    {"four-one", four, 2},
    {"four-lost", four_lost, -1},
    {"domino", domino, -1},
    {"64", cohorts_64, -1},
    {"64-one", cohorts_64, 17},
    {"64-lost", cohorts_64_lost, -1},
    {"64-alone", alone_64, -1},
    {"1000", cohorts_1000, -1},
    {"1000-alone", alone_1000, -1},
    {"nothing", nothing, -1},
    {"strange", strange, -1},
};

static void draw(const struct sample *sample, int failed_rank, const char *as,
                 int is_hostile)
{
    const struct crmpi_history *history = &sample->history;
    struct crmpi_recovery_line line;
    int *failed = tool_alloc(history->n_entities, sizeof *failed);
    const struct crmpi_edge **now = tool_alloc(history->n_entities, sizeof *now);
    size_t *n_now = tool_alloc(history->n_entities, sizeof *n_now);
    for (size_t i = 0; i < history->n_entities; i++) {
        failed[i] = history->entities[i].rank == (uint32_t)failed_rank;
        now[i] = sample->open[i].edges;
        n_now[i] = sample->open[i].n_edges;
    }
    if (failed_rank < 0) {
        free(failed);
        failed = NULL;
    }
    if (crmpi_recovery_line(history, failed, now, n_now, &line) != CRMPI_OK)
        abort();
    struct graph_subject subject = {
        .history = history,
        .line = &line,
        .failed = failed,
        .job_id = is_hostile ? "]]>\x01\xff\xc0\x80\xed\xa0\x80<!--" : "4f1c9a7e22d05b68",
        .program =
            is_hostile ? "/x/<script>&amp;\"'\\\n\xf0\x9f\x98\x80" : "/usr/bin/heat",
        .policy = is_hostile ? "<![CDATA[" : "partial"};
    struct graph graph;
    graph_make(&subject, &graph);
    if (strcmp(as, "svg") == 0)
        graph_svg(&graph, stdout);
    else if (strcmp(as, "dot") == 0)
        graph_dot(&graph, stdout);
    else
        explain(&subject, &(struct explain_transit){.n_messages = 3, .n_streams = 2},
                stdout);
    graph_fini(&graph);
    crmpi_recovery_line_fini(&line);
    free(failed);
    free(now);
    free(n_now);
}

static void finish(struct sample *sample)
{
    for (size_t i = 0; i < sample->history.n_entities; i++) {
        struct crmpi_entity *entity = &sample->history.entities[i];
        for (size_t k = 0; k < entity->n_checkpoints; k++)
            free(entity->checkpoints[k].edges);
        free(entity->checkpoints);
        free(sample->open[i].edges);
    }
    free(sample->history.entities);
    free(sample->open);
}

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 3 && i < sizeof samples / sizeof *samples; i++) {
        struct sample sample = {0};
        if (strcmp(argv[1], samples[i].name) != 0)
            continue;
        samples[i].make(&sample);
        draw(&sample, samples[i].failed, argv[2], samples[i].make == strange);
        finish(&sample);
        return ferror(stdout) != 0;
    }
    fprintf(stderr, "usage: graph-sample NAME svg|dot|words\n");
    return 2;
}
