/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Attributes of the process and of threads (see settings.h).  Lower half.
 *
 * A new one is an entry of a table: its name, how to get and how to set it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/config.h"
#include "base/log.h"
#include "capture/cpus.h"
#include "capture/settings.h"
#include "threads/park.h"
#include "threads/trap.h"

#ifndef MEMBARRIER_CMD_GET_REGISTRATIONS
#define MEMBARRIER_CMD_GET_REGISTRATIONS (1 << 9) /* Linux 6.3 */
#endif

#define NOT_KNOWN INT64_MIN /* the kernel does not tell */
#define CPUS_MAX CRMPI_CPUS_MAX
#define TEXT_BYTES 512
#define IOPRIO_WHO_PROCESS 1
#define KEEP_CAPS 16u /* of the secure bits: each thread sets it again */

/* ---- numbers: of the process ---- */

/* A line of a thread's status without its name, or "". */
static void status_get(int tid, const char *field, char text_out[TEXT_BYTES])
{
    char path[64], line[4096];
    size_t n = strlen(field);
    FILE *file;

    text_out[0] = '\0';
    snprintf(path, sizeof path, "/proc/self/task/%d/status", tid);
    if (!(file = fopen(path, "re")))
        return;
    while (fgets(line, sizeof line, file))
        if (strncmp(line, field, n) == 0 && line[n] == ':') {
            line[strcspn(line, "\n")] = '\0';
            const char *value = line + n + 1 + strspn(line + n + 1, "\t ");
            snprintf(text_out, TEXT_BYTES, "%.*s", TEXT_BYTES - 1, value);
            break;
        }
    fclose(file);
    for (char *c = text_out; *c; c++)
        if (*c == '\t')
            *c = ' ';
}

static int64_t number_get(const char *path)
{
    FILE *file = fopen(path, "re");
    long long number;
    int found;

    if (!file)
        return NOT_KNOWN;
    found = fscanf(file, "%lli", &number) == 1;
    fclose(file);
    return found ? number : NOT_KNOWN;
}

static int number_put(const char *path, const char *format, int64_t value)
{
    char text[32];
    int fd = open(path, O_WRONLY | O_CLOEXEC), n, result;

    if (fd < 0)
        return -1;
    n = snprintf(text, sizeof text, format, (long long)value);
    result = write(fd, text, (size_t)n) == n ? 0 : -1;
    close(fd);
    return result;
}

static int64_t subreaper_get(void)
{
    int value;
    return prctl(PR_GET_CHILD_SUBREAPER, &value) == 0 ? value : NOT_KNOWN;
}

static int subreaper_set(int64_t value)
{
    return prctl(PR_SET_CHILD_SUBREAPER, value, 0, 0, 0);
}

static int64_t huge_pages_get(void)
{
    int value = prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0);
    return value >= 0 ? value : NOT_KNOWN;
}

static int huge_pages_set(int64_t value)
{
    /* what is more than the one bit is told behind it in newer kernels */
    return prctl(PR_SET_THP_DISABLE, value & 1, value & ~1, 0, 0);
}

static int64_t no_new_privileges_get(void)
{
    char text[TEXT_BYTES];

    status_get(getpid(), "NoNewPrivs", text); /* of the first thread, whoever asks */
    return atoi(text);
}

static int no_new_privileges_set(int64_t value)
{
    return value ? prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) : 0;
}

static int64_t dumpable_get(void)
{
    return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
}

static int dumpable_set(int64_t value)
{
    return value == 2 ? 0
                      : prctl(PR_SET_DUMPABLE, value, 0, 0, 0); /* 2: the kernel's own */
}

static int64_t core_filter_get(void)
{
    char text[32] = "0x";
    FILE *file = fopen("/proc/self/coredump_filter", "re");
    int found = file && fscanf(file, "%29s", text + 2) == 1;

    if (file)
        fclose(file);
    return found ? (int64_t)strtoll(text, NULL, 16) : NOT_KNOWN;
}

