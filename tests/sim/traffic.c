/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A made-up application that shows what a restart has done wrong: see traffic.h.  Test.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sim/sim.h"
#include "sim/traffic.h"

static void *allocated(void *block)
{
    if (block == NULL) {
        fprintf(stderr, "sim: out of memory\n");
        exit(1);
    }
    return block;
}

static void fold(uint64_t *sum, uint64_t content)
{
    *sum = (*sum ^ content) * 0x9e3779b97f4a7c15 + 1;
}

/* ---- the program ---- */

static void make_operation(struct traffic_operation *operation,
                           const struct traffic_setup *setup, unsigned *n_puts)
{
    double kind = sim_uniform();

    operation->from = sim_pick(setup->n_ranks);
    operation->to = (operation->from + 1 + sim_pick(setup->n_ranks - 1)) % setup->n_ranks;
    if (kind < setup->collectives) {
        operation->kind = TRAFFIC_COLLECTIVE;
        operation->comm = sim_pick(TRAFFIC_COMM_FENCE);
    } else if (kind < setup->collectives + setup->fences) {
        operation->kind = TRAFFIC_FENCE;
        operation->comm = TRAFFIC_COMM_FENCE;
        memset(n_puts, 0, TRAFFIC_RANKS * TRAFFIC_RANKS * sizeof *n_puts);
    } else if (kind < setup->collectives + setup->fences + setup->puts &&
               n_puts[operation->from * TRAFFIC_RANKS + operation->to] < TRAFFIC_PUTS) {
        operation->kind = TRAFFIC_PUT;
        operation->slot = n_puts[operation->from * TRAFFIC_RANKS + operation->to]++;
    } else {
        operation->kind = TRAFFIC_MESSAGE;
        operation->tag = (int32_t)sim_pick(TRAFFIC_TAGS);
    }
}

void traffic_program_init(struct traffic_program *program,
                          const struct traffic_setup *setup)
{
    unsigned n_puts[TRAFFIC_RANKS * TRAFFIC_RANKS] = {0};
    uint32_t all = (uint32_t)((1ull << setup->n_ranks) - 1);

    *program = (struct traffic_program){.n_ranks = setup->n_ranks,
                                        .n_operations = setup->n_operations};
    program->operations =
        allocated(calloc(setup->n_operations, sizeof *program->operations));
    for (unsigned c = 0; c < TRAFFIC_COMMS; c++)
        program->members[c] =
            c == 0 || c == TRAFFIC_COMM_FENCE
                ? all
                : (1u << sim_pick(setup->n_ranks) | 1u << sim_pick(setup->n_ranks)) & all;
    for (size_t i = 0; i < setup->n_operations; i++)
        make_operation(&program->operations[i], setup, n_puts);
    program->operations[setup->n_operations - 1] =
        (struct traffic_operation){.kind = TRAFFIC_FENCE, .comm = TRAFFIC_COMM_FENCE};
}

void traffic_program_fini(struct traffic_program *program)
{
    free(program->operations);
}

void traffic_program_restart(struct traffic_program *program)
{
    for (size_t i = 0; i < program->n_operations; i++) {
        program->operations[i].n_entered = 0;
        program->operations[i].sum = 0;
    }
}

int traffic_is_member(const struct traffic_program *program, uint32_t rank,
                      const struct traffic_operation *operation)
{
    switch (operation->kind) {
    case TRAFFIC_MESSAGE:
        return operation->from == rank || operation->to == rank;
    case TRAFFIC_PUT:
        return operation->from == rank;
    default:
        return program->members[operation->comm] >> rank & 1;
    }
}

uint32_t traffic_n_members(const struct traffic_program *program, unsigned comm)
{
    return (uint32_t)__builtin_popcount(program->members[comm]);
}

struct traffic_operation *traffic_next(struct traffic_program *program, uint32_t r,
                                       struct traffic_rank *rank)
{
    while (rank->position < program->n_operations &&
           !traffic_is_member(program, r, &program->operations[rank->position]))
        rank->position++;
    return rank->position < program->n_operations ? &program->operations[rank->position]
                                                  : NULL;
}

