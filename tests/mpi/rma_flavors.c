/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Windows of all flavours as objects: some are made once and asked everything in every
 * step (attributes, name, info, group, error handler, memory of all ranks), others are
 * made and freed all the time.  Sizes, some of them zero, and displacement units differ
 * between ranks; windows overlap, lie on parts of the ranks, in another order, and outlive
 * the communicator and the info object they were made with.
 */
#include "rma.h"

#define MOST 24   /* attached pieces of memory */
#define POOL 4096 /* bytes that several windows are made of */

struct window {
    const char *name;
    MPI_Win win;
    MPI_Comm comm; /* freed, and MPI_COMM_NULL, where the window shall outlive it */
    int rank, n;   /* in the window's group */
    int *world;    /* ranks */
    int flavour;
    int info_keys; /* as they were at the beginning */
    unsigned char *base;
};

static struct window windows[10];
static int n_windows, keyval, n_deleted, n_errors, error_expected, left, right;
static unsigned char pool[POOL] __attribute__((aligned(64)));

/* Of the rank in the window's group; some have none. */
static MPI_Aint size_of(int rank)
{
    return rank % 3 == 1 ? 0 : 1000 + 8 * rank;
}

static int unit_of(int rank)
{
    return 1 << rank % 4;
}

static int on_delete(MPI_Win win, int key, void *value, void *extra)
{
    CHECK(win != MPI_WIN_NULL && key != MPI_KEYVAL_INVALID, "what is deleted");
    CHECK_EQ((intptr_t)extra, 31);
    CHECK((intptr_t)value >= 100, "value %ld", (long)(intptr_t)value);
    n_deleted++;
    return MPI_SUCCESS;
}

static void on_error(MPI_Win *win, int *error, ...)
{
    int class;

    CHECK(*win != MPI_WIN_NULL, "the window of an error");
    MPI_Error_class(*error, &class);
    CHECK_EQ(class, error_expected);
    n_errors++;
}

/* What a rank's memory holds: bytes that depend on the window and the rank. */
static uint64_t contents(const struct window *w, int world_rank)
{
    return check_hash((uint64_t)(unsigned char)w->name[0], (uint64_t)world_rank);
}

static MPI_Info hints(const char *key, const char *value)
{
    MPI_Info info;

    CHECK_MPI(MPI_Info_create(&info));
    CHECK_MPI(MPI_Info_set(info, "accumulate_ordering", "none"));
    CHECK_MPI(MPI_Info_set(info, key, value));
    return info;
}

/* Note the window, and give it all that a window may have. */
static struct window *keep(const char *name, MPI_Win win, MPI_Comm comm, int flavour,
                           unsigned char *base, int outlives)
{
    struct window *w = &windows[n_windows++];
    MPI_Errhandler handler;
    MPI_Group all, group;
    MPI_Info info;

    *w = (struct window){
        .name = name, .win = win, .comm = comm, .flavour = flavour, .base = base};
    MPI_Comm_size(comm, &w->n);
    MPI_Comm_rank(comm, &w->rank);
    w->world = check_alloc((size_t)w->n * 2 * sizeof *w->world);
    for (int i = 0; i < w->n; i++)
        w->world[w->n + i] = i;
    MPI_Comm_group(MPI_COMM_WORLD, &all);
    MPI_Comm_group(comm, &group);
    MPI_Group_translate_ranks(group, w->n, w->world + w->n, all, w->world);
    MPI_Group_free(&all);
    MPI_Group_free(&group);
    CHECK_MPI(MPI_Win_set_name(win, name));
    CHECK_MPI(MPI_Win_set_attr(win, keyval, (void *)(intptr_t)(100 + n_windows)));
    CHECK_MPI(MPI_Win_create_errhandler(on_error, &handler));
    CHECK_MPI(MPI_Win_set_errhandler(win, handler));
    CHECK_MPI(MPI_Errhandler_free(&handler));
    CHECK_MPI(MPI_Win_get_info(win, &info));
    CHECK_MPI(MPI_Info_get_nkeys(info, &w->info_keys));
    CHECK_MPI(MPI_Info_free(&info));
    if (base && flavour != MPI_WIN_FLAVOR_CREATE)
        check_fill(base, (size_t)size_of(w->rank), contents(w, check_rank));
    if (outlives) {
        CHECK_MPI(MPI_Comm_free(&comm));
        w->comm = MPI_COMM_NULL;
    }
    return w;
}

