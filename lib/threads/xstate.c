/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Layouts of XSAVE areas (see xstate.h): Intel 64 and IA-32 Architectures Software Developer's
 * Manual, volume 1, chapter 13, and struct _fpx_sw_bytes of the kernel.  Lower half.
 *
 *   0     legacy: x87 and SSE; from 464 on what the kernel says of the frame
 *   512   header: which parts are in use
 *   576   parts
 *   bytes FP_XSTATE_MAGIC2
 */
#include <cpuid.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/log.h"
#include "lower/raw.h"
#include "threads/xstate.h"

#define LEGACY_BYTES 512
#define HEADER_BYTES 64
#define SAID_OFFSET 464
#define FIRST_PART 2 /* 0 and 1 are the legacy area */
#define LEAF 0xd
#define ARCH_GET_XCOMP_PERM 0x1022

static const char *const names[] = {
    "x87",        "SSE",        "AVX",       "MPX", "MPX",
    "AVX-512",    "AVX-512",    "AVX-512",   "PT",  "protection keys",
    [17] = "AMX", [18] = "AMX", [19] = "APX"};

#define ON_DEMAND                                                                        \
    (1ul << 17 | 1ul << 18) /* AMX: frames have them once they are permitted */

/* Those of XCR0 that the process may use. */
static uint64_t parts_here(uint64_t also)
{
    uint32_t low, high;
    uint64_t permitted = 0, all;

    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    all = (uint64_t)high << 32 | low;
    /* older kernels have nothing that needs a permission */
    if (crmpi_raw(SYS_arch_prctl, ARCH_GET_XCOMP_PERM, (long)&permitted, 0, 0, 0, 0) == 0)
        all &= permitted | also;
    return all;
}

/* Of an area with these parts. */
static uint32_t bytes_with(const struct crmpi_xstate *layout, uint64_t parts)
{
    uint32_t bytes = LEGACY_BYTES + HEADER_BYTES;

    for (unsigned i = FIRST_PART; i < CRMPI_XSTATE_PARTS; i++)
        if (parts >> i & 1 && layout->part[i].offset + layout->part[i].bytes > bytes)
            bytes = layout->part[i].offset + layout->part[i].bytes;
    return bytes;
}

/* Whether a frame with an area of that size is of a layout. */
static int is_of(const struct crmpi_xstate *layout, uint32_t bytes)
{
    return bytes == layout->bytes ||
           bytes == bytes_with(layout, layout->parts & ~ON_DEMAND);
}

void crmpi_xstate_get(struct crmpi_xstate *here, uint64_t also)
{
    unsigned a, b, c, d;

    memset(here, 0, sizeof *here);
    here->bytes = LEGACY_BYTES;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
        return;
    here->parts = parts_here(also);
    for (unsigned i = FIRST_PART; i < CRMPI_XSTATE_PARTS; i++) {
        if (!(here->parts >> i & 1) || !__get_cpuid_count(LEAF, i, &a, &b, &c, &d))
            continue;
        here->part[i].bytes = a;
        here->part[i].offset = b;
    }
    here->bytes = bytes_with(here, here->parts);
}

int crmpi_xstate_differs(const struct crmpi_xstate *saved,
                         const struct crmpi_xstate *here)
{
    if (saved->bytes > here->bytes)
        return 1;
    for (unsigned i = FIRST_PART; i < CRMPI_XSTATE_PARTS; i++)
        if (saved->parts >> i & 1 && (saved->part[i].offset != here->part[i].offset ||
                                      saved->part[i].bytes != here->part[i].bytes))
            return 1;
    return 0;
}

static int is_sound(const struct crmpi_xstate *layout)
{
    for (unsigned i = FIRST_PART; i < CRMPI_XSTATE_PARTS; i++)
        if ((uint64_t)layout->part[i].offset + layout->part[i].bytes > layout->bytes)
            return 0;
    return layout->bytes >= LEGACY_BYTES && layout->bytes <= 1u << 20;
}

int crmpi_xstate_suits(const struct crmpi_xstate *saved, const struct crmpi_xstate *here,
                       char *why, size_t why_bytes)
{
    if (!is_sound(saved)) {
        snprintf(why, why_bytes,
                 "the checkpoint's layout of vector registers is damaged");
        return 0;
    }
    if (!crmpi_xstate_differs(saved, here))
        return 1;
    for (unsigned i = FIRST_PART; i < CRMPI_XSTATE_PARTS; i++)
        if (saved->parts >> i & 1 && here->part[i].bytes != saved->part[i].bytes) {
            snprintf(why, why_bytes,
                     "this processor has other %s registers than that of the checkpoint: "
                     "restart on a node of that kind",
                     i < sizeof names / sizeof *names && names[i] ? names[i] : "vector");
            return 0;
        }
    if (is_of(here, saved->bytes) ||
        is_of(here, bytes_with(saved, saved->parts & ~ON_DEMAND))) {
        snprintf(
            why, why_bytes,
            "this processor keeps vector registers at other places than that of the "
            "checkpoint, and frames of signals do not tell whose they are: restart on "
            "a node of that kind");
        return 0;
    }
    return 1;
}

