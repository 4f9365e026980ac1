/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Programs of simulated ranks that can be saved and restored, see world.h.  Test.
 *
 * All that is to know of an operation follows from how far its members are in their own
 * programs, so that a state is restored by putting a rank back to a position.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sim/sim.h"
#include "sim/world.h"

#define OPERATIONS_MAX 256
#define COMMUNICATORS_MAX 8

enum kind { COLLECTIVE, BROADCAST, MESSAGE, PUT };

struct operation {
    enum kind kind;
    unsigned comm;
    uint64_t members;                /* PUT: the origin only */
    uint32_t a, b;                   /* sender and receiver, root, origin and owner */
    unsigned index[SIM_WORLD_RANKS]; /* in the program of each member */
};

/* What a checkpoint has. */
struct state {
    uint64_t sn;
    unsigned position;
    uint64_t counts[COMMUNICATORS_MAX];
    unsigned char saved[OPERATIONS_MAX];               /* messages in the saved queue */
    unsigned put[SIM_WORLD_RANKS], got[SIM_WORLD_RANKS]; /* to and from the others */
};

struct rank {
    struct state now, tentative, newest;
    unsigned program[OPERATIONS_MAX], n_program;
    uint64_t interval, neighbours;
    uint64_t granted; /* may be accessed in this interval */
    uint64_t cut_interval, cut_neighbours, cut_granted; /* at the newest save */
    int resumed; /* since it */
    int entered;      /* the operation at `position`; PUT: has asked for leave */
    int parked, running_on, pass;
    struct crmpi_collective_count *targets;
    size_t n_targets;
};

static struct {
    const struct sim_world_setup *setup;
    uint32_t n_ranks;
    struct operation operations[OPERATIONS_MAX];
    unsigned n_operations;
    uint64_t communicators[COMMUNICATORS_MAX];
    struct rank ranks[SIM_WORLD_RANKS];
} world;

static uint64_t bit(uint32_t r)
{
    return (uint64_t)1 << r;
}

static uint64_t everybody(void)
{
    return bit(world.n_ranks) - 1;
}

static void must(int holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "sim: %s: seed %llu\n", what, (unsigned long long)world.setup->seed);
    exit(1);
}

unsigned sim_hops(uint32_t from, uint32_t to)
{
    unsigned hops = 0;

    for (; from != to; hops++) { /* parents have smaller ranks */
        if (from > to)
            from = (from - 1) / 2;
        else
            to = (to - 1) / 2;
    }
    return hops;
}

/* ---- making programs ---- */

void sim_world_setup_random(struct sim_world_setup *setup, uint64_t seed)
{
    *setup = (struct sim_world_setup){
        .seed = seed,
        .n_ranks = 2 + sim_pick(SIM_WORLD_RANKS - 1),
        .n_communicators = 1 + sim_pick(COMMUNICATORS_MAX),
        .n_operations = 40 + sim_pick(OPERATIONS_MAX - 40),
        .n_requests = 2 + sim_pick(14),
        .far_share = sim_chance(0.5) ? 0 : 0.2 * sim_uniform(),
        .world_share = sim_chance(0.5) ? 0 : 0.05,
        .message_share = sim_uniform(),
        .put_share = 0.5 * sim_uniform(),
        .stops = sim_chance(0.1),
        .latency_us = 5 + 100 * sim_uniform(),
        .compute_us = sim_chance(0.5) ? 100 : 3000,
        .park_us = sim_chance(0.5) ? 20 : 3000,
        .save_us = sim_chance(0.5) ? 100 : 10000,
        .fault_chance = sim_chance(0.3) ? 0.1 : 0,
        .kill_chance = 0.5,
        .write_us = sim_chance(0.5) ? 200 : 50000,
    };
    setup->limit_ms = sim_chance(0.1) ? 1 + sim_pick(8) : 60000;
    if (sim_chance(0.6))
        setup->background_chance = sim_chance(0.6) ? 1 : sim_uniform();
    setup->span_us = setup->compute_us * setup->n_operations / 3;
}

static uint32_t partner(uint32_t a)
{
    uint32_t b = sim_chance(world.setup->far_share) ? sim_pick(world.n_ranks) : a ^ 1;
    return b < world.n_ranks ? b : a;
}

static void make_operation(struct operation *operation)
{
    uint32_t a = sim_pick(world.n_ranks), b = partner(a);
    unsigned comm = 0;

    if (a != b && sim_chance(world.setup->put_share)) {
        *operation = (struct operation){.kind = PUT, .a = a, .b = b, .members = bit(a)};
        return;
    }
    if (a != b && sim_chance(world.setup->message_share)) {
        *operation = (struct operation){
            .kind = MESSAGE, .a = a, .b = b, .members = bit(a) | bit(b)};
        return;
    }
    if (world.setup->n_communicators > 1 && !sim_chance(world.setup->world_share))
        comm = 1 + sim_pick(world.setup->n_communicators - 1);
    *operation = (struct operation){.kind = sim_chance(0.5) ? COLLECTIVE : BROADCAST,
                                    .comm = comm,
                                    .members = world.communicators[comm]};
    do
        operation->a = sim_pick(world.n_ranks);
    while (!(operation->members & bit(operation->a)));
}

