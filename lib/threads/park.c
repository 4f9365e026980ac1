/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stopping the application's threads at points from which a restart can bring them back
 * (see doc/design.md).  Lower half.
 *
 * A thread parks either in the handler of the parking signal, which interrupted it above, or
 * at a park point below.  Each claims a slot of a table, fills it, and sleeps until the
 * generation changes.  The handler runs on the upper TLS base: no libc, no thread-local data.
 */
#include <asm/prctl.h>
#include <dirent.h>
#include <errno.h>
#include <linux/rseq.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/config.h"
#include "base/log.h"
#include "boundary/entries.h"
#include "lower/locks.h"
#include "lower/progress.h"
#include "lower/raw.h"
#include "lower/thread.h"
#include "threads/boundary.h"
#include "threads/callbacks.h"
#include "threads/gate.h"
#include "threads/ids.h"
#include "threads/interrupted.h"
#include "threads/park.h"
#include "threads/queue.h"
#include "threads/trap.h"
#include "threads/xstate.h"

struct crmpi_thread_callbacks crmpi_thread_callbacks;

#define FIRST_US 20      /* pauses between looks at threads: they get longer */
#define TAKE_NS 200000   /* how often a thread that is to take its signals out is woken */
#define TAKE_TURNS 50000 /* at most */
#define STUCK_MS 2000    /* for a critical section in a call, when others stand still */

/*
 * Slots for threads that park.  A thread that was late for one stop may claim a slot of the
 * next with the old generation: such a slot does not count.  It may also still be filling a
 * slot when the next stop begins, so every stop takes another table of the ring.
 */
#define N_TABLES 16
static struct table {
    struct crmpi_parked *slots;
    struct crmpi_look *looks; /* at threads, before they are signalled; as many */
    int32_t n_slots;
    int32_t n_claimed; /* may exceed n_slots: those threads do not park */
} tables[N_TABLES], *table = tables;
static int32_t take_asked; /* counts crmpi_parked_take_signals() */
static int32_t n_givers;   /* threads that have signals to put back; a futex word */
static int32_t n_ready;    /* a futex word for crmpi_park_all */

static struct crmpi_parked *list; /* what crmpi_parked_list gives */
static size_t n_list;

static struct crmpi_parked *slot_claim(void)
{
    struct table *t = __atomic_load_n(&table, __ATOMIC_ACQUIRE);
    int32_t i = __atomic_fetch_add(&t->n_claimed, 1, __ATOMIC_ACQ_REL);

    return i < t->n_slots ? &t->slots[i] : NULL;
}

static int slot_counts(const struct crmpi_parked *slot)
{
    return __atomic_load_n(&slot->ready, __ATOMIC_ACQUIRE) &&
           slot->generation == crmpi_control->park_generation;
}

/* Whether the kernel knows the thread's rseq area: what the area says is not to be believed
 * while libc is making the thread.  It is asked by a registration, which is undone if it was
 * the first. */
static int has_rseq(uint64_t fs)
{
    long area = (long)(fs + (uint64_t)crmpi_control->rseq_offset);

    if (!crmpi_control->rseq_bytes)
        return 0;
    if (crmpi_raw(SYS_rseq, area, CRMPI_RSEQ_BYTES, 0, CRMPI_RSEQ_SIGNATURE, 0, 0) != 0)
        return 1;
    crmpi_raw(SYS_rseq, area, CRMPI_RSEQ_BYTES, RSEQ_FLAG_UNREGISTER,
              CRMPI_RSEQ_SIGNATURE, 0, 0);
    return 0;
}

/* Nobody goes on, and sends or takes signals, before all have been put back. */
static void give_back(struct crmpi_queue *queue, int32_t known_tid, int is_first)
{
    int32_t n, gives = queue->n > 0;

    crmpi_queue_give(queue, known_tid, is_first);
    if (gives && __atomic_sub_fetch(&n_givers, 1, __ATOMIC_ACQ_REL) == 0)
        crmpi_raw_futex_wake(&n_givers, INT32_MAX);
    while ((n = __atomic_load_n(&n_givers, __ATOMIC_ACQUIRE)) > 0)
        crmpi_raw_futex_wait(&n_givers, n, NULL);
}