/* ---- queues and copies ---- */

void traffic_queue_add(struct traffic_queue *queue, const struct traffic_message *message)
{
    if (queue->n == queue->capacity) {
        queue->capacity = 2 * queue->capacity + 8;
        queue->items =
            allocated(realloc(queue->items, queue->capacity * sizeof *queue->items));
    }
    queue->items[queue->n++] = *message;
}

int traffic_queue_take(struct traffic_queue *queue, uint32_t from, int32_t tag,
                       struct traffic_message *message_out)
{
    for (size_t i = 0; i < queue->n; i++) {
        const struct traffic_message *item = &queue->items[i];
        if ((from != UINT32_MAX && item->from != from) || (tag >= 0 && item->tag != tag))
            continue;
        *message_out = *item;
        queue->n--;
        memmove(&queue->items[i], &queue->items[i + 1],
                (queue->n - i) * sizeof *queue->items);
        return 1;
    }
    return 0;
}

static struct traffic_queue queue_copy(const struct traffic_queue *from)
{
    struct traffic_queue copy = {.n = from->n, .capacity = from->n};

    copy.items = allocated(malloc(from->n * sizeof *copy.items + 1));
    if (from->n > 0)
        memcpy(copy.items, from->items, from->n * sizeof *copy.items);
    return copy;
}

void traffic_rank_copy(struct traffic_rank *to, const struct traffic_rank *from)
{
    *to = *from;
    to->log = queue_copy(&from->log);
    to->saved = queue_copy(&from->saved);
    to->put_log = allocated(malloc(from->n_put_log * sizeof *to->put_log + 1));
    if (from->n_put_log > 0)
        memcpy(to->put_log, from->put_log, from->n_put_log * sizeof *to->put_log);
}

void traffic_rank_fini(struct traffic_rank *rank)
{
    free(rank->log.items);
    free(rank->saved.items);
    free(rank->put_log);
    memset(rank, 0, sizeof *rank);
}

/* ---- operations ---- */

struct traffic_message traffic_send(struct traffic_rank *rank, uint32_t r,
                                    const struct traffic_operation *operation,
                                    uint64_t content)
{
    struct traffic_stream *stream = &rank->streams[operation->to][operation->tag];
    struct traffic_message message = {.from = r,
                                      .to = operation->to,
                                      .tag = operation->tag,
                                      .index = ++stream->sent,
                                      .number = ++stream->n_out,
                                      .content = content};

    fold(&stream->fold_out, content);
    traffic_queue_add(&rank->log, &message);
    return message;
}

int traffic_received(struct traffic_rank *rank, const struct traffic_message *message)
{
    struct traffic_stream *stream = &rank->streams[message->from][message->tag];

    if (message->number != ++stream->n_in)
        return -1;
    fold(&stream->fold_in, message->content);
    return 0;
}

struct traffic_put traffic_put(struct traffic_rank *rank,
                               const struct traffic_operation *operation,
                               uint64_t content)
{
    struct traffic_put put = {.target = operation->to,
                              .slot = operation->slot,
                              .epoch = rank->counts[TRAFFIC_COMM_FENCE] + 1,
                              .content = content};

    fold(&rank->puts_out[put.target], content);
    rank->put_log =
        allocated(realloc(rank->put_log, (rank->n_put_log + 1) * sizeof *rank->put_log));
    rank->put_log[rank->n_put_log++] = put;
    return put;
}

void traffic_put_arrived(struct traffic_rank *target, uint32_t origin,
                         const struct traffic_put *put)
{
    target->segment[origin][put->epoch % 2][put->slot] = *put;
}

/* The fence: take in what was put here since the last one. */
static void end_epoch(struct traffic_rank *rank)
{
    uint64_t epoch = rank->counts[TRAFFIC_COMM_FENCE] + 1;

    for (uint32_t origin = 0; origin < TRAFFIC_RANKS; origin++)
        for (unsigned slot = 0; slot < TRAFFIC_PUTS; slot++) {
            const struct traffic_put *put = &rank->segment[origin][epoch % 2][slot];
            if (put->epoch == epoch)
                fold(&rank->puts_in[origin], put->content);
        }
    rank->n_put_log = 0;
}

