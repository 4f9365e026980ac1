/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Linked at a fixed low address: static data, pointers to code and data, brk, and
 * mappings below 4 GiB.
 */
#include "check.h"
#include <sys/mman.h>

#define N_WORDS 300000
#define N_PAGES 50

static uint64_t zeroed[N_WORDS], initialised[N_WORDS] = {4711};
static char *low;
extern char etext, edata, end;

static uint64_t one(uint64_t x)
{
    return check_mix(x);
}

static uint64_t two(uint64_t x)
{
    return check_mix(x + 1);
}

static uint64_t (*const functions[])(uint64_t) = {one, two};
static uint64_t (*chosen)(uint64_t) = one;
static uint64_t *const last_word = &zeroed[N_WORDS - 1];

static void map_low(void)
{
    low = mmap(NULL, N_PAGES * 4096, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    CHECK(low != MAP_FAILED, "mmap: %s", strerror(errno));
    CHECK((uintptr_t)low + N_PAGES * 4096 <= 0x100000000, "MAP_32BIT gave %p",
          (void *)low);
}

/* The classic heap, from which malloc() takes, too. */
static void grow(long step)
{
    static char *blocks[100];
    char *block, *old = blocks[step % 100];

    if (old)
        CHECK_FILLED(old, 3000, (uint64_t)(uintptr_t)old);
    block = sbrk(3000);
    CHECK(block != (void *)-1, "sbrk: %s", strerror(errno));
    check_fill(block, 3000, (uint64_t)(uintptr_t)block);
    if (step % 100 < 90 && !old)
        blocks[step % 100] = block;
    else /* nobody can have taken more meanwhile */
        CHECK(sbrk(-3000) == block + 3000, "sbrk did not shrink");
}

int main(int argc, char **argv)
{
    long step, steps;
    uint64_t sum = 0, all;

    MPI_Init(&argc, &argv);
    steps = check_begin("nopie", argc, argv, 1500);
    CHECK((uintptr_t)&end < 0x100000000, "this program is position independent: %p",
          (void *)&end);
    CHECK(&etext < &edata && &edata < &end, "sections in another order");
    map_low();
    for (step = 1; step <= steps; step++) {
        uint64_t i = check_mix((uint64_t)step) % N_WORDS, expected = 0;
        long k;
        zeroed[i] += (uint64_t)step;
        initialised[i] ^= (uint64_t)step;
        chosen = functions[step % 2];
        sum += chosen((uint64_t)step);
        *last_word = sum;
        CHECK(zeroed[N_WORDS - 1] == sum, "another last word");
        low[step % N_PAGES * 4096] = (char)step;
        for (k = step; k > 0 && k > step - N_PAGES; k--)
            CHECK_EQ(low[k % N_PAGES * 4096], (char)k);
        if (step % 300 == 0) {
            for (k = 1; k <= step; k++)
                expected += functions[k % 2]((uint64_t)k);
            CHECK(expected == sum, "sum %016" PRIx64 ", not %016" PRIx64, sum, expected);
            CHECK_SYS(munmap(low, N_PAGES * 4096));
            map_low();
            for (k = step; k > step - N_PAGES; k--)
                low[k % N_PAGES * 4096] = (char)k;
        }
        grow(step);
        if (step % 4 == check_rank % 4)
            check_sleep_ms(4);
        CHECK_MPI(MPI_Allreduce(&sum, &all, 1, MPI_UINT64_T, MPI_BXOR, MPI_COMM_WORLD));
        CHECK(all == (check_size % 2 ? sum : 0), "ranks disagree");
    }
    for (step = 0; step < N_WORDS; step++)
        check_note(zeroed[step] ^ initialised[step]);
    check_end(steps);
    MPI_Finalize();
    return 0;
}