/* Note what is the same for both kinds, and sleep. */
static void park(struct crmpi_parked *slot, int32_t generation)
{
    struct crmpi_queue queue = {0};
    int32_t known_tid, is_first; /* the slot is not ours for ever */

    slot->asked = __atomic_load_n(&take_asked, __ATOMIC_ACQUIRE);
    slot->queue = 0;
    slot->generation = generation;
    slot->kernel_tid = crmpi_raw(SYS_gettid, 0, 0, 0, 0, 0, 0);
    slot->is_main = slot->kernel_tid == crmpi_raw(SYS_getpid, 0, 0, 0, 0, 0, 0);
    slot->gs = __builtin_ia32_rdgsbase64();
    slot->has_rseq = has_rseq(slot->fs);
    slot->personality = (uint32_t)crmpi_raw(SYS_personality, 0xffffffff, 0, 0, 0, 0, 0);
    crmpi_raw(SYS_prctl, PR_GET_TID_ADDRESS, (long)&slot->tid_address, 0, 0, 0, 0);
    crmpi_raw(SYS_get_robust_list, 0, (long)&slot->robust_list, (long)&slot->robust_bytes,
              0, 0, 0);
    crmpi_raw(SYS_prctl, PR_GET_NAME, (long)slot->name, 0, 0, 0, 0);
    if (crmpi_raw(SYS_get_mempolicy, (long)&slot->policy, (long)slot->nodes,
                  CRMPI_PARKED_NODES, 0, 0, 0) < 0)
        slot->policy = 0; /* a kernel without NUMA */
    crmpi_raw(SYS_prctl, PR_GET_PDEATHSIG, (long)&slot->death_signal, 0, 0, 0, 0);
    slot->timer_slack_ns =
        (uint64_t)crmpi_raw(SYS_prctl, PR_GET_TIMERSLACK, 0, 0, 0, 0, 0);
    slot->secure_bits = (uint32_t)crmpi_raw(SYS_prctl, PR_GET_SECUREBITS, 0, 0, 0, 0, 0);
    slot->known_tid = known_tid = crmpi_ids_known(slot->kernel_tid);
    is_first = slot->is_main;
    __atomic_store_n(&slot->ready, 1, __ATOMIC_RELEASE);
    __atomic_fetch_add(&n_ready, 1, __ATOMIC_ACQ_REL);
    crmpi_raw_futex_wake(&n_ready, 1);
    while (__atomic_load_n(&crmpi_control->park_generation, __ATOMIC_ACQUIRE) ==
           generation) {
        int32_t asked = __atomic_load_n(&take_asked, __ATOMIC_ACQUIRE);

        if (asked != slot->asked) {
            int had_none = queue.n == 0;

            crmpi_queue_take(&queue, slot->known_tid, slot->is_main);
            if (had_none && queue.n > 0)
                __atomic_fetch_add(&n_givers, 1, __ATOMIC_ACQ_REL);
            slot->queue = queue.n ? (uint64_t)&queue : 0;
            __atomic_store_n(&slot->asked, asked, __ATOMIC_RELEASE);
        }
        crmpi_raw_futex_wait(&crmpi_control->park_generation, generation, NULL);
    }
    give_back(&queue, known_tid, is_first);
}

/*
 * Above: the parking signal
 */

/*
 * A callback that is left by longjmp() does not come back to crmpi_upcall().  It has been left
 * if its thread runs, or has called MPI, further up on the stack than crmpi_upcall() did.  A
 * callback may switch to a stack of its own, and a signal handler has one: those are farther
 * away than any stack is large, or not looked at.
 */
#define STACK_MAX (64ul << 20)
static void upcalls_settle(struct crmpi_thread *thread, uint64_t sp)
{
    while (thread->n_upcalls > 0) {
        int last = thread->n_upcalls - 1;
        uint64_t below = thread->upcalls[last].sp;

        if (sp <= below || sp - below > STACK_MAX)
            return;
        thread->n_upcalls = last;
        __atomic_store_n(&thread->nest,
                         thread->nest - (thread->upcalls[last].nest + 1) +
                             (last ? thread->upcalls[last - 1].nest + 1 : 0),
                         __ATOMIC_RELEASE);
    }
}

