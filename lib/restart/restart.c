/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bringing a rank back from its checkpoint (see restart.h).  The order matters:
 *
 *   reserve descriptors        before anything else opens some
 *   read the rank file         nothing has been changed if it is damaged
 *   initialise the lower MPI
 *   look at all files          collective; nothing has been changed if one is not fit
 *   undo the journal of files  collective
 *   map and fill the memory    checksums are checked as it comes in
 *   fill the files             collective
 *   renew what points below    control page, TLS blocks of threads, signals, traps
 *   open files, directory, ...
 *   rebuild MPI objects        collective
 *   start the engine           collective
 *   recreate the threads       they wait for each other, then all go on
 */
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "application/anew.h"
#include "application/hooks.h"
#include "base/config.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/pathmap.h"
#include "boundary/control.h"
#include "capture/attributes.h"
#include "capture/process.h"
#include "capture/regions.h"
#include "capture/settings.h"
#include "capture/signals.h"
#include "descriptors/descriptors.h"
#include "descriptors/locks.h"
#include "engine/engine.h"
#include "files/bring.h"
#include "files/journal.h"
#include "interaction/cut.h"
#include "levels/levels.h"
#include "lower/raw.h"
#include "lower/thread.h"
#include "net/gather.h"
#include "program/host.h"
#include "program/loader.h"
#include "program/personality.h"
#include "restart/backing.h"
#include "restart/restart.h"
#include "restart/resume.h"
#include "restart/signals.h"
#include "restart/telling.h"
#include "storage/attempt.h"
#include "storage/container.h"
#include "storage/directory.h"
#include "threads/clock.h"
#include "threads/park.h"
#include "threads/trap.h"
#include "threads/xstate.h"

static struct crmpi_refusal refusal; /* of this rank */

struct saved {
    struct crmpi_reader *reader;
    const struct crmpi_job *job;
    uint64_t incarnation; /* of the line: the ranks' checkpoints may be of older ones */
    const struct crmpi_region *regions;
    const struct crmpi_extent *extents;
    size_t n_regions, n_extents;
    const struct crmpi_segment *segments;
    size_t n_segments;
    struct crmpi_extent *guards;
    size_t n_guards;
    struct crmpi_process *process;
    struct crmpi_parked *threads;
    size_t n_threads;
    void *descriptors, *inodes, *locks; /* records */
    size_t descriptors_bytes, inodes_bytes, locks_bytes;
    void *settings;
    size_t settings_bytes;
    int in_transit; /* messages between the checkpoints of the line */
};

/* What the host was told. */
struct options {
    const char *dir;
    uint64_t line;
    int accept_files;
};

static int launcher_number(const char *first, const char *second)
{
    const char *text = getenv(first);

    if (!text)
        text = getenv(second);
    return text ? atoi(text) : -1;
}

static enum crmpi_status n_ranks_check(const struct crmpi_job *job)
{
    int size = launcher_number("OMPI_COMM_WORLD_SIZE", "PMI_SIZE");

    if (size <= 0 || (uint32_t)size == job->n_ranks)
        return CRMPI_OK;
    crmpi_error("the job had %u ranks, and cannot be restarted with %d: start it with "
                "mpirun -np %u",
                job->n_ranks, size, job->n_ranks);
    return CRMPI_ERR_USAGE;
}

/* What has failed, and was told, has to do with this machine. */
static enum crmpi_status unfit(enum crmpi_status status)
{
    return status == CRMPI_OK ? CRMPI_OK : CRMPI_ERR_UNFIT;
}

static enum crmpi_status fault(const char *point)
{
    int error = crmpi_fault(point);

    if (error != 0)
        crmpi_error("%s: %s", point, strerror(error));
    return error != 0 ? CRMPI_ERR_UNFIT : CRMPI_OK;
}

/* Refuse what cannot work here, by name. */
static enum crmpi_status job_check(const struct crmpi_job *job, uint32_t world_rank)
{
    char lacking[64];

    enum crmpi_status status = n_ranks_check(job);

