/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Datatypes of every constructor in messages: what arrives is compared with the type map
 * applied by hand.  Types are kept for long, freed while a message uses them, packed,
 * unpacked and taken apart.
 */
#include "check.h"

#define N_BYTES 4096
#define N_KINDS 13
#define MAX_MAP 1024

/* A datatype and its type map: `n` ints at byte offsets. */
struct layout {
    MPI_Datatype type;
    int n, offsets[MAX_MAP];
    MPI_Aint extent;
};

static struct layout layouts[N_KINDS];
static char out[N_BYTES], in[N_BYTES], packed[2 * N_BYTES];

static void add(struct layout *l, int first, int n)
{
    for (int i = 0; i < n; i++)
        l->offsets[l->n++] = first + 4 * i;
}

static void make_strided(struct layout *l, int kind)
{
    int lengths[3] = {1, 3, 2}, places[3] = {2, 8, 20}, i;
    MPI_Aint bytes[3] = {8, 40, 100};

    switch (kind) {
    case 0:
        MPI_Type_contiguous(7, MPI_INT, &l->type);
        add(l, 0, 7);
        break;
    case 1:
        MPI_Type_vector(5, 2, 6, MPI_INT, &l->type);
        for (i = 0; i < 5; i++)
            add(l, 24 * i, 2);
        break;
    case 2:
        MPI_Type_create_hvector(4, 3, 52, MPI_INT, &l->type);
        for (i = 0; i < 4; i++)
            add(l, 52 * i, 3);
        break;
    case 3:
        MPI_Type_indexed(3, lengths, places, MPI_INT, &l->type);
        for (i = 0; i < 3; i++)
            add(l, 4 * places[i], lengths[i]);
        break;
    case 4:
        MPI_Type_create_hindexed(3, lengths, bytes, MPI_INT, &l->type);
        for (i = 0; i < 3; i++)
            add(l, (int)bytes[i], lengths[i]);
        break;
    case 5:
        MPI_Type_create_indexed_block(3, 2, places, MPI_INT, &l->type);
        for (i = 0; i < 3; i++)
            add(l, 4 * places[i], 2);
        break;
    default:
        MPI_Type_create_hindexed_block(3, 4, bytes, MPI_INT, &l->type);
        for (i = 0; i < 3; i++)
            add(l, (int)bytes[i], 4);
    }
}

/* A 6 x 8 array of which rows 1..3 and columns 2..6 are taken. */
static void make_subarray(struct layout *l)
{
    int sizes[2] = {6, 8}, sub[2] = {3, 5}, starts[2] = {1, 2}, row;

    MPI_Type_create_subarray(2, sizes, sub, starts, MPI_ORDER_C, MPI_INT, &l->type);
    for (row = 1; row < 4; row++)
        add(l, 4 * (8 * row + 2), 5);
}

/* Process (1, 0) of a 2 x 2 grid that holds an 8 x 6 array: blocks of rows, columns dealt
 * one by one. */
static void make_darray(struct layout *l)
{
    int sizes[2] = {8, 6}, args[2] = {MPI_DISTRIBUTE_DFLT_DARG, 1}, grid[2] = {2, 2}, row,
        col;
    int distribs[2] = {MPI_DISTRIBUTE_BLOCK, MPI_DISTRIBUTE_CYCLIC};

    MPI_Type_create_darray(4, 2, 2, sizes, distribs, args, grid, MPI_ORDER_C, MPI_INT,
                           &l->type);
    for (row = 4; row < 8; row++)
        for (col = 0; col < 6; col += 2)
            add(l, 4 * (6 * row + col), 1);
}

/* A struct of a vector, ints and a pair type. */
static void make_struct(struct layout *l)
{
    int lengths[3] = {1, 2, 2};
    MPI_Aint bytes[3] = {16, 200, 300};
    MPI_Datatype types[3] = {MPI_DATATYPE_NULL, MPI_INT, MPI_2INT};

    MPI_Type_vector(3, 1, 2, MPI_INT, &types[0]);
    MPI_Type_create_struct(3, lengths, bytes, types, &l->type);
    MPI_Type_free(&types[0]); /* the struct keeps it */
    for (int i = 0; i < 3; i++)
        add(l, 16 + 8 * i, 1);
    add(l, 200, 2);
    add(l, 300, 4);
}

