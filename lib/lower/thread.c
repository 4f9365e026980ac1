/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads of the lower half (see thread.h).
 *
 * crmpi-host defines pthread_create(), so every thread that a library below starts comes
 * through here: it runs with all signals blocked (a handler of the application on its TLS
 * would be wrong) and is noted as not the application's.
 *
 * An application thread that goes down needs a TLS block of the lower libc.  It gets that of
 * a lender: a lower thread that does nothing but sleep.  Starting one needs a lower TLS
 * block too, so a thread's first call asks the lender manager, a lower thread that waits for
 * such requests from the start.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "boundary/heap.h"
#include "lower/raw.h"
#include "lower/thread.h"

__thread struct crmpi_thread *crmpi_thread;

/*
 * The registry of lower threads: slots are only added to and reused, read without a lock.
 */
#define MAX_LOWER 4096
static int lower_tids[MAX_LOWER];
static int n_lower;

int crmpi_lower_thread_is(int tid)
{
    int n = __atomic_load_n(&n_lower, __ATOMIC_ACQUIRE);

    for (int i = 0; i < n; i++)
        if (__atomic_load_n(&lower_tids[i], __ATOMIC_RELAXED) == tid)
            return 1;
    return 0;
}

static int registry_add(int tid)
{
    for (int i = 0; i < MAX_LOWER; i++) {
        int empty = 0;

        if (!__atomic_compare_exchange_n(&lower_tids[i], &empty, tid, 0, __ATOMIC_ACQ_REL,
                                         __ATOMIC_RELAXED))
            continue;
        for (int n = __atomic_load_n(&n_lower, __ATOMIC_ACQUIRE); n <= i;)
            if (__atomic_compare_exchange_n(&n_lower, &n, i + 1, 0, __ATOMIC_ACQ_REL,
                                            __ATOMIC_ACQUIRE))
                break;
        return i;
    }
    return -1;
}

int crmpi_lower_thread_note(int tid)
{
    return registry_add(tid) >= 0;
}

static intptr_t register_me(void)
{
    int slot = registry_add(gettid());

    if (slot < 0)
        crmpi_error("more than %d threads below: a checkpoint would stop some of them",
                    MAX_LOWER);
    return slot;
}

struct start {
    void *(*run)(void *);
    void *argument;
    sem_t noted;
};

static void registry_remove(void *slot)
{
    if ((intptr_t)slot >= 0)
        __atomic_store_n(&lower_tids[(intptr_t)slot], 0, __ATOMIC_RELEASE);
}

static void *lower_main(void *data)
{
    struct start *start = data;
    void *(*run)(void *) = start->run;
    void *argument = start->argument, *result;
    intptr_t slot = register_me();

    sem_post(&start->noted);
    pthread_cleanup_push(registry_remove, (void *)slot);
    result = run(argument);
    pthread_cleanup_pop(1);
    return result;
}

static int next_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                               void *(*run)(void *), void *argument)
{
    typedef int create_fn(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    static create_fn *next;

    if (!next)
        next = (create_fn *)dlsym(RTLD_NEXT, "pthread_create");
    return next ? next(thread, attributes, run, argument) : EAGAIN;
}

/* Stands in for libc's in the lower half. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                   void *argument)
{
    struct start start = {.run = run, .argument = argument};
    sigset_t all, old;
    int result;

    sem_init(&start.noted, 0, 0);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    result = next_pthread_create(thread, attributes, lower_main, &start);
    if (result == 0)
        while (sem_wait(&start.noted) != 0) /* known before its creator goes on */
            ;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    sem_destroy(&start.noted);
    return result;
}

int crmpi_lower_thread_start(void *(*run)(void *), void *argument, const char *name)
{
    pthread_t thread;
    int result = pthread_create(&thread, NULL, run, argument);

    if (result != 0) {
        crmpi_error("cannot start thread %s: %s", name, strerror(result));
        return -1;
    }
    pthread_setname_np(thread, name);
    pthread_detach(thread);
    return 0;
}

/*
 * Lenders
 */
struct loan {
    struct crmpi_thread *thread;
    sem_t ready;
};

static uint64_t fs_base(void)
{
    return __builtin_ia32_rdfsbase64();
}

static void *lend(void *data)
{
    struct loan *loan = data;
    int32_t never = 0;

    crmpi_thread = loan->thread;
    loan->thread->lower_fs = fs_base();
    sem_post(&loan->ready);
    for (;;)
        crmpi_raw_futex_wait(&never, 0, NULL);
    return NULL;
}

enum crmpi_status crmpi_lender_renew(struct crmpi_thread *thread, int is_main)
{
    struct loan loan = {.thread = thread};