static void handle_park(int signal, siginfo_t *info, void *data)
{
    ucontext_t *context = data;
    greg_t *r = context->uc_mcontext.gregs;
    int32_t generation =
        __atomic_load_n(&crmpi_control->park_generation, __ATOMIC_ACQUIRE);
    uint64_t fs = __builtin_ia32_rdfsbase64(), rip = r[REG_RIP];
    const struct table *t = __atomic_load_n(&table, __ATOMIC_ACQUIRE);

    (void)signal;
    (void)info;
    if (fs < CRMPI_U0 || fs >= CRMPI_U1 || !crmpi_is_application(rip))
        return; /* below, or in the kernel's vdso */
    unsigned char area[crmpi_xstate_bytes(context)] __attribute__((aligned(64)));

    crmpi_xstate_move(context, area);
    crmpi_interrupted(r, t->looks, (size_t)t->n_slots);
    if (__atomic_load_n(&crmpi_control->phase, __ATOMIC_ACQUIRE) != CRMPI_PHASE_STOP ||
        (rip >= crmpi_control->stub_begin && rip < crmpi_control->stub_end))
        return;
    struct crmpi_thread *thread =
        *(struct crmpi_thread **)(fs + crmpi_control->self_offset);

    if (thread && !(context->uc_stack.ss_flags & SS_ONSTACK))
        upcalls_settle(thread, (uint64_t)r[REG_RSP]);
    if (thread && (__atomic_load_n(&thread->nest, __ATOMIC_ACQUIRE) > 0 ||
                   __atomic_load_n(&thread->critical, __ATOMIC_ACQUIRE) > 0 ||
                   __atomic_load_n(&thread->hooks, __ATOMIC_ACQUIRE) > 0))
        return;
    struct crmpi_parked *slot = slot_claim();

    if (!slot)
        return;
    slot->state = CRMPI_THREAD_PARKED_ABOVE;
    slot->fs = fs;
    slot->context = (uint64_t)context;
    park(slot, generation);
    crmpi_gate_renew(r);                           /* a restart goes on from the cut */
    __asm__ volatile("" : : "r"(area) : "memory"); /* the kernel reads it */
}

int crmpi_park_is_request(int signal)
{
    return signal == SIGUSR1 || signal == crmpi_config.stop_signal;
}

/* Where the application does not use the signal: somebody asks for a checkpoint.  A child
 * that the application has forked has this handler, too. */
static void handle_request(int signal, siginfo_t *info, void *data)
{
    int own = crmpi_raw(SYS_getpid, 0, 0, 0, 0, 0, 0) == crmpi_control->owner;
    unsigned char area[crmpi_xstate_bytes(data)] __attribute__((aligned(64)));

    (void)info;
    crmpi_xstate_move(data, area);
    if (crmpi_is_upper(__builtin_ia32_rdfsbase64()))
        crmpi_interrupted(((ucontext_t *)data)->uc_mcontext.gregs, NULL, 0);
    if (signal != crmpi_config.stop_signal)
        crmpi_thread_callbacks.request();
    else if ((!own || !crmpi_thread_callbacks.stop()) && signal != SIGUSR1)
        crmpi_die_by(signal);
}

void crmpi_signal_restorer(void);

struct crmpi_sigaction crmpi_park_request_action(void)
{
    return (struct crmpi_sigaction){
        .handler = (void *)handle_request,
        .flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK | 0x04000000 /* SA_RESTORER */,
        .restorer = (void *)crmpi_signal_restorer,
        .mask = ~0ul,
    };
}

/* What the kernel wants of whoever installs a handler without libc. */
__asm__(".text\n"
        ".globl crmpi_signal_restorer\n"
        ".type crmpi_signal_restorer, @function\n"
        "crmpi_signal_restorer:\n"
        "  mov $15, %eax\n" /* rt_sigreturn */
        "  syscall\n");

enum crmpi_status crmpi_park_install(void)
{
    struct sigaction action = {.sa_sigaction = handle_park,
                               .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};

    memset(&action.sa_mask, 0xff, sizeof action.sa_mask); /* also libc's own */
    if (sigaction(CRMPI_SIGNAL_PARK, &action, NULL) != 0)
        return CRMPI_ERR_SYSTEM;
    return CRMPI_OK;
}

/*
 * Below: park points
 */

static char *may_park; /* by call number */

