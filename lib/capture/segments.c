/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Survey of the segments of windows (see segments.h).
 *
 * Their memory is a shared mapping, in which a page can be missing that another process
 * has written: so all are looked at, but those that nobody has written (writes.h).  Where
 * one has no room to become real (a full /dev/shm), touching it would kill the process; so
 * the kernel is asked before.
 */
#include <errno.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "capture/segments.h"

#define PAGE 4096ul
#define PAGES_AT_ONCE 512

static uint64_t page_end(uint64_t address)
{
    return (address | (PAGE - 1)) + 1;
}

/* Make pages present, as far as bytes from start and PAGES_AT_ONCE reach: one byte of
 * each is read by the kernel.  Returns where that ends, 0 if one cannot be read. */
static uint64_t pages_read(uint64_t start, uint64_t end)
{
    struct iovec there[PAGES_AT_ONCE];
    char bytes[PAGES_AT_ONCE];
    uint64_t at = start;
    size_t n = 0;

    for (; at < end && n < PAGES_AT_ONCE; at = page_end(at))
        there[n++] = (struct iovec){(void *)at, 1};
    struct iovec here = {bytes, n};

    return process_vm_readv(getpid(), &here, 1, there, n, 0) == (ssize_t)n
               ? (at < end ? at : end)
               : 0;
}

enum crmpi_status crmpi_segment_check(uint64_t window, uint64_t start, uint64_t bytes,
                                      char *why, size_t why_bytes)
{
    uint64_t end = start + bytes;

    for (uint64_t at = start, next; at < end; at = next)
        if ((next = pages_read(at, end)) == 0) {
            snprintf(why, why_bytes,
                     "memory of window %llu behind %#lx cannot be read (%s): is /dev/shm "
                     "full?",
                     (unsigned long long)window, at, strerror(errno));
            return CRMPI_ERR_SYSTEM;
        }
    return CRMPI_OK;
}

static enum crmpi_flavor flavor_of(uint32_t mpi)
{
    return mpi == MPI_WIN_FLAVOR_CREATE     ? CRMPI_FLAVOR_CREATE
           : mpi == MPI_WIN_FLAVOR_ALLOCATE ? CRMPI_FLAVOR_ALLOCATE
           : mpi == MPI_WIN_FLAVOR_SHARED   ? CRMPI_FLAVOR_SHARED
                                            : CRMPI_FLAVOR_DYNAMIC;
}

static void segment_survey(const struct crmpi_window_segment *window,
                           struct crmpi_segment *segment_out)
{
    *segment_out = (struct crmpi_segment){
        .window = window->window,
        .start = window->start,
        .bytes = window->bytes,
        .view_start = window->view_start,
        .view_bytes = window->view_bytes,
        .flavor = flavor_of(window->flavor),
        .disp_unit = window->disp_unit,
        .n_members = window->n_members,
        .rank = window->rank,
    };
    memcpy(segment_out->name, window->name, sizeof segment_out->name);
}

enum crmpi_status crmpi_segments_survey(const struct crmpi_window_segment *windows,
                                        size_t n, struct crmpi_segment **segments_out,
                                        char *why, size_t why_bytes)
{
    struct crmpi_segment *segments;

    if (n > CRMPI_SEGMENTS_MAX) {
        snprintf(why, why_bytes, "%zu windows are more than the %zu that can be saved", n,
                 CRMPI_SEGMENTS_MAX);
        return CRMPI_ERR_UNSUPPORTED;
    }
    segments = calloc(n + 1, sizeof *segments);
    if (!segments) {
        snprintf(why, why_bytes, "no memory to survey %zu windows", n);
        return CRMPI_ERR_NOMEM;
    }
    for (size_t i = 0; i < n; i++)
        segment_survey(&windows[i], &segments[i]);
    *segments_out = segments;
    return CRMPI_OK;
}
