/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calling functions of the application (see hooks.h).  Lower half.
 *
 * While there are any, all calls of the application come by `divert` below, on their way
 * to the lower function: so that a thread that only computes, and now and then calls
 * something that does not wait, is reached as well.
 */
#include <errno.h>
#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "application/hooks.h"
#include "base/clock.h"
#include "base/log.h"
#include "boundary/entries.h"
#include "boundary/heap.h"
#include "lower/raw.h"
#include "threads/boundary.h"
#include "threads/park.h"
#include "threads/together.h"

#define LOOK_NS 500000 /* how often to look whether the functions have been called */

/* Changed in the open application. */
static int n_due;          /* functions to be called */
static int n_running;      /* that are being called */
static int is_before_done; /* they were told of the checkpoint under way */
static int refusal;        /* what one has returned instead of 0 */

/*
 * The way by which all calls come
 */

void crmpi_hooks_enter(uint64_t call);

/* As the stub has called it: the number in %rax, arguments in registers and on the stack;
 * goes on to the lower function in the same state. */
__asm__(".text\n"
        ".type divert, @function\n"
        "divert:\n"
        "  pushq %rdi\n"
        "  pushq %rsi\n"
        "  pushq %rdx\n"
        "  pushq %rcx\n"
        "  pushq %r8\n"
        "  pushq %r9\n"
        "  pushq %rax\n"
        "  movq %rax, %rdi\n"
        "  call crmpi_hooks_enter\n"
        "  popq %rax\n"
        "  popq %r9\n"
        "  popq %r8\n"
        "  popq %rcx\n"
        "  popq %rdx\n"
        "  popq %rsi\n"
        "  popq %rdi\n"
        "  movq crmpi_calls(%rip), %r10\n"
        "  jmp *(%r10,%rax,8)\n"
        ".size divert, . - divert\n");
extern const char divert[] __attribute__((visibility("hidden")));

static void **diverted; /* such a table */

static enum crmpi_status divert_all(void)
{
    if (!diverted) {
        diverted = malloc((size_t)crmpi_n_calls * sizeof *diverted);
        for (int i = 0; diverted && i < crmpi_n_calls; i++)
            diverted[i] = (void *)divert;
    }
    if (!diverted)
        return CRMPI_ERR_NOMEM;
    __atomic_store_n(&crmpi_control->calls, diverted, __ATOMIC_RELEASE);
    return CRMPI_OK;
}

/*
 * Owners
 */

static struct crmpi_hook_owner own(void)
{
    __atomic_add_fetch(&crmpi_thread->hooks, 1, __ATOMIC_ACQ_REL);
    return (struct crmpi_hook_owner){crmpi_thread, crmpi_thread->serial};
}

static int is_same(const struct crmpi_hook_owner *owner)
{
    return owner->thread && owner->thread->serial == owner->serial;
}

static void disown(struct crmpi_hook_owner *owner)
{
    if (is_same(owner))
        __atomic_sub_fetch(&owner->thread->hooks, 1, __ATOMIC_ACQ_REL);
    owner->thread = NULL;
}

static int is_dead(const struct crmpi_hook_owner *owner)
{
    return owner->thread &&
           (!is_same(owner) ||
            crmpi_raw(SYS_tgkill, getpid(), owner->thread->tid, 0, 0, 0, 0) == -ESRCH);
}

/*
 * What is due.  In the open application.
 */

static void set_due(int32_t *due, int32_t value)
{
    n_due += (value != 0) - (*due != 0);
    *due = value;
}

void crmpi_hook_refill_forget(struct crmpi_excluded *excluded)
{
    set_due(&excluded->due, 0);
    disown(&excluded->owner);
    excluded->refill = NULL;
}

static void hook_remove(struct crmpi_hook **at)
{
    struct crmpi_hook *gone = *at;

    set_due(&gone->due, 0);
    disown(&gone->owner);
    *at = gone->next;
    crmpi_heap_free(gone);
}

