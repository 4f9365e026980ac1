/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nonblocking reductions by operations that are not commutative, allocate memory, take a
 * lock of libc's, and count their calls; of types with gaps, in place, between two groups,
 * several at a time, and while the program allocates, too.  A call is made in a thread of
 * the program's, with its thread-local data.  With "threads": by blocking calls of several
 * threads, each on a communicator of its own.
 */
#include <pthread.h>
#include <stddef.h>

#include "check.h"
#include "persistent.h"

enum { N_MAX = 40, N_THREADS = 3 };
static const uint64_t prime = 1000003;

/* x -> a x + b; with a gap, and one behind. */
struct map {
    int32_t a;
    int32_t gap;
    int64_t b;
    int64_t padding;
};

static MPI_Datatype map_type;
static MPI_Op then, larger; /* not commutative, and commutative */
static uint64_t state;
static __thread uint64_t n_calls;
static __thread int is_known; /* the threads that may call an operation */

static struct map map_of(long step, int rank, int i)
{
    uint64_t hash = check_hash4((uint64_t)step, (uint64_t)rank, (uint64_t)i, 5);

    return (struct map){(int32_t)(1 + hash % 1000), -1, (int64_t)(hash / 1000 % prime), -2};
}

/* Only what belongs to the type. */
static void set(struct map *to, struct map m)
{
    to->a = m.a;
    to->b = m.b;
}

/* First f, then g. */
static struct map compose(struct map f, struct map g)
{
    return (struct map){(int32_t)((uint64_t)f.a * (uint64_t)g.a % prime), -1,
                        (int64_t)(((uint64_t)g.a * (uint64_t)f.b + (uint64_t)g.b) % prime),
                        -2};
}

static struct map max_of(struct map f, struct map g)
{
    return (struct map){f.a > g.a ? f.a : g.a, -1, f.b > g.b ? f.b : g.b, -2};
}

/* What must not be done while another thread is stopped in the middle of it. */
static void use_libc(void)
{
    void *blocks[8];
    char text[64];

    CHECK(is_known, "an operation is called in a thread that is not the program's");
    for (int i = 0; i < 8; i++)
        memset(blocks[i] = check_alloc(24 + 200 * (size_t)i), 90 + i, 24);
    for (int i = 0; i < 8; i++) {
        CHECK_BYTES(blocks[i], 24, 90 + i);
        free(blocks[i]);
    }
    snprintf(text, sizeof text, "%d %f", rand(), 0.5);
    n_calls++;
}

static void call_then(void *in, void *inout, int *n, MPI_Datatype *type)
{
    const struct map *f = in;
    struct map *g = inout;

    CHECK(*type == map_type, "the operation is given another type");
    for (int i = 0; i < *n; i++)
        set(&g[i], compose(f[i], g[i]));
    use_libc();
}

static void call_larger(void *in, void *inout, int *n, MPI_Datatype *type)
{
    const struct map *f = in;
    struct map *g = inout;

    (void)type;
    for (int i = 0; i < *n; i++)
        set(&g[i], max_of(f[i], g[i]));
    use_libc();
}

/* Of the ranks from the first on. */
static struct map expected(int is_then, long step, int first, int n_ranks, int i)
{
    struct map m = map_of(step, first, i);

    for (int rank = first + 1; rank < first + n_ranks; rank++)
        m = is_then ? compose(m, map_of(step, rank, i)) : max_of(m, map_of(step, rank, i));
    return m;
}

static void check_maps(const struct map *found, int is_then, long step, int first,
                       int n_ranks, int from, int n)
{
    for (int i = 0; i < n; i++) {
        struct map m = expected(is_then, step, first, n_ranks, from + i);

        CHECK_EQ(found[i].a, m.a);
        CHECK_EQ(found[i].b, m.b);
    }
}

static void fill(struct map *maps, long step, int rank, int n)
{
    for (int i = 0; i < n; i++)
        maps[i] = map_of(step, rank, i);
}

