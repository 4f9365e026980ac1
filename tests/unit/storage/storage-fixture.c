/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the tests of lib/storage share, see storage-fixture.h.  Tests only.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/checksum.h"
#include "base/log.h"
#include "boundary/control.h"
#include "storage/plain.h"
#include "storage-fixture.h"

#define MIB ((uint64_t)1 << 20)
#define A CRMPI_MAP_ADDR
#define B (CRMPI_MAP_ADDR + 16 * MIB)
#define C (CRMPI_MAP_ADDR + 32 * MIB)
#define LOW 0x40000000u
#define OTHERS 0x5a /* what the views have in other ranks' bytes */

const struct crmpi_region regions[N_REGIONS] = {
    {LOW, MIB, PROT_READ | PROT_EXEC, MAP_PRIVATE, 8192, 0xfe01, 77, 23456,
     1700000000123456789, CRMPI_REGION_SEQUENTIAL, .name = "/bin/program"},
    {A, 8 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, 0,
     .attributes = CRMPI_REGION_MAY_WRITE | CRMPI_REGION_HUGETLB, .huge_page_kib = 2048,
     .policy = 2, .nodes = {5, 0, 0, 1ul << 63}, .name = "[heap]"},
    {B, MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, 0, .name = ""},
};
const struct crmpi_extent small_extents[N_EXTENTS] = {
    {LOW, 4096}, {A, 4096}, {A + 8192, 8192}, {B + 4096, 4096}};
const struct crmpi_extent large_extents[N_EXTENTS] = {{LOW + 4096, MIB / 2},
                                                      {A, 3 * MIB + 12288},
                                                      {A + 4 * MIB, 4 * MIB - 4096},
                                                      {B, 1000}};
static const struct crmpi_extent shared_extents[] = {
    {C + 4001, 1000}, {C + 8192, 4096}, {C + 100000, 4001}};
const struct crmpi_segment segments[N_SEGMENTS] = {
    {7, C + 4001, 100000, C, MIB, CRMPI_FLAVOR_SHARED, 8, 4, 3, "halo", shared_extents,
     3},
    {8, A, 4096, 0, 0, CRMPI_FLAVOR_CREATE, 1, 2, 0, "", NULL, 0},
    {1000012, C + MIB, 3, C + MIB, 65536, CRMPI_FLAVOR_ALLOCATE, 4, 4, 1, "", NULL, 0},
};

unsigned log_lines;
int saving_sync;
char log_last[8192];
char folder[256];

/* These stand in for lib/base/log.c. */
void crmpi_log_init(enum crmpi_log_level level, int world_rank)
{
    (void)level;
    (void)world_rank;
}

int crmpi_log_enabled(enum crmpi_log_level level)
{
    return level <= CRMPI_LOG_WARN;
}

void crmpi_log(enum crmpi_log_level level, const char *format, ...)
{
    va_list arguments;
    if (!crmpi_log_enabled(level))
        return;
    log_lines++;
    va_start(arguments, format);
    vsnprintf(log_last, sizeof log_last, format, arguments);
    va_end(arguments);
}

void log_reset(void)
{
    log_lines = 0;
    log_last[0] = '\0';
}

void require(int condition)
{
    if (!condition) {
        perror("a test cannot be set up");
        abort();
    }
}

static void range_map(uint64_t start, uint64_t bytes)
{
    void *at = (void *)start;
    void *got = mmap(at, bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    require(got == at);
}

void memory_map(void)
{
    for (int i = 0; i < N_REGIONS; i++)
        range_map(regions[i].start, regions[i].bytes);
    for (int i = 0; i < N_SEGMENTS; i++)
        if (segments[i].view_bytes)
            range_map(segments[i].view_start, segments[i].view_bytes);
}

static unsigned char byte_at(uint64_t address, unsigned seed)
{
    uint64_t x = (address + seed) * 0x9e3779b97f4a7c15u;
    return (unsigned char)(x >> 56);
}

static void extents_fill(const struct crmpi_extent *extents, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++)
        for (uint64_t at = extents[i].start; at < extents[i].start + extents[i].bytes;
             at++)
            *(unsigned char *)at = byte_at(at, seed);
}

