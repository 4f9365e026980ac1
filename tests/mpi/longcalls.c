/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls with so much data that one takes long: one-sided operations on types with gaps, of
 * all shapes, in windows of all flavours; accesses to a file by its pointer and at offsets;
 * MPI_Alltoallw.  The operations of a rank on its right neighbour's window follow from random
 * numbers that both know, and both keep a model of the window: so all elements of windows and
 * results are compared, also those between.  Second argument: how many times as much.  Third:
 * one call, which says when it begins and when it is over.
 */
#include "rma.h"

#define UNIT 64 /* elements of a shape are a multiple of it */
#define MANY 500
#define RANKS 64 /* at most */
#define GUARD (-7)
#define SHAPES 16
#define FILE_WORDS (((34 << 20) + 4096) / 8)
#define FILE_BLOCK 96

enum call { PUT, GET, ACCUMULATE, GET_ACCUMULATE, CALLS };

/* A count and a datatype, and where in memory its n elements are. */
struct shape {
    int count, n, end;
    MPI_Datatype type;
    int *at;
};

struct plan {
    enum call call;
    MPI_Op op;
    int n;
    struct shape origin, result, target;
};

/* A window of elements of one type; what must be in it, and in the right neighbour's. */
struct field {
    struct rma_window w;
    MPI_Datatype base;
    int bytes, cap;
    int64_t *in, *out;
};

static struct field fields[RMA_FLAVOURS];
static int left, right, most, scale = 1;

static int64_t load(const struct field *f, const void *memory, int i)
{
    return f->bytes == 4 ? ((const int32_t *)memory)[i] : ((const int64_t *)memory)[i];
}

static void store(const struct field *f, void *memory, int i, int64_t value)
{
    if (f->bytes == 4)
        ((int32_t *)memory)[i] = (int32_t)value;
    else
        ((int64_t *)memory)[i] = value;
}

/*
 * Shapes
 */

/* The elements of blocks, the i-th of lengths[i] at places[i]. */
static void lay(struct shape *s, int n_blocks, const int *lengths, const int *places)
{
    for (int i = 0, k = 0; i < n_blocks; i++)
        for (int j = 0; j < lengths[i]; j++)
            s->at[k++] = places[i] + j;
}

static void lay_strided(struct shape *s, int n_blocks, int block, int stride, int start)
{
    for (int i = 0; i < n_blocks * block; i++)
        s->at[start + i] = i / block * stride + i % block;
}

/* The first @p n elements again, @p times in all, @p extent apart. */
static void repeat(struct shape *s, int n, int times, int extent)
{
    for (int i = n; i < n * times; i++)
        s->at[i] = s->at[i % n] + i / n * extent;
}

static MPI_Datatype resized(MPI_Datatype type, int extent, int bytes)
{
    MPI_Datatype out;

    CHECK_MPI(MPI_Type_create_resized(type, 0, (MPI_Aint)extent * bytes, &out));
    CHECK_MPI(MPI_Type_free(&type));
    return out;
}

/* Blocks of random lengths or all of one; the recipe by elements or by bytes. */
static void shape_indexed(struct shape *s, const struct field *f, int is_block, int by_bytes,
                          uint64_t *state)
{
    int *lengths = check_alloc((size_t)s->n * 2 * sizeof *lengths);
    int *places = check_alloc((size_t)s->n * 2 * sizeof *places);
    MPI_Aint *addresses = check_alloc((size_t)s->n * 2 * sizeof *addresses);
    int block = 1 << check_below(state, 3), left_over = s->n, k = 0, at = 0;

    while (left_over > 0) {
        int length = is_block ? block : check_below(state, 4);

        lengths[k] = length < left_over ? length : left_over;
        places[k] = at;
        addresses[k] = (MPI_Aint)at * f->bytes;
        at += lengths[k] + check_below(state, 2);
        left_over -= lengths[k++];
        if (k == 2 * s->n - 1) { /* many blocks without an element: the rest in one */
            lengths[k] = left_over;
            places[k] = at;
            addresses[k++] = (MPI_Aint)at * f->bytes;
            left_over = 0;
        }
    }
    lay(s, k, lengths, places);
    if (is_block && by_bytes)
        CHECK_MPI(MPI_Type_create_hindexed_block(k, block, addresses, f->base, &s->type));
    else if (is_block)
        CHECK_MPI(MPI_Type_create_indexed_block(k, block, places, f->base, &s->type));
    else if (by_bytes)
        CHECK_MPI(MPI_Type_create_hindexed(k, lengths, addresses, f->base, &s->type));
    else
        CHECK_MPI(MPI_Type_indexed(k, lengths, places, f->base, &s->type));
    free(lengths);
    free(places);
    free(addresses);
}

