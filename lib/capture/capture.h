/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Capture of this rank's upper half.  Lower half.  All calls but the last come from the
 * thread that does what takes time (engine/worker.h), one at a time.
 */
#ifndef CRMPI_CAPTURE_CAPTURE_H
#define CRMPI_CAPTURE_CAPTURE_H

#include "storage/container.h"

struct crmpi_capture_request {
    const char *path;
    const struct crmpi_job *job;
    const struct crmpi_dependencies *dependencies; /* NULL: all ranks take it together */
    int alone;                                     /* nobody else stands still */
    int background; /* the threads go on while the memory is being written, if it can be
                       done */
};

struct crmpi_capture_result {
    uint64_t file_bytes, digest; /* of the file, and of its seal */
    struct crmpi_figures figures;
};

/**
 * Note what this rank has written to windows, its own segments and others', since the last
 * time.  When no rank of the checkpoint writes to one any more, and before any of them
 * begins to save.
 */
enum crmpi_status crmpi_capture_quiet(void);

/**
 * Begin this rank's checkpoint (memory, windows, threads, signals, files, directory,
 * timers; the MPI layer's state lies in the upper memory), with all application threads
 * parked and no rank accessing a window.
 * @param[out] pending_out  1: the memory is taken, the threads may go on when all ranks
 *             have theirs, and crmpi_capture_complete() has to be called; 0: it is written,
 *             and the result is there
 * @param[out] why  on failure, what cannot be saved by name, or what went wrong
 * On failure there is no file, and nothing is under way.
 */
enum crmpi_status crmpi_capture_begin(const struct crmpi_capture_request *request,
                                      int *pending_out,
                                      struct crmpi_capture_result *result_out, char *why,
                                      size_t why_bytes);

/** Wait until the memory is written, and put the file in its place.  On failure there is
 * none. */
enum crmpi_status crmpi_capture_complete(struct crmpi_capture_result *result_out,
                                         char *why, size_t why_bytes);

/**
 * Say how the newest checkpoint ended, whether or not this rank has got as far as saving:
 * later ones may be told by what has changed since a committed one.
 * @param sn      of the checkpoint
 * @param digest  of its file
 */
void crmpi_capture_over(int committed, uint64_t sn, uint64_t digest);

/** How many bytes of the checkpoint that is under way have been dealt with; of 0 in all
 * when there is none.  Any thread, any time. */
void crmpi_capture_progress(uint64_t *done_bytes_out, uint64_t *total_bytes_out);

/** Say why the process cannot be captured now (child processes, sockets, ...); 0 if it can. */
int crmpi_capture_refusal(char *why, size_t why_bytes);

#endif
