/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random one-sided operations, and what they do to a model.  Every window has a block of
 * cells for each origin, which alone operates on them, a cell for each datatype; the
 * operations of an origin at a target in a round follow from random numbers both know.
 * So the origin knows what it has to get and the target what must be in its window,
 * whatever is synchronised how.  Behind the blocks are counters that all operate on, with
 * one commutative operation in each round.  Upper half.
 */
#ifndef TESTS_MPI_RMA_MODEL_H
#define TESTS_MPI_RMA_MODEL_H

#include "rma.h"

/* Open MPI 5.0 does something else for bitwise operations on integers of 64 bits in windows
 * (osc/rdma over btl/sm). */
#define RMA_HAS_BITWISE_64 (OMPI_MAJOR_VERSION < 5)

#define RMA_CELL 256 /* bytes of a cell */
#define RMA_TYPES 21 /* and cells of a block */
#define RMA_BLOCK (RMA_CELL * RMA_TYPES)
#define RMA_COUNTERS 8 /* of 8 bytes in a window */
#define RMA_MOST 5     /* operations in a round, origin and target */
#define RMA_MAX_COUNT 4

enum rma_kind {
    RMA_INTEGER,
    RMA_REAL,
    RMA_LOGICAL,
    RMA_COMPLEX,
    RMA_BYTES,
    RMA_PAIR,
    RMA_MIXED
};

/* A predefined type, or the struct of int and double. */
struct rma_base {
    MPI_Datatype type;
    enum rma_kind kind;
    int extent;
    unsigned mask; /* of the bytes of an element that are data */
};

/* A type of elements in blocks: the i-th is (i / block * stride + i % block) extents
 * behind the start. */
struct rma_type {
    struct rma_base base;
    int n, block, stride;
    MPI_Datatype type;
};

enum rma_call {
    RMA_PUT,
    RMA_GET,
    RMA_ACCUMULATE,
    RMA_GET_ACCUMULATE,
    RMA_FETCH_AND_OP,
    RMA_COMPARE_AND_SWAP,
    RMA_CALLS_ACTIVE,
    RMA_RPUT = RMA_CALLS_ACTIVE,
    RMA_RGET,
    RMA_RACCUMULATE,
    RMA_RGET_ACCUMULATE,
    RMA_CALLS
};

struct rma_operation {
    enum rma_call call;
    const struct rma_type *type;
    MPI_Op op;
    int target, count, n; /* n: elements in all */
    int packed;           /* the origin has them one behind the other */
    size_t offset;        /* in the target's window */
    unsigned char origin[RMA_CELL], result[RMA_CELL], compare[16];
    unsigned char expected[RMA_CELL]; /* of the result, the elements packed */
    int has_result;
    MPI_Request request; /* MPI_REQUEST_NULL: has none */
};

static struct rma_type rma_types[RMA_TYPES];

static inline int rma_place(const struct rma_type *type, int i)
{
    int within = i % type->n,
        whole = (type->n / type->block - 1) * type->stride + type->block;
    return (i / type->n * whole + within / type->block * type->stride +
            within % type->block) *
           type->base.extent;
}

static inline void rma_type_make(int i, struct rma_base base, int how)
{
    struct rma_type *type = &rma_types[i];
    int lengths[] = {2, 2}, places[] = {0, 3};
    MPI_Aint bytes[] = {0, 3 * base.extent};
    MPI_Datatype both[] = {base.type, base.type};

    *type = (struct rma_type){base, 4, 2, 3, MPI_DATATYPE_NULL};
    switch (how) {
    case 0:
        type->n = type->block = type->stride = 1;
        type->type = base.type;
        return;
    case 1:
        MPI_Type_vector(2, 2, 3, base.type, &type->type);
        break;
    case 2:
        MPI_Type_indexed(2, lengths, places, base.type, &type->type);
        break;
    case 3:
        MPI_Type_create_struct(2, lengths, bytes, both, &type->type);
        break;
    case 4:
        MPI_Type_create_hvector(2, 2, 3 * base.extent, base.type, &type->type);
        break;
    default:
        type->n = type->block = type->stride = 3;
        MPI_Type_contiguous(3, base.type, &type->type);
        break;
    }
    MPI_Type_commit(&type->type);
}