/* UNIT / 8 planes or columns, some of them left out around. */
static void shape_subarray(struct shape *s, const struct field *f, int order)
{
    int sub[3] = {s->n / UNIT, 8, 8}, sizes[3] = {s->n / UNIT + 3, 9, 10};
    int starts[3] = {2, 1, 1};

    for (int i = 0; i < s->n; i++) {
        int x = starts[0] + i / 64, y = starts[1] + i / 8 % 8, z = starts[2] + i % 8;

        s->at[i] = (x * sizes[1] + y) * sizes[2] + z;
    }
    if (order == MPI_ORDER_FORTRAN) {
        int sub_f[3] = {8, 8, s->n / UNIT}, sizes_f[3] = {10, 9, s->n / UNIT + 3};
        int starts_f[3] = {1, 1, 2};

        CHECK_MPI(MPI_Type_create_subarray(3, sizes_f, sub_f, starts_f, order, f->base,
                                           &s->type));
    } else {
        CHECK_MPI(MPI_Type_create_subarray(3, sizes, sub, starts, order, f->base, &s->type));
    }
}

/* Vectors in something else: several, or a type of them. */
static void shape_nested(struct shape *s, const struct field *f, int kind, int block, int gap)
{
    int times = 4, n = s->n / times, blocks = n / block, stride = block + gap;
    int extent = (blocks - 1) * stride + block + 3;
    MPI_Datatype vector, more;

    CHECK_MPI(MPI_Type_vector(blocks, block, stride, f->base, &vector));
    vector = resized(vector, extent, f->bytes);
    lay_strided(s, blocks, block, stride, 0);
    repeat(s, n, times, extent);
    if (kind == 0) {
        s->count = times;
        s->type = vector;
        return;
    }
    if (kind == 1)
        CHECK_MPI(MPI_Type_contiguous(times, vector, &s->type));
    else {
        CHECK_MPI(MPI_Type_vector(2, 2, 2, vector, &more));
        CHECK_MPI(MPI_Type_dup(more, &s->type));
        CHECK_MPI(MPI_Type_free(&more));
    }
    CHECK_MPI(MPI_Type_free(&vector));
}

/* Two blocks of pairs.  Nobody has committed the type of a pair. */
static void shape_pairs(struct shape *s, const struct field *f)
{
    int pairs = s->n / 4, block = 2 * pairs;
    MPI_Datatype pair;

    CHECK_MPI(MPI_Type_create_struct(2, (int[]){1, 1}, (MPI_Aint[]){0, 2 * f->bytes},
                                     (MPI_Datatype[]){f->base, f->base}, &pair));
    CHECK_MPI(MPI_Type_vector(2, pairs, pairs + 1, pair, &s->type));
    CHECK_MPI(MPI_Type_free(&pair));
    for (int i = 0; i < s->n; i++)
        s->at[i] = i / block * (pairs + 1) * 3 + i % block / 2 * 3 + i % 2 * 2;
}

static struct shape shape_make(const struct field *f, int n, int kind, uint64_t *state)
{
    struct shape s = {.count = 1, .n = n, .type = f->base};
    int block = 1 << check_below(state, 4);
    int gap = 1 + check_below(state, 2), stride = block + gap;