static int core_filter_set(int64_t value)
{
    return number_put("/proc/self/coredump_filter", "0x%llx", value);
}

static int64_t oom_get(void)
{
    return number_get("/proc/self/oom_score_adj");
}

static int oom_set(int64_t value)
{
    return number_put("/proc/self/oom_score_adj", "%lld", value);
}

/* Commands that are registered, each a bit of its own. */
static int64_t membarrier_get(void)
{
    long value = syscall(SYS_membarrier, MEMBARRIER_CMD_GET_REGISTRATIONS, 0, 0);
    return value >= 0 ? value : NOT_KNOWN;
}

static int membarrier_set(int64_t value)
{
    int result = 0;

    for (int64_t bit = 1; bit <= value; bit <<= 1)
        if (value & bit && syscall(SYS_membarrier, bit, 0, 0) != 0)
            result = -1;
    return result;
}

/* Tile registers: the kernel gives them to who asks. */
#define ARCH_GET_XCOMP_PERM 0x1022
#define ARCH_REQ_XCOMP_PERM 0x1023
#define TILES 18

static int64_t tiles_get(void)
{
    uint64_t permitted;

    return syscall(SYS_arch_prctl, ARCH_GET_XCOMP_PERM, &permitted) == 0
               ? (int64_t)(permitted >> TILES & 1)
               : NOT_KNOWN;
}

static int tiles_set(int64_t value)
{
    return value ? (int)syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILES) : 0;
}

static const struct number {
    const char *name;
    int64_t (*get)(void);
    int (*set)(int64_t value);
} numbers[] = {
    {"child subreaper", subreaper_get, subreaper_set},
    {"transparent huge pages", huge_pages_get, huge_pages_set},
    {"no new privileges", no_new_privileges_get, no_new_privileges_set},
    {"coredump_filter", core_filter_get, core_filter_set},
    {"oom_score_adj", oom_get, oom_set},
    {"membarrier registrations", membarrier_get, membarrier_set},
    {"AMX permission", tiles_get, tiles_set},
    {"dumpable", dumpable_get, dumpable_set}, /* last: it may bar the files above */
};
#define N_NUMBERS (sizeof numbers / sizeof *numbers)

/* ---- scheduling: of each thread ---- */

struct scheduling { /* of sched_setattr(2), in its first version */
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

struct thread {
    int32_t known_tid;
    struct scheduling scheduling;
    uint32_t is_scheduled; /* by the program: differs from how the process was started */
    uint32_t has_cpus;     /* likewise */
    uint32_t has_ioprio;
    int32_t ioprio;
    uint64_t cpus[CPUS_MAX / 64];
};

static void thread_get(int tid, struct thread *thread)
{
    memset(thread, 0, sizeof *thread);
    syscall(SYS_sched_getattr, tid, &thread->scheduling, sizeof thread->scheduling, 0);
    thread->ioprio = (int32_t)syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, tid);
    syscall(SYS_sched_getaffinity, tid, sizeof thread->cpus, thread->cpus);
}

/* ---- lines of /proc/self/status, links, the root: what no restart sets ---- */

static const struct status_line {
    const char *field, *name;
} status_lines[] = {
    {"Uid", "user ids"},
    {"Gid", "group ids"},
    {"Groups", "supplementary groups"},
    {"CapPrm", "permitted capabilities"},
    {"CapEff", "effective capabilities"},
    {"CapInh", "inheritable capabilities"},
    {"CapBnd", "capability bounding set"},
    {"CapAmb", "ambient capabilities"},
};
#define N_STATUS (sizeof status_lines / sizeof *status_lines)

static const char *const namespaces[] = {
    "cgroup", "ipc", "mnt", "net", "pid_for_children", "time_for_children",
    "user",   "uts"};
#define N_NAMESPACES (sizeof namespaces / sizeof *namespaces)