/* Made of another derived type: resized, duplicated, or a vector of vectors. */
static void make_derived(struct layout *l, int kind)
{
    MPI_Datatype inner, middle;
    int i, j;

    MPI_Type_vector(3, 1, 3, MPI_INT, &inner);
    if (kind == 10) {
        MPI_Type_create_resized(inner, 0, 48, &middle);
        MPI_Type_contiguous(3, middle, &l->type);
        for (i = 0; i < 3; i++)
            for (j = 0; j < 3; j++)
                add(l, 48 * i + 12 * j, 1);
        MPI_Type_free(&middle);
    } else if (kind == 11) {
        MPI_Type_commit(&inner);
        MPI_Type_dup(inner, &l->type);
        for (j = 0; j < 3; j++)
            add(l, 12 * j, 1);
    } else {
        MPI_Type_create_hvector(4, 2, 128, inner, &l->type);
        for (i = 0; i < 4; i++)
            for (j = 0; j < 6; j++)
                add(l, 128 * i + 28 * (j / 3) + 12 * (j % 3), 1);
    }
    MPI_Type_free(&inner);
}

static void make(struct layout *l, int kind)
{
    MPI_Aint low;
    int size;

    memset(l, 0, sizeof *l);
    if (kind < 7)
        make_strided(l, kind);
    else if (kind == 7)
        make_subarray(l);
    else if (kind == 8)
        make_darray(l);
    else if (kind == 9)
        make_struct(l);
    else
        make_derived(l, kind);
    CHECK_MPI(MPI_Type_commit(&l->type));
    CHECK_MPI(MPI_Type_size(l->type, &size));
    CHECK_EQ(size, 4 * l->n);
    CHECK_MPI(MPI_Type_get_extent(l->type, &low, &l->extent));
    CHECK(l->extent * 2 <= N_BYTES, "extent %ld of kind %d", (long)l->extent, kind);
}

/* After `count` elements came in: exactly the bytes of the map have changed. */
static void check_arrived(const struct layout *l, int count, uint64_t seed)
{
    static char expected[N_BYTES], source[N_BYTES];

    check_fill(source, N_BYTES, seed);
    memset(expected, 0xdd, N_BYTES);
    for (int e = 0; e < count; e++)
        for (int i = 0; i < l->n; i++) {
            long place = e * (long)l->extent + l->offsets[i];
            memcpy(expected + place, source + place, 4);
        }
    for (int i = 0; i < N_BYTES; i++)
        CHECK(in[i] == expected[i], "byte %d is %d, not %d", i, in[i], expected[i]);
}

/* Sent with the type and received with it, or as plain ints. */
static void exchange(const struct layout *l, long step)
{
    int right = (check_rank + 1) % check_size,
        left = (check_rank + check_size - 1) % check_size;
    int count = 1 + (int)(step % 2), n = 0, plain[2 * MAX_MAP], i;
    uint64_t seed = (uint64_t)(left + 100 * step);
    MPI_Status status;

    check_fill(out, N_BYTES, (uint64_t)(check_rank + 100 * step));
    memset(in, 0xdd, N_BYTES);
    CHECK_MPI(MPI_Sendrecv(out, count, l->type, right, 1, in, count, l->type, left, 1,
                           MPI_COMM_WORLD, &status));
    CHECK_MPI(MPI_Get_count(&status, l->type, &n));
    CHECK_EQ(n, count);
    check_arrived(l, count, seed);
    CHECK_MPI(MPI_Sendrecv(out, count, l->type, right, 2, plain, count * l->n, MPI_INT,
                           left, 2, MPI_COMM_WORLD, &status));
    CHECK_MPI(MPI_Get_elements(&status, l->type, &n));
    CHECK_EQ(n, count * l->n);
    for (i = 0; i < n; i++) {
        long place = i / l->n * (long)l->extent + l->offsets[i % l->n];
        CHECK(memcmp(&plain[i], in + place, 4) == 0, "int %d is %08x", i, plain[i]);
    }
    check_note((uint64_t)plain[0]);
}

/* Freed between the start of the messages and their end. */
static void freed_in_use(int kind, long step)
{
    static struct layout l;
    int right = (check_rank + 1) % check_size,
        left = (check_rank + check_size - 1) % check_size;
    MPI_Request requests[2];

    make(&l, kind);
    check_fill(out, N_BYTES, (uint64_t)(check_rank + 77 * step));
    memset(in, 0xdd, N_BYTES);
    CHECK_MPI(MPI_Irecv(in, 1, l.type, left, 3, MPI_COMM_WORLD, &requests[0]));
    if (step % 5 == 0)
        check_sleep_ms(1);
    CHECK_MPI(MPI_Issend(out, 1, l.type, right, 3, MPI_COMM_WORLD, &requests[1]));
    CHECK_MPI(MPI_Type_free(&l.type));
    CHECK(l.type == MPI_DATATYPE_NULL, "a freed datatype is not null");
    CHECK_MPI(MPI_Waitall(2, requests, MPI_STATUSES_IGNORE));
    check_arrived(&l, 1, (uint64_t)(left + 77 * step));
}

