/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads that make, replace, rename and remove files at the same time, while another one
 * starts children that open files, with memory of their own (fork) and with that of the
 * program (posix_spawn).  Each thread knows what its files have to hold.
 */
#include "check.h"
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define N_THREADS 3
#define N_NAMES 8

extern char **environ;
static atomic_int end;
static atomic_long n_operations[N_THREADS];

static const char *path(char *name, long thread, int i)
{
    snprintf(name, 64, "own.%d.%ld.%d", check_rank, thread, i);
    return name;
}

static void look(long thread, const uint64_t *values)
{
    char name[64];

    for (int i = 0; i < N_NAMES; i++) {
        int fd = open(path(name, thread, i), O_RDONLY);
        uint64_t found = 0;

        if (fd >= 0)
            CHECK_EQ(read(fd, &found, sizeof found), sizeof found);
        CHECK(found == values[i], "%s holds %016" PRIx64 ", not %016" PRIx64, name, found,
              values[i]);
        if (fd >= 0)
            CHECK_SYS(close(fd));
    }
}

static void *churn(void *number)
{
    long thread = (long)number;
    uint64_t state = check_hash((uint64_t)thread, 11), values[N_NAMES] = {0};
    char name[64], other[64];

    while (!end) {
        int i = check_below(&state, N_NAMES), k = check_below(&state, N_NAMES), fd;
        uint64_t value = check_random(&state) | 1;

        switch (check_below(&state, 3)) {
        case 0:
            CHECK_SYS(fd = open(path(name, thread, i), O_WRONLY | O_CREAT | O_TRUNC, 0600));
            CHECK_EQ(write(fd, &value, sizeof value), sizeof value);
            CHECK_SYS(close(fd));
            values[i] = value;
            break;
        case 1:
            CHECK_EQ(unlink(path(name, thread, i)), values[i] ? 0 : -1);
            values[i] = 0;
            break;
        default:
            if (i == k)
                break;
            CHECK_EQ(rename(path(name, thread, i), path(other, thread, k)),
                     values[i] ? 0 : -1);
            values[k] = values[i] ? values[i] : values[k];
            values[i] = 0;
        }
        look(thread, values);
        n_operations[thread]++;
        check_sleep_ms(1);
    }
    return NULL;
}

/* A new program, whose stdout is opened between vfork() and exec(). */
static void spawn(void)
{
    char *words[] = {(char *)"true", NULL};
    posix_spawn_file_actions_t actions;
    int status;
    pid_t child;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    CHECK_EQ(posix_spawn(&child, "/bin/true", &actions, NULL, words, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
}

static void split(void)
{
    char name[64];
    int status;
    pid_t child = fork();

    CHECK_SYS(child);
    if (child == 0) {
        int fd = open(path(name, 9, 0), O_WRONLY | O_CREAT | O_TRUNC, 0600);

        _exit(fd < 0 || write(fd, "x", 1) != 1 || unlink(name) != 0);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
}

static void *start_children(void *unused)
{
    for (long i = 0; !end; i++) {
        for (int k = 0; k < 20; k++)
            i % 2 ? spawn() : split();
        check_sleep_ms(150); /* for checkpoints, which are refused meanwhile */
    }
    return unused;
}

int main(int argc, char **argv)
{
    pthread_t threads[N_THREADS + 1];
    struct stat null;
    int provided;
    long steps;

    CHECK_MPI(MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided));
    steps = check_begin("churn_threads", argc, argv, 500);
    for (long i = 0; i < N_THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, churn, (void *)i), 0);
    CHECK_EQ(pthread_create(&threads[N_THREADS], NULL, start_children, NULL), 0);
    for (long step = 0; step < steps; step++) {
        check_sleep_ms(10);
        MPI_Barrier(MPI_COMM_WORLD);
        check_note((uint64_t)step);
    }
    end = 1;
    for (int i = 0; i <= N_THREADS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    for (long i = 0; i < N_THREADS; i++) {
        char name[64];

        CHECK(n_operations[i] > 0, "thread %ld has done nothing", i);
        for (int k = 0; k < N_NAMES; k++)
            unlink(path(name, i, k));
    }
    CHECK_EQ(stat("/dev/null", &null), 0);
    CHECK(S_ISCHR(null.st_mode), "/dev/null is something else");
    check_end(steps);
    MPI_Finalize();
    return 0;
}