    s.at = check_alloc((size_t)n * sizeof *s.at);
    lay_strided(&s, n / block, block, stride, 0);
    switch (kind) {
    case 0:
        lay_strided(&s, n, 1, 1, 0);
        s.count = n;
        break;
    case 1:
        CHECK_MPI(MPI_Type_vector(n / block, block, stride, f->base, &s.type));
        break;
    case 2:
        CHECK_MPI(MPI_Type_create_hvector(n / block, block, (MPI_Aint)stride * f->bytes,
                                          f->base, &s.type));
        break;
    case 3:
        lay_strided(&s, n, 1, 1 + gap, 0);
        CHECK_MPI(MPI_Type_dup(f->base, &s.type));
        s.type = resized(s.type, 1 + gap, f->bytes);
        s.count = n;
        break;
    case 4:
    case 5:
    case 6:
        shape_nested(&s, f, kind - 4, block, gap);
        break;
    case 7:
    case 8:
        shape_subarray(&s, f, kind == 7 ? MPI_ORDER_C : MPI_ORDER_FORTRAN);
        break;
    case 9:
        CHECK_MPI(MPI_Type_contiguous(block, f->base, &s.type));
        s.type = resized(s.type, stride, f->bytes);
        s.count = n / block;
        break;
    case 10:
        lay_strided(&s, n, 1, 1, 0);
        CHECK_MPI(MPI_Type_contiguous(n, f->base, &s.type));
        break;
    case 11:
        shape_pairs(&s, f);
        break;
    default:
        shape_indexed(&s, f, kind & 1, kind & 2, state);
        break;
    }
    if (s.type != f->base)
        CHECK_MPI(MPI_Type_commit(&s.type));
    for (int i = 0; i < n; i++)
        s.end = s.at[i] >= s.end ? s.at[i] + 1 : s.end;
    CHECK(s.end <= f->cap, "shape %d: %d of %d", kind, s.end, f->cap);
    return s;
}

static void shape_free(struct shape *s, const struct field *f)
{
    if (s->type != f->base)
        CHECK_MPI(MPI_Type_free(&s->type));
    free(s->at);
}

/*
 * One-sided operations
 */

static int64_t value_of(long step, int origin, int i)
{
    return (int64_t)(check_hash4((uint64_t)step, (uint64_t)origin, (uint64_t)i, 1) % 1000);
}

static struct plan plan_make(const struct field *f, long step, int origin)
{
    uint64_t state = check_hash4((uint64_t)step, (uint64_t)origin, 7, 7);
    struct plan p = {.call = check_below(&state, CALLS), .op = MPI_SUM};
    int is_wrong = f->w.flavour == RMA_CREATE || f->w.flavour == RMA_DYNAMIC;

    /* Open MPI 4.1.4 gives wrong results there where types have gaps, but with MPI_NO_OP */
    p.n = UNIT * (most / 2 + check_below(&state, most / 2));
    if (p.call == GET_ACCUMULATE && is_wrong)
        p.op = MPI_NO_OP;
    else if (p.call >= ACCUMULATE)
        p.op = (MPI_Op[]){MPI_SUM, MPI_SUM, MPI_REPLACE, MPI_MAX, MPI_NO_OP}[check_below(
            &state, p.call == ACCUMULATE ? 4 : 5)];
    p.origin = shape_make(f, p.n, check_below(&state, SHAPES), &state);
    p.result = shape_make(f, p.n, check_below(&state, SHAPES), &state);
    p.target = shape_make(f, p.n, check_below(&state, 4) ? check_below(&state, SHAPES) : 0,
                          &state);
    return p;
}

static void plan_free(struct plan *p, const struct field *f)
{
    shape_free(&p->origin, f);
    shape_free(&p->result, f);
    shape_free(&p->target, f);
}

/* What it does to the window: to the element that has been @p old. */
static int64_t after(const struct plan *p, int64_t old, int64_t value)
{
    if (p->call == GET || p->op == MPI_NO_OP)
        return old;
    if (p->call == PUT || p->op == MPI_REPLACE)
        return value;
    return p->op == MPI_SUM ? (int32_t)(old + value) : value > old ? value : old;
}

static void model_change(const struct plan *p, long step, int origin, int64_t *model)
{
    for (int i = 0; i < p->n; i++)
        model[p->target.at[i]] = after(p, model[p->target.at[i]], value_of(step, origin, i));
}

/* Memory of a shape, with elements that must not change before, between and behind. */
static void *guarded(const struct field *f, const struct shape *s)
{
    void *memory = check_alloc((size_t)(s->end + 1) * (size_t)f->bytes);

    for (int i = 0; i <= s->end; i++)
        store(f, memory, i, GUARD);
    return memory;
}

/* What came is what the model had. */
static void result_check(const struct field *f, const struct shape *s, const void *memory,
                         const int64_t *expected)
{
    int64_t *all = check_alloc((size_t)(s->end + 1) * sizeof *all);

    for (int i = 0; i <= s->end; i++)
        all[i] = GUARD;
    for (int i = 0; i < s->n; i++)
        all[s->at[i]] = expected[i];
    for (int i = 0; i <= s->end; i++)
        CHECK(load(f, memory, i) == all[i], "element %d of %d: found %ld, expected %ld", i,
              s->end, (long)load(f, memory, i), (long)all[i]);
    free(all);
}