static inline void rma_types_make(void)
{
    const struct rma_base mixed_base[] = {{MPI_INT, RMA_MIXED, 16, 0xff0f}};
    const struct rma_base bases[] = {{MPI_INT32_T, RMA_INTEGER, 4, 0xf},
                                     {MPI_UINT64_T, RMA_INTEGER, 8, 0xff},
                                     {MPI_INT16_T, RMA_INTEGER, 2, 3},
                                     {MPI_INT64_T, RMA_INTEGER, 8, 0xff},
                                     {MPI_FLOAT, RMA_REAL, 4, 0xf},
                                     {MPI_DOUBLE, RMA_REAL, 8, 0xff},
                                     {MPI_C_BOOL, RMA_LOGICAL, 1, 1},
                                     {MPI_C_DOUBLE_COMPLEX, RMA_COMPLEX, 16, 0xffff},
                                     {MPI_BYTE, RMA_BYTES, 1, 1},
                                     {MPI_2INT, RMA_PAIR, 8, 0xff},
                                     {MPI_DOUBLE_INT, RMA_PAIR, 16, 0x0fff},
                                     {MPI_UINT32_T, RMA_INTEGER, 4, 0xf}};
    struct rma_base mixed = mixed_base[0];
    int lengths[] = {1, 1}, i;
    MPI_Aint places[] = {0, 8};
    MPI_Datatype parts[] = {MPI_INT, MPI_DOUBLE};

    for (i = 0; i < 12; i++)
        rma_type_make(i, bases[i], 0);
    for (; i < RMA_TYPES - 2; i++) /* derived ones of the first seven */
        rma_type_make(i, bases[i - 12], i % 5 + 1);
    MPI_Type_create_struct(2, lengths, places, parts, &mixed.type);
    MPI_Type_commit(&mixed.type);
    rma_type_make(i, mixed, 0);
    rma_type_make(i + 1, mixed, 1);
}

/* An element, for an operation that must not overflow. */
static inline void rma_element(const struct rma_base *base, MPI_Op op, uint64_t random,
                               unsigned char *out)
{
    int64_t n = op == MPI_PROD ? (int64_t)(random % 2) : (int64_t)(random % 100);
    double real = op == MPI_PROD ? (double[]){0.5, 1, 2, 1}[random % 4] : (double)n / 4;
    float single = (float)real;
    double complex_[2] = {op == MPI_PROD ? (double)n : real,
                          op == MPI_PROD ? (double)!n : 1};
    int place = (int)(random >> 32) % 1000;

    memset(out, 0, (size_t)base->extent);
    switch (base->kind) {
    case RMA_INTEGER:
    case RMA_BYTES:
        memcpy(out, &n, (size_t)base->extent); /* little-endian */
        break;
    case RMA_LOGICAL:
        out[0] = (unsigned char)(random % 2);
        break;
    case RMA_REAL:
        if (base->extent == 4)
            memcpy(out, &single, 4);
        else
            memcpy(out, &real, 8);
        break;
    case RMA_COMPLEX:
        memcpy(out, complex_, 16);
        break;
    case RMA_PAIR:
        if (base->extent == 8)
            memcpy(out, &(int){(int)n}, 4);
        else
            memcpy(out, &real, 8);
        memcpy(out + base->extent / 2, &place, 4);
        break;
    case RMA_MIXED:
        memcpy(out, &place, 4);
        memcpy(out + 8, &real, 8);
        break;
    }
}

/** A random operation that the type can be used with.  Logical ones do nothing to large
 * integers in windows of Open MPI (osc/rdma over btl/vader, or sm). */
static inline MPI_Op rma_op_choose(const struct rma_base *base, int fetches,
                                   uint64_t *state)
{
    const MPI_Op all[] = {MPI_REPLACE, MPI_SUM,  MPI_PROD, MPI_MAX, MPI_MIN, MPI_BAND,
                          MPI_BOR,     MPI_BXOR, MPI_LAND, MPI_LOR, MPI_LXOR};

    if (fetches && check_below(state, 6) == 0)
        return MPI_NO_OP;
    switch (base->kind) {
    case RMA_INTEGER:
        return all[check_below(state, base->extent < 4                         ? 11
                                      : base->extent < 8 || RMA_HAS_BITWISE_64 ? 8
                                                                               : 5)];
    case RMA_REAL:
        return all[check_below(state, 5)];
    case RMA_COMPLEX:
        return all[check_below(state, 3)];
    case RMA_LOGICAL:
        return all[check_below(state, 4) ? 8 + check_below(state, 3) : 0];
    case RMA_BYTES:
        return all[check_below(state, 4) ? 5 + check_below(state, 3) : 0];
    case RMA_PAIR:
        return (MPI_Op[]){MPI_REPLACE, MPI_MAXLOC, MPI_MINLOC}[check_below(state, 3)];
    default:
        return MPI_REPLACE;
    }
}

