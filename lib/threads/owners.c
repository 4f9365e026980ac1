/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Locks that have an owner, after a restart (see owners.h).  Lower half.
 *
 * A lock's word is 0, or the id of its owner with FUTEX_WAITERS if somebody waits for it, so
 * that the owner unlocks by a system call, and FUTEX_OWNER_DIED after one has ended with it.
 * Who waits sets FUTEX_WAITERS, waits for the word to change, and tries again; who gets it by a
 * system call leaves that bit, as there may be others: so none is forgotten.
 */
#include <errno.h>
#include <linux/futex.h>
#include <stdint.h>
#include <time.h>

#include "boundary/control.h"
#include "lower/raw.h"
#include "threads/clock.h"
#include "threads/gate.h"
#include "threads/ids.h"
#include "threads/owners.h"

#ifndef FUTEX_LOCK_PI2
#define FUTEX_LOCK_PI2 13
#endif
#define OPERATION(op) ((op) & ~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME))

static uint32_t own_id(void)
{
    return (uint32_t)crmpi_ids_known((int)crmpi_raw(SYS_gettid, 0, 0, 0, 0, 0, 0));
}

static int word_change(uint32_t *word, uint32_t *expected, uint32_t wanted)
{
    return __atomic_compare_exchange_n(word, expected, wanted, 0, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

/* Take the lock, if nobody has it; @p value_out: what the word is else.  1 if taken. */
static int take(uint32_t *word, uint32_t *value_out, uint32_t waiters)
{
    uint32_t value = __atomic_load_n(word, __ATOMIC_SEQ_CST);

    while ((value & FUTEX_TID_MASK) == 0)
        if (word_change(word, &value,
                        own_id() | waiters |
                            (value & (FUTEX_WAITERS | FUTEX_OWNER_DIED))))
            return 1;
    *value_out = value;
    return 0;
}

/* FUTEX_LOCK_PI has dates on CLOCK_REALTIME only. */
static int is_real_time(long operation)
{
    return OPERATION(operation) == FUTEX_LOCK_PI || operation & FUTEX_CLOCK_REALTIME;
}

static int is_over(long operation, const struct timespec *end)
{
    struct timespec now;

    crmpi_raw(SYS_clock_gettime,
              is_real_time(operation) ? CLOCK_REALTIME : CLOCK_MONOTONIC, (long)&now, 0,
              0, 0, 0);
    return now.tv_sec > end->tv_sec ||
           (now.tv_sec == end->tv_sec && now.tv_nsec >= end->tv_nsec);
}

static long lock(greg_t *r)
{
    uint32_t *word = (uint32_t *)r[REG_RDI], value;
    long operation = r[REG_RSI];
    const struct timespec *given = (const struct timespec *)r[REG_R10];
    struct timespec end;

    for (;;) {
        if (take(word, &value, FUTEX_WAITERS))
            return 0;
        if ((value & FUTEX_TID_MASK) == own_id())
            return -EDEADLK;
        if (value & FUTEX_WAITERS || word_change(word, &value, value | FUTEX_WAITERS))
            break;
    }
    if (given) {
        crmpi_clock_correct(!is_real_time(operation), given, &end);
        if (is_over(operation, &end))
            return -ETIMEDOUT;
    }
    const long wait[6] = {(long)word,
                          FUTEX_WAIT_BITSET | (operation & FUTEX_PRIVATE_FLAG) |
                              (is_real_time(operation) ? FUTEX_CLOCK_REALTIME : 0),
                          (long)(value | FUTEX_WAITERS),
                          0,
                          0,
                          FUTEX_BITSET_MATCH_ANY};
    return crmpi_gate_call_before(SYS_futex, r, SYS_futex, wait, given ? &end : NULL);
}

static long unlock(uint32_t *word, long operation)
{
    uint32_t value = __atomic_load_n(word, __ATOMIC_SEQ_CST);

    do {
        if ((value & FUTEX_TID_MASK) != own_id())
            return -EPERM;
    } while (!word_change(word, &value, 0));
    crmpi_raw(SYS_futex, (long)word, FUTEX_WAKE | (operation & FUTEX_PRIVATE_FLAG), 1, 0,
              0, 0);
    return 0;
}

long crmpi_owners_futex(greg_t *r)
{
    uint32_t *word = (uint32_t *)r[REG_RDI], value;
    long operation = r[REG_RSI];

    switch (OPERATION(operation)) {
    case FUTEX_LOCK_PI:
    case FUTEX_LOCK_PI2:
    case FUTEX_TRYLOCK_PI:
    case FUTEX_UNLOCK_PI:
        break;
    case FUTEX_WAIT_REQUEUE_PI:
    case FUTEX_CMP_REQUEUE_PI:
        return -ENOSYS;
    default:
        return crmpi_gate_call(SYS_futex, r);
    }
    if (crmpi_raw_read(&value, word, sizeof value) != 0)
        return -EFAULT;
    switch (OPERATION(operation)) {
    case FUTEX_UNLOCK_PI:
        return unlock(word, operation);
    case FUTEX_TRYLOCK_PI:
        if (take(word, &value, 0))
            return 0;
        return (value & FUTEX_TID_MASK) == own_id() ? -EDEADLK : -EAGAIN;
    default:
        return lock(r);
    }
}

/* ---- robust lists ---- */

#define LIST_MAX 2048 /* as the kernel has it: the list may be damaged */

static void wake(uint32_t *word)
{
    crmpi_raw(SYS_futex, (long)word, FUTEX_WAKE, 1, 0, 0, 0);
    crmpi_raw(SYS_futex, (long)word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, 0, 0, 0);
}

/* An entry's lowest bit is set for locks with priority inheritance. */
static void owner_dies(uint64_t entry, int64_t offset, uint32_t id, int is_pending)
{
    uint32_t *word = (uint32_t *)((entry & ~1ul) + (uint64_t)offset), value;

    if ((uint64_t)word % sizeof *word != 0 ||
        crmpi_raw_read(&value, word, sizeof value) != 0)
        return;
    if (is_pending && !(entry & 1) && value == 0) {
        wake(word); /* it has unlocked and not come to wake anybody */
        return;
    }
    while ((value & FUTEX_TID_MASK) == id)
        if (word_change(word, &value, (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED)) {
            if (value & FUTEX_WAITERS)
                wake(word);
            return;
        }
}

void crmpi_owners_thread_ends(void)
{
    struct robust_list_head *where = NULL, head;
    unsigned long bytes = 0;
    uint64_t first, entry, next;
    uint32_t id = own_id();

    if (crmpi_raw(SYS_get_robust_list, 0, (long)&where, (long)&bytes, 0, 0, 0) != 0 ||
        !where || crmpi_raw_read(&head, where, sizeof head) != 0)
        return;
    first = (uint64_t)where;
    entry = (uint64_t)head.list.next;
    for (int i = 0; i < LIST_MAX && (entry & ~1ul) != first; i++, entry = next) {
        if (crmpi_raw_read(&next, (void *)(entry & ~1ul), sizeof next) != 0)
            break;
        if (entry != (uint64_t)head.list_op_pending)
            owner_dies(entry, head.futex_offset, id, 0);
    }
    if (head.list_op_pending)
        owner_dies((uint64_t)head.list_op_pending, head.futex_offset, id, 1);
}