static void link_get(const char *name, char text_out[TEXT_BYTES])
{
    char path[64];
    ssize_t n;

    snprintf(path, sizeof path, "/proc/self/ns/%s", name);
    n = readlink(path, text_out, TEXT_BYTES - 1);
    text_out[n > 0 ? n : 0] = '\0';
}

/* ---- how the process was started ---- */

static struct {
    int64_t numbers[N_NUMBERS];
    struct thread thread; /* the first, and only one */
    char status[N_STATUS][TEXT_BYTES], links[N_NAMESPACES][TEXT_BYTES];
    dev_t root_device;
    ino_t root_inode;
    int n_filters; /* of seccomp, with crmpi's */
    uint32_t set;  /* bits of numbers that the program had set before a restart */
} base;

static int filters_of(int tid)
{
    char text[TEXT_BYTES];

    status_get(tid, "Seccomp_filters", text);
    return text[0] ? atoi(text) : -1;
}

void crmpi_settings_start(void)
{
    struct stat root;

    for (size_t i = 0; i < N_NUMBERS; i++)
        base.numbers[i] = numbers[i].get();
    thread_get(getpid(), &base.thread);
    for (size_t i = 0; i < N_STATUS; i++)
        status_get(getpid(), status_lines[i].field, base.status[i]);
    for (size_t i = 0; i < N_NAMESPACES; i++)
        link_get(namespaces[i], base.links[i]);
    if (stat("/", &root) == 0) {
        base.root_device = root.st_dev;
        base.root_inode = root.st_ino;
    }
}

static struct thread before_mpi;

void crmpi_settings_mpi_begin(void)
{
    thread_get(getpid(), &before_mpi);
}

/* Where the launcher has bound no rank the library does. */
void crmpi_settings_mpi_end(void)
{
    struct thread now;

    thread_get(getpid(), &now);
    if (memcmp(now.cpus, before_mpi.cpus, sizeof now.cpus) != 0)
        memcpy(base.thread.cpus, now.cpus, sizeof now.cpus);
}

void crmpi_settings_filtered(void)
{
    base.n_filters = filters_of(getpid());
}

/* ---- refused ---- */

int crmpi_settings_refusal(char *why, size_t why_bytes)
{
    char text[TEXT_BYTES];
    struct stat root;
    size_t n;
    const struct crmpi_parked *parked = crmpi_parked_list(&n);

    for (size_t i = 0; i < N_NAMESPACES; i++) {
        link_get(namespaces[i], text);
        if (strcmp(text, base.links[i]) != 0) {
            snprintf(why, why_bytes,
                     "the program has gone to another namespace (unshare, setns): %s",
                     namespaces[i]);
            return 1;
        }
    }
    if (stat("/", &root) == 0 &&
        (root.st_dev != base.root_device || root.st_ino != base.root_inode)) {
        snprintf(why, why_bytes, "the program has changed its root directory (chroot)");
        return 1;
    }
    for (size_t i = 0; i < n; i++)
        if (filters_of(parked[i].kernel_tid) > base.n_filters) {
            snprintf(why, why_bytes,
                     "the program has a filter of its own for system "
                     "calls (seccomp)");
            return 1;
        }
    return 0;
}

/* ---- saving ---- */

struct record {
    uint32_t bytes, n_threads; /* of this structure; threads behind it */
    int64_t numbers[N_NUMBERS];
    uint32_t set;        /* bits of numbers */
    uint32_t status_set; /* bits of lines */
    char status[N_STATUS][TEXT_BYTES];
    uint32_t secure_bits;
    uint64_t cpus[CPUS_MAX / 64]; /* that the launcher gave the process */
    char removed_directory[4096]; /* the working directory, if it has been removed */
};

/* Where the process is, if there is no such directory any more. */
static void removed_directory_get(char path_out[4096])
{
    static const char suffix[] = " (deleted)";
    char path[4096];
    struct stat found;
    ssize_t n = readlink("/proc/self/cwd", path, sizeof path - 1);

    path_out[0] = '\0';
    if (n < (ssize_t)sizeof suffix || stat("/proc/self/cwd", &found) != 0 ||
        found.st_nlink != 0)
        return;
    path[n] = '\0';
    if (strcmp(path + n - (sizeof suffix - 1), suffix) == 0) {
        path[n - (ssize_t)(sizeof suffix - 1)] = '\0';
        memcpy(path_out, path, sizeof path);
    }
}

