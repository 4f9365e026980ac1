/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mappings of all kinds, hundreds of megabytes in all: filled, sparse, all zero,
 * protected (PROT_NONE, read-only, executable), grown by mremap, cut in the middle by
 * munmap, of files, from brk and from malloc.  Each page that is kept is checked again
 * and again.
 */
#include "check.h"
#include <fcntl.h>
#include <malloc.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#define PAGE 4096
#define N_AREAS 24
#define LARGE_BYTES ((size_t)64 << 20)
#define SPARSE_BYTES ((size_t)1 << 30)

/* A mapping in which every page is either filled (by its seed) or zero. */
struct area {
    char *base;
    size_t n_pages;
    uint64_t *seeds; /* 0: the page is zero */
    int is_split;    /* the kernel may see several mappings: mremap takes one only */
};

static struct area areas[N_AREAS];
static char *large, *sparse, *guarded, *code;
static sigjmp_buf back;
static uint64_t large_seeds[LARGE_BYTES / PAGE];

static char *map(size_t bytes, int protection)
{
    char *base =
        mmap(NULL, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(base != MAP_FAILED, "mmap of %zu bytes: %s", bytes, strerror(errno));
    return base;
}

static void touch(struct area *a, size_t page, uint64_t seed)
{
    check_fill(a->base + page * PAGE, PAGE, seed);
    a->seeds[page] = seed;
}

static void verify(const struct area *a)
{
    for (size_t i = 0; i < a->n_pages; i++) {
        if (a->seeds[i])
            CHECK_FILLED(a->base + i * PAGE, PAGE, a->seeds[i]);
        else
            CHECK_BYTES(a->base + i * PAGE, PAGE, 0);
    }
}

static void create(struct area *a, uint64_t *state)
{
    a->n_pages = 1 + (size_t)check_below(state, 60);
    a->is_split = 0;
    a->base = map(a->n_pages * PAGE, PROT_READ | PROT_WRITE);
    a->seeds = calloc(a->n_pages, sizeof *a->seeds);
    for (size_t i = 0; i < a->n_pages; i++)
        if (check_below(state, 2))
            touch(a, i, check_random(state) | 1);
}

static void destroy(struct area *a)
{
    CHECK_SYS(munmap(a->base, a->n_pages * PAGE));
    free(a->seeds);
    a->base = NULL;
}

/* Grown or shrunk, maybe moved. */
static void resize(struct area *a, uint64_t *state)
{
    size_t n_pages = 1 + (size_t)check_below(state, 100), i;
    uint64_t *seeds = calloc(n_pages, sizeof *seeds);

    if (a->is_split) {
        free(seeds);
        return;
    }
    a->base = mremap(a->base, a->n_pages * PAGE, n_pages * PAGE, MREMAP_MAYMOVE);
    CHECK(a->base != MAP_FAILED, "mremap: %s", strerror(errno));
    for (i = 0; i < n_pages && i < a->n_pages; i++)
        seeds[i] = a->seeds[i];
    free(a->seeds);
    a->seeds = seeds;
    a->n_pages = n_pages;
}

/* A page in the middle is dropped: it reads as zero, in the same place. */
static void drop_page(struct area *a, uint64_t *state)
{
    size_t page = (size_t)check_below(state, (int)a->n_pages);
    char *where = a->base + page * PAGE;

    if (check_below(state, 2)) {
        CHECK_SYS(madvise(where, PAGE, MADV_DONTNEED));
    } else {
        a->is_split = 1;
        CHECK_SYS(munmap(where, PAGE));
        CHECK(mmap(where, PAGE, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == where,
              "mmap at a fixed place: %s", strerror(errno));
    }
    a->seeds[page] = 0;
}

static void on_fault(int number)
{
    siglongjmp(back, number);
}

/* Protection is what it was: reading or writing there must fault. */
static void protections(long step)
{
    volatile char *page = guarded + step % 2 * PAGE, sink;

    CHECK(signal(SIGSEGV, on_fault) != SIG_ERR, "signal");
    if (sigsetjmp(back, 1) == 0) {
        if (step % 2)
            *page = 1; /* readable only */
        else
            sink = *page, (void)sink;
        CHECK(0, "a protected page could be %s", step % 2 ? "written" : "read");
    }
    signal(SIGSEGV, SIG_DFL);
    CHECK_FILLED(guarded + PAGE, PAGE, 77);
    CHECK_EQ(((int (*)(void))code)(), 42);
}

static void setup(void)
{
    static const unsigned char return_42[] = {0xb8, 42, 0, 0, 0, 0xc3};

    large = map(LARGE_BYTES, PROT_READ | PROT_WRITE);
    sparse = map(SPARSE_BYTES, PROT_READ | PROT_WRITE);
    guarded = map(3 * PAGE, PROT_READ | PROT_WRITE);
    check_fill(guarded + PAGE, PAGE, 77);
    CHECK_SYS(mprotect(guarded, PAGE, PROT_NONE));
    CHECK_SYS(mprotect(guarded + PAGE, PAGE, PROT_READ));
    code = map(PAGE, PROT_READ | PROT_WRITE);
    memcpy(code, return_42, sizeof return_42);
    CHECK_SYS(mprotect(code, PAGE, PROT_READ | PROT_EXEC));
    mallopt(M_MMAP_THRESHOLD, 1 << 30); /* large blocks from brk, too */
}

static void large_and_sparse(long step, uint64_t *state)
{
    size_t page = (size_t)check_below(state, (int)(LARGE_BYTES / PAGE)), i;

    for (i = 0; i < 40; i++) {
        page = (page + 7919) % (LARGE_BYTES / PAGE);
        if (large_seeds[page])
            CHECK_FILLED(large + page * PAGE, PAGE, large_seeds[page]);
        else
            CHECK_BYTES(large + page * PAGE, PAGE, 0);
        large_seeds[page] = check_random(state) | 1;
        check_fill(large + page * PAGE, PAGE, large_seeds[page]);
    }
    sparse[(size_t)step * 1048573 % SPARSE_BYTES] = (char)(step | 1);
    for (; step >= 0 && i-- > 0; step -= 3)
        CHECK_EQ(sparse[(size_t)step * 1048573 % SPARSE_BYTES], (char)(step | 1));
}

int main(int argc, char **argv)
{
    uint64_t state, value;
    char *block = NULL;
    size_t n_block = 0;
    long step, steps;

    MPI_Init(&argc, &argv);
    steps = check_begin("memory", argc, argv, 500);
    state = 31 + (uint64_t)check_rank;
    setup();
    for (step = 0; step < steps; step++) {
        struct area *a = &areas[check_below(&state, N_AREAS)];
        if (!a->base)
            create(a, &state);
        else if (check_below(&state, 4) == 0)
            destroy(a);
        else if (check_below(&state, 2))
            resize(a, &state);
        else
            drop_page(a, &state);
        for (int i = 0; i < N_AREAS; i++)
            if (areas[i].base && i % 4 == step % 4)
                verify(&areas[i]);
        protections(step);
        large_and_sparse(step, &state);
        if (block)
            CHECK_FILLED(block, n_block, (uint64_t)step - 1);
        free(block);
        n_block = (size_t)check_below(&state, 3000000);
        block = check_alloc(n_block);
        check_fill(block, n_block, (uint64_t)step);
        value = (uint64_t)step;
        CHECK_MPI(MPI_Bcast(&value, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD));
        CHECK_EQ(value, step);
        check_note(state);
    }
    check_end(steps);
    MPI_Finalize();
    return 0;
}
