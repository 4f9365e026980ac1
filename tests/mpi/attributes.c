/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Attributes of communicators and datatypes, with copy and delete callbacks whose calls
 * are counted, and the predefined attributes.
 */
#include "check.h"

#define N_KEYS 4

static int keys[N_KEYS], type_key;
static long n_copied[N_KEYS], n_deleted[N_KEYS], n_type_copied, n_type_deleted;
static long extras[N_KEYS];
static int is_failing, end_keys[3], end_order[4], n_ended;

/* Key k: 0 is not copied, 1 is copied as it is, 2 becomes the value plus one, 3 is
 * refused for odd values. */
static int copy(MPI_Comm comm, int key, void *extra, void *in, void *out, int *flag)
{
    int k = (int)((long *)extra - extras);

    CHECK(k >= 1 && k < N_KEYS && keys[k] == key, "key %d, extra of %d", key, k);
    CHECK(comm != MPI_COMM_NULL, "no communicator");
    CHECK_EQ(*(long *)extra, 1000 + k);
    if (is_failing && k == 3)
        return MPI_ERR_OTHER;
    n_copied[k]++;
    *(void **)out = (char *)in + (k == 2);
    *flag = k != 3 || (intptr_t)in % 2 == 0;
    return MPI_SUCCESS;
}

static int delete (MPI_Comm comm, int key, void *value, void *extra)
{
    int k = (int)((long *)extra - extras);

    CHECK(k >= 0 && k < N_KEYS && keys[k] == key, "key %d, extra of %d", key, k);
    CHECK(comm != MPI_COMM_NULL && value != NULL, "no communicator or no value");
    n_deleted[k]++;
    return MPI_SUCCESS;
}

static int type_copy(MPI_Datatype type, int key, void *extra, void *in, void *out,
                     int *flag)
{
    CHECK(type != MPI_DATATYPE_NULL && key == type_key && extra == extras,
          "wrong arguments");
    n_type_copied++;
    *(void **)out = (char *)in + 10;
    *flag = 1;
    return MPI_SUCCESS;
}

static int type_delete(MPI_Datatype type, int key, void *value, void *extra)
{
    CHECK(type != MPI_DATATYPE_NULL && key == type_key && extra == extras &&
              value != NULL,
          "wrong arguments");
    n_type_deleted++;
    return MPI_SUCCESS;
}

static void expect(MPI_Comm comm, int k, intptr_t value)
{
    void *got = NULL;
    int flag = -1;

    CHECK_MPI(MPI_Comm_get_attr(comm, keys[k], &got, &flag));
    CHECK_EQ(flag, value != 0);
    if (flag)
        CHECK_EQ((intptr_t)got, value);
}

/* Set on one communicator, duplicate it, look, replace, delete, free. */
static void communicators(long step, MPI_Comm comm)
{
    long copied[N_KEYS], deleted[N_KEYS];
    intptr_t value = 1 + step % 10000;
    MPI_Comm dup;
    int k;

    memcpy(copied, n_copied, sizeof copied);
    memcpy(deleted, n_deleted, sizeof deleted);
    for (k = 0; k < N_KEYS; k++)
        CHECK_MPI(MPI_Comm_set_attr(comm, keys[k], (void *)value));
    CHECK_MPI(MPI_Comm_dup(comm, &dup));
    expect(dup, 0, 0);
    expect(dup, 1, value);
    expect(dup, 2, value + 1);
    expect(dup, 3, value % 2 ? 0 : value);
    for (k = 1; k < N_KEYS; k++)
        CHECK_EQ(n_copied[k], copied[k] + 1);
    CHECK_MPI(MPI_Comm_set_attr(dup, keys[1], (void *)(value + 5))); /* deletes the old */
    CHECK_EQ(n_deleted[1], deleted[1] + 1);
    expect(dup, 1, value + 5);
    CHECK_MPI(MPI_Comm_delete_attr(dup, keys[2]));
    CHECK_EQ(n_deleted[2], deleted[2] + 1);
    expect(dup, 2, 0);
    CHECK_MPI(MPI_Comm_free(&dup));
    CHECK_EQ(n_deleted[0], deleted[0]);
    CHECK_EQ(n_deleted[1], deleted[1] + 2);
    CHECK_EQ(n_deleted[2], deleted[2] + 1);
    CHECK_EQ(n_deleted[3], deleted[3] + (value % 2 == 0));
    for (k = 0; k < N_KEYS; k++) {
        expect(comm, k, value);
        CHECK_MPI(MPI_Comm_delete_attr(comm, keys[k]));
    }
    check_note((uint64_t)(n_copied[1] + n_deleted[3]));
}