/* Where a thread has none of its own some kernels tell what follows from its nice value. */
static int is_implied(const struct thread *thread)
{
    return thread->ioprio >> 13 == 2 &&
           (thread->ioprio & 7) == (thread->scheduling.nice + 20) / 5;
}

static void thread_save(const struct crmpi_parked *parked, struct thread *thread)
{
    struct scheduling of_base = base.thread.scheduling;

    thread_get(parked->kernel_tid, thread);
    thread->known_tid = parked->known_tid;
    thread->is_scheduled = memcmp(&thread->scheduling, &of_base, sizeof of_base) != 0;
    thread->has_cpus = memcmp(thread->cpus, base.thread.cpus, sizeof thread->cpus) != 0;
    thread->has_ioprio = thread->ioprio != base.thread.ioprio && !is_implied(thread);
}

enum crmpi_status crmpi_settings_save(struct crmpi_writer *writer)
{
    size_t n;
    const struct crmpi_parked *parked = crmpi_parked_list(&n);
    size_t bytes = sizeof(struct record) + n * sizeof(struct thread);
    struct record *record = calloc(1, bytes);
    enum crmpi_status status;

    if (!record)
        return CRMPI_ERR_NOMEM;
    record->bytes = sizeof *record;
    record->n_threads = (uint32_t)n;
    for (size_t i = 0; i < N_NUMBERS; i++) {
        record->numbers[i] = numbers[i].get();
        if (record->numbers[i] != NOT_KNOWN &&
            (record->numbers[i] != base.numbers[i] || base.set >> i & 1))
            record->set |= 1u << i;
    }
    for (size_t i = 0; i < N_STATUS; i++) {
        status_get(getpid(), status_lines[i].field, record->status[i]);
        if (strcmp(record->status[i], base.status[i]) != 0)
            record->status_set |= 1u << i;
    }
    removed_directory_get(record->removed_directory);
    memcpy(record->cpus, base.thread.cpus, sizeof record->cpus);
    for (size_t i = 0; i < n; i++) {
        if (parked[i].is_main)
            record->secure_bits = parked[i].secure_bits & ~KEEP_CAPS;
        thread_save(&parked[i], &((struct thread *)(record + 1))[i]);
    }
    status = crmpi_writer_record(writer, CRMPI_RECORD_SETTINGS, record, bytes);
    free(record);
    return status;
}

/* ---- restoring ---- */

static const struct record *record_of(const void *data, size_t bytes)
{
    const struct record *record = data;

    return bytes >= sizeof *record && record->bytes == sizeof *record &&
                   (bytes - sizeof *record) / sizeof(struct thread) ==
                       record->n_threads &&
                   (bytes - sizeof *record) % sizeof(struct thread) == 0
               ? record
               : NULL;
}

static int is_real_time(const struct scheduling *scheduling)
{
    return scheduling->policy == SCHED_FIFO || scheduling->policy == SCHED_RR ||
           scheduling->policy == 6; /* SCHED_DEADLINE */
}

enum crmpi_status crmpi_settings_check(const void *data, size_t bytes)
{
    const struct record *record = record_of(data, bytes);
    char text[TEXT_BYTES];

    if (!record) {
        crmpi_error(
            "the checkpoint was taken by another version of crmpi: restart it with "
            "that version");
        return CRMPI_ERR_UNFIT;
    }
    for (size_t i = 0; i < N_STATUS; i++) {
        status_get(getpid(), status_lines[i].field, text);
        if (record->status_set >> i & 1 && strcmp(text, record->status[i]) != 0) {
            crmpi_error(
                "the program had changed its %s to '%.*s', and here they are '%s': "
                "this is not set again",
                status_lines[i].name, TEXT_BYTES, record->status[i], text);
            return CRMPI_ERR_UNFIT;
        }
    }
    if ((prctl(PR_GET_SECUREBITS) & ~(int)KEEP_CAPS) != (int)record->secure_bits) {
        crmpi_error(
            "the program had secure bits %#x (PR_SET_SECUREBITS), which are not set "
            "again",
            record->secure_bits);
        return CRMPI_ERR_UNFIT;
    }
    return CRMPI_OK;
}