/* Open MPI 4.1 has no window of given memory for one process: it is allocated then. */
static void make_created(const char *name, MPI_Comm comm, size_t offset, int outlives)
{
    int rank, n;
    MPI_Win win;
    MPI_Info info = hints("no_locks", "false");
    unsigned char *base = pool + offset;

    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &n);
    if (n > 1)
        CHECK_MPI(MPI_Win_create(base, size_of(rank), unit_of(rank), info, comm, &win));
    else
        CHECK_MPI(
            MPI_Win_allocate(size_of(rank), unit_of(rank), info, comm, &base, &win));
    CHECK_MPI(MPI_Info_free(&info));
    keep(name, win, comm, n > 1 ? MPI_WIN_FLAVOR_CREATE : MPI_WIN_FLAVOR_ALLOCATE, base,
         outlives);
}

static void make_allocated(const char *name, MPI_Comm comm, int shared, int outlives)
{
    static unsigned char *base;
    int rank;
    MPI_Win win;
    MPI_Info info = shared > 1 ? hints("alloc_shared_noncontig", "true")
                               : hints("same_size", "false");

    MPI_Comm_rank(comm, &rank);
    CHECK_MPI(
        shared ? MPI_Win_allocate_shared(size_of(rank), unit_of(rank), info, comm, &base,
                                         &win)
               : MPI_Win_allocate(size_of(rank), unit_of(rank), info, comm, &base, &win));
    CHECK_MPI(MPI_Info_free(&info));
    keep(name, win, comm, shared ? MPI_WIN_FLAVOR_SHARED : MPI_WIN_FLAVOR_ALLOCATE, base,
         outlives);
}

/* Groups of ranks make a window one after the other: Open MPI 4.1 may use one name for
 * the files of communicators that have no rank in common. */
