/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The job that used a checkpoint directory before.  A directory's lines and files are those
 * of one job: when another one begins there, what the former has left is put aside as a
 * whole, by renaming folders, or removed if that job has ended well or somebody says so.
 * Lower half and tools.
 *
 *   DIR/ended         text: all ranks of the job came to MPI_Finalize
 *   DIR/jobs/JOB_ID/  lines, ranks, ... of a former job: a checkpoint directory of its own
 *   DIR/discarded/    likewise, being removed
 *   DIR/moving        text: where to; what has not been moved yet is still to be
 *
 * Whoever changes any of it holds the lock of the directory (job/contact.h).
 */
#ifndef CRMPI_STORAGE_FORMER_H
#define CRMPI_STORAGE_FORMER_H

#include "storage/container.h"

#define CRMPI_JOBS_NAME "jobs"

struct crmpi_former {
    size_t n_lines;       /* 0: there is nothing to go on from */
    uint64_t highest;     /* number of a line; 0: there is none */
    int has_files;        /* there is anything */
    struct crmpi_job job; /* of the newest line that can be read; no job_id: none can */
    int has_ended;        /* all its ranks came to MPI_Finalize */
};

/** Look what lines there are, and whose.  A directory that is not there has none. */
enum crmpi_status crmpi_former_look(const char *dir, struct crmpi_former *former_out);

/** Go on with moving that was cut short.  Nothing is lost whenever that happens. */
enum crmpi_status crmpi_former_settle(const char *dir);

/**
 * Put all that a job has left into DIR/jobs/JOB_ID.
 * @param[out] path_out  that folder
 */
enum crmpi_status crmpi_former_keep(const char *dir, const struct crmpi_former *former,
                                    char *path_out, size_t path_bytes);

/** Give up all that a job has left; crmpi_discarded_remove() then takes the space back. */
enum crmpi_status crmpi_former_discard(const char *dir);

/**
 * Remove what was discarded of some ranks: of @p first, @p first + @p step, ..., up to the
 * first that is not there; and, with @p first 0, the lines.  Failures are logged, and do no
 * harm: what is left is removed when another job begins.
 */
void crmpi_discarded_remove(const char *dir, uint32_t first, uint32_t step);

/* A run of a job that came to its end. */
struct crmpi_ended {
    char job_id[64];
    uint64_t incarnation;
};

/** Write DIR/ended, atomically; logs why it cannot be. */
void crmpi_ended_write(const char *dir, const struct crmpi_job *job);
/** CRMPI_ERR_NOTFOUND: there is none. */
enum crmpi_status crmpi_ended_read(const char *dir, struct crmpi_ended *ended_out);
void crmpi_ended_remove(const char *dir);

#endif
