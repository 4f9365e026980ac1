/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Capture of this rank's upper half, and its return.  Lower half; called by the protocol
 * thread with all application threads parked, and by the host's main at a restart.
 */
#ifndef CRMPI_CAPTURE_CAPTURE_H
#define CRMPI_CAPTURE_CAPTURE_H

#include "storage/container.h"

/**
 * Write this rank's checkpoint to @p path (memory, windows, threads, signals, files,
 * directory, timers; the MPI layer's state lies in the upper memory).
 * @param dependencies  what it depends on; NULL: all ranks take it together
 * @param[out] digest_out  of the file's seal
 * @param[out] why  on CRMPI_ERR_UNSUPPORTED the thing that cannot be saved, by name
 */
enum crmpi_status crmpi_capture(const char *path, const struct crmpi_job *job,
                                const struct crmpi_dependencies *dependencies,
                                crmpi_progress_fn progress, void *context,
                                uint64_t *file_bytes_out, uint64_t *digest_out, char *why,
                                size_t why_bytes);

/** Say why the process cannot be captured now (child processes, sockets, ...); 0 if it can. */
int crmpi_capture_refusal(char *why, size_t why_bytes);

#endif
