/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * About fifty threads beside one that uses MPI: many kinds of system calls that block,
 * which have to end as if nothing ever interrupted them; locks of all kinds; signals from
 * thread to thread; threads that come and go; and who each of them is, by its id.
 *
 * Arguments: [STEPS] [sysv]; sysv: also semaphores of System V.
 */
#include "threads_lives.h"
#include "threads_locks.h"
#include "threads_signals.h"
#include "hold.h"

#define STEPS_PER_ROUND 10 /* a worker does one call in this time, about */
#define STEP_MS 60
#define N_OF_RING 1000

/* The calls; those that last do so for their time by the monotonic clock. */
static const struct kind {
    const char *name;
    void (*run)(struct call *);
    enum { ENDED, LASTS, SYSV_ENDED, SYSV_LASTS } how;
} kinds[] = {
    {"nanosleep", by_nanosleep, LASTS},
    {"pause", by_pause, ENDED},
    {"write of 1 MiB", by_write_pipe, ENDED},
    {"poll", by_poll, LASTS},
    {"poll, no limit", by_poll_forever, ENDED},
    {"futex, no limit", by_futex_forever, ENDED},
    {"clock_nanosleep", by_clock_nanosleep, LASTS},
    {"sigsuspend", by_sigsuspend, ENDED},
    {"recv, MSG_WAITALL", by_recv_all, ENDED},
    {"select", by_select, LASTS},
    {"select, no limit", by_select_forever, ENDED},
    {"sem_wait", by_sem_wait, ENDED},
    {"clock_nanosleep until", by_clock_nanosleep_until, LASTS},
    {"nanosleep, struck", by_nanosleep_struck, ENDED},
    {"writev of 1 MiB", by_writev_pipe, ENDED},
    {"epoll_wait", by_epoll_wait, LASTS},
    {"epoll_wait, no limit", by_epoll_wait_forever, ENDED},
    {"pthread_cond_wait", by_cond_wait, ENDED},
    {"clock_nanosleep, date", by_clock_nanosleep_date, ENDED},
    {"SYS_pause", by_raw_pause, ENDED},
    {"recvmsg, MSG_WAITALL", by_recvmsg_all, ENDED},
    {"ppoll", by_ppoll, LASTS},
    {"ppoll, no limit", by_ppoll_forever, ENDED},
    {"pthread_mutex_lock", by_mutex_lock, ENDED},
    {"usleep", by_usleep, LASTS},
    {"read, struck", by_read_struck, ENDED},
    {"send of 1 MiB", by_send, ENDED},
    {"pselect", by_pselect, LASTS},
    {"pselect, no limit", by_pselect_forever, ENDED},
    {"pthread_mutex_lock, inheriting", by_mutex_lock_inherit, ENDED},
    {"futex", by_futex, LASTS},
    {"sem_wait, struck", by_semaphore_struck, ENDED},
    {"sendmsg of 1 MiB", by_sendmsg, ENDED},
    {"epoll_pwait", by_epoll_pwait, LASTS},
    {"epoll_pwait, no limit", by_epoll_pwait_forever, ENDED},
    {"pthread_join", by_join, ENDED},
    {"futex until", by_futex_until, LASTS},
    {"ppoll, struck", by_ppoll_struck, ENDED},
    {"sendfile of 1 MiB", by_sendfile, ENDED},
    {"SYS_select", by_raw_select, LASTS},
    {"flock", by_flock, ENDED},
    {"futex, date", by_futex_date, ENDED},
    {"pselect, struck", by_pselect_struck, ENDED},
    {"splice to a socket", by_splice_to_socket, ENDED},
    {"timerfd", by_timerfd, LASTS},
    {"F_OFD_SETLKW", by_range_lock, ENDED},
    {"sigtimedwait", by_sigtimedwait, LASTS},
    {"epoll_pwait, struck", by_epoll_pwait_struck, ENDED},
    {"splice from a socket", by_splice_from_socket, ENDED},
    {"sem_timedwait", by_sem_timedwait, ENDED},
    {"read of a pipe", by_read_pipe, ENDED},
    {"sem_clockwait", by_sem_clockwait, LASTS},
    {"sigwaitinfo", by_sigwaitinfo, ENDED},
    {"getrandom", by_getrandom, ENDED},
    {"pthread_cond_timedwait", by_cond_timedwait, ENDED},
    {"read of a socket", by_read_socket, ENDED},
    {"pthread_cond_timedwait, monotonic", by_cond_timedwait_monotonic, LASTS},
    {"read, through signals", by_read_restarted, ENDED},
    {"read of an eventfd", by_read_eventfd, ENDED},
    {"pthread_cond_clockwait", by_cond_clockwait, LASTS},
    {"sem_wait, through signals", by_sem_wait_restarted, ENDED},
    {"recv of datagrams", by_recv_datagrams, ENDED},
    {"recv, SO_RCVTIMEO", by_recv_timeout, LASTS},
    {"futex, through signals", by_futex_restarted, ENDED},
    {"pthread_mutex_timedlock", by_mutex_timedlock, ENDED},
    {"pthread_mutex_timedlock, inheriting", by_mutex_timedlock_inherit, ENDED},
    {"pthread_mutex_clocklock, robust", by_mutex_clocklock, LASTS},
    {"pthread_rwlock_timedrdlock", by_rwlock_timedrdlock, ENDED},
    {"pthread_rwlock_clockwrlock", by_rwlock_clockwrlock, LASTS},
    {"pthread_clockjoin_np", by_clockjoin, LASTS},
    {"semop", by_semop, SYSV_ENDED},
    {"semtimedop", by_semtimedop, SYSV_LASTS},
};
#define N_KINDS ((long)(sizeof kinds / sizeof kinds[0]))

