/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What kinds have in common that are opened again by their name.  Lower half; of this folder.
 */
#ifndef CRMPI_DESCRIPTORS_NAMED_H
#define CRMPI_DESCRIPTORS_NAMED_H

#include "descriptors/kind.h"

/** Whether it is what has its name now. */
int crmpi_descriptor_is_named(const struct crmpi_seen *seen);

/** Members of struct crmpi_descriptor_kind. */
const char *crmpi_by_name_check(const struct crmpi_descriptor *descriptor,
                                const void *data);
enum crmpi_status crmpi_by_name_restore(const struct crmpi_restoring *restoring,
                                        const struct crmpi_descriptor *descriptor,
                                        const void *data);

#endif