static void operate(const struct field *f, const struct plan *p, void *origin, void *result)
{
    const struct shape *o = &p->origin, *r = &p->result, *t = &p->target;
    MPI_Aint disp = rma_disp(&f->w, right, 0);

    if (p->call == PUT)
        CHECK_MPI(MPI_Put(origin, o->count, o->type, right, disp, t->count, t->type,
                          f->w.win));
    else if (p->call == GET)
        CHECK_MPI(MPI_Get(result, r->count, r->type, right, disp, t->count, t->type,
                          f->w.win));
    else if (p->call == ACCUMULATE)
        CHECK_MPI(MPI_Accumulate(origin, o->count, o->type, right, disp, t->count, t->type,
                                 p->op, f->w.win));
    else
        CHECK_MPI(MPI_Get_accumulate(origin, o->count, o->type, result, r->count, r->type,
                                     right, disp, t->count, t->type, p->op, f->w.win));
}

static void synchronised(const struct field *f, const struct plan *p, long step,
                         void *origin, void *result)
{
    switch (check_mix((uint64_t)step) % 3) {
    case 0:
        CHECK_MPI(MPI_Win_fence(MPI_MODE_NOPRECEDE, f->w.win));
        operate(f, p, origin, result);
        CHECK_MPI(MPI_Win_fence(MPI_MODE_NOSUCCEED, f->w.win));
        break;
    case 1:
        CHECK_MPI(MPI_Win_lock(MPI_LOCK_EXCLUSIVE, right, 0, f->w.win));
        operate(f, p, origin, result);
        CHECK_MPI(MPI_Win_unlock(right, f->w.win));
        break;
    default:
        CHECK_MPI(MPI_Win_lock_all(0, f->w.win));
        operate(f, p, origin, result);
        CHECK_MPI(MPI_Win_flush(right, f->w.win));
        CHECK_MPI(MPI_Win_unlock_all(f->w.win));
        break;
    }
    CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
}

static void window_check(const struct field *f)
{
    CHECK_MPI(MPI_Win_lock(MPI_LOCK_SHARED, check_rank, 0, f->w.win));
    for (int i = 0; i < f->cap; i++)
        CHECK(load(f, f->w.base, i) == f->in[i],
              "flavour %d, element %d: found %ld, expected %ld", f->w.flavour, i,
              (long)load(f, f->w.base, i), (long)f->in[i]);
    CHECK_MPI(MPI_Win_unlock(check_rank, f->w.win));
    CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
}

static void one_sided(struct field *f, long step)
{
    struct plan mine = plan_make(f, step, check_rank), theirs = plan_make(f, step, left);
    void *origin = guarded(f, &mine.origin), *result = guarded(f, &mine.result);
    int64_t *before = check_alloc((size_t)mine.n * sizeof *before);

    for (int i = 0; i < mine.n; i++) {
        store(f, origin, mine.origin.at[i], value_of(step, check_rank, i));
        before[i] = f->out[mine.target.at[i]];
    }
    synchronised(f, &mine, step, origin, result);
    if (mine.call == GET || mine.call == GET_ACCUMULATE)
        result_check(f, &mine.result, result, before);
    model_change(&mine, step, check_rank, f->out);
    model_change(&theirs, step, left, f->in);
    window_check(f);
    check_note((uint64_t)mine.n + (uint64_t)f->in[mine.n]);
    plan_free(&mine, f);
    plan_free(&theirs, f);
    free(origin);
    free(result);
    free(before);
}

/*
 * A file: a part of it for each rank
 */

static void words_fill(int64_t *words, int n, int block, long step)
{
    for (int i = 0; i < n; i++)
        words[i / block * (block + 1) + i % block] = step * 1000003 + i * 7 + check_rank;
}

static void words_check(const int64_t *words, int n, int block, long step)
{
    for (int i = 0; i < n; i++)
        CHECK_EQ(words[i / block * (block + 1) + i % block],
                 step * 1000003 + i * 7 + check_rank);
}

