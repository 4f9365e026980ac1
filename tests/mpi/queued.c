/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Queued signals with their values, for the process and for a thread, that stay pending for
 * several steps; and POSIX timers of all kinds, whose ids are kept and whose expiries are
 * neither lost nor made up.
 */
#include "check.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>

#define N_QUEUED 5
#define SOON_NS 30000000l

static int to_process, to_thread, of_timer, of_thread_timer; /* signals */
static timer_t periodic, once, far, threaded, directed;
static atomic_long n_threaded, n_directed, is_over;
static long n_once, n_periodic;

static struct itimerspec times(long ns, long every_ns)
{
    return (struct itimerspec){
        .it_value = {ns / 1000000000, ns % 1000000000},
        .it_interval = {every_ns / 1000000000, every_ns % 1000000000}};
}

static void take(int signal, int value, int code)
{
    static const struct timespec now;
    siginfo_t info;
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, signal);
    CHECK_EQ(sigtimedwait(&set, &info, &now), signal);
    CHECK_EQ(info.si_code, code);
    CHECK_EQ(info.si_pid, getpid());
    CHECK_EQ(info.si_value.sival_int, value);
}

static void none_left(int signal)
{
    static const struct timespec now;
    siginfo_t info;
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, signal);
    CHECK(sigtimedwait(&set, &info, &now) == -1 && errno == EAGAIN,
          "one more signal %d: value %d, code %d", signal, info.si_value.sival_int,
          info.si_code);
}

/* In order, and with a standard signal beside, which has a value, too. */
static void process_signals(long step)
{
    if (step % 8 == 0) {
        for (int i = 0; i < N_QUEUED; i++)
            CHECK_SYS(sigqueue(getpid(), to_process, (union sigval){(int)step + i}));
        CHECK_SYS(sigqueue(getpid(), SIGUSR2, (union sigval){(int)step + 77}));
    }
    if (step % 8 != 7)
        return;
    for (int i = 0; i < N_QUEUED; i++)
        take(to_process, (int)step - 7 + i, SI_QUEUE);
    none_left(to_process);
    take(SIGUSR2, (int)step - 7 + 77, SI_QUEUE);
    none_left(SIGUSR2);
}

/* To this thread, whose id is the kernel's now: with a code of the program's own. */
static void thread_signals(long step)
{
    siginfo_t info = {.si_code = -60, .si_pid = getpid(), .si_uid = getuid()};

    for (int i = 0; step % 5 == 0 && i < N_QUEUED; i++) {
        info.si_value.sival_int = (int)(1000 * step) + i;
        CHECK_SYS(syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), to_thread,
                          &info));
    }
    for (int i = 0; step % 5 == 4 && i < N_QUEUED; i++)
        take(to_thread, (int)(1000 * (step - 4)) + i, -60);
    if (step % 5 == 4)
        none_left(to_thread);
}

static void *second_run(void *unused)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID,
                             .sigev_signo = of_thread_timer};
    struct itimerspec soon = times(SOON_NS, SOON_NS);
    static const struct timespec a_while = {.tv_nsec = 5000000};
    siginfo_t info;
    sigset_t set;

    (void)unused;
    event._sigev_un._tid = (int)syscall(SYS_gettid);
    event.sigev_value.sival_int = 4711;
    CHECK_SYS(timer_create(CLOCK_MONOTONIC, &event, &directed));
    CHECK_SYS(timer_settime(directed, 0, &soon, NULL));
    sigemptyset(&set);
    sigaddset(&set, of_thread_timer);
    for (long step = 0; !is_over; step++) {
        thread_signals(step);
        if (sigtimedwait(&set, &info, &a_while) == of_thread_timer) {
            CHECK_EQ(info.si_code, SI_TIMER);
            CHECK_EQ(info.si_value.sival_int, 4711);
            n_directed++;
        }
    }
    return NULL;
}

static void threaded_run(union sigval value)
{
    CHECK_EQ(value.sival_int, 42);
    n_threaded++;
}

