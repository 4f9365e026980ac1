/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writing this rank's checkpoint (see capture.h).  Lower half, on the protocol thread, with
 * all application threads parked.
 */
#include <ctype.h>
#include <dirent.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/config.h"
#include "base/log.h"
#include "boundary/control.h"
#include "capture/capture.h"
#include "capture/files.h"
#include "capture/process.h"
#include "capture/regions.h"
#include "capture/segments.h"
#include "lower/children.h"
#include "lower/clock.h"
#include "lower/park.h"
#include "storage/plain.h"

/* Name a child process that is still running, if there is one. */
static int child_refusal(char *why, size_t why_bytes)
{
    char path[512], name[64] = "?";
    DIR *tasks = opendir("/proc/self/task");
    int child = 0;

    for (struct dirent *task; tasks && (task = readdir(tasks)) && child == 0;) {
        if (!isdigit((unsigned char)task->d_name[0]))
            continue;
        snprintf(path, sizeof path, "/proc/self/task/%s/children", task->d_name);
        FILE *children = fopen(path, "re");

        for (int pid; children && child == 0 && fscanf(children, "%d", &pid) == 1;) {
            char state = 'Z';

            if (crmpi_child_is_lower(pid))
                continue;
            snprintf(path, sizeof path, "/proc/%d/stat", pid);
            FILE *about = fopen(path, "re");

            if (about && fscanf(about, "%*d (%63[^)]) %c", name, &state) == 2 && state != 'Z')
                child = pid;
            if (about)
                fclose(about);
        }
        if (children)
            fclose(children);
    }
    if (tasks)
        closedir(tasks);
    if (child)
        snprintf(why, why_bytes, "child process %d (%s) is running", child, name);
    return child;
}

/* POSIX timers could be made again under their ids; but the kernel does not tell to which
 * of several a pending signal belongs, and in a stopped process one is, often. */
static int timer_refusal(char *why, size_t why_bytes)
{
    FILE *timers = fopen("/proc/self/timers", "re");
    int id, found = timers && fscanf(timers, "ID: %d", &id) == 1;

    if (timers)
        fclose(timers);
    if (found)
        snprintf(why, why_bytes, "the POSIX timer %d exists (timer_create)", id);
    return found;
}

int crmpi_capture_refusal(char *why, size_t why_bytes)
{
    return child_refusal(why, why_bytes) || timer_refusal(why, why_bytes) ||
           crmpi_files_refusal(why, why_bytes);
}

/* Signals sent and not yet delivered: to a thread (SigPnd), or to the process (ShdPnd). */
static uint64_t pending_signals(int tid, const char *whose)
{
    char path[64], line[256], format[16];
    unsigned long pending = 0;
    FILE *status;

    snprintf(path, sizeof path, "/proc/self/task/%d/status", tid);
    snprintf(format, sizeof format, "%s: %%lx", whose);
    if (!(status = fopen(path, "re")))
        return 0;
    while (fgets(line, sizeof line, status))
        if (sscanf(line, format, &pending) == 1)
            break;
    fclose(status);
    return pending;
}

static enum crmpi_status threads_save(struct crmpi_writer *writer)
{
    size_t n;
    const struct crmpi_parked *parked = crmpi_parked_list(&n);
    struct crmpi_parked *threads = malloc(n * sizeof *threads);
    enum crmpi_status status;

    if (!threads)
        return CRMPI_ERR_NOMEM;
    memcpy(threads, parked, n * sizeof *threads);
    for (size_t i = 0; i < n; i++)
        threads[i].pending = pending_signals(threads[i].kernel_tid, "SigPnd");
    status = crmpi_writer_record(writer, CRMPI_RECORD_THREADS, threads, n * sizeof *threads);
    free(threads);
    return status;
}

static void timers_save(struct crmpi_process *process)
{
    do { /* each expiry is seen once: in the timer or pending */
        process->pending = pending_signals(getpid(), "ShdPnd");
        for (int i = 0; i < 3; i++)
            getitimer(i, &process->timers[i]);
    } while (pending_signals(getpid(), "ShdPnd") != process->pending);
}

