/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A pump in a process of its own, see background.h.  Lower half.
 *
 * The process has one thread and finds every lock as it was: so between clone() and _exit()
 * only what pump.h says is done, and system calls.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capture/background.h"
#include "capture/workers.h"
#include "lower/raw.h"

#define PAGE CRMPI_CELL_BYTES
#define NICE 5          /* the application's processor comes first */
#define LOOK_NS 1000000 /* how often to look whether it still lives */

/* What it says of itself in the state: all it needs is there; or which mapping is not. */
#define READY 1
#define MISSING 2 /* and the mapping's number */

/* Spans of memory with a name come first. */
static size_t n_whole(const struct crmpi_pump *pump)
{
    size_t n = 0;

    while (n < pump->n_spans && pump->spans[n].flags & CRMPI_SPAN_WHOLE)
        n++;
    return n;
}

/* Where such a span begins in a mapping, if it is read there. */
static int named_begin(const struct crmpi_span *span, const struct crmpi_extent *mapping,
                       uint64_t *at_out)
{
    *at_out = span->start > mapping->start ? span->start : mapping->start;
    return !(span->flags & CRMPI_SPAN_SHARED) &&
           *at_out < span->start + span->bytes &&
           *at_out < mapping->start + mapping->bytes;
}

/* Of memory with a name it is not known which pages exist: one of each mapping is made to
 * be there, which the new process looks for. */
static void named_touch(const struct crmpi_pump *pump, const struct crmpi_survey *survey)
{
    size_t n = n_whole(pump);
    uint64_t at;

    for (size_t i = 0; i < n; i++)
        for (size_t m = 0; m < survey->memory.mappings.n; m++)
            if (named_begin(&pump->spans[i], &survey->memory.mappings.list[m], &at))
                (void)*(volatile char *)at;
}

/*
 * In the new process
 */

static int has_page(int pagemap, uint64_t page)
{
    uint64_t entry = 0;

    return pread(pagemap, &entry, 8, (off_t)(page / PAGE * 8)) == 8 && entry >> 62 != 0;
}

/* Pages that were there before have to be there, too: one of each mapping tells. */
static int32_t look_around(const struct crmpi_pump *pump,
                           const struct crmpi_survey *survey)
{
    int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    size_t i = pump->state->next_unit < pump->n_units
                   ? pump->units[pump->state->next_unit].first
                   : pump->n_spans;
    int32_t answer = READY;
    size_t whole = n_whole(pump);
    uint64_t at;

    for (size_t m = 0; answer == READY && m < survey->memory.mappings.n; m++) {
        const struct crmpi_extent *mapping = &survey->memory.mappings.list[m];
        uint64_t start = mapping->start, end = mapping->start + mapping->bytes;

        while (i < pump->n_spans &&
               (!(pump->spans[i].flags & CRMPI_SPAN_PRESENT) ||
                pump->spans[i].start + pump->spans[i].bytes <= start))
            i++;
        if (i == pump->n_spans)
            break;
        if (pump->spans[i].start > start)
            start = pump->spans[i].start;
        if (start < end && !has_page(pagemap, start))
            answer = (int32_t)(MISSING + m);
    }
    for (size_t w = 0; w < whole; w++)
        for (size_t m = 0; answer == READY && m < survey->memory.mappings.n; m++)
            if (named_begin(&pump->spans[w], &survey->memory.mappings.list[m], &at) &&
                !has_page(pagemap, at))
                answer = (int32_t)(MISSING + m);
    close(pagemap);
    return answer;
}

/* Memory that is not going to be looked at need not be copied when it is written. */
static void give_up_rest(const struct crmpi_pump *pump, const struct crmpi_survey *survey)
{
    const struct crmpi_extents *task = &survey->unchanged[survey->n_contents - 1].extents;

    for (size_t i = 0; i < task->n; i++)
        madvise((void *)task->list[i].start, task->list[i].bytes, MADV_DONTNEED);
    for (size_t u = 0; u < pump->state->next_unit; u++)
        for (size_t i = pump->units[u].first; i < pump->units[u].first + pump->units[u].n;
             i++)
            if (pump->spans[i].flags & CRMPI_SPAN_PRESENT)
                madvise((void *)pump->spans[i].start, pump->spans[i].bytes,
                        MADV_DONTNEED);
}

