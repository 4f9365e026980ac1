/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reductions: user-defined operations, commutative and not, on predefined and on derived
 * datatypes, and the predefined operations on the predefined types.
 */
#include "check.h"

#define N_COUNTS 64

static long n_calls;

/* An affine map x -> a*x + b modulo a prime: composition is not commutative. */
struct affine {
    int32_t a, b;
};
#define PRIME 32749

static void compose(void *in, void *inout, int *n, MPI_Datatype *type)
{
    struct affine *f = in, *g = inout;
    int size;

    MPI_Type_size(*type, &size);
    CHECK_EQ(size, sizeof(struct affine));
    n_calls++;
    for (int i = 0; i < *n; i++) { /* first f, then g */
        g[i].b = (int32_t)(((int64_t)g[i].a * f[i].b + g[i].b) % PRIME);
        g[i].a = (int32_t)((int64_t)g[i].a * f[i].a % PRIME);
    }
}

/* Commutative: complex product of unit steps, kept as an angle in 1/65536 of a turn. */
static void turn(void *in, void *inout, int *n, MPI_Datatype *type)
{
    uint16_t *a = in, *b = inout;

    CHECK(*type == MPI_UINT16_T, "not MPI_UINT16_T");
    n_calls++;
    for (int i = 0; i < *n; i++)
        b[i] = (uint16_t)(a[i] + b[i]);
}

static struct affine affine_of(long step, int rank, int i)
{
    uint64_t h = check_hash4((uint64_t)step, (uint64_t)rank, (uint64_t)i, 1);
    return (struct affine){(int32_t)(h % PRIME), (int32_t)((h >> 32) % PRIME)};
}

static struct affine affine_through(long step, int last, int i)
{
    struct affine f = affine_of(step, 0, i), g;

    for (int rank = 1; rank <= last; rank++, f = g) {
        g = affine_of(step, rank, i);
        g.b = (int32_t)(((int64_t)g.a * f.b + g.b) % PRIME);
        g.a = (int32_t)((int64_t)g.a * f.a % PRIME);
    }
    return f;
}

static void expect_affine(const struct affine *got, int n, long step, int last)
{
    for (int i = 0; i < n; i++) {
        struct affine f = affine_through(step, last, i);
        CHECK(got[i].a == f.a && got[i].b == f.b,
              "element %d of %d: found %dx+%d, expected %dx+%d", i, n, got[i].a, got[i].b,
              f.a, f.b);
    }
}

static void non_commutative(long step, MPI_Op op, MPI_Datatype type)
{
    struct affine in[N_COUNTS], out[N_COUNTS];
    int n = 1 + (int)(step % N_COUNTS), i, root = (int)(step % check_size),
        last = check_size - 1;
    MPI_Request request;

    for (i = 0; i < n; i++)
        in[i] = affine_of(step, check_rank, i);
    switch (step % 4) {
    case 0:
        CHECK_MPI(MPI_Allreduce(in, out, n, type, op, MPI_COMM_WORLD));
        break;
    case 1:
        CHECK_MPI(MPI_Reduce(in, out, n, type, op, root, MPI_COMM_WORLD));
        last = check_rank == root ? last : -1;
        break;
    case 2:
        CHECK_MPI(MPI_Scan(in, out, n, type, op, MPI_COMM_WORLD));
        last = check_rank;
        break;
    default:
        CHECK_MPI(MPI_Iallreduce(in, out, n, type, op, MPI_COMM_WORLD, &request));
        CHECK_MPI(MPI_Wait(&request, MPI_STATUS_IGNORE));
    }
    if (last >= 0)
        expect_affine(out, n, step, last);
}

static void commutative(long step, MPI_Op op)
{
    uint16_t in[N_COUNTS], out[N_COUNTS];
    int n = 1 + (int)(step * 3 % N_COUNTS), i, rank;

    for (i = 0; i < n; i++)
        in[i] =
            (uint16_t)check_hash4((uint64_t)step, (uint64_t)check_rank, (uint64_t)i, 2);
    CHECK_MPI(MPI_Allreduce(in, out, n, MPI_UINT16_T, op, MPI_COMM_WORLD));
    for (i = 0; i < n; i++) {
        uint16_t sum = 0;
        for (rank = 0; rank < check_size; rank++)
            sum = (uint16_t)(sum +
                             check_hash4((uint64_t)step, (uint64_t)rank, (uint64_t)i, 2));
        CHECK_EQ(out[i], sum);
    }
    check_note(out[0]);
}