struct running {
    int kind, is_then, root, n, in_place;
    long step;
    struct map *in, *out;
    int *counts;
    MPI_Request request;
};

static void begin(struct running *r, MPI_Comm comm, int rank, int size, uint64_t *common)
{
    const void *in;
    MPI_Op op;

    r->kind = check_below(common, 6);
    r->is_then = check_below(common, 2);
    r->root = check_below(common, size);
    r->n = check_below(common, N_MAX) + size * (r->kind >= 4);
    r->in_place = check_below(common, 3) == 0;
    r->step = (long)(check_random(common) >> 8);
    if (r->kind == 4)
        r->n = size * (1 + r->n % 5);
    r->in = check_alloc(sizeof *r->in * (size_t)r->n);
    r->out = check_alloc(sizeof *r->out * (size_t)r->n);
    r->counts = calloc((size_t)size, sizeof *r->counts);
    fill(r->in, r->step, rank, r->n);
    fill(r->out, r->step, rank, r->n);
    for (int i = 0; i < r->n; i++)
        r->counts[r->kind == 5 ? (i * 7 + i / 3) % size : i % size]++;
    op = r->is_then ? then : larger;
    in = r->in_place && (r->kind != 0 || rank == r->root) ? MPI_IN_PLACE : r->in;
    switch (r->kind) {
    case 0:
        CHECK_MPI(MPI_Ireduce(in, r->out, r->n, map_type, op, r->root, comm, &r->request));
        break;
    case 1:
        CHECK_MPI(MPI_Iallreduce(in, r->out, r->n, map_type, op, comm, &r->request));
        break;
    case 2:
        CHECK_MPI(MPI_Iscan(in, r->out, r->n, map_type, op, comm, &r->request));
        break;
    case 3:
        CHECK_MPI(MPI_Iexscan(in, r->out, r->n, map_type, op, comm, &r->request));
        break;
    case 4:
        CHECK_MPI(MPI_Ireduce_scatter_block(in, r->out, r->n / size, map_type, op, comm,
                                            &r->request));
        break;
    default:
        CHECK_MPI(MPI_Ireduce_scatter(in, r->out, r->counts, map_type, op, comm,
                                      &r->request));
    }
}

static void finish(struct running *r, int rank, int size)
{
    int first = 0;

    for (int i = 0; i < rank; i++)
        first += r->counts[i];
    switch (r->kind) {
    case 0:
        if (rank == r->root)
            check_maps(r->out, r->is_then, r->step, 0, size, 0, r->n);
        break;
    case 1:
        check_maps(r->out, r->is_then, r->step, 0, size, 0, r->n);
        break;
    case 2:
        check_maps(r->out, r->is_then, r->step, 0, rank + 1, 0, r->n);
        break;
    case 3:
        if (rank > 0)
            check_maps(r->out, r->is_then, r->step, 0, rank, 0, r->n);
        break;
    default:
        check_maps(r->out, r->is_then, r->step, 0, size, first, r->counts[rank]);
    }
    check_note((uint64_t)r->n);
    free(r->in);
    free(r->out);
    free(r->counts);
}

static void work(void)
{
    static void *blocks[64];

    for (int i = 0; i < 20000; i++) {
        int k = check_below(&state, 64);

        free(blocks[k]);
        blocks[k] = check_alloc(16 + (size_t)check_below(&state, 600));
        memset(blocks[k], k, 16);
    }
    for (int k = 0; k < 64; k++)
        if (blocks[k])
            CHECK_BYTES(blocks[k], 16, k);
    if (check_below(&state, 4) == 0)
        check_sleep_ms(3);
}

/* Several at a time, and what is on its way meanwhile: a message that another rank sends
 * only when its own are over. */
