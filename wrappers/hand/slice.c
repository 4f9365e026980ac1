/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cutting the data of a count and a datatype (lower half).  A slice is made of elements, of
 * blocks of an element, of elements of a block, and so on: at most two parts at each level
 * but the last.  Types of several types (struct) and distributed arrays are not cut.
 */
#include <stdlib.h>

#include "wrappers/hand/slice.h"

/* Elements and blocks of fewer bytes are not cut themselves. */
#define LEAST_BYTES 4096
#define PARTS_MAX 64

static MPI_Datatype real_of(MPI_Datatype type)
{
    return CRMPI_REAL(MPI_Datatype, type);
}

static struct crmpi_type *recipe_of(MPI_Datatype type)
{
    return CRMPI_EXTRA(type, type);
}

static int64_t size_of(MPI_Datatype type)
{
    return recipe_of(type)->size;
}

static MPI_Aint extent_of(MPI_Datatype type)
{
    MPI_Aint lb, extent = 0;

    PMPI_Type_get_extent(real_of(type), &lb, &extent);
    return extent;
}

/* The data lie together. */
static int is_dense(int64_t count, MPI_Datatype type)
{
    MPI_Aint lb, extent;

    PMPI_Type_get_true_extent(real_of(type), &lb, &extent);
    return extent == size_of(type) && (count == 1 || extent == extent_of(type));
}

/*
 * A type as a sequence of blocks
 */

struct blocks {
    const struct crmpi_type *type;
    MPI_Datatype old; /* blocks are of so many of these */
    int64_t old_bytes, n;
    int64_t length;      /* of each block in old; 0: they differ */
    const int64_t *ends; /* then: where each ends; NULL: there is none */
    int axis; /* of a subarray: its blocks are along it */
};

/* The first dimension in the order of the data with more than one. */
static int subarray_axis(const struct crmpi_type *type, int n)
{
    const int *subsizes = type->ints + 1 + n;
    int is_c = type->ints[1 + 3 * n] == MPI_ORDER_C;

    for (int i = 0; i < n; i++) {
        int axis = is_c ? i : n - 1 - i;

        if (subsizes[axis] > 1)
            return axis;
    }
    return 0;
}

/* Where blocks of different lengths end.  Threads may come here at the same time. */
static const int64_t *ends_of(struct crmpi_type *type, const struct blocks *b,
                              const int *lengths)
{
    int64_t *ends = __atomic_load_n(&type->ends, __ATOMIC_ACQUIRE), *none = NULL, at = 0;

    if (ends || b->n == 0)
        return ends;
    ends = crmpi_upper_alloc(b->n * sizeof *ends);
    for (int64_t i = 0; i < b->n; i++)
        ends[i] = at += lengths[i] * b->old_bytes;
    if (__atomic_compare_exchange_n(&type->ends, &none, ends, 0, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE))
        return ends;
    crmpi_heap_free(ends);
    return none;
}

/* Returns 0 if the type is not one of blocks. */
static int blocks_open(struct crmpi_type *type, struct blocks *b)
{
    const int *ints = type->ints;

    if (type->n_types != 1 || type->n_ints < 1)
        return 0;
    *b = (struct blocks){.type = type, .old = type->types[0], .n = ints[0]};
    b->old_bytes = size_of(b->old);
    switch (type->combiner) {
    case MPI_COMBINER_CONTIGUOUS:
        b->length = 1;
        break;
    case MPI_COMBINER_VECTOR:
    case MPI_COMBINER_HVECTOR:
    case MPI_COMBINER_INDEXED_BLOCK:
    case MPI_COMBINER_HINDEXED_BLOCK:
        b->length = ints[1];
        break;
    case MPI_COMBINER_INDEXED:
    case MPI_COMBINER_HINDEXED:
        b->ends = ends_of(type, b, ints + 1);
        break;
    case MPI_COMBINER_SUBARRAY:
        b->axis = subarray_axis(type, ints[0]);
        b->n = ints[1 + ints[0] + b->axis];
        b->length = 1;
        for (int i = 0; i < ints[0]; i++)
            b->length *= i == b->axis ? 1 : ints[1 + ints[0] + i];
        break;
    default:
        return 0;
    }
    return b->old_bytes > 0 && (b->length > 0 || b->ends);
}