    if (status == CRMPI_OK)
        status = fault("restart.check");
    if (status != CRMPI_OK)
        return status;
    if (job->world_rank != world_rank) {
        crmpi_error("this is the file of rank %u", job->world_rank);
        return CRMPI_ERR_MISMATCH;
    }
    if (!crmpi_cpu_suits(job->cpu, lacking, sizeof lacking)) {
        crmpi_error("this processor lacks %s, which the processor of the checkpoint (on %s) "
                    "had: restart on a node of that kind",
                    lacking, job->host);
        return CRMPI_ERR_UNFIT;
    }
    return CRMPI_OK;
}

/* Stays: threads look into it when they go on. */
static enum crmpi_status signals_read(const struct saved *saved)
{
    void *record;
    size_t bytes;
    enum crmpi_status status =
        crmpi_reader_record(saved->reader, CRMPI_RECORD_SIGNALS, &record, &bytes);

    return status == CRMPI_OK ? crmpi_signals_open(record, bytes) : status;
}

static enum crmpi_status files_read(struct saved *saved)
{
    enum crmpi_status status =
        crmpi_reader_record(saved->reader, CRMPI_RECORD_DESCRIPTORS, &saved->descriptors,
                            &saved->descriptors_bytes);

    if (status == CRMPI_OK)
        status = crmpi_reader_record(saved->reader, CRMPI_RECORD_INODES, &saved->inodes,
                                     &saved->inodes_bytes);
    return status == CRMPI_OK ? crmpi_reader_record(saved->reader, CRMPI_RECORD_LOCKS,
                                                    &saved->locks, &saved->locks_bytes)
                              : status;
}

/* Frames of signals on the program's stacks are for this processor, too, or can be. */
static enum crmpi_status xstate_check(const struct crmpi_xstate *saved)
{
    struct crmpi_xstate here;
    char why[256];

    crmpi_xstate_get(&here, saved->parts);
    if (crmpi_xstate_suits(saved, &here, why, sizeof why))
        return CRMPI_OK;
    crmpi_error("%s", why);
    return CRMPI_ERR_UNFIT;
}

/* The records, checked for their sizes. */
static enum crmpi_status records_read(struct saved *saved)
{
    size_t bytes;
    enum crmpi_status status = crmpi_reader_record(saved->reader, CRMPI_RECORD_PROCESS,
                                                   (void **)&saved->process, &bytes);

    if (status == CRMPI_OK &&
        (bytes != sizeof *saved->process ||
         saved->process->control_bytes != sizeof(struct crmpi_control_page) ||
         saved->process->thread_bytes !=
             sizeof(struct crmpi_thread) + sizeof(struct crmpi_parked))) {
        crmpi_error("the checkpoint was taken by another version of crmpi: restart it with "
                    "that version");
        return CRMPI_ERR_UNFIT;
    }
    if (status == CRMPI_OK)
        status = xstate_check(&saved->process->xstate);
    if (status == CRMPI_OK)
        status = crmpi_reader_record(saved->reader, CRMPI_RECORD_THREADS,
                                     (void **)&saved->threads, &bytes);
    if (status == CRMPI_OK && (bytes == 0 || bytes % sizeof *saved->threads != 0)) {
        crmpi_error("the checkpoint's list of threads is damaged");
        return CRMPI_ERR_CORRUPT;
    }
    if (status != CRMPI_OK)
        return status;
    saved->n_threads = bytes / sizeof *saved->threads;
    status = crmpi_reader_record(saved->reader, CRMPI_RECORD_SETTINGS, &saved->settings,
                                 &saved->settings_bytes);
    if (status == CRMPI_OK)
        status = crmpi_settings_check(saved->settings, saved->settings_bytes);
    if (status == CRMPI_OK)
        status = signals_read(saved);
    if (status == CRMPI_OK)
        status = crmpi_reader_record(saved->reader, CRMPI_RECORD_GUARDS,
                                     (void **)&saved->guards, &bytes);
    saved->n_guards = status == CRMPI_OK ? bytes / sizeof *saved->guards : 0;
    return status == CRMPI_OK ? files_read(saved) : status;
}

static char **arguments;

/* Whether something of this process is where a region was: that is possible outside of the
 * upper range, if addresses are as random as can be. */
