/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One-sided communication with targets whose memory is mapped in this process (upper half):
 * a put is a copy.  What is not as simple goes down: derived datatypes, other targets,
 * errors.  Meanwhile the thread does not park, for it has addresses of the lower half and
 * perhaps a lock that other ranks wait for.
 */
#include <string.h>

#include "handle/handle.h"
#include "interaction/dependencies.h"
#include "upper/fortran.h"
#include "upper/upper.h"
#include "wrappers/window.h"

static inline struct crmpi_win *window_of(MPI_Win win)
{
    const struct crmpi_handle *h = (const void *)win;

    return h && h->magic == CRMPI_HANDLE_MAGIC && h->kind == CRMPI_WIN ? h->extra : NULL;
}

static inline const struct crmpi_basic *basic_of(MPI_Datatype type)
{
    const struct crmpi_handle *h = (const void *)type;
    const struct crmpi_basic *basic =
        h && h->magic == CRMPI_HANDLE_MAGIC && h->flags & CRMPI_HANDLE_PREDEFINED
            ? h->extra
            : NULL;

    return basic && basic->class != CRMPI_BASIC_NONE ? basic : NULL;
}

/* The target if it can be accessed from here, in an epoch with it, and with leave. */
static inline struct crmpi_win_target *target_of(const struct crmpi_win *w, int rank,
                                                 uint32_t how)
{
    if (!w || !w->targets || rank < 0 || rank >= w->n_members || !w->targets[rank].at ||
        !(w->marks[rank] & how) ||
        w->epoch == CRMPI_EPOCH_NONE ||
        (w->epoch == CRMPI_EPOCH_LOCK && !w->locks[rank].type))
        return NULL;
    return &w->targets[rank];
}

/* The same if accumulates are done here.  Not to be asked where the thread may park: after
 * a restart it may be otherwise. */
static inline const struct crmpi_win_target *near_target_of(MPI_Win win, int rank)
{
    const struct crmpi_win *w = window_of(win);

    return w && w->is_near ? target_of(w, rank, CRMPI_HOW_ATOMIC) : NULL;
}

/* Where @p bytes at a displacement lie; NULL: outside of the segment. */
static inline char *reach(const struct crmpi_win_target *target, MPI_Aint disp,
                          int64_t bytes)
{
    int64_t at;

    if (__builtin_mul_overflow(disp, (int64_t)target->disp_unit, &at) || at < 0 ||
        bytes > target->bytes || at > target->bytes - bytes)
        return NULL;
    return target->at + at;
}

/* Between these the thread does not park. */
static inline int whole_begin(void)
{
    if (!crmpi_self)
        return 0; /* the first call of a thread goes down */
    crmpi_self->nest++;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    return 1;
}

static inline int whole_end(int result)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    crmpi_self->nest--;
    return result;
}

/* A word is written at once: others may look at it meanwhile. */
static inline void copy(void *to, const void *from, size_t bytes)
{
    uint64_t word;

    if (bytes == sizeof word) {
        memcpy(&word, from, sizeof word);
        __atomic_store_n((uint64_t *)to, word, __ATOMIC_RELAXED);
    } else {
        memcpy(to, from, bytes);
    }
}

/*
 * Put and get
 */

/* 1: done; 0: go down. */
static inline int transfer(void *origin, int origin_count, MPI_Datatype origin_type,
                           int rank, MPI_Aint disp, int count, MPI_Datatype type,
                           MPI_Win win, int is_put)
{
    const struct crmpi_basic *basic = basic_of(type);
    const struct crmpi_win_target *target;
    int64_t bytes;
    char *at;

    if (!basic || origin_type != type || origin_count != count || count < 0 ||
        !whole_begin())
        return 0;
    target = target_of(window_of(win), rank, is_put ? CRMPI_HOW_WRITE : CRMPI_HOW_READ);
    bytes = (int64_t)count * basic->bytes;
    if (!target || (is_put && window_of(win)->logging) ||
        !(at = reach(target, disp, bytes)))
        return whole_end(0);
    if (is_put)
        copy(at, origin, bytes);
    else
        copy(origin, at, bytes);
    return whole_end(1);
}