/* Write what the step says and read it: by the pointer or at an offset, from memory without
 * gaps or with them, as many elements or as one. */
static void transfer(MPI_File file, long step, int64_t *words)
{
    uint64_t state = check_hash4((uint64_t)step, (uint64_t)check_rank, 9, 9);
    int is_at = check_below(&state, 2), has_gaps = check_below(&state, 2);
    int n_blocks = FILE_WORDS / FILE_BLOCK - check_below(&state, 9999);
    int n = n_blocks * FILE_BLOCK, block = has_gaps ? FILE_BLOCK : n, count = n, found;
    MPI_Offset start = check_below(&state, 100), position;
    MPI_Datatype type = MPI_INT64_T;
    MPI_Status status;

    if (has_gaps) {
        CHECK_MPI(MPI_Type_vector(n_blocks, block, block + 1, MPI_INT64_T, &type));
        count = 1;
    } else if (check_below(&state, 2)) {
        CHECK_MPI(MPI_Type_contiguous(n, MPI_INT64_T, &type));
        count = 1;
    }
    CHECK_MPI(MPI_Type_commit(&type));
    words_fill(words, n, block, step);
    CHECK_MPI(MPI_File_seek(file, start, MPI_SEEK_SET));
    if (is_at)
        CHECK_MPI(MPI_File_write_at(file, start, words, count, type, &status));
    else
        CHECK_MPI(MPI_File_write(file, words, count, type, &status));
    CHECK_MPI(MPI_Get_count(&status, MPI_INT64_T, &found));
    CHECK_EQ(found, n);
    CHECK_MPI(MPI_Get_count(&status, type, &found));
    CHECK_EQ(found, count);
    CHECK_MPI(MPI_File_get_position(file, &position));
    CHECK_EQ(position, is_at ? start : start + n);
    memset(words, 0, (size_t)n * sizeof *words);
    CHECK_MPI(MPI_File_seek(file, start, MPI_SEEK_SET));
    if (is_at)
        CHECK_MPI(MPI_File_read(file, words, count, type, &status));
    else
        CHECK_MPI(MPI_File_read_at(file, start, words, count, type, MPI_STATUS_IGNORE));
    CHECK_MPI(MPI_File_get_position(file, &position));
    CHECK_EQ(position, is_at ? start + n : start);
    words_check(words, n, block, step);
    check_note((uint64_t)n + (uint64_t)start);
    if (type != MPI_INT64_T)
        CHECK_MPI(MPI_Type_free(&type));
}

/* A word of many; also where most blocks of the type are empty. */
static MPI_Datatype one_of(int words, int is_block)
{
    int lengths[100] = {[7] = 1}, places[100] = {0};
    MPI_Datatype block, type;

    CHECK_MPI(MPI_Type_indexed(is_block ? 100 : 1, is_block ? lengths : lengths + 7, places,
                               MPI_INT64_T, &block));
    CHECK_MPI(MPI_Type_create_resized(block, 0, words * 8, &type));
    CHECK_MPI(MPI_Type_commit(&type));
    CHECK_MPI(MPI_Type_free(&block));
    return type;
}

/* The same where each rank has every n-th word: written and read in a view with gaps. */
static void transfer_gaps(MPI_File file, long step, int64_t *words)
{
    int n = most * UNIT * 6;
    MPI_Datatype type = one_of(check_size + 1, step % 2);
    MPI_Status status;
    MPI_Offset position;
    int found;

    CHECK_MPI(MPI_File_set_view(file, check_rank * 8, MPI_INT64_T, type, "native",
                                MPI_INFO_NULL));
    CHECK_MPI(MPI_Type_free(&type));
    words_fill(words, n, n, step);
    CHECK_MPI(MPI_File_write(file, words, n, MPI_INT64_T, &status));
    CHECK_MPI(MPI_Get_count(&status, MPI_INT64_T, &found));
    CHECK_EQ(found, n);
    CHECK_MPI(MPI_File_get_position(file, &position));
    CHECK_EQ(position, n);
    memset(words, 0, (size_t)n * sizeof *words);
    CHECK_MPI(MPI_File_read_at(file, 0, words, n, MPI_INT64_T, &status));
    CHECK_MPI(MPI_Get_count(&status, MPI_INT64_T, &found));
    CHECK_EQ(found, n);
    words_check(words, n, n, step);
}