static inline void rma_element_apply(const struct rma_base *base, MPI_Op op,
                                     const unsigned char *in, unsigned char *inout)
{
    if (op == MPI_REPLACE)
        memcpy(inout, in, (size_t)base->extent);
    else if (op != MPI_NO_OP)
        CHECK_MPI(MPI_Reduce_local(in, inout, 1, base->type, op));
}

/**
 * Whether Open MPI 4.1 does a call right.  With osc/rdma, compare-and-swap crashes at
 * memory of the own rank and where all of a window's memory is shared; accumulating calls
 * fail where it is not shared: those that fetch, with derived types, all with types that
 * have gaps.  osc/ucx is right with predefined types without gaps only, but for puts, and takes all that is
 * fetched for integers that processors know atomics of.
 */
static inline int rma_works(const struct rma_window *w, const struct rma_type *type,
                            enum rma_call call, int at_self)
{
    int shared = w->flavour == RMA_SHARED || w->flavour == RMA_ALLOCATE;

    if (rma_is_ucx() && (call == RMA_COMPARE_AND_SWAP || call == RMA_FETCH_AND_OP))
        return type->base.kind == RMA_INTEGER && type->base.extent >= 4;
    if (rma_is_ucx() && call != RMA_PUT)
        return type->n == 1 && type->base.kind < RMA_PAIR;
    if (call == RMA_COMPARE_AND_SWAP)
        return w->flavour == RMA_SHARED || (!shared && !at_self);
    if (call == RMA_ACCUMULATE || call == RMA_RACCUMULATE)
        return shared || type->base.mask >> (type->base.extent - 1);
    if (call == RMA_GET_ACCUMULATE || call == RMA_RGET_ACCUMULATE)
        return shared || (type->n == 1 && type->base.mask >> (type->base.extent - 1));
    return 1;
}

/* Whether MPI allows it. */
static inline int rma_fits(const struct rma_type *type, enum rma_call call)
{
    int named = type->n == 1 && type->base.kind != RMA_MIXED;

    switch (call) {
    case RMA_PUT:
    case RMA_GET:
    case RMA_RPUT:
    case RMA_RGET:
        return 1;
    case RMA_FETCH_AND_OP:
        return named;
    case RMA_COMPARE_AND_SWAP:
        return named && (type->base.kind == RMA_INTEGER || type->base.kind == RMA_BYTES);
    default:
        return type->base.kind != RMA_MIXED;
    }
}

static inline int rma_is(const struct rma_operation *o, enum rma_call call,
                         enum rma_call with_request)
{
    return o->call == call || o->call == with_request;
}

/**
 * Make an operation on a cell and do it to the model of that cell.
 * @param calls  RMA_CALLS, or in an epoch of active targets RMA_CALLS_ACTIVE
 */
static inline void rma_plan(const struct rma_window *w, struct rma_operation *o, int cell,
                            int calls, int at_self, unsigned char *model, uint64_t *state)
{
    const struct rma_type *type = &rma_types[cell];
    const struct rma_base *base = &type->base;
    unsigned char in[16], compare[16];
    int writes, equal = 1;

    memset(o, 0, sizeof *o);
    o->request = MPI_REQUEST_NULL;
    o->type = type;
    do
        o->call = (enum rma_call)check_below(state, calls);
    while (!rma_fits(type, o->call) || !rma_works(w, type, o->call, at_self));
    o->packed = check_below(state, 2);
    o->count = o->call == RMA_FETCH_AND_OP || o->call == RMA_COMPARE_AND_SWAP
                   ? 1
                   : 1 + check_below(state, type->n == 1 ? RMA_MAX_COUNT : 2);
    o->n = o->count * type->n;
    o->has_result =
        !rma_is(o, RMA_PUT, RMA_RPUT) && !rma_is(o, RMA_ACCUMULATE, RMA_RACCUMULATE);
    writes = !rma_is(o, RMA_GET, RMA_RGET);
    o->op = rma_is(o, RMA_ACCUMULATE, RMA_RACCUMULATE) ||
                    rma_is(o, RMA_GET_ACCUMULATE, RMA_RGET_ACCUMULATE) ||
                    o->call == RMA_FETCH_AND_OP
                ? rma_op_choose(base, o->has_result, state)
                : MPI_REPLACE;
    if (o->call == RMA_COMPARE_AND_SWAP) {
        rma_element(base, MPI_REPLACE, check_random(state), compare);
        if (check_below(state, 2))
            memcpy(compare, model, (size_t)base->extent);
        memcpy(o->compare, compare, (size_t)base->extent);
        equal = memcmp(compare, model, (size_t)base->extent) == 0;
    }
    memset(o->result, 0xee, sizeof o->result);
    memset(o->origin, 0xdd, sizeof o->origin);
    for (int i = 0; i < o->n; i++) {
        int place = rma_place(type, i);
        memcpy(o->expected + i * base->extent, model + place, (size_t)base->extent);
        rma_element(base, o->op, check_random(state), in);
        memcpy(o->origin + (o->packed ? i * base->extent : place), in,
               (size_t)base->extent);
        if (writes && equal)
            rma_element_apply(base, o->op, in, model + place);
    }
}

