/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Services that the wrappers share (lower half; see layer.h and objects.h).
 */
#include <stdlib.h>
#include <string.h>

#include "wrappers/objects.h"

MPI_Comm crmpi_private_world = MPI_COMM_NULL;
int crmpi_thread_multiple;
int crmpi_finalize_begun;

/* A half of the tags, from 0 on, is for making communicators. */
static int half_of_tags(void)
{
    static int half;
    int *most, flag = 0, n = 1 << 14;

    if (half)
        return half;
    PMPI_Comm_get_attr(MPI_COMM_WORLD, MPI_TAG_UB, &most, &flag);
    while (flag && n < 1 << 30 && n <= *most / 4)
        n *= 2;
    return half = n;
}

int crmpi_private_tag(enum crmpi_private_tag what, uint64_t hash)
{
    int half = half_of_tags();

    switch (what) {
    case CRMPI_TAG_MAKE:
        return (int)(hash % (uint64_t)half);
    case CRMPI_TAG_SIDES:
        return half + (int)(hash % (uint64_t)(half - 2));
    default:
        return half + (half - 1 - (what == CRMPI_TAG_FREED));
    }
}

static void out_of_memory(void)
{
    crmpi_error("no memory for MPI objects");
    abort();
}

void *crmpi_upper_alloc(size_t bytes)
{
    void *block = crmpi_heap_alloc(bytes);

    if (!block)
        out_of_memory();
    return block;
}

void *crmpi_upper_dup(const void *data, size_t bytes)
{
    void *block = crmpi_heap_dup(data, bytes);

    if (!block)
        out_of_memory();
    return block;
}

void *crmpi_upper_grow(void *old, size_t old_bytes, size_t bytes)
{
    void *block = crmpi_heap_grow(old, old_bytes, bytes);

    if (!block)
        out_of_memory();
    return block;
}

void *crmpi_reals(int n, void *const *handles)
{
    void **reals;

    if (!handles || n < 0)
        return NULL;
    reals = malloc((n + 1) * sizeof *reals);
    if (!reals)
        out_of_memory();
    for (int i = 0; i < n; i++)
        reals[i] = crmpi_handle_real(handles[i]);
    return reals;
}

/* As large as any object, in case that the library looks at it. */
char crmpi_nothing[1024] __attribute__((aligned(16)));

void crmpi_left_give(enum crmpi_kind kind, void *real, void *out)
{
    struct crmpi_handle *handle = NULL;

    if (!out || real == crmpi_nothing)
        return;
    if (real)
        handle = crmpi_handle_of_real(kind, real);
    if (!real || (handle && handle->flags & CRMPI_HANDLE_PREDEFINED))
        memcpy(out, &handle, sizeof handle);
}

int crmpi_wait_real(MPI_Request *real, MPI_Status *status)
{
    for (;;) {
        int flag = 0, error = PMPI_Test(real, &flag, status);

        if (flag || error != MPI_SUCCESS)
            return error;
        crmpi_park_point();
    }
}