static void mark(struct crmpi_application *application, int event)
{
    for (struct crmpi_hook *h = application->hooks; h; h = h->next)
        set_due(&h->due, h->due | (h->events & event));
}

static void unmark(struct crmpi_application *application, int event)
{
    for (struct crmpi_hook *h = application->hooks; h; h = h->next)
        set_due(&h->due, h->due & ~event);
}

struct call {
    struct crmpi_excluded refill; /* bytes 0: it is a hook */
    struct crmpi_hook hook;
    int event;
};

/* Fill first, and end one checkpoint before the next begins. */
static int take_due(const struct crmpi_thread *thread, struct call *call_out)
{
    static const int order[] = {CRMPI_HOOK_RESTART, CRMPI_HOOK_COMMITTED,
                                CRMPI_HOOK_GIVEN_UP, CRMPI_HOOK_BEFORE};
    struct crmpi_application *application = crmpi_control->application;

    for (struct crmpi_excluded *e = application->excluded; e; e = e->next)
        if (e->due && e->owner.thread == thread) {
            *call_out = (struct call){.refill = *e, .event = CRMPI_HOOK_RESTART};
            set_due(&e->due, 0);
            return 1;
        }
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
        for (struct crmpi_hook *h = application->hooks; h; h = h->next)
            if (h->due & order[i] && h->owner.thread == thread) {
                *call_out = (struct call){.hook = *h, .event = order[i]};
                set_due(&h->due, h->due & ~order[i]);
                return 1;
            }
    return 0;
}

/*
 * Calling
 */

static int call_function(const struct call *call)
{
    const struct crmpi_excluded *refill = &call->refill;

    if (refill->bytes)
        return (int)crmpi_upcall((void *)refill->refill, refill->start, refill->bytes,
                                 (uint64_t)refill->extra_state, 0, 0, 0);
    return (int)crmpi_upcall((void *)call->hook.function, (uint64_t)call->event,
                             (uint64_t)call->hook.extra_state, 0, 0, 0, 0);
}

static void take_result(const struct call *call, int result)
{
    if (result == 0)
        return;
    if (call->event == CRMPI_HOOK_BEFORE) {
        __atomic_store_n(&refusal, result, __ATOMIC_RELEASE);
    } else if (call->event == CRMPI_HOOK_RESTART) {
        crmpi_error(
            "the restart has failed: a function of the application has returned %d",
            result);
        PMPI_Abort(MPI_COMM_WORLD, 1);
    }
}

static int restart_is_over(void)
{
    struct crmpi_application *application = crmpi_application_open();
    int is_over = n_running == 0;

    for (struct crmpi_excluded *e = application->excluded; e; e = e->next)
        is_over &= !e->due;
    for (struct crmpi_hook *h = application->hooks; h; h = h->next)
        is_over &= !(h->due & CRMPI_HOOK_RESTART);
    crmpi_application_close(application);
    return is_over;
}

/* The thread has done its part of the restart: it goes on when all have. */
static void restart_end(struct crmpi_thread *thread)
{
    thread->restarts = 0;
    if (restart_is_over())
        crmpi_threads_go();
    crmpi_threads_await();
    crmpi_raw(SYS_rt_sigprocmask, SIG_SETMASK, (long)&thread->signal_mask, 0, 8, 0, 0);
}

void crmpi_hooks_run(void)
{
    struct crmpi_thread *thread = crmpi_thread;
    int resumed = thread->resumed;
    struct call call;

    while (__atomic_load_n(&n_due, __ATOMIC_ACQUIRE) > 0) {
        struct crmpi_application *application = crmpi_application_open();
        int found = take_due(thread, &call);

        n_running += found;
        crmpi_application_close(application);
        if (!found)
            break;
        thread->hooking = 1;
        take_result(&call, call_function(&call));
        thread->hooking = 0;
        crmpi_application_open();
        n_running--;
        crmpi_application_close(application);
    }
    thread->resumed = resumed;
    if (thread->restarts)
        restart_end(thread);
}