/** Start it, by the application's calls. */
static inline void rma_issue(const struct rma_window *w, struct rma_operation *o)
{
    int count = o->packed ? o->n : o->count;
    MPI_Datatype type = o->packed ? o->type->base.type : o->type->type;
    MPI_Aint at = rma_disp(w, o->target, o->offset);

#define TARGET o->target, at, o->count, o->type->type
    switch (o->call) {
    case RMA_PUT:
        CHECK_MPI(MPI_Put(o->origin, count, type, TARGET, w->win));
        break;
    case RMA_GET:
        CHECK_MPI(MPI_Get(o->result, count, type, TARGET, w->win));
        break;
    case RMA_ACCUMULATE:
        CHECK_MPI(MPI_Accumulate(o->origin, count, type, TARGET, o->op, w->win));
        break;
    case RMA_GET_ACCUMULATE:
        CHECK_MPI(MPI_Get_accumulate(o->origin, count, type, o->result, count, type,
                                     TARGET, o->op, w->win));
        break;
    case RMA_FETCH_AND_OP:
        CHECK_MPI(MPI_Fetch_and_op(o->origin, o->result, o->type->type, o->target, at,
                                   o->op, w->win));
        break;
    case RMA_COMPARE_AND_SWAP:
        CHECK_MPI(MPI_Compare_and_swap(o->origin, o->compare, o->result, o->type->type,
                                       o->target, at, w->win));
        break;
    case RMA_RPUT:
        CHECK_MPI(MPI_Rput(o->origin, count, type, TARGET, w->win, &o->request));
        break;
    case RMA_RGET:
        CHECK_MPI(MPI_Rget(o->result, count, type, TARGET, w->win, &o->request));
        break;
    case RMA_RACCUMULATE:
        CHECK_MPI(
            MPI_Raccumulate(o->origin, count, type, TARGET, o->op, w->win, &o->request));
        break;
    default:
        CHECK_MPI(MPI_Rget_accumulate(o->origin, count, type, o->result, count, type,
                                      TARGET, o->op, w->win, &o->request));
        break;
    }
#undef TARGET
}

/* Compare the bytes of elements that are data. */
static inline int rma_same(const struct rma_base *base, const unsigned char *a,
                           const unsigned char *b)
{
    for (int i = 0; i < base->extent; i++)
        if (base->mask >> i & 1 && a[i] != b[i])
            return 0;
    return 1;
}

/** What it fetched, once it is complete. */
static inline void rma_check(const struct rma_operation *o)
{
    const struct rma_base *base = &o->type->base;

    for (int i = 0; o->has_result && i < o->n; i++) {
        const unsigned char *found =
            o->result + (o->packed ? i * base->extent : rma_place(o->type, i));
        uint64_t a = 0, b = 0;
        int n = base->extent < 8 ? base->extent : 8;

        memcpy(&a, found, (size_t)n);
        memcpy(&b, o->expected + i * base->extent, (size_t)n);
        CHECK(rma_same(base, found, o->expected + i * base->extent),
              "call %d, type %d, element %d of %d from rank %d: begins with %" PRIx64
              ", expected %" PRIx64,
              o->call, (int)(o->type - rma_types), i, o->n, o->target, a, b);
    }
}

/** A cell of this rank's window against the model: data, and gaps that nobody writes. */
static inline void rma_cell_check(int cell, int origin, const unsigned char *found,
                                  const unsigned char *model)
{
    const struct rma_type *type = &rma_types[cell];
    int n = type->n * (type->n == 1 ? RMA_MAX_COUNT : 2), at = 0;

    for (int i = 0; i <= n; i++) {
        int place = i < n ? rma_place(type, i) : RMA_CELL;
        for (; at < place; at++)
            CHECK(found[at] == model[at], "gap at byte %d of cell %d of rank %d: %d", at,
                  cell, origin, found[at]);
        if (i == n)
            break;
        CHECK(rma_same(&type->base, found + at, model + at),
              "element %d of cell %d of rank %d", i, cell, origin);
        at += type->base.extent;
    }
}

#endif
