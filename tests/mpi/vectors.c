/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Registers behind a system call that the program makes itself, by the instruction: all that the
 * kernel keeps, the vector registers and those of the arguments among them, whatever the
 * place of the stack; also where the call is interrupted.
 */
#include "check.h"
#include <alloca.h>
#include <sys/syscall.h>

#define N 8 /* words of a vector register */

struct registers {
    uint64_t low[N], high[N]; /* zmm7, zmm31; or as much of ymm7 and ymm15 */
    uint64_t rdi, rsi, rdx, r10, r8, r9;
};

#define CALL(move, low, high)                                                              \
    __asm__ volatile(move " (%[before]), %%" low "\n\t" move " 64(%[before]), %%" high      \
                          "\n\tmovq %[r10], %%r10\n\tmovq %[r8], %%r8\n\t"                  \
                          "movq %[r9], %%r9\n\tsyscall\n\t" move " %%" low                  \
                          ", (%[after])\n\t" move " %%" high ", 64(%[after])\n\t"           \
                          "movq %%r10, 152(%[after])\n\tmovq %%r8, 160(%[after])\n\t"       \
                          "movq %%r9, 168(%[after])"                                       \
                     : "=a"(result), "+D"(rdi), "+S"(rsi), "+d"(rdx)                       \
                     : "a"(number), [before] "b"(before), [after] "r"(after),              \
                       [r10] "m"(before->r10), [r8] "m"(before->r8), [r9] "m"(before->r9)  \
                     : "rcx", "r11", "r10", "r8", "r9", "memory")

static int has_512;

static long call(long number, const struct registers *before, struct registers *after)
{
    uint64_t rdi = before->rdi, rsi = before->rsi, rdx = before->rdx;
    long result;

    if (has_512)
        CALL("vmovdqu64", "zmm7", "zmm31");
    else
        CALL("vmovdqu", "ymm7", "ymm15");
    after->rdi = rdi;
    after->rsi = rsi;
    after->rdx = rdx;
    return result;
}

static void step_do(long step, int pad)
{
    volatile char *moved = alloca((size_t)pad); /* the stack is elsewhere */
    struct timespec sleep = {0, 1000000}, left = {0, 0};
    struct registers before, after = {0};
    int words = has_512 ? N : N / 2;
    long result;

    *moved = 0;
    check_fill(&before, sizeof before, (uint64_t)step);
    if (step % 2) {
        before.rdi = (uint64_t)&sleep;
        before.rsi = (uint64_t)(step % 4 == 1 ? &left : NULL);
        result = call(SYS_nanosleep, &before, &after);
    } else { /* poll */
        before.rdi = 0;
        before.rsi = 0;
        before.rdx = 1 + (uint64_t)(step % 3);
        result = call(SYS_poll, &before, &after);
    }
    CHECK_EQ(result, 0);
    CHECK(memcmp(before.low, after.low, (size_t)words * 8) == 0 &&
              memcmp(before.high, after.high, (size_t)words * 8) == 0,
          "vector registers are others behind call %ld", step);
    CHECK(before.rdi == after.rdi && before.rsi == after.rsi && before.rdx == after.rdx &&
              before.r10 == after.r10 && before.r8 == after.r8 && before.r9 == after.r9,
          "registers of arguments are others behind call %ld", step);
}

int main(int argc, char **argv)
{
    long steps;

    MPI_Init(&argc, &argv);
    steps = check_begin("vectors", argc, argv, 2000);
    has_512 = __builtin_cpu_supports("avx512f");
    for (long step = 0; step < steps; step++) {
        if (__builtin_cpu_supports("avx"))
            step_do(step, 1 + (int)(step * 8 % 512));
        check_note((uint64_t)step);
        if (step % 64 == 63)
            CHECK_MPI(MPI_Barrier(MPI_COMM_WORLD));
    }
    check_end(steps);
    MPI_Finalize();
    return 0;
}