void traffic_collective(struct traffic_rank *rank, unsigned comm, uint64_t sum)
{
    if (comm == TRAFFIC_COMM_FENCE)
        end_epoch(rank);
    rank->counts[comm]++;
    fold(&rank->folds[comm], sum);
}

/* ---- what crmpi does with it ---- */

void traffic_committed(struct traffic_rank *rank, uint64_t sn)
{
    for (uint32_t peer = 0; peer < TRAFFIC_RANKS; peer++)
        for (unsigned tag = 0; tag < TRAFFIC_TAGS; tag++) {
            struct traffic_stream *stream = &rank->streams[peer][tag];
            stream->sent = stream->received = stream->unlogged = 0;
        }
    memcpy(rank->counts_at_base, rank->counts, sizeof rank->counts);
    memset(rank->origins, 0, sizeof rank->origins);
    rank->log.n = 0;
    rank->base = rank->last_sn = sn;
}

void traffic_put_back(struct traffic_rank *rank, const struct traffic_rank *at_cut)
{
    for (uint32_t peer = 0; peer < TRAFFIC_RANKS; peer++) {
        for (unsigned tag = 0; tag < TRAFFIC_TAGS; tag++) {
            struct traffic_stream *stream = &rank->streams[peer][tag];
            const struct traffic_stream *before = &at_cut->streams[peer][tag];
            stream->sent += before->sent;
            stream->received += before->received;
        }
        if (rank->origins[peer] == 0)
            rank->origins[peer] = at_cut->origins[peer];
    }
    memcpy(rank->counts_at_base, at_cut->counts_at_base, sizeof rank->counts_at_base);
    rank->base = at_cut->base;
}

void traffic_trim(struct traffic_rank *rank, const struct crmpi_stream *arrived, size_t n)
{
    size_t n_left = 0;

    for (size_t i = 0; i < n; i++) {
        struct traffic_stream *stream = &rank->streams[arrived[i].peer][arrived[i].tag];
        if (stream->unlogged < arrived[i].sent)
            stream->unlogged = arrived[i].sent;
    }
    for (size_t i = 0; i < rank->log.n; i++) {
        const struct traffic_message *item = &rank->log.items[i];
        if (item->index > rank->streams[item->to][item->tag].unlogged)
            rank->log.items[n_left++] = *item;
    }
    rank->log.n = n_left;
}

static void note_streams(const struct traffic_rank *rank, struct crmpi_dependencies *d)
{
    d->streams = allocated(calloc(TRAFFIC_RANKS * TRAFFIC_TAGS, sizeof *d->streams));
    for (uint32_t peer = 0; peer < d->n_ranks; peer++)
        for (int32_t tag = 0; tag < TRAFFIC_TAGS; tag++) {
            const struct traffic_stream *stream = &rank->streams[peer][tag];
            if (stream->sent + stream->received > 0 && peer != d->world_rank)
                d->streams[d->n_streams++] =
                    (struct crmpi_stream){.comm = TRAFFIC_COMM_ID(0),
                                          .peer = peer,
                                          .tag = tag,
                                          .sent = stream->sent,
                                          .received = stream->received,
                                          .unlogged = stream->unlogged};
        }
}

