/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bringing the application's threads back (see resume.h).  Lower half.
 *
 * A kernel thread is made for each, on a small stack of its own, with the TLS base the
 * thread had; so from there on no libc.  It renews what the kernel knows of a thread (rseq,
 * robust list, where its id is cleared, name, NUMA policy), waits until all are there, and
 * leaves:
 *
 *   parked above:  rt_sigreturn on the frame the parking signal left on its stack
 *   parked below:  signal mask and floating-point modes, then its call is made again
 *
 * Thread ids in memory stay as they were, since locks hold them: see lib/threads/ids.h.
 */
#include <errno.h>
#include <linux/rseq.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/log.h"
#include "boundary/control.h"
#include "boundary/heap.h"
#include "lower/raw.h"
#include "lower/thread.h"
#include "program/host.h"
#include "restart/resume.h"
#include "restart/signals.h"
#include "threads/ids.h"
#include "threads/together.h"
#include "threads/trap.h"
#include "threads/xstate.h"

#define STACK_BYTES 32768ul
#define KEEP_CAPS 16u /* of the secure bits; others are not set again */

static struct crmpi_thread *structure_of(const struct crmpi_parked *parked)
{
    if (parked->state == CRMPI_THREAD_PARKED_BELOW)
        return (struct crmpi_thread *)parked->thread;
    return *(struct crmpi_thread **)(parked->fs + crmpi_control->self_offset);
}

enum crmpi_status crmpi_threads_renew(const struct crmpi_parked *threads, size_t n_threads)
{
    enum crmpi_status status = crmpi_lender_start();

    crmpi_control->threads = NULL;
    for (size_t i = 0; status == CRMPI_OK && i < n_threads; i++) {
        struct crmpi_thread *thread = structure_of(&threads[i]);

        if (!thread && threads[i].is_main)
            thread = crmpi_control->main_thread; /* it has not called MPI yet */
        if (!thread)
            continue;
        thread->next = crmpi_control->threads;
        crmpi_control->threads = thread;
        thread->nest = 0;
        thread->state = CRMPI_THREAD_RUNS;
        thread->resumed =
            threads[i].state == CRMPI_THREAD_PARKED_BELOW && !thread->at_entry;
        thread->at_entry = 0;
        thread->tid = getpid(); /* of the others: as soon as they exist */
        if (thread != crmpi_control->main_thread)
            status = crmpi_lender_renew(thread, 0);
    }
    return status;
}

/* From here on the upper TLS base is loaded: no libc. */

static void kernel_state_renew(const struct crmpi_parked *parked)
{
    if (parked->has_rseq) {
        struct rseq *area = (struct rseq *)(parked->fs + crmpi_control->rseq_offset);

        area->cpu_id_start = 0;
        area->cpu_id = (uint32_t)RSEQ_CPU_ID_UNINITIALIZED;
        area->rseq_cs = 0;
        area->flags = 0;
        if (crmpi_raw(SYS_rseq, (long)area, CRMPI_RSEQ_BYTES, 0, CRMPI_RSEQ_SIGNATURE, 0,
                      0) != 0)
            area->cpu_id = (uint32_t)RSEQ_CPU_ID_REGISTRATION_FAILED;
    }
    if (parked->robust_list)
        crmpi_raw(SYS_set_robust_list, parked->robust_list, parked->robust_bytes, 0, 0, 0, 0);
    crmpi_raw(SYS_prctl, PR_SET_NAME, (long)parked->name, 0, 0, 0, 0);
    if (parked->policy) /* else what the launcher has set here; as far as there are nodes */
        crmpi_raw(SYS_set_mempolicy, parked->policy, (long)parked->nodes,
                  CRMPI_PARKED_NODES + 1, 0, 0, 0); /* the kernel counts so */
    if ((uint64_t)crmpi_raw(SYS_prctl, PR_GET_TIMERSLACK, 0, 0, 0, 0, 0) !=
        parked->timer_slack_ns)
        crmpi_raw(SYS_prctl, PR_SET_TIMERSLACK, (long)parked->timer_slack_ns, 0, 0, 0, 0);
    crmpi_raw(SYS_personality, parked->personality, 0, 0, 0, 0, 0);
    crmpi_raw(SYS_prctl, PR_SET_PDEATHSIG, parked->death_signal, 0, 0, 0, 0);
    if (parked->secure_bits & KEEP_CAPS)
        crmpi_raw(SYS_prctl, PR_SET_KEEPCAPS, 1, 0, 0, 0, 0);
    if (parked->gs)
        __builtin_ia32_wrgsbase64(parked->gs);
}

static void __attribute__((noreturn)) leave(struct crmpi_parked *parked)
{
    if (parked->state == CRMPI_THREAD_PARKED_ABOVE)
        __asm__ volatile("movq %0, %%rsp\n\t"
                         "movl $15, %%eax\n\t" /* rt_sigreturn */
                         "syscall"
                         :
                         : "r"(parked->context)
                         : "memory");
    parked->altstack[1] &= SS_DISABLE | 1u << 31; /* not SS_ONSTACK: for information only */
    crmpi_raw(SYS_sigaltstack, (long)parked->altstack, 0, 0, 0, 0, 0);
    __asm__ volatile("ldmxcsr %0\n\tfldcw %1" : : "m"(parked->mxcsr), "m"(parked->x87_control));
    struct crmpi_thread *thread = (struct crmpi_thread *)parked->thread;

    thread->signal_mask = parked->signal_mask;
    if (!thread->restarts) /* else when it has called its functions */
        crmpi_raw(SYS_rt_sigprocmask, SIG_SETMASK, (long)&thread->signal_mask, 0, 8, 0, 0);
    crmpi_control->resume(thread);
    __builtin_unreachable();
}