static int64_t block_bytes(const struct blocks *b, int64_t i)
{
    if (!b->ends)
        return b->length * b->old_bytes;
    return i > 0 ? b->ends[i] - b->ends[i - 1] : b->ends[0];
}

/* The block in which a position is, or which begins there; *rest_out: how far in it. */
static int64_t block_find(const struct blocks *b, int64_t at, int64_t *rest_out)
{
    int64_t low = 0, high = b->n, middle;

    if (!b->ends) {
        *rest_out = at % block_bytes(b, 0);
        return at / block_bytes(b, 0);
    }
    while (low < high) { /* the first that ends behind it */
        middle = (low + high) / 2;
        if (b->ends[middle] > at)
            high = middle;
        else
            low = middle + 1;
    }
    *rest_out = low ? at - b->ends[low - 1] : at;
    return low;
}

/* Where in memory a block begins; not of a subarray, the offset of whose blocks is in
 * their types. */
static MPI_Aint block_offset(const struct blocks *b, int64_t i)
{
    const struct crmpi_type *type = b->type;

    switch (type->combiner) {
    case MPI_COMBINER_CONTIGUOUS:
        return i * extent_of(b->old);
    case MPI_COMBINER_VECTOR:
        return i * type->ints[2] * extent_of(b->old);
    case MPI_COMBINER_HVECTOR:
        return i * type->addresses[0];
    case MPI_COMBINER_INDEXED:
        return type->ints[1 + b->n + i] * extent_of(b->old);
    case MPI_COMBINER_INDEXED_BLOCK:
        return type->ints[2 + i] * extent_of(b->old);
    default:
        return type->addresses[i];
    }
}

static int subarray_make(const struct blocks *b, int64_t first, int64_t n, MPI_Datatype *out)
{
    const int *ints = b->type->ints;
    int dimensions = ints[0], all = 2 * dimensions;
    int *changed = malloc(all * sizeof *changed), error;

    if (!changed)
        return MPI_ERR_NO_MEM;
    for (int i = 0; i < all; i++)
        changed[i] = ints[1 + dimensions + i];
    changed[b->axis] = (int)n;
    changed[dimensions + b->axis] += (int)first;
    error = PMPI_Type_create_subarray(dimensions, ints + 1, changed, changed + dimensions,
                                      ints[1 + 3 * dimensions], real_of(b->old), out);
    free(changed);
    return error;
}

/* Some of the blocks; *offset_out: where in memory the new type is to be. */
static int blocks_make(const struct blocks *b, int64_t first, int64_t n,
                       MPI_Aint *offset_out, MPI_Datatype *out)
{
    const int *ints = b->type->ints;
    const MPI_Aint *addresses = b->type->addresses;
    MPI_Datatype old = real_of(b->old);
    int count = (int)n;

    *offset_out = 0;
    switch (b->type->combiner) {
    case MPI_COMBINER_CONTIGUOUS:
        *offset_out = block_offset(b, first);
        return PMPI_Type_contiguous(count, old, out);
    case MPI_COMBINER_VECTOR:
        *offset_out = block_offset(b, first);
        return PMPI_Type_vector(count, ints[1], ints[2], old, out);
    case MPI_COMBINER_HVECTOR:
        *offset_out = block_offset(b, first);
        return PMPI_Type_create_hvector(count, ints[1], addresses[0], old, out);
    case MPI_COMBINER_INDEXED:
        return PMPI_Type_indexed(count, ints + 1 + first, ints + 1 + b->n + first, old, out);
    case MPI_COMBINER_HINDEXED:
        return PMPI_Type_create_hindexed(count, ints + 1 + first, addresses + first, old,
                                         out);
    case MPI_COMBINER_INDEXED_BLOCK:
        return PMPI_Type_create_indexed_block(count, ints[1], ints + 2 + first, old, out);
    case MPI_COMBINER_HINDEXED_BLOCK:
        return PMPI_Type_create_hindexed_block(count, ints[1], addresses + first, old, out);
    default:
        return subarray_make(b, first, n, out);
    }
}

/*
 * Where it can be cut
 */

static int64_t cut_one(MPI_Datatype type, int64_t at);