static void datatypes(long step)
{
    MPI_Datatype type, dup;
    void *got;
    int flag;
    long copied = n_type_copied, deleted = n_type_deleted;

    CHECK_MPI(MPI_Type_contiguous(3, MPI_INT, &type));
    CHECK_MPI(MPI_Type_set_attr(type, type_key, (void *)(intptr_t)(step + 1)));
    CHECK_MPI(MPI_Type_dup(type, &dup));
    CHECK_EQ(n_type_copied, copied + 1);
    CHECK_MPI(
        MPI_Type_free(&type)); /* Open MPI calls delete later, with the duplicate's */
    CHECK_MPI(MPI_Type_get_attr(dup, type_key, &got, &flag));
    CHECK_EQ(flag, 1);
    CHECK_EQ((intptr_t)got, step + 11);
    CHECK_MPI(MPI_Type_free(&dup));
    CHECK_EQ(n_type_deleted, deleted + 2);
}

/* A function that copies fails: what was copied before it is deleted. */
static void failing(MPI_Comm comm)
{
    long copied[N_KEYS], deleted[N_KEYS];
    MPI_Errhandler handler;
    MPI_Comm dup;
    int k;

    for (k = 1; k < N_KEYS; k++)
        CHECK_MPI(MPI_Comm_set_attr(comm, keys[k], &extras[k]));
    memcpy(copied, n_copied, sizeof copied);
    memcpy(deleted, n_deleted, sizeof deleted);
    CHECK_MPI(MPI_Comm_get_errhandler(comm, &handler));
    CHECK_MPI(MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN));
    is_failing = 1;
    CHECK(MPI_Comm_dup(comm, &dup) != MPI_SUCCESS, "no error");
    is_failing = 0;
    CHECK_MPI(MPI_Comm_set_errhandler(comm, handler));
    CHECK_MPI(MPI_Errhandler_free(&handler));
    for (k = 1; k < N_KEYS; k++)
        CHECK_EQ(n_deleted[k] - deleted[k], n_copied[k] - copied[k]);
    for (k = 1; k < N_KEYS; k++)
        CHECK_MPI(MPI_Comm_delete_attr(comm, keys[k]));
}

/* Contents are handles of the types that have gone into a type, or of duplicates; these
 * keep their attributes when the handles are freed. */
static void contents(long step)
{
    MPI_Datatype type, pair, inner;
    int ints[3], flag;
    MPI_Aint none[1];
    void *got;
    long deleted = n_type_deleted;

    CHECK_MPI(MPI_Type_contiguous(2, MPI_INT, &type));
    CHECK_MPI(MPI_Type_set_attr(type, type_key, (void *)(intptr_t)(step + 1)));
    CHECK_MPI(MPI_Type_vector(2, 1, 2, type, &pair));
    for (int i = 0; i < 2; i++) {
        CHECK_MPI(MPI_Type_get_contents(pair, 3, 0, 1, ints, none, &inner));
        CHECK_MPI(MPI_Type_free(&inner));
        CHECK_MPI(MPI_Type_get_attr(type, type_key, &got, &flag));
        CHECK(flag && (intptr_t)got == step + 1, "flag %d", flag);
        CHECK_EQ(n_type_deleted, deleted);
    }
    CHECK_MPI(MPI_Type_free(&pair));
    CHECK_MPI(MPI_Type_free(&type));
    CHECK_EQ(n_type_deleted, deleted + 1);
}

static int end(MPI_Comm comm, int key, void *value, void *extra)
{
    int finalized = -1, x = 7;

    (void)value;
    (void)extra;
    CHECK(comm == MPI_COMM_SELF || n_ended == 0, "another communicator");
    CHECK_MPI(MPI_Finalized(&finalized));
    CHECK_EQ(finalized, 0);
    end_order[n_ended++] = key == end_keys[0] ? 0 : key == end_keys[1] ? 1 : 2;
    if (key == end_keys[2] && check_rank == 0) /* others wait for it before they end */
        for (int i = 1; i < check_size; i++)
            CHECK_MPI(MPI_Send(&x, 1, MPI_INT, i, 7, MPI_COMM_WORLD));
    return MPI_SUCCESS;
}