/* Those that have something to do before all go on come back to crmpi_threads_await(). */
static int is_ahead(const struct crmpi_parked *parked)
{
    const struct crmpi_thread *thread = structure_of(parked);

    return thread && thread->restarts;
}

static int thread_start(void *data)
{
    struct crmpi_parked *parked = data;

    kernel_state_renew(parked);
    crmpi_signals_queue(parked);
    crmpi_thread_is_there();
    if (!is_ahead(parked))
        crmpi_threads_await();
    leave(parked);
}

/* From the kernel, as those of alarm() and setitimer() are, or from this process. */
static void signal_send(int signal)
{
    const siginfo_t info = {.si_signo = signal, .si_code = SI_KERNEL};

    if ((signal != SIGALRM && signal != SIGVTALRM && signal != SIGPROF) ||
        crmpi_raw(SYS_rt_sigqueueinfo, getpid(), signal, (long)&info, 0, 0, 0) != 0)
        kill(getpid(), signal);
}

/* Send a thread, or the process (its first thread's mask counts), signals of which it is
 * known that they were pending, and no more. */
static void signals_send(const struct crmpi_parked *parked, uint64_t pending, int tid)
{
    for (int signal = 1; signal < CRMPI_SIGNAL_PARK; signal++) {
        if (!(pending >> (signal - 1) & 1) || !crmpi_signal_is_welcome(parked, signal))
            continue;
        if (tid)
            crmpi_raw(SYS_tgkill, getpid(), tid, signal, 0, 0, 0);
        else
            signal_send(signal);
    }
}

/* Make the kernel thread; it waits for crmpi_threads_go(). */
static int thread_create(struct crmpi_parked *parked)
{
    const int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
                      CLONE_SYSVSEM | CLONE_SETTLS | CLONE_CHILD_CLEARTID;
    char *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

    if (stack == MAP_FAILED)
        return -1;
    int tid = clone(thread_start, stack + STACK_BYTES, flags, parked, NULL,
                    (void *)parked->fs, (void *)parked->tid_address);

    if (tid < 0)
        return -1;
    struct crmpi_thread *thread = structure_of(parked);

    if (thread)
        thread->tid = tid;
    __atomic_store_n(&parked->kernel_tid, tid, __ATOMIC_RELEASE);
    crmpi_ids_add(parked->known_tid, tid);
    signals_send(parked, parked->pending, tid);
    return 0;
}

static struct crmpi_parked *first_of(struct crmpi_parked *threads, size_t n_threads)
{
    for (size_t i = 0; i < n_threads; i++)
        if (threads[i].is_main)
            return &threads[i];
    return NULL;
}

enum crmpi_status crmpi_threads_make(struct crmpi_parked *threads, size_t n_threads)
{
    const struct crmpi_parked *first = first_of(threads, n_threads);

    if (!first) {
        crmpi_error("the checkpoint's list of threads lacks the first");
        return CRMPI_ERR_CORRUPT;
    }
    if (crmpi_ids_start(n_threads) != CRMPI_OK)
        return CRMPI_ERR_NOMEM;
    crmpi_ids_add(first->known_tid, getpid());
    crmpi_threads_expect(n_threads);
    for (size_t i = 0; i < n_threads; i++) {
        enum crmpi_status status =
            threads[i].state == CRMPI_THREAD_PARKED_ABOVE
                ? crmpi_xstate_renew((ucontext_t *)threads[i].context)
                : CRMPI_OK;

        if (status != CRMPI_OK)
            return status;
    }
    for (size_t i = 0; i < n_threads; i++)
        if (!threads[i].is_main && thread_create(&threads[i]) != 0) {
            crmpi_error("cannot create a thread again, of %zu: %s", n_threads,
                        strerror(errno));
            return CRMPI_ERR_SYSTEM;
        }
    return CRMPI_OK;
}

void crmpi_threads_resume(struct crmpi_parked *threads, size_t n_threads, uint64_t pending)
{
    struct crmpi_parked *first = first_of(threads, n_threads);
    int n_ahead = 0;

    for (size_t i = 0; i < n_threads; i++)
        n_ahead += is_ahead(&threads[i]);
    crmpi_signals_queue(first);
    signals_send(first, first->pending, getpid());
    signals_send(first, pending, 0);
    crmpi_timers_restore(threads, n_threads);
    crmpi_host_rseq_release();
    crmpi_control->main_thread->nest = 0; /* from here on it calls no MPI but its own */
    __builtin_ia32_wrfsbase64(first->fs);
    crmpi_raw(SYS_set_tid_address, first->tid_address, 0, 0, 0, 0, 0);
    kernel_state_renew(first);
    crmpi_thread_is_there();
    if (n_ahead == 0)
        crmpi_threads_go();
    if (!is_ahead(first))
        crmpi_threads_await();
    leave(first);
}