static int64_t cut(int64_t count, MPI_Datatype type, int64_t at)
{
    int64_t bytes = size_of(type), rest = at % bytes;

    if (rest == 0 || at >= count * bytes)
        return at;
    return at - rest + (bytes < LEAST_BYTES ? bytes : cut_one(type, rest));
}

/* In one element. */
static int64_t cut_one(MPI_Datatype type, int64_t at)
{
    struct crmpi_type *recipe = recipe_of(type);
    struct blocks b;
    int64_t i, rest, bytes;

    if (recipe->combiner == MPI_COMBINER_DUP || recipe->combiner == MPI_COMBINER_RESIZED)
        return cut_one(recipe->types[0], at);
    if (!blocks_open(recipe, &b))
        return size_of(type);
    i = block_find(&b, at, &rest);
    if (rest == 0)
        return at;
    bytes = block_bytes(&b, i);
    if (bytes < LEAST_BYTES || recipe->combiner == MPI_COMBINER_SUBARRAY)
        return at - rest + bytes;
    return at - rest + cut(bytes / b.old_bytes, b.old, rest);
}

int64_t crmpi_slice_cut(int count, MPI_Datatype type, int64_t at)
{
    return cut(count, type, at);
}

/*
 * Making a slice
 */

struct parts {
    int n, error;
    int counts[PARTS_MAX];
    MPI_Aint offsets[PARTS_MAX];
    MPI_Datatype types[PARTS_MAX];
    enum { INNER, COMMITTED, MADE } kinds[PARTS_MAX]; /* INNER: as it may be, not committed */
};

static void part_add(struct parts *parts, int64_t count, MPI_Datatype real, MPI_Aint offset,
                     int kind)
{
    if (parts->n == PARTS_MAX) { /* types nested more than thirty times */
        parts->error = MPI_ERR_INTERN;
        if (kind == MADE)
            PMPI_Type_free(&real);
        return;
    }
    parts->counts[parts->n] = (int)count;
    parts->offsets[parts->n] = offset;
    parts->types[parts->n] = real;
    parts->kinds[parts->n++] = kind;
}

static void elements_add(struct parts *parts, int64_t count, MPI_Datatype type,
                         MPI_Aint offset)
{
    part_add(parts, count, real_of(type), offset,
             recipe_of(type)->is_committed ? COMMITTED : INNER);
}

static void add_one(struct parts *parts, MPI_Datatype type, int64_t from, int64_t to,
                    MPI_Aint offset);

static void add(struct parts *parts, MPI_Datatype type, int64_t from, int64_t to,
                MPI_Aint offset)
{
    int64_t bytes = size_of(type), first = from / bytes, last = to / bytes;
    MPI_Aint extent = extent_of(type);

    if (first == last) {
        add_one(parts, type, from % bytes, to % bytes, offset + first * extent);
        return;
    }
    if (from % bytes) {
        add_one(parts, type, from % bytes, bytes, offset + first * extent);
        first++;
    }
    if (first < last)
        elements_add(parts, last - first, type, offset + first * extent);
    if (to % bytes)
        add_one(parts, type, 0, to % bytes, offset + last * extent);
}

static void add_blocks(struct parts *parts, const struct blocks *b, int64_t from, int64_t to,
                       MPI_Aint offset)
{
    int64_t from_rest, to_rest, first = block_find(b, from, &from_rest),
                                last = block_find(b, to, &to_rest);
    MPI_Datatype made;
    MPI_Aint more;

    if (first == last) {
        add(parts, b->old, from_rest, to_rest, offset + block_offset(b, first));
        return;
    }
    if (from_rest) {
        add(parts, b->old, from_rest, block_bytes(b, first), offset + block_offset(b, first));
        first++;
    }
    if (first < last) {
        parts->error = blocks_make(b, first, last - first, &more, &made);
        if (parts->error != MPI_SUCCESS)
            return;
        part_add(parts, 1, made, offset + more, MADE);
    }
    if (to_rest)
        add(parts, b->old, 0, to_rest, offset + block_offset(b, last));
}