static enum crmpi_status process_save(struct crmpi_writer *writer)
{
    struct crmpi_process process = {.control_bytes = sizeof(struct crmpi_control_page),
                                    .thread_bytes = sizeof(struct crmpi_thread)};
    int level = MPI_THREAD_SINGLE;

    if (!getcwd(process.directory, sizeof process.directory))
        process.directory[0] = 0;
    process.umask = umask(0);
    umask(process.umask);
    timers_save(&process);
    crmpi_clock_read(&process.clock_ns, &process.wtime);
    for (int i = 0; i < 16; i++)
        getrlimit(i, &process.limits[i]);
    PMPI_Query_thread(&level);
    process.thread_level = level;
    return crmpi_writer_record(writer, CRMPI_RECORD_PROCESS, &process, sizeof process);
}

static enum crmpi_status records_save(struct crmpi_writer *writer, char *why,
                                      size_t why_bytes)
{
    size_t files_bytes;
    void *files;
    enum crmpi_status status = crmpi_files_save(&files, &files_bytes, why, why_bytes);

    if (status != CRMPI_OK)
        return status;
    status = crmpi_writer_record(writer, CRMPI_RECORD_FILES, files, files_bytes);
    free(files);
    if (status == CRMPI_OK)
        status = threads_save(writer);
    if (status == CRMPI_OK)
        status = process_save(writer);
    return status;
}

/* All that is saved. */
struct capture {
    struct crmpi_memory memory;
    struct crmpi_segment *segments;
    size_t n_segments;
    uint64_t before; /* bytes of what has been written before what is being written */
};

/* How far saving is: memory and segments as one; read by other threads. */
static struct {
    uint64_t done, total;
} progress;

static void progress_set(uint64_t done_bytes, uint64_t total_bytes)
{
    __atomic_store_n(&progress.done, done_bytes, __ATOMIC_RELAXED);
    __atomic_store_n(&progress.total, total_bytes, __ATOMIC_RELAXED);
}

void crmpi_capture_progress(uint64_t *done_bytes_out, uint64_t *total_bytes_out)
{
    *done_bytes_out = __atomic_load_n(&progress.done, __ATOMIC_RELAXED);
    *total_bytes_out = __atomic_load_n(&progress.total, __ATOMIC_RELAXED);
}

static void note_progress(void *context, uint64_t done_bytes, uint64_t total_bytes)
{
    const struct capture *capture = context;

    (void)total_bytes;
    progress_set(capture->before + done_bytes, progress.total);
}

static enum crmpi_status capture_survey(struct capture *capture, char *why, size_t why_bytes)
{
    struct crmpi_window_segment *windows = NULL;
    size_t n = 0;
    enum crmpi_status status = crmpi_segments_list(&windows, &n);

    if (status != CRMPI_OK)
        snprintf(why, why_bytes, "cannot list the windows: %s", crmpi_status_text(status));
    else
        status = crmpi_segments_survey(windows, n, &capture->segments, why, why_bytes);
    if (status == CRMPI_OK) {
        capture->n_segments = n;
        status = crmpi_memory_survey(windows, n, &capture->memory, why, why_bytes);
    }
    free(windows);
    return status;
}

static uint64_t capture_bytes(const struct capture *capture)
{
    uint64_t bytes =
        crmpi_extents_bytes(capture->memory.extents, capture->memory.n_extents);

    for (size_t i = 0; i < capture->n_segments; i++)
        bytes += crmpi_extents_bytes(capture->segments[i].extents,
                                     capture->segments[i].n_extents);
    return bytes;
}

/* Write all memory, and say what it is.  Contents are as many as segments, and the task's
 * first. */
static enum crmpi_status memory_save(struct crmpi_writer *writer, struct capture *capture,
                                     struct crmpi_content *contents, uint64_t *data_end)
{
    const struct crmpi_memory *memory = &capture->memory;
    enum crmpi_status status =
        crmpi_plain_write(writer, memory->extents, memory->n_extents, data_end,
                          note_progress, capture, &contents[0]);