static void several(MPI_Comm comm, uint64_t *common)
{
    struct running running[4];
    MPI_Request requests[4];
    int rank, size, n, k = 4, value = -1;

    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &size);
    n = 1 + check_below(common, 4);
    for (int i = 0; i < n; i++) {
        begin(&running[i], comm, rank, size, common);
        requests[i] = running[i].request;
        if (check_below(&state, 3) == 0)
            work();
    }
    work();
    if (rank < size - 1) { /* makes progress for the others */
        CHECK_MPI(MPI_Recv(&value, 1, MPI_INT, rank + 1, 1, comm, MPI_STATUS_IGNORE));
        CHECK_EQ(value, rank + 1);
    }
    switch (check_below(&state, 3)) {
    case 0:
        CHECK_MPI(MPI_Waitall(n, requests, MPI_STATUSES_IGNORE));
        break;
    case 1:
        for (int flag = 0; !flag; work())
            CHECK_MPI(MPI_Testall(n, requests, &flag, MPI_STATUSES_IGNORE));
        break;
    default:
        for (int i = 0; i < n; i++)
            CHECK_MPI(MPI_Waitany(n, requests, &k, MPI_STATUS_IGNORE));
    }
    if (rank > 0)
        CHECK_MPI(MPI_Send(&rank, 1, MPI_INT, rank - 1, 1, comm));
    for (int i = 0; i < n; i++)
        finish(&running[i], rank, size);
}

/* The two groups give each other what theirs has. */
static void between(MPI_Comm inter, int is_high, int n_low, int size, long step)
{
    struct map in[N_MAX], out[N_MAX];
    int first = is_high ? 0 : n_low, n_there = is_high ? n_low : size - n_low;
    int n = 1 + (int)(step % N_MAX), root;
    MPI_Request request;

    fill(in, step, check_rank, n);
    CHECK_MPI(MPI_Iallreduce(in, out, n, map_type, then, inter, &request));
    work();
    CHECK_MPI(MPI_Wait(&request, MPI_STATUS_IGNORE));
    check_maps(out, 1, step, first, n_there, 0, n);
    root = is_high ? 0 : check_rank == n_low - 1 ? MPI_ROOT : MPI_PROC_NULL;
    if (is_high)
        root = n_low - 1;
    CHECK_MPI(MPI_Ireduce(in, out, n, map_type, then, root, inter, &request));
    work();
    CHECK_MPI(MPI_Wait(&request, MPI_STATUS_IGNORE));
    if (root == MPI_ROOT)
        check_maps(out, 1, step, n_low, size - n_low, 0, n);
}

/* A persistent one, started anew with other data; it may be active over a checkpoint, or not. */
static struct map again_in[N_MAX], again_out[N_MAX];
static MPI_Request again_request;

static void again_begin(void)
{
    CHECK_MPI(MPI_Allreduce_init(again_in, again_out, N_MAX, map_type, then,
                                 MPI_COMM_WORLD, MPI_INFO_NULL, &again_request));
}

static void again(long step)
{
    fill(again_in, step, check_rank, N_MAX);
    CHECK_MPI(MPI_Start(&again_request));
    work();
    CHECK_MPI(MPI_Wait(&again_request, MPI_STATUS_IGNORE));
    check_maps(again_out, 1, step, 0, check_size, 0, N_MAX);
    work();
}

static void again_end(void)
{
    CHECK_MPI(MPI_Request_free(&again_request));
}

/*
 * threads
 */

struct job {
    MPI_Comm comm;
    long step;
};

static void *run_thread(void *data)
{
    const struct job *job = data;
    struct map in[N_MAX], out[N_MAX];
    int rank, size;

    is_known = 1;
    MPI_Comm_rank(job->comm, &rank);
    MPI_Comm_size(job->comm, &size);
    for (int turn = 0; turn < 6; turn++) {
        long step = job->step * 10 + turn;
        int n = 1 + (int)(step % N_MAX);

        fill(in, step, rank, n);
        switch (turn % 3) {
        case 0:
            CHECK_MPI(MPI_Allreduce(in, out, n, map_type, then, job->comm));
            check_maps(out, 1, step, 0, size, 0, n);
            break;
        case 1:
            CHECK_MPI(MPI_Scan(in, out, n, map_type, then, job->comm));
            check_maps(out, 1, step, 0, rank + 1, 0, n);
            break;
        default:
            CHECK_MPI(MPI_Reduce(in, out, n, map_type, larger, size - 1, job->comm));
            if (rank == size - 1)
                check_maps(out, 0, step, 0, size, 0, n);
        }
        if (rank == turn % size)
            check_sleep_ms(2);
    }
    return NULL;
}

