/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way down and back: the common code behind every stub of libcrmpi.so (upper half).
 *
 * A stub loads the number of its MPI call into %eax and jumps to crmpi_switch with all
 * argument registers and the stack as its caller left them:
 *
 *      %rsp+8...  arguments beyond the sixth
 *      %rsp       return address of the caller, which goes into the thread's frame
 *
 * The lower function has the MPI function's own signature.  The caller's registers stay in
 * the thread's frame, so that a restart can make the call again (crmpi_resume).  Arguments
 * on the stack belong to the function that is called, and compilers do store into them: so
 * it gets a copy (crmpi_switch_stack).  Between crmpi_stub_begin and crmpi_stub_end a
 * register may hold a lower-half address: no thread parks there.
 *
 * The last `ret` finds the caller's return address where its `call` put it, so the
 * processor predicts it.
 */
#include "boundary/control.h"

        .text

        /* Note all that the call came with; %rbx: the thread. */
        .macro ENTER slowly
        movq    crmpi_self@gottpoff(%rip), %r11
        movq    %fs:(%r11), %r11
        testq   %r11, %r11
        jz      \slowly
        .ifnotdef crmpi_stub_begin
        .globl  crmpi_stub_begin
        .hidden crmpi_stub_begin
crmpi_stub_begin:
        .endif
        popq    CRMPI_T_RET(%r11)
        .cfi_adjust_cfa_offset -8
        movq    %rsp, CRMPI_T_SP(%r11)
        movq    %rbx, CRMPI_T_RBX(%r11)
        movq    %rbp, CRMPI_T_RBP(%r11)
        movq    %r12, CRMPI_T_R12(%r11)
        movq    %r13, CRMPI_T_R13(%r11)
        movq    %r14, CRMPI_T_R14(%r11)
        movq    %r15, CRMPI_T_R15(%r11)
        movq    %rdi, CRMPI_T_ARGS+0(%r11)
        movq    %rsi, CRMPI_T_ARGS+8(%r11)
        movq    %rdx, CRMPI_T_ARGS+16(%r11)
        movq    %rcx, CRMPI_T_ARGS+24(%r11)
        movq    %r8, CRMPI_T_ARGS+32(%r11)
        movq    %r9, CRMPI_T_ARGS+40(%r11)
        movq    %rax, CRMPI_T_CALL(%r11)
        movl    $0, CRMPI_T_RESUMED(%r11) /* a mark no wrapper took is not for this call */
        movq    %r11, %rbx
        .endm

        /* Call the lower function on its TLS base, and come back. */
        .macro CALL_DOWN
        movabsq $CRMPI_U0, %r10
        movq    CRMPI_C_CALLS(%r10), %r10
        movq    (%r10,%rax,8), %r10
        movq    CRMPI_T_LOWER_FS(%rbx), %r11
        wrfsbase %r11
        call    *%r10
        movq    CRMPI_T_UPPER_FS(%rbx), %r11
        wrfsbase %r11
        .endm

        .macro LEAVE
        cmpl    $0, CRMPI_T_AFTER(%rbx)
        jne     leave_after
        pushq   CRMPI_T_RET(%rbx)
        .cfi_adjust_cfa_offset 8
        movq    CRMPI_T_RBX(%rbx), %rbx
        ret
        .endm

        .globl  crmpi_switch
        .hidden crmpi_switch
        .type   crmpi_switch, @function
        .p2align 5
crmpi_switch:
        .cfi_startproc
        ENTER   enter_slowly
        CALL_DOWN
        LEAVE
        .cfi_endproc

        /* For functions of more than six arguments: copies the next eight words, of which
         * no function has more. */
        .globl  crmpi_switch_stack
        .hidden crmpi_switch_stack
        .type   crmpi_switch_stack, @function
        .p2align 5
crmpi_switch_stack:
        .cfi_startproc
        ENTER   enter_slowly_stack
call_down_stack:
        .rept 8
        pushq   56(%rsp)
        .cfi_adjust_cfa_offset 8
        .endr
        CALL_DOWN
        addq    $64, %rsp
        .cfi_adjust_cfa_offset -64
        LEAVE
        .cfi_endproc

        /* As if the caller had called crmpi_after(): nothing of this is on its stack, so a
         * handler may throw, and jump away. */
        .type   leave_after, @function
leave_after:
        .cfi_startproc
        .cfi_adjust_cfa_offset -8
        pushq   CRMPI_T_RET(%rbx)
        .cfi_adjust_cfa_offset 8
        movq    %rbx, %rdi
        movq    CRMPI_T_RBX(%rbx), %rbx
        movq    %rax, %rsi
        jmp     crmpi_after
        .cfi_endproc

        /* void crmpi_resume(struct crmpi_thread *): on the upper TLS base, in a restarted
         * process, make the thread's call again; does not return to its caller. */
        .globl  crmpi_resume
        .hidden crmpi_resume
        .type   crmpi_resume, @function
crmpi_resume:
        movq    %rdi, %rbx
        movq    CRMPI_T_SP(%rbx), %rsp
        movq    CRMPI_T_RBP(%rbx), %rbp
        movq    CRMPI_T_R12(%rbx), %r12
        movq    CRMPI_T_R13(%rbx), %r13
        movq    CRMPI_T_R14(%rbx), %r14
        movq    CRMPI_T_R15(%rbx), %r15
        movq    CRMPI_T_ARGS+0(%rbx), %rdi
        movq    CRMPI_T_ARGS+8(%rbx), %rsi
        movq    CRMPI_T_ARGS+16(%rbx), %rdx
        movq    CRMPI_T_ARGS+24(%rbx), %rcx
        movq    CRMPI_T_ARGS+32(%rbx), %r8
        movq    CRMPI_T_ARGS+40(%rbx), %r9
        movq    CRMPI_T_CALL(%rbx), %rax
        jmp     call_down_stack /* which does no harm to others */
        .globl  crmpi_stub_end
        .hidden crmpi_stub_end
crmpi_stub_end:

        /* The first call of a thread, or a process that is not split: ask crmpi_enter,
         * which gives 0 (go down now) or the function to jump to instead. */
        .macro ENTER_SLOWLY again
        .cfi_startproc
        pushq   %rdi
        pushq   %rsi
        pushq   %rdx
        pushq   %rcx
        pushq   %r8
        pushq   %r9
        pushq   %rax
        .cfi_adjust_cfa_offset 56
        movl    %eax, %edi
        call    crmpi_enter
        movq    %rax, %r11
        popq    %rax
        popq    %r9
        popq    %r8
        popq    %rcx
        popq    %rdx
        popq    %rsi
        popq    %rdi
        .cfi_adjust_cfa_offset -56
        testq   %r11, %r11
        jz      \again
        jmp     *%r11
        .cfi_endproc
        .endm

        .type   enter_slowly, @function
enter_slowly:
        ENTER_SLOWLY crmpi_switch
        .type   enter_slowly_stack, @function
enter_slowly_stack:
        ENTER_SLOWLY crmpi_switch_stack
        .section .note.GNU-stack,"",@progbits