static void answer(struct crmpi_pump *pump, int32_t what)
{
    __atomic_store_n(&pump->state->is_ready, what, __ATOMIC_RELEASE);
    /* not private to a process */
    crmpi_raw(SYS_futex, (long)&pump->state->is_ready, FUTEX_WAKE, 1, 0, 0, 0);
}

static void run(struct crmpi_pump *pump, const struct crmpi_survey *survey, int parent)
{
    cpu_set_t all;
    int32_t found;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        return;
    prctl(PR_SET_NAME, "crmpi-pump");
    if (pump->fd > 0)
        syscall(SYS_close_range, 0, pump->fd - 1, 0);
    syscall(SYS_close_range, pump->fd + 1, UINT_MAX, 0);
    found = look_around(pump, survey);
    answer(pump, found);
    if (found != READY)
        return;
    setpriority(PRIO_PROCESS, 0, NICE);
    memset(&all, 0xff, sizeof all);
    sched_setaffinity(0, sizeof all,
                      &all); /* away from a rank that is bound to its core */
    give_up_rest(pump, survey);
    pump->giving_up = 1;
    crmpi_workers_run_apart(pump);
}

/*
 * In this process
 */

static int reap(int pid, int options)
{
    int how = 0, result;

    while ((result = waitpid(pid, &how, options | __WCLONE)) < 0 && errno == EINTR)
        ;
    return result == 0 ? -1 : result < 0 ? 0 : how;
}

static int32_t await_answer(struct crmpi_pump *pump, int pid, int *gone_out)
{
    const struct timespec look = {.tv_nsec = LOOK_NS};
    int32_t found;

    *gone_out = 0;
    while ((found = __atomic_load_n(&pump->state->is_ready, __ATOMIC_ACQUIRE)) == 0) {
        if (reap(pid, WNOHANG) >= 0) {
            *gone_out = 1;
            break;
        }
        crmpi_raw(SYS_futex, (long)&pump->state->is_ready, FUTEX_WAIT, 0, (long)&look, 0,
                  0);
    }
    return found;
}

enum crmpi_status crmpi_background_start(struct crmpi_pump *pump,
                                         const struct crmpi_survey *survey, int *pid_out,
                                         struct crmpi_extent *missing_out)
{
    int parent = getpid(), gone;
    sigset_t all, before;
    int32_t found;

    pump->state->is_ready = 0;
    named_touch(pump, survey);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    int pid = (int)syscall(SYS_clone, 0, 0, 0, 0, 0);

    if (pid == 0) {
        run(pump, survey, parent);
        for (;;)
            syscall(SYS_exit_group, 0);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (pid < 0)
        return CRMPI_ERR_SYSTEM;
    found = await_answer(pump, pid, &gone);
    if (!gone && found == READY) {
        *pid_out = pid;
        return CRMPI_OK;
    }
    if (!gone)
        reap(pid, 0);
    if (found < MISSING)
        return CRMPI_ERR_SYSTEM;
    *missing_out = survey->memory.mappings.list[found - MISSING];
    return CRMPI_ERR_UNSUPPORTED;
}

enum crmpi_status crmpi_background_wait(struct crmpi_pump *pump, int pid, char *why,
                                        size_t why_bytes)
{
    int how = reap(pid, 0);

    if (__atomic_load_n(&pump->state->done_units, __ATOMIC_ACQUIRE) == pump->n_units ||
        __atomic_load_n(&pump->state->error, __ATOMIC_ACQUIRE))
        return CRMPI_OK;
    snprintf(why, why_bytes, "the process that wrote it ended by signal %d",
             WTERMSIG(how));
    return CRMPI_ERR_SYSTEM;
}