static void park_below(struct crmpi_thread *thread)
{
    int32_t generation =
        __atomic_load_n(&crmpi_control->park_generation, __ATOMIC_ACQUIRE);
    const uint64_t all = ~0ul;
    uint64_t mask;
    stack_t altstack;

    if (__atomic_load_n(&crmpi_control->phase, __ATOMIC_ACQUIRE) != CRMPI_PHASE_STOP)
        return;
    struct crmpi_parked *slot = slot_claim();

    if (!slot)
        return;
    crmpi_raw(SYS_sigaltstack, 0, (long)&altstack, 0, 0, 0, 0);
    slot->state = CRMPI_THREAD_PARKED_BELOW;
    slot->fs = thread->upper_fs;
    slot->thread = (uint64_t)thread;
    slot->altstack[0] = (uint64_t)altstack.ss_sp;
    slot->altstack[1] = altstack.ss_flags;
    slot->altstack[2] = altstack.ss_size;
    /* no handler of the application runs while its memory is saved */
    crmpi_raw(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)&slot->signal_mask, 8, 0,
              0);
    mask = slot->signal_mask; /* the slot is not ours for ever */
    __asm__ volatile("stmxcsr %0\n\tfnstcw %1"
                     : "=m"(slot->mxcsr), "=m"(slot->x87_control));
    thread->state = CRMPI_THREAD_PARKED_BELOW;
    park(slot, generation);
    thread->state = CRMPI_THREAD_RUNS;
    crmpi_raw(SYS_rt_sigprocmask, SIG_SETMASK, (long)&mask, 0, 8, 0, 0);
}

void crmpi_upcalls_settle(void)
{
    if (__builtin_expect(crmpi_thread->n_upcalls > 0, 0))
        upcalls_settle(crmpi_thread, crmpi_thread->frame.sp);
}

static int now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec % 1000000 * 1000 + now.tv_nsec / 1000000;
}

void crmpi_park_point(void)
{
    struct crmpi_thread *thread = crmpi_thread;

    if (__builtin_expect(!crmpi_checkpoint_under_way(), 1) || !thread)
        return;
    upcalls_settle(thread, thread->frame.sp);
    if (thread->nest > 0)
        return;
    if (thread->critical > 0)
        __atomic_store_n(&thread->waits_ms, now_ms(), __ATOMIC_RELAXED);
    if (thread->critical > 0 || !may_park[thread->frame.call] || crmpi_locks_held > 0)
        return;
    if (thread->hooks > 0)
        crmpi_thread_callbacks.run_hooks();
    park_below(thread);
    if (thread->hooks > 0)
        crmpi_thread_callbacks.run_hooks();
}

void crmpi_park_before_call(void)
{
    struct crmpi_thread *thread = crmpi_thread;

    if (__builtin_expect(!crmpi_checkpoint_under_way(), 1))
        return;
    thread->at_entry = 1;
    park_below(thread);
    thread->at_entry = 0;
}

static int on_progress(void)
{
    crmpi_park_point();
    return 0;
}

enum crmpi_status crmpi_park_progress_register(void)
{
    static const char *const never[] = {
        "MPI_Init",         "MPI_Init_thread",         "MPI_Abort",
        "MPI_Comm_spawn",   "MPI_Comm_spawn_multiple", "MPI_Comm_accept",
        "MPI_Comm_connect", "MPI_Comm_join",
    };

    may_park = calloc(crmpi_n_calls, 1);
    if (!may_park)
        return CRMPI_ERR_NOMEM;
    for (int i = 0; i < crmpi_n_calls; i++) {
        may_park[i] = 1;
        for (size_t k = 0; k < sizeof never / sizeof *never; k++)
            if (strcmp(crmpi_call_names[i], never[k]) == 0)
                may_park[i] = 0;
    }
    return crmpi_progress_register(on_progress) == 0 ? CRMPI_OK : CRMPI_ERR_MPI;
}

