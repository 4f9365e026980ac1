/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Chance, the queue of events, and made-up programs: see sim.h.  Test.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "policy/policy.h"
#include "sim/sim.h"

static void *sim_alloc(size_t n, size_t bytes)
{
    void *block = calloc(n ? n : 1, bytes);
    if (block == NULL) {
        fprintf(stderr, "sim: out of memory\n");
        exit(1);
    }
    return block;
}

/* ---- chance: splitmix64 ---- */

static uint64_t chance_state;

void sim_seed(uint64_t seed)
{
    chance_state = seed;
}

static uint64_t chance_next(void)
{
    uint64_t z = chance_state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

double sim_uniform(void)
{
    return (double)(chance_next() >> 11) / 9007199254740992.0;
}

uint32_t sim_pick(uint32_t n)
{
    return (uint32_t)(chance_next() % n);
}

int sim_chance(double probability)
{
    return sim_uniform() < probability;
}

double sim_delay(double mean)
{
    return 2 * mean * sim_uniform();
}

/* ---- the queue: a binary heap ---- */

struct entry {
    double at_us;
    uint64_t order;
    struct sim_item *item;
};

static struct {
    struct entry *entries;
    size_t n, capacity;
    uint64_t n_added;
} queue;

static int comes_before(const struct entry *a, const struct entry *b)
{
    return a->at_us < b->at_us || (a->at_us == b->at_us && a->order < b->order);
}

void sim_queue_add(double at_us, struct sim_item *item)
{
    struct entry new = {.at_us = at_us, .order = queue.n_added++, .item = item};
    size_t i = queue.n++;

    if (queue.n > queue.capacity) {
        queue.capacity = 2 * queue.capacity + 1024;
        queue.entries = realloc(queue.entries, queue.capacity * sizeof *queue.entries);
        if (queue.entries == NULL)
            abort();
    }
    for (; i > 0 && comes_before(&new, &queue.entries[(i - 1) / 2]); i = (i - 1) / 2)
        queue.entries[i] = queue.entries[(i - 1) / 2];
    queue.entries[i] = new;
}

struct sim_item *sim_queue_take(double *at_us_out)
{
    struct entry first, last;
    size_t i = 0, child;

    if (queue.n == 0) {
        free(queue.entries);
        memset(&queue, 0, sizeof queue);
        return NULL;
    }
    first = queue.entries[0];
    last = queue.entries[--queue.n];
    while ((child = 2 * i + 1) < queue.n) {
        if (child + 1 < queue.n &&
            comes_before(&queue.entries[child + 1], &queue.entries[child]))
            child++;
        if (!comes_before(&queue.entries[child], &last))
            break;
        queue.entries[i] = queue.entries[child];
        i = child;
    }
    queue.entries[i] = last;
    *at_us_out = first.at_us;
    return first.item;
}

/* ---- setups ---- */

void sim_setup_random(struct sim_setup *setup, uint64_t seed)
{
    sim_seed(seed);
    *setup = (struct sim_setup){
        .seed = seed,
        .n_ranks = 1 + sim_pick(sim_chance(0.2) ? 100 : 12),
        .n_communicators = 1 + sim_pick(12),
        .n_operations = 50 + sim_pick(400),
        .message_share = sim_uniform(),
        .n_requests = 1 + sim_pick(5),
        .communicators_change = sim_chance(0.5),
        .latency_us = 5 + 100 * sim_uniform(),
        .compute_us = sim_chance(0.5) ? 10 : 1000,
        .park_us = sim_chance(0.5) ? 20 : 5000,
        .save_us = sim_chance(0.5) ? 100 : 20000,
        .fault_chance = sim_chance(0.5) ? 0.2 : 0,
        .slow_rank = UINT32_MAX,
        .silent_rank = UINT32_MAX,
    };
    if (sim_chance(0.6))
        setup->background_chance = sim_chance(0.6) ? 1 : sim_uniform();
    setup->write_us = sim_chance(0.5) ? 200 : 100000;
    setup->n_busy = setup->n_communicators;
    setup->stops = sim_chance(0.2);
    setup->sizes_known = setup->communicators_change || sim_chance(0.7);
    setup->span_us = setup->compute_us * setup->n_operations / 2;
    if (seed % 20 == 0)
        setup->slow_rank = sim_pick(setup->n_ranks);
    else if (seed % 20 == 10 && setup->n_ranks > 1) /* rank 0 would be silent to itself */
        setup->silent_rank = 1 + sim_pick(setup->n_ranks - 1);
}

void sim_setup_large(struct sim_setup *setup, uint64_t seed, uint32_t n_ranks)
{
    sim_seed(seed);
    *setup = (struct sim_setup){
        .seed = seed,
        .n_ranks = n_ranks,
        .n_communicators = 8,
        .n_operations = 8,
        .n_requests = 1,
        .n_busy = 1, /* no rank has to wait until gates are opened */
        .sizes_known = 1,
        .latency_us = 20,
        .compute_us = 100,
        .park_us = 20,
        .save_us = 1000,
        .span_us = 200,
        .slow_rank = UINT32_MAX,
        .silent_rank = UINT32_MAX,
    };
}

/* ---- making a program ---- */

static int is_below(uint32_t rank, uint32_t top)
{
    while (rank > top)
        rank = CRMPI_TREE_PARENT(rank);
    return rank == top;
}

/* A share of the ranks below some rank of the control tree: small ones settle there. */
static void make_communicator(struct sim_communicator *communicator, uint32_t n_ranks,
                              double share, uint32_t top)
{
    communicator->members = sim_alloc(n_ranks, sizeof *communicator->members);
    for (uint32_t r = 0; r < n_ranks; r++)
        if (is_below(r, top) && sim_chance(share))
            communicator->members[communicator->n_members++] = r;
    if (communicator->n_members == 0)
        communicator->members[communicator->n_members++] = sim_pick(n_ranks);
}

static void make_message(struct sim_operation *operation, uint32_t n_ranks)
{
    operation->kind = sim_chance(0.5) ? SIM_EAGER : SIM_RENDEZVOUS;
    operation->pair[0] = sim_pick(n_ranks);
    operation->pair[1] = sim_pick(n_ranks);
    if (operation->pair[0] == operation->pair[1])
        operation->kind = SIM_EAGER; /* to itself */
    operation->members = operation->pair;
    operation->n_members = 1 + (operation->pair[0] != operation->pair[1]);
}

/* An id is never used again, so what was freed stays so. */
enum life { UNBORN, LIVES, FREED };

static void make_collective(struct sim_operation *operation, struct sim_program *program,
                            enum life *lives)
{
    unsigned i = sim_pick(program->setup->n_busy);
    int changes;

    if (lives[i] == FREED)
        i = 0;
    changes = program->setup->communicators_change && i > 0;
    operation->comm_id = SIM_COMM_ID(i);
    operation->members = program->communicators[i].members;
    operation->n_members = program->communicators[i].n_members;
    if (changes && lives[i] == UNBORN) {
        operation->kind = SIM_CREATE;
        lives[i] = LIVES;
    } else if (changes && sim_chance(0.1)) {
        operation->kind = SIM_FREE;
        lives[i] = FREED;
    } else {
        operation->kind = sim_chance(0.5) ? SIM_COLLECTIVE : SIM_BROADCAST;
    }
}

static void make_operations(struct sim_program *program)
{
    const struct sim_setup *setup = program->setup;
    enum life *lives = sim_alloc(program->n_communicators, sizeof *lives);

    program->n_operations = setup->n_operations;
    program->operations = sim_alloc(setup->n_operations, sizeof *program->operations);
    for (size_t i = 0; i < program->n_operations; i++) {
        if (sim_chance(setup->message_share))
            make_message(&program->operations[i], setup->n_ranks);
        else
            make_collective(&program->operations[i], program, lives);
    }
    free(lives);
}

static void add_membership(struct sim_rank_program *rank, uint64_t comm_id, uint32_t size,
                           int exists)
{
    rank->memberships[rank->n_memberships++] =
        (struct sim_membership){.comm_id = comm_id, .size = size, .exists = exists};
}

static void deal_out(struct sim_program *program)
{
    for (uint32_t r = 0; r < program->setup->n_ranks; r++) {
        struct sim_rank_program *rank = &program->ranks[r];
        rank->operations = sim_alloc(program->n_operations, sizeof *rank->operations);
        rank->memberships =
            sim_alloc(program->n_communicators + 1, sizeof *rank->memberships);
        add_membership(rank, SIM_SELF_ID, 1, 1);
        rank->memberships[0].count = r; /* no two ranks agree, and need not */
    }
    for (unsigned i = 0; i < program->n_communicators; i++) {
        const struct sim_communicator *communicator = &program->communicators[i];
        for (uint32_t m = 0; m < communicator->n_members; m++)
            add_membership(&program->ranks[communicator->members[m]], SIM_COMM_ID(i),
                           communicator->n_members,
                           i == 0 || !program->setup->communicators_change);
    }
    for (size_t i = 0; i < program->n_operations; i++) {
        const struct sim_operation *operation = &program->operations[i];
        for (uint32_t m = 0; m < operation->n_members; m++) {
            struct sim_rank_program *rank = &program->ranks[operation->members[m]];
            rank->operations[rank->n_operations++] = (uint32_t)i;
        }
    }
}

void sim_program_init(struct sim_program *program, const struct sim_setup *setup)
{
    *program = (struct sim_program){
        .setup = setup, .n_communicators = setup->n_communicators};
    program->communicators =
        sim_alloc(setup->n_communicators, sizeof *program->communicators);
    program->ranks = sim_alloc(setup->n_ranks, sizeof *program->ranks);
    for (unsigned i = 0; i < setup->n_communicators; i++) /* the first has all ranks */
        make_communicator(&program->communicators[i], setup->n_ranks,
                          i == 0 ? 2.0 : setup->n_ranks > 200 ? 0.01 : sim_uniform(),
                          i % 2 == 0 ? 0 : sim_pick(setup->n_ranks));
    make_operations(program);
    deal_out(program);
}

void sim_program_fini(struct sim_program *program)
{
    for (uint32_t r = 0; r < program->setup->n_ranks; r++) {
        free(program->ranks[r].operations);
        free(program->ranks[r].memberships);
    }
    for (unsigned i = 0; i < program->n_communicators; i++)
        free(program->communicators[i].members);
    free(program->communicators);
    free(program->operations);
    free(program->ranks);
}

/* ---- asking about it ---- */

struct sim_operation *sim_operation(struct sim_program *program, uint32_t rank,
                                    size_t position)
{
    const struct sim_rank_program *own = &program->ranks[rank];
    return position < own->n_operations ? &program->operations[own->operations[position]]
                                        : NULL;
}

struct sim_membership *sim_membership(struct sim_program *program, uint32_t rank,
                                      uint64_t comm_id)
{
    struct sim_rank_program *own = &program->ranks[rank];
    for (size_t i = 0; i < own->n_memberships; i++)
        if (own->memberships[i].comm_id == comm_id)
            return &own->memberships[i];
    return NULL;
}

struct crmpi_collective_count *sim_counts(struct sim_program *program, uint32_t rank,
                                          size_t *n_out)
{
    const struct sim_rank_program *own = &program->ranks[rank];
    struct crmpi_collective_count *counts = sim_alloc(own->n_memberships, sizeof *counts);
    size_t n = 0;

    for (size_t i = 0; i < own->n_memberships; i++) {
        const struct sim_membership *of = &own->memberships[i];
        if (!of->exists)
            continue;
        counts[n++] = (struct crmpi_collective_count){
            .comm_id = of->comm_id,
            .count = of->count,
            .members =
                program->setup->sizes_known || of->comm_id == SIM_SELF_ID ? of->size : 0,
        };
    }
    *n_out = n;
    return counts;
}

int sim_counts_agree(struct sim_program *program)
{
    for (unsigned i = 0; i < program->n_communicators; i++) {
        const struct sim_communicator *communicator = &program->communicators[i];
        const struct sim_membership *first =
            sim_membership(program, communicator->members[0], SIM_COMM_ID(i));
        for (uint32_t m = 1; m < communicator->n_members; m++) {
            const struct sim_membership *other =
                sim_membership(program, communicator->members[m], SIM_COMM_ID(i));
            if (first->exists != other->exists ||
                (first->exists && first->count != other->count))
                return 0;
        }
    }
    return 1;
}
