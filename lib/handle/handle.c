/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Virtual handles: lists, references, Fortran numbers, and the way back from a lower
 * handle.  Runs in the lower half.  The handles, their lists and the tables of Fortran
 * numbers lie in the upper heap; what only this process needs (the hash table of lower
 * handles, the lock, the destroy functions) lies below.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "boundary/heap.h"
#include "handle/handle.h"

static struct crmpi_handles *handles;
static void (*destroy_fn[CRMPI_KINDS])(struct crmpi_handle *);
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Open addressing with linear probing; at most half full. */
static struct {
    struct crmpi_handle **slots;
    size_t n_slots, n_used;
} by_real;

static void out_of_memory(void)
{
    crmpi_error("no memory for MPI handles");
    abort();
}

struct crmpi_handles *crmpi_handles_create(void)
{
    handles = crmpi_heap_alloc(sizeof *handles);
    if (!handles)
        out_of_memory();
    for (int kind = 0; kind < CRMPI_KINDS; kind++)
        handles->numbers[kind].free = 1;
    return handles;
}

void crmpi_handles_attach(struct crmpi_handles *saved)
{
    handles = saved;
}

static size_t slot_of(enum crmpi_kind kind, const void *real)
{
    uint64_t h = ((uintptr_t)real >> 4 ^ (uint64_t)kind << 58) * 0x9e3779b97f4a7c15u;

    return (h >> 20) & (by_real.n_slots - 1);
}

/* The slot that holds the handle of @p real, or the empty one where it belongs. */
static size_t slot_find(enum crmpi_kind kind, const void *real)
{
    size_t i = slot_of(kind, real);

    while (by_real.slots[i] &&
           (by_real.slots[i]->real != real || by_real.slots[i]->kind != kind))
        i = (i + 1) & (by_real.n_slots - 1);
    return i;
}

static void table_grow(void)
{
    struct crmpi_handle **old = by_real.slots;
    size_t n_old = by_real.n_slots;

    by_real.n_slots = n_old ? 2 * n_old : 512;
    by_real.slots = calloc(by_real.n_slots, sizeof *by_real.slots);
    if (!by_real.slots)
        out_of_memory();
    for (size_t i = 0; i < n_old; i++)
        if (old[i])
            by_real.slots[slot_find(old[i]->kind, old[i]->real)] = old[i];
    free(old);
}

static void table_insert(struct crmpi_handle *handle)
{
    if (2 * (by_real.n_used + 1) > by_real.n_slots)
        table_grow();
    size_t i = slot_find(handle->kind, handle->real);
    by_real.n_used += !by_real.slots[i];
    by_real.slots[i] = handle;
}

/* Close the gap, so that every entry is found by probing from its own slot. */
static void table_remove(struct crmpi_handle *handle)
{
    if (by_real.n_slots == 0)
        return;
    size_t mask = by_real.n_slots - 1, gap = slot_find(handle->kind, handle->real);
    if (by_real.slots[gap] != handle)
        return;
    by_real.slots[gap] = NULL;
    by_real.n_used--;
    for (size_t i = (gap + 1) & mask; by_real.slots[i]; i = (i + 1) & mask) {
        struct crmpi_handle *moved = by_real.slots[i];
        if (((i - slot_of(moved->kind, moved->real)) & mask) >= ((i - gap) & mask)) {
            by_real.slots[gap] = moved;
            by_real.slots[i] = NULL;
            gap = i;
        }
    }
}

void crmpi_handle_set_real(struct crmpi_handle *handle, void *real)
{
    pthread_mutex_lock(&lock);
    if (handle->real)
        table_remove(handle);
    handle->real = real;
    if (real)
        table_insert(handle);
    pthread_mutex_unlock(&lock);
}

struct crmpi_handle *crmpi_handle_of_real(enum crmpi_kind kind, void *real)
{
    struct crmpi_handle *handle = NULL;

    pthread_mutex_lock(&lock);
    if (by_real.n_slots)
        handle = by_real.slots[slot_find(kind, real)];
    pthread_mutex_unlock(&lock);
    return handle;
}

void crmpi_handle_predefine(struct crmpi_handle *memory, enum crmpi_kind kind, void *real)
{
    memset(memory, 0, sizeof *memory);
    memory->magic = CRMPI_HANDLE_MAGIC;
    memory->kind = kind;
    memory->flags = CRMPI_HANDLE_PREDEFINED;
    memory->fortran = -1;
    memory->refs = 1;
    crmpi_handle_set_real(memory, real);
}

struct crmpi_handle *crmpi_handle_create(enum crmpi_kind kind, void *real,
                                         size_t extra_bytes)
{
    struct crmpi_handle *handle = crmpi_heap_alloc(sizeof *handle);

    if (handle && extra_bytes)
        handle->extra = crmpi_heap_alloc(extra_bytes);
    if (!handle || (extra_bytes && !handle->extra))
        out_of_memory();
    handle->real = real;
    handle->magic = CRMPI_HANDLE_MAGIC;
    handle->kind = kind;
    handle->fortran = -1;
    handle->refs = 1;
    pthread_mutex_lock(&lock);
    handle->serial = handles->next_serial++;
    handle->prev = handles->last[kind];
    if (handle->prev)
        handle->prev->next = handle;
    else
        handles->first[kind] = handle;
    handles->last[kind] = handle;
    pthread_mutex_unlock(&lock);
    return handle;
}