uint64_t crmpi_upcall(void *function, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                      uint64_t e, uint64_t f)
{
    struct crmpi_thread *thread = crmpi_thread;
    uint64_t lower = thread ? thread->lower_fs : 0, result;

    if (!lower) {
        crmpi_error("the MPI library calls a function of the application in a thread of "
                    "crmpi's");
        abort();
    }
    struct crmpi_frame frame = thread->frame; /* the callback may call MPI itself */
    int nest, n;

    upcalls_settle(thread, frame.sp);
    nest = thread->nest;
    n = thread->n_upcalls;
    if (n < CRMPI_UPCALLS_MAX) {
        thread->upcalls[n].sp = (uint64_t)__builtin_frame_address(0);
        thread->upcalls[n].nest = nest;
        thread->n_upcalls = n + 1;
    }
    thread->nest = nest + 1;
    __builtin_ia32_wrfsbase64(thread->upper_fs);
    result = ((uint64_t(*)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                           uint64_t))function)(a, b, c, d, e, f);
    __builtin_ia32_wrfsbase64(lower);
    thread->n_upcalls = n;
    thread->nest = nest;
    thread->frame = frame;
    return result;
}

/*
 * Stopping all
 */

const struct crmpi_parked *crmpi_parked_list(size_t *n_out)
{
    *n_out = n_list;
    return list;
}

static void queues_copy(void)
{
    for (size_t i = 0; i < n_list; i++)
        for (int k = 0; k < table->n_slots; k++)
            if (slot_counts(&table->slots[k]) &&
                table->slots[k].kernel_tid == list[i].kernel_tid)
                list[i].queue = table->slots[k].queue;
}

int crmpi_parked_take_signals(void)
{
    int32_t asked = __atomic_add_fetch(&take_asked, 1, __ATOMIC_ACQ_REL);
    struct timespec pause = {.tv_nsec = TAKE_NS};

    for (int turn = 0; turn < TAKE_TURNS; turn++) {
        int missing = 0;

        for (int i = 0; i < table->n_slots; i++)
            missing += slot_counts(&table->slots[i]) &&
                       __atomic_load_n(&table->slots[i].asked, __ATOMIC_ACQUIRE) != asked;
        if (missing == 0) {
            queues_copy();
            return 1;
        }
        /* again and again: one may have looked just before, and begun to wait just after */
        crmpi_raw_futex_wake(&crmpi_control->park_generation, INT32_MAX);
        nanosleep(&pause, NULL);
    }
    return 0;
}

static int is_parked(int tid)
{
    int n = __atomic_load_n(&table->n_claimed, __ATOMIC_ACQUIRE);

    for (int i = 0; i < n && i < table->n_slots; i++)
        if (slot_counts(&table->slots[i]) && table->slots[i].kernel_tid == tid)
            return 1;
    return 0;
}

/* libc makes the threads of asynchronous I/O (aio_read and its like) by itself, unseen by
 * lib/lower/thread.c.  They are known by their stack: the application's threads bring their
 * own along when they go down.  Tells only of a thread that waits. */
static int has_lower_stack(const struct crmpi_look *look)
{
    return look->waits && !crmpi_is_application(look->stack);
}

/* Of a restart: on the stacks of crmpi-host until they leave it. */
static struct crmpi_parked *expected;
static size_t n_expected;

void crmpi_park_expect(struct crmpi_parked *threads, size_t n)
{
    for (size_t i = 0; i < n; i++)
        threads[i].kernel_tid = threads[i].is_main ? getpid() : 0;
    crmpi_control->main_thread->nest = 1;
    n_expected = n;
    __atomic_store_n(&expected, threads, __ATOMIC_RELEASE);
}

/* With 0: how many are not there yet. */
static int count_expected(int tid)
{
    const struct crmpi_parked *threads = __atomic_load_n(&expected, __ATOMIC_ACQUIRE);
    int n = 0;

    for (size_t i = 0; threads && i < n_expected; i++)
        n += __atomic_load_n(&threads[i].kernel_tid, __ATOMIC_ACQUIRE) == tid;
    return n;
}

/* Visit the application's threads, and signal those that have not parked, if it is known what
 * they do. */
static int unparked(int *first_out)
{
    DIR *tasks = opendir("/proc/self/task");
    int n = 0, n_all = 0;

    if (!tasks)
        return -1;
    for (struct dirent *entry; (entry = readdir(tasks));) {
        int tid = atoi(entry->d_name);
        struct crmpi_look look;

        if (tid <= 0 || crmpi_lower_thread_is(tid))
            continue;
        n_all++;
        if (is_parked(tid))
            continue;
        crmpi_look_at(tid, &look);
        if (!count_expected(tid) && has_lower_stack(&look))
            continue;
        if (n++ == 0)
            *first_out = tid;
        if (crmpi_look_note(table->looks, (size_t)table->n_slots, &look))
            crmpi_raw(SYS_tgkill, getpid(), tid, CRMPI_SIGNAL_PARK, 0, 0, 0);
    }
    closedir(tasks);
    n += count_expected(0);
    return n_all > table->n_slots ? n_all
                                  : n; /* the table is too small: nobody is missing yet */
}

