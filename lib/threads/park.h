/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stopping the application's threads: what each leaves behind for the capture.  The calls
 * for the engine are in threads/boundary.h.  Lower half.
 */
#ifndef CRMPI_THREADS_PARK_H
#define CRMPI_THREADS_PARK_H

#include <stdint.h>
#include <stddef.h>
#include "base/status.h"
#include "boundary/control.h"

#define CRMPI_PARKED_NODES 1024 /* as many as a kernel can have */

#define CRMPI_RSEQ_BYTES 32l             /* as glibc registers its area, */
#define CRMPI_RSEQ_SIGNATURE 0x53053053l /* on x86 */

/*
 * A parked thread: enough to bring it back.  Written as it stands to the container, as
 * record /task/threads.
 */
struct crmpi_parked {
    int32_t ready;      /* 1 once all members are set */
    int32_t generation; /* of the stop it parked for */
    int32_t state;      /* enum crmpi_thread_state */
    int32_t known_tid;  /* as the application knows it: older than a restart */
    int32_t kernel_tid; /* now */
    uint64_t fs, gs;
    uint64_t context;     /* above: the ucontext_t on its stack, for rt_sigreturn */
    uint64_t thread;      /* below: its struct crmpi_thread */
    uint64_t signal_mask; /* below; above it is in the context */
    uint64_t pending;     /* signals sent to this thread and not yet delivered; set by the
                              capture */
    uint64_t altstack[3]; /* below: stack_t */
    uint64_t tid_address; /* cleared by the kernel when it ends */
    uint64_t robust_list, robust_bytes;
    uint64_t nodes[CRMPI_PARKED_NODES / 64];
    int32_t policy;       /* of NUMA, with its nodes; 0: none of its own */
    uint32_t mxcsr;       /* below */
    uint16_t x87_control; /* below */
    uint16_t is_main;
    uint64_t timer_slack_ns;
    int32_t death_signal; /* PR_SET_PDEATHSIG */
    uint32_t secure_bits;
    int32_t asked;        /* of crmpi_parked_take_signals(): which it has done */
    uint32_t personality; /* as personality(2) has it */
    int32_t padding;
    int32_t has_rseq; /* the area of its libc is registered */
    uint64_t queue;   /* struct crmpi_queue of what it has taken out; 0: nothing */
    char name[16];
};

/** Install the parking signal's handler; SIGUSR1's comes by crmpi_trap_signals_restore. */
enum crmpi_status crmpi_park_install(void);

/** Tell whether a signal asks for something, if the application has not asked for it:
 * SIGUSR1 for a checkpoint, CRMPI_STOP_SIGNAL for one with which the job ends. */
int crmpi_park_is_request(int signal);

/** The kernel's action for such a signal. */
struct crmpi_sigaction crmpi_park_request_action(void);

/** In a restarted process, before anybody may ask for a checkpoint: threads that are still to
 * be made, or on their way above.  Till they have parked once nothing else is taken for
 * them; `kernel_tid` tells when one is there.  The array stays.  The first thread calls MPI on
 * the restart's own behalf and does not park in that, until crmpi_threads_resume(). */
void crmpi_park_expect(struct crmpi_parked *threads, size_t n);

/** The parked threads, valid from crmpi_park_all to crmpi_release_all. */
const struct crmpi_parked *crmpi_parked_list(size_t *n_out);

/**
 * Have all parked threads take their queued signals out (queue.h): these are in the list's
 * queues then.  They put them back when they go on.
 * @return 0 if one does not answer
 */
int crmpi_parked_take_signals(void);

/** Park, if all threads have to, in front of a call that has not begun. */
void crmpi_park_before_call(void);

/**
 * Tell whether a critical section of the application waits in a call, when others have been
 * stopped for so long that it will get nothing from them.
 * @param[out] why  in which call
 */
int crmpi_park_is_stuck(int elapsed_ms, char *why, size_t why_bytes);

/** Register the park point with the progress engine of the MPI library. */
enum crmpi_status crmpi_park_progress_register(void);

#endif