static int is_occupied(const struct crmpi_region *regions, size_t n)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    unsigned long start, end;
    char line[4400];
    int found = 0;

    while (maps && !found && fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%lx-%lx ", &start, &end) != 2)
            continue;
        for (size_t i = 0; !found && i < n; i++)
            found = regions[i].start < end && regions[i].start + regions[i].bytes > start;
    }
    if (maps)
        fclose(maps);
    return found;
}

/* Occupy the numbers of the application's descriptors.  The rank file is opened for this
 * alone, as its own descriptor may have one of them.  A file without a process has none:
 * the program is started anew. */
static enum crmpi_status descriptors_reserve(const char *dir, uint32_t world_rank,
                                             uint64_t line_number)
{
    struct crmpi_reader *reader;
    void *files;
    size_t bytes;
    uint64_t incarnation;
    int in_transit;
    const struct crmpi_region *regions;
    const struct crmpi_extent *extents;
    size_t n_regions, n_extents;
    enum crmpi_status status = crmpi_levels_open(dir, world_rank, line_number, &reader,
                                                 &incarnation, &in_transit);

    if (status != CRMPI_OK)
        return status;
    crmpi_reader_memory(reader, &regions, &n_regions, &extents, &n_extents);
    if (n_regions == 0) { /* nothing but named regions */
        status = n_ranks_check(crmpi_reader_job(reader));
        return status == CRMPI_OK ? crmpi_anew_start(reader, dir, line_number) : status;
    }
    if (is_occupied(regions, n_regions))
        crmpi_layout_again(arguments); /* nothing has been done yet */
    status = crmpi_reader_record(reader, CRMPI_RECORD_DESCRIPTORS, &files, &bytes);
    crmpi_reader_close(reader);
    if (status != CRMPI_OK)
        return status;
    status = crmpi_descriptors_reserve(files, bytes);
    free(files);
    crmpi_descriptors_start(); /* what it keeps has none of those numbers */
    return unfit(status);
}

static enum crmpi_status saved_open(struct saved *saved, const char *dir, uint32_t world_rank,
                                    uint64_t line_number)
{
    enum crmpi_status status =
        crmpi_levels_open(dir, world_rank, line_number, &saved->reader,
                          &saved->incarnation, &saved->in_transit);

    if (status != CRMPI_OK)
        return status;
    saved->job = crmpi_reader_job(saved->reader);
    status = job_check(saved->job, world_rank);
    if (status == CRMPI_OK)
        status = crmpi_reader_memory(saved->reader, &saved->regions, &saved->n_regions,
                                     &saved->extents, &saved->n_extents);
    if (status == CRMPI_OK)
        crmpi_reader_segments(saved->reader, &saved->segments, &saved->n_segments);
    return status == CRMPI_OK ? records_read(saved) : status;
}

static double clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return 1e3 * now.tv_sec + 1e-6 * now.tv_nsec;
}

static enum crmpi_status memory_load(struct saved *saved)
{
    double begun = clock_ms();
    uint64_t bytes = crmpi_extents_bytes(saved->extents, saved->n_extents);
    enum crmpi_status status;

    crmpi_telling_begin(saved->job->world_rank);
    status = crmpi_reader_load(saved->reader, crmpi_telling_progress, NULL);
    crmpi_telling_end();

    for (size_t i = 0; i < saved->n_segments; i++)
        bytes += crmpi_extents_bytes(saved->segments[i].extents,
                                     saved->segments[i].n_extents);
    if (status == CRMPI_OK)
        crmpi_info("memory restored: %llu bytes in %.1f ms", (unsigned long long)bytes,
                   clock_ms() - begun);
    return status;
}

/* Where views of windows were comes private memory, for the segments to be loaded into;
 * when the windows are made again it gives way to views of their new memory. */
static enum crmpi_status views_map(const struct saved *saved)
{
    enum crmpi_status status = CRMPI_OK;

    for (size_t i = 0; status == CRMPI_OK && i < saved->n_segments; i++) {
        struct crmpi_region view = {.start = saved->segments[i].view_start,
                                    .bytes = saved->segments[i].view_bytes,
                                    .prot = PROT_READ | PROT_WRITE,
                                    .flags = MAP_PRIVATE | MAP_ANONYMOUS};

        if (view.bytes)
            status = crmpi_memory_map(&view, 1, NULL, 0);
    }
    return status;
}