/* The functions of MPI_COMM_SELF's attributes are the first that MPI_Finalize does: those
 * set last come first. */
static void end_begin(void)
{
    int x;

    for (int i = 0; i < 3; i++)
        CHECK_MPI(MPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, end, &end_keys[i], NULL));
    CHECK_MPI(MPI_Comm_set_attr(MPI_COMM_SELF, end_keys[2], &x));
    CHECK_MPI(MPI_Comm_set_attr(MPI_COMM_SELF, end_keys[0], &end_keys[0]));
    CHECK_MPI(MPI_Comm_set_attr(MPI_COMM_SELF, end_keys[1], &end_keys[1]));
    CHECK_MPI(MPI_Comm_set_attr(MPI_COMM_SELF, end_keys[0], &end_keys[1]));
    CHECK_EQ(n_ended, 1);
    if (check_rank > 0)
        CHECK_MPI(MPI_Recv(&x, 1, MPI_INT, 0, 7, MPI_COMM_WORLD, MPI_STATUS_IGNORE));
}

static void end_check(void)
{
    CHECK_EQ(n_ended, 4);
    CHECK_EQ(end_order[1], 0);
    CHECK_EQ(end_order[2], 1);
    CHECK_EQ(end_order[3], 2);
}

static void predefined(void)
{
    int *value, flag;

    CHECK_MPI(MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_TAG_UB, &value, &flag));
    CHECK(flag && *value >= 32767, "MPI_TAG_UB: flag %d", flag);
    CHECK_MPI(MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_WTIME_IS_GLOBAL, &value, &flag));
    CHECK(!flag || *value == 0 || *value == 1, "MPI_WTIME_IS_GLOBAL %d", *value);
    CHECK_MPI(MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_UNIVERSE_SIZE, &value, &flag));
    CHECK(!flag || *value >= 1, "MPI_UNIVERSE_SIZE %d", *value);
    CHECK_MPI(MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_APPNUM, &value, &flag));
    CHECK(!flag || *value == 0, "MPI_APPNUM %d", *value);
}

int main(int argc, char **argv)
{
    MPI_Comm kept;
    long step, steps;
    int k, key;

    MPI_Init(&argc, &argv);
    steps = check_begin("attributes", argc, argv, 4000);
    for (k = 0; k < N_KEYS; k++) {
        extras[k] = 1000 + k;
        CHECK_MPI(MPI_Comm_create_keyval(k == 0 ? MPI_COMM_NULL_COPY_FN : copy, delete,
                                         &keys[k], &extras[k]));
    }
    CHECK_MPI(MPI_Type_create_keyval(type_copy, type_delete, &type_key, extras));
    CHECK_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &kept));
    for (step = 0; step < steps; step++) {
        communicators(step, step % 2 ? kept : MPI_COMM_WORLD);
        datatypes(step);
        contents(step);
        failing(step % 3 ? kept : MPI_COMM_WORLD);
        predefined();
        if (step % 100 == 99) { /* a key that is freed while an attribute uses it */
            CHECK_MPI(MPI_Comm_create_keyval(MPI_COMM_DUP_FN, MPI_COMM_NULL_DELETE_FN,
                                             &key, NULL));
            CHECK_MPI(MPI_Comm_set_attr(kept, key, &extras[0]));
            CHECK_MPI(MPI_Comm_free_keyval(&key));
            CHECK_EQ(key, MPI_KEYVAL_INVALID);
        }
    }
    for (k = 0; k < N_KEYS; k++) /* freed with the communicator */
        CHECK_MPI(MPI_Comm_set_attr(kept, keys[k], &extras[k]));
    CHECK_MPI(MPI_Comm_free(&kept));
    CHECK_EQ(n_deleted[0], steps + 1);
    for (k = 0; k < N_KEYS; k++)
        CHECK_MPI(MPI_Comm_free_keyval(&keys[k]));
    CHECK_MPI(MPI_Type_free_keyval(&type_key));
    check_end(steps);
    end_begin();
    MPI_Finalize();
    end_check();
    return 0;
}