static void pack(const struct layout *l, long step)
{
    int position = 0, size, tail = (int)step, got = 0;

    check_fill(out, N_BYTES, (uint64_t)step);
    CHECK_MPI(MPI_Pack_size(1, l->type, MPI_COMM_WORLD, &size));
    CHECK(size >= 4 * l->n && size + 4 <= (int)sizeof packed, "pack size %d", size);
    CHECK_MPI(
        MPI_Pack(out, 1, l->type, packed, sizeof packed, &position, MPI_COMM_WORLD));
    CHECK_MPI(
        MPI_Pack(&tail, 1, MPI_INT, packed, sizeof packed, &position, MPI_COMM_WORLD));
    CHECK_EQ(position, 4 * l->n + 4);
    memset(in, 0xdd, N_BYTES);
    position = 0;
    CHECK_MPI(
        MPI_Unpack(packed, sizeof packed, &position, in, 1, l->type, MPI_COMM_WORLD));
    check_arrived(l, 1, (uint64_t)step);
    CHECK_MPI(
        MPI_Unpack(packed, sizeof packed, &position, &got, 1, MPI_INT, MPI_COMM_WORLD));
    CHECK_EQ(got, tail);
    position = 0;
    CHECK_MPI(
        MPI_Pack_external("external32", &tail, 1, MPI_INT, packed, 100, &(MPI_Aint){0}));
    CHECK_EQ((unsigned char)packed[3], tail & 255); /* big endian */
}

/* Taken apart with the envelope, and built again from the contents. */
static void take_apart(const struct layout *l)
{
    int n_ints, n_addresses, n_types, combiner, ints[64], i, size;
    MPI_Aint addresses[16];
    MPI_Datatype types[16], copy;

    CHECK_MPI(MPI_Type_get_envelope(l->type, &n_ints, &n_addresses, &n_types, &combiner));
    CHECK(combiner != MPI_COMBINER_NAMED && n_ints <= 64 && n_addresses <= 16 &&
              n_types <= 16,
          "combiner %d with %d, %d, %d", combiner, n_ints, n_addresses, n_types);
    CHECK_MPI(MPI_Type_get_contents(l->type, n_ints, n_addresses, n_types, ints,
                                    addresses, types));
    if (combiner == MPI_COMBINER_VECTOR) {
        CHECK_MPI(MPI_Type_vector(ints[0], ints[1], ints[2], types[0], &copy));
        CHECK_MPI(MPI_Type_size(copy, &size));
        CHECK_EQ(size, 4 * l->n);
        CHECK_MPI(MPI_Type_free(&copy));
    }
    for (i = 0; i < n_types; i++) {
        int inner_ints, inner_addresses, inner_types;
        CHECK_MPI(MPI_Type_get_envelope(types[i], &inner_ints, &inner_addresses,
                                        &inner_types, &combiner));
        if (combiner == MPI_COMBINER_NAMED)
            CHECK(types[i] == MPI_INT || types[i] == MPI_2INT, "another named type");
        else
            CHECK_MPI(MPI_Type_free(&types[i]));
    }
}

static void names(struct layout *l, long step)
{
    char name[MPI_MAX_OBJECT_NAME], expected[64];
    int length;

    snprintf(expected, sizeof expected, "type %ld", step);
    CHECK_MPI(MPI_Type_set_name(l->type, expected));
    CHECK_MPI(MPI_Type_get_name(l->type, name, &length));
    CHECK(strcmp(name, expected) == 0, "name '%s', not '%s'", name, expected);
    CHECK_MPI(MPI_Type_get_name(MPI_DOUBLE, name, &length));
    CHECK(strcmp(name, "MPI_DOUBLE") == 0, "name '%s'", name);
}

int main(int argc, char **argv)
{
    long step, steps;
    int k;

    MPI_Init(&argc, &argv);
    steps = check_begin("datatypes", argc, argv, 8000);
    for (k = 0; k < N_KINDS; k++)
        make(&layouts[k], k);
    for (step = 0; step < steps; step++) {
        k = (int)(step % N_KINDS);
        exchange(&layouts[k], step);
        freed_in_use((k + 5) % N_KINDS, step);
        pack(&layouts[(k + 3) % N_KINDS], step);
        take_apart(&layouts[(k + 7) % N_KINDS]);
        names(&layouts[k], step);
        if (step % 29 == 28) {
            CHECK_MPI(MPI_Type_free(&layouts[k].type));
            make(&layouts[k], k);
        }
    }
    for (k = 0; k < N_KINDS; k++)
        MPI_Type_free(&layouts[k].type);
    check_end(steps);
    MPI_Finalize();
    return 0;
}