/* What a function may call. */
static int is_allowed(const char *call)
{
    static const char *const allowed[] = {
        "MPI_Abort",        "MPI_Comm_rank", "MPI_Comm_size",
        "MPI_Error_string", "MPI_Finalized", "MPI_Get_processor_name",
        "MPI_Initialized",  "MPI_Wtick",     "MPI_Wtime",
        "CRMPI_Exclude",    "CRMPI_Include", "CRMPI_Get_statistics",
    };

    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++)
        if (strcmp(call, allowed[i]) == 0)
            return 1;
    return 0;
}

void crmpi_hooks_enter(uint64_t call)
{
    struct crmpi_thread *thread = crmpi_thread;

    if (!thread || thread->hooks == 0)
        return;
    if (thread->hooking && !is_allowed(crmpi_call_names[call])) {
        crmpi_error("%s was called by a function that crmpi calls (CRMPI_Hook_add, "
                    "CRMPI_Refill): there it cannot be done",
                    crmpi_call_names[call]);
        PMPI_Abort(MPI_COMM_WORLD, 1);
    }
    if (thread->nest > 0 || thread->critical > 0)
        return;
    crmpi_hooks_run();
    crmpi_park_before_call();
}

/*
 * The application's wishes
 */

enum crmpi_status crmpi_hook_add(int events, int (*function)(int, void *),
                                 void *extra_state)
{
    struct crmpi_application *application;
    struct crmpi_hook *made, **at;

    if (!function || events <= 0 || events & ~CRMPI_HOOK_ALL) {
        crmpi_warn("CRMPI_Hook_add(): there is no %s",
                   function ? "such event" : "function");
        return CRMPI_ERR_USAGE;
    }
    made = crmpi_heap_alloc(sizeof *made);
    application = made && divert_all() == CRMPI_OK ? crmpi_application_open() : NULL;
    if (!application) {
        crmpi_heap_free(made);
        return CRMPI_ERR_NOMEM;
    }
    *made = (struct crmpi_hook){.owner = own(),
                                .function = function,
                                .extra_state = extra_state,
                                .events = events};
    for (at = &application->hooks; *at; at = &(*at)->next)
        ;
    *at = made;
    crmpi_application_close(application);
    return CRMPI_OK;
}

enum crmpi_status crmpi_hook_remove(int (*function)(int, void *), void *extra_state)
{
    struct crmpi_application *application = crmpi_application_open();
    enum crmpi_status status = CRMPI_ERR_NOTFOUND;

    if (!application)
        return CRMPI_ERR_NOMEM;
    for (struct crmpi_hook **at = &application->hooks; *at;)
        if ((*at)->function == function && (*at)->extra_state == extra_state) {
            hook_remove(at);
            status = CRMPI_OK;
        } else {
            at = &(*at)->next;
        }
    crmpi_application_close(application);
    return status;
}

enum crmpi_status crmpi_hook_refill(void *start, int (*function)(void *, size_t, void *),
                                    void *extra_state)
{
    struct crmpi_application *application =
        divert_all() == CRMPI_OK ? crmpi_application_open() : NULL;
    struct crmpi_excluded *e;

    if (!application)
        return CRMPI_ERR_NOMEM;
    for (e = application->excluded; e && e->start != (uint64_t)start; e = e->next)
        ;
    if (e) {
        crmpi_hook_refill_forget(e);
        if (function)
            e->owner = own();
        e->refill = function;
        e->extra_state = extra_state;
    }
    crmpi_application_close(application);
    if (!e)
        crmpi_warn("CRMPI_Refill(): no memory is excluded that begins at %p", start);
    return e ? CRMPI_OK : CRMPI_ERR_NOTFOUND;
}

/*
 * The checkpoint
 */

void crmpi_hooks_prune(void)
{
    struct crmpi_application *application = crmpi_control->application;

    for (struct crmpi_hook **h = &application->hooks; *h;)
        if (is_dead(&(*h)->owner))
            hook_remove(h);
        else
            h = &(*h)->next;
    for (struct crmpi_excluded **e = &application->excluded; *e;)
        if (is_dead(&(*e)->owner))
            crmpi_memory_excluded_remove(e);
        else
            e = &(*e)->next;
}