size_t crmpi_xstate_room(const struct crmpi_xstate *here)
{
    return here->bytes + sizeof(uint32_t);
}

int crmpi_xstate_convert(ucontext_t *context, const struct crmpi_xstate *saved,
                         const struct crmpi_xstate *here, void *area)
{
    const unsigned char *from = (const unsigned char *)context->uc_mcontext.fpregs;
    unsigned char *to = area;
    struct _fpx_sw_bytes said;
    const uint32_t end = FP_XSTATE_MAGIC2;
    uint64_t in_use;

    if (!from)
        return 1;
    memcpy(&said, from + SAID_OFFSET, sizeof said);
    if (said.magic1 != FP_XSTATE_MAGIC1 || !is_of(saved, said.xstate_size) ||
        !crmpi_xstate_differs(saved, here))
        return 1;
    memcpy(&in_use, from + LEGACY_BYTES, sizeof in_use);
    memset(to, 0, here->bytes);
    memcpy(to, from, LEGACY_BYTES);
    for (unsigned i = FIRST_PART; i < CRMPI_XSTATE_PARTS; i++) {
        if (!(in_use >> i & 1))
            continue;
        if (here->part[i].bytes != saved->part[i].bytes ||
            (uint64_t)saved->part[i].offset + saved->part[i].bytes > said.xstate_size)
            return 0;
        memcpy(to + here->part[i].offset, from + saved->part[i].offset,
               saved->part[i].bytes);
    }
    if (in_use >> CRMPI_XSTATE_PARTS)
        return 0;
    said.extended_size = here->bytes + (uint32_t)sizeof end;
    said.xstate_bv = here->parts;
    said.xstate_size = here->bytes;
    memcpy(to + SAID_OFFSET, &said, sizeof said);
    memcpy(to + LEGACY_BYTES, &in_use, sizeof in_use);
    memcpy(to + here->bytes, &end, sizeof end);
    context->uc_mcontext.fpregs = (fpregset_t)to;
    return 1;
}

size_t crmpi_xstate_bytes(const ucontext_t *context)
{
    const struct _fpx_sw_bytes *said =
        (const void *)((const char *)context->uc_mcontext.fpregs + SAID_OFFSET);

    return said->magic1 == FP_XSTATE_MAGIC1 ? said->extended_size : LEGACY_BYTES;
}

void crmpi_xstate_move(ucontext_t *context, void *area)
{
    memcpy(area, context->uc_mcontext.fpregs, crmpi_xstate_bytes(context));
    context->uc_mcontext.fpregs = area;
}

/* ---- frames in the application's memory ---- */

static struct crmpi_xstate foreign, own;
static int is_foreign;

void crmpi_xstate_start(const struct crmpi_xstate *saved)
{
    crmpi_xstate_get(&own, saved->parts);
    foreign = *saved;
    is_foreign = crmpi_xstate_differs(saved, &own) || crmpi_fault("restart.foreign");
}

int crmpi_xstate_is_foreign(void)
{
    return is_foreign;
}

enum crmpi_status crmpi_xstate_renew(ucontext_t *context)
{
    struct crmpi_xstate here;
    void *area;

    if (!is_foreign)
        return CRMPI_OK;
    crmpi_xstate_get(&here, 0);
    area = aligned_alloc(64, (crmpi_xstate_room(&here) + 63) & ~63ul);
    if (!area)
        return CRMPI_ERR_NOMEM;
    if (crmpi_xstate_convert(context, &foreign, &here, area))
        return CRMPI_OK; /* it is of use until the thread goes on */
    crmpi_error("vector registers of a thread cannot be restored on this processor");
    return CRMPI_ERR_UNFIT;
}

/* Below the frame on the stack, where nothing comes meanwhile: all signals are blocked. */
void crmpi_xstate_return(ucontext_t *context)
{
    struct crmpi_xstate here = own;

    if (parts_here(0) != here.parts) /* something has been permitted since */
        crmpi_xstate_get(&here, 0);

    unsigned char area[crmpi_xstate_room(&here)] __attribute__((aligned(64)));

    if (!crmpi_xstate_convert(context, &foreign, &here, area)) {
        static const char text[] =
            "crmpi: vector registers of a signal's frame cannot be "
            "restored on this processor\n";

        crmpi_raw(SYS_write, 2, (long)text, sizeof text - 1, 0, 0, 0);
        crmpi_raw(SYS_exit_group, 1, 0, 0, 0, 0, 0);
    }
    __asm__ volatile("movq %0, %%rsp\n\t"
                     "movl $15, %%eax\n\t" /* rt_sigreturn */
                     "syscall"
                     :
                     : "r"(context), "r"(area)
                     : "memory");
    __builtin_unreachable();
}