static int count_tasks(void)
{
    DIR *tasks = opendir("/proc/self/task");
    int n = 0;

    if (!tasks)
        return -1;
    while (readdir(tasks))
        n++;
    closedir(tasks);
    return n;
}

/*
 * Since when a thread that does not park has been seen in one call, over all attempts to stop
 * it: a call is the same if all its registers are.
 */
#define N_STAYS 8
static struct stay {
    int tid, since_ms;
    struct crmpi_frame frame;
} stays[N_STAYS];
static int next_stay;

static struct stay *stay_of(const struct crmpi_thread *thread)
{
    for (int i = 0; i < N_STAYS; i++)
        if (stays[i].tid == thread->tid)
            return &stays[i];
    return NULL;
}

static void stay_note(int tid)
{
    const struct crmpi_thread *t = crmpi_control->threads;
    struct stay *stay;

    while (t && t->tid != tid)
        t = t->next;
    if (!t)
        return;
    stay = stay_of(t);
    if (stay && memcmp(&stay->frame, &t->frame, sizeof t->frame) == 0)
        return;
    if (!stay)
        stay = &stays[next_stay++ % N_STAYS];
    *stay = (struct stay){.tid = tid, .since_ms = now_ms(), .frame = t->frame};
}

static void describe_call(const struct crmpi_thread *t, char *why, size_t why_bytes)
{
    const struct stay *stay = stay_of(t);
    const char *where = t->nest ? " (in the middle, or in a callback)" : "";
    int seconds = stay ? (now_ms() - stay->since_ms) / 1000 : 0;

    if (seconds > 0)
        snprintf(
            why, why_bytes,
            "a thread has been in %s%s for at least %d s, where it cannot be stopped",
            crmpi_call_names[t->frame.call], where, seconds);
    else
        snprintf(why, why_bytes, "a thread is in %s%s, where it cannot be stopped",
                 crmpi_call_names[t->frame.call], where);
}

/* Say what keeps thread @p tid from parking. */
static void describe(int tid, char *why, size_t why_bytes)
{
    char path[64], state[256] = "", name[32] = "";
    FILE *file;

    for (struct crmpi_thread *t = crmpi_control->threads; t; t = t->next)
        if (t->tid == tid && t->critical > 0) {
            snprintf(why, why_bytes,
                     "a thread is between CRMPI_Critical_begin() and "
                     "CRMPI_Critical_end()");
            return;
        } else if (t->tid == tid && t->hooks > 0 && t->nest == 0) {
            snprintf(why, why_bytes,
                     "a thread with hooks (CRMPI_Hook_add, CRMPI_Refill) "
                     "calls neither MPI nor crmpi");
            return;
        } else if (t->tid == tid && t->frame.call < (uint64_t)crmpi_n_calls &&
                   t->lower_fs) {
            describe_call(t, why, why_bytes);
            return;
        }
    snprintf(path, sizeof path, "/proc/self/task/%d/comm", tid);
    if ((file = fopen(path, "re"))) {
        if (fgets(name, sizeof name, file))
            name[strcspn(name, "\n")] = 0;
        fclose(file);
    }
    snprintf(path, sizeof path, "/proc/self/task/%d/wchan", tid);
    if ((file = fopen(path, "re"))) {
        if (!fgets(state, sizeof state, file))
            state[0] = 0;
        fclose(file);
    }
    snprintf(why, why_bytes, "thread %d (%s) does not stop; it waits in %s", tid, name,
             state[0] && strcmp(state, "0") != 0 ? state : "user space");
}

