/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How fast containers are written, written over the file of a dropped one, and read,
 * against plain write(2) of new files and read(2) of the same bytes on the same target:
 * prints the medians of the rates and of their ratios.  In each round that is done one
 * after the other, by as many processes at once as asked for; reads go into fresh
 * memory.  Run without MPI.
 *
 *     bench-storage DIR [MIB [PROCESSES [ROUNDS]]]
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "boundary/control.h"
#include "storage/container.h"
#include "storage/plain.h"

#define PIECE_BYTES ((size_t)8 << 20)
#define ROUNDS_MAX 101
enum { PLAIN_WRITE, WRITE, WRITE_OVER, PLAIN_READ, READ, KINDS };

struct shared {
    pthread_barrier_t barrier;
};

static struct shared *shared;
static const char *dir;
static uint64_t bytes;
static int process;

static void die(const char *what)
{
    fprintf(stderr, "bench-storage: %s: %s\n", what, strerror(errno));
    _exit(1);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static char *memory_map(void)
{
    char *memory = mmap((void *)CRMPI_MAP_ADDR, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (memory == MAP_FAILED)
        die("mmap");
    return memory;
}

static void memory_fill(char *memory)
{
    uint64_t x = 88172645463325252u + (uint64_t)process;
    for (uint64_t i = 0; i < bytes / 8; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        ((uint64_t *)(void *)memory)[i] = x;
    }
}

static void plain(const char *path, char *memory, int writing)
{
    int fd = open(path, writing ? O_WRONLY | O_CREAT | O_EXCL : O_RDONLY, 0600);
    if (fd < 0)
        die(path);
    for (uint64_t at = 0; at < bytes;) {
        size_t piece = bytes - at < PIECE_BYTES ? bytes - at : PIECE_BYTES;
        ssize_t n =
            writing ? write(fd, memory + at, piece) : read(fd, memory + at, piece);
        if (n <= 0)
            die(path);
        at += (uint64_t)n;
    }
    close(fd);
}

static void container_write(const char *path)
{
    struct crmpi_job job = {.n_ranks = 1, .job_id = "bench"};
    struct crmpi_region region = {.start = CRMPI_MAP_ADDR,
                                  .bytes = bytes,
                                  .prot = PROT_READ | PROT_WRITE,
                                  .flags = MAP_PRIVATE | MAP_ANONYMOUS};
    struct crmpi_extent extent = {CRMPI_MAP_ADDR, bytes};
    struct crmpi_content content;
    struct crmpi_writer *writer;
    uint64_t end = CRMPI_DATA_OFFSET;
    if (crmpi_writer_create(path, &job, NULL, &writer) != CRMPI_OK ||
        crmpi_plain_write(writer, &extent, 1, &end, NULL, NULL, &content) != CRMPI_OK ||
        crmpi_writer_task(writer, &region, 1, &content) != CRMPI_OK ||
        crmpi_writer_close(writer, end, 0, NULL, NULL) != CRMPI_OK)
        die(path);
    crmpi_plain_free(&content);
}

static void container_read(const char *path)
{
    struct crmpi_reader *reader;
    if (crmpi_reader_open(path, &reader) != CRMPI_OK ||
        crmpi_reader_load(reader, NULL, NULL) != CRMPI_OK)
        die(path);
    crmpi_reader_close(reader);
}

/* What has to be there for a kind, outside of the time taken. */
static void prepare(int kind, const char *plain_path, const char *path)
{
    char spare[4096];
    snprintf(spare, sizeof spare, "%s/%d/spare.tmp", dir, process);
    if (kind == PLAIN_WRITE)
        unlink(plain_path);
    else if (kind == WRITE)
        unlink(path);
    else if (kind == WRITE_OVER)
        rename(path, spare);
    else
        memory_map();
}

static void one(int kind, char *memory, const char *plain_path, const char *path)
{
    if (kind == PLAIN_WRITE)
        plain(plain_path, memory, 1);
    else if (kind == WRITE || kind == WRITE_OVER)
        container_write(path);
    else if (kind == PLAIN_READ)
        plain(plain_path, memory, 0);
    else
        container_read(path);
}

/* One round by this process; the times from the first one's start to the last one's
 * end. */
static void round_run(int turn, double *seconds_out)
{
    /* Who comes first takes turns: later ones meet more that has yet to go to the disk */
    static const int orders[2][KINDS] = {
        {PLAIN_WRITE, WRITE, WRITE_OVER, PLAIN_READ, READ},
        {WRITE, WRITE_OVER, PLAIN_WRITE, READ, PLAIN_READ}};
    char folder[4000], plain_path[4096], path[4096];
    snprintf(folder, sizeof folder, "%s/%d", dir, process);
    snprintf(plain_path, sizeof plain_path, "%s/plain", folder);
    snprintf(path, sizeof path, "%s/000001.h5", folder);
    mkdir(folder, 0700);
    char *memory = memory_map();
    memory_fill(memory);
    /* The page cache of a virtual machine may be given back to its host when idle. */
    plain(plain_path, memory, 1);
    for (int i = 0; i < KINDS; i++) {
        int kind = orders[turn % 2][i];
        prepare(kind, plain_path, path);
        pthread_barrier_wait(&shared->barrier);
        double start = now();
        one(kind, memory, plain_path, path);
        pthread_barrier_wait(&shared->barrier);
        seconds_out[kind] = now() - start;
    }
    unlink(plain_path);
    unlink(path);
    rmdir(folder);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int n)
{
    qsort(values, (size_t)n, sizeof *values, compare);
    return values[n / 2];
}

static void report(double seconds[ROUNDS_MAX][KINDS], int rounds, int processes)
{
    static const struct {
        const char *name;
        int base; /* what it is compared with */
    } kinds[KINDS] = {{"write(2)", PLAIN_WRITE},
                      {"container", PLAIN_WRITE},
                      {"container over an old one", PLAIN_WRITE},
                      {"read(2)", PLAIN_READ},
                      {"container loaded", PLAIN_READ}};
    double gb = (double)bytes * processes * 1e-9;
    for (int kind = 0; kind < KINDS; kind++) {
        double rates[ROUNDS_MAX], ratios[ROUNDS_MAX];
        for (int i = 0; i < rounds; i++) {
            rates[i] = gb / seconds[i][kind];
            ratios[i] = seconds[i][kinds[kind].base] / seconds[i][kind];
        }
        printf("%-26s %6.2f GB/s  %5.2f\n", kinds[kind].name, median(rates, rounds),
               median(ratios, rounds));
    }
}

int main(int argc, char **argv)
{
    static double seconds[ROUNDS_MAX][KINDS];
    int processes = argc > 3 ? atoi(argv[3]) : 1, rounds = argc > 4 ? atoi(argv[4]) : 9;
    pthread_barrierattr_t attribute;

    if (argc < 2 || processes < 1 || rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: bench-storage DIR [MIB [PROCESSES [ROUNDS]]]\n");
        return 2;
    }
    dir = argv[1];
    bytes = (uint64_t)(argc > 2 ? atoi(argv[2]) : 256) << 20;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        die("mmap");
    pthread_barrierattr_init(&attribute);
    pthread_barrierattr_setpshared(&attribute, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(&shared->barrier, &attribute, (unsigned)processes);
    for (int i = 1; i < processes; i++)
        if (fork() == 0) {
            process = i;
            break;
        }
    for (int i = 0; i < rounds; i++)
        round_run(i, seconds[i]);
    if (process > 0)
        _exit(0);
    while (wait(NULL) > 0)
        ;
    report(seconds, rounds, processes);
    return 0;
}