static int extents_are(const struct crmpi_extent *extents, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++)
        for (uint64_t at = extents[i].start; at < extents[i].start + extents[i].bytes;
             at++)
            if (*(unsigned char *)at != byte_at(at, seed))
                return 0;
    return 1;
}

void memory_fill(const struct crmpi_extent *extents, unsigned seed)
{
    extents_fill(extents, N_EXTENTS, seed);
    for (int i = 0; i < N_SEGMENTS; i++) {
        if (segments[i].view_bytes)
            memset((void *)segments[i].view_start, OTHERS, segments[i].view_bytes);
        extents_fill(segments[i].extents, segments[i].n_extents, seed);
    }
}

/* Whether a view has what its segment has, and else what was there before. */
static int view_is(const struct crmpi_segment *segment, unsigned seed)
{
    uint64_t at = segment->view_start;
    if (!extents_are(segment->extents, segment->n_extents, seed))
        return 0;
    for (size_t i = 0; i <= segment->n_extents; i++) {
        uint64_t end = i < segment->n_extents ? segment->extents[i].start
                                              : segment->view_start + segment->view_bytes;
        for (; at < end; at++)
            if (*(unsigned char *)at != OTHERS)
                return 0;
        if (i < segment->n_extents)
            at += segment->extents[i].bytes;
    }
    return 1;
}

int memory_is(const struct crmpi_extent *extents, unsigned seed)
{
    for (int i = 0; i < N_SEGMENTS; i++)
        if (!view_is(&segments[i], seed))
            return 0;
    return extents_are(extents, N_EXTENTS, seed);
}

enum crmpi_status saving_begin(struct saving *saving, const char *path,
                               const struct crmpi_job *job)
{
    memset(saving, 0, sizeof *saving);
    saving->data_end = CRMPI_DATA_OFFSET;
    return crmpi_writer_create(path, job, NULL, &saving->writer);
}

/* Write the bytes of extents. */
static enum crmpi_status content_write(struct saving *saving,
                                       const struct crmpi_extent *extents, size_t n)
{
    require(saving->n < SAVING_CONTENTS);
    return crmpi_plain_write(saving->writer, extents, n, &saving->data_end,
                             saving->progress, saving->context,
                             &saving->contents[saving->n++]);
}

enum crmpi_status saving_memory(struct saving *saving, const struct crmpi_region *list,
                                size_t n_regions, const struct crmpi_extent *extents,
                                size_t n_extents)
{
    enum crmpi_status status = content_write(saving, extents, n_extents);
    return status != CRMPI_OK ? status
                              : crmpi_writer_task(saving->writer, list, n_regions,
                                                  &saving->contents[saving->n - 1]);
}

enum crmpi_status saving_segment(struct saving *saving,
                                 const struct crmpi_segment *segment)
{
    enum crmpi_status status = CRMPI_OK;
    if (segment->view_bytes)
        status = content_write(saving, segment->extents, segment->n_extents);
    return status != CRMPI_OK
               ? status
               : crmpi_writer_segment(
                     saving->writer, segment,
                     segment->view_bytes ? &saving->contents[saving->n - 1] : NULL);
}

static void contents_free(struct saving *saving)
{
    for (size_t i = 0; i < saving->n; i++)
        crmpi_plain_free(&saving->contents[i]);
}

enum crmpi_status saving_close(struct saving *saving, uint64_t *bytes_out,
                               uint64_t *digest_out)
{
    enum crmpi_status status = crmpi_writer_close(saving->writer, saving->data_end,
                                                  saving_sync, bytes_out, digest_out);
    contents_free(saving);
    return status;
}

void saving_abort(struct saving *saving)
{
    crmpi_writer_abort(saving->writer);
    contents_free(saving);
}

