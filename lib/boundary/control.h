/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The structures both halves share.  They lie in the upper half, so they are saved and
 * come back at the same addresses; the members marked "renewed" point into the lower
 * half and are set again at every start and restart.
 *
 *   CRMPI_U0  +0        struct crmpi_control } one mapping, CRMPI_CONTROL_BYTES
 *             +64 KiB   crmpi's vdso, the gate in it   } CRMPI_VDSO_BYTES
 *             +1 TiB    crmpi's own heap (lib/boundary/heap.h)
 *             +2 TiB    ld.so, a PIE program
 *             +3 TiB    brk area
 *             +4 TiB    stack of the first thread, ends at +4 TiB + 64 GiB
 *             +5 TiB    everything the application maps
 *             +15 TiB   contents of its files, while they are being saved or restored
 *   CRMPI_U1            where threads and processes are made (lib/threads/gate.c), two pages
 *
 * Linux places nothing in U0..U1 by itself, whatever layout a process has; each may begin
 * anywhere in its bracket, depending on how many bits are random (vm.mmap_rnd_bits):
 *
 *   0x0000_7fff_8000  [  AddressSanitizer's shadow (not the kernel's, but not to be in
 *   0x1000_7fff_7fff  ]  its way)
 *   0x0555_5555_5000  [  top down from here, with an unlimited stack (ulimit -s)
 *   0x1555_5555_5000  ]
 *   0x1600_0000_0000     U0
 *   0x2600_0000_0000     U1
 *   0x2aaa_aaaa_a000  [  bottom up from here, in the legacy layout (setarch -L, or
 *   0x3aaa_aaaa_a000  ]  vm.legacy_va_layout), or where top down has no room left
 *   0x5555_5555_4000  [  position-independent programs and, behind them, the break
 *   0x6555_5555_4000  ]
 *   0x6ff0_0000_0000  [  top down from here, ordinarily
 *   0x7fff_ffff_f000  ]  stack
 *
 * crmpi-host has itself executed in the ordinary layout (lib/program/personality.c); but the
 * programs that an application starts inherit the filter that knows U0..U1.  With five
 * levels of page tables nothing is different: the kernel goes above 47 bits only where a
 * hint says so.
 *
 * What the application itself maps elsewhere, at fixed addresses, is noted in `outside`
 * (lib/threads/addresses.c).
 *
 * Included by assembly too: the offsets below are checked in control.c.
 */
#ifndef CRMPI_BOUNDARY_CONTROL_H
#define CRMPI_BOUNDARY_CONTROL_H

#define CRMPI_U0 0x160000000000
#define CRMPI_U1 0x260000000000
#define CRMPI_LOW_END 0x100000000 /* a non-PIE program and MAP_32BIT live below */
#define CRMPI_TIB 0x10000000000
#define CRMPI_CONTROL_BYTES 0x10000
#define CRMPI_VDSO_ADDR (CRMPI_U0 + 0x10000)
#define CRMPI_VDSO_BYTES 0x4000
#define CRMPI_HEAP_ADDR (CRMPI_U0 + 1 * CRMPI_TIB)
#define CRMPI_IMAGE_ADDR (CRMPI_U0 + 2 * CRMPI_TIB)
#define CRMPI_BRK_ADDR (CRMPI_U0 + 3 * CRMPI_TIB)
#define CRMPI_STACK_END (CRMPI_U0 + 4 * CRMPI_TIB + 0x1000000000)
#define CRMPI_MAP_ADDR (CRMPI_U0 + 5 * CRMPI_TIB)

#define CRMPI_FILES_ADDR (CRMPI_U1 - 1 * CRMPI_TIB)

/* Where system calls of the application are not trapped (lib/threads/gate.c): the gate, whose
 * code is in lib/upper/vdso.S, and the places where threads and processes are made. */
#define CRMPI_GATE_ADDR (CRMPI_VDSO_ADDR + 0x2000)
#define CRMPI_GATE_BYTES 0x40
#define CRMPI_GATE_AGAIN 16 /* the second call of the gate */
#define CRMPI_GATE_INFO 64  /* code that corrects a siginfo behind it */
#define CRMPI_BIRTHS_ADDR CRMPI_U1
#define CRMPI_BIRTHS_BYTES 0x2000
#define CRMPI_UPPER_END (CRMPI_BIRTHS_ADDR + CRMPI_BIRTHS_BYTES)

/* Of the lower half, with 28 random bits as usual: crmpi-host, all else. */
#define CRMPI_LOWER_HOST 0x550000000000
#define CRMPI_LOWER_HOST_END 0x570000000000
#define CRMPI_LOWER_MAP 0x6f0000000000
#define CRMPI_OUTSIDE_MAX 128
#define CRMPI_PLACES_MAX 64

