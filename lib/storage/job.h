/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The group /job of a container: whose it is.  Lower half and tools.
 */
#ifndef CRMPI_STORAGE_JOB_H
#define CRMPI_STORAGE_JOB_H

#include "storage/container.h"
#include "storage/image.h"

/** Write /job: of @p line, or, if that is NULL, of a rank. */
enum crmpi_status crmpi_job_write(struct crmpi_image *image, const char *path,
                                  const struct crmpi_job *job,
                                  const struct crmpi_line *line);

/** Read and check /job; a line's, if @p line_out is not NULL, with what it alone has. */
enum crmpi_status crmpi_job_read(struct crmpi_image *image, const char *path,
                                 struct crmpi_job *job_out, struct crmpi_line *line_out);

#endif