static void local(long step, MPI_Op op, MPI_Datatype type)
{
    struct affine a = affine_of(step, 0, 0), b = affine_of(step, 1, 0), ab = b;
    int commute = -1;

    ab.b = (int32_t)(((int64_t)b.a * a.b + b.b) % PRIME);
    ab.a = (int32_t)((int64_t)b.a * a.a % PRIME);
    CHECK_MPI(MPI_Reduce_local(&a, &b, 1, type, op));
    CHECK(b.a == ab.a && b.b == ab.b, "found %dx+%d, expected %dx+%d", b.a, b.b, ab.a,
          ab.b);
    CHECK_MPI(MPI_Op_commutative(op, &commute));
    CHECK_EQ(commute, 0);
}

static void predefined(long step)
{
    double d = check_rank + (double)(step % 1000) * 0.5, d_sum;
    long product, one = 1 + (check_rank == 0);
    unsigned char bits = (unsigned char)(1 << check_rank % 8), any, all;
    struct {
        double value;
        int rank;
    } pair = {(double)((check_rank * 7 + step) % check_size), check_rank}, largest;
    int expected_rank = 0, rank, logical = check_rank % 2, every, some;
    float f = (float)(check_size - check_rank), smallest;

    CHECK_MPI(MPI_Allreduce(&d, &d_sum, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD));
    CHECK(d_sum == check_size * (check_size - 1) / 2 +
                       check_size * (double)(step % 1000) * 0.5,
          "sum %g", d_sum);
    CHECK_MPI(MPI_Allreduce(&one, &product, 1, MPI_LONG, MPI_PROD, MPI_COMM_WORLD));
    CHECK_EQ(product, 2);
    CHECK_MPI(MPI_Allreduce(&bits, &any, 1, MPI_BYTE, MPI_BOR, MPI_COMM_WORLD));
    CHECK_EQ(any, check_size >= 8 ? 255 : (1 << check_size) - 1);
    CHECK_MPI(MPI_Allreduce(&bits, &all, 1, MPI_UNSIGNED_CHAR, MPI_BAND, MPI_COMM_WORLD));
    CHECK_EQ(all, check_size == 1);
    CHECK_MPI(
        MPI_Allreduce(&pair, &largest, 1, MPI_DOUBLE_INT, MPI_MAXLOC, MPI_COMM_WORLD));
    for (rank = 1; rank < check_size; rank++)
        if ((rank * 7 + step) % check_size > (expected_rank * 7 + step) % check_size)
            expected_rank = rank;
    CHECK_EQ(largest.rank, expected_rank);
    CHECK_MPI(MPI_Allreduce(&logical, &every, 1, MPI_INT, MPI_LAND, MPI_COMM_WORLD));
    CHECK_MPI(MPI_Allreduce(&logical, &some, 1, MPI_INT, MPI_LOR, MPI_COMM_WORLD));
    CHECK_EQ(every, 0);
    CHECK_EQ(some, check_size > 1);
    CHECK_MPI(MPI_Allreduce(&f, &smallest, 1, MPI_FLOAT, MPI_MIN, MPI_COMM_WORLD));
    CHECK_EQ(smallest, 1);
}

int main(int argc, char **argv)
{
    MPI_Op compose_op, turn_op;
    MPI_Datatype affine_type;
    long step, steps;

    MPI_Init(&argc, &argv);
    steps = check_begin("ops", argc, argv, 4000);
    MPI_Op_create(compose, 0, &compose_op);
    MPI_Op_create(turn, 1, &turn_op);
    MPI_Type_contiguous(2, MPI_INT32_T, &affine_type);
    MPI_Type_commit(&affine_type);
    for (step = 0; step < steps; step++) {
        non_commutative(step, compose_op, affine_type);
        commutative(step, turn_op);
        local(step, compose_op, affine_type);
        predefined(step);
        if (step % 100 == 99) {
            CHECK_MPI(MPI_Op_free(&compose_op));
            CHECK(compose_op == MPI_OP_NULL, "a freed operation is not null");
            CHECK_MPI(MPI_Op_create(compose, 0, &compose_op));
            CHECK_MPI(MPI_Type_free(&affine_type));
            CHECK_MPI(MPI_Type_contiguous(2, MPI_INT32_T, &affine_type));
            CHECK_MPI(MPI_Type_commit(&affine_type));
        }
    }
    CHECK(check_size == 1 || n_calls > steps, "the operations were called %ld times",
          n_calls);
    MPI_Op_free(&compose_op);
    MPI_Op_free(&turn_op);
    MPI_Type_free(&affine_type);
    check_end(steps);
    MPI_Finalize();
    return 0;
}