    if (status == CRMPI_OK)
        status = crmpi_writer_task(writer, memory->regions, memory->n_regions, &contents[0]);
    capture->before = crmpi_extents_bytes(memory->extents, memory->n_extents);
    for (size_t i = 0; status == CRMPI_OK && i < capture->n_segments; i++) {
        const struct crmpi_segment *segment = &capture->segments[i];
        struct crmpi_content *content = &contents[i + 1];

        if (segment->view_bytes)
            status = crmpi_plain_write(writer, segment->extents, segment->n_extents, data_end,
                                       note_progress, capture, content);
        if (status == CRMPI_OK)
            status = crmpi_writer_segment(writer, segment,
                                          segment->view_bytes ? content : NULL);
        capture->before += crmpi_extents_bytes(segment->extents, segment->n_extents);
    }
    return status;
}

static enum crmpi_status file_write(const struct crmpi_capture_request *request,
                                    struct capture *capture,
                                    struct crmpi_capture_result *result_out, char *why,
                                    size_t why_bytes)
{
    struct crmpi_writer *writer = NULL;
    struct crmpi_content *contents = calloc(capture->n_segments + 1, sizeof *contents);
    uint64_t data_end = CRMPI_DATA_OFFSET;
    enum crmpi_status status =
        contents ? crmpi_writer_create(request->path, request->job, NULL, &writer)
                 : CRMPI_ERR_NOMEM;

    why[0] = 0;
    if (status == CRMPI_OK)
        status = memory_save(writer, capture, contents, &data_end);
    if (status == CRMPI_OK)
        status = records_save(writer, why, why_bytes);
    if (status == CRMPI_OK && request->dependencies)
        status = crmpi_writer_dependencies(writer, request->dependencies);
    if (status == CRMPI_OK)
        status = crmpi_writer_close(writer, data_end, crmpi_config.sync,
                                    &result_out->file_bytes, &result_out->digest);
    else if (writer)
        crmpi_writer_abort(writer);
    if (status != CRMPI_OK && !why[0])
        snprintf(why, why_bytes, "writing %s failed: %s", request->path,
                 crmpi_status_text(status));
    for (size_t i = 0; contents && i <= capture->n_segments; i++)
        crmpi_plain_free(&contents[i]);
    free(contents);
    return status;
}

static uint32_t us_since(const struct timespec *begin)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t us = (now.tv_sec - begin->tv_sec) * 1000000ll +
                 (now.tv_nsec - begin->tv_nsec) / 1000;
    return us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

enum crmpi_status crmpi_capture_begin(const struct crmpi_capture_request *request,
                                      int *pending_out,
                                      struct crmpi_capture_result *result_out, char *why,
                                      size_t why_bytes)
{
    struct crmpi_capture_result result = {0};
    struct capture capture = {0};
    struct timespec begin;

    clock_gettime(CLOCK_MONOTONIC, &begin);
    enum crmpi_status status = capture_survey(&capture, why, why_bytes);

    if (status == CRMPI_OK) {
        result.figures.memory_bytes = capture_bytes(&capture);
        result.figures.changed_bytes = result.figures.memory_bytes;
        result.figures.raw_bytes = result.figures.memory_bytes;
        progress_set(0, result.figures.memory_bytes);
        status = file_write(request, &capture, &result, why, why_bytes);
        progress_set(0, 0);
    }
    crmpi_memory_release(&capture.memory);
    crmpi_segments_release(capture.segments, capture.n_segments);
    if (status != CRMPI_OK)
        return status;
    result.figures.blocked_us = result.figures.save_us = us_since(&begin);
    *result_out = result;
    *pending_out = 0;
    return CRMPI_OK;
}

enum crmpi_status crmpi_capture_complete(struct crmpi_capture_result *result_out,
                                         char *why, size_t why_bytes)
{
    (void)result_out;
    snprintf(why, why_bytes, "no checkpoint is being saved");
    return CRMPI_ERR_INTERNAL;
}

void crmpi_capture_over(int committed, uint64_t sn, uint64_t digest)
{
    (void)committed;
    (void)sn;
    (void)digest;
}