#define CRMPI_CONTROL_MAGIC 0x6c74636d70697263 /* "crpimctl" */

/* offsets used by switch.S */
#define CRMPI_T_LOWER_FS 0
#define CRMPI_T_UPPER_FS 8
#define CRMPI_T_RET 16
#define CRMPI_T_SP 24
#define CRMPI_T_RBX 32
#define CRMPI_T_RBP 40
#define CRMPI_T_R12 48
#define CRMPI_T_R13 56
#define CRMPI_T_R14 64
#define CRMPI_T_R15 72
#define CRMPI_T_ARGS 80
#define CRMPI_T_CALL 128
#define CRMPI_T_RESUMED 140
#define CRMPI_T_AFTER 144
/* a frame of the gate, and of a transfer: six registers first, the address to go on at and
 * the red zone last */
#define CRMPI_F_RAX 48
#define CRMPI_F_BACK 136
#define CRMPI_F_BYTES 272
#define CRMPI_C_CALLS 16
#define CRMPI_C_VDSO 24
#define CRMPI_C_PID 124
#define CRMPI_C_KNOWN_PID 128

#ifndef __ASSEMBLER__
#include <stdint.h>
#include <stddef.h>

/* What a thread is doing, as the checkpoint sees it. */
enum crmpi_thread_state {
    CRMPI_THREAD_RUNS = 0,
    CRMPI_THREAD_PARKED_ABOVE, /* in the checkpoint signal's handler: resume by sigreturn */
    CRMPI_THREAD_PARKED_BELOW, /* in an MPI call: resume by making the call again */
};

/* The upper registers at the boundary, while a thread is below. */
struct crmpi_frame {
    uint64_t ret, sp, rbx, rbp, r12, r13, r14, r15, args[6], call;
};

/* An error handler of the application: it is called above, as the last of the MPI call, where
 * it may do what any of its functions may, throw and jump away among that. */
#define CRMPI_AFTER_MAX 6
#define CRMPI_UPCALLS_MAX 8
struct crmpi_after {
    void *function;
    void *object; /* the handle; in Fortran its number */
    int32_t error;
    int32_t is_fortran;
};

/*
 * One for each thread of the application that has called MPI, in crmpi's upper heap,
 * found through libcrmpi's thread-local crmpi_self.
 */
struct crmpi_thread {
    uint64_t lower_fs; /* renewed */
    uint64_t upper_fs;
    struct crmpi_frame frame; /* valid while below: see switch.S */
    int32_t nest;    /* > 0 while a callback of the application, or its signal handler, runs
                        on top of a lower call: no parking then */
    int32_t resumed; /* set in a thread that restart brought back below; the wrapper whose
                        call is made again reads and clears it (crmpi_call_resumed) */
    int32_t n_after, unused; /* error handlers to call when the call has come back above */
    void *mpi;       /* the MPI layer's own per-thread state, in the upper heap */
    struct crmpi_thread *next; /* all of them, crmpi_control.threads */
    int32_t tid;               /* the kernel's; renewed */
    int32_t state;             /* enum crmpi_thread_state */
    int32_t critical; /* depth of critical sections: it must not park meanwhile */
    int32_t waits_ms; /* when it last waited in one, while a checkpoint was under way */
    int32_t hooks;    /* functions that it calls for checkpoints: it parks below only */
    int32_t hooking;  /* it is calling one */
    int32_t at_entry; /* parked before its call has begun */
    int32_t restarts; /* it has functions to call before the others go on */
    uint32_t serial;  /* of the thread that has this structure */
    uint64_t signal_mask; /* to set when it has called them */
    struct crmpi_after after[CRMPI_AFTER_MAX];
    void *after_held; /* a freed object that one of them may look at: till the next */
    int32_t n_upcalls, unused2; /* callbacks that run, one in a call of the other */
    struct {
        uint64_t sp; /* of crmpi_upcall() */
        int32_t nest, unused; /* before it */
    } upcalls[CRMPI_UPCALLS_MAX];
};

/* As the kernel has it; what the application asked for, per signal. */
struct crmpi_sigaction {
    void *handler;
    uint64_t flags;
    void *restorer;
    uint64_t mask;
};

enum crmpi_phase {
    CRMPI_PHASE_RUN = 0,
    CRMPI_PHASE_STOP,  /* every thread parks at its next safe point */
    CRMPI_PHASE_RUNON, /* threads run, but the gate in front of collectives is closed for
                          those that would go beyond the target */
    CRMPI_PHASE_ASKED, /* threads run, and hooks of the application are called */
};