/* What is behind the end is not read.  All have written as far as here. */
static void read_over_end(MPI_File file, int64_t *words)
{
    const int n = FILE_WORDS, beyond = FILE_WORDS / 3;
    MPI_Offset position, bytes;
    MPI_Status status;
    int found;

    CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
    CHECK_MPI(MPI_File_set_view(file, 0, MPI_INT64_T, MPI_INT64_T, "native", MPI_INFO_NULL));
    CHECK_MPI(MPI_File_set_size(file, (MPI_Offset)n * 8 * check_size));
    CHECK_MPI(MPI_File_get_size(file, &bytes));
    for (int i = 0; i < n; i++)
        words[i] = GUARD;
    CHECK_MPI(MPI_File_read_at(file, bytes / 8 - n + beyond, words, n, MPI_INT64_T, &status));
    CHECK_MPI(MPI_Get_count(&status, MPI_INT64_T, &found));
    CHECK_EQ(found, n - beyond);
    CHECK_MPI(MPI_File_seek(file, bytes / 8 - n + beyond, MPI_SEEK_SET));
    CHECK_MPI(MPI_File_read(file, words, n, MPI_INT64_T, &status));
    CHECK_MPI(MPI_Get_count(&status, MPI_INT64_T, &found));
    CHECK_EQ(found, n - beyond);
    CHECK_MPI(MPI_File_get_position(file, &position));
    CHECK(position >= bytes / 8, "the pointer, %ld, is behind what was read", (long)position);
}

static void file_step(long step)
{
    int gaps = most * UNIT * 6 * 8;
    int64_t *words = check_alloc(FILE_WORDS * 9 > gaps ? FILE_WORDS * 9u : (size_t)gaps);
    MPI_File file;

    CHECK_MPI(MPI_File_open(MPI_COMM_WORLD, "longcalls.bin", MPI_MODE_CREATE | MPI_MODE_RDWR,
                            MPI_INFO_NULL, &file));
    CHECK_MPI(MPI_File_set_view(file, check_rank * (MPI_Offset)FILE_WORDS * 8, MPI_INT64_T,
                                MPI_INT64_T, "native", MPI_INFO_NULL));
    for (int i = 0; i < scale; i++)
        transfer(file, step, words);
    read_over_end(file, words);
    transfer_gaps(file, step, words);
    CHECK_MPI(MPI_File_close(&file));
    free(words);
}

/*
 * Collectives
 */

/* Every second element of as many as the pair of ranks has. */
static int pair_n(long step, int from, int to)
{
    return (int)(check_hash4((uint64_t)step, (uint64_t)from, (uint64_t)to, 3) % 1000) *
           UNIT * scale;
}

static void exchange(long step)
{
    size_t bytes = (size_t)check_size * 2000 * UNIT * (size_t)scale * sizeof(int);
    int *out = check_alloc(bytes), *in = check_alloc(bytes), n = check_size;
    int counts[RANKS] = {0}, places[RANKS] = {0};
    MPI_Datatype out_types[RANKS] = {0}, in_types[RANKS] = {0};

    CHECK(n <= RANKS, "too many ranks");
    memset(in, 0, bytes);
    memset(out, 0, bytes);
    for (int r = 0; r < n; r++) {
        counts[r] = 1;
        places[r] = r * 2000 * UNIT * scale * (int)sizeof(int);
        for (int i = 0; i < 2000 * UNIT * scale; i++)
            out[r * 2000 * UNIT * scale + i] = (int)step + check_rank * 31 + r + i;
        CHECK_MPI(MPI_Type_vector(pair_n(step, check_rank, r), 1, 2, MPI_INT, &out_types[r]));
        CHECK_MPI(MPI_Type_vector(pair_n(step, r, check_rank), 1, 2, MPI_INT, &in_types[r]));
        CHECK_MPI(MPI_Type_commit(&out_types[r]));
        CHECK_MPI(MPI_Type_commit(&in_types[r]));
    }
    CHECK_MPI(MPI_Alltoallw(out, counts, places, out_types, in, counts, places, in_types,
                            MPI_COMM_WORLD));
    for (int r = 0; r < n; r++) {
        for (int i = 0, all = pair_n(step, r, check_rank); i < 1000 * UNIT * scale; i++) {
            const int *at = &in[r * 2000 * UNIT * scale + 2 * i];

            CHECK_EQ(at[0], i < all ? (int)step + r * 31 + check_rank + 2 * i : 0);
            CHECK_EQ(at[1], 0);
        }
        CHECK_MPI(MPI_Type_free(&out_types[r]));
        CHECK_MPI(MPI_Type_free(&in_types[r]));
    }
    free(out);
    free(in);
}