static void begin_from_nothing(void)
{
    for (uint32_t r = 0; r < world.n_ranks; r++) /* MPI_Init brings all together */
        world.ranks[r].neighbours = everybody() & ~bit(r);
}

void sim_world_begin(const struct sim_world_setup *setup)
{
    memset(&world, 0, sizeof world);
    world.setup = setup;
    world.n_ranks = setup->n_ranks;
    world.n_operations = setup->n_operations;
    world.communicators[0] = everybody();
    for (unsigned i = 1; i < setup->n_communicators; i++) {
        uint32_t first = sim_pick(world.n_ranks), n = 2 + sim_pick(3);
        for (uint32_t r = first; r < first + n && r < world.n_ranks; r++)
            world.communicators[i] |= bit(r);
    }
    for (unsigned i = 0; i < world.n_operations; i++) {
        struct operation *operation = &world.operations[i];
        make_operation(operation);
        for (uint32_t r = 0; r < world.n_ranks; r++) {
            struct rank *rank = &world.ranks[r];
            if (!(operation->members & bit(r)))
                continue;
            operation->index[r] = rank->n_program;
            rank->program[rank->n_program++] = i;
        }
    }
    for (uint32_t r = 0; r < world.n_ranks; r++)
        world.ranks[r].interval = 1;
    begin_from_nothing();
}

void sim_world_end(void)
{
    for (uint32_t r = 0; r < world.n_ranks; r++)
        free(world.ranks[r].targets);
}

/* ---- running them ---- */

static int has_passed(uint32_t r, const struct operation *operation)
{
    return world.ranks[r].now.position > operation->index[r];
}

static int has_entered(uint32_t r, const struct operation *operation)
{
    const struct rank *rank = &world.ranks[r];
    return has_passed(r, operation) ||
           (rank->now.position == operation->index[r] && rank->entered);
}

static uint64_t comm_id(unsigned comm)
{
    return 2 + 7 * (uint64_t)comm;
}

int sim_world_at_targets(uint32_t r)
{
    const struct rank *rank = &world.ranks[r];

    for (size_t i = 0; i < rank->n_targets; i++)
        for (unsigned c = 0; c < world.setup->n_communicators; c++)
            if (rank->targets[i].comm_id == comm_id(c) &&
                rank->now.counts[c] < rank->targets[i].count)
                return 0;
    return 1;
}

static int gate_is_open(uint32_t r, unsigned comm)
{
    struct rank *rank = &world.ranks[r];

    if (!rank->running_on || rank->pass)
        return 1;
    for (size_t i = 0; i < rank->n_targets; i++)
        if (rank->targets[i].comm_id == comm_id(comm) &&
            rank->now.counts[comm] >= rank->targets[i].count)
            return !sim_world_at_targets(r);
    return 1;
}

static enum sim_step done(struct rank *rank)
{
    rank->now.position++;
    rank->entered = 0;
    return SIM_STEP_DONE;
}

static enum sim_step collective(uint32_t r, const struct operation *operation,
                                uint64_t *wake_out)
{
    struct rank *rank = &world.ranks[r];
    int complete = 1;

    if (!rank->entered) {
        if (!gate_is_open(r, operation->comm))
            return SIM_STEP_WAIT;
        rank->pass = 0;
        rank->entered = 1;
        rank->neighbours |= operation->members & ~bit(r);
        *wake_out = operation->members;
    }
    for (uint32_t m = 0; m < world.n_ranks; m++)
        if (operation->members & bit(m) &&
            (operation->kind == COLLECTIVE || m == operation->a))
            complete &= has_entered(m, operation);
    if (!complete)
        return SIM_STEP_WAIT;
    rank->neighbours |= operation->members & ~bit(r); /* it may have been entered before a
                                                          checkpoint */
    rank->now.counts[operation->comm]++;
    return done(rank);
}

static enum sim_step message(uint32_t r, const struct operation *operation,
                             uint64_t *wake_out)
{
    struct rank *rank = &world.ranks[r];
    unsigned char *saved = &rank->now.saved[operation - world.operations];

    if (operation->a == r) {
        rank->neighbours |= bit(operation->b);
        *wake_out = bit(operation->b);
        return done(rank);
    }
    if (!*saved && !has_passed(operation->a, operation))
        return SIM_STEP_WAIT;
    if (!*saved)
        rank->neighbours |= bit(operation->a);
    *saved = 0;
    return done(rank);
}