/* Milliseconds; each ten calls of a worker take as long. */
static const int lengths_ms[] = {20, 1500, 300, 60, 900, 5, 700, 150, 1200, 400};

static long steps, n_kinds, n_calls; /* those of each worker */
static atomic_long n_done[N_KINDS];

static void call_once(long worker, long number)
{
    long which = (worker + number * N_WORKERS + check_rank * 7) % n_kinds;
    const struct kind *kind = &kinds[which];
    struct call call = {
        .name = kind->name,
        .worker = (int)worker,
        .ms = lengths_ms[(worker * 7 + number * 3) % 10],
        .seed = check_hash4((uint64_t)check_rank, (uint64_t)worker, (uint64_t)number, 1),
        .caller = pthread_self(),
        .caller_id = gettid()};
    struct timespec until = in_ms(CLOCK_MONOTONIC, call.ms);

    doing(kind->name);
    CHECK_SYS(sem_init(&call.ready, 0, 0));
    kind->run(&call);
    if (kind->how == LASTS || kind->how == SYSV_LASTS)
        check_reached(CLOCK_MONOTONIC, until);
    CHECK_SYS(sem_destroy(&call.ready));
    n_done[which]++;
    thread_check();
}

static void *worker(void *number)
{
    char name[16];

    snprintf(name, sizeof name, "worker %d", (int)(intptr_t)number);
    thread_begin(name);
    self->may_change = true;
    for (long i = 0; i < n_calls; i++)
        call_once((intptr_t)number, i);
    thread_end();
    return (void *)n_calls;
}

static void ring_and_sum(long step)
{
    static char out[N_OF_RING], in[N_OF_RING];
    int next = (check_rank + 1) % check_size;
    int previous = (check_rank + check_size - 1) % check_size;
    long value = step * (check_rank + 1), sum = 0;

    doing("MPI_Sendrecv");
    check_fill(out, N_OF_RING, check_hash((uint64_t)step, (uint64_t)check_rank));
    CHECK_MPI(MPI_Sendrecv(out, N_OF_RING, MPI_CHAR, next, 5, in, N_OF_RING, MPI_CHAR,
                           previous, 5, MPI_COMM_WORLD, MPI_STATUS_IGNORE));
    CHECK_FILLED(in, N_OF_RING, check_hash((uint64_t)step, (uint64_t)previous));
    doing("MPI_Allreduce");
    CHECK_MPI(MPI_Allreduce(&value, &sum, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD));
    CHECK_EQ(sum, step * check_size * (check_size + 1) / 2);
    check_note((uint64_t)sum);
}

static void one_step(long step)
{
    ring_and_sum(step);
    brief_live((uintptr_t)step * 11);
    detached_live(step);
    thread_check();
    CHECK_EQ(gettid(), getpid());
    doing(NULL);
    hold(step);
    check_sleep_ms(STEP_MS);
}

static void join(pthread_t thread, long expected)
{
    void *value;

    CHECK_EQ(pthread_join(thread, &value), 0);
    CHECK_EQ((intptr_t)value, expected);
}

/* All threads at once, while this one does its steps. */
static void run(void)
{
    static void *(*const others[])(void *) = {receiver, process_receiver, sender, alarmed,
                                              lives};
    enum { N_OTHERS = sizeof others / sizeof others[0] };
    pthread_t workers[N_WORKERS], lockers[N_LOCKERS], threads_of[N_OTHERS], watcher;

    watcher = spawn(watch, NULL);
    for (long i = 0; i < N_LOCKERS; i++)
        lockers[i] = spawn(locker, (void *)i);
    for (int i = 0; i < N_OTHERS; i++)
        threads_of[i] = spawn(others[i], NULL);
    for (long i = 0; i < N_WORKERS; i++)
        workers[i] = spawn(worker, (void *)i);
    for (long step = 0; step < steps; step++)
        one_step(step);
    for (int i = 0; i < N_WORKERS; i++)
        join(workers[i], n_calls);
    for (int i = 0; i < N_LOCKERS; i++)
        join(lockers[i], n_rounds);
    for (int i = 0; i < N_OTHERS; i++)
        join(threads_of[i], 0);
    lives_end();
    watch_ends = true;
    join(watcher, 0);
    CHECK_EQ(threads_living(), 1);
}

int main(int argc, char **argv)
{
    bool sysv = argc > 2 && strcmp(argv[2], "sysv") == 0;
    int provided;

    signals_block(); /* in MPI's threads, too */
    CHECK_MPI(MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided));
    CHECK(provided >= MPI_THREAD_FUNNELED, "level %d", provided);
    steps = check_begin("threads_many", argc, argv, 100);
    process = getpid();
    CHECK_SYS(sched_getaffinity(0, sizeof cpus, &cpus));
    CHECK_EQ(pthread_attr_init(&attributes), 0);
    CHECK_EQ(pthread_attr_setstacksize(&attributes, STACK_BYTES), 0);
    thread_begin(NULL);
    for (n_kinds = 0; n_kinds < N_KINDS && (sysv || kinds[n_kinds].how < SYSV_ENDED);)
        n_kinds++;
    n_calls = (steps + STEPS_PER_ROUND - 1) / STEPS_PER_ROUND;
    n_bursts = steps;
    handlers_install();
    sleeps_begin();
    transfers_begin();
    waits_begin(sysv);
    locks_begin((2 * steps + 2) / 3);
    lives_begin(steps);
    run();
    locks_end();
    waits_end();
    transfers_end();
    sleeps_end();
    for (int i = 0; i < n_kinds; i++)
        check_note((uint64_t)n_done[i]);
    CHECK_EQ(n_taken, 3 * N_BURST * n_bursts);
    check_note((uint64_t)n_taken);
    check_end(steps);
    MPI_Finalize();
    return 0;
}
