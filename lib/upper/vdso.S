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
/*
 * The gate (lib/threads/gate.c): system calls that the filter lets pass, with a frame of the
 * thread's at %rsp.  Behind them all registers are the application's again.  What
 * unwinds a thread that waits here, as for pthread_cancel(), finds its way.
 */
        .section .gate, "ax", @progbits
        .cfi_startproc
        .cfi_def_cfa_offset CRMPI_F_BYTES
        .cfi_offset %rip, CRMPI_F_BACK - CRMPI_F_BYTES
        syscall
        jmp     2f
        .org    CRMPI_GATE_AGAIN
        syscall /* another call than the application's own */
        movq    CRMPI_F_RAX(%rsp), %rax
2:      movq    (%rsp), %rdi
        movq    8(%rsp), %rsi
        movq    16(%rsp), %rdx
        movq    24(%rsp), %r10
        movq    32(%rsp), %r8
        movq    40(%rsp), %r9
        leaq    CRMPI_F_BACK(%rsp), %rsp /* flags stay */
        .cfi_def_cfa_offset CRMPI_F_BYTES - CRMPI_F_BACK
        ret     $(CRMPI_F_BYTES - CRMPI_F_BACK - 8)
        .cfi_endproc
/*
 * Behind a wait for a signal, in a restarted process: %rsp: where the siginfo is, where to go
 * on, the red zone.  What the process has sent itself is from the one that it knows.  Uses the
 * registers that system calls change.
 */
        .org    CRMPI_GATE_INFO
        .cfi_startproc
        .cfi_def_cfa_offset 144
        .cfi_offset %rip, -136
        testq   %rax, %rax
        jle     4f
        movq    (%rsp), %rcx
        cmpl    $0, 8(%rcx) /* si_code: SI_USER, SI_TKILL */
        je      3f
        cmpl    $-6, 8(%rcx)
        jne     4f
3:      movabsq $(CRMPI_U0 + CRMPI_C_PID), %r11
        movl    (%r11), %r11d
        cmpl    %r11d, 16(%rcx) /* si_pid */
        jne     4f
        movabsq $(CRMPI_U0 + CRMPI_C_KNOWN_PID), %r11
        movl    (%r11), %r11d
        movl    %r11d, 16(%rcx)
4:      leaq    8(%rsp), %rsp
        .cfi_def_cfa_offset 136
        ret     $128
        .cfi_endproc
        .section .note.GNU-stack,"",@progbits