/* Make the ring's next table current, with room for all threads. */
static int table_create(void)
{
    struct table *next = &tables[(table - tables + 1) % N_TABLES];
    int n = count_tasks() + 64;
    struct crmpi_parked *larger_list = realloc(list, n * sizeof *list);

    if (!larger_list)
        return -1;
    list = larger_list;
    n_list = 0;
    free(next->slots);
    free(next->looks);
    next->slots = calloc(n, sizeof *next->slots);
    next->looks = calloc(n, sizeof *next->looks);
    next->n_slots = next->slots && next->looks ? n : 0;
    next->n_claimed = 0;
    n_ready = 0;
    __atomic_store_n(&table, next, __ATOMIC_RELEASE);
    return next->n_slots ? 0 : -1;
}

static void list_create(void)
{
    for (int i = 0; i < table->n_claimed && i < table->n_slots; i++)
        if (slot_counts(&table->slots[i]))
            list[n_list++] = table->slots[i];
}

/* It has called pthread_exit(), and the process lives on by its other threads. */
static int has_first_ended(void)
{
    char text[256] = "", *behind;
    FILE *file = fopen("/proc/self/stat", "re");

    if (file) {
        if (!fgets(text, sizeof text, file))
            text[0] = 0;
        fclose(file);
    }
    behind = strrchr(text, ')'); /* of the name */
    return behind && strncmp(behind, ") Z", 3) == 0;
}

int crmpi_park_is_stuck(int elapsed_ms, char *why, size_t why_bytes)
{
    if (elapsed_ms < STUCK_MS)
        return 0;
    for (struct crmpi_thread *t = crmpi_control->threads; t; t = t->next) {
        int waits_ms = __atomic_load_n(&t->waits_ms, __ATOMIC_RELAXED);

        if (t->critical == 0 || waits_ms == 0 || abs(now_ms() - waits_ms) > STUCK_MS / 4)
            continue;
        snprintf(why, why_bytes,
                 "a thread waits in %s, between CRMPI_Critical_begin() and "
                 "CRMPI_Critical_end(), perhaps for a rank that has been stopped",
                 crmpi_call_names[t->frame.call]);
        return 1;
    }
    return 0;
}

int crmpi_park_all(int limit_ms, char *why, size_t why_bytes)
{
    int begin = now_ms(), pause_us = FIRST_US, tid = 0, stuck = 0, missing;

    if (has_first_ended()) {
        snprintf(why, why_bytes, "the program's first thread has ended (pthread_exit)");
        return CRMPI_ERR_UNSUPPORTED;
    }
    if (table_create() != 0) {
        snprintf(why, why_bytes, "no memory to stop the threads");
        return CRMPI_ERR_NOMEM;
    }
    __atomic_store_n(&crmpi_control->phase, CRMPI_PHASE_STOP, __ATOMIC_RELEASE);
    for (;;) {
        int32_t seen = __atomic_load_n(&n_ready, __ATOMIC_ACQUIRE);

        missing = unparked(&tid);
        if (missing == 0) {
            __atomic_store_n(&expected, NULL, __ATOMIC_RELEASE);
            list_create();
            memset(stays, 0, sizeof stays);
            return CRMPI_OK;
        }
        stay_note(tid);
        stuck = crmpi_park_is_stuck(now_ms() - begin, why, why_bytes);
        if (now_ms() - begin > limit_ms || missing > table->n_slots || stuck)
            break;
        struct timespec pause = {.tv_nsec = pause_us * 1000};

        crmpi_raw_futex_wait(&n_ready, seen, &pause);
        if (seen == __atomic_load_n(&n_ready, __ATOMIC_ACQUIRE) && pause_us < 10000)
            pause_us *= 2;
    }
    if (missing < 0)
        snprintf(why, why_bytes,
                 "cannot read /proc/self/task: %s; has the program changed its root "
                 "directory (chroot)?",
                 strerror(errno));
    else if (missing > table->n_slots)
        snprintf(why, why_bytes,
                 "threads are being created faster than they can be stopped");
    else if (!stuck)
        describe(tid, why, why_bytes);
    crmpi_release_all(CRMPI_PHASE_RUN);
    return CRMPI_ERR_TIMEOUT;
}

void crmpi_release_all(enum crmpi_phase phase)
{
    __atomic_store_n(&crmpi_control->phase, phase, __ATOMIC_RELEASE);
    __atomic_fetch_add(&crmpi_control->park_generation, 1, __ATOMIC_ACQ_REL);
    crmpi_raw_futex_wake(&crmpi_control->park_generation, INT32_MAX);
}
