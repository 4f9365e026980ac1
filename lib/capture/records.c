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
#include "capture/process.h"
#include "capture/records.h"
#include "capture/settings.h"
#include "capture/signals.h"
#include "descriptors/descriptors.h"
#include "descriptors/locks.h"
#include "files/inodes.h"
#include "files/undone.h"
#include "lower/children.h"
#include "threads/clock.h"
#include "threads/park.h"

#define ENDED_REFUSALS 3 /* in a row: some programs wait for none of many children */

/* Children that had ended, and nobody had waited for, when it was looked last. */
static struct {
    int list[64];
    size_t n;
    unsigned n_refusals; /* in a row */
} ended;

/* After a restart nobody finds it: who is about to wait for it does so first.  One that
 * nobody waits for does not stand in the way again. */
static int ended_is_new(int pid, const int *before, size_t n_before)
{
    size_t i = 0;

    while (i < n_before && before[i] != pid)
        i++;
    if (ended.n == sizeof ended.list / sizeof ended.list[0])
        return 0;
    ended.list[ended.n++] = pid;
    return i == n_before && ended.n_refusals < ENDED_REFUSALS;
}

/* As /proc tells it; 0: it is gone. */
static char child_state(int pid, char name[64])
{
    char path[64], state = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *about = fopen(path, "re");

    if (about && fscanf(about, "%*d (%63[^)]) %c", name, &state) != 2)
        state = 0;
    if (about)
        fclose(about);
    return state;
}

/* Name a child process that is in the way, if there is one. */
static int child_refusal(char *why, size_t why_bytes)
{
    int before[sizeof ended.list / sizeof ended.list[0]], child = 0;
    size_t n_before = ended.n;
    int has_ended = 0; /* that one */
    char path[512], name[64] = "?";
    DIR *tasks = opendir("/proc/self/task");

    memcpy(before, ended.list, n_before * sizeof *before);
    ended.n = 0;
    for (struct dirent *task; tasks && (task = readdir(tasks)) && child == 0;) {
        if (!isdigit((unsigned char)task->d_name[0]))
            continue;
        snprintf(path, sizeof path, "/proc/self/task/%s/children", task->d_name);
        FILE *children = fopen(path, "re");

        for (int pid; children && fscanf(children, "%d", &pid) == 1;) {
            char state = crmpi_child_is_lower(pid) ? 0 : child_state(pid, name);

            if (state == 0 || (state == 'Z' && !ended_is_new(pid, before, n_before)))
                continue;
            child = pid;
            has_ended = state == 'Z';
            snprintf(why, why_bytes, "child process %d (%s) %s", pid, name,
                     has_ended ? "has ended and has not been waited for"
                               : "is running");
        }
        if (children)
            fclose(children);
    }
    if (tasks)
        closedir(tasks);
    ended.n_refusals = has_ended ? ended.n_refusals + 1 : 0;
    return child;
}

int crmpi_capture_refusal(char *why, size_t why_bytes)
{
    return child_refusal(why, why_bytes) || crmpi_signals_refusal(why, why_bytes) ||
           crmpi_settings_refusal(why, why_bytes) ||
           crmpi_descriptors_refusal(why, why_bytes);
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
    for (size_t i = 0; i < n; i++) {
        threads[i].pending = crmpi_signals_left(threads[i].kernel_tid, "SigPnd");
        threads[i].queue = 0; /* it is in a record of its own */
    }
    status = crmpi_writer_record(writer, CRMPI_RECORD_THREADS, threads, n * sizeof *threads);
    free(threads);
    return status;
}

static void timers_save(struct crmpi_process *process)
{
    do { /* each expiry is seen once: in the timer or pending */
        process->pending = crmpi_signals_left(getpid(), "ShdPnd");
        for (int i = 0; i < 3; i++)
            getitimer(i, &process->timers[i]);
    } while (crmpi_signals_left(getpid(), "ShdPnd") != process->pending);
}

static enum crmpi_status process_save(struct crmpi_writer *writer, int lock_future)
{
    struct crmpi_process process = {.control_bytes = sizeof(struct crmpi_control_page),
                                    .thread_bytes = sizeof(struct crmpi_thread) +
                                                    sizeof(struct crmpi_parked),
                                    .files_epoch = crmpi_undone_epoch(),
                                    .lock_future = lock_future};
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
    crmpi_xstate_get(&process.xstate, 0);
    process.thread_level = level;
    return crmpi_writer_record(writer, CRMPI_RECORD_PROCESS, &process, sizeof process);
}

enum crmpi_status crmpi_records_take(struct crmpi_records *records, char *why,
                                     size_t why_bytes)
{
    enum crmpi_status status =
        crmpi_descriptors_save(0, &records->descriptors, &records->descriptors_bytes,
                               &records->inodes, why, why_bytes);
    const uint64_t *n = records->descriptors;

    if (status == CRMPI_OK)
        status = crmpi_locks_save((const struct crmpi_descriptor *)(n + 1), *n,
                                  &records->locks, &records->locks_bytes, why, why_bytes);
    if (status == CRMPI_OK)
        status = crmpi_inodes_contents(&records->inodes, why, why_bytes);
    if (status != CRMPI_OK)
        crmpi_records_fini(records);
    return status;
}

void crmpi_records_fini(struct crmpi_records *records)
{
    crmpi_inodes_release();
    free(records->descriptors);
    free(records->locks);
    crmpi_inodes_fini(&records->inodes);
    *records = (struct crmpi_records){0};
}

static enum crmpi_status files_save(struct crmpi_writer *writer,
                                    const struct crmpi_records *records)
{
    size_t bytes;
    void *inodes;
    enum crmpi_status status = crmpi_inodes_pack(&records->inodes, &inodes, &bytes);

    if (status != CRMPI_OK)
        return status;
    status = crmpi_writer_record(writer, CRMPI_RECORD_INODES, inodes, bytes);
    free(inodes);
    if (status == CRMPI_OK)
        status = crmpi_writer_record(writer, CRMPI_RECORD_DESCRIPTORS,
                                     records->descriptors, records->descriptors_bytes);
    return status == CRMPI_OK ? crmpi_writer_record(writer, CRMPI_RECORD_LOCKS,
                                                    records->locks, records->locks_bytes)
                              : status;
}

enum crmpi_status crmpi_records_save(struct crmpi_writer *writer,
                                     const struct crmpi_records *records,
                                     const struct crmpi_memory *memory)
{
    enum crmpi_status status = files_save(writer, records);

    if (status == CRMPI_OK)
        status = crmpi_signals_save(writer);
    if (status == CRMPI_OK)
        status = threads_save(writer);
    if (status == CRMPI_OK)
        status = process_save(writer, memory->lock_future);
    if (status == CRMPI_OK)
        status = crmpi_settings_save(writer);
    if (status == CRMPI_OK)
        status = crmpi_writer_record(writer, CRMPI_RECORD_GUARDS, memory->guards.list,
                                     memory->guards.n * sizeof *memory->guards.list);
    return status;
}