struct crmpi_control_page {
    uint64_t magic;
    uint64_t version;        /* of the host's table of MPI calls */
    void *const *calls;      /* renewed: lower entry points by call number */
    uint64_t vdso[8];        /* renewed: the kernel's vdso functions, see lib/upper/vdso.c */
    struct crmpi_thread *(*attach)(uint64_t upper_fs); /* renewed: first call of a thread */
    int32_t fsgsbase;        /* renewed: 1 if wrfsbase may be used */
    int32_t phase;           /* enum crmpi_phase; a futex word */
    int64_t self_offset;     /* of crmpi_self from FS, set by libcrmpi */
    int64_t rseq_offset;     /* of struct rseq from FS in the upper libc */
    uint32_t rseq_bytes;
    uint32_t pid;            /* renewed: a forked child differs */
    int32_t known_pid; /* of the process, as the application knows it: older than a restart */
    int32_t unused;
    uint64_t stub_begin, stub_end; /* libcrmpi's code where no thread may park */
    void (*signal_entry)(int, void *, void *); /* libcrmpi's handler trampoline */
    uint32_t n_places, unused3;
    struct {
        uint64_t address; /* behind a system call */
        int32_t number;   /* which it is, if that is not */
        int32_t stack;    /* on the stack, so many bytes from its top; -1: it is not */
    } places[CRMPI_PLACES_MAX]; /* of libc's functions, which libcrmpi has looked at */
    uint64_t transfer_entry, transfer_behind; /* libcrmpi's code for the rest of transfers, and
                                behind its system call */
    uint64_t brk_start, brk_now;
    uint64_t map_next;       /* where the next mmap is tried */
    uint64_t heap_next;      /* crmpi's heap: see heap.c */
    void *heap_free[48];
    int32_t heap_lock;
    int32_t threads_lock;
    struct crmpi_thread *threads;     /* all of them */
    struct crmpi_thread *main_thread; /* the process's first */
    struct crmpi_sigaction sigactions[65];
    void *mpi;               /* root of the MPI layer's saved state, in the upper heap */
    void *engine;            /* root of the engine's saved state, in the upper heap */
    struct crmpi_application *application; /* what crmpi.h was told, in the upper heap */
    char program[4096];      /* path of the application's executable */
    int32_t umask;           /* of the application, noted at the capture */
    int32_t park_generation; /* a futex word: parked threads wait while it stays */
    void (*resume)(struct crmpi_thread *); /* libcrmpi's crmpi_resume: make the call again */
    void (*initialized)(void); /* libcrmpi's function to call above after MPI_Init */
    char ***environ; /* the application's */
    void *const *predefined; /* libcrmpi's array of predefined MPI objects */
    int32_t wants_end;       /* MPI is to be told when the process ends: CRMPI_End() */
    int32_t owner; /* renewed: the process this memory belongs to, also of a forked child */
    int32_t has_forked; /* there may be, or have been, children that share memory with it */
    int64_t clock_offset_ns; /* see lib/threads/clock.h */
    double wtime_offset;
    int64_t files_since_ns; /* when the program was started first; time of day */
    uint64_t arguments, environment, environment_end; /* strings on the first stack, one
                                behind the other */
    int64_t lower_self_offset; /* renewed: of the lower crmpi_thread from a lower FS */
    int32_t outside_lock;
    uint32_t n_outside;
    struct {
        uint64_t start, end;
    } outside[CRMPI_OUTSIDE_MAX]; /* what the application has mapped outside of the ranges;
                                     it may be gone again */
};

#define crmpi_control ((struct crmpi_control_page *)CRMPI_U0)

static inline int crmpi_is_upper(uint64_t address)
{
    return (address >= CRMPI_U0 && address < CRMPI_UPPER_END) ||
           address < CRMPI_LOW_END;
}

/* Contents of a file, which lie there for a checkpoint (lib/files). */
static inline int crmpi_is_file_part(uint64_t address)
{
    return address >= CRMPI_FILES_ADDR && address < CRMPI_U1;
}

/* Whether the application may have memory there, and crmpi-host has none: pages that do
 * not reach over an end of the upper range. */
static inline int crmpi_may_be_application(uint64_t start, uint64_t end)
{
    if (start < CRMPI_UPPER_END && end > CRMPI_U0)
        return start >= CRMPI_U0 && end <= CRMPI_UPPER_END;
    return start < end && (end <= CRMPI_LOWER_HOST || (start >= CRMPI_LOWER_HOST_END &&
                                                       end <= CRMPI_LOWER_MAP));
}

/* Whether what is mapped at an address is the application's. */
static inline int crmpi_is_application(uint64_t address)
{
    uint32_t i = 0, n;

    if (crmpi_is_upper(address))
        return 1;
    if (!crmpi_may_be_application(address, address + 1))
        return 0; /* where the lower half is */
    n = __atomic_load_n(&crmpi_control->n_outside, __ATOMIC_ACQUIRE);
    while (i < n && (address < crmpi_control->outside[i].start ||
                     address >= crmpi_control->outside[i].end))
        i++;
    return i < n;
}
#endif
#endif