static void not_set(const char *what)
{
    crmpi_warn("%s: cannot be set as it was: %s", what, strerror(errno));
}

static void cpus_set(const struct record *record, const struct thread *thread, int tid)
{
    uint64_t cpus[CPUS_MAX / 64];

    crmpi_cpus_translate(thread->cpus, record->cpus, base.thread.cpus, cpus);
    if (syscall(SYS_sched_setaffinity, tid, sizeof cpus, cpus) < 0)
        crmpi_warn(
            "the processors that thread %d was bound to are not here: it stays where "
            "the launcher has bound it",
            thread->known_tid);
}

/* It had none of its own, as far as it could see; now it has one that says so. */
static int is_told_otherwise(const struct thread *thread, int tid)
{
    return is_implied(thread) && syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, tid) == 0;
}

/* Real-time priority may need a permission that is not here: then it runs as others do. */
static void thread_set(const struct record *record, const struct thread *thread, int tid)
{
    struct scheduling scheduling = thread->scheduling;

    if (thread->has_cpus && !crmpi_config.affinity_drop)
        cpus_set(record, thread, tid);
    scheduling.size = sizeof scheduling;
    /* SCHED_IDLE takes no nice value, but keeps it */
    if (thread->is_scheduled &&
        (setpriority(PRIO_PROCESS, (id_t)tid, scheduling.nice) != 0 ||
         syscall(SYS_sched_setattr, tid, &scheduling, 0) != 0))
        not_set(is_real_time(&scheduling)
                    ? "real-time priority of a thread"
                    : "scheduling policy and nice value of a thread");
    if ((thread->has_ioprio || is_told_otherwise(thread, tid)) &&
        syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, tid, thread->ioprio) != 0)
        not_set("I/O priority of a thread");
}

/* The process was in a directory that had been removed: so is it again, if possible in one of
 * that name. */
static enum crmpi_status removed_directory_make(const char *path)
{
    char made[] = "/tmp/crmpi-removed-XXXXXX";

    if (mkdir(path, 0700) != 0 && !(path = mkdtemp(made))) {
        crmpi_error(
            "cannot make a directory to be removed, as the working directory was: "
            "%s",
            strerror(errno));
        return CRMPI_ERR_SYSTEM;
    }
    if (chdir(path) == 0 && rmdir(path) == 0)
        return CRMPI_OK;
    crmpi_error("cannot go to a removed working directory: %s", strerror(errno));
    rmdir(path);
    return CRMPI_ERR_SYSTEM;
}

enum crmpi_status crmpi_settings_restore(const void *data, size_t bytes)
{
    const struct record *record = record_of(data, bytes);

    if (!record)
        return CRMPI_ERR_UNFIT;
    for (size_t i = 0; i < N_NUMBERS; i++)
        if (record->set >> i & 1 && record->numbers[i] != numbers[i].get() &&
            numbers[i].set(record->numbers[i]) != 0)
            not_set(numbers[i].name);
    base.set = record->set;
    return record->removed_directory[0] != '\0'
               ? removed_directory_make(record->removed_directory)
               : CRMPI_OK;
}

void crmpi_settings_restore_thread(const void *data, size_t bytes, int known_tid,
                                     int kernel_tid)
{
    const struct record *record = record_of(data, bytes);
    const struct thread *threads = (const struct thread *)(record + 1);

    for (uint32_t i = 0; record && i < record->n_threads; i++)
        if (threads[i].known_tid == known_tid)
            thread_set(record, &threads[i], kernel_tid);
}