struct crmpi_handle *crmpi_handle_first(enum crmpi_kind kind)
{
    return handles->first[kind];
}

void crmpi_handle_visit(enum crmpi_kind kind,
                        void (*visit)(struct crmpi_handle *, void *), void *context)
{
    pthread_mutex_lock(&lock);
    for (struct crmpi_handle *handle = handles->first[kind]; handle;
         handle = handle->next)
        visit(handle, context);
    pthread_mutex_unlock(&lock);
}

struct crmpi_handle *crmpi_handle_find(enum crmpi_kind kind,
                                       int (*fn)(struct crmpi_handle *, void *),
                                       void *argument)
{
    pthread_mutex_lock(&lock);
    struct crmpi_handle *handle = handles->first[kind];
    while (handle && !fn(handle, argument))
        handle = handle->next;
    pthread_mutex_unlock(&lock);
    return handle;
}

void crmpi_handle_set_destroy(enum crmpi_kind kind,
                              void (*destroy)(struct crmpi_handle *))
{
    destroy_fn[kind] = destroy;
}

void crmpi_handle_hold(struct crmpi_handle *handle)
{
    if (handle && !(handle->flags & CRMPI_HANDLE_PREDEFINED))
        __atomic_add_fetch(&handle->refs, 1, __ATOMIC_RELAXED);
}

/* With the lock held. */
static void number_give(struct crmpi_handle *handle)
{
    struct crmpi_numbers *numbers = &handles->numbers[handle->kind];
    int32_t i = handle->fortran - CRMPI_HANDLE_FORTRAN_BASE;

    if (i < 0)
        return;
    numbers->slots[i] = numbers->free;
    numbers->free = 2 * ((uintptr_t)i + 1) + 1;
    handle->fortran = -1;
}

void crmpi_handle_drop_number(struct crmpi_handle *handle)
{
    pthread_mutex_lock(&lock);
    number_give(handle);
    pthread_mutex_unlock(&lock);
}

static void handle_unlink(struct crmpi_handle *handle)
{
    pthread_mutex_lock(&lock);
    if (handle->prev)
        handle->prev->next = handle->next;
    else
        handles->first[handle->kind] = handle->next;
    if (handle->next)
        handle->next->prev = handle->prev;
    else
        handles->last[handle->kind] = handle->prev;
    number_give(handle);
    if (handle->real)
        table_remove(handle);
    pthread_mutex_unlock(&lock);
}

void crmpi_handle_release(struct crmpi_handle *handle)
{
    if (!handle || handle->flags & CRMPI_HANDLE_PREDEFINED ||
        __atomic_sub_fetch(&handle->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    handle_unlink(handle);
    if (destroy_fn[handle->kind])
        destroy_fn[handle->kind](handle);
    handle->magic = 0;
    handle->real = NULL;
    crmpi_heap_free(handle->extra);
    crmpi_heap_free(handle);
}

static void numbers_grow(struct crmpi_numbers *numbers)
{
    int32_t n = numbers->n ? 2 * numbers->n : 64;
    uintptr_t *slots = crmpi_heap_alloc(n * sizeof *slots);

    if (!slots)
        out_of_memory();
    if (numbers->n)
        memcpy(slots, numbers->slots, numbers->n * sizeof *slots);
    for (int32_t i = n - 1; i >= numbers->n; i--) {
        slots[i] = numbers->free;
        numbers->free = 2 * ((uintptr_t)i + 1) + 1;
    }
    __atomic_store_n(&numbers->slots, slots, __ATOMIC_RELEASE);
    __atomic_store_n(&numbers->n, n, __ATOMIC_RELEASE);
}

static int32_t number_take(struct crmpi_numbers *numbers, struct crmpi_handle *handle)
{
    if (numbers->free == 1)
        numbers_grow(numbers);
    int32_t i = (int32_t)(numbers->free / 2) - 1;
    numbers->free = numbers->slots[i];
    numbers->slots[i] = (uintptr_t)handle;
    return CRMPI_HANDLE_FORTRAN_BASE + i;
}

int32_t crmpi_handle_c2f(struct crmpi_handle *handle)
{
    if (!handle || handle->magic != CRMPI_HANDLE_MAGIC)
        return -1;
    pthread_mutex_lock(&lock);
    if (handle->fortran < 0 && !(handle->flags & CRMPI_HANDLE_PREDEFINED))
        handle->fortran = number_take(&handles->numbers[handle->kind], handle);
    pthread_mutex_unlock(&lock);
    return handle->fortran;
}

struct crmpi_handle *crmpi_handle_f2c(enum crmpi_kind kind, int32_t number)
{
    return crmpi_numbers_find(&handles->numbers[kind], number);
}

void crmpi_handle_set_fortran(struct crmpi_handle *handle, int32_t number)
{
    handle->fortran = number;
    if (number >= 0 && number < CRMPI_HANDLE_PREDEFINED_NUMBERS)
        handles->numbers[handle->kind].predefined[number] = handle;
}