/* Memory is placed by the policy of the thread that fills it. */
static void policy_restore(const struct saved *saved)
{
    for (size_t i = 0; i < saved->n_threads; i++)
        if (saved->threads[i].is_main && saved->threads[i].policy &&
            syscall(SYS_set_mempolicy, saved->threads[i].policy, saved->threads[i].nodes,
                    CRMPI_PARKED_NODES + 1) != 0)
            crmpi_warn("the program's NUMA policy cannot be set here: %s", strerror(errno));
}

static enum crmpi_status memory_restore(struct saved *saved)
{
    policy_restore(saved);
    enum crmpi_status status = unfit(crmpi_guards_check(saved->n_guards));

    if (status == CRMPI_OK)
        status = unfit(crmpi_memory_map(saved->regions, saved->n_regions, saved->extents,
                                        saved->n_extents));
    if (status == CRMPI_OK)
        status = unfit(views_map(saved));
    if (status == CRMPI_OK)
        status = fault("restart.memory");
    if (status == CRMPI_OK)
        status = memory_load(saved);
    if (status == CRMPI_OK && crmpi_control->magic != CRMPI_CONTROL_MAGIC) {
        crmpi_error("the checkpoint has no control page");
        status = CRMPI_ERR_CORRUPT;
    }
    if (status == CRMPI_OK)
        status =
            crmpi_memory_clear(saved->regions, saved->n_regions, saved->extents,
                               saved->n_extents, crmpi_memory_is_left_out);
    if (status != CRMPI_OK)
        return status;
    crmpi_memory_excluded_clear();
    status = crmpi_backing_restore(saved->regions, saved->n_regions);
    if (status == CRMPI_OK)
        status = crmpi_guards_restore(saved->guards, saved->n_guards);
    if (status == CRMPI_OK)
        status = crmpi_memory_protect(saved->regions, saved->n_regions);
    return status == CRMPI_OK ? crmpi_attributes_restore(saved->regions, saved->n_regions,
                                                         saved->process->lock_future)
                              : status;
}

static enum crmpi_status process_restore(const struct saved *saved)
{
    const struct crmpi_process *process = saved->process;

    if (process->directory[0] && chdir(process->directory) != 0) {
        crmpi_error("cannot go to the working directory %s: %s", process->directory,
                    strerror(errno));
        return CRMPI_ERR_SYSTEM;
    }
    if (crmpi_settings_restore(saved->settings, saved->settings_bytes) != CRMPI_OK)
        return CRMPI_ERR_SYSTEM;
    umask(process->umask);
    for (int i = 0; i < 16; i++) {
        const struct rlimit *saved_limit = &process->limits[i];
        struct rlimit limit;

        /* as far as this machine allows; what differs is no reason to stop */
        if (getrlimit(i, &limit) != 0)
            continue;
        if (saved_limit->rlim_max < limit.rlim_max)
            limit.rlim_max = saved_limit->rlim_max;
        if (saved_limit->rlim_cur <= limit.rlim_max)
            limit.rlim_cur = saved_limit->rlim_cur;
        setrlimit(i, &limit);
    }
    return crmpi_descriptors_restore(saved->descriptors, saved->descriptors_bytes);
}

/* A repeating timer whose signal is pending stands at zero until that is delivered. */
static void timers_restore(const struct crmpi_process *process)
{
    for (int i = 0; i < 3; i++) {
        struct itimerval timer = process->timers[i];

        if (!timerisset(&timer.it_value))
            timer.it_value = timer.it_interval;
        if (timerisset(&timer.it_value))
            setitimer(i, &timer, NULL);
    }
}

/* Everything below that the application's threads need. */
static enum crmpi_status lower_restore(struct saved *saved)
{
    enum crmpi_status status;

    crmpi_host_renew();
    crmpi_program_show();
    crmpi_clock_renew(saved->process->clock_ns, saved->process->wtime);
    crmpi_control->phase = CRMPI_PHASE_RUN;
    crmpi_control->park_generation++;
    status = crmpi_threads_renew(saved->threads, saved->n_threads);
    if (status == CRMPI_OK)
        status = crmpi_hooks_restored();
    crmpi_xstate_start(&saved->process->xstate);
    if (status == CRMPI_OK)
        status = crmpi_trap_install(1);
    crmpi_settings_filtered();
    if (status == CRMPI_OK)
        crmpi_trap_signals_restore();
    if (status == CRMPI_OK)
        status = unfit(process_restore(saved));
    if (status == CRMPI_OK)
        status = crmpi_park_progress_register();
    return status;
}