static void make_apart(const char *name, int color, int key, int flavour)
{
    MPI_Comm comm;
    int highest;

    MPI_Comm_split(MPI_COMM_WORLD, color, key, &comm);
    MPI_Allreduce(&color, &highest, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
    for (int i = 0; i <= highest; i++) {
        if (color == i && flavour == MPI_WIN_FLAVOR_CREATE)
            make_created(name, comm, 2048, 1);
        else if (color == i)
            make_allocated(name, comm, flavour == MPI_WIN_FLAVOR_SHARED, 1);
        MPI_Barrier(MPI_COMM_WORLD);
    }
}

static void make_all(void)
{
    make_created("a created one", MPI_COMM_WORLD, 0, 0);
    make_created("b over the same memory", MPI_COMM_WORLD, 512, 0);
    make_apart("c of a half, in reverse", check_rank % 2, -check_rank,
               MPI_WIN_FLAVOR_CREATE);
    make_allocated("d allocated", MPI_COMM_WORLD, 0, 0);
    make_apart("e of two thirds", check_rank % 3 == 2 ? MPI_UNDEFINED : 0, check_rank,
               MPI_WIN_FLAVOR_ALLOCATE);
    make_allocated("f shared", MPI_COMM_WORLD, 1, 0);
    make_allocated("g shared, not contiguous", MPI_COMM_WORLD, 2, 0);
    make_apart("h shared by two", check_rank / 2, -check_rank, MPI_WIN_FLAVOR_SHARED);
    make_allocated("i of one", MPI_COMM_SELF, 0, 0);
}

static void attributes_check(const struct window *w, int number)
{
    void *value = NULL;
    int flag;

    CHECK_MPI(MPI_Win_get_attr(w->win, MPI_WIN_BASE, &value, &flag));
    CHECK(flag && (value == w->base || size_of(w->rank) == 0), "base of %s", w->name);
    CHECK_MPI(MPI_Win_get_attr(w->win, MPI_WIN_SIZE, &value, &flag));
    CHECK_EQ(flag ? *(MPI_Aint *)value : -1, size_of(w->rank));
    CHECK_MPI(MPI_Win_get_attr(w->win, MPI_WIN_DISP_UNIT, &value, &flag));
    CHECK_EQ(flag ? *(int *)value : -1, unit_of(w->rank));
    CHECK_MPI(MPI_Win_get_attr(w->win, MPI_WIN_CREATE_FLAVOR, &value, &flag));
    CHECK_EQ(flag ? *(int *)value : -1, w->flavour);
    CHECK_MPI(MPI_Win_get_attr(w->win, MPI_WIN_MODEL, &value, &flag));
    CHECK_EQ(flag ? *(int *)value : -1, MPI_WIN_UNIFIED);
    CHECK_MPI(MPI_Win_get_attr(w->win, keyval, &value, &flag));
    CHECK_EQ(flag ? (intptr_t)value : -1, 101 + number);
}

static void described_check(const struct window *w)
{
    char name[MPI_MAX_OBJECT_NAME];
    int length, n, before = n_errors, x = 0;
    MPI_Group group, all;
    MPI_Info info;

    CHECK_MPI(MPI_Win_get_name(w->win, name, &length));
    CHECK(strcmp(name, w->name) == 0, "name %s of %s", name, w->name);
    CHECK_MPI(MPI_Win_get_info(w->win, &info));
    CHECK_MPI(MPI_Info_get_nkeys(info, &n));
    CHECK_EQ(n, w->info_keys);
    CHECK_MPI(MPI_Info_free(&info));
    CHECK(MPI_Win_f2c(MPI_Win_c2f(w->win)) == w->win, "the Fortran handle of %s",
          w->name);
    CHECK_MPI(MPI_Win_get_group(w->win, &group));
    MPI_Group_size(group, &n);
    CHECK_EQ(n, w->n);
    MPI_Comm_group(MPI_COMM_WORLD, &all);
    int *found = check_alloc((size_t)n * sizeof *found);
    MPI_Group_translate_ranks(group, n, w->world + n, all, found);
    CHECK(memcmp(found, w->world, (size_t)n * sizeof *found) == 0, "group of %s",
          w->name);
    free(found);
    MPI_Group_free(&all);
    MPI_Group_free(&group);
    error_expected = MPI_ERR_RANK;
    CHECK(MPI_Put(&x, 1, MPI_INT, w->n + 3, 0, 1, MPI_INT, w->win) != MPI_SUCCESS,
          "a put to nobody in %s", w->name);
    CHECK_EQ(n_errors, before + 1);
}

/* What the memory of every rank holds, seen by loads and by gets. */
static void memory_check(const struct window *w, long step)
{
    int target = (int)((w->rank + 1 + step) % w->n), unit;
    unsigned char got[8];
    uint64_t expected;
    MPI_Aint size;

    if (w->flavour == MPI_WIN_FLAVOR_CREATE)
        return; /* the windows overlap, so their own test is created_check() */
    CHECK_FILLED(w->base, (size_t)size_of(w->rank), contents(w, check_rank));
    for (int i = 0; w->flavour == MPI_WIN_FLAVOR_SHARED && i < w->n; i++) {
        unsigned char *base;
        CHECK_MPI(MPI_Win_shared_query(w->win, i, &size, &unit, &base));
        CHECK(size == size_of(i) || w->name[0] == 'g', "size %ld of rank %d", (long)size,
              i); /* Open MPI 4.1 tells whole pages if they are not contiguous */
        CHECK_EQ(unit, unit_of(i));
        CHECK_FILLED(base, (size_t)size_of(i), contents(w, w->world[i]));
    }
    if (size_of(target) == 0)
        return;
    CHECK_MPI(MPI_Win_lock(MPI_LOCK_SHARED, target, 0, w->win));
    CHECK_MPI(MPI_Get(got, 8, MPI_BYTE, target, 0, 8, MPI_BYTE, w->win));
    CHECK_MPI(MPI_Win_unlock(target, w->win));
    check_fill(&expected, 8, contents(w, w->world[target]));
    CHECK(memcmp(got, &expected, 8) == 0, "the beginning of rank %d's %s", target,
          w->name);
}

/* Put behind the middle of the next rank's memory with its displacement unit. */
static void created_check(const struct window *w, long step)
{
    int target = (w->rank + 1) % w->n, from = (w->rank + w->n - 1) % w->n;
    uint64_t value = check_hash((uint64_t)step, (uint64_t)check_rank), found;
    MPI_Aint place = 512;

    if (w->flavour != MPI_WIN_FLAVOR_CREATE)
        return;
    CHECK_MPI(MPI_Win_fence(MPI_MODE_NOPRECEDE, w->win));
    if (size_of(target))
        CHECK_MPI(MPI_Put(&value, 1, MPI_UINT64_T, target, place / unit_of(target), 1,
                          MPI_UINT64_T, w->win));
    if (step % 4 == 0)
        check_sleep_ms(2);
    error_expected = MPI_ERR_RMA_SYNC; /* no lock is held */
    CHECK(MPI_Win_flush(target, w->win) != MPI_SUCCESS, "a flush between fences");
    CHECK(MPI_Win_flush_all(w->win) != MPI_SUCCESS, "a flush between fences");
    CHECK(MPI_Win_unlock(target, w->win) != MPI_SUCCESS, "an unlock without a lock");
    CHECK(MPI_Win_complete(w->win) != MPI_SUCCESS, "a complete without a start");
    CHECK_MPI(MPI_Win_fence(MPI_MODE_NOSUCCEED, w->win));
    memcpy(&found, w->base + place, 8);
    if (size_of(w->rank))
        CHECK_EQ(found, check_hash((uint64_t)step, (uint64_t)w->world[from]));
    check_note(found);
}

/* Memory that comes and goes, static and from the heap, at addresses the others are
 * told. */
static void dynamic_step(MPI_Win win, long step)
{
    static unsigned char *pieces[MOST];
    static size_t n_bytes[MOST];
    MPI_Aint own[2], *all = check_alloc((size_t)check_size * sizeof own);
    int i = (int)(step % MOST);
    uint64_t value = check_hash((uint64_t)step, (uint64_t)check_rank), found;

    if (pieces[i]) {
        CHECK_FILLED(pieces[i] + 8, n_bytes[i] - 8, (uint64_t)(step - MOST));
        CHECK_MPI(MPI_Win_detach(win, pieces[i]));
        free(pieces[i]);
    }
    n_bytes[i] = 64 + check_mix((uint64_t)step) % 20000;
    pieces[i] = check_alloc(n_bytes[i]);
    check_fill(pieces[i] + 8, n_bytes[i] - 8, (uint64_t)step);
    CHECK_MPI(MPI_Win_attach(win, pieces[i], (MPI_Aint)n_bytes[i]));
    i = (int)(check_mix((uint64_t)step + 3) % MOST);
    i = pieces[i] ? i : (int)(step % MOST);
    CHECK_MPI(MPI_Get_address(pieces[i], &own[0]));
    CHECK_MPI(MPI_Get_address(pool + POOL - 8, &own[1]));
    CHECK_MPI(MPI_Allgather(own, 2, MPI_AINT, all, 2, MPI_AINT, MPI_COMM_WORLD));
    CHECK_MPI(MPI_Win_lock(MPI_LOCK_EXCLUSIVE, right, 0, win));
    CHECK_MPI(
        MPI_Put(&value, 1, MPI_UINT64_T, right, all[2 * right], 1, MPI_UINT64_T, win));
    CHECK_MPI(MPI_Put(&value, 1, MPI_UINT64_T, right, all[2 * right + 1], 1, MPI_UINT64_T,
                      win));
    if (step % 4 == 1)
        check_sleep_ms(2);
    CHECK_MPI(MPI_Win_unlock(right, win));
    CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
    CHECK_MPI(MPI_Win_lock(MPI_LOCK_SHARED, check_rank, 0, win));
    memcpy(&found, pieces[i], 8);
    CHECK_EQ(found, check_hash((uint64_t)step, (uint64_t)left));
    memcpy(&found, pool + POOL - 8, 8);
    CHECK_EQ(found, check_hash((uint64_t)step, (uint64_t)left));
    CHECK_MPI(MPI_Win_unlock(check_rank, win));
    free(all);
}

/* A window lives for one step; its communicator is freed before it. */
static void short_life(long step)
{
    struct rma_window w;
    MPI_Comm comm;
    MPI_Info info = hints("accumulate_ops", "same_op");
    uint64_t value = (uint64_t)step, sum = 0;

    CHECK_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &comm));
    rma_open(&w, (enum rma_flavour)(step % RMA_FLAVOURS), comm, 8192, 8, info);
    CHECK_MPI(MPI_Info_free(&info));
    if (w.flavour != RMA_DYNAMIC)
        CHECK_MPI(MPI_Comm_free(&comm));
    CHECK_MPI(MPI_Win_fence(0, w.win));
    CHECK_MPI(MPI_Accumulate(&value, 1, MPI_UINT64_T, right, rma_disp(&w, right, 4096), 1,
                             MPI_UINT64_T, MPI_SUM, w.win));
    CHECK_MPI(MPI_Win_fence(0, w.win));
    memcpy(&sum, w.base + 4096, 8);
    CHECK_EQ(sum, step);
    rma_close(&w);
    if (comm != MPI_COMM_NULL)
        CHECK_MPI(MPI_Comm_free(&comm));
}