static const char *who_is_late(const struct crmpi_application *application)
{
    if (n_running > 0)
        return "a hook of the application does not end";
    for (const struct crmpi_hook *h = application->hooks; h; h = h->next)
        if (h->due && h->owner.thread->critical > 0)
            return "a thread is between CRMPI_Critical_begin() and CRMPI_Critical_end()";
    return "a thread with hooks (CRMPI_Hook_add, CRMPI_Refill) calls neither MPI nor "
           "crmpi";
}

/* Wait until no function is due or being called; 0 and why if that takes too long. */
static int await_calls(struct crmpi_application *application, int limit_ms, char *why,
                       size_t why_bytes)
{
    const struct timespec pause = {.tv_nsec = LOOK_NS};
    int64_t begin = crmpi_clock_ms();

    for (;;) {
        int elapsed_ms = (int)(crmpi_clock_ms() - begin), n_left;

        crmpi_application_open();
        crmpi_hooks_prune();
        n_left = n_due + n_running;
        if (n_left > 0 && elapsed_ms > limit_ms)
            snprintf(why, why_bytes, "%s", who_is_late(application));
        crmpi_application_close(application);
        if (n_left == 0)
            return 1;
        if (elapsed_ms > limit_ms || crmpi_park_is_stuck(elapsed_ms, why, why_bytes))
            return 0;
        nanosleep(&pause, NULL);
    }
}

enum crmpi_status crmpi_hooks_before(int limit_ms, char *why, size_t why_bytes)
{
    struct crmpi_application *application = crmpi_control->application;
    int in_time, result;

    if (!application || (!application->hooks && !application->excluded))
        return CRMPI_OK;
    crmpi_application_open();
    mark(application, CRMPI_HOOK_BEFORE);
    is_before_done = 1;
    crmpi_application_close(application);
    __atomic_store_n(&crmpi_control->phase, CRMPI_PHASE_ASKED, __ATOMIC_RELEASE);
    in_time = await_calls(application, limit_ms, why, why_bytes);
    result = __atomic_exchange_n(&refusal, 0, __ATOMIC_ACQ_REL);
    if (in_time && result == 0)
        return CRMPI_OK; /* the threads are stopped next */
    if (in_time)
        snprintf(why, why_bytes, "a hook of the application has returned %d", result);
    crmpi_application_open();
    unmark(application, CRMPI_HOOK_BEFORE);
    crmpi_application_close(application);
    __atomic_store_n(&crmpi_control->phase, CRMPI_PHASE_RUN, __ATOMIC_RELEASE);
    return CRMPI_ERR_TIMEOUT;
}

void crmpi_hooks_after(int committed)
{
    struct crmpi_application *application = crmpi_control->application;

    if (!is_before_done)
        return;
    is_before_done = 0;
    crmpi_application_open();
    mark(application, committed ? CRMPI_HOOK_COMMITTED : CRMPI_HOOK_GIVEN_UP);
    crmpi_application_close(application);
}

/*
 * The restart
 */

enum crmpi_status crmpi_hooks_restored(void)
{
    struct crmpi_application *application = crmpi_control->application;
    int n_hooks = 0;

    if (!application)
        return CRMPI_OK;
    for (struct crmpi_excluded *e = application->excluded; e; e = e->next) {
        e->due = 0;
        set_due(&e->due, e->owner.thread != NULL);
        if (e->due)
            n_hooks += e->owner.thread->restarts = 1;
    }
    for (struct crmpi_hook *h = application->hooks; h; h = h->next) {
        h->due = 0;
        set_due(&h->due, h->events & CRMPI_HOOK_RESTART);
        if (h->due)
            h->owner.thread->restarts = 1;
        n_hooks++;
    }
    return n_hooks > 0 ? divert_all() : CRMPI_OK;
}
