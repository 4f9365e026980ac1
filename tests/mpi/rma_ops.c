/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All one-sided operations, on all kinds of datatypes, with all operations of MPI, in
 * windows of all flavours, synchronised as the argument says: fence, pscw (post, start,
 * complete, wait), locks, or lockall (one epoch for a window's whole life).  A round has
 * two waves of operations; afterwards each rank compares its own memory with the model.
 */
#include "rma_model.h"

#define LIFE 20 /* rounds of a window */
#define WAVES 2

/* A window and what must be in it. */
struct field {
    struct rma_window w;
    unsigned char *out,
        *in; /* this rank's blocks in all windows; all blocks in its own */
    uint64_t counters[RMA_COUNTERS];
    uint64_t stamp; /* what each rank stores into its window itself, at the end */
    uint64_t seed;
    long round;
};

/* What this rank does at one target in a wave: on cells, on a counter, get the stamp. */
struct work {
    int n;
    struct rma_operation operations[RMA_MOST];
    uint64_t value, result, stamp;
    int counter_call, counter, gets_stamp;
};

static struct field fields[RMA_FLAVOURS];
static struct work *works;
static int left, right;

static size_t counters_at(void)
{
    return (size_t)check_size * RMA_BLOCK;
}

static size_t stamp_at(void)
{
    return counters_at() + 8 * RMA_COUNTERS;
}

static void field_open(struct field *f, enum rma_flavour flavour, long step)
{
    size_t blocks = (size_t)check_size * RMA_BLOCK;

    rma_open(&f->w, flavour, MPI_COMM_WORLD, stamp_at() + 8, flavour % 2 ? 8 : 1,
             MPI_INFO_NULL);
    f->out = check_alloc(blocks);
    f->in = check_alloc(blocks);
    memset(f->out, 0, blocks);
    memset(f->in, 0, blocks);
    memset(f->counters, 0, sizeof f->counters);
    f->stamp = 0;
    f->round = 0;
    f->seed = check_hash((uint64_t)step, flavour);
}

static void field_close(struct field *f)
{
    rma_close(&f->w);
    free(f->out);
    free(f->in);
}

/* How many operations an origin does at a target in a wave; *state goes on from there. */
static int n_planned(const struct field *f, int wave, int origin, int target,
                     uint64_t *state)
{
    *state = check_hash4(f->seed, (uint64_t)f->round * WAVES + (uint64_t)wave,
                         (uint64_t)origin, (uint64_t)target);
    return check_below(state, 3) ? check_below(state, RMA_MOST + 1) : 0;
}

static MPI_Op counter_op(const struct field *f)
{
    const MPI_Op bitwise[] = {MPI_SUM, MPI_BXOR, MPI_MAX, MPI_BOR},
                 other[] = {MPI_SUM, MPI_MIN, MPI_MAX, MPI_PROD};

    return (RMA_HAS_BITWISE_64 ? bitwise : other)[f->round % 4];
}

/* The operations on the cells of one block, and on a counter. */
static int plan_block(const struct field *f, struct work *work, int wave, int origin,
                      int target, int calls, unsigned char *model)
{
    uint64_t state;

    work->n = n_planned(f, wave, origin, target, &state);
    for (int i = 0, cell = check_below(&state, RMA_TYPES); i < work->n; i++) {
        cell = (cell + 5) % RMA_TYPES;
        rma_plan(&f->w, &work->operations[i], cell, calls, origin == target,
                 model + cell * RMA_CELL, &state);
        work->operations[i].target = target;
        work->operations[i].offset = (size_t)(origin * RMA_BLOCK + cell * RMA_CELL);
    }
    work->counter = check_below(&state, RMA_COUNTERS);
    work->counter_call = check_below(&state, 3);
    work->value = check_random(&state) % 1000;
    return work->n > 0;
}

/* Plan a wave: what this rank does everywhere, and what all do to its window. */
static void plan(struct field *f, int wave, int calls)
{
    static struct work others;
    MPI_Op op = counter_op(f);

    for (int i = 0; i < check_size; i++) {
        struct work *work = &works[i];
        if (plan_block(f, work, wave, check_rank, i, calls, f->out + i * RMA_BLOCK))
            work->result = UINT64_MAX;
        work->gets_stamp = i == right;
        if (plan_block(f, &others, wave, i, check_rank, calls, f->in + i * RMA_BLOCK))
            CHECK_MPI(MPI_Reduce_local(&others.value, &f->counters[others.counter], 1,
                                       MPI_UINT64_T, op));
    }
}

static void issue(const struct field *f, int target)
{
    struct work *work = &works[target];
    MPI_Aint at = rma_disp(&f->w, target, counters_at() + 8 * (size_t)work->counter);
    MPI_Op op = counter_op(f);

    for (int i = 0; i < work->n; i++)
        rma_issue(&f->w, &work->operations[i]);
    if (work->gets_stamp)
        CHECK_MPI(MPI_Get(&work->stamp, 1, MPI_UINT64_T, target,
                          rma_disp(&f->w, target, stamp_at()), 1, MPI_UINT64_T,
                          f->w.win));
    if (work->n == 0)
        return;
    if (work->counter_call == 0)
        CHECK_MPI(MPI_Accumulate(&work->value, 1, MPI_UINT64_T, target, at, 1,
                                 MPI_UINT64_T, op, f->w.win));
    else if (work->counter_call == 1)
        CHECK_MPI(MPI_Get_accumulate(&work->value, 1, MPI_UINT64_T, &work->result, 1,
                                     MPI_UINT64_T, target, at, 1, MPI_UINT64_T, op,
                                     f->w.win));
    else
        CHECK_MPI(MPI_Fetch_and_op(&work->value, &work->result, MPI_UINT64_T, target, at,
                                   op, f->w.win));
}

/* Complete the requests of the operations at a target, in one of three ways. */
static void requests_complete(int target, long way)
{
    MPI_Request requests[RMA_MOST];
    struct work *work = &works[target];
    int flag = 0;

    for (int i = 0; i < work->n; i++)
        requests[i] = work->operations[i].request;
    if (way % 3 == 0)
        CHECK_MPI(MPI_Waitall(work->n, requests, MPI_STATUSES_IGNORE));
    for (int i = work->n - 1; way % 3 == 1 && i >= 0; i--)
        CHECK_MPI(MPI_Wait(&requests[i], MPI_STATUS_IGNORE));
    while (way % 3 == 2 && !flag)
        CHECK_MPI(MPI_Testall(work->n, requests, &flag, MPI_STATUSES_IGNORE));
    for (int i = 0; i < work->n; i++) {
        CHECK(requests[i] == MPI_REQUEST_NULL, "a completed request");
        work->operations[i].request = MPI_REQUEST_NULL;
    }
}

/* What was fetched; the epoch, or what a flush allows, is over. */
static void fetched_check(const struct field *f, int target)
{
    const struct work *work = &works[target];

    for (int i = 0; i < work->n; i++)
        rma_check(&work->operations[i]);
    if (work->gets_stamp)
        CHECK_EQ(work->stamp, check_hash(f->stamp, (uint64_t)target));
}

/* This rank's own memory, by loads; and a store for the next round. */
static void memory_check(struct field *f)
{
    for (int origin = 0; origin < check_size; origin++)
        for (int cell = 0; cell < RMA_TYPES; cell++) {
            int at = origin * RMA_BLOCK + cell * RMA_CELL;
            rma_cell_check(cell, origin, f->w.base + at, f->in + at);
        }
    for (int i = 0; i < RMA_COUNTERS; i++) {
        uint64_t found;
        memcpy(&found, f->w.base + counters_at() + 8 * i, 8);
        CHECK_EQ(found, f->counters[i]);
        check_note(found);
    }
}

static void stamp_store(struct field *f)
{
    uint64_t stamp;

    f->stamp = f->seed + (uint64_t)f->round;
    stamp = check_hash(f->stamp, (uint64_t)check_rank);
    memcpy(f->w.base + stamp_at(), &stamp, 8);
}

static uint64_t own_seed(const struct field *f)
{
    return check_hash(f->seed + (uint64_t)f->round, (uint64_t)check_rank);
}

static void round_fence(struct field *f)
{
    int strict = f->round % 2;

    CHECK_MPI(MPI_Win_fence(strict ? MPI_MODE_NOPRECEDE : 0, f->w.win));
    for (int wave = 0; wave < WAVES; wave++) {
        plan(f, wave, RMA_CALLS_ACTIVE);
        rma_dwell(own_seed(f) + 1);
        for (int i = 0; i < check_size; i++)
            issue(f, (check_rank + i) % check_size);
        if (f->round % 3 == 0)
            rma_chat(f->round);
        rma_dwell(own_seed(f));
        CHECK_MPI(
            MPI_Win_fence(wave < WAVES - 1 || !strict
                              ? 0
                              : MPI_MODE_NOSTORE | MPI_MODE_NOPUT | MPI_MODE_NOSUCCEED,
                          f->w.win));
        for (int i = 0; i < check_size; i++)
            fetched_check(f, i);
    }
    memory_check(f);
    stamp_store(f);
}

/* The ranks that access this one's window in a wave, or those whose windows it does. */
static MPI_Group partners(const struct field *f, int wave, int accessing)
{
    int *ranks = check_alloc((size_t)check_size * sizeof *ranks), n = 0;
    uint64_t state;
    MPI_Group all, group;

    for (int i = 0; i < check_size; i++) {
        int origin = accessing ? check_rank : i, target = accessing ? i : check_rank;
        if (n_planned(f, wave, origin, target, &state) > 0 ||
            i == (accessing ? right : left))
            ranks[n++] = i;
    }
    CHECK_MPI(MPI_Win_get_group(f->w.win, &all));
    CHECK_MPI(MPI_Group_incl(all, n, ranks, &group));
    CHECK_MPI(MPI_Group_free(&all));
    free(ranks);
    return group;
}

static void round_pscw(struct field *f)
{
    int nocheck = f->round % 3 == 0 ? MPI_MODE_NOCHECK : 0, done = 0;

    if (f->w.flavour == RMA_SHARED || check_size == 1)
        nocheck = 0; /* in Open MPI 4.1 (osc/sm) the next wait would never end */
    for (int wave = 0; wave < WAVES; wave++) {
        MPI_Group from = partners(f, wave, 0), to = partners(f, wave, 1);
        plan(f, wave, RMA_CALLS_ACTIVE);
        CHECK_MPI(MPI_Win_post(from, nocheck | (wave ? MPI_MODE_NOSTORE : 0), f->w.win));
        rma_dwell(own_seed(f) + 1);
        if (nocheck)
            CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
        CHECK_MPI(MPI_Win_start(to, nocheck, f->w.win));
        for (int i = 0; i < check_size; i++)
            issue(f, (check_rank + i) % check_size);
        rma_dwell(own_seed(f) + 2);
        if (f->round % 3 == 1)
            rma_chat(f->round);
        CHECK_MPI(MPI_Win_complete(f->w.win));
        for (int i = 0; i < check_size; i++)
            fetched_check(f, i);
        rma_dwell(own_seed(f) + 3);
        for (done = 0; f->round % 2 && !done;)
            CHECK_MPI(MPI_Win_test(f->w.win, &done));
        if (!done)
            CHECK_MPI(MPI_Win_wait(f->w.win));
        CHECK_MPI(MPI_Group_free(&from));
        CHECK_MPI(MPI_Group_free(&to));
    }
    memory_check(f);
    stamp_store(f);
}

/* Complete a wave at one target, its epoch stays open. */
static void flush_target(const struct field *f, int target, int last)
{
    long way = f->round + target;

    if (way % 2) {
        requests_complete(target, way / 2);
        rma_dwell(own_seed(f) + (uint64_t)target);
    }
    if (way % 3 == 0) {
        CHECK_MPI(MPI_Win_flush_local(target, f->w.win));
        fetched_check(f, target);
    }
    if (!last || way % 5)
        CHECK_MPI(MPI_Win_flush(target, f->w.win));
    if (way % 2 == 0)
        requests_complete(target, way / 2);
    if (!last || way % 5)
        fetched_check(f, target);
}

/* Epochs at all targets, one after the other or at the same time; exclusive locks are
 * then taken in ascending order.  The model of the second wave follows the first. */
static void round_locks(struct field *f)
{
    static struct work *first;
    long way = f->round % 5;
    int type = way < 2 ? MPI_LOCK_EXCLUSIVE : MPI_LOCK_SHARED,
        nocheck = way == 4 ? MPI_MODE_NOCHECK : 0, together = way == 1 || way == 3;
    size_t bytes = (size_t)check_size * sizeof *works;

    if (!first)
        first = check_alloc(bytes);
    plan(f, 0, RMA_CALLS);
    memcpy(first, works, bytes);
    plan(f, 1, RMA_CALLS);
    for (int i = 0; together && i < check_size; i++)
        CHECK_MPI(MPI_Win_lock(type, i, 0, f->w.win));
    for (int i = 0; i < check_size; i++) {
        int target = together ? i : (i + check_rank) % check_size;
        struct work second = works[target];

        if (!together)
            CHECK_MPI(MPI_Win_lock(type, target, nocheck, f->w.win));
        works[target] = first[target];
        issue(f, target);
        rma_dwell(own_seed(f) + (uint64_t)i);
        flush_target(f, target, 0);
        works[target] = second;
        issue(f, target);
        flush_target(f, target, 1);
        if (!together) {
            CHECK_MPI(MPI_Win_unlock(target, f->w.win));
            fetched_check(f, target);
        }
    }
    for (int i = check_size - 1; together && i >= 0; i--) {
        CHECK_MPI(MPI_Win_unlock(i, f->w.win));
        fetched_check(f, i);
    }
    CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
    CHECK_MPI(MPI_Win_lock(MPI_LOCK_EXCLUSIVE, check_rank, 0, f->w.win));
    memory_check(f);
    stamp_store(f);
    CHECK_MPI(MPI_Win_unlock(check_rank, f->w.win));
    CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
}

/* Complete a wave everywhere at once. */
static void flush_everywhere(const struct field *f)
{
    long way = f->round % 4;

    for (int i = 0; way % 2 && i < check_size; i++)
        requests_complete(i, f->round + i);
    rma_dwell(own_seed(f) + 1);
    if (way < 2) {
        CHECK_MPI(MPI_Win_flush_local_all(f->w.win));
        for (int i = 0; i < check_size; i++)
            fetched_check(f, i);
    }
    CHECK_MPI(MPI_Win_flush_all(f->w.win));
    rma_dwell(own_seed(f) + 2);
    for (int i = 0; way % 2 == 0 && i < check_size; i++)
        requests_complete(i, f->round + i);
    for (int i = 0; i < check_size; i++)
        fetched_check(f, i);
}

static void round_lockall(struct field *f)
{
    if (f->round == 0)
        CHECK_MPI(MPI_Win_lock_all(f->seed % 2 ? MPI_MODE_NOCHECK : 0, f->w.win));
    CHECK_MPI(MPI_Win_sync(f->w.win));
    CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
    for (int wave = 0; wave < WAVES; wave++) {
        plan(f, wave, RMA_CALLS);
        for (int i = 0; i < check_size; i++)
            issue(f, (check_rank + i) % check_size);
        if (f->round % 3 == 0)
            rma_chat(f->round);
        if (f->round % 7 < 3)
            flush_everywhere(f);
        for (int i = 0; f->round % 7 >= 3 && i < check_size; i++)
            flush_target(f, i, 0);
    }
    CHECK_MPI(MPI_Win_sync(f->w.win));
    CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
    CHECK_MPI(MPI_Win_sync(f->w.win));
    memory_check(f);
    stamp_store(f);
    if (f->round == LIFE - 1)
        CHECK_MPI(MPI_Win_unlock_all(f->w.win));
}

static const struct {
    const char *name;
    void (*round)(struct field *);
    long steps;
} ways[] = {{"fence", round_fence, 240},
            {"pscw", round_pscw, 240},
            {"locks", round_locks, 160},
            {"lockall", round_lockall, 320}};

int main(int argc, char **argv)
{
    int way = 0;
    long steps;

    CHECK(argc > 2, "usage: rma_ops STEPS fence|pscw|locks|lockall");
    while (way < 3 && strcmp(argv[2], ways[way].name) != 0)
        way++;
    MPI_Init(&argc, &argv);
    steps = check_begin("rma_ops", argc, argv, ways[way].steps);
    left = (check_rank + check_size - 1) % check_size;
    right = (check_rank + 1) % check_size;
    works = check_alloc((size_t)check_size * sizeof *works);
    rma_types_make();
    /* a window ends as a multiple of its life, whatever the number of steps */
    steps =
        (steps + RMA_FLAVOURS * LIFE - 1) / (RMA_FLAVOURS * LIFE) * RMA_FLAVOURS * LIFE;
    for (long step = 0; step < steps; step++) {
        struct field *f = &fields[step % RMA_FLAVOURS];
        if (step / RMA_FLAVOURS % LIFE == 0) {
            field_open(f, step % RMA_FLAVOURS, step);
            stamp_store(f);
            CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
        }
        ways[way].round(f);
        f->round++;
        if (f->round == LIFE)
            field_close(f);
    }
    check_end(steps);
    MPI_Finalize();
    return 0;
}