enum crmpi_status segments_save(struct saving *saving)
{
    enum crmpi_status status = CRMPI_OK;
    for (int i = 0; status == CRMPI_OK && i < N_SEGMENTS; i++)
        status = saving_segment(saving, &segments[i]);
    return status;
}

struct crmpi_dependencies dependencies_make(const struct crmpi_job *job)
{
    static struct crmpi_stream streams[] = {{1, 0, 7, 3, 2, 0},
                                            {1, 1, CRMPI_TAG_ROOTED, 0, 5, 0},
                                            {1, 1, 7, 1, 1, 1},
                                            {9, 0, 0, 2, 2, 0}};
    static uint32_t members[] = {0, 1, 1, 0};
    static struct crmpi_collectives collectives[] = {
        {1, 12, CRMPI_FLOW_FROM_ALL | CRMPI_FLOW_TO_ALL, 2, 0, 1, 0},
        {9, 0, 0, 2, 2, 0, 1}};
    static struct crmpi_access accesses[] = {{7, 0, CRMPI_HOW_WRITE, 0},
                                             {7, 1, CRMPI_HOW_SYNC, 3}};
    static struct crmpi_access origins[] = {{7, 1, CRMPI_HOW_ATOMIC, 1}};
    static uint64_t windows[] = {7, 8};
    static struct crmpi_member cohort[4];
    struct crmpi_dependencies all = {.world_rank = job->world_rank,
                                     .n_ranks = job->n_ranks,
                                     .sn = job->sn,
                                     .interval = job->sn,
                                     .base = job->sn - 1,
                                     .streams = streams,
                                     .n_streams = 4,
                                     .collectives = collectives,
                                     .n_collectives = 2,
                                     .members = members,
                                     .n_members = 4,
                                     .accesses = accesses,
                                     .n_accesses = 2,
                                     .origins = origins,
                                     .n_origins = 1,
                                     .windows = windows,
                                     .n_windows = 2,
                                     .cohort = cohort,
                                     .n_cohort = job->n_ranks};
    require(job->n_ranks <= 4);
    for (uint32_t rank = 0; rank < job->n_ranks; rank++)
        cohort[rank] = (struct crmpi_member){
            .rank = rank, .interval = job->sn > 1 ? job->sn - rank % 2 : 1};
    return all;
}

enum crmpi_status dependencies_save(struct saving *saving, const struct crmpi_job *job)
{
    struct crmpi_dependencies all = dependencies_make(job);
    return crmpi_writer_dependencies(saving->writer, &all);
}

static pid_t runner; /* of the tests, each of which is a process */

void folder_make(void)
{
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/crmpi-test-%d-XXXXXX", base ? base : "/tmp",
             (int)runner);
    require(mkdtemp(folder) != NULL);
    log_reset();
}

static int remove_one(const char *path, const struct stat *info, int kind,
                      struct FTW *walk)
{
    (void)info;
    (void)kind;
    (void)walk;
    return remove(path);
}

/* A test that fails ends without its teardown. */
static void folders_remove(void)
{
    const char *base = getenv("TMPDIR");
    char pattern[4096];
    glob_t found;

    snprintf(pattern, sizeof pattern, "%s/crmpi-test-%d-*", base ? base : "/tmp",
             (int)runner);
    if (getpid() != runner || glob(pattern, 0, NULL, &found) != 0)
        return;
    for (size_t i = 0; i < found.gl_pathc; i++)
        nftw(found.gl_pathv[i], remove_one, 16, FTW_DEPTH | FTW_PHYS);
    globfree(&found);
}

static void __attribute__((constructor)) runner_know(void)
{
    runner = getpid();
    atexit(folders_remove);
}