/* NAME, its parameters, its arguments, and how it is done here. */
#define FAST(NAME, PARAMS, ARGUMENTS, HERE)                                              \
    int crmpi_down_MPI_##NAME PARAMS __attribute__((visibility("hidden")));              \
    CRMPI_EXPORT int PMPI_##NAME PARAMS                                                  \
    {                                                                                    \
        return __builtin_expect(HERE, 1) ? MPI_SUCCESS                                   \
                                         : crmpi_down_MPI_##NAME ARGUMENTS;              \
    }                                                                                    \
    extern __typeof__(PMPI_##NAME) crmpi_here_MPI_##NAME                                 \
        __attribute__((visibility("hidden"), alias("PMPI_" #NAME)));

FAST(Put,
     (const void *origin_addr, int origin_count, MPI_Datatype origin_datatype,
      int target_rank, MPI_Aint target_disp, int target_count,
      MPI_Datatype target_datatype, MPI_Win win),
     (origin_addr, origin_count, origin_datatype, target_rank, target_disp, target_count,
      target_datatype, win),
     transfer((void *)(uintptr_t)origin_addr, origin_count, origin_datatype, target_rank,
              target_disp, target_count, target_datatype, win, 1))
FAST(Get,
     (void *origin_addr, int origin_count, MPI_Datatype origin_datatype, int target_rank,
      MPI_Aint target_disp, int target_count, MPI_Datatype target_datatype, MPI_Win win),
     (origin_addr, origin_count, origin_datatype, target_rank, target_disp, target_count,
      target_datatype, win),
     transfer(origin_addr, origin_count, origin_datatype, target_rank, target_disp,
              target_count, target_datatype, win, 0))

/*
 * Accumulates
 */

/* Whether this operation is done here on this type. */
static inline int op_is_plain(MPI_Op op, int class)
{
    if (op == MPI_REPLACE || op == MPI_NO_OP)
        return 1;
    if (op == MPI_SUM || op == MPI_PROD || op == MPI_MIN || op == MPI_MAX)
        return class >= CRMPI_BASIC_SIGNED;
    return class == CRMPI_BASIC_SIGNED || class == CRMPI_BASIC_UNSIGNED
               ? op == MPI_BAND || op == MPI_BOR || op == MPI_BXOR
               : 0;
}

#define LOOP(expression)                                                                 \
    for (int i = 0; i < count; i++)                                                      \
        to[i] = expression;

/* Signed sums wrap around, as the library's do. */
#define APPLY(NAME, Type, Sum)                                                           \
    static void apply_##NAME(Type *to, const Type *from, int count, MPI_Op op)           \
    {                                                                                    \
        if (op == MPI_SUM)                                                               \
            LOOP((Type)((Sum)to[i] + (Sum)from[i]))                                      \
        else if (op == MPI_PROD)                                                         \
            LOOP((Type)((Sum)to[i] * (Sum)from[i]))                                      \
        else if (op == MPI_MIN)                                                          \
            LOOP(from[i] < to[i] ? from[i] : to[i])                                      \
        else                                                                             \
            LOOP(from[i] > to[i] ? from[i] : to[i])                                      \
    }

APPLY(int8, int8_t, uint32_t)
APPLY(int16, int16_t, uint32_t)
APPLY(int32, int32_t, uint32_t)
APPLY(int64, int64_t, uint64_t)
APPLY(uint8, uint8_t, uint32_t)
APPLY(uint16, uint16_t, uint32_t)
APPLY(uint32, uint32_t, uint32_t)
APPLY(uint64, uint64_t, uint64_t)
APPLY(float, float, float)
APPLY(double, double, double)

static void apply_bits(char *to, const char *from, int64_t count, MPI_Op op)
{
    if (op == MPI_BAND)
        LOOP(to[i] & from[i])
    else if (op == MPI_BOR)
        LOOP(to[i] | from[i])
    else
        LOOP(to[i] ^ from[i])
}

static void apply(void *to, const void *from, int count, const struct crmpi_basic *basic,
                  MPI_Op op)
{
    int64_t bytes = (int64_t)count * basic->bytes;

    if (op == MPI_NO_OP)
        return;
    if (op == MPI_REPLACE) {
        copy(to, from, bytes);
        return;
    }
    if (op == MPI_BAND || op == MPI_BOR || op == MPI_BXOR) {
        apply_bits(to, from, bytes, op);
        return;
    }
    switch (basic->class * 16 + basic->bytes) {
    case CRMPI_BASIC_SIGNED * 16 + 1:
        apply_int8(to, from, count, op);
        break;
    case CRMPI_BASIC_SIGNED * 16 + 2:
        apply_int16(to, from, count, op);
        break;
    case CRMPI_BASIC_SIGNED * 16 + 4:
        apply_int32(to, from, count, op);
        break;
    case CRMPI_BASIC_SIGNED * 16 + 8:
        apply_int64(to, from, count, op);
        break;
    case CRMPI_BASIC_UNSIGNED * 16 + 1:
        apply_uint8(to, from, count, op);
        break;
    case CRMPI_BASIC_UNSIGNED * 16 + 2:
        apply_uint16(to, from, count, op);
        break;
    case CRMPI_BASIC_UNSIGNED * 16 + 4:
        apply_uint32(to, from, count, op);
        break;
    case CRMPI_BASIC_UNSIGNED * 16 + 8:
        apply_uint64(to, from, count, op);
        break;
    case CRMPI_BASIC_FLOATING * 16 + 4:
        apply_float(to, from, count, op);
        break;
    default:
        apply_double(to, from, count, op);
        break;
    }
}

/* @p result  the contents before, or NULL; 1: done; 0: go down */
static inline int accumulate(const void *origin, void *result, int count,
                             MPI_Datatype type, int rank, MPI_Aint disp, MPI_Op op,
                             MPI_Win win)
{
    const struct crmpi_basic *basic = basic_of(type);
    const struct crmpi_win_target *target;
    int64_t bytes;
    char *at;

    if (!basic || count < 0 || !op_is_plain(op, basic->class) || !whole_begin())
        return 0;
    target = near_target_of(win, rank);
    bytes = (int64_t)count * basic->bytes;
    if (!target || !(at = reach(target, disp, bytes)))
        return whole_end(0);
    crmpi_win_lock_take(target->lock);
    if (result)
        copy(result, at, bytes);
    apply(at, origin, count, basic, op);
    crmpi_win_lock_drop(target->lock);
    return whole_end(1);
}

FAST(Accumulate,
     (const void *origin_addr, int origin_count, MPI_Datatype origin_datatype,
      int target_rank, MPI_Aint target_disp, int target_count,
      MPI_Datatype target_datatype, MPI_Op op, MPI_Win win),
     (origin_addr, origin_count, origin_datatype, target_rank, target_disp, target_count,
      target_datatype, op, win),
     (origin_datatype == target_datatype && origin_count == target_count &&
      accumulate(origin_addr, NULL, target_count, target_datatype, target_rank,
                 target_disp, op, win)))
FAST(Get_accumulate,
     (const void *origin_addr, int origin_count, MPI_Datatype origin_datatype,
      void *result_addr, int result_count, MPI_Datatype result_datatype, int target_rank,
      MPI_Aint target_disp, int target_count, MPI_Datatype target_datatype, MPI_Op op,
      MPI_Win win),
     (origin_addr, origin_count, origin_datatype, result_addr, result_count,
      result_datatype, target_rank, target_disp, target_count, target_datatype, op, win),
     (((origin_datatype == target_datatype && origin_count == target_count) ||
       op == MPI_NO_OP) &&
      result_datatype == target_datatype && result_count == target_count &&
      accumulate(origin_addr, result_addr, target_count, target_datatype, target_rank,
                 target_disp, op, win)))
FAST(Fetch_and_op,
     (const void *origin_addr, void *result_addr, MPI_Datatype datatype, int target_rank,
      MPI_Aint target_disp, MPI_Op op, MPI_Win win),
     (origin_addr, result_addr, datatype, target_rank, target_disp, op, win),
     accumulate(origin_addr, result_addr, 1, datatype, target_rank, target_disp, op, win))

static inline int compare_and_swap(const void *origin, const void *compare, void *result,
                                   MPI_Datatype type, int rank, MPI_Aint disp,
                                   MPI_Win win)
{
    const struct crmpi_basic *basic = basic_of(type);
    const struct crmpi_win_target *target;
    char *at;

    if (!basic || basic->class == CRMPI_BASIC_FLOATING || !whole_begin())
        return 0;
    target = near_target_of(win, rank);
    if (!target || !(at = reach(target, disp, basic->bytes)))
        return whole_end(0);
    crmpi_win_lock_take(target->lock);
    int equal = memcmp(at, compare, basic->bytes) == 0;
    copy(result, at, basic->bytes);
    if (equal)
        copy(at, origin, basic->bytes);
    crmpi_win_lock_drop(target->lock);
    return whole_end(1);
}

FAST(Compare_and_swap,
     (const void *origin_addr, const void *compare_addr, void *result_addr,
      MPI_Datatype datatype, int target_rank, MPI_Aint target_disp, MPI_Win win),
     (origin_addr, compare_addr, result_addr, datatype, target_rank, target_disp, win),
     compare_and_swap(origin_addr, compare_addr, result_addr, datatype, target_rank,
                      target_disp, win))

/*
 * Flushes: nothing is pending if no operation went down since the last.
 */

static inline int flush_all(MPI_Win win)
{
    const struct crmpi_win *w = window_of(win);

    if (!w || !w->targets || w->epoch < CRMPI_EPOCH_LOCK ||
        __atomic_load_n(&w->begun, __ATOMIC_ACQUIRE) !=
            __atomic_load_n(&w->flushed, __ATOMIC_ACQUIRE))
        return 0;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return 1;
}

static inline int flush(MPI_Win win, int rank)
{
    const struct crmpi_win *w = window_of(win);

    if (!w || rank < 0 || rank >= w->n_members ||
        (w->epoch == CRMPI_EPOCH_LOCK && !w->locks[rank].type))
        return 0;
    return flush_all(win);
}

FAST(Win_flush, (int rank, MPI_Win win), (rank, win), flush(win, rank))
FAST(Win_flush_local, (int rank, MPI_Win win), (rank, win), flush(win, rank))
FAST(Win_flush_all, (MPI_Win win), (win), flush_all(win))
FAST(Win_flush_local_all, (MPI_Win win), (win), flush_all(win))