static enum crmpi_status mpi_start(const struct saved *saved)
{
    sigset_t all, old;
    int provided, result;

    /* the break shrinks in no thread while crmpi_program_show() sets it to what it is */
    mallopt(M_TRIM_THRESHOLD, INT_MAX);
    crmpi_settings_mpi_begin();
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &old); /* its threads take no signals */
    result = PMPI_Init_thread(NULL, NULL, saved->process->thread_level, &provided);
    sigprocmask(SIG_SETMASK, &old, NULL);
    crmpi_settings_mpi_end();
    if (result != MPI_SUCCESS || provided < saved->process->thread_level) {
        crmpi_error("MPI cannot be initialised with the thread level the job had");
        return CRMPI_ERR_MPI;
    }
    return CRMPI_OK;
}

/* Look at all that has to be there, in all ranks, before anything is changed. */
static enum crmpi_status files_prepare(struct saved *saved, const struct options *options,
                                       uint64_t sn)
{
    const struct crmpi_bring_request request = {.record = saved->inodes,
                                                .record_bytes = saved->inodes_bytes,
                                                .world_rank = saved->job->world_rank,
                                                .sn = sn,
                                                .epoch = saved->process->files_epoch,
                                                .keep_later = !crmpi_config.truncate,
                                                .accept = options->accept_files};
    enum crmpi_status status =
        crmpi_descriptors_check(saved->descriptors, saved->descriptors_bytes);
    struct stat about;

    crmpi_path_map(saved->process->directory, sizeof saved->process->directory);
    if (saved->process->directory[0] && stat(saved->process->directory, &about) != 0) {
        crmpi_error("the working directory %s is gone: %s", saved->process->directory,
                    strerror(errno));
        status = CRMPI_ERR_UNFIT;
    }
    status = crmpi_agree(status);
    return status == CRMPI_OK ? crmpi_bring_prepare(&request) : status;
}

static enum crmpi_status restore(const struct options *options, uint32_t world_rank,
                                 struct saved *saved)
{
    const char *dir = options->dir;
    uint64_t line_number = options->line;
    struct crmpi_job job;
    char why[1024] = "";
    enum crmpi_status status = descriptors_reserve(dir, world_rank, line_number);

    if (status == CRMPI_OK)
        status = saved_open(saved, dir, world_rank, line_number);
    if (status == CRMPI_OK)
        status = mpi_start(saved);
    if (status == CRMPI_OK)
        status = files_prepare(saved, options, saved->job->sn);
    if (status == CRMPI_OK)
        status = crmpi_bring_begin();
    if (status == CRMPI_OK)
        status = memory_restore(saved);
    if (status == CRMPI_OK)
        status = crmpi_bring_contents();
    if (status == CRMPI_OK)
        status = lower_restore(saved);
    if (status != CRMPI_OK)
        return status;
    crmpi_bring_seal();
    job = *saved->job;
    job.incarnation = saved->incarnation + 1;
    job.restored = line_number;
    crmpi_reader_close(saved->reader);
    status = crmpi_cut.rebuild(why, sizeof why);
    if (status != CRMPI_OK) {
        crmpi_error("cannot rebuild the MPI objects: %s", why);
        return status;
    }
    status = crmpi_cut.dependencies_restored(line_number, saved->in_transit);
    crmpi_park_expect(saved->threads, saved->n_threads);
    if (status == CRMPI_OK)
        status = crmpi_engine_start(&job);
    if (status == CRMPI_OK)
        status = crmpi_bring_end();
    /* the last: whoever closes a file drops locks */
    return status == CRMPI_OK ? crmpi_locks_restore(saved->locks, saved->locks_bytes)
                              : status;
}

