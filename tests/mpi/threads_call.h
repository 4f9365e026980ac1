/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One call of threads_many that blocks for some time, and the partner that ends it: a
 * thread of its own, which waits so long and then writes, posts, unlocks, or sends a
 * signal.
 */
#ifndef TESTS_MPI_THREADS_CALL_H
#define TESTS_MPI_THREADS_CALL_H

#include "threads_ids.h"
#include <semaphore.h>
#include <sys/socket.h>

#define N_WORKERS 24
#define N_VALUES 5   /* signals with values that a call gets */
#define MAX_MISSED 3 /* signals of a run that came too early, see strike() */
#define MISSED_MS 5000

struct call {
    const char *name;
    int worker, ms;
    uint64_t seed;
    pthread_t caller, partner;
    pid_t caller_id;
    void (*act)(struct call *);
    atomic_bool acted; /* the partner has begun to end it: it may not return earlier */
    atomic_bool is_in, is_back; /* see strike() */
    atomic_int n_sent, n_handled;
    int signal, ends[2]; /* the caller's and the partner's end of a pipe or socket pair */
    sem_t ready;
};

/* signals; all are blocked in all threads, but where one is waited for */
#define TO_THREAD (SIGRTMIN + 3)
#define TO_PROCESS (SIGRTMIN + 4)
#define BY_TGKILL (SIGRTMIN + 5)
#define RESTARTS (SIGRTMIN + 6)   /* its handler has SA_RESTART */
#define INTERRUPTS (SIGRTMIN + 7) /* this one's has not */
#define NEVER_SENT (SIGRTMIN + 8)
#define TAKEN (SIGRTMIN + 9)
#define STRIKES SIGUSR2 /* without SA_RESTART, and without a value */

static _Thread_local struct call *struck; /* in which handlers run */
static atomic_int n_missed;

/** Sleep as long as the call is to take, and begin to end it. */
static void rest(struct call *call)
{
    check_sleep_ms(call->ms);
    call->acted = true;
}

static void *partner_run(void *data)
{
    struct call *call = data;

    thread_begin("partner");
    doing(call->name);
    call->act(call);
    thread_end();
    return (void *)(uintptr_t)call->seed;
}

static void partner_begin(struct call *call, void (*act)(struct call *))
{
    call->act = act;
    call->partner = spawn(partner_run, call);
}

/** The call is over, and its partner, too. */
static void partner_end(struct call *call)
{
    void *value;

    CHECK(call->acted, "%s: returned before it could", call->name);
    RETURNS(pthread_join(call->partner, &value), 0);
    CHECK((uintptr_t)value == (uintptr_t)call->seed, "%s: value %p of the partner",
          call->name, value);
}

static void pipe_open(struct call *call, int callers_end)
{
    int fds[2];

    CHECK_SYS(pipe2(fds, O_CLOEXEC));
    call->ends[0] = fds[callers_end];
    call->ends[1] = fds[1 - callers_end];
}

static void pair_open(struct call *call, int type)
{
    CHECK_SYS(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, call->ends));
}

static void ends_close(struct call *call)
{
    CHECK_SYS(close(call->ends[0]));
    CHECK_SYS(close(call->ends[1]));
}

static void write_seed(struct call *call)
{
    rest(call);
    RETURNS(write(call->ends[1], &call->seed, 8), 8);
}

static void read_seed(struct call *call)
{
    uint64_t value = 0;

    RETURNS(read(call->ends[0], &value, 8), 8);
    CHECK(value == call->seed, "%s: read %" PRIx64, call->name, value);
}

/** A time of a clock, that many milliseconds from now. */
static struct timespec in_ms(clockid_t clock, int ms)
{
    struct timespec at;

    CHECK_SYS(clock_gettime(clock, &at));
    at.tv_nsec += ms % 1000 * 1000000L;
    at.tv_sec += ms / 1000 + at.tv_nsec / 1000000000;
    at.tv_nsec %= 1000000000;
    return at;
}

static struct timespec length(int ms)
{
    return (struct timespec){ms / 1000, ms % 1000 * 1000000L};
}

