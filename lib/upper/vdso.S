/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * crmpi's own vdso for the upper half, linked to a small shared object and embedded in the
 * host, which maps it at CRMPI_VDSO_ADDR.  The kernel's vdso moves at every restart, so
 * libc must not know it: these functions jump through the table in the control page, which
 * is renewed.  All arguments are in registers; %rax is free.
 */
#include "boundary/control.h"

        .macro  VDSO_FUNCTION name, index
        .globl  __vdso_\name
        .type   __vdso_\name, @function
        .globl  \name
        .type   \name, @function
        .set    \name, __vdso_\name
        .p2align 4
__vdso_\name:
        movabsq $(CRMPI_U0 + CRMPI_C_VDSO + 8 * \index), %rax
        jmp     *(%rax)
        .size   __vdso_\name, . - __vdso_\name
        .endm

        .text
        VDSO_FUNCTION clock_gettime, 0
        VDSO_FUNCTION gettimeofday, 1
        VDSO_FUNCTION time, 2
        VDSO_FUNCTION clock_getres, 3
        VDSO_FUNCTION getcpu, 4
        .section .note.GNU-stack,"",@progbits
