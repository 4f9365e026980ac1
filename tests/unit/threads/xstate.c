/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Unit tests of the layouts of XSAVE areas: that here is the kernel's, and frames of a made-up
 * one are converted, so that vector registers are what they were when the kernel takes them.
 */
#include <check.h>
#include <immintrin.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "threads/xstate.h"
#include "../main.h"

static struct crmpi_xstate here, other;
static struct _fpx_sw_bytes said;
static int with_other; /* what the handler does with its frame */
static char why[256];

/* All parts lie farther behind, and there is room between them. */
static void layouts_make(void)
{
    crmpi_xstate_get(&here, 0);
    other = here;
    for (unsigned i = 2; i < CRMPI_XSTATE_PARTS; i++)
        if (other.part[i].bytes)
            other.part[i].offset += 64 * (i + 1);
    other.bytes = here.bytes + 64 * CRMPI_XSTATE_PARTS;
}

static void *area_make(const struct crmpi_xstate *layout)
{
    void *area = aligned_alloc(64, (crmpi_xstate_room(layout) + 63) & ~63ul);

    ck_assert_ptr_nonnull(area);
    return area;
}

static void on_signal(int signal, siginfo_t *info, void *data)
{
    ucontext_t *context = data;

    (void)signal;
    (void)info;
    memcpy(&said, (char *)context->uc_mcontext.fpregs + 464, sizeof said);
    if (!with_other)
        return;
    /* as if the frame had been made on the other processor */
    ck_assert_int_eq(crmpi_xstate_convert(context, &here, &other, area_make(&other)), 1);
    memset((char *)context->uc_mcontext.fpregs + 512 + 64, 0xee, 64); /* a gap */
    ck_assert_int_eq(crmpi_xstate_convert(context, &other, &here, area_make(&here)), 1);
}

static void handle(void)
{
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};

    layouts_make();
    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
}

START_TEST(test_here_is_the_kernels)
{
    with_other = 0;
    raise(SIGUSR1);
    ck_assert_uint_eq(said.magic1, FP_XSTATE_MAGIC1);
    ck_assert_uint_eq(said.xstate_size, here.bytes);
    ck_assert_uint_eq(said.xstate_bv, here.parts);
}
END_TEST

__attribute__((target("avx"))) static void registers_check(void)
{
    __m256i before = _mm256_set_epi64x(0x1111, 0x2222, 0x3333, 0x4444), after;

    __asm__ volatile("vmovdqu %1, %%ymm7\n\t"
                     "movl $39, %%eax\n\t" /* getpid */
                     "syscall\n\t"
                     "movl %%eax, %%edi\n\t"
                     "movl %2, %%esi\n\t"
                     "movl $62, %%eax\n\t" /* kill */
                     "syscall\n\t"
                     "vmovdqu %%ymm7, %0"
                     : "=m"(after)
                     : "m"(before), "i"(SIGUSR1)
                     : "rax", "rcx", "rdi", "rsi", "r11", "xmm7", "memory");
    ck_assert_int_eq(memcmp(&before, &after, sizeof before), 0);
}

START_TEST(test_a_frame_of_another)
{
    if (!(here.parts >> 2 & 1))
        return; /* no AVX here */
    ck_assert_int_eq(crmpi_xstate_differs(&other, &here), 1);
    ck_assert_int_eq(crmpi_xstate_suits(&other, &here, why, sizeof why), 1);
    with_other = 1;
    registers_check();
    ck_assert_uint_eq(said.xstate_size, here.bytes); /* when it came */
}
END_TEST

START_TEST(test_the_same)
{
    ck_assert_int_eq(crmpi_xstate_differs(&here, &here), 0);
    ck_assert_int_eq(crmpi_xstate_suits(&here, &here, why, sizeof why), 1);
}
END_TEST

START_TEST(test_what_does_not_suit)
{
    struct crmpi_xstate bad = other;

    if (!(here.parts >> 2 & 1))
        return;
    bad.part[2].bytes += 8;
    ck_assert_int_eq(crmpi_xstate_suits(&bad, &here, why, sizeof why), 0);
    ck_assert_ptr_nonnull(strstr(why, "AVX"));
    bad = other;
    bad.bytes = here.bytes; /* frames would not tell whose they are */
    for (unsigned i = 2; i < CRMPI_XSTATE_PARTS; i++)
        if (bad.part[i].bytes)
            bad.part[i].offset = 576;
    ck_assert_int_eq(crmpi_xstate_suits(&bad, &here, why, sizeof why), 0);
    ck_assert_ptr_nonnull(strstr(why, "other places"));
    bad = other;
    bad.part[2].offset = 0xfffffff0;
    ck_assert_int_eq(crmpi_xstate_suits(&bad, &here, why, sizeof why), 0);
    ck_assert_ptr_nonnull(strstr(why, "damaged"));
}
END_TEST

UNIT_TESTS("xstate")
{
    CASE("xstate", .setup = handle);
    TEST(test_here_is_the_kernels);
    TEST(test_a_frame_of_another);
    TEST(test_the_same);
    TEST(test_what_does_not_suit);
}
