/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The file DIR/stopped: the job was ended after a checkpoint, and is not finished.  Rank 0
 * writes it, and a job that begins removes it.  Lower half and tools.
 */
#ifndef CRMPI_JOB_STOPPED_H
#define CRMPI_JOB_STOPPED_H

#include <stdint.h>
#include "base/status.h"

/* Why a job is ended after its checkpoint. */
enum crmpi_stop {
    CRMPI_STOP_NONE = 0,
    CRMPI_STOP_WISH, /* somebody wants it: crmpi-checkpoint --stop */
    CRMPI_STOP_TIME, /* its time is up: it shall go on as soon as it can */
};

struct crmpi_stopped {
    char job_id[64];
    uint64_t line;
    enum crmpi_stop reason;
};

/** Write it, atomically; logs why it cannot be. */
enum crmpi_status crmpi_stopped_write(const char *dir,
                                      const struct crmpi_stopped *stopped);

/** Read it; CRMPI_ERR_NOTFOUND: the job was not stopped. */
enum crmpi_status crmpi_stopped_read(const char *dir, struct crmpi_stopped *stopped_out);

void crmpi_stopped_remove(const char *dir);

#endif