static void timers_make(void)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = of_timer};
    struct itimerspec soon = times(SOON_NS, SOON_NS), later = times(3600000000000, 0);

    event.sigev_value.sival_int = 1;
    CHECK_SYS(timer_create(CLOCK_MONOTONIC, &event, &periodic));
    event.sigev_value.sival_int = 2;
    CHECK_SYS(
        timer_create(CLOCK_REALTIME, &event, &far)); /* its id is not used any more */
    CHECK_SYS(timer_delete(far));
    CHECK_SYS(timer_create(CLOCK_MONOTONIC, &event, &once));
    event = (struct sigevent){.sigev_notify = SIGEV_NONE};
    CHECK_SYS(timer_create(CLOCK_REALTIME, &event, &far));
    event = (struct sigevent){.sigev_notify = SIGEV_THREAD,
                              .sigev_notify_function = threaded_run};
    event.sigev_value.sival_int = 42;
    CHECK_SYS(timer_create(CLOCK_REALTIME, &event, &threaded));
    CHECK_SYS(timer_settime(periodic, 0, &soon, NULL));
    CHECK_SYS(timer_settime(threaded, 0, &soon, NULL));
    CHECK_SYS(timer_settime(far, 0, &later, NULL));
}

/* The two timers of this signal; the one that fires once is set again when it has. */
static void timer_signals(void)
{
    static const struct timespec now;
    static int is_set;
    struct itimerspec soon = times(SOON_NS, 0), left;
    siginfo_t info;
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, of_timer);
    while (sigtimedwait(&set, &info, &now) == of_timer) {
        CHECK_EQ(info.si_code, SI_TIMER);
        CHECK(info.si_value.sival_int == 1 || (info.si_value.sival_int == 2 && is_set),
              "value %d, %s", info.si_value.sival_int, is_set ? "set" : "not set");
        n_periodic += info.si_value.sival_int == 1;
        n_once += info.si_value.sival_int == 2;
        is_set &= info.si_value.sival_int != 2;
    }
    if (!is_set)
        CHECK_SYS(timer_settime(once, 0, &soon, NULL));
    is_set = 1;
    CHECK_SYS(timer_gettime(far, &left));
    CHECK(left.it_value.tv_sec > 1800, "%ld s are left of an hour", left.it_value.tv_sec);
    CHECK_SYS(timer_gettime(periodic, &left));
    CHECK_EQ(left.it_interval.tv_nsec, SOON_NS);
}

int main(int argc, char **argv)
{
    pthread_t second;
    sigset_t set;
    long steps, before[4];
    int provided;

    to_process = SIGRTMIN + 1;
    to_thread = SIGRTMIN + 2;
    of_timer = SIGRTMIN + 3;
    of_thread_timer = SIGRTMIN + 4;
    sigemptyset(&set);
    for (int signal = to_process; signal <= of_thread_timer; signal++)
        sigaddset(&set, signal);
    sigaddset(&set, SIGUSR2);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0); /* in MPI's threads, too */
    MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided);
    steps = check_begin("queued", argc, argv, 500);
    timers_make();
    CHECK_EQ(pthread_create(&second, NULL, second_run, NULL), 0);
    for (long step = 0; step < steps; step++) {
        process_signals(step);
        timer_signals();
        if (step % 10 == 0)
            MPI_Barrier(MPI_COMM_WORLD);
        check_sleep_ms(4);
        check_note((uint64_t)step);
    }
    before[0] = n_threaded, before[1] = n_directed, before[2] = n_once,
    before[3] = n_periodic;
    for (int i = 0; i < 5000 && (n_threaded == before[0] || n_directed == before[1] ||
                                 n_once == before[2] || n_periodic == before[3]);
         i++) { /* all of them still go on */
        timer_signals();
        check_sleep_ms(4);
    }
    CHECK(n_threaded > before[0] && n_directed > before[1] && n_once > before[2] &&
              n_periodic > before[3],
          "timers stand still: %ld %ld %ld %ld", n_threaded - before[0],
          n_directed - before[1], n_once - before[2], n_periodic - before[3]);
    is_over = 1;
    CHECK_EQ(pthread_join(second, NULL), 0);
    check_end(steps);
    MPI_Finalize();
    return 0;
}