/** Check that it is so late; a millisecond is for the clocks. */
static void check_reached(clockid_t clock, struct timespec at)
{
    struct timespec now;
    double early;

    CHECK_SYS(clock_gettime(clock, &now));
    early = (double)(at.tv_sec - now.tv_sec) + 1e-9 * (double)(at.tv_nsec - now.tv_nsec);
    CHECK(early < 1e-3, "%s: ended %g s too early", self->doing, early);
}

/* For all signals of calls: in the right thread, and those with values in order. */
static void handler(int signal, siginfo_t *info, void *context)
{
    struct call *call = struck;
    int before = errno;

    CHECK(call != NULL && call->signal == signal && context != NULL,
          "signal %d in thread %d, which waits for none", signal, gettid());
    CHECK(gettid() == call->caller_id, "%s: signal in thread %d, not %d", call->name,
          gettid(), call->caller_id);
    CHECK(info->si_pid == getpid() && info->si_uid == getuid(),
          "%s: signal of process %d, user %d", call->name, info->si_pid, info->si_uid);
    CHECK(info->si_code == (signal == STRIKES ? SI_TKILL : SI_QUEUE),
          "%s: signal with code %d", call->name, info->si_code);
    CHECK(signal == STRIKES || info->si_value.sival_int == call->n_handled,
          "%s: value %d of a signal, after %d others", call->name,
          info->si_value.sival_int, call->n_handled);
    call->n_handled++;
    errno = before;
}

static void handlers_install(void)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};

    sigemptyset(&action.sa_mask);
    CHECK_SYS(sigaction(STRIKES, &action, NULL));
    CHECK_SYS(sigaction(INTERRUPTS, &action, NULL));
    action.sa_flags |= SA_RESTART;
    CHECK_SYS(sigaction(RESTARTS, &action, NULL));
}

/** Let this thread get a signal, or not any more; returns the mask that lets it. */
static sigset_t signal_let(struct call *call, int signal)
{
    sigset_t set;

    call->signal = signal;
    struck = call;
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &set), 0);
    CHECK_EQ(sigismember(&set, signal), 1);
    CHECK_SYS(sigdelset(&set, signal));
    return set;
}

static void signal_open(struct call *call, int signal)
{
    sigset_t set = signal_let(call, signal);

    CHECK_EQ(pthread_sigmask(SIG_SETMASK, &set, NULL), 0);
}

static void signal_close(struct call *call)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, call->signal);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    CHECK_EQ(call->n_handled, call->n_sent);
    struck = NULL;
}

static bool is_asleep(pid_t id)
{
    char text[256], *state;

    thread_file(id, "stat", text, sizeof text);
    state = strrchr(text, ')');
    CHECK(state != NULL, "in /proc thread %d has %s", id, text);
    return state[1] == ' ' && state[2] == 'S';
}

/*
 * End a call by a signal, sent when the caller has said that it is about to call, and
 * sleeps.  It may sleep for another reason, if something made it wait just before the
 * call: then the signal was too early, and it gets another one, but not often.
 */
static void strike(struct call *call)
{
    check_sleep_ms(call->ms);
    while (!call->is_in || !is_asleep(call->caller_id))
        check_sleep_ms(1);
    for (;;) {
        int before = call->n_handled;

        CHECK(!call->is_back, "%s: returned before the signal was sent", call->name);
        call->acted = true;
        call->n_sent++;
        RETURNS(pthread_kill(call->caller, call->signal), 0);
        while (call->n_handled == before)
            check_sleep_ms(1);
        for (int i = 0; i < MISSED_MS && !call->is_back; i++)
            check_sleep_ms(1);
        if (call->is_back)
            return;
        CHECK(n_missed++ < MAX_MISSED, "%s: goes on after its signals", call->name);
    }
}

/* Signals with values, at once or one after the other. */
static void send_values(struct call *call)
{
    for (int i = 0; i < N_VALUES; i++) {
        if (i == 0 || call->seed % 2)
            check_sleep_ms(call->ms / N_VALUES);
        call->acted = true;
        call->n_sent++;
        RETURNS(pthread_sigqueue(call->caller, call->signal, (union sigval){i}), 0);
    }
}

#endif