static int exit_status(enum crmpi_status status)
{
    switch (status) {
    case CRMPI_ERR_CORRUPT:
    case CRMPI_ERR_FORMAT:
    case CRMPI_ERR_IO:
    case CRMPI_ERR_NOTFOUND:
        return CRMPI_EXIT_DAMAGED;
    case CRMPI_ERR_UNFIT:
        return CRMPI_EXIT_UNFIT;
    case CRMPI_ERR_USAGE:
        return CRMPI_EXIT_WRONG;
    default:
        return 1;
    }
}

/* The tool that restarts the job hears of it, and tells it once; without one each rank
 * does. */
static void __attribute__((noreturn)) refuse(const char *dir, int world_rank, int status)
{
    int initialized = 0;

    crmpi_log_hold(NULL, 0);
    refusal.exit_status = status;
    refusal.world_rank = (uint32_t)world_rank;
    gethostname(refusal.host, sizeof refusal.host - 1);
    if (crmpi_attempt_is_watched() && !refusal.reason[0])
        sleep(2); /* the rank that has a reason says it, and ends all */
    crmpi_attempt_refuse(dir, &refusal);
    PMPI_Initialized(&initialized);
    if (initialized)
        PMPI_Abort(MPI_COMM_WORLD, status);
    exit(status);
}

/* All ranks are ready to go on. */
static void restored(void)
{
    int world_rank;

    crmpi_log_hold(NULL, 0);
    PMPI_Comm_rank(MPI_COMM_WORLD, &world_rank);
    if (PMPI_Barrier(MPI_COMM_WORLD) == MPI_SUCCESS && world_rank == 0)
        crmpi_attempt_succeed(crmpi_config.dir);
}

/* 0 if all words are known. */
static int options_read(int argc, char **argv, struct options *options)
{
    const char *number = NULL;

    arguments = argv;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--restore") == 0 && i + 1 < argc)
            options->dir = argv[++i];
        else if (strcmp(argv[i], "--at") == 0 && i + 1 < argc)
            number = argv[++i];
        else if (strcmp(argv[i], "--no-truncate") == 0)
            crmpi_config.truncate = 0;
        else if (strcmp(argv[i], "--accept-files") == 0)
            options->accept_files = 1;
        else if (strcmp(argv[i], "--map") != 0 || i + 1 == argc ||
                 crmpi_path_map_add(argv[++i]) != CRMPI_OK)
            return -1;
    }
    options->line = number ? strtoull(number, NULL, 10) : 0;
    return options->dir && number ? 0 : -1;
}

int crmpi_restart_main(int argc, char **argv)
{
    int rank = launcher_number("OMPI_COMM_WORLD_RANK", "PMIX_RANK");
    struct options options = {0};
    struct saved saved = {0};

    if (options_read(argc, argv, &options) != 0) {
        fprintf(stderr, "crmpi-host is started by libcrmpi.so and crmpi-restart, not by hand\n");
        return 2;
    }
    if (options.dir[0] == '/')
        snprintf(crmpi_config.dir, sizeof crmpi_config.dir, "%s", options.dir);
    crmpi_settings_start();
    crmpi_journal_start();
    crmpi_host_environment();
    if (crmpi_attempt_is_watched())
        crmpi_log_hold(refusal.reason, sizeof refusal.reason);
    enum crmpi_status status = crmpi_host_check();

    if (status == CRMPI_OK)
        status = restore(&options, rank < 0 ? 0 : rank, &saved);
    if (status != CRMPI_OK)
        refuse(options.dir, rank < 0 ? 0 : rank, exit_status(status));
    const uint64_t all = ~0ul; /* libc would leave out its own */

    /* until each thread restores its own mask */
    crmpi_raw(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, 0, 8, 0, 0);
    if (fault("restart.threads") != CRMPI_OK ||
        crmpi_threads_make(saved.threads, saved.n_threads) != CRMPI_OK)
        refuse(options.dir, rank < 0 ? 0 : rank, CRMPI_EXIT_UNFIT);
    for (size_t i = 0; i < saved.n_threads; i++)
        crmpi_settings_restore_thread(
            saved.settings, saved.settings_bytes, saved.threads[i].known_tid,
            saved.threads[i].is_main ? getpid() : saved.threads[i].kernel_tid);
    restored();
    timers_restore(saved.process);
    crmpi_cut.resume();
    crmpi_threads_resume(saved.threads, saved.n_threads, saved.process->pending);
}