static void field_open(struct field *f, enum rma_flavour flavour)
{
    f->base = flavour % 2 ? MPI_INT64_T : MPI_INT32_T;
    f->bytes = flavour % 2 ? 8 : 4;
    f->cap = most * UNIT * 3 + 1000;
    rma_open(&f->w, flavour, MPI_COMM_WORLD, (size_t)f->cap * (size_t)f->bytes,
             flavour == RMA_CREATE ? 16 : f->bytes, MPI_INFO_NULL);
    f->in = check_alloc((size_t)f->cap * sizeof *f->in);
    f->out = check_alloc((size_t)f->cap * sizeof *f->out);
    memset(f->in, 0, (size_t)f->cap * sizeof *f->in);
    memset(f->out, 0, (size_t)f->cap * sizeof *f->out);
}

/*
 * One call of seconds, with another in the other ranks that waits for it
 */

static void say(const char *call, const char *what)
{
    if (check_rank == 0) {
        printf("%s %s\n", call, what);
        fflush(stdout);
    }
}

/* Of elements with gaps, on memory of the other rank's own. */
static void one_operation(const char *call, MPI_Win win, int n)
{
    int *out = check_alloc((size_t)n * 8), *in = check_alloc((size_t)n * 8);
    MPI_Request request = MPI_REQUEST_NULL;
    MPI_Datatype type;

    CHECK_MPI(MPI_Type_vector(n, 1, 2, MPI_INT, &type));
    CHECK_MPI(MPI_Type_commit(&type));
    for (int i = 0; i < 2 * n; i++) {
        out[i] = i * 3;
        in[i] = GUARD;
    }
    say(call, "begins");
    if (strcmp(call, "put") == 0)
        CHECK_MPI(MPI_Put(out, 1, type, 1, 0, 1, type, win));
    else if (strcmp(call, "get") == 0)
        CHECK_MPI(MPI_Get(in, 1, type, 1, 0, 1, type, win));
    else if (strcmp(call, "accumulate") == 0)
        CHECK_MPI(MPI_Accumulate(out, 1, type, 1, 0, 1, type, MPI_SUM, win));
    else if (strcmp(call, "raccumulate") == 0)
        CHECK_MPI(MPI_Raccumulate(out, 1, type, 1, 0, 1, type, MPI_SUM, win, &request));
    else
        CHECK_MPI(MPI_Get_accumulate(NULL, 0, MPI_INT, in, 1, type, 1, 0, 1, type,
                                     MPI_NO_OP, win));
    say(call, "is over");
    CHECK_MPI(MPI_Wait(&request, MPI_STATUS_IGNORE));
    CHECK_MPI(MPI_Win_flush(1, win));
    for (int i = 0; i < 2 * n && call[0] == 'g'; i++)
        CHECK_EQ(in[i], i % 2 ? GUARD : i + 1);
    CHECK_MPI(MPI_Type_free(&type));
    free(out);
    free(in);
}

static void one_window(const char *call, int n)
{
    int *memory = check_alloc((size_t)n * 8), puts = strcmp(call, "put") == 0;
    MPI_Win win;

    for (int i = 0; i < 2 * n; i++)
        memory[i] = i + 1;
    CHECK_MPI(MPI_Win_create(memory, (MPI_Aint)n * 8, 4, MPI_INFO_NULL, MPI_COMM_WORLD,
                             &win));
    CHECK_MPI(MPI_Win_lock_all(0, win));
    CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
    if (check_rank == 0)
        one_operation(call, win, n);
    CHECK_MPI(MPI_Win_unlock_all(win));
    CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
    for (int i = 0; i < 2 * n && check_rank == 1; i++)
        CHECK_EQ(memory[i], i % 2 || call[0] == 'g' ? i + 1 : puts ? i * 3 : i * 4 + 1);
    CHECK_MPI(MPI_Win_free(&win));
    free(memory);
}