void folder_remove(void)
{
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *in_folder(const char *name)
{
    static char paths[4][512];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static int not_hidden(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

int folder_has(const char *path, const char *names)
{
    struct dirent **entries;
    char all[4096] = "";
    int n = scandir(path, &entries, not_hidden, alphasort);
    if (n < 0)
        return 0;
    for (int i = 0; i < n; i++) {
        strcat(strcat(all, i ? " " : ""), entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    if (strcmp(all, names) != 0)
        fprintf(stderr, "%s has: %s\n", path, all);
    return strcmp(all, names) == 0;
}

struct crmpi_job job_make(uint32_t world_rank, uint64_t sn)
{
    struct crmpi_job job = {
        .job_id = "0123456789abcdef",
        .n_ranks = 4,
        .world_rank = world_rank,
        .sn = sn,
        .incarnation = 2,
        .restored = sn > 1,
        .time = 1700000000.25,
        .host = "node7",
        .program = "/home/user/a program",
        .policy = "coordinated",
        .mpi_version = "Open MPI 4.1.4",
        .cpu = "avx2 fma",
    };
    return job;
}

enum crmpi_status small_save(const char *path, unsigned seed)
{
    struct crmpi_job job = job_make(3, seed);
    static struct saving saving;
    enum crmpi_status status = saving_begin(&saving, path, &job);
    if (status != CRMPI_OK)
        return status;
    memory_fill(small_extents, seed);
    if ((status = saving_memory(&saving, regions, N_REGIONS, small_extents, N_EXTENTS)) !=
            CRMPI_OK ||
        (status = segments_save(&saving)) != CRMPI_OK ||
        (status = crmpi_writer_record(saving.writer, "/task/threads", "threads", 7)) !=
            CRMPI_OK ||
        (status = crmpi_writer_record(saving.writer, "/channel/state", &seed,
                                      sizeof seed)) != CRMPI_OK ||
        (status = dependencies_save(&saving, &job)) != CRMPI_OK) {
        saving_abort(&saving);
        return status;
    }
    return saving_close(&saving, NULL, NULL);
}

int small_is(const char *path, unsigned seed)
{
    struct crmpi_reader *reader;
    void *record = NULL;
    size_t bytes = 0;
    int right = 0;
    if (crmpi_reader_open(path, &reader) != CRMPI_OK)
        return 0;
    memory_fill(small_extents, seed + 1);
    if (crmpi_reader_load(reader, NULL, NULL) == CRMPI_OK &&
        crmpi_reader_record(reader, "/channel/state", &record, &bytes) == CRMPI_OK)
        right = bytes == sizeof seed && memcmp(record, &seed, bytes) == 0 &&
                crmpi_reader_job(reader)->sn == seed && memory_is(small_extents, seed);
    free(record);
    crmpi_reader_close(reader);
    return right;
}

unsigned char *file_get(const char *path, size_t *bytes_out)
{
    struct stat info;
    int fd = open(path, O_RDONLY);
    require(fd >= 0);
    require(fstat(fd, &info) == 0);
    unsigned char *data = malloc((size_t)info.st_size + 1);
    require(read(fd, data, (size_t)info.st_size) == info.st_size);
    close(fd);
    *bytes_out = (size_t)info.st_size;
    return data;
}

void file_put(const char *path, const void *data, size_t bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    require(fd >= 0);
    require(write(fd, data, bytes) == (ssize_t)bytes);
    require(close(fd) == 0);
}

/* The layout of the seal, from doc/format.md and not from the code. */
static uint64_t number_at(const unsigned char *data, size_t at)
{
    uint64_t number;
    memcpy(&number, data + at, sizeof number);
    return number;
}

uint64_t hole_end(const unsigned char *data, uint64_t at)
{
    return at >= 8192 && at < number_at(data, 24) ? number_at(data, 24) : at;
}

void file_seal(unsigned char *data, size_t bytes)
{
    struct crmpi_checksum_state state;
    uint64_t tail = number_at(data, 24);
    if (tail < 8192 || tail > bytes)
        return;
    crmpi_checksum_begin(&state);
    crmpi_checksum_add(&state, data, 48);
    crmpi_checksum_add(&state, data + 56, 8192 - 56);
    crmpi_checksum_add(&state, data + tail, bytes - tail);
    uint64_t digest = crmpi_checksum_end(&state);
    memcpy(data + 48, &digest, 8);
}