/* Of one element. */
static void add_one(struct parts *parts, MPI_Datatype type, int64_t from, int64_t to,
                    MPI_Aint offset)
{
    struct crmpi_type *recipe = recipe_of(type);
    struct blocks b;

    if (from == 0 && to == size_of(type))
        elements_add(parts, 1, type, offset);
    else if (recipe->combiner == MPI_COMBINER_DUP ||
             recipe->combiner == MPI_COMBINER_RESIZED)
        add_one(parts, recipe->types[0], from, to, offset);
    else if (blocks_open(recipe, &b))
        add_blocks(parts, &b, from, to, offset);
    else
        parts->error = MPI_ERR_INTERN; /* not a position where it can be cut */
}

static int is_alone(const struct parts *parts)
{
    return parts->n == 1 && parts->kinds[0] != INNER;
}

static int join(const struct parts *parts, struct crmpi_slice *out)
{
    int error = MPI_SUCCESS;

    *out = (struct crmpi_slice){parts->offsets[0], parts->counts[0], parts->types[0],
                                parts->kinds[0] == MADE};
    if (!is_alone(parts)) {
        *out = (struct crmpi_slice){.count = 1, .is_made = 1};
        error = PMPI_Type_create_struct(parts->n, parts->counts, parts->offsets,
                                        parts->types, &out->type);
    }
    return error == MPI_SUCCESS && out->is_made ? PMPI_Type_commit(&out->type) : error;
}

int crmpi_slice_make(MPI_Datatype type, int64_t from, int64_t to, struct crmpi_slice *out)
{
    struct parts parts = {.error = MPI_SUCCESS};
    int error;

    add(&parts, type, from, to, 0);
    error = parts.error == MPI_SUCCESS ? join(&parts, out) : parts.error;
    for (int i = 0; i < parts.n; i++)
        if (parts.kinds[i] == MADE && (!is_alone(&parts) || error != MPI_SUCCESS))
            PMPI_Type_free(&parts.types[i]);
    return error;
}

int crmpi_slice_place(struct crmpi_slice *slice)
{
    MPI_Datatype placed;
    int error;

    if (slice->offset == 0)
        return MPI_SUCCESS;
    error = PMPI_Type_create_hindexed(1, &slice->count, &slice->offset, slice->type,
                                      &placed);
    if (error != MPI_SUCCESS)
        return error;
    crmpi_slice_free(slice);
    *slice = (struct crmpi_slice){0, 1, placed, 1};
    return PMPI_Type_commit(&slice->type);
}

void crmpi_slice_free(struct crmpi_slice *slice)
{
    if (slice->is_made)
        PMPI_Type_free(&slice->type);
    slice->is_made = 0;
}

/*
 * How much
 */

int64_t crmpi_slice_bytes(int count, MPI_Datatype type)
{
    const struct crmpi_type *recipe = recipe_of(type);
    int64_t bytes;

    if (!recipe || ((const struct crmpi_handle *)type)->kind != CRMPI_TYPE || count <= 0 ||
        !recipe->is_committed)
        return -1;
    bytes = size_of(type);
    return bytes > 0 ? count * bytes : -1;
}

/* About how many bytes of one element lie together. */
static int64_t piece_bytes(MPI_Datatype type)
{
    struct crmpi_type *recipe = recipe_of(type);
    int64_t bytes = size_of(type);
    struct blocks b;

    if (recipe->combiner == MPI_COMBINER_NAMED || is_dense(1, type))
        return bytes;
    if (recipe->combiner == MPI_COMBINER_DUP || recipe->combiner == MPI_COMBINER_RESIZED)
        return piece_bytes(recipe->types[0]);
    if (!blocks_open(recipe, &b))
        return 1;
    if (recipe->combiner == MPI_COMBINER_CONTIGUOUS || !is_dense(2, b.old))
        return piece_bytes(b.old);
    if (recipe->combiner == MPI_COMBINER_SUBARRAY) {
        int n = recipe->ints[0], is_c = recipe->ints[1 + 3 * n] == MPI_ORDER_C;

        return recipe->ints[1 + n + (is_c ? n - 1 : 0)] * b.old_bytes;
    }
    return bytes / b.n;
}

int64_t crmpi_slice_limit(int count, MPI_Datatype type)
{
    int64_t piece = is_dense(count, type) ? CRMPI_SLICE_BYTES : piece_bytes(type);
    int64_t limit = CRMPI_SLICE_PIECES * (piece > 0 ? piece : 1); /* blocks may be empty */

    return limit < CRMPI_SLICE_BYTES ? limit : CRMPI_SLICE_BYTES;
}