int main(int argc, char **argv)
{
    MPI_Win dynamic = MPI_WIN_NULL;
    long steps;

    MPI_Init(&argc, &argv);
    steps = check_begin("rma_flavors", argc, argv, 1200);
    left = (check_rank + check_size - 1) % check_size;
    right = (check_rank + 1) % check_size;
    CHECK_MPI(
        MPI_Win_create_keyval(MPI_WIN_NULL_COPY_FN, on_delete, &keyval, (void *)31));
    make_all();
    if (check_size > 1) {
        CHECK_MPI(MPI_Win_create_dynamic(MPI_INFO_NULL, MPI_COMM_WORLD, &dynamic));
        CHECK_MPI(MPI_Win_attach(dynamic, pool + POOL - 64, 64));
    }
    for (long step = 0; step < steps; step++) {
        CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
        for (int i = 0; i < n_windows; i++) {
            attributes_check(&windows[i], i);
            described_check(&windows[i]);
            memory_check(&windows[i], step);
            created_check(&windows[i], step);
        }
        if (dynamic != MPI_WIN_NULL)
            dynamic_step(dynamic, step);
        short_life(step);
    }
    for (int i = n_windows - 1; i >= 0; i--)
        CHECK_MPI(MPI_Win_free(&windows[i].win));
    CHECK_EQ(n_deleted, n_windows);
    if (dynamic != MPI_WIN_NULL)
        CHECK_MPI(MPI_Win_free(&dynamic));
    CHECK_MPI(MPI_Win_free_keyval(&keyval));
    check_end(steps);
    MPI_Finalize();
    return 0;
}
