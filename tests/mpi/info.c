/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Info objects, some kept for long, against a table kept here; hints of communicators.
 */
#include "check.h"

#define N_KEPT 8
#define N_KEYS 20

static MPI_Info kept[N_KEPT];
static int table[N_KEPT][N_KEYS]; /* the value of each key, 0: not set */

static void key_of(int k, char *key)
{
    snprintf(key, MPI_MAX_INFO_KEY, "key_%d%s", k,
             k % 5 == 0 ? " with blanks in it" : "");
}

static void set(int o, int k, int value)
{
    char key[MPI_MAX_INFO_KEY + 1], text[100];

    key_of(k, key);
    if (value) {
        snprintf(text, sizeof text, "value %*d", value % 60, value);
        CHECK_MPI(MPI_Info_set(kept[o], key, text));
    } else if (table[o][k]) {
        CHECK_MPI(MPI_Info_delete(kept[o], key));
    }
    table[o][k] = value;
}

static void verify(MPI_Info info, const int *values)
{
    char key[MPI_MAX_INFO_KEY + 1], text[200], expected[200];
    int n_keys, n = 0, k, flag, length, i;

    for (k = 0; k < N_KEYS; k++) {
        key_of(k, key);
        snprintf(expected, sizeof expected, "value %*d", values[k] % 60, values[k]);
        CHECK_MPI(MPI_Info_get(info, key, 199, text, &flag));
        CHECK_EQ(flag, values[k] != 0);
        if (!flag)
            continue;
        n++;
        CHECK(strcmp(text, expected) == 0, "'%s', not '%s'", text, expected);
        CHECK_MPI(MPI_Info_get_valuelen(info, key, &length, &flag));
        CHECK_EQ(length, strlen(expected));
    }
    CHECK_MPI(MPI_Info_get_nkeys(info, &n_keys));
    CHECK_EQ(n_keys, n);
    for (i = 0; i < n; i++) {
        CHECK_MPI(MPI_Info_get_nthkey(info, i, key));
        CHECK_EQ(sscanf(key, "key_%d", &k), 1);
        CHECK(k >= 0 && k < N_KEYS && values[k], "key '%s'", key);
    }
}

static void environment(void)
{
    char text[1000];
    int flag;

    CHECK_MPI(MPI_Info_get(MPI_INFO_ENV, "maxprocs", 999, text, &flag));
    if (flag)
        CHECK_EQ(atoi(text), check_size);
}

static void hints(long step)
{
    MPI_Info info, got;
    MPI_Comm comm;

    CHECK_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &comm));
    CHECK_MPI(MPI_Info_create(&info));
    CHECK_MPI(MPI_Info_set(info, "crmpi_hint", step % 2 ? "odd" : "even"));
    CHECK_MPI(MPI_Comm_set_info(comm, info));
    CHECK_MPI(MPI_Comm_get_info(comm, &got));
    CHECK_MPI(MPI_Info_free(&got));
    CHECK_MPI(MPI_Info_free(&info));
    CHECK_MPI(MPI_Comm_free(&comm));
}

int main(int argc, char **argv)
{
    uint64_t state;
    long step, steps;
    int o;

    MPI_Init(&argc, &argv);
    steps = check_begin("info", argc, argv, 20000);
    state = (uint64_t)check_rank + 9;
    for (o = 0; o < N_KEPT; o++)
        CHECK_MPI(MPI_Info_create(&kept[o]));
    for (step = 0; step < steps; step++) {
        o = check_below(&state, N_KEPT);
        set(o, check_below(&state, N_KEYS), check_below(&state, 3) ? (int)step + 1 : 0);
        verify(kept[o], table[o]);
        if (step % 10 == 0) {
            MPI_Info dup;
            CHECK_MPI(MPI_Info_dup(kept[o], &dup));
            verify(dup, table[o]);
            CHECK_MPI(MPI_Info_free(&dup));
            CHECK(dup == MPI_INFO_NULL, "a freed info is not null");
        }
        if (step % 50 == 0)
            hints(step);
        environment();
    }
    for (o = 0; o < N_KEPT; o++) {
        verify(kept[o], table[o]);
        check_note((uint64_t)table[o][o]);
        CHECK_MPI(MPI_Info_free(&kept[o]));
    }
    check_end(steps);
    MPI_Finalize();
    return 0;
}
