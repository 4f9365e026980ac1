/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A library opened at run time, kept, closed and opened again, whose code, data and
 * thread-local data must come back; symbols looked up by name; MPI called from it.
 */
#include "check.h"
#include <dlfcn.h>
#include <libgen.h>
#include <limits.h>
#include <pthread.h>

static void *handle;
static long (*add)(long), (*in_thread)(void);
static int (*constructed)(void), (*sum)(int, MPI_Comm);
static char library[PATH_MAX + 16];

static void *look_up(const char *name)
{
    void *symbol = dlsym(handle, name);
    CHECK(symbol != NULL, "%s: %s", name, dlerror());
    return symbol;
}

static void open_library(void)
{
    handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    CHECK(handle != NULL, "%s", dlerror());
    *(void **)&add = look_up("plugin_add");
    *(void **)&in_thread = look_up("plugin_in_thread");
    *(void **)&constructed = look_up("plugin_constructed");
    *(void **)&sum = look_up("plugin_sum");
    CHECK_EQ(constructed(), 1);
}

/* A thread has the library's thread-local data in its first state. */
static void *other_thread(void *argument)
{
    CHECK_EQ(in_thread(), 3);
    return argument;
}

static void libraries_of_the_system(void)
{
    void *m = dlopen("libm.so.6", RTLD_LAZY);
    double (*cosine)(double);

    CHECK(m != NULL, "%s", dlerror());
    *(void **)&cosine = dlsym(m, "cos");
    CHECK(cosine != NULL && cosine(0) == 1, "no cos()");
    CHECK_EQ(dlclose(m), 0);
    CHECK(dlsym(RTLD_DEFAULT, "MPI_Send") != NULL, "no MPI_Send");
    CHECK(dlsym(RTLD_DEFAULT, "no_such_symbol") == NULL, "a symbol that is not there");
}

int main(int argc, char **argv)
{
    char folder[PATH_MAX];
    long step, steps, total = 0;
    pthread_t thread;

    MPI_Init(&argc, &argv);
    steps = check_begin("dlopen", argc, argv, 1200);
    CHECK(realpath(argv[0], folder) != NULL, "%s: %s", argv[0], strerror(errno));
    snprintf(library, sizeof library, "%s/plugin.so", dirname(folder));
    open_library();
    for (step = 0; step < steps; step++) {
        total += step;
        CHECK_EQ(add(step), total);
        CHECK_EQ(in_thread(), 3 + total);
        CHECK_EQ(sum(check_rank + (int)step, MPI_COMM_WORLD),
                 step * check_size + check_size * (check_size - 1) / 2);
        if (step % 20 == 0) {
            CHECK_EQ(pthread_create(&thread, NULL, other_thread, NULL), 0);
            CHECK_EQ(pthread_join(thread, NULL), 0);
            libraries_of_the_system();
        }
        if (step % 100 == 99) { /* starts anew */
            CHECK_EQ(dlclose(handle), 0);
            open_library();
            total = 0;
        }
        if (step % 5 == check_rank % 5)
            check_sleep_ms(4);
        check_note((uint64_t)total);
    }
    check_end(steps);
    MPI_Finalize();
    return 0;
}