static void note_collectives(const struct traffic_program *program, uint32_t r,
                             const struct traffic_rank *rank,
                             struct crmpi_dependencies *d)
{
    d->collectives = allocated(calloc(TRAFFIC_COMMS, sizeof *d->collectives));
    d->members = allocated(calloc(TRAFFIC_COMMS * TRAFFIC_RANKS, sizeof *d->members));
    for (unsigned c = 0; c < TRAFFIC_COMMS; c++) {
        struct crmpi_collectives *of = &d->collectives[d->n_collectives];
        if (!(program->members[c] >> r & 1))
            continue;
        *of =
            (struct crmpi_collectives){.comm = TRAFFIC_COMM_ID(c),
                                       .count = rank->counts[c] - rank->counts_at_base[c],
                                       .flow = CRMPI_FLOW_FROM_ALL | CRMPI_FLOW_TO_ALL,
                                       .members = d->n_members};
        for (uint32_t m = 0; m < d->n_ranks; m++) {
            if (!(program->members[c] >> m & 1))
                continue;
            if (m == r)
                of->rank = of->n_members;
            d->members[d->n_members++] = m;
            of->n_members++;
        }
        d->n_collectives++;
    }
}

void traffic_dependencies(const struct traffic_program *program, uint32_t r,
                          const struct traffic_rank *rank, uint64_t sn, int alone,
                          struct crmpi_dependencies *d)
{
    *d = (struct crmpi_dependencies){.world_rank = r,
                                     .n_ranks = program->n_ranks,
                                     .sn = sn,
                                     .interval = rank->last_sn + 1,
                                     .base = rank->base,
                                     .is_alone = (uint32_t)alone};
    note_streams(rank, d);
    note_collectives(program, r, rank, d);
    d->origins = allocated(calloc(TRAFFIC_RANKS, sizeof *d->origins));
    for (uint32_t origin = 0; origin < program->n_ranks; origin++)
        if (rank->origins[origin] != 0 && origin != r)
            d->origins[d->n_origins++] =
                (struct crmpi_access){.window = TRAFFIC_WINDOW,
                                      .rank = origin,
                                      .how = CRMPI_HOW_WRITE,
                                      .interval = rank->origins[origin]};
    d->windows = allocated(calloc(1, sizeof *d->windows));
    d->windows[d->n_windows++] = TRAFFIC_WINDOW;
}

struct crmpi_collective_count *traffic_counts(const struct traffic_program *program,
                                              uint32_t r, const struct traffic_rank *rank,
                                              size_t *n_out)
{
    struct crmpi_collective_count *counts =
        allocated(calloc(TRAFFIC_COMMS, sizeof *counts));
    size_t n = 0;

    for (unsigned c = 0; c < TRAFFIC_COMMS; c++)
        if (program->members[c] >> r & 1)
            counts[n++] =
                (struct crmpi_collective_count){.comm_id = TRAFFIC_COMM_ID(c),
                                                .count = rank->counts[c],
                                                .members = traffic_n_members(program, c)};
    *n_out = n;
    return counts;
}

/* ---- the end of a run ---- */

static const char *wrong_between(const struct traffic_rank *a, uint32_t rank_a,
                                 const struct traffic_rank *b, uint32_t rank_b)
{
    for (unsigned tag = 0; tag < TRAFFIC_TAGS; tag++) {
        const struct traffic_stream *out = &a->streams[rank_b][tag];
        const struct traffic_stream *in = &b->streams[rank_a][tag];
        if (out->n_out != in->n_in)
            return "a message is lost or doubled";
        if (out->fold_out != in->fold_in)
            return "a message was received that never was sent";
    }
    return NULL;
}

const char *traffic_wrong(const struct traffic_program *program,
                          const struct traffic_rank *ranks)
{
    const char *wrong = NULL;

    for (uint32_t a = 0; a < program->n_ranks && wrong == NULL; a++)
        for (uint32_t b = 0; b < program->n_ranks && wrong == NULL; b++) {
            wrong = wrong_between(&ranks[a], a, &ranks[b], b);
            if (wrong == NULL && ranks[a].puts_out[b] != ranks[b].puts_in[a])
                wrong = "a put is lost, or never was made";
            for (unsigned c = 0; c < TRAFFIC_COMMS && wrong == NULL; c++)
                if ((program->members[c] >> a & 1) && (program->members[c] >> b & 1) &&
                    ranks[a].folds[c] != ranks[b].folds[c])
                    wrong = "a collective gave different results";
        }
    return wrong;
}
