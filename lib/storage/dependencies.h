/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The group /dependencies of a rank's container.  Lower half and tools.
 */
#ifndef CRMPI_STORAGE_DEPENDENCIES_H
#define CRMPI_STORAGE_DEPENDENCIES_H

#include "storage/container.h"
#include "storage/image.h"

/** Check, as when they are read, that they make sense for the job that a file has. */
enum crmpi_status crmpi_dependencies_fit(const char *path, const struct crmpi_job *job,
                                         const struct crmpi_dependencies *dependencies);

/** Check them, as they are when read, and write them.
 * @param job  that the file has */
enum crmpi_status crmpi_dependencies_write(struct crmpi_image *image, const char *path,
                                           const struct crmpi_job *job,
                                           const struct crmpi_dependencies *dependencies);

/** Read them, and check every number; without the group all ranks depend on each other. */
enum crmpi_status crmpi_dependencies_read(struct crmpi_image *image, const char *path,
                                          const struct crmpi_job *job,
                                          struct crmpi_dependencies *dependencies_out);

#endif
