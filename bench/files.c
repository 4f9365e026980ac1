/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Times what programs do with files, in the folder it is started in.  An ordinary MPI
 * program: bench/run starts it with and without crmpi.  Under crmpi a checkpoint is taken
 * first, so that what becomes of files is noted.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "measure.h"

static char page[4096];
static int in_place, appended;

static void need(int fine, const char *what)
{
    if (fine)
        return;
    perror(what);
    MPI_Abort(MPI_COMM_WORLD, 1);
}

static const char *own(const char *name)
{
    static char text[2][64];
    static int next;

    next = !next;
    snprintf(text[next], sizeof text[next], "%s.%d", name, world_rank);
    return text[next];
}

static void append_open(int bytes, int n)
{
    for (int i = 0; i < n; i++)
        need(write(appended, page, bytes) == bytes, "write");
    need(ftruncate(appended, 0) == 0 && lseek(appended, 0, SEEK_SET) == 0, "ftruncate");
}

static void overwrite(int bytes, int n)
{
    for (int i = 0; i < n; i++)
        need(pwrite(in_place, page, bytes, (off_t)(i % 64) * bytes) == bytes, "pwrite");
}

static void open_append_close(int bytes, int n)
{
    for (int i = 0; i < n; i++) {
        int fd = open(own("log"), O_WRONLY | O_CREAT | O_APPEND, 0644);

        need(fd >= 0 && write(fd, page, bytes) == bytes && close(fd) == 0, "log");
    }
}

static void replace(int bytes, int n)
{
    for (int i = 0; i < n; i++) {
        int fd = open(own("state.tmp"), O_WRONLY | O_CREAT | O_TRUNC, 0644);

        need(fd >= 0 && write(fd, page, bytes) == bytes && close(fd) == 0 &&
                 rename(own("state.tmp"), own("state")) == 0,
             "state");
    }
}

static void make_and_remove(int bytes, int n)
{
    char name[64];

    (void)bytes;
    for (int i = 0; i < n; i++) {
        static long number;

        snprintf(name, sizeof name, "temporary.%d.%ld", world_rank, number++);
        int fd = open(name, O_RDWR | O_CREAT | O_EXCL, 0600);

        need(fd >= 0 && close(fd) == 0 && unlink(name) == 0, "temporary");
    }
}

static void read_open(int bytes, int n)
{
    (void)bytes;
    for (int i = 0; i < n; i++) {
        int fd = open(own("in place"), O_RDONLY);

        need(fd >= 0 && close(fd) == 0, "in place");
    }
}

/* The signal asks for a checkpoint in a rank under crmpi, and would end another program. */
static void checkpoint(void)
{
    if (world_rank == 0 && getenv("CRMPI_ACTIVE"))
        kill(getpid(), SIGUSR1);
    sleep(1);
    MPI_Barrier(MPI_COMM_WORLD);
}

int main(int argc, char **argv)
{
    measure_begin(&argc, &argv, "bench-files");
    in_place = open(own("in place"), O_RDWR | O_CREAT | O_TRUNC, 0644);
    appended = open(own("appended"), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    need(in_place >= 0 && appended >= 0, "open");
    checkpoint();
    measure("append", append_open, 4096, 64, 1);
    measure("overwrite", overwrite, 4096, 64, 1);
    measure("log", open_append_close, 100, 20, 1);
    measure("replace", replace, 4096, 20, 1);
    measure("temporary", make_and_remove, 0, 20, 1);
    measure("read", read_open, 0, 20, 1);
    MPI_Finalize();
    return 0;
}