static enum sim_step put(uint32_t r, const struct operation *operation,
                         uint32_t *owner_out)
{
    struct rank *rank = &world.ranks[r];

    if (rank->granted & bit(operation->b)) {
        rank->now.put[operation->b]++;
        world.ranks[operation->b].now.got[r]++;
        return done(rank);
    }
    if (rank->entered)
        return SIM_STEP_WAIT;
    rank->entered = 1;
    rank->neighbours |= bit(operation->b);
    *owner_out = operation->b;
    return SIM_STEP_TOUCH;
}

enum sim_step sim_world_step(uint32_t r, uint64_t *wake_out, uint32_t *owner_out)
{
    struct rank *rank = &world.ranks[r];
    const struct operation *operation;

    if (rank->now.position == rank->n_program)
        return SIM_STEP_END;
    if (rank->parked)
        return SIM_STEP_WAIT;
    operation = &world.operations[rank->program[rank->now.position]];
    switch (operation->kind) {
    case MESSAGE:
        return message(r, operation, wake_out);
    case PUT:
        return put(r, operation, owner_out);
    default:
        return collective(r, operation, wake_out);
    }
}

int sim_world_all_ended(void)
{
    for (uint32_t r = 0; r < world.n_ranks; r++)
        if (world.ranks[r].now.position < world.ranks[r].n_program)
            return 0;
    return 1;
}

void sim_world_touched(uint32_t owner, uint32_t origin)
{
    world.ranks[owner].neighbours |= bit(origin);
}

void sim_world_granted(uint32_t origin, uint32_t owner, uint64_t interval)
{
    struct rank *rank = &world.ranks[origin];

    if (rank->interval == interval)
        rank->granted |= bit(owner);
}

/* ---- checkpoints ---- */

void sim_world_park(uint32_t r)
{
    world.ranks[r].parked = 1;
    world.ranks[r].running_on = 0;
}

int sim_world_is_parked(uint32_t r)
{
    return world.ranks[r].parked;
}

void sim_world_release(uint32_t r)
{
    world.ranks[r].parked = world.ranks[r].running_on = world.ranks[r].pass = 0;
}

void sim_world_run_on(uint32_t r, const struct crmpi_collective_count *targets, size_t n)
{
    struct rank *rank = &world.ranks[r];

    rank->parked = rank->pass = 0;
    rank->running_on = 1;
    free(rank->targets);
    rank->targets = malloc((n + 1) * sizeof *targets);
    must(rank->targets != NULL, "out of memory");
    if (n > 0)
        memcpy(rank->targets, targets, n * sizeof *targets);
    rank->n_targets = n;
}

int sim_world_running_on(uint32_t r)
{
    return world.ranks[r].running_on;
}

void sim_world_open_gate(uint32_t r)
{
    world.ranks[r].pass = world.ranks[r].running_on;
}

/* Messages from outside may come for a receive that has been posted. */
void sim_world_drain(uint32_t r, uint64_t group)
{
    struct rank *rank = &world.ranks[r];

    for (unsigned i = rank->now.position; i < rank->n_program; i++) {
        const struct operation *operation = &world.operations[rank->program[i]];
        if (operation->kind != MESSAGE || operation->b != r ||
            !has_passed(operation->a, operation) || rank->now.saved[rank->program[i]])
            continue;
        if (group & bit(operation->a) || sim_chance(0.3)) {
            rank->now.saved[rank->program[i]] = 1;
            rank->neighbours |= bit(operation->a);
        }
    }
}

struct crmpi_collective_count *sim_world_counts(uint32_t r, uint64_t group, size_t *n_out)
{
    struct crmpi_collective_count *counts = calloc(COMMUNICATORS_MAX, sizeof *counts);
    size_t n = 0;

    must(counts != NULL, "out of memory");
    for (unsigned c = 0; c < world.setup->n_communicators; c++) {
        if (!(world.communicators[c] & bit(r)))
            continue;
        counts[n++] = (struct crmpi_collective_count){
            .comm_id = comm_id(c),
            .count = world.ranks[r].now.counts[c],
            .members = (uint32_t)__builtin_popcountll(world.communicators[c] & group),
        };
    }
    *n_out = n;
    return counts;
}

static uint32_t *list_of(uint64_t bits, size_t *n_out)
{
    uint32_t *ranks = malloc(SIM_WORLD_RANKS * sizeof *ranks);
    size_t n = 0;

    must(ranks != NULL, "out of memory");
    for (uint32_t other = 0; other < world.n_ranks; other++)
        if (bits & bit(other))
            ranks[n++] = other;
    *n_out = n;
    return ranks;
}