/* A put between fences, to memory without gaps: a rank saved alone meanwhile logs it. */
static void one_fenced(const char *call, int n)
{
    int *memory = check_alloc((size_t)n * 4), *out = check_alloc((size_t)n * 8);
    MPI_Datatype type;
    MPI_Win win;

    CHECK_MPI(MPI_Type_vector(n, 1, 2, MPI_INT, &type));
    CHECK_MPI(MPI_Type_commit(&type));
    for (int i = 0; i < n; i++)
        memory[i] = out[2 * i + 1] = GUARD, out[2 * i] = i * 5;
    CHECK_MPI(MPI_Win_create(memory, (MPI_Aint)n * 4, 4, MPI_INFO_NULL, MPI_COMM_WORLD,
                             &win));
    CHECK_MPI(MPI_Win_fence(0, win));
    say(call, "begins");
    if (check_rank == 0)
        CHECK_MPI(MPI_Put(out, 1, type, 1, 0, n, MPI_INT, win));
    say(call, "is over");
    CHECK_MPI(MPI_Win_fence(0, win));
    for (int i = 0; i < n; i++)
        CHECK_EQ(memory[i], check_rank == 1 ? i * 5 : GUARD);
    CHECK_MPI(MPI_Win_free(&win));
    CHECK_MPI(MPI_Type_free(&type));
    free(memory);
    free(out);
}

/* Words with gaps in the file, which the library looks at one by one. */
static void one_file(const char *call, int n)
{
    int64_t *words = check_alloc((size_t)n * 8);
    MPI_Offset position;
    MPI_Datatype type;
    MPI_Status status;
    MPI_File file;
    int found;

    CHECK_MPI(MPI_File_open(MPI_COMM_WORLD, "longcalls.bin", MPI_MODE_CREATE | MPI_MODE_RDWR,
                            MPI_INFO_NULL, &file));
    CHECK_MPI(MPI_Type_create_resized(MPI_INT64_T, 0, 16, &type));
    CHECK_MPI(MPI_Type_commit(&type));
    CHECK_MPI(MPI_File_set_view(file, 0, MPI_INT64_T, type, "native", MPI_INFO_NULL));
    words_fill(words, n, n, 1);
    say(call, "begins");
    if (check_rank == 0) {
        CHECK_MPI(MPI_File_write(file, words, n, MPI_INT64_T, &status));
        CHECK_MPI(MPI_Get_count(&status, MPI_INT64_T, &found));
        CHECK_EQ(found, n);
    }
    say(call, "is over");
    CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
    CHECK_MPI(MPI_File_get_position(file, &position));
    CHECK_EQ(position, check_rank ? 0 : n);
    if (check_rank == 0) {
        memset(words, 0, (size_t)n * 8);
        CHECK_MPI(MPI_File_read_at(file, 0, words, n, MPI_INT64_T, MPI_STATUS_IGNORE));
        words_check(words, n, n, 1);
    }
    CHECK_MPI(MPI_File_close(&file));
    CHECK_MPI(MPI_Type_free(&type));
    free(words);
}

static void one(const char *call)
{
    const int n = scale * 100000;

    if (strcmp(call, "write") == 0)
        one_file(call, n);
    else if (strcmp(call, "fenced") == 0)
        one_fenced(call, n);
    else if (strcmp(call, "alltoallw") != 0)
        one_window(call, n);
    else {
        CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
        say(call, "begins");
        exchange(1);
        say(call, "is over");
    }
}

int main(int argc, char **argv)
{
    long steps;

    MPI_Init(&argc, &argv);
    steps = check_begin("longcalls", argc, argv, 24);
    scale = argc > 2 ? atoi(argv[2]) : 1;
    most = MANY * scale;
    left = (check_rank + check_size - 1) % check_size;
    right = (check_rank + 1) % check_size;
    if (argc > 3)
        one(argv[3]);
    for (int i = 0; i < RMA_FLAVOURS; i++)
        field_open(&fields[i], i);
    for (long step = 0; step < steps; step++) {
        one_sided(&fields[step % 5 < 4 ? step % 5 : RMA_CREATE], step);
        if (step % 6 == 3)
            file_step(step);
        if (step % 6 == 5)
            exchange(step);
    }
    for (int i = 0; i < RMA_FLAVOURS; i++) {
        rma_close(&fields[i].w);
        free(fields[i].in);
        free(fields[i].out);
    }
    check_end(steps);
    MPI_Finalize();
    return 0;
}
