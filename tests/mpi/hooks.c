/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an application may tell crmpi (crmpi.h): a table that is not saved and filled again
 * at a restart, scratch memory that is used in critical sections only, and hooks, in a
 * thread that calls MPI, while another one reads the table all the time.  Without crmpi the
 * calls are not there.
 */
#include "check.h"
#include <dlfcn.h>
#include <pthread.h>

#define N_TABLE 60000 /* neither begins nor ends on a page */
#define N_SCRATCH 20000

static uint64_t *table, *scratch;
static int n_before, n_ended, n_restarts; /* calls of the hook */
static int reader_ends;

/* A call of crmpi.h, if it is there; they return 0. */
#define CRMPI(name, types, ...)                                                          \
    do {                                                                                 \
        int(*call_) types;                                                               \
        *(void **)&call_ = dlsym(RTLD_DEFAULT, "CRMPI_" #name);                          \
        if (call_)                                                                       \
            CHECK_EQ(call_(__VA_ARGS__), 0);                                             \
    } while (0)

static int refill(void *start, size_t bytes, void *extra)
{
    uint64_t *items = start;

    CHECK(start == table && bytes == N_TABLE * sizeof *table, "%p, %zu", start, bytes);
    CHECK(extra == &table, "%p", extra);
    for (int i = 0; i < N_TABLE; i++) {
        CHECK(n_restarts < 0 || items[i] == 0, "element %d is %" PRIx64, i, items[i]);
        items[i] = check_hash((uint64_t)i, (uint64_t)check_rank);
    }
    return 0;
}

static void check_table(const char *where)
{
    for (int i = 0; i < N_TABLE; i++)
        CHECK(table[i] == check_hash((uint64_t)i, (uint64_t)check_rank),
              "%s: element %d is %" PRIx64, where, i, table[i]);
}

static void *read_table(void *unused)
{
    while (!__atomic_load_n(&reader_ends, __ATOMIC_ACQUIRE))
        check_table("reader");
    return unused;
}

/* In turns: before, and how it ended. */
static int hook(int event, void *extra)
{
    int rank = -1;

    CHECK(extra == &n_before, "%p", extra);
    CHECK_MPI(MPI_Comm_rank(MPI_COMM_WORLD, &rank));
    CHECK_EQ(rank, check_rank);
    check_table("hook");
    if (event == 1) {
        CHECK_EQ(n_before, n_ended);
        n_before++;
        free(malloc(1000)); /* it may: nobody was interrupted for it */
    } else {
        CHECK(event == 2 || event == 4 || event == 8, "%d", event);
        n_ended++;
        CHECK_EQ(n_before, n_ended);
        n_restarts += event == 8;
    }
    return 0;
}

static uint64_t use_scratch(long step)
{
    uint64_t sum = 0;

    CRMPI(Critical_begin, (void));
    for (int i = 0; i < N_SCRATCH; i++)
        scratch[i] = check_hash((uint64_t)step, (uint64_t)i);
    CRMPI(Critical_begin, (void));
    CRMPI(Critical_end, (void));
    for (int i = 0; i < N_SCRATCH; i++) {
        CHECK(scratch[i] == check_hash((uint64_t)step, (uint64_t)i),
              "step %ld: scratch element %d is %" PRIx64, step, i, scratch[i]);
        sum = check_hash(sum, scratch[i]);
    }
    CRMPI(Critical_end, (void));
    return sum;
}

static void exchange(long step, uint64_t mine)
{
    int right = (check_rank + 1) % check_size;
    int left = (check_rank + check_size - 1) % check_size;
    uint64_t theirs, sum;

    CHECK_MPI(MPI_Sendrecv(&mine, 1, MPI_UINT64_T, right, 3, &theirs, 1, MPI_UINT64_T,
                           left, 3, MPI_COMM_WORLD, MPI_STATUS_IGNORE));
    CHECK(theirs == mine, "step %ld: %" PRIx64 ", %" PRIx64, step, theirs, mine);
    if (step % 5 == 0) {
        CHECK_MPI(MPI_Allreduce(&mine, &sum, 1, MPI_UINT64_T, MPI_BXOR, MPI_COMM_WORLD));
        CHECK(sum == (check_size % 2 ? mine : 0), "step %ld: %" PRIx64, step, sum);
    }
    check_digest = check_hash(check_digest, mine);
}

/* Each checkpoint was told of, but one before the hook was there. */
static void check_calls(void)
{
    unsigned long long statistics[32] = {0}; /* the first: checkpoints */

    CRMPI(Get_statistics, (void *), statistics);
    CHECK(statistics[0] <= 1ull + (unsigned)n_before, "%llu checkpoints, %d calls",
          statistics[0], n_before);
}

int main(int argc, char **argv)
{
    pthread_t reader;
    int provided;

    MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided);
    long steps = check_begin("hooks", argc, argv, 600);
    table = malloc(N_TABLE * sizeof *table);
    scratch = malloc(N_SCRATCH * sizeof *scratch);
    CHECK(table && scratch, "no memory");
    n_restarts = -1;
    refill(table, N_TABLE * sizeof *table, &table);
    n_restarts = 0;
    CRMPI(Exclude, (void *, size_t), table, N_TABLE * sizeof *table);
    CRMPI(Refill, (void *, int (*)(void *, size_t, void *), void *), table, refill,
          &table);
    CRMPI(Exclude, (void *, size_t), scratch, N_SCRATCH * sizeof *scratch);
    CRMPI(Hook_add, (int, int (*)(int, void *), void *), 15, hook, &n_before);
    CHECK_EQ(pthread_create(&reader, NULL, read_table, NULL), 0);
    for (long step = 0; step < steps; step++) {
        exchange(step, use_scratch(step));
        check_table("computing");
    }
    __atomic_store_n(&reader_ends, 1, __ATOMIC_RELEASE);
    CHECK_EQ(pthread_join(reader, NULL), 0);
    check_calls();
    CRMPI(Hook_remove, (int (*)(int, void *), void *), hook, &n_before);
    CRMPI(Include, (void *), table);
    CRMPI(Include, (void *), scratch);
    free(table);
    free(scratch);
    check_end(steps);
    MPI_Finalize();
    return 0;
}