uint32_t *sim_world_neighbours(uint32_t r, uint64_t group, size_t *n_out)
{
    return list_of(world.ranks[r].neighbours & ~group, n_out);
}

uint64_t sim_world_cut_interval(uint32_t r)
{
    return world.ranks[r].cut_interval;
}

uint32_t *sim_world_cut_neighbours(uint32_t r, size_t *n_out)
{
    return list_of(world.ranks[r].cut_neighbours, n_out);
}

uint64_t sim_world_interval(uint32_t r)
{
    return world.ranks[r].interval;
}

void sim_world_save(uint32_t r, uint64_t sn)
{
    must(world.ranks[r].parked, "saving, and the rank is not parked");
    world.ranks[r].tentative = world.ranks[r].now;
    world.ranks[r].tentative.sn = sn;
    world.ranks[r].cut_interval = world.ranks[r].interval;
    world.ranks[r].cut_neighbours = world.ranks[r].neighbours;
    world.ranks[r].cut_granted = world.ranks[r].granted;
}

static void begin_interval(struct rank *rank)
{
    rank->neighbours = 0;
    rank->granted = 0;
    rank->interval = rank->tentative.sn + 1;
    if (rank->now.position < rank->n_program &&
        world.operations[rank->program[rank->now.position]].kind == PUT)
        rank->entered = 0; /* leave is needed anew */
}

void sim_world_resume(uint32_t r)
{
    world.ranks[r].resumed = 1;
    begin_interval(&world.ranks[r]);
    sim_world_release(r);
}

/* The interval goes on under another number. */
void sim_world_resumed_in_vain(uint32_t r)
{
    struct rank *rank = &world.ranks[r];

    must(rank->resumed, "given up after the threads went on, and they did not");
    rank->resumed = 0;
    rank->neighbours |= rank->cut_neighbours;
    rank->granted |= rank->cut_granted;
}

void sim_world_commit(uint32_t r, uint64_t sn)
{
    struct rank *rank = &world.ranks[r];

    must(rank->tentative.sn == sn && sn > rank->newest.sn,
         "a line with another file than was saved");
    must(rank->resumed ||
             (memcmp(rank->now.put, rank->tentative.put, sizeof rank->now.put) == 0 &&
              memcmp(rank->now.got, rank->tentative.got, sizeof rank->now.got) == 0 &&
              rank->now.position == rank->tentative.position),
         "a rank has changed while it was saved");
    rank->newest = rank->tentative;
}

void sim_world_committed(uint32_t r, uint64_t group)
{
    struct rank *rank = &world.ranks[r];

    must((rank->cut_neighbours & ~group) == 0,
         "a rank depends on one outside of its group");
    if (!rank->resumed)
        begin_interval(rank);
    rank->resumed = 0;
}

uint64_t sim_world_newest(uint32_t r)
{
    return world.ranks[r].newest.sn;
}

uint64_t sim_world_closure(uint32_t r)
{
    uint64_t closure = bit(r), before = 0;

    while (closure != before) {
        before = closure;
        for (uint32_t other = 0; other < world.n_ranks; other++)
            if (before & bit(other))
                closure |= world.ranks[other].neighbours |
                           (world.ranks[other].resumed ? world.ranks[other].cut_neighbours
                                                       : 0);
    }
    return closure;
}

static int operation_is_consistent(unsigned i)
{
    const struct operation *operation = &world.operations[i];
    uint64_t passed = 0;
    int arrived;

    for (uint32_t r = 0; r < world.n_ranks; r++)
        if (operation->members & bit(r) &&
            world.ranks[r].newest.position > operation->index[r])
            passed |= bit(r);
    if (operation->kind == PUT)
        return 1; /* they are counted */
    if (operation->kind != MESSAGE)
        return passed == 0 || passed == operation->members;
    arrived = (passed & bit(operation->b)) != 0 ||
              world.ranks[operation->b].newest.saved[i];
    return arrived == ((passed & bit(operation->a)) != 0);
}

int sim_world_newest_is_consistent(void)
{
    for (unsigned i = 0; i < world.n_operations; i++)
        if (!operation_is_consistent(i))
            return 0;
    for (uint32_t a = 0; a < world.n_ranks; a++)
        for (uint32_t b = 0; b < world.n_ranks; b++)
            if (world.ranks[a].newest.put[b] != world.ranks[b].newest.got[a])
                return 0;
    return 1;
}

void sim_world_restore(uint64_t line)
{
    for (uint32_t r = 0; r < world.n_ranks; r++) {
        struct rank *rank = &world.ranks[r];
        rank->now = rank->newest;
        rank->interval = line + 1;
        rank->neighbours = rank->granted = 0;
        rank->entered = rank->resumed = 0;
        sim_world_release(r);
    }
    if (line == 0)
        begin_from_nothing();
}
