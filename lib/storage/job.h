/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The group /job of a container: whose it is.  Lower half and tools.
 */
#ifndef CRMPI_STORAGE_JOB_H
#define CRMPI_STORAGE_JOB_H

#include "storage/container.h"
#include "storage/image.h"

#define CRMPI_RANKS_MAX (1u << 24)

/** Write /job; a rank's has the world rank, a line's has @p save_seconds. */
enum crmpi_status crmpi_job_write(struct crmpi_image *image, const char *path,
                                  enum crmpi_container_kind kind,
                                  const struct crmpi_job *job, double save_seconds);

/** Read and check /job; for a rank's, @p save_seconds_out may be NULL. */
enum crmpi_status crmpi_job_read(struct crmpi_image *image, const char *path,
                                 enum crmpi_container_kind kind,
                                 struct crmpi_job *job_out, double *save_seconds_out);

#endif