    if (is_main) {
        crmpi_thread = thread;
        thread->lower_fs = fs_base();
        return CRMPI_OK;
    }
    sem_init(&loan.ready, 0, 0);
    if (crmpi_lower_thread_start(lend, &loan, "crmpi-lender") != 0)
        return CRMPI_ERR_SYSTEM;
    while (sem_wait(&loan.ready) != 0)
        ;
    sem_destroy(&loan.ready);
    return CRMPI_OK;
}

/* One request at a time: the word is 0 (idle), 1 (asked), 2 (answered), 3 (failed). */
static struct {
    int32_t word, lock;
    struct crmpi_thread *thread;
} request;

static void *manage(void *unused)
{
    (void)unused;
    for (;;) {
        for (int word; (word = __atomic_load_n(&request.word, __ATOMIC_ACQUIRE)) != 1;)
            crmpi_raw_futex_wait(&request.word, word, NULL);
        int answer = crmpi_lender_renew(request.thread, 0) == CRMPI_OK ? 2 : 3;

        __atomic_store_n(&request.word, answer, __ATOMIC_RELEASE);
        crmpi_raw_futex_wake(&request.word, 1);
    }
    return NULL;
}

static struct crmpi_thread *thread_add(uint64_t upper_fs, int tid)
{
    struct crmpi_thread *thread = crmpi_heap_alloc(sizeof *thread);

    if (!thread)
        return NULL;
    thread->upper_fs = upper_fs;
    thread->tid = tid;
    thread->next = __atomic_load_n(&crmpi_control->threads, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&crmpi_control->threads, &thread->next, thread, 0,
                                        __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        ;
    return thread;
}

/* A structure, with its lender, whose thread has ended. */
static struct crmpi_thread *thread_reuse(int pid, int tid)
{
    for (struct crmpi_thread *t = crmpi_control->threads; t; t = t->next) {
        int old = __atomic_load_n(&t->tid, __ATOMIC_ACQUIRE);

        if (t == crmpi_control->main_thread || !t->lower_fs ||
            (old != tid && crmpi_raw(SYS_tgkill, pid, old, 0, 0, 0, 0) != -ESRCH))
            continue;
        if (__atomic_compare_exchange_n(&t->tid, &old, tid, 0, __ATOMIC_ACQ_REL,
                                        __ATOMIC_RELAXED))
            return t;
    }
    return NULL;
}

enum crmpi_status crmpi_lender_start(void)
{
    if (!crmpi_control->main_thread)
        crmpi_control->main_thread = thread_add(0, getpid());
    if (!crmpi_control->main_thread)
        return CRMPI_ERR_NOMEM;
    if (crmpi_lender_renew(crmpi_control->main_thread, 1) != CRMPI_OK ||
        crmpi_lower_thread_start(manage, NULL, "crmpi-threads") != 0)
        return CRMPI_ERR_SYSTEM;
    return CRMPI_OK;
}

static void die(const char *text)
{
    crmpi_raw(SYS_write, 2, (long)text, strlen(text), 0, 0, 0);
    crmpi_raw(SYS_exit_group, 1, 0, 0, 0, 0, 0);
}

/* On the upper TLS base: no libc. */
struct crmpi_thread *crmpi_thread_attach(uint64_t upper_fs)
{
    int pid = crmpi_raw(SYS_getpid, 0, 0, 0, 0, 0, 0);
    int tid = crmpi_raw(SYS_gettid, 0, 0, 0, 0, 0, 0);
    struct crmpi_thread *thread = crmpi_control->main_thread;

    if (pid != (int)crmpi_control->pid)
        die("crmpi: a child process of a rank called MPI: only the rank itself may\n");
    if (tid != pid) {
        thread = thread_reuse(pid, tid);
        if (!thread)
            thread = thread_add(upper_fs, tid);
        if (!thread)
            die("crmpi: no memory for a thread that calls MPI\n");
    }
    thread->upper_fs = upper_fs;
    thread->nest = thread->resumed = thread->critical = thread->hooks = 0;
    thread->n_after = thread->n_upcalls = 0;
    thread->after_held = NULL;
    thread->serial++; /* what it was told before is another's */
    if (thread->lower_fs)
        return thread;
    while (__atomic_exchange_n(&request.lock, 1, __ATOMIC_ACQUIRE))
        crmpi_raw(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
    request.thread = thread;
    __atomic_store_n(&request.word, 1, __ATOMIC_RELEASE);
    crmpi_raw_futex_wake(&request.word, 2);
    while (__atomic_load_n(&request.word, __ATOMIC_ACQUIRE) == 1)
        crmpi_raw_futex_wait(&request.word, 1, NULL);
    if (request.word == 3)
        die("crmpi: cannot start a thread below for a thread that calls MPI\n");
    __atomic_store_n(&request.word, 0, __ATOMIC_RELEASE);
    __atomic_store_n(&request.lock, 0, __ATOMIC_RELEASE);
    return thread;
}
