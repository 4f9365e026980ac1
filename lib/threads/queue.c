/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Taking queued signals out and putting them back (see queue.h).  Lower half: runs in parked
 * threads, on any TLS base, so no libc.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>

#include "lower/raw.h"
#include "threads/queue.h"
#include "threads/trap.h"

#define STATUS_BYTES (1l << 20) /* the groups are among it */
#define FIRST_ROOM 28           /* a page */
#define TRIES 500 /* while others of the user have taken the room for signals */
#define TRY_NS 10000000
#define SYS_PRIVATE_OFFSET 32 /* in a timer's siginfo: the kernel's own */

uint64_t crmpi_queue_signals(void)
{
    return ~(1ul << (SIGKILL - 1) | 1ul << (SIGSTOP - 1) | 1ul << (SIGSYS - 1) |
             1ul << (CRMPI_SIGNAL_PARK - 1));
}

/* The hexadecimal number behind a name such as "\nSigPnd:\t". */
static uint64_t mask_in(const char *text, long bytes, const char *name)
{
    for (long i = 0; i < bytes; i++) {
        long k = 0;
        uint64_t mask = 0;

        while (name[k] && i + k < bytes && text[i + k] == name[k])
            k++;
        if (name[k])
            continue;
        for (k += i; k < bytes && text[k] != '\n'; k++)
            mask = mask << 4 |
                   (uint64_t)(text[k] <= '9' ? text[k] - '0' : text[k] - 'a' + 10);
        return mask;
    }
    return 0;
}

/* Which are pending, by the thread's own queue and the process's.  The stack may be small. */
static void pending_get(uint64_t *own_out, uint64_t *shared_out)
{
    static const char path[] = "/proc/thread-self/status";
    long fd = crmpi_raw(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0, 0, 0);
    long text = crmpi_raw(SYS_mmap, 0, STATUS_BYTES, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int has_text = text > 0 || text <= -4096;
    long bytes = 0, more = fd >= 0 && has_text;

    while (more > 0 && bytes < STATUS_BYTES) {
        more = crmpi_raw(SYS_read, fd, text + bytes, STATUS_BYTES - bytes, 0, 0, 0);
        bytes += more > 0 ? more : 0;
    }
    *own_out = mask_in((const char *)text, bytes, "\nSigPnd:\t") & crmpi_queue_signals();
    *shared_out =
        mask_in((const char *)text, bytes, "\nShdPnd:\t") & crmpi_queue_signals();
    if (has_text)
        crmpi_raw(SYS_munmap, text, STATUS_BYTES, 0, 0, 0, 0);
    if (fd >= 0)
        crmpi_raw(SYS_close, fd, 0, 0, 0, 0, 0);
}

/* Room for one more; 0 if there is no memory: what is not taken stays where it is. */
static int has_room(struct crmpi_queue *queue)
{
    long room = queue->room ? 2l * queue->room : FIRST_ROOM, memory;

    if (queue->n < queue->room)
        return 1;
    if (queue->items)
        memory = crmpi_raw(SYS_mremap, (long)queue->items,
                           queue->room * (long)sizeof *queue->items,
                           room * (long)sizeof *queue->items, MREMAP_MAYMOVE, 0, 0);
    else
        memory = crmpi_raw(SYS_mmap, 0, room * (long)sizeof *queue->items,
                           PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory < 0 && memory > -4096)
        return 0;
    queue->items = (struct crmpi_queued *)memory;
    queue->room = (int32_t)room;
    return 1;
}

/* A thread's own come first, if the set has any of them. */
static int take_one(struct crmpi_queue *queue, uint64_t set, int32_t known_tid)
{
    static const struct timespec now;
    struct crmpi_queued *to;
    long signal;

    if (!has_room(queue))
        return 0;
    to = &queue->items[queue->n];
    signal =
        crmpi_raw(SYS_rt_sigtimedwait, (long)&set, (long)to->info, (long)&now, 8, 0, 0);
    if (signal <= 0)
        return 0;
    to->signal = (int32_t)signal;
    to->known_tid = known_tid;
    queue->n++;
    return 1;
}

void crmpi_queue_take(struct crmpi_queue *queue, int32_t known_tid, int is_first)
{
    uint64_t own, shared;
    int taken;

    do {
        pending_get(&own, &shared);
        taken = own                  ? take_one(queue, own, known_tid)
                : shared && is_first ? take_one(queue, shared, 0)
                                     : 0;
    } while (taken);
}

void crmpi_queue_send(const struct crmpi_queued *queued)
{
    static const struct timespec pause = {.tv_nsec = TRY_NS};
    long pid = crmpi_raw(SYS_getpid, 0, 0, 0, 0, 0, 0);
    long tid = crmpi_raw(SYS_gettid, 0, 0, 0, 0, 0, 0), result = -EAGAIN;

    for (int i = 0; i < TRIES && result == -EAGAIN; i++) {
        if (i > 0)
            crmpi_raw(SYS_nanosleep, (long)&pause, 0, 0, 0, 0, 0);
        result = queued->known_tid ? crmpi_raw(SYS_rt_tgsigqueueinfo, pid, tid,
                                               queued->signal, (long)queued->info, 0, 0)
                                   : crmpi_raw(SYS_rt_sigqueueinfo, pid, queued->signal,
                                               (long)queued->info, 0, 0, 0);
    }
    if (result == 0)
        return;
    if (queued->known_tid) /* better without its value than not at all */
        crmpi_raw(SYS_tgkill, pid, tid, queued->signal, 0, 0, 0);
    else
        crmpi_raw(SYS_kill, pid, queued->signal, 0, 0, 0, 0);
}

void crmpi_queue_give(struct crmpi_queue *queue, int32_t known_tid, int is_first)
{
    if (!queue->items)
        return;
    crmpi_queue_take(queue, known_tid, is_first); /* those come behind */
    for (int32_t i = 0; i < queue->n; i++) {
        const siginfo_t *info = (const siginfo_t *)queue->items[i].info;

        if (info->si_code == SI_TIMER)
            *(int32_t *)(queue->items[i].info + SYS_PRIVATE_OFFSET) = 0;
        crmpi_queue_send(&queue->items[i]);
    }
    crmpi_raw(SYS_munmap, (long)queue->items, queue->room * (long)sizeof *queue->items, 0,
              0, 0, 0);
    *queue = (struct crmpi_queue){0};
}