static void threads(MPI_Comm comms[N_THREADS], long step)
{
    pthread_t ids[N_THREADS];
    struct job jobs[N_THREADS];

    for (int i = 0; i < N_THREADS; i++) {
        jobs[i] = (struct job){comms[i], step * N_THREADS + i};
        CHECK_EQ(pthread_create(&ids[i], NULL, run_thread, &jobs[i]), 0);
    }
    for (int i = 0; i < N_THREADS; i++)
        CHECK_EQ(pthread_join(ids[i], NULL), 0);
}

static void type_make(void)
{
    struct map m;
    int lengths[2] = {1, 1};
    MPI_Aint places[2] = {offsetof(struct map, a), offsetof(struct map, b)};
    MPI_Datatype parts[2] = {MPI_INT32_T, MPI_INT64_T}, narrow;

    MPI_Type_create_struct(2, lengths, places, parts, &narrow);
    MPI_Type_create_resized(narrow, 0, sizeof m, &map_type);
    MPI_Type_commit(&map_type);
    MPI_Type_free(&narrow);
}

int main(int argc, char **argv)
{
    int provided, is_multiple = argc > 2 && strcmp(argv[2], "threads") == 0, n_low;
    MPI_Comm half, reversed, inter = MPI_COMM_NULL, comms[N_THREADS];
    uint64_t common, common_half;
    long steps;

    MPI_Init_thread(&argc, &argv, is_multiple ? MPI_THREAD_MULTIPLE : MPI_THREAD_SINGLE,
                    &provided);
    steps = check_begin("user_ops", argc, argv, 60);
    is_known = 1;
    type_make();
    MPI_Op_create(call_then, 0, &then);
    MPI_Op_create(call_larger, 1, &larger);
    n_low = (check_size + 1) / 2;
    MPI_Comm_split(MPI_COMM_WORLD, check_rank >= n_low, check_rank, &half);
    MPI_Comm_split(MPI_COMM_WORLD, 0, check_size - check_rank, &reversed);
    if (check_size > 1)
        MPI_Intercomm_create(half, 0, MPI_COMM_WORLD, check_rank >= n_low ? 0 : n_low, 3,
                             &inter);
    for (int i = 0; i < N_THREADS; i++)
        MPI_Comm_dup(MPI_COMM_WORLD, &comms[i]);
    state = check_hash((uint64_t)check_rank, 98);
    common = check_hash((uint64_t)check_size, 97);
    common_half = check_hash((uint64_t)check_size, (uint64_t)(check_rank >= n_low));
    again_begin();
    for (long step = 0; step < steps; step++) {
        several(MPI_COMM_WORLD, &common);
        several(half, &common_half);
        several(reversed, &common);
        if (inter != MPI_COMM_NULL)
            between(inter, check_rank >= n_low, n_low, check_size, step);
        again(step);
        if (is_multiple)
            threads(comms, step);
    }
    again_end();
    CHECK(check_size == 1 || n_calls > 0, "no operation was called");
    for (int i = 0; i < N_THREADS; i++)
        MPI_Comm_free(&comms[i]);
    if (inter != MPI_COMM_NULL)
        MPI_Comm_free(&inter);
    MPI_Comm_free(&half);
    MPI_Comm_free(&reversed);
    MPI_Op_free(&then);
    MPI_Op_free(&larger);
    MPI_Type_free(&map_type);
    check_end(steps);
    MPI_Finalize();
    return 0;
}
