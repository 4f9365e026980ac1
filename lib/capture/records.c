/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is saved of a process besides its memory, and what cannot be (see records.h,
 * capture.h).  Lower half.
 */
#include <ctype.h>
#include <dirent.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boundary/control.h"
#include "capture/capture.h"
#include "capture/files.h"
#include "capture/process.h"
#include "capture/records.h"
#include "lower/children.h"
#include "lower/clock.h"
#include "lower/park.h"

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

enum crmpi_status crmpi_records_save(struct crmpi_writer *writer, char *why,
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
